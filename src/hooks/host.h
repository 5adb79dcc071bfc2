/* SPDX-License-Identifier: Apache-2.0 */
/* host: one hook host as the engine sees it: process, socket, what it was asked and has not answered yet, and its
 * deadline.
 *
 * Knows no queue and no other host: the pool (hosts.c) decides what it is sent, and what becomes of its calls when it
 * ends.
 * Memory: a host is its own until sg_host_close, which may be called in any of its events.
 * Async: events never from inside a function of this header. After on_end comes no other event; the pool then reads
 * the slots and closes the host. */
#ifndef SG_HOOKS_HOST_H
#define SG_HOOKS_HOST_H

#include "hooks/frame.h"
#include "hooks/hooks.h"

/* Calls that a host may hold: enough for it to find a next one when it has answered, few enough to move elsewhere. */
#define SG_HOST_SLOTS 32

/* Until its hello; until all loads are answered; for good. */
enum sg_host_state { SG_HOST_STARTING, SG_HOST_LOADING, SG_HOST_READY };

/* Whether a call is what ended the host: no; nobody can say; yes. */
enum sg_host_blame { SG_BLAME_NONE, SG_BLAME_UNSURE, SG_BLAME_SURE };

struct sg_host_slot {
    struct sg_hook_call *call; /* NULL: nobody waits for the answer any more */
    uint64_t id;
    uint64_t since_ns; /* at work since, as far as one can know; 0: not yet */
    enum sg_host_blame blame;
};

struct sg_host;

struct sg_host_events {
    /* `refusal` is NULL when the hook is loaded, else the JSON object that tells why it is not. */
    void (*on_loaded)(struct sg_host *host, uint32_t hook, const struct sg_json *refusal);
    void (*on_ready)(struct sg_host *host); /* all loads are answered; later: there is room again */
    /* Result or error; the slot is free already. */
    void (*on_answer)(struct sg_host *host, struct sg_hook_call *call, const struct sg_answer_frame *answer,
                      bool result);
    void (*on_print)(struct sg_host *host, struct sg_hook_call *call, struct sg_str text);
    /* A call that another host should take: this one has been at its first for long. */
    void (*on_return)(struct sg_host *host, struct sg_hook_call *call);
    void (*on_end)(struct sg_host *host, const struct sg_err *why);
};

struct sg_host_setup {
    struct sg_loop *loop;
    const char *exe, *kind; /* started as: exe --host kind */
    uint64_t memory_bytes, result_bytes;
    uint32_t deadline_ms;
    double now; /* what `now` gives in hooks; 0: the clock */
    const struct sg_host_events *ev;
    void *ud;
};

struct sg_host {
    struct sg_host *next; /* the pool's */
    void *ud;
    const struct sg_host_setup *how;
    struct sg_process *process;
    struct sg_stream *stream;
    struct sg_frames in;
    struct sg_buf out;
    size_t written; /* of out */
    struct sg_buf values; /* a call's state, on its way into out */
    struct sg_arena arena;
    struct sg_timer timer;
    int pid;
    enum sg_host_state state;
    bool serial;   /* answers in the order of the calls, one at work */
    uint32_t window; /* calls it wants to hold */
    uint32_t *loads; /* hooks it was told to load, in order */
    size_t n_loads, cap_loads, n_loaded;
    struct sg_host_slot slots[SG_HOST_SLOTS]; /* in the order of sending */
    uint32_t n_slots;
    bool returned; /* the calls behind the first were given back */
    uint64_t since_ns; /* of starting, or of the last load's answer, or of exit */
    bool stream_ended, exited, killed, ended;
    int exit_status, signal;
    char words[256]; /* what it printed last on its own account */
    uint32_t busy;   /* events under way: the memory stays */
};

/* Errors: SG_E_HOST: the program cannot be started. */
int sg_host_start(const struct sg_host_setup *how, struct sg_host **out, struct sg_err *err);
void sg_host_close(struct sg_host *host);

/* Before the host is ready. `again`: another host has loaded the same before. */
void sg_host_load(struct sg_host *host, uint32_t hook, const char *language, struct sg_str text, bool state,
                  bool again);
bool sg_host_has_room(const struct sg_host *host);
/* Encodes; sg_host_flush sends. Errors: SG_E_LIMIT: the input is too large; the call is not in the host then. */
int sg_host_send(struct sg_host *host, struct sg_hook_call *call, enum sg_hook_args args, struct sg_err *err);
void sg_host_flush(struct sg_host *host);
/* The call's struct is not touched any more. */
void sg_host_forget(struct sg_host *host, struct sg_hook_call *call);

#endif
