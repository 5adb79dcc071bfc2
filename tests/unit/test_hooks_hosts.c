/* SPDX-License-Identifier: Apache-2.0 */
/* The pool of hosts, with real processes: this program is started again as the built-in jq host, or, by another name,
 * as a host that misbehaves on purpose (section "hosts of our own"). Programs that hang, abort and eat memory are
 * here. */
#include "test_hooks.h"

/* ---- hosts of our own ---- */

static bool is(const char *name) {
    return strcmp(host_name, name) == 0;
}

/* True in the first process of that name only. */
static bool first_time(const char *argv0) {
    char note[600];
    snprintf(note, sizeof note, "%s.was-here", argv0);
    bool first = access(note, F_OK) != 0;
    FILE *f = fopen(note, "w");
    if (f) fclose(f);
    return first;
}

static void odd_call(struct sg_buf *b, const struct sg_call_frame *c, bool first, uint32_t count) {
    static struct { uint64_t id; char text[32]; } held[3];
    static uint32_t n_held;
    bool fatal = sg_str_eq(c->input, SG_STR("\"fatal\""));
    if (is("aborts") && fatal) abort();
    if (is("exits") && fatal) _exit(7);
    if (is("closes") && fatal) close(3), pause();
    if (is("dies-once") && first && count == 3) raise(SIGKILL);
    if (is("killed") && fatal) raise(SIGKILL);
    if (is("wrong-id") && fatal) say_result(b, 12345678, SG_STR("1"));
    else if (is("no-array") && fatal) {
        size_t at = sg_frame_begin_answer(b, SG_FRAME_RESULT, c->id, 0);
        sg_buf_add(b, "{oh", 3);
        sg_frame_end_body(b, at);
        sg_frame_end(b, at);
    } else if (is("shuffles")) { /* answers three at a time, the last one first */
        held[n_held].id = c->id;
        snprintf(held[n_held].text, sizeof held[n_held].text, "%.*s", SG_ARG(c->input));
        if (++n_held < 3) return;
        while (n_held--) say_result(b, held[n_held].id, sg_str(held[n_held].text));
        n_held = 0;
    } else say_result(b, c->id, c->input);
}

static void odd_load(struct sg_buf *b, const struct sg_frame *f) {
    struct sg_arena a;
    struct sg_json v;
    char text[64];
    sg_arena_init(&a, 0);
    if (sg_json_parse(&a, f->payload, &v, NULL, NULL) != 0) _exit(9);
    struct sg_str number = sg_json_text(sg_json_get(&v, SG_STR("hook")));
    if (is("crashes-loading") && sg_json_is_text(sg_json_get(&v, SG_STR("text")), SG_STR("bad"))) abort();
    snprintf(text, sizeof text, "{\"hook\":%.*s}", SG_ARG(number));
    say_json(b, SG_FRAME_LOADED, text);
    sg_arena_fini(&a);
}

static void odd_hello(struct sg_buf *b) {
    if (is("mute")) _exit(1);
    if (is("garbage")) sg_buf_add(b, "GET / HTTP/1.1\r\n\r\n", 18);
    else if (is("future")) say_json(b, SG_FRAME_READY, "{\"sygra_hooks\":3}");
    else if (is("shuffles")) say_json(b, SG_FRAME_READY, "{\"sygra_hooks\":2,\"window\":6}");
    else say_json(b, SG_FRAME_READY, "{\"sygra_hooks\":2,\"serial\":true,\"window\":9}");
}

static int odd_host(const char *argv0) {
    struct sg_frames in;
    struct sg_frame f;
    struct sg_call_frame c;
    struct sg_buf b = SG_BUF_INIT(0);
    static char chunk[4096];
    uint32_t count = 0;
    bool first = first_time(argv0);
    sg_frames_init(&in, 1 << 20);
    for (ssize_t n; (n = read(3, chunk, sizeof chunk)) > 0;) {
        sg_frames_feed(&in, chunk, (size_t)n);
        while (sg_frames_next(&in, &f) > 0) {
            if (f.kind == SG_FRAME_HELLO) odd_hello(&b);
            else if (f.kind == SG_FRAME_LOAD) odd_load(&b, &f);
            else if (f.kind == SG_FRAME_CALL && sg_frame_read_call(&f, &c)) odd_call(&b, &c, first, ++count);
            send_all(&b); /* the next frame may be the last one */
        }
    }
    return 0;
}

