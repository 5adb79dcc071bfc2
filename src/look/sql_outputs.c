/* SPDX-License-Identifier: Apache-2.0 */
/* sql_outputs: the records that have ended, as a table of SQLite's. A scan or a place is all that a cursor holds; the line is
 * read when its column is. */
#include "look/sql.h"

#include <stdlib.h>

enum { POSITION, OUTCOME, JSON };
enum { ONE = 1, FROM = 2, TO = 4 }; /* what a plan was chosen for */

struct table {
    sqlite3_vtab base;
    struct sg_look *k;
};

struct cursor {
    sqlite3_vtab_cursor base;
    struct sg_look *k;
    struct sg_look_scan *scan; /* NULL: one record */
    uint64_t to;
    struct sg_look_record record;
    bool ended;
};

static int fail(sqlite3_vtab *t, const struct sg_err *err) {
    sqlite3_free(t->zErrMsg);
    t->zErrMsg = sqlite3_mprintf("%s", err->text);
    return SQLITE_ERROR;
}

static int on_connect(sqlite3 *db, void *ud, int argc, const char *const *argv, sqlite3_vtab **out, char **why) {
    (void)argc, (void)argv, (void)why;
    int rc = sqlite3_declare_vtab(db, "CREATE TABLE outputs(position INT, outcome TEXT, json TEXT)");
    if (rc != SQLITE_OK) return rc;
    sqlite3_vtab_config(db, SQLITE_VTAB_INNOCUOUS);
    struct table *t = sg_xcalloc(1, sizeof *t);
    t->k = ud;
    *out = &t->base;
    return SQLITE_OK;
}

static int on_disconnect(sqlite3_vtab *t) {
    free(t);
    return SQLITE_OK;
}

static uint64_t rows(const struct table *t) {
    const struct sg_look_facts *f = sg_look_facts(t->k);
    return f->progress.position - f->id.first;
}

/* Values come in the order of argvIndex: the place, or the lower and the upper end. A strict end is as good as the other: SQLite
 * checks again. */
static int on_best_index(sqlite3_vtab *table, sqlite3_index_info *info) {
    int at[3] = {-1, -1, -1}, n = 0, plan = 0;
    for (int i = 0; i < info->nConstraint; i++) {
        if (!info->aConstraint[i].usable || info->aConstraint[i].iColumn != POSITION) continue;
        int op = info->aConstraint[i].op;
        if (op == SQLITE_INDEX_CONSTRAINT_EQ) at[0] = i;
        if (op == SQLITE_INDEX_CONSTRAINT_GE || op == SQLITE_INDEX_CONSTRAINT_GT) at[1] = i;
        if (op == SQLITE_INDEX_CONSTRAINT_LE || op == SQLITE_INDEX_CONSTRAINT_LT) at[2] = i;
    }
    for (int i = 0; i < 3; i++) {
        if (at[i] < 0 || (i > 0 && at[0] >= 0)) continue;
        info->aConstraintUsage[at[i]].argvIndex = ++n;
        plan |= 1 << i;
    }
    double all = (double)rows((struct table *)table) + 10;
    info->idxNum = plan;
    info->estimatedRows = plan & ONE ? 1 : (sqlite3_int64)(plan ? all / 2 : all);
    info->estimatedCost = plan & ONE ? 100 : plan ? all * 5 : all * 10;
    info->orderByConsumed = info->nOrderBy == 1 && info->aOrderBy[0].iColumn == POSITION && !info->aOrderBy[0].desc;
    return SQLITE_OK;
}

static int on_open(sqlite3_vtab *t, sqlite3_vtab_cursor **out) {
    struct cursor *c = sg_xcalloc(1, sizeof *c);
    c->k = ((struct table *)t)->k;
    *out = &c->base;
    return SQLITE_OK;
}

static int on_close(sqlite3_vtab_cursor *base) {
    struct cursor *c = (struct cursor *)base;
    sg_look_scan_close(c->scan);
    free(c);
    return SQLITE_OK;
}

static int on_next(sqlite3_vtab_cursor *base) {
    struct cursor *c = (struct cursor *)base;
    struct sg_err err = {0};
    if (!c->scan) {
        c->ended = true;
        return SQLITE_OK;
    }
    int rc = sg_look_scan_next(c->scan, &c->record, &err);
    c->ended = rc != 1 || c->record.row.position > c->to;
    return rc < 0 ? fail(base->pVtab, &err) : SQLITE_OK;
}

/* A value that is no position at all matches nothing, or everything: SQLite checks again. */
static bool as_position(sqlite3_value *v, uint64_t *out) {
    sqlite3_int64 n = sqlite3_value_int64(v);
    if (sqlite3_value_numeric_type(v) != SQLITE_INTEGER || n < 0) return false;
    *out = (uint64_t)n;
    return true;
}

static int find_one(struct cursor *c, sqlite3_value *v) {
    struct sg_err err = {0};
    uint64_t position;
    c->ended = true;
    if (!as_position(v, &position)) return SQLITE_OK;
    int rc = sg_look_record(c->k, position, false, &c->record, &err);
    c->ended = rc != 0;
    return rc == 0 || rc == SG_E_MISSING ? SQLITE_OK : fail(c->base.pVtab, &err);
}

static int on_filter(sqlite3_vtab_cursor *base, int plan, const char *text, int argc, sqlite3_value **argv) {
    struct cursor *c = (struct cursor *)base;
    struct sg_err err = {0};
    uint64_t from = 0;
    int at = 0;
    (void)text, (void)argc;
    sg_look_scan_close(c->scan);
    c->scan = NULL;
    c->to = UINT64_MAX;
    if (plan & ONE) return find_one(c, argv[0]);
    if (plan & FROM && !as_position(argv[at++], &from)) from = 0;
    if (plan & TO && !as_position(argv[at], &c->to)) c->to = UINT64_MAX;
    if (sg_look_scan_open(c->k, from, SG_LOOK_ALL, false, &c->scan, &err) < 0) return fail(base->pVtab, &err);
    return on_next(base);
}

static int on_eof(sqlite3_vtab_cursor *base) {
    return ((struct cursor *)base)->ended;
}

static int put_line(struct cursor *c, sqlite3_context *to) {
    struct sg_err err = {0};
    if (sg_look_line(c->k, &c->record, &err) < 0) return fail(c->base.pVtab, &err);
    if (c->record.has_json)
        sqlite3_result_text64(to, c->record.json.p, c->record.json.n, SQLITE_TRANSIENT, SQLITE_UTF8);
    else sqlite3_result_null(to);
    return SQLITE_OK;
}

static int on_column(sqlite3_vtab_cursor *base, sqlite3_context *to, int column) {
    struct cursor *c = (struct cursor *)base;
    if (column == JSON) return put_line(c, to);
    if (column == POSITION) sqlite3_result_int64(to, (sqlite3_int64)c->record.row.position);
    else sqlite3_result_text(to, sg_look_outcome_name(c->record.row.outcome).p, -1, SQLITE_STATIC);
    return SQLITE_OK;
}

static int on_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *out) {
    *out = (sqlite3_int64)((struct cursor *)base)->record.row.position;
    return SQLITE_OK;
}

/* xCreate NULL: the table is there by its name, and no other can be made. */
const struct sqlite3_module sg_outputs_module = {
    .xConnect = on_connect,
    .xBestIndex = on_best_index,
    .xDisconnect = on_disconnect,
    .xOpen = on_open,
    .xClose = on_close,
    .xFilter = on_filter,
    .xNext = on_next,
    .xEof = on_eof,
    .xColumn = on_column,
    .xRowid = on_rowid,
};
