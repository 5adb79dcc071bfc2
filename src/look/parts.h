/* SPDX-License-Identifier: Apache-2.0 */
/* parts: what the files of look share. Private to look. */
#ifndef SG_LOOK_PARTS_H
#define SG_LOOK_PARTS_H

#include "look/lines.h"
#include "look/look.h"

#define SG_LOOK_STRIDE 512

/* Records before a position, by outcome. */
struct sg_look_ranks {
    uint64_t position;
    uint64_t n[4];
};

struct sg_look {
    struct sg_arena arena;
    struct sg_look_facts facts;
    struct sg_str segments_folder;
    struct sg_rundb *db;
    struct sg_segments *segments; /* NULL: not looked at yet */
    struct sg_lines files[4];     /* by outcome */
    /* Where lines are: ranks at every SG_LOOK_STRIDE-th position from the first one on, as far as somebody has asked. */
    struct sg_look_ranks *marks;
    size_t n_marks, cap_marks;
    struct sg_look_ranks last; /* of the last record that was looked up */
    struct sg_buf line;        /* a line that waited in a segment */
    bool has_sql;              /* the connection knows what sql.c adds */
};

int sg_look_refresh(struct sg_look *k, struct sg_err *err);

/* The line of a record. has_json false: it is on its way. */
int sg_look_line(struct sg_look *k, struct sg_look_record *r, struct sg_err *err);

#endif
