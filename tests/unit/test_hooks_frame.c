/* SPDX-License-Identifier: Apache-2.0 */
/* The bytes of the hook protocol: an example of docs/formats/hook-protocol.md, in any pieces, and broken ones. */
#include "hooks/frame.h"

#include <setjmp.h>
#include <stdlib.h>

#include <cmocka.h>

#define MAX 1000

static struct sg_buf call_frame(uint64_t id, uint32_t hook, struct sg_str input, struct sg_str state) {
    struct sg_buf b = SG_BUF_INIT(0);
    size_t at = sg_frame_begin(&b, SG_FRAME_CALL);
    sg_put_u64(&b, id);
    sg_put_u32(&b, hook);
    sg_put_u64(&b, 9);
    sg_put_u32(&b, (uint32_t)input.n);
    sg_buf_str(&b, input);
    sg_buf_str(&b, state);
    sg_frame_end(&b, at);
    return b;
}

static void test_a_call_has_the_documented_bytes(void **state) {
    (void)state;
    static const char WANTED[] = "\x22\0\0\0C\x07\0\0\0\0\0\0\0\x01\0\0\0\x09\0\0\0\0\0\0\0\x07\0\0\0{\"a\":1}[]";
    struct sg_buf b = call_frame(7, 1, SG_STR("{\"a\":1}"), SG_STR("[]"));
    assert_int_equal(b.n, sizeof WANTED - 1);
    assert_memory_equal(b.p, WANTED, b.n);
    sg_buf_fini(&b);
}

static void check_call(const struct sg_frame *f) {
    struct sg_call_frame c;
    assert_int_equal(f->kind, SG_FRAME_CALL);
    assert_true(sg_frame_read_call(f, &c));
    assert_true(c.id == 0x0102030405060708);
    assert_int_equal(c.hook, 0x0A0B0C0D);
    assert_true(c.seed == 9);
    assert_true(sg_str_eq(c.input, SG_STR("{\"x\":[1,2]}")));
    assert_true(sg_str_eq(c.state, SG_STR("{}")));
}

static void test_frames_are_read_in_pieces_of_any_size(void **state) {
    (void)state;
    struct sg_buf one = call_frame(0x0102030405060708, 0x0A0B0C0D, SG_STR("{\"x\":[1,2]}"), SG_STR("{}"));
    struct sg_buf all = SG_BUF_INIT(0);
    for (int i = 0; i < 10; i++) sg_buf_str(&all, sg_buf_view(&one));
    for (size_t piece = 1; piece <= all.n; piece++) {
        struct sg_frames in;
        struct sg_frame f;
        int seen = 0, rc = 0;
        sg_frames_init(&in, MAX);
        for (size_t at = 0; at < all.n; at += piece) {
            sg_frames_feed(&in, all.p + at, piece < all.n - at ? piece : all.n - at);
            for (; (rc = sg_frames_next(&in, &f)) > 0; seen++) check_call(&f);
            assert_int_equal(rc, 0);
        }
        assert_int_equal(seen, 10);
        sg_frames_fini(&in);
    }
    sg_buf_fini(&one);
    sg_buf_fini(&all);
}

static int first_of(const char *bytes, size_t n, struct sg_frame *f) {
    struct sg_frames in;
    sg_frames_init(&in, MAX);
    sg_frames_feed(&in, bytes, n);
    int rc = sg_frames_next(&in, f);
    sg_frames_fini(&in);
    return rc;
}

static void test_a_length_of_zero_is_refused(void **state) {
    (void)state;
    struct sg_frame f;
    assert_int_equal(first_of("\0\0\0\0", 4, &f), SG_E_SYNTAX);
}

static void test_a_length_over_the_limit_is_refused_before_its_bytes_come(void **state) {
    (void)state;
    struct sg_frame f;
    assert_int_equal(first_of("\xE9\x03\0\0", 4, &f), SG_E_LIMIT);
    assert_int_equal(first_of("\xE8\x03\0\0", 4, &f), 0);
    assert_int_equal(first_of("\xFF\xFF\xFF\xFF", 4, &f), SG_E_LIMIT);
}

