/* SPDX-License-Identifier: Apache-2.0 */
/* grid: rows that are held back until their widths are known, then lines. */
#include "cli/grid.h"

#include "run/terminal.h"

#include <stdio.h>

#define HELD_ROWS 1000
#define HELD_BYTES ((size_t)1 << 20)
#define GAP 2
#define NARROW 5  /* a column is not cut below this */
#define PADDED 60 /* nor is one padded to more, where nothing is cut */

static bool among(const char *words, struct sg_str name) {
    struct sg_str all = sg_str(words);
    for (size_t at = 0, end; at < all.n; at = end + 1) {
        end = sg_str_find(all, ' ', at);
        if (sg_str_eq((struct sg_str){all.p + at, end - at}, name)) return true;
    }
    return false;
}

void sg_grid_init(struct sg_grid *g, const struct sg_str *names, size_t n, const char *numbers) {
    size_t columns, rows;
    *g = (struct sg_grid){.n = n, .utf8 = sg_terminal_utf8(), .line = SG_BUF_INIT(SIZE_MAX)};
    sg_arena_init(&g->arena, 0);
    sg_arena_init(&g->rows_arena, 64 * 1024);
    if (sg_terminal_size(1, &columns, &rows)) g->screen = columns;
    else g->utf8 = true; /* a file takes what there is */
    g->columns = SG_NEW_N(&g->arena, struct sg_grid_column, n);
    for (size_t i = 0; i < n; i++) {
        g->columns[i].name = sg_str_dup(&g->arena, names[i]);
        g->columns[i].right = numbers && among(numbers, names[i]);
    }
}

/* --- widths ----------------------------------------------------------------------------------------------------- */

static void widen(struct sg_grid_column *c, struct sg_str text) {
    size_t n = sg_screen_columns(text);
    if (n > c->width) c->width = n;
}

static size_t total(const struct sg_grid *g) {
    size_t sum = g->n ? GAP * (g->n - 1) : 0;
    for (size_t i = 0; i < g->n; i++) sum += g->columns[i].width;
    return sum;
}

static struct sg_grid_column *widest(struct sg_grid *g) {
    struct sg_grid_column *most = &g->columns[0];
    for (size_t i = 1; i < g->n; i++)
        if (g->columns[i].width >= most->width) most = &g->columns[i];
    return most;
}

static void fit(struct sg_grid *g) {
    while (g->screen && g->n && total(g) > g->screen) {
        struct sg_grid_column *c = widest(g);
        if (c->width <= NARROW) break;
        c->width--;
    }
    g->as_list = g->screen && total(g) > g->screen;
    for (size_t i = 0; i < g->n && !g->screen; i++)
        if (g->columns[i].width > PADDED) g->columns[i].width = PADDED;
}

/* --- lines ------------------------------------------------------------------------------------------------------ */

static void pad(struct sg_buf *b, size_t n) {
    while (n-- > 0) sg_buf_ch(b, ' ');
}

static void put_cell(struct sg_grid *g, size_t i, struct sg_str text) {
    const struct sg_grid_column *c = &g->columns[i];
    size_t own = sg_screen_columns(text), width = c->width;
    bool last = i + 1 == g->n;
    if (c->right && own < width) pad(&g->line, width - own);
    size_t used = sg_screen_text(&g->line, text, g->screen ? width : SIZE_MAX, g->utf8);
    if (!c->right && used < width && !last) pad(&g->line, width - used);
    if (!last) pad(&g->line, GAP);
}

static void put_line(struct sg_grid *g, const struct sg_str *cells) {
    g->line.n = 0;
    for (size_t i = 0; i < g->n; i++) put_cell(g, i, cells[i]);
    sg_buf_ch(&g->line, '\n');
    fwrite(g->line.p, 1, g->line.n, stdout);
}

static void put_list(struct sg_grid *g, const struct sg_str *cells) {
    size_t names = 0;
    g->line.n = 0;
    for (size_t i = 0; i < g->n; i++) {
        size_t n = sg_screen_columns(g->columns[i].name);
        if (n > names) names = n;
    }
    if (names > g->screen / 2) names = g->screen / 2;
    for (size_t i = 0; i < g->n; i++) {
        size_t used = sg_screen_text(&g->line, g->columns[i].name, names, g->utf8);
        pad(&g->line, names - used + GAP);
        sg_screen_text(&g->line, cells[i], g->screen > names + GAP ? g->screen - names - GAP : 1, g->utf8);
        sg_buf_ch(&g->line, '\n');
    }
    sg_buf_ch(&g->line, '\n');
    fwrite(g->line.p, 1, g->line.n, stdout);
}

static void put_row(struct sg_grid *g, const struct sg_str *cells) {
    if (g->as_list) put_list(g, cells);
    else put_line(g, cells);
}

static void put_names(struct sg_grid *g) {
    struct sg_str *names = SG_NEW_N(&g->arena, struct sg_str, g->n);
    for (size_t i = 0; i < g->n; i++) names[i] = g->columns[i].name;
    if (!g->as_list) put_line(g, names);
}

static void begin(struct sg_grid *g) {
    g->begun = true;
    for (size_t i = 0; i < g->n; i++) {
        widen(&g->columns[i], g->columns[i].name);
        for (size_t k = 0; k < g->n_rows; k++) widen(&g->columns[i], g->rows[k][i]);
    }
    fit(g);
    put_names(g);
    for (size_t k = 0; k < g->n_rows; k++) put_row(g, g->rows[k]);
    sg_arena_fini(&g->rows_arena);
}

static void hold_back(struct sg_grid *g, const struct sg_str *cells) {
    struct sg_str *copy = SG_NEW_N(&g->rows_arena, struct sg_str, g->n);
    for (size_t i = 0; i < g->n; i++) copy[i] = sg_str_dup(&g->rows_arena, cells[i]);
    *SG_PUSH(&g->arena, g->rows, g->n_rows, g->cap_rows) = copy;
    if (g->n_rows == HELD_ROWS || g->rows_arena.held > HELD_BYTES) begin(g);
}

bool sg_grid_row(struct sg_grid *g, const struct sg_str *cells) {
    if (g->begun) put_row(g, cells);
    else hold_back(g, cells);
    return !ferror(stdout);
}

void sg_grid_fini(struct sg_grid *g) {
    if (!g->begun) begin(g);
    fflush(stdout);
    sg_buf_fini(&g->line);
    sg_arena_fini(&g->arena);
}
