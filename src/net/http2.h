/* SPDX-License-Identifier: Apache-2.0 */
/* http2: one HTTP/2 connection with its streams, on libnghttp2 (private to src/net; RFC 9113).
 *
 * It has bytes and streams; sockets, queues and second tries are the pool's and the client's. What it hides: frames, header
 * compression, flow control, settings, GOAWAY.
 *
 * Memory: an idle connection has nghttp2's session (some 10 kB); a stream keeps its request's body until it is sent and its
 * reply's until it was handed on.
 * Thread: loop.   Async: events come from sg_http2_take, from room in the socket and from a deferred call, never from a
 * start; the connection may be closed in them. Errors of writing are silent: reading tells. */
#ifndef SG_NET_HTTP2_H
#define SG_NET_HTTP2_H

#include "net/net.h"

struct sg_http2;

/* What the server did for an exchange that has no reply. */
enum sg_http2_fate {
    SG_HTTP2_UNKNOWN,
    SG_HTTP2_REFUSED, /* nothing */
    SG_HTTP2_GONE,    /* nothing, as it said good-bye, after it had served others on this connection */
};

struct sg_http2_events {
    /* Its stream is gone in both cases. */
    void (*on_reply)(void *ud, struct sg_exchange *x, const struct sg_http_reply *reply);
    void (*on_failed)(void *ud, struct sg_exchange *x, enum sg_http2_fate fate, const struct sg_err *err);
    /* A stream that was cancelled has ended: there is room for another. */
    void (*on_room)(void *ud);
};

/* streams: how many an earlier connection to the server might have, 0 for the first one. scheme: a literal. */
struct sg_http2 *sg_http2_open(struct sg_loop *l, const struct sg_http_limits *limits, uint32_t streams, const char *scheme,
                               struct sg_stream *s, const struct sg_http2_events *ev, void *ud);
/* Exchanges that are left are forgotten. */
void sg_http2_close(struct sg_http2 *h);

/* Streams that may be started now. 0 for ever after a GOAWAY, or a doubt. */
uint32_t sg_http2_room(const struct sg_http2 *h);
/* Streams that a connection to this server may have. */
uint32_t sg_http2_streams(const struct sg_http2 *h);
uint32_t sg_http2_active(const struct sg_http2 *h);

/* A request as sg_http_request_head and _end write it, which is changed in place. Sets x->conn_. Errors: LIMIT, IO. */
int sg_http2_start(struct sg_http2 *h, struct sg_exchange *x, struct sg_str request);
/* No event comes for it; the server is told. Clears x->conn_. */
void sg_http2_cancel(struct sg_exchange *x);
/* Has a reply to it begun? */
bool sg_http2_has_begun(const struct sg_exchange *x);
/* It had no answer in time. If nothing at all was heard since it began, the connection may be dead: it gets no further ones. */
void sg_http2_doubt(const struct sg_exchange *x);
/* Nothing is under way, and nothing more will be: it may be closed. */
bool sg_http2_is_over(const struct sg_http2 *h);
/* Any exchange under way, or NULL. */
struct sg_exchange *sg_http2_any(const struct sg_http2 *h);

/* Bytes that arrived. 0: fine; else the connection is of no use any more and to be closed by the owner, who fails what
 * sg_http2_any gives: RESET after a GOAWAY whose last stream has ended, PROTOCOL. SG_E_CANCELED: it was closed in an event. */
int sg_http2_take(struct sg_http2 *h, const char *p, size_t n, struct sg_err *err);
/* There is room in the socket. */
void sg_http2_on_room(struct sg_http2 *h);

#endif
