/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about the reader of replies. Each reply is read whole, in every split into two pieces, and byte by byte. */
#include "net/http1_parse.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants the three before it */
#include <cmocka.h>

struct outcome {
    int rc; /* 1: complete, 0: not, or SG_E_* */
    int status;
    bool keep_alive;
    size_t rest; /* bytes behind the reply */
    char body[512], type[64], why[SG_ERR_TEXT];
};

static void copy(char *to, size_t room, struct sg_str s) {
    assert_true(s.n < room);
    memcpy(to, s.p, s.n);
    to[s.n] = '\0';
}

/* Every piece is a block of its own, so that a sanitizer sees a step over its end. */
static int take(struct sg_http1 *h, const char *p, size_t n, size_t *used, struct sg_err *err, char **piece) {
    *piece = malloc(n);
    memcpy(*piece, p, n);
    int rc = sg_http1_take(h, *piece, n, used, err);
    return rc;
}

static struct outcome read_in(const char *text, size_t n, size_t first, size_t step, bool end, size_t body_max) {
    struct outcome o = {0};
    struct sg_err err = {0};
    struct sg_http1 h = {.head_max = 1000, .body_max = body_max};
    sg_http1_begin(&h);
    size_t at = 0, used = 0;
    while (at < n && o.rc == 0) {
        size_t len = at == 0 && first ? first : step;
        if (len > n - at) len = n - at;
        char *piece;
        o.rc = take(&h, text + at, len, &used, &err, &piece);
        if (o.rc == 0) assert_int_equal(used, len);
        at += used;
        if (o.rc <= 0) free(piece);
        if (o.rc <= 0) continue;
        copy(o.body, sizeof o.body, h.body);
        copy(o.type, sizeof o.type, h.content_type);
        free(piece);
    }
    o.rest = n - at;
    if (o.rc == 0 && end) {
        o.rc = sg_http1_end(&h, &err);
        if (o.rc > 0) copy(o.body, sizeof o.body, h.body);
    }
    if (o.rc > 0) {
        o.status = h.status;
        o.keep_alive = h.keep_alive;
    }
    memcpy(o.why, err.text, sizeof o.why);
    sg_http1_fini(&h);
    return o;
}

static void check_same(const struct outcome *a, const struct outcome *b) {
    assert_int_equal(a->rc, b->rc);
    assert_int_equal(a->status, b->status);
    assert_int_equal(a->keep_alive, b->keep_alive);
    if (a->rc > 0) assert_int_equal(a->rest, b->rest);
    assert_string_equal(a->body, b->body);
}

static struct outcome read_n(const char *text, size_t n, bool end) {
    struct outcome whole = read_in(text, n, 0, n, end, 400);
    for (size_t first = 1; first < n; first++) {
        struct outcome split = read_in(text, n, first, n, end, 400);
        check_same(&whole, &split);
    }
    struct outcome bytes = read_in(text, n, 0, 1, end, 400);
    check_same(&whole, &bytes);
    return whole;
}

static struct outcome reading(const char *text, bool end) {
    return read_n(text, strlen(text), end);
}

static void expect(const char *text, int status, const char *body, bool keep_alive) {
    struct outcome o = reading(text, false);
    assert_int_equal(o.rc, 1);
    assert_int_equal(o.status, status);
    assert_string_equal(o.body, body);
    assert_int_equal(o.keep_alive, keep_alive);
}

static void refused(const char *text, int code, const char *why) {
    struct outcome o = reading(text, false);
    assert_int_equal(o.rc, code);
    if (!strstr(o.why, why)) fail_msg("'%s' is not in '%s'", why, o.why);
}

#define OK "HTTP/1.1 200 OK\r\n"

static void test_a_body_has_the_length_that_is_said(void **state) {
    (void)state;
    expect(OK "Content-Length: 5\r\n\r\nhello", 200, "hello", true);
    expect(OK "content-length:\t5 \r\n\r\nhello", 200, "hello", true);
    expect(OK "Content-Length: 0\r\n\r\n", 200, "", true);
    expect(OK "Content-Length: 005\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", true);
    struct outcome o = reading(OK "Content-Type: a/b; c=d\r\nContent-Length: 2\r\n\r\nhi!!", false);
    assert_int_equal(o.rest, 2);
    assert_string_equal(o.type, "a/b; c=d");
}

