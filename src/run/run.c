/* SPDX-License-Identifier: Apache-2.0 */
/* One run, from the task to the summary. All is wired here: who calls whom is exec's business.
 *
 *   load and check -> open loop, hooks, models, source, output -> load hooks -> exec ... ends -> output finishes -> summary
 *
 * A signal, a full disk or a broken source stop the admission; records under way get GRACE to end, then are dropped. */
#include "run/run.h"
#include "exec/exec.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

#define LINES_ABOVE 25000 /* more records than this are written as JSON Lines (spec-core 1.6) */
#define GRACE_MS 10000
#define PROGRESS_MS 5000

struct run {
    const struct sg_run_options *o;
    struct sg_task task;
    struct sg_loop *loop;
    struct sg_hooks *hooks;
    struct sg_calls *calls;
    struct sg_source *source;
    struct sg_output *output;
    struct sg_exec *exec;
    struct sg_calls_model **models;
    int *hook_ids;
    struct sg_str folder, stem;
    uint64_t seed;
    int64_t started_wall_ns;
    uint64_t started_ns;
    int hooks_status;
    struct sg_timer progress, grace;
    uint64_t shown_calls, shown_tokens, shown_ns; /* at the last line of progress */
    bool interrupted, aborted, over;
    struct sg_err why; /* of an abort */
    struct sg_output_result result;
    int finish_status;
};

/* --- naming ---------------------------------------------------------------------------------------------------------------------- */

static void name_output(struct run *r) {
    struct sg_arena *a = &r->task.arena;
    const struct sg_run_options *o = r->o;
    char stamp[40] = "";
    if (o->with_timestamp) {
        time_t now = (time_t)(r->started_wall_ns / 1000000000);
        struct tm tm;
        localtime_r(&now, &tm);
        strftime(stamp, sizeof stamp, "_%Y-%m-%d_%H-%M-%S", &tm);
    }
    r->folder = o->output_dir.n ? o->output_dir : r->task.spec.folder;
    r->stem = sg_str_printf(a, "%.*s%soutput%s", SG_ARG(o->run_name), o->run_name.n ? "_" : "", stamp);
}

/* --- stopping -------------------------------------------------------------------------------------------------------------------- */

static void on_grace_over(struct sg_timer *t) {
    struct run *r = t->ud;
    sg_exec_stop(r->exec, true);
}

static void stop(struct run *r, const char *why) {
    SG_LOG(run_stopping, SG_F_STR("reason", sg_str(why)), SG_F_INT("grace_s", GRACE_MS / 1000));
    sg_exec_stop(r->exec, false);
    if (!sg_timer_armed(&r->grace)) sg_timer_start(r->loop, &r->grace, SG_MS(GRACE_MS));
}

static void abort_run(struct run *r, const struct sg_err *why) {
    if (r->aborted) return;
    r->aborted = true;
    r->why = *why;
    SG_LOG(run_aborted, SG_F_STR("error", sg_str(why->text)));
    if (r->exec) sg_exec_stop(r->exec, true);
}

static void on_signal(void *ud, int signal) {
    struct run *r = ud;
    (void)signal;
    if (!r->exec) {
        r->interrupted = true;
        sg_loop_stop(r->loop);
        return;
    }
    if (r->interrupted) sg_exec_stop(r->exec, true); /* the second one does not wait */
    else stop(r, "interrupted; once more to end at once");
    r->interrupted = true;
}

/* --- progress ----------------------------------------------------------------------------------------------------------------------- */

/* To one decimal: more would only tire the reader. */
static double per_second(uint64_t count, uint64_t ns) {
    return ns ? round((double)count * 1e10 / (double)ns) / 10 : 0;
}

