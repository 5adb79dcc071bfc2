/* SPDX-License-Identifier: Apache-2.0 */
/* lag: step s < 4 is s us; above, 4 * (e - 1) + m holds the values whose highest bit is e and whose next two are m. */
#include "data/lag.h"

static unsigned step_of(uint64_t us) {
    if (us < 4) return (unsigned)us;
    unsigned e = 63 - (unsigned)__builtin_clzll(us), step = 4 * (e - 1) + (unsigned)(us >> (e - 2) & 3);
    return step < SG_LAG_STEPS ? step : SG_LAG_STEPS - 1;
}

/* The largest value of a step. */
static uint64_t end_of(unsigned step) {
    if (step < 4) return step;
    unsigned e = step / 4 + 1;
    return ((uint64_t)(4 + step % 4 + 1) << (e - 2)) - 1;
}

void sg_lag_add(struct sg_lag *l, uint64_t us) {
    l->n++;
    l->counts[step_of(us)]++;
    if (us > l->max_us) l->max_us = us;
}

uint64_t sg_lag_quantile(const struct sg_lag *l, double share) {
    uint64_t below = 0, wanted = (uint64_t)(share * (double)l->n);
    for (unsigned s = 0; s < SG_LAG_STEPS; s++) {
        below += l->counts[s];
        if (below > wanted) return end_of(s) < l->max_us ? end_of(s) : l->max_us;
    }
    return l->max_us;
}
