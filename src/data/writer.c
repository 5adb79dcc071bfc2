/* SPDX-License-Identifier: Apache-2.0 */
/* writer: outputs in order of position, each into the file of its outcome (design D7).
 *
 *   <stem>.part            ok; becomes <stem>.json or <stem>.jsonl at the end of a complete run
 *   <stem>_failed.jsonl    and _invalid, _dropped: made when the first such record comes
 *   <stem>.run/            the run folder (keeper.h); without one, its segments/ while there are outputs behind a straggler
 *
 * What an earlier run left: its .part is emptied when this one begins, its output stays until the rename, its side
 * files until this run has one of its own or is complete, so that no old _failed.jsonl stands beside a new output.
 * An output of the other suffix stays: it is another file. A complete run without any ok record writes an empty
 * array (or file): the next program of a script finds its input. */
#include "data/writer.h"

#include <fcntl.h>
#include <stdlib.h>

#define COMMIT_ROWS 1000

static const char *const suffixes[SG_OUTCOMES] = {
    [SG_RECORD_OK] = ".part",
    [SG_RECORD_FAILED] = "_failed.jsonl",
    [SG_RECORD_INVALID] = "_invalid.jsonl",
    [SG_RECORD_DROPPED] = "_dropped.jsonl",
};

/* --- opening ---------------------------------------------------------------------------------------------------- */

static struct sg_str path_of(struct sg_writer *w, struct sg_str stem, const char *suffix) {
    const char *slash = sg_str_ends(w->folder, SG_STR("/")) ? "" : "/";
    return sg_str_printf(&w->arena, "%s%s%.*s%s", w->folder.p, slash, SG_ARG(stem), suffix);
}

static int make_folder(struct sg_writer *w, struct sg_err *err) {
    int rc = sg_os_mkdirs(w->folder.p);
    return rc < 0 ? sg_fail_sys(err, SG_E_IO, -rc, "%s: the output folder cannot be made", w->folder.p) : 0;
}