static void show_progress(struct run *r) {
    struct sg_exec_figures e;
    struct sg_calls_figures c;
    sg_exec_figures(r->exec, &e);
    sg_calls_figures(r->calls, &c);
    uint64_t now = sg_loop_now_ns(r->loop), span = now - r->shown_ns, tokens = c.prompt_tokens + c.completion_tokens;
    SG_LOG(run_progress, SG_F_INT("ok", e.ended[SG_RECORD_OK]), SG_F_INT("failed", e.ended[SG_RECORD_FAILED]),
           SG_F_INT("in_flight", e.in_flight), SG_F_INT("calls", c.ok),
           SG_F_REAL("calls_per_s", per_second(c.ok - r->shown_calls, span)),
           SG_F_REAL("tokens_per_s", per_second(tokens - r->shown_tokens, span)), SG_F_INT("retries", c.retries),
           SG_F_INT("elapsed_s", (now - r->started_ns) / 1000000000));
    r->shown_calls = c.ok;
    r->shown_tokens = tokens;
    r->shown_ns = now;
}

static void on_progress(struct sg_timer *t) {
    struct run *r = t->ud;
    show_progress(r);
    sg_timer_start(r->loop, t, SG_MS(PROGRESS_MS));
}

/* --- the run's course ----------------------------------------------------------------------------------------------------------------- */

static void on_output_done(void *ud, int status, const struct sg_output_result *res, const struct sg_err *err) {
    struct run *r = ud;
    r->finish_status = status;
    r->result = *res;
    if (status != 0 && err) abort_run(r, err);
    r->over = true;
    sg_loop_stop(r->loop);
}

static void on_output_error(void *ud, const struct sg_err *err) {
    abort_run(ud, err);
}

static void on_exec_end(void *ud, int status, const struct sg_err *err) {
    struct run *r = ud;
    sg_timer_stop(r->loop, &r->progress);
    sg_timer_stop(r->loop, &r->grace);
    if (status != 0) abort_run(r, err);
    sg_output_finish(r->output, !r->aborted && !r->interrupted, on_output_done, r);
}

static void on_hooks_loaded(void *ud, int status) {
    struct run *r = ud;
    r->hooks_status = status;
    sg_loop_stop(r->loop);
}

/* What a hook prints, with the record and node it was called for where that is known. */
static void on_hook_print(void *ud, struct sg_hook_call *c, struct sg_str text) {
    (void)ud;
    struct sg_exec_place at = {0};
    if (c) at = sg_exec_place_of(c);
    if (at.node.n)
        SG_LOG(hook_print, SG_F_STR("text", text), SG_F_INT("record", at.position), SG_F_STR("node", at.node));
    else
        SG_LOG(hook_print, SG_F_STR("text", text));
}

/* --- opening ---------------------------------------------------------------------------------------------------------------------------- */

static int open_hooks(struct run *r, struct sg_err *err) {
    const struct sg_plan *p = r->task.plan;
    r->hook_ids = SG_NEW_N(&r->task.arena, int, p->n_hooks);
    struct sg_hooks_options ho = {
        .exe = r->o->exe, .now = (double)r->started_wall_ns / 1e9, .on_print = on_hook_print, .ud = r};
    int rc = sg_hooks_open(r->loop, &ho, &r->hooks, err);
    for (size_t i = 0; rc == 0 && i < p->n_hooks; i++)
        r->hook_ids[i] = sg_hooks_add(r->hooks, p->hooks[i].spec,
                                      p->hooks[i].with_state ? SG_HOOK_INPUT_AND_STATE : SG_HOOK_INPUT);
    return rc;
}

static int open_models(struct run *r, struct sg_err *err) {
    const struct sg_plan *p = r->task.plan;
    struct sg_calls_options co = {
        .exe_dir = r->o->config.exe_dir, .deterministic = r->o->deterministic, .seed = r->seed};
    r->models = SG_NEW_N(&r->task.arena, struct sg_calls_model *, p->n_models);
    int rc = sg_calls_open(r->loop, &co, &r->calls);
    for (size_t i = 0; rc == 0 && i < p->n_models; i++)
        rc = sg_calls_model(r->calls, p->models[i], &r->models[i], err);
    return rc;
}

