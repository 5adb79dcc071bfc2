/* SPDX-License-Identifier: Apache-2.0 */
#include "test_data.h"

#include "data/split.h"

/* "line@offset:text;" for each piece, then how it ended. */
static void split(struct sg_str text, size_t block, size_t step, size_t limit, struct sg_buf *out) {
    struct sg_splitter s;
    struct sg_piece piece;
    struct sg_err err = {0};
    enum sg_split got;
    feed_text(text, step);
    sg_splitter_init(&s, 0, false, -1, SG_STR("f"), block, limit);
    while ((got = sg_lines_next(&s, SG_WAIT, &piece, &err)) == SG_SPLIT_GOT) {
        sg_buf_printf(out, "%d@%d:", (int)piece.line, (int)piece.offset);
        if (piece.too_long) SG_BUF_LIT(out, "LONG");
        else sg_buf_str(out, piece.text);
        sg_buf_ch(out, ';');
    }
    if (got == SG_SPLIT_BROKEN) sg_buf_printf(out, "BROKEN %s", err.text);
    sg_splitter_fini(&s);
    sg_os = &sg_os_posix;
}

static void expect(struct sg_str text, size_t limit, struct sg_str expected) {
    for (size_t block = 1; block <= text.n + 2; block++) {
        for (size_t step = 1; step <= text.n + 1; step += 1 + step / 3) {
            struct sg_buf got = SG_BUF_INIT(SIZE_MAX);
            split(text, block, step, limit, &got);
            assert_text(sg_buf_view(&got), expected);
            sg_buf_fini(&got);
        }
    }
}

#define EXPECT(text, limit, expected) expect(SG_STR(text), limit, SG_STR(expected))

static void test_lines_are_found_at_every_split(void **state) {
    (void)state;
    EXPECT("{\"a\":1}\n{}\n[2]\n", 0, "1@0:{\"a\":1};2@8:{};3@11:[2];");
    EXPECT("", 0, "");
    EXPECT("\n", 0, "");
    EXPECT("x", 0, "1@0:x;");
}

static void test_the_last_line_need_not_end(void **state) {
    (void)state;
    EXPECT("{}\n{\"torn\":", 0, "1@0:{};2@3:{\"torn\":;");
    EXPECT("{}\n{}\r", 0, "1@0:{};2@3:{};");
    EXPECT("{}\n  ", 0, "1@0:{};");
}

static void test_crlf_ends_a_line(void **state) {
    (void)state;
    EXPECT("{}\r\n\r\n[]\r\n", 0, "1@0:{};3@6:[];");
    EXPECT("a\rb\n", 0, "1@0:a\rb;");
}

static void test_blank_lines_are_no_rows(void **state) {
    (void)state;
    EXPECT("\n\n  \t\n{}\n \n\n{}\n\n", 0, "4@6:{};7@12:{};");
}

static void test_a_byte_order_mark_is_skipped(void **state) {
    (void)state;
    EXPECT("\xEF\xBB\xBF{}\n[]", 0, "1@3:{};2@6:[];");
    EXPECT("\xEF\xBB\xBF", 0, "");
    EXPECT("\xEF\xBB", 0, "1@0:\xEF\xBB;");
    EXPECT("{}\n\xEF\xBB\xBF{}\n", 0, "1@0:{};2@3:\xEF\xBB\xBF{};");
}

static void test_utf16_is_refused_once(void **state) {
    (void)state;
    EXPECT("\xFF\xFE{\0}\0\n\0", 0, "BROKEN f: byte 0: the file is in UTF-16; only UTF-8 is read yet");
    EXPECT("\xFE\xFF\0{\0}", 0, "BROKEN f: byte 0: the file is in UTF-16; only UTF-8 is read yet");
}

static void test_nul_is_a_byte_like_any_other(void **state) {
    (void)state;
    EXPECT("a\0b\n\0\nc", 0, "1@0:a\0b;2@4:\0;3@6:c;");
}

static void test_a_long_row_is_skipped_and_counted(void **state) {
    (void)state;
    EXPECT("{}\n0123456789\n[]\n", 9, "1@0:{};2@3:LONG;3@14:[];");
    EXPECT("{}\n0123456789", 9, "1@0:{};2@3:LONG;");
    EXPECT("0123456789\r\n", 11, "1@0:0123456789;");
    EXPECT("            \n{}\n", 9, "1@0:LONG;2@13:{};");
}

