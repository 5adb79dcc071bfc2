/* SPDX-License-Identifier: Apache-2.0 */
/* Events of a preview for people:
 *
 *   record 0, line 1
 *     question  "Why is the sky blue?"
 *     rephrase (llm), step 1
 *       request   qwen, attempt 1
 *         user      Rephrase this question: Why is the sky blue?
 *       reply     0.213 s, 12 tokens in, 9 out, stop
 *         What makes the sky look blue?
 *       + rephrased  "What makes the sky look blue?"
 *     ok: {"id":"sky",...}
 *
 * Secrets are taken out of a text before it is cut: a cut through one would leave its half. Control characters never reach
 * the terminal. */
#include "run/preview.h"

#define SHORT 60   /* two values that fit beside each other, in bytes */
#define VALUE 240  /* more of a value is cut out of its middle */
#define OUTPUT 960 /* of an output record */
#define TEXT 1000  /* of a message */

#define BOLD "1"
#define DIM "2"
#define RED "31"
#define GREEN "32"

static void colour(const struct sg_preview *v, struct sg_buf *b, const char *code) {
    if (v->colour) sg_buf_printf(b, "\033[%sm", code);
}

static void paint(const struct sg_preview *v, struct sg_buf *b, const char *code, struct sg_str s) {
    colour(v, b, code);
    sg_buf_str(b, s);
    colour(v, b, "0");
}

/* --- values ----------------------------------------------------------------------------------------------------------------- */

/* A text as a terminal may have it; lines behind the first are indented. */
static void safe(struct sg_buf *b, struct sg_str s, int indent) {
    uint32_t c;
    for (size_t i = 0, n; i < s.n; i += n) {
        n = sg_utf8_decode(s, i, &c);
        if (c == '\n') sg_buf_printf(b, "\n%*s", indent, "");
        else if ((c < ' ' && c != '\t') || (c >= 0x7F && c < 0xA0) || c == SG_UTF8_BAD)
            for (size_t k = 0; k < n; k++) sg_buf_printf(b, "\\x%02x", (unsigned char)s.p[i + k]);
        else sg_buf_add(b, s.p + i, n);
    }
}

static bool inside_character(struct sg_str s, size_t at) {
    return at < s.n && ((unsigned char)s.p[at] & 0xC0) == 0x80;
}

/* The first two thirds and the last third of what is shown, and the whole size between them. */
static void cut(struct sg_preview *v, struct sg_buf *b, struct sg_str s, size_t most, int indent) {
    struct sg_buf clean = SG_BUF_INIT(0);
    sg_redact(&clean, s);
    s = sg_buf_view(&clean);
    if (v->full || s.n <= most) {
        safe(b, s, indent);
    } else {
        size_t head = most * 2 / 3, tail = s.n - most / 3;
        while (inside_character(s, head)) head--;
        while (inside_character(s, tail)) tail++;
        safe(b, (struct sg_str){s.p, head}, indent);
        struct sg_str note = sg_str_printf(&v->arena, " [... %zu bytes in all ...] ", s.n);
        paint(v, b, DIM, note);
        safe(b, (struct sg_str){s.p + tail, s.n - tail}, indent);
    }
    sg_buf_fini(&clean);
}

static void show(struct sg_preview *v, struct sg_buf *b, const struct sg_json *value, int indent) {
    cut(v, b, sg_json_dump(&v->arena, value), VALUE, indent);
}

/* "+ key  new", "= key" for the same again, "~ key  old -> new", or the two below each other. */
static void change(struct sg_preview *v, struct sg_buf *b, struct sg_str name, const struct sg_json *old,
                   const struct sg_json *new) {
    struct sg_str before = old ? sg_json_dump(&v->arena, old) : SG_STR_NONE, after = sg_json_dump(&v->arena, new);
    bool same = old && sg_str_eq(before, after);
    sg_buf_printf(b, "    %c ", same ? '=' : old ? '~' : '+');
    safe(b, name, 6);
    SG_BUF_LIT(b, "  ");
    if (same) {
        SG_BUF_LIT(b, "as before");
    } else if (old && before.n + after.n > SHORT) {
        SG_BUF_LIT(b, "\n      before  ");
        cut(v, b, before, VALUE, 14);
        SG_BUF_LIT(b, "\n      after   ");
        cut(v, b, after, VALUE, 14);
    } else {
        if (old) safe(b, before, 6), SG_BUF_LIT(b, " -> ");
        cut(v, b, after, VALUE, 6);
    }
    sg_buf_ch(b, '\n');
}

static void show_error(struct sg_preview *v, struct sg_buf *b, const char *before, const struct sg_err *err) {
    colour(v, b, RED);
    sg_buf_printf(b, "%s%s: ", before, sg_error_name(err->code));
    cut(v, b, sg_str(err->text), TEXT, 6);
    colour(v, b, "0");
    sg_buf_ch(b, '\n');
}

