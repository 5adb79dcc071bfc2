/* SPDX-License-Identifier: Apache-2.0 */
/* figures: sums over tallies, and what they cost. */
#include "report/report.h"

#include <math.h>
#include <stdio.h>

size_t sg_report_model_of(const struct sg_report *r, uint32_t node, uint32_t ordinal) {
    for (size_t i = 0; i < r->n_uses; i++)
        if (r->uses[i].node == node && r->uses[i].ordinal == ordinal) return r->uses[i].model;
    return SG_ANY;
}

double sg_report_seconds(const struct sg_report *r) {
    int64_t end = r->ended_ms;
    if (r->timeline && r->timeline->end_ms + r->id.started_ms > end) end = r->timeline->end_ms + r->id.started_ms;
    if (strcmp(r->state, "live") == 0) end = sg_os->wall_ns() / 1000000;
    return end > r->id.started_ms ? (double)(end - r->id.started_ms) / 1e3 : -1;
}

bool sg_report_is_node(const struct sg_report *r, size_t node) {
    struct sg_str kind = r->id.nodes[node].kind;
    return !sg_str_eq(kind, SG_STR("start")) && !sg_str_eq(kind, SG_STR("output"));
}

const char *sg_tally_name(const struct sg_tally *t, char text[16]) {
    if (t->status <= 0) return sg_error_name(t->code);
    snprintf(text, 16, "%d", t->status);
    return text;
}

/* --- times ---------------------------------------------------------------------------------------------------------- */

struct moments {
    uint64_t n, sum_us, min_us, max_us;
    double squares;
    struct sg_times times;
};

static void add_moments(struct moments *m, const struct sg_tally *t) {
    if (m->n == 0 || t->min_us < m->min_us) m->min_us = t->min_us;
    if (t->max_us > m->max_us) m->max_us = t->max_us;
    m->n += t->count;
    m->sum_us += t->sum_us;
    m->squares += t->squares;
}

static double within(double us, const struct moments *m) {
    if (us < (double)m->min_us) us = (double)m->min_us;
    if (us > (double)m->max_us) us = (double)m->max_us;
    return us / 1e6;
}

/* The deviation is the sample's; of one value it is 0. */
static void finish(const struct moments *m, struct sg_stats *out) {
    *out = (struct sg_stats){.n = m->n};
    if (m->n == 0) return;
    double n = (double)m->n, mean = (double)m->sum_us / n, variance = m->n > 1 ? (m->squares - n * mean * mean) / (n - 1) : 0;
    out->total = (double)m->sum_us / 1e6;
    out->mean = mean / 1e6;
    out->least = (double)m->min_us / 1e6;
    out->largest = (double)m->max_us / 1e6;
    out->deviation = variance > 0 ? sqrt(variance) / 1e6 : 0;
    out->p50 = within(sg_times_quantile(&m->times, 0.5), m);
    out->p95 = within(sg_times_quantile(&m->times, 0.95), m);
    out->p99 = within(sg_times_quantile(&m->times, 0.99), m);
}

/* --- sums ----------------------------------------------------------------------------------------------------------- */

static bool is_meant(const struct sg_report *r, uint32_t of_node, uint32_t ordinal, size_t model, size_t node) {
    if (ordinal == SG_TALLY_NODE) return false;
    return (node == SG_ANY || node == of_node) && (model == SG_ANY || model == sg_report_model_of(r, of_node, ordinal));
}

void sg_report_sum(const struct sg_report *r, size_t model, size_t node, struct sg_report_sum *out) {
    const struct sg_tallies *t = r->tallies;
    struct moments m = {0};
    *out = (struct sg_report_sum){0};
    for (size_t i = 0; i < t->n_tallies; i++) {
        const struct sg_tally *y = &t->tallies[i];
        if (!is_meant(r, y->node, y->ordinal, model, node)) continue;
        out->attempts += y->count;
        out->again += y->again;
        out->repeated += y->repeated;
        out->prompt_tokens += y->prompt_tokens;
        out->completion_tokens += y->completion_tokens;
        out->unmetered += y->unmetered;
        *(y->code ? &out->failed : &out->answered) += y->count - y->again;
        if (!y->code) add_moments(&m, y);
    }
    for (size_t i = 0; i < t->n_times; i++)
        if (is_meant(r, t->times[i].node, t->times[i].ordinal, model, node)) sg_times_add(&m.times, &t->times[i]);
    finish(&m, &out->stats);
}

