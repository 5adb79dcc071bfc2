/* SPDX-License-Identifier: Apache-2.0 */
/* keeper: groups of ended records and calls, and their commits, in the order of truth of docs/formats/run-folder.md:
 *
 *   bodies -> output files -> [sync] -> rows and progress -> [sync of the log] -> what nobody needs any more goes
 *
 * With --durability commit the syncs are done here. With 1s they are rounds on another thread, while commits go on: a round
 * captures what the last commit says, syncs those files and then the log, and is settled by the next commit, which says that
 * the captured state is on disk. A frame that has been released is freed when the log that says so has been synced, too: two
 * rounds later. With exit there is one round, at the end.
 *
 * Rows are sorted by key before they are inserted: neighbours share a page. With --keep outputs a record has a row only while
 * it waits for an earlier one, or when it is not ok; so the database does not grow with the run.
 *
 * Steps, and with --keep outputs calls, are needed until their record has ended. Where that happens within one group, as it does
 * when the last call is answered, they are never written. Else their rows go when a loss of power cannot go back behind the
 * record's end, many at a time, and their bodies are released by the commit that says so. */
#include "data/keeper.h"

#include <stdio.h>
#include <stdlib.h>

void sg_keeper_init(struct sg_keeper *k, struct sg_str folder, struct sg_str output_folder,
                    const struct sg_run_identity *id) {
    *k = (struct sg_keeper){.folder = folder, .output_folder = output_folder};
    sg_arena_init(&k->arena, 0);
    sg_arena_init(&k->cause_texts, 0);
    k->bodies = SG_BUF_INIT(SIZE_MAX);
    k->segments_folder = sg_str_join(&k->arena, folder, SG_STR("/segments"));
    if (id) sg_run_identity_copy(&k->arena, id, &k->id);
    k->now.position = k->now.pulled = k->forgotten_to = k->id.first;
}

void sg_keeper_fini(struct sg_keeper *k) {
    sg_rundb_close(k->db);
    sg_segments_close(k->segments, false);
    sg_sync_fini(&k->in_line);
    free(k->records);
    free(k->calls);
    free(k->steps);
    free(k->writers);
    free(k->causes);
    free(k->released);
    sg_buf_fini(&k->bodies);
    sg_arena_fini(&k->cause_texts);
    sg_arena_fini(&k->arena);
}

int sg_keeper_begin(struct sg_keeper *k, struct sg_err *err) {
    sg_rundb_remove(k->folder.p);
    int rc = sg_rundb_create(k->folder.p, &k->id, &k->db, err);
    return rc < 0 ? rc : sg_segments_open(k->segments_folder.p, 0, &k->segments, err);
}

/* --- gathering -------------------------------------------------------------------------------------------------- */

#define GROW(items, n, cap)                                                                                          \
    if ((n) == (cap)) (items) = sg_xrealloc((items), ((cap) = (cap) ? 2 * (cap) : 256) * sizeof *(items))

static void add_cause(struct sg_keeper *k, const struct sg_ended *e) {
    for (size_t i = 0; i < k->n_causes; i++) {
        struct sg_kept_cause *c = &k->causes[i];
        if (!sg_str_eq(c->node, e->node) || !sg_str_eq(c->code, e->code)) continue;
        c->count++;
        return;
    }
    GROW(k->causes, k->n_causes, k->cap_causes);
    k->causes[k->n_causes++] = (struct sg_kept_cause){.node = sg_str_dup(&k->cause_texts, e->node),
                                                      .code = sg_str_dup(&k->cause_texts, e->code),
                                                      .text = sg_str_dup(&k->cause_texts, e->text),
                                                      .count = 1};
}

void sg_keeper_record(struct sg_keeper *k, const struct sg_ended *e) {
    GROW(k->records, k->n_records, k->cap_records);
    k->records[k->n_records++] = (struct sg_kept_record){e->row, e->put_ns};
    k->now.totals.outcomes[e->row.outcome]++;
    for (size_t i = 0; i < e->n_writers; i++) {
        GROW(k->writers, k->n_writers, k->cap_writers);
        k->writers[k->n_writers++] = e->writers[i];
    }
    if (e->code.n) add_cause(k, e);
    k->dirty = true;
}

