/* SPDX-License-Identifier: Apache-2.0 */
/* tls: encrypted streams that look like any other (private to src/net and src/mock).
 *
 * A TLS stream is a sg_stream over another one: on_open comes when the handshake is over, bytes are plain, and an end is an
 * end only when the peer said good-bye (close_notify). What it hides: OpenSSL, where trust comes from, sessions that are
 * resumed, and how many handshakes a turn of the loop may compute.
 *
 * Memory: an idle connection holds no buffers (SSL_MODE_RELEASE_BUFFERS); what arrives is decrypted into one buffer that all
 * streams of a sg_tls share, a view for the time of the callback as with a socket.
 * Thread: loop. Certificates of authorities are read on the worker that is given; a server's own before the loop runs.
 * Errors: on_open and on_data bring TLS (certificate, protocol: asking again is of no use), or RESET, CONNECT, PROTOCOL as for
 * a socket; sg_stream_error has the words. What arrived before sg_stream_pause may still come after it.
 *
 *     tls = sg_tls_open(loop, worker, &trust, on_ready, ud);      // then, when sg_tls_status is 0:
 *     peer = sg_tls_peer_open(tls, "example.com", 443);
 *     rc = sg_tls_connect(peer, &address, &EVENTS, ud, &stream);  // sg_stream_write, sg_stream_close, ... */
#ifndef SG_NET_TLS_H
#define SG_NET_TLS_H

#include "net/net.h"

/* One way to trust, or one server's certificate. */
struct sg_tls;

/* Begins to load what `trust` names; the texts are copied. on_ready comes once, unless closed before. */
struct sg_tls *sg_tls_open(struct sg_loop *l, struct sg_worker *w, const struct sg_tls_trust *trust,
                           void (*on_ready)(void *ud), void *ud);
/* A server with certificate (chain) and key in PEM files, which are read here and now. */
int sg_tls_open_server(struct sg_loop *l, const char *cert, const char *key, struct sg_tls **out, struct sg_err *err);
/* Its streams and peers are closed before; a client's worker, too. */
void sg_tls_close(struct sg_tls *t);
/* 0: ready; SG_E_BUSY: loading; else why it cannot be used. */
int sg_tls_status(const struct sg_tls *t, struct sg_err *err);

/* Gives OpenSSL's settings of somebody else (an SSL_CTX) what `t`, which must be ready, trusts, and, if `shown`, the
 * certificate of this client. 0, or SG_E_TLS. */
int sg_tls_lend(const struct sg_tls *t, void *to, bool shown);

/* Who is expected at the other end, and the session that was last agreed on with it. */
struct sg_tls_peer;
struct sg_tls_peer *sg_tls_peer_open(struct sg_tls *t, struct sg_str host, uint16_t port);
void sg_tls_peer_close(struct sg_tls_peer *p);

/* As sg_stream_connect. */
int sg_tls_connect(struct sg_tls_peer *p, const struct sg_address *to, const struct sg_stream_events *ev, void *ud,
                   struct sg_stream **out);
/* The encrypted side of an accepted stream: to be adopted or closed in its place. */
struct sg_stream *sg_tls_accept(struct sg_tls *t, struct sg_stream *under);
/* Of a stream that sg_tls_connect made: the connection stands, and the handshake is not over. */
bool sg_tls_shaking_hands(const struct sg_stream *s);

/* Was HTTP/2 agreed on (ALPN)? Of an open stream. */
bool sg_tls_is_http2(const struct sg_stream *s);

struct sg_tls_figures {
    uint64_t handshakes, resumed; /* finished ones, and those of them that went on with an earlier session */
};
struct sg_tls_figures sg_tls_figures(const struct sg_tls *t);

#endif
