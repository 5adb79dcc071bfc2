/* SPDX-License-Identifier: Apache-2.0 */
/* request: from bytes to what is asked of the model.
 *
 * A request is read as a whole or not at all: when it comes in pieces the caller gathers them and asks again. That reads a
 * head twice now and then, and keeps no state between pieces. */
#include "mock/mock_parts.h"

#include "net/http1_parse.h"

#define HEAD_MAX (64 * 1024)
#define BODY_MAX ((uint64_t)64 << 20)
#define CHOICES_MAX 128

/* --- HTTP --------------------------------------------------------------------------------------------------------------- */

struct framing {
    bool has_length, chunked;
    uint64_t length;
};

/* "METHOD SP target SP HTTP/1.x" */
static int read_request_line(struct sg_str *rest, struct sg_mock_http *r) {
    struct sg_str line = {rest->p, sg_str_find(*rest, '\n', 0) - 1}; /* the head is whole: an LF has its CR */
    size_t one = sg_str_find(line, ' ', 0), two = sg_str_find(line, ' ', one + 1);
    if (two >= line.n || line.n - two != 9 || memcmp(line.p + two + 1, "HTTP/1.", 7) != 0) return SG_E_PROTOCOL;
    r->method = (struct sg_str){line.p, one};
    r->path = (struct sg_str){line.p + one + 1, two - one - 1};
    r->path.n = sg_str_find(r->path, '?', 0);
    r->keep_alive = line.p[line.n - 1] == '1';
    rest->p += line.n + 2;
    rest->n -= line.n + 2;
    return 0;
}

static int read_header(struct sg_mock_http *r, struct framing *f, struct sg_str name, struct sg_str value) {
    if (sg_http1_name_is(name, SG_STR("content-length"))) {
        if (f->has_length || !sg_http1_number(value, &f->length)) return SG_E_PROTOCOL;
        f->has_length = true;
    } else if (sg_http1_name_is(name, SG_STR("transfer-encoding"))) {
        if (!sg_http1_name_is(value, SG_STR("chunked"))) return SG_E_PROTOCOL;
        f->chunked = true;
    } else if (sg_http1_name_is(name, SG_STR("connection"))) {
        if (sg_http1_has_token(value, SG_STR("close"))) r->keep_alive = false;
        if (sg_http1_has_token(value, SG_STR("keep-alive"))) r->keep_alive = true;
    } else if (sg_http1_name_is(name, SG_STR("expect"))) {
        r->wants_continue = sg_http1_name_is(value, SG_STR("100-continue"));
    } else if (sg_http1_name_is(name, SG_STR("authorization")) || sg_http1_name_is(name, SG_STR("api-key"))) {
        r->with_auth = value.n > 0;
    }
    return 0;
}

static int read_head(struct sg_str head, struct sg_mock_http *r, struct framing *f) {
    struct sg_str name, value;
    const char *why;
    int rc = read_request_line(&head, r), more = 1;
    while (rc == 0 && (more = sg_http1_field(&head, &name, &value, &why)) > 0) rc = read_header(r, f, name, value);
    if (rc == 0 && (more < 0 || (f->has_length && f->chunked))) rc = SG_E_PROTOCOL;
    return rc == 0 && f->length > BODY_MAX ? SG_E_LIMIT : rc;
}

static int read_chunked(struct sg_str rest, struct sg_buf *chunked, struct sg_mock_http *r, size_t *used) {
    struct sg_http1_chunks chunks = {0};
    const char *why;
    sg_buf_reset(chunked, 1 << 20);
    chunked->max = BODY_MAX;
    int rc = sg_http1_chunks_take(&chunks, rest, used, chunked, &why);
    r->body = sg_buf_view(chunked);
    return rc;
}

