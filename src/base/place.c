/* SPDX-License-Identifier: Apache-2.0 */
#include "base/place.h"

#include <stdlib.h>
#include <sys/utsname.h>

static void add(struct sg_places *out, struct sg_str folder) {
    out->at[out->n++] = folder.p;
}

static void add_cache(struct sg_arena *a, const struct sg_fetched *what, struct sg_places *out) {
    const char *cache = getenv("XDG_CACHE_HOME"), *below = "";
    if (!cache || !*cache) cache = getenv("HOME"), below = "/.cache";
    if (!cache || !*cache) return;
    struct utsname machine;
    bool suffix = what->per_machine && uname(&machine) == 0;
    add(out, sg_str_printf(a, "%s%s/sygra/%s%s%s/%s", cache, below, what->item, suffix ? "-" : "",
                           suffix ? machine.machine : "", what->kind));
}

void sg_places(struct sg_arena *a, const char *exe_dir, const struct sg_fetched *what, struct sg_places *out) {
    *out = (struct sg_places){.n = 0};
    if (exe_dir && *exe_dir) {
        add(out, sg_str_printf(a, "%s/deps/%s", exe_dir, what->kind));
        add(out, sg_str_printf(a, "%s/../%s", exe_dir, what->installed));
    }
    add_cache(a, what, out);
    const char *home = getenv("SYGRA_HOME");
    if (home && *home) add(out, sg_str_printf(a, "%s/%s", home, what->kind));
}