/* ---- results ---- */

static void test_outputs_come_as_one_array(void **state) {
    (void)state;
    struct sg_hooks_options o = {0};
    assert_string_equal(run_one(o, ".a, .b", "{\"a\":1,\"b\":[\"x\"]}").result, "[1,[\"x\"]]");
    assert_string_equal(run_one(o, "empty", "1").result, "[]");
    assert_string_equal(run_one(o, ".", "12345678901234567890").result, "[12345678901234567890]");
}

static void test_state_is_bound_for_each_call(void **state) {
    (void)state;
    struct world w;
    struct call k[2];
    open_world(&w, (struct sg_hooks_options){0});
    int hook = add(&w, "$state.n + .", SG_ROLE_TRANSFORM);
    assert_int_equal(load(&w), 0);
    start(&w, &k[0], hook, "1", "{\"n\":10}");
    start(&w, &k[1], hook, "2", "{\"n\":20}");
    sg_loop_run(w.loop);
    assert_string_equal(k[0].result, "[11]");
    assert_string_equal(k[1].result, "[22]");
    close_world(&w);
}

static void test_the_engines_environment_and_clock_are_not_seen(void **state) {
    (void)state;
    setenv("SYGRA_TOKEN", "secret", 1);
    struct sg_hooks_options o = {.now = 1700000000.5};
    assert_string_equal(run_one(o, "env, $ENV, now", "1").result, "[{},{},1700000000.5]");
}

static void test_the_same_hook_gets_the_same_number(void **state) {
    (void)state;
    struct world w;
    open_world(&w, (struct sg_hooks_options){0});
    assert_int_equal(add(&w, ".a", SG_ROLE_PRE), 0);
    assert_int_equal(add(&w, ".b", SG_ROLE_PRE), 1);
    assert_int_equal(add(&w, ".a", SG_ROLE_PRE), 0);
    assert_int_equal(add(&w, ".a", SG_ROLE_TRANSFORM), 2);
    close_world(&w);
}

static void test_prints_come_with_their_call(void **state) {
    (void)state;
    struct world w;
    struct call k;
    open_world(&w, (struct sg_hooks_options){0});
    int hook = add(&w, "debug | empty", SG_ROLE_PRE);
    assert_int_equal(load(&w), 0);
    start(&w, &k, hook, "[\"seen\"]", NULL);
    sg_loop_run(w.loop);
    assert_true(sg_str_eq(sg_buf_view(&w.printed), SG_STR("[\"seen\"]\n")));
    close_world(&w);
}

static void test_ten_thousand_calls_over_two_hosts(void **state) {
    (void)state;
    enum { N = 10000 };
    struct world w;
    struct call *k = sg_xcalloc(N, sizeof *k);
    char(*input)[16] = sg_xcalloc(N, sizeof *input), wanted[32];
    open_world(&w, (struct sg_hooks_options){.max_hosts = 2});
    int even = add(&w, ". + 1", SG_ROLE_PRE), odd = add(&w, ". - 1", SG_ROLE_PRE);
    assert_int_equal(load(&w), 0);
    for (int i = 0; i < N; i++) {
        snprintf(input[i], sizeof input[i], "%d", i);
        start(&w, &k[i], i % 2 ? odd : even, input[i], NULL);
    }
    sg_loop_run(w.loop);
    for (int i = 0; i < N; i++) {
        snprintf(wanted, sizeof wanted, "[%d]", i % 2 ? i - 1 : i + 1);
        assert_string_equal(k[i].result, wanted);
    }
    assert_int_equal(figures(&w).hosts, 2);
    assert_true(figures(&w).calls == N && figures(&w).failed == 0 && figures(&w).hosts_started == 2);
    close_world(&w);
    free(k);
    free(input);
}

