/* SPDX-License-Identifier: Apache-2.0 */
/* The run folder as the output keeps it, undisturbed, interrupted, and refused where somebody else has been at it. */
#include "test_run.h"

/* --- undisturbed ----------------------------------------------------------------------------------------------------- */

static void test_a_journal_does_not_change_the_output(void **state) {
    (void)state;
    for (int i = 0; i < 18; i++) {
        struct plan p = {.n = 300, .seed = 3, .text_bytes = 100, .burst = 20, .calls = true, .steps = true, .sync_ms = 3};
        p.lines_above = i % 2 ? 100 : 1000;
        p.durability = (enum sg_durability)(i / 2 % 3);
        p.keep = (enum sg_keep)(i / 6);
        p.memory_bytes = i % 4 ? 1000 : 0;
        expect_of(p);
        use_faults(NO_FAULT, 0, 0);
        expect_run(&p, false);
        expect_outputs();
        expect_sound();
        assert_true(e.figures.commits > 2);
        assert_true(e.figures.lag_p50_us > 0 && e.figures.lag_p50_us <= e.figures.lag_p99_us);
        assert_true(e.figures.lag_p99_us <= e.figures.lag_max_us);
        assert_int_equal(query("SELECT count(*) FROM meta WHERE key='state' AND value='finished'"), 1);
        assert_int_equal(query("SELECT ok+failed+invalid+dropped FROM progress WHERE id=1"), 300);
        assert_int_equal(query("SELECT position FROM progress WHERE id=2"), 305);
        assert_int_equal(query("SELECT count FROM causes"), 30);
        assert_int_equal(query("SELECT count(*) FROM records"), p.keep == SG_KEEP_OUTPUTS ? 45 : 300);
        assert_int_equal(query("SELECT count(*) FROM calls"), p.keep == SG_KEEP_OUTPUTS ? 0 : 300);
        assert_int_equal(query("SELECT count(*) FROM steps"), p.keep == SG_KEEP_ALL ? 450 : 0);
        assert_int_equal(file_exists("out/output.run/segments"), p.keep != SG_KEEP_OUTPUTS);
    }
}

/* --- waiting for a commit --------------------------------------------------------------------------------------------- */

static int told;

static void on_committed(struct sg_output_wait *w) {
    assert_int_equal(query("SELECT count(*) FROM calls WHERE sub=1 AND state=0"), 1);
    assert_ptr_not_equal(w->ud, NULL);
    if (++told == 2) sg_loop_stop(e.loop);
}

static void test_who_waits_for_a_commit_is_told_when_the_row_is_there(void **state) {
    static char first, second, third;
    struct sg_output_wait waits[] = {
        {.fn = on_committed, .ud = &first}, {.fn = on_committed, .ud = &second}, {.fn = on_committed, .ud = &third}};
    struct sg_call_row intent = {.position = FIRST, .node = 1, .sub = 1, .state = SG_CALL_INTENT};
    (void)state;
    clear_out();
    use_faults(NO_FAULT, 0, 0);
    e = (struct engine){.p = {.n = 1}};
    told = 0;
    assert_int_equal(sg_loop_open_uv(&e.loop, 1, NULL), 0);
    assert_int_equal(open_output(false), 0);
    sg_output_pulled(e.output, 1);
    sg_output_call(e.output, &intent, 0, SG_STR_NONE);
    for (int i = 0; i < 3; i++) sg_output_when_committed(e.output, &waits[i]);
    sg_output_wait_cancel(e.output, &waits[1]);
    assert_int_equal(told, 0);
    sg_loop_run(e.loop);
    assert_int_equal(told, 2);
    finish(false);
    sg_loop_run(e.loop);
    assert_int_equal(e.status, 0);
    assert_int_equal(query("SELECT calls_answered+calls_failed+calls_retried FROM progress WHERE id=1"), 0);
    sg_output_close(e.output);
    sg_loop_close(e.loop);
}

/* --- interrupted ----------------------------------------------------------------------------------------------------- */

