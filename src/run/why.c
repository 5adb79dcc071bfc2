/* SPDX-License-Identifier: Apache-2.0 */
/* `sygra why`: prompts are not kept, and most of the state is not. But the same task, row, seed and answers make the same record:
 * so it runs once more, on the same engine and hooks, its calls answered from the run's folder, and is watched. Nothing is
 * sent and nothing written. Whether it came out as it did then is seen from its line, and from the hash of each request. */
#include "run/why.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

/* --- FILE:ROW[.field] ------------------------------------------------------------------------------------------- */

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* The last colon with a number behind it. */
static int take_apart(struct sg_why *w, struct sg_str word, struct sg_err *err) {
    size_t at = word.n, end;
    while (at > 0 && !(word.p[at - 1] == ':' && at < word.n && is_digit(word.p[at]))) at--;
    uint64_t number = 0;
    for (end = at; at && end < word.n && is_digit(word.p[end]) && number < UINT64_MAX / 100; end++)
        number = number * 10 + (uint64_t)(word.p[end] - '0');
    bool fine = at > 1 && number > 0 && (end == word.n || (word.p[end] == '.' && end + 1 < word.n));
    if (!fine)
        return sg_fail(err, SG_E_USAGE,
                       "`%.*s` does not name a record: FILE:ROW or FILE:ROW.field, the first record of a file is 1",
                       (int)(word.n < 200 ? word.n : 200), word.p);
    w->file = sg_str_dup(&w->arena, (struct sg_str){word.p, at - 1});
    w->number = number;
    if (end < word.n) w->field = sg_str_dup(&w->arena, (struct sg_str){word.p + end + 1, word.n - end - 1});
    return 0;
}

/* out/output_failed.jsonl: the run out/output.run, and which of its files. */
static struct sg_str run_of(struct sg_arena *a, struct sg_str file, int *outcome) {
    static const char *const ends[] = {"_failed.jsonl", "_invalid.jsonl", "_dropped.jsonl"};
    *outcome = SG_RECORD_OK;
    for (int i = 0; i < 3; i++) {
        if (!sg_str_ends(file, sg_str(ends[i]))) continue;
        struct sg_str run = sg_str_printf(a, "%.*s.run", (int)(file.n - strlen(ends[i])), file.p);
        if (!sg_os_exists(run.p)) continue;
        *outcome = i + 1;
        return run;
    }
    return file;
}

static int find_record(struct sg_why *w, struct sg_err *err) {
    int outcome;
    struct sg_str folder;
    char full[PATH_MAX];
    uint64_t position;
    int rc = sg_run_find(&w->arena, run_of(&w->arena, w->file, &outcome), false, &folder, err);
    if (rc == 0 && realpath(folder.p, full))
        folder = sg_str_dup(&w->arena, sg_str(full)); /* the working directory will change */
    if (rc == 0) rc = sg_look_open(folder.p, &w->look, err);
    if (rc == 0) rc = sg_look_position(w->look, outcome, w->number - 1, &position, err);
    if (rc == 0) rc = sg_look_record(w->look, position, true, &w->record, err);
    if (rc != 0) return rc;
    w->record.json = sg_str_dup(&w->arena, w->record.json);
    return sg_json_parse(&w->arena, w->record.json, &w->stored, NULL, err);
}

/* --- answers ---------------------------------------------------------------------------------------------------- */

static bool keep_call(void *ud, const struct sg_call_row *row) {
    struct sg_why *w = ud;
    *SG_PUSH(&w->arena, w->calls, w->n_calls, w->cap_calls) = *row;
    return true;
}

/* What a hook of a node with `once` gave then: it is not run again. */
struct hook_search {
    struct sg_why *w;
    const struct sg_call_row *key;
    struct sg_arena *arena;
    struct sg_json *out;
    bool found;
};

static bool try_hook(void *ud, const struct sg_call_row *row) {
    struct hook_search *s = ud;
    struct sg_str name = s->w->run.task.plan->nodes[s->key->node].name;
    bool same = row->visit == s->key->visit && row->ordinal == s->key->ordinal && row->sub == s->key->sub &&
                row->has_body && sg_str_eq(sg_look_node(s->w->look, row->node), name);
    struct sg_buf body = SG_BUF_INIT(SIZE_MAX);
    struct sg_err err;
    uint32_t kind = 0;
    if (same && sg_look_body(s->w->look, row->body, &kind, &body, &err) == 0 && kind == SG_BODY_HOOK)
        s->found = sg_json_parse(s->arena, sg_str_dup(s->arena, sg_buf_view(&body)), s->out, NULL, NULL) == 0;
    sg_buf_fini(&body);
    return !s->found;
}

static bool done_before(void *ud, const struct sg_call_row *key, struct sg_arena *a, struct sg_json *out) {
    struct sg_why *w = ud;
    struct hook_search s = {.w = w, .key = key, .arena = a, .out = out};
    struct sg_err err;
    return sg_look_hooks(w->look, key->position, try_hook, &s, &err) == 0 && s.found;
}

