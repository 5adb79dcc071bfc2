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

/* Fills *out, which is a failed record when the piece is no JSON object. */
void sg_row_make(const struct sg_row_maker *m, const struct sg_piece *piece, uint64_t position, struct sg_row *out);
/* A data-less record: {} with an id. */
void sg_row_make_empty(const struct sg_row_maker *m, uint64_t position, struct sg_row *out);

#endif
