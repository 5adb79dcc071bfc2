/* SPDX-License-Identifier: Apache-2.0 */
/* schema: what the reference finds for each record, or never, is found here once: an entry without name or type, an unknown
 * rule (there every record is invalid for it), a rule that no value can satisfy. */
#include "config/schema.h"

#include "config/hook.h"

static const struct {
    const char *key;
    enum sg_rule_kind kind;
} rules[] = {{"is_greater_than", SG_RULE_GREATER},
             {"is_less_than", SG_RULE_LESS},
             {"is_equal_to", SG_RULE_EQUAL},
             {"is_not_empty", SG_RULE_NOT_EMPTY}};
#define N_RULES (sizeof rules / sizeof *rules)

/* Elsewhere a key that nobody knows does nothing. Here it is a check that would not be made. */
static void refuse_unknown(struct sg_cfg *c, const struct sg_yaml *map, struct sg_str path) {
    struct sg_str known[N_RULES + 2] = {SG_STR("name"), SG_STR("type")};
    for (size_t i = 0; i < N_RULES; i++) known[i + 2] = sg_str(rules[i].key);
    for (size_t i = 0; i < map->n; i++) {
        const struct sg_yaml_pair *p = &map->pairs[i];
        if (!sg_key_find(SG_SECTION_CHECK, p->key))
            sg_error_at(c->d, p->key_node->mark, sg_cfg_key(c, path, p->key),
                        sg_cfg_nearest(c, p->key, known, N_RULES + 2,
                                       "rules are is_greater_than, is_less_than, is_equal_to and is_not_empty"),
                        "unknown rule `%.*s`", SG_ARG(p->key));
    }
}

/* Infinity is no JSON, NaN is neither greater nor less; null has no order. */
static bool can_hold(struct sg_cfg *c, const struct sg_yaml_pair *p, struct sg_str path, enum sg_rule_kind kind) {
    const struct sg_yaml *v = p->value;
    struct sg_json json = sg_yaml_to_json(c->a, v);
    bool finite = v->kind != SG_YAML_FLOAT || json.type == SG_JSON_NUMBER, has_order = v->kind != SG_YAML_NULL;
    if (finite && (kind == SG_RULE_EQUAL || has_order)) return true;
    sg_error_at(c->d, has_order ? v->mark : p->key_node->mark, sg_cfg_key(c, path, p->key), NULL,
                finite ? "`%.*s` has no value" : "`%.*s` must be a finite number", SG_ARG(p->key));
    return false;
}

static void read_rule(struct sg_cfg *c, const struct sg_yaml_pair *p, struct sg_str path, struct sg_check_spec *out) {
    size_t i = 0;
    while (i < N_RULES && !sg_str_eq(p->key, sg_str(rules[i].key))) i++;
    if (i == N_RULES) return;
    bool off = rules[i].kind == SG_RULE_NOT_EMPTY && !sg_str_eq(p->value->text, SG_STR("true"));
    if (off || !can_hold(c, p, path, rules[i].kind)) return;
    out->rules[out->n_rules++] = (struct sg_rule_spec){rules[i].kind, sg_yaml_to_json(c->a, p->value)};
}

static struct sg_name read_name(const struct sg_yaml *map, const char *key) {
    const struct sg_yaml *value = sg_cfg_get(map, key, SG_YAML_TEXT);
    return value ? (struct sg_name){value->text, value->mark} : (struct sg_name){0};
}

static void read_check(struct sg_cfg *c, const struct sg_yaml *map, struct sg_str path, struct sg_check_spec *out) {
    out->path = path;
    if (!sg_cfg_keys(c, map, path, SG_SECTION_CHECK, NULL, true)) return;
    refuse_unknown(c, map, path);
    sg_cfg_require(c, map, map->mark, path, "name", "name a field of `output_map`, or a state key");
    sg_cfg_require(c, map, map->mark, path, "type",
                   "write for example type: str; `any` takes everything, `none` is null");
    out->name = read_name(map, "name");
    out->type = read_name(map, "type");
    out->rules = SG_NEW_N(c->a, struct sg_rule_spec, map->n);
    for (size_t i = 0; i < map->n; i++) read_rule(c, &map->pairs[i], path, out);
}

void sg_cfg_schema(struct sg_cfg *c, const struct sg_yaml *root, struct sg_schema_spec *out) {
    static const char *const words[] = {"output", "state"};
    struct sg_str path = SG_STR("schema_config");
    const struct sg_yaml *map = sg_cfg_get(root, "schema_config", SG_YAML_MAP);
    size_t against = 0;
    if (!map || map->n == 0 || !sg_cfg_keys(c, map, path, SG_SECTION_SCHEMA, NULL, false)) return;
    sg_cfg_word(c, map, path, "against", words, 2, &against);
    out->against_state = against == 1;
    const struct sg_yaml *type = sg_yaml_get(map, "schema"), *both = sg_yaml_get(map, "fields");
    out->type = sg_cfg_python(c, type, sg_cfg_key(c, path, SG_STR("schema")));
    if (type && type->kind != SG_YAML_NULL) {
        if (both && both->kind != SG_YAML_NULL)
            sg_warning_at(c->d, sg_yaml_find(map, SG_STR("fields"))->key_node->mark,
                          sg_cfg_key(c, path, SG_STR("fields")), NULL, "`fields` has no effect beside `schema`");
        return;
    }
    if (!sg_cfg_require(c, map, sg_yaml_find(root, path)->key_node->mark, path, "fields",
                        "write a list, - {name: answer, type: str}"))
        return;
    const struct sg_yaml *fields = sg_cfg_get(map, "fields", SG_YAML_LIST);
    if (!fields) return;
    if (fields->n == 0)
        sg_warning_at(c->d, fields->mark, sg_cfg_key(c, path, SG_STR("fields")), NULL, "no field is checked");
    out->checks = SG_NEW_N(c->a, struct sg_check_spec, fields->n);
    path = sg_cfg_key(c, path, SG_STR("fields"));
    for (size_t i = 0; i < fields->n && !sg_cfg_enough(c); i++)
        read_check(c, fields->items[i], sg_cfg_item(c, path, i), &out->checks[out->n_checks++]);
}
