/* SPDX-License-Identifier: Apache-2.0 */
/* Python's str, repr, ascii and format. Every expected text was printed by Python 3.11; tests/prop/template_vs_python.py
 * compares many more. */
#include "base/pytext.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

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

static struct sg_json parse(const char *text) {
    struct sg_json v;
    assert_int_equal(sg_json_parse(&arena, sg_str(text), &v, NULL, NULL), 0);
    return v;
}

static void prints(struct sg_buf *b, const char *expected) {
    sg_buf_ch(b, '\0');
    assert_string_equal(b->p, expected);
    sg_buf_fini(b);
}

static void is_number(const char *text, const char *expected) {
    struct sg_buf b = SG_BUF_INIT(0);
    sg_py_number(&b, sg_str(text));
    prints(&b, expected);
}

static void test_numbers_print_as_after_json_loads(void **state) {
    (void)state;
    is_number("1.10", "1.1");
    is_number("1e5", "100000.0");
    is_number("1E400", "inf");
    is_number("-1e400", "-inf");
    is_number("1e-400", "0.0");
    is_number("-0", "0");
    is_number("-0.0", "-0.0");
    is_number("0.000e7", "0.0");
    is_number("12345678901234567890123", "12345678901234567890123");
    is_number("12345678901234567890.0", "1.2345678901234567e+19");
    is_number("1e15", "1000000000000000.0");
    is_number("1e16", "1e+16");
    is_number("0.0001", "0.0001");
    is_number("0.00001", "1e-05");
    is_number("100e-2", "1.0");
    is_number("0.1000000000000000055511151231257827", "0.1");
    is_number("123456789012345678e-9", "123456789.01234567");
}

static void is_double(double v, const char *expected) {
    struct sg_buf b = SG_BUF_INIT(0);
    sg_py_double(&b, v);
    prints(&b, expected);
}

static void test_doubles_print_in_their_shortest_form(void **state) {
    (void)state;
    is_double(0.1, "0.1");
    is_double(1.0 / 3, "0.3333333333333333");
    is_double(2.0 / 3, "0.6666666666666666");
    is_double(1e22, "1e+22");
    is_double(1e23, "1e+23");
    is_double(5e-324, "5e-324");
    is_double(2.2250738585072014e-308, "2.2250738585072014e-308");
    is_double(2.225073858507201e-308, "2.225073858507201e-308");
    is_double(1.7976931348623157e308, "1.7976931348623157e+308");
    is_double(9007199254740993.0, "9007199254740992.0");
    is_double(-0.0, "-0.0");
    is_double(NAN, "nan");
}

/* The nearest decimal of 16 digits, ...801, belongs to the neighbour. */
static void test_a_power_of_two_takes_the_decimal_above(void **state) {
    (void)state;
    is_double(0x1p-44, "5.684341886080802e-14");
    is_double(-0x1p-44, "-5.684341886080802e-14");
}

static void is_repr(const char *json, const char *expected, const char *expected_ascii) {
    struct sg_json v = parse(json);
    struct sg_buf b = SG_BUF_INIT(0);
    sg_py_repr(&b, &v);
    prints(&b, expected);
    sg_py_ascii(&b, &v);
    prints(&b, expected_ascii ? expected_ascii : expected);
}

static void test_repr_of_values(void **state) {
    (void)state;
    is_repr("null", "None", NULL);
    is_repr("[true,false,[],{},1.50]", "[True, False, [], {}, 1.5]", NULL);
    is_repr("{\"a\":{\"b'\":[null]},\"\":\"\"}", "{'a': {\"b'\": [None]}, '': ''}", NULL);
}

static void test_repr_chooses_its_quotes(void **state) {
    (void)state;
    is_repr("\"plain\"", "'plain'", NULL);
    is_repr("\"it's\"", "\"it's\"", NULL);
    is_repr("\"a \\\"b\\\"\"", "'a \"b\"'", NULL);
    is_repr("\"it's \\\"b\\\"\"", "'it\\'s \"b\"'", NULL);
    is_repr("\"back\\\\slash\"", "'back\\\\slash'", NULL);
}

static void test_repr_escapes_what_is_not_printable(void **state) {
    (void)state;
    is_repr("\"\\t\\n\\r\\u0000\\u001b\\u007f\"", "'\\t\\n\\r\\x00\\x1b\\x7f'", NULL);
    is_repr("\"\\u0080\\u00a0\\u00ad\"", "'\\x80\\xa0\\xad'", NULL);
    is_repr("\"\\u00a1\\u00e9\"", "'\xC2\xA1\xC3\xA9'", "'\\xa1\\xe9'");
    is_repr("\"\\u0378\\u200b\\u2028\\u3000\\ue000\\ufeff\"", "'\\u0378\\u200b\\u2028\\u3000\\ue000\\ufeff'", NULL);
    is_repr("\"\\u4e2d\\ud834\\udd1e\"", "'\xE4\xB8\xAD\xF0\x9D\x84\x9E'", "'\\u4e2d\\U0001d11e'");
    is_repr("\"\\udb40\\udc01\\udbff\\udfff\"", "'\\U000e0001\\U0010ffff'", NULL);
}

