/* SPDX-License-Identifier: Apache-2.0 */
/* The front of the hooks: languages side by side, what hosts are told and what they see of the environment, descriptions,
 * effects, news, and the process that serves closures. The hosts are scripted (test_hooks_threads.h). */
#include "test_hooks_threads.h"

#include <sys/socket.h>
#include <sys/wait.h>

static const char *ask(struct world *w, struct call *k, int hook, const char *input) {
    start(w, k, hook, input, NULL);
    sg_loop_run(w->loop);
    if (k->status != 0) fail_msg("%s: %s", input, k->error);
    return k->result;
}

/* ---- languages ---- */

static void test_each_language_has_hosts_of_its_own(void **state) {
    (void)state;
    struct world w;
    struct call k;
    struct sg_hook_figures f;
    open_world(&w, (struct sg_hooks_options){.python = host_named("threads")});
    int jq = add(&w, ". + 1", SG_ROLE_PRE), python = add_python(&w, "hooks.f");
    assert_int_equal(load(&w), 0);
    assert_string_equal(ask(&w, &k, jq, "1"), "[2]");
    assert_string_equal(ask(&w, &k, python, "1"), "[1]");
    assert_int_equal(figures(&w).hosts, 2);
    assert_true(sg_hooks_figures_of(w.hooks, SG_HOOK_PYTHON, &f) && f.hosts == 1 && f.calls == 1);
    assert_false(sg_hooks_figures_of(w.hooks, SG_HOOK_CLOSURE, &f));
    close_world(&w);
}

static void test_hooks_are_the_same_by_text_role_and_config(void **state) {
    (void)state;
    struct world w;
    struct sg_json one = sg_json_string(SG_STR("one")), two = sg_json_string(SG_STR("two"));
    struct sg_hook_spec spec = {.kind = SG_HOOK_PYTHON, .text = SG_STR("hooks.f")};
    open_world(&w, (struct sg_hooks_options){.python = host_named("threads")});
    assert_int_equal(sg_hooks_add(w.hooks, &spec, SG_ROLE_LAMBDA, SG_STR("a"), &one), 0);
    assert_int_equal(sg_hooks_add(w.hooks, &spec, SG_ROLE_LAMBDA, SG_STR("b"), &two), 1);
    assert_int_equal(sg_hooks_add(w.hooks, &spec, SG_ROLE_LAMBDA, SG_STR("c"), &one), 0);
    assert_int_equal(sg_hooks_add(w.hooks, &spec, SG_ROLE_PRE, SG_STR("a"), &one), 2);
    spec.kind = SG_HOOK_CLOSURE;
    assert_int_equal(sg_hooks_add(w.hooks, &spec, SG_ROLE_PRE, SG_STR("a"), &one), 3);
    close_world(&w);
}

static void test_a_lambda_in_jq_sees_its_node(void **state) {
    (void)state;
    struct world w;
    struct call k;
    struct sg_member m = {SG_STR("k"), sg_json_string(SG_STR("v"))};
    struct sg_json node = sg_json_object(&m, 1);
    struct sg_hook_spec spec = {.kind = SG_HOOK_JQ, .text = SG_STR("$node.k + .")};
    open_world(&w, (struct sg_hooks_options){0});
    int hook = sg_hooks_add(w.hooks, &spec, SG_ROLE_LAMBDA, SG_STR("n"), &node);
    assert_int_equal(load(&w), 0);
    assert_string_equal(ask(&w, &k, hook, "\"w\""), "[\"vw\"]");
    close_world(&w);
}

/* ---- what hosts are told, and tell ---- */

static void test_a_load_tells_role_node_and_config(void **state) {
    (void)state;
    struct world w;
    struct call k;
    struct sg_json config = sg_json_string(SG_STR("c"));
    struct sg_hook_spec spec = {.kind = SG_HOOK_PYTHON, .text = SG_STR("hooks.G")};
    open_world(&w, (struct sg_hooks_options){.python = host_named("threads")});
    sg_hooks_add(w.hooks, &spec, SG_ROLE_GENERATE, SG_STR("here"), &config);
    assert_int_equal(load(&w), 0);
    assert_string_equal(ask(&w, &k, 0, "\"load 0\""),
                        "[\"{\\\"hook\\\":0,\\\"again\\\":false,\\\"language\\\":\\\"python\\\",\\\"role\\\":\\\"generate\\\","
                        "\\\"variables\\\":[],\\\"node\\\":\\\"here\\\",\\\"text\\\":\\\"hooks.G\\\",\\\"config\\\":\\\"c\\\"}\"]");
    close_world(&w);
}

