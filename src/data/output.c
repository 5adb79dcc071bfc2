/* SPDX-License-Identifier: Apache-2.0 */
/* output: the loop's side of writing: outputs are copied into blocks, blocks are jobs of a worker (writer.h).
 *
 * A block goes to the worker when it is full (64 kB: at 25,000 records a second one wake-up for 30 records) and
 * every 50 ms if it holds something, and then the worker writes all it has. QUEUE_BYTES bounds what is on its way;
 * behind that the engine admits no records until half of it is done.
 *
 * The worker never touches anything here but the block that it works on: what the loop wants to know of the writer
 * is copied into the block at the end of its job. */
#include "data/writer.h"

#include <stdlib.h>

#define BLOCK_BYTES ((size_t)64 << 10)
#define QUEUE_BYTES ((size_t)4 << 20)
#define FLUSH_NS SG_MS(50)
#define SPARE_BLOCKS 4

/* In a block: this, then the text, then up to 7 bytes so that the next one is aligned. */
struct frame {
    uint64_t position;
    uint32_t outcome, length;
};

struct block {
    struct sg_job job;
    struct block *next;
    struct sg_output *output;
    size_t n, cap;
    bool begin, to_lines, flush, finish, complete; /* what to do, in this order around the frames */
    bool failed;                                   /* the answer */
    struct sg_output_figures figures;
    uint64_t bytes[]; /* aligned for frames */
};

struct sg_output {
    struct sg_loop *loop;
    struct sg_worker *worker;
    struct sg_writer writer; /* the worker's while jobs are under way */
    struct sg_timer timer;
    struct block *current;
    struct block *queue, **queue_end; /* with the worker, oldest first */
    struct block *spare;
    size_t n_spare, queued_bytes;
    uint64_t lines_above;
    bool lines, full, failed, finishing;
    struct sg_output_figures figures;
    struct sg_output_result result;
    int status;   /* of the finish */
    bool *closed; /* set by close, for a callback's caller */
    void (*room_fn)(void *ud);
    void *room_ud;
    void (*error_fn)(void *ud, const struct sg_err *err);
    void *error_ud;
    void (*finish_fn)(void *ud, int status, const struct sg_output_result *r, const struct sg_err *err);
    void *finish_ud;
};

/* --- worker ----------------------------------------------------------------------------------------------------- */

static size_t frame_size(size_t length) {
    return sizeof(struct frame) + ((length + 7) & ~(size_t)7);
}

static void write_frames(struct sg_writer *w, const struct block *b) {
    const char *bytes = (const char *)b->bytes;
    for (size_t at = 0; at < b->n;) {
        const struct frame *f = (const struct frame *)(const void *)(bytes + at);
        sg_writer_put(w, f->position, f->outcome, (struct sg_str){bytes + at + sizeof *f, f->length});
        at += frame_size(f->length);
    }
}

