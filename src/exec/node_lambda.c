/* SPDX-License-Identifier: Apache-2.0 */
/* lambda: a hook from the state to an update. */
#include "exec/record.h"

static enum verdict on_result(struct task *t, const struct sg_json *results) {
    const struct sg_json *object;
    enum verdict v = sg_one_object(t, results, "a lambda", &object);
    if (object) sg_task_update_object(t, object);
    return v;
}

static enum verdict step_call(struct task *t) {
    return sg_hook_step(t, t->node->lambda_hook, sg_hook_write_state, on_result);
}

static const struct step steps[] = {{"lambda", step_call}, {"route", sg_step_route}, {0}};
const struct node_kind sg_node_kind_lambda = {.name = "lambda", .steps = steps};
