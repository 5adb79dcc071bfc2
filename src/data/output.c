/* SPDX-License-Identifier: Apache-2.0 */
/* output: the loop's side of writing: what is told is copied into blocks, blocks are jobs of a worker (writer.h).
 *
 * A block goes to the worker when it is full (64 kB: at 25,000 records a second one wake-up for 30 records) and
 * every 50 ms if it holds something, and then the worker writes, and commits, all it has. QUEUE_BYTES bounds what is on its
 * way; behind that the engine admits no records until half of it is done.
 *
 * The worker never touches anything here but the block that it works on: what the loop wants to know of the writer
 * is copied into the block at the end of its job.
 *
 * Syncing goes round once a second, while there is something: a block captures what the last commit says (writer), a second
 * worker syncs that (`round` is its while it runs), and the next block settles it (writer). */
#include "data/source.h"
#include "data/writer.h"

#include <stdlib.h>

#define BLOCK_BYTES ((size_t)64 << 10)
#define QUEUE_BYTES ((size_t)4 << 20)
#define COMMIT_MS 50
#define SYNC_MS 1000
#define SPARE_BLOCKS 4

enum kind { RECORD, CALL, STEP, META };

/* In a block: this, then one of the heads below, then its texts, then up to 7 bytes so that the next one is aligned. */
struct frame {
    uint32_t kind, bytes; /* of all */
};

struct record_head {
    struct sg_record_row row;
    uint64_t offset, put_ns;
    uint32_t json, node, code, text; /* lengths */
    uint32_t writers, work;          /* rows in front of the texts */
};

struct call_head {
    struct sg_call_row row;
    uint64_t body;
    uint32_t kind; /* of the body */
};

struct step_head {
    struct sg_step_row row;
    uint64_t body;
};

struct meta_head {
    uint32_t key, value;
};

struct block {
    struct sg_job job;
    struct block *next;
    struct sg_output *output;
    size_t n, cap;
    uint64_t pulled, read_bytes;
    uint32_t read_crc;
    /* What to do, in this order around the frames. */
    bool begin, resume, settle, source, to_lines, flush, capture, finish, complete;
    bool broken; /* a sync has failed */
    bool failed; /* the answer */
    struct sg_output_figures figures;
    struct sg_output_wait *waits; /* for what the block commits; the loop's */
    uint64_t bytes[]; /* aligned for frames */
};

struct sg_output {
    struct sg_loop *loop;
    struct sg_worker *worker, *syncer;
    struct sg_writer writer; /* the worker's while jobs are under way */
    struct sg_timer timer, sync_timer;
    struct block *current;
    struct sg_output_wait *waits, *committed; /* for the next block that commits; to be told */
    struct block *queue, **queue_end; /* with the worker, oldest first */
    struct block *spare;
    size_t n_spare, queued_bytes;
    uint64_t lines_above, commit_ns, sync_ns;
    bool lines, full, failed, finishing, complete, loading;
    /* Syncing: a round is under way from its capture until its settling is on its way. */
    struct sg_job sync_job;
    struct sg_sync round;
    bool in_round, unsynced;
    int sync_status;
    struct sg_err sync_err;
    uint64_t sync_us, syncs, sync_max_us;
    uint64_t full_since_ns, full_ns; /* how long admission was held back */
    /* The source, as far as it has been pulled. */
    const struct sg_source *source;
    struct sg_run_source source_is; /* does not change once told */
    bool source_told;
    uint64_t first, pulled_before, pulled, read_bytes;
    uint32_t read_crc;
    int64_t started_ms, open_ms; /* wall clock at the run's first start and at open_ns */
    uint64_t open_ns;
    struct sg_output_figures figures;
    struct sg_output_resumed resumed;
    struct sg_past_folder *pasts; /* of a run that goes on */
    struct sg_output_result result;
    int status;   /* of the finish */
    bool *closed; /* set by close, for a callback's caller */
    void (*room_fn)(void *ud);
    void *room_ud;
    void (*error_fn)(void *ud, const struct sg_err *err);
    void *error_ud;
    sg_resumed_fn *resumed_fn;
    void *resumed_ud;
    void (*finish_fn)(void *ud, int status, const struct sg_output_result *r, const struct sg_err *err);
    void *finish_ud;
};

