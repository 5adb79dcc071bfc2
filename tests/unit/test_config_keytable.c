/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "config/config.h"
#include "config/keytable.h"

#include <stdio.h>

static void test_every_row_is_whole_and_stands_once(void **state) {
    (void)state;
    for (size_t i = 0; i < sg_key_n_rows; i++) {
        const struct sg_key_row *row = &sg_key_rows[i];
        assert_true(row->section[0] && row->key[0] && row->doc[0] && row->kinds);
        assert_non_null(row->fallback);
        assert_ptr_equal(sg_key_find(row->section, sg_str(row->key)), row);
        if (row->status == SG_KEY_NOT_YET)
            assert_true(row->harmless && row->issue >= 2 && row->issue <= SG_KEY_LATER);
        else assert_int_equal(row->issue, 0);
    }
}

static bool contains(const struct sg_buf *b, const char *text) {
    return memmem(b->p, b->n, text, strlen(text)) != NULL;
}

static void test_the_reference_page_has_every_key_and_escapes_its_bars(void **state) {
    struct sg_buf b = SG_BUF_INIT(1 << 20);
    (void)state;
    sg_config_reference(&b);
    for (size_t i = 0; i < sg_key_n_rows; i++) {
        char cell[100];
        snprintf(cell, sizeof cell, "\n| `%s` | ", sg_key_rows[i].key);
        assert_true(contains(&b, cell));
    }
    size_t bars = 0;
    for (size_t i = 0; i < b.n; i++) {
        bars += b.p[i] == '|' && b.p[i - 1] != '\\';
        if (b.p[i] == '\n' && i > 0) {
            assert_true(bars == 0 || bars == 6);
            bars = 0;
        }
    }
    sg_buf_fini(&b);
}

static struct sg_yaml scalar(struct sg_arena *a, const char *text) {
    struct sg_yaml v = {0};
    sg_yaml_resolve(a, sg_str(text), &v);
    return v;
}

static void test_harmless_values_are_those_of_the_row(void **state) {
    struct sg_arena a;
    const struct sg_key_row *completions = sg_key_find(SG_SECTION_MODEL, SG_STR("completions_api"));
    const struct sg_key_row *output = sg_key_find(SG_SECTION_MODEL, SG_STR("output_type"));
    (void)state;
    sg_arena_init(&a, 0);
    struct sg_yaml no = scalar(&a, "no"), yes = scalar(&a, "yes"), text = scalar(&a, "text"), null = scalar(&a, "");
    assert_true(sg_key_is_harmless(completions, &no));
    assert_true(sg_key_is_harmless(completions, &null));
    assert_false(sg_key_is_harmless(completions, &yes));
    assert_true(sg_key_is_harmless(output, &text));
    assert_false(sg_key_is_harmless(output, &yes));
    sg_arena_fini(&a);
}

static void test_kinds_are_told_in_words(void **state) {
    struct sg_arena a;
    (void)state;
    sg_arena_init(&a, 0);
    assert_true(sg_str_eq(sg_key_kinds_text(&a, SG_KEY_TEXT), SG_STR("text")));
    assert_true(sg_str_eq(sg_key_kinds_text(&a, SG_KEY_TEXT | SG_KEY_TEXTS), SG_STR("text or a list of texts")));
    assert_true(sg_str_eq(sg_key_kinds_text(&a, SG_KEY_INT | SG_KEY_NUMBER), SG_STR("a number")));
    assert_true(sg_str_eq(sg_key_kinds_text(&a, SG_KEY_ANY), SG_STR("any value")));
    sg_arena_fini(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_row_is_whole_and_stands_once),
        cmocka_unit_test(test_the_reference_page_has_every_key_and_escapes_its_bars),
        cmocka_unit_test(test_harmless_values_are_those_of_the_row),
        cmocka_unit_test(test_kinds_are_told_in_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
