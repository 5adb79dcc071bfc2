/* SPDX-License-Identifier: Apache-2.0 */
/* load: a report from a run folder. Rows are read in the order of their keys, once, into slots of time whose width doubles
 * when the run proves longer than they reach: so memory is bounded and nothing is known before. */
#include "report/report.h"

#include <stdio.h>
#include <stdlib.h>

#define FIRST_WIDTH_MS 50

/* --- models --------------------------------------------------------------------------------------------------------- */

static struct sg_str text_of(const struct sg_json *o, const char *key) {
    const struct sg_json *v = sg_json_get(o, sg_str(key));
    return v && v->type == SG_JSON_STRING ? sg_json_text(v) : SG_STR("");
}

static struct sg_str dump_of(struct sg_arena *a, const struct sg_json *o, const char *key) {
    const struct sg_json *v = sg_json_get(o, sg_str(key));
    return v ? sg_json_dump(a, v) : SG_STR("null");
}

static struct sg_price price_of(const struct sg_json *v) {
    struct sg_price p = {0};
    const struct sg_json *in = sg_json_get(v, SG_STR("input")), *out = sg_json_get(v, SG_STR("output"));
    p.known = in && out && sg_json_to_double(in, &p.input) && sg_json_to_double(out, &p.output);
    p.from = text_of(v, "from");
    return p;
}

static void take_model(struct sg_report *r, const struct sg_json *v) {
    const struct sg_json *price = sg_json_get(v, SG_STR("price"));
    r->models[r->n_models++] = (struct sg_report_model){.alias = text_of(v, "alias"),
                                                        .name = text_of(v, "name"),
                                                        .type = text_of(v, "type"),
                                                        .url = dump_of(&r->arena, v, "url"),
                                                        .parameters = dump_of(&r->arena, v, "parameters"),
                                                        .price = price ? price_of(price) : (struct sg_price){0}};
}

static void take_use(struct sg_report *r, const struct sg_json *v) {
    int64_t n[3];
    if (v->type != SG_JSON_ARRAY || v->n != 3) return;
    for (int i = 0; i < 3; i++)
        if (!sg_json_to_i64(&v->items[i], &n[i]) || n[i] < 0 || n[i] >= UINT32_MAX) return;
    if ((uint64_t)n[2] >= r->n_models) return;
    r->uses[r->n_uses++] = (struct sg_report_use){(uint32_t)n[0], (uint32_t)n[1], (size_t)n[2]};
}

bool sg_report_take_models(struct sg_report *r, struct sg_str json) {
    struct sg_json v;
    if (json.n == 0 || sg_json_parse(&r->arena, json, &v, NULL, NULL) != 0) return false;
    const struct sg_json *models = sg_json_get(&v, SG_STR("models")), *uses = sg_json_get(&v, SG_STR("uses"));
    if (!models || models->type != SG_JSON_ARRAY || !uses || uses->type != SG_JSON_ARRAY) return false;
    r->models = SG_NEW_N(&r->arena, struct sg_report_model, models->n);
    r->uses = SG_NEW_N(&r->arena, struct sg_report_use, uses->n);
    for (uint32_t i = 0; i < models->n; i++) take_model(r, &models->items[i]);
    for (uint32_t i = 0; i < uses->n; i++) take_use(r, &uses->items[i]);
    return true;
}

/* --- over time ------------------------------------------------------------------------------------------------------ */

static struct sg_timeline *new_timeline(struct sg_report *r) {
    struct sg_timeline *t = SG_NEW(&r->arena, struct sg_timeline);
    t->width_ms = FIRST_WIDTH_MS;
    for (size_t i = 0; i < SG_SLOTS; i++) t->slots[i].uses = SG_NEW_N(&r->arena, struct sg_slot_use, r->n_uses);
    return t;
}

static void add_slot(struct sg_slot *to, const struct sg_slot *from, size_t n_uses) {
    for (int i = 0; i < 4; i++) to->ended[i] += from->ended[i];
    sg_times_add(&to->times, &from->times);
    for (size_t i = 0; i < n_uses; i++) {
        struct sg_slot_use *u = &to->uses[i];
        const struct sg_slot_use *f = &from->uses[i];
        u->answered += f->answered;
        u->failed += f->failed;
        u->latency_us += f->latency_us;
        u->prompt_tokens += f->prompt_tokens;
        u->completion_tokens += f->completion_tokens;
    }
}

static void clear_slot(struct sg_slot *s, size_t n_uses) {
    struct sg_slot_use *uses = s->uses;
    memset(uses, 0, n_uses * sizeof *uses);
    *s = (struct sg_slot){.uses = uses};
}

static void halve(struct sg_timeline *t, size_t n_uses) {
    for (size_t i = 0; i < SG_SLOTS / 2; i++) {
        if (i > 0) {
            clear_slot(&t->slots[i], n_uses);
            add_slot(&t->slots[i], &t->slots[2 * i], n_uses);
        }
        add_slot(&t->slots[i], &t->slots[2 * i + 1], n_uses);
    }
    for (size_t i = SG_SLOTS / 2; i < SG_SLOTS; i++) clear_slot(&t->slots[i], n_uses);
    t->width_ms *= 2;
    t->n = (t->n + 1) / 2;
}

static struct sg_slot *slot_at(struct sg_report *r, int64_t ms) {
    struct sg_timeline *t = r->timeline;
    if (ms < 0) ms = 0;
    if (ms > t->end_ms) t->end_ms = ms;
    while (ms / t->width_ms >= SG_SLOTS) halve(t, r->n_uses);
    size_t i = (size_t)(ms / t->width_ms);
    if (i >= t->n) t->n = i + 1;
    return &t->slots[i];
}

