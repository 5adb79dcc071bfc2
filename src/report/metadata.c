/* SPDX-License-Identifier: Apache-2.0 */
/* The reference's metadata file, field by field, and what it lacks. docs/metadata.md says what each field is, and where the
 * reference's is wrong; tests/cases/metadata_fields.txt holds the names. */
#include "report/write.h"

#include <time.h>

#define METADATA_VERSION "1.0.0" /* of the reference's tree */

struct sg_moment sg_show_moment(int64_t ms) {
    struct sg_moment m;
    time_t s = (time_t)(ms / 1000);
    struct tm tm;
    localtime_r(&s, &tm);
    size_t n = strftime(m.text, sizeof m.text, "%Y-%m-%dT%H:%M:%S", &tm);
    n += (size_t)snprintf(m.text + n, sizeof m.text - n, ".%03d", (int)(ms % 1000));
    char zone[8] = "";
    strftime(zone, sizeof zone, "%z", &tm);
    snprintf(m.text + n, sizeof m.text - n, "%.3s:%.2s", zone, zone + 3);
    return m;
}

void sg_put_stats(struct sg_buf *b, const char *key, const struct sg_stats *s) {
    sg_key(b, key);
    sg_buf_ch(b, '{');
    sg_put_real(b, "min", s->least, 6);
    sg_put_real(b, "max", s->largest, 6);
    sg_put_real(b, "mean", s->mean, 6);
    sg_put_real(b, "median", s->p50, 6);
    sg_put_real(b, "std_dev", s->deviation, 6);
    sg_put_real(b, "p50", s->p50, 6);
    sg_put_real(b, "p95", s->p95, 6);
    sg_put_real(b, "p99", s->p99, 6);
    sg_buf_ch(b, '}');
}

static void put_code(void *ud, const char *name, uint64_t n) {
    sg_put_number(ud, name, n);
}

void sg_put_codes(struct sg_buf *b, const char *key, const struct sg_report *r, size_t model, size_t node) {
    sg_key(b, key);
    sg_buf_ch(b, '{');
    sg_report_codes(r, model, node, put_code, b);
    sg_buf_ch(b, '}');
}

/* --- execution, dataset --------------------------------------------------------------------------------------------- */

static void add_git(const struct sg_report_setting *s, struct sg_buf *b) {
    sg_key(b, "git");
    sg_buf_ch(b, '{');
    sg_put_maybe(b, "commit_hash", s->commit);
    sg_put_maybe(b, "branch", s->branch);
    sg_put_word(b, "is_dirty", !s->has_git || !s->knows_dirty ? "null" : s->is_dirty ? "true" : "false");
    sg_put_maybe(b, "remote_url", s->remote);
    sg_buf_ch(b, '}');
}

static void add_timing(const struct sg_report *r, const struct sg_report_setting *s, struct sg_buf *b) {
    sg_key(b, "timing");
    sg_buf_ch(b, '{');
    sg_put_text(b, "start_time", sg_str(sg_show_moment(r->id.started_ms).text));
    sg_put_text(b, "end_time", sg_str(sg_show_moment(r->ended_ms).text));
    sg_put_real(b, "duration_seconds", (double)(r->ended_ms - r->id.started_ms) / 1e3, 3);
    sg_put_real(b, "seconds_of_last_life", s->seconds_here, 3);
    sg_buf_ch(b, '}');
}

static void add_execution(const struct sg_report *r, const struct sg_report_setting *s, struct sg_buf *b) {
    sg_key(b, "execution");
    sg_buf_ch(b, '{');
    sg_put_text(b, "task_name", s->task);
    sg_put_text(b, "run_name", s->run_name);
    sg_put_maybe(b, "output_dir", s->output_dir);
    sg_put_number(b, "batch_size", s->batch_size);
    sg_put_word(b, "checkpoint_interval", "null");
    sg_put_word(b, "resumable", s->resumable ? "true" : "false");
    sg_put_word(b, "debug", s->debug ? "true" : "false");
    sg_put_text(b, "state", r->state[0] == 'f' ? SG_STR("finished") : SG_STR("stopped"));
    sg_put_number(b, "lives", r->lives);
    sg_put_number(b, "seed", r->id.seed);
    sg_key(b, "environment");
    SG_BUF_LIT(b, "{\"python_version\":");
    if (s->python_version.n) sg_json_write_text(b, s->python_version);
    else SG_BUF_LIT(b, "null");
    SG_BUF_LIT(b, ",\"sygra_version\":\"" SYGRA_VERSION "\"}");
    add_git(s, b);
    add_timing(r, s, b);
    sg_buf_ch(b, '}');
}

