/* SPDX-License-Identifier: Apache-2.0 */
/* Reading, looking at, comparing and writing JSON. */
#include "base/json.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

#define assert_str(actual, expected)                                                                                  \
    do {                                                                                                              \
        struct sg_str got_ = (actual);                                                                                \
        assert_int_equal(got_.n, sizeof(expected) - 1);                                                               \
        assert_memory_equal(got_.p, expected, sizeof(expected) - 1);                                                  \
    } while (0)

static struct sg_arena arena;

static int open_arena(void **state) {
    (void)state;
    sg_arena_init(&arena, 0);
    return 0;
}

static int close_arena(void **state) {
    (void)state;
    sg_arena_fini(&arena);
    return 0;
}

static struct sg_json parse_str(struct sg_str text) {
    struct sg_json v;
    struct sg_err err = {0};
    if (sg_json_parse(&arena, text, &v, NULL, &err) < 0) fail_msg("%.*s: %s", SG_ARG(text), err.text);
    return v;
}

static struct sg_json parse(const char *text) {
    return parse_str(sg_str(text));
}

static struct sg_str written(const struct sg_json *v) {
    return sg_json_dump(&arena, v);
}

static struct sg_str keep(struct sg_buf *b) {
    struct sg_str s = sg_str_dup(&arena, sg_buf_view(b));
    sg_buf_fini(b);
    return s;
}

static struct sg_str repeat(char c, size_t n) {
    char *p = sg_alloc(&arena, n);
    memset(p, c, n);
    return (struct sg_str){p, n};
}

/* ---- reading ---- */

static void test_reading_keeps_numbers_and_order(void **state) {
    (void)state;
    struct sg_json v = parse(" {\"z\" : 1.10, \"a\":[1E400, -0, 12345678901234567890, 0.1e-7],\n\"\":{}, \"n\":null} ");
    assert_str(written(&v), "{\"z\":1.10,\"a\":[1E400,-0,12345678901234567890,0.1e-7],\"\":{},\"n\":null}");
}

static void test_every_type_is_told(void **state) {
    (void)state;
    struct sg_json v = parse("[null, false, true, 5, \"s\", [], {}]");
    const char *names[] = {"null", "boolean", "boolean", "number", "string", "array", "object"};
    assert_int_equal(v.n, 7);
    for (int i = 0; i < 7; i++) {
        assert_int_equal(v.items[i].type, i);
        assert_string_equal(sg_json_type_name(&v.items[i]), names[i]);
    }
}

static void test_escapes_become_characters(void **state) {
    (void)state;
    struct sg_json v = parse("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0000\\u00e9\\uD834\\uDd1E\"");
    assert_str(sg_json_text(&v), "\"\\/\b\f\n\r\t\0\xC3\xA9\xF0\x9D\x84\x9E");
}

static void test_the_result_owns_nothing_of_the_text(void **state) {
    (void)state;
    char text[] = "{\"key\":[\"value\",1.5]}";
    struct sg_json v = parse(text);
    memset(text, '!', sizeof text - 1);
    assert_str(written(&v), "{\"key\":[\"value\",1.5]}");
}

static void test_of_equal_keys_the_last_value_stands_in_the_first_place(void **state) {
    (void)state;
    struct sg_json v = parse("{\"a\":1,\"b\":2,\"a\":[3],\"\\u0061\":4,\"c\":5}");
    assert_str(written(&v), "{\"a\":4,\"b\":2,\"c\":5}");
}

/* Both kinds of table: on the stack and on the heap. */
static void test_equal_keys_in_large_objects(void **state) {
    (void)state;
    for (int n = 10; n <= 10000; n *= 10) {
        struct sg_buf b = SG_BUF_INIT(0);
        for (int i = 0; i < 2 * n; i++) sg_buf_printf(&b, "%c\"k%d\":%d", i ? ',' : '{', i % n, i);
        sg_buf_ch(&b, '}');
        struct sg_json v = parse_str(keep(&b));
        assert_int_equal(v.n, n);
        for (int i = 0; i < n; i++) {
            int64_t value;
            assert_true(sg_json_to_i64(&v.members[i].value, &value));
            assert_int_equal(value, n + i);
            assert_true(sg_str_eq(v.members[i].key, sg_str_printf(&arena, "k%d", i)));
        }
    }
}