static bool on_record(void *ud, const struct sg_record_row *row) {
    slot_at(ud, row->ended)->ended[row->outcome & 3]++;
    return true;
}

static struct sg_slot_use *use_at(const struct sg_report *r, struct sg_slot *s, const struct sg_call_row *c) {
    for (size_t i = 0; i < r->n_uses; i++)
        if (r->uses[i].node == c->node && r->uses[i].ordinal == c->ordinal) return &s->uses[i];
    return NULL;
}

static bool on_call(void *ud, const struct sg_call_row *c) {
    struct sg_report *r = ud;
    if (c->state != SG_CALL_ANSWERED && c->state != SG_CALL_FAILED) return true;
    struct sg_slot *s = slot_at(r, c->started + c->latency_us / 1000);
    struct sg_slot_use *u = use_at(r, s, c);
    if (!u) return true;
    if (c->state == SG_CALL_FAILED) {
        u->failed++;
        return true;
    }
    u->answered++;
    u->latency_us += (uint64_t)c->latency_us;
    u->prompt_tokens += c->prompt_tokens;
    u->completion_tokens += c->completion_tokens;
    s->times.n++;
    s->times.counts[sg_time_step((uint64_t)c->latency_us)]++;
    return true;
}

/* With --keep outputs there are rows of what waits and what failed only, which would make a false picture. */
static int load_timeline(struct sg_report *r, struct sg_rundb *db) {
    if (r->id.keep == SG_KEEP_OUTPUTS) return 0;
    r->timeline = new_timeline(r);
    int rc = sg_rundb_records(db, 0, -1, on_record, r);
    return rc == 0 ? sg_rundb_calls(db, 0, INT64_MAX, on_call, r) : rc;
}

/* --- the rest ------------------------------------------------------------------------------------------------------- */

static bool on_cause(void *ud, struct sg_str node, struct sg_str code, uint64_t count, struct sg_str text) {
    struct sg_report *r = ud;
    *SG_PUSH(&r->arena, r->causes, r->n_causes, r->cap_causes) =
        (struct sg_report_cause){.node = sg_str_dup(&r->arena, node),
                                 .code = sg_str_dup(&r->arena, code),
                                 .text = sg_str_dup(&r->arena, text),
                                 .count = count};
    return true;
}

static double number_of(struct sg_report *r, struct sg_rundb *db, const char *key, bool *has) {
    struct sg_str text = sg_rundb_get(db, &r->arena, sg_str(key));
    if (has) *has = text.n > 0;
    return text.n ? strtod(text.p, NULL) : 0;
}

static void load_meta(struct sg_report *r, struct sg_rundb *db) {
    bool has;
    double lives = number_of(r, db, "lives", &has);
    r->lives = has && lives >= 1 ? (uint32_t)lives : 1;
    r->ended_ms = (int64_t)number_of(r, db, "ended_ms", NULL);
    r->lag_p50_ms = number_of(r, db, "commit_lag_p50_ms", &r->has_lag);
    r->lag_p99_ms = number_of(r, db, "commit_lag_p99_ms", NULL);
    r->lag_max_ms = number_of(r, db, "commit_lag_max_ms", NULL);
    sg_report_take_models(r, sg_rundb_get(db, &r->arena, SG_STR("models")));
}

static void find_state(struct sg_report *r, struct sg_rundb *db) {
    struct sg_str text;
    r->holder = sg_run_lock_holder(r->folder.p, &r->arena, &text);
    r->state = "dead";
    if (sg_str_eq(sg_rundb_get(db, &r->arena, SG_STR("state")), SG_STR("finished"))) r->state = "finished";
    else if (r->holder) r->state = "live";
}

static int load(struct sg_report *r, struct sg_rundb *db) {
    find_state(r, db);
    load_meta(r, db);
    int rc = sg_rundb_progress(db, false, &r->progress);
    if (rc == 0) rc = sg_tallies_load(&r->stored, db);
    if (rc == 0) rc = sg_rundb_causes(db, on_cause, r);
    return rc == 0 ? load_timeline(r, db) : rc;
}

int sg_report_open(struct sg_report *r, const char *folder, struct sg_err *err) {
    struct sg_rundb *db;
    *r = (struct sg_report){.state = "dead"};
    sg_arena_init(&r->arena, 0);
    r->folder = sg_str_dup(&r->arena, sg_str(folder));
    r->tallies = &r->stored;
    int rc = sg_rundb_view(r->folder.p, &r->arena, &r->id, &db, err);
    if (rc < 0) return rc;
    rc = load(r, db);
    if (rc < 0 && err) *err = *sg_rundb_error(db);
    sg_rundb_close(db);
    return rc;
}

void sg_report_close(struct sg_report *r) {
    sg_tallies_fini(&r->stored);
    sg_arena_fini(&r->arena);
}

/* --- what is not there ---------------------------------------------------------------------------------------------- */

void sg_report_missing(const struct sg_report *r, void (*fn)(void *ud, const char *what, const char *why), void *ud) {
    if (!r->timeline) fn(ud, "charts over time", "the run was made with --keep outputs, which keeps no rows of calls");
    if (r->n_models == 0) fn(ud, "names and prices of models", "the run has not told them");
    if (!r->has_lag)
        fn(ud, "commit lag", strcmp(r->state, "live") == 0 ? "it is told at the run's end" : "the run did not end in order");
    for (size_t i = 0; i < r->n_models; i++)
        if (!r->models[i].price.known) {
            char what[200];
            snprintf(what, sizeof what, "cost of %.*s", SG_ARG(r->models[i].alias));
            fn(ud, what, "its price is not known: give it with --prices FILE, or as `price` in models.yaml");
        }
}