static uint64_t sum4(const uint64_t v[4]) {
    return v[0] + v[1] + v[2] + v[3];
}

static void add_dataset(const struct sg_report *r, const struct sg_report_setting *s, struct sg_buf *b) {
    char hash[24] = "";
    if (r->id.source.path.n && r->progress.read_bytes) snprintf(hash, sizeof hash, "crc32c:%08x", r->progress.read_crc);
    sg_key(b, "dataset");
    sg_buf_ch(b, '{');
    sg_put_text(b, "source_type", s->source_type);
    sg_put_maybe(b, "source_path", r->id.source.path);
    sg_put_number(b, "num_records_processed", sum4(r->progress.totals.outcomes));
    sg_put_number(b, "start_index", r->id.first);
    sg_put_word(b, "dataset_version", "null");
    sg_put_maybe(b, "dataset_hash", sg_str(hash));
    if (hash[0]) sg_put_number(b, "hashed_bytes", r->progress.read_bytes);
    sg_buf_ch(b, '}');
}

/* --- sums ----------------------------------------------------------------------------------------------------------- */

static void add_records(const struct sg_report *r, struct sg_buf *b) {
    const uint64_t *n = r->progress.totals.outcomes;
    sg_key(b, "records");
    sg_buf_ch(b, '{');
    sg_put_number(b, "total_processed", n[0]);
    sg_put_number(b, "total_failed", n[1]);
    sg_put_number(b, "total_invalid", n[2]);
    sg_put_number(b, "total_dropped", n[3]);
    sg_put_real(b, "success_rate", sg_ratio(n[0], sum4(n)), 6);
    sg_buf_ch(b, '}');
}

static void add_requests(const struct sg_report_sum *s, struct sg_buf *b) {
    sg_key(b, "requests");
    sg_buf_ch(b, '{');
    sg_put_number(b, "total_requests", s->attempts);
    sg_put_number(b, "total_retries", s->again);
    sg_put_number(b, "total_failures", s->failed);
    sg_put_real(b, "retry_rate", sg_ratio(s->again, s->attempts), 6);
    sg_put_real(b, "failure_rate", sg_ratio(s->failed, s->attempts - s->again), 6);
    sg_put_number(b, "total_repeated", s->repeated);
    sg_buf_ch(b, '}');
}

static void add_cost(const struct sg_report *r, struct sg_buf *b) {
    const uint64_t *n = r->progress.totals.outcomes;
    struct sg_cost all = sg_report_cost(r, SG_ANY, SG_ANY), others = {0};
    for (int i = 1; i < 4; i++) sg_cost_add(&others, sg_report_spent(r, i));
    sg_key(b, "cost");
    sg_buf_ch(b, '{');
    sg_put_cost(b, "total_cost_usd", all, 1);
    sg_put_cost(b, "average_cost_per_record", all, sg_ratio(1, sum4(n)));
    if (n[0]) sg_put_cost(b, "cost_per_accepted_record", all, 1 / (double)n[0]);
    else sg_put_word(b, "cost_per_accepted_record", "null");
    sg_put_cost(b, "cost_of_other_records", others, 1);
    if (all.unknown) sg_put_real(b, "known_cost_usd", all.usd, 6);
    sg_buf_ch(b, '}');
}

