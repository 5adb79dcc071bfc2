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
#include "journal/rundb_parts.h"
#include "journal/vfs.h"
#include "journal/wal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define APPLICATION 0x53475231 /* SGR1 */
#define FORMAT 2
#define LOG_BYTES ((int)16 << 20)
#define LOG_PAGES (LOG_BYTES / SG_VFS_PAGE)
#define BUSY_MS 5000

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
#define STEP_COLUMNS "position,step,ended,segment,offset,length"
#define WRITER_COLUMNS "position,key,node,step"

#define TALLY_COLUMNS                                                                                                \
    "node,ordinal,status,error,count,again,prompt_tokens,completion_tokens,unmetered,repeated,sum,least,largest,squares"

static const char *const texts[SG_STATEMENTS] = {
    [BEGIN] = "BEGIN IMMEDIATE",
    [COMMIT] = "COMMIT",
    [PUT_RECORD] = "INSERT OR REPLACE INTO records(" RECORD_COLUMNS ") VALUES(?,?,?,?,?,?,?,?,?,?)",
    [PUT_CALL] = "INSERT OR REPLACE INTO calls(" CALL_COLUMNS ") VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [PUT_STEP] = "INSERT OR REPLACE INTO steps(" STEP_COLUMNS ") VALUES(?,?,?,?,?,?)",
    [PUT_WRITER] = "INSERT OR REPLACE INTO writers(" WRITER_COLUMNS ") VALUES(?,?,?,?)",
    [PUT_PROGRESS] = "INSERT OR REPLACE INTO progress(id," PROGRESS_COLUMNS ") VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,"
                     "?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [PUT_META] = "INSERT OR REPLACE INTO meta(key,value) VALUES(?,?)",
    [PUT_CAUSE] = "INSERT INTO causes(node,code,count,text) VALUES(?,?,?,?) "
                  "ON CONFLICT DO UPDATE SET count=count+excluded.count",
    [FORGET_RECORDS] = "DELETE FROM records WHERE position>=? AND position<?",
    [FORGET_OK_RECORDS] = "DELETE FROM records WHERE position>=? AND position<? AND outcome=0",
    [FORGET_CALLS] = "DELETE FROM calls WHERE position>=? AND position<?",
    [FORGET_STEPS] = "DELETE FROM steps WHERE position>=? AND position<?",
    [FORGET_WRITERS] = "DELETE FROM writers WHERE position>=? AND position<?",
    [UNSPEND] = "UPDATE spent SET calls=calls-n, prompt_tokens=spent.prompt_tokens-p, completion_tokens=spent.completion_tokens-c"
                " FROM (SELECT node AS of_node, ordinal AS of_ordinal, count(*) AS n, sum(prompt_tokens) AS p,"
                " sum(completion_tokens) AS c FROM calls WHERE position=? AND state=1 GROUP BY node, ordinal)"
                " WHERE outcome=? AND node=of_node AND ordinal=of_ordinal",
    [GET_PROGRESS] = "SELECT " PROGRESS_COLUMNS " FROM progress WHERE id=?",
    [GET_RECORDS] = "SELECT " RECORD_COLUMNS " FROM records WHERE position>=? ORDER BY position",
    [GET_CALLS] = "SELECT " CALL_COLUMNS " FROM calls WHERE position>=? AND position<? "
                  "ORDER BY position,node,visit,ordinal,sub",
    [GET_STEPS] = "SELECT " STEP_COLUMNS " FROM steps WHERE position>=? AND position<? ORDER BY position,step",
    [GET_WRITERS] = "SELECT " WRITER_COLUMNS " FROM writers WHERE position>=? AND position<? ORDER BY position,key",
    [COUNT_CALL_BODIES] = "SELECT segment,count(*) FROM calls WHERE position>=? AND position<? AND segment NOT NULL "
                          "GROUP BY segment",
    [COUNT_STEP_BODIES] = "SELECT segment,count(*) FROM steps WHERE position>=? AND position<? AND segment NOT NULL "
                          "GROUP BY segment",
    [GET_CAUSES] = "SELECT node,code,count,text FROM causes ORDER BY count DESC,node,code",
    [GET_META] = "SELECT value FROM meta WHERE key=?",
    [PUT_TALLY] = "INSERT OR REPLACE INTO tallies(" TALLY_COLUMNS ") VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
    [PUT_TIME] = "INSERT OR REPLACE INTO times(node,ordinal,step,count) VALUES(?,?,?,?)",
    [PUT_SPENT] = "INSERT OR REPLACE INTO spent(outcome,node,ordinal,calls,prompt_tokens,completion_tokens) "
                  "VALUES(?,?,?,?,?,?)",
    [GET_TALLIES] = "SELECT " TALLY_COLUMNS " FROM tallies ORDER BY node,ordinal,status,error",
    [GET_TIMES] = "SELECT node,ordinal,step,count FROM times ORDER BY node,ordinal,step",
    [GET_SPENT] = "SELECT outcome,node,ordinal,calls,prompt_tokens,completion_tokens FROM spent "
                  "ORDER BY outcome,node,ordinal",
};

