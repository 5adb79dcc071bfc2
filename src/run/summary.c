/* SPDX-License-Identifier: Apache-2.0 */
/* What a run says at its end: for people lines that fit the terminal they are printed on, as long as they like elsewhere;
 * for machines the event `summary` (docs/formats/events.md). Records, calls and tokens are of all lives of the run. */
#include "run/panel.h"
#include "run/parts.h"

#include <stdio.h>

#define U(x) ((unsigned long long)(x))

static const char *end_of(const struct run *r) {
    return r->aborted ? "aborted" : r->interrupted ? "interrupted" : "finished";
}

static bool can_resume(const struct run *r) {
    return (r->aborted || r->interrupted) && !r->o->no_journal;
}

/* --- for people ------------------------------------------------------------------------------------------------- */

static void add_outcomes(const struct run *r, const struct sg_figures *f, const struct sg_panel_style *s,
                         struct sg_buf *b) {
    static const struct {
        const char *name;
        enum sg_panel_color color;
    } ends[] = {{"ok,", SG_GREEN}, {"failed,", SG_RED}, {"invalid,", SG_YELLOW}, {"dropped", SG_YELLOW}};
    struct sg_buf label = SG_BUF_INIT(0);
    sg_buf_printf(&label, "%s:", end_of(r));
    sg_buf_ch(&label, 0);
    struct sg_panel_line l = sg_panel_begin_labeled(s, b, label.p);
    sg_panel_item(&l, SG_BOLD, "%llu records in %.1f s:", U(f->records), f->elapsed_s);
    for (int i = 0; i < 4; i++)
        sg_panel_item(&l, f->outcomes[i] ? ends[i].color : SG_PLAIN, "%llu %s", U(f->outcomes[i]), ends[i].name);
    sg_panel_end(&l);
    sg_buf_fini(&label);
}

static void add_resumed(const struct run *r, const struct sg_figures *f, const struct sg_panel_style *s,
                        struct sg_buf *b) {
    if (!r->resumed) return;
    struct sg_exec_figures e;
    sg_exec_figures(r->exec, &e);
    struct sg_panel_line l = sg_panel_begin_labeled(s, b, "resumed");
    sg_panel_item(&l, SG_PLAIN, "%llu of these records", U(f->records_here));
    sg_panel_item(&l, SG_PLAIN, "in this life of the run (%u);", r->life);
    sg_panel_item(&l, SG_PLAIN, "%llu steps", U(e.steps_kept));
    sg_panel_item(&l, SG_PLAIN, "and %llu answers were there already%s", U(e.calls_kept), e.calls_repeated ? "," : "");
    if (e.calls_repeated) sg_panel_item(&l, SG_PLAIN, "%llu calls were asked again", U(e.calls_repeated));
    sg_panel_end(&l);
}

static void add_calls(const struct sg_figures *f, const struct sg_panel_style *s, struct sg_buf *b) {
    if (f->calls + f->calls_failed == 0) return;
    double wall = f->elapsed_s > 0 ? f->elapsed_s : 1e-9;
    double latency = f->calls_here ? (double)f->latency_ns / 1e9 / (double)f->calls_here : 0;
    struct sg_panel_line l = sg_panel_begin_labeled(s, b, "calls");
    sg_panel_item(&l, SG_PLAIN, "%llu ok,", U(f->calls));
    sg_panel_item(&l, f->calls_failed ? SG_RED : SG_PLAIN, "%llu failed,", U(f->calls_failed));
    sg_panel_item(&l, f->retries ? SG_YELLOW : SG_PLAIN, "%llu tried again;", U(f->retries));
    sg_panel_item(&l, SG_PLAIN, "%.1f calls/s,", (double)f->calls_here / wall);
    sg_panel_item(&l, SG_PLAIN, "mean latency %.3f s", latency);
    sg_panel_end(&l);
    l = sg_panel_begin_labeled(s, b, "tokens");
    sg_panel_item(&l, SG_PLAIN, "%llu in,", U(f->prompt_tokens));
    sg_panel_item(&l, SG_PLAIN, "%llu out", U(f->completion_tokens));
    sg_panel_end(&l);
}

