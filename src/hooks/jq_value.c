/* SPDX-License-Identifier: Apache-2.0 */
/* jq_value: two walkers and a hash table.
 *
 * The table's key is the double's bit pattern; a round number makes clearing free. Lookups happen for numbers only
 * that the short way (whole, within 2^53) does not print, so a state without such numbers never touches it. */
#include "hooks/jq_value.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#define WHOLE_MAX 0x1p53
#define FIRST_SLOTS 64
/* Digits that make a whole number below 2^53 whatever they are. */
#define SAFE_DIGITS 15

/* ---- texts of numbers ---- */

void sg_numbers_fini(struct sg_numbers *t) {
    free(t->slots);
    *t = (struct sg_numbers){0};
}

void sg_numbers_clear(struct sg_numbers *t) {
    t->n = 0;
    t->round++;
}

static uint64_t bits_of(double d) {
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    return bits;
}

static bool is_free(const struct sg_numbers *t, const struct sg_number_text *slot) {
    return !slot->text.n || slot->round != t->round;
}

/* The slot that holds `bits`, or the free one where it belongs. */
static struct sg_number_text *find_slot(const struct sg_numbers *t, uint64_t bits) {
    size_t i = (size_t)((bits * 0x9E3779B97F4A7C15U) >> 32) & (t->cap - 1);
    while (!is_free(t, &t->slots[i]) && t->slots[i].bits != bits) i = (i + 1) & (t->cap - 1);
    return &t->slots[i];
}

static void grow(struct sg_numbers *t) {
    struct sg_numbers old = *t;
    t->cap = old.cap ? old.cap * 2 : FIRST_SLOTS;
    t->slots = sg_xcalloc(t->cap, sizeof *t->slots);
    for (size_t i = 0; i < old.cap; i++)
        if (!is_free(&old, &old.slots[i])) *find_slot(t, old.slots[i].bits) = old.slots[i];
    free(old.slots);
}

static void remember(struct sg_numbers *t, double d, struct sg_str text) {
    if (t->n * 2 >= t->cap) grow(t);
    struct sg_number_text *slot = find_slot(t, bits_of(d));
    if (is_free(t, slot)) {
        *slot = (struct sg_number_text){bits_of(d), t->round, text};
        t->n++;
    } else if (!sg_str_eq(slot->text, text)) {
        slot->text.p = NULL;
    }
}

static struct sg_str recall(const struct sg_numbers *t, double d) {
    if (t->n == 0) return SG_STR_NONE;
    const struct sg_number_text *slot = find_slot(t, bits_of(d));
    return is_free(t, slot) || !slot->text.p ? SG_STR_NONE : slot->text;
}

static bool is_small_whole(double d) {
    return fabs(d) < WHOLE_MAX && d == floor(d) && (d != 0 || !signbit(d));
}

/* ---- reading ---- */

/* Up to 15 digits and a sign: the usual number, without strtod. */
static bool read_short_int(struct sg_str s, double *out) {
    bool negative = s.n && s.p[0] == '-';
    if (s.n - negative > SAFE_DIGITS) return false;
    int64_t value = 0;
    for (size_t i = negative; i < s.n; i++) {
        if (s.p[i] < '0' || s.p[i] > '9') return false;
        value = value * 10 + (s.p[i] - '0');
    }
    if (negative && value == 0) return false; /* -0 */
    *out = (double)(negative ? -value : value);
    return true;
}

static jv read_number(const struct sg_json *v, struct sg_numbers *t) {
    double d;
    if (read_short_int(sg_json_text(v), &d)) return jv_number(d);
    sg_json_to_double(v, &d);
    if (isinf(d)) d = d < 0 ? -DBL_MAX : DBL_MAX; /* as jq reads it */
    if (!is_small_whole(d)) remember(t, d, sg_json_text(v));
    return jv_number(d);
}

static jv read_text(struct sg_str s) {
    return s.n ? jv_string_sized(s.p, (int)s.n) : jv_string_sized("", 0);
}

