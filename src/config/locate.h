/* SPDX-License-Identifier: Apache-2.0 */
/* locate: names of tasks and files become paths that exist, or a message that says what was tried (spec-core 1.3,
 * design section 7): the working directory first, then the folder of the task that names them, then what ships with the
 * program (names that begin with `sygra.`). */
#ifndef SG_CONFIG_LOCATE_H
#define SG_CONFIG_LOCATE_H

#include "config/check.h"

#define SG_TASK_FILE "graph_config.yaml"

/* A task's file, found and read. */
struct sg_task_file {
    struct sg_str folder, path;
    uint64_t device, inode;     /* the same file under two names is the same task */
    const struct sg_yaml *root; /* a map; NULL when it could not be read */
};

/* `name`: dotted (tried below tasks/ first), a folder, or the path of the file itself. `base`: the folder of the
 * task that names it, or empty. Returns NULL after a report: at `mark` when there is no such task, in the file
 * when it is malformed. A file is read once. */
const struct sg_task_file *sg_cfg_task(struct sg_cfg *c, struct sg_str name, struct sg_str base, struct sg_mark mark,
                                       struct sg_str path);

/* The path as it will be opened; reported and returned as it stands when there is no such file. */
struct sg_str sg_cfg_file(struct sg_cfg *c, struct sg_str file, struct sg_mark mark, struct sg_str path);
/* The same, where a folder may be named instead. */
struct sg_str sg_cfg_path(struct sg_cfg *c, struct sg_str file, bool or_folder, struct sg_mark mark, struct sg_str path);

#endif
