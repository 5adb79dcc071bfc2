/* SPDX-License-Identifier: Apache-2.0 */
/* data: records in and out. A source is pulled, never loaded; the output is written in input order (design D7, D8).
 *
 * Memory: a row owns its arena, which becomes the record's; names of its columns may live in the source. Outputs are copied before sg_output_put returns.
 * Thread: loop for all functions; reading, decoding and writing happen on two workers hidden here.
 * Async: callbacks never from inside the call that asks. */
#ifndef SG_DATA_DATA_H
#define SG_DATA_DATA_H

#include "data/past.h"
#include "journal/rundb.h"
#include "net/loop.h"
#include "spec/spec.h"

/* --- source ----------------------------------------------------------------------------------------------------- */

struct sg_source;

/* Positions from..to, the last not included. */
struct sg_range {
    uint64_t from, to;
};

/* Where a run that goes on begins in its source (what sg_output_resume says). All zero: at the beginning. */
struct sg_source_from {
    uint64_t row, line, offset;      /* row `row` begins there; line 0: not known, read from the beginning */
    const struct sg_range *finished; /* sorted: not delivered */
    size_t n_finished;
    const struct sg_run_source *was; /* NULL: not compared */
    uint64_t read_bytes; /* these first bytes must be what they were, if the file is not the same any more */
    uint32_t read_crc;
};

struct sg_row;
/* Changes rows between their reading and their delivery; fields and ids are of what it makes of them. */
struct sg_row_changer {
    /* Sets value, or status and error, of rows[0..n) whose status is 0; values live in the row's arena. Then `done` is to be
     * called, once, not from inside. One batch at a time, in order. */
    void (*start)(void *ud, struct sg_row *rows, size_t n, void (*done)(void *arg), void *arg);
    void (*cancel)(void *ud); /* `done` is not to be called any more */
    void *ud;
};

struct sg_source_options {
    const struct sg_source_spec *spec; /* NULL: data-less, records are {} */
    const struct sg_row_changer *changer; /* NULL: rows are delivered as they were read */
    const char *exe_dir;               /* of the program: where DuckDB is looked for first; may be NULL */
    struct sg_str id_column;           /* empty: none */
    bool want_ids;                     /* every record gets an `id` (design section 7, "record ids") */
    uint64_t seed;                     /* of data-less ids */
    uint64_t start;                    /* rows skipped in front */
    uint64_t count;                    /* rows from there on, finished ones included; UINT64_MAX: all */
    struct sg_source_from from;        /* copied */
};

struct sg_row {
    uint64_t position;     /* in the source: start, start + 1, ... */
    uint64_t line, offset; /* of the file; line 0: none */
    struct sg_arena arena; /* taken by the caller */
    struct sg_json value;  /* an object, when status is 0 */
    int status;            /* SG_E_SYNTAX, SG_E_TYPE, SG_E_LIMIT: this row is a failed record */
    struct sg_str error;   /* in the arena: "data.jsonl:17: byte 1234: ...", line from 1, byte of the file from 0 */
};

/* The first file is opened here (and only here may it fail for being absent, a folder, unreadable); nothing is read yet. A
 * run that goes on: SG_E_CONFLICT, here or from the first pull, when the input has changed since in what was read of it.
 * Only rows of one plain file of text are sought; in packed files, tables and several files, those before are passed over. */
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

/* What the input is now, for the identity of a run. The path is the source's. */
void sg_source_identity(const struct sg_source *s, struct sg_run_source *out);

/* --- spool: rows that were made before a run's first record ----------------------------------------------------- */

struct sg_spool;
typedef void sg_spool_fn(void *ud, int status, const struct sg_err *err);
/* Makes the file, empty; SG_E_CONFLICT: another process is at it. `own`: a new file that nobody else may read, since the folder
 * is everybody's; IO: there is one of that name. Rows are added to memory, and written when asked, by a worker;
 * `last`: with a sync. One writing at a time, with one callback. */
