/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about exchanges over HTTP/2, against a server of libnghttp2 in the same loop that offers it by ALPN. */
#include "net/tls_parts.h"

#include <arpa/inet.h>
#include <nghttp2/nghttp2.h>
#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>
/* cmocka wants the one with jumps before it */
#include <cmocka.h>

static char folder[] = "/tmp/sygra-http2-XXXXXX";

/* --- the server --------------------------------------------------------------------------------------------------- */

enum manner {
    ANSWER,      /* the request's length as text, padded to `reply_bytes` */
    REFUSE,      /* the first `n` requests by REFUSED_STREAM */
    BREAK,       /* them by INTERNAL_ERROR */
    CALM,        /* them by ENHANCE_YOUR_CALM */
    GO_AWAY,     /* after `n` requests of a connection: GOAWAY, those behind are not processed */
    CUT,         /* after `n` requests of a connection: the connection ends */
    HANG,        /* no answer */
    SHORT,       /* fewer bytes than Content-Length says */
    MISTAKE,     /* after a request, a frame for a stream that nobody has opened; the connection stays */
};

struct peer {
    struct sg_stream *s;
    struct peer *next;
    nghttp2_session *session;
    struct sg_later later;
    size_t requests;
    bool gone;
};

struct request {
    size_t bytes, left;
    char text[32];
};

static struct {
    struct sg_listener *listener;
    struct sg_tls *tls;
    struct peer *peers;
    enum manner manner;
    uint32_t streams; /* of a connection; 0: no limit */
    size_t n, reply_bytes, accepted, requests, cancelled, most;
    size_t open; /* streams, of all connections */
    char head[512];
} server;

static struct sg_loop *loop;
static struct sg_http_client *client;
static struct sg_tls_trust trust;
static struct sg_arena arena;
static struct sg_url url;
static size_t expected;

static void end_peer(struct peer *p) {
    if (p->gone) return;
    p->gone = true;
    sg_later_cancel(loop, &p->later);
    sg_stream_close(p->s);
}

static void send_out(struct sg_later *d) {
    struct peer *p = d->ud;
    const uint8_t *bytes;
    ssize_t n;
    while (!p->gone && (n = nghttp2_session_mem_send(p->session, &bytes)) > 0)
        assert_int_equal(sg_stream_write(p->s, bytes, (size_t)n), n); /* replies here fit into a socket */
    if (server.manner == MISTAKE && p->requests == 1) sg_stream_write(p->s, "\0\0\1\0\0\0\0\0\143x", 10);
    if (server.manner == CUT && p->requests >= server.n) end_peer(p);
}

