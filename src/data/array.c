/* SPDX-License-Identifier: Apache-2.0 */
/* array: one row an element of the JSON array that a file is.
 *
 * The machine, one state a byte of interest:
 *
 *   OPEN      [ -> FIRST
 *   FIRST     ] -> CLOSED, else -> ELEMENT
 *   ELEMENT   finds the end of one value (a piece) -> NEXT
 *   NEXT      , -> VALUE    ] -> CLOSED
 *   VALUE     -> ELEMENT (a bracket or comma here is a mistake)
 *   CLOSED    white space to the end of the file
 *
 * Only the end of an element is looked for: strings, their escapes, and the depth of brackets of either kind. What
 * is wrong inside an element is found by the parser and costs that row only; what is wrong between elements breaks
 * the source, since nobody can say where the next one begins. */
#include "data/split.h"

enum { OPEN, FIRST, ELEMENT, NEXT, VALUE, CLOSED };

static enum sg_split broken(struct sg_splitter *s, uint64_t line, uint64_t offset, const char *what,
                            struct sg_err *err) {
    s->in.ended = true;
    s->state = CLOSED;
    sg_fail(err, SG_E_SYNTAX, "%.*s:%llu: byte %llu: %s", SG_ARG(s->name), (unsigned long long)line,
            (unsigned long long)offset, what);
    return SG_SPLIT_BROKEN;
}

static enum sg_split broken_here(struct sg_splitter *s, const char *what, struct sg_err *err) {
    return broken(s, s->line, s->in.offset, what, err);
}

static void advance_counting(struct sg_splitter *s, size_t n) {
    struct sg_str over = {sg_splitter_left(s).p, n};
    for (size_t i = sg_str_find(over, '\n', 0); i < n; i = sg_str_find(over, '\n', i + 1)) s->line++;
    sg_splitter_advance(s, n);
}

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* The byte of interest behind white space, reading on for it. */
static enum sg_split find_byte(struct sg_splitter *s, enum sg_patience patience, char *out, struct sg_err *err) {
    for (;;) {
        struct sg_str left = sg_splitter_left(s);
        size_t n = 0;
        while (n < left.n && is_space(left.p[n])) n++;
        if (n < left.n) *out = left.p[n];
        advance_counting(s, n);
        if (n < left.n) return SG_SPLIT_GOT;
        enum sg_split got = sg_input_more(s, patience, err);
        if (got != SG_SPLIT_GOT) return got;
    }
}

/* --- the end of an element -------------------------------------------------------------------------------------- */

enum { PLAIN, QUOTE, UP, DOWN, STOP };

static const unsigned char classes[256] = {
    ['"'] = QUOTE, ['{'] = UP,   ['['] = UP,    ['}'] = DOWN,  [']'] = DOWN,
    [','] = STOP,  [' '] = STOP, ['\t'] = STOP, ['\n'] = STOP, ['\r'] = STOP,
};

/* Goes on inside a string; the offset behind its closing quote, or t.n with in_string still set. Most of a file is
 * text without escapes, which memchr passes faster than any table. */
static size_t pass_string(struct sg_splitter *s, struct sg_str t, size_t i) {
    if (s->escaped && i < t.n) {
        s->escaped = false;
        i++;
    }
    size_t quote = sg_str_find(t, '"', i);
    for (;;) {
        size_t slash = sg_str_find((struct sg_str){t.p, quote}, '\\', i);
        if (slash == quote) break;
        i = slash + 2; /* a quote there is escaped */
        if (i > t.n) {
            s->escaped = true;
            return t.n;
        }
        if (i > quote) quote = sg_str_find(t, '"', i);
    }
    if (quote == t.n) return t.n;
    s->in_string = false;
    return quote + 1;
}

