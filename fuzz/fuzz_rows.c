/* SPDX-License-Identifier: Apache-2.0 */
/* rows: a file of records, read as JSON Lines and as one JSON array.
 *
 * Always: reading in other pieces, through a window of another size, gives the same rows; each row stands in the file where
 * its place says, and its line is counted right; reading on from the place of any row gives the rest (what resuming does); a
 * row is an object or has an error that names its line; a file that one JSON parser takes for an array is split into that
 * array's elements. */
#include "splits.h"

#include "data/rows.h"

#define MADE 30 /* rows that are parsed, too */

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    fuzz_file_use();
    return 0;
}

static void read_on(struct sg_arena *a, const struct fuzz_rows *rows, fuzz_next *next, size_t from) {
    struct sg_splitter s;
    struct fuzz_rows rest;
    fuzz_splitter(&s, 64);
    (next == sg_lines_next ? sg_lines_seek : sg_array_seek)(&s, rows->items[from].line, rows->items[from].offset);
    fuzz_rows_read(a, &s, next, &rest);
    fuzz_rows_same(rows, &rest, from);
    sg_splitter_fini(&s);
}

static void make_row(const struct sg_piece *p, uint64_t position) {
    static const struct sg_name fields[] = {{.text = {"a", 1}}, {.text = {"id", 2}}};
    struct sg_row_maker m = {.name = SG_STR("f"), .fields = fields, .n_fields = position % 3, .want_ids = position % 2};
    if (position % 5 == 0) m.id_column = SG_STR("b");
    struct sg_row row;
    sg_row_make(&m, p, position, &row);
    SG_ASSERT(row.position == position && row.line == p->line && row.offset == p->offset);
    if (row.status) SG_ASSERT(sg_str_starts(row.error, SG_STR("f:")) && row.value.type == SG_JSON_NULL);
    else SG_ASSERT(row.value.type == SG_JSON_OBJECT);
    if (row.status == 0 && m.want_ids) SG_ASSERT(sg_json_get(&row.value, SG_STR("id")));
    sg_arena_fini(&row.arena);
}

static void read_twice(struct sg_arena *a, struct sg_str text, fuzz_next *next, struct fuzz_rows *rows) {
    struct sg_splitter s;
    struct fuzz_rows again;
    fuzz_file_put(text, true);
    fuzz_splitter(&s, 8192);
    fuzz_rows_read(a, &s, next, rows);
    sg_splitter_fini(&s);
    fuzz_file_put(text, false);
    fuzz_splitter(&s, 1 + fuzz_file_below(100));
    fuzz_rows_read(a, &s, next, &again);
    fuzz_rows_same(rows, &again, 0);
    sg_splitter_fini(&s);
    if (rows->n) read_on(a, rows, next, fuzz_file_below(rows->n));
    for (size_t i = 0; i < rows->n && i < MADE; i++) make_row(&rows->items[i], i);
}

/* The splitter only looks for ends, so it must agree with a parser that understands the whole. */
static void expect_elements(struct sg_arena *a, struct sg_str text, const struct fuzz_rows *rows) {
    struct sg_json whole;
    if (sg_json_parse(a, text, &whole, NULL, NULL) < 0 || whole.type != SG_JSON_ARRAY) return;
    SG_ASSERT(rows->end == SG_SPLIT_ENDED && rows->n == whole.n);
    for (size_t i = 0; i < rows->n; i++) {
        struct sg_json one;
        if (rows->items[i].too_long) continue;
        SG_ASSERT(sg_json_parse(a, rows->items[i].text, &one, NULL, NULL) == 0);
        SG_ASSERT(sg_json_equal(&one, &whole.items[i]));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sg_str text = fuzz_text(data, size);
    struct sg_arena a;
    struct fuzz_rows rows;
    sg_arena_init(&a, 0);
    read_twice(&a, text, sg_lines_next, &rows);
    read_twice(&a, text, sg_array_next, &rows);
    expect_elements(&a, text, &rows);
    sg_arena_fini(&a);
    return 0;
}
