/* SPDX-License-Identifier: Apache-2.0 */
/* sygra replay: a run is made once more from its recorded calls, offline, and every record's end is compared with what the run
 * put out. The same engine and programs, an observer instead of an output, as in a preview.
 *
 * Of what the run put out 9 bytes a record are kept, to compare with: outcome and hash. The text of the first record that
 * differs is read again at the end. */
#include "run/changes.h"

#include <stdio.h>

/* --- the past of a run, or a recording ------------------------------------------------------------------------------ */

int sg_run_open_replay(struct run *r, struct sg_err *err) {
    struct sg_run_identity id;
    if (r->o->replay.n) return sg_recording_load(r->o->replay.p, &r->recording, err);
    if (!r->replaying) return 0;
    struct sg_str segments = sg_str_printf(&r->task.arena, "%.*s/segments", SG_ARG(r->run_folder));
    int rc = sg_rundb_view(r->run_folder.p, &r->task.arena, &id, &r->past_db, err);
    if (rc == 0) rc = sg_segments_view(segments.p, &r->past_segments, err);
    if (rc == 0 && sg_worker_open(r->loop, "sygra-past", &r->past_worker) != 0)
        rc = sg_fail(err, SG_E_IO, "no thread for reading");
    if (rc < 0) return rc;
    r->past_folder = sg_past_folder_open(r->past_worker, r->past_db, r->past_segments, NULL, 0);
    sg_past_folder_replay(r->past_folder);
    return 0;
}

void sg_run_close_replay(struct run *r) {
    if (r->past_worker) sg_worker_close(r->past_worker);
    sg_past_folder_close(r->past_folder);
    sg_segments_close(r->past_segments, false);
    sg_rundb_close(r->past_db);
    sg_recording_free(r->recording);
}

/* --- comparing ------------------------------------------------------------------------------------------------------ */

struct replay {
    struct run run;
    struct sg_run_options options;
    struct sg_exec_observer observer;
    bool json;
    uint64_t n; /* records that the run has put out */
    uint64_t *hashes;
    uint8_t *outcomes;
    uint64_t seen, differ;
    /* The first that differs: as it is now, and as it was. */
    uint64_t first;
    enum sg_outcome outcome;
    struct sg_buf is, was, why;
    struct sg_buf changes; /* of the task since then */
    uint64_t missing;      /* calls that were not recorded */
};

static const char *const outcome_names[] = {"ok", "failed", "invalid", "dropped"};

static bool take_line(void *ud, uint64_t position, enum sg_outcome outcome, struct sg_str json) {
    struct replay *p = ud;
    uint64_t i = position - p->run.first;
    if (i >= p->n) return false;
    p->hashes[i] = sg_hash64(json, 0);
    p->outcomes[i] = (uint8_t)outcome;
    return true;
}

static bool take_first(void *ud, uint64_t position, enum sg_outcome outcome, struct sg_str json) {
    struct replay *p = ud;
    (void)outcome;
    if (position == p->first) sg_buf_str(&p->was, json);
    return position < p->first;
}

static void note_difference(struct replay *p, const struct sg_exec_event *e) {
    if (p->differ++ && e->position > p->first) return;
    p->first = e->position;
    p->outcome = e->outcome;
    sg_buf_reset(&p->is, SIZE_MAX);
    sg_buf_reset(&p->why, SIZE_MAX);
    sg_buf_str(&p->is, e->output);
    if (e->err) sg_buf_printf(&p->why, "%.*s: %s", SG_ARG(e->node.n ? e->node : SG_STR("its row")), e->err->text);
}

static void on_event(void *ud, const struct sg_exec_event *e) {
    struct replay *p = ud;
    uint64_t i = e->position - p->run.first;
    if (e->kind != SG_EXEC_RECORD_END || i >= p->n) return;
    p->seen++;
    if (p->outcomes[i] != e->outcome || p->hashes[i] != sg_hash64(e->output, 0)) note_difference(p, e);
}

/* --- the run and its task --------------------------------------------------------------------------------------------- */

static int refuse_live(struct replay *p, struct sg_err *err) {
    struct sg_arena *a = &p->run.task.arena;
    struct sg_str text;
    if (sg_run_lock_holder(p->run.run_folder.p, a, &text) == 0) return 0;
    return sg_fail(err, SG_E_CONFLICT, "%s: is under way (%.*s); it can be replayed when it has ended", p->run.run_folder.p,
                   SG_ARG(sg_str_trim(text)));
}

