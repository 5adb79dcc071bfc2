/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of the run folder share: a small engine that runs records of which everybody knows what comes out, in this
 * process or in one that dies, and what must be true of the folder then. */
#ifndef SG_TEST_RUN_H
#define SG_TEST_RUN_H

#include "test_faults.h"

#include "data/data.h"

#include <ftw.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define FIRST 5
#define REPLY "{\"reply\":\"text of some length\"}"

/* --- a small engine: puts what is not finished, in a shuffled order, some every millisecond ----------------------- */

struct plan {
    uint64_t n, seed; /* records; of the order */
    uint64_t lines_above;
    size_t text_bytes, memory_bytes;
    enum sg_durability durability;
    enum sg_keep keep;
    bool no_journal, calls, steps, healed; /* healed: nothing fails; steps: and records are under way for a while */
    bool rules;                            /* some records break one, unless healed */
    uint32_t burst;                 /* records every millisecond */
    uint64_t stop_after;            /* records put by this process; 0: all */
    uint32_t sync_ms;
    const char *stem;
};

static struct engine {
    struct plan p;
    struct sg_loop *loop;
    struct sg_output *output;
    struct sg_timer timer;
    uint64_t *todo;
    size_t n_todo, next, begun;
    struct sg_past_request *requests;
    uint64_t steps_found, replies_found, half_done;
    int errors, status;
    bool finishing, done;
    struct sg_err err;
    uint64_t again, lost, position; /* as resumed */
    bool restarted;
    struct sg_run_totals totals;
    struct sg_output_figures figures;
} e;

static struct sg_arena arena;

static inline enum sg_outcome outcome_of(uint64_t position) {
    return position % 10 == 3 && !e.p.healed                ? SG_RECORD_FAILED
           : e.p.rules && position % 11 == 2 && !e.p.healed ? SG_RECORD_INVALID
           : position % 16 == 7                             ? SG_RECORD_DROPPED
                                                            : SG_RECORD_OK;
}

static inline struct sg_str text_of(uint64_t position) {
    static char text[70000];
    size_t bytes = e.p.text_bytes + position % 7 * e.p.text_bytes / 5;
    int n = snprintf(text, sizeof text, "{\"i\":%llu,\"t\":\"%0*d\"}", (unsigned long long)position, (int)bytes, 0);
    return (struct sg_str){text, (size_t)n};
}

static inline void put_calls(uint64_t position) {
    struct sg_call_row row = {.position = position, .node = 3, .ordinal = 1, .started = 17, .attempts = 1};
    row.state = SG_CALL_AGAIN;
    row.not_before = (int64_t)position + 1000000;
    if (position % 3 == 0) sg_output_call(e.output, &row, 0, SG_STR_NONE);
    if (position % 9 == 0) return; /* died while it waited: no answer yet */
    row.state = SG_CALL_ANSWERED;
    row.status = 200;
    row.completion_tokens = 2;
    sg_output_call(e.output, &row, SG_BODY_REPLY, SG_STR(REPLY));
}

#define LEAD 8 /* records under way */

static inline struct sg_str step_text(uint64_t position, uint32_t step) {
    static char text[80];
    int n = snprintf(text, sizeof text, "{\"next\":[],\"set\":{\"s\":\"%llu.%u\"}}", (unsigned long long)position, step);
    return (struct sg_str){text, (size_t)n};
}

static inline void put_steps(uint64_t position) {
    for (uint32_t step = 1; step <= position % 4; step++) {
        struct sg_step_row row = {.position = position, .step = step, .ended = 3};
        sg_output_step(e.output, &row, step_text(position, step));
    }
}

static inline void begin_records(size_t to) {
    for (; e.begun < to && e.begun < e.n_todo; e.begun++) {
        if (e.p.calls) put_calls(e.todo[e.begun]);
        if (e.p.steps) put_steps(e.todo[e.begun]);
    }
}

