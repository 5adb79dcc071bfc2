/* SPDX-License-Identifier: Apache-2.0 */
/* Random graphs are laid out, and what layers.h promises is checked with a ruler. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "plan/layers.h"

#include <math.h>

#define GRAPHS 400

struct world {
    struct sg_arena a;
    struct sg_layers l;
    struct sg_rng rng;
};

static void open_world(struct world *w, uint64_t seed) {
    *w = (struct world){0};
    sg_arena_init(&w->a, 0);
    w->l.arena = &w->a;
    w->rng.s = seed;
}

static int add(struct world *w, double width, double height, enum sg_pin pin) {
    struct sg_layer_item *i = SG_PUSH(&w->a, w->l.items, w->l.n_items, w->l.cap_items);
    *i = (struct sg_layer_item){.w = width, .h = height, .pin = pin};
    return (int)w->l.n_items - 1;
}

static struct sg_layer_link *join(struct world *w, int from, int to, double label) {
    struct sg_layer_link *k = SG_PUSH(&w->a, w->l.links, w->l.n_links, w->l.cap_links);
    *k = (struct sg_layer_link){.from = from, .to = to, .label_w = label, .label_h = label > 0 ? 18 : 0};
    return k;
}

static uint64_t below(struct world *w, uint64_t n) {
    return (uint64_t)(sg_rng_unit(&w->rng) * (double)n);
}

static void place(struct world *w) {
    struct sg_err err = {0};
    sg_layers_rank(&w->l);
    if (sg_layers_place(&w->l, &err) != 0) fail_msg("%s", err.text);
}

static void random_graph(struct world *w) {
    uint64_t n = 1 + below(w, 14), links = below(w, 3 * n);
    for (uint64_t i = 0; i < n; i++) add(w, 20 + (double)below(w, 160), 16 + (double)below(w, 60), SG_PIN_NONE);
    for (uint64_t i = 0; i < links; i++) {
        int from = (int)below(w, n), to = (int)below(w, n);
        if (from != to) join(w, from, to, below(w, 3) ? 0 : 10 + (double)below(w, 80));
    }
    for (uint64_t i = below(w, 3); i > 0; i--) join(w, add(w, 4, 0, SG_PIN_TOP), (int)below(w, n), 0);
    for (uint64_t i = below(w, 3); i > 0; i--) join(w, (int)below(w, n), add(w, 4, 0, SG_PIN_BOTTOM), 0);
}

struct box {
    double left, top, right, bottom;
};

static struct box box_of(const struct sg_layer_item *i) {
    return (struct box){i->x - i->w / 2, i->y - i->h / 2, i->x + i->w / 2, i->y + i->h / 2};
}

static struct box label_of(const struct sg_layer_link *k) {
    return (struct box){k->label_x - k->label_w / 2, k->label_y - k->label_h / 2, k->label_x + k->label_w / 2,
                        k->label_y + k->label_h / 2};
}

static bool apart(struct box a, struct box b) {
    return a.right <= b.left + 0.01 || b.right <= a.left + 0.01 || a.bottom <= b.top + 0.01 || b.bottom <= a.top + 0.01;
}

static size_t boxes_of(const struct sg_layers *l, struct box *out) {
    size_t n = 0;
    for (size_t i = 0; i < l->n_items; i++) out[n++] = box_of(&l->items[i]);
    for (size_t i = 0; i < l->n_links; i++)
        if (l->links[i].label_w > 0) out[n++] = label_of(&l->links[i]);
    return n;
}

static void test_items_and_labels_never_overlap(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < GRAPHS; seed++) {
        struct world w;
        struct box boxes[256];
        open_world(&w, seed);
        random_graph(&w);
        place(&w);
        size_t n = boxes_of(&w.l, boxes);
        for (size_t i = 0; i < n; i++) {
            if (boxes[i].left < -0.01 || boxes[i].right > w.l.w + 0.01 || boxes[i].bottom > w.l.h + 0.01)
                fail_msg("graph %d: box %zu lies outside", (int)seed, i);
            for (size_t k = 0; k < i; k++)
                if (!apart(boxes[i], boxes[k])) fail_msg("graph %d: boxes %zu and %zu overlap", (int)seed, i, k);
        }
        sg_arena_fini(&w.a);
    }
}

static bool on_border(const struct sg_layer_item *i, struct sg_point p) {
    bool level = fabs(p.y - (i->y - i->h / 2)) < 0.01 || fabs(p.y - (i->y + i->h / 2)) < 0.01;
    return level && fabs(p.x - i->x) <= i->w / 2 + 0.01;
}

/* Upright pieces may stand beside an item, slanted ones lie where there is none. */
static bool touches(struct sg_point p, struct sg_point q, struct box b) {
    struct box hull = {fmin(p.x, q.x), fmin(p.y, q.y), fmax(p.x, q.x), fmax(p.y, q.y)};
    hull.left -= 0.5, hull.right += 0.5;
    return !apart(hull, b);
}

