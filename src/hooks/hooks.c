/* SPDX-License-Identifier: Apache-2.0 */
/* hooks: the front: gives hooks their numbers, sends each call to the pool of its language, and adds up what the pools
 * say. A pool is opened with the first hook of its language, so a task without Python starts no interpreter.
 *
 * The user's callbacks may close all of it: a pool may live a little longer than sg_hooks_close, in the function that
 * called back, and its hooks are here; so the last pool that goes frees this. */
#include "hooks/hosts.h"
#include "hooks/start.h"

#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_HOSTS 8
#define JQ_DEADLINE_MS 10000
#define JQ_MEMORY_BYTES ((uint64_t)512 << 20)
#define JQ_START_MS 60000
#define PYTHON_DEADLINE_MS 300000
#define PYTHON_START_MS 300000 /* a module may load a model */
#define PYTHON_RESIDENT_BYTES ((uint64_t)2 << 30)
#define RESULT_BYTES ((uint64_t)64 << 20)
#define MAX_RESULT_BYTES ((uint64_t)1 << 30)
#define LANGUAGES (SG_HOOK_CLOSURE + 1)

static const char *const NAMES[LANGUAGES] = {
    [SG_HOOK_JQ] = "jq", [SG_HOOK_PYTHON] = "python", [SG_HOOK_CLOSURE] = "closure"};

struct sg_hooks {
    struct sg_loop *loop;
    struct sg_hooks_options options;
    struct sg_arena arena;
    struct sg_def **defs; /* by number */
    size_t n_defs, cap_defs;
    struct sg_hosts *pools[LANGUAGES]; /* NULL: no hook is in it */
    struct sg_err broken[LANGUAGES];  /* why there is no pool although there should be */
    size_t users; /* pools that are not gone, and the owner */
    struct sg_diags *diags;
    struct sg_later none; /* tells that nothing was to be loaded */
    size_t loading;
    int load_status;
    void (*on_loaded)(void *ud, int status);
    void *load_ud;
};

/* ---- life ---- */

static uint32_t default_hosts(void) {
    cpu_set_t cpus;
    int n = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
    return n > MAX_HOSTS ? MAX_HOSTS : (uint32_t)n;
}

static void default_u64(uint64_t *v, uint64_t otherwise) {
    if (*v == 0) *v = otherwise;
}

static void default_u32(uint32_t *v, uint32_t otherwise) {
    if (*v == 0) *v = otherwise;
}

/* What outlives sg_hooks_open of the options. */
static void keep_options(struct sg_hooks *h, const struct sg_hooks_options *o) {
    struct sg_hooks_options *kept = &h->options;
    *kept = *o;
    kept->exe = sg_str_dup(&h->arena, sg_str(o->exe)).p;
    if (o->python) kept->python = sg_str_dup(&h->arena, sg_str(o->python)).p;
    if (o->env_names) kept->env_names = sg_str_dup(&h->arena, sg_str(o->env_names)).p;
    struct sg_str *paths = SG_NEW_N(&h->arena, struct sg_str, o->n_paths);
    for (size_t i = 0; i < o->n_paths; i++) paths[i] = sg_str_dup(&h->arena, o->paths[i]);
    kept->paths = paths;
    default_u32(&kept->max_hosts, default_hosts());
    default_u32(&kept->deadline_ms, JQ_DEADLINE_MS);
    default_u64(&kept->memory_bytes, JQ_MEMORY_BYTES);
    default_u64(&kept->result_bytes, RESULT_BYTES);
    default_u32(&kept->python_deadline_ms, PYTHON_DEADLINE_MS);
    default_u64(&kept->host_memory, PYTHON_RESIDENT_BYTES);
    if (kept->result_bytes > MAX_RESULT_BYTES) kept->result_bytes = MAX_RESULT_BYTES;
}

static void on_nothing(struct sg_later *d) {
    struct sg_hooks *h = d->ud;
    h->on_loaded(h->load_ud, h->load_status);
}

static void let_go(void *ud) {
    struct sg_hooks *h = ud;
    if (--h->users > 0) return;
    if (h->options.attached) close(h->options.attached_fd);
    sg_arena_fini(&h->arena);
    free(h);
}