/* --- worker ----------------------------------------------------------------------------------------------------- */

static struct sg_str cut_text(const char **p, size_t n) {
    struct sg_str s = {*p, n};
    *p += n;
    return s;
}

static void write_record(struct sg_writer *w, const char *p) {
    const struct record_head *h = (const void *)p;
    p += sizeof *h;
    struct sg_ended e = {.row = h->row, .offset = h->offset, .put_ns = h->put_ns};
    e.work = (const void *)p;
    e.n_work = h->work;
    p += h->work * sizeof *e.work;
    e.writers = (const void *)p;
    e.n_writers = h->writers;
    p += h->writers * sizeof *e.writers;
    e.json = cut_text(&p, h->json);
    e.node = cut_text(&p, h->node);
    e.code = cut_text(&p, h->code);
    e.text = cut_text(&p, h->text);
    sg_writer_record(w, &e);
}

static void write_frame(struct sg_writer *w, uint32_t kind, const char *p) {
    if (kind == RECORD) {
        write_record(w, p);
    } else if (kind == CALL) {
        const struct call_head *h = (const void *)p;
        sg_writer_call(w, &h->row, h->kind, (struct sg_str){p + sizeof *h, h->body});
    } else if (kind == STEP) {
        const struct step_head *h = (const void *)p;
        sg_writer_step(w, &h->row, (struct sg_str){p + sizeof *h, h->body});
    } else {
        const struct meta_head *h = (const void *)p;
        const char *texts = p + sizeof *h;
        struct sg_str key = cut_text(&texts, h->key);
        sg_writer_meta(w, key, cut_text(&texts, h->value));
    }
}

static void write_frames(struct sg_writer *w, const struct block *b) {
    const char *bytes = (const char *)b->bytes;
    for (size_t at = 0; at < b->n;) {
        const struct frame *f = (const void *)(bytes + at);
        write_frame(w, f->kind, bytes + at + sizeof *f);
        at += f->bytes;
    }
}

static void tell_figures(const struct sg_writer *w, struct sg_output_figures *f) {
    *f = (struct sg_output_figures){.bytes = w->bytes,
                                    .spilled_bytes = w->waiting.spilled_bytes,
                                    .waiting = w->waiting.n,
                                    .contiguous = w->waiting.next - w->first};
    if (!w->keeper) return;
    f->commits = w->keeper->commits;
    f->lag_p50_us = sg_lag_quantile(&w->keeper->lag, 0.5);
    f->lag_p99_us = sg_lag_quantile(&w->keeper->lag, 0.99);
    f->lag_max_us = w->keeper->lag.max_us;
}

static void run_block(struct sg_job *j) {
    struct block *b = j->ud;
    struct sg_output *o = b->output;
    struct sg_writer *w = &o->writer;
    if (b->broken) sg_writer_break(w, &o->sync_err);
    if (b->begin) sg_writer_begin(w);
    if (b->resume) sg_writer_resume(w, &o->resumed);
    if (b->settle && !w->failed) sg_keeper_settle(w->keeper);
    if (b->source) sg_writer_source(w, &o->source_is);
    sg_writer_pulled(w, b->pulled, b->read_bytes, b->read_crc);
    write_frames(w, b);
    if (b->to_lines) sg_writer_to_lines(w);
    if (b->flush || sg_writer_is_full(w)) sg_writer_flush(w);
    if (b->capture && !w->failed) sg_keeper_capture(w->keeper, w->files, &o->round);
    if (b->finish) o->status = sg_writer_finish(w, b->complete, &o->result);
    tell_figures(w, &b->figures);
    b->failed = w->failed;
}

