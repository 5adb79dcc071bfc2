/* SPDX-License-Identifier: Apache-2.0 */
/* hosts: the pool: hooks by number, calls that wait, hosts that come and go.
 *
 * One deferred function, pump(), does all sending: it hands the waiting calls to the hosts with most room, starts a
 * host when there is none, when more calls wait than all hosts hold, or when one is slow, and then lets every host
 * write once. All other functions only change the lists and ask for a pump.
 * A call is waiting (first in, first out; what comes back from a host goes to the front), sent (a slot of its host
 * knows it), or done. What ended a host fails; what was only near goes to the front again. When nobody can say (a
 * host killed from outside), a call that was at work in MAX_DEATHS such deaths fails, so that one which makes the
 * system kill its hosts ends too.
 * Starting: START_TRIES hosts that end before their hello fail all calls and loads that wait for them with the reason;
 * the next call tries anew. So a program that cannot be started costs each call a failure and no loop.
 * User's callbacks may close the whole pool: `depth` counts the functions under way, the last one frees. */
#include "hooks/host.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_HOSTS 8
#define DEADLINE_MS 10000
#define MEMORY_BYTES ((uint64_t)512 << 20)
#define RESULT_BYTES ((uint64_t)64 << 20)
#define MAX_RESULT_BYTES ((uint64_t)1 << 30)
#define START_TRIES 3
#define MAX_DEATHS 3

enum call_state { CALL_DONE, CALL_WAITING, CALL_SENT, CALL_GUILTY };
enum hook_state { HOOK_NEW, HOOK_LOADED, HOOK_BROKEN };

struct place { /* where a hook stands */
    struct sg_mark mark;
    struct sg_str path;
};

struct hook {
    struct sg_str text;
    enum sg_hook_args args;
    enum hook_state state;
    struct sg_str fault; /* BROKEN: why, as people read it */
    struct place *places;
    size_t n_places, cap_places;
};

struct call_list {
    struct sg_hook_call *first, *last;
};

struct sg_hooks {
    struct sg_loop *loop;
    struct sg_host_setup setup;
    struct sg_hooks_options options;
    struct sg_arena arena;
    struct hook *hooks;
    size_t n_hooks, cap_hooks;
    struct call_list waiting, guilty; /* guilty: their host has ended, they are about to fail */
    struct sg_host *hosts;
    uint32_t n_hosts, failed_starts;
    struct sg_err start_error;
    struct sg_later pump;
    struct sg_diags *diags;
    void (*on_loaded)(void *ud, int status);
    void *load_ud;
    bool loading, closed;
    uint32_t depth;
    uint64_t next_id;
    struct sg_hook_figures figures;
};

/* ---- life ---- */

static void enter(struct sg_hooks *h) {
    h->depth++;
}

static void leave(struct sg_hooks *h) {
    if (--h->depth > 0 || !h->closed) return;
    sg_arena_fini(&h->arena);
    free((char *)h->setup.exe);
    free(h);
}

static void ask_pump(struct sg_hooks *h) {
    if (!h->closed) sg_later(h->loop, &h->pump);
}

static uint32_t default_hosts(void) {
    cpu_set_t cpus;
    int n = sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
    return n > MAX_HOSTS ? MAX_HOSTS : (uint32_t)n;
}

static void on_pump(struct sg_later *d);
static const struct sg_host_events HOST_EVENTS;

