/* SPDX-License-Identifier: Apache-2.0 */
/* why_text: for people. The fields first, then the executions of nodes that made them, the latest first, then what came from the
 * input. Control characters never reach the terminal. */
#include "run/why.h"

static void put_line(struct sg_buf *b, const char *indent, struct sg_str text) {
    sg_buf_str(b, sg_str(indent));
    sg_screen_text(b, text, SIZE_MAX, true);
    sg_buf_ch(b, '\n');
}

static void put_text(struct sg_buf *b, const char *indent, struct sg_str text) {
    for (size_t at = 0; at <= text.n;) {
        size_t end = sg_str_find(text, '\n', at);
        put_line(b, indent, (struct sg_str){text.p + at, end - at});
        at = end + 1;
    }
}

static void put_value(struct sg_why *w, struct sg_buf *b, const char *indent, struct sg_str name,
                      const struct sg_json *v) {
    struct sg_str text = v ? sg_json_dump(&w->arena, v) : SG_STR("(none)");
    put_line(b, indent, sg_str_printf(&w->arena, "%.*s  %.*s", SG_ARG(name), SG_ARG(text)));
}

static struct sg_str name_of(struct sg_why *w, const struct sg_why_node *n) {
    struct sg_str kind = sg_plan_kind_name(n->node);
    struct sg_str s = sg_str_printf(&w->arena, "%.*s (%.*s), step %u", SG_ARG(n->node->name), SG_ARG(kind), n->step);
    return n->visit ? sg_str_printf(&w->arena, "%.*s, visit %u", SG_ARG(s), n->visit + 1) : s;
}

static struct sg_str place_of(struct sg_why *w, struct sg_why_origin o) {
    if (o.node) return name_of(w, o.node);
    return o.data ? SG_STR("the input") : SG_STR("nowhere: nobody wrote it");
}

/* --- the record ------------------------------------------------------------------------------------------------- */

static void put_head(struct sg_why *w, struct sg_buf *b) {
    const struct sg_look_record *r = &w->record;
    sg_buf_printf(b, "%.*s, record %llu: %s; position %llu of the input", SG_ARG(w->file),
                  (unsigned long long)w->number, sg_look_outcome_name(r->row.outcome).p,
                  (unsigned long long)r->row.position);
    if (r->has_row && r->row.line) sg_buf_printf(b, ", line %llu", (unsigned long long)r->row.line);
    if (r->has_row)
        sg_buf_printf(b, "; %u step%s, %.3f s", r->row.steps, r->row.steps == 1 ? "" : "s",
                      (double)(r->row.ended - r->row.started) / 1000);
    sg_buf_ch(b, '\n');
    if (w->exact) return;
    if (r->row.outcome != SG_RECORD_OK) return;
    SG_BUF_LIT(b, "note: this record comes out otherwise when it is made again");
    if (w->failure.n) put_line(b, ": it fails ", w->failure);
    else sg_buf_ch(b, '\n');
    if (w->changed.n) put_line(b, "      changed since the run: ", w->changed);
}

static void put_field(struct sg_why *w, struct sg_buf *b, struct sg_str name) {
    const struct sg_plan *p = w->run.task.plan;
    const struct sg_plan_field *f = sg_why_field(w, name);
    struct sg_str key = f && f->key != SG_NONE ? p->keys[f->key].name : name;
    sg_buf_ch(b, '\n');
    put_value(w, b, "", name, sg_why_value(w, name));
    if (f && f->transform != SG_NONE) put_line(b, "  transform  ", p->hooks[f->transform].spec->text);
    if (f && f->key == SG_NONE) put_line(b, "  from       ", SG_STR("`value` in the output map"));
    else if (p->has_map && !f) put_line(b, "  from       ", SG_STR("an output map that has changed since"));
    else
        put_line(b, "  from       ",
                 sg_str_printf(&w->arena, "`%.*s` of %.*s", SG_ARG(key),
                               SG_ARG(place_of(w, sg_why_origin(w, key, UINT32_MAX)))));
}

static void put_failure(struct sg_why *w, struct sg_buf *b) {
    for (uint32_t i = 0; i < w->stored.n; i++)
        if (!sg_str_eq(w->stored.members[i].key, SG_STR("record")))
            put_value(w, b, "  ", w->stored.members[i].key, &w->stored.members[i].value);
}

/* --- executions ------------------------------------------------------------------------------------------------- */

static void put_messages(struct sg_why *w, struct sg_buf *b, const struct sg_json *messages) {
    for (uint32_t i = 0; i < messages->n; i++) {
        const struct sg_json *role = sg_json_get(&messages->items[i], SG_STR("role")),
                             *content = sg_json_get(&messages->items[i], SG_STR("content"));
        put_line(b, "    ", role && role->type == SG_JSON_STRING ? sg_json_text(role) : SG_STR("message"));
        if (content && content->type == SG_JSON_STRING) put_text(b, "      ", sg_json_text(content));
        else put_text(b, "      ", sg_json_dump(&w->arena, content ? content : &messages->items[i]));
    }
}