static void add_tokens(const char *key, const struct sg_report_sum *s, bool averages, struct sg_buf *b) {
    double n = (double)(s->answered > s->unmetered ? s->answered - s->unmetered : 1);
    sg_key(b, key);
    sg_buf_ch(b, '{');
    sg_put_number(b, "total_prompt_tokens", s->prompt_tokens);
    sg_put_number(b, "total_completion_tokens", s->completion_tokens);
    sg_put_number(b, "total_tokens", s->prompt_tokens + s->completion_tokens);
    if (averages) {
        sg_put_real(b, "avg_prompt_tokens", (double)s->prompt_tokens / n, 2);
        sg_put_real(b, "avg_completion_tokens", (double)s->completion_tokens / n, 2);
        sg_put_real(b, "avg_total_tokens", (double)(s->prompt_tokens + s->completion_tokens) / n, 2);
    }
    if (s->unmetered) sg_put_number(b, "requests_without_usage", s->unmetered);
    sg_buf_ch(b, '}');
}

static void add_aggregate(const struct sg_report *r, struct sg_buf *b) {
    struct sg_report_sum s;
    sg_report_sum(r, SG_ANY, SG_ANY, &s);
    sg_key(b, "aggregate_statistics");
    sg_buf_ch(b, '{');
    add_records(r, b);
    add_tokens("tokens", &s, false, b);
    add_requests(&s, b);
    add_cost(r, b);
    if (r->has_lag) {
        sg_key(b, "commit_lag_seconds");
        sg_buf_ch(b, '{');
        sg_put_real(b, "p50", r->lag_p50_ms / 1e3, 6);
        sg_put_real(b, "p99", r->lag_p99_ms / 1e3, 6);
        sg_put_real(b, "max", r->lag_max_ms / 1e3, 6);
        sg_buf_ch(b, '}');
    }
    sg_buf_ch(b, '}');
}

/* --- models, nodes --------------------------------------------------------------------------------------------------- */

