/* SPDX-License-Identifier: Apache-2.0 */
/* schema_driver: for schema_vs_pydantic.py. One JSON object a line on stdin, one answer a line on stdout:
 *   {"type": text, "value": v}   {"takes": bool} or {"error": text}
 *   {"left": v, "right": w}      {"order": -1, 0, 1 or 2 (none), "equal": bool}
 * With the word `time`: nanoseconds that a look at five fields of usual types takes. */
#include "base/pyorder.h"
#include "plan/schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void answer_type(struct sg_arena *a, const struct sg_json *text, const struct sg_json *value) {
    struct sg_type type;
    struct sg_type_mistake m;
    if (sg_type_compile(a, sg_json_text(text), &type, &m) != 0) printf("{\"error\":\"%.*s\"}\n", SG_ARG(m.text));
    else printf("{\"takes\":%s}\n", sg_type_takes(&type, value) ? "true" : "false");
}

static void answer(struct sg_arena *a, struct sg_str line) {
    struct sg_json input;
    int rc = sg_json_parse(a, line, &input, NULL, NULL);
    SG_ASSERT(rc == 0);
    const struct sg_json *type = sg_json_get(&input, SG_STR("type")), *left = sg_json_get(&input, SG_STR("left")),
                         *right = sg_json_get(&input, SG_STR("right"));
    if (type) answer_type(a, type, sg_json_get(&input, SG_STR("value")));
    else printf("{\"order\":%d,\"equal\":%s}\n", sg_py_order(left, right), sg_py_equal(left, right) ? "true" : "false");
}

#define ROUNDS 2000000

static void measure(struct sg_arena *a) {
    static const char *const types[] = {"str", "int", "float", "list[str]", "dict[str, any]"};
    static const char text[] = "[\"What is the capital of France? Answer in one word.\",17,0.25,[\"a\",\"b\",\"c\",\"d\"],"
                               "{\"model\":\"m\",\"tokens\":12}]";
    struct sg_json values;
    struct sg_type compiled[5];
    struct sg_type_mistake m;
    struct sg_plan_rule rules[5][3];
    int rc = sg_json_parse(a, sg_str(text), &values, NULL, NULL), broken = 0;
    for (int i = 0; i < 5 && rc == 0; i++) {
        rc = sg_type_compile(a, sg_str(types[i]), &compiled[i], &m);
        rules[i][0] = (struct sg_plan_rule){.kind = SG_RULE_PRESENT};
        rules[i][1] = (struct sg_plan_rule){.kind = SG_RULE_TYPE, .type = compiled[i]};
        rules[i][2] = (struct sg_plan_rule){.kind = SG_RULE_NOT_EMPTY};
    }
    SG_ASSERT(rc == 0);
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < 5; i++) {
            struct sg_plan_check c = {.rules = rules[i], .n_rules = 3};
            broken += sg_check_broken(&c, &values.items[i]) != NULL;
        }
    clock_gettime(CLOCK_MONOTONIC, &to);
    double ns = (double)(to.tv_sec - from.tv_sec) * 1e9 + (double)(to.tv_nsec - from.tv_nsec);
    printf("%.0f ns a record of 5 fields, %d broken\n", ns / ROUNDS, broken);
}

int main(int argc, char **argv) {
    struct sg_arena a;
    sg_arena_init(&a, 0);
    if (argc > 1 && strcmp(argv[1], "time") == 0) measure(&a);
    char *line = NULL;
    size_t cap = 0;
    for (ssize_t n; (n = getline(&line, &cap, stdin)) > 0; sg_arena_reset(&a))
        answer(&a, (struct sg_str){line, (size_t)n});
    free(line);
    sg_arena_fini(&a);
    return 0;
}
