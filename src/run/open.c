/* SPDX-License-Identifier: Apache-2.0 */
/* Opening all that a run needs, in an order in which a mistake leaves no trace: programs are compiled first, then the run
 * folder of an earlier life is loaded and compared, then source, output, models and engine.
 *
 * Steps that take time (compiling, loading a folder) run on the loop, which is run until they say that they are done. */
#include "run/rows.h"

#include <stdlib.h>
#include <time.h>

#define LINES_ABOVE 25000 /* more records than this are written as JSON Lines (spec-core 1.6) */

int sg_run_wait(struct run *r, struct sg_err *err) {
    r->step_status = SG_E_CANCELED;
    sg_loop_run(r->loop);
    if (r->interrupted) return sg_fail(err, SG_E_CANCELED, "interrupted before the first record");
    if (r->step_status != 0 && err) *err = r->step_err;
    return r->step_status;
}

/* --- names, and what went before -------------------------------------------------------------------------------- */

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

static bool wants_to_resume(const struct run *r) {
    return r->o->resume == SG_RUN_RESUME_OR_NEW || (r->o->resume == SG_RUN_BY_TASK && r->task.spec.data.resumable);
}

/* A run that never went on has no such row. */
static uint32_t lives_so_far(struct sg_rundb *db, struct sg_arena *a) {
    struct sg_str text = sg_rundb_get(db, a, SG_STR("lives"));
    struct sg_json v;
    int64_t n;
    bool is_number = text.n && sg_json_parse(a, text, &v, NULL, NULL) == 0 && sg_json_to_i64(&v, &n);
    return is_number && n > 0 && n < UINT32_MAX ? (uint32_t)n : 1;
}

/* Seed and first start come from the stored run, before anything that depends on them is opened. */
static int look_back(struct run *r, struct sg_str run_folder, struct sg_err *err) {
    struct sg_rundb *db;
    int rc = sg_rundb_view(run_folder.p, &r->task.arena, &r->was, &db, err);
    if (rc != 0) return rc;
    const struct sg_run_identity was = r->was;
    r->run_folder = run_folder;
    r->life = lives_so_far(db, &r->task.arena) + 1;
    sg_rundb_close(db);
    r->resuming = true;
    r->seed = was.seed;
    r->first = was.first;
    r->started_wall_ns = was.started_ms * 1000000;
    bool grows = r->o->has_count && (r->o->num_records == 0 || (was.count && r->o->num_records >= was.count));
    if (r->o->resume == SG_RUN_RESUME && r->o->has_count && !grows && r->o->num_records != was.count)
        return sg_fail(err, SG_E_USAGE, "this run was started with -n %llu; it may grow, not shrink",
                       (unsigned long long)was.count);
    r->count = grows ? r->o->num_records : was.count;
    sg_run_split(&r->task.arena, run_folder, &r->folder, &r->stem);
    return 0;
}

/* A run of this task to go on with, or a new one. */
static int find_run(struct run *r, struct sg_err *err) {
    struct sg_str run_folder = r->o->run_folder;
    name_output(r);
    if (r->o->resume != SG_RUN_RESUME) {
        if (!wants_to_resume(r) || r->o->no_journal) return 0;
        if (!sg_run_find_unfinished(&r->task.arena, r->folder, r->task.spec.folder, &run_folder)) return 0;
    }
    return look_back(r, run_folder, err);
}

/* --- data ------------------------------------------------------------------------------------------------------- */

static void on_resumed(void *ud, int status, const struct sg_output_resumed *resumed, const struct sg_err *err) {
    struct run *r = ud;
    r->step_status = status;
    if (status != 0) r->step_err = *err;
    r->resumed = resumed;
    sg_loop_stop(r->loop);
}

static void open_log(struct run *r) {
    if (r->o->no_journal) return;
    struct sg_str folder = sg_str_printf(&r->task.arena, "%.*s/%.*s.run", SG_ARG(r->folder), SG_ARG(r->stem));
    sg_log_life(r->life);
    sg_logfile_open(r->loop, folder, r->resuming, &r->log);
}

