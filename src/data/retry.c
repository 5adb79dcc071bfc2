/* SPDX-License-Identifier: Apache-2.0 */
/* retry: finished records of a run are made unfinished again, so that resuming it runs them: those that failed or were invalid,
 * or those that ran what has changed in the task.
 *
 * Their outputs belong in the middle of what has been written. So the run is taken back to the first of them: the lines from
 * there on, which are in the output files in order of position, become bodies of records that wait, as if each had ended
 * before its turn; then the files end where that record begins. All of this is one commit: before it the run is what it was,
 * behind it the next opening cuts the files. */
#include "data/split.h"
#include "data/writer.h"

#include <fcntl.h>
#include <stdlib.h>

#define CHUNK 1024

struct retry {
    struct sg_writer w;
    struct sg_keeper *k;
    const struct sg_output_again *again;
    size_t range;                       /* of again->positions: the first that does not lie before what is looked at */
    struct sg_splitter in[SG_OUTCOMES]; /* the output files */
    int fds[SG_OUTCOMES];
    uint64_t end;        /* up to where lines are in the files */
    uint64_t position;   /* the next to be looked at */
    uint64_t n;          /* taken back */
    struct sg_record_row rows[CHUNK];
    size_t n_rows;
    struct sg_buf text;
    struct sg_progress to;
    struct sg_err *err;
};

/* --- the lines in the files ------------------------------------------------------------------------------------- */

static bool is_array(const struct retry *r, int outcome) {
    return r->w.files[outcome].array;
}

static int next_line(struct retry *r, int outcome, struct sg_str *out) {
    struct sg_piece piece;
    struct sg_splitter *in = &r->in[outcome];
    enum sg_split got = is_array(r, outcome) ? sg_array_next(in, SG_WAIT, &piece, r->err)
                                             : sg_lines_next(in, SG_WAIT, &piece, r->err);
    if (got == SG_SPLIT_BROKEN) return r->err->code;
    if (got != SG_SPLIT_GOT)
        return sg_fail(r->err, SG_E_SYNTAX, "%s: holds fewer records than the run wrote", r->w.files[outcome].path.p);
    *out = piece.text;
    return 0;
}

static int open_lines(struct retry *r) {
    for (int i = 0; i < SG_OUTCOMES; i++) {
        const struct sg_outfile *f = &r->w.files[i];
        if (f->records == 0) continue;
        r->fds[i] = sg_os->open(f->path.p, O_RDONLY, 0);
        if (r->fds[i] < 0) return sg_fail_sys(r->err, SG_E_IO, -r->fds[i], "%s: cannot be opened", f->path.p);
        sg_splitter_init(&r->in[i], r->fds[i], false, -1, f->path, 0, SIZE_MAX);
        r->in[i].with_crc = true;
    }
    return 0;
}

/* --- rows ------------------------------------------------------------------------------------------------------- */

/* Positions are asked for in their order. */
static bool is_taken_back(struct retry *r, uint64_t position, int outcome) {
    const struct sg_output_again *a = r->again;
    bool mapped = outcome == SG_RECORD_OK || outcome == SG_RECORD_INVALID;
    if (a->outcomes[outcome & 3] || (a->mapped && mapped)) return true;
    while (r->range < a->n_positions && a->positions[r->range].to <= position) r->range++;
    return r->range < a->n_positions && a->positions[r->range].from <= position;
}

static int db_error(struct retry *r, int rc) {
    if (rc < 0) *r->err = *sg_rundb_error(r->k->db);
    return rc;
}

static int forget(struct retry *r, const struct sg_record_row *row) {
    uint64_t from = row->position, to = from + 1;
    r->n++;
    r->to.totals.outcomes[row->outcome & 3]--;
    int rc = sg_rundb_forget_records(r->k->db, from, to, false);
    bool anew = r->again->outcomes[row->outcome & 3]; /* what it took was for nothing */
    if (rc == 0) rc = anew ? sg_rundb_forget_calls(r->k->db, from, to) : sg_rundb_unspend(r->k->db, from, row->outcome);
    if (rc == 0) rc = sg_rundb_forget_steps(r->k->db, from, to);
    if (rc == 0) rc = sg_rundb_forget_writers(r->k->db, from, to);
    return db_error(r, rc);
}

