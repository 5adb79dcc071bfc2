/* SPDX-License-Identifier: Apache-2.0 */
/* rundb_identity: what a run is, in the tables meta, nodes and keys. */
#include "journal/rundb_parts.h"

#include <stdio.h>
#include <stdlib.h>

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

/* --- what a run is ---------------------------------------------------------------------------------------------- */

struct sg_str sg_rundb_get(struct sg_rundb *d, struct sg_arena *a, struct sg_str key) {
    sqlite3_stmt *s = NULL;
    struct sg_str value = SG_STR("");
    if (sg_rundb_begin_read(d, GET_META, &s, "meta") < 0) return value;
    sg_bind_text(s, 1, key);
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) value = sg_str_dup(a, sg_column_text(s, 0));
    sg_rundb_end_read(d, s, rc, "meta");
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

/* Rows of names, numbered from 0; each has `n` texts in a row. */
static int put_names(struct sg_rundb *d, const char *sql, const struct sg_str *names, size_t rows, int n,
                     const char *what) {
    sqlite3_stmt *s = NULL;
    if (d->err.code) return d->err.code;
    int rc = sqlite3_prepare_v2(d->db, sql, -1, &s, NULL);
    for (size_t i = 0; rc == SQLITE_OK && i < rows; i++) {
        sg_bind_u64(s, 1, i);
        for (int k = 0; k < n; k++) sg_bind_text(s, 2 + k, names[i * (size_t)n + (size_t)k]);
        sqlite3_step(s);
        rc = sqlite3_reset(s);
    }
    sqlite3_finalize(s);
    return rc == SQLITE_OK ? 0 : sg_rundb_fail(d, rc, what);
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
            *SG_PUSH(a, names, count, cap) = sg_str_dup(a, sg_column_text(s, i));
        (*rows)++;
    }
    if (rc != SQLITE_DONE) sg_rundb_fail(d, rc, what);
    sqlite3_finalize(s);
    return names;
}

/* A node is five texts and nothing else. */
#define NODE_TEXTS 5
_Static_assert(sizeof(struct sg_run_node) == NODE_TEXTS * sizeof(struct sg_str), "struct sg_run_node");

static int put_nodes(struct sg_rundb *d, const struct sg_run_identity *id) {
    return put_names(d, "INSERT INTO nodes VALUES(?,?,?,?,?,?)", (const struct sg_str *)id->nodes, id->n_nodes,
                     NODE_TEXTS, "nodes");
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
        to_nodes[i].request = sg_str_dup(a, from->nodes[i].request);
        to_nodes[i].result = sg_str_dup(a, from->nodes[i].result);
    }
    struct sg_str *to_keys = SG_NEW_N(a, struct sg_str, from->n_keys);
    for (size_t i = 0; i < from->n_keys; i++) to_keys[i] = sg_str_dup(a, from->keys[i]);
    to->nodes = to_nodes;
    to->keys = to_keys;
}

int sg_rundb_put_identity(struct sg_rundb *d, const struct sg_run_identity *id) {
    sg_rundb_meta(d, SG_STR("task"), id->task);
    sg_rundb_meta(d, SG_STR("folder"), id->folder);
    sg_rundb_meta(d, SG_STR("stem"), id->stem);
    put_number(d, "seed", (int64_t)id->seed);
    put_number(d, "first", (int64_t)id->first);
    put_number(d, "started_ms", id->started_ms);
    sg_rundb_source(d, &id->source);
    sg_rundb_update(d, id);
    put_nodes(d, id);
    return put_keys(d, id);
}

/* --- another task ------------------------------------------------------------------------------------------------ */

#define FIRST_GONE (1 << 30)

/* The number that a name has now; -1: it is gone. Names stand `step` texts apart. */
static int64_t number_now(struct sg_str name, const struct sg_str *is, size_t n, size_t step) {
    for (size_t k = 0; k < n; k++)
        if (sg_str_eq(name, is[k * step])) return (int64_t)k;
    return -1;
}

/* What was paid stays paid: counts of a node that is gone get a number of their own, above those of all plans. */
static bool holds_counts(const char *table) {
    return strcmp(table, "tallies") == 0 || strcmp(table, "times") == 0 || strcmp(table, "spent") == 0;
}

