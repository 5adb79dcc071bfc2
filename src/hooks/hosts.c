/* SPDX-License-Identifier: Apache-2.0 */
/* hosts: calls that wait and the hosts of one language.
 *
 * One deferred function, on_pump(), does all sending: it hands the waiting calls to the hosts with most room, starts a
 * host where one is wanted, and then lets every host write once. All other functions only change the lists and ask for a
 * pump.
 * A call waits (first in, first out; what comes back from a host goes to the front), or it is sent (a slot of its host
 * knows it), or it is done. When its host ends, it is told by blame.c to be
 *   - guilty: it fails;
 *   - a suspect, one of several that were at work: each runs again, alone in a host, which shows who it was;
 *   - at work in a death that says nothing (a kill from outside): it runs again, alone after the SUSPECT_DEATHS-th, and
 *     fails at the MAX_DEATHS-th;
 *   - innocent: it runs again.
 * A call that shall run once never runs again: it fails, whatever it was.
 * More hosts: when more calls wait than all hosts hold, when one is held up, when suspects wait for one that is idle, or
 * when all have had several calls at a time for GROW_MS. Starting: START_TRIES hosts that end before their hello fail
 * all calls and loads that wait for them with the reason; the next call tries anew. So a program that cannot be started
 * costs each call a failure and no loop.
 * User's callbacks may close the pool: `depth` counts the functions under way, the last one frees. */
#include "hooks/hosts.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define START_TRIES 3
#define MAX_DEATHS 3
#define SUSPECT_DEATHS 2
#define GROW_MS 100
/* Calls that a host holds without break when another one is of use. */
#define CROWD 2

enum call_state { CALL_DONE, CALL_WAITING, CALL_SUSPECT, CALL_GUILTY, CALL_SENT };

struct call_list {
    struct sg_hook_call *first, *last;
};

struct sg_hosts {
    struct sg_hosts_setup how;
    struct sg_loop *loop;
    struct sg_arena arena;
    struct sg_def **defs; /* of this language */
    size_t n_defs, cap_defs;
    struct call_list lists[CALL_SENT]; /* guilty ones are about to fail: their host has ended */
    struct sg_host *hosts;
    uint32_t n_hosts, failed_starts;
    struct sg_err start_error;
    struct sg_later pump;
    struct sg_timer grow;
    uint64_t crowded_ns; /* since then every host has had several calls; 0: not so */
    struct sg_diags *diags;
    void (*on_loaded)(void *ud, int status);
    void *load_ud;
    bool loading, closed;
    uint32_t depth;
    struct sg_hook_figures figures;
};

static const struct sg_host_events HOST_EVENTS;

/* ---- life ---- */

static void enter(struct sg_hosts *p) {
    p->depth++;
}

static void leave(struct sg_hosts *p) {
    if (--p->depth > 0 || !p->closed) return;
    struct sg_hosts_setup how = p->how;
    if (how.attached_fd >= 0) close(how.attached_fd);
    sg_arena_fini(&p->arena);
    free(p);
    how.on_gone(how.gone_ud);
}

static void ask_pump(struct sg_hosts *p) {
    if (!p->closed) sg_later(p->loop, &p->pump);
}

static void on_grow(struct sg_timer *t) {
    ask_pump(t->ud);
}

static void on_pump(struct sg_later *d);

struct sg_hosts *sg_hosts_open(const struct sg_hosts_setup *how) {
    struct sg_hosts *p = sg_xcalloc(1, sizeof *p);
    p->how = *how;
    p->how.host.ev = &HOST_EVENTS;
    p->how.host.ud = p;
    p->loop = how->host.loop;
    p->pump = (struct sg_later){.run = on_pump, .ud = p};
    p->grow = (struct sg_timer){.on_fire = on_grow, .ud = p};
    sg_arena_init(&p->arena, 0);
    return p;
}

