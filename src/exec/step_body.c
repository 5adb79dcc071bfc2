/* SPDX-License-Identifier: Apache-2.0 */
/* A step in the journal: what a record has become since the step that was journalled before it, or since its row. Applied one
 * after the other to the row they give the record as it was between two steps; the format is in docs/formats/run-folder.md.
 *
 * A record of n steps must not take the room of n states, nor a reply that of two. So of a list or a text that has only grown
 * the new end is told, and of a value that is a call's reply, whose body is in the journal already, which call that was. A step
 * behind which nothing waits, or in and before which nothing did, is not told: making it again costs nothing, and what it
 * changed comes with the next one. */
#include "exec/record.h"

/* --- writing ------------------------------------------------------------------------------------------------------------------ */

/* An object within the body, which is there when it has a member. */
struct section {
    struct sg_buf *out;
    const char *name;
    bool begun;
};

static void member(struct section *s, struct sg_str key) {
    if (s->begun) sg_buf_ch(s->out, ',');
    else sg_buf_printf(s->out, ",\"%s\":{", s->name);
    s->begun = true;
    sg_json_write_string(s->out, key);
    sg_buf_ch(s->out, ':');
}

static void end_section(struct section *s) {
    if (s->begun) sg_buf_ch(s->out, '}');
}

static bool is_reply(const struct task *t, const struct sg_json *v) {
    return t->reply && v->type == SG_JSON_STRING && v->text == t->reply;
}

/* The task, or the child of one, whose call brought this very text in the step that ends. */
static const struct task *source_of(const struct record *r, const struct sg_json *v) {
    for (size_t i = 0; i < r->n_tasks; i++) {
        const struct task *t = &r->tasks[i];
        if (is_reply(t, v)) return t;
        for (size_t k = 0; k < t->n_children; k++)
            if (is_reply(&t->children[k], v)) return &t->children[k];
    }
    return NULL;
}

static bool has_grown(const struct record *r, size_t slot) {
    const struct sg_json *old = r->kept[slot], *new = r->state[slot];
    if (!old || old->type != new->type || old->n == 0 || old->n > new->n) return false;
    if (old->type == SG_JSON_STRING) return memcmp(old->text, new->text, old->n) == 0;
    if (old->type != SG_JSON_ARRAY) return false;
    if (sg_state_is_joined(r->exec, (int)slot) && !r->replaced[slot]) return true;
    for (uint32_t i = 0; i < old->n; i++)
        if (!sg_json_equal(&old->items[i], &new->items[i])) return false;
    return true;
}

static struct sg_json end_of(const struct sg_json *v, uint32_t from) {
    if (v->type == SG_JSON_ARRAY) return sg_json_array(v->items + from, v->n - from);
    return sg_json_string((struct sg_str){v->text + from, v->n - from});
}

static bool has_changed(const struct record *r, size_t slot) {
    return r->state[slot] && r->state[slot] != r->kept[slot];
}

static void write_replies(const struct record *r, struct sg_buf *out) {
    struct section s = {out, "reply", false};
    for (size_t i = 0; i < r->exec->n_slots; i++) {
        const struct task *t = has_changed(r, i) ? source_of(r, r->state[i]) : NULL;
        if (!t) continue;
        member(&s, r->exec->slots[i]);
        sg_buf_ch(out, '[');
        sg_json_write_string(out, t->node->name);
        sg_buf_printf(out, ",%u,%u]", t->visit, t->ordinal);
    }
    end_section(&s);
}

/* `grown`: those of which the end is told, else those that are told whole. */
static void write_values(const struct record *r, bool grown, struct sg_buf *out) {
    struct section s = {out, grown ? "add" : "set", false};
    for (size_t i = 0; i < r->exec->n_slots; i++) {
        if (!has_changed(r, i) || source_of(r, r->state[i]) || has_grown(r, i) != grown) continue;
        struct sg_json v = grown ? end_of(r->state[i], r->kept[i]->n) : *r->state[i];
        member(&s, r->exec->slots[i]);
        sg_json_write(out, &v);
    }
    end_section(&s);
}

static void write_next(const struct record *r, struct sg_buf *out) {
    const struct sg_plan *p = r->exec->plan;
    bool first = true;
    SG_BUF_LIT(out, "{\"next\":[");
    for (size_t i = 0; i < p->n_nodes; i++) {
        if (!r->is_fired[i]) continue;
        if (!first) sg_buf_ch(out, ',');
        first = false;
        sg_json_write_string(out, p->nodes[i].name);
    }
    sg_buf_ch(out, ']');
}