int sg_hooks_open(struct sg_loop *l, const struct sg_hooks_options *o, struct sg_hooks **out, struct sg_err *err) {
    if (!o->exe) return sg_fail(err, SG_E_USAGE, "the path of this program is not known: hooks cannot be run");
    struct sg_hooks *h = sg_xcalloc(1, sizeof *h);
    h->loop = l;
    h->options = *o;
    if (!h->options.max_hosts) h->options.max_hosts = default_hosts();
    h->setup = (struct sg_host_setup){.loop = l,
                                      .exe = strdup(o->exe),
                                      .kind = "jq",
                                      .memory_bytes = o->memory_bytes ? o->memory_bytes : MEMORY_BYTES,
                                      .result_bytes = o->result_bytes ? o->result_bytes : RESULT_BYTES,
                                      .deadline_ms = o->deadline_ms ? o->deadline_ms : DEADLINE_MS,
                                      .now = o->now,
                                      .ev = &HOST_EVENTS,
                                      .ud = h};
    if (h->setup.result_bytes > MAX_RESULT_BYTES) h->setup.result_bytes = MAX_RESULT_BYTES;
    h->pump = (struct sg_later){.run = on_pump, .ud = h};
    sg_arena_init(&h->arena, 0);
    *out = h;
    return 0;
}

void sg_hooks_close(struct sg_hooks *h) {
    enter(h);
    h->closed = true;
    sg_later_cancel(h->loop, &h->pump);
    while (h->hosts) {
        struct sg_host *host = h->hosts;
        h->hosts = host->next;
        sg_host_close(host);
    }
    leave(h);
}

/* ---- hooks ---- */

int sg_hooks_add(struct sg_hooks *h, const struct sg_hook_spec *spec, enum sg_hook_args args) {
    SG_ASSERT(spec->kind == SG_HOOK_JQ);
    size_t i = 0;
    while (i < h->n_hooks && (h->hooks[i].args != args || !sg_str_eq(h->hooks[i].text, spec->text))) i++;
    if (i == h->n_hooks) {
        struct hook *added = SG_PUSH(&h->arena, h->hooks, h->n_hooks, h->cap_hooks);
        *added = (struct hook){.text = sg_str_dup(&h->arena, spec->text), .args = args};
    }
    struct hook *k = &h->hooks[i];
    struct place *place = SG_PUSH(&h->arena, k->places, k->n_places, k->cap_places);
    *place = (struct place){spec->mark, sg_str_dup(&h->arena, spec->path)};
    return (int)i;
}

void sg_hooks_load(struct sg_hooks *h, struct sg_diags *diags, void (*on_done)(void *ud, int status), void *ud) {
    h->diags = diags;
    h->on_loaded = on_done;
    h->load_ud = ud;
    h->loading = true;
    ask_pump(h);
}

static void set_broken(struct sg_hooks *h, struct hook *k, struct sg_str fault) {
    k->state = HOOK_BROKEN;
    k->fault = fault;
    for (size_t i = 0; h->loading && i < k->n_places; i++)
        sg_error_at(h->diags, k->places[i].mark, k->places[i].path, NULL, "%s: %.*s", h->setup.kind, SG_ARG(fault));
}

static struct sg_str describe_refusal(struct sg_hooks *h, const struct sg_json *refusal) {
    const struct sg_json *message = sg_json_get(refusal, SG_STR("message"));
    const struct sg_json *line = sg_json_get(refusal, SG_STR("line"));
    const struct sg_json *column = sg_json_get(refusal, SG_STR("column"));
    struct sg_str text = message && message->type == SG_JSON_STRING ? sg_json_text(message) : SG_STR("refused");
    if (line && line->type == SG_JSON_NUMBER && column && column->type == SG_JSON_NUMBER)
        return sg_str_printf(&h->arena, "line %.*s, column %.*s: %.*s", SG_ARG(sg_json_text(line)),
                             SG_ARG(sg_json_text(column)), SG_ARG(text));
    if (line && line->type == SG_JSON_NUMBER)
        return sg_str_printf(&h->arena, "line %.*s: %.*s", SG_ARG(sg_json_text(line)), SG_ARG(text));
    return sg_str_dup(&h->arena, text);
}

