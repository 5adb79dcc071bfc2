/* SPDX-License-Identifier: Apache-2.0 */
/* Chat history (spec-core 4.9). A node with `chat_history` adds what it asked and was answered to `__chat_history__`; where the
 * graph says how (chat_conversation), it is told what stands there before it asks:
 *
 *   singleturn   its prompt gives way to one message that tells the conversation as a text and asks for the next turn
 *   multiturn    turns that data or hooks have put there (entries with a `role`) go between its system message and the rest
 *
 * What the engine itself adds has no role, as in the reference, so a multiturn node does not see it. */
#include "exec/record.h"

static const char INTRO[] = "Several participants talk with each other, and you play one of them.\n"
                            "This has been said so far:\n";

static bool takes_part(const struct task *t) {
    return t->node->spec->chat_history;
}

/* The last entries, as Python's history[-window:]: a window of 0 is all of them. */
static uint32_t window_start(const struct sg_plan *p, const struct sg_json *history) {
    return p->history_window && history->n > p->history_window ? history->n - p->history_window : 0;
}

static const struct sg_json *part_of(const struct sg_json *entry, const char *key) {
    return entry->type == SG_JSON_OBJECT ? sg_json_get(entry, sg_str(key)) : NULL;
}

static int lacks(struct sg_err *err, const char *key) {
    return sg_fail(err, SG_E_TYPE, "an entry of `__chat_history__` has no `%s`; a hook or the data has put it there",
                   key);
}

/* --- singleturn ---------------------------------------------------------------------------------------------------------------- */

static int put_part(struct sg_buf *b, const struct sg_json *entry, const char *key, struct sg_err *err) {
    const struct sg_json *v = part_of(entry, key);
    if (!v) return lacks(err, key);
    sg_py_str(b, v);
    return 0;
}

static int put_turn(struct sg_buf *b, const struct sg_json *entry, struct sg_err *err) {
    int rc = put_part(b, entry, "name", err);
    SG_BUF_LIT(b, ": ");
    if (rc == 0) rc = put_part(b, entry, "response", err);
    sg_buf_ch(b, '\n');
    return rc;
}

/* Who began the conversation said so in the first user message of its first request. */
static int put_organizer(struct sg_buf *b, const struct sg_json *entry, struct sg_err *err) {
    const struct sg_json *request = part_of(entry, "request");
    if (!request || request->type != SG_JSON_ARRAY) return lacks(err, "request");
    SG_BUF_LIT(b, "Organizer: ");
    for (uint32_t i = 0; i < request->n; i++) {
        const struct sg_json *role = part_of(&request->items[i], "role");
        if (!role || !sg_json_is_text(role, SG_STR("user"))) continue;
        const struct sg_json *content = part_of(&request->items[i], "content");
        if (content) sg_py_str(b, content);
        break;
    }
    sg_buf_ch(b, '\n');
    return 0;
}

static int tell(const struct task *t, const struct sg_json *history, struct sg_buf *b, struct sg_err *err) {
    SG_BUF_LIT(b, INTRO);
    int rc = put_organizer(b, &history->items[0], err);
    if (rc == 0) rc = put_turn(b, &history->items[0], err);
    for (uint32_t i = window_start(t->record->exec->plan, history); i < history->n && rc == 0; i++)
        rc = put_turn(b, &history->items[i], err);
    sg_buf_printf(b,
                  "\nNow it is the turn of %.*s, whom you play. Write what %.*s says next and nothing else: no name "
                  "before it, no "
                  "remarks. Stay in character, and keep the conversation going.",
                  SG_ARG(t->node->name), SG_ARG(t->node->name));
    return rc;
}

static struct sg_json one_message(struct sg_arena *a, const char *role, struct sg_json content) {
    struct sg_member *m = SG_NEW_N(a, struct sg_member, 2);
    m[0] = (struct sg_member){SG_STR("role"), sg_json_string(sg_str(role))};
    m[1] = (struct sg_member){SG_STR("content"), content};
    return sg_json_object(m, 2);
}

static int inject_single(struct task *t, const struct sg_json *history, struct sg_arena *scratch,
                         struct sg_json *messages, struct sg_err *err) {
    struct sg_buf b = SG_BUF_INIT(SIZE_MAX);
    int rc = tell(t, history, &b, err);
    struct sg_json *message = SG_NEW(scratch, struct sg_json);
    *message = one_message(scratch, "user", sg_json_string(sg_str_dup(scratch, sg_buf_view(&b))));
    *messages = sg_json_array(message, 1);
    sg_buf_fini(&b);
    return rc;
}

