/* SPDX-License-Identifier: Apache-2.0 */
/* Views, UTF-8, distance, and the growing buffer. */
#include "base/arena.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

#define assert_str(actual, expected)                                                                                 \
    do {                                                                                                             \
        struct sg_str got_ = (actual);                                                                               \
        assert_int_equal(got_.n, sizeof(expected) - 1);                                                              \
        assert_memory_equal(got_.p, expected, sizeof(expected) - 1);                                                 \
    } while (0)

static void test_order_is_by_bytes_and_then_by_length(void **state) {
    (void)state;
    assert_true(sg_str_cmp(SG_STR("a"), SG_STR("b")) < 0);
    assert_true(sg_str_cmp(SG_STR("ab"), SG_STR("a")) > 0);
    assert_true(sg_str_cmp(SG_STR("a\0b"), SG_STR("a\0c")) < 0);
    assert_true(sg_str_cmp(SG_STR("\xC3\xA9"), SG_STR("z")) > 0);
    assert_int_equal(sg_str_cmp(SG_STR_NONE, SG_STR("")), 0);
    assert_true(sg_str_cmp(SG_STR_NONE, SG_STR("a")) < 0);
}

static void test_starts_ends_and_find(void **state) {
    (void)state;
    assert_true(sg_str_starts(SG_STR("prompt"), SG_STR("pro")));
    assert_false(sg_str_starts(SG_STR("pr"), SG_STR("pro")));
    assert_true(sg_str_starts(SG_STR_NONE, SG_STR_NONE));
    assert_true(sg_str_ends(SG_STR("a.yaml"), SG_STR(".yaml")));
    assert_false(sg_str_ends(SG_STR("yaml"), SG_STR(".yaml")));
    assert_true(sg_str_ends(SG_STR_NONE, SG_STR("")));
    assert_int_equal(sg_str_find(SG_STR("a,b,c"), ',', 0), 1);
    assert_int_equal(sg_str_find(SG_STR("a,b,c"), ',', 2), 3);
    assert_int_equal(sg_str_find(SG_STR("a,b,c"), ',', 4), 5);
    assert_int_equal(sg_str_find(SG_STR("abc"), 'a', 9), 3);
    assert_int_equal(sg_str_find(SG_STR_NONE, 'a', 0), 0);
}

static void test_a_word_is_the_same_in_capitals_and_only_letters_have_them(void **state) {
    (void)state;
    assert_true(sg_str_is_word(SG_STR("tRuE"), "true"));
    assert_true(sg_str_is_word(SG_STR("1"), "1"));
    assert_false(sg_str_is_word(SG_STR("\x11"), "1")); /* differs in the bit that makes letters small */
    assert_false(sg_str_is_word(SG_STR("true "), "true"));
    assert_false(sg_str_is_word(SG_STR_NONE, "true"));
}

static void test_trim_takes_ascii_white_space_only(void **state) {
    (void)state;
    assert_str(sg_str_trim(SG_STR(" \t\r\n\v\f a b \n")), "a b");
    assert_str(sg_str_trim(SG_STR("\xC2\xA0x\x1C")), "\xC2\xA0x\x1C");
    assert_int_equal(sg_str_trim(SG_STR(" \n ")).n, 0);
    assert_int_equal(sg_str_trim(SG_STR_NONE).n, 0);
}

static size_t encode(uint32_t c, char out[4]) {
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n; i-- > 1; c >>= 6) out[i] = (char)(0x80 | (c & 0x3F));
    out[0] = (char)(n == 1 ? c : (0xF0U << (4 - n)) | c);
    return n;
}

/* [c for c in range(0x110000) if chr(c).isspace()] in Python 3.11. */
static bool is_python_space(uint32_t c) {
    static const uint32_t SPACES[] = {0x9,    0xA,    0xB,    0xC,    0xD,    0x1C,   0x1D,   0x1E,   0x1F,   0x20,
                                      0x85,   0xA0,   0x1680, 0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006,
                                      0x2007, 0x2008, 0x2009, 0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000};
    for (size_t i = 0; i < sizeof SPACES / sizeof *SPACES; i++)
        if (SPACES[i] == c) return true;
    return false;
}

static void test_trim_unicode_agrees_with_python_on_every_character(void **state) {
    (void)state;
    for (uint32_t c = 0; c < 0x110000; c++) {
        char text[12];
        size_t n = encode(c, text);
        text[n] = 'x';
        size_t m = encode(c, text + n + 1);
        struct sg_str trimmed = sg_str_trim_unicode((struct sg_str){text, n + 1 + m});
        assert_int_equal(trimmed.n, is_python_space(c) ? 1 : n + 1 + m);
        assert_int_equal(sg_str_trim_unicode((struct sg_str){text, n}).n, is_python_space(c) ? 0 : n);
    }
    assert_str(sg_str_trim_unicode(SG_STR("\xE2\x80\x83 a\xE3\x80\x80 b\xC2\x85\n")), "a\xE3\x80\x80 b");
}

