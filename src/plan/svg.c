/* SPDX-License-Identifier: Apache-2.0 */
/* The drawing as one SVG file that needs nothing else: no font, no script, no other file. Kinds differ in shape as well as in
 * colour, and a reader's dark mode is followed.
 *
 * Boxes carry their name in data-name, arrows data-from and data-to: programs find their way in it as people do. */
#include "plan/draw.h"

#include <math.h>

static const char style[] =
    "svg{font-family:ui-sans-serif,system-ui,'Segoe UI',Helvetica,Arial,'DejaVu Sans',sans-serif}\n"
    ".paper{fill:#fff}text{fill:#1f2328;text-anchor:middle}.title{font-size:14px;font-weight:600}\n"
    ".line,.label,.group text{font-size:12px}.line,.group text{fill:#59636e}.group text{text-anchor:start}\n"
    ".box{stroke:#59636e;stroke-width:1.5;fill:#f6f8fa}.inner{fill:none}.thick{stroke-width:3}\n"
    ".model .box{fill:#ddf4ff;stroke:#0969da}.draw .box{fill:#fff8c5;stroke:#9a6700}\n"
    ".program .box{fill:#dafbe1;stroke:#1a7f37}.point .box{fill:#59636e}\n"
    ".edge{fill:none;stroke:#59636e;stroke-width:1.5}.tip{fill:#59636e}.if{stroke-dasharray:5 4}\n"
    ".group rect{fill:none;stroke:#818b98;stroke-width:1}\n"
    "@media (prefers-color-scheme:dark){.paper{fill:#0d1117}text{fill:#f0f6fc}.line,.group text{fill:#9198a1}\n"
    ".box{stroke:#9198a1;fill:#151b23}.model .box{fill:#121d2f;stroke:#4493f8}.draw .box{fill:#272115;stroke:#d29922}\n"
    ".program .box{fill:#12261e;stroke:#3fb950}.point .box{fill:#9198a1}.edge{stroke:#9198a1}.tip{fill:#9198a1}\n"
    ".group rect{stroke:#656c76}}\n";

static const char *const classes[] = {
    [SG_SHAPE_START] = "start",     [SG_SHAPE_END] = "end",     [SG_SHAPE_MODEL] = "model", [SG_SHAPE_DRAW] = "draw",
    [SG_SHAPE_PROGRAM] = "program", [SG_SHAPE_POINT] = "point", [SG_SHAPE_JOIN] = "join",
};

/* XML 1.0 has no control characters, not even escaped. */
static void xml(struct sg_buf *b, struct sg_str s) {
    uint32_t c;
    for (size_t i = 0, n; i < s.n; i += n) {
        n = sg_utf8_decode(s, i, &c);
        if (c == '&') SG_BUF_LIT(b, "&amp;");
        else if (c == '<') SG_BUF_LIT(b, "&lt;");
        else if (c == '>') SG_BUF_LIT(b, "&gt;");
        else if (c == '"') SG_BUF_LIT(b, "&quot;");
        else if (c == '\n' || c == '\t') sg_buf_printf(b, "&#%u;", (unsigned)c);
        else if (c < ' ' || c == SG_UTF8_BAD || c == 0xFFFE || c == 0xFFFF) SG_BUF_LIT(b, "\xEF\xBF\xBD");
        else sg_buf_add(b, s.p + i, n);
    }
}

/* A number with one digit behind the point. */
static void num(struct sg_buf *b, const char *before, double v) {
    sg_buf_printf(b, "%s%.10g", before, round(v * 10) / 10);
}

static void rect(struct sg_buf *b, const char *class, double x, double y, double w, double h, double radius) {
    sg_buf_printf(b, "<rect class=\"%s\"", class);
    num(b, " x=\"", x), num(b, "\" y=\"", y), num(b, "\" width=\"", w), num(b, "\" height=\"", h);
    if (radius > 0) num(b, "\" rx=\"", radius);
    SG_BUF_LIT(b, "\"/>");
}

