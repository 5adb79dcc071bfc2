/* SPDX-License-Identifier: Apache-2.0 */
/* Who is blamed when a host with many calls at work ends, and what becomes of the others; hosts that help, and hosts that
 * grow too large. The hosts are scripted (test_hooks_threads.h). */
#include "test_hooks_threads.h"

enum { N = 20 };

/* ---- blame ---- */

static void check_culprit(const char *host, const char *input, size_t special, int code, const char *text,
                          uint64_t deaths) {
    struct world w;
    struct call k[N];
    open_threads(&w, host, (struct sg_hooks_options){.max_hosts = 1, .python_deadline_ms = asks(sg_str(input), "hang") ? 1500 : 0});
    run_many(&w, k, N, 0, "1", special, input);
    expect_only_failure(k, N, special, code, text);
    if (deaths != figures(&w).hosts_died) fail_msg("%llu hosts died", (unsigned long long)figures(&w).hosts_died);
    close_world(&w);
}

static void test_the_call_that_is_shown_at_work_is_the_culprit(void **state) {
    (void)state;
    check_culprit("single", "\"crash\"", 7, SG_E_HOST, "signal 11 (Segmentation fault): File \"hooks.py\", line 3 in inner", 1);
    check_culprit("single", "\"exit\"", 0, SG_E_HOST, "ended with status 7", 1);
    check_culprit("single", "\"garbage\"", 19, SG_E_HOST, "broke the protocol", 1);
}

static void test_of_several_at_work_the_culprit_is_found_alone(void **state) {
    (void)state;
    check_culprit("threads", "\"crash\"", 7, SG_E_HOST, "signal 11", 2);
    check_culprit("threads", "\"exit\"", 19, SG_E_HOST, "status 7", 2);
    check_culprit("threads", "\"garbage\"", 0, SG_E_HOST, "broke the protocol", 2);
}

static void test_a_host_that_shows_no_work_has_only_suspects(void **state) {
    (void)state;
    check_culprit("blind", "\"crash\"", 7, SG_E_HOST, "signal 11", 2);
    check_culprit("blind", "\"hang\"", 3, SG_E_TIMEOUT, "the hook ran longer than 1500 ms", 1);
}

static void test_several_culprits_are_found_one_by_one(void **state) {
    (void)state;
    struct world w;
    struct call k[N];
    open_threads(&w, "threads", (struct sg_hooks_options){.max_hosts = 2});
    for (size_t i = 0; i < N; i++) start(&w, &k[i], 0, i % 5 == 2 ? "\"crash\"" : "1", NULL);
    sg_loop_run(w.loop);
    for (size_t i = 0; i < N; i++) assert_int_equal(k[i].status, i % 5 == 2 ? SG_E_HOST : 0);
    close_world(&w);
}

static void test_the_last_words_of_a_host_are_passed_on_with_its_culprit(void **state) {
    (void)state;
    struct world w;
    struct call k;
    open_threads(&w, "threads", (struct sg_hooks_options){.max_hosts = 1});
    start(&w, &k, 0, "\"crash\"", NULL);
    sg_loop_run(w.loop);
    sg_buf_ch(&w.traced, 0);
    assert_non_null(strstr(w.traced.p, "python: its host was ended by signal 11"));
    assert_non_null(strstr(w.traced.p, "line 9 in outer"));
    close_world(&w);
}

static void test_kills_from_outside_are_survived_twice(void **state) {
    (void)state;
    check_culprit("threads", "\"kill\"", 4, SG_E_HOST, "killed from outside", 3);
}

static void test_a_call_that_shall_run_once_never_runs_again(void **state) {
    (void)state;
    struct world w;
    struct call once, crash;
    open_threads(&w, "threads-once", (struct sg_hooks_options){.max_hosts = 1});
    start(&w, &once, 0, "\"only\"", NULL);
    once.c.once = true;
    start(&w, &crash, 0, "\"crash\"", NULL);
    sg_loop_run(w.loop);
    assert_int_equal(once.status, SG_E_HOST);
    assert_non_null(strstr(once.error, "it may have run, and `once` forbids another try"));
    assert_int_equal(crash.status, SG_E_HOST);
    assert_int_equal(count_runs("threads-once", "\"only\""), 1);
    close_world(&w);
}

/* ---- deadlines ---- */

static void test_a_call_over_its_deadline_fails_alone(void **state) {
    (void)state;
    check_culprit("threads", "\"hang\"", 4, SG_E_TIMEOUT, "the hook ran longer than 1500 ms", 1);
}