/* Tells that loading is over, once nothing is new any more. */
static void end_loading(struct sg_hooks *h, int status) {
    if (!h->loading) return;
    for (size_t i = 0; i < h->n_hooks; i++) {
        if (h->hooks[i].state == HOOK_NEW) return;
        if (h->hooks[i].state == HOOK_BROKEN && status == 0) status = SG_E_HOOK;
    }
    h->loading = false;
    h->on_loaded(h->load_ud, status);
}

/* ---- calls ---- */

static void put_first(struct sg_hooks *h, struct sg_hook_call *c) {
    struct call_list *l = &h->waiting;
    c->prev_ = NULL;
    c->next_ = l->first;
    if (l->first) l->first->prev_ = c;
    else l->last = c;
    l->first = c;
    c->state_ = CALL_WAITING;
    h->figures.waiting++;
}

static void put_last(struct sg_hooks *h, struct sg_hook_call *c, enum call_state state) {
    struct call_list *l = state == CALL_WAITING ? &h->waiting : &h->guilty;
    c->next_ = NULL;
    c->prev_ = l->last;
    if (l->last) l->last->next_ = c;
    else l->first = c;
    l->last = c;
    c->state_ = (uint8_t)state;
    h->figures.waiting += state == CALL_WAITING;
}

static void take_out(struct sg_hooks *h, struct sg_hook_call *c) {
    struct call_list *l = c->state_ == CALL_WAITING ? &h->waiting : &h->guilty;
    if (c->prev_) c->prev_->next_ = c->next_;
    else l->first = c->next_;
    if (c->next_) c->next_->prev_ = c->prev_;
    else l->last = c->prev_;
    h->figures.waiting -= c->state_ == CALL_WAITING;
}

void sg_hook_start(struct sg_hooks *h, struct sg_hook_call *c) {
    SG_ASSERT(c->hook >= 0 && (size_t)c->hook < h->n_hooks);
    c->deaths_ = 0;
    h->figures.calls++;
    put_last(h, c, CALL_WAITING);
    ask_pump(h);
}

void sg_hook_cancel(struct sg_hooks *h, struct sg_hook_call *c) {
    if (c->state_ == CALL_WAITING || c->state_ == CALL_GUILTY) take_out(h, c);
    else if (c->state_ == CALL_SENT) sg_host_forget(c->host_, c);
    c->state_ = CALL_DONE;
    ask_pump(h);
}

/* The call is out of all lists. */
static void fail(struct sg_hooks *h, struct sg_hook_call *c, int code, const char *text) {
    struct sg_err err;
    sg_fail(&err, code, "%s: %s", h->setup.kind, text);
    c->state_ = CALL_DONE;
    h->figures.failed++;
    if (code == SG_E_TIMEOUT) h->figures.timeouts++;
    c->on_done(c, code, NULL, &err);
}

/* ---- hosts: starting ---- */

static int start_host(struct sg_hooks *h) {
    struct sg_host *host;
    if (sg_host_start(&h->setup, &host, &h->start_error) != 0) {
        h->failed_starts++;
        return SG_E_HOST;
    }
    for (size_t i = 0; i < h->n_hooks; i++) {
        const struct hook *k = &h->hooks[i];
        bool state = k->args == SG_HOOK_INPUT_AND_STATE, again = k->state == HOOK_LOADED;
        if (k->state != HOOK_BROKEN) sg_host_load(host, (uint32_t)i, h->setup.kind, k->text, state, again);
    }
    host->next = h->hosts;
    h->hosts = host;
    h->n_hosts++;
    h->figures.hosts_started++;
    sg_host_flush(host);
    SG_LOG(host_started, SG_F_STR("kind", sg_str(h->setup.kind)), SG_F_INT("pid", host->pid));
    return 0;
}

