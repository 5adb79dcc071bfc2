/* SPDX-License-Identifier: Apache-2.0 */
/* A graph is read level by level. Overrides of inner nodes come from every enclosing level: `layers` holds their
 * node_config_maps from the inside out. A node is its own map with the layers' keys laid over it in that order; the
 * placeholder maps of the same layers are applied to its prompt afterwards, in the same order (design section 7).
 * An inner subgraph node adds its own node_config_map as the innermost layer of its level.
 *
 * A task folder may hold itself by mistake, and twenty small files can stand for a million nodes: depth and number of
 * subgraphs are limited. */
#include "config/graph.h"

#include "config/hook.h"
#include "config/recipe.h"
#include "config/tree.h"

#include <strings.h>

#define MAX_LEVELS 32
#define MAX_SUBGRAPHS 1000

struct level {
    struct sg_cfg *c;
    const struct level *outer;
    const struct sg_task_file *task;
    struct sg_overrides layers;
    size_t depth;
};

static void read_graph(const struct level *l, struct sg_graph_spec *out);

/* --- overrides -------------------------------------------------------------------------------------------------- */

static void add_override(struct sg_cfg *c, struct sg_overrides *o, const struct sg_yaml *map) {
    if (!map || map->kind != SG_YAML_MAP) return;
    const struct sg_yaml **maps = SG_NEW_N(c->a, const struct sg_yaml *, o->n + 1);
    if (o->n) memcpy(maps, o->maps, o->n * sizeof *maps);
    maps[o->n++] = map;
    o->maps = maps;
}

/* The key of each layer's map for the node `name`. */
static struct sg_overrides layers_of(const struct level *l, struct sg_str name) {
    struct sg_overrides out = {0};
    for (size_t i = 0; i < l->layers.n; i++) {
        const struct sg_yaml_pair *p = sg_yaml_find(l->layers.maps[i], name);
        add_override(l->c, &out, p ? p->value : NULL);
    }
    return out;
}

static struct sg_node_source source_of(const struct level *l, const struct sg_yaml_pair *pair, struct sg_str path) {
    struct sg_node_source s = {.map = pair->value, .mark = pair->key_node->mark, .path = path};
    struct sg_overrides over = layers_of(l, pair->key);
    for (size_t i = 0; i < over.n; i++) {
        const struct sg_yaml *keys = sg_tree_without(l->c->a, over.maps[i], "prompt_placeholder_map");
        s.map = sg_tree_merge(l->c->a, s.map, keys, SG_TREE_ALL_LEVELS);
        add_override(l->c, &s.placeholders, sg_yaml_get(over.maps[i], "prompt_placeholder_map"));
    }
    return s;
}

static struct sg_str *key_names(struct sg_cfg *c, const struct sg_yaml *map) {
    struct sg_str *names = SG_NEW_N(c->a, struct sg_str, map->n);
    for (size_t i = 0; i < map->n; i++) names[i] = map->pairs[i].key;
    return names;
}

static void check_placeholders(struct sg_cfg *c, const struct sg_yaml *map, struct sg_str path) {
    const struct sg_key_row *row = sg_key_find(SG_SECTION_OVERRIDE, SG_STR("prompt_placeholder_map"));
    if (!map || map->kind == SG_YAML_NULL) return;
    if (map->kind != SG_YAML_MAP) {
        sg_error_at(c->d, map->mark, path, "write old: new", "`%s` must be a map, not %s", row->key,
                    sg_cfg_show(c, map));
        return;
    }
    for (size_t i = 0; i < map->n; i++)
        if (map->pairs[i].value->kind != SG_YAML_TEXT)
            sg_error_at(c->d, map->pairs[i].value->mark, path, "write old: new",
                        "a placeholder's new name must be text, not %s", sg_cfg_show(c, map->pairs[i].value));
}

