/* SPDX-License-Identifier: Apache-2.0 */
/* stream_sim: sockets between the engine, endpoints and hook hosts.
 *
 * Each end has an inbox: what the other end has sent, in order, each piece with the time of its arrival. `window` bounds the
 * bytes in it, so a sender whose peer reads slowly, or whose connection is narrow, gets short writes and an on_room later.
 * A piece is what one write sent, or a part of it; what has arrived by the time of reading may be read at once or piece by
 * piece.
 *
 * The end of an end is a last piece: FIN (the peer closed), or RST (it was reset, closed with unread bytes in its inbox, or
 * is gone and was written to). As on Linux, bytes that arrived before a reset can still be read.
 * A connection that breaks loses what is under way in both directions.
 *
 * Connecting: the server's end exists from then on and is accepted later, so a client may open, write and close before.
 * Memory: an end is freed by its close at once; what is under way to its peer belongs to the peer. */
#include "sim/parts.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#define WIDE_WINDOW (256u << 10)
#define NARROW_LOW 64
#define NARROW_HIGH 8192
#define TRICKLE_BYTES 24
/* A few pieces of a trickle are that small; the rest of a write comes as a whole, or a seed could take minutes. */
#define TRICKLE_PIECES 12
#define BREAK_LOW_NS 10000
#define BREAK_HIGH_NS SG_MS(20000)

enum state { CONNECTING, FRESH, OPEN, ENDED };
enum piece_kind { DATA, FIN, RST };

struct piece {
    struct piece *next;
    uint64_t due_ns;
    enum piece_kind kind;
    size_t n;
    char bytes[];
};

struct sim_stream {
    struct sg_stream base;
    struct sim_stream *peer; /* NULL: closed */
    struct sg_sim_plan opened, arrival, room, breaks;
    struct piece *in, **in_end;
    size_t in_bytes, window;
    uint64_t last_due_ns;
    uint64_t number;
    struct sg_sim_listener *listener; /* FRESH: who will accept it */
    int open_status;
    uint8_t state;
    bool paused, want_room, trickles, is_local, broken;
};

struct sg_sim_listener {
    struct sg_listener base;
    struct sg_sim_listener *next;
    uint16_t port;
    sa_family_t family;
    sg_accept_fn *on_accept;
    void *ud;
};

static struct sg_sim_loop *loop_of(const struct sim_stream *s) {
    return sg_sim_loop_of(s->base.loop);
}

static int note_error(struct sg_loop *l, int code, int sys) {
    l->sys_error = sys;
    return code;
}

/* --- pieces ------------------------------------------------------------------------------------------------------- */

static void watch(struct sim_stream *s) {
    struct sg_sim_loop *l = loop_of(s);
    bool wanted = s->in && !s->paused && s->state == OPEN;
    if (!wanted) sg_sim_unplan(l, &s->arrival);
    else if (!s->arrival.slot) sg_sim_at(l, &s->arrival, s->in->due_ns);
}

static void send_piece(struct sim_stream *to, enum piece_kind kind, const char *p, size_t n) {
    struct sg_sim *w = loop_of(to)->sim;
    struct piece *piece = sg_xmalloc(sizeof *piece + n);
    uint64_t due = w->now_ns + (to->is_local ? 1000 + sg_sim_below(w, 20000) : sg_sim_latency(w));
    if (due > to->last_due_ns) to->last_due_ns = due;
    *piece = (struct piece){.due_ns = to->last_due_ns, .kind = kind, .n = n};
    if (n) memcpy(piece->bytes, p, n);
    *to->in_end = piece;
    to->in_end = &piece->next;
    to->in_bytes += n;
    watch(to);
}

static struct piece *take_piece(struct sim_stream *s) {
    struct piece *p = s->in;
    s->in = p->next;
    if (!s->in) s->in_end = &s->in;
    s->in_bytes -= p->n;
    return p;
}

static void drop_pieces(struct sim_stream *s) {
    while (s->in) free(take_piece(s));
}

static void offer_room(struct sim_stream *s) {
    struct sim_stream *sender = s->peer;
    if (!sender || !sender->want_room || sender->room.slot || s->in_bytes >= s->window) return;
    struct sg_sim_loop *l = loop_of(s);
    sg_sim_after(l, &sender->room, s->is_local ? 1000 : sg_sim_latency(l->sim));
}

