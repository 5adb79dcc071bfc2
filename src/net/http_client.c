/* SPDX-License-Identifier: Apache-2.0 */
/* http_client: exchanges over HTTP/1.1 and HTTP/2.
 *
 * An exchange takes the idle connection that was used last, or waits. What it costs in the steady state is one send, one
 * recv, and a share of an epoll_wait: the request is written into one buffer shared by all, the reply is read where the
 * loop received it. Only what the socket does not take and replies that come in pieces are kept with the connection.
 *
 * When a reply is complete its connection serves the queue first and only then the caller hears of it: the next request is
 * on its way while the reply is worked on, and what the caller starts then finds a warm connection.
 *
 * A connection that was idle may have been closed by the server at the moment of sending. If an exchange on a connection that
 * carried another before fails without a byte of reply, it is sent again, once, on a fresh one (RFC 9112 9.3.1).
 *
 * Over HTTP/2 (http2.h) a connection takes exchanges as long as it has room for streams; all else is the same. A stream that
 * the server says it did nothing for, by REFUSED_STREAM or GOAWAY, is asked again in the same way.
 *
 * Errors always arrive as deferred calls, because they happen inside start, too, and in loops over the queues. */
#include "net/curl_transport.h"

#include <stdlib.h>

#define SEND_KEEP (256 * 1024)
#define SEND_MAX ((size_t)256 << 20)

enum { X_NONE, X_FRESH, X_WAITING, X_SENT, X_STREAM, X_TRANSFER, X_FAILING, X_RETRIED = 0x80 };

static int state_of(const struct sg_exchange *x) {
    return x->state_ & ~X_RETRIED;
}

static void set_state(struct sg_exchange *x, int state) {
    x->state_ = (uint8_t)(state | (x->state_ & X_RETRIED));
}

/* --- queues ------------------------------------------------------------------------------------------------------------ */

static void push(struct sg_exchanges *q, struct sg_exchange *x) {
    x->next_ = NULL;
    x->prev_ = q->tail;
    *(q->tail ? &q->tail->next_ : &q->head) = x;
    q->tail = x;
    q->n++;
}

static void take_out(struct sg_exchanges *q, struct sg_exchange *x) {
    *(x->prev_ ? &x->prev_->next_ : &q->head) = x->next_;
    *(x->next_ ? &x->next_->prev_ : &q->tail) = x->prev_;
    x->prev_ = x->next_ = NULL;
    q->n--;
}

static void enqueue(struct sg_exchange *x, int state) {
    struct sg_endpoint *ep = x->endpoint;
    set_state(x, state);
    push(state == X_FRESH ? &ep->fresh : &ep->waiting, x);
    ep->client->figures.waiting++;
}

static void dequeue(struct sg_exchange *x) {
    struct sg_endpoint *ep = x->endpoint;
    take_out(state_of(x) == X_FRESH ? &ep->fresh : &ep->waiting, x);
    set_state(x, X_NONE);
    ep->client->figures.waiting--;
}

static struct sg_exchange *first_in_line(const struct sg_endpoint *ep, bool reused) {
    return !reused && ep->fresh.head ? ep->fresh.head : ep->waiting.head;
}

/* --- failing ----------------------------------------------------------------------------------------------------------- */

static void finish_failed(struct sg_exchange *x, const struct sg_err *err) {
    sg_timer_stop(x->endpoint->client->loop, &x->timer_);
    x->state_ = X_NONE;
    x->on_done(x, err->code, NULL, err);
}

static struct sg_err take_failure(struct sg_exchange *x) {
    struct sg_err *kept = x->conn_, err = *kept;
    free(kept);
    x->conn_ = NULL;
    take_out(&x->endpoint->client->failing, x);
    return err;
}

static void on_fail(struct sg_later *d) {
    struct sg_exchange *x = d->ud;
    struct sg_err err = take_failure(x);
    finish_failed(x, &err);
}

/* In no queue and on no connection any more. */
static void fail(struct sg_exchange *x, const struct sg_err *err) {
    struct sg_http_client *c = x->endpoint->client;
    struct sg_err *kept = sg_xmalloc(sizeof *kept);
    *kept = *err;
    sg_timer_stop(c->loop, &x->timer_);
    set_state(x, X_FAILING);
    x->conn_ = kept;
    push(&c->failing, x);
    x->later_ = (struct sg_later){.run = on_fail, .ud = x};
    sg_later(c->loop, &x->later_);
}

