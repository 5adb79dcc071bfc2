/* SPDX-License-Identifier: Apache-2.0 */
/* Candidates are tried in order and collected for the message. A folder counts when graph_config.yaml is in it; a
 * candidate that is a file is taken for that file itself. */
#include "config/locate.h"

#include "base/place.h"
#include "config/hook.h"
#include "config/recipe.h"

#include <errno.h>

struct search {
    struct sg_cfg *c;
    struct sg_str tried; /* for the message */
    struct sg_str found; /* the file */
    struct sg_str folder;
    struct sg_file_info info;
};

static bool has_nul(struct sg_str s) {
    return s.n && memchr(s.p, 0, s.n);
}

static struct sg_str joined(struct sg_cfg *c, struct sg_str folder, struct sg_str name) {
    if (folder.n == 0 || (name.n && name.p[0] == '/')) return sg_str_dup(c->a, name);
    return sg_str_printf(c->a, "%.*s%s%.*s", SG_ARG(folder), sg_str_ends(folder, SG_STR("/")) ? "" : "/",
                         SG_ARG(name));
}

static struct sg_str without_slash(struct sg_str folder) {
    while (folder.n > 1 && folder.p[folder.n - 1] == '/') folder.n--;
    return folder;
}

static struct sg_str parent_of(struct sg_cfg *c, struct sg_str file) {
    for (size_t i = file.n; i-- > 0;)
        if (file.p[i] == '/') return i ? sg_str_dup(c->a, (struct sg_str){file.p, i}) : SG_STR("/");
    return SG_STR(".");
}

static bool try(struct search *s, struct sg_str candidate) {
    struct sg_cfg *c = s->c;
    struct sg_str path = sg_str_dup(c->a, candidate);
    s->tried = sg_str_printf(c->a, "%.*s%s%.*s", SG_ARG(s->tried), s->tried.n ? ", " : "", SG_ARG(path));
    if (sg_os->stat(path.p, &s->info) != 0) return false;
    s->found = path;
    s->folder = parent_of(c, path);
    if (!s->info.is_dir) return true;
    s->folder = sg_str_dup(c->a, without_slash(path));
    s->found = joined(c, s->folder, SG_STR(SG_TASK_FILE));
    if (sg_os->stat(s->found.p, &s->info) == 0 && !s->info.is_dir) return true;
    s->tried = sg_str_printf(c->a, "%.*s (has no " SG_TASK_FILE ")", SG_ARG(s->tried));
    return false;
}

/* The name with slashes for its dots; *dotted: it had some. */
static struct sg_str slashed_name(struct sg_cfg *c, struct sg_str name, bool *dotted) {
    struct sg_str slashed = sg_str_dup(c->a, name);
    *dotted = false;
    for (size_t i = 0; i < slashed.n; i++)
        if (slashed.p[i] == '.') {
            ((char *)slashed.p)[i] = '/';
            *dotted = true;
        }
    return slashed;
}

/* examples.evol_instruct: tasks/examples/evol_instruct, examples/evol_instruct, then a folder with a dot in its
 * name. */
static bool try_names(struct search *s, struct sg_str name, struct sg_str base) {
    struct sg_cfg *c = s->c;
    bool dotted;
    if (sg_str_find(name, '/', 0) < name.n || sg_str_eq(name, SG_STR(".")) || sg_str_eq(name, SG_STR("..")))
        return try(s, joined(c, base, name));
    struct sg_str slashed = slashed_name(c, name, &dotted);
    return try(s, joined(c, base, sg_str_join(c->a, SG_STR("tasks/"), slashed))) ||
           try(s, joined(c, base, slashed)) || (dotted && try(s, joined(c, base, name)));
}

/* sygra.recipes.x of the package that belongs to the program: last, a folder of the user's own with that name wins. */
static bool try_shipped(struct search *s, struct sg_str name) {
    bool dotted;
    if (!sg_str_starts(name, SG_STR("sygra."))) return false;
    struct sg_str package = sg_package_folder(s->c->a, s->c->o->exe_dir);
    return package.n && try(s, joined(s->c, package, slashed_name(s->c, name, &dotted)));
}

static const char *help_for(struct sg_cfg *c, struct sg_str name) {
    if (sg_str_starts(name, SG_STR("sygra.recipes."))) return sg_cfg_recipes(c);
    return "a task is a folder with a " SG_TASK_FILE " in it";
}

