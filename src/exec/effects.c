/* SPDX-License-Identifier: Apache-2.0 */
/* What a hook does to the state beside what it returns (docs/formats/hook-protocol.md, "Effects").
 *
 * `kept`: it returned these keys as it was given them. They are writes with the engine's own value, so that nothing is lost by
 * going through another language. `changed`: it changed these in place. In the reference they are the state's own objects, so the
 * change is seen by whoever comes next; here it is seen by the task at once, and by the state when the step ends, since a step's
 * other tasks see the snapshot that it began with.
 *
 * Python values that no JSON is, and objects of messages outside of `messages`, go through the state as objects with the mark
 * `__sygra__`, so that hooks get them back as they were. Prompts and outputs show them plainly. */
#include "exec/record.h"

#define MARK SG_STR("__sygra__")

/* --- kept --------------------------------------------------------------------------------------------------------------------- */

/* As the hook saw it. */
static const struct sg_json *seen_value(const struct task *t, struct sg_str key) {
    if (t->own_state) return sg_json_get(t->own_state, key);
    int slot = sg_state_slot(t->record->exec, key);
    return slot == SG_NONE ? NULL : t->state[slot];
}

static struct sg_json with_kept(struct task *t, const struct sg_json *object, const struct sg_json *kept) {
    struct sg_member *m = SG_NEW_N(&t->record->arena, struct sg_member, object->n + kept->n);
    size_t n = 0;
    for (uint32_t i = 0; i < kept->n; i++) {
        const struct sg_json *name = &kept->items[i];
        const struct sg_json *v = name->type == SG_JSON_STRING ? seen_value(t, sg_json_text(name)) : NULL;
        if (v) m[n++] = (struct sg_member){sg_json_text(name), *v};
    }
    if (object->n) memcpy(m + n, object->members, object->n * sizeof *m);
    return sg_json_object(m, n + object->n);
}

const struct sg_json *sg_effects_keep(struct task *t, const struct sg_json *results, const struct sg_json *effects) {
    const struct sg_json *kept = sg_json_get(effects, SG_STR("kept"));
    bool any = kept && kept->type == SG_JSON_ARRAY && kept->n;
    if (!any || results->n != 1 || results->items[0].type != SG_JSON_OBJECT) return results;
    struct sg_json *both = SG_NEW_N(&t->record->arena, struct sg_json, 2);
    both[1] = with_kept(t, &results->items[0], kept);
    both[0] = sg_json_array(&both[1], 1);
    return both;
}

/* --- changed ------------------------------------------------------------------------------------------------------------------- */

static void note_change(struct task *t, int slot, const struct sg_json *v) {
    for (size_t i = 0; i < t->n_changes; i++)
        if (t->changes[i].slot == slot) {
            t->changes[i].value = v;
            return;
        }
    *SG_PUSH(&t->record->arena, t->changes, t->n_changes, t->cap_changes) = (struct change){.slot = slot, .value = v};
}

/* A condition may change what its node has written: then that is what the node writes. A list has been joined before the condition
 * saw it, so the whole of it is a change. */
static bool change_update(struct task *t, int slot, const struct sg_json *v) {
    for (size_t i = 0; i < t->n_updates; i++) {
        if (t->updates[i].slot != slot) continue;
        if (!sg_state_is_joined(t->record->exec, slot)) {
            t->updates[i].value = v;
            return true;
        }
        t->updates[i] = t->updates[--t->n_updates];
        return false;
    }
    return false;
}

static void own_view(struct task *t) {
    size_t n = t->record->exec->n_slots;
    if (t->owns_view) return;
    const struct sg_json **s = sg_alloc(&t->record->arena, n * sizeof *s);
    memcpy(s, t->state, n * sizeof *s);
    t->state = (state_view)s;
    t->owns_view = true;
}

static const struct sg_json *with_members(struct sg_arena *a, const struct sg_json *object,
                                          const struct sg_json *more) {
    struct sg_json *out = SG_NEW(a, struct sg_json);
    struct sg_member *m = SG_NEW_N(a, struct sg_member, object->n + more->n);
    size_t n = 0;
    for (uint32_t i = 0; i < object->n; i++)
        if (!sg_json_get(more, object->members[i].key)) m[n++] = object->members[i];
    memcpy(m + n, more->members, more->n * sizeof *m);
    *out = sg_json_object(m, n + more->n);
    return out;
}