static int open_data(struct run *r, struct sg_err *err) {
    const struct sg_data_spec *d = &r->task.spec.data;
    const struct sg_plan *p = r->task.plan;
    bool id_named = sg_plan_key(p, SG_STR("id")) != SG_NONE;
    struct sg_source_options so = {.spec = d->source,
                                   .id_column = d->id_column,
                                   .want_ids = p->state_is_seen || id_named,
                                   .seed = r->seed,
                                   .start = r->o->start_index,
                                   .count = r->o->num_records ? r->o->num_records : UINT64_MAX};
    int rc = sg_source_open(r->loop, &so, &r->source, err);
    if (rc != 0) return rc;
    struct sg_output_options oo = {
        .folder = r->folder, .stem = r->stem, .first = r->o->start_index, .lines_above = LINES_ABOVE};
    rc = sg_output_open(r->loop, &oo, &r->output, err);
    if (rc == 0) sg_output_on_error(r->output, on_output_error, r);
    return rc;
}

static int open_exec(struct run *r) {
    struct sg_exec_options eo = {.loop = r->loop,
                                 .plan = r->task.plan,
                                 .models = r->models,
                                 .hooks = r->hooks,
                                 .hook_ids = r->hook_ids,
                                 .source = r->source,
                                 .output = r->output,
                                 .seed = r->seed,
                                 .first = r->o->start_index,
                                 .in_flight = r->o->in_flight,
                                 .on_end = on_exec_end,
                                 .ud = r};
    return sg_exec_open(&eo, &r->exec);
}

/* Programs are compiled before anything is opened or made: a mistake in one leaves no trace. */
static int load_hooks(struct run *r, struct sg_err *err) {
    int rc = open_hooks(r, err);
    if (rc != 0) return rc;
    sg_hooks_load(r->hooks, &r->task.diags, on_hooks_loaded, r);
    sg_loop_run(r->loop);
    if (r->interrupted) return sg_fail(err, SG_E_CANCELED, "interrupted before the first record");
    if (r->hooks_status == 0) return 0;
    sg_task_report(&r->task, false);
    return sg_fail(err, r->hooks_status, "the task's programs cannot be loaded");
}

static int open_all(struct run *r, struct sg_err *err) {
    int rc = sg_loop_open_uv(&r->loop, r->seed, err);
    if (rc != 0) return rc;
    sg_loop_on_signal(r->loop, on_signal, r);
    rc = load_hooks(r, err);
    if (rc == 0) rc = open_data(r, err);
    if (rc == 0) rc = open_models(r, err);
    if (rc == 0) rc = open_exec(r);
    return rc;
}

static void close_all(struct run *r) {
    if (r->exec) sg_exec_close(r->exec);
    if (r->calls) sg_calls_close(r->calls);
    if (r->hooks) sg_hooks_close(r->hooks);
    if (r->source) sg_source_close(r->source);
    if (r->output) sg_output_close(r->output);
    if (r->loop) sg_loop_close(r->loop);
}

/* --- the summary -------------------------------------------------------------------------------------------------------------------------- */

static void print_causes(const struct sg_exec_figures *e, struct sg_buf *b) {
    for (size_t i = 0; i < e->n_causes; i++) {
        const struct sg_exec_cause *c = &e->causes[i];
        sg_buf_printf(b, "  %llu x %.*s%s%s: %s\n", (unsigned long long)c->count, SG_ARG(c->node),
                      c->node.n ? " " : "", sg_error_name(c->code), c->text);
    }
}

static void print_more(struct run *r, uint64_t done, struct sg_buf *b) {
    bool known;
    uint64_t total;
    if (r->aborted || r->interrupted || !sg_source_has_more(r->source, &known, &total)) return;
    sg_buf_printf(b, "%llu records, the source has more", (unsigned long long)done);
    if (known) sg_buf_printf(b, " (%llu in all)", (unsigned long long)total);
    SG_BUF_LIT(b, "; -n 0 runs all\n");
}

