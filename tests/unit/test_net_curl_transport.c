/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about exchanges that libcurl makes, against a server in the same loop: that they end as others do. Proxies, redirects
 * and certificates: tests/e2e/proxies.py. */
#include "net/curl_error.h"
#include "net/net.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants the four before it */
#include <cmocka.h>

#define MANY 300
#define HELLO "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nRetry-After: 3\r\nContent-Length: 5\r\n\r\nhello"

/* --- a server that gives each request the same answer -------------------------------------------------------------- */

struct peer {
    struct sg_stream *s;
    struct peer *next;
};

static struct {
    struct sg_listener *listener;
    const char *reply; /* NULL: none */
    bool ends;         /* the connection, after it */
    struct peer *peers;
    size_t accepted, requests;
} server;

static struct sg_loop *loop;
static struct sg_http_client *client;
static struct sg_arena arena;
static struct sg_url url;
static struct sg_http_limits limits;
static size_t expected;

static void end_peer(struct peer *p) {
    if (p->s) sg_stream_close(p->s);
    p->s = NULL;
}

/* Requests here end in '}'. */
static void on_request(void *ud, const char *p, size_t n, int status) {
    struct peer *peer = ud;
    if (status || n == 0) {
        end_peer(peer);
        return;
    }
    if (p[n - 1] != '}') return;
    server.requests++;
    if (server.reply) assert_int_equal(sg_stream_write(peer->s, server.reply, strlen(server.reply)), strlen(server.reply));
    if (server.ends) end_peer(peer);
}

static const struct sg_stream_events EVENTS = {.on_data = on_request};

static void on_accept(void *ud, struct sg_stream *s) {
    (void)ud;
    struct peer *p = calloc(1, sizeof *p);
    *p = (struct peer){s, server.peers};
    server.peers = p;
    server.accepted++;
    sg_stream_adopt(s, &EVENTS, p);
}

static void serve(const char *reply, bool ends) {
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sg_address at = {.n = sizeof here};
    memcpy(at.bytes, &here, sizeof here);
    server.reply = reply;
    server.ends = ends;
    assert_int_equal(sg_listen(loop, &at, on_accept, NULL, &server.listener, NULL), 0);
    struct sg_str text = sg_str_printf(&arena, "http://127.0.0.1:%u/v1/x", sg_listener_port(server.listener));
    assert_int_equal(sg_url_parse(&arena, text, &url, NULL), 0);
}

static int set_up(void **state) {
    (void)state;
    memset(&server, 0, sizeof server);
    limits = (struct sg_http_limits){0};
    expected = 0;
    return sg_loop_open_uv(&loop, 1, NULL);
}

static int tear_down(void **state) {
    (void)state;
    sg_http_close(client);
    client = NULL;
    sg_listener_close(server.listener);
    for (struct peer *p; (p = server.peers) != NULL; free(p)) {
        server.peers = p->next;
        end_peer(p);
    }
    sg_loop_close(loop);
    sg_arena_fini(&arena);
    return 0;
}

/* --- exchanges ---------------------------------------------------------------------------------------------------- */

struct asked {
    struct sg_exchange x;
    int done, status, write_error;
    struct sg_http_reply reply;
    char body[16], type[32], text[SG_ERR_TEXT];
    void (*then)(struct asked *a);
};

static int write_request(struct sg_exchange *x, struct sg_buf *out) {
    struct asked *a = x->ud;
    size_t mark = sg_http_request_head(out, &url, SG_STR("X-Team: blue\r\n"));
    SG_BUF_LIT(out, "{}");
    sg_http_request_end(out, mark);
    return a->write_error;
}

static void on_done(struct sg_exchange *x, int status, const struct sg_http_reply *reply, const struct sg_err *err) {
    struct asked *a = x->ud;
    a->done++;
    a->status = status;
    if (reply) {
        a->reply = *reply;
        snprintf(a->body, sizeof a->body, "%.*s", SG_ARG(reply->body));
        snprintf(a->type, sizeof a->type, "%.*s", SG_ARG(reply->content_type));
        assert_true(x->sent_ns > 0 && reply->first_byte_ns > 0);
    } else {
        assert_int_equal(err->code, status);
        memcpy(a->text, err->text, sizeof a->text);
    }
    if (--expected == 0) sg_loop_stop(loop);
    if (a->then) a->then(a);
}

