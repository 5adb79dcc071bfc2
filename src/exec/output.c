/* SPDX-License-Identifier: Apache-2.0 */
/* The end of a record: what a generator makes of it, the output map (spec-core 8.1) with its transforms, or the raw state; the checks
 * of it (spec-core 9); and the line that it leaves when it is not ok. */
#include "exec/record.h"

#define MOST_VALUE 200 /* bytes of a value that stands beside the output that it is part of */

static const struct sg_json null_value = {.type = SG_JSON_NULL};

/* --- generators ---------------------------------------------------------------------------------------------------------------- */

/* Null is no failure: the class does not want the record. */
static enum verdict on_generated(struct task *t, const struct sg_json *results) {
    enum verdict v = sg_one_object(t, results, "the generator", &t->result);
    t->record->dropped = v == NEXT && !t->result;
    return v;
}

static enum verdict step_generate(struct task *t) {
    int hook = t->record->exec->plan->generator;
    return hook == SG_NONE ? NEXT : sg_hook_step(t, hook, sg_hook_write_state, on_generated);
}

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
    if (p->generator != SG_NONE) return NEXT;
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

/* The record that a generator made. */
static enum verdict plain_result(struct task *t) {
    const struct sg_json *made = t->result;
    struct sg_member *m = SG_NEW_N(&t->record->arena, struct sg_member, made->n);
    struct sg_json *plain = SG_NEW(&t->record->arena, struct sg_json);
    enum verdict v = NEXT;
    for (uint32_t i = 0; i < made->n && v == NEXT; i++) {
        const struct sg_json *value = &made->members[i].value;
        if (sg_has_marks(value)) v = plain_value(t, made->members[i].key, value, &value);
        m[i] = (struct sg_member){made->members[i].key, *value};
    }
    *plain = sg_json_object(m, made->n);
    t->result = plain;
    return v;
}

/* Fields, or the whole state where that is written, as outputs show them. */
static enum verdict step_plain(struct task *t) {
    const struct sg_exec *x = t->record->exec;
    const struct sg_plan *p = x->plan;
    enum verdict v = NEXT;
    if (!p->has_python || t->record->dropped) return NEXT;
    if (t->result) return sg_has_marks(t->result) ? plain_result(t) : NEXT;
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
    bool generated = t->result && !x->plan->checks_state;
    const struct sg_json *made = generated ? sg_json_get(t->result, x->plan->checks[check].name) : NULL;
    if (made) return made;
    if (output != SG_NONE && !t->result) return output_value(t, (size_t)output);
    return slot == SG_NONE ? NULL : t->state[slot];
}