static struct sg_why_node *node_of(struct sg_why *w, struct sg_str name, uint32_t visit) {
    for (size_t i = 0; i < w->n_nodes; i++)
        if (w->nodes[i]->visit == visit && sg_str_eq(w->nodes[i]->node->name, name)) return w->nodes[i];
    return NULL;
}

static const struct sg_call_row *row_of(const struct sg_why *w, const struct sg_call *c) {
    for (size_t i = 0; i < w->n_calls; i++) {
        const struct sg_call_row *row = &w->calls[i];
        bool same = row->visit == c->visit && row->ordinal == c->ordinal &&
                    sg_str_eq(sg_look_node(w->look, row->node), c->node);
        if (same) return row;
    }
    return NULL;
}

static int no_answer(const struct sg_why *w, const struct sg_call *c, struct sg_err *err) {
    bool outputs = sg_look_facts(w->look)->id.keep == SG_KEEP_OUTPUTS;
    return sg_fail(err, SG_E_MISSING, "the run has not kept the answer to this call of `%.*s`%s", SG_ARG(c->node),
                   outputs ? " (--keep outputs)" : "");
}

static int answer(void *ud, struct sg_call *c, struct sg_completion *out, struct sg_err *err) {
    struct sg_why *w = ud;
    struct sg_why_node *n = c->record == w->record.row.position ? node_of(w, c->node, c->visit) : NULL;
    if (!n) return sg_fail(err, SG_E_CANCELED, "another record");
    const struct sg_call_row *row = row_of(w, c);
    struct sg_why_call *call = SG_PUSH(&w->arena, n->calls, n->n_calls, n->cap_calls);
    *call = (struct sg_why_call){
        .model = w->model, .ordinal = c->ordinal, .messages = w->messages, .hash = c->request_hash};
    if (!row) return no_answer(w, c, err);
    call->row = *row;
    call->has_row = true;
    int rc = sg_look_answer(w->look, &w->arena, row, &call->answer, err);
    const struct sg_look_answer *a = &call->answer;
    if (rc == 0 && a->failure.code) {
        *err = a->failure;
        return a->failure.code;
    }
    if (rc == 0 && !a->has_reply) rc = no_answer(w, c, err);
    if (rc != 0) return rc;
    c->attempts = row->attempts;
    c->latency_ns = (uint64_t)row->latency_us * 1000;
    *out = (struct sg_completion){
        .text = a->reply.text, .tool_calls = a->reply.tool_calls, .finish_reason = a->reply.finish_reason};
    out->usage = (struct sg_usage){row->prompt_tokens, row->completion_tokens, a->reply.usage_known};
    return 0;
}

/* --- watching --------------------------------------------------------------------------------------------------- */

static void begin_node(struct sg_why *w, const struct sg_exec_event *e) {
    struct sg_why_node *n = SG_NEW(&w->arena, struct sg_why_node);
    *n = (struct sg_why_node){.node = sg_plan_node(w->run.task.plan, e->node), .step = e->step, .visit = e->visit};
    *SG_PUSH(&w->arena, w->nodes, w->n_nodes, w->cap_nodes) = n;
}

static void end_node(struct sg_why *w, const struct sg_exec_event *e) {
    struct sg_why_node *n = node_of(w, e->node, e->visit);
    if (n && !e->err) n->updates = sg_json_copy(&w->arena, e->value);
}

static void end_record(struct sg_why *w, const struct sg_exec_event *e) {
    struct sg_json now;
    w->ended = true;
    w->output = sg_str_dup(&w->arena, e->output);
    bool ok = e->outcome == SG_RECORD_OK && w->record.row.outcome == SG_RECORD_OK;
    w->exact = ok && sg_json_parse(&w->arena, w->output, &now, NULL, NULL) == 0 && sg_json_equal(&now, &w->stored);
    if (e->err)
        w->failure = sg_str_printf(&w->arena, "%s%.*s%s%s", e->node.n ? "at `" : "", SG_ARG(e->node),
                                   e->node.n ? "`: " : "", e->err->text);
}

static void on_event(void *ud, const struct sg_exec_event *e) {
    struct sg_why *w = ud;
    if (e->position != w->record.row.position) return; /* the first one, which lays out the state */
    if (e->kind == SG_EXEC_RECORD) w->row = sg_json_copy(&w->arena, e->value);
    if (e->kind == SG_EXEC_NODE) begin_node(w, e);
    if (e->kind == SG_EXEC_CALL) w->messages = sg_json_copy(&w->arena, e->value), w->model = e->model;
    if (e->kind == SG_EXEC_NODE_END) end_node(w, e);
    if (e->kind == SG_EXEC_RECORD_END) end_record(w, e);
}

/* --- the record, once more -------------------------------------------------------------------------------------- */

static void on_signal(void *ud, int signal) {
    struct run *r = ud;
    (void)signal;
    r->interrupted = true;
    sg_exec_stop(r->exec, true);
}