/* What has arrived, in one read or in several. */
static struct piece *take_arrived(struct sim_stream *s) {
    struct sg_sim *w = loop_of(s)->sim;
    struct piece *p = take_piece(s);
    while (p->kind == DATA && s->in && s->in->kind == DATA && s->in->due_ns <= w->now_ns && sg_sim_below(w, 2)) {
        struct piece *more = take_piece(s);
        p = sg_xrealloc(p, sizeof *p + p->n + more->n);
        memcpy(p->bytes + p->n, more->bytes, more->n);
        p->n += more->n;
        free(more);
    }
    return p;
}

/* The engine may close the stream in the callback: it is the last that is done with it. */
static void on_arrival(struct sg_sim_plan *plan) {
    struct sim_stream *s = plan->ud;
    const struct sg_stream_events *ev = s->base.ev;
    void *ud = s->base.ud;
    struct piece *p = take_arrived(s);
    if (p->kind != DATA) {
        s->state = ENDED;
        s->want_room = false;
        s->broken |= p->kind == RST;
        sg_sim_unplan(loop_of(s), &s->room);
    }
    watch(s);
    offer_room(s);
    if (p->kind == RST) ev->on_data(ud, NULL, 0, note_error(s->base.loop, SG_E_RESET, ECONNRESET));
    else ev->on_data(ud, p->bytes, p->n, 0);
    free(p);
}

static void on_room(struct sg_sim_plan *plan) {
    struct sim_stream *s = plan->ud;
    s->want_room = false;
    if (s->base.ev->on_room) s->base.ev->on_room(s->base.ud);
}

/* --- writing ------------------------------------------------------------------------------------------------------ */

static void send_in_pieces(struct sim_stream *to, const char *p, size_t n) {
    struct sg_sim *w = loop_of(to)->sim;
    unsigned cuts = to->trickles ? TRICKLE_PIECES : sg_sim_below(w, 4) == 0 ? 2 : 0;
    for (; cuts && n > 1; cuts--) {
        size_t most = to->trickles && n > TRICKLE_BYTES ? TRICKLE_BYTES : n - 1;
        size_t step = to->trickles && sg_sim_below(w, 2) ? 1 : 1 + sg_sim_below(w, most);
        send_piece(to, DATA, p, step);
        p += step;
        n -= step;
    }
    if (n) send_piece(to, DATA, p, n);
}

ssize_t sg_sim_write(struct sg_stream *base, const void *p, size_t n) {
    struct sim_stream *s = (struct sim_stream *)base;
    SG_ASSERT(s->state == OPEN || s->state == ENDED);
    if (s->broken) return note_error(base->loop, SG_E_RESET, EPIPE);
    if (!s->peer) { /* taken by the system, answered with a reset */
        s->broken = true;
        send_piece(s, RST, NULL, 0);
        return (ssize_t)n;
    }
    size_t room = s->peer->window > s->peer->in_bytes ? s->peer->window - s->peer->in_bytes : 0;
    size_t taken = n < room ? n : room;
    send_in_pieces(s->peer, p, taken);
    if (taken < n) s->want_room = true;
    sg_sim_note(loop_of(s)->sim, "write", "", s->number, (int64_t)taken);
    return (ssize_t)taken;
}

void sg_sim_pause(struct sg_stream *base, bool on) {
    struct sim_stream *s = (struct sim_stream *)base;
    s->paused = on;
    watch(s);
}

/* --- life --------------------------------------------------------------------------------------------------------- */

static struct sim_stream *new_stream(struct sg_sim_loop *l, enum state state) {
    struct sim_stream *s = sg_xcalloc(1, sizeof *s);
    s->base.loop = &l->base;
    s->state = (uint8_t)state;
    s->number = ++l->objects;
    s->in_end = &s->in;
    s->window = WIDE_WINDOW;
    s->arrival = (struct sg_sim_plan){.kind = "data", .object = s->number, .run = on_arrival, .ud = s};
    s->room = (struct sg_sim_plan){.kind = "room", .object = s->number, .run = on_room, .ud = s};
    l->streams++;
    return s;
}

