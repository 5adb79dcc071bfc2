/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/json.h"

static void expect(const char *was, const char *is, const char *want) {
    struct sg_arena a;
    struct sg_json x, y;
    struct sg_buf out = SG_BUF_INIT(SIZE_MAX);
    sg_arena_init(&a, 0);
    assert_int_equal(sg_json_parse(&a, sg_str(was), &x, NULL, NULL), 0);
    assert_int_equal(sg_json_parse(&a, sg_str(is), &y, NULL, NULL), 0);
    sg_json_diff(&out, &x, &y);
    sg_buf_ch(&out, 0);
    assert_string_equal(out.p, want);
    sg_buf_fini(&out);
    sg_arena_fini(&a);
}

static void test_equal_values_differ_in_nothing(void **state) {
    (void)state;
    expect("{\"a\":[1,{\"b\":null}]}", "{\"a\":[1,{\"b\":null}]}", "");
    expect("{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", "");
}

static void test_the_place_of_a_difference_is_named(void **state) {
    (void)state;
    expect("{\"m\":[{\"c\":\"x\"},{\"c\":\"y\"}]}", "{\"m\":[{\"c\":\"x\"},{\"c\":\"z\"}]}", "m[1].c: \"y\" became \"z\"");
    expect("1", "2", "1 became 2");
    expect("{\"a\":1}", "{\"a\":[1]}", "a: 1 became [1]");
    expect("{\"a\":1}", "{\"b\":true}", "a: 1 became nothing; b: nothing became true");
    expect("[1]", "[1,2]", "[1]: nothing became 2");
}

static void test_long_texts_are_cut_around_their_difference_and_never_inside_a_character(void **state) {
    (void)state;
    expect("\"0123456789012345678901234567890123456789 one and then some more text that goes on and on for long\"",
           "\"0123456789012345678901234567890123456789 two and then some more text that goes on and on for long\"",
           "\"...78901234567890123456789 one and then some more text that goes on...\" became "
           "\"...78901234567890123456789 two and then some more text that goes on...\"");
    expect("\"üüüüüüüüüüüüüüüüüüüü1\"", "\"üüüüüüüüüüüüüüüüüüüü2\"", "\"...üüüüüüüüüüüü1\" became \"...üüüüüüüüüüüü2\"");
    expect("\"a\\nb\"", "\"a\\nc\"", "\"a\\nb\" became \"a\\nc\"");
}

static void test_of_many_differences_the_first_few_are_told(void **state) {
    (void)state;
    expect("[1,2,3,4,5,6,7]", "[0,0,0,0,0,0,0]",
           "[0]: 1 became 0; [1]: 2 became 0; [2]: 3 became 0; [3]: 4 became 0; ...");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_values_differ_in_nothing),
        cmocka_unit_test(test_the_place_of_a_difference_is_named),
        cmocka_unit_test(test_long_texts_are_cut_around_their_difference_and_never_inside_a_character),
        cmocka_unit_test(test_of_many_differences_the_first_few_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
