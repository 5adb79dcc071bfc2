/* SPDX-License-Identifier: Apache-2.0 */
/* loop: the engine's only view of time, sockets, processes and threads (design D1, D15).
 *
 * One loop thread owns all runs' state. Two worlds implement the table `sg_loop_ops`: libuv (loop_uv.c) and, from the second
 * issue on, a simulator in virtual time. Timers and the queue of finished jobs are common code (loop.c), so both worlds
 * order events in the same way.
 *
 * Thread: every function is for the loop thread, except where said otherwise.
 * Callbacks: never from inside the call that starts an operation; an object may be closed in any of its callbacks.
 * Errors: 0 or a negative SG_E_* (RESOLVE, CONNECT, RESET, TIMEOUT, CANCELED, IO; over TLS also TLS and PROTOCOL).
 * sg_loop_errno tells the system's reason. */
#ifndef SG_NET_LOOP_H
#define SG_NET_LOOP_H

#include "base/base.h"

struct sg_loop;

/* --- life ------------------------------------------------------------------------------------------------------- */

/* The real world. Owned: sg_loop_close. `seed` feeds sg_loop_rng only. */
int sg_loop_open_uv(struct sg_loop **out, uint64_t seed, struct sg_err *err);
/* All objects of the loop must be closed before. */
void sg_loop_close(struct sg_loop *l);
/* Runs until sg_loop_stop, or until nothing is left that could call back. */
void sg_loop_run(struct sg_loop *l);
void sg_loop_stop(struct sg_loop *l);
/* Monotonic time of this turn of the loop; cheap. */
uint64_t sg_loop_now_ns(const struct sg_loop *l);
static inline uint64_t sg_loop_now_ms(const struct sg_loop *l) {
    return sg_loop_now_ns(l) / 1000000;
}
struct sg_rng *sg_loop_rng(struct sg_loop *l);
/* The errno behind the latest error that a stream function returned or a stream callback was given; 0: none known. */
int sg_loop_errno(const struct sg_loop *l);

/* --- timers: in the caller's storage, started and stopped at will ------------------------------------------------- */

struct sg_timer {
    void (*on_fire)(struct sg_timer *t);
    void *ud;
    uint64_t due_ns;
    size_t slot; /* place in the heap + 1; 0: not armed */
};

/* One shot; starting an armed timer moves it. Timers due at the same time fire in the order of starting. */
void sg_timer_start(struct sg_loop *l, struct sg_timer *t, uint64_t after_ns);
void sg_timer_stop(struct sg_loop *l, struct sg_timer *t);
static inline bool sg_timer_armed(const struct sg_timer *t) {
    return t->slot != 0;
}
#define SG_MS(x) ((uint64_t)(x)*1000000u)

/* --- deferred calls: run once, later in this turn or at the start of the next ---------------------------------------- */

struct sg_later {
    void (*run)(struct sg_later *d);
    void *ud;
    struct sg_later *next;
    bool queued;
};
void sg_later(struct sg_loop *l, struct sg_later *d); /* queueing a queued one does nothing */
/* For the rare case that its storage goes away before it ran: walks the queue. */
void sg_later_cancel(struct sg_loop *l, struct sg_later *d);

/* --- addresses ------------------------------------------------------------------------------------------------------- */

struct sg_address {
    uint8_t bytes[128]; /* a sockaddr_storage */
    uint32_t n;
};

struct sg_resolve {
    void (*on_done)(struct sg_resolve *r, int status); /* addresses are valid inside */
    void *ud;
    struct sg_address addresses[8];
    size_t n;
    void *impl_;
};
/* host: a name or a number; does not block. The struct is the caller's until on_done. */
void sg_resolve_start(struct sg_loop *l, struct sg_resolve *r, struct sg_str host, uint16_t port);
/* No callback comes, the struct is free at once. Does nothing when none is under way (impl_ is NULL). */
void sg_resolve_cancel(struct sg_resolve *r);
/* "unix" addresses for hook hosts and local servers. */
int sg_address_unix(struct sg_address *out, const char *path);

/* --- streams: TCP and Unix sockets ------------------------------------------------------------------------------------ */

struct sg_stream;

struct sg_stream_events {
    /* The connect ended. With an error, the stream is still to be closed by its owner. */
    void (*on_open)(void *ud, int status);
    /* Bytes that arrived, a view into the loop's shared buffer for the time of the call. n == 0: the peer has ended;
     * p == NULL: broken (status says how). After either nothing more comes. Reading stops while sg_stream_pause is on. */
    void (*on_data)(void *ud, const char *p, size_t n, int status);
    /* Room again after a short sg_stream_write. */
    void (*on_room)(void *ud);
};

