/* SPDX-License-Identifier: Apache-2.0 */
/* lines: the n-th record of an output file, JSON Lines or an array as data/outfile.h writes it. Private to look.
 *
 * Going on from one to the next reads the file once. Every SG_LINES_STRIDE-th place is remembered, so that going back, or far
 * ahead a second time, reads a few hundred lines at most. The file may grow, may get another name, and an array may be
 * replaced by lines: it is opened anew when what is asked for is not in what is open.
 * Memory: two blocks of 256 kB, or two of the longest record; 8 bytes a mark.   Thread: one. */
#ifndef SG_LOOK_LINES_H
#define SG_LOOK_LINES_H

#include "base/base.h"

#define SG_LINES_STRIDE 256

struct sg_lines {
    const char *paths[2]; /* the first that is there counts */
    const char *path;     /* the one that is open */
    int fd;               /* negative: not open */
    bool array;
    uint64_t *marks; /* offset of record i * SG_LINES_STRIDE */
    size_t n_marks, cap_marks;
    uint64_t next;       /* number of the record that comes next ... */
    uint64_t at;         /* ... and where its line, or an array's punctuation before it, begins */
    struct sg_buf block; /* of the file, from block_at on */
    uint64_t block_at;
    struct sg_buf record, flat; /* of an array: its lines, and they as one */
};

/* Paths stay. */
void sg_lines_init(struct sg_lines *l, const char *path, const char *otherwise);
void sg_lines_fini(struct sg_lines *l);
/* Compact JSON, a view until the next call. SG_E_SYNTAX: the file ends before it; SG_E_MISSING: no file. */
int sg_lines_get(struct sg_lines *l, uint64_t number, struct sg_str *out, struct sg_err *err);

#endif
