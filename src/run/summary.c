/* SPDX-License-Identifier: Apache-2.0 */
/* What a run shows of itself: a line every few seconds, and a summary at its end, as text or as JSON lines. */
#include "run/parts.h"

#include <math.h>
#include <stdio.h>

/* To one decimal: more would only tire the reader. */
static double per_second(uint64_t count, uint64_t ns) {
    return ns ? round((double)count * 1e10 / (double)ns) / 10 : 0;
}

void sg_run_progress(struct run *r) {
    struct sg_exec_figures e;
    struct sg_calls_figures c;
    sg_exec_figures(r->exec, &e);
    sg_calls_figures(r->calls, &c);
    uint64_t now = sg_loop_now_ns(r->loop), span = now - r->shown_ns, tokens = c.prompt_tokens + c.completion_tokens;
    SG_LOG(run_progress, SG_F_INT("ok", e.ended[SG_RECORD_OK]), SG_F_INT("failed", e.ended[SG_RECORD_FAILED]),
           SG_F_INT("in_flight", e.in_flight), SG_F_INT("calls", c.ok),
           SG_F_REAL("calls_per_s", per_second(c.ok - r->shown_calls, span)),
           SG_F_REAL("tokens_per_s", per_second(tokens - r->shown_tokens, span)), SG_F_INT("retries", c.retries),
           SG_F_INT("elapsed_s", (now - r->started_ns) / 1000000000));
    r->shown_calls = c.ok;
    r->shown_tokens = tokens;
    r->shown_ns = now;
}

/* Over all lives of the run: what was stored, and this one. */
struct totals {
    uint64_t outcomes[4]; /* by enum sg_outcome */
    uint64_t records, calls, failed, retries, prompt_tokens, completion_tokens;
};

static struct totals add_up(const struct run *r, const struct sg_exec_figures *e, const struct sg_calls_figures *c) {
    struct sg_run_totals before = {0};
    if (r->resumed) before = r->resumed->totals;
    struct totals t = {
        .calls = before.answered + c->ok,
        .failed = before.failed + c->failed,
        .retries = before.retried + c->retries,
        .prompt_tokens = before.prompt_tokens + c->prompt_tokens,
        .completion_tokens = before.completion_tokens + c->completion_tokens,
    };
    for (int i = 0; i < 4; i++) t.records += t.outcomes[i] = before.outcomes[i] + e->ended[i];
    return t;
}

static const char *end_of(const struct run *r) {
    return r->aborted ? "aborted" : r->interrupted ? "interrupted" : "finished";
}

static void print_causes(const struct sg_exec_figures *e, struct sg_buf *b) {
    for (size_t i = 0; i < e->n_causes; i++) {
        const struct sg_exec_cause *c = &e->causes[i];
        sg_buf_printf(b, "  %llu x %.*s%s%s: %s\n", (unsigned long long)c->count, SG_ARG(c->node),
                      c->node.n ? " " : "", sg_error_name(c->code), c->text);
    }
}

static void print_more(struct run *r, uint64_t done, struct sg_buf *b) {
    bool known;
    uint64_t total;
    if (r->aborted || r->interrupted || !sg_source_has_more(r->source, &known, &total)) return;
    sg_buf_printf(b, "%llu records, the source has more", (unsigned long long)done);
    if (known) sg_buf_printf(b, " (%llu in all)", (unsigned long long)total);
    SG_BUF_LIT(b, "; -n 0 runs all\n");
}

static void print_paths(struct run *r, struct sg_buf *b) {
    static const char *const what[] = {"output", "failed", "invalid", "dropped"};
    if (r->result.path.n) sg_buf_printf(b, "output   %.*s\n", SG_ARG(r->result.path));
    for (int i = SG_RECORD_FAILED; i <= SG_RECORD_DROPPED; i++)
        if (r->result.others[i].n) sg_buf_printf(b, "%-8s %.*s\n", what[i], SG_ARG(r->result.others[i]));
}

#define U(x) ((unsigned long long)(x))

static bool is_one_of_several(const struct sg_calls_address *all, const struct sg_calls_address *a) {
    for (; all; all = all->next)
        if (all != a && sg_str_eq(all->model, a->model)) return true;
    return false;
}

/* Of this life of the run; only where a model has a choice. */
static void print_addresses(const struct sg_calls_address *all, struct sg_buf *b) {
    for (const struct sg_calls_address *a = all; a; a = a->next)
        if (is_one_of_several(all, a))
            sg_buf_printf(b, "address  %.*s (%.*s): %llu answered, %llu failed\n", SG_ARG(a->url), SG_ARG(a->model),
                          U(a->answered), U(a->failed));
}

