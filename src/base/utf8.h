/* SPDX-License-Identifier: Apache-2.0 */
/* utf8: one character at a time, for the files of this folder that print text character by character (json, pytext).
 * Whole texts are checked by sg_utf8_valid (str.h) where they enter; what is malformed all the same counts as U+FFFD,
 * byte by byte, and nothing behind `end` is read. */
#ifndef SG_BASE_UTF8_H
#define SG_BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The code point at *p (before `end`); *p moves behind it. */
static inline uint32_t sg_utf8_next(const char **p, const char *end) {
    const unsigned char *s = (const unsigned char *)*p;
    size_t left = (size_t)(end - *p);
    size_t n = s[0] < 0x80 ? 1 : s[0] < 0xC2 ? 0 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : s[0] < 0xF5 ? 4 : 0;
    uint32_t c = n <= 1 ? s[0] : s[0] & (0x7FU >> n);
    for (size_t i = 1; i < n; i++) {
        if (i >= left || (s[i] & 0xC0) != 0x80) n = 0;
        else c = c << 6 | (s[i] & 0x3FU);
    }
    *p += n ? n : 1;
    return n ? c : 0xFFFD;
}

/* Writes at most 4 bytes, returns how many. `c` is at most U+10FFFF. */
static inline size_t sg_utf8_put(char *out, uint32_t c) {
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 0x3F));
    out[0] = (char)(0xF00U >> n | c);
    return n;
}

#endif
