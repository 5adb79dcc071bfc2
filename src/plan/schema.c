/* SPDX-License-Identifier: Apache-2.0 */
/* schema: building the checks, looking, and saying what is wrong. */
#include "plan/schema.h"

#include "base/pyorder.h"
#include "base/redact.h"

#define SHOWN 60         /* bytes of a value in a message */
#define MOST_REPORTS 500 /* each is compared with all before it, and nobody reads on */

static const char *const rule_names[] = {
    [SG_RULE_PRESENT] = "present",           [SG_RULE_TYPE] = "type",
    [SG_RULE_GREATER] = "is_greater_than",   [SG_RULE_LESS] = "is_less_than",
    [SG_RULE_EQUAL] = "is_equal_to",         [SG_RULE_NOT_EMPTY] = "is_not_empty",
};

struct sg_str sg_rule_name(enum sg_rule_kind kind) {
    return sg_str(rule_names[kind]);
}

/* --- building --------------------------------------------------------------------------------------------------- */

struct build {
    struct sg_arena *a;
    struct sg_diags *d;
    struct sg_plan *p;
    const struct sg_task_spec *task;
};

static struct sg_str key_path(struct build *b, const struct sg_check_spec *c, const char *key) {
    return sg_str_printf(b->a, "%.*s.%s", SG_ARG(c->path), key);
}

/* Marks count code points in one line; a text over several lines is marked as a whole. */
static struct sg_mark part_of(struct sg_mark mark, struct sg_str text, size_t at, size_t length) {
    if (mark.line == 0 || memchr(text.p, '\n', text.n)) return mark;
    size_t end = at + length < text.n ? at + length : text.n;
    mark.column += (uint32_t)sg_utf8_length((struct sg_str){text.p, at});
    mark.length = at < end ? (uint32_t)sg_utf8_length((struct sg_str){text.p + at, end - at}) : 1;
    return mark;
}

static void build_type(struct build *b, const struct sg_check_spec *c, struct sg_type *out) {
    struct sg_str text = c->type.text;
    struct sg_str path = key_path(b, c, "type");
    struct sg_type_mistake m;
    if (text.n == 0 || sg_type_compile(b->a, text, out, &m) == 0) return; /* empty: reported by config */
    sg_error_at(b->d, part_of(c->type.mark, text, m.at, m.length), path, m.help, "%.*s", SG_ARG(m.text));
}

static int output_of(const struct build *b, struct sg_str name) {
    for (size_t i = 0; !b->task->schema.against_state && i < b->p->n_fields; i++)
        if (sg_str_eq(b->p->fields[i].name, name)) return (int)i;
    return SG_NONE;
}

/* Only the data can still have a field that nobody here knows. */
static void check_known(struct build *b, const struct sg_check_spec *c) {
    const struct sg_plan *p = b->p;
    bool generated = p->generator != SG_NONE && !p->checks_state; /* who knows what it makes */
    if (generated || sg_plan_key(p, c->name.text) != SG_NONE) return;
    struct sg_str *known = SG_NEW_N(b->a, struct sg_str, p->n_fields + p->n_keys);
    size_t n = 0;
    for (size_t i = 0; !b->task->schema.against_state && i < p->n_fields; i++) known[n++] = p->fields[i].name;
    for (size_t i = SG_KEY_FIRST; i < p->n_keys; i++) known[n++] = p->keys[i].name;
    struct sg_str near = sg_nearest(c->name.text, known, n);
    const char *help = near.n ? sg_str_printf(b->a, "did you mean `%.*s`?", SG_ARG(near)).p : NULL;
    const char *where = b->task->schema.against_state || !p->has_map ? "" : "`output_map` has no such field, and ";
    if (!b->task->data.source && !sg_str_eq(c->name.text, SG_STR("id")))
        sg_error_at(b->d, c->name.mark, key_path(b, c, "name"), help,
                    "%sno node writes `%.*s`: every record would be invalid", where, SG_ARG(c->name.text));
    else if (near.n)
        sg_warning_at(b->d, c->name.mark, key_path(b, c, "name"), help,
                      "%sno node writes `%.*s`: every record is invalid unless the data has such a column", where,
                      SG_ARG(c->name.text));
}