void sg_exchange_fail_first(struct sg_endpoint *ep, const struct sg_err *err) {
    struct sg_exchange *x = first_in_line(ep, false);
    if (!x) return;
    dequeue(x);
    fail(x, err);
}

/* --- sending ----------------------------------------------------------------------------------------------------------- */

static struct sg_exchange *detach(struct sg_conn *k) {
    struct sg_exchange *x = k->x;
    if (!x) return NULL;
    k->x = NULL;
    x->conn_ = NULL;
    set_state(x, X_NONE);
    k->ep->client->figures.in_flight--;
    return x;
}

static void count_flight(struct sg_http_figures *f) {
    if (++f->in_flight > f->peak_in_flight) f->peak_in_flight = f->in_flight;
}

static void count_start(struct sg_conn *k) {
    k->ep->client->figures.connections_reused += k->reused;
    count_flight(&k->ep->client->figures);
}

static void attach(struct sg_conn *k, struct sg_exchange *x) {
    k->x = x;
    k->replied = false;
    x->conn_ = k;
    set_state(x, X_SENT);
    count_start(k);
}

/* Off its stream of HTTP/2. */
static void leave_stream(struct sg_exchange *x) {
    if (x->conn_) sg_http2_cancel(x);
    set_state(x, X_NONE);
    x->endpoint->client->figures.in_flight--;
}

/* Once, without a word to anybody. */
static void ask_again(struct sg_exchange *x) {
    x->state_ |= X_RETRIED;
    enqueue(x, X_WAITING);
}

static void lose_streams(struct sg_conn *k, const struct sg_err *err) {
    for (struct sg_exchange *x; (x = sg_http2_any(k->h2)) != NULL;) {
        bool again = k->reused && !sg_http2_has_begun(x) && !(x->state_ & X_RETRIED);
        leave_stream(x);
        if (again) ask_again(x);
        else fail(x, err);
    }
}

/* The connection broke. */
static void lose(struct sg_conn *k, const struct sg_err *err) {
    struct sg_endpoint *ep = k->ep;
    bool again = k->reused && !k->replied;
    struct sg_exchange *x = detach(k);
    if (k->h2) lose_streams(k, err);
    sg_pool_close(k);
    if (x && again && !(x->state_ & X_RETRIED)) {
        x->state_ |= X_RETRIED;
        enqueue(x, X_FRESH);
    } else if (x) {
        fail(x, err);
    }
    sg_pool_connect(ep);
}

static void lose_with(struct sg_conn *k, int code, const char *what) {
    struct sg_err err;
    sg_fail(&err, code, "%s", what);
    lose(k, &err);
}

static void keep_unsent(struct sg_conn *k, struct sg_str rest) {
    k->unsent = sg_xmalloc(rest.n);
    memcpy(k->unsent, rest.p, rest.n);
    k->unsent_n = rest.n;
    k->unsent_at = 0;
}

static void put_on_wire(struct sg_conn *k, struct sg_str request) {
    struct sg_http_client *c = k->ep->client;
    ssize_t n = sg_stream_write(k->stream, request.p, request.n);
    if (n < 0) {
        lose_with(k, (int)n, "the connection was lost while the request was sent");
        return;
    }
    c->figures.bytes_out += (uint64_t)n;
    if ((size_t)n < request.n)
        keep_unsent(k, (struct sg_str){request.p + n, request.n - (size_t)n});
    else
        k->x->sent_ns = sg_loop_now_ns(c->loop);
}

static bool start_stream(struct sg_conn *k, struct sg_exchange *x, struct sg_str request) {
    struct sg_http_client *c = k->ep->client;
    int rc = sg_http2_start(k->h2, x, request);
    if (rc) {
        struct sg_err err;
        sg_fail(&err, rc, "the request cannot be sent over HTTP/2: %s", sg_error_text(rc));
        fail(x, &err);
        return false;
    }
    c->figures.bytes_out += request.n;
    set_state(x, X_STREAM);
    count_start(k);
    return true;
}

/* Into the client's buffer. False: it could not be written and fails. */
static bool write_request(struct sg_http_client *c, struct sg_exchange *x) {
    sg_buf_reset(&c->send, SEND_KEEP);
    int rc = x->write(x, &c->send);
    if (rc == 0 && c->send.failed) rc = SG_E_LIMIT;
    if (rc == 0) return true;
    struct sg_err err;
    sg_fail(&err, rc, "the request cannot be written: %s", sg_error_text(rc));
    fail(x, &err);
    return false;
}

