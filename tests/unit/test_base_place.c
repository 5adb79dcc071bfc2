/* SPDX-License-Identifier: Apache-2.0 */
/* Where the Python package is looked for, and in which order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/os.h"
#include "base/place.h"

#include <errno.h>
#include <stdlib.h>

/* A world in which the folders of one list exist. */
static const char *const *there;

static int stat_in_world(const char *path, struct sg_file_info *out) {
    *out = (struct sg_file_info){.is_dir = true};
    for (const char *const *p = there; *p; p++)
        if (strcmp(*p, path) == 0) return 0;
    return -ENOENT;
}

static void is_found(const char *const *folders, const char *exe_dir, const char *expected) {
    static struct sg_os world;
    struct sg_arena a;
    world = sg_os_posix;
    world.stat = stat_in_world;
    there = folders;
    sg_os = &world;
    sg_arena_init(&a, 0);
    struct sg_str folder = sg_package_folder(&a, exe_dir);
    assert_string_equal(folder.n ? folder.p : "", expected);
    sg_arena_fini(&a);
    sg_os = &sg_os_posix;
}

static void the_package_of_a_checkout_lies_two_folders_above_the_program(void **state) {
    (void)state;
    static const char *const folders[] = {"/src/python/sygra/host/__main__.py", NULL};
    is_found(folders, "/src/build/release", "/src/python");
    is_found(folders, "/elsewhere/build/release", "");
}

static void the_package_of_a_wheel_is_the_one_that_holds_the_program(void **state) {
    (void)state;
    static const char *const folders[] = {"/venv/site-packages/sygra/host/__main__.py", NULL};
    is_found(folders, "/venv/site-packages/sygra/_bin", "/venv/site-packages");
}

static void another_distribution_of_that_name_is_not_taken(void **state) {
    (void)state;
    static const char *const folders[] = {"/venv/site-packages/sygra", "/usr/lib/sygra/python/sygra/host/__main__.py", NULL};
    is_found(folders, "/venv/site-packages/sygra/_bin", "");
    is_found(folders, "/usr/bin", "/usr/lib/sygra/python");
}

static void sygra_home_comes_first_and_the_cache_last(void **state) {
    (void)state;
    static const char *const folders[] = {"/home/u/.cache/sygra/package-" SYGRA_VERSION "/python/sygra/host/__main__.py",
                                          "/mine/python/sygra/host/__main__.py", "/bin/python/sygra/host/__main__.py", NULL};
    setenv("XDG_CACHE_HOME", "/home/u/.cache", 1);
    setenv("SYGRA_HOME", "/mine", 1);
    is_found(folders, "/bin", "/mine/python");
    unsetenv("SYGRA_HOME");
    is_found(folders, "/bin", "/bin/python");
    is_found(folders, NULL, "/home/u/.cache/sygra/package-" SYGRA_VERSION "/python");
}

static void parents_of_a_relative_folder_are_named(void **state) {
    (void)state;
    static const char *const folders[] = {"./../../python/sygra/host/__main__.py", NULL};
    is_found(folders, ".", "./../../python");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_package_of_a_checkout_lies_two_folders_above_the_program),
        cmocka_unit_test(the_package_of_a_wheel_is_the_one_that_holds_the_program),
        cmocka_unit_test(another_distribution_of_that_name_is_not_taken),
        cmocka_unit_test(sygra_home_comes_first_and_the_cache_last),
        cmocka_unit_test(parents_of_a_relative_folder_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
