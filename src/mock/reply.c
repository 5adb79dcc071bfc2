/* SPDX-License-Identifier: Apache-2.0 */
/* reply: answers in OpenAI's form, drawn from the request's hash.
 *
 * A text has 0.5 to 1.5 times `reply_words` words, each a token, and is cut at max_tokens with finish_reason "length". The
 * time of creation is a constant, so equal requests get equal bytes. */
#include "mock/mock_parts.h"

#define CREATED "1700000000"
#define DEFAULT_WORDS 60
#define SCHEMA_DEPTH 16
#define SCHEMA_BYTES (256u * 1024)

/* 64 of them: a draw of 64 bits makes ten words. With its blank each fits into 8 bytes, which are copied in one step. */
#define W(word) {word " ", sizeof word}
static const struct {
    char text[15];
    uint8_t n; /* with the blank */
} WORDS[64] = {
    W("amber"), W("answer"), W("bridge"), W("bright"), W("calm"), W("canvas"), W("careful"), W("castle"),
    W("cedar"), W("circle"), W("clear"), W("cloud"), W("copper"), W("corner"), W("current"), W("distant"),
    W("early"), W("ember"), W("engine"), W("even"), W("fable"), W("field"), W("firm"), W("forest"), W("garden"),
    W("gentle"), W("glass"), W("grain"), W("harbor"), W("hidden"), W("hollow"), W("island"), W("ivory"),
    W("kindle"), W("lantern"), W("ledger"), W("level"), W("light"), W("linen"), W("marble"), W("meadow"),
    W("measure"), W("mirror"), W("morning"), W("narrow"), W("ocean"), W("open"), W("orchard"), W("paper"),
    W("pebble"), W("plain"), W("quiet"), W("river"), W("round"), W("saddle"), W("silver"), W("simple"),
    W("steady"), W("stone"), W("thread"), W("timber"), W("valley"), W("velvet"), W("window"),
};
#undef W

struct drawn {
    struct sg_rng rng;
    uint64_t bits;
    unsigned left; /* words in bits */
};

static unsigned next_word(struct drawn *d) {
    if (d->left == 0) {
        d->bits = sg_rng_next(&d->rng);
        d->left = 10;
    }
    unsigned word = d->bits & 63;
    d->bits >>= 6;
    d->left--;
    return word;
}

static void add_word(struct sg_buf *out, struct drawn *d) {
    unsigned word = next_word(d);
    sg_buf_add(out, WORDS[word].text, WORDS[word].n - 1U);
}

struct made {
    uint32_t tokens;
    bool cut;
};

/* A JSON string. `words` or, when it is not 0, `bytes` says how long. */
static struct made write_drawn(struct sg_buf *out, uint64_t seed, uint32_t words, uint32_t bytes, uint32_t max_tokens) {
    struct drawn d = {.rng = {seed}};
    uint32_t wanted = words / 2 + (uint32_t)(sg_rng_next(&d.rng) % ((uint64_t)words + 1)), tokens = 0;
    if (wanted == 0) wanted = 1;
    char *room = sg_buf_reserve(out, (bytes ? bytes : (size_t)wanted * 8) + 16), *p = room;
    if (!room) return (struct made){0};
    *p++ = '"';
    bool more = true;
    while (more && !(max_tokens && tokens == max_tokens)) {
        unsigned word = next_word(&d);
        memcpy(p, WORDS[word].text, 8);
        p += WORDS[word].n;
        tokens++;
        more = bytes ? p - room <= (ptrdiff_t)bytes : tokens < wanted;
    }
    p--; /* the last blank */
    if (bytes && p - room > (ptrdiff_t)bytes) p = room + bytes;
    *p++ = '"';
    out->n += (size_t)(p - room);
    return (struct made){tokens, more};
}

static struct made write_given(struct sg_buf *out, struct sg_str text, uint32_t max_tokens) {
    struct made m = {0};
    size_t end = 0;
    while (end < text.n && (!max_tokens || m.tokens < max_tokens)) {
        end = sg_str_find(text, ' ', end + 1);
        m.tokens++;
    }
    m.cut = end < text.n;
    sg_json_write_string(out, (struct sg_str){text.p, end});
    return m;
}

