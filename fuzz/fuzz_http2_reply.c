/* SPDX-License-Identifier: Apache-2.0 */
/* http2_reply: what a server sends over one connection of HTTP/2, from its settings on, to four exchanges that are under way
 * on the streams 1, 3, 5 and 7; then its end. fuzz/http2_sessions.py writes the corpus.
 *
 * Always: each exchange ends once, or is left to the owner of a connection that has ended; a reply's body is what the DATA
 * frames of its stream hold, its fields are of one line, limits hold; a server without a mistake (with one, the next may be
 * heard before the first is answered) gives the same replies and failures in pieces as at once; what it is answered are whole
 * frames, no more of them than it gives reason for, and no exchange waits on after a good-bye of ours.
 *
 * A third reading only has to do no harm: the socket takes little or breaks, exchanges are cancelled and follow one another,
 * the connection is closed in an event. */
#include "fuzz.h"

#include "net/http1_parse.h"
#include "net/http2.h"
#include "net/loop_ops.h"

#include <stdlib.h>

#define AT_ONCE 4
#define IN_ALL 12 /* with those that follow */
#define HEAD_MAX 600
#define BODY_MAX 900
#define FRAME_HEAD 9
#define PREFACE 24 /* of the client */

enum { FRAME_DATA = 0, FRAME_HEADERS = 1, FRAME_RESET = 3, FRAME_GOAWAY = 7, END_STREAM = 1, PADDED = 8 };

static size_t frame_length(const char *p) {
    const unsigned char *u = (const unsigned char *)p;
    return (size_t)u[0] << 16 | (size_t)u[1] << 8 | u[2];
}
static uint32_t frame_stream(const char *p) {
    const unsigned char *u = (const unsigned char *)p + 5;
    return (uint32_t)(u[0] & 0x7f) << 24 | (uint32_t)u[1] << 16 | (uint32_t)u[2] << 8 | u[3];
}

/* The next frame off *rest; false when there is no whole one. */
static bool next_frame(struct sg_str *rest, struct sg_str *out) {
    if (rest->n < FRAME_HEAD || frame_length(rest->p) > rest->n - FRAME_HEAD) return false;
    *out = (struct sg_str){rest->p, FRAME_HEAD + frame_length(rest->p)};
    *rest = (struct sg_str){rest->p + out->n, rest->n - out->n};
    return true;
}

/* --- a session ----------------------------------------------------------------------------------------------------- */

enum end { WAITS, REPLIED, FAILED, LEFT, CANCELLED };

struct asked {
    struct sg_exchange x;
    enum end end;
    struct sg_buf reply;
};

static struct {
    struct sg_loop loop;
    struct sg_stream socket;
    struct sg_http2 *h; /* NULL: closed */
    struct asked asked[IN_ALL];
    size_t n;
    struct sg_buf sent;
    struct sg_rng draws;
    bool troubled, full;
    uint64_t now_ns;
} world;

static bool by_chance(size_t one_of) {
    return world.troubled && fuzz_below(&world.draws, one_of) == 0;
}

static uint64_t clock_ns(const struct sg_loop *l) {
    (void)l;
    return world.now_ns += 1000;
}

static void turn(struct sg_loop *l) {
    (void)l;
}

static ssize_t socket_write(struct sg_stream *s, const void *p, size_t n) {
    (void)s;
    if (by_chance(30)) return SG_E_RESET;
    world.full = by_chance(4);
    if (world.full) n = fuzz_below(&world.draws, n);
    sg_buf_add(&world.sent, p, n);
    return (ssize_t)n;
}

static const struct sg_loop_ops OPS = {.clock_ns = clock_ns, .turn = turn, .write = socket_write};

static void run_deferred(void) {
    while (world.loop.n_later) {
        sg_loop_enter(&world.loop);
        sg_loop_leave(&world.loop);
    }
}

