/* SPDX-License-Identifier: Apache-2.0 */
/* Memory by lifetime. */
#include "base/arena.h"

#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

static void test_nothing_is_held_before_first_use(void **state) {
    (void)state;
    struct sg_arena a;
    sg_arena_init(&a, 0);
    assert_int_equal(a.held, 0);
    sg_arena_reset(&a);
    sg_arena_fini(&a);
    assert_int_equal(a.held, 0);
}

static void test_allocations_are_aligned_and_apart(void **state) {
    (void)state;
    struct sg_arena a;
    sg_arena_init(&a, 0);
    unsigned char *places[500];
    for (size_t i = 0; i < 500; i++) {
        places[i] = sg_alloc(&a, i);
        assert_int_equal((uintptr_t)places[i] % 8, 0);
        memset(places[i], (int)(i & 0xFF), i);
    }
    for (size_t i = 0; i < 500; i++)
        for (size_t k = 0; k < i; k++) assert_int_equal(places[i][k], i & 0xFF);
    sg_arena_fini(&a);
}

static void test_blocks_double_up_to_256_kb(void **state) {
    (void)state;
    struct sg_arena a;
    sg_arena_init(&a, 0);
    sg_alloc(&a, 1);
    assert_int_equal(a.held, 4096);
    while (a.held < 4096 * 3) sg_alloc(&a, 100);
    assert_int_equal(a.held, 4096 + 8192);
    size_t largest = 0;
    for (size_t i = 0; i < 100000; i++) {
        size_t before = a.held;
        sg_alloc(&a, 100);
        if (a.held - before > largest) largest = a.held - before;
    }
    assert_int_equal(largest, 256 << 10);
    sg_arena_fini(&a);
}

static void test_a_large_allocation_has_a_block_of_its_own(void **state) {
    (void)state;
    struct sg_arena a;
    sg_arena_init(&a, 0);
    char *small = sg_alloc(&a, 16);
    char *large = sg_alloc(&a, 1000000);
    memset(large, 1, 1000000);
    assert_in_range(a.held, 4096 + 1000000, 4096 + 1000000 + 64);
    char *next = sg_alloc(&a, 16);
    assert_in_range(next - small, 16, 32); /* the small block goes on */
    sg_arena_fini(&a);
}

static void test_a_large_allocation_may_come_first(void **state) {
    (void)state;
    struct sg_arena a;
    sg_arena_init(&a, 0);
    memset(sg_alloc(&a, 100000), 1, 100000);
    sg_arena_reset(&a);
    assert_int_equal(a.held, 4096);
    sg_arena_fini(&a);
}

static void test_reset_keeps_one_block(void **state) {
    (void)state;
    struct sg_arena a;
    sg_arena_init(&a, 1024);
    char *first = sg_alloc(&a, 8);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 1000; i++) memset(sg_alloc(&a, 777), 1, 777);
        memset(sg_alloc(&a, 500000), 1, 500000);
        sg_arena_reset(&a);
        assert_int_equal(a.held, 1024);
        assert_ptr_equal(sg_alloc(&a, 8), first);
    }
    sg_arena_fini(&a);
    assert_int_equal(a.held, 0);
    assert_non_null(sg_alloc(&a, 8)); /* usable again */
    sg_arena_fini(&a);
}

static void test_a_cleared_struct_is_an_empty_arena(void **state) {
    (void)state;
    struct sg_arena a = {0};
    assert_non_null(sg_alloc(&a, 8));
    assert_int_equal(a.held, 4096);
    sg_arena_fini(&a);
}

static void test_tiny_and_huge_first_blocks_work(void **state) {
    (void)state;
    static const size_t FIRST[] = {1, 63, 1001, 256 << 10, 1 << 20};
    for (size_t i = 0; i < sizeof FIRST / sizeof *FIRST; i++) {
        struct sg_arena a;
        sg_arena_init(&a, FIRST[i]);
        for (size_t n = 0; n < 3000; n++) memset(sg_alloc(&a, n), 1, n);
        sg_arena_reset(&a);
        assert_in_range(a.held, FIRST[i], FIRST[i] + 64);
        sg_arena_fini(&a);
    }
}

static void test_cleared_memory_is_clear_after_reuse(void **state) {
    (void)state;
    struct sg_arena a;
    sg_arena_init(&a, 0);
    memset(sg_alloc(&a, 2000), 0xAA, 2000);
    sg_arena_reset(&a);
    int *v = SG_NEW_N(&a, int, 500);
    for (int i = 0; i < 500; i++) assert_int_equal(v[i], 0);
    sg_arena_fini(&a);
}

