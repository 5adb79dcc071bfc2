/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about exchanges, against a server in the same loop that does what a list of steps says. */
#include "net/net.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
/* cmocka wants the one with jumps before it */
#include <cmocka.h>

/* --- the server --------------------------------------------------------------------------------------------------- */

enum then { STAY, END, RESET };

/* What the n-th request gets. The last step is for all further ones. */
struct step {
    const char *reply; /* NULL: nothing */
    enum then then;
    unsigned piece; /* > 0: sent in pieces of so many bytes, a turn of the loop apart */
};

struct client_conn {
    struct sg_stream *s;
    struct client_conn *next;
    struct sg_buf in;
    struct sg_str to_send;
    struct sg_timer timer;
    struct step step;
};

static struct {
    struct sg_listener *listener;
    struct client_conn *conns;
    const struct step *steps;
    size_t n_steps, requests, accepted, accepted_at_first_request, ended;
    bool deaf; /* does not read */
    struct sg_buf last;
} server;

static struct sg_loop *loop;
static struct sg_http_client *client;
static struct sg_arena arena;
static struct sg_url url;
static size_t expected; /* callbacks until the loop is stopped */

static void end_conn(struct client_conn *c, bool reset) {
    if (c->s && reset) sg_stream_reset(c->s);
    if (c->s && !reset) sg_stream_close(c->s);
    c->s = NULL;
    sg_timer_stop(loop, &c->timer);
}

static void on_send(struct sg_timer *t) {
    struct client_conn *c = t->ud;
    size_t n = c->step.piece && c->step.piece < c->to_send.n ? c->step.piece : c->to_send.n;
    if (n && sg_stream_write(c->s, c->to_send.p, n) < 0) return;
    c->to_send.p += n;
    c->to_send.n -= n;
    if (c->to_send.n)
        sg_timer_start(loop, &c->timer, 100000);
    else if (c->step.then != STAY)
        end_conn(c, c->step.then == RESET);
}

static void act(struct client_conn *c) {
    size_t i = server.requests++;
    if (i == 0) server.accepted_at_first_request = server.accepted;
    c->step = server.steps[i < server.n_steps ? i : server.n_steps - 1];
    c->to_send = sg_str(c->step.reply);
    on_send(&c->timer);
}

/* Requests here end in '}'. */
static void on_request(void *ud, const char *p, size_t n, int status) {
    struct client_conn *c = ud;
    (void)status;
    if (n == 0) {
        server.ended++;
        end_conn(c, false);
        return;
    }
    sg_buf_add(&c->in, p, n);
    if (p[n - 1] != '}') return;
    sg_buf_reset(&server.last, 1 << 20);
    sg_buf_add(&server.last, c->in.p, c->in.n);
    sg_buf_reset(&c->in, 1 << 20);
    act(c);
}

static const struct sg_stream_events SERVER_EVENTS = {.on_data = on_request};

static void on_accept(void *ud, struct sg_stream *s) {
    (void)ud;
    struct client_conn *c = calloc(1, sizeof *c);
    c->s = s;
    c->next = server.conns;
    c->timer = (struct sg_timer){.on_fire = on_send, .ud = c};
    server.conns = c;
    server.accepted++;
    sg_stream_adopt(s, &SERVER_EVENTS, c);
    sg_stream_pause(s, server.deaf);
}

static struct sg_address address(const char *number) {
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    struct sg_address a;
    bool is_v6 = strchr(number, ':') != NULL;
    a.n = is_v6 ? sizeof v6 : sizeof v4;
    memcpy(a.bytes, is_v6 ? (void *)&v6 : (void *)&v4, a.n);
    return a;
}

static bool listen_at(const char *number, const struct step *steps, size_t n) {
    struct sg_address a = address(number);
    server.steps = steps;
    server.n_steps = n;
    return sg_listen(loop, &a, on_accept, NULL, &server.listener, NULL) == 0;
}