static void run_sync(struct sg_job *j) {
    struct sg_output *o = j->ud;
    uint64_t begin = sg_os->now_ns();
    o->sync_status = sg_sync_run(&o->round, &o->sync_err);
    if (o->sync_status == 0) o->sync_status = sg_rundb_sync(o->writer.keeper->db, &o->sync_err);
    o->sync_us = (sg_os->now_ns() - begin) / 1000;
}

/* --- loop: blocks ----------------------------------------------------------------------------------------------- */

static void on_written(struct sg_job *j);

static struct block *make_block(struct sg_output *o, size_t cap) {
    struct block *b = o->spare;
    if (b && cap <= BLOCK_BYTES) {
        o->spare = b->next;
        o->n_spare--;
    } else {
        b = sg_xmalloc(sizeof *b + (cap > BLOCK_BYTES ? cap : BLOCK_BYTES));
    }
    *b = (struct block){.output = o, .cap = cap > BLOCK_BYTES ? cap : BLOCK_BYTES};
    b->job = (struct sg_job){.run = run_block, .done = on_written, .ud = b};
    return b;
}

static void drop_block(struct sg_output *o, struct block *b) {
    if (b->cap > BLOCK_BYTES || o->n_spare == SPARE_BLOCKS) {
        free(b);
        return;
    }
    b->next = o->spare;
    o->spare = b;
    o->n_spare++;
}

static struct block *current_block(struct sg_output *o) {
    if (!o->current) o->current = make_block(o, 0);
    return o->current;
}

static void take_waits(struct sg_output *o, struct block *b) {
    b->waits = o->waits;
    o->waits = NULL;
    for (struct sg_output_wait *w = b->waits; w; w = w->next_) w->block_ = b;
}

static void submit(struct sg_output *o) {
    struct block *b = current_block(o);
    b->pulled = o->pulled;
    b->read_bytes = o->read_bytes;
    b->read_crc = o->read_crc;
    b->broken = !o->in_round && o->sync_status < 0;
    if (b->flush || b->finish) take_waits(o, b);
    o->current = NULL;
    *o->queue_end = b;
    o->queue_end = &b->next;
    sg_worker_submit(o->worker, &b->job);
}

static bool syncs_by_time(const struct sg_output *o) {
    return o->syncer && o->writer.keeper->id.durability == SG_DURABILITY_1S;
}

static void arm_sync(struct sg_output *o) {
    if (o->unsynced && !o->in_round && !o->finishing && !sg_timer_armed(&o->sync_timer))
        sg_timer_start(o->loop, &o->sync_timer, o->sync_ns);
}

static void on_timer(struct sg_timer *t) {
    struct sg_output *o = t->ud;
    current_block(o)->flush = true;
    submit(o);
    o->unsynced = syncs_by_time(o);
    arm_sync(o);
}

static void on_sync_timer(struct sg_timer *t) {
    struct sg_output *o = t->ud;
    struct block *b = current_block(o);
    b->flush = b->capture = true;
    o->in_round = true;
    o->unsynced = false;
    submit(o);
}

/* Room for a frame's head and texts, behind its beginning. */
static char *add_frame(struct sg_output *o, enum kind kind, size_t bytes) {
    size_t size = (sizeof(struct frame) + bytes + 7) & ~(size_t)7;
    SG_ASSERT(size < UINT32_MAX && !o->finishing && !o->loading);
    if (o->current && o->current->cap - o->current->n < size) submit(o);
    if (!o->current) o->current = make_block(o, size);
    char *at = (char *)o->current->bytes + o->current->n;
    struct frame frame = {kind, (uint32_t)size};
    memcpy(at, &frame, sizeof frame);
    o->current->n += size;
    o->queued_bytes += size;
    if (o->queued_bytes >= QUEUE_BYTES && !o->full) {
        o->full = true;
        o->full_since_ns = sg_loop_now_ns(o->loop);
    }
    if (!sg_timer_armed(&o->timer)) sg_timer_start(o->loop, &o->timer, o->commit_ns);
    return at + sizeof frame;
}

