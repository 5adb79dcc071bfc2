/* SPDX-License-Identifier: Apache-2.0 */
/* `sygra report --json`: one object; docs/formats/report.md. */
#include "report/write.h"

static void add_records(const struct sg_report *r, struct sg_buf *b) {
    static const char *const names[] = {"ok", "failed", "invalid", "dropped"};
    sg_key(b, "records");
    sg_buf_ch(b, '{');
    for (int i = 0; i < 4; i++) sg_put_number(b, names[i], r->progress.totals.outcomes[i]);
    sg_put_number(b, "count", r->id.count);
    sg_put_number(b, "in_order", r->progress.position - r->id.first);
    sg_buf_ch(b, '}');
}

static void add_sum(const struct sg_report *r, size_t model, size_t node, struct sg_buf *b) {
    struct sg_report_sum s;
    struct sg_cost cost = sg_report_cost(r, model, node);
    sg_report_sum(r, model, node, &s);
    sg_put_number(b, "attempts", s.attempts);
    sg_put_number(b, "answered", s.answered);
    sg_put_number(b, "failed", s.failed);
    sg_put_number(b, "tried_again", s.again);
    sg_put_number(b, "repeated", s.repeated);
    sg_put_number(b, "prompt_tokens", s.prompt_tokens);
    sg_put_number(b, "completion_tokens", s.completion_tokens);
    sg_put_number(b, "without_usage", s.unmetered);
    sg_put_stats(b, "latency_s", &s.stats);
    sg_put_codes(b, "responses", r, model, node);
    sg_put_cost(b, "cost_usd", cost, 1);
    if (cost.unknown && cost.any) sg_put_real(b, "known_cost_usd", cost.usd, 6);
}

static void add_cost(const struct sg_report *r, struct sg_buf *b) {
    static const char *const names[] = {"ok", "failed", "invalid", "dropped"};
    struct sg_cost all = sg_report_cost(r, SG_ANY, SG_ANY);
    uint64_t ok = r->progress.totals.outcomes[0];
    sg_key(b, "cost");
    sg_buf_ch(b, '{');
    sg_put_cost(b, "total_usd", all, 1);
    if (ok) sg_put_cost(b, "per_accepted_record_usd", all, 1 / (double)ok);
    else sg_put_word(b, "per_accepted_record_usd", "null");
    sg_key(b, "by_outcome_usd");
    sg_buf_ch(b, '{');
    for (int i = 0; i < 4; i++) sg_put_cost(b, names[i], sg_report_spent(r, i), 1);
    SG_BUF_LIT(b, "}}");
}

static void add_models(const struct sg_report *r, struct sg_buf *b) {
    sg_key(b, "models");
    sg_buf_ch(b, '[');
    for (size_t i = 0; i < r->n_models; i++) {
        const struct sg_report_model *m = &r->models[i];
        sg_next(b);
        sg_buf_ch(b, '{');
        sg_put_text(b, "alias", m->alias);
        sg_put_text(b, "name", m->name);
        sg_put_text(b, "type", m->type);
        sg_key(b, "url");
        sg_buf_str(b, m->url);
        add_sum(r, i, SG_ANY, b);
        sg_key(b, "price");
        if (m->price.known) {
            sg_buf_ch(b, '{');
            sg_put_real(b, "input", m->price.input, 6);
            sg_put_real(b, "output", m->price.output, 6);
            sg_put_text(b, "from", m->price.from);
            SG_BUF_LIT(b, "}}");
        } else SG_BUF_LIT(b, "null}");
    }
    sg_buf_ch(b, ']');
}

static void add_nodes(const struct sg_report *r, struct sg_buf *b) {
    sg_key(b, "nodes");
    sg_buf_ch(b, '[');
    for (size_t i = 0; i < r->id.n_nodes; i++) {
        struct sg_stats runs;
        uint64_t failed;
        if (!sg_report_is_node(r, i)) continue;
        sg_report_runs(r, i, &failed, &runs);
        sg_next(b);
        sg_buf_ch(b, '{');
        sg_put_text(b, "name", r->id.nodes[i].name);
        sg_put_text(b, "kind", r->id.nodes[i].kind);
        sg_put_number(b, "executions", runs.n);
        sg_put_number(b, "executions_failed", failed);
        sg_put_stats(b, "time_s", &runs);
        add_sum(r, SG_ANY, i, b);
        sg_buf_ch(b, '}');
    }
    sg_buf_ch(b, ']');
}

