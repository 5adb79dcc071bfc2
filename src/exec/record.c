/* SPDX-License-Identifier: Apache-2.0 */
/* The superstep machine of one record, and the driver of its tasks.
 *
 * A step ends when all its tasks have; then their updates are merged in the order of node numbers, the targets of edges and
 * conditions become the next step, and a join fires when the last of its sources has finished. One task that fails ends the
 * record: its siblings are cancelled. A record fails as soon as its 100th step has run, as in LangGraph 0.6. */
#include "exec/record.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static void end_step(struct record *r);
static void run_task(struct task *t);

/* --- failing ---------------------------------------------------------------------------------------------------------------- */

static struct sg_str task_name(const struct task *t) {
    if (t->node) return t->node->name;
    return t->kind == &sg_node_kind_start ? SG_STR("START") : SG_STR("output_config");
}

enum verdict sg_task_fail_err(struct task *t, int code, const struct sg_err *err) {
    struct record *r = t->record;
    if (t->parent) { /* what that means is its parent's to say */
        t->failure = sg_alloc(&r->arena, sizeof *t->failure);
        *t->failure = *err;
        t->failure->code = code;
        return FAIL;
    }
    if (r->failing) return FAIL; /* the first one counts */
    r->err = *err;
    r->err.code = code;
    r->err_node = task_name(t);
    r->failed_attempts = t->failed_attempts;
    return FAIL;
}

enum verdict sg_task_fail(struct task *t, int code, const char *fmt, ...) {
    char text[SG_ERR_TEXT];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    struct sg_err err = {0};
    sg_fail(&err, code, "%s", text);
    return sg_task_fail_err(t, code, &err);
}

bool sg_task_cancel(struct task *t) {
    if (!t->running) return false;
    if (t->call_waits) sg_call_cancel(&t->call);
    if (t->hook_waits) sg_hook_cancel(t->record->exec->o.hooks, &t->hook);
    if (t->commit_waits) sg_output_wait_cancel(t->record->exec->o.output, &t->commit);
    if (t->answer_waits) sg_later_cancel(t->record->exec->o.loop, &t->answer.later);
    t->running = t->call_waits = t->hook_waits = t->answer_waits = t->commit_waits = false;
    for (size_t i = 0; i < t->n_children; i++) sg_task_cancel(&t->children[i]);
    return true;
}

static void cancel_tasks(struct record *r) {
    for (size_t i = 0; i < r->n_tasks; i++)
        if (sg_task_cancel(&r->tasks[i])) r->pending--;
}

static void fail_record(struct record *r) {
    struct sg_exec *x = r->exec;
    sg_buf_reset(&x->text, 1 << 20);
    sg_failed_line(r, &x->text);
    sg_record_end(r, SG_RECORD_FAILED, sg_buf_view(&x->text));
}

/* --- tasks -------------------------------------------------------------------------------------------------------------------- */

void sg_task_update(struct task *t, int slot, const struct sg_json *value) {
    struct update *u = SG_PUSH(&t->record->arena, t->updates, t->n_updates, t->cap_updates);
    *u = (struct update){slot, value};
}

void sg_task_update_object(struct task *t, const struct sg_json *object) {
    for (uint32_t i = 0; i < object->n; i++) {
        int slot = sg_state_slot(t->record->exec, object->members[i].key);
        if (slot != SG_NONE) sg_task_update(t, slot, sg_state_tail(t, slot, &object->members[i].value, object));
    }
}

/* Not in the arena, which moves (sg_state_compact). */
void sg_record_work(struct record *r, const struct sg_work *w) {
    if (!r->exec->o.output) return;
    if (r->n_work == r->cap_work) {
        r->cap_work = r->cap_work ? 2 * r->cap_work : 4;
        r->work = sg_xrealloc(r->work, r->cap_work * sizeof *r->work);
    }
    r->work[r->n_work++] = *w;
}

static void note_run(struct task *t, bool failed) {
    struct record *r = t->record;
    if (!t->node) return;
    struct sg_work w = {.node = (uint32_t)(t->node - r->exec->plan->nodes),
                        .ordinal = SG_TALLY_NODE,
                        .failed = failed,
                        .us = (sg_loop_now_ns(r->exec->o.loop) - t->began_ns) / 1000};
    sg_record_work(r, &w);
}

