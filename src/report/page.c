/* SPDX-License-Identifier: Apache-2.0 */
/* `sygra report --html`: one page that needs nothing else: no network, no script, no font. A policy in its head says so to the
 * browser too. Every text that comes from a run is escaped. */
#include "report/chart.h"
#include "report/write.h"

#include <math.h>

static const char style[] =
    ":root{--paper:#fff;--ink:#1f2328;--soft:#59636e;--line:#d1d9e0;--card:#f6f8fa;--c0:#0969da;--c1:#bf3989;--c2:#1a7f37;"
    "--c3:#9a6700;--c4:#8250df;--c5:#cf222e;--c6:#1b7c83;--c7:#6e7781;--ok:#2da44e;--failed:#cf222e;--invalid:#bf8700;"
    "--dropped:#818b98;color-scheme:light dark}\n"
    "@media (prefers-color-scheme:dark){:root{--paper:#0d1117;--ink:#f0f6fc;--soft:#9198a1;--line:#3d444d;--card:#151b23;"
    "--c0:#4493f8;--c1:#f778ba;--c2:#3fb950;--c3:#d29922;--c4:#ab7df8;--c5:#f85149;--c6:#39c5cf;--c7:#9198a1;--ok:#3fb950;"
    "--failed:#f85149;--invalid:#d29922;--dropped:#656c76}}\n"
    "*{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 ui-sans-serif,system-ui,"
    "'Segoe UI',Helvetica,Arial,'DejaVu Sans',sans-serif}main{max-width:1200px;margin:0 auto;padding:20px}\n"
    "h1{font-size:24px;margin:0;overflow-wrap:anywhere}h2{font-size:18px;margin:28px 0 8px}p{margin:4px 0;color:var(--soft);"
    "overflow-wrap:anywhere}\n"
    ".tiles,.charts{display:grid;gap:12px;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));margin:20px 0}\n"
    ".charts{gap:20px;grid-template-columns:repeat(auto-fit,minmax(min(100%,460px),1fr))}\n"
    ".tile,figure{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px;margin:0;min-width:0}\n"
    ".tile b{display:block;font-size:22px;overflow-wrap:anywhere}.tile span,figcaption{color:var(--soft)}"
    "figcaption b{color:var(--ink)}\n"
    "svg{width:100%;height:auto;display:block}svg text{fill:var(--soft);font-size:14px}.x{text-anchor:middle}"
    ".y{text-anchor:end}.grid{stroke:var(--line)}.line{fill:none;stroke-width:2;stroke-linejoin:round}"
    ".hit{fill:transparent}.hit:hover{fill:var(--line);opacity:.5}\n"
    ".legend span{margin-right:14px;white-space:nowrap}.legend i{display:inline-block;width:10px;height:10px;border-radius:3px;"
    "margin-right:5px}\n"
    ".scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}"
    "th,td{padding:5px 12px 5px 0;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}"
    "th{color:var(--soft);font-weight:600}th:first-child,td:first-child,.text{text-align:left}"
    "td.text{white-space:normal;min-width:180px;overflow-wrap:anywhere}\n"
    "@media (max-width:600px){main{padding:12px}svg text{font-size:20px}.tiles{grid-template-columns:1fr 1fr}}\n";

static void add_colors(struct sg_buf *b) {
    static const char *const names[] = {"c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "ok", "failed", "invalid", "dropped"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        sg_buf_printf(b, ".line.%s{stroke:var(--%s)}.bar.%s{fill:var(--%s)}i.%s{background:var(--%s)}\n", names[i], names[i],
                      names[i], names[i], names[i], names[i]);
}

static void add_head(const struct sg_report *r, struct sg_buf *b) {
    SG_BUF_LIT(b, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
                  "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
                  "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
                  "<meta name=\"generator\" content=\"sygra " SYGRA_VERSION "\">\n<title>");
    sg_html(b, r->id.task);
    SG_BUF_LIT(b, ": report</title>\n<style>\n");
    sg_buf_str(b, sg_str(style));
    add_colors(b);
    SG_BUF_LIT(b, "</style></head>\n<body><main>\n<h1>");
    sg_html(b, r->id.task);
    sg_buf_printf(b, "</h1>\n<p>%s", r->state);
    if (r->lives > 1) sg_buf_printf(b, " in %u lives", r->lives);
    sg_buf_printf(b, ", started %s", sg_show_moment(r->id.started_ms).text);
    if (sg_report_seconds(r) >= 0) sg_buf_printf(b, ", %s long", sg_show_amount(sg_report_seconds(r), "s").text);
    SG_BUF_LIT(b, "</p>\n<p>");
    sg_html(b, r->folder);
    SG_BUF_LIT(b, "</p>\n");
}