/* What is in a body beside the texts, roughly. */
static uint32_t text_bytes(const struct sg_mock_answer *a, const struct sg_mock_options *o) {
    uint32_t frame = 290 + (uint32_t)a->model.n;
    if (o->reply_bytes == 0) return 0;
    return o->reply_bytes > frame + a->choices ? (o->reply_bytes - frame) / a->choices : 1;
}

static struct made write_text(struct sg_buf *body, const struct sg_mock_answer *a, const struct sg_mock_options *o,
                              uint32_t choice) {
    if (a->has_text) return write_given(body, a->text, a->max_tokens);
    uint32_t words = o->reply_words ? o->reply_words : DEFAULT_WORDS;
    return write_drawn(body, a->hash + choice * 0x9E3779B97F4A7C15U, words, text_bytes(a, o), a->max_tokens);
}

/* The arguments are a text that holds JSON; one that is given as a text goes out as it is, which need not be JSON. */
static void write_arguments(struct sg_buf *body, const struct sg_json *arguments) {
    if (arguments->type == SG_JSON_STRING) {
        sg_json_write(body, arguments);
        return;
    }
    struct sg_buf text = {0};
    sg_json_write(&text, arguments);
    sg_json_write_string(body, sg_buf_view(&text));
    sg_buf_fini(&text);
}

static struct made write_tool_calls(struct sg_buf *body, const struct sg_mock_answer *a, uint32_t choice) {
    SG_BUF_LIT(body, "null,\"tool_calls\":[");
    for (uint32_t i = 0; i < a->tool_calls->n; i++) {
        const struct sg_json *call = &a->tool_calls->items[i];
        if (i) sg_buf_ch(body, ',');
        sg_buf_printf(body, "{\"id\":\"call_%016llx\",\"type\":\"function\",\"function\":{\"name\":",
                      (unsigned long long)(a->hash + ((uint64_t)choice << 32) + i));
        sg_json_write(body, sg_json_get(call, SG_STR("name")));
        SG_BUF_LIT(body, ",\"arguments\":");
        write_arguments(body, sg_json_get(call, SG_STR("arguments")));
        SG_BUF_LIT(body, "}}");
    }
    sg_buf_ch(body, ']');
    return (struct made){.tokens = a->tool_calls->n};
}

static struct made write_choice(struct sg_buf *body, const struct sg_mock_answer *a, const struct sg_mock_options *o,
                                uint32_t i) {
    SG_BUF_LIT(body, "{\"index\":");
    sg_buf_u64(body, i);
    if (a->is_chat)
        SG_BUF_LIT(body, ",\"message\":{\"role\":\"assistant\",\"content\":");
    else
        SG_BUF_LIT(body, ",\"text\":");
    bool calls = a->is_chat && a->tool_calls;
    struct made m = calls ? write_tool_calls(body, a, i) : write_text(body, a, o, i);
    if (a->is_chat) SG_BUF_LIT(body, ",\"refusal\":null}");
    SG_BUF_LIT(body, ",\"logprobs\":null,\"finish_reason\":\"");
    sg_buf_str(body, calls ? SG_STR("tool_calls") : m.cut ? SG_STR("length") : SG_STR("stop"));
    SG_BUF_LIT(body, "\"}");
    return m;
}

static void write_id(struct sg_buf *body, const struct sg_mock_answer *a) {
    static const char HEX[] = "0123456789abcdef";
    char id[16];
    for (int i = 0; i < 16; i++) id[i] = HEX[(a->hash >> (60 - 4 * i)) & 15];
    sg_buf_str(body, a->is_chat ? SG_STR("{\"id\":\"chatcmpl-") : SG_STR("{\"id\":\"cmpl-"));
    sg_buf_add(body, id, sizeof id);
    sg_buf_str(body, a->is_chat ? SG_STR("\",\"object\":\"chat.completion") : SG_STR("\",\"object\":\"text_completion"));
    SG_BUF_LIT(body, "\",\"created\":" CREATED ",\"model\":");
    sg_json_write_string(body, a->model);
}

void sg_mock_write_answer(struct sg_buf *body, const struct sg_mock_answer *a, const struct sg_mock_options *o) {
    uint64_t tokens = 0;
    write_id(body, a);
    SG_BUF_LIT(body, ",\"choices\":[");
    for (uint32_t i = 0; i < a->choices; i++) {
        if (i) sg_buf_ch(body, ',');
        tokens += write_choice(body, a, o, i).tokens;
    }
    SG_BUF_LIT(body, "],\"usage\":{\"prompt_tokens\":");
    sg_buf_u64(body, a->prompt_tokens);
    SG_BUF_LIT(body, ",\"completion_tokens\":");
    sg_buf_u64(body, tokens);
    SG_BUF_LIT(body, ",\"total_tokens\":");
    sg_buf_u64(body, a->prompt_tokens + tokens);
    SG_BUF_LIT(body, "}}");
}

