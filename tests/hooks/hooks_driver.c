/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of one Python hook, as many at a time as asked for, over real hosts: what bench/hooks.py measures.
 *
 *     hooks_driver SYGRA FOLDER HOOK CALLS AT_A_TIME HOSTS RESPONSE STATE
 *
 * FOLDER goes on sys.path; HOOK is a post-processor; RESPONSE and STATE are JSON. Prints one JSON object. The clock starts
 * when all hosts are there. */
#include "hooks/hooks.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

struct run {
    struct sg_loop *loop;
    struct sg_hooks *hooks;
    struct sg_diags diags;
    struct sg_str response, state;
    uint32_t at_a_time, hosts;
    uint64_t left, failed, begun_ns;
    double cpu_before;
};

struct call {
    struct sg_hook_call c;
    struct sg_arena arena;
};

static double cpu_s(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)u.ru_utime.tv_sec + (double)u.ru_stime.tv_sec +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static void write_values(struct sg_hook_call *c, struct sg_buf *input, struct sg_buf *state) {
    const struct run *r = c->ud;
    sg_buf_str(input, r->response);
    sg_buf_str(state, r->state);
}

static void begin_measuring(struct run *r) {
    struct sg_hook_figures f;
    sg_hooks_figures(r->hooks, &f);
    if (r->begun_ns || f.hosts < r->hosts) return;
    r->begun_ns = sg_os->now_ns();
    r->cpu_before = cpu_s();
}

static void on_done(struct sg_hook_call *c, int status, const struct sg_json *results, const struct sg_json *effects,
                    const struct sg_err *err) {
    struct run *r = c->ud;
    struct call *k = (struct call *)c;
    (void)results, (void)effects;
    if (status != 0 && r->failed++ == 0) fprintf(stderr, "%s\n", err->text);
    begin_measuring(r);
    if (r->begun_ns && r->left-- == r->at_a_time) {
        sg_loop_stop(r->loop);
        return;
    }
    sg_arena_reset(&k->arena);
    sg_hook_start(r->hooks, c);
}

static void on_loaded(void *ud, int status) {
    struct run *r = ud;
    if (status != 0) {
        sg_loop_stop(r->loop);
        return;
    }
    for (uint32_t i = 0; i < r->at_a_time; i++) {
        struct call *k = sg_xcalloc(1, sizeof *k);
        sg_arena_init(&k->arena, 4096);
        k->c = (struct sg_hook_call){.write = write_values, .on_done = on_done, .arena = &k->arena, .ud = r};
        sg_hook_start(r->hooks, &k->c);
    }
}

static void print(const struct run *r, uint64_t calls) {
    struct sg_hook_figures f;
    double s = (double)(sg_os->now_ns() - r->begun_ns) / 1e9;
    sg_hooks_figures(r->hooks, &f);
    printf("{\"calls\":%llu,\"failed\":%llu,\"seconds\":%.4f,\"per_s\":%.0f,\"engine_us\":%.2f,\"hosts\":%u,"
           "\"died\":%llu,\"peak_bytes\":%llu}\n",
           (unsigned long long)calls, (unsigned long long)r->failed, s, (double)calls / s,
           (cpu_s() - r->cpu_before) * 1e6 / (double)calls, f.hosts, (unsigned long long)f.hosts_died,
           (unsigned long long)f.peak_bytes);
}

int main(int argc, char **argv) {
    if (argc != 9) return 2;
    struct sg_str folder = sg_str(argv[2]);
    struct run r = {.response = sg_str(argv[7]), .state = sg_str(argv[8])};
    struct sg_err err;
    uint64_t calls = strtoull(argv[4], NULL, 10);
    r.at_a_time = (uint32_t)strtoul(argv[5], NULL, 10);
    r.hosts = (uint32_t)strtoul(argv[6], NULL, 10);
    r.left = calls + r.at_a_time;
    struct sg_hooks_options o = {.exe = argv[1], .max_hosts = r.hosts, .paths = &folder, .n_paths = 1};
    struct sg_hook_spec spec = {.kind = SG_HOOK_PYTHON, .text = sg_str(argv[3])};
    sg_diags_init(&r.diags);
    if (sg_loop_open_uv(&r.loop, 1, &err) != 0 || sg_hooks_open(r.loop, &o, &r.hooks, &err) != 0) return 1;
    sg_hooks_add(r.hooks, &spec, SG_ROLE_POST, SG_STR_NONE, NULL);
    sg_hooks_load(r.hooks, &r.diags, on_loaded, &r);
    sg_loop_run(r.loop);
    if (r.diags.errors) {
        struct sg_buf b = SG_BUF_INIT(0);
        sg_diags_print(&r.diags, &b, false);
        fprintf(stderr, "%.*s", SG_ARG(sg_buf_view(&b)));
        return 1;
    }
    print(&r, calls);
    sg_hooks_close(r.hooks);
    sg_loop_close(r.loop);
    return r.failed ? 1 : 0;
}
