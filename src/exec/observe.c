/* SPDX-License-Identifier: Apache-2.0 */
/* What an observer is told. Only called where there is one: what is built for it here lies in the record's arena. */
#include "exec/record.h"

static struct sg_exec_event event_of(const struct task *t, enum sg_exec_event_kind kind) {
    const struct record *r = t->record;
    return (struct sg_exec_event){.kind = kind,
                                  .position = r->position,
                                  .node = t->node ? t->node->name : sg_str(t->kind->name),
                                  .node_kind = t->node ? sg_plan_kind_name(t->node) : SG_STR_NONE,
                                  .step = r->steps + 1,
                                  .visit = t->visit};
}

static void tell(const struct task *t, const struct sg_exec_event *e) {
    const struct sg_exec_observer *o = t->record->exec->o.observer;
    o->on_event(o->ud, e);
}

void sg_see_record(const struct record *r) {
    const struct sg_exec_observer *o = r->exec->o.observer;
    struct sg_exec_event e = {.kind = SG_EXEC_RECORD, .position = r->position, .line = r->line, .value = &r->row};
    o->on_event(o->ud, &e);
}

void sg_see_node(const struct task *t) {
    struct sg_exec_event e = event_of(t, SG_EXEC_NODE);
    struct sg_json state = sg_state_object(&t->record->arena, t->record->exec, t->state);
    e.value = &state;
    if (t->node) tell(t, &e);
}

/* A written key as the state will have it, if nobody beside this node writes it. */
static struct sg_json written(const struct task *t, const struct update *u) {
    struct record *r = t->record;
    if (!sg_state_is_joined(r->exec, u->slot) || u->value->type != SG_JSON_ARRAY) return *u->value;
    const struct sg_json *changed = sg_state_changed(t, u->slot), *old = changed ? changed : r->state[u->slot];
    return *sg_state_append(&r->arena, old, u->value);
}

static bool is_written(const struct task *t, int slot) {
    for (size_t i = 0; i < t->n_updates; i++)
        if (t->updates[i].slot == slot) return true;
    return false;
}

void sg_see_node_end(const struct task *t, const struct sg_err *err) {
    struct sg_exec_event e = event_of(t, SG_EXEC_NODE_END);
    const struct sg_exec *x = t->record->exec;
    struct sg_member *m = SG_NEW_N(&t->record->arena, struct sg_member, t->n_updates + t->n_changes);
    size_t n = 0;
    for (size_t i = 0; i < t->n_updates; i++)
        m[n++] = (struct sg_member){x->slots[t->updates[i].slot], written(t, &t->updates[i])};
    for (size_t i = 0; i < t->n_changes; i++)
        if (!is_written(t, t->changes[i].slot))
            m[n++] = (struct sg_member){x->slots[t->changes[i].slot], *t->changes[i].value};
    struct sg_json updates = sg_json_object(m, err ? 0 : n);
    e.value = &updates;
    e.err = err;
    if (t->node) tell(t, &e);
}

void sg_see_call(const struct task *t, const struct sg_json *messages) {
    struct sg_exec_event e = event_of(t, SG_EXEC_CALL);
    e.model = t->record->exec->plan->models[t->model];
    e.attempt = t->call.attempts;
    e.value = messages;
    tell(t, &e);
}

void sg_see_reply(const struct task *t, const struct sg_completion *done, const struct sg_err *err, uint64_t wait_ns) {
    struct sg_exec_event e = event_of(t, err && wait_ns != SG_SEEN_LAST ? SG_EXEC_AGAIN : SG_EXEC_REPLY);
    e.model = t->record->exec->plan->models[t->model];
    e.attempt = t->call.attempts;
    e.reply = done;
    e.err = err;
    e.time_ns = done ? t->call.latency_ns : wait_ns == SG_SEEN_LAST ? 0 : wait_ns;
    tell(t, &e);
}

/* targets[from ..] are where this condition leads; END is not among them. */
void sg_see_route(const struct task *t, const struct sg_json *results, size_t from) {
    const struct sg_plan *p = t->record->exec->plan;
    struct sg_exec_event e = event_of(t, SG_EXEC_ROUTE);
    struct sg_json *names = SG_NEW_N(&t->record->arena, struct sg_json, t->n_targets - from);
    for (size_t i = from; i < t->n_targets; i++) names[i - from] = sg_json_string(p->nodes[t->targets[i]].name);
    struct sg_json targets = sg_json_array(names, t->n_targets - from);
    e.program = p->hooks[t->out->branches[t->turn].hook].spec->text;
    e.value = results;
    e.targets = &targets;
    tell(t, &e);
}

void sg_see_record_end(const struct record *r, enum sg_outcome outcome, struct sg_str json) {
    const struct sg_exec_observer *o = r->exec->o.observer;
    bool failed = outcome == SG_RECORD_FAILED || outcome == SG_RECORD_INVALID;
    struct sg_exec_event e = {.kind = SG_EXEC_RECORD_END,
                              .position = r->position,
                              .line = r->line,
                              .step = r->steps,
                              .outcome = outcome,
                              .node = failed ? r->err_node : SG_STR_NONE,
                              .err = failed ? &r->err : NULL,
                              .output = json};
    o->on_event(o->ud, &e);
}