static char *put_bytes(char *to, const void *p, size_t n) {
    if (n) memcpy(to, p, n);
    return to + n;
}

/* --- loop: what is told ----------------------------------------------------------------------------------------- */

static void put_record(struct sg_output *o, const struct sg_output_record *r, struct sg_str code,
                       struct sg_str text) {
    struct record_head h = {.row = {.position = r->position,
                                    .line = r->line,
                                    .outcome = (int)r->outcome,
                                    .started = r->started,
                                    .ended = r->ended,
                                    .steps = r->steps,
                                    .attempts = r->attempts},
                            .offset = r->offset,
                            .put_ns = sg_loop_now_ns(o->loop),
                            .json = (uint32_t)r->json.n,
                            .node = code.n ? (uint32_t)r->node.n : 0,
                            .code = (uint32_t)code.n,
                            .text = (uint32_t)text.n,
                            .work = (uint32_t)r->n_work};
    bool keeps_writers = o->writer.keeper && o->writer.keeper->id.keep != SG_KEEP_OUTPUTS;
    h.writers = keeps_writers ? (uint32_t)r->n_writers : 0;
    size_t work = h.work * sizeof *r->work, writers = h.writers * sizeof *r->writers;
    SG_ASSERT(r->json.n < UINT32_MAX);
    char *to = add_frame(o, RECORD, sizeof h + work + writers + h.json + h.node + h.code + h.text);
    to = put_bytes(to, &h, sizeof h);
    to = put_bytes(to, r->work, work);
    to = put_bytes(to, r->writers, writers);
    to = put_bytes(to, r->json.p, h.json);
    to = put_bytes(to, r->node.p, h.node);
    to = put_bytes(to, code.p, h.code);
    put_bytes(to, text.p, h.text);
}

void sg_output_record(struct sg_output *o, const struct sg_output_record *r) {
    if (o->failed) return;
    if (!r->err || !o->writer.keeper) {
        put_record(o, r, SG_STR_NONE, SG_STR_NONE);
        return;
    }
    struct sg_buf clean = SG_BUF_INIT(SIZE_MAX);
    sg_redact(&clean, sg_str(r->err->text));
    put_record(o, r, sg_str(sg_error_name(r->err->code)), sg_buf_view(&clean));
    sg_buf_fini(&clean);
}

void sg_output_put(struct sg_output *o, uint64_t position, enum sg_outcome outcome, struct sg_str json) {
    sg_output_record(o, &(struct sg_output_record){.position = position, .outcome = outcome, .json = json});
}

bool sg_output_journals(const struct sg_output *o) {
    return o->writer.keeper != NULL;
}

void sg_output_call(struct sg_output *o, const struct sg_call_row *row, uint32_t kind, struct sg_str body) {
    if (o->failed) return;
    struct call_head h = {.row = *row, .kind = kind, .body = o->writer.keeper ? body.n : 0};
    put_bytes(put_bytes(add_frame(o, CALL, sizeof h + h.body), &h, sizeof h), body.p, h.body);
}

void sg_output_step(struct sg_output *o, const struct sg_step_row *row, struct sg_str body) {
    if (o->failed || !o->writer.keeper) return;
    struct step_head h = {.row = *row, .body = body.n};
    put_bytes(put_bytes(add_frame(o, STEP, sizeof h + h.body), &h, sizeof h), body.p, h.body);
}

