/* SPDX-License-Identifier: Apache-2.0 */
/* exec: runs a plan over every record of a source. Records are admitted while fewer than `in_flight` are under way; each
 * walks the graph in supersteps (design D3); its end is one of ok, failed, invalid, dropped, and goes to the output.
 *
 * Knows the frozen plan only, nothing of YAML. A bad record, reply or hook ends that record, never the run.
 * Memory: everything handed over in sg_exec_options must outlive the engine.
 * Thread: loop.   Async: on_end comes once. */
#ifndef SG_EXEC_EXEC_H
#define SG_EXEC_EXEC_H

#include "calls/calls.h"
#include "data/data.h"
#include "hooks/hooks.h"
#include "plan/plan.h"

struct sg_exec;

/* --- watching a run ------------------------------------------------------------------------------------------------------- */

enum sg_exec_event_kind {
    SG_EXEC_RECORD,     /* a record begins; value: its row */
    SG_EXEC_NODE,       /* a node begins; value: the state that it sees */
    SG_EXEC_CALL,       /* a request is made, again for each attempt; value: its messages */
    SG_EXEC_AGAIN,      /* the attempt failed (err); the next one comes after time_ns */
    SG_EXEC_REPLY,      /* a call ends: reply after time_ns, or err */
    SG_EXEC_ROUTE,      /* a condition has answered; value: its results, targets: names of nodes (none: END) */
    SG_EXEC_NODE_END,   /* a node ends; value: the keys it writes, or has changed in place, as they are then; or err */
    SG_EXEC_RECORD_END, /* outcome; output: its line; node, err: where and why it failed or is invalid */
};

/* What is not said above of a kind is zero. All of it is a view for the time of the callback, secrets are in it. */
struct sg_exec_event {
    enum sg_exec_event_kind kind;
    uint64_t position, line;
    struct sg_str node, node_kind; /* START, when a condition stands there */
    uint32_t step, visit;          /* step: from 1 */
    const struct sg_json *value;
    const struct sg_err *err;
    const struct sg_model_spec *model;
    uint32_t attempt;
    uint64_t time_ns;
    const struct sg_completion *reply;
    struct sg_str program;
    const struct sg_json *targets;
    enum sg_outcome outcome;
    struct sg_str output;
};

/* For `preview`, and for whoever shows a run as it goes. Nothing may be started, stopped or closed in it. Nodes of a step run
 * side by side, so their events mix; siblings of a node that failed end without one. */
struct sg_exec_observer {
    void (*on_event)(void *ud, const struct sg_exec_event *e);
    void *ud;
};

struct sg_exec_options {
    struct sg_loop *loop;
    const struct sg_plan *plan;
    struct sg_calls_model *const *models; /* by number in the plan */
    struct sg_hooks *hooks;
    const int *hook_ids; /* by number in the plan */
    const struct sg_columns *columns; /* by number in the plan, loaded; NULL when it has none */
    struct sg_source *source;
    struct sg_output *output; /* NULL: ends of records are only told to the observer */
    const struct sg_exec_observer *observer; /* NULL: nobody watches, and it costs nothing */
    uint64_t seed;
    uint64_t first; /* lowest position of the source */
    /* What is known of records from before: they go on behind their last step, and calls that were answered, or failed, are not
     * made again if their request is still the same; attempts and back-off of the others go on. NULL: nothing. */
    const struct sg_past_source *pasts;
    /* For a record that has ended and is made once more: what came of a hook that is never to run twice, {"results", "effects"?},
     * in `a`. False: nobody knows, and the record fails there. NULL: hooks run. */
    bool (*done_before)(void *ud, const struct sg_call_row *key, struct sg_arena *a, struct sg_json *out);
    void *done_ud;
    bool keep_requests; /* the journal gets what was asked, too */
    uint32_t in_flight; /* records under way at most */
    /* The source ended and every record has; or sg_exec_stop's drain is over. status: 0, or why the source broke. */
    void (*on_end)(void *ud, int status, const struct sg_err *err);
    /* After each record, once its end is in the output; may be NULL. */
    void (*on_record)(void *ud, enum sg_outcome outcome, uint64_t position);
    void *ud;
};

int sg_exec_open(const struct sg_exec_options *o, struct sg_exec **out);
void sg_exec_start(struct sg_exec *x);
/* No more records are admitted; those under way end, or are dropped without an end when `now`. */
void sg_exec_stop(struct sg_exec *x, bool now);
void sg_exec_close(struct sg_exec *x);

/* Failures that look alike: same node and kind; the first one's text. */
struct sg_exec_cause {
    struct sg_str node; /* empty: the row itself; invalid records: the rule, schema_config.score.is_less_than */
    int code;
    uint64_t count;
    uint64_t latest; /* the higher, the later its last failure was */
    char text[200];
};

/* Which record and node a hook was called for. */
struct sg_exec_place {
    uint64_t position;
    struct sg_str node;
};
struct sg_exec_place sg_exec_place_of(const struct sg_hook_call *c);

struct sg_exec_figures {
    uint64_t pulled, ended[4]; /* by enum sg_outcome */
    uint64_t steps, node_runs;
    uint64_t steps_kept, calls_kept; /* which the past had, so that they were not made again */
    uint64_t calls_repeated;         /* answered before, and asked again: the request has changed, or the reply was lost */
    uint64_t calls_missing; /* which failed, as the past did not have them and is all there is */
    uint32_t in_flight, peak_in_flight;
    bool source_ended;
    const struct sg_exec_cause *causes;
    size_t n_causes;
};
void sg_exec_figures(const struct sg_exec *x, struct sg_exec_figures *out);

#endif
