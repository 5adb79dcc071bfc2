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
    while ((got = sg_array_next(&s, SG_WAIT, &piece, &err)) == SG_SPLIT_GOT) {
        sg_buf_printf(out, "%d@%d:", (int)piece.line, (int)piece.offset);
        if (piece.too_long) SG_BUF_LIT(out, "LONG");
        else sg_buf_str(out, piece.text);
        sg_buf_ch(out, ';');
    }
    if (got == SG_SPLIT_BROKEN) sg_buf_printf(out, "BROKEN %s", err.text);
    struct sg_err again = {0};
    assert_int_not_equal(sg_array_next(&s, SG_WAIT, &piece, &again), SG_SPLIT_GOT); /* the end is final */
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

static void test_elements_are_found_at_every_split(void **state) {
    (void)state;
    EXPECT("[{\"a\":[1,{}]},{},\n  {\"b\":2}\n]\n", 0, "1@1:{\"a\":[1,{}]};1@14:{};2@20:{\"b\":2};");
    EXPECT("[]", 0, "");
    EXPECT(" [ ] ", 0, "");
    EXPECT("\xEF\xBB\xBF[{}]", 0, "1@4:{};");
    EXPECT("\r\n[\r\n{}\r\n,\r\n{}\r\n]", 0, "3@5:{};5@12:{};");
}

static void test_brackets_and_quotes_in_strings_do_not_count(void **state) {
    (void)state;
    EXPECT("[{\"a\":\"]}\\\"]\\\\\"},{\"\\\\\":\"[{\"}]", 0, "1@1:{\"a\":\"]}\\\"]\\\\\"};1@17:{\"\\\\\":\"[{\"};");
}

static void test_elements_of_other_types_are_pieces(void **state) {
    (void)state;
    EXPECT("[1, true ,null,\"a,]\",-2.5e3]", 0, "1@1:1;1@4:true;1@10:null;1@15:\"a,]\";1@21:-2.5e3;");
    EXPECT("[[1],[[]]]", 0, "1@1:[1];1@5:[[]];");
}

static void test_rubbish_inside_an_element_stays_inside(void **state) {
    (void)state;
    EXPECT("[foo,{\"a\":tru},{}]", 0, "1@1:foo;1@5:{\"a\":tru};1@15:{};");
    EXPECT("[{\"a\":[1},{\"b\":2]},{}]", 0, "1@1:{\"a\":[1},{\"b\":2]};1@19:{};");
}

static void test_lines_are_counted_inside_elements(void **state) {
    (void)state;
    EXPECT("[\n{\n\"a\":\n1},\n{}]", 0, "2@2:{\n\"a\":\n1};5@13:{};");
}

static void test_a_torn_array_delivers_what_is_whole(void **state) {
    (void)state;
    EXPECT("[{},\n{\"a\":\"x", 0,
           "1@1:{};BROKEN f:2: byte 5: the file ends inside the array, in the element that begins here");
    EXPECT("[{},{}", 0, "1@1:{};1@4:{};BROKEN f:1: byte 6: the file ends inside the array");
    EXPECT("[{},", 0, "1@1:{};BROKEN f:1: byte 4: the file ends inside the array");
    EXPECT("[12", 0, "BROKEN f:1: byte 1: the file ends inside the array, in the element that begins here");
    EXPECT("[", 0, "BROKEN f:1: byte 1: the file ends inside the array");
}

static void test_what_is_no_array_is_named(void **state) {
    (void)state;
    EXPECT("", 0, "BROKEN f:1: byte 0: the file is empty");
    EXPECT(" \n ", 0, "BROKEN f:2: byte 3: the file is empty");
    EXPECT("{\"a\":1}", 0, "BROKEN f:1: byte 0: the top level is an object, not an array");
    EXPECT("\n\"a\"", 0, "BROKEN f:2: byte 1: the file is not a JSON array");
}

static void test_mistakes_between_elements_break_the_source(void **state) {
    (void)state;
    EXPECT("[{}]x", 0, "1@1:{};BROKEN f:1: byte 4: text behind the end of the array");
    EXPECT("[{}][{}]", 0, "1@1:{};BROKEN f:1: byte 4: text behind the end of the array");
    EXPECT("[{} {}]", 0, "1@1:{};BROKEN f:1: byte 4: a comma is missing between two elements");
    EXPECT("[{},]", 0, "1@1:{};BROKEN f:1: byte 4: a value is missing behind the last comma");
    EXPECT("[{},,{}]", 0, "1@1:{};BROKEN f:1: byte 4: a value is missing here");
    EXPECT("[,]", 0, "BROKEN f:1: byte 1: a value is missing here");
    EXPECT("[}", 0, "BROKEN f:1: byte 1: a value is missing here");
    EXPECT("[1\"a\"]", 0, "1@1:1;BROKEN f:1: byte 2: a comma is missing between two elements");
}

static void test_a_long_element_is_skipped(void **state) {
    (void)state;
    EXPECT("[{},{\"a\":\"]\\\"\n,\"},\n{}]", 10, "1@1:{};1@4:LONG;3@19:{};");
    EXPECT("[{},1234567890123,{}]", 10, "1@1:{};1@4:LONG;1@18:{};");
    EXPECT("[{\"a\":12345}", 10, "1@1:LONG;BROKEN f:1: byte 12: the file ends inside the array");
}

static void test_a_million_brackets_cost_nothing(void **state) {
    (void)state;
    struct sg_buf text = SG_BUF_INIT(SIZE_MAX), got = SG_BUF_INIT(SIZE_MAX);
    memset(sg_buf_reserve(&text, 1000000), '[', 1000000);
    text.n = 1000000;
    split(sg_buf_view(&text), 4096, SIZE_MAX, 65536, &got);
    assert_text(sg_buf_view(&got),
                SG_STR("BROKEN f:1: byte 1: the file ends inside the array, in the element that begins here"));
    sg_buf_fini(&text);
    sg_buf_fini(&got);
}

/* The splitter against itself: what one large read gives, any series of small ones gives too. */
static void test_random_texts_do_not_depend_on_the_split(void **state) {
    (void)state;
    static const char bytes[] = "[]{}\",,\\\n 1a";
    struct sg_rng rng = {1};
    for (int round = 0; round < 3000; round++) {
        char text[64];
        size_t n = (size_t)(sg_rng_next(&rng) % sizeof text), limit = 1 + (size_t)(sg_rng_next(&rng) % 30);
        for (size_t i = 0; i < n; i++) text[i] = bytes[sg_rng_next(&rng) % (sizeof bytes - 1)];
        text[0] = '[';
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
        cmocka_unit_test(test_elements_are_found_at_every_split),
        cmocka_unit_test(test_brackets_and_quotes_in_strings_do_not_count),
        cmocka_unit_test(test_elements_of_other_types_are_pieces),
        cmocka_unit_test(test_rubbish_inside_an_element_stays_inside),
        cmocka_unit_test(test_lines_are_counted_inside_elements),
        cmocka_unit_test(test_a_torn_array_delivers_what_is_whole),
        cmocka_unit_test(test_what_is_no_array_is_named),
        cmocka_unit_test(test_mistakes_between_elements_break_the_source),
        cmocka_unit_test(test_a_long_element_is_skipped),
        cmocka_unit_test(test_a_million_brackets_cost_nothing),
        cmocka_unit_test(test_random_texts_do_not_depend_on_the_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
