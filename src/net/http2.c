/* SPDX-License-Identifier: Apache-2.0 */
/* http2: streams on libnghttp2.
 *
 * What is to be sent is collected for the whole turn and given to the socket at its end, so ten requests that follow from ten
 * replies of one recv are one TLS record and one send. nghttp2 must not be entered from its own callbacks: streams that ended
 * are put on a list there, and their exchanges hear of it when nghttp2 has returned.
 *
 * Requests come as text of HTTP/1.1, which is what the callers write; its head is taken apart into fields here. */
#include "net/http2.h"

#include "net/http1_parse.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>

#define STREAMS 128u           /* ours; most servers allow as many or 100 */
#define STREAMS_AT_FIRST 100u  /* until the server's settings have come (RFC 9113 6.5.2 recommends no less) */
#define STREAM_WINDOW (1 << 20)
#define CONNECTION_WINDOW (32 << 20)
#define FIELDS_MAX 100
#define FIELD_KEPT 96 /* of a reply's field; what is longer is cut */
#define OUT_MAX ((size_t)256 << 10)
#define WHY_MAX 120

struct stream {
    struct sg_http2 *h;
    struct stream *prev, *next; /* in `active` or in `ended` */
    struct sg_exchange *x;
    int32_t id;
    uint32_t error; /* of RFC 9113 7 */
    char *body;     /* of the request; NULL: sent */
    size_t body_n, body_at;
    struct sg_buf in;
    size_t head_n;
    uint64_t began_ns, first_byte_ns;
    int status;
    bool whole; /* the reply's end has come */
    bool over_limit, is_ended;
    char content_type[FIELD_KEPT], retry_after[FIELD_KEPT], retry_after_ms[FIELD_KEPT];
    char *location; /* of a redirect */
};

struct list {
    struct stream *head, *tail;
};

struct sg_http2 {
    struct sg_loop *loop;
    struct sg_http_limits limits;
    struct sg_str scheme;
    struct sg_stream *s;
    const struct sg_http2_events *ev;
    void *ud;
    nghttp2_session *session;
    struct list active, ended;
    uint32_t n_active, streams_at_first;
    uint64_t heard_ns;
    struct sg_later flush;
    char *unsent; /* what the socket did not take */
    size_t unsent_n, unsent_at;
    bool settled; /* the server's settings have come */
    bool going;   /* GOAWAY, or a doubt: no further streams */
    bool served;  /* and some streams of this connection are or were worked on */
    bool broken;  /* writing failed; reading will say how */
    bool in_event, closed;
    char why[WHY_MAX]; /* our good-bye to a server that breaks the protocol */
};

/* --- lists --------------------------------------------------------------------------------------------------------------- */

static void push(struct list *l, struct stream *s) {
    s->next = NULL;
    s->prev = l->tail;
    *(l->tail ? &l->tail->next : &l->head) = s;
    l->tail = s;
}

static void take_out(struct list *l, struct stream *s) {
    *(s->prev ? &s->prev->next : &l->head) = s->next;
    *(s->next ? &s->next->prev : &l->tail) = s->prev;
}

static struct stream *pop(struct list *l) {
    struct stream *s = l->head;
    if (!s) return NULL;
    l->head = s->next;
    *(s->next ? &s->next->prev : &l->tail) = NULL;
    return s;
}

static void end_stream(struct stream *s, uint32_t error) {
    if (s->is_ended) return;
    take_out(&s->h->active, s);
    s->h->n_active--;
    s->is_ended = true;
    s->error = error;
    push(&s->h->ended, s);
}

static void free_stream(struct stream *s) {
    sg_buf_fini(&s->in);
    free(s->body);
    free(s->location);
    free(s);
}

/* --- sending ------------------------------------------------------------------------------------------------------------- */

static void keep_unsent(struct sg_http2 *h, const char *p, size_t n) {
    h->unsent = sg_xmalloc(n);
    memcpy(h->unsent, p, n);
    h->unsent_n = n;
    h->unsent_at = 0;
}

static int send_unsent(struct sg_http2 *h) {
    ssize_t n = sg_stream_write(h->s, h->unsent + h->unsent_at, h->unsent_n - h->unsent_at);
    if (n < 0) return (int)n;
    h->unsent_at += (size_t)n;
    if (h->unsent_at < h->unsent_n) return 0;
    free(h->unsent);
    h->unsent = NULL;
    return 0;
}

