/* SPDX-License-Identifier: Apache-2.0 */
#include "test_data.h"

#include "data/feed.h"
#include "test_source.h"

static struct sg_data_file files[3];

/* Three files of two formats, five rows: {"a": 0} to {"a": 4}. */
static struct sg_source_spec three_files(void) {
    static const char *const names[] = {"1.csv", "2.jsonl", "3.csv"};
    static char paths[3][256];
    put_file("1.csv", SG_STR("a,b\n0,01\n1,2\n"));
    put_file("2.jsonl", SG_STR("{\"a\": 2, \"b\": \"x\"}\n"));
    put_file("3.csv", SG_STR("b,a\n3,3\n4,4\n"));
    for (int i = 0; i < 3; i++) {
        snprintf(paths[i], sizeof paths[i], "%s", in_folder(names[i]));
        files[i] = source_of(paths[i]).files[0];
    }
    return (struct sg_source_spec){.path = SG_STR("?.*"), .files = files, .n_files = 3};
}

/* The values of `b` of `n` rows. */
static const char *read_rows(struct sg_feed *f, struct sg_arena *a, int n) {
    struct sg_str all = SG_STR("");
    struct sg_piece piece;
    struct sg_err err = {0};
    for (int i = 0; i < n && sg_feed_next(f, SG_WAIT, &piece, &err) == SG_SPLIT_GOT; i++) {
        struct sg_row row;
        sg_feed_row(f, &piece, (uint64_t)i, &row);
        assert_int_equal(row.status, 0);
        const struct sg_json *b = sg_json_get(&row.value, SG_STR("b"));
        all = sg_str_printf(a, "%.*s%.*s ", SG_ARG(all), SG_ARG(sg_json_dump(a, b)));
        sg_arena_fini(&row.arena);
    }
    return all.p;
}

static void test_files_are_one_sequence_and_a_column_is_one_type_in_all(void **state) {
    (void)state;
    struct sg_arena a;
    struct sg_feed f;
    struct sg_source_spec spec = three_files();
    sg_arena_init(&a, 0);
    assert_int_equal(sg_feed_open(&f, &spec, NULL, NULL), 0);
    assert_false(sg_feed_seeks(&f));
    assert_string_equal(read_rows(&f, &a, 9), "\"01\" \"2\" \"x\" \"3\" \"4\" ");
    sg_feed_close(&f);
    sg_arena_fini(&a);
}

static void test_what_was_read_over_several_files_is_compared(void **state) {
    (void)state;
    struct sg_arena a;
    struct sg_feed f;
    struct sg_source_spec spec = three_files();
    atomic_bool stop = false;
    uint64_t bytes;
    uint32_t crc;
    sg_arena_init(&a, 0);
    assert_int_equal(sg_feed_open(&f, &spec, NULL, NULL), 0);
    f.with_crc = f.splitter.with_crc = true;
    read_rows(&f, &a, 4);
    sg_feed_read(&f, &bytes, &crc);
    assert_int_equal(bytes, 13 + 19 + 8);
    assert_int_equal(sg_feed_compare(&f, bytes, crc, &stop, NULL), 0);
    put_file("3.csv", SG_STR("b,a\n3,3\n5,5\n6,6\n")); /* behind what was read */
    assert_int_equal(sg_feed_compare(&f, bytes, crc, &stop, NULL), 0);
    put_file("2.jsonl", SG_STR("{\"a\": 2, \"b\": \"y\"}\n"));
    assert_int_equal(sg_feed_compare(&f, bytes, crc, &stop, NULL), SG_E_CONFLICT);
    put_file("2.jsonl", SG_STR("{\"a\": 2, \"b\": \"x\"}\n{}\n"));
    assert_int_equal(sg_feed_compare(&f, bytes, crc, &stop, NULL), SG_E_CONFLICT);
    sg_feed_close(&f);
    sg_arena_fini(&a);
}

static void test_a_later_file_that_is_gone_breaks_the_source_by_name(void **state) {
    (void)state;
    struct sg_feed f;
    struct sg_piece piece;
    struct sg_err err = {0};
    struct sg_source_spec spec = three_files();
    assert_int_equal(sg_feed_open(&f, &spec, NULL, NULL), 0);
    unlink(in_folder("2.jsonl"));
    for (int i = 0; i < 2; i++) assert_int_equal(sg_feed_next(&f, SG_WAIT, &piece, &err), SG_SPLIT_GOT);
    assert_int_equal(sg_feed_next(&f, SG_WAIT, &piece, &err), SG_SPLIT_BROKEN);
    assert_non_null(strstr(err.text, "2.jsonl: cannot be read"));
    sg_feed_close(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_are_one_sequence_and_a_column_is_one_type_in_all),
        cmocka_unit_test(test_what_was_read_over_several_files_is_compared),
        cmocka_unit_test(test_a_later_file_that_is_gone_breaks_the_source_by_name),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