void sg_output_meta(struct sg_output *o, struct sg_str key, struct sg_str value) {
    if (o->failed || !o->writer.keeper) return;
    struct meta_head h = {(uint32_t)key.n, (uint32_t)value.n};
    char *to = put_bytes(add_frame(o, META, sizeof h + key.n + value.n), &h, sizeof h);
    put_bytes(put_bytes(to, key.p, key.n), value.p, value.n);
}

void sg_output_source(struct sg_output *o, struct sg_source *s) {
    if (!o->writer.keeper) return;
    o->source = s;
    sg_source_watch(s);
}

/* By then the source has been compared with what it was, so what it is now may be noted. */
static void note_source(struct sg_output *o) {
    if (!o->source) return;
    sg_source_mark(o->source, &o->read_bytes, &o->read_crc);
    if (o->source_told) return;
    o->source_told = true;
    sg_source_identity(o->source, &o->source_is);
    current_block(o)->source = true;
}

void sg_output_pulled(struct sg_output *o, uint64_t count) {
    if (o->finishing || o->failed) return;
    uint64_t pulled = o->pulled_before + count;
    o->pulled = o->first + pulled;
    note_source(o);
    if (o->lines || pulled <= o->lines_above) return;
    o->lines = true;
    current_block(o)->to_lines = true;
    submit(o);
}

int64_t sg_output_ms(const struct sg_output *o, uint64_t loop_ns) {
    return o->open_ms - o->started_ms + ((int64_t)loop_ns - (int64_t)o->open_ns) / 1000000;
}

uint64_t sg_output_loop_ns(const struct sg_output *o, int64_t ms) {
    int64_t ns = (ms - (o->open_ms - o->started_ms)) * 1000000 + (int64_t)o->open_ns;
    return ns > 0 ? (uint64_t)ns : 0;
}

/* --- loop: what comes back -------------------------------------------------------------------------------------- */

static void tell_error(struct sg_output *o, const struct sg_err *err) {
    o->failed = true;
    if (o->error_fn) o->error_fn(o->error_ud, err);
}

static void tell_room(struct sg_output *o) {
    o->full = false;
    o->full_ns += sg_loop_now_ns(o->loop) - o->full_since_ns;
    if (o->room_fn) o->room_fn(o->room_ud);
}

/* What the worker found is for the loop from now on. */
static void tell_resumed(struct sg_output *o) {
    const struct sg_output_resumed *r = &o->resumed;
    o->loading = false;
    o->failed = o->writer.failed;
    if (!o->failed) {
        o->first = r->identity.first;
        for (int i = 0; i < SG_OUTCOMES; i++) o->pulled_before += r->totals.outcomes[i];
        o->pulled = o->first + o->pulled_before;
        o->started_ms = r->identity.started_ms;
        o->lines = !o->writer.files[SG_RECORD_OK].array;
        const struct sg_keeper *k = o->writer.keeper;
        if (r->n_half_done)
            o->pasts = sg_past_folder_open(o->worker, k->db, k->segments, r->half_done, r->n_half_done);
    }
    o->resumed_fn(o->resumed_ud, o->failed ? o->writer.err.code : 0, o->failed ? NULL : r,
                  o->failed ? &o->writer.err : NULL);
}

static void add_wait(struct sg_output_wait **list, struct sg_output_wait *w) {
    w->prev_ = NULL;
    w->next_ = *list;
    if (*list) (*list)->prev_ = w;
    *list = w;
}

void sg_output_when_committed(struct sg_output *o, struct sg_output_wait *w) {
    SG_ASSERT(o->writer.keeper && w->fn);
    w->block_ = NULL;
    add_wait(&o->waits, w);
    if (!o->failed && !sg_timer_armed(&o->timer)) sg_timer_start(o->loop, &o->timer, o->commit_ns);
}

void sg_output_wait_cancel(struct sg_output *o, struct sg_output_wait *w) {
    struct block *b = w->block_;
    struct sg_output_wait **list = w->block_ == &o->committed ? &o->committed : b ? &b->waits : &o->waits;
    *(w->prev_ ? &w->prev_->next_ : list) = w->next_;
    if (w->next_) w->next_->prev_ = w->prev_;
}

