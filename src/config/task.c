/* SPDX-License-Identifier: Apache-2.0 */
/* The whole of a task: environment, the task's file, data, graph, output. Each part reports what is wrong with it
 * and leaves the rest to be read; the number of errors decides at the end. */
#include "config/graph.h"
#include "config/hook.h"
#include "config/schema.h"
#include "config/source.h"

/* --- data_config ------------------------------------------------------------------------------------------------ */

static void read_data(struct sg_cfg *c, const struct sg_yaml *root, struct sg_data_spec *out) {
    const struct sg_yaml *map = sg_cfg_get(root, "data_config", SG_YAML_MAP);
    struct sg_str path = SG_STR("data_config");
    if (!map || !sg_cfg_keys(c, map, path, SG_SECTION_DATA, NULL, false)) return;
    sg_cfg_text(map, "id_column", &out->id_column);
    const struct sg_yaml *resumable = sg_cfg_get(map, "resumable", SG_YAML_BOOL);
    out->resumable = resumable && sg_str_eq(resumable->text, SG_STR("true"));
    const struct sg_yaml_pair *source = sg_yaml_find(map, SG_STR("source"));
    if (source && (source->value->kind == SG_YAML_MAP || source->value->kind == SG_YAML_LIST))
        out->source = sg_cfg_source(c, source->value, source->key_node->mark, SG_STR("data_config.source"));
}

/* --- $ paths of output values (spec-core 8.2) ------------------------------------------------------------------- */

struct dollar {
    struct sg_cfg *c;
    const struct sg_yaml *root, *text; /* text: "$a.b[0]" */
    struct sg_str path;                /* of the text */
};

static const struct sg_yaml *dollar_error(const struct dollar *d, const char *help, const char *why,
                                          struct sg_str part) {
    sg_error_at(d->c->d, d->text->mark, d->path, help, "the path %s %s `%.*s`", sg_cfg_show(d->c, d->text), why,
                SG_ARG(part));
    return NULL;
}

static const struct sg_yaml *dollar_item(const struct dollar *d, const struct sg_yaml *at, struct sg_str digits) {
    uint64_t index = 0;
    for (size_t i = 0; i < digits.n; i++) {
        if (digits.p[i] < '0' || digits.p[i] > '9' || index > UINT32_MAX)
            return dollar_error(d, "an index is a number from 0", "has the bad index", digits);
        index = index * 10 + (uint64_t)(digits.p[i] - '0');
    }
    if (digits.n == 0 || at->kind != SG_YAML_LIST)
        return dollar_error(d, NULL, digits.n ? "goes into what is no list, at" : "has the bad index", digits);
    if (index >= at->n)
        return dollar_error(d, sg_str_printf(d->c->a, "the list has %zu items", at->n).p, "goes beyond the list, at",
                            digits);
    return at->items[index];
}

static const struct sg_yaml *dollar_step(const struct dollar *d, const struct sg_yaml *at, struct sg_str part) {
    size_t bracket = sg_str_ends(part, SG_STR("]")) ? sg_str_find(part, '[', 0) : part.n;
    struct sg_str key = {part.p, bracket};
    const struct sg_yaml_pair *p = sg_yaml_find(at, key);
    if (!p) {
        size_t n = at->kind == SG_YAML_MAP ? at->n : 0;
        struct sg_str *names = SG_NEW_N(d->c->a, struct sg_str, n);
        for (size_t i = 0; i < n; i++) names[i] = at->pairs[i].key;
        return dollar_error(d,
                            sg_cfg_nearest(d->c, key, names, n,
                                           "a path starts at the root of this file: $data_config.source.file_path"),
                            "leads to nothing at", key);
    }
    if (bracket == part.n) return p->value;
    return dollar_item(d, p->value, (struct sg_str){part.p + bracket + 1, part.n - bracket - 2});
}

static struct sg_json follow_dollar(const struct dollar *d) {
    const struct sg_yaml *at = d->root;
    struct sg_str rest = {d->text->text.p + 1, d->text->text.n - 1};
    for (size_t from = 0, to; at && from <= rest.n; from = to + 1) {
        to = sg_str_find(rest, '.', from);
        at = dollar_step(d, at, (struct sg_str){rest.p + from, to - from});
    }
    return at ? sg_yaml_to_json(d->c->a, at) : sg_json_null();
}

/* The value with the paths in it replaced, at any depth; what a path leads to is taken as it stands. */
static struct sg_json constant(struct sg_cfg *c, const struct sg_yaml *root, const struct sg_yaml *v,
                               struct sg_str path) {
    if (v->kind == SG_YAML_TEXT && v->text.n && v->text.p[0] == '$') {
        struct dollar d = {c, root, v, path};
        return follow_dollar(&d);
    }
    if (v->kind == SG_YAML_LIST) {
        struct sg_json *items = SG_NEW_N(c->a, struct sg_json, v->n);
        for (size_t i = 0; i < v->n && !sg_cfg_enough(c); i++) items[i] = constant(c, root, v->items[i], path);
        return sg_json_array(items, v->n);
    }
    if (v->kind == SG_YAML_MAP) {
        struct sg_member *members = SG_NEW_N(c->a, struct sg_member, v->n);
        for (size_t i = 0; i < v->n && !sg_cfg_enough(c); i++)
            members[i] = (struct sg_member){v->pairs[i].key, constant(c, root, v->pairs[i].value, path)};
        return sg_json_object(members, v->n);
    }
    return sg_yaml_to_json(c->a, v);
}

