/* SPDX-License-Identifier: Apache-2.0 */
/* A report filled by hand: what comes out is known. */
#include "test_data.h"

#include "report/chart.h"
#include "report/report.h"

#include <math.h>

static struct sg_tallies tallies;
static struct sg_report report;
static struct sg_buf out;
static const struct sg_run_node nodes[] = {
    {{"write", 5}, {"llm", 3}, {"0", 1}}, {{"<b>&\"x\"", 8}, {"multi_llm", 9}, {"1", 1}}, {{"START", 5}, {"start", 5}, {"2", 1}}};

static void call(uint32_t node, uint32_t ordinal, int64_t us, uint64_t in, uint64_t out_tokens) {
    struct sg_call_row c = {.node = node,
                            .ordinal = ordinal,
                            .state = SG_CALL_ANSWERED,
                            .status = 200,
                            .latency_us = us,
                            .prompt_tokens = in,
                            .completion_tokens = out_tokens};
    sg_tallies_call(&tallies, &c);
}

/* Node 0 asks model 0; node 1 asks 0 and 1. Model 0 costs 1 and 2 USD for a million tokens, model 1 nobody knows. */
static int make_report(void **state) {
    (void)state;
    tallies = (struct sg_tallies){0};
    report = (struct sg_report){.state = "finished", .tallies = &tallies, .lives = 1};
    sg_arena_init(&report.arena, 0);
    report.id = (struct sg_run_identity){
        .task = SG_STR("a <script> & \"task\""), .nodes = nodes, .n_nodes = 3, .started_ms = 1700000000000, .count = 4};
    report.ended_ms = report.id.started_ms + 2500;
    report.progress.totals.outcomes[0] = 3;
    report.progress.totals.outcomes[1] = 1;
    assert_true(sg_report_take_models(
        &report, SG_STR("{\"models\":[{\"alias\":\"a\",\"name\":\"A\",\"type\":\"vllm\",\"url\":null,\"parameters\":{},"
                        "\"price\":{\"input\":1,\"output\":2,\"from\":\"x\"}},"
                        "{\"alias\":\"b\",\"name\":\"B\",\"type\":\"vllm\",\"url\":[\"u\"],\"parameters\":{},\"price\":null}],"
                        "\"uses\":[[0,0,0],[1,0,0],[1,1,1]]}")));
    call(0, 0, 1000000, 1000, 500);
    call(0, 0, 3000000, 1000, 500);
    call(1, 0, 2000000, 10, 1);
    return 0;
}

static int drop_report(void **state) {
    (void)state;
    sg_tallies_fini(&tallies);
    sg_report_close(&report);
    sg_buf_fini(&out);
    out = SG_BUF_INIT(SIZE_MAX);
    return 0;
}

static bool near(double a, double b) {
    return fabs(a - b) < 1e-9;
}

static void test_sums_by_model_and_node(void **state) {
    (void)state;
    struct sg_report_sum s;
    sg_report_sum(&report, 0, SG_ANY, &s);
    assert_int_equal(s.answered, 3);
    assert_int_equal(s.prompt_tokens, 2010);
    sg_report_sum(&report, SG_ANY, 1, &s);
    assert_int_equal(s.answered, 1);
    assert_int_equal(s.completion_tokens, 1);
    sg_report_sum(&report, 1, SG_ANY, &s);
    assert_int_equal(s.attempts, 0);
    assert_int_equal(s.stats.n, 0);
}

static void add_code(void *ud, const char *name, uint64_t n) {
    sg_buf_printf(ud, "%s:%llu ", name, (unsigned long long)n);
}

static void test_responses_of_two_nodes_are_added_up(void **state) {
    (void)state;
    struct sg_call_row c = {.node = 1, .state = SG_CALL_AGAIN, .code = SG_E_TIMEOUT};
    sg_tallies_call(&tallies, &c);
    sg_report_codes(&report, 0, SG_ANY, add_code, &out);
    sg_buf_ch(&out, 0);
    assert_string_equal(out.p, "200:3 timeout:1 ");
}

static void test_statistics_are_those_of_the_calls(void **state) {
    (void)state;
    struct sg_report_sum s;
    sg_report_sum(&report, SG_ANY, SG_ANY, &s);
    assert_true(near(s.stats.mean, 2) && near(s.stats.least, 1) && near(s.stats.largest, 3));
    assert_true(near(s.stats.deviation, 1)); /* of 1, 2, 3: the sample's */
    assert_true(fabs(s.stats.p50 - 2) < 2.0 / 64);
    assert_true(s.stats.p99 <= s.stats.largest);
    sg_report_sum(&report, SG_ANY, 1, &s);
    assert_true(s.stats.deviation == 0); /* of one */
    assert_true(near(s.stats.p99, 2));
}

static void test_cost_is_tokens_times_price(void **state) {
    (void)state;
    struct sg_cost c = sg_report_cost(&report, SG_ANY, SG_ANY);
    assert_true(c.any && !c.unknown && near(c.usd, (2010 * 1 + 1001 * 2) / 1e6));
    c = sg_report_cost(&report, 0, 1);
    assert_true(near(c.usd, 12 / 1e6));
}