static void free_stream(struct sim_stream *s) {
    struct sg_sim_loop *l = loop_of(s);
    sg_sim_unplan(l, &s->opened);
    sg_sim_unplan(l, &s->arrival);
    sg_sim_unplan(l, &s->room);
    sg_sim_unplan(l, &s->breaks);
    drop_pieces(s);
    l->streams--;
    free(s);
}

void sg_sim_adopted(struct sg_stream *base) {
    struct sim_stream *s = (struct sim_stream *)base;
    SG_ASSERT(s->state == FRESH);
    s->state = OPEN;
    watch(s);
}

static bool has_unread_data(const struct sim_stream *s) {
    return s->in_bytes > 0;
}

void sg_sim_stream_close(struct sg_stream *base, bool reset) {
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): of all plans, each has a stream of its own */
    struct sim_stream *s = (struct sim_stream *)base, *peer = s->peer;
    sg_sim_note(loop_of(s)->sim, reset ? "reset" : "close", "", s->number, 0);
    if (peer) {
        bool hard = reset || has_unread_data(s);
        peer->peer = NULL;
        sg_sim_unplan(loop_of(s), &peer->breaks);
        send_piece(peer, hard ? RST : FIN, NULL, 0);
    }
    free_stream(s);
}

bool sg_sim_peer_is_there(const struct sg_stream *base) {
    return ((const struct sim_stream *)base)->peer != NULL;
}

void sg_sim_pair(struct sg_sim_loop *l, struct sg_stream *out[2]) {
    struct sim_stream *a = new_stream(l, FRESH), *b = new_stream(l, FRESH);
    a->peer = b;
    b->peer = a;
    a->is_local = b->is_local = true;
    if (sg_sim_hit(l->sim, SG_SIM_narrow)) a->window = b->window = sg_sim_spread(l->sim, NARROW_LOW, NARROW_HIGH);
    a->trickles = b->trickles = sg_sim_hit(l->sim, SG_SIM_trickle);
    out[0] = &a->base;
    out[1] = &b->base;
}

/* --- connecting --------------------------------------------------------------------------------------------------- */

static struct sg_sim_listener *find_listener(const struct sg_sim_loop *l, sa_family_t family, uint16_t port) {
    struct sg_sim_listener *ln = l->listeners;
    while (ln && (ln->port != port || ln->family != family)) ln = ln->next;
    return ln;
}

static uint16_t port_of(const struct sg_address *at, sa_family_t *family) {
    struct sockaddr_in6 sa; /* the port is at the same place in both */
    memcpy(&sa, at->bytes, sizeof sa);
    *family = sa.sin6_family;
    return ntohs(sa.sin6_port);
}

static void on_opened(struct sg_sim_plan *plan) {
    struct sim_stream *s = plan->ud;
    s->state = s->open_status ? ENDED : OPEN;
    watch(s);
    if (s->open_status) note_error(s->base.loop, 0, ECONNREFUSED);
    s->base.ev->on_open(s->base.ud, s->open_status);
}

/* The listener may have gone meanwhile. */
static void on_incoming(struct sg_sim_plan *plan) {
    struct sim_stream *s = plan->ud;
    struct sg_sim_loop *l = loop_of(s);
    struct sg_sim_listener *ln = l->listeners;
    while (ln && ln != s->listener) ln = ln->next;
    if (ln) ln->on_accept(ln->ud, &s->base);
    else sg_sim_stream_close(&s->base, true);
}

void sg_sim_drop_unaccepted(struct sg_sim_loop *l) {
    for (size_t i = 0; i < l->n;) {
        struct sg_sim_plan *plan = l->heap[i];
        if (plan->run != on_incoming) {
            i++;
            continue;
        }
        sg_sim_stream_close(&((struct sim_stream *)plan->ud)->base, true);
        i = 0; /* the heap has moved */
    }
}

static void on_break(struct sg_sim_plan *plan) {
    struct sim_stream *s = plan->ud, *ends[2] = {s, s->peer};
    if (!s->peer) return;
    s->peer->peer = NULL;
    s->peer = NULL;
    for (int i = 0; i < 2; i++) {
        drop_pieces(ends[i]);
        sg_sim_unplan(loop_of(ends[i]), &ends[i]->arrival);
        sg_sim_unplan(loop_of(ends[i]), &ends[i]->room);
        ends[i]->broken = true;
        send_piece(ends[i], RST, NULL, 0);
    }
}

