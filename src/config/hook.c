/* SPDX-License-Identifier: Apache-2.0 */
/* The places of modules are tried in the order of sys.path. In each, the longest beginning of the dotted path that is a file
 * (a/b.py, a/b/__init__.py) is the module; what is left of the path is inside it. Folders need no __init__.py, as in Python. */
#include "config/hook.h"

#include <unistd.h>

#define MAX_MODULE (16 << 20)
#define PYTHON_HELP "write module.name, such as tasks.mine.task_executor.Clean"

struct sg_py_root {
    struct sg_str folder; /* empty: the working directory */
    bool always, used;
};

/* --- where modules lie ------------------------------------------------------------------------------------------ */

static void add_root(struct sg_cfg *c, struct sg_str folder, bool always) {
    while (folder.n > 1 && folder.p[folder.n - 1] == '/') folder.n--;
    if (sg_str_eq(folder, SG_STR("."))) folder = SG_STR_NONE;
    for (size_t i = 0; i < c->n_roots; i++)
        if (sg_str_eq(c->roots[i].folder, folder)) {
            c->roots[i].always |= always;
            return;
        }
    *SG_PUSH(c->a, c->roots, c->n_roots, c->cap_roots) = (struct sg_py_root){folder, always, false};
}

/* The folder above the n bytes of a path, which end before a slash or at the path's end. */
static struct sg_str above(struct sg_str folder, size_t n) {
    while (n && folder.p[n - 1] != '/') n--;
    return (struct sg_str){folder.p, n > 1 ? n - 1 : n};
}

/* Each folder of a path that holds `tasks`. */
static void add_above_tasks(struct sg_cfg *c, struct sg_str folder, bool always) {
    for (size_t from = 0, to; from < folder.n; from = to + 1) {
        to = sg_str_find(folder, '/', from);
        if (sg_str_eq((struct sg_str){folder.p + from, to - from}, SG_STR("tasks")))
            add_root(c, above(folder, from + 1), always);
    }
}

/* Who works in a folder below `tasks` still names modules from above it. */
void sg_cfg_python_root(struct sg_cfg *c, struct sg_str folder) {
    char cwd[4096];
    add_root(c, SG_STR_NONE, true);
    add_above_tasks(c, folder, true);
    if (folder.n && folder.p[0] != '/' && getcwd(cwd, sizeof cwd))
        add_above_tasks(c, sg_str_dup(c->a, sg_str(cwd)), false);
    add_root(c, above(folder, folder.n), false);
    add_root(c, folder, false);
}

static struct sg_str absolute(struct sg_cfg *c, struct sg_str folder) {
    char cwd[4096];
    if ((folder.n && folder.p[0] == '/') || !getcwd(cwd, sizeof cwd)) return folder;
    return folder.n ? sg_str_printf(c->a, "%s/%.*s", cwd, SG_ARG(folder)) : sg_str_dup(c->a, sg_str(cwd));
}

void sg_cfg_python_paths(struct sg_cfg *c, struct sg_task_spec *out) {
    out->python_paths = SG_NEW_N(c->a, struct sg_str, c->n_roots);
    for (size_t i = 0; i < c->n_roots; i++)
        if (c->roots[i].always || c->roots[i].used)
            out->python_paths[out->n_python_paths++] = absolute(c, c->roots[i].folder);
}

static bool is_file(const char *path) {
    struct sg_file_info info;
    return sg_os->stat(path, &info) == 0 && info.is_regular;
}

/* a.b.C is a/b.py or a/b/__init__.py, or lies deeper or less deep: `dotted` is cut at its end until there is one. */
static bool find_module(struct sg_cfg *c, struct sg_str root, struct sg_str dotted, struct sg_str *file) {
    struct sg_str slash = root.n && !sg_str_ends(root, SG_STR("/")) ? SG_STR("/") : SG_STR_NONE;
    struct sg_str path = sg_str_printf(c->a, "%.*s%.*s%.*s", SG_ARG(root), SG_ARG(slash), SG_ARG(dotted));
    size_t first = path.n - dotted.n;
    for (size_t i = first; i < path.n; i++)
        if (path.p[i] == '.') ((char *)path.p)[i] = '/';
    while (path.n > first) {
        *file = sg_str_printf(c->a, "%.*s.py", SG_ARG(path));
        if (is_file(file->p)) return true;
        *file = sg_str_printf(c->a, "%.*s/__init__.py", SG_ARG(path));
        if (is_file(file->p)) return true;
        do path.n--;
        while (path.n > first && path.p[path.n] != '/');
    }
    return false;
}

static void set_file(struct sg_cfg *c, struct sg_hook_spec *hook) {
    struct sg_str file, text;
    struct sg_err err;
    for (size_t i = 0; i < c->n_roots; i++) {
        if (!find_module(c, c->roots[i].folder, hook->text, &file)) continue;
        if (sg_os_read_file(c->a, file.p, MAX_MODULE, &text, &err)) {
            sg_error_at(c->d, hook->mark, hook->path, NULL, "%s", err.text);
            return;
        }
        c->roots[i].used = true;
        hook->file = file;
        sg_sha256_hex(text, hook->file_hash);
        return;
    }
}

