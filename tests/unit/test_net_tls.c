/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about exchanges over TLS, against a server in the same loop whose certificates tests/certificates.sh makes. The
 * server is this program's own layer; independent peers are in tests/e2e/tls.py. */
#include "net/tls_parts.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>
/* cmocka wants the one with jumps before it */
#include <cmocka.h>

static char folder[] = "/tmp/sygra-tls-XXXXXX";

static const char *in_folder(const char *name) {
    static char paths[8][128];
    static unsigned turn;
    char *path = paths[turn++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

/* --- the server --------------------------------------------------------------------------------------------------- */

enum manner {
    ANSWER,           /* "hello" for each request */
    ANSWER_LONG,      /* LONG bytes */
    TO_THE_END,       /* a reply without length, and a good-bye */
    TO_THE_CUT,       /* the same without a good-bye */
    CUT_AFTER_ANSWER, /* a whole reply; then the connection ends without a good-bye */
    CUT_SECOND,       /* the second request of a connection is read and the connection cut */
    CUT_HANDSHAKE,    /* what comes first is read and the connection cut */
    SILENT,           /* nothing is ever read */
    PLAIN,            /* answers in HTTP without TLS */
    ALERT,            /* says in TLS that it understood nothing */
};
#define LONG ((size_t)3 << 20)

struct peer {
    struct sg_stream *s, *under;
    struct peer *next;
    struct sg_buf out;
    size_t sent, got;
    unsigned requests;
    char last;
};

static struct {
    struct sg_listener *listener;
    struct sg_tls *tls;
    struct peer *peers;
    enum manner manner;
    size_t accepted, requests, piece;
} server;

static struct sg_loop *loop;
static struct sg_http_client *client;
static struct sg_tls_trust trust;
static struct sg_arena arena;
static struct sg_url url;
static size_t expected;

static void leave(struct peer *p, bool good_bye) {
    struct sg_stream *s = p->s;
    p->s = NULL;
    if (s && !good_bye && server.tls) ((struct sg_tls_stream *)s)->dead = true;
    sg_stream_close(s);
}

static void push_out(struct peer *p) {
    if (p->sent == p->out.n) return;
    ssize_t n = sg_stream_write(p->s, p->out.p + p->sent, p->out.n - p->sent);
    if (n < 0)
        leave(p, true);
    else if ((p->sent += (size_t)n) == p->out.n)
        sg_buf_reset(&p->out, 1 << 20), p->sent = 0;
}

static void on_room(void *ud) {
    push_out(ud);
}

static void answer(struct peer *p) {
    p->requests++;
    server.requests++;
    enum manner m = server.manner;
    if (m == CUT_SECOND && p->requests > 1) {
        leave(p, false);
        return;
    }
    bool until_end = m == TO_THE_END || m == TO_THE_CUT;
    size_t n = m == ANSWER_LONG ? LONG : 5;
    SG_BUF_LIT(&p->out, "HTTP/1.1 200 OK\r\n");
    if (until_end) SG_BUF_LIT(&p->out, "Connection: close\r\n\r\n");
    else sg_buf_printf(&p->out, "Content-Length: %zu\r\n\r\n", n);
    for (size_t i = 0; i < n; i++) sg_buf_ch(&p->out, "hello"[i % 5]);
    push_out(p);
    if (until_end || m == CUT_AFTER_ANSWER) leave(p, m == TO_THE_END);
}

/* Requests end in '}'. */
static void on_request(void *ud, const char *bytes, size_t n, int status) {
    struct peer *p = ud;
    (void)status;
    if (n && server.manner == PLAIN) sg_stream_write(p->s, "HTTP/1.1 400 Bad Request\r\n\r\n", 28);
    if (n && server.manner == ALERT) sg_stream_write(p->s, "\x15\x03\x01\x00\x02\x02\x46", 7);
    if (n == 0 || server.manner >= CUT_HANDSHAKE) {
        leave(p, true);
        return;
    }
    p->got += n;
    if (bytes[n - 1] == '}') answer(p);
}

static const struct sg_stream_events SERVER = {.on_data = on_request, .on_room = on_room};

static void on_accept(void *ud, struct sg_stream *s) {
    (void)ud;
    struct peer *p = calloc(1, sizeof *p);
    p->next = server.peers;
    p->under = s;
    p->s = server.tls ? sg_tls_accept(server.tls, s) : s;
    p->out.max = LONG * 2;
    server.peers = p;
    server.accepted++;
    sg_stream_adopt(p->s, &SERVER, p);
    sg_stream_pause(s, server.manner == SILENT);
}

/* Under the name `host`. */
static void serve(enum manner manner, const char *certificate, const char *host) {
    struct sg_err err;
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sg_address at = {.n = sizeof v4};
    memcpy(at.bytes, &v4, sizeof v4);
    server.manner = manner;
    if (manner < CUT_HANDSHAKE) {
        const char *cert = sg_str_printf(&arena, "%s/%s.pem", folder, certificate).p;
        const char *key = sg_str_printf(&arena, "%s/%s.key", folder, certificate).p;
        if (sg_tls_open_server(loop, cert, key, &server.tls, &err) != 0) fail_msg("%s", err.text);
    }
    assert_int_equal(sg_listen(loop, &at, on_accept, NULL, &server.listener, &err), 0);
    struct sg_str text = sg_str_printf(&arena, "https://%s:%u/v1/x", host, sg_listener_port(server.listener));
    assert_int_equal(sg_url_parse(&arena, text, &url, &err), 0);
}

static int set_up(void **state) {
    (void)state;
    memset(&server, 0, sizeof server);
    expected = 0;
    trust = (struct sg_tls_trust){.ca = sg_str(in_folder("ca.pem"))};
    return sg_loop_open_uv(&loop, 1, NULL);
}

static int tear_down(void **state) {
    (void)state;
    sg_http_close(client);
    client = NULL;
    sg_listener_close(server.listener);
    for (struct peer *p; (p = server.peers) != NULL; free(p)) {
        server.peers = p->next;
        leave(p, true);
        sg_buf_fini(&p->out);
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
    char body[16], text[SG_ERR_TEXT];
    bool closes; /* the client, when it is done */
};

static int write_request(struct sg_exchange *x, struct sg_buf *out) {
    struct asked *a = x->ud;
    size_t mark = sg_http_request_head(out, &url, SG_STR(""));
    memset(sg_buf_reserve(out, a->request_bytes), 'x', a->request_bytes);
    out->n += a->request_bytes;
    sg_buf_ch(out, '}');
    sg_http_request_end(out, mark);
    return 0;
}

static void on_done(struct sg_exchange *x, int status, const struct sg_http_reply *reply, const struct sg_err *err) {
    struct asked *a = x->ud;
    a->done++;
    a->status = status;
    a->body_n = reply ? reply->body.n : 0;
    if (reply) memcpy(a->body, reply->body.p, a->body_n < 15 ? a->body_n : 15);
    if (err) memcpy(a->text, err->text, sizeof a->text);
    if (--expected == 0) sg_loop_stop(loop);
    if (a->closes) {
        sg_http_close(client);
        client = NULL;
    }
}

static void ask(struct asked *a) {
    if (!client) assert_int_equal(sg_http_open(loop, NULL, &client), 0);
    a->x.endpoint = sg_http_endpoint(client, &url, &trust);
    assert_non_null(a->x.endpoint);
    a->x.write = write_request;
    a->x.on_done = on_done;
    a->x.ud = a;
    expected++;
    sg_exchange_start(&a->x);
}

static struct asked ask_and_wait(void) {
    struct asked a = {0};
    ask(&a);
    sg_loop_run(loop);
    assert_int_equal(a.done, 1);
    return a;
}

static struct asked *ask_at_once(size_t n) {
    struct asked *all = calloc(n, sizeof *all);
    for (size_t i = 0; i < n; i++) ask(&all[i]);
    sg_loop_run(loop);
    return all;
}

static struct sg_http_figures figures(void) {
    struct sg_http_figures f;
    sg_http_figures(client, &f);
    return f;
}

static void assert_says(const struct asked *a, int status, const char *words) {
    if (a->status != status || !strstr(a->text, words)) fail_msg("%d, \"%s\", and not \"%s\"", a->status, a->text, words);
}

static void test_an_exchange_over_tls_brings_the_reply(void **state) {
    (void)state;
    serve(ANSWER, "good", "localhost");
    for (int i = 0; i < 3; i++) {
        struct asked a = ask_and_wait();
        if (a.status) fail_msg("%s", a.text);
        assert_string_equal(a.body, "hello");
    }
    assert_int_equal(server.accepted, 1);
    assert_int_equal(figures().handshakes, 1);
}

static void test_a_long_request_and_a_long_reply_come_whole(void **state) {
    (void)state;
    serve(ANSWER_LONG, "chain", "127.0.0.1");
    struct asked a = {.request_bytes = 5 << 20};
    ask(&a);
    sg_loop_run(loop);
    if (a.status) fail_msg("%s", a.text);
    assert_int_equal(a.body_n, LONG);
    assert_true(server.peers->got > 5 << 20);
}

static void test_what_is_closed_in_a_callback_is_not_touched_again(void **state) {
    (void)state;
    serve(ANSWER, "good", "localhost");
    struct asked a = {.closes = true};
    ask(&a);
    sg_loop_run(loop);
    assert_int_equal(a.done, 1);
}

/* --- sessions ------------------------------------------------------------------------------------------------------ */

static void later_connections_resume(int version) {
    serve(ANSWER, "good", "localhost");
    SSL_CTX_set_max_proto_version(server.tls->ctx, version);
    ask_and_wait();
    free(ask_at_once(20));
    assert_true(server.accepted > 2);
    assert_int_equal(figures().handshakes, server.accepted);
    assert_int_equal(figures().resumed, server.accepted - 1);
}

static void test_connections_after_the_first_resume_its_session(void **state) {
    (void)state;
    later_connections_resume(TLS1_3_VERSION);
}

static void test_sessions_of_tls_1_2_are_resumed_too(void **state) {
    (void)state;
    later_connections_resume(TLS1_2_VERSION);
}

static void test_an_endpoint_that_is_not_checked_shares_nothing_with_one_that_is(void **state) {
    (void)state;
    serve(ANSWER, "self", "localhost");
    trust.unchecked = true;
    assert_int_equal(ask_and_wait().status, 0);
    trust.unchecked = false;
    assert_int_equal(ask_and_wait().status, SG_E_TLS);
}

/* --- the load of handshakes ----------------------------------------------------------------------------------------- */

static struct sg_timer each_turn;
static uint64_t seen, most;

static void on_turn(struct sg_timer *t) {
    uint64_t now = figures().handshakes;
    if (now - seen > most) most = now - seen;
    seen = now;
    sg_timer_start(loop, t, 0);
}

static void test_a_turn_of_the_loop_computes_a_bounded_number_of_handshakes(void **state) {
    (void)state;
    enum { N = 500 };
    serve(ANSWER, "good", "localhost");
    assert_int_equal(sg_http_open(loop, NULL, &client), 0);
    each_turn = (struct sg_timer){.on_fire = on_turn};
    seen = most = 0;
    sg_timer_start(loop, &each_turn, 0);
    struct asked *all = ask_at_once(N);
    sg_timer_stop(loop, &each_turn);
    for (size_t i = 0; i < N; i++)
        if (all[i].status) fail_msg("%s", all[i].text);
    free(all);
    assert_true(figures().handshakes > 64);
    assert_in_range(most, 1, 32);
}

/* --- ends ------------------------------------------------------------------------------------------------------------ */

static void test_a_reply_without_length_needs_the_good_bye(void **state) {
    (void)state;
    serve(TO_THE_END, "good", "localhost");
    struct asked a = ask_and_wait();
    assert_int_equal(a.status, 0);
    assert_string_equal(a.body, "hello");
    server.manner = TO_THE_CUT;
    a = ask_and_wait();
    assert_says(&a, SG_E_RESET, "without TLS's good-bye");
}

static void test_a_server_that_ends_after_a_whole_reply_does_no_harm(void **state) {
    (void)state;
    serve(CUT_AFTER_ANSWER, "good", "localhost");
    for (int i = 0; i < 4; i++) assert_int_equal(ask_and_wait().status, 0);
    assert_int_equal(server.accepted, 4);
}

static void test_a_server_that_closes_as_we_send_goes_unnoticed(void **state) {
    (void)state;
    serve(CUT_SECOND, "good", "localhost");
    for (int i = 0; i < 3; i++) assert_int_equal(ask_and_wait().status, 0);
    assert_int_equal(server.accepted, 3);
    assert_int_equal(server.requests, 5);
}

static void test_a_handshake_that_is_cut_may_be_tried_again(void **state) {
    (void)state;
    serve(CUT_HANDSHAKE, NULL, "127.0.0.1");
    struct asked a = ask_and_wait();
    assert_says(&a, SG_E_RESET, "closed in the middle of the TLS handshake");
    assert_true(sg_error_retryable(a.status));
}

/* localhost has two addresses, and nobody listens at the other one. */
static void test_what_went_wrong_at_one_address_is_not_hidden_by_the_next(void **state) {
    (void)state;
    serve(ANSWER, "expired", "localhost");
    for (int i = 0; i < 4; i++) {
        struct asked a = ask_and_wait();
        assert_says(&a, SG_E_TLS, "expired on 2020-01-01");
    }
    assert_int_equal(server.accepted, 4);
}

static void test_a_handshake_has_a_time_out(void **state) {
    (void)state;
    serve(SILENT, NULL, "127.0.0.1");
    assert_int_equal(sg_http_open(loop, &(struct sg_http_limits){.connect_ms = 50}, &client), 0);
    struct asked a = ask_and_wait();
    assert_says(&a, SG_E_TIMEOUT, "the TLS handshake was not over after 50 ms");
}

static void test_a_handshake_can_be_cancelled(void **state) {
    (void)state;
    serve(SILENT, NULL, "127.0.0.1");
    struct asked a = {0}, b = {0};
    ask(&a);
    ask(&b);
    b.x.timeout_ms = 20;
    sg_exchange_cancel(&b.x);
    sg_exchange_start(&b.x);
    expected = 1;
    sg_loop_run(loop);
    assert_int_equal(b.status, SG_E_TIMEOUT);
    sg_exchange_cancel(&a.x);
    assert_int_equal(a.done, 0);
}

/* --- mistakes -------------------------------------------------------------------------------------------------------- */

static void test_a_server_without_tls_is_named(void **state) {
    (void)state;
    serve(PLAIN, NULL, "127.0.0.1");
    struct asked a = ask_and_wait();
    assert_says(&a, SG_E_TLS, "does not speak TLS, its first words are \"HTTP/1.1 400 Bad Req\": write http://");
}

static void point_at_plain_http(void) {
    struct sg_str text = sg_str_printf(&arena, "http://127.0.0.1:%u/v1/x", sg_listener_port(server.listener));
    assert_int_equal(sg_url_parse(&arena, text, &url, NULL), 0);
}

static void test_plain_http_to_a_tls_server_is_named(void **state) {
    (void)state;
    serve(ALERT, NULL, "127.0.0.1");
    point_at_plain_http();
    struct asked a = ask_and_wait();
    assert_says(&a, SG_E_TLS, "speaks TLS: write https:// in the url");
}

static void test_our_own_server_answers_plain_http_with_words(void **state) {
    (void)state;
    serve(ANSWER, "good", "127.0.0.1");
    point_at_plain_http();
    struct asked a = ask_and_wait();
    assert_int_equal(a.status, 0);
    assert_string_equal(a.body, "This port speak");
}

static void test_a_certificate_is_refused_with_the_reason(void **state) {
    (void)state;
    static const struct {
        const char *certificate, *host, *words; /* NULL: accepted */
    } cases[] = {
        {"good", "localhost", NULL},
        {"good", "localhost.", NULL},
        {"good", "127.0.0.1", NULL},
        {"chain", "localhost", NULL},
        {"elsewhere", "localhost", "is for one.example, two.example, 192.0.2.1 and not for localhost"},
        {"elsewhere", "127.0.0.1", "and not for 127.0.0.1"},
        {"expired", "localhost", "expired on 2020-01-01"},
        {"early", "localhost", "is valid from 2090-01-01 on only"},
        {"self", "localhost", "is signed by itself"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        serve(ANSWER, cases[i].certificate, cases[i].host);
        struct asked a = ask_and_wait();
        if (cases[i].words) {
            assert_says(&a, SG_E_TLS, cases[i].words);
            assert_non_null(strstr(a.text, sg_str_printf(&arena, "%s:%u", cases[i].host, url.port).p));
        } else if (a.status) {
            fail_msg("%s for %s: %s", cases[i].certificate, cases[i].host, a.text);
        }
        tear_down(NULL);
        set_up(NULL);
    }
}

static void test_trust_is_what_was_named_and_nothing_else(void **state) {
    (void)state;
    static const struct {
        const char *ca, *file, *dir, *certificate, *words; /* NULL: accepted */
    } cases[] = {
        {"ca.pem", NULL, NULL, "good", NULL},
        {"other.pem", NULL, NULL, "good", "an authority that is not known here (ca of the tests)"},
        {"other.pem", "ca.pem", NULL, "good", "an authority that is not known here"},
        {NULL, "ca.pem", NULL, "good", NULL},
        {NULL, NULL, "authorities", "good", NULL},
        {NULL, "other.pem", "authorities", "good", NULL},
        {"authorities", NULL, NULL, "good", NULL},
        {"self.pem", NULL, NULL, "self", NULL},
        {"below.pem", NULL, NULL, "chain", NULL},
        {NULL, NULL, NULL, "good", "name the authority's certificate in `ssl_ca`"},
        {"none.pem", NULL, NULL, "good", "ssl_ca: cannot read"},
        {"good.key", NULL, NULL, "good", "holds no certificate"},
        {NULL, "broken.pem", NULL, "good", "certificate 1 cannot be read"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        trust = (struct sg_tls_trust){0};
        if (cases[i].ca) trust.ca = sg_str_dup(&arena, sg_str(in_folder(cases[i].ca)));
        if (cases[i].file) trust.system_file = sg_str_dup(&arena, sg_str(in_folder(cases[i].file)));
        if (cases[i].dir) trust.system_dir = sg_str_dup(&arena, sg_str(in_folder(cases[i].dir)));
        serve(ANSWER, cases[i].certificate, "localhost");
        struct asked a = ask_and_wait();
        if (cases[i].words)
            assert_says(&a, SG_E_TLS, cases[i].words);
        else if (a.status)
            fail_msg("%zu: %s", i, a.text);
        tear_down(NULL);
        set_up(NULL);
    }
}

static void test_a_server_that_wants_a_client_certificate_gets_it(void **state) {
    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        serve(ANSWER, "good", "localhost");
        SSL_CTX_set_max_proto_version(server.tls->ctx, version);
        SSL_CTX_set_verify(server.tls->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
        SSL_CTX_load_verify_file(server.tls->ctx, in_folder("ca.pem"));
        SSL_CTX_set_session_id_context(server.tls->ctx, (const unsigned char *)"t", 1);
        struct asked a = ask_and_wait();
        assert_true(a.status != 0);
        trust.cert = sg_str(in_folder("client.pem"));
        a = ask_and_wait();
        if (a.status) fail_msg("%s", a.text);
        trust.cert = sg_str(in_folder("good.pem"));
        a = ask_and_wait();
        assert_says(&a, SG_E_TLS, "ssl_cert, the certificate and key of this client: ");
        assert_non_null(strstr(a.text, "holds no private key"));
        tear_down(NULL);
        set_up(NULL);
    }
}

static void test_a_server_needs_a_key_that_fits(void **state) {
    (void)state;
    struct sg_tls *t;
    struct sg_err err;
    assert_int_equal(sg_tls_open_server(loop, in_folder("good.pem"), in_folder("ca.key"), &t, &err), SG_E_TLS);
    assert_non_null(strstr(err.text, "does not belong to the certificate"));
    assert_int_equal(sg_tls_open_server(loop, in_folder("good.pem"), in_folder("locked.key"), &t, &err), SG_E_TLS);
    assert_non_null(strstr(err.text, "it must not have a pass phrase"));
}

static int make_certificates(void **state) {
    (void)state;
    char command[512];
    if (!mkdtemp(folder)) return -1;
    snprintf(command, sizeof command,
             "tests/certificates.sh %s && cd %s && mkdir authorities && cp ca.pem authorities/ && echo x >authorities/x.pem && "
             "(echo '-----BEGIN CERTIFICATE-----'; echo AAAA; echo '-----END CERTIFICATE-----') >broken.pem && "
             "openssl pkey -in good.key -aes256 -passout pass:secret -out locked.key",
             folder, folder);
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
        T(test_an_exchange_over_tls_brings_the_reply),
        T(test_a_long_request_and_a_long_reply_come_whole),
        T(test_what_is_closed_in_a_callback_is_not_touched_again),
        T(test_connections_after_the_first_resume_its_session),
        T(test_sessions_of_tls_1_2_are_resumed_too),
        T(test_an_endpoint_that_is_not_checked_shares_nothing_with_one_that_is),
        T(test_a_turn_of_the_loop_computes_a_bounded_number_of_handshakes),
        T(test_a_reply_without_length_needs_the_good_bye),
        T(test_a_server_that_ends_after_a_whole_reply_does_no_harm),
        T(test_a_server_that_closes_as_we_send_goes_unnoticed),
        T(test_a_handshake_that_is_cut_may_be_tried_again),
        T(test_what_went_wrong_at_one_address_is_not_hidden_by_the_next),
        T(test_a_handshake_has_a_time_out),
        T(test_a_handshake_can_be_cancelled),
        T(test_a_server_without_tls_is_named),
        T(test_plain_http_to_a_tls_server_is_named),
        T(test_our_own_server_answers_plain_http_with_words),
        T(test_a_certificate_is_refused_with_the_reason),
        T(test_trust_is_what_was_named_and_nothing_else),
        T(test_a_server_that_wants_a_client_certificate_gets_it),
        T(test_a_server_needs_a_key_that_fits),
    };
    return cmocka_run_group_tests(tests, make_certificates, remove_certificates);
}
