/* SPDX-License-Identifier: Apache-2.0 */
/* jq_value: values between us and libjq, without a second JSON text (jv_parse takes 30 us for 2 kB, this 4).
 *
 * libjq 1.6 knows doubles only. So that a number which a program merely passes on comes out as it went in (ids beyond
 * 2^53, 1.10), the texts of the input's numbers are remembered by their double, and an output number with such a
 * double is written with that text. Whole numbers within 2^53 need no memory and are not remembered: 1.0 comes out as
 * 1. Two texts for one double ("12345678901234567890" and "...891") cannot be told apart: then the double's own text
 * is written.
 * Memory: remembered texts are views; they end with the values that were read. */
#ifndef SG_HOOKS_JQ_VALUE_H
#define SG_HOOKS_JQ_VALUE_H

#include "base/base.h"

#include <jv.h>

struct sg_number_text {
    uint64_t bits; /* of the double */
    uint64_t round; /* the entry counts only in this round */
    struct sg_str text; /* p == NULL: more than one */
};

struct sg_numbers {
    struct sg_number_text *slots; /* open addressing, a power of two */
    size_t cap, n;
    uint64_t round;
};

void sg_numbers_fini(struct sg_numbers *t);
/* Forgets all texts. */
void sg_numbers_clear(struct sg_numbers *t);

/* The caller owns the result. */
jv sg_jv_read(const struct sg_json *v, struct sg_numbers *t);
/* Appends JSON text; `v` stays the caller's. False when it is too deep to be an item of an array within
 * SG_JSON_DEPTH. NaN is null, infinity the largest double, as jq itself writes them. */
bool sg_jv_write(struct sg_buf *b, jv v, const struct sg_numbers *t);

#endif
