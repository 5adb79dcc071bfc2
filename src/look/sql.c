/* SPDX-License-Identifier: Apache-2.0 */
/* sql: one SELECT over a run. What run.db holds is asked for as it is; beside its tables there are
 *
 *   outputs(position, outcome, json)   a table of ours (sql_outputs.c): every record that has ended, with its line
 *   replies                            calls with the names of nodes and states, and the reply's text
 *   body(segment, offset, length)      a body of any row, or null when it was freed
 *
 * The connection is that of a view, which cannot write; the authorizer lets nothing through but reading, so that no statement
 * reaches another file or changes how this one is read. */
#include "look/sql.h"

#include <stdio.h>
#include <stdlib.h>

#define OPERATIONS 10000 /* of SQLite's machine, between two looks at `stop` */

struct sg_query {
    struct sg_look *k;
    sqlite3 *db;
    sqlite3_stmt *statement;
};

/* --- what is added ---------------------------------------------------------------------------------------------- */

static bool place_of(sqlite3_value **v, struct sg_place *out) {
    *out = (struct sg_place){.segment = (uint32_t)sqlite3_value_int64(v[0]),
                             .offset = (uint64_t)sqlite3_value_int64(v[1]),
                             .length = (uint32_t)sqlite3_value_int64(v[2])};
    return sqlite3_value_type(v[0]) != SQLITE_NULL;
}

static void put_text(sqlite3_context *c, struct sg_str text) {
    sqlite3_result_text64(c, text.n ? text.p : "", text.n, SQLITE_TRANSIENT, SQLITE_UTF8);
}

/* A result is null unless one is set. */
static void body(sqlite3_context *c, int n, sqlite3_value **v) {
    struct sg_buf out = SG_BUF_INIT((size_t)1 << 31);
    struct sg_place place;
    struct sg_err err = {0};
    uint32_t kind;
    (void)n;
    if (!place_of(v, &place)) return;
    int rc = sg_look_body(sqlite3_user_data(c), place, &kind, &out, &err);
    if (rc == 0) put_text(c, sg_buf_view(&out));
    else if (rc != SG_E_MISSING) sqlite3_result_error(c, err.text, -1);
    sg_buf_fini(&out);
}

/* answer(segment, offset, length, 0): the text of a call's reply; 1: why it failed. */
static void answer(sqlite3_context *c, int n, sqlite3_value **v) {
    struct sg_look_answer answer;
    struct sg_call_row row = {.has_body = true};
    struct sg_arena a;
    struct sg_err err = {0};
    (void)n;
    if (!place_of(v, &row.body)) return;
    sg_arena_init(&a, 0);
    int rc = sg_look_answer(sqlite3_user_data(c), &a, &row, &answer, &err);
    bool failure = sqlite3_value_int(v[3]);
    if (rc < 0) sqlite3_result_error(c, err.text, -1);
    else if (!failure && answer.has_reply) put_text(c, answer.reply.text);
    else if (failure && answer.failure.code) put_text(c, sg_str(answer.failure.text));
    sg_arena_fini(&a);
}

static const char views[] =
    "CREATE TEMP VIEW "
    "replies(position,node,kind,visit,ordinal,sub,state,attempts,status,started,latency,prompt_tokens,"
    "completion_tokens,reply,error) AS SELECT c.position,n.name,n.kind,c.visit,c.ordinal,c.sub,"
    "CASE c.state WHEN 0 THEN 'intent' WHEN 1 THEN 'answered' WHEN 2 THEN 'failed' WHEN 3 THEN 'again' WHEN 4 THEN 'done' END,"
    "c.attempts,c.status,c.started,c.latency,c.prompt_tokens,c.completion_tokens,answer(c.segment,c.offset,c.length,"
    "0),"
    "answer(c.segment,c.offset,c.length,1) "
    "FROM main.calls c LEFT JOIN main.nodes n ON n.id=c.node WHERE c.sub=0";

/* The table connects on its first use, which has to be before the authorizer, who would see it being declared. */
static const char first_use[] = "SELECT position FROM outputs LIMIT 0";