static void collect(struct sg_http2 *h, struct sg_buf *out) {
    const uint8_t *p;
    ssize_t n;
    while (out->n < OUT_MAX && (n = nghttp2_session_mem_send(h->session, &p)) > 0) sg_buf_add(out, p, (size_t)n);
}

/* Until nghttp2 has nothing, or the socket is full. */
static void send_all(struct sg_http2 *h) {
    int rc = h->broken ? SG_E_RESET : h->unsent ? send_unsent(h) : 0;
    while (rc == 0 && !h->unsent && nghttp2_session_want_write(h->session)) {
        struct sg_buf out = SG_BUF_INIT(OUT_MAX * 2);
        collect(h, &out);
        ssize_t n = out.n ? sg_stream_write(h->s, out.p, out.n) : 0;
        bool blocked = out.n == 0; /* flow control: nothing to say before the server does */
        if (n < 0) rc = (int)n;
        else if ((size_t)n < out.n) keep_unsent(h, out.p + n, out.n - (size_t)n);
        sg_buf_fini(&out);
        if (blocked) break;
    }
    h->broken = rc != 0;
}

static ssize_t give_body(nghttp2_session *session, int32_t id, uint8_t *p, size_t n, uint32_t *flags,
                         nghttp2_data_source *source, void *ud) {
    (void)session, (void)id, (void)ud;
    struct stream *s = source->ptr;
    size_t left = s->body_n - s->body_at;
    if (n > left) n = left;
    if (n) memcpy(p, s->body + s->body_at, n);
    s->body_at += n;
    if (s->body_at < s->body_n) return (ssize_t)n;
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    free(s->body);
    s->body = NULL;
    s->body_n = s->body_at = 0;
    if (s->x) s->x->sent_ns = sg_loop_now_ns(s->h->loop);
    return (ssize_t)n;
}

/* --- requests -------------------------------------------------------------------------------------------------------------- */

static nghttp2_nv field_of(struct sg_str name, struct sg_str value) {
    return (nghttp2_nv){(uint8_t *)name.p, (uint8_t *)value.p, name.n, value.n, NGHTTP2_NV_FLAG_NONE};
}

static void lower_in_place(struct sg_str s) {
    for (char *p = (char *)s.p; p < s.p + s.n; p++)
        if (*p >= 'A' && *p <= 'Z') *p |= 0x20;
}

/* What speaks of the connection has no place in HTTP/2 (RFC 9113 8.2.2). */
static bool is_of_connection(struct sg_str name) {
    static const char *const NAMES[] = {"connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"};
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
        if (sg_str_eq(name, sg_str(NAMES[i]))) return true;
    return false;
}

/* "POST /path HTTP/1.1\r\n" and fields; pseudo fields go first (RFC 9113 8.3). Returns how many, or an error. */
static int take_head_apart(struct sg_str head, struct sg_str scheme, nghttp2_nv out[FIELDS_MAX]) {
    size_t method = sg_str_find(head, ' ', 0), path = sg_str_find(head, ' ', method + 1), line = sg_str_find(head, '\n', path);
    struct sg_str rest = {head.p + line + 1, head.n - line - 1}, name, value;
    const char *why;
    int n = 4;
    out[0] = field_of(SG_STR(":method"), (struct sg_str){head.p, method});
    out[1] = field_of(SG_STR(":scheme"), scheme);
    out[2] = field_of(SG_STR(":path"), (struct sg_str){head.p + method + 1, path - method - 1});
    while (sg_http1_field(&rest, &name, &value, &why) == 1) {
        lower_in_place(name);
        if (sg_str_eq(name, SG_STR("host"))) {
            out[3] = field_of(SG_STR(":authority"), value);
            continue;
        }
        if (is_of_connection(name)) continue;
        if (n == FIELDS_MAX) return SG_E_LIMIT;
        out[n++] = field_of(name, value);
    }
    return n;
}