/* False: the exchange could not be written, the connection is free still. */
static bool send_request(struct sg_conn *k, struct sg_exchange *x) {
    struct sg_http_client *c = k->ep->client;
    if (!write_request(c, x)) return false;
    if (k->h2) return start_stream(k, x, sg_buf_view(&c->send));
    attach(k, x);
    put_on_wire(k, sg_buf_view(&c->send));
    return true;
}

/* Over HTTP/1.1 the connection may be gone when its request was sent. */
void sg_conn_serve(struct sg_conn *k) {
    bool takes_many = k->h2 != NULL;
    for (struct sg_exchange *x; (x = first_in_line(k->ep, k->reused)) != NULL;) {
        if (takes_many && sg_http2_room(k->h2) == 0) break;
        dequeue(x);
        if (send_request(k, x) && !takes_many) return;
    }
    sg_pool_park(k);
}

/* If the peer is gone, its last words may be there to be read: the end comes from on_data. */
static void on_room(void *ud) {
    struct sg_conn *k = ud;
    if (k->h2) {
        sg_http2_on_room(k->h2);
        return;
    }
    if (!k->unsent) return;
    ssize_t n = sg_stream_write(k->stream, k->unsent + k->unsent_at, k->unsent_n - k->unsent_at);
    if (n > 0) {
        k->unsent_at += (size_t)n;
        k->ep->client->figures.bytes_out += (uint64_t)n;
    }
    if (n < 0) k->broken = true;
    if (n >= 0 && k->unsent_at < k->unsent_n) return;
    free(k->unsent);
    k->unsent = NULL;
    if (!k->broken && k->x) k->x->sent_ns = sg_loop_now_ns(k->ep->client->loop);
}

/* --- receiving --------------------------------------------------------------------------------------------------------- */

static int64_t wait_wished(const struct sg_http1 *h) {
    if (!h->retry_after.n && !h->retry_after_ms.n) return -1;
    return sg_http1_retry_after(h->retry_after, h->retry_after_ms, sg_os->wall_ns() / 1000000000);
}

static struct sg_http1 fresh_parser(const struct sg_http_client *c) {
    return (struct sg_http1){.head_max = c->limits.head_bytes, .body_max = c->limits.reply_bytes};
}

/* The callback comes last: it may close the client. What the reply points into outlives it: the loop's buffer, the client's
 * store, or `partial`. */
static void finish(struct sg_conn *k, const struct sg_http1 *h, bool clean) {
    struct sg_endpoint *ep = k->ep;
    struct sg_http1 *partial = k->partial;
    struct sg_http_reply reply = {.status = h->status,
                                  .body = h->body,
                                  .content_type = h->content_type,
                                  .location = h->location,
                                  .retry_after_ms = wait_wished(h),
                                  .first_byte_ns = k->since_ns};
    bool keep = h->keep_alive && clean && !k->unsent && !k->broken;
    struct sg_exchange *x = detach(k);
    sg_timer_stop(ep->client->loop, &x->timer_);
    k->partial = NULL;
    if (keep) {
        k->reused = true;
        sg_conn_serve(k);
    } else {
        sg_pool_close(k);
        sg_pool_connect(ep);
    }
    x->on_done(x, 0, &reply, NULL);
    if (partial) sg_http1_fini(partial);
    free(partial);
}

/* HTTP/2 is believed to be spoken; a server of HTTP/1.1 answers its greeting with an error or hangs up. */
static void doubt_knowledge(const struct sg_conn *k, struct sg_err *err) {
    const struct sg_endpoint *ep = k->ep;
    if (ep->peer || k->reused) return;
    sg_err_wrap(err, err->code, "does %.*s:%u speak HTTP/2? If not, take `http2: prior_knowledge` away", SG_ARG(ep->host), ep->port);
}

