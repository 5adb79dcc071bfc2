/* SPDX-License-Identifier: Apache-2.0 */
/* The plan for people (an indented list in the order of nodes) and for machines (one JSON object), and each node's hashes,
 * which are the SHA-256 of its JSON, or of that of a part of it: what a user changed in a node, changes its hash. */
#include "plan/inline.h"
#include "plan/schema.h"

static const char *const kind_names[] = {
    [SG_NODE_LLM] = "llm",       [SG_NODE_MULTI_LLM] = "multi_llm", [SG_NODE_SAMPLER] = "weighted_sampler",
    [SG_NODE_LAMBDA] = "lambda", [SG_NODE_SUBGRAPH] = "subgraph",   [SG_NODE_CONNECTOR] = "connector",
};

static const char *const strategy_names[] = {
    [SG_ENSEMBLE] = "ensemble", [SG_BALANCE] = "balance", [SG_FALLBACK] = "fallback"};

static const char *const model_names[] = {
    [SG_MODEL_VLLM] = "vllm", [SG_MODEL_OPENAI] = "openai", [SG_MODEL_AZURE_OPENAI] = "azure_openai",
    [SG_MODEL_LLAMA] = "llama"};

struct sg_str sg_plan_kind_name(const struct sg_plan_node *n) {
    return sg_str(kind_names[n->kind]);
}

struct sg_str sg_plan_model_type(const struct sg_model_spec *m) {
    return sg_str(model_names[m->type]);
}

/* --- JSON ----------------------------------------------------------------------------------------------------------------- */

static void key(struct sg_buf *b, const char *name) {
    if (b->n && b->p[b->n - 1] != '{') sg_buf_ch(b, ',');
    sg_json_write_string(b, sg_str(name));
    sg_buf_ch(b, ':');
}

static void text(struct sg_buf *b, const char *name, struct sg_str s) {
    key(b, name);
    sg_json_write_string(b, s);
}

static void comma(struct sg_buf *b, size_t i) {
    if (i) sg_buf_ch(b, ',');
}

static void json_targets(const struct sg_plan *p, struct sg_buf *b, const int *targets, size_t n, bool end_if_none) {
    sg_buf_ch(b, '[');
    for (size_t i = 0; i < n; i++) {
        comma(b, i);
        sg_json_write_string(b, p->nodes[targets[i]].name);
    }
    if (n == 0 && end_if_none) sg_json_write_string(b, SG_STR("END"));
    sg_buf_ch(b, ']');
}

static void json_hook_map(const struct sg_plan *p, struct sg_buf *b, int hook) {
    static const char *const languages[] = {
        [SG_HOOK_JQ] = "jq", [SG_HOOK_PYTHON] = "python", [SG_HOOK_CLOSURE] = "closure"};
    const struct sg_hook_spec *s = p->hooks[hook].spec;
    sg_buf_ch(b, '{');
    text(b, languages[s->kind], s->text);
    if (s->file_hash[0])
        text(b, "sha256", sg_str(s->file_hash)); /* of the module's file, as far as it is found without Python */
    sg_buf_ch(b, '}');
}

static void json_hook(const struct sg_plan *p, struct sg_buf *b, const char *name, int hook) {
    if (hook == SG_NONE) return;
    key(b, name);
    json_hook_map(p, b, hook);
}

static void json_branch(const struct sg_plan *p, struct sg_buf *b, const struct sg_plan_branch *br) {
    sg_buf_ch(b, '{');
    json_hook(p, b, "condition", br->hook);
    key(b, "path_map");
    sg_buf_ch(b, '{');
    for (size_t i = 0; i < br->n_paths; i++) {
        comma(b, i);
        sg_json_write_string(b, br->paths[i].key);
        sg_buf_ch(b, ':');
        json_targets(p, b, br->paths[i].targets, br->paths[i].n_targets, true);
    }
    SG_BUF_LIT(b, "}}");
}

