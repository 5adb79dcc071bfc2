/* SPDX-License-Identifier: Apache-2.0 */
/* jq_program: how a user's text becomes a program that cannot reach out of its box.
 *
 * libjq binds named arguments when it compiles, not when it runs, so `$state` and `$node` travel in the input: the program that
 * runs is
 *     <definitions> .[1] as $state | .[2] as $node | .[0] | (<text>
 *
 *     )
 * All that stands before the text is on its first line, so that lines (and $__loc__) are the user's; columns of line
 * 1 are corrected. The empty line is for libjq 1.7, where a backslash at the end of a comment continues it.
 * In those parentheses "1) | (2" would be a program. So the text is first parsed alone, behind an import of a module
 * that does not exist: libjq parses everything before it looks for modules, and complaining about the module is the
 * proof of good syntax. That costs 0.1 ms; binding the 200 builtins (20 ms in 1.6) comes later and is not reached.
 * JQ_LIBRARY_PATH is set to an empty list: without it an import aborts libjq 1.6 (assertion in jv_array_concat).
 * Messages carry the line in words, the line's text, and then as many spaces as the column has bytes before it (1.6,
 * 1.7) or the column in words (1.8). */
#include "hooks/jq_program.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include <jq.h>

#define MAX_OUTPUTS 1000000
/* Longest text of one compile error that is kept. */
#define MAX_MESSAGES ((size_t)16 << 10)

#define NO_MODULE "sygra-has-no-modules"
#define SYNTAX_HEAD "import \"" NO_MODULE "\" as none; "
#define DEFINITIONS                                                                                                  \
    "def input: error(\"a hook has one input: `input` finds nothing to read\"); "                                    \
    "def stderr: debug; def localtime: gmtime; def strflocaltime(f): strftime(f); "

struct sg_jq {
    jq_state *jq;
    struct sg_jq_setup how;
    struct sg_numbers numbers;
    struct sg_arena arena;
    struct sg_json node; /* that $node is */
    struct sg_buf print; /* one printed value */
};

/* ---- messages of the compiler ---- */

struct compile {
    struct sg_str text; /* the user's */
    size_t head;        /* bytes before it on line 1 */
    struct sg_jq_fault *fault;
    size_t errors;
    bool asks_for_module; /* the syntax is good */
};

static struct sg_str line_of(struct sg_str text, uint32_t line) {
    size_t at = 0;
    for (uint32_t i = 1; i < line && at < text.n; i++) at = sg_str_find(text, '\n', at) + 1;
    if (at > text.n) at = text.n;
    return (struct sg_str){text.p + at, sg_str_find(text, '\n', at) - at};
}

/* Bytes before the place, from the spaces behind the repeated line; SIZE_MAX when this is not that form. */
static size_t offset_by_spaces(struct sg_str rest, size_t line_bytes) {
    if (rest.n < line_bytes) return SIZE_MAX;
    for (size_t i = line_bytes; i < rest.n; i++)
        if (rest.p[i] != ' ') return SIZE_MAX;
    return rest.n - line_bytes;
}

/* `p` stands behind "line ": sets line and column (in code points of the user's own line). */
static void read_place(const struct compile *c, const char *p, uint32_t *line, uint32_t *column) {
    static const char COLUMN[] = ", column ";
    char *end;
    *line = (uint32_t)strtoul(p, &end, 10);
    *column = 0;
    struct sg_str own = line_of(c->text, *line);
    size_t head = *line == 1 ? c->head : 0, offset = SIZE_MAX;
    if (strncmp(end, COLUMN, sizeof COLUMN - 1) == 0) offset = strtoul(end + sizeof COLUMN - 1, NULL, 10) - 1;
    else if (strncmp(end, ":\n", 2) == 0) offset = offset_by_spaces(sg_str(end + 2), head + own.n);
    if (offset == SIZE_MAX || offset < head || offset - head > own.n) return;
    *column = (uint32_t)sg_utf8_length((struct sg_str){own.p, offset - head}) + 1;
}

static void cut_phrase(char *text, const char *phrase) {
    char *hit = strstr(text, phrase);
    if (hit) memmove(hit, hit + strlen(phrase), strlen(hit + strlen(phrase)) + 1);
}

