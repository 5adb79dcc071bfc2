/* SPDX-License-Identifier: Apache-2.0 */
/* writer: what happens to outputs on the worker: into order, into their files, into the run folder. Private to data.
 *
 * Thread: one (the writer's worker); opened and closed by the loop while no job runs.
 * Errors: the first one is kept in `err`; from then on nothing is written and nothing waits. */
#ifndef SG_DATA_WRITER_H
#define SG_DATA_WRITER_H

#include "data/keeper.h"

struct sg_writer {
    struct sg_arena arena;
    struct sg_str folder, run_folder, final_json, final_lines; /* paths, as all below: ending in NUL */
    struct sg_outfile files[SG_OUTCOMES];                      /* by outcome; files[SG_RECORD_OK] is .part */
    uint64_t bytes;                                            /* of outputs written in order by this process */
    struct sg_waiting waiting;
    uint64_t first;
    struct sg_run_lock lock;
    struct sg_keeper *keeper; /* NULL: no run folder */
    struct sg_tallies tallies;
    struct sg_str replaced;   /* an output that this run had when it was finished before; it goes when the new one stands */
    bool stale;               /* no run folder is wanted, but an older run's is there */
    bool failed;
    struct sg_err err;
};

/* Makes the folder and .part, so that a run which cannot write does not start, and takes the run folder's lock. */
int sg_writer_open(struct sg_writer *w, const struct sg_output_options *o, struct sg_err *err);
/* The same for a run that goes on, of which nothing is touched yet. */
int sg_writer_open_again(struct sg_writer *w, const struct sg_output_options *o, struct sg_err *err);
void sg_writer_close(struct sg_writer *w);
/* What an earlier run left goes. */
void sg_writer_begin(struct sg_writer *w);
/* What an earlier process left goes on (resume.c). Its memory lives until close. */
void sg_writer_resume(struct sg_writer *w, struct sg_output_resumed *out);
void sg_writer_record(struct sg_writer *w, const struct sg_ended *e);
void sg_writer_call(struct sg_writer *w, const struct sg_call_row *row, uint32_t kind, struct sg_str body);
void sg_writer_step(struct sg_writer *w, const struct sg_step_row *row, struct sg_str body);
void sg_writer_meta(struct sg_writer *w, struct sg_str key, struct sg_str value);
void sg_writer_source(struct sg_writer *w, const struct sg_run_source *source);
/* How far the source has been pulled and read. */
void sg_writer_pulled(struct sg_writer *w, uint64_t pulled, uint64_t read_bytes, uint32_t read_crc);
/* Everything that came is in its file, and with a run folder committed. */
void sg_writer_flush(struct sg_writer *w);
/* There is enough for a commit. */
bool sg_writer_is_full(const struct sg_writer *w);
void sg_writer_to_lines(struct sg_writer *w);
/* An error from elsewhere: nothing more is written. */
void sg_writer_break(struct sg_writer *w, const struct sg_err *err);
/* Paths in the result live until close. */
int sg_writer_finish(struct sg_writer *w, bool complete, struct sg_output_result *out);
/* Writes out what waits for nobody any more (for resume.c). */
void sg_writer_emit_waiting(struct sg_writer *w);

#endif
