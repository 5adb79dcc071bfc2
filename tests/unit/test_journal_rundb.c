/* SPDX-License-Identifier: Apache-2.0 */
#include "test_faults.h"

#include "journal/rundb.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct sg_err err;
static struct sg_arena arena;

static const struct sg_run_node nodes[] = {{{"a", 1}, {"llm", 3}, {"00ff", 4}}, {{"b", 1}, {"lambda", 6}, {"11", 2}}};
static const struct sg_str keys[] = {{"messages", 8}, {"x", 1}};

static struct sg_run_identity identity(void) {
    return (struct sg_run_identity){.program = SG_STR("0.1.0"),
                                    .task = SG_STR("tasks/t"),
                                    .folder = SG_STR("out"),
                                    .stem = SG_STR("output"),
                                    .options = SG_STR("{\"n\": 3}"),
                                    .durability = SG_DURABILITY_COMMIT,
                                    .keep = SG_KEEP_OUTPUTS,
                                    .seed = UINT64_C(18446744073709551615),
                                    .first = 7,
                                    .count = 100,
                                    .started_ms = 1700000000123,
                                    .source = {SG_STR("data \"x\".jsonl"), 1000, 42, 1234567890123456789, true},
                                    .nodes = nodes,
                                    .n_nodes = 2,
                                    .keys = keys,
                                    .n_keys = 2};
}

static struct sg_rundb *create(const char *name) {
    struct sg_rundb *d;
    struct sg_run_identity id = identity();
    if (sg_rundb_create(in_folder(name), &id, &d, &err)) fail_msg("%s", err.text);
    return d;
}

static struct sg_rundb *reopen(const char *name) {
    struct sg_rundb *d;
    struct sg_run_identity id;
    if (sg_rundb_open(in_folder(name), &arena, &id, &d, &err)) fail_msg("%s", err.text);
    return d;
}

static struct sg_record_row record_of(uint64_t position) {
    return (struct sg_record_row){.position = position,
                                  .line = position + 1,
                                  .outcome = (int)(position % 4),
                                  .started = 5,
                                  .ended = (int64_t)position,
                                  .steps = 3,
                                  .attempts = 4,
                                  .has_body = position % 2,
                                  .body = {1, 2, position}};
}

static struct sg_progress progress_of(uint64_t position) {
    struct sg_progress p = {.position = position, .pulled = position + 10, .row = 1, .line = 2, .offset = 3};
    p.read_bytes = 4;
    p.read_crc = 0xffffffff;
    for (unsigned i = 0; i < 4; i++)
        p.files[i] = (struct sg_file_mark){position * 100 + i, position, 0xf0000000u + i};
    p.lines = true;
    p.segment = 9;
    p.segment_bytes = 10;
    p.totals = (struct sg_run_totals){{1, 2, 3, 4}, 5, 6, 7, 8, 9};
    return p;
}

static void expect_progress(const struct sg_progress *p, const struct sg_progress *want) {
    assert_true(p->position == want->position && p->pulled == want->pulled && p->row == want->row);
    assert_true(p->line == want->line && p->offset == want->offset && p->lines == want->lines);
    assert_true(p->read_bytes == want->read_bytes && p->read_crc == want->read_crc);
    assert_true(p->segment == want->segment && p->segment_bytes == want->segment_bytes);
    for (int i = 0; i < 4; i++) {
        assert_true(p->files[i].bytes == want->files[i].bytes && p->files[i].records == want->files[i].records);
        assert_int_equal(p->files[i].crc, want->files[i].crc);
    }
    assert_memory_equal(&p->totals, &want->totals, sizeof p->totals); /* has no holes */
}

static void commit(struct sg_rundb *d, uint64_t position) {
    struct sg_progress p = progress_of(position);
    if (sg_rundb_commit(d, &p, NULL)) fail_msg("%s", sg_rundb_error(d)->text);
}

static void put_records(struct sg_rundb *d, uint64_t from, uint64_t to) {
    for (uint64_t p = from; p < to; p++) {
        struct sg_record_row r = record_of(p);
        if (sg_rundb_record(d, &r)) fail_msg("%s", sg_rundb_error(d)->text);
    }
}