static void on_ended(struct sg_conn *k, bool broken) {
    const struct sg_err *words = sg_stream_error(k->stream);
    struct sg_err err;
    if (k->h2) {
        if (words) err = *words;
        else sg_fail(&err, SG_E_RESET, "the connection %s before the reply", broken ? "was reset" : "ended");
        doubt_knowledge(k, &err);
        lose(k, &err);
    } else if (!k->x) {
        lose_with(k, SG_E_RESET, "");
    } else if (broken && words) {
        err = *words;
        lose(k, &err);
    } else if (broken || !k->partial) {
        lose_with(k, SG_E_RESET, broken ? "the connection was reset" : "the connection ended before the reply");
    } else {
        int rc = sg_http1_end(k->partial, &err);
        if (rc > 0)
            finish(k, k->partial, false);
        else
            lose(k, &err);
    }
}

/* The shared parser goes with the connection, and the client takes a new one. */
static void keep_partial(struct sg_conn *k) {
    struct sg_http_client *c = k->ep->client;
    if (k->partial) return;
    k->partial = sg_xmalloc(sizeof *k->partial);
    *k->partial = c->reply;
    c->reply = fresh_parser(c);
}

static void take_frames(struct sg_conn *k, const char *p, size_t n) {
    struct sg_err err;
    int rc = sg_http2_take(k->h2, p, n, &err);
    if (rc == 0) k->ep->streams = sg_http2_streams(k->h2);
    if (rc == 0 && sg_http2_is_over(k->h2)) {
        lose_with(k, SG_E_RESET, "");
    } else if (rc != 0 && rc != SG_E_CANCELED) {
        doubt_knowledge(k, &err);
        lose(k, &err);
    }
}

static void on_stream_reply(void *ud, struct sg_exchange *x, const struct sg_http_reply *reply) {
    struct sg_conn *k = ud;
    leave_stream(x);
    sg_timer_stop(k->ep->client->loop, &x->timer_);
    k->reused = true;
    sg_conn_serve(k);
    x->on_done(x, 0, reply, NULL);
}

/* What the server did nothing for may be asked again (RFC 9113 8.7): once, as a server that refuses all would be asked for
 * ever; but as often as it takes where it says good-bye after having served others. */
static void on_stream_failed(void *ud, struct sg_exchange *x, enum sg_http2_fate fate, const struct sg_err *err) {
    struct sg_conn *k = ud;
    leave_stream(x);
    if (fate == SG_HTTP2_GONE) x->state_ &= (uint8_t)~X_RETRIED;
    if (fate != SG_HTTP2_UNKNOWN && !(x->state_ & X_RETRIED)) {
        ask_again(x);
        sg_pool_connect(k->ep);
    } else {
        fail(x, err);
    }
    sg_pool_park(k);
}

static void on_stream_room(void *ud) {
    struct sg_conn *k = ud;
    if (sg_http2_is_over(k->h2)) lose_with(k, SG_E_RESET, "");
    else sg_conn_serve(k);
}

const struct sg_http2_events sg_conn_http2_events = {
    .on_reply = on_stream_reply, .on_failed = on_stream_failed, .on_room = on_stream_room};

/* A TLS server's alert for a request that was no TLS record (RFC 8446 5.1, 6) is a likely mistake, and will not pass. */
static void lose_for(struct sg_conn *k, const char *p, size_t n, struct sg_err *err) {
    const struct sg_endpoint *ep = k->ep;
    if (n > 1 && p[0] == 0x15 && p[1] == 0x03 && !ep->peer)
        sg_fail(err, SG_E_TLS, "%.*s:%u speaks TLS: write https:// in the url", SG_ARG(ep->host), ep->port);
    lose(k, err);
}

/* Bytes on an idle connection are no reply to anything: its server may have said good-bye, and it is not used again. */
static void on_data(void *ud, const char *p, size_t n, int status) {
    struct sg_conn *k = ud;
    struct sg_http_client *c = k->ep->client;
    if (status || n == 0 || (!k->x && !k->h2)) {
        on_ended(k, status != 0);
        return;
    }
    c->figures.bytes_in += n;
    if (k->h2) {
        take_frames(k, p, n);
        return;
    }
    if (!k->replied) {
        k->replied = true;
        k->since_ns = sg_loop_now_ns(c->loop);
    }
    struct sg_http1 *h = k->partial;
    if (!h) sg_http1_begin(h = &c->reply);
    struct sg_err err;
    size_t used;
    int rc = sg_http1_take(h, p, n, &used, &err);
    if (rc > 0)
        finish(k, h, used == n);
    else if (rc == 0)
        keep_partial(k);
    else
        lose_for(k, p, n, &err);
}

