/* SPDX-License-Identifier: Apache-2.0 */
/* Chat completions as OpenAI defined them and vLLM serves them: POST {url}/chat/completions, one JSON object each way.
 * `parameters` of the model are spread into the body, `extra_body` in it is merged at the top level (spec-models 1.5). */
#include "calls/provider.h"

static void write_member(struct sg_buf *out, const struct sg_member *m) {
    sg_buf_ch(out, ',');
    sg_json_write_string(out, m->key);
    sg_buf_ch(out, ':');
    sg_json_write(out, &m->value);
}

static void write_tools(struct sg_buf *out, const struct sg_request *r) {
    const struct sg_member tools = {SG_STR("tools"), r->tools}, choice = {SG_STR("tool_choice"), r->tool_choice};
    if (r->tools.type != SG_JSON_ARRAY) return;
    write_member(out, &tools);
    write_member(out, &choice);
}

static void encode(struct sg_buf *out, const struct sg_model_spec *m, const struct sg_request *r) {
    SG_BUF_LIT(out, "{\"model\":");
    sg_json_write_string(out, m->wire_name);
    SG_BUF_LIT(out, ",\"messages\":");
    sg_json_write(out, &r->messages);
    write_tools(out, r);
    for (uint32_t i = 0; m->parameters.type == SG_JSON_OBJECT && i < m->parameters.n; i++) {
        const struct sg_member *p = &m->parameters.members[i];
        if (!sg_str_eq(p->key, SG_STR("extra_body"))) {
            write_member(out, p);
            continue;
        }
        for (uint32_t k = 0; p->value.type == SG_JSON_OBJECT && k < p->value.n; k++)
            write_member(out, &p->value.members[k]);
    }
    sg_buf_ch(out, '}');
}

static struct sg_str url(struct sg_arena *a, const struct sg_model_spec *m, size_t i) {
    struct sg_str base = m->urls[i];
    while (base.n && base.p[base.n - 1] == '/') base.n--;
    return sg_str_ends(base, SG_STR("/chat/completions")) ? base : sg_str_join(a, base, SG_STR("/chat/completions"));
}

static void headers(struct sg_buf *out, const struct sg_model_spec *m, struct sg_str token) {
    (void)m;
    if (sg_str_starts(token, SG_STR("Bearer "))) token = (struct sg_str){token.p + 7, token.n - 7};
    if (token.n) sg_buf_printf(out, "Authorization: Bearer %.*s\r\n", SG_ARG(token));
}

static const struct sg_json *path(const struct sg_json *v, const char *first, const char *second) {
    v = sg_json_get(v, sg_str(first));
    return v && second ? sg_json_get(v, sg_str(second)) : v;
}

/* What a person needs to see of a reply that is no completion. */
static int refuse(struct sg_err *err, struct sg_str body, const char *what) {
    struct sg_buf start = SG_BUF_INIT(0);
    sg_redact_start(&start, body, 80);
    sg_fail(err, SG_E_REPLY, "%s; it begins with: %.*s", what, (int)(start.n < 80 ? start.n : 80), start.p ? start.p : "");
    sg_buf_fini(&start);
    return SG_E_REPLY;
}

static int error_object(const struct sg_json *e, struct sg_err *err) {
    const struct sg_json *text = e->type == SG_JSON_STRING ? e : sg_json_get(e, SG_STR("message"));
    struct sg_str shown = text && text->type == SG_JSON_STRING ? sg_json_text(text) : SG_STR("no message");
    return sg_fail(err, SG_E_REPLY, "the reply is an error object: %.*s", SG_ARG(shown));
}

/* A list of parts, as some servers answer: their texts joined. */
static struct sg_str join_parts(struct sg_arena *scratch, const struct sg_json *parts) {
    struct sg_str out = SG_STR("");
    for (uint32_t i = 0; i < parts->n; i++) {
        const struct sg_json *t =
            parts->items[i].type == SG_JSON_STRING ? &parts->items[i] : sg_json_get(&parts->items[i], SG_STR("text"));
        if (t && t->type == SG_JSON_STRING) out = sg_str_join(scratch, out, sg_json_text(t));
    }
    return out;
}