static void end_task(struct task *t, enum verdict v) {
    struct record *r = t->record;
    t->running = false;
    if (t->parent) {
        t->parent->kind->on_child(t, v);
        return;
    }
    r->pending--;
    note_run(t, v == FAIL);
    if (r->exec->o.observer) sg_see_node_end(t, v == FAIL ? &r->err : NULL);
    if (v == FAIL && !r->failing) {
        r->failing = true;
        cancel_tasks(r);
    }
    if (r->pending == 0) end_step(r);
}

/* Only here does a task change its step. */
static void run_task(struct task *t) {
    for (;;) {
        const struct step *s = &t->kind->steps[t->step];
        if (!s->name) {
            end_task(t, NEXT);
            return;
        }
        enum verdict v = s->run(t);
        if (v == WAIT) return;
        if (v == FAIL) {
            end_task(t, FAIL);
            return;
        }
        if (v == NEXT) t->step++;
    }
}

void sg_task_go(struct task *t, enum verdict v) {
    SG_ASSERT(t->running);
    if (v == FAIL) {
        end_task(t, FAIL);
        return;
    }
    if (v == NEXT) t->step++;
    run_task(t);
}

static struct task *task_at(struct record *r, size_t i) {
    if (i >= r->cap_tasks) {
        r->cap_tasks = i < 4 ? i + 1 : 2 * i;
        r->tasks = sg_xrealloc(r->tasks, r->cap_tasks * sizeof *r->tasks);
    }
    return &r->tasks[i];
}

static const struct node_kind *kind_of(const struct sg_plan_node *n) {
    switch (n->kind) {
    case SG_NODE_LLM:
        return &sg_node_kind_llm;
    case SG_NODE_MULTI_LLM:
        return &sg_node_kind_multi_llm;
    case SG_NODE_SAMPLER:
        return &sg_node_kind_sampler;
    case SG_NODE_LAMBDA:
        return &sg_node_kind_lambda;
    case SG_NODE_CONNECTOR:
        return &sg_node_kind_connector;
    case SG_NODE_SUBGRAPH:
        break;
    }
    SG_ASSERT(!"a plan has no subgraphs");
    return NULL;
}

/* Not the union: 500 bytes that its user sets anyway. */
static void clear_task(struct task *t, struct record *r, const struct sg_plan_node *n, const struct node_kind *kind) {
    t->record = r;
    t->node = n;
    t->kind = kind;
    t->out = NULL;
    t->visit = 0;
    t->step = 0;
    t->running = true;
    t->state = (state_view)r->state;
    t->own_state = NULL;
    t->owns_view = false;
    t->updates = NULL;
    t->n_updates = t->cap_updates = 0;
    t->changes = NULL;
    t->n_changes = t->cap_changes = 0;
    t->n_hooks = 0;
    t->targets = NULL;
    t->n_targets = t->cap_targets = 0;
    t->turn = 0;
    t->hook_waits = t->call_waits = t->answer_waits = t->commit_waits = false;
    t->mapped = NULL;
    t->model = n ? n->model : SG_NONE;
    t->entry = t->result = NULL;
    t->reply = NULL;
    t->repeats = false;
    t->ordinal = t->failed_attempts = t->pending_children = 0;
    t->parent = t->children = NULL;
    t->failure = NULL;
    t->n_children = 0;
}

static void init_task(struct record *r, size_t i, const struct sg_plan_node *n, const struct node_kind *kind,
                      const struct sg_plan_out *out) {
    struct task *t = task_at(r, i);
    clear_task(t, r, n, kind);
    t->out = out;
    if (n) t->visit = r->visits[n - r->exec->plan->nodes]++;
}

/* --- children ----------------------------------------------------------------------------------------------------------------- */

void sg_child_tasks(struct task *t, size_t n, const struct node_kind *kind) {
    t->children = SG_NEW_N(&t->record->arena, struct task, n);
    t->n_children = n;
    for (size_t i = 0; i < n; i++) {
        struct task *c = &t->children[i];
        clear_task(c, t->record, t->node, kind);
        c->running = false;
        c->parent = t;
        c->ordinal = (uint32_t)i;
        c->visit = t->visit;
        c->state = t->state;
    }
}

void sg_child_start(struct task *child) {
    child->running = true;
    run_task(child);
}

/* All tasks exist before the first one runs: the array does not move while they do. `pending` holds one more until all are
 * started, so that the step cannot end in between. */
