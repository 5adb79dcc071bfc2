/* SPDX-License-Identifier: Apache-2.0 */
#include "test_data.h"

#include "data/lag.h"

static void test_quantiles_are_right_to_a_fifth(void **state) {
    (void)state;
    struct sg_lag l = {0};
    assert_int_equal(sg_lag_quantile(&l, 0.5), 0);
    for (uint64_t us = 0; us < 100000; us++) sg_lag_add(&l, us);
    for (int percent = 1; percent < 100; percent++) {
        double exact = percent * 1000.0, got = (double)sg_lag_quantile(&l, percent / 100.0);
        if (got < exact - 1 || got > exact * 1.26) fail_msg("%d %%: %f", percent, got);
    }
    assert_int_equal(l.max_us, 99999);
    assert_int_equal(sg_lag_quantile(&l, 1), 99999);
}

static void test_every_length_has_its_step(void **state) {
    (void)state;
    for (uint64_t us = 0; us < (uint64_t)1 << 39; us = us * 3 / 2 + 1) {
        struct sg_lag l = {0};
        sg_lag_add(&l, us);
        sg_lag_add(&l, UINT64_MAX); /* longer than any step: the last one's */
        uint64_t got = sg_lag_quantile(&l, 0);
        assert_true(got >= us && got - us <= us / 4);
        assert_int_equal(l.max_us, UINT64_MAX);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantiles_are_right_to_a_fifth),
        cmocka_unit_test(test_every_length_has_its_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
