/* SPDX-License-Identifier: Apache-2.0 */
/* `once`: a hook whose doing cannot be done twice. Before it is called its intent is journalled, and committed; what came of it
 * is journalled behind it. A later life that finds what came takes that; one that finds the intent alone cannot know whether the
 * hook ran, and fails the record. Only `sygra retry` forgets both.
 *
 * The rows are those of a call within the execution: `sub` counts its hooks from 1 (docs/formats/run-folder.md). */
#include "exec/record.h"

static struct sg_call_row row_of(const struct task *t, enum sg_call_state state) {
    const struct sg_exec_options *o = &t->record->exec->o;
    struct sg_call_row row = sg_call_key(t, state);
    row.sub = t->n_hooks;
    row.attempts = state == SG_CALL_INTENT ? 0 : 1; /* of two rows of a key the one of more attempts counts */
    row.started = o->output ? sg_output_ms(o->output, sg_loop_now_ns(o->loop)) : 0;
    return row;
}

static void on_committed(struct sg_output_wait *w) {
    struct task *t = w->ud;
    t->commit_waits = false;
    sg_hook_begin(t);
}

static void on_past(struct sg_later *d) {
    struct task *t = d->ud;
    const struct sg_past_call *c = t->answer.of;
    t->answer_waits = false;
    if (c->failure) {
        sg_hook_take(t, c->failure->code, NULL, NULL, c->failure);
        return;
    }
    struct sg_json *both = SG_NEW_N(&t->record->arena, struct sg_json, 2);
    const struct sg_json *results = sg_json_get(&c->hook, SG_STR("results")),
                         *effects = sg_json_get(&c->hook, SG_STR("effects"));
    both[0] = sg_json_copy(&t->record->arena, results);
    if (effects) both[1] = sg_json_copy(&t->record->arena, effects);
    sg_hook_take(t, 0, &both[0], effects ? &both[1] : NULL, NULL);
}

static enum verdict in_doubt(struct task *t) {
    return sg_task_fail(t, SG_E_HOOK,
                        "%.*s may have run before the run was stopped; it says `once`, so it is not run again "
                        "(`sygra retry` does)",
                        SG_ARG(t->record->exec->plan->hooks[t->plan_hook].spec->text));
}

/* Of a record that is made once more. */
static enum verdict take_done(struct task *t) {
    struct sg_exec *x = t->record->exec;
    struct sg_past_call *c = SG_NEW(&t->record->arena, struct sg_past_call);
    struct sg_call_row key = row_of(t, SG_CALL_DONE);
    if (x->o.done_before(x->o.done_ud, &key, &t->record->arena, &c->hook)) return sg_past_later(t, on_past, c);
    return sg_task_fail(t, SG_E_MISSING, "what %.*s gave was not kept; it says `once`, so it is not run again",
                        SG_ARG(x->plan->hooks[t->plan_hook].spec->text));
}

enum verdict sg_once_begin(struct task *t) {
    struct sg_exec *x = t->record->exec;
    if (x->o.done_before) return take_done(t);
    const struct sg_past_call *c = sg_past_find_hook(t, t->n_hooks);
    if (c && (c->failure || c->hook.type == SG_JSON_OBJECT)) return sg_past_later(t, on_past, c);
    if (c) return in_doubt(t);
    if (!x->journals) return NEXT;
    struct sg_call_row row = row_of(t, SG_CALL_INTENT);
    sg_output_call(x->o.output, &row, 0, SG_STR_NONE);
    t->commit = (struct sg_output_wait){.fn = on_committed, .ud = t};
    t->commit_waits = true;
    sg_output_when_committed(x->o.output, &t->commit);
    return WAIT;
}

void sg_once_end(struct task *t, int status, const struct sg_json *results, const struct sg_json *effects,
                 const struct sg_err *err) {
    struct sg_exec *x = t->record->exec;
    if (!x->journals) return;
    struct sg_call_row row = row_of(t, SG_CALL_DONE);
    sg_buf_reset(&x->text, 1 << 20);
    if (status != 0) {
        struct sg_err failure = *err;
        failure.code = status;
        sg_failure_write(&x->text, &failure, SG_STR_NONE);
    } else {
        SG_BUF_LIT(&x->text, "{\"results\":");
        sg_json_write(&x->text, results);
        if (effects) SG_BUF_LIT(&x->text, ",\"effects\":"), sg_json_write(&x->text, effects);
        sg_buf_ch(&x->text, '}');
    }
    sg_output_call(x->o.output, &row, status != 0 ? SG_BODY_FAILURE : SG_BODY_HOOK, sg_buf_view(&x->text));
}
