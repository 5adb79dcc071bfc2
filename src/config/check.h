/* SPDX-License-Identifier: Apache-2.0 */
/* check: what all parts of config share while they read a task: the context, paths of keys, kinds of values,
 * reports.
 *
 * Readers of a map first call sg_cfg_keys, which reports every unknown key, every value of a wrong kind and every
 * key that is not supported yet; the getters then return what is usable and keep silent about the rest. */
#ifndef SG_CONFIG_CHECK_H
#define SG_CONFIG_CHECK_H

#include "config/config.h"
#include "config/env.h"
#include "config/keytable.h"

struct sg_models;
struct sg_py_root;
struct sg_task_file;

struct sg_cfg {
    struct sg_arena *a;
    struct sg_diags *d;
    const struct sg_config_options *o;
    struct sg_str folder; /* of the task */
    struct sg_env env;
    struct sg_models *models;          /* models.c: read when the first node names one */
    struct sg_prices *prices;          /* with them; NULL: the built-in table */
    const struct sg_task_file **tasks; /* locate.c: files read so far */
    size_t n_tasks, cap_tasks;
    size_t n_subgraphs;    /* graph.c */
    struct sg_buf origins; /* lines for sg_config_origins */
    struct sg_py_root *roots; /* hook.c: where Python modules may lie */
    size_t n_roots, cap_roots;
    bool idle;             /* inside an idle node: what is not supported yet does not matter, it will not run */
};

/* Paths of keys: graph_config.nodes.q and then .model, .prompt[0]. */
struct sg_str sg_cfg_key(struct sg_cfg *c, struct sg_str path, struct sg_str key);
struct sg_str sg_cfg_item(struct sg_cfg *c, struct sg_str path, size_t i);

/* The value for a message: text in quotes (shortened), a number, "a list". Never for secrets. */
const char *sg_cfg_show(struct sg_cfg *c, const struct sg_yaml *value);
/* "did you mean `x`?" as a help line, or `otherwise` (may be NULL). */
const char *sg_cfg_nearest(struct sg_cfg *c, struct sg_str name, const struct sg_str *names, size_t n,
                           const char *otherwise);
/* "it comes with issue 7 of the roadmap (data)". */
const char *sg_cfg_issue_help(struct sg_cfg *c, int issue);
/* "<what> is not yet supported in this version". Silent inside an idle node. */
void sg_cfg_not_yet(struct sg_cfg *c, struct sg_mark mark, struct sg_str path, int issue, const char *what);

/* True when so much was reported that looking on is of no use; says so once. For loops over what a file may hold
 * much of. */
bool sg_cfg_enough(struct sg_cfg *c);

/* Checks the keys of `map` against the rows of one or two sections. False when `map` is no map, which is reported
 * too. `open`: other keys are the user's own. */
bool sg_cfg_keys(struct sg_cfg *c, const struct sg_yaml *map, struct sg_str path, const char *section,
                 const char *also, bool open);
/* Reports `key` as missing unless it is there: at `mark`, the place of the map's own key. */
bool sg_cfg_require(struct sg_cfg *c, const struct sg_yaml *map, struct sg_mark mark, struct sg_str path,
                    const char *key, const char *help);

/* NULL or false when absent, null, or of another kind. */
const struct sg_yaml *sg_cfg_get(const struct sg_yaml *map, const char *key, enum sg_yaml_kind kind);
bool sg_cfg_text(const struct sg_yaml *map, const char *key, struct sg_str *out);
/* One text or a list of texts, as names with their places. */
struct sg_name *sg_cfg_names(struct sg_cfg *c, const struct sg_yaml *value, size_t *n);
/* One of the words, or an error that names them all; *out is the word's number. An absent value leaves *out. */
bool sg_cfg_word(struct sg_cfg *c, const struct sg_yaml *map, struct sg_str path, const char *key,
                 const char *const *words, size_t n_words, size_t *out);
/* "key: where it was taken from", for sg_config_origins. */
void sg_cfg_origin(struct sg_cfg *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
