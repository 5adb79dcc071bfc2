/* SPDX-License-Identifier: Apache-2.0 */
/* csv: header, types, rows.
 *
 * The first row names the columns. An empty name becomes "Unnamed: <number>", a name that was there before gets ".1",
 * ".2" at its end: what users know from pandas.
 *
 * A value is a number when it is written as JSON writes one and, without fraction and exponent, fits 64 bits: 7,
 * -0.50, 1e-5. So leading zeros (00712), signs of plus, and long strings of digits (an account's number) are texts,
 * and keep all that they were. A column is of numbers when all values of the sample are (or are empty), of booleans
 * when all are true or false, else of texts. Empty values are null. In a column of numbers or booleans so are the
 * words for it (NA, NaN, null, ...); in a column of texts they are texts: there are people called Null, and Namibia
 * is NA. What comes behind the sample and does not fit its column's type stays a text.
 *
 * The types of a source are those of its first file: a column means the same in all of them, whatever values each
 * has. */
#include "data/csv.h"

#include <stdio.h>
#include <stdlib.h>

#define SAMPLE ((size_t)1 << 20)
#define MAX_COLUMNS 20000

/* --- the fields of a row ---------------------------------------------------------------------------------------- */

/* Takes the next field off *rest, whose text is changed: quotes are taken off in place. False when none is left. */
static bool next_field(char separator, struct sg_str *rest, struct sg_str *out) {
    if (!rest->p) return false;
    char *p = (char *)rest->p, *end = p + rest->n, *to = p;
    struct sg_str field = {p, 0};
    if (p < end && *p == '"') {
        for (p++; p < end && !(*p == '"' && (p + 1 == end || p[1] != '"')); p++) {
            if (*p == '"') p++;
            *to++ = *p;
        }
        field.n = (size_t)(to - field.p);
        if (p < end) p++; /* the closing quote, before a separator or the end */
    } else {
        p += sg_str_find(*rest, separator, 0);
        field.n = (size_t)(p - field.p);
    }
    *out = field;
    *rest = p < end ? (struct sg_str){p + 1, (size_t)(end - p - 1)} : SG_STR_NONE;
    return true;
}

static size_t count_fields(char separator, struct sg_str row) {
    size_t n = 1;
    for (size_t i = 0; i < row.n; i++) {
        if (row.p[i] == separator) n++;
        bool opens = row.p[i] == '"' && (i == 0 || row.p[i - 1] == separator);
        if (!opens) continue;
        for (i++; i < row.n; i++) {
            if (row.p[i] != '"') continue;
            if (i + 1 == row.n || row.p[i + 1] != '"') break;
            i++;
        }
    }
    return n;
}

/* --- what a value is -------------------------------------------------------------------------------------------- */

static size_t digits(struct sg_str s, size_t i) {
    while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9') i++;
    return i;
}

static bool fits_64_bits(struct sg_str s) {
    int64_t ignored;
    struct sg_json v = {.type = SG_JSON_NUMBER, .n = (uint32_t)s.n, .text = s.p};
    return s.n < 25 && sg_json_to_i64(&v, &ignored);
}

static bool is_number(struct sg_str s) {
    size_t start = s.n && s.p[0] == '-', i = digits(s, start), from;
    if (i == start || (s.p[start] == '0' && i > start + 1)) return false;
    if (i == s.n) return fits_64_bits(s);
    if (s.p[i] == '.') {
        from = i + 1;
        if ((i = digits(s, from)) == from) return false;
    }
    if (i < s.n && (s.p[i] == 'e' || s.p[i] == 'E')) {
        from = i + 1;
        if (from < s.n && (s.p[from] == '-' || s.p[from] == '+')) from++;
        if ((i = digits(s, from)) == from) return false;
    }
    return i == s.n;
}

static bool is_one_of(struct sg_str s, const char *const *words, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (sg_str_eq(s, sg_str(words[i]))) return true;
    return false;
}
#define IS_ONE_OF(s, words) is_one_of((s), (words), sizeof(words) / sizeof *(words))

static bool is_true(struct sg_str s) {
    static const char *const words[] = {"True", "true", "TRUE"};
    return IS_ONE_OF(s, words);
}

static bool is_false(struct sg_str s) {
    static const char *const words[] = {"False", "false", "FALSE"};
    return IS_ONE_OF(s, words);
}

static bool is_missing(struct sg_str s) {
    static const char *const words[] = {"",    "NA",  "N/A",  "n/a",  "#N/A", "#NA",  "<NA>",
                                        "nan", "NaN", "-nan", "-NaN", "null", "NULL", "None"};
    return s.n <= 4 && IS_ONE_OF(s, words);
}

/* --- the layout ------------------------------------------------------------------------------------------------- */

