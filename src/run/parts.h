/* SPDX-License-Identifier: Apache-2.0 */
/* parts: what the files of run share: the state of one run. Private to run. */
#ifndef SG_RUN_PARTS_H
#define SG_RUN_PARTS_H

#include "data/recording.h"
#include "exec/exec.h"
#include "report/report.h"
#include "run/figures.h"
#include "run/logfile.h"
#include "run/run.h"
#include "run/terminal.h"

/* One record of a run that has been, once more: its calls are answered from what the run has kept. */
struct sg_run_again {
    uint64_t position;
    int (*answer)(void *ud, struct sg_call *c, struct sg_completion *out, struct sg_err *err);
    bool (*done_before)(void *ud, const struct sg_call_row *key, struct sg_arena *a, struct sg_json *out);
    void *ud;
    struct sg_range passed; /* rows that are passed over: all between the first, which lays out the state, and this one */
};

struct sg_rows_stream;

/* A class of graph_post_process, and what came of it. */
struct sg_post {
    struct sg_str name, file;
    char hash[65];   /* of the class's name, its file and its params */
    bool done;       /* now, or before */
    int status;      /* why not */
    struct sg_str error;
    int64_t records; /* that it wrote; -1: it does not say */
};

struct run {
    const struct sg_run_options *o;
    const struct sg_run_again *again; /* NULL: a run of its own */
    struct sg_exec_observer teller; /* for hosts that want events */
    const struct sg_exec_observer *observer; /* a preview: it sees all, and nothing is written; else NULL */
    struct sg_task task;
    struct sg_loop *loop;
    struct sg_hooks *hooks;
    struct sg_calls *calls;
    struct sg_columns *columns;
    struct sg_source *source;
    struct sg_spool *spool;        /* rows.c: of what transforms make, until the source is open */
    struct sg_str rows_file;       /* empty: the source is read as it is */
    const struct sg_hook_call *own_call; /* under way for the whole input or output; NULL: none */
    int rows_hook;                 /* of the transforms, in `hooks` */
    struct sg_rows_stream *stream; /* transforms of rows on their way; NULL: none */
    struct sg_output *output;
    struct sg_exec *exec;
    struct sg_calls_model **models;
    int *hook_ids;
    struct traces *traces; /* of hosts.c */
    struct sg_str folder, stem;  /* of the output */
    uint64_t seed, first, count; /* count 0: all */
    int64_t started_wall_ns;     /* of the run's first life */
    uint64_t started_ns;         /* of this one, on the loop's clock */
    bool resuming;
    /* Answers that are all there is: of a run that is made once more (`was` and run_folder are its), or of a recording. */
    bool replaying;
    struct sg_worker *past_worker;
    struct sg_rundb *past_db;
    struct sg_segments *past_segments;
    struct sg_past_folder *past_folder;
    struct sg_source_from past_source; /* its input must be what it was */
    struct sg_recording *recording;
    uint32_t life; /* 1 in the first one */
    struct sg_run_identity identity;
    struct sg_str run_folder;   /* of the run that goes on ... */
    struct sg_run_identity was; /* ... and what is stored of it */
    const struct sg_output_resumed *resumed;
    int step_status; /* of the asynchronous step of opening that was waited for */
    struct sg_err step_err;
    struct sg_timer tick, progress, grace, tell;
    struct sg_str models_json; /* of facts.c */
    struct sg_str metadata; /* the file that was written; empty: none */
    struct sg_rates rates;
    struct sg_terminal *terminal; /* with the panel; NULL: none */
    struct sg_logfile *log;       /* NULL: none */
    bool interrupted, aborted;
    bool ending; /* every record has ended; the output is being finished */
    uint64_t ended_ns; /* when it was, on the loop's clock; 0: not yet */
    bool post_processing, post_failed;
    struct sg_post *posts;
    int *post_hooks; /* by step; of those that are closures */
    size_t n_posts;
    struct sg_err why; /* of an abort */
    struct sg_output_result result;
};

/* --- hosts.c: the hook hosts of a run --- */
int sg_run_open_hooks(struct run *r, struct sg_err *err);
/* What every pool of hosts of a run is opened with. */
void sg_run_hooks_options(struct run *r, struct sg_hooks_options *out);
/* A pool of one process, of any size, for the whole input or output. Who opens it closes it. */
int sg_run_open_pool(struct run *r, struct sg_hooks **out, struct sg_err *err);
/* Loads what was added to a pool, and reports what cannot be. `what` is that, in the error: "the task's hooks". */
int sg_run_load_hooks(struct run *r, struct sg_hooks *hooks, const char *what, struct sg_err *err);
/* Of a task that is checked and not run. `hosts` NULL: of jq programs only. */
void sg_run_check_hooks(struct sg_task *t, const struct sg_plan *plan, const char *exe, const struct sg_run_hosts *hosts);
/* For the closing summary: lines of languages other than jq; the member `hosts`. Nothing where there are no hooks. */
struct sg_panel_style;
void sg_run_hosts_lines(const struct run *r, const struct sg_panel_style *s, struct sg_buf *b);
void sg_run_hosts_json(const struct run *r, struct sg_buf *b);
/* hooks_told.c: for sg_task_hooks. `hook`: its number, or -1 when it is not asked. */
void sg_run_note_hook(struct sg_task *t, const struct sg_hook_spec *spec, int hook);
void sg_run_take_descriptions(struct sg_task *t, const struct sg_hooks *hooks);
/* The loop runs until a step of opening is done, whose callback sets step_status and step_err. */
int sg_run_wait(struct run *r, struct sg_err *err);

