/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of hook hosts share: this program is started again as a host of its own making, by the name it is started by;
 * and the engine's side, with calls that note what came of them. */
#ifndef SG_TEST_HOOKS_H
#define SG_TEST_HOOKS_H

#include "hooks/hooks.h"

#include "hooks/host.h"

#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define GUARD_MS 30000

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMORY_IS_LIMITED 0
#else
#define MEMORY_IS_LIMITED 1
#endif

static char self[512];   /* path of this program */
static char folder[64];  /* for links and notes of this run */
#define SHARED __attribute__((unused)) static

/* ---- frames of a host ---- */

static const char *host_name; /* the last part of argv[0] */

SHARED void send_all(struct sg_buf *b) {
    for (size_t at = 0; at < b->n;) {
        ssize_t n = write(3, b->p + at, b->n - at);
        if (n <= 0) _exit(0);
        at += (size_t)n;
    }
    sg_buf_reset(b, SIZE_MAX);
}

SHARED void say_json(struct sg_buf *b, enum sg_frame_kind kind, const char *json) {
    size_t at = sg_frame_begin(b, kind);
    sg_buf_str(b, sg_str(json));
    sg_frame_end(b, at);
}

SHARED void say_result(struct sg_buf *b, uint64_t id, struct sg_str value) {
    size_t at = sg_frame_begin_answer(b, SG_FRAME_RESULT, id, 0);
    sg_buf_ch(b, '[');
    sg_buf_str(b, value);
    sg_buf_ch(b, ']');
    sg_frame_end_body(b, at);
    sg_frame_end(b, at);
}

/* ---- the engine's side ---- */

struct world {
    struct sg_loop *loop;
    struct sg_hooks *hooks;
    struct sg_diags diags;
    struct sg_arena arena;
    struct sg_timer guard;
    int loaded;  /* status, 1: not yet */
    size_t open; /* calls without callback */
    struct sg_buf printed, traced;
};

struct call {
    struct sg_hook_call c;
    struct world *w;
    const char *input, *state;
    int status;  /* 1: not yet */
    char result[256], effects[64], error[SG_ERR_TEXT];
    double took_ms;
    uint64_t began;
};

SHARED void on_guard(struct sg_timer *t) {
    (void)t;
    fail_msg("nothing came for %d ms", GUARD_MS);
}

SHARED void on_loaded(void *ud, int status) {
    struct world *w = ud;
    w->loaded = status;
    sg_loop_stop(w->loop);
}

SHARED void on_print(void *ud, struct sg_hook_call *c, struct sg_str text) {
    struct world *w = ud;
    sg_buf_printf(&w->printed, "%s%.*s\n", c ? "" : "host: ", SG_ARG(text));
}

SHARED void on_trace(void *ud, struct sg_hook_call *c, struct sg_str message, struct sg_str details) {
    struct world *w = ud;
    assert_non_null(c);
    sg_buf_printf(&w->traced, "%.*s|%.*s\n", SG_ARG(message), SG_ARG(details));
}

SHARED void open_world(struct world *w, struct sg_hooks_options o) {
    *w = (struct world){.loaded = 1, .printed = SG_BUF_INIT(0), .traced = SG_BUF_INIT(0)};
    if (!o.exe) o.exe = self;
    if (!o.deadline_ms) o.deadline_ms = 10000;
    o.on_print = on_print;
    o.on_trace = on_trace;
    o.ud = w;
    struct sg_err err;
    sg_arena_init(&w->arena, 0);
    sg_diags_init(&w->diags);
    assert_int_equal(sg_loop_open_uv(&w->loop, 1, &err), 0);
    assert_int_equal(sg_hooks_open(w->loop, &o, &w->hooks, &err), 0);
    w->guard = (struct sg_timer){.on_fire = on_guard};
    sg_timer_start(w->loop, &w->guard, SG_MS(GUARD_MS));
}

SHARED void close_world(struct world *w) {
    if (w->hooks) sg_hooks_close(w->hooks);
    sg_timer_stop(w->loop, &w->guard);
    sg_loop_close(w->loop);
    sg_diags_fini(&w->diags);
    sg_arena_fini(&w->arena);
    sg_buf_fini(&w->printed);
    sg_buf_fini(&w->traced);
}

