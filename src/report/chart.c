/* SPDX-License-Identifier: Apache-2.0 */
/* A chart is drawn on a field of 640 by 230 and grows and shrinks with the page; the page sets larger letters where that is
 * narrow. Behind the lines each slot has an invisible bar whose title tells its values: a reader points at it, and no script
 * is needed. */
#include "report/chart.h"

#include <math.h>
#include <stdio.h>

#define WIDTH 640.0
#define HEIGHT 230.0
#define LEFT 84.0
#define RIGHT 28.0
#define TOP 12.0
#define BOTTOM 34.0

void sg_html(struct sg_buf *b, struct sg_str s) {
    uint32_t c;
    for (size_t i = 0, n; i < s.n; i += n) {
        n = sg_utf8_decode(s, i, &c);
        if (c == '&') SG_BUF_LIT(b, "&amp;");
        else if (c == '<') SG_BUF_LIT(b, "&lt;");
        else if (c == '>') SG_BUF_LIT(b, "&gt;");
        else if (c == '"') SG_BUF_LIT(b, "&quot;");
        else if (c == '\'') SG_BUF_LIT(b, "&#39;");
        else if (c < ' ' || (c >= 0x7f && c < 0xa0) || c == SG_UTF8_BAD) SG_BUF_LIT(b, "\xEF\xBF\xBD");
        else sg_buf_add(b, s.p + i, n);
    }
}

struct sg_amount sg_show_amount(double v, const char *unit) {
    static const struct {
        double from;
        const char *sign;
    } steps[] = {{1e9, "G"}, {1e6, "M"}, {1e4, "k"}};
    struct sg_amount a;
    const char *sign = "", *before = unit[0] == '$' ? "$" : "", *behind = unit[0] == '$' ? "" : unit;
    if (strcmp(unit, "s") == 0) behind = v > 0 && v < 1e-3 ? " us" : v > 0 && v < 1 ? " ms" : " s";
    if (strcmp(unit, "s") == 0 && v > 0 && v < 1) v *= v < 1e-3 ? 1e6 : 1e3;
    for (size_t i = 0; i < 3 && !*sign; i++)
        if (v >= steps[i].from) {
            sign = steps[i].sign;
            v /= i == 2 ? 1e3 : steps[i].from;
        }
    int decimals = v == 0 || v >= 100 ? 0 : v >= 10 ? 1 : v >= 1 ? 2 : v >= 0.01 ? 3 : 6;
    int n = snprintf(a.text, sizeof a.text, "%.*f", decimals, v);
    if (decimals) {
        while (n > 1 && a.text[n - 1] == '0') n--;
        if (a.text[n - 1] == '.') n--;
        a.text[n] = 0;
    }
    char number[32];
    memcpy(number, a.text, sizeof number);
    snprintf(a.text, sizeof a.text, "%s%.20s%s%s", before, number, sign, behind);
    return a;
}

/* --- scales --------------------------------------------------------------------------------------------------------- */

static double value_at(const struct sg_chart *c, size_t series, size_t slot) {
    double v = c->series[series].values[slot];
    return isnan(v) ? 0 : v;
}

static double largest(const struct sg_chart *c) {
    double most = 0;
    for (size_t i = 0; i < c->n; i++) {
        double sum = 0;
        for (size_t k = 0; k < c->n_series; k++) {
            double v = value_at(c, k, i);
            sum += v;
            if (!c->stacked && v > most) most = v;
        }
        if (c->stacked && sum > most) most = sum;
    }
    return most > 0 ? most : 1;
}

/* 1, 2 or 5 times a power of ten, so that at most five of them reach `most`. */
static double step_for(double most, double marks) {
    double power = pow(10, floor(log10(most / marks)));
    for (int i = 0; i < 4; i++) {
        static const double of[] = {1, 2, 5, 10};
        if (power * of[i] * marks >= most) return power * of[i];
    }
    return power * 10;
}

static double x_of(const struct sg_chart *c, double slot) {
    return LEFT + (WIDTH - LEFT - RIGHT) * slot / (double)c->n;
}

static double y_of(double v, double top) {
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * v / top;
}

/* --- parts ---------------------------------------------------------------------------------------------------------- */

static void add_marks(struct sg_buf *b, const struct sg_chart *c, double top, double step) {
    for (int k = 0; k * step <= top * 1.0001; k++) {
        double v = k * step, y = y_of(v, top);
        sg_buf_printf(b, "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>", LEFT, WIDTH - RIGHT, y, y);
        sg_buf_printf(b, "<text class=\"y\" x=\"%.1f\" y=\"%.1f\">%s</text>", LEFT - 8, y + 4,
                      sg_show_amount(v, c->unit).text);
    }
}

struct clock {
    char text[24];
};

