/* SPDX-License-Identifier: Apache-2.0 */
#include "local/reply.h"

/* A context of 2^20 tokens at 16 bytes each: more than any reply. What is over it is dropped. */
#define TEXT_MAX ((size_t)16 << 20)

static int add_stop(struct sg_reply *r, const struct sg_json *text, struct sg_err *err) {
    if (text->type != SG_JSON_STRING) {
        return sg_fail(err, SG_E_TYPE, "stop must be a text or a list of texts, not %s", sg_json_type_name(text));
    }
    if (text->n == 0) return 0;
    if (r->n_stops == SG_REPLY_STOPS) return sg_fail(err, SG_E_LIMIT, "more than %d stop texts", SG_REPLY_STOPS);
    r->stops[r->n_stops++] = sg_json_text(text);
    return 0;
}

int sg_reply_init(struct sg_reply *r, const struct sg_json *stop, struct sg_err *err) {
    *r = (struct sg_reply){.text = SG_BUF_INIT(TEXT_MAX)};
    if (!stop || stop->type == SG_JSON_NULL) return 0;
    if (stop->type != SG_JSON_ARRAY) return add_stop(r, stop, err);
    int rc = 0;
    for (size_t i = 0; i < stop->n && !rc; i++) rc = add_stop(r, &stop->items[i], err);
    return rc;
}

void sg_reply_fini(struct sg_reply *r) {
    sg_buf_fini(&r->text);
}

/* The first place at or after `from` where `what` stands, or the end. */
static size_t place_of(struct sg_str text, struct sg_str what, size_t from) {
    if (what.n > text.n || from > text.n - what.n) return text.n;
    const char *hit = memmem(text.p + from, text.n - from, what.p, what.n);
    return hit ? (size_t)(hit - text.p) : text.n;
}

bool sg_reply_add(struct sg_reply *r, struct sg_str piece) {
    size_t before = r->text.n, end;
    sg_buf_str(&r->text, piece);
    struct sg_str text = sg_buf_view(&r->text);
    end = text.n;
    for (size_t i = 0; i < r->n_stops; i++) {
        size_t reach = r->stops[i].n - 1; /* so much of it may stand before the new piece */
        size_t at = place_of(text, r->stops[i], before > reach ? before - reach : 0);
        if (at < end) end = at;
    }
    r->text.n = end;
    return end < text.n;
}

/* Whether `s`, which begins with a bad byte, is the beginning of a character whose rest is missing. */
static bool is_torn(struct sg_str s) {
    unsigned char lead = (unsigned char)s.p[0];
    size_t whole = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
    if (s.n >= whole) return false;
    for (size_t i = 1; i < s.n; i++) {
        if (((unsigned char)s.p[i] & 0xC0) != 0x80) return false;
    }
    return true;
}

struct sg_str sg_reply_finish(struct sg_reply *r) {
    struct sg_str rest = sg_buf_view(&r->text);
    size_t bad;
    if (rest.n == 0 || sg_utf8_valid(rest, &bad)) return rest;
    struct sg_buf clean = SG_BUF_INIT(3 * TEXT_MAX);
    while (rest.n && !sg_utf8_valid(rest, &bad)) {
        sg_buf_add(&clean, rest.p, bad);
        rest = (struct sg_str){rest.p + bad, rest.n - bad};
        if (is_torn(rest)) rest.n = 0;
        else SG_BUF_LIT(&clean, "\xEF\xBF\xBD"), rest.p++, rest.n--;
    }
    sg_buf_str(&clean, rest);
    sg_buf_fini(&r->text);
    r->text = clean;
    return sg_buf_view(&r->text);
}
