/* SPDX-License-Identifier: Apache-2.0 */
/* loop_sim: the loop in virtual time: plans in a heap, by time and then by order of planning; workers in line; names;
 * signals.
 *
 * The clock jumps from plan to plan. What the engine hears is drawn: when a job of a worker runs, and how long after that its
 * `done` is called; how late a timer is. Order is kept where the real world keeps it: per worker, per direction of a socket.
 *
 * A job runs at one moment and in line, so a worker and the loop never meet in the middle. Closing a worker waits for the
 * job that has begun: the one that is planned next has, in half of the cases, and is run then.
 *
 * The loop thread must not touch the disk while records are on their way (ARCHITECTURE, invariant 1): disk_sim.c looks at
 * `in_turn` and `in_job` to tell. */
#include "sim/parts.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>

#define HOST_SUFFIX ".sim"
/* A timer of the real world is late by the rest of a millisecond. */
#define TIMER_LATE_NS SG_MS(1)
#define JOB_LOW_NS 2000
#define JOB_HIGH_NS SG_MS(2)
#define SLOW_JOB_LOW_NS SG_MS(20)
#define SLOW_JOB_HIGH_NS SG_MS(5000)
#define LOOKUP_HIGH_NS SG_MS(3000)

/* --- plans -------------------------------------------------------------------------------------------------------- */