static enum sg_split bad_header(const struct sg_splitter *s, const struct sg_piece *piece, const char *why,
                                struct sg_err *err) {
    int code = piece->too_long ? SG_E_LIMIT : SG_E_SYNTAX;
    sg_fail(err, code, "%.*s:%llu: the header, which names the columns, cannot be read: %s", SG_ARG(s->name),
            (unsigned long long)piece->line, why);
    return SG_SPLIT_BROKEN;
}

/* The names of the columns so far: a table of hashes, as 20,000 of one name must not take minutes. */
struct known {
    struct sg_str name;
    unsigned next; /* what to try at the end of the next one of this name; 0: the place is free */
};

struct names {
    struct known *slots;
    size_t mask;
};

static void open_names(struct names *t, size_t most) {
    size_t n = 4;
    while (n < most * 2) n *= 2;
    *t = (struct names){.slots = sg_xcalloc(n, sizeof *t->slots), .mask = n - 1};
}

/* Its place, or the free one where it belongs. */
static struct known *find_name(const struct names *t, struct sg_str name) {
    size_t i = sg_hash64(name, 0) & t->mask;
    while (t->slots[i].next && !sg_str_eq(t->slots[i].name, name)) i = (i + 1) & t->mask;
    return &t->slots[i];
}

static struct sg_str column_name(struct sg_arena *a, struct names *t, size_t n, struct sg_str name) {
    if (name.n == 0) name = sg_str_printf(a, "Unnamed: %zu", n);
    struct known *first = find_name(t, name), *at = first;
    struct sg_str unique = name;
    while (at->next) {
        unique = sg_str_printf(a, "%.*s.%u", SG_ARG(name), first->next++);
        at = find_name(t, unique);
    }
    *at = (struct known){unique, 1};
    return unique;
}

static enum sg_split read_header(struct sg_splitter *s, struct sg_arena *a, enum sg_patience patience,
                                 struct sg_csv_column **columns, size_t *n, struct sg_err *err) {
    struct sg_piece piece = {.line = 1};
    size_t bad;
    enum sg_split got = sg_csv_next(s, patience, &piece, err);
    if (got == SG_SPLIT_ENDED) return bad_header(s, &piece, "the file is empty", err);
    if (got != SG_SPLIT_GOT) return got;
    if (piece.too_long) return bad_header(s, &piece, "it is too long", err);
    if (piece.bad) return bad_header(s, &piece, piece.bad, err);
    if (!sg_utf8_valid(piece.text, &bad)) return bad_header(s, &piece, "it is not UTF-8", err);
    size_t count = count_fields(s->separator, piece.text);
    if (count > MAX_COLUMNS) return bad_header(s, &piece, "it names more than 20,000 columns", err);
    struct sg_str rest = sg_str_dup(a, piece.text), name;
    struct names names;
    open_names(&names, count);
    *columns = SG_NEW_N(a, struct sg_csv_column, count);
    for (*n = 0; next_field(s->separator, &rest, &name); (*n)++)
        (*columns)[*n].name = column_name(a, &names, *n, name);
    free(names.slots);
    return SG_SPLIT_GOT;
}

struct seen {
    bool text, number, boolean;
};

static void see(struct seen *seen, struct sg_str value) {
    if (is_missing(value)) return;
    if (is_number(value)) seen->number = true;
    else if (is_true(value) || is_false(value)) seen->boolean = true;
    else seen->text = true;
}

static enum sg_csv_type type_of(const struct seen *s) {
    if (s->text || (s->number && s->boolean)) return SG_CSV_TEXT;
    return s->boolean ? SG_CSV_BOOL : SG_CSV_NUMBER; /* nothing seen: what looks like a number is one */
}

/* The rows that are whole in the sample are looked at by a splitter of their own, which moves nothing. What the window holds
 * beyond it, as a pipe was fast, does not count. */
static void look(const struct sg_splitter *s, struct seen *seen, size_t n) {
    struct sg_splitter ahead = *s;
    struct sg_piece piece;
    size_t left = s->in.offset < SAMPLE ? SAMPLE - (size_t)s->in.offset : 0;
    bool ends = s->in.ended && sg_splitter_left(s).n <= left;
    if (sg_splitter_left(s).n > left) ahead.in.end = ahead.in.at + left;
    ahead.with_crc = false;
    ahead.in.ended = true;
    struct sg_arena scratch;
    sg_arena_init(&scratch, 0);
    while (sg_csv_next(&ahead, SG_NO_READ, &piece, NULL) == SG_SPLIT_GOT) {
        bool cut = ahead.in.at == ahead.in.end && !ends;
        if (cut || piece.bad || piece.too_long || count_fields(s->separator, piece.text) != n) continue;
        struct sg_str rest = sg_str_dup(&scratch, piece.text), value;
        for (size_t i = 0; i < n && next_field(s->separator, &rest, &value); i++) see(&seen[i], value);
        sg_arena_reset(&scratch);
    }
    sg_arena_fini(&scratch);
}

