/* SPDX-License-Identifier: Apache-2.0 */
/* data: records in and out. A source is pulled, never loaded; the output is written in input order (design D7, D8).
 *
 * Memory: a row owns its arena, which becomes the record's; outputs are copied before sg_output_put returns.
 * Thread: loop for all functions; reading, decoding and writing happen on two workers hidden here.
 * Async: callbacks never from inside the call that asks. */
#ifndef SG_DATA_DATA_H
#define SG_DATA_DATA_H

#include "net/loop.h"
#include "spec/spec.h"

/* --- source ----------------------------------------------------------------------------------------------------- */

struct sg_source;

struct sg_source_options {
    const struct sg_source_spec *spec; /* NULL: data-less, records are {} */
    struct sg_str id_column;           /* empty: none */
    bool want_ids;                     /* every record gets an `id` (design section 7, "record ids") */
    uint64_t seed;                     /* of data-less ids */
    uint64_t start;                    /* rows skipped in front */
    uint64_t count;                    /* rows delivered at most; UINT64_MAX: all */
};

struct sg_row {
    uint64_t position;     /* in the source: start, start + 1, ... */
    uint64_t line, offset; /* of the file; line 0: none */
    struct sg_arena arena; /* taken by the caller */
    struct sg_json value;  /* an object, when status is 0 */
    int status;            /* SG_E_SYNTAX, SG_E_TYPE, SG_E_LIMIT: this row is a failed record */
    struct sg_str error;   /* in the arena: "data.jsonl:17: byte 1234: ...", line from 1, byte of the file from 0 */
};

/* The file is opened here (and only here may it fail for being absent, a folder, unreadable); nothing is read yet. */
int sg_source_open(struct sg_loop *l, const struct sg_source_options *o, struct sg_source **out, struct sg_err *err);

typedef void sg_rows_fn(void *ud, struct sg_row *rows, size_t n, bool ended, int status, const struct sg_err *err);
/* Asks for at most `max` rows; one request at a time. It brings what is ready, at least one row unless `ended`:
 * nothing follows. The callback takes the arenas of rows[0..n), and may pull again or close. status != 0: the source
 * is broken from here on (torn file, read error); rows before it were delivered. */
void sg_source_pull(struct sg_source *s, size_t max, sg_rows_fn *on_rows, void *ud);
void sg_source_close(struct sg_source *s);
/* True when a source is known, without reading on, to hold more rows than were delivered; *total, all rows of the
 * source with those in front of `start`, when that is known. */
bool sg_source_has_more(const struct sg_source *s, bool *total_known, uint64_t *total);
/* The id that want_ids gives a record that has none, in the arena: from its content, or from (seed, position) when
 * `record` is NULL (data-less, or a row that could not be read). */
struct sg_str sg_source_id(struct sg_arena *a, const struct sg_json *record, uint64_t seed, uint64_t position);

/* --- output ----------------------------------------------------------------------------------------------------- */

enum sg_outcome { SG_RECORD_OK, SG_RECORD_FAILED, SG_RECORD_INVALID, SG_RECORD_DROPPED };

struct sg_output_options {
    struct sg_str folder, stem; /* stem: output name without suffix */
    uint64_t first;             /* lowest position */
    uint64_t lines_above;       /* JSON Lines above this many records pulled (25,000), else a JSON array */
    uint64_t memory_bytes;      /* of outputs that wait for an earlier record before they go to disk; 0: 4 MB */
};

struct sg_output;
int sg_output_open(struct sg_loop *l, const struct sg_output_options *o, struct sg_output **out, struct sg_err *err);
/* One call for each position that was pulled, in any order: the record's output as compact JSON text without
 * newline. OK goes to <stem>.part, failed, invalid and dropped ones to <stem>_failed.jsonl and so on, all in order
 * of position. */
void sg_output_put(struct sg_output *o, uint64_t position, enum sg_outcome outcome, struct sg_str json);
/* Tells how many rows have been pulled so far: above lines_above, the array becomes lines. */
void sg_output_pulled(struct sg_output *o, uint64_t count);
/* Too much is waiting to be written: admit no new record until on_room. */
bool sg_output_full(const struct sg_output *o);
void sg_output_on_room(struct sg_output *o, void (*fn)(void *ud), void *ud);
/* A write failed (disk full, ...): called once; what is in .part stays valid up to its last whole record. */
void sg_output_on_error(struct sg_output *o, void (*fn)(void *ud, const struct sg_err *err), void *ud);

struct sg_output_result {
    struct sg_str path; /* of the output ("[]" when no record was ok), or of .part; empty when there is neither */
    struct sg_str others[4]; /* paths of failed, invalid, dropped by enum sg_outcome; empty when none */
    uint64_t written[4];     /* records by outcome */
};
/* Writes what is left, syncs, renames .part to its final name when `complete`; else leaves .part, which ends before
 * the first position without outcome. Texts of the result live until close. */
void sg_output_finish(struct sg_output *o, bool complete,
                      void (*fn)(void *ud, int status, const struct sg_output_result *r, const struct sg_err *err),
                      void *ud);
void sg_output_close(struct sg_output *o);
struct sg_output_figures {
    uint64_t bytes, spilled_bytes, waiting; /* waiting: records behind a straggler */
    uint64_t contiguous;                    /* records written in order so far */
};
void sg_output_figures(const struct sg_output *o, struct sg_output_figures *out);

#endif
