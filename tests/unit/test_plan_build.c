/* SPDX-License-Identifier: Apache-2.0 */
/* Plans are built from specs made by hand, as any front end could, and their printed form is looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "plan/plan.h"

struct world {
    struct sg_arena a;
    struct sg_diags d;
    struct sg_task_spec task;
    struct sg_plan *plan;
};

static struct sg_name name(const char *text) {
    return (struct sg_name){.text = sg_str(text)};
}

static struct sg_name *names(struct world *w, const char *list, size_t *n) {
    struct sg_name *out = SG_NEW_N(&w->a, struct sg_name, 8);
    struct sg_str s = sg_str(list);
    *n = 0;
    for (size_t at = 0; at <= s.n;) {
        size_t comma = sg_str_find(s, ',', at);
        out[(*n)++].text = (struct sg_str){s.p + at, comma - at};
        at = comma + 1;
    }
    return out;
}

static void open_world(struct world *w) {
    *w = (struct world){0};
    sg_arena_init(&w->a, 0);
    sg_diags_init(&w->d);
    w->task.output.has_map = false;
}

static void close_world(struct world *w) {
    sg_diags_fini(&w->d);
    sg_arena_fini(&w->a);
}

static struct sg_graph_spec *graph(struct world *w) {
    struct sg_graph_spec *g = SG_NEW(&w->a, struct sg_graph_spec);
    g->nodes = SG_NEW_N(&w->a, struct sg_node_spec, 8);
    g->edges = SG_NEW_N(&w->a, struct sg_edge_spec, 16);
    return g;
}

static struct sg_node_spec *add_sampler(struct world *w, struct sg_graph_spec *g, const char *node, const char *key) {
    static const struct sg_json values[2] = {{.type = SG_JSON_TRUE}, {.type = SG_JSON_FALSE}};
    static double weights[2] = {3, 1};
    struct sg_node_spec *n = &g->nodes[g->n_nodes++];
    *n = (struct sg_node_spec){.name = name(node), .kind = SG_NODE_SAMPLER, .n_attributes = 1};
    n->attributes = SG_NEW(&w->a, struct sg_attribute_spec);
    *n->attributes = (struct sg_attribute_spec){.name = name(key), .values = values, .weights = weights, .n_values = 2};
    return n;
}

static void add_subgraph(struct sg_graph_spec *g, const char *node, struct sg_graph_spec *inner) {
    g->nodes[g->n_nodes++] = (struct sg_node_spec){.name = name(node), .kind = SG_NODE_SUBGRAPH, .subgraph = inner};
}

static struct sg_edge_spec *add_edge(struct world *w, struct sg_graph_spec *g, const char *from, const char *to) {
    struct sg_edge_spec *e = &g->edges[g->n_edges++];
    e->from = names(w, from, &e->n_from);
    if (to) e->to = names(w, to, &e->n_to);
    return e;
}

static void add_condition(struct world *w, struct sg_graph_spec *g, const char *from, const char *yes, const char *no) {
    struct sg_edge_spec *e = add_edge(w, g, from, NULL);
    e->condition = (struct sg_hook_spec){.kind = SG_HOOK_JQ, .text = SG_STR(".x")};
    e->paths = SG_NEW_N(&w->a, struct sg_path_spec, 2);
    e->paths[0] = (struct sg_path_spec){SG_STR("true"), name(yes)};
    e->paths[1] = (struct sg_path_spec){SG_STR("false"), name(no)};
    e->n_paths = 2;
}

static int build(struct world *w, struct sg_graph_spec *g) {
    w->task.graph = *g;
    return sg_plan_build(&w->a, &w->task, &w->d, &w->plan);
}

static const struct sg_plan_node *node(struct world *w, const char *n) {
    const struct sg_plan_node *p = sg_plan_node(w->plan, sg_str(n));
    assert_non_null(p);
    return p;
}

static void assert_leads_to(struct world *w, const char *from, const char *to) {
    const struct sg_plan_out *o = &node(w, from)->out;
    for (size_t i = 0; i < o->n_targets; i++)
        if (sg_str_eq(w->plan->nodes[o->targets[i]].name, sg_str(to))) return;
    fail_msg("no edge from %s to %s", from, to);
}

static void assert_says(struct world *w, const char *text) {
    struct sg_buf b = SG_BUF_INIT(0);
    sg_diags_print(&w->d, &b, false);
    sg_buf_ch(&b, 0);
    if (!strstr(b.p, text)) fail_msg("expected \"%s\" in:\n%s", text, b.p);
    sg_buf_fini(&b);
}

static void test_nodes_are_numbered_by_name(void **state) {
    (void)state;
    struct world w;
    open_world(&w);
    struct sg_graph_spec *g = graph(&w);
    add_sampler(&w, g, "zebra", "x");
    add_sampler(&w, g, "ant", "y");
    add_edge(&w, g, "START", "zebra");
    add_edge(&w, g, "zebra", "ant");
    assert_int_equal(build(&w, g), 0);
    assert_true(sg_str_eq(w.plan->nodes[0].name, SG_STR("ant")));
    assert_leads_to(&w, "zebra", "ant");
    assert_int_equal(w.plan->n_keys, 4); /* messages, __chat_history__, x, y */
    assert_true(w.plan->keys[SG_KEY_MESSAGES].append);
    close_world(&w);
}

