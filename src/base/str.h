/* SPDX-License-Identifier: Apache-2.0 */
/* str: text as pointer and length, and a growing buffer.
 *
 * A `struct sg_str` is a view: it owns nothing, need not end in NUL and may hold NUL. Copies are explicit
 * (sg_str_dup in arena.h). A `struct sg_buf` owns its bytes, states its maximum when it is made, and remembers a
 * failure (`failed`): a chain of appends needs one check at its end. */
#ifndef SG_BASE_STR_H
#define SG_BASE_STR_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct sg_str {
    const char *p;
    size_t n;
};

#define SG_STR(literal) ((struct sg_str){(literal), sizeof(literal) - 1})
#define SG_STR_NONE ((struct sg_str){NULL, 0})
/* For printf: printf("%.*s", SG_ARG(s)). */
#define SG_ARG(s) (int)(s).n, (s).p

static inline struct sg_str sg_str(const char *cstr) {
    return (struct sg_str){cstr, cstr ? strlen(cstr) : 0};
}

static inline bool sg_str_eq(struct sg_str a, struct sg_str b) {
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* Order of bytes, which for UTF-8 is the order of code points. */
int sg_str_cmp(struct sg_str a, struct sg_str b);
bool sg_str_starts(struct sg_str s, struct sg_str prefix);
bool sg_str_ends(struct sg_str s, struct sg_str suffix);
/* True when `s`, its ASCII letters made small, is `lower`. */
bool sg_str_is_word(struct sg_str s, const char *lower);
/* First place of `c` at or after `from`, or s.n. */
size_t sg_str_find(struct sg_str s, char c, size_t from);
/* Without ASCII white space at both ends. */
struct sg_str sg_str_trim(struct sg_str s);
/* Without Unicode white space at both ends, as Python's str.strip() does. */
struct sg_str sg_str_trim_unicode(struct sg_str s);
/* True when `s` is valid UTF-8 (no surrogates, no overlong forms); else *bad is the offset of the first bad byte. */
bool sg_utf8_valid(struct sg_str s, size_t *bad);
/* Length in bytes of the character at `at` (< s.n), and its code point; SG_UTF8_BAD and 1 where the bytes are no UTF-8. */
#define SG_UTF8_BAD UINT32_MAX
size_t sg_utf8_decode(struct sg_str s, size_t at, uint32_t *code);
/* Number of code points of valid UTF-8. */
size_t sg_utf8_length(struct sg_str s);
/* Damerau-Levenshtein distance, for "did you mean"; stops at `limit` and returns limit + 1. */
size_t sg_str_distance(struct sg_str a, struct sg_str b, size_t limit);

struct sg_buf {
    char *p;
    size_t n, cap, max;
    bool failed; /* an append would have passed `max`; further appends do nothing */
};

#define SG_BUF_INIT(max_bytes) ((struct sg_buf){.max = (max_bytes)})

void sg_buf_fini(struct sg_buf *b);
/* Room for n more bytes at the end; NULL and `failed` past the maximum. The caller then adds to b->n. */
char *sg_buf_reserve(struct sg_buf *b, size_t n);
void sg_buf_add(struct sg_buf *b, const void *p, size_t n);
void sg_buf_ch(struct sg_buf *b, char c);
void sg_buf_str(struct sg_buf *b, struct sg_str s);
void sg_buf_printf(struct sg_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sg_buf_vprintf(struct sg_buf *b, const char *fmt, va_list ap);
void sg_buf_u64(struct sg_buf *b, uint64_t v);
/* Empties it and keeps the memory, unless more than `keep` bytes are held. */
void sg_buf_reset(struct sg_buf *b, size_t keep);
/* Drops the first n bytes. */
void sg_buf_drop(struct sg_buf *b, size_t n);

static inline struct sg_str sg_buf_view(const struct sg_buf *b) {
    return (struct sg_str){b->p, b->n};
}

#define SG_BUF_LIT(b, literal) sg_buf_add((b), (literal), sizeof(literal) - 1)

#endif
