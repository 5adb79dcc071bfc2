/* SPDX-License-Identifier: Apache-2.0 */
/* The hook hosts of a run: how they are started, which hooks they load, and what they say: prints and tracebacks go to the
 * log with the record and node that they are of. */
#include "run/panel.h"
#include "run/post.h"
#include "run/rows.h"

/* Places of errors whose traceback has been shown. */
#define MOST_TRACES 100
#define NO_MEMORY_BOUND (UINT64_MAX / 4)

struct traces {
    uint64_t shown[MOST_TRACES];
    size_t n;
};

/* Of a call for the whole input, a row of it, or the whole output there is none. */
static struct sg_exec_place place_of(const struct run *r, const struct sg_hook_call *c) {
    bool of_record = c && c != r->own_call && !sg_rows_called(r, c);
    return of_record ? sg_exec_place_of(c) : (struct sg_exec_place){0};
}

/* What a hook prints, with the record and node it was called for where that is known. */
static void on_print(void *ud, struct sg_hook_call *c, struct sg_str text) {
    struct sg_exec_place at = place_of(ud, c);
    if (at.node.n)
        SG_LOG(hook_print, SG_F_STR("text", text), SG_F_INT("record", at.position), SG_F_STR("node", at.node));
    else SG_LOG(hook_print, SG_F_STR("text", text));
}

/* Where an error was raised: the lines of a traceback that tell places are indented, what it says is not. */
static uint64_t hash_places(struct sg_str details) {
    uint64_t hash = 0;
    for (size_t at = 0, end; at < details.n; at = end + 1) {
        end = sg_str_find(details, '\n', at);
        if (details.p[at] == ' ') hash = sg_hash64((struct sg_str){details.p + at, end - at}, hash);
    }
    return hash;
}

/* Each place once: a hook that fails for every record would fill the log. */
static void on_trace(void *ud, struct sg_hook_call *c, struct sg_str message, struct sg_str details) {
    struct run *r = ud;
    struct traces *t = r->traces;
    uint64_t hash = hash_places(details);
    for (size_t i = 0; i < t->n; i++)
        if (t->shown[i] == hash) return;
    if (t->n == MOST_TRACES) return;
    t->shown[t->n++] = hash;
    struct sg_exec_place at = place_of(r, c);
    SG_LOG(hook_trace, SG_F_INT("record", at.position), SG_F_STR("node", at.node), SG_F_STR("error", message),
           SG_F_LINES("trace", details));
}

static struct sg_hooks_options options_of(const struct sg_task_spec *t, const char *exe, const struct sg_run_hosts *hosts) {
    return (struct sg_hooks_options){.exe = exe,
                                     .paths = t->python_paths,
                                     .n_paths = t->n_python_paths,
                                     .python = hosts->python.n ? hosts->python.p : NULL,
                                     .env_names = hosts->env_names.n ? hosts->env_names.p : NULL,
                                     .python_deadline_ms = hosts->timeout_ms,
                                     .host_memory = hosts->memory_bytes,
                                     .trust = hosts->trust,
                                     .attached = hosts->attached,
                                     .attached_fd = hosts->attached_fd};
}

static int add_hook(struct sg_hooks *hooks, const struct sg_plan_hook *h) {
    return sg_plan_removes_thoughts(h) ? -1 : sg_hooks_add(hooks, h->spec, h->role, h->node, h->config);
}

void sg_run_hooks_options(struct run *r, struct sg_hooks_options *out) {
    if (!r->traces) r->traces = SG_NEW(&r->task.arena, struct traces);
    *out = options_of(&r->task.spec, r->o->exe, &r->o->hosts);
    out->max_hosts = r->o->max_hosts;
    out->now = (double)r->started_wall_ns / 1e9;
    out->seed = r->seed;
    out->on_print = on_print;
    out->on_trace = on_trace;
    out->on_detached = sg_run_on_detached;
    out->ud = r;
}

static void on_loaded(void *ud, int status) {
    struct run *r = ud;
    r->step_status = status;
    sg_loop_stop(r->loop);
}

