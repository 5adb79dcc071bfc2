/* SPDX-License-Identifier: Apache-2.0 */
/* redact: one list of secrets per first byte, the longest first, so that the scan looks at each byte of a text once
 * and compares only where a secret could start. The lists are filled before threads start and never change after. */
#include "base/redact.h"

#define LEAST_BYTES 12
#define SHORT 200u

struct secret {
    struct secret *next;
    struct sg_str name, value;
};

static struct secret *secrets[256]; /* by the value's first byte */
static bool any;

static struct sg_str copy(struct sg_str s) {
    char *p = sg_xmalloc(s.n);
    if (s.n) memcpy(p, s.p, s.n);
    return (struct sg_str){p, s.n};
}

static void add(struct sg_str name, struct sg_str value) {
    if (value.n < LEAST_BYTES) return;
    struct secret **at = &secrets[(unsigned char)value.p[0]];
    for (; *at && (*at)->value.n >= value.n; at = &(*at)->next)
        if (sg_str_eq((*at)->value, value)) return;
    struct secret *s = sg_xmalloc(sizeof *s);
    *s = (struct secret){.next = *at, .name = copy(name), .value = copy(value)};
    *at = s;
    any = true;
}

/* As json.c writes strings, and with the slash that others escape. */
static struct sg_str in_json(struct sg_buf *b, struct sg_str s, bool slashes) {
    sg_buf_reset(b, SIZE_MAX);
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == '"' || c == '\\' || (c == '/' && slashes)) sg_buf_ch(b, '\\');
        if (c < 0x20) sg_buf_printf(b, "\\u%04x", c);
        else sg_buf_ch(b, (char)c);
    }
    return sg_buf_view(b);
}

void sg_redact_add(struct sg_str name, struct sg_str value) {
    struct sg_buf b = SG_BUF_INIT(0);
    add(name, value);
    add(name, in_json(&b, value, false));
    add(name, in_json(&b, value, true));
    sg_buf_fini(&b);
}

bool sg_redact_any(void) {
    return any;
}

static const struct secret *secret_at(struct sg_str text, size_t i) {
    const struct secret *s = secrets[(unsigned char)text.p[i]];
    while (s && !sg_str_starts((struct sg_str){text.p + i, text.n - i}, s->value)) s = s->next;
    return s;
}

void sg_redact_start(struct sg_buf *out, struct sg_str text, size_t most) {
    size_t from = 0;
    for (size_t i = 0; any && i < text.n && out->n + (i - from) < most;) {
        const struct secret *s = secret_at(text, i);
        if (!s) {
            i++;
            continue;
        }
        sg_buf_add(out, text.p + from, i - from);
        sg_buf_ch(out, '[');
        sg_buf_str(out, s->name);
        sg_buf_ch(out, ']');
        from = i += s->value.n;
    }
    size_t room = out->n < most ? most - out->n : 0, left = text.n - from;
    sg_buf_add(out, text.p + from, left < room ? left : room);
}

void sg_redact(struct sg_buf *out, struct sg_str text) {
    sg_redact_start(out, text, SIZE_MAX);
}

struct sg_str sg_redact_short(struct sg_arena *a, struct sg_str text) {
    struct sg_buf b = SG_BUF_INIT(0);
    sg_redact_start(&b, text, SHORT);
    if (b.n > SHORT) b.n = SHORT;
    struct sg_str start = sg_str_dup(a, sg_buf_view(&b));
    sg_buf_fini(&b);
    return start;
}

struct sg_str sg_redact_url(struct sg_arena *a, struct sg_str url) {
    return sg_redact_short(a, sg_str_percent_decoded(a, url));
}
