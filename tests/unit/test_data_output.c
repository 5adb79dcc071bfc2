/* SPDX-License-Identifier: Apache-2.0 */
#include "test_data.h"

#include "data/data.h"

#include <errno.h>
#include <fcntl.h>

/* No power fails here: syncing would only make the tests wait for a disk. */
static int no_sync(int fd) {
    (void)fd;
    return 0;
}

static struct sg_os quick_os;

static int begin_all(void **state) {
    quick_os = sg_os_posix;
    quick_os.sync = no_sync;
    sg_os = &quick_os;
    return make_folder(state);
}

/* --- a run of the writer: everything is put, then it is finished ------------------------------------------------ */

static struct run {
    struct sg_loop *loop;
    struct sg_output *output;
    struct sg_arena arena; /* for paths and files read back */
    int errors, rooms, status;
    bool finished;
    struct sg_output_result result;
    struct sg_err err;
} r;

static void on_error(void *ud, const struct sg_err *err) {
    assert_ptr_equal(ud, &r);
    r.errors++;
    r.err = *err;
}

static void on_room(void *ud) {
    assert_ptr_equal(ud, &r);
    assert_false(sg_output_full(r.output));
    r.rooms++;
}

static void on_finish(void *ud, int status, const struct sg_output_result *result, const struct sg_err *err) {
    assert_ptr_equal(ud, &r);
    r.finished = true;
    r.status = status;
    r.result = *result;
    r.result.path = sg_str_dup(&r.arena, result->path);
    assert_int_equal(status, err ? err->code : 0);
    if (err) r.err = *err;
    sg_output_close(r.output);
    r.output = NULL;
}

static int open_output(struct sg_output_options o) {
    r = (struct run){0};
    sg_arena_init(&r.arena, 0);
    assert_int_equal(sg_loop_open_uv(&r.loop, 1, NULL), 0);
    o.folder = sg_str(in_folder("out"));
    o.stem = SG_STR("output");
    int rc = sg_output_open(r.loop, &o, &r.output, &r.err);
    if (rc < 0) return rc;
    sg_output_on_error(r.output, on_error, &r);
    sg_output_on_room(r.output, on_room, &r);
    return 0;
}

static void finish(bool complete) {
    sg_output_finish(r.output, complete, on_finish, &r);
    assert_false(r.finished); /* never from inside */
    sg_loop_run(r.loop);
    assert_true(r.finished);
}

static void end(void) {
    sg_output_close(r.output);
    sg_loop_close(r.loop);
    sg_arena_fini(&r.arena);
}

static struct sg_str text_of(uint64_t position, size_t bytes) {
    static char text[200000];
    int n =
        snprintf(text, sizeof text, "{\"i\":%llu,\"text\":\"%0*d\"}", (unsigned long long)position, (int)bytes, 0);
    return (struct sg_str){text, (size_t)n};
}

/* The file is exactly the records of `outcome` in positions first..first+n, as lines. */
static void expect_lines(const char *name, uint64_t first, uint64_t n, enum sg_outcome outcome,
                         enum sg_outcome (*outcome_of)(uint64_t position), size_t bytes) {
    struct sg_str text = get_file(&r.arena, name);
    size_t at = 0;
    for (uint64_t p = first; p < first + n; p++) {
        if (outcome_of(p) != outcome) continue;
        struct sg_str line = text_of(p, bytes);
        assert_true(text.n - at > line.n);
        assert_text(((struct sg_str){text.p + at, line.n}), line);
        assert_int_equal(text.p[at + line.n], '\n');
        at += line.n + 1;
    }
    assert_int_equal(at, text.n);
}

/* The file is an array, or lines, of the first k records from `first` on; returns k. */
static size_t count_prefix(const char *name, uint64_t first) {
    struct sg_str text = get_file(&r.arena, name);
    struct sg_json v = {.type = SG_JSON_ARRAY};
    if (text.n == 0) return 0;
    if (text.p[0] == '{') text = sg_str_printf(&r.arena, "[%.*s]", (int)text.n - 1, text.p);
    char *lines = (char *)(uintptr_t)text.p;
    for (size_t i = 0; text.p[1] != '\n' && i < text.n; i++)
        if (lines[i] == '\n') lines[i] = ',';
    if (sg_json_parse(&r.arena, text, &v, NULL, NULL)) fail_msg("%s is torn: %.*s", name, SG_ARG(text));
    for (size_t i = 0; i < v.n; i++) {
        int64_t number = -1;
        sg_json_to_i64(sg_json_get(&v.items[i], SG_STR("i")), &number);
        assert_int_equal(number, first + i);
    }
    return v.n;
}

