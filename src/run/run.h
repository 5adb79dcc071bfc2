/* SPDX-License-Identifier: Apache-2.0 */
/* run: a task folder to a running engine and back: loads and checks, opens everything, shows progress, stops on signals,
 * sums up. One call is one run.
 *
 * Thread: the calling thread becomes the loop thread until the run ends.
 * Errors: mistakes of the task are printed to stderr as diagnostics; the exit status is design section 4's. */
#ifndef SG_RUN_RUN_H
#define SG_RUN_RUN_H

#include "config/config.h"
#include "data/data.h"
#include "plan/plan.h"

enum sg_exit {
    SG_EXIT_OK = 0,    /* all records ok, or dropped on purpose */
    SG_EXIT_ERROR = 1, /* could not start, or was aborted */
    SG_EXIT_USAGE = 2,
    SG_EXIT_FAILED = 3,  /* finished, with failed or invalid records */
    SG_EXIT_STOPPED = 4, /* stopped by a limit */
    SG_EXIT_INTERRUPTED = 130,
};

/* Processes that run user code (hooks/hooks.h); what is 0 or empty is as there. */
struct sg_run_hosts {
    struct sg_str python;    /* interpreter; empty: the active virtual environment's, or python3 */
    struct sg_str env_names; /* "A,B": variables they see although these look like secrets */
    uint32_t timeout_ms;     /* of a call */
    uint64_t memory_bytes;   /* of a host */
    bool trust;              /* pickled values are opened whoever has made them */
    bool attached;           /* attached_fd leads to the process that started this one, and serves its closures */
    int attached_fd;
};

struct sg_run_options {
    struct sg_config_options config;
    const char *exe;                    /* path of this program, for hook hosts */
    const char *const *words;           /* of the command line, NULL behind them: for a task that brings its own executor */
    struct sg_run_hosts hosts;
    struct sg_str run_name, output_dir; /* may be empty */
    uint64_t num_records;               /* 0: all */
    uint64_t start_index;
    uint32_t in_flight; /* records under way */
    uint32_t max_hosts; /* of hooks; 0: as many as cores, at most 8 */
    bool with_timestamp;
    bool has_seed;
    uint64_t seed;
    bool deterministic; /* embedded models decode one sequence at a time */
    bool json;          /* progress and summary as JSON lines */
    bool debug;
    bool no_journal; /* no run folder: nothing can be resumed */
    bool no_metadata; /* no metadata file */
    enum sg_durability durability;
    enum sg_keep keep;
    /* By default as data_config.resumable says; FRESH: a new run; OR_NEW: an unfinished one of this task, if there is one. */
    enum { SG_RUN_BY_TASK, SG_RUN_FRESH, SG_RUN_RESUME_OR_NEW, SG_RUN_RESUME } resume;
    struct sg_str run_folder; /* SG_RUN_RESUME: the folder, out/output.run */
    bool has_count;           /* num_records was given: a resumed run may take more */
    struct sg_str record;     /* a file for the calls of this run, once it has finished; empty: none */
    struct sg_str replay;     /* a recording that is all there is to ask; empty: none */
    bool accept_changes;      /* a resumed run whose task has changed: what that concerns is run again */
    bool again[4];            /* a resumed run: records that ended so are run again, too (by enum sg_outcome) */
    int (*open_loop)(struct sg_loop **out, uint64_t seed,
                     struct sg_err *err); /* of another world; NULL: the real one */
};

/* `sygra resume`: the options of the run's first start, and what may differ. */
struct sg_resume_options {
    struct sg_str word; /* a run, an output, a task, or empty: the newest unfinished one */
    const char *exe, *exe_dir;
    bool has_count;
    uint64_t count;     /* 0: all */
    uint32_t in_flight; /* 0: as before */
    struct sg_run_hosts hosts; /* empty: as before */
    uint32_t max_hosts;
    bool again[4];      /* records that ended so are run again, too (by enum sg_outcome) */
    bool accept_changes;
    bool json, debug;
    struct sg_str prices_file; /* empty: as before */
};
int sg_run_resume(const struct sg_resume_options *o);

