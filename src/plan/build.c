/* SPDX-License-Identifier: Apache-2.0 */
/* Building a plan: flatten (inline.c), sort the nodes by name, collect the state keys, compile templates, number hooks and
 * models, check that the graph can start and can end, hash every node. */
#include "plan/inline.h"
#include "plan/plan.h"
#include "plan/schema.h"

#include <stdlib.h>

#define STEP_LIMIT 100

struct build {
    struct sg_arena *a;
    struct sg_diags *d;
    struct sg_flat flat;
    int *rank; /* number while flattening -> number by name */
    struct sg_plan *plan;
    struct sg_plan_key *keys;
    size_t n_keys, cap_keys;
    struct sg_plan_hook *hooks;
    size_t n_hooks, cap_hooks;
    const struct sg_model_spec **models;
    size_t n_models, cap_models;
    struct sg_plan_column *columns;
    size_t n_columns, cap_columns;
};

/* --- keys ------------------------------------------------------------------------------------------------------------- */

static int key_number(struct build *b, struct sg_str name) {
    for (size_t i = 0; i < b->n_keys; i++)
        if (sg_str_eq(b->keys[i].name, name)) return (int)i;
    *SG_PUSH(b->a, b->keys, b->n_keys, b->cap_keys) = (struct sg_plan_key){.name = name};
    return (int)b->n_keys - 1;
}

static void add_fixed_keys(struct build *b) {
    SG_ASSERT(key_number(b, SG_STR("messages")) == SG_KEY_MESSAGES);
    SG_ASSERT(key_number(b, SG_STR("__chat_history__")) == SG_KEY_CHAT_HISTORY);
    b->keys[SG_KEY_MESSAGES].append = b->keys[SG_KEY_CHAT_HISTORY].append = true;
}

/* A key that a node declares. */
static int declared_key(struct build *b, const struct sg_name *name) {
    if (sg_str_eq(name->text, SG_STR("__chat_history__")))
        sg_error_at(b->d, name->mark, SG_STR_NONE, "choose another name",
                    "`__chat_history__` is written by the engine only");
    return key_number(b, name->text);
}

/* --- hooks and models ---------------------------------------------------------------------------------------------------- */

static bool same_config(const struct sg_json *a, const struct sg_json *b) {
    return a == b || (a && b && sg_json_equal(a, b));
}

/* `node`: whose hook it is, NULL: of none. */
static int hook_number(struct build *b, const struct sg_hook_spec *h, enum sg_hook_role role,
                       const struct sg_plan_node *node, const struct sg_json *config) {
    if (h->kind == SG_HOOK_NONE) return SG_NONE;
    for (size_t i = 0; i < b->n_hooks; i++) {
        const struct sg_plan_hook *o = &b->hooks[i];
        bool same = o->role == role && o->spec->kind == h->kind && sg_str_eq(o->spec->text, h->text);
        if (same && same_config(o->config, config)) return (int)i;
    }
    *SG_PUSH(b->a, b->hooks, b->n_hooks, b->cap_hooks) =
        (struct sg_plan_hook){.spec = h, .role = role, .node = node ? node->name : SG_STR_NONE, .config = config};
    return (int)b->n_hooks - 1;
}

static int model_number(struct build *b, const struct sg_model_spec *m) {
    if (!m) return SG_NONE; /* reported by config */
    for (size_t i = 0; i < b->n_models; i++)
        if (b->models[i] == m) return (int)i;
    *SG_PUSH(b->a, b->models, b->n_models, b->cap_models) = m;
    return (int)b->n_models - 1;
}

/* --- templates ------------------------------------------------------------------------------------------------------------ */

/* Marks count code points in one line; a template's error may be lines below its start, then the start is what we name. */
static struct sg_mark mark_at(struct sg_mark start, struct sg_str text, size_t at) {
    if (start.line == 0 || memchr(text.p, '\n', text.n)) return start;
    struct sg_str before = {text.p, at < text.n ? at : text.n};
    start.column += (uint32_t)sg_utf8_length(before);
    start.length = 1;
    return start;
}

