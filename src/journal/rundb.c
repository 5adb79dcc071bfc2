/* SPDX-License-Identifier: Apache-2.0 */
/* rundb: run.db on SQLite. The tables are those of docs/formats/run-folder.md.
 *
 * A new database is made under another name, synced and renamed, so that there is none or a whole one. From then on it is
 * written through its log (WAL): a commit appends to the log and syncs nothing. The log moves into the database when it has
 * grown over LOG_BYTES. Most of that is done by sg_rundb_sync, which has a connection of its own, beside the writer; what has
 * been committed meanwhile is left to sg_rundb_checkpoint, which finds little to do, and then the log begins anew.
 *
 * synchronous=NORMAL: a checkpoint syncs the log before it writes the database, and the database before the log is
 * overwritten. So the database holds what some prefix of the commits made, however the power fails. */
#include "journal/rundb.h"

#include "journal/vfs.h"
#include "journal/wal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define APPLICATION 0x53475231 /* SGR1 */
#define FORMAT 1
#define LOG_BYTES ((int)16 << 20)
#define LOG_PAGES (LOG_BYTES / SG_VFS_PAGE)
#define BUSY_MS 5000

enum statement {
    BEGIN,
    COMMIT,
    PUT_RECORD,
    PUT_CALL,
    PUT_PROGRESS,
    PUT_META,
    PUT_CAUSE,
    FORGET_RECORDS,
    FORGET_OK_RECORDS,
    FORGET_CALLS,
    FORGET_OTHER_CALLS,
    GET_PROGRESS,
    GET_RECORDS,
    GET_CALLS,
    GET_CAUSES,
    GET_META,
    STATEMENTS
};

#define PROGRESS_FILE(name) name "_bytes," name "_records," name "_crc,"
#define PROGRESS_COLUMNS                                                                                             \
    "position,pulled,row,line,offset,read_bytes,read_crc," PROGRESS_FILE("part") PROGRESS_FILE("failed")             \
        PROGRESS_FILE("invalid") PROGRESS_FILE("dropped") "lines,segment,segment_bytes,"                             \
                                                          "ok,failed,invalid,dropped,calls_answered,calls_failed,"   \
                                                          "calls_retried,prompt_tokens,completion_tokens"
#define RECORD_COLUMNS "position,outcome,started,ended,steps,attempts,line,segment,offset,length"
#define CALL_COLUMNS                                                                                                 \
    "position,node,visit,ordinal,sub,state,attempts,not_before,status,started,latency,prompt_tokens,"                \
    "completion_tokens,request,segment,offset,length"

static const char *const texts[STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [PUT_RECORD] = "INSERT OR REPLACE INTO records(" RECORD_COLUMNS ") VALUES(?,?,?,?,?,?,?,?,?,?)",
    [PUT_CALL] = "INSERT OR REPLACE INTO calls(" CALL_COLUMNS ") VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [PUT_PROGRESS] = "INSERT OR REPLACE INTO progress(id," PROGRESS_COLUMNS ") VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,"
                     "?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [PUT_META] = "INSERT OR REPLACE INTO meta(key,value) VALUES(?,?)",
    [PUT_CAUSE] = "INSERT INTO causes(node,code,count,text) VALUES(?,?,?,?) "
                  "ON CONFLICT DO UPDATE SET count=count+excluded.count",
    [FORGET_RECORDS] = "DELETE FROM records WHERE position>=? AND position<?",
    [FORGET_OK_RECORDS] = "DELETE FROM records WHERE position>=? AND position<? AND outcome=0",
    [FORGET_CALLS] = "DELETE FROM calls WHERE position>=? AND position<?",
    [FORGET_OTHER_CALLS] = "DELETE FROM calls WHERE position>=? AND position<? AND state<>3",
    [GET_PROGRESS] = "SELECT " PROGRESS_COLUMNS " FROM progress WHERE id=?",
    [GET_RECORDS] = "SELECT " RECORD_COLUMNS " FROM records WHERE position>=? ORDER BY position",
    [GET_CALLS] = "SELECT " CALL_COLUMNS " FROM calls WHERE position>=? AND position<? "
                  "ORDER BY position,node,visit,ordinal,sub",
    [GET_CAUSES] = "SELECT node,code,count,text FROM causes ORDER BY count DESC,node,code",
    [GET_META] = "SELECT value FROM meta WHERE key=?",
};

static const char schema[] =
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;"
    "CREATE TABLE nodes(id INTEGER PRIMARY KEY, name TEXT, kind TEXT, hash TEXT);"
    "CREATE TABLE keys(id INTEGER PRIMARY KEY, name TEXT);"
    "CREATE TABLE records(position INTEGER PRIMARY KEY, outcome INT, started INT, ended INT, steps INT, attempts INT,"
    " line INT, segment INT, offset INT, length INT);"
    "CREATE TABLE steps(position INT, step INT, ended INT, segment INT, offset INT, length INT,"
    " PRIMARY KEY(position, step)) WITHOUT ROWID;"
    "CREATE TABLE calls(position INT, node INT, visit INT, ordinal INT, sub INT, state INT, attempts INT,"
    " not_before INT, status INT, started INT, latency INT, prompt_tokens INT, completion_tokens INT, request INT,"
    " segment INT, offset INT, length INT, PRIMARY KEY(position, node, visit, ordinal, sub)) WITHOUT ROWID;"
    "CREATE TABLE writers(position INT, key INT, node INT, step INT, PRIMARY KEY(position, key)) WITHOUT ROWID;"
    "CREATE TABLE causes(node TEXT, code TEXT, count INT, text TEXT, PRIMARY KEY(node, code)) WITHOUT ROWID;"
    "CREATE TABLE progress(id INTEGER PRIMARY KEY," PROGRESS_COLUMNS ");";

