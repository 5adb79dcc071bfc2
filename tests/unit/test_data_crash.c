/* SPDX-License-Identifier: Apache-2.0 */
/* Wherever a process dies, and whatever a loss of power takes, going on with its run gives the undisturbed run's bytes. */
#include "test_run.h"

/* SYGRA_TEST_LONG=N in the environment: with N times as many records, and other dice. */
static uint64_t length(void) {
    const char *n = getenv("SYGRA_TEST_LONG");
    return n ? strtoull(n, NULL, 10) : 1;
}

/* --- kills ------------------------------------------------------------------------------------------------------------- */

static int die_at_each_change(struct plan p, enum fault fault, int step) {
    expect_of(p);
    int n = 1, status = 42;
    for (; status == 42; n += step) {
        clear_out();
        status = run_in_child(&p, false, fault, n);
        assert_true(status == 42 || status == 0);
        use_faults(NO_FAULT, 0, 0);
        if (can_go_on()) expect_sound();
        if (status == 42) expect_run(&p, can_go_on());
        expect_outputs();
        expect_sound();
    }
    return n;
}

static void test_dying_at_any_change_loses_nothing(void **state) {
    (void)state;
    struct plan p = {.n = 14 * length(), .text_bytes = 40, .lines_above = 10, .calls = true, .steps = true, .sync_ms = 2, .burst = 4};
    assert_true(die_at_each_change(p, DIE, 1) > 50);
    p.keep = SG_KEEP_OUTPUTS;
    p.durability = SG_DURABILITY_COMMIT;
    assert_true(die_at_each_change(p, DIE_TORN, 3) > 50);
}

static void test_a_storm_of_kills_loses_nothing(void **state) {
    (void)state;
    struct sg_rng rng = {7 * length()};
    int kills = 0;
    for (int i = 0; i < 6; i++) {
        struct plan p = {.n = 90 * length(), .text_bytes = 100, .calls = true, .steps = true, .sync_ms = 2, .burst = 3};
        p.lines_above = i % 2 ? 40 : 1000;
        p.durability = (enum sg_durability)(i % 3);
        p.keep = (enum sg_keep)(i / 2);
        p.memory_bytes = 500;
        expect_of(p);
        int status = 42;
        while (status == 42) {
            p.seed = sg_rng_next(&rng);
            status = run_in_child(&p, can_go_on(), kills % 2 ? DIE : DIE_TORN, 1 + (int)(p.seed % 60));
            assert_true(status == 42 || status == 0);
            if (can_go_on()) expect_sound();
            kills++;
        }
        expect_outputs();
    }
    assert_true(kills > 12);
}

/* A process that takes failed and invalid records back, and dies at its n-th change. */
static int take_back_in_child(const struct sg_output_again *again, enum fault fault, int at) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid) return status_of(pid);
    uint64_t n;
    use_faults(fault, at, 0);
    _exit(take_back(again, &n) < 0);
}

static void test_dying_while_records_are_taken_back_loses_nothing(void **state) {
    (void)state;
    const struct sg_output_again again = {.outcomes[SG_RECORD_FAILED] = true, .outcomes[SG_RECORD_INVALID] = true};
    for (int i = 0; i < 4; i++) {
        struct plan p = {.n = 40, .text_bytes = 40, .rules = true, .calls = true, .lines_above = i % 2 ? 20 : 1000, .sync_ms = 2};
        p.keep = i < 2 ? SG_KEEP_CALLS : SG_KEEP_OUTPUTS;
        p.stop_after = i % 2 ? 25 : 0;
        p.healed = true;
        expect_of(p);
        int at = 1 + i, status = 42;
        for (; status == 42; at += 4) { /* each plan at other changes */
            clear_out();
            use_faults(NO_FAULT, 0, 0);
            p.healed = false;
            expect_run(&p, false);
            status = take_back_in_child(&again, at % 8 < 4 ? DIE : DIE_TORN, at);
            assert_true(status == 42 || status == 0);
            use_faults(NO_FAULT, 0, 0);
            expect_sound();
            uint64_t n;
            if (take_back(&again, &n) < 0) fail_msg("after a death at change %d: %s", at, e.err.text);
            expect_sound();
            struct plan rest = p;
            rest.healed = true;
            rest.stop_after = 0;
            expect_run(&rest, true);
            expect_outputs();
            expect_sound();
        }
        assert_true(at > 15);
    }
}

/* --- a loss of power ----------------------------------------------------------------------------------------------------- */

/* What is behind the synced state may be there or not, in any file. */
static void lose(uint64_t seed, const char *name, int64_t synced) {
    struct sg_rng rng = {seed};
    struct sg_file_info info;
    if (sg_os_posix.stat(in_folder(name), &info) < 0 || (int64_t)info.size <= synced || synced < 0) return;
    uint64_t span = info.size - (uint64_t)synced;
    if (sg_rng_next(&rng) % 2)
        assert_int_equal(truncate(in_folder(name), synced + (off_t)(sg_rng_next(&rng) % span)), 0);
    else if (sg_rng_next(&rng) % 2) flip(name, (long)(synced + (int64_t)(sg_rng_next(&rng) % span)));
}

static void test_a_loss_of_power_costs_what_was_not_synced(void **state) {
    (void)state;
    uint64_t lost = 0, back = 0;
    for (int i = 0; i < (int)(30 * length()); i++) {
        struct plan p = small();
        p.lines_above = i % 2 ? 20 : 1000;
        p.durability = i % 3 == 2 ? SG_DURABILITY_EXIT : SG_DURABILITY_1S;
        p.keep = i % 5 == 4 ? SG_KEEP_OUTPUTS : SG_KEEP_CALLS;
        p.sync_ms = 7;
        expect_of(p);
        if (run_in_child(&p, false, DIE, 65 + i % 75) == 0) continue;
        int64_t part =
            query("SELECT part_bytes FROM progress WHERE id=2 AND lines=(SELECT lines FROM progress WHERE id=1)");
        int64_t failed = query("SELECT failed_bytes FROM progress WHERE id=2");
        int64_t segment = query("SELECT segment_bytes FROM progress WHERE id=2");
        commit_sql("UPDATE meta SET value='another boot' WHERE key='boot'");
        lose((uint64_t)i, "out/output.part", part ? part - 2 : 0);
        lose((uint64_t)i + 1000, "out/output_failed.jsonl", failed);
        lose((uint64_t)i + 2000, "out/output.run/segments/000001.seg", segment ? segment : 8);
        use_faults(NO_FAULT, 0, 0);
        expect_run(&p, true);
        assert_true(e.restarted);
        lost += e.lost;
        back += e.position > FIRST;
        expect_outputs();
        expect_sound();
    }
    assert_true(lost > 10 && back > 10);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dying_at_any_change_loses_nothing),
        cmocka_unit_test(test_a_storm_of_kills_loses_nothing),
        cmocka_unit_test(test_dying_while_records_are_taken_back_loses_nothing),
        cmocka_unit_test(test_a_loss_of_power_costs_what_was_not_synced),
    };
    return run_group(tests, sizeof tests / sizeof *tests, argc > 1 ? argv[1] : NULL);
}
