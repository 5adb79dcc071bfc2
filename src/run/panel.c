/* SPDX-License-Identifier: Apache-2.0 */
/* The panel, at 80 columns:
 *
 *   slow  ██████████████████▓▓░░░░░░░░░░░░░░░░  46 %  93 of 200 records
 *     90 ok  3 failed  0 invalid  0 dropped  10 of 10 under way
 *     95.2 calls/s  1,234 tokens/s  93 calls  4 retries
 *     elapsed 0:01  left 0:02  commit lag 51 ms
 *     gpt: 10 calls in flight, 2 backing off
 *     3 x ask timeout: model gpt: no answer in 30 s
 *
 * The bar shows ok, then other ends, then what is left. Where it has no room beside the name it takes a line of its own. */
#include "run/panel.h"

#include <stdarg.h>
#include <stdio.h>

#define INDENT 2
#define LABEL 9 /* columns of a label and the space behind it */
#define MOST_PLACES 4
#define MOST_CAUSES 3
#define LEAST_BAR 16

/* --- numbers ---------------------------------------------------------------------------------------------------- */

struct sg_number sg_show_count(uint64_t n) {
    struct sg_number out;
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n), at = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) out.text[at++] = ',';
        out.text[at++] = digits[i];
    }
    out.text[at] = 0;
    return out;
}

/* One decimal where it tells something. */
struct sg_number sg_show_rate(double v) {
    struct sg_number out;
    if (v >= 99.95) return sg_show_count((uint64_t)(v + 0.5));
    snprintf(out.text, sizeof out.text, "%.1f", v);
    return out;
}

struct sg_number sg_show_time(double s) {
    struct sg_number out;
    if (s < 0 || s > 1e9) return (struct sg_number){"?"};
    unsigned all = (unsigned)s, hours = all / 3600, minutes = all / 60 % 60;
    if (hours) snprintf(out.text, sizeof out.text, "%u:%02u:%02u", hours, minutes, all % 60);
    else snprintf(out.text, sizeof out.text, "%u:%02u", minutes, all % 60);
    return out;
}

/* --- lines ------------------------------------------------------------------------------------------------------ */

static const char *const colors[] = {
    [SG_PLAIN] = "", [SG_BOLD] = "1", [SG_GREEN] = "32", [SG_RED] = "31", [SG_YELLOW] = "33", [SG_DIM] = "2",
};

static void color_on(const struct sg_panel_style *s, enum sg_panel_color color, struct sg_buf *out) {
    if (s->color && color != SG_PLAIN) sg_buf_printf(out, "\x1b[%sm", colors[color]);
}

static void color_off(const struct sg_panel_style *s, enum sg_panel_color color, struct sg_buf *out) {
    if (s->color && color != SG_PLAIN) SG_BUF_LIT(out, "\x1b[0m");
}

static void spaces(struct sg_buf *out, size_t n) {
    for (size_t i = 0; i < n; i++) sg_buf_ch(out, ' ');
}

struct sg_panel_line sg_panel_begin(const struct sg_panel_style *s, struct sg_buf *out, size_t indent) {
    spaces(out, indent);
    return (struct sg_panel_line){.style = s, .out = out, .indent = indent, .gap = 2, .used = indent};
}

struct sg_panel_line sg_panel_begin_labeled(const struct sg_panel_style *s, struct sg_buf *out, const char *label) {
    size_t n = strlen(label), used = n < LABEL ? LABEL : n + 1;
    sg_buf_str(out, sg_str(label));
    spaces(out, used - n);
    return (struct sg_panel_line){.style = s, .out = out, .indent = LABEL, .gap = 1, .used = used};
}

