/* SPDX-License-Identifier: Apache-2.0 */
/* A subgraph node `s` vanishes: its inner nodes become `s.n`, edges to `s` go to what the inner START leads to (its entries),
 * edges from `s` start at its exit. The exit is the one node with an inner edge to END; where there are several, or a
 * condition may lead to END, a pass-through `s.connector_node` collects them. A conditional edge at the inner START gets a
 * pass-through `s.entry_node` of its own, since a condition belongs to a node. */
#include "plan/inline.h"

#define IDLE (-2)
#define UNKNOWN (-3)

/* Where the edges of a graph at one level lead. */
struct ports {
    struct sg_ints entries; /* nodes that START leads to */
    int exit;               /* SG_NONE: nothing ends */
};

struct level {
    struct sg_flat *f;
    const struct sg_graph_spec *g;
    struct sg_str prefix; /* "" at the top, else "s.t." */
    struct ports *ports;  /* of each node: entries and exit; a plain node is both */
    struct ports own;     /* of this level, when it is a subgraph */
    int entry_connector, exit_connector;
};

void sg_ints_add(struct sg_arena *a, struct sg_ints *v, int x) {
    for (size_t i = 0; i < v->n; i++)
        if (v->at[i] == x) return;
    *SG_PUSH(a, v->at, v->n, v->cap) = x;
}

static bool is_start(struct sg_str s) {
    return sg_str_eq(s, SG_STR("START"));
}

static bool is_end(struct sg_str s) {
    return sg_str_eq(s, SG_STR("END"));
}

static int add_node(struct sg_flat *f, struct sg_str name, const struct sg_node_spec *spec, struct sg_mark mark) {
    for (size_t i = 0; i < f->n_nodes; i++)
        if (sg_str_eq(f->nodes[i].name, name))
            sg_error_at(f->diags, mark, SG_STR_NONE, "give one of them another name",
                        "two nodes of the flattened graph are called `%.*s`", SG_ARG(name));
    *SG_PUSH(f->arena, f->nodes, f->n_nodes, f->cap_nodes) =
        (struct sg_flat_node){.name = name, .spec = spec, .mark = mark};
    return (int)f->n_nodes - 1;
}

static int find_node(const struct sg_graph_spec *g, struct sg_str name) {
    for (size_t i = 0; i < g->n_nodes; i++)
        if (sg_str_eq(g->nodes[i].name.text, name)) return (int)i;
    return UNKNOWN;
}

/* The node's place in its graph, or UNKNOWN or IDLE after a report. */
static int resolve(struct level *l, const struct sg_name *name) {
    const struct sg_graph_spec *g = l->g;
    int at = find_node(g, name->text);
    if (at >= 0 && !g->nodes[at].idle) return at;
    if (at >= 0) {
        sg_error_at(l->f->diags, name->mark, SG_STR_NONE, "set `node_state: active`, or take the edge away",
                    "node `%.*s` is idle, so no edge may name it", SG_ARG(name->text));
        return IDLE;
    }
    struct sg_str *names = SG_NEW_N(l->f->arena, struct sg_str, g->n_nodes + 2);
    for (size_t i = 0; i < g->n_nodes; i++) names[i] = g->nodes[i].name.text;
    names[g->n_nodes] = SG_STR("START");
    names[g->n_nodes + 1] = SG_STR("END");
    struct sg_str near = sg_nearest(name->text, names, g->n_nodes + 2);
    struct sg_str help = near.n ? sg_str_printf(l->f->arena, "did you mean `%.*s`?", SG_ARG(near)) : SG_STR_NONE;
    sg_error_at(l->f->diags, name->mark, SG_STR_NONE, help.p, "there is no node `%.*s`", SG_ARG(name->text));
    return UNKNOWN;
}

