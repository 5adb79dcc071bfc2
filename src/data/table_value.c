/* SPDX-License-Identifier: Apache-2.0 */
/* table_value: what becomes what.
 *
 *   integers of any size, DECIMAL           number, every digit of it: 12.50 stays 12.50
 *   FLOAT, DOUBLE                           number, the shortest text that reads back; NaN and infinities are null
 *   DATE, TIME, TIMESTAMP                   "2024-02-29", "12:30:00", "2024-02-29T12:30:00.25"; with time zone: UTC, "+00:00"
 *   INTERVAL                                ISO 8601 duration: "P1M2DT3.5S"
 *   UUID                                    text
 *   LIST, ARRAY; STRUCT; MAP                array; object; object whose keys are the keys' texts
 *   BLOB and the rest                       refused: JSON has no form for them
 */
#include "data/table_value.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#define US_PER_S INT64_C(1000000)
#define S_PER_DAY INT64_C(86400)
#define MAX_DEPTH 64

/* --- types ------------------------------------------------------------------------------------------------------ */

static const char *refused_name(int id) {
    switch (id) {
    case DUCKDB_BLOB: return "BLOB (bytes)";
    case 28: return "UNION";
    case 29: return "BIT";
    case 30: return "TIME WITH TIME ZONE";
    case 40: return "GEOMETRY";
    case 41: return "VARIANT";
    default: return "a type that is not known here";
    }
}

static bool is_known(int id) {
    bool scalar = id >= DUCKDB_BOOLEAN && id <= DUCKDB_TIMESTAMP_NS && id != DUCKDB_BLOB;
    return scalar || (id >= DUCKDB_LIST && id <= DUCKDB_UUID) || (id >= DUCKDB_TIMESTAMP_TZ && id <= DUCKDB_ARRAY) ||
           id == DUCKDB_SQLNULL;
}

static bool read_type(const struct sg_duckdb *lib, struct sg_arena *a, duckdb_ref type, int depth,
                      struct sg_table_type *out, const char **what);

/* Takes the child's type. */
static bool read_child(const struct sg_duckdb *lib, struct sg_arena *a, duckdb_ref child, int depth,
                       struct sg_table_type *out, const char **what) {
    bool fine = read_type(lib, a, child, depth + 1, out, what);
    lib->destroy_logical_type(&child);
    return fine;
}

static bool read_struct(const struct sg_duckdb *lib, struct sg_arena *a, duckdb_ref type, int depth,
                        struct sg_table_type *out, const char **what) {
    out->n = lib->struct_type_child_count(type);
    struct sg_table_type *of = SG_NEW_N(a, struct sg_table_type, out->n);
    struct sg_str *names = SG_NEW_N(a, struct sg_str, out->n);
    bool fine = true;
    for (size_t i = 0; i < out->n && fine; i++) {
        char *name = lib->struct_type_child_name(type, i);
        names[i] = sg_str_dup(a, sg_str(name));
        lib->free(name);
        fine = read_child(lib, a, lib->struct_type_child_type(type, i), depth, &of[i], what);
    }
    out->of = of;
    out->names = names;
    return fine;
}

static bool read_list(const struct sg_duckdb *lib, struct sg_arena *a, duckdb_ref type, int depth,
                      struct sg_table_type *out, const char **what) {
    struct sg_table_type *of = SG_NEW_N(a, struct sg_table_type, 2);
    out->of = of;
    out->n = out->id == DUCKDB_MAP ? 2 : 1;
    if (out->id == DUCKDB_MAP) {
        return read_child(lib, a, lib->map_type_key_type(type), depth, &of[0], what) &&
               read_child(lib, a, lib->map_type_value_type(type), depth, &of[1], what);
    }
    if (out->id == DUCKDB_ARRAY) out->length = lib->array_type_array_size(type);
    return read_child(lib, a, out->id == DUCKDB_ARRAY ? lib->array_type_child_type(type) : lib->list_type_child_type(type),
                      depth, of, what);
}

