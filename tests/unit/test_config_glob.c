/* SPDX-License-Identifier: Apache-2.0 */
#include "test_data.h"

#include "config/glob.h"

#include <sys/stat.h>

/* The names found below the test's folder, with a space behind each. */
static const char *found(struct sg_arena *a, const char *pattern) {
    struct sg_glob g = {0};
    struct sg_str all = SG_STR("");
    sg_glob_add(a, sg_str(test_folder), sg_str(pattern), &g);
    for (size_t i = 0; i < g.n; i++)
        all = sg_str_printf(a, "%.*s%s ", SG_ARG(all), g.paths[i].p + strlen(test_folder) + 1);
    return all.p;
}

static void test_files_are_found_in_the_order_of_their_names(void **state) {
    (void)state;
    struct sg_arena a;
    sg_arena_init(&a, 0);
    mkdir(in_folder("d"), 0755);
    mkdir(in_folder("e"), 0755);
    mkdir(in_folder("e/z.csv"), 0755);
    for (const char *const *p = (const char *const[]){"d/b.csv", "d/a.csv", "d/.c.csv", "d/a.json", "e/a.csv", NULL}; *p; p++)
        put_file(*p, SG_STR("x"));
    assert_string_equal(found(&a, "d/*.csv"), "d/a.csv d/b.csv ");
    assert_string_equal(found(&a, "*/*.csv"), "d/a.csv d/b.csv e/a.csv ");
    assert_string_equal(found(&a, "[de]/a.*"), "d/a.csv d/a.json e/a.csv ");
    assert_string_equal(found(&a, "d/?.json"), "d/a.json ");
    assert_string_equal(found(&a, "d/**.csv"), "d/a.csv d/b.csv ");
    assert_string_equal(found(&a, "none/*.csv"), "");
    assert_string_equal(found(&a, "d/a.csv/*"), "");
    sg_arena_fini(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files_are_found_in_the_order_of_their_names),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