/* What the run was, and how far it has got; its task is loaded where it was started. */
static int look(struct replay *p, struct sg_arena *a, const struct sg_run_hosts *hosts, struct sg_err *err) {
    struct run *r = &p->run;
    struct sg_run_options *o = &p->options;
    struct sg_rundb *db;
    struct sg_progress done;
    struct sg_str cwd;
    int rc = sg_rundb_view(r->run_folder.p, a, &r->was, &db, err);
    if (rc < 0) return rc;
    rc = sg_rundb_progress(db, false, &done);
    if (rc < 0) *err = *sg_rundb_error(db);
    sg_rundb_close(db);
    if (rc == 0) rc = sg_run_stored_options(a, r->was.options, o, &cwd, err);
    sg_run_override_hosts(&o->hosts, hosts);
    if (rc == 0) rc = sg_run_go_to(cwd, err);
    if (rc < 0) return rc;
    p->n = done.position - r->was.first;
    if (r->was.keep == SG_KEEP_OUTPUTS)
        return sg_fail(err, SG_E_MISSING, "this run has kept no calls (--keep outputs), so it cannot be replayed");
    if (p->n == 0) return sg_fail(err, SG_E_MISSING, "no record of this run has ended yet");
    o->record = SG_STR_NONE;
    o->no_journal = o->has_seed = o->config.offline = true;
    o->num_records = p->n;
    o->start_index = r->was.first;
    r->past_source = (struct sg_source_from){
        .was = &r->was.source, .read_bytes = done.read_bytes, .read_crc = done.read_crc};
    r->seed = o->seed = r->was.seed;
    r->first = r->was.first;
    r->count = p->n;
    r->started_wall_ns = r->was.started_ms * 1000000;
    return 0;
}

static void list_changes(struct replay *p) {
    struct run *r = &p->run;
    struct sg_changes c;
    sg_run_identify(r);
    sg_changes_find(&c, &r->task.arena, r->task.plan, &r->was, &r->identity, sg_run_columns_differ(r));
    sg_changes_list(&c, &p->changes);
}

static int run_loaded(struct replay *p, struct sg_err *err) {
    struct run *r = &p->run;
    struct sg_exec_figures f;
    int rc = sg_run_open_all(r, err);
    if (rc == 0) {
        sg_exec_start(r->exec);
        sg_loop_run(r->loop);
        list_changes(p);
        sg_exec_figures(r->exec, &f);
        p->missing = f.calls_missing;
        if (r->aborted) *err = r->why, rc = r->why.code;
    }
    sg_run_close_all(r);
    if (rc == 0 && r->interrupted) rc = sg_fail(err, SG_E_CANCELED, "interrupted");
    if (rc == 0 && p->seen < p->n)
        rc = sg_fail(err, SG_E_CONFLICT, "the source has %llu records now, and the run had %llu", (unsigned long long)p->seen,
                     (unsigned long long)p->n);
    return rc;
}

static int replay(struct replay *p, struct sg_arena *a, struct sg_err *err) {
    struct run *r = &p->run;
    int rc = sg_task_load(&r->task, &p->options.config, NULL, NULL);
    if (r->task.diags.n) sg_task_report(&r->task, false);
    if (rc != 0) return sg_fail(err, SG_E_SYNTAX, "the task has mistakes");
    rc = refuse_live(p, err);
    p->hashes = sg_alloc0(a, p->n * sizeof *p->hashes);
    p->outcomes = sg_alloc0(a, p->n);
    if (rc == 0) rc = sg_output_read(r->run_folder, take_line, p, err);
    if (rc == 0) rc = run_loaded(p, err);
    return rc == 0 && p->differ ? sg_output_read(r->run_folder, take_first, p, err) : rc;
}

/* --- telling ------------------------------------------------------------------------------------------------------------ */

#define U(x) ((unsigned long long)(x))