static struct sg_template *compile(struct build *b, const struct sg_name *text) {
    struct sg_template *t = NULL;
    struct sg_err err = {0};
    size_t at = 0;
    if (sg_template_compile(b->a, text->text, &t, &at, &err) != 0) {
        sg_error_at(b->d, mark_at(text->mark, text->text, at), SG_STR_NONE, NULL, "template: %s", err.text);
        return NULL;
    }
    for (size_t i = 0; i < t->n; i++) {
        struct sg_placeholder *p = &t->placeholders[i];
        p->slot = key_number(b, p->key);
        if (p->slot == SG_KEY_MESSAGES || p->slot == SG_KEY_CHAT_HISTORY)
            sg_error_at(b->d, mark_at(text->mark, text->text, p->offset), SG_STR_NONE,
                        "messages follow the prompt by themselves; `input_key` says which",
                        "`{%.*s}` cannot stand in a prompt", SG_ARG(p->key));
    }
    return t;
}

static void build_prompt(struct build *b, struct sg_plan_node *n, const struct sg_node_spec *s) {
    struct sg_plan_message *messages = SG_NEW_N(b->a, struct sg_plan_message, s->n_prompt);
    for (size_t i = 0; i < s->n_prompt; i++) {
        const struct sg_prompt_message *from = &s->prompt[i];
        messages[i] = (struct sg_plan_message){
            .role = from->role, .is_list = from->is_list, .tool_call_id = from->tool_call_id};
        if (sg_str_eq(from->role, SG_STR("tool"))) {
            messages[i].tool_text = from->n_parts ? from->parts[0].text.text : SG_STR("");
            continue;
        }
        struct sg_template **parts = SG_NEW_N(b->a, struct sg_template *, from->n_parts);
        for (size_t k = 0; k < from->n_parts; k++) parts[k] = compile(b, &from->parts[k].text);
        messages[i].parts = parts;
        messages[i].n_parts = from->n_parts;
    }
    n->messages = messages;
    n->n_messages = s->n_prompt;
}

/* --- node kinds -------------------------------------------------------------------------------------------------------------- */