void sg_hooks_close(struct sg_hooks *h) {
    sg_later_cancel(h->loop, &h->none);
    for (size_t i = 0; i < LANGUAGES; i++)
        if (h->pools[i]) sg_hosts_close(h->pools[i]);
    let_go(h);
}

/* ---- pools ---- */

static struct sg_hosts_setup plain_setup(struct sg_hooks *h, enum sg_hook_kind language) {
    const struct sg_hooks_options *o = &h->options;
    return (struct sg_hosts_setup){
        .language = NAMES[language],
        .loading = "loaded",
        .host = {.loop = h->loop,
                 .noun = "hook",
                 .result_bytes = o->result_bytes,
                 .start_ms = PYTHON_START_MS,
                 .deadline_ms = o->python_deadline_ms,
                 .hello = sg_start_hello(&h->arena, o, o->result_bytes)},
        .max_hosts = o->max_hosts,
        .attached_fd = -1,
        .on_print = o->on_print,
        .on_trace = o->on_trace,
        .on_detached = o->on_detached,
        .ud = o->ud,
        .on_gone = let_go,
        .gone_ud = h,
    };
}

static void set_up_jq(struct sg_hooks *h, struct sg_hosts_setup *how) {
    how->loading = "compiled";
    how->host.noun = "program";
    how->host.start_ms = JQ_START_MS;
    how->host.deadline_ms = h->options.deadline_ms;
    how->host.memory_limit = h->options.memory_bytes;
    sg_start_jq(&h->arena, &h->options, &how->host);
}

static int set_up_python(struct sg_hooks *h, struct sg_hosts_setup *how, struct sg_err *err) {
    how->host.page = true;
    how->host.most_resident = h->options.host_memory;
    return sg_start_python(&h->arena, &h->options, &how->host, err);
}

static void set_up_closures(struct sg_hooks *h, struct sg_hosts_setup *how) {
    how->max_hosts = 1;
    if (h->options.attached) how->attached_fd = h->options.attached_fd;
    h->options.attached = false; /* the pool's from now on */
}

/* NULL: hosts of this language cannot be started here; `broken` tells why. */
static struct sg_hosts *pool_of(struct sg_hooks *h, enum sg_hook_kind language) {
    if (h->pools[language] || h->broken[language].code) return h->pools[language];
    struct sg_hosts_setup how = plain_setup(h, language);
    int rc = 0;
    if (language == SG_HOOK_JQ) set_up_jq(h, &how);
    else if (language == SG_HOOK_PYTHON) rc = set_up_python(h, &how, &h->broken[language]);
    else set_up_closures(h, &how);
    if (rc != 0) return NULL;
    h->users++;
    return h->pools[language] = sg_hosts_open(&how);
}

int sg_hooks_open(struct sg_loop *l, const struct sg_hooks_options *o, struct sg_hooks **out, struct sg_err *err) {
    if (!o->exe || !*o->exe) {
        if (o->attached) close(o->attached_fd);
        return sg_fail(err, SG_E_USAGE, "the path of this program is not known: hooks cannot be run");
    }
    struct sg_hooks *h = sg_xcalloc(1, sizeof *h);
    h->loop = l;
    h->users = 1;
    h->none = (struct sg_later){.run = on_nothing, .ud = h};
    sg_arena_init(&h->arena, 0);
    keep_options(h, o);
    *out = h;
    if (o->attached) pool_of(h, SG_HOOK_CLOSURE);
    return 0;
}

/* ---- hooks ---- */

static struct sg_def *find_def(const struct sg_hooks *h, const struct sg_hook_spec *spec, enum sg_hook_role role,
                               struct sg_str config) {
    for (size_t i = 0; i < h->n_defs; i++) {
        struct sg_def *def = h->defs[i];
        bool same = def->kind == spec->kind && def->role == role && sg_str_eq(def->text, spec->text);
        if (same && sg_str_eq(def->config, config)) return def;
    }
    return NULL;
}

int sg_hooks_add(struct sg_hooks *h, const struct sg_hook_spec *spec, enum sg_hook_role role, struct sg_str node,
                 const struct sg_json *config) {
    SG_ASSERT(spec->kind != SG_HOOK_NONE);
    struct sg_str text = config ? sg_json_dump(&h->arena, config) : SG_STR_NONE;
    struct sg_def *def = find_def(h, spec, role, text);
    if (!def) {
        def = sg_def_make(&h->arena, (uint32_t)h->n_defs, NAMES[spec->kind], spec, role, node, text);
        *SG_PUSH(&h->arena, h->defs, h->n_defs, h->cap_defs) = def;
        struct sg_hosts *pool = pool_of(h, spec->kind);
        if (pool) sg_hosts_add(pool, def);
    }
    sg_def_add_place(&h->arena, def, spec);
    return (int)def->told.number;
}

