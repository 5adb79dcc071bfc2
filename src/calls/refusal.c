/* SPDX-License-Identifier: Apache-2.0 */
/* What endpoints say when they refuse: {error: {message, code}}, {message}, {detail}, or a page of something else; and the
 * two forms of Azure's content filter: {error: {code: content_filter, innererror: {content_filter_result: {hate: {filtered,
 * severity}}}}} for prompts, choices[].content_filter_results for answers. */
#include "calls/provider.h"

struct sg_str sg_filtered_text(struct sg_arena *scratch, const struct sg_json *result) {
    struct sg_str out = SG_STR_NONE;
    for (uint32_t i = 0; result && result->type == SG_JSON_OBJECT && i < result->n; i++) {
        const struct sg_member *m = &result->members[i];
        const struct sg_json *filtered = sg_json_get(&m->value, SG_STR("filtered"));
        const struct sg_json *severity = sg_json_get(&m->value, SG_STR("severity"));
        if (!filtered || filtered->type != SG_JSON_TRUE) continue;
        struct sg_str how = severity && severity->type == SG_JSON_STRING ? sg_json_text(severity) : SG_STR_NONE;
        out = sg_str_printf(scratch, "%.*s%s%.*s%s%.*s", SG_ARG(out), out.n ? ", " : "", SG_ARG(m->key),
                            how.n ? " " : "", SG_ARG(how));
    }
    return out;
}

static struct sg_str with_filter(struct sg_arena *scratch, const struct sg_json *error, struct sg_str text) {
    const struct sg_json *inner = sg_json_get(error, SG_STR("innererror"));
    struct sg_str found = sg_filtered_text(scratch, inner ? sg_json_get(inner, SG_STR("content_filter_result")) : NULL);
    return sg_str_printf(scratch, "the content filter refused the prompt%s%.*s%s: %.*s", found.n ? " (" : "",
                         SG_ARG(found), found.n ? ")" : "", SG_ARG(text));
}

struct sg_str sg_refusal_text(struct sg_arena *scratch, struct sg_str body, bool *quota) {
    struct sg_json v;
    *quota = false;
    if (sg_json_parse(scratch, body, &v, NULL, NULL) != 0) return sg_redact_short(scratch, body);
    const struct sg_json *e = sg_json_get(&v, SG_STR("error"));
    const struct sg_json *code = e ? sg_json_get(e, SG_STR("code")) : NULL;
    *quota = code && sg_json_is_text(code, SG_STR("insufficient_quota"));
    const struct sg_json *text = e && e->type == SG_JSON_OBJECT ? sg_json_get(e, SG_STR("message")) : e;
    if (!text) text = sg_json_get(&v, SG_STR("message"));
    if (!text) text = sg_json_get(&v, SG_STR("detail"));
    struct sg_str shown = text && text->type == SG_JSON_STRING ? sg_json_text(text) : sg_redact_short(scratch, body);
    return code && sg_json_is_text(code, SG_STR("content_filter")) ? with_filter(scratch, e, shown) : shown;
}
