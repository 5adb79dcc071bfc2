/* SPDX-License-Identifier: Apache-2.0 */
/* csv_split: one row a line, except inside quotes (RFC 4180).
 *
 * A field that begins with a quote ends with one; two in a row are one quote of the text. A quote anywhere else is a
 * byte like any other. Lines end in LF or CRLF; empty lines are no rows.
 *
 * Wrong quotes cost one line: where a quoted field is followed by neither separator nor line end, or is never closed,
 * the row is taken to be its first line, which fails, and reading goes on behind it. Otherwise one stray quote would
 * swallow the file.
 *
 * DuckDB, which reads Parquet here, has a reader for CSV; but a quote that is not closed costs it megabytes of rows, also
 * where it is to pass over bad ones, and it does not tell at which byte a row stands, from which a run could go on. Both
 * were measured (bench/README.md, with the ten times as much memory that it takes).
 *
 * What the window happens to hold decides nothing: of a row, only its first `limit` bytes and one more are looked at until
 * it is known to be too long, and a first line is waited for until it is whole. */
#include "data/split.h"

/* Before a field; in a plain one; inside quotes; behind a quote there; behind a CR there; where only a line end counts. */
enum { FIELD, PLAIN, QUOTED, CLOSING, RETURN, REST };

enum scan { SCAN_END, SCAN_MORE, SCAN_BAD };

/* Most bytes stand in plain fields and inside quotes, where only few end what they are in. */
static size_t pass(const struct sg_splitter *s, int state, struct sg_str t, size_t i) {
    if (state == QUOTED) return sg_str_find(t, '"', i);
    if (state == REST) return sg_str_find(t, '\n', i);
    while (state == PLAIN && i < t.n && t.p[i] != '\n' && t.p[i] != s->separator) i++;
    return i;
}

/* What may be looked at. */
static struct sg_str in_sight(const struct sg_splitter *s) {
    struct sg_str t = sg_splitter_left(s);
    if (!s->skipping && t.n > s->limit) t.n = s->limit + 1;
    return t;
}

/* Looks at the window from `scanned` on; *n: where the row ends, or what is wrong stands. */
static enum scan scan(struct sg_splitter *s, size_t *n) {
    struct sg_str t = in_sight(s);
    enum scan found = SCAN_MORE;
    size_t i = pass(s, s->state, t, s->scanned);
    while (i < t.n) {
        char c = t.p[i];
        if (s->state == QUOTED) {
            s->state = CLOSING;
        } else if (c == '\n') {
            found = SCAN_END;
            break; /* before it */
        } else if (c == s->separator && s->state != RETURN) {
            s->state = FIELD;
        } else if (c == '"' && s->state != PLAIN && s->state != RETURN) {
            if (s->state == FIELD) s->quote_at = i;
            s->state = QUOTED;
        } else if (s->state == CLOSING && c == '\r') {
            s->state = RETURN;
        } else if (s->state == CLOSING || s->state == RETURN) {
            found = SCAN_BAD;
            break;
        } else if (s->state == FIELD) {
            s->state = PLAIN;
        }
        i = pass(s, s->state, t, i + 1);
    }
    s->scanned = *n = i;
    return found;
}

static uint64_t count_lines(struct sg_str s) {
    uint64_t lines = 0;
    for (size_t i = sg_str_find(s, '\n', 0); i < s.n; i = sg_str_find(s, '\n', i + 1)) lines++;
    return lines;
}

/* The row of n bytes, `used` with its end; false when it is an empty line. */
static bool take(struct sg_splitter *s, size_t n, size_t used, struct sg_piece *out) {
    struct sg_str whole = {sg_splitter_left(s).p, used}, text = {whole.p, n};
    if (n && text.p[n - 1] == '\r') text.n--;
    if (!s->skipping) s->row = (struct sg_piece){.line = s->line, .offset = s->in.offset};
    *out = s->row;
    out->too_long = s->skipping || n > s->limit;
    if (!out->too_long) out->text = text;
    s->line += count_lines(whole);
    sg_splitter_advance(s, used);
    s->skipping = false;
    s->state = FIELD;
    return out->too_long || text.n;
}

/* The row's first line, with what is wrong at `at`. */
static enum sg_split take_bad(struct sg_splitter *s, const char *why, size_t at, struct sg_piece *out) {
    struct sg_str left = sg_splitter_left(s);
    size_t n = sg_str_find(left, '\n', 0);
    take(s, n, n < left.n ? n + 1 : n, out);
    out->bad = why;
    out->bad_at = at < n ? at : n;
    return SG_SPLIT_GOT;
}

static enum sg_split take_unclosed(struct sg_splitter *s, struct sg_piece *out) {
    return take_bad(s, "the quote that opens here is not closed", s->quote_at, out);
}

/* What closes a field lines below, with text behind it, is the opening quote of another one. */
static enum sg_split take_misquoted(struct sg_splitter *s, size_t at, struct sg_piece *out) {
    if (sg_str_find(sg_splitter_left(s), '\n', 0) < at) return take_unclosed(s, out);
    return take_bad(s, "text stands behind the quote that closes a field", at, out);
}

static bool has_first_line(const struct sg_splitter *s) {
    struct sg_str t = in_sight(s);
    return sg_str_find(t, '\n', 0) < t.n;
}

/* n bytes of a row that is too long. */
static void drop(struct sg_splitter *s, size_t n) {
    if (!s->skipping) s->row = (struct sg_piece){.line = s->line, .offset = s->in.offset};
    s->skipping = true;
    s->line += count_lines((struct sg_str){sg_splitter_left(s).p, n});
    sg_splitter_advance(s, n);
}

/* Where the window ends in a row. True when the row is known to be too long: there may be more to look at. */
static bool drop_long_row(struct sg_splitter *s, size_t n, bool wrong) {
    bool is_long = in_sight(s).n > s->limit;
    if (!s->skipping && !is_long) return false;
    bool begins = !s->skipping;
    if (wrong) s->state = REST;
    drop(s, n);
    return begins;
}

/* Not at the file's end, a mistake is only told when the line that it costs is whole. */
static enum sg_split take_last(struct sg_splitter *s, struct sg_piece *out) {
    size_t n = sg_splitter_left(s).n;
    if (n == 0 && !s->skipping) return SG_SPLIT_ENDED;
    if (s->scanned < n) return take_misquoted(s, s->scanned, out);
    if (s->state == QUOTED && !s->skipping) return take_unclosed(s, out);
    return take(s, n, n, out) ? SG_SPLIT_GOT : SG_SPLIT_ENDED;
}

enum sg_split sg_csv_next(struct sg_splitter *s, enum sg_patience patience, struct sg_piece *out,
                          struct sg_err *err) {
    enum sg_split got = sg_splitter_begin(s, patience, err);
    while (got == SG_SPLIT_GOT) {
        size_t n;
        enum scan found = scan(s, &n);
        if (found == SCAN_END) {
            if (take(s, n, n + 1, out)) return SG_SPLIT_GOT;
            continue;
        }
        if (found == SCAN_BAD && s->skipping) {
            s->state = PLAIN;
            continue;
        }
        bool unclosed = found == SCAN_MORE && s->state == QUOTED && !s->skipping && n > s->limit;
        bool wrong = found == SCAN_BAD || unclosed;
        if (wrong && has_first_line(s)) return unclosed ? take_unclosed(s, out) : take_misquoted(s, n, out);
        if (!drop_long_row(s, n, wrong)) got = sg_input_more(s, patience, err);
    }
    return got == SG_SPLIT_ENDED ? take_last(s, out) : got;
}