/* --- tiles ---------------------------------------------------------------------------------------------------------- */

static void add_tile(struct sg_buf *b, const char *value, const char *of, const char *more) {
    sg_buf_printf(b, "<div class=\"tile\"><b>%s</b>%s<br><span>%s</span></div>\n", value, of, more);
}

static void add_tiles(const struct sg_report *r, struct sg_buf *b) {
    const uint64_t *n = r->progress.totals.outcomes;
    struct sg_report_sum s;
    struct sg_cost cost = sg_report_cost(r, SG_ANY, SG_ANY), each = cost;
    char more[160];
    sg_report_sum(r, SG_ANY, SG_ANY, &s);
    SG_BUF_LIT(b, "<section class=\"tiles\">\n");
    snprintf(more, sizeof more, "%llu failed, %llu invalid, %llu dropped", U(n[1]), U(n[2]), U(n[3]));
    add_tile(b, sg_show_amount((double)n[0], "").text, "records ok", more);
    snprintf(more, sizeof more, "%llu failed, %llu tried again, %llu repeated", U(s.failed), U(s.again), U(s.repeated));
    add_tile(b, sg_show_amount((double)s.answered, "").text, "calls answered", more);
    snprintf(more, sizeof more, "%s in, %s out", sg_show_amount((double)s.prompt_tokens, "").text,
             sg_show_amount((double)s.completion_tokens, "").text);
    add_tile(b, sg_show_amount((double)(s.prompt_tokens + s.completion_tokens), "").text, "tokens", more);
    snprintf(more, sizeof more, "%s for 95 %%", sg_show_amount(s.stats.p95, "s").text);
    add_tile(b, sg_show_amount(s.stats.p50, "s").text, "latency of half the calls", more);
    each.usd = n[0] ? cost.usd / (double)n[0] : 0;
    snprintf(more, sizeof more, "%s a record that is ok", n[0] ? sg_cost_show(each).text : "unknown");
    add_tile(b, sg_cost_show(cost).text, "cost", more);
    SG_BUF_LIT(b, "</section>\n");
}

/* --- charts --------------------------------------------------------------------------------------------------------- */

static const char *const colors[SG_SERIES] = {"c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"};

/* Seconds that a slot covers: the last one may have been cut. */
static double slot_seconds(const struct sg_timeline *t, size_t i) {
    int64_t left = t->end_ms - (int64_t)i * t->width_ms;
    return (double)(left * 2 > t->width_ms && left < t->width_ms ? left : t->width_ms) / 1e3;
}

static struct sg_chart new_chart(const struct sg_report *r, const char *title, const char *about, const char *unit) {
    return (struct sg_chart){.title = sg_str(title),
                             .about = sg_str(about),
                             .unit = unit,
                             .slot_s = (double)r->timeline->width_ms / 1e3,
                             .n = r->timeline->n};
}

static double *add_series(struct sg_chart *c, struct sg_arena *a, struct sg_str name, const char *color) {
    double *values = SG_NEW_N(a, double, c->n);
    c->series[c->n_series++] = (struct sg_series){name, values, color};
    return values;
}

static void draw_outcomes(const struct sg_report *r, struct sg_arena *a, struct sg_buf *b) {
    static const char *const names[] = {"ok", "failed", "invalid", "dropped"};
    struct sg_chart c = new_chart(r, "Records", "that ended, by outcome", "/s");
    c.stacked = true;
    for (int k = 0; k < 4; k++) {
        if (k > 0 && r->progress.totals.outcomes[k] == 0) continue;
        double *v = add_series(&c, a, sg_str(names[k]), names[k]);
        for (size_t i = 0; i < c.n; i++) v[i] = (double)r->timeline->slots[i].ended[k] / slot_seconds(r->timeline, i);
    }
    sg_chart_draw(b, &c);
}

/* "node", or of several models "node: model". Those without a colour of their own share the last one. */
static struct sg_str name_of_use(const struct sg_report *r, struct sg_arena *a, size_t use) {
    const struct sg_report_use *u = &r->uses[use];
    size_t siblings = 0;
    if (use == SG_SERIES - 1 && r->n_uses > SG_SERIES) return SG_STR("others");
    for (size_t i = 0; i < r->n_uses; i++) siblings += r->uses[i].node == u->node;
    struct sg_str node = u->node < r->id.n_nodes ? r->id.nodes[u->node].name : SG_STR("?");
    return siblings == 1 ? node : sg_str_printf(a, "%.*s: %.*s", SG_ARG(node), SG_ARG(r->models[u->model].alias));
}

enum what { CALLS, LATENCY, COST };