static void build_check(struct build *b, const struct sg_check_spec *c, struct sg_plan_check *out) {
    struct sg_plan_rule *rules = SG_NEW_N(b->a, struct sg_plan_rule, c->n_rules + 2);
    rules[0].kind = SG_RULE_PRESENT;
    rules[1].kind = SG_RULE_TYPE;
    build_type(b, c, &rules[1].type);
    for (size_t i = 0; i < c->n_rules; i++) {
        rules[i + 2].kind = c->rules[i].kind;
        rules[i + 2].other = &c->rules[i].value;
    }
    for (size_t i = 0; i < c->n_rules + 2; i++) {
        rules[i].field = c->name.text;
        rules[i].place =
            sg_str_printf(b->a, "schema_config.%.*s.%s", SG_ARG(c->name.text), rule_names[rules[i].kind]);
    }
    *out = (struct sg_plan_check){c->name.text, output_of(b, c->name.text), rules, c->n_rules + 2};
    if (out->output != SG_NONE || c->name.text.n == 0) return;
    check_known(b, c);
    b->p->state_is_seen |= sg_str_eq(c->name.text, SG_STR("id"));
}

void sg_schema_build(struct sg_arena *a, const struct sg_task_spec *task, struct sg_diags *diags, struct sg_plan *p) {
    struct build b = {a, diags, p, task};
    struct sg_plan_check *checks = SG_NEW_N(a, struct sg_plan_check, task->schema.n_checks);
    for (size_t i = 0; i < task->schema.n_checks; i++) {
        build_check(&b, &task->schema.checks[i], &checks[i]);
        if (diags->n < MOST_REPORTS) continue;
        sg_error_at(diags, (struct sg_mark){0}, SG_STR("schema_config"), "mend these and check again",
                    "more than %d reports: the other checks are not looked at", MOST_REPORTS);
        break;
    }
    p->checks = checks;
    p->n_checks = task->schema.n_checks;
}

/* --- looking ---------------------------------------------------------------------------------------------------- */

static bool is_empty(const struct sg_json *v) {
    return v->type == SG_JSON_NULL || (v->type >= SG_JSON_STRING && v->n == 0);
}

static bool holds(const struct sg_plan_rule *r, const struct sg_json *v) {
    switch (r->kind) {
    case SG_RULE_PRESENT:
        return v != NULL;
    case SG_RULE_TYPE:
        return sg_type_takes(&r->type, v);
    case SG_RULE_GREATER:
        return sg_py_order(v, r->other) == SG_GREATER;
    case SG_RULE_LESS:
        return sg_py_order(v, r->other) == SG_LESS;
    case SG_RULE_EQUAL:
        return sg_py_equal(v, r->other);
    case SG_RULE_NOT_EMPTY:
        return !is_empty(v);
    }
    return false;
}

const struct sg_plan_rule *sg_check_broken(const struct sg_plan_check *c, const struct sg_json *v) {
    for (size_t i = 0; i < c->n_rules; i++)
        if (!holds(&c->rules[i], v)) return &c->rules[i];
    return NULL;
}

/* --- words ------------------------------------------------------------------------------------------------------ */

bool sg_rule_shown(const struct sg_json *v, size_t most, struct sg_buf *out) {
    struct sg_buf text = SG_BUF_INIT(SIZE_MAX), clean = SG_BUF_INIT(SIZE_MAX);
    sg_json_write(&text, v);
    sg_redact_start(&clean, sg_buf_view(&text), most + 1);
    size_t n = clean.n;
    if (n > most)
        for (n = most; n > 0 && ((unsigned char)clean.p[n] & 0xC0) == 0x80;) n--;
    sg_buf_add(out, clean.p, n);
    bool whole = n == clean.n;
    sg_buf_fini(&text);
    sg_buf_fini(&clean);
    return whole;
}

static void show_value(const struct sg_json *v, struct sg_buf *out) {
    if (!sg_rule_shown(v, SHOWN, out)) SG_BUF_LIT(out, "...");
}