static void add_cost(const struct sg_figures *f, const struct sg_panel_style *s, struct sg_buf *b) {
    struct sg_cost each = f->cost;
    uint64_t ok = f->outcomes[SG_RECORD_OK];
    if (!f->cost.any) return;
    struct sg_panel_line l = sg_panel_begin_labeled(s, b, "cost");
    sg_panel_item(&l, SG_PLAIN, "%s%s", sg_cost_show(f->cost).text, ok ? "," : "");
    each.usd = ok ? each.usd / (double)ok : 0;
    if (ok) sg_panel_item(&l, SG_PLAIN, "%s for each record that is ok", sg_cost_show(each).text);
    sg_panel_end(&l);
}

static bool is_one_of_several(const struct sg_calls_address *all, const struct sg_calls_address *a) {
    for (; all; all = all->next)
        if (all != a && sg_str_eq(all->model, a->model)) return true;
    return false;
}

/* Of this life of the run; only where a model has a choice. */
static void add_addresses(const struct sg_calls_address *all, const struct sg_panel_style *s, struct sg_buf *b) {
    for (const struct sg_calls_address *a = all; a; a = a->next) {
        if (!is_one_of_several(all, a)) continue;
        struct sg_panel_line l = sg_panel_begin_labeled(s, b, "address");
        sg_panel_item(&l, SG_PLAIN, "%.*s (%.*s):", SG_ARG(a->url), SG_ARG(a->model));
        sg_panel_item(&l, SG_PLAIN, "%llu answered,", U(a->answered));
        sg_panel_item(&l, a->failed ? SG_YELLOW : SG_PLAIN, "%llu failed", U(a->failed));
        sg_panel_end(&l);
    }
}

static void add_commit(const struct run *r, const struct sg_figures *f, const struct sg_panel_style *s,
                       struct sg_buf *b) {
    if (r->o->no_journal || f->records_here == 0) return;
    struct sg_panel_line l = sg_panel_begin_labeled(s, b, "commits");
    sg_panel_item(&l, SG_PLAIN, "%s ms after a record's end,", sg_show_rate(f->lag_p50_ms).text);
    sg_panel_item(&l, SG_PLAIN, "%s ms at most for 99 %%", sg_show_rate(f->lag_p99_ms).text);
    sg_panel_end(&l);
}

/* Uncut: a path is there to be copied, a reason to be read. */
static void add_plain(const struct sg_panel_style *s, const char *label, struct sg_str text, struct sg_buf *b) {
    if (text.n == 0) return;
    sg_panel_begin_labeled(s, b, label);
    sg_screen_text(b, text, SIZE_MAX, s->utf8);
    sg_buf_ch(b, '\n');
}

static void add_paths(struct run *r, const struct sg_panel_style *s, struct sg_buf *b) {
    static const char *const what[] = {"output", "failed", "invalid", "dropped"};
    add_plain(s, what[0], r->result.path, b);
    for (int i = SG_RECORD_FAILED; i <= SG_RECORD_DROPPED; i++) add_plain(s, what[i], r->result.others[i], b);
}

static void add_posts(struct run *r, const struct sg_panel_style *s, struct sg_buf *b) {
    for (size_t i = 0; i < r->n_posts; i++) {
        const struct sg_post *p = &r->posts[i];
        struct sg_str why = sg_str_printf(&r->task.arena, p->error.n ? "%.*s failed: %.*s" : "%.*s: not run%.*s", SG_ARG(p->name),
                                          SG_ARG(p->error));
        add_plain(s, "post", p->done ? p->file : why, b);
    }
}

static void add_more(struct run *r, const struct sg_figures *f, const struct sg_panel_style *s, struct sg_buf *b) {
    bool known;
    uint64_t total;
    if (r->aborted || r->interrupted || !sg_source_has_more(r->source, &known, &total)) return;
    struct sg_panel_line l = sg_panel_begin(s, b, 0);
    l.gap = 1;
    sg_panel_item(&l, SG_PLAIN, "%llu records,", U(f->records));
    if (known) sg_panel_item(&l, SG_PLAIN, "the source has more (%llu in all);", U(total));
    else sg_panel_item(&l, SG_PLAIN, "the source has more;");
    sg_panel_item(&l, SG_PLAIN, "-n 0 runs all");
    sg_panel_end(&l);
}