static void test_descriptions_effects_seeds_and_tracebacks_come_through(void **state) {
    (void)state;
    struct world w;
    struct call k;
    open_threads(&w, "threads", (struct sg_hooks_options){0});
    const struct sg_json *said = sg_hooks_description(w.hooks, 0);
    assert_true(said && sg_json_is_text(sg_json_get(said, SG_STR("name")), SG_STR("f0")));
    ask(&w, &k, 0, "\"effect\"");
    assert_string_equal(k.effects, "{\"kept\":[\"a\"]}");
    ask(&w, &k, 0, "1");
    assert_string_equal(k.effects, "");
    start(&w, &k, 0, "\"seed\"", NULL);
    k.c.seed = 18446744073709551615u;
    sg_loop_run(w.loop);
    assert_string_equal(k.result, "[\"18446744073709551615\"]");
    start(&w, &k, 0, "\"raise\"", NULL);
    sg_loop_run(w.loop);
    assert_string_equal(k.error, "python: ValueError: oops");
    sg_buf_ch(&w.traced, 0);
    assert_string_equal(w.traced.p, "python: ValueError: oops|Traceback\n  File \"hooks.py\", line 7, in f\n");
    close_world(&w);
}

static void test_news_go_to_hosts_that_want_them(void **state) {
    (void)state;
    struct world w;
    struct call k;
    open_threads(&w, "threads", (struct sg_hooks_options){0});
    ask(&w, &k, 0, "1");
    assert_false(sg_hooks_wants(w.hooks, SG_NEWS_EVENTS));
    close_world(&w);
    open_threads(&w, "curious", (struct sg_hooks_options){0});
    ask(&w, &k, 0, "1");
    assert_true(sg_hooks_wants(w.hooks, SG_NEWS_EVENTS) && sg_hooks_wants(w.hooks, SG_NEWS_FIGURES));
    sg_hooks_tell(w.hooks, SG_NEWS_FIGURES, SG_STR("{1}"));
    sg_hooks_tell(w.hooks, SG_NEWS_EVENTS, SG_STR("{2}"));
    assert_string_equal(ask(&w, &k, 0, "\"news\""), "[\"{1} {2}\"]");
    close_world(&w);
}

/* ---- the interpreter and its environment ---- */

static void test_hosts_see_no_tokens(void **state) {
    (void)state;
    struct world w;
    struct call k;
    setenv("HF_TOKEN", "t", 1), setenv("My_Secret_Thing", "t", 1), setenv("SYGRA_M_URL", "u", 1);
    setenv("LET_TOKEN", "let", 1), setenv("PLAIN", "p", 1), setenv("PYTHONPATH", "/mine", 1);
    open_threads(&w, "threads", (struct sg_hooks_options){.env_names = "OTHER, LET_TOKEN"});
    assert_string_equal(ask(&w, &k, 0, "\"env HF_TOKEN\""), "[\"nothing\"]");
    assert_string_equal(ask(&w, &k, 0, "\"env My_Secret_Thing\""), "[\"nothing\"]");
    assert_string_equal(ask(&w, &k, 0, "\"env SYGRA_M_URL\""), "[\"nothing\"]");
    assert_string_equal(ask(&w, &k, 0, "\"env LET_TOKEN\""), "[\"let\"]");
    assert_string_equal(ask(&w, &k, 0, "\"env PLAIN\""), "[\"p\"]");
    assert_non_null(strstr(ask(&w, &k, 0, "\"env PYTHONPATH\""), "/python:/mine"));
    close_world(&w);
    unsetenv("PYTHONPATH");
}

static void check_not_found(const char *python, const char *text) {
    struct world w;
    open_world(&w, (struct sg_hooks_options){.python = python});
    add_python(&w, "hooks.f");
    assert_int_equal(load(&w), SG_E_HOST);
    assert_int_equal(w.diags.errors, 1);
    if (!strstr(w.diags.items[0].text.p, text)) fail_msg("'%s' is not in '%s'", text, w.diags.items[0].text.p);
    close_world(&w);
}

static void test_a_missing_interpreter_or_package_is_named(void **state) {
    (void)state;
    check_not_found("/nowhere/python", "--python /nowhere/python: there is no such program");
    setenv("VIRTUAL_ENV", "/nowhere", 1), setenv("SYGRA_HOME", "/nowhere", 1), setenv("XDG_CACHE_HOME", "/nowhere", 1);
    check_not_found(host_named("threads"), "the Python package `sygra` is not beside this program");
    setenv("SYGRA_HOME", folder, 1);
}

static void test_the_active_virtual_environment_is_used(void **state) {
    (void)state;
    struct world w;
    struct call k;
    char command[1200], venv[80];
    snprintf(venv, sizeof venv, "%s/venv", folder);
    snprintf(command, sizeof command, "mkdir -p '%s/bin' && cp -s '%s' '%s/bin/python'", venv, self, venv);
    assert_int_equal(system(command), 0);
    setenv("VIRTUAL_ENV", venv, 1);
    open_world(&w, (struct sg_hooks_options){0});
    add_python(&w, "hooks.f");
    assert_int_equal(load(&w), 0);
    assert_string_equal(ask(&w, &k, 0, "5"), "[5]");
    close_world(&w);
    unsetenv("VIRTUAL_ENV");
}