static void test_a_call_that_was_never_begun_is_not_what_hung(void **state) {
    (void)state;
    check_culprit("single", "\"hang\"", 4, SG_E_TIMEOUT, "the hook ran longer than 1500 ms", 1);
}

static void test_a_call_without_a_deadline_may_take_its_time(void **state) {
    (void)state;
    struct world w;
    struct call k[2];
    open_threads(&w, "threads", (struct sg_hooks_options){.max_hosts = 1, .python_deadline_ms = 20});
    start(&w, &k[0], 0, "\"slow\"", NULL);
    k[0].c.no_deadline = true;
    sg_loop_run(w.loop);
    assert_string_equal(k[0].result, "[\"slow\"]");
    close_world(&w);
}

/* Forty calls of 40 ms, one after the other, in a host that has them all at once. */
static void test_a_call_that_waits_in_its_host_has_its_time_before_it(void **state) {
    (void)state;
    enum { MANY = 40 };
    struct world w;
    struct call k[MANY];
    open_threads(&w, "single", (struct sg_hooks_options){.max_hosts = 1, .python_deadline_ms = 1200});
    for (int i = 0; i < MANY; i++) {
        start(&w, &k[i], 0, "\"slow\"", NULL);
        k[i].c.once = i % 2;
    }
    sg_loop_run(w.loop);
    for (int i = 0; i < MANY; i++) assert_string_equal(k[i].result, "[\"slow\"]");
    assert_int_equal(figures(&w).hosts_started, 1);
    close_world(&w);
}

static void test_calls_that_a_stuck_host_has_not_begun_go_to_another(void **state) {
    (void)state;
    struct world w;
    struct call hangs, k[N];
    open_threads(&w, "single", (struct sg_hooks_options){.max_hosts = 2});
    start(&w, &hangs, 0, "\"hang\"", NULL);
    w.open--;
    for (size_t i = 0; i < N; i++) start(&w, &k[i], 0, "1", NULL);
    sg_loop_run(w.loop);
    for (size_t i = 0; i < N; i++) assert_int_equal(k[i].status, 0);
    assert_int_equal(hangs.status, 1);
    assert_int_equal(figures(&w).hosts_died, 0);
    close_world(&w);
}

static void test_a_host_that_begins_nothing_is_ended(void **state) {
    (void)state;
    struct world w;
    struct call k;
    open_threads(&w, "idle", (struct sg_hooks_options){.max_hosts = 1, .python_deadline_ms = 300});
    start(&w, &k, 0, "1", NULL);
    sg_loop_run(w.loop);
    assert_int_equal(k.status, SG_E_TIMEOUT);
    assert_non_null(strstr(k.error, "its host has begun no call for 0.3 s"));
    assert_int_equal(figures(&w).hosts_died, 3);
    close_world(&w);
}

/* ---- more hosts ---- */

struct turns { /* calls that follow each other */
    struct world *w;
    struct call k;
    int left;
};

static void on_turn(struct sg_hook_call *c, int status, const struct sg_json *results, const struct sg_json *effects,
                    const struct sg_err *err) {
    struct call *k = c->ud;
    struct turns *t = (struct turns *)((char *)k - offsetof(struct turns, k));
    (void)results, (void)effects, (void)err;
    assert_int_equal(status, 0);
    if (--t->left > 0) sg_hook_start(t->w->hooks, c);
    else if (--t->w->open == 0) sg_loop_stop(t->w->loop);
}

static uint32_t hosts_for(const char *input, size_t at_a_time, int calls, uint32_t max_hosts) {
    struct world w;
    struct turns t[16];
    open_threads(&w, "threads", (struct sg_hooks_options){.max_hosts = max_hosts});
    for (size_t i = 0; i < at_a_time; i++) {
        t[i].w = &w, t[i].left = calls;
        start(&w, &t[i].k, 0, input, NULL);
        t[i].k.c.on_done = on_turn;
    }
    sg_loop_run(w.loop);
    uint32_t most = figures(&w).most_hosts;
    close_world(&w);
    return most;
}

static void test_hosts_that_are_busy_without_break_get_help(void **state) {
    (void)state;
    assert_int_equal(hosts_for("\"slow\"", 8, 8, 2), 2);
    assert_int_equal(hosts_for("\"slow\"", 8, 8, 1), 1);
}

static void test_calls_one_at_a_time_need_one_host(void **state) {
    (void)state;
    assert_int_equal(hosts_for("\"slow\"", 1, 8, 4), 1);
}

