/* SPDX-License-Identifier: Apache-2.0 */
/* table_value: DuckDB's types and vectors to JSON values. Private to data. */
#ifndef SG_DATA_TABLE_VALUE_H
#define SG_DATA_TABLE_VALUE_H

#include "data/duckdb_lib.h"

/* A column's type, as far as reading needs it. */
struct sg_table_type {
    int id;                         /* enum duckdb_type_number */
    int stored;                     /* DECIMAL: the integer type it is kept in */
    unsigned scale;                 /* DECIMAL */
    uint64_t length;                /* ARRAY */
    size_t n;                       /* children: LIST and ARRAY 1, MAP 2, STRUCT its fields */
    const struct sg_table_type *of; /* the children */
    const struct sg_str *names;     /* STRUCT */
};

/* False: JSON has no form for it, or for a part of it; *what names that type. */
bool sg_table_type(const struct sg_duckdb *lib, struct sg_arena *a, duckdb_ref type, struct sg_table_type *out,
                   const char **what);
/* The value of a row; texts are copied into the arena. */
struct sg_json sg_table_value(const struct sg_duckdb *lib, struct sg_arena *a, const struct sg_table_type *type,
                              duckdb_ref vector, uint64_t row);

#endif
