/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of single nodes. Prompts follow the reference's forms (spec-core 6): a list of maps of which only the
 * first key counts, the role; its value is a text, or a list of parts. */
#include "config/graph.h"
#include "config/hook.h"
#include "config/models.h"
#include "config/source.h"

#include <math.h>
#include <stdlib.h>

#define MAX_OUTPUT_KEYS 1000
#define MAX_CHILDREN 100

static const char *const roles[] = {"system", "user", "assistant", "tool"};
#define N_ROLES (sizeof roles / sizeof *roles)

static struct sg_str key_path(struct sg_cfg *c, const struct sg_node_source *s, const char *key) {
    return sg_cfg_key(c, s->path, sg_str(key));
}

/* --- all kinds -------------------------------------------------------------------------------------------------- */

static void check_output_keys(struct sg_cfg *c, const struct sg_node_source *s, struct sg_node_spec *node) {
    if (node->n_output_keys > MAX_OUTPUT_KEYS) {
        sg_error_at(c->d, s->mark, key_path(c, s, "output_keys"), NULL, "more than %d `output_keys`",
                    MAX_OUTPUT_KEYS);
        node->n_output_keys = 0;
    }
    for (size_t i = 0; i < node->n_output_keys; i++) {
        const struct sg_name *key = &node->output_keys[i];
        if (key->text.n == 0)
            sg_error_at(c->d, key->mark, key_path(c, s, "output_keys"), NULL, "a state key needs a name");
        for (size_t k = 0; k < i; k++)
            if (sg_str_eq(key->text, node->output_keys[k].text))
                sg_warning_at(c->d, key->mark, key_path(c, s, "output_keys"), NULL, "`%.*s` is named twice",
                              SG_ARG(key->text));
    }
}

void sg_cfg_node_common(struct sg_cfg *c, const struct sg_node_source *s, struct sg_node_spec *out) {
    out->output_keys = sg_cfg_names(c, sg_yaml_get(s->map, "output_keys"), &out->n_output_keys);
    check_output_keys(c, s, out);
}

/* --- prompts ---------------------------------------------------------------------------------------------------- */

static struct sg_str replaced(struct sg_cfg *c, struct sg_str text, struct sg_str old, struct sg_str fresh) {
    struct sg_buf b = SG_BUF_INIT(SG_YAML_MAX_BYTES);
    for (size_t i = 0; i < text.n;) {
        bool here = text.p[i] == '{' && text.n - i >= old.n + 2 && text.p[i + 1 + old.n] == '}' &&
                    sg_str_eq((struct sg_str){text.p + i + 1, old.n}, old);
        if (here) sg_buf_str(&b, fresh);
        else sg_buf_ch(&b, text.p[i]);
        i += here ? old.n + 2 : 1;
    }
    struct sg_str out = b.failed ? text : sg_str_dup(c->a, sg_buf_view(&b));
    sg_buf_fini(&b);
    return out;
}

/* {old} becomes {new}, map by map and pair by pair. */
static struct sg_str with_placeholders(struct sg_cfg *c, const struct sg_node_source *s, struct sg_str text) {
    for (size_t i = 0; i < s->placeholders.n; i++) {
        const struct sg_yaml *map = s->placeholders.maps[i];
        for (size_t k = 0; k < map->n; k++)
            if (map->pairs[k].value->kind == SG_YAML_TEXT)
                text = replaced(c, text, map->pairs[k].key,
                                sg_str_printf(c->a, "{%.*s}", SG_ARG(map->pairs[k].value->text)));
    }
    return text;
}

static void add_part(struct sg_cfg *c, const struct sg_node_source *s, struct sg_prompt_message *m,
                     const struct sg_yaml *text) {
    struct sg_str value = with_placeholders(c, s, text->text);
    m->parts[m->n_parts++] = (struct sg_prompt_part){{value, text->mark}};
}

