/* SPDX-License-Identifier: Apache-2.0 */
/* tls: streams.
 *
 * OpenSSL reads and writes through a BIO of ours: reading takes from the bytes that the socket's callback has brought,
 * writing goes straight to the socket. So a request is one send and a reply one recv, as without TLS, and ciphertext is never
 * kept here. A record that the socket does not take is kept by OpenSSL, and counted as not written: the owner offers the same
 * bytes again when there is room, which is what OpenSSL wants, too.
 *
 * Handshakes cost about half a millisecond of CPU, and 250 of them may be answered at once. A turn of the loop computes
 * TURNS steps of them; the others wait in a queue, not reading, so that calls on other connections go on.
 *
 * Truncation: an end of the socket without close_notify before it is an error (RFC 8446 6.1). A reply with a length that
 * was complete before has been handed on by then, so servers that just close an idle connection do no harm. */
#include "net/tls_parts.h"

#include <openssl/err.h>
#include <stdlib.h>

#define TURNS 16

static struct sg_tls_stream *of(struct sg_stream *s) {
    return (struct sg_tls_stream *)s;
}

/* --- callbacks, in which the owner may close the stream -------------------------------------------------------------- */

static void free_stream(struct sg_tls_stream *t) {
    if (t->ssl) {
        SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); /* else its session would count as broken */
        SSL_free(t->ssl);
    }
    free(t->held);
    free(t->why);
    free(t);
}

/* False: it is gone. */
static bool came_back(struct sg_tls_stream *t) {
    t->in_callback = false;
    if (!t->closed) return true;
    free_stream(t);
    return false;
}

static bool tell_data(struct sg_tls_stream *t, const char *p, size_t n, int status) {
    t->in_callback = true;
    t->base.ev->on_data(t->base.ud, p, n, status);
    return came_back(t);
}

static bool tell_open(struct sg_tls_stream *t, int status) {
    if (!t->base.ev->on_open) return true; /* a server's */
    t->in_callback = true;
    t->base.ev->on_open(t->base.ud, status);
    return came_back(t);
}

/* --- failing ------------------------------------------------------------------------------------------------------------ */

static struct sg_err *words(struct sg_tls_stream *t) {
    if (!t->why) t->why = sg_xcalloc(1, sizeof *t->why);
    return t->why;
}

/* Nothing more comes from it. */
static void broke(struct sg_tls_stream *t, int status) {
    bool was_open = t->state == SG_TLS_OPEN;
    t->state = SG_TLS_ENDED;
    t->dead = true;
    sg_stream_pause(t->under, true);
    if (was_open || !t->peer)
        tell_data(t, NULL, 0, status);
    else
        tell_open(t, status);
}

static void peer_ended(struct sg_tls_stream *t, int status) {
    if (t->state == SG_TLS_OPEN)
        sg_fail(words(t), SG_E_RESET, status ? "the connection was reset" : "the connection ended without TLS's good-bye");
    else
        sg_fail(words(t), SG_E_RESET, "the connection was %s in the middle of the TLS handshake", status ? "reset" : "closed");
    broke(t, SG_E_RESET);
}

/* --- OpenSSL's way to the socket --------------------------------------------------------------------------------------- */

static int bio_read(BIO *b, char *p, int n) {
    struct sg_tls_stream *t = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    size_t taken = t->in_n < (size_t)n ? t->in_n : (size_t)n;
    if (taken == 0) {
        BIO_set_retry_read(b);
        return -1;
    }
    memcpy(p, t->in, taken);
    t->in += taken;
    t->in_n -= taken;
    return (int)taken;
}

static int bio_write(BIO *b, const char *p, int n) {
    struct sg_tls_stream *t = BIO_get_data(b);
    BIO_clear_retry_flags(b);
    ssize_t taken = sg_stream_write(t->under, p, (size_t)n);
    if (taken > 0) return (int)taken;
    if (taken == 0) BIO_set_retry_write(b);
    return -1;
}

static long bio_ctrl(BIO *b, int command, long n, void *p) {
    (void)b, (void)n, (void)p;
    return command == BIO_CTRL_FLUSH;
}

BIO_METHOD *sg_tls_bio_method(void) {
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "sg_stream");
    SG_ASSERT(m);
    BIO_meth_set_read(m, bio_read);
    BIO_meth_set_write(m, bio_write);
    BIO_meth_set_ctrl(m, bio_ctrl);
    return m;
}

static void make_ssl(struct sg_tls_stream *t) {
    t->ssl = SSL_new(t->tls->ctx);
    BIO *b = BIO_new(t->tls->bio);
    SG_ASSERT(t->ssl && b);
    BIO_set_data(b, t);
    BIO_set_init(b, 1);
    SSL_set_bio(t->ssl, b, b);
    SSL_set_app_data(t->ssl, t);
    if (!t->peer) {
        SSL_set_accept_state(t->ssl);
        return;
    }
    SSL_set_connect_state(t->ssl);
    if (t->peer->is_number)
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(t->ssl), t->peer->host);
    else
        SG_ASSERT(SSL_set1_host(t->ssl, t->peer->host) && SSL_set_tlsext_host_name(t->ssl, t->peer->host));
    if (t->peer->session) SSL_set_session(t->ssl, t->peer->session);
}

