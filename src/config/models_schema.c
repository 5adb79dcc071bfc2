/* SPDX-License-Identifier: Apache-2.0 */
/* structured_output of a model: its form is checked as it will count; until calls carry a schema it changes nothing else. */
#include "config/models.h"

#define CLASS_HELP "write module.Class, or a map: {fields: {name: {type: str}}}"

static void check_field(struct sg_cfg *c, const struct sg_yaml_pair *field, struct sg_str path) {
    static const char *const types[] = {"str", "int", "float", "bool", "list", "dict"};
    size_t type;
    path = sg_cfg_key(c, path, field->key);
    if (field->value->kind != SG_YAML_MAP)
        sg_error_at(c->d, field->value->mark.line ? field->value->mark : field->key_node->mark, path, "write {type: str}",
                    "a field of a schema must be a map, not %s", sg_cfg_show(c, field->value));
    else if (sg_cfg_keys(c, field->value, path, SG_SECTION_STRUCTURED_FIELD, NULL, false) &&
             sg_cfg_require(c, field->value, field->key_node->mark, path, "type", "write {type: str}"))
        sg_cfg_word(c, field->value, path, "type", types, sizeof types / sizeof *types, &type);
}

static void check_fields(struct sg_cfg *c, const struct sg_yaml *schema, struct sg_str path) {
    if (!sg_cfg_keys(c, schema, path, SG_SECTION_STRUCTURED_SCHEMA, NULL, false) ||
        !sg_cfg_require(c, schema, schema->mark, path, "fields", CLASS_HELP))
        return;
    const struct sg_yaml *fields = sg_cfg_get(schema, "fields", SG_YAML_MAP);
    path = sg_cfg_key(c, path, SG_STR("fields"));
    for (size_t i = 0; fields && i < fields->n && !sg_cfg_enough(c); i++) check_field(c, &fields->pairs[i], path);
}

void sg_models_check_schema(struct sg_cfg *c, const struct sg_yaml *merged, struct sg_str path) {
    const struct sg_yaml_pair *pair = sg_yaml_find(merged, SG_STR("structured_output"));
    const struct sg_yaml *map = pair ? pair->value : NULL, *enabled = sg_yaml_get(map, "enabled"), *schema;
    path = sg_cfg_key(c, path, SG_STR("structured_output"));
    if (!map || map->kind != SG_YAML_MAP || !sg_cfg_keys(c, map, path, SG_SECTION_STRUCTURED, NULL, false)) return;
    if (enabled && enabled->kind == SG_YAML_BOOL && sg_str_eq(enabled->text, SG_STR("false"))) return;
    if (!sg_cfg_require(c, map, pair->key_node->mark, path, "schema", CLASS_HELP)) return;
    schema = sg_yaml_get(map, "schema");
    struct sg_str schema_path = sg_cfg_key(c, path, SG_STR("schema"));
    if (schema->kind == SG_YAML_MAP) check_fields(c, schema, schema_path);
    else if (schema->kind == SG_YAML_TEXT && sg_str_find(schema->text, '.', 0) == schema->text.n)
        sg_error_at(c->d, schema->mark, schema_path, CLASS_HELP, "%s is no dotted path of a class", sg_cfg_show(c, schema));
    if (!c->idle)
        sg_warning_at(c->d, pair->key_node->mark, path, "say in the prompt which form the reply must have",
                      "`structured_output` is not yet sent with the call: the reply has the form that the model gives it");
}
