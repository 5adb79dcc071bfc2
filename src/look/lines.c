/* SPDX-License-Identifier: Apache-2.0 */
/* lines: what stands where in an output file.
 *
 * In an array, json.dumps(..., indent=4) puts four blanks before what begins or ends a record and at least eight before what
 * is inside; texts hold no line break. So lines alone tell records apart: one begins where a line has four blanks and then
 * something that is no closing bracket. */
#include "look/lines.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#define BLOCK ((size_t)256 << 10)

enum got { GOT, ENDED, BROKEN };

void sg_lines_init(struct sg_lines *l, const char *path, const char *otherwise) {
    *l = (struct sg_lines){.paths = {path, otherwise},
                           .fd = -1,
                           .block = SG_BUF_INIT(SIZE_MAX),
                           .record = SG_BUF_INIT(SIZE_MAX),
                           .flat = SG_BUF_INIT(SIZE_MAX)};
}

static void forget(struct sg_lines *l) {
    if (l->fd >= 0) sg_os->close(l->fd);
    l->fd = -1;
    l->n_marks = 0;
    l->next = l->at = l->block_at = 0;
    l->block.n = 0;
}

void sg_lines_fini(struct sg_lines *l) {
    forget(l);
    free(l->marks);
    sg_buf_fini(&l->block);
    sg_buf_fini(&l->record);
    sg_buf_fini(&l->flat);
}

/* --- the file --------------------------------------------------------------------------------------------------- */

static int open_file(struct sg_lines *l, struct sg_err *err) {
    char first = 0;
    for (int i = 0; i < 2 && l->fd < 0 && l->paths[i]; i++) {
        l->path = l->paths[i];
        l->fd = sg_os->open(l->path, O_RDONLY | O_CLOEXEC, 0);
    }
    if (l->fd == -ENOENT) return sg_fail(err, SG_E_MISSING, "%s: is not there", l->paths[0]);
    if (l->fd < 0) return sg_fail_sys(err, SG_E_IO, -l->fd, "%s: cannot be read", l->path);
    ssize_t n = sg_os->pread(l->fd, &first, 1, 0);
    if (n < 0) return sg_fail_sys(err, SG_E_IO, (int)-n, "%s: cannot be read", l->path);
    l->array = first == '[';
    if (l->array) l->at = 2; /* "[\n" */
    return 0;
}

static int read_more(struct sg_lines *l, size_t *got, struct sg_err *err) {
    char *room = sg_buf_reserve(&l->block, BLOCK);
    ssize_t n = sg_os->pread(l->fd, room, BLOCK, l->block_at + l->block.n);
    if (n < 0) return sg_fail_sys(err, SG_E_IO, (int)-n, "%s: read failed", l->path);
    l->block.n += (size_t)n;
    *got = (size_t)n;
    return 0;
}

static void move_block(struct sg_lines *l) {
    bool inside = l->at >= l->block_at && l->at <= l->block_at + l->block.n;
    size_t before = inside ? (size_t)(l->at - l->block_at) : l->block.n;
    if (inside && before < BLOCK) return;
    sg_buf_drop(&l->block, before);
    l->block_at = l->at;
}

/* The line at `at`, which moves behind it. A last line without its end does not count yet. */
static enum got next_line(struct sg_lines *l, struct sg_str *out, struct sg_err *err) {
    size_t from, looked, got = 0;
    move_block(l);
    from = looked = (size_t)(l->at - l->block_at);
    for (;;) {
        struct sg_str block = sg_buf_view(&l->block);
        size_t end = block.n > looked ? sg_str_find(block, '\n', looked) : block.n;
        if (end < block.n) {
            *out = (struct sg_str){block.p + from, end - from};
            l->at += end - from + 1;
            return GOT;
        }
        looked = block.n;
        if (read_more(l, &got, err) < 0) return BROKEN;
        if (got == 0) return ENDED;
    }
}

/* --- records ---------------------------------------------------------------------------------------------------- */