int sg_spool_open(struct sg_loop *l, struct sg_str path, bool own, struct sg_spool **out, struct sg_err *err);
void sg_spool_add(struct sg_spool *s, const struct sg_json *row);
void sg_spool_write(struct sg_spool *s, bool last, sg_spool_fn *fn, void *ud);
/* Its name from now on. Once the last has been written. Blocks. */
int sg_spool_keep(struct sg_spool *s, struct sg_str path, struct sg_err *err);
/* A file that was not kept goes. */
void sg_spool_close(struct sg_spool *s);

/* --- column: what samplers draw from ------------------------------------------------------------------------------ */

#define SG_COLUMN_BYTES ((size_t)64 << 20) /* of one column's values at most */

/* One column of a source, whole. */
struct sg_column {
    const struct sg_json *values; /* null where a row does not have it */
    uint64_t n;                   /* at least one */
    uint32_t crc;                 /* CRC-32C of all values */
};

struct sg_columns;
struct sg_column_spec {
    const struct sg_source_spec *source;
    struct sg_str name;
};
typedef void sg_columns_fn(void *ud, int status, const struct sg_err *err);
/* Reads columns on a worker, then calls fn, once. Errors: as of a source; a row that cannot be read, a column that no row
 * has (SG_E_MISSING), one that is too large (SG_E_LIMIT). The specs must live until then; values until sg_columns_close. */
int sg_columns_load(struct sg_loop *l, const struct sg_column_spec *specs, size_t n, const char *exe_dir,
                    sg_columns_fn *fn, void *ud, struct sg_columns **out, struct sg_err *err);
/* By number of the spec; once they are loaded. */
const struct sg_column *sg_columns_get(const struct sg_columns *c, size_t i);
void sg_columns_close(struct sg_columns *c);

/* --- output: also the keeper of the run folder (docs/formats/run-folder.md) ------------------------------------- */

enum sg_outcome { SG_RECORD_OK, SG_RECORD_FAILED, SG_RECORD_INVALID, SG_RECORD_DROPPED };

struct sg_output_options {
    struct sg_str folder, stem; /* stem: output name without suffix */
    uint64_t first;             /* lowest position */
    uint64_t lines_above;       /* JSON Lines above this many records pulled (25,000), else a JSON array */
    uint64_t memory_bytes;      /* of outputs that wait for an earlier record before they go to disk; 0: 4 MB */
    /* What goes into the run folder, <folder>/<stem>.run/; copied. NULL: no run folder (--no-journal), and then calls, times
     * and causes go nowhere. For sg_output_resume: what may have changed since (program, options, count, durability, keep). */
    const struct sg_run_identity *identity;
    uint32_t commit_ms, sync_ms; /* how long what has ended may wait for its commit, its sync; 0: 50, 1000 */
};

struct sg_output;
/* A new run. Takes the folder's lock (SG_E_CONFLICT: another process holds it) and makes .part; the rest of the folder is
 * made by the worker while the first requests are out. What an older run of this name left in the run folder goes. */
int sg_output_open(struct sg_loop *l, const struct sg_output_options *o, struct sg_output **out, struct sg_err *err);

/* A run that goes on. All of it lives until the output is closed. */
struct sg_output_resumed {
    struct sg_source_from from; /* for sg_source_options */
    uint64_t position;          /* all before it are finished; others of `from.finished` are behind it */
    struct sg_run_totals totals;
    /* Of unfinished records: */
    const uint64_t *half_done; /* those of which there are calls or steps, sorted: sg_output_pasts */
    size_t n_half_done;
    uint64_t n_again;            /* calls that are to be tried again */
    uint64_t n_answers, n_steps; /* which need not be asked for, or made, again */
    const struct sg_tally *tallies;  /* of the calls so far */
    size_t n_tallies;
    bool restarted;                  /* the machine was restarted since */
    uint64_t lost;                   /* records whose end was not on disk yet then: they are unfinished again */
    struct sg_run_identity identity; /* as stored, but with what the options changed */
};
typedef void sg_resumed_fn(void *ud, int status, const struct sg_output_resumed *r, const struct sg_err *err);
/* Takes the lock; the folder is loaded by the worker, then fn is called, once. Nothing may be put before. status: SG_E_MISSING
 * (nothing to resume; or .part is gone), SG_E_SYNTAX (damaged, with the place), SG_E_UNSUPPORTED, SG_E_IO, SG_E_CONFLICT (the
 * output of a finished run was changed); then only sg_output_close may follow. A finished run is opened, too (-n has grown): a
 * copy of its output becomes .part. Where only the rename at the end was missing, finishing it again does that. */