static const struct sg_yaml *read_root(struct sg_cfg *c, struct sg_str path, struct sg_mark mark) {
    struct sg_err err = {0};
    struct sg_str text;
    const struct sg_yaml *root = NULL;
    if (sg_os_read_file(c->a, path.p, SG_YAML_MAX_BYTES, &text, &err)) {
        sg_error_at(c->d, mark, SG_STR_NONE, NULL, "%s", err.text);
        return NULL;
    }
    if (sg_yaml_parse(c->a, c->d, path, text, &root)) return NULL;
    if (root && root->kind == SG_YAML_MAP) return root;
    mark = root ? root->mark : (struct sg_mark){(uint32_t)c->d->n_files, 1, 1, 1};
    sg_error_at(c->d, mark, SG_STR_NONE, "its keys are data_config, graph_config and output_config",
                "a task's file must be a map, not %s", root ? sg_cfg_show(c, root) : "empty");
    return NULL;
}

static const struct sg_task_file *read_task(struct sg_cfg *c, const struct search *s, struct sg_mark mark) {
    for (size_t i = 0; i < c->n_tasks; i++)
        if (c->tasks[i]->device == s->info.device && c->tasks[i]->inode == s->info.inode) return c->tasks[i];
    struct sg_task_file *t = SG_NEW(c->a, struct sg_task_file);
    *t = (struct sg_task_file){s->folder, s->found, s->info.device, s->info.inode, read_root(c, s->found, mark)};
    *SG_PUSH(c->a, c->tasks, c->n_tasks, c->cap_tasks) = t;
    sg_cfg_python_root(c, s->folder);
    return t;
}

/* The folder stays that of the task: paths in the file mean what they mean there. */
static bool take_other_file(struct search *s, struct sg_str file) {
    s->found = sg_str_dup(s->c->a, file);
    if (!has_nul(file) && sg_os->stat(s->found.p, &s->info) == 0 && !s->info.is_dir) return true;
    sg_error_at(s->c->d, (struct sg_mark){0}, SG_STR_NONE, NULL, "--graph_config: there is no file %.*s", SG_ARG(file));
    return false;
}

const struct sg_task_file *sg_cfg_task(struct sg_cfg *c, struct sg_str name, struct sg_str base, struct sg_mark mark,
                                       struct sg_str path) {
    struct search s = {.c = c};
    bool found = name.n && !has_nul(name) &&
                 (try_names(&s, name, SG_STR_NONE) || (base.n && try_names(&s, name, base)) || try_shipped(&s, name));
    bool is_root = c->n_tasks == 0;
    if (found && is_root && c->o->graph_config.n && !take_other_file(&s, c->o->graph_config)) return NULL;
    if (found) return read_task(c, &s, mark);
    sg_error_at(c->d, mark, path, help_for(c, name), "there is no task `%.*s`; tried %.*s", SG_ARG(name),
                SG_ARG(s.tried));
    return NULL;
}

struct sg_str sg_cfg_path(struct sg_cfg *c, struct sg_str file, bool or_folder, struct sg_mark mark, struct sg_str path) {
    struct sg_str here = sg_str_dup(c->a, file), there = joined(c, c->folder, file);
    struct sg_file_info info;
    if (has_nul(file) || file.n == 0) {
        sg_error_at(c->d, mark, path, NULL, "that is no file name");
        return here;
    }
    struct sg_str found = sg_os->stat(here.p, &info) == 0 ? here : there;
    if (sg_os->stat(found.p, &info) != 0) {
        sg_error_at(c->d, mark, path, "paths start in the working directory, or else in the task's folder",
                    "there is no file %.*s%s%.*s", SG_ARG(here), here.p[0] == '/' ? "" : ", nor ",
                    here.p[0] == '/' ? 0 : (int)there.n, there.p);
        return here;
    }
    if (info.is_dir && !or_folder)
        sg_error_at(c->d, mark, path, "name a file", "%.*s is a folder", SG_ARG(found));
    sg_cfg_origin(c, "%.*s: %.*s", SG_ARG(path), SG_ARG(found));
    return found;
}

struct sg_str sg_cfg_file(struct sg_cfg *c, struct sg_str file, struct sg_mark mark, struct sg_str path) {
    return sg_cfg_path(c, file, false, mark, path);
}
