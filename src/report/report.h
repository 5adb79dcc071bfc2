/* SPDX-License-Identifier: Apache-2.0 */
/* report: what a run did, in figures: by model, node and outcome, over time, and what it cost. As text, as JSON, as a page
 * (`sygra report`), and as the reference's metadata file.
 *
 * It is read from the run folder alone, of a live, a dead or a finished run, in one pass over the records and one over the
 * calls; or it is filled by hand (the metadata file of a run without a folder).
 * Memory: sg_report_close frees it; it does not grow with the run.   Thread: any, one at a time. It blocks.
 * Errors: of the run folder (journal/rundb.h). */
#ifndef SG_REPORT_REPORT_H
#define SG_REPORT_REPORT_H

#include "journal/tally.h"
#include "spec/spec.h"

/* One model, whichever nodes ask it. */
struct sg_report_model {
    struct sg_str alias, name; /* in models.yaml; at the endpoint */
    struct sg_str type;
    struct sg_str url;        /* JSON: text, list of texts, or null; without passwords */
    struct sg_str parameters; /* JSON: an object, secrets redacted */
    struct sg_price price;
};

/* Whom calls of a node go to. */
struct sg_report_use {
    uint32_t node, ordinal;
    size_t model;
};

struct sg_report_cause {
    struct sg_str node, code, text;
    uint64_t count;
};

#define SG_SLOTS 120 /* of a timeline, at most */

struct sg_slot_use {
    uint64_t answered, failed, latency_us, prompt_tokens, completion_tokens;
};

/* The run in equal slots of time, from its first start on. */
struct sg_timeline {
    int64_t width_ms, end_ms; /* end: of the last row */
    size_t n;                 /* slots used */
    struct sg_slot {
        uint64_t ended[4]; /* records, by outcome */
        struct sg_times times; /* of its answers */
        struct sg_slot_use *uses; /* by number in sg_report.uses */
    } slots[SG_SLOTS];
};

struct sg_report {
    struct sg_arena arena;
    struct sg_str folder; /* of the run; empty: it has none */
    const char *state;    /* live, dead, finished */
    int holder;           /* live: its process */
    struct sg_run_identity id;
    struct sg_progress progress;
    struct sg_report_model *models;
    struct sg_report_use *uses;
    size_t n_models, n_uses;
    const struct sg_tallies *tallies;
    struct sg_tallies stored;
    uint32_t lives;    /* processes that have worked at it */
    int64_t ended_ms;  /* of the last life, since 1970; 0: not known */
    bool has_lag;
    double lag_p50_ms, lag_p99_ms, lag_max_ms; /* of the last life that ended in order */
    struct sg_report_cause *causes; /* most frequent first */
    size_t n_causes, cap_causes;
    struct sg_timeline *timeline; /* NULL: no rows are kept */
};

/* `folder` ends in NUL. After an error only sg_report_close may follow. */
int sg_report_open(struct sg_report *r, const char *folder, struct sg_err *err);
void sg_report_close(struct sg_report *r);
/* Models, uses and prices from what sg_report_models_json wrote. False: it is no such text. */
bool sg_report_take_models(struct sg_report *r, struct sg_str json);

/* --- figures -------------------------------------------------------------------------------------------------------- */

#define SG_ANY SIZE_MAX

/* Seconds; of answered calls, or of a node's executions. n 0: all are 0. */
struct sg_stats {
    uint64_t n;
    double total, mean, least, largest, deviation, p50, p95, p99;
};

/* Of a model or SG_ANY, at a node or SG_ANY. */
struct sg_report_sum {
    uint64_t attempts, answered, failed, again; /* failed: for good */
    uint64_t repeated; /* answered again after a resume, what had been answered */
    uint64_t prompt_tokens, completion_tokens, unmetered;
    struct sg_stats stats;
};
void sg_report_sum(const struct sg_report *r, size_t model, size_t node, struct sg_report_sum *out);
/* Attempts by response: "200", "429", "timeout"; `fn` is called once for each. */
void sg_report_codes(const struct sg_report *r, size_t model, size_t node,
                     void (*fn)(void *ud, const char *name, uint64_t n), void *ud);
/* A node's executions, of records that have ended. */
void sg_report_runs(const struct sg_report *r, size_t node, uint64_t *failed, struct sg_stats *out);

/* What is not priced, or was answered without saying how many tokens it took, is not known; usd is of the rest. */
struct sg_cost {
    double usd;
    bool unknown; /* in part at least */
    bool any;     /* something is known */
};
struct sg_cost sg_report_cost(const struct sg_report *r, size_t model, size_t node);
/* Of records that ended so. */
struct sg_cost sg_report_spent(const struct sg_report *r, int outcome);
/* Of `prompt` and `completion` tokens at a price. */
struct sg_cost sg_price_of(const struct sg_price *p, uint64_t prompt, uint64_t completion, uint64_t unmetered);
void sg_cost_add(struct sg_cost *to, struct sg_cost c);
/* "$1.23", "at least $1.23", "unknown". */
struct sg_cost_text {
    char text[48];
};
struct sg_cost_text sg_cost_show(struct sg_cost c);
/* Names a response: "200", "429", "timeout". */
const char *sg_tally_name(const struct sg_tally *t, char text[16]);
size_t sg_report_model_of(const struct sg_report *r, uint32_t node, uint32_t ordinal); /* SG_ANY: not known */

/* From the first start to the end of what is known; negative: not known. */
double sg_report_seconds(const struct sg_report *r);
/* START and the output map are nodes to the journal only. */
bool sg_report_is_node(const struct sg_report *r, size_t node);

/* What the report lacks and why: `fn` is called once for each. */
void sg_report_missing(const struct sg_report *r, void (*fn)(void *ud, const char *what, const char *why), void *ud);

/* --- clothes ------------------------------------------------------------------------------------------------------- */

void sg_report_text(const struct sg_report *r, struct sg_buf *out);
void sg_report_json(const struct sg_report *r, struct sg_buf *out); /* docs/formats/report.md */
void sg_report_page(const struct sg_report *r, struct sg_buf *out); /* HTML that needs nothing else */

/* What the metadata file says beyond the run folder. */
struct sg_report_setting {
    struct sg_str python_version; /* of its hooks; empty: there are none */
    struct sg_str task, run_name, output_dir; /* empty: null */
    uint32_t batch_size;
    bool resumable, debug;
    bool has_git, is_dirty, knows_dirty;
    struct sg_str commit, branch, remote; /* empty: null */
    struct sg_str source_type;
    double seconds_here; /* of this life */
};
/* docs/metadata.md has the table of its fields. Indented by 2. */
void sg_report_metadata(const struct sg_report *r, const struct sg_report_setting *s, struct sg_buf *out);

#endif
