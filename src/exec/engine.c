/* SPDX-License-Identifier: Apache-2.0 */
/* Admission: rows are pulled as records end, never more than `in_flight` under way, none while the output is behind.
 *
 * The slots of the state are the plan's keys and the columns of the first good row; a column that only later rows have is
 * not part of the state, as in the reference (spec-core 3.7), and that is said once. A record that waits at the front holds
 * back admission when it is WINDOW positions behind, which bounds the index of the output. */
#include "exec/record.h"

#include <stdlib.h>

#define PULL 256u
#define WINDOW (1u << 20)
#define WINDOW_NS SG_MS(20)

static void admit(struct sg_exec *x);

static void on_admit(struct sg_later *d) {
    admit(d->ud);
}

static void on_window(struct sg_timer *t) {
    admit(t->ud);
}

static void on_output_room(void *ud) {
    struct sg_exec *x = ud;
    sg_later(x->o.loop, &x->admit);
}

/* Those of a hook are what it has said of itself when it was loaded. */
static size_t add_tools(const struct sg_exec *x, const struct sg_plan_node *n, size_t i, struct sg_json *items) {
    if (n->tool_hooks[i] == SG_NONE) {
        if (items) *items = n->spec->tools[i].object;
        return 1;
    }
    const struct sg_json *said = sg_hooks_description(x->o.hooks, x->o.hook_ids[n->tool_hooks[i]]);
    const struct sg_json *tools = said ? sg_json_get(said, SG_STR("tools")) : NULL;
    if (!tools || tools->type != SG_JSON_ARRAY) return 0;
    if (items && tools->n) memcpy(items, tools->items, tools->n * sizeof *items);
    return tools->n;
}

static struct sg_json tools_of(struct sg_exec *x, const struct sg_plan_node *n) {
    size_t total = 0, at = 0;
    for (size_t i = 0; i < n->spec->n_tools; i++) total += add_tools(x, n, i, NULL);
    struct sg_json *items = SG_NEW_N(&x->fixed, struct sg_json, total);
    for (size_t i = 0; i < n->spec->n_tools; i++) at += add_tools(x, n, i, items + at);
    return total ? sg_json_array(items, total) : sg_json_null();
}

static void list_tools(struct sg_exec *x) {
    x->tools = SG_NEW_N(&x->fixed, struct sg_json, x->plan->n_nodes);
    for (size_t i = 0; i < x->plan->n_nodes; i++) {
        const struct sg_plan_node *n = &x->plan->nodes[i];
        x->tools[i] = n->spec && n->spec->n_tools ? tools_of(x, n) : sg_json_null();
    }
}

int sg_exec_open(const struct sg_exec_options *o, struct sg_exec **out) {
    struct sg_exec *x = sg_xcalloc(1, sizeof *x);
    x->o = *o;
    x->plan = o->plan;
    x->text = SG_BUF_INIT(0);
    x->writers = sg_xcalloc(x->plan->n_keys, sizeof *x->writers);
    sg_arena_init(&x->fixed, 0);
    list_tools(x);
    x->admit = (struct sg_later){.run = on_admit, .ud = x};
    x->window = (struct sg_timer){.on_fire = on_window, .ud = x};
    x->figures.causes = x->causes;
    for (size_t i = 0; i < x->plan->n_joins; i++) {
        size_t words = (x->plan->joins[i].n_sources + 63) / 64;
        if (words > x->join_words) x->join_words = words;
    }
    for (size_t i = 0; i < x->plan->n_fields; i++) x->output_waits |= x->plan->fields[i].transform != SG_NONE;
    x->output_waits |= x->plan->generator != SG_NONE || x->plan->schema_type != SG_NONE;
    x->journals = o->output && sg_output_journals(o->output);
    if (o->output) sg_output_on_room(o->output, on_output_room, x);
    *out = x;
    return 0;
}

void sg_exec_start(struct sg_exec *x) {
    sg_later(x->o.loop, &x->admit);
}