static void write_visits(const struct record *r, struct sg_buf *out) {
    const struct sg_plan *p = r->exec->plan;
    struct section s = {out, "visits", false};
    for (size_t i = 0; i < p->n_nodes; i++) {
        if (r->visits[i] == r->kept_visits[i]) continue;
        member(&s, p->nodes[i].name);
        sg_buf_printf(out, "%u", r->visits[i]);
    }
    end_section(&s);
}

static bool has_arrived(const struct record *r, size_t join, size_t source) {
    return (r->arrived[join * r->exec->join_words + source / 64] >> (source % 64)) & 1;
}

/* [number of the join, names of the sources that have finished] of each that waits for others. */
static void write_joins(const struct record *r, struct sg_buf *out) {
    const struct sg_plan *p = r->exec->plan;
    bool any = false;
    for (size_t i = 0; i < p->n_joins; i++) {
        bool begun = false;
        for (size_t k = 0; k < p->joins[i].n_sources; k++) {
            if (!has_arrived(r, i, k)) continue;
            if (!begun) sg_buf_printf(out, "%s[%zu", any ? "," : ",\"joins\":[", i);
            begun = any = true;
            sg_buf_ch(out, ',');
            sg_json_write_string(out, p->nodes[p->joins[i].sources[k]].name);
        }
        if (begun) sg_buf_ch(out, ']');
    }
    if (any) sg_buf_ch(out, ']');
}

/* Whoever reads this takes it that a changed key was written by the only node that names it, if one alone does, in this step. What
 * was changed in place was not written, and what was kept was, without a change. */
static bool is_as_taken(const struct record *r, size_t i) {
    const struct sg_plan_key *k = &r->exec->plan->keys[i];
    if (!has_changed(r, i) || k->writer == SG_NONE) return r->written[i] <= r->kept_steps;
    return r->writers[i] == k->writer && r->written[i] == r->steps;
}

static void write_writers(const struct record *r, struct sg_buf *out) {
    const struct sg_plan *p = r->exec->plan;
    struct section s = {out, "by", false};
    for (size_t i = 0; i < p->n_keys; i++) {
        if (is_as_taken(r, i)) continue;
        member(&s, p->keys[i].name);
        sg_buf_ch(out, '[');
        if (r->written[i]) sg_json_write_string(out, p->nodes[r->writers[i]].name);
        else SG_BUF_LIT(out, "null"); /* by none */
        sg_buf_printf(out, ",%u]", r->written[i]);
    }
    end_section(&s);
}

static void write_body(const struct record *r, struct sg_buf *out) {
    write_next(r, out);
    write_visits(r, out);
    if (r->attempts) sg_buf_printf(out, ",\"attempts\":%u", r->attempts);
    write_values(r, false, out);
    write_values(r, true, out);
    write_replies(r, out);
    write_joins(r, out);
    write_writers(r, out);
    sg_buf_ch(out, '}');
}

static void note_kept(struct record *r) {
    memcpy(r->kept, r->state, r->exec->n_slots * sizeof *r->kept);
    memcpy(r->kept_visits, r->visits, r->exec->plan->n_nodes * sizeof *r->kept_visits);
    memset(r->replaced, 0, sizeof r->replaced);
    r->kept_steps = r->steps;
    r->has_waited = false;
}

void sg_step_journal(struct record *r) {
    struct sg_exec *x = r->exec;
    bool another_waits = r->n_fired || x->output_waits;
    if (!x->journals || !r->has_waited || !another_waits) return;
    sg_buf_reset(&x->text, 1 << 20);
    write_body(r, &x->text);
    struct sg_step_row row = {
        .position = r->position, .step = r->steps, .ended = sg_output_ms(x->o.output, sg_loop_now_ns(x->o.loop))};
    sg_output_step(x->o.output, &row, sg_buf_view(&x->text));
    note_kept(r);
}

/* --- applying ------------------------------------------------------------------------------------------------------------------ */

static int foreign(const char *what, struct sg_str name, struct sg_err *err) {
    return sg_fail(err, SG_E_SYNTAX, "the step names a %s `%.*s`, which the task does not have", what, SG_ARG(name));
}