static enum sg_csv_type type_in(const struct sg_csv_layout *l, struct sg_str name) {
    for (size_t i = 0; i < l->n; i++)
        if (sg_str_eq(l->columns[i].name, name)) return l->columns[i].type;
    return SG_CSV_TEXT;
}

/* The sample is waited for, also of a pipe: types must not depend on how fast it is written. Where a packed file is
 * damaged, the sample ends, and the rows before that place are read. */
static enum sg_split fill_window(struct sg_splitter *s, enum sg_patience patience, struct sg_err *err) {
    struct sg_err why = {0};
    enum sg_split got = sg_splitter_begin(s, patience, &why);
    bool begun = got == SG_SPLIT_GOT;
    while (got == SG_SPLIT_GOT && sg_splitter_left(s).n < SAMPLE) got = sg_input_more(s, patience, &why);
    bool damaged = got == SG_SPLIT_BROKEN && begun && why.code == SG_E_SYNTAX;
    if (got == SG_SPLIT_BROKEN && err) *err = why;
    return got == SG_SPLIT_ENDED || damaged ? SG_SPLIT_GOT : got;
}

enum sg_split sg_csv_layout(struct sg_splitter *s, struct sg_arena *a, const struct sg_csv_layout *like,
                            enum sg_patience patience, struct sg_csv_layout *out, struct sg_err *err) {
    struct sg_csv_column *columns;
    size_t n;
    enum sg_split got = fill_window(s, patience, err);
    if (got == SG_SPLIT_GOT) got = read_header(s, a, patience, &columns, &n, err);
    if (got != SG_SPLIT_GOT) return got;
    struct seen *seen = sg_xcalloc(n, sizeof *seen);
    if (!like) look(s, seen, n);
    for (size_t i = 0; i < n; i++) columns[i].type = like ? type_in(like, columns[i].name) : type_of(&seen[i]);
    free(seen);
    *out = (struct sg_csv_layout){.columns = columns, .n = n, .separator = s->separator};
    return SG_SPLIT_GOT;
}

/* --- rows ------------------------------------------------------------------------------------------------------- */

static struct sg_json number(struct sg_str s) {
    return (struct sg_json){.type = SG_JSON_NUMBER, .n = (uint32_t)s.n, .text = s.p};
}

static struct sg_json value_of(enum sg_csv_type type, struct sg_str s) {
    if (s.n == 0 || (type != SG_CSV_TEXT && is_missing(s))) return sg_json_null();
    if (type == SG_CSV_NUMBER && is_number(s)) return number(s);
    if (type == SG_CSV_BOOL && (is_true(s) || is_false(s))) return sg_json_bool(is_true(s));
    return sg_json_string(s);
}

static void fail_count(const struct sg_row_maker *m, const struct sg_csv_layout *l, const struct sg_piece *piece,
                       size_t got, struct sg_row *out) {
    char why[96];
    snprintf(why, sizeof why, "the row has %zu value%s, the header names %zu column%s", got, got == 1 ? "" : "s",
             l->n, l->n == 1 ? "" : "s");
    sg_row_fail(m, piece, 0, SG_E_SYNTAX, why, out);
}

static void fill(const struct sg_row_maker *m, const struct sg_csv_layout *l, const struct sg_piece *piece,
                 struct sg_row *out) {
    struct sg_member *members = SG_NEW_N(&out->arena, struct sg_member, l->n);
    struct sg_str rest = sg_str_dup(&out->arena, piece->text), value;
    size_t n = 0;
    for (; n < l->n && next_field(l->separator, &rest, &value); n++)
        members[n] = (struct sg_member){l->columns[n].name, value_of(l->columns[n].type, value)};
    struct sg_json row = sg_json_object(members, n);
    sg_row_finish(m, &row, out);
}

void sg_csv_row(const struct sg_row_maker *m, const struct sg_csv_layout *l, const struct sg_piece *piece,
                uint64_t position, struct sg_row *out) {
    size_t bad, n;
    sg_row_begin(piece, l->n, position, out);
    if (piece->too_long) sg_row_fail(m, piece, 0, SG_E_LIMIT, "the row is too long", out);
    else if (piece->bad) sg_row_fail(m, piece, piece->bad_at, SG_E_SYNTAX, piece->bad, out);
    else if (!sg_utf8_valid(piece->text, &bad)) sg_row_fail(m, piece, bad, SG_E_SYNTAX, "the text is not UTF-8", out);
    else if ((n = count_fields(l->separator, piece->text)) != l->n) fail_count(m, l, piece, n, out);
    else fill(m, l, piece, out);
}
