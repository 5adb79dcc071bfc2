/* SPDX-License-Identifier: Apache-2.0 */
/* rundb: run.db, the catalogue of a run folder (docs/formats/run-folder.md). Small rows under integer keys; bodies are in
 * segments and are written before the row that names them.
 *
 * A row is part of the open group until sg_rundb_commit, which makes the group visible after a death of the process; a sync
 * of the log makes it survive a loss of power.
 * Thread: one at a time (the writer's worker); sg_rundb_sync_fd may be synced by another.
 * Errors: SG_E_IO, SG_E_LIMIT (disk full), SG_E_SYNTAX (no such database, damaged), SG_E_UNSUPPORTED (another format),
 * SG_E_CONFLICT (held by another process). The first failed write poisons it: later ones fail, too. */
#ifndef SG_JOURNAL_RUNDB_H
#define SG_JOURNAL_RUNDB_H

#include "journal/journal.h"

struct sg_rundb;

/* --- what a run is ------------------------------------------------------------------------------------------------------ */

struct sg_run_node {
    struct sg_str name, kind, hash;
};

struct sg_run_source {
    struct sg_str path; /* empty: data-less */
    uint64_t size, inode;
    int64_t mtime_ns;
    uint32_t head_crc; /* of its first 64 kB; 0 when it is no regular file */
    bool regular;
};

struct sg_run_identity {
    struct sg_str program, task, folder, stem, durability, keep, options;
    uint64_t seed, first, count;
    int64_t started_ms;
    struct sg_run_source source;
    const struct sg_run_node *nodes;
    size_t n_nodes;
};

/* --- rows ------------------------------------------------------------------------------------------------------------------ */

struct sg_record_row {
    uint64_t position, line;
    int outcome; /* enum sg_outcome */
    int64_t started, ended; /* ms since started_ms */
    uint32_t steps, attempts;
    struct sg_place body; /* length 0 and has_body false: none */
    bool has_body;
};

enum sg_call_state { SG_CALL_INTENT, SG_CALL_ANSWERED, SG_CALL_FAILED, SG_CALL_AGAIN };

struct sg_call_row {
    uint64_t position;
    uint32_t node, visit, ordinal, sub;
    int state; /* enum sg_call_state */
    uint32_t attempts;
    int64_t not_before, started; /* ms since started_ms */
    int64_t latency_us;
    int status;
    uint64_t prompt_tokens, completion_tokens, request;
    struct sg_place body;
    bool has_body;
};

struct sg_progress {
    uint64_t position, line, offset;
    uint64_t bytes[4]; /* of .part, _failed, _invalid, _dropped */
    uint32_t part_crc;
    bool lines, synced;
    uint64_t pulled;
};

/* --- writing ---------------------------------------------------------------------------------------------------------------- */

/* A new folder; what an older run left there of the same name is removed. Takes the lock. `folder` ends in NUL. */
int sg_rundb_create(const char *folder, const struct sg_run_identity *id, struct sg_rundb **out, struct sg_err *err);
/* An existing folder, for writing; takes the lock. The identity's texts live in `a`. */
int sg_rundb_open(const char *folder, struct sg_arena *a, struct sg_run_identity *id, struct sg_rundb **out, struct sg_err *err);
/* For reading, beside a process that writes; no lock. */
int sg_rundb_view(const char *folder, struct sg_arena *a, struct sg_run_identity *id, struct sg_rundb **out, struct sg_err *err);
void sg_rundb_close(struct sg_rundb *d);

int sg_rundb_record(struct sg_rundb *d, const struct sg_record_row *r);
int sg_rundb_call(struct sg_rundb *d, const struct sg_call_row *c);
/* Rows of calls of a record that starts again, or is finished and not to be kept. */
int sg_rundb_forget_calls(struct sg_rundb *d, uint64_t position);
/* retry: the record is unfinished again. */
int sg_rundb_forget_record(struct sg_rundb *d, uint64_t position);
int sg_rundb_cause(struct sg_rundb *d, struct sg_str node, struct sg_str code, uint64_t count, struct sg_str text);
int sg_rundb_meta(struct sg_rundb *d, struct sg_str key, struct sg_str value);
/* Ends the group: its rows, and how far the output is. Nothing to do when nothing was written since. */
int sg_rundb_commit(struct sg_rundb *d, const struct sg_progress *p);
/* Makes all committed groups survive a loss of power. Blocks; may run on another thread than the writer's. */
int sg_rundb_sync(struct sg_rundb *d);
/* Moves the log into the database when it has grown over 16 MB. Blocks; on the writer's thread. */
int sg_rundb_checkpoint(struct sg_rundb *d);
const struct sg_err *sg_rundb_error(const struct sg_rundb *d);

/* --- reading ---------------------------------------------------------------------------------------------------------------- */

int sg_rundb_progress(struct sg_rundb *d, struct sg_progress *out);
/* Records at or above `from`, in order of position; the callback returns false to stop. outcome -1: all. */
typedef bool sg_record_row_fn(void *ud, const struct sg_record_row *r);
int sg_rundb_records(struct sg_rundb *d, uint64_t from, int outcome, sg_record_row_fn *fn, void *ud);
typedef bool sg_call_row_fn(void *ud, const struct sg_call_row *c);
/* Calls of unfinished records that are to be tried again. */
int sg_rundb_pending_calls(struct sg_rundb *d, sg_call_row_fn *fn, void *ud);
/* Records by outcome, calls by state, tokens. */
struct sg_run_totals {
    uint64_t outcomes[4], calls[4], attempts, prompt_tokens, completion_tokens;
};
int sg_rundb_totals(struct sg_rundb *d, struct sg_run_totals *out);
/* The value of a meta key, in `a`; empty when there is none. */
struct sg_str sg_rundb_get(struct sg_rundb *d, struct sg_arena *a, struct sg_str key);

/* Who holds the folder's lock: 0 nobody, else its process number (of this host), with its text in `a`. */
int sg_rundb_holder(const char *folder, struct sg_arena *a, struct sg_str *text);

#endif
