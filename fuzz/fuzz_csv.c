/* SPDX-License-Identifier: Apache-2.0 */
/* csv: a file of comma separated values, header and rows; where a tab stands in its first line, of tab separated ones.
 *
 * Always: reading in other pieces, through a window of another size, gives the same columns and rows; each row stands in the
 * file where its place says, and its line is counted right; reading on from the place of any row gives the rest; column names
 * differ; a row has a value for each column or an error that names its line; a file that a reader as simple as RFC 4180 takes
 * has that reader's rows and values. */
#include "splits.h"

#include "data/csv.h"

struct table {
    struct sg_csv_layout layout; /* n == 0: the header cannot be read */
    uint64_t line, offset;       /* where the rows begin */
    struct fuzz_rows rows;
};

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    fuzz_file_use();
    return 0;
}

static char separator_of(struct sg_str text) {
    return sg_str_find(text, '\t', 0) < sg_str_find(text, '\n', 0) ? '\t' : ',';
}

static void read_table(struct sg_arena *a, struct sg_str text, size_t block, uint64_t line, uint64_t offset, struct table *out) {
    struct sg_splitter s;
    struct sg_err err = {0};
    *out = (struct table){0};
    fuzz_splitter(&s, block);
    s.separator = separator_of(text);
    enum sg_split got = sg_csv_layout(&s, a, NULL, SG_WAIT, &out->layout, &err);
    SG_ASSERT(got == SG_SPLIT_GOT || (got == SG_SPLIT_BROKEN && err.text[0]));
    if (got == SG_SPLIT_GOT && line) sg_lines_seek(&s, line, offset);
    out->line = s.line;
    out->offset = s.in.offset;
    if (got == SG_SPLIT_GOT) fuzz_rows_read(a, &s, sg_csv_next, &out->rows);
    sg_splitter_fini(&s);
}

static void expect_same(const struct table *a, const struct table *b, size_t from) {
    SG_ASSERT(a->layout.n == b->layout.n);
    for (size_t i = 0; i < a->layout.n; i++) {
        const struct sg_csv_column *c = &a->layout.columns[i], *d = &b->layout.columns[i];
        SG_ASSERT(sg_str_eq(c->name, d->name) && c->type == d->type);
    }
    fuzz_rows_same(&a->rows, &b->rows, from);
}

static void expect_names(const struct sg_csv_layout *l) {
    for (size_t i = 0; i < l->n && i < 50; i++) {
        SG_ASSERT(l->columns[i].name.n > 0);
        for (size_t j = 0; j < i; j++) SG_ASSERT(!sg_str_eq(l->columns[i].name, l->columns[j].name));
    }
}

/* --- a reader as simple as RFC 4180 ---------------------------------------------------------------------------------- */

struct plain {
    struct sg_arena *arena;
    struct sg_str text;
    size_t at;
    char separator;
    struct sg_str *fields; /* of the row in hand */
    size_t n, cap;
};

static bool at_end(const struct plain *p) {
    struct sg_str rest = {p->text.p + p->at, p->text.n - p->at};
    return rest.n == 0 || rest.p[0] == '\n' || (rest.p[0] == '\r' && (rest.n == 1 || rest.p[1] == '\n'));
}

static bool pass_end(struct plain *p) {
    if (p->at < p->text.n && p->text.p[p->at] == '\r') p->at++;
    bool more = p->at < p->text.n;
    p->at += more;
    return more;
}

/* False: a quote is not closed, or text stands behind it. */
static bool plain_field(struct plain *p) {
    struct sg_str t = p->text, *out = SG_PUSH(p->arena, p->fields, p->n, p->cap);
    struct sg_buf b = SG_BUF_INIT(SIZE_MAX);
    bool quoted = p->at < t.n && t.p[p->at] == '"', closed = false;
    for (p->at += quoted; quoted && !closed && p->at < t.n; p->at++) {
        bool twice = t.p[p->at] == '"' && p->at + 1 < t.n && t.p[p->at + 1] == '"';
        closed = t.p[p->at] == '"' && !twice;
        p->at += twice;
        if (!closed) sg_buf_ch(&b, t.p[p->at]);
    }
    for (; !quoted && !at_end(p) && t.p[p->at] != p->separator; p->at++) sg_buf_ch(&b, t.p[p->at]);
    *out = sg_str_dup(p->arena, sg_buf_view(&b));
    sg_buf_fini(&b);
    return (!quoted || closed) && (at_end(p) || t.p[p->at] == p->separator);
}