/* `sygra replay`: a run once more from its recorded calls, offline, and whether its output is the same. */
struct sg_replay_options {
    struct sg_str word; /* as for resume */
    const char *exe, *exe_dir;
    struct sg_run_hosts hosts; /* empty: as the run had them */
    bool json;
};
int sg_run_replay(const struct sg_replay_options *o);

/* The folder of the run that `word` names; with `unfinished`, only one that can be resumed. Ends in NUL, in `a`. */
int sg_run_find(struct sg_arena *a, struct sg_str word, bool unfinished, struct sg_str *out, struct sg_err *err);

/* Of this program, which is started again for hooks, and beside which libraries and packages lie. */
struct sg_run_programs {
    const char *exe, *exe_dir;
};

/* Where the record with this id stands in the input of a run that has been: its task is loaded, its input read until there.
 * SG_E_MISSING: there is none. */
int sg_run_position_of(struct sg_str run_folder, const struct sg_run_identity *id, struct sg_str record_id,
                       const struct sg_run_programs *programs, uint64_t *position, struct sg_err *err);

/* Python code that a task names. */
struct sg_hook_told {
    const struct sg_hook_spec *spec;
    int hook;                    /* that it was asked as; -1: it was not */
    struct sg_json *description; /* by its host (hook-protocol.md), or NULL */
};

/* A checked task: what `check`, `graph` and `run` begin with. */
struct sg_task {
    struct sg_arena arena;
    struct sg_diags diags;
    struct sg_task_spec spec;
    struct sg_plan *plan; /* NULL when there were errors */
    struct sg_hook_told *told; /* each path once; of a task whose hooks were looked at */
    size_t n_told, cap_told;
};

/* Loads and checks a task; its jq programs too when `exe` is given, and, with `hosts`, its Python hooks, whose code runs then.
 * Returns 0 or a negative SG_E_*; mistakes are in t->diags. */
int sg_task_load(struct sg_task *t, const struct sg_config_options *o, const char *exe, const struct sg_run_hosts *hosts);
void sg_task_fini(struct sg_task *t);
/* A line for each path of Python code, with its file, and what a host has said of it. */
void sg_task_hooks(const struct sg_task *t, struct sg_buf *out);
/* Prints the diagnostics to stderr, or as JSON to stdout. */
void sg_task_report(const struct sg_task *t, bool json);

/* Raises the soft limit of open files to the hard one, and returns it. */
uint64_t sg_raise_files(void);
/* Reports what would not fit this machine's limits: open files, outgoing ports. */
void sg_check_limits(struct sg_diags *d, uint32_t in_flight, const struct sg_plan *plan);

int sg_run(const struct sg_run_options *o);

/* `sygra preview`: a few records, one after the other, shown step by step on stdout; nothing is written. */
struct sg_preview_options {
    struct sg_config_options config;
    const char *exe;
    struct sg_run_hosts hosts;
    uint64_t num_records, start_index;
    bool has_seed;
    uint64_t seed;
    bool json;   /* events as JSON Lines */
    bool full;   /* long values are not cut */
    bool colour; /* for a terminal */
};
int sg_run_preview(const struct sg_preview_options *o);

/* `sygra models`: the models of a task, on stdout, and whether they answer. */
struct sg_models_options {
    struct sg_config_options config;
    bool ping, generate; /* generate: one real call each, of a few tokens */
    bool json;           /* a line for each model */
};
int sg_run_models(const struct sg_models_options *o);

/* `sygra why FILE:ROW[.field]`: what made a record, or one field of it, on stdout. The working directory becomes the run's. */
struct sg_why_options {
    struct sg_str word; /* FILE:ROW[.field]; the first row is 1 */
    const char *exe, *exe_dir;
    bool json;
};
int sg_run_why(const struct sg_why_options *o);

#endif