static void test_short_payloads_are_refused(void **state) {
    (void)state;
    struct sg_call_frame c;
    struct sg_answer_frame a;
    char bytes[32] = {0};
    for (size_t n = 0; n < 24; n++)
        assert_false(sg_frame_read_call(&(struct sg_frame){SG_FRAME_CALL, {bytes, n}}, &c));
    bytes[20] = 5; /* 5 bytes of input, of which 4 are there */
    assert_false(sg_frame_read_call(&(struct sg_frame){SG_FRAME_CALL, {bytes, 28}}, &c));
    assert_true(sg_frame_read_call(&(struct sg_frame){SG_FRAME_CALL, {bytes, 29}}, &c));
    assert_int_equal(c.state.n, 0);
    static const struct { enum sg_frame_kind kind; size_t head, length_at; } ANSWERS[] = {
        {SG_FRAME_PRINT, 8, 0}, {SG_FRAME_CANCEL, 8, 0}, {SG_FRAME_RESULT, 12, 8}, {SG_FRAME_ERROR, 13, 9}};
    for (size_t i = 0; i < sizeof ANSWERS / sizeof *ANSWERS; i++) {
        uint8_t kind = (uint8_t)ANSWERS[i].kind;
        size_t head = ANSWERS[i].head;
        memset(bytes, 0, sizeof bytes);
        assert_false(sg_frame_read_answer(&(struct sg_frame){kind, {bytes, head - 1}}, &a));
        assert_true(sg_frame_read_answer(&(struct sg_frame){kind, {bytes, head}}, &a));
        if (!ANSWERS[i].length_at) continue;
        bytes[ANSWERS[i].length_at] = 3;
        assert_false(sg_frame_read_answer(&(struct sg_frame){kind, {bytes, head + 2}}, &a));
        assert_true(sg_frame_read_answer(&(struct sg_frame){kind, {bytes, head + 5}}, &a));
        assert_true(a.body.n == 3 && a.extra.n == 2);
    }
}

static void test_answers_carry_a_body_and_what_follows_it(void **state) {
    (void)state;
    static const char WANTED[] = "\x14\0\0\0e\x07\0\0\0\0\0\0\0\x01\x04\0\0\0oopstb";
    struct sg_buf b = SG_BUF_INIT(0);
    struct sg_frames in;
    struct sg_frame f;
    struct sg_answer_frame a;
    size_t at = sg_frame_begin_answer(&b, SG_FRAME_ERROR, 7, SG_FAULT_RAISED);
    SG_BUF_LIT(&b, "oops");
    sg_frame_end_body(&b, at);
    SG_BUF_LIT(&b, "tb");
    sg_frame_end(&b, at);
    assert_int_equal(b.n, sizeof WANTED - 1);
    assert_memory_equal(b.p, WANTED, b.n);
    sg_frames_init(&in, MAX);
    sg_frames_feed(&in, b.p, b.n);
    assert_int_equal(sg_frames_next(&in, &f), 1);
    assert_true(sg_frame_read_answer(&f, &a));
    assert_true(a.id == 7 && a.fault == SG_FAULT_RAISED);
    assert_true(sg_str_eq(a.body, SG_STR("oops")) && sg_str_eq(a.extra, SG_STR("tb")));
    sg_frames_fini(&in);
    sg_buf_fini(&b);
}

static void test_a_dropped_frame_leaves_no_trace(void **state) {
    (void)state;
    struct sg_buf b = SG_BUF_INIT(20);
    size_t at = sg_frame_begin(&b, SG_FRAME_RESULT);
    sg_frame_end(&b, at);
    size_t good = b.n;
    at = sg_frame_begin(&b, SG_FRAME_RESULT);
    sg_buf_add(&b, "this is too much for it", 23);
    assert_true(b.failed);
    sg_frame_drop(&b, at);
    assert_false(b.failed);
    assert_int_equal(b.n, good);
    sg_buf_fini(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_call_has_the_documented_bytes),
        cmocka_unit_test(test_frames_are_read_in_pieces_of_any_size),
        cmocka_unit_test(test_a_length_of_zero_is_refused),
        cmocka_unit_test(test_a_length_over_the_limit_is_refused_before_its_bytes_come),
        cmocka_unit_test(test_short_payloads_are_refused),
        cmocka_unit_test(test_answers_carry_a_body_and_what_follows_it),
        cmocka_unit_test(test_a_dropped_frame_leaves_no_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
