/* SPDX-License-Identifier: Apache-2.0 */
/* Steps that call hooks. What a hook did beside its result (effects.c) is taken before the result is looked at. */
#include "exec/record.h"

#define SEEDS_OF_HOOKS (1ull << 32) /* draws below are those of calls and samplers */

static const struct sg_plan_hook *hook_of(const struct task *t) {
    return &t->record->exec->plan->hooks[t->plan_hook];
}

/* A hook of a node itself: not an edge's, nor a model's. */
static bool is_once(const struct task *t) {
    enum sg_hook_role role = hook_of(t)->role;
    bool own = role == SG_ROLE_LAMBDA || role == SG_ROLE_PRE || role == SG_ROLE_POST || role == SG_ROLE_COMBINE;
    return own && t->node && t->node->spec && t->node->spec->once;
}

/* Its own for each call of a hook, whatever ran before it (I7). */
static uint64_t seed_of(const struct task *t) {
    const struct sg_draw_key key = {.seed = t->record->exec->o.seed,
                                    .position = t->record->position,
                                    .node = t->node ? t->node->name_hash : sg_hash64(sg_str(t->kind->name), 0),
                                    .visit = t->visit};
    return sg_draw(&key, SEEDS_OF_HOOKS + ((uint64_t)t->ordinal << 16) + t->n_hooks);
}

void sg_hook_take(struct task *t, int status, const struct sg_json *results, const struct sg_json *effects,
                  const struct sg_err *err) {
    if (status != 0) {
        sg_task_go(t, sg_task_fail_err(t, status, err));
        return;
    }
    if (effects) {
        results = sg_effects_keep(t, results, effects);
        sg_effects_change(t, effects);
    }
    sg_task_go(t, t->on_result(t, results));
}

static void on_hook(struct sg_hook_call *c, int status, const struct sg_json *results, const struct sg_json *effects,
                    const struct sg_err *err) {
    struct task *t = c->ud;
    t->hook_waits = false;
    if (c->once) sg_once_end(t, status, results, effects, err);
    sg_hook_take(t, status, results, effects, err);
}

void sg_hook_begin(struct task *t) {
    struct sg_exec *x = t->record->exec;
    t->hook = (struct sg_hook_call){.hook = x->o.hook_ids[t->plan_hook],
                                    .seed = seed_of(t),
                                    .once = is_once(t),
                                    .write = t->write_hook,
                                    .on_done = on_hook,
                                    .arena = &t->record->arena,
                                    .ud = t};
    t->hook_waits = true;
    sg_hook_start(x->o.hooks, &t->hook);
}

enum verdict sg_hook_step(struct task *t, int plan_hook, hook_write_fn *write, hook_result_fn *on_result) {
    t->plan_hook = plan_hook;
    t->write_hook = write;
    t->on_result = on_result;
    t->n_hooks++;
    t->record->has_waited = true;
    if (is_once(t)) {
        enum verdict v = sg_once_begin(t);
        if (v != NEXT) return v;
    }
    sg_hook_begin(t);
    return WAIT;
}

struct sg_exec_place sg_exec_place_of(const struct sg_hook_call *c) {
    const struct task *t = c->ud;
    return (struct sg_exec_place){t->record->position, t->node ? t->node->name : SG_STR_NONE};
}

/* --- what a hook is given, and gives ---------------------------------------------------------------------------------------- */

struct sg_buf *sg_hook_state_buffer(const struct task *t, struct sg_buf *input, struct sg_buf *state) {
    return sg_plan_is_python(hook_of(t)) ? state : input;
}

void sg_hook_write_state(struct sg_hook_call *c, struct sg_buf *input, struct sg_buf *state) {
    struct task *t = c->ud;
    sg_state_write(t->record->exec, t->state, sg_hook_state_buffer(t, input, state));
}

enum verdict sg_one_object(struct task *t, const struct sg_json *results, const char *what,
                           const struct sg_json **out) {
    *out = NULL;
    if (results->n != 1)
        return sg_task_fail(t, SG_E_HOOK, "%s must return one object, not %u values", what, results->n);
    const struct sg_json *v = &results->items[0];
    if (v->type == SG_JSON_OBJECT) *out = v;
    if (v->type == SG_JSON_OBJECT || v->type == SG_JSON_NULL) return NEXT;
    return sg_task_fail(t, SG_E_HOOK, "%s must return an object, not %s", what, sg_json_type_name(v));
}