/* What is drawn of the uses from..to (not included) in a slot. */
static double of_uses(const struct sg_report *r, enum what what, size_t from, size_t to, size_t slot) {
    const struct sg_slot *s = &r->timeline->slots[slot];
    double answered = 0, us = 0, usd = 0;
    for (size_t i = from; i < to; i++) {
        const struct sg_slot_use *u = &s->uses[i];
        answered += (double)u->answered;
        us += (double)u->latency_us;
        usd += sg_price_of(&r->models[r->uses[i].model].price, u->prompt_tokens, u->completion_tokens, 0).usd;
    }
    if (what == COST) return usd;
    if (what == LATENCY) return answered > 0 ? us / answered / 1e6 : NAN;
    return answered / slot_seconds(r->timeline, slot);
}

static void draw_uses(const struct sg_report *r, struct sg_arena *a, enum what what, struct sg_chart *c, struct sg_buf *b) {
    size_t n = r->n_uses < SG_SERIES ? r->n_uses : SG_SERIES;
    for (size_t k = 0; k < n; k++) {
        size_t to = k + 1 == SG_SERIES ? r->n_uses : k + 1;
        double *v = add_series(c, a, name_of_use(r, a, k), colors[k]);
        for (size_t i = 0; i < c->n; i++) {
            v[i] = of_uses(r, what, k, to, i);
            if (what == COST && i > 0) v[i] += v[i - 1];
        }
    }
    sg_chart_draw(b, c);
}

static void draw_latency(const struct sg_report *r, struct sg_arena *a, struct sg_buf *b) {
    static const struct {
        const char *name;
        double share;
    } lines[] = {{"50 % in", 0.5}, {"95 % in", 0.95}, {"99 % in", 0.99}};
    struct sg_chart c = new_chart(r, "Latency", "of answered calls, all nodes", "s");
    for (size_t k = 0; k < 3; k++) {
        double *v = add_series(&c, a, sg_str(lines[k].name), colors[k]);
        for (size_t i = 0; i < c.n; i++) {
            const struct sg_times *t = &r->timeline->slots[i].times;
            v[i] = t->n ? sg_times_quantile(t, lines[k].share) / 1e6 : NAN;
        }
    }
    sg_chart_draw(b, &c);
}

static void draw_charts(const struct sg_report *r, struct sg_buf *b) {
    struct sg_arena a;
    if (!r->timeline || r->timeline->n == 0) return;
    sg_arena_init(&a, 0);
    struct sg_chart calls = new_chart(r, "Calls", "answered, by node", "/s");
    struct sg_chart latency = new_chart(r, "Mean latency", "of answered calls, by node", "s");
    struct sg_chart cost = new_chart(r, "Cost", "so far, of models whose price is known, by node", "$");
    SG_BUF_LIT(b, "<section class=\"charts\">\n");
    draw_outcomes(r, &a, b);
    if (r->n_uses) {
        draw_uses(r, &a, CALLS, &calls, b);
        draw_latency(r, &a, b);
        draw_uses(r, &a, LATENCY, &latency, b);
        if (sg_report_cost(r, SG_ANY, SG_ANY).any) draw_uses(r, &a, COST, &cost, b);
    }
    SG_BUF_LIT(b, "</section>\n");
    sg_arena_fini(&a);
}

/* --- tables --------------------------------------------------------------------------------------------------------- */

static void open_table(struct sg_buf *b, const char *title, const char *const *heads) {
    sg_buf_printf(b, "<h2>%s</h2>\n<div class=\"scroll\"><table><tr>", title);
    for (; *heads; heads++) sg_buf_printf(b, "<th>%s</th>", *heads);
    SG_BUF_LIT(b, "</tr>\n");
}

static void close_table(struct sg_buf *b) {
    SG_BUF_LIT(b, "</table></div>\n");
}

static void add_text(struct sg_buf *b, const char *class, struct sg_str s) {
    sg_buf_printf(b, "<td class=\"%s\">", class);
    sg_html(b, s);
    SG_BUF_LIT(b, "</td>");
}

static void add_count(struct sg_buf *b, uint64_t n) {
    sg_buf_printf(b, "<td>%llu</td>", U(n));
}

static void add_stats(struct sg_buf *b, const struct sg_stats *s) {
    const double v[] = {s->mean, s->p50, s->p95, s->p99, s->largest};
    for (size_t i = 0; i < 5; i++) sg_buf_printf(b, "<td>%s</td>", s->n ? sg_show_amount(v[i], "s").text : "");
}

static void add_code(void *ud, const char *name, uint64_t n) {
    sg_buf_printf(ud, "%llu x %s ", U(n), name);
}