void sg_mock_write_error(struct sg_buf *body, int status, struct sg_str message) {
    bool limited = status == 429, ours = status >= 500;
    SG_BUF_LIT(body, "{\"error\":{\"message\":");
    sg_json_write_string(body, message);
    sg_buf_printf(body, ",\"type\":\"%s\",\"param\":null,\"code\":%s}}",
                  limited ? "rate_limit_error" : ours ? "server_error" : "invalid_request_error",
                  limited ? "\"rate_limit_exceeded\"" : "null");
}

/* --- values for a schema ------------------------------------------------------------------------------------------------ */

struct maker {
    struct sg_buf *out;
    struct drawn drawn;
    const struct sg_json *root;
};

static void make_value(struct maker *k, const struct sg_json *schema, int depth);

static const struct sg_json *get(const struct sg_json *object, const char *key) {
    return sg_json_get(object, sg_str(key));
}

static uint64_t draw_below(struct maker *k, uint64_t n) {
    return sg_rng_next(&k->drawn.rng) % n;
}

static int64_t bound(const struct sg_json *schema, const char *key, int64_t otherwise) {
    double v;
    const struct sg_json *j = get(schema, key);
    return j && sg_json_to_double(j, &v) && v > -1e15 && v < 1e15 ? (int64_t)v : otherwise;
}

static bool has_type(const struct sg_json *schema, const char *type) {
    const struct sg_json *t = get(schema, "type");
    if (t && t->type == SG_JSON_ARRAY && t->n) t = &t->items[0];
    return t && sg_json_is_text(t, sg_str(type));
}

/* "#/$defs/Name" or "#/definitions/Name" */
static const struct sg_json *referred(const struct maker *k, const struct sg_json *ref) {
    struct sg_str path = ref->type == SG_JSON_STRING ? sg_json_text(ref) : SG_STR_NONE;
    size_t slash = sg_str_find(path, '/', 2);
    if (slash >= path.n) return NULL;
    const struct sg_json *group = sg_json_get(k->root, (struct sg_str){path.p + 2, slash - 2});
    return group ? sg_json_get(group, (struct sg_str){path.p + slash + 1, path.n - slash - 1}) : NULL;
}

static void make_object(struct maker *k, const struct sg_json *schema, int depth) {
    const struct sg_json *properties = get(schema, "properties");
    sg_buf_ch(k->out, '{');
    uint32_t n = properties && properties->type == SG_JSON_OBJECT ? properties->n : 0;
    for (uint32_t i = 0; i < n; i++) {
        if (i) sg_buf_ch(k->out, ',');
        sg_json_write_string(k->out, properties->members[i].key);
        sg_buf_ch(k->out, ':');
        make_value(k, &properties->members[i].value, depth + 1);
    }
    sg_buf_ch(k->out, '}');
}

static void make_array(struct maker *k, const struct sg_json *schema, int depth) {
    int64_t least = bound(schema, "minItems", 1), most = bound(schema, "maxItems", least + 2);
    if (least < 0 || least > 100) least = 1;
    int64_t n = most > least ? least + (int64_t)draw_below(k, (uint64_t)(most - least > 2 ? 3 : most - least + 1)) : least;
    sg_buf_ch(k->out, '[');
    for (int64_t i = 0; i < n; i++) {
        if (i) sg_buf_ch(k->out, ',');
        make_value(k, get(schema, "items"), depth + 1);
    }
    sg_buf_ch(k->out, ']');
}

static void make_string(struct maker *k, const struct sg_json *schema) {
    int64_t least = bound(schema, "minLength", 0), most = bound(schema, "maxLength", INT64_MAX);
    if (least > 100000) least = 100000;
    sg_buf_ch(k->out, '"');
    size_t start = k->out->n;
    for (int words = 0; words < 3 || (int64_t)(k->out->n - start) < least; words++) {
        if (words) sg_buf_ch(k->out, ' ');
        add_word(k->out, &k->drawn);
    }
    if ((int64_t)(k->out->n - start) > most) k->out->n = start + (size_t)(most < 0 ? 0 : most);
    sg_buf_ch(k->out, '"');
}

