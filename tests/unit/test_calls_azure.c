/* SPDX-License-Identifier: Apache-2.0 */
/* Azure's addresses, its key, its content filter; with texts in and out. */
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

static void assert_url(const char *base, const char *deployment, const char *version, const char *want) {
    struct sg_str urls[] = {sg_str(base)}, versions[] = {sg_str(version)};
    struct sg_model_spec m = {.wire_name = sg_str(deployment), .urls = urls, .api_versions = versions, .n_urls = 1};
    struct sg_str got = sg_provider_azure.url(&arena, &m, 0);
    if (!sg_str_eq(got, sg_str(want))) fail_msg("got %.*s, not %s", SG_ARG(got), want);
}

static void test_an_address_becomes_that_of_the_deployment(void **state) {
    (void)state;
    assert_url("http://h", "gpt-4o", "2024-10-21",
               "http://h/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21");
    assert_url("http://h/openai/", "d", "1", "http://h/openai/deployments/d/chat/completions?api-version=1");
    assert_url("http://h/", "a b/c", "v-1", "http://h/openai/deployments/a%20b%2Fc/chat/completions?api-version=v-1");
}

static void test_an_address_that_names_its_deployment_keeps_it(void **state) {
    (void)state;
    const char *want = "http://h/openai/deployments/mine/chat/completions?api-version=1";
    assert_url("http://h/openai/deployments/mine", "other", "1", want);
    assert_url("http://h/openai/deployments/mine/", "other", "1", want);
    assert_url("http://h/openai/deployments/mine/chat/completions", "other", "1", want);
}

static void test_the_api_without_versions_is_openai_s(void **state) {
    (void)state;
    assert_url("http://h/openai/v1", "d", "", "http://h/openai/v1/chat/completions");
    assert_url("http://h/openai/v1/", "d", "", "http://h/openai/v1/chat/completions");
}

static void test_the_token_is_an_api_key(void **state) {
    (void)state;
    struct sg_buf b = SG_BUF_INIT(0);
    struct sg_model_spec m = {0};
    sg_provider_azure.headers(&b, &m, SG_STR("k3y"));
    assert_true(sg_str_eq(sg_buf_view(&b), SG_STR("api-key: k3y\r\n")));
    sg_buf_reset(&b, 100);
    sg_provider_azure.headers(&b, &m, SG_STR_NONE);
    assert_int_equal(b.n, 0);
    sg_buf_fini(&b);
}

static void test_an_answer_that_the_filter_cut_is_an_error_that_stays(void **state) {
    (void)state;
    struct sg_completion c;
    struct sg_err err = {0};
    struct sg_model_spec m = {0};
    struct sg_str body = SG_STR("{\"choices\":[{\"finish_reason\":\"content_filter\",\"message\":{\"role\":\"assistant\"},"
                                "\"content_filter_results\":{\"hate\":{\"filtered\":false,\"severity\":\"safe\"},"
                                "\"violence\":{\"filtered\":true,\"severity\":\"high\"}}}]}");
    assert_int_equal(sg_provider_azure.decode(&arena, &m, body, &c, &err), SG_E_STATUS);
    assert_string_equal(err.text, "the content filter cut the answer (violence high)");
    assert_false(sg_error_retryable(SG_E_STATUS));
}

static void test_other_answers_are_read_as_openai_s(void **state) {
    (void)state;
    struct sg_completion c;
    struct sg_err err = {0};
    struct sg_model_spec m = {0};
    struct sg_str body = SG_STR("{\"prompt_filter_results\":[],\"choices\":[{\"finish_reason\":\"stop\","
                                "\"message\":{\"content\":\" yes \"},\"content_filter_results\":{}}]}");
    assert_int_equal(sg_provider_azure.decode(&arena, &m, body, &c, &err), 0);
    assert_true(sg_str_eq(c.text, SG_STR("yes")));
}

static void assert_refusal(const char *body, const char *want, bool want_quota) {
    bool quota;
    struct sg_str got = sg_refusal_text(&arena, sg_str(body), &quota);
    if (!sg_str_eq(got, sg_str(want))) fail_msg("got \"%.*s\", not \"%s\"", SG_ARG(got), want);
    assert_int_equal(quota, want_quota);
}

static void test_a_refusal_s_own_words_are_found(void **state) {
    (void)state;
    assert_refusal("{\"error\":{\"code\":\"DeploymentNotFound\",\"message\":\"no such deployment\"}}", "no such deployment",
                   false);
    assert_refusal("{\"error\":{\"code\":\"insufficient_quota\",\"message\":\"pay\"}}", "pay", true);
    assert_refusal("{\"statusCode\":429,\"message\":\"slow down\"}", "slow down", false);
    assert_refusal("{\"detail\":\"no\"}", "no", false);
    assert_refusal("{\"error\":\"plain\"}", "plain", false);
    assert_refusal("<html>", "<html>", false);
    assert_refusal("[1]", "[1]", false);
}

static void test_a_prompt_that_the_filter_refuses_is_told_with_what_it_found(void **state) {
    (void)state;
    assert_refusal("{\"error\":{\"message\":\"was filtered\",\"code\":\"content_filter\",\"status\":400,\"innererror\":"
                   "{\"code\":\"ResponsibleAIPolicyViolation\",\"content_filter_result\":{\"hate\":{\"filtered\":true,"
                   "\"severity\":\"high\"},\"jailbreak\":{\"filtered\":true,\"detected\":true},\"violence\":"
                   "{\"filtered\":false,\"severity\":\"safe\"}}}}}",
                   "the content filter refused the prompt (hate high, jailbreak): was filtered", false);
    assert_refusal("{\"error\":{\"message\":\"was filtered\",\"code\":\"content_filter\",\"innererror\":7}}",
                   "the content filter refused the prompt: was filtered", false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_address_becomes_that_of_the_deployment),
        cmocka_unit_test(test_an_address_that_names_its_deployment_keeps_it),
        cmocka_unit_test(test_the_api_without_versions_is_openai_s),
        cmocka_unit_test(test_the_token_is_an_api_key),
        cmocka_unit_test(test_an_answer_that_the_filter_cut_is_an_error_that_stays),
        cmocka_unit_test(test_other_answers_are_read_as_openai_s),
        cmocka_unit_test(test_a_refusal_s_own_words_are_found),
        cmocka_unit_test(test_a_prompt_that_the_filter_refuses_is_told_with_what_it_found),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