/* --- multiturn ----------------------------------------------------------------------------------------------------------------- */

/* Arguments are a JSON text on the wire; entries may have them as what that says, or as another text. */
static struct sg_json argument_text(struct sg_arena *a, const struct sg_json *arguments) {
    struct sg_json parsed = arguments ? *arguments : sg_json_object(NULL, 0);
    bool is_text = parsed.type == SG_JSON_STRING;
    if (is_text && sg_json_parse(a, sg_json_text(arguments), &parsed, NULL, NULL) != 0) {
        struct sg_member *raw = SG_NEW(a, struct sg_member);
        *raw = (struct sg_member){SG_STR("raw_arguments"), *arguments};
        parsed = sg_json_object(raw, 1);
    }
    struct sg_buf b = SG_BUF_INIT(SIZE_MAX);
    sg_json_write_python(&b, &parsed, false, false);
    struct sg_json out = sg_json_string(sg_str_dup(a, sg_buf_view(&b)));
    sg_buf_fini(&b);
    return out;
}

static struct sg_json wire_tool_call(struct sg_arena *a, const struct sg_json *call) {
    const struct sg_json *function = part_of(call, "function"), *id = part_of(call, "id");
    const struct sg_json *name = function ? part_of(function, "name") : NULL;
    struct sg_member *inner = SG_NEW_N(a, struct sg_member, 2), *m = SG_NEW_N(a, struct sg_member, 3);
    inner[0] = (struct sg_member){SG_STR("name"), name ? *name : sg_json_null()};
    inner[1] =
        (struct sg_member){SG_STR("arguments"), argument_text(a, function ? part_of(function, "arguments") : NULL)};
    m[0] = (struct sg_member){SG_STR("type"), sg_json_string(SG_STR("function"))};
    m[1] = (struct sg_member){SG_STR("id"), id ? *id : sg_json_null()};
    m[2] = (struct sg_member){SG_STR("function"), sg_json_object(inner, 2)};
    return sg_json_object(m, 3);
}

static struct sg_json wire_tool_calls(struct sg_arena *a, const struct sg_json *calls) {
    bool list = calls->type == SG_JSON_ARRAY;
    uint32_t n = list ? calls->n : 1;
    struct sg_json *items = SG_NEW_N(a, struct sg_json, n);
    for (uint32_t i = 0; i < n; i++) items[i] = wire_tool_call(a, list ? &calls->items[i] : calls);
    return sg_json_array(items, n);
}

static struct sg_json with_member(struct sg_arena *a, struct sg_json message, const char *key, struct sg_json value) {
    struct sg_member *m = SG_NEW_N(a, struct sg_member, message.n + 1);
    memcpy(m, message.members, message.n * sizeof *m);
    m[message.n] = (struct sg_member){sg_str(key), value};
    return sg_json_object(m, message.n + 1);
}

/* False: the entry is no turn, or of a role that models do not know. */
static bool turn_of(struct sg_arena *a, const struct sg_json *entry, struct sg_json *out, struct sg_err *err) {
    const struct sg_json *role = part_of(entry, "role"), *content = part_of(entry, "content");
    bool user = role && sg_json_is_text(role, SG_STR("user")), tool = role && sg_json_is_text(role, SG_STR("tool"));
    bool assistant = role && sg_json_is_text(role, SG_STR("assistant"));
    if (!user && !assistant && !tool) return false;
    const struct sg_json *calls = part_of(entry, "tool_calls"), *id = part_of(entry, "tool_call_id");
    if (!content || (tool && !id)) {
        lacks(err, content ? "tool_call_id" : "content");
        return false;
    }
    *out = one_message(a, user ? "user" : tool ? "tool" : "assistant", *content);
    bool calls_some = calls && (calls->type == SG_JSON_ARRAY || calls->type == SG_JSON_OBJECT) && calls->n;
    if (assistant && calls_some) *out = with_member(a, *out, "tool_calls", wire_tool_calls(a, calls));
    if (tool) *out = with_member(a, *out, "tool_call_id", *id);
    return true;
}