static void json_out(const struct sg_plan *p, struct sg_buf *b, const struct sg_plan_out *o) {
    key(b, "to");
    json_targets(p, b, o->targets, o->n_targets, o->n_branches == 0 && o->n_joins == 0);
    if (o->n_branches) {
        key(b, "branches");
        sg_buf_ch(b, '[');
        for (size_t i = 0; i < o->n_branches; i++) comma(b, i), json_branch(p, b, &o->branches[i]);
        sg_buf_ch(b, ']');
    }
    if (!o->n_joins) return;
    key(b, "joins");
    sg_buf_ch(b, '[');
    for (size_t i = 0; i < o->n_joins; i++) {
        const struct sg_plan_join *j = &p->joins[o->joins[i]];
        comma(b, i);
        SG_BUF_LIT(b, "{\"all_of\":");
        json_targets(p, b, j->sources, j->n_sources, false);
        SG_BUF_LIT(b, ",\"to\":");
        json_targets(p, b, j->targets, j->n_targets, true);
        sg_buf_ch(b, '}');
    }
    sg_buf_ch(b, ']');
}

static void json_prompt(struct sg_buf *b, const struct sg_node_spec *s) {
    key(b, "prompt");
    sg_buf_ch(b, '[');
    for (size_t i = 0; i < s->n_prompt; i++) {
        const struct sg_prompt_message *m = &s->prompt[i];
        comma(b, i);
        sg_buf_ch(b, '{');
        sg_json_write_string(b, m->role);
        sg_buf_ch(b, ':');
        if (m->is_list) sg_buf_ch(b, '[');
        for (size_t k = 0; k < m->n_parts; k++) comma(b, k), sg_json_write_string(b, m->parts[k].text.text);
        if (m->is_list) sg_buf_ch(b, ']');
        sg_buf_ch(b, '}');
    }
    sg_buf_ch(b, ']');
}

static void json_model(const struct sg_plan *p, struct sg_buf *b, int model) {
    const struct sg_model_spec *m = p->models[model];
    sg_buf_ch(b, '{');
    text(b, "name", m->alias);
    text(b, "model_type", sg_str(model_names[m->type]));
    text(b, "model", m->wire_name);
    key(b, "parameters");
    sg_json_write(b, &m->parameters);
    sg_buf_ch(b, '}');
}

static void json_children(const struct sg_plan *p, struct sg_buf *b, const struct sg_plan_node *n) {
    text(b, "strategy", sg_str(strategy_names[n->spec->strategy]));
    key(b, "models");
    sg_buf_ch(b, '{');
    for (size_t i = 0; i < n->n_children; i++) {
        comma(b, i);
        sg_json_write_string(b, n->children[i].label);
        sg_buf_ch(b, ':');
        json_model(p, b, n->children[i].model);
    }
    sg_buf_ch(b, '}');
}

/* Of models.yaml: what is done with a reply before the node sees it. */
static void json_model_posts(const struct sg_plan *p, struct sg_buf *b, const struct sg_plan_node *n) {
    if (n->kind == SG_NODE_LLM) json_hook(p, b, "model_post_process", p->model_posts[n->model]);
    bool any = false;
    for (size_t i = 0; i < n->n_children; i++) any |= p->model_posts[n->children[i].model] != SG_NONE;
    if (!any) return;
    key(b, "model_post_process");
    sg_buf_ch(b, '{');
    for (size_t i = 0; i < n->n_children; i++) {
        int hook = p->model_posts[n->children[i].model];
        if (hook == SG_NONE) continue;
        if (b->p[b->n - 1] != '{') sg_buf_ch(b, ',');
        sg_json_write_string(b, n->children[i].label);
        sg_buf_ch(b, ':');
        json_hook_map(p, b, hook);
    }
    sg_buf_ch(b, '}');
}

