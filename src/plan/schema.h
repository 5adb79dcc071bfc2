/* SPDX-License-Identifier: Apache-2.0 */
/* schema: what a finished record has to be (schema_config), as rules one behind the other for each field.
 *
 * The first two rules of a field are that it is there and that its type takes it (type.h); the others compare as Python does
 * (base/pyorder.h). The reference's quirks are repaired where they lose records (docs/compatibility.md).
 * Memory: frozen with the plan. Looking at a value allocates nothing.   Thread: any. */
#ifndef SG_PLAN_SCHEMA_H
#define SG_PLAN_SCHEMA_H

#include "plan/plan.h"
#include "plan/type.h"

struct sg_plan_rule {
    enum sg_rule_kind kind;
    struct sg_str field;
    struct sg_str place;         /* schema_config.score.is_less_than: records that break the same rule have it in common */
    struct sg_type type;         /* SG_RULE_TYPE */
    const struct sg_json *other; /* what is compared with */
};

/* All rules of one entry of `fields`. */
struct sg_plan_check {
    struct sg_str name;
    int output; /* whose value is checked: number in plan->fields; SG_NONE: the state's */
    const struct sg_plan_rule *rules;
    size_t n_rules;
};

/* Builds the plan's checks; its keys and output fields are known. Mistakes go to diags. */
void sg_schema_build(struct sg_arena *a, const struct sg_task_spec *task, struct sg_diags *diags, struct sg_plan *p);

/* The first rule that the value breaks (NULL: there is none), or NULL. */
const struct sg_plan_rule *sg_check_broken(const struct sg_plan_check *c, const struct sg_json *v);

/* "type", "is_less_than". */
struct sg_str sg_rule_name(enum sg_rule_kind kind);
/* What was expected, in a few words: "int", "less than 5". */
void sg_rule_expected(const struct sg_plan_rule *r, struct sg_buf *out);
/* Why a value breaks the rule: field `tags[2]` must be of type str, but is 5. Long values are cut. */
void sg_rule_explain(const struct sg_plan_rule *r, const struct sg_json *v, struct sg_buf *out);
/* At most `most` bytes of the value's JSON text, without secrets, cut between characters; false when it was cut. */
bool sg_rule_shown(const struct sg_json *v, size_t most, struct sg_buf *out);

/* For print.c: the checks for machines (a JSON array), and for people. */
void sg_schema_json(const struct sg_plan *p, struct sg_buf *out);
void sg_schema_print(const struct sg_plan *p, struct sg_buf *out);

#endif
