/* SPDX-License-Identifier: Apache-2.0 */
/* body: see body.h. Members that are not known are passed over, so that later versions may add some. */
#include "journal/body.h"

#define PLAIN_END SG_STR("stop")

bool sg_reply_is_plain(const struct sg_reply *r) {
    bool tools = r->tool_calls.type == SG_JSON_ARRAY && r->tool_calls.n > 0;
    return r->usage_known && !tools && sg_str_eq(r->finish_reason, PLAIN_END);
}

void sg_reply_write(struct sg_buf *out, const struct sg_reply *r) {
    SG_BUF_LIT(out, "{\"text\":");
    sg_json_write_text(out, r->text);
    SG_BUF_LIT(out, ",\"finish_reason\":");
    sg_json_write_text(out, r->finish_reason);
    if (r->tool_calls.type == SG_JSON_ARRAY) {
        SG_BUF_LIT(out, ",\"tool_calls\":");
        sg_json_write(out, &r->tool_calls);
    }
    if (!r->usage_known) SG_BUF_LIT(out, ",\"usage\":false");
    sg_buf_ch(out, '}');
}

static struct sg_str text_of(const struct sg_json *object, struct sg_str key) {
    const struct sg_json *v = sg_json_get(object, key);
    return v && v->type == SG_JSON_STRING ? sg_json_text(v) : SG_STR("");
}

static int read_object(struct sg_arena *a, bool right_kind, struct sg_str body, const char *what, struct sg_json *out,
                       struct sg_err *err) {
    bool fine = right_kind && sg_json_parse(a, body, out, NULL, NULL) == 0 && out->type == SG_JSON_OBJECT;
    return fine ? 0 : sg_fail(err, SG_E_SYNTAX, "the body is no %s", what);
}

int sg_reply_read(struct sg_arena *a, uint32_t kind, struct sg_str body, struct sg_reply *out, struct sg_err *err) {
    struct sg_json v;
    *out = (struct sg_reply){.text = body, .finish_reason = PLAIN_END, .usage_known = true};
    if (kind == SG_BODY_REPLY) return 0;
    int rc = read_object(a, kind == SG_BODY_REPLY_JSON, body, "reply", &v, err);
    if (rc < 0) return rc;
    const struct sg_json *tools = sg_json_get(&v, SG_STR("tool_calls")), *usage = sg_json_get(&v, SG_STR("usage"));
    out->text = text_of(&v, SG_STR("text"));
    out->finish_reason = text_of(&v, SG_STR("finish_reason"));
    out->usage_known = !usage || usage->type != SG_JSON_FALSE;
    if (tools) out->tool_calls = *tools;
    return 0;
}

void sg_failure_write(struct sg_buf *out, const struct sg_err *failure) {
    struct sg_buf clean = SG_BUF_INIT(SIZE_MAX);
    sg_redact(&clean, sg_str(failure->text));
    SG_BUF_LIT(out, "{\"error\":");
    sg_json_write_text(out, sg_str(sg_error_name(failure->code)));
    SG_BUF_LIT(out, ",\"message\":");
    sg_json_write_text(out, sg_buf_view(&clean));
    if (failure->status) sg_buf_printf(out, ",\"status\":%d", failure->status);
    sg_buf_ch(out, '}');
    sg_buf_fini(&clean);
}

int sg_failure_read(struct sg_arena *a, uint32_t kind, struct sg_str body, struct sg_err *out, struct sg_err *err) {
    struct sg_json v;
    int rc = read_object(a, kind == SG_BODY_FAILURE, body, "failure", &v, err);
    if (rc < 0) return rc;
    const struct sg_json *status = sg_json_get(&v, SG_STR("status"));
    int64_t number = 0;
    if (status) sg_json_to_i64(status, &number);
    int code = sg_error_named(text_of(&v, SG_STR("error")));
    sg_fail(out, code ? code : SG_E_SYNTAX, "%.*s", SG_ARG(text_of(&v, SG_STR("message"))));
    out->status = (int)number;
    return 0;
}
