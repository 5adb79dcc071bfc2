/* SPDX-License-Identifier: Apache-2.0 */
/* columns: which columns a table of records has, and of which types. Private to look.
 *
 * A column's type is the one in which every value of it is what it was: whole numbers of 64 bits, floating-point numbers where
 * all have 15 digits at most (those survive the way there and back), booleans, texts. What fits none is kept as its JSON text:
 * lists, objects, longer numbers, mixtures. */
#ifndef SG_LOOK_COLUMNS_H
#define SG_LOOK_COLUMNS_H

#include "data/data.h"

struct sg_export_column {
    struct sg_str name;
    unsigned seen; /* kinds of values, as bits; columns.c */
};

struct sg_export_columns {
    struct sg_arena *arena; /* names are copied there */
    struct sg_export_column *items;
    size_t n, cap;
};

/* Takes the columns and values of a record into account. SG_E_TYPE: it is no object; SG_E_LIMIT: over 10,000 columns. */
int sg_columns_note(struct sg_export_columns *c, const struct sg_json *record, struct sg_err *err);
enum sg_table_kind sg_columns_kind(const struct sg_export_column *c);
/* It holds JSON texts, strings among them with their quotes. */
bool sg_columns_is_json(const struct sg_export_column *c);

/* A line of CSV: the names; a record. */
void sg_columns_csv_head(const struct sg_export_columns *c, struct sg_buf *out);
void sg_columns_csv(const struct sg_export_columns *c, const struct sg_json *record, struct sg_buf *out);
/* The record as an object of plain values, each fit for its column; null ones are left out. */
void sg_columns_flat(const struct sg_export_columns *c, const struct sg_json *record, struct sg_buf *out);

#endif