const struct sg_stream_events sg_conn_events = {.on_open = sg_conn_on_open, .on_data = on_data, .on_room = on_room};

/* --- those of libcurl ---------------------------------------------------------------------------------------------------- */

struct sg_exchange *sg_exchange_next(struct sg_endpoint *ep, void *transfer) {
    for (struct sg_exchange *x; (x = ep->waiting.head) != NULL;) {
        dequeue(x);
        if (!write_request(ep->client, x)) continue;
        x->conn_ = transfer;
        set_state(x, X_TRANSFER);
        count_flight(&ep->client->figures);
        return x;
    }
    return NULL;
}

static void leave_transfer(struct sg_exchange *x) {
    x->conn_ = NULL;
    x->state_ = X_NONE;
    x->endpoint->client->figures.in_flight--;
    sg_timer_stop(x->endpoint->client->loop, &x->timer_);
}

void sg_exchange_finish(struct sg_exchange *x, const struct sg_http_reply *reply) {
    leave_transfer(x);
    x->on_done(x, 0, reply, NULL);
}

void sg_exchange_lose(struct sg_exchange *x, const struct sg_err *err) {
    leave_transfer(x);
    x->on_done(x, err->code, NULL, err);
}

/* --- exchanges --------------------------------------------------------------------------------------------------------- */

/* Out of wherever it is. */
static void withdraw(struct sg_exchange *x) {
    struct sg_endpoint *ep = x->endpoint;
    struct sg_conn *k = x->conn_;
    switch (state_of(x)) {
    case X_FRESH:
    case X_WAITING:
        dequeue(x);
        break;
    case X_SENT:
        SG_ASSERT(k);
        detach(k);
        sg_pool_close(k);
        sg_pool_connect(ep);
        break;
    case X_STREAM:
        leave_stream(x);
        break;
    case X_TRANSFER:
        sg_curl_cancel(x->conn_);
        leave_transfer(x);
        break;
    case X_FAILING:
        sg_later_cancel(ep->client->loop, &x->later_);
        take_failure(x);
        break;
    default:
        break;
    }
    sg_timer_stop(ep->client->loop, &x->timer_);
    x->state_ = X_NONE;
}

static void on_timeout(struct sg_timer *t) {
    struct sg_exchange *x = t->ud;
    struct sg_err err;
    bool sent = state_of(x) == X_SENT || state_of(x) == X_STREAM ||
                (state_of(x) == X_TRANSFER && x->sent_ns);
    int shortage = x->endpoint->shortage;
    if (!sent && shortage)
        sg_fail_sys(&err, SG_E_TIMEOUT, shortage, "no connection was free within %u ms, and no other could be opened",
                    x->timeout_ms);
    else
        sg_fail(&err, SG_E_TIMEOUT, sent ? "no answer within %u ms" : "no connection within %u ms", x->timeout_ms);
    if (x->endpoint->curl) sg_curl_name_proxy(x->endpoint->curl, x->conn_, &err);
    if (state_of(x) == X_STREAM) sg_http2_doubt(x);
    withdraw(x);
    finish_failed(x, &err);
}

void sg_exchange_start(struct sg_exchange *x) {
    struct sg_endpoint *ep = x->endpoint;
    x->state_ = X_NONE;
    x->sent_ns = 0;
    x->conn_ = NULL;
    x->timer_ = (struct sg_timer){.on_fire = on_timeout, .ud = x};
    x->later_.queued = false;
    if (x->timeout_ms) sg_timer_start(ep->client->loop, &x->timer_, SG_MS(x->timeout_ms));
    struct sg_conn *k = sg_pool_take(ep);
    if (!k) {
        enqueue(x, X_WAITING);
        sg_pool_connect(ep);
    } else if (!send_request(k, x)) {
        sg_pool_park(k);
    }
}

void sg_exchange_cancel(struct sg_exchange *x) {
    withdraw(x);
}

/* --- the client -------------------------------------------------------------------------------------------------------- */

int sg_http_open(struct sg_loop *l, const struct sg_http_limits *limits, struct sg_http_client **out) {
    struct sg_http_client *c = sg_xcalloc(1, sizeof *c);
    c->loop = l;
    if (limits) c->limits = *limits;
    if (!c->limits.connecting) c->limits.connecting = 256;
    if (!c->limits.connect_ms) c->limits.connect_ms = 10000;
    if (!c->limits.idle_ms) c->limits.idle_ms = 55000;
    if (!c->limits.head_bytes) c->limits.head_bytes = 64 * 1024;
    if (!c->limits.reply_bytes) c->limits.reply_bytes = (uint64_t)64 << 20;
    c->send = SG_BUF_INIT(SEND_MAX);
    c->reply = fresh_parser(c);
    sg_arena_init(&c->arena, 0);
    *out = c;
    return 0;
}