/* The first error is the fault; the text of the others follows it with their lines. */
static void add_message(struct compile *c, char *message) {
    static const char PLACE[] = " at <top-level>, line ", PREFIX[] = "jq: error: ";
    uint32_t line = 0, column = 0;
    char *place = strstr(message, PLACE);
    if (place) {
        read_place(c, place + sizeof PLACE - 1, &line, &column);
        *place = '\0';
    }
    if (strncmp(message, PREFIX, sizeof PREFIX - 1) == 0) message += sizeof PREFIX - 1;
    cut_phrase(message, " (Unix shell quoting issues?)");
    size_t used = c->errors++ ? strlen(c->fault->text) : 0;
    char *to = c->fault->text + used;
    size_t room = sizeof c->fault->text - used;
    if (used && line) snprintf(to, room, "; line %u: %s", line, message);
    else if (used) snprintf(to, room, "; %s", message);
    else snprintf(to, room, "%s", message);
    if (!used) c->fault->line = line, c->fault->column = column;
}

static void on_compile_error(void *ud, jv message) {
    struct compile *c = ud;
    message = jq_format_error(message);
    const char *text = jv_string_value(message);
    unsigned count;
    if (strstr(text, "module not found: " NO_MODULE)) {
        c->asks_for_module = true;
    } else if (sscanf(text, "jq: %u compile error", &count) != 1) {
        char *copy = strndup(text, MAX_MESSAGES);
        if (copy) add_message(c, copy);
        free(copy);
    }
    jv_free(message);
}

/* ---- compiling ---- */

static int refuse(struct sg_jq_fault *fault, const char *text) {
    *fault = (struct sg_jq_fault){0};
    snprintf(fault->text, sizeof fault->text, "%s", text);
    return SG_E_HOOK;
}

/* The first byte that is neither white space nor comment. */
static size_t skip_blank(struct sg_str text) {
    size_t at = 0;
    while (at < text.n && strchr(" \t\r\n#", text.p[at]))
        at = text.p[at] == '#' ? sg_str_find(text, '\n', at) : at + 1;
    return at;
}

/* import, include and module can stand only at the beginning. */
static bool begins_with_directive(struct sg_str text) {
    static const char *const WORDS[] = {"import", "include", "module"};
    size_t at = skip_blank(text), n = 0;
    while (at + n < text.n && (text.p[at + n] == '_' || isalnum((unsigned char)text.p[at + n]))) n++;
    for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
        if (sg_str_eq((struct sg_str){text.p + at, n}, sg_str(WORDS[i]))) return true;
    return false;
}

static bool compile_with(struct sg_jq *p, struct compile *c, const char *head, const char *tail) {
    struct sg_buf b = SG_BUF_INIT(SIZE_MAX / 2);
    sg_buf_str(&b, sg_str(head));
    c->head = b.n;
    sg_buf_str(&b, c->text);
    sg_buf_add(&b, tail, strlen(tail) + 1);
    jq_set_error_cb(p->jq, on_compile_error, c);
    bool ok = jq_compile(p->jq, b.p);
    jq_set_error_cb(p->jq, NULL, NULL);
    sg_buf_fini(&b);
    return ok;
}

static bool has_variables(const struct sg_jq *p) {
    return p->how.state || p->how.node.n;
}

static int compile_program(struct sg_jq *p, struct sg_str text, struct sg_jq_fault *fault) {
    static const char NO_MODULES[] = "a hook has no modules: import, include and module do not work";
    static const char NO_EXPRESSION[] = "the program has no expression (`.` passes the input on)";
    struct compile c = {.text = text, .fault = fault};
    if (memchr(text.p, '\0', text.n)) return refuse(fault, "the program holds a NUL character");
    if (skip_blank(text) == text.n) return refuse(fault, NO_EXPRESSION);
    if (begins_with_directive(text)) return refuse(fault, NO_MODULES);
    compile_with(p, &c, SYNTAX_HEAD, "");
    bool no_main = strstr(fault->text, "Top-level program not given"); /* 1.7 sees that first */
    if (no_main) return refuse(fault, NO_EXPRESSION);
    if (!c.asks_for_module) return SG_E_HOOK;

    char head[sizeof DEFINITIONS + 128], now[64] = "";
    if (p->how.now > 0) snprintf(now, sizeof now, "def now: %.6f; ", p->how.now);
    snprintf(head, sizeof head, "%s%s%s%s%s(", DEFINITIONS, now, p->how.state ? ".[1] as $state | " : "",
             p->how.node.n ? ".[2] as $node | " : "", has_variables(p) ? ".[0] | " : "");
    if (compile_with(p, &c, head, "\n\n)")) return 0;
    /* It parses alone, so only definitions without an expression are left as a reason. */
    return strstr(fault->text, "syntax error") ? refuse(fault, NO_EXPRESSION) : SG_E_HOOK;
}

/* ---- life ---- */

