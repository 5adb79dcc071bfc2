/* SPDX-License-Identifier: Apache-2.0 */
/* What a person reads when a file is wrong, to the character. */
#include "base/diag.h"

#include "base/json.h"
#include "base/redact.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct sg_diags d;

static int begin(void **state) {
    (void)state;
    sg_diags_init(&d);
    return 0;
}

static int end(void **state) {
    (void)state;
    sg_diags_fini(&d);
    return 0;
}

static void assert_printed(const char *want) {
    struct sg_buf out = SG_BUF_INIT(0);
    sg_diags_print(&d, &out, false);
    sg_buf_ch(&out, '\0');
    assert_string_equal(out.p, want);
    sg_buf_fini(&out);
}

static uint32_t file(const char *text) {
    return sg_diags_file(&d, SG_STR("task.yaml"), sg_str(text));
}

/* A file of one line, and one report in it. */
static void report(const char *line, uint32_t column, uint32_t length) {
    sg_error_at(&d, (struct sg_mark){file(line), 1, column, length}, SG_STR_NONE, NULL, "bad");
}

static void test_a_report_shows_place_line_caret_key_and_help(void **state) {
    (void)state;
    uint32_t f = file("nodes:\n  q:\n    model: gpt\n    retries: x\n");
    assert_int_equal(f, 1);
    sg_error_at(&d, (struct sg_mark){f, 3, 12, 3}, SG_STR("graph_config.nodes.q.model"), "did you mean \"gpt4\"?",
                "unknown model \"%s\"", "gpt");
    sg_warning_at(&d, (struct sg_mark){f, 4, 5, 7}, SG_STR_NONE, NULL, "key %d is ignored", 4);
    assert_int_equal(d.errors, 1);
    assert_int_equal(d.n, 2);
    assert_printed("task.yaml:3:12: error: unknown model \"gpt\" [graph_config.nodes.q.model]\n"
                   "    model: gpt\n"
                   "           ^~~\n"
                   "  help: did you mean \"gpt4\"?\n"
                   "task.yaml:4:5: warning: key 4 is ignored\n"
                   "    retries: x\n"
                   "    ^~~~~~~\n");
}

static void test_reports_without_a_place_say_what_they_know(void **state) {
    (void)state;
    uint32_t f = file("a: 1\n");
    sg_error_at(&d, (struct sg_mark){0}, SG_STR("models.gpt.url"), NULL, "no endpoint");
    sg_error_at(&d, (struct sg_mark){.file = f}, SG_STR_NONE, NULL, "empty file");
    sg_error_at(&d, (struct sg_mark){.file = f, .line = 1}, SG_STR_NONE, NULL, "whole line");
    sg_error_at(&d, (struct sg_mark){f, 9, 2, 1}, SG_STR_NONE, NULL, "line that is not there");
    sg_error_at(&d, (struct sg_mark){f, 2, 1, 1}, SG_STR_NONE, NULL, "empty line");
    sg_error_at(&d, (struct sg_mark){77, 1, 1, 1}, SG_STR_NONE, NULL, "file that is not there");
    assert_printed("error: no endpoint [models.gpt.url]\n"
                   "task.yaml: error: empty file\n"
                   "task.yaml:1: error: whole line\n"
                   "a: 1\n"
                   "task.yaml:2:1: error: empty line\n"
                   "task.yaml:9:2: error: line that is not there\n"
                   "error: file that is not there\n");
}

static void test_a_key_that_the_text_names_is_not_repeated(void **state) {
    (void)state;
    sg_error_at(&d, (struct sg_mark){0}, SG_STR("nodes.q"), NULL, "nodes.q is missing");
    assert_printed("error: nodes.q is missing\n");
}

static void test_reports_are_sorted_by_place_and_then_by_order(void **state) {
    (void)state;
    uint32_t f = file("");
    uint32_t g = sg_diags_file(&d, SG_STR("models.yaml"), SG_STR(""));
    sg_error_at(&d, (struct sg_mark){g, 1, 1, 1}, SG_STR_NONE, NULL, "6");
    sg_error_at(&d, (struct sg_mark){f, 2, 1, 1}, SG_STR_NONE, NULL, "5");
    sg_error_at(&d, (struct sg_mark){f, 1, 7, 1}, SG_STR_NONE, NULL, "2");
    sg_error_at(&d, (struct sg_mark){f, 1, 7, 1}, SG_STR_NONE, NULL, "3");
    sg_warning_at(&d, (struct sg_mark){f, 1, 7, 1}, SG_STR_NONE, NULL, "4");
    sg_error_at(&d, (struct sg_mark){f, 1, 3, 1}, SG_STR_NONE, NULL, "1");
    sg_error_at(&d, (struct sg_mark){0}, SG_STR_NONE, NULL, "0");
    assert_printed("error: 0\ntask.yaml:1:3: error: 1\ntask.yaml:1:7: error: 2\ntask.yaml:1:7: error: 3\n"
                   "task.yaml:1:7: warning: 4\ntask.yaml:2:1: error: 5\nmodels.yaml:1:1: error: 6\n");
}

