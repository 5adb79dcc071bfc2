/* SPDX-License-Identifier: Apache-2.0 */
/* http_pool: the connections of an endpoint.
 *
 * Connects: at most `connecting` are under way, and never more than exchanges wait, so a burst of exchanges opens connections
 * as it can use them, and each gets its request in the callback that tells it is open. A failed connect goes on to the next
 * address; only when all were tried the first exchange in line fails. When the system has no socket or port left and other
 * connections exist, nothing fails: those will serve the queue.
 *
 * Names are looked up again after a minute, the old addresses serving meanwhile.
 *
 * A handshake of TLS belongs to connecting: it has a place in the window and the same time-out. One that fails ends the
 * exchange: the other addresses are the same server's, and where asking again is of use, that takes the next one. */
#include "net/curl_transport.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#define RESOLVED_FOR SG_MS(60000)
#define ADDRESS_BAD_FOR SG_MS(5000)
#define SHORTAGE_FOR SG_MS(100)
#define PROBES 4 /* connections that are made before it is known what they speak */

static uint64_t now_of(const struct sg_endpoint *ep) {
    return sg_loop_now_ns(ep->client->loop);
}

/* --- life of a connection --------------------------------------------------------------------------------------------- */

static struct sg_conn *new_conn(struct sg_endpoint *ep) {
    struct sg_conn *k = sg_xcalloc(1, sizeof *k);
    k->ep = ep;
    k->all_next = ep->all;
    if (ep->all) ep->all->all_prev = k;
    ep->all = k;
    ep->connecting++;
    return k;
}

static void take_out_of_idle(struct sg_conn *k) {
    struct sg_endpoint *ep = k->ep;
    *(k->newer ? &k->newer->older : &ep->idle) = k->older;
    *(k->older ? &k->older->newer : &ep->oldest_idle) = k->newer;
    k->newer = k->older = NULL;
    k->is_idle = false;
}

void sg_pool_close(struct sg_conn *k) {
    struct sg_endpoint *ep = k->ep;
    SG_ASSERT(!k->x);
    if (k->is_idle) take_out_of_idle(k);
    *(k->all_prev ? &k->all_prev->all_next : &ep->all) = k->all_next;
    if (k->all_next) k->all_next->all_prev = k->all_prev;
    if (k->opened) {
        ep->open--;
        ep->client->figures.open--;
    } else {
        ep->connecting--;
    }
    sg_timer_stop(ep->client->loop, &k->timer);
    if (k->h2) sg_http2_close(k->h2);
    sg_stream_close(k->stream);
    if (k->partial) sg_http1_fini(k->partial);
    free(k->partial);
    free(k->unsent);
    free(k);
}

/* --- idle ones --------------------------------------------------------------------------------------------------------- */

static bool is_old(const struct sg_conn *k) {
    if (k->h2 && sg_http2_active(k->h2)) return false;
    return now_of(k->ep) - k->since_ns > SG_MS(k->ep->client->limits.idle_ms);
}

void sg_pool_park(struct sg_conn *k) {
    struct sg_endpoint *ep = k->ep;
    k->since_ns = now_of(ep);
    if (k->h2 && (k->is_idle || sg_http2_room(k->h2) == 0)) return;
    k->is_idle = true;
    k->older = ep->idle;
    *(ep->idle ? &ep->idle->newer : &ep->oldest_idle) = k;
    ep->idle = k;
    if (is_old(ep->oldest_idle)) sg_pool_close(ep->oldest_idle);
}

struct sg_conn *sg_pool_take(struct sg_endpoint *ep) {
    while (ep->idle && is_old(ep->idle)) sg_pool_close(ep->idle);
    struct sg_conn *k = ep->idle;
    while (k && k->h2 && sg_http2_room(k->h2) == 0) { /* it was said good-bye to */
        take_out_of_idle(k);
        k = ep->idle;
    }
    if (k && !(k->h2 && sg_http2_room(k->h2) > 1)) take_out_of_idle(k);
    return k;
}

/* --- addresses --------------------------------------------------------------------------------------------------------- */

static sa_family_t family_of(const struct sg_address *a) {
    return ((const struct sockaddr *)a->bytes)->sa_family;
}

static void on_resolved(struct sg_resolve *r, int status) {
    struct sg_endpoint *ep = r->ud;
    ep->resolving = false;
    if (status == 0) {
        memcpy(ep->addresses, r->addresses, r->n * sizeof *r->addresses);
        memset(ep->bad_until_ns, 0, sizeof ep->bad_until_ns);
        ep->n_addresses = r->n;
        for (ep->n_first = 1; ep->n_first < r->n; ep->n_first++)
            if (family_of(&r->addresses[ep->n_first]) != family_of(r->addresses)) break;
    }
    ep->resolved_ns = now_of(ep);
    struct sg_err err;
    sg_fail(&err, SG_E_RESOLVE, "the name %.*s was not found", SG_ARG(ep->host));
    while (ep->n_addresses == 0 && ep->fresh.n + ep->waiting.n) sg_exchange_fail_first(ep, &err);
    sg_pool_connect(ep);
}

