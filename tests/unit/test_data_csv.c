/* SPDX-License-Identifier: Apache-2.0 */
#include "test_data.h"

#include "data/csv.h"

/* Rows as JSON, one a line; a failed one as "!" and its message. Read in steps of `step` bytes from a pipe of its own making. */
static struct sg_str read_csv(struct sg_arena *a, const char *text, size_t n, char separator, size_t step, size_t limit) {
    struct sg_splitter s;
    struct sg_csv_layout l;
    struct sg_row_maker m = {.name = SG_STR("t.csv")};
    struct sg_piece piece;
    struct sg_err err = {0};
    struct sg_buf out = SG_BUF_INIT(1 << 22);
    feed_text((struct sg_str){text, n}, step);
    sg_splitter_init(&s, 99, false, -1, m.name, 64, limit);
    s.separator = separator;
    enum sg_split got = sg_csv_layout(&s, a, NULL, SG_WAIT, &l, &err);
    for (uint64_t i = 0; got == SG_SPLIT_GOT && (got = sg_csv_next(&s, SG_WAIT, &piece, &err)) == SG_SPLIT_GOT; i++) {
        struct sg_row row;
        sg_csv_row(&m, &l, &piece, i, &row);
        if (row.status) sg_buf_printf(&out, "!%.*s", SG_ARG(row.error));
        else sg_json_write(&out, &row.value);
        sg_buf_ch(&out, '\n');
        sg_arena_fini(&row.arena);
    }
    if (got == SG_SPLIT_BROKEN) sg_buf_printf(&out, "broken: %s\n", err.text);
    sg_splitter_fini(&s);
    sg_os = &sg_os_posix;
    struct sg_str all = sg_str_dup(a, sg_buf_view(&out));
    sg_buf_fini(&out);
    return all;
}

static void expect(const char *text, const char *wanted) {
    for (size_t step = 1; step < 300; step = step * 3 + 1) {
        struct sg_arena a;
        sg_arena_init(&a, 0);
        struct sg_str got = read_csv(&a, text, strlen(text), ',', step, 0);
        assert_string_equal(got.p, wanted);
        sg_arena_fini(&a);
    }
}

static void test_values_are_typed_by_column(void **state) {
    (void)state;
    expect("a,b\n1,x\n,\n", "{\"a\":1,\"b\":\"x\"}\n{\"a\":null,\"b\":null}\n");
    expect("a\n0\n-0\n1.\n", "{\"a\":\"0\"}\n{\"a\":\"-0\"}\n{\"a\":\"1.\"}\n");
    expect("a\n-0.5\n1e3\n1E-3\n", "{\"a\":-0.5}\n{\"a\":1e3}\n{\"a\":1E-3}\n");
    expect("a\n9223372036854775807\n", "{\"a\":9223372036854775807}\n");
    expect("a\n9223372036854775808\n", "{\"a\":\"9223372036854775808\"}\n");
    expect("a\n01\n2\n", "{\"a\":\"01\"}\n{\"a\":\"2\"}\n");
    expect("a\n+1\n", "{\"a\":\"+1\"}\n");
    expect("a\nTRUE\nfalse\nNA\n", "{\"a\":true}\n{\"a\":false}\n{\"a\":null}\n");
    expect("a\nTrue\n1\n", "{\"a\":\"True\"}\n{\"a\":\"1\"}\n");
    expect("a\n1\nnull\n", "{\"a\":1}\n{\"a\":null}\n");
    expect("a\nx\nnull\n", "{\"a\":\"x\"}\n{\"a\":\"null\"}\n");
    expect("a,b\n\"1\",\"\"\n", "{\"a\":1,\"b\":null}\n");
}

static void test_quotes_hold_separators_line_ends_and_quotes(void **state) {
    (void)state;
    expect("a,b\n\"x,y\",\"1\"\"2\"\n", "{\"a\":\"x,y\",\"b\":\"1\\\"2\"}\n");
    expect("a,b\r\n\"x\r\ny\",z\r\n", "{\"a\":\"x\\r\\ny\",\"b\":\"z\"}\n");
    expect("a,b\n1\" 2\",\"\"\"\"\n", "{\"a\":\"1\\\" 2\\\"\",\"b\":\"\\\"\"}\n");
    expect("\"a\nb\",c\n1,2", "{\"a\\nb\":1,\"c\":2}\n");
    expect("a,b\n\n1,\n\n\r\n", "{\"a\":1,\"b\":null}\n");
}

