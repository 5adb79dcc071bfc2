/* SPDX-License-Identifier: Apache-2.0 */
/* waiting: a ring of 16-byte slots, one a position from `next` on.
 *
 * Positions are dense, so a ring indexed by position beats any sorted structure: a straggler in front of 2 million
 * finished records costs 32 MB. It doubles when a position lies beyond it and goes back to nothing when it is empty
 * and large.
 *
 * Which texts go to disk: the one that comes when the memory is full. Those in memory are then the ones that came
 * first, which is mostly the ones that leave first. With a run folder all that still wait at a commit go there, so that the
 * commit can name them; most have left before. */
#include "data/waiting.h"

#include <stdlib.h>

#define IN_MEMORY UINT32_MAX
#define FIRST_SLOTS 64
#define KEEP_SLOTS 65536
#define KEEP_LOADED ((size_t)256 << 10)

struct sg_waiting_slot {
    uint32_t segment; /* 0: nobody; IN_MEMORY: `where` is a struct held; else a place */
    uint32_t length;
    uint64_t where;
};

struct held {
    uint32_t kind;
    char text[];
};

void sg_waiting_init(struct sg_waiting *w, uint64_t first, size_t memory_limit, struct sg_str folder) {
    *w = (struct sg_waiting){
        .next = first, .memory_limit = memory_limit, .folder = folder, .loaded = SG_BUF_INIT(SIZE_MAX)};
}

void sg_waiting_use(struct sg_waiting *w, struct sg_segments *segments) {
    w->segments = segments;
    w->journaled = true;
}

static struct held *held_of(const struct sg_waiting_slot *slot) {
    return (struct held *)(uintptr_t)slot->where;
}

void sg_waiting_fini(struct sg_waiting *w) {
    for (size_t i = 0; i < w->cap; i++)
        if (w->ring[i].segment == IN_MEMORY) free(held_of(&w->ring[i]));
    free(w->ring);
    free(w->taken);
    sg_buf_fini(&w->loaded);
    if (w->segments && !w->journaled) {
        sg_segments_close(w->segments, true);
        sg_os->rmdir(w->folder.p); /* stays when others use it */
    }
    sg_waiting_init(w, w->next, w->memory_limit, w->folder);
}

/* --- the ring --------------------------------------------------------------------------------------------------- */

static struct sg_waiting_slot *slot_of(const struct sg_waiting *w, uint64_t position) {
    return &w->ring[position & (w->cap - 1)];
}

static void make_slots(struct sg_waiting *w, uint64_t span) {
    if (span <= w->cap) return;
    SG_ASSERT(span < (uint64_t)1 << 40);
    struct sg_waiting old = *w;
    w->cap = old.cap ? old.cap : FIRST_SLOTS;
    while (w->cap < span) w->cap *= 2;
    w->ring = sg_xcalloc(w->cap, sizeof *w->ring);
    for (uint64_t p = w->next; p < w->next + old.cap; p++) *slot_of(w, p) = *slot_of(&old, p);
    free(old.ring);
}

bool sg_waiting_has_next(const struct sg_waiting *w) {
    return w->n > 0 && slot_of(w, w->next)->segment != 0;
}

void sg_waiting_skip(struct sg_waiting *w) {
    SG_ASSERT(!sg_waiting_has_next(w));
    w->next++;
}

/* --- texts ------------------------------------------------------------------------------------------------------ */

static int open_segments(struct sg_waiting *w, struct sg_err *err) {
    if (w->segments) return 0;
    struct sg_arena scratch;
    sg_arena_init(&scratch, 0);
    struct sg_str path = sg_str_join(&scratch, w->folder, SG_STR("/segments"));
    int rc = sg_segments_open(path.p, 0, &w->segments, err);
    sg_arena_fini(&scratch);
    return rc;
}

static int spill(struct sg_waiting *w, uint32_t kind, struct sg_str text, struct sg_waiting_slot *slot,
                 struct sg_err *err) {
    struct sg_place place;
    int rc = open_segments(w, err);
    if (rc == 0) rc = sg_segments_append(w->segments, kind, text, &place, err);
    if (rc < 0) return rc;
    *slot = (struct sg_waiting_slot){place.segment, place.length, place.offset};
    w->spilled_bytes += text.n;
    return 0;
}

