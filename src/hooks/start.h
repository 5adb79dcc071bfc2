/* SPDX-License-Identifier: Apache-2.0 */
/* start: how the host of a language is started: program, arguments, environment, and the hello that it is told.
 *
 * The only part of the module that reads the environment and looks for files.
 * Memory: all in the arena.   Thread: loop (before the first host). */
#ifndef SG_HOOKS_START_H
#define SG_HOOKS_START_H

#include "hooks/host.h"

/* Fills file, argv and env: the user's interpreter with the package `sygra`, and an environment without tokens.
 * Errors: SG_E_HOST: no interpreter, or no package. */
int sg_start_python(struct sg_arena *a, const struct sg_hooks_options *o, struct sg_host_setup *out, struct sg_err *err);
/* The built-in host: this program, with an empty environment. */
void sg_start_jq(struct sg_arena *a, const struct sg_hooks_options *o, struct sg_host_setup *out);
struct sg_str sg_start_hello(struct sg_arena *a, const struct sg_hooks_options *o, uint64_t result_bytes);

#endif