/* --- nodes ------------------------------------------------------------------------------------------------------------------ */

static struct sg_preview_node *find_node(struct sg_preview *v, const struct sg_exec_event *e) {
    for (struct sg_preview_node *n = v->nodes; n; n = n->next)
        if (sg_str_eq(n->name, e->node) && n->visit == e->visit) return n;
    return NULL;
}

static void begin_node(struct sg_preview *v, const struct sg_exec_event *e) {
    struct sg_preview_node *n = SG_NEW(&v->arena, struct sg_preview_node);
    *n = (struct sg_preview_node){.name = e->node, .visit = e->visit, .next = v->nodes, .text = SG_BUF_INIT(0)};
    n->state = sg_json_copy(&v->arena, e->value);
    v->nodes = n;
    SG_BUF_LIT(&n->text, "  ");
    colour(v, &n->text, BOLD);
    safe(&n->text, e->node, 2);
    colour(v, &n->text, "0");
    sg_buf_printf(&n->text, " (%.*s), step %u", SG_ARG(e->node_kind), e->step);
    if (e->visit) sg_buf_printf(&n->text, ", visit %u", e->visit + 1);
    sg_buf_ch(&n->text, '\n');
}

static void close_node(struct sg_preview *v, struct sg_preview_node *n) {
    struct sg_preview_node **at = &v->nodes;
    while (*at != n) at = &(*at)->next;
    *at = n->next;
    sg_buf_str(&v->out, sg_buf_view(&n->text));
    sg_buf_fini(&n->text);
}

static void end_node(struct sg_preview *v, const struct sg_exec_event *e) {
    struct sg_preview_node *n = find_node(v, e);
    if (!n) return;
    if (e->err) paint(v, &n->text, RED, SG_STR("    failed\n")); /* why, is said at the record's end */
    for (uint32_t i = 0; i < e->value->n; i++) {
        const struct sg_member *m = &e->value->members[i];
        change(v, &n->text, m->key, sg_json_get(&n->state, m->key), &m->value);
    }
    if (!e->err && e->value->n == 0) SG_BUF_LIT(&n->text, "    writes nothing\n");
    close_node(v, n);
}

/* --- calls ------------------------------------------------------------------------------------------------------------------ */

static void show_message(struct sg_preview *v, struct sg_buf *b, const struct sg_json *m) {
    const struct sg_json *role = sg_json_get(m, SG_STR("role")), *content = sg_json_get(m, SG_STR("content"));
    struct sg_str name = role && role->type == SG_JSON_STRING ? sg_json_text(role) : SG_STR("message");
    sg_buf_printf(b, "      %-9.*s ", SG_ARG(name));
    if (content && content->type == SG_JSON_STRING) cut(v, b, sg_json_text(content), TEXT, 16);
    else show(v, b, content ? content : m, 16);
    sg_buf_ch(b, '\n');
}

static void show_request(struct sg_preview *v, struct sg_preview_node *n, const struct sg_exec_event *e) {
    if (n->attempt == e->attempt && n->model == e->model) return;
    n->attempt = e->attempt;
    n->model = e->model;
    sg_buf_printf(&n->text, "    request   %.*s", SG_ARG(e->model->alias));
    if (e->attempt > 1) {
        sg_buf_printf(&n->text, ", attempt %u, the same messages\n", e->attempt);
        return;
    }
    sg_buf_ch(&n->text, '\n');
    for (uint32_t i = 0; i < e->value->n; i++) show_message(v, &n->text, &e->value->items[i]);
}

/* Its model is named by the error. */
static void show_no_reply(struct sg_preview *v, struct sg_buf *b, const struct sg_exec_event *e) {
    show_error(v, b, "    no reply  ", e->err);
}

static void show_reply(struct sg_preview *v, struct sg_buf *b, const struct sg_exec_event *e) {
    if (!e->reply) {
        show_no_reply(v, b, e);
        return;
    }
    const struct sg_usage *u = &e->reply->usage;
    sg_buf_printf(b, "    reply     %.*s, %.3f s", SG_ARG(e->model->alias), (double)e->time_ns / 1e9);
    if (u->known)
        sg_buf_printf(b, ", %llu tokens in, %llu out", (unsigned long long)u->prompt_tokens,
                      (unsigned long long)u->completion_tokens);
    if (e->reply->finish_reason.n) sg_buf_printf(b, ", %.*s", SG_ARG(e->reply->finish_reason));
    SG_BUF_LIT(b, "\n      ");
    cut(v, b, e->reply->text, TEXT, 6);
    sg_buf_ch(b, '\n');
    if (e->reply->tool_calls.type != SG_JSON_ARRAY || e->reply->tool_calls.n == 0) return;
    SG_BUF_LIT(b, "      tools     ");
    show(v, b, &e->reply->tool_calls, 16);
    sg_buf_ch(b, '\n');
}