/* --- run.c: what the opened parts call ---------------------------------------------------------------------------- */
void sg_run_on_signal(void *ud, int signal);
void sg_run_on_detached(void *ud);
void sg_run_on_output_error(void *ud, const struct sg_err *err);
void sg_run_on_exec_end(void *ud, int status, const struct sg_err *err);

/* --- executor.c: a task that brings a class TaskExecutor --- */
bool sg_run_has_executor(const struct run *r);
/* Returns only when it cannot. */
int sg_run_hand_over(struct run *r, struct sg_err *err);

/* --- open.c --- */
int sg_run_open_all(struct run *r, struct sg_err *err);
/* The source as the run reads it. `so`: what is not the task's: exe_dir, start, count, from. */
int sg_run_open_rows(struct run *r, struct sg_source_options *so, struct sg_err *err);
void sg_run_close_all(struct run *r);

/* --- identity.c: what a run is --- */
void sg_run_identify(struct run *r);
/* The columns that samplers draw from hold other values than when the run began. */
bool sg_run_columns_differ(struct run *r);
/* The options that `resume` needs, from their JSON. */
int sg_run_stored_options(struct sg_arena *a, struct sg_str json, struct sg_run_options *out, struct sg_str *cwd,
                          struct sg_err *err);

/* As they are given here, for when the working directory changes. */
struct sg_run_hosts sg_run_hosts_here(struct sg_arena *a, const struct sg_run_hosts *given);
/* What is given in place of what was stored. */
void sg_run_override_hosts(struct sg_run_hosts *stored, const struct sg_run_hosts *given);

/* --- accept.c: what is to run again of a run that goes on --- */
/* Fails, having told what that concerns, when the task is another one and nobody has accepted that. */
int sg_run_settle(struct run *r, struct sg_err *err);

/* --- replay.c --- */
/* Opens what the past of a run, or a recording, is read by. */
int sg_run_open_replay(struct run *r, struct sg_err *err);
void sg_run_close_replay(struct run *r);

/* --- stored.c: the task that a run names, loaded in the folder in which the run was started, where the process then is. */
int sg_run_load_stored(struct sg_arena *a, const struct sg_run_identity *id, struct sg_run_options *o, struct sg_task *t,
                       struct sg_err *err);

/* --- find.c --- */
/* Its output has its name. A run that died before the renaming has a .part still. */
bool sg_run_is_finished(struct sg_arena *a, struct sg_rundb *db, struct sg_str folder);
/* Absolute, for when the working directory changes. */
struct sg_str sg_run_absolute(struct sg_arena *a, struct sg_str path);
/* To the folder in which a run was started. */
int sg_run_go_to(struct sg_str cwd, struct sg_err *err);
/* The newest unfinished run of a task among the outputs in `folder`. */
bool sg_run_find_unfinished(struct sg_arena *a, struct sg_str folder, struct sg_str task, struct sg_str *out);
/* "out/output.run" to its folder and stem. */
void sg_run_split(struct sg_arena *a, struct sg_str path, struct sg_str *folder, struct sg_str *stem);

/* --- figures.c --- */
void sg_run_figures(const struct run *r, struct sg_figures *f);
/* Notes what has been done so far, for rates. */
void sg_run_sample(struct run *r);

/* --- facts.c: what reports need to know, told to the run folder; once it is open, and before it is closed --- */
void sg_run_tell_begin(struct run *r);
void sg_run_tell_end(struct run *r);
/* Of all answers so far, over all lives. */
struct sg_cost sg_run_cost(const struct run *r);

/* --- metadata.c: once the output has finished --- */
void sg_run_write_metadata(struct run *r);

/* --- tell.c: figures and events for hosts that want them, from the start until every record has ended --- */
/* NULL: none wants events. Once the hooks are loaded. */
const struct sg_exec_observer *sg_run_teller(struct run *r);
void sg_run_tell_hosts(struct run *r);
void sg_run_tell_hosts_end(struct run *r);

/* --- watch.c: the panel or lines of progress, from the start until the loop has ended --- */
void sg_run_watch(struct run *r);
void sg_run_watch_end(struct run *r);

/* --- summary.c --- */
void sg_run_summary(struct run *r);

#endif