struct sg_rundb {
    struct sg_arena arena;
    struct sg_str folder, path; /* end in NUL */
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
    bool in_group, restarted;
    struct sg_err err;
    /* sg_rundb_sync: */
    sqlite3_file *log;
    sqlite3 *second;    /* a connection of its own; NULL where there is one only */
    atomic_bool placed; /* the folders that name the database are synced */
    atomic_int log_pages;
    atomic_bool moved; /* most of a large log is in the database */
};

/* --- names ------------------------------------------------------------------------------------------------------ */

static const struct sg_str durabilities[] = {{"1s", 2}, {"commit", 6}, {"exit", 4}};
static const struct sg_str keeps[] = {{"calls", 5}, {"all", 3}, {"outputs", 7}};

static bool find_name(const struct sg_str *names, size_t n, struct sg_str name, int *out) {
    for (size_t i = 0; i < n; i++)
        if (sg_str_eq(names[i], name)) return *out = (int)i, true;
    return false;
}

struct sg_str sg_durability_name(enum sg_durability d) {
    return durabilities[d];
}

struct sg_str sg_keep_name(enum sg_keep k) {
    return keeps[k];
}

bool sg_durability_parse(struct sg_str name, enum sg_durability *out) {
    int i;
    bool found = find_name(durabilities, 3, name, &i);
    if (found) *out = (enum sg_durability)i;
    return found;
}

bool sg_keep_parse(struct sg_str name, enum sg_keep *out) {
    int i;
    bool found = find_name(keeps, 3, name, &i);
    if (found) *out = (enum sg_keep)i;
    return found;
}

/* --- errors ----------------------------------------------------------------------------------------------------- */

static int code_of(int rc) {
    if (rc == SQLITE_IOERR_DATA || rc == SQLITE_IOERR_SHORT_READ) return SG_E_SYNTAX;
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return SG_E_LIMIT;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_ERROR: /* a table or column is missing: somebody changed it */
        return SG_E_SYNTAX;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return SG_E_CONFLICT;
    default:
        return SG_E_IO;
    }
}

/* Why SQLite's last call on `db` gave `rc`. */
static int fail_sqlite(sqlite3 *db, const char *path, int rc, const char *what, struct sg_err *err) {
    int sys = db ? sqlite3_system_errno(db) : sg_vfs_errno(), code = code_of(rc);
    if (rc == SQLITE_IOERR_DATA)
        return sg_fail(err, code, "%s: %s: page %u is damaged", path, what, sg_vfs_bad_page());
    const char *why = db ? sqlite3_errmsg(db) : sqlite3_errstr(rc);
    if (code == SG_E_SYNTAX) return sg_fail(err, code, "%s: %s: the database is damaged (%s)", path, what, why);
    if (code == SG_E_LIMIT && !sys) sys = ENOSPC;
    return sys ? sg_fail_sys(err, code, sys, "%s: %s: %s", path, what, why)
               : sg_fail(err, code, "%s: %s: %s", path, what, why);
}

/* The first failure is the one that tells. Writing is over: nothing of the open group stays. */
static int fail(struct sg_rundb *d, int rc, const char *what) {
    if (d->err.code == 0) fail_sqlite(d->db, d->path.p, rc, what, &d->err);
    if (d->in_group) sqlite3_exec(d->db, "ROLLBACK", NULL, NULL, NULL);
    d->in_group = false;
    return d->err.code;
}

const struct sg_err *sg_rundb_error(const struct sg_rundb *d) {
    return &d->err;
}

/* --- statements ------------------------------------------------------------------------------------------------- */

static int prepare(struct sg_rundb *d, enum statement which, sqlite3_stmt **out) {
    int rc = SQLITE_OK;
    if (!d->statements[which])
        rc = sqlite3_prepare_v3(d->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT, &d->statements[which], NULL);
    *out = d->statements[which];
    return rc;
}

static void bind_text(sqlite3_stmt *s, int at, struct sg_str text) {
    sqlite3_bind_text64(s, at, text.n ? text.p : "", text.n, SQLITE_STATIC, SQLITE_UTF8);
}

static void bind_u64(sqlite3_stmt *s, int at, uint64_t v) {
    sqlite3_bind_int64(s, at, (sqlite3_int64)v);
}

static uint64_t column_u64(sqlite3_stmt *s, int at) {
    return (uint64_t)sqlite3_column_int64(s, at);
}

static uint32_t column_u32(sqlite3_stmt *s, int at) {
    return (uint32_t)sqlite3_column_int64(s, at);
}

static struct sg_str column_text(sqlite3_stmt *s, int at) {
    const char *p = (const char *)sqlite3_column_text(s, at);
    return p ? (struct sg_str){p, (size_t)sqlite3_column_bytes(s, at)} : SG_STR("");
}

/* Runs a bound statement that gives no rows. */
static int run(struct sg_rundb *d, sqlite3_stmt *s, const char *what) {
    int rc = sqlite3_step(s);
    sqlite3_reset(s);
    return rc == SQLITE_DONE ? 0 : fail(d, rc, what);
}

static int run_plain(struct sg_rundb *d, enum statement which, const char *what) {
    sqlite3_stmt *s = NULL;
    int rc = prepare(d, which, &s);
    return rc == SQLITE_OK ? run(d, s, what) : fail(d, rc, what);
}

