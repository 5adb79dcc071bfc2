/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about addresses of proxies, about who goes through one, and about its password. */
#include "base/base.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants the four before it */
#include <cmocka.h>

static struct sg_arena arena;

static int open_arena(void **state) {
    (void)state;
    sg_arena_init(&arena, 0);
    return 0;
}

static int close_arena(void **state) {
    (void)state;
    sg_arena_fini(&arena);
    return 0;
}

static bool is(struct sg_str s, const char *text) {
    return s.p && sg_str_eq(s, sg_str(text));
}

static struct sg_proxy parsed(const char *text) {
    struct sg_proxy p;
    struct sg_err err = {0};
    assert_int_equal(sg_proxy_parse(&arena, sg_str(text), SG_STR("HTTPS_PROXY"), &p, &err), 0);
    return p;
}

static void refused(const char *text, int code, const char *words) {
    struct sg_proxy p;
    struct sg_err err = {0};
    assert_int_equal(sg_proxy_parse(&arena, sg_str(text), SG_STR("HTTPS_PROXY"), &p, &err), code);
    assert_non_null(strstr(err.text, words));
}

static void test_scheme_and_port_have_defaults(void **state) {
    (void)state;
    assert_true(is(parsed("proxy").shown, "http://proxy:80"));
    assert_true(is(parsed("proxy:3128").shown, "http://proxy:3128"));
    assert_true(is(parsed("http://proxy:3128/").shown, "http://proxy:3128"));
    assert_true(is(parsed("HTTPS://proxy/").shown, "https://proxy:443"));
    assert_true(is(parsed("socks://proxy").shown, "socks5://proxy:1080"));
    assert_true(is(parsed(" socks5h://[::1]:9 ").shown, "socks5h://[::1]:9"));
    assert_null(parsed("proxy:3128").user.p);
}

static void test_user_and_password_are_decoded_and_not_shown(void **state) {
    (void)state;
    struct sg_proxy p = parsed("http://me:p%40ss%3a%2F@word@proxy:1");
    assert_true(is(p.shown, "http://proxy:1") && is(p.user, "me") && is(p.password, "p@ss:/@word"));
    p = parsed("me@proxy");
    assert_true(is(p.shown, "http://proxy:80") && is(p.user, "me") && is(p.password, ""));
    p = parsed("http://a:100%25%zz@proxy");
    assert_true(is(p.password, "100%%zz"));
}

static void test_what_cannot_be_a_proxy_is_refused(void **state) {
    (void)state;
    refused("", SG_E_SYNTAX, "host");
    refused("http://", SG_E_SYNTAX, "host");
    refused("http://a:b@", SG_E_SYNTAX, "host");
    refused("http://[::1", SG_E_SYNTAX, "host");
    refused("http://pro xy", SG_E_SYNTAX, "host");
    refused("http://p\r\nX: y", SG_E_SYNTAX, "host");
    refused("http://proxy:0", SG_E_SYNTAX, "port");
    refused("http://proxy:65536", SG_E_SYNTAX, "port");
    refused("http://proxy:", SG_E_SYNTAX, "port");
    refused("http://proxy:1x", SG_E_SYNTAX, "port");
    refused("http://a%00:b@proxy", SG_E_SYNTAX, "zero byte");
    refused("quic://proxy", SG_E_UNSUPPORTED, "scheme");
}

static void test_a_password_is_hidden_in_each_of_its_forms(void **state) {
    (void)state;
    const char *text = "http://me:horse%20battery@proxy:1";
    struct sg_proxy p = parsed(text);
    sg_proxy_hide(sg_str(text), &p);
    const char *forms[] = {"horse battery", "me:horse battery", "me:horse%20battery", "Basic bWU6aG9yc2UgYmF0dGVyeQ==", text};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct sg_buf out = SG_BUF_INIT(0);
        sg_redact(&out, sg_str(forms[i]));
        sg_buf_ch(&out, '\0');
        assert_null(strstr(out.p, "battery"));
        assert_null(strstr(out.p, "bWU6"));
        assert_non_null(strstr(out.p, "[HTTPS_PROXY]"));
        sg_buf_fini(&out);
    }
}