/* --- reading -------------------------------------------------------------------------------------------------------------- */

enum left { MORE, NOTHING, GOOD_BYE, BROKEN };

/* Decrypts until the buffer is full or nothing is left. */
static size_t fill(struct sg_tls_stream *t, enum left *left) {
    size_t n = 0, got;
    for (*left = MORE; n < SG_TLS_PLAIN_BYTES; n += got) {
        ERR_clear_error();
        if (SSL_read_ex(t->ssl, t->tls->plain + n, SG_TLS_PLAIN_BYTES - n, &got)) continue;
        int error = SSL_get_error(t->ssl, 0);
        *left = error == SSL_ERROR_WANT_READ ? NOTHING : error == SSL_ERROR_ZERO_RETURN ? GOOD_BYE : BROKEN;
        break;
    }
    if (*left >= GOOD_BYE) t->in_n = 0;
    return n;
}

static void said_good_bye(struct sg_tls_stream *t) {
    t->state = SG_TLS_ENDED;
    sg_stream_pause(t->under, true);
    tell_data(t, t->tls->plain, 0, 0);
}

static void read_all(struct sg_tls_stream *t) {
    enum left left;
    do {
        size_t n = fill(t, &left);
        if (n && !tell_data(t, t->tls->plain, n, 0)) return;
    } while (left == MORE);
    if (left == GOOD_BYE) said_good_bye(t);
    if (left == BROKEN) broke(t, sg_tls_explain(t, words(t)));
}

/* --- handshake ------------------------------------------------------------------------------------------------------------ */

static void opened(struct sg_tls_stream *t) {
    t->state = SG_TLS_OPEN;
    t->tls->figures.handshakes++;
    t->tls->figures.resumed += SSL_session_reused(t->ssl) == 1;
    if (tell_open(t, 0) && t->in_n) read_all(t);
}

static void keep(struct sg_tls_stream *t, const char *p, size_t n) {
    if (n == 0) return;
    t->held = sg_xrealloc(t->held, t->held_n + n);
    memcpy(t->held + t->held_n, p, n);
    t->held_n += n;
}

/* One step with all that has arrived. */
static void step(struct sg_tls_stream *t) {
    char *held = t->held;
    t->in = held;
    t->in_n = t->held_n;
    t->held = NULL;
    t->held_n = 0;
    ERR_clear_error();
    int rc = SSL_do_handshake(t->ssl), error = SSL_get_error(t->ssl, rc);
    if (rc == 1)
        opened(t);
    else if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
        keep(t, t->in, t->in_n);
    else
        broke(t, sg_tls_explain(t, words(t)));
    free(held);
}

static void join_queue(struct sg_tls_stream *t) {
    struct sg_tls *tls = t->tls;
    t->queued = true;
    t->next = NULL;
    t->prev = tls->last;
    *(tls->last ? &tls->last->next : &tls->first) = t;
    tls->last = t;
    sg_stream_pause(t->under, true);
}

static void leave_queue(struct sg_tls_stream *t) {
    struct sg_tls *tls = t->tls;
    if (!t->queued) return;
    t->queued = false;
    *(t->prev ? &t->prev->next : &tls->first) = t->next;
    *(t->next ? &t->next->prev : &tls->last) = t->prev;
}

static void take_turn(struct sg_tls *tls, struct sg_tls_stream *t) {
    tls->turns--;
    if (!sg_timer_armed(&tls->refill)) sg_timer_start(tls->loop, &tls->refill, 0);
    step(t);
}

/* The timer fires once a turn of the loop, after all sockets that were ready have been served. */
void sg_tls_on_refill(struct sg_timer *timer) {
    struct sg_tls *tls = timer->ud;
    tls->turns = TURNS;
    for (struct sg_tls_stream *t; tls->turns && (t = tls->first) != NULL;) {
        leave_queue(t);
        sg_stream_pause(t->under, false);
        take_turn(tls, t);
    }
}

static void want_turn(struct sg_tls_stream *t) {
    if (t->tls->turns && !t->tls->first)
        take_turn(t->tls, t);
    else
        join_queue(t);
}

/* A TLS record of a handshake or an alert, and nothing else, may come first. */
static bool speaks_tls(struct sg_tls_stream *t, const char *p) {
    if (t->heard) return true;
    t->heard = true;
    return *p == 0x16 || (t->peer && *p == 0x15);
}

