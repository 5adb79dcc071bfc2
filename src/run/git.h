/* SPDX-License-Identifier: Apache-2.0 */
/* git: which commit a folder is at. Private to run.
 *
 * Asks the program `git`, if there is one, for 2 s at most each time. It blocks: not for the loop thread while a run is under
 * way. Nothing that the repository configures is run (no fsmonitor), and its index is not touched. */
#ifndef SG_RUN_GIT_H
#define SG_RUN_GIT_H

#include "base/base.h"

struct sg_git {
    bool found;                          /* the folder is in a repository, and git has told */
    bool knows_dirty, is_dirty;          /* tracked files that differ */
    struct sg_str commit, branch, remote; /* texts in the arena; empty: none. The remote is without user and password */
};
void sg_git_look(struct sg_arena *a, struct sg_str folder, struct sg_git *out);

#endif