static void test_trim_unicode_reads_nothing_outside_broken_text(void **state) {
    (void)state;
    static const char *const TEXTS[] = {"\xE2", "\xE2\x80", "\x80\x80", "\xC2", " \xE3\x80", "\x80\x80\x80\x80\x80"};
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        size_t n = strlen(TEXTS[i]);
        char *exact = malloc(n);
        memcpy(exact, TEXTS[i], n);
        assert_true(sg_str_trim_unicode((struct sg_str){exact, n}).n > 0);
        free(exact);
    }
}

static void test_utf8_accepts_exactly_the_scalar_values(void **state) {
    (void)state;
    for (uint32_t c = 0; c < 0x120000; c++) {
        char text[4];
        size_t n = encode(c, text), bad = 99;
        bool scalar = c < 0x110000 && (c < 0xD800 || c > 0xDFFF);
        assert_int_equal(sg_utf8_valid((struct sg_str){text, n}, &bad), scalar);
        if (!scalar) assert_int_equal(bad, 0);
        uint32_t code;
        assert_int_equal(sg_utf8_decode((struct sg_str){text, n}, 0, &code), scalar ? n : 1);
        assert_int_equal(code, scalar ? c : SG_UTF8_BAD);
    }
}

static void test_utf8_says_where_the_first_bad_byte_is(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t bad;
    } CASES[] = {
        {"\x80", 0},       {"abc\xFF", 3},           {"12345678\xC0\xAF", 8},     {"1234567\xC3", 7},
        {"\xC3\xA9\xE2\x82", 2}, {"\xE0\x9F\xBF", 0}, {"ab\xED\xA0\x80", 2},      {"\xF0\x8F\xBF\xBF", 0},
        {"\xF4\x90\x80\x80", 0}, {"\xF5\x80\x80\x80", 0}, {"12345678901234567\xE2\x28\xA1", 17}, {"\xF0\x9F\x98", 0},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        size_t bad = 99;
        assert_false(sg_utf8_valid(sg_str(CASES[i].text), &bad));
        assert_int_equal(bad, CASES[i].bad);
        assert_false(sg_utf8_valid(sg_str(CASES[i].text), NULL));
    }
    assert_true(sg_utf8_valid(SG_STR("plain ascii text, longer; \xE2\x82\xAC \xF0\x9F\x98\x80 \0 end"), NULL));
    assert_true(sg_utf8_valid(SG_STR_NONE, NULL));
}

static void test_utf8_length_counts_code_points(void **state) {
    (void)state;
    assert_int_equal(sg_utf8_length(SG_STR("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80")), 4);
    assert_int_equal(sg_utf8_length(SG_STR_NONE), 0);
}

static void test_distance_counts_slips_of_typing(void **state) {
    (void)state;
    static const struct {
        const char *a, *b;
        size_t limit, want;
    } CASES[] = {
        {"", "", 3, 0},           {"", "abc", 3, 3},           {"abc", "", 2, 3},         {"model", "model", 3, 0},
        {"model", "modle", 3, 1}, {"kitten", "sitting", 5, 3}, {"ca", "abc", 5, 3},       {"node", "nodes", 3, 1},
        {"ab", "ba", 1, 1},       {"abcdef", "ghijkl", 2, 3},  {"abcd", "badc", 2, 2},    {"abcd", "badc", 1, 2},
        {"a", "b", 0, 1},         {"xabcdef", "abcdef", 1, 1}, {"prompt", "prompt", 0, 0},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct sg_str a = sg_str(CASES[i].a), b = sg_str(CASES[i].b);
        assert_int_equal(sg_str_distance(a, b, CASES[i].limit), CASES[i].want);
        assert_int_equal(sg_str_distance(b, a, CASES[i].limit), CASES[i].want);
    }
}

static void test_distance_of_long_texts(void **state) {
    (void)state;
    char a[300], b[300];
    memset(a, 'x', sizeof a);
    memset(b, 'x', sizeof b);
    b[7] = b[299] = 'y';
    assert_int_equal(sg_str_distance((struct sg_str){a, 300}, (struct sg_str){b, 300}, 5), 2);
    assert_int_equal(sg_str_distance((struct sg_str){a, 298}, (struct sg_str){b, 300}, 5), 2);
}

