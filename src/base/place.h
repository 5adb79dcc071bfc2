/* SPDX-License-Identifier: Apache-2.0 */
/* place: where what belongs to the program is looked for at run time: libraries that are opened on first use, models, the
 * Python package.
 *
 * `make` fetches into <checkout>/build/deps, and every variant's folder has a link `deps` to it beside the program;
 * an installed program has its files below ../lib and ../share; scripts/fetch also keeps each item in the cache,
 * under a name with its version; SYGRA_HOME is a folder like build/deps.
 * Memory: paths live in the arena.   Thread: loop (it reads the environment). */
#ifndef SG_BASE_PLACE_H
#define SG_BASE_PLACE_H

#include "base/arena.h"

/* Folders, best first. */
struct sg_places {
    const char *at[4];
    size_t n;
};

struct sg_fetched {
    const char *kind;      /* folder of build/deps: "lib" */
    const char *installed; /* beside the program's own folder: "lib/sygra" */
    const char *item;      /* name in the cache, "llama.cpp-v0.5.0" ... */
    bool per_machine;      /* ... with "-x86_64" behind it */
};

/* exe_dir: of the program; may be NULL. */
void sg_places(struct sg_arena *a, const char *exe_dir, const struct sg_fetched *what, struct sg_places *out);

/* The folder in which Python finds our package `sygra` (hook host, recipes): SYGRA_HOME/python, that of the checkout or of
 * the installation that the program belongs to, or the cache's. Empty: there is none. */
struct sg_str sg_package_folder(struct sg_arena *a, const char *exe_dir);

#endif
