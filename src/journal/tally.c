/* SPDX-License-Identifier: Apache-2.0 */
/* tally: step s < 64 of a histogram is s us; above, 32 * (e - 5) + m holds the values whose highest bit is e and whose first
 * six bits are m. A run has a handful of (node, model, status), so they are looked for one by one.
 *
 * Rows hold sums since the run's beginning and are written anew when they have changed: what a commit holds is whole. */
#include "journal/tally.h"

#include "journal/rundb_parts.h"

#include <stdlib.h>

#define GROW(items, n, cap)                                                                                          \
    if ((n) == (cap)) (items) = sg_xrealloc((items), ((cap) = (cap) ? 2 * (cap) : 8) * sizeof *(items))

void sg_tallies_fini(struct sg_tallies *t) {
    free(t->tallies);
    free(t->times);
    free(t->spent);
    *t = (struct sg_tallies){0};
}

/* --- times -------------------------------------------------------------------------------------------------------- */

unsigned sg_time_step(uint64_t us) {
    if (us < 32) return (unsigned)us;
    unsigned e = 63 - (unsigned)__builtin_clzll(us), step = 32 * (e - 5) + (unsigned)(us >> (e - 5));
    return step < SG_TIME_STEPS ? step : SG_TIME_STEPS - 1;
}

static void bounds_of(unsigned step, double *low, double *width) {
    unsigned shift = step < 64 ? 0 : step / 32 - 1;
    uint64_t first = step < 64 ? step : (uint64_t)(step % 32 + 32) << shift;
    *low = (double)first;
    *width = (double)((uint64_t)1 << shift);
}

static struct sg_times *times_of(struct sg_tallies *t, uint32_t node, uint32_t ordinal) {
    for (size_t i = 0; i < t->n_times; i++)
        if (t->times[i].node == node && t->times[i].ordinal == ordinal) return &t->times[i];
    GROW(t->times, t->n_times, t->cap_times);
    struct sg_times *h = &t->times[t->n_times++];
    *h = (struct sg_times){.node = node, .ordinal = ordinal};
    return h;
}

const struct sg_times *sg_tallies_times(const struct sg_tallies *t, uint32_t node, uint32_t ordinal) {
    for (size_t i = 0; i < t->n_times; i++)
        if (t->times[i].node == node && t->times[i].ordinal == ordinal) return &t->times[i];
    return NULL;
}

static void add_time(struct sg_tallies *t, uint32_t node, uint32_t ordinal, uint64_t us) {
    struct sg_times *h = times_of(t, node, ordinal);
    unsigned step = sg_time_step(us);
    h->n++;
    h->counts[step]++;
    h->dirty[step / 32] |= 1u << step % 32;
    h->any_dirty = true;
}

void sg_times_add(struct sg_times *to, const struct sg_times *from) {
    to->n += from->n;
    for (size_t i = 0; i < SG_TIME_STEPS; i++) to->counts[i] += from->counts[i];
}

/* The rank's place within its step is taken in proportion. */
double sg_times_quantile(const struct sg_times *t, double share) {
    double wanted = share * (double)t->n, below = 0, low = 0, width = 0;
    for (unsigned s = 0; s < SG_TIME_STEPS; s++) {
        double here = (double)t->counts[s];
        if (here > 0) bounds_of(s, &low, &width);
        if (here > 0 && below + here >= wanted)
            return width > 1 ? low + width * (wanted > below ? wanted - below : 0) / here : low;
        below += here;
    }
    return low;
}

/* --- counting ----------------------------------------------------------------------------------------------------- */

static struct sg_tally *tally_of(struct sg_tallies *t, uint32_t node, uint32_t ordinal, int status, int code) {
    for (size_t i = 0; i < t->n_tallies; i++) {
        struct sg_tally *y = &t->tallies[i];
        if (y->node == node && y->ordinal == ordinal && y->status == status && y->code == code) return y;
    }
    GROW(t->tallies, t->n_tallies, t->cap_tallies);
    struct sg_tally *y = &t->tallies[t->n_tallies++];
    *y = (struct sg_tally){.node = node, .ordinal = ordinal, .status = status, .code = code};
    return y;
}

