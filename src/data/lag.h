/* SPDX-License-Identifier: Apache-2.0 */
/* lag: how long things took, as a histogram of four steps a doubling. Private to data. */
#ifndef SG_DATA_LAG_H
#define SG_DATA_LAG_H

#include "base/base.h"

#define SG_LAG_STEPS 160 /* to 2^40 us, 12 days */

struct sg_lag {
    uint64_t n, max_us;
    uint64_t counts[SG_LAG_STEPS];
};

void sg_lag_add(struct sg_lag *l, uint64_t us);
/* What `share` of all took at most, to a fifth; 0 when there was nothing. */
uint64_t sg_lag_quantile(const struct sg_lag *l, double share);

#endif