void sg_panel_item(struct sg_panel_line *l, enum sg_panel_color color, const char *fmt, ...) {
    struct sg_buf raw = SG_BUF_INIT(0), text = SG_BUF_INIT(0);
    va_list ap;
    va_start(ap, fmt);
    sg_buf_vprintf(&raw, fmt, ap);
    va_end(ap);
    size_t room = l->style->columns > l->indent ? l->style->columns - l->indent : 0;
    size_t width = sg_screen_text(&text, sg_buf_view(&raw), room, l->style->utf8);
    if (l->has_items && l->used + l->gap + width > l->style->columns) {
        sg_buf_ch(l->out, '\n');
        spaces(l->out, l->indent);
        l->used = l->indent;
        l->has_items = false;
    }
    if (l->has_items) spaces(l->out, l->gap);
    color_on(l->style, color, l->out);
    sg_buf_str(l->out, sg_buf_view(&text));
    color_off(l->style, color, l->out);
    l->used += (l->has_items ? l->gap : 0) + width;
    l->has_items = true;
    sg_buf_fini(&raw);
    sg_buf_fini(&text);
}

void sg_panel_end(struct sg_panel_line *l) {
    sg_buf_ch(l->out, '\n');
}

void sg_panel_cause(const struct sg_panel_style *s, const struct sg_exec_cause *c, struct sg_buf *out) {
    struct sg_panel_line l = sg_panel_begin(s, out, INDENT);
    struct sg_str node = c->code == SG_E_INVALID ? SG_STR_NONE : c->node; /* the text names the field */
    sg_panel_item(&l, SG_PLAIN, "%s x %.*s%s%s: %s", sg_show_count(c->count).text, SG_ARG(node), node.n ? " " : "",
                  sg_error_name(c->code), c->text);
    sg_panel_end(&l);
}

/* --- the head: name, bar, how many ------------------------------------------------------------------------------ */

struct cells {
    size_t ok, other, left;
};

/* What has happened at all is seen, however little it is; the bar is full only when all is done. */
static struct cells share_out(const struct sg_figures *f, size_t width) {
    uint64_t other = f->records - f->outcomes[SG_RECORD_OK], total = f->total > f->records ? f->total : f->records;
    struct cells c = {0};
    if (total == 0) return (struct cells){.left = width};
    c.ok = (size_t)((double)f->outcomes[SG_RECORD_OK] / (double)total * (double)width);
    c.other = (size_t)((double)other / (double)total * (double)width);
    if (other && c.other == 0) c.other = 1;
    if (c.ok + c.other > width) c.ok = width - c.other;
    c.left = width - c.ok - c.other;
    if (c.left && f->records == total) c.ok += c.left, c.left = 0;
    return c;
}

static void add_cells(const struct sg_panel_style *s, size_t n, enum sg_panel_color color, const char *cell,
                      struct sg_buf *out) {
    if (n == 0) return;
    color_on(s, color, out);
    for (size_t i = 0; i < n; i++) sg_buf_str(out, sg_str(cell));
    color_off(s, color, out);
}

static void add_bar(const struct sg_figures *f, const struct sg_panel_style *s, size_t width, struct sg_buf *out) {
    struct cells c = share_out(f, width);
    add_cells(s, c.ok, SG_GREEN, s->utf8 ? "█" : "#", out);
    add_cells(s, c.other, SG_RED, s->utf8 ? "▓" : "x", out);
    add_cells(s, c.left, SG_DIM, s->utf8 ? "░" : ".", out);
}

static void describe_progress(const struct sg_figures *f, struct sg_buf *b) {
    if (f->has_total && f->total)
        sg_buf_printf(b, "%u %%  ", (unsigned)((double)f->records * 100 / (double)f->total));
    sg_buf_str(b, sg_str(sg_show_count(f->records).text));
    if (f->has_total) sg_buf_printf(b, " of %s", sg_show_count(f->total).text);
    SG_BUF_LIT(b, " records");
    if (strcmp(f->state, "running") != 0) sg_buf_printf(b, ", %s", f->state);
}

static void add_name(const struct sg_figures *f, const struct sg_panel_style *s, size_t room, size_t *used,
                     struct sg_buf *out) {
    color_on(s, SG_BOLD, out);
    *used = sg_screen_text(out, f->task, room, s->utf8);
    color_off(s, SG_BOLD, out);
}