/* What an edge that starts at `name` hangs on; NULL after a report. */
static struct sg_flat_out *source_out(struct level *l, const struct sg_name *name, int *number) {
    struct sg_flat *f = l->f;
    *number = SG_NONE;
    if (is_end(name->text)) {
        sg_error_at(f->diags, name->mark, SG_STR_NONE, NULL, "an edge cannot start at END");
        return NULL;
    }
    int at = resolve(l, name);
    if (at < 0) return NULL;
    *number = l->ports[at].exit;
    if (*number == SG_NONE) {
        sg_error_at(f->diags, name->mark, SG_STR_NONE, "give one of its nodes an edge to END",
                    "subgraph `%.*s` never reaches its END, so nothing can follow it", SG_ARG(name->text));
        return NULL;
    }
    return &f->nodes[*number].out;
}

/* Adds what `name` leads to as a target; *ends when it is END. */
static bool add_targets(struct level *l, const struct sg_name *name, struct sg_ints *targets, bool *ends) {
    struct sg_flat *f = l->f;
    if (is_start(name->text)) {
        sg_error_at(f->diags, name->mark, SG_STR_NONE, "name the node that comes first",
                    "an edge cannot lead to START");
        return false;
    }
    if (is_end(name->text)) {
        if (l->exit_connector != SG_NONE) sg_ints_add(f->arena, targets, l->exit_connector);
        else *ends = true;
        return true;
    }
    int at = resolve(l, name);
    if (at < 0) return false;
    const struct sg_ints *entries = &l->ports[at].entries;
    for (size_t i = 0; i < entries->n; i++) sg_ints_add(f->arena, targets, entries->at[i]);
    return true;
}

static void add_branch(struct level *l, struct sg_flat_out *out, const struct sg_edge_spec *e) {
    struct sg_arena *a = l->f->arena;
    struct sg_flat_branch b = {.hook = &e->condition, .mark = e->mark, .n_paths = e->n_paths};
    b.paths = SG_NEW_N(a, struct sg_flat_path, e->n_paths);
    for (size_t i = 0; i < e->n_paths; i++) {
        b.paths[i].key = e->paths[i].key;
        bool ends = false;
        add_targets(l, &e->paths[i].target, &b.paths[i].targets, &ends);
        out->ends |= ends;
    }
    *SG_PUSH(a, out->branches, out->n_branches, out->cap_branches) = b;
}

static void add_join(struct level *l, const struct sg_edge_spec *e, const struct sg_ints *targets, bool ends) {
    struct sg_flat *f = l->f;
    struct sg_flat_join j = {.targets = *targets};
    int number = (int)f->n_joins;
    for (size_t i = 0; i < e->n_from; i++) {
        int source = SG_NONE;
        if (is_start(e->from[i].text)) {
            sg_error_at(f->diags, e->from[i].mark, SG_STR_NONE, "write an edge of its own for START",
                        "START cannot be one of several nodes that are waited for");
            continue;
        }
        struct sg_flat_out *out = source_out(l, &e->from[i], &source);
        if (!out) continue;
        sg_ints_add(f->arena, &j.sources, source);
        sg_ints_add(f->arena, &out->joins, number);
        out->ends |= ends;
    }
    *SG_PUSH(f->arena, f->joins, f->n_joins, f->cap_joins) = j;
}

static void add_plain(struct level *l, struct sg_flat_out *out, int source, const struct sg_edge_spec *e) {
    for (size_t i = 0; i < e->n_to; i++) {
        bool ends = false;
        if (!add_targets(l, &e->to[i], &out->targets, &ends)) continue;
        out->ends |= ends;
        if (ends && source != SG_NONE && l->prefix.n) l->own.exit = source;
    }
}

/* START of a subgraph: plain edges are its entries, conditional ones hang on its entry node. */
static void add_start(struct level *l, const struct sg_edge_spec *e) {
    bool inner = l->prefix.n > 0, ends = false;
    if (e->condition.kind != SG_HOOK_NONE) {
        add_branch(l, inner ? &l->f->nodes[l->entry_connector].out : &l->f->start, e);
        return;
    }
    struct sg_ints *targets = inner ? &l->own.entries : &l->f->start.targets;
    for (size_t i = 0; i < e->n_to; i++) add_targets(l, &e->to[i], targets, &ends);
    if (!inner) l->f->start.ends |= ends;
}