static bool begins(struct sg_str line) {
    return line.n > 4 && memcmp(line.p, "    ", 4) == 0 && !strchr(" }]", line.p[4]);
}

/* A record of several lines ends with its closing bracket at four blanks; the last one of all may have no line end yet. */
static bool ends(struct sg_str line) {
    return line.n > 4 && memcmp(line.p, "    ", 4) == 0 && strchr("}]", line.p[4]);
}

static bool is_whole(struct sg_str line) {
    char last = line.p[line.n - 1];
    return last != '{' && last != '[';
}

static void add_line(struct sg_lines *l, struct sg_str line, bool with) {
    if (!with) return;
    sg_buf_str(&l->record, line);
    sg_buf_ch(&l->record, '\n');
}

static enum got next_element(struct sg_lines *l, bool with, struct sg_err *err) {
    struct sg_str line;
    enum got got = next_line(l, &line, err);
    sg_buf_reset(&l->record, BLOCK);
    if (got != GOT) return got;
    if (!begins(line)) return ENDED; /* the array's end */
    bool whole = is_whole(line);
    add_line(l, line, with);
    while (!whole) {
        got = next_line(l, &line, err);
        if (got != GOT) return got;
        whole = ends(line);
        add_line(l, line, with);
    }
    return GOT;
}

/* Without the comma behind it, and on one line. */
static struct sg_str compact(struct sg_lines *l) {
    struct sg_str text = sg_str_trim(sg_buf_view(&l->record));
    if (text.n && text.p[text.n - 1] == ',') text.n--;
    sg_buf_reset(&l->flat, BLOCK);
    sg_json_compact_text(&l->flat, text);
    return sg_buf_view(&l->flat);
}

/* One record on; its text when `out` is given. */
static enum got step(struct sg_lines *l, struct sg_str *out, struct sg_err *err) {
    struct sg_str line;
    uint64_t at = l->at;
    if (l->next % SG_LINES_STRIDE == 0 && l->n_marks == l->next / SG_LINES_STRIDE) {
        if (l->n_marks == l->cap_marks)
            l->marks =
                sg_xrealloc(l->marks, (l->cap_marks = l->cap_marks ? 2 * l->cap_marks : 64) * sizeof *l->marks);
        l->marks[l->n_marks++] = at;
    }
    enum got got = l->array ? next_element(l, out != NULL, err) : next_line(l, &line, err);
    if (got != GOT) {
        l->at = at; /* the file may have grown when somebody asks again */
        return got;
    }
    l->next++;
    if (out) *out = l->array ? compact(l) : line;
    return GOT;
}

static void go_near(struct sg_lines *l, uint64_t number) {
    size_t mark = (size_t)(number / SG_LINES_STRIDE);
    if (mark >= l->n_marks) mark = l->n_marks ? l->n_marks - 1 : 0;
    uint64_t there = (uint64_t)mark * SG_LINES_STRIDE;
    if (l->n_marks == 0 || (number >= l->next && there <= l->next)) return;
    l->next = there;
    l->at = l->marks[mark];
}

static enum got seek_and_read(struct sg_lines *l, uint64_t number, struct sg_str *out, struct sg_err *err) {
    enum got got = GOT;
    go_near(l, number);
    while (got == GOT && l->next < number) got = step(l, NULL, err);
    return got == GOT ? step(l, out, err) : got;
}

int sg_lines_get(struct sg_lines *l, uint64_t number, struct sg_str *out, struct sg_err *err) {
    struct sg_err why = {0};
    for (int attempt = 0; attempt < 2; attempt++) {
        int rc = l->fd < 0 ? open_file(l, &why) : 0;
        if (rc == 0) {
            enum got got = seek_and_read(l, number, out, &why);
            if (got == GOT) return 0;
            rc = got == BROKEN ? SG_E_IO
                               : sg_fail(&why, SG_E_SYNTAX,
                                         "%s: ends before its record %llu; `sygra fsck` looks at the whole folder",
                                         l->path, (unsigned long long)number + 1);
        }
        forget(l);
        why.code = rc;
    }
    if (err) *err = why;
    return why.code;
}
