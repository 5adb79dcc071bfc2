/* SPDX-License-Identifier: Apache-2.0 */
/* What a run tells its folder for reports: who its models are and what they cost, when it ended, how long commits took, how
 * many calls were asked again. Facts of table meta (docs/formats/run-folder.md). */
#include "run/parts.h"

#include <stdlib.h>

/* --- models --------------------------------------------------------------------------------------------------------- */

/* What follows a question mark may hold a key; names and passwords are refused by config. */
static struct sg_str plain_url(struct sg_str url) {
    size_t n = sg_str_find(url, '?', 0);
    return (struct sg_str){url.p, n};
}

static void write_urls(const struct sg_model_spec *m, struct sg_buf *b) {
    if (m->n_urls == 0) SG_BUF_LIT(b, "null");
    if (m->n_urls > 1) sg_buf_ch(b, '[');
    for (size_t i = 0; i < m->n_urls; i++) {
        if (i) sg_buf_ch(b, ',');
        sg_json_write_text(b, plain_url(m->urls[i]));
    }
    if (m->n_urls > 1) sg_buf_ch(b, ']');
}

static void write_price(const struct sg_price *p, struct sg_buf *b) {
    if (!p->known) {
        SG_BUF_LIT(b, "null");
        return;
    }
    sg_buf_printf(b, "{\"input\":%.12g,\"output\":%.12g,\"from\":", p->input, p->output);
    sg_json_write_text(b, p->from);
    sg_buf_ch(b, '}');
}

static void write_model(const struct sg_model_spec *m, struct sg_buf *b) {
    SG_BUF_LIT(b, "{\"alias\":");
    sg_json_write_text(b, m->alias);
    SG_BUF_LIT(b, ",\"name\":");
    sg_json_write_text(b, m->wire_name);
    SG_BUF_LIT(b, ",\"type\":");
    sg_json_write_text(b, sg_plan_model_type(m));
    SG_BUF_LIT(b, ",\"url\":");
    write_urls(m, b);
    SG_BUF_LIT(b, ",\"parameters\":");
    sg_json_write(b, &m->parameters);
    SG_BUF_LIT(b, ",\"price\":");
    write_price(&m->price, b);
    sg_buf_ch(b, '}');
}

/* Nodes that name one entry of models.yaml mean one model, whatever they add to its parameters: then the first one's are
 * told. */
static size_t first_of_its_kind(const struct sg_plan *p, size_t model) {
    for (size_t i = 0; i < model; i++)
        if (sg_str_eq(p->models[i]->alias, p->models[model]->alias) &&
            sg_str_eq(p->models[i]->wire_name, p->models[model]->wire_name))
            return i;
    return model;
}

static void write_use(const struct sg_plan *p, size_t node, size_t ordinal, int model, const size_t *numbers,
                      struct sg_buf *b) {
    if (model == SG_NONE) return;
    if (b->p[b->n - 1] != '[') sg_buf_ch(b, ',');
    sg_buf_printf(b, "[%zu,%zu,%zu]", node, ordinal, numbers[first_of_its_kind(p, (size_t)model)]);
}

/* {"models":[...],"uses":[[node,ordinal,model],...]} */
static struct sg_str models_json(struct run *r) {
    const struct sg_plan *p = r->task.plan;
    struct sg_arena *a = &r->task.arena;
    size_t *numbers = SG_NEW_N(a, size_t, p->n_models), n = 0;
    struct sg_buf b = SG_BUF_INIT(16 << 20), clean = SG_BUF_INIT(16 << 20);
    SG_BUF_LIT(&b, "{\"models\":[");
    for (size_t i = 0; i < p->n_models; i++) {
        if (first_of_its_kind(p, i) != i) continue;
        numbers[i] = n++;
        if (n > 1) sg_buf_ch(&b, ',');
        write_model(p->models[i], &b);
    }
    SG_BUF_LIT(&b, "],\"uses\":[");
    for (size_t i = 0; i < p->n_nodes; i++) {
        const struct sg_plan_node *node = &p->nodes[i];
        if (node->kind == SG_NODE_LLM) write_use(p, i, 0, node->model, numbers, &b);
        for (size_t k = 0; k < node->n_children; k++) write_use(p, i, k, node->children[k].model, numbers, &b);
    }
    SG_BUF_LIT(&b, "]}");
    sg_redact(&clean, sg_buf_view(&b));
    struct sg_str json = sg_str_dup(a, sg_buf_view(&clean));
    sg_buf_fini(&b);
    sg_buf_fini(&clean);
    return json;
}

/* --- telling -------------------------------------------------------------------------------------------------------- */

static void tell(struct run *r, const char *key, struct sg_str value) {
    sg_output_meta(r->output, sg_str(key), value);
}

void sg_run_tell_begin(struct run *r) {
    r->models_json = models_json(r);
    tell(r, "models", r->models_json);
    if (r->task.spec.n_post) tell(r, "post", sg_str_printf(&r->task.arena, "%zu", r->task.spec.n_post));
}

void sg_run_tell_end(struct run *r) {
    struct sg_arena *a = &r->task.arena;
    tell(r, "ended_ms", sg_str_printf(a, "%lld", (long long)(sg_os->wall_ns() / 1000000)));
}

/* --- cost ----------------------------------------------------------------------------------------------------------- */

static const struct sg_price *price_at(const struct run *r, uint32_t node, uint32_t ordinal) {
    const struct sg_plan *p = r->task.plan;
    if (node >= p->n_nodes) return NULL;
    const struct sg_plan_node *n = &p->nodes[node];
    int model = n->kind == SG_NODE_LLM ? n->model : ordinal < n->n_children ? n->children[ordinal].model : SG_NONE;
    return model == SG_NONE ? NULL : &p->models[model]->price;
}

struct sg_cost sg_run_cost(const struct run *r) {
    struct sg_cost all = {0};
    for (size_t i = 0; r->resumed && i < r->resumed->n_tallies; i++) {
        const struct sg_tally *t = &r->resumed->tallies[i];
        sg_cost_add(&all, sg_price_of(price_at(r, t->node, t->ordinal), t->prompt_tokens, t->completion_tokens, t->unmetered));
    }
    for (size_t i = 0; i < r->task.plan->n_models; i++) {
        struct sg_calls_spent s;
        sg_calls_spent(r->models[i], &s);
        sg_cost_add(&all, sg_price_of(&r->task.plan->models[i]->price, s.prompt_tokens, s.completion_tokens, s.unmetered));
    }
    return all;
}
