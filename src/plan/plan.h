/* SPDX-License-Identifier: Apache-2.0 */
/* plan: the frozen graph. Integers instead of names, compiled templates, subgraphs inlined, every state key known.
 *
 * Built once from specs (no YAML, no I/O), then read-only and shared; whatever changes during a run is in exec's records.
 * Nodes are sorted by name, so the order of node numbers is the order in which a step's updates are merged (design D3).
 * Building reports all mistakes of the graph into diags, at the marks of the spec: unknown nodes, edges into nowhere,
 * graphs that never end, template errors.
 *
 * Memory: everything lives in the caller's arena, which must outlive the plan; specs are pointed into, not copied. */
#ifndef SG_PLAN_PLAN_H
#define SG_PLAN_PLAN_H

#include "plan/template.h"
#include "spec/spec.h"

#define SG_END (-1) /* as a target */
#define SG_NONE (-1)

/* The first two state keys are always there. */
enum { SG_KEY_MESSAGES, SG_KEY_CHAT_HISTORY, SG_KEY_FIRST };

struct sg_plan_key {
    struct sg_str name;
    bool append; /* reducer: lists are joined; else the last value, one writer a step */
    int writer;  /* the only node that names it as its output; SG_NONE: none or several do (hooks may write any key) */
};

struct sg_plan_path {
    struct sg_str key;
    const int *targets;
    size_t n_targets;
};

/* A conditional edge. */
struct sg_plan_branch {
    int hook;
    const struct sg_plan_path *paths;
    size_t n_paths;
    struct sg_mark mark;
};

/* from: [a, b]: the target fires when all sources have finished since it fired last. */
struct sg_plan_join {
    const int *sources;
    size_t n_sources;
    const int *targets;
    size_t n_targets;
};

/* What follows a node, or START. */
struct sg_plan_out {
    const int *targets; /* plain edges, sorted, without SG_END */
    size_t n_targets;
    const struct sg_plan_branch *branches;
    size_t n_branches;
    const int *joins; /* numbers of joins this node is a source of */
    size_t n_joins;
};

struct sg_plan_message {
    struct sg_str role;
    bool is_list;
    struct sg_template *const *parts; /* placeholders' slot: the state key */
    size_t n_parts;                   /* 0 for `tool`: its text is sent as it stands */
    struct sg_str tool_text, tool_call_id;
};

struct sg_plan_attribute {
    int key;
    const struct sg_json *values;
    const double *cumulative; /* of the weights; the last is the total */
    size_t n_values;
    const int *columns; /* instead of values: numbers in plan->columns; of several, one is drawn */
    size_t n_columns;
    bool at_random; /* which row of the column; else the one that is the record's by its position */
};

/* A column of a source that samplers draw from: its values come with the run. */
struct sg_plan_column {
    const struct sg_source_spec *source;
    struct sg_str name;
};

/* One model of a multi_llm node; its number is the ordinal of its calls. */
struct sg_plan_child {
    struct sg_str label;
    int model;
};

struct sg_plan_node {
    struct sg_str name;     /* with the prefixes of its subgraphs: s.t.n */
    enum sg_node_kind kind; /* never SUBGRAPH */
    uint64_t name_hash;
    const struct sg_node_spec *spec; /* NULL for a connector */
    struct sg_plan_out out;

    int model; /* llm: number in plan->models */
    const struct sg_plan_message *messages;
    size_t n_messages;
    int input_key;           /* whose messages follow the prompt */
    int output_key;          /* of the default post-processor */
    int pre_hook, post_hook; /* SG_NONE */
    const struct sg_plan_child *children; /* multi_llm: each is asked as an llm node is, with its own model */
    size_t n_children;
    int combine_hook; /* SG_NONE */
    int lambda_hook;
    const int *
        tool_hooks; /* by number in spec->tools: hooks that are only described; SG_NONE: the tool stands in the spec */
    const struct sg_plan_attribute *attributes;
    size_t n_attributes;
    char hash[65]; /* SHA-256 of its content: prompt, model, parameters, hooks, edges */
    char request_hash[65], result_hash[65]; /* of what its requests, and what it writes, are made of beside the state */
};

struct sg_plan_hook {
    const struct sg_hook_spec *spec;
    enum sg_hook_role role;
    struct sg_str node;           /* the first that it is for; empty: none */
    const struct sg_json *config; /* what it is made with; NULL: nothing */
};

