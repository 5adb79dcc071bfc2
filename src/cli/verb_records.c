/* SPDX-License-Identifier: Apache-2.0 */
/* sygra records: the records of a run that have ended, by how, by how long they took, or one with all that is known of it. */
#include "cli/cli.h"
#include "cli/grid.h"
#include "look/look.h"

#include <stdlib.h>

enum { OK, FAILED, INVALID, DROPPED, SLOW, ID, POSITION, MOST, JSON };

static const struct sg_option options[] = {
    [OK] = {"ok", NULL, SG_OPTION_FLAG, NULL, "records whose line is in the output"},
    [FAILED] = {"failed", NULL, SG_OPTION_FLAG, NULL,
                "records that failed (what is shown if nothing else is asked for)"},
    [INVALID] = {"invalid", NULL, SG_OPTION_FLAG, NULL, "records that broke a rule"},
    [DROPPED] = {"dropped", NULL, SG_OPTION_FLAG, NULL, "records that were dropped on purpose"},
    [SLOW] = {"slow", NULL, SG_OPTION_FLAG, NULL, "those that took longest, the longest first (20 of them)"},
    [ID] = {"id", NULL, SG_OPTION_TEXT, "ID",
            "the record with this `id`, in its line or in the input, with its calls and replies"},
    [POSITION] = {"position", NULL, SG_OPTION_NUMBER, "N",
                  "the record at this place in the source (from 0), with its calls and replies"},
    [MOST] = {"num_records", "n", SG_OPTION_NUMBER, "N", "show at most so many"},
    [JSON] = {"json", NULL, SG_OPTION_FLAG, NULL, "one JSON object a record, with its line and calls"},
    {0},
};

struct listing {
    struct sg_look *k;
    const struct sg_args *args;
    unsigned outcomes;
    uint64_t most, shown;
    bool whole;            /* a record with its calls, as text */
    bool causes;           /* the table of failures, else that of all */
    struct sg_arena arena; /* of one record */
    struct sg_grid grid;
    struct sg_buf out;
};

/* --- calls ------------------------------------------------------------------------------------------------------ */

struct calls {
    struct listing *l;
    struct sg_look_answer answer;
    struct sg_arena arena; /* of one call */
    struct sg_err err;
    int rc;
    size_t n;
};

static bool fetch_answer(struct calls *c, const struct sg_call_row *row) {
    sg_arena_reset(&c->arena);
    c->rc = sg_look_answer(c->l->k, &c->arena, row, &c->answer, &c->err);
    return c->rc == 0;
}

static void put_answer_json(struct sg_buf *b, const struct sg_look_answer *a) {
    if (a->has_reply) sg_json_write_text(b, a->reply.text);
    else SG_BUF_LIT(b, "null");
    if (a->has_reply && a->reply.tool_calls.type == SG_JSON_ARRAY) {
        SG_BUF_LIT(b, ",\"tool_calls\":");
        sg_json_write(b, &a->reply.tool_calls);
    }
    if (!a->failure.code) return;
    SG_BUF_LIT(b, ",\"error\":");
    sg_json_write_text(b, sg_str(a->failure.text));
}

static bool call_json(void *ud, const struct sg_call_row *row) {
    struct calls *c = ud;
    struct sg_buf *b = &c->l->out;
    if (!fetch_answer(c, row)) return false;
    sg_buf_str(b, c->n++ ? SG_STR(",{\"node\":") : SG_STR("{\"node\":"));
    sg_json_write_text(b, sg_look_node(c->l->k, row->node));
    sg_buf_printf(b, ",\"visit\":%u,\"ordinal\":%u,\"state\":\"%s\",\"attempts\":%u", row->visit, row->ordinal,
                  sg_look_call_state_name(row->state).p, row->attempts);
    if (row->status) sg_buf_printf(b, ",\"status\":%d", row->status);
    sg_buf_printf(b, ",\"latency_s\":%.6f,\"prompt_tokens\":%llu,\"completion_tokens\":%llu,\"reply\":",
                  (double)row->latency_us / 1e6, (unsigned long long)row->prompt_tokens,
                  (unsigned long long)row->completion_tokens);
    put_answer_json(b, &c->answer);
    sg_buf_ch(b, '}');
    return true;
}

/* A text as it is, its lines indented, without what steers a terminal. */
static void put_block(struct sg_buf *b, struct sg_str text, const char *indent) {
    for (size_t at = 0; at <= text.n;) {
        size_t end = sg_str_find(text, '\n', at);
        sg_buf_str(b, sg_str(indent));
        sg_screen_text(b, (struct sg_str){text.p + at, end - at}, SIZE_MAX, true);
        sg_buf_ch(b, '\n');
        at = end + 1;
    }
}