static void ask(void) {
    static const struct sg_url url = {.scheme = {"https", 5}, .host = {"localhost", 9}, .path = {"/v1/x", 5}, .port = 443};
    struct asked *a = &world.asked[world.n];
    if (world.n == IN_ALL || sg_http2_room(world.h) == 0) return;
    struct sg_buf request = SG_BUF_INIT(4096);
    size_t mark = sg_http_request_head(&request, &url, SG_STR("Authorization: Bearer x\r\n"));
    sg_buf_printf(&request, "{\"n\":%zu}", world.n);
    sg_http_request_end(&request, mark);
    *a = (struct asked){.x.ud = a, .reply = SG_BUF_INIT(SIZE_MAX)};
    if (sg_http2_start(world.h, &a->x, sg_buf_view(&request)) == 0) world.n++;
    sg_buf_fini(&request);
}

static void close_session(void) {
    if (world.h) sg_http2_close(world.h);
    world.h = NULL;
    for (size_t i = 0; i < world.n; i++) SG_ASSERT(!world.asked[i].x.conn_);
}

/* What an owner may do in an event. */
static void meddle(void) {
    struct asked *a = &world.asked[fuzz_below(&world.draws, world.n)];
    if (by_chance(2)) ask();
    if (by_chance(4) && a->end == WAITS) {
        a->end = CANCELLED;
        sg_http2_cancel(&a->x);
    }
    if (by_chance(8) && a->end == WAITS) sg_http2_doubt(&a->x);
    if (by_chance(20)) close_session();
}

static struct asked *end(struct sg_exchange *x, enum end how) {
    struct asked *a = x->ud;
    SG_ASSERT(a->end == WAITS && !x->conn_);
    a->end = how;
    return a;
}

static bool is_of_one_line(struct sg_str s) {
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '\0' || s.p[i] == '\r' || s.p[i] == '\n') return false;
    return true;
}

static void on_reply(void *ud, struct sg_exchange *x, const struct sg_http_reply *reply) {
    (void)ud;
    struct asked *a = end(x, REPLIED);
    SG_ASSERT(reply->status >= 200 && reply->status <= 999 && reply->body.n <= BODY_MAX && reply->retry_after_ms >= -1);
    SG_ASSERT(is_of_one_line(reply->content_type) && x->sent_ns > 0 && reply->first_byte_ns > 0);
    sg_buf_printf(&a->reply, "%d <%.*s> %lld:", reply->status, SG_ARG(reply->content_type), (long long)reply->retry_after_ms);
    sg_buf_str(&a->reply, reply->body);
    meddle();
}

static void on_failed(void *ud, struct sg_exchange *x, enum sg_http2_fate fate, const struct sg_err *err) {
    (void)ud;
    struct asked *a = end(x, FAILED);
    SG_ASSERT(fate <= SG_HTTP2_GONE && err->code < 0 && err->text[0]); /* a second good-bye may change the fate */
    sg_buf_printf(&a->reply, "%d", err->code);
    meddle();
}

static void on_room(void *ud) {
    (void)ud;
    SG_ASSERT(world.troubled);
    meddle();
}

static const struct sg_http2_events EVENTS = {.on_reply = on_reply, .on_failed = on_failed, .on_room = on_room};

static void open_session(struct sg_str text, bool troubled) {
    static const struct sg_http_limits limits = {.head_bytes = HEAD_MAX, .reply_bytes = BODY_MAX};
    memset(&world, 0, sizeof world);
    world.troubled = troubled;
    world.draws = fuzz_draws(text);
    world.sent = SG_BUF_INIT(SIZE_MAX);
    sg_loop_init(&world.loop, &OPS, 1);
    world.socket.loop = &world.loop;
    world.h = sg_http2_open(&world.loop, &limits, 0, "https", &world.socket, &EVENTS, NULL);
    for (size_t i = 0; i < AT_ONCE; i++) ask();
    run_deferred();
}

static void check_counts(void) {
    size_t waiting = 0;
    for (size_t i = 0; i < world.n; i++) waiting += world.asked[i].end == WAITS;
    SG_ASSERT(sg_http2_active(world.h) >= waiting && (world.troubled || sg_http2_active(world.h) == waiting));
    SG_ASSERT(sg_http2_room(world.h) <= sg_http2_streams(world.h));
    SG_ASSERT(!sg_http2_any(world.h) == !waiting);
}

