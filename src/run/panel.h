/* SPDX-License-Identifier: Apache-2.0 */
/* panel: figures to the text of a frame. Pure: no terminal, no clock; what it shows depends on its arguments only. Private
 * to run.
 *
 * A frame is lines that each end in a newline and take at most `columns` columns; colours are the only escape sequences in
 * it, whatever the names and error texts hold. */
#ifndef SG_RUN_PANEL_H
#define SG_RUN_PANEL_H

#include "run/figures.h"

struct sg_panel_style {
    size_t columns; /* what a line may take */
    size_t rows;    /* lines at most; the least important ones are left out */
    bool utf8, color;
};

void sg_panel_frame(const struct sg_figures *f, const struct sg_panel_style *s, struct sg_buf *out);

/* --- parts that the summary uses too --- */

/* Items of a line, `gap` spaces apart; one that does not fit begins a new line, indented by `indent`. */
struct sg_panel_line {
    const struct sg_panel_style *style;
    struct sg_buf *out;
    size_t indent, gap, used;
    bool has_items;
};
enum sg_panel_color { SG_PLAIN, SG_BOLD, SG_GREEN, SG_RED, SG_YELLOW, SG_DIM };
struct sg_panel_line sg_panel_begin(const struct sg_panel_style *s, struct sg_buf *out, size_t indent);
/* The same behind a label, items one space apart. */
struct sg_panel_line sg_panel_begin_labeled(const struct sg_panel_style *s, struct sg_buf *out, const char *label);
void sg_panel_item(struct sg_panel_line *l, enum sg_panel_color color, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void sg_panel_end(struct sg_panel_line *l);
/* "3 x ask timeout: the model did not answer", cut to the line. */
void sg_panel_cause(const struct sg_panel_style *s, const struct sg_exec_cause *c, struct sg_buf *out);

/* Numbers as people read them, in a buffer of the caller: "1,234,567"; "12.3"; "1:02:03". */
struct sg_number {
    char text[32];
};
struct sg_number sg_show_count(uint64_t n);
struct sg_number sg_show_rate(double v);
struct sg_number sg_show_time(double s);

#endif
