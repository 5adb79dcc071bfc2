/* SPDX-License-Identifier: Apache-2.0 */
/* script: answers given by a file of JSON Lines, the first rule that fits wins:
 *
 *     {"match": "as json", "json": {"score": 4}}
 *     {"match": "retry me", "model": "judge", "status": 503, "times": 2}
 *     {"match": "add", "tool_calls": [{"name": "add", "arguments": {"a": 2, "b": 3}}]}
 *     {"match": "", "reply": "anything else"}
 *
 * `match` is looked for in the last user message and `model` in the model's name; `times` ends a rule after so many uses,
 * counted in the order of arrival. */
#include "mock/mock_parts.h"

#define SCRIPT_MAX ((size_t)64 << 20)

static bool contains(struct sg_str s, struct sg_str part) {
    return part.n == 0 || (s.n >= part.n && memmem(s.p, s.n, part.p, part.n));
}

static int read_text(const struct sg_json *line, const char *key, struct sg_str *out, struct sg_err *err) {
    const struct sg_json *v = sg_json_get(line, sg_str(key));
    if (!v) return 0;
    if (v->type != SG_JSON_STRING) return sg_fail(err, SG_E_TYPE, "\"%s\" must be a string", key);
    *out = sg_json_text(v);
    return 0;
}

static int read_number(const struct sg_json *line, const char *key, int64_t low, int64_t high, int64_t *out,
                       struct sg_err *err) {
    const struct sg_json *v = sg_json_get(line, sg_str(key));
    if (!v) return 0;
    if (!sg_json_to_i64(v, out) || *out < low || *out > high)
        return sg_fail(err, SG_E_TYPE, "\"%s\" must be a number from %lld to %lld", key, (long long)low, (long long)high);
    return 0;
}

static int read_tool_calls(const struct sg_json *line, const struct sg_json **out, struct sg_err *err) {
    const struct sg_json *calls = *out = sg_json_get(line, SG_STR("tool_calls"));
    bool good = !calls || (calls->type == SG_JSON_ARRAY && calls->n > 0);
    for (uint32_t i = 0; good && calls && i < calls->n; i++) {
        const struct sg_json *call = &calls->items[i];
        const struct sg_json *name = call->type == SG_JSON_OBJECT ? sg_json_get(call, SG_STR("name")) : NULL;
        good = name && name->type == SG_JSON_STRING && sg_json_get(call, SG_STR("arguments"));
    }
    return good ? 0 : sg_fail(err, SG_E_TYPE, "\"tool_calls\" must be a list of objects with \"name\" and \"arguments\"");
}

static int read_rule(struct sg_arena *a, struct sg_str text, struct sg_mock_rule *r, struct sg_err *err) {
    struct sg_json *line = SG_NEW(a, struct sg_json);
    int64_t status = 0;
    int rc = sg_json_parse(a, text, line, NULL, err);
    if (rc) return rc;
    if (line->type != SG_JSON_OBJECT) return sg_fail(err, SG_E_TYPE, "a rule must be a JSON object");
    const struct sg_json *json = sg_json_get(line, SG_STR("json")), *reply = sg_json_get(line, SG_STR("reply"));
    *r = (struct sg_mock_rule){.times = -1};
    rc = read_text(line, "match", &r->match, err);
    if (rc == 0) rc = read_text(line, "model", &r->model, err);
    if (rc == 0) rc = read_text(line, "reply", &r->reply, err);
    if (rc == 0) rc = read_tool_calls(line, &r->tool_calls, err);
    if (rc == 0) rc = read_number(line, "status", 400, 599, &status, err);
    if (rc == 0) rc = read_number(line, "times", 0, INT64_MAX, &r->times, err);
    if (rc == 0 && (json != NULL) + (reply != NULL) + (r->tool_calls != NULL) + (status != 0) != 1)
        rc = sg_fail(err, SG_E_SYNTAX, "a rule has one of \"reply\", \"json\", \"tool_calls\" and \"status\"");
    if (json) r->reply = sg_json_dump(a, json);
    r->status = (int)status;
    r->left = r->times;
    return rc;
}

int sg_mock_read_script(struct sg_arena *a, const char *path, struct sg_mock_script *out, struct sg_err *err) {
    struct sg_str text;
    int rc = sg_os_read_file(a, path, SCRIPT_MAX, &text, err);
    for (unsigned number = 1; rc == 0 && text.n; number++) {
        size_t end = sg_str_find(text, '\n', 0);
        struct sg_str line = sg_str_trim((struct sg_str){text.p, end});
        size_t step = end < text.n ? end + 1 : end;
        text.p += step;
        text.n -= step;
        struct sg_mock_rule rule;
        if (line.n == 0) continue;
        rc = read_rule(a, line, &rule, err);
        if (rc) return sg_err_wrap(err, rc, "%s, line %u", path, number);
        *SG_PUSH(a, out->rules, out->n, out->cap) = rule;
    }
    return rc;
}

const struct sg_mock_rule *sg_mock_find_rule(struct sg_mock_script *s, const struct sg_mock_question *q) {
    for (size_t i = 0; i < s->n; i++) {
        struct sg_mock_rule *r = &s->rules[i];
        if (r->left == 0 || !contains(q->model, r->model) || !contains(q->last_user, r->match)) continue;
        if (r->left > 0) r->left--;
        return r;
    }
    return NULL;
}

void sg_mock_rewind_script(struct sg_mock_script *s) {
    for (size_t i = 0; i < s->n; i++) s->rules[i].left = s->rules[i].times;
}