static inline void put_one(uint64_t position) {
    struct sg_err why = {.code = SG_E_HOOK, .text = "it did not work"};
    bool failed = outcome_of(position) == SG_RECORD_FAILED;
    begin_records(e.next + (e.p.steps ? LEAD : 0));
    struct sg_output_record r = {.position = position,
                                 .outcome = outcome_of(position),
                                 .json = text_of(position),
                                 .line = position + 1,
                                 .offset = position * 10,
                                 .started = 1,
                                 .ended = 2,
                                 .steps = 3,
                                 .attempts = 1,
                                 .node = SG_STR("n"),
                                 .err = failed ? &why : NULL};
    sg_output_record(e.output, &r);
}

static inline void on_finish(void *ud, int status, const struct sg_output_result *result, const struct sg_err *err) {
    (void)ud, (void)result;
    e.done = true;
    e.status = status;
    if (err) e.err = *err;
    sg_output_figures(e.output, &e.figures);
    sg_loop_stop(e.loop);
}

static inline void finish(bool complete) {
    if (e.finishing) return;
    e.finishing = true;
    sg_output_finish(e.output, complete, on_finish, &e);
}

static inline void on_error(void *ud, const struct sg_err *err) {
    (void)ud;
    e.errors++;
    e.err = *err;
    sg_timer_stop(e.loop, &e.timer);
    finish(false);
}

static inline void on_burst(struct sg_timer *t) {
    uint64_t limit = e.p.stop_after ? e.p.stop_after : e.n_todo;
    if (limit > e.n_todo) limit = e.n_todo;
    for (uint32_t i = 0; i < e.p.burst && e.next < limit; i++) put_one(e.todo[e.next++]);
    if (e.next < limit) sg_timer_start(e.loop, t, SG_MS(1));
    else finish(limit == e.n_todo);
}

/* Half of the records come in disorder within a window, as calls of differing length bring it about. */
static inline void shuffle(void) {
    struct sg_rng rng = {e.p.seed};
    for (size_t i = 0; i + 1 < e.n_todo; i++) {
        size_t reach = e.n_todo - i < 16 ? e.n_todo - i : 16;
        size_t k = i + (size_t)(sg_rng_next(&rng) % reach);
        uint64_t t = e.todo[i];
        e.todo[i] = e.todo[k];
        e.todo[k] = t;
    }
}

static inline void begin(const struct sg_range *finished, size_t n) {
    e.todo = sg_xmalloc(e.p.n * sizeof *e.todo);
    e.n_todo = e.next = e.begun = 0;
    for (uint64_t p = FIRST; p < FIRST + e.p.n; p++) {
        while (n && finished->to <= p) finished++, n--;
        if (n == 0 || p < finished->from) e.todo[e.n_todo++] = p;
    }
    shuffle();
    sg_output_pulled(e.output, e.n_todo);
    sg_timer_start(e.loop, &e.timer, 0);
}

/* What was told of a record before the death is there, but for what a loss of power took. */
static inline void on_past(struct sg_past_request *q, int status, struct sg_past *p, const struct sg_err *err) {
    if (status < 0) {
        on_error(NULL, err);
        return;
    }
    for (size_t i = 0; i < p->n_calls; i++) {
        const struct sg_past_call *c = &p->calls[i];
        assert_true(c->row.state == SG_CALL_AGAIN || c->row.state == SG_CALL_ANSWERED);
        if (c->row.state == SG_CALL_AGAIN) assert_int_equal(c->row.not_before, q->position + 1000000);
        else assert_true(c->row.has_body || e.restarted);
        if (!c->row.has_body) continue;
        assert_text(c->reply.text, SG_STR(REPLY));
        e.replies_found++;
    }
    for (uint32_t i = 0; i < p->n_steps; i++) {
        assert_int_equal(p->steps[i].step, i + 1);
        sg_arena_reset(&arena);
        assert_text(sg_json_dump(&arena, &p->steps[i].changes), step_text(q->position, i + 1));
        e.steps_found++;
    }
    sg_past_free(p);
}