static int node_of(const struct record *r, const struct sg_json *name, struct sg_err *err) {
    const struct sg_plan *p = r->exec->plan;
    struct sg_str text = name->type == SG_JSON_STRING ? sg_json_text(name) : SG_STR("");
    const struct sg_plan_node *n = sg_plan_node(p, text);
    return n ? (int)(n - p->nodes) : foreign("node", text, err);
}

static int slot_of(const struct record *r, struct sg_str key, struct sg_err *err) {
    int slot = sg_state_slot(r->exec, key);
    return slot == SG_NONE ? foreign("key", key, err) : slot;
}

static bool number_at(const struct sg_json *list, uint32_t i, uint32_t *out) {
    int64_t v = -1;
    bool fine = list->type == SG_JSON_ARRAY && i < list->n && sg_json_to_i64(&list->items[i], &v) && v >= 0 && v < UINT32_MAX;
    *out = fine ? (uint32_t)v : 0;
    return fine;
}

/* By whom: see apply_writer, which comes behind. */
static void put(struct record *r, int slot, struct sg_json v) {
    const struct sg_plan *p = r->exec->plan;
    struct sg_json *box = sg_alloc(&r->arena, sizeof *box);
    *box = v;
    r->state[slot] = box;
    if ((size_t)slot >= p->n_keys || p->keys[slot].writer == SG_NONE) return;
    r->writers[slot] = p->keys[slot].writer;
    r->written[slot] = r->steps;
}

static struct sg_json joined_texts(struct sg_arena *a, const struct sg_json *old, const struct sg_json *end) {
    return sg_json_string(sg_str_join(a, sg_json_text(old), sg_json_text(end)));
}

static struct sg_json joined_lists(struct sg_arena *a, const struct sg_json *old, const struct sg_json *end) {
    struct sg_json *items = SG_NEW_N(a, struct sg_json, old->n + end->n);
    memcpy(items, old->items, old->n * sizeof *items);
    for (uint32_t i = 0; i < end->n; i++) items[old->n + i] = sg_json_copy(a, &end->items[i]);
    return sg_json_array(items, old->n + end->n);
}

static int apply_set(struct record *r, const struct sg_member *m, struct sg_err *err) {
    int slot = slot_of(r, m->key, err);
    if (slot >= 0) put(r, slot, sg_json_copy(&r->arena, &m->value));
    return slot < 0 ? slot : 0;
}

static int apply_add(struct record *r, const struct sg_member *m, struct sg_err *err) {
    int slot = slot_of(r, m->key, err);
    if (slot < 0) return slot;
    const struct sg_json *old = r->state[slot];
    bool grows = old && old->type == m->value.type && (old->type == SG_JSON_ARRAY || old->type == SG_JSON_STRING);
    if (!grows) return sg_fail(err, SG_E_SYNTAX, "the step adds to `%.*s`, which is no such value", SG_ARG(m->key));
    put(r, slot, (old->type == SG_JSON_ARRAY ? joined_lists : joined_texts)(&r->arena, old, &m->value));
    return 0;
}

static int apply_reply(struct record *r, const struct sg_member *m, struct sg_err *err) {
    uint32_t visit, ordinal;
    int slot = slot_of(r, m->key, err);
    if (slot < 0) return slot;
    if (!number_at(&m->value, 1, &visit) || !number_at(&m->value, 2, &ordinal))
        return sg_fail(err, SG_E_SYNTAX, "the step's `%.*s` names no call", SG_ARG(m->key));
    int node = node_of(r, &m->value.items[0], err);
    if (node < 0) return node;
    const struct sg_past_call *c = sg_past_find_call(r, (uint32_t)node, visit, ordinal);
    if (!c || c->row.state != SG_CALL_ANSWERED || !c->row.has_body)
        return sg_fail(err, SG_E_SYNTAX, "the reply that `%.*s` is, of node `%.*s`, is not in the journal", SG_ARG(m->key),
                       SG_ARG(r->exec->plan->nodes[node].name));
    put(r, slot, sg_json_string(sg_str_dup(&r->arena, c->reply.text)));
    return 0;
}