/* One piece of the server's bytes, and what follows from it. False: the connection has ended. */
static bool take(struct sg_str piece) {
    struct sg_err err = {0};
    sg_loop_enter(&world.loop);
    int rc = sg_http2_take(world.h, piece.p, piece.n, &err);
    SG_ASSERT((rc == SG_E_CANCELED) == !world.h && (rc == 0 || rc == SG_E_CANCELED || err.text[0]));
    bool over = rc != 0 || sg_http2_is_over(world.h);
    sg_loop_leave(&world.loop);
    run_deferred();
    if (world.h && world.full) {
        world.full = false;
        sg_http2_on_room(world.h);
        run_deferred();
    }
    if (world.h && !over) check_counts();
    return world.h && !over;
}

/* The owner of a connection that has ended takes its exchanges back. */
static void end_session(void) {
    for (struct sg_exchange *x; world.h && (x = sg_http2_any(world.h)) != NULL;) {
        sg_http2_cancel(x);
        end(x, LEFT);
    }
    close_session();
    run_deferred();
    sg_loop_fini(&world.loop);
}

static void free_session(void) {
    for (size_t i = 0; i < world.n; i++) sg_buf_fini(&world.asked[i].reply);
    sg_buf_fini(&world.sent);
}

/* True: the server was heard to its end. */
static bool hear(struct sg_str text, bool whole) {
    struct sg_rng draws = fuzz_draws(text);
    bool goes_on = true;
    while (text.n && goes_on) {
        struct sg_str piece = text;
        if (whole) text.n = 0;
        else piece = fuzz_piece(&draws, &text);
        goes_on = take(piece);
        if (!whole) free((char *)piece.p);
    }
    return goes_on;
}

/* --- what must hold ------------------------------------------------------------------------------------------------ */

/* The body of a stream, by the server's own frames. */
static void body_of(struct sg_str text, uint32_t stream, struct sg_buf *out) {
    struct sg_str frame;
    while (next_frame(&text, &frame)) {
        unsigned char type = (unsigned char)frame.p[3], flags = (unsigned char)frame.p[4];
        if (frame_stream(frame.p) != stream || type > FRAME_HEADERS) continue;
        size_t pad = type == FRAME_DATA && (flags & PADDED) ? 1 + (size_t)(unsigned char)frame.p[FRAME_HEAD] : 0;
        SG_ASSERT(pad <= frame.n - FRAME_HEAD);
        if (type == FRAME_DATA) sg_buf_add(out, frame.p + FRAME_HEAD + (pad ? 1 : 0), frame.n - FRAME_HEAD - pad);
        if (flags & END_STREAM) break;
    }
}

static void expect_bodies(struct sg_str text) {
    for (size_t i = 0; i < world.n; i++) {
        struct sg_str reply = sg_buf_view(&world.asked[i].reply);
        if (world.asked[i].end != REPLIED) continue;
        struct sg_buf body = SG_BUF_INIT(SIZE_MAX);
        body_of(text, (uint32_t)i * 2 + 1, &body);
        SG_ASSERT(body.n < reply.n && reply.p[reply.n - body.n - 1] == ':');
        SG_ASSERT(body.n == 0 || memcmp(reply.p + reply.n - body.n, body.p, body.n) == 0);
        sg_buf_fini(&body);
    }
}

/* What the client has sent, where its socket took all of it. True: the server made no mistake. */
static bool expect_whole_frames(size_t heard, bool goes_on) {
    struct sg_str rest = sg_buf_view(&world.sent), frame;
    bool fine = true;
    SG_ASSERT(sg_str_starts(rest, SG_STR("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")) && rest.n < 2000 + 4 * heard);
    rest = (struct sg_str){rest.p + PREFACE, rest.n - PREFACE};
    while (next_frame(&rest, &frame)) {
        SG_ASSERT(frame.p[3] != FRAME_GOAWAY || !goes_on);
        fine = fine && frame.p[3] != FRAME_GOAWAY && frame.p[3] != FRAME_RESET;
    }
    SG_ASSERT(rest.n == 0);
    return fine;
}