static size_t cost_of(size_t text_bytes) {
    return sizeof(struct held) + text_bytes + 2 * sizeof(void *); /* and malloc's own */
}

static void hold(struct sg_waiting *w, uint32_t kind, struct sg_str text, struct sg_waiting_slot *slot) {
    struct held *h = sg_xmalloc(sizeof *h + text.n);
    h->kind = kind;
    if (text.n) memcpy(h->text, text.p, text.n);
    *slot = (struct sg_waiting_slot){IN_MEMORY, (uint32_t)text.n, (uintptr_t)h};
    w->memory += cost_of(text.n);
}

int sg_waiting_put(struct sg_waiting *w, uint64_t position, uint32_t kind, struct sg_str text, struct sg_err *err) {
    SG_ASSERT(position > w->next && text.n < UINT32_MAX);
    make_slots(w, position - w->next + 1);
    struct sg_waiting_slot *slot = slot_of(w, position);
    SG_ASSERT(slot->segment == 0); /* one output a position */
    if (w->memory + cost_of(text.n) <= w->memory_limit) {
        hold(w, kind, text, slot);
    } else {
        int rc = spill(w, kind, text, slot, err);
        if (rc < 0) return rc;
    }
    w->n++;
    return 0;
}

int sg_waiting_store(struct sg_waiting *w, uint64_t position, struct sg_place *out, struct sg_err *err) {
    struct sg_waiting_slot *slot = slot_of(w, position);
    SG_ASSERT(position >= w->next && position - w->next < w->cap && slot->segment);
    if (slot->segment == IN_MEMORY) {
        struct held *h = held_of(slot);
        w->memory -= cost_of(slot->length);
        int rc = spill(w, h->kind, (struct sg_str){h->text, slot->length}, slot, err);
        free(h);
        if (rc < 0) {
            slot->segment = 0;
            w->n--;
            return rc;
        }
    }
    *out = (struct sg_place){.segment = slot->segment, .length = slot->length, .offset = slot->where};
    return 0;
}

void sg_waiting_load(struct sg_waiting *w, uint64_t position, struct sg_place place) {
    SG_ASSERT(position >= w->next);
    make_slots(w, position - w->next + 1);
    *slot_of(w, position) = (struct sg_waiting_slot){place.segment, place.length, place.offset};
    w->n++;
}

static int load(struct sg_waiting *w, const struct sg_waiting_slot *slot, uint32_t *kind, struct sg_str *text,
                struct sg_err *err) {
    struct sg_place place = {.segment = slot->segment, .length = slot->length, .offset = slot->where};
    sg_buf_reset(&w->loaded, KEEP_LOADED);
    int rc = sg_segments_read(w->segments, place, kind, &w->loaded, err);
    if (rc < 0) return rc;
    if (w->journaled) sg_segments_release(w->segments, place);
    else sg_segments_free(w->segments, place);
    *text = sg_buf_view(&w->loaded);
    return 0;
}

static void lend(struct sg_waiting *w, const struct sg_waiting_slot *slot, uint32_t *kind, struct sg_str *text) {
    struct held *h = held_of(slot);
    w->memory -= cost_of(slot->length);
    w->taken = h;
    *kind = h->kind;
    *text = (struct sg_str){h->text, slot->length};
}

int sg_waiting_take(struct sg_waiting *w, uint32_t *kind, struct sg_str *text, struct sg_err *err) {
    SG_ASSERT(sg_waiting_has_next(w));
    struct sg_waiting_slot *slot = slot_of(w, w->next);
    free(w->taken);
    w->taken = NULL;
    if (slot->segment == IN_MEMORY) {
        lend(w, slot, kind, text);
    } else {
        int rc = load(w, slot, kind, text, err);
        if (rc < 0) return rc;
    }
    slot->segment = 0;
    w->next++;
    w->n--;
    if (w->n == 0 && w->cap > KEEP_SLOTS) {
        free(w->ring);
        w->ring = NULL;
        w->cap = 0;
    }
    return 0;
}
