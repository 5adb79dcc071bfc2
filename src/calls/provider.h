/* SPDX-License-Identifier: Apache-2.0 */
/* provider: how a kind of endpoint is spoken to. Pure: a request and a spec to bytes, bytes to a completion; no sockets, no
 * time, no retries. Testable with a file. */
#ifndef SG_CALLS_PROVIDER_H
#define SG_CALLS_PROVIDER_H

#include "calls/calls.h"

struct sg_provider {
    const char *name;
    /* Where requests go that are meant for urls[i]. */
    struct sg_str (*url)(struct sg_arena *a, const struct sg_model_spec *m, size_t i);
    /* Header lines beside the common ones (each ends in CRLF); `token` may be empty. */
    void (*headers)(struct sg_buf *out, const struct sg_model_spec *m, struct sg_str token);
    void (*encode)(struct sg_buf *out, const struct sg_model_spec *m, const struct sg_request *r);
    /* Errors: REPLY for what is no completion (HTML, an error object, no choices); STATUS for what says that it is of no
     * use to try again. Views into `body` or `scratch`. */
    int (*decode)(struct sg_arena *scratch, const struct sg_model_spec *m, struct sg_str body,
                  struct sg_completion *out, struct sg_err *err);
};

/* vllm and openai chat completions (POST {url}/chat/completions). */
extern const struct sg_provider sg_provider_openai;
/* The same at Azure: deployments, api-key, content filter. */
extern const struct sg_provider sg_provider_azure;

/* The endpoint's own words in a reply of another status than 200, with what its content filter found. *quota: an account
 * that is used up, which no waiting heals. A view into `body` or `scratch`. */
struct sg_str sg_refusal_text(struct sg_arena *scratch, struct sg_str body, bool *quota);
/* "hate high, violence medium" of {hate: {filtered: true, severity: high}, ...}; empty when nothing was filtered. */
struct sg_str sg_filtered_text(struct sg_arena *scratch, const struct sg_json *result);

/* Where the requests of a model go, by the number of its url: for pings. */
struct sg_calls_target {
    struct sg_endpoint *endpoint;
    const struct sg_url *url;
    struct sg_str headers;
};
void sg_calls_target(const struct sg_calls_model *m, size_t address, struct sg_calls_target *out);
struct sg_loop *sg_calls_loop(const struct sg_calls *c);

/* sg_reply_clean, or the text as it is, when the model's post_process is to see it first. */
struct sg_str sg_completion_clean(struct sg_arena *scratch, const struct sg_model_spec *m, struct sg_str text);

#endif