static struct clock show_clock(double s, double step) {
    struct clock t;
    int whole = (int)(s + 0.5);
    if (step >= 3600) snprintf(t.text, sizeof t.text, "%d h", whole / 3600);
    else if (step >= 60) snprintf(t.text, sizeof t.text, "%d:%02d h", whole / 3600, whole / 60 % 60);
    else if (step >= 1 && s >= 60) snprintf(t.text, sizeof t.text, "%d:%02d", whole / 60, whole % 60);
    else snprintf(t.text, sizeof t.text, "%.3g s", s);
    return t;
}

static double time_step(double all) {
    static const double of[] = {10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400, 172800, 604800};
    if (all <= 40) return step_for(all, 6);
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        if (of[i] * 6 >= all) return of[i];
    return step_for(all, 6);
}

static void add_times(struct sg_buf *b, const struct sg_chart *c) {
    double all = c->slot_s * (double)c->n, step = time_step(all);
    for (int k = 0; k * step <= all * 1.0001; k++)
        sg_buf_printf(b, "<text class=\"x\" x=\"%.1f\" y=\"%.1f\">%s</text>", x_of(c, k * step / c->slot_s), HEIGHT - 8,
                      show_clock(k * step, step).text);
}

static void add_bars(struct sg_buf *b, const struct sg_chart *c, double top) {
    double w = x_of(c, 1) - x_of(c, 0);
    for (size_t i = 0; i < c->n; i++) {
        double below = 0;
        for (size_t k = 0; k < c->n_series; k++) {
            double v = value_at(c, k, i), y = y_of(below + v, top);
            if (v > 0)
                sg_buf_printf(b, "<rect class=\"bar %s\" x=\"%.1f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\"/>",
                              c->series[k].color, x_of(c, (double)i), y, w > 3 ? w - 1 : w, y_of(below, top) - y);
            below += v;
        }
    }
}

/* From slot to slot; where there is none the line has a gap, and one slot alone is a dash. */
static void add_line(struct sg_buf *b, const struct sg_chart *c, const struct sg_series *s, double top) {
    bool open = false;
    sg_buf_printf(b, "<path class=\"line %s\" d=\"", s->color);
    for (size_t i = 0; i < c->n; i++) {
        bool here = !isnan(s->values[i]), next = i + 1 < c->n && !isnan(s->values[i + 1]);
        if (here && !open && !next)
            sg_buf_printf(b, "M%.1f %.1fH%.1f", x_of(c, (double)i), y_of(s->values[i], top), x_of(c, (double)i + 1));
        else if (here)
            sg_buf_printf(b, "%s%.1f %.1f", open ? "L" : "M", x_of(c, (double)i + 0.5), y_of(s->values[i], top));
        open = here && (open || next);
    }
    SG_BUF_LIT(b, "\"/>");
}

static void add_titles(struct sg_buf *b, const struct sg_chart *c) {
    double w = x_of(c, 1) - x_of(c, 0);
    for (size_t i = 0; i < c->n; i++) {
        sg_buf_printf(b, "<rect class=\"hit\" x=\"%.1f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\"><title>%.4g s",
                      x_of(c, (double)i), TOP, w, HEIGHT - TOP - BOTTOM, c->slot_s * (double)i);
        for (size_t k = 0; k < c->n_series; k++) {
            if (isnan(c->series[k].values[i])) continue;
            SG_BUF_LIT(b, "\n");
            sg_html(b, c->series[k].name);
            sg_buf_printf(b, ": %s", sg_show_amount(c->series[k].values[i], c->unit).text);
        }
        SG_BUF_LIT(b, "</title></rect>");
    }
}

static void add_legend(struct sg_buf *b, const struct sg_chart *c) {
    SG_BUF_LIT(b, "<p class=\"legend\">");
    for (size_t k = 0; k < c->n_series; k++) {
        sg_buf_printf(b, "<span><i class=\"%s\"></i>", c->series[k].color);
        sg_html(b, c->series[k].name);
        SG_BUF_LIT(b, "</span>");
    }
    SG_BUF_LIT(b, "</p>");
}

void sg_chart_draw(struct sg_buf *b, const struct sg_chart *c) {
    double most = largest(c), step = step_for(most, 4), top = ceil(most / step - 1e-9) * step;
    SG_BUF_LIT(b, "<figure><figcaption><b>");
    sg_html(b, c->title);
    SG_BUF_LIT(b, "</b> ");
    sg_html(b, c->about);
    sg_buf_printf(b, "</figcaption>\n<svg viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"", WIDTH, HEIGHT);
    sg_html(b, c->title);
    SG_BUF_LIT(b, "\">");
    add_marks(b, c, top, step);
    add_times(b, c);
    if (c->stacked) add_bars(b, c, top);
    for (size_t k = 0; k < c->n_series && !c->stacked; k++) add_line(b, c, &c->series[k], top);
    add_titles(b, c);
    SG_BUF_LIT(b, "</svg>\n");
    add_legend(b, c);
    SG_BUF_LIT(b, "</figure>\n");
}