/* --- output_config ---------------------------------------------------------------------------------------------- */

/* Beside a generator a transform may be a method of it, by name alone. */
static struct sg_hook_spec read_transform(struct sg_cfg *c, const struct sg_yaml *map, struct sg_str path,
                                          bool generated) {
    const struct sg_yaml *value = sg_yaml_get(map, "transform");
    bool is_name = value && value->kind == SG_YAML_TEXT && sg_str_find(value->text, '.', 0) == value->text.n;
    if (!is_name) return sg_cfg_hook_at(c, map, "transform", path);
    path = sg_cfg_key(c, path, SG_STR("transform"));
    if (!generated)
        sg_error_at(c->d, value->mark, path, "add the `generator`, or write module.name or {jq: \"...\"}",
                    "%s is a method of a `generator`, but output_config has none", sg_cfg_show(c, value));
    return (struct sg_hook_spec){.kind = SG_HOOK_PYTHON, .text = value->text, .mark = value->mark, .path = path};
}

static void read_field(struct sg_cfg *c, const struct sg_yaml *root, const struct sg_yaml_pair *pair,
                       struct sg_str path, bool generated, struct sg_output_field *out) {
    const struct sg_yaml *map = pair->value;
    out->name = (struct sg_name){pair->key, pair->key_node->mark};
    if (map->kind != SG_YAML_MAP) {
        const char *help = map->kind == SG_YAML_TEXT
                               ? sg_str_printf(c->a, "write {from: %.*s} or {value: ...}", SG_ARG(map->text)).p
                               : "write {from: key} or {value: ...}";
        sg_error_at(c->d, map->kind == SG_YAML_NULL ? pair->key_node->mark : map->mark, path, help,
                    "an output field is a map with `from` or `value`, not %s", sg_cfg_show(c, map));
        return;
    }
    sg_cfg_keys(c, map, path, SG_SECTION_FIELD, NULL, false);
    const struct sg_yaml *value = sg_yaml_get(map, "value"), *from = sg_cfg_get(map, "from", SG_YAML_TEXT);
    if (value && sg_yaml_get(map, "from"))
        sg_warning_at(c->d, sg_yaml_find(map, SG_STR("from"))->key_node->mark, path, NULL,
                      "`from` has no effect beside `value`");
    else if (!value && !sg_yaml_get(map, "from") && !generated)
        sg_error_at(c->d, pair->key_node->mark, path, "write {from: key} or {value: ...}",
                    "field `%.*s` has neither `from` nor `value`", SG_ARG(pair->key));
    out->is_value = value;
    if (value) out->value = constant(c, root, value, sg_cfg_key(c, path, SG_STR("value")));
    else if (from) out->from = (struct sg_name){from->text, from->mark};
    out->transform = read_transform(c, map, path, generated);
}

static void read_oasst(struct sg_cfg *c, const struct sg_yaml *map) {
    struct sg_str path = SG_STR("output_config.oasst_mapper");
    if (!map || map->kind != SG_YAML_MAP || !sg_cfg_keys(c, map, path, SG_SECTION_OASST, NULL, false)) return;
    const struct sg_yaml *required = sg_yaml_get(map, "required");
    path = sg_cfg_key(c, path, SG_STR("required"));
    if (required && required->kind == SG_YAML_TEXT && sg_str_eq(required->text, SG_STR("yes")))
        sg_cfg_not_yet(c, required->mark, path, 8, "`oasst_mapper`");
    else if (required && required->kind == SG_YAML_BOOL && sg_str_eq(required->text, SG_STR("true")))
        sg_warning_at(c->d, required->mark, path, "write \"yes\" in quotes",
                      "`required` counts only as the text \"yes\", so it has no effect");
}

static struct sg_json with_value(struct sg_arena *a, const struct sg_json *map, const struct sg_json *value) {
    struct sg_member *members = SG_NEW_N(a, struct sg_member, map->n);
    for (uint32_t i = 0; i < map->n; i++) {
        members[i] = map->members[i];
        if (sg_str_eq(members[i].key, SG_STR("value"))) members[i].value = *value;
    }
    return sg_json_object(members, map->n);
}

/* The paths in `value`s of the map that the generator gets are replaced as those of the fields were. */
static void set_values(struct sg_arena *a, struct sg_output_spec *out) {
    const struct sg_json *map = sg_json_get(&out->config, SG_STR("output_map"));
    struct sg_member *fields = SG_NEW_N(a, struct sg_member, map->n),
                     *members = SG_NEW_N(a, struct sg_member, out->config.n);
    for (uint32_t i = 0; i < map->n; i++) {
        fields[i] = map->members[i];
        if (out->fields[i].is_value) fields[i].value = with_value(a, &fields[i].value, &out->fields[i].value);
    }
    for (uint32_t i = 0; i < out->config.n; i++) {
        members[i] = out->config.members[i];
        if (sg_str_eq(members[i].key, SG_STR("output_map"))) members[i].value = sg_json_object(fields, map->n);
    }
    out->config = sg_json_object(members, out->config.n);
}

