/* SPDX-License-Identifier: Apache-2.0 */
/* Prompt templates: what compiles, what does not and where, and what is rendered. Python's own str.format is compared by
 * tests/prop/template_vs_python.py. */
#include "plan/template.h"

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

static struct sg_template *compile(struct sg_str text) {
    struct sg_template *t = NULL;
    struct sg_err err = {0};
    if (sg_template_compile(&arena, text, &t, NULL, &err) < 0) fail_msg("%.*s: %s", SG_ARG(text), err.text);
    return t;
}

struct state_values {
    const struct sg_template *t;
    struct sg_json values;
};

static const struct sg_json *lookup(void *ud, size_t i) {
    const struct state_values *s = ud;
    return sg_json_get(&s->values, s->t->placeholders[i].key);
}

static int render(const char *text, const char *values, struct sg_buf *out, struct sg_err *err) {
    struct state_values s = {.t = compile(sg_str(text))};
    assert_int_equal(sg_json_parse(&arena, sg_str(values), &s.values, NULL, NULL), 0);
    return sg_template_render(s.t, lookup, &s, out, err);
}

static void renders(const char *text, const char *values, const char *expected) {
    struct sg_buf out = SG_BUF_INIT(0);
    struct sg_err err = {0};
    if (render(text, values, &out, &err) < 0) fail_msg("%s: %s", text, err.text);
    sg_buf_ch(&out, '\0');
    assert_string_equal(out.p, expected);
    sg_buf_fini(&out);
}

static void test_values_stand_in_their_places(void **state) {
    (void)state;
    renders("", "{}", "");
    renders("no places", "{}", "no places");
    renders("{x}", "{\"x\":\"v\"}", "v");
    renders("a{x}b{y}c{x}", "{\"x\":\"1\",\"y\":\"\"}", "a1bc1");
    renders("{n} {t} {l} {m} {f}", "{\"n\":null,\"t\":true,\"l\":[\"a\",1],\"m\":{\"k\":null},\"f\":1.10}",
            "None True ['a', 1] {'k': None} 1.1");
}

static void test_doubled_braces_are_single_ones(void **state) {
    (void)state;
    renders("{{}}", "{}", "{}");
    renders("{{x}}", "{}", "{x}");
    renders("{{{x}}}", "{\"x\":\"v\"}", "{v}");
    renders("{{\"a\": {x}}}", "{\"x\":1}", "{\"a\": 1}");
    renders("}}{{{{", "{}", "}{{");
}

static void test_braces_in_values_mean_nothing(void **state) {
    (void)state;
    renders("{x}{y}", "{\"x\":\"{y} {{ }\",\"y\":\"!\"}", "{y} {{ }!");
}

static void test_conversions_and_specifications(void **state) {
    (void)state;
    renders("{x!r}|{x:>4}|{x!r:*^7}|{f:.2f}", "{\"x\":\"é\",\"f\":2.5}", "'é'|   é|**'é'**|2.50");
    renders("{x:}{x!s:}", "{\"x\":\"a\"}", "aa");
}

static void test_any_text_is_a_name(void **state) {
    (void)state;
    renders("{ x }", "{\" x \":1}", "1");
    renders("{a-b}{a b}{inc->number}{é}{1a}", "{\"a-b\":1,\"a b\":2,\"inc->number\":3,\"é\":4,\"1a\":5}", "12345");
}

static void test_the_text_is_not_needed_after_compiling(void **state) {
    (void)state;
    char text[] = "say {x} {{}}";
    struct sg_template *t = compile(sg_str(text));
    memset(text, '!', sizeof text - 1);
    assert_str(t->texts[0], "say ");
    assert_str(t->placeholders[0].key, "x");
    assert_str(t->texts[1], " {}");
}

static void test_placeholders_tell_where_and_what(void **state) {
    (void)state;
    const struct sg_template *t = compile(SG_STR("\0{{{x!r:>5}}} { y }{z:}"));
    assert_int_equal(t->n, 3);
    const struct sg_placeholder *p = t->placeholders;
    assert_int_equal(p[0].offset, 3);
    assert_str(p[0].key, "x");
    assert_str(p[0].raw, "x!r:>5");
    assert_str(p[0].spec, ">5");
    assert_int_equal(p[0].conversion, 'r');
    assert_int_equal(p[0].slot, -1);
    assert_int_equal(p[1].offset, 14);
    assert_str(p[1].key, " y ");
    assert_str(p[1].raw, " y ");
    assert_int_equal(p[1].spec.n, 0);
    assert_int_equal(p[1].conversion, 0);
    assert_str(p[2].key, "z");
    assert_str(p[2].raw, "z:");
    assert_str(t->texts[0], "\0{");
    assert_str(t->texts[1], "} ");
    assert_int_equal(t->texts[2].n, 0);
    assert_int_equal(t->texts[3].n, 0);
}

