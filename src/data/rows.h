/* SPDX-License-Identifier: Apache-2.0 */
/* rows: from a piece of text to a row: parsing, the column filter, the id. Private to data.
 *
 * Memory: everything of a row is in its own arena. Thread: one at a time (the reader's worker). */
#ifndef SG_DATA_ROWS_H
#define SG_DATA_ROWS_H

#include "data/data.h"
#include "data/split.h"

struct sg_row_maker {
    struct sg_str name; /* of the file, for messages */
    const struct sg_name *fields;
    size_t n_fields; /* 0: all columns stay */
    struct sg_str id_column;
    bool want_ids;
    uint64_t seed;
};

/* Whether a column is kept, or gives the id: others need not be read. */
bool sg_row_wants(const struct sg_row_maker *m, struct sg_str key);
/* For formats that make their values themselves: begin, then finish or fail. `columns`: how many to make room for. */
void sg_row_begin(const struct sg_piece *piece, size_t columns, uint64_t position, struct sg_row *out);
/* *row has all columns, in out->arena; fields and id are applied. */
void sg_row_finish(const struct sg_row_maker *m, const struct sg_json *row, struct sg_row *out);
/* `at`: of the mistake, from the piece's beginning. What was built goes. */
void sg_row_fail(const struct sg_row_maker *m, const struct sg_piece *piece, size_t at, int code, const char *why,
                 struct sg_row *out);

/* A row of JSON: fills *out, which is a failed record when the piece is no JSON object. */
void sg_row_make(const struct sg_row_maker *m, const struct sg_piece *piece, uint64_t position, struct sg_row *out);
/* A data-less record: {} with an id. */
void sg_row_make_empty(const struct sg_row_maker *m, uint64_t position, struct sg_row *out);

#endif
