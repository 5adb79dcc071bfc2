/* SPDX-License-Identifier: Apache-2.0 */
/* sim_driver: whole tasks in the simulated world (src/sim), one for each seed, and whether what must hold does.
 *
 *     sim_driver --seed 17 [--count 100]        seeds 17 to 116; a failing one prints the command that replays it
 *     sim_driver --seed 17 --trace              with each event of the disturbed world
 *     sim_driver --seed 17 --lives 3            the process is killed, or its power cut, up to three times
 *     sim_driver --seed 17 --sweep kill|cut|fail     at each operation on files, one after the other
 *
 * A seed draws a task (rows, graph, hooks), its endpoints and the faults. The task is run twice: in an undisturbed world,
 * and in one where things fail. What kind of disturbance (`kind`) says what must hold at the end:
 *
 *   ends    faults that end, enough attempts: the same bytes as undisturbed (design D15)
 *   lasting faults that go on, few attempts: each record ends once, in order, and the outcomes add up
 *   disk    files fail: a clear stop, and .part is a prefix of the undisturbed output
 *   killed  the process dies at some event, perhaps with the machine: the same
 *   signal  SIGINT at some event: the same
 *
 * What was stopped is resumed, and must then end as undisturbed. What the run folder has of finished records, answers and steps
 * at a death is not asked for, or made, again. At the end fsck finds the folder sound.
 *
 * At any time: what is written to .part continues the undisturbed output; no more than -b records are at the endpoints; the
 * loop thread touches no file; memory is bounded; the run ends within HOURS of virtual time. */
#include "journal/rundb.h"
#include "run/run.h"
#include "sim/sim.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#define MAX_ROWS 512
#define ENOUGH_ATTEMPTS 60 /* for faults that end */
#define MAX_REQUESTS 16384
#define HOURS 3
#define MEMORY_BYTES ((size_t)96 << 20)
#define MEMORY_LOOK 512 /* events */

enum kind { ENDS, LASTING, DISK, KILLED, SIGNAL, KINDS };
static const char *const kind_names[] = {"ends", "lasting", "disk", "killed", "signal"};

/* Everything that a seed decides. */
struct scenario {
    uint64_t seed;
    enum kind kind;
    unsigned rows, in_flight, hosts;
    bool lines, with_ids;
    enum { PLAIN, PACKED, CSV } form; /* of the data; PACKED: of lines or an array */
    /* graph */
    bool sampler, check, loop, transform, post_process;
    enum { NO_BRANCH, FAN_OUT, ROUTED } branch;
    bool inner, deep; /* a subgraph behind the draft; the left branch is a node longer, so that a join waits over steps */
    enum { ONE_MODEL, ENSEMBLE, BALANCE, FALLBACK } several; /* models, in a node behind the draft */
    bool combine, picky;                                     /* it has a program that combines, or refuses replies */
    double bad_rows, broken_rows;
    unsigned max_rounds;
    bool rules; /* a part of the records breaks one */
    enum { AS_THEY_ARE, LISTED, STREAMED } rows_are; /* transformed, as a whole or one by one */
    bool effects; /* hooks change the state in place, and return parts of it as they were */
    bool once;    /* a hook that is never to run twice */
    /* endpoints */
    unsigned endpoints, attempts;
    bool in_turn;
    bool changed; /* the draft's prompt is another one */
    /* the run folder */
    bool no_journal;
    enum sg_durability durability;
    enum sg_keep keep;
    struct sg_mock_options mock;
    /* the world */
    struct sg_sim_options world;
};

/* What this process does now; the child has a copy. */
static struct {
    struct scenario scenario;
    struct sg_sim *sim;
    struct sg_str expected; /* the undisturbed output; p NULL: not known, or not to be compared */
    bool trace, disturbed;
    bool retrying, accepting; /* what later lives of a run are told */
    uint64_t looks;
    size_t least_memory;
    uint64_t
        sure_bytes; /* of .part: what lies behind them a loss of power may have torn, until a resume cuts it off */
} now;

/* --- the task ----------------------------------------------------------------------------------------------------- */

static uint64_t below(struct sg_rng *r, uint64_t n) {
    return sg_rng_next(r) % n;
}

static bool chance(struct sg_rng *r, double share) {
    return sg_rng_unit(r) < share;
}

static double spread(struct sg_rng *r, double low, double high) {
    return low * exp(sg_rng_unit(r) * log(high / low));
}

static void draw_task(struct scenario *c, struct sg_rng *r) {
    c->rows = (unsigned)(chance(r, 0.1) ? 20 + below(r, 281) : 20 + below(r, 41));
    c->in_flight = (unsigned)spread(r, 1, 64.99);
    c->hosts = 1 + (unsigned)below(r, 3);
    c->lines = chance(r, 0.6);
    c->with_ids = chance(r, 0.5);
    c->sampler = chance(r, 0.5);
    c->check = chance(r, 0.4);
    c->loop = chance(r, 0.5);
    c->transform = chance(r, 0.4);
    c->post_process = chance(r, 0.4);
    c->branch = below(r, 3);
    c->several = chance(r, 0.5) ? ENSEMBLE + below(r, 3) : ONE_MODEL;
    c->combine = c->several == ENSEMBLE && chance(r, 0.5);
    c->picky = c->several == FALLBACK && chance(r, 0.5);
    c->max_rounds = 1 + (unsigned)below(r, 4);
    c->durability = below(r, 3);
    c->keep = below(r, 3);
    c->no_journal = c->kind <= LASTING && chance(r, 0.1);
    c->bad_rows = c->check && chance(r, 0.5) ? 0.1 : 0;
    c->broken_rows = c->lines && chance(r, 0.3) ? 0.05 : 0;
}

/* From streams of their own: what else a seed decides stays as it was. */
static void draw_rules(struct scenario *c) {
    struct sg_rng r = {c->seed ^ 0x72756C6573};
    c->rules = chance(&r, 0.3);
}

static void draw_form(struct scenario *c) {
    struct sg_rng r = {c->seed ^ 0x666F726D};
    double drawn = sg_rng_unit(&r);
    c->form = drawn < 0.15 ? PACKED : drawn < 0.3 && c->lines ? CSV : PLAIN;
}

/* A list needs every row. */
static void draw_transform(struct scenario *c) {
    struct sg_rng r = {c->seed ^ 0x6C697374};
    double drawn = sg_rng_unit(&r);
    c->rows_are = drawn < 0.15 ? LISTED : drawn < 0.3 ? STREAMED : AS_THEY_ARE;
    if (c->rows_are == LISTED) c->broken_rows = 0;
}

static void draw_shape(struct scenario *c) {
    struct sg_rng r = {c->seed ^ 0x7368617065};
    c->inner = chance(&r, 0.3);
    c->deep = chance(&r, 0.4);
}

static void draw_hooks(struct scenario *c) {
    struct sg_rng r = {c->seed ^ 0x686F6F6B73};
    c->effects = c->form != CSV && chance(&r, 0.35);
    c->once = c->kind != LASTING && c->kind != DISK && chance(&r, 0.25);
}

/* A broken row has a value too many, or a quote that is not closed. */
static void write_csv(const struct scenario *c, struct sg_buf *b) {
    static const char *const words[] = {"plain", "\"quote \"\" here\"", "ü€𝄞", "\"a, b\"", "\"two\nlines\"", "back\\slash", ""};
    struct sg_rng r = {c->seed ^ 0x726F7773};
    sg_buf_printf(b, "i,text,rounds,round,kind,bad%s\n", c->with_ids ? ",id" : "");
    for (unsigned i = 0; i < c->rows; i++) {
        bool broken = chance(&r, c->broken_rows), bad = chance(&r, c->bad_rows);
        const char *word = words[below(&r, sizeof words / sizeof *words)];
        sg_buf_printf(b, "%u,%s,%u,0,%u,%s", i, broken && i % 2 ? "\"open" : word, 1 + (unsigned)below(&r, c->max_rounds),
                      (unsigned)below(&r, 3), bad ? "true" : "false");
        if (c->with_ids) sg_buf_printf(b, ",row-%u", i);
        sg_buf_printf(b, "%s\n", broken ? ",oops" : "");
    }
}

static void write_json(const struct scenario *c, struct sg_buf *b) {
    static const char *const words[] = {"plain",  "quote \\\" here", "ü€𝄞",       "{braces}",
                                        "tab\\t", "back\\\\slash",   "\\u0000nul"};
    struct sg_rng r = {c->seed ^ 0x726F7773};
    if (!c->lines) SG_BUF_LIT(b, "[\n");
    for (unsigned i = 0; i < c->rows; i++) {
        if (!c->lines && i) SG_BUF_LIT(b, ",\n");
        bool broken = chance(&r, c->broken_rows), bad = chance(&r, c->bad_rows);
        sg_buf_printf(b, "{\"i\": %u, \"text\": \"%s\", \"rounds\": %u, \"round\": 0, \"kind\": %u, \"bad\": %s%s", i,
                      words[below(&r, sizeof words / sizeof *words)], 1 + (unsigned)below(&r, c->max_rounds),
                      (unsigned)below(&r, 3), bad ? "true" : "false", broken ? ", oops" : "");
        if (c->with_ids) sg_buf_printf(b, ", \"id\": \"row-%u\"", i);
        if (c->effects) sg_buf_printf(b, ", \"trail\": [], \"exact\": %u.50", i);
        sg_buf_ch(b, '}');
        if (c->lines) sg_buf_ch(b, '\n');
    }
    if (!c->lines) SG_BUF_LIT(b, "\n]\n");
}

