/* SPDX-License-Identifier: Apache-2.0 */
/* The metadata file of a run that has ended in order (docs/metadata.md): <folder of the output>/metadata/metadata_<task>_<time>.json.
 * The time is the one in the output's name, or, where that has none, the moment of writing, as in the reference.
 *
 * It is written when the loop has ended, so what it asks of the disk and of git holds nothing up. That it cannot be written
 * is a warning: the output stands. */
#include "run/git.h"
#include "run/parts.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static bool is_off(const struct run *r) {
    const char *v = getenv("SYGRA_DISABLE_METADATA");
    bool by_environment = v && (strcmp(v, "1") == 0 || strcmp(v, "true") == 0 || strcmp(v, "yes") == 0);
    return r->o->no_metadata || by_environment || r->observer || r->o->open_loop;
}

static struct sg_str last_part(struct sg_str path) {
    while (path.n > 1 && path.p[path.n - 1] == '/') path.n--;
    size_t from = path.n;
    while (from > 0 && path.p[from - 1] != '/') from--;
    return (struct sg_str){path.p + from, path.n - from};
}

/* As the reference has it: tasks.examples.x for a task below tasks/, however it was asked for. Of another path the last part. */
static struct sg_str task_name(struct run *r) {
    struct sg_str folder = r->task.spec.folder, name = r->task.spec.name;
    bool below_tasks = sg_str_starts(folder, SG_STR("tasks/")), is_path = sg_str_find(name, '/', 0) < name.n;
    if (!below_tasks) return is_path ? last_part(name) : name;
    char *dotted = memcpy(sg_alloc(&r->task.arena, folder.n), folder.p, folder.n);
    while (folder.n > 1 && dotted[folder.n - 1] == '/') folder.n--;
    for (size_t i = 0; i < folder.n; i++)
        if (dotted[i] == '/') dotted[i] = '.';
    return (struct sg_str){dotted, folder.n};
}

static struct sg_str file_name(struct run *r) {
    struct sg_arena *a = &r->task.arena;
    time_t at = (time_t)((r->o->with_timestamp ? r->started_wall_ns : sg_os->wall_ns()) / 1000000000);
    struct sg_str name = task_name(r);
    struct tm tm;
    char stamp[40], *task = memcpy(sg_alloc(a, name.n), name.p, name.n);
    for (size_t i = 0; i < name.n; i++)
        if (task[i] == '/' || task[i] == '.') task[i] = '_';
    localtime_r(&at, &tm);
    strftime(stamp, sizeof stamp, "%Y-%m-%d_%H-%M-%S", &tm);
    return sg_str_printf(a, "metadata_%.*s_%s.json", (int)name.n, task, stamp);
}

static void fill_report(struct run *r, const struct sg_figures *f, struct sg_report *out) {
    struct sg_output_figures o;
    sg_output_figures(r->output, &o);
    *out = (struct sg_report){.state = r->aborted || r->interrupted ? "dead" : "finished", .id = r->identity};
    sg_arena_init(&out->arena, 0);
    out->tallies = sg_output_tallies(r->output);
    out->lives = r->life;
    out->ended_ms = sg_os->wall_ns() / 1000000;
    out->has_lag = !r->o->no_journal;
    out->lag_p50_ms = (double)o.lag_p50_us / 1e3;
    out->lag_p99_ms = (double)o.lag_p99_us / 1e3;
    out->lag_max_ms = (double)o.lag_max_us / 1e3;
    memcpy(out->progress.totals.outcomes, f->outcomes, sizeof f->outcomes);
    out->progress.read_bytes = o.read_bytes;
    out->progress.read_crc = o.read_crc;
    sg_report_take_models(out, r->models_json);
}

/* As its hosts have said. */
static struct sg_str python_version(const struct run *r) {
    for (size_t i = 0; i < r->task.plan->n_hooks; i++) {
        const struct sg_json *d = r->hook_ids[i] < 0 ? NULL : sg_hooks_description(r->hooks, r->hook_ids[i]);
        const struct sg_json *version = d ? sg_json_get(d, SG_STR("python")) : NULL;
        if (version && version->type == SG_JSON_STRING) return sg_json_text(version);
    }
    return SG_STR_NONE;
}

static void fill_setting(struct run *r, const struct sg_figures *f, struct sg_report_setting *s) {
    struct sg_git git;
    sg_git_look(&r->task.arena, r->task.spec.folder, &git);
    *s = (struct sg_report_setting){.task = task_name(r),
                                    .python_version = python_version(r),
                                    .run_name = r->o->run_name,
                                    .output_dir = r->o->output_dir,
                                    .batch_size = r->o->in_flight,
                                    .resumable = !r->o->no_journal,
                                    .debug = r->o->debug,
                                    .has_git = git.found,
                                    .is_dirty = git.is_dirty,
                                    .knows_dirty = git.knows_dirty,
                                    .commit = git.commit,
                                    .branch = git.branch,
                                    .remote = git.remote,
                                    .source_type = r->task.spec.data.source ? SG_STR("disk") : SG_STR("unknown"),
                                    .seconds_here = f->elapsed_s};
}

static int write_file(struct sg_str path, struct sg_str text) {
    int fd = sg_os->open(path.p, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) return fd;
    int rc = sg_os_pwrite_all(fd, text.p, text.n, 0);
    sg_os->close(fd);
    return rc;
}

/* A reader never finds a part of one. */
static void write_whole(struct run *r, struct sg_str text) {
    struct sg_arena *a = &r->task.arena;
    struct sg_str folder = sg_str_printf(a, "%.*s/metadata", SG_ARG(r->folder)), name = file_name(r);
    struct sg_str path = sg_str_printf(a, "%.*s/%.*s", SG_ARG(folder), SG_ARG(name));
    struct sg_str part = sg_str_printf(a, "%.*s.part", SG_ARG(path));
    int rc = sg_os_mkdirs(folder.p);
    if (rc >= 0) rc = write_file(part, text);
    if (rc >= 0) rc = sg_os->rename(part.p, path.p);
    if (rc >= 0) r->metadata = path;
    else SG_LOG(metadata_lost, SG_F_STR("file", path), SG_F_STR("error", sg_str(strerror(-rc))));
}

void sg_run_write_metadata(struct run *r) {
    struct sg_figures f;
    struct sg_report report;
    struct sg_report_setting setting;
    struct sg_buf b = SG_BUF_INIT((size_t)64 << 20), clean = SG_BUF_INIT((size_t)64 << 20);
    if (is_off(r) || !r->output || !r->models_json.n) return;
    sg_run_figures(r, &f);
    fill_report(r, &f, &report);
    fill_setting(r, &f, &setting);
    sg_report_metadata(&report, &setting, &b);
    sg_redact(&clean, sg_buf_view(&b));
    write_whole(r, sg_buf_view(&clean));
    sg_report_close(&report);
    sg_buf_fini(&b);
    sg_buf_fini(&clean);
}