/* Several rows may have one name: of two nodes, or of one status that says two things. */
static bool is_named_so(const struct sg_report *r, const struct sg_tally *y, size_t model, size_t node, const char *name) {
    char text[16];
    return is_meant(r, y->node, y->ordinal, model, node) && strcmp(sg_tally_name(y, text), name) == 0;
}

static uint64_t count_named(const struct sg_report *r, size_t from, size_t to, size_t model, size_t node, const char *name) {
    uint64_t n = 0;
    for (size_t i = from; i < to; i++) {
        const struct sg_tally *y = &r->tallies->tallies[i];
        if (is_named_so(r, y, model, node, name)) n += y->count;
    }
    return n;
}

void sg_report_codes(const struct sg_report *r, size_t model, size_t node,
                     void (*fn)(void *ud, const char *name, uint64_t n), void *ud) {
    size_t all = r->tallies->n_tallies;
    for (size_t i = 0; i < all; i++) {
        char text[16];
        const char *name = sg_tally_name(&r->tallies->tallies[i], text);
        if (!is_named_so(r, &r->tallies->tallies[i], model, node, name) || count_named(r, 0, i, model, node, name)) continue;
        fn(ud, name, count_named(r, i, all, model, node, name));
    }
}

void sg_report_runs(const struct sg_report *r, size_t node, uint64_t *failed, struct sg_stats *out) {
    const struct sg_tallies *t = r->tallies;
    struct moments m = {0};
    *failed = 0;
    for (size_t i = 0; i < t->n_tallies; i++) {
        const struct sg_tally *y = &t->tallies[i];
        if (y->ordinal != SG_TALLY_NODE || y->node != node) continue;
        if (y->code) *failed += y->count;
        add_moments(&m, y);
    }
    const struct sg_times *times = sg_tallies_times(t, (uint32_t)node, SG_TALLY_NODE);
    if (times) sg_times_add(&m.times, times);
    finish(&m, out);
}

/* --- cost ----------------------------------------------------------------------------------------------------------- */

struct sg_cost sg_price_of(const struct sg_price *p, uint64_t prompt, uint64_t completion, uint64_t unmetered) {
    bool nothing = prompt == 0 && completion == 0 && unmetered == 0;
    if (!p || !p->known) return (struct sg_cost){.unknown = !nothing};
    bool is_free = p->input == 0 && p->output == 0;
    return (struct sg_cost){.usd = ((double)prompt * p->input + (double)completion * p->output) / 1e6,
                            .unknown = unmetered > 0 && !is_free,
                            .any = !nothing};
}

void sg_cost_add(struct sg_cost *to, struct sg_cost c) {
    to->usd += c.usd;
    to->unknown |= c.unknown;
    to->any |= c.any;
}

static const struct sg_price *price_at(const struct sg_report *r, uint32_t node, uint32_t ordinal) {
    size_t model = sg_report_model_of(r, node, ordinal);
    return model == SG_ANY ? NULL : &r->models[model].price;
}

struct sg_cost sg_report_cost(const struct sg_report *r, size_t model, size_t node) {
    struct sg_cost all = {0};
    for (size_t i = 0; i < r->tallies->n_tallies; i++) {
        const struct sg_tally *y = &r->tallies->tallies[i];
        if (!is_meant(r, y->node, y->ordinal, model, node)) continue;
        sg_cost_add(&all, sg_price_of(price_at(r, y->node, y->ordinal), y->prompt_tokens, y->completion_tokens,
                                      y->unmetered));
    }
    return all;
}

/* Answers that did not say their tokens are not told by outcome. */
struct sg_cost sg_report_spent(const struct sg_report *r, int outcome) {
    struct sg_cost all = {0};
    for (size_t i = 0; i < r->tallies->n_spent; i++) {
        const struct sg_spent *s = &r->tallies->spent[i];
        bool unmetered = s->calls > 0 && s->prompt_tokens == 0 && s->completion_tokens == 0;
        if (s->outcome != outcome) continue;
        sg_cost_add(&all, sg_price_of(price_at(r, s->node, s->ordinal), s->prompt_tokens, s->completion_tokens, unmetered));
    }
    return all;
}

/* Of small ones three digits that count. */
struct sg_cost_text sg_cost_show(struct sg_cost c) {
    struct sg_cost_text t;
    int decimals = c.usd >= 1 || c.usd <= 0 ? 2 : 2 - (int)floor(log10(c.usd));
    const char *before = c.unknown ? "at least " : "";
    if (!c.any) snprintf(t.text, sizeof t.text, "%s", c.unknown ? "unknown" : "$0");
    else snprintf(t.text, sizeof t.text, "%s$%.*f", before, decimals < 12 ? decimals : 12, c.usd);
    return t;
}
