/* SPDX-License-Identifier: Apache-2.0 */
/* run_folder: a run's folder in which bytes were changed. The engine makes a good folder once; the input is a list of
 * changes to it, 8 bytes each: file, way, place (u24, little-endian), three bytes to put there. So the fuzzer works behind
 * the checksums of SQLite's pages and of ours.
 *
 * Always: the folder without changes is sound; looking at a folder (fsck, view) leaves its files as they are, and so does
 * refusing it; a folder that is sound can be opened, and has the identity and records that were put into it; going on with
 * any folder either says what is wrong or works. */
#include "fuzz.h"

#include "journal/rundb.h"

#define FOLDER "out/t.run"
#define RECORDS 6

static const char *const names[] = {FOLDER "/run.db", FOLDER "/run.db-wal", FOLDER "/segments/000001.seg", "out/t.part"};
enum { FILES = sizeof names / sizeof *names };

static struct sg_str good[FILES];

/* --- the good folder --------------------------------------------------------------------------------------------- */

static struct sg_run_identity identity(void) {
    static const struct sg_run_node nodes[] = {{{"a", 1}, {"llm", 3}, {"00ff", 4}}};
    static const struct sg_str keys[] = {{"x", 1}};
    return (struct sg_run_identity){.program = SG_STR("0"), .task = SG_STR("t"), .folder = SG_STR("out"),
                                    .stem = SG_STR("t"), .options = SG_STR("{}"), .durability = SG_DURABILITY_COMMIT,
                                    .seed = 5, .started_ms = 1700000000123, .nodes = nodes, .n_nodes = 1, .keys = keys,
                                    .n_keys = 1};
}

static void put_row(struct sg_rundb *d, struct sg_segments *s, uint64_t i, bool waits) {
    struct sg_record_row r = {.position = i, .line = i + 1, .steps = 1, .attempts = 1, .ended = 3};
    struct sg_call_row c = {.position = i, .state = SG_CALL_ANSWERED, .attempts = 1, .status = 200, .has_body = true};
    SG_ASSERT(sg_segments_append(s, 1, SG_STR("{\"choices\":[]}"), &c.body, NULL) == 0);
    if (waits) SG_ASSERT(sg_segments_append(s, 2, SG_STR("{\"x\":2}"), &r.body, NULL) == 0);
    r.has_body = waits;
    SG_ASSERT(sg_rundb_call(d, &c) == 0 && sg_rundb_record(d, &r) == 0);
}

/* Half of the records are in the output, half wait. The identity is in the database, the rows are in its log. */
static void fill(struct sg_rundb *d, struct sg_segments *s) {
    struct sg_buf part = SG_BUF_INIT(SIZE_MAX);
    struct sg_progress p = {.pulled = RECORDS, .lines = true};
    for (uint64_t i = 0; i < RECORDS; i++) {
        bool waits = i >= RECORDS / 2;
        if (!waits) SG_BUF_LIT(&part, "{\"x\":1}\n");
        put_row(d, s, i, waits);
        SG_ASSERT(sg_segments_flush(s, NULL) == 0);
        p.position = p.row = waits ? RECORDS / 2 : i + 1;
        p.files[0] = (struct sg_file_mark){part.n, p.position, sg_crc32c(0, part.p, part.n)};
        p.totals.outcomes[0] = i + 1;
        sg_segments_newest(s, &p.segment, &p.segment_bytes);
        if (i % 3 == 2) SG_ASSERT(sg_rundb_commit(d, &p, i == 2 ? &p : NULL) == 0);
    }
    fuzz_put("out/t.part", sg_buf_view(&part));
    sg_buf_fini(&part);
}