static void test_a_text_larger_than_the_scratch_memory(void **state) {
    (void)state;
    struct sg_buf b = SG_BUF_INIT(0);
    for (int i = 0; i < 100000; i++) sg_buf_printf(&b, "%c[%d,\"text %d\"]", i ? ',' : '[', i, i);
    sg_buf_ch(&b, ']');
    struct sg_str text = keep(&b);
    struct sg_json v = parse_str(text);
    assert_true(sg_str_eq(written(&v), text));
}

static void refused(struct sg_str text, int code, size_t where) {
    struct sg_json v;
    struct sg_err err = {0};
    size_t at = 999999;
    int rc = sg_json_parse(&arena, text, &v, &at, &err);
    if (rc != code || at != where) fail_msg("%.*s: %d at %zu: %s", SG_ARG(text), rc, at, err.text);
    assert_int_equal(v.type, SG_JSON_NULL);
    assert_int_equal(err.code, code);
}

static void test_what_is_no_json_is_refused_with_its_place(void **state) {
    (void)state;
    refused(SG_STR(""), SG_E_SYNTAX, 0);
    refused(SG_STR("  \n"), SG_E_SYNTAX, 0);
    refused(SG_STR("[1, 2"), SG_E_SYNTAX, 5);
    refused(SG_STR("{\"a\":1} x"), SG_E_SYNTAX, 8);
    refused(SG_STR("[1,]"), SG_E_SYNTAX, 2);
    refused(SG_STR("{a:1}"), SG_E_SYNTAX, 1);
    refused(SG_STR("['a']"), SG_E_SYNTAX, 1);
    refused(SG_STR("[1 /* no */]"), SG_E_SYNTAX, 3);
    refused(SG_STR("[NaN]"), SG_E_SYNTAX, 1);
    refused(SG_STR("[-Infinity]"), SG_E_SYNTAX, 2);
    refused(SG_STR("[tru]"), SG_E_SYNTAX, 1);
    refused(SG_STR("{}\0"), SG_E_SYNTAX, 2);
    refused(SG_STR("\xEF\xBB\xBF{}"), SG_E_SYNTAX, 0);
}

static void any_offset(struct sg_str text) {
    struct sg_json v;
    if (sg_json_parse(&arena, text, &v, NULL, NULL) != SG_E_SYNTAX) fail_msg("accepted: %.*s", SG_ARG(text));
}

static void test_bad_numbers_and_texts_are_refused(void **state) {
    (void)state;
    const char *numbers[] = {"01", "+1", ".5", "1.", "1e", "1e+", "-", "0x1", "1_000", "--1"};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) any_offset(sg_str(numbers[i]));
    any_offset(SG_STR("\"raw \n newline\""));
    any_offset(SG_STR("\"raw \0 nul\""));
    any_offset(SG_STR("\"open"));
    any_offset(SG_STR("\"\\x41\""));
    any_offset(SG_STR("\"\\u12g4\""));
    any_offset(SG_STR("\"\xC0\xAF\""));
    any_offset(SG_STR("\"\xED\xA0\x80\""));
    any_offset(SG_STR("\"\xFF\""));
    any_offset(SG_STR("\"\xC3\""));
}

static void test_lone_surrogates_are_refused(void **state) {
    (void)state;
    any_offset(SG_STR("\"\\ud834\""));
    any_offset(SG_STR("\"\\udd1e\""));
    any_offset(SG_STR("\"\\ud834 \\udd1e\""));
    any_offset(SG_STR("\"\\udd1e\\ud834\""));
}

static struct sg_str nested(size_t depth, const char *open, const char *close) {
    struct sg_buf b = SG_BUF_INIT(0);
    for (size_t i = 0; i < depth; i++) sg_buf_str(&b, sg_str(open));
    sg_buf_ch(&b, '1');
    for (size_t i = 0; i < depth; i++) sg_buf_str(&b, sg_str(close));
    return keep(&b);
}

static void test_depth_is_limited(void **state) {
    (void)state;
    parse_str(nested(SG_JSON_DEPTH, "[", "]"));
    parse_str(nested(SG_JSON_DEPTH, "{\"a\":", "}"));
    refused(nested(SG_JSON_DEPTH + 1, "[", "]"), SG_E_LIMIT, SG_JSON_DEPTH);
    refused(nested(SG_JSON_DEPTH + 1, "{\"a\":", "}"), SG_E_LIMIT, (size_t)5 * SG_JSON_DEPTH);
}

