/* SPDX-License-Identifier: Apache-2.0 */
#include "test_faults.h"

#include "journal/rundb_parts.h"
#include "journal/tally.h"

#include <math.h>

static struct sg_err err;

static struct sg_call_row answer(uint32_t node, int64_t us) {
    return (struct sg_call_row){.node = node,
                                .state = SG_CALL_ANSWERED,
                                .status = 200,
                                .latency_us = us,
                                .prompt_tokens = 10,
                                .completion_tokens = 3};
}

static struct sg_call_row failure(enum sg_call_state state, int status, int code) {
    return (struct sg_call_row){.node = 1, .state = (int)state, .status = status, .code = code};
}

static struct sg_rundb *create(const char *name) {
    struct sg_rundb *d;
    struct sg_run_identity id = {.program = SG_STR("0"), .task = SG_STR("t"), .folder = SG_STR("o"), .stem = SG_STR("s")};
    if (sg_rundb_create(in_folder(name), &id, &d, &err)) fail_msg("%s", err.text);
    return d;
}

static struct sg_rundb *reopen(const char *name, struct sg_arena *a) {
    struct sg_rundb *d;
    struct sg_run_identity id;
    if (sg_rundb_open(in_folder(name), a, &id, &d, &err)) fail_msg("%s", err.text);
    return d;
}

static void commit(struct sg_tallies *t, struct sg_rundb *d) {
    assert_int_equal(sg_tallies_put(t, d), 0);
    assert_int_equal(sg_rundb_commit(d, &(struct sg_progress){0}, NULL), 0);
}

static const struct sg_tally *find(const struct sg_tallies *t, uint32_t node, int status, int code) {
    for (size_t i = 0; i < t->n_tallies; i++) {
        const struct sg_tally *y = &t->tallies[i];
        if (y->node == node && y->ordinal == 0 && y->status == status && y->code == code) return y;
    }
    fail_msg("no tally of node %u, status %d, code %d", node, status, code);
    return NULL;
}

static void test_a_time_is_kept_within_a_sixtyfourth(void **state) {
    (void)state;
    for (uint64_t us = 0; us < (uint64_t)1 << 41; us = us + us / 37 + 1) {
        struct sg_tallies t = {0};
        struct sg_call_row c = answer(0, (int64_t)us);
        sg_tallies_call(&t, &c);
        double got = sg_times_quantile(&t.times[0], 0.5), off = fabs(got - (double)us);
        if (us < 64) assert_true(got == (double)us);
        else assert_true(off <= (double)us / 32); /* half a step on either side of the rank's place */
        sg_tallies_fini(&t);
    }
}

static void test_percentiles_of_many_are_near_the_exact_ones(void **state) {
    (void)state;
    struct sg_tallies t = {0};
    for (int64_t i = 1; i <= 10000; i++) {
        struct sg_call_row c = answer(0, i * 100);
        sg_tallies_call(&t, &c);
    }
    static const double shares[] = {0.01, 0.5, 0.95, 0.99};
    for (size_t i = 0; i < 4; i++) {
        double exact = shares[i] * 1e6, got = sg_times_quantile(&t.times[0], shares[i]);
        if (fabs(got - exact) > exact / 64) fail_msg("%g of all: %g, not %g", shares[i], got, exact);
    }
    sg_tallies_fini(&t);
}

static void test_attempts_are_counted_by_how_they_ended(void **state) {
    (void)state;
    struct sg_tallies t = {0};
    struct sg_call_row rows[] = {answer(1, 500), failure(SG_CALL_AGAIN, 429, SG_E_BUSY),
                                 failure(SG_CALL_AGAIN, 429, SG_E_BUSY), failure(SG_CALL_FAILED, 0, SG_E_TIMEOUT),
                                 answer(1, 1500)};
    rows[4].unmetered = true;
    rows[4].prompt_tokens = rows[4].completion_tokens = 0;
    for (size_t i = 0; i < 5; i++) sg_tallies_call(&t, &rows[i]);
    const struct sg_tally *good = find(&t, 1, 200, 0);
    assert_int_equal(good->count, 2);
    assert_int_equal(good->unmetered, 1);
    assert_int_equal(good->prompt_tokens, 10);
    assert_int_equal(good->sum_us, 2000);
    assert_int_equal(good->min_us, 500);
    assert_int_equal(good->max_us, 1500);
    assert_int_equal(find(&t, 1, 429, SG_E_BUSY)->again, 2);
    assert_int_equal(find(&t, 1, 0, SG_E_TIMEOUT)->again, 0);
    sg_tallies_fini(&t);
}

