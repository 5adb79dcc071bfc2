/* SPDX-License-Identifier: Apache-2.0 */
/* past: what a run folder knows of a record that is half done: calls with what came back, and steps. It is read when the record
 * begins again, so that only as many are in memory as are under way.
 *
 * Who runs records asks a sg_past_source and knows nothing of folders; a folder that is gone on with is one source
 * (sg_output_pasts), another folder, whose answers are to be used, another.
 * Thread: loop, but for sg_past_read.   Async: as sg_past_request says. */
#ifndef SG_DATA_PAST_H
#define SG_DATA_PAST_H

#include "journal/body.h"
#include "journal/rundb.h"
#include "net/loop.h"

struct sg_past_call {
    struct sg_call_row row;
    struct sg_reply reply;        /* when it was answered and row.has_body */
    const struct sg_err *failure; /* when it failed and the reason was kept; else NULL */
    struct sg_json hook;          /* of a hook that has run (sub > 0): {"results", "effects"?}; else null */
    struct sg_str request;        /* what was asked, compact JSON without secrets; empty: not kept */
};

struct sg_past_step {
    uint32_t step;
    struct sg_json changes;
};

/* Of one record. */
struct sg_past {
    struct sg_arena arena;      /* all of it, but for this struct */
    struct sg_past_call *calls; /* in order of their key */
    size_t n_calls, cap_calls;
    struct sg_past_step *steps; /* in order, without a gap where one was lost: nothing follows that */
    size_t n_steps, cap_steps;
};
void sg_past_free(struct sg_past *p);

/* One question. It is the caller's until on_past, which comes once and never from inside load; cancel ends in none. A body
 * that is damaged: SG_E_SYNTAX, with its place. */
struct sg_past_request {
    uint64_t position;
    void (*on_past)(struct sg_past_request *q, int status, struct sg_past *past, const struct sg_err *err); /* takes the past */
    void *ud;
    void *impl_;
};

/* Of a recording, which is asked for requests: the call's node and key, and what it asks. */
struct sg_past_question {
    struct sg_str node;
    uint64_t position;
    uint32_t visit, ordinal;
    struct sg_str request; /* compact JSON without secrets */
};

struct sg_past_source {
    bool (*has)(void *ud, uint64_t position); /* false: nothing is known, and nothing is to be asked */
    void (*load)(void *ud, struct sg_past_request *q);
    void (*cancel)(void *ud, struct sg_past_request *q);
    /* For a call that the past of its record does not have: one of that node that asked the same, the one of the same key if there
     * are several; or NULL. *nearest: what the call asked that comes nearest; empty: there is none. NULL: nobody is asked. */
    const struct sg_past_call *(*find)(void *ud, const struct sg_past_question *q, struct sg_str *nearest);
    void *ud;
    bool is_all; /* nothing else may be asked: a call that it does not have fails (SG_E_MISSING) */
};

/* Blocks; on the thread that owns both. */
int sg_past_read(struct sg_rundb *db, struct sg_segments *segments, uint64_t position, struct sg_past **out,
                 struct sg_err *err);

/* A source that reads on the worker to which db and segments belong. `positions`: of which there is something, sorted, not
 * copied; NULL: all are asked for. To be closed behind the worker, before db and segments. */
struct sg_past_folder;
struct sg_past_folder *sg_past_folder_open(struct sg_worker *w, struct sg_rundb *db, struct sg_segments *segments,
                                           const uint64_t *positions, size_t n);
/* For a run that is made once more: answers only, no steps, and nothing else may be asked. */
void sg_past_folder_replay(struct sg_past_folder *f);
const struct sg_past_source *sg_past_folder_source(const struct sg_past_folder *f);
void sg_past_folder_close(struct sg_past_folder *f);

#endif
