/* SPDX-License-Identifier: Apache-2.0 */
#include "test_data.h"

#include "data/data.h"

#include <sys/stat.h>

static struct writing {
    struct sg_loop *loop;
    struct sg_spool *spool;
    struct sg_arena arena;
    int status, calls;
    bool inside;
    struct sg_err err;
} w;

static void begin(void) {
    w = (struct writing){0};
    sg_arena_init(&w.arena, 0);
    assert_int_equal(sg_loop_open_uv(&w.loop, 1, NULL), 0);
}

static void end(void) {
    sg_spool_close(w.spool);
    sg_loop_close(w.loop);
    sg_arena_fini(&w.arena);
}

static int open_spool(const char *path, struct sg_spool **out) {
    return sg_spool_open(w.loop, sg_str(path), false, out, &w.err);
}

static void add(const char *row) {
    struct sg_json v;
    assert_int_equal(sg_json_parse(&w.arena, sg_str(row), &v, NULL, NULL), 0);
    sg_spool_add(w.spool, &v);
}

static void on_written(void *ud, int status, const struct sg_err *err) {
    assert_ptr_equal(ud, &w);
    assert_false(w.inside);
    assert_true((status == 0) == (err == NULL));
    w.calls++;
    w.status = status;
    if (err) w.err = *err;
    sg_loop_stop(w.loop);
}

static void write_rows(bool last) {
    w.inside = true;
    sg_spool_write(w.spool, last, on_written, &w);
    w.inside = false;
    sg_loop_run(w.loop);
}

static void test_rows_are_lines_in_their_order_under_the_name_they_are_kept_by(void **state) {
    (void)state;
    begin();
    assert_int_equal(open_spool(in_folder("a.part"), &w.spool), 0);
    add("{\"n\": 1.10, \"t\": \"\\u00fc\\n\"}");
    add("{}");
    write_rows(false);
    add("{\"m\": [null, {}]}");
    write_rows(true);
    assert_int_equal(w.status, 0);
    assert_int_equal(w.calls, 2);
    assert_int_equal(sg_spool_keep(w.spool, sg_str(in_folder("a.jsonl")), &w.err), 0);
    struct sg_str text;
    assert_int_equal(sg_os_read_file(&w.arena, in_folder("a.jsonl"), 1000, &text, NULL), 0);
    assert_true(sg_str_eq(text, SG_STR("{\"n\":1.10,\"t\":\"ü\\n\"}\n{}\n{\"m\":[null,{}]}\n")));
    assert_false(sg_os_exists(in_folder("a.part")));
    end();
}

static void test_what_is_not_kept_goes(void **state) {
    (void)state;
    begin();
    assert_int_equal(open_spool(in_folder("b.part"), &w.spool), 0);
    add("{}");
    write_rows(true);
    assert_true(sg_os_exists(in_folder("b.part")));
    end();
    assert_false(sg_os_exists(in_folder("b.part")));
}

static void test_what_a_dead_process_left_is_begun_anew(void **state) {
    (void)state;
    FILE *f = fopen(in_folder("c.part"), "w");
    fputs("{\"torn\":", f);
    fclose(f);
    begin();
    assert_int_equal(open_spool(in_folder("c.part"), &w.spool), 0);
    write_rows(true);
    assert_int_equal(sg_spool_keep(w.spool, sg_str(in_folder("c.jsonl")), &w.err), 0);
    struct sg_str text;
    assert_int_equal(sg_os_read_file(&w.arena, in_folder("c.jsonl"), 1000, &text, NULL), 0);
    assert_int_equal(text.n, 0);
    end();
}

static void test_a_file_of_ones_own_is_new_and_nobody_elses(void **state) {
    (void)state;
    struct stat st;
    begin();
    assert_int_equal(sg_spool_open(w.loop, sg_str(in_folder("own")), true, &w.spool, &w.err), 0);
    assert_int_equal(stat(in_folder("own"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    end();
    begin();
    put_file("own", SG_STR("of somebody"));
    assert_int_equal(sg_spool_open(w.loop, sg_str(in_folder("own")), true, &w.spool, &w.err), SG_E_IO);
    assert_text(get_file(&w.arena, "own"), SG_STR("of somebody"));
    sg_loop_close(w.loop);
    sg_arena_fini(&w.arena);
}

static void test_two_do_not_write_one_file(void **state) {
    (void)state;
    struct sg_spool *second = NULL;
    begin();
    assert_int_equal(open_spool(in_folder("d.part"), &w.spool), 0);
    add("{}");
    write_rows(false);
    assert_int_equal(open_spool(in_folder("d.part"), &second), SG_E_CONFLICT);
    assert_non_null(strstr(w.err.text, "d.part"));
    assert_true(sg_os_exists(in_folder("d.part")));
    end();
}

static ssize_t no_room(int fd, const void *p, size_t n, uint64_t at) {
    (void)fd, (void)p, (void)n, (void)at;
    return -28; /* ENOSPC */
}

static int open_and_lose(const char *path, int flags, int mode) {
    int fd = sg_os_posix.open(path, flags, mode);
    assert_int_equal(rename(path, in_folder("kept")), 0);
    return fd;
}

static void test_a_file_that_is_kept_between_opening_and_locking_stays_as_it_is(void **state) {
    (void)state;
    begin();
    struct sg_os os = sg_os_posix;
    const char *path = in_folder("a.part");
    FILE *f = fopen(path, "w");
    assert_true(fputs("{}\n", f) >= 0 && fclose(f) == 0);
    os.open = open_and_lose;
    sg_os = &os;
    assert_int_equal(open_spool(path, &w.spool), SG_E_CONFLICT);
    sg_os = &sg_os_posix;
    struct sg_file_info info;
    assert_int_equal(sg_os->stat(in_folder("kept"), &info), 0);
    assert_int_equal(info.size, 3);
    end();
}

static void test_a_full_disk_is_told_and_leaves_no_file(void **state) {
    (void)state;
    static struct sg_os full;
    full = sg_os_posix;
    full.pwrite = no_room;
    begin();
    assert_int_equal(open_spool(in_folder("e.part"), &w.spool), 0);
    add("{}");
    sg_os = &full;
    write_rows(true);
    sg_os = &sg_os_posix;
    assert_int_equal(w.status, SG_E_IO);
    assert_non_null(strstr(w.err.text, "e.part"));
    end();
    assert_false(sg_os_exists(in_folder("e.part")));
}

static void test_a_folder_that_is_not_there_is_told(void **state) {
    (void)state;
    begin();
    assert_int_equal(open_spool(in_folder("none/x"), &w.spool), SG_E_IO);
    assert_non_null(strstr(w.err.text, "none/x"));
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_lines_in_their_order_under_the_name_they_are_kept_by),
        cmocka_unit_test(test_what_is_not_kept_goes),
        cmocka_unit_test(test_what_a_dead_process_left_is_begun_anew),
        cmocka_unit_test(test_a_file_of_ones_own_is_new_and_nobody_elses),
        cmocka_unit_test(test_two_do_not_write_one_file),
        cmocka_unit_test(test_a_file_that_is_kept_between_opening_and_locking_stays_as_it_is),
        cmocka_unit_test(test_a_full_disk_is_told_and_leaves_no_file),
        cmocka_unit_test(test_a_folder_that_is_not_there_is_told),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
