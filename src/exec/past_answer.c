/* SPDX-License-Identifier: Apache-2.0 */
/* What came of a call before: in an earlier life of the run, in a run that is replayed, in a recording. It stands for the call
 * when the request would be the same. Where the past is all there is, a call that is not in it fails, and says what differs. */
#include "exec/record.h"

/* --- answers of before -------------------------------------------------------------------------------------------------------------- */

static void on_past_answer(struct sg_later *d) {
    struct task *t = d->ud;
    const struct sg_past_call *c = t->answer.of;
    t->answer_waits = false;
    if (c->failure) {
        sg_call_take_failure(t, c->row.attempts, c->failure);
        return;
    }
    t->record->exec->figures.calls_kept++;
    struct sg_completion done = {
        .text = c->reply.text,
        .tool_calls = c->reply.tool_calls,
        .finish_reason = c->reply.finish_reason,
        .usage = {c->row.prompt_tokens, c->row.completion_tokens, c->reply.usage_known},
    };
    sg_call_take(t, c->row.attempts, &done);
}

enum verdict sg_past_later(struct task *t, void (*run)(struct sg_later *d), const struct sg_past_call *c) {
    t->answer.later = (struct sg_later){.run = run, .ud = t};
    t->answer.of = c;
    t->answer_waits = true;
    sg_later(t->record->exec->o.loop, &t->answer.later);
    return WAIT;
}

/* What came of this call before, if there is anything, and its reply is not lost. */
static const struct sg_past_call *known_call(const struct task *t) {
    const struct sg_past_call *c = sg_past_find(t, SG_CALL_ANSWERED);
    if (!c) c = sg_past_find(t, SG_CALL_FAILED);
    return c;
}

static bool has_outcome(const struct sg_past_call *c) {
    return c->row.state == SG_CALL_ANSWERED ? c->row.has_body : c->failure != NULL;
}

/* The same, if it would be the same call now. */
static const struct sg_past_call *past_answer(struct task *t) {
    const struct sg_past_call *c = known_call(t);
    if (!c) return NULL;
    struct sg_buf body = SG_BUF_INIT(SIZE_MAX);
    bool made = !c->row.request || sg_call_body(&t->call, &body, NULL) == 0;
    bool same = made && (!c->row.request || sg_call_hash_of(sg_buf_view(&body)) == c->row.request);
    sg_buf_fini(&body);
    if (same && has_outcome(c)) return c;
    t->repeats = c->row.state == SG_CALL_ANSWERED;
    t->record->exec->figures.calls_repeated += t->repeats;
    return NULL;
}

/* --- where the past is all there is ---------------------------------------------------------------------------------------------------- */

static void on_missing(struct sg_later *d) {
    struct task *t = d->ud;
    t->answer_waits = false;
    sg_task_go(t, sg_task_fail_err(t, t->failure->code, t->failure));
}

/* One turn later than answers: where a call of before was given up for a sibling's failure, that failure comes first. */
static void on_missing_soon(struct sg_later *d) {
    struct task *t = d->ud;
    sg_past_later(t, on_missing, NULL);
}

static void say_missing(struct task *t, struct sg_str request, struct sg_str nearest, bool asked) {
    struct sg_err *err = t->failure = SG_NEW(&t->record->arena, struct sg_err);
    struct sg_json was, is;
    struct sg_arena scratch;
    struct sg_buf diff = SG_BUF_INIT(SIZE_MAX);
    sg_arena_init(&scratch, 0);
    bool both = nearest.n && sg_json_parse(&scratch, nearest, &was, NULL, NULL) == 0 &&
                sg_json_parse(&scratch, request, &is, NULL, NULL) == 0;
    if (both) sg_json_diff(&diff, &was, &is);
    if (both && !diff.n) sg_fail(err, SG_E_MISSING, "this request was recorded with its keys in another order");
    else if (diff.n) sg_fail(err, SG_E_MISSING, "this request was not recorded; the nearest that was: %.*s", (int)diff.n, diff.p);
    else if (asked)
        sg_fail(err, SG_E_MISSING, "the request is not what was recorded; what was asked then was not kept (--keep all keeps it)");
    else sg_fail(err, SG_E_MISSING, "no such call of this node was recorded (execution %u, call %u)", t->visit + 1, t->ordinal + 1);
    sg_buf_fini(&diff);
    sg_arena_fini(&scratch);
}

static enum verdict ask_recording(struct task *t) {
    struct sg_exec *x = t->record->exec;
    const struct sg_past_source *p = x->o.pasts;
    const struct sg_past_call *before = known_call(t), *found = NULL;
    struct sg_err err;
    struct sg_buf body = SG_BUF_INIT(SIZE_MAX), clean = SG_BUF_INIT(SIZE_MAX);
    struct sg_str nearest = before ? before->request : SG_STR_NONE;
    int rc = sg_call_body(&t->call, &body, &err);
    if (rc == 0) {
        sg_redact(&clean, sg_buf_view(&body));
        struct sg_past_question q = {
            t->node->name, t->record->position, t->visit, t->ordinal, sg_buf_view(&clean)};
        if (p->find) found = p->find(p->ud, &q, &nearest);
        if (!found) say_missing(t, q.request, nearest, before != NULL);
    }
    sg_buf_fini(&body);
    sg_buf_fini(&clean);
    if (rc != 0) return sg_task_fail_err(t, rc, &err);
    if (found) return sg_past_later(t, on_past_answer, found);
    x->figures.calls_missing++;
    return sg_past_later(t, on_missing_soon, NULL);
}

enum verdict sg_past_answer(struct task *t) {
    const struct sg_past_source *p = t->record->exec->o.pasts;
    const struct sg_past_call *answer = past_answer(t);
    if (answer) return sg_past_later(t, on_past_answer, answer);
    return p && p->is_all ? ask_recording(t) : NEXT;
}