static void formats(const char *json, char conv, const char *spec, const char *expected) {
    struct sg_json v = parse(json);
    struct sg_buf b = SG_BUF_INIT(0);
    struct sg_err err = {0};
    if (sg_py_format(&b, &v, conv, sg_str(spec), &err) < 0) fail_msg("format(%s, '%s'): %s", json, spec, err.text);
    prints(&b, expected);
}

static void test_texts_with_a_specification(void **state) {
    (void)state;
    formats("\"ab\"", 0, "", "ab");
    formats("\"ab\"", 0, "5", "ab   ");
    formats("\"ab\"", 0, ">5s", "   ab");
    formats("\"ab\"", 0, "*^5", "*ab**");
    formats("\"ab\"", 0, "05", "ab000");
    formats("\"abcdef\"", 0, ".3", "abc");
    formats("\"abcdef\"", 0, "\xC3\xA9>5.2", "\xC3\xA9\xC3\xA9\xC3\xA9"
                                             "ab");
    formats("\"\\u00e9\\ud834\\udd1e!\"", 0, ">5.2", "   \xC3\xA9\xF0\x9D\x84\x9E");
    formats("\"ab\"", 0, "<<4", "ab<<");
}

static void test_conversions(void **state) {
    (void)state;
    formats("\"it\"", 'r', "", "'it'");
    formats("\"it\"", 'r', ">6", "  'it'");
    formats("\"\\u00e9\"", 'a', "", "'\\xe9'");
    formats("null", 's', ">6", "  None");
    formats("[1]", 'r', "^7", "  [1]  ");
    formats("1.0", 's', ".2", "1.");
}

static void test_ints_with_a_specification(void **state) {
    (void)state;
    formats("42", 0, "5", "   42");
    formats("42", 0, "05d", "00042");
    formats("-42", 0, "05", "-0042");
    formats("42", 0, "+", "+42");
    formats("42", 0, " ", " 42");
    formats("42", 0, "x^6", "xx42xx");
    formats("42", 0, "<05", "42000");
    formats("-0", 0, "d", "0");
    formats("42", 0, "n", "42");
    formats("true", 0, ">5", "    1");
    formats("true", 0, "", "True");
    formats("false", 0, "d", "0");
}

static void test_grouping(void **state) {
    (void)state;
    formats("1234567", 0, ",", "1,234,567");
    formats("12345678901234567890123", 0, "_", "12_345_678_901_234_567_890_123");
    formats("1234", 0, "08,", "0,001,234");
    formats("1234", 0, "010,", "00,001,234");
    formats("1234", 0, "012,", "0,000,001,234");
    formats("-1234", 0, "*=10,", "-****1,234");
    formats("123", 0, ",", "123");
    formats("1234567.891", 0, ",.2f", "1,234,567.89");
    formats("1234567.5", 0, ",", "1,234,567.5");
    formats("255", 0, "_b", "1111_1111");
    formats("1E400", 0, "08,", "00000inf");
}

static void test_other_bases(void **state) {
    (void)state;
    formats("255", 0, "x", "ff");
    formats("255", 0, "#X", "0XFF");
    formats("-8", 0, "#o", "-0o10");
    formats("5", 0, "#010b", "0b00000101");
    formats("0", 0, "x", "0");
    formats("18446744073709551616", 0, "x", "10000000000000000");
    formats("1000000000000000000000000000000", 0, "o", "1447626234640431647336510000000000");
    formats("-1000000000000000000000000000000", 0, "#_x", "-0xc_9f2c_9cd0_4674_edea_4000_0000");
    formats("233", 0, "c", "\xC3\xA9");
    formats("65", 0, "03c", "00A");
}

static void test_floats_with_a_specification(void **state) {
    (void)state;
    formats("3.14159", 0, ".2f", "3.14");
    formats("2.5", 0, ".0f", "2");
    formats("0.125", 0, ".2f", "0.12");
    formats("2.5", 0, "#.0f", "2.");
    formats("1234.5", 0, "e", "1.234500e+03");
    formats("1234.5", 0, "G", "1234.5");
    formats("0.00001234", 0, "g", "1.234e-05");
    formats("0.256", 0, ".1%", "25.6%");
    formats("1.0", 0, "8", "     1.0");
    formats("123.0", 0, ".3", "1.23e+02");
    formats("123.0", 0, ".4", "123.0");
    formats("1e20", 0, "#", "1.e+20");
    formats("1E400", 0, "F", "INF");
    formats("-1e400", 0, "08.1f", "-0000inf");
    formats("3", 0, ".1f", "3.0");
    formats("true", 0, ".1f", "1.0");
    formats("100000000000000000000000", 0, "g", "1e+23");
}