int sg_http2_start(struct sg_http2 *h, struct sg_exchange *x, struct sg_str request) {
    nghttp2_nv fields[FIELDS_MAX];
    size_t seen = 0;
    ssize_t head = sg_http1_head_length(request, &seen);
    SG_ASSERT(head > 0);
    int n = take_head_apart((struct sg_str){request.p, (size_t)head}, h->scheme, fields);
    if (n < 0) return n;
    struct stream *s = sg_xcalloc(1, sizeof *s);
    s->h = h;
    s->x = x;
    s->began_ns = sg_loop_now_ns(h->loop);
    s->in.max = h->limits.reply_bytes;
    s->body_n = request.n - (size_t)head;
    s->body = sg_xmalloc(s->body_n + 1);
    memcpy(s->body, request.p + head, s->body_n);
    nghttp2_data_provider body = {.source = {.ptr = s}, .read_callback = give_body};
    s->id = nghttp2_submit_request(h->session, NULL, fields, (size_t)n, &body, s);
    if (s->id < 0) {
        free_stream(s);
        return SG_E_IO;
    }
    x->conn_ = s;
    push(&h->active, s);
    h->n_active++;
    sg_later(h->loop, &h->flush);
    return 0;
}

void sg_http2_cancel(struct sg_exchange *x) {
    struct stream *s = x->conn_;
    struct sg_http2 *h = s->h;
    x->conn_ = NULL;
    s->x = NULL;
    if (s->is_ended || h->closed) return;
    nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_CANCEL);
    sg_later(h->loop, &h->flush);
}

bool sg_http2_has_begun(const struct sg_exchange *x) {
    return ((const struct stream *)x->conn_)->first_byte_ns != 0;
}

void sg_http2_doubt(const struct sg_exchange *x) {
    const struct stream *s = x->conn_;
    if (s->h->heard_ns < s->began_ns) s->h->going = true;
}

bool sg_http2_is_over(const struct sg_http2 *h) {
    return h->going && h->n_active == 0;
}

struct sg_exchange *sg_http2_any(const struct sg_http2 *h) {
    const struct list *lists[] = {&h->ended, &h->active};
    for (size_t i = 0; i < 2; i++)
        for (struct stream *s = lists[i]->head; s; s = s->next)
            if (s->x) return s->x;
    return NULL;
}

/* --- replies --------------------------------------------------------------------------------------------------------------- */

static void keep_field(char out[FIELD_KEPT], struct sg_str value) {
    if (value.n >= FIELD_KEPT) value.n = FIELD_KEPT - 1;
    memcpy(out, value.p, value.n);
    out[value.n] = '\0';
}

static void keep_location(struct stream *s, struct sg_str value) {
    free(s->location);
    s->location = sg_xmalloc(value.n + 1);
    memcpy(s->location, value.p, value.n);
    s->location[value.n] = '\0';
}

/* The fields of an interim reply (1xx) give way to the next one's. */
static void begin_head(struct stream *s, struct sg_str status) {
    uint64_t number = 0;
    sg_http1_number(status, &number);
    s->status = (int)number;
    s->content_type[0] = s->retry_after[0] = s->retry_after_ms[0] = '\0';
    if (!s->first_byte_ns) s->first_byte_ns = sg_loop_now_ns(s->h->loop);
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_n,
                     const uint8_t *value, size_t value_n, uint8_t flags, void *ud) {
    (void)flags, (void)ud;
    struct stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    struct sg_str n = {(const char *)name, name_n}, v = {(const char *)value, value_n};
    if (!s || (frame->headers.cat == NGHTTP2_HCAT_HEADERS && s->status >= 200)) return 0; /* or a trailer */
    s->head_n += name_n + value_n;
    if (s->head_n > s->h->limits.head_bytes) {
        s->over_limit = true;
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* resets the stream */
    }
    if (sg_str_eq(n, SG_STR(":status"))) begin_head(s, v);
    if (sg_str_eq(n, SG_STR("content-type"))) keep_field(s->content_type, v);
    if (sg_str_eq(n, SG_STR("retry-after"))) keep_field(s->retry_after, v);
    if (sg_str_eq(n, SG_STR("retry-after-ms"))) keep_field(s->retry_after_ms, v);
    if (sg_str_eq(n, SG_STR("location"))) keep_location(s, v);
    return 0;
}