static void add_command(struct run *r, const char *verb, const char *option, const char *does, struct sg_buf *b) {
    sg_buf_printf(b, "`sygra %s %.*s/%.*s%s` %s\n", verb, SG_ARG(r->folder), SG_ARG(r->stem), option, does);
}

static void add_next(struct run *r, const struct sg_figures *f, struct sg_buf *b) {
    if (can_resume(r)) add_command(r, "resume", "", "goes on with it", b);
    if (can_resume(r) || r->o->no_journal) return;
    if (r->post_failed) add_command(r, "resume", "", "runs what failed of graph_post_process again", b);
    if (f->outcomes[SG_RECORD_INVALID]) add_command(r, "records", " --invalid", "shows what broke a rule", b);
    if (f->outcomes[SG_RECORD_FAILED] == 0) return;
    add_command(r, "records", " --failed", "shows what failed", b);
    add_command(r, "retry", "", "runs it again", b);
}

static struct sg_panel_style style_of_stdout(void) {
    struct sg_panel_style s = {.utf8 = true};
    if (!sg_terminal_size(1, &s.columns, &s.rows)) s.columns = SIZE_MAX;
    else s.utf8 = sg_terminal_utf8(), s.color = sg_terminal_color();
    return s;
}

static void print_summary(struct run *r, const struct sg_figures *f, struct sg_buf *b) {
    struct sg_panel_style s = style_of_stdout();
    add_outcomes(r, f, &s, b);
    add_resumed(r, f, &s, b);
    add_calls(f, &s, b);
    add_cost(f, &s, b);
    add_addresses(sg_calls_addresses(r->calls), &s, b);
    sg_run_hosts_lines(r, &s, b);
    add_commit(r, f, &s, b);
    sg_buf_printf(b, "seed     %llu\n", U(r->seed));
    if (r->aborted) add_plain(&s, "error", sg_str(r->why.text), b);
    for (size_t i = 0; i < f->n_causes; i++) sg_panel_cause(&s, &f->causes[i], b);
    add_paths(r, &s, b);
    add_posts(r, &s, b);
    add_more(r, f, &s, b);
    add_next(r, f, b);
}

static void print(const struct sg_buf *b) {
    struct sg_buf clean = SG_BUF_INIT(0);
    sg_redact(&clean, sg_buf_view(b));
    fwrite(clean.p, 1, clean.n, stdout);
    fflush(stdout);
    sg_buf_fini(&clean);
}

/* --- for machines ----------------------------------------------------------------------------------------------- */

static void json_outcomes(const struct run *r, const struct sg_figures *f, struct sg_buf *b) {
    sg_buf_printf(b, "\"state\":\"%s\",\"ok\":%llu,\"failed\":%llu,\"invalid\":%llu,\"dropped\":%llu,", end_of(r),
                  U(f->outcomes[0]), U(f->outcomes[1]), U(f->outcomes[2]), U(f->outcomes[3]));
    sg_buf_printf(b, "\"wall_s\":%.6f,\"seed\":%llu", f->elapsed_s, U(r->seed));
    if (!r->resumed) return;
    struct sg_exec_figures e;
    sg_exec_figures(r->exec, &e);
    sg_buf_printf(b, ",\"records_here\":%llu,\"steps_kept\":%llu,\"calls_kept\":%llu,\"calls_repeated\":%llu",
                  U(f->records_here), U(e.steps_kept), U(e.calls_kept), U(e.calls_repeated));
}

