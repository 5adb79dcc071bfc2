/* SPDX-License-Identifier: Apache-2.0 */
/* The model file carries its chat template as a Jinja program. libllama does not run it: it recognizes the program
 * among those it knows and writes the same text by code of its own. Where that fails we say so; a wrong frame around
 * the messages would only make the model worse, silently. */
#include "local/prompt.h"

/* All messages together; far above the context of any model that runs on a CPU. */
#define PROMPT_MAX ((size_t)16 << 20)

static int add_part(struct sg_buf *b, const struct sg_json *part, struct sg_err *err) {
    const struct sg_json *text = part->type == SG_JSON_OBJECT ? sg_json_get(part, SG_STR("text")) : part;
    if (!text || text->type != SG_JSON_STRING) {
        return sg_fail(err, SG_E_UNSUPPORTED, "the local model reads text only, and a message holds something else");
    }
    sg_buf_str(b, sg_json_text(text));
    return 0;
}

/* Text, nothing (an assistant's turn with tool calls only), or a list of parts. */
static int add_content(struct sg_buf *b, const struct sg_json *content, struct sg_err *err) {
    if (!content || content->type == SG_JSON_NULL) return 0;
    if (content->type != SG_JSON_ARRAY) return add_part(b, content, err);
    int rc = 0;
    for (size_t i = 0; i < content->n && !rc; i++) rc = add_part(b, &content->items[i], err);
    return rc;
}

static int convert(struct sg_arena *a, const struct sg_json *message, struct llama_chat_message *out,
                   struct sg_err *err) {
    const struct sg_json *role = sg_json_get(message, SG_STR("role"));
    if (!role || role->type != SG_JSON_STRING) return sg_fail(err, SG_E_TYPE, "a message has no role");
    struct sg_buf text = SG_BUF_INIT(PROMPT_MAX);
    int rc = add_content(&text, sg_json_get(message, SG_STR("content")), err);
    if (!rc && text.failed) rc = sg_fail(err, SG_E_LIMIT, "a message has more than %zu bytes", PROMPT_MAX);
    /* The template takes C strings: what follows a NUL would be lost. */
    if (!rc && text.n && memchr(text.p, '\0', text.n)) {
        rc = sg_fail(err, SG_E_UNSUPPORTED, "a message holds the character U+0000");
    }
    if (!rc) {
        out->role = sg_str_dup(a, sg_json_text(role)).p;
        out->content = sg_str_dup(a, sg_buf_view(&text)).p;
    }
    sg_buf_fini(&text);
    return rc;
}

static int convert_all(struct sg_arena *a, const struct sg_json *messages, struct llama_chat_message *out,
                       size_t *bytes, struct sg_err *err) {
    *bytes = 0;
    for (size_t i = 0; i < messages->n; i++) {
        int rc = convert(a, &messages->items[i], &out[i], err);
        if (rc) return rc;
        *bytes += strlen(out[i].role) + strlen(out[i].content);
        if (*bytes > PROMPT_MAX) return sg_fail(err, SG_E_LIMIT, "the messages have more than %zu bytes", PROMPT_MAX);
    }
    return 0;
}

static int render(struct sg_arena *a, const struct sg_llama *lib, const struct llama_model *model,
                  const struct sg_json *messages, struct sg_str *out, struct sg_err *err) {
    size_t n = messages->n, bytes;
    const char *chat_template = lib->llama_model_chat_template(model, NULL);
    if (!chat_template) return sg_fail(err, SG_E_UNSUPPORTED, "the model file has no chat template");
    struct llama_chat_message *chat = SG_NEW_N(a, struct llama_chat_message, n);
    int rc = convert_all(a, messages, chat, &bytes, err);
    if (rc) return rc;
    /* Room for the frames of most templates; else the second round knows. */
    int32_t room = (int32_t)(bytes + 64 * n + 256), need = room;
    char *text;
    do {
        room = need;
        text = sg_alloc(a, (size_t)room);
        need = lib->llama_chat_apply_template(chat_template, chat, n, true, text, room);
    } while (need > room);
    if (need < 0) return sg_fail(err, SG_E_UNSUPPORTED, "libllama does not know the chat template of the model file");
    *out = (struct sg_str){text, (size_t)need};
    return 0;
}

int sg_prompt_make(struct sg_arena *a, const struct sg_llama *lib, const struct llama_model *model,
                   const struct sg_json *messages, uint32_t context, struct sg_prompt *out, struct sg_err *err) {
    if (messages->type != SG_JSON_ARRAY || messages->n == 0) return sg_fail(err, SG_E_TYPE, "there are no messages");
    struct sg_str text = SG_STR_NONE;
    int rc = render(a, lib, model, messages, &text, err);
    if (rc) return rc;
    out->tokens = SG_NEW_N(a, llama_token, context);
    int32_t n = lib->llama_tokenize(lib->llama_model_get_vocab(model), text.p, (int32_t)text.n, out->tokens,
                                    (int32_t)context, true, true);
    if (n < 0 || (uint32_t)n >= context) {
        return sg_fail(err, SG_E_LIMIT, "the prompt has %lld tokens, and the model's context is %u",
                       n < 0 ? -(long long)n : (long long)n, context);
    }
    if (n == 0) return sg_fail(err, SG_E_MODEL, "the model's tokenizer makes nothing of the prompt");
    out->n = (uint32_t)n;
    return 0;
}
