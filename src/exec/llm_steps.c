/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of a model's call (spec-core 4.2), which llm nodes and each child of a multi_llm node go through: pre-process,
 * call (prompt.c says what is asked), post-process. What comes out is the task's `result`. */
#include "exec/record.h"

/* --- pre-process -------------------------------------------------------------------------------------------------------------- */

/* What the hook returns is the state that this execution sees; nothing of it is written. */
static enum verdict on_pre(struct task *t, const struct sg_json *results) {
    struct record *r = t->record;
    const struct sg_json *object;
    enum verdict v = sg_one_object(t, results, "pre_process", &object);
    if (!object) return v;
    const struct sg_json **s = sg_alloc0(&r->arena, r->exec->n_slots * sizeof *s);
    for (uint32_t i = 0; i < object->n; i++) {
        int slot = sg_state_slot(r->exec, object->members[i].key);
        if (slot != SG_NONE) s[slot] = &object->members[i].value;
    }
    t->state = (state_view)s;
    t->owns_view = true;
    t->own_state = object;
    return NEXT;
}

enum verdict sg_step_pre(struct task *t) {
    if (t->node->pre_hook == SG_NONE) return NEXT;
    return sg_hook_step(t, t->node->pre_hook, sg_hook_write_state, on_pre);
}

/* --- call -------------------------------------------------------------------------------------------------------------------------- */

static struct sg_json reply_message(struct task *t, const struct sg_completion *done) {
    struct sg_arena *a = &t->record->arena;
    bool tools = done->tool_calls.type == SG_JSON_ARRAY && done->tool_calls.n > 0;
    struct sg_member *m = SG_NEW_N(a, struct sg_member, 4);
    struct sg_str text = sg_str_dup(a, done->text);
    size_t n = 0;
    t->reply = text.p;
    m[n++] = (struct sg_member){SG_STR("role"), sg_json_string(t->node->spec->output_role)};
    m[n++] = (struct sg_member){SG_STR("content"), sg_json_string(text)};
    m[n++] = (struct sg_member){SG_STR("name"), sg_json_string(t->node->name)};
    if (tools) m[n++] = (struct sg_member){SG_STR("tool_calls"), sg_json_copy(a, &done->tool_calls)};
    return sg_json_object(m, n);
}

struct sg_call_row sg_call_key(const struct task *t, enum sg_call_state state) {
    const struct record *r = t->record;
    return (struct sg_call_row){.position = r->position,
                                .node = (uint32_t)(t->node - r->exec->plan->nodes),
                                .visit = t->visit,
                                .ordinal = t->ordinal,
                                .state = (int)state};
}

static struct sg_call_row call_row(const struct task *t, enum sg_call_state state) {
    struct sg_call_row row = sg_call_key(t, state);
    row.attempts = t->call.attempts;
    row.started = sg_output_ms(t->record->exec->o.output, t->call.started_ns);
    row.latency_us = (int64_t)(t->call.latency_ns / 1000);
    row.request = t->call.request_hash;
    return row;
}

/* Told at the record's end: only then it is known what kind of record took it. */
static void note_answer(struct task *t, const struct sg_call_row *row) {
    struct sg_work w = {.node = row->node,
                        .ordinal = row->ordinal,
                        .prompt_tokens = row->prompt_tokens,
                        .completion_tokens = row->completion_tokens};
    sg_record_work(t->record, &w);
}

/* What a call asks, without secrets, in `out`; empty when it cannot be made, or is not wanted. */
static struct sg_str request_text(struct task *t, bool wanted, struct sg_buf *out) {
    struct sg_buf body = SG_BUF_INIT(SIZE_MAX);
    if (wanted && sg_call_body(&t->call, &body, NULL) == 0) sg_redact(out, sg_buf_view(&body));
    sg_buf_fini(&body);
    return sg_buf_view(out);
}

/* An answer that is plain text is journalled as it stands. */
static void keep_answer(struct task *t, const struct sg_call_row *row, const struct sg_completion *done) {
    struct sg_exec *x = t->record->exec;
    struct sg_buf request = SG_BUF_INIT(SIZE_MAX);
    struct sg_reply reply = {done->text, done->finish_reason, done->tool_calls, done->usage.known,
                             request_text(t, x->o.keep_requests, &request)};
    if (sg_reply_is_plain(&reply)) {
        sg_output_call(x->o.output, row, SG_BODY_REPLY, reply.text);
    } else {
        sg_buf_reset(&x->text, 1 << 20);
        sg_reply_write(&x->text, &reply);
        sg_output_call(x->o.output, row, SG_BODY_REPLY_JSON, sg_buf_view(&x->text));
    }
    sg_buf_fini(&request);
}