static void pack(struct sg_buf *b) {
    struct sg_buf out = SG_BUF_INIT(SIZE_MAX / 2);
    z_stream z = {.next_in = (unsigned char *)b->p, .avail_in = (unsigned)b->n};
    SG_ASSERT(deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
    size_t room = deflateBound(&z, b->n);
    z.next_out = (unsigned char *)sg_buf_reserve(&out, room);
    z.avail_out = (unsigned)room;
    SG_ASSERT(deflate(&z, Z_FINISH) == Z_STREAM_END);
    out.n = room - z.avail_out;
    deflateEnd(&z);
    sg_buf_fini(b);
    *b = out;
}

static void write_rows(const struct scenario *c, struct sg_buf *b) {
    if (c->form == CSV) write_csv(c, b);
    else write_json(c, b);
    if (c->form == PACKED) pack(b);
}

static const char *data_name(const struct scenario *c) {
    if (c->form == CSV) return "data.csv";
    if (c->form == PACKED) return c->lines ? "data.jsonl.gz" : "data.json.gz";
    return c->lines ? "data.jsonl" : "data.json";
}

#define MARK "sim.data.Mark"
#define COUNT "{round: ((.round // 0) + 1)}"
#define MORE "if .round < .rounds then \\\"more\\\" else \\\"done\\\" end"
#define CHECK "if .bad then error(\\\"bad row\\\") else {checked: true} end"
#define ROUTE                                                                                                        \
    "if .kind == 0 then \\\"left\\\" elif .kind == 1 then \\\"right\\\" else (\\\"left\\\", \\\"right\\\") end"
#define DRAFTED "{draft: .response.content, size: (.response.content | length)}"
#define JOINED "{joined: [.left, .right]}"
#define LENGTH "length"
#define PAY "{paid: true}"
#define TOUCH "touch"
#define COUNT_AND_TOUCH "count, and touch"
#define MORE_AND_TOUCH "more, and touch"
#define WHOLE "the whole state"
#define LEFT_AND_TOUCH "left, and touch"
#define COMBINED "{many: [.one.many, .three.many]}"
#define PICKED "if (.response.content | length) % 3 == 0 then error(\\\"three\\\") else {many: .response.content} end"

/* No two calls of a record may be the same request: what was asked again would not be known. */
static void write_llm(struct sg_buf *b, const char *name, const char *prompt, const char *key) {
    sg_buf_printf(b, "    %s:\n      node_type: llm\n      model: {name: m}\n      prompt: [{user: \"r{i} %s\"}]\n",
                  name, prompt);
    if (key) sg_buf_printf(b, "      output_keys: %s\n", key);
}

static void write_lambda(struct sg_buf *b, const char *name, const char *program, const char *keys) {
    sg_buf_printf(b, "    %s: {node_type: lambda, lambda: {jq: \"%s\"}, output_keys: %s}\n", name, program, keys);
}

static void write_several(const struct scenario *c, struct sg_buf *b) {
    static const char *const strategies[] = {"ensemble", "balance", "fallback"};
    sg_buf_printf(b,
                  "    many:\n      node_type: multi_llm\n      strategy: %s\n      output_keys: many\n"
                  "      models: {one: {name: m}, two: {name: m, model: mock-two}, three: {name: m, model: mock-three}}\n"
                  "      prompt: [{user: \"r{i} many of {draft} {round}\"}]\n",
                  strategies[c->several - ENSEMBLE]);
    if (c->combine) SG_BUF_LIT(b, "      multi_llm_post_process: {jq: \"" COMBINED "\"}\n");
    if (c->picky) SG_BUF_LIT(b, "      post_process: {jq: \"" PICKED "\"}\n");
}

static void write_inner(const struct scenario *c, struct sg_buf *b) {
    (void)c;
    SG_BUF_LIT(b, "graph_config:\n  nodes:\n");
    write_llm(b, "first", "first of {draft} {round}", "first");
    write_llm(b, "second", "second of {first} {round}", "inner");
    SG_BUF_LIT(b, "  edges:\n    - {from: START, to: first}\n    - {from: first, to: second}\n    - {from: second, to: END}\n");
}

static void write_nodes(const struct scenario *c, struct sg_buf *b) {
    SG_BUF_LIT(b, "  nodes:\n");
    if (c->sampler)
        SG_BUF_LIT(b, "    tone:\n      node_type: weighted_sampler\n      attributes:\n"
                      "        tone: {values: [dry, warm, loud], weights: [3, 2, 1]}\n"
                      "        length: {values: [1, 2.50, null], weights: [1, 1, 1]}\n");
    if (c->once)
        SG_BUF_LIT(b, "    pay: {node_type: lambda, once: true, lambda: {jq: \"" PAY "\"}, output_keys: paid}\n");
    if (c->effects) write_lambda(b, "touch", TOUCH, "touched");
    if (c->check) write_lambda(b, "check", CHECK, "checked");
    const char *prompt = c->sampler ? "draft {tone} {length} {round}: {text}" : "draft {round}: {text}";
    if (c->changed) prompt = "another draft of {text}";
    write_llm(b, "draft", prompt, c->post_process ? NULL : "draft");
    if (c->post_process)
        SG_BUF_LIT(b, "      output_keys: [draft, size]\n      post_process: {jq: \"" DRAFTED "\"}\n");
    if (c->effects) SG_BUF_LIT(b, "      pre_process: {jq: \"" WHOLE "\"}\n");
    if (c->inner) SG_BUF_LIT(b, "    within: {node_type: subgraph, subgraph: inner}\n");
    if (c->several) write_several(c, b);
    if (c->loop) write_lambda(b, "count", c->effects ? COUNT_AND_TOUCH : COUNT, "round");
    if (c->branch == NO_BRANCH) return;
    write_llm(b, "left", "left of {draft}", "left");
    if (c->effects) SG_BUF_LIT(b, "      post_process: {jq: \"" LEFT_AND_TOUCH "\"}\n");
    write_llm(b, "right", "right of {draft}", "right");
    if (c->deep) write_llm(b, "deeper", "deeper than {left}", "left");
    write_lambda(b, "meet", JOINED, "joined");
}

/* What follows the draft, or the loop around it: its name in an edge. */
static const char *after_draft(const struct scenario *c) {
    return c->branch == NO_BRANCH ? "END" : c->branch == FAN_OUT ? "[left, right]" : "left";
}

static void write_ends(const struct scenario *c, const char *from, struct sg_buf *b) {
    if (c->branch == ROUTED)
        sg_buf_printf(b, "    - {from: %s, condition: {jq: \"" ROUTE "\"}, path_map: {left: left, right: right}}\n",
                      from);
    else sg_buf_printf(b, "    - {from: %s, to: %s}\n", from, after_draft(c));
    const char *left = c->deep ? "deeper" : "left";
    if (c->deep && c->branch) SG_BUF_LIT(b, "    - {from: left, to: deeper}\n");
    if (c->branch == FAN_OUT) sg_buf_printf(b, "    - {from: [%s, right], to: meet}\n", left);
    if (c->branch == ROUTED) sg_buf_printf(b, "    - {from: %s, to: meet}\n    - {from: right, to: meet}\n", left);
}

static void write_edges(const struct scenario *c, struct sg_buf *b) {
    const char *from = "START";
    SG_BUF_LIT(b, "  edges:\n");
    if (c->sampler) {
        sg_buf_printf(b, "    - {from: %s, to: tone}\n", from);
        from = "tone";
    }
    if (c->check) {
        sg_buf_printf(b, "    - {from: %s, to: check}\n", from);
        from = "check";
    }
    if (c->once) {
        sg_buf_printf(b, "    - {from: %s, to: pay}\n", from);
        from = "pay";
    }
    if (c->effects) {
        sg_buf_printf(b, "    - {from: %s, to: touch}\n", from);
        from = "touch";
    }
    sg_buf_printf(b, "    - {from: %s, to: draft}\n", from);
    from = "draft";
    if (c->inner) {
        sg_buf_printf(b, "    - {from: %s, to: within}\n", from);
        from = "within";
    }
    if (c->several) {
        sg_buf_printf(b, "    - {from: %s, to: many}\n", from);
        from = "many";
    }
    if (c->loop) { /* a node of its own behind the loop, so that the branch's condition is another edge's */
        sg_buf_printf(b, "    - {from: %s, to: count}\n", from);
        sg_buf_printf(b, "    - {from: count, condition: {jq: \"%s\"}, path_map: {more: draft, done: settled}}\n",
                      c->effects ? MORE_AND_TOUCH : MORE);
        from = "settled";
    }
    write_ends(c, from, b);
}

static void write_output(const struct scenario *c, struct sg_buf *b) {
    SG_BUF_LIT(b,
               "output_config:\n  output_map:\n    i: {from: i}\n    text: {from: text}\n    draft: {from: draft}\n");
    if (c->with_ids) SG_BUF_LIT(b, "    id: {from: id}\n");
    if (c->sampler) SG_BUF_LIT(b, "    tone: {from: tone}\n    length: {from: length}\n");
    if (c->loop) SG_BUF_LIT(b, "    round: {from: round}\n");
    if (c->post_process) SG_BUF_LIT(b, "    size: {from: size}\n");
    if (c->several) SG_BUF_LIT(b, "    many: {from: many}\n");
    if (c->inner) SG_BUF_LIT(b, "    inner: {from: inner}\n");
    if (c->once) SG_BUF_LIT(b, "    paid: {from: paid}\n");
    if (c->effects)
        SG_BUF_LIT(b, "    trail: {from: trail}\n    exact: {from: exact}\n    touched: {from: touched}\n    "
                      "messages: {from: messages}\n");
    if (c->branch != NO_BRANCH) SG_BUF_LIT(b, "    joined: {from: joined}\n");
    if (c->transform) SG_BUF_LIT(b, "    letters: {from: draft, transform: {jq: \"" LENGTH "\"}}\n");
}

static void write_task(const struct scenario *c, struct sg_buf *b) {
    static const char *const changes[] = {[AS_THEY_ARE] = "",
                                          [LISTED] = ", transformations: [{transform: " MARK "}]",
                                          [STREAMED] = ", streaming: true, transformations: [{transform: " MARK "}]"};
    sg_buf_printf(b, "data_config:\n%s  source: {type: disk, file_path: %s%s}\ngraph_config:\n",
                  c->with_ids ? "  id_column: id\n" : "", data_name(c), changes[c->rows_are]);
    write_nodes(c, b);
    if (c->loop) write_lambda(b, "settled", "{settled: true}", "settled");
    write_edges(c, b);
    write_output(c, b);
    if (c->rules)
        SG_BUF_LIT(b, "schema_config:\n  fields:\n    - {name: draft, type: str, is_not_empty: true}\n"
                      "    - {name: kind, type: int, is_less_than: 2}\n");
}

static void write_models(const struct scenario *c, struct sg_buf *b) {
    sg_buf_printf(b,
                  "m:\n  model_type: vllm\n  model: mock\n  timeout: 120\n  retry_attempts: %u\n"
                  "  load_balancing: %s\n  url: [\"http://model.sim:8000/v1\"%s]\n",
                  c->attempts, c->in_turn ? "round_robin" : "least_requests", c->endpoints > 1 ? ", \"http://127.0.0.1:8001/v1\"" : "");
}

static void put_file(struct sg_sim *s, const char *path, void (*write)(const struct scenario *c, struct sg_buf *b)) {
    struct sg_buf b = SG_BUF_INIT(SIZE_MAX / 2);
    write(&now.scenario, &b);
    sg_sim_put_file(s, path, sg_buf_view(&b));
    if (now.trace && now.disturbed) fprintf(stderr, "--- %s\n%.*s\n", path, (int)b.n, b.p);
    sg_buf_fini(&b);
}

static void put_task(struct sg_sim *s) {
    put_file(s, "/task/graph_config.yaml", write_task);
    put_file(s, "/task/models.yaml", write_models);
    if (now.scenario.inner) put_file(s, "/task/inner/graph_config.yaml", write_inner);
    char path[40];
    snprintf(path, sizeof path, "/task/%s", data_name(&now.scenario));
    put_file(s, path, write_rows);
}

/* --- its programs, as jq would run them --------------------------------------------------------------------------- */

static int64_t whole(const struct sg_json *object, const char *key) {
    int64_t v = 0;
    const struct sg_json *j = sg_json_get(object, sg_str(key));
    if (j) sg_json_to_i64(j, &v);
    return v;
}

static void write_or_null(struct sg_buf *out, const struct sg_json *v) {
    if (v) sg_json_write(out, v);
    else SG_BUF_LIT(out, "null");
}

static bool run_count(struct sg_arena *a, const struct sg_json *in, const struct sg_json *state, struct sg_buf *out) {
    (void)a, (void)state;
    sg_buf_printf(out, "[{\"round\":%lld}]", (long long)whole(in, "round") + 1);
    return true;
}

static bool run_more(struct sg_arena *a, const struct sg_json *in, const struct sg_json *state, struct sg_buf *out) {
    (void)a, (void)state;
    sg_buf_str(out, whole(in, "round") < whole(in, "rounds") ? SG_STR("[\"more\"]") : SG_STR("[\"done\"]"));
    return true;
}

static bool run_check(struct sg_arena *a, const struct sg_json *in, const struct sg_json *state, struct sg_buf *out) {
    (void)a, (void)state;
    bool bad = sg_json_get(in, SG_STR("bad"))->type == SG_JSON_TRUE;
    sg_buf_str(out, bad ? SG_STR("bad row") : SG_STR("[{\"checked\":true}]"));
    return !bad;
}

static bool run_route(struct sg_arena *a, const struct sg_json *in, const struct sg_json *state, struct sg_buf *out) {
    static const char *const ways[] = {"[\"left\"]", "[\"right\"]", "[\"left\",\"right\"]"};
    (void)a, (void)state;
    sg_buf_str(out, sg_str(ways[whole(in, "kind")]));
    return true;
}

static bool run_drafted(struct sg_arena *a, const struct sg_json *in, const struct sg_json *state,
                        struct sg_buf *out) {
    (void)a, (void)state;
    const struct sg_json *response = sg_json_get(sg_json_get(in, SG_STR("response")), SG_STR("content"));
    SG_BUF_LIT(out, "[{\"draft\":");
    sg_json_write(out, response);
    sg_buf_printf(out, ",\"size\":%zu}]", sg_utf8_length(sg_json_text(response)));
    return true;
}

static bool run_joined(struct sg_arena *a, const struct sg_json *in, const struct sg_json *state,
                       struct sg_buf *out) {
    (void)a, (void)state;
    SG_BUF_LIT(out, "[{\"joined\":[");
    write_or_null(out, sg_json_get(in, SG_STR("left")));
    sg_buf_ch(out, ',');
    write_or_null(out, sg_json_get(in, SG_STR("right")));
    SG_BUF_LIT(out, "]}]");
    return true;
}

static bool run_combined(struct sg_arena *a, const struct sg_json *in, const struct sg_json *state,
                         struct sg_buf *out) {
    (void)a, (void)state;
    SG_BUF_LIT(out, "[{\"many\":[");
    write_or_null(out, sg_json_get(sg_json_get(in, SG_STR("one")), SG_STR("many")));
    sg_buf_ch(out, ',');
    write_or_null(out, sg_json_get(sg_json_get(in, SG_STR("three")), SG_STR("many")));
    SG_BUF_LIT(out, "]}]");
    return true;
}

static bool run_picked(struct sg_arena *a, const struct sg_json *in, const struct sg_json *state,
                       struct sg_buf *out) {
    (void)a, (void)state;
    const struct sg_json *response = sg_json_get(sg_json_get(in, SG_STR("response")), SG_STR("content"));
    if (sg_utf8_length(sg_json_text(response)) % 3 == 0) {
        SG_BUF_LIT(out, "three");
        return false;
    }
    SG_BUF_LIT(out, "[{\"many\":");
    sg_json_write(out, response);
    SG_BUF_LIT(out, "}]");
    return true;
}

static bool run_settled(struct sg_arena *a, const struct sg_json *in, const struct sg_json *state,
                        struct sg_buf *out) {
    (void)a, (void)in, (void)state;
    SG_BUF_LIT(out, "[{\"settled\":true}]");
    return true;
}

static bool run_length(struct sg_arena *a, const struct sg_json *in, const struct sg_json *state,
                       struct sg_buf *out) {
    (void)a, (void)state;
    sg_buf_printf(out, "[%zu]", in->type == SG_JSON_STRING ? sg_utf8_length(sg_json_text(in)) : 0);
    return true;
}

/* The transform: a row with its text in brackets. What a host was fed is this process's, as hosts of a list never die here. */
static void write_marked(const struct sg_json *row, struct sg_buf *out) {
    sg_buf_ch(out, '{');
    for (uint32_t i = 0; i < row->n; i++) {
        if (i) sg_buf_ch(out, ',');
        sg_json_write_string(out, row->members[i].key);
        sg_buf_ch(out, ':');
        bool text = sg_str_eq(row->members[i].key, SG_STR("text"));
        if (text) sg_buf_ch(out, '[');
        sg_json_write(out, &row->members[i].value);
        if (text) sg_buf_ch(out, ']');
    }
    sg_buf_ch(out, '}');
}

static void write_all_marked(const struct sg_json *rows, uint32_t from, uint32_t n, struct sg_buf *out) {
    SG_BUF_LIT(out, "[[");
    for (uint32_t i = from; i < from + n; i++) {
        if (i > from) sg_buf_ch(out, ',');
        write_marked(&rows->items[i], out);
    }
    SG_BUF_LIT(out, "]]");
}

static bool run_mark(struct sg_arena *a, const struct sg_json *in, const struct sg_json *state, struct sg_buf *out) {
    static struct sg_arena arena;
    static struct sg_json fed[MAX_ROWS];
    static uint32_t n_fed, taken;
    const struct sg_json *what = sg_json_get(in, SG_STR("do")), *rows = sg_json_get(in, SG_STR("rows"));
    struct sg_json all = sg_json_array(fed, n_fed);
    (void)a, (void)state;
    if (!arena.held) sg_arena_init(&arena, 0);
    if (sg_json_is_text(what, SG_STR("each"))) {
        write_all_marked(rows, 0, rows->n, out);
    } else if (sg_json_is_text(what, SG_STR("take"))) {
        uint32_t n = (uint32_t)whole(in, "n"), left = n_fed - taken;
        write_all_marked(&all, taken, n < left ? n : left, out);
        taken += n < left ? n : left;
    } else {
        for (uint32_t i = 0; rows && i < rows->n; i++) fed[n_fed++] = sg_json_copy(&arena, &rows->items[i]);
        sg_buf_printf(out, "[%u]", n_fed);
    }
    return true;
}

/* --- hooks that do more than they return --- */

/* How often a record was paid for, over all lives; shared memory. */
static uint32_t *paid;

static bool run_pay(struct sg_arena *a, const struct sg_json *in, const struct sg_json *state, struct sg_buf *out) {
    (void)a, (void)state;
    __atomic_add_fetch(&paid[whole(in, "i")], 1, __ATOMIC_RELAXED);
    SG_BUF_LIT(out, "[{\"paid\":true}]");
    return true;
}

static bool run_touch(struct sg_arena *a, const struct sg_json *in, const struct sg_json *state, struct sg_buf *out) {
    (void)a, (void)state;
    sg_buf_printf(out, "[{\"touched\":%u}]", sg_json_get(in, SG_STR("trail"))->n);
    return true;
}

static void write_trail(const struct sg_json *in, const char *more, struct sg_buf *out) {
    const struct sg_json *trail = sg_json_get(in, SG_STR("trail"));
    SG_BUF_LIT(out, "\"trail\":[");
    for (uint32_t i = 0; i < trail->n; i++) sg_json_write(out, &trail->items[i]), sg_buf_ch(out, ',');
    sg_buf_printf(out, "\"%s\"]", more);
}

/* The list of messages does not only grow. A call's last message says whose it is. */
static void touch(const struct sg_json *in, struct sg_buf *out) {
    sg_buf_printf(out, "{\"changed\":{\"messages\":[{\"role\":\"user\",\"content\":\"r%lld in round %lld\"}],",
                  (long long)whole(in, "i"), (long long)whole(in, "round"));
    write_trail(in, "touch", out);
    SG_BUF_LIT(out, "}}");
}

static void touch_more(const struct sg_json *in, struct sg_buf *out) {
    SG_BUF_LIT(out, "{\"changed\":{");
    write_trail(in, "more", out);
    sg_buf_printf(out, ",\"round\":%lld}}", (long long)whole(in, "round")); /* what its own node wrote */
}

static bool run_whole(struct sg_arena *a, const struct sg_json *in, const struct sg_json *state, struct sg_buf *out) {
    (void)a, (void)in, (void)state;
    SG_BUF_LIT(out, "[{\"unknown\":1}]");
    return true;
}

static void keep_whole(const struct sg_json *in, struct sg_buf *out) {
    SG_BUF_LIT(out, "{\"kept\":[");
    for (uint32_t i = 0; i < in->n; i++) {
        if (i) sg_buf_ch(out, ',');
        sg_json_write_string(out, in->members[i].key);
    }
    SG_BUF_LIT(out, "],\"changed\":{");
    write_trail(in, "whole", out);
    SG_BUF_LIT(out, "}}");
}

static bool run_left(struct sg_arena *a, const struct sg_json *in, const struct sg_json *state, struct sg_buf *out) {
    (void)a, (void)state;
    SG_BUF_LIT(out, "[{\"left\":");
    sg_json_write(out, sg_json_get(sg_json_get(in, SG_STR("response")), SG_STR("content")));
    SG_BUF_LIT(out, "}]");
    return true;
}

static void touch_left(const struct sg_json *in, struct sg_buf *out) {
    SG_BUF_LIT(out, "{\"kept\":[\"exact\"],\"changed\":{");
    write_trail(sg_json_get(in, SG_STR("state")), "left", out);
    SG_BUF_LIT(out, "}}");
}

/* YAML's \" is a quote by the time a host sees it. */
static const struct sg_sim_program programs[] = {
    {"{round: ((.round // 0) + 1)}", run_count},
    {"if .round < .rounds then \"more\" else \"done\" end", run_more},
    {"if .bad then error(\"bad row\") else {checked: true} end", run_check},
    {"if .kind == 0 then \"left\" elif .kind == 1 then \"right\" else (\"left\", \"right\") end", run_route},
    {DRAFTED, run_drafted},
    {JOINED, run_joined},
    {COMBINED, run_combined},
    {"if (.response.content | length) % 3 == 0 then error(\"three\") else {many: .response.content} end", run_picked},
    {"{settled: true}", run_settled},
    {LENGTH, run_length},
    {MARK, run_mark},
    {PAY, run_pay},
    {TOUCH, run_touch, touch},
    {COUNT_AND_TOUCH, run_count, touch},
    {MORE_AND_TOUCH, run_more, touch_more},
    {WHOLE, run_whole, keep_whole},
    {LEFT_AND_TOUCH, run_left, touch_left},
};

/* --- the disturbance ---------------------------------------------------------------------------------------------- */

static void draw_endpoints(struct scenario *c, struct sg_rng *r) {
    c->endpoints = 1 + (unsigned)below(r, 2);
    c->in_turn = chance(r, 0.5);
    c->attempts = c->kind == LASTING ? 1 + (unsigned)below(r, 4) : ENOUGH_ATTEMPTS;
    c->mock = (struct sg_mock_options){.latency_ms = spread(r, 1, 500),
                                       .latency_sigma = chance(r, 0.5) ? 0.5 * sg_rng_unit(r) : 0,
                                       .capacity = chance(r, 0.3) ? 4 + (uint32_t)below(r, 60) : 0,
                                       .reply_words = (uint32_t)spread(r, 1, 100),
                                       .seed = c->seed,
                                       .retry_after_s = (int32_t)below(r, 6) - 1};
}

/* How often something happens: mostly not at all, else a share up to `most`. */
static double rate(struct sg_rng *r, double often, double most) {
    return chance(r, often) ? spread(r, most / 100, most) : 0;
}

static void disturb_endpoints(struct scenario *c, struct sg_rng *r) {
    struct sg_mock_options *m = &c->mock;
    m->fail_rate = rate(r, 0.5, 0.3);
    m->fail_status = "500:1,429:2,503:1,408:1";
    m->reset_rate = rate(r, 0.3, 0.1);
    m->truncate_rate = rate(r, 0.3, 0.1);
    m->garbage_rate = rate(r, 0.3, 0.1);
    m->hang_rate = rate(r, 0.2, 0.05);
    m->error_body_rate = rate(r, 0.3, 0.1);
    m->fault_attempts = c->kind == LASTING ? 0 : 1 + (uint32_t)below(r, 3);
}

static void disturb_world(struct scenario *c, struct sg_rng *r) {
    double *rates = c->world.rates;
    rates[SG_SIM_resolve] = rate(r, 0.3, 0.3);
    rates[SG_SIM_refuse] = rate(r, 0.3, 0.3);
    rates[SG_SIM_reset] = rate(r, 0.5, 0.5);
    rates[SG_SIM_trickle] = rate(r, 0.4, 0.2);
    rates[SG_SIM_narrow] = rate(r, 0.4, 0.5);
    rates[SG_SIM_slow_job] = rate(r, 0.4, 0.1);
    rates[SG_SIM_host_kill] = rate(r, 0.5, 0.1);
    rates[SG_SIM_short_write] = rate(r, 0.5, 0.5);
    c->world.host_kills = 1;
    c->world.latency_ms = spread(r, 0.1, 50);
    c->world.calm_after_ns = SG_MS((uint64_t)spread(r, 1000, 300000));
    if (c->kind != LASTING) return;
    c->world.calm_after_ns = 0;
    c->world.host_kills = 20;
    rates[SG_SIM_host_crash] = rate(r, 0.3, 0.02);
    rates[SG_SIM_host_hang] = rate(r, 0.3, 0.01);
    rates[SG_SIM_host_noise] = rate(r, 0.3, 0.01);
}

static void disturb_disk(struct scenario *c, struct sg_rng *r) {
    double *rates = c->world.rates;
    switch (below(r, 4)) {
    case 0:
        rates[SG_SIM_write_error] = spread(r, 0.01, 0.3);
        break;
    case 1:
        rates[SG_SIM_sync_error] = 0.5;
        break;
    case 2:
        rates[SG_SIM_read_error] = spread(r, 0.01, 0.2);
        break;
    default:
        c->world.disk_bytes = (uint64_t)spread(r, 20000, 200000);
        break;
    }
}

/* Kinds by weight: most worlds end as they would undisturbed, which says most. */
static enum kind draw_kind(struct sg_rng *r) {
    static const enum kind kinds[] = {ENDS, ENDS, ENDS, ENDS, KILLED, KILLED, LASTING, LASTING, DISK, SIGNAL};
    return kinds[below(r, sizeof kinds / sizeof *kinds)];
}

static void draw_scenario(struct scenario *c, uint64_t seed) {
    struct sg_rng r = {sg_hash64(SG_STR("scenario"), seed)};
    *c = (struct scenario){.seed = seed, .kind = draw_kind(&r)};
    draw_task(c, &r);
    draw_rules(c);
    draw_form(c);
    draw_shape(c);
    draw_transform(c);
    draw_hooks(c);
    draw_endpoints(c, &r);
    c->world = (struct sg_sim_options){
        .seed = seed, .programs = programs, .n_programs = sizeof programs / sizeof *programs, .latency_ms = 1};
}

/* Whatever kind was drawn. */
static void make_killed(struct scenario *c) {
    c->kind = KILLED;
    c->attempts = ENOUGH_ATTEMPTS;
}

static void add_disturbance(struct scenario *c) {
    struct sg_rng r = {sg_hash64(SG_STR("disturbance"), c->seed)};
    disturb_endpoints(c, &r);
    disturb_world(c, &r);
    if (c->kind == DISK) disturb_disk(c, &r);
    for (int i = SG_SIM_host_kill; c->rows_are == LISTED && i <= SG_SIM_host_noise; i++) c->world.rates[i] = 0;
}

/* What processes that die, and those that look at what is left, tell the driver: shared memory. */
static struct probe {
    bool found, finished[MAX_ROWS];
    bool ended[MAX_ROWS]; /* finished, or perhaps so after a loss of power */
    char finding[512];
    uint32_t requests[MAX_REQUESTS];
    size_t n_requests;
    uint64_t answered[MAX_REQUESTS]; /* requests whose answers are in the folder, of records that are not finished */
    size_t n_answered;
    uint64_t steps; /* of such records, too */
    bool at_sync;   /* the last event of a life: a sync, which has not been done if it died there */
    bool of_synced; /* a loss of power comes next: only what is known to be on the disk counts */
} * probe;

/* --- a life ------------------------------------------------------------------------------------------------------- */

/* The sanitizer's count; other builds have none, and are not looked at. */
size_t __sanitizer_get_current_allocated_bytes(void) __attribute__((weak));

static size_t memory_bytes(void) {
    return __sanitizer_get_current_allocated_bytes ? __sanitizer_get_current_allocated_bytes() : 0;
}

static void on_event(void *ud, const struct sg_sim_event *e) {
    (void)ud;
    probe->at_sync = strcmp(e->kind, "sync") == 0;
    if (now.looks++ % MEMORY_LOOK == 0) {
        size_t held = memory_bytes();
        if (!now.least_memory || held < now.least_memory) now.least_memory = held;
        if (held - now.least_memory > MEMORY_BYTES) sg_sim_violate(now.sim, "%zu bytes of memory are held", held);
    }
    if (now.trace && now.disturbed)
        fprintf(stderr, "%7llu %14.6f  %-12s %s #%llx %lld\n", (unsigned long long)e->number, (double)e->at_ns / 1e9,
                e->kind, e->what, (unsigned long long)e->object, (long long)e->value);
}

/* What is written continues the undisturbed output, or closes the array behind a record. */
static void on_write(void *ud, const char *path, uint64_t at, const char *p, size_t n) {
    (void)ud;
    struct sg_str want = now.expected, closing = SG_STR("\n]");
    if (!want.p || !sg_str_ends(sg_str(path), SG_STR(".part"))) return;
    size_t same = 0;
    while (same < n && at + same < want.n && p[same] == want.p[at + same]) same++;
    struct sg_str rest = {p + same, n - same};
    if (rest.n == 0 || sg_str_eq(rest, closing) || sg_str_eq(rest, SG_STR("\n")) || sg_str_eq(rest, SG_STR("]")))
        return;
    sg_sim_violate(now.sim, "byte %llu of .part is not what it is undisturbed:\n  want %.250s\n  got  %.*s",
                   (unsigned long long)(at + same), want.p + (at + same > 200 ? at + same - 200 : 0),
                   (int)(rest.n < 100 ? rest.n : 100), rest.p);
}

static int open_loop(struct sg_loop **out, uint64_t seed, struct sg_err *err) {
    int rc = sg_sim_open_loop(now.sim, seed, out);
    for (unsigned i = 0; rc == 0 && i < now.scenario.endpoints; i++) {
        struct sg_mock_options o = now.scenario.mock;
        o.port = (uint16_t)(8000 + i);
        rc = sg_sim_add_mock(now.sim, *out, &o, err);
    }
    return rc;
}

#define RUN_FOLDER "/out/output.run"

enum what_is_there { NO_RUN, UNFINISHED_RUN, FINISHED_RUN };

/* What `run --resume True` would find. */
static enum what_is_there look_for_run(void) {
    struct sg_arena a;
    struct sg_run_identity id;
    struct sg_rundb *db;
    struct sg_err err = {0};
    enum what_is_there there = NO_RUN;
    sg_arena_init(&a, 0);
    int rc = sg_rundb_view(RUN_FOLDER, &a, &id, &db, &err);
    if (rc == 0) {
        there = sg_str_eq(sg_rundb_get(db, &a, SG_STR("state")), SG_STR("finished")) ? FINISHED_RUN : UNFINISHED_RUN;
        sg_rundb_close(db);
    } else if (rc != SG_E_MISSING) {
        sg_sim_violate(now.sim, "the run folder cannot be looked at: %s", err.text);
    }
    sg_arena_fini(&a);
    return there;
}

static int live(void *ud) {
    enum what_is_there there = ud ? look_for_run() : NO_RUN;
    struct sg_run_options o = {.config = {.task = SG_STR("/task"), .exe_dir = "/bin"},
                               .exe = "/bin/sygra",
                               .output_dir = SG_STR("/out"),
                               .in_flight = now.scenario.in_flight,
                               .max_hosts = now.scenario.hosts,
                               .has_seed = true,
                               .seed = now.scenario.seed,
                               .json = true,
                               .no_journal = now.scenario.no_journal,
                               .durability = now.scenario.durability,
                               .keep = now.scenario.keep,
                               .resume = there == UNFINISHED_RUN ? SG_RUN_RESUME : SG_RUN_FRESH,
                               .run_folder = SG_STR(RUN_FOLDER),
                               .accept_changes = now.accepting,
                               .again[SG_RECORD_FAILED] = now.retrying,
                               .open_loop = open_loop};
    if (there == FINISHED_RUN && (now.retrying || now.accepting)) o.resume = SG_RUN_RESUME;
    if (there != FINISHED_RUN || o.resume == SG_RUN_RESUME) return sg_run(&o);
    printf("{\"event\":\"summary\",\"state\":\"finished\"}\n");
    return 0;
}

/* What a life printed. */
struct words {
    int fd;
    struct sg_str text; /* malloc'd */
};

static void open_words(struct words *w, const char *name) {
    *w = (struct words){.fd = memfd_create(name, 0)};
    SG_ASSERT(w->fd > 0);
}

static void read_words(struct words *w) {
    off_t n = lseek(w->fd, 0, SEEK_END);
    char *p = sg_xmalloc((size_t)n + 1);
    SG_ASSERT(pread(w->fd, p, (size_t)n, 0) == n);
    p[n] = '\0';
    w->text = (struct sg_str){p, (size_t)n};
    close(w->fd);
}

struct outcome {
    struct sg_sim_death death;
    struct words out, err;
    struct sg_arena arena;
    struct sg_json summary; /* null: none was printed */
    bool resumed;           /* or found finished: its figures are of its own life only */
};

static void read_summary(struct outcome *o) {
    struct sg_str rest = o->out.text;
    o->summary = sg_json_null();
    while (rest.n) {
        size_t end = sg_str_find(rest, '\n', 0);
        struct sg_json v;
        struct sg_str line = {rest.p, end};
        const struct sg_json *event;
        if (sg_json_parse(&o->arena, line, &v, NULL, NULL) == 0 && v.type == SG_JSON_OBJECT &&
            (event = sg_json_get(&v, SG_STR("event"))) && sg_json_is_text(event, SG_STR("summary")))
            o->summary = v;
        end += end < rest.n;
        rest = (struct sg_str){rest.p + end, rest.n - end};
    }
}

static void live_once(struct sg_sim_life how, bool resume, struct outcome *o) {
    *o = (struct outcome){.resumed = resume};
    sg_arena_init(&o->arena, 0);
    open_words(&o->out, "out");
    open_words(&o->err, "err");
    how.out = o->out.fd;
    if (!(now.trace && now.disturbed)) how.err = o->err.fd;
    sg_sim_live(now.sim, &how, live, resume ? &now : NULL, &o->death);
    read_words(&o->out);
    read_words(&o->err);
    read_summary(o);
}

static void forget(struct outcome *o) {
    free((char *)o->out.text.p);
    free((char *)o->err.text.p);
    sg_arena_fini(&o->arena);
}

/* --- what must hold ----------------------------------------------------------------------------------------------- */

static char failure[2048];

static bool fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Keeps the first text; false, always. */
static bool fail(const char *fmt, ...) {
    va_list ap;
    if (failure[0]) return false;
    va_start(ap, fmt);
    vsnprintf(failure, sizeof failure, fmt, ap);
    va_end(ap);
    return false;
}

static const char *output_path(void) {
    return now.expected.p && now.expected.n && now.expected.p[0] != '[' ? "/out/output.jsonl" : "/out/output.json";
}

static int64_t figure(const struct outcome *o, const char *key) {
    return o->summary.type == SG_JSON_OBJECT ? whole(&o->summary, key) : -1;
}

static bool in_state(const struct outcome *o, const char *state) {
    const struct sg_json *v = sg_json_get(&o->summary, SG_STR("state"));
    return v && sg_json_is_text(v, sg_str(state));
}

/* No way of ending may crash, or break a rule of the world. */
static bool check_death(const struct outcome *o) {
    static const char *const signs[] = {"Sanitizer", "runtime error:", "assertion", "SG_ASSERT"};
    if (o->death.signal) return fail("it crashed with signal %d:\n%.1500s", o->death.signal, o->err.text.p);
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (strstr(o->err.text.p, signs[i])) return fail("it crashed:\n%.1500s", o->err.text.p);
    if (sg_sim_violation(now.sim)[0]) return fail("%s", sg_sim_violation(now.sim));
    if (sg_sim_peak_records(now.sim) > now.scenario.in_flight)
        return fail("%u records were at the endpoints, -b is %u", sg_sim_peak_records(now.sim),
                    now.scenario.in_flight);
    return true;
}

/* The file, or the array without its closing bracket, begins like the undisturbed output. */
static bool check_part(uint64_t sure_bytes) {
    struct sg_str part, want = now.expected;
    if (!want.p || !sg_sim_get_file(now.sim, "/out/output.part", &part)) return true;
    if (sure_bytes != UINT64_MAX) part.n = part.n < sure_bytes ? part.n : (size_t)sure_bytes;
    if (sg_str_ends(part, SG_STR("\n]")) || sure_bytes != UINT64_MAX) part.n -= part.n < 2 ? part.n : 2;
    if (sg_str_ends(part, SG_STR("\n"))) part.n--; /* of a torn closing */
    if (part.n <= want.n && memcmp(part.p, want.p, part.n) == 0) return true;
    return fail(".part (%zu bytes) does not begin like the undisturbed output (%zu bytes)", part.n, want.n);
}

struct seen {
    unsigned *times; /* by position */
    int64_t last;
};

static bool see(struct seen *s, int64_t position, const char *where) {
    if (position < 0 || position >= (int64_t)now.scenario.rows)
        return fail("%s: there is no record %lld", where, (long long)position);
    if (position <= s->last)
        return fail("%s: record %lld comes after record %lld", where, (long long)position, (long long)s->last);
    if (++s->times[position] > 1) return fail("%s: record %lld is there twice", where, (long long)position);
    s->last = position;
    return true;
}

static bool see_lines(struct sg_arena *a, struct seen *s, struct sg_str text, const char *key, const char *where) {
    s->last = -1;
    while (text.n) {
        size_t end = sg_str_find(text, '\n', 0);
        struct sg_json v;
        if (end == text.n) return fail("%s: the last line has no end", where);
        if (sg_json_parse(a, (struct sg_str){text.p, end}, &v, NULL, NULL) != 0)
            return fail("%s: a line is no JSON", where);
        if (!see(s, whole(&v, key), where)) return false;
        text = (struct sg_str){text.p + end + 1, text.n - end - 1};
    }
    return true;
}

static bool see_array(struct sg_arena *a, struct seen *s, struct sg_str text, const char *where) {
    struct sg_json v;
    s->last = -1;
    if (sg_json_parse(a, text, &v, NULL, NULL) != 0 || v.type != SG_JSON_ARRAY)
        return fail("%s: is no JSON array", where);
    for (uint32_t i = 0; i < v.n; i++)
        if (!see(s, whole(&v.items[i], "i"), where)) return false;
    return true;
}

/* Every position is once in one of the three files, in order. */
static bool check_positions(struct sg_arena *a) {
    struct sg_str output, failed, invalid;
    struct seen s = {.times = SG_NEW_N(a, unsigned, now.scenario.rows)};
    if (!sg_sim_get_file(now.sim, output_path(), &output)) return fail("there is no output");
    sg_sim_get_file(now.sim, "/out/output_failed.jsonl", &failed);
    if (!see_array(a, &s, output, output_path())) return false;
    sg_sim_get_file(now.sim, "/out/output_invalid.jsonl", &invalid);
    if (!see_lines(a, &s, failed, "position", "output_failed.jsonl")) return false;
    if (!see_lines(a, &s, invalid, "position", "output_invalid.jsonl")) return false;
    for (unsigned i = 0; i < now.scenario.rows; i++)
        if (!s.times[i]) return fail("record %u is in no file", i);
    return true;
}

/* --- once --- */

static struct sg_str once_expected; /* the undisturbed output, which a world with such a hook may fall short of */

static const struct sg_json *find_record(const struct sg_json *all, int64_t i) {
    for (uint32_t k = 0; k < all->n; k++)
        if (whole(&all->items[k], "i") == i) return &all->items[k];
    return NULL;
}

/* No hook has run twice; what is ok is what it would have been; what has failed, failed where nobody could know. */
static bool check_once(struct sg_arena *a) {
    struct sg_str output, failed;
    struct sg_json got, want;
    for (unsigned i = 0; i < now.scenario.rows; i++)
        if (paid[i] > 1) return fail("the hook of record %u, which is to run once, has run %u times", i, paid[i]);
    if (!once_expected.p || !sg_sim_get_file(now.sim, output_path(), &output)) return true;
    bool read =
        sg_json_parse(a, output, &got, NULL, NULL) == 0 && sg_json_parse(a, once_expected, &want, NULL, NULL) == 0;
    for (uint32_t k = 0; read && k < got.n; k++) {
        const struct sg_json *same = find_record(&want, whole(&got.items[k], "i"));
        if (!same || !sg_json_equal(same, &got.items[k]))
            return fail("record %lld is not what it is undisturbed", (long long)whole(&got.items[k], "i"));
    }
    if (sg_sim_get_file(now.sim, "/out/output_failed.jsonl", &failed))
        for (size_t at = 0, end; at < failed.n; at = end + 1) {
            end = sg_str_find(failed, '\n', at);
            struct sg_json v;
            if (sg_json_parse(a, (struct sg_str){failed.p + at, end - at}, &v, NULL, NULL) != 0) continue;
            const struct sg_json *node = sg_json_get(&v, SG_STR("node"));
            bool may = !node || sg_json_is_text(node, SG_STR("pay")) || sg_json_is_text(node, SG_STR("check")) ||
                       sg_json_is_text(node, SG_STR("many"));
            if (!may) return fail("a record failed at %.*s", SG_ARG(sg_json_text(node)));
        }
    return true;
}

static bool check_leftovers(void) {
    struct sg_str text;
    if (sg_sim_get_file(now.sim, "/out/output.part", &text)) return fail(".part is there still");
    return true;
}

/* --- the run folder, seen by another process ---------------------------------------------------------------------- */

static bool on_record_row(void *ud, const struct sg_record_row *r) {
    bool *ends = ud;
    if (r->position < MAX_ROWS) ends[r->position] = true;
    return true;
}

/* What is sure to be on the disk after a loss of power; everything else is, in any case, after a mere death. */
struct sure {
    bool all;
    uint32_t segment;
    uint64_t bytes;
};

static bool is_sure(const struct sure *s, bool has_body, struct sg_place body) {
    bool before = body.segment < s->segment || (body.segment == s->segment && body.offset < s->bytes);
    return has_body && (s->all || before);
}

static bool is_unfinished(uint64_t position) {
    return position < MAX_ROWS && !probe->finished[position];
}

static bool on_call_row(void *ud, const struct sg_call_row *c) {
    bool counts = is_unfinished(c->position) && c->state == SG_CALL_ANSWERED && is_sure(ud, c->has_body, c->body);
    if (counts && probe->n_answered < MAX_REQUESTS) probe->answered[probe->n_answered++] = c->request;
    return true;
}

/* Rows come in order: the last step of a record counts for those before it. */
static bool on_step_row(void *ud, const struct sg_step_row *s) {
    static uint64_t position;
    static uint32_t before;
    if (s->position != position) before = 0;
    position = s->position;
    if (!is_unfinished(position) || probe->ended[position] || !is_sure(ud, s->has_body, s->body)) return true;
    probe->steps += s->step - before;
    before = s->step;
    return true;
}

static int by_number(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void look_at_half_done(struct sg_rundb *db, const struct sg_progress *p, bool of_synced) {
    struct sure sure = {!of_synced, p->segment, p->segment_bytes};
    sg_rundb_calls(db, 0, INT64_MAX, on_call_row, &sure);
    sg_rundb_steps(db, 0, INT64_MAX, on_step_row, &sure);
    if (probe->n_answered) qsort(probe->answered, probe->n_answered, sizeof *probe->answered, by_number);
}

static void look_at_ends(struct sg_rundb *db) {
    struct sg_progress last = {0};
    sg_rundb_progress(db, false, &last);
    for (uint64_t i = 0; i < last.position && i < MAX_ROWS; i++) probe->ended[i] = true;
    sg_rundb_records(db, 0, -1, on_record_row, probe->ended);
}

static int look_at_records(void *ud) {
    struct sg_arena a;
    struct sg_run_identity id;
    struct sg_rundb *db;
    struct sg_progress p = {0};
    (void)ud;
    sg_arena_init(&a, 0);
    if (sg_rundb_view(RUN_FOLDER, &a, &id, &db, NULL) == 0) {
        /* After a loss of power that no life has seen to yet, too, the last commit may go beyond what is in the files. */
        bool of_synced = probe->of_synced || sg_rundb_restarted(db);
        probe->found = sg_rundb_progress(db, of_synced, &p) == 0;
        for (uint64_t i = 0; probe->found && i < p.position && i < MAX_ROWS; i++) probe->finished[i] = true;
        if (probe->found && !of_synced) sg_rundb_records(db, p.position, -1, on_record_row, probe->finished);
        if (probe->found) look_at_ends(db);
        if (probe->found) look_at_half_done(db, &p, of_synced);
        sg_rundb_close(db);
    }
    sg_arena_fini(&a);
    return 0;
}

/* After a death: which records are finished, and what has been asked so far. A commit whose sync was not done can be seen,
 * but the power's loss may take it: then nothing is sure. */
static void take_probe(bool of_synced) {
    const struct sg_sim_asked *asked;
    struct sg_sim_death death;
    bool in_doubt = of_synced && probe->at_sync;
    memset(probe, 0, sizeof *probe);
    probe->of_synced = of_synced;
    sg_sim_live(now.sim, &(struct sg_sim_life){0}, look_at_records, NULL, &death);
    probe->found &= !in_doubt;
    probe->n_requests = sg_sim_asked(now.sim, &asked);
    SG_ASSERT(probe->n_requests <= MAX_REQUESTS);
    for (size_t i = 0; i < probe->n_requests; i++) probe->requests[i] = asked[i].requests;
}

static bool was_answered(uint64_t request) {
    return probe->n_answered && bsearch(&request, probe->answered, probe->n_answered, sizeof request, by_number);
}

/* A life that came to its end went on with all that were half done. */
static bool check_steps(const struct outcome *o) {
    if (!probe->found || !o->resumed || o->death.killed || o->summary.type != SG_JSON_OBJECT) return true;
    if (figure(o, "records_here") < 0 || figure(o, "steps_kept") >= (int64_t)probe->steps) return true;
    return fail("%llu steps were in the journal, and %lld were not made again", (unsigned long long)probe->steps,
                (long long)figure(o, "steps_kept"));
}

/* What was finished then, or answered, was not asked for in this life. */
static bool check_probe(void) {
    const struct sg_sim_asked *asked;
    size_t n = sg_sim_asked(now.sim, &asked);
    for (size_t i = 0; probe->found && i < n; i++) {
        unsigned long position = strtoul(asked[i].record + 1, NULL, 10);
        uint32_t before = i < probe->n_requests ? probe->requests[i] : 0;
        if (position < MAX_ROWS && probe->finished[position] && asked[i].requests != before)
            return fail("record %lu was finished, and is asked for again", position);
        if (was_answered(asked[i].body) && asked[i].requests != before)
            return fail("an answer for record %lu was in the journal, and is asked for again", position);
    }
    probe->found = false;
    return true;
}

static void on_finding(void *ud, struct sg_str finding) {
    (void)ud;
    if (!probe->finding[0]) snprintf(probe->finding, sizeof probe->finding, "%.*s", SG_ARG(finding));
}

static int check_as_fsck(void *ud) {
    struct sg_err err = {0};
    (void)ud;
    if (sg_run_check(RUN_FOLDER, on_finding, NULL, &err) < 0) on_finding(NULL, sg_str(err.text));
    return 0;
}

static bool check_folder(void) {
    struct sg_sim_death death;
    if (now.scenario.no_journal) return true;
    probe->finding[0] = '\0';
    sg_sim_live(now.sim, &(struct sg_sim_life){0}, check_as_fsck, NULL, &death);
    return !probe->finding[0] || fail("fsck: %s", probe->finding);
}

/* --- ends --------------------------------------------------------------------------------------------------------- */

/* A run that says it has finished. */
static bool check_finished(struct outcome *o) {
    const struct scenario *c = &now.scenario;
    int64_t ok = figure(o, "ok"), failed = figure(o, "failed"), others = figure(o, "invalid") + figure(o, "dropped");
    struct sg_str output;
    if (o->death.status != 0 && o->death.status != SG_EXIT_FAILED)
        return fail("it ended with status %d:\n%s%s", o->death.status, o->out.text.p, o->err.text.p);
    if (!in_state(o, "finished"))
        return fail("it ended without having finished:\n%s%s", o->out.text.p, o->err.text.p);
    if (!o->resumed && ok + failed + others != c->rows)
        return fail("%lld ok, %lld failed, %lld others of %u", (long long)ok, (long long)failed, (long long)others,
                    c->rows);
    if (!o->resumed && (o->death.status == 0) != (failed + others == 0))
        return fail("status %d with %lld failed, %lld others", o->death.status, (long long)failed, (long long)others);
    if (figure(o, "peak_records_in_flight") > c->in_flight) return fail("more than -b records were under way");
    if (!check_positions(&o->arena) || !check_leftovers() || !check_folder()) return false;
    if (c->once && now.disturbed && !check_once(&o->arena)) return false;
    if (!now.expected.p) return true;
    sg_sim_get_file(now.sim, output_path(), &output);
    return sg_str_eq(output, now.expected) || fail("the output is not what it is undisturbed");
}

/* A run that stopped early, for a reason. */
static bool check_stopped(struct outcome *o, const char *state) {
    if (o->summary.type == SG_JSON_OBJECT && !in_state(o, state))
        return fail("it is not %s:\n%s", state, o->out.text.p);
    bool told = o->err.text.n || strstr(o->out.text.p, "\"event\":\"run_stopping\"") ||
                strstr(o->out.text.p, "\"event\":\"run_aborted\"");
    if (!told && !now.trace) return fail("it stopped without a word");
    return check_part(UINT64_MAX);
}

/* --- worlds ------------------------------------------------------------------------------------------------------- */

static void open_world(bool disturbed) {
    struct sg_sim_options o = now.scenario.world;
    o.end_at_ns = SG_MS(HOURS * 3600000ull);
    o.on_event = on_event;
    o.on_write = on_write;
    SG_ASSERT(sg_sim_open(&o, &now.sim) == 0);
    now.disturbed = disturbed;
    now.sure_bytes = UINT64_MAX;
    memset(paid, 0, MAX_ROWS * sizeof *paid);
    put_task(now.sim);
}

/* Of a commit that is not synced a loss of power leaves nothing: then a hook may run again, as docs/guide.md ("Once") says. */
static bool may_cut(const struct scenario *c) {
    return !c->once || c->durability == SG_DURABILITY_COMMIT;
}

static void close_world(void) {
    sg_sim_close(now.sim);
    now.sim = NULL;
}

static bool finish_life(bool resume) {
    struct outcome o;
    live_once((struct sg_sim_life){0}, resume, &o);
    bool fine = check_death(&o) && check_finished(&o) && check_steps(&o) && check_probe();
    forget(&o);
    return fine;
}

/* What the task gives when nothing goes wrong. *events: of that life. */
static bool undisturbed(uint64_t *events) {
    struct sg_str output;
    open_world(false);
    now.expected = SG_STR_NONE;
    bool fine = finish_life(false);
    if (fine) {
        sg_sim_get_file(now.sim, output_path(), &output);
        char *p = sg_xmalloc(output.n + 1);
        memcpy(p, output.p, output.n);
        now.expected = (struct sg_str){p, output.n};
    } else {
        char text[sizeof failure];
        memcpy(text, failure, sizeof text);
        failure[0] = '\0';
        fail("undisturbed: %.1900s", text);
    }
    *events = sg_sim_events(now.sim);
    close_world();
    return fine;
}

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* One death; what is left is a beginning of the output. False: something is wrong. *over: the life ended by itself. */
static bool die_once(struct sg_sim_life how, bool resume, bool cut, bool *over) {
    struct outcome o;
    live_once(how, resume, &o);
    *over = !o.death.killed;
    bool fine = check_death(&o) && (!*over || (check_finished(&o) && check_steps(&o))) && check_probe();
    if (fine && !*over) {
        if (cut) now.sure_bytes = least(now.sure_bytes, sg_sim_synced_bytes(now.sim, "/out/output.part"));
        take_probe(cut);
        if (cut) sg_sim_cut_power(now.sim);
        fine = check_part(now.sure_bytes);
    }
    forget(&o);
    return fine;
}

/* --- lives that are told to run something again --------------------------------------------------------------------- */

/* Killed twice, perhaps with a loss of power, then to its end. What is asked again in them is not looked at. */
static bool live_on(struct sg_rng *r, uint64_t events) {
    bool fine = true, over = false;
    for (int i = 0; i < 3 && fine && !over; i++) {
        struct outcome o;
        struct sg_sim_life how = {.kill_at = i < 2 ? 1 + below(r, events) : 0};
        live_once(how, true, &o);
        over = !o.death.killed;
        fine = check_death(&o) && (!over || check_finished(&o));
        if (fine && !over && chance(r, 0.5)) sg_sim_cut_power(now.sim);
        forget(&o);
    }
    probe->found = false;
    return fine;
}

static struct sg_str other_expected; /* of the changed task */

static bool run_changed(struct sg_rng *r, uint64_t events) {
    bool over = false, cut = chance(r, 0.5);
    if (!die_once((struct sg_sim_life){.kill_at = 1 + below(r, events)}, false, cut, &over)) return false;
    struct sg_str first = now.expected;
    now.expected = other_expected;
    other_expected = first;
    now.scenario.changed = now.accepting = true;
    put_task(now.sim);
    bool fine = live_on(r, events);
    now.scenario.changed = now.accepting = false;
    return fine;
}

static bool run_retried(struct sg_rng *r, uint64_t events) {
    now.expected = SG_STR_NONE;
    bool fine = finish_life(false);
    if (now.scenario.several != FALLBACK) { /* else another model may have answered records that are ok */
        now.expected = other_expected;
        other_expected = SG_STR_NONE;
    }
    if (!fine || now.scenario.no_journal) return fine;
    sg_sim_calm(now.sim);
    now.scenario.mock = (struct sg_mock_options){
        .latency_ms = 20, .reply_words = now.scenario.mock.reply_words, .seed = now.scenario.mock.seed};
    now.scenario.attempts = ENOUGH_ATTEMPTS;
    put_task(now.sim);
    now.retrying = true;
    fine = live_on(r, events);
    now.retrying = false;
    return fine;
}

static bool run_killed(struct sg_rng *r, unsigned lives, uint64_t events) {
    bool over = false, fine = true;
    for (unsigned i = 1; fine && !over && i < lives; i++) {
        struct sg_sim_life how = {.kill_at = 1 + below(r, events + events / 5)};
        fine = die_once(how, i > 1, chance(r, 0.5) && may_cut(&now.scenario), &over);
    }
    return fine && (over || finish_life(true));
}

/* Stopped by the disk, it goes on with one that works. */
static bool run_on_bad_disk(void) {
    struct outcome o;
    live_once((struct sg_sim_life){0}, false, &o);
    sg_sim_calm(now.sim); /* fsck, too, reads from it */
    bool stopped = o.death.status == SG_EXIT_ERROR;
    bool fine = check_death(&o) && (stopped ? check_stopped(&o, "aborted") : check_finished(&o));
    forget(&o);
    if (!fine || !stopped) return fine;
    take_probe(false);
    return finish_life(true);
}

static bool run_signaled(struct sg_rng *r, uint64_t events) {
    struct outcome o;
    live_once((struct sg_sim_life){.signal_at = 1 + below(r, events)}, false, &o);
    bool stopped = o.death.status == SG_EXIT_INTERRUPTED;
    bool fine = check_death(&o) && (stopped ? check_stopped(&o, "interrupted") : check_finished(&o));
    forget(&o);
    if (!fine || !stopped) return fine;
    take_probe(false);
    return finish_life(true);
}

static bool run_disturbed(unsigned lives, uint64_t events) {
    struct sg_rng r = {sg_hash64(SG_STR("course"), now.scenario.seed)};
    switch (now.scenario.kind) {
    case KILLED:
        if (other_expected.p) return run_changed(&r, events);
        return run_killed(&r, lives ? lives : 2 + (unsigned)below(&r, 3), events);
    case DISK:
        return run_on_bad_disk();
    case SIGNAL:
        return run_signaled(&r, events);
    case LASTING:
        return run_retried(&r, events);
    default:
        return finish_life(false);
    }
}

/* --- seeds -------------------------------------------------------------------------------------------------------- */

struct options {
    uint64_t seed, count;
    unsigned lives;
    const char *sweep, *self;
    bool trace, talk;
};

static void say(const struct options *o, double wall) {
    printf("seed %llu: %s, %u rows, -b %u: %llu events, %.1f s, fingerprint %016llx, %.3f s real\n",
           (unsigned long long)now.scenario.seed, kind_names[now.scenario.kind], now.scenario.rows,
           now.scenario.in_flight, (unsigned long long)sg_sim_events(now.sim), (double)sg_sim_now_ns(now.sim) / 1e9,
           (unsigned long long)sg_sim_fingerprint(now.sim), wall);
    for (int f = 0; o->trace && f < SG_SIM_FAULTS; f++)
        if (sg_sim_fault_count(now.sim, f))
            printf("  %s %llu\n", sg_sim_fault_names[f], (unsigned long long)sg_sim_fault_count(now.sim, f));
}

/* What must come out in the end; of some worlds that are killed, of the changed task, too. A world whose faults last has few
 * attempts, and is retried with more. */
static bool expect(bool may_change, uint64_t *events) {
    struct scenario *c = &now.scenario;
    struct sg_rng r = {sg_hash64(SG_STR("change"), c->seed)};
    unsigned attempts = c->attempts;
    bool fine = true;
    if (c->kind == LASTING) c->attempts = ENOUGH_ATTEMPTS;
    c->changed = may_change && c->kind == KILLED && !c->once && chance(&r, 0.4);
    if (c->changed || c->kind == LASTING) {
        fine = undisturbed(events);
        other_expected = now.expected;
        now.expected = SG_STR_NONE;
    }
    c->changed = false;
    if (fine && c->kind != LASTING) fine = undisturbed(events);
    c->attempts = attempts;
    return fine;
}

/* Records with a hook that is never to run twice may fail. */
static void expect_less(void) {
    if (!now.scenario.once) return;
    once_expected = now.expected;
    now.expected = SG_STR_NONE;
}

static bool test_seed(const struct options *o, uint64_t seed) {
    uint64_t events = 0, started = sg_os_posix.now_ns();
    failure[0] = '\0';
    probe->found = false;
    draw_scenario(&now.scenario, seed);
    if (o->lives) make_killed(&now.scenario);
    bool fine = expect(o->lives == 0, &events);
    if (fine) {
        add_disturbance(&now.scenario);
        expect_less();
        open_world(true);
        fine = run_disturbed(o->lives, events);
        if (o->talk) say(o, (double)(sg_os_posix.now_ns() - started) / 1e9);
        close_world();
    }
    free((char *)now.expected.p);
    free((char *)other_expected.p);
    free((char *)once_expected.p);
    now.expected = other_expected = once_expected = SG_STR_NONE;
    return fine;
}

/* One world for each operation on files; the last one is where the life ends by itself. */
static bool sweep_once(const struct options *o, uint64_t n, bool *over) {
    bool fine;
    *over = false;
    if (strcmp(o->sweep, "fail") == 0) {
        now.scenario.world.disk_fail_at = n;
        now.scenario.world.disk_errno = n % 2 ? EIO : ENOSPC;
        open_world(true);
        fine = run_on_bad_disk();
        *over = sg_sim_disk_operations(now.sim) < n;
    } else {
        open_world(true);
        fine = die_once((struct sg_sim_life){.kill_at_operation = n}, false, strcmp(o->sweep, "cut") == 0, over);
        if (fine && !*over) fine = finish_life(true);
    }
    close_world();
    return fine;
}

static void replay(const struct options *o, uint64_t seed, uint64_t at) {
    printf("seed %llu: %s", (unsigned long long)seed, kind_names[now.scenario.kind]);
    if (at) printf(", %s at operation %llu", o->sweep, (unsigned long long)at);
    printf(": %s\n  again: %s --seed %llu --trace", failure, o->self, (unsigned long long)seed);
    if (o->lives) printf(" --lives %u", o->lives);
    if (at) printf(" --sweep %s", o->sweep);
    printf("\n");
}

static void sweep(const struct options *o, uint64_t seed, uint64_t *passed, uint64_t *failed) {
    uint64_t events;
    bool over = false;
    failure[0] = '\0';
    draw_scenario(&now.scenario, seed);
    make_killed(&now.scenario);
    now.scenario.rows = 20;
    now.scenario.once &= strcmp(o->sweep, "cut") != 0 || now.scenario.durability == SG_DURABILITY_COMMIT;
    bool fine = undisturbed(&events);
    *failed += !fine;
    if (!fine) replay(o, seed, 0);
    expect_less();
    for (uint64_t n = 1; fine && !over; n++) {
        failure[0] = '\0';
        bool good = sweep_once(o, n, &over);
        *(good ? passed : failed) += 1;
        if (!good) replay(o, seed, n);
        over |= n > 100000;
    }
    free((char *)now.expected.p);
    free((char *)once_expected.p);
    now.expected = once_expected = SG_STR_NONE;
}

static bool read_options(int argc, char **argv, struct options *o) {
    *o = (struct options){.seed = 1, .count = 1, .self = argv[0]};
    for (int i = 1; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--trace") == 0) o->trace = o->talk = true;
        else if (strcmp(argv[i], "--talk") == 0) o->talk = true;
        else if (strcmp(argv[i], "--seed") == 0) o->seed = strtoull(next, NULL, 10), i++;
        else if (strcmp(argv[i], "--count") == 0) o->count = strtoull(next, NULL, 10), i++;
        else if (strcmp(argv[i], "--lives") == 0) o->lives = (unsigned)strtoul(next, NULL, 10), i++;
        else if (strcmp(argv[i], "--sweep") == 0) o->sweep = next, i++;
        else return false;
    }
    return true;
}

int main(int argc, char **argv) {
    struct options o;
    uint64_t passed = 0, failed = 0;
    if (!read_options(argc, argv, &o)) {
        fprintf(stderr,
                "usage: sim_driver --seed N [--count N] [--lives N] [--sweep kill|cut|fail] [--trace] [--talk]\n");
        return 2;
    }
    probe = mmap(NULL, sizeof *probe, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    SG_ASSERT(probe != MAP_FAILED);
    paid = mmap(NULL, MAX_ROWS * sizeof *paid, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    SG_ASSERT(paid != MAP_FAILED);
    clearenv(); /* SYGRA_... would speak into the task */
    now.trace = o.trace;
    for (uint64_t seed = o.seed; seed < o.seed + o.count; seed++) {
        if (o.sweep) {
            sweep(&o, seed, &passed, &failed);
            continue;
        }
        bool fine = test_seed(&o, seed);
        *(fine ? &passed : &failed) += 1;
        if (!fine) replay(&o, seed, 0);
        fflush(stdout);
    }
    printf("%llu passed, %llu failed\n", (unsigned long long)passed, (unsigned long long)failed);
    return failed > 0;
}