static void test_large_values_go_both_ways(void **state) {
    (void)state;
    enum { N = 12, BYTES = 1 << 19 };
    struct world w;
    struct call k[N];
    char *text = sg_xmalloc(BYTES + 3);
    memset(text, 'x', BYTES + 2);
    text[0] = text[BYTES + 1] = '"', text[BYTES + 2] = '\0';
    open_world(&w, (struct sg_hooks_options){.max_hosts = 1});
    int same = add(&w, ".", SG_ROLE_PRE), length = add(&w, "length", SG_ROLE_PRE);
    assert_int_equal(load(&w), 0);
    for (int i = 0; i < N; i++) start(&w, &k[i], i % 2 ? same : length, text, NULL);
    sg_loop_run(w.loop);
    for (int i = 0; i < N; i++) {
        assert_int_equal(k[i].status, 0);
        assert_int_equal(strncmp(k[i].result, i % 2 ? "[\"xxx" : "[524288]", 5), 0);
    }
    close_world(&w);
    free(text);
}

/* ---- failures of programs ---- */

static void test_a_raised_error_is_the_calls_failure(void **state) {
    (void)state;
    struct call k = run_one((struct sg_hooks_options){0}, ".a", "[1]");
    assert_int_equal(k.status, SG_E_HOOK);
    assert_string_equal(k.error, "jq: Cannot index array with string \"a\"");
}

static void test_a_program_that_does_not_compile_is_reported_at_all_its_places(void **state) {
    (void)state;
    struct world w;
    open_world(&w, (struct sg_hooks_options){0});
    struct sg_hook_spec spec = {.kind = SG_HOOK_JQ, .text = SG_STR(".a\n  | nothing"), .path = SG_STR("first")};
    spec.mark.line = 7;
    sg_hooks_add(w.hooks, &spec, SG_ROLE_PRE, SG_STR_NONE, NULL);
    spec.mark.line = 9;
    spec.path = SG_STR("second");
    sg_hooks_add(w.hooks, &spec, SG_ROLE_PRE, SG_STR_NONE, NULL);
    add(&w, ".fine", SG_ROLE_PRE);
    add(&w, "import \"x\" as x; .", SG_ROLE_PRE);
    assert_int_equal(load(&w), SG_E_HOOK);
    assert_int_equal(w.diags.errors, 3);
    assert_int_equal(w.diags.items[0].mark.line, 7);
    assert_int_equal(w.diags.items[1].mark.line, 9);
    assert_true(sg_str_eq(w.diags.items[1].path, SG_STR("second")));
    assert_true(sg_str_eq(w.diags.items[0].text, SG_STR("jq: line 2, column 5: nothing/0 is not defined")));
    assert_true(sg_str_starts(w.diags.items[2].text, SG_STR("jq: a hook has no modules")));
    close_world(&w);
}

static void test_no_hooks_start_no_host(void **state) {
    (void)state;
    struct world w;
    open_world(&w, (struct sg_hooks_options){.exe = "/nowhere/sygra"});
    assert_int_equal(load(&w), 0);
    assert_int_equal(figures(&w).hosts_started, 0);
    close_world(&w);
}

static void test_a_print_may_be_larger_than_a_result(void **state) {
    (void)state;
    struct sg_hooks_options o = {.result_bytes = 1000};
    assert_string_equal(run_one(o, "[range(5000)] | debug | length", "1").result, "[5000]");
}

static void test_results_over_the_limit_fail_their_call_only(void **state) {
    (void)state;
    struct sg_hooks_options o = {.result_bytes = 10000};
    struct call k = run_one(o, "[range(10000)]", "1");
    assert_int_equal(k.status, SG_E_LIMIT);
    assert_non_null(strstr(k.error, "larger"));
}

static const char HANG_OR_PASS[] = "if . == \"hang\" then (def f: f; f) else . end";

static void test_a_hanging_program_fails_alone(void **state) {
    (void)state;
    enum { N = 50 };
    struct world w;
    struct call k[N];
    open_world(&w, (struct sg_hooks_options){.max_hosts = 1, .deadline_ms = 300});
    int hook = add(&w, HANG_OR_PASS, SG_ROLE_PRE);
    assert_int_equal(load(&w), 0);
    run_many(&w, k, N, hook, "1", 7, "\"hang\"");
    expect_only_failure(k, N, 7, SG_E_TIMEOUT, "jq: the program ran longer than 300 ms");
    assert_int_equal(figures(&w).timeouts, 1);
    assert_int_equal(figures(&w).hosts_died, 1);
    close_world(&w);
}

