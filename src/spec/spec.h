/* SPDX-License-Identifier: Apache-2.0 */
/* spec: what a task says, as plain structs. `config` fills them from YAML, other front ends (Python API, tests) by hand;
 * `plan` freezes them. Nothing here knows YAML, and nothing here runs.
 *
 * Every place a user wrote carries its mark (diag.h), so that later checks point at it; hand-made specs leave marks zero.
 * Memory: all of a spec lives in the arena it was made in. Lists are pointer and count. Defaults are filled in. */
#ifndef SG_SPEC_SPEC_H
#define SG_SPEC_SPEC_H

#include "base/base.h"

/* A name with its place. */
struct sg_name {
    struct sg_str text;
    struct sg_mark mark;
};

/* --- hooks: user code by reference --------------------------------------------------------------------------------- */

/* A closure is a function of the process that started the run and serves it (the library). */
enum sg_hook_kind { SG_HOOK_NONE, SG_HOOK_JQ, SG_HOOK_PYTHON, SG_HOOK_CLOSURE };

struct sg_hook_spec {
    enum sg_hook_kind kind;
    struct sg_str text; /* jq program, dotted path, or a closure's name */
    struct sg_mark mark;
    struct sg_str path; /* where it stands: graph_config.edges[2].condition */
    struct sg_str file; /* Python: of the module, as it is found without Python; empty: it is installed somewhere, or nowhere */
    char file_hash[65]; /* SHA-256 of its text; empty with `file` */
};

/* What a hook is called for, which says what it is called with and what its result may be (docs/formats/hook-protocol.md). */
#define SG_ROLE_TABLE(X)                                                                                             \
    X(LAMBDA, "lambda")                                                                                              \
    X(PRE, "pre")                                                                                                    \
    X(POST, "post")                                                                                                  \
    X(COMBINE, "combine")                                                                                            \
    X(CONDITION, "condition")                                                                                        \
    X(GENERATE, "generate")                                                                                          \
    X(FIELD, "field")                                                                                                \
    X(TRANSFORM, "transform")                                                                                        \
    X(MODEL_POST, "model_post")                                                                                      \
    X(SCHEMA, "schema")                                                                                              \
    X(TOOLS, "tools")                                                                                                \
    X(DATA, "data")                                                                                                  \
    X(GRAPH_POST, "graph_post")                                                                                      \
    X(EXECUTOR, "executor")

enum sg_hook_role {
#define SG_X(role, name) SG_ROLE_##role,
    SG_ROLE_TABLE(SG_X)
#undef SG_X
};

/* A hook of a list, with what its entry hands to it. */
struct sg_step_spec {
    struct sg_hook_spec hook;
    struct sg_json params; /* null: none are given */
};

/* --- models ---------------------------------------------------------------------------------------------------------- */

enum sg_model_type { SG_MODEL_VLLM, SG_MODEL_OPENAI, SG_MODEL_AZURE_OPENAI, SG_MODEL_LLAMA };

enum sg_load_balancing { SG_LEAST_REQUESTS, SG_ROUND_ROBIN };

/* Of https: whom to trust, and what to show. Paths of PEM files. */
struct sg_tls_spec {
    bool unchecked;          /* ssl_verify: false */
    struct sg_str ca;        /* file or folder of authorities in place of the system's; empty: the system's */
    struct sg_str cert;      /* certificate and key of this client; empty: none */
    struct sg_str system_file, system_dir; /* SSL_CERT_FILE, SSL_CERT_DIR; empty: not set */
};

/* How requests leave. */
struct sg_route_spec {
    struct sg_proxies proxies;   /* as the environment names them */
    const struct sg_proxy **via; /* parallel to urls: the proxy it is asked through; NULL: none */
    bool follow_redirects;
    bool prior_knowledge; /* HTTP/2 to http:// addresses */
};

/* Of a model's tokens. An unknown price is never taken for zero. */
struct sg_price {
    bool known;
    double input, output; /* USD for 1,000,000 tokens */
    struct sg_str from;   /* for people: "list prices of 2026-11-28", "prices.yaml (2026-12-01)", "models.yaml" */
};