static bool goes_through(const char *none, const char *host, uint16_t port) {
    static const struct sg_proxy proxy;
    struct sg_proxies p = {.https = &proxy, .none = sg_str(none)};
    assert_null(sg_proxy_for(&p, false, sg_str(host), port));
    return sg_proxy_for(&p, true, sg_str(host), port) == &proxy;
}

static void test_this_machine_is_never_asked_through_a_proxy(void **state) {
    (void)state;
    static const char *const here[] = {"localhost", "a.localhost", "127.0.0.1", "127.9.9.9", "::1", "localhost."};
    for (size_t i = 0; i < sizeof here / sizeof *here; i++) assert_false(goes_through("", here[i], 80));
    assert_true(goes_through("", "localhost.example", 80));
    assert_true(goes_through("", "128.0.0.1", 80));
    assert_true(goes_through("", "::2", 80));
}

static void test_no_proxy_names_hosts_and_those_below_them(void **state) {
    (void)state;
    static const char *const lists[] = {"example.com", ".example.com", "*.example.com", "a, b ,EXAMPLE.com", "x\texample.com", "*"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        assert_false(goes_through(lists[i], "example.com", 80));
        assert_false(goes_through(lists[i], "a.b.example.com", 80));
        assert_false(goes_through(lists[i], "example.com.", 80));
    }
    assert_true(goes_through("example.com", "badexample.com", 80));
    assert_true(goes_through("example.com", "example.com.evil", 80));
    assert_true(goes_through(".,,*.", "example.com", 80));
    assert_true(goes_through("**", "example.com", 80));
}

static void test_no_proxy_knows_ports_numbers_and_networks(void **state) {
    (void)state;
    assert_false(goes_through("example.com:8000", "example.com", 8000));
    assert_true(goes_through("example.com:8000", "example.com", 80));
    assert_true(goes_through("example.com:80x", "example.com", 80));
    assert_false(goes_through("10.1.2.3", "10.1.2.3", 80));
    assert_true(goes_through("10.1.2.3", "10.1.2.30", 80));
    assert_true(goes_through("2.3", "10.1.2.3", 80) && !goes_through("10.1.2.3:80", "10.1.2.3", 80));
    assert_false(goes_through("10.0.0.0/8", "10.200.1.1", 80));
    assert_true(goes_through("10.0.0.0/8", "11.0.0.1", 80));
    assert_false(goes_through("192.168.4.0/22", "192.168.7.255", 80));
    assert_true(goes_through("192.168.4.0/22", "192.168.8.0", 80));
    assert_false(goes_through("0.0.0.0/0", "9.9.9.9", 80));
    assert_true(goes_through("10.0.0.0/33", "10.0.0.0", 80) && goes_through("10.0.0.0/", "10.0.0.0", 80));
    assert_false(goes_through("fd00::/8", "fd12::1", 80));
    assert_false(goes_through("fe80::1", "fe80::1", 80) || goes_through("[fe80::1]:80", "fe80::1", 80));
    assert_true(goes_through("10.0.0.0/8", "ten.example", 80));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scheme_and_port_have_defaults),
        cmocka_unit_test(test_user_and_password_are_decoded_and_not_shown),
        cmocka_unit_test(test_what_cannot_be_a_proxy_is_refused),
        cmocka_unit_test(test_a_password_is_hidden_in_each_of_its_forms),
        cmocka_unit_test(test_this_machine_is_never_asked_through_a_proxy),
        cmocka_unit_test(test_no_proxy_names_hosts_and_those_below_them),
        cmocka_unit_test(test_no_proxy_knows_ports_numbers_and_networks),
    };
    return cmocka_run_group_tests(tests, open_arena, close_arena);
}
