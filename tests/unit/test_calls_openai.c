/* SPDX-License-Identifier: Apache-2.0 */
/* The encoder and decoder of chat completions, with texts in and out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "calls/provider.h"

static struct sg_arena arena;

static int setup(void **state) {
    (void)state;
    sg_arena_init(&arena, 0);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    sg_arena_fini(&arena);
    return 0;
}

static struct sg_json json(const char *text) {
    struct sg_json v;
    assert_int_equal(sg_json_parse(&arena, sg_str(text), &v, NULL, NULL), 0);
    return v;
}

static int decode(const char *body, struct sg_completion *out, struct sg_err *err) {
    struct sg_model_spec m = {.alias = SG_STR("m"), .special_tokens = json("[\"<|end|>\"]")};
    return sg_provider_openai.decode(&arena, &m, sg_str(body), out, err);
}

static void assert_text(const char *body, const char *text) {
    struct sg_completion c;
    struct sg_err err = {0};
    if (decode(body, &c, &err) != 0) fail_msg("%s: %s", body, err.text);
    if (!sg_str_eq(c.text, sg_str(text))) fail_msg("got \"%.*s\", not \"%s\"", SG_ARG(c.text), text);
}

static void assert_refused(const char *body, const char *why) {
    struct sg_completion c;
    struct sg_err err = {0};
    assert_int_equal(decode(body, &c, &err), SG_E_REPLY);
    if (!strstr(err.text, why)) fail_msg("\"%s\" does not say \"%s\"", err.text, why);
}

static void test_parameters_and_extra_body_are_spread_into_the_body(void **state) {
    (void)state;
    struct sg_model_spec m = {.wire_name = SG_STR("org/name"),
                              .parameters = json("{\"temperature\":0.10,\"extra_body\":{\"top_k\":5,\"a\":[1]},\"stop\":\"x\"}")};
    struct sg_request r = {.messages = json("[{\"role\":\"user\",\"content\":\"\\u00fc\\\"\"}]")};
    struct sg_buf b = SG_BUF_INIT(0);
    sg_provider_openai.encode(&b, &m, &r);
    sg_buf_ch(&b, 0);
    assert_string_equal(b.p, "{\"model\":\"org/name\",\"messages\":[{\"role\":\"user\",\"content\":\"\xc3\xbc\\\"\"}],"
                             "\"temperature\":0.10,\"top_k\":5,\"a\":[1],\"stop\":\"x\"}");
    sg_buf_fini(&b);
}

static void test_texts_are_stripped_and_special_tokens_go(void **state) {
    (void)state;
    assert_text("{\"choices\":[{\"message\":{\"content\":\" a<|end|>b<|end|> \\n\"}}]}", "ab");
    assert_text("{\"choices\":[{\"message\":{\"content\":null}}]}", "");
    assert_text("{\"choices\":[{\"message\":{}}]}", "");
    assert_text("{\"choices\":[{\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]}}]}", "ab");
}

static void test_usage_is_known_only_when_it_makes_sense(void **state) {
    (void)state;
    struct sg_completion c;
    struct sg_err err = {0};
    assert_int_equal(decode("{\"choices\":[{\"message\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}],"
                            "\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}", &c, &err), 0);
    assert_true(c.usage.known && c.usage.prompt_tokens == 3 && c.usage.completion_tokens == 4);
    assert_true(sg_str_eq(c.finish_reason, SG_STR("stop")));
    assert_int_equal(decode("{\"choices\":[{\"message\":{\"content\":\"a\"}}],"
                            "\"usage\":{\"prompt_tokens\":-3,\"completion_tokens\":\"4\"}}", &c, &err), 0);
    assert_false(c.usage.known);
}

static void test_tool_calls_come_back_as_they_are(void **state) {
    (void)state;
    struct sg_completion c;
    struct sg_err err = {0};
    assert_int_equal(decode("{\"choices\":[{\"message\":{\"content\":null,\"tool_calls\":[{\"id\":\"1\"}]}}]}", &c, &err), 0);
    assert_int_equal(c.tool_calls.type, SG_JSON_ARRAY);
}

static void test_what_is_no_completion_is_refused_with_its_beginning(void **state) {
    (void)state;
    assert_refused("<html>busy</html>", "<html>busy");
    assert_refused("", "not JSON");
    assert_refused("{\"choices\":[]}", "no choices");
    assert_refused("{\"choices\":[{}]}", "no message");
    assert_refused("{\"choices\":[{\"message\":{\"content\":7}}]}", "no text");
    assert_refused("{\"error\":{\"message\":\"overloaded\"}}", "overloaded");
    assert_refused("{\"error\":\"plain\"}", "plain");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_parameters_and_extra_body_are_spread_into_the_body, setup, teardown),
        cmocka_unit_test_setup_teardown(test_texts_are_stripped_and_special_tokens_go, setup, teardown),
        cmocka_unit_test_setup_teardown(test_usage_is_known_only_when_it_makes_sense, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tool_calls_come_back_as_they_are, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_no_completion_is_refused_with_its_beginning, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