static void test_a_million_brackets_cost_nothing(void **state) {
    (void)state;
    struct sg_str text = repeat('[', 1000000);
    struct sg_arena other;
    struct sg_json v;
    sg_arena_init(&other, 0);
    assert_int_equal(sg_json_parse(&other, text, &v, NULL, NULL), SG_E_LIMIT);
    assert_int_equal(other.held, 0);
    sg_arena_fini(&other);
}

static void test_brackets_in_texts_and_side_by_side_are_not_depth(void **state) {
    (void)state;
    struct sg_buf b = SG_BUF_INIT(0);
    SG_BUF_LIT(&b, "[\"\\\\\",\"\\\"");
    for (int i = 0; i < 2000; i++) sg_buf_str(&b, SG_STR("[{"));
    SG_BUF_LIT(&b, "\\\\\\\"\"");
    for (int i = 0; i < 2000; i++) sg_buf_str(&b, SG_STR(",[{}]"));
    sg_buf_ch(&b, ']');
    struct sg_str text = keep(&b);
    struct sg_json v = parse_str(text);
    assert_true(sg_str_eq(written(&v), text));
}

static void *parse_in_thread(void *text) {
    struct sg_arena a;
    struct sg_json v;
    sg_arena_init(&a, 0);
    int rc = sg_json_parse(&a, sg_str(text), &v, NULL, NULL);
    sg_arena_fini(&a);
    return rc == 0 ? text : NULL;
}

/* That the scratch memory is freed is seen by the leak check of the sanitized build. */
static void test_threads_have_scratch_memory_of_their_own(void **state) {
    (void)state;
    char text[] = "{\"a\":[1,2,3]}";
    pthread_t threads[4];
    void *result;
    for (int i = 0; i < 4; i++) assert_int_equal(pthread_create(&threads[i], NULL, parse_in_thread, text), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_ptr_equal(result, text);
    }
}

/* ---- making and looking ---- */

static void test_made_numbers(void **state) {
    (void)state;
    const struct sg_json items[] = {
        sg_json_int(&arena, 0),           sg_json_int(&arena, INT64_MIN),  sg_json_int(&arena, INT64_MAX),
        sg_json_double(&arena, 0.1),      sg_json_double(&arena, 1e300),   sg_json_double(&arena, -2),
        sg_json_double(&arena, INFINITY), sg_json_double(&arena, 1.0 / 3), sg_json_bool(true),
    };
    struct sg_json v = sg_json_array(items, sizeof items / sizeof *items);
    assert_str(written(&v),
               "[0,-9223372036854775808,9223372036854775807,0.1,1e+300,-2.0,null,0.3333333333333333,true]");
}

static void test_get_finds_members_of_objects_only(void **state) {
    (void)state;
    struct sg_json v = parse("{\"a\":\"x\",\"b\":{\"a\":2}}"), list = parse("[1]");
    assert_true(sg_json_is_text(sg_json_get(&v, SG_STR("a")), SG_STR("x")));
    assert_false(sg_json_is_text(sg_json_get(&v, SG_STR("b")), SG_STR("x")));
    assert_null(sg_json_get(&v, SG_STR("c")));
    assert_null(sg_json_get(&list, SG_STR("a")));
}

static void is_i64(const char *text, int64_t expected) {
    struct sg_json v = parse(text);
    int64_t got;
    assert_true(sg_json_to_i64(&v, &got));
    assert_int_equal(got, expected);
}

static void is_no_i64(const char *text) {
    struct sg_json v = parse(text);
    int64_t got;
    if (sg_json_to_i64(&v, &got)) fail_msg("%s became %lld", text, (long long)got);
}

static void test_whole_numbers(void **state) {
    (void)state;
    is_i64("0", 0);
    is_i64("-0", 0);
    is_i64("5.0", 5);
    is_i64("1e3", 1000);
    is_i64("-1.50E1", -15);
    is_i64("9223372036854775807", INT64_MAX);
    is_i64("-9223372036854775808", INT64_MIN);
    is_no_i64("9223372036854775808");
    is_no_i64("-9223372036854775809");
    is_no_i64("99999999999999999999999");
    is_no_i64("1.5");
    is_no_i64("1e300");
    is_no_i64("1e999");
    is_no_i64("\"5\"");
    is_no_i64("true");
}