static enum sg_outcome all_ok(uint64_t position) {
    (void)position;
    return SG_RECORD_OK;
}

static enum sg_outcome mixed(uint64_t position) {
    return position % 10 == 3    ? SG_RECORD_FAILED
           : position % 50 == 7  ? SG_RECORD_INVALID
           : position % 100 == 9 ? SG_RECORD_DROPPED
                                 : SG_RECORD_OK;
}

static uint32_t *shuffled(uint32_t n) {
    uint32_t *order = sg_xmalloc(n * sizeof *order);
    struct sg_rng rng = {n};
    for (uint32_t i = 0; i < n; i++) order[i] = i;
    for (uint32_t i = n - 1; i > 0; i--) {
        uint32_t k = (uint32_t)(sg_rng_next(&rng) % (i + 1)), t = order[i];
        order[i] = order[k];
        order[k] = t;
    }
    return order;
}

static void expect_status(int status) {
    if (r.status != status) fail_msg("status %d: %s", r.status, r.err.text);
}

/* --- order ------------------------------------------------------------------------------------------------------ */

static void test_any_order_is_written_in_order_of_position(void **state) {
    (void)state;
    enum { N = 50000 };
    uint32_t *order = shuffled(N);
    assert_int_equal(open_output((struct sg_output_options){.first = 7, .lines_above = 100, .memory_bytes = 100000}),
                     0);
    sg_output_pulled(r.output, 101);
    for (uint32_t i = 0; i < N; i++)
        sg_output_put(r.output, 7 + order[i], mixed(7 + order[i]), text_of(7 + order[i], 20));
    finish(true);
    expect_status(0);
    expect_lines("out/output.jsonl", 7, N, SG_RECORD_OK, mixed, 20);
    expect_lines("out/output_failed.jsonl", 7, N, SG_RECORD_FAILED, mixed, 20);
    expect_lines("out/output_invalid.jsonl", 7, N, SG_RECORD_INVALID, mixed, 20);
    expect_lines("out/output_dropped.jsonl", 7, N, SG_RECORD_DROPPED, mixed, 20);
    assert_int_equal(r.result.written[0] + r.result.written[1] + r.result.written[2] + r.result.written[3], N);
    assert_true(sg_str_ends(r.result.path, SG_STR("out/output.jsonl")));
    assert_false(file_exists("out/output.part"));
    assert_false(file_exists("out/output.run"));
    free(order);
    end();
}

static void count_up(struct sg_timer *t) {
    uint64_t *next = t->ud;
    for (int i = 0; i < 500 && *next < 20000 && !sg_output_full(r.output); i++, ++*next)
        sg_output_put(r.output, *next, SG_RECORD_OK, text_of(*next, 1000));
    struct sg_output_figures figures;
    sg_output_figures(r.output, &figures);
    assert_int_equal(figures.contiguous, 0);
    assert_int_equal(figures.bytes, 0);
    if (*next < 20000 || figures.waiting < 19999) {
        sg_timer_start(r.loop, t, SG_MS(1));
        return;
    }
    assert_true(figures.spilled_bytes > 19000000);
    assert_true(file_exists("out/output.run/segments/000001.seg"));
    sg_loop_stop(r.loop);
}

static void test_records_behind_a_straggler_wait_on_disk(void **state) {
    (void)state;
    uint64_t next = 1;
    struct sg_timer timer = {.on_fire = count_up, .ud = &next};
    assert_int_equal(open_output((struct sg_output_options){.lines_above = 0, .memory_bytes = 100000}), 0);
    sg_output_pulled(r.output, 20000);
    sg_timer_start(r.loop, &timer, 0);
    sg_loop_run(r.loop);
    sg_output_put(r.output, 0, SG_RECORD_OK, text_of(0, 1000));
    finish(true);
    expect_status(0);
    expect_lines("out/output.jsonl", 0, 20000, SG_RECORD_OK, all_ok, 1000);
    assert_false(file_exists("out/output.run"));
    end();
}