static void test_buffer_keeps_what_was_added(void **state) {
    (void)state;
    struct sg_buf b = SG_BUF_INIT(0);
    assert_int_equal(sg_buf_view(&b).n, 0);
    sg_buf_str(&b, SG_STR_NONE);
    SG_BUF_LIT(&b, "a\0b");
    sg_buf_ch(&b, ' ');
    sg_buf_u64(&b, 0);
    sg_buf_ch(&b, ' ');
    sg_buf_u64(&b, UINT64_MAX);
    sg_buf_printf(&b, " %s=%d", "k", -5);
    assert_false(b.failed);
    assert_str(sg_buf_view(&b), "a\0b 0 18446744073709551615 k=-5");
    sg_buf_drop(&b, 4);
    assert_str(sg_buf_view(&b), "0 18446744073709551615 k=-5");
    sg_buf_drop(&b, 1000);
    assert_int_equal(b.n, 0);
    sg_buf_fini(&b);
}

static void test_buffer_prints_long_texts_whole(void **state) {
    (void)state;
    struct sg_buf b = SG_BUF_INIT(0);
    sg_buf_printf(&b, "%0*d", 255, 1);
    sg_buf_printf(&b, "%0*d", 256, 2);
    sg_buf_printf(&b, "%0*d", 5000, 3);
    assert_int_equal(b.n, 255 + 256 + 5000);
    assert_int_equal(b.p[254], '1');
    assert_int_equal(b.p[255 + 255], '2');
    assert_int_equal(b.p[b.n - 1], '3');
    sg_buf_fini(&b);
}

static void test_buffer_grows_by_doubling(void **state) {
    (void)state;
    struct sg_buf b = SG_BUF_INIT(0);
    size_t moves = 0, cap = 0;
    for (int i = 0; i < 1000000; i++) {
        sg_buf_ch(&b, (char)i);
        moves += b.cap != cap;
        cap = b.cap;
    }
    assert_int_equal(b.n, 1000000);
    for (int i = 0; i < 1000000; i++) assert_int_equal(b.p[i], (char)i);
    assert_in_range(moves, 10, 20);
    sg_buf_fini(&b);
}

static void test_buffer_remembers_that_its_maximum_was_passed(void **state) {
    (void)state;
    struct sg_buf b = SG_BUF_INIT(10);
    SG_BUF_LIT(&b, "0123456789");
    assert_false(b.failed);
    sg_buf_ch(&b, 'x');
    assert_true(b.failed);
    sg_buf_reset(&b, 100);
    assert_false(b.failed);
    SG_BUF_LIT(&b, "0123456");
    assert_null(sg_buf_reserve(&b, 4));
    assert_null(sg_buf_reserve(&b, 0));
    sg_buf_ch(&b, 'x');
    sg_buf_printf(&b, "%d", 1);
    assert_true(b.failed);
    assert_str(sg_buf_view(&b), "0123456");
    sg_buf_fini(&b);
    assert_int_equal(b.max, 10);
    assert_null(sg_buf_reserve(&b, SIZE_MAX));
    sg_buf_fini(&b);
}

static void test_buffer_of_a_printed_text_of_exactly_its_maximum(void **state) {
    (void)state;
    struct sg_buf b = SG_BUF_INIT(3);
    sg_buf_printf(&b, "%d", 123);
    assert_false(b.failed);
    assert_str(sg_buf_view(&b), "123");
    sg_buf_fini(&b);
}

static void test_buffer_reset_gives_large_memory_back(void **state) {
    (void)state;
    struct sg_buf b = SG_BUF_INIT(0);
    assert_non_null(sg_buf_reserve(&b, 100000));
    sg_buf_reset(&b, 200000);
    assert_true(b.cap >= 100000);
    sg_buf_reset(&b, 1000);
    assert_int_equal(b.cap, 0);
    SG_BUF_LIT(&b, "again");
    assert_str(sg_buf_view(&b), "again");
    sg_buf_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order_is_by_bytes_and_then_by_length),
        cmocka_unit_test(test_starts_ends_and_find),
        cmocka_unit_test(test_a_word_is_the_same_in_capitals_and_only_letters_have_them),
        cmocka_unit_test(test_trim_takes_ascii_white_space_only),
        cmocka_unit_test(test_trim_unicode_agrees_with_python_on_every_character),
        cmocka_unit_test(test_trim_unicode_reads_nothing_outside_broken_text),
        cmocka_unit_test(test_utf8_accepts_exactly_the_scalar_values),
        cmocka_unit_test(test_utf8_says_where_the_first_bad_byte_is),
        cmocka_unit_test(test_utf8_length_counts_code_points),
        cmocka_unit_test(test_distance_counts_slips_of_typing),
        cmocka_unit_test(test_distance_of_long_texts),
        cmocka_unit_test(test_buffer_keeps_what_was_added),
        cmocka_unit_test(test_buffer_prints_long_texts_whole),
        cmocka_unit_test(test_buffer_grows_by_doubling),
        cmocka_unit_test(test_buffer_remembers_that_its_maximum_was_passed),
        cmocka_unit_test(test_buffer_of_a_printed_text_of_exactly_its_maximum),
        cmocka_unit_test(test_buffer_reset_gives_large_memory_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