static void resolve_when_due(struct sg_endpoint *ep) {
    if (ep->resolving || (ep->n_addresses && now_of(ep) - ep->resolved_ns < RESOLVED_FOR)) return;
    ep->resolving = true;
    ep->resolve.on_done = on_resolved;
    ep->resolve.ud = ep;
    sg_resolve_start(ep->client->loop, &ep->resolve, ep->host, ep->port);
}

static size_t pick_address(struct sg_endpoint *ep) {
    uint64_t now = now_of(ep);
    for (size_t i = 0; i < ep->n_first; i++) {
        size_t at = (ep->turn + i) % ep->n_first;
        if (ep->bad_until_ns[at] > now) continue;
        ep->turn = at + 1;
        return at;
    }
    for (size_t at = ep->n_first; at < ep->n_addresses; at++)
        if (ep->bad_until_ns[at] <= now) return at;
    return ep->turn++ % ep->n_addresses;
}

/* --- connecting -------------------------------------------------------------------------------------------------------- */

/* Ours to run out of, whatever the address. */
static bool is_shortage(int sys) {
    return sys == EMFILE || sys == ENFILE || sys == EADDRNOTAVAIL || sys == ENOBUFS || sys == ENOMEM;
}

static void connect_error(struct sg_err *err, const struct sg_endpoint *ep, int sys) {
    const char *advice = "";
    if (sys == EADDRNOTAVAIL)
        advice = " (no local port is free: lower the number of calls in flight or widen net.ipv4.ip_local_port_range)";
    if (sys == EMFILE) advice = " (raise the limit of open files, ulimit -n, or lower the number of calls in flight)";
    if (sys == ENFILE) advice = " (the whole system is out of open files: see fs.file-max)";
    sg_fail_sys(err, SG_E_CONNECT, sys, "cannot connect to %.*s:%u%s", SG_ARG(ep->host), ep->port, advice);
}

static void give_up(struct sg_conn *k, const struct sg_err *why) {
    struct sg_endpoint *ep = k->ep;
    struct sg_err err = *why; /* it may be the stream's */
    sg_pool_close(k);
    ep->shortage = is_shortage(err.sys) ? err.sys : 0;
    ep->shortage_until_ns = now_of(ep) + SHORTAGE_FOR;
    if (ep->shortage && ep->open + ep->connecting) return;
    sg_exchange_fail_first(ep, &err);
}

static void on_connect_timeout(struct sg_timer *t);

static int start_connect(struct sg_conn *k) {
    const struct sg_address *at = &k->ep->addresses[k->address];
    if (k->ep->peer) return sg_tls_connect(k->ep->peer, at, &sg_conn_events, k, &k->stream);
    return sg_stream_connect(k->ep->client->loop, at, &sg_conn_events, k, &k->stream);
}

/* Tries addresses until one is on its way. `why` the last one was not, or zero. */
static void try_connect(struct sg_conn *k, struct sg_err *why) {
    struct sg_endpoint *ep = k->ep;
    struct sg_loop *l = ep->client->loop;
    while (k->tries < ep->n_addresses && !is_shortage(why->sys)) {
        k->tries++;
        k->address = (uint8_t)pick_address(ep);
        if (start_connect(k) == 0) {
            k->timer.on_fire = on_connect_timeout;
            k->timer.ud = k;
            sg_timer_start(l, &k->timer, SG_MS(ep->client->limits.connect_ms));
            return;
        }
        connect_error(why, ep, sg_loop_errno(l));
        if (!is_shortage(why->sys)) ep->bad_until_ns[k->address] = now_of(ep) + ADDRESS_BAD_FOR;
    }
    give_up(k, why);
}

static void connect_failed(struct sg_conn *k, struct sg_err *why) {
    struct sg_endpoint *ep = k->ep;
    sg_timer_stop(ep->client->loop, &k->timer);
    sg_stream_close(k->stream);
    k->stream = NULL;
    if (why->code == SG_E_CONNECT) {
        ep->bad_until_ns[k->address] = now_of(ep) + ADDRESS_BAD_FOR;
        try_connect(k, why);
    } else {
        give_up(k, why);
    }
    sg_pool_connect(ep);
}

static void on_connect_timeout(struct sg_timer *t) {
    struct sg_conn *k = t->ud;
    struct sg_endpoint *ep = k->ep;
    struct sg_err err;
    if (ep->peer && sg_tls_shaking_hands(k->stream))
        sg_fail(&err, SG_E_TIMEOUT, "%.*s:%u takes connections, but the TLS handshake was not over after %u ms: is it a TLS port?",
                SG_ARG(ep->host), ep->port, ep->client->limits.connect_ms);
    else
        connect_error(&err, ep, ETIMEDOUT);
    connect_failed(k, &err);
}

