/* SPDX-License-Identifier: Apache-2.0 */
/* preview: how events of exec are written for people and for machines. Private to run. */
#ifndef SG_RUN_PREVIEW_H
#define SG_RUN_PREVIEW_H

#include "exec/exec.h"

/* A node that has begun. Nodes of a step run side by side: each collects its own text, which is shown when it ends. */
struct sg_preview_node {
    struct sg_str name;
    uint32_t visit;
    struct sg_json state; /* that it sees */
    struct sg_buf text;
    /* Whose request is shown: a lost connection makes it twice. */
    const struct sg_model_spec *model;
    uint32_t attempt;
    struct sg_preview_node *next;
};

struct sg_preview {
    bool full, colour;
    struct sg_arena arena; /* of one record */
    struct sg_preview_node *nodes;
    struct sg_buf out; /* what is ready to be shown */
};

/* Appends to v->out. */
void sg_preview_text(struct sg_preview *v, const struct sg_exec_event *e);
/* What the nodes that have not ended have collected so far, each with a note. */
void sg_preview_rest(struct sg_preview *v, const char *note);
/* Appends one line; the format is docs/looking.md's. */
void sg_preview_json(const struct sg_exec_event *e, struct sg_buf *out);

#endif