static void run_tasks(struct record *r) {
    for (int i = 0; i < SG_KEY_FIRST; i++) r->before[i] = r->state[i];
    r->pending = (uint32_t)r->n_tasks + 1;
    for (size_t i = 0; i < r->n_tasks; i++) {
        if (r->failing) break;
        r->tasks[i].began_ns = sg_loop_now_ns(r->exec->o.loop);
        if (r->exec->o.observer) sg_see_node(&r->tasks[i]);
        run_task(&r->tasks[i]);
    }
    if (r->failing) cancel_tasks(r);
    if (--r->pending == 0) end_step(r);
}

static void run_one(struct record *r, const struct node_kind *kind, const struct sg_plan_out *out) {
    init_task(r, 0, NULL, kind, out);
    r->n_tasks = 1;
    run_tasks(r);
}

/* --- steps --------------------------------------------------------------------------------------------------------------------- */

static void fire(struct record *r, const int *targets, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (r->is_fired[targets[i]]) continue;
        r->is_fired[targets[i]] = true;
        r->n_fired++;
    }
}

static void arrive(struct record *r, int join, int node) {
    const struct sg_plan_join *j = &r->exec->plan->joins[join];
    uint64_t *bits = r->arrived + (size_t)join * r->exec->join_words;
    size_t seen = 0;
    for (size_t i = 0; i < j->n_sources; i++) {
        if (j->sources[i] == node) bits[i / 64] |= 1ull << (i % 64);
        seen += (bits[i / 64] >> (i % 64)) & 1;
    }
    if (seen < j->n_sources) return;
    memset(bits, 0, r->exec->join_words * sizeof *bits);
    fire(r, j->targets, j->n_targets);
}

static bool blame(struct record *r, const struct task *t, bool fine) {
    if (!fine) r->err_node = task_name(t);
    return fine;
}

static bool merge(struct record *r) {
    for (size_t i = 0; i < r->n_tasks; i++)
        if (!blame(r, &r->tasks[i], sg_state_change(r, &r->tasks[i]))) return false;
    for (size_t i = 0; i < r->n_tasks; i++) {
        struct task *t = &r->tasks[i];
        if (!blame(r, t, sg_state_merge(r, t))) return false;
        if (!t->out) continue;
        fire(r, t->out->targets, t->out->n_targets);
        fire(r, t->targets, t->n_targets);
        for (size_t k = 0; k < t->out->n_joins; k++)
            arrive(r, t->out->joins[k], (int)(t->node - r->exec->plan->nodes));
    }
    return true;
}

static void next_step(struct record *r) {
    const struct sg_plan *p = r->exec->plan;
    size_t n = 0;
    r->exec->figures.steps++;
    r->exec->figures.node_runs += r->n_fired;
    for (size_t i = 0; n < r->n_fired; i++) {
        if (!r->is_fired[i]) continue;
        r->is_fired[i] = false;
        init_task(r, n++, &p->nodes[i], kind_of(&p->nodes[i]), &p->nodes[i].out);
    }
    r->n_tasks = n;
    r->n_fired = 0;
    run_tasks(r);
}

static void end_step(struct record *r) {
    bool was_start = r->tasks[0].kind == &sg_node_kind_start, was_output = r->tasks[0].kind == &sg_node_kind_output;
    if (r->failing || (!was_output && !merge(r))) {
        fail_record(r);
        return;
    }
    if (was_output) {
        bool invalid = r->broken || r->misfit.p;
        sg_record_end(r,
                      r->dropped ? SG_RECORD_DROPPED
                      : invalid  ? SG_RECORD_INVALID
                                 : SG_RECORD_OK,
                      sg_buf_view(&r->exec->text));
        return;
    }
    if (!was_start && ++r->steps == (uint32_t)r->exec->plan->step_limit) {
        sg_fail(&r->err, SG_E_LIMIT, "%u steps without reaching END; is there a loop that never ends?", r->steps);
        r->err_node = task_name(&r->tasks[0]);
        fail_record(r);
        return;
    }
    if (!was_start) sg_step_journal(r);
    sg_state_compact(r);
    sg_record_go_on(r);
}

void sg_record_go_on(struct record *r) {
    if (r->n_fired) next_step(r);
    else run_one(r, &sg_node_kind_output, NULL);
}

void sg_record_begin(struct record *r) {
    if (r->exec->o.observer) sg_see_record(r);
    run_one(r, &sg_node_kind_start, &r->exec->plan->start);
}

void sg_record_drop(struct record *r) {
    r->failing = true;
    cancel_tasks(r);
}