static void journal_answer(struct task *t, const struct sg_completion *done) {
    struct sg_exec *x = t->record->exec;
    if (!x->o.output) return;
    struct sg_call_row row = call_row(t, SG_CALL_ANSWERED);
    row.status = 200;
    row.prompt_tokens = done->usage.prompt_tokens;
    row.completion_tokens = done->usage.completion_tokens;
    row.unmetered = !done->usage.known;
    row.repeated = t->repeats;
    note_answer(t, &row);
    if (x->journals) keep_answer(t, &row, done);
    else sg_output_call(x->o.output, &row, 0, SG_STR_NONE); /* it is counted */
}

static void keep_failure(struct task *t, const struct sg_call_row *row, const struct sg_err *err) {
    struct sg_exec *x = t->record->exec;
    struct sg_buf request = SG_BUF_INIT(SIZE_MAX);
    struct sg_str asked = request_text(t, x->o.keep_requests, &request);
    sg_buf_reset(&x->text, 1 << 20);
    sg_failure_write(&x->text, err, asked);
    sg_output_call(x->o.output, row, SG_BODY_FAILURE, sg_buf_view(&x->text));
    sg_buf_fini(&request);
}

static void journal_failure(struct task *t, const struct sg_err *err) {
    struct sg_exec *x = t->record->exec;
    if (!x->o.output) return;
    struct sg_call_row row = call_row(t, SG_CALL_FAILED);
    row.status = err->status;
    row.code = err->code;
    if (x->journals) keep_failure(t, &row, err);
    else sg_output_call(x->o.output, &row, 0, SG_STR_NONE);
}

static void on_again(struct sg_call *c, uint64_t wait_ns, const struct sg_err *err) {
    struct task *t = c->ud;
    struct sg_exec *x = t->record->exec;
    if (x->o.observer) sg_see_reply(t, NULL, err, wait_ns);
    if (!x->o.output) return;
    struct sg_call_row row = call_row(t, SG_CALL_AGAIN);
    row.status = err->status;
    row.code = err->code;
    row.not_before = sg_output_ms(x->o.output, sg_loop_now_ns(x->o.loop) + wait_ns);
    sg_output_call(x->o.output, &row, 0, SG_STR_NONE);
}

void sg_call_take_failure(struct task *t, uint32_t attempts, const struct sg_err *err) {
    t->record->attempts += attempts;
    t->failed_attempts = attempts;
    sg_task_go(t, sg_task_fail_err(t, err->code, err));
}

void sg_call_take(struct task *t, uint32_t attempts, const struct sg_completion *done) {
    t->record->attempts += attempts;
    t->completion = reply_message(t, done);
    sg_task_go(t, NEXT);
}

static void on_completion(struct sg_call *c, int status, const struct sg_completion *done, const struct sg_err *err) {
    struct task *t = c->ud;
    t->call_waits = false;
    if (t->record->exec->o.observer) sg_see_reply(t, done, err, SG_SEEN_LAST);
    if (status != 0) {
        struct sg_err failure = *err;
        failure.code = status;
        journal_failure(t, &failure);
        sg_call_take_failure(t, c->attempts, &failure);
    } else {
        journal_answer(t, done);
        sg_call_take(t, c->attempts, done);
    }
}

enum verdict sg_step_call(struct task *t) {
    struct sg_exec *x = t->record->exec;
    t->record->has_waited = true;
    t->call.model = x->o.models[t->model];
    t->call.request = sg_prompt_request;
    t->call.on_done = on_completion;
    t->call.on_again = on_again;
    t->call.ud = t;
    t->call.record = t->record->position;
    t->call.node = t->node->name;
    t->call.visit = t->visit;
    t->call.ordinal = t->ordinal;
    enum verdict v = sg_past_answer(t);
    if (v != NEXT) return v;
    const struct sg_past_call *again = sg_past_find(t, SG_CALL_AGAIN);
    uint64_t now = sg_loop_now_ns(x->o.loop), due = again ? sg_output_loop_ns(x->o.output, again->row.not_before) : 0;
    t->call.attempts_before = again ? again->row.attempts : 0;
    t->call.wait_before_ns = due > now ? due - now : 0;
    t->call_waits = true;
    sg_call_start(&t->call);
    return WAIT;
}