static void count(struct sg_tally *y, uint64_t us) {
    if (y->count == 0 || us < y->min_us) y->min_us = us;
    if (us > y->max_us) y->max_us = us;
    y->count++;
    y->sum_us += us;
    y->squares += (double)us * (double)us;
    y->dirty = true;
}

void sg_tallies_call(struct sg_tallies *t, const struct sg_call_row *c) {
    bool answered = c->state == SG_CALL_ANSWERED;
    int code = answered ? 0 : c->code ? c->code : SG_E_REPLY; /* 0 would be an answer */
    struct sg_tally *y = tally_of(t, c->node, c->ordinal, c->status, code);
    uint64_t us = answered && c->latency_us > 0 ? (uint64_t)c->latency_us : 0;
    count(y, us);
    y->again += c->state == SG_CALL_AGAIN;
    y->prompt_tokens += c->prompt_tokens;
    y->completion_tokens += c->completion_tokens;
    y->unmetered += answered && c->unmetered;
    y->repeated += answered && c->repeated;
    if (answered) add_time(t, c->node, c->ordinal, us);
}

static struct sg_spent *spent_of(struct sg_tallies *t, int outcome, uint32_t node, uint32_t ordinal) {
    for (size_t i = 0; i < t->n_spent; i++) {
        struct sg_spent *s = &t->spent[i];
        if (s->outcome == outcome && s->node == node && s->ordinal == ordinal) return s;
    }
    GROW(t->spent, t->n_spent, t->cap_spent);
    struct sg_spent *s = &t->spent[t->n_spent++];
    *s = (struct sg_spent){.outcome = outcome, .node = node, .ordinal = ordinal};
    return s;
}

void sg_tallies_record(struct sg_tallies *t, int outcome, const struct sg_work *work, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const struct sg_work *w = &work[i];
        if (w->ordinal == SG_TALLY_NODE) {
            count(tally_of(t, w->node, SG_TALLY_NODE, 0, w->failed ? SG_E_HOOK : 0), w->us);
            add_time(t, w->node, SG_TALLY_NODE, w->us);
            continue;
        }
        struct sg_spent *s = spent_of(t, outcome, w->node, w->ordinal);
        s->calls++;
        s->prompt_tokens += w->prompt_tokens;
        s->completion_tokens += w->completion_tokens;
        s->dirty = true;
    }
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

/* SG_TALLY_NODE is -1 in the database. */
static void bind_key(sqlite3_stmt *s, int at, uint32_t node, uint32_t ordinal) {
    sqlite3_bind_int64(s, at, node);
    sqlite3_bind_int64(s, at + 1, ordinal == SG_TALLY_NODE ? -1 : (sqlite3_int64)ordinal);
}

static int put_tally(struct sg_rundb *d, struct sg_tally *y) {
    sqlite3_stmt *s = NULL;
    int rc = sg_rundb_begin_write(d, PUT_TALLY, &s, "tallies");
    if (rc < 0) return rc;
    bind_key(s, 1, y->node, y->ordinal);
    sqlite3_bind_int(s, 3, y->status);
    sg_bind_text(s, 4, y->code ? sg_str(sg_error_name(y->code)) : SG_STR(""));
    const uint64_t numbers[] = {y->count,     y->again,  y->prompt_tokens, y->completion_tokens,
                                y->unmetered, y->repeated, y->sum_us, y->min_us, y->max_us};
    for (int i = 0; i < 9; i++) sg_bind_u64(s, 5 + i, numbers[i]);
    sqlite3_bind_double(s, 14, y->squares);
    y->dirty = false;
    return sg_rundb_run(d, s, "tallies");
}

static int put_step(struct sg_rundb *d, const struct sg_times *h, unsigned step) {
    sqlite3_stmt *s = NULL;
    int rc = sg_rundb_begin_write(d, PUT_TIME, &s, "times");
    if (rc < 0) return rc;
    bind_key(s, 1, h->node, h->ordinal);
    sqlite3_bind_int64(s, 3, step);
    sg_bind_u64(s, 4, h->counts[step]);
    return sg_rundb_run(d, s, "times");
}

static int put_times(struct sg_rundb *d, struct sg_times *h) {
    int rc = 0;
    for (unsigned w = 0; w < SG_TIME_STEPS / 32; w++)
        for (; h->dirty[w] && rc == 0; h->dirty[w] &= h->dirty[w] - 1)
            rc = put_step(d, h, 32 * w + (unsigned)__builtin_ctz(h->dirty[w]));
    h->any_dirty = false;
    return rc;
}

