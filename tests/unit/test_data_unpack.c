/* SPDX-License-Identifier: Apache-2.0 */
#include "test_data.h"

#include "data/unpack.h"

#include <fcntl.h>
#include <zlib.h>
#include <zstd.h>

#define N 300000

static char text[N];
static unsigned char packed[N + 4096];

static size_t pack(enum sg_packing how, const char *p, size_t n, unsigned char *to, size_t room) {
    if (how == SG_PACKED_ZSTD) return ZSTD_compress(to, room, p, n, 1);
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)p, z.avail_in = (unsigned)n, z.next_out = to, z.avail_out = (unsigned)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}

/* The text in two members. */
static size_t pack_all(enum sg_packing how) {
    struct sg_rng r = {7};
    for (size_t i = 0; i < N; i++) text[i] = (char)('a' + sg_rng_next(&r) % 20);
    size_t n = pack(how, text, N / 3, packed, sizeof packed);
    return n + pack(how, text + N / 3, N - N / 3, packed + n, sizeof packed - n);
}

/* Unpacks the first n packed bytes in steps; how many bytes came, and 0 or the error. */
static size_t unpack(enum sg_packing how, size_t n, size_t step, int *rc, struct sg_err *err) {
    static char out[N + 1];
    put_file("packed", (struct sg_str){(char *)packed, n});
    int fd = open(in_folder("packed"), O_RDONLY);
    struct sg_unpacker *u = sg_unpacker_open(how, fd, SG_STR("packed"));
    size_t at = 0;
    ssize_t got = 1;
    while (got > 0) {
        got = sg_unpack(u, out + at, step < N + 1 - at ? step : N + 1 - at, err);
        if (got > 0) at += (size_t)got;
    }
    *rc = (int)got;
    if (got < 0) assert_int_equal(sg_unpack(u, out, 1, err), got);
    sg_unpacker_close(u);
    close(fd);
    assert_memory_equal(out, text, at);
    return at;
}

static void test_members_one_behind_the_other_are_one_text(void **state) {
    (void)state;
    for (int how = SG_PACKED_GZIP; how <= SG_PACKED_ZSTD; how++) {
        size_t n = pack_all((enum sg_packing)how);
        for (size_t step = 1000; step < N; step *= 7) {
            int rc;
            assert_int_equal(unpack((enum sg_packing)how, n, step, &rc, NULL), N);
            assert_int_equal(rc, 0);
        }
    }
}

static void test_a_file_that_was_cut_says_so_behind_what_was_whole(void **state) {
    (void)state;
    struct sg_err err = {0};
    for (int how = SG_PACKED_GZIP; how <= SG_PACKED_ZSTD; how++) {
        size_t n = pack_all((enum sg_packing)how);
        int rc;
        assert_true(unpack((enum sg_packing)how, n - 1, 4096, &rc, &err) > N / 3);
        assert_int_equal(rc, SG_E_SYNTAX);
        assert_non_null(strstr(err.text, "the file ends too early"));
    }
}

static void test_damage_is_told_again_each_time(void **state) {
    (void)state;
    struct sg_err err = {0};
    int rc;
    for (int how = SG_PACKED_GZIP; how <= SG_PACKED_ZSTD; how++) {
        size_t n = pack_all((enum sg_packing)how);
        memcpy(packed, "nothing", 7);
        assert_int_equal(unpack((enum sg_packing)how, n, 4096, &rc, &err), 0);
        assert_int_equal(rc, SG_E_SYNTAX);
        assert_non_null(strstr(err.text, "packed: byte "));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members_one_behind_the_other_are_one_text),
        cmocka_unit_test(test_a_file_that_was_cut_says_so_behind_what_was_whole),
        cmocka_unit_test(test_damage_is_told_again_each_time),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