static void show_again(struct sg_preview *v, struct sg_buf *b, const struct sg_exec_event *e) {
    show_no_reply(v, b, e);
    sg_buf_printf(b, "    again in  %.1f s\n", (double)e->time_ns / 1e9);
}

static void show_route(struct sg_preview *v, struct sg_buf *b, const struct sg_exec_event *e) {
    SG_BUF_LIT(b, "    if        ");
    cut(v, b, e->program, VALUE, 14);
    SG_BUF_LIT(b, "\n              = ");
    for (uint32_t i = 0; i < e->value->n; i++) {
        if (i) SG_BUF_LIT(b, ", ");
        show(v, b, &e->value->items[i], 14);
    }
    SG_BUF_LIT(b, " -> ");
    for (uint32_t i = 0; i < e->targets->n; i++) {
        if (i) SG_BUF_LIT(b, ", ");
        safe(b, sg_json_text(&e->targets->items[i]), 14);
    }
    if (e->targets->n == 0) SG_BUF_LIT(b, "END");
    sg_buf_ch(b, '\n');
}

/* --- records ---------------------------------------------------------------------------------------------------------------- */

static void begin_record(struct sg_preview *v, const struct sg_exec_event *e) {
    sg_arena_reset(&v->arena);
    colour(v, &v->out, BOLD);
    sg_buf_printf(&v->out, "record %llu", (unsigned long long)e->position);
    colour(v, &v->out, "0");
    if (e->line) sg_buf_printf(&v->out, ", line %llu", (unsigned long long)e->line);
    sg_buf_ch(&v->out, '\n');
    for (uint32_t i = 0; i < e->value->n; i++) {
        SG_BUF_LIT(&v->out, "  ");
        safe(&v->out, e->value->members[i].key, 2);
        SG_BUF_LIT(&v->out, "  ");
        show(v, &v->out, &e->value->members[i].value, 4);
        sg_buf_ch(&v->out, '\n');
    }
}

void sg_preview_rest(struct sg_preview *v, const char *note) {
    while (v->nodes) {
        sg_buf_printf(&v->nodes->text, "    %s\n", note);
        close_node(v, v->nodes);
    }
}

static void end_record(struct sg_preview *v, const struct sg_exec_event *e) {
    struct sg_buf *b = &v->out;
    sg_preview_rest(v, "given up, since another node failed");
    if (e->outcome == SG_RECORD_OK) {
        SG_BUF_LIT(b, "  ");
        paint(v, b, GREEN, SG_STR("ok"));
        SG_BUF_LIT(b, "  ");
        cut(v, b, e->output, OUTPUT, 4);
        SG_BUF_LIT(b, "\n\n");
        return;
    }
    if (!e->node.n) sg_buf_printf(b, "record %llu\n", (unsigned long long)e->position);
    bool invalid = e->outcome == SG_RECORD_INVALID;
    struct sg_str where = sg_str_printf(&v->arena, "  failed%s%.*s, ", e->node.n ? " at " : "", SG_ARG(e->node));
    if (invalid) where = SG_STR("  ");
    show_error(v, b, where.p, e->err);
    sg_buf_ch(b, '\n');
}

/* A node that is alone in its step need not be waited for. By its first answer all nodes of the step have begun. */
static void show_alone(struct sg_preview *v) {
    struct sg_preview_node *n = v->nodes;
    if (!n || n->next) return;
    sg_buf_str(&v->out, sg_buf_view(&n->text));
    sg_buf_reset(&n->text, SIZE_MAX);
}

void sg_preview_text(struct sg_preview *v, const struct sg_exec_event *e) {
    struct sg_preview_node *n = find_node(v, e);
    struct sg_buf *b = n ? &n->text : &v->out; /* START has no node */
    if (e->kind == SG_EXEC_RECORD) begin_record(v, e);
    if (e->kind == SG_EXEC_NODE) begin_node(v, e);
    if (e->kind == SG_EXEC_CALL) show_request(v, n, e);
    if (e->kind == SG_EXEC_AGAIN) show_again(v, b, e), show_alone(v);
    if (e->kind == SG_EXEC_REPLY) show_reply(v, b, e), show_alone(v);
    if (e->kind == SG_EXEC_ROUTE) show_route(v, b, e), show_alone(v);
    if (e->kind == SG_EXEC_NODE_END) end_node(v, e);
    if (e->kind == SG_EXEC_RECORD_END) end_record(v, e);
}
