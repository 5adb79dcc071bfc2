/* SPDX-License-Identifier: Apache-2.0 */
/* Gathering figures. The time left is what is left of the records at the pace of this life so far, which steadies as the run
 * goes on; a shorter look back would jump with every slow record. */
#include "run/parts.h"

#include <math.h>

/* --- rates ------------------------------------------------------------------------------------------------------ */

void sg_rates_sample(struct sg_rates *r, uint64_t at_ns, uint64_t calls, uint64_t tokens) {
    r->samples[r->next].at_ns = at_ns;
    r->samples[r->next].calls = calls;
    r->samples[r->next].tokens = tokens;
    r->next = (r->next + 1) % SG_RATE_SAMPLES;
    if (r->n < SG_RATE_SAMPLES) r->n++;
}

/* To one decimal: more would only tire the reader. */
static double per_second(uint64_t count, uint64_t ns) {
    return ns ? round((double)count * 1e10 / (double)ns) / 10 : 0;
}

void sg_rates_now(const struct sg_rates *r, double *calls, double *tokens) {
    *calls = *tokens = 0;
    if (r->n < 2) return;
    size_t newest = (r->next + SG_RATE_SAMPLES - 1) % SG_RATE_SAMPLES, oldest = newest;
    for (size_t back = 1; back < r->n; back++) {
        size_t i = (newest + SG_RATE_SAMPLES - back) % SG_RATE_SAMPLES;
        bool in_window = r->samples[newest].at_ns - r->samples[i].at_ns <= SG_RATE_WINDOW_NS;
        if (!in_window && back > 1) break;
        oldest = i;
    }
    uint64_t span = r->samples[newest].at_ns - r->samples[oldest].at_ns;
    *calls = per_second(r->samples[newest].calls - r->samples[oldest].calls, span);
    *tokens = per_second(r->samples[newest].tokens - r->samples[oldest].tokens, span);
}

/* --- gathering -------------------------------------------------------------------------------------------------- */

static const char *state_of(const struct run *r) {
    return r->ending ? "finishing" : r->interrupted || r->aborted ? "stopping" : "running";
}

/* -n bounds it; the source does too, once it has been read to its end. */
static bool find_total(const struct run *r, uint64_t *total) {
    bool known;
    uint64_t rows;
    sg_source_has_more(r->source, &known, &rows);
    *total = r->count;
    if (known && r->task.spec.data.source) {
        rows = rows > r->first ? rows - r->first : 0;
        if (*total == 0 || rows < *total) *total = rows;
        return true;
    }
    return r->count > 0;
}

static void add_records(const struct run *r, const struct sg_exec_figures *e, struct sg_figures *f) {
    for (int i = 0; i < 4; i++) {
        f->records_here += e->ended[i];
        f->outcomes[i] = e->ended[i] + (r->resumed ? r->resumed->totals.outcomes[i] : 0);
        f->records += f->outcomes[i];
    }
    f->under_way = e->in_flight;
    f->causes = e->causes;
    f->n_causes = e->n_causes;
    f->has_total = find_total(r, &f->total);
    f->left_s = -1;
    if (!f->has_total || !f->records_here) return;
    uint64_t left = f->total > f->records ? f->total - f->records : 0;
    f->left_s = f->elapsed_s * (double)left / (double)f->records_here;
}

static void add_calls(const struct run *r, struct sg_figures *f) {
    struct sg_run_totals before = {0};
    struct sg_calls_figures c;
    sg_calls_figures(r->calls, &c);
    if (r->resumed) before = r->resumed->totals;
    f->calls = before.answered + c.ok;
    f->calls_failed = before.failed + c.failed;
    f->retries = before.retried + c.retries;
    f->prompt_tokens = before.prompt_tokens + c.prompt_tokens;
    f->completion_tokens = before.completion_tokens + c.completion_tokens;
    f->calls_here = c.ok;
    f->latency_ns = c.latency_ns;
    f->calls_in_flight = c.in_flight;
    f->backing_off = c.backing_off;
    f->cost = sg_run_cost(r);
    f->n_places = sg_calls_places(r->calls, f->places, SG_FIGURES_PLACES);
}

/* Of a path, the last part: its beginning is the same for all tasks. */
static struct sg_str short_name(struct sg_str task) {
    while (task.n > 1 && task.p[task.n - 1] == '/') task.n--;
    size_t from = task.n;
    while (from > 0 && task.p[from - 1] != '/') from--;
    return from < task.n ? (struct sg_str){task.p + from, task.n - from} : task;
}

void sg_run_figures(const struct run *r, struct sg_figures *f) {
    struct sg_exec_figures e;
    struct sg_output_figures o;
    sg_exec_figures(r->exec, &e);
    sg_output_figures(r->output, &o);
    *f = (struct sg_figures){.task = short_name(r->task.spec.name),
                             .state = state_of(r),
                             .life = r->life,
                             .batch = r->o->in_flight};
    f->elapsed_s = (double)((r->ended_ns ? r->ended_ns : sg_loop_now_ns(r->loop)) - r->started_ns) / 1e9;
    f->lag_p50_ms = (double)o.lag_p50_us / 1e3;
    f->lag_p99_ms = (double)o.lag_p99_us / 1e3;
    add_records(r, &e, f);
    add_calls(r, f);
    sg_rates_now(&r->rates, &f->calls_per_s, &f->tokens_per_s);
}