static bool before(const struct sg_sim_plan *a, const struct sg_sim_plan *b) {
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static void put(struct sg_sim_loop *l, size_t i, struct sg_sim_plan *p) {
    l->heap[i] = p;
    p->slot = i + 1;
}

static void rise(struct sg_sim_loop *l, size_t i, struct sg_sim_plan *p) {
    for (; i > 0 && before(p, l->heap[(i - 1) / 2]); i = (i - 1) / 2) put(l, i, l->heap[(i - 1) / 2]);
    put(l, i, p);
}

static void sink(struct sg_sim_loop *l, size_t i, struct sg_sim_plan *p) {
    for (size_t child; (child = 2 * i + 1) < l->n; i = child) {
        if (child + 1 < l->n && before(l->heap[child + 1], l->heap[child])) child++;
        if (!before(l->heap[child], p)) break;
        put(l, i, l->heap[child]);
    }
    put(l, i, p);
}

void sg_sim_unplan(struct sg_sim_loop *l, struct sg_sim_plan *p) {
    if (!p->slot) return;
    size_t i = p->slot - 1;
    p->slot = 0;
    struct sg_sim_plan *last = l->heap[--l->n];
    if (last == p) return;
    sink(l, i, last);
    rise(l, last->slot - 1, last);
}

void sg_sim_at(struct sg_sim_loop *l, struct sg_sim_plan *p, uint64_t due_ns) {
    sg_sim_unplan(l, p);
    if (l->n == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 64;
        l->heap = sg_xrealloc(l->heap, l->cap * sizeof(struct sg_sim_plan *));
    }
    p->due_ns = due_ns > l->sim->now_ns ? due_ns : l->sim->now_ns;
    p->order = l->order++;
    rise(l, l->n++, p);
}

/* --- running ------------------------------------------------------------------------------------------------------ */

static void carry_out(struct sg_sim_loop *l, struct sg_sim_plan *p) {
    struct sg_sim *s = l->sim;
    sg_sim_unplan(l, p);
    s->now_ns = p->due_ns;
    sg_sim_note(s, p->kind, p->what ? p->what : "", p->object, 0);
    if (p->outside) {
        p->run(p);
        return;
    }
    s->in_turn = true;
    sg_loop_enter(&l->base);
    p->run(p);
    sg_loop_leave(&l->base);
    s->in_turn = false;
}

static void give_signal(struct sg_sim_loop *l) {
    struct sg_sim *s = l->sim;
    uint64_t at = s->life.signal_at;
    if (!at || l->signaled || !l->on_signal || s->events - s->born_at < at) return;
    l->signaled = true;
    sg_sim_note(s, "signal", "", 0, SIGINT);
    sg_loop_enter(&l->base);
    l->on_signal(l->signal_ud, SIGINT);
    sg_loop_leave(&l->base);
}

static void run(struct sg_loop *base) {
    struct sg_sim_loop *l = sg_sim_loop_of(base);
    l->running = true;
    while (!l->stopping && l->n) {
        carry_out(l, l->heap[0]);
        if (!l->stopping) give_signal(l);
    }
    l->running = l->stopping = false;
}

static void stop(struct sg_loop *base) {
    sg_sim_loop_of(base)->stopping = true;
}

/* --- time --------------------------------------------------------------------------------------------------------- */

static uint64_t clock_ns(const struct sg_loop *base) {
    return sg_sim_clock_ns(sg_sim_loop_of(base)->sim);
}

static void on_alarm(struct sg_sim_plan *p) {
    sg_loop_run_timers(p->ud);
}

static void set_alarm(struct sg_loop *base, uint64_t due_ns) {
    struct sg_sim_loop *l = sg_sim_loop_of(base);
    if (due_ns == SG_NO_ALARM) {
        sg_sim_unplan(l, &l->alarm);
        return;
    }
    uint64_t latest = UINT64_MAX - l->sim->booted_ns - TIMER_LATE_NS;
    sg_sim_at(l, &l->alarm,
              (due_ns < latest ? due_ns : latest) + l->sim->booted_ns + sg_sim_below(l->sim, TIMER_LATE_NS));
}

static void on_turn(struct sg_sim_plan *p) {
    (void)p; /* the deferred calls run when the loop is left */
}

static void one_more_turn(struct sg_loop *base) {
    struct sg_sim_loop *l = sg_sim_loop_of(base);
    sg_sim_after(l, &l->turn, 0);
}

static void on_signal(struct sg_loop *base, void (*fn)(void *ud, int signal), void *ud) {
    struct sg_sim_loop *l = sg_sim_loop_of(base);
    l->on_signal = fn;
    l->signal_ud = ud;
}

/* --- names -------------------------------------------------------------------------------------------------------- */

struct lookup {
    struct sg_loop *loop; /* first: sg_resolve_cancel looks here */
    struct sg_resolve *r;
    struct sg_sim_plan answer;
    int status;
};

static void on_lookup(struct sg_sim_plan *p) {
    struct lookup *k = p->ud;
    struct sg_resolve *r = k->r;
    int status = k->status;
    sg_sim_loop_of(k->loop)->lookups--;
    free(k);
    r->impl_ = NULL;
    r->on_done(r, status);
}

/* Names end in HOST_SUFFIX and mean this machine. */
static bool find_name(struct sg_resolve *r, struct sg_str host, uint16_t port) {
    if (!sg_str_ends(host, SG_STR(HOST_SUFFIX))) return false;
    struct sockaddr_in sa = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    memcpy(r->addresses[0].bytes, &sa, sizeof sa);
    r->addresses[0].n = sizeof sa;
    r->n = 1;
    return true;
}

static void resolve(struct sg_loop *base, struct sg_resolve *r, struct sg_str host, uint16_t port) {
    struct sg_sim_loop *l = sg_sim_loop_of(base);
    struct lookup *k = sg_xcalloc(1, sizeof *k);
    *k = (struct lookup){.loop = base, .r = r};
    r->impl_ = k;
    l->lookups++;
    bool direct = sg_resolve_directly(r, host, port);
    bool known = direct || (find_name(r, host, port) && !sg_sim_hit(l->sim, SG_SIM_resolve));
    if (!known) r->n = 0;
    k->status = known ? 0 : SG_E_RESOLVE;
    k->answer = (struct sg_sim_plan){.kind = "lookup", .run = on_lookup, .ud = k};
    sg_sim_after(l, &k->answer, direct ? 0 : sg_sim_spread(l->sim, 1000, LOOKUP_HIGH_NS));
}

static void resolve_cancel(struct sg_resolve *r) {
    struct lookup *k = r->impl_;
    struct sg_sim_loop *l = sg_sim_loop_of(k->loop);
    r->impl_ = NULL;
    sg_sim_unplan(l, &k->answer);
    l->lookups--;
    free(k);
}

/* --- workers ------------------------------------------------------------------------------------------------------ */

struct finished {
    struct sg_sim_plan told;
    struct sim_worker *worker;
    struct sg_job *job;
    struct finished *next;
};

struct sim_worker {
    struct sg_worker base;
    char name[16];
    uint64_t number;
    struct sg_job *head, *tail; /* not begun */
    struct sg_sim_plan next;
    struct finished *told, **told_end; /* in the order of finishing */
    uint64_t last_told_ns;
};

static void plan_next(struct sim_worker *w) {
    struct sg_sim_loop *l = sg_sim_loop_of(w->base.loop);
    if (w->head && !w->next.slot) sg_sim_after(l, &w->next, sg_sim_spread(l->sim, JOB_LOW_NS, JOB_HIGH_NS));
}

static void on_told(struct sg_sim_plan *p) {
    struct finished *f = p->ud;
    struct sim_worker *w = f->worker;
    struct sg_loop *base = w->base.loop;
    w->told = f->next;
    if (!w->told) w->told_end = &w->told;
    sg_loop_add_done(base, f->job);
    free(f);
    sg_loop_run_done(base);
}

static void run_next(struct sim_worker *w) {
    struct sg_sim_loop *l = sg_sim_loop_of(w->base.loop);
    struct sg_sim *s = l->sim;
    struct finished *f = sg_xcalloc(1, sizeof *f);
    struct sg_job *j = w->head;
    *f = (struct finished){.worker = w,
                           .job = j,
                           .told = {.kind = "done", .what = w->name, .object = w->number, .run = on_told, .ud = f}};
    w->head = j->next_;
    s->in_job = true;
    s->job = w->name;
    j->run(j);
    s->in_job = false;
    uint64_t took = s->ahead_ns + sg_sim_spread(s, JOB_LOW_NS, JOB_HIGH_NS);
    if (sg_sim_hit(s, SG_SIM_slow_job)) took += sg_sim_spread(s, SLOW_JOB_LOW_NS, SLOW_JOB_HIGH_NS);
    s->ahead_ns = 0;
    if (s->now_ns + took > w->last_told_ns) w->last_told_ns = s->now_ns + took;
    *w->told_end = f;
    w->told_end = &f->next;
    sg_sim_at(l, &f->told, w->last_told_ns);
}

/* The next job begins when this one is over, which is when its user is told. */
static void on_run(struct sg_sim_plan *p) {
    struct sim_worker *w = p->ud;
    struct sg_sim_loop *l = sg_sim_loop_of(w->base.loop);
    run_next(w);
    if (w->head) sg_sim_at(l, &w->next, w->last_told_ns);
}

static int worker_open(struct sg_loop *base, const char *name, struct sg_worker **out) {
    struct sg_sim_loop *l = sg_sim_loop_of(base);
    struct sim_worker *w = sg_xcalloc(1, sizeof *w);
    w->base.loop = base;
    strncpy(w->name, name, sizeof w->name - 1);
    w->number = ++l->objects;
    w->told_end = &w->told;
    w->next = (struct sg_sim_plan){
        .kind = "run", .what = w->name, .object = w->number, .run = on_run, .ud = w, .outside = true};
    l->workers++;
    *out = &w->base;
    return 0;
}

static void worker_submit(struct sg_worker *base, struct sg_job *j) {
    struct sim_worker *w = (struct sim_worker *)base;
    struct sg_sim_loop *l = sg_sim_loop_of(base->loop);
    bool idle = !w->head;
    *(idle ? &w->head : &w->tail->next_) = j;
    w->tail = j;
    if (!idle) return;
    plan_next(w);
    if (w->next.due_ns < w->last_told_ns) sg_sim_at(l, &w->next, w->last_told_ns);
}

static void worker_close(struct sg_worker *base) {
    struct sim_worker *w = (struct sim_worker *)base;
    struct sg_sim_loop *l = sg_sim_loop_of(base->loop);
    if (w->head && sg_sim_below(l->sim, 2)) {
        sg_sim_note(l->sim, "run", w->name, w->number, 0);
        run_next(w);
    }
    sg_sim_unplan(l, &w->next);
    for (struct finished *f = w->told, *next; f; f = next) {
        next = f->next;
        sg_sim_unplan(l, &f->told);
        free(f);
    }
    sg_loop_drop_done(base->loop, base);
    l->workers--;
    free(w);
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static void check_closed(const struct sg_sim_loop *l) {
    if (l->streams || l->workers || l->processes || l->lookups || l->listeners)
        sg_sim_violate(l->sim, "the loop was closed with %u streams, %u workers, %u processes, %u look-ups open",
                       l->streams, l->workers, l->processes, l->lookups);
}

/* Endpoints go last: their connections must have been closed by the engine before, but not yet by them. */
static void close_world(struct sg_loop *base) {
    struct sg_sim_loop *l = sg_sim_loop_of(base);
    sg_loop_enter(base);
    sg_sim_close_mocks(l);
    sg_sim_drop_unaccepted(l);
    sg_loop_leave(base);
    check_closed(l);
    sg_loop_fini(base);
    free(l->heap);
    free(l);
}

static const struct sg_loop_ops SIM_OPS = {
    .close = close_world,
    .run = run,
    .stop = stop,
    .clock_ns = clock_ns,
    .alarm = set_alarm,
    .turn = one_more_turn,
    .resolve = resolve,
    .resolve_cancel = resolve_cancel,
    .connect = sg_sim_connect,
    .wrap = sg_sim_wrap,
    .adopted = sg_sim_adopted,
    .write = sg_sim_write,
    .pause = sg_sim_pause,
    .stream_close = sg_sim_stream_close,
    .listen = sg_sim_listen,
    .listener_port = sg_sim_listener_port,
    .listener_close = sg_sim_listener_close,
    .worker_open = worker_open,
    .worker_submit = worker_submit,
    .worker_close = worker_close,
    .process_start = sg_sim_process_start,
    .process_kill = sg_sim_process_kill,
    .process_id = sg_sim_process_id,
    .process_close = sg_sim_process_close,
    .on_signal = on_signal,
};

int sg_sim_open_loop(struct sg_sim *s, uint64_t seed, struct sg_loop **out) {
    struct sg_sim_loop *l = sg_xcalloc(1, sizeof *l);
    sg_loop_init(&l->base, &SIM_OPS, seed);
    l->sim = s;
    l->next_port = 40000;
    l->alarm = (struct sg_sim_plan){.kind = "timer", .run = on_alarm, .ud = l};
    l->turn = (struct sg_sim_plan){.kind = "turn", .run = on_turn, .ud = l};
    *out = &l->base;
    return 0;
}
