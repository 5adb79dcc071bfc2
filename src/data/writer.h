/* SPDX-License-Identifier: Apache-2.0 */
/* writer: what happens to outputs on the worker: into order, into their files. Private to data.
 *
 * Thread: one (the writer's worker); opened and closed by the loop while no job runs.
 * Errors: the first one is kept in `err`; from then on nothing is written and nothing waits. */
#ifndef SG_DATA_WRITER_H
#define SG_DATA_WRITER_H

#include "data/data.h"
#include "data/outfile.h"
#include "data/waiting.h"

#define SG_OUTCOMES 4

struct sg_writer {
    struct sg_arena arena;
    struct sg_str folder, final_json, final_lines; /* paths, as all below: ending in NUL */
    struct sg_outfile files[SG_OUTCOMES];          /* by outcome; files[SG_RECORD_OK] is .part */
    uint64_t bytes;                                /* of outputs written in order */
    struct sg_waiting waiting;
    uint64_t first;
    bool failed;
    struct sg_err err;
};

/* Makes the folder and .part, so that a run which cannot write does not start. */
int sg_writer_open(struct sg_writer *w, const struct sg_output_options *o, struct sg_err *err);
void sg_writer_close(struct sg_writer *w);
/* What .part holds of an earlier run goes. */
void sg_writer_begin(struct sg_writer *w);
void sg_writer_put(struct sg_writer *w, uint64_t position, enum sg_outcome outcome, struct sg_str json);
void sg_writer_flush(struct sg_writer *w);
void sg_writer_to_lines(struct sg_writer *w);
/* Paths in the result live until close. */
int sg_writer_finish(struct sg_writer *w, bool complete, struct sg_output_result *out);

#endif
