/* SPDX-License-Identifier: Apache-2.0 */
/* hash: SHA-256 (FIPS 180-4), CRC-32C (RFC 3720 B.4), a 64-bit hash for tables, and draws that depend on their key only. */
#ifndef SG_BASE_HASH_H
#define SG_BASE_HASH_H

#include "base/str.h"

void sg_sha256(struct sg_str data, uint8_t out[32]);
void sg_sha256_hex(struct sg_str data, char out[65]);
uint32_t sg_crc32c(uint32_t crc, const void *p, size_t n); /* start with 0; the SSE 4.2 instruction where there is one */
uint32_t sg_crc32c_portable(uint32_t crc, const void *p, size_t n); /* the same without it */
uint64_t sg_hash64(struct sg_str s, uint64_t seed);        /* stable across machines and releases */

/* A draw is a function of its key: the same (seed, position, node, visit, n) gives the same number on every machine, in any
 * order of execution (design D15). The mixing function is SplitMix64's finalizer (Steele et al. 2014), chained. */
struct sg_draw_key {
    uint64_t seed;
    uint64_t position; /* of the record in its source */
    uint64_t node;     /* sg_hash64 of the node's name */
    uint32_t visit;    /* n-th execution of the node within the record, from 0 */
};
uint64_t sg_draw(const struct sg_draw_key *k, uint64_t n);
/* In [0, 1), 53 bits. */
double sg_draw_unit(const struct sg_draw_key *k, uint64_t n);

/* A stream of random numbers for things that no record sees (jitter, choice of ports): seeded by the loop. */
struct sg_rng {
    uint64_t s;
};
uint64_t sg_rng_next(struct sg_rng *r);
double sg_rng_unit(struct sg_rng *r);

#endif