static void json_calls(const struct run *r, const struct sg_figures *f, struct sg_buf *b) {
    struct sg_exec_figures e;
    struct sg_calls_figures c;
    sg_exec_figures(r->exec, &e);
    sg_calls_figures(r->calls, &c);
    sg_buf_printf(b, ",\"calls\":%llu,\"calls_failed\":%llu,\"retries\":%llu,\"prompt_tokens\":%llu", U(f->calls),
                  U(f->calls_failed), U(f->retries), U(f->prompt_tokens));
    sg_buf_printf(
        b, ",\"completion_tokens\":%llu,\"peak_calls_in_flight\":%u,\"peak_records_in_flight\":%u,\"steps\":%llu",
        U(f->completion_tokens), c.peak_in_flight, e.peak_in_flight, U(e.steps));
    sg_figures_cost_json(f, b);
}

static void json_addresses(const struct sg_calls_address *a, struct sg_buf *b) {
    SG_BUF_LIT(b, ",\"addresses\":[");
    for (bool first = true; a; a = a->next, first = false) {
        sg_buf_str(b, first ? SG_STR("{\"model\":") : SG_STR(",{\"model\":"));
        sg_json_write_text(b, a->model);
        SG_BUF_LIT(b, ",\"url\":");
        sg_json_write_text(b, a->url);
        sg_buf_printf(b,
                      ",\"attempts\":%llu,\"answered\":%llu,\"failed\":%llu,\"canceled\":%llu,"
                      "\"peak_in_flight\":%u,\"left_out\":%llu}",
                      U(a->attempts), U(a->answered), U(a->failed), U(a->canceled), a->peak_in_flight, U(a->outs));
    }
    sg_buf_ch(b, ']');
}

static void json_posts(const struct run *r, struct sg_buf *b) {
    if (r->n_posts == 0) return;
    SG_BUF_LIT(b, ",\"post\":[");
    for (size_t i = 0; i < r->n_posts; i++) {
        const struct sg_post *p = &r->posts[i];
        sg_buf_str(b, i ? SG_STR(",{\"processor\":") : SG_STR("{\"processor\":"));
        sg_json_write_text(b, p->name);
        sg_buf_str(b, p->done ? SG_STR(",\"file\":") : SG_STR(",\"error\":"));
        sg_json_write_text(b, p->done ? p->file : p->error.n ? p->error : SG_STR("not run"));
        if (p->done && p->records >= 0) sg_buf_printf(b, ",\"records\":%lld", (long long)p->records);
        sg_buf_ch(b, '}');
    }
    sg_buf_ch(b, ']');
}

static void json_output(struct run *r, const struct sg_figures *f, struct sg_buf *b) {
    static const char *const keys[] = {"output", "failed_file", "invalid_file", "dropped_file"};
    struct sg_output_figures o;
    sg_output_figures(r->output, &o);
    sg_buf_printf(b, ",\"commit_lag_p50_ms\":%.1f,\"commit_lag_p99_ms\":%.1f,\"sync_max_ms\":%.1f,\"held_back_ms\":%.1f",
                  f->lag_p50_ms, f->lag_p99_ms, (double)o.sync_max_us / 1e3, (double)o.full_us / 1e3);
    for (int i = 0; i < 4; i++) {
        struct sg_str path = i ? r->result.others[i] : r->result.path;
        if (!path.n) continue;
        sg_buf_printf(b, ",\"%s\":", keys[i]);
        sg_json_write_text(b, path);
    }
    if (r->metadata.n) {
        SG_BUF_LIT(b, ",\"metadata\":");
        sg_json_write_text(b, r->metadata);
    }
    if (r->aborted) {
        SG_BUF_LIT(b, ",\"error\":");
        sg_json_write_text(b, sg_str(r->why.text));
    }
}

void sg_run_summary(struct run *r) {
    struct sg_figures f;
    struct sg_buf text = SG_BUF_INIT(0), members = SG_BUF_INIT(0);
    sg_run_figures(r, &f);
    json_outcomes(r, &f, &members);
    json_calls(r, &f, &members);
    json_addresses(sg_calls_addresses(r->calls), &members);
    sg_run_hosts_json(r, &members);
    json_output(r, &f, &members);
    json_posts(r, &members);
    SG_LOG(summary, SG_F_JSON(sg_buf_view(&members)));
    if (!r->o->json) {
        print_summary(r, &f, &text);
        print(&text);
    }
    sg_buf_fini(&text);
    sg_buf_fini(&members);
}