/* Once a connection. What a query has to sort goes to disk when it grows: to where temporary files go, not to the run. */
static int add_ours(struct sg_look *k, sqlite3 *db) {
    if (k->has_sql) return SQLITE_OK;
    int rc = sqlite3_exec(db, "PRAGMA temp_store=FILE", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_function_v2(db, "body", 3, SQLITE_UTF8 | SQLITE_INNOCUOUS, k, body, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_create_function_v2(db, "answer", 4, SQLITE_UTF8 | SQLITE_INNOCUOUS, k, answer, NULL, NULL, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_create_module_v2(db, "outputs", &sg_outputs_module, k, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_exec(db, views, NULL, NULL, NULL);
    if (rc == SQLITE_OK) rc = sqlite3_exec(db, first_use, NULL, NULL, NULL);
    k->has_sql = rc == SQLITE_OK;
    return rc;
}

static int allow(void *ud, int action, const char *one, const char *two, const char *three, const char *four) {
    (void)ud, (void)one, (void)three, (void)four;
    switch (action) {
    case SQLITE_SELECT:
    case SQLITE_READ:
    case SQLITE_RECURSIVE:
        return SQLITE_OK;
    case SQLITE_FUNCTION:
        return two && sqlite3_stricmp(two, "load_extension") == 0 ? SQLITE_DENY : SQLITE_OK;
    default:
        return SQLITE_DENY;
    }
}

/* --- advice ----------------------------------------------------------------------------------------------------- */

struct table {
    const char *name, *columns; /* columns NULL: asked of SQLite */
};

static const struct table tables[] = {
    {"records", NULL},
    {"outputs", "position, outcome, json"},
    {"calls", NULL},
    {"replies", "position, node, kind, visit, ordinal, sub, state, attempts, status, started, latency, "
                "prompt_tokens, completion_tokens, reply, error"},
    {"nodes", NULL},
    {"steps", NULL},
    {"writers", NULL},
    {"keys", NULL},
    {"causes", NULL},
    {"meta", NULL},
    {"progress", NULL},
};
#define N_TABLES (sizeof tables / sizeof *tables)

static void add_columns(sqlite3 *db, const struct table *t, struct sg_buf *out) {
    char sql[80];
    sqlite3_stmt *s = NULL;
    if (t->columns) {
        sg_buf_str(out, sg_str(t->columns));
        return;
    }
    sqlite3_snprintf(sizeof sql, sql, "SELECT * FROM main.\"%w\" LIMIT 0", t->name);
    if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK)
        for (int i = 0; i < sqlite3_column_count(s); i++)
            sg_buf_printf(out, "%s%s", i ? ", " : "", sqlite3_column_name(s, i));
    sqlite3_finalize(s);
}

static void add_table(sqlite3 *db, const struct table *t, const char *before, struct sg_buf *out) {
    sg_buf_printf(out, "%s%s: ", before, t->name);
    add_columns(db, t, out);
    sg_buf_ch(out, '\n');
}

void sg_query_tables(struct sg_look *k, struct sg_buf *out) {
    sqlite3 *db = sg_rundb_sqlite(k->db);
    for (size_t i = 0; i < N_TABLES; i++) add_table(db, &tables[i], "", out);
    SG_BUF_LIT(out, "body(segment, offset, length): the text of a row's body\n");
}

static bool is_word(char c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool mentions(struct sg_str sql, const char *name) {
    size_t n = strlen(name);
    for (size_t i = 0; i + n <= sql.n; i++) {
        bool alone = (i == 0 || !is_word(sql.p[i - 1])) && (i + n == sql.n || !is_word(sql.p[i + n]));
        if (alone && sqlite3_strnicmp(sql.p + i, name, (int)n) == 0) return true;
    }
    return false;
}

/* Columns of the tables that the statement speaks of; where it speaks of none that there is, all tables. */
static void advise(struct sg_query *q, struct sg_str sql, const char *why, struct sg_buf *out) {
    size_t n = 0;
    sqlite3_set_authorizer(q->db, NULL, NULL);
    if (strstr(why, "no such table")) {
        SG_BUF_LIT(out, "tables: ");
        for (size_t i = 0; i < N_TABLES; i++) sg_buf_printf(out, "%s%s", i ? ", " : "", tables[i].name);
        sg_buf_ch(out, '\n');
    }
    if (!strstr(why, "no such column")) return;
    for (size_t i = 0; i < N_TABLES; i++)
        if (mentions(sql, tables[i].name)) add_table(q->db, &tables[i], "columns of ", out), n++;
    if (n == 0) sg_query_tables(q->k, out);
}

/* --- running ---------------------------------------------------------------------------------------------------- */

static int fail(const struct sg_query *q, int rc, struct sg_err *err) {
    if ((rc & 0xff) == SQLITE_INTERRUPT) return sg_fail(err, SG_E_CANCELED, "interrupted");
    if ((rc & 0xff) == SQLITE_AUTH)
        return sg_fail(err, SG_E_USAGE, "%s: a run is only looked at: one SELECT, nothing else",
                       sqlite3_errmsg(q->db));
    return sg_fail(err, (rc & 0xff) == SQLITE_ERROR ? SG_E_SYNTAX : SG_E_IO, "%s", sqlite3_errmsg(q->db));
}

static bool is_blank(const char *p, const char *end) {
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r' || *p == ';')) p++;
    return p == end;
}

static int prepare(struct sg_query *q, struct sg_str sql, struct sg_query_advice *advice, struct sg_err *err) {
    const char *tail = NULL;
    sqlite3_set_authorizer(q->db, allow, NULL);
    int rc = sqlite3_prepare_v2(q->db, sql.p, (int)sql.n, &q->statement, &tail);
    if (rc != SQLITE_OK) {
        int code = fail(q, rc, err);
        advice->offset = sqlite3_error_offset(q->db);
        struct sg_err copy = {0};
        sg_fail(&copy, code, "%s", sqlite3_errmsg(q->db));
        advise(q, sql, copy.text, &advice->tables);
        return code;
    }
    if (!q->statement) return sg_fail(err, SG_E_USAGE, "there is no statement");
    if (!is_blank(tail, sql.p + sql.n))
        return sg_fail(err, SG_E_USAGE, "one statement at a time; a second one begins with: %.*s",
                       (int)(sql.p + sql.n - tail < 40 ? sql.p + sql.n - tail : 40), tail);
    return sqlite3_stmt_readonly(q->statement)
               ? 0
               : sg_fail(err, SG_E_USAGE, "a run is only looked at: one SELECT, nothing else");
}

static int is_stopped(void *stop) {
    return *(const volatile int *)stop;
}

int sg_query_open(struct sg_look *k, struct sg_str sql, const volatile int *stop, struct sg_query **out,
                  struct sg_query_advice *advice, struct sg_err *err) {
    struct sg_query *q = sg_xcalloc(1, sizeof *q);
    *advice = (struct sg_query_advice){.offset = -1, .tables = SG_BUF_INIT(1 << 20)};
    q->k = k;
    q->db = sg_rundb_sqlite(k->db);
    int rc =
        sql.n > 1000000 ? sg_fail(err, SG_E_LIMIT, "a statement has 1,000,000 bytes at most") : add_ours(k, q->db);
    if (rc > 0) rc = fail(q, rc, err);
    if (rc == 0) rc = prepare(q, sql, advice, err);
    if (rc == 0 && stop) sqlite3_progress_handler(q->db, OPERATIONS, is_stopped, (void *)stop);
    if (rc == 0) *out = q;
    else sg_query_close(q);
    return rc;
}

size_t sg_query_columns(const struct sg_query *q) {
    return (size_t)sqlite3_column_count(q->statement);
}

struct sg_str sg_query_column(const struct sg_query *q, size_t i) {
    return sg_str(sqlite3_column_name(q->statement, (int)i));
}

int sg_query_next(struct sg_query *q, struct sg_err *err) {
    int rc = sqlite3_step(q->statement);
    if (rc == SQLITE_ROW) return 1;
    return rc == SQLITE_DONE ? 0 : fail(q, rc, err);
}

void sg_query_cell(const struct sg_query *q, size_t i, struct sg_cell *out) {
    int at = (int)i, type = sqlite3_column_type(q->statement, at);
    *out = (struct sg_cell){.kind = type == SQLITE_NULL      ? SG_CELL_NULL
                                    : type == SQLITE_INTEGER ? SG_CELL_INTEGER
                                    : type == SQLITE_FLOAT   ? SG_CELL_REAL
                                    : type == SQLITE_BLOB    ? SG_CELL_BLOB
                                                             : SG_CELL_TEXT};
    const char *text = (const char *)sqlite3_column_text(q->statement, at);
    if (type != SQLITE_NULL)
        out->text = (struct sg_str){text ? text : "", (size_t)sqlite3_column_bytes(q->statement, at)};
}

void sg_query_close(struct sg_query *q) {
    if (!q) return;
    sqlite3_finalize(q->statement);
    sqlite3_set_authorizer(q->db, NULL, NULL);
    sqlite3_progress_handler(q->db, 0, NULL, NULL);
    free(q);
}
