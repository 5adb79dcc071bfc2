/* SPDX-License-Identifier: Apache-2.0 */
/* table_write: a Parquet file from lines of plain objects: DuckDB reads the lines with the types it is told, and copies. */
#include "data/data.h"
#include "data/duckdb_lib.h"

#include <fcntl.h>

#define GROUP_BYTES                                                                                                  \
    ((uint64_t)32 << 20) /* of a row group: it is put together in memory, of which DuckDB has 256 MB */

static const char *type_of(enum sg_table_kind kind) {
    static const char *const names[] = {"BOOLEAN", "BIGINT", "DOUBLE", "VARCHAR"};
    return names[kind];
}

static void put_quoted(struct sg_buf *b, struct sg_str text) {
    sg_buf_ch(b, '\'');
    for (size_t i = 0; i < text.n; i++) sg_buf_add(b, "''", text.p[i] == '\'' ? 1 : 0), sg_buf_ch(b, text.p[i]);
    sg_buf_ch(b, '\'');
}

static void put_columns(struct sg_buf *b, const struct sg_table_lines *from) {
    SG_BUF_LIT(b, "{");
    for (size_t i = 0; i < from->n_fields; i++) {
        if (i) SG_BUF_LIT(b, ", ");
        put_quoted(b, from->fields[i].name);
        sg_buf_printf(b, ": '%s'", type_of(from->fields[i].kind));
    }
    SG_BUF_LIT(b, "}");
}

/* 2,048 rows are DuckDB's own unit, 122,880 what it makes if it is not asked. */
static uint64_t rows_a_group(const struct sg_table_lines *from) {
    uint64_t each = from->records ? from->bytes / from->records + 1 : 1, rows = GROUP_BYTES / each;
    return rows < 2048 ? 2048 : rows > 122880 ? 122880 : rows;
}

static void put_statement(struct sg_buf *b, const struct sg_table_lines *from, const char *to) {
    uint64_t longest = from->longest + 1 > 16 << 20 ? from->longest + 1 : 16 << 20;
    SG_BUF_LIT(b, "COPY (SELECT * FROM read_json(");
    sg_duckdb_put_path(b, from->path, true);
    SG_BUF_LIT(b, ", format = 'newline_delimited', columns = ");
    put_columns(b, from);
    sg_buf_printf(b, ", maximum_object_size = %llu)) TO ", (unsigned long long)longest);
    sg_duckdb_put_path(b, to, false);
    sg_buf_printf(b, " (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE %llu)",
                  (unsigned long long)rows_a_group(from));
    sg_buf_ch(b, '\0');
}

static int sync_file(const char *path, struct sg_err *err) {
    int fd = sg_os->open(path, O_RDWR | O_CLOEXEC, 0), rc = fd < 0 ? fd : sg_os->sync(fd);
    if (fd >= 0) sg_os->close(fd);
    return rc < 0 ? sg_fail_sys(err, SG_E_IO, -rc, "%s: cannot be synced", path) : 0;
}

static int fail(const char *to, const char *why, struct sg_err *err) {
    struct sg_str text = sg_str(why ? why : "no reason given");
    text.n = sg_str_find(text, '\n', 0);
    return sg_fail(err, SG_E_IO, "%s: DuckDB cannot write it: %.*s", to, (int)(text.n < 300 ? text.n : 300), text.p);
}

static int copy(const struct sg_duckdb *lib, const struct sg_table_lines *from, const char *to, struct sg_err *err) {
    duckdb_ref database = NULL, connection = NULL;
    struct duckdb_answer answer = {0};
    struct sg_buf sql = SG_BUF_INIT(16 << 20);
    char *why = NULL;
    put_statement(&sql, from, to);
    int rc = sql.failed ? SG_E_LIMIT : sg_duckdb_start(lib, &database, &connection, &why);
    if (rc != 0) {
        rc = fail(to, sql.failed ? "the names of its columns are too long" : why, err);
    } else {
        rc = lib->query(connection, sql.p, &answer);
        if (rc != 0) rc = fail(to, lib->result_error(&answer), err);
        lib->destroy_result(&answer);
    }
    if (why) lib->free(why);
    if (connection) lib->disconnect(&connection);
    if (database) lib->close(&database);
    sg_buf_fini(&sql);
    return rc;
}

int sg_table_write(const struct sg_table_lines *from, const char *to, const char *exe_dir, struct sg_err *err) {
    const struct sg_duckdb *lib;
    struct sg_places at;
    struct sg_arena a;
    sg_arena_init(&a, 0);
    sg_duckdb_places(&a, exe_dir, &at);
    int rc = sg_duckdb_open(&at, &lib, err);
    if (rc < 0) sg_err_wrap(err, rc, "%s", to);
    if (rc == 0) rc = copy(lib, from, to, err);
    if (rc == 0) rc = sync_file(to, err);
    sg_arena_fini(&a);
    return rc;
}