struct sg_str sg_plan_wire_name(struct sg_arena *a, struct sg_str name) {
    size_t n = name.n < 64 ? name.n : 64;
    char *p = sg_alloc(a, n + 1);
    for (size_t i = 0; i < n; i++) {
        char c = name.p[i];
        bool fine =
            (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
        p[i] = fine ? c : '_';
    }
    p[n] = 0;
    return (struct sg_str){p, n};
}

static void build_llm(struct build *b, struct sg_plan_node *n, const struct sg_node_spec *s) {
    build_prompt(b, n, s);
    n->model = model_number(b, s->model);
    n->input_key = s->input_key.text.n ? key_number(b, s->input_key.text) : SG_KEY_MESSAGES;
    n->output_key = s->n_output_keys ? key_number(b, s->output_keys[0].text) : SG_KEY_MESSAGES;
    n->pre_hook = hook_number(b, &s->pre_process, SG_ROLE_PRE, n, NULL);
    n->post_hook = hook_number(b, &s->post_process, SG_ROLE_POST, n, NULL);
    int *tools = SG_NEW_N(b->a, int, s->n_tools);
    for (size_t i = 0; i < s->n_tools; i++) tools[i] = hook_number(b, &s->tools[i].hook, SG_ROLE_TOOLS, n, NULL);
    n->tool_hooks = tools;
}

static void build_multi_llm(struct build *b, struct sg_plan_node *n, const struct sg_node_spec *s) {
    struct sg_plan_child *children = SG_NEW_N(b->a, struct sg_plan_child, s->n_children);
    build_llm(b, n, s);
    for (size_t i = 0; i < s->n_children; i++)
        children[i] = (struct sg_plan_child){s->children[i].label.text, model_number(b, s->children[i].model)};
    n->children = children;
    n->n_children = s->n_children;
    n->combine_hook = hook_number(b, &s->combine, SG_ROLE_COMBINE, n, NULL);
}

/* The same files, read in the same way. */
static bool same_source(const struct sg_source_spec *a, const struct sg_source_spec *b) {
    if (a->n_files != b->n_files) return false;
    for (size_t i = 0; i < a->n_files; i++)
        if (!sg_str_eq(a->files[i].path, b->files[i].path)) return false;
    return true;
}

static int column_number(struct build *b, const struct sg_source_spec *source, struct sg_str name) {
    for (size_t i = 0; i < b->n_columns; i++)
        if (sg_str_eq(b->columns[i].name, name) && same_source(b->columns[i].source, source)) return (int)i;
    *SG_PUSH(b->a, b->columns, b->n_columns, b->cap_columns) = (struct sg_plan_column){source, name};
    return (int)b->n_columns - 1;
}

static void build_columns(struct build *b, const struct sg_attribute_spec *from, struct sg_plan_attribute *out) {
    int *columns = SG_NEW_N(b->a, int, from->n_columns);
    for (size_t i = 0; from->source && i < from->n_columns; i++)
        columns[i] = column_number(b, from->source, from->columns[i].text);
    out->columns = columns;
    out->n_columns = from->source ? from->n_columns : 0; /* without a source: reported by config */
    out->at_random = from->at_random;
}

static void build_sampler(struct build *b, struct sg_plan_node *n, const struct sg_node_spec *s) {
    struct sg_plan_attribute *out = SG_NEW_N(b->a, struct sg_plan_attribute, s->n_attributes);
    for (size_t i = 0; i < s->n_attributes; i++) {
        const struct sg_attribute_spec *at = &s->attributes[i];
        double *sums = SG_NEW_N(b->a, double, at->n_values), sum = 0;
        for (size_t k = 0; k < at->n_values; k++) sums[k] = sum += at->weights[k];
        out[i] = (struct sg_plan_attribute){
            .key = declared_key(b, &at->name), .values = at->values, .cumulative = sums, .n_values = at->n_values};
        build_columns(b, at, &out[i]);
    }
    n->attributes = out;
    n->n_attributes = s->n_attributes;
}

static void declare_outputs(struct build *b, const struct sg_node_spec *s) {
    for (size_t i = 0; i < s->n_output_keys; i++) declared_key(b, &s->output_keys[i]);
}

static void build_node(struct build *b, struct sg_plan_node *n, const struct sg_flat_node *from) {
    const struct sg_node_spec *s = from->spec;
    *n = (struct sg_plan_node){.name = from->name,
                               .kind = s ? s->kind : SG_NODE_CONNECTOR,
                               .spec = s,
                               .name_hash = sg_hash64(from->name, 0),
                               .model = SG_NONE,
                               .input_key = SG_NONE,
                               .output_key = SG_NONE,
                               .pre_hook = SG_NONE,
                               .post_hook = SG_NONE,
                               .combine_hook = SG_NONE,
                               .lambda_hook = SG_NONE};
    if (!s) return;
    declare_outputs(b, s);
    if (s->kind == SG_NODE_LLM) build_llm(b, n, s);
    if (s->kind == SG_NODE_MULTI_LLM) build_multi_llm(b, n, s);
    if (s->kind == SG_NODE_SAMPLER) build_sampler(b, n, s);
    if (s->kind == SG_NODE_LAMBDA) n->lambda_hook = hook_number(b, &s->lambda, SG_ROLE_LAMBDA, n, &s->config);
}

/* Idle nodes are not in the graph, but the keys they name belong to the state (spec-core 4.1). */
static void keys_of_idle(struct build *b, const struct sg_node_spec *s) {
    declare_outputs(b, s);
    for (size_t i = 0; i < s->n_attributes; i++) declared_key(b, &s->attributes[i].name);
    for (size_t i = 0; i < s->n_prompt; i++) {
        bool plain = sg_str_eq(s->prompt[i].role, SG_STR("tool"));
        for (size_t k = 0; !plain && k < s->prompt[i].n_parts; k++) compile(b, &s->prompt[i].parts[k].text);
    }
}

/* --- edges --------------------------------------------------------------------------------------------------------------------- */

static int compare_ints(const void *a, const void *b) {
    return *(const int *)a - *(const int *)b;
}

static const int *ranked(struct build *b, const struct sg_ints *v) {
    int *out = SG_NEW_N(b->a, int, v->n);
    for (size_t i = 0; i < v->n; i++) out[i] = b->rank[v->at[i]];
    qsort(out, v->n, sizeof *out, compare_ints);
    return out;
}

static struct sg_plan_branch build_branch(struct build *b, const struct sg_plan_node *node,
                                          const struct sg_flat_branch *from) {
    struct sg_plan_path *paths = SG_NEW_N(b->a, struct sg_plan_path, from->n_paths);
    for (size_t i = 0; i < from->n_paths; i++)
        paths[i] = (struct sg_plan_path){.key = from->paths[i].key,
                                         .targets = ranked(b, &from->paths[i].targets),
                                         .n_targets = from->paths[i].targets.n};
    return (struct sg_plan_branch){.hook = hook_number(b, from->hook, SG_ROLE_CONDITION, node, NULL),
                                   .paths = paths,
                                   .n_paths = from->n_paths,
                                   .mark = from->mark};
}

static struct sg_plan_out build_out(struct build *b, const struct sg_plan_node *node,
                                    const struct sg_flat_out *from) {
    struct sg_plan_branch *branches = SG_NEW_N(b->a, struct sg_plan_branch, from->n_branches);
    for (size_t i = 0; i < from->n_branches; i++) branches[i] = build_branch(b, node, &from->branches[i]);
    return (struct sg_plan_out){.targets = ranked(b, &from->targets),
                                .n_targets = from->targets.n,
                                .branches = branches,
                                .n_branches = from->n_branches,
                                .joins = from->joins.at,
                                .n_joins = from->joins.n};
}

static void build_joins(struct build *b) {
    struct sg_plan_join *joins = SG_NEW_N(b->a, struct sg_plan_join, b->flat.n_joins);
    for (size_t i = 0; i < b->flat.n_joins; i++) {
        const struct sg_flat_join *j = &b->flat.joins[i];
        joins[i] = (struct sg_plan_join){.sources = ranked(b, &j->sources),
                                         .n_sources = j->sources.n,
                                         .targets = ranked(b, &j->targets),
                                         .n_targets = j->targets.n};
    }
    b->plan->joins = joins;
    b->plan->n_joins = b->flat.n_joins;
}

static const struct sg_flat *sorting; /* qsort has no context; building is single-threaded per process */

static int by_name(const void *a, const void *b) {
    return sg_str_cmp(sorting->nodes[*(const int *)a].name, sorting->nodes[*(const int *)b].name);
}

static void build_nodes(struct build *b) {
    size_t n = b->flat.n_nodes;
    int *order = SG_NEW_N(b->a, int, n);
    struct sg_plan_node *nodes = SG_NEW_N(b->a, struct sg_plan_node, n);
    for (size_t i = 0; i < n; i++) order[i] = (int)i;
    sorting = &b->flat;
    if (n) qsort(order, n, sizeof *order, by_name);
    b->rank = SG_NEW_N(b->a, int, n);
    for (size_t i = 0; i < n; i++) b->rank[order[i]] = (int)i;
    /* Keys are numbered in the order the user wrote the nodes, which raw outputs show. */
    for (size_t i = 0; i < n; i++) build_node(b, &nodes[b->rank[i]], &b->flat.nodes[i]);
    for (size_t i = 0; i < n; i++) nodes[b->rank[i]].out = build_out(b, &nodes[b->rank[i]], &b->flat.nodes[i].out);
    b->plan->nodes = nodes;
    b->plan->n_nodes = n;
}

/* --- can it start, can it end ----------------------------------------------------------------------------------------------------- */

static void reach(const struct sg_plan *p, const struct sg_plan_out *out, bool *seen, int *todo, size_t *n_todo) {
#define VISIT(list, count)                                                                                           \
    for (size_t v_ = 0; v_ < (count); v_++)                                                                          \
        if (!seen[(list)[v_]]) seen[(list)[v_]] = true, todo[(*n_todo)++] = (list)[v_]
    VISIT(out->targets, out->n_targets);
    for (size_t i = 0; i < out->n_branches; i++)
        for (size_t k = 0; k < out->branches[i].n_paths; k++)
            VISIT(out->branches[i].paths[k].targets, out->branches[i].paths[k].n_targets);
    for (size_t i = 0; i < out->n_joins; i++)
        VISIT(p->joins[out->joins[i]].targets, p->joins[out->joins[i]].n_targets);
#undef VISIT
}

static bool leads_nowhere(const struct sg_plan_out *o) {
    return o->n_targets == 0 && o->n_branches == 0 && o->n_joins == 0;
}

static void check_reach(struct build *b, struct sg_mark graph) {
    struct sg_plan *p = b->plan;
    if (leads_nowhere(&p->start)) {
        sg_error_at(b->d, graph, SG_STR("graph_config.edges"), "add an edge `from: START`",
                    "no edge leads from START to a node");
        return;
    }
    bool *seen = SG_NEW_N(b->a, bool, p->n_nodes), ends = b->flat.start.ends;
    int *todo = SG_NEW_N(b->a, int, p->n_nodes);
    size_t n_todo = 0;
    reach(p, &p->start, seen, todo, &n_todo);
    while (n_todo) reach(p, &p->nodes[todo[--n_todo]].out, seen, todo, &n_todo);
    for (size_t i = 0; i < p->n_nodes; i++) {
        const struct sg_flat_node *f = &b->flat.nodes[i];
        if (!seen[b->rank[i]])
            sg_warning_at(b->d, f->mark, SG_STR_NONE, NULL, "node `%.*s` cannot be reached from START",
                          SG_ARG(f->name));
        else ends |= f->out.ends || leads_nowhere(&p->nodes[b->rank[i]].out);
    }
    if (!ends)
        sg_error_at(b->d, graph, SG_STR("graph_config.edges"), "lead an edge or a path_map entry to END",
                    "no path through the graph ends, so no record could finish");
}

/* --- output -------------------------------------------------------------------------------------------------------------------------- */

/* A method of the class, which calls it; or code of its own. With a class, that does it all. */
static int transform_number(struct build *b, const struct sg_output_spec *o, const struct sg_output_field *f) {
    const struct sg_hook_spec *h = &f->transform;
    bool generated = o->generator.kind != SG_HOOK_NONE, is_method = sg_str_find(h->text, '.', 0) == h->text.n;
    if (generated && h->kind == SG_HOOK_JQ)
        sg_error_at(b->d, h->mark, h->path, "write it as a method of the class, and name that",
                    "a `generator` makes the whole record, and knows nothing of jq programs");
    return generated || (h->kind == SG_HOOK_PYTHON && is_method) ? SG_NONE
                                                                 : hook_number(b, h, SG_ROLE_TRANSFORM, NULL, NULL);
}

static void build_output(struct build *b, const struct sg_output_spec *o) {
    struct sg_plan_field *fields = SG_NEW_N(b->a, struct sg_plan_field, o->n_fields);
    for (size_t i = 0; i < o->n_fields; i++) {
        const struct sg_output_field *f = &o->fields[i];
        fields[i] =
            (struct sg_plan_field){.name = f->name.text,
                                   .value = f->value,
                                   .key = f->is_value || !f->from.text.n ? SG_NONE : key_number(b, f->from.text),
                                   .transform = transform_number(b, o, f)};
    }
    b->plan->generator = hook_number(b, &o->generator, SG_ROLE_GENERATE, NULL, &o->config);
    b->plan->has_map = o->has_map;
    b->plan->fields = fields;
    b->plan->n_fields = o->n_fields;
}

static void build_model_posts(struct build *b) {
    int *posts = SG_NEW_N(b->a, int, b->n_models);
    for (size_t i = 0; i < b->n_models; i++)
        posts[i] = hook_number(b, &b->models[i]->post_process, SG_ROLE_MODEL_POST, NULL, NULL);
    b->plan->model_posts = posts;
}

/* --- who writes what ----------------------------------------------------------------------------------------------------------- */

static void name_writer(struct build *b, bool *named, int key, int node) {
    if (named[key] && b->keys[key].writer != node) b->keys[key].writer = SG_NONE;
    else b->keys[key].writer = node;
    named[key] = true;
}

static void name_writers(struct build *b) {
    const struct sg_plan *p = b->plan;
    bool *named = SG_NEW_N(b->a, bool, b->n_keys);
    for (size_t i = 0; i < b->n_keys; i++) b->keys[i].writer = SG_NONE;
    for (size_t i = 0; i < p->n_nodes; i++) {
        const struct sg_plan_node *n = &p->nodes[i];
        if (n->output_key != SG_NONE) name_writer(b, named, n->output_key, (int)i);
        for (size_t k = 0; k < n->n_attributes; k++) name_writer(b, named, n->attributes[k].key, (int)i);
        for (size_t k = 0; n->spec && k < n->spec->n_output_keys; k++)
            name_writer(b, named, key_number(b, n->spec->output_keys[k].text), (int)i);
    }
}

int sg_plan_build(struct sg_arena *a, const struct sg_task_spec *task, struct sg_diags *diags, struct sg_plan **out) {
    struct build b = {.a = a, .d = diags, .flat = {.arena = a, .diags = diags}, .plan = SG_NEW(a, struct sg_plan)};
    add_fixed_keys(&b);
    sg_inline(&b.flat, &task->graph);
    build_nodes(&b);
    for (size_t i = 0; i < b.flat.n_idle; i++) keys_of_idle(&b, b.flat.idle[i]);
    build_joins(&b);
    struct sg_plan *p = *out = b.plan;
    p->start = build_out(&b, NULL, &b.flat.start);
    check_reach(&b, task->graph.mark);
    build_output(&b, &task->output);
    build_model_posts(&b);
    p->checks_state = task->schema.against_state;
    p->schema_type = hook_number(&b, &task->schema.type, SG_ROLE_SCHEMA, NULL, NULL);
    p->conversation = task->graph.conversation;
    p->history_window = task->graph.history_window;
    name_writers(&b);
    p->keys = b.keys, p->n_keys = b.n_keys;
    p->hooks = b.hooks, p->n_hooks = b.n_hooks;
    p->models = b.models, p->n_models = b.n_models;
    p->columns = b.columns, p->n_columns = b.n_columns;
    p->recipes = b.flat.recipes, p->n_recipes = b.flat.n_recipes;
    for (size_t i = 0; i < p->n_hooks; i++)
        p->has_python |= sg_plan_is_python(&p->hooks[i]) && !sg_plan_removes_thoughts(&p->hooks[i]);
    p->state_is_seen = p->n_hooks > 0 || !p->has_map;
    p->step_limit = STEP_LIMIT;
    sg_schema_build(a, task, diags, p);
    if (diags->errors) return SG_E_SYNTAX;
    sg_plan_hash_nodes(p);
    return 0;
}

int sg_plan_key(const struct sg_plan *p, struct sg_str name) {
    for (size_t i = 0; i < p->n_keys; i++)
        if (sg_str_eq(p->keys[i].name, name)) return (int)i;
    return SG_NONE;
}

const struct sg_plan_node *sg_plan_node(const struct sg_plan *p, struct sg_str name) {
    for (size_t i = 0; i < p->n_nodes; i++)
        if (sg_str_eq(p->nodes[i].name, name)) return &p->nodes[i];
    return NULL;
}
