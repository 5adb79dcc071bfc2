/* SPDX-License-Identifier: Apache-2.0 */
/* `sygra resume` and `sygra retry`: the run's folder says how it was started; it is started so again, in the folder it was started in. */
#include "run/post.h"

#include <stdio.h>

static int refuse(const struct sg_err *err) {
    fprintf(stderr, "error: %s\n", err->text);
    return SG_EXIT_ERROR;
}

/* Records that are to be run again. */
static int count_again(struct sg_rundb *db, const struct sg_resume_options *ro, uint64_t *n, struct sg_err *err) {
    struct sg_progress p;
    int rc = sg_rundb_progress(db, false, &p);
    if (rc < 0) *err = *sg_rundb_error(db);
    *n = 0;
    for (int i = 0; i < 4 && rc == 0; i++)
        if (ro->again[i]) *n += p.totals.outcomes[i];
    return rc;
}

/* Reads the stored options; *finished when there is nothing left to do. */
static int look(struct sg_arena *a, const struct sg_resume_options *ro, struct sg_run_options *o, bool *finished,
                struct sg_err *err) {
    struct sg_run_identity id;
    struct sg_rundb *db;
    struct sg_str cwd = SG_STR_NONE;
    int rc = sg_rundb_view(o->run_folder.p, a, &id, &db, err);
    if (rc != 0) return rc;
    uint64_t again = 0;
    rc = count_again(db, ro, &again, err);
    *finished = sg_run_is_finished(a, db, o->run_folder) && again == 0 && !ro->accept_changes &&
                !sg_post_is_pending(a, db, o->run_folder);
    sg_rundb_close(db);
    if (rc != 0) return rc;
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
    return rc == 0 ? sg_run_go_to(cwd, err) : rc;
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
        printf("%.*s is finished; nothing is left to do (resume -n takes more records, retry runs failed ones again, "
               "resume --accept-changes what a changed task concerns)\n",
               SG_ARG(folder));
    }
}

int sg_run_resume(const struct sg_resume_options *ro) {
    struct sg_arena a;
    struct sg_err err = {0};
    bool finished = false;
    sg_arena_init(&a, 0);
    struct sg_run_options o = {
        .exe = ro->exe, .json = ro->json, .debug = ro->debug, .in_flight = 25, .resume = SG_RUN_RESUME,
        .accept_changes = ro->accept_changes};
    memcpy(o.again, ro->again, sizeof o.again);
    o.config.exe_dir = ro->exe_dir;
    /* Now, as the working directory is about to change. */
    struct sg_run_hosts hosts = sg_run_hosts_here(&a, &ro->hosts);
    struct sg_str prices = ro->prices_file.n ? sg_run_absolute(&a, ro->prices_file) : SG_STR_NONE;
    int rc = sg_run_find(&a, ro->word, false, &o.run_folder, &err), status;
    if (rc == 0 && !ro->word.n) rc = sg_run_find(&a, ro->word, true, &o.run_folder, &err);
    if (rc == 0) {
        o.run_folder = sg_run_absolute(&a, o.run_folder);
        rc = look(&a, ro, &o, &finished, &err);
    }
    sg_run_override_hosts(&o.hosts, &hosts);
    if (ro->max_hosts) o.max_hosts = ro->max_hosts;
    if (ro->in_flight) o.in_flight = ro->in_flight;
    if (prices.n) o.config.prices_file = prices;
    if (rc != 0) {
        status = refuse(&err);
    } else if (finished) {
        say_finished(o.run_folder, ro->json);
        status = SG_EXIT_OK;
    } else {
        status = sg_run(&o);
    }
    sg_arena_fini(&a);
    return status;
}
