/* SPDX-License-Identifier: Apache-2.0 */
/* schema: schema_config, the checks of finished records, as a spec. Types are the plan's to read. */
#ifndef SG_CONFIG_SCHEMA_H
#define SG_CONFIG_SCHEMA_H

#include "config/check.h"

void sg_cfg_schema(struct sg_cfg *c, const struct sg_yaml *root, struct sg_schema_spec *out);

#endif
