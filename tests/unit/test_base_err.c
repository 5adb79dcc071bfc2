/* SPDX-License-Identifier: Apache-2.0 */
/* The table of failures, and the texts that travel. */
#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void test_every_code_has_a_name_and_a_text(void **state) {
    (void)state;
    assert_string_equal(sg_error_name(SG_OK), "ok");
    assert_string_equal(sg_error_name(SG_E_IO), "io");
    assert_string_equal(sg_error_name(SG_E_TIMEOUT), "timeout");
    assert_string_equal(sg_error_text(SG_E_TIMEOUT), "no answer in time");
    assert_string_equal(sg_error_name(SG_E_MODEL), "model");
    assert_true(sg_error_retryable(SG_E_BUSY));
    assert_false(sg_error_retryable(SG_E_IO));
    assert_false(sg_error_retryable(SG_OK));
}

static void test_numbers_that_are_no_code_are_unknown(void **state) {
    (void)state;
    static const int CODES[] = {SG_E_FIRST_, SG_E_INVALID + 1, -1, 1, -5000};
    for (size_t i = 0; i < sizeof CODES / sizeof *CODES; i++) {
        assert_string_equal(sg_error_name(CODES[i]), "unknown");
        assert_string_equal(sg_error_text(CODES[i]), "unknown error");
        assert_false(sg_error_retryable(CODES[i]));
    }
}

static void test_fail_fills_the_error_and_returns_the_code(void **state) {
    (void)state;
    struct sg_err err = {.sys = 5, .status = 500};
    assert_int_equal(sg_fail(&err, SG_E_TYPE, "node %s: %d", "q", 3), SG_E_TYPE);
    assert_int_equal(err.code, SG_E_TYPE);
    assert_int_equal(err.sys, 0);
    assert_int_equal(err.status, 0);
    assert_string_equal(err.text, "node q: 3");
    assert_int_equal(sg_fail(NULL, SG_E_TYPE, "nobody asked"), SG_E_TYPE);
}

static void test_fail_sys_appends_the_systems_reason(void **state) {
    (void)state;
    struct sg_err err;
    assert_int_equal(sg_fail_sys(&err, SG_E_IO, ENOENT, "cannot open %s", "a.yaml"), SG_E_IO);
    assert_string_equal(err.text, "cannot open a.yaml: No such file or directory");
    assert_int_equal(err.sys, ENOENT);
    assert_int_equal(sg_fail_sys(NULL, SG_E_IO, ENOENT, "x"), SG_E_IO);
}

static void test_wrap_puts_its_text_before_and_keeps_the_context(void **state) {
    (void)state;
    struct sg_err err;
    sg_fail_sys(&err, SG_E_IO, EACCES, "cannot open x");
    err.status = 503;
    assert_int_equal(sg_err_wrap(&err, SG_E_HOOK, "node %s", "q"), SG_E_HOOK);
    assert_string_equal(err.text, "node q: cannot open x: Permission denied");
    assert_int_equal(err.code, SG_E_HOOK);
    assert_int_equal(err.sys, EACCES);
    assert_int_equal(err.status, 503);
    assert_int_equal(sg_err_wrap(NULL, SG_E_HOOK, "x"), SG_E_HOOK);
    struct sg_err empty = {0};
    sg_err_wrap(&empty, SG_E_HOOK, "alone");
    assert_string_equal(empty.text, "alone");
}

static void test_an_argument_may_be_the_errors_own_text(void **state) {
    (void)state;
    struct sg_err err;
    sg_fail(&err, SG_E_IO, "inner");
    sg_fail(&err, SG_E_HOST, "outer (%s)", err.text);
    assert_string_equal(err.text, "outer (inner)");
    sg_err_wrap(&err, SG_E_HOST, "<%s>", err.text);
    assert_string_equal(err.text, "<outer (inner)>: outer (inner)");
}

static void test_a_text_is_one_line_without_control_characters(void **state) {
    (void)state;
    struct sg_err err;
    sg_fail(&err, SG_E_REPLY, "%s", "a\nb\tc\x1B[31m\x7F\xC2\x9B" "e\xC2\xA0");
    assert_string_equal(err.text, "a b c [31m   e\xC2\xA0");
    sg_fail(&err, SG_E_REPLY, "%s", "a\xFFz\xC3");
    assert_string_equal(err.text, "a?z?");
}

static void test_long_texts_are_cut_between_characters(void **state) {
    (void)state;
    struct sg_err err;
    char text[2000];
    for (size_t lead = 0; lead < 4; lead++) {
        size_t n = 0;
        for (; n < lead; n++) text[n] = 'a';
        for (; n + 4 < sizeof text; n += 4) memcpy(text + n, "\xF0\x9F\x98\x80", 4);
        text[n] = '\0';
        sg_fail(&err, SG_E_REPLY, "%s", text);
        size_t got = strlen(err.text);
        assert_in_range(got, SG_ERR_TEXT - 4, SG_ERR_TEXT - 1);
        assert_int_equal((got - lead) % 4, 0);
        sg_err_wrap(&err, SG_E_REPLY, "%s", "x");
        assert_true(sg_utf8_valid(sg_str(err.text), NULL));
        assert_in_range(strlen(err.text), SG_ERR_TEXT - 4, SG_ERR_TEXT - 1);
        sg_fail_sys(&err, SG_E_IO, ENOENT, "%s", text);
        assert_true(sg_utf8_valid(sg_str(err.text), NULL));
    }
}

/* Runs fn in a child; what it printed to stderr goes to `out`. */
static int status_of_child(void (*fn)(void), char *out, size_t size) {
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(pipe_fds[1], 2);
        signal(SIGABRT, SIG_DFL);
        fn();
        _exit(0);
    }
    close(pipe_fds[1]);
    ssize_t n = read(pipe_fds[0], out, size - 1);
    out[n > 0 ? n : 0] = '\0';
    close(pipe_fds[0]);
    int status = 0;
    waitpid(pid, &status, 0);
    return status;
}

static void break_an_invariant(void) {
    SG_ASSERT(1 + 1 == 3);
}

static void keep_an_invariant(void) {
    SG_ASSERT(1 + 1 == 2);
}

static void test_a_failed_assertion_says_where_and_aborts(void **state) {
    (void)state;
    char out[300];
    int status = status_of_child(break_an_invariant, out, sizeof out);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(out, "1 + 1 == 3"));
    assert_non_null(strstr(out, "test_base_err.c:"));
    assert_int_equal(status_of_child(keep_an_invariant, out, sizeof out), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_code_has_a_name_and_a_text),
        cmocka_unit_test(test_numbers_that_are_no_code_are_unknown),
        cmocka_unit_test(test_fail_fills_the_error_and_returns_the_code),
        cmocka_unit_test(test_fail_sys_appends_the_systems_reason),
        cmocka_unit_test(test_wrap_puts_its_text_before_and_keeps_the_context),
        cmocka_unit_test(test_an_argument_may_be_the_errors_own_text),
        cmocka_unit_test(test_a_text_is_one_line_without_control_characters),
        cmocka_unit_test(test_long_texts_are_cut_between_characters),
        cmocka_unit_test(test_a_failed_assertion_says_where_and_aborts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
