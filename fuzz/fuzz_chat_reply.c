/* SPDX-License-Identifier: Apache-2.0 */
/* chat_reply: the body of a reply, as the decoder of chat completions gets it.
 *
 * Always: a completion, or an error in one line of UTF-8; a completion's text is UTF-8, stripped and without special tokens,
 * and stays what it is when it is cleaned again or comes as the content of another reply; usage is known or nothing. */
#include "fuzz.h"

#include "calls/provider.h"

static struct sg_arena arena;
static struct sg_model_spec model;

static void one_line(const struct sg_err *err) {
    struct sg_str text = sg_str(err->text);
    size_t bad;
    SG_ASSERT(text.n > 0 && sg_utf8_valid(text, &bad));
    for (size_t i = 0; i < text.n; i++) SG_ASSERT((unsigned char)text.p[i] >= 0x20);
}

static struct sg_completion decodes(struct sg_str body) {
    struct sg_completion c;
    SG_ASSERT(sg_provider_openai.decode(&arena, &model, body, &c, NULL) == 0);
    return c;
}

/* The text as the whole content, then in two parts, cut between two of its characters. */
static void says_the_same(struct sg_str text) {
    struct sg_buf body = SG_BUF_INIT(SIZE_MAX);
    SG_BUF_LIT(&body, "{\"choices\":[{\"message\":{\"content\":");
    sg_json_write_string(&body, text);
    SG_BUF_LIT(&body, "}}]}");
    SG_ASSERT(sg_str_eq(decodes(sg_buf_view(&body)).text, text));
    size_t cut = text.n / 2;
    while (cut < text.n && ((unsigned char)text.p[cut] & 0xC0) == 0x80) cut++;
    sg_buf_reset(&body, SIZE_MAX);
    SG_BUF_LIT(&body, "{\"choices\":[{\"message\":{\"content\":[");
    sg_json_write_string(&body, (struct sg_str){text.p, cut});
    SG_BUF_LIT(&body, ",{\"type\":\"text\",\"text\":");
    sg_json_write_string(&body, (struct sg_str){text.p + cut, text.n - cut});
    SG_BUF_LIT(&body, "}]}}]}");
    SG_ASSERT(sg_str_eq(decodes(sg_buf_view(&body)).text, text));
    sg_buf_fini(&body);
}

static void check(const struct sg_completion *c) {
    size_t bad;
    SG_ASSERT(sg_utf8_valid(c->text, &bad) && sg_utf8_valid(c->finish_reason, &bad));
    SG_ASSERT(sg_str_eq(sg_str_trim_unicode(c->text), c->text));
    SG_ASSERT(c->tool_calls.type == SG_JSON_ARRAY || c->tool_calls.type == SG_JSON_NULL);
    if (!c->usage.known) SG_ASSERT(c->usage.prompt_tokens == 0 && c->usage.completion_tokens == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sg_completion c;
    struct sg_err err = {0};
    sg_arena_init(&arena, 0);
    struct sg_json token = sg_json_string(SG_STR("<|end|>"));
    model = (struct sg_model_spec){.alias = SG_STR("m"), .special_tokens = sg_json_array(&token, 1)};
    int rc = sg_provider_openai.decode(&arena, &model, fuzz_text(data, size), &c, &err);
    if (rc == 0) {
        check(&c);
        /* "<|e<|end|>nd|>": what is left of one token may be another. */
        if (!memmem(c.text.p ? c.text.p : "", c.text.n, "<|end|>", 7)) says_the_same(c.text);
    } else {
        SG_ASSERT(err.code == rc && (rc == SG_E_REPLY || rc == SG_E_STATUS));
        one_line(&err);
    }
    sg_arena_fini(&arena);
    return 0;
}
