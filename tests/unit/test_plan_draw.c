/* SPDX-License-Identifier: Apache-2.0 */
/* Drawings are made from plans built by hand; how they lie on paper is measured by tests/prop/pictures.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "plan/draw.h"

static struct sg_arena arena;

static int open_arena(void **state) {
    (void)state;
    sg_arena_init(&arena, 0);
    return 0;
}

static int close_arena(void **state) {
    (void)state;
    sg_arena_fini(&arena);
    return 0;
}

/* One condition at a connector `a`, twice, with these keys leading to itself, to `b`, to END. */
static struct sg_drawing draw_keys(const char *const keys[3]) {
    static const int self[] = {0}, other[] = {1};
    static const struct sg_hook_spec hook = {.kind = SG_HOOK_JQ, .text = {".x", 2}};
    static const struct sg_plan_hook hooks[] = {{.spec = &hook}};
    struct sg_plan_path *paths = SG_NEW_N(&arena, struct sg_plan_path, 3);
    paths[0] = (struct sg_plan_path){sg_str(keys[0]), self, 1};
    paths[1] = (struct sg_plan_path){sg_str(keys[1]), other, 1};
    paths[2] = (struct sg_plan_path){sg_str(keys[2]), other, 1};
    struct sg_plan_branch *branches = SG_NEW_N(&arena, struct sg_plan_branch, 2);
    branches[0] = branches[1] = (struct sg_plan_branch){.hook = 0, .paths = paths, .n_paths = 3};
    struct sg_plan_node *nodes = SG_NEW_N(&arena, struct sg_plan_node, 2);
    nodes[0] = (struct sg_plan_node){.name = SG_STR("s.a"), .kind = SG_NODE_CONNECTOR, .model = SG_NONE};
    nodes[1] = (struct sg_plan_node){.name = SG_STR("b"), .kind = SG_NODE_CONNECTOR, .model = SG_NONE};
    nodes[0].out = (struct sg_plan_out){.branches = branches, .n_branches = 2};
    struct sg_plan p = {.nodes = nodes, .n_nodes = 2, .hooks = hooks, .n_hooks = 1};
    p.start = (struct sg_plan_out){.targets = self, .n_targets = 1};
    struct sg_drawing d;
    sg_draw_plan(&arena, &p, &d);
    return d;
}

static const struct sg_arrow *arrow(const struct sg_drawing *d, const char *from, const char *to) {
    for (size_t i = 0; i < d->n_arrows; i++)
        if (sg_str_eq(d->boxes[d->arrows[i].from].name, sg_str(from)) && sg_str_eq(d->boxes[d->arrows[i].to].name, sg_str(to)))
            return &d->arrows[i];
    fail_msg("no arrow from %s to %s", from, to);
    return NULL;
}

static void test_keys_to_the_same_place_share_an_arrow_and_are_named_once(void **state) {
    (void)state;
    struct sg_drawing d = draw_keys((const char *const[]){"again", "yes & no", "no"});
    assert_int_equal(d.n_arrows, 4); /* START -> a, a -> a, a -> b, b -> END */
    assert_true(sg_str_eq(arrow(&d, "s.a", "s.a")->label, SG_STR("again")));
    assert_true(sg_str_eq(arrow(&d, "s.a", "b")->label, SG_STR("yes & no, no")));
    assert_int_equal(arrow(&d, "b", "END")->label.n, 0);
}

static void test_an_empty_key_is_seen(void **state) {
    (void)state;
    struct sg_drawing d = draw_keys((const char *const[]){"x", "", ""});
    assert_true(sg_str_eq(arrow(&d, "s.a", "b")->label, SG_STR("\"\"")));
}

static void test_a_prefix_is_a_group(void **state) {
    (void)state;
    struct sg_drawing d = draw_keys((const char *const[]){"x", "y", "z"});
    assert_int_equal(d.n_groups, 2);
    assert_true(sg_str_eq(d.groups[1].title, SG_STR("s")));
    assert_int_equal(d.boxes[arrow(&d, "s.a", "s.a")->from].group, 1);
    assert_int_equal(d.boxes[arrow(&d, "b", "END")->from].group, 0);
}

static void test_long_texts_are_cut_between_characters(void **state) {
    (void)state;
    assert_true(sg_str_eq(sg_text_short(&arena, SG_STR("größer\nals"), 10), SG_STR("größer als")));
    assert_true(sg_str_eq(sg_text_short(&arena, SG_STR("größer als"), 6), SG_STR("grö...")));
    assert_true(sg_str_eq(sg_text_short(&arena, SG_STR(""), 6), SG_STR("")));
}

static void test_wide_characters_take_more_room(void **state) {
    (void)state;
    assert_true(sg_text_width(SG_STR("名前"), 10) >= 20);
    assert_true(sg_text_width(SG_STR("WWWW"), 10) > sg_text_width(SG_STR("iiii"), 10));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys_to_the_same_place_share_an_arrow_and_are_named_once),
        cmocka_unit_test(test_an_empty_key_is_seen),
        cmocka_unit_test(test_a_prefix_is_a_group),
        cmocka_unit_test(test_long_texts_are_cut_between_characters),
        cmocka_unit_test(test_wide_characters_take_more_room),
    };
    return cmocka_run_group_tests(tests, open_arena, close_arena);
}