static const char schema[] =
    "CREATE TABLE tallies(node INT, ordinal INT, status INT, error TEXT, count INT, again INT, prompt_tokens INT,"
    " completion_tokens INT, unmetered INT, repeated INT, sum INT, least INT, largest INT, squares REAL,"
    " PRIMARY KEY(node, ordinal, status, error)) WITHOUT ROWID;"
    "CREATE TABLE times(node INT, ordinal INT, step INT, count INT, PRIMARY KEY(node, ordinal, step)) WITHOUT ROWID;"
    "CREATE TABLE spent(outcome INT, node INT, ordinal INT, calls INT, prompt_tokens INT, completion_tokens INT,"
    " PRIMARY KEY(outcome, node, ordinal)) WITHOUT ROWID;"
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;"
    "CREATE TABLE nodes(id INTEGER PRIMARY KEY, name TEXT, kind TEXT, hash TEXT, request TEXT, result TEXT);"
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
int sg_rundb_fail_opening(sqlite3 *db, const char *path, int rc, const char *what, struct sg_err *err) {
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
int sg_rundb_fail(struct sg_rundb *d, int rc, const char *what) {
    if (d->err.code == 0) sg_rundb_fail_opening(d->db, d->path.p, rc, what, &d->err);
    if (d->in_group) sqlite3_exec(d->db, "ROLLBACK", NULL, NULL, NULL);
    d->in_group = false;
    return d->err.code;
}

const struct sg_err *sg_rundb_error(const struct sg_rundb *d) {
    return &d->err;
}

/* --- statements ------------------------------------------------------------------------------------------------- */

static int prepare(struct sg_rundb *d, enum sg_statement which, sqlite3_stmt **out) {
    int rc = SQLITE_OK;
    if (!d->statements[which])
        rc = sqlite3_prepare_v3(d->db, texts[which], -1, SQLITE_PREPARE_PERSISTENT, &d->statements[which], NULL);
    *out = d->statements[which];
    return rc;
}

/* Runs a bound statement that gives no rows. */
int sg_rundb_run(struct sg_rundb *d, sqlite3_stmt *s, const char *what) {
    int rc = sqlite3_step(s);
    sqlite3_reset(s);
    return rc == SQLITE_DONE ? 0 : sg_rundb_fail(d, rc, what);
}

static int run_plain(struct sg_rundb *d, enum sg_statement which, const char *what) {
    sqlite3_stmt *s = NULL;
    int rc = prepare(d, which, &s);
    return rc == SQLITE_OK ? sg_rundb_run(d, s, what) : sg_rundb_fail(d, rc, what);
}

/* A statement that writes, in an open group. */
int sg_rundb_begin_write(struct sg_rundb *d, enum sg_statement which, sqlite3_stmt **out, const char *what) {
    if (d->err.code) return d->err.code;
    if (!d->in_group) {
        int rc = run_plain(d, BEGIN, "begin");
        if (rc < 0) return rc;
        d->in_group = true;
    }
    int rc = prepare(d, which, out);
    return rc == SQLITE_OK ? 0 : sg_rundb_fail(d, rc, what);
}

int sg_rundb_end_read(struct sg_rundb *d, sqlite3_stmt *s, int rc, const char *what) {
    sqlite3_reset(s);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : sg_rundb_fail(d, rc, what);
}

int sg_rundb_begin_read(struct sg_rundb *d, enum sg_statement which, sqlite3_stmt **out, const char *what) {
    if (d->err.code) return d->err.code;
    int rc = prepare(d, which, out);
    return rc == SQLITE_OK ? 0 : sg_rundb_fail(d, rc, what);
}

int sg_rundb_commit(struct sg_rundb *d, const struct sg_progress *now, const struct sg_progress *synced) {
    int rc = sg_rundb_put_progress(d, 1, now);
    if (rc == 0 && synced) rc = sg_rundb_put_progress(d, 2, synced);
    if (rc == 0) rc = run_plain(d, COMMIT, "commit");
    if (rc == 0) d->in_group = false;
    return rc;
}

/* --- syncing ---------------------------------------------------------------------------------------------------- */

static int on_commit(void *ud, sqlite3 *db, const char *name, int pages) {
    struct sg_rundb *d = ud;
    (void)db, (void)name;
    atomic_store(&d->log_pages, pages);
    return SQLITE_OK;
}

static struct sg_str parent_of(struct sg_str path) {
    while (path.n && path.p[path.n - 1] == '/') path.n--;
    while (path.n && path.p[path.n - 1] != '/') path.n--;
    return path;
}

/* The run's folder names the database, its parent names the folder. Those above may be new as well; some of them may be
 * nobody's to open. */
static int sync_folders(const struct sg_rundb *d, struct sg_err *err) {
    struct sg_arena scratch;
    sg_arena_init(&scratch, 0);
    struct sg_str parent = parent_of(d->folder);
    int rc = sg_os_sync_folder(d->folder.p);
    if (rc == 0) rc = sg_os_sync_folder(parent.n ? sg_str_dup(&scratch, parent).p : ".");
    for (parent = parent_of(parent); parent.n && rc == 0; parent = parent_of(parent))
        sg_os_sync_folder(sg_str_dup(&scratch, parent).p);
    sg_arena_fini(&scratch);
    return rc < 0 ? sg_fail_sys(err, SG_E_IO, -rc, "%s: sync failed", d->folder.p) : 0;
}

static int sync_log(const struct sg_rundb *d, struct sg_err *err) {
    int rc = d->log->pMethods->xSync(d->log, SQLITE_SYNC_NORMAL);
    return rc == SQLITE_OK ? 0 : sg_rundb_fail_opening(NULL, d->path.p, rc, "sync", err);
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
    if (rc != SQLITE_OK) return sg_rundb_fail_opening(d->second, d->path.p, rc, "checkpoint", err);
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
    return rc == SQLITE_OK ? 0 : sg_rundb_fail(d, rc, "checkpoint");
}

/* --- opening ---------------------------------------------------------------------------------------------------- */

static const char setup[] = "PRAGMA synchronous=NORMAL;PRAGMA wal_autocheckpoint=0;PRAGMA temp_store=MEMORY;"
                            "PRAGMA cell_size_check=ON;PRAGMA trusted_schema=OFF";

/* Closing the last connection moves the log into the database and deletes it. A folder that is only looked at, or refused
 * (damaged, of another program), stays as it is: so moving is allowed when nothing can go wrong any more. */
static void move_log_on_close(sqlite3 *db, bool on) {
    sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, !on, NULL);
}