static bool read_type(const struct sg_duckdb *lib, struct sg_arena *a, duckdb_ref type, int depth,
                      struct sg_table_type *out, const char **what) {
    out->id = lib->get_type_id(type);
    *what = depth > MAX_DEPTH ? "a type nested too deep" : refused_name(out->id);
    if (depth > MAX_DEPTH || !is_known(out->id)) return false;
    switch (out->id) {
    case DUCKDB_STRUCT: return read_struct(lib, a, type, depth, out, what);
    case DUCKDB_LIST:
    case DUCKDB_ARRAY:
    case DUCKDB_MAP: return read_list(lib, a, type, depth, out, what);
    case DUCKDB_DECIMAL:
        out->scale = lib->decimal_scale(type);
        out->stored = lib->decimal_internal_type(type);
        return true;
    default: return true;
    }
}

bool sg_table_type(const struct sg_duckdb *lib, struct sg_arena *a, duckdb_ref type, struct sg_table_type *out,
                   const char **what) {
    return read_type(lib, a, type, 0, out, what);
}

/* --- numbers ---------------------------------------------------------------------------------------------------- */

__extension__ typedef __int128 wide;
__extension__ typedef unsigned __int128 unsigned_wide;

static struct sg_json number(struct sg_arena *a, struct sg_str text) {
    text = sg_str_dup(a, text);
    return (struct sg_json){.type = SG_JSON_NUMBER, .n = (uint32_t)text.n, .text = text.p};
}

/* With a point before the last `scale` digits. */
static struct sg_json exact(struct sg_arena *a, bool negative, unsigned_wide v, unsigned scale) {
    char text[64], *end = text + sizeof text, *p = end;
    for (unsigned i = 0; v != 0 || i <= scale; i++) {
        if (scale && i == scale) *--p = '.';
        *--p = (char)('0' + (int)(v % 10));
        v /= 10;
    }
    if (negative) *--p = '-';
    return number(a, (struct sg_str){p, (size_t)(end - p)});
}

static struct sg_json signed_exact(struct sg_arena *a, wide v, unsigned scale) {
    return exact(a, v < 0, v < 0 ? -(unsigned_wide)v : (unsigned_wide)v, scale);
}

/* As it is stored: a low and a high half. */
static unsigned_wide wide_at(const void *data, uint64_t row) {
    const uint64_t *halves = (const uint64_t *)data + 2 * row;
    return (unsigned_wide)halves[1] << 64 | halves[0];
}

/* The shortest text that reads back as the same float: as a double it would show digits that nobody wrote. */
static struct sg_json single(struct sg_arena *a, float v) {
    char text[32];
    if (!isfinite(v)) return sg_json_null();
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)v);
        float back;
        if (sscanf(text, "%f", &back) == 1 && back == v) break;
    }
    if (!strpbrk(text, ".e")) strcat(text, ".0");
    return number(a, sg_str(text));
}

static wide integer_at(int type, const void *data, uint64_t row) {
    switch (type) {
    case DUCKDB_TINYINT: return ((const int8_t *)data)[row];
    case DUCKDB_SMALLINT: return ((const int16_t *)data)[row];
    case DUCKDB_INTEGER: return ((const int32_t *)data)[row];
    case DUCKDB_BIGINT: return ((const int64_t *)data)[row];
    case DUCKDB_UTINYINT: return ((const uint8_t *)data)[row];
    case DUCKDB_USMALLINT: return ((const uint16_t *)data)[row];
    case DUCKDB_UINTEGER: return ((const uint32_t *)data)[row];
    case DUCKDB_UBIGINT: return ((const uint64_t *)data)[row];
    default: return (wide)wide_at(data, row);
    }
}

/* --- time ------------------------------------------------------------------------------------------------------- */

static int64_t floor_div(int64_t a, int64_t b, int64_t *rest) {
    int64_t q = a / b;
    *rest = a % b;
    if (*rest < 0) *rest += b, q--;
    return q;
}

/* Proleptic Gregorian calendar, by eras of 400 years, each beginning with a March (days: since 1970). */
static void put_date(struct sg_buf *b, int64_t days) {
    int64_t of_era, era = floor_div(days + 719468, 146097, &of_era);
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
    int64_t day = of_year - (153 * month + 2) / 5 + 1;
    month += month < 10 ? 3 : -9;
    year += era * 400 + (month <= 2);
    sg_buf_printf(b, "%04" PRId64 "-%02" PRId64 "-%02" PRId64, year, month, day);
}

