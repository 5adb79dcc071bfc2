/* SPDX-License-Identifier: Apache-2.0 */
/* The post_process of a model (spec-models 1.3): what it makes of the text of a reply is, without special tokens and stripped, what
 * the node sees. The journal has the reply as it came, so a record that goes on, is replayed or asked why, makes it again. */
#include "exec/record.h"

#define BEGIN SG_STR("<think>")
#define END SG_STR("</think>")

/* Where `what` stands in s at or behind `from`; s.n: nowhere. */
static size_t find(struct sg_str s, struct sg_str what, size_t from) {
    const char *at = memmem(s.p + from, s.n - from, what.p, what.n);
    return at ? (size_t)(at - s.p) : s.n;
}

static struct sg_str without_thoughts(struct sg_arena *a, struct sg_str text) {
    size_t begin = find(text, BEGIN, 0), end = find(text, END, begin);
    if (end == text.n) return text;
    end += END.n;
    return sg_str_join(a, (struct sg_str){text.p, begin}, (struct sg_str){text.p + end, text.n - end});
}

static struct sg_str text_of(const struct task *t) {
    return sg_json_text(sg_json_get(&t->completion, SG_STR("content")));
}

/* It is not the text that the journal has any more. */
static void set_text(struct task *t, struct sg_str text) {
    struct sg_arena *a = &t->record->arena;
    const struct sg_model_spec *m = t->record->exec->plan->models[t->model];
    struct sg_member *members = SG_NEW_N(a, struct sg_member, t->completion.n);
    memcpy(members, t->completion.members, t->completion.n * sizeof *members);
    for (uint32_t i = 0; i < t->completion.n; i++)
        if (sg_str_eq(members[i].key, SG_STR("content")))
            members[i].value = sg_json_string(sg_str_dup(a, sg_reply_clean(a, m, text)));
    t->completion = sg_json_object(members, t->completion.n);
    t->reply = NULL;
}

static void write_text(struct sg_hook_call *c, struct sg_buf *input, struct sg_buf *state) {
    (void)state;
    sg_json_write_string(input, text_of(c->ud));
}

static enum verdict on_text(struct task *t, const struct sg_json *results) {
    const struct sg_json *text = results->n == 1 ? &results->items[0] : NULL;
    if (!text || text->type != SG_JSON_STRING)
        return sg_task_fail(t, SG_E_HOOK, "post_process of model `%.*s` must return one text, not %s",
                            SG_ARG(t->record->exec->plan->models[t->model]->alias),
                            text ? sg_json_type_name(text) : results->n ? "several values" : "nothing");
    set_text(t, sg_json_text(text));
    return NEXT;
}

enum verdict sg_step_model_post(struct task *t) {
    const struct sg_plan *p = t->record->exec->plan;
    int hook = p->model_posts[t->model];
    if (hook == SG_NONE) return NEXT;
    if (!sg_plan_removes_thoughts(&p->hooks[hook])) return sg_hook_step(t, hook, write_text, on_text);
    set_text(t, without_thoughts(&t->record->arena, text_of(t)));
    return NEXT;
}