static void check_held_up(size_t n) {
    struct world w;
    struct call k[50];
    open_world(&w, (struct sg_hooks_options){.max_hosts = 2, .deadline_ms = 2000});
    int hook = add(&w, HANG_OR_PASS, SG_ROLE_PRE);
    assert_int_equal(load(&w), 0);
    run_many(&w, k, n, hook, "1", 0, "\"hang\"");
    expect_only_failure(k, n, 0, SG_E_TIMEOUT, "longer than 2 s");
    for (size_t i = 1; i < n; i++)
        if (k[i].took_ms > 1800) fail_msg("call %zu of %zu took %.0f ms", i, n, k[i].took_ms);
    close_world(&w);
}

static void test_a_hanging_program_does_not_hold_up_the_calls_behind_it(void **state) {
    (void)state;
    check_held_up(2);
    check_held_up(50);
}

/* One slow call among quick ones that print. True when each quick one ran once: the host skipped what was taken back. */
static bool run_slow_among_quick(void) {
    enum { N = 40 };
    struct world w;
    struct call k[N], again;
    open_world(&w, (struct sg_hooks_options){.max_hosts = 2});
    int hook = add(&w, "if . > 1 then reduce range(.) as $i (0; . + 1) else debug end", SG_ROLE_PRE);
    assert_int_equal(load(&w), 0);
    run_many(&w, k, N, hook, "1", 3, "3000000");
    for (int i = 0; i < N; i++) assert_int_equal(k[i].status, 0);
    bool once = w.printed.n == 2 * (N - 1);
    start(&w, &again, hook, "0", NULL);
    sg_loop_run(w.loop);
    assert_string_equal(again.result, "[0]");
    assert_int_equal(figures(&w).hosts_died, 0);
    close_world(&w);
    return once;
}

static void test_a_slow_program_is_waited_for_and_its_host_lives_on(void **state) {
    (void)state;
    int tries = 3; /* where the machine itself stalls for 100 ms, quick calls may run twice */
    while (tries > 0 && !run_slow_among_quick()) tries--;
    assert_true(tries > 0);
}

static void test_a_builtin_that_cannot_be_interrupted_ends_at_the_deadline(void **state) {
    (void)state;
    struct sg_hooks_options o = {.deadline_ms = 300};
    struct call k = run_one(o, ". * 1e9 | length", "\"x\"");
    assert_true(k.status == SG_E_TIMEOUT || k.status == SG_E_HOST); /* 1.7 asks for all of the memory at once */
}

static void test_a_program_that_eats_memory_is_stopped(void **state) {
    (void)state;
    struct sg_hooks_options o = {.deadline_ms = MEMORY_IS_LIMITED ? 20000 : 400, .memory_bytes = 128 << 20};
    struct call k = run_one(o, "[range(1e9)]", "1");
    if (MEMORY_IS_LIMITED) assert_string_equal(k.error, "jq: the program used more than 128 MB");
    assert_int_equal(k.status, MEMORY_IS_LIMITED ? SG_E_HOST : SG_E_TIMEOUT);
}

/* Freeing that array recurses: the stack overflows, and the handler of that signal has a stack of its own. */
static void test_calls_before_a_crash_keep_their_results(void **state) {
    (void)state;
    enum { N = 30 };
    struct world w;
    struct call k[N];
    open_world(&w, (struct sg_hooks_options){.max_hosts = 1});
    int hook = add(&w, "if . == \"deep\" then reduce range(400000) as $i (0; [.]) | 1 else . end", SG_ROLE_PRE);
    assert_int_equal(load(&w), 0);
    run_many(&w, k, N, hook, "1", 20, "\"deep\"");
    expect_only_failure(k, N, 20, SG_E_HOST, "its host was ended by signal 11");
    close_world(&w);
}

static void test_a_hook_that_always_kills_its_host_fails_each_call(void **state) {
    (void)state;
    enum { N = 6 };
    struct world w;
    struct call k[N];
    open_world(&w, (struct sg_hooks_options){.exe = host_named("aborts"), .max_hosts = 2});
    int hook = add(&w, "any", SG_ROLE_PRE);
    assert_int_equal(load(&w), 0);
    run_many(&w, k, N, hook, "\"fatal\"", 3, "3");
    for (int i = 0; i < N; i++) {
        assert_int_equal(k[i].status, i == 3 ? 0 : SG_E_HOST);
        if (i != 3) assert_string_equal(k[i].error, "jq: its host was ended by signal 6 (Aborted)");
    }
    assert_int_equal(figures(&w).hosts_died, N - 1);
    close_world(&w);
}