static void test_two_hundred_calls_go_through_windows_of_sixty_four(void **state) {
    (void)state;
    enum { MANY = 200 };
    struct world w;
    struct call *k = sg_xcalloc(MANY, sizeof *k);
    char input[MANY][16], wanted[32];
    open_threads(&w, "threads", (struct sg_hooks_options){.max_hosts = 1});
    for (int i = 0; i < MANY; i++) {
        snprintf(input[i], sizeof input[i], "%d", i);
        start(&w, &k[i], 0, input[i], NULL);
    }
    sg_loop_run(w.loop);
    for (int i = 0; i < MANY; i++) {
        snprintf(wanted, sizeof wanted, "[%d]", i);
        assert_string_equal(k[i].result, wanted);
    }
    close_world(&w);
    free(k);
}

/* ---- size ---- */

static void test_a_host_that_has_grown_is_replaced_when_it_has_finished(void **state) {
    (void)state;
    struct world w;
    struct call k[N], again;
    open_threads(&w, "threads", (struct sg_hooks_options){.max_hosts = 1, .host_memory = 100 << 20});
    start(&w, &again, 0, "1", NULL);
    sg_loop_run(w.loop);
    run_many(&w, k, N, 0, "\"slow\"", 3, "\"mem 150\"");
    for (int i = 0; i < N; i++) assert_int_equal(k[i].status, 0);
    start(&w, &again, 0, "1", NULL);
    sg_loop_run(w.loop);
    assert_int_equal(again.status, 0);
    assert_int_equal(figures(&w).hosts_replaced, 1);
    assert_int_equal(figures(&w).hosts_died, 0);
    assert_true(figures(&w).peak_bytes == (uint64_t)150 << 20);
    close_world(&w);
}

static void test_a_host_that_is_twice_too_large_is_ended(void **state) {
    (void)state;
    struct world w;
    struct call k;
    open_threads(&w, "threads", (struct sg_hooks_options){.max_hosts = 1, .host_memory = 100 << 20});
    start(&w, &k, 0, "1", NULL);
    sg_loop_run(w.loop);
    start(&w, &k, 0, "\"mem 250\"", NULL);
    sg_loop_run(w.loop);
    assert_int_equal(k.status, SG_E_HOST);
    assert_non_null(strstr(k.error, "more than 200 MB (twice --host_memory)"));
    close_world(&w);
}

static void test_what_a_host_holds_from_the_start_is_granted(void **state) {
    (void)state;
    struct world w;
    struct call k[3];
    open_threads(&w, "large", (struct sg_hooks_options){.max_hosts = 1, .host_memory = 100 << 20});
    for (int i = 0; i < 3; i++) {
        start(&w, &k[i], 0, "\"mem 400\"", NULL);
        sg_loop_run(w.loop);
        assert_int_equal(k[i].status, 0);
    }
    assert_int_equal(figures(&w).hosts_started, 1);
    close_world(&w);
}

int main(int argc, char **argv) {
    if (is_threads_host(argc, argv)) return threads_host(argv[0]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_call_that_is_shown_at_work_is_the_culprit),
        cmocka_unit_test(test_of_several_at_work_the_culprit_is_found_alone),
        cmocka_unit_test(test_a_host_that_shows_no_work_has_only_suspects),
        cmocka_unit_test(test_several_culprits_are_found_one_by_one),
        cmocka_unit_test(test_the_last_words_of_a_host_are_passed_on_with_its_culprit),
        cmocka_unit_test(test_kills_from_outside_are_survived_twice),
        cmocka_unit_test(test_a_call_that_shall_run_once_never_runs_again),
        cmocka_unit_test(test_a_call_over_its_deadline_fails_alone),
        cmocka_unit_test(test_a_call_that_was_never_begun_is_not_what_hung),
        cmocka_unit_test(test_a_call_without_a_deadline_may_take_its_time),
        cmocka_unit_test(test_a_call_that_waits_in_its_host_has_its_time_before_it),
        cmocka_unit_test(test_calls_that_a_stuck_host_has_not_begun_go_to_another),
        cmocka_unit_test(test_a_host_that_begins_nothing_is_ended),
        cmocka_unit_test(test_hosts_that_are_busy_without_break_get_help),
        cmocka_unit_test(test_calls_one_at_a_time_need_one_host),
        cmocka_unit_test(test_two_hundred_calls_go_through_windows_of_sixty_four),
        cmocka_unit_test(test_a_host_that_has_grown_is_replaced_when_it_has_finished),
        cmocka_unit_test(test_a_host_that_is_twice_too_large_is_ended),
        cmocka_unit_test(test_what_a_host_holds_from_the_start_is_granted),
    };
    return cmocka_run_group_tests(tests, make_threads_folder, remove_folder);
}
