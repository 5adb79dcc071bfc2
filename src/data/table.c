/* SPDX-License-Identifier: Apache-2.0 */
/* table: one file, one query, whose answer is streamed: DuckDB works while a chunk is fetched, and on this thread.
 *
 * The file's name stands in the query as text, since the columns must be known before it runs. Columns in folder names
 * (hive) are none. */
#include "data/table.h"
#include "data/table_value.h"

#include <stdio.h>
#include <stdlib.h>

struct column {
    struct sg_str name;
    struct sg_table_type type;
};

struct sg_table {
    const struct sg_duckdb *lib;
    struct sg_arena arena;
    struct sg_str name;
    duckdb_ref database, connection, statement;
    struct duckdb_answer answer;
    bool answered;
    struct column *columns;
    size_t n_columns;
    duckdb_ref chunk, *vectors; /* one a column, of the chunk */
    uint64_t row, n_rows;       /* in the chunk; row: the one behind the current */
    uint64_t before;            /* rows of earlier chunks */
};

/* What DuckDB says is one line and names the file once more; the rest is advice about SQL. */
static int failed(const struct sg_table *t, const char *doing, const char *why, struct sg_err *err) {
    struct sg_str text = sg_str(why ? why : "no reason given");
    text.n = sg_str_find(text, '\n', 0);
    return sg_fail(err, SG_E_SYNTAX, "%.*s: %s: %.*s", SG_ARG(t->name), doing, (int)(text.n < 300 ? text.n : 300),
                   text.p);
}

/* --- opening ---------------------------------------------------------------------------------------------------- */

static int open_database(struct sg_table *t, struct sg_err *err) {
    const struct sg_duckdb *lib = t->lib;
    char *why = NULL;
    int rc = sg_duckdb_start(lib, &t->database, &t->connection, &why);
    /* What is worked out ahead of us is lost when the file turns out to be damaged. */
    if (rc == 0) rc = lib->query(t->connection, "SET streaming_buffer_size = '256KB'", NULL);
    if (rc != 0) failed(t, "DuckDB does not start", why, err);
    if (why) lib->free(why);
    return rc == 0 ? 0 : SG_E_UNSUPPORTED;
}

static void put_file(struct sg_buf *b, const char *path) {
    SG_BUF_LIT(b, " FROM read_parquet(");
    sg_duckdb_put_path(b, path, true);
    SG_BUF_LIT(b, ", hive_partitioning = false)");
}

static void put_column(struct sg_buf *b, struct sg_str name) {
    sg_buf_ch(b, '"');
    for (size_t i = 0; i < name.n; i++) {
        if (name.p[i] == '"') sg_buf_ch(b, '"');
        sg_buf_ch(b, name.p[i]);
    }
    sg_buf_ch(b, '"');
}

/* The columns to read, by their numbers in the file; a row without columns is asked for as such. */
static int prepare(struct sg_table *t, const char *path, const struct column *columns, size_t n, struct sg_err *err) {
    struct sg_buf query = SG_BUF_INIT(1 << 20);
    SG_BUF_LIT(&query, "SELECT ");
    for (size_t i = 0; i < n; i++) {
        if (i) sg_buf_ch(&query, ',');
        put_column(&query, columns[i].name);
    }
    if (n == 0) SG_BUF_LIT(&query, "*");
    put_file(&query, path);
    sg_buf_ch(&query, '\0');
    t->lib->destroy_prepare(&t->statement);
    int rc = query.failed ? SG_E_LIMIT : t->lib->prepare(t->connection, query.p, &t->statement);
    if (rc != 0)
        rc =
            failed(t, "cannot be read", query.failed ? "too many columns" : t->lib->prepare_error(t->statement), err);
    sg_buf_fini(&query);
    return rc;
}

static int read_column(struct sg_table *t, uint64_t i, struct column *out, struct sg_err *err) {
    const struct sg_duckdb *lib = t->lib;
    const char *what;
    duckdb_ref type = lib->prepared_statement_column_logical_type(t->statement, i);
    bool fine = sg_table_type(lib, &t->arena, type, &out->type, &what);
    lib->destroy_logical_type(&type);
    if (fine) return 0;
    return sg_fail(
        err, SG_E_UNSUPPORTED,
        "%.*s: column `%.*s` is, or holds, %s, which JSON has no form for; name the columns you want in `fields`",
        SG_ARG(t->name), SG_ARG(out->name), what);
}