static int on_body(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *p, size_t n, void *ud) {
    (void)flags, (void)ud;
    struct stream *s = nghttp2_session_get_stream_user_data(session, id);
    if (!s || s->over_limit) return 0;
    sg_buf_add(&s->in, p, n);
    if (s->in.failed) {
        s->over_limit = true;
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
    }
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ud) {
    struct sg_http2 *h = ud;
    if (frame->hd.type == NGHTTP2_GOAWAY) {
        h->going = true;
        h->served = frame->goaway.last_stream_id > 0;
    }
    if (frame->hd.type == NGHTTP2_SETTINGS) h->settled = true;
    bool may_end = frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS;
    struct stream *s = may_end ? nghttp2_session_get_stream_user_data(session, frame->hd.stream_id) : NULL;
    if (s && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) s->whole = true;
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t error, void *ud) {
    (void)ud;
    struct stream *s = nghttp2_session_get_stream_user_data(session, id);
    if (s) end_stream(s, error);
    return 0;
}

/* A request that waited here when the server said GOAWAY, or that was cancelled before: nghttp2 knows no stream of it. */
static int on_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int why, void *ud) {
    (void)session, (void)why;
    struct sg_http2 *h = ud;
    if (frame->hd.type != NGHTTP2_HEADERS) return 0;
    for (struct stream *s = h->active.head; s; s = s->next)
        if (s->id == frame->hd.stream_id) {
            end_stream(s, NGHTTP2_REFUSED_STREAM);
            break;
        }
    return 0;
}

static int on_sent(nghttp2_session *session, const nghttp2_frame *frame, void *ud) {
    (void)session;
    struct sg_http2 *h = ud;
    if (frame->hd.type != NGHTTP2_GOAWAY) return 0;
    int n = frame->goaway.opaque_data_len < WHY_MAX ? (int)frame->goaway.opaque_data_len : WHY_MAX - 1;
    const char *words = n ? (const char *)frame->goaway.opaque_data : nghttp2_http2_strerror(frame->goaway.error_code);
    snprintf(h->why, sizeof h->why, "%.*s", n ? n : WHY_MAX - 1, words);
    return 0;
}

static void tell_reply(struct sg_http2 *h, struct stream *s) {
    struct sg_str after = sg_str(s->retry_after), after_ms = sg_str(s->retry_after_ms);
    bool waits = after.n || after_ms.n;
    if (!s->x->sent_ns) s->x->sent_ns = s->began_ns; /* a reply that did not wait for the request's end */
    struct sg_http_reply reply = {
        .status = s->status,
        .body = sg_buf_view(&s->in),
        .content_type = sg_str(s->content_type),
        .location = sg_str(s->location),
        .retry_after_ms = waits ? sg_http1_retry_after(after, after_ms, sg_os->wall_ns() / 1000000000) : -1,
        .first_byte_ns = s->first_byte_ns};
    h->ev->on_reply(h->ud, s->x, &reply);
}

static void tell_failure(struct sg_http2 *h, struct stream *s) {
    struct sg_err err;
    enum sg_http2_fate fate = s->error != NGHTTP2_REFUSED_STREAM ? SG_HTTP2_UNKNOWN
                              : h->going && h->served            ? SG_HTTP2_GONE
                                                                 : SG_HTTP2_REFUSED;
    if (s->over_limit)
        sg_fail(&err, SG_E_LIMIT, "the reply's head is larger than %u bytes or its body than %llu",
                h->limits.head_bytes, (unsigned long long)h->limits.reply_bytes);
    else if (s->error == NGHTTP2_ENHANCE_YOUR_CALM)
        sg_fail(&err, SG_E_BUSY, "the server wants fewer requests (HTTP/2 ENHANCE_YOUR_CALM)");
    else if (s->error == NGHTTP2_NO_ERROR)
        sg_fail(&err, SG_E_RESET, "the server ended the stream before the reply was whole");
    else
        sg_fail(&err, SG_E_RESET, "the stream was reset: HTTP/2 %s", nghttp2_http2_strerror(s->error));
    h->ev->on_failed(h->ud, s->x, fate, &err);
}

static void tell(struct sg_http2 *h, struct stream *s) {
    if (s->x) s->x->conn_ = NULL;
    if (!s->x)
        h->ev->on_room(h->ud);
    else if (s->whole && s->status >= 200 && !s->over_limit)
        tell_reply(h, s);
    else
        tell_failure(h, s);
}

static void free_http2(struct sg_http2 *h) {
    for (struct stream *s; (s = pop(&h->ended)) != NULL;) free_stream(s);
    for (struct stream *s; (s = pop(&h->active)) != NULL;) free_stream(s);
    nghttp2_session_del(h->session);
    free(h->unsent);
    free(h);
}

