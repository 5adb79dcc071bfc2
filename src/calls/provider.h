/* SPDX-License-Identifier: Apache-2.0 */
/* provider: how a kind of endpoint is spoken to. Pure: a request and a spec to bytes, bytes to a completion; no sockets, no
 * time, no retries. Testable with a file. */
#ifndef SG_CALLS_PROVIDER_H
#define SG_CALLS_PROVIDER_H

#include "calls/calls.h"

struct sg_provider {
    const char *name;
    /* Path to append to the configured URL. */
    const char *path;
    /* Header lines beside the common ones (each ends in CRLF); `token` may be empty. */
    void (*headers)(struct sg_buf *out, const struct sg_model_spec *m, struct sg_str token);
    void (*encode)(struct sg_buf *out, const struct sg_model_spec *m, const struct sg_request *r);
    /* Errors: REPLY for what is no completion (HTML, an error object, no choices); STATUS for an error object that says
     * not to try again. Views into `body` or `scratch`. */
    int (*decode)(struct sg_arena *scratch, const struct sg_model_spec *m, struct sg_str body,
                  struct sg_completion *out, struct sg_err *err);
};

/* vllm and openai chat completions (POST {url}/chat/completions). */
extern const struct sg_provider sg_provider_openai;

/* Removes special tokens, strips. The result is a view into text or scratch. */
struct sg_str sg_completion_clean(struct sg_arena *scratch, const struct sg_model_spec *m, struct sg_str text);

#endif
