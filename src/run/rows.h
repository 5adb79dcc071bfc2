/* SPDX-License-Identifier: Apache-2.0 */
/* rows: what a run reads: its source as it is, or what the source's transforms make of it. Private to run.
 *
 * Transforms of a whole list are run once, before the first record, by one Python process that sees every row: what they make goes
 * into a file, input.jsonl of the run folder, which is the run's source from then on. So no list is ever in the engine's memory, and
 * whatever comes later (resume, retry, why, replay) needs neither the input nor the transforms again. Where there is no run folder
 * (preview, --no_journal) the file has no name once it is open.
 * Transforms of a stream are called for each batch of rows on its way from the reader to the engine.
 *
 * Errors: a transform of a list that fails ends the opening of the run; one of a stream makes the row a failed record. */
#ifndef SG_RUN_ROWS_H
#define SG_RUN_ROWS_H

#include "run/parts.h"

/* The source has transforms that need the whole list. */
bool sg_rows_are_listed(const struct run *r);
/* It has transforms for one row at a time. */
bool sg_rows_are_streamed(const struct run *r);
/* Runs them, unless the run folder has what they make. */
int sg_rows_make(struct run *r, struct sg_err *err);
/* Once there is a run folder: what was made moves there. A run that goes on, and was killed before that, makes it now. */
int sg_rows_keep(struct run *r, struct sg_err *err);

/* The hooks that a stream's transforms are, and all that are closures; before the run's hooks are loaded. False: there are none. */
bool sg_rows_add_hooks(struct run *r);
/* Sets what the source is read from, and what changes its rows; to be opened then. */
void sg_rows_source(struct run *r, struct sg_source_options *o);
/* The call is of a stream, not of a record. */
bool sg_rows_called(const struct run *r, const struct sg_hook_call *c);
/* When the source is open: what had a name only until then loses it. */
void sg_rows_opened(struct run *r);
void sg_rows_close(struct run *r);

/* SHA-256 of the transforms, as hex, in the task's arena; empty: there are none. */
struct sg_str sg_rows_hash(struct run *r);

/* --- rows_list.c, rows_stream.c --- */
/* Adds the transforms to a pool; the number of all of them, one behind the other. */
int sg_rows_hook(struct run *r, struct sg_hooks *h);
/* {"params","streamed","chain"}: what hosts are told of transforms first to first + n - 1. */
const struct sg_json *sg_rows_config(struct sg_arena *a, const struct sg_source_spec *s, size_t first, size_t n);
/* Rows of the source, through its transforms, into the spool. */
int sg_rows_run_list(struct run *r, struct sg_spool *to, struct sg_err *err);

struct sg_rows_stream;
struct sg_rows_stream *sg_rows_stream_open(struct run *r, int hook);
const struct sg_row_changer *sg_rows_stream_changer(const struct sg_rows_stream *s);
bool sg_rows_stream_called(const struct sg_rows_stream *s, const struct sg_hook_call *c);
void sg_rows_stream_close(struct sg_rows_stream *s);

#endif
