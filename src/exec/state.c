/* SPDX-License-Identifier: Apache-2.0 */
/* State: slots of values that never change; a write puts another value into a slot. `messages` and `__chat_history__` are
 * joined. */
#include "exec/record.h"

#include <stdlib.h>

int sg_state_slot(const struct sg_exec *x, struct sg_str name) {
    for (size_t i = 0; i < x->n_slots; i++)
        if (sg_str_eq(x->slots[i], name)) return (int)i;
    return SG_NONE;
}

bool sg_state_is_joined(const struct sg_exec *x, int slot) {
    return (size_t)slot < x->plan->n_keys && x->plan->keys[slot].append;
}

static void write_member(struct sg_buf *out, bool *first, struct sg_str name, const struct sg_json *v) {
    if (!*first) sg_buf_ch(out, ',');
    *first = false;
    sg_json_write_string(out, name);
    sg_buf_ch(out, ':');
    sg_json_write(out, v);
}

/* Columns of the data first, in their order, then the other keys in the plan's order. */
void sg_state_write(const struct sg_exec *x, state_view s, struct sg_buf *out) {
    bool first = true;
    sg_buf_ch(out, '{');
    for (size_t i = 0; i < x->n_columns; i++) {
        int slot = x->column_slots[i];
        if (s[slot]) write_member(out, &first, x->slots[slot], s[slot]);
    }
    for (size_t i = 0; i < x->n_slots; i++)
        if (s[i] && !x->is_column[i]) write_member(out, &first, x->slots[i], s[i]);
    sg_buf_ch(out, '}');
}

static const struct sg_json *boxed(struct sg_arena *a, struct sg_json v) {
    struct sg_json *p = sg_alloc(a, sizeof *p);
    *p = v;
    return p;
}

struct sg_json sg_state_object(struct sg_arena *a, const struct sg_exec *x, state_view s) {
    struct sg_member *m = SG_NEW_N(a, struct sg_member, x->n_slots);
    size_t n = 0;
    for (size_t i = 0; i < x->n_slots; i++)
        if (s[i]) m[n++] = (struct sg_member){x->slots[i], *s[i]};
    return sg_json_object(m, n);
}

const struct sg_json *sg_state_append(struct sg_arena *a, const struct sg_json *old, const struct sg_json *list) {
    if (list->n == 0) return old;
    struct sg_json *items = SG_NEW_N(a, struct sg_json, old->n + list->n);
    if (old->n) memcpy(items, old->items, old->n * sizeof *items);
    memcpy(items + old->n, list->items, list->n * sizeof *items);
    return boxed(a, sg_json_array(items, old->n + list->n));
}

static bool starts_with(const struct sg_json *list, const struct sg_json *old) {
    if (list->n < old->n || old->n == 0) return false;
    for (uint32_t i = 0; i < old->n; i++)
        if (!sg_json_equal(&list->items[i], &old->items[i])) return false;
    return true;
}

static bool is_whole_state(const struct task *t, const struct sg_json *object) {
    const struct sg_exec *x = t->record->exec;
    for (size_t i = 0; i < x->n_slots; i++)
        if (t->state[i] && !sg_json_get(object, x->slots[i])) return false;
    return true;
}

static void note_writer(struct record *r, int slot, const struct task *t) {
    r->written[slot] = r->steps + 1;
    r->writers[slot] = (int)(t->node - r->exec->plan->nodes);
}

static bool must_be_list(struct record *r, int slot, const struct sg_json *v) {
    if (v->type == SG_JSON_ARRAY) return true;
    r->err.code = sg_fail(&r->err, SG_E_TYPE, "`%.*s` must be written as a list of messages, not as %s",
                          SG_ARG(r->exec->slots[slot]), sg_json_type_name(v));
    return false;
}

const struct sg_json *sg_state_tail(const struct task *t, int slot, const struct sg_json *v, const struct sg_json *object) {
    const struct record *r = t->record;
    if (!sg_state_is_joined(r->exec, slot) || v->type != SG_JSON_ARRAY) return v;
    const struct sg_json *changed = sg_state_changed(t, slot), *before = changed ? changed : r->before[slot];
    if (!starts_with(v, before) || !is_whole_state(t, object)) return v;
    return boxed(&t->record->arena, sg_json_array(v->items + before->n, v->n - before->n));
}

bool sg_state_change(struct record *r, struct task *t) {
    for (size_t i = 0; i < t->n_changes; i++) {
        int slot = t->changes[i].slot;
        if (sg_state_is_joined(r->exec, slot)) {
            if (!must_be_list(r, slot, t->changes[i].value)) return false;
            r->replaced[slot] = true;
        }
        t->changes[i].was = r->state[slot];
        r->state[slot] = t->changes[i].value;
    }
    return true;
}

const struct sg_json *sg_state_changed(const struct task *t, int slot) {
    for (size_t i = 0; i < t->n_changes; i++)
        if (t->changes[i].slot == slot) return t->changes[i].value;
    return NULL;
}

static bool is_same_body(const struct sg_json *a, const struct sg_json *b) {
    bool list = a->type == SG_JSON_ARRAY && b->type == SG_JSON_ARRAY, map = a->type == SG_JSON_OBJECT && b->type == SG_JSON_OBJECT;
    return a->n == b->n && ((list && a->items == b->items) || (map && a->members == b->members));
}

/* The very list or map that the step began with, given back: what others of the step have changed in it stays. */
static bool is_kept(const struct record *r, int slot, const struct sg_json *v) {
    for (size_t i = 0; i < r->n_tasks; i++)
        for (size_t k = 0; k < r->tasks[i].n_changes; k++) {
            const struct change *c = &r->tasks[i].changes[k];
            if (c->slot == slot && c->was && is_same_body(c->was, v)) return true;
        }
    return false;
}

bool sg_state_merge(struct record *r, const struct task *t) {
    for (size_t i = 0; i < t->n_updates; i++) {
        int slot = t->updates[i].slot;
        const struct sg_json *v = t->updates[i].value;
        if (sg_state_is_joined(r->exec, slot)) {
            if (!must_be_list(r, slot, v)) return false;
            r->state[slot] = sg_state_append(&r->arena, r->state[slot], v);
            note_writer(r, slot, t);
            continue;
        }
        if (r->written[slot] == r->steps + 1) {
            sg_fail(&r->err, SG_E_CONFLICT, "`%.*s` was written twice in one step, by this node and by one beside it",
                    SG_ARG(r->exec->slots[slot]));
            return false;
        }
        note_writer(r, slot, t);
        if (!is_kept(r, slot, v)) r->state[slot] = v;
    }
    return true;
}

/* A record that loops leaves old values behind: when they pile up, what lives moves to a fresh arena. A value that has changed
 * since it was journalled need not be known any more: it will be journalled whole. */
void sg_state_compact(struct record *r) {
    if (r->arena.held < r->compact_at) return;
    struct sg_arena fresh;
    sg_arena_init(&fresh, 0);
    r->row = sg_json_copy(&fresh, &r->row);
    for (size_t i = 0; i < r->exec->n_slots; i++) {
        bool is_kept = r->kept[i] == r->state[i];
        if (r->state[i]) r->state[i] = boxed(&fresh, sg_json_copy(&fresh, r->state[i]));
        r->kept[i] = is_kept ? r->state[i] : NULL;
    }
    sg_arena_fini(&r->arena);
    r->arena = fresh;
    r->compact_at = 4 * fresh.held > 64 * 1024 ? 4 * fresh.held : 64 * 1024;
}