static void read_usage(const struct sg_json *reply, struct sg_usage *u) {
    const struct sg_json *in = path(reply, "usage", "prompt_tokens"),
                         *gen = path(reply, "usage", "completion_tokens");
    int64_t p = -1, c = -1;
    u->known = in && gen && sg_json_to_i64(in, &p) && sg_json_to_i64(gen, &c) && p >= 0 && c >= 0;
    u->prompt_tokens = u->known ? (uint64_t)p : 0;
    u->completion_tokens = u->known ? (uint64_t)c : 0;
}

static int decode(struct sg_arena *scratch, const struct sg_model_spec *m, struct sg_str body,
                  struct sg_completion *out, struct sg_err *err) {
    struct sg_json reply;
    if (sg_json_parse(scratch, body, &reply, NULL, NULL) != 0) return refuse(err, body, "the reply is not JSON");
    const struct sg_json *error = sg_json_get(&reply, SG_STR("error"));
    if (error && error->type != SG_JSON_NULL) return error_object(error, err);
    const struct sg_json *choices = sg_json_get(&reply, SG_STR("choices"));
    if (!choices || choices->type != SG_JSON_ARRAY || choices->n == 0)
        return refuse(err, body, "the reply has no choices");
    const struct sg_json *message = sg_json_get(&choices->items[0], SG_STR("message"));
    if (!message || message->type != SG_JSON_OBJECT) return refuse(err, body, "the reply has no message");
    const struct sg_json *content = sg_json_get(message, SG_STR("content"));
    struct sg_str text = SG_STR("");
    if (content && content->type == SG_JSON_STRING) text = sg_json_text(content);
    else if (content && content->type == SG_JSON_ARRAY) text = join_parts(scratch, content);
    else if (content && content->type != SG_JSON_NULL) return refuse(err, body, "the reply's content is no text");
    const struct sg_json *tools = sg_json_get(message, SG_STR("tool_calls"));
    const struct sg_json *reason = sg_json_get(&choices->items[0], SG_STR("finish_reason"));
    *out = (struct sg_completion){
        .text = sg_completion_clean(scratch, m, text),
        .tool_calls = tools && tools->type == SG_JSON_ARRAY ? *tools : sg_json_null(),
        .finish_reason = reason && reason->type == SG_JSON_STRING ? sg_json_text(reason) : SG_STR(""),
    };
    read_usage(&reply, &out->usage);
    return 0;
}

static struct sg_str without(struct sg_arena *scratch, struct sg_str text, struct sg_str token) {
    if (token.n == 0 || !memmem(text.p, text.n, token.p, token.n)) return text;
    char *out = sg_alloc(scratch, text.n);
    size_t n = 0;
    for (size_t i = 0; i < text.n;) {
        if (text.n - i >= token.n && memcmp(text.p + i, token.p, token.n) == 0) i += token.n;
        else out[n++] = text.p[i++];
    }
    return (struct sg_str){out, n};
}

struct sg_str sg_completion_clean(struct sg_arena *scratch, const struct sg_model_spec *m, struct sg_str text) {
    return m->post_process.kind == SG_HOOK_NONE ? sg_reply_clean(scratch, m, text) : text;
}

struct sg_str sg_reply_clean(struct sg_arena *scratch, const struct sg_model_spec *m, struct sg_str text) {
    for (uint32_t i = 0; m->special_tokens.type == SG_JSON_ARRAY && i < m->special_tokens.n; i++)
        if (m->special_tokens.items[i].type == SG_JSON_STRING)
            text = without(scratch, text, sg_json_text(&m->special_tokens.items[i]));
    return sg_str_trim_unicode(text);
}

const struct sg_provider sg_provider_openai = {
    .name = "openai", .url = url, .headers = headers, .encode = encode, .decode = decode};
