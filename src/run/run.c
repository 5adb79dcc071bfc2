/* SPDX-License-Identifier: Apache-2.0 */
/* One run, from the task to the summary. All is wired here: who calls whom is exec's business.
 *
 *   load and check -> open all (open.c) -> exec ... ends -> output finishes -> summary (summary.c)
 *
 * A signal, a full disk or a broken source stop the admission; records under way get GRACE to end, then are dropped. */
#include "run/post.h"

#include <limits.h>
#include <stdio.h>

#define GRACE_MS 10000

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

void sg_run_on_signal(void *ud, int signal) {
    struct run *r = ud;
    (void)signal;
    if (r->ending && !r->post_processing) return; /* there is nothing left to interrupt */
    if (!r->exec || r->post_processing) {
        r->interrupted = true;
        sg_loop_stop(r->loop);
        return;
    }
    if (r->interrupted) sg_exec_stop(r->exec, true); /* the second one does not wait */
    else stop(r, "interrupted; once more to end at once");
    r->interrupted = true;
}

/* Its closures cannot be called any more: records under way are dropped, so that none fails for that. */
void sg_run_on_detached(void *ud) {
    struct run *r = ud;
    if (r->ending || r->interrupted) return;
    SG_LOG(run_stopping, SG_F_STR("reason", SG_STR("the process that started the run has gone")), SG_F_INT("grace_s", 0));
    r->interrupted = true;
    if (r->exec) sg_exec_stop(r->exec, true);
    else sg_loop_stop(r->loop);
}

/* --- the run's course ----------------------------------------------------------------------------------------------------------------- */

static void on_output_done(void *ud, int status, const struct sg_output_result *res, const struct sg_err *err) {
    struct run *r = ud;
    r->result = *res;
    r->ended_ns = sg_loop_now_ns(r->loop);
    if (status != 0 && err) abort_run(r, err);
    sg_loop_stop(r->loop);
}

void sg_run_on_output_error(void *ud, const struct sg_err *err) {
    abort_run(ud, err);
}

void sg_run_on_exec_end(void *ud, int status, const struct sg_err *err) {
    struct run *r = ud;
    r->ending = true;
    if (!r->output) { /* a preview */
        if (status != 0) r->aborted = true, r->why = *err;
        sg_loop_stop(r->loop);
        return;
    }
    sg_timer_stop(r->loop, &r->grace);
    sg_run_tell_hosts_end(r);
    if (status != 0) abort_run(r, err);
    sg_run_tell_end(r);
    sg_output_finish(r->output, !r->aborted && !r->interrupted, on_output_done, r);
}

/* --- public ----------------------------------------------------------------------------------------------------- */

static int exit_status(const struct run *r, const struct sg_exec_figures *e) {
    if (r->aborted || (r->post_failed && !r->interrupted)) return SG_EXIT_ERROR;
    if (r->interrupted) return SG_EXIT_INTERRUPTED;
    uint64_t bad = e->ended[SG_RECORD_FAILED] + e->ended[SG_RECORD_INVALID];
    if (r->resumed) bad += r->resumed->totals.outcomes[SG_RECORD_FAILED] + r->resumed->totals.outcomes[SG_RECORD_INVALID];
    return bad ? SG_EXIT_FAILED : SG_EXIT_OK;
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
    r->started_ns = sg_loop_now_ns(r->loop);
    r->grace = (struct sg_timer){.on_fire = on_grace_over, .ud = r};
    sg_run_watch(r);
    sg_run_tell_hosts(r);
    sg_exec_start(r->exec);
}

static void print_error(const struct sg_err *err) {
    struct sg_buf clean = SG_BUF_INIT(0), fit = SG_BUF_INIT(0);
    sg_redact(&clean, sg_str(err->text));
    sg_screen_text(&fit, sg_buf_view(&clean), SIZE_MAX, true);
    fprintf(stderr, "error: %.*s\n", (int)fit.n, fit.p);
    sg_buf_fini(&clean);
    sg_buf_fini(&fit);
}

/* So that a run does not end without the place for its recording. */
static bool make_record_folder(const struct sg_run_options *o) {
    char folder[PATH_MAX];
    const char *slash = o->record.n ? strrchr(o->record.p, '/') : NULL;
    if (!slash || slash == o->record.p || (size_t)(slash - o->record.p) >= sizeof folder) return true;
    memcpy(folder, o->record.p, (size_t)(slash - o->record.p));
    folder[slash - o->record.p] = '\0';
    int rc = sg_os_mkdirs(folder);
    struct sg_err err;
    if (rc < 0) sg_fail_sys(&err, SG_E_IO, -rc, "%s: the folder of the recording cannot be made", folder), print_error(&err);
    return rc >= 0;
}

/* Once the run folder is closed. */
static int save_recording(struct run *r, int status) {
    struct sg_err err;
    struct sg_str folder = sg_str_printf(&r->task.arena, "%.*s/%.*s.run", SG_ARG(r->folder), SG_ARG(r->stem));
    uint64_t n;
    if (!r->o->record.n || r->aborted || r->interrupted) return status;
    if (sg_recording_save(folder.p, r->o->record.p, &n, &err) < 0) {
        print_error(&err);
        return SG_EXIT_ERROR;
    }
    if (!r->o->json) printf("recorded %llu calls in %s\n", (unsigned long long)n, r->o->record.p);
    return status;
}

static int run_loaded(struct run *r) {
    struct sg_err err = {0};
    struct sg_exec_figures e = {0};
    if (!make_record_folder(r->o)) return SG_EXIT_ERROR;
    int rc = sg_run_open_all(r, &err);
    if (rc != 0) {
        print_error(&err);
        sg_run_close_all(r);
        return r->interrupted ? SG_EXIT_INTERRUPTED : SG_EXIT_ERROR;
    }
    SG_LOG(run_started, SG_F_STR("task", r->task.spec.name), SG_F_INT("in_flight", r->o->in_flight),
           SG_F_INT("seed", r->seed), SG_F_STR("version", SG_STR(SYGRA_VERSION)));
    start(r);
    sg_loop_run(r->loop);
    sg_run_watch_end(r);
    sg_exec_figures(r->exec, &e);
    sg_run_write_metadata(r);
    sg_run_post(r);
    sg_run_summary(r);
    int status = exit_status(r, &e);
    sg_run_close_all(r);
    return save_recording(r, status);
}

static int hand_over(struct run *r) {
    struct sg_err err;
    sg_run_hand_over(r, &err);
    print_error(&err);
    sg_task_fini(&r->task);
    return SG_EXIT_ERROR;
}

int sg_run(const struct sg_run_options *o) {
    struct run r = {.o = o, .started_wall_ns = sg_os->wall_ns(), .first = o->start_index, .count = o->num_records, .life = 1};
    r.seed = o->has_seed ? o->seed : sg_os->entropy() >> 11; /* 53 bits: exact in any JSON reader */
    sg_log_setup(o->debug ? SG_DEBUG : SG_INFO, o->json ? 1 : 2, o->json);
    int rc = sg_task_load(&r.task, &o->config, NULL, NULL);
    if (rc == 0 && sg_run_has_executor(&r)) return hand_over(&r);
    bool fine = check_options(&r) && rc == 0;
    if (r.task.diags.n) sg_task_report(&r.task, false);
    int status = fine ? run_loaded(&r) : SG_EXIT_ERROR;
    sg_task_fini(&r.task);
    return status;
}