const struct sg_json *sg_hooks_description(const struct sg_hooks *h, int hook) {
    SG_ASSERT(hook >= 0 && (size_t)hook < h->n_defs);
    return h->defs[hook]->description;
}

/* ---- loading ---- */

/* A missing host weighs more than a hook that does not load. */
static void on_pool_loaded(void *ud, int status) {
    struct sg_hooks *h = ud;
    if (status == SG_E_HOST || h->load_status == 0) h->load_status = status;
    if (--h->loading == 0) h->on_loaded(h->load_ud, h->load_status);
}

static void break_defs_without_pool(struct sg_hooks *h) {
    for (size_t i = 0; i < h->n_defs; i++) {
        struct sg_def *def = h->defs[i];
        if (def->pool) continue;
        sg_def_break(def, sg_str(h->broken[def->kind].text), h->diags);
        h->load_status = SG_E_HOST;
    }
}

void sg_hooks_load(struct sg_hooks *h, struct sg_diags *diags, void (*on_done)(void *ud, int status), void *ud) {
    h->diags = diags;
    h->on_loaded = on_done;
    h->load_ud = ud;
    h->load_status = 0;
    break_defs_without_pool(h);
    for (size_t i = 0; i < LANGUAGES; i++) h->loading += h->pools[i] != NULL;
    for (size_t i = 0; i < LANGUAGES; i++)
        if (h->pools[i]) sg_hosts_load(h->pools[i], diags, on_pool_loaded, h);
    if (h->loading == 0) sg_later(h->loop, &h->none);
}

/* ---- calls ---- */

static struct sg_def *def_of(const struct sg_hooks *h, const struct sg_hook_call *c) {
    SG_ASSERT(c->hook >= 0 && (size_t)c->hook < h->n_defs && h->defs[c->hook]->pool);
    return h->defs[c->hook];
}

void sg_hook_start(struct sg_hooks *h, struct sg_hook_call *c) {
    struct sg_def *def = def_of(h, c);
    c->def_ = def;
    sg_hosts_start(def->pool, c);
}

void sg_hook_cancel(struct sg_hooks *h, struct sg_hook_call *c) {
    sg_hosts_cancel(def_of(h, c)->pool, c);
}

/* ---- news and figures ---- */

bool sg_hooks_wants(const struct sg_hooks *h, enum sg_hook_news news) {
    bool wants = false;
    for (size_t i = 0; i < LANGUAGES; i++) wants |= h->pools[i] && sg_hosts_wants(h->pools[i], news);
    return wants;
}

void sg_hooks_tell(struct sg_hooks *h, enum sg_hook_news news, struct sg_str json) {
    for (size_t i = 0; i < LANGUAGES; i++)
        if (h->pools[i]) sg_hosts_tell(h->pools[i], news, json);
}

bool sg_hooks_figures_of(const struct sg_hooks *h, enum sg_hook_kind language, struct sg_hook_figures *out) {
    *out = (struct sg_hook_figures){0};
    if (h->pools[language]) sg_hosts_figures(h->pools[language], out);
    return h->pools[language] != NULL;
}

void sg_hooks_figures(const struct sg_hooks *h, struct sg_hook_figures *out) {
    struct sg_hook_figures f;
    *out = (struct sg_hook_figures){0};
    for (size_t i = 0; i < LANGUAGES; i++) {
        if (!sg_hooks_figures_of(h, (enum sg_hook_kind)i, &f)) continue;
        out->calls += f.calls;
        out->failed += f.failed;
        out->timeouts += f.timeouts;
        out->hosts_started += f.hosts_started;
        out->hosts_died += f.hosts_died;
        out->hosts_replaced += f.hosts_replaced;
        out->waiting += f.waiting;
        out->hosts += f.hosts;
        out->most_hosts += f.most_hosts;
        out->peak_bytes += f.peak_bytes;
    }
}