static void test_the_identity_comes_back(void **state) {
    (void)state;
    struct sg_run_identity id;
    struct sg_rundb *d = create("id.run");
    sg_rundb_close(d);
    assert_false(file_exists("id.run/run.db-wal"));
    assert_int_equal(sg_rundb_open(in_folder("id.run"), &arena, &id, &d, &err), 0);
    struct sg_run_identity was = identity();
    assert_text(id.program, was.program);
    assert_text(id.task, was.task);
    assert_text(id.folder, was.folder);
    assert_text(id.stem, was.stem);
    assert_text(id.options, was.options);
    assert_text(id.source.path, was.source.path);
    assert_true(id.durability == was.durability && id.keep == was.keep && id.seed == was.seed);
    assert_true(id.first == 7 && id.count == 100 && id.started_ms == was.started_ms);
    assert_true(id.source.size == 1000 && id.source.inode == 42 && id.source.regular);
    assert_true(id.source.mtime_ns == was.source.mtime_ns);
    assert_true(id.n_nodes == 2 && id.n_keys == 2);
    assert_text(id.nodes[1].kind, SG_STR("lambda"));
    assert_text(id.keys[0], SG_STR("messages"));
    assert_text(sg_rundb_get(d, &arena, SG_STR("state")), SG_STR("running"));
    assert_text(sg_rundb_get(d, &arena, SG_STR("no such key")), SG_STR(""));
    assert_false(sg_rundb_restarted(d));
    sg_rundb_close(d);
}

static bool check_record(void *ud, const struct sg_record_row *r) {
    uint64_t *next = ud;
    struct sg_record_row want = record_of((*next)++);
    assert_int_equal(r->position, want.position);
    assert_true(r->line == want.line && r->outcome == want.outcome && r->ended == want.ended && r->steps == 3);
    assert_true(r->has_body == want.has_body && r->attempts == 4);
    if (r->has_body) assert_true(r->body.offset == r->position && r->body.segment == 1 && r->body.length == 2);
    return true;
}

static void test_what_was_committed_survives_and_nothing_else(void **state) {
    (void)state;
    struct sg_rundb *d = create("rows.run");
    struct sg_progress p;
    put_records(d, 7, 1007);
    commit(d, 500);
    put_records(d, 2000, 2010);
    sg_rundb_close(d);
    d = reopen("rows.run");
    uint64_t next = 100;
    assert_int_equal(sg_rundb_records(d, 100, -1, check_record, &next), 0);
    assert_int_equal(next, 1007);
    assert_int_equal(sg_rundb_progress(d, false, &p), 0);
    struct sg_progress want = progress_of(500);
    expect_progress(&p, &want);
    assert_int_equal(sg_rundb_progress(d, true, &p), 0);
    assert_int_equal(p.position, 7);
    sg_rundb_close(d);
}

/* --- calls and the rest ------------------------------------------------------------------------------------------ */

static struct sg_call_row call_of(uint64_t position, uint32_t node) {
    return (struct sg_call_row){.position = position,
                                .node = node,
                                .visit = 2,
                                .ordinal = 3,
                                .sub = 4,
                                .state = node == 1 ? SG_CALL_AGAIN : SG_CALL_ANSWERED,
                                .attempts = 5,
                                .not_before = 1000,
                                .started = -6,
                                .latency_us = 7,
                                .status = 429,
                                .prompt_tokens = 8,
                                .completion_tokens = 9,
                                .request = UINT64_MAX - position,
                                .has_body = node == 2,
                                .body = {3, 4, 5}};
}

static void put_call(struct sg_rundb *d, const struct sg_call_row *c) {
    if (sg_rundb_call(d, c)) fail_msg("%s", sg_rundb_error(d)->text);
}

struct seen {
    size_t n, stop;
    struct sg_call_row calls[32];
};

static bool see_call(void *ud, const struct sg_call_row *c) {
    struct seen *seen = ud;
    seen->calls[seen->n++] = *c;
    return seen->n != seen->stop;
}