enum { PLAIN_ROW, PLAIN_END, PLAIN_WRONG };

static int plain_row(struct plain *p) {
    while (at_end(p))
        if (!pass_end(p)) return PLAIN_END; /* empty lines are no rows */
    for (p->n = 0; plain_field(p); p->at++)
        if (at_end(p)) {
            pass_end(p);
            return PLAIN_ROW;
        }
    return PLAIN_WRONG;
}

/* --- rows ------------------------------------------------------------------------------------------------------------ */

static void expect_value(const struct sg_json *v, enum sg_csv_type type, struct sg_str field) {
    switch (v->type) {
    case SG_JSON_NULL: SG_ASSERT(field.n == 0 || type != SG_CSV_TEXT); break;
    case SG_JSON_TRUE: SG_ASSERT(type == SG_CSV_BOOL && (field.p[0] | 0x20) == 't'); break;
    case SG_JSON_FALSE: SG_ASSERT(type == SG_CSV_BOOL && (field.p[0] | 0x20) == 'f'); break;
    case SG_JSON_NUMBER: SG_ASSERT(type == SG_CSV_NUMBER && sg_str_eq(sg_json_text(v), field)); break;
    default: SG_ASSERT(v->type == SG_JSON_STRING && sg_str_eq(sg_json_text(v), field)); break;
    }
}

static void expect_row(const struct sg_csv_layout *l, const struct sg_piece *piece, const struct plain *p) {
    static const struct sg_row_maker maker = {.name = {"f", 1}};
    struct sg_row row;
    sg_csv_row(&maker, l, piece, 0, &row);
    SG_ASSERT(row.line == piece->line && row.offset == piece->offset);
    if (row.status) {
        SG_ASSERT(sg_str_starts(row.error, SG_STR("f:")) && row.value.type == SG_JSON_NULL);
        SG_ASSERT(!p || p->n != l->n || !sg_utf8_valid(piece->text, NULL));
    } else {
        SG_ASSERT(row.value.type == SG_JSON_OBJECT && row.value.n == l->n && !piece->bad && !piece->too_long);
        for (size_t i = 0; i < l->n; i++) SG_ASSERT(sg_str_eq(row.value.members[i].key, l->columns[i].name));
        for (size_t i = 0; p && i < l->n; i++) expect_value(&row.value.members[i].value, l->columns[i].type, p->fields[i]);
    }
    sg_arena_fini(&row.arena);
}

static void expect_rows(struct sg_arena *a, struct sg_str text, const struct table *t) {
    struct plain p = {.arena = a, .text = text, .separator = separator_of(text)};
    if (sg_str_starts(text, SG_STR("\xef\xbb\xbf"))) p.at = 3;
    bool is_plain = plain_row(&p) == PLAIN_ROW;
    SG_ASSERT(!is_plain || p.n == t->layout.n);
    for (size_t i = 0; i < t->rows.n; i++) {
        size_t before = p.at;
        int found = is_plain ? plain_row(&p) : PLAIN_WRONG;
        if (t->rows.items[i].too_long || p.at - before > FUZZ_ROW_LIMIT) return;
        SG_ASSERT(found != PLAIN_END);
        is_plain = found == PLAIN_ROW;
        SG_ASSERT(!is_plain || !t->rows.items[i].bad);
        expect_row(&t->layout, &t->rows.items[i], is_plain ? &p : NULL);
    }
    SG_ASSERT(!is_plain || plain_row(&p) == PLAIN_END);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sg_str text = fuzz_text(data, size);
    struct sg_arena a;
    struct table at_once, in_pieces, rest;
    sg_arena_init(&a, 0);
    fuzz_file_put(text, true);
    read_table(&a, text, 8192, 0, 0, &at_once);
    fuzz_file_put(text, false);
    read_table(&a, text, 1 + fuzz_file_below(100), 0, 0, &in_pieces);
    SG_ASSERT(at_once.line == in_pieces.line && at_once.offset == in_pieces.offset);
    expect_same(&at_once, &in_pieces, 0);
    expect_names(&at_once.layout);
    if (at_once.rows.n) {
        size_t from = fuzz_file_below(at_once.rows.n);
        const struct sg_piece *row = &at_once.rows.items[from];
        fuzz_file_put(text, false);
        read_table(&a, text, 64, row->line, row->offset, &rest);
        expect_same(&at_once, &rest, from);
    }
    if (at_once.layout.n) expect_rows(&a, text, &at_once);
    sg_arena_fini(&a);
    return 0;
}
