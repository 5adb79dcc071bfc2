/* SPDX-License-Identifier: Apache-2.0 */
/* hooks: user code runs in hook hosts, never in the engine (design D5).
 *
 * A host is a process that speaks a small framed protocol over a socket: load a hook, call it, cancel. This module
 * starts hosts (one at first, more while calls wait), spreads calls over them, enforces the deadline of each call, and
 * replaces a host that hangs or dies: the call at fault fails, the host's other calls run again on a fresh one.
 * The built-in host runs jq programs: this same binary started again with an empty environment, a memory limit and no
 * module path (host_jq.c). Other languages speak the same protocol: docs/formats/hook-protocol.md.
 *
 * Memory: a call's struct is the caller's until its one callback; its input is encoded when it is handed to a host,
 * and may be asked for again (a fresh host), so it must stay alive until then.
 * Thread: loop.   Async: callbacks never from inside start; sg_hook_cancel ends in no callback.
 * Errors: HOOK (the hook raised; text of it), HOST (its host died under it), TIMEOUT (deadline), LIMIT (input or result
 * too large). */
#ifndef SG_HOOKS_HOOKS_H
#define SG_HOOKS_HOOKS_H

#include "net/loop.h"
#include "spec/spec.h"

struct sg_hooks;
struct sg_hook_call;

struct sg_hooks_options {
    const char *exe;       /* path of this program, for the built-in host */
    uint32_t max_hosts;    /* 0: min(cores, 8) */
    uint32_t deadline_ms;  /* of one call; 0: 10,000 */
    uint64_t memory_bytes; /* of a built-in host; 0: 512 MB */
    uint64_t result_bytes; /* of one result; 0: 64 MB; at most 1 GB */
    double now;            /* seconds since 1970 that `now` gives in hooks: the run's stored start; 0: the clock */
    /* What a hook prints (jq: debug, stderr), as text; `c` is NULL when it was no call's. May be NULL. */
    void (*on_print)(void *ud, struct sg_hook_call *c, struct sg_str text);
    void *ud;
};

int sg_hooks_open(struct sg_loop *l, const struct sg_hooks_options *o, struct sg_hooks **out, struct sg_err *err);
/* Ends all hosts; pending calls are dropped without callback. */
void sg_hooks_close(struct sg_hooks *h);

/* Which variables the program sees beside its input (jq: $state). */
enum sg_hook_args { SG_HOOK_INPUT, SG_HOOK_INPUT_AND_STATE };

/* Names a hook; the same text and args give the same number. Numbers count from 0. Before sg_hooks_load. */
int sg_hooks_add(struct sg_hooks *h, const struct sg_hook_spec *spec, enum sg_hook_args args);
/* Loads every hook in a host and reports those that do not compile into diags, at all of their marks. on_done comes once
 * with 0, SG_E_HOOK, or SG_E_HOST when no host can be started; with no hooks added no host is started. */
void sg_hooks_load(struct sg_hooks *h, struct sg_diags *diags, void (*on_done)(void *ud, int status), void *ud);

struct sg_hook_call {
    int hook;
    /* Appends the input as one JSON text, and for INPUT_AND_STATE the state as another one to `state`. */
    void (*write)(struct sg_hook_call *c, struct sg_buf *input, struct sg_buf *state);
    /* result: array of all the program's outputs, in `arena` (set by the caller before start). */
    void (*on_done)(struct sg_hook_call *c, int status, const struct sg_json *results, const struct sg_err *err);
    struct sg_arena *arena;
    void *ud;
    /* set by hooks: */
    struct sg_hook_call *prev_, *next_;
    void *host_;
    uint64_t id_;
    uint8_t state_, deaths_;
};
void sg_hook_start(struct sg_hooks *h, struct sg_hook_call *c);
void sg_hook_cancel(struct sg_hooks *h, struct sg_hook_call *c);

struct sg_hook_figures {
    uint64_t calls, failed, timeouts, hosts_started, hosts_died;
    uint32_t waiting, hosts;
};
void sg_hooks_figures(const struct sg_hooks *h, struct sg_hook_figures *out);

/* The other side: `sygra --host jq` calls this with descriptor 3 and returns its result from main. */
int sg_host_jq_main(int fd);

#endif
