/* SPDX-License-Identifier: Apache-2.0 */
/* sim: a world of its own for the engine, under one seed: virtual time, a network, a disk, hook hosts, and processes that
 * die (design D15, protocols 6.2). The same seed and options give the same events, one after the other, on every machine.
 *
 * A world outlives the processes in it: its disk, its clock and what its endpoints were asked lie in memory that is shared
 * with forked children. A life is such a child: it runs the engine with the loop and the system table of this world until it
 * ends or is killed at a given event; then the next one may be forked, on what the last one has left behind.
 *
 *     sg_sim_open(&options, &s);
 *     sg_sim_put_file(s, "/task/data.jsonl", text);
 *     sg_sim_live(s, &(struct sg_sim_life){.kill_at = 1234}, run_engine, ud, &death);
 *     sg_sim_cut_power(s);                            only what was synced is sure to be there
 *     sg_sim_live(s, &(struct sg_sim_life){0}, resume_engine, ud, &death);
 *
 * What it hides: that worker threads run in line, each job at a drawn time; sockets between the engine and the mock; the
 * host's side of the hook protocol; sectors that were written and not synced.
 * What it is not: threads never run at the same time, so races of memory are tsan's business.
 * Memory: owned; sg_sim_close frees it.   Thread: one.   One world at a time is the process's. */
#ifndef SG_SIM_SIM_H
#define SG_SIM_SIM_H

#include "mock/mock.h"
#include "net/loop.h"

struct sg_sim;

/* name: what the share is of */
#define SG_SIM_FAULT_TABLE(X)                                                                                        \
    X(resolve, "look-ups that find nothing")                                                                         \
    X(refuse, "connections that are refused")                                                                        \
    X(reset, "connections that break at some time")                                                                  \
    X(trickle, "connections that bring a few bytes at a time")                                                       \
    X(narrow, "connections that hold few bytes under way, so that writes are short")                                 \
    X(slow_job, "jobs of workers that take up to seconds")                                                           \
    X(host_kill, "hook calls at which their host is killed from outside")                                            \
    X(host_crash, "hook calls that crash their host")                                                                \
    X(host_hang, "hook calls that never end")                                                                        \
    X(host_noise, "hook calls that are answered with nonsense")                                                      \
    X(short_write, "writes to files that are taken in part")                                                         \
    X(write_error, "writes to files that fail (EIO)")                                                                \
    X(read_error, "reads of files that fail (EIO)")                                                                  \
    X(sync_error, "syncs that fail (EIO); what they should have brought to the disk may be lost")

enum sg_sim_fault {
#define SG_X(name, text) SG_SIM_##name,
    SG_SIM_FAULT_TABLE(SG_X)
#undef SG_X
        SG_SIM_FAULTS,
};
extern const char *const sg_sim_fault_names[SG_SIM_FAULTS];

/* A hook program, known by its text. Appends a JSON array of its outputs; or a message, and returns false. */
struct sg_sim_program {
    const char *text;
    bool (*run)(struct sg_arena *a, const struct sg_json *input, const struct sg_json *state, struct sg_buf *out);
    /* What it does beside its result, as hooks in Python do: {"kept", "changed"}. NULL: nothing. */
    void (*effects)(const struct sg_json *input, struct sg_buf *out);
};

struct sg_sim_event {
    uint64_t number, at_ns;
    const char *kind; /* "data", "pwrite", ...: a constant */
    const char *what; /* a path, a worker's name; "" */
    uint64_t object;  /* number of a stream, worker, ...; 0: none */
    int64_t value;    /* bytes, status */
};