static bool read_all(struct sg_str text, bool whole, struct sg_buf *ends) {
    open_session(text, false);
    SG_ASSERT(world.n == AT_ONCE);
    bool goes_on = hear(text, whole), fine = expect_whole_frames(text.n, goes_on);
    end_session();
    expect_bodies(text);
    for (size_t i = 0; i < world.n; i++) {
        sg_buf_printf(ends, "%d ", world.asked[i].end);
        sg_buf_str(ends, sg_buf_view(&world.asked[i].reply));
    }
    free_session();
    return fine;
}

static void read_in_trouble(struct sg_str text) {
    open_session(text, true);
    if (world.h && world.n) hear(text, false);
    end_session();
    free_session();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sg_buf at_once = SG_BUF_INIT(SIZE_MAX), in_pieces = SG_BUF_INIT(SIZE_MAX);
    bool fine = read_all(fuzz_text(data, size), true, &at_once);
    fine = read_all(fuzz_text(data, size), false, &in_pieces) && fine;
    SG_ASSERT(!fine || sg_str_eq(sg_buf_view(&at_once), sg_buf_view(&in_pieces)));
    read_in_trouble(fuzz_text(data, size));
    sg_buf_fini(&at_once);
    sg_buf_fini(&in_pieces);
    return 0;
}

/* --- mutation: of frames, as a byte more or less would put all that follows out of step ------------------------------ */

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);

static struct sg_str any_frame(struct sg_rng *r, struct sg_str text) {
    struct sg_str frame = {text.p, 0}, found = {text.p, 0};
    for (size_t n = 1; next_frame(&text, &frame); n++)
        if (fuzz_below(r, n) == 0) found = frame;
    return found;
}

static void mutate_payload(struct sg_buf *out, struct sg_str frame, size_t room) {
    size_t most = frame.n - FRAME_HEAD + 40;
    if (most > room) most = room;
    sg_buf_add(out, frame.p, FRAME_HEAD);
    uint8_t *p = (uint8_t *)sg_buf_reserve(out, most);
    size_t n = frame.n - FRAME_HEAD < most ? frame.n - FRAME_HEAD : most;
    memcpy(p, frame.p + FRAME_HEAD, n);
    n = LLVMFuzzerMutate(p, n, most);
    unsigned char *head = p - FRAME_HEAD;
    head[0] = (unsigned char)(n >> 16), head[1] = (unsigned char)(n >> 8), head[2] = (unsigned char)n;
    out->n += n;
}

/* Type, flags and stream, to values that occur. */
static void mutate_head(struct sg_rng *r, struct sg_buf *out, struct sg_str frame) {
    size_t at = out->n;
    sg_buf_str(out, frame);
    switch (fuzz_below(r, 3)) {
    case 0: out->p[at + 3] = (char)fuzz_below(r, 11); break;
    case 1: out->p[at + 4] = (char)(out->p[at + 4] ^ (1 << fuzz_below(r, 6))); break;
    default: out->p[at + 8] = (char)fuzz_below(r, 10); break;
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed) {
    struct sg_rng r = {seed};
    struct sg_str text = fuzz_text(data, size), frame = any_frame(&r, text), other = any_frame(&r, text);
    if (frame.n == 0 || size + 100 > max || fuzz_below(&r, 4) == 0) return LLVMFuzzerMutate(data, size, max);
    struct sg_buf out = SG_BUF_INIT(SIZE_MAX);
    size_t at = (size_t)(frame.p - text.p), after = at + frame.n;
    sg_buf_add(&out, text.p, at);
    switch (fuzz_below(&r, 5)) {
    case 0: break; /* it goes */
    case 1: sg_buf_str(&out, other), sg_buf_str(&out, frame); break;
    case 2: mutate_head(&r, &out, frame); break;
    default: mutate_payload(&out, frame, max - size); break;
    }
    sg_buf_add(&out, text.p + after, text.n - after);
    if (out.n > max) out.n = max;
    if (out.n) memcpy(data, out.p, out.n);
    size = out.n;
    sg_buf_fini(&out);
    return size;
}
