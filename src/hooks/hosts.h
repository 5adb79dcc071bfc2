/* SPDX-License-Identifier: Apache-2.0 */
/* hosts: the hosts of one language: calls that wait, hosts that come and go, and what becomes of the calls of a host that
 * ends. The front (hooks.c) has one pool for each language that a run's hooks are in.
 *
 * Memory: a pool is its own until sg_hosts_close; on_gone comes when nothing of it is used any more, which may be later,
 * as it may be closed in any callback. Hooks are the front's.
 * Thread and async: as hooks.h says. */
#ifndef SG_HOOKS_HOSTS_H
#define SG_HOOKS_HOSTS_H

#include "hooks/def.h"

struct sg_hosts_setup {
    const char *language; /* "jq": in messages */
    const char *loading;  /* what loading a hook is: "compiled" */
    struct sg_host_setup host;
    uint32_t max_hosts;
    int attached_fd; /* of the only host there will be, if host.file is NULL; -1: there is none */
    void (*on_print)(void *ud, struct sg_hook_call *c, struct sg_str text);
    void (*on_trace)(void *ud, struct sg_hook_call *c, struct sg_str message, struct sg_str details);
    void (*on_detached)(void *ud);
    void *ud; /* of these three */
    void (*on_gone)(void *ud);
    void *gone_ud;
};

struct sg_hosts *sg_hosts_open(const struct sg_hosts_setup *how);
void sg_hosts_close(struct sg_hosts *p);

void sg_hosts_add(struct sg_hosts *p, struct sg_def *def);
void sg_hosts_load(struct sg_hosts *p, struct sg_diags *diags, void (*on_done)(void *ud, int status), void *ud);
void sg_hosts_start(struct sg_hosts *p, struct sg_hook_call *c); /* c->def_ is set */
void sg_hosts_cancel(struct sg_hosts *p, struct sg_hook_call *c);
bool sg_hosts_wants(const struct sg_hosts *p, enum sg_hook_news news);
void sg_hosts_tell(struct sg_hosts *p, enum sg_hook_news news, struct sg_str json);
void sg_hosts_figures(const struct sg_hosts *p, struct sg_hook_figures *out);

#endif
