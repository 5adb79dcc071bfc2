/* SPDX-License-Identifier: Apache-2.0 */
/* rundb: run.db, the catalogue of a run folder (docs/formats/run-folder.md). Small rows under integer keys; bodies are in
 * segments and are written before the row that names them.
 *
 * Rows belong to the open group until sg_rundb_commit. A committed group survives the death of the process; a sync of the
 * log makes it survive a loss of power.
 * Memory: what is passed in is copied before a call returns.
 * Thread: one at a time; only sg_rundb_sync may run beside another call.
 * Errors: SG_E_IO, SG_E_LIMIT (disk full), SG_E_MISSING (no run here), SG_E_SYNTAX (damaged; says where),
 * SG_E_UNSUPPORTED (another format), SG_E_CONFLICT (held by another process). The first failed write poisons it: later ones
 * fail, too, and nothing of the open group is kept. */
#ifndef SG_JOURNAL_RUNDB_H
#define SG_JOURNAL_RUNDB_H

#include "journal/journal.h"

/* --- what a run is ---------------------------------------------------------------------------------------------- */

/* What a loss of power may take: the last second; nothing that was committed; all since the start. */
enum sg_durability { SG_DURABILITY_1S, SG_DURABILITY_COMMIT, SG_DURABILITY_EXIT };
/* Which bodies and rows stay behind finished records. */
enum sg_keep { SG_KEEP_CALLS, SG_KEEP_ALL, SG_KEEP_OUTPUTS };

/* "1s", "commit", "exit"; "calls", "all", "outputs". */
struct sg_str sg_durability_name(enum sg_durability d);
struct sg_str sg_keep_name(enum sg_keep k);
bool sg_durability_parse(struct sg_str name, enum sg_durability *out);
bool sg_keep_parse(struct sg_str name, enum sg_keep *out);

struct sg_run_node {
    struct sg_str name, kind, hash;
    struct sg_str request, result; /* hashes of what its requests, and what it writes, are made of; empty: not told apart */
};

struct sg_run_source {
    struct sg_str path; /* empty: data-less */
    uint64_t size, inode;
    int64_t mtime_ns;
    bool regular; /* else a pipe or the like: size, inode and mtime_ns mean nothing */
};

struct sg_run_identity {
    struct sg_str program, task, folder, stem;
    struct sg_str options; /* JSON: what `resume` needs to run the same task again */
    enum sg_durability durability;
    enum sg_keep keep;
    uint64_t seed, first, count; /* count 0: all */
    int64_t started_ms;          /* since 1970; all times of rows count from here */
    struct sg_run_source source;
    const struct sg_run_node *nodes; /* by number in the plan */
    size_t n_nodes;
    const struct sg_str *keys; /* of the state, by number in the plan */
    size_t n_keys;
};

void sg_run_identity_copy(struct sg_arena *a, const struct sg_run_identity *from, struct sg_run_identity *to);

/* --- rows ------------------------------------------------------------------------------------------------------- */

struct sg_record_row {
    uint64_t position, line;
    int outcome;            /* enum sg_outcome */
    int64_t started, ended; /* ms since started_ms */
    uint32_t steps, attempts;
    struct sg_place body; /* of the output line of a record that waits for an earlier one */
    bool has_body;
};

/* INTENT and DONE: of a hook within the execution of a node (sub > 0) that is never to run twice. */
enum sg_call_state { SG_CALL_INTENT, SG_CALL_ANSWERED, SG_CALL_FAILED, SG_CALL_AGAIN, SG_CALL_DONE };

struct sg_call_row {
    uint64_t position; /* position to sub: the key; a second row of the same key replaces the first */
    uint32_t node, visit, ordinal, sub;
    int state; /* enum sg_call_state */
    uint32_t attempts;
    int64_t not_before, started; /* ms since started_ms */
    int64_t latency_us;
    int status;
    int code; /* SG_E_* of a failed attempt; for tallies, not in the row, as are the next two */
    bool unmetered; /* an answer that did not say how many tokens it took */
    bool repeated;  /* an answer to what an earlier life had an answer to */
    uint64_t prompt_tokens, completion_tokens, request;
    struct sg_place body; /* of the reply, or of why it failed (body.h) */
    bool has_body;        /* an answered call without one: its reply is lost, or was not to be kept */
};

/* A superstep of a record, from 1; a second row of the same step replaces the first. */
struct sg_step_row {
    uint64_t position;
    uint32_t step;
    int64_t ended;        /* ms since started_ms */
    struct sg_place body; /* what it changed */
    bool has_body;        /* else it is lost */
};

/* Who wrote a state key last. */
struct sg_writer_row {
    uint64_t position;
    uint32_t key, node, step;
};