/* The overrides that stand in one node's node_config_map, against the nodes that are there. */
static void check_layer(const struct level *l, const struct sg_yaml *layer, const struct sg_yaml *nodes) {
    struct sg_cfg *c = l->c;
    for (size_t i = 0; i < layer->n && !sg_cfg_enough(c); i++) {
        const struct sg_yaml_pair *p = &layer->pairs[i];
        struct sg_str path = sg_cfg_key(c, SG_STR("node_config_map"), p->key);
        if (!sg_yaml_find(nodes, p->key)) {
            struct sg_str all = sg_str_printf(c->a, "it overrides nodes of %.*s", SG_ARG(l->task->path));
            sg_error_at(c->d, p->key_node->mark, path,
                        sg_cfg_nearest(c, p->key, key_names(c, nodes), nodes->n, all.p),
                        "the subgraph has no node `%.*s`", SG_ARG(p->key));
        } else if (p->value->kind != SG_YAML_MAP && p->value->kind != SG_YAML_NULL) {
            sg_error_at(c->d, p->value->mark, path, NULL, "an override must be a map of the node's keys, not %s",
                        sg_cfg_show(c, p->value));
        } else {
            check_placeholders(c, sg_yaml_get(p->value, "prompt_placeholder_map"), path);
        }
    }
}

/* --- subgraph nodes --------------------------------------------------------------------------------------------- */

static bool contains_itself(const struct level *l, const struct sg_task_file *task) {
    for (; l; l = l->outer)
        if (l->task->device == task->device && l->task->inode == task->inode) return true;
    return false;
}

static bool may_descend(const struct level *l, const struct sg_task_file *task, struct sg_mark mark,
                        struct sg_str path) {
    struct sg_cfg *c = l->c;
    if (contains_itself(l, task))
        sg_error_at(c->d, mark, path, NULL, "%.*s contains itself as a subgraph", SG_ARG(task->path));
    else if (l->depth + 1 >= MAX_LEVELS)
        sg_error_at(c->d, mark, path, NULL, "subgraphs are nested deeper than %d levels", MAX_LEVELS);
    else if (++c->n_subgraphs <= MAX_SUBGRAPHS) return true;
    else if (c->n_subgraphs == MAX_SUBGRAPHS + 1) /* said once */
        sg_error_at(c->d, mark, path, NULL, "the graph is made of more than %d subgraphs", MAX_SUBGRAPHS);
    return false;
}

static const struct sg_task_file *inner_task(const struct level *l, const struct sg_node_source *s,
                                             struct sg_mark *mark, struct sg_str *path) {
    struct sg_cfg *c = l->c;
    const struct sg_yaml *name = sg_cfg_get(s->map, "subgraph", SG_YAML_TEXT),
                         *uses = sg_cfg_get(s->map, "uses", SG_YAML_TEXT);
    if (!uses &&
        !sg_cfg_require(c, s->map, s->mark, s->path, "subgraph", "name a task folder, or a recipe: uses: name@1"))
        return NULL;
    if (uses && name)
        sg_error_at(c->d, name->mark, sg_cfg_key(c, s->path, SG_STR("subgraph")), "keep one of them",
                    "`uses` and `subgraph` both say what the node is");
    *path = sg_cfg_key(c, s->path, uses ? SG_STR("uses") : SG_STR("subgraph"));
    if (uses || name) *mark = uses ? uses->mark : name->mark;
    if (uses) return sg_cfg_recipe(c, uses, *path);
    return name ? sg_cfg_task(c, name->text, l->task->folder, name->mark, *path) : NULL;
}

static void tell_origin(struct sg_cfg *c, struct sg_str path, const struct sg_task_file *task,
                        const struct sg_recipe_spec *recipe) {
    if (recipe->name.n)
        sg_cfg_origin(c, "%.*s: %.*s (recipe %.*s@%u)", SG_ARG(path), SG_ARG(task->path), SG_ARG(recipe->name),
                      recipe->version);
    else sg_cfg_origin(c, "%.*s: %.*s", SG_ARG(path), SG_ARG(task->path));
}

