/* SPDX-License-Identifier: Apache-2.0 */
/* Places for a drawing with groups. Each group is a layered picture of its own (layers.h) in which the groups inside it are
 * boxes. An arrow that crosses borders is cut into pieces: one at the level of the smallest group that holds both ends, and
 * one in each group between; where it crosses a border both sides have a pin.
 *
 * Ranks are made from the outside in, since a border's pin is at the top or at the bottom as the link outside runs; sizes from
 * the inside out; then the places are carried from the outside in. */
#include "plan/draw.h"

#define MAX_BOXES 1500
#define PAD_X 14.0
#define PAD_Y 14.0
#define MARGIN 16.0
#define LINE_H 16.0
#define LABEL_H 18.0

/* A link of one group that is a part of an arrow. */
struct piece {
    int group, link;
};

struct level {
    struct sg_layers layers;
    int item; /* of this group, in its parent's layers */
    double x, y; /* of the layers' origin */
};

struct layout {
    struct sg_drawing *d;
    struct level *levels;  /* by group */
    int *box_items;        /* by box: its item in its group's layers */
    struct piece **pieces; /* by arrow, from its source to its target */
    int *n_pieces;
    double *loops; /* by box: room that an edge to itself takes on either side */
};

/* --- sizes ------------------------------------------------------------------------------------------------------------------ */

static void size_box(struct sg_box *b) {
    static const double sides[] = {
        [SG_SHAPE_START] = 22, [SG_SHAPE_END] = 22,  [SG_SHAPE_MODEL] = 16, [SG_SHAPE_DRAW] = 28,
        [SG_SHAPE_PROGRAM] = 24, [SG_SHAPE_POINT] = 0, [SG_SHAPE_JOIN] = 16,
    };
    if (b->shape == SG_SHAPE_POINT) {
        b->w = b->h = 16;
        return;
    }
    b->w = sg_text_width(b->title, SG_TITLE_SIZE);
    b->h = b->shape == SG_SHAPE_JOIN ? 22 : 30;
    for (int i = 0; i < SG_BOX_LINES; i++) {
        double w = sg_text_width(b->lines[i], SG_TEXT_SIZE);
        if (w > b->w) b->w = w;
        if (b->lines[i].n) b->h += LINE_H;
    }
    b->w += 2 * sides[b->shape];
}

/* --- ranks, from the outside in --------------------------------------------------------------------------------------------- */

static int add_item(struct sg_layers *l, struct sg_layer_item item) {
    *SG_PUSH(l->arena, l->items, l->n_items, l->cap_items) = item;
    return (int)l->n_items - 1;
}

static int add_link(struct sg_layers *l, struct sg_layer_link link) {
    *SG_PUSH(l->arena, l->links, l->n_links, l->cap_links) = link;
    return (int)l->n_links - 1;
}

/* START is the first box of the whole, where the walk for cycles begins. */
static void add_items(struct layout *y) {
    struct sg_drawing *d = y->d;
    for (size_t g = 0; g < d->n_groups; g++) {
        struct sg_layer_item title = {.w = sg_text_width(d->groups[g].title, SG_TEXT_SIZE), .h = LINE_H};
        title.pin = SG_PIN_TOP, title.first = true;
        y->levels[g].layers.arena = d->arena;
        if (g) add_item(&y->levels[g].layers, title);
    }
    for (size_t i = 0; i < d->n_boxes; i++) {
        struct sg_box *b = &d->boxes[i];
        size_box(b);
        struct sg_layer_item item = {.w = b->w + 2 * y->loops[i], .h = b->h, .touch = b->w};
        y->box_items[i] = add_item(&y->levels[b->group].layers, item);
    }
    for (size_t g = 1; g < d->n_groups; g++)
        y->levels[g].item = add_item(&y->levels[d->groups[g].parent].layers, (struct sg_layer_item){0});
}

/* The item that stands for `box` in the layers of `group`, which holds it. */
static int item_in(const struct layout *y, int box, int group) {
    int g = y->d->boxes[box].group, item = y->box_items[box];
    for (; g != group; g = y->d->groups[g].parent) item = y->levels[g].item;
    return item;
}

static bool holds(const struct sg_drawing *d, int group, int box) {
    int g = d->boxes[box].group;
    while (g > group) g = d->groups[g].parent; /* parents come first */
    return g == group;
}