/* ---- failures of hosts ---- */

static void check_culprit(const char *host, size_t special, int code, const char *text) {
    enum { N = 25 };
    struct world w;
    struct call k[N];
    open_world(&w, (struct sg_hooks_options){.exe = host_named(host), .max_hosts = 1});
    int hook = add(&w, "any", SG_ROLE_PRE);
    assert_int_equal(load(&w), 0);
    run_many(&w, k, N, hook, "1", special, "\"fatal\"");
    expect_only_failure(k, N, special, code, text);
    close_world(&w);
}

static void test_the_call_at_work_is_blamed_and_no_other(void **state) {
    (void)state;
    check_culprit("aborts", 12, SG_E_HOST, "ended by signal 6");
    check_culprit("exits", 0, SG_E_HOST, "ended with status 7");
    check_culprit("closes", 24, SG_E_HOST, "closed the connection");
    check_culprit("wrong-id", 5, SG_E_HOST, "broke the protocol");
    check_culprit("no-array", 5, SG_E_HOST, "returned no JSON array");
}

static void test_a_host_killed_from_outside_costs_no_call(void **state) {
    (void)state;
    enum { N = 25 };
    struct world w;
    struct call k[N];
    open_world(&w, (struct sg_hooks_options){.exe = host_named("dies-once"), .max_hosts = 1});
    int hook = add(&w, "any", SG_ROLE_PRE);
    assert_int_equal(load(&w), 0);
    run_many(&w, k, N, hook, "1", N, NULL);
    for (int i = 0; i < N; i++) assert_string_equal(k[i].result, "[1]");
    assert_int_equal(figures(&w).hosts_died, 1);
    close_world(&w);
}

static void test_a_call_whose_hosts_are_killed_again_and_again_fails(void **state) {
    (void)state;
    check_culprit("killed", 4, SG_E_HOST, "killed from outside");
}

static void test_answers_may_come_in_any_order_from_a_host_that_is_not_serial(void **state) {
    (void)state;
    enum { N = 30 };
    struct world w;
    struct call k[N];
    char input[N][16], wanted[32];
    open_world(&w, (struct sg_hooks_options){.exe = host_named("shuffles"), .max_hosts = 1});
    int hook = add(&w, "any", SG_ROLE_PRE);
    assert_int_equal(load(&w), 0);
    for (int i = 0; i < N; i++) {
        snprintf(input[i], sizeof input[i], "%d", i);
        start(&w, &k[i], hook, input[i], NULL);
    }
    sg_loop_run(w.loop);
    for (int i = 0; i < N; i++) {
        snprintf(wanted, sizeof wanted, "[%d]", i);
        assert_string_equal(k[i].result, wanted);
    }
    close_world(&w);
}

/* Loading fails with a reason, and a later call does so too, without end of new processes. */
static void check_no_start(const char *exe, const char *text) {
    struct world w;
    struct call k;
    open_world(&w, (struct sg_hooks_options){.exe = exe});
    int hook = add(&w, ".", SG_ROLE_PRE);
    assert_int_equal(load(&w), SG_E_HOST);
    assert_int_equal(w.diags.errors, 1);
    if (!strstr(w.diags.items[0].text.p, text)) fail_msg("'%s' is not in '%s'", text, w.diags.items[0].text.p);
    start(&w, &k, hook, "1", NULL);
    sg_loop_run(w.loop);
    assert_true(k.status == SG_E_HOST || k.status == SG_E_HOOK);
    assert_true(figures(&w).hosts_started <= 6);
    close_world(&w);
}

static void test_a_host_that_cannot_be_started_fails_everything_with_the_reason(void **state) {
    (void)state;
    check_no_start("/nowhere/sygra", "jq: no host: cannot start /nowhere/sygra");
    check_no_start(host_named("mute"), "its host ended with status 1");
    check_no_start(host_named("garbage"), "broke the protocol");
    check_no_start(host_named("future"), "no hello of version 2");
}

