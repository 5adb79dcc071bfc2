/* SPDX-License-Identifier: Apache-2.0 */
/* Frames as text: no terminal is needed to see what the panel shows. */
#include "run/panel.h"

#include <setjmp.h>
#include <stdio.h>

#include <cmocka.h>

static struct sg_buf frame;
static struct sg_exec_cause causes[5];

static struct sg_figures some_figures(void) {
    causes[0] = (struct sg_exec_cause){
        .node = SG_STR("ask"), .code = SG_E_TIMEOUT, .count = 12, .latest = 20, .text = "model gpt: no answer in 30 s"};
    causes[1] =
        (struct sg_exec_cause){.code = SG_E_SYNTAX, .count = 1, .latest = 31, .text = "data.jsonl:17: byte 4: no value"};
    struct sg_figures f = {
        .task = SG_STR("qa"),
        .state = "running",
        .life = 1,
        .outcomes = {1187, 13, 2, 1},
        .records = 1203,
        .records_here = 1203,
        .has_total = true,
        .total = 10000,
        .under_way = 25,
        .batch = 25,
        .calls = 1190,
        .retries = 7,
        .calls_in_flight = 22,
        .backing_off = 3,
        .calls_per_s = 41.27,
        .tokens_per_s = 12345.6,
        .lag_p50_ms = 51.2,
        .elapsed_s = 29.4,
        .left_s = 4321,
        .places = {{.model = SG_STR("gpt"), .in_flight = 22}},
        .n_places = 1,
        .causes = causes,
        .n_causes = 2,
    };
    return f;
}

static const char *draw(const struct sg_figures *f, size_t columns, size_t rows, bool utf8, bool color) {
    struct sg_panel_style s = {.columns = columns, .rows = rows, .utf8 = utf8, .color = color};
    sg_buf_reset(&frame, 1 << 16);
    sg_panel_frame(f, &s, &frame);
    for (size_t at = 0; at < frame.n && !color;) {
        size_t end = sg_str_find(sg_buf_view(&frame), '\n', at);
        assert_true(end < frame.n); /* each line has its end */
        assert_true(sg_screen_columns((struct sg_str){frame.p + at, end - at}) <= columns);
        at = end + 1;
    }
    sg_buf_ch(&frame, 0);
    return frame.p;
}

static void test_eighty_columns(void **state) {
    (void)state;
    struct sg_figures f = some_figures();
    assert_string_equal(draw(&f, 80, 24, true, false),
                        "qa  █████▓░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░░  12 %  1,203 of 10,000 records\n"
                        "  1,187 ok  13 failed  2 invalid  1 dropped  25 of 25 under way\n"
                        "  41.3 calls/s  12,346 tokens/s  1,190 calls  7 retries\n"
                        "  elapsed 0:29  left 1:12:01  commit lag 51 ms\n"
                        "  gpt: 22 in flight, 3 backing off\n"
                        "  1 x syntax: data.jsonl:17: byte 4: no value\n"
                        "  12 x ask timeout: model gpt: no answer in 30 s\n");
}

static void test_an_invalid_record_s_cause_begins_with_the_field(void **state) {
    (void)state;
    static const struct sg_exec_cause cause = {.node = {"schema_config.score.type", 24},
                                               .code = SG_E_INVALID,
                                               .count = 3,
                                               .text = "field `score` must be of type int, but is \"x\""};
    struct sg_figures f = some_figures();
    f.causes = &cause;
    f.n_causes = 1;
    assert_non_null(strstr(draw(&f, 80, 24, true, false), "\n  3 x invalid: field `score` must be of type int, but is \"x\"\n"));
}

static void test_forty_columns_in_ascii(void **state) {
    (void)state;
    struct sg_figures f = some_figures();
    assert_string_equal(draw(&f, 40, 24, false, false), "qa  12 %  1,203 of 10,000 records\n"
                                                        "####x...................................\n"
                                                        "  1,187 ok  13 failed  2 invalid\n"
                                                        "  1 dropped  25 of 25 under way\n"
                                                        "  41.3 calls/s  12,346 tokens/s\n"
                                                        "  1,190 calls  7 retries\n"
                                                        "  elapsed 0:29  left 1:12:01\n"
                                                        "  commit lag 51 ms\n"
                                                        "  gpt: 22 in flight, 3 backing off\n"
                                                        "  1 x syntax: data.jsonl:17: byte 4: ...\n"
                                                        "  12 x ask timeout: model gpt: no ans...\n");
}

