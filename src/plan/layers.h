/* SPDX-License-Identifier: Apache-2.0 */
/* layers: items in ranks from top to bottom, and links that touch no item but their own (Sugiyama's way). It knows boxes and
 * numbers only, neither plans nor text. Private to plan.
 *
 * Invariants, which tests hold it to: items, labels and the rooms that links pass a rank through do not overlap; a link runs
 * inside such rooms and in the empty bands between ranks.
 *
 * Memory: results live in the arena.   Errors: SG_E_LIMIT for graphs that nobody could read any more. */
#ifndef SG_PLAN_LAYERS_H
#define SG_PLAN_LAYERS_H

#include "base/base.h"

struct sg_point {
    double x, y;
};

enum sg_pin { SG_PIN_NONE, SG_PIN_TOP, SG_PIN_BOTTOM };

struct sg_layer_item {
    double w, h;
    double touch;    /* the part of w, in its middle, that links may touch; 0: all */
    enum sg_pin pin; /* on the border: where links from outside come in */
    bool first;      /* leftmost of its rank: a title */
    int rank;        /* results; x and y of the centre */
    double x, y;
};

struct sg_layer_link {
    int from, to;            /* two different items */
    double label_w, label_h; /* 0: no label */
    bool fixed_from, fixed_to;
    double at_from, at_to; /* fixed: where it touches the item, from the item's centre */
    bool back;             /* result: runs against the ranks */
    struct sg_point *points; /* from `from` to `to`; neighbours stand above each other, or in neighbouring ranks */
    size_t n_points;
    double label_x, label_y; /* of the centre */
};

struct sg_layers {
    struct sg_arena *arena;
    struct sg_layer_item *items;
    size_t n_items, cap_items;
    struct sg_layer_link *links;
    size_t n_links, cap_links;
    double w, h; /* result: everything lies in [0, w] x [0, h] */
};

/* First the ranks, for which sizes need not be known, then the places. */
void sg_layers_rank(struct sg_layers *l);
int sg_layers_place(struct sg_layers *l, struct sg_err *err);

#endif