static void why_not_open(const struct sg_conn *k, struct sg_err *err) {
    const struct sg_endpoint *ep = k->ep;
    const struct sg_err *words = sg_stream_error(k->stream);
    if (!words)
        connect_error(err, ep, sg_loop_errno(ep->client->loop));
    else if (words->code == SG_E_RESET)
        sg_fail(err, SG_E_RESET, "%.*s:%u: %s", SG_ARG(ep->host), ep->port, words->text);
    else
        *err = *words;
}

/* By TLS, or beforehand. */
static void agree_on_protocol(struct sg_conn *k) {
    struct sg_endpoint *ep = k->ep;
    struct sg_http_client *c = ep->client;
    ep->asked_protocol = true;
    if (!ep->peer || sg_tls_is_http2(k->stream))
        k->h2 = sg_http2_open(c->loop, &c->limits, ep->streams, ep->peer ? "https" : "http", k->stream, &sg_conn_http2_events, k);
    ep->streams = k->h2 ? sg_http2_streams(k->h2) : 0;
}

void sg_conn_on_open(void *ud, int status) {
    struct sg_conn *k = ud;
    struct sg_endpoint *ep = k->ep;
    if (status) {
        struct sg_err err;
        why_not_open(k, &err);
        connect_failed(k, &err);
        return;
    }
    sg_timer_stop(ep->client->loop, &k->timer);
    k->opened = true;
    ep->connecting--;
    ep->open++;
    ep->bad_until_ns[k->address] = 0;
    ep->client->figures.open++;
    ep->client->figures.connections_opened++;
    if (ep->peer || ep->prior_knowledge) agree_on_protocol(k);
    sg_conn_serve(k);
    sg_pool_connect(ep);
}

/* False: certificates are being read, or could not be; then nothing can be asked. */
static bool may_connect(struct sg_endpoint *ep) {
    struct sg_err err;
    int rc = ep->secure ? sg_tls_status(ep->secure->tls, &err) : 0;
    if (rc != 0 && rc != SG_E_BUSY)
        while (ep->fresh.n + ep->waiting.n) sg_exchange_fail_first(ep, &err);
    return rc == 0;
}

/* Is there more to do than the connections that are being made can take? */
static bool wants_connection(const struct sg_endpoint *ep) {
    uint32_t window = ep->client->limits.connecting;
    if ((ep->peer || ep->prior_knowledge) && !ep->asked_protocol && window > PROBES) window = PROBES;
    uint32_t streams = ep->streams ? ep->streams : 1;
    return ep->connecting < window && (uint64_t)ep->connecting * streams < ep->fresh.n + ep->waiting.n;
}

void sg_pool_connect(struct sg_endpoint *ep) {
    if (ep->curl) {
        sg_curl_serve(ep->curl);
        return;
    }
    if (!may_connect(ep)) return;
    while (wants_connection(ep)) {
        if (ep->shortage && ep->open + ep->connecting && now_of(ep) < ep->shortage_until_ns) return;
        resolve_when_due(ep);
        if (ep->n_addresses == 0) return;
        try_connect(new_conn(ep), &(struct sg_err){0});
    }
}

/* --- TLS --------------------------------------------------------------------------------------------------------------- */

static void on_certificates_read(void *ud) {
    struct sg_secure *s = ud;
    for (struct sg_endpoint *ep = s->client->endpoints; ep; ep = ep->next)
        if (ep->secure == s) sg_pool_connect(ep);
}

static struct sg_tls_trust copy_of(struct sg_arena *a, const struct sg_tls_trust *t) {
    return (struct sg_tls_trust){t->unchecked, sg_str_dup(a, t->ca), sg_str_dup(a, t->cert), sg_str_dup(a, t->system_file),
                                 sg_str_dup(a, t->system_dir)};
}

static bool same_trust(const struct sg_tls_trust *a, const struct sg_tls_trust *b) {
    return a->unchecked == b->unchecked && sg_str_eq(a->ca, b->ca) && sg_str_eq(a->cert, b->cert) &&
           sg_str_eq(a->system_file, b->system_file) && sg_str_eq(a->system_dir, b->system_dir);
}

struct sg_worker *sg_pool_worker(struct sg_http_client *c) {
    if (!c->worker && sg_worker_open(c->loop, "sygra-net", &c->worker) != 0) return NULL;
    return c->worker;
}

struct sg_secure *sg_pool_secure(struct sg_http_client *c, const struct sg_tls_trust *trust) {
    for (struct sg_secure *s = c->secure; s; s = s->next)
        if (same_trust(&s->trust, trust)) return s;
    if (!sg_pool_worker(c)) return NULL;
    struct sg_secure *s = SG_NEW(&c->arena, struct sg_secure);
    s->client = c;
    s->trust = copy_of(&c->arena, trust);
    s->tls = sg_tls_open(c->loop, sg_pool_worker(c), trust, on_certificates_read, s);
    s->next = c->secure;
    c->secure = s;
    return s;
}
