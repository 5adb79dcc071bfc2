/* SPDX-License-Identifier: Apache-2.0 */
/* Four steps, each the simplest that looks good:
 *
 *   rank     links that close a cycle (met in a depth-first walk) are turned round; then the longest path from the top
 *   route    a link over several ranks gets a room in each rank between; one of them holds its label
 *   order    sweeps that sort each rank by the mean place of its neighbours; the order with fewest crossings is kept
 *   place    sweeps that move each rank as near to its neighbours as the order allows, by least squares: with the distances
 *            that must be kept taken off, that is isotonic regression, which pools neighbours that push against each other */
#include "plan/layers.h"

#include <math.h>
#include <stdlib.h>

#define MAX_ROOMS 6000 /* counting crossings is quadratic in a rank */
#define ORDER_SWEEPS 24
#define PLACE_SWEEPS 80
#define ITEM_GAP 26.0
#define ROOM_GAP 14.0
#define ROOM_W 4.0
#define RANK_GAP 26.0
#define SPREAD 22.0

/* --- ranks -------------------------------------------------------------------------------------------------------------- */

/* A link that touches the border runs as the border's side says. */
static void turn_pinned(struct sg_layers *l) {
    for (size_t i = 0; i < l->n_links; i++) {
        struct sg_layer_link *k = &l->links[i];
        k->back = l->items[k->to].pin == SG_PIN_TOP || l->items[k->from].pin == SG_PIN_BOTTOM;
    }
}

/* Links by the item they start at: from[i] .. from[i + 1] in `order`. */
static int *group_by_start(struct sg_layers *l, int **first) {
    int *at = *first = SG_NEW_N(l->arena, int, l->n_items + 2), *order = SG_NEW_N(l->arena, int, l->n_links);
    for (size_t i = 0; i < l->n_links; i++) at[l->links[i].from + 2]++;
    for (size_t i = 0; i < l->n_items; i++) at[i + 2] += at[i + 1];
    for (size_t i = 0; i < l->n_links; i++) order[at[l->links[i].from + 1]++] = (int)i;
    return order;
}

enum { UNSEEN, OPEN, DONE };

struct walk {
    struct sg_layers *l;
    int *first, *order, *next, *stack;
    uint8_t *state;
};

/* Depth first without recursion: a chain may be as long as its author likes. A link to an open item closes a cycle. */
static void walk_from(struct walk *w, int root) {
    size_t depth = 0;
    if (w->state[root] == UNSEEN) w->state[root] = OPEN, w->stack[depth++] = root;
    while (depth) {
        int v = w->stack[depth - 1];
        if (w->next[v] == w->first[v + 1]) {
            w->state[v] = DONE;
            depth--;
            continue;
        }
        struct sg_layer_link *k = &w->l->links[w->order[w->next[v]++]];
        if (w->state[k->to] == OPEN) k->back = true;
        if (w->state[k->to] == UNSEEN) w->state[k->to] = OPEN, w->stack[depth++] = k->to;
    }
}

/* What comes in from above begins; so loops are turned where a reader would turn them. */
static void turn_cycles(struct sg_layers *l) {
    struct walk w = {.l = l};
    w.order = group_by_start(l, &w.first);
    w.next = SG_NEW_N(l->arena, int, l->n_items);
    w.stack = SG_NEW_N(l->arena, int, l->n_items);
    w.state = SG_NEW_N(l->arena, uint8_t, l->n_items);
    for (size_t i = 0; i < l->n_items; i++) w.next[i] = w.first[i];
    for (size_t i = 0; i < l->n_items; i++)
        if (l->items[i].pin == SG_PIN_TOP) walk_from(&w, (int)i);
    for (size_t i = 0; i < l->n_items; i++) walk_from(&w, (int)i);
}

static int upper(const struct sg_layer_link *k) {
    return k->back ? k->to : k->from;
}

static int lower(const struct sg_layer_link *k) {
    return k->back ? k->from : k->to;
}

/* A label needs a rank of its own between the two. */
static int span(const struct sg_layer_link *k) {
    return k->label_w > 0 ? 2 : 1;
}