static void ask(struct asked *a) {
    if (!client) assert_int_equal(sg_http_open(loop, &limits, &client), 0);
    struct sg_http_route route = {.follow_redirects = true};
    a->x.endpoint = sg_http_endpoint_routed(client, &url, NULL, &route);
    a->x.write = write_request;
    a->x.on_done = on_done;
    a->x.ud = a;
    expected++;
    int before = a->done;
    sg_exchange_start(&a->x);
    assert_int_equal(a->done, before); /* never inside start */
}

static void stop_loop(struct sg_timer *t) {
    (void)t;
    sg_loop_stop(loop);
}

static void wait_ms(unsigned ms) {
    struct sg_timer t = {.on_fire = stop_loop};
    sg_timer_start(loop, &t, SG_MS(ms));
    sg_loop_run(loop);
    sg_timer_stop(loop, &t);
}

static void wait_for_requests(size_t n) {
    for (int i = 0; i < 500 && server.requests < n; i++) wait_ms(20);
    assert_true(server.requests >= n);
}

static void test_an_exchange_brings_the_reply(void **state) {
    (void)state;
    serve(HELLO, false);
    struct asked a = {0};
    for (int i = 0; i < 3; i++) {
        ask(&a);
        sg_loop_run(loop);
        assert_int_equal(a.done, i + 1);
        assert_int_equal(a.status, 0);
        assert_int_equal(a.reply.status, 200);
        assert_int_equal(a.reply.retry_after_ms, 3000);
        assert_string_equal(a.body, "hello");
        assert_string_equal(a.type, "text/plain");
    }
    struct sg_http_figures f;
    sg_http_figures(client, &f);
    assert_int_equal(server.accepted, 1); /* and kept */
    assert_int_equal(f.connections_opened, 1);
    assert_int_equal(f.connections_reused, 2);
    assert_int_equal(f.open, 1);
    assert_int_equal(f.in_flight, 0);
    assert_true(f.bytes_in > 3 * strlen("hello") && f.bytes_out > f.bytes_in);
}

static void test_many_exchanges_are_all_answered(void **state) {
    (void)state;
    serve(HELLO, false);
    static struct asked a[MANY];
    memset(a, 0, sizeof a);
    for (size_t i = 0; i < MANY; i++) ask(&a[i]);
    sg_loop_run(loop);
    for (size_t i = 0; i < MANY; i++) assert_true(a[i].done == 1 && a[i].status == 0);
    assert_true(server.accepted <= MANY);
}

static void test_errors_are_those_of_other_connections(void **state) {
    (void)state;
    struct asked a = {0};
    serve("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", true);
    ask(&a);
    sg_loop_run(loop);
    assert_int_equal(a.status, SG_E_RESET);
    assert_non_null(strstr(a.text, "in the middle of the reply"));
    server.reply = NULL;
    ask(&a);
    sg_loop_run(loop);
    assert_int_equal(a.status, SG_E_RESET);
    server.reply = "220 mail.example\r\n";
    ask(&a);
    sg_loop_run(loop);
    assert_int_equal(a.status, SG_E_PROTOCOL);
    a.write_error = SG_E_MISSING;
    ask(&a);
    sg_loop_run(loop);
    assert_int_equal(a.status, SG_E_MISSING);
}

static void test_a_reply_over_the_limit_is_an_error(void **state) {
    (void)state;
    limits.reply_bytes = 4;
    serve(HELLO, false);
    struct asked a = {0};
    ask(&a);
    sg_loop_run(loop);
    assert_int_equal(a.status, SG_E_LIMIT);
}

static void test_no_answer_in_time_is_an_error(void **state) {
    (void)state;
    serve(NULL, false);
    struct asked a = {.x.timeout_ms = 3000}, b = {.x.timeout_ms = 100};
    ask(&a);
    wait_for_requests(1); /* the library is loaded */
    ask(&b);
    sg_loop_run(loop);
    assert_true(a.status == SG_E_TIMEOUT && b.status == SG_E_TIMEOUT);
    assert_non_null(strstr(b.text, "no answer within 100 ms"));
    struct sg_http_figures f;
    sg_http_figures(client, &f);
    assert_int_equal(f.in_flight, 0);
}

