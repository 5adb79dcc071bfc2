/* SPDX-License-Identifier: Apache-2.0 */
/* http1_parse: a strict reader of HTTP/1.1 replies (RFC 9112), without sockets, clock or callbacks (private to src/net and
 * src/mock).
 *
 * Bytes may come in any pieces. A reply that arrives in one piece with a Content-Length is not copied: head and body are
 * views into the caller's bytes. Otherwise the head as it came and the decoded body lie in `store`, one after the other.
 *
 *     struct sg_http1 h = {.head_max = 65536, .body_max = 64 << 20};
 *     sg_http1_begin(&h);
 *     rc = sg_http1_take(&h, p, n, &used, &err);    // > 0: complete, see h.status, h.body, ...; 0: more is needed
 *     rc = sg_http1_end(&h, &err);                  // the peer ended: > 0 if that completes it
 *     sg_http1_fini(&h);
 *
 * Memory: begin keeps the store's memory for the next reply; the struct may be moved by assignment between calls.
 * Errors: SG_E_PROTOCOL with what is wrong, SG_E_LIMIT (head or body too large), SG_E_RESET (ended too early). */
#ifndef SG_NET_HTTP1_PARSE_H
#define SG_NET_HTTP1_PARSE_H

#include "base/base.h"

/* What the store keeps of its memory between replies. */
#define SG_HTTP1_KEEP (256 * 1024)

/* --- parts that the reader of requests (the mock server) shares ------------------------------------------------------- */

/* Length of the head up to and with its empty line; 0 when it is not all there; SG_E_PROTOCOL for a line that ends in LF
 * alone. *seen (0 at first) is where to go on. */
ssize_t sg_http1_head_length(struct sg_str s, size_t *seen);
/* Takes one field line off *rest, of a head that is all there: 1, or 0 at the empty line, or SG_E_PROTOCOL with *why. The
 * value is trimmed. */
int sg_http1_field(struct sg_str *rest, struct sg_str *name, struct sg_str *value, const char **why);
bool sg_http1_name_is(struct sg_str name, struct sg_str lower_case);
/* Is `token` (lower case) in a comma separated list? */
bool sg_http1_has_token(struct sg_str list, struct sg_str token);
bool sg_http1_number(struct sg_str digits, uint64_t *out); /* decimal digits only, below 10^18 */

/* The chunked coding. Zeroed: at the beginning. */
struct sg_http1_chunks {
    uint64_t left;     /* of the chunk's data */
    uint32_t overhead; /* bytes of all extensions and trailers */
    uint8_t step, digits;
    bool in_line; /* of a trailer */
};
/* Appends decoded data to `out`. 1: all read; 0: more is needed; SG_E_PROTOCOL; SG_E_LIMIT when `out` is full. */
int sg_http1_chunks_take(struct sg_http1_chunks *c, struct sg_str in, size_t *used, struct sg_buf *out, const char **why);

/* --- replies ------------------------------------------------------------------------------------------------------------ */

enum sg_http1_framing { SG_HTTP1_NO_BODY, SG_HTTP1_LENGTH, SG_HTTP1_CHUNKED, SG_HTTP1_UNTIL_CLOSE };

struct sg_http1 {
    /* set by the caller */
    size_t head_max;
    uint64_t body_max;
    /* results, when complete */
    int status;
    bool keep_alive; /* the connection may carry another exchange */
    struct sg_str body, content_type, retry_after, retry_after_ms, location; /* fields: as sent, empty when absent */
    /* state */
    struct sg_buf store; /* [head][body so far] */
    size_t seen, head_n; /* searched for the end of the head; its length once it was read */
    size_t interim;      /* bytes of 1xx replies that were skipped */
    uint64_t length;
    struct sg_http1_chunks chunks;
    struct sg_http1_span {
        uint32_t at, n; /* in the head; the store may move */
    } fields[4];
    uint8_t framing;
    bool persistent;
};

void sg_http1_begin(struct sg_http1 *h);
int sg_http1_take(struct sg_http1 *h, const char *p, size_t n, size_t *used, struct sg_err *err);
int sg_http1_end(struct sg_http1 *h, struct sg_err *err);
void sg_http1_fini(struct sg_http1 *h);

/* Milliseconds to wait from the two fields (retry-after-ms wins), by the clock `now_s` since 1970 for dates of RFC 9110
 * 5.6.7 in any of its three forms; -1: neither can be read. Negative waits are 0. */
int64_t sg_http1_retry_after(struct sg_str retry_after, struct sg_str retry_after_ms, int64_t now_s);

#endif
