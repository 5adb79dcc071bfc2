/* SPDX-License-Identifier: Apache-2.0 */
/* inline: a graph of specs, subgraphs and all, flattened to numbered nodes and edges (spec-core 4.7, as repaired by design
 * section 7). Private to plan. */
#ifndef SG_PLAN_INLINE_H
#define SG_PLAN_INLINE_H

#include "plan/plan.h"

struct sg_ints {
    int *at;
    size_t n, cap;
};

struct sg_flat_path {
    struct sg_str key;
    struct sg_ints targets; /* empty: END */
};

struct sg_flat_branch {
    const struct sg_hook_spec *hook;
    struct sg_flat_path *paths;
    size_t n_paths;
    struct sg_mark mark;
};

struct sg_flat_out {
    struct sg_ints targets;
    struct sg_flat_branch *branches;
    size_t n_branches, cap_branches;
    struct sg_ints joins;
    bool ends; /* has an edge to END */
};

struct sg_flat_join {
    struct sg_ints sources, targets;
};

struct sg_flat_node {
    struct sg_str name;
    const struct sg_node_spec *spec; /* NULL: connector */
    struct sg_mark mark;
    struct sg_flat_out out;
};

struct sg_flat {
    struct sg_arena *arena;
    struct sg_diags *diags;
    struct sg_flat_node *nodes;
    size_t n_nodes, cap_nodes;
    struct sg_flat_join *joins;
    size_t n_joins, cap_joins;
    struct sg_flat_out start;
    struct sg_plan_recipe *recipes;
    size_t n_recipes, cap_recipes;
    const struct sg_node_spec **idle; /* not in the graph, but their keys are known */
    size_t n_idle, cap_idle;
};

/* Fills *f; mistakes go to f->diags. */
void sg_inline(struct sg_flat *f, const struct sg_graph_spec *g);

void sg_ints_add(struct sg_arena *a, struct sg_ints *v, int x); /* once */

/* print.c: fills each node's hash, and those of the rest, from their printed content. */
void sg_plan_hash_nodes(struct sg_plan *p);

#endif
