/* SPDX-License-Identifier: Apache-2.0 */
/* recording: reading one. Requests are compared as compact JSON, so a file may be formatted by hand. Calls are sorted by node and
 * hash of their request; equal ones stay in the order of the file. */
#include "data/recording.h"

#include <stdlib.h>

#define MAX_BYTES ((size_t)1 << 30)
#define FORMAT 1

struct recorded {
    struct sg_str node;
    uint64_t hash;
    size_t line;
    struct sg_past_call call;
};

struct sg_recording {
    struct sg_arena arena;
    struct recorded *calls;
    size_t n, cap;
    struct sg_past_source source;
};

/* --- lines ------------------------------------------------------------------------------------------------------ */

struct reading {
    struct sg_recording *r;
    const char *path;
    size_t line;
    struct sg_err *err;
};

static int bad(const struct reading *in, const char *what) {
    return sg_fail(in->err, SG_E_SYNTAX, "%s:%zu: %s", in->path, in->line, what);
}

static uint64_t number(const struct sg_json *object, const char *key, uint64_t otherwise) {
    const struct sg_json *v = sg_json_get(object, sg_str(key));
    int64_t n = 0;
    return v && sg_json_to_i64(v, &n) && n >= 0 ? (uint64_t)n : otherwise;
}

static struct sg_str text(const struct sg_json *object, const char *key) {
    const struct sg_json *v = sg_json_get(object, sg_str(key));
    return v && v->type == SG_JSON_STRING ? sg_json_text(v) : SG_STR("");
}

static void read_reply(const struct sg_json *line, const struct sg_json *reply, struct sg_past_call *c) {
    const struct sg_json *tools = sg_json_get(reply, SG_STR("tool_calls")), *usage = sg_json_get(line, SG_STR("usage"));
    c->row.state = SG_CALL_ANSWERED;
    c->row.has_body = true;
    c->row.status = 200;
    c->reply.text = text(reply, "text");
    c->reply.finish_reason = text(reply, "finish_reason");
    if (tools && tools->type == SG_JSON_ARRAY) c->reply.tool_calls = *tools;
    c->reply.usage_known = usage && usage->type == SG_JSON_OBJECT;
    c->row.prompt_tokens = c->reply.usage_known ? number(usage, "prompt_tokens", 0) : 0;
    c->row.completion_tokens = c->reply.usage_known ? number(usage, "completion_tokens", 0) : 0;
}

static void read_failure(struct sg_arena *a, const struct sg_json *failure, struct sg_past_call *c) {
    struct sg_err *err = SG_NEW(a, struct sg_err);
    int code = sg_error_named(text(failure, "error"));
    c->row.state = SG_CALL_FAILED;
    sg_fail(err, code ? code : SG_E_STATUS, "%.*s", SG_ARG(text(failure, "message")));
    err->status = c->row.status = (int)number(failure, "status", 0);
    c->failure = err;
}

static int read_call(struct reading *in, const struct sg_json *line) {
    struct sg_arena *a = &in->r->arena;
    const struct sg_json *request = sg_json_get(line, SG_STR("request")), *reply = sg_json_get(line, SG_STR("reply")),
                         *failure = sg_json_get(line, SG_STR("failure"));
    struct recorded c = {.node = text(line, "node"), .line = in->line};
    if (c.node.n == 0) return bad(in, "a call needs its `node`");
    if (!request || request->type != SG_JSON_OBJECT) return bad(in, "a call needs its `request`, an object");
    if (!reply == !failure) return bad(in, "a call has either a `reply` or a `failure`");
    c.call.request = sg_json_dump(a, request);
    c.hash = sg_hash64(c.call.request, 0);
    c.call.row = (struct sg_call_row){.position = number(line, "position", 0),
                                      .visit = (uint32_t)number(line, "visit", 0),
                                      .ordinal = (uint32_t)number(line, "ordinal", 0),
                                      .attempts = (uint32_t)number(line, "attempts", 1)};
    if (reply) read_reply(line, reply, &c.call);
    else read_failure(a, failure, &c.call);
    *SG_PUSH(a, in->r->calls, in->r->n, in->r->cap) = c;
    return 0;
}

