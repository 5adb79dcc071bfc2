/* SPDX-License-Identifier: Apache-2.0 */
/* why: what made a record of a run, collected by letting the record run again with the answers that the run has kept, and
 * shown. Private to run.
 *
 * why.c runs it; why_chain.c says which executions of nodes a field comes from; why_text.c and why_json.c write it. */
#ifndef SG_RUN_WHY_H
#define SG_RUN_WHY_H

#include "look/look.h"
#include "run/parts.h"

struct sg_why_call {
    const struct sg_model_spec *model;
    uint32_t ordinal;
    struct sg_json messages; /* as they are rendered now ... */
    uint64_t hash;           /* ... and the hash of the request with them */
    bool has_row;
    struct sg_call_row row;
    struct sg_look_answer answer;
};

/* One execution of a node. */
struct sg_why_node {
    const struct sg_plan_node *node;
    uint32_t step, visit;   /* step: from 1 */
    struct sg_json updates; /* null: it did not end */
    struct sg_why_call *calls;
    size_t n_calls, cap_calls;
    bool needed; /* for what was asked */
};

/* Where a value comes from. */
struct sg_why_origin {
    const struct sg_why_node *node; /* NULL: ... */
    bool data;                      /* ... the input, or nobody */
    const struct sg_json *value;    /* NULL: none */
};

struct sg_why {
    struct run run;
    struct sg_arena arena;
    struct sg_look *look;
    struct sg_str file;  /* as it was asked for */
    uint64_t number;     /* of the record there, from 1 */
    struct sg_str field; /* empty: all */
    struct sg_look_record record;
    struct sg_json stored; /* its line */
    /* What the second time brought: */
    struct sg_json row;
    struct sg_why_node **nodes; /* in the order in which they began */
    size_t n_nodes, cap_nodes;
    struct sg_json messages; /* of the request in hand */
    const struct sg_model_spec *model;
    struct sg_call_row *calls; /* that the run has kept */
    size_t n_calls, cap_calls;
    struct sg_str output;
    bool ended, exact; /* exact: the same line came out */
    struct sg_str failure;
    struct sg_str changed; /* nodes that are not what they were, by commas */
    bool *needs_data;      /* keys of the input that count, by member of the row */
};

/* Whose value `key` held when the superstep `before` began. */
struct sg_why_origin sg_why_origin(const struct sg_why *w, struct sg_str key, uint32_t before);
/* The field's value, or NULL; the map's entry, or NULL when the raw state is the output. */
const struct sg_json *sg_why_value(const struct sg_why *w, struct sg_str field);
const struct sg_plan_field *sg_why_field(const struct sg_why *w, struct sg_str field);
bool sg_why_wants(const struct sg_why *w, struct sg_str field);
/* Marks what is needed for the fields that are wanted. SG_E_MISSING: there is no such field. */
int sg_why_mark(struct sg_why *w, struct sg_err *err);
/* The keys that an execution looks at: calls fn for each. */
typedef void sg_why_key_fn(void *ud, struct sg_str key);
void sg_why_reads(const struct sg_why *w, const struct sg_why_node *n, sg_why_key_fn *fn, void *ud);
/* "as sent", or why that cannot be said; *same: it is. */
struct sg_str sg_why_sent(struct sg_why *w, const struct sg_why_call *c, bool *same);

void sg_why_text(struct sg_why *w, struct sg_buf *out);
void sg_why_json(struct sg_why *w, struct sg_buf *out);

#endif
