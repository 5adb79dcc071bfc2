/* SPDX-License-Identifier: Apache-2.0 */
/* look: a run folder read by people: records with their lines and calls, SQL over rows and bodies, exports. Live, dead or
 * finished; nothing of the run is ever changed.
 *
 * Hides where a record's line is: in the output or a side file (found by counting), or, while it waits for an earlier
 * record, in a segment. Beside a living writer every answer is of one moment or later; what the writer has moved away
 * meanwhile is found where it went, or is missing from the answer.
 * Memory: bounded by the longest line, and by 16 bytes for every 512 records once lines are looked up by position.
 * Views live until the next call on the same handle.   Thread: one; it blocks.
 * Errors: SG_E_MISSING (no run; no such record), SG_E_SYNTAX (damaged, with the place; a wrong query), SG_E_IO,
 * SG_E_UNSUPPORTED (the run does not keep what is asked for). */
#ifndef SG_LOOK_LOOK_H
#define SG_LOOK_LOOK_H

#include "data/data.h"
#include "journal/body.h"

/* --- a run ------------------------------------------------------------------------------------------------------ */

struct sg_look;

struct sg_look_facts {
    struct sg_str folder; /* out/output.run */
    struct sg_str base;   /* out/output */
    struct sg_run_identity id;
    struct sg_str state; /* as stored: running, stopped, ending, finished */
    int holder;          /* the process that works at it; 0: none */
    struct sg_progress progress;
};

int sg_look_open(const char *folder, struct sg_look **out, struct sg_err *err);
void sg_look_close(struct sg_look *k);
/* As of the last answer. */
const struct sg_look_facts *sg_look_facts(const struct sg_look *k);
/* "live", "dead", "finished" */
const char *sg_look_state(const struct sg_look *k);
/* A node of the run, as people know it; "?" for a number that is none. */
struct sg_str sg_look_node(const struct sg_look *k, uint32_t node);
/* "ok", "failed", "invalid", "dropped"; "intent", "answered", "failed", "again". */
struct sg_str sg_look_outcome_name(int outcome);
struct sg_str sg_look_call_state_name(int state);

/* A body of run.db's rows, and its kind (docs/formats/run-folder.md). SG_E_MISSING: it was freed. Appends to `out`. */
int sg_look_body(struct sg_look *k, struct sg_place place, uint32_t *kind, struct sg_buf *out, struct sg_err *err);

/* What became of a call. */
struct sg_look_answer {
    bool has_reply; /* else `failure`, if its code is not 0 */
    struct sg_reply reply;
    struct sg_err failure;
};
/* In the arena. What the run has not kept is no error: then there is neither. */
int sg_look_answer(struct sg_look *k, struct sg_arena *a, const struct sg_call_row *row, struct sg_look_answer *out,
                   struct sg_err *err);

/* --- records ---------------------------------------------------------------------------------------------------- */

#define SG_LOOK_ALL 0xfu
#define SG_LOOK_ONLY(outcome) (1u << (outcome))

struct sg_look_record {
    struct sg_record_row row; /* position and outcome always */
    bool has_row;             /* false: `--keep outputs` has forgotten times, steps and attempts */
    bool has_json;            /* false: not asked for, or on its way from a segment to its file */
    struct sg_str json;       /* its line, compact */
};

/* All that have ended, at or above `from`, in order of position. `outcomes`: which (SG_LOOK_ONLY, or several of them).
 * One scan of a run at a time. */
struct sg_look_scan;
int sg_look_scan_open(struct sg_look *k, uint64_t from, unsigned outcomes, bool lines, struct sg_look_scan **out,
                      struct sg_err *err);
/* 1: a record, 0: no more. */
int sg_look_scan_next(struct sg_look_scan *s, struct sg_look_record *out, struct sg_err *err);
void sg_look_scan_close(struct sg_look_scan *s);
/* The one at `position`. SG_E_MISSING: it has not ended. */
int sg_look_record(struct sg_look *k, uint64_t position, bool line, struct sg_look_record *out, struct sg_err *err);

/* Where record `number` (from 0) of an output file stands in the source. */
int sg_look_position(struct sg_look *k, int outcome, uint64_t number, uint64_t *position, struct sg_err *err);
/* Positions of those that took longest, the longest first; at most `max`, returns how many. */
int sg_look_slowest(struct sg_look *k, unsigned outcomes, uint64_t *positions, size_t max, struct sg_err *err);
/* The calls of a record, in order of node, visit, ordinal. */
int sg_look_calls(struct sg_look *k, uint64_t position, sg_call_row_fn *fn, void *ud, struct sg_err *err);
/* The same of its hooks of nodes with `once` (sub > 0). */
int sg_look_hooks(struct sg_look *k, uint64_t position, sg_call_row_fn *fn, void *ud, struct sg_err *err);

/* --- SQL -------------------------------------------------------------------------------------------------------- */

/* One SELECT over run.db and what we add to it (docs/looking.md): outputs, replies, body(). Anything that could write or
 * reach another file is refused. */
struct sg_query;

struct sg_cell {
    enum { SG_CELL_NULL, SG_CELL_INTEGER, SG_CELL_REAL, SG_CELL_TEXT, SG_CELL_BLOB } kind;
    struct sg_str text; /* of numbers, too */
};

/* What a query can ask for, for a person who asked for something else. */
struct sg_query_advice {
    int offset;           /* of the mistake in the statement; -1: not known */
    struct sg_buf tables; /* lines; the caller frees it */
};

/* *stop not 0, which a signal handler may set, ends the query; NULL: nothing does. */
int sg_query_open(struct sg_look *k, struct sg_str sql, const volatile int *stop, struct sg_query **out,
                  struct sg_query_advice *advice, struct sg_err *err);
size_t sg_query_columns(const struct sg_query *q);
struct sg_str sg_query_column(const struct sg_query *q, size_t i);
/* 1: a row, 0: no more. SG_E_CANCELED: interrupted. */
int sg_query_next(struct sg_query *q, struct sg_err *err);
void sg_query_cell(const struct sg_query *q, size_t i, struct sg_cell *out);
void sg_query_close(struct sg_query *q);
/* What there is to ask for: tables and functions, a line each. */
void sg_query_tables(struct sg_look *k, struct sg_buf *out);

/* --- export ----------------------------------------------------------------------------------------------------- */

struct sg_export {
    const char *to; /* its suffix says the form: .jsonl, .json, .csv, .parquet */
    enum sg_outcome outcome;
    const char *exe_dir;      /* for DuckDB, which writes Parquet */
    const volatile int *stop; /* not 0: give up; may be NULL */
    /* Out: */
    uint64_t records;
    uint64_t position; /* all records before it were looked at */
    struct sg_buf
        texts; /* names of columns that became text because a table has no type for their values, by commas */
};

/* What has ended, up to the first record that has not, in order; under another name until it is whole. What was there
 * before under that name goes. */
int sg_look_export(struct sg_look *k, struct sg_export *x, struct sg_err *err);
/* Appends a cell of CSV (RFC 4180): quoted where it must be, and where it is empty, as nothing at all is null. */
void sg_csv_cell(struct sg_buf *b, struct sg_str text);

#endif
