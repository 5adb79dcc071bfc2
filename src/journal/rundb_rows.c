/* SPDX-License-Identifier: Apache-2.0 */
/* rundb_rows: the rows of run.db, as docs/formats/run-folder.md has them. */
#include "journal/rundb_parts.h"

/* --- rows ------------------------------------------------------------------------------------------------------- */

static void bind_place(sqlite3_stmt *s, int at, bool has, struct sg_place place) {
    if (has) {
        sqlite3_bind_int64(s, at, place.segment);
        sg_bind_u64(s, at + 1, place.offset);
        sqlite3_bind_int64(s, at + 2, place.length);
    } else {
        for (int i = 0; i < 3; i++) sqlite3_bind_null(s, at + i);
    }
}

static bool column_place(sqlite3_stmt *s, int at, struct sg_place *out) {
    *out = (struct sg_place){
        .segment = sg_column_u32(s, at), .offset = sg_column_u64(s, at + 1), .length = sg_column_u32(s, at + 2)};
    return sqlite3_column_type(s, at) != SQLITE_NULL;
}

int sg_rundb_record(struct sg_rundb *d, const struct sg_record_row *r) {
    sqlite3_stmt *s = NULL;
    int rc = sg_rundb_begin_write(d, PUT_RECORD, &s, "records");
    if (rc < 0) return rc;
    sg_bind_u64(s, 1, r->position);
    sqlite3_bind_int(s, 2, r->outcome);
    sqlite3_bind_int64(s, 3, r->started);
    sqlite3_bind_int64(s, 4, r->ended);
    sqlite3_bind_int64(s, 5, r->steps);
    sqlite3_bind_int64(s, 6, r->attempts);
    sg_bind_u64(s, 7, r->line);
    bind_place(s, 8, r->has_body, r->body);
    return sg_rundb_run(d, s, "records");
}

int sg_rundb_call(struct sg_rundb *d, const struct sg_call_row *c) {
    sqlite3_stmt *s = NULL;
    int rc = sg_rundb_begin_write(d, PUT_CALL, &s, "calls");
    if (rc < 0) return rc;
    sg_bind_u64(s, 1, c->position);
    sqlite3_bind_int64(s, 2, c->node);
    sqlite3_bind_int64(s, 3, c->visit);
    sqlite3_bind_int64(s, 4, c->ordinal);
    sqlite3_bind_int64(s, 5, c->sub);
    sqlite3_bind_int(s, 6, c->state);
    sqlite3_bind_int64(s, 7, c->attempts);
    sqlite3_bind_int64(s, 8, c->not_before);
    sqlite3_bind_int(s, 9, c->status);
    sqlite3_bind_int64(s, 10, c->started);
    sqlite3_bind_int64(s, 11, c->latency_us);
    sg_bind_u64(s, 12, c->prompt_tokens);
    sg_bind_u64(s, 13, c->completion_tokens);
    sg_bind_u64(s, 14, c->request);
    bind_place(s, 15, c->has_body, c->body);
    return sg_rundb_run(d, s, "calls");
}

int sg_rundb_step(struct sg_rundb *d, const struct sg_step_row *r) {
    sqlite3_stmt *s = NULL;
    int rc = sg_rundb_begin_write(d, PUT_STEP, &s, "steps");
    if (rc < 0) return rc;
    sg_bind_u64(s, 1, r->position);
    sqlite3_bind_int64(s, 2, r->step);
    sqlite3_bind_int64(s, 3, r->ended);
    bind_place(s, 4, r->has_body, r->body);
    return sg_rundb_run(d, s, "steps");
}

int sg_rundb_writer(struct sg_rundb *d, const struct sg_writer_row *w) {
    sqlite3_stmt *s = NULL;
    int rc = sg_rundb_begin_write(d, PUT_WRITER, &s, "writers");
    if (rc < 0) return rc;
    sg_bind_u64(s, 1, w->position);
    sqlite3_bind_int64(s, 2, w->key);
    sqlite3_bind_int64(s, 3, w->node);
    sqlite3_bind_int64(s, 4, w->step);
    return sg_rundb_run(d, s, "writers");
}