static void test_links_join_their_items_and_touch_no_other(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < GRAPHS; seed++) {
        struct world w;
        open_world(&w, seed);
        random_graph(&w);
        place(&w);
        for (size_t i = 0; i < w.l.n_links; i++) {
            const struct sg_layer_link *k = &w.l.links[i];
            assert_true(k->n_points >= 2);
            assert_true(on_border(&w.l.items[k->from], k->points[0]));
            assert_true(on_border(&w.l.items[k->to], k->points[k->n_points - 1]));
            for (size_t m = 0; m < w.l.n_items; m++)
                for (size_t p = 1; p < k->n_points; p++)
                    if (touches(k->points[p - 1], k->points[p], box_of(&w.l.items[m])))
                        fail_msg("graph %d: link %zu runs through item %zu", (int)seed, i, m);
        }
        sg_arena_fini(&w.a);
    }
}

static void test_links_run_down_unless_they_close_a_loop(void **state) {
    (void)state;
    struct world w;
    open_world(&w, 1);
    for (int i = 0; i < 4; i++) add(&w, 50, 20, SG_PIN_NONE);
    join(&w, 0, 1, 0), join(&w, 1, 2, 0), join(&w, 2, 1, 30), join(&w, 2, 3, 0);
    place(&w);
    assert_false(w.l.links[0].back || w.l.links[1].back || w.l.links[3].back);
    assert_true(w.l.links[2].back);
    for (int i = 1; i < 4; i++) assert_true(w.l.items[i].y > w.l.items[i - 1].y);
    assert_true(w.l.links[2].points[0].y > w.l.links[2].points[w.l.links[2].n_points - 1].y);
    sg_arena_fini(&w.a);
}

static void test_pins_lie_on_the_border_they_belong_to(void **state) {
    (void)state;
    struct world w;
    open_world(&w, 1);
    int a = add(&w, 50, 20, SG_PIN_NONE), b = add(&w, 50, 20, SG_PIN_NONE);
    int top = add(&w, 4, 0, SG_PIN_TOP), bottom = add(&w, 4, 0, SG_PIN_BOTTOM);
    join(&w, top, b, 0), join(&w, a, bottom, 0), join(&w, b, a, 0);
    place(&w);
    assert_true(fabs(w.l.items[top].y) < 0.01 && fabs(w.l.items[bottom].y - w.l.h) < 0.01);
    assert_true(w.l.items[b].y < w.l.items[a].y);
    sg_arena_fini(&w.a);
}

static void test_a_chain_is_straight(void **state) {
    (void)state;
    struct world w;
    open_world(&w, 1);
    for (int i = 0; i < 30; i++) add(&w, 20 + i, 20, SG_PIN_NONE);
    for (int i = 1; i < 30; i++) join(&w, i - 1, i, 0);
    place(&w);
    for (int i = 1; i < 30; i++) assert_true(fabs(w.l.items[i].x - w.l.items[0].x) < 0.01);
    sg_arena_fini(&w.a);
}

static void test_what_nobody_could_read_is_refused(void **state) {
    (void)state;
    struct world w;
    struct sg_err err = {0};
    open_world(&w, 1);
    for (int i = 0; i < 200; i++) add(&w, 20, 20, SG_PIN_NONE);
    for (int i = 0; i < 200; i++)
        for (int k = 0; k < i; k++) join(&w, k, i, 0);
    sg_layers_rank(&w.l);
    assert_int_equal(sg_layers_place(&w.l, &err), SG_E_LIMIT);
    sg_arena_fini(&w.a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_items_and_labels_never_overlap),
        cmocka_unit_test(test_links_join_their_items_and_touch_no_other),
        cmocka_unit_test(test_links_run_down_unless_they_close_a_loop),
        cmocka_unit_test(test_pins_lie_on_the_border_they_belong_to),
        cmocka_unit_test(test_a_chain_is_straight),
        cmocka_unit_test(test_what_nobody_could_read_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
