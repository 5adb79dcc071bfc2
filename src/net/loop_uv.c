/* SPDX-License-Identifier: Apache-2.0 */
/* loop_uv: the real world: time, names, worker threads and signals on libuv (sockets: loop_uv_stream.c, processes:
 * loop_uv_process.c).
 *
 * What keeps uv_run going: sockets, armed timers (one uv timer for all), look-ups, jobs under way and processes that are
 * waited for. Signals and the wake-up handle do not: they are unreferenced.
 *
 * Time is libuv's monotonic clock in nanoseconds, read once per callback (25 ns), as one turn of libuv may hand out
 * thousands of events. The uv timer has milliseconds: it is set to the first one at or after the time wished for. */
#include "net/loop_uv.h"

#include <netdb.h>
#include <signal.h>
#include <stdlib.h>

/* --- time --------------------------------------------------------------------------------------------------------- */

static uint64_t clock_ns(const struct sg_loop *l) {
    (void)l;
    return uv_hrtime();
}

static void on_timer(uv_timer_t *t) {
    struct sg_uv_world *w = t->data;
    sg_loop_enter(&w->base);
    sg_loop_run_timers(&w->base);
    sg_loop_leave(&w->base);
}

/* uv_now is the same clock in whole milliseconds, as of the beginning of the turn. */
static void set_alarm(struct sg_loop *l, uint64_t due_ns) {
    struct sg_uv_world *w = sg_uv_world(l);
    if (due_ns == SG_NO_ALARM) {
        uv_timer_stop(&w->timer);
        return;
    }
    uint64_t due_ms = due_ns / 1000000 + (due_ns % 1000000 != 0), now_ms = uv_now(&w->uv);
    uv_timer_start(&w->timer, on_timer, due_ms > now_ms ? due_ms - now_ms : 0, 0);
}

static void on_idle(uv_idle_t *idle) {
    struct sg_uv_world *w = idle->data;
    uv_idle_stop(idle); /* leave starts it again if calls are left */
    sg_loop_enter(&w->base);
    sg_loop_leave(&w->base);
}

/* An active idle handle makes libuv poll without waiting. */
static void one_more_turn(struct sg_loop *l) {
    uv_idle_start(&sg_uv_world(l)->idle, on_idle);
}

/* --- names -------------------------------------------------------------------------------------------------------- */

struct lookup {
    struct sg_loop *loop; /* first: sg_resolve_cancel looks here */
    struct sg_resolve *r; /* NULL: cancelled */
    uv_getaddrinfo_t req;
    struct sg_later direct;
    int status;
};

static void finish_lookup(struct lookup *k) {
    struct sg_resolve *r = k->r;
    int status = k->status;
    free(k);
    if (!r) return;
    r->impl_ = NULL;
    r->on_done(r, status);
}

static void on_direct(struct sg_later *d) {
    finish_lookup(d->ud);
}

static void take_addresses(struct sg_resolve *r, const struct addrinfo *ai) {
    size_t room = sizeof r->addresses / sizeof *r->addresses;
    for (; ai && r->n < room; ai = ai->ai_next) {
        struct sg_address *to = &r->addresses[r->n];
        if (ai->ai_addrlen > sizeof to->bytes) continue;
        memcpy(to->bytes, ai->ai_addr, ai->ai_addrlen);
        to->n = ai->ai_addrlen;
        r->n++;
    }
}

static void on_lookup(uv_getaddrinfo_t *req, int status, struct addrinfo *ai) {
    struct lookup *k = req->data;
    struct sg_loop *l = k->loop;
    if (k->r && status == 0) take_addresses(k->r, ai);
    uv_freeaddrinfo(ai);
    k->status = k->r && k->r->n ? 0 : SG_E_RESOLVE;
    sg_loop_enter(l);
    finish_lookup(k);
    sg_loop_leave(l);
}

/* A number that getaddrinfo would call bad only after asking a server is not worth a special case: names are short. */
static int ask_system(struct lookup *k, struct sg_str host, uint16_t port) {
    char name[NI_MAXHOST], service[8];
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    if (host.n == 0 || host.n >= sizeof name || memchr(host.p, 0, host.n)) return SG_E_RESOLVE;
    memcpy(name, host.p, host.n);
    name[host.n] = '\0';
    snprintf(service, sizeof service, "%u", port);
    k->req.data = k;
    int rc = uv_getaddrinfo(&sg_uv_world(k->loop)->uv, &k->req, on_lookup, name, service, &hints);
    return rc ? SG_E_RESOLVE : 0;
}

