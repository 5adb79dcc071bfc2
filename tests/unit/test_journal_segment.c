/* SPDX-License-Identifier: Apache-2.0 */
#include "test_data.h"

#include "journal/journal.h"

#include <errno.h>
#include <fcntl.h>

/* Frame i is text_of(i), of kind i. */
static struct sg_str text_of(uint32_t i) {
    static char text[3000];
    size_t n = (i * 37) % 2500;
    memset(text, (int)('a' + i % 26), n);
    return (struct sg_str){text, n};
}

static void append(struct sg_segments *s, uint32_t i, struct sg_place *out) {
    struct sg_err err;
    if (sg_segments_append(s, i, text_of(i), out, &err)) fail_msg("%s", err.text);
}

static void expect_frame(struct sg_segments *s, uint32_t i, struct sg_place place) {
    struct sg_buf b = SG_BUF_INIT(SIZE_MAX);
    struct sg_err err;
    uint32_t kind;
    sg_buf_ch(&b, '>'); /* what is there stays */
    if (sg_segments_read(s, place, &kind, &b, &err)) fail_msg("%s", err.text);
    assert_int_equal(kind, i);
    assert_int_equal(b.p[0], '>');
    assert_text(((struct sg_str){b.p + 1, b.n - 1}), text_of(i));
    sg_buf_fini(&b);
}

static void test_frames_come_back_from_memory_and_from_files(void **state) {
    (void)state;
    enum { N = 2000 };
    static struct sg_place places[N];
    struct sg_segments *s;
    assert_int_equal(sg_segments_open(in_folder("a/b"), 100000, &s, NULL), 0);
    assert_false(file_exists("a"));
    for (uint32_t i = 0; i < N; i++) {
        append(s, i, &places[i]);
        expect_frame(s, i, places[i]);
        expect_frame(s, i / 2, places[i / 2]);
    }
    assert_true(places[N - 1].segment > 20); /* more than descriptors are kept for */
    for (uint32_t i = N; i-- > 0;) expect_frame(s, i, places[i]);
    for (uint32_t i = 0; i < N; i++) expect_frame(s, (i * 7919) % N, places[(i * 7919) % N]);
    sg_segments_close(s, true);
    assert_false(file_exists("a/b"));
    assert_true(file_exists("a"));
}

static void test_a_segment_goes_with_its_last_frame(void **state) {
    (void)state;
    enum { N = 200 };
    struct sg_place places[N];
    struct sg_segments *s;
    assert_int_equal(sg_segments_open(in_folder("s"), 20000, &s, NULL), 0);
    for (uint32_t i = 0; i < N; i++) append(s, i, &places[i]);
    uint32_t last = places[N - 1].segment;
    assert_true(last > 5);
    assert_true(file_exists("s/000001.seg"));
    for (uint32_t i = 0; i < N; i++) {
        sg_segments_free(s, places[i]);
        if (i + 1 < N) expect_frame(s, i + 1, places[i + 1]);
        if (i + 1 < N && places[i + 1].segment != places[i].segment) {
            char name[32];
            snprintf(name, sizeof name, "s/%06u.seg", places[i].segment);
            assert_false(file_exists(name));
        }
    }
    append(s, 1, &places[0]); /* the newest goes on, or a new one is begun */
    expect_frame(s, 1, places[0]);
    sg_segments_close(s, true);
    assert_false(file_exists("s"));
}

/* The bytes of the header's comment. CRC computed with the portable definition of RFC 3720 by another program. */
static void test_the_file_is_as_documented(void **state) {
    (void)state;
    struct sg_segments *s;
    struct sg_place place;
    struct sg_arena a;
    sg_arena_init(&a, 0);
    assert_int_equal(sg_segments_open(in_folder("f"), 0, &s, NULL), 0);
    assert_int_equal(sg_segments_append(s, 3, SG_STR("abc"), &place, NULL), 0);
    assert_true(place.segment == 1 && place.offset == 8 && place.length == 3);
    sg_segments_close(s, false);
    assert_text(get_file(&a, "f/000001.seg"), SG_STR("SGSEG\0\1\0"
                                                     "\3\0\0\0"
                                                     "\xf8\x83\x14\x55"
                                                     "\3\0\0\0"
                                                     "abc"));
    sg_arena_fini(&a);
}

