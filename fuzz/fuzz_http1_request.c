/* SPDX-License-Identifier: Apache-2.0 */
/* http1_request: what a client sends to the mock, and how the mock answers.
 *
 * Always: a request that is whole is whole with more behind it, and asks for more with less; what the mock answers is read
 * by our own client, and its body is JSON. */
#include "fuzz.h"

#include "mock/mock_parts.h"
#include "net/http1_parse.h"

static struct sg_arena arena;

static void readable(struct sg_str head_and_body) {
    struct sg_http1 h = {.head_max = 65536, .body_max = 64 << 20};
    struct sg_json v;
    size_t used = 0;
    sg_http1_begin(&h);
    SG_ASSERT(sg_http1_take(&h, head_and_body.p, head_and_body.n, &used, NULL) == 1 && used == head_and_body.n);
    SG_ASSERT(sg_json_parse(&arena, h.body, &v, NULL, NULL) == 0 && v.type == SG_JSON_OBJECT);
    sg_http1_fini(&h);
}

static void send(int status, const struct sg_buf *body) {
    struct sg_buf out = SG_BUF_INIT(SIZE_MAX);
    sg_mock_write_head(&out, status, "application/json", body->n, -1, true);
    sg_buf_str(&out, sg_buf_view(body));
    readable(sg_buf_view(&out));
    sg_buf_fini(&out);
}

static void answer_question(const struct sg_mock_question *q, struct sg_buf *body) {
    struct sg_mock_options o = {0};
    struct sg_buf text = SG_BUF_INIT(SIZE_MAX);
    struct sg_mock_answer a = {.hash = q->hash, .choices = q->choices < 4 ? q->choices : 4, .max_tokens = q->max_tokens,
                               .prompt_tokens = q->prompt_tokens, .is_chat = q->path == SG_MOCK_CHAT, .model = q->model};
    if (q->as_json) {
        struct sg_json v;
        sg_mock_write_json(&text, q->schema, q->hash);
        SG_ASSERT(sg_json_parse(&arena, sg_buf_view(&text), &v, NULL, NULL) == 0);
        a.has_text = true;
        a.text = sg_buf_view(&text);
    }
    sg_mock_write_answer(body, &a, &o);
    sg_buf_fini(&text);
}

static void answer(const struct sg_mock_http *r) {
    struct sg_mock_question q = {0};
    struct sg_err err = {0};
    struct sg_buf body = SG_BUF_INIT(SIZE_MAX);
    q.path = sg_mock_path_of(r, &q.model);
    if (q.path != SG_MOCK_CHAT && q.path != SG_MOCK_COMPLETION) return;
    int rc = sg_mock_read_question(&arena, r->body, &q, &err);
    SG_ASSERT(rc == 0 || err.text[0]);
    if (rc == 0) answer_question(&q, &body);
    else sg_mock_write_error(&body, 400, sg_str(err.text));
    send(rc == 0 ? 200 : 400, &body);
    sg_buf_fini(&body);
}

static void shorter_asks_for_more(struct sg_str text, size_t used) {
    struct sg_rng draws = fuzz_draws(text);
    struct sg_buf chunked = SG_BUF_INIT(SIZE_MAX);
    struct sg_mock_http r;
    size_t n = fuzz_below(&draws, used), unused = 0;
    SG_ASSERT(sg_mock_read_http((struct sg_str){text.p, n}, &chunked, &r, &unused) == 0);
    SG_ASSERT(sg_mock_read_http((struct sg_str){text.p, used}, &chunked, &r, &unused) == 1 && unused == used);
    sg_buf_fini(&chunked);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sg_str text = fuzz_text(data, size);
    struct sg_buf chunked = SG_BUF_INIT(SIZE_MAX);
    sg_arena_init(&arena, 0);
    while (text.n) {
        struct sg_mock_http r;
        size_t used = 0;
        if (sg_mock_read_http(text, &chunked, &r, &used) <= 0) break;
        SG_ASSERT(used > 0 && used <= text.n && r.body.n <= text.n);
        answer(&r);
        shorter_asks_for_more(text, used);
        text = (struct sg_str){text.p + used, text.n - used};
    }
    sg_buf_fini(&chunked);
    sg_arena_fini(&arena);
    return 0;
}