/* The line of a record that was written becomes the body of one that waits. */
static int store_line(struct retry *r, struct sg_record_row *row) {
    struct sg_str line = SG_STR_NONE;
    int rc = next_line(r, row->outcome, &line);
    if (rc < 0) return rc;
    if (is_array(r, row->outcome)) {
        sg_buf_reset(&r->text, (size_t)1 << 20);
        sg_json_compact_text(&r->text, line);
        line = sg_buf_view(&r->text);
    }
    row->has_body = true;
    rc = sg_segments_append(r->k->segments, (uint32_t)row->outcome, line, &row->body, r->err);
    return rc == 0 ? db_error(r, sg_rundb_record(r->k->db, row)) : rc;
}

/* Moves over the line of a record before the first that is taken back: it stays where it is. */
static int keep_line(struct retry *r, int outcome) {
    struct sg_str line;
    r->to.files[outcome].records++;
    return next_line(r, outcome, &line);
}

static int skip_line(struct retry *r, int outcome) {
    struct sg_str line;
    return next_line(r, outcome, &line);
}

/* How the files look that end here. */
static void mark_files(struct retry *r) {
    for (int i = 0; i < SG_OUTCOMES; i++) {
        const struct sg_splitter *in = &r->in[i];
        struct sg_file_mark *m = &r->to.files[i];
        if (m->records == 0) continue;
        m->bytes = in->crc_bytes + (is_array(r, i) ? 2 : 0);
        m->crc = in->crc;
    }
}

/* Where in the source the first of them begins is not known: its rows are passed over one by one. */
static void begin_here(struct retry *r, uint64_t position) {
    mark_files(r);
    r->to.position = position;
    r->to.row = r->to.line = r->to.offset = 0;
}

static int move_row(struct retry *r, struct sg_record_row *row) {
    bool written = row->position < r->end, none_yet = r->n == 0;
    if (!is_taken_back(r, row->position, row->outcome)) {
        if (!written) return 0;
        return none_yet ? keep_line(r, row->outcome) : store_line(r, row);
    }
    if (written && none_yet) begin_here(r, row->position);
    int rc = written ? skip_line(r, row->outcome) : 0;
    return rc == 0 ? forget(r, row) : rc;
}

/* With --keep outputs, ok records that are written have no row. */
static int move_rows_to(struct retry *r, uint64_t position) {
    int rc = 0;
    for (; r->position < position && r->position < r->end && rc == 0; r->position++) {
        struct sg_record_row row = {.position = r->position};
        rc = move_row(r, &row);
    }
    return rc;
}

static bool take_row(void *ud, const struct sg_record_row *row) {
    struct retry *r = ud;
    r->rows[r->n_rows++] = *row;
    return r->n_rows < CHUNK;
}

/* Rows are read in chunks, as what is read must not change meanwhile. */
static int move_chunk(struct retry *r) {
    r->n_rows = 0;
    int rc = db_error(r, sg_rundb_records(r->k->db, r->position, -1, take_row, r));
    for (size_t i = 0; i < r->n_rows && rc == 0; i++) {
        rc = move_rows_to(r, r->rows[i].position);
        if (rc == 0) rc = move_row(r, &r->rows[i]);
        r->position = r->rows[i].position + 1;
    }
    return rc;
}

static int move_all(struct retry *r) {
    int rc;
    r->position = r->k->id.first;
    do rc = move_chunk(r);
    while (rc == 0 && r->n_rows == CHUNK);
    return rc == 0 ? move_rows_to(r, r->end) : rc;
}

/* --- the whole -------------------------------------------------------------------------------------------------- */

/* What half done records had become, they had become by the task of before. */
static int forget_steps(struct retry *r, const struct sg_output_resumed *resumed) {
    int rc = 0;
    for (size_t i = 0; i < resumed->n_half_done && rc == 0; i++)
        rc = sg_rundb_forget_steps(r->k->db, resumed->half_done[i], resumed->half_done[i] + 1);
    return db_error(r, rc);
}

/* All that the commit is going to name, whoever wrote it, and whatever --durability promises: the commit is on the disk. */
static int sync_all(struct retry *r) {
    int rc = sg_segments_flush(r->k->segments, r->err);
    if (rc == 0) rc = sg_segments_sync_all(r->k->segments, r->err);
    for (int i = 0; i < SG_OUTCOMES && rc == 0; i++) {
        const struct sg_outfile *f = &r->w.files[i];
        int synced = f->fd >= 0 ? sg_os->sync(f->fd) : 0;
        if (synced < 0) rc = sg_fail_sys(r->err, SG_E_IO, -synced, "%s: sync failed", f->path.p);
    }
    if (rc < 0) return rc;
    rc = sg_os_sync_folder(r->w.folder.p);
    return rc < 0 ? sg_fail_sys(r->err, SG_E_IO, -rc, "%s: sync failed", r->w.folder.p) : 0;
}

