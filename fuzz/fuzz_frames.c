/* SPDX-License-Identifier: Apache-2.0 */
/* frames: the bytes that a hook host sends, or the engine to it.
 *
 * Always: bytes in pieces give the same frames as bytes at once; what was read of a frame, written again, is that frame. */
#include "fuzz.h"

#include "hooks/frame.h"

#include <stdlib.h>

#define MAX_FRAME 3000

struct seen {
    struct sg_buf bytes; /* all frames, written again */
    size_t n;
    int rc;
};

/* Appends the payload from its parts, if it has any. */
static void write_parts(struct sg_buf *b, const struct sg_frame *f) {
    struct sg_call_frame call;
    struct sg_answer_frame answer;
    bool has_extra = f->kind == SG_FRAME_RESULT || f->kind == SG_FRAME_ERROR;
    bool plain = f->kind == SG_FRAME_PRINT || f->kind == SG_FRAME_CANCEL || f->kind == SG_FRAME_MEMORY;
    if (f->kind == SG_FRAME_CALL && sg_frame_read_call(f, &call)) {
        sg_put_u64(b, call.id);
        sg_put_u32(b, call.hook);
        sg_put_u64(b, call.seed);
        sg_put_u32(b, (uint32_t)call.input.n);
        sg_buf_str(b, call.input);
        sg_buf_str(b, call.state);
    } else if ((has_extra || plain) && sg_frame_read_answer(f, &answer)) {
        sg_put_u64(b, answer.id);
        if (f->kind == SG_FRAME_ERROR) sg_buf_ch(b, (char)answer.fault);
        if (has_extra) sg_put_u32(b, (uint32_t)answer.body.n);
        sg_buf_str(b, answer.body);
        sg_buf_str(b, answer.extra);
    } else {
        sg_buf_str(b, f->payload);
    }
}

static void take(struct seen *s, struct sg_frames *in) {
    struct sg_frame f;
    while (s->rc >= 0 && (s->rc = sg_frames_next(in, &f)) > 0) {
        SG_ASSERT(f.payload.n < MAX_FRAME);
        size_t at = sg_frame_begin(&s->bytes, (enum sg_frame_kind)f.kind);
        write_parts(&s->bytes, &f);
        sg_frame_end(&s->bytes, at);
        s->n++;
    }
}

static void read_all(struct sg_str text, bool whole, struct seen *out) {
    struct sg_rng draws = fuzz_draws(text);
    struct sg_frames in;
    *out = (struct seen){.bytes = SG_BUF_INIT(SIZE_MAX)};
    sg_frames_init(&in, MAX_FRAME);
    while (text.n && out->rc >= 0) {
        struct sg_str piece = text;
        if (whole) text.n = 0;
        else piece = fuzz_piece(&draws, &text);
        sg_frames_feed(&in, piece.p, piece.n);
        if (!whole) free((char *)piece.p);
        take(out, &in);
    }
    sg_frames_fini(&in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sg_str text = fuzz_text(data, size);
    struct seen at_once, in_pieces;
    read_all(text, true, &at_once);
    read_all(text, false, &in_pieces);
    SG_ASSERT(at_once.rc == in_pieces.rc && at_once.n == in_pieces.n);
    SG_ASSERT(sg_str_eq(sg_buf_view(&at_once.bytes), sg_buf_view(&in_pieces.bytes)));
    SG_ASSERT(sg_str_starts(text, sg_buf_view(&at_once.bytes)));
    sg_buf_fini(&at_once.bytes);
    sg_buf_fini(&in_pieces.bytes);
    return 0;
}