static void print_paths(struct run *r, struct sg_buf *b) {
    static const char *const what[] = {"output", "failed", "invalid", "dropped"};
    if (r->result.path.n) sg_buf_printf(b, "output   %.*s\n", SG_ARG(r->result.path));
    for (int i = SG_RECORD_FAILED; i <= SG_RECORD_DROPPED; i++)
        if (r->result.others[i].n) sg_buf_printf(b, "%-8s %.*s\n", what[i], SG_ARG(r->result.others[i]));
}

static void print_summary(struct run *r, const struct sg_exec_figures *e, const struct sg_calls_figures *c,
                          double wall, struct sg_buf *b) {
    uint64_t done = 0;
    for (int i = 0; i < 4; i++) done += e->ended[i];
    sg_buf_printf(b, "%s: %llu records in %.1f s: %llu ok, %llu failed, %llu invalid, %llu dropped\n",
                  r->aborted       ? "aborted"
                  : r->interrupted ? "interrupted"
                                   : "finished",
                  (unsigned long long)done, wall, (unsigned long long)e->ended[SG_RECORD_OK],
                  (unsigned long long)e->ended[SG_RECORD_FAILED], (unsigned long long)e->ended[SG_RECORD_INVALID],
                  (unsigned long long)e->ended[SG_RECORD_DROPPED]);
    if (c->calls)
        sg_buf_printf(b,
                      "calls    %llu ok, %llu failed, %llu tried again; %.1f calls/s, mean latency %.3f s\n"
                      "tokens   %llu in, %llu out\n",
                      (unsigned long long)c->ok, (unsigned long long)c->failed, (unsigned long long)c->retries,
                      wall > 0 ? (double)c->ok / wall : 0, c->ok ? (double)c->latency_ns / 1e9 / (double)c->ok : 0,
                      (unsigned long long)c->prompt_tokens, (unsigned long long)c->completion_tokens);
    sg_buf_printf(b, "seed     %llu\n", (unsigned long long)r->seed);
    if (r->aborted) sg_buf_printf(b, "error    %s\n", r->why.text);
    print_causes(e, b);
    print_paths(r, b);
    print_more(r, done, b);
}

static void json_summary(struct run *r, const struct sg_exec_figures *e, const struct sg_calls_figures *c,
                         double wall, struct sg_buf *b) {
    sg_buf_printf(
        b, "{\"event\":\"summary\",\"state\":\"%s\",\"ok\":%llu,\"failed\":%llu,\"invalid\":%llu,\"dropped\":%llu,",
        r->aborted       ? "aborted"
        : r->interrupted ? "interrupted"
                         : "finished",
        (unsigned long long)e->ended[SG_RECORD_OK], (unsigned long long)e->ended[SG_RECORD_FAILED],
        (unsigned long long)e->ended[SG_RECORD_INVALID], (unsigned long long)e->ended[SG_RECORD_DROPPED]);
    sg_buf_printf(b,
                  "\"wall_s\":%.6f,\"calls\":%llu,\"calls_failed\":%llu,\"retries\":%llu,\"prompt_tokens\":%llu,"
                  "\"completion_tokens\":%llu,\"peak_calls_in_flight\":%u,\"peak_records_in_flight\":%u,\"steps\":%"
                  "llu,\"seed\":%llu",
                  wall, (unsigned long long)c->ok, (unsigned long long)c->failed, (unsigned long long)c->retries,
                  (unsigned long long)c->prompt_tokens, (unsigned long long)c->completion_tokens, c->peak_in_flight,
                  e->peak_in_flight, (unsigned long long)e->steps, (unsigned long long)r->seed);
    static const char *const keys[] = {"output", "failed_file", "invalid_file", "dropped_file"};
    for (int i = 0; i < 4; i++) {
        struct sg_str path = i ? r->result.others[i] : r->result.path;
        if (!path.n) continue;
        sg_buf_printf(b, ",\"%s\":", keys[i]);
        sg_json_write_string(b, path);
    }
    if (r->aborted) {
        SG_BUF_LIT(b, ",\"error\":");
        sg_json_write_string(b, sg_str(r->why.text));
    }
    SG_BUF_LIT(b, "}\n");
}

