/* SPDX-License-Identifier: Apache-2.0 */
/* multi_llm: one prompt, several models. Each child is a task of its own within the node's, with the steps of an llm node but
 * for the writing; the node's own task waits for them, and writes.
 *
 *   ensemble   all children at once; one that fails fails the node
 *   balance    one child a visit
 *   fallback   the first child; the next one when that has failed
 *
 * Balance: in every n records that follow each other in the source each of n children is asked once, in an order that is
 * drawn anew for each n records and each visit. So the children's shares of any stretch of records differ by one record at
 * the stretch's ends, and a graph that sends only every other record here does not send all of them to one child. The choice
 * depends on (seed, position, node, visit) only (I7): a record that runs again is asked of the same child again. */
#include "exec/record.h"

static struct sg_str label(const struct task *child) {
    return child->node->children[child->ordinal].label;
}

/* --- asking ----------------------------------------------------------------------------------------------------------------- */

static const struct step child_steps[] = {{"pre_process", sg_step_pre},
                                          {"call", sg_step_call},
                                          {"model post_process", sg_step_model_post},
                                          {"chat_entry", sg_step_chat_entry},
                                          {"post_process", sg_step_post},
                                          {"chat_history", sg_step_chat_add},
                                          {0}};
static const struct node_kind child_kind = {.name = "multi_llm child", .steps = child_steps};

static void start(struct task *t, size_t child) {
    t->pending_children++;
    sg_child_start(&t->children[child]);
}

/* The place of record `position % n` in a shuffled row of n (Fisher and Yates, from the inside out). */
static size_t balanced(const struct task *t) {
    size_t n = t->node->n_children, at = (size_t)(t->record->position % n);
    const struct sg_draw_key key = {.seed = t->record->exec->o.seed,
                                    .position = t->record->position / n,
                                    .node = t->node->name_hash,
                                    .visit = t->visit};
    size_t *order = SG_NEW_N(&t->record->arena, size_t, n);
    for (size_t i = 0; i < n; i++) {
        size_t k = (size_t)(sg_draw(&key, n + i) % (i + 1)); /* draws below n are the calls' own seeds */
        order[i] = order[k];
        order[k] = i;
    }
    return order[at];
}

static enum verdict step_ask(struct task *t) {
    sg_child_tasks(t, t->node->n_children, &child_kind);
    for (size_t i = 0; i < t->n_children; i++) t->children[i].model = t->node->children[i].model;
    switch (t->node->spec->strategy) {
    case SG_ENSEMBLE:
        for (size_t i = 0; i < t->n_children; i++) start(t, i);
        break;
    case SG_BALANCE:
        start(t, balanced(t));
        break;
    case SG_FALLBACK:
        start(t, 0);
        break;
    }
    return WAIT; /* no call and no hook ends inside its start */
}

static enum verdict fail_as(struct task *t, const struct task *child) {
    struct sg_err err = *child->failure;
    bool all = t->node->spec->strategy == SG_FALLBACK && t->n_children > 1;
    t->failed_attempts = child->failed_attempts;
    sg_err_wrap(&err, err.code, "%s`%.*s`", all ? "no model answered; the last one, " : "", SG_ARG(label(child)));
    return sg_task_fail_err(t, err.code, &err);
}

static void on_child(struct task *child, enum verdict v) {
    struct task *t = child->parent;
    t->pending_children--;
    if (v != FAIL) {
        t->result = child->result; /* of an ensemble: see combine */
        if (t->pending_children == 0) sg_task_go(t, NEXT);
    } else if (t->node->spec->strategy == SG_FALLBACK && child->ordinal + 1 < t->n_children) {
        start(t, child->ordinal + 1);
    } else {
        for (size_t i = 0; i < t->n_children; i++) sg_task_cancel(&t->children[i]);
        sg_task_go(t, fail_as(t, child));
    }
}

/* --- putting an ensemble together --------------------------------------------------------------------------------------------- */

static const struct sg_json empty = {.type = SG_JSON_OBJECT};

static void write_results(struct sg_hook_call *c, struct sg_buf *input, struct sg_buf *state) {
    (void)state;
    struct task *t = c->ud;
    for (size_t i = 0; i < t->n_children; i++) {
        sg_buf_ch(input, i ? ',' : '{');
        sg_json_write_string(input, label(&t->children[i]));
        sg_buf_ch(input, ':');
        sg_json_write(input, t->children[i].result ? t->children[i].result : &empty);
    }
    sg_buf_ch(input, '}');
}

static enum verdict on_combined(struct task *t, const struct sg_json *results) {
    return sg_one_object(t, results, "multi_llm_post_process", &t->result);
}

/* The reference's own way: {output_keys: [{label: what the child gave for output_keys}]}, a list of one map. */
static enum verdict put_together(struct task *t) {
    struct sg_arena *a = &t->record->arena;
    struct sg_str key = t->record->exec->plan->keys[t->node->output_key].name;
    struct sg_member *labels = SG_NEW_N(a, struct sg_member, t->n_children);
    for (size_t i = 0; i < t->n_children; i++) {
        const struct task *child = &t->children[i];
        const struct sg_json *v = child->result ? sg_json_get(child->result, key) : NULL;
        if (!v)
            return sg_task_fail(t, SG_E_HOOK,
                                "`%.*s`: post_process gave no `%.*s`; return it, or add a multi_llm_post_process",
                                SG_ARG(label(child)), SG_ARG(key));
        labels[i] = (struct sg_member){label(child), *v};
    }
    struct sg_json *v = SG_NEW_N(a, struct sg_json, 2);
    struct sg_member *m = SG_NEW(a, struct sg_member);
    v[0] = sg_json_object(labels, t->n_children);
    *m = (struct sg_member){key, sg_json_array(&v[0], 1)};
    v[1] = sg_json_object(m, 1);
    t->result = &v[1];
    return NEXT;
}

static enum verdict step_combine(struct task *t) {
    t->ordinal = (uint32_t)t->n_children; /* the numbers below are the children's, whose hooks are others */
    sg_effects_of_children(t);
    if (t->node->spec->strategy != SG_ENSEMBLE) return NEXT; /* the one answer is the result */
    if (t->node->combine_hook == SG_NONE) return put_together(t);
    return sg_hook_step(t, t->node->combine_hook, write_results, on_combined);
}

static const struct step steps[] = {
    {"ask", step_ask}, {"combine", step_combine}, {"write", sg_step_write}, {"route", sg_step_route}, {0}};
const struct node_kind sg_node_kind_multi_llm = {.name = "multi_llm", .steps = steps, .on_child = on_child};
