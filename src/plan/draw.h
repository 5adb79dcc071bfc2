/* SPDX-License-Identifier: Apache-2.0 */
/* draw: a plan as boxes, arrows and groups, which is what all pictures have in common (dot, Mermaid, SVG). Private to plan.
 *
 * START, END and joins are boxes, too; parallel paths of one condition between the same two boxes are one arrow; a subgraph
 * is a group.   Memory: the arena's. */
#ifndef SG_PLAN_DRAW_H
#define SG_PLAN_DRAW_H

#include "plan/layers.h"
#include "plan/plan.h"

enum sg_shape { SG_SHAPE_START, SG_SHAPE_END, SG_SHAPE_MODEL, SG_SHAPE_DRAW, SG_SHAPE_PROGRAM, SG_SHAPE_POINT, SG_SHAPE_JOIN };

#define SG_BOX_LINES 2

struct sg_box {
    enum sg_shape shape;
    struct sg_str name;                /* s.t.n */
    struct sg_str title;               /* n, in the group s.t */
    struct sg_str lines[SG_BOX_LINES]; /* what it does; empty ones last */
    int group;
    double x, y, w, h; /* by sg_draw_layout: left, top */
};

struct sg_arrow {
    int from, to;
    struct sg_str label;   /* keys of the path_map, or empty */
    struct sg_str program; /* of the condition, or empty */
    struct sg_point *points; /* by sg_draw_layout; one box with itself: none */
    size_t n_points;
    double label_x, label_y; /* of its centre */
};

/* Group 0 is the whole graph. A group comes after the one that it is in. */
struct sg_group {
    struct sg_str name;  /* t, of the subgraph s.t */
    struct sg_str title; /* the same, and which recipe it is */
    int parent;
    double x, y, w, h;
};

struct sg_drawing {
    struct sg_arena *arena;
    struct sg_box *boxes;
    size_t n_boxes, cap_boxes;
    struct sg_arrow *arrows;
    size_t n_arrows, cap_arrows;
    struct sg_group *groups;
    size_t n_groups, cap_groups;
    double w, h;
};

/* What a plan looks like, without places. */
void sg_draw_plan(struct sg_arena *a, const struct sg_plan *p, struct sg_drawing *out);
/* Places, for the fonts that svg.c asks for. Fails when nobody could read the picture. */
int sg_draw_layout(struct sg_drawing *d, struct sg_err *err);

#define SG_TITLE_SIZE 14.0
#define SG_TEXT_SIZE 12.0
#define SG_LOOP_W 40.0 /* of an edge from a box to itself, beside it, without its label */
/* An upper bound of the width of a text in common sans-serif fonts. */
double sg_text_width(struct sg_str s, double size);
/* At most `most` characters in one line, the rest is "..." */
struct sg_str sg_text_short(struct sg_arena *a, struct sg_str s, size_t most);

#endif