static struct seen calls_of(struct sg_rundb *d, uint64_t from, uint64_t to) {
    struct seen seen = {0};
    assert_int_equal(sg_rundb_calls(d, from, to, see_call, &seen), 0);
    return seen;
}

static void expect_call(const struct sg_call_row *c, const struct sg_call_row *want) {
    assert_true(c->position == want->position && c->node == want->node && c->visit == want->visit);
    assert_true(c->ordinal == want->ordinal && c->sub == want->sub && c->state == want->state);
    assert_true(c->attempts == want->attempts && c->not_before == want->not_before && c->started == want->started);
    assert_true(c->latency_us == want->latency_us && c->status == want->status && c->request == want->request);
    assert_true(c->prompt_tokens == want->prompt_tokens && c->completion_tokens == want->completion_tokens);
    assert_int_equal(c->has_body, want->has_body);
    if (c->has_body) assert_memory_equal(&c->body, &want->body, sizeof c->body);
}

static void test_calls_are_kept_by_key(void **state) {
    (void)state;
    struct sg_rundb *d = create("calls.run");
    for (uint64_t p = 10; p-- > 7;)
        for (uint32_t node = 3; node-- > 0;) {
            struct sg_call_row c = call_of(p, node);
            put_call(d, &c);
        }
    struct sg_call_row again = call_of(8, 1);
    again.attempts = 6;
    put_call(d, &again);
    commit(d, 10);
    struct seen seen = calls_of(d, 7, 10);
    assert_int_equal(seen.n, 9);
    for (uint32_t i = 0; i < 9; i++) {
        struct sg_call_row want = call_of(7 + i / 3, i % 3);
        if (i == 4) want.attempts = 6;
        expect_call(&seen.calls[i], &want);
    }
    assert_int_equal(sg_rundb_forget_calls(d, 8, 9), 0);
    assert_int_equal(sg_rundb_forget_calls(d, 9, 10), 0);
    commit(d, 11);
    assert_int_equal(calls_of(d, 7, 8).n, 3);
    assert_int_equal(calls_of(d, 8, 9).n, 0);
    assert_int_equal(calls_of(d, 9, 99).n, 0);
    seen = (struct seen){.stop = 2};
    assert_int_equal(sg_rundb_calls(d, 0, 99, see_call, &seen), 0);
    assert_int_equal(seen.n, 2);
    sg_rundb_close(d);
}

struct seen_steps {
    struct sg_step_row rows[9];
    uint32_t n, stop;
};

static bool see_step(void *ud, const struct sg_step_row *s) {
    struct seen_steps *seen = ud;
    seen->rows[seen->n++] = *s;
    return seen->n != seen->stop;
}

static void test_steps_are_kept_by_record_and_number(void **state) {
    (void)state;
    struct sg_rundb *d = create("steps.run");
    for (uint64_t p = 9; p-- > 7;)
        for (uint32_t step = 3; step > 0; step--) {
            struct sg_step_row row = {p, step, 100 + step, {2, 30, 1000 * step}, step != 2};
            assert_int_equal(sg_rundb_step(d, &row), 0);
        }
    commit(d, 10);
    struct seen_steps seen = {.n = 0};
    assert_int_equal(sg_rundb_steps(d, 7, 9, see_step, &seen), 0);
    assert_int_equal(seen.n, 6);
    for (uint32_t i = 0; i < 6; i++) {
        const struct sg_step_row *s = &seen.rows[i];
        assert_true(s->position == 7 + i / 3 && s->step == 1 + i % 3 && s->ended == 101 + i % 3);
        assert_true(s->has_body == (s->step != 2) && (!s->has_body || s->body.offset == 1000 * s->step));
    }
    assert_int_equal(sg_rundb_forget_steps(d, 7, 8), 0);
    commit(d, 11);
    seen = (struct seen_steps){.stop = 1};
    assert_int_equal(sg_rundb_steps(d, 0, 99, see_step, &seen), 0);
    assert_true(seen.n == 1 && seen.rows[0].position == 8);
    sg_rundb_close(d);
}

