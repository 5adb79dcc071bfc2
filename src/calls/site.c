/* SPDX-License-Identifier: Apache-2.0 */
#include "calls/site.h"

#include "net/loop.h"

#define STREAK 3u /* failures in a row that no lucky strike explains */
#define OUT_BASE_NS SG_MS(1000)
#define OUT_CAP_NS SG_MS(30000)

/* While a probe is under way, the others still stay away. */
static bool is_out(const struct sg_site *a, uint64_t now_ns) {
    return now_ns < a->out_until_ns || (a->outs > 0 && a->figures.in_flight > 0);
}

uint32_t sg_site_choose(struct sg_sites *of, uint32_t failed, uint64_t now_ns) {
    SG_ASSERT(of->n > 0);
    uint32_t best = of->next, best_rank = UINT32_MAX, best_load = 0;
    for (uint32_t k = 0; k < of->n; k++) {
        uint32_t i = (of->next + k) % of->n;
        const struct sg_site *a = of->at[i];
        uint32_t rank = (is_out(a, now_ns) ? 2u : 0u) + (i == failed ? 1u : 0u);
        uint32_t load = of->policy == SG_LEAST_REQUESTS ? a->figures.in_flight : 0;
        if (rank > best_rank || (rank == best_rank && load >= best_load)) continue;
        best = i, best_rank = rank, best_load = load;
    }
    of->next = (best + 1) % of->n;
    return best;
}

void sg_site_begin(struct sg_site *a) {
    a->figures.attempts++;
    if (++a->figures.in_flight > a->figures.peak_in_flight) a->figures.peak_in_flight = a->figures.in_flight;
}

/* Many calls may fail at one moment for one reason: that counts once. */
static void take_out(struct sg_site *a, uint64_t now_ns) {
    if (now_ns < a->out_until_ns) return;
    uint64_t span = a->outs < 5 ? OUT_BASE_NS << a->outs : OUT_CAP_NS;
    a->out_until_ns = now_ns + (span < OUT_CAP_NS ? span : OUT_CAP_NS);
    a->outs++;
    a->figures.outs++;
}

void sg_site_end(struct sg_site *a, int status, uint64_t now_ns) {
    a->figures.in_flight--;
    if (status == SG_E_CANCELED) {
        a->figures.canceled++;
        return;
    }
    *(status == 0 ? &a->figures.answered : &a->figures.failed) += 1;
    if (!sg_error_retryable(status)) { /* whoever refuses a request is there */
        a->streak = a->outs = 0;
        a->out_until_ns = 0;
        return;
    }
    a->streak++;
    bool unreachable = status == SG_E_CONNECT || status == SG_E_RESOLVE;
    if (unreachable || a->streak >= STREAK) take_out(a, now_ns);
}