static void test_chunks_are_put_together(void **state) {
    (void)state;
    expect(OK "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA;x=y;z=\"1 2\"\r\n, world 10\r\n0\r\n\r\n", 200,
           "hello, world 10", true);
    expect(OK "Transfer-Encoding: Chunked\r\n\r\n00003 \r\nabc\r\n0\r\nTrailer: x\r\nOther: y\r\n\r\n", 200, "abc", true);
    expect(OK "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n", 200, "", false);
}

static void test_broken_chunks_are_refused(void **state) {
    (void)state;
    static const char *const BODIES[] = {"g\r\n",          "\r\n",         ";x\r\n",      "5\n",
                                         "5\r\nhelloX",    "5\r\nhello\n", "-1\r\n",      "0x5\r\n",
                                         "1234567890abcdef\r\n", "5 5\r\n", "3\r\nabc\r\n0\r\n\r\r", "0\r\nA\x01" "b\r\n\r\n",
                                         "2;a\x01\r\n"};
    for (size_t i = 0; i < sizeof BODIES / sizeof *BODIES; i++) {
        char text[256];
        snprintf(text, sizeof text, OK "Transfer-Encoding: chunked\r\n\r\n%s", BODIES[i]);
        struct outcome o = reading(text, false);
        assert_int_equal(o.rc, SG_E_PROTOCOL);
    }
}

static void test_without_length_the_body_ends_with_the_connection(void **state) {
    (void)state;
    struct outcome o = reading(OK "\r\nall there is", true);
    assert_int_equal(o.rc, 1);
    assert_string_equal(o.body, "all there is");
    assert_false(o.keep_alive);
    o = reading("HTTP/1.0 200 OK\r\n\r\n", true);
    assert_int_equal(o.rc, 1);
    assert_string_equal(o.body, "");
}

static void test_an_early_end_is_an_error(void **state) {
    (void)state;
    static const char *const TEXTS[] = {"", "HTTP/1.1 200", OK, OK "Content-Length: 5\r\n\r\nhell",
                                        OK "Transfer-Encoding: chunked\r\n\r\n4\r\nhell",
                                        OK "Transfer-Encoding: chunked\r\n\r\n4\r\nhell\r\n0\r\n",
                                        "HTTP/1.1 100 Continue\r\n\r\n"};
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++)
        assert_int_equal(reading(TEXTS[i], true).rc, SG_E_RESET);
}