static void read_output(struct sg_cfg *c, const struct sg_yaml *root, struct sg_output_spec *out) {
    const struct sg_yaml *config = sg_cfg_get(root, "output_config", SG_YAML_MAP), *map;
    struct sg_str path = SG_STR("output_config");
    if (!config || !sg_cfg_keys(c, config, path, SG_SECTION_OUTPUT, NULL, false)) return;
    read_oasst(c, sg_yaml_get(config, "oasst_mapper"));
    map = sg_cfg_get(config, "output_map", SG_YAML_MAP);
    out->generator = sg_cfg_python(c, sg_yaml_get(config, "generator"), sg_cfg_key(c, path, SG_STR("generator")));
    bool generated = out->generator.kind != SG_HOOK_NONE;
    if (generated) out->config = sg_yaml_to_json(c->a, config);
    if (!map) return;
    path = sg_cfg_key(c, path, SG_STR("output_map"));
    out->has_map = true;
    out->fields = SG_NEW_N(c->a, struct sg_output_field, map->n);
    out->n_fields = map->n;
    for (size_t i = 0; i < map->n && !sg_cfg_enough(c); i++)
        read_field(c, root, &map->pairs[i], sg_cfg_key(c, path, map->pairs[i].key), generated, &out->fields[i]);
    if (generated) set_values(c->a, out);
}

/* ---------------------------------------------------------------------------------------------------------------- */

static int load(struct sg_cfg *c, struct sg_task_spec *out) {
    const struct sg_task_file *task = sg_cfg_task(c, c->o->task, SG_STR_NONE, (struct sg_mark){0}, SG_STR_NONE);
    if (!task) return SG_E_IO;
    out->folder = c->folder = task->folder;
    if (!task->root) return SG_E_SYNTAX;
    sg_cfg_origin(c, "task: %.*s", SG_ARG(task->path));
    sg_cfg_keys(c, task->root, SG_STR_NONE, SG_SECTION_TASK, NULL, false);
    read_data(c, task->root, &out->data);
    sg_cfg_graph(c, task, &out->graph);
    read_output(c, task->root, &out->output);
    sg_cfg_schema(c, task->root, &out->schema);
    out->post = sg_cfg_steps(c, sg_yaml_get(task->root, "graph_post_process"), SG_STR("graph_post_process"),
                             "processor", &out->n_post);
    out->has_executor = sg_cfg_has_executor(c, task->folder);
    sg_cfg_python_paths(c, out);
    return c->d->errors ? SG_E_SYNTAX : 0;
}

static void take_dot_env(struct sg_cfg *c, struct sg_task_spec *out) {
    out->dot_env = SG_NEW_N(c->a, struct sg_str, c->env.n);
    for (size_t i = 0; i < c->env.n; i++) {
        const struct sg_env_var *v = &c->env.vars[i];
        if (v->from_file)
            out->dot_env[out->n_dot_env++] = sg_str_printf(c->a, "%.*s=%.*s", SG_ARG(v->name), SG_ARG(v->value));
    }
}

int sg_config_load(struct sg_arena *a, const struct sg_config_options *o, struct sg_diags *diags,
                   struct sg_task_spec *out) {
    struct sg_cfg c = {.a = a, .d = diags, .o = o, .origins = SG_BUF_INIT(1 << 20)};
    *out = (struct sg_task_spec){.name = sg_str_dup(a, o->task)};
    sg_env_load(&c.env, a, diags);
    take_dot_env(&c, out);
    int rc = load(&c, out);
    out->origins = sg_str_dup(a, sg_buf_view(&c.origins));
    sg_buf_fini(&c.origins);
    return rc;
}

void sg_config_origins(const struct sg_task_spec *t, struct sg_buf *out) {
    sg_redact(out, t->origins);
}

int sg_config_file_json(struct sg_arena *a, struct sg_diags *d, struct sg_str path, struct sg_json *out) {
    struct sg_file_info info;
    struct sg_err err = {0};
    struct sg_str text;
    const struct sg_yaml *root = NULL;
    path = sg_str_dup(a, path);
    if (sg_os->stat(path.p, &info) == 0 && info.is_dir) path = sg_str_printf(a, "%.*s/" SG_TASK_FILE, SG_ARG(path));
    if (sg_os_read_file(a, path.p, SG_YAML_MAX_BYTES, &text, &err) != 0) {
        sg_error_at(d, (struct sg_mark){0}, SG_STR_NONE, NULL, "%s", err.text);
        return SG_E_IO;
    }
    if (sg_yaml_parse(a, d, path, text, &root) != 0) return SG_E_SYNTAX;
    *out = root ? sg_yaml_to_json(a, root) : sg_json_null();
    return 0;
}