static void test_a_subgraph_with_one_end_vanishes(void **state) {
    (void)state;
    struct world w;
    open_world(&w);
    struct sg_graph_spec *inner = graph(&w), *g = graph(&w);
    add_sampler(&w, inner, "a", "x");
    add_sampler(&w, inner, "b", "y");
    add_edge(&w, inner, "START", "a");
    add_edge(&w, inner, "a", "b");
    add_edge(&w, inner, "b", "END");
    add_subgraph(g, "s", inner);
    add_sampler(&w, g, "last", "z");
    add_edge(&w, g, "START", "s");
    add_edge(&w, g, "s", "last");
    assert_int_equal(build(&w, g), 0);
    assert_int_equal(w.plan->n_nodes, 3);
    assert_leads_to(&w, "s.a", "s.b");
    assert_leads_to(&w, "s.b", "last");
    assert_int_equal(w.plan->start.n_targets, 1);
    close_world(&w);
}

static void test_conditional_ends_of_a_subgraph_lead_to_its_exit(void **state) {
    (void)state;
    struct world w;
    open_world(&w);
    struct sg_graph_spec *inner = graph(&w), *g = graph(&w);
    add_sampler(&w, inner, "a", "x");
    add_sampler(&w, inner, "b", "y");
    add_edge(&w, inner, "START", "a");
    add_condition(&w, inner, "a", "b", "END");
    add_edge(&w, inner, "b", "END");
    add_subgraph(g, "s", inner);
    add_sampler(&w, g, "last", "z");
    add_edge(&w, g, "START", "s");
    add_edge(&w, g, "s", "last");
    assert_int_equal(build(&w, g), 0);
    assert_leads_to(&w, "s.b", "s.connector_node");
    assert_leads_to(&w, "s.connector_node", "last");
    const struct sg_plan_branch *br = node(&w, "s.a")->out.branches;
    assert_true(sg_str_eq(w.plan->nodes[br->paths[1].targets[0]].name, SG_STR("s.connector_node")));
    close_world(&w);
}

static void test_nested_subgraphs_get_both_prefixes(void **state) {
    (void)state;
    struct world w;
    open_world(&w);
    struct sg_graph_spec *t = graph(&w), *s = graph(&w), *g = graph(&w);
    add_sampler(&w, t, "n", "x");
    add_edge(&w, t, "START", "n");
    add_edge(&w, t, "n", "END");
    add_subgraph(s, "t", t);
    add_edge(&w, s, "START", "t");
    add_edge(&w, s, "t", "END");
    add_subgraph(g, "s", s);
    add_edge(&w, g, "START", "s");
    add_edge(&w, g, "s", "END");
    assert_int_equal(build(&w, g), 0);
    assert_int_equal(w.plan->n_nodes, 1);
    node(&w, "s.t.n");
    close_world(&w);
}

static void test_all_mistakes_of_a_graph_are_reported(void **state) {
    (void)state;
    struct world w;
    open_world(&w);
    struct sg_graph_spec *g = graph(&w);
    add_sampler(&w, g, "generate", "x");
    add_sampler(&w, g, "sleeping", "y")->idle = true;
    add_edge(&w, g, "START", "generte");
    add_edge(&w, g, "generate", "sleeping");
    add_edge(&w, g, "END", "generate");
    add_edge(&w, g, "generate", "START");
    assert_int_equal(build(&w, g), SG_E_SYNTAX);
    assert_says(&w, "there is no node `generte`");
    assert_says(&w, "did you mean `generate`?");
    assert_says(&w, "node `sleeping` is idle");
    assert_says(&w, "an edge cannot start at END");
    assert_says(&w, "an edge cannot lead to START");
    assert_says(&w, "no edge leads from START");
    close_world(&w);
}

