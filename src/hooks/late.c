/* SPDX-License-Identifier: Apache-2.0 */
/* late: calls that take long, and hosts that are held up.
 *
 * A call's time begins when it is the first without answer (serial host), when it is first seen in the work page, or, where
 * there is none, when it is sent.
 * A host that is held up gives back what it has not begun, so that one hanging program holds up one record and not a
 * window full of them: a serial one that is at its first call for SLOW_MS, one with a page that has answered nothing and
 * not begun a call for STUCK_MS. The host is told to skip those calls, and their slots stay taken until it has said so.
 * One that neither answers nor is at work for the time of a call is ended. */
#include "hooks/host.h"

#define SLOW_MS 100
#define STUCK_MS 1000
/* Between two looks into the page, or an eighth of the deadline. */
#define LOOK_MS 500

static uint64_t now_ns(const struct sg_host *host) {
    return sg_loop_now_ns(host->how->loop);
}

static uint32_t slow_ms(const struct sg_host *host) {
    uint32_t deadline = host->how->deadline_ms;
    return deadline < 2 * SLOW_MS ? deadline / 2 : SLOW_MS;
}

static uint64_t look_every_ns(const struct sg_host *host) {
    uint64_t every = SG_MS(host->how->deadline_ms) / 8;
    return every < SG_MS(LOOK_MS) ? every : SG_MS(LOOK_MS);
}

bool sg_late_is_overdue(const struct sg_host *host, const struct sg_host_slot *slot, uint64_t now) {
    return !slot->endless && slot->since_ns && now - slot->since_ns >= SG_MS(host->how->deadline_ms);
}

/* Of a serial host, which is at its first call. */
static bool may_return(const struct sg_host *host) {
    return !host->returned && host->n_slots > 1;
}

static uint64_t serial_due_ns(const struct sg_host *host) {
    const struct sg_host_slot *slot = &host->slots[host->first];
    if (may_return(host)) return slot->since_ns + SG_MS(slow_ms(host));
    return slot->endless ? 0 : slot->since_ns + SG_MS(host->how->deadline_ms);
}

static bool may_move(const struct sg_host *host, const struct sg_host_slot *slot) {
    if (!slot->call || slot->call->once) return false;
    if (host->serial) return slot != &host->slots[host->first];
    return !slot->since_ns && now_ns(host) - slot->sent_ns >= SG_MS(STUCK_MS);
}

/* The pool puts each before what waits. */
static void give_back(struct sg_host *host) {
    for (uint8_t i = host->last; i != SG_HOST_NO_SLOT; i = host->slots[i].prev) {
        struct sg_hook_call *call = host->slots[i].call;
        if (!may_move(host, &host->slots[i])) continue;
        host->returned = true;
        sg_host_forget(host, call);
        host->how->ev->on_return(host, call);
    }
    host->returned |= host->serial;
    sg_host_flush(host);
}

static void say_late(const struct sg_host *host, struct sg_err *why) {
    uint32_t limit = host->how->deadline_ms;
    if (limit % 1000) sg_fail(why, SG_E_TIMEOUT, "the %s ran longer than %u ms", host->how->noun, limit);
    else sg_fail(why, SG_E_TIMEOUT, "the %s ran longer than %u s", host->how->noun, limit / 1000);
}

/* A host that is not ours to kill is left alone: only its calls fail. */
static void fail_overdue(struct sg_host *host, const struct sg_err *why) {
    uint64_t now = now_ns(host);
    for (uint8_t i = host->first, next; i != SG_HOST_NO_SLOT && !host->ended; i = next) {
        struct sg_host_slot *slot = &host->slots[i];
        struct sg_hook_call *call = slot->call;
        next = slot->next;
        if (!sg_late_is_overdue(host, slot, now)) continue;
        slot->endless = true; /* it has had its time */
        if (!call) continue;
        sg_host_forget(host, call);
        host->how->ev->on_overdue(host, call, why);
    }
    if (!host->ended) sg_host_flush(host);
}

static void end_overdue(struct sg_host *host) {
    struct sg_err why;
    say_late(host, &why);
    if (!host->process) {
        fail_overdue(host, &why);
        return;
    }
    sg_blame_for_time(host, now_ns(host));
    sg_host_end(host, &why);
}

static void end_stuck(struct sg_host *host) {
    struct sg_err why;
    sg_blame_for_death(host);
    sg_fail(&why, SG_E_TIMEOUT, "its host has begun no call for %g s", host->how->deadline_ms / 1000.0);
    sg_host_end(host, &why);
}

/* What has begun since the last look. True: a call is over its deadline. */
static bool note_begun(struct sg_host *host, uint64_t bits) {
    uint64_t now = host->looked_ns;
    bool overdue = false;
    for (uint8_t i = host->first; i != SG_HOST_NO_SLOT; i = host->slots[i].next) {
        struct sg_host_slot *slot = &host->slots[i];
        if (!slot->since_ns && bits >> i & 1) slot->since_ns = now;
        overdue |= sg_late_is_overdue(host, slot, now);
    }
    return overdue;
}

static void look(struct sg_host *host) {
    uint64_t bits = sg_blame_at_work(host);
    host->looked_ns = now_ns(host);
    uint64_t silent = host->looked_ns - host->answered_ns;
    if (note_begun(host, bits)) end_overdue(host);
    else if (bits == 0 && silent >= SG_MS(host->how->deadline_ms)) end_stuck(host);
    else if (silent >= SG_MS(STUCK_MS) && !host->returned) give_back(host);
}

uint64_t sg_late_due_ns(const struct sg_host *host) {
    return host->serial ? serial_due_ns(host) : host->looked_ns + look_every_ns(host);
}

void sg_late_look(struct sg_host *host) {
    if (!host->serial) look(host);
    else if (may_return(host)) give_back(host);
    else end_overdue(host);
}