/* {type: text, text: "..."}; the types of other media have an issue of their own. */
static void read_part(struct sg_cfg *c, const struct sg_node_source *s, const struct sg_yaml *item,
                      struct sg_str path, struct sg_prompt_message *m) {
    const struct sg_yaml *type = sg_yaml_get(item, "type"), *text = sg_yaml_get(item, "text");
    if (item->kind == SG_YAML_TEXT) {
        add_part(c, s, m, item);
    } else if (item->kind != SG_YAML_MAP || !type || type->kind != SG_YAML_TEXT) {
        sg_error_at(c->d, item->mark, path, "write - {type: text, text: \"...\"}",
                    "a part of a prompt is a text or a map with a `type`, not %s", sg_cfg_show(c, item));
    } else if (!sg_str_eq(type->text, SG_STR("text"))) {
        sg_cfg_not_yet(c, type->mark, path, SG_KEY_LATER,
                       sg_str_printf(c->a, "a part of type %s", sg_cfg_show(c, type)).p);
    } else if (!text || text->kind != SG_YAML_TEXT) {
        sg_error_at(c->d, text ? text->mark : item->mark, path, NULL,
                    "a part of type text needs a text as its `text`");
    } else {
        add_part(c, s, m, text);
    }
}

/* A tool's result is no template (spec-core 6). */
static void read_tool(struct sg_cfg *c, const struct sg_yaml *value, struct sg_str path,
                      struct sg_prompt_message *m) {
    const struct sg_yaml *first = value->kind == SG_YAML_LIST && value->n ? value->items[0] : NULL;
    const struct sg_yaml *content = sg_cfg_get(first, "content", SG_YAML_TEXT);
    if (!content || !sg_cfg_text(first, "tool_call_id", &m->tool_call_id)) {
        sg_error_at(c->d, value->mark, path, "write tool: [{tool_call_id: \"...\", content: \"...\"}]",
                    "a tool message needs a list with one map of `content` and `tool_call_id`");
        return;
    }
    m->parts[m->n_parts++] = (struct sg_prompt_part){{content->text, content->mark}};
}

static void read_content(struct sg_cfg *c, const struct sg_node_source *s, const struct sg_yaml *value,
                         struct sg_str path, struct sg_prompt_message *m) {
    m->parts = SG_NEW_N(c->a, struct sg_prompt_part, value->kind == SG_YAML_LIST ? value->n : 1);
    if (sg_str_eq(m->role, SG_STR("tool"))) {
        read_tool(c, value, path, m);
    } else if (value->kind == SG_YAML_TEXT) {
        add_part(c, s, m, value);
    } else if (value->kind == SG_YAML_LIST) {
        m->is_list = true;
        for (size_t i = 0; i < value->n && !sg_cfg_enough(c); i++)
            read_part(c, s, value->items[i], sg_cfg_item(c, path, i), m);
    } else {
        const char *help =
            value->kind < SG_YAML_TEXT && value->kind != SG_YAML_NULL ? "put it in quotes" : "write role: text";
        sg_error_at(c->d, value->mark, path, help, "a prompt must be text or a list of parts, not %s",
                    sg_cfg_show(c, value));
    }
}

/* False when the message is left out. */
static bool read_message(struct sg_cfg *c, const struct sg_node_source *s, const struct sg_yaml *item,
                         struct sg_str path, struct sg_prompt_message *m) {
    if (item->kind != SG_YAML_MAP || item->n == 0) {
        sg_error_at(c->d, item->mark, path, "write - user: \"...\"",
                    "a message of a prompt is a map of a role to a text, not %s", sg_cfg_show(c, item));
        return false;
    }
    const struct sg_yaml_pair *first = &item->pairs[0];
    for (size_t i = 1; i < item->n; i++)
        sg_warning_at(c->d, item->pairs[i].key_node->mark, path, "begin each message with a hyphen",
                      "only the first key of a message counts: `%.*s` is dropped", SG_ARG(item->pairs[i].key));
    struct sg_str names[N_ROLES], role_path = sg_cfg_key(c, path, first->key);
    for (size_t i = 0; i < N_ROLES; i++) {
        names[i] = sg_str(roles[i]);
        if (sg_str_eq(first->key, names[i])) m->role = names[i];
    }
    if (m->role.n == 0) {
        const char *help =
            sg_cfg_nearest(c, first->key, names, N_ROLES, "roles are system, user, assistant and tool");
        sg_warning_at(c->d, first->key_node->mark, role_path, help,
                      "a message with the unknown role `%.*s` is dropped", SG_ARG(first->key));
        return false;
    }
    read_content(c, s, first->value, role_path, m);
    return true;
}

