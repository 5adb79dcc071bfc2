/* SPDX-License-Identifier: Apache-2.0 */
/* The text of a reply: stop texts across tokens, characters across tokens. No model is needed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "local/reply.h"

static struct sg_arena arena;

static int make_arena(void **state) {
    (void)state;
    sg_arena_init(&arena, 0);
    return 0;
}

static int free_arena(void **state) {
    (void)state;
    sg_arena_fini(&arena);
    return 0;
}

/* Adds the pieces until one completes a stop text; the reply in the end. */
static const char *reply_of(const char *stop, size_t n, const char *const *pieces, size_t *used) {
    struct sg_json value;
    struct sg_reply r;
    assert_int_equal(sg_json_parse(&arena, sg_str(stop), &value, NULL, NULL), 0);
    assert_int_equal(sg_reply_init(&r, &value, NULL), 0);
    *used = 0;
    while (*used < n && !sg_reply_add(&r, sg_str(pieces[(*used)++]))) {}
    const char *text = sg_str_dup(&arena, sg_reply_finish(&r)).p;
    sg_reply_fini(&r);
    return text;
}

#define REPLY(stop, used, ...)                                                                                       \
    reply_of((stop), sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), (const char *[]){__VA_ARGS__}, (used))

static void test_a_stop_text_cuts_the_reply(void **state) {
    (void)state;
    size_t used;
    assert_string_equal(REPLY("\"END\"", &used, "one ", "two END three", "four"), "one two ");
    assert_int_equal(used, 2);
    assert_string_equal(REPLY("\"END\"", &used, "END"), "");
}

static void test_a_stop_text_may_span_pieces(void **state) {
    (void)state;
    size_t used;
    assert_string_equal(REPLY("\"<stop>\"", &used, "a<", "st", "op", ">b", "c"), "a");
    assert_int_equal(used, 4);
    assert_string_equal(REPLY("\"aab\"", &used, "aa", "a", "b"), "a");
}

static void test_the_first_of_several_stop_texts_counts(void **state) {
    (void)state;
    size_t used;
    assert_string_equal(REPLY("[\"zz\", \"y\", \"\"]", &used, "abc y", " zz"), "abc ");
    assert_string_equal(REPLY("[\"c y\", \"y\"]", &used, "abc y zz"), "ab");
    assert_string_equal(REPLY("null", &used, "abc", "def"), "abcdef");
}

static void test_a_character_may_span_pieces(void **state) {
    (void)state;
    size_t used;
    assert_string_equal(REPLY("null", &used, "gr\xC3", "\xBC", "n"), "gr\xC3\xBC"
                                                                      "n");
}

static void test_a_torn_end_is_dropped(void **state) {
    (void)state;
    size_t used;
    assert_string_equal(REPLY("null", &used, "gr\xC3"), "gr");
    assert_string_equal(REPLY("null", &used, "a\xE2\x82"), "a");
    assert_string_equal(REPLY("null", &used, "a\xF0\x9F\x98"), "a");
}

static void test_other_bad_bytes_are_replaced(void **state) {
    (void)state;
    size_t used;
    assert_string_equal(REPLY("null", &used, "a\xFF", "b"), "a\xEF\xBF\xBD"
                                                             "b");
    assert_string_equal(REPLY("null", &used, "a\x80"), "a\xEF\xBF\xBD");
    assert_string_equal(REPLY("null", &used, "\xC3(", "\xC3"), "\xEF\xBF\xBD(");
}

static int init_with(const char *stop, struct sg_err *err) {
    struct sg_json value;
    struct sg_reply r;
    assert_int_equal(sg_json_parse(&arena, sg_str(stop), &value, NULL, NULL), 0);
    int rc = sg_reply_init(&r, &value, err);
    sg_reply_fini(&r);
    return rc;
}

static void test_a_wrong_stop_is_an_error(void **state) {
    (void)state;
    struct sg_err err = {0};
    assert_int_equal(init_with("5", &err), SG_E_TYPE);
    assert_non_null(strstr(err.text, "number"));
    assert_int_equal(init_with("[\"a\", {}]", &err), SG_E_TYPE);
    assert_int_equal(init_with("[1,1,1]", NULL), SG_E_TYPE);
    const char *seventeen = "[\"a\",\"b\",\"c\",\"d\",\"e\",\"f\",\"g\",\"h\",\"i\",\"j\",\"k\",\"l\",\"m\",\"n\","
                            "\"o\",\"p\",\"q\"]";
    assert_int_equal(init_with(seventeen, &err), SG_E_LIMIT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_stop_text_cuts_the_reply),
        cmocka_unit_test(test_a_stop_text_may_span_pieces),
        cmocka_unit_test(test_the_first_of_several_stop_texts_counts),
        cmocka_unit_test(test_a_character_may_span_pieces),
        cmocka_unit_test(test_a_torn_end_is_dropped),
        cmocka_unit_test(test_other_bad_bytes_are_replaced),
        cmocka_unit_test(test_a_wrong_stop_is_an_error),
    };
    return cmocka_run_group_tests(tests, make_arena, free_arena);
}
