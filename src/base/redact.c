/* SPDX-License-Identifier: Apache-2.0 */
/* redact: one list of secrets per first byte, the longest first, so that the scan looks at each byte of a text once
 * and compares only where a secret could start. The lists are filled before threads start and never change after. */
#include "base/redact.h"

#include "base/arena.h"

#define LEAST_BYTES 12

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

void sg_redact_add(struct sg_str name, struct sg_str value) {
    if (value.n < LEAST_BYTES) return;
    struct secret **at = &secrets[(unsigned char)value.p[0]];
    for (; *at && (*at)->value.n >= value.n; at = &(*at)->next)
        if (sg_str_eq((*at)->value, value)) return;
    struct secret *s = sg_xmalloc(sizeof *s);
    *s = (struct secret){.next = *at, .name = copy(name), .value = copy(value)};
    *at = s;
    any = true;
}

bool sg_redact_any(void) {
    return any;
}

static const struct secret *secret_at(struct sg_str text, size_t i) {
    const struct secret *s = secrets[(unsigned char)text.p[i]];
    while (s && !sg_str_starts((struct sg_str){text.p + i, text.n - i}, s->value)) s = s->next;
    return s;
}

void sg_redact(struct sg_buf *out, struct sg_str text) {
    size_t from = 0;
    for (size_t i = 0; any && i < text.n;) {
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
    if (from < text.n) sg_buf_add(out, text.p + from, text.n - from);
}
