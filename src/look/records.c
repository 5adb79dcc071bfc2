/* SPDX-License-Identifier: Apache-2.0 */
/* records: rows and lines of records.
 *
 * All positions from the first to progress.position have ended, and those without a row are ok ones whose row `--keep outputs`
 * has forgotten. So the number of a record's line in its file is the number of records before it that ended alike, which
 * counting the rows that are not ok tells.
 * Beside a writer: progress is read before the rows, so rows of all positions below it are there to be counted. Rows are read
 * in batches, and nothing is held open between them: the writer's log can be moved at any time. */
#include "look/parts.h"

#include <sqlite3.h>
#include <stdlib.h>

#define BATCH 1024

static uint64_t first_of(const struct sg_look *k) {
    return k->facts.id.first;
}

static int row_error(const struct sg_look *k, struct sg_err *err) {
    const struct sg_err *why = sg_rundb_error(k->db);
    if (err) *err = *why;
    return why->code;
}

/* --- counting --------------------------------------------------------------------------------------------------- */

struct counting {
    struct sg_look_ranks ranks;
    uint64_t to;
    uint64_t not_ok[4];
};

static bool count_row(void *ud, const struct sg_record_row *r) {
    struct counting *c = ud;
    if (r->position >= c->to) return false;
    if (r->outcome > 0 && r->outcome < 4) c->not_ok[r->outcome]++;
    return true;
}

/* From where `r` stands to `to`, which is not above progress.position. */
static int count_to(struct sg_look *k, struct sg_look_ranks *r, uint64_t to, struct sg_err *err) {
    struct counting c = {.to = to};
    if (to == r->position) return 0;
    if (sg_rundb_records(k->db, r->position, -1, count_row, &c) < 0) return row_error(k, err);
    r->n[0] += to - r->position - c.not_ok[1] - c.not_ok[2] - c.not_ok[3];
    for (int i = 1; i < 4; i++) r->n[i] += c.not_ok[i];
    r->position = to;
    return 0;
}

/* The marks up to the one at or before `position`. */
static int mark_to(struct sg_look *k, uint64_t position, struct sg_look_ranks *out, struct sg_err *err) {
    uint64_t wanted = (position - first_of(k)) / SG_LOOK_STRIDE;
    while (k->n_marks <= wanted) {
        struct sg_look_ranks r = {.position = first_of(k)};
        if (k->n_marks) r = k->marks[k->n_marks - 1];
        int rc = count_to(k, &r, first_of(k) + k->n_marks * SG_LOOK_STRIDE, err);
        if (rc < 0) return rc;
        if (k->n_marks == k->cap_marks)
            k->marks =
                sg_xrealloc(k->marks, (k->cap_marks = k->cap_marks ? 2 * k->cap_marks : 64) * sizeof *k->marks);
        k->marks[k->n_marks++] = r;
    }
    *out = k->marks[wanted];
    return 0;
}

/* Records before `position`, which is not above progress.position. Records are mostly asked for in their order. */
static int ranks_at(struct sg_look *k, uint64_t position, struct sg_look_ranks *out, struct sg_err *err) {
    bool near = position >= k->last.position && position - k->last.position < SG_LOOK_STRIDE;
    if (near) *out = k->last;
    int rc = near ? 0 : mark_to(k, position, out, err);
    if (rc == 0) rc = count_to(k, out, position, err);
    if (rc == 0) k->last = *out;
    return rc;
}

/* --- lines ------------------------------------------------------------------------------------------------------ */

static int waiting_line(struct sg_look *k, struct sg_look_record *r, struct sg_err *err) {
    sg_buf_reset(&k->line, 1 << 20);
    if (!r->row.has_body) return 0;
    uint32_t kind;
    int rc = sg_look_body(k, r->row.body, &kind, &k->line, err);
    if (rc == SG_E_MISSING && k->facts.holder) return 0;
    r->has_json = rc == 0;
    r->json = sg_buf_view(&k->line);
    return rc;
}