static void test_what_was_committed_is_loaded_whole_and_goes_on(void **state) {
    (void)state;
    struct sg_tallies t = {0}, again = {0};
    struct sg_arena a;
    sg_arena_init(&a, 0);
    struct sg_rundb *d = create("whole.run");
    struct sg_call_row c = answer(1, 70000), f = failure(SG_CALL_FAILED, 0, SG_E_RESET);
    struct sg_work work[] = {{.node = 1, .prompt_tokens = 10, .completion_tokens = 3},
                             {.node = 2, .ordinal = SG_TALLY_NODE, .failed = true, .us = 9}};
    sg_tallies_call(&t, &c);
    sg_tallies_call(&t, &f);
    sg_tallies_record(&t, 1, work, 2);
    commit(&t, d);
    c.latency_us = 90000;
    sg_tallies_call(&t, &c); /* of a group that is never committed */
    assert_int_equal(sg_tallies_put(&t, d), 0);
    sg_rundb_close(d);

    d = reopen("whole.run", &a);
    assert_int_equal(sg_tallies_load(&again, d), 0);
    assert_int_equal(find(&again, 1, 200, 0)->count, 1);
    assert_int_equal(find(&again, 1, 200, 0)->max_us, 70000);
    assert_true(find(&again, 1, 200, 0)->squares == 70000.0 * 70000.0);
    assert_int_equal(find(&again, 1, 0, SG_E_RESET)->count, 1);
    assert_int_equal(sg_tallies_times(&again, 1, 0)->n, 1);
    assert_int_equal(sg_tallies_times(&again, 2, SG_TALLY_NODE)->counts[9], 1);
    assert_int_equal(again.n_spent, 1);
    assert_int_equal(again.spent[0].outcome, 1);
    assert_int_equal(again.spent[0].prompt_tokens, 10);

    c.latency_us = 70000;
    sg_tallies_call(&again, &c);
    commit(&again, d);
    sg_tallies_fini(&again);
    assert_int_equal(sg_tallies_load(&again, d), 0);
    assert_int_equal(find(&again, 1, 200, 0)->count, 2);
    assert_int_equal(sg_tallies_times(&again, 1, 0)->counts[sg_time_step(70000)], 2);
    sg_rundb_close(d);
    sg_tallies_fini(&t);
    sg_tallies_fini(&again);
    sg_arena_fini(&a);
}

static void test_counts_of_nodes_that_are_gone_stay(void **state) {
    (void)state;
    static const struct sg_run_node old_nodes[] = {{.name = {"a", 1}}, {.name = {"b", 1}}, {.name = {"c", 1}}};
    static const struct sg_run_node new_nodes[] = {{.name = {"c", 1}}};
    const struct sg_run_identity was = {.nodes = old_nodes, .n_nodes = 3}, is = {.nodes = new_nodes, .n_nodes = 1};
    struct sg_tallies t = {0}, again = {0};
    struct sg_rundb *d = create("gone.run");
    for (uint32_t node = 0; node < 3; node++) {
        struct sg_call_row c = answer(node, 100 * (node + 1));
        struct sg_work w = {.node = node, .prompt_tokens = 10, .completion_tokens = 3};
        sg_tallies_call(&t, &c);
        sg_tallies_record(&t, 0, &w, 1);
    }
    commit(&t, d);
    assert_int_equal(sg_rundb_renew(d, &was, &is), 0);
    assert_int_equal(sg_rundb_commit(d, &(struct sg_progress){0}, NULL), 0);
    assert_int_equal(sg_tallies_load(&again, d), 0);
    assert_int_equal(again.n_tallies, 3);
    assert_int_equal(again.n_spent, 3);
    assert_int_equal(find(&again, 0, 200, 0)->max_us, 300);
    for (size_t i = 0; i < 3; i++) assert_true(again.tallies[i].node == 0 || again.tallies[i].node > 1000);
    sg_rundb_close(d);
    sg_tallies_fini(&t);
    sg_tallies_fini(&again);
}

static void test_what_a_record_took_is_not_counted_twice_when_it_goes_on(void **state) {
    (void)state;
    struct sg_tallies t = {0}, again = {0};
    struct sg_rundb *d = create("unspend.run");
    struct sg_work w = {.node = 1, .prompt_tokens = 10, .completion_tokens = 3};
    for (uint64_t position = 0; position < 2; position++) {
        struct sg_call_row c = answer(1, 100);
        c.position = position;
        sg_tallies_call(&t, &c);
        sg_tallies_record(&t, 0, &w, 1);
        assert_int_equal(sg_rundb_call(d, &c), 0);
    }
    commit(&t, d);
    assert_int_equal(sg_rundb_unspend(d, 1, 0), 0);
    assert_int_equal(sg_rundb_unspend(d, 0, 1), 0); /* of no record that ended so */
    assert_int_equal(sg_rundb_commit(d, &(struct sg_progress){0}, NULL), 0);
    assert_int_equal(sg_tallies_load(&again, d), 0);
    assert_int_equal(again.n_spent, 1);
    assert_true(again.spent[0].calls == 1 && again.spent[0].prompt_tokens == 10 && again.spent[0].completion_tokens == 3);
    sg_rundb_close(d);
    sg_tallies_fini(&t);
    sg_tallies_fini(&again);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_time_is_kept_within_a_sixtyfourth),
        cmocka_unit_test(test_percentiles_of_many_are_near_the_exact_ones),
        cmocka_unit_test(test_attempts_are_counted_by_how_they_ended),
        cmocka_unit_test(test_what_was_committed_is_loaded_whole_and_goes_on),
        cmocka_unit_test(test_counts_of_nodes_that_are_gone_stay),
        cmocka_unit_test(test_what_a_record_took_is_not_counted_twice_when_it_goes_on),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