static void test_a_hundred_and_twenty_columns_have_each_kind_of_thing_on_one_line(void **state) {
    (void)state;
    struct sg_figures f = some_figures();
    f.outcomes[0] = f.records = f.total = 123456789;
    f.outcomes[1] = f.outcomes[2] = f.outcomes[3] = 0;
    const char *text = draw(&f, 120, 24, true, false);
    assert_non_null(strstr(text, "██  100 %  123,456,789 of 123,456,789 records\n"));
    assert_null(strstr(text, "░"));
    assert_non_null(strstr(text, "\n  123,456,789 ok  0 failed  0 invalid  0 dropped  25 of 25 under way\n"));
}

static void test_cost_is_shown_where_a_price_is_known(void **state) {
    (void)state;
    struct sg_figures f = some_figures();
    f.cost = (struct sg_cost){.unknown = true};
    assert_null(strstr(draw(&f, 80, 24, true, false), "cost"));
    f.cost = (struct sg_cost){.usd = 2.406, .any = true};
    assert_non_null(strstr(draw(&f, 80, 24, true, false), "\n  cost $2.41  in all about $20.00\n"));
    f.cost.unknown = true;
    assert_non_null(strstr(draw(&f, 80, 24, true, false), "\n  cost at least $2.41  in all at least $20.00\n"));
    f.has_total = false;
    assert_non_null(strstr(draw(&f, 80, 24, true, false), "\n  cost at least $2.41\n"));
}

static void test_what_is_not_known_is_said(void **state) {
    (void)state;
    struct sg_figures f = some_figures();
    f.has_total = false;
    f.left_s = -1;
    const char *text = draw(&f, 80, 24, true, false);
    assert_non_null(strstr(text, "qa  1,203 records\n"));
    assert_non_null(strstr(text, "left ?"));
    assert_null(strstr(text, "░"));
}

static void test_one_failure_among_many_is_seen_in_the_bar(void **state) {
    (void)state;
    struct sg_figures f = some_figures();
    f.outcomes[0] = 999999, f.outcomes[1] = 1, f.outcomes[2] = f.outcomes[3] = 0;
    f.records = f.total = 1000000;
    assert_non_null(strstr(draw(&f, 80, 24, false, false), "#x  100 %"));
    f.outcomes[0] = 5000;
    f.outcomes[1] = 0;
    f.records = 5000;
    f.total = 5001;
    assert_non_null(strstr(draw(&f, 80, 24, false, false), "#.  99 %"));
}

static void test_colours_are_the_only_difference_they_make(void **state) {
    (void)state;
    struct sg_figures f = some_figures();
    struct sg_buf plain = SG_BUF_INIT(0), stripped = SG_BUF_INIT(0);
    sg_buf_str(&plain, sg_str(draw(&f, 80, 24, true, false)));
    const char *colored = draw(&f, 80, 24, true, true);
    assert_non_null(strstr(colored, "\x1b[1mqa\x1b[0m"));
    assert_non_null(strstr(colored, "\x1b[31m13 failed\x1b[0m"));
    for (const char *p = colored; *p; p++) {
        if (*p == '\x1b') p = strchr(p, 'm');
        else sg_buf_ch(&stripped, *p);
    }
    assert_true(sg_str_eq(sg_buf_view(&plain), sg_buf_view(&stripped)));
    sg_buf_fini(&plain);
    sg_buf_fini(&stripped);
}

static void test_long_and_wide_names_never_break_a_line(void **state) {
    (void)state;
    struct sg_figures f = some_figures();
    f.task = SG_STR("漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字");
    f.places[0].model = SG_STR("e\xCC\x81-a-model-with-a-name-that-is-longer-than-any-line-of-the-terminal-it-is-shown-on");
    causes[0].node = f.task;
    for (size_t columns = 8; columns < 140; columns++) draw(&f, columns, 24, columns % 2, false);
    assert_non_null(strstr(draw(&f, 80, 24, true, false), "漢字漢字漢字漢字漢字漢字…"));
}

static void test_an_error_text_cannot_steer_the_terminal(void **state) {
    (void)state;
    struct sg_figures f = some_figures();
    snprintf(causes[0].text, sizeof causes[0].text, "says \x1b[2J\x1b]0;owned\x07 \xC2\x9B" "1m \r\nnext");
    f.places[0].model = SG_STR("\x1b[31m");
    f.task = SG_STR("a\nb");
    const char *text = draw(&f, 80, 24, true, false);
    for (const char *p = text; *p; p++) assert_true((unsigned char)*p >= ' ' || *p == '\n');
    assert_null(strstr(text, "\xC2\x9B"));
    assert_non_null(strstr(text, "12 x ask timeout: says  [2J ]0;owned   1m   next\n"));
}

