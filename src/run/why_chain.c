/* SPDX-License-Identifier: Apache-2.0 */
/* why_chain: back from a field to what made it. A field takes a key; a key's value is the last one written before, by an
 * execution of a node, or the input's; an execution reads the keys that its prompts name, and of programs those whose names stand
 * in their text: a program may see more, and is then said to see all. */
#include "run/why.h"

/* --- fields ----------------------------------------------------------------------------------------------------- */

bool sg_why_wants(const struct sg_why *w, struct sg_str field) {
    return !w->field.n || sg_str_eq(w->field, field);
}

const struct sg_json *sg_why_value(const struct sg_why *w, struct sg_str field) {
    return w->record.row.outcome == SG_RECORD_OK ? sg_json_get(&w->stored, field) : NULL;
}

const struct sg_plan_field *sg_why_field(const struct sg_why *w, struct sg_str field) {
    const struct sg_plan *p = w->run.task.plan;
    for (size_t i = 0; i < p->n_fields; i++)
        if (sg_str_eq(p->fields[i].name, field)) return &p->fields[i];
    return NULL;
}

/* --- origins ---------------------------------------------------------------------------------------------------- */

static const struct sg_json *written(const struct sg_why_node *n, struct sg_str key) {
    return n->updates.type == SG_JSON_OBJECT ? sg_json_get(&n->updates, key) : NULL;
}

struct sg_why_origin sg_why_origin(const struct sg_why *w, struct sg_str key, uint32_t before) {
    struct sg_why_origin o = {0};
    for (size_t i = 0; i < w->n_nodes; i++) {
        const struct sg_why_node *n = w->nodes[i];
        const struct sg_json *v = n->step < before ? written(n, key) : NULL;
        if (v && (!o.node || n->step >= o.node->step)) o.node = n, o.value = v;
    }
    if (o.node) return o;
    o.value = sg_json_get(&w->row, key);
    o.data = o.value != NULL;
    return o;
}

/* --- what an execution reads ------------------------------------------------------------------------------------ */