static void damage(const char *name, off_t at, int mask) {
    int fd = open(in_folder(name), O_RDWR);
    char byte;
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte = (char)(byte ^ mask);
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void test_every_damaged_byte_is_noticed(void **state) {
    (void)state;
    struct sg_segments *s;
    struct sg_place place, next;
    struct sg_err err;
    struct sg_buf b = SG_BUF_INIT(SIZE_MAX);
    uint32_t kind;
    assert_int_equal(sg_segments_open(in_folder("d"), 0, &s, NULL), 0);
    assert_int_equal(sg_segments_append(s, 3, SG_STR("some text"), &place, NULL), 0);
    assert_int_equal(sg_segments_append(s, 4, SG_STR(""), &next, NULL), 0);
    assert_int_equal(sg_segments_flush(s, NULL), 0);
    for (off_t i = 0; i < 12 + 9; i++) {
        damage("d/000001.seg", (off_t)place.offset + i, 0x10);
        assert_int_equal(sg_segments_read(s, place, &kind, &b, &err), SG_E_SYNTAX);
        assert_int_equal(b.n, 0);
        assert_non_null(strstr(err.text, "d/000001.seg: byte 8: the frame is damaged"));
        damage("d/000001.seg", (off_t)place.offset + i, 0x10);
    }
    assert_int_equal(sg_segments_read(s, place, &kind, &b, &err), 0);
    assert_int_equal(truncate(in_folder("d/000001.seg"), 35), 0);
    assert_int_equal(sg_segments_read(s, next, &kind, &b, &err), SG_E_SYNTAX);
    assert_non_null(strstr(err.text, "the file ends inside a frame"));
    next.segment = 2;
    assert_int_equal(sg_segments_read(s, next, &kind, &b, &err), SG_E_MISSING);
    place = (struct sg_place){1, 20, UINT64_MAX - 20};
    assert_int_equal(sg_segments_read(s, place, &kind, &b, &err), SG_E_MISSING);
    sg_buf_fini(&b);
    sg_segments_close(s, true);
}

static ssize_t full_disk(int fd, const void *p, size_t n, uint64_t at) {
    (void)fd, (void)p, (void)n, (void)at;
    return -ENOSPC;
}

static void test_a_failed_write_poisons_the_set(void **state) {
    (void)state;
    struct sg_os os = sg_os_posix;
    struct sg_segments *s;
    struct sg_place place;
    struct sg_err err;
    os.pwrite = full_disk;
    assert_int_equal(sg_segments_open(in_folder("p"), 0, &s, NULL), 0);
    assert_int_equal(sg_segments_append(s, 1, SG_STR("x"), &place, &err), 0);
    sg_os = &os;
    assert_int_equal(sg_segments_flush(s, &err), SG_E_IO);
    assert_int_equal(err.sys, ENOSPC);
    sg_os = &sg_os_posix;
    assert_int_equal(sg_segments_append(s, 1, SG_STR("x"), &place, &err), SG_E_IO);
    assert_non_null(strstr(err.text, "an earlier write failed"));
    assert_int_equal(sg_segments_flush(s, &err), SG_E_IO);
    sg_segments_close(s, true);
    assert_false(file_exists("p"));
}

static void test_a_folder_that_cannot_be_made_is_an_error(void **state) {
    (void)state;
    struct sg_segments *s;
    struct sg_place place;
    struct sg_err err;
    put_file("file", SG_STR(""));
    assert_int_equal(sg_segments_open(in_folder("file/s"), 0, &s, NULL), 0);
    assert_int_equal(sg_segments_append(s, 1, SG_STR("x"), &place, &err), SG_E_IO);
    sg_segments_close(s, true);
    assert_int_equal(sg_segments_open("", 0, &s, &err), SG_E_USAGE);
}

static void test_what_an_earlier_process_left_is_overwritten(void **state) {
    (void)state;
    struct sg_segments *s;
    struct sg_place place;
    assert_int_equal(sg_os_mkdirs(in_folder("old")), 0);
    put_file("old/000001.seg",
             SG_STR("a long text of an earlier process, which must not show behind the new frames"));
    assert_int_equal(sg_segments_open(in_folder("old"), 0, &s, NULL), 0);
    append(s, 1, &place);
    expect_frame(s, 1, place);
    sg_segments_close(s, false);
    assert_int_equal(sg_segments_open(in_folder("old"), 0, &s, NULL), 0);
    append(s, 2, &place);
    sg_segments_close(s, true);
    assert_false(file_exists("old"));
}

/* --- going on with an earlier process's ---------------------------------------------------------------------------- */

enum { M = 200 };
static struct sg_place left[M]; /* in segments of 20 kB */

static void leave_segments(const char *name) {
    struct sg_segments *s;
    assert_int_equal(sg_segments_open(in_folder(name), 20000, &s, NULL), 0);
    for (uint32_t i = 0; i < M; i++) append(s, i, &left[i]);
    sg_segments_close(s, false);
}

static struct sg_segments *reopen(const char *name, uint32_t newest, uint64_t bytes) {
    struct sg_segments *s;
    struct sg_err err;
    if (sg_segments_reopen(in_folder(name), 20000, newest, bytes, &s, &err)) fail_msg("%s", err.text);
    return s;
}

static const char *segment_name(const char *folder, uint32_t segment) {
    static char name[64];
    snprintf(name, sizeof name, "%s/%06u.seg", folder, segment);
    return name;
}

/* Frame k and all behind it were not said to be there. */
static void test_a_torn_tail_is_cut_and_appending_goes_on(void **state) {
    (void)state;
    for (uint32_t k = 1; k < M; k += 23) {
        leave_segments("tail");
        uint32_t last = left[M - 1].segment;
        struct sg_segments *s = reopen("tail", left[k].segment, left[k].offset);
        uint32_t newest;
        uint64_t bytes;
        sg_segments_newest(s, &newest, &bytes);
        assert_true(newest == left[k].segment && bytes == left[k].offset);
        assert_int_equal(file_exists(segment_name("tail", last)), last == left[k].segment);
        for (uint32_t i = 0; i < k; i++) assert_int_equal(sg_segments_need(s, left[i], NULL), 0);
        for (uint32_t i = k; i < M; i++) assert_int_equal(sg_segments_need(s, left[i], NULL), SG_E_SYNTAX);
        sg_segments_begin(s, false);
        for (uint32_t i = k; i < M; i++) append(s, i, &left[i]);
        for (uint32_t i = 0; i < M; i++) expect_frame(s, i, left[i]);
        sg_segments_close(s, true);
        assert_false(file_exists("tail"));
    }
}

static void test_segments_that_nobody_needs_go_when_a_set_is_reopened(void **state) {
    (void)state;
    leave_segments("need");
    uint32_t last = left[M - 1].segment;
    struct sg_segments *s = reopen("need", last, left[M - 1].offset);
    assert_int_equal(sg_segments_need(s, left[60], NULL), 0);
    sg_segments_begin(s, false);
    for (uint32_t i = 1; i <= last; i++)
        assert_int_equal(file_exists(segment_name("need", i)), i == last || i == left[60].segment);
    sg_segments_free(s, left[60]);
    assert_false(file_exists(segment_name("need", left[60].segment)));
    sg_segments_close(s, false);
    s = reopen("need", last, 0); /* said to be full */
    sg_segments_begin(s, true);
    append(s, 7, &left[0]);
    assert_int_equal(left[0].segment, last + 1);
    assert_true(file_exists(segment_name("need", last)));
    sg_segments_close(s, true);
}

/* A loss of power may leave the name of a file and nothing of its bytes. */
static void test_an_empty_segment_behind_the_newest_goes_when_a_set_is_reopened(void **state) {
    (void)state;
    leave_segments("empty");
    assert_int_equal(truncate(in_folder(segment_name("empty", 1)), 0), 0);
    struct sg_segments *s = reopen("empty", 0, 0);
    assert_false(file_exists(segment_name("empty", 1)));
    sg_segments_close(s, true);
}

static void test_a_newest_segment_that_is_too_short_is_told(void **state) {
    (void)state;
    struct sg_segments *s;
    struct sg_err err;
    leave_segments("short");
    struct sg_place p = left[M - 1];
    assert_int_equal(truncate(in_folder(segment_name("short", p.segment)), (off_t)p.offset - 1), 0);
    assert_int_equal(sg_segments_reopen(in_folder("short"), 0, p.segment, p.offset, &s, &err), SG_E_SYNTAX);
    assert_non_null(strstr(err.text, "the file ends here"));
    unlink(
        in_folder(segment_name("short", p.segment))); /* gone altogether: nothing was needed of it, or that is told */
    s = reopen("short", p.segment, p.offset);
    assert_int_equal(sg_segments_need(s, left[M - 2], &err), SG_E_SYNTAX);
    sg_segments_close(s, false);
}

/* A frame is free when the second sync that began behind its release is over. */
static void test_released_frames_wait_for_two_syncs(void **state) {
    (void)state;
    struct sg_segments *s;
    assert_int_equal(sg_segments_open(in_folder("rel"), 20000, &s, NULL), 0);
    for (uint32_t i = 0; i < M; i++) append(s, i, &left[i]);
    for (uint32_t i = 0; left[i].segment == 1; i++) sg_segments_release(s, left[i]);
    for (int round = 0; round < 3; round++) {
        assert_true(file_exists("rel/000001.seg"));
        if (round == 0) sg_segments_settle(s); /* of a round that began before */
        else sg_segments_capture(s), sg_segments_settle(s);
    }
    assert_false(file_exists("rel/000001.seg"));
    for (uint32_t i = 0; i < M; i++)
        if (left[i].segment == 2) sg_segments_release(s, left[i]);
    sg_segments_capture(s);
    for (uint32_t i = 0; i < M; i++)
        if (left[i].segment == 3) sg_segments_release(s, left[i]);
    sg_segments_settle(s);
    sg_segments_capture(s);
    assert_true(file_exists("rel/000002.seg"));
    sg_segments_settle(s);
    assert_false(file_exists("rel/000002.seg"));
    assert_true(file_exists("rel/000003.seg"));
    sg_segments_close(s, true);
}

static int synced;

static int count_sync(int fd) {
    (void)fd;
    synced++;
    return 0;
}

static void test_a_sync_gets_every_segment_once(void **state) {
    (void)state;
    struct sg_os os = sg_os_posix;
    struct sg_segments *s;
    struct sg_place place;
    struct sg_sync y = {0};
    os.sync = count_sync;
    assert_int_equal(sg_segments_open(in_folder("sync"), 20000, &s, NULL), 0);
    sg_segments_unsynced(s, &y);
    assert_int_equal(y.n, 0);
    for (uint32_t i = 0; i < M; i++) append(s, i, &place);
    assert_int_equal(sg_segments_flush(s, NULL), 0);
    sg_segments_unsynced(s, &y);
    assert_int_equal(y.n, place.segment);
    assert_non_null(y.folders[0]);
    sg_os = &os;
    assert_int_equal(sg_sync_run(&y, NULL), 0);
    sg_os = &sg_os_posix;
    assert_int_equal(synced, place.segment + 2); /* and the folders that name them */
    sg_segments_unsynced(s, &y);
    assert_true(y.n == 0 && !y.folders[0]);
    append(s, 1, &place);
    assert_int_equal(sg_segments_flush(s, NULL), 0);
    sg_segments_unsynced(s, &y);
    assert_int_equal(y.n, 1);
    expect_frame(s, 1, place);
    sg_sync_fini(&y);
    sg_segments_close(s, true);
}

/* --- verifying ------------------------------------------------------------------------------------------------------ */

static void test_verifying_finds_the_first_bad_frame(void **state) {
    (void)state;
    struct sg_place end, to;
    struct sg_err why;
    leave_segments("ver");
    to = left[M - 1];
    to.offset += 12 + to.length;
    assert_int_equal(sg_segments_verify(in_folder("ver"), 20000, (struct sg_place){0}, to, &end, &why), 0);
    assert_true(end.segment == to.segment && end.offset == to.offset);
    assert_int_equal(sg_segments_verify(in_folder("ver"), 20000, left[30], to, &end, &why), 0);
    damage(segment_name("ver", left[90].segment), (off_t)left[90].offset + 13, 4);
    assert_int_equal(sg_segments_verify(in_folder("ver"), 20000, left[30], to, &end, &why), SG_E_SYNTAX);
    assert_true(end.segment == left[90].segment && end.offset == left[90].offset);
    assert_non_null(strstr(why.text, "the frame is damaged"));
    assert_int_equal(sg_segments_verify(in_folder("ver"), 20000, left[91], to, &end, &why), 0);
    damage(segment_name("ver", left[90].segment), (off_t)left[90].offset + 13, 4);
    uint32_t k = 100; /* the last frame of a segment that others follow */
    while (left[k + 1].segment == left[k].segment) k++;
    assert_int_equal(truncate(in_folder(segment_name("ver", left[k].segment)), (off_t)left[k].offset), 0);
    assert_int_equal(sg_segments_verify(in_folder("ver"), 20000, left[30], to, &end, &why), SG_E_SYNTAX);
    assert_true(end.segment == left[k].segment && end.offset == left[k].offset);
    unlink(in_folder(segment_name("ver", left[k].segment)));
    assert_int_equal(sg_segments_verify(in_folder("ver"), 20000, left[30], to, &end, &why), SG_E_SYNTAX);
    assert_non_null(strstr(why.text, "the file is gone"));
    put_file(segment_name("ver", left[k].segment), SG_STR("SGSEG\0\2\0 of another version"));
    assert_int_equal(sg_segments_verify(in_folder("ver"), 20000, left[30], to, &end, &why), SG_E_SYNTAX);
    assert_non_null(strstr(why.text, "byte 0: is no segment"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_come_back_from_memory_and_from_files),
        cmocka_unit_test(test_a_segment_goes_with_its_last_frame),
        cmocka_unit_test(test_the_file_is_as_documented),
        cmocka_unit_test(test_every_damaged_byte_is_noticed),
        cmocka_unit_test(test_a_failed_write_poisons_the_set),
        cmocka_unit_test(test_a_folder_that_cannot_be_made_is_an_error),
        cmocka_unit_test(test_what_an_earlier_process_left_is_overwritten),
        cmocka_unit_test(test_a_torn_tail_is_cut_and_appending_goes_on),
        cmocka_unit_test(test_segments_that_nobody_needs_go_when_a_set_is_reopened),
        cmocka_unit_test(test_an_empty_segment_behind_the_newest_goes_when_a_set_is_reopened),
        cmocka_unit_test(test_a_newest_segment_that_is_too_short_is_told),
        cmocka_unit_test(test_released_frames_wait_for_two_syncs),
        cmocka_unit_test(test_a_sync_gets_every_segment_once),
        cmocka_unit_test(test_verifying_finds_the_first_bad_frame),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