int sg_look_line(struct sg_look *k, struct sg_look_record *r, struct sg_err *err) {
    struct sg_look_ranks ranks;
    int outcome = r->row.outcome;
    if (outcome < 0 || outcome > 3)
        return sg_fail(err, SG_E_SYNTAX, "%.*s/run.db: record %llu has ended as %d, which is nothing",
                       SG_ARG(k->facts.folder), (unsigned long long)r->row.position, outcome);
    if (r->row.position >= k->facts.progress.position) return waiting_line(k, r, err);
    int rc = ranks_at(k, r->row.position, &ranks, err);
    if (rc == 0) rc = sg_lines_get(&k->files[outcome], ranks.n[outcome], &r->json, err);
    r->has_json = rc == 0;
    if (rc != 0) return rc;
    k->last.position = r->row.position + 1; /* the next one needs no counting */
    k->last.n[outcome]++;
    return 0;
}

/* --- scanning --------------------------------------------------------------------------------------------------- */

struct sg_look_scan {
    struct sg_look *k;
    uint64_t position; /* the next to be told */
    unsigned outcomes;
    bool lines;
    struct sg_record_row rows[BATCH];
    size_t n, at;
    bool last_batch;
};

static bool take_row(void *ud, const struct sg_record_row *r) {
    struct sg_look_scan *s = ud;
    s->rows[s->n++] = *r;
    return s->n < BATCH;
}

static int next_batch(struct sg_look_scan *s, struct sg_err *err) {
    uint64_t from = s->n ? s->rows[s->n - 1].position + 1 : s->position;
    int rc = sg_look_refresh(s->k, err);
    if (rc < 0) return rc;
    s->n = s->at = 0;
    if (sg_rundb_records(s->k->db, from, -1, take_row, s) < 0) return row_error(s->k, err);
    s->last_batch = s->n < BATCH;
    return 0;
}

int sg_look_scan_open(struct sg_look *k, uint64_t from, unsigned outcomes, bool lines, struct sg_look_scan **out,
                      struct sg_err *err) {
    struct sg_look_scan *s = sg_xcalloc(1, sizeof *s);
    s->k = k;
    s->position = from > first_of(k) ? from : first_of(k);
    s->outcomes = outcomes;
    s->lines = lines;
    int rc = next_batch(s, err);
    if (rc == 0) *out = s;
    else free(s);
    return rc;
}

void sg_look_scan_close(struct sg_look_scan *s) {
    free(s);
}

/* The next record of any outcome: one with a row, or one before it whose row is forgotten. */
static int next_record(struct sg_look_scan *s, struct sg_look_record *r, struct sg_err *err) {
    if (s->at == s->n && !s->last_batch) {
        int rc = next_batch(s, err);
        if (rc < 0) return rc;
    }
    *r = (struct sg_look_record){.row = {.position = s->position, .outcome = SG_RECORD_OK}};
    bool row = s->at < s->n, gap = s->position < s->k->facts.progress.position;
    if (gap && (!row || s->rows[s->at].position > s->position)) {
        s->position++;
        return 1;
    }
    if (!row) return 0;
    r->row = s->rows[s->at++];
    r->has_row = true;
    s->position = r->row.position + 1;
    return 1;
}

int sg_look_scan_next(struct sg_look_scan *s, struct sg_look_record *r, struct sg_err *err) {
    int rc;
    while ((rc = next_record(s, r, err)) == 1) {
        if (r->row.outcome < 0 || r->row.outcome > 3 || !(s->outcomes & SG_LOOK_ONLY(r->row.outcome))) continue;
        if (s->lines) rc = sg_look_line(s->k, r, err);
        return rc < 0 ? rc : 1;
    }
    return rc;
}

static bool take_one(void *ud, const struct sg_record_row *r) {
    struct sg_look_record *out = ud;
    out->has_row = r->position == out->row.position;
    if (out->has_row) out->row = *r;
    return false;
}

int sg_look_record(struct sg_look *k, uint64_t position, bool line, struct sg_look_record *out, struct sg_err *err) {
    *out = (struct sg_look_record){.row = {.position = position, .outcome = SG_RECORD_OK}};
    int rc = sg_look_refresh(k, err);
    if (rc < 0) return rc;
    if (sg_rundb_records(k->db, position, -1, take_one, out) < 0) return row_error(k, err);
    bool there = out->has_row || (position >= first_of(k) && position < k->facts.progress.position);
    if (!there)
        return sg_fail(
            err, SG_E_MISSING,
            "record %llu of this run has not ended: positions count from %llu, and %llu of them are in order so far",
            (unsigned long long)position, (unsigned long long)first_of(k),
            (unsigned long long)(k->facts.progress.position - first_of(k)));
    return line ? sg_look_line(k, out, err) : 0;
}