/* Nothing that waits for a host will get one. */
static void give_up(struct sg_hooks *h) {
    const struct sg_err why = h->start_error;
    h->failed_starts = 0;
    for (size_t i = 0; h->loading && i < h->n_hooks; i++)
        if (h->hooks[i].state == HOOK_NEW) set_broken(h, &h->hooks[i], sg_str_dup(&h->arena, sg_str(why.text)));
    end_loading(h, SG_E_HOST);
    for (uint32_t n = h->figures.waiting; n && !h->closed && h->waiting.first; n--) {
        struct sg_hook_call *c = h->waiting.first;
        take_out(h, c);
        fail(h, c, SG_E_HOST, why.text);
    }
}

/* More wait than all hosts hold, or a host is held up by one call. */
static bool wants_another(const struct sg_hooks *h) {
    uint32_t sent = 0;
    bool slow = false;
    if (h->n_hosts >= h->options.max_hosts || h->failed_starts >= START_TRIES) return false;
    for (const struct sg_host *host = h->hosts; host; host = host->next) {
        if (host->state < SG_HOST_READY) return false;
        sent += host->n_slots;
        slow |= host->returned;
    }
    return h->figures.waiting > (slow ? 0 : sent);
}

static void see_to_a_host(struct sg_hooks *h) {
    bool needed = h->waiting.first || (h->loading && h->n_hooks);
    while (needed && h->n_hosts == 0 && h->failed_starts < START_TRIES && start_host(h) != 0) {}
    if (needed && h->n_hosts == 0) give_up(h);
}

/* ---- sending ---- */

static struct sg_host *most_room(const struct sg_hooks *h) {
    struct sg_host *best = NULL;
    for (struct sg_host *host = h->hosts; host; host = host->next)
        if (sg_host_has_room(host) && (!best || host->n_slots < best->n_slots)) best = host;
    return best;
}

static void send(struct sg_hooks *h, struct sg_hook_call *c, struct sg_host *host) {
    struct sg_err err;
    const struct hook *k = &h->hooks[c->hook];
    take_out(h, c);
    c->id_ = ++h->next_id; /* of this sending: a host that it came back from may still skip the old number */
    if (k->state == HOOK_BROKEN) {
        fail(h, c, SG_E_HOOK, k->fault.p);
    } else if (sg_host_send(host, c, k->args, &err) != 0) {
        fail(h, c, err.code, err.text);
    } else {
        c->state_ = CALL_SENT;
        c->host_ = host;
    }
}

static void on_pump(struct sg_later *d) {
    struct sg_hooks *h = d->ud;
    struct sg_host *host;
    enter(h);
    if (h->loading && h->n_hooks == 0) end_loading(h, 0);
    if (!h->closed) see_to_a_host(h);
    while (!h->closed && h->waiting.first && (host = most_room(h))) send(h, h->waiting.first, host);
    if (!h->closed && wants_another(h)) start_host(h);
    for (host = h->closed ? NULL : h->hosts; host; host = host->next) sg_host_flush(host);
    leave(h);
}

/* ---- hosts: what they say ---- */

static void on_loaded(struct sg_host *host, uint32_t hook, const struct sg_json *refusal) {
    struct sg_hooks *h = host->ud;
    struct hook *k = &h->hooks[hook];
    enter(h);
    h->failed_starts = 0;
    if (refusal) set_broken(h, k, describe_refusal(h, refusal));
    else if (k->state == HOOK_NEW) k->state = HOOK_LOADED;
    end_loading(h, 0);
    leave(h);
}

static void on_ready(struct sg_host *host) {
    struct sg_hooks *h = host->ud;
    h->failed_starts = 0;
    ask_pump(h);
}

static int error_code(const struct sg_answer_frame *answer) {
    return answer->fault == SG_FAULT_RAISED ? SG_E_HOOK : answer->fault == SG_FAULT_LIMIT ? SG_E_LIMIT : SG_E_HOST;
}

static void give_result(struct sg_hooks *h, struct sg_hook_call *c, struct sg_str text) {
    struct sg_json results;
    if (sg_json_parse(c->arena, text, &results, NULL, NULL) != 0 || results.type != SG_JSON_ARRAY) {
        fail(h, c, SG_E_HOST, "its host returned no JSON array");
        return;
    }
    c->state_ = CALL_DONE;
    c->on_done(c, 0, &results, NULL);
}

