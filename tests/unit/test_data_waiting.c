/* SPDX-License-Identifier: Apache-2.0 */
#include "test_data.h"

#include "data/waiting.h"

#define MEMORY 20000

static uint64_t first = 1000;

static struct sg_str text_of(uint64_t position) {
    static char text[400];
    size_t n = position * 31 % 300;
    memset(text, '.', n);
    int digits = snprintf(text + n, 32, "%llu", (unsigned long long)position);
    return (struct sg_str){text, n + (size_t)digits};
}

static void expect_next(struct sg_waiting *w) {
    uint64_t position = w->next;
    uint32_t kind;
    struct sg_str text;
    struct sg_err err;
    if (sg_waiting_take(w, &kind, &text, &err)) fail_msg("%s", err.text);
    assert_text(text, text_of(position));
    assert_int_equal(kind, position % 4);
    assert_int_equal(w->next, position + 1);
}

static void put(struct sg_waiting *w, uint64_t position) {
    struct sg_err err;
    if (position == w->next) {
        sg_waiting_skip(w);
    } else if (sg_waiting_put(w, position, position % 4, text_of(position), &err)) {
        fail_msg("%s", err.text);
    }
    assert_true(w->memory <= MEMORY);
    while (sg_waiting_has_next(w)) expect_next(w);
}

/* Positions 0..n in an order in which none is more than about `reach` too late. */
static uint32_t *shuffled(uint32_t n, uint32_t reach) {
    uint32_t *order = sg_xmalloc(n * sizeof *order);
    struct sg_rng rng = {reach};
    for (uint32_t i = 0; i < n; i++) order[i] = i;
    for (uint32_t i = 0; i + 1 < n; i++) {
        uint32_t span = n - i < reach ? n - i : reach;
        uint32_t k = i + (uint32_t)(sg_rng_next(&rng) % span), t = order[i];
        order[i] = order[k];
        order[k] = t;
    }
    return order;
}

static void test_any_order_becomes_the_order_of_positions(void **state) {
    (void)state;
    static const uint32_t reaches[] = {1, 2, 50, 1000, 20000};
    for (size_t i = 0; i < sizeof reaches / sizeof *reaches; i++) {
        struct sg_waiting w;
        uint32_t *order = shuffled(20000, reaches[i]);
        sg_waiting_init(&w, first, MEMORY, sg_str(in_folder("run")));
        for (uint32_t k = 0; k < 20000; k++) put(&w, first + order[k]);
        assert_int_equal(w.next, first + 20000);
        assert_int_equal(w.n, 0);
        assert_int_equal(w.memory, 0);
        if (reaches[i] >= 1000) assert_true(w.spilled_bytes > 0);
        assert_int_equal(file_exists("run/segments"), w.spilled_bytes > 0);
        sg_waiting_fini(&w);
        assert_false(file_exists("run"));
        free(order);
    }
}

static void test_a_straggler_costs_sixteen_bytes_a_record(void **state) {
    (void)state;
    enum { N = 300000 };
    struct sg_waiting w;
    sg_waiting_init(&w, 0, 1000, sg_str(in_folder("run")));
    for (uint64_t p = 1; p < N; p++) assert_int_equal(sg_waiting_put(&w, p, p % 4, text_of(p), NULL), 0);
    assert_false(sg_waiting_has_next(&w));
    assert_int_equal(w.n, N - 1);
    assert_true(w.cap * 16 <= (size_t)N * 2 * 16);
    sg_waiting_skip(&w);
    while (sg_waiting_has_next(&w)) expect_next(&w);
    assert_int_equal(w.next, N);
    assert_int_equal(w.cap, 0); /* a large ring goes when it is empty */
    put(&w, N + 1);
    put(&w, N);
    assert_int_equal(w.next, N + 2);
    sg_waiting_fini(&w);
}

static void test_what_waits_can_be_forgotten(void **state) {
    (void)state;
    struct sg_waiting w;
    sg_waiting_init(&w, 0, 2000, sg_str(in_folder("run")));
    for (uint64_t p = 1; p < 100; p++) assert_int_equal(sg_waiting_put(&w, p, 0, text_of(p), NULL), 0);
    assert_true(file_exists("run/segments/000001.seg"));
    sg_waiting_fini(&w);
    assert_false(file_exists("run"));
}

static void test_a_run_folder_of_others_stays(void **state) {
    (void)state;
    struct sg_waiting w;
    sg_os_mkdirs(in_folder("run"));
    put_file("run/run.db", SG_STR("x"));
    sg_waiting_init(&w, 0, 0, sg_str(in_folder("run")));
    assert_int_equal(sg_waiting_put(&w, 1, 0, SG_STR("x"), NULL), 0);
    sg_waiting_fini(&w);
    assert_true(file_exists("run/run.db"));
    assert_false(file_exists("run/segments"));
}

/* --- with a run folder --------------------------------------------------------------------------------------------- */

static void test_what_waits_can_be_stored_and_loaded(void **state) {
    (void)state;
    enum { N = 100 };
    struct sg_place places[N];
    struct sg_segments *s;
    struct sg_waiting w;
    assert_int_equal(sg_segments_open(in_folder("run/segments"), 0, &s, NULL), 0);
    sg_waiting_init(&w, 0, 1500, sg_str(in_folder("run")));
    sg_waiting_use(&w, s);
    for (uint64_t p = 1; p < N; p++) assert_int_equal(sg_waiting_put(&w, p, p % 4, text_of(p), NULL), 0);
    assert_true(w.memory > 0 && w.spilled_bytes > 0);
    for (uint64_t p = 1; p < N; p++) assert_int_equal(sg_waiting_store(&w, p, &places[p], NULL), 0);
    assert_int_equal(w.memory, 0);
    struct sg_place again;
    assert_int_equal(sg_waiting_store(&w, 50, &again, NULL), 0);
    assert_memory_equal(&again, &places[50], sizeof again);
    sg_waiting_fini(&w); /* the process dies, the segments stay */
    sg_waiting_init(&w, 0, 1500, sg_str(in_folder("run")));
    sg_waiting_use(&w, s);
    for (uint64_t p = 1; p < N; p += 2) sg_waiting_load(&w, p, places[p]);
    assert_int_equal(w.n, N / 2);
    sg_waiting_skip(&w);
    for (uint64_t p = 1; p < N; p++) {
        assert_int_equal(sg_waiting_has_next(&w), p % 2);
        if (p % 2) expect_next(&w);
        else sg_waiting_skip(&w);
    }
    sg_waiting_fini(&w);
    assert_true(file_exists("run/segments/000001.seg"));
    sg_segments_close(s, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_order_becomes_the_order_of_positions),
        cmocka_unit_test(test_a_straggler_costs_sixteen_bytes_a_record),
        cmocka_unit_test(test_what_waits_can_be_forgotten),
        cmocka_unit_test(test_a_run_folder_of_others_stays),
        cmocka_unit_test(test_what_waits_can_be_stored_and_loaded),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
