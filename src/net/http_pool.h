/* SPDX-License-Identifier: Apache-2.0 */
/* http_pool: what the two halves of the client know of each other (private to src/net).
 *
 * http_client.c has exchanges: their states, sending, receiving, time-outs. http_pool.c has connections: addresses, the
 * window of connects, idle ones. Exchanges wait in one of two queues of their endpoint: `fresh` wants a connection that
 * carried nothing yet, `waiting` takes any. */
#ifndef SG_NET_HTTP_POOL_H
#define SG_NET_HTTP_POOL_H

#include "net/http1_parse.h"
#include "net/http2.h"
#include "net/tls.h"

#define SG_HTTP_ADDRESSES 8

struct sg_exchanges {
    struct sg_exchange *head, *tail;
    uint32_t n;
};

struct sg_curl_loader;
struct sg_curl_endpoint;

struct sg_http_client {
    struct sg_loop *loop;
    struct sg_http_limits limits;
    struct sg_arena arena; /* endpoints */
    struct sg_endpoint *endpoints;
    struct sg_buf send;    /* the request being written */
    struct sg_http1 reply; /* for replies that come in one piece */
    struct sg_exchanges failing;
    struct sg_http_figures figures;
    struct sg_later freed;
    struct sg_worker *worker;     /* that reads certificates and libraries; NULL: none were needed yet */
    struct sg_curl_loader *curl;  /* NULL: no endpoint needed it yet */
    struct sg_secure *secure;     /* what was read, an entry for each trust */
};

struct sg_secure {
    struct sg_http_client *client;
    struct sg_secure *next;
    struct sg_tls_trust trust;
    struct sg_tls *tls;
};

struct sg_conn;

struct sg_endpoint {
    struct sg_http_client *client;
    struct sg_endpoint *next;
    struct sg_str host;
    uint16_t port;
    struct sg_secure *secure; /* NULL: plain HTTP */
    struct sg_tls_peer *peer;
    struct sg_curl_endpoint *curl; /* not NULL: its exchanges are libcurl's, all below but the queues is not used */
    bool prior_knowledge; /* HTTP/2 without TLS */
    bool asked_protocol; /* a handshake has told whether it speaks HTTP/2 */
    uint32_t streams;    /* of a connection over HTTP/2; 0: HTTP/1.1 */

    struct sg_exchanges fresh, waiting;
    struct sg_conn *all;
    /* Those that can take an exchange, over HTTP/2 also between others. The latest first: it is warm, and the others may
     * grow old. */
    struct sg_conn *idle, *oldest_idle;
    uint32_t connecting, open;

    struct sg_resolve resolve;
    bool resolving;
    uint64_t resolved_ns;
    struct sg_address addresses[SG_HTTP_ADDRESSES];
    uint64_t bad_until_ns[SG_HTTP_ADDRESSES];
    size_t n_addresses;
    size_t n_first; /* those of the first one's family take turns, the others are for when they fail */
    size_t turn;

    int shortage;              /* errno of the system's refusal to open one more; 0: none */
    uint64_t shortage_until_ns; /* not tried again before, while there are others to wait for */
};

/* An idle one holds no buffers. */
struct sg_conn {
    struct sg_endpoint *ep;
    struct sg_stream *stream;
    struct sg_exchange *x; /* the one under way, over HTTP/1.1 */
    struct sg_http2 *h2;   /* NULL: HTTP/1.1 */
    struct sg_conn *all_prev, *all_next, *newer, *older;
    uint64_t since_ns;        /* idle since then, or when its reply began */
    char *unsent;             /* what the socket did not take yet */
    size_t unsent_n, unsent_at;
    struct sg_http1 *partial; /* a reply that comes in pieces */
    struct sg_timer timer;    /* of connecting */
    uint8_t address, tries;
    bool opened, is_idle;
    bool reused;  /* carried an exchange before */
    bool replied; /* a byte of the reply has come */
    bool broken;  /* no further exchange */
};

/* --- http_pool.c ------------------------------------------------------------------------------------------------------ */

/* Starts connects for what waits, as far as the window allows. */
void sg_pool_connect(struct sg_endpoint *ep);
/* The same trust gives the same; NULL: no thread could be started to read certificates. */
struct sg_secure *sg_pool_secure(struct sg_http_client *c, const struct sg_tls_trust *trust);
/* The worker for what blocks, or NULL. */
struct sg_worker *sg_pool_worker(struct sg_http_client *c);
/* The idle connection to use, or NULL. */
struct sg_conn *sg_pool_take(struct sg_endpoint *ep);
void sg_pool_park(struct sg_conn *k); /* one over HTTP/2 without room for streams is left alone */
/* Frees it; its exchange must have been taken away. */
void sg_pool_close(struct sg_conn *k);

/* --- http_client.c ---------------------------------------------------------------------------------------------------- */

extern const struct sg_stream_events sg_conn_events;
/* A connect ended (http_pool.c; it is in the table of events). */
void sg_conn_on_open(void *ud, int status);
/* A connection can take an exchange: the next in line, or none and it is parked. */
void sg_conn_serve(struct sg_conn *k);
extern const struct sg_http2_events sg_conn_http2_events;
/* The first in line ends with an error, as a deferred call. */
void sg_exchange_fail_first(struct sg_endpoint *ep, const struct sg_err *err);

/* For libcurl's exchanges: the first in line, out of the queue, with its request as text in c->send; one that cannot be
 * written fails, and the next is taken. NULL: none is left. It belongs to `transfer` then, until one of the two below. */
struct sg_exchange *sg_exchange_next(struct sg_endpoint *ep, void *transfer);
/* Its callback is called. */
void sg_exchange_finish(struct sg_exchange *x, const struct sg_http_reply *reply);
void sg_exchange_lose(struct sg_exchange *x, const struct sg_err *err);

#endif