static void on_answer(struct sg_host *host, struct sg_hook_call *c, const struct sg_answer_frame *answer,
                      bool result) {
    struct sg_hooks *h = host->ud;
    enter(h);
    if (h->waiting.first) ask_pump(h);
    if (result) {
        give_result(h, c, answer->body);
    } else {
        char text[SG_ERR_TEXT];
        snprintf(text, sizeof text, "%.*s", SG_ARG(answer->body));
        fail(h, c, error_code(answer), text);
    }
    leave(h);
}

static void on_print(struct sg_host *host, struct sg_hook_call *call, struct sg_str text) {
    struct sg_hooks *h = host->ud;
    enter(h);
    if (h->options.on_print) h->options.on_print(h->options.ud, call, text);
    leave(h);
}

static void on_return(struct sg_host *host, struct sg_hook_call *call) {
    struct sg_hooks *h = host->ud;
    put_first(h, call);
    ask_pump(h);
}

/* ---- hosts: the end of one ---- */

static void remove_host(struct sg_hooks *h, const struct sg_host *host) {
    struct sg_host **link = &h->hosts;
    while (*link != host) link = &(*link)->next;
    *link = host->next;
    h->n_hosts--;
    h->figures.hosts_died++;
}

static bool is_guilty(struct sg_host_slot *slot) {
    if (slot->blame == SG_BLAME_UNSURE) slot->call->deaths_++;
    return slot->blame == SG_BLAME_SURE || slot->call->deaths_ >= MAX_DEATHS;
}

/* Innocent calls go back to the front, in their order. */
static void sort_calls(struct sg_hooks *h, struct sg_host *host) {
    for (uint32_t i = host->n_slots; i-- > 0;) {
        struct sg_hook_call *c = host->slots[i].call;
        if (!c) continue;
        if (is_guilty(&host->slots[i])) put_last(h, c, CALL_GUILTY);
        else put_first(h, c);
    }
}

/* A host that ended before it said what it is, or over a program that it should load. */
static void blame_start(struct sg_hooks *h, const struct sg_host *host, const struct sg_err *why) {
    if (host->state == SG_HOST_READY) return;
    struct hook *k = host->state == SG_HOST_LOADING ? &h->hooks[host->loads[host->n_loaded]] : NULL;
    if (k && k->state == HOOK_NEW) {
        set_broken(h, k, sg_str_printf(&h->arena, "while the program was compiled: %s", why->text));
        end_loading(h, 0);
        return;
    }
    h->failed_starts++;
    h->start_error = *why;
    sg_err_wrap(&h->start_error, SG_E_HOST, "no host");
}

static void on_end(struct sg_host *host, const struct sg_err *why) {
    struct sg_hooks *h = host->ud;
    enter(h);
    SG_LOG(host_died, SG_F_STR("kind", sg_str(h->setup.kind)), SG_F_INT("pid", host->pid),
           SG_F_STR("why", sg_str(why->text)));
    remove_host(h, host);
    sort_calls(h, host);
    blame_start(h, host, why);
    sg_host_close(host);
    ask_pump(h);
    while (!h->closed && h->guilty.first) {
        struct sg_hook_call *c = h->guilty.first;
        take_out(h, c);
        fail(h, c, why->code, why->text);
    }
    leave(h);
}

static const struct sg_host_events HOST_EVENTS = {
    .on_loaded = on_loaded,
    .on_ready = on_ready,
    .on_answer = on_answer,
    .on_print = on_print,
    .on_return = on_return,
    .on_end = on_end,
};

void sg_hooks_figures(const struct sg_hooks *h, struct sg_hook_figures *out) {
    *out = h->figures;
    out->hosts = h->n_hosts;
}
