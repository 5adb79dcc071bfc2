/* SPDX-License-Identifier: Apache-2.0 */
/* tally: what has come back of a run's calls and nodes, counted as it comes: attempts by how they ended, tokens, times, and
 * what records of each outcome took. Rows of calls cannot tell: a later attempt replaces the row of the one before, and with
 * --keep outputs there are none. So the counts are rows of their own (docs/formats/run-folder.md), committed with the group
 * that they count, and loaded when a run goes on.
 *
 * Times are kept as a histogram of 32 steps a doubling: below 64 us exact, above within 1.6 %; count, sum, least and largest
 * are exact. It takes 9 kB for each node and model, whatever the number of calls.
 * Memory: owned.   Thread: one at a time.   Errors: of the database. */
#ifndef SG_JOURNAL_TALLY_H
#define SG_JOURNAL_TALLY_H

#include "journal/rundb.h"

/* Attempts that ended alike, or executions of a node (code 0 or SG_E_HOOK, whatever the failure was). */
struct sg_tally {
    uint32_t node, ordinal;
    int status, code;     /* HTTP status, 0: no reply; SG_E_*, 0: answered */
    uint64_t count, again; /* again: followed by another attempt */
    uint64_t prompt_tokens, completion_tokens;
    uint64_t unmetered; /* answers that did not say how many tokens they took */
    uint64_t repeated;  /* answers to what an earlier life of the run had an answer to */
    uint64_t sum_us, min_us, max_us;
    double squares; /* sum of us * us */
    bool dirty;
};

#define SG_TIME_STEPS 1184 /* to 2^41 us, 25 days */

struct sg_times {
    uint32_t node, ordinal;
    uint64_t n, counts[SG_TIME_STEPS];
    uint32_t dirty[SG_TIME_STEPS / 32]; /* a bit a step */
    bool any_dirty;
};

/* What answers to records of one outcome took. */
struct sg_spent {
    int outcome;
    uint32_t node, ordinal;
    uint64_t calls, prompt_tokens, completion_tokens;
    bool dirty;
};

struct sg_tallies {
    struct sg_tally *tallies;
    struct sg_times *times;
    struct sg_spent *spent;
    size_t n_tallies, cap_tallies, n_times, cap_times, n_spent, cap_spent;
};

void sg_tallies_fini(struct sg_tallies *t);
/* An attempt has ended. */
void sg_tallies_call(struct sg_tallies *t, const struct sg_call_row *c);
/* A record has ended, having done this. */
void sg_tallies_record(struct sg_tallies *t, int outcome, const struct sg_work *work, size_t n);
/* What has changed, into the open group. */
int sg_tallies_put(struct sg_tallies *t, struct sg_rundb *d);
/* What is stored; `t` is empty before. */
int sg_tallies_load(struct sg_tallies *t, struct sg_rundb *d);

/* --- times, also without a database ------------------------------------------------------------------------------ */

unsigned sg_time_step(uint64_t us);
/* The times of a node's calls, or of the node; NULL: there were none. */
const struct sg_times *sg_tallies_times(const struct sg_tallies *t, uint32_t node, uint32_t ordinal);
void sg_times_add(struct sg_times *to, const struct sg_times *from);
/* What `share` of all took at most; 0 when there was nothing. */
double sg_times_quantile(const struct sg_times *t, double share);

#endif