static int open_sqlite(const char *path, int flags, sqlite3 **out, struct sg_err *err) {
    *out = NULL;
    int rc = sqlite3_open_v2(path, out, flags | SQLITE_OPEN_NOMUTEX, sg_vfs());
    if (rc == SQLITE_OK) {
        move_log_on_close(*out, flags & SQLITE_OPEN_CREATE);
        sqlite3_extended_result_codes(*out, 1);
        sqlite3_busy_timeout(*out, BUSY_MS);
        rc = sqlite3_exec(*out, setup, NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK) return 0;
    rc = sg_rundb_fail_opening(*out, path, rc, "cannot be opened", err);
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
    for (int i = 0; i < SG_STATEMENTS; i++) sqlite3_finalize(d->statements[i]);
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
    return rc == SQLITE_ROW ? 0 : sg_rundb_fail_opening(d->db, d->path.p, rc, "cannot be read", err);
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

void sg_rundb_remove_log(const char *folder) {
    struct unlinking u = {.folder = folder};
    sg_arena_init(&u.arena, 0);
    unlink_one(&u, SG_RUN_LOG);
    unlink_one(&u, SG_RUN_LOG_BEFORE);
    sg_arena_fini(&u.arena);
}

void sg_rundb_remove_beside(const char *folder) {
    struct unlinking u = {.folder = folder};
    sg_arena_init(&u.arena, 0);
    unlink_one(&u, SG_RUN_INPUT);
    unlink_one(&u, SG_RUN_POST);
    sg_arena_fini(&u.arena);
}

static int exec(struct sg_rundb *d, const char *sql, struct sg_err *err) {
    int rc = sqlite3_exec(d->db, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : sg_rundb_fail_opening(d->db, d->path.p, rc, "cannot be made", err);
}

static int fill_new(struct sg_rundb *d, const struct sg_run_identity *id, struct sg_err *err) {
    struct sg_progress nothing = {.position = id->first, .pulled = id->first};
    int rc = exec(d, "PRAGMA page_size=16384;PRAGMA journal_mode=OFF;PRAGMA synchronous=OFF", err);
    if (rc == 0) sg_vfs_reserve(d->db);
    if (rc == 0) rc = exec(d, "PRAGMA application_id=0x53475231;PRAGMA user_version=2", err);
    if (rc == 0) rc = exec(d, schema, err);
    if (rc < 0) return rc;
    sg_rundb_put_identity(d, id);
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
    int64_t application = 0, format = 0;
    int rc = get_number(d, "PRAGMA application_id", &application, err);
    if (rc == 0) rc = get_number(d, "PRAGMA user_version", &format, err);
    if (rc < 0) return rc;
    if (application != APPLICATION) return sg_fail(err, SG_E_SYNTAX, "%s: is not the database of a run", d->path.p);
    return format == FORMAT ? 0 : refuse_format(d, format, err);
}

/* An empty database is a new one to SQLite, which then deletes its log. */
static int find_database(const struct sg_rundb *d, struct sg_err *err) {
    struct sg_file_info info;
    if (sg_os->stat(d->path.p, &info) < 0) return sg_fail(err, SG_E_MISSING, "%s: there is no run", d->folder.p);
    return info.size ? 0 : sg_fail(err, SG_E_SYNTAX, "%s: byte 0: the file ends here", d->path.p);
}

/* `name` is the path, or a URI. */
static int open_existing(const char *folder, const char *name, int flags, struct sg_rundb **out, struct sg_err *err) {
    struct sg_rundb *d = new_rundb(folder);
    *out = NULL;
    int rc = find_database(d, err);
    if (rc == 0) rc = open_sqlite(name ? name : d->path.p, flags, &d->db, err);
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

int sg_rundb_create(const char *folder, const struct sg_run_identity *id, struct sg_rundb **out, struct sg_err *err) {
    struct sg_rundb *d = new_rundb(folder);
    *out = NULL;
    int rc = make_new(d, id, err);
    sg_rundb_close(d);
    if (rc == 0) rc = open_for_writing(folder, out, err);
    if (rc == 0) move_log_on_close((*out)->db, true);
    return rc;
}

static int refuse_damage(struct sg_rundb *d, struct sg_err *err) {
    return sg_wal_check(sg_str_join(&d->arena, d->path, SG_STR("-wal")).p, err);
}

/* What a loss of power has left behind a hole in the log must not be there any more when somebody looks for damage. */
static int clear_log(struct sg_rundb *d, struct sg_err *err) {
    int rc = sqlite3_wal_checkpoint_v2(d->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    return rc == SQLITE_OK ? 0 : sg_rundb_fail_opening(d->db, d->path.p, rc, "checkpoint", err);
}

static int check_log(struct sg_rundb *d, struct sg_err *err) {
    return d->restarted ? clear_log(d, err) : refuse_damage(d, err);
}

static int read_identity(struct sg_rundb *d, struct sg_arena *a, struct sg_run_identity *id, struct sg_err *err) {
    int rc = sg_rundb_get_identity(d, a, id);
    if (rc < 0 && err) *err = d->err;
    return rc;
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
    if (rc == 0) {
        move_log_on_close((*out)->db, true);
        return 0;
    }
    sg_rundb_close(*out);
    *out = NULL;
    return rc;
}

int sg_rundb_view(const char *folder, struct sg_arena *a, struct sg_run_identity *id, struct sg_rundb **out,
                  struct sg_err *err) {
    int rc = open_existing(folder, NULL, SQLITE_OPEN_READONLY, out, err);
    if (rc == SG_E_IO && !has_log(folder)) rc = open_immutable(folder, out, err);
    return rc == 0 ? end_opening(out, a, id, err) : rc;
}

struct sqlite3 *sg_rundb_sqlite(struct sg_rundb *d) {
    return d->db;
}

bool sg_rundb_restarted(const struct sg_rundb *d) {
    return d->restarted;
}