static void draw_connection(struct sim_stream *client, struct sim_stream *server) {
    struct sg_sim_loop *l = loop_of(client);
    struct sg_sim *w = l->sim;
    if (sg_sim_hit(w, SG_SIM_narrow)) server->window = sg_sim_spread(w, NARROW_LOW, NARROW_HIGH);
    if (sg_sim_hit(w, SG_SIM_narrow)) client->window = sg_sim_spread(w, NARROW_LOW, NARROW_HIGH);
    server->trickles = sg_sim_hit(w, SG_SIM_trickle);
    client->trickles = sg_sim_hit(w, SG_SIM_trickle);
    if (!sg_sim_hit(w, SG_SIM_reset)) return;
    client->breaks = (struct sg_sim_plan){.kind = "break", .object = client->number, .run = on_break, .ud = client};
    sg_sim_after(l, &client->breaks, sg_sim_spread(w, BREAK_LOW_NS, BREAK_HIGH_NS));
}

static void make_server_end(struct sim_stream *client, struct sg_sim_listener *ln) {
    struct sg_sim_loop *l = loop_of(client);
    struct sim_stream *server = new_stream(l, FRESH);
    server->listener = ln;
    server->peer = client;
    client->peer = server;
    server->opened =
        (struct sg_sim_plan){.kind = "accept", .object = server->number, .run = on_incoming, .ud = server};
    sg_sim_after(l, &server->opened, sg_sim_latency(l->sim) + sg_sim_latency(l->sim) / 2);
    draw_connection(client, server);
}

int sg_sim_connect(struct sg_loop *base, const struct sg_address *to, struct sg_stream **out) {
    struct sg_sim_loop *l = sg_sim_loop_of(base);
    sa_family_t family;
    uint16_t port = port_of(to, &family);
    struct sg_sim_listener *ln = find_listener(l, family, port);
    if (ln && sg_sim_hit(l->sim, SG_SIM_refuse)) ln = NULL;
    if (!ln && sg_sim_below(l->sim, 4) == 0) return note_error(base, SG_E_CONNECT, ECONNREFUSED);
    struct sim_stream *s = new_stream(l, CONNECTING);
    s->open_status = ln ? 0 : SG_E_CONNECT;
    s->opened = (struct sg_sim_plan){.kind = "open", .object = s->number, .run = on_opened, .ud = s};
    sg_sim_after(l, &s->opened, sg_sim_latency(l->sim));
    if (ln) make_server_end(s, ln);
    *out = &s->base;
    return 0;
}

/* Descriptors are of another world. */
int sg_sim_wrap(struct sg_loop *l, int fd, struct sg_stream **out) {
    (void)fd, (void)out;
    return note_error(l, SG_E_UNSUPPORTED, ENOTSOCK);
}

/* --- listening ---------------------------------------------------------------------------------------------------- */

int sg_sim_listen(struct sg_loop *base, const struct sg_address *at, sg_accept_fn *on_accept, void *ud,
                  struct sg_listener **out, struct sg_err *err) {
    struct sg_sim_loop *l = sg_sim_loop_of(base);
    sa_family_t family;
    uint16_t port = port_of(at, &family);
    if (port && find_listener(l, family, port)) return sg_fail_sys(err, SG_E_IO, EADDRINUSE, "cannot listen");
    struct sg_sim_listener *ln = sg_xcalloc(1, sizeof *ln);
    *ln = (struct sg_sim_listener){.base = {base},
                                   .next = l->listeners,
                                   .port = port ? port : l->next_port++,
                                   .family = family,
                                   .on_accept = on_accept,
                                   .ud = ud};
    l->listeners = ln;
    *out = &ln->base;
    return 0;
}

uint16_t sg_sim_listener_port(const struct sg_listener *ln) {
    return ((const struct sg_sim_listener *)ln)->port;
}

void sg_sim_listener_close(struct sg_listener *base) {
    struct sg_sim_listener *ln = (struct sg_sim_listener *)base;
    struct sg_sim_listener **link = &sg_sim_loop_of(base->loop)->listeners;
    while (*link != ln) link = &(*link)->next;
    *link = ln->next;
    free(ln);
}