static void count_call(struct sg_run_totals *t, const struct sg_call_row *c) {
    t->answered += c->state == SG_CALL_ANSWERED;
    t->failed += c->state == SG_CALL_FAILED;
    t->retried += c->state == SG_CALL_AGAIN;
    t->prompt_tokens += c->prompt_tokens;
    t->completion_tokens += c->completion_tokens;
}

static int keep_body(struct sg_keeper *k, bool for_good, uint32_t kind, struct sg_str text, struct sg_kept_body *b,
                     struct sg_place *place, struct sg_err *err) {
    *b = (struct sg_kept_body){.kind = kind, .at = k->bodies.n, .n = text.n};
    if (kind && for_good) return sg_segments_append(k->segments, kind, text, place, err);
    b->waits = kind != 0;
    sg_buf_str(&k->bodies, text);
    return 0;
}

int sg_keeper_call(struct sg_keeper *k, const struct sg_call_row *row, uint32_t kind, struct sg_str body,
                   struct sg_err *err) {
    count_call(&k->now.totals, row);
    k->dirty = true;
    GROW(k->calls, k->n_calls, k->cap_calls);
    struct sg_kept_call *c = &k->calls[k->n_calls];
    c->row = *row;
    c->row.has_body = kind != 0;
    int rc = keep_body(k, k->id.keep != SG_KEEP_OUTPUTS, kind, body, &c->body, &c->row.body, err);
    if (rc == 0) k->n_calls++;
    return rc;
}

int sg_keeper_step(struct sg_keeper *k, const struct sg_step_row *row, struct sg_str body, struct sg_err *err) {
    k->dirty = true;
    GROW(k->steps, k->n_steps, k->cap_steps);
    struct sg_kept_step *s = &k->steps[k->n_steps];
    s->row = *row;
    s->row.has_body = true;
    int rc = keep_body(k, k->id.keep == SG_KEEP_ALL, SG_BODY_STEP, body, &s->body, &s->row.body, err);
    if (rc == 0) k->n_steps++;
    return rc;
}

static int from_db(const struct sg_keeper *k, int rc, struct sg_err *err) {
    if (rc < 0 && err) *err = *sg_rundb_error(k->db);
    return rc;
}

int sg_keeper_meta(struct sg_keeper *k, struct sg_str key, struct sg_str value, struct sg_err *err) {
    k->dirty = true;
    return from_db(k, sg_rundb_meta(k->db, key, value), err);
}

int sg_keeper_source(struct sg_keeper *k, const struct sg_run_source *source, struct sg_err *err) {
    k->dirty = true;
    return from_db(k, sg_rundb_source(k->db, source), err);
}

/* --- committing ------------------------------------------------------------------------------------------------- */

static int by_position(const void *a, const void *b) {
    const struct sg_kept_record *x = a, *y = b;
    return x->row.position < y->row.position ? -1 : x->row.position > y->row.position;
}

#define ORDER(x, y, field)                                                                                           \
    if ((x)->field != (y)->field) return (x)->field < (y)->field ? -1 : 1

/* The last row of a key, which counts, is that of most attempts. */
static int by_key(const void *a, const void *b) {
    const struct sg_call_row *x = &((const struct sg_kept_call *)a)->row, *y = &((const struct sg_kept_call *)b)->row;
    ORDER(x, y, position);
    ORDER(x, y, node);
    ORDER(x, y, visit);
    ORDER(x, y, ordinal);
    ORDER(x, y, sub);
    ORDER(x, y, attempts);
    return 0;
}

static int by_step(const void *a, const void *b) {
    const struct sg_step_row *x = &((const struct sg_kept_step *)a)->row, *y = &((const struct sg_kept_step *)b)->row;
    ORDER(x, y, position);
    ORDER(x, y, step);
    return 0;
}