void sg_hosts_close(struct sg_hosts *p) {
    enter(p);
    p->closed = true;
    sg_later_cancel(p->loop, &p->pump);
    sg_timer_stop(p->loop, &p->grow);
    while (p->hosts) {
        struct sg_host *host = p->hosts;
        p->hosts = host->next;
        sg_host_close(host);
    }
    leave(p);
}

/* ---- hooks ---- */

void sg_hosts_add(struct sg_hosts *p, struct sg_def *def) {
    def->pool = p;
    *SG_PUSH(&p->arena, p->defs, p->n_defs, p->cap_defs) = def;
}

void sg_hosts_load(struct sg_hosts *p, struct sg_diags *diags, void (*on_done)(void *ud, int status), void *ud) {
    p->diags = diags;
    p->on_loaded = on_done;
    p->load_ud = ud;
    p->loading = true;
    ask_pump(p);
}

static struct sg_def *def_of(const struct sg_hosts *p, uint32_t number) {
    size_t i = 0;
    while (p->defs[i]->told.number != number) i++;
    return p->defs[i];
}

static void break_def(struct sg_hosts *p, struct sg_def *def, struct sg_str fault) {
    sg_def_break(def, fault, p->loading ? p->diags : NULL);
}

/* There is, or is going to be, an attached host, which is wanted without hooks, too. */
static bool is_attached(const struct sg_hosts *p) {
    return !p->how.host.file && (p->how.attached_fd >= 0 || p->hosts);
}

/* Tells that loading is over, once nothing is new any more and an attached host has said what it wants. */
static void end_loading(struct sg_hosts *p, int status) {
    if (!p->loading) return;
    if (p->n_defs == 0 && is_attached(p) && !(p->hosts && p->hosts->state == SG_HOST_READY)) return;
    for (size_t i = 0; i < p->n_defs; i++) {
        if (p->defs[i]->state == SG_DEF_NEW) return;
        if (p->defs[i]->state == SG_DEF_BROKEN && status == 0) status = SG_E_HOOK;
    }
    p->loading = false;
    p->on_loaded(p->load_ud, status);
}

/* ---- calls ---- */

static void put_first(struct sg_hosts *p, struct sg_hook_call *c) {
    enum call_state state = c->suspect_ ? CALL_SUSPECT : CALL_WAITING;
    struct call_list *l = &p->lists[state];
    c->prev_ = NULL;
    c->next_ = l->first;
    if (l->first) l->first->prev_ = c;
    else l->last = c;
    l->first = c;
    c->state_ = (uint8_t)state;
    p->figures.waiting++;
}

static void put_last(struct sg_hosts *p, struct sg_hook_call *c, enum call_state state) {
    struct call_list *l = &p->lists[state];
    c->next_ = NULL;
    c->prev_ = l->last;
    if (l->last) l->last->next_ = c;
    else l->first = c;
    l->last = c;
    c->state_ = (uint8_t)state;
    p->figures.waiting += state != CALL_GUILTY;
}

static void take_out(struct sg_hosts *p, struct sg_hook_call *c) {
    struct call_list *l = &p->lists[c->state_];
    if (c->prev_) c->prev_->next_ = c->next_;
    else l->first = c->next_;
    if (c->next_) c->next_->prev_ = c->prev_;
    else l->last = c->prev_;
    p->figures.waiting -= c->state_ != CALL_GUILTY;
}

void sg_hosts_start(struct sg_hosts *p, struct sg_hook_call *c) {
    c->deaths_ = 0;
    c->suspect_ = false;
    p->figures.calls++;
    put_last(p, c, CALL_WAITING);
    ask_pump(p);
}

void sg_hosts_cancel(struct sg_hosts *p, struct sg_hook_call *c) {
    if (c->state_ == CALL_SENT) sg_host_forget(c->host_, c);
    else if (c->state_ != CALL_DONE) take_out(p, c);
    c->state_ = CALL_DONE;
    ask_pump(p);
}