static void make_number(struct maker *k, const struct sg_json *schema, bool whole) {
    int64_t least = bound(schema, "minimum", bound(schema, "exclusiveMinimum", -1) + 1);
    int64_t most = bound(schema, "maximum", bound(schema, "exclusiveMaximum", least + 10) - 1);
    if (most < least) most = least;
    int64_t v = least + (int64_t)draw_below(k, (uint64_t)(most - least) + 1);
    sg_buf_printf(k->out, "%lld%s", (long long)v, whole || v == most ? "" : ".5");
}

static void make_by_type(struct maker *k, const struct sg_json *schema, int depth) {
    if (has_type(schema, "object") || get(schema, "properties"))
        make_object(k, schema, depth);
    else if (has_type(schema, "array"))
        make_array(k, schema, depth);
    else if (has_type(schema, "integer") || has_type(schema, "number"))
        make_number(k, schema, has_type(schema, "integer"));
    else if (has_type(schema, "boolean"))
        sg_buf_str(k->out, draw_below(k, 2) ? SG_STR("true") : SG_STR("false"));
    else if (has_type(schema, "null"))
        SG_BUF_LIT(k->out, "null");
    else
        make_string(k, schema);
}

/* One of a list of schemas or values, or NULL. */
static const struct sg_json *one_of(struct maker *k, const struct sg_json *schema, const char *key) {
    const struct sg_json *list = get(schema, key);
    if (!list || list->type != SG_JSON_ARRAY || list->n == 0) return NULL;
    return &list->items[draw_below(k, list->n)];
}

static void make_value(struct maker *k, const struct sg_json *schema, int depth) {
    const struct sg_json *other;
    if (depth > SCHEMA_DEPTH || k->out->n > SCHEMA_BYTES) /* a schema that contains itself */
        SG_BUF_LIT(k->out, "null");
    else if (!schema || schema->type != SG_JSON_OBJECT)
        make_string(k, &(struct sg_json){.type = SG_JSON_OBJECT});
    else if ((other = get(schema, "const")) || (other = one_of(k, schema, "enum")))
        sg_json_write(k->out, other);
    else if ((other = get(schema, "$ref")))
        make_value(k, referred(k, other), depth + 1);
    else if ((other = one_of(k, schema, "anyOf")) || (other = one_of(k, schema, "oneOf")) ||
             (other = one_of(k, schema, "allOf")))
        make_value(k, other, depth + 1);
    else
        make_by_type(k, schema, depth);
}

void sg_mock_write_json(struct sg_buf *out, const struct sg_json *schema, uint64_t hash) {
    struct maker k = {.out = out, .drawn = {.rng = {hash}}, .root = schema};
    if (schema && schema->type == SG_JSON_OBJECT) {
        make_value(&k, schema, 0);
        return;
    }
    SG_BUF_LIT(out, "{\"answer\":\"");
    add_word(out, &k.drawn);
    sg_buf_printf(out, "\",\"score\":%u,\"ok\":%s}", (unsigned)draw_below(&k, 10), draw_below(&k, 2) ? "true" : "false");
}

/* --- the head ------------------------------------------------------------------------------------------------------------- */

static const char *reason_of(int status) {
    switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 413: return "Content Too Large";
    case 429: return "Too Many Requests";
    case 500: return "Internal Server Error";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    default: return status < 500 ? "Refused" : "Failed";
    }
}

void sg_mock_write_head(struct sg_buf *out, int status, const char *type, size_t length, int32_t retry_after_s,
                        bool keep_alive) {
    SG_BUF_LIT(out, "HTTP/1.1 ");
    sg_buf_u64(out, (uint64_t)status);
    sg_buf_ch(out, ' ');
    sg_buf_str(out, sg_str(reason_of(status)));
    SG_BUF_LIT(out, "\r\nServer: sygra-mock\r\nContent-Type: ");
    sg_buf_str(out, sg_str(type));
    SG_BUF_LIT(out, "\r\nContent-Length: ");
    sg_buf_u64(out, length);
    if (retry_after_s >= 0) sg_buf_printf(out, "\r\nRetry-After: %d", (int)retry_after_s);
    if (!keep_alive) SG_BUF_LIT(out, "\r\nConnection: close");
    SG_BUF_LIT(out, "\r\n\r\n");
}