static int by_written_key(const void *a, const void *b) {
    const struct sg_writer_row *x = a, *y = b;
    ORDER(x, y, position);
    ORDER(x, y, key);
    return 0;
}

static bool ends_in_group(const struct sg_keeper *k, uint64_t position) {
    const struct sg_kept_record key = {.row = {.position = position}};
    return k->n_records && bsearch(&key, k->records, k->n_records, sizeof *k->records, by_position);
}

static int store_waiting_body(struct sg_keeper *k, uint64_t position, struct sg_kept_body *b, struct sg_place *place,
                              struct sg_err *err) {
    b->needless = ends_in_group(k, position);
    if (b->needless || !b->waits) return 0;
    return sg_segments_append(k->segments, b->kind, (struct sg_str){k->bodies.p + b->at, b->n}, place, err);
}

/* What steps say may point to replies, so those come first. */
static int store_bodies_of_calls(struct sg_keeper *k, struct sg_err *err) {
    int rc = 0;
    for (size_t i = 0; i < k->n_calls && rc == 0 && k->id.keep == SG_KEEP_OUTPUTS; i++) {
        struct sg_kept_call *c = &k->calls[i];
        rc = store_waiting_body(k, c->row.position, &c->body, &c->row.body, err);
    }
    for (size_t i = 0; i < k->n_steps && rc == 0 && k->id.keep != SG_KEEP_ALL; i++) {
        struct sg_kept_step *s = &k->steps[i];
        rc = store_waiting_body(k, s->row.position, &s->body, &s->row.body, err);
    }
    return rc;
}

/* What still waits of the group goes to disk. */
static int store_bodies(struct sg_keeper *k, struct sg_waiting *w, struct sg_err *err) {
    if (k->n_records > 1) qsort(k->records, k->n_records, sizeof *k->records, by_position);
    int rc = store_bodies_of_calls(k, err);
    for (size_t i = 0; i < k->n_records && rc == 0; i++) {
        struct sg_record_row *row = &k->records[i].row;
        if (row->position < w->next) continue;
        row->has_body = true;
        rc = sg_waiting_store(w, row->position, &row->body, err);
    }
    return rc == 0 ? sg_segments_flush(k->segments, err) : rc;
}

static void take_progress(struct sg_keeper *k, const struct sg_waiting *w, const struct sg_outfile *files) {
    struct sg_progress *p = &k->now;
    p->position = w->next;
    p->lines = !files[SG_RECORD_OK].array;
    for (int i = 0; i < SG_OUTCOMES; i++) p->files[i] = sg_outfile_mark(&files[i]);
    sg_segments_newest(k->segments, &p->segment, &p->segment_bytes);
}

static int put_records(struct sg_keeper *k) {
    int rc = 0;
    for (size_t i = 0; i < k->n_records && rc == 0; i++) {
        const struct sg_record_row *row = &k->records[i].row;
        bool kept = k->id.keep != SG_KEEP_OUTPUTS || row->has_body || row->outcome != SG_RECORD_OK;
        if (kept) rc = sg_rundb_record(k->db, row);
    }
    return rc;
}

static int put_calls(struct sg_keeper *k) {
    int rc = 0;
    if (k->n_calls > 1) qsort(k->calls, k->n_calls, sizeof *k->calls, by_key);
    for (size_t i = 0; i < k->n_calls && rc == 0; i++) {
        if (k->calls[i].body.needless) continue;
        rc = sg_rundb_call(k->db, &k->calls[i].row);
        k->has_calls = true;
    }
    return rc;
}

static int put_steps(struct sg_keeper *k) {
    int rc = 0;
    if (k->n_steps > 1) qsort(k->steps, k->n_steps, sizeof *k->steps, by_step);
    for (size_t i = 0; i < k->n_steps && rc == 0; i++) {
        if (k->steps[i].body.needless) continue;
        rc = sg_rundb_step(k->db, &k->steps[i].row);
        k->has_steps = true;
    }
    return rc;
}