static bool lower_all(struct sg_layers *l) {
    bool moved = false;
    for (size_t i = 0; i < l->n_links; i++) {
        const struct sg_layer_link *k = &l->links[i];
        struct sg_layer_item *to = &l->items[lower(k)];
        int rank = l->items[upper(k)].rank + span(k);
        if (to->rank >= rank || to->pin == SG_PIN_BOTTOM) continue;
        to->rank = rank;
        moved = true;
    }
    return moved;
}

void sg_layers_rank(struct sg_layers *l) {
    bool tops = false;
    int bottom = 0;
    turn_pinned(l);
    turn_cycles(l);
    for (size_t i = 0; i < l->n_items; i++) tops |= l->items[i].pin == SG_PIN_TOP;
    for (size_t i = 0; i < l->n_items; i++) l->items[i].rank = tops && l->items[i].pin != SG_PIN_TOP;
    while (lower_all(l)) {} /* ends: there is no cycle left */
    for (size_t i = 0; i < l->n_items; i++)
        if (l->items[i].pin != SG_PIN_BOTTOM && l->items[i].rank >= bottom) bottom = l->items[i].rank + 1;
    for (size_t i = 0; i < l->n_links; i++) {
        const struct sg_layer_link *k = &l->links[i];
        int rank = l->items[upper(k)].rank + span(k);
        if (l->items[lower(k)].pin == SG_PIN_BOTTOM && rank > bottom) bottom = rank;
    }
    for (size_t i = 0; i < l->n_items; i++)
        if (l->items[i].pin == SG_PIN_BOTTOM) l->items[i].rank = bottom;
}

/* --- rooms -------------------------------------------------------------------------------------------------------------- */

/* An item, or the room of a link in a rank that it passes. */
struct room {
    double w, h, touch, x, y, wish, weight;
    int rank, order, link; /* link: -1 for an item */
    bool first;
};

/* Part of a link between neighbouring ranks. */
struct hop {
    int above, below, link;
    double at_above, at_below; /* from the rooms' centres */
    bool fixed_above, fixed_below;
    double weight;
};

struct place {
    struct sg_layers *l;
    struct room *rooms;
    size_t n_rooms, cap_rooms;
    struct hop *hops; /* of a link: neighbours in the array, from top to bottom */
    size_t n_hops, cap_hops;
    int n_ranks;
    int **ranks; /* rooms of each rank, from left to right */
    int *widths; /* how many */
    int **gaps;  /* hops that begin in each rank */
    int *gap_n;
};

static int add_room(struct place *p, struct room r) {
    *SG_PUSH(p->l->arena, p->rooms, p->n_rooms, p->cap_rooms) = r;
    return (int)p->n_rooms - 1;
}

static double weight_of(const struct place *p, int above, int below) {
    SG_ASSERT(p->rooms); /* every item has one */
    int through = (p->rooms[above].link >= 0) + (p->rooms[below].link >= 0);
    return through == 2 ? 8 : through == 1 ? 2 : 1;
}

static void route(struct place *p, int link) {
    const struct sg_layer_link *k = &p->l->links[link];
    int from = upper(k), to = lower(k), first = p->l->items[from].rank, last = p->l->items[to].rank;
    int label_rank = k->label_w > 0 ? (first + last) / 2 : -1, above = from;
    for (int rank = first + 1; rank <= last; rank++) {
        bool label = rank == label_rank, ends = rank == last;
        struct room r = {.w = label ? k->label_w : ROOM_W, .h = label ? k->label_h : 0, .rank = rank, .link = link};
        int below = ends ? to : add_room(p, r);
        struct hop h = {.above = above, .below = below, .link = link, .weight = weight_of(p, above, below)};
        if (above == from) {
            h.fixed_above = k->back ? k->fixed_to : k->fixed_from;
            h.at_above = k->back ? k->at_to : k->at_from;
        }
        if (ends) {
            h.fixed_below = k->back ? k->fixed_from : k->fixed_to;
            h.at_below = k->back ? k->at_from : k->at_to;
        }
        *SG_PUSH(p->l->arena, p->hops, p->n_hops, p->cap_hops) = h;
        above = below;
    }
}