static void json_tools(const struct sg_plan *p, struct sg_buf *b, const struct sg_plan_node *n) {
    if (!n->spec->n_tools) return;
    key(b, "tools");
    sg_buf_ch(b, '[');
    for (size_t i = 0; i < n->spec->n_tools; i++) {
        comma(b, i);
        if (n->tool_hooks[i] == SG_NONE) sg_json_write(b, &n->spec->tools[i].object);
        else json_hook_map(p, b, n->tool_hooks[i]);
    }
    sg_buf_ch(b, ']');
    key(b, "tool_choice");
    sg_json_write(b, &n->spec->tool_choice);
}

static void json_history(const struct sg_plan *p, struct sg_buf *b, const struct sg_plan_node *n) {
    static const char *const names[] = {
        [SG_CHAT_NONE] = "kept", [SG_CHAT_SINGLE] = "singleturn", [SG_CHAT_MULTI] = "multiturn"};
    if (!n->spec->chat_history) return;
    text(b, "chat_history", sg_str(names[p->conversation]));
    if (p->conversation == SG_CHAT_NONE) return;
    key(b, "window");
    sg_buf_u64(b, p->history_window);
}

static bool makes_calls(const struct sg_plan_node *n) {
    return n->kind == SG_NODE_LLM || n->kind == SG_NODE_MULTI_LLM;
}

static void json_llm(const struct sg_plan *p, struct sg_buf *b, const struct sg_plan_node *n) {
    if (n->kind == SG_NODE_MULTI_LLM) {
        json_children(p, b, n);
        json_hook(p, b, "multi_llm_post_process", n->combine_hook);
    } else {
        key(b, "model");
        json_model(p, b, n->model);
    }
    json_prompt(b, n->spec);
    text(b, "input_key", p->keys[n->input_key].name);
    text(b, "output_role", n->spec->output_role);
    json_tools(p, b, n);
    json_history(p, b, n);
    json_hook(p, b, "pre_process", n->pre_hook);
    json_hook(p, b, "post_process", n->post_hook);
    json_model_posts(p, b, n);
}

/* What a lambda is given beside the state: keys of its node that are the user's own. */
static void json_lambda(const struct sg_plan *p, struct sg_buf *b, const struct sg_plan_node *n) {
    static const char *const told[] = {"node_type", "node_state", "node_name", "output_keys", "lambda", "once"};
    const struct sg_json *map = &n->spec->config;
    bool begun = false;
    json_hook(p, b, "lambda", n->lambda_hook);
    for (uint32_t i = 0; i < map->n; i++) {
        bool own = true;
        for (size_t k = 0; k < sizeof told / sizeof *told; k++)
            own &= !sg_str_eq(map->members[i].key, sg_str(told[k]));
        if (!own) continue;
        if (!begun) key(b, "config"), sg_buf_ch(b, '{');
        else sg_buf_ch(b, ',');
        begun = true;
        sg_json_write_string(b, map->members[i].key);
        sg_buf_ch(b, ':');
        sg_json_write(b, &map->members[i].value);
    }
    if (begun) sg_buf_ch(b, '}');
}

static void json_values(struct sg_buf *b, const struct sg_plan_attribute *at) {
    key(b, "values");
    sg_buf_ch(b, '[');
    for (size_t k = 0; k < at->n_values; k++) comma(b, k), sg_json_write(b, &at->values[k]);
    SG_BUF_LIT(b, "],\"shares\":[");
    for (size_t k = 0; k < at->n_values; k++) {
        comma(b, k);
        sg_py_double(b, (at->cumulative[k] - (k ? at->cumulative[k - 1] : 0)) / at->cumulative[at->n_values - 1]);
    }
    sg_buf_ch(b, ']');
}

static void json_columns(const struct sg_plan *p, struct sg_buf *b, const struct sg_plan_attribute *at) {
    text(b, "source", p->columns[at->columns[0]].source->path);
    key(b, "columns");
    sg_buf_ch(b, '[');
    for (size_t k = 0; k < at->n_columns; k++) comma(b, k), sg_json_write_string(b, p->columns[at->columns[k]].name);
    sg_buf_ch(b, ']');
    text(b, "order", sg_str(at->at_random ? "random" : "sequential"));
}