static bool call_text(void *ud, const struct sg_call_row *row) {
    struct calls *c = ud;
    struct sg_buf *b = &c->l->out;
    struct sg_str node = sg_look_node(c->l->k, row->node), state = sg_look_call_state_name(row->state);
    if (!fetch_answer(c, row)) return false;
    sg_buf_printf(b, "  call of %.*s", SG_ARG(node));
    if (row->visit) sg_buf_printf(b, ", visit %u", row->visit + 1);
    if (row->ordinal) sg_buf_printf(b, ", model %u", row->ordinal + 1);
    sg_buf_printf(b, ": %.*s, %u attempt%s", SG_ARG(state), row->attempts, row->attempts == 1 ? "" : "s");
    if (row->status && row->status != 200) sg_buf_printf(b, ", status %d", row->status);
    if (row->state == SG_CALL_ANSWERED)
        sg_buf_printf(b, ", %.3f s, %llu tokens in, %llu out", (double)row->latency_us / 1e6,
                      (unsigned long long)row->prompt_tokens, (unsigned long long)row->completion_tokens);
    sg_buf_ch(b, '\n');
    if (c->answer.has_reply) put_block(b, c->answer.reply.text, "    ");
    if (c->answer.failure.code) put_block(b, sg_str(c->answer.failure.text), "    ");
    return true;
}

static int put_calls(struct listing *l, uint64_t position, bool json, struct sg_err *err) {
    struct calls c = {.l = l};
    sg_arena_init(&c.arena, 0);
    int rc = sg_look_calls(l->k, position, json ? call_json : call_text, &c, err);
    if (rc == 0 && c.rc != 0) {
        rc = c.rc;
        *err = c.err;
    }
    sg_arena_fini(&c.arena);
    return rc;
}

/* --- a record --------------------------------------------------------------------------------------------------- */

static double seconds_of(const struct sg_record_row *row) {
    return (double)(row->ended - row->started) / 1000;
}

/* The line of a record that is not ok says what it is, and stays as it is: its members come first. */
static void put_line_json(struct sg_buf *b, const struct sg_look_record *r) {
    bool own = r->row.outcome != SG_RECORD_OK && r->has_json && r->json.n > 2;
    if (own) sg_buf_str(b, (struct sg_str){r->json.p, r->json.n - 1});
    else {
        sg_buf_printf(b, "{\"position\":%llu", (unsigned long long)r->row.position);
        if (r->has_row && r->row.line) sg_buf_printf(b, ",\"line\":%llu", (unsigned long long)r->row.line);
    }
    sg_buf_printf(b, ",\"outcome\":\"%s\"", sg_look_outcome_name(r->row.outcome).p);
    if (r->has_row) sg_buf_printf(b, ",\"seconds\":%.3f,\"steps\":%u", seconds_of(&r->row), r->row.steps);
    if (own) return;
    if (r->has_row) sg_buf_printf(b, ",\"attempts\":%u", r->row.attempts);
    SG_BUF_LIT(b, ",\"output\":");
    sg_buf_str(b, r->has_json ? r->json : SG_STR("null"));
}

static int print_json(struct listing *l, const struct sg_look_record *r, struct sg_err *err) {
    put_line_json(&l->out, r);
    SG_BUF_LIT(&l->out, ",\"calls\":[");
    int rc = put_calls(l, r->row.position, true, err);
    SG_BUF_LIT(&l->out, "]}\n");
    return rc;
}

static int print_whole(struct listing *l, const struct sg_look_record *r, struct sg_err *err) {
    struct sg_buf *b = &l->out;
    sg_buf_printf(b, "record %llu", (unsigned long long)r->row.position);
    if (r->has_row && r->row.line) sg_buf_printf(b, ", line %llu", (unsigned long long)r->row.line);
    sg_buf_printf(b, ": %s", sg_look_outcome_name(r->row.outcome).p);
    if (r->has_row)
        sg_buf_printf(b, ", %.3f s, %u step%s, %u attempt%s", seconds_of(&r->row), r->row.steps,
                      r->row.steps == 1 ? "" : "s", r->row.attempts, r->row.attempts == 1 ? "" : "s");
    sg_buf_ch(b, '\n');
    if (r->has_json) {
        struct sg_buf text = SG_BUF_INIT(SIZE_MAX);
        sg_json_indent_text(&text, r->json, 2, 0);
        put_block(b, sg_buf_view(&text), "  ");
        sg_buf_fini(&text);
    }
    return put_calls(l, r->row.position, false, err);
}

static struct sg_str text_of(struct sg_arena *a, const struct sg_json *line, const char *key) {
    const struct sg_json *v = sg_json_get(line, sg_str(key));
    if (!v) return SG_STR("-");
    return v->type == SG_JSON_STRING ? sg_json_text(v) : sg_json_dump(a, v);
}