static void print_summary(struct run *r, const struct sg_exec_figures *e, const struct sg_calls_figures *c,
                          double wall, struct sg_buf *b) {
    struct totals t = add_up(r, e, c);
    sg_buf_printf(b, "%s: %llu records in %.1f s: %llu ok, %llu failed, %llu invalid, %llu dropped\n", end_of(r),
                  U(t.records), wall, U(t.outcomes[0]), U(t.outcomes[1]), U(t.outcomes[2]), U(t.outcomes[3]));
    if (r->resumed) {
        uint64_t now = 0;
        for (int i = 0; i < 4; i++) now += e->ended[i];
        sg_buf_printf(b, "resumed  %llu of these records in this life of the run\n", U(now));
    }
    if (c->calls)
        sg_buf_printf(b,
                      "calls    %llu ok, %llu failed, %llu tried again; %.1f calls/s, mean latency %.3f s\n"
                      "tokens   %llu in, %llu out\n",
                      U(t.calls), U(t.failed), U(t.retries), wall > 0 ? (double)c->ok / wall : 0,
                      c->ok ? (double)c->latency_ns / 1e9 / (double)c->ok : 0, U(t.prompt_tokens),
                      U(t.completion_tokens));
    print_addresses(sg_calls_addresses(r->calls), b);
    sg_buf_printf(b, "seed     %llu\n", U(r->seed));
    if (r->aborted) sg_buf_printf(b, "error    %s\n", r->why.text);
    print_causes(e, b);
    print_paths(r, b);
    print_more(r, t.records, b);
    if ((r->aborted || r->interrupted) && !r->o->no_journal)
        sg_buf_printf(b, "`sygra resume %.*s/%.*s` goes on with it\n", SG_ARG(r->folder), SG_ARG(r->stem));
}

static void json_addresses(const struct sg_calls_address *a, struct sg_buf *b) {
    SG_BUF_LIT(b, ",\"addresses\":[");
    for (bool first = true; a; a = a->next, first = false) {
        sg_buf_str(b, first ? SG_STR("{\"model\":") : SG_STR(",{\"model\":"));
        sg_json_write_string(b, a->model);
        SG_BUF_LIT(b, ",\"url\":");
        sg_json_write_string(b, a->url);
        sg_buf_printf(b,
                      ",\"attempts\":%llu,\"answered\":%llu,\"failed\":%llu,\"canceled\":%llu,"
                      "\"peak_in_flight\":%u,\"left_out\":%llu}",
                      U(a->attempts), U(a->answered), U(a->failed), U(a->canceled), a->peak_in_flight, U(a->outs));
    }
    sg_buf_ch(b, ']');
}

static void json_summary(struct run *r, const struct sg_exec_figures *e, const struct sg_calls_figures *c,
                         double wall, struct sg_buf *b) {
    struct totals t = add_up(r, e, c);
    struct sg_output_figures o;
    sg_output_figures(r->output, &o);
    sg_buf_printf(
        b, "{\"event\":\"summary\",\"state\":\"%s\",\"ok\":%llu,\"failed\":%llu,\"invalid\":%llu,\"dropped\":%llu,",
        end_of(r), U(t.outcomes[0]), U(t.outcomes[1]), U(t.outcomes[2]), U(t.outcomes[3]));
    sg_buf_printf(b, "\"wall_s\":%.6f,\"calls\":%llu,\"calls_failed\":%llu,\"retries\":%llu,\"prompt_tokens\":%llu,",
                  wall, U(t.calls), U(t.failed), U(t.retries), U(t.prompt_tokens));
    sg_buf_printf(
        b, "\"completion_tokens\":%llu,\"peak_calls_in_flight\":%u,\"peak_records_in_flight\":%u,\"steps\":%llu,",
        U(t.completion_tokens), c->peak_in_flight, e->peak_in_flight, U(e->steps));
    sg_buf_printf(b,
                  "\"commit_lag_p50_ms\":%.1f,\"commit_lag_p99_ms\":%.1f,\"sync_max_ms\":%.1f,"
                  "\"held_back_ms\":%.1f,\"seed\":%llu",
                  (double)o.lag_p50_us / 1e3, (double)o.lag_p99_us / 1e3, (double)o.sync_max_us / 1e3,
                  (double)o.full_us / 1e3, U(r->seed));
    json_addresses(sg_calls_addresses(r->calls), b);
    static const char *const keys[] = {"output", "failed_file", "invalid_file", "dropped_file"};
    for (int i = 0; i < 4; i++) {
        struct sg_str path = i ? r->result.others[i] : r->result.path;
        if (!path.n) continue;
        sg_buf_printf(b, ",\"%s\":", keys[i]);
        sg_json_write_string(b, path);
    }
    if (r->aborted) {
        SG_BUF_LIT(b, ",\"error\":");
        sg_json_write_string(b, sg_str(r->why.text));
    }
    SG_BUF_LIT(b, "}\n");
}

void sg_run_summary(struct run *r, const struct sg_exec_figures *e) {
    struct sg_calls_figures c;
    sg_calls_figures(r->calls, &c);
    double wall = (double)(sg_loop_now_ns(r->loop) - r->started_ns) / 1e9;
    struct sg_buf b = SG_BUF_INIT(0), clean = SG_BUF_INIT(0);
    if (r->o->json) json_summary(r, e, &c, wall, &b);
    else print_summary(r, e, &c, wall, &b);
    sg_redact(&clean, sg_buf_view(&b));
    fwrite(clean.p, 1, clean.n, stdout);
    fflush(stdout);
    sg_buf_fini(&b);
    sg_buf_fini(&clean);
}
