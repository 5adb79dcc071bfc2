/* SPDX-License-Identifier: Apache-2.0 */
/* rows: a file of records, read as JSON Lines and as one JSON array.
 *
 * Always: reading in other pieces, through a window of another size, gives the same rows; each row stands in the file where
 * its place says, and its line is counted right; reading on from the place of any row gives the rest (what resuming does); a
 * row is an object or has an error that names its line; a file that one JSON parser takes for an array is split into that
 * array's elements. */
#include "fuzz.h"

#include "data/rows.h"

#include <stdlib.h>

typedef enum sg_split next_fn(struct sg_splitter *s, enum sg_patience patience, struct sg_piece *out, struct sg_err *err);

/* --- a file that comes in drawn pieces --------------------------------------------------------------------------- */

static struct {
    struct sg_str text;
    size_t at;
    struct sg_rng draws;
    bool whole;
} file;

static ssize_t give(char *p, size_t n, size_t at) {
    size_t left = at < file.text.n ? file.text.n - at : 0;
    if (n > left) n = left;
    if (n > 1 && !file.whole) n = 1 + fuzz_below(&file.draws, n);
    if (n) memcpy(p, file.text.p + at, n);
    return (ssize_t)n;
}

static ssize_t file_read(int fd, void *p, size_t n) {
    (void)fd;
    ssize_t got = give(p, n, file.at);
    file.at += (size_t)got;
    return got;
}

static ssize_t file_pread(int fd, void *p, size_t n, uint64_t at) {
    (void)fd;
    return give(p, n, (size_t)at);
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    static struct sg_os os;
    os = sg_os_posix;
    os.read = file_read;
    os.pread = file_pread;
    sg_os = &os;
    return 0;
}

static void rewind_file(struct sg_str text, bool whole) {
    file.text = text;
    file.at = 0;
    file.whole = whole;
    file.draws = fuzz_draws(text);
}

/* --- rows -------------------------------------------------------------------------------------------------------- */

struct list {
    struct sg_piece *items; /* texts are places in the file */
    size_t n, cap;
    enum sg_split end;
    struct sg_err err;
};

#define LIMIT 2000 /* bytes of a row */
#define MADE 30    /* rows that are parsed, too */

/* `line` stands at `offset`; both move to where the piece begins. */
static void check_place(struct sg_str text, const struct sg_piece *p, uint64_t *line, uint64_t *offset) {
    SG_ASSERT(p->offset >= *offset && p->offset <= text.n);
    for (; *offset < p->offset; ++*offset) *line += text.p[*offset] == '\n';
    SG_ASSERT(p->line == *line);
    if (p->too_long) return;
    SG_ASSERT(p->text.n <= LIMIT && p->text.n <= text.n - p->offset);
    SG_ASSERT(p->text.n == 0 || memcmp(p->text.p, text.p + p->offset, p->text.n) == 0);
}

static void read_all(struct sg_arena *a, struct sg_splitter *s, next_fn *next, struct list *out) {
    struct sg_piece p;
    uint64_t line = s->line, offset = s->in.offset;
    *out = (struct list){0};
    while ((out->end = next(s, SG_WAIT, &p, &out->err)) == SG_SPLIT_GOT) {
        check_place(file.text, &p, &line, &offset);
        p.text.p = file.text.p + p.offset;
        *SG_PUSH(a, out->items, out->n, out->cap) = p;
    }
    SG_ASSERT(out->end == SG_SPLIT_ENDED || (out->end == SG_SPLIT_BROKEN && out->err.text[0]));
}

static void expect_same(const struct list *a, const struct list *b, size_t from) {
    SG_ASSERT(a->n == b->n + from && a->end == b->end);
    for (size_t i = 0; i < b->n; i++) {
        const struct sg_piece *p = &a->items[from + i], *q = &b->items[i];
        SG_ASSERT(p->line == q->line && p->offset == q->offset && p->too_long == q->too_long);
        SG_ASSERT(p->too_long || p->text.n == q->text.n);
    }
}

static void open_splitter(struct sg_splitter *s, size_t block) {
    sg_splitter_init(s, 0, false, -1, SG_STR("f"), block, LIMIT);
}

static void read_on(struct sg_arena *a, const struct list *rows, next_fn *next, size_t from) {
    struct sg_splitter s;
    struct list rest;
    open_splitter(&s, 64);
    (next == sg_lines_next ? sg_lines_seek : sg_array_seek)(&s, rows->items[from].line, rows->items[from].offset);
    read_all(a, &s, next, &rest);
    expect_same(rows, &rest, from);
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

static void read_twice(struct sg_arena *a, struct sg_str text, next_fn *next, struct list *rows) {
    struct sg_splitter s;
    struct list again;
    rewind_file(text, true);
    open_splitter(&s, 8192);
    read_all(a, &s, next, rows);
    sg_splitter_fini(&s);
    rewind_file(text, false);
    open_splitter(&s, 1 + fuzz_below(&file.draws, 100));
    read_all(a, &s, next, &again);
    expect_same(rows, &again, 0);
    sg_splitter_fini(&s);
    if (rows->n) read_on(a, rows, next, fuzz_below(&file.draws, rows->n));
    for (size_t i = 0; i < rows->n && i < MADE; i++) make_row(&rows->items[i], i);
}

/* The splitter only looks for ends, so it must agree with a parser that understands the whole. */
static void expect_elements(struct sg_arena *a, struct sg_str text, const struct list *rows) {
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
    struct list rows;
    sg_arena_init(&a, 0);
    read_twice(&a, text, sg_lines_next, &rows);
    read_twice(&a, text, sg_array_next, &rows);
    expect_elements(&a, text, &rows);
    sg_arena_fini(&a);
    return 0;
}