static void read_subgraph(const struct level *l, const struct sg_yaml_pair *pair, const struct sg_node_source *s,
                          struct sg_node_spec *out) {
    struct sg_cfg *c = l->c;
    struct sg_mark mark;
    struct sg_str path;
    out->kind = SG_NODE_LAMBDA; /* until it is there: the plan looks at what else is wrong with the graph */
    const struct sg_task_file *task = inner_task(l, s, &mark, &path);
    if (!task || !task->root || !may_descend(l, task, mark, path)) return;
    out->recipe = sg_cfg_recipe_of(c, task);
    tell_origin(c, path, task, &out->recipe);
    struct level inner = {.c = c, .outer = l, .task = task, .depth = l->depth + 1};
    add_override(c, &inner.layers, sg_yaml_get(pair->value, "node_config_map"));
    struct sg_overrides over = layers_of(l, pair->key);
    for (size_t i = 0; i < over.n; i++) add_override(c, &inner.layers, sg_yaml_get(over.maps[i], "node_config_map"));
    out->kind = SG_NODE_SUBGRAPH;
    out->subgraph = SG_NEW(c->a, struct sg_graph_spec);
    read_graph(&inner, out->subgraph);
}

/* --- nodes ------------------------------------------------------------------------------------------------------ */

static const struct {
    const char *name, *section;
    enum sg_node_kind kind;
    int issue; /* not built yet */
} node_types[] = {
    {"llm", SG_SECTION_LLM, SG_NODE_LLM, 0},
    {"multi_llm", SG_SECTION_MULTI_LLM, SG_NODE_MULTI_LLM, 0},
    {"weighted_sampler", SG_SECTION_SAMPLER, SG_NODE_SAMPLER, 0},
    {"lambda", SG_SECTION_LAMBDA, SG_NODE_LAMBDA, 0},
    {"subgraph", SG_SECTION_SUBGRAPH, SG_NODE_SUBGRAPH, 0},
    {"agent", SG_SECTION_LAMBDA, SG_NODE_LAMBDA, SG_KEY_LATER},
};
#define N_TYPES (sizeof node_types / sizeof *node_types)

/* Without its type a node's keys are not judged: a slip in this one key would not be told. */
static const char *type_help(const struct level *l, const struct sg_yaml *map) {
    struct sg_str key = SG_STR("node_type");
    for (size_t i = 0; i < map->n; i++) {
        struct sg_str is = map->pairs[i].key;
        if (sg_nearest(is, &key, 1).n) return sg_str_printf(l->c->a, "did you mean `node_type` by `%.*s`?", SG_ARG(is)).p;
    }
    return "it can be llm, multi_llm, weighted_sampler, lambda or subgraph";
}

static bool node_type(const struct level *l, const struct sg_node_source *s, size_t *type) {
    const char *words[N_TYPES];
    for (size_t i = 0; i < N_TYPES; i++) words[i] = node_types[i].name;
    *type = N_TYPES;
    return sg_cfg_require(l->c, s->map, s->mark, s->path, "node_type", type_help(l, s->map)) &&
           sg_cfg_word(l->c, s->map, s->path, "node_type", words, N_TYPES, type) && *type < N_TYPES;
}

static bool is_idle(const struct level *l, const struct sg_node_source *s) {
    static const char *const words[] = {"active", "idle"};
    size_t state = 0;
    sg_cfg_word(l->c, s->map, s->path, "node_state", words, 2, &state);
    return state == 1;
}

static void check_name(struct sg_cfg *c, const struct sg_yaml_pair *pair, struct sg_str path) {
    static const char *const reserved[] = {"START", "END", "__start__", "__end__"};
    struct sg_mark mark = pair->key_node->mark;
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (sg_str_eq(pair->key, sg_str(reserved[i])))
            sg_error_at(c->d, mark, path, "give the node another name",
                        "a node cannot be called %s: edges use that name", reserved[i]);
    bool control = pair->key.n == 0;
    for (size_t i = 0; i < pair->key.n; i++) {
        unsigned char ch = (unsigned char)pair->key.p[i];
        control |= ch < 0x20 || ch == 0x7F;
        if (ch == ':' || ch == '|') {
            sg_error_at(c->d, mark, path, "use letters, digits, - and _",
                        "a node's name cannot hold `%c`: the reference refuses it, and keys of calls and logs are "
                        "built with it",
                        ch);
            return;
        }
    }
    if (control)
        sg_error_at(c->d, mark, path, "use letters, digits, - and _",
                    "a node's name is empty or holds control characters");
}