/* --- post-process --------------------------------------------------------------------------------------------------------------------- */

static struct sg_json tool_calls(const struct task *t) {
    const struct sg_json *calls = sg_json_get(&t->completion, SG_STR("tool_calls"));
    return calls ? *calls : sg_json_array(NULL, 0);
}

/* What Python sees of the reply is what a message from a model is in the reference: no name, and the calls of tools only where the
 * node offers some. */
static struct sg_json plain_response(struct task *t) {
    const struct sg_json *content = sg_json_get(&t->completion, SG_STR("content"));
    struct sg_member *m = SG_NEW_N(&t->record->arena, struct sg_member, 3);
    m[0] = (struct sg_member){SG_STR("role"), sg_json_string(SG_STR("assistant"))};
    m[1] = (struct sg_member){SG_STR("content"), *content};
    m[2] = (struct sg_member){SG_STR("tool_calls"), tool_calls(t)};
    return sg_json_object(m, t->node->spec->n_tools && m[2].value.n ? 3 : 2);
}

static void write_seen_state(const struct task *t, struct sg_buf *out) {
    if (t->own_state) sg_json_write(out, t->own_state);
    else sg_state_write(t->record->exec, t->state, out);
}

static void write_response(struct sg_hook_call *c, struct sg_buf *input, struct sg_buf *state) {
    struct task *t = c->ud;
    if (sg_hook_state_buffer(t, input, state) == state) {
        struct sg_json response = plain_response(t);
        sg_json_write(input, &response);
        write_seen_state(t, state);
        return;
    }
    SG_BUF_LIT(input, "{\"response\":");
    sg_json_write(input, &t->completion);
    SG_BUF_LIT(input, ",\"state\":");
    write_seen_state(t, input);
    sg_buf_ch(input, '}');
}

static enum verdict on_post(struct task *t, const struct sg_json *results) {
    return sg_one_object(t, results, "post_process", &t->result);
}

/* {output_keys: text}, or {messages: [message]}; and what tools were called, where some are offered. */
static const struct sg_json *plain_result(struct task *t) {
    struct sg_arena *a = &t->record->arena;
    struct sg_json *v = SG_NEW_N(a, struct sg_json, 2);
    struct sg_member *m = SG_NEW_N(a, struct sg_member, 2);
    bool as_message = t->node->output_key == SG_KEY_MESSAGES;
    v[0] = t->completion;
    m[0].key = t->record->exec->plan->keys[t->node->output_key].name;
    m[0].value = as_message ? sg_json_array(&v[0], 1) : *sg_json_get(&v[0], SG_STR("content"));
    m[1] = (struct sg_member){SG_STR("tool_calls"), tool_calls(t)};
    v[1] = sg_json_object(m, t->node->spec->n_tools ? 2 : 1);
    return &v[1];
}

/* A node that offers tools shows its post_process which were called. */
static void show_tool_calls(struct task *t) {
    struct sg_arena *a = &t->record->arena;
    struct sg_json *state = SG_NEW(a, struct sg_json);
    *state = t->own_state ? *t->own_state : sg_state_object(a, t->record->exec, t->state);
    struct sg_member *m = SG_NEW_N(a, struct sg_member, state->n + 1);
    size_t n = 0;
    for (uint32_t i = 0; i < state->n; i++)
        if (!sg_str_eq(state->members[i].key, SG_STR("tool_calls"))) m[n++] = state->members[i];
    m[n++] = (struct sg_member){SG_STR("tool_calls"), tool_calls(t)};
    *state = sg_json_object(m, n);
    t->own_state = state;
}

enum verdict sg_step_post(struct task *t) {
    if (t->node->post_hook == SG_NONE) {
        t->result = plain_result(t);
        return NEXT;
    }
    if (t->node->spec->n_tools) show_tool_calls(t);
    return sg_hook_step(t, t->node->post_hook, write_response, on_post);
}

enum verdict sg_step_write(struct task *t) {
    if (t->result) sg_task_update_object(t, t->result);
    return NEXT;
}