static void keep_copies(void) {
    for (int i = 0; i < FILES; i++) {
        struct sg_str text;
        SG_ASSERT(fuzz_get(names[i], &text));
        char *copy = sg_xmalloc(text.n);
        memcpy(copy, text.p, text.n);
        good[i] = (struct sg_str){copy, text.n};
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    struct sg_run_identity id = identity();
    struct sg_segments *s;
    struct sg_rundb *d;
    struct sg_arena a;
    fuzz_disk_use();
    sg_arena_init(&a, 0);
    SG_ASSERT(sg_rundb_create(FOLDER, &id, &d, NULL) == 0);
    SG_ASSERT(sg_segments_open(FOLDER "/segments", 0, &s, NULL) == 0);
    fill(d, s);
    keep_copies(); /* before the log is moved into the database, as after a kill */
    sg_segments_close(s, false);
    sg_rundb_close(d);
    sg_arena_fini(&a);
    fuzz_disk_clear();
    return 0;
}

/* --- changes ----------------------------------------------------------------------------------------------------- */

enum { FLIP, PUT, CUT, COPY_BACK, WAYS };

static void change(struct sg_buf *b, const uint8_t *c) {
    size_t at = (size_t)c[2] | (size_t)c[3] << 8 | (size_t)c[4] << 16;
    if (b->n < 16) return;
    at %= b->n - 8;
    switch (c[1] % WAYS) {
    case FLIP:
        b->p[at] = (char)(b->p[at] ^ (c[5] ? c[5] : 1));
        break;
    case PUT:
        memcpy(b->p + at, c + 5, 3);
        break;
    case CUT:
        b->n = at;
        break;
    default: /* a sector that was written to the wrong place */
        for (size_t from = ((size_t)c[5] << 9) % (b->n - 8), n = 0; n < 512 && from + n < b->n && at + n < b->n; n++)
            b->p[at + n] = b->p[from + n];
    }
}

static bool place_files(const uint8_t *data, size_t size) {
    bool changed = false;
    for (int i = 0; i < FILES; i++) {
        struct sg_buf b = SG_BUF_INIT(SIZE_MAX);
        sg_buf_str(&b, good[i]);
        for (size_t k = 0; k + 8 <= size; k += 8)
            if (data[k] % FILES == i) change(&b, data + k);
        changed |= !sg_str_eq(sg_buf_view(&b), good[i]);
        fuzz_put(names[i], sg_buf_view(&b));
        sg_buf_fini(&b);
    }
    return changed;
}

/* --- what is looked at ------------------------------------------------------------------------------------------- */

static void on_finding(void *ud, struct sg_str text) {
    (void)ud;
    SG_ASSERT(text.n > 0);
}

static bool count_record(void *ud, const struct sg_record_row *r) {
    uint64_t *n = ud;
    SG_ASSERT(r->position == (*n)++);
    return true;
}

static uint64_t hash_of_files(void) {
    uint64_t hash = 0;
    for (int i = 0; i < FILES; i++) {
        struct sg_str text = SG_STR_NONE;
        hash = fuzz_get(names[i], &text) ? sg_hash64(text, hash) : hash + 1;
    }
    return hash;
}

static void check_sound(struct sg_arena *a) {
    struct sg_run_identity id;
    struct sg_rundb *d;
    uint64_t n = 0;
    SG_ASSERT(sg_rundb_view(FOLDER, a, &id, &d, NULL) == 0);
    SG_ASSERT(id.seed == 5 && id.n_nodes == 1 && sg_str_eq(id.task, SG_STR("t")));
    SG_ASSERT(sg_rundb_records(d, 0, -1, count_record, &n) == 0);
    sg_rundb_close(d);
}

/* As resuming does, up to where it would pull the first row. */
static void go_on(struct sg_arena *a, uint64_t before) {
    struct sg_run_identity id;
    struct sg_progress p;
    struct sg_segments *s = NULL;
    struct sg_rundb *d;
    struct sg_err err = {0};
    int rc = sg_rundb_open(FOLDER, a, &id, &d, &err);
    SG_ASSERT(rc == 0 || (err.text[0] && hash_of_files() == before));
    if (rc < 0) return;
    rc = sg_rundb_progress(d, false, &p);
    if (rc == 0) rc = sg_rundb_update(d, &id);
    if (rc == 0) rc = sg_rundb_forget_records(d, p.position, p.pulled, true);
    if (rc == 0) rc = sg_segments_reopen(FOLDER "/segments", 0, p.segment, p.segment_bytes, &s, &err);
    if (rc == 0) rc = sg_rundb_commit(d, &p, NULL);
    if (rc < 0) SG_ASSERT(sg_rundb_error(d)->text[0] || err.text[0]);
    sg_segments_close(s, false);
    sg_rundb_close(d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sg_err err = {0};
    struct sg_arena a;
    sg_arena_init(&a, 0);
    bool changed = place_files(data, size);
    uint64_t before = hash_of_files();
    int findings = sg_run_check(FOLDER, on_finding, NULL, &err);
    SG_ASSERT(findings >= 0 || err.text[0]);
    SG_ASSERT(changed || findings == 0);
    if (findings == 0) check_sound(&a);
    SG_ASSERT(hash_of_files() == before);
    go_on(&a, before);
    fuzz_disk_clear();
    sg_arena_fini(&a);
    return 0;
}
