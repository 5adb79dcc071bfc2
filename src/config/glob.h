/* SPDX-License-Identifier: Apache-2.0 */
/* glob: names of files with *, ? and [...] in them (fnmatch's rules; `*` stops at a slash and at a leading dot) become the files
 * that there are. Private to config. */
#ifndef SG_CONFIG_GLOB_H
#define SG_CONFIG_GLOB_H

#include "config/check.h"

#define SG_GLOB_MAX 100000u /* files */

struct sg_glob {
    struct sg_str *paths; /* in the arena, ending in NUL, in the order of their bytes */
    size_t n, cap;
    bool too_many;
};

bool sg_glob_is_pattern(struct sg_str name);
/* Adds the files, not folders, below `folder` (empty: as the pattern stands) that match, and sorts all of *out. */
void sg_glob_add(struct sg_arena *a, struct sg_str folder, struct sg_str pattern, struct sg_glob *out);

#endif