/* A statement that writes, in an open group. */
static int begin_write(struct sg_rundb *d, enum statement which, sqlite3_stmt **out, const char *what) {
    if (d->err.code) return d->err.code;
    if (!d->in_group) {
        int rc = run_plain(d, BEGIN, "begin");
        if (rc < 0) return rc;
        d->in_group = true;
    }
    int rc = prepare(d, which, out);
    return rc == SQLITE_OK ? 0 : fail(d, rc, what);
}

static int end_read(struct sg_rundb *d, sqlite3_stmt *s, int rc, const char *what) {
    sqlite3_reset(s);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : fail(d, rc, what);
}

static int begin_read(struct sg_rundb *d, enum statement which, sqlite3_stmt **out, const char *what) {
    if (d->err.code) return d->err.code;
    int rc = prepare(d, which, out);
    return rc == SQLITE_OK ? 0 : fail(d, rc, what);
}

/* --- rows ------------------------------------------------------------------------------------------------------- */

static void bind_place(sqlite3_stmt *s, int at, bool has, struct sg_place place) {
    if (has) {
        sqlite3_bind_int64(s, at, place.segment);
        bind_u64(s, at + 1, place.offset);
        sqlite3_bind_int64(s, at + 2, place.length);
    } else {
        for (int i = 0; i < 3; i++) sqlite3_bind_null(s, at + i);
    }
}

static bool column_place(sqlite3_stmt *s, int at, struct sg_place *out) {
    *out = (struct sg_place){
        .segment = column_u32(s, at), .offset = column_u64(s, at + 1), .length = column_u32(s, at + 2)};
    return sqlite3_column_type(s, at) != SQLITE_NULL;
}

int sg_rundb_record(struct sg_rundb *d, const struct sg_record_row *r) {
    sqlite3_stmt *s = NULL;
    int rc = begin_write(d, PUT_RECORD, &s, "records");
    if (rc < 0) return rc;
    bind_u64(s, 1, r->position);
    sqlite3_bind_int(s, 2, r->outcome);
    sqlite3_bind_int64(s, 3, r->started);
    sqlite3_bind_int64(s, 4, r->ended);
    sqlite3_bind_int64(s, 5, r->steps);
    sqlite3_bind_int64(s, 6, r->attempts);
    bind_u64(s, 7, r->line);
    bind_place(s, 8, r->has_body, r->body);
    return run(d, s, "records");
}

int sg_rundb_call(struct sg_rundb *d, const struct sg_call_row *c) {
    sqlite3_stmt *s = NULL;
    int rc = begin_write(d, PUT_CALL, &s, "calls");
    if (rc < 0) return rc;
    bind_u64(s, 1, c->position);
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
    bind_u64(s, 12, c->prompt_tokens);
    bind_u64(s, 13, c->completion_tokens);
    bind_u64(s, 14, c->request);
    bind_place(s, 15, c->has_body, c->body);
    return run(d, s, "calls");
}

int sg_rundb_cause(struct sg_rundb *d, struct sg_str node, struct sg_str code, uint64_t count, struct sg_str text) {
    sqlite3_stmt *s = NULL;
    int rc = begin_write(d, PUT_CAUSE, &s, "causes");
    if (rc < 0) return rc;
    bind_text(s, 1, node);
    bind_text(s, 2, code);
    bind_u64(s, 3, count);
    bind_text(s, 4, text);
    return run(d, s, "causes");
}

int sg_rundb_meta(struct sg_rundb *d, struct sg_str key, struct sg_str value) {
    sqlite3_stmt *s = NULL;
    int rc = begin_write(d, PUT_META, &s, "meta");
    if (rc < 0) return rc;
    bind_text(s, 1, key);
    bind_text(s, 2, value);
    return run(d, s, "meta");
}

static int forget(struct sg_rundb *d, enum statement which, uint64_t from, uint64_t to, const char *what) {
    sqlite3_stmt *s = NULL;
    int rc = begin_write(d, which, &s, what);
    if (rc < 0) return rc;
    bind_u64(s, 1, from);
    bind_u64(s, 2, to);
    return run(d, s, what);
}

int sg_rundb_forget_records(struct sg_rundb *d, uint64_t from, uint64_t to, bool ok_only) {
    return forget(d, ok_only ? FORGET_OK_RECORDS : FORGET_RECORDS, from, to, "records");
}

int sg_rundb_forget_calls(struct sg_rundb *d, uint64_t from, uint64_t to, bool keep_again) {
    return forget(d, keep_again ? FORGET_OTHER_CALLS : FORGET_CALLS, from, to, "calls");
}