static ssize_t give(nghttp2_session *s, int32_t id, uint8_t *p, size_t n, uint32_t *flags, nghttp2_data_source *source,
                    void *ud) {
    (void)s, (void)id, (void)ud;
    struct request *r = source->ptr;
    size_t text = strlen(r->text);
    if (n > r->left) n = r->left;
    memset(p, ' ', n);
    if (r->left == server.reply_bytes) memcpy(p, r->text, text);
    r->left -= n;
    if (r->left == 0) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

static void answer(struct peer *p, int32_t id, struct request *r) {
    char length[32];
    snprintf(r->text, sizeof r->text, "%zu", r->bytes);
    r->left = server.reply_bytes;
    snprintf(length, sizeof length, "%zu", server.reply_bytes + (server.manner == SHORT));
    nghttp2_nv head[] = {{(uint8_t *)":status", (uint8_t *)"200", 7, 3, 0},
                         {(uint8_t *)"retry-after", (uint8_t *)"3", 11, 1, 0},
                         {(uint8_t *)"content-length", (uint8_t *)length, 14, strlen(length), 0}};
    nghttp2_data_provider body = {.source = {.ptr = r}, .read_callback = give};
    nghttp2_submit_response(p->session, id, head, 3, &body);
}

static void act(struct peer *p, int32_t id, struct request *r) {
    size_t i = server.requests++, of_peer = p->requests++;
    static const uint32_t ERRORS[] = {
        [REFUSE] = NGHTTP2_REFUSED_STREAM, [BREAK] = NGHTTP2_INTERNAL_ERROR, [CALM] = NGHTTP2_ENHANCE_YOUR_CALM};
    if (server.manner >= REFUSE && server.manner <= CALM && i < server.n)
        nghttp2_submit_rst_stream(p->session, 0, id, ERRORS[server.manner]);
    else if (server.manner == GO_AWAY && of_peer + 1 == server.n)
        answer(p, id, r), nghttp2_submit_goaway(p->session, 0, id, NGHTTP2_NO_ERROR, NULL, 0);
    else if ((server.manner == CUT && of_peer + 1 >= server.n) || server.manner == HANG || server.manner == MISTAKE ||
             (server.manner == GO_AWAY && of_peer >= server.n))
        return;
    else
        answer(p, id, r);
}

static int on_begin(nghttp2_session *s, const nghttp2_frame *frame, void *ud) {
    (void)ud;
    nghttp2_session_set_stream_user_data(s, frame->hd.stream_id, calloc(1, sizeof(struct request)));
    if (++server.open > server.most) server.most = server.open;
    return 0;
}

static int on_header(nghttp2_session *s, const nghttp2_frame *frame, const uint8_t *name, size_t n, const uint8_t *value,
                     size_t value_n, uint8_t flags, void *ud) {
    (void)s, (void)frame, (void)flags, (void)ud;
    if (server.requests > 0) return 0;
    size_t at = strlen(server.head);
    snprintf(server.head + at, sizeof server.head - at, "%.*s: %.*s\n", (int)n, (const char *)name, (int)value_n,
             (const char *)value);
    return 0;
}

static int on_body(nghttp2_session *s, uint8_t flags, int32_t id, const uint8_t *p, size_t n, void *ud) {
    (void)flags, (void)p, (void)ud;
    ((struct request *)nghttp2_session_get_stream_user_data(s, id))->bytes += n;
    return 0;
}

static int on_frame(nghttp2_session *s, const nghttp2_frame *frame, void *ud) {
    bool ends = frame->hd.type <= NGHTTP2_HEADERS && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM);
    if (ends) act(ud, frame->hd.stream_id, nghttp2_session_get_stream_user_data(s, frame->hd.stream_id));
    return 0;
}

static int on_closed(nghttp2_session *s, int32_t id, uint32_t error, void *ud) {
    (void)ud;
    server.cancelled += error == NGHTTP2_CANCEL;
    server.open--;
    free(nghttp2_session_get_stream_user_data(s, id));
    return 0;
}

static void on_bytes(void *ud, const char *bytes, size_t n, int status) {
    struct peer *p = ud;
    (void)status;
    if (n == 0) {
        end_peer(p);
        return;
    }
    assert_int_equal(nghttp2_session_mem_recv(p->session, (const uint8_t *)bytes, n), n);
    sg_later(loop, &p->later);
}

static const struct sg_stream_events SERVER = {.on_data = on_bytes};