static void point_at(const char *host, uint16_t port) {
    struct sg_str text = sg_str_printf(&arena, "http://%s:%u/v1/x", host, port);
    assert_int_equal(sg_url_parse(&arena, text, &url, NULL), 0);
}

static void serve(const struct step *steps, size_t n) {
    assert_true(listen_at("127.0.0.1", steps, n));
    point_at("127.0.0.1", sg_listener_port(server.listener));
}
#define SERVE(...)                                                                                                    \
    static const struct step steps_[] = {__VA_ARGS__};                                                                \
    serve(steps_, sizeof steps_ / sizeof *steps_)

static int set_up(void **state) {
    (void)state;
    memset(&server, 0, sizeof server);
    expected = 0;
    return sg_loop_open_uv(&loop, 1, NULL);
}

static int tear_down(void **state) {
    (void)state;
    sg_http_close(client);
    client = NULL;
    sg_listener_close(server.listener);
    while (server.conns) {
        struct client_conn *c = server.conns;
        server.conns = c->next;
        end_conn(c, false);
        sg_buf_fini(&c->in);
        free(c);
    }
    sg_buf_fini(&server.last);
    sg_loop_close(loop);
    sg_arena_fini(&arena);
    return 0;
}

/* --- exchanges ---------------------------------------------------------------------------------------------------- */

struct asked {
    struct sg_exchange x;
    int done, status, http, write_error;
    size_t request_bytes;
    int64_t retry_after_ms;
    char body[128], text[SG_ERR_TEXT];
    size_t body_n;
    void (*then)(struct asked *a);
};

static int write_request(struct sg_exchange *x, struct sg_buf *out) {
    struct asked *a = x->ud;
    if (a->write_error) return a->write_error;
    size_t mark = sg_http_request_head(out, &url, SG_STR(""));
    char *room = sg_buf_reserve(out, a->request_bytes);
    memset(room, 'x', a->request_bytes);
    out->n += a->request_bytes;
    sg_buf_ch(out, '}');
    sg_http_request_end(out, mark);
    return 0;
}

static void on_done(struct sg_exchange *x, int status, const struct sg_http_reply *reply, const struct sg_err *err) {
    struct asked *a = x->ud;
    a->done++;
    a->status = status;
    assert_true((status == 0) == (reply != NULL));
    assert_true((status != 0) == (err != NULL));
    if (reply) {
        a->http = reply->status;
        a->body_n = reply->body.n;
        a->retry_after_ms = reply->retry_after_ms;
        size_t n = reply->body.n < sizeof a->body - 1 ? reply->body.n : sizeof a->body - 1;
        memcpy(a->body, reply->body.p, n);
        a->body[n] = '\0';
        assert_true(reply->first_byte_ns >= x->sent_ns);
    } else {
        assert_int_equal(err->code, status);
        memcpy(a->text, err->text, sizeof a->text);
    }
    if (--expected == 0) sg_loop_stop(loop);
    if (a->then) a->then(a);
}

static void prepare(struct asked *a) {
    if (!client) assert_int_equal(sg_http_open(loop, NULL, &client), 0);
    a->x.endpoint = sg_http_endpoint(client, &url, NULL);
    a->x.write = write_request;
    a->x.on_done = on_done;
    a->x.ud = a;
}

static void ask(struct asked *a) {
    prepare(a);
    int before = a->done;
    expected++;
    sg_exchange_start(&a->x);
    assert_int_equal(a->done, before); /* never inside start */
}