/* The call is out of all lists. */
static void fail(struct sg_hosts *p, struct sg_hook_call *c, int code, struct sg_str text, struct sg_str details) {
    struct sg_err err;
    sg_fail(&err, code, "%s: %.*s", p->how.language, SG_ARG(text));
    c->state_ = CALL_DONE;
    p->figures.failed++;
    if (code == SG_E_TIMEOUT) p->figures.timeouts++;
    if (details.n && p->how.on_trace) p->how.on_trace(p->how.ud, c, sg_str(err.text), details);
    c->on_done(c, code, NULL, NULL, &err);
}

static struct sg_hook_call *next_to_go(const struct sg_hosts *p) {
    struct sg_hook_call *c = p->lists[CALL_SUSPECT].first;
    return c ? c : p->lists[CALL_WAITING].first;
}

/* ---- hosts: starting ---- */

static int make_host(struct sg_hosts *p, struct sg_host **out) {
    if (p->how.host.file) return sg_host_start(&p->how.host, out, &p->start_error);
    int fd = p->how.attached_fd;
    p->how.attached_fd = -1;
    if (fd >= 0) return sg_host_attach(&p->how.host, fd, out, &p->start_error);
    if (p->start_error.code == 0)
        sg_fail(&p->start_error, SG_E_HOST, "no host: this run was not started by a process that serves its closures");
    return SG_E_HOST;
}

static int start_host(struct sg_hosts *p) {
    struct sg_host *host;
    if (make_host(p, &host) != 0) {
        p->failed_starts++;
        return SG_E_HOST;
    }
    for (size_t i = 0; i < p->n_defs; i++) {
        const struct sg_def *def = p->defs[i];
        if (def->state != SG_DEF_BROKEN) sg_host_load(host, &def->told, def->state == SG_DEF_LOADED);
    }
    host->next = p->hosts;
    p->hosts = host;
    p->crowded_ns = 0;
    if (++p->n_hosts > p->figures.most_hosts) p->figures.most_hosts = p->n_hosts;
    p->figures.hosts_started++;
    sg_host_flush(host);
    SG_LOG(host_started, SG_F_STR("kind", sg_str(p->how.language)), SG_F_INT("pid", host->pid));
    return 0;
}

/* Nothing that waits for a host will get one. */
static void give_up(struct sg_hosts *p) {
    const struct sg_err why = p->start_error;
    struct sg_hook_call *c;
    p->failed_starts = 0;
    for (size_t i = 0; p->loading && i < p->n_defs; i++)
        if (p->defs[i]->state == SG_DEF_NEW) break_def(p, p->defs[i], sg_str_dup(&p->arena, sg_str(why.text)));
    end_loading(p, SG_E_HOST);
    for (uint32_t n = p->figures.waiting; n && !p->closed && (c = next_to_go(p)); n--) {
        take_out(p, c);
        fail(p, c, SG_E_HOST, sg_str(why.text), SG_STR_NONE);
    }
}

/* Hosts that can be asked, now or soon. */
static uint32_t lasting_hosts(const struct sg_hosts *p) {
    uint32_t n = 0;
    for (const struct sg_host *host = p->hosts; host; host = host->next) n += !host->retiring;
    return n;
}

static bool wants_another(const struct sg_hosts *p) {
    uint32_t sent = 0;
    bool slow = p->lists[CALL_SUSPECT].first != NULL;
    if (lasting_hosts(p) >= p->how.max_hosts || p->failed_starts >= START_TRIES || !p->how.host.file) return false;
    for (const struct sg_host *host = p->hosts; host; host = host->next) {
        if (host->state < SG_HOST_READY) return false;
        sent += host->n_slots;
        slow |= host->returned;
    }
    bool crowded = p->crowded_ns && sg_loop_now_ns(p->loop) - p->crowded_ns >= SG_MS(GROW_MS);
    return crowded || p->figures.waiting > (slow ? 0 : sent);
}