static void run_block(struct sg_job *j) {
    struct block *b = j->ud;
    struct sg_output *o = b->output;
    struct sg_writer *w = &o->writer;
    if (b->begin) sg_writer_begin(w);
    write_frames(w, b);
    if (b->to_lines) sg_writer_to_lines(w);
    if (b->flush) sg_writer_flush(w);
    b->figures = (struct sg_output_figures){.bytes = w->bytes,
                                            .spilled_bytes = w->waiting.spilled_bytes,
                                            .waiting = w->waiting.n,
                                            .contiguous = w->waiting.next - w->first};
    if (b->finish) o->status = sg_writer_finish(w, b->complete, &o->result);
    b->failed = w->failed;
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

static void submit(struct sg_output *o) {
    struct block *b = current_block(o);
    o->current = NULL;
    *o->queue_end = b;
    o->queue_end = &b->next;
    sg_worker_submit(o->worker, &b->job);
}

static void on_timer(struct sg_timer *t) {
    struct sg_output *o = t->ud;
    current_block(o)->flush = true;
    submit(o);
}

void sg_output_put(struct sg_output *o, uint64_t position, enum sg_outcome outcome, struct sg_str json) {
    SG_ASSERT(json.n < UINT32_MAX && !o->finishing);
    if (o->failed) return;
    size_t size = frame_size(json.n);
    if (o->current && o->current->cap - o->current->n < size) submit(o);
    if (!o->current) o->current = make_block(o, size);
    struct block *b = o->current;
    char *at = (char *)b->bytes + b->n;
    struct frame frame = {.position = position, .outcome = outcome, .length = (uint32_t)json.n};
    memcpy(at, &frame, sizeof frame);
    if (json.n) memcpy(at + sizeof frame, json.p, json.n);
    b->n += size;
    o->queued_bytes += size;
    if (o->queued_bytes >= QUEUE_BYTES) o->full = true;
    if (!sg_timer_armed(&o->timer)) sg_timer_start(o->loop, &o->timer, FLUSH_NS);
}

void sg_output_pulled(struct sg_output *o, uint64_t count) {
    if (o->lines || count <= o->lines_above || o->finishing) return;
    o->lines = true;
    current_block(o)->to_lines = true;
    submit(o);
}

/* --- loop: what comes back -------------------------------------------------------------------------------------- */

static void tell_error(struct sg_output *o) {
    o->failed = true;
    if (o->error_fn) o->error_fn(o->error_ud, &o->writer.err);
}

static void tell_room(struct sg_output *o) {
    o->full = false;
    if (o->room_fn) o->room_fn(o->room_ud);
}

static void on_written(struct sg_job *j) {
    struct block *b = j->ud;
    struct sg_output *o = b->output;
    bool finished = b->finish, failed_now = b->failed && !o->failed, closed = false;
    SG_ASSERT(o->queue == b);
    o->queue = b->next;
    if (!o->queue) o->queue_end = &o->queue;
    o->queued_bytes -= b->n;
    o->figures = b->figures;
    drop_block(o, b);
    o->closed = &closed;
    if (failed_now) tell_error(o);
    if (!closed && o->full && o->queued_bytes < QUEUE_BYTES / 2) tell_room(o);
    if (closed) return;
    o->closed = NULL;
    if (finished) o->finish_fn(o->finish_ud, o->status, &o->result, o->status ? &o->writer.err : NULL);
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
}

/* --- life ------------------------------------------------------------------------------------------------------- */

int sg_output_open(struct sg_loop *l, const struct sg_output_options *options, struct sg_output **out,
                   struct sg_err *err) {
    struct sg_output *o = sg_xcalloc(1, sizeof *o);
    o->loop = l;
    o->lines_above = options->lines_above;
    o->queue_end = &o->queue;
    o->timer = (struct sg_timer){.on_fire = on_timer, .ud = o};
    int rc = sg_writer_open(&o->writer, options, err);
    if (rc == 0 && sg_worker_open(l, "sygra-write", &o->worker) < 0) {
        sg_writer_close(&o->writer);
        rc = sg_fail(err, SG_E_IO, "no thread for writing");
    }
    if (rc < 0) {
        free(o);
        return rc;
    }
    current_block(o)->begin = true;
    submit(o);
    *out = o;
    return 0;
}

void sg_output_finish(struct sg_output *o, bool complete,
                      void (*fn)(void *ud, int status, const struct sg_output_result *r, const struct sg_err *err),
                      void *ud) {
    SG_ASSERT(!o->finishing && fn);
    o->finishing = true;
    o->finish_fn = fn;
    o->finish_ud = ud;
    sg_timer_stop(o->loop, &o->timer);
    current_block(o)->finish = true;
    o->current->complete = complete;
    submit(o);
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
    sg_worker_close(o->worker);
    sg_writer_close(&o->writer);
    free_blocks(o->queue);
    free_blocks(o->spare);
    free(o->current);
    free(o);
}
