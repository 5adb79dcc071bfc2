/* SPDX-License-Identifier: Apache-2.0 */
/* jq programs in this process: what they see, give, raise, and how they are refused. Most of it stands in
 * tests/cases/jq/programs.txt. Programs that end or hang their process are in test_hooks_hosts.c. */
#include "base/base.h"
#include "hooks/jq_program.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#else
#define __lsan_disable() ((void)0)
#define __lsan_enable() ((void)0)
#endif

#define CASES "tests/cases/jq/programs.txt"
#define NOW 1700000000.25

static struct sg_buf printed;

static void on_print(void *ud, struct sg_str json) {
    (void)ud;
    sg_buf_str(&printed, json);
    sg_buf_ch(&printed, '\n');
}

static const struct sg_jq_setup PLAIN = {.now = NOW, .on_print = on_print};
static const struct sg_jq_setup WITH_STATE = {.now = NOW, .on_print = on_print, .state = true};

/* ---- cases ---- */

struct one_case {
    int line;
    struct sg_buf program;
    bool has_program;
    char *input, *state, *gives, *raises, *refused;
};

static void free_case(struct one_case *c) {
    sg_buf_fini(&c->program);
    free(c->input), free(c->state), free(c->gives), free(c->raises), free(c->refused);
    *c = (struct one_case){.program = SG_BUF_INIT(0)};
}

/* What happened, in the words of the file. */
static void observe(struct one_case *c, struct sg_arena *a, struct sg_buf *seen) {
    struct sg_jq *p;
    struct sg_jq_fault fault;
    struct sg_err err;
    struct sg_json input, state;
    if (c->refused) __lsan_disable(); /* libjq 1.6's parser loses the last token of a text that it refuses */
    int rc = sg_jq_open(sg_buf_view(&c->program), c->state ? &WITH_STATE : &PLAIN, &p, &fault);
    if (c->refused) __lsan_enable();
    if (rc != 0) {
        sg_buf_printf(seen, "refused %u:%u %s", fault.line, fault.column, fault.text);
        return;
    }
    assert_int_equal(sg_json_parse(a, sg_str(c->input ? c->input : "null"), &input, NULL, &err), 0);
    if (c->state) assert_int_equal(sg_json_parse(a, sg_str(c->state), &state, NULL, &err), 0);
    struct sg_buf out = SG_BUF_INIT(0);
    for (int again = 0; again < 2; again++) { /* a program leaves nothing behind for its next call */
        sg_buf_reset(&out, SIZE_MAX);
        sg_buf_reset(seen, SIZE_MAX);
        rc = sg_jq_run(p, &input, c->state ? &state : NULL, &out, &err);
        if (rc == 0) sg_buf_printf(seen, "gives %.*s", SG_ARG(sg_buf_view(&out)));
        else sg_buf_printf(seen, "raises %s", err.text);
    }
    sg_buf_fini(&out);
    sg_jq_close(p);
}

static bool check(struct one_case *c, struct sg_arena *a) {
    struct sg_buf seen = SG_BUF_INIT(0), wanted = SG_BUF_INIT(0);
    observe(c, a, &seen);
    if (c->gives) sg_buf_printf(&wanted, "gives %s", c->gives);
    else if (c->raises) sg_buf_printf(&wanted, "raises %s", c->raises);
    else sg_buf_printf(&wanted, "refused %s", c->refused);
    bool good = c->gives ? sg_str_eq(sg_buf_view(&seen), sg_buf_view(&wanted))
                         : sg_str_starts(sg_buf_view(&seen), sg_buf_view(&wanted));
    if (!good)
        print_error("%s:%d: wanted: %.*s\n  seen:   %.*s\n", CASES, c->line, SG_ARG(sg_buf_view(&wanted)),
                    SG_ARG(sg_buf_view(&seen)));
    sg_buf_fini(&seen);
    sg_buf_fini(&wanted);
    return good;
}

static char *rest_of(const char *line, const char *word) {
    size_t n = strlen(word);
    if (strncmp(line, word, n) != 0 || (line[n] != ' ' && line[n] != '\0')) return NULL;
    return strdup(line[n] ? line + n + 1 : "");
}

static void read_line(struct one_case *c, const char *line, int number) {
    char *text;
    if ((text = rest_of(line, "program"))) {
        if (c->has_program) sg_buf_ch(&c->program, '\n');
        else c->line = number;
        c->has_program = true;
        sg_buf_str(&c->program, sg_str(text));
        free(text);
    } else if ((text = rest_of(line, "input"))) c->input = text;
    else if ((text = rest_of(line, "state"))) c->state = text;
    else if ((text = rest_of(line, "gives"))) c->gives = text;
    else if ((text = rest_of(line, "raises"))) c->raises = text;
    else if ((text = rest_of(line, "refused"))) c->refused = text;
    else fail_msg("%s:%d: what is this? %s", CASES, number, line);
}

static void test_programs_of_the_case_file(void **state) {
    (void)state;
    FILE *f = fopen(CASES, "r");
    if (!f) fail_msg("%s: not found: start the test in the repository's root", CASES);
    struct one_case c = {.program = SG_BUF_INIT(0)};
    struct sg_arena a;
    sg_arena_init(&a, 0);
    char line[4096];
    int number = 0, cases = 0, bad = 0;
    for (bool more = true; more;) {
        more = fgets(line, sizeof line, f) != NULL;
        if (!more) line[0] = '\0';
        line[strcspn(line, "\n")] = '\0';
        number++;
        if (line[0] == '\0' && c.has_program) {
            bad += !check(&c, &a);
            cases++;
            free_case(&c);
        } else if (line[0] != '#' && line[0] != '\0') {
            read_line(&c, line, number);
        }
    }
    fclose(f);
    sg_arena_fini(&a);
    sg_buf_fini(&printed);
    assert_true(cases > 50);
    assert_int_equal(bad, 0);
}