/* --- records: made once, used again ------------------------------------------------------------------------------------------- */

static struct record *take_record(struct sg_exec *x) {
    struct record *r = x->free;
    if (r) {
        x->free = r->next;
    } else {
        const struct sg_plan *p = x->plan;
        r = sg_xcalloc(1, sizeof *r);
        r->exec = x;
        r->state = sg_xcalloc(x->n_slots, sizeof *r->state);
        r->written = sg_xcalloc(x->n_slots, sizeof *r->written);
        r->writers = sg_xcalloc(x->n_slots, sizeof *r->writers);
        r->visits = sg_xcalloc(p->n_nodes, sizeof *r->visits);
        r->is_fired = sg_xcalloc(p->n_nodes, sizeof *r->is_fired);
        r->arrived = sg_xcalloc(p->n_joins * x->join_words, sizeof *r->arrived);
        r->kept = sg_xcalloc(x->n_slots, sizeof *r->kept);
        r->kept_visits = sg_xcalloc(p->n_nodes, sizeof *r->kept_visits);
    }
    r->prev = NULL;
    r->next = x->active;
    if (x->active) x->active->prev = r;
    x->active = r;
    return r;
}

static void clear_record(struct record *r) {
    const struct sg_exec *x = r->exec;
    memset(r->state, 0, x->n_slots * sizeof *r->state);
    memset(r->written, 0, x->n_slots * sizeof *r->written);
    memset(r->visits, 0, x->plan->n_nodes * sizeof *r->visits);
    memset(r->kept_visits, 0, x->plan->n_nodes * sizeof *r->kept_visits);
    memset(r->is_fired, 0, x->plan->n_nodes * sizeof *r->is_fired);
    if (x->plan->n_joins) memset(r->arrived, 0, x->plan->n_joins * x->join_words * sizeof *r->arrived);
    memset(r->replaced, 0, sizeof r->replaced);
    r->n_tasks = r->n_fired = 0;
    r->steps = r->kept_steps = r->pending = r->attempts = r->failed_attempts = 0;
    r->n_work = 0;
    r->failing = r->has_waited = r->is_loading = r->dropped = false;
    r->past = NULL;
    r->err = (struct sg_err){0};
    r->err_node = SG_STR_NONE;
    r->broken = NULL;
    r->misfit = SG_STR_NONE;
}

static void free_record(struct record *r) {
    free(r->state);
    free(r->written);
    free(r->writers);
    free(r->visits);
    free(r->is_fired);
    free(r->arrived);
    free(r->kept);
    free(r->kept_visits);
    free(r->tasks);
    free(r->work);
    free(r);
}

static void give_record(struct record *r) {
    struct sg_exec *x = r->exec;
    *(r->prev ? &r->prev->next : &x->active) = r->next;
    if (r->next) r->next->prev = r->prev;
    sg_past_end(r);
    sg_arena_fini(&r->arena);
    r->next = x->free;
    x->free = r;
}

/* Since the run's first start. */
static int64_t now_ms(const struct sg_exec *x) {
    return x->o.output ? sg_output_ms(x->o.output, sg_loop_now_ns(x->o.loop)) : 0;
}

/* --- ends ------------------------------------------------------------------------------------------------------------------------ */

static void tell_failure(const struct record *r) {
    struct sg_str error = sg_str(r->err.text);
    if (r->broken)
        SG_LOG(record_invalid, SG_F_INT("record", r->position), SG_F_STR("field", r->broken->field),
               SG_F_STR("rule", sg_rule_name(r->broken->kind)), SG_F_STR("error", error));
    else if (r->misfit.p)
        SG_LOG(record_invalid, SG_F_INT("record", r->position),
               SG_F_STR("schema", r->exec->plan->hooks[r->exec->plan->schema_type].spec->text),
               SG_F_STR("error", error));
    else if (!r->err_node.n)
        SG_LOG(source_row_bad, SG_F_INT("record", r->position), SG_F_STR("error", error));
    else if (!r->failed_attempts)
        SG_LOG(record_failed, SG_F_INT("record", r->position), SG_F_STR("node", r->err_node), SG_F_STR("error", error));
    else
        SG_LOG(record_failed, SG_F_INT("record", r->position), SG_F_STR("node", r->err_node),
               SG_F_INT("attempt", r->failed_attempts), SG_F_STR("error", error));
}

