/* SPDX-License-Identifier: Apache-2.0 */
/* err: the table of failures, and texts that fit into one line.
 *
 * A text is printed to the side first, because arguments may point into the error that is being filled. Then it is
 * made safe for a terminal and for JSON: cut at the end of a character, bytes that are not UTF-8 become '?', control
 * characters (C0, DEL and C1) become spaces. */
#include "base/err.h"

#include "base/redact.h"

#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *name, *text;
    bool retryable;
} ERRORS[] = {
#define SG_X(code, name, text, retryable) {name, text, retryable},
    SG_ERROR_TABLE(SG_X)
#undef SG_X
};

/* The place in ERRORS, or -1. */
static int place(int code) {
    int i = code - SG_E_FIRST_ - 1;
    return i >= 0 && i < (int)(sizeof ERRORS / sizeof *ERRORS) ? i : -1;
}

const char *sg_error_name(int code) {
    if (code == SG_OK) return "ok";
    return place(code) < 0 ? "unknown" : ERRORS[place(code)].name;
}

const char *sg_error_text(int code) {
    if (code == SG_OK) return "ok";
    return place(code) < 0 ? "unknown error" : ERRORS[place(code)].text;
}

bool sg_error_retryable(int code) {
    return place(code) >= 0 && ERRORS[place(code)].retryable;
}

int sg_error_named(struct sg_str name) {
    for (size_t i = 0; i < sizeof ERRORS / sizeof *ERRORS; i++)
        if (sg_str_eq(name, sg_str(ERRORS[i].name))) return SG_E_FIRST_ + 1 + (int)i;
    return 0;
}

/* Takes an incomplete character off the end of a text that was cut. */
static size_t cut_length(const char *p, size_t n) {
    size_t tail = 1;
    while (tail < n && tail < 4 && ((unsigned char)p[n - tail] & 0xC0) == 0x80) tail++;
    size_t bad;
    bool whole = tail > n || sg_utf8_valid((struct sg_str){p + (n - tail), tail}, &bad);
    return whole ? n : n - tail;
}

static void make_printable(char *p) {
    size_t n = strlen(p), bad;
    for (size_t i = 0; !sg_utf8_valid((struct sg_str){p + i, n - i}, &bad); i += bad + 1) p[i + bad] = '?';
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        bool c1 = c == 0xC2 && (unsigned char)p[i + 1] < 0xA0;
        if (c < 0x20 || c == 0x7F || c1) p[i] = ' ';
        if (c1) p[++i] = ' ';
    }
}

/* Secrets are taken out of the whole text before it is cut: half a secret is one, too. */
static void print(char out[SG_ERR_TEXT], const char *fmt, va_list ap) {
    struct sg_buf whole = SG_BUF_INIT(0), clean = SG_BUF_INIT(0);
    sg_buf_vprintf(&whole, fmt, ap);
    sg_redact_start(&clean, sg_buf_view(&whole), SG_ERR_TEXT);
    size_t n = clean.n < SG_ERR_TEXT ? clean.n : cut_length(clean.p, SG_ERR_TEXT - 1);
    if (n) memcpy(out, clean.p, n);
    out[n] = '\0';
    for (size_t i = 0; i < n; i++)
        if (!out[i]) out[i] = ' ';
    make_printable(out);
    sg_buf_fini(&whole);
    sg_buf_fini(&clean);
}

/* Appends as much of `more` as there is room for. */
static void append(char out[SG_ERR_TEXT], const char *more) {
    size_t have = strlen(out), n = strlen(more), room = SG_ERR_TEXT - 1 - have;
    if (n > room) n = cut_length(more, room);
    memcpy(out + have, more, n);
    out[have + n] = '\0';
}

int sg_fail(struct sg_err *err, int code, const char *fmt, ...) {
    if (!err) return code;
    char text[SG_ERR_TEXT];
    va_list ap;
    va_start(ap, fmt);
    print(text, fmt, ap);
    va_end(ap);
    *err = (struct sg_err){.code = code};
    append(err->text, text);
    return code;
}

/* strerror is safe between threads in the C libraries we build on (glibc from 2.32, musl). */
int sg_fail_sys(struct sg_err *err, int code, int sys, const char *fmt, ...) {
    if (!err) return code;
    char text[SG_ERR_TEXT];
    va_list ap;
    va_start(ap, fmt);
    print(text, fmt, ap);
    va_end(ap);
    *err = (struct sg_err){.code = code, .sys = sys};
    append(err->text, text);
    append(err->text, ": ");
    append(err->text, strerror(sys));
    return code;
}

int sg_err_wrap(struct sg_err *err, int code, const char *fmt, ...) {
    if (!err) return code;
    char text[SG_ERR_TEXT];
    va_list ap;
    va_start(ap, fmt);
    print(text, fmt, ap);
    va_end(ap);
    if (err->text[0]) append(text, ": ");
    append(text, err->text);
    memcpy(err->text, text, sizeof text);
    err->code = code;
    return code;
}

void sg_assert_failed(const char *what, const char *file, int line) {
    fprintf(stderr, "sygra: bug: %s:%d: %s does not hold\n", file, line, what);
    abort();
}