static void json_sampler(const struct sg_plan *p, struct sg_buf *b, const struct sg_plan_node *n) {
    key(b, "attributes");
    sg_buf_ch(b, '{');
    for (size_t i = 0; i < n->n_attributes; i++) {
        const struct sg_plan_attribute *at = &n->attributes[i];
        comma(b, i);
        sg_json_write_string(b, p->keys[at->key].name);
        SG_BUF_LIT(b, ":{");
        if (at->n_columns) json_columns(p, b, at);
        else json_values(b, at);
        sg_buf_ch(b, '}');
    }
    sg_buf_ch(b, '}');
}

static void json_output_keys(struct sg_buf *b, const struct sg_plan_node *n) {
    if (!n->spec || !n->spec->n_output_keys) return;
    key(b, "output_keys");
    sg_buf_ch(b, '[');
    for (size_t i = 0; i < n->spec->n_output_keys; i++)
        comma(b, i), sg_json_write_string(b, n->spec->output_keys[i].text);
    sg_buf_ch(b, ']');
}

static void json_node_content(const struct sg_plan *p, struct sg_buf *b, const struct sg_plan_node *n) {
    text(b, "name", n->name);
    text(b, "node_type", sg_str(kind_names[n->kind]));
    if (makes_calls(n)) json_llm(p, b, n);
    if (n->kind == SG_NODE_SAMPLER) json_sampler(p, b, n);
    if (n->kind == SG_NODE_LAMBDA) json_lambda(p, b, n);
    json_output_keys(b, n);
    json_out(p, b, &n->out);
}

/* --- hashes ----------------------------------------------------------------------------------------------------------------- */

/* What its requests are made of, beside the state. */
static void json_request(const struct sg_plan *p, struct sg_buf *b, const struct sg_plan_node *n) {
    if (!makes_calls(n)) return;
    if (n->kind == SG_NODE_MULTI_LLM) {
        json_children(p, b, n);
    } else {
        key(b, "model");
        json_model(p, b, n->model);
    }
    json_prompt(b, n->spec);
    text(b, "input_key", p->keys[n->input_key].name);
    json_tools(p, b, n);
    json_history(p, b, n);
    json_hook(p, b, "pre_process", n->pre_hook);
}

/* What it writes is made of, beside the state and the answers. */
static void json_result(const struct sg_plan *p, struct sg_buf *b, const struct sg_plan_node *n) {
    if (makes_calls(n)) {
        text(b, "output_role", n->spec->output_role);
        json_hook(p, b, "post_process", n->post_hook);
        json_hook(p, b, "multi_llm_post_process", n->combine_hook);
        json_model_posts(p, b, n);
    }
    if (n->kind == SG_NODE_SAMPLER) json_sampler(p, b, n);
    if (n->kind == SG_NODE_LAMBDA) json_lambda(p, b, n);
    json_output_keys(b, n);
}

static void json_fields(const struct sg_plan *p, struct sg_buf *b);

static void json_generator(const struct sg_plan *p, struct sg_buf *b) {
    if (p->generator == SG_NONE) return;
    json_hook(p, b, "generator", p->generator);
    key(b, "output_config");
    sg_json_write(b, p->hooks[p->generator].config);
}

static void hash_rest(struct sg_plan *p, struct sg_buf *b) {
    sg_buf_reset(b, SIZE_MAX);
    sg_buf_ch(b, '{');
    json_out(p, b, &p->start);
    sg_sha256_hex(sg_buf_view(b), p->start_hash);
    sg_buf_reset(b, SIZE_MAX);
    sg_buf_ch(b, '{');
    if (p->has_map) json_fields(p, b);
    json_generator(p, b);
    sg_sha256_hex(sg_buf_view(b), p->output_hash);
    if (p->n_checks == 0 && p->schema_type == SG_NONE) return;
    sg_buf_reset(b, SIZE_MAX);
    if (p->n_checks) sg_schema_json(p, b);
    else sg_buf_ch(b, '{'), json_hook(p, b, "schema", p->schema_type);
    sg_sha256_hex(sg_buf_view(b), p->schema_hash);
}

