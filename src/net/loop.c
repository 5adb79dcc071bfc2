/* SPDX-License-Identifier: Apache-2.0 */
/* loop: what all worlds share: timers, deferred calls, finished jobs, and the way through the table.
 *
 * Timers are a 4-ary heap over one alarm of the world: with equal time-outs a start is O(1), and a stop, which is the usual
 * end of a time-out, takes one path of a shallow tree (7 levels at 16,000) inside one array. The alarm is only moved when it
 * must come earlier; an alarm that comes too early finds nothing due and is set anew.
 *
 * Deferred calls run when the last frame of the engine has returned, as many as were queued at that moment, so a call that
 * queues itself again cannot keep the sockets waiting. */
#include "net/loop_ops.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/un.h>

#define HEAP_WIDTH 4

/* --- life ------------------------------------------------------------------------------------------------------- */

void sg_loop_init(struct sg_loop *l, const struct sg_loop_ops *ops, uint64_t seed) {
    *l = (struct sg_loop){.ops = ops, .rng = {seed}, .alarm_ns = SG_NO_ALARM};
    pthread_mutex_init(&l->done_lock, NULL);
}

void sg_loop_fini(struct sg_loop *l) {
    SG_ASSERT(l->n_timers == 0 && l->n_later == 0);
    pthread_mutex_destroy(&l->done_lock);
    free(l->heap);
}

static void run_laters(struct sg_loop *l) {
    for (size_t left = l->n_later; left && l->later_head; left--) {
        struct sg_later *d = l->later_head;
        l->later_head = d->next;
        if (!l->later_head) l->later_tail = NULL;
        l->n_later--;
        d->queued = false;
        d->run(d);
    }
}

void sg_loop_enter(struct sg_loop *l) {
    if (l->depth++ == 0) l->now_ns = l->ops->clock_ns(l);
}

void sg_loop_leave(struct sg_loop *l) {
    SG_ASSERT(l->depth > 0);
    if (l->depth == 1 && l->later_head) {
        run_laters(l);
        if (l->later_head) l->ops->turn(l);
    }
    l->depth--;
}

/* Deferred calls that are left end the life of objects which were closed just now. */
void sg_loop_close(struct sg_loop *l) {
    if (!l) return;
    SG_ASSERT(l->depth == 0);
    sg_loop_enter(l);
    while (l->later_head) run_laters(l);
    sg_loop_leave(l);
    l->ops->close(l);
}

void sg_loop_run(struct sg_loop *l) {
    SG_ASSERT(l->depth == 0);
    l->ops->run(l);
}

void sg_loop_stop(struct sg_loop *l) {
    l->ops->stop(l);
}

uint64_t sg_loop_now_ns(const struct sg_loop *l) {
    return l->depth ? l->now_ns : l->ops->clock_ns(l);
}

struct sg_rng *sg_loop_rng(struct sg_loop *l) {
    return &l->rng;
}

int sg_loop_errno(const struct sg_loop *l) {
    return l->sys_error;
}

/* --- timers ------------------------------------------------------------------------------------------------------- */

