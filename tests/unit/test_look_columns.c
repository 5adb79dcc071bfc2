/* SPDX-License-Identifier: Apache-2.0 */
#include "test_data.h"

#include "look/columns.h"
#include "look/look.h"

static struct sg_arena a;
static struct sg_export_columns c;

static int setup(void **state) {
    (void)state;
    sg_arena_init(&a, 0);
    c = (struct sg_export_columns){.arena = &a};
    return 0;
}

static int teardown(void **state) {
    (void)state;
    sg_arena_fini(&a);
    return 0;
}

static struct sg_json parse(const char *text) {
    struct sg_json v;
    assert_int_equal(sg_json_parse(&a, sg_str(text), &v, NULL, NULL), 0);
    return v;
}

static void note(const char *text) {
    struct sg_json v = parse(text);
    assert_int_equal(sg_columns_note(&c, &v, NULL), 0);
}

/* The kind of one column whose values are those, by blanks. */
static enum sg_table_kind kind(const char *values) {
    c = (struct sg_export_columns){.arena = &a};
    struct sg_str all = sg_str(values);
    for (size_t at = 0, end; at < all.n; at = end + 1) {
        end = sg_str_find(all, ' ', at);
        note(sg_str_printf(&a, "{\"x\":%.*s}", (int)(end - at), all.p + at).p);
    }
    return sg_columns_kind(&c.items[0]);
}

static void test_a_column_is_a_number_where_no_value_loses_a_digit(void **state) {
    (void)state;
    assert_int_equal(kind("1 -2 null 9223372036854775807 -9223372036854775808"), SG_TABLE_INTEGER);
    assert_int_equal(kind("1 1.5 -0.25 1e10 1.10 123456789012345"), SG_TABLE_REAL);
    assert_int_equal(kind("0.1 1.7976931348623E+270 2e-250"), SG_TABLE_REAL);
    assert_int_equal(kind("true false null"), SG_TABLE_BOOLEAN);
    static const char *const texts[] = {"9223372036854775808",
                                        "1.5 1234567890123456",
                                        "0.1234567890123456",
                                        "1e300",
                                        "1e-300",
                                        "1e999",
                                        "-0 1",
                                        "1 \"1\"",
                                        "true 1",
                                        "[] 1",
                                        "{}",
                                        "null",
                                        "\"a\""};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (kind(texts[i]) != SG_TABLE_TEXT) fail_msg("%s is no text", texts[i]);
}

static void test_texts_are_json_where_they_stand_for_something_else(void **state) {
    (void)state;
    kind("\"a\" null \"b\"");
    assert_false(sg_columns_is_json(&c.items[0]));
    kind("null");
    assert_false(sg_columns_is_json(&c.items[0]));
    kind("\"a\" 1");
    assert_true(sg_columns_is_json(&c.items[0]));
    kind("1 2");
    assert_false(sg_columns_is_json(&c.items[0]));
}

static void expect_rows(const char *record, const char *csv, const char *flat) {
    struct sg_buf b = SG_BUF_INIT(SIZE_MAX);
    struct sg_json v = parse(record);
    sg_columns_csv(&c, &v, &b);
    assert_text(sg_buf_view(&b), sg_str(csv));
    b.n = 0;
    sg_columns_flat(&c, &v, &b);
    assert_text(sg_buf_view(&b), sg_str(flat));
    sg_buf_fini(&b);
}

static void test_rows_have_all_columns_in_one_order(void **state) {
    (void)state;
    note("{\"a\":1,\"b\":\"x\"}");
    note("{\"c\":[1.10],\"a\":2}");
    note("{\"m\":\"t\"}");
    note("{\"m\":1}");
    expect_rows("{\"a\":1,\"b\":\"x\"}", "1,x,,", "{\"a\":1,\"b\":\"x\"}");
    expect_rows("{\"c\":[1.10],\"a\":2}", "2,,[1.10],", "{\"a\":2,\"c\":\"[1.10]\"}");
    expect_rows("{\"m\":\"t\",\"a\":null}", ",,,t", "{\"m\":\"\\\"t\\\"\"}");
    expect_rows("{}", ",,,", "{}");
}

static void expect_cell(struct sg_str text, const char *wanted) {
    struct sg_buf b = SG_BUF_INIT(SIZE_MAX);
    sg_csv_cell(&b, text);
    assert_text(sg_buf_view(&b), sg_str(wanted));
    sg_buf_fini(&b);
}

static void test_cells_are_quoted_where_a_reader_would_take_them_apart(void **state) {
    (void)state;
    expect_cell(SG_STR("plain text"), "plain text");
    expect_cell(SG_STR(""), "\"\"");
    expect_cell(SG_STR("a,b"), "\"a,b\"");
    expect_cell(SG_STR("say \"hi\""), "\"say \"\"hi\"\"\"");
    expect_cell(SG_STR("two\nlines"), "\"two\nlines\"");
    expect_cell(SG_STR("cr\r"), "\"cr\r\"");
    expect_cell(SG_STR(" edge"), "\" edge\"");
}

static void test_a_record_that_is_no_object_has_no_columns(void **state) {
    (void)state;
    struct sg_json v = parse("[1]");
    struct sg_err err = {0};
    assert_int_equal(sg_columns_note(&c, &v, &err), SG_E_TYPE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_column_is_a_number_where_no_value_loses_a_digit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_texts_are_json_where_they_stand_for_something_else, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rows_have_all_columns_in_one_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cells_are_quoted_where_a_reader_would_take_them_apart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_record_that_is_no_object_has_no_columns, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