typedef void part_fn(const struct sg_plan *p, struct sg_buf *b, const struct sg_plan_node *n);

static void hash_part(const struct sg_plan *p, struct sg_buf *b, const struct sg_plan_node *n, part_fn *part, char *out) {
    sg_buf_reset(b, SIZE_MAX);
    sg_buf_ch(b, '{');
    part(p, b, n);
    sg_buf_ch(b, '}');
    sg_sha256_hex(sg_buf_view(b), out);
}

void sg_plan_hash_nodes(struct sg_plan *p) {
    struct sg_buf b = SG_BUF_INIT(0);
    for (size_t i = 0; i < p->n_nodes; i++) {
        struct sg_plan_node *n = (struct sg_plan_node *)&p->nodes[i];
        hash_part(p, &b, n, json_node_content, n->hash);
        hash_part(p, &b, n, json_request, n->request_hash);
        hash_part(p, &b, n, json_result, n->result_hash);
    }
    hash_rest(p, &b);
    sg_buf_fini(&b);
}

static void json_fields(const struct sg_plan *p, struct sg_buf *b) {
    key(b, "output");
    sg_buf_ch(b, '{');
    for (size_t i = 0; i < p->n_fields; i++) {
        const struct sg_plan_field *f = &p->fields[i];
        comma(b, i);
        sg_json_write_string(b, f->name);
        SG_BUF_LIT(b, ":{");
        if (f->key != SG_NONE) text(b, "from", p->keys[f->key].name);
        else key(b, "value"), sg_json_write(b, &f->value);
        json_hook(p, b, "transform", f->transform);
        sg_buf_ch(b, '}');
    }
    sg_buf_ch(b, '}');
}

static void json_recipes(const struct sg_plan *p, struct sg_buf *b) {
    if (p->n_recipes == 0) return;
    key(b, "recipes");
    sg_buf_ch(b, '[');
    for (size_t i = 0; i < p->n_recipes; i++) {
        comma(b, i);
        sg_buf_ch(b, '{');
        text(b, "node", p->recipes[i].node);
        text(b, "name", p->recipes[i].is.name);
        key(b, "version");
        sg_buf_printf(b, "%u}", p->recipes[i].is.version);
    }
    sg_buf_ch(b, ']');
}

void sg_plan_json(const struct sg_plan *p, struct sg_buf *b) {
    sg_buf_ch(b, '{');
    key(b, "keys");
    sg_buf_ch(b, '[');
    for (size_t i = 0; i < p->n_keys; i++) comma(b, i), sg_json_write_string(b, p->keys[i].name);
    sg_buf_ch(b, ']');
    key(b, "start");
    sg_buf_ch(b, '{');
    json_out(p, b, &p->start);
    sg_buf_ch(b, '}');
    key(b, "nodes");
    sg_buf_ch(b, '[');
    for (size_t i = 0; i < p->n_nodes; i++) {
        comma(b, i);
        sg_buf_ch(b, '{');
        json_node_content(p, b, &p->nodes[i]);
        text(b, "hash", sg_str(p->nodes[i].hash));
        sg_buf_ch(b, '}');
    }
    sg_buf_ch(b, ']');
    json_recipes(p, b);
    if (p->has_map) json_fields(p, b);
    json_generator(p, b);
    if (p->n_checks) key(b, "schema"), sg_schema_json(p, b);
    else json_hook(p, b, "schema", p->schema_type);
    sg_buf_ch(b, '}');
}

/* --- text -------------------------------------------------------------------------------------------------------------------- */