static void test_a_run_goes_on_where_it_was_stopped(void **state) {
    (void)state;
    for (int i = 0; i < 9; i++) {
        struct plan p = {.n = 200, .text_bytes = 60, .calls = true, .steps = true, .sync_ms = 3, .stop_after = 37, .burst = 10};
        p.lines_above = i % 2 ? 100 : 1000;
        p.durability = (enum sg_durability)(i % 3);
        p.keep = (enum sg_keep)(i / 3);
        expect_of(p);
        use_faults(NO_FAULT, 0, 0);
        expect_run(&p, false);
        expect_sound();
        assert_int_equal(query("SELECT count(*) FROM meta WHERE key='state' AND value='stopped'"), 1);
        for (int k = 1; file_exists("out/output.part"); k++) {
            p.seed++;
            expect_run(&p, true);
            expect_sound();
            assert_false(e.restarted);
            assert_int_equal(e.lost, 0);
            assert_int_equal(e.totals.outcomes[0] + e.totals.outcomes[1] + e.totals.outcomes[3], 37 * k);
            assert_true(k < 10);
        }
        expect_outputs();
    }
}

static void test_a_finished_run_may_grow(void **state) {
    (void)state;
    for (int lines = 0; lines < 2; lines++) {
        struct plan p = {.n = 50, .text_bytes = 30, .calls = true, .steps = true, .keep = (enum sg_keep)(2 * lines)};
        p.lines_above = lines ? 1 : 1000;
        struct plan more = p;
        more.n = 80;
        expect_of(more);
        use_faults(NO_FAULT, 0, 0);
        expect_run(&p, false);
        expect_run(&more, true);
        assert_int_equal(e.position, FIRST + 50);
        expect_outputs();
        expect_sound();
    }
}

static uint64_t expect_taken_back(const struct sg_output_again *again) {
    uint64_t n = 99;
    if (take_back(again, &n) < 0) fail_msg("%s", e.err.text);
    return n;
}

static void test_what_reached_the_journal_of_a_record_half_done_is_there_again(void **state) {
    (void)state;
    for (int i = 0; i < 9; i++) {
        struct plan p = {.n = 60, .text_bytes = 30, .calls = true, .steps = true, .lines_above = 1000};
        p.keep = (enum sg_keep)(i % 3);
        p.durability = (enum sg_durability)(i / 3);
        p.stop_after = 31;
        expect_of(p);
        expect_run(&p, false);
        expect_sound();
        p.stop_after = 0;
        expect_run(&p, true);
        assert_int_equal(e.half_done, LEAD);
        assert_true(e.steps_found > 6 && e.replies_found > 5);
        expect_outputs();
        expect_sound();
        assert_int_equal(file_exists("out/output.run/segments"), p.keep != SG_KEEP_OUTPUTS);
    }
}

/* Bodies are freed, and with them segments, while the run goes on. */
static void test_with_keep_outputs_the_folder_does_not_grow_with_the_run(void **state) {
    (void)state;
    struct plan p = {.n = 400, .text_bytes = 30, .calls = true, .steps = true, .keep = SG_KEEP_OUTPUTS, .lines_above = 1000};
    p.durability = SG_DURABILITY_COMMIT;
    p.stop_after = 300;
    clear_out();
    expect_run(&p, false);
    assert_true(query("SELECT count(*) FROM calls") <= 5 * LEAD);
    assert_true(query("SELECT count(*) FROM steps") <= 10 * LEAD);
    p.stop_after = 0;
    expect_run(&p, true);
    assert_int_equal(query("SELECT count(*) FROM calls") + query("SELECT count(*) FROM steps"), 0);
}

static uint64_t retry(void) {
    return expect_taken_back(&(struct sg_output_again){.outcomes[SG_RECORD_FAILED] = true});
}

static void test_failed_records_can_be_tried_again(void **state) {
    (void)state;
    for (int i = 0; i < 12; i++) {
        struct plan p = {.n = 200, .text_bytes = 60, .calls = true, .steps = true, .lines_above = i % 2 ? 100 : 1000, .seed = 9};
        p.keep = i % 3 == 2 ? SG_KEEP_OUTPUTS : SG_KEEP_CALLS;
        p.stop_after = i % 4 ? 77 : 0; /* so that some failed ones wait */
        p.healed = true;
        expect_of(p);
        use_faults(NO_FAULT, 0, 0);
        p.healed = false;
        expect_run(&p, false);
        uint64_t failed = (uint64_t)query("SELECT failed FROM progress WHERE id=1");
        assert_int_equal(retry(), failed);
        assert_true(failed > 5 && !file_exists("out/output_failed.jsonl"));
        assert_int_equal(file_exists("out/output.json") + file_exists("out/output.jsonl"), p.stop_after == 0);
        expect_sound();
        assert_int_equal(query("SELECT count(*) FROM causes"), 0);
        assert_int_equal(retry(), 0);
        p.healed = true;
        p.stop_after = 0;
        expect_run(&p, true);
        expect_outputs();
        expect_sound();
        assert_int_equal(retry(), 0);
        expect_outputs();
    }
}

