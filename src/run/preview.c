/* SPDX-License-Identifier: Apache-2.0 */
/* A preview is a run with one record under way, an observer, and no output: the same engine, hooks and calls. What is seen
 * goes to stdout as it happens. */
#include "run/preview.h"
#include "run/parts.h"

#include <stdio.h>

struct preview {
    struct run run;
    struct sg_preview view;
    bool json;
};

static void print_ready(struct sg_buf *b) {
    struct sg_buf clean = SG_BUF_INIT(0);
    if (!b->n) return;
    sg_redact(&clean, sg_buf_view(b));
    fwrite(clean.p, 1, clean.n, stdout);
    fflush(stdout);
    sg_buf_fini(&clean);
    sg_buf_reset(b, SIZE_MAX);
}

static void on_event(void *ud, const struct sg_exec_event *e) {
    struct preview *p = ud;
    if (p->json) sg_preview_json(e, &p->view.out);
    else sg_preview_text(&p->view, e);
    print_ready(&p->view.out);
}

/* There is nothing to finish: what is under way is dropped. */
static void on_signal(void *ud, int signal) {
    struct preview *p = ud;
    (void)signal;
    p->run.interrupted = true;
    sg_preview_rest(&p->view, "interrupted");
    print_ready(&p->view.out);
    sg_exec_stop(p->run.exec, true);
}

static int end_of(const struct run *r) {
    struct sg_exec_figures f;
    sg_exec_figures(r->exec, &f);
    if (r->aborted) fprintf(stderr, "sygra preview: %s\n", r->why.text);
    if (r->aborted) return SG_EXIT_ERROR;
    if (r->interrupted) return SG_EXIT_INTERRUPTED;
    return f.ended[SG_RECORD_OK] == f.pulled ? SG_EXIT_OK : SG_EXIT_FAILED;
}

static int run_loaded(struct preview *p) {
    struct run *r = &p->run;
    struct sg_err err = {0};
    int status = SG_EXIT_ERROR;
    if (sg_run_open_all(r, &err) == 0) {
        sg_loop_on_signal(r->loop, on_signal, p);
        sg_exec_start(r->exec);
        sg_loop_run(r->loop);
        status = end_of(r);
    } else {
        fprintf(stderr, "sygra preview: %s\n", err.text);
    }
    sg_run_close_all(r);
    return status;
}

static void free_view(struct sg_preview *v) {
    sg_preview_rest(v, ""); /* of an aborted run */
    sg_buf_fini(&v->out);
    sg_arena_fini(&v->arena);
}

int sg_run_preview(const struct sg_preview_options *o) {
    struct sg_run_options ro = {.config = o->config,
                                .exe = o->exe,
                                .hosts = o->hosts,
                                .num_records = o->num_records,
                                .start_index = o->start_index,
                                .in_flight = 1,
                                .max_hosts = 1,
                                .no_journal = true,
                                .resume = SG_RUN_FRESH};
    struct preview p = {.json = o->json, .view = {.full = o->full, .colour = o->colour, .out = SG_BUF_INIT(0)}};
    struct sg_exec_observer observer = {.on_event = on_event, .ud = &p};
    struct run *r = &p.run;
    *r = (struct run){.o = &ro, .observer = &observer, .first = o->start_index, .count = o->num_records};
    r->started_wall_ns = sg_os->wall_ns();
    r->seed = o->has_seed ? o->seed : sg_os->entropy() >> 11;
    sg_arena_init(&p.view.arena, 0);
    int rc = sg_task_load(&r->task, &o->config, NULL, NULL);
    if (r->task.diags.n) sg_task_report(&r->task, false);
    int status = rc == 0 ? run_loaded(&p) : SG_EXIT_ERROR;
    free_view(&p.view);
    sg_task_fini(&r->task);
    return status;
}