/* A client that forgot the s in https:// is told so. */
static void refuse_plain(struct sg_tls_stream *t, struct sg_str first) {
    static const char TEXT[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Type: text/plain\r\n"
                               "Content-Length: 45\r\n\r\nThis port speaks TLS: use https:// to ask it\n";
    if (!t->peer) sg_stream_write(t->under, TEXT, sizeof TEXT - 1);
    broke(t, sg_tls_explain_plain(t, first, words(t)));
}

/* --- events of the stream below -------------------------------------------------------------------------------------------- */

static void on_open(void *ud, int status) {
    struct sg_tls_stream *t = ud;
    if (status) {
        t->state = SG_TLS_ENDED;
        tell_open(t, status);
        return;
    }
    t->state = SG_TLS_HANDSHAKE;
    make_ssl(t);
    want_turn(t);
}

static void on_data(void *ud, const char *p, size_t n, int status) {
    struct sg_tls_stream *t = ud;
    if (status || n == 0) {
        peer_ended(t, status);
    } else if (t->state == SG_TLS_OPEN) {
        t->in = p;
        t->in_n = n;
        read_all(t);
    } else if (!speaks_tls(t, p)) {
        refuse_plain(t, (struct sg_str){p, n});
    } else {
        keep(t, p, n);
        want_turn(t);
    }
}

/* A handshake's flight that did not fit costs nothing to go on with. */
static void on_room(void *ud) {
    struct sg_tls_stream *t = ud;
    if (t->state == SG_TLS_HANDSHAKE && !t->queued) {
        step(t);
    } else if (t->state >= SG_TLS_OPEN && t->base.ev->on_room) {
        t->in_callback = true;
        t->base.ev->on_room(t->base.ud);
        came_back(t);
    }
}

static const struct sg_stream_events EVENTS = {.on_open = on_open, .on_data = on_data, .on_room = on_room};

/* --- the stream above -------------------------------------------------------------------------------------------------------- */

static ssize_t layer_write(struct sg_stream *s, const void *p, size_t n) {
    struct sg_tls_stream *t = of(s);
    SG_ASSERT(t->state == SG_TLS_OPEN || t->state == SG_TLS_ENDED);
    size_t done = 0, got;
    while (done < n && !t->dead) {
        ERR_clear_error();
        if (SSL_write_ex(t->ssl, (const char *)p + done, n - done, &got)) {
            done += got;
            continue;
        }
        if (SSL_get_error(t->ssl, 0) == SSL_ERROR_WANT_WRITE) break;
        t->dead = true; /* the socket is broken: reading says how */
    }
    return t->dead ? SG_E_RESET : (ssize_t)done;
}

static void layer_pause(struct sg_stream *s, bool on) {
    sg_stream_pause(of(s)->under, on);
}

/* A good-bye is sent if the socket takes it; nobody waits for the peer's (RFC 8446 6.1 allows it). */
static void layer_close(struct sg_stream *s, bool reset) {
    struct sg_tls_stream *t = of(s);
    if (t->closed) return;
    t->closed = true;
    leave_queue(t);
    if (t->state >= SG_TLS_OPEN && t->ssl && !t->dead && !reset) {
        ERR_clear_error();
        SSL_shutdown(t->ssl);
    }
    if (reset)
        sg_stream_reset(t->under);
    else
        sg_stream_close(t->under);
    if (!t->in_callback) free_stream(t);
}

static void layer_adopted(struct sg_stream *s) {
    struct sg_tls_stream *t = of(s);
    t->state = SG_TLS_HANDSHAKE;
    make_ssl(t);
    sg_stream_adopt(t->under, &EVENTS, t);
}

static const struct sg_err *layer_error(const struct sg_stream *s) {
    return ((const struct sg_tls_stream *)s)->why;
}

static const struct sg_stream_layer LAYER = {
    .adopted = layer_adopted, .write = layer_write, .pause = layer_pause, .close = layer_close, .error = layer_error};

static struct sg_tls_stream *new_stream(struct sg_tls *tls, struct sg_tls_peer *peer) {
    struct sg_tls_stream *t = sg_xcalloc(1, sizeof *t);
    t->base = (struct sg_stream){.loop = tls->loop, .layer = &LAYER};
    t->tls = tls;
    t->peer = peer;
    return t;
}

int sg_tls_connect(struct sg_tls_peer *p, const struct sg_address *to, const struct sg_stream_events *ev, void *ud,
                   struct sg_stream **out) {
    struct sg_tls_stream *t = new_stream(p->tls, p);
    t->base.ev = ev;
    t->base.ud = ud;
    int rc = sg_stream_connect(p->tls->loop, to, &EVENTS, t, &t->under);
    if (rc == 0)
        *out = &t->base;
    else
        free(t);
    return rc;
}

struct sg_stream *sg_tls_accept(struct sg_tls *tls, struct sg_stream *under) {
    struct sg_tls_stream *t = new_stream(tls, NULL);
    t->under = under;
    return &t->base;
}

bool sg_tls_is_http2(const struct sg_stream *s) {
    const unsigned char *name;
    unsigned n;
    SSL_get0_alpn_selected(((const struct sg_tls_stream *)s)->ssl, &name, &n);
    return n == 2 && memcmp(name, "h2", 2) == 0;
}

bool sg_tls_shaking_hands(const struct sg_stream *s) {
    return ((const struct sg_tls_stream *)s)->state == SG_TLS_HANDSHAKE;
}
