/* SPDX-License-Identifier: Apache-2.0 */
#include "test_data.h"

#include "data/data.h"
#include "test_source.h"

static struct {
    struct sg_loop *loop;
    int status;
    char why[SG_ERR_TEXT];
} seen;

static void on_loaded(void *ud, int status, const struct sg_err *err) {
    (void)ud;
    seen.status = status;
    snprintf(seen.why, sizeof seen.why, "%s", err ? err->text : "");
    sg_loop_stop(seen.loop);
}

static struct sg_columns *load(const struct sg_column_spec *specs, size_t n) {
    struct sg_columns *c = NULL;
    seen.status = 1;
    assert_int_equal(sg_columns_load(seen.loop, specs, n, NULL, on_loaded, NULL, &c, NULL), 0);
    assert_int_equal(seen.status, 1); /* never from inside */
    sg_loop_run(seen.loop);
    return c;
}

static void test_columns_are_whole_and_gaps_are_null(void **state) {
    (void)state;
    put_file("c.jsonl", SG_STR("{\"a\": 1.50}\n{\"b\": [1]}\n{\"a\": {\"x\": \"y\"}}\n"));
    struct sg_source_spec spec = source_of(in_folder("c.jsonl"));
    struct sg_column_spec specs[] = {{&spec, SG_STR("a")}, {&spec, SG_STR("b")}};
    struct sg_columns *c = load(specs, 2);
    assert_int_equal(seen.status, 0);
    static const char *const wanted[2][3] = {{"1.50", "null", "{\"x\":\"y\"}"}, {"null", "[1]", "null"}};
    struct sg_arena a;
    sg_arena_init(&a, 0);
    for (size_t i = 0; i < 2; i++) {
        const struct sg_column *column = sg_columns_get(c, i);
        assert_int_equal(column->n, 3);
        for (size_t k = 0; k < 3; k++) assert_string_equal(sg_json_dump(&a, &column->values[k]).p, wanted[i][k]);
    }
    assert_int_not_equal(sg_columns_get(c, 0)->crc, sg_columns_get(c, 1)->crc);
    sg_arena_fini(&a);
    sg_columns_close(c);
}

static void expect_refused(const char *text, int code, const char *part) {
    put_file("c.jsonl", sg_str(text));
    struct sg_source_spec spec = source_of(in_folder("c.jsonl"));
    sg_columns_close(load(&(struct sg_column_spec){&spec, SG_STR("a")}, 1));
    assert_int_equal(seen.status, code);
    assert_non_null(strstr(seen.why, part));
}

static void test_what_cannot_be_drawn_from_is_told(void **state) {
    (void)state;
    expect_refused("", SG_E_MISSING, "no rows");
    expect_refused("{\"b\": 1}\n", SG_E_MISSING, "no row has a column `a`");
    expect_refused("{\"a\": 1}\n{\"a\":\n", SG_E_SYNTAX, "c.jsonl:2");
}

static void test_closing_stops_a_load(void **state) {
    (void)state;
    put_file("c.jsonl", SG_STR("{\"a\": 1}\n"));
    struct sg_source_spec spec = source_of(in_folder("c.jsonl"));
    struct sg_column_spec column = {&spec, SG_STR("a")};
    struct sg_columns *c = NULL;
    seen.status = 1;
    assert_int_equal(sg_columns_load(seen.loop, &column, 1, NULL, on_loaded, NULL, &c, NULL), 0);
    sg_columns_close(c);
    sg_loop_run(seen.loop);
    assert_int_equal(seen.status, 1);
}

static int open_loop(void **state) {
    return make_folder(state) || sg_loop_open_uv(&seen.loop, 1, NULL);
}

static int close_loop(void **state) {
    sg_loop_close(seen.loop);
    return remove_folder(state);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_columns_are_whole_and_gaps_are_null),
        cmocka_unit_test(test_what_cannot_be_drawn_from_is_told),
        cmocka_unit_test(test_closing_stops_a_load),
    };
    return cmocka_run_group_tests(tests, open_loop, close_loop);
}