static nghttp2_session *new_session(struct peer *p) {
    nghttp2_session_callbacks *c;
    nghttp2_session *session;
    nghttp2_session_callbacks_new(&c);
    nghttp2_session_callbacks_set_on_begin_headers_callback(c, on_begin);
    nghttp2_session_callbacks_set_on_header_callback(c, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(c, on_body);
    nghttp2_session_callbacks_set_on_frame_recv_callback(c, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(c, on_closed);
    nghttp2_session_server_new(&session, c, p);
    nghttp2_session_callbacks_del(c);
    nghttp2_settings_entry limit = {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, server.streams};
    nghttp2_submit_settings(session, 0, &limit, server.streams ? 1 : 0);
    return session;
}

static void on_accept(void *ud, struct sg_stream *s) {
    (void)ud;
    struct peer *p = calloc(1, sizeof *p);
    p->next = server.peers;
    p->later = (struct sg_later){.run = send_out, .ud = p};
    p->session = new_session(p);
    p->s = sg_tls_accept(server.tls, s);
    server.peers = p;
    server.accepted++;
    sg_stream_adopt(p->s, &SERVER, p);
}

static int on_offer(SSL *ssl, const unsigned char **out, unsigned char *n, const unsigned char *offer, unsigned offer_n,
                    void *ud) {
    (void)ssl, (void)ud;
    unsigned char *chosen;
    SSL_select_next_proto(&chosen, n, (const unsigned char *)"\x02h2", 3, offer, offer_n);
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static void serve(enum manner manner, size_t n) {
    struct sg_err err;
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sg_address at = {.n = sizeof v4};
    memcpy(at.bytes, &v4, sizeof v4);
    server.manner = manner;
    server.n = n;
    if (!server.reply_bytes) server.reply_bytes = 100;
    const char *cert = sg_str_printf(&arena, "%s/good.pem", folder).p, *key = sg_str_printf(&arena, "%s/good.key", folder).p;
    assert_int_equal(sg_tls_open_server(loop, cert, key, &server.tls, &err), 0);
    SSL_CTX_set_alpn_select_cb(server.tls->ctx, on_offer, NULL);
    assert_int_equal(sg_listen(loop, &at, on_accept, NULL, &server.listener, &err), 0);
    struct sg_str text = sg_str_printf(&arena, "https://localhost:%u/v1/x?y", sg_listener_port(server.listener));
    assert_int_equal(sg_url_parse(&arena, text, &url, &err), 0);
}

static int set_up(void **state) {
    (void)state;
    memset(&server, 0, sizeof server);
    expected = 0;
    trust = (struct sg_tls_trust){.ca = sg_str_printf(&arena, "%s/ca.pem", folder)};
    return sg_loop_open_uv(&loop, 1, NULL);
}

static void forget_streams(struct peer *p) {
    for (int32_t id = 1; id < 100000; id += 2) free(nghttp2_session_get_stream_user_data(p->session, id));
}

static int tear_down(void **state) {
    (void)state;
    sg_http_close(client);
    client = NULL;
    sg_listener_close(server.listener);
    for (struct peer *p; (p = server.peers) != NULL; free(p)) {
        server.peers = p->next;
        end_peer(p);
        forget_streams(p);
        nghttp2_session_del(p->session);
    }
    sg_tls_close(server.tls);
    sg_loop_close(loop);
    sg_arena_fini(&arena);
    return 0;
}

/* --- exchanges ---------------------------------------------------------------------------------------------------- */

struct asked {
    struct sg_exchange x;
    int done, status;
    size_t request_bytes, body_n;
    int64_t retry_after_ms;
    char body[16], text[SG_ERR_TEXT];
    struct asked *then;
    bool closes;
};

static int write_request(struct sg_exchange *x, struct sg_buf *out) {
    struct asked *a = x->ud;
    size_t mark = sg_http_request_head(out, &url, SG_STR("Authorization: Bearer x\r\nConnection: keep-alive\r\n"));
    memset(sg_buf_reserve(out, a->request_bytes), 'x', a->request_bytes);
    out->n += a->request_bytes;
    sg_http_request_end(out, mark);
    return 0;
}

static void ask(struct asked *a);

static void on_done(struct sg_exchange *x, int status, const struct sg_http_reply *reply, const struct sg_err *err) {
    struct asked *a = x->ud;
    a->done++;
    a->status = status;
    a->body_n = reply ? reply->body.n : 0;
    if (reply) memcpy(a->body, reply->body.p, a->body_n < 15 ? a->body_n : 15);
    if (reply) a->retry_after_ms = reply->retry_after_ms;
    if (reply) assert_true(x->sent_ns > 0 && reply->first_byte_ns >= x->sent_ns);
    if (err) memcpy(a->text, err->text, sizeof a->text);
    if (a->then) ask(a->then);
    if (--expected == 0) sg_loop_stop(loop);
    if (a->closes) {
        sg_http_close(client);
        client = NULL;
    }
}

static void ask(struct asked *a) {
    if (!client) assert_int_equal(sg_http_open(loop, NULL, &client), 0);
    a->x.endpoint = sg_http_endpoint(client, &url, &trust);
    a->x.write = write_request;
    a->x.on_done = on_done;
    a->x.ud = a;
    expected++;
    sg_exchange_start(&a->x);
}

static struct asked *ask_at_once(size_t n) {
    struct asked *all = calloc(n, sizeof *all);
    for (size_t i = 0; i < n; i++) {
        all[i].request_bytes = i;
        ask(&all[i]);
    }
    sg_loop_run(loop);
    return all;
}

static struct sg_http_figures figures(void) {
    struct sg_http_figures f;
    sg_http_figures(client, &f);
    return f;
}

static void assert_all_fine(struct asked *all, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (all[i].status) fail_msg("%zu: %s", i, all[i].text);
        assert_int_equal(all[i].done, 1);
        assert_int_equal(atoi(all[i].body), i);
    }
    assert_int_equal(figures().in_flight, 0);
    free(all);
}

static void assert_says(const struct asked *a, int status, const char *words) {
    if (a->status != status || !strstr(a->text, words)) fail_msg("%d, \"%s\", and not \"%s\"", a->status, a->text, words);
}

static void test_a_request_and_its_reply_are_the_same_as_over_http_1(void **state) {
    (void)state;
    serve(ANSWER, 0);
    struct asked *all = ask_at_once(1);
    assert_int_equal(all->body_n, 100);
    assert_int_equal(all->retry_after_ms, 3000);
    assert_all_fine(all, 1);
    assert_non_null(strstr(server.head, sg_str_printf(&arena, ":authority: localhost:%u\n", url.port).p));
    assert_memory_equal(server.head, ":method: POST\n:scheme: https\n:path: /v1/x?y\n", 43);
    assert_non_null(strstr(server.head, "authorization: Bearer x\n"));
    assert_non_null(strstr(server.head, "content-length: 0\n"));
    assert_null(strstr(server.head, "connection"));
}

static void test_five_thousand_exchanges_share_at_most_64_connections(void **state) {
    (void)state;
    server.streams = 128;
    serve(ANSWER, 0);
    assert_all_fine(ask_at_once(5000), 5000);
    assert_in_range(server.accepted, 1, 64);
    assert_int_equal(server.requests, 5000);
    assert_true(server.most > 64);
}

static void test_a_servers_limit_of_streams_is_kept(void **state) {
    (void)state;
    server.streams = 3;
    serve(ANSWER, 0);
    assert_all_fine(ask_at_once(1), 1); /* its settings are known now */
    assert_all_fine(ask_at_once(300), 300);
    assert_true(server.most <= 3 * server.accepted);
}

static void test_long_bodies_pass_under_flow_control(void **state) {
    (void)state;
    server.reply_bytes = 200000;
    serve(ANSWER, 0);
    struct asked a = {.request_bytes = 3 << 20};
    ask(&a);
    sg_loop_run(loop);
    if (a.status) fail_msg("%s", a.text);
    assert_int_equal(atoi(a.body), 3 << 20);
    assert_int_equal(a.body_n, 200000);
}

static void test_what_follows_in_a_callback_goes_over_the_same_connection(void **state) {
    (void)state;
    serve(ANSWER, 0);
    struct asked *all = calloc(50, sizeof *all);
    for (size_t i = 0; i < 49; i++) all[i].then = &all[i + 1];
    for (size_t i = 0; i < 50; i++) all[i].request_bytes = i;
    ask(all);
    sg_loop_run(loop);
    assert_all_fine(all, 50);
    assert_int_equal(server.accepted, 1);
}

static void test_refused_streams_are_asked_again_without_a_word(void **state) {
    (void)state;
    serve(REFUSE, 20);
    assert_all_fine(ask_at_once(20), 20);
    assert_int_equal(server.requests, 40);
}

static void test_streams_that_are_refused_again_are_reset_for_the_caller(void **state) {
    (void)state;
    serve(REFUSE, 1000);
    struct asked *all = ask_at_once(1);
    assert_says(all, SG_E_RESET, "REFUSED_STREAM");
    assert_int_equal(server.requests, 2);
    free(all);
}

static void test_other_resets_are_told_with_their_name(void **state) {
    (void)state;
    serve(BREAK, 1);
    struct asked *all = ask_at_once(1);
    assert_says(all, SG_E_RESET, "INTERNAL_ERROR");
    free(all);
    server.manner = CALM;
    server.n = 100;
    all = ask_at_once(1);
    assert_says(all, SG_E_BUSY, "ENHANCE_YOUR_CALM");
    free(all);
    server.manner = ANSWER;
    assert_all_fine(ask_at_once(3), 3);
    assert_int_equal(server.accepted, 1);
}

static void test_after_a_goaway_the_rest_goes_over_another_connection(void **state) {
    (void)state;
    serve(GO_AWAY, 5);
    assert_all_fine(ask_at_once(12), 12);
    assert_true(server.accepted >= 3);
}

static void test_a_connection_that_is_cut_loses_its_streams_only(void **state) {
    (void)state;
    serve(CUT, 3);
    struct asked *all = ask_at_once(2);
    assert_all_fine(all, 2);
    all = ask_at_once(1); /* the third of its connection: it was reused, so it is asked again on a fresh one */
    assert_int_equal(all->status, 0);
    free(all);
    server.n = 1;
    all = ask_at_once(1);
    assert_says(all, SG_E_RESET, "ended before the reply");
    free(all);
}

static void test_a_reply_that_is_short_is_an_error(void **state) {
    (void)state;
    serve(SHORT, 0);
    struct asked *all = ask_at_once(1);
    assert_says(all, SG_E_RESET, "PROTOCOL_ERROR");
    free(all);
}

static void test_a_server_that_breaks_the_protocol_is_not_waited_for(void **state) {
    (void)state;
    serve(MISTAKE, 0);
    struct asked a = {.x.timeout_ms = 60000};
    ask(&a);
    sg_loop_run(loop);
    assert_says(&a, SG_E_PROTOCOL, "the server breaks HTTP/2: DATA: stream");
}

static void test_a_cancelled_exchange_is_reset_at_the_server_and_makes_room(void **state) {
    (void)state;
    server.streams = 2;
    serve(HANG, 0);
    struct asked a[3] = {0};
    struct sg_http_limits limits = {.connecting = 1};
    assert_int_equal(sg_http_open(loop, &limits, &client), 0);
    for (int i = 0; i < 3; i++) {
        ask(&a[i]);
        a[i].x.timeout_ms = 0;
    }
    sg_exchange_cancel(&a[2].x);
    a[2].x.timeout_ms = 100;
    sg_exchange_start(&a[2].x);
    expected = 1;
    sg_loop_run(loop);
    assert_int_equal(a[2].status, SG_E_TIMEOUT);
    sg_exchange_cancel(&a[0].x);
    sg_exchange_cancel(&a[1].x);
    server.manner = ANSWER;
    assert_all_fine(ask_at_once(4), 4);
    assert_true(server.cancelled >= 2);
    assert_int_equal(a[0].done + a[1].done, 0);
}

static void test_a_connection_that_fell_silent_gets_no_further_streams(void **state) {
    (void)state;
    serve(ANSWER, 0);
    assert_all_fine(ask_at_once(1), 1);
    server.manner = HANG;
    struct asked a = {.x.timeout_ms = 50};
    ask(&a);
    sg_loop_run(loop);
    assert_int_equal(a.status, SG_E_TIMEOUT);
    server.manner = ANSWER;
    assert_all_fine(ask_at_once(2), 2);
    assert_int_equal(server.accepted, 2);
}

static void test_a_reply_over_the_limit_ends_its_stream_only(void **state) {
    (void)state;
    server.reply_bytes = 5000;
    serve(ANSWER, 0);
    assert_int_equal(sg_http_open(loop, &(struct sg_http_limits){.reply_bytes = 4000}, &client), 0);
    struct asked *all = ask_at_once(1);
    assert_says(all, SG_E_LIMIT, "its body than 4000");
    free(all);
    server.reply_bytes = 100;
    assert_all_fine(ask_at_once(1), 1);
    assert_int_equal(server.accepted, 1);
}

static void test_the_client_may_be_closed_in_a_callback(void **state) {
    (void)state;
    serve(ANSWER, 0);
    struct asked a[20] = {0};
    a[7].closes = true;
    for (int i = 0; i < 20; i++) ask(&a[i]);
    expected = 8;
    sg_loop_run(loop);
    for (int i = 8; i < 20; i++) assert_int_equal(a[i].done, 0);
}

static int make_certificates(void **state) {
    (void)state;
    char command[128];
    if (!mkdtemp(folder)) return -1;
    snprintf(command, sizeof command, "tests/certificates.sh %s", folder);
    return system(command);
}

static int remove_certificates(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_a_request_and_its_reply_are_the_same_as_over_http_1),
        T(test_five_thousand_exchanges_share_at_most_64_connections),
        T(test_a_servers_limit_of_streams_is_kept),
        T(test_long_bodies_pass_under_flow_control),
        T(test_what_follows_in_a_callback_goes_over_the_same_connection),
        T(test_refused_streams_are_asked_again_without_a_word),
        T(test_streams_that_are_refused_again_are_reset_for_the_caller),
        T(test_other_resets_are_told_with_their_name),
        T(test_after_a_goaway_the_rest_goes_over_another_connection),
        T(test_a_connection_that_is_cut_loses_its_streams_only),
        T(test_a_reply_that_is_short_is_an_error),
        T(test_a_server_that_breaks_the_protocol_is_not_waited_for),
        T(test_a_cancelled_exchange_is_reset_at_the_server_and_makes_room),
        T(test_a_connection_that_fell_silent_gets_no_further_streams),
        T(test_a_reply_over_the_limit_ends_its_stream_only),
        T(test_the_client_may_be_closed_in_a_callback),
    };
    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