jv sg_jv_read(const struct sg_json *v, struct sg_numbers *t) {
    jv out;
    switch (v->type) {
    case SG_JSON_FALSE: return jv_false();
    case SG_JSON_TRUE: return jv_true();
    case SG_JSON_NUMBER: return read_number(v, t);
    case SG_JSON_STRING: return read_text(sg_json_text(v));
    case SG_JSON_ARRAY:
        out = jv_array_sized((int)v->n);
        for (uint32_t i = 0; i < v->n; i++) out = jv_array_append(out, sg_jv_read(&v->items[i], t));
        return out;
    case SG_JSON_OBJECT:
        out = jv_object();
        for (uint32_t i = 0; i < v->n; i++)
            out = jv_object_set(out, read_text(v->members[i].key), sg_jv_read(&v->members[i].value, t));
        return out;
    default: return jv_null();
    }
}

/* ---- writing ---- */

static void write_i64(struct sg_buf *b, int64_t v) {
    if (v < 0) sg_buf_ch(b, '-');
    sg_buf_u64(b, v < 0 ? -(uint64_t)v : (uint64_t)v);
}

static void write_number(struct sg_buf *b, double d, const struct sg_numbers *t) {
    if (is_small_whole(d)) {
        write_i64(b, (int64_t)d);
        return;
    }
    if (isnan(d)) {
        SG_BUF_LIT(b, "null");
        return;
    }
    if (isinf(d)) d = d < 0 ? -DBL_MAX : DBL_MAX;
    struct sg_str text = recall(t, d);
    if (text.p) sg_buf_str(b, text);
    else if (fabs(d) < 0x1p63 && d == floor(d) && d != 0) write_i64(b, (int64_t)d);
    else sg_py_double(b, d); /* the shortest text that reads back */
}

/* libjq's getters take a reference each; the value lives on in its container, so it is given back at once. */
static void write_text(struct sg_buf *b, jv v) {
    sg_json_write_string(b, (struct sg_str){jv_string_value(v), (size_t)jv_string_length_bytes(jv_copy(v))});
}

static bool write_value(struct sg_buf *b, jv v, const struct sg_numbers *t, int depth);

static bool write_array(struct sg_buf *b, jv v, const struct sg_numbers *t, int depth) {
    int n = jv_array_length(jv_copy(v));
    bool ok = true;
    sg_buf_ch(b, '[');
    for (int i = 0; ok && !b->failed && i < n; i++) {
        if (i) sg_buf_ch(b, ',');
        jv item = jv_array_get(jv_copy(v), i);
        ok = write_value(b, item, t, depth + 1);
        jv_free(item);
    }
    sg_buf_ch(b, ']');
    return ok;
}

static bool write_object(struct sg_buf *b, jv v, const struct sg_numbers *t, int depth) {
    bool ok = true, first = true;
    sg_buf_ch(b, '{');
    for (int i = jv_object_iter(v); ok && !b->failed && jv_object_iter_valid(v, i); i = jv_object_iter_next(v, i)) {
        if (!first) sg_buf_ch(b, ',');
        first = false;
        jv key = jv_object_iter_key(v, i), value = jv_object_iter_value(v, i);
        write_text(b, key);
        sg_buf_ch(b, ':');
        ok = write_value(b, value, t, depth + 1);
        jv_free(key);
        jv_free(value);
    }
    sg_buf_ch(b, '}');
    return ok;
}

static bool write_value(struct sg_buf *b, jv v, const struct sg_numbers *t, int depth) {
    switch (jv_get_kind(v)) {
    case JV_KIND_FALSE: SG_BUF_LIT(b, "false"); return true;
    case JV_KIND_TRUE: SG_BUF_LIT(b, "true"); return true;
    case JV_KIND_NUMBER: write_number(b, jv_number_value(v), t); return true;
    case JV_KIND_STRING: write_text(b, v); return true;
    case JV_KIND_ARRAY: return depth < SG_JSON_DEPTH && write_array(b, v, t, depth);
    case JV_KIND_OBJECT: return depth < SG_JSON_DEPTH && write_object(b, v, t, depth);
    default: SG_BUF_LIT(b, "null"); return true;
    }
}

bool sg_jv_write(struct sg_buf *b, jv v, const struct sg_numbers *t) {
    return write_value(b, v, t, 1); /* the array of outputs is level 0 */
}