static bool print_cause(struct listing *l, const struct sg_look_record *r) {
    static const char *const keys[] = {"position", "id", "node", "error", "attempts", "message"};
    struct sg_str cells[6];
    struct sg_json line = {0};
    if (!r->has_json || sg_json_parse(&l->arena, r->json, &line, NULL, NULL) != 0) line.type = SG_JSON_NULL;
    for (int i = 0; i < 6; i++) cells[i] = text_of(&l->arena, &line, keys[i]);
    cells[0] = sg_str_printf(&l->arena, "%llu", (unsigned long long)r->row.position);
    return sg_grid_row(&l->grid, cells);
}

static bool print_row(struct listing *l, const struct sg_look_record *r) {
    struct sg_arena *a = &l->arena;
    struct sg_json line;
    bool ok = r->row.outcome == SG_RECORD_OK;
    struct sg_str what = r->has_json ? r->json : SG_STR("-");
    if (!ok && r->has_json && sg_json_parse(a, r->json, &line, NULL, NULL) == 0) what = text_of(a, &line, "message");
    struct sg_str cells[6] = {sg_str_printf(a, "%llu", (unsigned long long)r->row.position),
                              sg_look_outcome_name(r->row.outcome),
                              SG_STR("-"),
                              SG_STR("-"),
                              SG_STR("-"),
                              what};
    if (r->has_row) {
        cells[2] = sg_str_printf(a, "%.3f", seconds_of(&r->row));
        cells[3] = sg_str_printf(a, "%u", r->row.steps);
        cells[4] = sg_str_printf(a, "%u", r->row.attempts);
    }
    return sg_grid_row(&l->grid, cells);
}

static void begin_grid(struct listing *l) {
    static const struct sg_str causes[] = {{"position", 8}, {"id", 2},  {"node", 4},
                                           {"error", 5},    {"try", 3}, {"message", 7}};
    static const struct sg_str rows[] = {{"position", 8}, {"outcome", 7}, {"seconds", 7},
                                         {"steps", 5},    {"tries", 5},   {"output", 6}};
    sg_grid_init(&l->grid, l->causes ? causes : rows, 6, "position seconds steps try tries");
}

static int show(struct listing *l, const struct sg_look_record *r, bool *more, struct sg_err *err) {
    int rc = 0;
    sg_arena_reset(&l->arena);
    *more = true;
    bool grid = !l->args->values[JSON] && !l->whole;
    if (grid && l->shown == 0) begin_grid(l);
    if (l->args->values[JSON]) rc = print_json(l, r, err);
    else if (l->whole) rc = print_whole(l, r, err);
    else *more = l->causes ? print_cause(l, r) : print_row(l, r);
    if (rc == 0 && l->out.n) fwrite(l->out.p, 1, l->out.n, stdout);
    sg_buf_reset(&l->out, 1 << 20);
    *more = *more && ++l->shown < l->most && !ferror(stdout);
    return rc;
}

/* --- which ------------------------------------------------------------------------------------------------------ */

static bool has_id(struct listing *l, const struct sg_look_record *r, struct sg_str id, struct sg_str needle) {
    struct sg_json line;
    if (!r->has_json || !memmem(r->json.p, r->json.n, needle.p, needle.n)) return false;
    sg_arena_reset(&l->arena);
    if (sg_json_parse(&l->arena, r->json, &line, NULL, NULL) != 0) return false;
    return sg_json_get(&line, SG_STR("id")) && sg_str_eq(text_of(&l->arena, &line, "id"), id);
}

/* As a JSON text holds it, without quotes: most lines are passed over without being parsed. */
static struct sg_str needle_of(struct sg_str id, struct sg_buf *b) {
    sg_json_write_text(b, id);
    return (struct sg_str){b->p + 1, b->n - 2};
}

static int list_scan(struct listing *l, struct sg_err *err) {
    struct sg_look_scan *s;
    struct sg_look_record r;
    struct sg_buf quoted = SG_BUF_INIT(SIZE_MAX);
    struct sg_str id = sg_str(sg_arg_text(l->args, ID, "")), needle = needle_of(id, &quoted);
    bool more = true;
    int rc = sg_look_scan_open(l->k, 0, l->outcomes, true, &s, err), got = 0;
    while (rc == 0 && more && (got = sg_look_scan_next(s, &r, err)) == 1)
        if (!id.n || has_id(l, &r, id, needle)) rc = show(l, &r, &more, err);
    if (rc == 0 && got < 0) rc = got;
    if (s) sg_look_scan_close(s);
    sg_buf_fini(&quoted);
    return rc;
}

static int list_one(struct listing *l, uint64_t position, struct sg_err *err) {
    struct sg_look_record r;
    bool more;
    int rc = sg_look_record(l->k, position, true, &r, err);
    return rc == 0 ? show(l, &r, &more, err) : rc;
}