static bool before(const struct sg_heap_entry *a, const struct sg_heap_entry *b) {
    return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

static void put(struct sg_loop *l, size_t i, struct sg_heap_entry e) {
    l->heap[i] = e;
    e.timer->slot = i + 1;
}

static void sift_up(struct sg_loop *l, size_t i, struct sg_heap_entry e) {
    while (i > 0) {
        size_t parent = (i - 1) / HEAP_WIDTH;
        if (!before(&e, &l->heap[parent])) break;
        put(l, i, l->heap[parent]);
        i = parent;
    }
    put(l, i, e);
}

static size_t first_child(const struct sg_loop *l, size_t i) {
    size_t child = i * HEAP_WIDTH + 1, end = child + HEAP_WIDTH;
    if (end > l->n_timers) end = l->n_timers;
    size_t best = child;
    for (size_t c = child + 1; c < end; c++)
        if (before(&l->heap[c], &l->heap[best])) best = c;
    return best;
}

static void sift_down(struct sg_loop *l, size_t i, struct sg_heap_entry e) {
    while (i * HEAP_WIDTH + 1 < l->n_timers) {
        size_t child = first_child(l, i);
        if (!before(&l->heap[child], &e)) break;
        put(l, i, l->heap[child]);
        i = child;
    }
    put(l, i, e);
}

/* An entry that belongs somewhere, with a hole at i. */
static void settle(struct sg_loop *l, size_t i, struct sg_heap_entry e) {
    if (i > 0 && before(&e, &l->heap[(i - 1) / HEAP_WIDTH]))
        sift_up(l, i, e);
    else
        sift_down(l, i, e);
}

static void set_alarm(struct sg_loop *l, uint64_t due_ns) {
    if (due_ns == l->alarm_ns) return;
    l->alarm_ns = due_ns;
    l->ops->alarm(l, due_ns);
}

static void unarm(struct sg_loop *l, struct sg_timer *t) {
    size_t i = t->slot - 1;
    SG_ASSERT(i < l->n_timers && l->heap[i].timer == t);
    t->slot = 0;
    struct sg_heap_entry last = l->heap[--l->n_timers];
    if (i < l->n_timers) settle(l, i, last);
}

void sg_timer_start(struct sg_loop *l, struct sg_timer *t, uint64_t after_ns) {
    uint64_t now = sg_loop_now_ns(l);
    t->due_ns = after_ns < SG_NO_ALARM - 1 - now ? now + after_ns : SG_NO_ALARM - 1;
    struct sg_heap_entry e = {t->due_ns, l->timer_order++, t};
    if (t->slot) {
        settle(l, t->slot - 1, e);
    } else {
        if (l->n_timers == l->cap_timers) {
            l->cap_timers = l->cap_timers ? l->cap_timers * 2 : 64;
            l->heap = sg_xrealloc(l->heap, l->cap_timers * sizeof *l->heap);
        }
        sift_up(l, l->n_timers++, e);
    }
    if (t->due_ns < l->alarm_ns) set_alarm(l, t->due_ns);
}

void sg_timer_stop(struct sg_loop *l, struct sg_timer *t) {
    if (!t->slot) return;
    unarm(l, t);
    if (l->n_timers == 0) set_alarm(l, SG_NO_ALARM); /* an alarm would keep the loop running */
}

/* A timer that is started by a callback waits for the next alarm, even if it is due: `order` tells it apart. */
void sg_loop_run_timers(struct sg_loop *l) {
    uint64_t end = l->timer_order;
    while (l->n_timers && l->heap[0].due_ns <= l->now_ns && l->heap[0].order < end) {
        struct sg_timer *t = l->heap[0].timer;
        unarm(l, t);
        t->on_fire(t);
    }
    l->alarm_ns = SG_NO_ALARM; /* it has gone off: the world must hear the next time even if it is the same */
    if (l->n_timers) set_alarm(l, l->heap[0].due_ns);
}

/* --- deferred calls -------------------------------------------------------------------------------------------------- */

void sg_later(struct sg_loop *l, struct sg_later *d) {
    if (d->queued) return;
    d->queued = true;
    d->next = NULL;
    if (l->later_tail)
        l->later_tail->next = d;
    else
        l->later_head = d;
    l->later_tail = d;
    if (l->n_later++ == 0 && l->depth == 0) l->ops->turn(l);
}

void sg_later_cancel(struct sg_loop *l, struct sg_later *d) {
    if (!d->queued) return;
    struct sg_later *last = NULL, *at = l->later_head;
    while (at != d) last = at, at = at->next;
    if (last)
        last->next = d->next;
    else
        l->later_head = d->next;
    if (l->later_tail == d) l->later_tail = last;
    l->n_later--;
    d->queued = false;
}

/* --- addresses ------------------------------------------------------------------------------------------------------- */

static void add_address(struct sg_resolve *r, const void *sa, size_t n) {
    struct sg_address *to = &r->addresses[r->n++];
    memcpy(to->bytes, sa, n);
    to->n = (uint32_t)n;
}

static void add_v4(struct sg_resolve *r, struct in_addr ip, uint16_t port) {
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = ip};
    add_address(r, &sa, sizeof sa);
}

