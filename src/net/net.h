/* SPDX-License-Identifier: Apache-2.0 */
/* net: requests to model endpoints over the loop.
 *
 * The interface speaks of exchanges (one request, one reply), not of connections: HTTP/1.1 gives each exchange a connection
 * of its pool (RFC 9112), HTTP/2, where a TLS server offers it, a stream of one (RFC 9113). What goes through a proxy, or
 * follows redirects, is libcurl's, which is opened when an endpoint needs it. What the interface hides: name resolution,
 * connecting (a bounded number at a time), TLS, keep-alive pools, parsing, limits, the silent second try when an idle
 * connection turns out closed.
 *
 * Memory: an exchange is the caller's storage from sg_exchange_start until its one callback. The request's bytes are
 * asked for when a connection is ready to take them, so waiting costs nothing; what the socket does not take at once is
 * kept by the client. The reply's body is a view for the time of the callback. An idle connection owns no buffers.
 * Thread: loop.   Async: on_done comes once, never inside start; sg_exchange_cancel ends in no callback. The writer is
 * called inside start when a connection is free; it must not start, cancel or close anything.
 * Errors: RESOLVE, CONNECT, RESET, TIMEOUT, PROTOCOL, LIMIT (reply larger than max_reply), TLS (a certificate or a protocol
 * that another try does not change), and what the writer returned.
 * A reply with any HTTP status is a success here (status 0). */
#ifndef SG_NET_NET_H
#define SG_NET_NET_H

#include "net/loop.h"

/* One origin (scheme, host, port) with its pool. */
struct sg_endpoint;

struct sg_url {
    struct sg_str scheme, host, path; /* path with its query, "/" at least; host without brackets */
    uint16_t port;
};
/* Errors: SYNTAX; UNSUPPORTED for a scheme other than http and https. Control bytes are refused. */
int sg_url_parse(struct sg_arena *a, struct sg_str text, struct sg_url *out, struct sg_err *err);
bool sg_url_is_https(const struct sg_url *url);

/* Whom a https endpoint's certificate must come from, and what is shown to it. Paths are those of PEM files. */
struct sg_tls_trust {
    bool unchecked;      /* whoever answers is believed */
    struct sg_str ca;    /* file or folder: only what it holds or signed is trusted; empty: what the system trusts */
    struct sg_str cert;  /* file with a certificate of this client and its key; empty: none */
    struct sg_str system_file, system_dir; /* SSL_CERT_FILE and SSL_CERT_DIR, in place of the system's; empty: not set */
};

struct sg_http_client;
struct sg_http_limits {
    uint32_t connecting;   /* connections being made at a time, per endpoint; 0: 256 */
    uint32_t connect_ms;   /* for one of them, with its TLS handshake; 0: 10,000 */
    uint32_t idle_ms;      /* an idle connection older than this is not reused; 0: 55,000 */
    uint32_t head_bytes;   /* of a reply; 0: 64 kB */
    uint64_t reply_bytes;  /* of a body; 0: 64 MB */
};
int sg_http_open(struct sg_loop *l, const struct sg_http_limits *limits, struct sg_http_client **out);
void sg_http_close(struct sg_http_client *c); /* pending exchanges are dropped without callback */
/* The pool of an origin; the same origin with the same trust gives the same endpoint. Lives as long as the client; URL and
 * trust are not kept. trust: for https, NULL is the system's. Files it names are read on a worker, exchanges wait for that.
 * NULL: no thread could be started for it. */
struct sg_endpoint *sg_http_endpoint(struct sg_http_client *c, const struct sg_url *url, const struct sg_tls_trust *trust);

/* How requests to it leave, where that is not straight over HTTP/1.1 or what TLS agrees on. */
struct sg_http_route {
    struct sg_proxies proxies;
    bool follow_redirects; /* to whatever they name; credentials and further headers go to the endpoint's own origin only */
    bool prior_knowledge;  /* HTTP/2 without TLS, for http:// */
};
/* As sg_http_endpoint. The proxies must live as long as the client. */
struct sg_endpoint *sg_http_endpoint_routed(struct sg_http_client *c, const struct sg_url *url,
                                            const struct sg_tls_trust *trust, const struct sg_http_route *route);

struct sg_exchange;

struct sg_http_reply {
    int status;
    struct sg_str body;
    struct sg_str content_type;
    struct sg_str location; /* of a redirect; empty: none */
    struct sg_str via;      /* the proxy that it came through; empty: none */
    int64_t retry_after_ms; /* from Retry-After (seconds or date) or retry-after-ms; -1: none */
    uint64_t first_byte_ns; /* of the loop's clock: when the reply began */
};

struct sg_exchange {
    struct sg_endpoint *endpoint;
    /* Appends head and body of the request: use sg_http_request_head/_end. May be called twice (a second try on a fresh
     * connection). Returns 0 or an error that ends the exchange. */
    int (*write)(struct sg_exchange *x, struct sg_buf *out);
    void (*on_done)(struct sg_exchange *x, int status, const struct sg_http_reply *reply, const struct sg_err *err);
    void *ud;
    uint32_t timeout_ms; /* for the whole exchange, waiting for a connection included; 0: none */
    /* set by the client: */
    uint64_t sent_ns; /* when the request's last byte was given to the socket; 0 before */
    struct sg_timer timer_;
    struct sg_later later_;
    void *conn_;
    struct sg_exchange *prev_, *next_;
    uint8_t state_;
};

void sg_exchange_start(struct sg_exchange *x);
/* No callback comes; its connection is closed if the request was sent. */
void sg_exchange_cancel(struct sg_exchange *x);

/* Writes "POST path HTTP/1.1", Host, User-Agent, Content-Type: application/json, the caller's `extra` header lines (each ends
 * in CRLF), and room for the length; the caller then appends the body and calls _end, which fills the length in.
 * Returns the mark for _end. */
size_t sg_http_request_head(struct sg_buf *out, const struct sg_url *url, struct sg_str extra);
void sg_http_request_end(struct sg_buf *out, size_t mark);
/* A whole "GET path HTTP/1.1", which has no body. */
void sg_http_request_get(struct sg_buf *out, const struct sg_url *url, struct sg_str extra);

/* Refuses bytes that could end a header line (RFC 9110 5.5). */
bool sg_http_header_safe(struct sg_str value);

struct sg_http_figures {
    uint64_t connections_opened, connections_reused, bytes_out, bytes_in; /* bytes: of HTTP */
    uint64_t handshakes, resumed; /* of TLS; those that went on with an earlier session */
    uint32_t open, in_flight, peak_in_flight, waiting;
};
void sg_http_figures(const struct sg_http_client *c, struct sg_http_figures *out);

#endif