/* Starts a connection; *out is owned and closed by sg_stream_close at any time. */
int sg_stream_connect(struct sg_loop *l, const struct sg_address *to, const struct sg_stream_events *ev, void *ud,
                      struct sg_stream **out);
/* Wraps a connected socket (a socketpair's end); takes the descriptor. */
int sg_stream_wrap(struct sg_loop *l, int fd, const struct sg_stream_events *ev, void *ud, struct sg_stream **out);
/* Writes what fits at once: the number of bytes taken (maybe 0, then on_room follows), or a negative SG_E_*. */
ssize_t sg_stream_write(struct sg_stream *s, const void *p, size_t n);
void sg_stream_pause(struct sg_stream *s, bool on);
/* No callback comes after it. */
void sg_stream_close(struct sg_stream *s);
/* The words for the error that a callback was given, from a layer over the socket (tls.h); NULL: it has none. */
const struct sg_err *sg_stream_error(const struct sg_stream *s);
/* Hard close: the peer sees a reset (mock server's fault). */
void sg_stream_reset(struct sg_stream *s);

struct sg_listener;
typedef void sg_accept_fn(void *ud, struct sg_stream *s); /* call sg_stream_adopt in it, or close s */
int sg_listen(struct sg_loop *l, const struct sg_address *at, sg_accept_fn *on_accept, void *ud, struct sg_listener **out,
              struct sg_err *err);
uint16_t sg_listener_port(const struct sg_listener *ln);
void sg_listener_close(struct sg_listener *ln);
void sg_stream_adopt(struct sg_stream *s, const struct sg_stream_events *ev, void *ud);

/* --- descriptors that somebody else reads and writes (libcurl's) ------------------------------------------------------ */

struct sg_watch;
enum { SG_WATCH_READ = 1, SG_WATCH_WRITE = 2, SG_WATCH_BROKEN = 4 };
/* Watches a socket from now on for SG_WATCH_READ and _WRITE as sg_watch_set says, level-triggered; at first for nothing.
 * Errors: IO; UNSUPPORTED in the simulator, which has no descriptors. */
int sg_watch_open(struct sg_loop *l, int fd, void (*on_ready)(void *ud, int fd, int events), void *ud, struct sg_watch **out);
void sg_watch_set(struct sg_watch *w, int events);
/* Before the descriptor is closed. No callback comes after it. */
void sg_watch_close(struct sg_watch *w);

/* --- threads: a worker runs jobs one after the other ----------------------------------------------------------------- */

struct sg_job {
    void (*run)(struct sg_job *j);  /* on the worker's thread; may block */
    void (*done)(struct sg_job *j); /* on the loop thread */
    void *ud;
    struct sg_job *next_;
    struct sg_worker *worker_;
};

struct sg_worker;
/* `name` shows in debuggers, at most 15 bytes. The simulator runs jobs in line, at a drawn virtual time. */
int sg_worker_open(struct sg_loop *l, const char *name, struct sg_worker **out);
/* The job's struct is the caller's until `done`. Queues are bounded by their users: they know what is under way. */
void sg_worker_submit(struct sg_worker *w, struct sg_job *j);
/* Waits for the job that is running. No `done` comes after it: neither for that one nor for queued ones, which do not run. */
void sg_worker_close(struct sg_worker *w);

/* --- processes (hook hosts) and signals ------------------------------------------------------------------------------- */

struct sg_process;
struct sg_spawn {
    const char *file;         /* path of the program */
    const char *const *argv;  /* ends in NULL */
    const char *const *env;   /* ends in NULL; the whole environment of the child */
    uint64_t memory_limit;    /* RLIMIT_AS in bytes, 0: none */
    size_t page_bytes;        /* of memory shared with the child, 0: none; there may be none all the same */
    void (*on_exit)(void *ud, int exit_status, int signal);
    void *ud;
};
/* The child gets one end of a socket pair as descriptor 3, and /dev/null as input; the other end is *stream, owned by the
 * caller. Descriptor 4 is its shared memory, cleared, which it may map. The child dies with the engine. on_exit comes once, also
 * after sg_process_kill. */
int sg_process_start(struct sg_loop *l, const struct sg_spawn *how, const struct sg_stream_events *ev, void *stream_ud,
                     struct sg_process **out, struct sg_stream **stream, struct sg_err *err);
void sg_process_kill(struct sg_process *p);
int sg_process_id(const struct sg_process *p);
/* The memory shared with it, until sg_process_close; the child may write to it at any time. NULL: none. */
const void *sg_process_page(const struct sg_process *p);
/* Forgets it: kills it if it runs, no callback comes any more. */
void sg_process_close(struct sg_process *p);

/* SIGINT, SIGTERM, and SIGHUP where it is not ignored (nohup), until the loop is closed. */
void sg_loop_on_signal(struct sg_loop *l, void (*fn)(void *ud, int signal), void *ud);

#endif