int sg_rundb_cause(struct sg_rundb *d, struct sg_str node, struct sg_str code, uint64_t count, struct sg_str text) {
    sqlite3_stmt *s = NULL;
    int rc = sg_rundb_begin_write(d, PUT_CAUSE, &s, "causes");
    if (rc < 0) return rc;
    sg_bind_text(s, 1, node);
    sg_bind_text(s, 2, code);
    sg_bind_u64(s, 3, count);
    sg_bind_text(s, 4, text);
    return sg_rundb_run(d, s, "causes");
}

int sg_rundb_meta(struct sg_rundb *d, struct sg_str key, struct sg_str value) {
    sqlite3_stmt *s = NULL;
    int rc = sg_rundb_begin_write(d, PUT_META, &s, "meta");
    if (rc < 0) return rc;
    sg_bind_text(s, 1, key);
    sg_bind_text(s, 2, value);
    return sg_rundb_run(d, s, "meta");
}

static int forget(struct sg_rundb *d, enum sg_statement which, uint64_t from, uint64_t to, const char *what) {
    sqlite3_stmt *s = NULL;
    int rc = sg_rundb_begin_write(d, which, &s, what);
    if (rc < 0) return rc;
    sg_bind_u64(s, 1, from);
    sg_bind_u64(s, 2, to);
    return sg_rundb_run(d, s, what);
}

int sg_rundb_forget_records(struct sg_rundb *d, uint64_t from, uint64_t to, bool ok_only) {
    return forget(d, ok_only ? FORGET_OK_RECORDS : FORGET_RECORDS, from, to, "records");
}

int sg_rundb_forget_calls(struct sg_rundb *d, uint64_t from, uint64_t to) {
    return forget(d, FORGET_CALLS, from, to, "calls");
}

int sg_rundb_forget_steps(struct sg_rundb *d, uint64_t from, uint64_t to) {
    return forget(d, FORGET_STEPS, from, to, "steps");
}

int sg_rundb_forget_writers(struct sg_rundb *d, uint64_t from, uint64_t to) {
    return forget(d, FORGET_WRITERS, from, to, "writers");
}

int sg_rundb_unspend(struct sg_rundb *d, uint64_t position, int outcome) {
    sqlite3_stmt *s = NULL;
    int rc = sg_rundb_begin_write(d, UNSPEND, &s, "spent");
    if (rc < 0) return rc;
    sg_bind_u64(s, 1, position);
    sqlite3_bind_int(s, 2, outcome);
    return sg_rundb_run(d, s, "spent");
}

int sg_rundb_run_once(struct sg_rundb *d, const char *sql, const char *what) {
    sqlite3_stmt *ignored;
    int rc = sg_rundb_begin_write(d, PUT_META, &ignored, what);
    if (rc < 0) return rc;
    rc = sqlite3_exec(d->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : sg_rundb_fail(d, rc, what);
}

int sg_rundb_forget_causes(struct sg_rundb *d) {
    return sg_rundb_run_once(d, "DELETE FROM causes", "causes");
}

int sg_rundb_forget_bodies(struct sg_rundb *d, uint32_t segment, uint64_t offset) {
    char sql[200];
    int rc = 0;
    static const char *const tables[] = {"records", "calls", "steps"};
    for (int i = 0; i < 3 && rc == 0; i++) {
        sqlite3_snprintf(sizeof sql, sql,
                         "UPDATE %s SET segment=NULL,offset=NULL,length=NULL "
                         "WHERE segment>%u OR (segment=%u AND offset>=%llu)",
                         tables[i], segment, segment, (unsigned long long)offset);
        rc = sg_rundb_run_once(d, sql, tables[i]);
    }
    return rc;
}

/* --- progress and commits --------------------------------------------------------------------------------------- */

#define PROGRESS_FIELDS 31

/* The row's numbers in the order of PROGRESS_COLUMNS: to be filled, or to be read. */
static void list_fields(struct sg_progress *p, uint64_t *v, bool read) {
    uint64_t crcs[5] = {p->read_crc, p->files[0].crc, p->files[1].crc, p->files[2].crc, p->files[3].crc};
    uint64_t lines = p->lines, segment = p->segment;
    struct sg_run_totals *t = &p->totals;
    uint64_t *fields[PROGRESS_FIELDS] = {&p->position, &p->pulled,     &p->row, &p->line,
                                         &p->offset,   &p->read_bytes, &crcs[0]};
    size_t n = 7;
    for (int i = 0; i < 4; i++) {
        fields[n++] = &p->files[i].bytes;
        fields[n++] = &p->files[i].records;
        fields[n++] = &crcs[i + 1];
    }
    uint64_t *rest[] = {&lines,          &segment,        &p->segment_bytes, &t->outcomes[0],
                        &t->outcomes[1], &t->outcomes[2], &t->outcomes[3],   &t->answered,
                        &t->failed,      &t->retried,     &t->prompt_tokens, &t->completion_tokens};
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) fields[n++] = rest[i];
    SG_ASSERT(n == PROGRESS_FIELDS);
    for (size_t i = 0; i < n; i++) *(read ? fields[i] : &v[i]) = read ? v[i] : *fields[i];
    if (!read) return;
    p->read_crc = (uint32_t)crcs[0];
    for (int i = 0; i < 4; i++) p->files[i].crc = (uint32_t)crcs[i + 1];
    p->lines = lines != 0;
    p->segment = (uint32_t)segment;
}

