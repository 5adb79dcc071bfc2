/* SPDX-License-Identifier: Apache-2.0 */
/* calls: one call layer for every provider (design D9): abstract request -> encode -> policy -> exchange -> decode ->
 * outcome. The policy (attempts, back-off with full jitter, Retry-After, choice of address, deadlines) is one for all;
 * providers are pure encoders and decoders; the embedded model is one more backend.
 *
 * Memory: a call is the caller's storage until its one callback. The request is asked for at each attempt, so a waiting or
 * repeated call holds no body. The completion is a view for the time of the callback.
 * Thread: loop.   Async: callback once, never from inside start; sg_call_cancel ends in no callback.
 * Errors: STATUS (final HTTP status, err.status), BUSY, TIMEOUT, CONNECT, RESOLVE, RESET, PROTOCOL, REPLY after the last
 * attempt; MODEL, LIMIT; what the request writer returned. An error is a value, never text of a model. */
#ifndef SG_CALLS_CALLS_H
#define SG_CALLS_CALLS_H

#include "local/local.h"
#include "net/net.h"
#include "spec/spec.h"

struct sg_calls;
struct sg_calls_model; /* a model that can be called */

struct sg_call;
struct sg_completion;

struct sg_calls_options {
    const char *exe_dir;
    /* Answers in place of models: nothing is loaded, connected or sent. Sets what is known of the call (attempts, latency_ns)
     * and *out, views until the next call; or returns an error with its reason. `c->request_hash` is what would be sent. */
    int (*answer)(void *ud, struct sg_call *c, struct sg_completion *out, struct sg_err *err);
    void *answer_ud;
    bool deterministic; /* embedded models: one sequence a batch */
    uint64_t seed;
    bool hash_requests; /* fill sg_call.request_hash, 1 us of CPU for 4 kB */
    bool offline; /* nothing is contacted or loaded, and no call may be started: requests are only written */
};
int sg_calls_open(struct sg_loop *l, const struct sg_calls_options *o, struct sg_calls **out);
void sg_calls_close(struct sg_calls *c); /* pending calls are dropped without callback */
/* Prepares a model; nothing is sent, an embedded one begins to load. Lives as long as `c`. */
int sg_calls_model(struct sg_calls *c, const struct sg_model_spec *spec, struct sg_calls_model **out,
                   struct sg_err *err);

/* What a node wants to know of the model. */
struct sg_request {
    struct sg_json messages; /* array of {role, content, name?, tool_calls?, tool_call_id?} */
    struct sg_json tools, tool_choice; /* array of what the model may call, and how; null: none */
    uint64_t seed;           /* for backends that draw themselves */
    uint64_t order;         /* the lowest goes first where requests wait for a place */
};

struct sg_usage {
    uint64_t prompt_tokens, completion_tokens;
    bool known;
};

struct sg_completion {
    struct sg_str text;        /* "" for null; stripped, special tokens removed, unless its model has a post_process */
    struct sg_json tool_calls; /* array or null */
    struct sg_str finish_reason;
    struct sg_usage usage;
};

/* Without the model's special tokens, stripped: what is done to every reply, behind the model's own post_process where there is
 * one. A view into text or scratch. */
struct sg_str sg_reply_clean(struct sg_arena *scratch, const struct sg_model_spec *m, struct sg_str text);

struct sg_call {
    struct sg_calls_model *model;
    /* Makes the request in `scratch`. Called once an attempt. */
    int (*request)(struct sg_call *c, struct sg_arena *scratch, struct sg_request *out, struct sg_err *err);
    void (*on_done)(struct sg_call *c, int status, const struct sg_completion *done, const struct sg_err *err);
    /* An attempt failed and another follows after `wait_ns`; may be NULL. For the journal: nothing may be started in it. */
    void (*on_again)(struct sg_call *c, uint64_t wait_ns, const struct sg_err *err);
    void *ud;
    uint64_t record;    /* for events, and for who answers in place of models: whose call it is, ... */
    struct sg_str node; /* ... which node's, ... */
    uint32_t visit, ordinal; /* ... and which of its calls */
    /* A call that an earlier life of the run began: its attempts so far, and what is left of its back-off. Else 0. */
    uint32_t attempts_before;
    uint64_t wait_before_ns;
    /* set by calls: */
    uint32_t attempts;     /* begun, with those of earlier lives */
    uint64_t request_hash; /* of the last body sent (sg_call_body); 0: none yet, or not asked for */
    uint64_t latency_ns;   /* of the answer, in on_done */
    uint32_t url_; /* number of the address that the last attempt went to */
    uint64_t started_ns;
    struct sg_timer backoff_;
    struct sg_call *prev_, *next_;
    union {
        struct sg_exchange http_;
        struct sg_local_request local_;
    };
    struct sg_arena *scratch_; /* of an embedded model's request */
    uint8_t state_;
    bool unwritten_; /* the request could not be made */
};
void sg_call_start(struct sg_call *c);
void sg_call_cancel(struct sg_call *c);
/* What is sent when the call is started, and what an embedded model would be sent behind an endpoint: compact JSON with the
 * model's name, the messages and the parameters. Nothing is sent. Needs `model`, `request` and `ud` only; may be called in
 * on_done. Errors: what the request writer returned. */
int sg_call_body(struct sg_call *c, struct sg_buf *out, struct sg_err *err);
/* What request_hash is for such a body. */
uint64_t sg_call_hash_of(struct sg_str body);

struct sg_calls_figures {
    uint64_t calls, ok, failed, canceled, attempts, retries;
    uint64_t prompt_tokens, completion_tokens, usage_unknown;
    uint64_t latency_ns; /* sum over answered attempts */
    uint32_t in_flight, peak_in_flight, backing_off;
    uint64_t first_sent_ns; /* loop clock of the first request, 0: none yet */
};
void sg_calls_figures(const struct sg_calls *c, struct sg_calls_figures *out);

/* What the answers of one model took. */
struct sg_calls_spent {
    uint64_t prompt_tokens, completion_tokens, unmetered; /* unmetered: answers that did not say */
};
void sg_calls_spent(const struct sg_calls_model *m, struct sg_calls_spent *out);

/* What went to one address of a model; nodes that name the same model share it. */
struct sg_calls_address {
    const struct sg_calls_address *next;
    struct sg_str model, url;                      /* alias; as configured */
    uint64_t attempts, answered, failed, canceled; /* attempts are those, and those in flight */
    uint64_t outs;                                 /* how often it was left out for a while */
    uint32_t in_flight, peak_in_flight;
};
/* In the order in which the models were prepared. */
const struct sg_calls_address *sg_calls_addresses(const struct sg_calls *c);

/* Where calls go to: an address of a model, or an embedded model. Texts live as long as `c`. */
struct sg_calls_place {
    struct sg_str model, url;    /* url: empty when the model has one address only, or is embedded */
    uint32_t in_flight, waiting; /* waiting: for a place among the sequences of an embedded model */
    uint32_t limit;              /* of calls in flight; 0: none but what the number of records brings */
};
/* Fills in at most `max` places; returns how many there are. */
size_t sg_calls_places(const struct sg_calls *c, struct sg_calls_place *out, size_t max);

#endif
