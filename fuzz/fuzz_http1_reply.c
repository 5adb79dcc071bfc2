/* SPDX-License-Identifier: Apache-2.0 */
/* http1_reply: what an endpoint sends on one connection, several replies behind each other, then its end.
 *
 * Always: bytes that come in pieces give the same replies as bytes that come at once, the same verdict (if not always in
 * the same words), and the same rest for the next reply; limits hold. */
#include "fuzz.h"

#include "net/http1_parse.h"

#include <stdlib.h>

#define HEAD_MAX 600
#define BODY_MAX 900

struct replies {
    struct sg_buf seen; /* each reply as text */
    int rc;             /* of the last one: 1 complete, 0 unfinished, or an error */
};

static void note(struct replies *r, const struct sg_http1 *h) {
    SG_ASSERT(h->status >= 200 && h->status <= 999 && h->body.n <= BODY_MAX);
    sg_buf_printf(&r->seen, "%d %d %zu<%.*s><%.*s>:", h->status, h->keep_alive, h->body.n, SG_ARG(h->content_type),
                  SG_ARG(h->retry_after));
    sg_buf_str(&r->seen, h->body);
    int64_t wait_ms = sg_http1_retry_after(h->retry_after, h->retry_after_ms, 1700000000);
    SG_ASSERT(wait_ms >= -1);
}

/* One piece: as many replies as it ends. */
static void take(struct replies *r, struct sg_http1 *h, struct sg_str piece, struct sg_err *err) {
    size_t used = 0;
    for (size_t at = 0; at < piece.n && r->rc >= 0; at += used) {
        r->rc = sg_http1_take(h, piece.p + at, piece.n - at, &used, err);
        if (r->rc < 0) return;
        SG_ASSERT(used <= piece.n - at && (r->rc > 0 || used == piece.n - at));
        if (r->rc == 0) return;
        note(r, h);
        if (!h->keep_alive) r->rc = SG_E_CANCELED; /* the client closes here */
        sg_http1_begin(h);
    }
}

static void read_all(struct sg_str text, bool whole, struct replies *r) {
    struct sg_http1 h = {.head_max = HEAD_MAX, .body_max = BODY_MAX};
    struct sg_rng draws = fuzz_draws(text);
    struct sg_err err = {0};
    *r = (struct replies){.seen = SG_BUF_INIT(SIZE_MAX)};
    sg_http1_begin(&h);
    while (text.n && r->rc >= 0) {
        struct sg_str piece = text;
        if (whole) text.n = 0;
        else piece = fuzz_piece(&draws, &text);
        take(r, &h, piece, &err);
        if (!whole) free((char *)piece.p);
    }
    if (r->rc >= 0) {
        r->rc = sg_http1_end(&h, &err);
        if (r->rc > 0) note(r, &h);
    }
    SG_ASSERT(r->rc >= 0 || r->rc == SG_E_CANCELED || err.text[0]);
    sg_http1_fini(&h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct replies at_once, in_pieces;
    read_all(fuzz_text(data, size), true, &at_once);
    read_all(fuzz_text(data, size), false, &in_pieces);
    SG_ASSERT(at_once.rc == in_pieces.rc);
    SG_ASSERT(sg_str_eq(sg_buf_view(&at_once.seen), sg_buf_view(&in_pieces.seen)));
    sg_buf_fini(&at_once.seen);
    sg_buf_fini(&in_pieces.seen);
    return 0;
}