static void read_prompt(struct sg_cfg *c, const struct sg_node_source *s, const struct sg_yaml *list,
                        struct sg_node_spec *out) {
    struct sg_str path = key_path(c, s, "prompt");
    out->prompt = SG_NEW_N(c->a, struct sg_prompt_message, list->n);
    for (size_t i = 0; i < list->n && !sg_cfg_enough(c); i++) {
        struct sg_prompt_message m = {.role = SG_STR_NONE};
        if (read_message(c, s, list->items[i], sg_cfg_item(c, path, i), &m)) out->prompt[out->n_prompt++] = m;
    }
}

/* --- llm -------------------------------------------------------------------------------------------------------- */

static void set_names(struct sg_cfg *c, const struct sg_node_source *s, struct sg_node_spec *out) {
    const struct sg_yaml *input = sg_cfg_get(s->map, "input_key", SG_YAML_TEXT);
    const struct sg_yaml *keys = sg_yaml_get(s->map, "output_keys");
    size_t role = 2; /* assistant */
    out->input_key =
        input ? (struct sg_name){input->text, input->mark} : (struct sg_name){.text = SG_STR("messages")};
    sg_cfg_word(c, s->map, s->path, "output_role", roles, N_ROLES, &role);
    out->output_role = sg_str(roles[role]);
    if (out->n_output_keys == 0 && (!keys || keys->kind == SG_YAML_NULL)) {
        out->output_keys = SG_NEW(c->a, struct sg_name);
        out->output_keys->text = SG_STR("messages");
        out->n_output_keys = 1;
    }
    if (keys && keys->kind == SG_YAML_LIST && out->post_process.kind == SG_HOOK_NONE)
        sg_error_at(c->d, keys->mark, key_path(c, s, "output_keys"),
                    "name one key, or add a post_process: {jq: \"...\"}, or Python code",
                    "a list of `output_keys` needs a `post_process` that fills them");
}

static bool is_true(const struct sg_yaml *map, const char *key) {
    const struct sg_yaml *value = sg_cfg_get(map, key, SG_YAML_BOOL);
    return value && sg_str_eq(value->text, SG_STR("true"));
}

static void read_tools(struct sg_cfg *c, const struct sg_node_source *s, struct sg_node_spec *out) {
    static const char *const words[] = {"auto", "none", "required"};
    const struct sg_yaml *choice = sg_cfg_get(s->map, "tool_choice", SG_YAML_MAP);
    size_t word = 0;
    sg_cfg_tools(c, sg_yaml_get(s->map, "tools"), key_path(c, s, "tools"), out);
    if (!choice) sg_cfg_word(c, s->map, s->path, "tool_choice", words, 3, &word);
    out->tool_choice = choice ? sg_yaml_to_json(c->a, choice) : sg_json_string(sg_str(words[word]));
}

/* What llm and multi_llm nodes have in common. */
static void read_asking(struct sg_cfg *c, const struct sg_node_source *s, struct sg_node_spec *out) {
    out->pre_process = sg_cfg_hook_at(c, s->map, "pre_process", s->path);
    out->post_process = sg_cfg_hook_at(c, s->map, "post_process", s->path);
    set_names(c, s, out);
    read_tools(c, s, out);
    out->chat_history = is_true(s->map, "chat_history");
    out->once = is_true(s->map, "once");
    if (sg_cfg_require(c, s->map, s->mark, s->path, "prompt", "write prompt: and below it - user: \"...\"") &&
        sg_cfg_get(s->map, "prompt", SG_YAML_LIST))
        read_prompt(c, s, sg_yaml_get(s->map, "prompt"), out);
}