/* glibc 2.36 loses the zeros here. */
static void test_general_form_with_zeros_after_rounding_up(void **state) {
    (void)state;
    formats("999999.5", 0, "#g", "1.00000e+06");
    formats("999.6", 0, "#.3g", "1.00e+03");
}

static void test_negative_zero_is_coerced(void **state) {
    (void)state;
    formats("-0.04", 0, ".1f", "-0.0");
    formats("-0.04", 0, "z.1f", "0.0");
    formats("-0.06", 0, "z.1f", "-0.1");
    formats("-0.0", 0, "z", "0.0");
    formats("-0.0", 0, "+ze", "+0.000000e+00");
}

static void refuses(const char *json, const char *spec, int code) {
    struct sg_json v = parse(json);
    struct sg_buf b = SG_BUF_INIT(0);
    struct sg_err err = {0};
    int rc = sg_py_format(&b, &v, 0, sg_str(spec), &err);
    if (rc != code || err.code != code || b.n) fail_msg("format(%s, '%s') gave %d: %s", json, spec, rc, err.text);
    sg_buf_fini(&b);
}

static void test_specifications_that_python_refuses(void **state) {
    (void)state;
    const char *no_format[] = {"null", "[1]", "{\"a\":1}"};
    for (size_t i = 0; i < 3; i++) refuses(no_format[i], ">5", SG_E_TYPE);
    const char *no_text[] = {"d", "+", "#", "=5", ",", "z", ".2f"};
    for (size_t i = 0; i < sizeof no_text / sizeof *no_text; i++) refuses("\"a\"", no_text[i], SG_E_TYPE);
    const char *no_int[] = {"s", ".2", ".2d", "z", "q", "++", ",x", "_c", ",n", "+c", "#c"};
    for (size_t i = 0; i < sizeof no_int / sizeof *no_int; i++) refuses("5", no_int[i], SG_E_TYPE);
    const char *no_float[] = {"d", "x", "s", "c", ",n"};
    for (size_t i = 0; i < sizeof no_float / sizeof *no_float; i++) refuses("1.5", no_float[i], SG_E_TYPE);
    const char *malformed[] = {".f", ",_", "_,", ",,", "5x5", "d5", "\xC3\xA9\xC3\xA9"};
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) refuses("5", malformed[i], SG_E_SYNTAX);
}

static void test_numbers_out_of_range_are_refused(void **state) {
    (void)state;
    refuses("1114112", "c", SG_E_LIMIT);
    refuses("-1", "c", SG_E_LIMIT);
    refuses("55296", "c", SG_E_LIMIT);
    struct sg_buf huge = SG_BUF_INIT(0);
    for (int i = 0; i < 20000; i++) sg_buf_ch(&huge, '7');
    sg_buf_ch(&huge, '\0');
    refuses(huge.p, "f", SG_E_LIMIT);
    refuses(huge.p, "x", SG_E_LIMIT);
    sg_buf_fini(&huge);
}

static void test_width_and_precision_are_limited(void **state) {
    (void)state;
    refuses("\"a\"", "1000001", SG_E_LIMIT);
    refuses("1.5", ".99999999999999999999f", SG_E_LIMIT);
    struct sg_json v = parse("1.5");
    struct sg_buf b = SG_BUF_INIT(0);
    assert_int_equal(sg_py_format(&b, &v, 0, SG_STR("1000000.999999f"), NULL), 0);
    assert_int_equal(b.n, 1000001);
    sg_buf_fini(&b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_arena, close_arena)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_numbers_print_as_after_json_loads),
        TEST(test_doubles_print_in_their_shortest_form),
        TEST(test_a_power_of_two_takes_the_decimal_above),
        TEST(test_repr_of_values),
        TEST(test_repr_chooses_its_quotes),
        TEST(test_repr_escapes_what_is_not_printable),
        TEST(test_texts_with_a_specification),
        TEST(test_conversions),
        TEST(test_ints_with_a_specification),
        TEST(test_grouping),
        TEST(test_other_bases),
        TEST(test_floats_with_a_specification),
        TEST(test_general_form_with_zeros_after_rounding_up),
        TEST(test_negative_zero_is_coerced),
        TEST(test_specifications_that_python_refuses),
        TEST(test_numbers_out_of_range_are_refused),
        TEST(test_width_and_precision_are_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
