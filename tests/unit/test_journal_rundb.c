/* SPDX-License-Identifier: Apache-2.0 */
#include "test_data.h"

#include "journal/rundb.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
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
    for (unsigned i = 0; i < 4; i++) p.files[i] = (struct sg_file_mark){position * 100 + i, position, 0xf0000000u + i};
    p.lines = true;
    p.segment = 9;
    p.segment_bytes = 10;
    p.totals = (struct sg_run_totals){{1, 2, 3, 4}, 5, 6, 7, 8, 9};
    return p;
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
    assert_memory_equal(&p, &want, sizeof p);
    assert_int_equal(sg_rundb_progress(d, true, &p), 0);
    assert_int_equal(p.position, 7);
    sg_rundb_close(d);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_identity_comes_back),
        cmocka_unit_test(test_what_was_committed_survives_and_nothing_else),
    };
    sg_arena_init(&arena, 0);
    int failed = cmocka_run_group_tests(tests, make_folder, remove_folder);
    sg_arena_fini(&arena);
    return failed;
}
