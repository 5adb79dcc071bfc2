/* SPDX-License-Identifier: Apache-2.0 */
/* jq_program: one jq program: compiled once, run for every call. No sockets, no processes: those are host_jq.c.
 *
 * What a program finds here instead of the jq command: `$state` and `$node` (when wanted); no modules, no environment, no further
 * inputs, UTC as local time, `now` as it was set, `debug` and `stderr` to a callback. libjq 1.6 and 1.7 (Debian 12,
 * Ubuntu 24.04) behave alike as far as this file can make them.
 * A program may still end the process (abort, endless recursion) or never end: the caller lives in a process for
 * that.
 * Memory: a program owns all of its parts. Thread: the one that opened it. */
#ifndef SG_HOOKS_JQ_PROGRAM_H
#define SG_HOOKS_JQ_PROGRAM_H

#include "base/base.h"
#include "hooks/jq_value.h"

struct sg_jq;

struct sg_jq_setup {
    bool state; /* bind $state */
    struct sg_str node; /* JSON that $node is; empty: it is not bound */
    double now; /* seconds since 1970 that `now` gives; 0: the clock */
    void (*on_print)(void *ud, struct sg_str json); /* debug and stderr */
    void (*on_no_memory)(void *ud); /* must not return: libjq aborts behind it */
    void *ud;
};

/* Why a program does not compile. line 0: no place known; column in code points from 1, 0: unknown. */
struct sg_jq_fault {
    uint32_t line, column;
    char text[SG_ERR_TEXT];
};

/* Errors: SG_E_HOOK, and *fault tells why. */
int sg_jq_open(struct sg_str text, const struct sg_jq_setup *how, struct sg_jq **out, struct sg_jq_fault *fault);
void sg_jq_close(struct sg_jq *p);

/* Appends the JSON array of all outputs to `out`. `state` is NULL for a program without it. Errors, with `out` in no
 * defined state behind its old end: SG_E_HOOK (the program raised: text in err), SG_E_LIMIT (more outputs, bytes or
 * depth than allowed; out->max is the limit of bytes). */
int sg_jq_run(struct sg_jq *p, const struct sg_json *input, const struct sg_json *state, struct sg_buf *out,
              struct sg_err *err);

#endif