bool sg_cfg_has_executor(struct sg_cfg *c, struct sg_str folder) {
    struct sg_str file = sg_str_printf(c->a, "%.*s/task_executor.py", SG_ARG(folder)), text,
                  name = SG_STR("class TaskExecutor");
    struct sg_err err;
    if (!is_file(file.p) || sg_os_read_file(c->a, file.p, MAX_MODULE, &text, &err)) return false;
    for (size_t from = 0, to; from < text.n; from = to + 1) {
        to = sg_str_find(text, '\n', from);
        struct sg_str line = {text.p + from, to - from};
        if (!sg_str_starts(line, name)) continue;
        char next = line.n > name.n ? line.p[name.n] : 0;
        if (next == '(' || next == ':' || next == ' ') return true;
    }
    return false;
}

/* --- references --------------------------------------------------------------------------------------------------- */

/* Two names or more, as Python takes them, joined by dots. */
static bool is_dotted(struct sg_str s) {
    size_t parts = 1, in_part = 0;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char ch = (unsigned char)s.p[i];
        bool digit = ch >= '0' && ch <= '9', lower = ch >= 'a' && ch <= 'z', upper = ch >= 'A' && ch <= 'Z';
        if (ch == '.' && in_part) parts++, in_part = 0;
        else if (lower || upper || ch == '_' || ch >= 0x80 || (digit && in_part)) in_part++;
        else return false;
    }
    return in_part && parts > 1;
}

static struct sg_hook_spec python_hook(struct sg_cfg *c, const struct sg_yaml *value, struct sg_str path,
                                       bool or_jq) {
    struct sg_hook_spec hook = {.kind = SG_HOOK_PYTHON, .text = value->text, .mark = value->mark, .path = path};
    if (!is_dotted(value->text)) {
        sg_error_at(c->d, value->mark, path, or_jq ? PYTHON_HELP ", or {jq: \"...\"}" : PYTHON_HELP,
                    "%s is no dotted path of Python code", sg_cfg_show(c, value));
        return (struct sg_hook_spec){.path = path};
    }
    set_file(c, &hook);
    return hook;
}

static void check_closure(struct sg_cfg *c, const struct sg_yaml *name, struct sg_str path) {
    if (!c->o->closures && !c->idle)
        sg_error_at(c->d, name->mark, path, "name a function of a module by its dotted path",
                    "the closure %s belongs to the process that wrote this task, which serves no hooks to this run",
                    sg_cfg_show(c, name));
}

struct sg_hook_spec sg_cfg_hook(struct sg_cfg *c, const struct sg_yaml *value, struct sg_str path) {
    struct sg_hook_spec hook = {.kind = SG_HOOK_NONE, .path = path};
    if (!value || value->kind == SG_YAML_NULL) return hook;
    if (value->kind == SG_YAML_TEXT) return python_hook(c, value, path, true);
    const struct sg_yaml *jq = sg_yaml_get(value, "jq"), *closure = sg_yaml_get(value, "closure"),
                         *text = jq ? jq : closure;
    if (value->kind != SG_YAML_MAP || value->n != 1 || !text || text->kind != SG_YAML_TEXT) {
        if (value->kind == SG_YAML_MAP) /* other kinds were reported with their key */
            sg_error_at(c->d, value->mark, path, "write {jq: \"...\"}, the program in quotes",
                        "a hook is a map with the one key `jq`, a program as text");
        return hook;
    }
    if (closure) check_closure(c, closure, path);
    hook.kind = jq ? SG_HOOK_JQ : SG_HOOK_CLOSURE;
    hook.text = text->text;
    hook.mark = text->mark;
    return hook;
}

struct sg_hook_spec sg_cfg_python(struct sg_cfg *c, const struct sg_yaml *value, struct sg_str path) {
    if (!value || value->kind == SG_YAML_NULL) return (struct sg_hook_spec){.path = path};
    if (value->kind == SG_YAML_TEXT) return python_hook(c, value, path, false);
    if (sg_yaml_get(value, "closure")) return sg_cfg_hook(c, value, path);
    sg_error_at(c->d, value->mark, path, PYTHON_HELP, "here must stand a dotted path of Python code, not %s", sg_cfg_show(c, value));
    return (struct sg_hook_spec){.path = path};
}

struct sg_hook_spec sg_cfg_hook_at(struct sg_cfg *c, const struct sg_yaml *map, const char *key, struct sg_str path) {
    return sg_cfg_hook(c, sg_yaml_get(map, key), sg_cfg_key(c, path, sg_str(key)));
}

/* --- lists of them --------------------------------------------------------------------------------------------------- */