struct sg_sim_options {
    uint64_t seed;
    double rates[SG_SIM_FAULTS];
    uint64_t calm_after_ns; /* from then on no look-up, connection or host fails; 0: they always may */
    uint32_t host_kills;    /* hosts killed from outside in one life, at most */
    double latency_ms;      /* one way, mean; 0: 1 */
    uint64_t disk_bytes;    /* room on the disk; 0: no end */
    uint64_t disk_fail_at;  /* the n-th operation on files that can fail does, in all lives together; 0: none */
    int disk_errno;         /* of that; 0: EIO */
    uint64_t end_at_ns;     /* a life that is still there then has broken a rule, and is killed; 0: never */
    const struct sg_sim_program *programs;
    size_t n_programs;
    /* Each event, before its effect; may be NULL. Called in the child. */
    void (*on_event)(void *ud, const struct sg_sim_event *e);
    /* Bytes that were just written to a file; may be NULL. */
    void (*on_write)(void *ud, const char *path, uint64_t at, const char *p, size_t n);
    void *ud;
};

int sg_sim_open(const struct sg_sim_options *o, struct sg_sim **out);
void sg_sim_close(struct sg_sim *s);

/* --- lives -------------------------------------------------------------------------------------------------------- */

struct sg_sim_life {
    uint64_t kill_at;           /* killed before this event of its life, from 1; 0: not */
    uint64_t kill_at_operation; /* the same by operations on files that change or read them */
    uint64_t signal_at;         /* SIGINT at this event; 0: none */
    int out, err;               /* become its stdout and stderr; 0: inherited */
    bool here;                  /* no fork, for a debugger: kill_at ends this process */
};
struct sg_sim_death {
    bool killed;     /* as wished */
    int status;      /* what `live` returned */
    int signal;      /* it crashed; status is then 0 */
    uint64_t events; /* of its life */
};
void sg_sim_live(struct sg_sim *s, const struct sg_sim_life *how, int (*live)(void *ud), void *ud,
                 struct sg_sim_death *out);
/* Between lives: the machine lost power. Of what was written and not synced a drawn part is on the disk. */
void sg_sim_cut_power(struct sg_sim *s);
/* From now on nothing fails, and the disk has room. */
void sg_sim_calm(struct sg_sim *s);

/* In a life: the loop; `seed` as for sg_loop_open_uv. Closing it closes the endpoints, too. */
int sg_sim_open_loop(struct sg_sim *s, uint64_t seed, struct sg_loop **out);
/* An endpoint on the loop just opened. What it was asked before, in other lives too, counts for its faults. */
int sg_sim_add_mock(struct sg_sim *s, struct sg_loop *l, const struct sg_mock_options *o, struct sg_err *err);

/* --- looking ------------------------------------------------------------------------------------------------------ */

uint64_t sg_sim_now_ns(const struct sg_sim *s);
uint64_t sg_sim_events(const struct sg_sim *s);
/* Of all events so far: two worlds are the same when it is. */
uint64_t sg_sim_fingerprint(const struct sg_sim *s);
uint64_t sg_sim_fault_count(const struct sg_sim *s, enum sg_sim_fault f);
/* Operations on files that can fail, so far. */
uint64_t sg_sim_disk_operations(const struct sg_sim *s);
/* A rule is broken: the first text is kept over all lives. */
void sg_sim_violate(struct sg_sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "" while all is well. */
const char *sg_sim_violation(const struct sg_sim *s);

/* Files as a process would see them now; made with their folders, and durable. */
void sg_sim_put_file(struct sg_sim *s, const char *path, struct sg_str text);
/* False: there is no such file. */
bool sg_sim_get_file(struct sg_sim *s, const char *path, struct sg_str *out);
/* Bytes of it that no loss of power can take. */
uint64_t sg_sim_synced_bytes(struct sg_sim *s, const char *path);

/* What endpoints were asked, over all lives. */
struct sg_sim_asked {
    uint64_t hash, body; /* of what the mock reads of it; of its bytes, as in a run folder's rows of calls */
    char record[16];             /* the text up to the first blank of its last message */
    uint32_t requests, answered; /* answered: the reply was handed to the network whole */
    uint32_t again;              /* requests that came after that */
};
size_t sg_sim_asked(const struct sg_sim *s, const struct sg_sim_asked **out);
/* Records that were at the endpoints at the same time, at most. */
uint32_t sg_sim_peak_records(const struct sg_sim *s);

#endif