static void add_piece(struct layout *y, int arrow, bool front, struct piece piece) {
    struct piece *at = y->pieces[arrow];
    int n = y->n_pieces[arrow]++;
    if (front) memmove(at + 1, at, (size_t)n * sizeof *at);
    at[front ? 0 : n] = piece;
}

/* The link between the two, in the smallest group that holds both. */
static void add_main(struct layout *y, int group, int arrow) {
    struct sg_drawing *d = y->d;
    const struct sg_arrow *a = &d->arrows[arrow];
    struct sg_layer_link k = {.from = item_in(y, a->from, group), .to = item_in(y, a->to, group)};
    if (k.from == k.to) return; /* deeper, or a loop */
    if (a->label.n) k.label_w = sg_text_width(a->label, SG_TEXT_SIZE) + 8, k.label_h = LABEL_H;
    size_t depth = 0;
    for (int g = d->boxes[a->from].group; g; g = d->groups[g].parent) depth++;
    for (int g = d->boxes[a->to].group; g; g = d->groups[g].parent) depth++;
    y->pieces[arrow] = SG_NEW_N(d->arena, struct piece, depth + 1);
    add_piece(y, arrow, false, (struct piece){group, add_link(&y->levels[group].layers, k)});
}

/* The group inside of `group` that holds the box; -1: none. */
static int child_of(const struct sg_drawing *d, int group, int box) {
    int g = d->boxes[box].group, child = -1;
    for (; g != group; g = d->groups[g].parent) child = g;
    return child;
}

/* Carries on, inside the group at the link's end, what runs at this level. */
static void add_inside(struct layout *y, int group, int arrow, bool at_source) {
    const struct sg_arrow *a = &y->d->arrows[arrow];
    const struct piece *outer = &y->pieces[arrow][at_source ? 0 : y->n_pieces[arrow] - 1];
    int box = at_source ? a->from : a->to;
    if (outer->group != group) return;
    int child = child_of(y->d, group, box);
    if (child < 0) return;
    struct sg_layers *l = &y->levels[child].layers;
    bool top = y->levels[group].layers.links[outer->link].back == at_source;
    int pin = add_item(l, (struct sg_layer_item){.w = 4, .pin = top ? SG_PIN_TOP : SG_PIN_BOTTOM});
    int item = item_in(y, box, child);
    struct sg_layer_link k = {.from = at_source ? item : pin, .to = at_source ? pin : item};
    add_piece(y, arrow, at_source, (struct piece){child, add_link(l, k)});
}

static void rank_group(struct layout *y, int group) {
    struct sg_drawing *d = y->d;
    for (size_t i = 0; i < d->n_arrows; i++)
        if (!y->n_pieces[i] && holds(d, group, d->arrows[i].from) && holds(d, group, d->arrows[i].to))
            add_main(y, group, (int)i);
    sg_layers_rank(&y->levels[group].layers);
    for (size_t i = 0; i < d->n_arrows; i++) {
        if (!y->n_pieces[i]) continue;
        add_inside(y, group, (int)i, true);
        add_inside(y, group, (int)i, false);
    }
}

/* --- places, from the inside out -------------------------------------------------------------------------------------------- */

/* Where a link touches a group inside is where its pin is there. */
static void fix_end(struct layout *y, int group, const struct piece *outer, const struct piece *inner, bool at_source) {
    const struct sg_layers *in = &y->levels[inner->group].layers;
    const struct sg_layer_link *k = &in->links[inner->link];
    double at = in->items[at_source ? k->to : k->from].x - in->w / 2;
    struct sg_layer_link *link = &y->levels[group].layers.links[outer->link];
    if (at_source) link->fixed_from = true, link->at_from = at;
    else link->fixed_to = true, link->at_to = at;
}

static void fix_ends(struct layout *y, int group) {
    for (size_t i = 0; i < y->d->n_arrows; i++)
        for (int k = 0; k < y->n_pieces[i]; k++) {
            const struct piece *p = &y->pieces[i][k];
            if (p->group != group) continue;
            if (k > 0 && y->d->groups[p[-1].group].parent == group) fix_end(y, group, p, p - 1, true);
            if (k + 1 < y->n_pieces[i] && y->d->groups[p[1].group].parent == group) fix_end(y, group, p, p + 1, false);
        }
}

