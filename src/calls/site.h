/* SPDX-License-Identifier: Apache-2.0 */
/* site: one address where a model is served; which of its addresses an attempt goes to, and what became of it. Private to calls.
 *
 * An attempt takes the address with the fewest calls in flight, or the next one in turn, as `load_balancing` says; those
 * with equally few take turns, too. It passes over the address at which the attempt before it failed, and over those that
 * are out: an address that refuses connections, or fails three times in a row, is out for a second, for twice as long each
 * time it fails again, for 30 s at most. When that is over one attempt is the probe; its success brings the address back.
 * Where every address is to be passed over, the best of them is taken all the same: a call never waits for an address.
 *
 * Pure but for the figures: time is an argument. Thread: loop. */
#ifndef SG_CALLS_SITE_H
#define SG_CALLS_SITE_H

#include "calls/calls.h"

struct sg_site {
    struct sg_calls_address figures; /* first: a list of figures is one of addresses */
    uint32_t streak;                 /* failures since the last answer */
    uint32_t outs;                   /* since the last answer: how often it was out */
    uint64_t out_until_ns;
};

/* The addresses of one model. */
struct sg_sites {
    struct sg_site **at;
    uint32_t n, next; /* whose turn it is */
    enum sg_load_balancing policy;
};

#define SG_NO_SITE UINT32_MAX

/* `failed`: where the call's last attempt failed, or SG_NO_SITE. */
uint32_t sg_site_choose(struct sg_sites *of, uint32_t failed, uint64_t now_ns);
void sg_site_begin(struct sg_site *a);
/* status: 0, or the error that the attempt ended with; SG_E_CANCELED says nothing of the address. */
void sg_site_end(struct sg_site *a, int status, uint64_t now_ns);

#endif