static void describe(const struct replay *p, struct sg_buf *out) {
    struct sg_arena a;
    struct sg_json was, is;
    enum sg_outcome before = (enum sg_outcome)p->outcomes[p->first - p->run.first];
    sg_arena_init(&a, 0);
    if (before != p->outcome) sg_buf_printf(out, "was %s, is %s", outcome_names[before], outcome_names[p->outcome]);
    else if (sg_json_parse(&a, sg_buf_view(&p->was), &was, NULL, NULL) == 0 &&
             sg_json_parse(&a, sg_buf_view(&p->is), &is, NULL, NULL) == 0)
        sg_json_diff(out, &was, &is);
    if (before == p->outcome && out->n == 0) SG_BUF_LIT(out, "the same values in another order");
    if (p->why.n && before != p->outcome) sg_buf_printf(out, "; %.*s", (int)p->why.n, p->why.p);
    sg_arena_fini(&a);
}

static void text_of(const struct replay *p, struct sg_buf *out) {
    if (p->differ == 0) {
        sg_buf_printf(out, "replayed %llu records from their calls: the output is the same\n", U(p->n));
        return;
    }
    struct sg_buf first = SG_BUF_INIT(SIZE_MAX);
    describe(p, &first);
    sg_buf_printf(out, "replayed %llu records from their calls: %llu differ\nthe first is record %llu: %.*s\n", U(p->n),
                  U(p->differ), U(p->first), (int)first.n, first.p);
    if (p->missing) sg_buf_printf(out, "calls that were not recorded: %llu\n", U(p->missing));
    if (p->changes.n)
        sg_buf_printf(out, "the task has changed since this run began:\n%.*s", (int)p->changes.n, p->changes.p);
    sg_buf_fini(&first);
}

static void json_of(const struct replay *p, struct sg_buf *out) {
    sg_buf_printf(out, "{\"records\":%llu,\"differ\":%llu,\"not_recorded\":%llu", U(p->n), U(p->differ), U(p->missing));
    if (p->differ) {
        struct sg_buf first = SG_BUF_INIT(SIZE_MAX);
        describe(p, &first);
        sg_buf_printf(out, ",\"first\":{\"position\":%llu,\"difference\":", U(p->first));
        sg_json_write_text(out, sg_buf_view(&first));
        sg_buf_ch(out, '}');
        sg_buf_fini(&first);
    }
    SG_BUF_LIT(out, "}\n");
}

static void print(const struct replay *p) {
    struct sg_buf text = SG_BUF_INIT(0), clean = SG_BUF_INIT(0);
    if (p->json) json_of(p, &text);
    else text_of(p, &text);
    sg_redact(&clean, sg_buf_view(&text));
    fwrite(clean.p, 1, clean.n, stdout);
    sg_buf_fini(&text);
    sg_buf_fini(&clean);
}

int sg_run_replay(const struct sg_replay_options *o) {
    struct replay p = {.json = o->json, .is = SG_BUF_INIT(SIZE_MAX), .was = SG_BUF_INIT(SIZE_MAX)};
    struct sg_err err = {0};
    struct sg_arena a;
    struct run *r = &p.run;
    sg_arena_init(&a, 0);
    p.why = p.changes = SG_BUF_INIT(SIZE_MAX);
    p.options = (struct sg_run_options){
        .config.exe_dir = o->exe_dir, .exe = o->exe, .in_flight = 25, .resume = SG_RUN_FRESH, .json = o->json};
    p.observer = (struct sg_exec_observer){.on_event = on_event, .ud = &p};
    *r = (struct run){.o = &p.options, .observer = &p.observer, .replaying = true, .life = 1};
    sg_log_setup(SG_FAILURE, 2, false);
    struct sg_run_hosts hosts = sg_run_hosts_here(&a, &o->hosts);
    int rc = sg_run_find(&a, o->word, false, &r->run_folder, &err);
    if (rc == 0) {
        r->run_folder = sg_run_absolute(&a, r->run_folder);
        rc = look(&p, &a, &hosts, &err);
    }
    if (rc == 0) {
        rc = replay(&p, &a, &err);
        sg_task_fini(&r->task);
    }
    if (rc != 0) fprintf(stderr, "sygra replay: %s\n", err.text);
    else print(&p);
    sg_buf_fini(&p.is);
    sg_buf_fini(&p.was);
    sg_buf_fini(&p.why);
    sg_buf_fini(&p.changes);
    sg_arena_fini(&a);
    return rc != 0 ? SG_EXIT_ERROR : p.differ ? SG_EXIT_FAILED : SG_EXIT_OK;
}
