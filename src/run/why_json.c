/* SPDX-License-Identifier: Apache-2.0 */
/* why_json: for programs, one object; its members are those of docs/looking.md. */
#include "run/why.h"

static void key(struct sg_buf *b, const char *name) {
    char last = b->p[b->n - 1];
    if (last != '{' && last != '[') sg_buf_ch(b, ',');
    sg_json_write_string(b, sg_str(name));
    sg_buf_ch(b, ':');
}

static void text(struct sg_buf *b, const char *name, struct sg_str s) {
    key(b, name);
    sg_json_write_text(b, s);
}

static void number(struct sg_buf *b, const char *name, uint64_t v) {
    key(b, name);
    sg_buf_u64(b, v);
}

static void flag(struct sg_buf *b, const char *name, bool v) {
    key(b, name);
    sg_buf_str(b, v ? SG_STR("true") : SG_STR("false"));
}

static void value(struct sg_buf *b, const char *name, const struct sg_json *v) {
    key(b, name);
    if (v) sg_json_write(b, v);
    else SG_BUF_LIT(b, "null");
}

static void next(struct sg_buf *b, char open) {
    char last = b->p[b->n - 1];
    if (last != '[') sg_buf_ch(b, ',');
    sg_buf_ch(b, open);
}

static void execution(struct sg_buf *b, const struct sg_why_node *n) {
    text(b, "node", n->node->name);
    number(b, "step", n->step);
    number(b, "visit", n->visit);
}

/* {"node", "step", "visit"}, "input", or null. */
static void origin(struct sg_buf *b, struct sg_why_origin o) {
    key(b, "from");
    if (!o.node) {
        sg_buf_str(b, o.data ? SG_STR("\"input\"") : SG_STR("null"));
        return;
    }
    sg_buf_ch(b, '{');
    execution(b, o.node);
    sg_buf_ch(b, '}');
}

static void program(struct sg_why *w, struct sg_buf *b, const char *name, int hook) {
    if (hook != SG_NONE) text(b, name, w->run.task.plan->hooks[hook].spec->text);
}

/* --- fields ----------------------------------------------------------------------------------------------------- */

static void put_field(struct sg_why *w, struct sg_buf *b, struct sg_str name) {
    const struct sg_plan *p = w->run.task.plan;
    const struct sg_plan_field *f = sg_why_field(w, name);
    next(b, '{');
    text(b, "name", name);
    value(b, "value", sg_why_value(w, name));
    if (f) program(w, b, "transform", f->transform);
    bool keyed = f ? f->key != SG_NONE : !p->has_map;
    if (keyed) {
        struct sg_str k = f ? p->keys[f->key].name : name;
        text(b, "key", k);
        origin(b, sg_why_origin(w, k, UINT32_MAX));
    }
    sg_buf_ch(b, '}');
}

/* --- executions ------------------------------------------------------------------------------------------------- */

static void put_call(struct sg_why *w, struct sg_buf *b, const struct sg_why_call *c) {
    bool same;
    struct sg_str sent = sg_why_sent(w, c, &same);
    next(b, '{');
    text(b, "model", c->model->alias);
    text(b, "model_type", sg_plan_model_type(c->model));
    key(b, "urls");
    sg_buf_ch(b, '[');
    for (size_t i = 0; i < c->model->n_urls; i++) {
        if (i) sg_buf_ch(b, ',');
        sg_json_write_text(b, c->model->urls[i]);
    }
    sg_buf_ch(b, ']');
    number(b, "ordinal", c->ordinal);
    flag(b, "as_sent", same);
    if (!same) text(b, "note", sent);
    value(b, "messages", &c->messages);
    if (c->has_row) {
        text(b, "state", sg_look_call_state_name(c->row.state));
        number(b, "attempts", c->row.attempts);
        if (c->row.status) number(b, "status", (uint64_t)c->row.status);
        key(b, "latency_s");
        sg_buf_printf(b, "%.6f", (double)c->row.latency_us / 1e6);
        number(b, "prompt_tokens", c->row.prompt_tokens);
        number(b, "completion_tokens", c->row.completion_tokens);
    }
    if (c->answer.failure.code) text(b, "error", sg_str(c->answer.failure.text));
    if (c->answer.has_reply) text(b, "reply", c->answer.reply.text);
    if (c->answer.reply.tool_calls.type == SG_JSON_ARRAY) value(b, "tool_calls", &c->answer.reply.tool_calls);
    sg_buf_ch(b, '}');
}

struct reading {
    struct sg_why *w;
    struct sg_buf *b;
    uint32_t before;
};

static void put_read(void *ud, struct sg_str name) {
    struct reading *r = ud;
    next(r->b, '{');
    text(r->b, "key", name);
    origin(r->b, sg_why_origin(r->w, name, r->before));
    sg_buf_ch(r->b, '}');
}

static void put_node(struct sg_why *w, struct sg_buf *b, const struct sg_why_node *n) {
    struct reading r = {w, b, n->step};
    next(b, '{');
    execution(b, n);
    text(b, "kind", sg_plan_kind_name(n->node));
    key(b, "reads");
    sg_buf_ch(b, '[');
    sg_why_reads(w, n, put_read, &r);
    sg_buf_ch(b, ']');
    program(w, b, "pre_process", n->node->pre_hook);
    program(w, b, "post_process", n->node->post_hook);
    program(w, b, "multi_llm_post_process", n->node->combine_hook);
    if (n->node->kind == SG_NODE_LAMBDA) program(w, b, "lambda", n->node->lambda_hook);
    key(b, "calls");
    sg_buf_ch(b, '[');
    for (size_t i = 0; i < n->n_calls; i++) put_call(w, b, &n->calls[i]);
    sg_buf_ch(b, ']');
    value(b, "wrote", &n->updates);
    sg_buf_ch(b, '}');
}

static void put_input(struct sg_why *w, struct sg_buf *b) {
    key(b, "input");
    sg_buf_ch(b, '{');
    for (uint32_t i = 0; i < w->row.n; i++) {
        if (!w->needs_data[i]) continue;
        if (b->p[b->n - 1] != '{') sg_buf_ch(b, ',');
        sg_json_write_text(b, w->row.members[i].key);
        sg_buf_ch(b, ':');
        sg_json_write(b, &w->row.members[i].value);
    }
    sg_buf_ch(b, '}');
}

void sg_why_json(struct sg_why *w, struct sg_buf *b) {
    bool ok = w->record.row.outcome == SG_RECORD_OK;
    sg_buf_ch(b, '{');
    text(b, "file", w->file);
    number(b, "record", w->number);
    number(b, "position", w->record.row.position);
    if (w->record.row.line) number(b, "line", w->record.row.line);
    text(b, "outcome", sg_look_outcome_name(w->record.row.outcome));
    if (ok) flag(b, "exact", w->exact);
    else value(b, "failure", &w->stored);
    if (w->failure.n && ok) text(b, "note", w->failure);
    if (w->changed.n) text(b, "changed", w->changed);
    key(b, "fields");
    sg_buf_ch(b, '[');
    for (uint32_t i = 0; ok && i < w->stored.n; i++)
        if (sg_why_wants(w, w->stored.members[i].key)) put_field(w, b, w->stored.members[i].key);
    sg_buf_ch(b, ']');
    key(b, "nodes");
    sg_buf_ch(b, '[');
    for (size_t i = w->n_nodes; i-- > 0;)
        if (w->nodes[i]->needed) put_node(w, b, w->nodes[i]);
    sg_buf_ch(b, ']');
    put_input(w, b);
    SG_BUF_LIT(b, "}\n");
}