int sg_run_load_hooks(struct run *r, struct sg_hooks *hooks, const char *what, struct sg_err *err) {
    sg_hooks_load(hooks, &r->task.diags, on_loaded, r);
    int rc = sg_run_wait(r, err);
    if (r->task.diags.errors) sg_task_report(&r->task, false);
    return rc == 0 || r->interrupted ? rc : sg_fail(err, rc, "%s cannot be loaded", what);
}

int sg_run_open_pool(struct run *r, struct sg_hooks **out, struct sg_err *err) {
    struct sg_hooks_options o;
    sg_run_hooks_options(r, &o);
    o.max_hosts = 1;
    o.host_memory = NO_MEMORY_BOUND;
    o.attached = false;
    return sg_hooks_open(r->loop, &o, out, err);
}

int sg_run_open_hooks(struct run *r, struct sg_err *err) {
    const struct sg_plan *p = r->task.plan;
    struct sg_hooks_options ho;
    r->hook_ids = SG_NEW_N(&r->task.arena, int, p->n_hooks);
    sg_run_hooks_options(r, &ho);
    int rc = sg_hooks_open(r->loop, &ho, &r->hooks, err);
    if (rc != 0) return rc;
    for (size_t i = 0; i < p->n_hooks; i++) r->hook_ids[i] = add_hook(r->hooks, &p->hooks[i]);
    bool others = sg_rows_add_hooks(r);
    others |= sg_run_post_add_closures(r);
    if (!others && p->n_hooks == 0 && !ho.attached) return 0;
    return sg_run_load_hooks(r, r->hooks, "the task's hooks", err);
}

/* --- of a task that is only checked ------------------------------------------------------------------------------ */

static void on_checked(void *ud, int status) {
    (void)status; /* each mistake is in diags */
    sg_loop_stop(ud);
}

static void check_transforms(struct sg_task *t, struct sg_hooks *hooks, bool ask, const struct sg_source_spec *s) {
    for (size_t i = 0; s && i < s->n_transforms; i++) {
        const struct sg_hook_spec *hook = &s->transforms[i].hook;
        const struct sg_json *config = sg_rows_config(&t->arena, s, i, 1);
        sg_run_note_hook(t, hook, ask ? sg_hooks_add(hooks, hook, SG_ROLE_DATA, SG_STR_NONE, config) : -1);
    }
}

static void check_processors(struct sg_task *t, struct sg_hooks *hooks, bool ask) {
    for (size_t i = 0; i < t->spec.n_post; i++) {
        const struct sg_hook_spec *hook = &t->spec.post[i].hook;
        const struct sg_json *config = sg_post_config(&t->arena, &t->spec.post[i]);
        sg_run_note_hook(t, hook, ask ? sg_hooks_add(hooks, hook, SG_ROLE_GRAPH_POST, SG_STR_NONE, config) : -1);
    }
}

/* Those of the plan, transforms of the source, and processors of the whole output. */
static void check_all(struct sg_task *t, const struct sg_plan *plan, struct sg_hooks *hooks, bool ask) {
    for (size_t i = 0; i < plan->n_hooks; i++) {
        const struct sg_plan_hook *h = &plan->hooks[i];
        sg_run_note_hook(t, h->spec, ask || !sg_plan_is_python(h) ? add_hook(hooks, h) : -1);
    }
    check_transforms(t, hooks, ask, t->spec.data.source);
    check_processors(t, hooks, ask);
}

