/* SPDX-License-Identifier: Apache-2.0 */
/* A call that fails, a full disk, a failed sync: the run stops and says so, and going on with it gives the undisturbed run's bytes. */
#include "test_run.h"

/* The process that met it says so once; the folder is sound, and another one ends the run. */
static void expect_clean_stop(const struct plan *p, int status, int code) {
    if (status == 0) return;
    if (status != SG_E_IO && status != SG_E_LIMIT) fail_msg("%d at call %d: %s", status, faults.at, e.err.text);
    if (code && e.err.sys != code) fail_msg("%s (%d)", e.err.text, e.err.sys);
    assert_true(e.errors == 1 || !e.done);
    use_faults(NO_FAULT, 0, 0);
    if (can_go_on()) expect_sound();
    if (file_exists("out/output.part") || !can_go_on()) expect_run(p, can_go_on());
    expect_outputs();
    expect_sound();
}

static void fail_each_call(struct plan p, enum fault fault, int code, int step) {
    expect_of(p);
    int at = 1;
    for (bool over = true; over; at += step) {
        clear_out();
        use_faults(fault, at, code);
        int status = run(&p, false);
        over = fault_is_over();
        expect_clean_stop(&p, status, 0);
        if (status == 0) expect_outputs();
    }
    assert_true(at > 30);
}

static void test_each_failing_call_is_a_clean_stop(void **state) {
    (void)state;
    struct plan p = {.n = 24, .text_bytes = 40, .lines_above = 20, .calls = true, .steps = true, .sync_ms = 2, .burst = 6};
    fail_each_call(p, FAIL_CALL, EIO, 1);
    p.durability = SG_DURABILITY_COMMIT;
    p.keep = SG_KEEP_OUTPUTS;
    fail_each_call(p, FAIL_FROM, EIO, 3);
}

/* The same while an earlier process's part is opened. */
static void test_each_failing_call_of_a_resume_is_a_clean_stop(void **state) {
    (void)state;
    struct plan p = {.n = 24, .text_bytes = 40, .lines_above = 20, .calls = true, .steps = true, .sync_ms = 2, .burst = 6};
    struct plan part = p;
    part.stop_after = 17;
    expect_of(p);
    int at = 1;
    for (bool over = true; over; at++) {
        clear_out();
        use_faults(NO_FAULT, 0, 0);
        expect_run(&part, false);
        use_faults(FAIL_CALL, at, EIO);
        int status = run(&p, true);
        over = fault_is_over();
        expect_clean_stop(&p, status, 0);
    }
    assert_true(at > 30);
}

static void test_a_full_disk_is_a_clean_stop_at_any_size(void **state) {
    (void)state;
    struct plan p = {.n = 60, .text_bytes = 900, .lines_above = 20, .calls = true, .steps = true, .sync_ms = 2, .burst = 5};
    expect_of(p);
    int status = -1;
    for (long long room = 0; status < 0; room += room < 20000 ? 1500 : 41000) {
        clear_out();
        use_faults(FULL, 0, 0);
        faults.room = room;
        status = run(&p, false);
        expect_clean_stop(&p, status, ENOSPC);
        assert_true(room < 10000000);
    }
}

static void test_a_failed_sync_is_final(void **state) {
    (void)state;
    for (int at = 1; at < 30; at++) {
        struct plan p = {.n = 60, .text_bytes = 50, .lines_above = 20, .sync_ms = 1, .burst = 5};
        p.durability = at % 2 ? SG_DURABILITY_1S : SG_DURABILITY_COMMIT;
        expect_of(p);
        use_faults(NO_SYNC, at, EIO);
        int status = run(&p, false);
        if (fault_is_over()) assert_int_equal(status, SG_E_IO);
        if (status < 0) assert_int_equal(e.err.sys, EIO);
        expect_clean_stop(&p, status, EIO);
    }
}

static void test_a_failing_call_while_records_are_taken_back_is_a_clean_stop(void **state) {
    (void)state;
    const struct sg_output_again again = {.outcomes[SG_RECORD_FAILED] = true, .outcomes[SG_RECORD_INVALID] = true};
    struct plan p = {.n = 40, .text_bytes = 40, .rules = true, .calls = true, .lines_above = 20, .sync_ms = 2, .stop_after = 25};
    p.healed = true;
    expect_of(p);
    int at = 1;
    for (bool over = true; over; at += 2) {
        clear_out();
        use_faults(NO_FAULT, 0, 0);
        p.healed = false;
        expect_run(&p, false);
        uint64_t n;
        use_faults(FAIL_CALL, at, EIO);
        int rc = take_back(&again, &n);
        over = fault_is_over();
        if (rc < 0 && rc != SG_E_IO && rc != SG_E_LIMIT) fail_msg("%d at call %d: %s", rc, at, e.err.text);
        use_faults(NO_FAULT, 0, 0);
        expect_sound();
        if (take_back(&again, &n) < 0) fail_msg("after call %d: %s", at, e.err.text);
        struct plan rest = p;
        rest.healed = true;
        rest.stop_after = 0;
        expect_run(&rest, true);
        expect_outputs();
        expect_sound();
    }
    assert_true(at > 20);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_failing_call_is_a_clean_stop),
        cmocka_unit_test(test_each_failing_call_of_a_resume_is_a_clean_stop),
        cmocka_unit_test(test_a_full_disk_is_a_clean_stop_at_any_size),
        cmocka_unit_test(test_a_failed_sync_is_final),
        cmocka_unit_test(test_a_failing_call_while_records_are_taken_back_is_a_clean_stop),
    };
    return run_group(tests, sizeof tests / sizeof *tests, argc > 1 ? argv[1] : NULL);
}
