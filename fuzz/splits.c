/* SPDX-License-Identifier: Apache-2.0 */
#include "splits.h"

static struct {
    struct sg_str text;
    size_t at;
    struct sg_rng draws;
    bool whole;
} file;

static ssize_t give(char *p, size_t n, size_t at) {
    size_t left = at < file.text.n ? file.text.n - at : 0;
    if (n > left) n = left;
    if (n > 1 && !file.whole) n = 1 + fuzz_below(&file.draws, n);
    if (n) memcpy(p, file.text.p + at, n);
    return (ssize_t)n;
}

static ssize_t file_read(int fd, void *p, size_t n) {
    (void)fd;
    ssize_t got = give(p, n, file.at);
    file.at += (size_t)got;
    return got;
}

static ssize_t file_pread(int fd, void *p, size_t n, uint64_t at) {
    (void)fd;
    return give(p, n, (size_t)at);
}

void fuzz_file_use(void) {
    static struct sg_os os;
    os = sg_os_posix;
    os.read = file_read;
    os.pread = file_pread;
    sg_os = &os;
}

void fuzz_file_put(struct sg_str text, bool whole) {
    file.text = text;
    file.at = 0;
    file.whole = whole;
    file.draws = fuzz_draws(text);
}

size_t fuzz_file_below(size_t n) {
    return fuzz_below(&file.draws, n);
}

void fuzz_splitter(struct sg_splitter *s, size_t block) {
    sg_splitter_init(s, 0, false, -1, SG_STR("f"), block, FUZZ_ROW_LIMIT);
}

/* `line` stands at `offset`; both move to where the piece begins. */
static void check_place(const struct sg_piece *p, uint64_t *line, uint64_t *offset) {
    struct sg_str text = file.text;
    SG_ASSERT(p->offset >= *offset && p->offset <= text.n);
    for (; *offset < p->offset; ++*offset) *line += text.p[*offset] == '\n';
    SG_ASSERT(p->line == *line);
    if (p->too_long) return;
    SG_ASSERT(p->text.n <= FUZZ_ROW_LIMIT && p->text.n <= text.n - p->offset);
    SG_ASSERT(p->text.n == 0 || memcmp(p->text.p, text.p + p->offset, p->text.n) == 0);
}

void fuzz_rows_read(struct sg_arena *a, struct sg_splitter *s, fuzz_next *next, struct fuzz_rows *out) {
    struct sg_piece p;
    uint64_t line = s->line, offset = s->in.offset;
    *out = (struct fuzz_rows){0};
    while ((out->end = next(s, SG_WAIT, &p, &out->err)) == SG_SPLIT_GOT) {
        check_place(&p, &line, &offset);
        p.text.p = file.text.p + p.offset;
        *SG_PUSH(a, out->items, out->n, out->cap) = p;
    }
    SG_ASSERT(out->end == SG_SPLIT_ENDED || (out->end == SG_SPLIT_BROKEN && out->err.text[0]));
}

static void expect_same(const struct sg_piece *p, const struct sg_piece *q) {
    SG_ASSERT(p->line == q->line && p->offset == q->offset && p->too_long == q->too_long);
    SG_ASSERT(p->bad == q->bad && p->bad_at == q->bad_at);
    SG_ASSERT(p->too_long || p->text.n == q->text.n);
}

void fuzz_rows_same(const struct fuzz_rows *a, const struct fuzz_rows *b, size_t from) {
    SG_ASSERT(a->n == b->n + from && a->end == b->end);
    for (size_t i = 0; i < b->n; i++) expect_same(&a->items[from + i], &b->items[i]);
}