static void test_a_long_row_is_not_held(void **state) {
    (void)state;
    struct sg_buf text = SG_BUF_INIT(SIZE_MAX);
    memset(sg_buf_reserve(&text, 1 << 20), 'x', 1 << 20);
    text.n = 1 << 20;
    SG_BUF_LIT(&text, "\n{}\n");
    struct sg_splitter s;
    struct sg_piece piece;
    feed_text(sg_buf_view(&text), SIZE_MAX);
    sg_splitter_init(&s, 0, false, -1, SG_STR("f"), 4096, 65536);
    assert_int_equal(sg_lines_next(&s, SG_WAIT, &piece, NULL), SG_SPLIT_GOT);
    assert_true(piece.too_long);
    assert_true(s.in.cap <= 131072);
    assert_int_equal(sg_lines_next(&s, SG_WAIT, &piece, NULL), SG_SPLIT_GOT);
    assert_text(piece.text, SG_STR("{}"));
    assert_int_equal(sg_lines_next(&s, SG_WAIT, &piece, NULL), SG_SPLIT_ENDED);
    assert_true(s.in.cap <= 4096); /* the window has shrunk again */
    sg_splitter_fini(&s);
    sg_buf_fini(&text);
    sg_os = &sg_os_posix;
}

static ssize_t broken_read(int fd, void *p, size_t n) {
    return feed.at < feed.text.n ? feed_read(fd, p, n) : -5;
}

static void test_a_read_error_comes_behind_the_rows_before_it(void **state) {
    (void)state;
    static struct sg_os os;
    struct sg_splitter s;
    struct sg_piece piece;
    struct sg_err err;
    feed_text(SG_STR("{}\n{}"), 4);
    os = *sg_os;
    os.read = broken_read;
    sg_os = &os;
    sg_splitter_init(&s, 0, false, -1, SG_STR("f"), 0, 0);
    assert_int_equal(sg_lines_next(&s, SG_WAIT, &piece, &err), SG_SPLIT_GOT);
    assert_int_equal(sg_lines_next(&s, SG_WAIT, &piece, &err), SG_SPLIT_BROKEN);
    assert_int_equal(err.code, SG_E_IO);
    assert_int_equal(err.sys, 5);
    assert_non_null(strstr(err.text, "f: byte 5: read failed"));
    sg_splitter_fini(&s);
    sg_os = &sg_os_posix;
}

/* The splitter against itself: what one large read gives, any series of small ones gives too. */
static void test_random_texts_do_not_depend_on_the_split(void **state) {
    (void)state;
    static const char bytes[] = "{}\"\\\n\r 1a";
    struct sg_rng rng = {1};
    for (int round = 0; round < 3000; round++) {
        char text[64];
        size_t n = (size_t)(sg_rng_next(&rng) % sizeof text), limit = 1 + (size_t)(sg_rng_next(&rng) % 30);
        for (size_t i = 0; i < n; i++) text[i] = bytes[sg_rng_next(&rng) % (sizeof bytes - 1)];
        struct sg_buf whole = SG_BUF_INIT(SIZE_MAX), pieces = SG_BUF_INIT(SIZE_MAX);
        split((struct sg_str){text, n}, 4096, SIZE_MAX, limit, &whole);
        split((struct sg_str){text, n}, 1 + (size_t)round % 7, 1 + (size_t)round % 5, limit, &pieces);
        assert_text(sg_buf_view(&pieces), sg_buf_view(&whole));
        sg_buf_fini(&whole);
        sg_buf_fini(&pieces);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_are_found_at_every_split),
        cmocka_unit_test(test_the_last_line_need_not_end),
        cmocka_unit_test(test_crlf_ends_a_line),
        cmocka_unit_test(test_blank_lines_are_no_rows),
        cmocka_unit_test(test_a_byte_order_mark_is_skipped),
        cmocka_unit_test(test_utf16_is_refused_once),
        cmocka_unit_test(test_nul_is_a_byte_like_any_other),
        cmocka_unit_test(test_a_long_row_is_skipped_and_counted),
        cmocka_unit_test(test_a_long_row_is_not_held),
        cmocka_unit_test(test_a_read_error_comes_behind_the_rows_before_it),
        cmocka_unit_test(test_random_texts_do_not_depend_on_the_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
