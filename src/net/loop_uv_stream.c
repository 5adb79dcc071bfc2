/* SPDX-License-Identifier: Apache-2.0 */
/* loop_uv_stream: sockets on libuv's poll handles, and watches of descriptors that are not ours.
 *
 * libuv's own streams copy, allocate and queue; here a socket is read by one recv into the loop's shared buffer and written
 * by one send from the caller's, and epoll is told once that a connection wants to be read. Being level-triggered it needs
 * no second recv to see EAGAIN: what one recv has left is reported again.
 *
 * Connecting: over loopback (and for Unix sockets) the handshake is over when connect returns, but the event would come only
 * after a full round of ready sockets, which at 10,000 connections delays each first request by a second. So the socket is
 * asked once right after connect, and then opens as a deferred call. */
#include "net/loop_uv.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPT_AT_ONCE 64
#define ACCEPT_PAUSE_MS 100
#define BACKLOG 4096 /* the system cuts it to net.core.somaxconn */

enum state { FRESH, CONNECTING, OPEN, ENDED, CLOSED };

struct uv_socket {
    struct sg_stream base;
    uv_poll_t poll;
    struct sg_later opened; /* a connect that was done at once */
    int fd;
    int watched; /* events that epoll was told */
    uint8_t state;
    bool paused, want_room;
};

struct uv_acceptor {
    struct sg_listener base;
    uv_poll_t poll;
    struct sg_timer pause;
    int fd;
    sg_accept_fn *on_accept;
    void *ud;
};

static void on_poll(uv_poll_t *handle, int status, int events);

static int note(struct sg_loop *l, int code, int sys) {
    l->sys_error = sys;
    return code;
}

/* --- interest ------------------------------------------------------------------------------------------------------ */

static void watch(struct uv_socket *s) {
    int events = 0;
    if (s->state == OPEN && !s->paused) events |= UV_READABLE;
    if (s->state == CONNECTING || s->want_room) events |= UV_WRITABLE;
    if (events == s->watched) return;
    s->watched = events;
    if (events)
        uv_poll_start(&s->poll, events, on_poll);
    else
        uv_poll_stop(&s->poll);
}

/* --- life ----------------------------------------------------------------------------------------------------------- */

/* Takes the descriptor, also on failure. */
static int new_socket(struct sg_loop *l, int fd, struct uv_socket **out) {
    struct uv_socket *s = sg_xcalloc(1, sizeof *s);
    int rc = uv_poll_init(&sg_uv_world(l)->uv, &s->poll, fd);
    if (rc) {
        close(fd);
        free(s);
        return note(l, SG_E_IO, -rc);
    }
    s->base.loop = l;
    s->fd = fd;
    *out = s;
    return 0;
}

static void on_opened_at_once(struct sg_later *d) {
    struct uv_socket *s = d->ud;
    s->state = OPEN;
    watch(s);
    s->base.ev->on_open(s->base.ud, 0);
}

/* Connected, refused, or on its way? */
static int outcome_now(int fd) {
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    if (poll(&p, 1, 0) <= 0) return EINPROGRESS;
    if (!(p.revents & (POLLERR | POLLHUP))) return 0;
    int sys = 0;
    socklen_t n = sizeof sys;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &sys, &n);
    return sys;
}

static int start_connect(int fd, const struct sg_address *to) {
    int on = 1;
    const struct sockaddr *sa = (const struct sockaddr *)to->bytes;
    if (sa->sa_family != AF_UNIX) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(fd, sa, to->n) == 0) return 0;
    return errno == EINPROGRESS || errno == EINTR ? outcome_now(fd) : errno;
}

int sg_uv_stream_connect(struct sg_loop *l, const struct sg_address *to, struct sg_stream **out) {
    sa_family_t family = ((const struct sockaddr *)to->bytes)->sa_family;
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return note(l, SG_E_CONNECT, errno);
    int sys = start_connect(fd, to);
    if (sys && sys != EINPROGRESS) {
        close(fd);
        return note(l, SG_E_CONNECT, sys);
    }
    struct uv_socket *s;
    int rc = new_socket(l, fd, &s);
    if (rc) return rc;
    s->opened = (struct sg_later){.run = on_opened_at_once, .ud = s};
    s->state = sys ? CONNECTING : FRESH;
    if (sys)
        watch(s);
    else
        sg_later(l, &s->opened);
    *out = &s->base;
    return 0;
}

int sg_uv_stream_wrap(struct sg_loop *l, int fd, struct sg_stream **out) {
    struct uv_socket *s;
    int rc = new_socket(l, fd, &s);
    if (rc == 0) *out = &s->base;
    return rc;
}

void sg_uv_stream_adopted(struct sg_stream *base) {
    struct uv_socket *s = (struct uv_socket *)base;
    SG_ASSERT(s->state == FRESH);
    s->state = OPEN;
    watch(s);
}

static void on_socket_closed(uv_handle_t *handle) {
    struct uv_socket *s = (struct uv_socket *)((char *)handle - offsetof(struct uv_socket, poll));
    free(s);
}