static void check_tools(struct sg_cfg *c, const struct sg_node_source *s, const struct sg_node_spec *node,
                        const struct sg_model_spec *m) {
    if (m && m->type == SG_MODEL_LLAMA && node->n_tools)
        sg_warning_at(c->d, sg_yaml_find(s->map, SG_STR("tools"))->key_node->mark, key_path(c, s, "tools"), NULL,
                      "`tools` has no effect on the embedded model `%.*s`", SG_ARG(m->alias));
}

void sg_cfg_node_llm(struct sg_cfg *c, const struct sg_node_source *s, struct sg_node_spec *out) {
    read_asking(c, s, out);
    if (sg_cfg_require(c, s->map, s->mark, s->path, "model", "write model: {name: ...}") && !c->idle)
        out->model =
            sg_models_resolve(c, sg_yaml_get(s->map, "model"), sg_yaml_find(s->map, SG_STR("model"))->key_node->mark,
                              key_path(c, s, "model"));
    check_tools(c, s, out, out->model);
    if (sg_yaml_get(s->map, "structured_output"))
        sg_warning_at(c->d, sg_yaml_find(s->map, SG_STR("structured_output"))->key_node->mark,
                      key_path(c, s, "structured_output"), "put it inside `model`",
                      "`structured_output` has no effect beside `model`");
}

/* --- multi_llm -------------------------------------------------------------------------------------------------- */

static void read_child(struct sg_cfg *c, const struct sg_yaml_pair *pair, struct sg_str path,
                       struct sg_child_spec *out) {
    struct sg_mark mark = pair->key_node->mark;
    out->label = (struct sg_name){pair->key, mark};
    if (pair->key.n == 0) sg_error_at(c->d, mark, path, NULL, "a model needs a label");
    if (pair->value->kind != SG_YAML_MAP)
        sg_error_at(c->d, pair->value->mark.line ? pair->value->mark : mark, path, "write label: {name: ...}",
                    "a model is a map with the `name` of an entry of models.yaml, not %s",
                    sg_cfg_show(c, pair->value));
    else if (!c->idle) out->model = sg_models_resolve(c, pair->value, mark, path);
}

static void read_children(struct sg_cfg *c, const struct sg_node_source *s, struct sg_node_spec *out) {
    struct sg_str path = key_path(c, s, "models");
    const struct sg_yaml *map = sg_cfg_get(s->map, "models", SG_YAML_MAP);
    if (!sg_cfg_require(c, s->map, s->mark, s->path, "models", "write models: {label: {name: ...}, ...}") || !map)
        return;
    if (map->n == 0) sg_error_at(c->d, map->mark, path, NULL, "the node has no models");
    if (map->n > MAX_CHILDREN)
        sg_error_at(c->d, map->mark, path, NULL, "more than %d models in one node", MAX_CHILDREN);
    out->children = SG_NEW_N(c->a, struct sg_child_spec, map->n);
    for (size_t i = 0; i < map->n && i < MAX_CHILDREN && !sg_cfg_enough(c); i++)
        read_child(c, &map->pairs[i], sg_cfg_key(c, path, map->pairs[i].key), &out->children[out->n_children++]);
}

