/* SPDX-License-Identifier: Apache-2.0 */
/* Published vectors, and pinned values of our own: a run made today must be repeatable by a later release. */
#include "base/hash.h"

#include <math.h>
#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_sha256(struct sg_str text, const char *want) {
    char hex[65];
    sg_sha256_hex(text, hex);
    assert_string_equal(hex, want);
}

/* NIST's examples for FIPS 180-4, and the lengths around the padding's edges (from hashlib). */
static void test_sha256_of_published_vectors(void **state) {
    (void)state;
    assert_sha256(SG_STR_NONE, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_sha256(SG_STR("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_sha256(SG_STR("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
                  "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    assert_sha256(SG_STR("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmn"
                         "opqrsmnopqrstnopqrstu"),
                  "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
    char *million = malloc(1000000);
    memset(million, 'a', 1000000);
    assert_sha256((struct sg_str){million, 1000000},
                  "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    assert_sha256((struct sg_str){million, 55}, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318");
    assert_sha256((struct sg_str){million, 56}, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a");
    assert_sha256((struct sg_str){million, 63}, "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34");
    assert_sha256((struct sg_str){million, 64}, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
    free(million);
}

/* RFC 3720, B.4, and the check value of the catalogues. */
static void test_crc32c_of_published_vectors(void **state) {
    (void)state;
    unsigned char bytes[32];
    uint32_t (*const forms[])(uint32_t, const void *, size_t) = {sg_crc32c, sg_crc32c_portable};
    for (size_t f = 0; f < 2; f++) {
        assert_int_equal(forms[f](0, "123456789", 9), 0xE3069283U);
        assert_int_equal(forms[f](0, NULL, 0), 0);
        memset(bytes, 0, sizeof bytes);
        assert_int_equal(forms[f](0, bytes, 32), 0x8A9136AAU);
        memset(bytes, 0xFF, sizeof bytes);
        assert_int_equal(forms[f](0, bytes, 32), 0x62A8AB43U);
        for (unsigned i = 0; i < 32; i++) bytes[i] = (unsigned char)i;
        assert_int_equal(forms[f](0, bytes, 32), 0x46DD794EU);
    }
}

static void test_crc32c_is_the_same_in_parts_and_without_the_instruction(void **state) {
    (void)state;
    unsigned char bytes[300];
    for (unsigned i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)(i * 73 + 11);
    for (size_t n = 0; n <= sizeof bytes; n++) {
        uint32_t whole = sg_crc32c(0, bytes, n);
        assert_int_equal(sg_crc32c_portable(0, bytes, n), whole);
        assert_int_equal(sg_crc32c(sg_crc32c(0, bytes, n / 3), bytes + n / 3, n - n / 3), whole);
    }
}

/* Computed from the definition in hash.c by a second implementation (Python). */
static void test_hash64_is_pinned(void **state) {
    (void)state;
    assert_int_equal(sg_hash64(SG_STR(""), 0), 0xE220A8397B1DCDAFU);
    assert_int_equal(sg_hash64(SG_STR_NONE, 0), 0xE220A8397B1DCDAFU);
    assert_int_equal(sg_hash64(SG_STR("a"), 0), 0x0386D66DB423D8FAU);
    assert_int_equal(sg_hash64(SG_STR("a"), 1), 0x95F9E767779E0F24U);
    assert_int_equal(sg_hash64(SG_STR("a\0"), 0), 0x2D3A82C71812BEA8U);
    assert_int_equal(sg_hash64(SG_STR("12345678"), 0), 0x0012C7CCBE9607E9U);
    assert_int_equal(sg_hash64(SG_STR("paraphrase_question"), 0), 0xC1F73D28ECC3140FU);
    assert_int_equal(sg_hash64(SG_STR("paraphrase_question"), 42), 0x92556881A7022A6FU);
}

static void test_draws_are_pinned(void **state) {
    (void)state;
    struct sg_draw_key k = {0};
    assert_int_equal(sg_draw(&k, 0), 0x78AE5A9A6B5FD45EU);
    k.seed = 1;
    assert_int_equal(sg_draw(&k, 0), 0x348C3D1AF8BEC8E5U);
    k = (struct sg_draw_key){.position = 1};
    assert_int_equal(sg_draw(&k, 0), 0xF9AC6E337C2F0F1EU);
    k = (struct sg_draw_key){.seed = 42, .position = 7, .node = sg_hash64(SG_STR("q"), 0), .visit = 3};
    assert_int_equal(sg_draw(&k, 1), 0x75DB902212835931U);
    assert_int_equal(sg_draw(&k, 2), 0xC5B1B5164A512493U);
    assert_true(sg_draw_unit(&k, 1) == 0.46038151580661457);
    assert_true(sg_draw_unit(&k, 2) == 0.7722428492946318);
}

/* The first numbers of SplitMix64 from 0 are published with it. */
static void test_rng_is_splitmix64(void **state) {
    (void)state;
    struct sg_rng r = {0};
    assert_int_equal(sg_rng_next(&r), 0xE220A8397B1DCDAFU);
    assert_int_equal(sg_rng_next(&r), 0x6E789E6AA1B965F4U);
    assert_int_equal(sg_rng_next(&r), 0x06C45D188009454FU);
    for (int i = 0; i < 1000; i++) {
        double u = sg_rng_unit(&r);
        assert_true(u >= 0 && u < 1);
    }
}

/* Chi-squared over 100 bins with 99 degrees of freedom: 149 is passed once in a thousand; the draws are fixed. */
static double chi_squared(const int *bins, size_t n, double expected) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += (bins[i] - expected) * (bins[i] - expected) / expected;
    return sum;
}

static void test_draws_are_uniform_along_each_part_of_their_key(void **state) {
    (void)state;
    for (int part = 0; part < 5; part++) {
        int bins[100] = {0};
        for (uint32_t i = 0; i < 100000; i++) {
            struct sg_draw_key k = {.seed = 9, .position = 5, .node = 3, .visit = 1};
            if (part == 0) k.seed = i;
            if (part == 1) k.position = i;
            if (part == 2) k.node = i;
            if (part == 3) k.visit = i;
            double u = sg_draw_unit(&k, part == 4 ? i : 0);
            assert_true(u >= 0 && u < 1);
            bins[(int)(u * 100)]++;
        }
        assert_true(chi_squared(bins, 100, 1000) < 149);
    }
}

static void test_hash64_spreads_similar_names(void **state) {
    (void)state;
    int low[100] = {0}, high[100] = {0};
    for (int i = 0; i < 100000; i++) {
        uint64_t h = sg_hash64((struct sg_str){(const char *)&i, sizeof i}, 0);
        low[(h & 0xFFFFFF) % 100]++;
        high[(h >> 40) % 100]++;
    }
    assert_true(chi_squared(low, 100, 1000) < 149);
    assert_true(chi_squared(high, 100, 1000) < 149);
}

/* Each bit of the input should flip each bit of the result half of the time. */
static void test_hash64_avalanches(void **state) {
    (void)state;
    for (unsigned bit = 0; bit < 160; bit++) {
        int flips = 0;
        for (unsigned t = 0; t < 64; t++) {
            unsigned char text[20];
            for (unsigned i = 0; i < sizeof text; i++) text[i] = (unsigned char)(t * 31 + i * 7);
            struct sg_str s = {(const char *)text, sizeof text};
            uint64_t h = sg_hash64(s, 0);
            text[bit / 8] ^= (unsigned char)(1U << bit % 8);
            flips += __builtin_popcountll(h ^ sg_hash64(s, 0));
        }
        assert_in_range(flips / 64, 28, 36);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256_of_published_vectors),
        cmocka_unit_test(test_crc32c_of_published_vectors),
        cmocka_unit_test(test_crc32c_is_the_same_in_parts_and_without_the_instruction),
        cmocka_unit_test(test_hash64_is_pinned),
        cmocka_unit_test(test_draws_are_pinned),
        cmocka_unit_test(test_rng_is_splitmix64),
        cmocka_unit_test(test_draws_are_uniform_along_each_part_of_their_key),
        cmocka_unit_test(test_hash64_spreads_similar_names),
        cmocka_unit_test(test_hash64_avalanches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
