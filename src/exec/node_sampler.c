/* SPDX-License-Identifier: Apache-2.0 */
/* weighted_sampler: one independent draw an attribute. Draws depend on (seed, position, node, visit, attribute) only, so a
 * resumed or re-ordered run repeats them.
 *
 * A column is read in order by position: record p gets row p, its second visit row p + 1, and so on, from the first again behind
 * the last. So a record's value does not depend on which records ran before it, nor on where the run began, and attributes
 * that read one source get values of one row. */
#include "exec/record.h"

static size_t pick(const struct sg_plan_attribute *a, double unit) {
    double at = unit * a->cumulative[a->n_values - 1];
    size_t low = 0, high = a->n_values - 1; /* first sum above `at` */
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (a->cumulative[mid] > at) high = mid;
        else low = mid + 1;
    }
    return low;
}

/* Draw i chooses the row; those behind all attributes' choose among several columns. */
static const struct sg_json *draw_row(const struct task *t, const struct sg_draw_key *key, size_t i) {
    const struct sg_plan_attribute *a = &t->node->attributes[i];
    size_t which = a->n_columns > 1 ? (size_t)(sg_draw_unit(key, t->node->n_attributes + i) * (double)a->n_columns) : 0;
    const struct sg_column *c = sg_columns_get(t->record->exec->o.columns, (size_t)a->columns[which]);
    uint64_t row = a->at_random ? (uint64_t)(sg_draw_unit(key, i) * (double)c->n) : (key->position + key->visit) % c->n;
    return &c->values[row];
}

static enum verdict step_draw(struct task *t) {
    const struct sg_draw_key key = {.seed = t->record->exec->o.seed,
                                    .position = t->record->position,
                                    .node = t->node->name_hash,
                                    .visit = t->visit};
    for (size_t i = 0; i < t->node->n_attributes; i++) {
        const struct sg_plan_attribute *a = &t->node->attributes[i];
        sg_task_update(t, a->key, a->n_columns ? draw_row(t, &key, i) : &a->values[pick(a, sg_draw_unit(&key, i))]);
    }
    return NEXT;
}

static const struct step steps[] = {{"draw", step_draw}, {"route", sg_step_route}, {0}};
const struct node_kind sg_node_kind_sampler = {.name = "weighted_sampler", .steps = steps};
