/* SPDX-License-Identifier: Apache-2.0 */
/* record: what exec's files share. A record is one row on its way through the graph; a task is one execution of one node.
 *
 *   record:  START's routing -> superstep (tasks run side by side) -> merge -> superstep ... -> output map -> end
 *   task:    the steps of its node kind, one after the other; a step goes on at once, waits for a callback, or fails
 *   child:   a task within a task: what a multi_llm node asks one of its models
 *
 * What a step changed is journalled when another one follows (step_body.c); what an earlier life of the run left of a record is
 * its past (past.c).
 *
 * Invariants: tasks of a step see one snapshot (record->state does not change while they run); updates are merged in the
 * order of node numbers, which is the order of names; values live in the record's arena. */
#ifndef SG_EXEC_RECORD_H
#define SG_EXEC_RECORD_H

#include "exec/exec.h"
#include "plan/schema.h"

struct record;
struct task;

/* What a step says to the driver: go on, stay (a callback will), run me again, end the record. */
enum verdict { NEXT, WAIT, AGAIN, FAIL };

struct step {
    const char *name; /* in the log */
    enum verdict (*run)(struct task *t);
};

/* A node kind is one file with one entry. */
struct node_kind {
    const char *name;
    const struct step *steps; /* ends in a NULL name */
    /* A child of a task of this kind has ended: NEXT or FAIL. */
    void (*on_child)(struct task *child, enum verdict v);
};

extern const struct node_kind sg_node_kind_llm, sg_node_kind_multi_llm, sg_node_kind_sampler, sg_node_kind_lambda,
    sg_node_kind_connector, sg_node_kind_start, sg_node_kind_output;

/* A state: one value a slot, NULL when never written. Slots are the plan's keys, then the columns of the first row. */
typedef const struct sg_json *const *state_view;

struct update {
    int slot;
    const struct sg_json *value;
};

/* A value of the state that a hook changed in place: no write, so two of them are no conflict. */
struct change {
    int slot;
    const struct sg_json *value, *was; /* `was`: what the step began with; set when the step ends */
};

typedef void hook_write_fn(struct sg_hook_call *c, struct sg_buf *input, struct sg_buf *state);
typedef enum verdict hook_result_fn(struct task *t, const struct sg_json *results);

struct task {
    struct record *record;
    const struct sg_plan_node *node; /* NULL: START, output */
    const struct sg_plan_out *out;
    const struct node_kind *kind;
    uint32_t visit;
    uint16_t step;
    bool running, owns_view; /* `state` is a copy of this task's own */
    uint64_t began_ns;
    state_view state;                /* what this execution sees */
    const struct sg_json *own_state; /* llm: what pre_process returned, with keys that no slot has; or NULL */
    struct update *updates;
    size_t n_updates, cap_updates;
    struct change *changes;
    size_t n_changes, cap_changes;
    uint32_t n_hooks; /* called so far by this execution */
    int plan_hook;    /* that is called, or waits to be */
    int *targets;     /* where its conditional edges lead */
    size_t n_targets, cap_targets;
    size_t turn; /* branch, or output field, in hand */
    union {
        struct sg_call call;
        struct sg_hook_call hook;
        struct {
            struct sg_later later;
            const struct sg_past_call *of;
        } answer; /* that the past has */
        struct sg_output_wait commit; /* of the intent of the hook that is called next */
    };
    bool hook_waits, call_waits, answer_waits, commit_waits;
    bool repeats; /* llm: its call had been answered before, but is asked again */
    hook_write_fn *write_hook;
    hook_result_fn *on_result;
    const struct sg_json **mapped; /* output: transformed fields */
    /* llm, and the children of multi_llm */
    int model;                    /* number in the plan */
    uint32_t ordinal;             /* of the call, within the visit */
    uint32_t failed_attempts;     /* of the call, when it failed */
    uint32_t pending_children;    /* of a multi_llm: started, not ended */
    struct sg_json completion;    /* the message that came back */
    const char *reply;            /* its text; NULL: none yet */
    const struct sg_json *entry;  /* for the chat history, or NULL */
    const struct sg_json *result; /* the object that the node returns, or NULL */
    /* A child is no task of the step: its parent stands for it. */
    struct task *parent;
    struct sg_err *failure; /* of a child, or of a call that the past should have and has not */
    struct task *children;  /* in the record's arena */
    size_t n_children;
};