/* Nodes of the task that are not what the run says. */
static void note_changes(struct sg_why *w) {
    const struct sg_run_identity *was = &sg_look_facts(w->look)->id;
    struct sg_buf b = SG_BUF_INIT(1 << 16);
    sg_run_identify(&w->run);
    const struct sg_run_identity *is = &w->run.identity;
    for (size_t i = 0; i < is->n_nodes; i++) {
        bool same = false;
        for (size_t k = 0; k < was->n_nodes; k++)
            same |=
                sg_str_eq(is->nodes[i].name, was->nodes[k].name) && sg_str_eq(is->nodes[i].hash, was->nodes[k].hash);
        if (!same) sg_buf_printf(&b, "%s`%.*s`", b.n ? ", " : "", SG_ARG(is->nodes[i].name));
    }
    w->changed = sg_str_dup(&w->arena, sg_buf_view(&b));
    sg_buf_fini(&b);
}

static int run_again(struct sg_why *w, struct sg_err *err) {
    struct run *r = &w->run;
    const struct sg_run_identity *id = &sg_look_facts(w->look)->id;
    uint64_t position = w->record.row.position;
    struct sg_run_again again = {.position = position,
                                 .answer = answer,
                                 .done_before = done_before,
                                 .ud = w,
                                 .passed = {id->first + 1, position}};
    struct sg_exec_observer observer = {.on_event = on_event, .ud = w};
    r->again = &again;
    r->run_folder = sg_str_dup(&w->arena, sg_look_facts(w->look)->folder);
    r->observer = &observer;
    r->seed = id->seed;
    r->first = id->first;
    r->count = 1; /* of a data-less task; the source is told otherwise */
    r->started_wall_ns = id->started_ms * 1000000;
    int rc = sg_look_calls(w->look, position, keep_call, w, err);
    if (rc == 0) rc = sg_run_open_all(r, err);
    if (rc == 0) {
        note_changes(w);
        sg_loop_on_signal(r->loop, on_signal, r);
        sg_exec_start(r->exec);
        sg_loop_run(r->loop);
        if (r->aborted) *err = r->why, rc = r->why.code;
        if (rc == 0 && r->interrupted) rc = sg_fail(err, SG_E_CANCELED, "interrupted");
        if (rc == 0 && !w->ended)
            rc = sg_fail(err, SG_E_MISSING, "the input has no record %llu any more", (unsigned long long)position);
    }
    sg_run_close_all(r);
    return rc;
}

static int load_task(struct sg_why *w, struct sg_run_options *ro, struct sg_err *err) {
    const struct sg_run_identity *id = &sg_look_facts(w->look)->id;
    int rc = sg_run_load_stored(&w->arena, id, ro, &w->run.task, err);
    if (rc == 0) return 0;
    struct sg_err why = *err;
    return sg_fail(err, rc, "%s; `sygra records --position %llu` shows the calls and replies", why.text,
                   (unsigned long long)w->record.row.position);
}

/* --- showing ---------------------------------------------------------------------------------------------------- */

static void print(struct sg_why *w, bool json) {
    struct sg_buf out = SG_BUF_INIT(SIZE_MAX), clean = SG_BUF_INIT(SIZE_MAX);
    if (json) sg_why_json(w, &out);
    else sg_why_text(w, &out);
    sg_redact(&clean, sg_buf_view(&out));
    fwrite(clean.p, 1, clean.n, stdout);
    fflush(stdout);
    sg_buf_fini(&out);
    sg_buf_fini(&clean);
}

static void print_error(const struct sg_err *err) {
    struct sg_buf clean = SG_BUF_INIT(0);
    sg_redact(&clean, sg_str(err->text));
    fprintf(stderr, "sygra why: %.*s\n", (int)clean.n, clean.p);
    sg_buf_fini(&clean);
}

static int explain(struct sg_why *w, struct sg_run_options *ro, const struct sg_why_options *o, struct sg_err *err) {
    int rc = take_apart(w, o->word, err);
    if (rc == 0) rc = find_record(w, err);
    if (rc == 0) rc = load_task(w, ro, err);
    if (rc == 0) rc = run_again(w, err);
    if (rc == 0) rc = sg_why_mark(w, err);
    if (rc == 0) print(w, o->json);
    return rc;
}

int sg_run_why(const struct sg_why_options *o) {
    struct sg_run_options ro = {
        .exe = o->exe, .in_flight = 1, .max_hosts = 1, .no_journal = true, .resume = SG_RUN_FRESH};
    struct sg_why w = {.run = {.o = &ro}};
    struct sg_err err = {0};
    ro.config.exe_dir = o->exe_dir;
    sg_log_setup(SG_FAILURE, 2, false); /* what the run has warned of, it has */
    sg_arena_init(&w.arena, 0);
    int rc = explain(&w, &ro, o, &err);
    if (rc != 0) print_error(&err);
    sg_look_close(w.look);
    sg_task_fini(&w.run.task);
    sg_arena_fini(&w.arena);
    return rc == 0               ? SG_EXIT_OK
           : rc == SG_E_USAGE    ? SG_EXIT_USAGE
           : rc == SG_E_CANCELED ? SG_EXIT_INTERRUPTED
                                 : SG_EXIT_ERROR;
}