static void read_combine(struct sg_cfg *c, const struct sg_node_source *s, struct sg_node_spec *out) {
    const struct sg_yaml *keys = sg_yaml_get(s->map, "output_keys");
    const struct sg_yaml_pair *combine = sg_yaml_find(s->map, SG_STR("multi_llm_post_process"));
    out->combine = sg_cfg_hook_at(c, s->map, "multi_llm_post_process", s->path);
    if (out->strategy != SG_ENSEMBLE && combine && out->combine.kind != SG_HOOK_NONE)
        sg_error_at(c->d, combine->key_node->mark, key_path(c, s, "multi_llm_post_process"),
                    "use post_process, which gets the one reply",
                    "`multi_llm_post_process` puts the results of an ensemble together; this strategy gives one result");
    if (out->strategy == SG_ENSEMBLE && out->combine.kind == SG_HOOK_NONE && keys && keys->kind == SG_YAML_LIST)
        sg_error_at(c->d, keys->mark, key_path(c, s, "output_keys"),
                    "name one key, or add a multi_llm_post_process: {jq: \"...\"}, or Python code",
                    "a list of `output_keys` needs a `multi_llm_post_process` that fills them");
}

void sg_cfg_node_multi_llm(struct sg_cfg *c, const struct sg_node_source *s, struct sg_node_spec *out) {
    static const char *const words[] = {
        [SG_ENSEMBLE] = "ensemble", [SG_BALANCE] = "balance", [SG_FALLBACK] = "fallback"};
    size_t strategy = SG_ENSEMBLE;
    read_asking(c, s, out);
    sg_cfg_word(c, s->map, s->path, "strategy", words, sizeof words / sizeof *words, &strategy);
    out->strategy = (enum sg_strategy)strategy;
    read_children(c, s, out);
    for (size_t i = 0; i < out->n_children; i++) check_tools(c, s, out, out->children[i].model);
    read_combine(c, s, out);
}

/* --- weighted_sampler ------------------------------------------------------------------------------------------- */

static bool read_weight(struct sg_cfg *c, const struct sg_yaml *v, struct sg_str path, double *out) {
    if (v->kind == SG_YAML_INT || v->kind == SG_YAML_FLOAT) {
        *out = strtod(sg_str_dup(c->a, v->text).p, NULL);
        if (isfinite(*out) && *out >= 0) return true;
    }
    sg_error_at(c->d, v->mark, path, NULL, "a weight must be a number, 0 or more, not %s", sg_cfg_show(c, v));
    return false;
}

static void read_weights(struct sg_cfg *c, const struct sg_yaml *list, struct sg_str path,
                         struct sg_attribute_spec *out) {
    double total = 0;
    if (list->n != out->n_values)
        sg_error_at(c->d, list->mark, path, "give one weight a value", "%zu weights for %zu values", list->n,
                    out->n_values);
    for (size_t i = 0; i < list->n && i < out->n_values; i++) {
        out->weights[i] = 0;
        if (!read_weight(c, list->items[i], sg_cfg_item(c, path, i), &out->weights[i])) return;
        total += out->weights[i];
    }
    if (list->n == out->n_values && !(total > 0 && isfinite(total)))
        sg_error_at(c->d, list->mark, path, NULL, "the weights must add up to more than 0");
}

static void read_draw(struct sg_cfg *c, const struct sg_yaml *map, struct sg_mark mark, struct sg_str path,
                      struct sg_attribute_spec *out) {
    static const char *const orders[] = {"sequential", "random"};
    size_t order = 0;
    if (!sg_cfg_keys(c, map, path, SG_SECTION_DRAW, NULL, false) ||
        !sg_cfg_require(c, map, mark, path, "source", "write source: {type: disk, file_path: ...}") ||
        !sg_cfg_require(c, map, mark, path, "column", "name a column of the source"))
        return;
    const struct sg_yaml_pair *source = sg_yaml_find(map, SG_STR("source"));
    if (source->value->kind != SG_YAML_MAP) return;
    sg_cfg_word(c, map, path, "order", orders, 2, &order);
    out->at_random = order == 1;
    out->columns = sg_cfg_names(c, sg_yaml_get(map, "column"), &out->n_columns);
    if (out->n_columns == 0)
        sg_error_at(c->d, mark, sg_cfg_key(c, path, SG_STR("column")), NULL, "no column is named");
    out->source = sg_cfg_source(c, source->value, source->key_node->mark, sg_cfg_key(c, path, SG_STR("source")));
    if (out->source && out->source->n_transforms)
        sg_error_at(c->d, sg_yaml_find(source->value, SG_STR("transformations"))->key_node->mark, path,
                    "write the changed rows to a file of their own",
                    "a sampler draws from rows as they stand in their file");
}

