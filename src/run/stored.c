/* SPDX-License-Identifier: Apache-2.0 */
/* The task and the input of a run that has been, as its folder names them. */
#include "run/parts.h"

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
    struct sg_loop *loop;
    struct sg_source *source;
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
    if (s->found || ended || status != 0) sg_loop_stop(s->loop);
    else sg_source_pull(s->source, ROWS, on_rows, s);
}

static int search_source(struct search *s, const struct sg_task *t, const struct sg_run_identity *id,
                         const char *exe_dir, struct sg_err *err) {
    struct sg_source_options so = {.spec = t->spec.data.source,
                                   .exe_dir = exe_dir,
                                   .id_column = t->spec.data.id_column,
                                   .want_ids = true,
                                   .seed = id->seed,
                                   .start = id->first,
                                   .count = id->count ? id->count : UINT64_MAX};
    int rc = sg_loop_open_uv(&s->loop, id->seed, err);
    if (rc != 0) return rc;
    rc = sg_source_open(s->loop, &so, &s->source, err);
    if (rc == 0) {
        sg_source_pull(s->source, ROWS, on_rows, s);
        sg_loop_run(s->loop);
        sg_source_close(s->source);
        if (s->status != 0 && !s->found) rc = s->status, *err = s->err;
    }
    sg_loop_close(s->loop);
    return rc;
}

static int find_id(struct sg_arena *a, const struct sg_run_identity *id, struct search *s, const char *exe_dir,
                   struct sg_err *err) {
    struct sg_run_options o = {.config.exe_dir = exe_dir};
    struct sg_task t = {0};
    int rc = sg_run_load_stored(a, id, &o, &t, err);
    bool endless = rc == 0 && !t.spec.data.source && !id->count;
    if (rc == 0 && !endless) rc = search_source(s, &t, id, exe_dir, err);
    sg_task_fini(&t);
    if (rc == 0 && !s->found) rc = sg_fail(err, SG_E_MISSING, "no record of this run has the id %.*s", SG_ARG(s->id));
    return rc;
}

/* The task's paths count from where the run was started. */
int sg_run_position_of(const struct sg_run_identity *id, struct sg_str record_id, const char *exe_dir,
                       uint64_t *position, struct sg_err *err) {
    char cwd[PATH_MAX];
    struct sg_arena a;
    struct search s = {.id = record_id};
    sg_arena_init(&a, 0);
    bool can_go_back = getcwd(cwd, sizeof cwd) != NULL;
    int rc = find_id(&a, id, &s, exe_dir, err);
    if (can_go_back && chdir(cwd) != 0 && rc == 0) rc = sg_fail(err, SG_E_MISSING, "%s: is not there any more", cwd);
    *position = s.position;
    sg_arena_fini(&a);
    return rc;
}