static void add_v6(struct sg_resolve *r, const struct in6_addr *ip, uint16_t port) {
    struct sockaddr_in6 sa = {.sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = *ip};
    add_address(r, &sa, sizeof sa);
}

static bool is_localhost(struct sg_str host) {
    static const char NAME[] = "localhost";
    if (host.n && host.p[host.n - 1] == '.') host.n--;
    if (host.n != sizeof NAME - 1) return false;
    for (size_t i = 0; i < host.n; i++)
        if ((host.p[i] | 0x20) != NAME[i]) return false;
    return true;
}

bool sg_resolve_directly(struct sg_resolve *r, struct sg_str host, uint16_t port) {
    char text[INET6_ADDRSTRLEN];
    struct in_addr v4;
    struct in6_addr v6;
    r->n = 0;
    if (is_localhost(host)) {
        add_v4(r, (struct in_addr){htonl(INADDR_LOOPBACK)}, port);
        add_v6(r, &in6addr_loopback, port);
        return true;
    }
    if (host.n >= sizeof text) return false;
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    if (inet_pton(AF_INET, text, &v4) == 1) add_v4(r, v4, port);
    if (inet_pton(AF_INET6, text, &v6) == 1) add_v6(r, &v6, port);
    return r->n > 0;
}

void sg_resolve_start(struct sg_loop *l, struct sg_resolve *r, struct sg_str host, uint16_t port) {
    r->n = 0;
    l->ops->resolve(l, r, host, port);
}

void sg_resolve_cancel(struct sg_resolve *r) {
    struct sg_loop **impl = r->impl_; /* every world's request begins with its loop */
    if (impl) (*impl)->ops->resolve_cancel(r);
}

int sg_address_unix(struct sg_address *out, const char *path) {
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof sa.sun_path) return SG_E_LIMIT;
    memcpy(sa.sun_path, path, n + 1);
    memcpy(out->bytes, &sa, sizeof sa);
    out->n = (uint32_t)(offsetof(struct sockaddr_un, sun_path) + n + 1);
    return 0;
}

/* --- finished jobs --------------------------------------------------------------------------------------------------- */

bool sg_loop_add_done(struct sg_loop *l, struct sg_job *j) {
    j->next_ = NULL;
    pthread_mutex_lock(&l->done_lock);
    bool first = !l->done_head;
    if (first)
        l->done_head = j;
    else
        l->done_tail->next_ = j;
    l->done_tail = j;
    pthread_mutex_unlock(&l->done_lock);
    return first;
}

static struct sg_job *pop_done(struct sg_loop *l) {
    pthread_mutex_lock(&l->done_lock);
    struct sg_job *j = l->done_head;
    if (j) l->done_head = j->next_;
    pthread_mutex_unlock(&l->done_lock);
    return j;
}

/* One at a time, because a callback may close a worker and so drop jobs that would be next. Jobs that finish meanwhile are
 * taken too: each was submitted before, so this ends unless workers are faster than their users for ever. */
size_t sg_loop_run_done(struct sg_loop *l) {
    size_t n = 0;
    for (struct sg_job *j; (j = pop_done(l)) != NULL; n++) j->done(j);
    return n;
}

size_t sg_loop_drop_done(struct sg_loop *l, const struct sg_worker *w) {
    size_t n = 0;
    pthread_mutex_lock(&l->done_lock);
    struct sg_job **link = &l->done_head, *last = NULL;
    while (*link) {
        if ((*link)->worker_ == w) {
            *link = (*link)->next_;
            n++;
        } else {
            last = *link;
            link = &last->next_;
        }
    }
    l->done_tail = last;
    pthread_mutex_unlock(&l->done_lock);
    return n;
}

/* --- through the table ----------------------------------------------------------------------------------------------- */