static void resolve(struct sg_loop *l, struct sg_resolve *r, struct sg_str host, uint16_t port) {
    struct lookup *k = sg_xcalloc(1, sizeof *k);
    *k = (struct lookup){.loop = l, .r = r, .direct = {.run = on_direct, .ud = k}};
    r->impl_ = k;
    if (!sg_resolve_directly(r, host, port)) {
        k->status = ask_system(k, host, port);
        if (k->status == 0) return;
    }
    sg_later(l, &k->direct);
}

/* The system's thread may be asking still: then the request lives on without us. */
static void resolve_cancel(struct sg_resolve *r) {
    struct lookup *k = r->impl_;
    r->impl_ = NULL;
    k->r = NULL;
    if (k->direct.queued) {
        sg_later_cancel(k->loop, &k->direct);
        free(k);
    } else {
        uv_cancel((uv_req_t *)&k->req);
    }
}

/* --- workers ------------------------------------------------------------------------------------------------------ */

struct uv_worker {
    struct sg_worker base;
    pthread_t thread;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t more;
    struct sg_job *head, *tail;
    bool closing;
};

static struct sg_job *next_job(struct uv_worker *w) {
    pthread_mutex_lock(&w->lock);
    while (!w->head && !w->closing) pthread_cond_wait(&w->more, &w->lock);
    struct sg_job *j = w->closing ? NULL : w->head;
    if (j) w->head = j->next_;
    pthread_mutex_unlock(&w->lock);
    return j;
}

static void *work(void *arg) {
    struct uv_worker *w = arg;
    struct sg_loop *l = w->base.loop;
    for (struct sg_job *j; (j = next_job(w)) != NULL;) {
        j->run(j);
        if (sg_loop_add_done(l, j)) uv_async_send(&sg_uv_world(l)->done);
    }
    return NULL;
}

/* Signals are for the loop's thread only. */
static int start_thread(struct uv_worker *w, const char *name) {
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int sys = pthread_create(&w->thread, NULL, work, w);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (sys == 0) pthread_setname_np(w->thread, name);
    return sys;
}

int sg_uv_worker_open(struct sg_loop *l, const char *name, struct sg_worker **out) {
    struct uv_worker *w = sg_xcalloc(1, sizeof *w);
    w->base.loop = l;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->more, NULL);
    int sys = start_thread(w, name);
    if (sys) {
        l->sys_error = sys;
        free(w);
        return SG_E_IO;
    }
    *out = &w->base;
    return 0;
}

/* The wake-up handle keeps the loop running exactly while jobs are under way. */
static void count_jobs(struct sg_uv_world *w, size_t more, size_t fewer) {
    bool was = w->jobs > 0;
    w->jobs = w->jobs + more - fewer;
    if (was == (w->jobs > 0)) return;
    if (was)
        uv_unref((uv_handle_t *)&w->done);
    else
        uv_ref((uv_handle_t *)&w->done);
}

void sg_uv_worker_submit(struct sg_worker *base, struct sg_job *j) {
    struct uv_worker *w = (struct uv_worker *)base;
    count_jobs(sg_uv_world(base->loop), 1, 0);
    pthread_mutex_lock(&w->lock);
    bool first = !w->head;
    if (first)
        w->head = j;
    else
        w->tail->next_ = j;
    w->tail = j;
    pthread_mutex_unlock(&w->lock);
    if (first) pthread_cond_signal(&w->more);
}