static int put_writers(struct sg_keeper *k) {
    int rc = 0;
    if (k->n_writers > 1) qsort(k->writers, k->n_writers, sizeof *k->writers, by_written_key);
    for (size_t i = 0; i < k->n_writers && rc == 0; i++) rc = sg_rundb_writer(k->db, &k->writers[i]);
    return rc;
}

static int put_causes(struct sg_keeper *k) {
    int rc = 0;
    for (size_t i = 0; i < k->n_causes && rc == 0; i++) {
        const struct sg_kept_cause *c = &k->causes[i];
        rc = sg_rundb_cause(k->db, c->node, c->code, c->count, c->text);
    }
    return rc;
}

static void note_released(void *ud, uint32_t segment, uint64_t bodies) {
    struct sg_keeper *k = ud;
    GROW(k->released, k->n_released, k->cap_released);
    k->released[k->n_released++] = (struct sg_kept_frames){segment, bodies};
}

/* Rows of ended records that are not kept. */
static int forget_rows_of(struct sg_keeper *k, uint64_t from, uint64_t to) {
    bool outputs = k->id.keep == SG_KEEP_OUTPUTS;
    int rc = outputs && (k->has_calls || k->has_steps) ? sg_rundb_bodies(k->db, from, to, note_released, k) : 0;
    if (rc == 0 && k->has_steps) rc = sg_rundb_forget_steps(k->db, from, to);
    if (rc == 0 && outputs && k->has_calls) rc = sg_rundb_forget_calls(k->db, from, to);
    return rc;
}

/* Those behind which a loss of power cannot go back any more. */
static int forget_rows(struct sg_keeper *k) {
    uint64_t safe = k->id.durability == SG_DURABILITY_EXIT ? k->now.position : k->synced.position;
    if (k->id.keep == SG_KEEP_ALL || safe <= k->forgotten_to) return 0;
    int rc = forget_rows_of(k, k->forgotten_to, safe);
    if (rc == 0 && k->id.keep == SG_KEEP_OUTPUTS) rc = sg_rundb_forget_records(k->db, k->forgotten_to, safe, true);
    k->forgotten_to = safe;
    return rc;
}

/* Once the commit that takes their rows away has been made. */
static void release_bodies(struct sg_keeper *k) {
    for (size_t i = 0; i < k->n_released; i++)
        sg_segments_release_frames(k->segments, k->released[i].segment, k->released[i].frames);
    k->n_released = 0;
}

static int put_rows(struct sg_keeper *k, struct sg_err *err) {
    int rc = put_records(k);
    if (rc == 0) rc = put_calls(k);
    if (rc == 0) rc = put_steps(k);
    if (rc == 0) rc = put_writers(k);
    if (rc == 0) rc = put_causes(k);
    if (rc == 0) rc = sg_tallies_put(k->tallies, k->db);
    if (rc == 0) rc = forget_rows(k);
    if (rc == 0) rc = sg_rundb_commit(k->db, &k->now, k->synced_is_new ? &k->synced : NULL);
    k->synced_is_new = false;
    if (rc == 0) release_bodies(k);
    return from_db(k, rc, err);
}

static void end_group(struct sg_keeper *k) {
    uint64_t now = sg_os->now_ns();
    for (size_t i = 0; i < k->n_records; i++) {
        uint64_t put = k->records[i].put_ns;
        sg_lag_add(&k->lag, now > put ? (now - put) / 1000 : 0);
    }
    k->n_records = k->n_calls = k->n_steps = k->n_writers = k->n_causes = 0;
    sg_buf_reset(&k->bodies, (size_t)1 << 20);
    sg_arena_reset(&k->cause_texts);
    k->commits++;
    k->dirty = false;
}

/* At once: nothing that has been released can be needed again. */
static void free_released(struct sg_keeper *k) {
    sg_segments_capture(k->segments);
    sg_segments_capture(k->segments);
    sg_segments_settle(k->segments);
}

