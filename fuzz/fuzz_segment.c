/* SPDX-License-Identifier: Apache-2.0 */
/* segment: a file of frames, as a dead process or a bad disk may have left it.
 *
 * Always: what verifies reads back frame by frame, and goes on: a frame that is appended behind the good part is there, and
 * so are those before it; what does not verify says where it ends; nothing that is not there is read. */
#include "fuzz.h"

#include "journal/journal.h"

#define FOLDER "run/segments"
#define FILE_NAME FOLDER "/000001.seg"
enum { HEADER = 8, FRAME = 12 };

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    fuzz_disk_use();
    return 0;
}

static uint32_t u32_at(struct sg_str s, uint64_t at) {
    const unsigned char *p = (const unsigned char *)s.p + at;
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static struct sg_str bytes(uint64_t from, uint64_t n) {
    struct sg_str s = SG_STR_NONE;
    SG_ASSERT(fuzz_get(FILE_NAME, &s) && s.n >= from + n);
    return (struct sg_str){s.p + from, (size_t)n};
}

static void reads_back(struct sg_segments *s, uint64_t at, uint32_t n) {
    struct sg_buf b = SG_BUF_INIT(SIZE_MAX);
    uint32_t kind;
    SG_ASSERT(sg_segments_read(s, (struct sg_place){1, n, at}, &kind, &b, NULL) == 0);
    SG_ASSERT(sg_str_eq(sg_buf_view(&b), bytes(at + FRAME, n)));
    sg_buf_fini(&b);
}

static void read_frames(struct sg_segments *s, uint64_t end) {
    for (uint64_t at = HEADER, n; at < end; at += FRAME + n) {
        n = u32_at(bytes(at, 4), 0);
        reads_back(s, at, (uint32_t)n);
    }
}

static void goes_on(uint64_t end) {
    struct sg_segments *s;
    struct sg_place place;
    SG_ASSERT(sg_segments_reopen(FOLDER, 1 << 20, 1, end, &s, NULL) == 0);
    SG_ASSERT(sg_segments_append(s, 7, SG_STR("new"), &place, NULL) == 0 && sg_segments_flush(s, NULL) == 0);
    SG_ASSERT(place.segment == 1 && place.offset == end);
    read_frames(s, end);
    reads_back(s, end, 3);
    sg_segments_close(s, false);
    struct sg_place to = {1, 0, end + FRAME + 3}, stop;
    SG_ASSERT(sg_segments_verify(FOLDER, 1 << 20, (struct sg_place){1, 0, 0}, to, &stop, NULL) == 0);
}

/* Places as a damaged run.db might name them. */
static void read_anywhere(struct sg_str text) {
    struct sg_rng draws = fuzz_draws(text);
    struct sg_segments *s;
    SG_ASSERT(sg_segments_view(FOLDER, &s, NULL) == 0);
    for (int i = 0; i < 8; i++) {
        struct sg_buf b = SG_BUF_INIT(SIZE_MAX);
        struct sg_err err = {0};
        uint32_t kind;
        struct sg_place p = {(uint32_t)fuzz_below(&draws, 3), (uint32_t)fuzz_below(&draws, 40), fuzz_below(&draws, 200)};
        if (i % 4 == 3) p.length = (uint32_t)sg_rng_next(&draws);
        if (i % 4 >= 2) p.offset = 0 - p.offset;
        int rc = sg_segments_read(s, p, &kind, &b, &err);
        SG_ASSERT(rc == 0 ? b.n == p.length : b.n == 0 && err.text[0] && rc != SG_E_IO); /* the disk is good */
        sg_buf_fini(&b);
    }
    sg_segments_close(s, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sg_str text = fuzz_text(data, size);
    struct sg_place from = {1, 0, 0}, to = {1, 0, size}, end = {0};
    struct sg_err why = {0};
    fuzz_put(FILE_NAME, text);
    read_anywhere(text);
    int rc = sg_segments_verify(FOLDER, 1 << 20, from, to, &end, &why);
    SG_ASSERT(rc == 0 || (rc == SG_E_SYNTAX && why.text[0]));
    SG_ASSERT(end.offset <= size);
    if (end.segment == 1 && end.offset >= HEADER) goes_on(end.offset);
    fuzz_disk_clear();
    return 0;
}
