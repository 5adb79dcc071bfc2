/* SPDX-License-Identifier: Apache-2.0 */
/* rundb_parts: what the files of rundb share. rundb.c opens, groups and syncs; rundb_rows.c writes and reads rows;
 * rundb_identity.c says what a run is. */
#ifndef SG_JOURNAL_RUNDB_PARTS_H
#define SG_JOURNAL_RUNDB_PARTS_H

#include "journal/rundb.h"

#include <sqlite3.h>
#include <stdatomic.h>

/* Prepared once, when first used; their texts are in rundb.c. */
enum sg_statement {
    BEGIN,
    COMMIT,
    PUT_RECORD,
    PUT_CALL,
    PUT_STEP,
    PUT_WRITER,
    PUT_PROGRESS,
    PUT_META,
    PUT_CAUSE,
    PUT_TALLY,
    PUT_TIME,
    PUT_SPENT,
    FORGET_RECORDS,
    FORGET_OK_RECORDS,
    FORGET_CALLS,
    FORGET_STEPS,
    FORGET_WRITERS,
    UNSPEND,
    GET_PROGRESS,
    GET_RECORDS,
    GET_CALLS,
    GET_STEPS,
    GET_WRITERS,
    COUNT_CALL_BODIES,
    COUNT_STEP_BODIES,
    GET_CAUSES,
    GET_META,
    GET_TALLIES,
    GET_TIMES,
    GET_SPENT,
    SG_STATEMENTS
};

struct sg_rundb {
    struct sg_arena arena;
    struct sg_str folder, path; /* end in NUL */
    sqlite3 *db;
    sqlite3_stmt *statements[SG_STATEMENTS];
    bool in_group, restarted;
    struct sg_err err;
    /* sg_rundb_sync: */
    sqlite3_file *log;
    sqlite3 *second;    /* a connection of its own; NULL where there is one only */
    atomic_bool placed; /* the folders that name the database are synced */
    atomic_int log_pages;
    atomic_bool moved; /* most of a large log is in the database */
};

/* --- rundb.c ---------------------------------------------------------------------------------------------------- */

/* Why SQLite's last call on `db` gave `rc`. */
int sg_rundb_fail_opening(sqlite3 *db, const char *path, int rc, const char *what, struct sg_err *err);
/* The same, for good: the first failure is the one that tells, and nothing of the open group stays. */
int sg_rundb_fail(struct sg_rundb *d, int rc, const char *what);
/* A statement that writes, in an open group; bind, then run. */
int sg_rundb_begin_write(struct sg_rundb *d, enum sg_statement which, sqlite3_stmt **out, const char *what);
int sg_rundb_run(struct sg_rundb *d, sqlite3_stmt *s, const char *what);
/* One that reads: bind, step; `rc` is the last step's. */
int sg_rundb_begin_read(struct sg_rundb *d, enum sg_statement which, sqlite3_stmt **out, const char *what);
int sg_rundb_end_read(struct sg_rundb *d, sqlite3_stmt *s, int rc, const char *what);

/* --- rundb_rows.c ----------------------------------------------------------------------------------------------- */

/* For statements that are run once in a while. */
int sg_rundb_run_once(struct sg_rundb *d, const char *sql, const char *what);
/* `id`: 1 or 2 */
int sg_rundb_put_progress(struct sg_rundb *d, int id, const struct sg_progress *p);

/* --- rundb_identity.c ------------------------------------------------------------------------------------------- */

int sg_rundb_put_identity(struct sg_rundb *d, const struct sg_run_identity *id);
/* With d->restarted. */
int sg_rundb_get_identity(struct sg_rundb *d, struct sg_arena *a, struct sg_run_identity *id);

/* --- values ----------------------------------------------------------------------------------------------------- */

static inline void sg_bind_text(sqlite3_stmt *s, int at, struct sg_str text) {
    sqlite3_bind_text64(s, at, text.n ? text.p : "", text.n, SQLITE_STATIC, SQLITE_UTF8);
}

static inline void sg_bind_u64(sqlite3_stmt *s, int at, uint64_t v) {
    sqlite3_bind_int64(s, at, (sqlite3_int64)v);
}

static inline uint64_t sg_column_u64(sqlite3_stmt *s, int at) {
    return (uint64_t)sqlite3_column_int64(s, at);
}

static inline uint32_t sg_column_u32(sqlite3_stmt *s, int at) {
    return (uint32_t)sqlite3_column_int64(s, at);
}

static inline struct sg_str sg_column_text(sqlite3_stmt *s, int at) {
    const char *p = (const char *)sqlite3_column_text(s, at);
    return p ? (struct sg_str){p, (size_t)sqlite3_column_bytes(s, at)} : SG_STR("");
}

#endif