/* One entry of the merged models.yaml, with the node's `model:` map over it. */
struct sg_model_spec {
    struct sg_str alias; /* key in models.yaml */
    struct sg_mark mark; /* of the node's model */
    enum sg_model_type type;
    struct sg_str wire_name; /* `model` of the request body: model_serving_name (vllm), else model, else alias; at Azure
                              * also the deployment */
    struct sg_str *urls;     /* as configured, e.g. http://h:8000/v1 */
    struct sg_str *tokens;   /* parallel to urls; empty text: none */
    struct sg_str *api_versions; /* azure_openai: parallel to urls; empty text: none */
    size_t n_urls;
    enum sg_load_balancing load_balancing; /* between several urls */
    struct sg_tls_spec tls;
    struct sg_route_spec route;
    struct sg_json parameters;     /* object; spread into the request body, extra_body merged at its top level */
    struct sg_json extra_headers;  /* object of texts */
    uint32_t timeout_ms;           /* of one attempt */
    uint32_t retry_attempts;       /* total attempts */
    struct sg_json special_tokens; /* array of texts removed from the reply */
    struct sg_str model_path;      /* llama: GGUF file, or empty for the demo model's place */
    uint32_t threads, sequences, context; /* llama: 0 means default */
    struct sg_hook_spec post_process;     /* of the reply's text */
    struct sg_price price;
    struct sg_str entry_from, url_from, token_from; /* for people: "models.yaml", ".env (SYGRA_M_URL)"; empty: nowhere */
};

/* --- graph ------------------------------------------------------------------------------------------------------------- */

enum sg_node_kind { SG_NODE_LLM, SG_NODE_MULTI_LLM, SG_NODE_SAMPLER, SG_NODE_LAMBDA, SG_NODE_SUBGRAPH, SG_NODE_CONNECTOR };

struct sg_prompt_part {
    struct sg_name text; /* a template */
};

struct sg_prompt_message {
    struct sg_str role;           /* system, user, assistant, tool */
    bool is_list;                 /* content was a list: sent as a list of text parts */
    struct sg_prompt_part *parts; /* one when not a list */
    size_t n_parts;
    struct sg_str tool_call_id; /* tool */
};

/* How a multi_llm node asks its models: all at once, one a visit, or one after the other until one answers. */
enum sg_strategy { SG_ENSEMBLE, SG_BALANCE, SG_FALLBACK };

struct sg_child_spec {
    struct sg_name label;
    struct sg_model_spec *model; /* NULL in an idle node */
};

struct sg_source_spec;

struct sg_attribute_spec {
    struct sg_name name;
    const struct sg_json *values;
    double *weights; /* one a value, positive total */
    size_t n_values;
    /* Instead of values: a column of a source, or one of several columns, drawn each time. */
    const struct sg_source_spec *source;
    struct sg_name *columns;
    size_t n_columns;
    bool at_random; /* which row; else the next one for each record, from the first again behind the last */
};

/* What a model may call: an OpenAI tool object as it stands, or a reference to Python code that is described when it is loaded. */
struct sg_tool_spec {
    struct sg_hook_spec hook; /* NONE: `object` */
    struct sg_json object;
};

struct sg_graph_spec;

/* A subgraph that ships with the program. */
struct sg_recipe_spec {
    struct sg_str name; /* empty: none */
    uint32_t version;
};

struct sg_node_spec {
    struct sg_name name;
    enum sg_node_kind kind;
    bool idle;
    struct sg_name *output_keys; /* as declared; llm default: messages */
    size_t n_output_keys;
    struct sg_json config; /* the whole node map, for lambdas */
    bool once;             /* its hooks are never run a second time for the same execution */

    /* llm; all but `model` also multi_llm, for each of its children */
    struct sg_model_spec *model; /* NULL in an idle node */
    struct sg_prompt_message *prompt;
    size_t n_prompt;
    struct sg_name input_key;  /* messages */
    struct sg_str output_role; /* assistant */
    struct sg_hook_spec pre_process, post_process;
    bool chat_history;
    struct sg_tool_spec *tools;
    size_t n_tools;
    struct sg_json tool_choice; /* "auto" */
    /* multi_llm */
    enum sg_strategy strategy;
    struct sg_child_spec *children;
    size_t n_children;
    struct sg_hook_spec combine; /* ensemble: {label: what its child returned} to an update */
    /* sampler */
    struct sg_attribute_spec *attributes;
    size_t n_attributes;
    /* lambda */
    struct sg_hook_spec lambda;
    /* subgraph, overrides and placeholder maps already applied */
    struct sg_graph_spec *subgraph;
    struct sg_recipe_spec recipe; /* that it is */
};

struct sg_path_spec {
    struct sg_str key;     /* text of the condition's result; "END" and "__end__" are the same */
    struct sg_name target; /* node or END */
};

