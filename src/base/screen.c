/* SPDX-License-Identifier: Apache-2.0 */
/* screen: the tables are sorted ranges made from Unicode's (tools/gen_width_tables.py). The C library's wcwidth would need a
 * locale that is installed, and changes with the machine. */
#include "base/screen.h"

struct code_range {
    uint32_t first, last;
};

#include "base/unicode_width.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

static bool is_in(const struct code_range *ranges, size_t n, uint32_t c) {
    size_t low = 0, high = n;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (ranges[mid].last < c) low = mid + 1;
        else high = mid;
    }
    return low < n && ranges[low].first <= c;
}

static bool is_control(uint32_t c) {
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x2028 || c == 0x2029;
}

unsigned sg_screen_width(uint32_t c) {
    if (is_control(c)) return 0;
    if (c < 0x300) return 1;
    if (is_in(combining, COUNT(combining), c) || is_in(hidden, COUNT(hidden), c)) return 0;
    return is_in(wide, COUNT(wide), c) ? 2 : 1;
}

/* One character as it is shown. */
struct glyph {
    const char *p;
    size_t n;
    unsigned width;
};

static size_t next_glyph(struct sg_str s, size_t at, bool utf8, struct glyph *out) {
    uint32_t c;
    size_t n = sg_utf8_decode(s, at, &c);
    if (c != SG_UTF8_BAD && is_control(c)) *out = (struct glyph){" ", 1, 1};
    else if (c != SG_UTF8_BAD && c >= 0x300 && is_in(hidden, COUNT(hidden), c)) *out = (struct glyph){"", 0, 0};
    else if (c == SG_UTF8_BAD || (!utf8 && c >= 0x80)) *out = (struct glyph){"?", 1, 1};
    else *out = (struct glyph){s.p + at, n, sg_screen_width(c)};
    return at + n;
}

static size_t columns_from(struct sg_str s, size_t at, bool utf8) {
    struct glyph g;
    size_t columns = 0;
    while (at < s.n) {
        at = next_glyph(s, at, utf8, &g);
        columns += g.width;
    }
    return columns;
}

size_t sg_screen_columns(struct sg_str s) {
    return columns_from(s, 0, true);
}

/* Without UTF-8 a combining mark is a `?` of its own, so that no character vanishes silently. */
size_t sg_screen_text(struct sg_buf *b, struct sg_str s, size_t columns, bool utf8) {
    struct sg_str dots = utf8 ? SG_STR("…") : SG_STR("...");
    size_t room = columns, used = 0, dots_width = utf8 ? 1 : 3;
    bool cut = columns_from(s, 0, utf8) > columns && columns >= dots_width;
    if (cut) room = columns - dots_width;
    struct glyph g;
    for (size_t at = 0; at < s.n;) {
        at = next_glyph(s, at, utf8, &g);
        if (used + g.width > room) break;
        used += g.width;
        sg_buf_add(b, g.p, g.n);
    }
    if (!cut) return used;
    sg_buf_str(b, dots);
    return used + dots_width;
}
