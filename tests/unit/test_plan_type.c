/* SPDX-License-Identifier: Apache-2.0 */
/* How types are written, which mistakes are seen where, and which part of a value does not fit. What fits is held against
 * pydantic by tests/prop/schema_vs_pydantic.py. */
#include "plan/type.h"

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

static struct sg_type compile(const char *text) {
    struct sg_type t;
    struct sg_type_mistake m;
    if (sg_type_compile(&arena, sg_str(text), &t, &m) != 0) fail_msg("%s: %.*s", text, SG_ARG(m.text));
    return t;
}

static void prints(const char *text, const char *expected) {
    struct sg_type t = compile(text);
    struct sg_buf b = SG_BUF_INIT(0);
    sg_type_print(&t, &b);
    sg_buf_ch(&b, '\0');
    assert_string_equal(b.p, expected);
    sg_buf_fini(&b);
}

static void fails(const char *text, size_t at, size_t length, const char *why) {
    struct sg_type t;
    struct sg_type_mistake m;
    if (sg_type_compile(&arena, sg_str(text), &t, &m) == 0) fail_msg("%s compiles", text);
    if (m.at != at || m.length != length || !sg_str_eq(m.text, sg_str(why)))
        fail_msg("%s: %zu, %zu, %.*s", text, m.at, m.length, SG_ARG(m.text));
}

static void misfits(const char *type, const char *value, const char *path, const char *innermost, bool is_key) {
    struct sg_type t = compile(type);
    struct sg_json v;
    struct sg_buf way = SG_BUF_INIT(0), name = SG_BUF_INIT(0);
    assert_int_equal(sg_json_parse(&arena, sg_str(value), &v, NULL, NULL), 0);
    assert_false(sg_type_takes(&t, &v));
    struct sg_misfit m = sg_type_misfit(&t, &v, &way);
    sg_type_print(m.type, &name);
    sg_buf_ch(&way, '\0');
    sg_buf_ch(&name, '\0');
    assert_string_equal(way.p, path);
    assert_string_equal(name.p, innermost);
    assert_int_equal(m.is_key, is_key);
    sg_buf_fini(&way);
    sg_buf_fini(&name);
}

static void test_case_and_blanks_do_not_matter(void **state) {
    (void)state;
    prints(" Dict [ STR , List[Int] ] ", "dict[str, list[int]]");
    prints("NoneType", "none");
    prints("list", "list");
    prints("dict", "dict");
    prints("tuple[any]", "tuple[any]");
}

static void test_unions_are_written_in_three_ways(void **state) {
    (void)state;
    prints("int|none", "int | none");
    prints("Optional[int]", "int | none");
    prints("Union[int, list[str | none]]", "int | list[str | none]");
}

static void test_mistakes_have_their_place(void **state) {
    (void)state;
    fails("", 0, 1, "a type is missing at the end");
    fails("list[]", 5, 1, "a type is missing here");
    fails("list[int", 8, 1, "`]` is missing at the end");
    fails("dict[str int]", 9, 1, "`]` is missing here");
    fails("dict[str]", 0, 4, "`dict` takes 2 types in its brackets, not 1");
    fails("list[tuple[int, str]]", 5, 5, "`tuple` takes 1 type in its brackets, not 2");
    fails("str[int]", 0, 3, "`str` takes no brackets");
    fails("int, str", 3, 5, "nothing may follow the type");
    fails("list[inte]", 5, 4, "unknown type `inte`");
    fails("optional", 0, 8, "`optional` needs types in brackets");
    fails("int | ", 6, 1, "a type is missing at the end");
}

static void test_nesting_is_limited(void **state) {
    (void)state;
    struct sg_buf b = SG_BUF_INIT(0);
    for (int i = 0; i < 100000; i++) SG_BUF_LIT(&b, "list[");
    struct sg_type t;
    struct sg_type_mistake m;
    assert_int_equal(sg_type_compile(&arena, sg_buf_view(&b), &t, &m), SG_E_SYNTAX);
    sg_buf_fini(&b);
}

static void test_the_innermost_part_that_does_not_fit_is_found(void **state) {
    (void)state;
    misfits("list[dict[str, int]]", "[{\"a\": 1}, {\"b\": 2, \"c\": \"x\"}]", "[1].c", "int", false);
    misfits("dict[int, any]", "{\"5\": 0, \"x\": 1}", "", "int", true);
    misfits("list[int]", "{\"a\": 1}", "", "list[int]", false);
    misfits("list[int | none]", "[null, []]", "[1]", "int | none", false);
    misfits("list[set]", "[[1], [[2]]]", "[1]", "set", false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_case_and_blanks_do_not_matter),
        cmocka_unit_test(test_unions_are_written_in_three_ways),
        cmocka_unit_test(test_mistakes_have_their_place),
        cmocka_unit_test(test_nesting_is_limited),
        cmocka_unit_test(test_the_innermost_part_that_does_not_fit_is_found),
    };
    return cmocka_run_group_tests(tests, open_arena, close_arena);
}