/* A history that is longer than the window begins with something that a user said. */
static uint32_t first_turn(const struct sg_plan *p, const struct sg_json *history) {
    uint32_t at = window_start(p, history);
    if (history->n <= p->history_window) return 0;
    for (; at < history->n; at++) {
        const struct sg_json *role = part_of(&history->items[at], "role");
        if (role && sg_json_is_text(role, SG_STR("user"))) break;
    }
    return at;
}

static bool is_system(const struct sg_json *message) {
    const struct sg_json *role = part_of(message, "role");
    return role && sg_json_is_text(role, SG_STR("system"));
}

static int inject_multi(struct task *t, const struct sg_json *history, struct sg_arena *scratch,
                        struct sg_json *messages, struct sg_err *err) {
    struct sg_json *items = SG_NEW_N(scratch, struct sg_json, messages->n + history->n);
    const struct sg_json *system = NULL;
    size_t n = 0;
    err->code = 0;
    for (uint32_t i = 0; i < messages->n; i++)
        if (is_system(&messages->items[i])) system = &messages->items[i];
    if (system) items[n++] = *system; /* the last one; others are dropped, as in the reference */
    for (uint32_t i = first_turn(t->record->exec->plan, history); i < history->n && err->code == 0; i++)
        if (turn_of(scratch, &history->items[i], &items[n], err)) n++;
    for (uint32_t i = 0; i < messages->n; i++)
        if (!is_system(&messages->items[i])) items[n++] = messages->items[i];
    *messages = sg_json_array(items, n);
    return err->code;
}

int sg_chat_inject(struct task *t, struct sg_arena *scratch, struct sg_json *messages, struct sg_err *err) {
    const struct sg_json *history = t->state[SG_KEY_CHAT_HISTORY];
    enum sg_chat how = t->record->exec->plan->conversation;
    if (how == SG_CHAT_NONE || !takes_part(t) || !history || history->type != SG_JSON_ARRAY || history->n == 0)
        return 0;
    struct sg_err own;
    struct sg_json plain = sg_plain_for_prompt(scratch, history);
    history = &plain;
    return (how == SG_CHAT_SINGLE ? inject_single : inject_multi)(t, history, scratch, messages, err ? err : &own);
}

/* --- recording ----------------------------------------------------------------------------------------------------------------- */

/* Before post_process may change what the request was made of. */
enum verdict sg_step_chat_entry(struct task *t) {
    struct sg_arena *a = &t->record->arena;
    struct sg_err err = {0};
    if (!takes_part(t)) return NEXT;
    struct sg_member *m = SG_NEW_N(a, struct sg_member, 3);
    m[0] = (struct sg_member){SG_STR("name"), sg_json_string(t->node->name)};
    m[1].key = SG_STR("request");
    m[2] = (struct sg_member){SG_STR("response"), *sg_json_get(&t->completion, SG_STR("content"))};
    int rc = sg_prompt_messages(t, a, &m[1].value, &err);
    if (rc != 0) return sg_task_fail_err(t, rc, &err);
    struct sg_json *entry = SG_NEW(a, struct sg_json);
    *entry = sg_json_object(m, 3);
    t->entry = entry;
    return NEXT;
}

enum verdict sg_step_chat_add(struct task *t) {
    static const struct sg_json nothing = {.type = SG_JSON_OBJECT};
    struct sg_arena *a = &t->record->arena;
    struct sg_str key = SG_STR("__chat_history__");
    if (!t->entry) return NEXT;
    const struct sg_json *result = t->result ? t->result : &nothing, *before = sg_json_get(result, key);
    uint32_t n = before && before->type == SG_JSON_ARRAY ? before->n : 0;
    struct sg_json *items = SG_NEW_N(a, struct sg_json, n + 1), *out = SG_NEW(a, struct sg_json);
    struct sg_member *m = SG_NEW_N(a, struct sg_member, result->n + 1);
    size_t members = 0;
    if (n) memcpy(items, before->items, n * sizeof *items);
    items[n] = *t->entry;
    for (uint32_t i = 0; i < result->n; i++)
        if (!sg_str_eq(result->members[i].key, key)) m[members++] = result->members[i];
    m[members++] = (struct sg_member){key, sg_json_array(items, n + 1)};
    *out = sg_json_object(m, members);
    t->result = out;
    return NEXT;
}
