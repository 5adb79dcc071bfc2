/* SPDX-License-Identifier: Apache-2.0 */
/* source: rows on request, read and parsed by a worker.
 *
 * Two batches go round: the loop hands rows of `front` out while the worker fills `back`. The worker is woken when
 * the front is down to a quarter, so a pull is usually answered at once, at most one batch is read ahead, and at low
 * rates the worker sleeps for 200 rows. A batch ends at BATCH_ROWS rows, at BATCH_BYTES of memory, or when a pipe
 * has nothing more for now; the first ones are small, so that the first record starts early.
 *
 *   loop:    request, front, `state` of back, what is known of the end
 *   worker:  `reader`, and back while a job runs
 *
 * The first row that a finished count leaves over is looked for with the last batch, so that has_more costs nothing.
 *
 * A run that goes on begins at a row whose place it knows (of one plain file; else at the first), and passes over finished
 * ones without parsing them. When the files do not look the same any more (size, time, inode), the worker first reads again
 * what had been read of them: they may have grown, but that must not have changed.
 */
#include "data/feed.h"
#include "data/source.h"

#include <stdlib.h>
#include <unistd.h>

#define BATCH_ROWS 256
#define BATCH_BYTES ((size_t)1 << 20)
#define FIRST_BATCH_ROWS 16

struct batch {
    struct sg_row rows[BATCH_ROWS];
    size_t at, n;
    /* What the worker knew when it was full. */
    bool ended, more, total_known;
    uint64_t total;
    uint64_t read_bytes; /* and how far it had read */
    uint32_t read_crc;
    int status;
    struct sg_err err;
};

struct reader {
    struct sg_feed feed;
    bool from_file;    /* else there is no feed but its maker */
    uint64_t position; /* of the next row */
    uint64_t start, end;
    const struct sg_range *finished; /* those that end behind `position` */
    size_t n_finished;
    bool compare; /* the first `check_bytes` of the file with what they were */
    uint64_t check_bytes;
    uint32_t check_crc;
    uint64_t read_bytes; /* to the end of the last row that was delivered: what follows may change */
    uint32_t read_crc;
    size_t batch_rows;
    atomic_bool stop; /* set by the loop: skipping to a far `start` must not hold up the end of a run */
};

struct sg_source {
    struct sg_loop *loop;
    struct sg_worker *worker;
    struct sg_job job;
    struct sg_later answer;
    struct sg_arena arena; /* what the worker needs of the spec, copied */
    struct reader reader;
    struct sg_str path;
    const struct sg_row_changer *changer; /* NULL: none */
    struct sg_row_maker after;            /* fields and ids of what it made */
    bool regular;               /* else a pipe or the like */
    struct sg_run_source looks; /* regular: sizes, times, inodes when it was opened */
    struct batch *front, *back;
    enum { IDLE, READING, CHANGING, READY } state; /* of back */
    sg_rows_fn *on_rows;                 /* the request; NULL: none */
    void *ud;
    size_t max;
};

/* --- worker: filling a batch ------------------------------------------------------------------------------------ */

static bool is_finished(struct reader *r) {
    while (r->n_finished && r->finished->to <= r->position) r->finished++, r->n_finished--;
    return r->position < r->start || (r->n_finished && r->finished->from <= r->position);
}

/* The next row that is wanted, without those in front of it. */
static enum sg_split find_piece(struct reader *r, enum sg_patience patience, struct sg_piece *out,
                                struct sg_err *err) {
    for (;;) {
        enum sg_split got = sg_feed_next(&r->feed, patience, out, err);
        if (got != SG_SPLIT_GOT || !is_finished(r)) return got;
        if (++r->position >= r->end) return SG_SPLIT_LATER;
        if (atomic_load_explicit(&r->stop, memory_order_relaxed)) return SG_SPLIT_LATER;
    }
}