/* What a record did: an answer that it got (`ordinal`: of the call), or a node that it ran (SG_TALLY_NODE). */
#define SG_TALLY_NODE UINT32_MAX
struct sg_work {
    uint32_t node, ordinal;
    bool failed;  /* of a node */
    uint64_t us;  /* of a node */
    uint64_t prompt_tokens, completion_tokens; /* of an answer */
};

/* What a run has done so far, over all its processes. */
struct sg_run_totals {
    uint64_t outcomes[4];               /* records ended, by enum sg_outcome */
    uint64_t answered, failed, retried; /* calls; retried: attempts that were followed by another one */
    uint64_t prompt_tokens, completion_tokens;
};

struct sg_file_mark {
    uint64_t bytes, records;
    uint32_t crc; /* CRC-32C; of an array without its closing bracket, the last two bytes */
};

struct sg_progress {
    uint64_t position;            /* all before it are in the output files */
    uint64_t pulled;              /* positions below it have been pulled from the source */
    uint64_t row, line, offset;   /* row `row` (<= position) begins there in the source; line 0: not known */
    uint64_t read_bytes;          /* what has been read of the source */
    uint32_t read_crc;            /* CRC-32C of that */
    struct sg_file_mark files[4]; /* by enum sg_outcome: .part, _failed, _invalid, _dropped */
    bool lines;                   /* .part: JSON Lines, else an array */
    uint32_t segment;             /* the newest */
    uint64_t segment_bytes;
    struct sg_run_totals totals;
};

/* --- the lock --------------------------------------------------------------------------------------------------- */

struct sg_run_lock {
    int fd;
};
#define SG_RUN_LOCK_NONE ((struct sg_run_lock){-1})

/* Makes the folder if need be. SG_E_CONFLICT names the process that holds it. */
int sg_run_lock_take(const char *folder, struct sg_run_lock *out, struct sg_err *err);
void sg_run_lock_give(struct sg_run_lock *l);
/* Who holds it: 0 nobody, else a process number (-1: not known), with the lock's text in `a`. */
int sg_run_lock_holder(const char *folder, struct sg_arena *a, struct sg_str *text);
/* Of this boot of the machine; empty when it cannot be known. */
struct sg_str sg_boot_id(struct sg_arena *a);

/* --- opening: the lock is the caller's business ----------------------------------------------------------------- */

struct sg_rundb;

/* What an older run left in the folder goes. `folder` ends in NUL, here and below. */
void sg_rundb_remove(const char *folder);
/* Its log, which others than the journal write: the newest part, and the one before it. */
#define SG_RUN_LOG "log.jsonl"
#define SG_RUN_LOG_BEFORE "log.1.jsonl"
void sg_rundb_remove_log(const char *folder);
/* And what the run puts there beside the journal: the rows that it reads, and what of post-processing is done. */
#define SG_RUN_INPUT "input.jsonl"
#define SG_RUN_POST "post.json"
void sg_rundb_remove_beside(const char *folder);
/* A new one, in a folder without an older one. */
int sg_rundb_create(const char *folder, const struct sg_run_identity *id, struct sg_rundb **out, struct sg_err *err);
/* An existing one, for writing. The identity's texts live in `a`. */
int sg_rundb_open(const char *folder, struct sg_arena *a, struct sg_run_identity *id, struct sg_rundb **out,
                  struct sg_err *err);
/* For reading, beside a process that writes, or of a dead run, which it leaves as it is. */
int sg_rundb_view(const char *folder, struct sg_arena *a, struct sg_run_identity *id, struct sg_rundb **out,
                  struct sg_err *err);
/* Rows that were not committed are gone. */
void sg_rundb_close(struct sg_rundb *d);
/* The machine has been restarted since the folder was last written: what was not synced may be missing. */
bool sg_rundb_restarted(const struct sg_rundb *d);

/* --- writing ---------------------------------------------------------------------------------------------------- */

int sg_rundb_record(struct sg_rundb *d, const struct sg_record_row *r);
int sg_rundb_call(struct sg_rundb *d, const struct sg_call_row *c);
int sg_rundb_step(struct sg_rundb *d, const struct sg_step_row *s);
int sg_rundb_writer(struct sg_rundb *d, const struct sg_writer_row *w);
/* Adds to the count of failures that look alike; the first text stays. */
int sg_rundb_cause(struct sg_rundb *d, struct sg_str node, struct sg_str code, uint64_t count, struct sg_str text);
int sg_rundb_meta(struct sg_rundb *d, struct sg_str key, struct sg_str value);
/* What may have changed when a run goes on: program, options, count, durability, keep; the boot of the machine; it runs. */
int sg_rundb_update(struct sg_rundb *d, const struct sg_run_identity *id);
int sg_rundb_source(struct sg_rundb *d, const struct sg_run_source *s);
/* The task is another one: its nodes and keys. Rows are renumbered as nodes and keys of the same name are; those of nodes that
 * are gone go. `was`: what is stored. */
