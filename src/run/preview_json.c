/* SPDX-License-Identifier: Apache-2.0 */
/* Events of a preview as JSON Lines, for programs. Values are whole. */
#include "run/preview.h"

static const char *const names[] = {
    [SG_EXEC_RECORD] = "record",     [SG_EXEC_NODE] = "node",           [SG_EXEC_CALL] = "request",
    [SG_EXEC_AGAIN] = "again",       [SG_EXEC_REPLY] = "reply",         [SG_EXEC_ROUTE] = "condition",
    [SG_EXEC_NODE_END] = "node_end", [SG_EXEC_RECORD_END] = "record_end",
};

static void key(struct sg_buf *b, const char *name) {
    sg_buf_printf(b, ",\"%s\":", name);
}

static void text(struct sg_buf *b, const char *name, struct sg_str s) {
    key(b, name);
    sg_json_write_string(b, s);
}

static void number(struct sg_buf *b, const char *name, uint64_t v) {
    key(b, name);
    sg_buf_u64(b, v);
}

static void value(struct sg_buf *b, const char *name, const struct sg_json *v) {
    key(b, name);
    sg_json_write(b, v);
}

static void error(struct sg_buf *b, const struct sg_err *err) {
    text(b, "error", sg_str(sg_error_name(err->code)));
    text(b, "message", sg_str(err->text));
    if (err->status) number(b, "status", (uint64_t)err->status);
}

static void call(struct sg_buf *b, const struct sg_exec_event *e) {
    text(b, "model", e->model->alias);
    number(b, "attempt", e->attempt);
    if (e->kind == SG_EXEC_CALL) value(b, "messages", e->value);
    if (e->kind == SG_EXEC_AGAIN) sg_buf_printf(b, ",\"wait_s\":%.3f", (double)e->time_ns / 1e9);
    if (!e->reply) return;
    sg_buf_printf(b, ",\"latency_s\":%.6f", (double)e->time_ns / 1e9);
    text(b, "text", e->reply->text);
    if (e->reply->tool_calls.type == SG_JSON_ARRAY) value(b, "tool_calls", &e->reply->tool_calls);
    text(b, "finish_reason", e->reply->finish_reason);
    if (!e->reply->usage.known) return;
    number(b, "prompt_tokens", e->reply->usage.prompt_tokens);
    number(b, "completion_tokens", e->reply->usage.completion_tokens);
}

static void record_end(struct sg_buf *b, const struct sg_exec_event *e) {
    static const char *const outcomes[] = {"ok", "failed", "invalid", "dropped"};
    text(b, "outcome", sg_str(outcomes[e->outcome]));
    number(b, "steps", e->step);
    if (e->outcome != SG_RECORD_OK) return;
    key(b, "output");
    sg_buf_str(b, e->output); /* is JSON */
}

void sg_preview_json(const struct sg_exec_event *e, struct sg_buf *b) {
    sg_buf_printf(b, "{\"event\":\"%s\",\"position\":%llu", names[e->kind], (unsigned long long)e->position);
    if (e->line) number(b, "line", e->line);
    if (e->node.n) text(b, "node", e->node);
    if (e->kind != SG_EXEC_RECORD && e->kind != SG_EXEC_RECORD_END) {
        if (e->node_kind.n) text(b, "kind", e->node_kind);
        number(b, "step", e->step);
        number(b, "visit", e->visit);
    }
    if (e->kind == SG_EXEC_RECORD) value(b, "row", e->value);
    if (e->kind == SG_EXEC_NODE) value(b, "state", e->value);
    if (e->kind == SG_EXEC_ROUTE) {
        text(b, "program", e->program);
        value(b, "results", e->value);
        value(b, "to", e->targets);
    }
    if (e->kind == SG_EXEC_NODE_END && !e->err) value(b, "updates", e->value);
    if (e->model) call(b, e);
    if (e->kind == SG_EXEC_RECORD_END) record_end(b, e);
    if (e->err) error(b, e->err);
    SG_BUF_LIT(b, "}\n");
}