static void test_many_places_and_causes_are_summed_up(void **state) {
    (void)state;
    struct sg_figures f = some_figures();
    for (size_t i = 0; i < 5; i++) {
        f.places[i] = (struct sg_calls_place){
            .model = SG_STR("m"), .url = SG_STR("http://h:1/v1"), .in_flight = (uint32_t)i + 1, .limit = 8, .waiting = i == 0};
        causes[i] = (struct sg_exec_cause){.node = SG_STR("n"), .code = SG_E_IO, .count = i + 1, .latest = 9 - i, .text = "t"};
    }
    f.n_places = f.n_causes = 5;
    const char *text = draw(&f, 80, 24, true, false);
    assert_non_null(strstr(text, "  m at h:1: 1 of 8 in flight, 1 wait\n"));
    assert_non_null(strstr(text, "  and 2 more  22 in flight in all  3 backing off\n"));
    assert_non_null(strstr(text, "  1 x n io: t\n  2 x n io: t\n  3 x n io: t\n  and 2 more kinds of errors\n"));
}

static void test_a_low_terminal_keeps_the_first_lines(void **state) {
    (void)state;
    struct sg_figures f = some_figures();
    const char *text = draw(&f, 80, 2, true, false);
    size_t lines = 0;
    for (const char *p = text; *p; p++) lines += *p == '\n';
    assert_int_equal(lines, 2);
}

static void test_numbers_are_as_people_write_them(void **state) {
    (void)state;
    assert_string_equal(sg_show_count(0).text, "0");
    assert_string_equal(sg_show_count(999).text, "999");
    assert_string_equal(sg_show_count(1000).text, "1,000");
    assert_string_equal(sg_show_count(UINT64_MAX).text, "18,446,744,073,709,551,615");
    assert_string_equal(sg_show_rate(0.04).text, "0.0");
    assert_string_equal(sg_show_rate(99.94).text, "99.9");
    assert_string_equal(sg_show_rate(99.96).text, "100");
    assert_string_equal(sg_show_time(59.9).text, "0:59");
    assert_string_equal(sg_show_time(3600).text, "1:00:00");
    assert_string_equal(sg_show_time(-1).text, "?");
}

static void test_rates_look_back_a_few_seconds_only(void **state) {
    (void)state;
    struct sg_rates r = {0};
    double calls, tokens;
    sg_rates_now(&r, &calls, &tokens);
    assert_true(calls == 0);
    for (uint64_t tick = 0; tick <= 100; tick++) /* twenty seconds at 10 calls a tick, then none */
        sg_rates_sample(&r, SG_MS(200) * tick, tick < 50 ? 10 * tick : 500, 1000);
    sg_rates_now(&r, &calls, &tokens);
    assert_true(calls == 0 && tokens == 0);
    sg_rates_sample(&r, SG_MS(20200), 506, 7000);
    sg_rates_now(&r, &calls, &tokens);
    assert_true(calls > 0.99 && calls < 1.01 && tokens > 999 && tokens < 1001);
    r = (struct sg_rates){0};
    sg_rates_sample(&r, 0, 0, 0);
    sg_rates_sample(&r, SG_MS(10000), 100, 0); /* a slow look-out still has a rate */
    sg_rates_now(&r, &calls, &tokens);
    assert_true(calls > 9.99 && calls < 10.01);
    r = (struct sg_rates){0};
    sg_rates_sample(&r, 0, 0, 0);
    sg_rates_sample(&r, SG_MS(5001), 8, 1421); /* 1.59968 and 284.143: one decimal is shown */
    sg_rates_now(&r, &calls, &tokens);
    assert_true(calls == 1.6 && tokens == 284.1);
}

int main(void) {
    frame = SG_BUF_INIT(0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_eighty_columns),
        cmocka_unit_test(test_an_invalid_record_s_cause_begins_with_the_field),
        cmocka_unit_test(test_forty_columns_in_ascii),
        cmocka_unit_test(test_a_hundred_and_twenty_columns_have_each_kind_of_thing_on_one_line),
        cmocka_unit_test(test_cost_is_shown_where_a_price_is_known),
        cmocka_unit_test(test_what_is_not_known_is_said),
        cmocka_unit_test(test_one_failure_among_many_is_seen_in_the_bar),
        cmocka_unit_test(test_colours_are_the_only_difference_they_make),
        cmocka_unit_test(test_long_and_wide_names_never_break_a_line),
        cmocka_unit_test(test_an_error_text_cannot_steer_the_terminal),
        cmocka_unit_test(test_many_places_and_causes_are_summed_up),
        cmocka_unit_test(test_a_low_terminal_keeps_the_first_lines),
        cmocka_unit_test(test_numbers_are_as_people_write_them),
        cmocka_unit_test(test_rates_look_back_a_few_seconds_only),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    sg_buf_fini(&frame);
    return failed;
}
