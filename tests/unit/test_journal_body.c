/* SPDX-License-Identifier: Apache-2.0 */
/* A reply or a failure reads back as it was, and what is neither is refused. */
#include "journal/body.h"

#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

static struct sg_arena arena;

static void assert_text(struct sg_str got, struct sg_str want) {
    if (!sg_str_eq(got, want)) fail_msg("<%.*s> is not <%.*s>", SG_ARG(got), SG_ARG(want));
}

static struct sg_json parsed(const char *text) {
    struct sg_json v;
    assert_int_equal(sg_json_parse(&arena, sg_str(text), &v, NULL, NULL), 0);
    return v;
}

static void expect_back(struct sg_reply r) {
    struct sg_buf b = SG_BUF_INIT(SIZE_MAX);
    struct sg_reply back;
    assert_false(sg_reply_is_plain(&r));
    sg_reply_write(&b, &r);
    assert_int_equal(sg_reply_read(&arena, SG_BODY_REPLY_JSON, sg_buf_view(&b), &back, NULL), 0);
    assert_text(back.text, r.text);
    assert_text(back.finish_reason, r.finish_reason);
    assert_int_equal(back.usage_known, r.usage_known);
    assert_true(sg_json_equal(&back.tool_calls, &r.tool_calls));
    assert_text(back.request, r.request);
    sg_buf_fini(&b);
}

static void test_a_reply_with_tool_calls_another_end_or_no_usage_reads_back(void **state) {
    (void)state;
    struct sg_json tools = parsed("[{\"id\":\"1\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"n\\\": 1.10}\"}}]");
    expect_back((struct sg_reply){SG_STR(""), SG_STR("tool_calls"), tools, true});
    expect_back((struct sg_reply){SG_STR("cut \"off\"\n"), SG_STR("length"), sg_json_null(), true});
    expect_back((struct sg_reply){SG_STR("ü€"), SG_STR("stop"), sg_json_null(), false});
    expect_back((struct sg_reply){SG_STR("no reason"), SG_STR(""), sg_json_null(), true});
    expect_back((struct sg_reply){SG_STR("asked"), SG_STR("stop"), sg_json_null(), true, SG_STR("{\"q\":[1.10]}")});
}

static void test_a_plain_reply_is_its_own_body(void **state) {
    (void)state;
    struct sg_reply r = {SG_STR("{\"not\": read"), SG_STR("stop"), sg_json_array(NULL, 0), true}, back;
    assert_true(sg_reply_is_plain(&r));
    assert_int_equal(sg_reply_read(&arena, SG_BODY_REPLY, r.text, &back, NULL), 0);
    assert_text(back.text, r.text);
    assert_text(back.finish_reason, SG_STR("stop"));
    assert_true(back.usage_known && back.tool_calls.type == SG_JSON_NULL);
}

static void test_a_failure_reads_back_with_its_code_and_status(void **state) {
    (void)state;
    struct sg_buf b = SG_BUF_INIT(SIZE_MAX);
    struct sg_err e = {.code = SG_E_BUSY, .status = 503, .text = "after 3 attempts: \"busy\""}, back;
    struct sg_str asked;
    sg_failure_write(&b, &e, SG_STR("{\"q\":1}"));
    assert_int_equal(sg_failure_read(&arena, SG_BODY_FAILURE, sg_buf_view(&b), &back, &asked, NULL), 0);
    assert_true(sg_str_eq(asked, SG_STR("{\"q\":1}")));
    assert_true(back.code == SG_E_BUSY && back.status == 503);
    assert_string_equal(back.text, e.text);
    sg_buf_fini(&b);
}

static void test_what_is_no_body_of_its_kind_is_refused(void **state) {
    (void)state;
    struct sg_reply r;
    struct sg_err e, err;
    struct sg_str asked;
    assert_int_equal(sg_reply_read(&arena, SG_BODY_REPLY_JSON, SG_STR("{\"text\":"), &r, &err), SG_E_SYNTAX);
    assert_int_equal(sg_reply_read(&arena, SG_BODY_REPLY_JSON, SG_STR("[]"), &r, &err), SG_E_SYNTAX);
    assert_int_equal(sg_reply_read(&arena, SG_BODY_STEP, SG_STR("{}"), &r, &err), SG_E_SYNTAX);
    assert_int_equal(sg_failure_read(&arena, SG_BODY_REPLY, SG_STR("{}"), &e, &asked, &err), SG_E_SYNTAX);
    assert_int_equal(sg_failure_read(&arena, SG_BODY_FAILURE, SG_STR("{\"error\":\"none such\"}"), &e, &asked, &err), 0);
    assert_int_equal(asked.n, 0);
    assert_int_equal(e.code, SG_E_SYNTAX); /* of a later version: still a failure */
}

static int end(void **state) {
    (void)state;
    sg_arena_fini(&arena);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_reply_with_tool_calls_another_end_or_no_usage_reads_back),
        cmocka_unit_test(test_a_plain_reply_is_its_own_body),
        cmocka_unit_test(test_a_failure_reads_back_with_its_code_and_status),
        cmocka_unit_test(test_what_is_no_body_of_its_kind_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, end);
}