static int resume_output(struct run *r, const struct sg_output_options *oo, struct sg_err *err) {
    int rc = sg_run_settle(r, err);
    if (rc == 0) rc = sg_output_resume(r->loop, oo, on_resumed, r, &r->output, err);
    if (rc == 0) rc = sg_run_wait(r, err);
    if (rc != 0) return rc;
    open_log(r);
    sg_output_meta(r->output, SG_STR("lives"), sg_str_printf(&r->task.arena, "%u", r->life));
    if (r->resumed->lost) SG_LOG(resume_lost, SG_F_INT("records", r->resumed->lost));
    SG_LOG(run_resumed, SG_F_STR("run", r->stem), SG_F_INT("in_order", r->resumed->position - r->first),
           SG_F_INT("half_done", r->resumed->n_half_done), SG_F_INT("steps", r->resumed->n_steps),
           SG_F_INT("answers", r->resumed->n_answers), SG_F_INT("again", r->resumed->n_again));
    return 0;
}

static int open_output(struct run *r, struct sg_err *err) {
    sg_run_identify(r);
    struct sg_output_options oo = {.folder = r->folder,
                                   .stem = r->stem,
                                   .first = r->first,
                                   .lines_above = LINES_ABOVE,
                                   .identity = r->o->no_journal ? NULL : &r->identity};
    int rc = r->resuming ? resume_output(r, &oo, err) : sg_output_open(r->loop, &oo, &r->output, err);
    if (rc != 0) return rc;
    if (!r->resuming) open_log(r);
    sg_output_on_error(r->output, sg_run_on_output_error, r);
    return 0;
}

static void on_columns_loaded(void *ud, int status, const struct sg_err *err) {
    struct run *r = ud;
    r->step_status = status;
    if (status != 0) r->step_err = *err;
    sg_loop_stop(r->loop);
}

static int open_columns(struct run *r, struct sg_err *err) {
    const struct sg_plan *p = r->task.plan;
    if (p->n_columns == 0) return 0;
    struct sg_column_spec *specs = SG_NEW_N(&r->task.arena, struct sg_column_spec, p->n_columns);
    for (size_t i = 0; i < p->n_columns; i++)
        specs[i] = (struct sg_column_spec){p->columns[i].source, p->columns[i].name};
    int rc =
        sg_columns_load(r->loop, specs, p->n_columns, r->o->config.exe_dir, on_columns_loaded, r, &r->columns, err);
    return rc == 0 ? sg_run_wait(r, err) : rc;
}

int sg_run_open_rows(struct run *r, struct sg_source_options *so, struct sg_err *err) {
    so->spec = r->task.spec.data.source;
    so->id_column = r->task.spec.data.id_column;
    so->seed = r->seed;
    sg_rows_source(r, so);
    int rc = sg_source_open(r->loop, so, &r->source, err);
    sg_rows_opened(r);
    return rc;
}

static int open_source(struct run *r, struct sg_err *err) {
    const struct sg_plan *p = r->task.plan;
    bool id_named = sg_plan_key(p, SG_STR("id")) != SG_NONE;
    struct sg_source_options so = {.exe_dir = r->o->config.exe_dir,
                                   .want_ids = p->state_is_seen || id_named,
                                   .start = r->first,
                                   .count = r->count ? r->count : UINT64_MAX};
    if (r->resumed) so.from = r->resumed->from;
    else if (r->replaying) so.from = r->past_source;
    if (r->again) {
        so.count = r->again->position - r->first + 1;
        so.from = (struct sg_source_from){.finished = &r->again->passed, .n_finished = r->again->passed.to > r->again->passed.from};
    }
    return sg_run_open_rows(r, &so, err);
}

/* A new run opens its source first, so that a missing input, or a transform that fails, leaves no folder; one that goes on must
 * know where. */
