/* SPDX-License-Identifier: Apache-2.0 */
/* log.jsonl: what was logged is in it, whatever happens to it meanwhile, within its bounds. */
#include "run/logfile.h"

#include "journal/rundb.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];
static struct sg_loop *loop;
static struct sg_logfile *file;
static struct sg_arena arena;

static int set_up(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/sygra-log-XXXXXX");
    sg_arena_init(&arena, 0);
    file = NULL;
    sg_log_setup(SG_INFO, -1, false);
    return mkdtemp(folder) && sg_loop_open_uv(&loop, 1, NULL) == 0 ? 0 : -1;
}

static const char *path_of(const char *name) {
    return sg_str_printf(&arena, "%s/%s", folder, name).p;
}

static int tear_down(void **state) {
    (void)state;
    sg_loop_close(loop);
    sg_rundb_remove_log(folder);
    sg_arena_fini(&arena);
    return rmdir(folder); /* nothing else was left in it */
}

static struct sg_str text_of(const char *name) {
    struct sg_str text = SG_STR_NONE;
    sg_os_read_file(&arena, path_of(name), 1 << 30, &text, NULL);
    return text;
}

static size_t count_lines(struct sg_str text) {
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) n += text.p[i] == '\n';
    return n;
}

static void on_pause_over(struct sg_timer *t) {
    sg_loop_stop(t->ud);
}

static void run_for(uint64_t ms) {
    struct sg_timer pause = {.on_fire = on_pause_over, .ud = loop};
    sg_timer_start(loop, &pause, SG_MS(ms));
    sg_loop_run(loop);
}

static void put(const char *name, const char *text) {
    FILE *f = fopen(path_of(name), "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void test_a_new_run_begins_a_new_log(void **state) {
    (void)state;
    put(SG_RUN_LOG, "old\n");
    put(SG_RUN_LOG_BEFORE, "older\n");
    sg_logfile_open(loop, sg_str(folder), false, &file);
    SG_LOG(run_stopping, SG_F_INT("n", 1));
    sg_logfile_close(file);
    struct sg_str text = text_of(SG_RUN_LOG);
    assert_int_equal(count_lines(text), 1);
    assert_true(sg_str_starts(text, SG_STR("{\"ts\":")));
    assert_int_equal(text_of(SG_RUN_LOG_BEFORE).n, 0);
}

static void test_a_torn_line_of_an_earlier_life_costs_that_line_only(void **state) {
    (void)state;
    put(SG_RUN_LOG, "{\"whole\":1}\n{\"to");
    sg_logfile_open(loop, sg_str(folder), true, &file);
    SG_LOG(run_stopping, SG_F_INT("n", 1));
    sg_logfile_close(file);
    struct sg_str text = text_of(SG_RUN_LOG);
    assert_true(sg_str_starts(text, SG_STR("{\"whole\":1}\n{\"to\n{\"ts\":")));
    assert_int_equal(count_lines(text), 3);
}

static void test_lines_are_in_the_file_while_the_run_goes_on(void **state) {
    (void)state;
    sg_logfile_open(loop, sg_str(folder), false, &file);
    SG_LOG(run_stopping, SG_F_INT("n", 1));
    for (int i = 0; i < 100 && text_of(SG_RUN_LOG).n == 0; i++) run_for(100);
    assert_int_equal(count_lines(text_of(SG_RUN_LOG)), 1);
    sg_logfile_close(file);
    assert_int_equal(count_lines(text_of(SG_RUN_LOG)), 1);
}

static void test_the_files_stay_within_their_bound(void **state) {
    (void)state;
    static char big[64 << 10];
    memset(big, 'x', sizeof big);
    sg_logfile_open(loop, sg_str(folder), false, &file);
    for (int turn = 0; turn < 20; turn++) {
        for (int i = 0; i < 10; i++) SG_LOG(run_stopping, SG_F_STR("text", ((struct sg_str){big, sizeof big})));
        run_for(300);
    }
    sg_logfile_close(file);
    struct sg_str new = text_of(SG_RUN_LOG), old = text_of(SG_RUN_LOG_BEFORE);
    assert_true(new.n > 0 && new.n <= SG_LOGFILE_BYTES);
    assert_true(old.n > SG_LOGFILE_BYTES / 2 && old.n <= SG_LOGFILE_BYTES);
    assert_true(sg_str_starts(new, SG_STR("{\"ts\":")) && sg_str_ends(new, SG_STR("}\n")));
}

static void test_more_than_may_wait_is_counted(void **state) {
    (void)state;
    static char big[64 << 10];
    memset(big, 'x', sizeof big);
    sg_logfile_open(loop, sg_str(folder), false, &file);
    for (int i = 0; i < 40; i++) SG_LOG(run_stopping, SG_F_STR("text", ((struct sg_str){big, sizeof big})));
    run_for(1000);
    SG_LOG(run_stopping, SG_F_INT("n", 1));
    sg_logfile_close(file);
    struct sg_str text = text_of(SG_RUN_LOG);
    assert_true(text.n <= SG_LOGFILE_WAITING + 1000);
    assert_int_equal(count_lines(text), 15 + 2);
    assert_non_null(strstr(sg_str_dup(&arena, text).p, "\"event\":\"log_lost\",\"lines\":25}\n"));
}

static void test_a_log_that_cannot_be_written_ends_quietly(void **state) {
    (void)state;
    sg_logfile_open(loop, SG_STR("/nonexistent-folder"), false, &file);
    for (int i = 0; i < 3; i++) {
        SG_LOG(run_stopping, SG_F_INT("n", i));
        run_for(300);
    }
    sg_logfile_close(file);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_a_new_run_begins_a_new_log),
        T(test_a_torn_line_of_an_earlier_life_costs_that_line_only),
        T(test_lines_are_in_the_file_while_the_run_goes_on),
        T(test_the_files_stay_within_their_bound),
        T(test_more_than_may_wait_is_counted),
        T(test_a_log_that_cannot_be_written_ends_quietly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