static int make_part(struct sg_writer *w, struct sg_err *err) {
    struct sg_outfile *part = &w->files[SG_RECORD_OK];
    part->fd = sg_os->open(part->path.p, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (part->fd < 0) return sg_fail_sys(err, SG_E_IO, -part->fd, "%s: cannot be written", part->path.p);
    part->new_name = true;
    return 0;
}

static bool has_run(struct sg_writer *w) {
    return sg_os_exists(sg_str_join(&w->arena, w->run_folder, SG_STR("/run.db")).p);
}

static void init(struct sg_writer *w, const struct sg_output_options *o) {
    *w = (struct sg_writer){.first = o->first, .lock = SG_RUN_LOCK_NONE};
    sg_arena_init(&w->arena, 0);
    w->folder = sg_str_dup(&w->arena, o->folder.n ? o->folder : SG_STR("."));
    w->run_folder = path_of(w, o->stem, ".run");
    w->final_json = path_of(w, o->stem, ".json");
    w->final_lines = path_of(w, o->stem, ".jsonl");
    for (int i = 0; i < SG_OUTCOMES; i++)
        sg_outfile_init(&w->files[i], path_of(w, o->stem, suffixes[i]), i == SG_RECORD_OK);
    size_t memory = o->memory_bytes ? (size_t)o->memory_bytes : (size_t)4 << 20;
    sg_waiting_init(&w->waiting, o->first, memory, w->run_folder);
}

static void make_keeper(struct sg_writer *w, const struct sg_output_options *o) {
    w->keeper = sg_xmalloc(sizeof *w->keeper);
    sg_keeper_init(w->keeper, w->run_folder, w->folder, o->identity);
    w->keeper->tallies = &w->tallies;
    for (int i = 0; i < SG_OUTCOMES; i++) w->files[i].journaled = true;
}

int sg_writer_open(struct sg_writer *w, const struct sg_output_options *o, struct sg_err *err) {
    init(w, o);
    w->stale = !o->identity && has_run(w);
    int rc = make_folder(w, err);
    if (rc == 0 && (o->identity || w->stale)) rc = sg_run_lock_take(w->run_folder.p, &w->lock, err);
    if (rc == 0 && (o->identity || w->stale)) sg_rundb_remove_beside(w->run_folder.p); /* now: this run's own may come soon */
    if (rc == 0) rc = make_part(w, err);
    if (rc < 0) sg_writer_close(w);
    else if (o->identity) make_keeper(w, o);
    return rc;
}

int sg_writer_open_again(struct sg_writer *w, const struct sg_output_options *o, struct sg_err *err) {
    init(w, o);
    int rc = has_run(w) ? sg_run_lock_take(w->run_folder.p, &w->lock, err)
                        : sg_fail(err, SG_E_MISSING, "%s: there is no run", w->run_folder.p);
    if (rc < 0) sg_writer_close(w);
    else make_keeper(w, o);
    return rc;
}

void sg_writer_close(struct sg_writer *w) {
    for (int i = 0; i < SG_OUTCOMES; i++) sg_outfile_fini(&w->files[i]);
    sg_waiting_fini(&w->waiting);
    if (w->keeper) sg_keeper_fini(w->keeper);
    free(w->keeper);
    sg_tallies_fini(&w->tallies);
    sg_run_lock_give(&w->lock);
    sg_arena_fini(&w->arena);
}

/* --- writing ---------------------------------------------------------------------------------------------------- */

static void note(struct sg_writer *w, int rc) {
    if (rc == 0) return;
    w->failed = true;
    sg_waiting_fini(&w->waiting);
}

void sg_writer_break(struct sg_writer *w, const struct sg_err *err) {
    if (w->failed) return;
    w->err = *err;
    note(w, err->code);
}

void sg_writer_begin(struct sg_writer *w) {
    struct sg_keeper *k = w->keeper;
    if (w->stale) sg_rundb_remove(w->run_folder.p);
    if (w->stale) sg_rundb_remove_log(w->run_folder.p);
    if (k) note(w, sg_keeper_begin(k, &w->err));
    if (w->failed) return;
    if (k) sg_waiting_use(&w->waiting, k->segments);
    const struct sg_outfile *part = &w->files[SG_RECORD_OK];
    int rc = sg_os->truncate(part->fd, 0);
    if (rc < 0) note(w, sg_fail_sys(&w->err, SG_E_IO, -rc, "%s: cannot be emptied", part->path.p));
}

static void emit(struct sg_writer *w, uint32_t outcome, struct sg_str json) {
    w->bytes += json.n;
    note(w, sg_outfile_add(&w->files[outcome], json, &w->err));
}

void sg_writer_emit_waiting(struct sg_writer *w) {
    while (!w->failed && sg_waiting_has_next(&w->waiting)) {
        uint32_t outcome;
        struct sg_str json;
        int rc = sg_waiting_take(&w->waiting, &outcome, &json, &w->err);
        if (rc < 0) note(w, rc);
        else emit(w, outcome, json);
    }
}

static void emit_next(struct sg_writer *w, const struct sg_ended *e) {
    if (w->keeper && e->row.line) {
        struct sg_progress *p = &w->keeper->now;
        p->row = e->row.position;
        p->line = e->row.line;
        p->offset = e->offset;
    }
    sg_waiting_skip(&w->waiting);
    emit(w, (uint32_t)e->row.outcome, e->json);
    sg_writer_emit_waiting(w);
}

void sg_writer_record(struct sg_writer *w, const struct sg_ended *e) {
    if (w->failed) return;
    sg_tallies_record(&w->tallies, e->row.outcome, e->work, e->n_work);
    if (w->keeper) sg_keeper_record(w->keeper, e);
    if (e->row.position == w->waiting.next) emit_next(w, e);
    else note(w, sg_waiting_put(&w->waiting, e->row.position, (uint32_t)e->row.outcome, e->json, &w->err));
}

void sg_writer_call(struct sg_writer *w, const struct sg_call_row *row, uint32_t kind, struct sg_str body) {
    if (w->failed) return;
    if (row->sub == 0) sg_tallies_call(&w->tallies, row); /* hooks are no calls of models */
    if (w->keeper) note(w, sg_keeper_call(w->keeper, row, kind, body, &w->err));
}

void sg_writer_step(struct sg_writer *w, const struct sg_step_row *row, struct sg_str body) {
    if (!w->failed) note(w, sg_keeper_step(w->keeper, row, body, &w->err));
}

void sg_writer_meta(struct sg_writer *w, struct sg_str key, struct sg_str value) {
    if (!w->failed) note(w, sg_keeper_meta(w->keeper, key, value, &w->err));
}

void sg_writer_source(struct sg_writer *w, const struct sg_run_source *source) {
    if (!w->failed) note(w, sg_keeper_source(w->keeper, source, &w->err));
}

void sg_writer_pulled(struct sg_writer *w, uint64_t pulled, uint64_t read_bytes, uint32_t read_crc) {
    if (!w->keeper) return;
    struct sg_progress *p = &w->keeper->now;
    if (pulled > p->pulled) p->pulled = pulled;
    if (read_bytes <= p->read_bytes) return;
    p->read_bytes = read_bytes;
    p->read_crc = read_crc;
}

bool sg_writer_is_full(const struct sg_writer *w) {
    return w->keeper && !w->failed && sg_keeper_gathered(w->keeper) >= COMMIT_ROWS;
}

void sg_writer_flush(struct sg_writer *w) {
    if (w->failed) return;
    if (w->keeper) {
        note(w, sg_keeper_commit(w->keeper, &w->waiting, w->files, &w->err));
        return;
    }
    for (int i = 0; i < SG_OUTCOMES && !w->failed; i++) note(w, sg_outfile_flush(&w->files[i], &w->err));
}

/* A commit on either side: at any moment the last one and the file agree, or the file is the one in the other form. */
void sg_writer_to_lines(struct sg_writer *w) {
    sg_writer_flush(w);
    if (w->failed) return;
    note(w, sg_outfile_to_lines(&w->files[SG_RECORD_OK], &w->err));
    if (w->failed || !w->keeper) return;
    w->keeper->dirty = true;
    sg_writer_flush(w);
}

/* --- the end ---------------------------------------------------------------------------------------------------- */

static int sync_folder(struct sg_writer *w) {
    int rc = sg_os_sync_folder(w->folder.p);
    return rc < 0 ? sg_fail_sys(&w->err, SG_E_IO, -rc, "%s: sync failed", w->folder.p) : 0;
}

static int end_side_files(struct sg_writer *w, bool complete) {
    int rc = 0;
    for (int i = SG_RECORD_OK + 1; i < SG_OUTCOMES && rc == 0; i++) {
        struct sg_outfile *f = &w->files[i];
        if (f->records) rc = sg_outfile_end(f, &w->err);
        else if (complete) sg_os->unlink(f->path.p); /* usually there is none */
    }
    return rc;
}

static int rename_part(struct sg_writer *w, struct sg_str *path) {
    const struct sg_outfile *part = &w->files[SG_RECORD_OK];
    struct sg_str to = part->array ? w->final_json : w->final_lines;
    int rc = sg_os->rename(part->path.p, to.p);
    if (rc < 0) return sg_fail_sys(&w->err, SG_E_IO, -rc, "%s: cannot be renamed to %s", part->path.p, to.p);
    if (w->replaced.n && !sg_str_eq(w->replaced, to)) sg_os->unlink(w->replaced.p); /* the array that became lines */
    *path = to;
    return 0;
}

static int end_keeper(struct sg_writer *w, struct sg_str state) {
    return w->keeper ? sg_keeper_end(w->keeper, &w->waiting, w->files, state, &w->err) : 0;
}

static int finish_complete(struct sg_writer *w, struct sg_str *path) {
    if (w->waiting.n) {
        return sg_fail(&w->err, SG_E_CONFLICT, "record %llu has no outcome, %llu behind it have",
                       (unsigned long long)w->waiting.next, (unsigned long long)w->waiting.n);
    }
    int rc = sg_outfile_end(&w->files[SG_RECORD_OK], &w->err);
    if (rc == 0) rc = end_side_files(w, true);
    if (rc == 0) rc = end_keeper(w, SG_STR("ending"));
    if (rc == 0) rc = rename_part(w, path);
    if (rc == 0) rc = sync_folder(w);
    if (rc == 0) rc = end_keeper(w, SG_STR("finished"));
    if (rc == 0 && w->keeper) sg_keeper_tidy(w->keeper);
    return rc;
}

/* .part stays, if there is anything in it. */
static int finish_incomplete(struct sg_writer *w, struct sg_str *path) {
    struct sg_outfile *part = &w->files[SG_RECORD_OK];
    if (part->records == 0) {
        sg_os->unlink(part->path.p);
    } else {
        int rc = sg_outfile_end(part, &w->err);
        if (rc < 0) return rc;
        *path = part->path;
    }
    int rc = end_side_files(w, false);
    if (rc == 0) rc = sync_folder(w);
    return rc == 0 ? end_keeper(w, SG_STR("stopped")) : rc;
}

int sg_writer_finish(struct sg_writer *w, bool complete, struct sg_output_result *out) {
    *out = (struct sg_output_result){0};
    sg_writer_flush(w);
    if (!w->failed) note(w, complete ? finish_complete(w, &out->path) : finish_incomplete(w, &out->path));
    if (w->failed && out->path.n == 0 && w->files[SG_RECORD_OK].size) out->path = w->files[SG_RECORD_OK].path;
    for (int i = 0; i < SG_OUTCOMES; i++) {
        out->written[i] = w->files[i].records;
        if (i != SG_RECORD_OK && w->files[i].size) out->others[i] = w->files[i].path;
    }
    sg_waiting_fini(&w->waiting);
    return w->failed ? w->err.code : 0;
}
