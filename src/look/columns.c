/* SPDX-License-Identifier: Apache-2.0 */
/* columns: types of columns from their values, and records as rows. */
#include "look/columns.h"

#include "look/look.h"

#include <stdlib.h>

#define MOST 10000
#define EXACT_DIGITS 15 /* decimals of so many digits survive as doubles */
#define EXACT_EXPONENT 290

enum { BOOLEAN = 1, SHORT_INT = 2, LONG_INT = 4, REAL = 8, STRING = 16, OTHER = 32 };

/* --- types ------------------------------------------------------------------------------------------------------ */

/* Digits between the first and the last that are not 0. */
static size_t digits_of(struct sg_str number) {
    size_t n = 0, zeros = 0;
    for (size_t i = 0; i < number.n && number.p[i] != 'e' && number.p[i] != 'E'; i++) {
        char c = number.p[i];
        if (c < '0' || c > '9' || (c == '0' && n == 0)) continue;
        zeros = c == '0' ? zeros + 1 : 0;
        n++;
    }
    return n - zeros;
}

static bool small_exponent(struct sg_str number) {
    size_t e = 0;
    while (e < number.n && number.p[e] != 'e' && number.p[e] != 'E') e++;
    if (e + 300 < number.n || e > EXACT_EXPONENT) return false; /* 0.000...1 has none, and is as small */
    char text[304] = "";
    if (e < number.n) memcpy(text, number.p + e + 1, number.n - e - 1);
    long exponent = strtol(text, NULL, 10);
    return exponent >= -EXACT_EXPONENT + 20 && exponent <= EXACT_EXPONENT - (long)e;
}

static unsigned kind_of_number(const struct sg_json *v) {
    struct sg_str text = sg_json_text(v);
    int64_t whole;
    if (sg_json_number_is_int(text) && sg_json_to_i64(v, &whole) && !(text.n > 1 && text.p[0] == '-' && whole == 0))
        return digits_of(text) <= EXACT_DIGITS ? SHORT_INT : LONG_INT;
    return digits_of(text) <= EXACT_DIGITS && small_exponent(text) && !sg_json_number_is_int(text) ? REAL : OTHER;
}

static unsigned kind_of(const struct sg_json *v) {
    switch (v->type) {
    case SG_JSON_NULL:
        return 0;
    case SG_JSON_FALSE:
    case SG_JSON_TRUE:
        return BOOLEAN;
    case SG_JSON_NUMBER:
        return kind_of_number(v);
    case SG_JSON_STRING:
        return STRING;
    default:
        return OTHER;
    }
}

enum sg_table_kind sg_columns_kind(const struct sg_export_column *c) {
    if (c->seen == BOOLEAN) return SG_TABLE_BOOLEAN;
    if (c->seen && !(c->seen & ~(unsigned)(SHORT_INT | LONG_INT))) return SG_TABLE_INTEGER;
    if (c->seen && !(c->seen & ~(unsigned)(SHORT_INT | REAL))) return SG_TABLE_REAL;
    return SG_TABLE_TEXT;
}

bool sg_columns_is_json(const struct sg_export_column *c) {
    return sg_columns_kind(c) == SG_TABLE_TEXT && (c->seen & ~(unsigned)STRING);
}

/* --- collecting ------------------------------------------------------------------------------------------------- */

/* Records mostly have their columns in the same order. */
static struct sg_export_column *find(struct sg_export_columns *c, struct sg_str name, size_t near) {
    if (near < c->n && sg_str_eq(c->items[near].name, name)) return &c->items[near];
    for (size_t i = 0; i < c->n; i++)
        if (sg_str_eq(c->items[i].name, name)) return &c->items[i];
    return NULL;
}

int sg_columns_note(struct sg_export_columns *c, const struct sg_json *record, struct sg_err *err) {
    if (record->type != SG_JSON_OBJECT) return sg_fail(err, SG_E_TYPE, "a record that is no object has no columns");
    for (uint32_t i = 0; i < record->n; i++) {
        const struct sg_member *m = &record->members[i];
        struct sg_export_column *column = find(c, m->key, i);
        if (!column) {
            if (c->n == MOST)
                return sg_fail(err, SG_E_LIMIT, "the records have over %d columns; export them as .jsonl", MOST);
            column = SG_PUSH(c->arena, c->items, c->n, c->cap);
            *column = (struct sg_export_column){.name = sg_str_dup(c->arena, m->key)};
        }
        column->seen |= kind_of(&m->value);
    }
    return 0;
}

/* --- rows ------------------------------------------------------------------------------------------------------- */

static const struct sg_json *value_of(const struct sg_json *record, const struct sg_export_columns *c, size_t i) {
    if (i < record->n && sg_str_eq(record->members[i].key, c->items[i].name)) return &record->members[i].value;
    return sg_json_get(record, c->items[i].name);
}

void sg_csv_cell(struct sg_buf *b, struct sg_str text) {
    bool plain = text.n > 0 && text.p[0] != ' ' && text.p[text.n - 1] != ' ';
    for (size_t i = 0; i < text.n && plain; i++) plain = !strchr(",\"\r\n", text.p[i]) || !text.p[i];
    if (plain) {
        sg_buf_str(b, text);
        return;
    }
    sg_buf_ch(b, '"');
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '"') sg_buf_ch(b, '"');
        sg_buf_ch(b, text.p[i]);
    }
    sg_buf_ch(b, '"');
}

void sg_columns_csv_head(const struct sg_export_columns *c, struct sg_buf *out) {
    for (size_t i = 0; i < c->n; i++) {
        if (i) sg_buf_ch(out, ',');
        sg_csv_cell(out, c->items[i].name);
    }
}

static void csv_value(struct sg_buf *out, const struct sg_json *v) {
    struct sg_buf text = SG_BUF_INIT(SIZE_MAX);
    if (!v || v->type == SG_JSON_NULL) return;
    if (v->type == SG_JSON_STRING) sg_buf_str(&text, sg_json_text(v));
    else sg_json_write(&text, v);
    sg_csv_cell(out, sg_buf_view(&text));
    sg_buf_fini(&text);
}

void sg_columns_csv(const struct sg_export_columns *c, const struct sg_json *record, struct sg_buf *out) {
    for (size_t i = 0; i < c->n; i++) {
        if (i) sg_buf_ch(out, ',');
        csv_value(out, value_of(record, c, i));
    }
}

static void flat_value(struct sg_buf *out, const struct sg_export_column *c, const struct sg_json *v) {
    struct sg_buf text = SG_BUF_INIT(SIZE_MAX);
    if (!sg_columns_is_json(c)) {
        sg_json_write(out, v);
        return;
    }
    sg_json_write(&text, v);
    sg_json_write_string(out, sg_buf_view(&text));
    sg_buf_fini(&text);
}

void sg_columns_flat(const struct sg_export_columns *c, const struct sg_json *record, struct sg_buf *out) {
    bool first = true;
    sg_buf_ch(out, '{');
    for (size_t i = 0; i < c->n; i++) {
        const struct sg_json *v = value_of(record, c, i);
        if (!v || v->type == SG_JSON_NULL) continue;
        if (!first) sg_buf_ch(out, ',');
        first = false;
        sg_json_write_string(out, c->items[i].name);
        sg_buf_ch(out, ':');
        flat_value(out, &c->items[i], v);
    }
    sg_buf_ch(out, '}');
}
