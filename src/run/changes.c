/* SPDX-License-Identifier: Apache-2.0 */
/* See changes.h. Calls are gone through once, in the order of their key: all of a record follow each other. */
#include "run/changes.h"

/* --- what has changed --------------------------------------------------------------------------------------------- */

static const struct sg_run_node *find(const struct sg_run_identity *id, struct sg_str name) {
    for (size_t i = 0; i < id->n_nodes; i++)
        if (sg_str_eq(id->nodes[i].name, name)) return &id->nodes[i];
    return NULL;
}

/* -1: what stands for START, or for the output map, or is gone. */
static int number_in_plan(const struct sg_changes *c, struct sg_str name) {
    const struct sg_plan_node *n = sg_plan_node(c->plan, name);
    return n ? (int)(n - c->plan->nodes) : -1;
}

static void add(struct sg_changes *c, const char *what, const struct sg_run_node *n, const char *of) {
    *SG_PUSH(c->arena, c->list, c->n, c->cap) = (struct sg_change){what, n->name, n->kind, of};
}

static bool makes_calls(const struct sg_run_node *n) {
    return sg_str_eq(n->kind, SG_STR("llm")) || sg_str_eq(n->kind, SG_STR("multi_llm"));
}

/* The output map and the checks: what a record came to is mapped, or checked, once more; its calls stay. */
static bool is_of_output(const struct sg_run_node *n) {
    return sg_str_eq(n->kind, SG_STR("output")) || sg_str_eq(n->kind, SG_STR("schema"));
}

/* Other transformations make other rows. */
static bool is_of_source(const struct sg_run_node *n) {
    return sg_str_eq(n->kind, SG_STR("data"));
}

static void concern_outputs(struct sg_changes *c) {
    c->outputs = true;
    c->n_outputs++;
}

/* Records that ran this node of the old plan are concerned. Only calls are rows that stay behind finished records. */
static void concern(struct sg_changes *c, size_t i) {
    const struct sg_run_node *n = &c->was->nodes[i];
    c->concerns[i] = true;
    if (is_of_source(n)) c->source = true;
    else if (is_of_output(n)) concern_outputs(c);
    else if (!makes_calls(n)) c->all = true;
}

static void add_changed(struct sg_changes *c, size_t i, const struct sg_run_node *now) {
    const struct sg_run_node *was = &c->was->nodes[i];
    int number = number_in_plan(c, was->name);
    bool told_apart = was->result.n && now->result.n;
    bool requests = !told_apart || !sg_str_eq(was->request, now->request);
    bool results = requests || !sg_str_eq(was->result, now->result);
    concern(c, i);
    if (number < 0) {
        add(c, "changed", now, "");
        return;
    }
    c->reach.requests[number] = requests && makes_calls(now);
    c->reach.results[number] = results;
    add(c, "changed", now, c->reach.requests[number] ? "its requests" : results ? "what it writes" : "what follows it");
}

static bool draws_from_files(const struct sg_changes *c, struct sg_str name) {
    const struct sg_plan_node *n = sg_plan_node(c->plan, name);
    for (size_t i = 0; n && i < n->n_attributes; i++)
        if (n->attributes[i].n_columns) return true;
    return false;
}

static void add_drawn(struct sg_changes *c, size_t i, const struct sg_run_node *now) {
    concern(c, i);
    c->reach.results[number_in_plan(c, now->name)] = true;
    add(c, "changed", now, "the file that it draws from");
}

static const struct sg_json *map_of(struct sg_changes *c, const struct sg_run_identity *id, const char *option) {
    struct sg_json *options = SG_NEW(c->arena, struct sg_json);
    bool fine = sg_json_parse(c->arena, id->options, options, NULL, NULL) == 0;
    const struct sg_json *map = fine ? sg_json_get(options, sg_str(option)) : NULL;
    return map && map->type == SG_JSON_OBJECT ? map : NULL;
}

/* Texts of an option, by name, that are others now. */
static void add_reasons(struct sg_changes *c, const char *option, const char *what) {
    const struct sg_json *was = map_of(c, c->was, option), *is = map_of(c, c->is, option);
    for (uint32_t i = 0; was && is && i < was->n; i++) {
        const struct sg_json *then = &was->members[i].value, *now = sg_json_get(is, was->members[i].key);
        if (!now || then->type != SG_JSON_STRING || sg_json_equal(then, now)) continue;
        c->reasons = sg_str_printf(c->arena, "%.*s  %s `%.*s`: %.*s then, %.*s now\n", SG_ARG(c->reasons), what,
                                   SG_ARG(was->members[i].key), SG_ARG(sg_json_text(then)), SG_ARG(sg_json_text(now)));
    }
}