static void test_a_wrong_quote_costs_its_line_only(void **state) {
    (void)state;
    expect("a,b\n1,\"x\n2,y\n3,\"z\"\n", "!t.csv:2: byte 6: the quote that opens here is not closed\n"
                                          "{\"a\":2,\"b\":\"y\"}\n{\"a\":3,\"b\":\"z\"}\n");
}

static void test_an_unclosed_quote_is_named_where_it_opens(void **state) {
    (void)state;
    expect("a,b\n1,\"x\n2,y\n", "!t.csv:2: byte 6: the quote that opens here is not closed\n{\"a\":2,\"b\":\"y\"}\n");
    expect("a\n\"x\"y\n2\n", "!t.csv:2: byte 5: text stands behind the quote that closes a field\n{\"a\":2}\n");
}

static void test_rows_of_another_width_fail_with_both_counts(void **state) {
    (void)state;
    expect("a,b\n1\n1,2,3\n", "!t.csv:2: byte 4: the row has 1 value, the header names 2 columns\n"
                              "!t.csv:3: byte 6: the row has 3 values, the header names 2 columns\n");
}

static void test_rows_over_the_limit_fail_alone(void **state) {
    (void)state;
    struct sg_arena a;
    sg_arena_init(&a, 0);
    char text[700] = "a,b\n";
    for (size_t i = 4; i < 600; i++) text[i] = i == 300 ? ',' : 'x';
    strcpy(text + 600, "\n1,2\n");
    struct sg_str got = read_csv(&a, text, strlen(text), ',', 50, 100);
    assert_string_equal(got.p, "!t.csv:2: byte 4: the row is too long\n{\"a\":1,\"b\":2}\n");
    sg_arena_fini(&a);
}

/* The rows as the splitter finds them, without a header: line, place, what is wrong, text. */
static struct sg_str split_csv(struct sg_arena *a, const char *text, size_t block, size_t limit) {
    struct sg_splitter s;
    struct sg_piece piece;
    struct sg_buf out = SG_BUF_INIT(1 << 20);
    feed_text(sg_str(text), 1000);
    sg_splitter_init(&s, 99, false, -1, SG_STR("t.csv"), block, limit);
    s.separator = ',';
    while (sg_csv_next(&s, SG_WAIT, &piece, NULL) == SG_SPLIT_GOT)
        sg_buf_printf(&out, "%d@%d%s%s%.*s;", (int)piece.line, (int)piece.offset, piece.too_long ? " long " : " ",
                      piece.bad ? "bad " : "", SG_ARG(piece.text));
    sg_splitter_fini(&s);
    sg_os = &sg_os_posix;
    struct sg_str all = sg_str_dup(a, sg_buf_view(&out));
    sg_buf_fini(&out);
    return all;
}

/* The same wherever the window ends. */
static void expect_split(const char *text, size_t limit, const char *wanted) {
    for (size_t block = 1; block < 60; block++) {
        struct sg_arena a;
        sg_arena_init(&a, 0);
        assert_string_equal(split_csv(&a, text, block, limit).p, wanted);
        sg_arena_fini(&a);
    }
}

static void test_a_wrong_row_at_the_end_of_the_window_is_one_row(void **state) {
    (void)state;
    expect_split("1,2\n\"x\"y,and,more\n3,4\n", 0, "1@0 1,2;2@4 bad \"x\"y,and,more;3@18 3,4;");
    expect_split("1,\"a\nb\" c\n3,\"4\"5", 0, "1@0 bad 1,\"a;2@5 b\" c;3@10 bad 3,\"4\"5;");
}

static void test_what_a_long_row_costs_does_not_depend_on_the_window(void **state) {
    (void)state;
    expect_split("1,\"x\ny\nz\nx\ny\nz\n\"\n2,3\n", 8, "1@0 bad 1,\"x;2@5 y;3@7 z;4@9 x;5@11 y;6@13 z;7@15 bad \";8@17 2,3;");
    expect_split("1,\"xxxxxxxxxxx\ny\n2,3\n", 8, "1@0 long ;2@15 y;3@17 2,3;");
    expect_split("1,\"xx\"yyyyyyyyy\"\n2,3\n", 8, "1@0 long ;2@17 2,3;");
    expect_split("1,xxxxxxxxxxxxxxx\n2,3\n", 8, "1@0 long ;2@18 2,3;");
    expect_split("1234567\r\n12345678\r\n1", 8, "1@0 1234567;2@9 long ;3@19 1;");
}