static enum sg_split next_row(struct reader *r, enum sg_patience patience, struct sg_row *out, struct sg_err *err) {
    struct sg_piece piece;
    enum sg_split got = r->from_file ? find_piece(r, patience, &piece, err) : SG_SPLIT_GOT;
    if (got != SG_SPLIT_GOT) return got;
    if (r->from_file) sg_feed_row(&r->feed, &piece, r->position, out);
    else sg_row_make_empty(&r->feed.maker, r->position, out);
    r->position++;
    sg_feed_read(&r->feed, &r->read_bytes, &r->read_crc);
    return SG_SPLIT_GOT;
}

/* All rows wanted are read: is there one more? */
static void look_behind(struct reader *r, struct batch *b) {
    struct sg_piece piece;
    enum sg_split got = r->from_file ? sg_feed_next(&r->feed, SG_NO_READ, &piece, NULL) : SG_SPLIT_ENDED;
    b->ended = true;
    b->more = got == SG_SPLIT_GOT;
    b->total_known = got == SG_SPLIT_ENDED;
    b->total = r->position;
}

static void end_batch(struct reader *r, struct batch *b, enum sg_split how) {
    if (how != SG_SPLIT_ENDED && how != SG_SPLIT_BROKEN) return;
    b->ended = true;
    b->total_known = how == SG_SPLIT_ENDED;
    b->total = r->position;
    b->status = how == SG_SPLIT_BROKEN ? b->err.code : 0;
}

/* Rows without a source need no reading to be passed over. */
static void skip_finished(struct reader *r) {
    while (!r->from_file && r->position < r->end && is_finished(r)) r->position = r->finished->to;
}

static void fill_batch(struct reader *r, struct batch *b) {
    enum sg_split got = SG_SPLIT_GOT;
    size_t bytes = 0;
    skip_finished(r);
    while (b->n < r->batch_rows && bytes < BATCH_BYTES && r->position < r->end) {
        got = next_row(r, b->n ? SG_NO_WAIT : SG_WAIT, &b->rows[b->n], &b->err);
        if (got != SG_SPLIT_GOT) break;
        bytes += b->rows[b->n++].arena.held;
        skip_finished(r);
    }
    if (r->position >= r->end) look_behind(r, b);
    else if (got != SG_SPLIT_GOT) end_batch(r, b, got);
    if (r->batch_rows < BATCH_ROWS) r->batch_rows *= 2;
}

/* --- worker: is it the same file? ------------------------------------------------------------------------------- */

static int compare(struct reader *r, struct sg_err *err) {
    r->compare = false;
    return sg_feed_compare(&r->feed, r->check_bytes, r->check_crc, &r->stop, err);
}

static void run_job(struct sg_job *j) {
    struct sg_source *s = j->ud;
    struct reader *r = &s->reader;
    struct batch *b = s->back;
    int rc = r->compare ? compare(r, &b->err) : 0;
    if (rc == 0) fill_batch(r, b);
    else end_batch(r, b, SG_SPLIT_BROKEN);
    b->read_bytes = r->read_bytes;
    b->read_crc = r->read_crc;
}

/* --- loop: handing out ------------------------------------------------------------------------------------------ */

static size_t rows_left(const struct batch *b) {
    return b->n - b->at;
}

static void free_rows(struct batch *b) {
    for (; b->at < b->n; b->at++) sg_arena_fini(&b->rows[b->at].arena);
}

static void use_back(struct sg_source *s) {
    struct batch *filled = s->back;
    s->back = s->front;
    s->front = filled;
    s->state = IDLE;
}

/* Moves on what can move; true when the request can be answered. */
static bool advance(struct sg_source *s) {
    if (rows_left(s->front) == 0 && s->state == READY) use_back(s);
    bool low = rows_left(s->front) <= s->front->n / 4;
    if (s->state == IDLE && !s->front->ended && low) {
        s->back->at = s->back->n = 0;
        s->back->ended = false;
        s->state = READING;
        sg_worker_submit(s->worker, &s->job);
    }
    return s->on_rows && (rows_left(s->front) > 0 || s->front->ended);
}

