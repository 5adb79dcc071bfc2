/* SPDX-License-Identifier: Apache-2.0 */
/* def: a hook as this module knows it: what hosts are told of it, where in the task it stands, and what came of loading
 * it. No processes.
 *
 * Memory: all in the arena it was made in. */
#ifndef SG_HOOKS_DEF_H
#define SG_HOOKS_DEF_H

#include "hooks/host.h"

struct sg_hosts;

enum sg_def_state { SG_DEF_NEW, SG_DEF_LOADED, SG_DEF_BROKEN };

struct sg_def_place { /* where a hook stands */
    struct sg_mark mark;
    struct sg_str path;
};

struct sg_def {
    struct sg_host_hook told;
    struct sg_hosts *pool;
    const char *language;
    enum sg_hook_kind kind;
    enum sg_hook_role role;
    struct sg_str text, config; /* config: JSON, empty: none */
    enum sg_def_state state;
    struct sg_str fault; /* BROKEN: why, as people read it */
    const struct sg_json *description;
    struct sg_def_place *places;
    size_t n_places, cap_places;
};

struct sg_def *sg_def_make(struct sg_arena *a, uint32_t number, const char *language, const struct sg_hook_spec *spec,
                           enum sg_hook_role role, struct sg_str node, struct sg_str config);
void sg_def_add_place(struct sg_arena *a, struct sg_def *def, const struct sg_hook_spec *spec);
void sg_def_loaded(struct sg_arena *a, struct sg_def *def, const struct sg_json *answer);
/* It cannot be used; reported at all of its places, unless diags is NULL. */
void sg_def_break(struct sg_def *def, struct sg_str fault, struct sg_diags *diags);
/* What a host says of a hook that it refuses, with line and column where it knows them. */
struct sg_str sg_def_refusal(struct sg_arena *a, const struct sg_json *answer);

#endif