static bool check_step(struct sg_cfg *c, const struct sg_yaml *item, struct sg_str path, const char *name) {
    const char *help = sg_str_printf(c->a, "write - {%s: module.Class, params: {...}}", name).p;
    struct sg_str known[] = {sg_str(name), SG_STR("params")};
    if (item->kind == SG_YAML_TEXT) return true;
    if (item->kind != SG_YAML_MAP) {
        sg_error_at(c->d, item->mark, path, help, "an entry is a dotted path of Python code or a map, not %s",
                    sg_cfg_show(c, item));
        return false;
    }
    for (size_t i = 0; i < item->n; i++) {
        struct sg_str key = item->pairs[i].key;
        if (sg_str_eq(key, known[0]) || sg_str_eq(key, known[1])) continue;
        const char *near = sg_cfg_nearest(c, key, known, 2, NULL);
        (near ? sg_error_at : sg_warning_at)(c->d, item->pairs[i].key_node->mark, sg_cfg_key(c, path, key), near,
                                             near ? "unknown key `%.*s`" : "unknown key `%.*s` has no effect",
                                             SG_ARG(key));
    }
    return sg_cfg_require(c, item, item->mark, path, name, help);
}

static void read_step(struct sg_cfg *c, const struct sg_yaml *item, struct sg_str path, const char *name,
                      struct sg_step_spec *out) {
    const struct sg_yaml *code = item->kind == SG_YAML_TEXT ? item : sg_yaml_get(item, name),
                         *params = sg_yaml_get(item, "params");
    struct sg_str code_path = item->kind == SG_YAML_TEXT ? path : sg_cfg_key(c, path, sg_str(name));
    out->hook = sg_cfg_python(c, code, code_path);
    out->params = params ? sg_yaml_to_json(c->a, params) : sg_json_null();
    if (params && params->kind != SG_YAML_MAP && params->kind != SG_YAML_NULL)
        sg_error_at(c->d, params->mark, sg_cfg_key(c, path, SG_STR("params")), NULL, "`params` must be a map, not %s",
                    sg_cfg_show(c, params));
}

struct sg_step_spec *sg_cfg_steps(struct sg_cfg *c, const struct sg_yaml *list, struct sg_str path, const char *name,
                                  size_t *n) {
    *n = 0;
    if (!list || list->kind != SG_YAML_LIST) return NULL;
    struct sg_step_spec *steps = SG_NEW_N(c->a, struct sg_step_spec, list->n);
    for (size_t i = 0; i < list->n && !sg_cfg_enough(c); i++) {
        struct sg_str item_path = sg_cfg_item(c, path, i);
        if (!check_step(c, list->items[i], item_path, name)) continue;
        steps[*n] = (struct sg_step_spec){0};
        read_step(c, list->items[i], item_path, name, &steps[(*n)++]);
    }
    return steps;
}

/* {type: function, function: {name: ...}}, as requests have it. */
static bool is_tool_object(const struct sg_yaml *map) {
    const struct sg_yaml *type = sg_yaml_get(map, "type"), *function = sg_yaml_get(map, "function");
    bool is_function = type && sg_str_eq(type->text, SG_STR("function"));
    return type && type->kind == SG_YAML_TEXT && (!is_function || sg_cfg_get(function, "name", SG_YAML_TEXT));
}

static bool read_tool_entry(struct sg_cfg *c, const struct sg_yaml *item, struct sg_str path,
                            struct sg_tool_spec *out) {
    if (item->kind == SG_YAML_TEXT) {
        if (sg_str_find(item->text, '.', 0) == item->text.n) {
            sg_warning_at(c->d, item->mark, path, "name it by its dotted path: module.name",
                          "the tool %s is left out: it is no dotted path", sg_cfg_show(c, item));
            return false;
        }
    }
    if (item->kind == SG_YAML_TEXT || sg_yaml_get(item, "closure")) {
        out->hook = sg_cfg_python(c, item, path);
        return out->hook.kind != SG_HOOK_NONE;
    }
    out->object = sg_yaml_to_json(c->a, item);
    if (item->kind == SG_YAML_MAP && is_tool_object(item)) return true;
    bool map = item->kind == SG_YAML_MAP;
    sg_error_at(c->d, item->mark, path,
                "write module.name, or {type: function, function: {name: ..., parameters: ...}}",
                map ? "a tool's map needs a `type`, and a `function` with its `name`"
                    : "a tool is a dotted path of Python code, or a map as requests have it, not %s",
                sg_cfg_show(c, item));
    return false;
}

void sg_cfg_tools(struct sg_cfg *c, const struct sg_yaml *list, struct sg_str path, struct sg_node_spec *out) {
    if (!list || list->kind != SG_YAML_LIST) return;
    out->tools = SG_NEW_N(c->a, struct sg_tool_spec, list->n);
    for (size_t i = 0; i < list->n && !sg_cfg_enough(c); i++) {
        struct sg_tool_spec tool = {0};
        if (read_tool_entry(c, list->items[i], sg_cfg_item(c, path, i), &tool)) out->tools[out->n_tools++] = tool;
    }
}
