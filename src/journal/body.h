/* SPDX-License-Identifier: Apache-2.0 */
/* body: what the bodies of calls and steps are, by the kind of their frame (docs/formats/run-folder.md, "Bodies").
 *
 * A reply that is plain text, which most are, is its own body, so that nothing is copied or escaped.
 * Memory: what is read lives in the arena; a plain text points into the body.   Thread: any. */
#ifndef SG_JOURNAL_BODY_H
#define SG_JOURNAL_BODY_H

#include "base/base.h"

/* Below: the line of a record that waits, by its outcome. */
enum sg_body_kind {
    SG_BODY_REPLY = 16,      /* the text of a plain reply */
    SG_BODY_REPLY_JSON = 17, /* of another one: {"text", "finish_reason", "tool_calls"?, "usage": false?, "request"?} */
    SG_BODY_FAILURE = 18,    /* of a call: {"error", "message", "status"?, "request"?} */
    SG_BODY_STEP = 19,       /* what a step changed (exec/step_body.c) */
    SG_BODY_HOOK = 20,       /* of a hook that is never to run twice: {"results", "effects"?} (exec/once.c) */
};

struct sg_reply {
    struct sg_str text, finish_reason;
    struct sg_json tool_calls; /* array or null */
    bool usage_known;          /* else the row's tokens mean nothing */
    struct sg_str request;     /* with --keep all: what was asked, compact JSON without secrets; else empty */
};

/* Ended by itself ("stop"), with known usage, and calls no tools; what was asked is not kept. */
bool sg_reply_is_plain(const struct sg_reply *r);
/* For one that is not plain. */
void sg_reply_write(struct sg_buf *out, const struct sg_reply *r);
/* SG_E_SYNTAX: this is no reply. */
int sg_reply_read(struct sg_arena *a, uint32_t kind, struct sg_str body, struct sg_reply *out, struct sg_err *err);

/* `request` as in sg_reply. */
void sg_failure_write(struct sg_buf *out, const struct sg_err *failure, struct sg_str request);
int sg_failure_read(struct sg_arena *a, uint32_t kind, struct sg_str body, struct sg_err *out, struct sg_str *request,
                    struct sg_err *err);

#endif