static void count_cause(struct sg_exec *x, const struct record *r) {
    const struct sg_err *err = &r->err;
    struct sg_str node = r->err_node;
    struct sg_exec_figures *f = &x->figures;
    for (size_t i = 0; i < f->n_causes; i++) {
        if (x->causes[i].code != err->code || !sg_str_eq(x->causes[i].node, node)) continue;
        x->causes[i].count++;
        x->causes[i].latest = ++x->failures;
        return;
    }
    tell_failure(r);
    if (f->n_causes == sizeof x->causes / sizeof *x->causes) return;
    struct sg_exec_cause *c = &x->causes[f->n_causes++];
    *c = (struct sg_exec_cause){.node = node, .code = err->code, .count = 1, .latest = ++x->failures};
    memcpy(c->text, err->text, sizeof c->text - 1);
}

static void count_end(struct sg_exec *x, enum sg_outcome outcome, uint64_t position) {
    x->figures.ended[outcome]++;
    if (x->o.on_record) x->o.on_record(x->o.ud, outcome, position);
    sg_later(x->o.loop, &x->admit);
}

/* Who wrote a key need not be told where the plan says it: the only node that names it, in its only execution. */
static size_t list_writers(const struct record *r) {
    const struct sg_exec *x = r->exec;
    size_t n = 0;
    for (size_t i = 0; x->journals && r->written && i < x->plan->n_keys; i++) {
        if (!r->written[i]) continue;
        bool plain = r->writers[i] == x->plan->keys[i].writer && r->visits[r->writers[i]] == 1;
        if (plain) continue;
        x->writers[n++] = (struct sg_writer_row){r->position, (uint32_t)i, (uint32_t)r->writers[i], r->written[i]};
    }
    return n;
}

static void put_output(struct record *r, enum sg_outcome outcome, struct sg_str json) {
    struct sg_exec *x = r->exec;
    bool failed = outcome == SG_RECORD_FAILED || outcome == SG_RECORD_INVALID;
    if (x->o.observer) sg_see_record_end(r, outcome, json);
    if (!x->o.output) return;
    struct sg_output_record end = {
        .position = r->position,
        .outcome = outcome,
        .json = json,
        .line = r->line,
        .offset = r->offset,
        .started = r->started_ms,
        .ended = now_ms(x),
        .steps = r->steps,
        .attempts = r->attempts,
        .writers = x->writers,
        .n_writers = list_writers(r),
        .node = r->err_node,
        .err = failed ? &r->err : NULL,
        .work = r->work,
        .n_work = r->n_work,
    };
    if (failed) count_cause(x, r);
    sg_output_record(x->o.output, &end);
}

void sg_record_end(struct record *r, enum sg_outcome outcome, struct sg_str json) {
    struct sg_exec *x = r->exec;
    uint64_t position = r->position;
    put_output(r, outcome, json);
    x->figures.in_flight--;
    give_record(r);
    count_end(x, outcome, position);
}

/* The first reason counts; what was pulled is not begun. */
void sg_exec_break(struct record *r, int status, const struct sg_err *err) {
    struct sg_exec *x = r->exec;
    if (x->end_status == 0) {
        x->end_status = status;
        x->end_err = *err;
    }
    x->stopping = true;
    x->figures.in_flight--;
    give_record(r);
    sg_later(x->o.loop, &x->admit);
}

/* --- rows ------------------------------------------------------------------------------------------------------------------------- */

