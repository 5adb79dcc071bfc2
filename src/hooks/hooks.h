/* SPDX-License-Identifier: Apache-2.0 */
/* hooks: user code runs in hook hosts, never in the engine (design D5).
 *
 * A host is a process that speaks a small framed protocol over a socket: load a hook, call it, cancel. This module
 * starts hosts (one at first, more while calls wait), spreads calls over them, enforces the deadline of each call, and
 * replaces a host that hangs, dies or grows too large: the call at fault fails, the host's other calls run again on a
 * fresh one. There is a pool of hosts for each language that a run's hooks are in:
 *   - jq: this same binary started again with an empty environment, a memory limit and no module path (host_jq.c);
 *   - Python: the user's interpreter, with the package `sygra` (start.c finds both);
 *   - closures: one host that is there already, the process that started this one; it is never started or killed, and
 *     is spoken to even if no hook is a closure: it may want the news.
 * Other languages speak the same protocol: docs/formats/hook-protocol.md.
 *
 * Memory: a call's struct is the caller's until its one callback; its input is encoded when it is handed to a host,
 * and may be asked for again (a fresh host), so it must stay alive until then.
 * Thread: loop.   Async: callbacks never from inside start; sg_hook_cancel ends in no callback.
 * Errors: HOOK (the hook raised, or returned what is no use: text of it), HOST (its host died under it), TIMEOUT
 * (deadline), LIMIT (input or result too large). */
#ifndef SG_HOOKS_HOOKS_H
#define SG_HOOKS_HOOKS_H

#include "net/loop.h"
#include "spec/spec.h"

struct sg_hooks;
struct sg_hook_call;

struct sg_hooks_options {
    const char *exe;       /* path of this program, for the built-in host and to find the package */
    uint32_t max_hosts;    /* of one language; 0: min(cores, 8) */
    uint32_t deadline_ms;  /* of one call of a jq program; 0: 10,000 */
    uint64_t memory_bytes; /* of a built-in host; 0: 512 MB */
    uint64_t result_bytes; /* of one result; 0: 64 MB; at most 1 GB */
    double now;            /* seconds since 1970 that `now` gives in hooks: the run's stored start; 0: the clock */
    uint64_t seed;         /* of the run */

    const char *python;          /* interpreter; NULL: the active virtual environment's, then python3 on PATH */
    const struct sg_str *paths;  /* that modules are looked for in, first ones first */
    size_t n_paths;
    const struct sg_str *dot_env; /* "NAME=value": beats the process's environment, for hosts */
    size_t n_dot_env;
    const char *env_names;       /* "A,B": variables that hosts may see although they look like secrets; or NULL */
    uint32_t python_deadline_ms; /* of one call of a Python hook or a closure; 0: 300,000 */
    uint64_t host_memory;        /* resident bytes at which a Python host is replaced; at twice that it is killed. 0: 2 GB */
    bool trust;                  /* hosts open pickled values whoever has made them */
    bool attached;               /* attached_fd is one end of a socket to the process that serves closures */
    int attached_fd;             /* taken, also on failure */

    /* What a hook prints (jq: debug, stderr), as text; `c` is NULL when it was no call's. May be NULL. */
    void (*on_print)(void *ud, struct sg_hook_call *c, struct sg_str text);
    /* Before the failure of a call that there is more to say of than one line (a traceback, the last words of a host).
     * May be NULL. */
    void (*on_trace)(void *ud, struct sg_hook_call *c, struct sg_str message, struct sg_str details);
    /* The attached process has gone: before its calls fail. May be NULL. */
    void (*on_detached)(void *ud);
    void *ud;
};

int sg_hooks_open(struct sg_loop *l, const struct sg_hooks_options *o, struct sg_hooks **out, struct sg_err *err);
/* Ends all hosts; pending calls are dropped without callback. */
void sg_hooks_close(struct sg_hooks *h);

/* Names a hook; the same text, role and config give the same number. Numbers count from 0. Before sg_hooks_load.
 * `node`: the first node it is for, may be empty. `config`: what the hook is made with, or NULL; for a lambda it is the
 * node's own map (Python: its first argument; jq: $node). A jq transform sees $state beside its input. */
int sg_hooks_add(struct sg_hooks *h, const struct sg_hook_spec *spec, enum sg_hook_role role, struct sg_str node,
                 const struct sg_json *config);
/* Loads every hook in a host and reports those that cannot be loaded into diags, at all of their marks. on_done comes
 * once with 0, SG_E_HOOK, or SG_E_HOST when no host can be started; with no hooks added no host is started. */
void sg_hooks_load(struct sg_hooks *h, struct sg_diags *diags, void (*on_done)(void *ud, int status), void *ud);
/* What the first host that loaded a hook has said of it; lives as long as h. NULL: nothing (yet). */
const struct sg_json *sg_hooks_description(const struct sg_hooks *h, int hook);

struct sg_hook_call {
    int hook;
    uint64_t seed;    /* of all that is random in it */
    bool once;        /* never runs twice: when its host dies, it fails, although nobody knows whether it ran */
    bool no_deadline;
    /* Appends the input as one JSON text, or nothing; and the state as another one to `state`, or nothing. */
    void (*write)(struct sg_hook_call *c, struct sg_buf *input, struct sg_buf *state);
    /* results: array of all outputs; effects: what the hook did beside (hook-protocol.md, Effects), NULL: nothing.
     * Both in `arena` (set by the caller before start), and NULL after a failure. */
    void (*on_done)(struct sg_hook_call *c, int status, const struct sg_json *results, const struct sg_json *effects,
                    const struct sg_err *err);
    struct sg_arena *arena;
    void *ud;
    /* set by hooks: */
    struct sg_hook_call *prev_, *next_;
    void *def_, *host_;
    uint64_t id_;
    uint8_t state_, deaths_;
    bool suspect_;
};
void sg_hook_start(struct sg_hooks *h, struct sg_hook_call *c);
void sg_hook_cancel(struct sg_hooks *h, struct sg_hook_call *c);

/* What goes on in the run, for hosts that asked for it in their hello. */
enum sg_hook_news { SG_NEWS_FIGURES, SG_NEWS_EVENTS };
/* Whether any host wants them: else they need not be made. */
bool sg_hooks_wants(const struct sg_hooks *h, enum sg_hook_news news);
/* `json`: one object. A host that does not read for long misses some. */
void sg_hooks_tell(struct sg_hooks *h, enum sg_hook_news news, struct sg_str json);

struct sg_hook_figures {
    uint64_t calls, failed, timeouts, hosts_started, hosts_died, hosts_replaced; /* replaced: for their size */
    uint32_t waiting, hosts, most_hosts;
    uint64_t peak_bytes; /* resident, of all hosts together, at most; 0: they do not say */
};
/* Of all languages. */
void sg_hooks_figures(const struct sg_hooks *h, struct sg_hook_figures *out);
/* Of one; false: no hook is in it. */
bool sg_hooks_figures_of(const struct sg_hooks *h, enum sg_hook_kind language, struct sg_hook_figures *out);

/* The interpreter of Python hooks, and the folder that holds our package, for who starts Python himself. Texts in `a`. */
int sg_hooks_python(struct sg_arena *a, const struct sg_hooks_options *o, const char **python, const char **package,
                    struct sg_err *err);

/* The other side: `sygra --host jq` calls this with descriptor 3 and returns its result from main. */
int sg_host_jq_main(int fd);

#endif