/* Serial hosts say themselves when they are held up. */
static bool is_crowded(const struct sg_hosts *p) {
    bool any = false;
    for (const struct sg_host *host = p->hosts; host; host = host->next) {
        if (host->state < SG_HOST_READY || host->serial || host->n_slots < CROWD) return false;
        any = true;
    }
    return any && lasting_hosts(p) < p->how.max_hosts;
}

static void watch_crowd(struct sg_hosts *p) {
    if (!is_crowded(p)) {
        p->crowded_ns = 0;
    } else if (!p->crowded_ns) {
        p->crowded_ns = sg_loop_now_ns(p->loop);
        sg_timer_start(p->loop, &p->grow, SG_MS(GROW_MS));
    }
}

static void see_to_a_host(struct sg_hosts *p) {
    bool needed = next_to_go(p) || (p->loading && (p->n_defs || is_attached(p)));
    while (needed && lasting_hosts(p) == 0 && p->failed_starts < START_TRIES && start_host(p) != 0) {}
    if (needed && p->n_hosts == 0) give_up(p);
}

/* ---- sending ---- */

static struct sg_host *most_room(const struct sg_hosts *p, const struct sg_host *but) {
    struct sg_host *best = NULL;
    for (struct sg_host *host = p->hosts; host; host = host->next)
        if (host != but && sg_host_has_room(host) && (!best || host->n_slots < best->n_slots)) best = host;
    return best;
}

static void send(struct sg_hosts *p, struct sg_hook_call *c, struct sg_host *host) {
    struct sg_err err;
    const struct sg_def *def = c->def_;
    take_out(p, c);
    if (def->state == SG_DEF_BROKEN) {
        fail(p, c, SG_E_HOOK, def->fault, SG_STR_NONE);
    } else if (sg_host_send(host, c, &err) != 0) {
        fail(p, c, err.code, sg_str(err.text), SG_STR_NONE);
    } else {
        c->state_ = CALL_SENT;
        c->host_ = host;
        host->alone = c->suspect_;
    }
}

/* Suspects go to idle hosts. While one waits, the host that will be idle first gets nothing else. */
static void send_waiting(struct sg_hosts *p) {
    struct call_list *suspects = &p->lists[CALL_SUSPECT], *waiting = &p->lists[CALL_WAITING];
    struct sg_host *host, *kept = NULL;
    while (!p->closed && suspects->first && (kept = most_room(p, NULL)) && kept->n_slots == 0)
        send(p, suspects->first, kept);
    if (p->closed || !suspects->first) kept = NULL;
    while (!p->closed && waiting->first && (host = most_room(p, kept))) send(p, waiting->first, host);
}

static void on_pump(struct sg_later *d) {
    struct sg_hosts *p = d->ud;
    enter(p);
    if (p->loading && p->n_defs == 0) end_loading(p, 0);
    if (!p->closed) see_to_a_host(p);
    send_waiting(p);
    if (!p->closed) watch_crowd(p);
    if (!p->closed && wants_another(p)) start_host(p);
    for (struct sg_host *host = p->closed ? NULL : p->hosts; host; host = host->next) sg_host_flush(host);
    leave(p);
}

/* ---- hosts: what they say ---- */

static void on_loaded(struct sg_host *host, uint32_t hook, const struct sg_json *answer, bool refused) {
    struct sg_hosts *p = host->ud;
    struct sg_def *def = def_of(p, hook);
    enter(p);
    p->failed_starts = 0;
    if (refused) break_def(p, def, sg_def_refusal(&p->arena, answer));
    else sg_def_loaded(&p->arena, def, answer);
    end_loading(p, 0);
    leave(p);
}

static void remove_host(struct sg_hosts *p, const struct sg_host *host) {
    struct sg_host **link = &p->hosts;
    while (*link != host) link = &(*link)->next;
    *link = host->next;
    p->n_hosts--;
}

/* It has grown large, and nothing is left to be waited for. */
static void replace_if_done(struct sg_hosts *p, struct sg_host *host) {
    if (p->closed || host->ended || !host->retiring || host->n_slots || !p->how.host.file) return;
    SG_LOG(host_replaced, SG_F_STR("kind", sg_str(p->how.language)), SG_F_INT("pid", host->pid),
           SG_F_INT("bytes", host->resident));
    p->figures.hosts_replaced++;
    remove_host(p, host);
    sg_host_close(host);
    ask_pump(p);
}

