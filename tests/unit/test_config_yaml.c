/* SPDX-License-Identifier: Apache-2.0 */
/* What YAML texts mean, and where their parts stand. What is refused, with its message, is in
 * tests/cases/config/yaml.txt. The expected values are PyYAML 6.0's (safe_load, then json.dumps). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "config/blot.h"
#include "config/yaml.h"

struct world {
    struct sg_arena a;
    struct sg_diags d;
    struct sg_buf out;
};

static void open_world(struct world *w) {
    *w = (struct world){.out = SG_BUF_INIT(1 << 20)};
    sg_arena_init(&w->a, 0);
    sg_diags_init(&w->d);
}

static void close_world(struct world *w) {
    sg_buf_fini(&w->out);
    sg_diags_fini(&w->d);
    sg_arena_fini(&w->a);
}

static const struct sg_yaml *parse(struct world *w, const char *text) {
    const struct sg_yaml *root = NULL;
    assert_int_equal(sg_yaml_parse(&w->a, &w->d, SG_STR("t.yaml"), sg_str(text), &root), 0);
    return root;
}

static const char *json_of(struct world *w, const char *text) {
    const struct sg_yaml *root = parse(w, text);
    struct sg_json json = root ? sg_yaml_to_json(&w->a, root) : sg_json_null();
    sg_buf_reset(&w->out, 1 << 20);
    sg_json_write(&w->out, &json);
    sg_buf_ch(&w->out, 0);
    return w->out.p;
}

static void test_plain_scalars_mean_what_pyyaml_says(void **state) {
    static const char *const cases[][2] = {
        {"~", "null"},
        {"Null", "null"},
        {"nUll", "\"nUll\""},
        {"yes", "true"},
        {"On", "true"},
        {"NO", "false"},
        {"y", "\"y\""},
        {"oN", "\"oN\""},
        {"0", "0"},
        {"-0", "0"},
        {"+12", "12"},
        {"1_000", "1000"},
        {"0777", "511"},
        {"0o777", "\"0o777\""},
        {"08", "\"08\""},
        {"0x_1F", "31"},
        {"-0b101", "-5"},
        {"0xffffffffffffffffffffffff", "79228162514264337593543950335"},
        {"123456789012345678901234567890", "123456789012345678901234567890"},
        {"1:30", "90"},
        {"-190:20:30", "-685230"},
        {"1:60", "\"1:60\""},
        {"1.10", "1.1"},
        {"1.", "1.0"},
        {".5", "0.5"},
        {"-.5", "\"-.5\""},
        {"1e5", "\"1e5\""},
        {"1.0e5", "\"1.0e5\""},
        {"1.0e+5", "100000.0"},
        {"685.230_15e+03", "685230.15"},
        {"190:20:30.15", "685230.15"},
        {"1.0e+400", "\"inf\""},
        {"-.Inf", "\"-inf\""},
        {".NAN", "\"nan\""},
        {"2001-12-14", "\"2001-12-14\""},
        {"2001-12-14 21:59:43.10 -5", "\"2001-12-14T21:59:43.100000-05:00\""},
        {"2001-12-14t21:59:43Z", "\"2001-12-14T21:59:43+00:00\""},
        {"2001-2-30", "\"2001-2-30\""},
        {"2024-02-29 1:02:03", "\"2024-02-29T01:02:03\""},
        {"2024-05-01-preview", "\"2024-05-01-preview\""},
        {"=", "\"=\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct world w;
        open_world(&w);
        assert_string_equal(json_of(&w, cases[i][0]), cases[i][1]);
        close_world(&w);
    }
}

static void test_quotes_and_tags_decide_the_type(void **state) {
    struct world w;
    (void)state;
    open_world(&w);
    assert_string_equal(
        json_of(&w, "['yes', \"12\", !!str 12, ! 12, !!int '12', !!float 12, !!bool 'on', !!null '']"),
        "[\"yes\",\"12\",\"12\",12,12,12.0,true,null]");
    close_world(&w);
}

static void test_texts_keep_their_lines(void **state) {
    struct world w;
    (void)state;
    open_world(&w);
    assert_string_equal(json_of(&w, "a: |\n  x\n   y\n\n  z\nb: >-\n  x\n  y\n\n  z\nc: \"x\n  y\\n\\u00e9\"\n"),
                        "{\"a\":\"x\\n y\\n\\nz\\n\",\"b\":\"x y\\nz\",\"c\":\"x y\\né\"}");
    close_world(&w);
}

static void test_keys_are_text_as_json_would_write_them(void **state) {
    struct world w;
    (void)state;
    open_world(&w);
    assert_string_equal(json_of(&w, "{no: 1, 2: 2, 1.50: 3, ~: 4, 2020-01-02: 5, x: 6}"),
                        "{\"false\":1,\"2\":2,\"1.5\":3,\"null\":4,\"2020-01-02\":5,\"x\":6}");
    close_world(&w);
}

static void test_aliases_share_and_merge_keys_are_laid_under(void **state) {
    struct world w;
    (void)state;
    open_world(&w);
    assert_string_equal(
        json_of(&w, "a: &a {x: 1, y: 2}\nb: &b {y: 3, z: 4}\nc: {<<: [*a, *b], y: 5, w: 6}\nd: [*a, *b]\n"
                    "e: {q: 0, <<: *a, x: 9}\nf: {'<<': 1}\n"),
        "{\"a\":{\"x\":1,\"y\":2},\"b\":{\"y\":3,\"z\":4},\"c\":{\"y\":5,\"z\":4,\"x\":1,\"w\":6},"
        "\"d\":[{\"x\":1,\"y\":2},{\"y\":3,\"z\":4}],\"e\":{\"x\":9,\"y\":2,\"q\":0},\"f\":{\"<<\":1}}");
    close_world(&w);
}

static void test_an_empty_text_is_no_node(void **state) {
    struct world w;
    (void)state;
    open_world(&w);
    assert_null(parse(&w, ""));
    assert_null(parse(&w, "# only this\n"));
    close_world(&w);
}

static void assert_mark(const struct sg_yaml *node, unsigned line, unsigned column, unsigned length) {
    assert_non_null(node);
    assert_int_equal(node->mark.line, line);
    assert_int_equal(node->mark.column, column);
    assert_int_equal(node->mark.length, length);
}

static void test_marks_are_where_the_text_stands(void **state) {
    struct world w;
    (void)state;
    open_world(&w);
    const struct sg_yaml *root = parse(&w, "plain: abc\n"
                                           "é: 'quoted'\n"
                                           "block: |\n"
                                           "\n"
                                           "    first line\n"
                                           "    second\n"
                                           "list: [x, {y: z}]\n"
                                           "long: one\n"
                                           "  two\n");
    assert_mark(sg_yaml_get(root, "plain"), 1, 8, 3);
    assert_mark(sg_yaml_get(root, "é"), 2, 5, 6);
    assert_mark(root->pairs[1].key_node, 2, 1, 1);
    assert_mark(sg_yaml_get(root, "block"), 5, 5, 10);
    assert_mark(sg_yaml_get(root, "list")->items[1], 7, 11, 1);
    assert_mark(sg_yaml_get(sg_yaml_get(root, "list")->items[1], "y"), 7, 15, 1);
    assert_mark(sg_yaml_get(root, "long"), 8, 7, 3);
    close_world(&w);
}

static void test_limits_refuse_and_say_so(void **state) {
    struct world w;
    const struct sg_yaml *root;
    char deep[2 * SG_YAML_MAX_DEPTH + 3];
    (void)state;
    open_world(&w);
    for (size_t levels = SG_YAML_MAX_DEPTH; levels <= SG_YAML_MAX_DEPTH + 1; levels++) {
        memset(deep, '[', levels);
        memset(deep + levels, ']', levels);
        int rc = sg_yaml_parse(&w.a, &w.d, SG_STR("t.yaml"), (struct sg_str){deep, 2 * levels}, &root);
        assert_int_equal(rc, levels == SG_YAML_MAX_DEPTH ? 0 : SG_E_LIMIT);
    }
    assert_int_equal(w.d.errors, 1);
    close_world(&w);
}

static void assert_blotted(const char *text, const char *expected) {
    struct sg_arena a;
    sg_arena_init(&a, 0);
    struct sg_str out = sg_config_blot(&a, sg_str(text));
    assert_int_equal(out.n, strlen(expected));
    assert_memory_equal(out.p, expected, out.n);
    sg_arena_fini(&a);
}

static void test_values_of_secret_keys_are_blotted(void **state) {
    (void)state;
    assert_blotted("auth_token: abc def\nurl: http://h/v1\n", "auth_token: *** ***\nurl: http://h/v1\n");
    assert_blotted("{a: 1, \"api_key\" : é€x, b: 2}", "{a: 1, \"api_key\" : **** ** **");
    assert_blotted("auth_token:\n- one\n- two\nnext: 3\n", "auth_token:\n* ***\n* ***\nnext: 3\n");
    assert_blotted("  password: |\n    one\n\n    two\n  next: x\n",
                   "  password: *\n    ***\n\n    ***\n  next: x\n");
    assert_blotted("Authorization: Bearer x\r\n", "Authorization: ****** *\r\n");
    assert_blotted("url: http://me:secret@h/v1\n", "url: http://*********@h/v1\n");
}

static void test_other_keys_are_not_blotted(void **state) {
    static const char text[] =
        "max_tokens: 5\nspecial_tokens: [a]\nprimary_key: id\ntokenizer: x\nurl: http://h/a@b\n";
    (void)state;
    assert_blotted(text, text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain_scalars_mean_what_pyyaml_says),
        cmocka_unit_test(test_quotes_and_tags_decide_the_type),
        cmocka_unit_test(test_texts_keep_their_lines),
        cmocka_unit_test(test_keys_are_text_as_json_would_write_them),
        cmocka_unit_test(test_aliases_share_and_merge_keys_are_laid_under),
        cmocka_unit_test(test_an_empty_text_is_no_node),
        cmocka_unit_test(test_marks_are_where_the_text_stands),
        cmocka_unit_test(test_limits_refuse_and_say_so),
        cmocka_unit_test(test_values_of_secret_keys_are_blotted),
        cmocka_unit_test(test_other_keys_are_not_blotted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