void sg_run_sample(struct run *r) {
    struct sg_calls_figures c;
    sg_calls_figures(r->calls, &c);
    sg_rates_sample(&r->rates, sg_loop_now_ns(r->loop), c.ok, c.prompt_tokens + c.completion_tokens);
}

bool sg_figures_projected(const struct sg_figures *f, struct sg_cost *out) {
    *out = f->cost;
    if (!f->cost.any || !f->has_total || f->records == 0 || f->total <= f->records) return false;
    out->usd *= (double)f->total / (double)f->records;
    return true;
}

size_t sg_figures_latest(const struct sg_figures *f, size_t *out, size_t max) {
    size_t n = 0;
    for (; n < max && n < f->n_causes; n++) {
        bool any = false;
        for (size_t i = 0; i < f->n_causes; i++) {
            uint64_t latest = f->causes[i].latest;
            if (n > 0 && latest >= f->causes[out[n - 1]].latest) continue; /* no two are the same */
            if (!any || latest > f->causes[out[n]].latest) out[n] = i;
            any = true;
        }
    }
    return n;
}

/* --- for machines: docs/formats/events.md ----------------------------------------------------------------------- */

#define U(x) ((unsigned long long)(x))

static void places_json(const struct sg_figures *f, struct sg_buf *b) {
    SG_BUF_LIT(b, ",\"models\":[");
    for (size_t i = 0; i < f->n_places && i < SG_FIGURES_PLACES; i++) {
        const struct sg_calls_place *p = &f->places[i];
        sg_buf_printf(b, "%s{\"model\":", i ? "," : "");
        sg_json_write_text(b, p->model);
        if (p->url.n) {
            SG_BUF_LIT(b, ",\"url\":");
            sg_json_write_text(b, p->url);
        }
        sg_buf_printf(b, ",\"in_flight\":%u,\"waiting\":%u", p->in_flight, p->waiting);
        if (p->limit) sg_buf_printf(b, ",\"limit\":%u", p->limit);
        sg_buf_ch(b, '}');
    }
    sg_buf_ch(b, ']');
}

void sg_figures_cost_json(const struct sg_figures *f, struct sg_buf *b) {
    struct sg_cost all;
    if (f->cost.any && !f->cost.unknown) sg_buf_printf(b, ",\"cost_usd\":%.6f", f->cost.usd);
    if (f->cost.unknown && f->cost.any) sg_buf_printf(b, ",\"known_cost_usd\":%.6f", f->cost.usd);
    if (sg_figures_projected(f, &all) && !all.unknown) sg_buf_printf(b, ",\"projected_cost_usd\":%.6f", all.usd);
}

static void causes_json(const struct sg_figures *f, struct sg_buf *b) {
    size_t order[32], n = sg_figures_latest(f, order, 32);
    SG_BUF_LIT(b, ",\"errors\":[");
    for (size_t i = 0; i < n; i++) {
        const struct sg_exec_cause *c = &f->causes[order[i]];
        sg_buf_printf(b, "%s{\"count\":%llu,\"node\":", i ? "," : "", U(c->count));
        sg_json_write_string(b, c->node);
        sg_buf_printf(b, ",\"kind\":\"%s\",\"text\":", sg_error_name(c->code));
        sg_json_write_text(b, sg_str(c->text));
        sg_buf_ch(b, '}');
    }
    sg_buf_ch(b, ']');
}

void sg_figures_json(const struct sg_figures *f, struct sg_buf *b) {
    sg_buf_printf(b, "\"state\":\"%s\",\"ok\":%llu,\"failed\":%llu,\"invalid\":%llu,\"dropped\":%llu", f->state,
                  U(f->outcomes[0]), U(f->outcomes[1]), U(f->outcomes[2]), U(f->outcomes[3]));
    if (f->has_total) sg_buf_printf(b, ",\"total\":%llu", U(f->total));
    sg_buf_printf(b, ",\"in_flight\":%u,\"batch_size\":%u", f->under_way, f->batch);
    sg_buf_printf(b, ",\"calls\":%llu,\"calls_failed\":%llu,\"calls_in_flight\":%u,\"backing_off\":%u,\"retries\":%llu",
                  U(f->calls), U(f->calls_failed), f->calls_in_flight, f->backing_off, U(f->retries));
    sg_buf_printf(b, ",\"prompt_tokens\":%llu,\"completion_tokens\":%llu", U(f->prompt_tokens),
                  U(f->completion_tokens));
    sg_buf_printf(b, ",\"calls_per_s\":%.1f,\"tokens_per_s\":%.1f", f->calls_per_s, f->tokens_per_s);
    sg_buf_printf(b, ",\"commit_lag_p50_ms\":%.1f,\"commit_lag_p99_ms\":%.1f,\"elapsed_s\":%.1f", f->lag_p50_ms,
                  f->lag_p99_ms, f->elapsed_s);
    if (f->left_s >= 0) sg_buf_printf(b, ",\"left_s\":%.1f", f->left_s);
    sg_figures_cost_json(f, b);
    places_json(f, b);
    causes_json(f, b);
}