static int read_line(struct reading *in, struct sg_str line) {
    struct sg_json v;
    in->line++;
    if (sg_str_trim(line).n == 0) return 0;
    if (sg_json_parse(&in->r->arena, line, &v, NULL, NULL) != 0 || v.type != SG_JSON_OBJECT)
        return bad(in, "is no JSON object");
    const struct sg_json *format = sg_json_get(&v, SG_STR("recording"));
    if (in->line > 1) return format ? bad(in, "a second beginning") : read_call(in, &v);
    if (!format) return bad(in, "is no recording: its first line is {\"recording\":1}");
    if (number(&v, "recording", 0) == FORMAT) return 0;
    sg_fail(in->err, SG_E_UNSUPPORTED, "%s: is a recording of another format; this program knows %d", in->path, FORMAT);
    return SG_E_UNSUPPORTED;
}

/* --- looking up ------------------------------------------------------------------------------------------------- */

static int by_request(const void *a, const void *b) {
    const struct recorded *x = a, *y = b;
    int order = sg_str_cmp(x->node, y->node);
    if (order) return order;
    if (x->hash != y->hash) return x->hash < y->hash ? -1 : 1;
    return x->line < y->line ? -1 : x->line > y->line;
}

/* The first that does not come before. */
static size_t first_of(const struct sg_recording *r, struct sg_str node, uint64_t hash) {
    const struct recorded key = {.node = node, .hash = hash};
    size_t low = 0, high = r->n;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (by_request(&r->calls[mid], &key) < 0) low = mid + 1;
        else high = mid;
    }
    return low;
}

/* Bytes of the longer one that are not in a common beginning or end. */
static size_t distance(struct sg_str a, struct sg_str b) {
    size_t front = 0, back = 0;
    while (front < a.n && front < b.n && a.p[front] == b.p[front]) front++;
    while (back < a.n - front && back < b.n - front && a.p[a.n - 1 - back] == b.p[b.n - 1 - back]) back++;
    return (a.n > b.n ? a.n : b.n) - front - back;
}

static struct sg_str nearest_of(const struct sg_recording *r, const struct sg_past_question *q) {
    struct sg_str best = SG_STR_NONE;
    size_t least = SIZE_MAX;
    for (size_t i = first_of(r, q->node, 0); i < r->n && sg_str_eq(r->calls[i].node, q->node); i++) {
        size_t far = distance(r->calls[i].call.request, q->request);
        if (far >= least) continue;
        least = far;
        best = r->calls[i].call.request;
    }
    return best;
}

static const struct sg_past_call *find(void *ud, const struct sg_past_question *q, struct sg_str *nearest) {
    const struct sg_recording *r = ud;
    uint64_t hash = sg_hash64(q->request, 0);
    const struct sg_past_call *found = NULL;
    for (size_t i = first_of(r, q->node, hash); i < r->n; i++) {
        const struct recorded *c = &r->calls[i];
        const struct sg_call_row *row = &c->call.row;
        if (c->hash != hash || !sg_str_eq(c->node, q->node)) break;
        if (!sg_str_eq(c->call.request, q->request)) continue;
        bool own = row->position == q->position && row->visit == q->visit && row->ordinal == q->ordinal;
        if (!found || own) found = &c->call;
        if (own) break;
    }
    if (!found) *nearest = nearest_of(r, q);
    return found;
}

static bool has_none(void *ud, uint64_t position) {
    (void)ud, (void)position;
    return false;
}

/* --- the whole -------------------------------------------------------------------------------------------------- */

static int read_all(struct reading *in, struct sg_str bytes) {
    int rc = 0;
    for (size_t at = 0; at < bytes.n && rc == 0;) {
        size_t end = sg_str_find(bytes, '\n', at);
        rc = read_line(in, (struct sg_str){bytes.p + at, end - at});
        at = end + 1;
    }
    if (rc == 0 && in->line == 0) rc = bad(in, "is empty");
    return rc;
}

int sg_recording_load(const char *path, struct sg_recording **out, struct sg_err *err) {
    struct sg_recording *r = sg_xcalloc(1, sizeof *r);
    struct sg_err own;
    struct reading in = {.r = r, .path = path, .err = err ? err : &own};
    struct sg_str bytes;
    sg_arena_init(&r->arena, 64 * 1024);
    r->source = (struct sg_past_source){.has = has_none, .find = find, .ud = r, .is_all = true};
    int rc = sg_os_read_file(&r->arena, path, MAX_BYTES, &bytes, in.err);
    if (rc == 0) rc = read_all(&in, bytes);
    if (rc < 0) {
        sg_recording_free(r);
        return rc;
    }
    if (r->n) qsort(r->calls, r->n, sizeof *r->calls, by_request);
    *out = r;
    return 0;
}

const struct sg_past_source *sg_recording_source(const struct sg_recording *r) {
    return &r->source;
}

void sg_recording_free(struct sg_recording *r) {
    if (!r) return;
    sg_arena_fini(&r->arena);
    free(r);
}