static void test_a_program_that_crashes_the_compiler_is_named(void **state) {
    (void)state;
    struct world w;
    struct call k;
    open_world(&w, (struct sg_hooks_options){.exe = host_named("crashes-loading")});
    int good = add(&w, "good", SG_ROLE_PRE);
    int bad = add(&w, "bad", SG_ROLE_PRE);
    int also = add(&w, "also good", SG_ROLE_PRE);
    assert_int_equal(load(&w), SG_E_HOOK);
    assert_int_equal(w.diags.errors, 1);
    assert_non_null(strstr(w.diags.items[0].text.p, "while the program was compiled: its host was ended by signal"));
    start(&w, &k, good, "1", NULL);
    sg_loop_run(w.loop);
    assert_string_equal(k.result, "[1]");
    start(&w, &k, bad, "1", NULL);
    sg_loop_run(w.loop);
    assert_int_equal(k.status, SG_E_HOOK);
    assert_string_equal(k.error, "jq: while the program was compiled: its host was ended by signal 6 (Aborted)");
    start(&w, &k, also, "2", NULL);
    sg_loop_run(w.loop);
    assert_string_equal(k.result, "[2]");
    close_world(&w);
}

/* ---- cancel and close ---- */

static void on_never(struct sg_hook_call *c, int status, const struct sg_json *results, const struct sg_json *effects,
                     const struct sg_err *err) {
    (void)c, (void)status, (void)results, (void)effects, (void)err;
    fail_msg("a canceled call called back");
}

static void test_canceled_calls_end_without_callback(void **state) {
    (void)state;
    enum { N = 200 };
    struct world w;
    struct call k[N];
    open_world(&w, (struct sg_hooks_options){.max_hosts = 1});
    int hook = add(&w, ".", SG_ROLE_PRE);
    assert_int_equal(load(&w), 0);
    for (int i = 0; i < N; i++) {
        start(&w, &k[i], hook, "1", NULL);
        if (i % 2 == 0 || i > N - 5) continue;
        k[i].c.on_done = on_never;
        w.open--;
    }
    for (int i = 1; i < N / 2; i += 2) sg_hook_cancel(w.hooks, &k[i].c); /* before any was sent */
    for (int i = N / 2 + 1; i <= N - 5; i += 2) sg_hook_cancel(w.hooks, &k[i].c);
    sg_loop_run(w.loop);
    for (int i = 0; i < N; i += 2) assert_string_equal(k[i].result, "[1]");
    close_world(&w);
}

struct canceler {
    struct call *calls;
    size_t n;
    struct call first;
};

/* Cancels, in the first call's callback, calls of which some are in the host and some wait. */
static void on_done_and_cancel(struct sg_hook_call *c, int status, const struct sg_json *results,
                               const struct sg_json *effects, const struct sg_err *err) {
    struct call *k = c->ud;
    struct canceler *all = (struct canceler *)((char *)k - offsetof(struct canceler, first));
    for (size_t i = 0; i < all->n; i += 2) {
        all->calls[i].c.on_done = on_never;
        all->calls[i].w->open--;
        sg_hook_cancel(k->w->hooks, &all->calls[i].c);
    }
    on_done(c, status, results, effects, err);
}

static void test_calls_are_canceled_wherever_they_are(void **state) {
    (void)state;
    enum { N = 100 };
    struct world w;
    struct call k[N];
    struct canceler all = {k, N, {.w = NULL}};
    open_world(&w, (struct sg_hooks_options){.max_hosts = 1});
    int hook = add(&w, ".", SG_ROLE_PRE);
    assert_int_equal(load(&w), 0);
    start(&w, &all.first, hook, "0", NULL);
    all.first.c.on_done = on_done_and_cancel;
    for (int i = 0; i < N; i++) start(&w, &k[i], hook, "1", NULL);
    sg_loop_run(w.loop);
    for (int i = 1; i < N; i += 2) assert_string_equal(k[i].result, "[1]");
    assert_int_equal(figures(&w).hosts_died, 0);
    close_world(&w);
}

static void on_done_and_close(struct sg_hook_call *c, int status, const struct sg_json *results,
                              const struct sg_json *effects, const struct sg_err *err) {
    struct call *k = c->ud;
    sg_hooks_close(k->w->hooks);
    k->w->hooks = NULL;
    k->w->open = 1;
    on_done(c, status, results, effects, err);
}