static void add_head(const struct sg_figures *f, const struct sg_panel_style *s, struct sg_buf *out) {
    struct sg_buf text = SG_BUF_INIT(0);
    size_t used;
    describe_progress(f, &text);
    size_t wide = sg_screen_columns(sg_buf_view(&text));
    size_t name = sg_screen_columns(f->task), most = s->columns / 3;
    bool beside = f->has_total && (name < most ? name : most) + wide + LEAST_BAR + 4 <= s->columns;
    add_name(f, s, beside || s->columns < wide + 2 ? most : s->columns - wide - 2, &used, out);
    if (beside) {
        spaces(out, 2);
        add_bar(f, s, s->columns - used - wide - 4, out);
        used = 0;
    }
    bool fits = used + 2 + wide <= s->columns;
    sg_buf_str(out, fits ? SG_STR("  ") : SG_STR("\n"));
    sg_screen_text(out, sg_buf_view(&text), s->columns, s->utf8);
    sg_buf_ch(out, '\n');
    if (!beside && f->has_total) {
        add_bar(f, s, s->columns, out);
        sg_buf_ch(out, '\n');
    }
    sg_buf_fini(&text);
}

/* --- the other lines -------------------------------------------------------------------------------------------- */

static void add_records(const struct sg_figures *f, const struct sg_panel_style *s, struct sg_buf *out) {
    static const struct {
        const char *name;
        enum sg_panel_color color;
    } ends[] = {{"ok", SG_GREEN}, {"failed", SG_RED}, {"invalid", SG_YELLOW}, {"dropped", SG_YELLOW}};
    struct sg_panel_line l = sg_panel_begin(s, out, INDENT);
    for (int i = 0; i < 4; i++)
        sg_panel_item(&l, f->outcomes[i] ? ends[i].color : SG_PLAIN, "%s %s", sg_show_count(f->outcomes[i]).text,
                      ends[i].name);
    sg_panel_item(&l, SG_PLAIN, "%s of %s under way", sg_show_count(f->under_way).text, sg_show_count(f->batch).text);
    sg_panel_end(&l);
}

static void add_calls(const struct sg_figures *f, const struct sg_panel_style *s, struct sg_buf *out) {
    struct sg_panel_line l = sg_panel_begin(s, out, INDENT);
    sg_panel_item(&l, SG_PLAIN, "%s calls/s", sg_show_rate(f->calls_per_s).text);
    sg_panel_item(&l, SG_PLAIN, "%s tokens/s", sg_show_rate(f->tokens_per_s).text);
    sg_panel_item(&l, SG_PLAIN, "%s calls", sg_show_count(f->calls).text);
    sg_panel_item(&l, f->retries ? SG_YELLOW : SG_PLAIN, "%s retries", sg_show_count(f->retries).text);
    sg_panel_end(&l);
}

static void add_times(const struct sg_figures *f, const struct sg_panel_style *s, struct sg_buf *out) {
    struct sg_panel_line l = sg_panel_begin(s, out, INDENT);
    sg_panel_item(&l, SG_PLAIN, "elapsed %s", sg_show_time(f->elapsed_s).text);
    sg_panel_item(&l, SG_PLAIN, "left %s", sg_show_time(f->left_s).text);
    if (f->lag_p50_ms > 0) sg_panel_item(&l, SG_PLAIN, "commit lag %.0f ms", f->lag_p50_ms);
    if (f->life > 1) sg_panel_item(&l, SG_PLAIN, "life %u", f->life);
    sg_panel_end(&l);
}

/* Only where a price is known: most models of one's own have none, and need no line that says so. */
static void add_cost(const struct sg_figures *f, const struct sg_panel_style *s, struct sg_buf *out) {
    struct sg_cost all;
    if (!f->cost.any) return;
    struct sg_panel_line l = sg_panel_begin(s, out, INDENT);
    sg_panel_item(&l, SG_PLAIN, "cost %s", sg_cost_show(f->cost).text);
    if (sg_figures_projected(f, &all))
        sg_panel_item(&l, SG_PLAIN, "in all %s%s", all.unknown ? "" : "about ", sg_cost_show(all).text);
    sg_panel_end(&l);
}