static bool see_writer(void *ud, const struct sg_writer_row *w) {
    sg_buf_printf(ud, "%llu %u %u %u;", (unsigned long long)w->position, w->key, w->node, w->step);
    return true;
}

static void test_writers_are_kept_by_record_and_key(void **state) {
    (void)state;
    struct sg_buf b = SG_BUF_INIT(SIZE_MAX);
    struct sg_rundb *d = create("writers.run");
    for (uint32_t key = 4; key-- > 2;)
        for (uint64_t p = 7; p < 9; p++) sg_rundb_writer(d, &(struct sg_writer_row){p, key, key * 10, 5});
    sg_rundb_writer(d, &(struct sg_writer_row){8, 2, 21, 6});
    sg_rundb_forget_writers(d, 7, 8);
    sg_rundb_writer(d, &(struct sg_writer_row){9, 0, 1, 1});
    commit(d, 10);
    assert_int_equal(sg_rundb_writers(d, 7, 9, see_writer, &b), 0);
    assert_text(sg_buf_view(&b), SG_STR("8 2 21 6;8 3 30 5;"));
    sg_buf_fini(&b);
    sg_rundb_close(d);
}

static void count_bodies(void *ud, uint32_t segment, uint64_t bodies) {
    uint64_t *counts = ud;
    counts[segment] += bodies;
}

static void test_bodies_are_counted_by_segment(void **state) {
    (void)state;
    struct sg_rundb *d = create("bodies.run");
    for (uint32_t i = 0; i < 12; i++) {
        struct sg_call_row c = {.position = i / 2, .node = i, .has_body = i != 5, .body = {1 + i % 3, 10, 20}};
        struct sg_step_row s = {i / 2, 1 + i, 0, {1, 10, 20}, i == 4};
        put_call(d, &c);
        assert_int_equal(sg_rundb_step(d, &s), 0);
    }
    commit(d, 10);
    uint64_t counts[4] = {0};
    assert_int_equal(sg_rundb_bodies(d, 1, 4, count_bodies, counts), 0);
    assert_true(counts[1] == 3 && counts[2] == 2 && counts[3] == 1); /* calls 2 to 7 but for 5, and a step */
    sg_rundb_close(d);
}

static bool see_cause(void *ud, struct sg_str node, struct sg_str code, uint64_t count, struct sg_str text) {
    sg_buf_printf(ud, "%.*s %.*s %llu %.*s;", SG_ARG(node), SG_ARG(code), (unsigned long long)count, SG_ARG(text));
    return true;
}

static void test_causes_are_counted_and_keep_the_first_text(void **state) {
    (void)state;
    struct sg_buf b = SG_BUF_INIT(SIZE_MAX);
    struct sg_rundb *d = create("causes.run");
    sg_rundb_cause(d, SG_STR("b"), SG_STR("io"), 1, SG_STR("one"));
    sg_rundb_cause(d, SG_STR("a"), SG_STR("io"), 2, SG_STR("two"));
    commit(d, 1);
    sg_rundb_cause(d, SG_STR("a"), SG_STR("io"), 5, SG_STR("three"));
    sg_rundb_meta(d, SG_STR("summary"), SG_STR("{}"));
    sg_rundb_meta(d, SG_STR("summary"), SG_STR("{\"a\": 1}"));
    commit(d, 2);
    assert_int_equal(sg_rundb_causes(d, see_cause, &b), 0);
    assert_text(sg_buf_view(&b), SG_STR("a io 7 two;b io 1 one;"));
    assert_text(sg_rundb_get(d, &arena, SG_STR("summary")), SG_STR("{\"a\": 1}"));
    assert_int_equal(sg_rundb_forget_causes(d), 0);
    commit(d, 3);
    sg_buf_reset(&b, 100);
    assert_int_equal(sg_rundb_causes(d, see_cause, &b), 0);
    assert_int_equal(b.n, 0);
    sg_buf_fini(&b);
    sg_rundb_close(d);
}

static bool count_record(void *ud, const struct sg_record_row *r) {
    (void)r;
    ++*(uint64_t *)ud;
    return true;
}

