/* SPDX-License-Identifier: Apache-2.0 */
/* chart: one chart over time as an SVG inside of a page. Its colours are classes of the page's style. Private to report. */
#ifndef SG_REPORT_CHART_H
#define SG_REPORT_CHART_H

#include "base/base.h"

#define SG_SERIES 8 /* colours there are: classes c0 to c7 */

struct sg_series {
    struct sg_str name;
    const double *values; /* one a slot; NAN: none */
    const char *color;    /* a class */
};

struct sg_chart {
    struct sg_str title, about;
    const char *unit; /* of values: "s", "/s", "$" */
    double slot_s;    /* width of a slot */
    size_t n;         /* slots */
    struct sg_series series[SG_SERIES];
    size_t n_series;
    bool stacked; /* as bars on top of each other, else as lines */
};

void sg_chart_draw(struct sg_buf *b, const struct sg_chart *c);
/* Text of a page: <, &, quotes and controls made harmless. */
void sg_html(struct sg_buf *b, struct sg_str s);
/* 1234567 as 1.23M; with its unit: "12.3 ms", "$0.0012", "45/s". */
struct sg_amount {
    char text[32];
};
struct sg_amount sg_show_amount(double v, const char *unit);

#endif