int sg_mock_read_http(struct sg_str in, struct sg_buf *chunked, struct sg_mock_http *out, size_t *used) {
    *out = (struct sg_mock_http){0};
    struct framing f = {0};
    size_t seen = 0;
    ssize_t head = sg_http1_head_length(in, &seen);
    if (head < 0) return (int)head;
    if ((head ? (size_t)head : in.n) > HEAD_MAX) return SG_E_LIMIT;
    if (head == 0) return 0;
    int rc = read_head((struct sg_str){in.p, (size_t)head}, out, &f);
    if (rc) return rc;
    struct sg_str rest = {in.p + head, in.n - (size_t)head};
    if (f.chunked) {
        rc = read_chunked(rest, chunked, out, used);
    } else {
        rc = rest.n >= f.length;
        out->body = (struct sg_str){rest.p, (size_t)f.length};
        *used = (size_t)f.length;
    }
    *used += (size_t)head;
    return rc;
}

static struct sg_str without(struct sg_str s, struct sg_str prefix) {
    return sg_str_starts(s, prefix) ? (struct sg_str){s.p + prefix.n, s.n - prefix.n} : s;
}

/* "/openai/deployments/NAME/rest" gives "/rest". */
static struct sg_str without_deployment(struct sg_str path, struct sg_str *name) {
    struct sg_str rest = without(path, SG_STR("/openai/deployments/"));
    if (rest.n == path.n) return path;
    size_t end = sg_str_find(rest, '/', 0);
    *name = (struct sg_str){rest.p, end};
    return (struct sg_str){rest.p + end, rest.n - end};
}

enum sg_mock_path sg_mock_path_of(const struct sg_mock_http *r, struct sg_str *deployment) {
    static const struct {
        const char *path, *method;
        enum sg_mock_path is;
    } PATHS[] = {
        {"/chat/completions", "POST", SG_MOCK_CHAT}, {"/completions", "POST", SG_MOCK_COMPLETION},
        {"/models", "GET", SG_MOCK_MODELS},          {"/health", "GET", SG_MOCK_HEALTH},
        {"/__stats", "GET", SG_MOCK_STATS},          {"/__reset", "POST", SG_MOCK_RESET},
    };
    *deployment = SG_STR_NONE;
    struct sg_str path = without_deployment(r->path, deployment);
    if (!deployment->n) path = without(path, SG_STR("/openai")); /* of Azure's API without versions */
    path = without(path, SG_STR("/v1"));
    for (size_t i = 0; i < sizeof PATHS / sizeof *PATHS; i++) {
        if (!sg_str_eq(path, sg_str(PATHS[i].path))) continue;
        return sg_str_eq(r->method, sg_str(PATHS[i].method)) ? PATHS[i].is : SG_MOCK_WRONG_METHOD;
    }
    return SG_MOCK_NOWHERE;
}

/* --- the question ------------------------------------------------------------------------------------------------------- */

/* About 4 bytes of English make a token. */
uint32_t sg_mock_count_tokens(struct sg_str text) {
    return (uint32_t)(text.n / 4 + (text.n % 4 != 0));
}

static struct sg_str text_of(const struct sg_json *v) {
    return v && v->type == SG_JSON_STRING ? sg_json_text(v) : SG_STR_NONE;
}

static const struct sg_json *get(const struct sg_json *object, const char *key) {
    return sg_json_get(object, sg_str(key));
}

/* A string, or the texts of a list of parts ({"type": "text", "text": ...}) one after the other. */
static struct sg_str flat_text(struct sg_arena *a, const struct sg_json *content) {
    if (!content || content->type != SG_JSON_ARRAY) return text_of(content);
    struct sg_str all = SG_STR_NONE;
    for (uint32_t i = 0; i < content->n; i++) {
        const struct sg_json *part = &content->items[i];
        struct sg_str text = part->type == SG_JSON_OBJECT ? text_of(get(part, "text")) : text_of(part);
        all = all.n ? sg_str_join(a, all, text) : text;
    }
    return all;
}

static void add_text(struct sg_mock_question *q, struct sg_str text) {
    q->hash = sg_hash64(text, q->hash);
    q->prompt_tokens += sg_mock_count_tokens(text);
}