static bool is_word(char c) {
    return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool mentions(struct sg_str text, struct sg_str name) {
    for (size_t i = 0; name.n && i + name.n <= text.n; i++) {
        bool alone = (i == 0 || !is_word(text.p[i - 1])) && (i + name.n == text.n || !is_word(text.p[i + name.n]));
        if (alone && memcmp(text.p + i, name.p, name.n) == 0) return true;
    }
    return false;
}

/* A jq program names what it reads; what Python code reads, only it knows. */
static bool may_read(const struct sg_plan *p, int hook, struct sg_str key) {
    return sg_plan_is_python(&p->hooks[hook]) || mentions(p->hooks[hook].spec->text, key);
}

static bool is_seen(const struct sg_why *w, struct sg_str key, uint32_t before) {
    const struct sg_json *v = sg_why_origin(w, key, before).value;
    return v && !(v->type == SG_JSON_ARRAY && v->n == 0);
}

static void program_reads(const struct sg_why *w, int hook, uint32_t before, bool *read) {
    const struct sg_plan *p = w->run.task.plan;
    bool any = false;
    if (hook == SG_NONE) return;
    for (size_t i = 0; i < p->n_keys; i++)
        if (may_read(p, hook, p->keys[i].name) && is_seen(w, p->keys[i].name, before))
            any = read[i] = true;
    for (size_t i = 0; i < p->n_keys && !any; i++) read[i] |= sg_why_origin(w, p->keys[i].name, before).node != NULL;
}

static void prompt_reads(const struct sg_plan_node *n, bool *read) {
    for (size_t i = 0; i < n->n_messages; i++)
        for (size_t k = 0; k < n->messages[i].n_parts; k++) {
            const struct sg_template *t = n->messages[i].parts[k];
            for (size_t m = 0; m < t->n; m++)
                if (t->placeholders[m].slot >= 0) read[t->placeholders[m].slot] = true;
        }
}

static bool makes_calls(const struct sg_plan_node *n) {
    return n->kind == SG_NODE_LLM || n->kind == SG_NODE_MULTI_LLM;
}

void sg_why_reads(const struct sg_why *w, const struct sg_why_node *n, sg_why_key_fn *fn, void *ud) {
    const struct sg_plan *p = w->run.task.plan;
    struct sg_arena scratch;
    sg_arena_init(&scratch, 0);
    bool *read = SG_NEW_N(&scratch, bool, p->n_keys + 1);
    if (makes_calls(n->node)) {
        prompt_reads(n->node, read);
        if (is_seen(w, p->keys[n->node->input_key].name, n->step)) read[n->node->input_key] = true;
        if (n->node->pre_hook != SG_NONE) program_reads(w, n->node->pre_hook, n->step, read);
        for (size_t i = 0; n->node->post_hook != SG_NONE && i < p->n_keys; i++)
            if (may_read(p, n->node->post_hook, p->keys[i].name) && is_seen(w, p->keys[i].name, n->step))
                read[i] = true;
    }
    if (n->node->kind == SG_NODE_LAMBDA) program_reads(w, n->node->lambda_hook, n->step, read);
    for (size_t i = 0; i < p->n_keys; i++)
        if (read[i]) fn(ud, p->keys[i].name);
    sg_arena_fini(&scratch);
}

/* --- marking ---------------------------------------------------------------------------------------------------- */

struct marking {
    struct sg_why *w;
    uint32_t before;
};

static void mark_key(void *ud, struct sg_str key) {
    struct marking *m = ud;
    struct sg_why *w = m->w;
    struct sg_why_origin o = sg_why_origin(w, key, m->before);
    for (uint32_t i = 0; o.data && i < w->row.n; i++)
        if (sg_str_eq(w->row.members[i].key, key)) w->needs_data[i] = true;
    struct sg_why_node *n = (struct sg_why_node *)o.node;
    if (!n || n->needed) return;
    n->needed = true;
    struct marking deeper = {w, n->step};
    sg_why_reads(w, n, mark_key, &deeper);
}

static void mark_field(struct sg_why *w, struct sg_str name) {
    const struct sg_plan *p = w->run.task.plan;
    const struct sg_plan_field *f = sg_why_field(w, name);
    struct marking m = {w, UINT32_MAX};
    if (!p->has_map) mark_key(&m, name);
    else if (f && f->key != SG_NONE) mark_key(&m, p->keys[f->key].name);
    int program = p->generator != SG_NONE ? p->generator : f ? f->transform : SG_NONE;
    for (size_t i = 0; program != SG_NONE && i < p->n_keys; i++)
        if (may_read(p, program, p->keys[i].name)) mark_key(&m, p->keys[i].name);
}

static int no_such_field(const struct sg_why *w, struct sg_err *err) {
    struct sg_buf b = SG_BUF_INIT(300);
    for (uint32_t i = 0; i < w->stored.n; i++)
        sg_buf_printf(&b, "%s%.*s", i ? ", " : "", SG_ARG(w->stored.members[i].key));
    int rc = sg_fail(err, SG_E_MISSING, "the record has no field `%.*s`; it has: %.*s", SG_ARG(w->field), (int)b.n,
                     b.p ? b.p : "");
    sg_buf_fini(&b);
    return rc;
}

/* A record that failed has no fields: all that ran is shown. So it is when it did not come so far the second time. */
int sg_why_mark(struct sg_why *w, struct sg_err *err) {
    bool ok = w->record.row.outcome == SG_RECORD_OK;
    w->needs_data = SG_NEW_N(&w->arena, bool, w->row.n + 1);
    if (ok && w->field.n && !sg_json_get(&w->stored, w->field)) return no_such_field(w, err);
    for (uint32_t i = 0; ok && i < w->stored.n; i++)
        if (sg_why_wants(w, w->stored.members[i].key)) mark_field(w, w->stored.members[i].key);
    if (ok && !w->failure.n) return 0;
    for (size_t i = 0; i < w->n_nodes; i++) {
        struct marking m = {w, w->nodes[i]->step};
        w->nodes[i]->needed = true;
        sg_why_reads(w, w->nodes[i], mark_key, &m);
    }
    return 0;
}

struct sg_str sg_why_sent(struct sg_why *w, const struct sg_why_call *c, bool *same) {
    *same = c->has_row && c->row.request && c->row.request == c->hash;
    if (*same) return SG_STR("as sent");
    if (!c->has_row) return SG_STR("not compared: the run has kept nothing of this call");
    if (!c->row.request) return SG_STR("not compared: the run has kept no hash of the request");
    if (w->changed.n)
        return sg_str_printf(&w->arena, "NOT as sent, but as the task makes it now; changed since: %.*s",
                             SG_ARG(w->changed));
    return SG_STR("NOT as sent: the input, or an answer before this one, is another now");
}
