/* SPDX-License-Identifier: Apache-2.0 */
/* host: one hook host as the engine sees it: process, socket, what it was asked and has not answered yet, its deadline
 * and its size.
 *
 * Knows no queue and no other host: the pool (hosts.c) decides what it is sent, and what becomes of its calls when it
 * ends. An attached host has no process: it was there before, and is never killed.
 * Memory: a host is its own until sg_host_close, which may be called in any of its events.
 * Async: events never from inside a function of this header. After on_end comes no other event; the pool then reads
 * the slots and closes the host. */
#ifndef SG_HOOKS_HOST_H
#define SG_HOOKS_HOST_H

#include "hooks/frame.h"
#include "hooks/hooks.h"

/* Calls that a host may hold; a call's number holds its slot's in the low bits. */
#define SG_HOST_SLOTS 64
#define SG_HOST_NO_SLOT SG_HOST_SLOTS

/* Until its hello; until all loads are answered; for good. */
enum sg_host_state { SG_HOST_STARTING, SG_HOST_LOADING, SG_HOST_READY };

/* Whether a call is what ended the host: no; nobody can say; it or another one; yes. */
enum sg_host_blame { SG_BLAME_NONE, SG_BLAME_UNSURE, SG_BLAME_SUSPECT, SG_BLAME_SURE };

struct sg_host_slot {
    struct sg_hook_call *call; /* NULL: nobody waits for the answer any more */
    uint64_t id;
    uint64_t sent_ns, since_ns; /* since: at work, as far as one can know; 0: not yet */
    enum sg_host_blame blame;
    bool endless;      /* no deadline */
    uint8_t prev, next; /* in the order of sending */
};

/* A hook, as hosts are told of it. */
struct sg_host_hook {
    uint32_t number;
    struct sg_str load; /* of its frame of JSON, what stands behind `hook` and `again` */
};

struct sg_host;

struct sg_host_events {
    /* `answer`: the JSON object that describes the hook, or tells why it is refused. */
    void (*on_loaded)(struct sg_host *host, uint32_t hook, const struct sg_json *answer, bool refused);
    void (*on_ready)(struct sg_host *host); /* all loads are answered; later: there is room again */
    /* Result or error; the slot is free already. */
    void (*on_answer)(struct sg_host *host, struct sg_hook_call *call, const struct sg_answer_frame *answer,
                      bool result);
    void (*on_print)(struct sg_host *host, struct sg_hook_call *call, struct sg_str text);
    /* A call that another host should take: this one is held up, and has not begun it. */
    void (*on_return)(struct sg_host *host, struct sg_hook_call *call);
    /* A call of an attached host is over its deadline; the slot stays taken. */
    void (*on_overdue)(struct sg_host *host, struct sg_hook_call *call, const struct sg_err *why);
    void (*on_memory)(struct sg_host *host); /* resident, retiring */
    void (*on_end)(struct sg_host *host, const struct sg_err *why);
};

struct sg_host_setup {
    struct sg_loop *loop;
    const char *noun; /* what a hook is, in messages: "program" */
    const char *file; /* of the program; NULL: attached */
    const char *const *argv, *const *env;
    uint64_t memory_limit;  /* of its address space; 0: none */
    uint64_t most_resident; /* 0: as it likes */
    uint64_t result_bytes;
    uint32_t start_ms, deadline_ms;
    bool page; /* it gets a work page */
    struct sg_str hello; /* JSON */
    const struct sg_host_events *ev;
    void *ud;
};

struct sg_host {
    struct sg_host *next; /* the pool's */
    bool alone;           /* the pool's: holds a suspect, and nothing is sent beside it */
    void *ud;
    const struct sg_host_setup *how;
    struct sg_process *process; /* NULL: attached */
    struct sg_stream *stream;
    struct sg_frames in;
    struct sg_buf out;
    size_t written;       /* of out */
    struct sg_buf values; /* a call's state, on its way into out */
    struct sg_arena arena;
    struct sg_timer timer;
    int pid;
    enum sg_host_state state;
    bool serial;     /* answers in the order of the calls, one at work */
    bool shows_work; /* in its page */
    bool wants[2];   /* by sg_hook_news */
    uint32_t window; /* calls it wants to hold */
    uint32_t *loads; /* hooks it was told to load, in order */
    size_t n_loads, cap_loads, n_loaded;
    struct sg_host_slot slots[SG_HOST_SLOTS];
    uint64_t used; /* slots, as bits */
    uint8_t first, last;
    uint32_t n_slots;
    uint64_t sends;
    uint64_t answered_ns; /* the last time; or when it got a call after it had none */
    uint64_t looked_ns;   /* into the page */
    bool returned;        /* the calls that it had not begun were given back */
    uint64_t resident, resident_at_first; /* bytes: now; before any call */
    bool retiring;      /* it has grown large: gets no more calls */
    uint64_t lost_news;
    uint64_t since_ns;  /* of starting, or of the last load's answer, or of exit */
    bool stream_ended, exited, killed, ended;
    int exit_status, signal;
    char words[256];    /* the last line that it printed on its own account */
    uint32_t busy;      /* events under way: the memory stays */
};

/* Errors: SG_E_HOST: the program cannot be started. */
int sg_host_start(const struct sg_host_setup *how, struct sg_host **out, struct sg_err *err);
/* Takes one end of a connected socket, unless it fails. Errors: SG_E_HOST: it is none. */
int sg_host_attach(const struct sg_host_setup *how, int fd, struct sg_host **out, struct sg_err *err);
void sg_host_close(struct sg_host *host);

/* Before the host is ready. `again`: another host has loaded the same before. */
void sg_host_load(struct sg_host *host, const struct sg_host_hook *hook, bool again);
bool sg_host_has_room(const struct sg_host *host);
/* Encodes; sg_host_flush sends. Errors: SG_E_LIMIT: the input is too large; the call is not in the host then. */
int sg_host_send(struct sg_host *host, struct sg_hook_call *call, struct sg_err *err);
void sg_host_flush(struct sg_host *host);
/* The call's struct is not touched any more. */
void sg_host_forget(struct sg_host *host, struct sg_hook_call *call);
/* One object of figures or an event; dropped when the host is far behind with reading. */
void sg_host_tell(struct sg_host *host, enum sg_hook_news news, struct sg_str json);

/* The call is at work, and has been for longer than it may. */
bool sg_host_is_overdue(const struct sg_host *host, const struct sg_host_slot *slot, uint64_t now_ns);

/* --- blame.c: who has ended a host ------------------------------------------------------------------------------- */

/* Bits of the slots whose calls are at work, or may be. */
uint64_t sg_blame_at_work(const struct sg_host *host);
/* It notes in a page which calls it has begun. */
bool sg_blame_has_page(const struct sg_host *host);
/* The host has ended, or will be: sets the blame of its slots. */
void sg_blame_for_death(struct sg_host *host);
/* Somebody else has killed it. */
void sg_blame_for_kill(struct sg_host *host);
/* Calls that are over their deadline. */
void sg_blame_for_time(struct sg_host *host, uint64_t now_ns);
/* How its process ended. */
void sg_blame_explain(const struct sg_host *host, struct sg_err *err);
/* What the host wrote into its page when it crashed; empty: nothing. Ends with sg_host_close. */
struct sg_str sg_blame_words(const struct sg_host *host);

#endif