void sg_effects_change(struct task *t, const struct sg_json *effects) {
    const struct sg_json *changed = sg_json_get(effects, SG_STR("changed"));
    if (!changed || changed->type != SG_JSON_OBJECT || changed->n == 0) return;
    if (t->own_state) t->own_state = with_members(&t->record->arena, t->own_state, changed);
    for (uint32_t i = 0; i < changed->n; i++) {
        int slot = sg_state_slot(t->record->exec, changed->members[i].key);
        const struct sg_json *v = &changed->members[i].value;
        if (slot == SG_NONE) continue;
        own_view(t);
        ((const struct sg_json **)t->state)[slot] = v;
        if (!change_update(t, slot, v)) note_change(t, slot, v);
    }
}

void sg_effects_of_children(struct task *t) {
    for (size_t i = 0; i < t->n_children; i++) {
        const struct task *c = &t->children[i];
        for (size_t k = 0; k < c->n_changes && !c->failure; k++)
            note_change(t, c->changes[k].slot, c->changes[k].value);
    }
}

/* --- plain values ---------------------------------------------------------------------------------------------------------------- */

static bool is_opaque(const struct sg_json *v) {
    const struct sg_json *mark = v->type == SG_JSON_OBJECT ? sg_json_get(v, MARK) : NULL;
    return mark && sg_json_is_text(mark, SG_STR("opaque"));
}

static bool is_message(const struct sg_json *v) {
    const struct sg_json *mark = sg_json_get(v, MARK);
    return mark && sg_json_is_text(mark, SG_STR("message"));
}

bool sg_has_marks(const struct sg_json *v) {
    bool any = false;
    if (v->type == SG_JSON_ARRAY)
        for (uint32_t i = 0; i < v->n && !any; i++) any = sg_has_marks(&v->items[i]);
    if (v->type == SG_JSON_OBJECT)
        for (uint32_t i = 0; i < v->n && !any; i++)
            any = sg_str_eq(v->members[i].key, MARK) || sg_has_marks(&v->members[i].value);
    return any;
}

/* What stands for an opaque value: its text, or its JSON, of which *lacking is set when there is none. */
typedef struct sg_json shown_fn(const struct sg_json *opaque, const struct sg_json **lacking);

static struct sg_json text_of(const struct sg_json *opaque, const struct sg_json **lacking) {
    const struct sg_json *text = sg_json_get(opaque, SG_STR("text"));
    (void)lacking;
    return text ? *text : sg_json_string(SG_STR(""));
}

static struct sg_json json_of(const struct sg_json *opaque, const struct sg_json **lacking) {
    const struct sg_json *json = sg_json_get(opaque, SG_STR("json"));
    if (!json && !*lacking) *lacking = opaque;
    return json ? *json : sg_json_null();
}

static struct sg_json plain(struct sg_arena *a, const struct sg_json *v, shown_fn *shown,
                            const struct sg_json **lacking) {
    if (is_opaque(v)) return shown(v, lacking);
    if (v->type == SG_JSON_ARRAY) {
        struct sg_json *items = SG_NEW_N(a, struct sg_json, v->n);
        for (uint32_t i = 0; i < v->n; i++) items[i] = plain(a, &v->items[i], shown, lacking);
        return sg_json_array(items, v->n);
    }
    if (v->type != SG_JSON_OBJECT) return *v;
    struct sg_member *m = SG_NEW_N(a, struct sg_member, v->n);
    bool message = is_message(v);
    size_t n = 0;
    for (uint32_t i = 0; i < v->n; i++) {
        if (message && sg_str_eq(v->members[i].key, MARK)) continue;
        m[n++] = (struct sg_member){v->members[i].key, plain(a, &v->members[i].value, shown, lacking)};
    }
    return sg_json_object(m, n);
}

struct sg_json sg_plain_for_prompt(struct sg_arena *a, const struct sg_json *v) {
    const struct sg_json *lacking = NULL;
    return sg_has_marks(v) ? plain(a, v, text_of, &lacking) : *v;
}

int sg_plain_for_output(struct sg_arena *a, const struct sg_json *v, struct sg_str key, struct sg_json *out,
                        struct sg_err *err) {
    const struct sg_json *lacking = NULL;
    *out = sg_has_marks(v) ? plain(a, v, json_of, &lacking) : *v;
    if (!lacking) return 0;
    const struct sg_json *type = sg_json_get(lacking, SG_STR("type"));
    struct sg_str name = type && type->type == SG_JSON_STRING ? sg_json_text(type) : SG_STR("?");
    return sg_fail(err, SG_E_TYPE,
                   "`%.*s` holds a Python value of type %.*s, which no JSON is; let a hook make a dict or text of it",
                   SG_ARG(key), SG_ARG(name));
}