static void ask_and_wait(struct asked *a) {
    a->done = 0;
    ask(a);
    sg_loop_run(loop);
    assert_int_equal(a->done, 1);
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

static struct sg_http_figures figures(void) {
    struct sg_http_figures f;
    sg_http_figures(client, &f);
    return f;
}

#define HELLO "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"

static void test_an_exchange_brings_the_reply(void **state) {
    (void)state;
    SERVE({"HTTP/1.1 429 Slow\r\nRetry-After: 2\r\nContent-Length: 2\r\n\r\nno", STAY});
    struct asked a = {0};
    ask_and_wait(&a);
    assert_int_equal(a.status, 0);
    assert_int_equal(a.http, 429);
    assert_int_equal(a.retry_after_ms, 2000);
    assert_string_equal(a.body, "no");
    assert_non_null(memmem(server.last.p, server.last.n, "POST /v1/x HTTP/1.1\r\nHost: 127.0.0.1:", 37));
    assert_int_equal(figures().bytes_out, server.last.n);
    assert_int_equal(figures().in_flight, 0);
    assert_int_equal(figures().open, 1);
}

static void test_one_connection_serves_one_exchange_after_the_other(void **state) {
    (void)state;
    SERVE({HELLO, STAY}, {CHUNKED, STAY}, {"HTTP/1.1 204 x\r\n\r\n", STAY}, {HELLO, STAY});
    struct asked a = {0};
    for (int i = 0; i < 8; i++) {
        ask_and_wait(&a);
        assert_int_equal(a.status, 0);
        assert_int_equal(a.body_n, i == 1 ? 11 : i == 2 ? 0 : 5);
    }
    assert_int_equal(server.accepted, 1);
    assert_int_equal(figures().connections_reused, 7);
}

static void test_a_reply_in_pieces_is_put_together(void **state) {
    (void)state;
    SERVE({CHUNKED, STAY, 1}, {HELLO, STAY, 3}, {"HTTP/1.0 200 OK\r\n\r\nto the end", END, 7});
    struct asked a = {0};
    ask_and_wait(&a);
    assert_string_equal(a.body, "hello world");
    ask_and_wait(&a);
    assert_int_equal(a.body_n, 5);
    ask_and_wait(&a);
    assert_string_equal(a.body, "to the end");
    assert_int_equal(server.accepted, 1);
    assert_int_equal(figures().open, 0);
}

static void test_a_burst_sends_its_first_request_before_its_last_connect(void **state) {
    (void)state;
    enum { N = 400 };
    SERVE({HELLO, STAY});
    struct sg_http_limits limits = {.connecting = 8};
    assert_int_equal(sg_http_open(loop, &limits, &client), 0);
    struct asked *all = calloc(N, sizeof *all);
    for (size_t i = 0; i < N; i++) ask(&all[i]);
    assert_int_equal(figures().waiting, N);
    sg_loop_run(loop);
    for (size_t i = 0; i < N; i++) assert_string_equal(all[i].body, "hello");
    assert_true(server.accepted_at_first_request <= 8 + 64);
    assert_int_equal(figures().waiting, 0);
    assert_true(figures().connections_opened + figures().connections_reused >= N);
    free(all);
}

static void test_a_reply_that_closes_makes_a_new_connection(void **state) {
    (void)state;
    SERVE({"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello", END});
    struct asked a = {0};
    ask_and_wait(&a);
    ask_and_wait(&a);
    assert_int_equal(a.status, 0);
    assert_int_equal(server.accepted, 2);
}

static void test_a_server_that_closed_an_idle_connection_goes_unnoticed(void **state) {
    (void)state;
    SERVE({HELLO, STAY}, {NULL, RESET}, {HELLO, STAY}, {NULL, END}, {HELLO, STAY});
    struct asked a = {0};
    for (int i = 0; i < 3; i++) {
        ask_and_wait(&a);
        assert_int_equal(a.status, 0);
    }
    assert_int_equal(server.requests, 5);
    assert_int_equal(server.accepted, 3);
}

static void test_a_second_try_is_the_last(void **state) {
    (void)state;
    SERVE({HELLO, STAY}, {NULL, RESET});
    struct asked a = {0};
    ask_and_wait(&a);
    ask_and_wait(&a);
    assert_int_equal(a.status, SG_E_RESET);
    assert_int_equal(server.requests, 3);
}

static void test_a_fresh_connection_that_breaks_is_an_error(void **state) {
    (void)state;
    SERVE({NULL, END}, {NULL, RESET});
    struct asked a = {0};
    ask_and_wait(&a);
    assert_int_equal(a.status, SG_E_RESET);
    ask_and_wait(&a);
    assert_int_equal(a.status, SG_E_RESET);
    assert_int_equal(server.requests, 2);
}

static void test_a_reply_that_began_is_not_asked_for_again(void **state) {
    (void)state;
    SERVE({HELLO, STAY}, {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", END}, {HELLO, STAY}, {"H", RESET, 1});
    struct asked a = {0};
    ask_and_wait(&a);
    ask_and_wait(&a);
    assert_int_equal(a.status, SG_E_RESET);
    assert_non_null(strstr(a.text, "3 bytes"));
    ask_and_wait(&a);
    ask_and_wait(&a);
    assert_int_equal(a.status, SG_E_RESET);
    assert_int_equal(server.requests, 4);
}

static void test_what_is_no_http_is_an_error(void **state) {
    (void)state;
    SERVE({"SSH-2.0-OpenSSH\r\n", STAY}, {"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", STAY});
    struct asked a = {0};
    ask_and_wait(&a);
    assert_int_equal(a.status, SG_E_PROTOCOL);
    ask_and_wait(&a);
    assert_int_equal(a.status, SG_E_LIMIT);
    assert_int_equal(figures().open, 0);
}

static void test_a_connection_with_left_over_bytes_is_not_used_again(void **state) {
    (void)state;
    SERVE({HELLO HELLO, STAY}, {HELLO, STAY});
    struct asked a = {0};
    ask_and_wait(&a);
    assert_string_equal(a.body, "hello");
    ask_and_wait(&a);
    assert_int_equal(server.accepted, 2);
}

static void test_an_idle_connection_that_speaks_is_closed(void **state) {
    (void)state;
    SERVE({HELLO, STAY});
    struct asked a = {0};
    ask_and_wait(&a);
    sg_stream_write(server.conns->s, "HTTP/1.1 408 Bye\r\n\r\n", 20);
    wait_ms(20);
    assert_int_equal(figures().open, 0);
    assert_int_equal(server.ended, 1);
}

static void test_an_old_idle_connection_is_not_used_again(void **state) {
    (void)state;
    SERVE({HELLO, STAY});
    struct sg_http_limits limits = {.idle_ms = 10};
    assert_int_equal(sg_http_open(loop, &limits, &client), 0);
    struct asked a = {0};
    ask_and_wait(&a);
    wait_ms(30);
    ask_and_wait(&a);
    assert_int_equal(server.accepted, 2);
    assert_int_equal(figures().open, 1);
}

static void test_no_answer_in_time_is_an_error(void **state) {
    (void)state;
    SERVE({NULL, STAY}, {HELLO, STAY});
    struct asked a = {.x = {.timeout_ms = 30}};
    ask_and_wait(&a);
    assert_int_equal(a.status, SG_E_TIMEOUT);
    assert_non_null(strstr(a.text, "30 ms"));
    assert_int_equal(figures().open, 0);
    ask_and_wait(&a);
    assert_int_equal(a.status, 0);
}

static void test_a_canceled_exchange_is_silent_in_every_state(void **state) {
    (void)state;
    SERVE({NULL, STAY});
    struct asked waiting = {0}, sent = {0}, failing = {.write_error = SG_E_LIMIT};
    ask(&waiting);
    sg_exchange_cancel(&waiting.x);
    sg_exchange_cancel(&waiting.x);
    ask(&sent);
    wait_ms(20);
    assert_int_equal(server.requests, 1);
    sg_exchange_cancel(&sent.x);
    ask(&failing);
    wait_ms(20);
    sg_exchange_cancel(&failing.x);
    assert_int_equal(waiting.done + sent.done, 0);
    assert_int_equal(failing.done, 1);
    wait_ms(20);
    assert_int_equal(server.ended, 1);
    assert_int_equal(figures().in_flight, 0);
}

static void test_a_request_that_cannot_be_written_fails_alone(void **state) {
    (void)state;
    SERVE({HELLO, STAY});
    struct asked good = {0}, bad = {.write_error = SG_E_LIMIT};
    ask(&bad);
    ask(&good);
    sg_loop_run(loop);
    assert_int_equal(bad.status, SG_E_LIMIT);
    assert_int_equal(good.status, 0);
    ask(&bad); /* now with a connection that waits */
    sg_exchange_cancel(&bad.x);
    ask(&good);
    expected = 1;
    sg_loop_run(loop);
    assert_int_equal(good.done, 2);
    assert_int_equal(bad.done, 1);
}

static void test_a_refused_connect_names_the_reason(void **state) {
    (void)state;
    SERVE({NULL, STAY});
    uint16_t port = sg_listener_port(server.listener);
    sg_listener_close(server.listener);
    server.listener = NULL;
    point_at("localhost", port);
    struct asked a[3] = {{.status = 0}};
    for (size_t i = 0; i < 3; i++) ask(&a[i]);
    sg_loop_run(loop);
    for (size_t i = 0; i < 3; i++) assert_int_equal(a[i].status, SG_E_CONNECT);
    assert_non_null(strstr(a[0].text, "cannot connect to localhost:"));
    assert_non_null(strstr(a[0].text, "refused"));
}

static void test_a_name_that_does_not_exist_is_named(void **state) {
    (void)state;
    point_at("no-such-host.invalid", 80);
    struct asked a = {0};
    ask_and_wait(&a);
    assert_int_equal(a.status, SG_E_RESOLVE);
    assert_non_null(strstr(a.text, "no-such-host.invalid"));
}

static void test_the_next_address_is_tried(void **state) {
    (void)state;
    static const struct step steps[] = {{HELLO, STAY, 0}};
    if (!listen_at("::1", steps, 1)) skip(); /* no IPv6 here */
    point_at("localhost", sg_listener_port(server.listener));
    struct asked a = {0};
    ask_and_wait(&a);
    assert_int_equal(a.status, 0);
    ask_and_wait(&a);
    assert_int_equal(a.status, 0);
}

static void test_a_large_request_is_sent_as_the_socket_takes_it(void **state) {
    (void)state;
    SERVE({HELLO, STAY});
    struct asked a = {.request_bytes = 20000000};
    ask_and_wait(&a);
    assert_int_equal(a.status, 0);
    assert_true(a.x.sent_ns > 0);
    assert_true(server.last.n > a.request_bytes);
    assert_int_equal(figures().bytes_out, server.last.n);
}

static void on_early_reply(struct sg_timer *t) {
    (void)t;
    struct sg_str text = SG_STR("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
    sg_stream_write(server.conns->s, text.p, text.n);
}

static void test_a_reply_before_the_end_of_the_request_counts(void **state) {
    (void)state;
    SERVE({HELLO, STAY});
    server.deaf = true;
    struct asked a = {.request_bytes = 20000000};
    struct sg_timer t = {.on_fire = on_early_reply};
    sg_timer_start(loop, &t, SG_MS(20));
    ask_and_wait(&a);
    assert_int_equal(a.status, 0);
    assert_int_equal(a.http, 413);
    assert_int_equal(a.x.sent_ns, 0);
    assert_int_equal(figures().open, 0);
}

static void close_client(struct asked *a) {
    (void)a;
    sg_http_close(client);
    client = NULL;
}

static void test_the_client_may_be_closed_in_a_callback(void **state) {
    (void)state;
    SERVE({CHUNKED, STAY, 9}, {NULL, STAY});
    struct asked a = {.then = close_client}, other = {0};
    ask(&a);
    ask(&other);
    expected = 1;
    sg_loop_run(loop);
    assert_string_equal(a.body, "hello world");
    wait_ms(10);
    assert_int_equal(other.done, 0);
}

static void ask_again(struct asked *a) {
    if (a->done < 1000) ask(a);
}

static void test_an_exchange_may_be_started_in_its_callback(void **state) {
    (void)state;
    SERVE({HELLO, STAY});
    struct asked a = {.then = ask_again}, b = {.then = ask_again};
    prepare(&a);
    prepare(&b);
    expected = 2;
    sg_exchange_start(&a.x);
    sg_exchange_start(&b.x);
    while (a.done < 1000 || b.done < 1000) sg_loop_run(loop);
    assert_int_equal(server.requests, 2000);
    assert_true(server.accepted <= 2);
}

/* No descriptor is free from now on; returns the limit to be set back. */
static struct rlimit use_up_descriptors(void) {
    struct rlimit was, low;
    getrlimit(RLIMIT_NOFILE, &was);
    low = was;
    int next = dup(0);
    close(next);
    low.rlim_cur = (rlim_t)next;
    setrlimit(RLIMIT_NOFILE, &low);
    return was;
}

static void test_out_of_descriptors_the_open_connections_serve_all(void **state) {
    (void)state;
    SERVE({HELLO, STAY});
    enum { N = 20 };
    struct asked *all = calloc(N, sizeof *all);
    ask_and_wait(&all[0]);
    struct rlimit was = use_up_descriptors();
    for (size_t i = 0; i < N; i++) ask(&all[i]);
    sg_loop_run(loop);
    setrlimit(RLIMIT_NOFILE, &was);
    for (size_t i = 0; i < N; i++) assert_int_equal(all[i].http, 200);
    assert_int_equal(server.accepted, 1);
    free(all);
}

static void test_out_of_descriptors_says_what_to_do(void **state) {
    (void)state;
    SERVE({HELLO, STAY});
    struct asked a = {0};
    struct rlimit was = use_up_descriptors();
    ask_and_wait(&a);
    setrlimit(RLIMIT_NOFILE, &was);
    assert_int_equal(a.status, SG_E_CONNECT);
    assert_non_null(strstr(a.text, "ulimit -n"));
}

static void test_the_same_origin_is_the_same_endpoint(void **state) {
    (void)state;
    assert_int_equal(sg_http_open(loop, NULL, &client), 0);
    point_at("Example.com", 80);
    struct sg_endpoint *one = sg_http_endpoint(client, &url, NULL);
    point_at("example.com", 80);
    assert_ptr_equal(sg_http_endpoint(client, &url, NULL), one);
    point_at("example.com", 81);
    assert_ptr_not_equal(sg_http_endpoint(client, &url, NULL), one);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_an_exchange_brings_the_reply),
        T(test_one_connection_serves_one_exchange_after_the_other),
        T(test_a_reply_in_pieces_is_put_together),
        T(test_a_burst_sends_its_first_request_before_its_last_connect),
        T(test_a_reply_that_closes_makes_a_new_connection),
        T(test_a_server_that_closed_an_idle_connection_goes_unnoticed),
        T(test_a_second_try_is_the_last),
        T(test_a_fresh_connection_that_breaks_is_an_error),
        T(test_a_reply_that_began_is_not_asked_for_again),
        T(test_what_is_no_http_is_an_error),
        T(test_a_connection_with_left_over_bytes_is_not_used_again),
        T(test_an_idle_connection_that_speaks_is_closed),
        T(test_an_old_idle_connection_is_not_used_again),
        T(test_no_answer_in_time_is_an_error),
        T(test_a_canceled_exchange_is_silent_in_every_state),
        T(test_a_request_that_cannot_be_written_fails_alone),
        T(test_a_refused_connect_names_the_reason),
        T(test_a_name_that_does_not_exist_is_named),
        T(test_the_next_address_is_tried),
        T(test_a_large_request_is_sent_as_the_socket_takes_it),
        T(test_a_reply_before_the_end_of_the_request_counts),
        T(test_the_client_may_be_closed_in_a_callback),
        T(test_an_exchange_may_be_started_in_its_callback),
        T(test_out_of_descriptors_the_open_connections_serve_all),
        T(test_out_of_descriptors_says_what_to_do),
        T(test_the_same_origin_is_the_same_endpoint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
