/* SPDX-License-Identifier: Apache-2.0 */
/* post: graph_post_process, once a run's output has its name. Private to run. */
#ifndef SG_RUN_POST_H
#define SG_RUN_POST_H

#include "run/parts.h"

/* Runs the loop until all of them have ended, or a signal comes. Sets posts, n_posts, post_failed. */
void sg_run_post(struct run *r);
/* Those that are closures become hooks of the run. False: there are none. */
bool sg_run_post_add_closures(struct run *r);
/* What hosts are told of such a class: {"params": ...}. */
const struct sg_json *sg_post_config(struct sg_arena *a, const struct sg_step_spec *step);
/* A finished run whose classes have not all done their work. */
bool sg_post_is_pending(struct sg_arena *a, struct sg_rundb *db, struct sg_str run_folder);

#endif