struct record {
    struct sg_exec *exec;
    struct record *prev, *next; /* under way, or free */
    uint64_t position, line, offset;
    int64_t started_ms; /* since the run's first start */
    struct sg_arena arena;
    size_t compact_at;
    struct sg_json row;
    const struct sg_json **state;
    uint32_t *written; /* per slot: step of the last write; 0: none */
    int *writers;      /* per slot: the node of that */
    uint32_t *visits;  /* per node */
    uint64_t *arrived; /* per join: sources that have finished, as bits, in words */
    struct task *tasks;
    size_t n_tasks, cap_tasks;
    int *fired; /* nodes of the next step */
    size_t n_fired;
    bool *is_fired;
    uint32_t steps;
    uint32_t pending; /* tasks of this step that have not ended, and one while they are being started */
    const struct sg_json *before[SG_KEY_FIRST]; /* the lists that are joined, as the step began */
    bool failing;
    struct sg_err err;
    struct sg_str err_node;
    uint32_t attempts;        /* of all its calls */
    /* What the journal has: the state and the visits as of the last step that is in it, or as the record began. */
    const struct sg_json **kept;
    uint32_t *kept_visits;
    uint32_t kept_steps;            /* its number */
    bool has_waited;                /* since then: there is something worth keeping */
    bool replaced[SG_KEY_FIRST];    /* since then: the list has not only grown */
    struct sg_past *past;           /* NULL: none */
    struct sg_past_request loading; /* while it is loaded the record has not begun */
    bool is_loading;
    uint32_t failed_attempts; /* of the call that failed */
    bool dropped;             /* by its generator */
    const struct sg_plan_rule *broken; /* by the finished record, which is invalid then; else NULL */
    const struct sg_json *culprit;     /* the value that breaks it, or NULL: there is none */
    struct sg_str misfit;              /* why the schema's class finds it invalid; p NULL: it does not */
    struct sg_work *work;     /* what it has done, told at its end */
    size_t n_work, cap_work;
};

struct sg_exec {
    struct sg_exec_options o;
    const struct sg_plan *plan;
    struct sg_str *slots; /* names */
    size_t n_slots;
    int *column_slots; /* of the first row's members, in their order */
    size_t n_columns;
    bool *is_column; /* per slot */
    int *check_slots; /* per check of the plan: the slot of a state key, or SG_NONE */
    bool has_layout;
    struct record *active, *free;
    struct sg_row *rows; /* pulled, not yet admitted: [row_at, n_rows) */
    size_t row_at, n_rows, cap_rows;
    bool pulling, ended, stopping, done;
    bool output_waits; /* hooks make the output, or check it */
    bool journals;     /* somebody keeps calls and steps */
    bool warned_columns;
    int end_status;
    struct sg_err end_err;
    struct sg_later admit;
    struct sg_timer window; /* looks again when admission waits for the front */
    uint64_t window_end;    /* positions below may be admitted */
    struct sg_buf text;     /* of the output or prompt in hand */
    struct sg_writer_row *writers; /* room for the row of each key */
    struct sg_arena fixed;         /* as long as the engine */
    struct sg_json *tools;         /* by node: what its requests offer; an array, or null */
    size_t join_words;
    struct sg_exec_figures figures;
    struct sg_exec_cause causes[32];
    uint64_t failures; /* failed records so far */
};

