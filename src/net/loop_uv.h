/* SPDX-License-Identifier: Apache-2.0 */
/* loop_uv: what the files of the libuv world know of each other (private to src/net). */
#ifndef SG_NET_LOOP_UV_H
#define SG_NET_LOOP_UV_H

#include "net/loop_ops.h"

#include <uv.h>

/* One recv takes a whole reply of usual size; libuv's level-triggered epoll calls again when there is more. */
#define SG_RECEIVE_BYTES (128 * 1024)

struct sg_uv_world {
    struct sg_loop base;
    uv_loop_t uv;
    uv_timer_t timer;
    uv_idle_t idle;
    uv_async_t done;
    size_t jobs; /* submitted, `done` not yet called: they keep the loop running */

    uv_signal_t sigint, sigterm, sighup, sigchld;
    void (*on_signal)(void *ud, int signal);
    void *signal_ud;
    struct sg_uv_process *processes;
    size_t watched; /* processes whose end somebody waits for: they keep the loop running */

    char received[SG_RECEIVE_BYTES];
};

static inline struct sg_uv_world *sg_uv_world(const struct sg_loop *l) {
    return (struct sg_uv_world *)l;
}

int sg_uv_stream_connect(struct sg_loop *l, const struct sg_address *to, struct sg_stream **out);
int sg_uv_stream_wrap(struct sg_loop *l, int fd, struct sg_stream **out);
void sg_uv_stream_adopted(struct sg_stream *s);
ssize_t sg_uv_stream_write(struct sg_stream *s, const void *p, size_t n);
void sg_uv_stream_pause(struct sg_stream *s, bool on);
void sg_uv_stream_close(struct sg_stream *s, bool reset);
int sg_uv_listen(struct sg_loop *l, const struct sg_address *at, sg_accept_fn *on_accept, void *ud,
                    struct sg_listener **out, struct sg_err *err);
uint16_t sg_uv_listener_port(const struct sg_listener *ln);
void sg_uv_listener_close(struct sg_listener *ln);

int sg_uv_watch_open(struct sg_loop *l, int fd, void (*on_ready)(void *ud, int fd, int events), void *ud,
                     struct sg_watch **out);
void sg_uv_watch_set(struct sg_watch *w, int events);
void sg_uv_watch_close(struct sg_watch *w);

int sg_uv_worker_open(struct sg_loop *l, const char *name, struct sg_worker **out);
void sg_uv_worker_submit(struct sg_worker *w, struct sg_job *j);
void sg_uv_worker_close(struct sg_worker *w);

int sg_uv_process_start(struct sg_loop *l, const struct sg_spawn *how, const struct sg_stream_events *ev, void *stream_ud,
                     struct sg_process **out, struct sg_stream **stream, struct sg_err *err);
void sg_uv_process_stop(struct sg_process *p);
int sg_uv_process_id(const struct sg_process *p);
void sg_uv_process_close(struct sg_process *p);
/* Kills and reaps what is left. */
void sg_uv_processes_end(struct sg_uv_world *w);

#endif