static void test_a_graph_that_never_ends_is_refused(void **state) {
    (void)state;
    struct world w;
    open_world(&w);
    struct sg_graph_spec *g = graph(&w);
    add_sampler(&w, g, "a", "x");
    add_sampler(&w, g, "b", "y");
    add_edge(&w, g, "START", "a");
    add_edge(&w, g, "a", "b");
    add_edge(&w, g, "b", "a");
    assert_int_equal(build(&w, g), SG_E_SYNTAX);
    assert_says(&w, "no path through the graph ends");
    close_world(&w);
}

static void test_a_changed_weight_changes_its_node_s_hash_only(void **state) {
    (void)state;
    struct world w, v;
    double heavier[2] = {5, 1};
    open_world(&w);
    open_world(&v);
    struct world *both[] = {&w, &v};
    for (int i = 0; i < 2; i++) {
        struct sg_graph_spec *g = graph(both[i]);
        struct sg_node_spec *a = add_sampler(both[i], g, "a", "x");
        if (i) a->attributes->weights = heavier;
        add_sampler(both[i], g, "b", "y");
        add_edge(both[i], g, "START", "a,b");
        assert_int_equal(build(both[i], g), 0);
    }
    assert_string_not_equal(node(&w, "a")->hash, node(&v, "a")->hash);
    assert_string_equal(node(&w, "b")->hash, node(&v, "b")->hash);
    close_world(&w);
    close_world(&v);
}

/* The hash of a node that asks the models `first` and `second`. */
static void hash_of_two(const char *first, const char *second, enum sg_strategy strategy, char out[65]) {
    struct world w;
    open_world(&w);
    struct sg_model_spec models[2] = {{.alias = sg_str(first), .wire_name = SG_STR("x")},
                                      {.alias = sg_str(second), .wire_name = SG_STR("x")}};
    struct sg_child_spec children[2] = {{name("a"), &models[0]}, {name("b"), &models[1]}};
    struct sg_graph_spec *g = graph(&w);
    g->nodes[g->n_nodes++] = (struct sg_node_spec){.name = name("q"),
                                                   .kind = SG_NODE_MULTI_LLM,
                                                   .output_role = SG_STR("assistant"),
                                                   .strategy = strategy,
                                                   .children = children,
                                                   .n_children = 2};
    add_edge(&w, g, "START", "q");
    assert_int_equal(build(&w, g), 0);
    assert_int_equal(w.plan->n_models, 2);
    assert_int_equal(node(&w, "q")->n_children, 2);
    assert_int_equal(node(&w, "q")->children[1].model, 1);
    assert_int_equal(node(&w, "q")->model, SG_NONE);
    memcpy(out, node(&w, "q")->hash, 65);
    close_world(&w);
}

static void test_the_models_of_a_node_and_how_they_are_asked_count_in_its_hash(void **state) {
    (void)state;
    char one[65], same[65], other[65], swapped[65], balanced[65];
    hash_of_two("m", "n", SG_ENSEMBLE, one);
    hash_of_two("m", "n", SG_ENSEMBLE, same);
    hash_of_two("m", "o", SG_ENSEMBLE, other);
    hash_of_two("n", "m", SG_ENSEMBLE, swapped);
    hash_of_two("m", "n", SG_BALANCE, balanced);
    assert_string_equal(one, same);
    assert_string_not_equal(one, other);
    assert_string_not_equal(one, swapped);
    assert_string_not_equal(one, balanced);
}

static void test_a_list_of_sources_is_a_join(void **state) {
    (void)state;
    struct world w;
    open_world(&w);
    struct sg_graph_spec *g = graph(&w);
    add_sampler(&w, g, "a", "x");
    add_sampler(&w, g, "b", "y");
    add_sampler(&w, g, "c", "z");
    add_edge(&w, g, "START", "a,b");
    add_edge(&w, g, "a,b", "c");
    assert_int_equal(build(&w, g), 0);
    assert_int_equal(w.plan->n_joins, 1);
    assert_int_equal(w.plan->joins[0].n_sources, 2);
    assert_int_equal(node(&w, "a")->out.n_targets, 0);
    assert_int_equal(node(&w, "a")->out.n_joins, 1);
    close_world(&w);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nodes_are_numbered_by_name),
        cmocka_unit_test(test_a_subgraph_with_one_end_vanishes),
        cmocka_unit_test(test_conditional_ends_of_a_subgraph_lead_to_its_exit),
        cmocka_unit_test(test_nested_subgraphs_get_both_prefixes),
        cmocka_unit_test(test_all_mistakes_of_a_graph_are_reported),
        cmocka_unit_test(test_a_graph_that_never_ends_is_refused),
        cmocka_unit_test(test_a_changed_weight_changes_its_node_s_hash_only),
        cmocka_unit_test(test_the_models_of_a_node_and_how_they_are_asked_count_in_its_hash),
        cmocka_unit_test(test_a_list_of_sources_is_a_join),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
