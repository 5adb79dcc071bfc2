/* SPDX-License-Identifier: Apache-2.0 */
/* table: the rows of a Parquet file, in order, through DuckDB. Private to data.
 *
 * Rows are fetched in chunks of 2,048 and made into JSON one by one: those that are passed over are not made. DuckDB runs on
 * the calling thread only, in 256 MB, and loads and installs no extension.
 * Memory: a table is the caller's until close; rows have arenas of their own.   Thread: one at a time.
 * Errors: SG_E_MISSING (no DuckDB), SG_E_SYNTAX (no Parquet, torn, damaged), SG_E_UNSUPPORTED (a type that JSON has no form
 * for); each names the file. */
#ifndef SG_DATA_TABLE_H
#define SG_DATA_TABLE_H

#include "data/rows.h"

struct sg_table;

/* Only the columns that `m` keeps are read. */
int sg_table_open(const char *path, const struct sg_places *at, const struct sg_row_maker *m, struct sg_table **out,
                  struct sg_err *err);
/* Moves to the next row. */
enum sg_split sg_table_next(struct sg_table *t, struct sg_err *err);
/* The row that it is at. */
void sg_table_row(const struct sg_table *t, const struct sg_row_maker *m, uint64_t position, struct sg_row *out);
void sg_table_close(struct sg_table *t);

#endif
