/* SPDX-License-Identifier: Apache-2.0 */
/* waiting: outputs that came before an earlier record's, until that one comes. Private to data.
 *
 * `next` is the position that is expected. Texts wait in memory up to a limit, then in segments on disk (journal.h),
 * which cost 16 bytes of memory a record. Every position is put, loaded, or skipped, exactly once.
 * Thread: one (the writer's worker).   Errors: those of segments. */
#ifndef SG_DATA_WAITING_H
#define SG_DATA_WAITING_H

#include "journal/journal.h"

struct sg_waiting_slot;

struct sg_waiting {
    uint64_t next;
    uint64_t n; /* texts that wait */
    struct sg_waiting_slot *ring;
    size_t cap; /* a power of two, or 0 */
    size_t memory, memory_limit;
    uint64_t spilled_bytes;
    struct sg_str folder;         /* of the run; segments/ is made in it when it is needed */
    struct sg_segments *segments; /* our own, but for the next */
    bool journaled;               /* they are the run folder's */
    void *taken;                  /* what the last take lent */
    struct sg_buf loaded;
};

/* `folder` ends in NUL and must stay. */
void sg_waiting_init(struct sg_waiting *w, uint64_t first, size_t memory_limit, struct sg_str folder);
/* With the segments of a run folder, which the caller opens, closes and keeps. */
void sg_waiting_use(struct sg_waiting *w, struct sg_segments *segments);
/* Forgets what waits and removes the segments, if they are our own. */
void sg_waiting_fini(struct sg_waiting *w);
/* position > next. The text is copied. */
int sg_waiting_put(struct sg_waiting *w, uint64_t position, uint32_t kind, struct sg_str text, struct sg_err *err);
/* Journaled: the text of a position that waits is on disk behind this, at *out. */
int sg_waiting_store(struct sg_waiting *w, uint64_t position, struct sg_place *out, struct sg_err *err);
/* Journaled: what an earlier process has stored. position >= next. */
void sg_waiting_load(struct sg_waiting *w, uint64_t position, struct sg_place place);
/* `next` has been dealt with elsewhere. */
void sg_waiting_skip(struct sg_waiting *w);
bool sg_waiting_has_next(const struct sg_waiting *w);
/* Takes the text of `next` and moves on; a view until the following call. */
int sg_waiting_take(struct sg_waiting *w, uint32_t *kind, struct sg_str *text, struct sg_err *err);

#endif
