/* SPDX-License-Identifier: Apache-2.0 */
/* How one JSON value became another: places in which leaves differ, at most PLACES of them, texts cut around their first
 * difference. */
#include "base/json.h"

#include <stdio.h>

#define PLACES 4
#define BEFORE 24 /* bytes of a text that are shown before its first difference, and ... */
#define BEHIND 40 /* ... from there on */
#define PATH 256

struct diff {
    struct sg_buf *out;
    size_t n;
    char path[PATH];
    size_t path_n;
};

static void compare(struct diff *d, const struct sg_json *was, const struct sg_json *is);

/* --- places ------------------------------------------------------------------------------------------------------- */

/* A path that is too long ends in what fits. */
static void push(struct diff *d, const void *p, size_t n) {
    if (n > PATH - d->path_n) n = PATH - d->path_n;
    memcpy(d->path + d->path_n, p, n);
    d->path_n += n;
}

static void compare_at(struct diff *d, struct sg_str key, size_t index, const struct sg_json *was, const struct sg_json *is) {
    size_t mark = d->path_n;
    char text[32];
    if (key.p) {
        if (mark) push(d, ".", 1);
        push(d, key.p, key.n);
    } else {
        push(d, text, (size_t)snprintf(text, sizeof text, "[%zu]", index));
    }
    compare(d, was, is);
    d->path_n = mark;
}

/* --- leaves ------------------------------------------------------------------------------------------------------- */

static size_t same_bytes(struct sg_str a, struct sg_str b) {
    size_t n = 0;
    while (n < a.n && n < b.n && a.p[n] == b.p[n]) n++;
    return n;
}

/* Never inside a character. */
static size_t start_of_character(struct sg_str s, size_t at) {
    while (at > 0 && at < s.n && ((unsigned char)s.p[at] & 0xC0) == 0x80) at--;
    return at;
}

static void write_around(struct sg_buf *out, struct sg_str s, size_t at) {
    size_t from = at > BEFORE ? start_of_character(s, at - BEFORE) : 0;
    size_t to = s.n - at > BEHIND ? start_of_character(s, at + BEHIND) : s.n;
    sg_buf_ch(out, '"');
    if (from) SG_BUF_LIT(out, "...");
    for (size_t i = from; i < to; i++) {
        if (s.p[i] == '\n') SG_BUF_LIT(out, "\\n");
        else sg_buf_ch(out, s.p[i]);
    }
    if (to < s.n) SG_BUF_LIT(out, "...");
    sg_buf_ch(out, '"');
}

static void write_value(struct sg_buf *out, const struct sg_json *v, size_t at) {
    struct sg_buf text = SG_BUF_INIT(SIZE_MAX);
    if (!v) {
        SG_BUF_LIT(out, "nothing");
    } else if (v->type == SG_JSON_STRING) {
        write_around(out, sg_json_text(v), at);
    } else {
        sg_json_write(&text, v);
        size_t n = text.n > BEFORE + BEHIND ? start_of_character(sg_buf_view(&text), BEFORE + BEHIND) : text.n;
        sg_buf_add(out, text.p, n);
        if (n < text.n) SG_BUF_LIT(out, "...");
    }
    sg_buf_fini(&text);
}

static void tell(struct diff *d, const struct sg_json *was, const struct sg_json *is) {
    bool texts = was && is && was->type == SG_JSON_STRING && is->type == SG_JSON_STRING;
    size_t at = texts ? same_bytes(sg_json_text(was), sg_json_text(is)) : 0;
    if (++d->n > PLACES) {
        if (d->n == PLACES + 1) SG_BUF_LIT(d->out, "; ...");
        return;
    }
    if (d->n > 1) SG_BUF_LIT(d->out, "; ");
    if (d->path_n) sg_buf_printf(d->out, "%.*s: ", (int)d->path_n, d->path);
    write_value(d->out, was, at);
    SG_BUF_LIT(d->out, " became ");
    write_value(d->out, is, at);
}

/* --- walking ------------------------------------------------------------------------------------------------------ */

static void compare_objects(struct diff *d, const struct sg_json *was, const struct sg_json *is) {
    for (uint32_t i = 0; i < was->n; i++)
        compare_at(d, was->members[i].key, 0, &was->members[i].value, sg_json_get(is, was->members[i].key));
    for (uint32_t i = 0; i < is->n; i++)
        if (!sg_json_get(was, is->members[i].key)) compare_at(d, is->members[i].key, 0, NULL, &is->members[i].value);
}

static void compare_arrays(struct diff *d, const struct sg_json *was, const struct sg_json *is) {
    for (uint32_t i = 0; i < was->n || i < is->n; i++)
        compare_at(d, SG_STR_NONE, i, i < was->n ? &was->items[i] : NULL, i < is->n ? &is->items[i] : NULL);
}

static void compare(struct diff *d, const struct sg_json *was, const struct sg_json *is) {
    bool both = was && is && was->type == is->type;
    if (d->n > PLACES) return;
    if (both && was->type == SG_JSON_OBJECT) compare_objects(d, was, is);
    else if (both && was->type == SG_JSON_ARRAY) compare_arrays(d, was, is);
    else if (!both || !sg_json_equal(was, is)) tell(d, was, is);
}

void sg_json_diff(struct sg_buf *out, const struct sg_json *was, const struct sg_json *is) {
    struct diff d = {.out = out};
    compare(&d, was, is);
}
