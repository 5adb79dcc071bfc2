/* SPDX-License-Identifier: Apache-2.0 */
/* csv: the columns of a CSV or TSV file, and a row's text to JSON values. Private to data.
 *
 * A column has one type, found in the file's first megabyte; csv.c tells how. Values that do not fit it come as texts.
 * Memory: a layout lives in the arena that it was read into; a row in its own.   Thread: one at a time.
 * Errors: SG_E_SYNTAX, SG_E_LIMIT: the header cannot be read. A bad row is a failed record. */
#ifndef SG_DATA_CSV_H
#define SG_DATA_CSV_H

#include "data/rows.h"

enum sg_csv_type { SG_CSV_NUMBER, SG_CSV_BOOL, SG_CSV_TEXT };

struct sg_csv_column {
    struct sg_str name;
    enum sg_csv_type type;
};

struct sg_csv_layout {
    const struct sg_csv_column *columns;
    size_t n;
    char separator;
};

/* Takes the header off the splitter and looks at what follows, which stays. GOT when *out is filled. `like`: the layout of the
 * source's first file, whose types hold for columns of the same names; NULL: this is the first. */
enum sg_split sg_csv_layout(struct sg_splitter *s, struct sg_arena *a, const struct sg_csv_layout *like,
                            enum sg_patience patience, struct sg_csv_layout *out, struct sg_err *err);
void sg_csv_row(const struct sg_row_maker *m, const struct sg_csv_layout *l, const struct sg_piece *piece,
                uint64_t position, struct sg_row *out);

#endif
