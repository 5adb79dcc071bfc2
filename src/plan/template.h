/* SPDX-License-Identifier: Apache-2.0 */
/* template: a prompt's text with places for state values, compiled once and rendered for every record.
 *
 * The language is Python's str.format with plain names, as langchain-core 0.3.86 admits it: {name}, {name!r},
 * {name:>5}, {{ and }} for braces. A name is any text without . [ ] { } ! : and spaces count. Values are inserted as
 * they are; braces in them mean nothing.
 * Compile time: lone braces, {x.y}, {x[0]}, {x:{w}}, {0}, {}, an unknown conversion. Of several mistakes the first
 * one from the left is named. Render time: a value that is missing, or that its format specification does not fit.
 * So a piece of JSON ({"a": 1}) compiles, as the name `"a"`, and fails as missing.
 * Memory: everything in the arena of the compilation; frozen afterwards. Thread: any number may render. */
#ifndef SG_PLAN_TEMPLATE_H
#define SG_PLAN_TEMPLATE_H

#include "base/json.h"

struct sg_placeholder {
    struct sg_str key;  /* what is looked up */
    struct sg_str raw;  /* all between the braces, for the reference's list of variables */
    struct sg_str spec; /* format specification, may be empty */
    char conversion;    /* 'r', 's', 'a', or 0 */
    size_t offset;      /* of its opening brace in the text */
    int slot;           /* the plan's number for the key; -1 until it says so */
};

/* Text i stands before placeholder i; one more text stands at the end. Braces in them are single. */
struct sg_template {
    const struct sg_str *texts;
    struct sg_placeholder *placeholders;
    size_t n;
};

/* The value of placeholder i, or NULL when there is none. It has to live until the next call. */
typedef const struct sg_json *sg_lookup_fn(void *ud, size_t i);

/* On error `*at` (may be NULL) is the byte offset of the mistake. Errors: SG_E_SYNTAX. */
int sg_template_compile(struct sg_arena *a, struct sg_str text, struct sg_template **out, size_t *at,
                        struct sg_err *err);
/* Appends to `out`. Errors: SG_E_MISSING names the key; SG_E_TYPE, SG_E_SYNTAX of a format specification; SG_E_LIMIT.
 * The buffer may hold a part of the text then. */
int sg_template_render(const struct sg_template *t, sg_lookup_fn *lookup, void *ud, struct sg_buf *out,
                       struct sg_err *err);

#endif
