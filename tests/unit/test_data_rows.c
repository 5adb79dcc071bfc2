/* SPDX-License-Identifier: Apache-2.0 */
#include "test_data.h"

#include "data/rows.h"

static struct sg_row_maker maker(void) {
    return (struct sg_row_maker){.name = SG_STR("d.jsonl"), .seed = 7};
}

/* The row's text as JSON, or its error. */
static struct sg_str make_at(const struct sg_row_maker *m, struct sg_piece piece, struct sg_row *row) {
    sg_row_make(m, &piece, 5, row);
    assert_int_equal(row->position, 5);
    assert_int_equal(row->line, piece.line);
    assert_int_equal(row->offset, piece.offset);
    return row->status ? row->error : sg_json_dump(&row->arena, &row->value);
}

static void expect_row(const struct sg_row_maker *m, struct sg_str text, int status, struct sg_str expected) {
    struct sg_row row;
    struct sg_str got = make_at(m, (struct sg_piece){.text = text, .line = 17, .offset = 1000}, &row);
    assert_int_equal(row.status, status);
    assert_text(got, expected);
    sg_arena_fini(&row.arena);
}

#define EXPECT(m, text, expected) expect_row((m), SG_STR(text), 0, SG_STR(expected))
#define EXPECT_ERROR(m, text, status, expected) expect_row((m), SG_STR(text), (status), SG_STR(expected))

static void test_numbers_and_order_of_keys_stay_as_they_are(void **state) {
    (void)state;
    struct sg_row_maker m = maker();
    EXPECT(&m, "{\"z\":1.10,\"a\":123456789012345678901234567890, \"b\":null}",
           "{\"z\":1.10,\"a\":123456789012345678901234567890,\"b\":null}");
}

static void test_a_bad_row_says_file_line_and_byte(void **state) {
    (void)state;
    struct sg_row_maker m = maker();
    struct sg_row row;
    struct sg_str got =
        make_at(&m, (struct sg_piece){.text = SG_STR("{\"a\": tru}"), .line = 17, .offset = 1000}, &row);
    assert_int_equal(row.status, SG_E_SYNTAX);
    assert_true(sg_str_starts(got, SG_STR("d.jsonl:17: byte 1006: ")));
    sg_arena_fini(&row.arena);
    got = make_at(&m, (struct sg_piece){.text = SG_STR("{\"a\":\n\n1,\nx}"), .line = 17, .offset = 1000}, &row);
    assert_true(sg_str_starts(got, SG_STR("d.jsonl:20: byte 1010: ")));
    sg_arena_fini(&row.arena);
}

static void test_bad_bytes_are_bad_rows(void **state) {
    (void)state;
    struct sg_row_maker m = maker();
    static const struct sg_str texts[] = {
        {"{\"a\":\"\xC3(\"}", 10}, {"{\"a\":\"\xED\xA0\x80\"}", 11}, {"{\"a\":\"\0\"}", 9}, {"{}\0", 3},
        {"{\"a\":NaN}", 9},        {"{\"a\":\"\xFF\"}", 9},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct sg_row row;
        struct sg_str got = make_at(&m, (struct sg_piece){.text = texts[i], .line = 1}, &row);
        assert_int_equal(row.status, SG_E_SYNTAX);
        assert_true(sg_str_starts(got, SG_STR("d.jsonl:1: byte ")));
        sg_arena_fini(&row.arena);
    }
}

static void test_a_row_that_is_no_object_is_named(void **state) {
    (void)state;
    struct sg_row_maker m = maker();
    EXPECT_ERROR(&m, "[1]", SG_E_TYPE, "d.jsonl:17: byte 1000: the row is an array, not an object");
    EXPECT_ERROR(&m, "7", SG_E_TYPE, "d.jsonl:17: byte 1000: the row is a number, not an object");
    EXPECT_ERROR(&m, "null", SG_E_TYPE, "d.jsonl:17: byte 1000: the row is null, not an object");
    EXPECT_ERROR(&m, "true", SG_E_TYPE, "d.jsonl:17: byte 1000: the row is a boolean, not an object");
}

static void test_a_long_row_is_a_failed_record(void **state) {
    (void)state;
    struct sg_row_maker m = maker();
    struct sg_row row;
    struct sg_str got = make_at(&m, (struct sg_piece){.line = 3, .offset = 9, .too_long = true}, &row);
    assert_int_equal(row.status, SG_E_LIMIT);
    assert_text(got, SG_STR("d.jsonl:3: byte 9: the row is too long"));
    sg_arena_fini(&row.arena);
}

static void test_fields_keep_the_columns_named_and_id(void **state) {
    (void)state;
    struct sg_name fields[] = {{.text = SG_STR("b")}, {.text = SG_STR("a")}};
    struct sg_row_maker m = maker();
    m.fields = fields;
    m.n_fields = 2;
    EXPECT(&m, "{\"a\":1,\"id\":9,\"c\":2,\"b\":{\"c\":3}}", "{\"a\":1,\"id\":9,\"b\":{\"c\":3}}");
    EXPECT(&m, "{\"c\":2}", "{}");
}

