/* SPDX-License-Identifier: Apache-2.0 */
#include "base/place.h"

#include "base/os.h"

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

/* A folder of that name may be another distribution's: only ours has a hook host. */
static bool holds_package(struct sg_arena *a, struct sg_str folder) {
    return sg_os_exists(sg_str_printf(a, "%.*s/sygra/host/__main__.py", SG_ARG(folder)).p);
}

/* A program's folder is absolute and free of links, so that parents can be cut off; of any other one they are named. */
static struct sg_str above(struct sg_arena *a, struct sg_str folder, int levels) {
    for (size_t n = folder.n; levels; levels--, n = folder.n) {
        while (n && folder.p[n - 1] != '/') n--;
        folder = n > 1 && folder.p[0] == '/' ? (struct sg_str){folder.p, n - 1} : sg_str_join(a, folder, SG_STR("/.."));
    }
    return folder;
}

struct sg_str sg_package_folder(struct sg_arena *a, const char *exe_dir) {
    static const struct {
        int levels;
        const char *below;
    } beside[] = {{2, "/python"}, {0, "/python"}, {2, ""}, {1, "/lib/sygra/python"}};
    struct sg_str folder;
    const char *home = getenv("SYGRA_HOME");
    if (home && *home && holds_package(a, folder = sg_str_printf(a, "%s/python", home))) return folder;
    for (size_t i = 0; exe_dir && *exe_dir && i < sizeof beside / sizeof *beside; i++) {
        folder = sg_str_join(a, above(a, sg_str(exe_dir), beside[i].levels), sg_str(beside[i].below));
        if (holds_package(a, folder)) return folder;
    }
    struct sg_places cache = {.n = 0};
    add_cache(a, &(struct sg_fetched){.kind = "python", .item = "package-" SYGRA_VERSION}, &cache);
    if (cache.n && holds_package(a, folder = sg_str(cache.at[0]))) return folder;
    return SG_STR_NONE;
}