/* libuv takes the descriptor out of epoll in uv_close, so it may be closed after that and not before. */
void sg_uv_stream_close(struct sg_stream *base, bool reset) {
    struct uv_socket *s = (struct uv_socket *)base;
    if (s->state == CLOSED) return;
    s->state = CLOSED;
    sg_later_cancel(base->loop, &s->opened);
    uv_close((uv_handle_t *)&s->poll, on_socket_closed);
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (reset) setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close(s->fd);
}

/* --- reading and writing -------------------------------------------------------------------------------------------- */

static void end_with(struct uv_socket *s, const char *p, int status) {
    s->state = ENDED;
    s->want_room = false;
    watch(s);
    s->base.ev->on_data(s->base.ud, p, 0, status);
}

static int broken_status(int sys) {
    return sys == ECONNRESET || sys == EPIPE || sys == ETIMEDOUT || sys == ECONNABORTED ? SG_E_RESET : SG_E_IO;
}

/* False: nothing there. */
static bool receive(struct uv_socket *s) {
    struct sg_uv_world *w = sg_uv_world(s->base.loop);
    ssize_t n = recv(s->fd, w->received, sizeof w->received, 0);
    if (n > 0)
        s->base.ev->on_data(s->base.ud, w->received, (size_t)n, 0);
    else if (n == 0)
        end_with(s, w->received, 0);
    else if (errno == EAGAIN || errno == EINTR)
        return false;
    else
        end_with(s, NULL, note(s->base.loop, broken_status(errno), errno));
    return true;
}

ssize_t sg_uv_stream_write(struct sg_stream *base, const void *p, size_t n) {
    struct uv_socket *s = (struct uv_socket *)base;
    SG_ASSERT(s->state == OPEN || s->state == ENDED);
    ssize_t taken;
    do taken = send(s->fd, p, n, MSG_NOSIGNAL);
    while (taken < 0 && errno == EINTR);
    if (taken < 0 && errno != EAGAIN) return note(base->loop, broken_status(errno), errno);
    if (taken < 0) taken = 0;
    if ((size_t)taken < n) {
        s->want_room = true;
        watch(s);
    }
    return taken;
}

void sg_uv_stream_pause(struct sg_stream *base, bool on) {
    struct uv_socket *s = (struct uv_socket *)base;
    s->paused = on;
    if (s->state != CLOSED) watch(s);
}

/* --- events ----------------------------------------------------------------------------------------------------------- */

static void on_connected(struct uv_socket *s) {
    int sys = outcome_now(s->fd);
    if (sys == EINPROGRESS) {
        watch(s);
        return;
    }
    s->state = sys ? ENDED : OPEN;
    watch(s);
    int status = sys ? note(s->base.loop, SG_E_CONNECT, sys) : 0;
    s->base.ev->on_open(s->base.ud, status);
}

static void on_room(struct uv_socket *s) {
    s->want_room = false;
    watch(s);
    if (s->base.ev->on_room) s->base.ev->on_room(s->base.ud);
}

/* After a socket error libuv has stopped the handle and does not say which error it was: recv does, after the data that
 * arrived before it. */
static void on_error(struct uv_socket *s) {
    s->watched = 0;
    if (s->state == CONNECTING) {
        on_connected(s);
        return;
    }
    while (s->state == OPEN && !s->paused && receive(s)) {}
    if (s->state == OPEN || s->state == ENDED) watch(s);
}

static void on_poll(uv_poll_t *handle, int status, int events) {
    struct uv_socket *s = (struct uv_socket *)((char *)handle - offsetof(struct uv_socket, poll));
    struct sg_loop *l = s->base.loop;
    sg_loop_enter(l);
    if (status < 0) {
        on_error(s);
    } else if (s->state == CONNECTING) {
        on_connected(s);
    } else {
        if ((events & UV_READABLE) && s->state == OPEN && !s->paused) receive(s);
        if ((events & UV_WRITABLE) && s->want_room && s->state != CLOSED) on_room(s);
    }
    sg_loop_leave(l);
}

/* --- listening -------------------------------------------------------------------------------------------------------- */

static void accept_one(struct uv_acceptor *a, int fd) {
    struct uv_socket *s;
    if (new_socket(a->base.loop, fd, &s) != 0) return;
    a->on_accept(a->ud, &s->base);
    SG_ASSERT(s->state != FRESH);
}

static void on_accept_again(struct sg_timer *t);
static void on_incoming(uv_poll_t *handle, int status, int events);

/* Without a free descriptor the listener would report the same connection for ever: it rests. */
static void rest(struct uv_acceptor *a) {
    uv_poll_stop(&a->poll);
    a->pause = (struct sg_timer){.on_fire = on_accept_again, .ud = a};
    sg_timer_start(a->base.loop, &a->pause, SG_MS(ACCEPT_PAUSE_MS));
}

static void on_accept_again(struct sg_timer *t) {
    struct uv_acceptor *a = t->ud;
    uv_poll_start(&a->poll, UV_READABLE, on_incoming);
}

