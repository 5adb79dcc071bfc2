/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about URLs and the heads of requests. */
#include "net/net.h"

#include <setjmp.h>
#include <stdlib.h>
/* cmocka wants the three before it */
#include <cmocka.h>

static struct sg_arena arena;

static void good(const char *text, const char *host, uint16_t port, const char *path) {
    struct sg_url u;
    struct sg_err err;
    if (sg_url_parse(&arena, sg_str(text), &u, &err) != 0) fail_msg("%s: %s", text, err.text);
    assert_true(sg_str_eq(u.scheme, SG_STR("http")) || sg_url_is_https(&u));
    if (!sg_str_eq(u.host, sg_str(host))) fail_msg("%s: host %.*s", text, SG_ARG(u.host));
    if (!sg_str_eq(u.path, sg_str(path))) fail_msg("%s: path %.*s", text, SG_ARG(u.path));
    assert_int_equal(u.port, port);
}

static void bad(const char *text, int code) {
    struct sg_url u;
    struct sg_err err;
    int rc = sg_url_parse(&arena, sg_str(text), &u, &err);
    if (rc != code) fail_msg("%s: %s", text, sg_error_name(rc));
    assert_true(err.text[0] != '\0');
}

static void test_urls_are_taken_apart(void **state) {
    (void)state;
    good("http://localhost:8000/v1/chat/completions", "localhost", 8000, "/v1/chat/completions");
    good("HTTP://Example.COM", "example.com", 80, "/");
    good("http://example.com:/a", "example.com", 80, "/a");
    good("http://a/b?c=d&e=%20", "a", 80, "/b?c=d&e=%20");
    good("http://a?c", "a", 80, "/?c");
    good("http://[::1]:81/x", "::1", 81, "/x");
    good("http://[FE80::1]", "fe80::1", 80, "/");
    good("https://a/b", "a", 443, "/b");
    good("HTTPS://[::1]:80", "::1", 80, "/");
    good("http://10.0.0.1:65535/", "10.0.0.1", 65535, "/");
}

static void test_bad_urls_are_refused(void **state) {
    (void)state;
    bad("", SG_E_SYNTAX);
    bad("localhost:80/x", SG_E_SYNTAX);
    bad("://a/", SG_E_SYNTAX);
    bad("/v1", SG_E_SYNTAX);
    bad("ftp://a/", SG_E_UNSUPPORTED);
    bad("http://", SG_E_SYNTAX);
    bad("http:///x", SG_E_SYNTAX);
    bad("http://:80/", SG_E_SYNTAX);
    bad("http://a:0/", SG_E_SYNTAX);
    bad("http://a:65536/", SG_E_SYNTAX);
    bad("http://a:99999999999999/", SG_E_SYNTAX);
    bad("http://a:8x/", SG_E_SYNTAX);
    bad("http://a:+8/", SG_E_SYNTAX);
    bad("http://user:secret@a/", SG_E_SYNTAX);
    bad("http://user@a/", SG_E_SYNTAX);
    bad("http://a/#f", SG_E_SYNTAX);
    bad("http://[::1/", SG_E_SYNTAX);
    bad("http://[]/", SG_E_SYNTAX);
    bad("http://[::1]x/", SG_E_SYNTAX);
    bad("http://[local]/", SG_E_SYNTAX);
    bad("http://a b/", SG_E_SYNTAX);
    bad("http://a/\r\nX: y", SG_E_SYNTAX);
    bad("http://a/\xC3\xA9", SG_E_SYNTAX);
    bad("http://a\\b/", SG_E_SYNTAX);
}

static void test_a_control_byte_anywhere_is_refused(void **state) {
    (void)state;
    char text[] = "http://a.example:80/path?query";
    for (size_t i = 0; i < sizeof text - 1; i++) {
        for (int c = 0; c <= 0x20; c++) {
            char was = text[i];
            text[i] = (char)c;
            struct sg_url u;
            assert_int_equal(sg_url_parse(&arena, (struct sg_str){text, sizeof text - 1}, &u, NULL), SG_E_SYNTAX);
            text[i] = was;
        }
    }
}