/* One may cancel others, or end the output. */
static void tell_committed(struct sg_output *o, const bool *closed) {
    while (!*closed && o->committed) {
        struct sg_output_wait *w = o->committed;
        sg_output_wait_cancel(o, w);
        w->fn(w);
    }
}

static void drop_written(struct sg_output *o, struct block *b) {
    SG_ASSERT(o->queue == b);
    o->queue = b->next;
    if (!o->queue) o->queue_end = &o->queue;
    o->queued_bytes -= b->n;
    o->figures = b->figures;
    drop_block(o, b);
}

static void submit_finish(struct sg_output *o) {
    struct block *b = current_block(o);
    b->finish = true;
    b->complete = o->complete;
    submit(o);
}

static void end_capture(struct sg_output *o, bool good) {
    o->in_round = good;
    if (good) sg_worker_submit(o->syncer, &o->sync_job);
    else if (o->finishing) submit_finish(o);
}

static void commit_waits(struct sg_output *o, struct block *b) {
    while (b->waits) {
        struct sg_output_wait *w = b->waits;
        sg_output_wait_cancel(o, w);
        w->block_ = &o->committed;
        add_wait(&o->committed, w);
    }
}

static void on_written(struct sg_job *j) {
    struct block *b = j->ud;
    struct sg_output *o = b->output;
    bool finished = b->finish, resumed = b->resume, captured = b->capture, closed = false;
    bool failed_now = b->failed && !o->failed && !resumed;
    if (captured) end_capture(o, !b->failed);
    if (!b->failed) commit_waits(o, b);
    drop_written(o, b);
    o->closed = &closed;
    if (resumed) tell_resumed(o);
    if (failed_now) tell_error(o, &o->writer.err);
    tell_committed(o, &closed);
    if (!closed && o->full && o->queued_bytes < QUEUE_BYTES / 2) tell_room(o);
    if (closed) return;
    o->closed = NULL;
    if (finished) o->finish_fn(o->finish_ud, o->status, &o->result, o->status ? &o->writer.err : NULL);
}

/* A failed sync is final: which of the bytes are on disk is not known any more. */
static void on_synced(struct sg_job *j) {
    struct sg_output *o = j->ud;
    bool closed = false;
    o->in_round = false;
    o->syncs++;
    if (o->sync_us > o->sync_max_us) o->sync_max_us = o->sync_us;
    if (o->sync_status == 0) current_block(o)->settle = true;
    o->closed = &closed;
    if (o->sync_status < 0 && !o->failed) tell_error(o, &o->sync_err);
    if (closed) return;
    o->closed = NULL;
    if (o->finishing) submit_finish(o);
    else arm_sync(o);
}

bool sg_output_full(const struct sg_output *o) {
    return o->full;
}

void sg_output_on_room(struct sg_output *o, void (*fn)(void *ud), void *ud) {
    o->room_fn = fn;
    o->room_ud = ud;
}

void sg_output_on_error(struct sg_output *o, void (*fn)(void *ud, const struct sg_err *err), void *ud) {
    o->error_fn = fn;
    o->error_ud = ud;
}

void sg_output_figures(const struct sg_output *o, struct sg_output_figures *out) {
    *out = o->figures;
    out->syncs = o->syncs;
    out->sync_max_us = o->sync_max_us;
    out->read_bytes = o->read_bytes;
    out->read_crc = o->read_crc;
    out->full_us = (o->full_ns + (o->full ? sg_loop_now_ns(o->loop) - o->full_since_ns : 0)) / 1000;
}

const struct sg_past_source *sg_output_pasts(struct sg_output *o) {
    return o->pasts ? sg_past_folder_source(o->pasts) : NULL;
}

/* --- life ------------------------------------------------------------------------------------------------------- */