static void refused(const char *text, size_t where, const char *why) {
    struct sg_template *t = NULL;
    struct sg_err err = {0};
    size_t at = 999999;
    int rc = sg_template_compile(&arena, sg_str(text), &t, &at, &err);
    bool right = rc == SG_E_SYNTAX && at == where && strstr(err.text, why);
    if (!right) fail_msg("%s: %d at %zu: %s", text, rc, at, err.text);
    assert_non_null(strstr(err.text, "write {{ and }} for braces that are text"));
}

static void test_lone_braces_are_mistakes(void **state) {
    (void)state;
    refused("{", 0, "'{' without its '}'");
    refused("}", 0, "'}' without its '{'");
    refused("ab {x", 3, "'{' without its '}'");
    refused("ab {x:>5", 3, "'{' without its '}'");
    refused("{x}}", 3, "'}' without its '{'");
    refused("{{{", 2, "'{' without its '}'");
    refused("{x} } {", 4, "'}' without its '{'");
}

static void test_paths_positions_and_nesting_are_mistakes(void **state) {
    (void)state;
    refused("{x.y}", 2, "'.'");
    refused("{x[0]}", 2, "[...]");
    refused("{[a]}", 1, "[...]");
    refused("{0}", 0, "not a position");
    refused(" {12:>3}", 1, "not a position");
    refused("{}", 0, "not a position");
    refused("{!r}", 0, "not a position");
    refused("{x:{w}}", 3, "'{' within");
    refused("{x{y}}", 2, "'{' within");
    refused("function() {\n  if (a) { b }\n}", 22, "'{' within");
}

static void test_unknown_conversions_are_mistakes(void **state) {
    (void)state;
    const char *texts[] = {"{x!}", "{x!q}", "{x!rr}", "{x!r", "{x!", "{x!r }", "{x!:>5}"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) refused(texts[i], 2, "behind '!'");
}

static void test_the_first_mistake_from_the_left_is_named(void **state) {
    (void)state;
    refused("{ok} {a.b} {0} }", 7, "'.'");
}

static void fails(const char *text, const char *values, int code, const char *why) {
    struct sg_buf out = SG_BUF_INIT(0);
    struct sg_err err = {0};
    int rc = render(text, values, &out, &err);
    if (rc != code || err.code != code || !strstr(err.text, why)) fail_msg("%s: %d: %s", text, rc, err.text);
    sg_buf_fini(&out);
}

static void test_missing_values_fail_by_name(void **state) {
    (void)state;
    fails("{x} {gone} {lost}", "{\"x\":1}", SG_E_MISSING, "'gone'");
    fails("Answer as { \"a\": 1 }.", "{}", SG_E_MISSING, "' \"a\"'");
    renders("{ \"a\":>3}", "{\" \\\"a\\\"\":1}", "  1");
}

static void test_a_specification_that_does_not_fit_fails(void **state) {
    (void)state;
    fails("{x:>5}", "{\"x\":null}", SG_E_TYPE, "{x:>5}");
    fails("{x:.2f}", "{\"x\":\"1\"}", SG_E_TYPE, "{x:.2f}");
    fails("{x:nonsense}", "{\"x\":1}", SG_E_SYNTAX, "{x:nonsense}");
}

static void test_a_prompt_over_the_limit_of_the_buffer_fails(void **state) {
    (void)state;
    struct sg_buf out = SG_BUF_INIT(8);
    struct sg_err err = {0};
    assert_int_equal(render("{x}{x}{x}", "{\"x\":\"1234\"}", &out, &err), SG_E_LIMIT);
    assert_non_null(strstr(err.text, "over 8 bytes"));
    sg_buf_fini(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_arena, close_arena)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(test_values_stand_in_their_places),
        TEST(test_doubled_braces_are_single_ones),
        TEST(test_braces_in_values_mean_nothing),
        TEST(test_conversions_and_specifications),
        TEST(test_any_text_is_a_name),
        TEST(test_the_text_is_not_needed_after_compiling),
        TEST(test_placeholders_tell_where_and_what),
        TEST(test_lone_braces_are_mistakes),
        TEST(test_paths_positions_and_nesting_are_mistakes),
        TEST(test_unknown_conversions_are_mistakes),
        TEST(test_the_first_mistake_from_the_left_is_named),
        TEST(test_missing_values_fail_by_name),
        TEST(test_a_specification_that_does_not_fit_fails),
        TEST(test_a_prompt_over_the_limit_of_the_buffer_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