static void test_a_full_queue_is_told_and_drains(void **state) {
    (void)state;
    uint64_t n = 0;
    assert_int_equal(open_output((struct sg_output_options){.lines_above = 0}), 0);
    while (!sg_output_full(r.output)) sg_output_put(r.output, n, SG_RECORD_OK, text_of(n, 2000)), n++;
    assert_true(n > 1000 && n < 3000);
    finish(true);
    expect_status(0);
    assert_int_equal(r.rooms, 1);
    assert_int_equal(count_prefix("out/output.json", 0), n);
    end();
}

static void test_records_larger_than_a_block_are_written(void **state) {
    (void)state;
    assert_int_equal(open_output((struct sg_output_options){.lines_above = 100}), 0);
    for (uint64_t p = 10; p-- > 0;) sg_output_put(r.output, p, SG_RECORD_OK, text_of(p, p % 2 ? 150000 : 10));
    finish(true);
    expect_status(0);
    assert_int_equal(count_prefix("out/output.json", 0), 10);
    end();
}

/* --- form ------------------------------------------------------------------------------------------------------- */

static void put_some(uint64_t from, uint64_t to) {
    for (uint64_t p = from; p < to; p++) sg_output_put(r.output, p, SG_RECORD_OK, text_of(p, 5));
}

static void test_few_records_are_an_array_many_are_lines(void **state) {
    (void)state;
    assert_int_equal(open_output((struct sg_output_options){.lines_above = 20}), 0);
    sg_output_pulled(r.output, 20);
    put_some(0, 20);
    finish(true);
    expect_status(0);
    assert_true(sg_str_ends(r.result.path, SG_STR("out/output.json")));
    assert_int_equal(count_prefix("out/output.json", 0), 20);
    end();
    assert_int_equal(open_output((struct sg_output_options){.lines_above = 20}), 0);
    put_some(0, 15);
    sg_output_pulled(r.output, 15);
    sg_output_pulled(r.output, 21);
    put_some(15, 21);
    finish(true);
    expect_status(0);
    assert_true(sg_str_ends(r.result.path, SG_STR("out/output.jsonl")));
    expect_lines("out/output.jsonl", 0, 21, SG_RECORD_OK, all_ok, 5);
    assert_true(file_exists("out/output.json")); /* of the other suffix: another file */
    end();
}

static void on_time(struct sg_timer *t) {
    struct sg_output_figures figures;
    sg_output_figures(r.output, &figures);
    if (figures.contiguous == *(uint64_t *)t->ud) sg_loop_stop(r.loop);
    else sg_timer_start(r.loop, t, SG_MS(5));
}

static void test_part_is_valid_and_current_while_the_run_goes_on(void **state) {
    (void)state;
    uint64_t count = 0;
    struct sg_timer timer = {.on_fire = on_time, .ud = &count};
    assert_int_equal(open_output((struct sg_output_options){.lines_above = 100}), 0);
    for (int i = 0; i < 4; i++) {
        put_some(count, count + 3);
        count += 3;
        sg_timer_start(r.loop, &timer, SG_MS(20));
        sg_loop_run(r.loop);
        assert_int_equal(count_prefix("out/output.part", 0), count);
    }
    end();
}

/* --- what other runs left --------------------------------------------------------------------------------------- */

static void leave_old_files(void) {
    sg_os_mkdirs(in_folder("out"));
    put_file("out/output.json", SG_STR("old"));
    put_file("out/output.part", SG_STR("old and longer than what comes"));
    put_file("out/output_failed.jsonl", SG_STR("old"));
    put_file("out/output_invalid.jsonl", SG_STR("old"));
}

static void test_old_files_are_replaced_by_a_complete_run(void **state) {
    (void)state;
    leave_old_files();
    assert_int_equal(open_output((struct sg_output_options){.lines_above = 100}), 0);
    sg_output_put(r.output, 0, SG_RECORD_OK, SG_STR("{\"i\":0}"));
    sg_output_put(r.output, 1, SG_RECORD_INVALID, SG_STR("{\"i\":1}"));
    finish(true);
    expect_status(0);
    assert_text(get_file(&r.arena, "out/output.json"), SG_STR("[\n    {\n        \"i\": 0\n    }\n]"));
    assert_text(get_file(&r.arena, "out/output_invalid.jsonl"), SG_STR("{\"i\":1}\n"));
    assert_false(file_exists("out/output_failed.jsonl"));
    assert_false(file_exists("out/output.part"));
    end();
}