static void test_texts_are_copied_with_a_nul(void **state) {
    (void)state;
    struct sg_arena a;
    sg_arena_init(&a, 0);
    struct sg_str s = sg_str_dup(&a, (struct sg_str){"abcdef", 3});
    assert_string_equal(s.p, "abc");
    assert_int_equal(s.n, 3);
    assert_string_equal(sg_str_dup(&a, SG_STR_NONE).p, "");
    assert_string_equal(sg_str_join(&a, s, SG_STR("/x")).p, "abc/x");
    assert_string_equal(sg_str_join(&a, SG_STR_NONE, s).p, "abc");
    assert_string_equal(sg_str_printf(&a, "%d-%s", 7, "x").p, "7-x");
    struct sg_str nul = sg_str_dup(&a, SG_STR("a\0b"));
    assert_int_equal(nul.n, 3);
    assert_memory_equal(nul.p, "a\0b", 4);
    sg_arena_fini(&a);
}

static void test_long_texts_are_printed_whole(void **state) {
    (void)state;
    struct sg_arena a;
    sg_arena_init(&a, 0);
    for (int n = 250; n < 260; n++) {
        struct sg_str s = sg_str_printf(&a, "%0*d", n, 7);
        assert_int_equal(s.n, n);
        assert_int_equal(s.p[n - 1], '7');
        assert_int_equal(s.p[n], '\0');
    }
    assert_int_equal(sg_str_printf(&a, "%0*d", 100000, 7).n, 100000);
    sg_arena_fini(&a);
}

static void test_push_keeps_all_elements(void **state) {
    (void)state;
    struct sg_arena a;
    sg_arena_init(&a, 0);
    int *items = NULL;
    size_t n = 0, cap = 0;
    for (int i = 0; i < 10000; i++) *SG_PUSH(&a, items, n, cap) = i;
    assert_int_equal(n, 10000);
    for (int i = 0; i < 10000; i++) assert_int_equal(items[i], i);
    assert_true(cap < 20000);
    sg_arena_fini(&a);
}

static void test_plain_allocations_never_return_null(void **state) {
    (void)state;
    void *p = sg_xmalloc(0), *q = sg_xcalloc(0, 8);
    assert_non_null(p);
    assert_non_null(q);
    p = sg_xrealloc(p, 100);
    assert_non_null(p);
    free(p);
    free(q);
}

/* Only the sanitizer's build can see these mistakes. */
static void test_free_room_is_poisoned(void **state) {
    (void)state;
#if defined(__SANITIZE_ADDRESS__)
    struct sg_arena a;
    sg_arena_init(&a, 0);
    char *p = sg_alloc(&a, 13);
    assert_false(__asan_address_is_poisoned(p + 12));
    assert_true(__asan_address_is_poisoned(p + 13));
    char *q = sg_alloc(&a, 16);
    assert_true(__asan_address_is_poisoned(q - 1));
    assert_true(__asan_address_is_poisoned(q + 16));
    sg_arena_reset(&a);
    assert_true(__asan_address_is_poisoned(p));
    int *items = NULL;
    size_t n = 0, cap = 0;
    *SG_PUSH(&a, items, n, cap) = 1;
    int *old = items;
    while (items == old) *SG_PUSH(&a, items, n, cap) = 1;
    assert_true(__asan_address_is_poisoned(old));
    sg_arena_fini(&a);
#else
    skip();
#endif
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_is_held_before_first_use),
        cmocka_unit_test(test_allocations_are_aligned_and_apart),
        cmocka_unit_test(test_blocks_double_up_to_256_kb),
        cmocka_unit_test(test_a_large_allocation_has_a_block_of_its_own),
        cmocka_unit_test(test_a_large_allocation_may_come_first),
        cmocka_unit_test(test_reset_keeps_one_block),
        cmocka_unit_test(test_a_cleared_struct_is_an_empty_arena),
        cmocka_unit_test(test_tiny_and_huge_first_blocks_work),
        cmocka_unit_test(test_cleared_memory_is_clear_after_reuse),
        cmocka_unit_test(test_texts_are_copied_with_a_nul),
        cmocka_unit_test(test_long_texts_are_printed_whole),
        cmocka_unit_test(test_push_keeps_all_elements),
        cmocka_unit_test(test_plain_allocations_never_return_null),
        cmocka_unit_test(test_free_room_is_poisoned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