/* --- other questions -------------------------------------------------------------------------------------------- */

struct finding {
    int outcome;
    uint64_t left, position; /* ok: the place so far; others: of the one that was found */
    bool found;
};

/* Every record before it that is not ok moves an ok one on by one position. */
static bool pass_ok(void *ud, const struct sg_record_row *r) {
    struct finding *f = ud;
    if (r->outcome == SG_RECORD_OK) return true;
    if (r->position > f->position) return false;
    f->position++;
    return true;
}

static bool pass_other(void *ud, const struct sg_record_row *r) {
    struct finding *f = ud;
    if (f->left-- > 0) return true;
    f->position = r->position;
    f->found = true;
    return false;
}

int sg_look_position(struct sg_look *k, int outcome, uint64_t number, uint64_t *position, struct sg_err *err) {
    struct finding f = {.outcome = outcome, .left = number, .position = first_of(k) + number};
    const struct sg_progress *p = &k->facts.progress;
    bool ok = outcome == SG_RECORD_OK;
    int rc = sg_look_refresh(k, err);
    if (rc < 0) return rc;
    if (number >= p->files[outcome].records)
        return sg_fail(err, SG_E_MISSING, "there is no record %llu: %llu %s in this run so far",
                       (unsigned long long)number + 1, (unsigned long long)p->files[outcome].records,
                       outcome ? "have ended so" : "are in the output");
    if (sg_rundb_records(k->db, first_of(k), ok ? -1 : outcome, ok ? pass_ok : pass_other, &f) < 0)
        return row_error(k, err);
    if (!ok && !f.found)
        return sg_fail(err, SG_E_SYNTAX, "%.*s/run.db: has no row of that record", SG_ARG(k->facts.folder));
    *position = f.position;
    return 0;
}

static int prepare_slowest(struct sg_look *k, unsigned outcomes, size_t max, sqlite3_stmt **out) {
    char sql[200];
    sqlite3_snprintf(sizeof sql, sql,
                     "SELECT position FROM records WHERE (%u >> outcome) & 1 "
                     "ORDER BY ended - started DESC, position LIMIT %llu",
                     outcomes, (unsigned long long)max);
    return sqlite3_prepare_v2(sg_rundb_sqlite(k->db), sql, -1, out, NULL);
}

int sg_look_slowest(struct sg_look *k, unsigned outcomes, uint64_t *positions, size_t max, struct sg_err *err) {
    sqlite3_stmt *s = NULL;
    size_t n = 0;
    int rc = prepare_slowest(k, outcomes, max, &s);
    if (rc == SQLITE_OK)
        while ((rc = sqlite3_step(s)) == SQLITE_ROW && n < max) positions[n++] = (uint64_t)sqlite3_column_int64(s, 0);
    if (rc != SQLITE_DONE && rc != SQLITE_ROW)
        rc = sg_fail(err, SG_E_SYNTAX, "%.*s/run.db: %s", SG_ARG(k->facts.folder),
                     sqlite3_errmsg(sg_rundb_sqlite(k->db)));
    else rc = 0;
    sqlite3_finalize(s);
    return rc < 0 ? rc : (int)n;
}

struct call_filter {
    bool hooks;
    sg_call_row_fn *fn;
    void *ud;
};

static bool pass_call(void *ud, const struct sg_call_row *row) {
    const struct call_filter *f = ud;
    return (row->sub > 0) != f->hooks || f->fn(f->ud, row);
}

int sg_look_calls(struct sg_look *k, uint64_t position, sg_call_row_fn *fn, void *ud, struct sg_err *err) {
    struct call_filter f = {false, fn, ud};
    return sg_rundb_calls(k->db, position, position + 1, pass_call, &f) < 0 ? row_error(k, err) : 0;
}

int sg_look_hooks(struct sg_look *k, uint64_t position, sg_call_row_fn *fn, void *ud, struct sg_err *err) {
    struct call_filter f = {true, fn, ud};
    return sg_rundb_calls(k->db, position, position + 1, pass_call, &f) < 0 ? row_error(k, err) : 0;
}