/* --- record.c: the superstep machine -------------------------------------------------------------------------------------- */
void sg_record_begin(struct record *r); /* state is set */
void sg_record_go_on(struct record *r); /* behind a step: what fires next is set */
void sg_record_drop(struct record *r);  /* cancels what runs */
void sg_record_work(struct record *r, const struct sg_work *w);
/* A waiting step is over. */
void sg_task_go(struct task *t, enum verdict v);
enum verdict sg_task_fail(struct task *t, int code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
enum verdict sg_task_fail_err(struct task *t, int code, const struct sg_err *err);
/* Children of a task, numbered, that see its state. A child that fails does not fail the record: the kind's on_child says
 * what its end means. */
void sg_child_tasks(struct task *t, size_t n, const struct node_kind *kind);
void sg_child_start(struct task *child);
bool sg_task_cancel(struct task *t); /* with its children; false when it did not run */
void sg_task_update(struct task *t, int slot, const struct sg_json *value);
/* Every known key of a hook's object becomes an update; others are dropped (spec-core 5.2). */
void sg_task_update_object(struct task *t, const struct sg_json *object);

/* --- state.c ------------------------------------------------------------------------------------------------------------------ */
int sg_state_slot(const struct sg_exec *x, struct sg_str name);
bool sg_state_is_joined(const struct sg_exec *x, int slot); /* a write is put behind what is there */
void sg_state_write(const struct sg_exec *x, state_view s, struct sg_buf *out); /* as one JSON object */
/* old followed by list */
const struct sg_json *sg_state_append(struct sg_arena *a, const struct sg_json *old, const struct sg_json *list);
/* What a write of `v` adds to a list that is joined: a hook that returns the whole state gives the list back as it found it, and means
 * what it has put behind that (spec-core 13.19). `object`: all that is returned. Of other slots it is `v`. */
const struct sg_json *sg_state_tail(const struct task *t, int slot, const struct sg_json *v, const struct sg_json *object);
/* Applies what one task's hooks changed in place, and then its updates; false: two writers, or no list (the record's err is set).
 * All tasks' changes come before the first one's updates. */
bool sg_state_change(struct record *r, struct task *t);
bool sg_state_merge(struct record *r, const struct task *t);
/* What a task's changes leave of a slot, or NULL. */
const struct sg_json *sg_state_changed(const struct task *t, int slot);
struct sg_json sg_state_object(struct sg_arena *a, const struct sg_exec *x, state_view s);
void sg_state_compact(struct record *r);

/* --- hook_step.c: calling a hook from a step ------------------------------------------------------------------------------------ */
enum verdict sg_hook_step(struct task *t, int plan_hook, hook_write_fn *write, hook_result_fn *on_result);
/* once.c: a call that was held back begins; what came of one, now or before. */
void sg_hook_begin(struct task *t);
void sg_hook_take(struct task *t, int status, const struct sg_json *results, const struct sg_json *effects,
                  const struct sg_err *err);
/* Writes the state that the task sees: for jq as the input, else as the state. */
void sg_hook_write_state(struct sg_hook_call *c, struct sg_buf *input, struct sg_buf *state);
struct sg_buf *sg_hook_state_buffer(const struct task *t, struct sg_buf *input, struct sg_buf *state);
/* Whether a hook that is never to run twice has run in an earlier life: NEXT: it has not, and may be called; else what came of it
 * comes later, or the task fails. */
enum verdict sg_once_begin(struct task *t);
void sg_once_end(struct task *t, int status, const struct sg_json *results, const struct sg_json *effects,
                 const struct sg_err *err);

/* --- effects.c: what hooks do beside their result --------------------------------------------------------------------------------- */
/* The results with the values of the keys that the hook says it has kept. */
const struct sg_json *sg_effects_keep(struct task *t, const struct sg_json *results, const struct sg_json *effects);
/* What it changed in place: seen at once by what the task does next, and by the state at the end of the step. */
void sg_effects_change(struct task *t, const struct sg_json *effects);
/* Of children, in their order, to their parent's. */
void sg_effects_of_children(struct task *t);
/* Values that only Python has, and objects of messages, are marked in the state. As a prompt shows them: by their text. */
struct sg_json sg_plain_for_prompt(struct sg_arena *a, const struct sg_json *v);
/* As an output shows them; SG_E_TYPE: a value that has no JSON, err names it and its type. */
int sg_plain_for_output(struct sg_arena *a, const struct sg_json *v, struct sg_str key, struct sg_json *out,
                        struct sg_err *err);
bool sg_has_marks(const struct sg_json *v);

/* --- prompt.c, chat.c --------------------------------------------------------------------------------------------------------------- */
/* The messages of a task's call as they are asked, but for names that the wire does not take. */
int sg_prompt_messages(struct task *t, struct sg_arena *scratch, struct sg_json *out, struct sg_err *err);
int sg_prompt_request(struct sg_call *c, struct sg_arena *scratch, struct sg_request *out, struct sg_err *err);
/* Lays the chat history into the messages of a node that takes part in it. */
int sg_chat_inject(struct task *t, struct sg_arena *scratch, struct sg_json *messages, struct sg_err *err);
enum verdict sg_step_chat_entry(struct task *t); /* behind the call */
enum verdict sg_step_chat_add(struct task *t);   /* behind post_process: the entry to the result */

/* Steps shared by node kinds. */
enum verdict sg_step_route(struct task *t); /* route.c: conditional edges */
enum verdict sg_step_pre(struct task *t);   /* llm_steps.c */
enum verdict sg_step_call(struct task *t);
enum verdict sg_step_model_post(struct task *t); /* model_post.c */
enum verdict sg_step_post(struct task *t);  /* sets the result */
enum verdict sg_step_write(struct task *t); /* the result to updates */
/* The key of a call is (position, node, visit, ordinal): an llm node makes one call a visit, a multi_llm node one a child. */
struct sg_call_row sg_call_key(const struct task *t, enum sg_call_state state);
/* What came of a task's call, after so many attempts. */
void sg_call_take(struct task *t, uint32_t attempts, const struct sg_completion *done);
void sg_call_take_failure(struct task *t, uint32_t attempts, const struct sg_err *err);
/* One object, or null for none; else the task fails, naming `what`. */
enum verdict sg_one_object(struct task *t, const struct sg_json *results, const char *what,
                           const struct sg_json **out);

/* --- step_body.c: a step in the journal ------------------------------------------------------------------------------------------- */
/* When something waits behind it: what changed since the last one that was journalled. */
void sg_step_journal(struct record *r);
/* Applies one to a record that has not begun: SG_E_SYNTAX when it is none of this plan's. */
int sg_step_apply(struct record *r, const struct sg_past_step *s, struct sg_err *err);

/* --- past.c ------------------------------------------------------------------------------------------------------------------------- */
/* False: there is none, and the record may begin. Else it begins later. */
bool sg_past_begin(struct record *r);
void sg_past_end(struct record *r);
/* What came of a task's call, or NULL. */
const struct sg_past_call *sg_past_find(const struct task *t, enum sg_call_state state);
const struct sg_past_call *sg_past_find_call(const struct record *r, uint32_t node, uint32_t visit, uint32_t ordinal);
/* What is known of a hook that is never to run twice, or NULL. */
const struct sg_past_call *sg_past_find_hook(const struct task *t, uint32_t sub);

/* --- past_answer.c ------------------------------------------------------------------------------------------------------------------ */
/* NEXT: the call of the task, which is set, is to be made. Else what came of it before comes later, or it fails. */
enum verdict sg_past_answer(struct task *t);
/* Later, as from a host or an endpoint: nothing ends inside its start. */
enum verdict sg_past_later(struct task *t, void (*run)(struct sg_later *d), const struct sg_past_call *c);

/* --- observe.c: only where x->o.observer is set ----------------------------------------------------------------------------------- */
#define SG_SEEN_LAST UINT64_MAX
void sg_see_record(const struct record *r);
void sg_see_node(const struct task *t);
void sg_see_node_end(const struct task *t, const struct sg_err *err);
void sg_see_call(const struct task *t, const struct sg_json *messages);
/* An answer, or `err`: another attempt follows after wait_ns, or none does (SG_SEEN_LAST). */
void sg_see_reply(const struct task *t, const struct sg_completion *done, const struct sg_err *err, uint64_t wait_ns);
void sg_see_route(const struct task *t, const struct sg_json *results, size_t from);
void sg_see_record_end(const struct record *r, enum sg_outcome outcome, struct sg_str json);

/* --- engine.c -------------------------------------------------------------------------------------------------------------------- */
void sg_record_end(struct record *r, enum sg_outcome outcome, struct sg_str json);
/* No record is begun any more; those under way end. This one goes without an end. */
void sg_exec_break(struct record *r, int status, const struct sg_err *err);
/* --- output.c: the line of a failed record; that of an invalid one is written beside its output */
void sg_failed_line(const struct record *r, struct sg_buf *out);

#endif