/* A loop of its own: `check` needs no run. */
void sg_run_check_hooks(struct sg_task *t, const struct sg_plan *plan, const char *exe, const struct sg_run_hosts *hosts) {
    static const struct sg_run_hosts nobody;
    struct sg_loop *loop;
    struct sg_hooks *hooks;
    struct sg_err err = {0};
    struct sg_hooks_options ho = options_of(&t->spec, exe, hosts ? hosts : &nobody);
    ho.max_hosts = 1;
    int rc = sg_loop_open_uv(&loop, 0, &err);
    if (rc == 0) {
        rc = sg_hooks_open(loop, &ho, &hooks, &err);
        if (rc == 0) {
            check_all(t, plan, hooks, hosts != NULL);
            sg_hooks_load(hooks, &t->diags, on_checked, loop);
            sg_loop_run(loop);
            sg_run_take_descriptions(t, hooks);
            sg_hooks_close(hooks);
        }
        sg_loop_close(loop);
    }
    if (rc != 0) sg_error_at(&t->diags, (struct sg_mark){0}, SG_STR_NONE, NULL, "%s", err.text);
}

/* --- figures ------------------------------------------------------------------------------------------------------ */

static const struct {
    enum sg_hook_kind kind;
    const char *name;
} LANGUAGES[] = {{SG_HOOK_JQ, "jq"}, {SG_HOOK_PYTHON, "python"}, {SG_HOOK_CLOSURE, "closure"}};

#define N_LANGUAGES (sizeof LANGUAGES / sizeof *LANGUAGES)

static void add_line(const char *name, const struct sg_hook_figures *f, const struct sg_panel_style *s, struct sg_buf *b) {
    struct sg_panel_line l = sg_panel_begin_labeled(s, b, name);
    sg_panel_item(&l, SG_PLAIN, "%llu calls of hooks,", (unsigned long long)f->calls);
    sg_panel_item(&l, f->failed ? SG_RED : SG_PLAIN, "%llu failed;", (unsigned long long)f->failed);
    sg_panel_item(&l, SG_PLAIN, "%u host%s,", f->most_hosts, f->most_hosts == 1 ? "" : "s");
    if (f->hosts_replaced) sg_panel_item(&l, SG_YELLOW, "%llu replaced,", (unsigned long long)f->hosts_replaced);
    sg_panel_item(&l, f->hosts_died ? SG_YELLOW : SG_PLAIN, "%llu died%s", (unsigned long long)f->hosts_died,
                  f->peak_bytes ? "," : "");
    if (f->peak_bytes) sg_panel_item(&l, SG_PLAIN, "%llu MB at most", (unsigned long long)(f->peak_bytes >> 20));
    sg_panel_end(&l);
}

void sg_run_hosts_lines(const struct run *r, const struct sg_panel_style *s, struct sg_buf *b) {
    struct sg_hook_figures f;
    for (size_t i = 0; i < N_LANGUAGES; i++)
        if (LANGUAGES[i].kind != SG_HOOK_JQ && sg_hooks_figures_of(r->hooks, LANGUAGES[i].kind, &f))
            add_line(LANGUAGES[i].name, &f, s, b);
}

static void add_item(const char *name, const struct sg_hook_figures *f, struct sg_buf *b) {
    sg_buf_printf(b, "{\"kind\":\"%s\",\"most\":%u,\"started\":%llu,\"died\":%llu,\"replaced\":%llu,", name, f->most_hosts,
                  (unsigned long long)f->hosts_started, (unsigned long long)f->hosts_died,
                  (unsigned long long)f->hosts_replaced);
    sg_buf_printf(b, "\"calls\":%llu,\"calls_failed\":%llu,\"timeouts\":%llu", (unsigned long long)f->calls,
                  (unsigned long long)f->failed, (unsigned long long)f->timeouts);
    if (f->peak_bytes) sg_buf_printf(b, ",\"peak_bytes\":%llu", (unsigned long long)f->peak_bytes);
    sg_buf_ch(b, '}');
}

void sg_run_hosts_json(const struct run *r, struct sg_buf *b) {
    struct sg_hook_figures f;
    bool any = false;
    for (size_t i = 0; i < N_LANGUAGES; i++) {
        if (!sg_hooks_figures_of(r->hooks, LANGUAGES[i].kind, &f)) continue;
        sg_buf_str(b, any ? SG_STR(",") : SG_STR(",\"hosts\":["));
        add_item(LANGUAGES[i].name, &f, b);
        any = true;
    }
    if (any) sg_buf_ch(b, ']');
}