static inline void look_at_pasts(const struct sg_output_resumed *r) {
    const struct sg_past_source *s = sg_output_pasts(e.output);
    e.half_done += r->n_half_done;
    e.requests = sg_xcalloc(r->n_half_done, sizeof *e.requests);
    for (size_t i = 0; i < r->n_half_done; i++) {
        struct sg_past_request *q = &e.requests[i];
        *q = (struct sg_past_request){.position = r->half_done[i], .on_past = on_past};
        assert_true(s->has(s->ud, q->position));
        s->load(s->ud, q);
    }
}

static inline void on_resumed(void *ud, int status, const struct sg_output_resumed *r, const struct sg_err *err) {
    (void)ud;
    e.status = status;
    if (status < 0) {
        e.err = *err;
        sg_loop_stop(e.loop);
        return;
    }
    e.again = r->n_again;
    e.lost = r->lost;
    e.restarted = r->restarted;
    e.position = r->position;
    e.totals = r->totals;
    look_at_pasts(r);
    begin(r->from.finished, r->from.n_finished);
}

static inline struct sg_run_identity identity_of(const struct plan *p) {
    return (struct sg_run_identity){.program = SG_STR("test"),
                                    .task = SG_STR("task"),
                                    .folder = SG_STR("out"),
                                    .stem = SG_STR("output"),
                                    .options = SG_STR("{}"),
                                    .durability = p->durability,
                                    .keep = p->keep,
                                    .seed = 1,
                                    .first = FIRST,
                                    .count = p->n,
                                    .started_ms = sg_os->wall_ns() / 1000000};
}

static inline int open_output(bool again) {
    struct sg_run_identity id = identity_of(&e.p);
    struct sg_output_options o = {.folder = sg_str(in_folder("out")),
                                  .stem = sg_str(e.p.stem ? e.p.stem : "output"),
                                  .first = FIRST,
                                  .lines_above = e.p.lines_above,
                                  .memory_bytes = e.p.memory_bytes,
                                  .identity = e.p.no_journal ? NULL : &id,
                                  .commit_ms = 2,
                                  .sync_ms = e.p.sync_ms};
    return again ? sg_output_resume(e.loop, &o, on_resumed, &e, &e.output, &e.err)
                 : sg_output_open(e.loop, &o, &e.output, &e.err);
}

/* A process's part of a run. 0, or why it could not go on. */
static inline int run(const struct plan *p, bool again) {
    e = (struct engine){.p = *p};
    if (e.p.burst == 0) e.p.burst = 5;
    e.timer = (struct sg_timer){.on_fire = on_burst, .ud = &e};
    assert_int_equal(sg_loop_open_uv(&e.loop, 1, NULL), 0);
    int rc = open_output(again);
    if (rc == 0) {
        sg_output_on_error(e.output, on_error, &e);
        if (!again) begin(NULL, 0);
        sg_loop_run(e.loop);
        rc = e.status;
    }
    sg_timer_stop(e.loop, &e.timer);
    sg_output_close(e.output);
    sg_loop_close(e.loop);
    free(e.todo);
    free(e.requests);
    return rc;
}

/* What `sygra retry` and changed tasks do first. 0, or why not. */
static inline int take_back(const struct sg_output_again *again, uint64_t *n) {
    struct sg_output_options o = {.folder = sg_str(in_folder("out")), .stem = SG_STR("output"), .first = FIRST};
    return sg_output_take_back(&o, again, n, &e.err);
}

static inline void expect_run(const struct plan *p, bool again) {
    if (run(p, again) < 0) fail_msg("%s", e.err.text);
    assert_int_equal(e.errors, 0);
}

/* --- what must come out -------------------------------------------------------------------------------------------- */

static const char *const out_names[] = {"output.json", "output.jsonl", "output_failed.jsonl", "output_invalid.jsonl",
                                        "output_dropped.jsonl"};
enum { OUTS = 5 };
static struct sg_arena expected_arena;
static struct sg_str expected[OUTS];

