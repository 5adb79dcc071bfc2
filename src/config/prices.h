/* SPDX-License-Identifier: Apache-2.0 */
/* prices: what a model's tokens cost. Private to config; others use sg_prices_* of config.h. */
#ifndef SG_CONFIG_PRICES_H
#define SG_CONFIG_PRICES_H

#include "config/check.h"

/* `price:` of a model's entry: {input, output}. False when there is none, or it is wrong, which is reported. */
bool sg_prices_of_entry(struct sg_cfg *c, const struct sg_yaml *entry, struct sg_str path, struct sg_str from,
                        struct sg_price *out);

#endif