/* The callback may close the source: it is the last thing done here. */
static void answer(struct sg_source *s) {
    struct batch *b = s->front;
    sg_rows_fn *on_rows = s->on_rows;
    struct sg_row *rows = b->rows + b->at;
    size_t n = rows_left(b) < s->max ? rows_left(b) : s->max;
    s->on_rows = NULL;
    b->at += n;
    bool ended = b->ended && rows_left(b) == 0;
    int status = ended ? b->status : 0;
    on_rows(s->ud, rows, n, ended, status, status ? &b->err : NULL);
}

static void on_answer(struct sg_later *d) {
    answer(d->ud);
}

static void use_filled(struct sg_source *s) {
    s->state = READY;
    if (advance(s) && !s->answer.queued) answer(s);
}

static void on_changed(void *arg) {
    struct sg_source *s = arg;
    for (size_t i = 0; i < s->back->n; i++) {
        struct sg_row *row = &s->back->rows[i];
        struct sg_json made = row->value;
        if (row->status == 0) sg_row_finish(&s->after, &made, row);
    }
    use_filled(s);
}

static void on_read(struct sg_job *j) {
    struct sg_source *s = j->ud;
    if (!s->changer || s->back->n == 0) {
        use_filled(s);
        return;
    }
    s->state = CHANGING;
    s->changer->start(s->changer->ud, s->back->rows, s->back->n, on_changed, s);
}

void sg_source_pull(struct sg_source *s, size_t max, sg_rows_fn *on_rows, void *ud) {
    SG_ASSERT(!s->on_rows && on_rows && max > 0);
    s->on_rows = on_rows;
    s->ud = ud;
    s->max = max;
    if (advance(s)) sg_later(s->loop, &s->answer);
}

bool sg_source_has_more(const struct sg_source *s, bool *total_known, uint64_t *total) {
    const struct batch *b = s->front;
    *total_known = b->ended && b->total_known;
    *total = *total_known ? b->total : 0;
    return rows_left(b) > 0 || (s->state > READING && s->back->n > 0) || (b->ended && b->more);
}

void sg_source_watch(struct sg_source *s) {
    struct sg_feed *f = &s->reader.feed;
    f->with_crc = f->splitter.with_crc = s->regular;
}

void sg_source_mark(const struct sg_source *s, uint64_t *bytes, uint32_t *crc) {
    *bytes = s->front->read_bytes;
    *crc = s->front->read_crc;
}

void sg_source_identity(const struct sg_source *s, struct sg_run_source *out) {
    *out = (struct sg_run_source){.path = s->path, .regular = s->regular};
    if (s->regular) out->size = s->looks.size, out->inode = s->looks.inode, out->mtime_ns = s->looks.mtime_ns;
}

/* --- opening and closing ---------------------------------------------------------------------------------------- */