/* The reference's names of its classes, without "Custom". */
static struct sg_str class_of(struct sg_str type) {
    static const char *const names[][2] = {
        {"vllm", "VLLM"}, {"openai", "OpenAI"}, {"azure_openai", "AzureOpenAI"}, {"llama", "Llama"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (sg_str_eq(type, sg_str(names[i][0]))) return sg_str(names[i][1]);
    return type;
}

static void add_performance(const struct sg_report_sum *s, struct sg_buf *b) {
    double wall = s->stats.total;
    sg_key(b, "performance");
    sg_buf_ch(b, '{');
    sg_put_number(b, "total_requests", s->attempts);
    sg_put_number(b, "total_retries", s->again);
    sg_put_number(b, "total_failures", s->failed);
    sg_put_real(b, "failure_rate", sg_ratio(s->failed, s->attempts - s->again), 6);
    sg_put_real(b, "total_latency_seconds", wall, 3);
    sg_put_real(b, "average_latency_seconds", s->stats.mean, 6);
    sg_put_real(b, "tokens_per_second", wall > 0 ? (double)s->completion_tokens / wall : 0, 2);
    sg_put_stats(b, "latency_statistics", &s->stats);
    sg_buf_ch(b, '}');
}

static void add_price(const struct sg_price *p, struct sg_buf *b) {
    if (!p->known) {
        sg_put_word(b, "price", "null");
        return;
    }
    sg_key(b, "price");
    sg_buf_ch(b, '{');
    sg_put_real(b, "input_usd_per_million", p->input, 6);
    sg_put_real(b, "output_usd_per_million", p->output, 6);
    sg_put_text(b, "source", p->from);
    sg_buf_ch(b, '}');
}

/* The name at the endpoint, as there; the alias where another entry has taken it. */
static struct sg_str key_of(const struct sg_report *r, size_t model) {
    for (size_t i = 0; i < model; i++)
        if (sg_str_eq(r->models[i].name, r->models[model].name)) return r->models[model].alias;
    return r->models[model].name;
}

static void add_model(const struct sg_report *r, size_t i, struct sg_buf *b) {
    const struct sg_report_model *m = &r->models[i];
    struct sg_report_sum s;
    struct sg_cost cost = sg_report_cost(r, i, SG_ANY);
    sg_report_sum(r, i, SG_ANY, &s);
    sg_next(b);
    sg_json_write_text(b, key_of(r, i));
    SG_BUF_LIT(b, ":{");
    sg_put_text(b, "model_name", m->name);
    sg_put_text(b, "alias", m->alias);
    sg_put_text(b, "model_type", class_of(m->type));
    sg_key(b, "model_url");
    sg_buf_str(b, m->url);
    add_tokens("token_statistics", &s, true, b);
    add_performance(&s, b);
    sg_key(b, "cost");
    sg_buf_ch(b, '{');
    sg_put_cost(b, "total_cost_usd", cost, 1);
    sg_put_cost(b, "average_cost_per_request", cost, sg_ratio(1, s.answered));
    add_price(&m->price, b);
    sg_buf_ch(b, '}');
    sg_put_codes(b, "response_code_distribution", r, i, SG_ANY);
    sg_key(b, "parameters");
    sg_buf_str(b, m->parameters);
    sg_buf_ch(b, '}');
}

static struct sg_str model_at(const struct sg_report *r, size_t node) {
    struct sg_str found = SG_STR_NONE;
    for (size_t i = 0; i < r->n_uses; i++)
        if (r->uses[i].node == node && found.n == 0) found = r->models[r->uses[i].model].name;
    return found;
}

static void add_node(const struct sg_report *r, size_t i, struct sg_buf *b) {
    const struct sg_run_node *node = &r->id.nodes[i];
    struct sg_report_sum s;
    struct sg_stats runs;
    uint64_t failed;
    sg_report_sum(r, SG_ANY, i, &s);
    sg_report_runs(r, i, &failed, &runs);
    sg_next(b);
    sg_json_write_text(b, node->name);
    SG_BUF_LIT(b, ":{");
    sg_put_text(b, "node_name", node->name);
    sg_put_text(b, "node_type", node->kind);
    sg_put_maybe(b, "model_name", model_at(r, i));
    sg_put_number(b, "total_executions", runs.n);
    sg_put_number(b, "total_failures", failed);
    sg_put_real(b, "failure_rate", sg_ratio(failed, runs.n), 6);
    sg_put_real(b, "total_latency_seconds", runs.total, 3);
    sg_put_real(b, "average_latency_seconds", runs.mean, 6);
    sg_put_stats(b, "latency_statistics", &runs);
    if (s.attempts) {
        add_tokens("token_statistics", &s, true, b);
        sg_key(b, "cost");
        sg_buf_ch(b, '{');
        sg_put_cost(b, "total_cost_usd", sg_report_cost(r, SG_ANY, i), 1);
        sg_buf_ch(b, '}');
    }
    sg_buf_ch(b, '}');
}

void sg_report_metadata(const struct sg_report *r, const struct sg_report_setting *s, struct sg_buf *out) {
    struct sg_buf b = SG_BUF_INIT(SIZE_MAX);
    sg_buf_ch(&b, '{');
    sg_put_text(&b, "metadata_version", SG_STR(METADATA_VERSION));
    sg_put_text(&b, "generated_at", sg_str(sg_show_moment(r->ended_ms).text));
    add_execution(r, s, &b);
    add_dataset(r, s, &b);
    add_aggregate(r, &b);
    sg_key(&b, "models");
    sg_buf_ch(&b, '{');
    for (size_t i = 0; i < r->n_models; i++) add_model(r, i, &b);
    sg_buf_ch(&b, '}');
    sg_key(&b, "nodes");
    sg_buf_ch(&b, '{');
    for (size_t i = 0; i < r->id.n_nodes; i++)
        if (sg_report_is_node(r, i)) add_node(r, i, &b);
    SG_BUF_LIT(&b, "}}");
    sg_json_indent_text(out, sg_buf_view(&b), 2, 0);
    sg_buf_ch(out, '\n');
    sg_buf_fini(&b);
}
