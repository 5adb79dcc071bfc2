/* SPDX-License-Identifier: Apache-2.0 */
/* Widths, and what of a text may reach a terminal. */
#include "base/screen.h"

#include <setjmp.h>
#include <stdio.h>

#include <cmocka.h>

static struct sg_buf shown;

static const char *show(const char *text, size_t columns, bool utf8, size_t used) {
    sg_buf_reset(&shown, 1 << 16);
    size_t width = sg_screen_text(&shown, sg_str(text), columns, utf8);
    sg_buf_ch(&shown, 0);
    assert_int_equal(width, used);
    return shown.p;
}

static void test_marks_take_no_column_and_wide_characters_two(void **state) {
    (void)state;
    assert_int_equal(sg_screen_width('a'), 1);
    assert_int_equal(sg_screen_width(0xE9), 1);    /* é */
    assert_int_equal(sg_screen_width(0x301), 0);   /* combining acute */
    assert_int_equal(sg_screen_width(0x6F22), 2);  /* 漢 */
    assert_int_equal(sg_screen_width(0xAC00), 2);  /* 가 */
    assert_int_equal(sg_screen_width(0x1160), 0);  /* a Hangul vowel that joins */
    assert_int_equal(sg_screen_width(0xFF21), 2);  /* Ａ */
    assert_int_equal(sg_screen_width(0x1F600), 2); /* 😀 */
    assert_int_equal(sg_screen_width(0x200D), 0);
    assert_int_equal(sg_screen_width('\x1b'), 0);
    assert_int_equal(sg_screen_columns(sg_str("漢字e\xCC\x81")), 5);
}

static void test_nothing_in_a_text_steers_the_terminal(void **state) {
    (void)state;
    assert_string_equal(show("a\x1b[2Jb\x07\r\nc\x7f", 80, true, 11), "a [2Jb   c ");
    assert_string_equal(show("\xC2\x9B" "31m", 80, true, 4), " 31m");                  /* CSI as one character */
    assert_string_equal(show("\x9B" "31m", 80, true, 4), "?31m");                      /* and as a byte */
    assert_string_equal(show("abc\xE2\x80\xAE" "def", 80, true, 6), "abcdef");         /* right-to-left override */
    assert_string_equal(show("a\xE2\x80\xA8" "b\xF3\xA0\x81\x81" "c", 80, true, 4), "a bc"); /* line separator, a tag */
    assert_string_equal(show("\xFF\xC3", 80, true, 2), "??");
}

static void test_a_long_text_is_cut_between_characters(void **state) {
    (void)state;
    assert_string_equal(show("hello", 5, true, 5), "hello");
    assert_string_equal(show("hello!", 5, true, 5), "hell…");
    assert_string_equal(show("hello!", 5, false, 5), "he...");
    assert_string_equal(show("漢字漢字", 6, true, 5), "漢字…");
    assert_string_equal(show("漢字漢字", 4, true, 3), "漢…");
    assert_string_equal(show("abc", 2, false, 2), "ab");
    assert_string_equal(show("abc", 0, true, 0), "");
    assert_string_equal(show("e\xCC\x81" "e\xCC\x81", 2, true, 2), "e\xCC\x81" "e\xCC\x81");
}

static void test_without_utf8_all_beyond_ascii_is_a_question_mark(void **state) {
    (void)state;
    assert_string_equal(show("caf\xC3\xA9 漢", 80, false, 6), "caf? ?");
}

int main(void) {
    shown = SG_BUF_INIT(0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_marks_take_no_column_and_wide_characters_two),
        cmocka_unit_test(test_nothing_in_a_text_steers_the_terminal),
        cmocka_unit_test(test_a_long_text_is_cut_between_characters),
        cmocka_unit_test(test_without_utf8_all_beyond_ascii_is_a_question_mark),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    sg_buf_fini(&shown);
    return failed;
}
