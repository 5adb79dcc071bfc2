/* SPDX-License-Identifier: Apache-2.0 */
#include "test_data.h"

#include "data/outfile.h"
#include "look/lines.h"

static struct sg_arena a;
static struct sg_lines l;

static void write_records(const char *name, bool array, size_t from, size_t to) {
    struct sg_outfile f;
    sg_outfile_init(&f, sg_str_dup(&a, sg_str(in_folder(name))), array);
    for (size_t i = from; i < to; i++) {
        struct sg_str row =
            sg_str_printf(&a, "{\"i\":%zu,\"t\":\"]},\\n [{\",\"l\":[{},[],[%zu.0]],\"o\":{\"x\":null}}", i, i);
        assert_int_equal(sg_outfile_add(&f, i % 10 == 7 ? SG_STR("{}") : row, NULL), 0);
    }
    assert_int_equal(sg_outfile_end(&f, NULL), 0);
    sg_outfile_fini(&f);
}

static void expect(uint64_t i) {
    struct sg_str got;
    struct sg_err err = {0};
    int rc = sg_lines_get(&l, i, &got, &err);
    if (rc != 0) fail_msg("record %llu: %s", (unsigned long long)i, err.text);
    struct sg_str row =
        sg_str_printf(&a, "{\"i\":%llu,\"t\":\"]},\\n [{\",\"l\":[{},[],[%llu.0]],\"o\":{\"x\":null}}",
                      (unsigned long long)i, (unsigned long long)i);
    assert_text(got, i % 10 == 7 ? SG_STR("{}") : row);
}

static void begin(const char *name, const char *otherwise) {
    sg_lines_init(&l, sg_str_dup(&a, sg_str(in_folder(name))).p,
                  otherwise ? sg_str_dup(&a, sg_str(in_folder(otherwise))).p : NULL);
}

static int setup(void **state) {
    (void)state;
    sg_arena_init(&a, 0);
    return 0;
}

static int teardown(void **state) {
    (void)state;
    sg_lines_fini(&l);
    sg_arena_fini(&a);
    return 0;
}

static void jump_about(uint64_t n) {
    uint64_t at = 1;
    for (uint64_t i = 0; i < n; i++) expect(i);
    for (int i = 0; i < 300; i++) {
        at = (at * 7919 + 13) % n;
        expect(at);
        if (at + 1 < n) expect(at + 1);
    }
}

static void test_lines_are_found_in_any_order(void **state) {
    (void)state;
    write_records("lines", false, 0, 3000);
    begin("lines", NULL);
    jump_about(3000);
}

static void test_records_of_an_array_are_found_in_any_order(void **state) {
    (void)state;
    write_records("array", true, 0, 3000);
    begin("array", NULL);
    jump_about(3000);
}

static void test_the_first_jump_needs_no_reading_before_it(void **state) {
    (void)state;
    write_records("jump", true, 0, 1500);
    begin("jump", NULL);
    expect(1499);
    expect(0);
    expect(700);
}

static void test_what_is_not_there_is_an_error_and_comes_when_the_file_has_grown(void **state) {
    (void)state;
    struct sg_str got;
    struct sg_err err = {0};
    begin("grows", NULL);
    assert_int_equal(sg_lines_get(&l, 0, &got, &err), SG_E_MISSING);
    write_records("grows", true, 0, 5);
    expect(4);
    assert_int_equal(sg_lines_get(&l, 5, &got, &err), SG_E_SYNTAX);
    assert_non_null(strstr(err.text, "record 6"));
    write_records("grows", true, 0, 9);
    expect(5);
    expect(8);
}

static void test_an_array_that_became_lines_under_the_other_name_is_read_on(void **state) {
    (void)state;
    write_records("c.part", true, 0, 40);
    begin("c.part", "c.jsonl");
    expect(39);
    assert_int_equal(sg_os->unlink(in_folder("c.part")), 0);
    write_records("c.jsonl", false, 0, 80);
    expect(38);
    expect(79);
}

static void test_a_torn_last_line_does_not_count(void **state) {
    (void)state;
    struct sg_str got;
    put_file("torn", SG_STR("{\"a\":1}\n{\"a\":2"));
    begin("torn", NULL);
    assert_int_equal(sg_lines_get(&l, 0, &got, NULL), 0);
    assert_text(got, SG_STR("{\"a\":1}"));
    assert_int_equal(sg_lines_get(&l, 1, &got, NULL), SG_E_SYNTAX);
}

static void test_lines_longer_than_a_block_are_whole(void **state) {
    (void)state;
    struct sg_outfile f;
    struct sg_str got;
    char *text = sg_alloc(&a, 1000002);
    memset(text, 'x', 1000002);
    text[0] = text[1000001] = '"';
    for (int array = 0; array < 2; array++) {
        const char *name = array ? "long.array" : "long.lines";
        sg_outfile_init(&f, sg_str_dup(&a, sg_str(in_folder(name))), array);
        struct sg_str row = sg_str_printf(&a, "{\"t\":%.*s}", 1000002, text);
        for (int i = 0; i < 3; i++) assert_int_equal(sg_outfile_add(&f, row, NULL), 0);
        assert_int_equal(sg_outfile_end(&f, NULL), 0);
        sg_outfile_fini(&f);
        begin(name, NULL);
        for (uint64_t i = 0; i < 3; i++) {
            assert_int_equal(sg_lines_get(&l, i, &got, NULL), 0);
            assert_text(got, row);
        }
        if (!array) sg_lines_fini(&l);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lines_are_found_in_any_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_records_of_an_array_are_found_in_any_order, setup, teardown),
        cmocka_unit_test_setup_teardown(test_the_first_jump_needs_no_reading_before_it, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_not_there_is_an_error_and_comes_when_the_file_has_grown, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_an_array_that_became_lines_under_the_other_name_is_read_on, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_torn_last_line_does_not_count, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lines_longer_than_a_block_are_whole, setup, teardown),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
