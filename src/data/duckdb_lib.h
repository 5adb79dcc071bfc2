/* SPDX-License-Identifier: Apache-2.0 */
/* duckdb_lib: libduckdb, found and opened at run time, on the first use of a table.
 *
 * Hides: dlopen, the places. The functions are declared here, as far as we call them: the library's own header would be a
 * download of 18 MB for 40 lines. Its C API is stable by promise; the version is checked all the same.
 * Memory: the table of functions lives as long as the process; the library is never unloaded.   Thread: any.
 * Errors: SG_E_MISSING, SG_E_UNSUPPORTED; the text says what to do, then what was tried. */
#ifndef SG_DATA_DUCKDB_LIB_H
#define SG_DATA_DUCKDB_LIB_H

#include "base/base.h"

typedef struct duckdb_handle *duckdb_ref; /* database, connection, config, statement, chunk, vector, type: all are pointers */

/* Returned by value and looked at through functions only. */
struct duckdb_answer {
    uint64_t reserved[3];
    void *reserved_pointers[3];
};

/* Numbers of types, as far as they come out of files that we read. */
enum duckdb_type_number {
    DUCKDB_BOOLEAN = 1,
    DUCKDB_TINYINT,
    DUCKDB_SMALLINT,
    DUCKDB_INTEGER,
    DUCKDB_BIGINT,
    DUCKDB_UTINYINT,
    DUCKDB_USMALLINT,
    DUCKDB_UINTEGER,
    DUCKDB_UBIGINT,
    DUCKDB_FLOAT,
    DUCKDB_DOUBLE,
    DUCKDB_TIMESTAMP,
    DUCKDB_DATE,
    DUCKDB_TIME,
    DUCKDB_INTERVAL,
    DUCKDB_HUGEINT,
    DUCKDB_VARCHAR,
    DUCKDB_BLOB,
    DUCKDB_DECIMAL,
    DUCKDB_TIMESTAMP_S,
    DUCKDB_TIMESTAMP_MS,
    DUCKDB_TIMESTAMP_NS,
    DUCKDB_LIST = 24,
    DUCKDB_STRUCT,
    DUCKDB_MAP,
    DUCKDB_UUID,
    DUCKDB_TIMESTAMP_TZ = 31,
    DUCKDB_UHUGEINT,
    DUCKDB_ARRAY,
    DUCKDB_SQLNULL = 36,
};

/* result, name, parameters */
#define SG_DUCKDB_TABLE(X)                                                                                           \
    X(const char *, library_version, (void))                                                                         \
    X(int, create_config, (duckdb_ref * out))                                                                        \
    X(int, set_config, (duckdb_ref config, const char *name, const char *option))                                    \
    X(void, destroy_config, (duckdb_ref * config))                                                                   \
    X(int, open_ext, (const char *path, duckdb_ref *out, duckdb_ref config, char **why))                             \
    X(int, connect, (duckdb_ref database, duckdb_ref *out))                                                          \
    X(void, disconnect, (duckdb_ref * connection))                                                                   \
    X(void, close, (duckdb_ref * database))                                                                          \
    X(void, free, (void *p))                                                                                         \
    X(int, query, (duckdb_ref connection, const char *query, struct duckdb_answer *out))                             \
    X(int, prepare, (duckdb_ref connection, const char *query, duckdb_ref *out))                                     \
    X(const char *, prepare_error, (duckdb_ref statement))                                                           \
    X(void, destroy_prepare, (duckdb_ref * statement))                                                               \
    X(uint64_t, prepared_statement_column_count, (duckdb_ref statement))                                             \
    X(const char *, prepared_statement_column_name, (duckdb_ref statement, uint64_t column))                         \
    X(duckdb_ref, prepared_statement_column_logical_type, (duckdb_ref statement, uint64_t column))                   \
    X(int, pending_prepared_streaming, (duckdb_ref statement, duckdb_ref *out))                                      \
    X(const char *, pending_error, (duckdb_ref pending))                                                             \
    X(int, execute_pending, (duckdb_ref pending, struct duckdb_answer *out))                                         \
    X(void, destroy_pending, (duckdb_ref * pending))                                                                 \
    X(const char *, result_error, (struct duckdb_answer * answer))                                                   \
    X(void, destroy_result, (struct duckdb_answer * answer))                                                         \
    X(duckdb_ref, fetch_chunk, (struct duckdb_answer answer))                                                        \
    X(uint64_t, data_chunk_get_size, (duckdb_ref chunk))                                                             \
    X(duckdb_ref, data_chunk_get_vector, (duckdb_ref chunk, uint64_t column))                                        \
    X(void, destroy_data_chunk, (duckdb_ref * chunk))                                                                \
    X(void *, vector_get_data, (duckdb_ref vector))                                                                  \
    X(uint64_t *, vector_get_validity, (duckdb_ref vector))                                                          \
    X(duckdb_ref, list_vector_get_child, (duckdb_ref vector))                                                        \
    X(duckdb_ref, array_vector_get_child, (duckdb_ref vector))                                                       \
    X(duckdb_ref, struct_vector_get_child, (duckdb_ref vector, uint64_t field))                                      \
    X(int, get_type_id, (duckdb_ref type))                                                                           \
    X(void, destroy_logical_type, (duckdb_ref * type))                                                               \
    X(uint8_t, decimal_scale, (duckdb_ref type))                                                                     \
    X(int, decimal_internal_type, (duckdb_ref type))                                                                 \
    X(duckdb_ref, list_type_child_type, (duckdb_ref type))                                                           \
    X(duckdb_ref, array_type_child_type, (duckdb_ref type))                                                          \
    X(uint64_t, array_type_array_size, (duckdb_ref type))                                                            \
    X(duckdb_ref, map_type_key_type, (duckdb_ref type))                                                              \
    X(duckdb_ref, map_type_value_type, (duckdb_ref type))                                                            \
    X(uint64_t, struct_type_child_count, (duckdb_ref type))                                                          \
    X(char *, struct_type_child_name, (duckdb_ref type, uint64_t field))                                             \
    X(duckdb_ref, struct_type_child_type, (duckdb_ref type, uint64_t field))

/* The library's functions, without their prefix: lib->fetch_chunk(...). */
struct sg_duckdb {
#define SG_X(result, name, parameters) result(*name) parameters; /* NOLINT(bugprone-macro-parentheses) */
    SG_DUCKDB_TABLE(SG_X)
#undef SG_X
};

/* Opens the library on the first call. */
int sg_duckdb_open(const struct sg_places *at, const struct sg_duckdb **out, struct sg_err *err);
/* A database in memory, and a connection to it: on the calling thread only, in 256 MB; it loads and installs no extension, and
 * spills nothing to disk. Whatever it returns, the caller closes what is not NULL, and frees *why. */
int sg_duckdb_start(const struct sg_duckdb *lib, duckdb_ref *database, duckdb_ref *connection, char **why);
/* The name of one file, as a text of SQL; `pattern`: where DuckDB would take it for a pattern. */
void sg_duckdb_put_path(struct sg_buf *b, const char *path, bool pattern);
/* Where it is looked for. Loop thread. */
void sg_duckdb_places(struct sg_arena *a, const char *exe_dir, struct sg_places *out);

#endif