/* .25, without zeros at the end; nothing for a whole second. */
static void put_fraction(struct sg_buf *b, int64_t part, int digits) {
    if (part == 0) return;
    char text[16];
    int n = snprintf(text, sizeof text, ".%0*" PRId64, digits, part);
    while (text[n - 1] == '0') n--;
    sg_buf_add(b, text, (size_t)n);
}

static void put_time(struct sg_buf *b, int64_t seconds, int64_t part, int digits) {
    sg_buf_printf(b, "%02" PRId64 ":%02" PRId64 ":%02" PRId64, seconds / 3600, seconds / 60 % 60, seconds % 60);
    put_fraction(b, part, digits);
}

/* `per_second` parts of a second, of which `digits` are decimals, since 1970. */
static void put_timestamp(struct sg_buf *b, int64_t v, int64_t per_second, int digits) {
    int64_t part, seconds = floor_div(v, per_second, &part), of_day, days = floor_div(seconds, S_PER_DAY, &of_day);
    put_date(b, days);
    sg_buf_ch(b, 'T');
    put_time(b, of_day, part, digits);
}

struct interval {
    int32_t months, days;
    int64_t micros;
};

static void put_interval(struct sg_buf *b, const struct interval *v) {
    sg_buf_ch(b, 'P');
    if (v->months) sg_buf_printf(b, "%" PRId32 "M", v->months);
    if (v->days) sg_buf_printf(b, "%" PRId32 "D", v->days);
    if (v->micros || (!v->months && !v->days)) {
        int64_t size = v->micros < 0 ? -v->micros : v->micros;
        sg_buf_printf(b, "T%s%" PRId64, v->micros < 0 ? "-" : "", size / US_PER_S);
        put_fraction(b, size % US_PER_S, 6);
        sg_buf_ch(b, 'S');
    }
}

/* --- texts ------------------------------------------------------------------------------------------------------ */

/* Stored with its first bit turned, so that it sorts as a number. */
static void put_uuid(struct sg_buf *b, const void *data, uint64_t row) {
    unsigned_wide v = wide_at(data, row) ^ (unsigned_wide)1 << 127;
    for (int i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20) sg_buf_ch(b, '-');
        sg_buf_ch(b, "0123456789abcdef"[(int)(v >> (124 - 4 * i)) & 15]);
    }
}

/* A length of 4 bytes; up to 12 bytes of text behind it, or else 4 of them and a pointer. */
static struct sg_str text_at(const void *data, uint64_t row) {
    const char *p = (const char *)data + 16 * row;
    uint32_t n;
    memcpy(&n, p, 4);
    if (n <= 12) return (struct sg_str){p + 4, n};
    const char *far;
    memcpy(&far, p + 8, sizeof far);
    return (struct sg_str){far, n};
}

static struct sg_json made_text(struct sg_arena *a, int type, const void *data, uint64_t row) {
    struct sg_buf b = SG_BUF_INIT(256);
    const int64_t *times = data;
    switch (type) {
    case DUCKDB_DATE: put_date(&b, ((const int32_t *)data)[row]); break;
    case DUCKDB_TIME: put_time(&b, times[row] / US_PER_S, times[row] % US_PER_S, 6); break;
    case DUCKDB_TIMESTAMP: put_timestamp(&b, times[row], US_PER_S, 6); break;
    case DUCKDB_TIMESTAMP_S: put_timestamp(&b, times[row], 1, 0); break;
    case DUCKDB_TIMESTAMP_MS: put_timestamp(&b, times[row], 1000, 3); break;
    case DUCKDB_TIMESTAMP_NS: put_timestamp(&b, times[row], 1000 * US_PER_S, 9); break;
    case DUCKDB_INTERVAL: put_interval(&b, (const struct interval *)data + row); break;
    case DUCKDB_UUID: put_uuid(&b, data, row); break;
    default: put_timestamp(&b, times[row], US_PER_S, 6), SG_BUF_LIT(&b, "+00:00"); /* TIMESTAMP_TZ */
    }
    struct sg_json v = sg_json_string(sg_str_dup(a, sg_buf_view(&b)));
    sg_buf_fini(&b);
    return v;
}

