/* SPDX-License-Identifier: Apache-2.0 */
/* type: the types of schema checks, such as list[dict[str, int]], and which JSON values they take.
 *
 *     type   = one { "|" one }
 *     one    = name [ "[" type { "," type } "]" ]
 *     name   = str int float bool none any list tuple set dict optional union     (upper or lower case)
 *
 * A value fits when pydantic, in its lax mode, would convert it: "5", 5.0 and true are ints, 5 is no str. Nothing is
 * converted: as in the reference the value stays what it is. tuple[int] is of any length; a set takes a list whose items
 * Python can hash. Tested against pydantic.
 * Memory: a compiled type lives in the arena of its compilation, frozen. Looking allocates nothing.   Thread: any. */
#ifndef SG_PLAN_TYPE_H
#define SG_PLAN_TYPE_H

#include "base/json.h"

enum sg_type_kind {
    SG_TYPE_STR,
    SG_TYPE_INT,
    SG_TYPE_FLOAT,
    SG_TYPE_BOOL,
    SG_TYPE_NONE,
    SG_TYPE_ANY,
    SG_TYPE_LIST,
    SG_TYPE_TUPLE,
    SG_TYPE_SET,
    SG_TYPE_DICT,
    SG_TYPE_UNION,
};

struct sg_type {
    enum sg_type_kind kind;
    const struct sg_type *of; /* list, tuple, set: of the items; dict: of keys, of values; union: the alternatives */
    size_t n;
};

/* Where and what, and what to do (may be NULL). */
struct sg_type_mistake {
    size_t at, length; /* bytes of the text */
    struct sg_str text;
    const char *help;
};

/* Returns 0, or SG_E_SYNTAX and fills *m, whose texts live in the arena. */
int sg_type_compile(struct sg_arena *a, struct sg_str text, struct sg_type *out, struct sg_type_mistake *m);
bool sg_type_takes(const struct sg_type *t, const struct sg_json *v);
/* Of a value that does not fit: the innermost part that does not, its type, and the way to it ("[2].name"), which is
 * appended to `path`. */
struct sg_misfit {
    const struct sg_type *type;
    struct sg_json value;
    bool is_key;
};
struct sg_misfit sg_type_misfit(const struct sg_type *t, const struct sg_json *v, struct sg_buf *path);
/* As it would be written: list[int], str | none. */
void sg_type_print(const struct sg_type *t, struct sg_buf *out);

/* --- lax.c: what is taken for what, in pydantic's lax mode --- */

bool sg_lax_int(const struct sg_json *v);
bool sg_lax_float(const struct sg_json *v);
bool sg_lax_bool(const struct sg_json *v);

#endif
