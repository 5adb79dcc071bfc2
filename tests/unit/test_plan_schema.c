/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of finished records: which rule is broken first, and how that is said. */
#include "plan/schema.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct world {
    struct sg_arena a;
    struct sg_diags d;
    struct sg_task_spec task;
    struct sg_rule_spec rules[4];
    struct sg_check_spec check;
    struct sg_output_field field;
    struct sg_node_spec node;
    struct sg_name start, end, name, keys;
    struct sg_edge_spec edges[2];
    struct sg_plan *plan;
};

/* One lambda node n that writes `score`; the output map has `score`, too. */
static void open_world(struct world *w, const char *type) {
    *w = (struct world){.start = {SG_STR("START"), {0}}, .end = {SG_STR("END"), {0}}, .name = {SG_STR("n"), {0}}};
    sg_arena_init(&w->a, 0);
    sg_diags_init(&w->d);
    w->keys.text = SG_STR("score");
    w->node = (struct sg_node_spec){.name = w->name, .kind = SG_NODE_LAMBDA, .output_keys = &w->keys, .n_output_keys = 1};
    w->node.lambda = (struct sg_hook_spec){.kind = SG_HOOK_JQ, .text = SG_STR(".")};
    w->edges[0] = (struct sg_edge_spec){.from = &w->start, .n_from = 1, .to = &w->name, .n_to = 1};
    w->edges[1] = (struct sg_edge_spec){.from = &w->name, .n_from = 1, .to = &w->end, .n_to = 1};
    w->task.graph = (struct sg_graph_spec){.nodes = &w->node, .n_nodes = 1, .edges = w->edges, .n_edges = 2};
    w->field = (struct sg_output_field){.name = w->keys, .from = w->keys};
    w->task.output = (struct sg_output_spec){.has_map = true, .fields = &w->field, .n_fields = 1};
    w->check = (struct sg_check_spec){.name = w->keys, .type = {sg_str(type), {0}}, .path = SG_STR("p"), .rules = w->rules};
    w->task.schema = (struct sg_schema_spec){.checks = &w->check, .n_checks = 1};
}

static struct sg_json json(struct world *w, const char *text) {
    struct sg_json v;
    assert_int_equal(sg_json_parse(&w->a, sg_str(text), &v, NULL, NULL), 0);
    return v;
}

static void add_rule(struct world *w, enum sg_rule_kind kind, const char *value) {
    w->rules[w->check.n_rules++] = (struct sg_rule_spec){kind, json(w, value)};
}

static const struct sg_plan_check *build(struct world *w) {
    assert_int_equal(sg_plan_build(&w->a, &w->task, &w->d, &w->plan), 0);
    return &w->plan->checks[0];
}

static void close_world(struct world *w) {
    sg_diags_fini(&w->d);
    sg_arena_fini(&w->a);
}

/* `why` NULL: nothing is broken. */
static void judges(struct world *w, const struct sg_plan_check *c, const char *value, const char *rule, const char *why) {
    struct sg_json v = value ? json(w, value) : sg_json_null();
    struct sg_buf b = SG_BUF_INIT(0);
    const struct sg_plan_rule *broken = sg_check_broken(c, value ? &v : NULL);
    if (!broken != !why) fail_msg("%s: %s", value, broken ? sg_rule_name(broken->kind).p : "nothing is broken");
    if (!broken) return;
    sg_rule_explain(broken, value ? &v : NULL, &b);
    sg_buf_ch(&b, '\0');
    assert_string_equal(b.p, why);
    assert_true(sg_str_eq(broken->place, sg_str_printf(&w->a, "schema_config.score.%s", rule)));
    sg_buf_fini(&b);
}