static uint64_t records_in(struct sg_rundb *d, int outcome) {
    uint64_t n = 0;
    assert_int_equal(sg_rundb_records(d, 0, outcome, count_record, &n), 0);
    return n;
}

static void test_records_and_bodies_can_be_forgotten(void **state) {
    (void)state;
    struct sg_rundb *d = create("forget.run");
    put_records(d, 8, 108);
    assert_int_equal(sg_rundb_forget_records(d, 8, 28, true), 0);
    assert_int_equal(sg_rundb_forget_records(d, 100, 1000, false), 0);
    commit(d, 1);
    assert_int_equal(records_in(d, -1), 15 + 72);
    assert_int_equal(records_in(d, 0), 18);
    assert_int_equal(sg_rundb_forget_bodies(d, 1, 50), 0);
    commit(d, 1);
    uint64_t with_body = 0;
    sqlite3 *db;
    sqlite3_stmt *s;
    sg_rundb_close(d);
    assert_int_equal(sqlite3_open(in_folder("forget.run/run.db"), &db), SQLITE_OK);
    sqlite3_prepare_v2(db, "SELECT max(offset) FROM records WHERE segment NOT NULL", -1, &s, NULL);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    with_body = (uint64_t)sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    assert_int_equal(with_body, 49);
}

/* --- readers ------------------------------------------------------------------------------------------------------- */

