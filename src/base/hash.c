/* SPDX-License-Identifier: Apache-2.0 */
/* hash: numbers that must be the same on every machine.
 *
 * Everything here makes runs repeatable or files readable: a change of a result is a change of format.
 *
 *   mix(x)            SplitMix64's finalizer (Steele, Lea, Flood 2014), a bijection that avalanches
 *   hash64(s, seed)   h = mix(seed + GOLDEN * (n + 1)); for each 8 bytes of s as a little-endian number w,
 *                     the last one filled up with zeros: h = mix(h ^ w)
 *   draw(key, n)      h = 0; for v in seed, position, node, visit, n: h = mix((h ^ v) + GOLDEN)
 *   unit              the top 53 bits, divided by 2^53
 *   rng               s += GOLDEN; mix(s)
 *
 * hash64 is no defence against somebody who looks for collisions. */
#include "base/hash.h"

#include <openssl/sha.h>
#include <pthread.h>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

#define GOLDEN 0x9E3779B97F4A7C15U

static uint64_t mix(uint64_t x) {
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
    return x ^ (x >> 31);
}

static uint64_t little_endian(uint64_t v) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return __builtin_bswap64(v);
#else
    return v;
#endif
}

static uint64_t load_le(const void *p, size_t n) {
    uint64_t v = 0;
    memcpy(&v, p, n);
    return little_endian(v);
}

uint64_t sg_hash64(struct sg_str s, uint64_t seed) {
    uint64_t h = mix(seed + GOLDEN * ((uint64_t)s.n + 1));
    size_t i = 0;
    for (; i + 8 <= s.n; i += 8) h = mix(h ^ load_le(s.p + i, 8));
    return i < s.n ? mix(h ^ load_le(s.p + i, s.n - i)) : h;
}

uint64_t sg_draw(const struct sg_draw_key *k, uint64_t n) {
    const uint64_t parts[] = {k->seed, k->position, k->node, k->visit, n};
    uint64_t h = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) h = mix((h ^ parts[i]) + GOLDEN);
    return h;
}

static double unit(uint64_t bits) {
    return (double)(bits >> 11) * 0x1p-53;
}

double sg_draw_unit(const struct sg_draw_key *k, uint64_t n) {
    return unit(sg_draw(k, n));
}

uint64_t sg_rng_next(struct sg_rng *r) {
    return mix(r->s += GOLDEN);
}

double sg_rng_unit(struct sg_rng *r) {
    return unit(sg_rng_next(r));
}

/* CRC-32C. The portable form looks eight bytes up at once: table k holds the effect of a byte that is followed by k
 * zero bytes ("slicing by 8", Kounavis and Berry 2005). */
static uint32_t crc_table[8][256];

static void fill_crc_table(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++) c = (c >> 1) ^ (c & 1 ? 0x82F63B78U : 0);
        crc_table[0][i] = c;
    }
    for (int k = 1; k < 8; k++)
        for (int i = 0; i < 256; i++) {
            uint32_t c = crc_table[k - 1][i];
            crc_table[k][i] = (c >> 8) ^ crc_table[0][c & 0xFF];
        }
}

uint32_t sg_crc32c_portable(uint32_t crc, const void *data, size_t n) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, fill_crc_table);
    const unsigned char *p = data;
    crc = ~crc;
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t w = load_le(p, 8) ^ crc;
        crc = 0;
        for (int k = 0; k < 8; k++) crc ^= crc_table[7 - k][(w >> (8 * k)) & 0xFF];
    }
    while (n--) crc = (crc >> 8) ^ crc_table[0][(crc ^ *p++) & 0xFF];
    return ~crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc_by_instruction(uint32_t crc, const void *data, size_t n) {
    const unsigned char *p = data;
    uint64_t c = ~crc;
    for (; n >= 8; n -= 8, p += 8) c = _mm_crc32_u64(c, load_le(p, 8));
    while (n--) c = _mm_crc32_u8((uint32_t)c, *p++);
    return ~(uint32_t)c;
}
#endif

uint32_t sg_crc32c(uint32_t crc, const void *p, size_t n) {
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2")) return crc_by_instruction(crc, p, n);
#endif
    return sg_crc32c_portable(crc, p, n);
}

/* OpenSSL's, which uses the processor's instructions: 2 kB in 2 us instead of 10. */
void sg_sha256(struct sg_str data, uint8_t out[32]) {
    SHA256((const unsigned char *)data.p, data.n, out);
}

void sg_sha256_hex(struct sg_str data, char out[65]) {
    uint8_t raw[32];
    sg_sha256(data, raw);
    for (int i = 0; i < 32; i++) {
        out[2 * i] = "0123456789abcdef"[raw[i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[raw[i] & 15];
    }
    out[64] = '\0';
}
