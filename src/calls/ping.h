/* SPDX-License-Identifier: Apache-2.0 */
/* ping: whether a model is there, at no price: the list of models of an HTTP endpoint (GET .../models), the header of an
 * embedded model's file. No policy: one attempt.
 *
 * Memory: a ping is the caller's until its one callback; the answer is a view for the time of the callback.
 * Thread: loop.   Async: on_done once, never inside start; the calls are closed after it.
 * Errors: UNSUPPORTED (there is nothing that costs nothing), STATUS (err.status), those of net, MODEL. */
#ifndef SG_CALLS_PING_H
#define SG_CALLS_PING_H

#include "calls/calls.h"

enum sg_ping_list {
    SG_PING_NO_LIST,  /* it answers, but has no list of models */
    SG_PING_LISTED,   /* the model is in its list */
    SG_PING_UNLISTED, /* it is not */
    SG_PING_FILE,     /* embedded: the file and the library are there */
};

struct sg_ping_answer {
    uint64_t latency_ns;
    enum sg_ping_list list;
    struct sg_str names;  /* UNLISTED: the first of those that are there, separated by ", " */
    struct sg_local_file file; /* FILE */
};

struct sg_ping {
    const struct sg_model_spec *spec;
    const char *exe_dir; /* embedded models */
    size_t address;      /* number of its url */
    uint32_t timeout_ms;
    void (*on_done)(struct sg_ping *p, int status, const struct sg_ping_answer *answer, const struct sg_err *err);
    void *ud;
    /* set by calls: */
    struct sg_loop *loop_;
    struct sg_exchange http_;
    struct sg_url url_;
    struct sg_str headers_;
    struct sg_arena arena_;
    struct sg_job job_;
    struct sg_worker *worker_;
    struct sg_local_file file_;
    struct sg_err err_;
    uint64_t started_ns_;
};

/* Returns 0, or an error with no callback to come. */
int sg_ping_start(struct sg_calls *c, struct sg_ping *p, struct sg_err *err);

#endif