static void test_the_first_broken_rule_is_named_with_the_value(void **state) {
    (void)state;
    struct world w;
    open_world(&w, "int");
    add_rule(&w, SG_RULE_GREATER, "3");
    add_rule(&w, SG_RULE_LESS, "5.5");
    const struct sg_plan_check *c = build(&w);
    judges(&w, c, "4", NULL, NULL);
    judges(&w, c, "4.0", NULL, NULL);
    judges(&w, c, NULL, "present", "field `score` is missing: no node wrote it, and the data has no such column");
    judges(&w, c, "4.5", "type", "field `score` must be of type int, but is 4.5");
    judges(&w, c, "3", "is_greater_than", "field `score` must be greater than 3, but is 3");
    judges(&w, c, "6", "is_less_than", "field `score` must be less than 5.5, but is 6");
    judges(&w, c, "\"4\"", "is_greater_than", "field `score` must be greater than 3, but is \"4\", and the two have no order");
    close_world(&w);
}

static void test_equal_is_python_s_and_null_can_be_asked_for(void **state) {
    (void)state;
    struct world w;
    open_world(&w, "any");
    add_rule(&w, SG_RULE_EQUAL, "null");
    const struct sg_plan_check *c = build(&w);
    judges(&w, c, "null", NULL, NULL);
    judges(&w, c, "false", "is_equal_to", "field `score` must be equal to null, but is false");
    close_world(&w);
}

static void test_null_and_texts_lists_and_maps_without_content_are_empty(void **state) {
    (void)state;
    struct world w;
    open_world(&w, "any");
    add_rule(&w, SG_RULE_NOT_EMPTY, "true");
    const struct sg_plan_check *c = build(&w);
    static const char *const empty[] = {"null", "\"\"", "[]", "{}"}, *const full[] = {"0", "false", "\" \"", "[null]"};
    for (int i = 0; i < 4; i++) {
        char why[64];
        snprintf(why, sizeof why, "field `score` must not be empty, but is %s", empty[i]);
        judges(&w, c, empty[i], "is_not_empty", why);
        judges(&w, c, full[i], NULL, NULL);
    }
    close_world(&w);
}

static void test_long_values_are_cut_between_characters(void **state) {
    (void)state;
    struct world w;
    open_world(&w, "list[int]");
    const struct sg_plan_check *c = build(&w);
    judges(&w, c, "[1, \"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
                  "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\"]",
           "type",
           "field `score[1]` must be of type int, but is \"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
           "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4...");
    close_world(&w);
}

static void test_a_mapped_field_is_checked_unless_the_state_is_asked_for(void **state) {
    (void)state;
    struct world w;
    open_world(&w, "any");
    assert_int_equal(build(&w)->output, 0);
    close_world(&w);
    open_world(&w, "any");
    w.task.schema.against_state = true;
    assert_int_equal(build(&w)->output, SG_NONE);
    close_world(&w);
}

static void test_a_changed_rule_changes_the_hash(void **state) {
    (void)state;
    struct world a, b, none;
    open_world(&a, "int");
    open_world(&b, "int");
    open_world(&none, "int");
    add_rule(&a, SG_RULE_LESS, "5");
    add_rule(&b, SG_RULE_LESS, "6");
    none.task.schema.n_checks = 0;
    build(&a);
    build(&b);
    build(&none);
    assert_string_not_equal(a.plan->schema_hash, b.plan->schema_hash);
    assert_string_equal(a.plan->output_hash, b.plan->output_hash);
    assert_string_equal(none.plan->schema_hash, "");
    close_world(&a);
    close_world(&b);
    close_world(&none);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_broken_rule_is_named_with_the_value),
        cmocka_unit_test(test_equal_is_python_s_and_null_can_be_asked_for),
        cmocka_unit_test(test_null_and_texts_lists_and_maps_without_content_are_empty),
        cmocka_unit_test(test_long_values_are_cut_between_characters),
        cmocka_unit_test(test_a_mapped_field_is_checked_unless_the_state_is_asked_for),
        cmocka_unit_test(test_a_changed_rule_changes_the_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
