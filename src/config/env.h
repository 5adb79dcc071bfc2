/* SPDX-License-Identifier: Apache-2.0 */
/* env: the environment with the working directory's .env over it (spec-core 1.4, 1.5). */
#ifndef SG_CONFIG_ENV_H
#define SG_CONFIG_ENV_H

#include "base/base.h"

struct sg_env_var {
    struct sg_str name, value;
    bool from_file; /* .env, else the environment */
};

struct sg_env {
    struct sg_env_var *vars;
    size_t n, cap;
};

/* Reads the process's environment and then .env in the working directory (none is fine); trouble with it is
 * reported. */
void sg_env_load(struct sg_env *e, struct sg_arena *a, struct sg_diags *d);
/* The variable, .env first; NULL when it is not set. */
const struct sg_env_var *sg_env_find(const struct sg_env *e, struct sg_str name);
/* ".env" or "the environment". */
const char *sg_env_place(const struct sg_env_var *v);

#endif