static void text(struct sg_buf *b, const char *class, double x, double y, struct sg_str s) {
    sg_buf_printf(b, "<text class=\"%s\"", class);
    num(b, " x=\"", x), num(b, "\" y=\"", y);
    SG_BUF_LIT(b, "\">");
    xml(b, s);
    SG_BUF_LIT(b, "</text>");
}

/* --- boxes ------------------------------------------------------------------------------------------------------------------ */

static void hexagon(struct sg_buf *b, const struct sg_box *k) {
    double in = 12, mid = k->y + k->h / 2, right = k->x + k->w, low = k->y + k->h;
    SG_BUF_LIT(b, "<path class=\"box\"");
    num(b, " d=\"M", k->x), num(b, " ", mid), num(b, "L", k->x + in), num(b, " ", k->y);
    num(b, "L", right - in), num(b, " ", k->y), num(b, "L", right), num(b, " ", mid);
    num(b, "L", right - in), num(b, " ", low), num(b, "L", k->x + in), num(b, " ", low);
    SG_BUF_LIT(b, "Z\"/>");
}

static void shape(struct sg_buf *b, const struct sg_box *k) {
    double radius = k->shape == SG_SHAPE_MODEL ? 8 : k->shape == SG_SHAPE_POINT ? 5 : 0;
    if (k->shape == SG_SHAPE_START || k->shape == SG_SHAPE_END) radius = k->h / 2;
    if (k->shape == SG_SHAPE_DRAW) hexagon(b, k);
    else rect(b, k->shape == SG_SHAPE_JOIN ? "box thick" : "box", k->x, k->y, k->w, k->h, radius);
    if (k->shape == SG_SHAPE_PROGRAM) rect(b, "box inner", k->x + 7, k->y, k->w - 14, k->h, 0);
}

static void box(struct sg_buf *b, const struct sg_box *k) {
    sg_buf_printf(b, "<g class=\"node %s\" data-name=\"", classes[k->shape]);
    xml(b, k->name);
    SG_BUF_LIT(b, "\"><title>");
    xml(b, k->name);
    SG_BUF_LIT(b, "</title>");
    shape(b, k);
    double mid = k->x + k->w / 2, y = k->y + (k->shape == SG_SHAPE_JOIN ? 16 : 20);
    if (k->shape != SG_SHAPE_POINT) text(b, k->shape == SG_SHAPE_JOIN ? "line" : "title", mid, y, k->title);
    for (int i = 0; i < SG_BOX_LINES; i++)
        if (k->lines[i].n) text(b, "line", mid, y += 16, k->lines[i]);
    SG_BUF_LIT(b, "</g>\n");
}

/* --- arrows ----------------------------------------------------------------------------------------------------------------- */

/* Straight where it goes down, and a curve with upright ends where it goes to the side. */
static void path(struct sg_buf *b, const struct sg_arrow *a) {
    num(b, "M", a->points[0].x), num(b, " ", a->points[0].y);
    for (size_t i = 1; i < a->n_points; i++) {
        struct sg_point p = a->points[i - 1], q = a->points[i];
        double mid = (p.y + q.y) / 2;
        if (fabs(p.x - q.x) < 0.1) {
            num(b, "L", q.x), num(b, " ", q.y);
            continue;
        }
        num(b, "C", p.x), num(b, " ", mid), num(b, " ", q.x), num(b, " ", mid), num(b, " ", q.x), num(b, " ", q.y);
    }
}

static void loop(struct sg_buf *b, const struct sg_box *k) {
    double right = k->x + k->w, mid = k->y + k->h / 2, far = right + SG_LOOP_W - 8;
    num(b, "M", right), num(b, " ", mid - 7);
    num(b, "C", far), num(b, " ", mid - 16), num(b, " ", far), num(b, " ", mid + 16), num(b, " ", right), num(b, " ", mid + 7);
}