static bool is_utf8(struct sg_str name) {
    static const char *const names[] = {"",      "utf-8",     "utf8",      "UTF-8", "UTF8",
                                        "utf_8", "utf-8-sig", "utf_8_sig", "ascii", "us-ascii"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (sg_str_eq(name, sg_str(names[i]))) return true;
    return false;
}

/* A source that looks as it did is the same; what else it may be is for the worker to read. */
static int compare_looks(struct sg_source *s, const struct sg_source_from *from, struct sg_err *err) {
    const struct sg_run_source *was = from->was, *is = &s->looks;
    struct reader *r = &s->reader;
    if (!was || !was->regular || from->read_bytes == 0) return 0;
    if (!s->regular) return sg_fail(err, SG_E_CONFLICT, "%s: the input has changed: it was a file", s->path.p);
    r->compare = is->size != was->size || is->inode != was->inode || is->mtime_ns != was->mtime_ns;
    r->check_bytes = from->read_bytes;
    r->check_crc = from->read_crc;
    return 0;
}

static void seek(struct sg_source *s, const struct sg_source_from *from) {
    struct reader *r = &s->reader;
    if (!sg_feed_seeks(&r->feed)) return;
    r->feed.splitter.crc_bytes = from->read_bytes;
    r->feed.splitter.crc = from->read_crc;
    if (from->line == 0 || from->read_bytes < from->offset) return;
    r->position = from->row;
    sg_feed_seek(&r->feed, from->line, from->offset);
}

static int begin_file(struct sg_source *s, const struct sg_source_options *o, struct sg_err *err) {
    const struct sg_source_spec *spec = o->spec;
    s->path = sg_str_dup(&s->arena, spec->path);
    if (!is_utf8(spec->encoding)) {
        return sg_fail(err, SG_E_UNSUPPORTED, "%s: encoding %.*s: not yet, only utf-8", s->path.p,
                       SG_ARG(spec->encoding));
    }
    int rc = sg_feed_open(&s->reader.feed, spec, o->exe_dir, err);
    if (rc < 0) return rc;
    s->reader.from_file = true;
    s->regular = s->reader.feed.info.is_regular;
    if (s->regular) sg_feed_looks(&s->reader.feed, &s->looks);
    return compare_looks(s, &o->from, err);
}

static void copy_finished(struct sg_source *s, const struct sg_source_from *from) {
    struct sg_range *ranges = SG_NEW_N(&s->arena, struct sg_range, from->n_finished);
    if (from->n_finished) memcpy(ranges, from->finished, from->n_finished * sizeof *ranges);
    s->reader.finished = ranges;
    s->reader.n_finished = from->n_finished;
}

static void begin_reader(struct sg_source *s, const struct sg_source_options *o) {
    struct reader *r = &s->reader;
    r->feed.maker.id_column = sg_str_dup(&s->arena, o->id_column);
    r->feed.maker.want_ids = o->want_ids;
    r->feed.maker.seed = o->seed;
    r->position = o->spec ? 0 : o->start;
    r->start = o->start;
    r->end = o->count < UINT64_MAX - o->start ? o->start + o->count : UINT64_MAX;
    r->batch_rows = FIRST_BATCH_ROWS;
    copy_finished(s, &o->from);
    if (o->spec) seek(s, &o->from);
}

/* What is read is not what is delivered: columns that go, and ids, are found in what the changer makes. */
static void read_for_changer(struct sg_source *s, const struct sg_row_changer *changer) {
    struct sg_row_maker *m = &s->reader.feed.maker;
    s->changer = changer;
    s->after = *m;
    *m = (struct sg_row_maker){.name = m->name, .seed = m->seed};
}

int sg_source_open(struct sg_loop *l, const struct sg_source_options *o, struct sg_source **out, struct sg_err *err) {
    struct sg_source *s = sg_xcalloc(1, sizeof *s);
    s->loop = l;
    s->job = (struct sg_job){.run = run_job, .done = on_read, .ud = s};
    s->answer = (struct sg_later){.run = on_answer, .ud = s};
    s->front = sg_xcalloc(1, sizeof *s->front);
    s->back = sg_xcalloc(1, sizeof *s->back);
    sg_arena_init(&s->arena, 512);
    int rc = o->spec ? begin_file(s, o, err) : 0;
    if (rc == 0 && sg_worker_open(l, "sygra-read", &s->worker) < 0)
        rc = sg_fail(err, SG_E_IO, "no thread for reading");
    if (rc < 0) {
        sg_source_close(s);
        return rc;
    }
    begin_reader(s, o);
    if (o->changer) read_for_changer(s, o->changer);
    *out = s;
    return 0;
}

static void stop_waiting(struct sg_source *s) {
    atomic_store(&s->reader.stop, true);
    uint64_t one = 1;
    int wake = s->reader.from_file ? s->reader.feed.wake : -1;
    ssize_t ignored = wake >= 0 ? write(wake, &one, sizeof one) : 0;
    (void)ignored; /* the counter of an eventfd that is never read has room */
}

void sg_source_close(struct sg_source *s) {
    if (!s) return;
    stop_waiting(s);
    sg_later_cancel(s->loop, &s->answer);
    if (s->state == CHANGING) s->changer->cancel(s->changer->ud);
    sg_worker_close(s->worker);
    free_rows(s->front);
    free_rows(s->back);
    if (s->reader.from_file) sg_feed_close(&s->reader.feed);
    sg_arena_fini(&s->arena);
    free(s->front);
    free(s->back);
    free(s);
}
