/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a record: the output map (spec-core 8.1) with its transforms, or the raw state; the checks of it (spec-core 9);
 * and the line that a failed or invalid record leaves. */
#include "exec/record.h"

#define MOST_VALUE 200 /* bytes of a value that stands beside the output that it is part of */

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

/* --- values that only Python has ----------------------------------------------------------------------------------------------- */

static enum verdict plain_value(struct task *t, struct sg_str key, const struct sg_json *v, const struct sg_json **out) {
    struct sg_json *plain = SG_NEW(&t->record->arena, struct sg_json);
    struct sg_err err = {0};
    int rc = sg_plain_for_output(&t->record->arena, v, key, plain, &err);
    *out = plain;
    return rc == 0 ? NEXT : sg_task_fail_err(t, rc, &err);
}

static const struct sg_json *output_value(struct task *t, size_t field);

/* Fields, or the whole state where that is written, as outputs show them. */
static enum verdict step_plain(struct task *t) {
    const struct sg_exec *x = t->record->exec;
    const struct sg_plan *p = x->plan;
    enum verdict v = NEXT;
    if (!p->has_python) return NEXT;
    for (size_t i = 0; i < p->n_fields && v == NEXT; i++)
        if (sg_has_marks(output_value(t, i))) v = plain_value(t, p->fields[i].name, output_value(t, i), &t->mapped[i]);
    if (p->has_map) return v;
    const struct sg_json **s = sg_alloc(&t->record->arena, x->n_slots * sizeof *s);
    for (size_t i = 0; i < x->n_slots && v == NEXT; i++) {
        s[i] = t->state[i];
        if (s[i] && sg_has_marks(s[i])) v = plain_value(t, x->slots[i], t->state[i], &s[i]);
    }
    t->state = (state_view)s;
    return v;
}

/* --- checks -------------------------------------------------------------------------------------------------------------------- */

static const struct sg_json *output_value(struct task *t, size_t field) {
    return t->mapped[field] ? t->mapped[field] : field_input(t, &t->record->exec->plan->fields[field]);
}

static const struct sg_json *checked_value(struct task *t, size_t check) {
    const struct sg_exec *x = t->record->exec;
    int output = x->plan->checks[check].output, slot = x->check_slots[check];
    if (output != SG_NONE) return output_value(t, (size_t)output);
    return slot == SG_NONE ? NULL : t->state[slot];
}

/* The first rule that is broken decides. The output is made all the same: it stands in the invalid record's line. */
static enum verdict step_check(struct task *t) {
    struct record *r = t->record;
    const struct sg_plan *p = r->exec->plan;
    for (size_t i = 0; i < p->n_checks && !r->broken; i++) {
        r->culprit = checked_value(t, i);
        r->broken = sg_check_broken(&p->checks[i], r->culprit);
    }
    if (!r->broken) return NEXT;
    struct sg_buf why = SG_BUF_INIT(SIZE_MAX);
    sg_rule_explain(r->broken, r->culprit, &why);
    sg_fail(&r->err, SG_E_INVALID, "%.*s", (int)why.n, why.p);
    r->err_node = r->broken->place;
    sg_buf_fini(&why);
    return NEXT;
}

/* --- the line ------------------------------------------------------------------------------------------------------------------ */

static void write_output(struct task *t, struct sg_buf *b) {
    const struct sg_exec *x = t->record->exec;
    if (!x->plan->has_map) {
        sg_state_write(x, t->state, b);
        return;
    }
    sg_buf_ch(b, '{');
    for (size_t i = 0; i < x->plan->n_fields; i++) {
        if (i) sg_buf_ch(b, ',');
        sg_json_write_string(b, x->plan->fields[i].name);
        sg_buf_ch(b, ':');
        sg_json_write(b, output_value(t, i));
    }
    sg_buf_ch(b, '}');
}

static void invalid_line(struct task *t, struct sg_buf *b);

static enum verdict step_write(struct task *t) {
    struct sg_buf *b = &t->record->exec->text;
    sg_buf_reset(b, 1 << 20);
    if (t->record->broken) invalid_line(t, b);
    else write_output(t, b);
    return NEXT;
}

static const struct step steps[] = {{"transform", step_transform}, {"plain", step_plain}, {"check", step_check}, {"output", step_write}, {0}};
const struct node_kind sg_node_kind_output = {.name = "output", .steps = steps};

/* --- failed and invalid records -------------------------------------------------------------------------------------------------- */

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

static void begin_line(const struct record *r, struct sg_buf *b) {
    sg_buf_ch(b, '{');
    const struct sg_json *id = r->row.type == SG_JSON_OBJECT ? sg_json_get(&r->row, SG_STR("id")) : NULL;
    if (id) {
        member(b, "id");
        sg_json_write(b, id);
    }
    number(b, "position", r->position);
    if (r->line) number(b, "line", r->line);
}

static void end_line(const struct record *r, struct sg_buf *b) {
    if (r->row.type == SG_JSON_OBJECT) {
        member(b, "record");
        sg_json_write(b, &r->row);
    }
    sg_buf_ch(b, '}');
}

/* {"id", "position", "line", "node", "error", "message", "status", "attempts", "record"}; what is not known is left out. */
void sg_failed_line(const struct record *r, struct sg_buf *b) {
    begin_line(r, b);
    if (r->err_node.n) text(b, "node", r->err_node);
    text(b, "error", sg_str(sg_error_name(r->err.code)));
    text(b, "message", sg_str(r->err.text));
    if (r->err.status) number(b, "status", (uint64_t)r->err.status);
    if (r->failed_attempts) number(b, "attempts", r->failed_attempts);
    end_line(r, b);
}

/* A value is a part of the record, which is never altered; the beginning of one is for people. */
static void value(struct sg_buf *b, const struct sg_json *v) {
    struct sg_buf start = SG_BUF_INIT(SIZE_MAX);
    if (sg_rule_shown(v, MOST_VALUE, &start)) {
        member(b, "value");
        sg_json_write(b, v);
    } else {
        text(b, "value_starts", sg_buf_view(&start));
    }
    sg_buf_fini(&start);
}

/* {"id", "position", "line", "node", "error", "message", "field", "rule", "expected", "value", "output", "record"}: what was
 * made of it stands there whole, so that nothing that was paid for is lost. */
static void invalid_line(struct task *t, struct sg_buf *b) {
    const struct record *r = t->record;
    struct sg_buf expected = SG_BUF_INIT(SIZE_MAX);
    sg_rule_expected(r->broken, &expected);
    begin_line(r, b);
    text(b, "node", SG_STR("schema_config"));
    text(b, "error", sg_str(sg_error_name(r->err.code)));
    text(b, "message", sg_str(r->err.text));
    text(b, "field", r->broken->field);
    text(b, "rule", sg_rule_name(r->broken->kind));
    text(b, "expected", sg_buf_view(&expected));
    if (r->culprit) value(b, r->culprit);
    member(b, "output");
    write_output(t, b);
    end_line(r, b);
    sg_buf_fini(&expected);
}