int sg_rundb_put_progress(struct sg_rundb *d, int id, const struct sg_progress *p) {
    sqlite3_stmt *s = NULL;
    uint64_t v[PROGRESS_FIELDS];
    struct sg_progress copy = *p;
    int rc = sg_rundb_begin_write(d, PUT_PROGRESS, &s, "progress");
    if (rc < 0) return rc;
    list_fields(&copy, v, false);
    sqlite3_bind_int(s, 1, id);
    for (int i = 0; i < PROGRESS_FIELDS; i++) sg_bind_u64(s, i + 2, v[i]);
    return sg_rundb_run(d, s, "progress");
}

int sg_rundb_progress(struct sg_rundb *d, bool synced, struct sg_progress *out) {
    sqlite3_stmt *s = NULL;
    uint64_t v[PROGRESS_FIELDS];
    *out = (struct sg_progress){0};
    int rc = sg_rundb_begin_read(d, GET_PROGRESS, &s, "progress");
    if (rc < 0) return rc;
    sqlite3_bind_int(s, 1, synced ? 2 : 1);
    rc = sqlite3_step(s);
    for (int i = 0; i < PROGRESS_FIELDS; i++) v[i] = rc == SQLITE_ROW ? sg_column_u64(s, i) : 0;
    list_fields(out, v, true);
    return sg_rundb_end_read(d, s, rc, "progress");
}

/* --- reading ---------------------------------------------------------------------------------------------------- */

static void read_record(sqlite3_stmt *s, struct sg_record_row *r) {
    *r = (struct sg_record_row){.position = sg_column_u64(s, 0),
                                .outcome = sqlite3_column_int(s, 1),
                                .started = sqlite3_column_int64(s, 2),
                                .ended = sqlite3_column_int64(s, 3),
                                .steps = sg_column_u32(s, 4),
                                .attempts = sg_column_u32(s, 5),
                                .line = sg_column_u64(s, 6)};
    r->has_body = column_place(s, 7, &r->body);
}

static void read_call(sqlite3_stmt *s, struct sg_call_row *c) {
    *c = (struct sg_call_row){.position = sg_column_u64(s, 0),
                              .node = sg_column_u32(s, 1),
                              .visit = sg_column_u32(s, 2),
                              .ordinal = sg_column_u32(s, 3),
                              .sub = sg_column_u32(s, 4),
                              .state = sqlite3_column_int(s, 5),
                              .attempts = sg_column_u32(s, 6),
                              .not_before = sqlite3_column_int64(s, 7),
                              .status = sqlite3_column_int(s, 8),
                              .started = sqlite3_column_int64(s, 9),
                              .latency_us = sqlite3_column_int64(s, 10),
                              .prompt_tokens = sg_column_u64(s, 11),
                              .completion_tokens = sg_column_u64(s, 12),
                              .request = sg_column_u64(s, 13)};
    c->has_body = column_place(s, 14, &c->body);
}

int sg_rundb_records(struct sg_rundb *d, uint64_t from, int outcome, sg_record_row_fn *fn, void *ud) {
    sqlite3_stmt *s = NULL;
    struct sg_record_row row;
    int rc = sg_rundb_begin_read(d, GET_RECORDS, &s, "records");
    if (rc < 0) return rc;
    sg_bind_u64(s, 1, from);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        if (outcome >= 0 && sqlite3_column_int(s, 1) != outcome) continue;
        read_record(s, &row);
        if (!fn(ud, &row)) break;
    }
    return sg_rundb_end_read(d, s, rc, "records");
}

