/* SPDX-License-Identifier: Apache-2.0 */
/* str: views and buffers.
 *
 * A buffer doubles, so that n appends cost O(n) copies; `max` bounds what outside data can make it hold (0 stands for
 * DEFAULT_MAX). Running out of memory below that ends the process (arena.h).
 * UTF-8 is checked as Unicode 15, table 3-7 lists it: the second byte's range depends on the first byte. */
#include "base/str.h"

#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>

#define DEFAULT_MAX ((size_t)1 << 30)
#define FIRST_CAP 64

int sg_str_cmp(struct sg_str a, struct sg_str b) {
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n ? memcmp(a.p, b.p, n) : 0;
    return order ? order : (a.n > b.n) - (a.n < b.n);
}

bool sg_str_starts(struct sg_str s, struct sg_str prefix) {
    return s.n >= prefix.n && sg_str_eq((struct sg_str){s.p, prefix.n}, prefix);
}

bool sg_str_ends(struct sg_str s, struct sg_str suffix) {
    if (s.n < suffix.n || suffix.n == 0) return suffix.n == 0;
    return memcmp(s.p + (s.n - suffix.n), suffix.p, suffix.n) == 0;
}

bool sg_str_is_word(struct sg_str s, const char *lower) {
    if (s.n != strlen(lower)) return false;
    for (size_t i = 0; i < s.n; i++) {
        bool capital = s.p[i] >= 'A' && s.p[i] <= 'Z';
        if ((capital ? s.p[i] | 0x20 : s.p[i]) != lower[i]) return false;
    }
    return true;
}

size_t sg_str_find(struct sg_str s, char c, size_t from) {
    if (from >= s.n) return s.n;
    const char *hit = memchr(s.p + from, c, s.n - from);
    return hit ? (size_t)(hit - s.p) : s.n;
}

static bool is_ascii_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct sg_str sg_str_trim(struct sg_str s) {
    while (s.n && is_ascii_space(*s.p)) s.p++, s.n--;
    while (s.n && is_ascii_space(s.p[s.n - 1])) s.n--;
    return s;
}

/* Length of the character at p if it is white space for Python's str.isspace (bidirectional type WS, B or S, or
 * category Zs, in Unicode), else 0. */
static size_t unicode_space_length(const char *text, size_t n) {
    const unsigned char *p = (const unsigned char *)text;
    if (n >= 1 && p[0] < 0x80) return (p[0] >= 0x09 && p[0] <= 0x0D) || (p[0] >= 0x1C && p[0] <= 0x20);
    if (n >= 2 && p[0] == 0xC2) return p[1] == 0x85 || p[1] == 0xA0 ? 2 : 0;
    if (n < 3 || p[0] < 0xE1 || p[0] > 0xE3) return 0;
    unsigned c = (p[0] & 0x0FU) << 12 | (p[1] & 0x3FU) << 6 | (p[2] & 0x3FU);
    bool space = c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
                 c == 0x205F || c == 0x3000;
    return space ? 3 : 0;
}

static size_t last_char_length(struct sg_str s) {
    size_t n = 1;
    while (n < s.n && n < 4 && ((unsigned char)s.p[s.n - n] & 0xC0) == 0x80) n++;
    return n;
}

struct sg_str sg_str_trim_unicode(struct sg_str s) {
    size_t n;
    while (s.n && (n = unicode_space_length(s.p, s.n)) > 0) s.p += n, s.n -= n;
    while (s.n) {
        n = last_char_length(s);
        if (unicode_space_length(s.p + (s.n - n), n) != n) break;
        s.n -= n;
    }
    return s;
}

/* Length of the well-formed sequence at p, or 0. */
static size_t utf8_sequence(const unsigned char *p, size_t n) {
    unsigned char lead = p[0], low = 0x80, high = 0xBF;
    if (lead < 0x80) return 1;
    size_t want = lead >= 0xC2 && lead <= 0xDF ? 2 : (lead & 0xF0) == 0xE0 ? 3 : lead >= 0xF0 && lead <= 0xF4 ? 4 : 0;
    if (want == 0 || n < want) return 0;
    if (lead == 0xE0) low = 0xA0;  /* overlong below */
    if (lead == 0xED) high = 0x9F; /* surrogates above */
    if (lead == 0xF0) low = 0x90;
    if (lead == 0xF4) high = 0x8F; /* beyond U+10FFFF above */
    if (p[1] < low || p[1] > high) return 0;
    for (size_t i = 2; i < want; i++)
        if ((p[i] & 0xC0) != 0x80) return 0;
    return want;
}

static size_t ascii_run(const unsigned char *p, size_t n) {
    size_t i = 0;
    for (uint64_t w; i + sizeof w <= n; i += sizeof w) {
        memcpy(&w, p + i, sizeof w);
        if (w & 0x8080808080808080U) break;
    }
    while (i < n && p[i] < 0x80) i++;
    return i;
}

bool sg_utf8_valid(struct sg_str s, size_t *bad) {
    const unsigned char *p = (const unsigned char *)s.p;
    for (size_t i = 0; i < s.n;) {
        if (p[i] < 0x80) {
            i += ascii_run(p + i, s.n - i);
            continue;
        }
        size_t n = utf8_sequence(p + i, s.n - i);
        if (n == 0) {
            if (bad) *bad = i;
            return false;
        }
        i += n;
    }
    return true;
}

