/* SPDX-License-Identifier: Apache-2.0 */
/* `sygra report` on a terminal. */
#include "report/write.h"

struct shown {
    char text[24];
};

/* 0.052 s, 12.3 s, 250 us: three digits that count. */
static struct shown seconds(double s) {
    struct shown t;
    if (s > 0 && s < 0.0001) snprintf(t.text, sizeof t.text, "%.0f us", s * 1e6);
    else if (s > 0 && s < 0.1) snprintf(t.text, sizeof t.text, "%.3g ms", s * 1e3);
    else snprintf(t.text, sizeof t.text, "%.*f s", s < 1 ? 3 : s < 100 ? 2 : 0, s);
    return t;
}

static void add_head(const struct sg_report *r, struct sg_buf *b) {
    const uint64_t *n = r->progress.totals.outcomes;
    sg_buf_printf(b, "run      %.*s\ntask     %.*s\nstate    %s", SG_ARG(r->folder), SG_ARG(r->id.task), r->state);
    if (r->holder) sg_buf_printf(b, ", process %d", r->holder);
    if (r->lives > 1) sg_buf_printf(b, ", %u lives", r->lives);
    sg_buf_printf(b, "\nstarted  %s", sg_show_moment(r->id.started_ms).text);
    double s = sg_report_seconds(r);
    if (s >= 0) sg_buf_printf(b, ", %s long", seconds(s).text);
    sg_buf_printf(b, "\nrecords  %llu ok, %llu failed, %llu invalid, %llu dropped", U(n[0]), U(n[1]), U(n[2]), U(n[3]));
    if (s > 0) sg_buf_printf(b, "; %.1f records/s", (double)(n[0] + n[1] + n[2] + n[3]) / s);
    sg_buf_ch(b, '\n');
}

static void add_calls(const struct sg_report *r, struct sg_buf *b) {
    struct sg_report_sum s;
    sg_report_sum(r, SG_ANY, SG_ANY, &s);
    sg_buf_printf(b, "calls    %llu answered, %llu failed, %llu attempts tried again", U(s.answered), U(s.failed), U(s.again));
    if (s.repeated) sg_buf_printf(b, ", %llu asked again after a resume", U(s.repeated));
    sg_buf_printf(b, "\ntokens   %llu in, %llu out", U(s.prompt_tokens), U(s.completion_tokens));
    if (s.unmetered) sg_buf_printf(b, "; %llu answers did not say how many", U(s.unmetered));
    sg_buf_ch(b, '\n');
}

static void add_cost(const struct sg_report *r, struct sg_buf *b) {
    struct sg_cost all = sg_report_cost(r, SG_ANY, SG_ANY), each = all, others = {0};
    uint64_t ok = r->progress.totals.outcomes[0];
    for (int i = 1; i < 4; i++) sg_cost_add(&others, sg_report_spent(r, i));
    sg_buf_printf(b, "cost     %s", sg_cost_show(all).text);
    each.usd = ok ? all.usd / (double)ok : 0;
    if (ok && all.any) sg_buf_printf(b, ", %s for each record that is ok", sg_cost_show(each).text);
    if (others.any || others.unknown) sg_buf_printf(b, "; %s for records that are not", sg_cost_show(others).text);
    sg_buf_ch(b, '\n');
    if (r->has_lag)
        sg_buf_printf(b, "commits  %.1f ms after a record's end, %.1f ms at most for 99 %%\n", r->lag_p50_ms, r->lag_p99_ms);
}

/* A name takes 28 columns and is cut there. */
static void add_name(struct sg_str name, struct sg_buf *b) {
    for (size_t columns = sg_screen_text(b, name, 28, true); columns < 28; columns++) sg_buf_ch(b, ' ');
}

static void add_row(struct sg_str name, uint64_t n, uint64_t failed, const struct sg_stats *s, const char *cost,
                    struct sg_buf *b) {
    add_name(name, b);
    sg_buf_printf(b, " %9llu %8llu %10s %10s %10s %s\n", U(n), U(failed), seconds(s->p50).text, seconds(s->p95).text,
                  seconds(s->p99).text, cost);
}

static void add_title(const char *what, const char *counted, const char *last, struct sg_buf *b) {
    sg_buf_printf(b, "\n%-28s %9s %8s %10s %10s %10s %s\n", what, counted, "failed", "half in", "95 % in", "99 % in", last);
}

static void add_models(const struct sg_report *r, struct sg_buf *b) {
    if (r->n_models) add_title("model", "answered", "cost", b);
    for (size_t i = 0; i < r->n_models; i++) {
        struct sg_report_sum s;
        sg_report_sum(r, i, SG_ANY, &s);
        add_row(r->models[i].alias, s.answered, s.failed, &s.stats, sg_cost_show(sg_report_cost(r, i, SG_ANY)).text, b);
    }
}

static void add_nodes(const struct sg_report *r, struct sg_buf *b) {
    add_title("node", "runs", "cost", b);
    for (size_t i = 0; i < r->id.n_nodes; i++) {
        struct sg_report_sum s;
        struct sg_stats runs;
        uint64_t failed;
        if (!sg_report_is_node(r, i)) continue;
        sg_report_runs(r, i, &failed, &runs);
        sg_report_sum(r, SG_ANY, i, &s);
        add_row(r->id.nodes[i].name, runs.n, failed, &runs,
                s.attempts ? sg_cost_show(sg_report_cost(r, SG_ANY, i)).text : "", b);
    }
}

static void add_response(void *ud, const char *name, uint64_t n) {
    sg_buf_printf(ud, " %llu x %s,", U(n), name);
}

static void add_responses(const struct sg_report *r, struct sg_buf *b) {
    if (r->n_models) SG_BUF_LIT(b, "\nmodel                        responses\n");
    for (size_t i = 0; i < r->n_models; i++) {
        add_name(r->models[i].alias, b);
        sg_report_codes(r, i, SG_ANY, add_response, b);
        if (b->p[b->n - 1] == ',') b->n--;
        sg_buf_ch(b, '\n');
    }
}

static void add_causes(const struct sg_report *r, struct sg_buf *b) {
    if (r->n_causes) SG_BUF_LIT(b, "\nfailed records\n");
    for (size_t i = 0; i < r->n_causes && i < 10; i++) {
        const struct sg_report_cause *c = &r->causes[i];
        sg_buf_printf(b, "%8llu  %.*s  %.*s  ", U(c->count), SG_ARG(c->node), SG_ARG(c->code));
        sg_screen_text(b, c->text, SIZE_MAX, true);
        sg_buf_ch(b, '\n');
    }
}

static void on_missing(void *ud, const char *what, const char *why) {
    sg_buf_printf(ud, "missing  %s: %s\n", what, why);
}

void sg_report_text(const struct sg_report *r, struct sg_buf *b) {
    add_head(r, b);
    add_calls(r, b);
    add_cost(r, b);
    sg_report_missing(r, on_missing, b);
    add_models(r, b);
    add_nodes(r, b);
    add_responses(r, b);
    add_causes(r, b);
}