static void arrow(struct sg_buf *b, const struct sg_drawing *d, const struct sg_arrow *a) {
    sg_buf_printf(b, "<path class=\"edge%s\" data-from=\"", a->program.n ? " if" : "");
    xml(b, d->boxes[a->from].name);
    SG_BUF_LIT(b, "\" data-to=\"");
    xml(b, d->boxes[a->to].name);
    SG_BUF_LIT(b, "\" marker-end=\"url(#tip)\" d=\"");
    if (a->from == a->to) loop(b, &d->boxes[a->from]);
    else path(b, a);
    SG_BUF_LIT(b, "\">");
    if (a->program.n) {
        SG_BUF_LIT(b, "<title>if ");
        xml(b, a->program);
        SG_BUF_LIT(b, "</title>");
    }
    SG_BUF_LIT(b, "</path>\n");
}

/* On a piece of paper of its own, so that the arrow does not run through it. */
static void label(struct sg_buf *b, const struct sg_drawing *d, const struct sg_arrow *a) {
    double w = sg_text_width(a->label, SG_TEXT_SIZE), x = a->label_x, y = a->label_y;
    const struct sg_box *k = &d->boxes[a->from];
    if (a->from == a->to) x = k->x + k->w + SG_LOOP_W - 10 + w / 2, y = k->y + k->h / 2;
    rect(b, "paper", x - w / 2 - 3, y - 9, w + 6, 18, 0);
    text(b, "label", x, y + 4, a->label);
    sg_buf_ch(b, '\n');
}

static void group(struct sg_buf *b, const struct sg_group *g) {
    SG_BUF_LIT(b, "<g class=\"group\" data-name=\"");
    xml(b, g->title);
    SG_BUF_LIT(b, "\">");
    rect(b, "frame", g->x, g->y, g->w, g->h, 10);
    text(b, "line", g->x + 14, g->y + 26, g->title);
    SG_BUF_LIT(b, "</g>\n");
}

static void head(struct sg_buf *b, const struct sg_drawing *d, struct sg_str name) {
    SG_BUF_LIT(b, "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\"");
    num(b, " width=\"", ceil(d->w)), num(b, "\" height=\"", ceil(d->h));
    num(b, "\" viewBox=\"0 0 ", ceil(d->w)), num(b, " ", ceil(d->h));
    SG_BUF_LIT(b, "\">\n<title>");
    xml(b, name);
    sg_buf_printf(b,
                  "</title>\n<style>\n%s</style>\n<defs><marker id=\"tip\" viewBox=\"0 0 10 10\" refX=\"10\" refY=\"5\" "
                  "markerWidth=\"6.5\" markerHeight=\"6.5\" orient=\"auto\"><path class=\"tip\" d=\"M0 0L10 5L0 10Z\"/>"
                  "</marker></defs>\n",
                  style);
    rect(b, "paper", 0, 0, ceil(d->w), ceil(d->h), 0);
    sg_buf_ch(b, '\n');
}

int sg_plan_svg(const struct sg_plan *p, struct sg_str name, struct sg_buf *b, struct sg_err *err) {
    struct sg_arena a;
    struct sg_drawing d;
    sg_arena_init(&a, 0);
    sg_draw_plan(&a, p, &d);
    int rc = sg_draw_layout(&d, err);
    if (rc == 0) {
        head(b, &d, name);
        for (size_t i = 1; i < d.n_groups; i++) group(b, &d.groups[i]);
        for (size_t i = 0; i < d.n_arrows; i++) arrow(b, &d, &d.arrows[i]);
        for (size_t i = 0; i < d.n_boxes; i++) box(b, &d.boxes[i]);
        for (size_t i = 0; i < d.n_arrows; i++)
            if (d.arrows[i].label.n) label(b, &d, &d.arrows[i]);
        SG_BUF_LIT(b, "</svg>\n");
    }
    sg_arena_fini(&a);
    return rc;
}
