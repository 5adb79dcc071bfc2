/* SPDX-License-Identifier: Apache-2.0 */
/* figures: what a run tells of itself, gathered at one moment: for the panel, the events and the summary. Private to run.
 *
 * Records, calls and tokens are of the whole run; rates, lag and time are of this life of it. */
#ifndef SG_RUN_FIGURES_H
#define SG_RUN_FIGURES_H

#include "exec/exec.h"
#include "report/report.h"

/* Rates are taken over the last few seconds: a ring of what had been done at moments that lie a tick or more apart. */
#define SG_RATE_SAMPLES 32
#define SG_RATE_WINDOW_NS SG_MS(6000)

struct sg_rates {
    struct {
        uint64_t at_ns, calls, tokens;
    } samples[SG_RATE_SAMPLES];
    size_t n, next;
};
void sg_rates_sample(struct sg_rates *r, uint64_t at_ns, uint64_t calls, uint64_t tokens);
/* Per second, between the newest sample and the oldest one in the window; 0 while there is one sample only. */
void sg_rates_now(const struct sg_rates *r, double *calls, double *tokens);

#define SG_FIGURES_PLACES 16

struct sg_figures {
    struct sg_str task;
    const char *state;     /* running, stopping, finishing */
    uint32_t life;         /* how many processes have worked at this run, with this one */
    uint64_t outcomes[4];  /* records ended, by enum sg_outcome */
    uint64_t records;      /* their sum */
    uint64_t records_here; /* of them in this life */
    bool has_total;
    uint64_t total; /* records there are */
    uint32_t under_way, batch;
    uint64_t calls, calls_failed, retries, prompt_tokens, completion_tokens;
    struct sg_cost cost;            /* of all answers so far */
    uint64_t calls_here, latency_ns; /* answered in this life; the sum of their times */
    uint32_t calls_in_flight, backing_off;
    double calls_per_s, tokens_per_s;
    double lag_p50_ms, lag_p99_ms; /* from the end of a record to its commit */
    double elapsed_s;
    double left_s; /* negative: not known */
    struct sg_calls_place places[SG_FIGURES_PLACES];
    size_t n_places; /* may be more than there is room for */
    const struct sg_exec_cause *causes;
    size_t n_causes;
};

/* The causes with the latest failures first: indices into f->causes, at most `max`; returns how many. */
size_t sg_figures_latest(const struct sg_figures *f, size_t *out, size_t max);
/* What the whole run will cost at the price of its records so far; false when that cannot be said. */
bool sg_figures_projected(const struct sg_figures *f, struct sg_cost *out);
/* What a machine is told: the members of a JSON object, without its braces. */
/* Of them those of cost, each with a comma before it; what is not known is not told. */
void sg_figures_cost_json(const struct sg_figures *f, struct sg_buf *b);
void sg_figures_json(const struct sg_figures *f, struct sg_buf *b);

#endif
