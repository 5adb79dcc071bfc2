/* SPDX-License-Identifier: Apache-2.0 */
/* config: a task folder, model files and the environment, turned into a checked spec.
 *
 * All mistakes are reported, each with its place and the nearest right key; nothing is run and no call is made (design D2).
 * The module is the only one that knows YAML, key names, defaults and old spellings: keytable.c holds them as rows (key,
 * kind, default, where allowed, since which issue, doc line), which also make the reference page.
 *
 * Memory: the spec lives in the caller's arena; marks point into the caller's diags.
 * Thread: any, one at a time.
 * Limits: YAML of at most 16 MB, depth 128, 1,000 alias expansions and 10 MB expanded (protocols 6.4). */
#ifndef SG_CONFIG_CONFIG_H
#define SG_CONFIG_CONFIG_H

#include "spec/spec.h"

struct sg_config_options {
    struct sg_str task;        /* examples.evol_instruct, a path, or a folder */
    struct sg_str graph_config; /* the task's file, in place of the one in its folder; or empty */
    struct sg_str models_file; /* --models, or empty */
    struct sg_str prices_file; /* --prices, or empty */
    const char *exe_dir;       /* where the running program lies, for shipped models */
    bool closures; /* the process that started the run serves hooks: {closure: "name"} may stand */
    bool offline; /* nothing is going to be called: addresses, tokens and model files are not looked at */
};

/* Reads .env (which beats the environment), models, graph_config.yaml and all subgraphs; fills *out as far as it goes.
 * Returns 0, or SG_E_SYNTAX when diags has errors, or SG_E_IO when there is no such task (also reported in diags).
 * Secrets (tokens) are registered with the redactor. */
int sg_config_load(struct sg_arena *a, const struct sg_config_options *o, struct sg_diags *diags, struct sg_task_spec *out);

/* A YAML file (a task's, if `path` is its folder) as JSON: anchors and merges resolved, numbers as they are written. Mistakes of its
 * syntax are reported; SG_E_SYNTAX, or SG_E_IO, then. */
int sg_config_file_json(struct sg_arena *a, struct sg_diags *d, struct sg_str path, struct sg_json *out);

/* Where each setting that can come from several places was taken from, one line each, for `check` (no secret in it). */
void sg_config_origins(const struct sg_task_spec *t, struct sg_buf *out);

/* A user's price table (docs/report.md, "Prices"). Mistakes are reported; then SG_E_SYNTAX, and *out holds the rest. */
struct sg_prices;
int sg_prices_load(struct sg_arena *a, struct sg_diags *diags, struct sg_str path, struct sg_prices **out);
/* `p` NULL: the built-in list prices, of `hosted` models only (openai, azure_openai). `entry`: from models.yaml, or NULL. */
struct sg_price sg_prices_find(const struct sg_prices *p, struct sg_str alias, struct sg_str wire_name, bool hosted,
                               const struct sg_price *entry);

/* The key reference as Markdown, from the table. */
void sg_config_reference(struct sg_buf *out);

#endif