/* The bodies are on disk before the commit that names them, and that before anything is cut. */
static int commit(struct retry *r) {
    struct sg_keeper *k = r->k;
    int rc = sync_all(r);
    if (rc < 0) return rc;
    sg_segments_newest(k->segments, &r->to.segment, &r->to.segment_bytes);
    if (r->again->is) rc = sg_rundb_renew(k->db, r->again->was, r->again->is);
    if (rc == 0 && r->to.totals.outcomes[SG_RECORD_FAILED] == 0) rc = sg_rundb_forget_causes(k->db);
    if (rc == 0) rc = sg_rundb_meta(k->db, SG_STR("state"), SG_STR("stopped"));
    if (rc == 0) rc = sg_rundb_commit(k->db, &r->to, &r->to);
    return rc == 0 ? sg_rundb_sync(k->db, r->err) : db_error(r, rc);
}

/* Side files of which nothing is left. */
static void remove_empty(struct retry *r) {
    for (int i = SG_RECORD_OK + 1; i < SG_OUTCOMES; i++)
        if (r->to.totals.outcomes[i] == 0) sg_os->unlink(r->w.files[i].path.p);
}

static int take_back(struct retry *r) {
    r->to = r->k->now;
    r->end = r->to.position;
    memset(r->to.files, 0, sizeof r->to.files);
    int rc = open_lines(r);
    if (rc == 0) rc = move_all(r);
    /* None was among those that are written. */
    if (rc == 0 && r->to.position == r->end) memcpy(r->to.files, r->k->now.files, sizeof r->to.files);
    if (rc == 0) rc = commit(r);
    if (rc == 0) remove_empty(r);
    return rc;
}

static int retry(struct retry *r) {
    struct sg_output_resumed resumed;
    sg_writer_resume(&r->w, &resumed);
    sg_writer_flush(&r->w); /* what no longer waits */
    if (r->w.failed) return *r->err = r->w.err, r->err->code;
    int rc = r->again->is ? forget_steps(r, &resumed) : 0;
    return rc == 0 ? take_back(r) : rc;
}

/* Whether there is anything to do, without touching anything. */
static bool count_one(void *ud, const struct sg_record_row *row) {
    struct retry *r = ud;
    r->n += is_taken_back(r, row->position, row->outcome);
    return r->n == 0;
}

static int look(struct retry *r, bool *any) {
    struct sg_run_identity id;
    struct sg_rundb *db;
    struct sg_arena scratch;
    sg_arena_init(&scratch, 0);
    int rc = sg_rundb_view(r->w.run_folder.p, &scratch, &id, &db, r->err);
    if (rc == 0) {
        rc = sg_rundb_records(db, 0, -1, count_one, r);
        if (rc < 0) *r->err = *sg_rundb_error(db);
        sg_rundb_close(db);
    }
    sg_arena_fini(&scratch);
    *any = r->n > 0 || r->again->n_positions || r->again->mapped || r->again->is;
    r->n = r->range = 0;
    return rc;
}

int sg_output_take_back(const struct sg_output_options *o, const struct sg_output_again *again, uint64_t *n,
                        struct sg_err *err) {
    struct sg_err own;
    bool any = false;
    struct retry *r = sg_xcalloc(1, sizeof *r);
    r->err = err ? err : &own;
    r->again = again;
    r->text = SG_BUF_INIT(SIZE_MAX);
    for (int i = 0; i < SG_OUTCOMES; i++) r->fds[i] = -1;
    int rc = sg_writer_open_again(&r->w, o, r->err);
    if (rc == 0) {
        r->k = r->w.keeper;
        rc = look(r, &any);
        if (rc == 0 && any) rc = retry(r);
        sg_writer_close(&r->w);
    }
    for (int i = 0; i < SG_OUTCOMES; i++) {
        if (r->fds[i] >= 0) sg_os->close(r->fds[i]);
        sg_splitter_fini(&r->in[i]);
    }
    *n = r->n;
    sg_buf_fini(&r->text);
    free(r);
    return rc;
}
