/* SPDX-License-Identifier: Apache-2.0 */
/* keeper: the run folder as the writer's worker sees it. What has ended gathers in a group; a commit stores the bodies, writes
 * the files, then the rows. Private to data.
 *
 * Thread: the writer's worker; opened and closed by the loop while no job runs.
 * Errors: every function returns 0 or the first error, with `err`; after one, nothing may follow but fini. */
#ifndef SG_DATA_KEEPER_H
#define SG_DATA_KEEPER_H

#include "data/data.h"
#include "data/lag.h"
#include "data/outfile.h"
#include "data/waiting.h"
#include "journal/body.h"
#include "journal/tally.h"

#define SG_OUTCOMES 4

/* The end of a record on its way from the loop. */
struct sg_ended {
    struct sg_record_row row;
    uint64_t offset; /* of its row in the source */
    uint64_t put_ns;
    struct sg_str json;
    struct sg_str node, code, text; /* why it failed; code empty: not told */
    const struct sg_writer_row *writers;
    size_t n_writers;
    const struct sg_work *work;     /* what it did */
    size_t n_work;
};

struct sg_kept_record {
    struct sg_record_row row;
    uint64_t put_ns;
};

/* A body that may not be needed any more when the group is committed: it waits in sg_keeper.bodies. */
struct sg_kept_body {
    bool waits, needless;
    uint32_t kind;
    size_t at, n;
};

struct sg_kept_call {
    struct sg_call_row row;
    struct sg_kept_body body;
};

struct sg_kept_step {
    struct sg_step_row row;
    struct sg_kept_body body;
};

struct sg_kept_cause {
    struct sg_str node, code, text;
    uint64_t count;
};

struct sg_kept_frames {
    uint32_t segment;
    uint64_t frames;
};

struct sg_keeper {
    struct sg_arena arena;
    struct sg_str folder, segments_folder, output_folder; /* end in NUL */
    struct sg_run_identity id;
    struct sg_rundb *db;
    struct sg_segments *segments;
    struct sg_tallies *tallies; /* the writer's; what changed in them is part of the group */
    struct sg_progress now; /* as the next commit will have it */
    /* The group. */
    bool dirty;
    struct sg_kept_record *records;
    struct sg_kept_call *calls;
    struct sg_kept_step *steps;
    struct sg_writer_row *writers;
    struct sg_kept_cause *causes;
    struct sg_arena cause_texts;
    struct sg_buf bodies;
    size_t n_records, cap_records, n_calls, cap_calls, n_steps, cap_steps, n_writers, cap_writers, n_causes,
        cap_causes;
    struct sg_kept_frames *released; /* by this commit */
    size_t n_released, cap_released;
    /* Syncing: the state whose sync is under way, and the last one that is on disk. */
    struct sg_progress captured, synced;
    bool synced_is_new; /* no commit has told it yet */
    struct sg_sync in_line;
    bool has_calls, has_steps; /* there are rows that --keep takes away again */
    uint64_t forgotten_to;     /* those of records below it are gone */
    struct sg_lag lag;
    uint64_t commits;
};

/* `folder`: <stem>.run, `output_folder`: what it is in; both end in NUL and stay. */
void sg_keeper_init(struct sg_keeper *k, struct sg_str folder, struct sg_str output_folder,
                    const struct sg_run_identity *id);
void sg_keeper_fini(struct sg_keeper *k);
/* A new run. */
int sg_keeper_begin(struct sg_keeper *k, struct sg_err *err);

void sg_keeper_record(struct sg_keeper *k, const struct sg_ended *e);
/* `kind`: enum sg_body_kind; 0: it has no body. */
int sg_keeper_call(struct sg_keeper *k, const struct sg_call_row *row, uint32_t kind, struct sg_str body,
                   struct sg_err *err);
int sg_keeper_step(struct sg_keeper *k, const struct sg_step_row *row, struct sg_str body, struct sg_err *err);
int sg_keeper_meta(struct sg_keeper *k, struct sg_str key, struct sg_str value, struct sg_err *err);
int sg_keeper_source(struct sg_keeper *k, const struct sg_run_source *source, struct sg_err *err);
static inline size_t sg_keeper_gathered(const struct sg_keeper *k) {
    return k->n_records + k->n_calls + k->n_steps;
}

/* The group becomes part of the run; with --durability commit it is on disk then. */
int sg_keeper_commit(struct sg_keeper *k, struct sg_waiting *w, struct sg_outfile *files, struct sg_err *err);
/* What the last commit says is to be synced: `y`, then sg_rundb_sync. */
void sg_keeper_capture(struct sg_keeper *k, struct sg_outfile *files, struct sg_sync *y);
/* That has been done. */
void sg_keeper_settle(struct sg_keeper *k);
/* A commit that is on disk: the run's state is `state`. "stopped"; or "ending", while .part gets its name, then "finished". */
int sg_keeper_end(struct sg_keeper *k, struct sg_waiting *w, struct sg_outfile *files, struct sg_str state,
                  struct sg_err *err);
/* The bodies that are not to be kept go. */
void sg_keeper_tidy(struct sg_keeper *k);

#endif