static int read_messages(struct sg_arena *a, const struct sg_json *messages, struct sg_mock_question *q,
                         struct sg_err *err) {
    if (!messages || messages->type != SG_JSON_ARRAY || messages->n == 0)
        return sg_fail(err, SG_E_TYPE, "'messages' must be a list that is not empty");
    for (uint32_t i = 0; i < messages->n; i++) {
        const struct sg_json *m = &messages->items[i];
        if (m->type != SG_JSON_OBJECT) return sg_fail(err, SG_E_TYPE, "'messages[%u]' must be an object", i);
        struct sg_str role = text_of(get(m, "role")), text = flat_text(a, get(m, "content"));
        if (!role.n) return sg_fail(err, SG_E_TYPE, "'messages[%u].role' is missing", i);
        q->hash = sg_hash64(role, q->hash);
        add_text(q, text);
        q->prompt_tokens += 3; /* what a chat template adds */
        if (sg_str_eq(role, SG_STR("user"))) q->last_user = text;
    }
    return 0;
}

static int read_prompt(struct sg_arena *a, const struct sg_json *prompt, struct sg_mock_question *q,
                       struct sg_err *err) {
    if (!prompt || (prompt->type != SG_JSON_STRING && prompt->type != SG_JSON_ARRAY))
        return sg_fail(err, SG_E_TYPE, "'prompt' must be a string");
    q->last_user = flat_text(a, prompt);
    add_text(q, q->last_user);
    return 0;
}

static int read_count(const struct sg_json *request, const char *key, uint32_t most, uint32_t *out, struct sg_err *err) {
    const struct sg_json *v = get(request, key);
    int64_t n;
    if (!v || v->type == SG_JSON_NULL) return 0;
    if (!sg_json_to_i64(v, &n) || n < 1 || n > most)
        return sg_fail(err, SG_E_TYPE, "'%s' must be a whole number from 1 to %u", key, most);
    *out = (uint32_t)n;
    return 0;
}

static void read_format(const struct sg_json *format, struct sg_mock_question *q) {
    struct sg_str type = text_of(get(format, "type"));
    bool by_schema = sg_str_eq(type, SG_STR("json_schema"));
    q->as_json = by_schema || sg_str_eq(type, SG_STR("json_object"));
    const struct sg_json *holder = by_schema ? get(format, "json_schema") : NULL;
    if (holder) q->schema = get(holder, "schema");
}

static int read_settings(const struct sg_json *request, struct sg_mock_question *q, struct sg_err *err) {
    const struct sg_json *stream = get(request, "stream"), *format = get(request, "response_format");
    if (stream && stream->type == SG_JSON_TRUE)
        return sg_fail(err, SG_E_UNSUPPORTED, "this server does not stream: leave 'stream' out");
    q->choices = 1;
    int rc = read_count(request, "n", CHOICES_MAX, &q->choices, err);
    if (rc == 0) rc = read_count(request, "max_tokens", INT32_MAX, &q->max_tokens, err);
    if (rc == 0) rc = read_count(request, "max_completion_tokens", INT32_MAX, &q->max_tokens, err);
    if (rc == 0 && format) read_format(format, q);
    return rc;
}

int sg_mock_read_question(struct sg_arena *a, struct sg_str body, struct sg_mock_question *q, struct sg_err *err) {
    struct sg_json *request = SG_NEW(a, struct sg_json);
    int rc = sg_json_parse(a, body, request, NULL, err);
    if (rc) return rc;
    if (request->type != SG_JSON_OBJECT) return sg_fail(err, SG_E_TYPE, "the body must be a JSON object");
    struct sg_str model = text_of(get(request, "model"));
    if (model.n) q->model = model;
    if (!q->model.n) return sg_fail(err, SG_E_TYPE, "'model' is missing");
    q->hash = sg_hash64(q->model, (uint64_t)q->path);
    rc = q->path == SG_MOCK_CHAT ? read_messages(a, get(request, "messages"), q, err)
                                 : read_prompt(a, get(request, "prompt"), q, err);
    return rc ? rc : read_settings(request, q, err);
}
