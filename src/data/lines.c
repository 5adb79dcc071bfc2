/* SPDX-License-Identifier: Apache-2.0 */
/* lines: one row a line (JSON Lines).
 *
 * A line ends in LF or CRLF; the last one need not end. Lines of nothing but white space are no rows: they are
 * skipped and take no position (the reference stops with an error there). A NUL is a byte like any other. */
#include "data/split.h"

static bool is_blank(struct sg_str s) {
    return sg_str_trim(s).n == 0;
}

/* The line of n bytes (`used` with its end) becomes the piece; false when it is blank. */
static bool take(struct sg_splitter *s, size_t n, size_t used, struct sg_piece *out) {
    struct sg_str text = {sg_splitter_left(s).p, n};
    if (n && text.p[n - 1] == '\r') text.n--;
    if (!s->skipping) s->row = (struct sg_piece){.line = s->line, .offset = s->in.offset};
    *out = s->row;
    out->too_long = s->skipping || n > s->limit;
    if (!out->too_long) out->text = text;
    sg_splitter_advance(s, used);
    s->line += used > n;
    s->skipping = false;
    return out->too_long || !is_blank(text);
}

static void drop_long_row(struct sg_splitter *s) {
    size_t n = sg_splitter_left(s).n;
    if (!s->skipping && n <= s->limit) return;
    if (!s->skipping) s->row = (struct sg_piece){.line = s->line, .offset = s->in.offset};
    s->skipping = true;
    sg_splitter_advance(s, n);
}

static enum sg_split take_last(struct sg_splitter *s, struct sg_piece *out) {
    size_t n = sg_splitter_left(s).n;
    if (n == 0 && !s->skipping) return SG_SPLIT_ENDED;
    return take(s, n, n, out) ? SG_SPLIT_GOT : SG_SPLIT_ENDED;
}

enum sg_split sg_lines_next(struct sg_splitter *s, enum sg_patience patience, struct sg_piece *out,
                            struct sg_err *err) {
    enum sg_split got = sg_splitter_begin(s, patience, err);
    while (got == SG_SPLIT_GOT) {
        struct sg_str left = sg_splitter_left(s);
        size_t n = sg_str_find(left, '\n', s->scanned);
        if (n < left.n) {
            if (take(s, n, n + 1, out)) return SG_SPLIT_GOT;
            continue;
        }
        s->scanned = n;
        drop_long_row(s);
        got = sg_input_more(s, patience, err);
    }
    return got == SG_SPLIT_ENDED ? take_last(s, out) : got;
}