/* For statements that are run once in a while. */
static int run_once(struct sg_rundb *d, const char *sql, const char *what) {
    sqlite3_stmt *ignored;
    int rc = begin_write(d, PUT_META, &ignored, what);
    if (rc < 0) return rc;
    rc = sqlite3_exec(d->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : fail(d, rc, what);
}

int sg_rundb_forget_causes(struct sg_rundb *d) {
    return run_once(d, "DELETE FROM causes", "causes");
}

int sg_rundb_forget_bodies(struct sg_rundb *d, uint32_t segment, uint64_t offset) {
    char sql[200];
    int rc = 0;
    static const char *const tables[] = {"records", "calls"};
    for (int i = 0; i < 2 && rc == 0; i++) {
        sqlite3_snprintf(sizeof sql, sql,
                         "UPDATE %s SET segment=NULL,offset=NULL,length=NULL "
                         "WHERE segment>%u OR (segment=%u AND offset>=%llu)",
                         tables[i], segment, segment, (unsigned long long)offset);
        rc = run_once(d, sql, tables[i]);
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

static int put_progress(struct sg_rundb *d, int id, const struct sg_progress *p) {
    sqlite3_stmt *s = NULL;
    uint64_t v[PROGRESS_FIELDS];
    struct sg_progress copy = *p;
    int rc = begin_write(d, PUT_PROGRESS, &s, "progress");
    if (rc < 0) return rc;
    list_fields(&copy, v, false);
    sqlite3_bind_int(s, 1, id);
    for (int i = 0; i < PROGRESS_FIELDS; i++) bind_u64(s, i + 2, v[i]);
    return run(d, s, "progress");
}

int sg_rundb_commit(struct sg_rundb *d, const struct sg_progress *now, const struct sg_progress *synced) {
    int rc = put_progress(d, 1, now);
    if (rc == 0 && synced) rc = put_progress(d, 2, synced);
    if (rc == 0) rc = run_plain(d, COMMIT, "commit");
    if (rc == 0) d->in_group = false;
    return rc;
}

int sg_rundb_progress(struct sg_rundb *d, bool synced, struct sg_progress *out) {
    sqlite3_stmt *s = NULL;
    uint64_t v[PROGRESS_FIELDS];
    *out = (struct sg_progress){0};
    int rc = begin_read(d, GET_PROGRESS, &s, "progress");
    if (rc < 0) return rc;
    sqlite3_bind_int(s, 1, synced ? 2 : 1);
    rc = sqlite3_step(s);
    for (int i = 0; i < PROGRESS_FIELDS; i++) v[i] = rc == SQLITE_ROW ? column_u64(s, i) : 0;
    list_fields(out, v, true);
    return end_read(d, s, rc, "progress");
}

/* --- syncing ---------------------------------------------------------------------------------------------------- */

static int on_commit(void *ud, sqlite3 *db, const char *name, int pages) {
    struct sg_rundb *d = ud;
    (void)db, (void)name;
    atomic_store(&d->log_pages, pages);
    return SQLITE_OK;
}

/* The run's folder names the database, its parent names the folder. */
static int sync_folders(const struct sg_rundb *d, struct sg_err *err) {
    struct sg_arena scratch;
    sg_arena_init(&scratch, 0);
    struct sg_str parent = d->folder;
    while (parent.n && parent.p[parent.n - 1] == '/') parent.n--;
    while (parent.n && parent.p[parent.n - 1] != '/') parent.n--;
    int rc = sg_os_sync_folder(d->folder.p);
    if (rc == 0) rc = sg_os_sync_folder(parent.n ? sg_str_dup(&scratch, parent).p : ".");
    sg_arena_fini(&scratch);
    return rc < 0 ? sg_fail_sys(err, SG_E_IO, -rc, "%s: sync failed", d->folder.p) : 0;
}

static int sync_log(const struct sg_rundb *d, struct sg_err *err) {
    int rc = d->log->pMethods->xSync(d->log, SQLITE_SYNC_NORMAL);
    return rc == SQLITE_OK ? 0 : fail_sqlite(NULL, d->path.p, rc, "sync", err);
}

/* A passive checkpoint waits for nobody: it moves what had been committed when it began. */
static int move_log(sqlite3 *db) {
    int rc = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return rc == SQLITE_BUSY ? SQLITE_OK : rc;
}

int sg_rundb_sync(struct sg_rundb *d, struct sg_err *err) {
    int rc = sync_log(d, err);
    if (rc == 0 && !atomic_load(&d->placed)) rc = sync_folders(d, err);
    if (rc < 0) return rc;
    atomic_store(&d->placed, true);
    if (!d->second || atomic_load(&d->log_pages) < LOG_PAGES || atomic_load(&d->moved)) return 0;
    rc = move_log(d->second);
    if (rc != SQLITE_OK) return fail_sqlite(d->second, d->path.p, rc, "checkpoint", err);
    atomic_store(&d->moved, true);
    return 0;
}

int sg_rundb_checkpoint(struct sg_rundb *d) {
    if (d->err.code) return d->err.code;
    int pages = atomic_load(&d->log_pages);
    bool moved = atomic_load(&d->moved);
    /* Without anybody who syncs the log would grow for ever. */
    if (!moved && pages < (d->second ? 4 * LOG_PAGES : LOG_PAGES)) return 0;
    int rc = move_log(d->db);
    atomic_store(&d->moved, false);
    return rc == SQLITE_OK ? 0 : fail(d, rc, "checkpoint");
}

/* --- opening ---------------------------------------------------------------------------------------------------- */

static const char setup[] = "PRAGMA synchronous=NORMAL;PRAGMA wal_autocheckpoint=0;PRAGMA temp_store=MEMORY;"
                            "PRAGMA cell_size_check=ON;PRAGMA trusted_schema=OFF";

static int open_sqlite(const char *path, int flags, sqlite3 **out, struct sg_err *err) {
    *out = NULL;
    int rc = sqlite3_open_v2(path, out, flags | SQLITE_OPEN_NOMUTEX, sg_vfs());
    if (rc == SQLITE_OK) {
        sqlite3_extended_result_codes(*out, 1);
        sqlite3_busy_timeout(*out, BUSY_MS);
        rc = sqlite3_exec(*out, setup, NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK) return 0;
    rc = fail_sqlite(*out, path, rc, "cannot be opened", err);
    sqlite3_close(*out);
    *out = NULL;
    return rc;
}

static struct sg_rundb *new_rundb(const char *folder) {
    struct sg_rundb *d = sg_xcalloc(1, sizeof *d);
    sg_arena_init(&d->arena, 1024);
    d->folder = sg_str_dup(&d->arena, sg_str(folder));
    d->path = sg_str_printf(&d->arena, "%s/run.db", folder);
    return d;
}

static void close_sqlite(struct sg_rundb *d) {
    for (int i = 0; i < STATEMENTS; i++) sqlite3_finalize(d->statements[i]);
    if (d->in_group) sqlite3_exec(d->db, "ROLLBACK", NULL, NULL, NULL);
    sqlite3_close(d->second);
    SG_ASSERT(sqlite3_close(d->db) == SQLITE_OK);
    d->db = NULL;
}

void sg_rundb_close(struct sg_rundb *d) {
    if (!d) return;
    if (d->db) close_sqlite(d);
    sg_arena_fini(&d->arena);
    free(d);
}

/* The log's file exists once it has been read or written. A database of another world has one connection. */
static int open_log(struct sg_rundb *d, struct sg_err *err) {
    sqlite3_wal_hook(d->db, on_commit, d);
    int rc = sqlite3_file_control(d->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &d->log);
    if (rc != SQLITE_OK || !d->log || !d->log->pMethods) return sg_fail(err, SG_E_IO, "%s: has no log", d->path.p);
    return sg_os->real ? open_sqlite(d->path.p, SQLITE_OPEN_READWRITE, &d->second, err) : 0;
}

static int get_number(struct sg_rundb *d, const char *sql, int64_t *out, struct sg_err *err) {
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(d->db, sql, -1, &s, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) *out = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return rc == SQLITE_ROW ? 0 : fail_sqlite(d->db, d->path.p, rc, "cannot be read", err);
}

/* --- what a run is ---------------------------------------------------------------------------------------------- */

struct sg_str sg_rundb_get(struct sg_rundb *d, struct sg_arena *a, struct sg_str key) {
    sqlite3_stmt *s = NULL;
    struct sg_str value = SG_STR("");
    if (begin_read(d, GET_META, &s, "meta") < 0) return value;
    bind_text(s, 1, key);
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) value = sg_str_dup(a, column_text(s, 0));
    end_read(d, s, rc, "meta");
    return value;
}

static int put_number(struct sg_rundb *d, const char *key, int64_t value) {
    char text[24];
    int n = snprintf(text, sizeof text, "%lld", (long long)value);
    return sg_rundb_meta(d, sg_str(key), (struct sg_str){text, (size_t)n});
}

static int64_t get_meta_number(struct sg_rundb *d, struct sg_arena *a, const char *key) {
    struct sg_str text = sg_rundb_get(d, a, sg_str(key));
    return text.n ? strtoll(text.p, NULL, 10) : 0;
}

/* An error stays until the last of a row of calls, so only that one is looked at, here and below. */
int sg_rundb_source(struct sg_rundb *d, const struct sg_run_source *s) {
    sg_rundb_meta(d, SG_STR("source"), s->path);
    put_number(d, "source_regular", s->regular);
    put_number(d, "source_size", (int64_t)s->size);
    put_number(d, "source_mtime", s->mtime_ns);
    return put_number(d, "source_inode", (int64_t)s->inode);
}

int sg_rundb_update(struct sg_rundb *d, const struct sg_run_identity *id) {
    struct sg_arena scratch;
    sg_arena_init(&scratch, 0);
    sg_rundb_meta(d, SG_STR("program"), id->program);
    sg_rundb_meta(d, SG_STR("options"), id->options);
    sg_rundb_meta(d, SG_STR("durability"), sg_durability_name(id->durability));
    sg_rundb_meta(d, SG_STR("keep"), sg_keep_name(id->keep));
    sg_rundb_meta(d, SG_STR("boot"), sg_boot_id(&scratch));
    sg_rundb_meta(d, SG_STR("state"), SG_STR("running"));
    sg_arena_fini(&scratch);
    return put_number(d, "count", (int64_t)id->count);
}

static int put_identity(struct sg_rundb *d, const struct sg_run_identity *id) {
    sg_rundb_meta(d, SG_STR("task"), id->task);
    sg_rundb_meta(d, SG_STR("folder"), id->folder);
    sg_rundb_meta(d, SG_STR("stem"), id->stem);
    put_number(d, "seed", (int64_t)id->seed);
    put_number(d, "first", (int64_t)id->first);
    put_number(d, "started_ms", id->started_ms);
    sg_rundb_source(d, &id->source);
    return sg_rundb_update(d, id);
}

/* Rows of names, numbered from 0; each has `n` texts in a row. */
static int put_names(struct sg_rundb *d, const char *sql, const struct sg_str *names, size_t rows, int n,
                     const char *what) {
    sqlite3_stmt *s = NULL;
    if (d->err.code) return d->err.code;
    int rc = sqlite3_prepare_v2(d->db, sql, -1, &s, NULL);
    for (size_t i = 0; rc == SQLITE_OK && i < rows; i++) {
        bind_u64(s, 1, i);
        for (int k = 0; k < n; k++) bind_text(s, 2 + k, names[i * (size_t)n + (size_t)k]);
        sqlite3_step(s);
        rc = sqlite3_reset(s);
    }
    sqlite3_finalize(s);
    return rc == SQLITE_OK ? 0 : fail(d, rc, what);
}

static struct sg_str *get_names(struct sg_rundb *d, struct sg_arena *a, const char *sql, size_t *rows,
                                const char *what) {
    sqlite3_stmt *s = NULL;
    struct sg_str *names = NULL;
    size_t count = 0, cap = 0;
    int rc = sqlite3_prepare_v2(d->db, sql, -1, &s, NULL);
    *rows = 0;
    while (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        rc = SQLITE_OK;
        for (int i = 0; i < sqlite3_column_count(s); i++)
            *SG_PUSH(a, names, count, cap) = sg_str_dup(a, column_text(s, i));
        (*rows)++;
    }
    if (rc != SQLITE_DONE) fail(d, rc, what);
    sqlite3_finalize(s);
    return names;
}

/* A node is three texts and nothing else. */
_Static_assert(sizeof(struct sg_run_node) == 3 * sizeof(struct sg_str), "struct sg_run_node");

static int put_nodes(struct sg_rundb *d, const struct sg_run_identity *id) {
    return put_names(d, "INSERT INTO nodes VALUES(?,?,?,?)", (const struct sg_str *)id->nodes, id->n_nodes, 3,
                     "nodes");
}

static int put_keys(struct sg_rundb *d, const struct sg_run_identity *id) {
    return put_names(d, "INSERT INTO keys VALUES(?,?)", id->keys, id->n_keys, 1, "keys");
}

void sg_run_identity_copy(struct sg_arena *a, const struct sg_run_identity *from, struct sg_run_identity *to) {
    *to = *from;
    struct sg_str *own[] = {&to->program, &to->task, &to->folder, &to->stem, &to->options, &to->source.path};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) *own[i] = sg_str_dup(a, *own[i]);
    struct sg_run_node *to_nodes = SG_NEW_N(a, struct sg_run_node, from->n_nodes);
    for (size_t i = 0; i < from->n_nodes; i++) {
        to_nodes[i].name = sg_str_dup(a, from->nodes[i].name);
        to_nodes[i].kind = sg_str_dup(a, from->nodes[i].kind);
        to_nodes[i].hash = sg_str_dup(a, from->nodes[i].hash);
    }
    struct sg_str *to_keys = SG_NEW_N(a, struct sg_str, from->n_keys);
    for (size_t i = 0; i < from->n_keys; i++) to_keys[i] = sg_str_dup(a, from->keys[i]);
    to->nodes = to_nodes;
    to->keys = to_keys;
}

static void get_identity(struct sg_rundb *d, struct sg_arena *a, struct sg_run_identity *id) {
    *id = (struct sg_run_identity){
        .program = sg_rundb_get(d, a, SG_STR("program")),
        .task = sg_rundb_get(d, a, SG_STR("task")),
        .folder = sg_rundb_get(d, a, SG_STR("folder")),
        .stem = sg_rundb_get(d, a, SG_STR("stem")),
        .options = sg_rundb_get(d, a, SG_STR("options")),
        .seed = (uint64_t)get_meta_number(d, a, "seed"),
        .first = (uint64_t)get_meta_number(d, a, "first"),
        .count = (uint64_t)get_meta_number(d, a, "count"),
        .started_ms = get_meta_number(d, a, "started_ms"),
        .source = {.path = sg_rundb_get(d, a, SG_STR("source")),
                   .size = (uint64_t)get_meta_number(d, a, "source_size"),
                   .inode = (uint64_t)get_meta_number(d, a, "source_inode"),
                   .mtime_ns = get_meta_number(d, a, "source_mtime"),
                   .regular = get_meta_number(d, a, "source_regular") != 0},
    };
    sg_durability_parse(sg_rundb_get(d, a, SG_STR("durability")), &id->durability);
    sg_keep_parse(sg_rundb_get(d, a, SG_STR("keep")), &id->keep);
    id->nodes = (const struct sg_run_node *)get_names(d, a, "SELECT name,kind,hash FROM nodes ORDER BY id",
                                                      &id->n_nodes, "nodes");
    id->keys = get_names(d, a, "SELECT name FROM keys ORDER BY id", &id->n_keys, "keys");
}

/* --- a new one -------------------------------------------------------------------------------------------------- */

struct unlinking {
    struct sg_arena arena;
    const char *folder;
};

static void unlink_one(void *ud, const char *name) {
    struct unlinking *u = ud;
    sg_os->unlink(sg_str_printf(&u->arena, "%s/%s", u->folder, name).p);
}

/* run.db first: without it there is nothing to go on with. */
void sg_rundb_remove(const char *folder) {
    struct unlinking u = {.folder = folder};
    sg_arena_init(&u.arena, 0);
    static const char *const names[] = {"run.db", "run.db-wal", "run.db-shm", "run.db.new", "run.db.new-wal"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) unlink_one(&u, names[i]);
    u.folder = sg_str_printf(&u.arena, "%s/segments", folder).p;
    sg_os->list(u.folder, unlink_one, &u);
    sg_arena_fini(&u.arena);
}

static int exec(struct sg_rundb *d, const char *sql, struct sg_err *err) {
    int rc = sqlite3_exec(d->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : fail_sqlite(d->db, d->path.p, rc, "cannot be made", err);
}

static int fill_new(struct sg_rundb *d, const struct sg_run_identity *id, struct sg_err *err) {
    struct sg_progress nothing = {.position = id->first, .pulled = id->first};
    int rc = exec(d, "PRAGMA page_size=16384;PRAGMA journal_mode=OFF;PRAGMA synchronous=OFF", err);
    if (rc == 0) sg_vfs_reserve(d->db);
    if (rc == 0) rc = exec(d, "PRAGMA application_id=0x53475231;PRAGMA user_version=1", err);
    if (rc == 0) rc = exec(d, schema, err);
    if (rc < 0) return rc;
    put_identity(d, id);
    put_nodes(d, id);
    put_keys(d, id);
    if (sg_rundb_commit(d, &nothing, &nothing) == 0) return exec(d, "PRAGMA journal_mode=WAL", err);
    if (err) *err = d->err;
    return d->err.code;
}

/* Synced before it gets its name. */
static int put_in_place(const char *from, const char *to, struct sg_err *err) {
    int fd = sg_os->open(from, O_RDWR, 0), rc = fd < 0 ? fd : sg_os->sync(fd);
    if (fd >= 0) sg_os->close(fd);
    if (rc == 0) rc = sg_os->rename(from, to);
    return rc < 0 ? sg_fail_sys(err, SG_E_IO, -rc, "%s: cannot be made", to) : 0;
}

static int make_new(struct sg_rundb *d, const struct sg_run_identity *id, struct sg_err *err) {
    struct sg_str path = d->path;
    int rc = sg_os_mkdirs(d->folder.p);
    if (rc < 0) return sg_fail_sys(err, SG_E_IO, -rc, "%s: cannot be made", d->folder.p);
    d->path = sg_str_printf(&d->arena, "%s.new", path.p);
    rc = open_sqlite(d->path.p, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &d->db, err);
    if (rc == 0) rc = fill_new(d, id, err);
    close_sqlite(d);
    return rc == 0 ? put_in_place(d->path.p, path.p, err) : rc;
}

/* --- an existing one -------------------------------------------------------------------------------------------- */

static int refuse_format(struct sg_rundb *d, int64_t format, struct sg_err *err) {
    struct sg_str program = sg_rundb_get(d, &d->arena, SG_STR("program"));
    return sg_fail(err, SG_E_UNSUPPORTED, "%s: is of format %lld%s%.*s; this program knows format %d", d->path.p,
                   (long long)format, program.n ? ", made by " : "", SG_ARG(program), FORMAT);
}

static int check_format(struct sg_rundb *d, struct sg_err *err) {
    int64_t application, format;
    int rc = get_number(d, "PRAGMA application_id", &application, err);
    if (rc == 0) rc = get_number(d, "PRAGMA user_version", &format, err);
    if (rc < 0) return rc;
    if (application != APPLICATION) return sg_fail(err, SG_E_SYNTAX, "%s: is not the database of a run", d->path.p);
    return format == FORMAT ? 0 : refuse_format(d, format, err);
}

/* `name` is the path, or a URI. */
static int open_existing(const char *folder, const char *name, int flags, struct sg_rundb **out, struct sg_err *err) {
    struct sg_rundb *d = new_rundb(folder);
    *out = NULL;
    int rc = sg_os_exists(d->path.p) ? open_sqlite(name ? name : d->path.p, flags, &d->db, err)
                                     : sg_fail(err, SG_E_MISSING, "%s: there is no run", folder);
    if (rc == 0) rc = check_format(d, err);
    if (rc == 0) *out = d;
    else sg_rundb_close(d);
    return rc;
}

static int open_for_writing(const char *folder, struct sg_rundb **out, struct sg_err *err) {
    int rc = open_existing(folder, NULL, SQLITE_OPEN_READWRITE, out, err);
    if (rc == 0) rc = open_log(*out, err);
    if (rc == 0) return 0;
    sg_rundb_close(*out);
    *out = NULL;
    return rc;
}

static void add_escaped(struct sg_buf *b, const char *path) {
    for (; *path; path++) {
        if (strchr("%?#", *path)) sg_buf_printf(b, "%%%02x", (unsigned)*path);
        else sg_buf_ch(b, *path);
    }
}

/* SQLite keeps the index of the log in a file, which a folder that cannot be written has no room for. Without a log, which
 * is the case behind a run that ended in order, it can do without. */
static int open_immutable(const char *folder, struct sg_rundb **out, struct sg_err *err) {
    struct sg_buf name = SG_BUF_INIT(SIZE_MAX);
    SG_BUF_LIT(&name, "file:");
    add_escaped(&name, folder);
    SG_BUF_LIT(&name, "/run.db?immutable=1");
    sg_buf_ch(&name, '\0');
    int rc = open_existing(folder, name.p, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, out, err);
    sg_buf_fini(&name);
    return rc;
}

static bool has_log(const char *folder) {
    struct sg_buf path = SG_BUF_INIT(SIZE_MAX);
    sg_buf_printf(&path, "%s/run.db-wal", folder);
    bool has = sg_os_exists(path.p);
    sg_buf_fini(&path);
    return has;
}

static int read_identity(struct sg_rundb *d, struct sg_arena *a, struct sg_run_identity *id, struct sg_err *err) {
    struct sg_str boot = sg_boot_id(a), then = sg_rundb_get(d, a, SG_STR("boot"));
    get_identity(d, a, id);
    d->restarted = boot.n == 0 || !sg_str_eq(boot, then);
    if (d->err.code && err) *err = d->err;
    return d->err.code;
}

int sg_rundb_create(const char *folder, const struct sg_run_identity *id, struct sg_rundb **out, struct sg_err *err) {
    struct sg_rundb *d = new_rundb(folder);
    *out = NULL;
    int rc = make_new(d, id, err);
    sg_rundb_close(d);
    return rc == 0 ? open_for_writing(folder, out, err) : rc;
}

/* A log that is damaged in its middle must stay as it is: closing would move what is good of it, and drop the rest. */
static int refuse_damage(struct sg_rundb *d, struct sg_err *err) {
    struct sg_str path = sg_str_join(&d->arena, d->path, SG_STR("-wal"));
    int rc = sg_wal_check(path.p, err);
    if (rc < 0) sqlite3_db_config(d->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return rc;
}

/* What a loss of power has left behind a hole in the log must not be there any more when somebody looks for damage. */
static int clear_log(struct sg_rundb *d, struct sg_err *err) {
    int rc = sqlite3_wal_checkpoint_v2(d->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return rc == SQLITE_OK ? 0 : fail_sqlite(d->db, d->path.p, rc, "checkpoint", err);
}

static int check_log(struct sg_rundb *d, struct sg_err *err) {
    return d->restarted ? clear_log(d, err) : refuse_damage(d, err);
}

static int end_opening(struct sg_rundb **d, struct sg_arena *a, struct sg_run_identity *id, struct sg_err *err) {
    int rc = read_identity(*d, a, id, err);
    if (rc == 0) return 0;
    sg_rundb_close(*d);
    *d = NULL;
    return rc;
}

int sg_rundb_open(const char *folder, struct sg_arena *a, struct sg_run_identity *id, struct sg_rundb **out,
                  struct sg_err *err) {
    int rc = open_for_writing(folder, out, err);
    if (rc == 0) rc = end_opening(out, a, id, err);
    if (rc == 0) rc = check_log(*out, err);
    if (rc < 0) sg_rundb_close(*out);
    if (rc < 0) *out = NULL;
    return rc;
}

int sg_rundb_view(const char *folder, struct sg_arena *a, struct sg_run_identity *id, struct sg_rundb **out,
                  struct sg_err *err) {
    int rc = open_existing(folder, NULL, SQLITE_OPEN_READONLY, out, err);
    if (rc == SG_E_IO && !has_log(folder)) rc = open_immutable(folder, out, err);
    if (rc < 0) return rc;
    sqlite3_db_config((*out)->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    return end_opening(out, a, id, err);
}

bool sg_rundb_restarted(const struct sg_rundb *d) {
    return d->restarted;
}

/* --- reading ---------------------------------------------------------------------------------------------------- */

static void read_record(sqlite3_stmt *s, struct sg_record_row *r) {
    *r = (struct sg_record_row){.position = column_u64(s, 0),
                                .outcome = sqlite3_column_int(s, 1),
                                .started = sqlite3_column_int64(s, 2),
                                .ended = sqlite3_column_int64(s, 3),
                                .steps = column_u32(s, 4),
                                .attempts = column_u32(s, 5),
                                .line = column_u64(s, 6)};
    r->has_body = column_place(s, 7, &r->body);
}

static void read_call(sqlite3_stmt *s, struct sg_call_row *c) {
    *c = (struct sg_call_row){.position = column_u64(s, 0),
                              .node = column_u32(s, 1),
                              .visit = column_u32(s, 2),
                              .ordinal = column_u32(s, 3),
                              .sub = column_u32(s, 4),
                              .state = sqlite3_column_int(s, 5),
                              .attempts = column_u32(s, 6),
                              .not_before = sqlite3_column_int64(s, 7),
                              .status = sqlite3_column_int(s, 8),
                              .started = sqlite3_column_int64(s, 9),
                              .latency_us = sqlite3_column_int64(s, 10),
                              .prompt_tokens = column_u64(s, 11),
                              .completion_tokens = column_u64(s, 12),
                              .request = column_u64(s, 13)};
    c->has_body = column_place(s, 14, &c->body);
}

int sg_rundb_records(struct sg_rundb *d, uint64_t from, int outcome, sg_record_row_fn *fn, void *ud) {
    sqlite3_stmt *s = NULL;
    struct sg_record_row row;
    int rc = begin_read(d, GET_RECORDS, &s, "records");
    if (rc < 0) return rc;
    bind_u64(s, 1, from);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        if (outcome >= 0 && sqlite3_column_int(s, 1) != outcome) continue;
        read_record(s, &row);
        if (!fn(ud, &row)) break;
    }
    return end_read(d, s, rc, "records");
}

int sg_rundb_calls(struct sg_rundb *d, uint64_t from, uint64_t to, sg_call_row_fn *fn, void *ud) {
    sqlite3_stmt *s = NULL;
    struct sg_call_row row;
    int rc = begin_read(d, GET_CALLS, &s, "calls");
    if (rc < 0) return rc;
    bind_u64(s, 1, from);
    bind_u64(s, 2, to);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        read_call(s, &row);
        if (!fn(ud, &row)) break;
    }
    return end_read(d, s, rc, "calls");
}

int sg_rundb_causes(struct sg_rundb *d, sg_cause_fn *fn, void *ud) {
    sqlite3_stmt *s = NULL;
    int rc = begin_read(d, GET_CAUSES, &s, "causes");
    if (rc < 0) return rc;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW)
        if (!fn(ud, column_text(s, 0), column_text(s, 1), column_u64(s, 2), column_text(s, 3))) break;
    return end_read(d, s, rc, "causes");
}

int sg_rundb_integrity(struct sg_rundb *d, void (*fn)(void *ud, struct sg_str finding), void *ud) {
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(d->db, "PRAGMA integrity_check", -1, &s, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        rc = SQLITE_OK;
        struct sg_str text = column_text(s, 0);
        if (!sg_str_eq(text, SG_STR("ok"))) fn(ud, text);
    }
    sqlite3_finalize(s);
    return rc == SQLITE_DONE ? 0 : fail(d, rc, "integrity");
}
