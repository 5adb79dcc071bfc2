/* SPDX-License-Identifier: Apache-2.0 */
/* hook: references to user code, wherever they may stand: {jq: "..."}, the dotted path of Python code, or {closure: "..."}.
 *
 * Python is not asked here: the module's file is looked for as Python would look in the folders below, so that a changed file
 * is seen. What is found nowhere may still be installed; the host says so when it loads the hook. */
#ifndef SG_CONFIG_HOOK_H
#define SG_CONFIG_HOOK_H

#include "config/check.h"

/* NULL gives SG_HOOK_NONE, and so does what is reported. */
struct sg_hook_spec sg_cfg_hook(struct sg_cfg *c, const struct sg_yaml *value, struct sg_str path);
/* The same of the value of `key` in `map`, whose path is `path`. */
struct sg_hook_spec sg_cfg_hook_at(struct sg_cfg *c, const struct sg_yaml *map, const char *key, struct sg_str path);
/* Where no program can stand: Python code, or a closure. */
struct sg_hook_spec sg_cfg_python(struct sg_cfg *c, const struct sg_yaml *value, struct sg_str path);
/* A list of references to Python code, or of maps that have one under `name`, beside `params`. */
struct sg_step_spec *sg_cfg_steps(struct sg_cfg *c, const struct sg_yaml *list, struct sg_str path, const char *name,
                                  size_t *n);
/* Entries of `tools`. One without a dot is left out, with a warning. */
void sg_cfg_tools(struct sg_cfg *c, const struct sg_yaml *list, struct sg_str path, struct sg_node_spec *out);

/* A task's folder adds the places where its modules may lie: the folder that holds `tasks`, the folder above it, itself. */
void sg_cfg_python_root(struct sg_cfg *c, struct sg_str folder);
/* sys.path: the working directory and the folders that hold `tasks`, and of the others those where a hook was found. */
void sg_cfg_python_paths(struct sg_cfg *c, struct sg_task_spec *out);
/* task_executor.py of the folder has a class TaskExecutor. */
bool sg_cfg_has_executor(struct sg_cfg *c, struct sg_str folder);

#endif