static int put_spent(struct sg_rundb *d, struct sg_spent *p) {
    sqlite3_stmt *s = NULL;
    int rc = sg_rundb_begin_write(d, PUT_SPENT, &s, "spent");
    if (rc < 0) return rc;
    sqlite3_bind_int(s, 1, p->outcome);
    bind_key(s, 2, p->node, p->ordinal);
    sg_bind_u64(s, 4, p->calls);
    sg_bind_u64(s, 5, p->prompt_tokens);
    sg_bind_u64(s, 6, p->completion_tokens);
    p->dirty = false;
    return sg_rundb_run(d, s, "spent");
}

int sg_tallies_put(struct sg_tallies *t, struct sg_rundb *d) {
    int rc = 0;
    for (size_t i = 0; i < t->n_tallies && rc == 0; i++)
        if (t->tallies[i].dirty) rc = put_tally(d, &t->tallies[i]);
    for (size_t i = 0; i < t->n_times && rc == 0; i++)
        if (t->times[i].any_dirty) rc = put_times(d, &t->times[i]);
    for (size_t i = 0; i < t->n_spent && rc == 0; i++)
        if (t->spent[i].dirty) rc = put_spent(d, &t->spent[i]);
    return rc;
}

/* A name that a later version brought counts as a failure of some kind. */
static int code_of(struct sg_str name) {
    if (name.n == 0) return 0;
    for (int code = SG_E_FIRST_ + 1; strcmp(sg_error_name(code), "unknown") != 0; code++)
        if (sg_str_eq(sg_str(sg_error_name(code)), name)) return code;
    return SG_E_REPLY;
}

static uint32_t ordinal_of(sqlite3_stmt *s, int at) {
    return sqlite3_column_int64(s, at) < 0 ? SG_TALLY_NODE : sg_column_u32(s, at);
}

static void load_tally(struct sg_tallies *t, sqlite3_stmt *s) {
    struct sg_tally *y = tally_of(t, sg_column_u32(s, 0), ordinal_of(s, 1), sqlite3_column_int(s, 2),
                                  code_of(sg_column_text(s, 3)));
    uint64_t *const numbers[] = {&y->count,     &y->again,  &y->prompt_tokens, &y->completion_tokens,
                                 &y->unmetered, &y->repeated, &y->sum_us, &y->min_us, &y->max_us};
    for (int i = 0; i < 9; i++) *numbers[i] = sg_column_u64(s, 4 + i);
    y->squares = sqlite3_column_double(s, 13);
}

static void load_time(struct sg_tallies *t, sqlite3_stmt *s) {
    struct sg_times *h = times_of(t, sg_column_u32(s, 0), ordinal_of(s, 1));
    uint32_t step = sg_column_u32(s, 2);
    if (step >= SG_TIME_STEPS) return;
    h->counts[step] = sg_column_u64(s, 3);
    h->n += h->counts[step];
}

static void load_spent(struct sg_tallies *t, sqlite3_stmt *s) {
    struct sg_spent *p = spent_of(t, sqlite3_column_int(s, 0), sg_column_u32(s, 1), ordinal_of(s, 2));
    p->calls = sg_column_u64(s, 3);
    p->prompt_tokens = sg_column_u64(s, 4);
    p->completion_tokens = sg_column_u64(s, 5);
}

static int load(struct sg_tallies *t, struct sg_rundb *d, enum sg_statement which, const char *what,
                void (*take)(struct sg_tallies *t, sqlite3_stmt *s)) {
    sqlite3_stmt *s = NULL;
    int rc = sg_rundb_begin_read(d, which, &s, what);
    if (rc < 0) return rc;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) take(t, s);
    return sg_rundb_end_read(d, s, rc, what);
}

int sg_tallies_load(struct sg_tallies *t, struct sg_rundb *d) {
    int rc = load(t, d, GET_TALLIES, "tallies", load_tally);
    if (rc == 0) rc = load(t, d, GET_TIMES, "times", load_time);
    return rc == 0 ? load(t, d, GET_SPENT, "spent", load_spent) : rc;
}