int sg_stream_connect(struct sg_loop *l, const struct sg_address *to, const struct sg_stream_events *ev, void *ud,
                      struct sg_stream **out) {
    int rc = l->ops->connect(l, to, out);
    if (rc == 0) (*out)->ev = ev, (*out)->ud = ud;
    return rc;
}

int sg_stream_wrap(struct sg_loop *l, int fd, const struct sg_stream_events *ev, void *ud, struct sg_stream **out) {
    int rc = l->ops->wrap(l, fd, out);
    if (rc == 0) sg_stream_adopt(*out, ev, ud);
    return rc;
}

void sg_stream_adopt(struct sg_stream *s, const struct sg_stream_events *ev, void *ud) {
    s->ev = ev;
    s->ud = ud;
    (s->layer ? s->layer->adopted : s->loop->ops->adopted)(s);
}

ssize_t sg_stream_write(struct sg_stream *s, const void *p, size_t n) {
    return (s->layer ? s->layer->write : s->loop->ops->write)(s, p, n);
}

void sg_stream_pause(struct sg_stream *s, bool on) {
    (s->layer ? s->layer->pause : s->loop->ops->pause)(s, on);
}

static void close_stream(struct sg_stream *s, bool reset) {
    (s->layer ? s->layer->close : s->loop->ops->stream_close)(s, reset);
}

void sg_stream_close(struct sg_stream *s) {
    if (s) close_stream(s, false);
}

const struct sg_err *sg_stream_error(const struct sg_stream *s) {
    return s->layer ? s->layer->error(s) : NULL;
}

void sg_stream_reset(struct sg_stream *s) {
    close_stream(s, true);
}

int sg_listen(struct sg_loop *l, const struct sg_address *at, sg_accept_fn *on_accept, void *ud, struct sg_listener **out,
              struct sg_err *err) {
    return l->ops->listen(l, at, on_accept, ud, out, err);
}

uint16_t sg_listener_port(const struct sg_listener *ln) {
    return ln->loop->ops->listener_port(ln);
}

void sg_listener_close(struct sg_listener *ln) {
    if (ln) ln->loop->ops->listener_close(ln);
}

int sg_watch_open(struct sg_loop *l, int fd, void (*on_ready)(void *ud, int fd, int events), void *ud,
                  struct sg_watch **out) {
    return l->ops->watch_open ? l->ops->watch_open(l, fd, on_ready, ud, out) : SG_E_UNSUPPORTED;
}

void sg_watch_set(struct sg_watch *w, int events) {
    w->loop->ops->watch_set(w, events);
}

void sg_watch_close(struct sg_watch *w) {
    if (w) w->loop->ops->watch_close(w);
}

int sg_worker_open(struct sg_loop *l, const char *name, struct sg_worker **out) {
    return l->ops->worker_open(l, name, out);
}

void sg_worker_submit(struct sg_worker *w, struct sg_job *j) {
    j->worker_ = w;
    j->next_ = NULL;
    w->loop->ops->worker_submit(w, j);
}

void sg_worker_close(struct sg_worker *w) {
    if (w) w->loop->ops->worker_close(w);
}

int sg_process_start(struct sg_loop *l, const struct sg_spawn *how, const struct sg_stream_events *ev, void *stream_ud,
                     struct sg_process **out, struct sg_stream **stream, struct sg_err *err) {
    return l->ops->process_start(l, how, ev, stream_ud, out, stream, err);
}

void sg_process_kill(struct sg_process *p) {
    p->loop->ops->process_kill(p);
}

int sg_process_id(const struct sg_process *p) {
    return p->loop->ops->process_id(p);
}

const void *sg_process_page(const struct sg_process *p) {
    return p->page;
}

void sg_process_close(struct sg_process *p) {
    if (p) p->loop->ops->process_close(p);
}

void sg_loop_on_signal(struct sg_loop *l, void (*fn)(void *ud, int signal), void *ud) {
    l->ops->on_signal(l, fn, ud);
}
