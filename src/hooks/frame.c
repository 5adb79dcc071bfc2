/* SPDX-License-Identifier: Apache-2.0 */
/* frame: encoding and decoding, byte by byte so that neither alignment nor the machine's byte order matters.
 *
 * The reader keeps the bytes of one unfinished frame; what was taken is dropped when new bytes come, so a piece that
 * holds many small frames is moved at most once. */
#include "hooks/frame.h"

#define LENGTH_BYTES 4
/* A reader that held a large frame gives the memory back. */
#define KEEP ((size_t)1 << 20)

static uint32_t get_u32(const char *p) {
    const unsigned char *u = (const unsigned char *)p;
    return (uint32_t)u[0] | (uint32_t)u[1] << 8 | (uint32_t)u[2] << 16 | (uint32_t)u[3] << 24;
}

static uint64_t get_u64(const char *p) {
    return get_u32(p) | (uint64_t)get_u32(p + 4) << 32;
}

static void set_u32(char *p, uint32_t v) {
    for (int i = 0; i < 4; i++) p[i] = (char)(v >> (8 * i));
}

/* ---- reading ---- */

void sg_frames_init(struct sg_frames *f, uint32_t max) {
    *f = (struct sg_frames){.buf = SG_BUF_INIT(SIZE_MAX / 2), .max = max};
}

void sg_frames_fini(struct sg_frames *f) {
    sg_buf_fini(&f->buf);
}

void sg_frames_feed(struct sg_frames *f, const char *p, size_t n) {
    if (f->at == f->buf.n) sg_buf_reset(&f->buf, KEEP);
    else if (f->at) sg_buf_drop(&f->buf, f->at);
    f->at = 0;
    sg_buf_add(&f->buf, p, n);
}

int sg_frames_next(struct sg_frames *f, struct sg_frame *out) {
    size_t left = f->buf.n - f->at;
    if (left < LENGTH_BYTES) return 0;
    const char *p = f->buf.p + f->at;
    uint32_t length = get_u32(p);
    if (length == 0) return SG_E_SYNTAX;
    if (length > f->max) return SG_E_LIMIT;
    if (left - LENGTH_BYTES < length) return 0;
    *out = (struct sg_frame){(uint8_t)p[LENGTH_BYTES], {p + LENGTH_BYTES + 1, length - 1}};
    f->at += LENGTH_BYTES + (size_t)length;
    return 1;
}

/* ---- writing ---- */

size_t sg_frame_begin(struct sg_buf *b, enum sg_frame_kind kind) {
    size_t begin = b->n;
    sg_put_u32(b, 0);
    sg_buf_ch(b, (char)kind);
    return begin;
}

void sg_frame_end(struct sg_buf *b, size_t begin) {
    sg_set_u32(b, begin, (uint32_t)(b->n - begin - LENGTH_BYTES));
}

void sg_frame_drop(struct sg_buf *b, size_t begin) {
    b->n = begin;
    b->failed = false;
}

void sg_put_u32(struct sg_buf *b, uint32_t v) {
    char p[4];
    set_u32(p, v);
    sg_buf_add(b, p, sizeof p);
}

void sg_put_u64(struct sg_buf *b, uint64_t v) {
    sg_put_u32(b, (uint32_t)v);
    sg_put_u32(b, (uint32_t)(v >> 32));
}

void sg_set_u32(struct sg_buf *b, size_t at, uint32_t v) {
    if (!b->failed) set_u32(b->p + at, v);
}

/* ---- payloads ---- */

#define CALL_HEAD 24
#define ID_BYTES 8

bool sg_frame_read_call(const struct sg_frame *f, struct sg_call_frame *out) {
    struct sg_str s = f->payload;
    if (s.n < CALL_HEAD) return false;
    *out = (struct sg_call_frame){.id = get_u64(s.p), .hook = get_u32(s.p + 8), .seed = get_u64(s.p + 12)};
    uint32_t n = get_u32(s.p + 20);
    if (n > s.n - CALL_HEAD) return false;
    out->input = (struct sg_str){s.p + CALL_HEAD, n};
    out->state = (struct sg_str){s.p + CALL_HEAD + n, s.n - CALL_HEAD - n};
    return true;
}

/* Results and errors have a body of a known length, and something behind it. */
static bool has_extra(uint8_t kind) {
    return kind == SG_FRAME_RESULT || kind == SG_FRAME_ERROR;
}

static size_t body_at(uint8_t kind) {
    return ID_BYTES + (kind == SG_FRAME_ERROR ? 1 : 0) + (has_extra(kind) ? 4 : 0);
}

bool sg_frame_read_answer(const struct sg_frame *f, struct sg_answer_frame *out) {
    size_t head = body_at(f->kind);
    struct sg_str s = f->payload;
    if (s.n < head) return false;
    size_t n = has_extra(f->kind) ? get_u32(s.p + head - 4) : s.n - head;
    if (n > s.n - head) return false;
    *out = (struct sg_answer_frame){
        .id = get_u64(s.p), .body = {s.p + head, n}, .extra = {s.p + head + n, s.n - head - n}};
    if (f->kind == SG_FRAME_ERROR) out->fault = (uint8_t)s.p[ID_BYTES];
    return true;
}

size_t sg_frame_begin_answer(struct sg_buf *b, enum sg_frame_kind kind, uint64_t id, uint8_t fault) {
    size_t begin = sg_frame_begin(b, kind);
    sg_put_u64(b, id);
    if (kind == SG_FRAME_ERROR) sg_buf_ch(b, (char)fault);
    if (has_extra((uint8_t)kind)) sg_put_u32(b, 0);
    return begin;
}

void sg_frame_end_body(struct sg_buf *b, size_t begin) {
    size_t at = begin + LENGTH_BYTES + 1 + body_at((uint8_t)b->p[begin + LENGTH_BYTES]);
    sg_set_u32(b, at - 4, (uint32_t)(b->n - at));
}