static int count_ranks(const struct sg_layers *l) {
    int n = 1;
    for (size_t i = 0; i < l->n_items; i++)
        if (l->items[i].rank >= n) n = l->items[i].rank + 1;
    return n;
}

/* Whether routing stays within what can be drawn. */
static bool fits(const struct sg_layers *l) {
    size_t rooms = l->n_items;
    for (size_t i = 0; i < l->n_links && rooms <= MAX_ROOMS; i++)
        rooms += (size_t)(l->items[lower(&l->links[i])].rank - l->items[upper(&l->links[i])].rank);
    return rooms <= MAX_ROOMS;
}

static void make_ranks(struct place *p) {
    struct sg_arena *a = p->l->arena;
    p->ranks = SG_NEW_N(a, int *, (size_t)p->n_ranks);
    p->gaps = SG_NEW_N(a, int *, (size_t)p->n_ranks);
    p->widths = SG_NEW_N(a, int, (size_t)p->n_ranks);
    p->gap_n = SG_NEW_N(a, int, (size_t)p->n_ranks);
    for (size_t i = 0; i < p->n_rooms; i++) p->widths[p->rooms[i].rank]++;
    for (size_t i = 0; i < p->n_hops; i++) p->gap_n[p->rooms[p->hops[i].above].rank]++;
    for (int r = 0; r < p->n_ranks; r++) {
        p->ranks[r] = SG_NEW_N(a, int, (size_t)p->widths[r]);
        p->gaps[r] = SG_NEW_N(a, int, (size_t)p->gap_n[r]);
        p->widths[r] = p->gap_n[r] = 0;
    }
    for (size_t i = 0; i < p->n_rooms; i++) {
        struct room *m = &p->rooms[i];
        m->order = p->widths[m->rank];
        p->ranks[m->rank][p->widths[m->rank]++] = (int)i;
    }
    for (size_t i = 0; i < p->n_hops; i++) {
        int r = p->rooms[p->hops[i].above].rank;
        p->gaps[r][p->gap_n[r]++] = (int)i;
    }
}

/* --- order -------------------------------------------------------------------------------------------------------------- */

/* Where a hop meets a rank, as an order; links to one item are told apart by where they touch it. */
static double touch(const struct room *m, double at) {
    return m->order + (m->w > 0 ? 0.8 * at / m->w : 0);
}

static size_t crossings(const struct place *p) {
    size_t n = 0;
    for (int r = 0; r < p->n_ranks; r++)
        for (int i = 0; i < p->gap_n[r]; i++)
            for (int k = 0; k < i; k++) {
                const struct hop *a = &p->hops[p->gaps[r][i]], *b = &p->hops[p->gaps[r][k]];
                double up = touch(&p->rooms[a->above], a->at_above) - touch(&p->rooms[b->above], b->at_above);
                double down = touch(&p->rooms[a->below], a->at_below) - touch(&p->rooms[b->below], b->at_below);
                n += up * down < 0;
            }
    return n;
}

static void number(struct place *p, int rank) {
    for (int i = 0; i < p->widths[rank]; i++) p->rooms[p->ranks[rank][i]].order = i;
}

/* Stable: rooms that wish for the same place stay as they are. */
static void sort_rank(struct place *p, int rank) {
    int *at = p->ranks[rank];
    for (int i = 1; i < p->widths[rank]; i++)
        for (int k = i; k > 0 && p->rooms[at[k - 1]].wish > p->rooms[at[k]].wish; k--) {
            int t = at[k];
            at[k] = at[k - 1];
            at[k - 1] = t;
        }
    number(p, rank);
}