static void read_kind(const struct level *l, const struct sg_yaml_pair *pair, const struct sg_node_source *s,
                      size_t type, struct sg_node_spec *out) {
    struct sg_cfg *c = l->c;
    sg_cfg_keys(c, s->map, s->path, SG_SECTION_NODE, node_types[type].section, out->kind == SG_NODE_LAMBDA);
    sg_cfg_node_common(c, s, out);
    if (node_types[type].issue) {
        struct sg_str what = sg_str_printf(c->a, "node type %s", node_types[type].name);
        sg_cfg_not_yet(c, sg_yaml_get(s->map, "node_type")->mark, s->path, node_types[type].issue, what.p);
    } else if (out->kind == SG_NODE_LLM) {
        sg_cfg_node_llm(c, s, out);
    } else if (out->kind == SG_NODE_MULTI_LLM) {
        sg_cfg_node_multi_llm(c, s, out);
    } else if (out->kind == SG_NODE_SAMPLER) {
        sg_cfg_node_sampler(c, s, out);
    } else if (out->kind == SG_NODE_LAMBDA) {
        sg_cfg_node_lambda(c, s, out);
    } else {
        read_subgraph(l, pair, s, out);
    }
}

static void read_node(const struct level *l, const struct sg_yaml_pair *pair, struct sg_str path,
                      struct sg_node_spec *out) {
    struct sg_cfg *c = l->c;
    size_t type;
    struct sg_node_source s = source_of(l, pair, path);
    bool outer_idle = c->idle;
    out->name = (struct sg_name){pair->key, pair->key_node->mark};
    out->kind = SG_NODE_LAMBDA;
    check_name(c, pair, path);
    if (s.map->kind != SG_YAML_MAP) {
        sg_error_at(c->d, s.map->mark.line ? s.map->mark : s.mark, path,
                    "write node_type: and the node's other keys below its name", "a node must be a map, not %s",
                    sg_cfg_show(c, s.map));
        return;
    }
    out->idle = is_idle(l, &s);
    c->idle |= out->idle;
    if (node_type(l, &s, &type)) {
        out->kind = node_types[type].kind;
        read_kind(l, pair, &s, type, out);
    } else {
        sg_cfg_keys(c, s.map, path, SG_SECTION_NODE, NULL, true);
    }
    c->idle = outer_idle;
}

static void read_nodes(const struct level *l, const struct sg_yaml *nodes, struct sg_graph_spec *out) {
    struct sg_cfg *c = l->c;
    struct sg_str path = SG_STR("graph_config.nodes");
    for (size_t i = 0; i < l->layers.n; i++) check_layer(l, l->layers.maps[i], nodes);
    out->nodes = SG_NEW_N(c->a, struct sg_node_spec, nodes->n);
    for (size_t i = 0; i < nodes->n && !sg_cfg_enough(c); i++) {
        read_node(l, &nodes->pairs[i], sg_cfg_key(c, path, nodes->pairs[i].key), &out->nodes[i]);
        out->n_nodes++;
    }
    if (nodes->n == 0) sg_error_at(c->d, nodes->mark, path, NULL, "the graph has no nodes");
}

/* --- edges ------------------------------------------------------------------------------------------------------ */

/* START and END in all spellings that tasks use. */
static struct sg_str plain_name(struct sg_str name) {
    static const char *const starts[] = {"__start__", "SYGRA_START"}, *const ends[] = {"__end__", "SYGRA_END"};
    for (size_t i = 0; i < 2; i++) {
        if (sg_str_eq(name, sg_str(starts[i]))) return SG_STR("START");
        if (sg_str_eq(name, sg_str(ends[i]))) return SG_STR("END");
    }
    return name;
}