static int open_workers(struct sg_output *o, struct sg_err *err) {
    int rc = sg_worker_open(o->loop, "sygra-write", &o->worker);
    if (rc == 0 && o->writer.keeper) rc = sg_worker_open(o->loop, "sygra-sync", &o->syncer);
    return rc < 0 ? sg_fail(err, SG_E_IO, "no thread for writing") : 0;
}

static struct sg_output *new_output(struct sg_loop *l, const struct sg_output_options *options) {
    struct sg_output *o = sg_xcalloc(1, sizeof *o);
    o->loop = l;
    o->lines_above = options->lines_above;
    o->commit_ns = SG_MS(options->commit_ms ? options->commit_ms : COMMIT_MS);
    o->sync_ns = SG_MS(options->sync_ms ? options->sync_ms : SYNC_MS);
    o->queue_end = &o->queue;
    o->timer = (struct sg_timer){.on_fire = on_timer, .ud = o};
    o->sync_timer = (struct sg_timer){.on_fire = on_sync_timer, .ud = o};
    o->sync_job = (struct sg_job){.run = run_sync, .done = on_synced, .ud = o};
    o->first = o->pulled = options->first;
    o->open_ns = sg_loop_now_ns(l);
    o->open_ms = sg_os->wall_ns() / 1000000;
    o->started_ms = options->identity ? options->identity->started_ms : o->open_ms;
    return o;
}

/* `rc`: of opening the writer. */
static int end_opening(struct sg_output *o, int rc, struct sg_output **out, struct sg_err *err) {
    if (rc < 0) {
        free(o->current);
        free(o);
        return rc;
    }
    rc = open_workers(o, err);
    if (rc < 0) {
        sg_output_close(o);
        return rc;
    }
    *out = o;
    submit(o);
    return 0;
}

int sg_output_open(struct sg_loop *l, const struct sg_output_options *options, struct sg_output **out,
                   struct sg_err *err) {
    struct sg_output *o = new_output(l, options);
    current_block(o)->begin = true;
    return end_opening(o, sg_writer_open(&o->writer, options, err), out, err);
}

int sg_output_resume(struct sg_loop *l, const struct sg_output_options *options, sg_resumed_fn *fn, void *ud,
                     struct sg_output **out, struct sg_err *err) {
    struct sg_output *o = new_output(l, options);
    o->loading = true;
    o->resumed_fn = fn;
    o->resumed_ud = ud;
    current_block(o)->resume = true;
    return end_opening(o, sg_writer_open_again(&o->writer, options, err), out, err);
}

void sg_output_finish(struct sg_output *o, bool complete,
                      void (*fn)(void *ud, int status, const struct sg_output_result *r, const struct sg_err *err),
                      void *ud) {
    SG_ASSERT(!o->finishing && !o->loading && fn);
    o->finishing = true;
    o->complete = complete;
    o->finish_fn = fn;
    o->finish_ud = ud;
    sg_timer_stop(o->loop, &o->timer);
    sg_timer_stop(o->loop, &o->sync_timer);
    if (!o->in_round) submit_finish(o);
}

const struct sg_tallies *sg_output_tallies(const struct sg_output *o) {
    return &o->writer.tallies;
}

static void free_blocks(struct block *b) {
    while (b) {
        struct block *next = b->next;
        free(b);
        b = next;
    }
}

void sg_output_close(struct sg_output *o) {
    if (!o) return;
    if (o->closed) *o->closed = true;
    sg_timer_stop(o->loop, &o->timer);
    sg_timer_stop(o->loop, &o->sync_timer);
    sg_worker_close(o->worker);
    sg_worker_close(o->syncer);
    sg_past_folder_close(o->pasts);
    sg_sync_fini(&o->round);
    sg_writer_close(&o->writer);
    free_blocks(o->queue);
    free_blocks(o->spare);
    free(o->current);
    free(o);
}
