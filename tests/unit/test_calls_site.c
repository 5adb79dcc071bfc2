/* SPDX-License-Identifier: Apache-2.0 */
/* The choice between the addresses of a model, and which of them are passed over. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "calls/site.h"

#include "net/loop.h"

static struct sg_site site[3];
static struct sg_site *at[] = {&site[0], &site[1], &site[2]};
static struct sg_sites sites;

static int setup(void **state) {
    (void)state;
    memset(site, 0, sizeof site);
    sites = (struct sg_sites){.at = at, .n = 3, .policy = SG_ROUND_ROBIN};
    return 0;
}

static uint32_t begin(uint32_t failed, uint64_t now_ns) {
    uint32_t i = sg_site_choose(&sites, failed, now_ns);
    sg_site_begin(at[i]);
    return i;
}

static void fail_at(uint32_t i, int code, uint64_t now_ns) {
    sg_site_begin(at[i]);
    sg_site_end(at[i], code, now_ns);
}

static void test_round_robin_takes_turns_whatever_is_in_flight(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 9; i++) assert_int_equal(begin(SG_NO_SITE, 0), i % 3);
    sg_site_end(at[1], 0, 0);
    assert_int_equal(begin(SG_NO_SITE, 0), 0);
}

static void test_least_requests_takes_the_fewest_in_flight_and_ties_in_turn(void **state) {
    (void)state;
    sites.policy = SG_LEAST_REQUESTS;
    for (uint32_t i = 0; i < 6; i++) assert_int_equal(begin(SG_NO_SITE, 0), i % 3);
    sg_site_end(at[1], 0, 0);
    assert_int_equal(begin(SG_NO_SITE, 0), 1);
    assert_int_equal(begin(SG_NO_SITE, 0), 2); /* behind 1 */
    assert_int_equal(site[2].figures.peak_in_flight, 3);
}

static void test_the_next_attempt_passes_over_the_address_that_failed(void **state) {
    (void)state;
    assert_int_equal(begin(SG_NO_SITE, 0), 0);
    sg_site_end(at[0], SG_E_BUSY, 0);
    sites.next = 0;
    assert_int_equal(begin(0, 0), 1);
    sites.next = 0;
    assert_int_equal(begin(SG_NO_SITE, 0), 0); /* another call may try it */
}

static void test_an_address_that_refuses_is_out_for_all_and_comes_back_by_a_probe(void **state) {
    (void)state;
    fail_at(0, SG_E_CONNECT, 0);
    sites.next = 0;
    assert_int_equal(begin(SG_NO_SITE, SG_MS(999)), 1);
    sites.next = 0;
    assert_int_equal(begin(SG_NO_SITE, SG_MS(1000)), 0); /* the probe */
    sites.next = 0;
    assert_int_equal(begin(SG_NO_SITE, SG_MS(1001)), 1); /* nobody else until it has ended */
    sg_site_end(at[0], 0, SG_MS(1100));
    sites.next = 0;
    assert_int_equal(begin(SG_NO_SITE, SG_MS(1100)), 0);
    assert_int_equal(site[0].figures.outs, 1);
}

static void test_it_stays_out_twice_as_long_each_time_but_30_s_at_most(void **state) {
    (void)state;
    uint64_t now = 0;
    static const unsigned spans[] = {1000, 2000, 4000, 8000, 16000, 30000, 30000};
    for (size_t i = 0; i < sizeof spans / sizeof *spans; i++) {
        fail_at(0, SG_E_RESOLVE, now);
        assert_int_equal(site[0].out_until_ns - now, SG_MS(spans[i]));
        now = site[0].out_until_ns;
    }
}

static void test_a_hundred_calls_that_fail_at_one_moment_count_once(void **state) {
    (void)state;
    for (int i = 0; i < 100; i++) sg_site_begin(at[0]);
    for (int i = 0; i < 100; i++) sg_site_end(at[0], SG_E_CONNECT, 5);
    assert_int_equal(site[0].out_until_ns, SG_MS(1000) + 5);
    assert_int_equal(site[0].figures.outs, 1);
}

static void test_other_failures_take_it_out_when_they_are_three_in_a_row(void **state) {
    (void)state;
    fail_at(0, SG_E_BUSY, 0);
    fail_at(0, SG_E_TIMEOUT, 0);
    fail_at(0, 0, 0);
    fail_at(0, SG_E_BUSY, 0);
    fail_at(0, SG_E_REPLY, 0);
    assert_int_equal(site[0].out_until_ns, 0);
    fail_at(0, SG_E_RESET, 0);
    assert_int_equal(site[0].out_until_ns, SG_MS(1000));
}

static void test_a_refused_request_or_a_canceled_one_is_no_failure_of_the_address(void **state) {
    (void)state;
    fail_at(0, SG_E_BUSY, 0);
    fail_at(0, SG_E_BUSY, 0);
    fail_at(0, SG_E_CANCELED, 0);
    assert_int_equal(site[0].streak, 2);
    fail_at(0, SG_E_STATUS, 0);
    assert_int_equal(site[0].streak, 0);
    assert_int_equal(site[0].figures.failed, 3);
    assert_int_equal(site[0].figures.canceled, 1);
}

static void test_when_all_are_out_one_is_taken_all_the_same(void **state) {
    (void)state;
    for (uint32_t i = 0; i < 3; i++) fail_at(i, SG_E_CONNECT, 0);
    sites.next = 1;
    assert_int_equal(begin(1, 1), 2);
    sites.n = 1;
    sites.next = 0;
    assert_int_equal(begin(0, 1), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_round_robin_takes_turns_whatever_is_in_flight, setup),
        cmocka_unit_test_setup(test_least_requests_takes_the_fewest_in_flight_and_ties_in_turn, setup),
        cmocka_unit_test_setup(test_the_next_attempt_passes_over_the_address_that_failed, setup),
        cmocka_unit_test_setup(test_an_address_that_refuses_is_out_for_all_and_comes_back_by_a_probe, setup),
        cmocka_unit_test_setup(test_it_stays_out_twice_as_long_each_time_but_30_s_at_most, setup),
        cmocka_unit_test_setup(test_a_hundred_calls_that_fail_at_one_moment_count_once, setup),
        cmocka_unit_test_setup(test_other_failures_take_it_out_when_they_are_three_in_a_row, setup),
        cmocka_unit_test_setup(test_a_refused_request_or_a_canceled_one_is_no_failure_of_the_address, setup),
        cmocka_unit_test_setup(test_when_all_are_out_one_is_taken_all_the_same, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
