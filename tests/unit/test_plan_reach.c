/* SPDX-License-Identifier: Apache-2.0 */
/* How far a change goes, in graphs of model calls and programs made by hand. Names of nodes are their keys. */
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
    struct sg_graph_spec *g;
    bool requests[16], results[16], routes;
};

static struct sg_name name(const char *text) {
    return (struct sg_name){.text = sg_str(text)};
}

static void open_world(struct world *w) {
    *w = (struct world){0};
    sg_arena_init(&w->a, 0);
    sg_diags_init(&w->d);
    w->g = &w->task.graph;
    w->g->nodes = SG_NEW_N(&w->a, struct sg_node_spec, 8);
    w->g->edges = SG_NEW_N(&w->a, struct sg_edge_spec, 16);
}

static void close_world(struct world *w) {
    sg_diags_fini(&w->d);
    sg_arena_fini(&w->a);
}

static struct sg_name *one_name(struct world *w, const char *text) {
    struct sg_name *n = SG_NEW(&w->a, struct sg_name);
    *n = name(text);
    return n;
}

static struct sg_node_spec *add(struct world *w, const char *node, enum sg_node_kind kind) {
    struct sg_node_spec *n = &w->g->nodes[w->g->n_nodes++];
    *n = (struct sg_node_spec){.name = name(node), .kind = kind, .output_keys = one_name(w, node), .n_output_keys = 1};
    return n;
}

static struct sg_node_spec *add_llm(struct world *w, const char *node, const char *prompt) {
    static struct sg_model_spec model = {.alias = {"m", 1}, .wire_name = {"m", 1}, .parameters = {.type = SG_JSON_OBJECT}};
    struct sg_node_spec *n = add(w, node, SG_NODE_LLM);
    struct sg_prompt_message *m = SG_NEW(&w->a, struct sg_prompt_message);
    m->parts = sg_alloc0(&w->a, sizeof *m->parts);
    *(struct sg_name *)&m->parts[0].text = name(prompt);
    m->role = SG_STR("user");
    m->n_parts = 1;
    n->model = &model;
    n->output_role = SG_STR("assistant");
    n->prompt = m;
    n->n_prompt = 1;
    return n;
}

static void add_edge(struct world *w, const char *from, const char *to) {
    struct sg_edge_spec *e = &w->g->edges[w->g->n_edges++];
    e->from = one_name(w, from);
    e->to = one_name(w, to);
    e->n_from = e->n_to = 1;
}

static void chain(struct world *w) {
    add_edge(w, "START", "a");
    add_edge(w, "a", "b");
    add_edge(w, "b", "c");
    add_edge(w, "c", "END");
    assert_int_equal(sg_plan_build(&w->a, &w->task, &w->d, &w->plan), 0);
}

/* Which nodes ask, and which write something else: their letters. */
static void expect(struct world *w, const char *requests, const char *results) {
    struct sg_plan_reach reach = {w->requests, w->results, false};
    sg_plan_reach(w->plan, &reach);
    w->routes = reach.routes;
    for (size_t i = 0; i < w->plan->n_nodes; i++) {
        char letter = w->plan->nodes[i].name.p[0];
        if (w->requests[i] != (strchr(requests, letter) != NULL)) fail_msg("requests of %c: %d", letter, w->requests[i]);
        if (w->results[i] != (strchr(results, letter) != NULL)) fail_msg("results of %c: %d", letter, w->results[i]);
    }
}

static void change_requests(struct world *w, const char *node) {
    size_t i = (size_t)(sg_plan_node(w->plan, sg_str(node)) - w->plan->nodes);
    w->requests[i] = w->results[i] = true;
}

static void test_a_change_reaches_those_that_read_what_is_written(void **state) {
    (void)state;
    struct world w;
    open_world(&w);
    add_llm(&w, "a", "first {q}");
    add_llm(&w, "b", "second {q}");
    add_llm(&w, "c", "third {a}");
    chain(&w);
    change_requests(&w, "a");
    expect(&w, "ac", "ac");
    assert_false(w.routes);
    close_world(&w);
}

static void test_nothing_is_reached_against_the_stream_but_in_a_loop(void **state) {
    (void)state;
    for (int loop = 0; loop < 2; loop++) {
        struct world w;
        open_world(&w);
        add_llm(&w, "a", loop ? "first {c}" : "first {q}");
        add_llm(&w, "b", "second {a}");
        add_llm(&w, "c", "third {b}");
        chain(&w);
        change_requests(&w, "b");
        expect(&w, loop ? "abc" : "bc", loop ? "abc" : "bc");
        close_world(&w);
    }
}

static void test_programs_see_all_and_write_what_they_declare(void **state) {
    (void)state;
    struct world w;
    open_world(&w);
    add_llm(&w, "a", "first {q}");
    add(&w, "b", SG_NODE_LAMBDA)->lambda = (struct sg_hook_spec){.kind = SG_HOOK_JQ, .text = SG_STR("{b: 1}")};
    add_llm(&w, "c", "third {b}");
    chain(&w);
    change_requests(&w, "a");
    expect(&w, "ac", "abc");
    close_world(&w);
}

static void test_a_post_processor_may_write_something_else_of_the_same_answer(void **state) {
    (void)state;
    struct world w;
    open_world(&w);
    add_llm(&w, "a", "first {q}");
    add_llm(&w, "b", "second {q}")->post_process = (struct sg_hook_spec){.kind = SG_HOOK_JQ, .text = SG_STR("{b: 1}")};
    add_llm(&w, "c", "third {b}");
    chain(&w);
    change_requests(&w, "a");
    expect(&w, "ac", "abc");
    close_world(&w);
}

static void test_hashes_tell_requests_from_results_and_both_from_edges(void **state) {
    (void)state;
    struct world w[4];
    for (int i = 0; i < 4; i++) {
        open_world(&w[i]);
        add_llm(&w[i], "a", i == 1 ? "other {q}" : "first {q}");
        if (i == 2) w[i].g->nodes[0].output_role = SG_STR("user");
        add_llm(&w[i], "b", "second {q}");
        add_llm(&w[i], "c", "third {q}");
        if (i == 3) add_edge(&w[i], "a", "c");
        chain(&w[i]);
    }
    const struct sg_plan_node *n = sg_plan_node(w[0].plan, SG_STR("a"));
    for (int i = 1; i < 4; i++) {
        const struct sg_plan_node *o = sg_plan_node(w[i].plan, SG_STR("a"));
        assert_string_not_equal(n->hash, o->hash);
        assert_int_equal(strcmp(n->request_hash, o->request_hash) != 0, i == 1);
        assert_int_equal(strcmp(n->result_hash, o->result_hash) != 0, i == 2);
    }
    for (int i = 0; i < 4; i++) close_world(&w[i]);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_change_reaches_those_that_read_what_is_written),
        cmocka_unit_test(test_nothing_is_reached_against_the_stream_but_in_a_loop),
        cmocka_unit_test(test_programs_see_all_and_write_what_they_declare),
        cmocka_unit_test(test_a_post_processor_may_write_something_else_of_the_same_answer),
        cmocka_unit_test(test_hashes_tell_requests_from_results_and_both_from_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
