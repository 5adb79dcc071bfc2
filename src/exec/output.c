/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a record: the output map (spec-core 8.1) with its transforms, or the raw state; and the line that a failed
 * record leaves. */
#include "exec/record.h"

static const struct sg_json null_value = {.type = SG_JSON_NULL};

/* --- transforms ---------------------------------------------------------------------------------------------------------------- */

static const struct sg_json *field_input(struct task *t, const struct sg_plan_field *f) {
    if (f->key == SG_NONE) return &f->value;
    return t->state[f->key] ? t->state[f->key] : &null_value;
}

static void write_value(struct sg_hook_call *c, struct sg_buf *input, struct sg_buf *state) {
    struct task *t = c->ud;
    sg_json_write(input, field_input(t, &t->record->exec->plan->fields[t->turn]));
    sg_state_write(t->record->exec, t->state, state);
}

static enum verdict on_transformed(struct task *t, const struct sg_json *results) {
    const struct sg_plan_field *f = &t->record->exec->plan->fields[t->turn];
    if (results->n != 1)
        return sg_task_fail(t, SG_E_HOOK, "the transform of `%.*s` must return one value, not %u", SG_ARG(f->name),
                            results->n);
    t->mapped[t->turn++] = &results->items[0];
    return AGAIN;
}

static enum verdict step_transform(struct task *t) {
    const struct sg_plan *p = t->record->exec->plan;
    if (!t->mapped) t->mapped = SG_NEW_N(&t->record->arena, const struct sg_json *, p->n_fields);
    while (t->turn < p->n_fields && p->fields[t->turn].transform == SG_NONE) t->turn++;
    if (t->turn == p->n_fields) return NEXT;
    return sg_hook_step(t, p->fields[t->turn].transform, write_value, on_transformed);
}

static enum verdict step_write(struct task *t) {
    struct sg_exec *x = t->record->exec;
    struct sg_buf *b = &x->text;
    sg_buf_reset(b, 1 << 20);
    if (!x->plan->has_map) {
        sg_state_write(x, t->state, b);
        return NEXT;
    }
    sg_buf_ch(b, '{');
    for (size_t i = 0; i < x->plan->n_fields; i++) {
        const struct sg_plan_field *f = &x->plan->fields[i];
        if (i) sg_buf_ch(b, ',');
        sg_json_write_string(b, f->name);
        sg_buf_ch(b, ':');
        sg_json_write(b, t->mapped[i] ? t->mapped[i] : field_input(t, f));
    }
    sg_buf_ch(b, '}');
    return NEXT;
}

static const struct step steps[] = {{"transform", step_transform}, {"output", step_write}, {0}};
const struct node_kind sg_node_kind_output = {.name = "output", .steps = steps};

/* --- failed records --------------------------------------------------------------------------------------------------------------- */

static void member(struct sg_buf *b, const char *name) {
    if (b->p[b->n - 1] != '{') sg_buf_ch(b, ',');
    sg_json_write_string(b, sg_str(name));
    sg_buf_ch(b, ':');
}

static void number(struct sg_buf *b, const char *name, uint64_t v) {
    member(b, name);
    sg_buf_u64(b, v);
}

static void text(struct sg_buf *b, const char *name, struct sg_str s) {
    struct sg_buf clean = SG_BUF_INIT(1 << 20);
    sg_redact(&clean, s);
    member(b, name);
    sg_json_write_string(b, sg_buf_view(&clean));
    sg_buf_fini(&clean);
}

/* {"id", "position", "line", "node", "error", "message", "status", "attempts", "record"}; what is not known is left out. */
void sg_failed_line(const struct record *r, struct sg_buf *b) {
    sg_buf_ch(b, '{');
    const struct sg_json *id = r->row.type == SG_JSON_OBJECT ? sg_json_get(&r->row, SG_STR("id")) : NULL;
    if (id) {
        member(b, "id");
        sg_json_write(b, id);
    }
    number(b, "position", r->position);
    if (r->line) number(b, "line", r->line);
    if (r->err_node.n) text(b, "node", r->err_node);
    text(b, "error", sg_str(sg_error_name(r->err.code)));
    text(b, "message", sg_str(r->err.text));
    if (r->err.status) number(b, "status", (uint64_t)r->err.status);
    if (r->failed_attempts) number(b, "attempts", r->failed_attempts);
    if (r->row.type == SG_JSON_OBJECT) {
        member(b, "record");
        sg_json_write(b, &r->row);
    }
    sg_buf_ch(b, '}');
}