static void test_a_given_id_is_kept_whatever_it_is(void **state) {
    (void)state;
    struct sg_row_maker m = maker();
    m.want_ids = true;
    EXPECT(&m, "{\"id\":0,\"a\":1}", "{\"id\":0,\"a\":1}");
    EXPECT(&m, "{\"a\":1,\"id\":\"\"}", "{\"a\":1,\"id\":\"\"}");
    EXPECT(&m, "{\"id\":false}", "{\"id\":false}");
}

static void test_the_id_column_becomes_the_id(void **state) {
    (void)state;
    struct sg_name fields[] = {{.text = SG_STR("a")}};
    struct sg_row_maker m = maker();
    m.want_ids = true;
    m.id_column = SG_STR("key");
    EXPECT(&m, "{\"key\":\"k\",\"a\":1}", "{\"key\":\"k\",\"a\":1,\"id\":\"k\"}");
    EXPECT(&m, "{\"id\":3,\"key\":0}", "{\"id\":0,\"key\":0}");
    EXPECT(&m, "{\"id\":3,\"key\":null}", "{\"id\":3,\"key\":null}");
    m.fields = fields;
    m.n_fields = 1;
    EXPECT(&m, "{\"key\":\"k\",\"a\":1}", "{\"a\":1,\"id\":\"k\"}");
}

/* Expected: python3 -c 'import hashlib, json; print(hashlib.sha256(json.dumps(RECORD,
 * sort_keys=True).encode()).hexdigest())' */
static void test_ids_from_content_are_pythons(void **state) {
    (void)state;
    struct sg_row_maker m = maker();
    m.want_ids = true;
    EXPECT(&m, "{}", "{\"id\":\"44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a\"}");
    EXPECT(&m, "{\"b\": [1, 2.50, true, null], \"a\": {\"z\": \"\xC3\xA9\xF0\x9F\x98\x80\", \"y\": 1e5}}",
           "{\"b\":[1,2.50,true,null],\"a\":{\"z\":\"\xC3\xA9\xF0\x9F\x98\x80\",\"y\":1e5},"
           "\"id\":\"06efc1f3156db08810d30e841e916e9ab369b2d6baf885883a376e519018b3d3\"}");
    EXPECT(&m, "{\"id\": null, \"text\": \"line\\nquote \\\" slash \\\\ / tab\\t\\u007f\"}",
           "{\"id\":\"b4475463a66dc5857bf3f8c77343dce69cf73ebc48ad8d9113026bd34d6dc845\",\"text\":\"line\\nquote "
           "\\\" slash \\\\ / tab\\t\x7F\"}");
}

static void test_data_less_ids_depend_on_seed_and_position_only(void **state) {
    (void)state;
    struct sg_row_maker m = maker();
    struct sg_row a, b, c;
    m.want_ids = true;
    sg_row_make_empty(&m, 5, &a);
    sg_row_make_empty(&m, 6, &b);
    m.seed = 8;
    sg_row_make_empty(&m, 5, &c);
    struct sg_str id = sg_json_text(sg_json_get(&a.value, SG_STR("id")));
    assert_int_equal(id.n, 32);
    assert_text(id, sg_source_id(&a.arena, NULL, 7, 5));
    assert_text(id, SG_STR("5c0830f1a9f5186e80300073f555f963"));
    assert_false(sg_json_equal(&a.value, &b.value));
    assert_false(sg_json_equal(&a.value, &c.value));
    sg_arena_fini(&a.arena);
    sg_arena_fini(&b.arena);
    sg_arena_fini(&c.arena);
    m.want_ids = false;
    sg_row_make_empty(&m, 5, &a);
    assert_int_equal(a.value.n, 0);
    sg_arena_fini(&a.arena);
}

/* What 10,000 records in flight cost depends on it. */
static void test_a_usual_row_is_one_block_of_little_more_than_its_text(void **state) {
    (void)state;
    struct sg_buf text = SG_BUF_INIT(SIZE_MAX);
    SG_BUF_LIT(&text, "{\"id\":17,\"instruction\":\"");
    while (text.n < 1900) SG_BUF_LIT(&text, "Write a short story about a fox. ");
    SG_BUF_LIT(&text, "\",\"category\":\"writing\",\"score\":0.75,\"tags\":[\"a\",\"b\"]}");
    struct sg_row_maker m = maker();
    struct sg_row row;
    m.want_ids = true;
    sg_row_make(&m, &(struct sg_piece){.text = sg_buf_view(&text)}, 0, &row);
    assert_int_equal(row.status, 0);
    assert_int_equal(row.arena.held, row.arena.first);
    assert_true(row.arena.held < 3200);
    sg_arena_fini(&row.arena);
    sg_buf_fini(&text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_and_order_of_keys_stay_as_they_are),
        cmocka_unit_test(test_a_bad_row_says_file_line_and_byte),
        cmocka_unit_test(test_bad_bytes_are_bad_rows),
        cmocka_unit_test(test_a_row_that_is_no_object_is_named),
        cmocka_unit_test(test_a_long_row_is_a_failed_record),
        cmocka_unit_test(test_fields_keep_the_columns_named_and_id),
        cmocka_unit_test(test_a_given_id_is_kept_whatever_it_is),
        cmocka_unit_test(test_the_id_column_becomes_the_id),
        cmocka_unit_test(test_ids_from_content_are_pythons),
        cmocka_unit_test(test_data_less_ids_depend_on_seed_and_position_only),
        cmocka_unit_test(test_a_usual_row_is_one_block_of_little_more_than_its_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