/* from × to, or from × path_map. START and END are written so. */
struct sg_edge_spec {
    struct sg_name *from, *to;
    size_t n_from, n_to;
    struct sg_hook_spec condition; /* with paths; NONE for a plain edge */
    struct sg_path_spec *paths;
    size_t n_paths;
    struct sg_mark mark;
};

/* How nodes with `chat_history` are told what was said before: as one message, or as the turns themselves. */
enum sg_chat { SG_CHAT_NONE, SG_CHAT_SINGLE, SG_CHAT_MULTI };

struct sg_graph_spec {
    enum sg_chat conversation; /* these two: of the task itself; those of subgraphs do not count */
    uint32_t history_window;   /* entries; 0: all */
    struct sg_node_spec *nodes;
    size_t n_nodes;
    struct sg_edge_spec *edges;
    size_t n_edges;
    struct sg_mark mark; /* of graph_config */
};

/* --- data and output ------------------------------------------------------------------------------------------------------ */

enum sg_format { SG_FORMAT_LINES, SG_FORMAT_ARRAY, SG_FORMAT_CSV, SG_FORMAT_TSV, SG_FORMAT_PARQUET };
enum sg_packing { SG_PACKED_NOT, SG_PACKED_GZIP, SG_PACKED_ZSTD };

struct sg_data_file {
    struct sg_str path; /* as it will be opened; ends in NUL */
    enum sg_format format;
    enum sg_packing packing;
};

struct sg_source_spec {
    struct sg_str path; /* of the file, or the pattern that gave the files: the source's name */
    const struct sg_data_file *files; /* read one after the other, as one sequence of rows */
    size_t n_files;
    struct sg_str encoding; /* utf-8 */
    struct sg_name *fields; /* column filter; none: all */
    size_t n_fields;
    struct sg_step_spec *transforms; /* before the filter */
    size_t n_transforms;
    bool streaming; /* a transform is given one row at a time, else the whole list */
    struct sg_mark mark;
};

struct sg_data_spec {
    struct sg_source_spec *source; /* NULL: data-less */
    struct sg_str id_column;       /* empty: none */
    bool resumable;
};

struct sg_output_field {
    struct sg_name name;
    bool is_value;
    struct sg_json value; /* is_value: $ paths already resolved */
    struct sg_name from;  /* else: a state key */
    struct sg_hook_spec transform;
};

struct sg_output_spec {
    bool has_map; /* false: the raw state is the output */
    struct sg_output_field *fields;
    size_t n_fields;
    struct sg_hook_spec generator; /* makes the whole record, by `config` */
    struct sg_json config;         /* with a generator: output_config, $ paths already resolved */
};

/* --- checks of finished records ------------------------------------------------------------------------------------------ */

enum sg_rule_kind { SG_RULE_PRESENT, SG_RULE_TYPE, SG_RULE_GREATER, SG_RULE_LESS, SG_RULE_EQUAL, SG_RULE_NOT_EMPTY };

struct sg_rule_spec {
    enum sg_rule_kind kind; /* neither PRESENT nor TYPE: those come of themselves */
    struct sg_json value;   /* NOT_EMPTY: true */
};

struct sg_check_spec {
    struct sg_name name, type; /* type: list[int]; empty after a report */
    struct sg_str path;        /* schema_config.fields[0] */
    struct sg_rule_spec *rules;
    size_t n_rules;
};

struct sg_schema_spec {
    struct sg_hook_spec type; /* a pydantic class; then there are no checks */
    bool against_state; /* else the mapped record where the field is in the map */
    struct sg_check_spec *checks;
    size_t n_checks;
};

struct sg_task_spec {
    struct sg_str name;   /* as given on the command line */
    struct sg_str folder; /* that holds graph_config.yaml */
    struct sg_data_spec data;
    struct sg_graph_spec graph;
    struct sg_output_spec output;
    struct sg_schema_spec schema;
    struct sg_step_spec *post; /* of the whole output, when the run is done */
    size_t n_post;
    struct sg_str *python_paths; /* where Python modules are looked for, the first ones first */
    size_t n_python_paths;
    struct sg_str *dot_env; /* NAME=value, as .env says it: for hook hosts, which see of it what does not look secret */
    size_t n_dot_env;
    bool has_executor; /* task_executor.py has a class TaskExecutor of its own */
    struct sg_str origins; /* where settings with several possible places came from, one a line; no secrets */
};

#endif
