/* SPDX-License-Identifier: Apache-2.0 */
/* check: is a run folder sound? Everything that one part says of another is looked at: the database of itself, its log,
 * progress of the output files, rows of positions and of bodies.
 *
 * What a dying process leaves behind the last commit (longer files, a segment more) is no finding: resuming cuts it. */
#include "journal/tally.h"
#include "journal/wal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#define OUTCOMES 4
#define BLOCK ((size_t)256 << 10)

struct check {
    struct sg_arena arena;
    const char *folder;
    struct sg_str stem; /* the folder's path without .run */
    sg_run_report_fn *report;
    void *ud;
    int findings;
    struct sg_rundb *db;
    struct sg_run_identity id;
    struct sg_progress now, synced;
    struct sg_segments *segments;
    struct sg_buf body;
    bool finished;
    uint64_t next; /* position whose row is expected */
    uint64_t outcomes[OUTCOMES], waiting;
};

static void find(struct check *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void find(struct check *c, const char *fmt, ...) {
    struct sg_buf b = SG_BUF_INIT(SIZE_MAX);
    va_list ap;
    va_start(ap, fmt);
    sg_buf_vprintf(&b, fmt, ap);
    va_end(ap);
    c->findings++;
    c->report(c->ud, sg_buf_view(&b));
    sg_buf_fini(&b);
}

#define ULL(x) ((unsigned long long)(x))

/* --- the output files ------------------------------------------------------------------------------------------- */

static struct sg_str path_of(struct check *c, int outcome) {
    static const char *const suffixes[OUTCOMES] = {".part", "_failed.jsonl", "_invalid.jsonl", "_dropped.jsonl"};
    struct sg_str path = sg_str_printf(&c->arena, "%.*s%s", SG_ARG(c->stem), suffixes[outcome]);
    if (outcome || !c->finished || sg_os_exists(path.p)) return path;
    return sg_str_printf(&c->arena, "%.*s%s", SG_ARG(c->stem), c->now.lines ? ".jsonl" : ".json");
}

static int read_crc(int fd, uint64_t bytes, uint32_t *crc) {
    char *block = sg_xmalloc(BLOCK);
    int rc = 0;
    *crc = 0;
    for (uint64_t at = 0; rc == 0 && at < bytes;) {
        size_t n = bytes - at < BLOCK ? (size_t)(bytes - at) : BLOCK;
        rc = sg_os_pread_all(fd, block, n, at);
        if (rc == 0) *crc = sg_crc32c(*crc, block, n);
        at += n;
    }
    free(block);
    return rc;
}

static void check_text(struct check *c, const char *path, int fd, const struct sg_file_mark *mark, bool array) {
    struct sg_file_info info;
    uint32_t crc;
    if (sg_os->fstat(fd, &info) < 0) return;
    if (info.size < mark->bytes) {
        find(c, "%s: byte %llu: the file ends here, but %llu bytes were written", path, ULL(info.size),
             ULL(mark->bytes));
        return;
    }
    if (c->finished && info.size > mark->bytes)
        find(c, "%s: byte %llu: something follows the end of the output", path, ULL(mark->bytes));
    int rc = read_crc(fd, array && mark->bytes ? mark->bytes - 2 : mark->bytes, &crc);
    if (rc < 0) find(c, "%s: cannot be read: %s", path, strerror(-rc));
    else if (crc != mark->crc) find(c, "%s: something in the first %llu bytes was changed", path, ULL(mark->bytes));
}

static void check_file(struct check *c, int outcome) {
    const struct sg_file_mark *mark = &c->now.files[outcome];
    const char *path = path_of(c, outcome).p;
    if (mark->records == 0) return;
    int fd = sg_os->open(path, O_RDONLY, 0);
    if (fd < 0) {
        find(c, "%s: %s; it held %llu records", path, fd == -ENOENT ? "is gone" : "cannot be read",
             ULL(mark->records));
        return;
    }
    check_text(c, path, fd, mark, outcome == 0 && !c->now.lines);
    sg_os->close(fd);
}

/* --- rows ------------------------------------------------------------------------------------------------------- */

static void check_body(struct check *c, const char *table, uint64_t position, struct sg_place body) {
    struct sg_err err;
    uint32_t kind;
    sg_buf_reset(&c->body, (size_t)1 << 20);
    if (sg_segments_read(c->segments, body, &kind, &c->body, &err) < 0)
        find(c, "%s/run.db: %s: the body of record %llu: %s", c->folder, table, ULL(position), err.text);
}

/* With --keep outputs, rows of ok records go when their output is written. */
static void check_gap(struct check *c, uint64_t position) {
    bool wanted = c->id.keep != SG_KEEP_OUTPUTS && c->next < c->now.position;
    if (wanted && position > c->next) {
        uint64_t end = position < c->now.position ? position : c->now.position;
        find(c, "%s/run.db: records: %llu to %llu are missing", c->folder, ULL(c->next), ULL(end - 1));
    }
    c->next = position + 1;
}

static bool check_record(void *ud, const struct sg_record_row *r) {
    struct check *c = ud;
    if (r->outcome < 0 || r->outcome >= OUTCOMES)
        find(c, "%s/run.db: records: %llu has no outcome (%d)", c->folder, ULL(r->position), r->outcome);
    else c->outcomes[r->outcome]++;
    if (r->position < c->id.first)
        find(c, "%s/run.db: records: %llu is before the run's first", c->folder, ULL(r->position));
    check_gap(c, r->position);
    if (r->position < c->now.position) return true;
    c->waiting++;
    if (r->has_body) check_body(c, "records", r->position, r->body);
    else find(c, "%s/run.db: records: %llu is ahead of the output, but has no body", c->folder, ULL(r->position));
    return true;
}

static bool check_call(void *ud, const struct sg_call_row *r) {
    struct check *c = ud;
    if (r->position >= c->now.pulled)
        find(c, "%s/run.db: calls: record %llu was never pulled", c->folder, ULL(r->position));
    if (r->has_body) check_body(c, "calls", r->position, r->body);
    return true;
}

static bool check_step(void *ud, const struct sg_step_row *r) {
    struct check *c = ud;
    if (r->position >= c->now.pulled)
        find(c, "%s/run.db: steps: record %llu was never pulled", c->folder, ULL(r->position));
    if (r->has_body) check_body(c, "steps", r->position, r->body);
    return true;
}

static void check_counts(struct check *c) {
    static const char *const names[OUTCOMES] = {"ok", "failed", "invalid", "dropped"};
    uint64_t written = 0;
    for (int i = 0; i < OUTCOMES; i++) {
        written += c->now.files[i].records;
        bool counts = c->id.keep != SG_KEEP_OUTPUTS;
        if (counts && c->outcomes[i] != c->now.totals.outcomes[i])
            find(c, "%s/run.db: %llu records are %s, but progress says %llu", c->folder, ULL(c->outcomes[i]),
                 names[i], ULL(c->now.totals.outcomes[i]));
    }
    if (written != c->now.position - c->id.first)
        find(c, "%s/run.db: the output files hold %llu records, but all before %llu should be there", c->folder,
             ULL(written), ULL(c->now.position));
}

static void compare(struct check *c, const char *what, uint64_t counted, uint64_t told) {
    if (counted != told)
        find(c, "%s/run.db: tallies count %llu %s, but progress says %llu", c->folder, ULL(counted), what, ULL(told));
}

/* They count all calls. */
static int check_tallies(struct check *c) {
    struct sg_tallies t = {0};
    struct sg_run_totals sums = {0};
    int rc = sg_tallies_load(&t, c->db);
    for (size_t i = 0; i < t.n_tallies; i++) {
        const struct sg_tally *y = &t.tallies[i];
        if (y->ordinal == SG_TALLY_NODE) continue;
        *(y->code ? &sums.failed : &sums.answered) += y->count - y->again;
        sums.retried += y->again;
        sums.prompt_tokens += y->prompt_tokens;
        sums.completion_tokens += y->completion_tokens;
    }
    sg_tallies_fini(&t);
    if (rc < 0) return rc;
    compare(c, "calls answered", sums.answered, c->now.totals.answered);
    compare(c, "calls failed", sums.failed, c->now.totals.failed);
    compare(c, "attempts tried again", sums.retried, c->now.totals.retried);
    compare(c, "tokens in", sums.prompt_tokens, c->now.totals.prompt_tokens);
    compare(c, "tokens out", sums.completion_tokens, c->now.totals.completion_tokens);
    return 0;
}

static void check_progress(struct check *c) {
    const struct sg_progress *n = &c->now, *s = &c->synced;
    if (s->position > n->position || n->position < c->id.first || n->position > n->pulled || n->row > n->position)
        find(c, "%s/run.db: progress: positions contradict each other (%llu synced, %llu written, %llu pulled)",
             c->folder, ULL(s->position), ULL(n->position), ULL(n->pulled));
}

static void check_segments(struct check *c) {
    uint32_t newest;
    uint64_t bytes;
    sg_segments_newest(c->segments, &newest, &bytes);
    bool ended = !sg_str_eq(sg_rundb_get(c->db, &c->arena, SG_STR("state")), SG_STR("running"));
    if (ended && newest > c->now.segment) find(c, "%s/segments/%06u.seg: belongs to nothing", c->folder, newest);
    if (newest == c->now.segment && bytes < c->now.segment_bytes)
        find(c, "%s/segments/%06u.seg: byte %llu: the file ends here, but %llu bytes were written", c->folder, newest,
             ULL(bytes), ULL(c->now.segment_bytes));
}

/* --- the whole -------------------------------------------------------------------------------------------------- */

static void on_integrity(void *ud, struct sg_str text) {
    struct check *c = ud;
    find(c, "%s/run.db: %.*s", c->folder, SG_ARG(text));
}

/* A database that breaks while it is read is a finding, too. */
static int check_rows(struct check *c) {
    int rc = sg_rundb_integrity(c->db, on_integrity, c);
    if (rc == 0) rc = sg_rundb_progress(c->db, true, &c->synced);
    if (rc == 0) rc = sg_rundb_progress(c->db, false, &c->now);
    if (rc < 0) return rc;
    c->next = c->id.first;
    struct sg_str state = sg_rundb_get(c->db, &c->arena, SG_STR("state"));
    c->finished = sg_str_eq(state, SG_STR("finished")) || sg_str_eq(state, SG_STR("ending"));
    check_progress(c);
    check_segments(c);
    for (int i = 0; i < OUTCOMES; i++) check_file(c, i);
    rc = sg_rundb_records(c->db, 0, -1, check_record, c);
    if (rc == 0) check_gap(c, c->now.position > c->next ? c->now.position : c->next);
    if (rc == 0) rc = sg_rundb_calls(c->db, 0, INT64_MAX, check_call, c);
    if (rc == 0) rc = sg_rundb_steps(c->db, 0, INT64_MAX, check_step, c);
    if (rc == 0) check_counts(c);
    return rc == 0 ? check_tallies(c) : rc;
}

static int check_folder(struct check *c, struct sg_err *err) {
    struct sg_err why;
    if (sg_wal_check(sg_str_printf(&c->arena, "%s/run.db-wal", c->folder).p, &why) == SG_E_SYNTAX)
        find(c, "%s", why.text);
    int rc = sg_rundb_view(c->folder, &c->arena, &c->id, &c->db, err);
    if (rc < 0) return rc;
    rc = sg_segments_view(sg_str_printf(&c->arena, "%s/segments", c->folder).p, &c->segments, err);
    if (rc < 0) return rc;
    rc = check_rows(c);
    if (rc < 0 && err) *err = *sg_rundb_error(c->db);
    return rc;
}

static struct sg_str stem_of(const char *folder) {
    struct sg_str s = sg_str(folder);
    while (s.n > 1 && s.p[s.n - 1] == '/') s.n--;
    if (sg_str_ends(s, SG_STR(".run"))) s.n -= 4;
    return s;
}

int sg_run_check(const char *folder, sg_run_report_fn *report, void *ud, struct sg_err *err) {
    struct check c = {.folder = folder, .stem = stem_of(folder), .report = report, .ud = ud};
    struct sg_err why = {0};
    sg_arena_init(&c.arena, 0);
    c.body = SG_BUF_INIT(SIZE_MAX);
    int rc = check_folder(&c, &why);
    if (rc == SG_E_SYNTAX) find(&c, "%s", why.text);
    sg_segments_close(c.segments, false);
    sg_rundb_close(c.db);
    sg_buf_fini(&c.body);
    sg_arena_fini(&c.arena);
    if (err) *err = why;
    return rc < 0 && rc != SG_E_SYNTAX ? rc : c.findings;
}