static void test_an_incomplete_run_leaves_part_and_the_old_output(void **state) {
    (void)state;
    leave_old_files();
    assert_int_equal(open_output((struct sg_output_options){.lines_above = 100}), 0);
    put_some(0, 3);
    put_some(4, 6); /* 3 is missing */
    finish(false);
    expect_status(0);
    assert_true(sg_str_ends(r.result.path, SG_STR("out/output.part")));
    assert_int_equal(count_prefix("out/output.part", 0), 3);
    assert_text(get_file(&r.arena, "out/output.json"), SG_STR("old"));
    assert_text(get_file(&r.arena, "out/output_failed.jsonl"), SG_STR("old"));
    end();
    assert_int_equal(open_output((struct sg_output_options){.lines_above = 100}), 0);
    finish(false);
    expect_status(0);
    assert_int_equal(r.result.path.n, 0);
    assert_false(file_exists("out/output.part"));
    end();
}

static void test_a_missing_outcome_is_an_error_and_not_a_gap(void **state) {
    (void)state;
    assert_int_equal(open_output((struct sg_output_options){.lines_above = 100}), 0);
    put_some(0, 3);
    put_some(4, 6);
    finish(true);
    expect_status(SG_E_CONFLICT);
    assert_int_equal(count_prefix("out/output.part", 0), 3);
    end();
}

static void test_no_record_at_all_is_an_empty_array(void **state) {
    (void)state;
    assert_int_equal(open_output((struct sg_output_options){.lines_above = 100}), 0);
    sg_output_put(r.output, 0, SG_RECORD_FAILED, SG_STR("{\"error\":1}"));
    finish(true);
    expect_status(0);
    assert_text(get_file(&r.arena, "out/output.json"), SG_STR("[]"));
    assert_true(sg_str_ends(r.result.path, SG_STR("out/output.json")));
    end();
}

static void test_a_folder_that_cannot_be_written_is_refused_at_open(void **state) {
    (void)state;
    remove_folder(state);
    assert_int_equal(make_folder(state), 0);
    put_file("out", SG_STR(""));
    assert_int_equal(open_output((struct sg_output_options){0}), SG_E_IO);
    assert_non_null(strstr(r.err.text, "out: the output folder cannot be made"));
    end();
}

/* --- faults: the n-th call fails, for all n --------------------------------------------------------------------- */

static int fault_at,
    fault_calls; /* counted on both threads, but never at the same time: the worker's calls follow open's */
static bool fault_torn;

static bool fault(void) {
    return ++fault_calls == fault_at;
}

/* Of calls that cannot be torn: they do not count when writes are torn. */
static bool whole_fault(void) {
    return !fault_torn && fault();
}

static int faulty_open(const char *path, int flags, int mode) {
    return whole_fault() ? -EMFILE : sg_os_posix.open(path, flags, mode);
}

static ssize_t faulty_pwrite(int fd, const void *p, size_t n, uint64_t at) {
    if (!fault()) return sg_os_posix.pwrite(fd, p, n, at);
    if (!fault_torn || n < 2) return -ENOSPC;
    fault_at = fault_calls + 1; /* half of it, and the rest fails */
    return sg_os_posix.pwrite(fd, p, n / 2, at);
}

static ssize_t faulty_pread(int fd, void *p, size_t n, uint64_t at) {
    return whole_fault() ? -EIO : sg_os_posix.pread(fd, p, n, at);
}

static ssize_t faulty_read(int fd, void *p, size_t n) {
    return whole_fault() ? -EIO : sg_os_posix.read(fd, p, n);
}

static int faulty_sync(int fd) {
    return whole_fault() ? -EIO : quick_os.sync(fd);
}

static int faulty_truncate(int fd, uint64_t size) {
    return whole_fault() ? -EIO : sg_os_posix.truncate(fd, size);
}

static int faulty_rename(const char *from, const char *to) {
    return whole_fault() ? -EACCES : sg_os_posix.rename(from, to);
}

static int faulty_mkdir(const char *path, int mode) {
    return whole_fault() ? -ENOSPC : sg_os_posix.mkdir(path, mode);
}

