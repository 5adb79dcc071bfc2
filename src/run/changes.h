/* SPDX-License-Identifier: Apache-2.0 */
/* changes: what of a task is not as it was when its run began, and what that means for what the run has done. Private to run.
 *
 * Records are concerned that ran a node which has changed; of their calls those are asked again whose requests change, and,
 * at most, those of nodes that see what the changed ones write. Where the run folder does not tell which records ran a node,
 * all are concerned.
 * Memory: an arena of the caller's.   Thread: loop, before it runs; it reads the run folder. */
#ifndef SG_RUN_CHANGES_H
#define SG_RUN_CHANGES_H

#include "run/parts.h"

struct sg_change {
    const char *what; /* "changed", "new", "gone" */
    struct sg_str name, kind;
    const char *of; /* "its requests", ... */
};

/* Answered calls that are asked again, of a node or to a model. */
struct sg_change_calls {
    uint64_t calls, prompt_tokens, completion_tokens;
    bool fed; /* its own requests are made as before: it sees what others write */
};

struct sg_changes {
    struct sg_arena *arena;
    const struct sg_plan *plan;
    const struct sg_run_identity *was, *is;
    struct sg_change *list;
    size_t n, cap;
    bool source; /* another one: then nothing of the run is of use */
    struct sg_str reasons; /* lines: shipped subgraphs of another version, files of hooks; what they changed is in the list */
    /* By node of the plan. */
    struct sg_plan_reach reach;
    struct sg_change_calls *calls;
    struct sg_change_calls *models; /* by model of the plan */
    bool *concerns;                 /* by node of `was`: records that ran it */
    bool all, outputs;              /* concerned: all records; all that came to the output map */
    size_t n_outputs;               /* changes of the output map and the checks */
    bool unknown;                   /* no calls are kept: all are asked again */
    struct sg_range *positions;     /* of finished records that are concerned */
    size_t n_positions, cap_positions;
    uint64_t finished, half_done; /* concerned records */
    uint64_t asked;               /* their calls that are asked again */
};

/* What has changed. `columns`: values that samplers draw from files are others. */
void sg_changes_find(struct sg_changes *c, struct sg_arena *a, const struct sg_plan *p, const struct sg_run_identity *was,
                     const struct sg_run_identity *is, bool columns);
/* What that concerns. */
int sg_changes_weigh(struct sg_changes *c, struct sg_rundb *db);
/* For people, lines: what has changed, and with what that concerns; for machines, the members of a JSON object. */
void sg_changes_list(const struct sg_changes *c, struct sg_buf *out);
void sg_changes_text(const struct sg_changes *c, struct sg_buf *out);
void sg_changes_json(const struct sg_changes *c, struct sg_buf *out);

#endif