static void add_causes(const struct sg_report *r, struct sg_buf *b) {
    sg_key(b, "errors");
    sg_buf_ch(b, '[');
    for (size_t i = 0; i < r->n_causes; i++) {
        sg_next(b);
        sg_buf_ch(b, '{');
        sg_put_number(b, "count", r->causes[i].count);
        sg_put_text(b, "node", r->causes[i].node);
        sg_put_text(b, "kind", r->causes[i].code);
        sg_put_text(b, "text", r->causes[i].text);
        sg_buf_ch(b, '}');
    }
    sg_buf_ch(b, ']');
}

static void add_slot(const struct sg_report *r, const struct sg_slot *s, struct sg_buf *b) {
    static const char *const names[] = {"ok", "failed", "invalid", "dropped"};
    struct sg_cost cost = {0};
    uint64_t answered = 0, failed = 0, prompt = 0, completion = 0;
    for (size_t i = 0; i < r->n_uses; i++) {
        const struct sg_slot_use *u = &s->uses[i];
        answered += u->answered;
        failed += u->failed;
        prompt += u->prompt_tokens;
        completion += u->completion_tokens;
        sg_cost_add(&cost, sg_price_of(&r->models[r->uses[i].model].price, u->prompt_tokens, u->completion_tokens, 0));
    }
    sg_next(b);
    sg_buf_ch(b, '{');
    for (int i = 0; i < 4; i++) sg_put_number(b, names[i], s->ended[i]);
    sg_put_number(b, "answered", answered);
    sg_put_number(b, "calls_failed", failed);
    sg_put_number(b, "prompt_tokens", prompt);
    sg_put_number(b, "completion_tokens", completion);
    sg_put_real(b, "latency_p50_s", sg_times_quantile(&s->times, 0.5) / 1e6, 6);
    sg_put_real(b, "latency_p95_s", sg_times_quantile(&s->times, 0.95) / 1e6, 6);
    sg_put_cost(b, "cost_usd", cost, 1);
    sg_buf_ch(b, '}');
}

static void add_timeline(const struct sg_report *r, struct sg_buf *b) {
    if (!r->timeline) {
        sg_put_word(b, "timeline", "null");
        return;
    }
    sg_key(b, "timeline");
    sg_buf_ch(b, '{');
    sg_put_real(b, "slot_s", (double)r->timeline->width_ms / 1e3, 3);
    sg_put_real(b, "end_s", (double)r->timeline->end_ms / 1e3, 3);
    sg_key(b, "slots");
    sg_buf_ch(b, '[');
    for (size_t i = 0; i < r->timeline->n; i++) add_slot(r, &r->timeline->slots[i], b);
    SG_BUF_LIT(b, "]}");
}

static void on_missing(void *ud, const char *what, const char *why) {
    struct sg_buf *b = ud;
    sg_next(b);
    sg_buf_ch(b, '{');
    sg_put_text(b, "what", sg_str(what));
    sg_put_text(b, "why", sg_str(why));
    sg_buf_ch(b, '}');
}

void sg_report_json(const struct sg_report *r, struct sg_buf *b) {
    sg_buf_ch(b, '{');
    sg_put_text(b, "run", r->folder);
    sg_put_text(b, "task", r->id.task);
    sg_put_text(b, "program", r->id.program);
    sg_put_text(b, "state", sg_str(r->state));
    sg_put_number(b, "seed", r->id.seed);
    sg_put_number(b, "lives", r->lives);
    sg_put_text(b, "keep", sg_keep_name(r->id.keep));
    sg_put_text(b, "started", sg_str(sg_show_moment(r->id.started_ms).text));
    if (sg_report_seconds(r) >= 0) sg_put_real(b, "duration_s", sg_report_seconds(r), 3);
    else sg_put_word(b, "duration_s", "null");
    add_records(r, b);
    sg_key(b, "calls");
    sg_buf_ch(b, '{');
    add_sum(r, SG_ANY, SG_ANY, b);
    sg_buf_ch(b, '}');
    add_cost(r, b);
    sg_key(b, "commit_lag_ms");
    if (r->has_lag) {
        sg_buf_ch(b, '{');
        sg_put_real(b, "p50", r->lag_p50_ms, 3);
        sg_put_real(b, "p99", r->lag_p99_ms, 3);
        sg_put_real(b, "max", r->lag_max_ms, 3);
        sg_buf_ch(b, '}');
    } else SG_BUF_LIT(b, "null");
    add_models(r, b);
    add_nodes(r, b);
    add_causes(r, b);
    add_timeline(r, b);
    sg_key(b, "missing");
    sg_buf_ch(b, '[');
    sg_report_missing(r, on_missing, b);
    SG_BUF_LIT(b, "]}\n");
}
