/* SPDX-License-Identifier: Apache-2.0 */
/* source: one source map, of the task's data or of a sampler, as a spec: its type, its files, their formats. */
#ifndef SG_CONFIG_SOURCE_H
#define SG_CONFIG_SOURCE_H

#include "config/locate.h"

/* `mark`: of the map's own key. NULL after a report. */
struct sg_source_spec *sg_cfg_source(struct sg_cfg *c, const struct sg_yaml *map, struct sg_mark mark,
                                     struct sg_str path);

#endif