/* With its port; the rest is the same for most addresses. */
static struct sg_str host_of(struct sg_str url) {
    size_t colon = sg_str_find(url, ':', 0);
    bool has_scheme = colon + 2 < url.n && url.p[colon + 1] == '/' && url.p[colon + 2] == '/';
    size_t from = has_scheme ? colon + 3 : 0, to = sg_str_find(url, '/', from);
    return (struct sg_str){url.p + from, to - from};
}

static void describe_place(const struct sg_figures *f, const struct sg_calls_place *p, struct sg_buf *b) {
    sg_buf_str(b, p->model);
    if (p->url.n) sg_buf_printf(b, " at %.*s", SG_ARG(host_of(p->url)));
    sg_buf_printf(b, ": %s ", sg_show_count(p->in_flight).text);
    if (p->limit) sg_buf_printf(b, "of %s ", sg_show_count(p->limit).text);
    SG_BUF_LIT(b, "in flight");
    if (p->waiting) sg_buf_printf(b, ", %s wait", sg_show_count(p->waiting).text);
    if (f->n_places == 1 && f->backing_off) sg_buf_printf(b, ", %s backing off", sg_show_count(f->backing_off).text);
}

static void add_place(const struct sg_figures *f, size_t i, const struct sg_panel_style *s, struct sg_buf *out) {
    struct sg_buf text = SG_BUF_INIT(0);
    struct sg_panel_line l = sg_panel_begin(s, out, INDENT);
    describe_place(f, &f->places[i], &text);
    sg_panel_item(&l, SG_PLAIN, "%.*s", (int)text.n, text.p);
    sg_panel_end(&l);
    sg_buf_fini(&text);
}

static void add_places(const struct sg_figures *f, const struct sg_panel_style *s, struct sg_buf *out) {
    size_t shown = f->n_places <= MOST_PLACES ? f->n_places : MOST_PLACES - 1;
    for (size_t i = 0; i < shown; i++) add_place(f, i, s, out);
    if (f->n_places < 2 || (shown == f->n_places && f->backing_off == 0)) return;
    struct sg_panel_line l = sg_panel_begin(s, out, INDENT);
    if (shown < f->n_places) sg_panel_item(&l, SG_PLAIN, "and %zu more", f->n_places - shown);
    sg_panel_item(&l, SG_PLAIN, "%s in flight in all", sg_show_count(f->calls_in_flight).text);
    if (f->backing_off) sg_panel_item(&l, SG_PLAIN, "%s backing off", sg_show_count(f->backing_off).text);
    sg_panel_end(&l);
}

static void add_causes(const struct sg_figures *f, const struct sg_panel_style *s, struct sg_buf *out) {
    size_t order[MOST_CAUSES], n = sg_figures_latest(f, order, MOST_CAUSES);
    for (size_t i = 0; i < n; i++) sg_panel_cause(s, &f->causes[order[i]], out);
    if (n == f->n_causes) return;
    struct sg_panel_line l = sg_panel_begin(s, out, INDENT);
    sg_panel_item(&l, SG_PLAIN, "and %zu more kinds of errors", f->n_causes - n);
    sg_panel_end(&l);
}

static void keep_rows(struct sg_buf *out, size_t from, size_t rows) {
    size_t lines = 0;
    for (size_t i = from; i < out->n; i++)
        if (out->p[i] == '\n' && ++lines == rows) out->n = i + 1;
}

void sg_panel_frame(const struct sg_figures *f, const struct sg_panel_style *s, struct sg_buf *out) {
    size_t from = out->n;
    add_head(f, s, out);
    add_records(f, s, out);
    add_calls(f, s, out);
    add_times(f, s, out);
    add_cost(f, s, out);
    add_places(f, s, out);
    add_causes(f, s, out);
    keep_rows(out, from, s->rows);
}