/* The first rule that is broken decides. The output is made all the same: it stands in the invalid record's line. */
static enum verdict step_check(struct task *t) {
    struct record *r = t->record;
    const struct sg_plan *p = r->exec->plan;
    for (size_t i = 0; i < p->n_checks && !r->broken && !r->dropped; i++) {
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

/* --- the schema's class ---------------------------------------------------------------------------------------------------------- */

static bool is_made(struct task *t, struct sg_str name) {
    const struct sg_plan *p = t->record->exec->plan;
    if (t->result) return sg_json_get(t->result, name) != NULL;
    for (size_t i = 0; i < p->n_fields; i++)
        if (sg_str_eq(p->fields[i].name, name)) return true;
    return false;
}

static void add_member(struct sg_buf *b, struct sg_str name, const struct sg_json *v) {
    if (b->p[b->n - 1] != '{') sg_buf_ch(b, ',');
    sg_json_write_string(b, name);
    sg_buf_ch(b, ':');
    sg_json_write(b, v);
}

/* As the rules look at a record: what is made of it, and the state behind that. */
static void write_checked(struct sg_hook_call *c, struct sg_buf *input, struct sg_buf *state) {
    (void)state;
    struct task *t = c->ud;
    const struct sg_exec *x = t->record->exec;
    const struct sg_plan *p = x->plan;
    if (p->checks_state || (!p->has_map && !t->result)) {
        sg_state_write(x, t->state, input);
        return;
    }
    sg_buf_ch(input, '{');
    for (uint32_t i = 0; t->result && i < t->result->n; i++)
        add_member(input, t->result->members[i].key, &t->result->members[i].value);
    for (size_t i = 0; !t->result && i < p->n_fields; i++) add_member(input, p->fields[i].name, output_value(t, i));
    for (size_t i = 0; i < x->n_slots; i++)
        if (t->state[i] && !is_made(t, x->slots[i])) add_member(input, x->slots[i], t->state[i]);
    sg_buf_ch(input, '}');
}

static struct sg_str class_name(const struct record *r) {
    return r->exec->plan->hooks[r->exec->plan->schema_type].spec->text;
}

/* Null: it is valid; a text: why it is not. */
static enum verdict on_checked(struct task *t, const struct sg_json *results) {
    struct record *r = t->record;
    const struct sg_json *v = results->n == 1 ? &results->items[0] : NULL;
    if (v && v->type == SG_JSON_NULL) return NEXT;
    if (!v || v->type != SG_JSON_STRING)
        return sg_task_fail(t, SG_E_HOOK, "the schema `%.*s` must answer with null or a text", SG_ARG(class_name(r)));
    r->misfit = sg_json_text(v);
    r->err_node = SG_STR("schema_config.schema");
    sg_fail(&r->err, SG_E_INVALID, "%.*s", SG_ARG(r->misfit));
    return NEXT;
}

static enum verdict step_class(struct task *t) {
    const struct record *r = t->record;
    int hook = r->exec->plan->schema_type;
    return hook == SG_NONE || r->dropped || r->broken ? NEXT : sg_hook_step(t, hook, write_checked, on_checked);
}

/* --- the line ------------------------------------------------------------------------------------------------------------------ */

static void write_output(struct task *t, struct sg_buf *b) {
    const struct sg_exec *x = t->record->exec;
    if (t->result) {
        sg_json_write(b, t->result);
        return;
    }
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
static void dropped_line(const struct record *r, struct sg_buf *b);

static enum verdict step_write(struct task *t) {
    const struct record *r = t->record;
    struct sg_buf *b = &r->exec->text;
    sg_buf_reset(b, 1 << 20);
    if (r->dropped) dropped_line(r, b);
    else if (r->broken || r->misfit.p) invalid_line(t, b);
    else write_output(t, b);
    return NEXT;
}

static const struct step steps[] = {{"generate", step_generate}, {"transform", step_transform}, {"plain", step_plain},
                                    {"check", step_check},       {"schema", step_class},         {"output", step_write}, {0}};
const struct node_kind sg_node_kind_output = {.name = "output", .steps = steps};

/* --- records that are not ok -------------------------------------------------------------------------------------------------- */

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

static void broken_rule(const struct record *r, struct sg_buf *b) {
    struct sg_buf expected = SG_BUF_INIT(SIZE_MAX);
    sg_rule_expected(r->broken, &expected);
    text(b, "message", sg_str(r->err.text));
    text(b, "field", r->broken->field);
    text(b, "rule", sg_rule_name(r->broken->kind));
    text(b, "expected", sg_buf_view(&expected));
    if (r->culprit) value(b, r->culprit);
    sg_buf_fini(&expected);
}

/* {"id", "position", "line", "node", "error", "message", "field", "rule", "expected", "value", "output", "record"}; of a schema's
 * class there are its whole text and, as the rule, its name. What was made of the record stands there whole, so that nothing that was
 * paid for is lost. */
static void invalid_line(struct task *t, struct sg_buf *b) {
    const struct record *r = t->record;
    begin_line(r, b);
    text(b, "node", SG_STR("schema_config"));
    text(b, "error", sg_str(sg_error_name(r->err.code)));
    if (r->broken) broken_rule(r, b);
    else text(b, "message", r->misfit), text(b, "rule", class_name(r));
    member(b, "output");
    write_output(t, b);
    end_line(r, b);
}

/* {"id", "position", "line", "node", "message", "record"}. */
static void dropped_line(const struct record *r, struct sg_buf *b) {
    struct sg_buf why = SG_BUF_INIT(1 << 20);
    sg_buf_printf(&why, "%.*s returned None", SG_ARG(r->exec->plan->hooks[r->exec->plan->generator].spec->text));
    begin_line(r, b);
    text(b, "node", SG_STR("output_config"));
    text(b, "message", sg_buf_view(&why));
    end_line(r, b);
    sg_buf_fini(&why);
}