static void print_targets(const struct sg_plan *p, struct sg_buf *b, const int *targets, size_t n) {
    for (size_t i = 0; i < n; i++) sg_buf_printf(b, "%s%.*s", i ? ", " : "", SG_ARG(p->nodes[targets[i]].name));
    if (n == 0) SG_BUF_LIT(b, "END");
}

/* One line of a program or prompt, cut: a plan is looked over, not read. */
static void print_short(struct sg_buf *b, struct sg_str s) {
    size_t shown = 0;
    for (size_t i = 0; i < s.n; i++) {
        bool first = ((unsigned char)s.p[i] & 0xC0) != 0x80;
        if (first && shown++ == 60) {
            SG_BUF_LIT(b, "...");
            return;
        }
        sg_buf_ch(b, s.p[i] == '\n' ? ' ' : s.p[i]);
    }
}

/* A dotted path says most at its end, so it is not cut. */
static void print_program(struct sg_buf *b, const struct sg_hook_spec *h) {
    if (h->kind == SG_HOOK_JQ) {
        print_short(b, h->text);
        return;
    }
    if (h->kind == SG_HOOK_CLOSURE) SG_BUF_LIT(b, "closure ");
    sg_buf_str(b, h->text);
}

static void print_out(const struct sg_plan *p, struct sg_buf *b, const struct sg_plan_out *o) {
    if (o->n_targets || (!o->n_branches && !o->n_joins)) {
        SG_BUF_LIT(b, "    -> ");
        print_targets(p, b, o->targets, o->n_targets);
        sg_buf_ch(b, '\n');
    }
    for (size_t i = 0; i < o->n_branches; i++) {
        const struct sg_plan_branch *br = &o->branches[i];
        SG_BUF_LIT(b, "    if ");
        print_program(b, p->hooks[br->hook].spec);
        sg_buf_ch(b, '\n');
        for (size_t k = 0; k < br->n_paths; k++) {
            sg_buf_printf(b, "       %.*s -> ", SG_ARG(br->paths[k].key));
            print_targets(p, b, br->paths[k].targets, br->paths[k].n_targets);
            sg_buf_ch(b, '\n');
        }
    }
    for (size_t i = 0; i < o->n_joins; i++) {
        const struct sg_plan_join *j = &p->joins[o->joins[i]];
        SG_BUF_LIT(b, "    with all of ");
        print_targets(p, b, j->sources, j->n_sources);
        SG_BUF_LIT(b, " -> ");
        print_targets(p, b, j->targets, j->n_targets);
        sg_buf_ch(b, '\n');
    }
}

static void print_model(const struct sg_plan *p, struct sg_buf *b, int model) {
    const struct sg_model_spec *m = p->models[model];
    sg_buf_printf(b, "%.*s (%s)", SG_ARG(m->alias), model_names[m->type]);
}

/* "what its post_process returns", "what tasks.mine.task_executor.Post returns". */
static void print_returned(const struct sg_plan *p, struct sg_buf *b, const char *before, int hook, const char *key) {
    sg_buf_printf(b, "%swhat ", before);
    if (sg_plan_is_python(&p->hooks[hook])) print_program(b, p->hooks[hook].spec);
    else sg_buf_printf(b, "its %s", key);
    SG_BUF_LIT(b, " returns");
}

static void print_llm(const struct sg_plan *p, struct sg_buf *b, const struct sg_plan_node *n) {
    if (n->kind == SG_NODE_LLM) {
        SG_BUF_LIT(b, " model ");
        print_model(p, b, n->model);
    } else {
        sg_buf_printf(b, " %s of", strategy_names[n->spec->strategy]);
    }
    for (size_t i = 0; i < n->n_children; i++) {
        sg_buf_printf(b, "%s %.*s: ", i ? "," : "", SG_ARG(n->children[i].label));
        print_model(p, b, n->children[i].model);
    }
    if (n->pre_hook != SG_NONE) print_returned(p, b, ", sees ", n->pre_hook, "pre_process");
    if (n->spec->n_tools) sg_buf_printf(b, ", offers %zu tool%s", n->spec->n_tools, n->spec->n_tools == 1 ? "" : "s");
    if (n->spec->chat_history) SG_BUF_LIT(b, ", takes part in chat history");
    int last = n->combine_hook != SG_NONE ? n->combine_hook : n->post_hook;
    if (last == SG_NONE) sg_buf_printf(b, ", writes %.*s", SG_ARG(p->keys[n->output_key].name));
    else print_returned(p, b, ", writes ", last, last == n->combine_hook ? "multi_llm_post_process" : "post_process");
    if (n->spec->once) SG_BUF_LIT(b, ", once");
}

