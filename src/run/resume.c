/* SPDX-License-Identifier: Apache-2.0 */
/* `sygra resume` and `sygra retry`: the run's folder says how it was started; it is started so again, in the folder it was started in. */
#include "run/parts.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int refuse(const struct sg_err *err) {
    fprintf(stderr, "error: %s\n", err->text);
    return SG_EXIT_ERROR;
}

/* Absolute, as the working directory is about to change. */
static struct sg_str absolute(struct sg_arena *a, struct sg_str path) {
    char full[PATH_MAX];
    return realpath(path.p, full) ? sg_str_dup(a, sg_str(full)) : path;
}

static int go_to(struct sg_str cwd, struct sg_err *err) {
    if (!cwd.n || chdir(cwd.p) == 0) return 0;
    return sg_fail(err, SG_E_MISSING, "the run was started in %.*s, which is not there any more", SG_ARG(cwd));
}

/* Reads the stored options; *finished when there is nothing left to do. */
static int look(struct sg_arena *a, const struct sg_resume_options *ro, struct sg_run_options *o, bool *finished,
                struct sg_err *err) {
    struct sg_run_identity id;
    struct sg_rundb *db;
    struct sg_str cwd = SG_STR_NONE;
    int rc = sg_rundb_view(o->run_folder.p, a, &id, &db, err);
    if (rc != 0) return rc;
    *finished = sg_run_is_finished(a, db, o->run_folder);
    sg_rundb_close(db);
    o->num_records = id.count;
    o->start_index = id.first;
    o->durability = id.durability;
    o->keep = id.keep;
    rc = sg_run_stored_options(a, id.options, o, &cwd, err);
    if (ro->has_count) {
        bool grows = id.count && (ro->count == 0 || ro->count > id.count);
        o->num_records = ro->count;
        o->has_count = true;
        *finished = *finished && !grows;
    }
    return rc == 0 ? go_to(cwd, err) : rc;
}

static void say_finished(struct sg_str folder, bool json) {
    if (json) {
        struct sg_buf members = SG_BUF_INIT(0);
        SG_BUF_LIT(&members, "\"state\":\"finished\",\"run\":");
        sg_json_write_text(&members, folder);
        sg_log_setup(SG_INFO, 1, true);
        SG_LOG(summary, SG_F_JSON(sg_buf_view(&members)));
        sg_buf_fini(&members);
    } else {
        printf("%.*s is finished; nothing is left to do (resume -n takes more records, retry runs failed ones again)\n",
               SG_ARG(folder));
    }
}

/* Failed records are made unfinished again; resuming does the rest. */
static int take_back(struct sg_arena *a, const struct sg_run_options *o, uint64_t *n, struct sg_err *err) {
    struct sg_output_options oo = {.first = o->start_index};
    sg_run_split(a, o->run_folder, &oo.folder, &oo.stem);
    return sg_output_retry(&oo, n, err);
}

int sg_run_resume(const struct sg_resume_options *ro) {
    struct sg_arena a;
    struct sg_err err = {0};
    bool finished = false;
    sg_arena_init(&a, 0);
    struct sg_run_options o = {
        .exe = ro->exe, .json = ro->json, .debug = ro->debug, .in_flight = 25, .resume = SG_RUN_RESUME};
    o.config.exe_dir = ro->exe_dir;
    int rc = sg_run_find(&a, ro->word, false, &o.run_folder, &err), status;
    if (rc == 0 && !ro->word.n) rc = sg_run_find(&a, ro->word, true, &o.run_folder, &err);
    if (rc == 0) {
        o.run_folder = absolute(&a, o.run_folder);
        rc = look(&a, ro, &o, &finished, &err);
    }
    if (ro->in_flight) o.in_flight = ro->in_flight;
    if (ro->prices_file.n) o.config.prices_file = absolute(&a, ro->prices_file);
    uint64_t again = 0;
    if (rc == 0 && ro->retry) rc = take_back(&a, &o, &again, &err);
    if (rc != 0) {
        status = refuse(&err);
    } else if (finished && again == 0) {
        say_finished(o.run_folder, ro->json);
        status = SG_EXIT_OK;
    } else {
        status = sg_run(&o);
    }
    sg_arena_fini(&a);
    return status;
}