static void test_equal_reports_are_kept_once(void **state) {
    (void)state;
    struct sg_mark m = {file("x\n"), 1, 1, 1}, other = {1, 1, 1, 2};
    for (int i = 0; i < 3; i++) sg_error_at(&d, m, SG_STR_NONE, NULL, "same");
    sg_error_at(&d, m, SG_STR_NONE, NULL, "different");
    sg_error_at(&d, other, SG_STR_NONE, NULL, "same");
    assert_int_equal(d.n, 3);
    assert_int_equal(d.errors, 3);
}

static void test_the_caret_stands_under_tabs_and_wide_characters(void **state) {
    (void)state;
    report("\ta:\tb", 5, 1);
    report("\xE6\x97\xA5\xE6\x9C\xAC: x", 5, 1);
    report("e\xCC\x81: x", 5, 1);
    report("\xC3\xA9: \xE6\x97\xA5\xE6\x9C\xAC!", 4, 2);
    assert_printed("task.yaml:1:5: error: bad\n\ta:\tb\n\t  \t^\n"
                   "task.yaml:1:5: error: bad\n\xE6\x97\xA5\xE6\x9C\xAC: x\n      ^\n"
                   "task.yaml:1:5: error: bad\ne\xCC\x81: x\n   ^\n"
                   "task.yaml:1:4: error: bad\n\xC3\xA9: \xE6\x97\xA5\xE6\x9C\xAC!\n   ^~~~\n");
}

static void test_the_mark_stays_within_its_line(void **state) {
    (void)state;
    report("abc\n", 2, 50);
    report("abc\n", 4, 1);
    report("abc\n", 90, 3);
    report("abc\n", 2, 0);
    report("\xEF\xBB\xBF" "abc\r\n", 3, 1);
    assert_printed("task.yaml:1:2: error: bad\nabc\n ^~\n"
                   "task.yaml:1:4: error: bad\nabc\n   ^\n"
                   "task.yaml:1:90: error: bad\nabc\n   ^\n"
                   "task.yaml:1:2: error: bad\nabc\n ^\n"
                   "task.yaml:1:3: error: bad\nabc\n  ^\n");
}

static void test_long_lines_are_cut_around_the_mark(void **state) {
    (void)state;
    char line[501], want[2000];
    for (int i = 0; i < 500; i++) line[i] = (char)('a' + i % 26);
    line[500] = '\0';
    report(line, 1, 2);
    report(line, 300, 2);
    report(line, 500, 9);
    int n = snprintf(want, sizeof want, "task.yaml:1:1: error: bad\n%.120s...\n^~\n", line);
    n += snprintf(want + n, sizeof want - (size_t)n, "task.yaml:1:300: error: bad\n...%.120s...\n%*s^~\n",
                  line + 259, 43, "");
    snprintf(want + n, sizeof want - (size_t)n, "task.yaml:1:500: error: bad\n...%.120s\n%*s^\n",
             line + 380, 122, "");
    assert_printed(want);
}

static void test_nothing_of_the_users_commands_the_terminal(void **state) {
    (void)state;
    uint32_t f = sg_diags_file(&d, SG_STR("a\x1B.yaml"), SG_STR("k\x1B[2J: \xC2\x9B\xE2\x80\xAE\xFF\x01x\n"));
    sg_error_at(&d, (struct sg_mark){f, 1, 12, 1}, SG_STR("a.\x07"), "drop\nit\x08", "%s", "x\ny\x1Bz");
    assert_printed("a?.yaml:1:12: error: x y?z [a.?]\n"
                   "k?[2J: ????x\n"
                   "           ^\n"
                   "  help: drop it?\n");
}

static void test_colors_are_there_only_when_wanted(void **state) {
    (void)state;
    report("abc", 1, 2);
    struct sg_buf out = SG_BUF_INIT(0);
    sg_diags_print(&d, &out, true);
    sg_buf_ch(&out, '\0');
    assert_string_equal(out.p, "\x1B[1mtask.yaml:1:1:\x1B[0m \x1B[1;31merror:\x1B[0m \x1B[1mbad\x1B[0m\nabc\n"
                               "\x1B[1;32m^~\x1B[0m\n");
    sg_buf_fini(&out);
}