/* ---- closures ---- */

/* The process at the other end, which this program becomes again. */
static pid_t serve_closures(const char *name, int *fd) {
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    const char *path = host_named(name);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], 3);
        execl(self, path, "/sygra/host", (char *)NULL);
        _exit(9);
    }
    close(ends[1]);
    *fd = ends[0];
    return pid;
}

static pid_t open_closures(struct world *w, const char *name, struct sg_hooks_options o) {
    struct sg_hook_spec spec = {.kind = SG_HOOK_CLOSURE, .text = SG_STR("f"), .path = SG_STR("here")};
    pid_t pid = serve_closures(name, &o.attached_fd);
    o.attached = true;
    open_world(w, o);
    sg_hooks_add(w->hooks, &spec, SG_ROLE_POST, SG_STR_NONE, NULL);
    assert_int_equal(load(w), 0);
    return pid;
}

static void test_closures_are_called_in_the_process_that_is_there(void **state) {
    (void)state;
    struct world w;
    struct call k[100];
    pid_t pid = open_closures(&w, "blind", (struct sg_hooks_options){0});
    run_many(&w, k, 100, 0, "1", 100, NULL);
    for (int i = 0; i < 100; i++) assert_string_equal(k[i].result, "[1]");
    close_world(&w);
    assert_int_equal(waitpid(pid, NULL, 0), pid); /* it has seen the end of the socket */
}

static void test_a_closure_over_its_deadline_fails_and_the_process_lives_on(void **state) {
    (void)state;
    struct world w;
    struct call k[10], again;
    pid_t pid = open_closures(&w, "blind", (struct sg_hooks_options){.python_deadline_ms = 1500});
    run_many(&w, k, 10, 0, "1", 4, "\"hang\"");
    expect_only_failure(k, 10, 4, SG_E_TIMEOUT, "closure: the hook ran longer than 1500 ms");
    assert_int_equal(kill(pid, 0), 0);
    assert_string_equal(ask(&w, &again, 0, "7"), "[7]");
    close_world(&w);
    waitpid(pid, NULL, 0);
}

static void test_the_end_of_that_process_fails_all_its_closures(void **state) {
    (void)state;
    static const char GONE[] = "the process that started this run, and serves its hooks, has gone";
    struct world w;
    struct call k[100], again;
    pid_t pid = open_closures(&w, "blind", (struct sg_hooks_options){0});
    run_many(&w, k, 100, 0, "1", 5, "\"kill\"");
    for (int i = 0; i < 100; i++)
        if (k[i].status != SG_E_HOST || !strstr(k[i].error, GONE)) fail_msg("call %d: %s", i, k[i].error);
    start(&w, &again, 0, "1", NULL);
    sg_loop_run(w.loop);
    assert_non_null(strstr(again.error, GONE));
    close_world(&w);
    waitpid(pid, NULL, 0);
}

static void test_closures_without_such_a_process_are_refused(void **state) {
    (void)state;
    struct world w;
    struct sg_hook_spec spec = {.kind = SG_HOOK_CLOSURE, .text = SG_STR("f"), .path = SG_STR("here")};
    open_world(&w, (struct sg_hooks_options){0});
    sg_hooks_add(w.hooks, &spec, SG_ROLE_POST, SG_STR_NONE, NULL);
    assert_int_equal(load(&w), SG_E_HOST);
    assert_non_null(strstr(w.diags.items[0].text.p, "was not started by a process that serves its closures"));
    close_world(&w);
}

int main(int argc, char **argv) {
    if (is_threads_host(argc, argv)) return threads_host(argv[0]);
    if (argc == 3 && strcmp(argv[1], "--host") == 0) return sg_host_jq_main(3);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_language_has_hosts_of_its_own),
        cmocka_unit_test(test_hooks_are_the_same_by_text_role_and_config),
        cmocka_unit_test(test_a_lambda_in_jq_sees_its_node),
        cmocka_unit_test(test_a_load_tells_role_node_and_config),
        cmocka_unit_test(test_descriptions_effects_seeds_and_tracebacks_come_through),
        cmocka_unit_test(test_news_go_to_hosts_that_want_them),
        cmocka_unit_test(test_hosts_see_no_tokens),
        cmocka_unit_test(test_a_missing_interpreter_or_package_is_named),
        cmocka_unit_test(test_the_active_virtual_environment_is_used),
        cmocka_unit_test(test_closures_are_called_in_the_process_that_is_there),
        cmocka_unit_test(test_a_closure_over_its_deadline_fails_and_the_process_lives_on),
        cmocka_unit_test(test_the_end_of_that_process_fails_all_its_closures),
        cmocka_unit_test(test_closures_without_such_a_process_are_refused),
    };
    return cmocka_run_group_tests(tests, make_threads_folder, remove_folder);
}