static int list_slowest(struct listing *l, struct sg_err *err) {
    if (sg_look_facts(l->k)->id.keep == SG_KEEP_OUTPUTS)
        return sg_fail(err, SG_E_UNSUPPORTED,
                       "--slow: this run has been told to keep no times of records (--keep outputs)");
    uint64_t *positions = sg_xcalloc(l->most, sizeof *positions);
    int n = sg_look_slowest(l->k, l->outcomes, positions, l->most, err), rc = n < 0 ? n : 0;
    for (int i = 0; i < n && rc == 0; i++) rc = list_one(l, positions[i], err);
    free(positions);
    return rc;
}

/* Lines need not have an id; the input's rows do. */
static int list_by_input(struct listing *l, struct sg_err *err) {
    uint64_t position;
    const struct sg_look_facts *f = sg_look_facts(l->k);
    const struct sg_run_programs programs = {sg_exe_path(), sg_exe_dir()};
    int rc = sg_run_position_of(f->folder, &f->id, sg_str(l->args->values[ID]), &programs, &position, err);
    return rc == 0 ? list_one(l, position, err) : rc;
}

static int list(struct listing *l, struct sg_err *err) {
    if (l->args->values[POSITION]) return list_one(l, sg_arg_number(l->args, POSITION, 0), err);
    if (l->args->values[SLOW]) return list_slowest(l, err);
    int rc = list_scan(l, err);
    return rc == 0 && l->args->values[ID] && l->shown == 0 ? list_by_input(l, err) : rc;
}

/* --- the verb --------------------------------------------------------------------------------------------------- */

static void say_none(const struct listing *l) {
    for (int i = 0; i < 4; i++)
        if (l->outcomes == SG_LOOK_ONLY(i)) {
            printf("no record of this run %s%s\n",
                   i == SG_RECORD_OK       ? "is "
                   : i == SG_RECORD_FAILED ? ""
                                           : "was ",
                   sg_look_outcome_name(i).p);
            return;
        }
    printf("no record of this run has ended so\n");
}

static unsigned outcomes_of(const struct sg_args *a) {
    unsigned outcomes = 0;
    for (int i = OK; i <= DROPPED; i++)
        if (a->values[i]) outcomes |= SG_LOOK_ONLY(i);
    if (outcomes) return outcomes;
    return a->values[SLOW] || a->values[ID] || a->values[POSITION] ? SG_LOOK_ALL : SG_LOOK_ONLY(SG_RECORD_FAILED);
}

static int show_listing(struct listing *l) {
    const struct sg_args *a = l->args;
    struct sg_err err = {0};
    l->outcomes = outcomes_of(a);
    l->whole = a->values[ID] || a->values[POSITION];
    l->causes = !(l->outcomes & SG_LOOK_ONLY(SG_RECORD_OK)) && !a->values[SLOW];
    l->most = sg_arg_number(a, MOST, a->values[SLOW] ? 20 : UINT64_MAX);
    if (a->values[SLOW] && l->most > 1000000) l->most = 1000000;
    bool grid = !a->values[JSON] && !l->whole;
    int rc = l->most ? list(l, &err) : 0;
    if (grid && l->shown) sg_grid_fini(&l->grid);
    if (rc != 0) fprintf(stderr, "sygra records: %s\n", err.text);
    else if (grid && !l->shown) say_none(l);
    fflush(stdout);
    return rc == 0 ? SG_EXIT_OK : SG_EXIT_ERROR;
}

static int run(const struct sg_args *a) {
    struct listing l = {.args = a, .out = SG_BUF_INIT(SIZE_MAX)};
    struct sg_arena arena;
    struct sg_err err = {0};
    struct sg_str folder;
    sg_arena_init(&arena, 0);
    sg_arena_init(&l.arena, 0);
    int status = SG_EXIT_ERROR, rc = sg_run_find(&arena, sg_str(a->n_words ? a->words[0] : ""), false, &folder, &err);
    if (rc == 0) rc = sg_look_open(folder.p, &l.k, &err);
    if (rc == 0) status = show_listing(&l);
    else fprintf(stderr, "sygra records: %s\n", err.text);
    sg_look_close(l.k);
    sg_buf_fini(&l.out);
    sg_arena_fini(&l.arena);
    sg_arena_fini(&arena);
    return status;
}

const struct sg_verb sg_verb_records = {
    .name = "records",
    .words = "[RUN] [options]",
    .summary = "the records of a run: those that failed, were slow, or one with its calls",
    .details = "Several of --ok, --failed, --invalid and --dropped add up. A run with --keep outputs has no times of "
               "finished\n"
               "records (--slow is refused) and no replies.\n",
    .options = options,
    .run = run,
};