static int apply_visit(struct record *r, const struct sg_member *m, struct sg_err *err) {
    const struct sg_json name = sg_json_string(m->key), list = sg_json_array(&m->value, 1);
    int node = node_of(r, &name, err);
    if (node < 0) return node;
    return number_at(&list, 0, &r->visits[node]) ? 0 : sg_fail(err, SG_E_SYNTAX, "the step's visits are no numbers");
}

static int apply_writer(struct record *r, const struct sg_member *m, struct sg_err *err) {
    uint32_t step;
    int slot = slot_of(r, m->key, err);
    if (slot < 0) return slot;
    if (!number_at(&m->value, 1, &step)) return sg_fail(err, SG_E_SYNTAX, "the step's writers have no step");
    bool none = m->value.items[0].type == SG_JSON_NULL;
    int node = none ? 0 : node_of(r, &m->value.items[0], err);
    if (node < 0) return node;
    r->writers[slot] = node;
    r->written[slot] = none ? 0 : step;
    return 0;
}

static int apply_each(struct record *r, const struct sg_json *body, const char *section,
                      int (*apply)(struct record *r, const struct sg_member *m, struct sg_err *err), struct sg_err *err) {
    const struct sg_json *s = sg_json_get(body, sg_str(section));
    int rc = 0;
    for (uint32_t i = 0; s && s->type == SG_JSON_OBJECT && i < s->n && rc == 0; i++) rc = apply(r, &s->members[i], err);
    return rc;
}

static int apply_next(struct record *r, const struct sg_json *body, struct sg_err *err) {
    const struct sg_json *next = sg_json_get(body, SG_STR("next"));
    memset(r->is_fired, 0, r->exec->plan->n_nodes * sizeof *r->is_fired);
    r->n_fired = 0;
    if (!next || next->type != SG_JSON_ARRAY) return sg_fail(err, SG_E_SYNTAX, "the step does not say what follows");
    for (uint32_t i = 0; i < next->n; i++) {
        int node = node_of(r, &next->items[i], err);
        if (node < 0) return node;
        r->n_fired += !r->is_fired[node];
        r->is_fired[node] = true;
    }
    return 0;
}

static int apply_arrival(struct record *r, uint32_t join, const struct sg_json *name, struct sg_err *err) {
    const struct sg_plan_join *j = &r->exec->plan->joins[join];
    int node = node_of(r, name, err);
    if (node < 0) return node;
    for (size_t i = 0; i < j->n_sources; i++)
        if (j->sources[i] == node) r->arrived[join * r->exec->join_words + i / 64] |= 1ull << (i % 64);
    return 0;
}

static int apply_joins(struct record *r, const struct sg_json *body, struct sg_err *err) {
    const struct sg_plan *p = r->exec->plan;
    const struct sg_json *joins = sg_json_get(body, SG_STR("joins"));
    int rc = 0;
    if (p->n_joins) memset(r->arrived, 0, p->n_joins * r->exec->join_words * sizeof *r->arrived);
    for (uint32_t i = 0; joins && joins->type == SG_JSON_ARRAY && i < joins->n && rc == 0; i++) {
        const struct sg_json *one = &joins->items[i];
        uint32_t join;
        if (!number_at(one, 0, &join) || join >= p->n_joins)
            return sg_fail(err, SG_E_SYNTAX, "the step names a join that the task does not have");
        for (uint32_t k = 1; k < one->n && rc == 0; k++) rc = apply_arrival(r, join, &one->items[k], err);
    }
    return rc;
}

int sg_step_apply(struct record *r, const struct sg_past_step *s, struct sg_err *err) {
    const struct sg_json *body = &s->changes, *attempts = sg_json_get(body, SG_STR("attempts"));
    int64_t n = 0;
    r->steps = s->step;
    int rc = apply_next(r, body, err);
    if (rc == 0) rc = apply_each(r, body, "visits", apply_visit, err);
    if (rc == 0) rc = apply_each(r, body, "set", apply_set, err);
    if (rc == 0) rc = apply_each(r, body, "add", apply_add, err);
    if (rc == 0) rc = apply_each(r, body, "reply", apply_reply, err);
    if (rc == 0) rc = apply_each(r, body, "by", apply_writer, err);
    if (rc == 0) rc = apply_joins(r, body, err);
    if (rc < 0) return rc;
    if (attempts && sg_json_to_i64(attempts, &n) && n > 0) r->attempts = (uint32_t)n;
    note_kept(r);
    return 0;
}