/* 60 records of 20 kB in a wild order, with spilling, side files and the change to lines. False: refused at open. */
static bool run_with_faults(const uint32_t *order, size_t n) {
    if (open_output((struct sg_output_options){.lines_above = 30, .memory_bytes = 100000}) < 0) return false;
    for (size_t i = 0; i < n; i++) {
        enum sg_outcome outcome = order[i] >= 50 ? SG_RECORD_FAILED : SG_RECORD_OK;
        sg_output_put(r.output, order[i], outcome, text_of(order[i], 20000));
        if (i == 40) sg_output_pulled(r.output, 31);
    }
    finish(true);
    return true;
}

static void expect_honest_failure(void) {
    assert_int_equal(r.status, SG_E_IO);
    assert_int_equal(r.errors, 1);
    bool renamed = !file_exists("out/output.part");
    if (renamed) assert_int_equal(count_prefix("out/output.jsonl", 0), 50);
    else if (r.result.path.n) assert_true(count_prefix("out/output.part", 0) > 0);
    if (!renamed) assert_text(get_file(&r.arena, "out/output.jsonl"), SG_STR("old"));
    assert_false(file_exists("out/output.run"));
    assert_false(file_exists("out/output.part.tmp"));
}

static void clear_out(void) {
    static const char *const names[] = {"output.part", "output.jsonl", "output_failed.jsonl"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlink(sg_str_printf(&r.arena, "%s/out/%s", test_folder, names[i]).p);
    rmdir(in_folder("out"));
}

static int fail_each_call(bool torn) {
    struct sg_os os = quick_os;
    os.open = faulty_open, os.pwrite = faulty_pwrite, os.pread = faulty_pread, os.read = faulty_read;
    os.sync = faulty_sync, os.truncate = faulty_truncate, os.rename = faulty_rename, os.mkdir = faulty_mkdir;
    uint32_t *order = shuffled(60);
    bool clean = false;
    int n = 0;
    while (!clean) {
        sg_os = &quick_os;
        sg_os_mkdirs(in_folder("out"));
        put_file("out/output.jsonl", SG_STR("old"));
        fault_at = ++n;
        fault_calls = 0;
        fault_torn = torn;
        sg_os = &os;
        bool ran = run_with_faults(order, 60);
        sg_os = &quick_os;
        clean = ran && fault_calls < fault_at;
        if (clean) expect_status(0);
        else if (ran) expect_honest_failure();
        clear_out();
        end();
    }
    free(order);
    return n;
}

static void test_each_failing_call_is_told_once_and_part_stays_whole(void **state) {
    (void)state;
    assert_true(fail_each_call(false) > 20);
    assert_true(fail_each_call(true) > 10);
}

static void test_an_output_may_be_closed_at_any_time(void **state) {
    (void)state;
    for (int i = 0; i < 12; i++) {
        assert_int_equal(open_output((struct sg_output_options){.lines_above = i % 2 ? 0 : 1000}), 0);
        put_some(0, (uint64_t)i * 500);
        if (i % 3 == 1) sg_output_pulled(r.output, 1);
        if (i % 3 == 2) sg_output_finish(r.output, true, on_finish, &r);
        if (i % 4 == 0) usleep(300);
        end();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_order_is_written_in_order_of_position),
        cmocka_unit_test(test_records_behind_a_straggler_wait_on_disk),
        cmocka_unit_test(test_a_full_queue_is_told_and_drains),
        cmocka_unit_test(test_records_larger_than_a_block_are_written),
        cmocka_unit_test(test_few_records_are_an_array_many_are_lines),
        cmocka_unit_test(test_part_is_valid_and_current_while_the_run_goes_on),
        cmocka_unit_test(test_old_files_are_replaced_by_a_complete_run),
        cmocka_unit_test(test_an_incomplete_run_leaves_part_and_the_old_output),
        cmocka_unit_test(test_a_missing_outcome_is_an_error_and_not_a_gap),
        cmocka_unit_test(test_no_record_at_all_is_an_empty_array),
        cmocka_unit_test(test_each_failing_call_is_told_once_and_part_stays_whole),
        cmocka_unit_test(test_an_output_may_be_closed_at_any_time),
        cmocka_unit_test(test_a_folder_that_cannot_be_written_is_refused_at_open),
    };
    return cmocka_run_group_tests(tests, begin_all, remove_folder);
}