int sg_output_resume(struct sg_loop *l, const struct sg_output_options *o, sg_resumed_fn *fn, void *ud,
                     struct sg_output **out, struct sg_err *err);

/* Finished records that are to be unfinished again. */
struct sg_output_again {
    bool outcomes[4]; /* that ended so (enum sg_outcome): all their calls are asked anew */
    bool mapped;      /* that came to the output map, so ok and invalid ones; their answers stay, as those of ... */
    const struct sg_range *positions; /* ... these, sorted */
    size_t n_positions;
    const struct sg_run_identity *was, *is; /* the task is another one from now on; NULL: it is as it was */
};
/* For `sygra retry` and changed tasks, before sg_output_resume: makes records unfinished again, *n of them. Nobody may hold
 * the folder. What came behind the first of them waits in the run folder until its turn comes again. One commit: a death
 * before it has changed nothing that a resume would notice. Blocks. */
int sg_output_take_back(const struct sg_output_options *o, const struct sg_output_again *again, uint64_t *n,
                        struct sg_err *err);

/* Whose reading is to be noted, so that a resume can tell whether the input changed. Before the first pull. */
void sg_output_source(struct sg_output *o, struct sg_source *s);

/* Times of rows are milliseconds since the run's first start. */
int64_t sg_output_ms(const struct sg_output *o, uint64_t loop_ns);
uint64_t sg_output_loop_ns(const struct sg_output *o, int64_t ms); /* the past is 0 */

/* The end of a record. One for each position that was pulled, in any order. `json`: its output as compact JSON text without
 * newline. OK goes to <stem>.part, failed, invalid and dropped ones to <stem>_failed.jsonl and so on, all in order of
 * position. The rest is for the run folder. */
struct sg_output_record {
    uint64_t position;
    enum sg_outcome outcome;
    struct sg_str json;
    uint64_t line, offset;  /* of its row */
    int64_t started, ended; /* sg_output_ms */
    uint32_t steps, attempts;
    const struct sg_writer_row *writers; /* of its state, where that is not plain; NULL: none */
    size_t n_writers;
    struct sg_str node;       /* failed: where (empty: its row); invalid: which rule; ... */
    const struct sg_err *err; /* ... and why; NULL: not told */
    const struct sg_work *work; /* the answers that it got, and the nodes that it ran */
    size_t n_work;
};
void sg_output_record(struct sg_output *o, const struct sg_output_record *r);
/* The same without the rest. */
void sg_output_put(struct sg_output *o, uint64_t position, enum sg_outcome outcome, struct sg_str json);
/* There is a run folder: what is told of calls and steps goes somewhere. */
bool sg_output_journals(const struct sg_output *o);
/* A call has been answered, has failed, or is to be tried again. `kind`: enum sg_body_kind of its body (journal/body.h), or 0:
 * it has none; row->body is not looked at. Rows of a record come before its end. */
void sg_output_call(struct sg_output *o, const struct sg_call_row *row, uint32_t kind, struct sg_str body);
/* Tells when all that was told before is committed: it survives the death of this process, with --durability commit also a loss
 * of power. Once, not from inside; not at all once a write has failed. Only with a run folder. */