size_t sg_utf8_decode(struct sg_str s, size_t at, uint32_t *code) {
    const unsigned char *p = (const unsigned char *)s.p + at;
    size_t n = utf8_sequence(p, s.n - at);
    *code = n == 0 ? SG_UTF8_BAD : n == 1 ? p[0] : p[0] & (0x7FU >> n);
    for (size_t i = 1; i < n; i++) *code = *code << 6 | (p[i] & 0x3FU);
    return n ? n : 1;
}

size_t sg_utf8_length(struct sg_str s) {
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) n += ((unsigned char)s.p[i] & 0xC0) != 0x80;
    return n;
}

static size_t min2(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Optimal string alignment, over bytes: the last three rows of the table are enough, and once a whole row is over the
 * limit every later one is (a transposition costs no less than the substitution it replaces). */
static size_t distance_in_rows(struct sg_str a, struct sg_str b, size_t limit, size_t *rows) {
    size_t width = b.n + 1, *before = rows, *last = rows + width, *row = rows + 2 * width;
    for (size_t j = 0; j < width; j++) last[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t best = row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t d = last[j - 1] + (a.p[i - 1] != b.p[j - 1]);
            d = min2(d, min2(last[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1])
                d = min2(d, before[j - 2] + 1);
            row[j] = d;
            best = min2(best, d);
        }
        if (best > limit) return limit + 1;
        size_t *oldest = before;
        before = last, last = row, row = oldest;
    }
    return min2(last[b.n], limit + 1);
}

size_t sg_str_distance(struct sg_str a, struct sg_str b, size_t limit) {
    if ((a.n > b.n ? a.n - b.n : b.n - a.n) > limit) return limit + 1;
    size_t small[3 * 64], need = 3 * (b.n + 1);
    if (need <= sizeof small / sizeof *small) return distance_in_rows(a, b, limit, small);
    size_t *rows = sg_xcalloc(need, sizeof *rows);
    size_t d = distance_in_rows(a, b, limit, rows);
    free(rows);
    return d;
}

void sg_buf_fini(struct sg_buf *b) {
    free(b->p);
    *b = SG_BUF_INIT(b->max);
}

static char *grow(struct sg_buf *b, size_t n) {
    size_t max = b->max ? b->max : DEFAULT_MAX;
    if (b->failed || b->n > max || n > max - b->n) {
        b->failed = true;
        return NULL;
    }
    size_t cap = b->cap * 2;
    if (cap < b->n + n) cap = b->n + n;
    if (cap < FIRST_CAP) cap = FIRST_CAP;
    b->cap = min2(cap, max);
    b->p = sg_xrealloc(b->p, b->cap);
    return b->p + b->n;
}

/* The capacity never passes the maximum, so that one comparison is enough here. */
char *sg_buf_reserve(struct sg_buf *b, size_t n) {
    if (b->p && !b->failed && n <= b->cap - b->n) return b->p + b->n;
    return grow(b, n);
}

void sg_buf_add(struct sg_buf *b, const void *p, size_t n) {
    if (n == 0) return;
    char *room = sg_buf_reserve(b, n);
    if (!room) return;
    memcpy(room, p, n);
    b->n += n;
}

void sg_buf_ch(struct sg_buf *b, char c) {
    char *room = sg_buf_reserve(b, 1);
    if (!room) return;
    *room = c;
    b->n++;
}

void sg_buf_str(struct sg_buf *b, struct sg_str s) {
    sg_buf_add(b, s.p, s.n);
}

void sg_buf_printf(struct sg_buf *b, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    sg_buf_vprintf(b, fmt, ap);
    va_end(ap);
}

/* On the stack first, since most texts are short. In the buffer, vsnprintf's NUL could pass the maximum. */
void sg_buf_vprintf(struct sg_buf *b, const char *fmt, va_list ap) {
    char small[256];
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(small, sizeof small, fmt, ap);
    if (n >= 0 && (size_t)n < sizeof small) {
        sg_buf_add(b, small, (size_t)n);
    } else if (n >= 0) {
        char *large = sg_xmalloc((size_t)n + 1);
        vsnprintf(large, (size_t)n + 1, fmt, again);
        sg_buf_add(b, large, (size_t)n);
        free(large);
    } else {
        b->failed = true;
    }
    va_end(again);
}

void sg_buf_u64(struct sg_buf *b, uint64_t v) {
    char digits[20];
    size_t i = sizeof digits;
    do digits[--i] = (char)('0' + v % 10);
    while ((v /= 10) > 0);
    sg_buf_add(b, digits + i, sizeof digits - i);
}

void sg_buf_reset(struct sg_buf *b, size_t keep) {
    if (b->cap > keep) sg_buf_fini(b);
    b->n = 0;
    b->failed = false;
}

void sg_buf_drop(struct sg_buf *b, size_t n) {
    if (n == 0) return;
    if (n < b->n) memmove(b->p, b->p + n, b->n - n);
    b->n = n < b->n ? b->n - n : 0;
}