/* "(3 values)", "(name of people.csv)". */
static void print_drawn(const struct sg_plan *p, struct sg_buf *b, const struct sg_plan_attribute *at) {
    if (!at->n_columns) {
        sg_buf_printf(b, "(%zu values)", at->n_values);
        return;
    }
    sg_buf_ch(b, '(');
    for (size_t k = 0; k < at->n_columns; k++)
        sg_buf_printf(b, "%s%.*s", k ? " or " : "", SG_ARG(p->columns[at->columns[k]].name));
    sg_buf_printf(b, " of %.*s)", SG_ARG(p->columns[at->columns[0]].source->path));
}

static void print_node(const struct sg_plan *p, struct sg_buf *b, const struct sg_plan_node *n) {
    sg_buf_printf(b, "  %.*s (%s)", SG_ARG(n->name), kind_names[n->kind]);
    if (n->kind == SG_NODE_LLM || n->kind == SG_NODE_MULTI_LLM) print_llm(p, b, n);
    for (size_t i = 0; i < n->n_attributes; i++) {
        sg_buf_printf(b, "%s %.*s ", i ? "," : " draws", SG_ARG(p->keys[n->attributes[i].key].name));
        print_drawn(p, b, &n->attributes[i]);
    }
    if (n->kind == SG_NODE_LAMBDA) {
        SG_BUF_LIT(b, " ");
        print_program(b, p->hooks[n->lambda_hook].spec);
        if (n->spec->once) SG_BUF_LIT(b, ", once");
    }
    sg_buf_ch(b, '\n');
    print_out(p, b, &n->out);
}

static void print_recipes(const struct sg_plan *p, struct sg_buf *b) {
    for (size_t i = 0; i < p->n_recipes; i++) {
        const struct sg_plan_recipe *r = &p->recipes[i];
        sg_buf_printf(b, "%s %.*s is %.*s@%u", i ? "," : "recipes:", SG_ARG(r->node), SG_ARG(r->is.name),
                      r->is.version);
    }
    if (p->n_recipes) sg_buf_ch(b, '\n');
}

void sg_plan_print(const struct sg_plan *p, struct sg_buf *b) {
    SG_BUF_LIT(b, "  START\n");
    print_out(p, b, &p->start);
    for (size_t i = 0; i < p->n_nodes; i++) print_node(p, b, &p->nodes[i]);
    print_recipes(p, b);
    SG_BUF_LIT(b, "state:");
    for (size_t i = 0; i < p->n_keys; i++) sg_buf_printf(b, "%s %.*s", i ? "," : "", SG_ARG(p->keys[i].name));
    SG_BUF_LIT(b, "\noutput: ");
    if (p->generator != SG_NONE) {
        print_returned(p, b, "", p->generator, "generator");
        if (p->n_fields) SG_BUF_LIT(b, " of ");
    } else if (!p->has_map) SG_BUF_LIT(b, "the whole state");
    for (size_t i = 0; i < p->n_fields; i++) sg_buf_printf(b, "%s%.*s", i ? ", " : "", SG_ARG(p->fields[i].name));
    sg_buf_ch(b, '\n');
    if (p->schema_type != SG_NONE) sg_buf_printf(b, "schema: %.*s\n", SG_ARG(p->hooks[p->schema_type].spec->text));
    sg_schema_print(p, b);
}