static int renumber_one(struct sg_rundb *d, const char *table, const char *column, size_t from, int64_t to) {
    char sql[160];
    if (to < 0 && holds_counts(table))
        sqlite3_snprintf(sizeof sql, sql, "UPDATE %s SET %s=(SELECT max(max(%s)+1,%d) FROM %s) WHERE %s=%llu", table, column,
                         column, FIRST_GONE, table, column, (unsigned long long)from);
    else if (to < 0)
        sqlite3_snprintf(sizeof sql, sql, "DELETE FROM %s WHERE %s=%llu", table, column, (unsigned long long)from);
    else
        sqlite3_snprintf(sizeof sql, sql, "UPDATE %s SET %s=%lld WHERE %s=%llu", table, column,
                         (long long)(-1 - to), column, (unsigned long long)from);
    return sg_rundb_run_once(d, sql, table);
}

/* New numbers are negative until all have one, as a new one may be another's old one. */
static int renumber(struct sg_rundb *d, const char *table, const char *column, const struct sg_str *was, size_t n_was,
                    const struct sg_str *is, size_t n_is, size_t step) {
    char sql[160];
    int rc = 0;
    bool any = false;
    for (size_t i = 0; i < n_was && rc == 0; i++) {
        int64_t now = number_now(was[i * step], is, n_is, step);
        if (now == (int64_t)i) continue;
        any = true;
        rc = renumber_one(d, table, column, i, now);
    }
    sqlite3_snprintf(sizeof sql, sql, "UPDATE %s SET %s=-1-%s WHERE %s<0", table, column, column, column);
    return any && rc == 0 ? sg_rundb_run_once(d, sql, table) : rc;
}

/* What a changed node has tried is tried anew. */
static int forget_tries(struct sg_rundb *d, const struct sg_run_identity *was, const struct sg_run_identity *is) {
    char sql[100];
    int rc = 0;
    for (size_t i = 0; i < was->n_nodes && rc == 0; i++) {
        int64_t now = number_now(was->nodes[i].name, (const struct sg_str *)is->nodes, is->n_nodes, NODE_TEXTS);
        if (now < 0 || sg_str_eq(was->nodes[i].hash, is->nodes[now].hash)) continue;
        sqlite3_snprintf(sizeof sql, sql, "DELETE FROM calls WHERE node=%llu AND state IN (%d,%d)",
                         (unsigned long long)i, SG_CALL_FAILED, SG_CALL_AGAIN);
        rc = sg_rundb_run_once(d, sql, "calls");
    }
    return rc;
}

int sg_rundb_renew(struct sg_rundb *d, const struct sg_run_identity *was, const struct sg_run_identity *is) {
    static const char *const tables[] = {"calls", "writers", "tallies", "times", "spent"};
    const struct sg_str *old_nodes = (const struct sg_str *)was->nodes, *nodes = (const struct sg_str *)is->nodes;
    int rc = forget_tries(d, was, is);
    for (int i = 0; i < 5 && rc == 0; i++)
        rc = renumber(d, tables[i], "node", old_nodes, was->n_nodes, nodes, is->n_nodes, NODE_TEXTS);
    if (rc == 0) rc = renumber(d, "writers", "key", was->keys, was->n_keys, is->keys, is->n_keys, 1);
    if (rc == 0) rc = sg_rundb_run_once(d, "DELETE FROM nodes", "nodes");
    if (rc == 0) rc = sg_rundb_run_once(d, "DELETE FROM keys", "keys");
    if (rc == 0) rc = put_nodes(d, is);
    return rc == 0 ? put_keys(d, is) : rc;
}

int sg_rundb_get_identity(struct sg_rundb *d, struct sg_arena *a, struct sg_run_identity *id) {
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
    id->nodes = (const struct sg_run_node *)get_names(d, a, "SELECT name,kind,hash,request,result FROM nodes ORDER BY id",
                                                      &id->n_nodes, "nodes");
    id->keys = get_names(d, a, "SELECT name FROM keys ORDER BY id", &id->n_keys, "keys");
    struct sg_str boot = sg_boot_id(a), then = sg_rundb_get(d, a, SG_STR("boot"));
    d->restarted = boot.n == 0 || !sg_str_eq(boot, then);
    return d->err.code;
}