static void test_a_reader_beside_the_writer_sees_commits(void **state) {
    (void)state;
    struct sg_rundb *d = create("view.run"), *v;
    struct sg_run_identity id;
    struct sg_progress p;
    put_records(d, 7, 100);
    commit(d, 50);
    put_records(d, 100, 200);
    assert_int_equal(sg_rundb_view(in_folder("view.run"), &arena, &id, &v, &err), 0);
    assert_int_equal(records_in(v, -1), 93);
    commit(d, 150);
    assert_int_equal(records_in(v, -1), 193);
    assert_int_equal(sg_rundb_progress(v, false, &p), 0);
    assert_int_equal(p.position, 150);
    struct sg_record_row row = record_of(1);
    assert_true(sg_rundb_record(v, &row) < 0);
    sg_rundb_close(v); /* must not take the writer's locks with it, nor move its log */
    assert_true(file_exists("view.run/run.db-wal"));
    put_records(d, 200, 300);
    commit(d, 250);
    pid_t pid = fork();
    if (pid == 0) { /* another program that closes last would remove the log */
        sqlite3 *db;
        sqlite3_open(in_folder("view.run/run.db"), &db);
        sqlite3_exec(db, "SELECT count(*) FROM records", NULL, NULL, NULL);
        sqlite3_close(db);
        _exit(file_exists("view.run/run.db-wal") ? 0 : 1);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    sg_rundb_close(d);
    assert_false(file_exists("view.run/run.db-wal"));
}

static int64_t size_of(const char *name) {
    struct sg_file_info info;
    return sg_os_posix.stat(in_folder(name), &info) < 0 ? -1 : (int64_t)info.size;
}

/* A copy, log included, of a database that somebody has open: what a kill leaves behind. */
static void leave_as_killed(const char *name, const char *copy) {
    char command[512];
    snprintf(command, sizeof command, "cp -r '%s' '%s'", in_folder(name), in_folder(copy));
    assert_int_equal(system(command), 0);
}

static void test_a_folder_that_is_refused_stays_as_it_is(void **state) {
    (void)state;
    struct sg_rundb *d = create("good.run"), *v;
    struct sg_run_identity id;
    put_records(d, 7, 100);
    commit(d, 50);
    sqlite3 *other;
    assert_int_equal(sqlite3_open(in_folder("good.run/run.db"), &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "PRAGMA user_version=99", NULL, NULL, NULL), SQLITE_OK);
    leave_as_killed("good.run", "newer.run");
    sqlite3_close(other);
    sg_rundb_close(d);
    int64_t log = size_of("newer.run/run.db-wal");
    assert_true(log > 0);
    assert_int_equal(sg_rundb_view(in_folder("newer.run"), &arena, &id, &v, &err), SG_E_UNSUPPORTED);
    assert_int_equal(size_of("newer.run/run.db-wal"), log);
    assert_int_equal(sg_rundb_open(in_folder("newer.run"), &arena, &id, &v, &err), SG_E_UNSUPPORTED);
    assert_int_equal(size_of("newer.run/run.db-wal"), log);
    assert_int_equal(truncate(in_folder("newer.run/run.db"), 0), 0);
    assert_int_equal(sg_rundb_view(in_folder("newer.run"), &arena, &id, &v, &err), SG_E_SYNTAX);
    assert_int_equal(size_of("newer.run/run.db-wal"), log);
}

static void test_a_folder_that_cannot_be_written_can_be_viewed(void **state) {
    (void)state;
    struct sg_rundb *d = create("read%20 #only?.run");
    put_records(d, 7, 17);
    commit(d, 17);
    sg_rundb_close(d);
    chmod(test_folder, 0755);
    chmod(in_folder("read%20 #only?.run"), 0555);
    chmod(in_folder("read%20 #only?.run/run.db"), 0444);
    pid_t pid = fork();
    if (pid == 0) {
        struct sg_run_identity id;
        if (setuid(65534) < 0) _exit(0);
        int rc = sg_rundb_view(in_folder("read%20 #only?.run"), &arena, &id, &d, &err);
        if (rc < 0) print_error("%s\n", err.text);
        _exit(rc < 0 || records_in(d, -1) != 10);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    chmod(in_folder("read%20 #only?.run"), 0755);
}

/* --- a long log ----------------------------------------------------------------------------------------------------- */

static void test_the_log_does_not_grow_for_ever(void **state) {
    (void)state;
    use_faults(NO_FAULT, 0, 0);
    for (int syncs = 0; syncs < 2; syncs++) {
        struct sg_rundb *d = create("log.run");
        int64_t highest = 0;
        for (uint64_t p = 7; p < 700; p++) {
            put_records(d, p * 1000, p * 1000 + 1000);
            commit(d, p);
            if (syncs && p % 20 == 0) assert_int_equal(sg_rundb_sync(d, &err), 0);
            assert_int_equal(sg_rundb_checkpoint(d), 0);
            if (size_of("log.run/run.db-wal") > highest) highest = size_of("log.run/run.db-wal");
        }
        assert_true(highest > 16 << 20 && highest < (syncs ? 24 : 70) << 20);
        sg_rundb_close(d);
        d = reopen("log.run");
        assert_int_equal(records_in(d, -1), 693000);
        sg_rundb_close(d);
        sg_rundb_remove(in_folder("log.run"));
    }
}

/* --- faults ----------------------------------------------------------------------------------------------------------- */

static struct sg_progress reached; /* what the last good commit said */

static int fill(const char *name, bool is_new) {
    struct sg_rundb *d = NULL;
    struct sg_run_identity id = identity();
    int rc = is_new ? sg_rundb_create(in_folder(name), &id, &d, &err)
                    : sg_rundb_open(in_folder(name), &arena, &id, &d, &err);
    for (uint64_t g = 1; g <= 4 && rc == 0; g++) {
        for (uint64_t i = 0; i < 30 && rc == 0; i++) {
            struct sg_record_row r = record_of(g * 100 + i);
            rc = sg_rundb_record(d, &r);
        }
        struct sg_progress p = progress_of(g + reached.position);
        if (rc == 0) rc = sg_rundb_commit(d, &p, &p);
        if (rc == 0 && g == 4) reached = p;
        if (rc == 0 && g % 2) rc = sg_rundb_sync(d, &err);
    }
    if (rc < 0 && d && sg_rundb_error(d)->code) {
        struct sg_record_row r = record_of(1);
        assert_int_equal(sg_rundb_record(d, &r), sg_rundb_error(d)->code); /* it stays broken */
        assert_true(sg_rundb_commit(d, &reached, NULL) < 0);
    }
    sg_rundb_close(d);
    return rc;
}

static void no_finding(void *ud, struct sg_str finding) {
    (void)ud;
    fail_msg("%.*s", SG_ARG(finding));
}

static void expect_sound(const char *name, uint64_t position) {
    struct sg_run_identity id;
    struct sg_rundb *d;
    struct sg_progress p;
    use_faults(NO_FAULT, 0, 0);
    if (sg_rundb_open(in_folder(name), &arena, &id, &d, &err)) fail_msg("%s", err.text);
    assert_int_equal(sg_rundb_integrity(d, no_finding, NULL), 0);
    assert_int_equal(sg_rundb_progress(d, false, &p), 0);
    assert_true(p.position >= position);
    sg_rundb_close(d);
}

/* SQLite's own behaviour over our files: whichever call fails, the database is whole and holds what was committed. */
static void fail_each_call(enum fault fault, int code, int expected) {
    sg_rundb_remove(in_folder("faults.run"));
    reached = (struct sg_progress){0};
    use_faults(NO_FAULT, 0, 0);
    assert_int_equal(fill("faults.run", true), 0);
    int at = 1, failures = 0;
    for (bool over = true; over; at++) {
        uint64_t before = reached.position;
        use_faults(fault, at, code);
        int rc = fill("faults.run", false);
        over = fault_is_over();
        failures += rc < 0;
        assert_true(rc == 0 || rc == expected || rc == SG_E_IO);
        expect_sound("faults.run", before);
    }
    assert_true(at > 40 && failures > 10);
}

static void test_each_failing_call_leaves_a_whole_database(void **state) {
    (void)state;
    fail_each_call(FAIL_CALL, EIO, SG_E_IO);
    fail_each_call(FAIL_FROM, EIO, SG_E_IO);
    fail_each_call(FAIL_FROM, ENOSPC, SG_E_LIMIT);
}

static void test_each_failing_call_of_making_one_leaves_none_or_a_whole_one(void **state) {
    (void)state;
    int at = 1;
    for (bool over = true; over; at++) {
        sg_rundb_remove(in_folder("new.run"));
        reached = (struct sg_progress){0};
        use_faults(FAIL_CALL, at, EIO);
        int rc = fill("new.run", true);
        over = fault_is_over();
        assert_true(rc == 0 || rc == SG_E_IO);
        if (file_exists("new.run/run.db")) expect_sound("new.run", reached.position);
        use_faults(NO_FAULT, 0, 0);
    }
    assert_true(at > 30);
}

static void test_a_full_disk_is_told_as_such(void **state) {
    (void)state;
    for (long long room = 0; room < 3000000; room += 37000) {
        sg_rundb_remove(in_folder("full.run"));
        reached = (struct sg_progress){0};
        use_faults(FULL, 0, 0);
        faults.room = room;
        int rc = fill("full.run", true);
        if (rc < 0) assert_int_equal(rc, SG_E_LIMIT);
        if (rc < 0) assert_int_equal(err.code ? err.sys : ENOSPC, ENOSPC);
        if (file_exists("full.run/run.db")) expect_sound("full.run", 0);
        use_faults(NO_FAULT, 0, 0);
    }
}

/* --- another world ------------------------------------------------------------------------------------------------------ */

/* Where nothing is real there are no locks and no shared memory: one process, one connection. */
static void test_a_world_that_is_not_real_needs_no_locks(void **state) {
    (void)state;
    struct sg_os os = sg_os_posix;
    struct sg_run_lock lock;
    struct sg_str text;
    os.real = false;
    sg_os = &os;
    assert_int_equal(sg_run_lock_take(in_folder("sim.run"), &lock, &err), 0);
    assert_int_equal(sg_run_lock_holder(in_folder("sim.run"), &arena, &text), 0);
    struct sg_rundb *d = create("sim.run");
    put_records(d, 7, 2007);
    commit(d, 10);
    assert_int_equal(sg_rundb_sync(d, &err), 0);
    assert_false(file_exists("sim.run/run.db-shm"));
    sg_rundb_close(d);
    d = reopen("sim.run");
    assert_int_equal(records_in(d, -1), 2000);
    sg_rundb_close(d);
    sg_run_lock_give(&lock);
    sg_os = &sg_os_posix;
}

static void test_a_lock_is_held_once_and_names_its_holder(void **state) {
    (void)state;
    struct sg_run_lock a, b;
    struct sg_str text;
    char expected[100];
    assert_int_equal(sg_run_lock_holder(in_folder("lock.run"), &arena, &text), 0);
    assert_int_equal(sg_run_lock_take(in_folder("lock.run"), &a, &err), 0);
    assert_int_equal(sg_run_lock_take(in_folder("lock.run"), &b, &err), SG_E_CONFLICT);
    snprintf(expected, sizeof expected, "lock.run: in use by another process (%d)", getpid());
    if (!strstr(err.text, expected)) fail_msg("%s", err.text);
    assert_int_equal(sg_run_lock_holder(in_folder("lock.run"), &arena, &text), getpid());
    assert_non_null(strstr(text.p, "\nhost "));
    sg_run_lock_give(&a);
    assert_int_equal(sg_run_lock_holder(in_folder("lock.run"), &arena, &text), 0);
    assert_int_equal(sg_run_lock_take(in_folder("lock.run"), &b, &err), 0);
    sg_run_lock_give(&b);
    sg_run_lock_give(&b);
}

/* --- pages -------------------------------------------------------------------------------------------------------------- */

static void count_finding(void *ud, struct sg_str finding) {
    assert_true(finding.n > 0);
    ++*(int *)ud;
}

static void test_every_flipped_bit_of_the_database_is_noticed(void **state) {
    (void)state;
    struct sg_rundb *d = create("flip.run");
    struct sg_run_identity id;
    put_records(d, 7, 3000);
    commit(d, 3000);
    sg_rundb_close(d);
    struct sg_rng rng = {11};
    int64_t size = size_of("flip.run/run.db");
    assert_true(size > 10 * 16384);
    for (int i = 0; i < 200; i++) {
        int64_t at = i < 100 ? i : (int64_t)(sg_rng_next(&rng) % (uint64_t)size);
        int fd = open(in_folder("flip.run/run.db"), O_RDWR);
        char byte, bad;
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        bad = (char)(byte ^ (1 << i % 8));
        assert_int_equal(pwrite(fd, &bad, 1, at), 1);
        int rc = sg_rundb_open(in_folder("flip.run"), &arena, &id, &d, &err);
        if (rc == 0) {
            int findings = 0;
            rc = sg_rundb_integrity(d, count_finding, &findings);
            if (rc == 0 && findings == 0) fail_msg("byte %lld, bit %d", (long long)at, i % 8);
            sg_rundb_close(d);
        }
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
        close(fd);
    }
    expect_sound("flip.run", 3000);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_identity_comes_back),
        cmocka_unit_test(test_what_was_committed_survives_and_nothing_else),
        cmocka_unit_test(test_calls_are_kept_by_key),
        cmocka_unit_test(test_steps_are_kept_by_record_and_number),
        cmocka_unit_test(test_writers_are_kept_by_record_and_key),
        cmocka_unit_test(test_bodies_are_counted_by_segment),
        cmocka_unit_test(test_causes_are_counted_and_keep_the_first_text),
        cmocka_unit_test(test_records_and_bodies_can_be_forgotten),
        cmocka_unit_test(test_a_reader_beside_the_writer_sees_commits),
        cmocka_unit_test(test_a_folder_that_is_refused_stays_as_it_is),
        cmocka_unit_test(test_a_folder_that_cannot_be_written_can_be_viewed),
        cmocka_unit_test(test_the_log_does_not_grow_for_ever),
        cmocka_unit_test(test_each_failing_call_leaves_a_whole_database),
        cmocka_unit_test(test_each_failing_call_of_making_one_leaves_none_or_a_whole_one),
        cmocka_unit_test(test_a_full_disk_is_told_as_such),
        cmocka_unit_test(test_a_world_that_is_not_real_needs_no_locks),
        cmocka_unit_test(test_a_lock_is_held_once_and_names_its_holder),
        cmocka_unit_test(test_every_flipped_bit_of_the_database_is_noticed),
    };
    sg_arena_init(&arena, 0);
    int failed = cmocka_run_group_tests(tests, make_folder, remove_folder);
    sg_arena_fini(&arena);
    return failed;
}
