/* SPDX-License-Identifier: Apache-2.0 */
/* How far a change goes through a graph. A node that writes other values makes its keys doubtful; a node that reads a doubtful
 * key may ask and write something else, too; and so on, until nothing is added. More may be named than is true (a program sees the
 * whole state, whatever it looks at), never less. */
#include "plan/plan.h"

#include <stdlib.h>

struct reach {
    const struct sg_plan *p;
    struct sg_plan_reach *to;
    bool *keys; /* doubtful */
    bool any;   /* of them */
    bool added;
};

static void doubt(struct reach *r, int key) {
    if (key == SG_NONE || r->keys[key]) return;
    r->keys[key] = r->any = r->added = true;
}

/* Programs may write any key, but mostly say which. */
static bool writes_by_program(const struct sg_plan_node *n) {
    return n->post_hook != SG_NONE || n->combine_hook != SG_NONE || n->lambda_hook != SG_NONE;
}

/* Python code may change any value of the state in place. */
static bool changes_in_place(const struct sg_plan *p, const struct sg_plan_node *n) {
    const int hooks[] = {n->pre_hook, n->post_hook, n->combine_hook, n->lambda_hook};
    for (size_t i = 0; i < sizeof hooks / sizeof *hooks; i++)
        if (hooks[i] != SG_NONE && sg_plan_is_python(&p->hooks[hooks[i]])) return true;
    for (size_t i = 0; i < n->out.n_branches; i++)
        if (sg_plan_is_python(&p->hooks[n->out.branches[i].hook])) return true;
    return false;
}

static void doubt_writes(struct reach *r, const struct sg_plan_node *n) {
    size_t declared = n->spec ? n->spec->n_output_keys : 0;
    for (size_t i = 0; i < declared; i++) doubt(r, sg_plan_key(r->p, n->spec->output_keys[i].text));
    for (size_t i = 0; i < n->n_attributes; i++) doubt(r, n->attributes[i].key);
    if (n->spec && n->spec->chat_history) doubt(r, SG_KEY_CHAT_HISTORY);
    bool by_program = writes_by_program(n);
    if (!by_program) doubt(r, n->output_key);
    if ((by_program && !declared) || changes_in_place(r->p, n))
        for (size_t i = 0; i < r->p->n_keys; i++) doubt(r, (int)i);
}

static bool reads_in_prompt(const struct reach *r, const struct sg_plan_node *n) {
    for (size_t i = 0; i < n->n_messages; i++)
        for (size_t k = 0; k < n->messages[i].n_parts; k++) {
            const struct sg_template *t = n->messages[i].parts[k];
            for (size_t m = 0; m < t->n; m++)
                if (r->keys[t->placeholders[m].slot]) return true;
        }
    return false;
}

static bool asks_otherwise(const struct reach *r, const struct sg_plan_node *n) {
    if (r->any && n->pre_hook != SG_NONE) return true;
    if (n->spec && n->spec->chat_history && r->keys[SG_KEY_CHAT_HISTORY]) return true;
    return (n->input_key != SG_NONE && r->keys[n->input_key]) || reads_in_prompt(r, n);
}

static void reach_node(struct reach *r, size_t i) {
    const struct sg_plan_node *n = &r->p->nodes[i];
    bool *requests = &r->to->requests[i], *results = &r->to->results[i];
    if (!*requests && asks_otherwise(r, n)) *requests = r->added = true;
    bool other = *requests || (r->any && (writes_by_program(n) || changes_in_place(r->p, n)));
    if (!*results && other) *results = r->added = true;
    if (*results) doubt_writes(r, n);
}

static bool has_condition(const struct sg_plan *p) {
    bool any = p->start.n_branches > 0;
    for (size_t i = 0; i < p->n_nodes; i++) any |= p->nodes[i].out.n_branches > 0;
    return any;
}

void sg_plan_reach(const struct sg_plan *p, struct sg_plan_reach *to) {
    struct reach r = {.p = p, .to = to};
    r.keys = sg_xcalloc(p->n_keys, sizeof *r.keys);
    do {
        r.added = false;
        for (size_t i = 0; i < p->n_nodes; i++) reach_node(&r, i);
    } while (r.added);
    to->routes = r.any && has_condition(p);
    free(r.keys);
}
