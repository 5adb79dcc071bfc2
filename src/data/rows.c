/* SPDX-License-Identifier: Apache-2.0 */
/* rows: one record from the text of one row (spec-core 3.7 with its defects repaired).
 *
 *   columns   `fields` keeps the columns named, and `id`; a row in which none of them occurs stays, as an empty
 *             record
 *   id        the `id_column` of the row if it has one and it is not null (also when `fields` does not name that
 *             column); else `id` as it stands, whatever it is (0 and "" too), unless null; else SHA-256 of the
 *             record's text as Python's json.dumps(record, sort_keys=True) gives it. A record that lacks `id` gets
 *             it as its last member
 *
 * An arena's first block fits a row of ordinary text whole, with some room for what the engine adds while the record
 * waits for its first answer: a record in flight is then one block. Rows of many small values take a second block. */
#include "data/rows.h"

#include <stdio.h>

#define ROOM_FOR_RUN 512
#define USUAL_MEMBERS 8

static const struct sg_str id_key = {"id", 2};

/* --- ids -------------------------------------------------------------------------------------------------------- */

static struct sg_str id_of_position(struct sg_arena *a, uint64_t seed, uint64_t position) {
    struct sg_draw_key key = {.seed = seed, .position = position, .node = sg_hash64(SG_STR("record id"), 0)};
    return sg_str_printf(a, "%016llx%016llx", (unsigned long long)sg_draw(&key, 0),
                         (unsigned long long)sg_draw(&key, 1));
}

static struct sg_str id_of_content(struct sg_arena *a, const struct sg_json *record) {
    struct sg_buf text = SG_BUF_INIT(SIZE_MAX);
    char hex[65];
    sg_json_write_python(&text, record, true, true);
    sg_sha256_hex(sg_buf_view(&text), hex);
    sg_buf_fini(&text);
    return sg_str_dup(a, (struct sg_str){hex, 64});
}

struct sg_str sg_source_id(struct sg_arena *a, const struct sg_json *record, uint64_t seed, uint64_t position) {
    return record ? id_of_content(a, record) : id_of_position(a, seed, position);
}

static const struct sg_json *get_not_null(const struct sg_json *record, struct sg_str key) {
    const struct sg_json *v = key.n ? sg_json_get(record, key) : NULL;
    return v && v->type != SG_JSON_NULL ? v : NULL;
}

/* The record with `id` set, in its place or at the end. */
static struct sg_json with_id(struct sg_arena *a, const struct sg_json *record, struct sg_json id) {
    struct sg_member *members = SG_NEW_N(a, struct sg_member, record->n + 1);
    size_t at = record->n;
    for (size_t i = 0; i < record->n; i++) {
        members[i] = record->members[i];
        if (sg_str_eq(members[i].key, id_key)) at = i;
    }
    members[at] = (struct sg_member){.key = id_key, .value = id};
    return sg_json_object(members, at == record->n ? at + 1 : record->n);
}

/* `row` has all columns, *record those that stay. */
static void set_id(const struct sg_row_maker *m, struct sg_arena *a, const struct sg_json *row,
                   struct sg_json *record) {
    const struct sg_json *column = get_not_null(row, m->id_column);
    if (column) *record = with_id(a, record, *column);
    else if (m->want_ids && !get_not_null(record, id_key))
        *record = with_id(a, record, sg_json_string(id_of_content(a, record)));
}

/* --- columns ---------------------------------------------------------------------------------------------------- */

static bool is_kept(const struct sg_row_maker *m, struct sg_str key) {
    for (size_t i = 0; i < m->n_fields; i++)
        if (sg_str_eq(m->fields[i].text, key)) return true;
    return sg_str_eq(key, id_key);
}

bool sg_row_wants(const struct sg_row_maker *m, struct sg_str key) {
    return m->n_fields == 0 || is_kept(m, key) || (m->id_column.n && sg_str_eq(key, m->id_column));
}

