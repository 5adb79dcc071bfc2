/* SPDX-License-Identifier: Apache-2.0 */
/* What an earlier life of the run left of a record: it is loaded when the record is admitted, its steps are applied to the row,
 * and calls look for their answers in it (past_answer.c). */
#include "exec/record.h"

/* Calls of executions that a journalled step has behind it. */
static void count_kept(struct record *r) {
    struct sg_exec_figures *f = &r->exec->figures;
    f->steps_kept += r->steps;
    for (size_t i = 0; i < r->past->n_calls; i++) {
        const struct sg_call_row *c = &r->past->calls[i].row;
        bool known = c->node < r->exec->plan->n_nodes;
        f->calls_kept += known && c->state == SG_CALL_ANSWERED && c->visit < r->visits[c->node];
    }
}

/* What the record has taken so far, for the count at its end. How long nodes took then is not known any more. Another run's
 * answers, or a recording's, cost nothing. */
static void note_work(struct record *r) {
    if (r->exec->o.pasts->is_all) return;
    for (size_t i = 0; i < r->past->n_calls; i++) {
        const struct sg_call_row *c = &r->past->calls[i].row;
        struct sg_work w = {c->node, c->ordinal, .prompt_tokens = c->prompt_tokens, .completion_tokens = c->completion_tokens};
        if (c->state == SG_CALL_ANSWERED) sg_record_work(r, &w);
    }
}

static int apply_steps(struct record *r, struct sg_err *err) {
    int rc = 0;
    for (size_t i = 0; i < r->past->n_steps && rc == 0; i++) rc = sg_step_apply(r, &r->past->steps[i], err);
    if (rc < 0) return sg_err_wrap(err, rc, "record %llu cannot be gone on with", (unsigned long long)r->position);
    count_kept(r);
    note_work(r);
    return 0;
}

static void on_past(struct sg_past_request *q, int status, struct sg_past *past, const struct sg_err *err) {
    struct record *r = q->ud;
    struct sg_err why;
    r->is_loading = false;
    r->past = past;
    if (status != 0) {
        sg_exec_break(r, status, err);
        return;
    }
    status = apply_steps(r, &why);
    if (status != 0) sg_exec_break(r, status, &why);
    else if (past->n_steps) sg_record_go_on(r);
    else sg_record_begin(r);
}

bool sg_past_begin(struct record *r) {
    const struct sg_past_source *p = r->exec->o.pasts;
    if (!p || !p->has(p->ud, r->position)) return false;
    r->loading = (struct sg_past_request){.position = r->position, .on_past = on_past, .ud = r};
    r->is_loading = true;
    p->load(p->ud, &r->loading);
    return true;
}

void sg_past_end(struct record *r) {
    const struct sg_past_source *p = r->exec->o.pasts;
    if (r->is_loading) p->cancel(p->ud, &r->loading);
    sg_past_free(r->past);
    r->is_loading = false;
    r->past = NULL;
}

/* --- calls -------------------------------------------------------------------------------------------------------------------- */

static const struct sg_past_call *find(const struct record *r, uint32_t node, uint32_t visit, uint32_t ordinal,
                                       uint32_t sub) {
    for (size_t i = 0; r->past && i < r->past->n_calls; i++) {
        const struct sg_call_row *c = &r->past->calls[i].row;
        bool same = c->node == node && c->visit == visit && c->ordinal == ordinal && c->sub == sub;
        if (same) return &r->past->calls[i];
    }
    return NULL;
}

const struct sg_past_call *sg_past_find_call(const struct record *r, uint32_t node, uint32_t visit,
                                             uint32_t ordinal) {
    return find(r, node, visit, ordinal, 0);
}

const struct sg_past_call *sg_past_find_hook(const struct task *t, uint32_t sub) {
    return find(t->record, (uint32_t)(t->node - t->record->exec->plan->nodes), t->visit, t->ordinal, sub);
}

const struct sg_past_call *sg_past_find(const struct task *t, enum sg_call_state state) {
    uint32_t node = (uint32_t)(t->node - t->record->exec->plan->nodes);
    const struct sg_past_call *c = sg_past_find_call(t->record, node, t->visit, t->ordinal);
    return c && c->row.state == (int)state ? c : NULL;
}