static int place_group(struct layout *y, int group, struct sg_err *err) {
    struct sg_layers *l = &y->levels[group].layers;
    fix_ends(y, group);
    int rc = sg_layers_place(l, err);
    if (rc != 0 || group == 0) return rc;
    struct sg_layer_item *item = &y->levels[y->d->groups[group].parent].layers.items[y->levels[group].item];
    item->w = l->w + 2 * PAD_X;
    item->h = l->h + 2 * PAD_Y;
    return 0;
}

/* --- and back in ------------------------------------------------------------------------------------------------------------ */

static void carry_groups(struct layout *y) {
    struct sg_drawing *d = y->d;
    y->levels[0].x = y->levels[0].y = MARGIN;
    d->w = y->levels[0].layers.w + 2 * MARGIN;
    d->h = y->levels[0].layers.h + 2 * MARGIN;
    for (size_t g = 1; g < d->n_groups; g++) {
        const struct level *out = &y->levels[d->groups[g].parent];
        const struct sg_layer_item *item = &out->layers.items[y->levels[g].item];
        struct sg_group *group = &d->groups[g];
        group->w = item->w, group->h = item->h;
        group->x = out->x + item->x - item->w / 2, group->y = out->y + item->y - item->h / 2;
        y->levels[g].x = group->x + PAD_X, y->levels[g].y = group->y + PAD_Y;
    }
}

static void carry_boxes(struct layout *y) {
    for (size_t i = 0; i < y->d->n_boxes; i++) {
        struct sg_box *b = &y->d->boxes[i];
        const struct level *l = &y->levels[b->group];
        const struct sg_layer_item *item = &l->layers.items[y->box_items[i]];
        b->x = l->x + item->x - b->w / 2;
        b->y = l->y + item->y - b->h / 2;
    }
}

static void carry_arrow(struct layout *y, int arrow) {
    struct sg_arrow *a = &y->d->arrows[arrow];
    size_t n = 0;
    for (int k = 0; k < y->n_pieces[arrow]; k++) {
        const struct piece *p = &y->pieces[arrow][k];
        n += y->levels[p->group].layers.links[p->link].n_points;
    }
    a->points = SG_NEW_N(y->d->arena, struct sg_point, n);
    for (int k = 0; k < y->n_pieces[arrow]; k++) {
        const struct piece *p = &y->pieces[arrow][k];
        const struct level *l = &y->levels[p->group];
        const struct sg_layer_link *link = &l->layers.links[p->link];
        for (size_t i = 0; i < link->n_points; i++)
            a->points[a->n_points++] = (struct sg_point){l->x + link->points[i].x, l->y + link->points[i].y};
        if (link->label_w > 0) a->label_x = l->x + link->label_x, a->label_y = l->y + link->label_y;
    }
}

/* A loop and its label stand beside the box, whose room is widened on both sides so that it stays in the middle. */
static void measure_loops(struct layout *y) {
    for (size_t i = 0; i < y->d->n_arrows; i++) {
        const struct sg_arrow *a = &y->d->arrows[i];
        if (a->from == a->to) y->loops[a->from] = SG_LOOP_W + sg_text_width(a->label, SG_TEXT_SIZE);
    }
}

int sg_draw_layout(struct sg_drawing *d, struct sg_err *err) {
    if (d->n_boxes > MAX_BOXES)
        return sg_fail(err, SG_E_LIMIT, "a graph of %zu nodes is too large for a picture; --format json has all of it",
                       d->n_boxes);
    struct layout y = {.d = d,
                       .levels = SG_NEW_N(d->arena, struct level, d->n_groups),
                       .box_items = SG_NEW_N(d->arena, int, d->n_boxes),
                       .pieces = SG_NEW_N(d->arena, struct piece *, d->n_arrows),
                       .n_pieces = SG_NEW_N(d->arena, int, d->n_arrows),
                       .loops = SG_NEW_N(d->arena, double, d->n_boxes)};
    measure_loops(&y);
    add_items(&y);
    for (size_t g = 0; g < d->n_groups; g++) rank_group(&y, (int)g);
    for (size_t g = d->n_groups; g-- > 0;) {
        int rc = place_group(&y, (int)g, err);
        if (rc != 0) return rc;
    }
    carry_groups(&y);
    carry_boxes(&y);
    for (size_t i = 0; i < d->n_arrows; i++) carry_arrow(&y, (int)i);
    return 0;
}