/* A slot is free again. */
static void note_room(struct sg_hosts *p, struct sg_host *host) {
    if (host->n_slots < CROWD) p->crowded_ns = 0;
    if (host->n_slots == 0) host->alone = false;
    if (next_to_go(p)) ask_pump(p);
}

static void on_ready(struct sg_host *host) {
    struct sg_hosts *p = host->ud;
    p->failed_starts = 0;
    enter(p);
    end_loading(p, 0);
    if (!p->closed) note_room(p, host);
    if (!p->closed) replace_if_done(p, host);
    leave(p);
}

static int error_code(const struct sg_answer_frame *answer) {
    bool hooks_own = answer->fault == SG_FAULT_RAISED || answer->fault == SG_FAULT_RESULT;
    return hooks_own ? SG_E_HOOK : answer->fault == SG_FAULT_LIMIT ? SG_E_LIMIT : SG_E_HOST;
}

static bool parse(struct sg_arena *a, struct sg_str text, enum sg_json_type type, struct sg_json *out) {
    return sg_json_parse(a, text, out, NULL, NULL) == 0 && out->type == type;
}

static void give_result(struct sg_hosts *p, struct sg_hook_call *c, const struct sg_answer_frame *answer) {
    struct sg_json results, effects;
    bool more = answer->extra.n > 0;
    if (!parse(c->arena, answer->body, SG_JSON_ARRAY, &results)) {
        fail(p, c, SG_E_HOST, SG_STR("its host returned no JSON array"), SG_STR_NONE);
    } else if (more && !parse(c->arena, answer->extra, SG_JSON_OBJECT, &effects)) {
        fail(p, c, SG_E_HOST, SG_STR("its host returned effects that are no JSON object"), SG_STR_NONE);
    } else {
        c->state_ = CALL_DONE;
        c->on_done(c, 0, &results, more ? &effects : NULL, NULL);
    }
}

static void on_answer(struct sg_host *host, struct sg_hook_call *c, const struct sg_answer_frame *answer,
                      bool result) {
    struct sg_hosts *p = host->ud;
    enter(p);
    note_room(p, host);
    if (result) give_result(p, c, answer);
    else fail(p, c, error_code(answer), answer->body, answer->extra);
    replace_if_done(p, host);
    leave(p);
}

static void on_print(struct sg_host *host, struct sg_hook_call *call, struct sg_str text) {
    struct sg_hosts *p = host->ud;
    enter(p);
    if (p->how.on_print) p->how.on_print(p->how.ud, call, text);
    leave(p);
}

static void on_return(struct sg_host *host, struct sg_hook_call *call) {
    struct sg_hosts *p = host->ud;
    put_first(p, call);
    ask_pump(p);
}

static void on_overdue(struct sg_host *host, struct sg_hook_call *call, const struct sg_err *why) {
    struct sg_hosts *p = host->ud;
    enter(p);
    fail(p, call, why->code, sg_str(why->text), SG_STR_NONE);
    leave(p);
}

static void on_memory(struct sg_host *host) {
    struct sg_hosts *p = host->ud;
    uint64_t bytes = 0;
    for (const struct sg_host *each = p->hosts; each; each = each->next) bytes += each->resident;
    if (bytes > p->figures.peak_bytes) p->figures.peak_bytes = bytes;
    if (host->retiring) ask_pump(p);
    if (host->state == SG_HOST_READY) replace_if_done(p, host);
}

/* ---- hosts: the end of one ---- */

static bool is_guilty(struct sg_hook_call *c, enum sg_host_blame blame) {
    c->deaths_ += blame == SG_BLAME_UNSURE;
    c->suspect_ |= blame == SG_BLAME_SUSPECT || c->deaths_ >= SUSPECT_DEATHS;
    return c->once || blame == SG_BLAME_SURE || c->deaths_ >= MAX_DEATHS;
}