static struct sg_name *edge_names(const struct level *l, const struct sg_yaml *edge, const char *key,
                                  struct sg_str path, size_t *n) {
    const struct sg_yaml *value = sg_yaml_get(edge, key);
    struct sg_name *names = sg_cfg_names(l->c, value, n);
    for (size_t i = 0; i < *n; i++) names[i].text = plain_name(names[i].text);
    if (value && value->kind == SG_YAML_LIST && value->n == 0)
        sg_error_at(l->c->d, value->mark, sg_cfg_key(l->c, path, sg_str(key)), NULL, "`%s` is an empty list", key);
    return names;
}

/* YAML reads `yes:` as a boolean; a condition that answers "yes" would look for it in vain. */
static void warn_boolean(const struct level *l, const struct sg_yaml_pair *p, struct sg_str path) {
    const struct sg_yaml *key = p->key_node;
    if (key->kind != SG_YAML_BOOL || strncasecmp(key->source.p, key->text.p, key->text.n) == 0) return;
    sg_warning_at(l->c->d, key->mark, path,
                  sg_str_printf(l->c->a, "put it in quotes if the condition gives \"%.*s\"", SG_ARG(key->source)).p,
                  "YAML reads the key `%.*s` as the boolean %.*s", SG_ARG(key->source), SG_ARG(key->text));
}

static void read_paths(const struct level *l, const struct sg_yaml *map, struct sg_str path,
                       struct sg_edge_spec *out) {
    struct sg_cfg *c = l->c;
    out->paths = SG_NEW_N(c->a, struct sg_path_spec, map->n);
    for (size_t i = 0; i < map->n && !sg_cfg_enough(c); i++) {
        const struct sg_yaml_pair *p = &map->pairs[i];
        struct sg_str key_path = sg_cfg_key(c, path, p->key);
        warn_boolean(l, p, key_path);
        if (p->value->kind != SG_YAML_TEXT) {
            sg_error_at(c->d, p->value->kind == SG_YAML_NULL ? p->key_node->mark : p->value->mark, key_path, NULL,
                        "`path_map` leads from a result to the name of a node or END, not to %s",
                        sg_cfg_show(c, p->value));
            continue;
        }
        out->paths[out->n_paths++] =
            (struct sg_path_spec){plain_name(p->key), {plain_name(p->value->text), p->value->mark}};
    }
    if (map->n == 0) sg_error_at(c->d, map->mark, path, "write result: node", "`path_map` is empty");
}

static bool given(const struct sg_yaml *map, const char *key) {
    const struct sg_yaml *value = sg_yaml_get(map, key);
    return value && value->kind != SG_YAML_NULL;
}

/* With both condition and path_map the edge is conditional, else `to` is needed (spec-core 5.1). */
static void read_edge(const struct level *l, const struct sg_yaml *edge, struct sg_str path,
                      struct sg_edge_spec *out) {
    struct sg_cfg *c = l->c;
    out->mark = edge->mark;
    if (!sg_cfg_keys(c, edge, path, SG_SECTION_EDGE, NULL, false)) return;
    bool condition = given(edge, "condition"), map = given(edge, "path_map"), to = given(edge, "to");
    sg_cfg_require(c, edge, edge->mark, path, "from", "name a node or START");
    out->from = edge_names(l, edge, "from", path, &out->n_from);
    if (condition && map) {
        const struct sg_yaml *paths = sg_cfg_get(edge, "path_map", SG_YAML_MAP);
        out->condition = sg_cfg_hook_at(c, edge, "condition", path);
        if (paths) read_paths(l, paths, sg_cfg_key(c, path, SG_STR("path_map")), out);
        if (to)
            sg_warning_at(c->d, sg_yaml_get(edge, "to")->mark, path, NULL,
                          "`to` has no effect beside `condition` and `path_map`");
        return;
    }
    out->to = edge_names(l, edge, "to", path, &out->n_to);
    const char *half = condition ? "condition"
                       : map     ? "path_map"
                                 : NULL,
               *other = condition ? "path_map" : "condition";
    if (!to)
        sg_error_at(c->d, edge->mark, path, "give it `to`, or `condition` and `path_map`", "%s",
                    half ? sg_str_printf(c->a, "the edge has `%s` without `%s`", half, other).p
                         : "the edge leads nowhere");
    else if (half)
        sg_warning_at(c->d, sg_yaml_get(edge, half)->mark, path, NULL, "`%s` has no effect without `%s`", half,
                      other);
}