static void on_debug(void *ud, jv value) {
    struct sg_jq *p = ud;
    sg_buf_reset(&p->print, SIZE_MAX);
    sg_jv_write(&p->print, value, &p->numbers);
    jv_free(value);
    if (p->how.on_print) p->how.on_print(p->how.ud, sg_buf_view(&p->print));
}

int sg_jq_open(struct sg_str text, const struct sg_jq_setup *how, struct sg_jq **out, struct sg_jq_fault *fault) {
    *fault = (struct sg_jq_fault){0};
    struct sg_jq *p = sg_xcalloc(1, sizeof *p);
    p->how = *how;
    p->print = SG_BUF_INIT((size_t)64 << 10);
    p->jq = jq_init();
    SG_ASSERT(p->jq);
    if (how->on_no_memory) jq_set_nomem_handler(p->jq, how->on_no_memory, how->ud);
    jq_set_attr(p->jq, jv_string("JQ_LIBRARY_PATH"), jv_array());
    jq_set_debug_cb(p->jq, on_debug, p);
    jq_set_input_cb(p->jq, NULL, NULL); /* jq_init of 1.6 leaves it unset: `inputs` would jump anywhere */
    sg_arena_init(&p->arena, 0);
    int rc = how->node.n ? sg_json_parse(&p->arena, how->node, &p->node, NULL, NULL) : 0;
    rc = rc ? refuse(fault, "its node is no JSON") : compile_program(p, text, fault);
    if (rc == 0) *out = p;
    else sg_jq_close(p);
    return rc;
}

void sg_jq_close(struct sg_jq *p) {
    if (!p) return;
    jq_teardown(&p->jq);
    sg_numbers_fini(&p->numbers);
    sg_arena_fini(&p->arena);
    sg_buf_fini(&p->print);
    free(p);
}

/* ---- running ---- */

/* The program's own message: a text as it is, another value as JSON. */
static int raised(struct sg_jq *p, jv message, struct sg_err *err) {
    struct sg_buf b = SG_BUF_INIT((size_t)4 << 10);
    if (jv_get_kind(message) == JV_KIND_STRING)
        sg_fail(err, SG_E_HOOK, "%.*s", jv_string_length_bytes(jv_copy(message)), jv_string_value(message));
    else if (sg_jv_write(&b, message, &p->numbers) && !b.failed) sg_fail(err, SG_E_HOOK, "%.*s", (int)b.n, b.p);
    else sg_fail(err, SG_E_HOOK, "raised a value that is too large to show");
    jv_free(message);
    sg_buf_fini(&b);
    return SG_E_HOOK;
}

/* Takes the end of the outputs, which is not always the end of the program. */
static int finish(struct sg_jq *p, jv last, struct sg_err *err) {
    if (jv_invalid_has_msg(jv_copy(last))) return raised(p, jv_invalid_get_msg(last), err);
    jv_free(last);
    if (!jq_halted(p->jq)) return 0;
    jv message = jq_get_error_message(p->jq);
    if (jv_is_valid(message)) return raised(p, message, err); /* halt_error */
    jv_free(message);
    return 0; /* halt: what came before it counts */
}

static int collect(struct sg_jq *p, struct sg_buf *out, struct sg_err *err) {
    jv v;
    size_t n = 0;
    sg_buf_ch(out, '[');
    for (; jv_is_valid(v = jq_next(p->jq)); n++) {
        if (n) sg_buf_ch(out, ',');
        bool shallow = sg_jv_write(out, v, &p->numbers);
        jv_free(v);
        if (!shallow) return sg_fail(err, SG_E_LIMIT, "a result is nested deeper than %d", SG_JSON_DEPTH - 1);
        if (out->failed) return sg_fail(err, SG_E_LIMIT, "the results are larger than a call may return");
        if (n >= MAX_OUTPUTS) return sg_fail(err, SG_E_LIMIT, "more than %d results", MAX_OUTPUTS);
    }
    sg_buf_ch(out, ']');
    int rc = finish(p, v, err);
    return rc == 0 && out->failed ? sg_fail(err, SG_E_LIMIT, "the results are larger than a call may return") : rc;
}

int sg_jq_run(struct sg_jq *p, const struct sg_json *input, const struct sg_json *state, struct sg_buf *out,
              struct sg_err *err) {
    sg_numbers_clear(&p->numbers);
    jv v = sg_jv_read(input, &p->numbers);
    if (has_variables(p))
        v = JV_ARRAY(v, state ? sg_jv_read(state, &p->numbers) : jv_null(), sg_jv_read(&p->node, &p->numbers));
    jq_start(p->jq, v, 0);
    return collect(p, out, err);
}