static void end_bad_row(struct sg_exec *x, struct sg_row *row) {
    struct record r = {.exec = x, .position = row->position, .line = row->line, .offset = row->offset};
    r.started_ms = now_ms(x);
    sg_fail(&r.err, row->status, "%.*s", SG_ARG(row->error));
    sg_buf_reset(&x->text, 1 << 20);
    sg_failed_line(&r, &x->text);
    put_output(&r, SG_RECORD_FAILED, sg_buf_view(&x->text));
    sg_arena_fini(&row->arena);
    count_end(x, SG_RECORD_FAILED, row->position);
}

static void lay_out(struct sg_exec *x, const struct sg_json *first) {
    const struct sg_plan *p = x->plan;
    x->slots = sg_xcalloc(p->n_keys + first->n, sizeof *x->slots);
    x->column_slots = sg_xcalloc(first->n, sizeof *x->column_slots);
    x->is_column = sg_xcalloc(p->n_keys + first->n, sizeof *x->is_column);
    for (size_t i = 0; i < p->n_keys; i++) x->slots[i] = p->keys[i].name;
    x->n_slots = p->n_keys;
    for (uint32_t i = 0; i < first->n; i++) {
        struct sg_str key = first->members[i].key;
        int slot = sg_state_slot(x, key);
        if (slot == SG_NONE) {
            char *copy = sg_xmalloc(key.n + 1);
            memcpy(copy, key.p, key.n);
            slot = (int)x->n_slots;
            x->slots[x->n_slots++] = (struct sg_str){copy, key.n};
        }
        x->column_slots[x->n_columns++] = slot;
        x->is_column[slot] = true;
    }
    x->check_slots = sg_xcalloc(p->n_checks, sizeof *x->check_slots);
    for (size_t i = 0; i < p->n_checks; i++) x->check_slots[i] = sg_state_slot(x, p->checks[i].name);
    x->has_layout = true;
}

static void warn_column(struct sg_exec *x, const struct record *r, struct sg_str key) {
    if (x->warned_columns) return;
    x->warned_columns = true;
    SG_LOG(column_unknown, SG_F_STR("column", key), SG_F_INT("record", r->position));
}

/* Rows mostly have their columns in the first row's order: the slot is found without a search. */
static void fill_state(struct record *r) {
    struct sg_exec *x = r->exec;
    for (uint32_t i = 0; i < r->row.n; i++) {
        const struct sg_member *m = &r->row.members[i];
        int slot = i < x->n_columns ? x->column_slots[i] : SG_NONE;
        if (slot == SG_NONE || !sg_str_eq(x->slots[slot], m->key)) slot = sg_state_slot(x, m->key);
        if (slot != SG_NONE) r->state[slot] = &m->value;
        else warn_column(x, r, m->key);
    }
    static const struct sg_json empty = {.type = SG_JSON_ARRAY};
    for (int i = 0; i < SG_KEY_FIRST; i++)
        if (!r->state[i] || r->state[i]->type != SG_JSON_ARRAY) r->state[i] = &empty;
}

static void begin(struct sg_exec *x, struct sg_row *row) {
    if (!x->has_layout) lay_out(x, &row->value);
    struct record *r = take_record(x);
    clear_record(r);
    r->position = row->position;
    r->line = row->line;
    r->offset = row->offset;
    r->started_ms = now_ms(x);
    r->arena = row->arena;
    r->row = row->value;
    r->compact_at = 4 * r->arena.held > 64 * 1024 ? 4 * r->arena.held : 64 * 1024;
    fill_state(r);
    memcpy(r->kept, r->state, x->n_slots * sizeof *r->kept);
    if (++x->figures.in_flight > x->figures.peak_in_flight) x->figures.peak_in_flight = x->figures.in_flight;
    if (!sg_past_begin(r)) sg_record_begin(r);
}

