/* SPDX-License-Identifier: Apache-2.0 */
/* arena: a chain of blocks and a pointer that moves.
 *
 * Normal blocks double from `first` to LARGEST. An allocation of more than a quarter of the block that would come
 * next gets a block of its own, linked behind the newest one: the newest block's free room stays in use, at most a
 * quarter of a block is left behind, and a used arena always holds a block of the first size, which is what a reset
 * keeps. Under AddressSanitizer free room is poisoned, with a gap behind every allocation. */
#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FIRST 4096
#define LARGEST ((size_t)256 << 10)
#define ALIGN 8

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#define POISON(p, n) ASAN_POISON_MEMORY_REGION((p), (n))
#define UNPOISON(p, n) ASAN_UNPOISON_MEMORY_REGION((p), (n))
#define GAP ALIGN
#else
#define POISON(p, n) ((void)(p), (void)(n))
#define UNPOISON(p, n) ((void)(p), (void)(n))
#define GAP 0
#endif

struct sg_arena_block {
    struct sg_arena_block *next; /* older */
    size_t size;                 /* with this header */
    char room[];
};

static void out_of_memory(void) __attribute__((noreturn));
static void out_of_memory(void) {
    static const char text[] = "sygra: out of memory\n";
    ssize_t ignored = write(2, text, sizeof text - 1);
    (void)ignored;
    abort();
}

void *sg_xmalloc(size_t n) {
    void *p = malloc(n ? n : 1);
    if (!p) out_of_memory();
    return p;
}

void *sg_xcalloc(size_t count, size_t size) {
    void *p = calloc(count ? count : 1, size ? size : 1);
    if (!p) out_of_memory();
    return p;
}

void *sg_xrealloc(void *p, size_t n) {
    p = realloc(p, n ? n : 1);
    if (!p) out_of_memory();
    return p;
}

static size_t round_up(size_t n) {
    return (n + (ALIGN - 1)) & ~(size_t)(ALIGN - 1);
}

void sg_arena_init(struct sg_arena *a, size_t first_block) {
    size_t first = first_block ? first_block : FIRST;
    size_t least = 4 * sizeof(struct sg_arena_block);
    *a = (struct sg_arena){.first = round_up(first > least ? first : least)};
}

static struct sg_arena_block *new_block(struct sg_arena *a, size_t size) {
    struct sg_arena_block *b = sg_xmalloc(size);
    b->size = size;
    b->next = NULL;
    POISON(b->room, size - sizeof *b);
    a->held += size;
    return b;
}

static void use_block(struct sg_arena *a, struct sg_arena_block *b) {
    a->head = b;
    a->at = b->room;
    a->end = (char *)b + b->size;
}

static size_t next_size(const struct sg_arena *a) {
    if (!a->head) return a->first;
    size_t twice = a->head->size * 2;
    if (twice > LARGEST) twice = LARGEST;
    return twice > a->first ? twice : a->first;
}

static void *bump(struct sg_arena *a, size_t n) {
    char *p = a->at;
    size_t step = round_up(n) + GAP, left = (size_t)(a->end - p);
    a->at += step < left ? step : left;
    UNPOISON(p, n);
    return p;
}

static void *alloc_apart(struct sg_arena *a, size_t n) {
    if (n > PTRDIFF_MAX - sizeof(struct sg_arena_block) - ALIGN) out_of_memory();
    struct sg_arena_block *b = new_block(a, sizeof *b + round_up(n));
    b->next = a->head->next;
    a->head->next = b;
    UNPOISON(b->room, n);
    return b->room;
}

static void *alloc_slow(struct sg_arena *a, size_t n) __attribute__((noinline));
static void *alloc_slow(struct sg_arena *a, size_t n) {
    if (!a->head) {
        if (!a->first) sg_arena_init(a, 0); /* a zeroed arena is an empty one */
        use_block(a, new_block(a, a->first));
        return sg_alloc(a, n);
    }
    size_t size = next_size(a);
    if (n > size / 4) return alloc_apart(a, n);
    struct sg_arena_block *b = new_block(a, size);
    b->next = a->head;
    use_block(a, b);
    return bump(a, n);
}

/* `end` and `at` are aligned, so n bytes fit exactly when n rounded up fits. */
void *sg_alloc(struct sg_arena *a, size_t n) {
    n += n == 0;
    if (n <= (size_t)(a->end - a->at)) return bump(a, n);
    return alloc_slow(a, n);
}

void *sg_alloc0(struct sg_arena *a, size_t n) {
    void *p = sg_alloc(a, n);
    return memset(p, 0, n);
}

static void free_chain(struct sg_arena_block *b) {
    while (b) {
        struct sg_arena_block *next = b->next;
        free(b);
        b = next;
    }
}

void sg_arena_fini(struct sg_arena *a) {
    free_chain(a->head);
    *a = (struct sg_arena){.first = a->first};
}

void sg_arena_reset(struct sg_arena *a) {
    struct sg_arena_block **at = &a->head;
    while (*at && (*at)->size != a->first) at = &(*at)->next;
    struct sg_arena_block *kept = *at;
    if (!kept) return;
    *at = kept->next;
    free_chain(a->head);
    kept->next = NULL;
    POISON(kept->room, kept->size - sizeof *kept);
    use_block(a, kept);
    a->held = kept->size;
}

struct sg_str sg_str_dup(struct sg_arena *a, struct sg_str s) {
    return sg_str_join(a, s, SG_STR_NONE);
}

static int hex(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

struct sg_str sg_str_percent_decoded(struct sg_arena *a, struct sg_str s) {
    char *p = sg_alloc(a, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++) {
        bool escape = s.p[i] == '%' && i + 2 < s.n && hex(s.p[i + 1]) >= 0 && hex(s.p[i + 2]) >= 0;
        p[n++] = escape ? (char)(hex(s.p[i + 1]) * 16 + hex(s.p[i + 2])) : s.p[i];
        if (escape) i += 2;
    }
    p[n] = '\0';
    return (struct sg_str){p, n};
}

struct sg_str sg_str_join(struct sg_arena *a, struct sg_str left, struct sg_str right) {
    char *p = sg_alloc(a, left.n + right.n + 1);
    if (left.n) memcpy(p, left.p, left.n);
    if (right.n) memcpy(p + left.n, right.p, right.n);
    p[left.n + right.n] = '\0';
    return (struct sg_str){p, left.n + right.n};
}

struct sg_str sg_str_printf(struct sg_arena *a, const char *fmt, ...) {
    char small[256];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(small, sizeof small, fmt, ap);
    va_end(ap);
    if (n < 0) return SG_STR("");
    if ((size_t)n < sizeof small) return sg_str_dup(a, (struct sg_str){small, (size_t)n});
    char *p = sg_alloc(a, (size_t)n + 1);
    va_start(ap, fmt);
    vsnprintf(p, (size_t)n + 1, fmt, ap);
    va_end(ap);
    return (struct sg_str){p, (size_t)n};
}

void *sg_arena_grow(struct sg_arena *a, void *items, size_t count, size_t *cap, size_t size) {
    if (count < *cap) return items;
    size_t more = *cap ? *cap * 2 : 4;
    void *p = sg_alloc(a, more * size);
    if (count) memcpy(p, items, count * size);
    POISON(items, *cap * size); /* a pointer kept into the old place is a mistake that shows here */
    *cap = more;
    return p;
}