static int open_data(struct run *r, struct sg_err *err) {
    bool listed = sg_rows_are_listed(r);
    int rc = 0;
    if (listed && (r->observer || !r->resuming)) rc = sg_rows_make(r, err);
    if (r->observer) return rc == 0 ? open_source(r, err) : rc; /* a preview leaves nothing behind */
    if (rc == 0 && !listed && !r->resuming) rc = open_source(r, err);
    if (rc == 0) rc = open_output(r, err);
    if (rc == 0 && listed) rc = sg_rows_keep(r, err);
    if (rc == 0 && !r->source) rc = open_source(r, err);
    if (rc == 0) sg_output_source(r->output, r->source);
    if (rc == 0) sg_run_tell_begin(r);
    return rc;
}

/* --- models and engine ------------------------------------------------------------------------------------------ */

static int open_models(struct run *r, struct sg_err *err) {
    const struct sg_plan *p = r->task.plan;
    struct sg_calls_options co = {.exe_dir = r->o->config.exe_dir,
                                  .deterministic = r->o->deterministic,
                                  .seed = r->seed,
                                  .offline = r->o->config.offline,
                                  .hash_requests = !r->o->no_journal};
    if (r->again) co.answer = r->again->answer, co.answer_ud = r->again->ud;
    r->models = SG_NEW_N(&r->task.arena, struct sg_calls_model *, p->n_models);
    int rc = sg_calls_open(r->loop, &co, &r->calls);
    for (size_t i = 0; rc == 0 && i < p->n_models; i++)
        rc = sg_calls_model(r->calls, p->models[i], &r->models[i], err);
    return rc;
}

static int open_exec(struct run *r) {
    struct sg_exec_options eo = {.loop = r->loop,
                                 .plan = r->task.plan,
                                 .models = r->models,
                                 .hooks = r->hooks,
                                 .hook_ids = r->hook_ids,
                                 .columns = r->columns,
                                 .source = r->source,
                                 .output = r->output,
                                 .observer = r->observer ? r->observer : sg_run_teller(r),
                                 .seed = r->seed,
                                 .first = r->first,
                                 .in_flight = r->o->in_flight,
                                 .keep_requests = r->o->keep == SG_KEEP_ALL,
                                 .on_end = sg_run_on_exec_end,
                                 .ud = r};
    if (r->again) eo.done_before = r->again->done_before, eo.done_ud = r->again->ud;
    if (r->resumed) eo.pasts = sg_output_pasts(r->output);
    else if (r->past_folder) eo.pasts = sg_past_folder_source(r->past_folder);
    else if (r->recording) eo.pasts = sg_recording_source(r->recording);
    return sg_exec_open(&eo, &r->exec);
}

int sg_run_open_all(struct run *r, struct sg_err *err) {
    int rc = find_run(r, err);
    if (rc == 0) rc = (r->o->open_loop ? r->o->open_loop : sg_loop_open_uv)(&r->loop, r->seed, err);
    if (rc != 0) return rc;
    sg_loop_on_signal(r->loop, sg_run_on_signal, r);
    rc = sg_run_open_replay(r, err);
    if (rc == 0) rc = sg_run_open_hooks(r, err);
    if (rc == 0) rc = open_columns(r, err);
    if (rc == 0) rc = open_data(r, err);
    if (rc == 0) rc = open_models(r, err);
    if (rc == 0) rc = open_exec(r);
    return rc;
}

void sg_run_close_all(struct run *r) {
    if (r->exec) sg_exec_close(r->exec);
    sg_run_close_replay(r);
    if (r->calls) sg_calls_close(r->calls);
    if (r->source) sg_source_close(r->source); /* its rows may be with a hook */
    if (r->hooks) sg_hooks_close(r->hooks);
    sg_rows_close(r);
    sg_columns_close(r->columns);
    if (r->log) sg_logfile_close(r->log); /* the output holds the folder's lock */
    if (r->output) sg_output_close(r->output);
    if (r->loop) sg_loop_close(r->loop);
}