/* Python code, or a closure: it may change the state that it is shown in place, and leave values that are no JSON. */
static inline bool sg_plan_is_python(const struct sg_plan_hook *h) {
    return h->spec->kind != SG_HOOK_JQ;
}

/* RemoveThinkData of the framework, the post_process of many models: it is done here, and no Python is started for it. */
static inline bool sg_plan_removes_thoughts(const struct sg_plan_hook *h) {
    return h->spec->kind == SG_HOOK_PYTHON &&
           sg_str_eq(h->spec->text, SG_STR("sygra.core.models.model_postprocessor.RemoveThinkData"));
}

struct sg_plan_field {
    struct sg_str name;
    int key; /* SG_NONE: `value` */
    struct sg_json value;
    int transform; /* hook or SG_NONE */
};

/* A subgraph node that is a shipped recipe: what it was made of, for people and for the run folder. */
struct sg_plan_recipe {
    struct sg_str node; /* s.t */
    struct sg_recipe_spec is;
};

struct sg_plan_check; /* schema.h */

struct sg_plan {
    const struct sg_plan_key *keys;
    size_t n_keys;
    const struct sg_plan_node *nodes;
    size_t n_nodes;
    const struct sg_plan_join *joins;
    size_t n_joins;
    struct sg_plan_out start;
    const struct sg_model_spec *const *models;
    const int *model_posts; /* by number in models: hooks, or SG_NONE */
    size_t n_models;
    const struct sg_plan_hook *hooks;
    size_t n_hooks;
    const struct sg_plan_column *columns;
    size_t n_columns;
    const struct sg_plan_recipe *recipes;
    size_t n_recipes;
    enum sg_chat conversation;
    uint32_t history_window;
    int generator, schema_type; /* hooks, or SG_NONE */
    bool checks_state;          /* the state is checked, not what is made of it */
    bool has_python;            /* some hook is Python code or a closure */
    bool has_map;
    const struct sg_plan_field *fields;
    size_t n_fields;
    const struct sg_plan_check *checks; /* of finished records */
    size_t n_checks;
    bool state_is_seen; /* hooks, a raw output or a check see keys that no prompt names, `id` among them */
    char start_hash[65], output_hash[65]; /* of what START leads to, and of the output map */
    char schema_hash[65];                 /* of the checks, or the class; empty: there are none */
    int step_limit;     /* 100 */
};

/* Returns 0, or SG_E_SYNTAX when errors were reported; *out is then not to be used. */
int sg_plan_build(struct sg_arena *a, const struct sg_task_spec *task, struct sg_diags *diags, struct sg_plan **out);

/* SG_NONE when there is no such key. */
int sg_plan_key(const struct sg_plan *p, struct sg_str name);
/* "llm", "lambda", ... */
struct sg_str sg_plan_kind_name(const struct sg_plan_node *n);
/* "vllm", "openai", ... */
struct sg_str sg_plan_model_type(const struct sg_model_spec *m);
const struct sg_plan_node *sg_plan_node(const struct sg_plan *p, struct sg_str name);

/* A node's name as the API takes it for a message's `name`: letters, digits, _ and -, 64 at most. */
struct sg_str sg_plan_wire_name(struct sg_arena *a, struct sg_str name);

/* How far a change goes, by node: those that make other requests, and those that write something else. */
struct sg_plan_reach {
    bool *requests, *results;
    bool routes; /* a condition may see a change, and records go another way */
};
/* In: the nodes that do so by themselves; out: those, too, that may do so for what others wrote. Programs see all keys. */
void sg_plan_reach(const struct sg_plan *p, struct sg_plan_reach *r);

/* For people, and for machines. */
void sg_plan_print(const struct sg_plan *p, struct sg_buf *out);
void sg_plan_json(const struct sg_plan *p, struct sg_buf *out);
/* Pictures: for Graphviz, for Mermaid (Markdown pages draw it), and drawn by ourselves. `name` is the picture's title. */
void sg_plan_dot(const struct sg_plan *p, struct sg_str name, struct sg_buf *out);
void sg_plan_mermaid(const struct sg_plan *p, struct sg_str name, struct sg_buf *out);
int sg_plan_svg(const struct sg_plan *p, struct sg_str name, struct sg_buf *out, struct sg_err *err);

#endif
