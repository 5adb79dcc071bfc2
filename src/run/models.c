/* SPDX-License-Identifier: Apache-2.0 */
/* sygra models: the models of a plan, each once, all asked at the same time. */
#include "run/probe.h"

#include <stdio.h>

struct models {
    const struct sg_models_options *o;
    struct sg_task task;
    struct sg_loop *loop;
    struct sg_calls *calls;
    struct sg_probe *probes;
    size_t n, cap, pending;
};

/* Nodes that name the same model and send it to the same place differ in parameters at most. */
static bool same_model(const struct sg_model_spec *a, const struct sg_model_spec *b) {
    bool same = sg_str_eq(a->alias, b->alias) && a->type == b->type && sg_str_eq(a->wire_name, b->wire_name) &&
                a->n_urls == b->n_urls && sg_str_eq(a->model_path, b->model_path);
    for (size_t i = 0; same && i < a->n_urls; i++)
        same = sg_str_eq(a->urls[i], b->urls[i]) && sg_str_eq(a->tokens[i], b->tokens[i]);
    return same;
}

static struct sg_probe *probe_of(struct models *m, const struct sg_model_spec *spec) {
    for (size_t i = 0; i < m->n; i++)
        if (same_model(m->probes[i].spec, spec)) return &m->probes[i];
    struct sg_arena *a = &m->task.arena;
    struct sg_probe *p = SG_PUSH(a, m->probes, m->n, m->cap);
    *p = (struct sg_probe){.arena = a, .spec = spec, .pending = &m->pending, .loop = m->loop};
    p->n_addresses = spec->n_urls ? spec->n_urls : 1;
    p->addresses = SG_NEW_N(a, struct sg_probe_address, p->n_addresses);
    for (size_t i = 0; i < spec->n_urls; i++) p->addresses[i].url = spec->urls[i], p->addresses[i].token = spec->tokens[i];
    return p;
}

static void add_use(struct models *m, const struct sg_plan_node *n, int model) {
    if (model < 0) return;
    struct sg_probe *p = probe_of(m, m->task.plan->models[model]);
    *SG_PUSH(p->arena, p->nodes, p->n_nodes, p->cap_nodes) = n->name;
}

static void collect(struct models *m) {
    const struct sg_plan *p = m->task.plan;
    for (size_t i = 0; i < p->n_nodes; i++) {
        const struct sg_plan_node *n = &p->nodes[i];
        if (n->kind == SG_NODE_LLM) add_use(m, n, n->model);
        for (size_t k = 0; k < n->n_children; k++) add_use(m, n, n->children[k].model);
    }
    for (size_t i = 0; i < m->n; i++) /* they stay where they are from here on */
        for (size_t k = 0; k < m->probes[i].n_addresses; k++) m->probes[i].addresses[k].probe = &m->probes[i];
}

static void wait_for_all(struct models *m) {
    if (m->pending) sg_loop_run(m->loop);
}

static void ask(struct models *m) {
    for (size_t i = 0; m->o->ping && i < m->n; i++) sg_probe_ping(&m->probes[i], m->calls, m->o->config.exe_dir);
    wait_for_all(m);
    for (size_t i = 0; m->o->generate && i < m->n; i++) sg_probe_call(&m->probes[i], m->calls);
    wait_for_all(m);
}

static int print(const struct models *m) {
    struct sg_buf b = SG_BUF_INIT(0), clean = SG_BUF_INIT(0);
    bool fine = true;
    for (size_t i = 0; i < m->n; i++) {
        if (m->o->json) sg_probe_json(&m->probes[i], &b);
        else sg_probe_print(&m->probes[i], &b);
        fine &= sg_probe_fine(&m->probes[i]);
    }
    if (m->n == 0 && !m->o->json) SG_BUF_LIT(&b, "this task calls no model\n");
    sg_redact(&clean, sg_buf_view(&b));
    fwrite(clean.p, 1, clean.n, stdout);
    sg_buf_fini(&b);
    sg_buf_fini(&clean);
    return fine ? SG_EXIT_OK : SG_EXIT_ERROR;
}

static int ask_and_print(struct models *m) {
    struct sg_err err = {0};
    int rc = sg_loop_open_uv(&m->loop, 0, &err);
    if (rc == 0) rc = sg_calls_open(m->loop, &(struct sg_calls_options){.exe_dir = m->o->config.exe_dir}, &m->calls);
    if (rc == 0) collect(m), ask(m);
    else fprintf(stderr, "sygra models: %s\n", err.text);
    int status = rc == 0 ? print(m) : SG_EXIT_ERROR;
    if (m->calls) sg_calls_close(m->calls);
    if (m->loop) sg_loop_close(m->loop);
    return status;
}

int sg_run_models(const struct sg_models_options *o) {
    struct models m = {.o = o};
    sg_log_setup(SG_FAILURE, 2, false); /* what fails is said on stdout */
    int rc = sg_task_load(&m.task, &o->config, NULL, NULL);
    if (m.task.diags.n) sg_task_report(&m.task, false);
    int status = rc == 0 ? ask_and_print(&m) : SG_EXIT_ERROR;
    sg_task_fini(&m.task);
    return status;
}