int sg_rundb_calls(struct sg_rundb *d, uint64_t from, uint64_t to, sg_call_row_fn *fn, void *ud) {
    sqlite3_stmt *s = NULL;
    struct sg_call_row row;
    int rc = sg_rundb_begin_read(d, GET_CALLS, &s, "calls");
    if (rc < 0) return rc;
    sg_bind_u64(s, 1, from);
    sg_bind_u64(s, 2, to);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        read_call(s, &row);
        if (!fn(ud, &row)) break;
    }
    return sg_rundb_end_read(d, s, rc, "calls");
}

int sg_rundb_steps(struct sg_rundb *d, uint64_t from, uint64_t to, sg_step_row_fn *fn, void *ud) {
    sqlite3_stmt *s = NULL;
    int rc = sg_rundb_begin_read(d, GET_STEPS, &s, "steps");
    if (rc < 0) return rc;
    sg_bind_u64(s, 1, from);
    sg_bind_u64(s, 2, to);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct sg_step_row row = {.position = sg_column_u64(s, 0),
                                  .step = sg_column_u32(s, 1),
                                  .ended = sqlite3_column_int64(s, 2)};
        row.has_body = column_place(s, 3, &row.body);
        if (!fn(ud, &row)) break;
    }
    return sg_rundb_end_read(d, s, rc, "steps");
}

int sg_rundb_writers(struct sg_rundb *d, uint64_t from, uint64_t to, sg_writer_row_fn *fn, void *ud) {
    sqlite3_stmt *s = NULL;
    int rc = sg_rundb_begin_read(d, GET_WRITERS, &s, "writers");
    if (rc < 0) return rc;
    sg_bind_u64(s, 1, from);
    sg_bind_u64(s, 2, to);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct sg_writer_row row = {sg_column_u64(s, 0), sg_column_u32(s, 1), sg_column_u32(s, 2), sg_column_u32(s, 3)};
        if (!fn(ud, &row)) break;
    }
    return sg_rundb_end_read(d, s, rc, "writers");
}

static int count_bodies(struct sg_rundb *d, enum sg_statement which, uint64_t from, uint64_t to, sg_bodies_fn *fn,
                        void *ud) {
    sqlite3_stmt *s = NULL;
    int rc = sg_rundb_begin_read(d, which, &s, "bodies");
    if (rc < 0) return rc;
    sg_bind_u64(s, 1, from);
    sg_bind_u64(s, 2, to);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) fn(ud, sg_column_u32(s, 0), sg_column_u64(s, 1));
    return sg_rundb_end_read(d, s, rc, "bodies");
}

int sg_rundb_bodies(struct sg_rundb *d, uint64_t from, uint64_t to, sg_bodies_fn *fn, void *ud) {
    int rc = count_bodies(d, COUNT_CALL_BODIES, from, to, fn, ud);
    return rc == 0 ? count_bodies(d, COUNT_STEP_BODIES, from, to, fn, ud) : rc;
}

int sg_rundb_causes(struct sg_rundb *d, sg_cause_fn *fn, void *ud) {
    sqlite3_stmt *s = NULL;
    int rc = sg_rundb_begin_read(d, GET_CAUSES, &s, "causes");
    if (rc < 0) return rc;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW)
        if (!fn(ud, sg_column_text(s, 0), sg_column_text(s, 1), sg_column_u64(s, 2), sg_column_text(s, 3))) break;
    return sg_rundb_end_read(d, s, rc, "causes");
}

int sg_rundb_integrity(struct sg_rundb *d, void (*fn)(void *ud, struct sg_str finding), void *ud) {
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(d->db, "PRAGMA integrity_check", -1, &s, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        rc = SQLITE_OK;
        struct sg_str text = sg_column_text(s, 0);
        if (!sg_str_eq(text, SG_STR("ok"))) fn(ud, text);
    }
    sqlite3_finalize(s);
    return rc == SQLITE_DONE ? 0 : sg_rundb_fail(d, rc, "integrity");
}
