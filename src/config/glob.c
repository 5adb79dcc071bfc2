/* SPDX-License-Identifier: Apache-2.0 */
#include "config/glob.h"

#include <fnmatch.h>
#include <stdlib.h>

bool sg_glob_is_pattern(struct sg_str name) {
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] == '*' || name.p[i] == '?' || name.p[i] == '[') return true;
    return false;
}

struct names {
    struct sg_arena *a;
    const char *pattern;
    struct sg_str *at;
    size_t n, cap;
};

static void on_name(void *ud, const char *name) {
    struct names *l = ud;
    if (fnmatch(l->pattern, name, FNM_PERIOD) == 0) *SG_PUSH(l->a, l->at, l->n, l->cap) = sg_str_dup(l->a, sg_str(name));
}

static void add_file(struct sg_arena *a, struct sg_str path, struct sg_glob *out) {
    struct sg_file_info info;
    if (sg_os->stat(path.p, &info) != 0 || info.is_dir) return;
    out->too_many = out->n >= SG_GLOB_MAX;
    if (!out->too_many) *SG_PUSH(a, out->paths, out->n, out->cap) = path;
}

/* `base` is a path so far, empty or ending in a slash. */
static void expand(struct sg_arena *a, struct sg_str base, struct sg_str pattern, struct sg_glob *out) {
    size_t slash = sg_str_find(pattern, '/', 0);
    struct sg_str part = sg_str_dup(a, (struct sg_str){pattern.p, slash});
    struct sg_str rest = slash < pattern.n ? (struct sg_str){pattern.p + slash + 1, pattern.n - slash - 1} : SG_STR_NONE;
    struct names found = {.a = a, .pattern = part.p};
    if (sg_glob_is_pattern(part)) sg_os->list(base.n ? base.p : ".", on_name, &found);
    else *SG_PUSH(a, found.at, found.n, found.cap) = part;
    for (size_t i = 0; i < found.n && !out->too_many; i++) {
        struct sg_str path = sg_str_join(a, base, found.at[i]);
        if (slash == pattern.n) add_file(a, path, out);
        else expand(a, sg_str_join(a, path, SG_STR("/")), rest, out);
    }
}

static int by_bytes(const void *a, const void *b) {
    return sg_str_cmp(*(const struct sg_str *)a, *(const struct sg_str *)b);
}

void sg_glob_add(struct sg_arena *a, struct sg_str folder, struct sg_str pattern, struct sg_glob *out) {
    bool absolute = pattern.n && pattern.p[0] == '/';
    if (folder.n && !absolute) folder = sg_str_join(a, folder, sg_str_ends(folder, SG_STR("/")) ? SG_STR("") : SG_STR("/"));
    expand(a, absolute ? SG_STR("") : folder, pattern, out);
    if (out->n > 1) qsort(out->paths, out->n, sizeof *out->paths, by_bytes);
}