static void test_an_unknown_price_is_unknown_and_never_zero(void **state) {
    (void)state;
    struct sg_cost c = sg_report_cost(&report, 1, SG_ANY);
    assert_string_equal(sg_cost_show(c).text, "$0"); /* it was not asked */
    call(1, 1, 5, 100, 100);
    c = sg_report_cost(&report, 1, SG_ANY);
    assert_true(c.unknown && !c.any);
    assert_string_equal(sg_cost_show(c).text, "unknown");
    c = sg_report_cost(&report, SG_ANY, SG_ANY);
    assert_true(c.unknown && c.any);
    assert_int_equal(strncmp(sg_cost_show(c).text, "at least $0.00401", 17), 0);
    report.ended_ms = report.id.started_ms + 1;
    sg_report_metadata(&report, &(struct sg_report_setting){0}, &out);
    sg_buf_ch(&out, 0);
    assert_non_null(strstr(out.p, "\"total_cost_usd\": null"));
}

static void test_an_answer_without_usage_makes_the_cost_unknown(void **state) {
    (void)state;
    struct sg_call_row c = {.state = SG_CALL_ANSWERED, .status = 200, .unmetered = true};
    sg_tallies_call(&tallies, &c);
    assert_true(sg_report_cost(&report, 0, SG_ANY).unknown);
    report.models[0].price.input = report.models[0].price.output = 0;
    assert_false(sg_report_cost(&report, 0, SG_ANY).unknown); /* what is free is free */
}

static void test_small_amounts_have_digits_that_count(void **state) {
    (void)state;
    static const struct {
        double usd;
        const char *text;
    } cases[] = {{1234.567, "$1234.57"}, {1, "$1.00"}, {0.25, "$0.250"}, {0.0000123456, "$0.0000123"}, {0, "$0.00"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(sg_cost_show((struct sg_cost){.usd = cases[i].usd, .any = true}).text, cases[i].text);
    assert_string_equal(sg_show_amount(1234567, "").text, "1.23M");
    assert_string_equal(sg_show_amount(0.0123, "s").text, "12.3 ms");
    assert_string_equal(sg_show_amount(9999, "/s").text, "9999/s");
}

static void test_what_a_run_says_cannot_become_part_of_the_page(void **state) {
    (void)state;
    struct sg_report_cause cause = {SG_STR("<i>"), SG_STR("x"), SG_STR("a </td><script>alert(1)</script> \x1b[31m \xff"), 3};
    report.causes = &cause;
    report.n_causes = 1;
    sg_report_page(&report, &out);
    sg_buf_ch(&out, 0);
    assert_null(strstr(out.p, "<script"));
    assert_null(strstr(out.p, "<b>&\"x\""));
    assert_null(strchr(out.p, 27));
    assert_non_null(strstr(out.p, "a &lt;/td&gt;&lt;script&gt;"));
    assert_non_null(strstr(out.p, "default-src 'none'"));
    assert_null(strstr(out.p, "http://"));
    assert_null(strstr(out.p, "https://"));
}

static void test_a_chart_has_gaps_where_nothing_is_known(void **state) {
    (void)state;
    double values[] = {1, 2, NAN, 4};
    struct sg_chart c = {
        .title = SG_STR("t"), .about = SG_STR(""), .unit = "s", .slot_s = 1, .n = 4, .series = {{SG_STR("x"), values, "c0"}}, .n_series = 1};
    sg_chart_draw(&out, &c);
    sg_buf_ch(&out, 0);
    const char *path = strstr(out.p, "<path");
    size_t begins = 0;
    for (const char *p = path; *p != '/' ; p++) begins += *p == 'M';
    assert_int_equal(begins, 2);
    assert_null(strstr(out.p, "nan"));
}

static void test_text_that_is_not_of_models_is_no_models(void **state) {
    (void)state;
    static const char *const texts[] = {"", "{", "[]", "{\"models\":1,\"uses\":[]}", "{\"models\":[]}"};
    struct sg_report r = {0};
    sg_arena_init(&r.arena, 0);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) assert_false(sg_report_take_models(&r, sg_str(texts[i])));
    assert_true(sg_report_take_models(&r, SG_STR("{\"models\":[{}],\"uses\":[[0,0,1],[0],[-1,0,0],\"x\",[0,0,0]]}")));
    assert_int_equal(r.n_uses, 1);
    sg_report_close(&r);
}

int main(void) {
#define TEST(f) cmocka_unit_test_setup_teardown(f, make_report, drop_report)
    const struct CMUnitTest tests[] = {
        TEST(test_sums_by_model_and_node),
        TEST(test_responses_of_two_nodes_are_added_up),
        TEST(test_statistics_are_those_of_the_calls),
        TEST(test_cost_is_tokens_times_price),
        TEST(test_an_unknown_price_is_unknown_and_never_zero),
        TEST(test_an_answer_without_usage_makes_the_cost_unknown),
        TEST(test_small_amounts_have_digits_that_count),
        TEST(test_what_a_run_says_cannot_become_part_of_the_page),
        TEST(test_a_chart_has_gaps_where_nothing_is_known),
        TEST(test_text_that_is_not_of_models_is_no_models),
    };
    out = SG_BUF_INIT(SIZE_MAX);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
