/* SPDX-License-Identifier: Apache-2.0 */
/* Where libllama and the model are looked for, and what is said when they are not there or cannot be used. The
 * library is never opened with success here: it stays open for good, and the failures could not be seen any more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "local/llama_lib.h"

static struct sg_arena arena;
static char folder[] = "/tmp/sygra-local-XXXXXX";

static const char *in_folder(const char *name) {
    return sg_str_printf(&arena, "%s/%s", folder, name).p;
}

static int set_up(void **state) {
    (void)state;
    sg_arena_init(&arena, 0);
    if (!mkdtemp(folder)) return -1;
    setenv("HOME", "/home/nobody-here", 1);
    unsetenv("XDG_CACHE_HOME");
    unsetenv("SYGRA_HOME");
    return sg_os_mkdirs(in_folder("lib"));
}

static int tear_down(void **state) {
    (void)state;
    unlink(in_folder("lib/libllama.so"));
    rmdir(in_folder("lib"));
    rmdir(folder);
    sg_arena_fini(&arena);
    return 0;
}

static struct sg_llama_places places(const char *exe_dir) {
    struct sg_llama_places at;
    sg_llama_places(&arena, exe_dir, &at);
    return at;
}

static void test_places_go_from_the_executable_to_the_environment(void **state) {
    (void)state;
    setenv("SYGRA_HOME", "/opt/sygra", 1);
    struct sg_llama_places at = places("/x/bin");
    assert_int_equal(at.lib.n, 4);
    assert_string_equal(at.lib.at[0], "/x/bin/deps/lib");
    assert_string_equal(at.models.at[1], "/x/bin/../share/sygra/models");
    assert_ptr_equal(strstr(at.lib.at[2], "/home/nobody-here/.cache/sygra/llama.cpp-"), at.lib.at[2]);
    assert_string_equal(at.lib.at[3], "/opt/sygra/lib");
    assert_string_equal(at.models.at[3], "/opt/sygra/models");
    unsetenv("SYGRA_HOME");
    setenv("XDG_CACHE_HOME", "/cache", 1);
    at = places(NULL);
    assert_int_equal(at.lib.n, 1);
    assert_ptr_equal(strstr(at.models.at[0], "/cache/sygra/smollm2"), at.models.at[0]);
    unsetenv("XDG_CACHE_HOME");
}

static void test_a_missing_library_says_what_to_do_and_what_was_tried(void **state) {
    (void)state;
    const struct sg_llama *lib;
    struct sg_err err = {0};
    struct sg_llama_places at = places("/x/bin");
    assert_int_equal(sg_llama_open(&at, &lib, &err), SG_E_MODEL);
    assert_non_null(strstr(err.text, "run `make`"));
    assert_non_null(strstr(err.text, "SYGRA_HOME"));
    assert_non_null(strstr(err.text, "/x/bin/deps/lib, /x/bin/../lib/sygra, /home/nobody-here/.cache/sygra/llama"));
}

static void test_a_missing_demo_model_says_what_to_do_and_what_was_tried(void **state) {
    (void)state;
    const char *path;
    struct sg_err err = {0};
    struct sg_llama_places at = places("/x/bin");
    assert_int_equal(sg_llama_demo_model(&arena, &at, &path, &err), SG_E_MODEL);
    assert_non_null(strstr(err.text, "set model_path"));
    assert_non_null(strstr(err.text, "/x/bin/deps/models, "));
    unsetenv("HOME");
    at = places(NULL);
    assert_int_equal(sg_llama_demo_model(&arena, &at, &path, &err), SG_E_MODEL);
    assert_non_null(strstr(err.text, "SYGRA_HOME is not set"));
    setenv("HOME", "/home/nobody-here", 1);
}

static int open_in_folder(struct sg_err *err) {
    const struct sg_llama *lib;
    struct sg_llama_places at = {.lib = {{in_folder("lib")}, 1}, .models = {{in_folder("models")}, 1}};
    return sg_llama_open(&at, &lib, err);
}

static void test_a_file_that_is_no_library_is_named(void **state) {
    (void)state;
    struct sg_err err = {0};
    FILE *f = fopen(in_folder("lib/libllama.so"), "w");
    assert_non_null(f);
    fputs("this is not a library\n", f);
    fclose(f);
    assert_int_equal(open_in_folder(&err), SG_E_MODEL);
    assert_non_null(strstr(err.text, in_folder("lib/libllama.so")));
    assert_non_null(strstr(err.text, "cannot be used"));
    unlink(in_folder("lib/libllama.so"));
}

static void test_a_missing_symbol_is_named(void **state) {
    (void)state;
    struct sg_err err = {0};
    char *other = realpath("build/deps/lib/libggml-base.so", NULL);
    assert_non_null(other);
    assert_int_equal(symlink(other, in_folder("lib/libllama.so")), 0);
    assert_int_equal(open_in_folder(&err), SG_E_MODEL);
    assert_non_null(strstr(err.text, "has no function ggml_backend_load_all_from_path"));
    free(other);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places_go_from_the_executable_to_the_environment),
        cmocka_unit_test(test_a_missing_library_says_what_to_do_and_what_was_tried),
        cmocka_unit_test(test_a_missing_demo_model_says_what_to_do_and_what_was_tried),
        cmocka_unit_test(test_a_file_that_is_no_library_is_named),
        cmocka_unit_test(test_a_missing_symbol_is_named),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