static void summarize(struct run *r, const struct sg_exec_figures *e) {
    struct sg_calls_figures c;
    sg_calls_figures(r->calls, &c);
    double wall = (double)(sg_loop_now_ns(r->loop) - r->started_ns) / 1e9;
    struct sg_buf b = SG_BUF_INIT(0), clean = SG_BUF_INIT(0);
    if (r->o->json) json_summary(r, e, &c, wall, &b);
    else print_summary(r, e, &c, wall, &b);
    sg_redact(&clean, sg_buf_view(&b));
    fwrite(clean.p, 1, clean.n, stdout);
    fflush(stdout);
    sg_buf_fini(&b);
    sg_buf_fini(&clean);
}

/* --- public -------------------------------------------------------------------------------------------------------------------------------- */

static int exit_status(const struct run *r, const struct sg_exec_figures *e) {
    if (r->aborted) return SG_EXIT_ERROR;
    if (r->interrupted) return SG_EXIT_INTERRUPTED;
    return e->ended[SG_RECORD_FAILED] || e->ended[SG_RECORD_INVALID] ? SG_EXIT_FAILED : SG_EXIT_OK;
}

static bool check_options(struct run *r) {
    struct sg_diags *d = &r->task.diags;
    struct sg_mark none = {0};
    sg_check_limits(d, r->o->in_flight, r->task.plan);
    if (r->task.plan && !r->task.spec.data.source && r->o->num_records == 0)
        sg_error_at(d, none, SG_STR_NONE, "say how many records to make: -n 100",
                    "a task without a source cannot run with -n 0");
    return d->errors == 0;
}

static void start(struct run *r) {
    r->started_ns = r->shown_ns = sg_loop_now_ns(r->loop);
    r->progress = (struct sg_timer){.on_fire = on_progress, .ud = r};
    r->grace = (struct sg_timer){.on_fire = on_grace_over, .ud = r};
    sg_timer_start(r->loop, &r->progress, SG_MS(PROGRESS_MS));
    sg_exec_start(r->exec);
}

static int run_loaded(struct run *r) {
    struct sg_err err = {0};
    struct sg_exec_figures e = {0};
    name_output(r);
    int rc = open_all(r, &err);
    if (rc != 0) {
        struct sg_buf clean = SG_BUF_INIT(0);
        sg_redact(&clean, sg_str(err.text));
        fprintf(stderr, "error: %.*s\n", (int)clean.n, clean.p);
        sg_buf_fini(&clean);
        close_all(r);
        return SG_EXIT_ERROR;
    }
    SG_LOG(run_started, SG_F_STR("task", r->task.spec.name), SG_F_INT("in_flight", r->o->in_flight),
           SG_F_INT("seed", r->seed));
    start(r);
    sg_loop_run(r->loop);
    sg_exec_figures(r->exec, &e);
    summarize(r, &e);
    int status = exit_status(r, &e);
    close_all(r);
    return status;
}

int sg_run(const struct sg_run_options *o) {
    struct run r = {.o = o, .started_wall_ns = sg_os->wall_ns()};
    r.seed = o->has_seed ? o->seed : sg_os->entropy() >> 11; /* 53 bits: exact in any JSON reader */
    sg_log_setup(o->debug ? SG_DEBUG : SG_INFO, 2, o->json);
    int rc = sg_task_load(&r.task, &o->config, NULL);
    bool fine = check_options(&r) && rc == 0;
    if (r.task.diags.n) sg_task_report(&r.task, false);
    int status = fine ? run_loaded(&r) : SG_EXIT_ERROR;
    sg_task_fini(&r.task);
    return status;
}
