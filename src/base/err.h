/* SPDX-License-Identifier: Apache-2.0 */
/* err: one small table of failures, and the context that travels with one.
 *
 * Functions return 0 or a negative SG_E_*. A last parameter `struct sg_err *err` (may be NULL) takes the context. A layer
 * adds what only it knows by sg_err_wrap. Bugs are not errors: SG_ASSERT stays on in release builds. */
#ifndef SG_BASE_ERR_H
#define SG_BASE_ERR_H

#include "base/str.h"

/* code, name, text, whether a model call that ended so may be asked again */
#define SG_ERROR_TABLE(X)                                                                                             \
    X(IO, "io", "input or output failed", false)                                                                      \
    X(SYNTAX, "syntax", "malformed", false)                                                                           \
    X(TYPE, "type", "wrong type", false)                                                                              \
    X(MISSING, "missing", "missing", false)                                                                           \
    X(LIMIT, "limit", "over a limit", false)                                                                          \
    X(CONFLICT, "conflict", "conflict", false)                                                                        \
    X(UNSUPPORTED, "unsupported", "not supported", false)                                                             \
    X(CANCELED, "canceled", "canceled", false)                                                                        \
    X(USAGE, "usage", "wrong usage", false)                                                                           \
    X(RESOLVE, "resolve", "host name not found", true)                                                                \
    X(CONNECT, "connect", "connection failed", true)                                                                  \
    X(RESET, "reset", "connection lost", true)                                                                        \
    X(TIMEOUT, "timeout", "no answer in time", true)                                                                  \
    X(PROTOCOL, "protocol", "reply is not HTTP", true)                                                                \
    X(REPLY, "reply", "reply cannot be read", true)                                                                   \
    X(STATUS, "status", "endpoint refused the request", false)                                                        \
    X(BUSY, "busy", "endpoint is busy", true)                                                                         \
    X(HOOK, "hook", "hook failed", false)                                                                             \
    X(HOST, "host", "hook host died", false)                                                                          \
    X(MODEL, "model", "local model failed", false)                                                                    \
    X(TLS, "tls", "no secure connection", false)

enum sg_error {
    SG_OK = 0,
    SG_E_FIRST_ = -1000,
#define SG_X(code, name, text, retry) SG_E_##code,
    SG_ERROR_TABLE(SG_X)
#undef SG_X
};

#define SG_ERR_TEXT 512

struct sg_err {
    int code;   /* SG_E_* */
    int sys;    /* errno, or 0 */
    int status; /* HTTP status, or 0 */
    char text[SG_ERR_TEXT]; /* one line, secrets redacted */
};

/* "timeout", for figures and logs; "ok" for 0. */
const char *sg_error_name(int code);
const char *sg_error_text(int code);
bool sg_error_retryable(int code);
/* The code of a name; 0: there is none. */
int sg_error_named(struct sg_str name);

/* Fills err (when not NULL) and returns code, so: return sg_fail(err, SG_E_IO, "..."). Long texts are cut. */
int sg_fail(struct sg_err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* The same with errno and its text appended. */
int sg_fail_sys(struct sg_err *err, int code, int sys, const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* Puts "<text>: " before what is there. */
int sg_err_wrap(struct sg_err *err, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

void sg_assert_failed(const char *what, const char *file, int line) __attribute__((noreturn));
#define SG_ASSERT(x) ((x) ? (void)0 : sg_assert_failed(#x, __FILE__, __LINE__))

#endif