/* Why nodes differ that nobody has touched: a newer program ships newer recipes, or a file that hooks lie in is another. */
static void find_reasons(struct sg_changes *c) {
    c->reasons = SG_STR("");
    if (c->n == 0) return;
    add_reasons(c, "recipes", "recipe");
    add_reasons(c, "files", "file");
}

void sg_changes_find(struct sg_changes *c, struct sg_arena *a, const struct sg_plan *p, const struct sg_run_identity *was,
                     const struct sg_run_identity *is, bool columns) {
    *c = (struct sg_changes){.arena = a, .plan = p, .was = was, .is = is};
    c->reach.requests = SG_NEW_N(a, bool, p->n_nodes);
    c->reach.results = SG_NEW_N(a, bool, p->n_nodes);
    c->calls = SG_NEW_N(a, struct sg_change_calls, p->n_nodes);
    c->models = SG_NEW_N(a, struct sg_change_calls, p->n_models);
    c->concerns = SG_NEW_N(a, bool, was->n_nodes);
    for (size_t i = 0; i < was->n_nodes; i++) {
        const struct sg_run_node *now = find(is, was->nodes[i].name);
        if (!now) add(c, "gone", &was->nodes[i], ""), concern(c, i);
        else if (!sg_str_eq(now->hash, was->nodes[i].hash)) add_changed(c, i, now);
        else if (columns && draws_from_files(c, now->name)) add_drawn(c, i, now);
    }
    for (size_t i = 0; i < is->n_nodes; i++)
        if (!find(was, is->nodes[i].name)) {
            add(c, "new", &is->nodes[i], "");
            c->source |= is_of_source(&is->nodes[i]);
            if (is_of_output(&is->nodes[i])) concern_outputs(c);
        }
    find_reasons(c);
    bool elsewhere = !sg_str_eq(is->source.path, was->source.path);
    c->source |= elsewhere;
    if (elsewhere) add(c, "another source:", &(struct sg_run_node){.name = is->source.path}, "");
    bool *own = SG_NEW_N(a, bool, p->n_nodes);
    memcpy(own, c->reach.requests, p->n_nodes * sizeof *own);
    sg_plan_reach(p, &c->reach);
    for (size_t i = 0; i < p->n_nodes; i++) c->calls[i].fed = c->reach.requests[i] && !own[i];
}

/* --- what that concerns ------------------------------------------------------------------------------------------- */

/* One record's calls, as they go by. */
struct weighing {
    struct sg_changes *c;
    const int *numbers; /* of old nodes, in the plan; -1: gone */
    const struct sg_range *finished;
    size_t n_finished, at; /* at: the first that does not lie before the record */
    uint64_t position;
    bool any, concerned;
    struct sg_change_calls *held; /* of this record, by node; added when it turns out to be concerned */
    struct sg_change_calls *held_models;
};

static bool is_finished(struct weighing *w) {
    while (w->at < w->n_finished && w->finished[w->at].to <= w->position) w->at++;
    return w->at < w->n_finished && w->finished[w->at].from <= w->position;
}

static void add_calls(struct sg_change_calls *to, const struct sg_change_calls *from, size_t n) {
    for (size_t i = 0; i < n; i++) {
        to[i].calls += from[i].calls;
        to[i].prompt_tokens += from[i].prompt_tokens;
        to[i].completion_tokens += from[i].completion_tokens;
    }
}

static void note_position(struct sg_changes *c, uint64_t position) {
    struct sg_range *last = c->n_positions ? &c->positions[c->n_positions - 1] : NULL;
    if (last && last->to == position) last->to++;
    else *SG_PUSH(c->arena, c->positions, c->n_positions, c->cap_positions) = (struct sg_range){position, position + 1};
}

static void end_record(struct weighing *w) {
    struct sg_changes *c = w->c;
    const struct sg_plan *p = c->plan;
    bool finished = w->any && is_finished(w);
    if (w->any && (w->concerned || c->all)) {
        add_calls(c->calls, w->held, p->n_nodes);
        add_calls(c->models, w->held_models, p->n_models);
        if (finished && !c->all) note_position(c, w->position);
        c->half_done += !finished;
    }
    memset(w->held, 0, p->n_nodes * sizeof *w->held);
    memset(w->held_models, 0, p->n_models * sizeof *w->held_models);
    w->any = w->concerned = false;
}

static int model_of(const struct sg_plan_node *n, uint32_t ordinal) {
    return ordinal < n->n_children ? n->children[ordinal].model : n->model;
}

