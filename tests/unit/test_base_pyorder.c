/* SPDX-License-Identifier: Apache-2.0 */
/* Comparisons where a double alone would be wrong. Python itself is compared by tests/prop/schema_vs_pydantic.py. */
#include "base/pyorder.h"

#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

static void compares(const char *left, const char *right, enum sg_order order, bool equal) {
    struct sg_arena a;
    struct sg_json x, y;
    sg_arena_init(&a, 0);
    assert_int_equal(sg_json_parse(&a, sg_str(left), &x, NULL, NULL), 0);
    assert_int_equal(sg_json_parse(&a, sg_str(right), &y, NULL, NULL), 0);
    int got = sg_py_order(&x, &y), back = sg_py_order(&y, &x);
    if (got != order) fail_msg("%s against %s: %d", left, right, got);
    if (back != (order == SG_NO_ORDER ? SG_NO_ORDER : -order)) fail_msg("%s against %s: %d", right, left, back);
    if (sg_py_equal(&x, &y) != equal) fail_msg("%s and %s: equal or not", left, right);
    sg_arena_fini(&a);
}

static void test_numbers_are_compared_by_their_exact_values(void **state) {
    (void)state;
    compares("9007199254740993", "9007199254740992.0", SG_GREATER, false);
    compares("9007199254740992", "9007199254740992.0", SG_SAME, true);
    compares("123456789012345678901234567890", "123456789012345678901234567891", SG_LESS, false);
    compares("-5", "-4.5", SG_LESS, false);
    compares("-4", "-4.5", SG_GREATER, false);
    compares("0", "-0.0", SG_SAME, true);
    compares("0", "5e-324", SG_LESS, false);
    compares("-1", "0", SG_LESS, false);
    compares("1.10", "1.1", SG_SAME, true);
    compares("1e400", "1" "0000000000" "0000000000" "0000000000" "0000000000" "0000000000" "0000000000" "00000000", SG_GREATER,
             false);
}

static void test_true_is_one(void **state) {
    (void)state;
    compares("true", "1.0", SG_SAME, true);
    compares("false", "true", SG_LESS, false);
}

static void test_texts_are_compared_by_code_points(void **state) {
    (void)state;
    compares("\"\\uffff\"", "\"\\ud800\\udc00\"", SG_LESS, false);
    compares("\"a\"", "\"ab\"", SG_LESS, false);
    compares("\"5\"", "5", SG_NO_ORDER, false);
}

static void test_lists_are_compared_item_by_item(void **state) {
    (void)state;
    compares("[1, 2]", "[1, 2.0, 0]", SG_LESS, false);
    compares("[1, \"a\"]", "[2, null]", SG_LESS, false);
    compares("[1, \"a\"]", "[1, 2]", SG_NO_ORDER, false);
    compares("[true]", "[1]", SG_SAME, true);
}

static void test_maps_are_equal_in_any_order_and_have_none(void **state) {
    (void)state;
    compares("{\"a\": 1, \"b\": [true]}", "{\"b\": [1.0], \"a\": 1}", SG_NO_ORDER, true);
    compares("{\"a\": 1}", "{\"b\": 1}", SG_NO_ORDER, false);
    compares("null", "null", SG_NO_ORDER, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_are_compared_by_their_exact_values),
        cmocka_unit_test(test_true_is_one),
        cmocka_unit_test(test_texts_are_compared_by_code_points),
        cmocka_unit_test(test_lists_are_compared_item_by_item),
        cmocka_unit_test(test_maps_are_equal_in_any_order_and_have_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