/* Both, one after the other, or one of them only. */
static void test_invalid_records_can_be_tried_again_too(void **state) {
    (void)state;
    for (int i = 0; i < 12; i++) {
        struct plan p = {.n = 200, .text_bytes = 60, .rules = true, .calls = true, .lines_above = i % 2 ? 100 : 1000, .seed = 9};
        p.keep = i % 3 == 2 ? SG_KEEP_OUTPUTS : SG_KEEP_CALLS;
        p.stop_after = i % 4 ? 77 : 0;
        p.healed = true;
        expect_of(p);
        use_faults(NO_FAULT, 0, 0);
        p.healed = false;
        expect_run(&p, false);
        uint64_t failed = (uint64_t)query("SELECT failed FROM progress WHERE id=1");
        uint64_t invalid = (uint64_t)query("SELECT invalid FROM progress WHERE id=1");
        assert_true(failed > 5 && invalid > 4 && file_exists("out/output_invalid.jsonl"));
        struct sg_output_again again = {.outcomes[SG_RECORD_INVALID] = true};
        assert_int_equal(expect_taken_back(&again), invalid);
        assert_true(!file_exists("out/output_invalid.jsonl") && file_exists("out/output_failed.jsonl"));
        expect_sound();
        assert_true(query("SELECT sum(count) FROM causes") > 0);
        again.outcomes[SG_RECORD_FAILED] = true;
        assert_int_equal(expect_taken_back(&again), failed);
        expect_sound();
        p.healed = true;
        p.stop_after = 0;
        expect_run(&p, true);
        expect_outputs();
        expect_sound();
    }
}

/* A task that has changed: some positions of any outcome, and their calls stay. */
static void test_records_at_given_positions_are_taken_back_with_their_answers(void **state) {
    (void)state;
    for (int i = 0; i < 12; i++) {
        struct plan p = {.n = 120, .text_bytes = 60, .calls = true, .lines_above = i % 2 ? 50 : 1000, .seed = 5};
        p.keep = i % 3 == 2 ? SG_KEEP_OUTPUTS : SG_KEEP_CALLS;
        p.stop_after = i % 4 ? 60 : 0;
        expect_of(p);
        use_faults(NO_FAULT, 0, 0);
        expect_run(&p, false);
        int64_t calls = query("SELECT count(*) FROM calls");
        const struct sg_range some[] = {{FIRST + 3, FIRST + 4}, {FIRST + 10, FIRST + 31}, {FIRST + 500, FIRST + 600}};
        const struct sg_run_identity id = identity_of(&p);
        const struct sg_output_again again = {.positions = some, .n_positions = 3, .was = &id, .is = &id};
        assert_int_equal(expect_taken_back(&again), 22);
        assert_int_equal(query("SELECT count(*) FROM calls"), calls);
        assert_int_equal(query("SELECT position FROM progress WHERE id=1"), FIRST + 3);
        expect_sound();
        assert_int_equal(expect_taken_back(&again), 0);
        p.stop_after = 0;
        expect_run(&p, true);
        expect_outputs();
        expect_sound();
    }
}

/* --- somebody else ----------------------------------------------------------------------------------------------------- */

static void expect_refused(const struct plan *p, int code, const char *text) {
    assert_int_equal(run(p, true), code);
    if (!strstr(e.err.text, text)) fail_msg("<%s> lacks <%s>", e.err.text, text);
}