void sg_rule_expected(const struct sg_plan_rule *r, struct sg_buf *out) {
    static const char *const words[] = {
        [SG_RULE_PRESENT] = "a value",         [SG_RULE_TYPE] = "",
        [SG_RULE_GREATER] = "greater than ",   [SG_RULE_LESS] = "less than ",
        [SG_RULE_EQUAL] = "equal to ",         [SG_RULE_NOT_EMPTY] = "not empty",
    };
    sg_buf_str(out, sg_str(words[r->kind]));
    if (r->kind == SG_RULE_TYPE) sg_type_print(&r->type, out);
    else if (r->kind != SG_RULE_NOT_EMPTY && r->other) show_value(r->other, out);
}

static void explain_type(const struct sg_plan_rule *r, const struct sg_json *v, struct sg_buf *out) {
    struct sg_buf path = SG_BUF_INIT(200);
    struct sg_misfit m = sg_type_misfit(&r->type, v, &path);
    sg_buf_printf(out, "%sfield `%.*s%.*s` must be of type ", m.is_key ? "a key of " : "", SG_ARG(r->field),
                  (int)path.n, path.p ? path.p : "");
    sg_type_print(m.type, out);
    SG_BUF_LIT(out, ", but is ");
    show_value(&m.value, out);
    if (m.type->kind == SG_TYPE_SET && m.value.type == SG_JSON_ARRAY) SG_BUF_LIT(out, ", with lists or maps in it");
    sg_buf_fini(&path);
}

void sg_rule_explain(const struct sg_plan_rule *r, const struct sg_json *v, struct sg_buf *out) {
    if (r->kind == SG_RULE_TYPE) {
        explain_type(r, v, out);
        return;
    }
    sg_buf_printf(out, "field `%.*s` ", SG_ARG(r->field));
    if (r->kind == SG_RULE_PRESENT) {
        SG_BUF_LIT(out, "is missing: no node wrote it, and the data has no such column");
        return;
    }
    if (r->kind == SG_RULE_NOT_EMPTY) {
        SG_BUF_LIT(out, "must not be empty");
    } else {
        SG_BUF_LIT(out, "must be ");
        sg_rule_expected(r, out);
    }
    SG_BUF_LIT(out, ", but is ");
    show_value(v, out);
    bool ordered = r->kind == SG_RULE_GREATER || r->kind == SG_RULE_LESS;
    if (ordered && sg_py_order(v, r->other) == SG_NO_ORDER) SG_BUF_LIT(out, ", and the two have no order");
}

/* --- print.c's part --------------------------------------------------------------------------------------------- */

void sg_schema_json(const struct sg_plan *p, struct sg_buf *out) {
    sg_buf_ch(out, '[');
    for (size_t i = 0; i < p->n_checks; i++) {
        const struct sg_plan_check *c = &p->checks[i];
        sg_buf_str(out, i ? SG_STR(",{\"name\":") : SG_STR("{\"name\":"));
        sg_json_write_string(out, c->name);
        sg_buf_printf(out, ",\"of\":\"%s\",\"type\":\"", c->output == SG_NONE ? "state" : "output");
        sg_type_print(&c->rules[1].type, out);
        sg_buf_ch(out, '"');
        for (size_t k = 2; k < c->n_rules; k++) {
            sg_buf_printf(out, ",\"%s\":", rule_names[c->rules[k].kind]);
            sg_json_write(out, c->rules[k].other);
        }
        sg_buf_ch(out, '}');
    }
    sg_buf_ch(out, ']');
}

void sg_schema_print(const struct sg_plan *p, struct sg_buf *out) {
    for (size_t i = 0; i < p->n_checks; i++) {
        const struct sg_plan_check *c = &p->checks[i];
        sg_buf_printf(out, "%s%.*s", i ? "; " : "checks: ", SG_ARG(c->name));
        for (size_t k = 1; k < c->n_rules; k++) {
            sg_buf_str(out, k == 1 ? SG_STR(" ") : SG_STR(", "));
            sg_rule_expected(&c->rules[k], out);
        }
    }
    if (p->n_checks) sg_buf_ch(out, '\n');
}
