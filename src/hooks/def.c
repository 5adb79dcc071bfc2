/* SPDX-License-Identifier: Apache-2.0 */
/* def: one hook, from its spec to its description. */
#include "hooks/def.h"

static const char *const ROLES[] = {
#define SG_X(role, name) name,
    SG_ROLE_TABLE(SG_X)
#undef SG_X
};

/* Programs in jq know their configuration as $node, and a transform its record as $state. */
static const char *variables_of(const struct sg_def *def) {
    if (def->kind == SG_HOOK_JQ && def->role == SG_ROLE_TRANSFORM) return "\"state\"";
    return def->kind == SG_HOOK_JQ && def->role == SG_ROLE_LAMBDA && def->config.n ? "\"node\"" : "";
}

static struct sg_str load_of(struct sg_arena *a, const struct sg_def *def, struct sg_str node) {
    struct sg_buf b = SG_BUF_INIT(0);
    sg_buf_printf(&b, "\"language\":\"%s\",\"role\":\"%s\",\"variables\":[%s],\"node\":", def->language, ROLES[def->role],
                  variables_of(def));
    sg_json_write_string(&b, node);
    SG_BUF_LIT(&b, ",\"text\":");
    sg_json_write_string(&b, def->text);
    if (def->config.n) SG_BUF_LIT(&b, ",\"config\":");
    sg_buf_str(&b, def->config);
    sg_buf_ch(&b, '}');
    struct sg_str load = sg_str_dup(a, sg_buf_view(&b));
    sg_buf_fini(&b);
    return load;
}

struct sg_def *sg_def_make(struct sg_arena *a, uint32_t number, const char *language, const struct sg_hook_spec *spec,
                           enum sg_hook_role role, struct sg_str node, struct sg_str config) {
    struct sg_def *def = SG_NEW(a, struct sg_def);
    def->language = language;
    def->kind = spec->kind;
    def->role = role;
    def->text = sg_str_dup(a, spec->text);
    def->config = config;
    def->told = (struct sg_host_hook){number, load_of(a, def, node)};
    return def;
}

void sg_def_add_place(struct sg_arena *a, struct sg_def *def, const struct sg_hook_spec *spec) {
    struct sg_def_place *place = SG_PUSH(a, def->places, def->n_places, def->cap_places);
    *place = (struct sg_def_place){spec->mark, sg_str_dup(a, spec->path)};
}

void sg_def_loaded(struct sg_arena *a, struct sg_def *def, const struct sg_json *answer) {
    const struct sg_json *description = sg_json_get(answer, SG_STR("description"));
    if (def->state != SG_DEF_NEW) return; /* another host has told before */
    def->state = SG_DEF_LOADED;
    if (!description || description->type != SG_JSON_OBJECT || description->n == 0) return;
    struct sg_json *copy = SG_NEW(a, struct sg_json);
    *copy = sg_json_copy(a, description);
    def->description = copy;
}

void sg_def_break(struct sg_def *def, struct sg_str fault, struct sg_diags *diags) {
    def->state = SG_DEF_BROKEN;
    def->fault = fault;
    for (size_t i = 0; diags && i < def->n_places; i++)
        sg_error_at(diags, def->places[i].mark, def->places[i].path, NULL, "%s: %.*s", def->language, SG_ARG(fault));
}

struct sg_str sg_def_refusal(struct sg_arena *a, const struct sg_json *answer) {
    const struct sg_json *message = sg_json_get(answer, SG_STR("message"));
    const struct sg_json *line = sg_json_get(answer, SG_STR("line")), *column = sg_json_get(answer, SG_STR("column"));
    struct sg_str text = message && message->type == SG_JSON_STRING ? sg_json_text(message) : SG_STR("refused");
    bool has_line = line && line->type == SG_JSON_NUMBER;
    if (has_line && column && column->type == SG_JSON_NUMBER)
        return sg_str_printf(a, "line %.*s, column %.*s: %.*s", SG_ARG(sg_json_text(line)),
                             SG_ARG(sg_json_text(column)), SG_ARG(text));
    return has_line ? sg_str_printf(a, "line %.*s: %.*s", SG_ARG(sg_json_text(line)), SG_ARG(text))
                    : sg_str_dup(a, text);
}