static void test_a_folder_in_use_is_refused(void **state) {
    (void)state;
    struct plan p = small();
    struct sg_run_lock lock;
    struct sg_str text;
    struct sg_err err;
    leave_a_dead_run(p);
    assert_int_equal(sg_run_lock_holder(in_folder("out/output.run"), &arena, &text), 0);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20);
        sg_run_lock_take(in_folder("out/output.run"), &lock, &err);
        pause();
        _exit(0);
    }
    /* Between taking the lock and writing its text the file names the dead run. */
    while (sg_run_lock_holder(in_folder("out/output.run"), &arena, &text) != pid) usleep(1000);
    assert_int_equal(sg_run_lock_holder(in_folder("out/output.run"), &arena, &text), pid);
    expect_refused(&p, SG_E_CONFLICT, "out/output.run: in use by another process (");
    assert_int_equal(run(&p, false), SG_E_CONFLICT);
    p.no_journal = true;
    assert_int_equal(run(&p, false), SG_E_CONFLICT);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    p.no_journal = false;
    expect_of(p);
    expect_run(&p, false);
    expect_outputs();
}

static void test_where_there_is_nothing_to_resume_that_is_said(void **state) {
    (void)state;
    struct plan p = small();
    clear_out();
    expect_refused(&p, SG_E_MISSING, "out/output.run: there is no run");
    assert_false(file_exists("out/output.run"));
    p.no_journal = true;
    expect_run(&p, false);
    expect_refused(&p, SG_E_MISSING, "there is no run");
}

static void test_a_run_without_a_journal_ends_an_older_run(void **state) {
    (void)state;
    struct plan p = small();
    leave_a_dead_run(p);
    p.no_journal = true;
    expect_run(&p, false);
    assert_false(can_go_on());
    assert_false(file_exists("out/output.run/segments/000001.seg"));
}

/* What the sqlite3 shell does that has looked at a dead run; `vfs` NULL: any program's SQLite. */
static void move_log(const char *vfs) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(in_folder("out/output.run/run.db"), &db, SQLITE_OPEN_READWRITE, vfs), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void test_any_program_may_look_at_a_dead_run(void **state) {
    (void)state;
    struct plan p = small();
    expect_of(p);
    leave_a_dead_run(p);
    move_log(NULL);
    expect_sound();
    use_faults(NO_FAULT, 0, 0);
    expect_run(&p, true);
    expect_outputs();
    expect_sound();
}

static void test_another_format_is_refused(void **state) {
    (void)state;
    struct plan p = small();
    leave_a_dead_run(p);
    commit_sql("PRAGMA user_version=3; UPDATE meta SET value='sygra 9.1' WHERE key='program'");
    expect_refused(&p, SG_E_UNSUPPORTED, "run.db: is of format 3, made by sygra 9.1; this program knows format 2");
    assert_int_equal(check(), SG_E_UNSUPPORTED);
    commit_sql("PRAGMA user_version=2; PRAGMA application_id=7");
    expect_refused(&p, SG_E_SYNTAX, "run.db: is not the database of a run");
    clear_out();
    sg_os_mkdirs(in_folder("out/output.run"));
    put_file("out/output.run/run.db",
             SG_STR("This is a text of somebody, and no database at all. It is long enough, though: "
                    "a hundred bytes make a header."));
    expect_refused(&p, SG_E_SYNTAX, "run.db");
}

/* --- damage ------------------------------------------------------------------------------------------------------------ */