static void add_edge(struct level *l, const struct sg_edge_spec *e) {
    int source = SG_NONE;
    if (e->n_from == 1 && is_start(e->from[0].text)) {
        add_start(l, e);
    } else if (e->n_from == 1) {
        struct sg_flat_out *out = source_out(l, &e->from[0], &source);
        if (!out) return;
        if (e->condition.kind != SG_HOOK_NONE) add_branch(l, out, e);
        else add_plain(l, out, source, e);
    } else if (e->condition.kind != SG_HOOK_NONE) {
        sg_error_at(l->f->diags, e->mark, SG_STR_NONE, "write one conditional edge for each node",
                    "a conditional edge starts at one node, not at %zu", e->n_from);
    } else {
        struct sg_ints targets = {0};
        bool ends = false;
        for (size_t i = 0; i < e->n_to; i++) add_targets(l, &e->to[i], &targets, &ends);
        add_join(l, e, &targets, ends);
    }
}

/* A subgraph needs a connector unless exactly one plain edge leads to its END, and one at START for conditions. */
static void add_connectors(struct level *l) {
    size_t plain = 0, other = 0;
    bool conditional_start = false;
    for (size_t i = 0; i < l->g->n_edges; i++) {
        const struct sg_edge_spec *e = &l->g->edges[i];
        bool start = e->n_from == 1 && is_start(e->from[0].text);
        if (start && e->condition.kind != SG_HOOK_NONE) conditional_start = true;
        for (size_t k = 0; k < e->n_paths; k++) other += is_end(e->paths[k].target.text);
        for (size_t k = 0; k < e->n_to; k++)
            if (is_end(e->to[k].text)) *(e->n_from == 1 && !start ? &plain : &other) += 1;
    }
    struct sg_flat *f = l->f;
    if (other > 0 || plain > 1)
        l->exit_connector = l->own.exit =
            add_node(f, sg_str_join(f->arena, l->prefix, SG_STR("connector_node")), NULL, l->g->mark);
    if (conditional_start) {
        l->entry_connector = add_node(f, sg_str_join(f->arena, l->prefix, SG_STR("entry_node")), NULL, l->g->mark);
        sg_ints_add(f->arena, &l->own.entries, l->entry_connector);
    }
}

static struct ports inline_level(struct sg_flat *f, const struct sg_graph_spec *g, struct sg_str prefix) {
    struct level l = {.f = f, .g = g, .prefix = prefix, .own = {.exit = SG_NONE}};
    l.entry_connector = l.exit_connector = SG_NONE;
    l.ports = SG_NEW_N(f->arena, struct ports, g->n_nodes);
    for (size_t i = 0; i < g->n_nodes; i++) {
        const struct sg_node_spec *n = &g->nodes[i];
        struct sg_str name = sg_str_join(f->arena, prefix, n->name.text);
        if (n->idle) {
            *SG_PUSH(f->arena, f->idle, f->n_idle, f->cap_idle) = n;
        } else if (n->kind == SG_NODE_SUBGRAPH) {
            if (n->recipe.name.n)
                *SG_PUSH(f->arena, f->recipes, f->n_recipes, f->cap_recipes) = (struct sg_plan_recipe){name, n->recipe};
            l.ports[i] = inline_level(f, n->subgraph, sg_str_join(f->arena, name, SG_STR(".")));
        } else {
            l.ports[i].exit = add_node(f, name, n, n->name.mark);
            sg_ints_add(f->arena, &l.ports[i].entries, l.ports[i].exit);
        }
    }
    if (prefix.n) add_connectors(&l);
    for (size_t i = 0; i < g->n_edges; i++) add_edge(&l, &g->edges[i]);
    if (prefix.n && l.own.entries.n == 0)
        sg_error_at(f->diags, g->mark, SG_STR_NONE, "add an edge `from: START`",
                    "subgraph `%.*s` has no edge from START", (int)prefix.n - 1, prefix.p);
    return l.own;
}

void sg_inline(struct sg_flat *f, const struct sg_graph_spec *g) {
    inline_level(f, g, SG_STR(""));
}
