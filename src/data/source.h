/* SPDX-License-Identifier: Apache-2.0 */
/* source: what the output wants to know of it. Private to data. */
#ifndef SG_DATA_SOURCE_H
#define SG_DATA_SOURCE_H

#include "data/data.h"

/* Before the first pull: what is read is to be noted. */
void sg_source_watch(struct sg_source *s);
/* How much of the file has been read for what has been delivered so far, and the CRC-32C of that; 0 for what is no file. */
void sg_source_mark(const struct sg_source *s, uint64_t *bytes, uint32_t *crc);

#endif