static void test_a_cancelled_exchange_calls_nothing_wherever_it_is(void **state) {
    (void)state;
    serve(NULL, false);
    static struct asked a[MANY];
    memset(a, 0, sizeof a);
    for (size_t i = 0; i < MANY; i++) ask(&a[i]);
    for (size_t i = 0; i < MANY; i += 2) sg_exchange_cancel(&a[i].x); /* before the library is there */
    wait_for_requests(20);
    for (size_t i = 1; i < MANY; i += 2) sg_exchange_cancel(&a[i].x);
    wait_ms(20);
    for (size_t i = 0; i < MANY; i++) assert_int_equal(a[i].done, 0);
    server.reply = HELLO;
    expected = 0;
    ask(&a[0]);
    sg_loop_run(loop);
    assert_true(a[0].done == 1 && a[0].status == 0);
}

static void close_client(struct asked *a) {
    (void)a;
    sg_http_close(client);
    client = NULL;
    sg_loop_stop(loop);
}

static void test_the_client_may_be_closed_in_a_callback_and_while_calls_are_out(void **state) {
    (void)state;
    serve(HELLO, false);
    static struct asked a[MANY];
    memset(a, 0, sizeof a);
    for (size_t i = 0; i < MANY; i++) {
        a[i].then = i == 40 ? close_client : NULL;
        ask(&a[i]);
    }
    sg_loop_run(loop);
    size_t done = 0;
    for (size_t i = 0; i < MANY; i++) done += (size_t)a[i].done;
    assert_true(done > 0 && done < MANY && a[40].done == 1);
    server.reply = NULL;
    server.requests = 0;
    memset(a, 0, sizeof a);
    for (size_t i = 0; i < MANY; i++) ask(&a[i]);
    wait_for_requests(1);
    close_client(NULL);
    struct asked b = {0};
    ask(&b); /* closed while the library is asked for */
    close_client(NULL);
}

/* --- words ------------------------------------------------------------------------------------------------------------ */

static void explains(CURLcode code, bool proxied, bool sent, int wanted, const char *words) {
    const struct sg_proxy proxy = {.shown = SG_STR("http://p:3128"), .from = SG_STR("HTTPS_PROXY")};
    const struct sg_url to = {.scheme = SG_STR("https"), .host = SG_STR("model.example"), .path = SG_STR("/"), .port = 443};
    struct sg_curl_failure f = {.code = code, .why = "words", .proxy = proxied ? &proxy : NULL, .url = &to, .sent = sent};
    struct sg_err err = {0};
    assert_int_equal(sg_curl_explain(&f, &err), wanted);
    assert_non_null(strstr(err.text, words));
    assert_true(!proxied || strstr(err.text, "the proxy http://p:3128 (HTTPS_PROXY)"));
}

static void test_failures_name_the_proxy_and_are_tried_again_where_that_helps(void **state) {
    (void)state;
    explains(CURLE_COULDNT_RESOLVE_PROXY, true, false, SG_E_RESOLVE, "was not found");
    explains(CURLE_COULDNT_RESOLVE_HOST, false, false, SG_E_RESOLVE, "model.example");
    explains(CURLE_COULDNT_CONNECT, true, false, SG_E_CONNECT, "is it running?");
    explains(CURLE_COULDNT_CONNECT, false, false, SG_E_CONNECT, "model.example:443");
    explains(CURLE_PROXY, true, false, SG_E_CONNECT, "could not connect to model.example:443: words");
    explains(CURLE_OPERATION_TIMEDOUT, true, false, SG_E_TIMEOUT, "did not let us through");
    explains(CURLE_RECV_ERROR, true, false, SG_E_RESET, "closed the connection before it let us through");
    explains(CURLE_RECV_ERROR, true, true, SG_E_RESET, "before the reply was there");
    explains(CURLE_PARTIAL_FILE, true, true, SG_E_RESET, "in the middle of the reply");
    explains(CURLE_PEER_FAILED_VERIFICATION, false, false, SG_E_TLS, "ssl_ca");
    explains(CURLE_SSL_CONNECT_ERROR, false, false, SG_E_TLS, "no TLS handshake: words");
    explains(CURLE_HTTP2, false, true, SG_E_PROTOCOL, "words");
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_an_exchange_brings_the_reply),
        T(test_many_exchanges_are_all_answered),
        T(test_errors_are_those_of_other_connections),
        T(test_a_reply_over_the_limit_is_an_error),
        T(test_no_answer_in_time_is_an_error),
        T(test_a_cancelled_exchange_calls_nothing_wherever_it_is),
        T(test_the_client_may_be_closed_in_a_callback_and_while_calls_are_out),
        cmocka_unit_test(test_failures_name_the_proxy_and_are_tried_again_where_that_helps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
