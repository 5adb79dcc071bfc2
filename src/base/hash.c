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

/* SHA-256, FIPS 180-4: the first 32 bits of the fractions of the cube roots of the first 64 primes. */
static const uint32_t ROUND[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* The same of the square roots of the first 8 primes. */
static const uint32_t START[8] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

static uint32_t rotr(uint32_t x, int n) {
    return x >> n | x << (32 - n);
}

static uint32_t load_be32(const unsigned char *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void fill_schedule(uint32_t w[64], const unsigned char block[64]) {
    for (int t = 0; t < 16; t++) w[t] = load_be32(block + (size_t)t * 4);
    for (int t = 16; t < 64; t++) {
        uint32_t s0 = rotr(w[t - 15], 7) ^ rotr(w[t - 15], 18) ^ w[t - 15] >> 3;
        uint32_t s1 = rotr(w[t - 2], 17) ^ rotr(w[t - 2], 19) ^ w[t - 2] >> 10;
        w[t] = s1 + w[t - 7] + s0 + w[t - 16];
    }
}

/* The names a to h of the standard; each round they move by one. */
static void add_block(uint32_t state[8], const unsigned char block[64]) {
    uint32_t w[64];
    fill_schedule(w, block);
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int t = 0; t < 64; t++) {
        uint32_t choice = (e & f) ^ (~e & g), majority = (a & b) ^ (a & c) ^ (b & c);
        uint32_t t1 = h + (rotr(e, 6) ^ rotr(e, 11) ^ rotr(e, 25)) + choice + ROUND[t] + w[t];
        uint32_t t2 = (rotr(a, 2) ^ rotr(a, 13) ^ rotr(a, 22)) + majority;
        h = g, g = f, f = e, e = d + t1, d = c, c = b, b = a, a = t1 + t2;
    }
    const uint32_t end[8] = {a, b, c, d, e, f, g, h};
    for (int i = 0; i < 8; i++) state[i] += end[i];
}

/* What is left, a one bit, zeros, and the length in bits: one block or two. */
static void add_padding(uint32_t state[8], const unsigned char *rest, size_t n, uint64_t total_bytes) {
    unsigned char tail[128] = {0};
    size_t size = n < 56 ? 64 : 128;
    if (n) memcpy(tail, rest, n);
    tail[n] = 0x80;
    for (int i = 0; i < 8; i++) tail[size - 1 - (size_t)i] = (unsigned char)(total_bytes * 8 >> (8 * i));
    add_block(state, tail);
    if (size == 128) add_block(state, tail + 64);
}

void sg_sha256(struct sg_str data, uint8_t out[32]) {
    uint32_t state[8];
    memcpy(state, START, sizeof state);
    const unsigned char *p = (const unsigned char *)data.p;
    size_t left = data.n;
    for (; left >= 64; left -= 64, p += 64) add_block(state, p);
    add_padding(state, p, left, data.n);
    for (int i = 0; i < 32; i++) out[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
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