static void test_doubles(void **state) {
    (void)state;
    double d;
    struct sg_json v = parse("[0.1, 1E400, \"1\", 12345678901234567890]");
    assert_true(sg_json_to_double(&v.items[0], &d) && d == 0.1);
    assert_true(sg_json_to_double(&v.items[1], &d) && isinf(d));
    assert_false(sg_json_to_double(&v.items[2], &d));
    assert_true(sg_json_to_double(&v.items[3], &d) && d == 12345678901234567890.0);
    struct sg_str digits = repeat('9', 300);
    struct sg_json number = {.type = SG_JSON_NUMBER, .n = (uint32_t)digits.n, .text = digits.p};
    assert_true(sg_json_to_double(&number, &d) && d == 1e300);
    assert_true(sg_json_number_is_int(SG_STR("-12")));
    assert_false(sg_json_number_is_int(SG_STR("1.0")));
    assert_false(sg_json_number_is_int(SG_STR("1E2")));
}

static bool equal(const char *a, const char *b) {
    struct sg_json left = parse(a), right = parse(b);
    return sg_json_equal(&left, &right);
}

static void test_equality(void **state) {
    (void)state;
    assert_true(equal("{\"a\":1,\"b\":[true,null]}", "{ \"b\":[true, null], \"a\":1 }"));
    assert_true(equal("{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":2}"));
    assert_false(equal("{\"a\":1,\"b\":2}", "{\"a\":2,\"b\":1}"));
    assert_false(equal("{\"a\":1}", "{\"b\":1}"));
    assert_false(equal("[1,2]", "[2,1]"));
    assert_false(equal("[1]", "[1,2]"));
    assert_false(equal("1", "1.0"));
    assert_false(equal("true", "false"));
    assert_false(equal("\"1\"", "1"));
    assert_true(equal("\"\"", "\"\""));
    assert_true(equal("[]", "[]"));
}

static void test_a_copy_outlives_its_source(void **state) {
    (void)state;
    const char *text = "{\"k\":[\"text\",1.10,{\"x\":\"\"},[],{},null,true]}";
    struct sg_arena other;
    struct sg_json v;
    sg_arena_init(&other, 0);
    assert_int_equal(sg_json_parse(&other, sg_str(text), &v, NULL, NULL), 0);
    struct sg_json copy = sg_json_copy(&arena, &v);
    sg_arena_fini(&other);
    assert_true(sg_str_eq(written(&copy), sg_str(text)));
}

/* ---- writing ---- */

static void test_strings_are_escaped_as_python_does(void **state) {
    (void)state;
    struct sg_json v = sg_json_string(SG_STR("\0\x01\a\b\t\n\v\f\r\x1F \"\\/\x7F\xC3\xA9\xF0\x9D\x84\x9E"));
    assert_str(written(&v),
               "\"\\u0000\\u0001\\u0007\\b\\t\\n\\u000b\\f\\r\\u001f \\\"\\\\/\x7F\xC3\xA9\xF0\x9D\x84\x9E\"");
}

/* Every byte that is escaped, at every place of the words that the writer works with, reads back. */
static void test_escapes_at_every_place_read_back(void **state) {
    (void)state;
    for (size_t n = 1; n <= 20; n++) {
        for (size_t i = 0; i < n; i++) {
            for (int c = 0; c < 0x80; c++) {
                char text[20];
                memset(text, i % 2 ? '"' : 'x', n);
                text[i] = (char)c;
                struct sg_json v = sg_json_string((struct sg_str){text, n}), back = parse_str(written(&v));
                assert_true(sg_json_equal(&v, &back));
                sg_arena_reset(&arena);
            }
        }
    }
}

static void test_a_full_buffer_takes_no_part_of_a_string(void **state) {
    (void)state;
    struct sg_buf b = SG_BUF_INIT(16);
    sg_json_write_string(&b, SG_STR("12345678901234"));
    assert_false(b.failed);
    sg_json_write_string(&b, SG_STR(""));
    assert_true(b.failed);
    assert_str(keep(&b), "\"12345678901234\"");
}

static struct sg_str python(const char *text, bool sorted, bool ascii) {
    struct sg_json v = parse(text);
    struct sg_buf b = SG_BUF_INIT(0);
    sg_json_write_python(&b, &v, sorted, ascii);
    return keep(&b);
}

static void test_writing_as_json_dumps(void **state) {
    (void)state;
    const char *text = "{\"b\":[1.10,1e5,-0,-0.0,1E400,-1e999,1e22,5e-324,12345678901234567890],"
                       "\"a\":{},\"\xC3\xA9\":null}";
    assert_str(python(text, true, true),
               "{\"a\": {}, \"b\": [1.1, 100000.0, 0, -0.0, Infinity, -Infinity, 1e+22, 5e-324, "
               "12345678901234567890], \"\\u00e9\": null}");
    assert_str(python("[\"\xC3\xA9\xF0\x9D\x84\x9E\\u007f\\n\",true,[]]", false, true),
               "[\"\\u00e9\\ud834\\udd1e\\u007f\\n\", true, []]");
    assert_str(python("{\"b\":1,\"a\":\"\xC3\xA9\"}", false, false), "{\"b\": 1, \"a\": \"\xC3\xA9\"}");
}

#define INDENTED                                                                                                      \
    "{\n    \"a\": [\n        1,\n        {\n            \"b\": []\n        }\n    ],\n    \"c\": {},\n"                \
    "    \"d\": \"x, [y]: \\\"{z}\\\"\"\n}"

static void test_indenting_values_and_texts_gives_the_same(void **state) {
    (void)state;
    struct sg_json v = parse(" { \"a\" : [ 1 , { \"b\" : [ ] } ] , \"c\" : { } , \"d\" : \"x, [y]: \\\"{z}\\\"\" } ");
    struct sg_buf b = SG_BUF_INIT(0);
    sg_json_write_indented(&b, &v, 4, 0);
    assert_str(keep(&b), INDENTED);
    sg_json_indent_text(&b, written(&v), 4, 0);
    assert_str(keep(&b), INDENTED);
    sg_json_indent_text(&b, SG_STR(INDENTED), 4, 0);
    assert_str(keep(&b), INDENTED);
    sg_json_compact_text(&b, SG_STR(INDENTED));
    assert_true(sg_str_eq(keep(&b), written(&v)));
}

static void test_indenting_inside_a_larger_text(void **state) {
    (void)state;
    struct sg_json v = parse("{\"a\":[1,true]}");
    struct sg_buf b = SG_BUF_INIT(0);
    sg_json_indent_text(&b, SG_STR("{\"a\":[1,true]}"), 4, 1);
    assert_str(keep(&b), "{\n        \"a\": [\n            1,\n            true\n        ]\n    }");
    sg_json_write_indented(&b, &v, 2, 1);
    assert_str(keep(&b), "{\n    \"a\": [\n      1,\n      true\n    ]\n  }");
    sg_json_indent_text(&b, SG_STR("\"text\""), 4, 1);
    assert_str(keep(&b), "\"text\"");
    sg_json_indent_text(&b, SG_STR("[]"), 4, 1);
    assert_str(keep(&b), "[]");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_arena, close_arena)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_reading_keeps_numbers_and_order),
        TEST(test_every_type_is_told),
        TEST(test_escapes_become_characters),
        TEST(test_the_result_owns_nothing_of_the_text),
        TEST(test_of_equal_keys_the_last_value_stands_in_the_first_place),
        TEST(test_equal_keys_in_large_objects),
        TEST(test_a_text_larger_than_the_scratch_memory),
        TEST(test_what_is_no_json_is_refused_with_its_place),
        TEST(test_bad_numbers_and_texts_are_refused),
        TEST(test_lone_surrogates_are_refused),
        TEST(test_depth_is_limited),
        TEST(test_a_million_brackets_cost_nothing),
        TEST(test_brackets_in_texts_and_side_by_side_are_not_depth),
        TEST(test_threads_have_scratch_memory_of_their_own),
        TEST(test_made_numbers),
        TEST(test_get_finds_members_of_objects_only),
        TEST(test_whole_numbers),
        TEST(test_doubles),
        TEST(test_equality),
        TEST(test_a_copy_outlives_its_source),
        TEST(test_strings_are_escaped_as_python_does),
        TEST(test_escapes_at_every_place_read_back),
        TEST(test_a_full_buffer_takes_no_part_of_a_string),
        TEST(test_writing_as_json_dumps),
        TEST(test_indenting_values_and_texts_gives_the_same),
        TEST(test_indenting_inside_a_larger_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
