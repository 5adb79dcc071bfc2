/* SPDX-License-Identifier: Apache-2.0 */
/* parts: what the files of the simulator know of each other (private to src/sim).
 *
 * world.c has the clock, the draws, the events and the lives; loop_sim.c the loop; stream_sim.c sockets; host_sim.c hook
 * hosts; disk_sim.c files; endpoint_sim.c what the mock was asked. All that must outlive a process is reached from
 * `struct sg_sim` and lies in one shared mapping, at one address in all processes, so that it may hold pointers. */
#ifndef SG_SIM_PARTS_H
#define SG_SIM_PARTS_H

#include "net/loop_ops.h"
#include "sim/sim.h"

/* --- world.c ------------------------------------------------------------------------------------------------------ */

#define SG_SIM_STORE_CLASSES 32

struct sg_sim {
    struct sg_sim_options o;
    struct sg_rng rng;
    uint64_t now_ns;    /* since the world began */
    uint64_t ahead_ns;  /* how far the job that runs has come */
    uint64_t booted_ns; /* the monotonic clock counts from here */
    uint64_t boots;
    uint64_t events, born_at; /* events so far; when this life began */
    struct sg_sim_life life;  /* as it was wished */
    uint64_t operations;      /* on files, in this life */
    uint64_t fingerprint;
    uint64_t hits[SG_SIM_FAULTS];
    uint32_t kills_left;  /* of hosts, in this life */
    bool alive;           /* in a life: things are noted, faults happen */
    bool in_turn, in_job; /* the loop calls the engine; a worker does */
    bool killed;
    const char *job; /* name of the worker whose job runs */
    char violation[512];

    struct {
        char *at, *end;
        void *freed[SG_SIM_STORE_CLASSES]; /* by power of two */
    } store;
    struct sg_sim_disk *disk;
    struct sg_sim_endpoints *endpoints;
};

/* The world of this process; the system table has no other way to know it. */
extern struct sg_sim *sg_sim_world;

/* An event: counted, traced; the end of the life when it is the one to be killed at. */
void sg_sim_note(struct sg_sim *s, const char *kind, const char *what, uint64_t object, int64_t value);
/* The end of the process, here and now. */
void sg_sim_die(struct sg_sim *s) __attribute__((noreturn));
/* World time, in a job as far as it has come. */
uint64_t sg_sim_time(const struct sg_sim *s);
uint64_t sg_sim_clock_ns(const struct sg_sim *s); /* monotonic, from boot */

uint64_t sg_sim_below(struct sg_sim *s, uint64_t n); /* 0 .. n - 1; n > 0 */
bool sg_sim_chance(struct sg_sim *s, double share);
bool sg_sim_hit(struct sg_sim *s, enum sg_sim_fault f);
/* From low to high, as often near the one as near the other by their logarithm. low > 0. */
uint64_t sg_sim_spread(struct sg_sim *s, uint64_t low, uint64_t high);
/* One way over the network. */
uint64_t sg_sim_latency(struct sg_sim *s);

/* Shared memory, cleared; never gives up. The size is given back with it. */
void *sg_sim_alloc(struct sg_sim *s, size_t n);
void sg_sim_free(struct sg_sim *s, void *p, size_t n);

/* --- loop_sim.c --------------------------------------------------------------------------------------------------- */

/* Something that will happen: in its owner's storage. */
struct sg_sim_plan {
    uint64_t due_ns, order;
    size_t slot; /* place in the heap + 1; 0: not planned */
    const char *kind, *what;
    uint64_t object;
    void (*run)(struct sg_sim_plan *p);
    void *ud;
    bool outside; /* not the loop thread's: no turn around it */
};

struct sg_sim_loop {
    struct sg_loop base;
    struct sg_sim *sim;
    struct sg_sim_plan **heap;
    size_t n, cap;
    uint64_t order;
    struct sg_sim_plan alarm, turn;
    bool stopping, running;
    void (*on_signal)(void *ud, int signal);
    void *signal_ud;
    bool signaled;
    uint64_t objects;                              /* numbers given so far */
    uint32_t streams, workers, processes, lookups; /* open, of all sides */
    struct sg_sim_listener *listeners;
    uint16_t next_port;
    struct sg_sim_endpoint *mocks;
};

static inline struct sg_sim_loop *sg_sim_loop_of(const struct sg_loop *l) {
    return (struct sg_sim_loop *)l;
}
void sg_sim_at(struct sg_sim_loop *l, struct sg_sim_plan *p, uint64_t due_ns); /* moves a planned one */
static inline void sg_sim_after(struct sg_sim_loop *l, struct sg_sim_plan *p, uint64_t ns) {
    sg_sim_at(l, p, l->sim->now_ns + ns);
}
void sg_sim_unplan(struct sg_sim_loop *l, struct sg_sim_plan *p);

/* --- stream_sim.c ------------------------------------------------------------------------------------------------- */

int sg_sim_connect(struct sg_loop *l, const struct sg_address *to, struct sg_stream **out);
int sg_sim_wrap(struct sg_loop *l, int fd, struct sg_stream **out);
void sg_sim_adopted(struct sg_stream *s);
ssize_t sg_sim_write(struct sg_stream *s, const void *p, size_t n);
void sg_sim_pause(struct sg_stream *s, bool on);
void sg_sim_stream_close(struct sg_stream *s, bool reset);
int sg_sim_listen(struct sg_loop *l, const struct sg_address *at, sg_accept_fn *on_accept, void *ud,
                  struct sg_listener **out, struct sg_err *err);
uint16_t sg_sim_listener_port(const struct sg_listener *ln);
void sg_sim_listener_close(struct sg_listener *ln);
/* Two ends, connected, not adopted; no delay worth the name between them. */
void sg_sim_pair(struct sg_sim_loop *l, struct sg_stream *out[2]);
/* The loop ends: connections that wait to be accepted. */
void sg_sim_drop_unaccepted(struct sg_sim_loop *l);
/* The other side has not closed it. */
bool sg_sim_peer_is_there(const struct sg_stream *s);

/* --- host_sim.c --------------------------------------------------------------------------------------------------- */

int sg_sim_process_start(struct sg_loop *l, const struct sg_spawn *how, const struct sg_stream_events *ev,
                         void *stream_ud, struct sg_process **out, struct sg_stream **stream, struct sg_err *err);
void sg_sim_process_kill(struct sg_process *p);
int sg_sim_process_id(const struct sg_process *p);
void sg_sim_process_close(struct sg_process *p);

/* --- disk_sim.c --------------------------------------------------------------------------------------------------- */

extern const struct sg_os sg_sim_os;
struct sg_sim_disk *sg_sim_disk_make(struct sg_sim *s);
void sg_sim_disk_cut(struct sg_sim *s);
/* What processes had open is closed. */
void sg_sim_disk_release(struct sg_sim *s);

/* --- endpoint_sim.c ----------------------------------------------------------------------------------------------- */

void sg_sim_endpoints_make(struct sg_sim *s);
/* No request is under way any more. */
void sg_sim_endpoints_release(struct sg_sim *s);
void sg_sim_close_mocks(struct sg_sim_loop *l);

#endif