static void read_attribute(struct sg_cfg *c, const struct sg_yaml_pair *pair, struct sg_str path,
                           struct sg_attribute_spec *out) {
    const struct sg_yaml *map = pair->value, *values = sg_yaml_get(map, "values");
    out->name = (struct sg_name){pair->key, pair->key_node->mark};
    if (map->kind == SG_YAML_NULL || !sg_cfg_keys(c, map, path, SG_SECTION_ATTRIBUTE, NULL, false) ||
        !sg_cfg_require(c, map, pair->key_node->mark, path, "values", "write values: [...]")) {
        if (map->kind == SG_YAML_NULL)
            sg_error_at(c->d, pair->key_node->mark, path, "write values: [...] below it",
                        "attribute `%.*s` has no values", SG_ARG(pair->key));
        return;
    }
    struct sg_str values_path = sg_cfg_key(c, path, SG_STR("values"));
    if (values->kind == SG_YAML_MAP) {
        read_draw(c, values, sg_yaml_find(map, SG_STR("values"))->key_node->mark, values_path, out);
        const struct sg_yaml_pair *weights = sg_yaml_find(map, SG_STR("weights"));
        if (weights)
            sg_warning_at(c->d, weights->key_node->mark, sg_cfg_key(c, path, SG_STR("weights")), NULL,
                          "`weights` has no effect on rows of a source");
    }
    if (values->kind != SG_YAML_LIST) return;
    if (values->n == 0) sg_error_at(c->d, values->mark, values_path, NULL, "`values` is an empty list");
    struct sg_json json = sg_yaml_to_json(c->a, values);
    out->values = json.items;
    out->n_values = values->n;
    out->weights = SG_NEW_N(c->a, double, values->n);
    for (size_t i = 0; i < values->n; i++) out->weights[i] = 1;
    const struct sg_yaml *weights = sg_cfg_get(map, "weights", SG_YAML_LIST);
    if (weights) read_weights(c, weights, sg_cfg_key(c, path, SG_STR("weights")), out);
}

void sg_cfg_node_sampler(struct sg_cfg *c, const struct sg_node_source *s, struct sg_node_spec *out) {
    const struct sg_yaml *map = sg_cfg_get(s->map, "attributes", SG_YAML_MAP);
    struct sg_str path = key_path(c, s, "attributes");
    if (!sg_cfg_require(c, s->map, s->mark, s->path, "attributes", "write attributes: {name: {values: [...]}}") ||
        !map)
        return;
    if (map->n == 0) sg_error_at(c->d, map->mark, path, NULL, "the sampler has no attributes");
    out->attributes = SG_NEW_N(c->a, struct sg_attribute_spec, map->n);
    out->n_attributes = map->n;
    for (size_t i = 0; i < map->n && !sg_cfg_enough(c); i++)
        read_attribute(c, &map->pairs[i], sg_cfg_key(c, path, map->pairs[i].key), &out->attributes[i]);
}

/* --- lambda ----------------------------------------------------------------------------------------------------- */

void sg_cfg_node_lambda(struct sg_cfg *c, const struct sg_node_source *s, struct sg_node_spec *out) {
    out->config = sg_yaml_to_json(c->a, s->map);
    if (sg_cfg_require(c, s->map, s->mark, s->path, "lambda", "write lambda: module.name, or lambda: {jq: \"...\"}"))
        out->lambda = sg_cfg_hook_at(c, s->map, "lambda", s->path);
    out->once = is_true(s->map, "once");
}
