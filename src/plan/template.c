/* SPDX-License-Identifier: Apache-2.0 */
/* template: compiling and rendering.
 *
 *     text        = { piece }
 *     piece       = "{{" | "}}" | placeholder | any other byte
 *     placeholder = "{" key [ "!" conversion ] [ ":" spec ] "}"
 *
 * The rules, and where each mistake is seen, follow CPython's MarkupIterator (Objects/stringlib/unicode_format.h). A
 * template is n placeholders and n + 1 texts around them, so that rendering is a walk over two arrays. */
#include "plan/template.h"

#include "base/pytext.h"

struct compiler {
    struct sg_arena *a;
    struct sg_str text; /* our own copy; keys and specifications are views of it */
    size_t at;
    char *room, *end; /* texts, with single braces, one behind the other; the one under way is [room, end) */
    struct sg_str *texts;
    size_t n_texts, cap_texts;
    struct sg_placeholder *placeholders;
    size_t n, cap;
    size_t mistake;
    struct sg_err *err;
};

#define HELP "write {{ and }} for braces that are text"

static int mistake_at(struct compiler *c, size_t at, const char *what) {
    c->mistake = at;
    return sg_fail(c->err, SG_E_SYNTAX, "%s", what);
}

static char byte_at(const struct compiler *c, size_t i) {
    return i < c->text.n ? c->text.p[i] : '\0';
}

static struct sg_str slice(const struct compiler *c, size_t from, size_t to) {
    return (struct sg_str){c->text.p + from, to - from};
}

/* Ends the text under way. */
static void push_text(struct compiler *c) {
    *SG_PUSH(c->a, c->texts, c->n_texts, c->cap_texts) = (struct sg_str){c->room, (size_t)(c->end - c->room)};
    c->room = c->end;
}

/* Offset of the first of `any` from `from` on, or the end. */
static size_t find_any(const struct compiler *c, size_t from, const char *any) {
    while (from < c->text.n && !(c->text.p[from] && strchr(any, c->text.p[from]))) from++;
    return from;
}

static bool all_digits(struct sg_str s) {
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9') return false;
    return true; /* an empty key too: {} is the next position */
}

static int check_key(struct compiler *c, struct sg_str key, size_t open) {
    for (size_t i = 0; i < key.n; i++)
        if (key.p[i] && strchr(".[]", key.p[i]))
            return mistake_at(c, open + 1 + i, "'.' and '[...]' cannot be used in the name of a variable; " HELP);
    if (all_digits(key)) return mistake_at(c, open, "a variable needs a name, not a position; " HELP);
    return 0;
}

/* Behind the key: "!r", or nothing. */
static int read_conversion(struct compiler *c, struct sg_placeholder *p) {
    if (byte_at(c, c->at) != '!') return 0;
    char conversion = byte_at(c, c->at + 1), next = byte_at(c, c->at + 2);
    if (!conversion || !strchr("rsa", conversion) || (next != ':' && next != '}'))
        return mistake_at(c, c->at, "behind '!' stands r, s or a, then ':' or '}'; " HELP);
    p->conversion = conversion;
    c->at += 2;
    return 0;
}

/* Behind key and conversion: ":spec", or nothing. */
static int read_spec(struct compiler *c, struct sg_placeholder *p) {
    if (byte_at(c, c->at) != ':') return 0;
    size_t from = c->at + 1;
    c->at = find_any(c, from, "{}");
    if (byte_at(c, c->at) == '{') return mistake_at(c, c->at, "'{' within a placeholder; " HELP);
    p->spec = slice(c, from, c->at);
    return 0;
}

static int read_placeholder(struct compiler *c) {
    size_t open = c->at, key = open + 1;
    struct sg_placeholder p = {.offset = open, .slot = -1};
    c->at = find_any(c, key, "{}!:");
    p.key = slice(c, key, c->at);
    if (byte_at(c, c->at) == '{') return mistake_at(c, c->at, "'{' within a placeholder; " HELP);
    int rc = check_key(c, p.key, open);
    if (rc == 0) rc = read_conversion(c, &p);
    if (rc == 0) rc = read_spec(c, &p);
    if (rc < 0) return rc;
    if (c->at == c->text.n) return mistake_at(c, open, "'{' without its '}'; " HELP);
    p.raw = slice(c, key, c->at++);
    *SG_PUSH(c->a, c->placeholders, c->n, c->cap) = p;
    return 0;
}

/* One brace, doubled or not, or a run of other bytes. */
static int read_piece(struct compiler *c) {
    char brace = byte_at(c, c->at);
    if (brace != '{' && brace != '}') {
        struct sg_str run = slice(c, c->at, find_any(c, c->at, "{}"));
        memcpy(c->end, run.p, run.n);
        c->end += run.n;
        c->at += run.n;
        return 0;
    }
    if (byte_at(c, c->at + 1) == brace) {
        *c->end++ = brace;
        c->at += 2;
        return 0;
    }
    if (brace == '}') return mistake_at(c, c->at, "'}' without its '{'; " HELP);
    if (c->at + 1 == c->text.n) return mistake_at(c, c->at, "'{' without its '}'; " HELP);
    push_text(c);
    return read_placeholder(c);
}

int sg_template_compile(struct sg_arena *a, struct sg_str text, struct sg_template **out, size_t *at,
                        struct sg_err *err) {
    struct compiler c = {.a = a, .text = sg_str_dup(a, text), .err = err};
    c.room = c.end = sg_alloc(a, text.n);
    while (c.at < c.text.n) {
        int rc = read_piece(&c);
        if (rc == 0) continue;
        if (at) *at = c.mistake;
        return rc;
    }
    push_text(&c);
    *out = SG_NEW(a, struct sg_template);
    **out = (struct sg_template){.texts = c.texts, .placeholders = c.placeholders, .n = c.n};
    return 0;
}

static int render_placeholder(const struct sg_placeholder *p, const struct sg_json *v, struct sg_buf *out,
                              struct sg_err *err) {
    if (!v) return sg_fail(err, SG_E_MISSING, "the prompt wants '%.*s', which has no value", SG_ARG(p->key));
    int rc = sg_py_format(out, v, p->conversion, p->spec, err);
    return rc < 0 ? sg_err_wrap(err, rc, "{%.*s}", SG_ARG(p->raw)) : 0;
}

int sg_template_render(const struct sg_template *t, sg_lookup_fn *lookup, void *ud, struct sg_buf *out,
                       struct sg_err *err) {
    for (size_t i = 0; i < t->n; i++) {
        sg_buf_str(out, t->texts[i]);
        int rc = render_placeholder(&t->placeholders[i], lookup(ud, i), out, err);
        if (rc < 0) return rc;
    }
    sg_buf_str(out, t->texts[t->n]);
    return out->failed ? sg_fail(err, SG_E_LIMIT, "the prompt is over %zu bytes", out->max) : 0;
}