static void test_204_and_304_have_no_body(void **state) {
    (void)state;
    expect("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204, "", true);
    expect("HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", 304, "", true);
    assert_int_equal(reading("HTTP/1.1 204 No Content\r\n\r\nHTTP", false).rest, 4);
}

static void test_interim_replies_are_skipped(void **state) {
    (void)state;
    expect("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" OK "Content-Length: 2\r\n\r\nok", 200,
           "ok", true);
    expect("HTTP/1.1 100 \r\n\r\nHTTP/1.1 204 \r\n\r\n", 204, "", true);
    refused("HTTP/1.1 101 Switching\r\n\r\n", SG_E_PROTOCOL, "protocols");
}

static void test_keep_alive_follows_version_and_connection(void **state) {
    (void)state;
    expect(OK "Connection: Close\r\nContent-Length: 0\r\n\r\n", 200, "", false);
    expect(OK "Connection: foo, close ,bar\r\nContent-Length: 0\r\n\r\n", 200, "", false);
    expect("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", false);
    expect("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", 200, "", true);
}

static void test_status_lines_are_strict(void **state) {
    (void)state;
    expect("HTTP/1.1 500\r\nContent-Length: 0\r\n\r\n", 500, "", true);
    expect("HTTP/1.1 429 \xC3\xA9\r\nContent-Length: 0\r\n\r\n", 429, "", true);
    static const char *const LINES[] = {"HTTP/2.0 200 OK",  "HTTP/1.2 200 OK", "http/1.1 200 OK",   "HTTP/1.1  200 OK",
                                        "HTTP/1.1 20 OK",   "HTTP/1.1 2000",   "HTTP/1.1 099 x",    "HTTP/1.1 600 x",
                                        "HTTP/1.1 2x0 OK",  "",                "<html>",            "HTTP/1.1 200 O\x01K",
                                        "HTTP/1.1 200 O\rK"};
    for (size_t i = 0; i < sizeof LINES / sizeof *LINES; i++) {
        char text[128];
        snprintf(text, sizeof text, "%s\r\nContent-Length: 0\r\n\r\n", LINES[i]);
        assert_int_equal(reading(text, false).rc, SG_E_PROTOCOL);
    }
}

static void test_header_lines_are_strict(void **state) {
    (void)state;
    refused(OK "A: b\r\n c\r\n\r\n", SG_E_PROTOCOL, "folded");
    refused(OK "A : b\r\n\r\n", SG_E_PROTOCOL, "proper name");
    refused(OK ": b\r\n\r\n", SG_E_PROTOCOL, "proper name");
    refused(OK "A b\r\n\r\n", SG_E_PROTOCOL, "proper name");
    refused(OK "A: b\x01\r\n\r\n", SG_E_PROTOCOL, "control");
    refused(OK "A: b\rc\r\n\r\n", SG_E_PROTOCOL, "control");
    refused(OK "A: b\n\r\n", SG_E_PROTOCOL, "CR LF");
    refused("HTTP/1.1 200 OK\nContent-Length: 0\n\n", SG_E_PROTOCOL, "CR LF");
    struct outcome o = read_n(OK "A: b\0c\r\n\r\n", sizeof OK "A: b\0c\r\n\r\n" - 1, false);
    assert_int_equal(o.rc, SG_E_PROTOCOL);
    expect(OK "A:\r\nB: \xFF\tx\r\nContent-Length: 0\r\n\r\n", 200, "", true);
}

static void test_framing_that_can_be_read_in_two_ways_is_refused(void **state) {
    (void)state;
    refused(OK "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", SG_E_PROTOCOL, "different");
    refused(OK "Content-Length: 5, 5\r\n\r\n", SG_E_PROTOCOL, "no number");
    refused(OK "Content-Length: -5\r\n\r\n", SG_E_PROTOCOL, "no number");
    refused(OK "Content-Length: +5\r\n\r\n", SG_E_PROTOCOL, "no number");
    refused(OK "Content-Length: \r\n\r\n", SG_E_PROTOCOL, "no number");
    refused(OK "Content-Length: 99999999999999999999\r\n\r\n", SG_E_PROTOCOL, "no number");
    refused(OK "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", SG_E_PROTOCOL, "both");
    refused(OK "Transfer-Encoding: gzip, chunked\r\n\r\n", SG_E_PROTOCOL, "Transfer-Encoding");
    refused(OK "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", SG_E_PROTOCOL, "Transfer-Encoding");
    refused("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", SG_E_PROTOCOL, "HTTP/1.0");
    refused(OK "Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\n", SG_E_PROTOCOL, "compressed");
}

static void test_limits_hold(void **state) {
    (void)state;
    char text[4096];
    refused(OK "Content-Length: 401\r\n\r\n", SG_E_LIMIT, "401");
    snprintf(text, sizeof text, OK "A: %01000d\r\n\r\n", 0);
    refused(text, SG_E_LIMIT, "head");
    snprintf(text, sizeof text, OK "\r\n%0401d", 0);
    refused(text, SG_E_LIMIT, "400");
    snprintf(text, sizeof text, OK "Transfer-Encoding: chunked\r\n\r\n191\r\n%0401d", 0);
    refused(text, SG_E_LIMIT, "400");
    snprintf(text, sizeof text, OK "A: %01000d\n", 0); /* what is behind the limit does not count */
    refused(text, SG_E_LIMIT, "head");
    snprintf(text, sizeof text, "<html>%01000d\r\n\r\n", 0);
    refused(text, SG_E_PROTOCOL, "status line");
    text[0] = '\0';
    for (int i = 0; i < 50; i++) strcat(text, "HTTP/1.1 100 Continue\r\n\r\n");
    refused(text, SG_E_LIMIT, "head");
}

static void test_endless_extensions_are_refused(void **state) {
    (void)state;
    enum { N = 300000 };
    char *text = malloc(N), head[] = OK "Transfer-Encoding: chunked\r\n\r\n1;";
    memset(text, 'x', N);
    memcpy(text, head, sizeof head - 1);
    assert_int_equal(read_in(text, N, 0, N, false, 400).rc, SG_E_PROTOCOL);
    free(text);
}

static void test_retry_after_is_seconds_or_a_date(void **state) {
    (void)state;
    struct sg_str none = SG_STR_NONE;
    int64_t now = 784111777; /* Sun, 06 Nov 1994 08:49:37 GMT */
    assert_int_equal(sg_http1_retry_after(SG_STR("2"), none, now), 2000);
    assert_int_equal(sg_http1_retry_after(SG_STR("0.25"), none, now), 250);
    assert_int_equal(sg_http1_retry_after(SG_STR("9999"), none, now), 9999000);
    assert_int_equal(sg_http1_retry_after(SG_STR("7"), SG_STR("30"), now), 30);
    assert_int_equal(sg_http1_retry_after(SG_STR("7"), SG_STR("x"), now), 7000);
    assert_int_equal(sg_http1_retry_after(SG_STR("Sun, 06 Nov 1994 08:49:40 GMT"), none, now), 3000);
    assert_int_equal(sg_http1_retry_after(SG_STR("Sunday, 06-Nov-94 08:49:40 GMT"), none, now), 3000);
    assert_int_equal(sg_http1_retry_after(SG_STR("Sun Nov  6 08:49:40 1994"), none, now), 3000);
    assert_int_equal(sg_http1_retry_after(SG_STR("Sun, 06 Nov 1994 08:49:30 GMT"), none, now), 0);
    static const char *const BAD[] = {"", "-1", "soon", "1e3", "Sun, 06 Foo 1994 08:49:37 GMT", "99 Nov 1994", "1.", ".5"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        assert_int_equal(sg_http1_retry_after(sg_str(BAD[i]), none, now), -1);
    assert_true(sg_http1_retry_after(SG_STR("999999999999999999"), none, now) > 0);
}

static void test_two_replies_can_use_one_reader(void **state) {
    (void)state;
    struct sg_http1 h = {.head_max = 1000, .body_max = 1000};
    const char *both = OK "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n" OK "Content-Length: 1\r\n\r\nb";
    size_t used, more;
    sg_http1_begin(&h);
    assert_int_equal(sg_http1_take(&h, both, strlen(both), &used, NULL), 1);
    assert_true(sg_str_eq(h.body, SG_STR("a")));
    sg_http1_begin(&h);
    assert_int_equal(sg_http1_take(&h, both + used, strlen(both) - used, &more, NULL), 1);
    assert_true(sg_str_eq(h.body, SG_STR("b")));
    assert_int_equal(used + more, strlen(both));
    sg_http1_fini(&h);
}

/* Random damage: whatever comes, the reader ends in one of its outcomes, and the same for each split. */
static void test_damaged_replies_do_no_harm(void **state) {
    (void)state;
    static const char *const SEEDS[] = {
        OK "Content-Type: x\r\nContent-Length: 5\r\n\r\nhello",
        "HTTP/1.1 100 Continue\r\n\r\n" OK "Transfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n0\r\nT: v\r\n\r\n"};
    struct sg_rng rng = {7};
    for (int round = 0; round < 3000; round++) {
        char text[256];
        const char *seed = SEEDS[round % 2];
        size_t n = strlen(seed);
        memcpy(text, seed, n);
        for (uint64_t k = sg_rng_next(&rng) % 4; k > 0; k--) {
            size_t at = sg_rng_next(&rng) % n;
            text[at] = "\r\n: \0;0f"[sg_rng_next(&rng) % 8];
        }
        struct outcome whole = read_in(text, n, 0, n, true, 400), bytes = read_in(text, n, 0, 1, true, 400);
        struct outcome split = read_in(text, n, 1 + sg_rng_next(&rng) % (n - 1), n, true, 400);
        check_same(&whole, &bytes);
        check_same(&whole, &split);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_body_has_the_length_that_is_said),
        cmocka_unit_test(test_chunks_are_put_together),
        cmocka_unit_test(test_broken_chunks_are_refused),
        cmocka_unit_test(test_without_length_the_body_ends_with_the_connection),
        cmocka_unit_test(test_an_early_end_is_an_error),
        cmocka_unit_test(test_204_and_304_have_no_body),
        cmocka_unit_test(test_interim_replies_are_skipped),
        cmocka_unit_test(test_keep_alive_follows_version_and_connection),
        cmocka_unit_test(test_status_lines_are_strict),
        cmocka_unit_test(test_header_lines_are_strict),
        cmocka_unit_test(test_framing_that_can_be_read_in_two_ways_is_refused),
        cmocka_unit_test(test_limits_hold),
        cmocka_unit_test(test_endless_extensions_are_refused),
        cmocka_unit_test(test_retry_after_is_seconds_or_a_date),
        cmocka_unit_test(test_two_replies_can_use_one_reader),
        cmocka_unit_test(test_damaged_replies_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