/* ---- what does not fit into a line ---- */

/* Runs a program with input null and a buffer of `max` bytes. */
static int run_with(const char *program, size_t max, struct sg_buf *out, struct sg_err *err) {
    struct sg_jq *p;
    struct sg_jq_fault fault;
    if (sg_jq_open(sg_str(program), &PLAIN, &p, &fault) != 0) fail_msg("%s: %s", program, fault.text);
    *out = SG_BUF_INIT(max);
    struct sg_json input = sg_json_null();
    int rc = sg_jq_run(p, &input, NULL, out, err);
    sg_jq_close(p);
    return rc;
}

static void test_debug_and_stderr_are_printed_as_json(void **state) {
    (void)state;
    struct sg_buf out;
    struct sg_err err;
    printed = SG_BUF_INIT(0);
    assert_int_equal(run_with("{a: 1.50} | debug | .a | stderr", 1000, &out, &err), 0);
    assert_true(sg_str_eq(sg_buf_view(&printed), SG_STR("{\"a\":1.5}\n1.5\n")));
    sg_buf_fini(&printed);
    sg_buf_fini(&out);
}

static void test_results_over_the_limit_of_bytes_are_refused(void **state) {
    (void)state;
    struct sg_buf out;
    struct sg_err err;
    assert_int_equal(run_with("[range(100000)]", 1000, &out, &err), SG_E_LIMIT);
    sg_buf_fini(&out);
    assert_int_equal(run_with("range(100000)", 1000, &out, &err), SG_E_LIMIT);
    sg_buf_fini(&out);
}

static void test_outputs_without_end_are_refused(void **state) {
    (void)state;
    struct sg_buf out;
    struct sg_err err;
    assert_int_equal(run_with("repeat(1)", (size_t)1 << 30, &out, &err), SG_E_LIMIT);
    assert_non_null(strstr(err.text, "1000000"));
    sg_buf_fini(&out);
}

static void test_depth_ends_where_the_engine_can_still_read(void **state) {
    (void)state;
    struct sg_buf out;
    struct sg_err err;
    struct sg_arena a;
    struct sg_json back;
    assert_int_equal(run_with("reduce range(510) as $i (null; [.])", 100000, &out, &err), 0);
    sg_arena_init(&a, 0);
    assert_int_equal(sg_json_parse(&a, sg_buf_view(&out), &back, NULL, &err), 0);
    sg_buf_fini(&out);
    assert_int_equal(run_with("reduce range(512) as $i (null; [.])", 100000, &out, &err), SG_E_LIMIT);
    sg_buf_fini(&out);
    assert_int_equal(run_with("reduce range(511) as $i (null; {a: .})", 100000, &out, &err), 0);
    assert_int_equal(sg_json_parse(&a, sg_buf_view(&out), &back, NULL, &err), 0);
    sg_buf_fini(&out);
    sg_arena_fini(&a);
}

static void test_a_program_with_nul_is_refused(void **state) {
    (void)state;
    struct sg_jq *p;
    struct sg_jq_fault fault;
    assert_int_equal(sg_jq_open((struct sg_str){".\0a", 3}, &PLAIN, &p, &fault), SG_E_HOOK);
    assert_non_null(strstr(fault.text, "NUL"));
}

/* Many numbers of every kind go through untouched. */
static void test_numbers_pass_through_with_their_text(void **state) {
    (void)state;
    struct sg_buf in = SG_BUF_INIT(0), out = SG_BUF_INIT(0);
    SG_BUF_LIT(&in, "[");
    for (int i = 1; i < 5000; i++) sg_buf_printf(&in, "%d.%04d50,1%018d,%d,", i % 97, i, i * 4096, i);
    SG_BUF_LIT(&in, "null]");
    struct sg_arena a;
    struct sg_err err;
    struct sg_json v;
    struct sg_jq *p;
    struct sg_jq_fault fault;
    sg_arena_init(&a, 0);
    assert_int_equal(sg_json_parse(&a, sg_buf_view(&in), &v, NULL, &err), 0);
    assert_int_equal(sg_jq_open(SG_STR(".[]"), &PLAIN, &p, &fault), 0);
    assert_int_equal(sg_jq_run(p, &v, NULL, &out, &err), 0);
    assert_true(sg_str_eq(sg_buf_view(&in), sg_buf_view(&out)));
    sg_jq_close(p);
    sg_arena_fini(&a);
    sg_buf_fini(&in);
    sg_buf_fini(&out);
}

int main(void) {
    static char *nothing[] = {NULL};
    environ = nothing; /* as in a host */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_programs_of_the_case_file),
        cmocka_unit_test(test_debug_and_stderr_are_printed_as_json),
        cmocka_unit_test(test_results_over_the_limit_of_bytes_are_refused),
        cmocka_unit_test(test_outputs_without_end_are_refused),
        cmocka_unit_test(test_depth_ends_where_the_engine_can_still_read),
        cmocka_unit_test(test_a_program_with_nul_is_refused),
        cmocka_unit_test(test_numbers_pass_through_with_their_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
