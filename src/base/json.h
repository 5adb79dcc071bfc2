/* SPDX-License-Identifier: Apache-2.0 */
/* json: immutable JSON values (RFC 8259) in an arena. State is JSON: numbers keep their text exactly, objects keep the
 * order of their keys.
 *
 * A `struct sg_json` is 16 bytes and is passed by value or const pointer; what it points to is never changed, so values are
 * shared freely between states of one arena. Numbers are their source text ("1.10" stays "1.10").
 * Equal keys in one object: the last value wins, at the place of the first, as in Python.
 * Memory: values live as long as the arena they were made in; sg_json_copy moves one to another arena.
 * Limits: depth SG_JSON_DEPTH in every reader and builder that takes outside data, so walkers may recurse. */
#ifndef SG_BASE_JSON_H
#define SG_BASE_JSON_H

#include "base/arena.h"
#include "base/err.h"

#define SG_JSON_DEPTH 512

enum sg_json_type {
    SG_JSON_NULL,
    SG_JSON_FALSE,
    SG_JSON_TRUE,
    SG_JSON_NUMBER,
    SG_JSON_STRING,
    SG_JSON_ARRAY,
    SG_JSON_OBJECT,
};

struct sg_member;

struct sg_json {
    uint8_t type;
    uint32_t n; /* bytes of text, items, or members */
    union {
        const char *text; /* number, string (UTF-8, may hold NUL) */
        const struct sg_json *items;
        const struct sg_member *members;
    };
};

struct sg_member {
    struct sg_str key;
    struct sg_json value;
};

/* Reads one JSON text, whole. Input must be UTF-8; NaN and Infinity are refused. On error `*at` (may be NULL) is the byte
 * offset. Errors: SG_E_SYNTAX, SG_E_LIMIT (depth, or over 4 GB). The result owns nothing of `text`. */
int sg_json_parse(struct sg_arena *a, struct sg_str text, struct sg_json *out, size_t *at, struct sg_err *err);

/* Makers. Texts are not copied: they must live as long as the value. */
static inline struct sg_json sg_json_null(void) {
    return (struct sg_json){.type = SG_JSON_NULL};
}
static inline struct sg_json sg_json_bool(bool b) {
    return (struct sg_json){.type = b ? SG_JSON_TRUE : SG_JSON_FALSE};
}
static inline struct sg_json sg_json_string(struct sg_str s) {
    return (struct sg_json){.type = SG_JSON_STRING, .n = (uint32_t)s.n, .text = s.p};
}
static inline struct sg_json sg_json_array(const struct sg_json *items, size_t n) {
    return (struct sg_json){.type = SG_JSON_ARRAY, .n = (uint32_t)n, .items = items};
}
static inline struct sg_json sg_json_object(const struct sg_member *members, size_t n) {
    return (struct sg_json){.type = SG_JSON_OBJECT, .n = (uint32_t)n, .members = members};
}
struct sg_json sg_json_int(struct sg_arena *a, int64_t v);
struct sg_json sg_json_double(struct sg_arena *a, double v); /* shortest text that reads back; null when not finite */

/* Looking. */
static inline struct sg_str sg_json_text(const struct sg_json *v) {
    return (struct sg_str){v->text, v->n};
}
const char *sg_json_type_name(const struct sg_json *v); /* "null", "boolean", "number", "string", "array", "object" */
const struct sg_json *sg_json_get(const struct sg_json *object, struct sg_str key); /* NULL when absent or no object */
bool sg_json_is_text(const struct sg_json *v, struct sg_str text);
bool sg_json_to_i64(const struct sg_json *v, int64_t *out); /* false when no whole number in range */
bool sg_json_to_double(const struct sg_json *v, double *out);
bool sg_json_number_is_int(struct sg_str text); /* no fraction, no exponent: an int in Python's eyes */
/* The same value: numbers by their text, objects by keys in any order. */
bool sg_json_equal(const struct sg_json *a, const struct sg_json *b);
struct sg_json sg_json_copy(struct sg_arena *a, const struct sg_json *v);
/* How one value became another, for people: the first few places that differ, `messages[1].content: "...a b..." became "...a c..."`.
 * Long texts are cut to what is around the difference. Nothing when they are equal. */
void sg_json_diff(struct sg_buf *out, const struct sg_json *was, const struct sg_json *is);

/* Writing. Non-ASCII is kept. */
void sg_json_write(struct sg_buf *b, const struct sg_json *v);                    /* {"a":1,"b":[2]} */
void sg_json_write_string(struct sg_buf *b, struct sg_str s);                     /* with its quotes */
void sg_json_write_text(struct sg_buf *b, struct sg_str s); /* the same of any bytes: what is no UTF-8 becomes U+FFFD */
void sg_json_write_indented(struct sg_buf *b, const struct sg_json *v, int indent, int level);
/* As Python's json.dumps(v, sort_keys=..., ensure_ascii=...) prints it: ", " and ": ", floats by repr. */
void sg_json_write_python(struct sg_buf *b, const struct sg_json *v, bool sort_keys, bool ascii);
/* The compact text of a value, in an arena. */
struct sg_str sg_json_dump(struct sg_arena *a, const struct sg_json *v);

/* Text to text, without building values (both inputs are one valid JSON text of our own making). */
void sg_json_indent_text(struct sg_buf *b, struct sg_str compact, int indent, int level);
void sg_json_compact_text(struct sg_buf *b, struct sg_str text);

#endif