/* Each room wishes for the mean of its neighbours in the rank above, or below. */
static void order_rank(struct place *p, int rank, bool from_above) {
    int gap = from_above ? rank - 1 : rank;
    for (int i = 0; i < p->widths[rank]; i++) {
        struct room *m = &p->rooms[p->ranks[rank][i]];
        m->wish = m->weight = 0;
    }
    for (int i = 0; i < p->gap_n[gap]; i++) {
        const struct hop *h = &p->hops[p->gaps[gap][i]];
        struct room *own = &p->rooms[from_above ? h->below : h->above];
        own->wish += from_above ? touch(&p->rooms[h->above], h->at_above) : touch(&p->rooms[h->below], h->at_below);
        own->weight += 1;
    }
    for (int i = 0; i < p->widths[rank]; i++) {
        struct room *m = &p->rooms[p->ranks[rank][i]];
        m->wish = m->first ? -1 : m->weight > 0 ? m->wish / m->weight : m->order;
    }
    sort_rank(p, rank);
}

static void keep_order(struct place *p, int *best) {
    for (size_t i = 0; i < p->n_rooms; i++) best[i] = p->rooms[i].order;
}

static void restore_order(struct place *p, const int *best) {
    for (size_t i = 0; i < p->n_rooms; i++) {
        p->rooms[i].order = best[i];
        p->ranks[p->rooms[i].rank][best[i]] = (int)i;
    }
}

static void order_all(struct place *p) {
    int *best = SG_NEW_N(p->l->arena, int, p->n_rooms);
    size_t fewest = SIZE_MAX;
    for (int sweep = 0; sweep < ORDER_SWEEPS && fewest > 0; sweep++) {
        if (sweep % 2 == 0)
            for (int r = 1; r < p->n_ranks; r++) order_rank(p, r, true);
        else
            for (int r = p->n_ranks - 2; r >= 0; r--) order_rank(p, r, false);
        size_t n = crossings(p);
        if (n < fewest) fewest = n, keep_order(p, best);
    }
    restore_order(p, best);
}

/* --- where links touch their items ---------------------------------------------------------------------------------------- */

static const struct place *sorting; /* qsort has no context; pictures are drawn by one thread */
static bool sorting_below;

static int by_far_end(const void *a, const void *b) {
    const struct hop *x = &sorting->hops[*(const int *)a], *y = &sorting->hops[*(const int *)b];
    const struct room *m = &sorting->rooms[sorting_below ? x->below : x->above];
    const struct room *n = &sorting->rooms[sorting_below ? y->below : y->above];
    if (m->order != n->order) return m->order - n->order;
    return *(const int *)a - *(const int *)b;
}

/* Spreads the hops of one side of one item, in the order of their other ends. */
static void spread(struct place *p, int *hops, int n, bool below) {
    sorting = p;
    sorting_below = below;
    qsort(hops, (size_t)n, sizeof *hops, by_far_end);
    for (int i = 0; i < n; i++) {
        struct hop *h = &p->hops[hops[i]];
        double room = p->rooms[below ? h->above : h->below].touch * 0.6 / (n > 1 ? n - 1 : 1);
        double at = (i - (n - 1) / 2.0) * (room < SPREAD ? room : SPREAD);
        if (below) h->at_above = at;
        else h->at_below = at;
    }
}

static void spread_side(struct place *p, bool below) {
    int *hops = SG_NEW_N(p->l->arena, int, p->n_hops);
    for (size_t v = 0; v < p->l->n_items; v++) {
        int n = 0, rank = p->rooms[v].rank, gap = below ? rank : rank - 1;
        for (int i = 0; gap >= 0 && i < p->gap_n[gap]; i++) {
            const struct hop *h = &p->hops[p->gaps[gap][i]];
            bool own = (below ? h->above : h->below) == (int)v && !(below ? h->fixed_above : h->fixed_below);
            if (own) hops[n++] = p->gaps[gap][i];
        }
        spread(p, hops, n, below);
    }
}

/* --- places --------------------------------------------------------------------------------------------------------------- */

static double distance(const struct room *a, const struct room *b) {
    bool narrow = a->link >= 0 || b->link >= 0;
    return (a->w + b->w) / 2 + (narrow ? ROOM_GAP : ITEM_GAP);
}

struct pool {
    double sum, weight;
    int n;
};

