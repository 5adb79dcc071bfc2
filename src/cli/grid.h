/* SPDX-License-Identifier: Apache-2.0 */
/* grid: rows of values as an aligned table on stdout. Private to cli.
 *
 * Widths are those of the first rows, which are held back for that: 1,000 of them, or 1 MB. On a terminal cells are cut so that a row
 * is a line; where not even that fits, each row becomes a list of names and values. Elsewhere nothing is cut.
 * Control characters never get out. */
#ifndef SG_CLI_GRID_H
#define SG_CLI_GRID_H

#include "base/base.h"

struct sg_grid_column {
    struct sg_str name;
    bool right; /* numbers */
    size_t width;
};

struct sg_grid {
    struct sg_arena arena, rows_arena;
    struct sg_grid_column *columns;
    size_t n;
    const struct sg_str **rows; /* held back */
    size_t n_rows, cap_rows;
    size_t screen; /* columns of the terminal; 0: it is none */
    bool utf8, begun, as_list;
    struct sg_buf line;
};

/* Names are copied. Columns whose names are among `numbers`, by blanks, hold numbers. */
void sg_grid_init(struct sg_grid *g, const struct sg_str *names, size_t n, const char *numbers);
/* Cells are copied. False: stdout takes no more. */
bool sg_grid_row(struct sg_grid *g, const struct sg_str *cells);
/* Shows what is held back, the names at least. */
void sg_grid_fini(struct sg_grid *g);

#endif