/* As the pool closes in that callback, all other calls are dropped. */
static void check_close_in_callback(const char *host, const char *input) {
    enum { N = 20 };
    struct world w;
    struct call k[N];
    open_world(&w, (struct sg_hooks_options){.exe = host ? host_named(host) : NULL});
    int hook = add(&w, ".", SG_ROLE_PRE);
    assert_int_equal(load(&w), 0);
    for (int i = 0; i < N; i++) start(&w, &k[i], hook, input, NULL);
    k[0].c.on_done = on_done_and_close;
    sg_loop_run(w.loop);
    assert_null(w.hooks);
    assert_int_equal(k[1].status, 1);
    close_world(&w);
}

static void test_the_pool_may_be_closed_in_a_callback(void **state) {
    (void)state;
    check_close_in_callback(NULL, "1");
    check_close_in_callback("aborts", "\"fatal\"");
}

static void test_closing_with_calls_under_way_ends_the_hosts(void **state) {
    (void)state;
    struct world w;
    struct call k[3];
    open_world(&w, (struct sg_hooks_options){0});
    int hook = add(&w, HANG_OR_PASS, SG_ROLE_PRE);
    assert_int_equal(load(&w), 0);
    for (int i = 0; i < 3; i++) start(&w, &k[i], hook, i ? "\"hang\"" : "1", NULL);
    w.open = 1;
    sg_loop_run(w.loop);
    close_world(&w); /* sg_loop_close waits for the processes */
}

/* ---- */

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "--host") == 0) {
        host_name = strrchr(argv[0], '/') + 1;
        return strncmp(host_name, "test_", 5) == 0 ? sg_host_jq_main(3) : odd_host(argv[0]);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_outputs_come_as_one_array),
        cmocka_unit_test(test_state_is_bound_for_each_call),
        cmocka_unit_test(test_the_engines_environment_and_clock_are_not_seen),
        cmocka_unit_test(test_the_same_hook_gets_the_same_number),
        cmocka_unit_test(test_prints_come_with_their_call),
        cmocka_unit_test(test_ten_thousand_calls_over_two_hosts),
        cmocka_unit_test(test_large_values_go_both_ways),
        cmocka_unit_test(test_a_raised_error_is_the_calls_failure),
        cmocka_unit_test(test_a_program_that_does_not_compile_is_reported_at_all_its_places),
        cmocka_unit_test(test_no_hooks_start_no_host),
        cmocka_unit_test(test_a_print_may_be_larger_than_a_result),
        cmocka_unit_test(test_results_over_the_limit_fail_their_call_only),
        cmocka_unit_test(test_a_hanging_program_fails_alone),
        cmocka_unit_test(test_a_hanging_program_does_not_hold_up_the_calls_behind_it),
        cmocka_unit_test(test_a_slow_program_is_waited_for_and_its_host_lives_on),
        cmocka_unit_test(test_a_builtin_that_cannot_be_interrupted_ends_at_the_deadline),
        cmocka_unit_test(test_a_program_that_eats_memory_is_stopped),
        cmocka_unit_test(test_calls_before_a_crash_keep_their_results),
        cmocka_unit_test(test_a_hook_that_always_kills_its_host_fails_each_call),
        cmocka_unit_test(test_the_call_at_work_is_blamed_and_no_other),
        cmocka_unit_test(test_a_host_killed_from_outside_costs_no_call),
        cmocka_unit_test(test_a_call_whose_hosts_are_killed_again_and_again_fails),
        cmocka_unit_test(test_answers_may_come_in_any_order_from_a_host_that_is_not_serial),
        cmocka_unit_test(test_a_host_that_cannot_be_started_fails_everything_with_the_reason),
        cmocka_unit_test(test_a_program_that_crashes_the_compiler_is_named),
        cmocka_unit_test(test_canceled_calls_end_without_callback),
        cmocka_unit_test(test_calls_are_canceled_wherever_they_are),
        cmocka_unit_test(test_the_pool_may_be_closed_in_a_callback),
        cmocka_unit_test(test_closing_with_calls_under_way_ends_the_hosts),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