/* The places nearest to the wishes, by weighted least squares, that keep order and distances. */
static void settle(struct place *p, int rank, struct pool *pools) {
    int *at = p->ranks[rank], n_pools = 0;
    double offset = 0;
    for (int i = 0; i < p->widths[rank]; i++) {
        struct room *m = &p->rooms[at[i]];
        if (i) offset += distance(&p->rooms[at[i - 1]], m);
        m->x = offset;
        pools[n_pools++] = (struct pool){(m->wish - offset) * m->weight, m->weight, 1};
        while (n_pools > 1) {
            struct pool *b = &pools[n_pools - 1], *a = b - 1;
            if (a->sum / a->weight <= b->sum / b->weight) break;
            *a = (struct pool){a->sum + b->sum, a->weight + b->weight, a->n + b->n};
            n_pools--;
        }
    }
    for (int i = 0, k = 0; k < n_pools; k++)
        for (int j = 0; j < pools[k].n; j++) p->rooms[at[i++]].x += pools[k].sum / pools[k].weight;
}

static void add_wish(struct room *m, double x, double weight) {
    m->wish += x * weight;
    m->weight += weight;
}

static void wish_from(struct place *p, int gap, bool above) {
    if (gap < 0) return;
    for (int i = 0; i < p->gap_n[gap]; i++) {
        const struct hop *h = &p->hops[p->gaps[gap][i]];
        struct room *a = &p->rooms[h->above], *b = &p->rooms[h->below];
        if (above) add_wish(b, a->x + h->at_above - h->at_below, h->weight);
        else add_wish(a, b->x + h->at_below - h->at_above, h->weight);
    }
}

static void place_rank(struct place *p, int rank, bool above, bool below, struct pool *pools) {
    for (int i = 0; i < p->widths[rank]; i++) {
        struct room *m = &p->rooms[p->ranks[rank][i]];
        m->wish = m->weight = 0;
    }
    if (above) wish_from(p, rank - 1, true);
    if (below) wish_from(p, rank, false);
    for (int i = 0; i < p->widths[rank]; i++) {
        struct room *m = &p->rooms[p->ranks[rank][i]];
        if (m->weight > 0) m->wish /= m->weight;
        else m->wish = m->x, m->weight = 0.01;
    }
    settle(p, rank, pools);
}

static void place_across(struct place *p) {
    struct pool *pools = SG_NEW_N(p->l->arena, struct pool, p->n_rooms);
    for (int r = 0; r < p->n_ranks; r++) place_rank(p, r, false, false, pools);
    for (int sweep = 0; sweep < PLACE_SWEEPS; sweep++) {
        bool last = sweep >= PLACE_SWEEPS / 2;
        for (int r = 0; r < p->n_ranks; r++) place_rank(p, r, true, last, pools);
        for (int r = p->n_ranks - 1; r >= 0; r--) place_rank(p, r, last, true, pools);
    }
}

/* A title stands as far left as anything does; to the left of it there is nothing. */
static void place_titles(struct place *p) {
    double left = INFINITY, right = -INFINITY;
    for (size_t i = 0; i < p->n_rooms; i++) {
        const struct room *m = &p->rooms[i];
        if (!m->first && m->x - m->w / 2 < left) left = m->x - m->w / 2;
    }
    for (size_t i = 0; i < p->n_rooms; i++) {
        struct room *m = &p->rooms[i];
        if (m->first && left + m->w / 2 < m->x) m->x = left + m->w / 2;
        if (m->x - m->w / 2 < left) left = m->x - m->w / 2;
        if (m->x + m->w / 2 > right) right = m->x + m->w / 2;
    }
    for (size_t i = 0; i < p->n_rooms; i++) p->rooms[i].x -= left;
    p->l->w = right - left;
}

/* The wider a band's links swing, the higher it is. */
static double gap_height(const struct place *p, int rank) {
    double widest = 0;
    for (int i = 0; i < p->gap_n[rank]; i++) {
        const struct hop *h = &p->hops[p->gaps[rank][i]];
        double dx = fabs(p->rooms[h->above].x + h->at_above - p->rooms[h->below].x - h->at_below);
        if (dx > widest) widest = dx;
    }
    return RANK_GAP + (widest > 300 ? 30 : widest / 10);
}