static void test_json_holds_the_same_reports(void **state) {
    (void)state;
    struct sg_buf out = SG_BUF_INIT(0);
    sg_diags_json(&d, &out);
    assert_int_equal(out.n, 2);
    sg_buf_reset(&out, SIZE_MAX);
    sg_warning_at(&d, (struct sg_mark){file("abc"), 1, 2, 3}, SG_STR("k"), "h", "say \"x\"");
    sg_error_at(&d, (struct sg_mark){0}, SG_STR_NONE, NULL, "t\xFF");
    sg_diags_json(&d, &out);
    sg_buf_ch(&out, '\0');
    assert_string_equal(out.p, "[{\"severity\":\"error\",\"file\":null,\"line\":0,\"column\":0,\"length\":0,"
                               "\"path\":\"\",\"text\":\"t?\",\"help\":\"\"},"
                               "{\"severity\":\"warning\",\"file\":\"task.yaml\","
                               "\"line\":1,\"column\":2,\"length\":3,\"path\":\"k\",\"text\":\"say \\\"x\\\"\","
                               "\"help\":\"h\"}]");
    sg_buf_fini(&out);
}

static void assert_nearest(const char *name, const char *want) {
    static const struct sg_str NAMES[] = {{"model", 5}, {"prompt", 6},       {"node_type", 9}, {"post_process", 12},
                                          {"from", 4},  {"output_keys", 11}, {"to", 2},        {"Prompts", 7},
                                          {"mode", 4},  {"chat_history", 12}};
    struct sg_str got = sg_nearest(sg_str(name), NAMES, sizeof NAMES / sizeof *NAMES);
    assert_int_equal(got.n, strlen(want));
    if (got.n) assert_memory_equal(got.p, want, got.n);
}

static void test_the_nearest_name_is_found(void **state) {
    (void)state;
    assert_nearest("modle", "model");
    assert_nearest("moddel", "model");
    assert_nearest("mode", "mode");
    assert_nearest("modes", "model"); /* as near as "mode": the first wins */
    assert_nearest("nodetype", "node_type");
    assert_nearest("Node-Type", "node_type");
    assert_nearest("post_proces", "post_process");
    assert_nearest("postproccess", "post_process");
    assert_nearest("PROMPT", "prompt");
    assert_nearest("form", "from");
    assert_nearest("chathistroy", "chat_history");
}

static void test_a_far_name_suggests_nothing(void **state) {
    (void)state;
    assert_nearest("", "");
    assert_nearest("x", "");
    assert_nearest("url", "");
    assert_nearest("temperature", "");
    assert_nearest("fxxm", "");
    assert_int_equal(sg_nearest(SG_STR("model"), NULL, 0).n, 0);
}

/* Last: a registered secret stays. */
static void test_secrets_are_named(void **state) {
    (void)state;
    sg_redact_add(SG_STR("TOKEN"), SG_STR("sk-0123456789"));
    report("key: sk-0123456789", 6, 1);
    assert_printed("task.yaml:1:6: error: bad\nkey: [TOKEN]\n     ^\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_report_shows_place_line_caret_key_and_help, begin, end),
        cmocka_unit_test_setup_teardown(test_reports_without_a_place_say_what_they_know, begin, end),
        cmocka_unit_test_setup_teardown(test_a_key_that_the_text_names_is_not_repeated, begin, end),
        cmocka_unit_test_setup_teardown(test_reports_are_sorted_by_place_and_then_by_order, begin, end),
        cmocka_unit_test_setup_teardown(test_equal_reports_are_kept_once, begin, end),
        cmocka_unit_test_setup_teardown(test_the_caret_stands_under_tabs_and_wide_characters, begin, end),
        cmocka_unit_test_setup_teardown(test_the_mark_stays_within_its_line, begin, end),
        cmocka_unit_test_setup_teardown(test_long_lines_are_cut_around_the_mark, begin, end),
        cmocka_unit_test_setup_teardown(test_nothing_of_the_users_commands_the_terminal, begin, end),
        cmocka_unit_test_setup_teardown(test_colors_are_there_only_when_wanted, begin, end),
        cmocka_unit_test_setup_teardown(test_json_holds_the_same_reports, begin, end),
        cmocka_unit_test(test_the_nearest_name_is_found),
        cmocka_unit_test(test_a_far_name_suggests_nothing),
        cmocka_unit_test_setup_teardown(test_secrets_are_named, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