static void read_edges(const struct level *l, const struct sg_yaml *edges, struct sg_graph_spec *out) {
    struct sg_cfg *c = l->c;
    out->edges = SG_NEW_N(c->a, struct sg_edge_spec, edges->n);
    for (size_t i = 0; i < edges->n && !sg_cfg_enough(c); i++) {
        struct sg_edge_spec edge = {0};
        read_edge(l, edges->items[i], sg_cfg_item(c, SG_STR("graph_config.edges"), i), &edge);
        if (edge.n_from && (edge.n_to || edge.n_paths)) out->edges[out->n_edges++] = edge;
    }
}

/* ---------------------------------------------------------------------------------------------------------------- */

static void read_window(struct sg_cfg *c, const struct sg_yaml *map, struct sg_str path, struct sg_graph_spec *out) {
    const struct sg_yaml *size = sg_cfg_get(map, "chat_history_window_size", SG_YAML_INT);
    if (!size) return;
    struct sg_json number = sg_yaml_to_json(c->a, size);
    int64_t n = -1;
    if (!sg_json_to_i64(&number, &n) || n < 0 || n > UINT32_MAX)
        sg_error_at(c->d, size->mark, sg_cfg_key(c, path, SG_STR("chat_history_window_size")), NULL,
                    "a window is a number of entries, 0 for all, not %s", sg_cfg_show(c, size));
    else out->history_window = (uint32_t)n;
}

static void read_properties(struct sg_cfg *c, const struct sg_yaml *map, struct sg_graph_spec *out) {
    static const char *const words[] = {"singleturn", "multiturn"};
    struct sg_str path = SG_STR("graph_config.graph_properties");
    size_t word = 2;
    out->history_window = 5;
    if (!map || map->kind != SG_YAML_MAP || !sg_cfg_keys(c, map, path, SG_SECTION_PROPERTIES, NULL, false)) return;
    sg_cfg_word(c, map, path, "chat_conversation", words, 2, &word);
    out->conversation = word == 0 ? SG_CHAT_SINGLE : word == 1 ? SG_CHAT_MULTI : SG_CHAT_NONE;
    read_window(c, map, path, out);
}

static void read_graph(const struct level *l, struct sg_graph_spec *out) {
    struct sg_cfg *c = l->c;
    struct sg_str path = SG_STR("graph_config");
    const struct sg_yaml *root = l->task->root, *map = sg_yaml_get(root, "graph_config");
    struct sg_mark top = {root->mark.file, 1, 1, 1};
    if (!sg_cfg_require(c, root, top, SG_STR_NONE, "graph_config", "it holds the graph's nodes and edges")) return;
    out->mark = sg_yaml_find(root, path)->key_node->mark;
    if (map->kind != SG_YAML_MAP || !sg_cfg_keys(c, map, path, SG_SECTION_GRAPH, NULL, false)) return;
    read_properties(c, sg_yaml_get(map, "graph_properties"), out);
    if (sg_cfg_require(c, map, out->mark, path, "nodes", NULL) && sg_cfg_get(map, "nodes", SG_YAML_MAP))
        read_nodes(l, sg_yaml_get(map, "nodes"), out);
    if (sg_cfg_require(c, map, out->mark, path, "edges", "write at least - {from: START, to: node}") &&
        sg_cfg_get(map, "edges", SG_YAML_LIST))
        read_edges(l, sg_yaml_get(map, "edges"), out);
}

void sg_cfg_graph(struct sg_cfg *c, const struct sg_task_file *task, struct sg_graph_spec *out) {
    struct level top = {.c = c, .task = task};
    read_graph(&top, out);
}