static void put_call(struct sg_why *w, struct sg_buf *b, const struct sg_why_call *c) {
    bool same;
    struct sg_str type = sg_plan_model_type(c->model);
    sg_buf_printf(b, "  model      %.*s (%.*s)", SG_ARG(c->model->alias), SG_ARG(type));
    for (size_t i = 0; i < c->model->n_urls; i++)
        sg_buf_printf(b, "%s %.*s", i ? " or" : " at", SG_ARG(c->model->urls[i]));
    sg_buf_ch(b, '\n');
    put_line(b, "  prompt     ", sg_why_sent(w, c, &same));
    put_messages(w, b, &c->messages);
    if (!c->has_row) {
        put_line(b, "  call       ", SG_STR("nothing is kept of it"));
        return;
    }
    sg_buf_printf(b, "  call       %s, %u attempt%s", sg_look_call_state_name(c->row.state).p, c->row.attempts,
                  c->row.attempts == 1 ? "" : "s");
    if (c->row.state == SG_CALL_ANSWERED)
        sg_buf_printf(b, ", %.3f s, %llu tokens in, %llu out", (double)c->row.latency_us / 1e6,
                      (unsigned long long)c->row.prompt_tokens, (unsigned long long)c->row.completion_tokens);
    else if (c->row.status) sg_buf_printf(b, ", status %d", c->row.status);
    sg_buf_ch(b, '\n');
    if (c->answer.failure.code) put_text(b, "      ", sg_str(c->answer.failure.text));
    if (!c->answer.has_reply) return;
    SG_BUF_LIT(b, "  reply\n");
    put_text(b, "      ", c->answer.reply.text);
    if (c->answer.reply.tool_calls.type == SG_JSON_ARRAY)
        put_line(b, "  tools      ", sg_json_dump(&w->arena, &c->answer.reply.tool_calls));
}

static void put_program(struct sg_why *w, struct sg_buf *b, const char *name, int hook) {
    if (hook != SG_NONE) put_text(b, name, w->run.task.plan->hooks[hook].spec->text);
}

struct reading {
    struct sg_why *w;
    struct sg_buf *b;
    uint32_t before;
};

static void put_read(void *ud, struct sg_str key) {
    struct reading *r = ud;
    struct sg_str place = place_of(r->w, sg_why_origin(r->w, key, r->before));
    put_line(r->b, "  reads      ", sg_str_printf(&r->w->arena, "`%.*s` of %.*s", SG_ARG(key), SG_ARG(place)));
}

static void put_node(struct sg_why *w, struct sg_buf *b, const struct sg_why_node *n) {
    struct reading r = {w, b, n->step};
    sg_buf_ch(b, '\n');
    put_line(b, "", name_of(w, n));
    sg_why_reads(w, n, put_read, &r);
    put_program(w, b, "  pre        ", n->node->pre_hook);
    for (size_t i = 0; i < n->n_calls; i++) put_call(w, b, &n->calls[i]);
    put_program(w, b, "  post       ", n->node->post_hook);
    put_program(w, b, "  combine    ", n->node->combine_hook);
    if (n->node->kind == SG_NODE_LAMBDA) put_program(w, b, "  program    ", n->node->lambda_hook);
    for (uint32_t i = 0; n->updates.type == SG_JSON_OBJECT && i < n->updates.n; i++)
        put_value(w, b, "  wrote      ", n->updates.members[i].key, &n->updates.members[i].value);
}

static void put_data(struct sg_why *w, struct sg_buf *b) {
    bool any = false;
    for (uint32_t i = 0; i < w->row.n; i++) {
        if (!w->needs_data[i]) continue;
        if (!any) SG_BUF_LIT(b, "\nthe input\n");
        any = true;
        put_value(w, b, "  ", w->row.members[i].key, &w->row.members[i].value);
    }
}

void sg_why_text(struct sg_why *w, struct sg_buf *out) {
    put_head(w, out);
    if (w->record.row.outcome != SG_RECORD_OK) put_failure(w, out);
    for (uint32_t i = 0; w->record.row.outcome == SG_RECORD_OK && i < w->stored.n; i++)
        if (sg_why_wants(w, w->stored.members[i].key)) put_field(w, out, w->stored.members[i].key);
    for (size_t i = w->n_nodes; i-- > 0;)
        if (w->nodes[i]->needed) put_node(w, out, w->nodes[i]);
    put_data(w, out);
}