static void test_a_request_is_built_in_place(void **state) {
    (void)state;
    struct sg_url u;
    assert_int_equal(sg_url_parse(&arena, SG_STR("http://[::1]:81/v1/x?y=z"), &u, NULL), 0);
    struct sg_buf b = SG_BUF_INIT(100000);
    SG_BUF_LIT(&b, "before");
    size_t mark = sg_http_request_head(&b, &u, SG_STR("Authorization: Bearer x\r\n"));
    SG_BUF_LIT(&b, "{\"a\":12}");
    sg_http_request_end(&b, mark);
    sg_buf_ch(&b, '\0');
    const char *want = "beforePOST /v1/x?y=z HTTP/1.1\r\nHost: [::1]:81\r\nUser-Agent: sygra/" SYGRA_VERSION
                       "\r\nAccept: application/json\r\nContent-Type: application/json\r\nAuthorization: Bearer x\r\n"
                       "Content-Length:          8\r\n\r\n{\"a\":12}";
    assert_string_equal(b.p, want);
    sg_buf_reset(&b, 0);
    assert_int_equal(sg_url_parse(&arena, SG_STR("http://h/"), &u, NULL), 0);
    mark = sg_http_request_head(&b, &u, SG_STR(""));
    sg_http_request_end(&b, mark);
    sg_buf_ch(&b, '\0');
    assert_non_null(strstr(b.p, "Host: h\r\n"));
    sg_buf_reset(&b, 0);
    assert_int_equal(sg_url_parse(&arena, SG_STR("https://h:443/"), &u, NULL), 0);
    mark = sg_http_request_head(&b, &u, SG_STR(""));
    sg_http_request_end(&b, mark);
    sg_buf_ch(&b, '\0');
    assert_non_null(strstr(b.p, "Host: h\r\n"));
    assert_non_null(strstr(b.p, "Content-Length:          0\r\n\r\n"));
    sg_buf_fini(&b);
}

static void test_a_get_has_no_body_and_says_so(void **state) {
    (void)state;
    struct sg_url u;
    struct sg_buf b = SG_BUF_INIT(0);
    assert_int_equal(sg_url_parse(&arena, SG_STR("http://h:81/v1/models"), &u, NULL), 0);
    sg_http_request_get(&b, &u, SG_STR("Authorization: Bearer x\r\n"));
    sg_buf_ch(&b, '\0');
    assert_string_equal(b.p, "GET /v1/models HTTP/1.1\r\nHost: h:81\r\nUser-Agent: sygra/" SYGRA_VERSION
                             "\r\nAccept: application/json\r\nAuthorization: Bearer x\r\n\r\n");
    sg_buf_fini(&b);
}

static void test_a_request_over_the_buffers_maximum_is_noticed(void **state) {
    (void)state;
    struct sg_url u;
    assert_int_equal(sg_url_parse(&arena, SG_STR("http://h/"), &u, NULL), 0);
    struct sg_buf b = SG_BUF_INIT(40);
    sg_http_request_end(&b, sg_http_request_head(&b, &u, SG_STR("")));
    assert_true(b.failed);
    sg_buf_fini(&b);
}

static void test_header_values_that_could_end_a_line_are_unsafe(void **state) {
    (void)state;
    assert_true(sg_http_header_safe(SG_STR("Bearer abc\tdef \xC3\xA9")));
    assert_true(sg_http_header_safe(SG_STR("")));
    assert_false(sg_http_header_safe(SG_STR("a\rb")));
    assert_false(sg_http_header_safe(SG_STR("a\nb")));
    assert_false(sg_http_header_safe(SG_STR("a\0b")));
    assert_false(sg_http_header_safe(SG_STR("a\x7F")));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urls_are_taken_apart),
        cmocka_unit_test(test_bad_urls_are_refused),
        cmocka_unit_test(test_a_control_byte_anywhere_is_refused),
        cmocka_unit_test(test_a_request_is_built_in_place),
        cmocka_unit_test(test_a_get_has_no_body_and_says_so),
        cmocka_unit_test(test_a_request_over_the_buffers_maximum_is_noticed),
        cmocka_unit_test(test_header_values_that_could_end_a_line_are_unsafe),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    sg_arena_fini(&arena);
    return rc;
}
