/* SPDX-License-Identifier: Apache-2.0 */
#include "test_data.h"

#include "config/config.h"

static struct sg_arena arena;
static struct sg_diags diags;
static struct sg_prices *prices;

static int load(const char *text) {
    sg_arena_reset(&arena);
    sg_diags_fini(&diags);
    sg_diags_init(&diags);
    put_file("prices.yaml", sg_str(text));
    return sg_prices_load(&arena, &diags, sg_str(in_folder("prices.yaml")), &prices);
}

static struct sg_price find(const char *alias, const char *name, bool hosted) {
    return sg_prices_find(prices, sg_str(alias), sg_str(name), hosted, NULL);
}

static void expect_mistake(const char *text, uint32_t line, uint32_t column, const char *says) {
    struct sg_buf b = SG_BUF_INIT(SIZE_MAX);
    assert_int_not_equal(load(text), 0);
    sg_diags_print(&diags, &b, false);
    sg_buf_ch(&b, 0);
    if (!strstr(b.p, says)) fail_msg("no \"%s\" in:\n%s", says, b.p);
    if (diags.items[0].mark.line != line || diags.items[0].mark.column != column)
        fail_msg("at %u:%u, not %u:%u\n%s", diags.items[0].mark.line, diags.items[0].mark.column, line, column, b.p);
    sg_buf_fini(&b);
}

static void test_a_table_is_read(void **state) {
    (void)state;
    assert_int_equal(load("date: 2026-11-01\nsource: our contract\nmodels:\n  a: {input: 1, output: 2.5}\n  \"q:7b\": {input: 0, output: 0}\n"), 0);
    struct sg_price p = find("a", "other", false);
    assert_true(p.known && p.input == 1 && p.output == 2.5);
    assert_true(sg_str_ends(p.from, SG_STR("prices.yaml (2026-11-01)")));
    p = find("x", "q:7b", true);
    assert_true(p.known && p.input == 0);
}

static void test_a_table_stands_in_place_of_the_built_in_one(void **state) {
    (void)state;
    assert_int_equal(load("date: 2026-11-01\nmodels:\n  a: {input: 1, output: 2}\n"), 0);
    assert_false(find("gpt-4o-mini", "gpt-4o-mini", true).known);
    struct sg_price entry = {.known = true, .input = 9};
    assert_true(sg_prices_find(prices, SG_STR("z"), SG_STR("z"), true, &entry).input == 9);
    assert_true(sg_prices_find(prices, SG_STR("a"), SG_STR("z"), true, &entry).input == 1);
}

static void test_list_prices_are_of_hosted_models_only(void **state) {
    (void)state;
    prices = NULL;
    struct sg_price p = find("mine", "gpt-4o-mini", true);
    assert_true(p.known && p.input > 0 && p.output > p.input);
    assert_true(sg_str_starts(p.from, SG_STR("list prices of 20")));
    assert_false(find("mine", "gpt-4o-mini", false).known);
    assert_false(find("mine", "no-such-model", true).known);
    assert_false(find("gpt-4o-mini", "another", true).known); /* the alias is the user's word */
}

static void test_mistakes_are_located(void **state) {
    (void)state;
    expect_mistake("date: 2026-11-01\nmodels:\n  a: {input: -1, output: 2}\n", 3, 14, "must be a price");
    expect_mistake("date: 2026-11-01\nmodels:\n  a: {input: cheap, output: 2}\n", 3, 14, "input");
    expect_mistake("date: 2026-11-01\nmodels:\n  a: {inputs: 1, output: 2}\n", 3, 7, "did you mean `input`");
    expect_mistake("date: 2026-11-01\nmodels:\n  a: {input: 1}\n", 3, 3, "output");
    expect_mistake("models:\n  a: {input: 1, output: 2}\n", 1, 1, "date");
    expect_mistake("- a\n", 1, 1, "a price table is a map");
    expect_mistake("date: 2026-11-01\nmodels: [a]\n", 2, 9, "models");
    expect_mistake("date: 2026-11-01\nmodels:\n  a: 3\n", 3, 6, "a");
}

static void test_a_table_that_is_not_there_is_told(void **state) {
    (void)state;
    sg_diags_fini(&diags);
    sg_diags_init(&diags);
    assert_int_not_equal(sg_prices_load(&arena, &diags, sg_str(in_folder("none.yaml")), &prices), 0);
    assert_int_equal(diags.errors, 1);
}

static int begin(void **state) {
    sg_arena_init(&arena, 0);
    sg_diags_init(&diags);
    return make_folder(state);
}

static int end(void **state) {
    sg_diags_fini(&diags);
    sg_arena_fini(&arena);
    return remove_folder(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_table_is_read),
        cmocka_unit_test(test_a_table_stands_in_place_of_the_built_in_one),
        cmocka_unit_test(test_list_prices_are_of_hosted_models_only),
        cmocka_unit_test(test_mistakes_are_located),
        cmocka_unit_test(test_a_table_that_is_not_there_is_told),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