static bool on_call(void *ud, const struct sg_call_row *row) {
    struct weighing *w = ud;
    struct sg_changes *c = w->c;
    if (w->any && row->position != w->position) end_record(w);
    w->any = true;
    w->position = row->position;
    if (row->node >= c->was->n_nodes) return true; /* of a damaged folder: fsck says it */
    w->concerned |= c->concerns[row->node];
    int number = w->numbers[row->node];
    if (number < 0 || !c->reach.requests[number] || row->state != SG_CALL_ANSWERED) return true;
    const struct sg_change_calls one = {1, row->prompt_tokens, row->completion_tokens, false};
    add_calls(&w->held[number], &one, 1);
    int model = model_of(&c->plan->nodes[number], row->ordinal);
    if (model >= 0) add_calls(&w->held_models[model], &one, 1);
    return true;
}

struct finished {
    struct sg_arena *arena;
    struct sg_range *ranges;
    size_t n, cap;
};

static bool on_record(void *ud, const struct sg_record_row *row) {
    struct finished *f = ud;
    if (f->n && f->ranges[f->n - 1].to == row->position) f->ranges[f->n - 1].to++;
    else *SG_PUSH(f->arena, f->ranges, f->n, f->cap) = (struct sg_range){row->position, row->position + 1};
    return true;
}

static int weigh_calls(struct sg_changes *c, struct sg_rundb *db, const struct sg_progress *p) {
    struct finished f = {.arena = c->arena};
    struct weighing w = {.c = c};
    int *numbers = SG_NEW_N(c->arena, int, c->was->n_nodes);
    if (p->position > c->was->first)
        *SG_PUSH(c->arena, f.ranges, f.n, f.cap) = (struct sg_range){c->was->first, p->position};
    int rc = sg_rundb_records(db, p->position, -1, on_record, &f);
    for (size_t i = 0; i < c->was->n_nodes; i++) numbers[i] = number_in_plan(c, c->was->nodes[i].name);
    w.numbers = numbers;
    w.finished = f.ranges;
    w.n_finished = f.n;
    w.held = SG_NEW_N(c->arena, struct sg_change_calls, c->plan->n_nodes);
    w.held_models = SG_NEW_N(c->arena, struct sg_change_calls, c->plan->n_models);
    if (rc == 0) rc = sg_rundb_calls(db, 0, INT64_MAX, on_call, &w);
    end_record(&w);
    return rc;
}

/* Concerned records that have ended. */
struct count {
    struct sg_changes *c;
    size_t at;
};

static bool count_one(void *ud, const struct sg_record_row *row) {
    struct count *k = ud;
    struct sg_changes *c = k->c;
    while (k->at < c->n_positions && c->positions[k->at].to <= row->position) k->at++;
    bool listed = k->at < c->n_positions && c->positions[k->at].from <= row->position;
    bool put_out = row->outcome == SG_RECORD_OK || row->outcome == SG_RECORD_INVALID;
    c->finished += c->all || listed || (c->outputs && put_out);
    return true;
}

static void take_all(struct sg_changes *c, const struct sg_progress *p) {
    static const struct sg_range everything = {0, UINT64_MAX};
    c->positions = SG_NEW(c->arena, struct sg_range);
    *c->positions = everything;
    c->n_positions = 1;
    for (int i = 0; i < 4; i++) c->finished += p->totals.outcomes[i];
}

int sg_changes_weigh(struct sg_changes *c, struct sg_rundb *db) {
    struct sg_progress p;
    bool any = c->all || c->outputs;
    for (size_t i = 0; i < c->was->n_nodes; i++) any |= c->concerns[i];
    int rc = sg_rundb_progress(db, false, &p);
    if (rc < 0 || !any) return rc;
    c->unknown = c->was->keep == SG_KEEP_OUTPUTS;
    c->all |= c->unknown && c->n != c->n_outputs;
    if (!c->unknown) rc = weigh_calls(c, db, &p);
    if (c->all) take_all(c, &p);
    else if (c->unknown) c->finished = p.totals.outcomes[SG_RECORD_OK] + p.totals.outcomes[SG_RECORD_INVALID];
    else if (rc == 0) rc = sg_rundb_records(db, 0, -1, count_one, &(struct count){.c = c});
    for (size_t i = 0; i < c->plan->n_nodes; i++) c->asked += c->calls[i].calls;
    if (c->unknown) c->asked = p.totals.answered;
    return rc;
}

/* --- what it costs ------------------------------------------------------------------------------------------------ */

/* False, and the first model whose price is not known. */
static bool price_all(const struct sg_changes *c, double *usd, const struct sg_model_spec **unknown) {
    *usd = 0;
    for (size_t i = 0; i < c->plan->n_models; i++) {
        const struct sg_change_calls *m = &c->models[i];
        if (m->calls == 0) continue;
        *unknown = c->plan->models[i];
        struct sg_cost cost = sg_price_of(&c->plan->models[i]->price, m->prompt_tokens, m->completion_tokens, 0);
        if (cost.unknown) return false;
        *usd += cost.usd;
    }
    return true;
}