static void append(const char *name, const char *text) {
    FILE *f = fopen(in_folder(name), "a");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void test_what_a_death_leaves_behind_is_cut(void **state) {
    (void)state;
    struct plan p = small();
    expect_of(p);
    leave_a_dead_run(p);
    append("out/output.part", "{\"torn");
    append("out/output_failed.jsonl", "{\"torn\":");
    append("out/output.run/segments/000001.seg", "torn");
    put_file("out/output.run/segments/000002.seg", SG_STR("SGSEG"));
    append("out/output.run/run.db-wal", "torn");
    expect_sound();
    use_faults(NO_FAULT, 0, 0);
    expect_run(&p, true);
    expect_outputs();
    expect_sound();
}

/* `name` is damaged: resuming is refused with that place, and fsck says it, too. */
static void expect_found(const struct plan *p, const char *text, int code) {
    if (check() <= 0 || !strstr(findings, text)) fail_msg("<%s> lacks <%s>", findings, text);
    expect_refused(p, code, text);
    expect_refused(p, code, text); /* and it has touched nothing */
}

static void test_a_damaged_middle_is_refused_with_its_place(void **state) {
    (void)state;
    struct plan p = small();
    leave_a_dead_run(p);
    int64_t at = query(
        "SELECT records.offset FROM records, progress WHERE progress.id=1 AND records.position>progress.position "
        "AND records.segment NOT NULL");
    char text[100];
    snprintf(text, sizeof text, "segments/000001.seg: byte %lld: the frame is damaged", (long long)at);
    flip("out/output.run/segments/000001.seg", (long)at + 15);
    expect_found(&p, text, SG_E_SYNTAX);
    leave_a_dead_run(p);
    flip("out/output.part", 30);
    expect_found(&p, "output.part: something in", SG_E_SYNTAX);
    leave_a_dead_run(p);
    move_log("sygra"); /* pages of the database are checked */
    flip("out/output.run/run.db", -5000);
    expect_found(&p, "run.db", SG_E_SYNTAX);
}

static void test_a_log_that_is_damaged_in_its_middle_is_refused(void **state) {
    (void)state;
    struct plan p = small();
    leave_a_dead_run(p);
    flip("out/output.run/run.db-wal", 32 + 24 + 7);
    expect_found(&p, "run.db-wal: byte 32: damaged, and commits follow", SG_E_SYNTAX);
    flip("out/output.run/run.db-wal", 32 + 24 + 7);
    expect_of(p);
    leave_a_dead_run(p);
    flip("out/output.run/run.db-wal", -100); /* its last frame: a torn tail */
    use_faults(NO_FAULT, 0, 0);
    expect_run(&p, true);
    expect_outputs();
}

static void leave_a_stopped_run(struct plan p) {
    clear_out();
    p.stop_after = 30;
    p.seed = 2; /* of which some wait */
    expect_run(&p, false);
    assert_true(query("SELECT count(*) FROM records WHERE segment NOT NULL") > 0);
}

static void test_missing_files_are_refused(void **state) {
    (void)state;
    struct plan p = small();
    use_faults(NO_FAULT, 0, 0);
    leave_a_stopped_run(p);
    unlink(in_folder("out/output.part"));
    expect_found(&p, "output.part: is gone", SG_E_MISSING);
    leave_a_stopped_run(p);
    assert_int_equal(truncate(in_folder("out/output_failed.jsonl"), 3), 0);
    expect_found(&p, "output_failed.jsonl: byte 3: the file ends here", SG_E_SYNTAX);
    leave_a_stopped_run(p);
    assert_int_equal(truncate(in_folder("out/output.run/segments/000001.seg"), 40), 0);
    expect_found(&p, "segments/000001.seg: byte 40: the file ends here", SG_E_SYNTAX);
    leave_a_stopped_run(p);
    unlink(in_folder("out/output.run/segments/000001.seg"));
    expect_found(&p, "segments/000001.seg: byte ", SG_E_SYNTAX);
}

int main(int argc, char **argv) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_journal_does_not_change_the_output),
        cmocka_unit_test(test_who_waits_for_a_commit_is_told_when_the_row_is_there),
        cmocka_unit_test(test_a_run_goes_on_where_it_was_stopped),
        cmocka_unit_test(test_a_finished_run_may_grow),
        cmocka_unit_test(test_what_reached_the_journal_of_a_record_half_done_is_there_again),
        cmocka_unit_test(test_with_keep_outputs_the_folder_does_not_grow_with_the_run),
        cmocka_unit_test(test_failed_records_can_be_tried_again),
        cmocka_unit_test(test_invalid_records_can_be_tried_again_too),
        cmocka_unit_test(test_records_at_given_positions_are_taken_back_with_their_answers),
        cmocka_unit_test(test_a_folder_in_use_is_refused),
        cmocka_unit_test(test_where_there_is_nothing_to_resume_that_is_said),
        cmocka_unit_test(test_a_run_without_a_journal_ends_an_older_run),
        cmocka_unit_test(test_any_program_may_look_at_a_dead_run),
        cmocka_unit_test(test_another_format_is_refused),
        cmocka_unit_test(test_what_a_death_leaves_behind_is_cut),
        cmocka_unit_test(test_a_damaged_middle_is_refused_with_its_place),
        cmocka_unit_test(test_a_log_that_is_damaged_in_its_middle_is_refused),
        cmocka_unit_test(test_missing_files_are_refused),
    };
    return run_group(tests, sizeof tests / sizeof *tests, argc > 1 ? argv[1] : NULL);
}