/* A commit that is on disk behind it: the files before the rows, the log behind them. */
static int commit_synced(struct sg_keeper *k, struct sg_outfile *files, struct sg_err *err) {
    sg_keeper_capture(k, files, &k->in_line);
    int rc = sg_sync_run(&k->in_line, err);
    k->synced = k->now;
    k->synced_is_new = true;
    if (rc == 0) rc = put_rows(k, err);
    if (rc == 0) rc = sg_rundb_sync(k->db, err);
    if (rc == 0) free_released(k);
    return rc;
}

static int commit(struct sg_keeper *k, struct sg_waiting *w, struct sg_outfile *files, bool synced,
                  struct sg_err *err) {
    int rc = store_bodies(k, w, err);
    for (int i = 0; i < SG_OUTCOMES && rc == 0; i++) rc = sg_outfile_flush(&files[i], err);
    if (rc < 0) return rc;
    take_progress(k, w, files);
    rc = synced ? commit_synced(k, files, err) : put_rows(k, err);
    if (rc < 0) return rc;
    end_group(k);
    if (k->id.durability == SG_DURABILITY_EXIT) free_released(k);
    return from_db(k, sg_rundb_checkpoint(k->db), err);
}

int sg_keeper_commit(struct sg_keeper *k, struct sg_waiting *w, struct sg_outfile *files, struct sg_err *err) {
    return k->dirty ? commit(k, w, files, k->id.durability == SG_DURABILITY_COMMIT, err) : 0;
}

/* --- syncing ---------------------------------------------------------------------------------------------------- */

void sg_keeper_capture(struct sg_keeper *k, struct sg_outfile *files, struct sg_sync *y) {
    bool new_name = false;
    for (int i = 0; i < SG_OUTCOMES; i++) {
        new_name |= files[i].new_name;
        sg_outfile_unsynced(&files[i], y);
    }
    sg_segments_unsynced(k->segments, y);
    if (new_name) sg_sync_add_folder(y, k->output_folder.p);
    sg_segments_capture(k->segments);
    k->captured = k->now;
}

void sg_keeper_settle(struct sg_keeper *k) {
    k->synced = k->captured;
    k->synced_is_new = true;
    sg_segments_settle(k->segments);
}

/* --- the end ---------------------------------------------------------------------------------------------------- */

/* Of the commits so far: the last one has nothing to tell of but these. */
static int tell_lag(struct sg_keeper *k, struct sg_err *err) {
    const struct {
        const char *key;
        uint64_t us;
    } told[] = {{"commit_lag_p50_ms", sg_lag_quantile(&k->lag, 0.5)},
                {"commit_lag_p99_ms", sg_lag_quantile(&k->lag, 0.99)},
                {"commit_lag_max_ms", k->lag.max_us}};
    int rc = 0;
    for (size_t i = 0; i < 3 && rc == 0 && k->lag.n; i++) {
        char text[40];
        snprintf(text, sizeof text, "%.3f", (double)told[i].us / 1e3);
        rc = sg_keeper_meta(k, sg_str(told[i].key), sg_str(text), err);
    }
    return rc;
}

int sg_keeper_end(struct sg_keeper *k, struct sg_waiting *w, struct sg_outfile *files, struct sg_str state,
                  struct sg_err *err) {
    int rc = sg_keeper_meta(k, SG_STR("state"), state, err);
    if (rc == 0) rc = tell_lag(k, err);
    if (rc == 0 && k->id.durability == SG_DURABILITY_EXIT) {
        rc = sg_segments_flush(k->segments, err);
        if (rc == 0) rc = sg_segments_sync_all(k->segments, err);
    }
    bool all_ended = !sg_str_eq(state, SG_STR("stopped"));
    if (rc == 0 && k->id.keep != SG_KEEP_ALL && all_ended) rc = from_db(k, forget_rows_of(k, 0, INT64_MAX), err);
    return rc == 0 ? commit(k, w, files, true, err) : rc;
}

void sg_keeper_tidy(struct sg_keeper *k) {
    if (k->id.keep != SG_KEEP_OUTPUTS) return;
    sg_segments_close(k->segments, true);
    k->segments = NULL;
}
