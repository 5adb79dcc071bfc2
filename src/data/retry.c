/* SPDX-License-Identifier: Apache-2.0 */
/* retry: the failed records of a run are made unfinished again, so that resuming it runs them.
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
    struct sg_splitter in[SG_OUTCOMES]; /* the output files */
    int fds[SG_OUTCOMES];
    uint64_t first, end; /* the first failed record; up to where lines are in the files */
    uint64_t position;   /* the next to be moved */
    uint64_t failed;
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

/* Moves over `n` lines, and says how a file that ends there looks. */
static int pass_lines(struct retry *r, int outcome, uint64_t n) {
    struct sg_str line;
    int rc = 0;
    for (uint64_t i = 0; i < n && rc == 0; i++) rc = next_line(r, outcome, &line);
    const struct sg_splitter *in = &r->in[outcome];
    uint64_t bytes = in->crc_bytes + (is_array(r, outcome) ? 2 : 0);
    r->to.files[outcome] =
        n ? (struct sg_file_mark){.bytes = bytes, .records = n, .crc = in->crc} : (struct sg_file_mark){0};
    return rc;
}

/* --- rows ------------------------------------------------------------------------------------------------------- */

static bool note_failed(void *ud, const struct sg_record_row *row) {
    struct retry *r = ud;
    if (r->failed++ == 0) r->first = row->position;
    return true;
}

static bool count_outcome(void *ud, const struct sg_record_row *row) {
    struct retry *r = ud;
    if (row->position >= r->first) return false;
    if (row->outcome != SG_RECORD_OK) r->to.files[row->outcome].records++;
    return true;
}

static int db_error(struct retry *r, int rc) {
    if (rc < 0) *r->err = *sg_rundb_error(r->k->db);
    return rc;
}

static int pass_what_stays(struct retry *r) {
    int rc = db_error(r, sg_rundb_records(r->k->db, 0, -1, count_outcome, r));
    uint64_t others = 0;
    for (int i = SG_RECORD_OK + 1; i < SG_OUTCOMES; i++) others += r->to.files[i].records;
    r->to.files[SG_RECORD_OK].records = r->first - r->k->id.first - others;
    for (int i = 0; i < SG_OUTCOMES && rc == 0; i++) rc = pass_lines(r, i, r->to.files[i].records);
    return rc;
}

static int forget(struct retry *r, uint64_t position) {
    int rc = sg_rundb_forget_records(r->k->db, position, position + 1, false);
    if (rc == 0) rc = sg_rundb_forget_calls(r->k->db, position, position + 1);
    if (rc == 0) rc = sg_rundb_forget_steps(r->k->db, position, position + 1);
    if (rc == 0) rc = sg_rundb_forget_writers(r->k->db, position, position + 1);
    return db_error(r, rc);
}

/* The line of a record that was written becomes the body of one that waits. */
static int store_line(struct retry *r, struct sg_record_row *row) {
    struct sg_str line;
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

static int move_row(struct retry *r, struct sg_record_row *row) {
    if (row->outcome == SG_RECORD_FAILED) return forget(r, row->position);
    return row->position < r->end ? store_line(r, row) : 0;
}

/* With --keep outputs, ok records that are written have no row. */
static int move_rows_to(struct retry *r, uint64_t position) {
    int rc = 0;
    for (; r->position < position && r->position < r->end && rc == 0; r->position++) {
        struct sg_record_row row = {.position = r->position};
        rc = store_line(r, &row);
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
    r->position = r->first;
    do rc = move_chunk(r);
    while (rc == 0 && r->n_rows == CHUNK);
    return rc == 0 ? move_rows_to(r, r->end) : rc;
}

/* --- the whole -------------------------------------------------------------------------------------------------- */

/* The bodies are on disk before the commit that names them, and that before anything is cut. */
static int commit(struct retry *r) {
    struct sg_keeper *k = r->k;
    int rc = sg_segments_flush(k->segments, r->err);
    sg_segments_newest(k->segments, &r->to.segment, &r->to.segment_bytes);
    sg_segments_unsynced(k->segments, &k->in_line);
    if (rc == 0) rc = sg_sync_run(&k->in_line, r->err);
    if (rc < 0) return rc;
    rc = sg_rundb_forget_causes(k->db);
    if (rc == 0) rc = sg_rundb_meta(k->db, SG_STR("state"), SG_STR("stopped"));
    if (rc == 0) rc = sg_rundb_commit(k->db, &r->to, &r->to);
    if (rc == 0) rc = sg_rundb_sync(k->db, r->err);
    else db_error(r, rc);
    if (rc == 0) sg_os->unlink(r->w.files[SG_RECORD_FAILED].path.p); /* nothing has failed any more */
    return rc;
}

/* Where in the source the first of them begins is not known: its rows are passed over one by one. */
static int take_back(struct retry *r) {
    int rc = 0;
    r->to = r->k->now;
    r->to.totals.outcomes[SG_RECORD_FAILED] = 0;
    r->end = r->to.position;
    if (r->first < r->end) {
        r->to.position = r->first;
        r->to.row = r->to.line = r->to.offset = 0;
        for (int i = 0; i < SG_OUTCOMES; i++) r->to.files[i].records = 0;
        rc = open_lines(r);
        if (rc == 0) rc = pass_what_stays(r);
    }
    if (rc == 0) rc = move_all(r);
    return rc == 0 ? commit(r) : rc;
}

static int retry(struct retry *r) {
    struct sg_output_resumed resumed;
    sg_writer_resume(&r->w, &resumed);
    sg_writer_flush(&r->w); /* what no longer waits */
    if (r->w.failed) return *r->err = r->w.err, r->err->code;
    return take_back(r);
}

/* Without touching anything. */
static int count_failed(struct retry *r, const char *run_folder) {
    struct sg_run_identity id;
    struct sg_rundb *db;
    struct sg_arena scratch;
    sg_arena_init(&scratch, 0);
    int rc = sg_rundb_view(run_folder, &scratch, &id, &db, r->err);
    if (rc == 0) {
        rc = sg_rundb_records(db, 0, SG_RECORD_FAILED, note_failed, r);
        if (rc < 0) *r->err = *sg_rundb_error(db);
        sg_rundb_close(db);
    }
    sg_arena_fini(&scratch);
    return rc;
}

int sg_output_retry(const struct sg_output_options *o, uint64_t *n, struct sg_err *err) {
    struct sg_err own;
    struct retry *r = sg_xcalloc(1, sizeof *r);
    r->err = err ? err : &own;
    r->text = SG_BUF_INIT(SIZE_MAX);
    for (int i = 0; i < SG_OUTCOMES; i++) r->fds[i] = -1;
    int rc = sg_writer_open_again(&r->w, o, r->err);
    if (rc == 0) {
        r->k = r->w.keeper;
        rc = count_failed(r, r->w.run_folder.p);
        if (rc == 0 && r->failed) rc = retry(r);
        sg_writer_close(&r->w);
    }
    for (int i = 0; i < SG_OUTCOMES; i++) {
        if (r->fds[i] >= 0) sg_os->close(r->fds[i]);
        sg_splitter_fini(&r->in[i]);
    }
    *n = r->failed;
    sg_buf_fini(&r->text);
    free(r);
    return rc;
}