int sg_rundb_renew(struct sg_rundb *d, const struct sg_run_identity *was, const struct sg_run_identity *is);
/* Positions from..to (not included) are unfinished again; with `ok_only`, only rows of ok records go. */
int sg_rundb_forget_records(struct sg_rundb *d, uint64_t from, uint64_t to, bool ok_only);
int sg_rundb_forget_calls(struct sg_rundb *d, uint64_t from, uint64_t to);
int sg_rundb_forget_steps(struct sg_rundb *d, uint64_t from, uint64_t to);
int sg_rundb_forget_writers(struct sg_rundb *d, uint64_t from, uint64_t to);
/* What the record's calls took was not for a record of that outcome: it goes on. */
int sg_rundb_unspend(struct sg_rundb *d, uint64_t position, int outcome);
int sg_rundb_forget_causes(struct sg_rundb *d);
/* Bodies at this place or behind it are lost: their rows stay without. */
int sg_rundb_forget_bodies(struct sg_rundb *d, uint32_t segment, uint64_t offset);
/* Ends the group: its rows, and how far the output is. `synced`: a state that was on disk before this call, or NULL. */
int sg_rundb_commit(struct sg_rundb *d, const struct sg_progress *now, const struct sg_progress *synced);
/* Makes all committed groups survive a loss of power. Blocks; any thread. */
int sg_rundb_sync(struct sg_rundb *d, struct sg_err *err);
/* Moves the log into the database when it has grown over 16 MB. Blocks; between groups. */
int sg_rundb_checkpoint(struct sg_rundb *d);
/* Why the last call failed. */
const struct sg_err *sg_rundb_error(const struct sg_rundb *d);

/* --- reading ---------------------------------------------------------------------------------------------------- */

/* The state of the last group; `synced`: the last one known to be on disk. */
int sg_rundb_progress(struct sg_rundb *d, bool synced, struct sg_progress *out);
/* Records at or above `from`, in order of position; the callback returns false to stop. outcome -1: all. */
typedef bool sg_record_row_fn(void *ud, const struct sg_record_row *r);
int sg_rundb_records(struct sg_rundb *d, uint64_t from, int outcome, sg_record_row_fn *fn, void *ud);
/* Calls of positions from..to (not included), in order of their key. */
typedef bool sg_call_row_fn(void *ud, const struct sg_call_row *c);
int sg_rundb_calls(struct sg_rundb *d, uint64_t from, uint64_t to, sg_call_row_fn *fn, void *ud);
typedef bool sg_step_row_fn(void *ud, const struct sg_step_row *s);
int sg_rundb_steps(struct sg_rundb *d, uint64_t from, uint64_t to, sg_step_row_fn *fn, void *ud);
typedef bool sg_writer_row_fn(void *ud, const struct sg_writer_row *w);
int sg_rundb_writers(struct sg_rundb *d, uint64_t from, uint64_t to, sg_writer_row_fn *fn, void *ud);
/* How many bodies of calls and steps of positions from..to each segment holds; a segment may come twice. */
typedef void sg_bodies_fn(void *ud, uint32_t segment, uint64_t bodies);
int sg_rundb_bodies(struct sg_rundb *d, uint64_t from, uint64_t to, sg_bodies_fn *fn, void *ud);
typedef bool sg_cause_fn(void *ud, struct sg_str node, struct sg_str code, uint64_t count, struct sg_str text);
int sg_rundb_causes(struct sg_rundb *d, sg_cause_fn *fn, void *ud); /* most frequent first */
/* What SQLite finds wrong with the database; nothing when it is sound. */
int sg_rundb_integrity(struct sg_rundb *d, void (*fn)(void *ud, struct sg_str finding), void *ud);
/* The value of a meta key, in `a`; empty when there is none. */
struct sg_str sg_rundb_get(struct sg_rundb *d, struct sg_arena *a, struct sg_str key);
/* Its connection to SQLite, for questions that are not asked here; of a view, which cannot write. */
struct sqlite3 *sg_rundb_sqlite(struct sg_rundb *d);

/* --- fsck (check.c) --------------------------------------------------------------------------------------------- */

/* Says whether a folder is sound and where not: `report` gets one line a finding. Reads only. Returns how many findings, or
 * a negative SG_E_* when it cannot be looked at. Beside a living writer, what changes while it looks may be reported. */
typedef void sg_run_report_fn(void *ud, struct sg_str finding);
int sg_run_check(const char *folder, sg_run_report_fn *report, void *ud, struct sg_err *err);

#endif