static inline int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static inline void clear_out(void) {
    if (file_exists("out")) assert_int_equal(nftw(in_folder("out"), remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
    assert_int_equal(mkdir(in_folder("out"), 0755), 0);
}

/* What the undisturbed run gives, without a journal. */
static inline void expect_of(struct plan p) {
    p.no_journal = true;
    p.burst = 1000;
    p.stop_after = 0;
    clear_out();
    use_faults(NO_FAULT, 0, 0);
    expect_run(&p, false);
    sg_arena_reset(&expected_arena);
    for (int i = 0; i < OUTS; i++) {
        char name[64];
        snprintf(name, sizeof name, "out/%s", out_names[i]);
        expected[i] = file_exists(name) ? get_file(&expected_arena, name) : SG_STR_NONE;
    }
    clear_out();
}

static inline void expect_outputs(void) {
    sg_arena_reset(&arena);
    for (int i = 0; i < OUTS; i++) {
        char name[64];
        snprintf(name, sizeof name, "out/%s", out_names[i]);
        assert_int_equal(file_exists(name), expected[i].p != NULL);
        if (expected[i].p) assert_text(get_file(&arena, name), expected[i]);
    }
    assert_false(file_exists("out/output.part"));
}

static char findings[4000];

static inline void on_finding(void *ud, struct sg_str finding) {
    (void)ud;
    size_t n = strlen(findings);
    snprintf(findings + n, sizeof findings - n, "%.*s\n", SG_ARG(finding));
}

static inline int check(void) {
    struct sg_err err;
    findings[0] = '\0';
    int rc = sg_run_check(in_folder("out/output.run"), on_finding, NULL, &err);
    if (rc < 0) snprintf(findings, sizeof findings, "%s", err.text);
    return rc;
}

static inline void expect_sound(void) {
    if (check() != 0) fail_msg("%s", findings);
}

static inline int64_t query(const char *sql) {
    sqlite3 *db;
    sqlite3_stmt *s = NULL;
    assert_int_equal(sqlite3_open(in_folder("out/output.run/run.db"), &db), SQLITE_OK);
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) != SQLITE_OK) fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    int64_t value = sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int64(s, 0) : -1;
    sqlite3_finalize(s);
    sqlite3_close(db);
    return value;
}

/* --- processes that die ----------------------------------------------------------------------------------------------- */

static inline int status_of(pid_t pid) {
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* A process that dies at its n-th change; 0: it ended in order. */
static inline int run_in_child(const struct plan *p, bool again, enum fault fault, int at) {
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid) return status_of(pid);
    use_faults(fault, at, 0);
    int rc = run(p, again);
    if (rc < 0) print_error("%s\n", e.err.text);
    _exit(rc < 0);
}

static inline bool can_go_on(void) {
    return file_exists("out/output.run/run.db");
}

static inline struct plan small(void) {
    return (struct plan){.n = 60, .text_bytes = 50, .lines_above = 20, .calls = true, .sync_ms = 2, .burst = 5};
}

/* Died with records that wait: the files are as a death leaves them. */
static inline void leave_a_dead_run(struct plan p) {
    clear_out();
    use_faults(NO_FAULT, 0, 0);
    int status = run_in_child(&p, false, DIE, 85);
    assert_int_equal(status, 42);
    assert_true(query("SELECT count(*) FROM records WHERE segment NOT NULL") > 0);
}

/* A change through the log of a run that is dead, as its own next commit would be. */
static inline void commit_sql(const char *sql) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open(in_folder("out/output.run/run.db"), &db), SQLITE_OK);
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

static inline void flip(const char *name, long at) {
    FILE *f = fopen(in_folder(name), "r+");
    assert_non_null(f);
    fseek(f, at, at < 0 ? SEEK_END : SEEK_SET);
    int c = fgetc(f);
    fseek(f, -1, SEEK_CUR);
    fputc(c ^ 1, f);
    fclose(f);
}

/* `only`: a pattern of names; NULL: all. */
static inline int run_group(const struct CMUnitTest *tests, size_t n, const char *only) {
    if (only) cmocka_set_test_filter(only);
    sg_arena_init(&arena, 0);
    sg_arena_init(&expected_arena, 0);
    int failed = _cmocka_run_group_tests("tests", tests, n, make_folder, remove_folder);
    sg_arena_fini(&arena);
    sg_arena_fini(&expected_arena);
    return failed;
}

#endif