struct sg_output_wait {
    void (*fn)(struct sg_output_wait *w);
    void *ud;
    struct sg_output_wait *prev_, *next_;
    void *block_;
};
void sg_output_when_committed(struct sg_output *o, struct sg_output_wait *w);
void sg_output_wait_cancel(struct sg_output *o, struct sg_output_wait *w);
/* A step has ended and another one follows; the body, JSON, says what it changed. After the calls that it tells of. */
void sg_output_step(struct sg_output *o, const struct sg_step_row *row, struct sg_str body);
/* What the run folder knows of records that are half done; NULL: there are none. Until the output is closed. */
const struct sg_past_source *sg_output_pasts(struct sg_output *o);
/* A fact for run.db's table meta. */
void sg_output_meta(struct sg_output *o, struct sg_str key, struct sg_str value);
/* Tells how many rows this process has pulled so far: above lines_above in all, the array becomes lines. */
void sg_output_pulled(struct sg_output *o, uint64_t count);
/* Too much is waiting to be written: admit no new record until on_room. */
bool sg_output_full(const struct sg_output *o);
void sg_output_on_room(struct sg_output *o, void (*fn)(void *ud), void *ud);
/* A write failed (disk full, ...): called once; what is in .part stays valid up to its last whole record, and the run folder
 * up to its last commit. */
void sg_output_on_error(struct sg_output *o, void (*fn)(void *ud, const struct sg_err *err), void *ud);

/* What a run has put out so far, record by record in order of position, as compact JSON; false stops. Blocks. */
typedef bool sg_output_line_fn(void *ud, uint64_t position, enum sg_outcome outcome, struct sg_str json);
int sg_output_read(struct sg_str run_folder, sg_output_line_fn *fn, void *ud, struct sg_err *err);

struct sg_output_result {
    struct sg_str path; /* of the output ("[]" when no record was ok), or of .part; empty when there is neither */
    struct sg_str others[4]; /* paths of failed, invalid, dropped by enum sg_outcome; empty when none */
    uint64_t written[4];     /* records by outcome, over all processes of the run */
};
/* Writes what is left, syncs, renames .part to its final name when `complete`; else leaves .part, which ends before
 * the first position without outcome. Texts of the result live until close. */
void sg_output_finish(struct sg_output *o, bool complete,
                      void (*fn)(void *ud, int status, const struct sg_output_result *r, const struct sg_err *err),
                      void *ud);
/* What came back of all calls, over all processes of the run, also without a run folder. Only once the output has finished,
 * until it is closed. */
const struct sg_tallies *sg_output_tallies(const struct sg_output *o);
void sg_output_close(struct sg_output *o);
struct sg_output_figures {
    uint64_t bytes, spilled_bytes, waiting; /* waiting: records behind a straggler */
    uint64_t contiguous;                    /* records written in order so far, over all processes of the run */
    uint64_t commits, syncs;
    uint64_t lag_p50_us, lag_p99_us, lag_max_us; /* from the end of a record to the end of its commit */
    uint64_t sync_max_us;
    uint64_t full_us; /* how long sg_output_full was true */
    uint64_t read_bytes; /* of the source, with their CRC-32C; only with a run folder */
    uint32_t read_crc;
};
void sg_output_figures(const struct sg_output *o, struct sg_output_figures *out);

/* --- tables out ------------------------------------------------------------------------------------------------- */

enum sg_table_kind { SG_TABLE_BOOLEAN, SG_TABLE_INTEGER, SG_TABLE_REAL, SG_TABLE_TEXT };

struct sg_table_field {
    struct sg_str name;
    enum sg_table_kind kind;
};

/* Lines of flat objects whose values are of their fields' kinds; what is absent is null. */
struct sg_table_lines {
    const char *path;
    const struct sg_table_field *fields;
    size_t n_fields;
    uint64_t records, bytes, longest; /* bytes: of all, of the longest line */
};

/* Makes a Parquet file of them, by DuckDB, and syncs it. Blocks. SG_E_MISSING: no DuckDB; SG_E_IO. */
int sg_table_write(const struct sg_table_lines *from, const char *to, const char *exe_dir, struct sg_err *err);

#endif