static void on_rows(void *ud, struct sg_row *rows, size_t n, bool ended, int status, const struct sg_err *err) {
    struct sg_exec *x = ud;
    if (x->done) { /* stopped: nobody has waited for them */
        for (size_t i = 0; i < n; i++) sg_arena_fini(&rows[i].arena);
        return;
    }
    x->pulling = false;
    x->row_at = 0;
    x->n_rows = n;
    if (n > x->cap_rows) x->rows = sg_xrealloc(x->rows, (x->cap_rows = n) * sizeof *rows);
    if (n) memcpy(x->rows, rows, n * sizeof *rows);
    x->figures.pulled += n;
    if (status != 0) {
        x->end_status = status;
        x->end_err = *err;
    }
    x->ended = ended || status != 0;
    if (x->o.output) sg_output_pulled(x->o.output, x->figures.pulled);
    admit(x);
}

/* The output is asked only when the last answer does not do. */
static bool window_open(struct sg_exec *x) {
    uint64_t position = x->rows[x->row_at].position;
    if (position < x->window_end || !x->o.output) return true;
    struct sg_output_figures f;
    sg_output_figures(x->o.output, &f);
    x->window_end = x->o.first + f.contiguous + WINDOW;
    return position < x->window_end;
}

static void finish_if_done(struct sg_exec *x) {
    /* Who stops does not wait for rows that a pipe, or a transform, may never bring; those that come are dropped. */
    bool nothing_left = x->row_at == x->n_rows && (x->stopping || (x->ended && !x->pulling));
    if (!nothing_left || x->figures.in_flight > 0 || x->done) return;
    x->done = true;
    x->figures.source_ended = x->ended;
    x->o.on_end(x->o.ud, x->end_status, x->end_status ? &x->end_err : NULL);
}

static void drop_rows(struct sg_exec *x) {
    while (x->row_at < x->n_rows) sg_arena_fini(&x->rows[x->row_at++].arena);
}

static void admit(struct sg_exec *x) {
    if (x->stopping) drop_rows(x);
    while (x->row_at < x->n_rows && x->figures.in_flight < x->o.in_flight) {
        if (x->o.output && sg_output_full(x->o.output)) return; /* it calls when there is room */
        if (!window_open(x)) {
            sg_timer_start(x->o.loop, &x->window, WINDOW_NS);
            return;
        }
        struct sg_row *row = &x->rows[x->row_at++];
        if (row->status != 0) end_bad_row(x, row);
        else begin(x, row);
    }
    if (x->row_at == x->n_rows && !x->ended && !x->stopping && !x->pulling && x->figures.in_flight < x->o.in_flight) {
        uint32_t room = x->o.in_flight - x->figures.in_flight;
        x->pulling = true;
        sg_source_pull(x->o.source, room < PULL ? room : PULL, on_rows, x);
    }
    finish_if_done(x);
}

void sg_exec_stop(struct sg_exec *x, bool now) {
    x->stopping = true;
    while (now && x->active) {
        struct record *r = x->active;
        sg_record_drop(r);
        x->figures.in_flight--;
        give_record(r);
    }
    sg_later(x->o.loop, &x->admit);
}

void sg_exec_close(struct sg_exec *x) {
    sg_exec_stop(x, true);
    sg_later_cancel(x->o.loop, &x->admit);
    sg_timer_stop(x->o.loop, &x->window);
    drop_rows(x);
    while (x->free) {
        struct record *r = x->free;
        x->free = r->next;
        free_record(r);
    }
    for (size_t i = x->plan->n_keys; i < x->n_slots; i++) free((char *)x->slots[i].p);
    free(x->slots);
    free(x->column_slots);
    free(x->is_column);
    free(x->check_slots);
    free(x->rows);
    free(x->writers);
    sg_arena_fini(&x->fixed);
    sg_buf_fini(&x->text);
    free(x);
}

void sg_exec_figures(const struct sg_exec *x, struct sg_exec_figures *out) {
    *out = x->figures;
}