void sg_uv_worker_close(struct sg_worker *base) {
    struct uv_worker *w = (struct uv_worker *)base;
    pthread_mutex_lock(&w->lock);
    w->closing = true;
    pthread_mutex_unlock(&w->lock);
    pthread_cond_signal(&w->more);
    pthread_join(w->thread, NULL);
    size_t dropped = sg_loop_drop_done(base->loop, base);
    for (struct sg_job *j = w->head; j; j = j->next_) dropped++;
    count_jobs(sg_uv_world(base->loop), 0, dropped);
    pthread_cond_destroy(&w->more);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

static void on_jobs_done(uv_async_t *async) {
    struct sg_uv_world *w = async->data;
    sg_loop_enter(&w->base);
    size_t n = sg_loop_run_done(&w->base);
    count_jobs(w, 0, n);
    sg_loop_leave(&w->base);
}

/* --- signals ------------------------------------------------------------------------------------------------------ */

static void on_uv_signal(uv_signal_t *handle, int number) {
    struct sg_uv_world *w = handle->data;
    sg_loop_enter(&w->base);
    w->on_signal(w->signal_ud, number);
    sg_loop_leave(&w->base);
}

/* By whoever started us: nohup. */
static bool is_ignored(int number) {
    struct sigaction now;
    return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

static void on_signal(struct sg_loop *l, void (*fn)(void *ud, int signal), void *ud) {
    struct sg_uv_world *w = sg_uv_world(l);
    w->on_signal = fn;
    w->signal_ud = ud;
    uv_signal_start(&w->sigint, on_uv_signal, SIGINT);
    uv_signal_start(&w->sigterm, on_uv_signal, SIGTERM);
    if (!is_ignored(SIGHUP)) uv_signal_start(&w->sighup, on_uv_signal, SIGHUP);
    uv_unref((uv_handle_t *)&w->sigint);
    uv_unref((uv_handle_t *)&w->sigterm);
    uv_unref((uv_handle_t *)&w->sighup);
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static void run(struct sg_loop *l) {
    uv_run(&sg_uv_world(l)->uv, UV_RUN_DEFAULT);
}

static void stop(struct sg_loop *l) {
    uv_stop(&sg_uv_world(l)->uv);
}

/* The last uv_run lets the handles go, and waits for look-ups that the system is still asking for. */
static void close_world(struct sg_loop *l) {
    struct sg_uv_world *w = sg_uv_world(l);
    sg_uv_processes_end(w);
    SG_ASSERT(w->jobs == 0);
    uv_handle_t *own[] = {(uv_handle_t *)&w->timer,  (uv_handle_t *)&w->idle,    (uv_handle_t *)&w->done,
                          (uv_handle_t *)&w->sigint, (uv_handle_t *)&w->sigterm, (uv_handle_t *)&w->sighup,
                          (uv_handle_t *)&w->sigchld};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) uv_close(own[i], NULL);
    while (uv_run(&w->uv, UV_RUN_DEFAULT)) {}
    SG_ASSERT(uv_loop_close(&w->uv) == 0);
    sg_loop_fini(l);
    free(w);
}

static const struct sg_loop_ops UV_OPS = {
    .close = close_world,
    .run = run,
    .stop = stop,
    .clock_ns = clock_ns,
    .alarm = set_alarm,
    .turn = one_more_turn,
    .resolve = resolve,
    .resolve_cancel = resolve_cancel,
    .connect = sg_uv_stream_connect,
    .wrap = sg_uv_stream_wrap,
    .adopted = sg_uv_stream_adopted,
    .write = sg_uv_stream_write,
    .pause = sg_uv_stream_pause,
    .stream_close = sg_uv_stream_close,
    .listen = sg_uv_listen,
    .listener_port = sg_uv_listener_port,
    .listener_close = sg_uv_listener_close,
    .watch_open = sg_uv_watch_open,
    .watch_set = sg_uv_watch_set,
    .watch_close = sg_uv_watch_close,
    .worker_open = sg_uv_worker_open,
    .worker_submit = sg_uv_worker_submit,
    .worker_close = sg_uv_worker_close,
    .process_start = sg_uv_process_start,
    .process_kill = sg_uv_process_stop,
    .process_id = sg_uv_process_id,
    .process_close = sg_uv_process_close,
    .on_signal = on_signal,
};

int sg_loop_open_uv(struct sg_loop **out, uint64_t seed, struct sg_err *err) {
    struct sg_uv_world *w = sg_xcalloc(1, sizeof *w);
    int rc = uv_loop_init(&w->uv);
    if (rc == 0) rc = uv_async_init(&w->uv, &w->done, on_jobs_done);
    if (rc) {
        free(w);
        return sg_fail_sys(err, SG_E_IO, -rc, "cannot open the event loop");
    }
    sg_loop_init(&w->base, &UV_OPS, seed);
    uv_timer_init(&w->uv, &w->timer);
    uv_idle_init(&w->uv, &w->idle);
    uv_signal_init(&w->uv, &w->sigint);
    uv_signal_init(&w->uv, &w->sigterm);
    uv_signal_init(&w->uv, &w->sighup);
    uv_signal_init(&w->uv, &w->sigchld);
    w->timer.data = w->idle.data = w->done.data = w;
    w->sigint.data = w->sigterm.data = w->sighup.data = w->sigchld.data = w;
    uv_unref((uv_handle_t *)&w->done);
    *out = &w->base;
    return 0;
}
