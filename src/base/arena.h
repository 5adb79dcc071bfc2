/* SPDX-License-Identifier: Apache-2.0 */
/* arena: memory by lifetime. A function that allocates takes the arena as a parameter, and its place says how long the
 * result lives: process, run (spec, plan), record, step.
 *
 * Small allocations never fail: running out of memory ends the process with a message. Sizes that come from outside are
 * limited by their reader before they reach an arena.
 * Thread: an arena belongs to one thread at a time; it may be handed over. */
#ifndef SG_BASE_ARENA_H
#define SG_BASE_ARENA_H

#include "base/str.h"

struct sg_arena_block;

struct sg_arena {
    struct sg_arena_block *head; /* newest block, where allocation goes on */
    char *at, *end;              /* free room of the newest block */
    size_t first;                /* size of the first block */
    size_t held;                 /* bytes of all blocks */
};

/* Nothing is allocated before the first use. `first_block` 0 means 4 kB. */
void sg_arena_init(struct sg_arena *a, size_t first_block);
void sg_arena_fini(struct sg_arena *a);
/* Everything in it is gone; one block is kept for reuse. */
void sg_arena_reset(struct sg_arena *a);

/* Aligned to 8 bytes, not cleared. */
void *sg_alloc(struct sg_arena *a, size_t n);
void *sg_alloc0(struct sg_arena *a, size_t n);
#define SG_NEW(a, type) ((type *)sg_alloc0((a), sizeof(type)))
#define SG_NEW_N(a, type, count) ((type *)sg_alloc0((a), sizeof(type) * (count)))

/* Copies, with a NUL behind that is not counted. */
struct sg_str sg_str_dup(struct sg_arena *a, struct sg_str s);
struct sg_str sg_str_printf(struct sg_arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct sg_str sg_str_join(struct sg_arena *a, struct sg_str left, struct sg_str right);
struct sg_str sg_str_percent_decoded(struct sg_arena *a, struct sg_str s); /* of a URL: each %XX is a byte; other marks stay */

/* Growing array in an arena: room for one more element of `size` bytes; the old place is left behind. */
void *sg_arena_grow(struct sg_arena *a, void *items, size_t count, size_t *cap, size_t size);
#define SG_PUSH(a, items, count, cap)                                                                                 \
    ((items) = sg_arena_grow((a), (items), (count), &(cap), sizeof *(items)), &(items)[(count)++])

/* malloc and friends that end the process instead of returning NULL. */
void *sg_xmalloc(size_t n);
void *sg_xcalloc(size_t count, size_t size);
void *sg_xrealloc(void *p, size_t n);

#endif
