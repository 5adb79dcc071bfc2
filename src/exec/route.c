/* SPDX-License-Identifier: Apache-2.0 */
/* The step that all node kinds end with: each conditional edge is evaluated on the snapshot plus the node's own writes (spec-core
 * 5.5), and what the node's hooks changed in place. */
#include "exec/record.h"

/* The state as the node's own doings leave it. */
static state_view own_view(struct task *t) {
    struct record *r = t->record;
    if (t->n_updates == 0 && t->n_changes == 0) return (state_view)r->state;
    const struct sg_json **s = sg_alloc(&r->arena, r->exec->n_slots * sizeof *s);
    memcpy(s, r->state, r->exec->n_slots * sizeof *s);
    for (size_t i = 0; i < t->n_changes; i++) s[t->changes[i].slot] = t->changes[i].value;
    for (size_t i = 0; i < t->n_updates; i++) {
        int slot = t->updates[i].slot;
        const struct sg_json *old = s[slot], *v = t->updates[i].value;
        s[slot] = sg_state_is_joined(r->exec, slot) && v->type == SG_JSON_ARRAY ? sg_state_append(&r->arena, old, v) : v;
    }
    return (state_view)s;
}

static void write_routing_state(struct sg_hook_call *c, struct sg_buf *input, struct sg_buf *state) {
    struct task *t = c->ud;
    sg_state_write(t->record->exec, own_view(t), sg_hook_state_buffer(t, input, state));
}

/* Conditions answer with text, or with true; `END` and `__end__` are the same, so are true, "true" and "True". */
static struct sg_str normal(struct sg_str s) {
    if (sg_str_eq(s, SG_STR("__end__"))) return SG_STR("END");
    if (sg_str_eq(s, SG_STR("True"))) return SG_STR("true");
    if (sg_str_eq(s, SG_STR("False"))) return SG_STR("false");
    if (sg_str_eq(s, SG_STR("None"))) return SG_STR("null");
    return s;
}

static enum verdict take_path(struct task *t, const struct sg_plan_branch *b, const struct sg_json *result) {
    struct sg_arena *a = &t->record->arena;
    struct sg_str text = result->type == SG_JSON_STRING ? sg_json_text(result) : sg_json_dump(a, result);
    struct sg_str wanted = normal(text);
    for (size_t i = 0; i < b->n_paths; i++) {
        if (!sg_str_eq(normal(b->paths[i].key), wanted)) continue;
        for (size_t k = 0; k < b->paths[i].n_targets; k++)
            *SG_PUSH(a, t->targets, t->n_targets, t->cap_targets) = b->paths[i].targets[k];
        return NEXT;
    }
    struct sg_str keys = SG_STR("");
    for (size_t i = 0; i < b->n_paths; i++)
        keys = sg_str_printf(a, "%.*s%s`%.*s`", SG_ARG(keys), i ? ", " : "", SG_ARG(b->paths[i].key));
    return sg_task_fail(t, SG_E_HOOK, "the condition returned `%.*s`, which is not in its path_map (%.*s)",
                        (int)(text.n < 80 ? text.n : 80), text.p, SG_ARG(keys));
}

static enum verdict on_condition(struct task *t, const struct sg_json *results) {
    const struct sg_plan_branch *b = &t->out->branches[t->turn];
    size_t before = t->n_targets;
    if (results->n == 0)
        return sg_task_fail(t, SG_E_HOOK, "the condition returned nothing; it must return a key of its path_map");
    for (uint32_t i = 0; i < results->n; i++) {
        const struct sg_json *v = &results->items[i];
        bool list = v->type == SG_JSON_ARRAY; /* fan-out */
        for (uint32_t k = 0; k < (list ? v->n : 1); k++)
            if (take_path(t, b, list ? &v->items[k] : v) == FAIL) return FAIL;
    }
    if (t->record->exec->o.observer) sg_see_route(t, results, before);
    t->turn++;
    return AGAIN; /* for the next conditional edge */
}

enum verdict sg_step_route(struct task *t) {
    if (t->turn == t->out->n_branches) return NEXT;
    return sg_hook_step(t, t->out->branches[t->turn].hook, write_routing_state, on_condition);
}

static const struct step route_only[] = {{"route", sg_step_route}, {0}};
const struct node_kind sg_node_kind_start = {.name = "START", .steps = route_only};
const struct node_kind sg_node_kind_connector = {.name = "connector", .steps = route_only};