static void forget_all(struct sg_exchanges *q) {
    while (q->head) withdraw(q->head);
}

static void on_freed(struct sg_later *d) {
    struct sg_http_client *c = d->ud;
    for (struct sg_endpoint *ep = c->endpoints; ep; ep = ep->next) {
        sg_tls_peer_close(ep->peer);
        if (ep->curl) sg_curl_close(ep->curl);
    }
    for (struct sg_secure *s = c->secure; s; s = s->next) sg_tls_close(s->tls);
    sg_arena_fini(&c->arena);
    sg_buf_fini(&c->send);
    sg_http1_fini(&c->reply);
    free(c);
}

/* The memory goes later: the reply in whose callback this may happen is a view into it. */
void sg_http_close(struct sg_http_client *c) {
    if (!c) return;
    for (struct sg_endpoint *ep = c->endpoints; ep; ep = ep->next) {
        sg_resolve_cancel(&ep->resolve);
        forget_all(&ep->fresh);
        forget_all(&ep->waiting);
        for (struct sg_exchange *x; ep->curl && (x = sg_curl_any(ep->curl)) != NULL;) withdraw(x);
        while (ep->all) {
            for (struct sg_exchange *s; ep->all->h2 && (s = sg_http2_any(ep->all->h2)) != NULL;) withdraw(s);
            struct sg_exchange *x = detach(ep->all);
            sg_pool_close(ep->all);
            if (x) withdraw(x);
        }
    }
    forget_all(&c->failing);
    sg_worker_close(c->worker);
    c->freed = (struct sg_later){.run = on_freed, .ud = c};
    sg_later(c->loop, &c->freed);
}

static bool is_same(const struct sg_endpoint *ep, const struct sg_url *url, const struct sg_secure *secure,
                    const struct sg_http_route *route) {
    bool same = ep->port == url->port && ep->secure == secure && sg_str_eq(ep->host, url->host) &&
                ep->prior_knowledge == route->prior_knowledge && !ep->curl == !sg_curl_is_needed(url, route);
    return same && (!ep->curl || sg_curl_is_for(ep->curl, url, route));
}

struct sg_endpoint *sg_http_endpoint_routed(struct sg_http_client *c, const struct sg_url *url,
                                            const struct sg_tls_trust *trust, const struct sg_http_route *route) {
    bool curl = sg_curl_is_needed(url, route);
    struct sg_secure *secure = NULL;
    if (curl && !sg_pool_worker(c)) return NULL;
    if (sg_curl_needs_trust(url, route)) {
        secure = sg_pool_secure(c, trust ? trust : &(struct sg_tls_trust){0});
        if (!secure) return NULL;
    }
    for (struct sg_endpoint *ep = c->endpoints; ep; ep = ep->next)
        if (is_same(ep, url, secure, route)) return ep;
    struct sg_endpoint *ep = SG_NEW(&c->arena, struct sg_endpoint);
    ep->client = c;
    ep->host = sg_str_dup(&c->arena, url->host);
    ep->port = url->port;
    ep->secure = secure;
    ep->prior_knowledge = route->prior_knowledge;
    if (curl) ep->curl = sg_curl_open(ep, url, route);
    else if (secure) ep->peer = sg_tls_peer_open(secure->tls, ep->host, ep->port);
    ep->next = c->endpoints;
    c->endpoints = ep;
    return ep;
}

struct sg_endpoint *sg_http_endpoint(struct sg_http_client *c, const struct sg_url *url, const struct sg_tls_trust *trust) {
    return sg_http_endpoint_routed(c, url, trust, &(struct sg_http_route){0});
}

void sg_http_figures(const struct sg_http_client *c, struct sg_http_figures *out) {
    *out = c->figures;
    for (const struct sg_secure *s = c->secure; s; s = s->next) {
        struct sg_tls_figures f = sg_tls_figures(s->tls);
        out->handshakes += f.handshakes;
        out->resumed += f.resumed;
    }
}