/* --- nested ----------------------------------------------------------------------------------------------------- */

struct list_entry {
    uint64_t offset, length;
};

static struct sg_json list_value(const struct sg_duckdb *lib, struct sg_arena *a, const struct sg_table_type *type,
                                 duckdb_ref child, struct list_entry at) {
    struct sg_json *items = SG_NEW_N(a, struct sg_json, at.length);
    for (uint64_t i = 0; i < at.length; i++) items[i] = sg_table_value(lib, a, type->of, child, at.offset + i);
    return sg_json_array(items, at.length);
}

static struct sg_json struct_value(const struct sg_duckdb *lib, struct sg_arena *a, const struct sg_table_type *type,
                                   duckdb_ref vector, uint64_t row) {
    struct sg_member *members = SG_NEW_N(a, struct sg_member, type->n);
    for (size_t i = 0; i < type->n; i++) {
        duckdb_ref child = lib->struct_vector_get_child(vector, i);
        members[i] = (struct sg_member){type->names[i], sg_table_value(lib, a, &type->of[i], child, row)};
    }
    return sg_json_object(members, type->n);
}

static struct sg_str key_text(struct sg_arena *a, struct sg_json key) {
    return key.type == SG_JSON_STRING ? sg_json_text(&key) : sg_json_dump(a, &key);
}

/* A map is a list of structs of key and value. */
static struct sg_json map_value(const struct sg_duckdb *lib, struct sg_arena *a, const struct sg_table_type *type,
                                duckdb_ref vector, struct list_entry at) {
    duckdb_ref pairs = lib->list_vector_get_child(vector);
    duckdb_ref keys = lib->struct_vector_get_child(pairs, 0), values = lib->struct_vector_get_child(pairs, 1);
    struct sg_member *members = SG_NEW_N(a, struct sg_member, at.length);
    for (uint64_t i = 0; i < at.length; i++) {
        struct sg_json key = sg_table_value(lib, a, &type->of[0], keys, at.offset + i);
        members[i] = (struct sg_member){key_text(a, key), sg_table_value(lib, a, &type->of[1], values, at.offset + i)};
    }
    return sg_json_object(members, at.length);
}

static bool is_null(const struct sg_duckdb *lib, duckdb_ref vector, uint64_t row) {
    const uint64_t *valid = lib->vector_get_validity(vector);
    return valid && !(valid[row / 64] >> (row % 64) & 1);
}

struct sg_json sg_table_value(const struct sg_duckdb *lib, struct sg_arena *a, const struct sg_table_type *type,
                              duckdb_ref vector, uint64_t row) {
    if (type->id == DUCKDB_SQLNULL || is_null(lib, vector, row)) return sg_json_null();
    const void *data = lib->vector_get_data(vector);
    switch (type->id) {
    case DUCKDB_BOOLEAN: return sg_json_bool(((const bool *)data)[row]);
    case DUCKDB_FLOAT: return single(a, ((const float *)data)[row]);
    case DUCKDB_DOUBLE: return sg_json_double(a, ((const double *)data)[row]);
    case DUCKDB_VARCHAR: return sg_json_string(sg_str_dup(a, text_at(data, row)));
    case DUCKDB_DECIMAL: return signed_exact(a, integer_at(type->stored, data, row), type->scale);
    case DUCKDB_UHUGEINT: return exact(a, false, wide_at(data, row), 0);
    case DUCKDB_LIST: return list_value(lib, a, type, lib->list_vector_get_child(vector),
                                        ((const struct list_entry *)data)[row]);
    case DUCKDB_ARRAY: return list_value(lib, a, type, lib->array_vector_get_child(vector),
                                         (struct list_entry){row * type->length, type->length});
    case DUCKDB_STRUCT: return struct_value(lib, a, type, vector, row);
    case DUCKDB_MAP: return map_value(lib, a, type, vector, ((const struct list_entry *)data)[row]);
    default: break;
    }
    bool is_integer = type->id <= DUCKDB_UBIGINT || type->id == DUCKDB_HUGEINT;
    return is_integer ? signed_exact(a, integer_at(type->id, data, row), 0) : made_text(a, type->id, data, row);
}