static struct sg_json keep_fields(const struct sg_row_maker *m, struct sg_arena *a, const struct sg_json *row) {
    if (m->n_fields == 0) return *row;
    struct sg_member *members = SG_NEW_N(a, struct sg_member, row->n);
    size_t n = 0;
    for (size_t i = 0; i < row->n; i++)
        if (is_kept(m, row->members[i].key)) members[n++] = row->members[i];
    return sg_json_object(members, n);
}

/* --- rows ------------------------------------------------------------------------------------------------------- */

static size_t first_block(size_t text_bytes, size_t members) {
    return text_bytes + text_bytes / 8 + members * sizeof(struct sg_member) + ROOM_FOR_RUN;
}

static uint64_t count_lines(struct sg_str s, size_t n) {
    uint64_t lines = 0;
    for (size_t i = sg_str_find(s, '\n', 0); i < n && i < s.n; i = sg_str_find(s, '\n', i + 1)) lines++;
    return lines;
}

/* With what the parser has built goes a block as large as the row. */
void sg_row_fail(const struct sg_row_maker *m, const struct sg_piece *piece, size_t at, int code, const char *why,
                 struct sg_row *out) {
    sg_arena_fini(&out->arena);
    sg_arena_init(&out->arena, first_block(0, USUAL_MEMBERS));
    out->status = code;
    out->value = sg_json_null();
    out->error = sg_str_printf(&out->arena, "%.*s:%llu: byte %llu: %s", SG_ARG(m->name),
                               (unsigned long long)(piece->line + count_lines(piece->text, at)),
                               (unsigned long long)(piece->offset + at), why);
}

static void fail_syntax(const struct sg_row_maker *m, const struct sg_piece *piece, size_t at,
                        const struct sg_err *err, struct sg_row *out) {
    char why[SG_ERR_TEXT + 16];
    snprintf(why, sizeof why, "%s of the row", err->text); /* the parser's text ends in "at byte N" */
    sg_row_fail(m, piece, at, err->code, why, out);
}

static void fail_type(const struct sg_row_maker *m, const struct sg_piece *piece, struct sg_row *out) {
    uint8_t type = out->value.type;
    const char *article = type == SG_JSON_NULL ? "" : type == SG_JSON_ARRAY ? "an " : "a ";
    char why[64];
    snprintf(why, sizeof why, "the row is %s%s, not an object", article, sg_json_type_name(&out->value));
    sg_row_fail(m, piece, 0, SG_E_TYPE, why, out);
}

void sg_row_begin(const struct sg_piece *piece, size_t columns, uint64_t position, struct sg_row *out) {
    *out = (struct sg_row){.position = position, .line = piece->line, .offset = piece->offset};
    sg_arena_init(&out->arena, first_block(piece->text.n, columns));
}

void sg_row_finish(const struct sg_row_maker *m, const struct sg_json *row, struct sg_row *out) {
    out->value = keep_fields(m, &out->arena, row);
    set_id(m, &out->arena, row, &out->value);
}

void sg_row_make(const struct sg_row_maker *m, const struct sg_piece *piece, uint64_t position, struct sg_row *out) {
    sg_row_begin(piece, USUAL_MEMBERS, position, out);
    if (piece->too_long) {
        sg_row_fail(m, piece, 0, SG_E_LIMIT, "the row is too long", out);
        return;
    }
    struct sg_err err;
    size_t at = 0;
    int rc = sg_json_parse(&out->arena, piece->text, &out->value, &at, &err);
    if (rc < 0) {
        fail_syntax(m, piece, at, &err, out);
    } else if (out->value.type != SG_JSON_OBJECT) {
        fail_type(m, piece, out);
    } else {
        struct sg_json row = out->value;
        sg_row_finish(m, &row, out);
    }
}

void sg_row_make_empty(const struct sg_row_maker *m, uint64_t position, struct sg_row *out) {
    *out = (struct sg_row){.position = position, .value = sg_json_object(NULL, 0)};
    sg_arena_init(&out->arena, first_block(0, USUAL_MEMBERS));
    if (!m->want_ids) return;
    out->value = with_id(&out->arena, &out->value, sg_json_string(id_of_position(&out->arena, m->seed, position)));
}