static void on_incoming(uv_poll_t *handle, int status, int events) {
    (void)status, (void)events;
    struct uv_acceptor *a = (struct uv_acceptor *)((char *)handle - offsetof(struct uv_acceptor, poll));
    struct sg_loop *l = a->base.loop;
    sg_loop_enter(l);
    for (int i = 0; i < ACCEPT_AT_ONCE && a->fd >= 0; i++) {
        int fd = accept4(a->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            accept_one(a, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            rest(a);
            break;
        } else if (errno != ECONNABORTED && errno != EINTR) {
            break;
        }
    }
    sg_loop_leave(l);
}

/* TCP_NODELAY is inherited by the connections (Linux), which saves a call for each. */
static int listening_socket(const struct sg_address *at, int *out) {
    int on = 1;
    const struct sockaddr *sa = (const struct sockaddr *)at->bytes;
    int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (sa->sa_family != AF_UNIX) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bind(fd, sa, at->n) != 0 || listen(fd, BACKLOG) != 0) {
        int sys = errno;
        close(fd);
        return sys;
    }
    *out = fd;
    return 0;
}

int sg_uv_listen(struct sg_loop *l, const struct sg_address *at, sg_accept_fn *on_accept, void *ud,
                 struct sg_listener **out, struct sg_err *err) {
    int fd = -1, sys = listening_socket(at, &fd);
    if (sys) return sg_fail_sys(err, note(l, SG_E_IO, sys), sys, "cannot listen");
    struct uv_acceptor *a = sg_xcalloc(1, sizeof *a);
    *a = (struct uv_acceptor){.base = {l}, .fd = fd, .on_accept = on_accept, .ud = ud};
    int rc = uv_poll_init(&sg_uv_world(l)->uv, &a->poll, fd);
    if (rc) {
        close(fd);
        free(a);
        return sg_fail_sys(err, note(l, SG_E_IO, -rc), -rc, "cannot listen");
    }
    uv_poll_start(&a->poll, UV_READABLE, on_incoming);
    *out = &a->base;
    return 0;
}

uint16_t sg_uv_listener_port(const struct sg_listener *ln) {
    struct sockaddr_storage sa = {0};
    socklen_t n = sizeof sa;
    getsockname(((const struct uv_acceptor *)ln)->fd, (struct sockaddr *)&sa, &n);
    if (sa.ss_family == AF_INET) return ntohs(((struct sockaddr_in *)&sa)->sin_port);
    return sa.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)&sa)->sin6_port) : 0;
}

static void on_acceptor_closed(uv_handle_t *handle) {
    free((char *)handle - offsetof(struct uv_acceptor, poll));
}

void sg_uv_listener_close(struct sg_listener *ln) {
    struct uv_acceptor *a = (struct uv_acceptor *)ln;
    sg_timer_stop(ln->loop, &a->pause);
    uv_close((uv_handle_t *)&a->poll, on_acceptor_closed);
    close(a->fd);
    a->fd = -1;
}

/* --- watches --------------------------------------------------------------------------------------------------------- */

struct uv_watch {
    struct sg_watch base;
    uv_poll_t poll;
    int fd;
    void (*on_ready)(void *ud, int fd, int events);
    void *ud;
};

static void on_watched(uv_poll_t *handle, int status, int events) {
    struct uv_watch *w = handle->data;
    struct sg_loop *l = w->base.loop;
    int seen = status < 0 ? SG_WATCH_BROKEN : 0;
    if (events & UV_READABLE) seen |= SG_WATCH_READ;
    if (events & UV_WRITABLE) seen |= SG_WATCH_WRITE;
    sg_loop_enter(l);
    w->on_ready(w->ud, w->fd, seen);
    sg_loop_leave(l);
}

int sg_uv_watch_open(struct sg_loop *l, int fd, void (*on_ready)(void *ud, int fd, int events), void *ud,
                     struct sg_watch **out) {
    struct uv_watch *w = sg_xcalloc(1, sizeof *w);
    int rc = uv_poll_init(&sg_uv_world(l)->uv, &w->poll, fd);
    if (rc) {
        free(w);
        return note(l, SG_E_IO, -rc);
    }
    w->base.loop = l;
    w->poll.data = w;
    w->fd = fd;
    w->on_ready = on_ready;
    w->ud = ud;
    *out = &w->base;
    return 0;
}

void sg_uv_watch_set(struct sg_watch *base, int events) {
    struct uv_watch *w = (struct uv_watch *)base;
    int wanted = (events & SG_WATCH_READ ? UV_READABLE : 0) | (events & SG_WATCH_WRITE ? UV_WRITABLE : 0);
    if (wanted) uv_poll_start(&w->poll, wanted, on_watched);
    else uv_poll_stop(&w->poll);
}

static void on_watch_closed(uv_handle_t *handle) {
    free(handle->data);
}

void sg_uv_watch_close(struct sg_watch *base) {
    struct uv_watch *w = (struct uv_watch *)base;
    uv_close((uv_handle_t *)&w->poll, on_watch_closed);
}