/* A value at depth 0 ends behind its closing bracket or quote, and before white space, a comma or a bracket else. */
static bool find_end(struct sg_splitter *s, size_t *end) {
    struct sg_str t = sg_splitter_left(s);
    size_t i = s->scanned;
    while (i < t.n) {
        if (s->in_string) {
            i = pass_string(s, t, i);
            if (!s->in_string && s->depth == 0) return *end = i, true;
            continue;
        }
        unsigned char class = classes[(unsigned char)t.p[i]];
        if (class == PLAIN || (class == STOP && s->depth)) {
            i++;
            continue;
        }
        bool first_byte = i == 0 && !s->skipping;
        if (s->depth == 0 && (class >= DOWN || !first_byte)) return *end = i, true;
        s->in_string = class == QUOTE;
        s->depth += class == UP;
        i++;
        if (class == DOWN && --s->depth == 0) return *end = i, true;
    }
    s->scanned = i;
    return false;
}

static void drop_long_row(struct sg_splitter *s) {
    size_t n = sg_splitter_left(s).n;
    if (!s->skipping && n <= s->limit) return;
    s->skipping = true;
    advance_counting(s, n);
}

static enum sg_split take(struct sg_splitter *s, size_t n, struct sg_piece *out) {
    *out = s->row;
    out->too_long = s->skipping || n > s->limit;
    if (!out->too_long) out->text = (struct sg_str){sg_splitter_left(s).p, n};
    advance_counting(s, n);
    s->skipping = false;
    s->state = NEXT;
    return SG_SPLIT_GOT;
}

static enum sg_split find_element(struct sg_splitter *s, enum sg_patience patience, struct sg_piece *out,
                                  struct sg_err *err) {
    for (;;) {
        size_t n;
        if (find_end(s, &n)) return take(s, n, out);
        drop_long_row(s);
        enum sg_split got = sg_input_more(s, patience, err);
        if (got == SG_SPLIT_ENDED) {
            return broken(s, s->row.line, s->row.offset,
                          "the file ends inside the array, in the element that begins here", err);
        }
        if (got != SG_SPLIT_GOT) return got;
    }
}

/* --- between elements ------------------------------------------------------------------------------------------- */

static enum sg_split begin_element(struct sg_splitter *s, char c, struct sg_err *err) {
    if (c == ',' || c == '}') return broken_here(s, "a value is missing here", err);
    s->row = (struct sg_piece){.line = s->line, .offset = s->in.offset};
    s->state = ELEMENT;
    s->depth = 0;
    return SG_SPLIT_GOT;
}

static enum sg_split enter(struct sg_splitter *s, int state) {
    advance_counting(s, 1);
    s->state = state;
    return SG_SPLIT_GOT;
}

/* One step on the byte `c` that was found. */
static enum sg_split step(struct sg_splitter *s, char c, struct sg_err *err) {
    switch (s->state) {
    case OPEN:
        if (c == '[') return enter(s, FIRST);
        return broken_here(s, c == '{' ? "the top level is an object, not an array" : "the file is not a JSON array",
                           err);
    case FIRST:
        return c == ']' ? enter(s, CLOSED) : begin_element(s, c, err);
    case VALUE:
        return c == ']' ? broken_here(s, "a value is missing behind the last comma", err) : begin_element(s, c, err);
    case NEXT:
        if (c == ',') return enter(s, VALUE);
        return c == ']' ? enter(s, CLOSED) : broken_here(s, "a comma is missing between two elements", err);
    default:
        return broken_here(s, "text behind the end of the array", err);
    }
}

void sg_array_seek(struct sg_splitter *s, uint64_t line, uint64_t offset) {
    sg_lines_seek(s, line, offset);
    s->state = VALUE;
}

enum sg_split sg_array_next(struct sg_splitter *s, enum sg_patience patience, struct sg_piece *out,
                            struct sg_err *err) {
    enum sg_split got = sg_splitter_begin(s, patience, err);
    while (got == SG_SPLIT_GOT) {
        if (s->state == ELEMENT) return find_element(s, patience, out, err);
        char c;
        got = find_byte(s, patience, &c, err);
        if (got == SG_SPLIT_GOT) got = step(s, c, err);
    }
    if (got != SG_SPLIT_ENDED || s->state == CLOSED) return got;
    return broken_here(s, s->state == OPEN ? "the file is empty" : "the file ends inside the array", err);
}