static void add_codes(struct sg_buf *b, const struct sg_report *r, size_t model) {
    SG_BUF_LIT(b, "<td>");
    sg_report_codes(r, model, SG_ANY, add_code, b);
    SG_BUF_LIT(b, "</td>");
}

static void add_models(const struct sg_report *r, struct sg_buf *b) {
    static const char *const heads[] = {"model", "answered", "failed", "cost", "tokens in", "tokens out", "mean", "50 % in",
                                        "95 % in", "99 % in", "longest", "responses", "price", NULL};
    if (r->n_models == 0) return;
    open_table(b, "Models", heads);
    for (size_t i = 0; i < r->n_models; i++) {
        struct sg_report_sum s;
        sg_report_sum(r, i, SG_ANY, &s);
        SG_BUF_LIT(b, "<tr>");
        add_text(b, "", r->models[i].alias);
        add_count(b, s.answered), add_count(b, s.failed);
        sg_buf_printf(b, "<td>%s</td>", sg_cost_show(sg_report_cost(r, i, SG_ANY)).text);
        add_count(b, s.prompt_tokens), add_count(b, s.completion_tokens);
        add_stats(b, &s.stats);
        add_codes(b, r, i);
        add_text(b, "", r->models[i].price.known ? r->models[i].price.from : SG_STR("unknown"));
        SG_BUF_LIT(b, "</tr>\n");
    }
    close_table(b);
}

static void add_nodes(const struct sg_report *r, struct sg_buf *b) {
    static const char *const heads[] = {"node", "kind", "runs", "failed", "mean", "50 % in", "95 % in", "99 % in",
                                        "longest", "cost", NULL};
    open_table(b, "Nodes", heads);
    for (size_t i = 0; i < r->id.n_nodes; i++) {
        struct sg_report_sum s;
        struct sg_stats runs;
        uint64_t failed;
        if (!sg_report_is_node(r, i)) continue;
        sg_report_runs(r, i, &failed, &runs);
        sg_report_sum(r, SG_ANY, i, &s);
        SG_BUF_LIT(b, "<tr>");
        add_text(b, "", r->id.nodes[i].name);
        add_text(b, "", r->id.nodes[i].kind);
        add_count(b, runs.n), add_count(b, failed);
        add_stats(b, &runs);
        sg_buf_printf(b, "<td>%s</td></tr>\n", s.attempts ? sg_cost_show(sg_report_cost(r, SG_ANY, i)).text : "");
    }
    close_table(b);
}

static void add_outcomes(const struct sg_report *r, struct sg_buf *b) {
    static const char *const heads[] = {"outcome", "records", "cost of their answers", NULL};
    static const char *const names[] = {"ok", "failed", "invalid", "dropped"};
    open_table(b, "Outcomes", heads);
    for (int i = 0; i < 4; i++)
        sg_buf_printf(b, "<tr><td>%s</td><td>%llu</td><td>%s</td></tr>\n", names[i], U(r->progress.totals.outcomes[i]),
                      sg_cost_show(sg_report_spent(r, i)).text);
    close_table(b);
}

static void add_causes(const struct sg_report *r, struct sg_buf *b) {
    static const char *const heads[] = {"node", "kind", "records", "first", NULL};
    if (r->n_causes == 0) return;
    open_table(b, "Failed records", heads);
    for (size_t i = 0; i < r->n_causes; i++) {
        SG_BUF_LIT(b, "<tr>");
        add_text(b, "", r->causes[i].node);
        add_text(b, "", r->causes[i].code);
        add_count(b, r->causes[i].count);
        add_text(b, "text", r->causes[i].text);
        SG_BUF_LIT(b, "</tr>\n");
    }
    close_table(b);
}

static void on_missing(void *ud, const char *what, const char *why) {
    struct sg_buf *b = ud;
    SG_BUF_LIT(b, "<p><b>");
    sg_html(b, sg_str(what));
    SG_BUF_LIT(b, "</b>: ");
    sg_html(b, sg_str(why));
    SG_BUF_LIT(b, "</p>\n");
}

void sg_report_page(const struct sg_report *r, struct sg_buf *b) {
    add_head(r, b);
    add_tiles(r, b);
    draw_charts(r, b);
    add_models(r, b);
    add_nodes(r, b);
    add_outcomes(r, b);
    add_causes(r, b);
    struct sg_buf missing = SG_BUF_INIT(SIZE_MAX);
    sg_report_missing(r, on_missing, &missing);
    if (missing.n) SG_BUF_LIT(b, "<h2>Not in this report</h2>\n");
    sg_buf_str(b, sg_buf_view(&missing));
    sg_buf_fini(&missing);
    SG_BUF_LIT(b, "</main></body></html>\n");
}