/* --- telling ------------------------------------------------------------------------------------------------------ */

#define U(x) ((unsigned long long)(x))

static bool is_most(const struct sg_changes *c) {
    if (c->unknown) return true; /* of half done records there are calls */
    for (size_t i = 0; i < c->plan->n_nodes; i++)
        if (c->calls[i].fed && c->calls[i].calls) return true;
    return false;
}

static void text_calls(const struct sg_changes *c, struct sg_buf *out) {
    const char *before = ": ";
    bool at_most = is_most(c);
    sg_buf_printf(out, "%s%llu of their calls %s asked again", at_most ? "at most " : "", U(c->asked),
                  c->asked == 1 ? "is" : "are");
    for (size_t i = 0; i < c->plan->n_nodes && !c->unknown; i++) {
        if (c->calls[i].calls == 0) continue;
        sg_buf_printf(out, "%s%llu of `%.*s`%s", before, U(c->calls[i].calls), SG_ARG(c->plan->nodes[i].name),
                      c->calls[i].fed ? ", for what it is given" : "");
        before = ", ";
    }
    sg_buf_ch(out, '\n');
    if (c->reach.routes) SG_BUF_LIT(out, "  and whatever calls a condition leads to that goes another way now\n");
}

static void text_cost(const struct sg_changes *c, struct sg_buf *out) {
    struct sg_change_calls all = {0};
    const struct sg_model_spec *unknown = NULL;
    double usd;
    if (c->asked == 0) return;
    if (c->unknown) {
        SG_BUF_LIT(out, "  what they cost is unknown: this run keeps no calls\n");
        return;
    }
    for (size_t i = 0; i < c->plan->n_models; i++) add_calls(&all, &c->models[i], 1);
    sg_buf_printf(out, "  they took %llu tokens in and %llu out; ", U(all.prompt_tokens), U(all.completion_tokens));
    if (price_all(c, &usd, &unknown)) sg_buf_printf(out, "as many cost $%.4f\n", usd);
    else sg_buf_printf(out, "what as many cost is unknown: `%.*s` has no price\n", SG_ARG(unknown->alias));
}

void sg_changes_list(const struct sg_changes *c, struct sg_buf *out) {
    sg_buf_str(out, c->reasons);
    for (size_t i = 0; i < c->n; i++) {
        const struct sg_change *g = &c->list[i];
        sg_buf_printf(out, "  %s `%.*s`", g->what, SG_ARG(g->name));
        if (*g->of) sg_buf_printf(out, ": %s", g->of);
        sg_buf_ch(out, '\n');
    }
}

void sg_changes_text(const struct sg_changes *c, struct sg_buf *out) {
    sg_changes_list(c, out);
    if (c->source) return;
    sg_buf_printf(out, "  finished records that run again: %llu%s; half done: %llu\n  ", U(c->finished),
                  c->all ? " (all)" : "", U(c->half_done));
    text_calls(c, out);
    text_cost(c, out);
}

static void json_list(const struct sg_changes *c, struct sg_buf *out) {
    SG_BUF_LIT(out, "\"changes\":[");
    for (size_t i = 0; i < c->n; i++) {
        sg_buf_printf(out, "%s{\"what\":\"%s\",\"name\":", i ? "," : "", c->list[i].what);
        sg_json_write_text(out, c->list[i].name);
        SG_BUF_LIT(out, ",\"of\":");
        sg_json_write_text(out, sg_str(c->list[i].of));
        sg_buf_ch(out, '}');
    }
    sg_buf_ch(out, ']');
}

void sg_changes_json(const struct sg_changes *c, struct sg_buf *out) {
    const struct sg_model_spec *unknown = NULL;
    const char *before = "";
    double usd;
    json_list(c, out);
    sg_buf_printf(out, ",\"finished\":%llu,\"half_done\":%llu,\"calls\":%llu,\"at_most\":%s,\"by_node\":{", U(c->finished),
                  U(c->half_done), U(c->asked), is_most(c) ? "true" : "false");
    for (size_t i = 0; i < c->plan->n_nodes; i++) {
        if (c->calls[i].calls == 0) continue;
        sg_buf_str(out, sg_str(before));
        sg_json_write_text(out, c->plan->nodes[i].name);
        sg_buf_printf(out, ":%llu", U(c->calls[i].calls));
        before = ",";
    }
    SG_BUF_LIT(out, "},\"cost_usd\":");
    if (c->unknown || !price_all(c, &usd, &unknown)) SG_BUF_LIT(out, "null");
    else sg_buf_printf(out, "%.6f", usd);
}