/* Those that run again go to the front, in their order. */
static void sort_calls(struct sg_hosts *p, struct sg_host *host) {
    for (uint8_t i = host->last; i != SG_HOST_NO_SLOT; i = host->slots[i].prev) {
        struct sg_hook_call *c = host->slots[i].call;
        if (!c) continue;
        if (is_guilty(c, host->slots[i].blame)) put_last(p, c, CALL_GUILTY);
        else put_first(p, c);
    }
}

/* A host that ended before it said what it is, or over a hook that it should load. */
static void blame_start(struct sg_hosts *p, const struct sg_host *host, const struct sg_err *why) {
    struct sg_def *def = host->state == SG_HOST_LOADING ? def_of(p, host->loads[host->n_loaded]) : NULL;
    bool from_outside = host->signal == SIGKILL && !host->killed;
    if (host->state == SG_HOST_READY) return;
    if (def && def->state == SG_DEF_NEW && !from_outside) {
        break_def(p, def, sg_str_printf(&p->arena, "while the %s was %s: %s", p->how.host.noun, p->how.loading, why->text));
        end_loading(p, 0);
        return;
    }
    p->failed_starts++;
    p->start_error = *why;
    sg_err_wrap(&p->start_error, SG_E_HOST, "no host: %s", p->how.host.file ? p->how.host.file : p->how.host.noun);
}

static void fail_guilty(struct sg_hosts *p, const struct sg_err *why, struct sg_str words) {
    struct sg_hook_call *c;
    while (!p->closed && (c = p->lists[CALL_GUILTY].first)) {
        char text[SG_ERR_TEXT];
        int n = snprintf(text, sizeof text, "%s%s", why->text,
                         c->once ? "; it may have run, and `once` forbids another try" : "");
        take_out(p, c);
        fail(p, c, why->code, (struct sg_str){text, n < SG_ERR_TEXT ? (size_t)n : SG_ERR_TEXT - 1}, words);
    }
}

static void on_end(struct sg_host *host, const struct sg_err *why) {
    struct sg_hosts *p = host->ud;
    struct sg_str shown = sg_blame_words(host);
    struct sg_buf words = SG_BUF_INIT(0);
    enter(p);
    SG_LOG(host_died, SG_F_STR("kind", sg_str(p->how.language)), SG_F_INT("pid", host->pid),
           SG_F_STR("why", sg_str(why->text)));
    sg_buf_str(&words, shown);
    remove_host(p, host);
    p->figures.hosts_died++;
    sort_calls(p, host);
    blame_start(p, host, why);
    if (!p->how.host.file) p->start_error = *why;
    sg_host_close(host);
    ask_pump(p);
    if (!p->how.host.file && p->how.on_detached) p->how.on_detached(p->how.ud);
    fail_guilty(p, why, sg_buf_view(&words));
    sg_buf_fini(&words);
    leave(p);
}

static const struct sg_host_events HOST_EVENTS = {
    .on_loaded = on_loaded,
    .on_ready = on_ready,
    .on_answer = on_answer,
    .on_print = on_print,
    .on_return = on_return,
    .on_overdue = on_overdue,
    .on_memory = on_memory,
    .on_end = on_end,
};

/* ---- news and figures ---- */

bool sg_hosts_wants(const struct sg_hosts *p, enum sg_hook_news news) {
    bool wants = false;
    for (const struct sg_host *host = p->hosts; host; host = host->next) wants |= host->wants[news];
    return wants;
}

void sg_hosts_tell(struct sg_hosts *p, enum sg_hook_news news, struct sg_str json) {
    for (struct sg_host *host = p->hosts; host; host = host->next) sg_host_tell(host, news, json);
}

void sg_hosts_figures(const struct sg_hosts *p, struct sg_hook_figures *out) {
    *out = p->figures;
    out->hosts = p->n_hosts;
}