static int read_columns(struct sg_table *t, const struct sg_row_maker *m, struct sg_err *err) {
    const struct sg_duckdb *lib = t->lib;
    uint64_t n = lib->prepared_statement_column_count(t->statement);
    t->columns = SG_NEW_N(&t->arena, struct column, n);
    for (uint64_t i = 0; i < n; i++) {
        const char *text = lib->prepared_statement_column_name(t->statement, i);
        struct sg_str name = sg_str_dup(&t->arena, sg_str(text));
        lib->free((void *)text);
        if (!sg_row_wants(m, name)) continue;
        struct column *c = &t->columns[t->n_columns++];
        c->name = name;
        int rc = read_column(t, i, c, err);
        if (rc < 0) return rc;
    }
    t->vectors = SG_NEW_N(&t->arena, duckdb_ref, n);
    return 0;
}

static int start(struct sg_table *t, struct sg_err *err) {
    duckdb_ref pending = NULL;
    int rc = t->lib->pending_prepared_streaming(t->statement, &pending);
    if (rc != 0) failed(t, "cannot be read", t->lib->pending_error(pending), err);
    if (rc == 0) {
        rc = t->lib->execute_pending(pending, &t->answer);
        t->answered = true;
        if (rc != 0) failed(t, "cannot be read", t->lib->result_error(&t->answer), err);
    }
    t->lib->destroy_pending(&pending);
    return rc == 0 ? 0 : SG_E_SYNTAX;
}

int sg_table_open(const char *path, const struct sg_places *at, const struct sg_row_maker *m, struct sg_table **out,
                  struct sg_err *err) {
    const struct sg_duckdb *lib;
    int rc = sg_duckdb_open(at, &lib, err);
    if (rc < 0) return sg_err_wrap(err, rc, "%s", path);
    struct sg_table *t = sg_xcalloc(1, sizeof *t);
    t->lib = lib;
    sg_arena_init(&t->arena, 0);
    t->name = sg_str_dup(&t->arena, sg_str(path));
    rc = open_database(t, err);
    if (rc == 0) rc = prepare(t, path, NULL, 0, err);
    if (rc == 0) rc = read_columns(t, m, err);
    if (rc == 0 && m->n_fields && t->n_columns) rc = prepare(t, path, t->columns, t->n_columns, err);
    if (rc == 0) rc = start(t, err);
    if (rc < 0) sg_table_close(t);
    else *out = t;
    return rc;
}

static void drop_chunk(struct sg_table *t) {
    if (t->chunk) t->lib->destroy_data_chunk(&t->chunk);
    t->before += t->n_rows;
    t->row = t->n_rows = 0;
}

void sg_table_close(struct sg_table *t) {
    if (!t) return;
    drop_chunk(t);
    if (t->answered) t->lib->destroy_result(&t->answer);
    if (t->statement) t->lib->destroy_prepare(&t->statement);
    if (t->connection) t->lib->disconnect(&t->connection);
    if (t->database) t->lib->close(&t->database);
    sg_arena_fini(&t->arena);
    free(t);
}

/* --- rows ------------------------------------------------------------------------------------------------------- */

/* No chunk and no error: the end. */
static enum sg_split next_chunk(struct sg_table *t, struct sg_err *err) {
    drop_chunk(t);
    t->chunk = t->lib->fetch_chunk(t->answer);
    const char *why = t->chunk ? NULL : t->lib->result_error(&t->answer);
    if (why && *why) {
        char doing[64];
        snprintf(doing, sizeof doing, "broken behind row %llu", (unsigned long long)t->before);
        failed(t, doing, why, err);
        return SG_SPLIT_BROKEN;
    }
    if (!t->chunk) return SG_SPLIT_ENDED;
    t->n_rows = t->lib->data_chunk_get_size(t->chunk);
    for (size_t i = 0; i < t->n_columns; i++) t->vectors[i] = t->lib->data_chunk_get_vector(t->chunk, i);
    return SG_SPLIT_GOT;
}

enum sg_split sg_table_next(struct sg_table *t, struct sg_err *err) {
    while (t->row == t->n_rows) {
        enum sg_split got = next_chunk(t, err);
        if (got != SG_SPLIT_GOT) return got;
    }
    t->row++;
    return SG_SPLIT_GOT;
}

void sg_table_row(const struct sg_table *t, const struct sg_row_maker *m, uint64_t position, struct sg_row *out) {
    struct sg_piece none = {0};
    sg_row_begin(&none, t->n_columns, position, out);
    struct sg_member *members = SG_NEW_N(&out->arena, struct sg_member, t->n_columns);
    for (size_t i = 0; i < t->n_columns; i++) {
        const struct column *c = &t->columns[i];
        members[i] = (struct sg_member){sg_str_dup(&out->arena, c->name),
                                        sg_table_value(t->lib, &out->arena, &c->type, t->vectors[i], t->row - 1)};
    }
    struct sg_json row = sg_json_object(members, t->n_columns);
    sg_row_finish(m, &row, out);
}
