/* SPDX-License-Identifier: Apache-2.0 */
/* loop_ops: what a world has to bring, and what it shares with the others (private to src/net).
 *
 * A world embeds `struct sg_loop` and its own stream types begin with `struct sg_stream`. It calls sg_loop_enter before and
 * sg_loop_leave after every callback into the engine: that sets the time of the turn and runs the deferred calls when no
 * frame of the engine is on the stack any more. */
#ifndef SG_NET_LOOP_OPS_H
#define SG_NET_LOOP_OPS_H

#include "net/loop.h"

#include <pthread.h>

#define SG_NO_ALARM UINT64_MAX

struct sg_loop_ops {
    void (*close)(struct sg_loop *l); /* frees it */
    void (*run)(struct sg_loop *l);
    void (*stop)(struct sg_loop *l);
    uint64_t (*clock_ns)(const struct sg_loop *l);
    /* Call sg_loop_run_timers at this time (replaces the last wish), or never. An armed alarm keeps the loop running. */
    void (*alarm)(struct sg_loop *l, uint64_t due_ns);
    /* Enter and leave once more before the loop blocks: deferred calls are waiting. */
    void (*turn)(struct sg_loop *l);

    void (*resolve)(struct sg_loop *l, struct sg_resolve *r, struct sg_str host, uint16_t port);
    void (*resolve_cancel)(struct sg_resolve *r);

    int (*connect)(struct sg_loop *l, const struct sg_address *to, struct sg_stream **out);
    int (*wrap)(struct sg_loop *l, int fd, struct sg_stream **out);
    void (*adopted)(struct sg_stream *s);
    ssize_t (*write)(struct sg_stream *s, const void *p, size_t n);
    void (*pause)(struct sg_stream *s, bool on);
    void (*stream_close)(struct sg_stream *s, bool reset);
    int (*listen)(struct sg_loop *l, const struct sg_address *at, sg_accept_fn *on_accept, void *ud,
                  struct sg_listener **out, struct sg_err *err);
    uint16_t (*listener_port)(const struct sg_listener *ln);
    void (*listener_close)(struct sg_listener *ln);

    /* NULL, all three: there are no descriptors in this world. */
    int (*watch_open)(struct sg_loop *l, int fd, void (*on_ready)(void *ud, int fd, int events), void *ud,
                      struct sg_watch **out);
    void (*watch_set)(struct sg_watch *w, int events);
    void (*watch_close)(struct sg_watch *w);

    int (*worker_open)(struct sg_loop *l, const char *name, struct sg_worker **out);
    void (*worker_submit)(struct sg_worker *w, struct sg_job *j);
    void (*worker_close)(struct sg_worker *w);

    int (*process_start)(struct sg_loop *l, const struct sg_spawn *how, const struct sg_stream_events *ev,
                         void *stream_ud, struct sg_process **out, struct sg_stream **stream, struct sg_err *err);
    void (*process_kill)(struct sg_process *p);
    int (*process_id)(const struct sg_process *p);
    void (*process_close)(struct sg_process *p);
    void (*on_signal)(struct sg_loop *l, void (*fn)(void *ud, int signal), void *ud);
};

/* Keys beside the pointer: comparing two timers touches the heap's array only. */
struct sg_heap_entry {
    uint64_t due_ns, order;
    struct sg_timer *timer;
};

struct sg_loop {
    const struct sg_loop_ops *ops;
    uint64_t now_ns; /* of this turn; only valid while depth > 0 */
    unsigned depth;  /* sg_loop_enter without sg_loop_leave */
    int sys_error;
    struct sg_rng rng;

    struct sg_heap_entry *heap;
    size_t n_timers, cap_timers;
    uint64_t timer_order; /* starts counted, so that equal times fire in the order of starting */
    uint64_t alarm_ns;

    struct sg_later *later_head, *later_tail;
    size_t n_later;

    pthread_mutex_t done_lock; /* guards the two below */
    struct sg_job *done_head, *done_tail;
};

/* A stream over another one: the calls of loop.h go to it and not to the world. */
struct sg_stream_layer {
    void (*adopted)(struct sg_stream *s);
    ssize_t (*write)(struct sg_stream *s, const void *p, size_t n);
    void (*pause)(struct sg_stream *s, bool on);
    void (*close)(struct sg_stream *s, bool reset);
    const struct sg_err *(*error)(const struct sg_stream *s);
};

struct sg_stream {
    struct sg_loop *loop;
    const struct sg_stream_events *ev;
    void *ud;
    const struct sg_stream_layer *layer; /* NULL: a socket of the world */
};
struct sg_listener {
    struct sg_loop *loop;
};
struct sg_watch {
    struct sg_loop *loop;
};
struct sg_worker {
    struct sg_loop *loop;
};
struct sg_process {
    struct sg_loop *loop;
    void *page; /* shared with the child, or NULL */
};

void sg_loop_init(struct sg_loop *l, const struct sg_loop_ops *ops, uint64_t seed);
/* The last step of ops->close before the world's own memory goes. */
void sg_loop_fini(struct sg_loop *l);
void sg_loop_enter(struct sg_loop *l);
void sg_loop_leave(struct sg_loop *l);
/* Between enter and leave: fires what is due at now_ns and sets the next alarm. */
void sg_loop_run_timers(struct sg_loop *l);

/* Any thread: a job is finished. True: the queue was empty, so the world must be woken to call sg_loop_run_done. */
bool sg_loop_add_done(struct sg_loop *l, struct sg_job *j);
/* Between enter and leave: calls `done` of the finished jobs, in the order of finishing. Returns how many. */
size_t sg_loop_run_done(struct sg_loop *l);
/* Takes a worker's finished jobs out of the queue. Returns how many. */
size_t sg_loop_drop_done(struct sg_loop *l, const struct sg_worker *w);

/* Addresses that need no look-up: numbers, and localhost, which is the loopback (RFC 6761 6.3), IPv4 first as that is where
 * model servers listen. Fills r and returns true, or returns false. */
bool sg_resolve_directly(struct sg_resolve *r, struct sg_str host, uint16_t port);

#endif