SHARED int add(struct world *w, const char *program, enum sg_hook_role role) {
    struct sg_hook_spec spec = {.kind = SG_HOOK_JQ, .text = sg_str(program), .path = SG_STR("here")};
    return sg_hooks_add(w->hooks, &spec, role, SG_STR_NONE, NULL);
}

SHARED int load(struct world *w) {
    sg_hooks_load(w->hooks, &w->diags, on_loaded, w);
    assert_int_equal(w->loaded, 1); /* never at once */
    sg_loop_run(w->loop);
    return w->loaded;
}

SHARED void write_values(struct sg_hook_call *c, struct sg_buf *input, struct sg_buf *state) {
    struct call *k = c->ud;
    sg_buf_str(input, sg_str(k->input));
    if (k->state) sg_buf_str(state, sg_str(k->state));
}

SHARED void on_done(struct sg_hook_call *c, int status, const struct sg_json *results,
                    const struct sg_json *effects, const struct sg_err *err) {
    struct call *k = c->ud;
    assert_int_equal(k->status, 1);
    k->status = status;
    k->took_ms = (double)(sg_loop_now_ns(k->w->loop) - k->began) / 1e6;
    if (status == 0) {
        struct sg_buf b = SG_BUF_INIT(0);
        sg_json_write(&b, results);
        snprintf(k->result, sizeof k->result, "%.*s", SG_ARG(sg_buf_view(&b)));
        sg_buf_reset(&b, SIZE_MAX);
        if (effects) sg_json_write(&b, effects);
        snprintf(k->effects, sizeof k->effects, "%.*s", SG_ARG(sg_buf_view(&b)));
        sg_buf_fini(&b);
    } else {
        assert_int_equal(err->code, status);
        snprintf(k->error, sizeof k->error, "%s", err->text);
    }
    if (--k->w->open == 0) sg_loop_stop(k->w->loop);
}

SHARED void start(struct world *w, struct call *k, int hook, const char *input, const char *state) {
    *k = (struct call){.w = w, .input = input, .state = state, .status = 1, .began = sg_loop_now_ns(w->loop)};
    k->c = (struct sg_hook_call){.hook = hook, .write = write_values, .on_done = on_done, .ud = k};
    k->c.arena = &w->arena;
    w->open++;
    sg_hook_start(w->hooks, &k->c);
    assert_int_equal(k->status, 1); /* never from inside start */
}

SHARED struct sg_hook_figures figures(const struct world *w) {
    struct sg_hook_figures f;
    sg_hooks_figures(w->hooks, &f);
    return f;
}

/* One program, one call. */
SHARED struct call run_one(struct sg_hooks_options o, const char *program, const char *input) {
    struct world w;
    struct call k;
    open_world(&w, o);
    int hook = add(&w, program, SG_ROLE_PRE);
    if (load(&w) != 0) fail_msg("%s does not compile", program);
    start(&w, &k, hook, input, NULL);
    sg_loop_run(w.loop);
    close_world(&w);
    return k;
}

/* A host of our own by its name: a link to this program. */
SHARED const char *host_named(const char *name) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    unlink(path);
    assert_int_equal(symlink(self, path), 0);
    return path;
}

/* `n` calls of one hook, the one at `special` with another input. */
SHARED void run_many(struct world *w, struct call *calls, size_t n, int hook, const char *input, size_t special,
                     const char *special_input) {
    for (size_t i = 0; i < n; i++) start(w, &calls[i], hook, i == special ? special_input : input, NULL);
    sg_loop_run(w->loop);
}

SHARED void expect_only_failure(const struct call *calls, size_t n, size_t special, int code, const char *text) {
    for (size_t i = 0; i < n; i++)
        if (i != special && calls[i].status != 0) fail_msg("call %zu: %s", i, calls[i].error);
    assert_int_equal(calls[special].status, code);
    if (!strstr(calls[special].error, text)) fail_msg("'%s' is not in '%s'", text, calls[special].error);
}

/* ---- the folder of a test program ---- */

SHARED int make_folder(void **state) {
    (void)state;
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    snprintf(folder, sizeof folder, "/tmp/sygra-hooks-XXXXXX");
    sg_log_setup(SG_FAILURE, 2, false);
    return n > 0 && mkdtemp(folder) ? 0 : -1;
}

SHARED int remove_folder(void **state) {
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    return system(command);
}

#endif
