/* SPDX-License-Identifier: Apache-2.0 */
/* What a task's call asks: the node's prompt, rendered from the state that the task sees, the messages of its input_key, and the
 * chat history. Made once an attempt, into scratch: a call that waits holds no text. */
#include "exec/record.h"

struct lookup {
    struct task *task;
    const struct sg_template *template;
    struct sg_arena *scratch;
};

static const struct sg_json *look_up(void *ud, size_t placeholder) {
    const struct lookup *l = ud;
    const struct sg_json *v = l->task->state[l->template->placeholders[placeholder].slot];
    if (!v || !l->task->record->exec->plan->has_python) return v;
    struct sg_json *plain = SG_NEW(l->scratch, struct sg_json);
    *plain = sg_plain_for_prompt(l->scratch, v);
    return plain;
}

static int render(struct task *t, const struct sg_template *tpl, struct sg_arena *scratch, struct sg_json *out,
                  struct sg_err *err) {
    struct sg_buf *b = &t->record->exec->text;
    struct lookup l = {t, tpl, scratch};
    sg_buf_reset(b, 1 << 20);
    int rc = sg_template_render(tpl, look_up, &l, b, err);
    if (rc == 0) *out = sg_json_string(sg_str_dup(scratch, sg_buf_view(b)));
    return rc;
}

static struct sg_json text_part(struct sg_arena *scratch, struct sg_json text) {
    struct sg_member *m = SG_NEW_N(scratch, struct sg_member, 2);
    m[0] = (struct sg_member){SG_STR("type"), sg_json_string(SG_STR("text"))};
    m[1] = (struct sg_member){SG_STR("text"), text};
    return sg_json_object(m, 2);
}

static int render_content(struct task *t, const struct sg_plan_message *m, struct sg_arena *scratch,
                          struct sg_json *out, struct sg_err *err) {
    if (m->n_parts == 0) {
        *out = sg_json_string(m->tool_text);
        return 0;
    }
    if (!m->is_list) return render(t, m->parts[0], scratch, out, err);
    struct sg_json *parts = SG_NEW_N(scratch, struct sg_json, m->n_parts);
    for (size_t i = 0; i < m->n_parts; i++) {
        int rc = render(t, m->parts[i], scratch, &parts[i], err);
        if (rc != 0) return rc;
        parts[i] = text_part(scratch, parts[i]);
    }
    *out = sg_json_array(parts, m->n_parts);
    return 0;
}

static int render_message(struct task *t, const struct sg_plan_message *m, struct sg_arena *scratch,
                          struct sg_json *out, struct sg_err *err) {
    struct sg_json content;
    int rc = render_content(t, m, scratch, &content, err);
    if (rc != 0) return rc;
    struct sg_member *members = SG_NEW_N(scratch, struct sg_member, 3);
    size_t n = 0;
    members[n++] = (struct sg_member){SG_STR("role"), sg_json_string(m->role)};
    members[n++] = (struct sg_member){SG_STR("content"), content};
    if (m->tool_call_id.n) members[n++] = (struct sg_member){SG_STR("tool_call_id"), sg_json_string(m->tool_call_id)};
    *out = sg_json_object(members, n);
    return 0;
}

/* The API allows letters, digits, _ and - in `name` (design section 7). */
static struct sg_json wire_message(struct sg_arena *scratch, const struct sg_json *message) {
    const struct sg_json *name = sg_json_get(message, SG_STR("name"));
    if (!name || name->type != SG_JSON_STRING) return *message;
    struct sg_member *m = SG_NEW_N(scratch, struct sg_member, message->n);
    memcpy(m, message->members, message->n * sizeof *m);
    for (uint32_t i = 0; i < message->n; i++)
        if (sg_str_eq(m[i].key, SG_STR("name")))
            m[i].value = sg_json_string(sg_plan_wire_name(scratch, sg_json_text(name)));
    return sg_json_object(m, message->n);
}

static int input_messages(struct task *t, const struct sg_json **out, struct sg_err *err) {
    const struct sg_plan *p = t->record->exec->plan;
    const struct sg_json *v = *out = t->state[t->node->input_key];
    if (!v || v->type == SG_JSON_NULL) *out = NULL;
    if (!*out) return 0;
    bool fine = v->type == SG_JSON_ARRAY;
    for (uint32_t i = 0; fine && i < v->n; i++) fine = v->items[i].type == SG_JSON_OBJECT;
    if (fine) return 0;
    return sg_fail(err, SG_E_TYPE,
                   "`%.*s` must be a list of messages {role, content}, since it is this node's input_key",
                   SG_ARG(p->keys[t->node->input_key].name));
}

int sg_prompt_messages(struct task *t, struct sg_arena *scratch, struct sg_json *out, struct sg_err *err) {
    const struct sg_json *more;
    int rc = input_messages(t, &more, err);
    if (rc != 0) return rc;
    size_t n = 0;
    struct sg_json *items = SG_NEW_N(scratch, struct sg_json, t->node->n_messages + (more ? more->n : 0));
    for (; n < t->node->n_messages; n++) {
        rc = render_message(t, &t->node->messages[n], scratch, &items[n], err);
        if (rc != 0) return rc;
    }
    bool marked = t->record->exec->plan->has_python;
    for (uint32_t i = 0; more && i < more->n; i++)
        items[n++] = marked ? sg_plain_for_prompt(scratch, &more->items[i]) : more->items[i];
    *out = sg_json_array(items, n);
    return sg_chat_inject(t, scratch, out, err);
}

int sg_prompt_request(struct sg_call *c, struct sg_arena *scratch, struct sg_request *out, struct sg_err *err) {
    struct task *t = c->ud;
    struct sg_exec *x = t->record->exec;
    struct sg_json messages;
    int rc = sg_prompt_messages(t, scratch, &messages, err);
    if (rc != 0) return rc;
    struct sg_json *items = SG_NEW_N(scratch, struct sg_json, messages.n);
    for (uint32_t i = 0; i < messages.n; i++) items[i] = wire_message(scratch, &messages.items[i]);
    out->messages = sg_json_array(items, messages.n);
    out->tools = x->tools[t->node - x->plan->nodes];
    if (out->tools.type == SG_JSON_ARRAY) out->tool_choice = t->node->spec->tool_choice;
    if (x->o.observer) sg_see_call(t, &out->messages);
    const struct sg_draw_key key = {
        .seed = x->o.seed, .position = t->record->position, .node = t->node->name_hash, .visit = t->visit};
    out->seed = sg_draw(&key, t->ordinal);
    out->order = t->record->position;
    return 0;
}