static void place_down(struct place *p, double *tops, double *bottoms) {
    double y = 0;
    for (int r = 0; r < p->n_ranks; r++) {
        double height = 0;
        for (int i = 0; i < p->widths[r]; i++)
            if (p->rooms[p->ranks[r][i]].h > height) height = p->rooms[p->ranks[r][i]].h;
        tops[r] = y;
        bottoms[r] = y + height;
        for (int i = 0; i < p->widths[r]; i++) p->rooms[p->ranks[r][i]].y = y + height / 2;
        y = bottoms[r] + gap_height(p, r);
    }
    p->l->h = bottoms[p->n_ranks - 1];
}

/* --- results ---------------------------------------------------------------------------------------------------------------- */

static void add_point(struct sg_layer_link *k, double x, double y) {
    if (k->n_points && fabs(k->points[k->n_points - 1].y - y) < 0.01 && fabs(k->points[k->n_points - 1].x - x) < 0.01)
        return;
    k->points[k->n_points++] = (struct sg_point){x, y};
}

/* Straight down through the ranks, and only between them to the side. */
static void draw_hop(struct place *p, const struct hop *h, const double *tops, const double *bottoms) {
    struct sg_layer_link *k = &p->l->links[h->link];
    const struct room *a = &p->rooms[h->above], *b = &p->rooms[h->below];
    double xa = a->x + h->at_above, xb = b->x + h->at_below;
    if (a->link < 0) add_point(k, xa, a->y + a->h / 2);
    add_point(k, xa, bottoms[a->rank]);
    add_point(k, xb, tops[b->rank]);
    if (b->link < 0) add_point(k, xb, b->y - b->h / 2);
    if (b->link >= 0 && b->h > 0) k->label_x = b->x, k->label_y = b->y;
}

static void draw(struct place *p, const double *tops, const double *bottoms) {
    for (size_t i = 0; i < p->l->n_items; i++) p->l->items[i].x = p->rooms[i].x, p->l->items[i].y = p->rooms[i].y;
    for (size_t i = 0; i < p->l->n_links; i++) {
        struct sg_layer_link *k = &p->l->links[i];
        int ranks = p->l->items[lower(k)].rank - p->l->items[upper(k)].rank;
        k->points = SG_NEW_N(p->l->arena, struct sg_point, 4 * (size_t)ranks);
        k->n_points = 0;
    }
    for (size_t i = 0; i < p->n_hops; i++) draw_hop(p, &p->hops[i], tops, bottoms);
    for (size_t i = 0; i < p->l->n_links; i++) {
        struct sg_layer_link *k = &p->l->links[i];
        for (size_t m = 0; k->back && m < k->n_points / 2; m++) {
            struct sg_point t = k->points[m];
            k->points[m] = k->points[k->n_points - 1 - m];
            k->points[k->n_points - 1 - m] = t;
        }
    }
}

int sg_layers_place(struct sg_layers *l, struct sg_err *err) {
    struct place p = {.l = l, .n_ranks = count_ranks(l)};
    if (!fits(l)) return sg_fail(err, SG_E_LIMIT, "the graph is too large for a picture; --format json has all of it");
    for (size_t i = 0; i < l->n_items; i++) {
        const struct sg_layer_item *m = &l->items[i];
        double touch = m->touch > 0 ? m->touch : m->w;
        add_room(&p, (struct room){.w = m->w, .h = m->h, .touch = touch, .rank = m->rank, .first = m->first, .link = -1});
    }
    for (size_t i = 0; i < l->n_links; i++) route(&p, (int)i);
    make_ranks(&p);
    order_all(&p);
    spread_side(&p, true);
    spread_side(&p, false);
    place_across(&p);
    place_titles(&p);
    double *tops = SG_NEW_N(l->arena, double, (size_t)p.n_ranks), *bottoms = SG_NEW_N(l->arena, double, (size_t)p.n_ranks);
    place_down(&p, tops, bottoms);
    draw(&p, tops, bottoms);
    return 0;
}
