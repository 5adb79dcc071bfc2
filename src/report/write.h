/* SPDX-License-Identifier: Apache-2.0 */
/* write: JSON by hand, without counting commas. Private to report. */
#ifndef SG_REPORT_WRITE_H
#define SG_REPORT_WRITE_H

#include "report/report.h"

#include <stdio.h>

#define U(x) ((unsigned long long)(x))

/* A comma, unless it is the first one. */
static inline void sg_next(struct sg_buf *b) {
    if (b->n && b->p[b->n - 1] != '{' && b->p[b->n - 1] != '[') sg_buf_ch(b, ',');
}

static inline void sg_key(struct sg_buf *b, const char *key) {
    sg_next(b);
    sg_buf_printf(b, "\"%s\":", key);
}

static inline void sg_put_number(struct sg_buf *b, const char *key, uint64_t v) {
    sg_key(b, key);
    sg_buf_u64(b, v);
}

/* With at most so many decimals, and no zeros at the end: 0.5, 12. */
static inline void sg_put_real(struct sg_buf *b, const char *key, double v, int decimals) {
    char text[64];
    int n = snprintf(text, sizeof text, "%.*f", decimals, v);
    while (n > 1 && text[n - 1] == '0') n--;
    if (text[n - 1] == '.') n--;
    sg_key(b, key);
    sg_buf_add(b, text, (size_t)n);
}

static inline void sg_put_text(struct sg_buf *b, const char *key, struct sg_str v) {
    sg_key(b, key);
    sg_json_write_text(b, v);
}

static inline void sg_put_word(struct sg_buf *b, const char *key, const char *word) {
    sg_key(b, key);
    sg_buf_str(b, sg_str(word));
}

/* null for an empty one. */
static inline void sg_put_maybe(struct sg_buf *b, const char *key, struct sg_str v) {
    if (v.n) sg_put_text(b, key, v);
    else sg_put_word(b, key, "null");
}

/* null when a part of it is not known. */
static inline void sg_put_cost(struct sg_buf *b, const char *key, struct sg_cost c, double share) {
    if (c.unknown) sg_put_word(b, key, "null");
    else sg_put_real(b, key, c.usd * share, 9);
}

void sg_put_stats(struct sg_buf *b, const char *key, const struct sg_stats *s);
/* {"200":12,"429":1}: of a model, at a node; each may be SG_ANY. */
void sg_put_codes(struct sg_buf *b, const char *key, const struct sg_report *r, size_t model, size_t node);
/* ISO 8601 with the machine's offset, of ms since 1970. */
struct sg_moment {
    char text[40];
};
struct sg_moment sg_show_moment(int64_t ms);

static inline double sg_ratio(uint64_t part, uint64_t whole) {
    return whole ? (double)part / (double)whole : 0;
}

#endif
