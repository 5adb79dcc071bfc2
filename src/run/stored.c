/* SPDX-License-Identifier: Apache-2.0 */
/* The task and the input of a run that has been, as its folder names them. */
#include "run/rows.h"

#include <limits.h>
#include <unistd.h>

int sg_run_load_stored(struct sg_arena *a, const struct sg_run_identity *id, struct sg_run_options *o, struct sg_task *t,
                       struct sg_err *err) {
    struct sg_str cwd;
    struct sg_run_options stored = {0};
    int rc = sg_run_stored_options(a, id->options, &stored, &cwd, err);
    if (rc != 0) return rc;
    o->config.task = stored.config.task;
    o->config.graph_config = stored.config.graph_config;
    o->config.models_file = stored.config.models_file;
    o->hosts = stored.hosts;
    if (cwd.n && chdir(cwd.p) != 0)
        return sg_fail(err, SG_E_MISSING, "the run was started in %.*s, which is not there any more", SG_ARG(cwd));
    rc = sg_task_load(t, &o->config, NULL, NULL);
    if (rc == 0) return 0;
    sg_task_report(t, false);
    return sg_fail(err, rc, "the run's task cannot be loaded any more");
}

/* --- a record's id ---------------------------------------------------------------------------------------------- */

#define ROWS 256

struct search {
    struct run run; /* so much of it that it has a source */
    struct sg_arena arena;
    struct sg_str id;
    bool found;
    uint64_t position;
    int status;
    struct sg_err err;
};

static bool is_it(struct search *s, struct sg_row *row) {
    const struct sg_json *id = row->status == 0 ? sg_json_get(&row->value, SG_STR("id")) : NULL;
    return id && sg_str_eq(id->type == SG_JSON_STRING ? sg_json_text(id) : sg_json_dump(&row->arena, id), s->id);
}

static void on_rows(void *ud, struct sg_row *rows, size_t n, bool ended, int status, const struct sg_err *err) {
    struct search *s = ud;
    for (size_t i = 0; i < n; i++) {
        if (!s->found && is_it(s, &rows[i])) s->found = true, s->position = rows[i].position;
        sg_arena_fini(&rows[i].arena);
    }
    s->status = status;
    if (status != 0) s->err = *err;
    if (s->found || ended || status != 0) sg_loop_stop(s->run.loop);
    else sg_source_pull(s->run.source, ROWS, on_rows, s);
}

/* An interrupt ends the program, as nothing is written. */
static int search_rows(struct search *s, struct sg_err *err) {
    struct run *r = &s->run;
    struct sg_source_options so = {.exe_dir = r->o->config.exe_dir,
                                   .want_ids = true,
                                   .start = r->first,
                                   .count = r->count ? r->count : UINT64_MAX};
    int rc = sg_rows_are_streamed(r) ? sg_run_open_hooks(r, err) : 0;
    if (rc == 0 && sg_rows_are_listed(r)) rc = sg_rows_make(r, err);
    if (rc == 0) rc = sg_run_open_rows(r, &so, err);
    if (rc != 0) return rc;
    sg_source_pull(r->source, ROWS, on_rows, s);
    sg_loop_run(r->loop);
    if (s->status == 0 || s->found) return 0;
    *err = s->err;
    return s->status;
}

static int search_source(struct search *s, struct sg_err *err) {
    int rc = sg_loop_open_uv(&s->run.loop, s->run.seed, err);
    if (rc == 0) rc = search_rows(s, err);
    sg_run_close_all(&s->run);
    return rc;
}

static int find_id(struct search *s, const struct sg_run_identity *id, struct sg_run_options *o, struct sg_err *err) {
    struct run *r = &s->run;
    int rc = sg_run_load_stored(&s->arena, id, o, &r->task, err);
    bool endless = rc == 0 && !r->task.spec.data.source && !id->count;
    if (rc == 0 && !endless) rc = search_source(s, err);
    sg_task_fini(&r->task);
    if (rc == 0 && !s->found) rc = sg_fail(err, SG_E_MISSING, "no record of this run has the id %.*s", SG_ARG(s->id));
    return rc;
}

/* The task's paths count from where the run was started. */
int sg_run_position_of(struct sg_str run_folder, const struct sg_run_identity *id, struct sg_str record_id,
                       const struct sg_run_programs *programs, uint64_t *position, struct sg_err *err) {
    static const struct sg_exec_observer nobody = {0};
    char cwd[PATH_MAX];
    struct sg_run_options o = {.exe = programs->exe, .config.exe_dir = programs->exe_dir, .max_hosts = 1, .no_journal = true};
    struct search s = {.id = record_id};
    sg_arena_init(&s.arena, 0);
    s.run = (struct run){.o = &o, .observer = &nobody, .seed = id->seed, .first = id->first, .count = id->count};
    s.run.started_wall_ns = id->started_ms * 1000000;
    s.run.run_folder = sg_run_absolute(&s.arena, run_folder); /* the working directory is about to change */
    bool can_go_back = getcwd(cwd, sizeof cwd) != NULL;
    int rc = find_id(&s, id, &o, err);
    if (can_go_back && chdir(cwd) != 0 && rc == 0) rc = sg_fail(err, SG_E_MISSING, "%s: is not there any more", cwd);
    *position = s.position;
    sg_arena_fini(&s.arena);
    return rc;
}
