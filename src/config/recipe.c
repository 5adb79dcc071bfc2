/* SPDX-License-Identifier: Apache-2.0 */
#include "config/recipe.h"

#include "base/place.h"
#include "config/glob.h"

static const char no_package[] = "recipes lie in python/sygra/recipes of the checkout or the installation, which is not there; "
                                 "SYGRA_HOME can name a folder that holds python/";

/* Ends in a slash; empty: there is no package. */
static struct sg_str recipes_folder(struct sg_cfg *c) {
    struct sg_str package = sg_package_folder(c->a, c->o->exe_dir);
    return package.n ? sg_str_join(c->a, package, SG_STR("/sygra/recipes/")) : SG_STR_NONE;
}

static uint32_t version_of(struct sg_cfg *c, const struct sg_task_file *task) {
    const struct sg_yaml *value = sg_cfg_get(task->root, "version", SG_YAML_INT);
    struct sg_json number = value ? sg_yaml_to_json(c->a, value) : sg_json_null();
    int64_t n = 0;
    return value && sg_json_to_i64(&number, &n) && n > 0 && n <= UINT32_MAX ? (uint32_t)n : 0;
}

struct sg_recipe_spec sg_cfg_recipe_of(struct sg_cfg *c, const struct sg_task_file *task) {
    struct sg_str all = recipes_folder(c);
    if (!all.n || !sg_str_starts(task->folder, all)) return (struct sg_recipe_spec){0};
    return (struct sg_recipe_spec){{task->folder.p + all.n, task->folder.n - all.n}, version_of(c, task)};
}

static size_t shipped(struct sg_cfg *c, struct sg_recipe_spec **out) {
    struct sg_glob files = {0};
    struct sg_str all = recipes_folder(c);
    if (!all.n) return 0;
    sg_glob_add(c->a, all, SG_STR("*/" SG_TASK_FILE), &files);
    *out = SG_NEW_N(c->a, struct sg_recipe_spec, files.n);
    size_t n = 0;
    for (size_t i = 0; i < files.n; i++) {
        const struct sg_task_file *task = sg_cfg_task(c, files.paths[i], SG_STR_NONE, (struct sg_mark){0}, SG_STR_NONE);
        if (task && task->root) (*out)[n++] = sg_cfg_recipe_of(c, task);
    }
    return n;
}

const char *sg_cfg_recipes(struct sg_cfg *c) {
    struct sg_recipe_spec *list = NULL;
    size_t n = shipped(c, &list);
    struct sg_str text = SG_STR("recipes are ");
    if (n == 0) return no_package;
    for (size_t i = 0; i < n; i++) {
        const char *joint = i == 0 ? "" : i + 1 < n ? ", " : " and ";
        text = sg_str_printf(c->a, "%.*s%s%.*s@%u", SG_ARG(text), joint, SG_ARG(list[i].name), list[i].version);
    }
    return text.p;
}

/* Behind the @; false when there is something else than a number. */
static bool read_version(struct sg_str text, uint64_t *out) {
    *out = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9' || *out > UINT32_MAX) return false;
        *out = *out * 10 + (uint64_t)(text.p[i] - '0');
    }
    return text.n && *out > 0;
}

static const struct sg_task_file *no_recipe(struct sg_cfg *c, const struct sg_yaml *uses, struct sg_str path,
                                            struct sg_str name) {
    struct sg_recipe_spec *list = NULL;
    size_t n = shipped(c, &list);
    struct sg_str *names = SG_NEW_N(c->a, struct sg_str, n);
    for (size_t i = 0; i < n; i++) names[i] = list[i].name;
    sg_error_at(c->d, uses->mark, path, sg_cfg_nearest(c, name, names, n, sg_cfg_recipes(c)), "there is no recipe `%.*s`",
                SG_ARG(name));
    return NULL;
}

/* A recipe's name is that of its folder. */
static const struct sg_task_file *find(struct sg_cfg *c, struct sg_str name, struct sg_mark mark, struct sg_str path) {
    struct sg_str all = recipes_folder(c), file;
    if (!all.n || !name.n || memchr(name.p, '/', name.n) || memchr(name.p, '\0', name.n)) return NULL;
    file = sg_str_printf(c->a, "%.*s%.*s/" SG_TASK_FILE, SG_ARG(all), SG_ARG(name));
    return sg_os_exists(file.p) ? sg_cfg_task(c, file, SG_STR_NONE, mark, path) : NULL;
}

const struct sg_task_file *sg_cfg_recipe(struct sg_cfg *c, const struct sg_yaml *uses, struct sg_str path) {
    size_t at = sg_str_find(uses->text, '@', 0);
    struct sg_str name = {uses->text.p, at};
    uint64_t wanted = 0;
    if (at < uses->text.n && !read_version((struct sg_str){uses->text.p + at + 1, uses->text.n - at - 1}, &wanted)) {
        sg_error_at(c->d, uses->mark, path, "write uses: name@1", "a recipe's version is a whole number, 1 or more, not %s",
                    sg_cfg_show(c, uses));
        return NULL;
    }
    const struct sg_task_file *task = find(c, name, uses->mark, path);
    if (!task) return no_recipe(c, uses, path, name);
    struct sg_recipe_spec is = sg_cfg_recipe_of(c, task);
    if (!task->root || !wanted || wanted == is.version) return task;
    sg_error_at(c->d, uses->mark, path, sg_cfg_recipes(c), "recipe `%.*s` is shipped in version %u, not %llu", SG_ARG(name),
                is.version, (unsigned long long)wanted);
    return NULL;
}