static void test_a_return_behind_a_quote_only_belongs_to_a_line_end(void **state) {
    (void)state;
    expect("a,b\r\n1,\"2\"\r\n", "{\"a\":1,\"b\":2}\n");
    expect("a,b\n1,\"2\"\r", "{\"a\":1,\"b\":2}\n");
    expect("a,b\n\"x\"\r,y\n1,2\n", "!t.csv:2: byte 8: text stands behind the quote that closes a field\n{\"a\":1,\"b\":2}\n");
}

/* Types of a column that begins with a megabyte of numbers and goes on with texts, read in steps. */
static enum sg_csv_type type_behind_numbers(struct sg_arena *a, struct sg_str text, size_t step) {
    struct sg_splitter s;
    struct sg_csv_layout l;
    feed_text(text, step);
    sg_splitter_init(&s, 99, false, -1, SG_STR("t.csv"), 100, 0);
    s.separator = ',';
    assert_int_equal(sg_csv_layout(&s, a, NULL, SG_WAIT, &l, NULL), SG_SPLIT_GOT);
    sg_splitter_fini(&s);
    sg_os = &sg_os_posix;
    return l.columns[0].type;
}

static void test_types_do_not_depend_on_how_fast_a_file_comes(void **state) {
    (void)state;
    struct sg_arena a;
    struct sg_buf text = SG_BUF_INIT(1 << 22);
    sg_arena_init(&a, 0);
    sg_buf_str(&text, SG_STR("a\n"));
    while (text.n < 1 << 20) sg_buf_str(&text, SG_STR("7\n"));
    while (text.n < 3 << 20) sg_buf_str(&text, SG_STR("x\n"));
    assert_int_equal(type_behind_numbers(&a, sg_buf_view(&text), 1000), SG_CSV_NUMBER);
    assert_int_equal(type_behind_numbers(&a, sg_buf_view(&text), 3 << 20), SG_CSV_NUMBER);
    sg_buf_fini(&text);
    sg_arena_fini(&a);
}

static void test_twenty_thousand_columns_of_one_name_get_their_own_at_once(void **state) {
    (void)state;
    struct sg_arena a;
    struct sg_buf text = SG_BUF_INIT(1 << 20);
    sg_arena_init(&a, 0);
    for (int i = 0; i < 19999; i++) sg_buf_str(&text, SG_STR("a,"));
    sg_buf_str(&text, SG_STR("a\n"));
    for (int i = 0; i < 19999; i++) sg_buf_str(&text, SG_STR("7,"));
    sg_buf_str(&text, SG_STR("7\n"));
    struct sg_str got = read_csv(&a, text.p, text.n, ',', 1 << 20, 0);
    assert_true(sg_str_starts(got, SG_STR("{\"a\":7,\"a.1\":7,\"a.2\":7,")));
    assert_non_null(strstr(got.p, ",\"a.19999\":7}\n"));
    sg_buf_fini(&text);
    sg_arena_fini(&a);
}

static void test_headers_that_cannot_be_read_are_told(void **state) {
    (void)state;
    expect("", "broken: t.csv:1: the header, which names the columns, cannot be read: the file is empty\n");
    expect("a,\"b\n", "broken: t.csv:1: the header, which names the columns, cannot be read: the quote that opens here is not closed\n");
    expect("a\xff\n1\n", "broken: t.csv:1: the header, which names the columns, cannot be read: it is not UTF-8\n");
    expect("a,a,,a.1\n1,2,3,4\n", "{\"a\":1,\"a.1\":2,\"Unnamed: 2\":3,\"a.1.1\":4}\n");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_are_typed_by_column),
        cmocka_unit_test(test_quotes_hold_separators_line_ends_and_quotes),
        cmocka_unit_test(test_a_wrong_quote_costs_its_line_only),
        cmocka_unit_test(test_an_unclosed_quote_is_named_where_it_opens),
        cmocka_unit_test(test_rows_of_another_width_fail_with_both_counts),
        cmocka_unit_test(test_rows_over_the_limit_fail_alone),
        cmocka_unit_test(test_a_wrong_row_at_the_end_of_the_window_is_one_row),
        cmocka_unit_test(test_what_a_long_row_costs_does_not_depend_on_the_window),
        cmocka_unit_test(test_a_return_behind_a_quote_only_belongs_to_a_line_end),
        cmocka_unit_test(test_types_do_not_depend_on_how_fast_a_file_comes),
        cmocka_unit_test(test_twenty_thousand_columns_of_one_name_get_their_own_at_once),
        cmocka_unit_test(test_headers_that_cannot_be_read_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