/* False: it was closed. */
static bool tell_all(struct sg_http2 *h) {
    h->in_event = true;
    for (struct stream *s; !h->closed && (s = pop(&h->ended)) != NULL; free_stream(s)) tell(h, s);
    h->in_event = false;
    if (!h->closed) return true;
    free_http2(h);
    return false;
}

static void on_flush(struct sg_later *d) {
    struct sg_http2 *h = d->ud;
    send_all(h);
    tell_all(h);
}

void sg_http2_on_room(struct sg_http2 *h) {
    send_all(h);
    tell_all(h);
}

/* After a mistake of the server's that ends the connection, nghttp2 drops what comes and tells the server only, by a
 * GOAWAY. That goes out at once, as no turn may follow; where the socket is full, that no request is allowed tells it. */
static bool has_ended(struct sg_http2 *h) {
    bool may_ask = nghttp2_session_check_request_allowed(h->session);
    if (!may_ask) send_all(h);
    bool has_ids = nghttp2_session_get_next_stream_id(h->session) <= INT32_MAX;
    return !nghttp2_session_want_read(h->session) || (!may_ask && has_ids && !h->going);
}

int sg_http2_take(struct sg_http2 *h, const char *p, size_t n, struct sg_err *err) {
    h->heard_ns = sg_loop_now_ns(h->loop);
    ssize_t taken = nghttp2_session_mem_recv(h->session, (const uint8_t *)p, n);
    if (!tell_all(h)) return SG_E_CANCELED;
    if (taken < 0) return sg_fail(err, SG_E_PROTOCOL, "the server breaks HTTP/2: %s", nghttp2_strerror((int)taken));
    if (!has_ended(h)) {
        sg_later(h->loop, &h->flush);
        return 0;
    }
    if (h->why[0]) return sg_fail(err, SG_E_PROTOCOL, "the server breaks HTTP/2: %s", h->why);
    return sg_fail(err, h->going ? SG_E_RESET : SG_E_PROTOCOL, "the HTTP/2 connection is over");
}

/* --- life -------------------------------------------------------------------------------------------------------------------- */

static nghttp2_session *new_session(struct sg_http2 *h) {
    static const nghttp2_settings_entry SETTINGS[] = {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
                                                      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW}};
    nghttp2_session_callbacks *callbacks;
    nghttp2_session *session;
    SG_ASSERT(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_body);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_sent);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_not_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    SG_ASSERT(nghttp2_session_client_new(&session, callbacks, h) == 0);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, SETTINGS, sizeof SETTINGS / sizeof *SETTINGS);
    nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW);
    return session;
}

struct sg_http2 *sg_http2_open(struct sg_loop *l, const struct sg_http_limits *limits, uint32_t streams, const char *scheme,
                               struct sg_stream *s, const struct sg_http2_events *ev, void *ud) {
    struct sg_http2 *h = sg_xcalloc(1, sizeof *h);
    *h = (struct sg_http2){.loop = l, .limits = *limits, .scheme = sg_str(scheme), .s = s, .ev = ev, .ud = ud};
    h->streams_at_first = streams ? streams : STREAMS_AT_FIRST;
    h->flush = (struct sg_later){.run = on_flush, .ud = h};
    h->session = new_session(h);
    sg_later(l, &h->flush);
    return h;
}

static void forget(struct list *l) {
    for (struct stream *s = l->head; s; s = s->next) {
        if (s->x) s->x->conn_ = NULL;
        s->x = NULL;
    }
}

void sg_http2_close(struct sg_http2 *h) {
    h->closed = true;
    forget(&h->active);
    forget(&h->ended);
    sg_later_cancel(h->loop, &h->flush);
    if (!h->in_event) free_http2(h);
}

uint32_t sg_http2_streams(const struct sg_http2 *h) {
    if (!h->settled) return h->streams_at_first;
    uint32_t allowed = nghttp2_session_get_remote_settings(h->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
    if (allowed == 0) return 1; /* it waits in nghttp2 until the server allows it */
    return allowed < STREAMS ? allowed : STREAMS;
}

uint32_t sg_http2_active(const struct sg_http2 *h) {
    return h->n_active;
}

uint32_t sg_http2_room(const struct sg_http2 *h) {
    uint32_t streams = sg_http2_streams(h);
    if (h->going || h->broken || h->n_active >= streams || !nghttp2_session_check_request_allowed(h->session)) return 0;
    return streams - h->n_active;
}
