/* SPDX-License-Identifier: Apache-2.0 */
/* input: the window that moves over a file.
 *
 * The window is filled to its end, consumed, and only then moved: what is left of the last row goes to the front, so
 * at most one row in a block is copied. When one row fills it, it doubles; once that row is consumed it shrinks
 * again.
 *
 * Waiting for a pipe: descriptors are opened with O_NONBLOCK, and a wait is a poll of the pipe and of `wake`, so
 * that a reader which waits for a writer that never comes can be stopped. poll is no access to a file and needs no
 * seam: under the simulator sources are plain files. On Linux poll of a FIFO that nobody has opened for writing yet
 * waits (only a writer that was there and left makes it report the end); read alone cannot tell the two apart. */
#include "data/split.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

void sg_splitter_init(struct sg_splitter *s, int fd, bool waits, int wake, struct sg_str name, size_t block,
                      size_t limit) {
    *s = (struct sg_splitter){.name = name, .limit = limit ? limit : SG_SPLIT_ROW_LIMIT, .line = 1};
    s->in = (struct sg_input){.fd = fd, .wake = wake, .waits = waits, .block = block ? block : SG_SPLIT_BLOCK};
}

void sg_splitter_fini(struct sg_splitter *s) {
    free(s->in.p);
    s->in.p = NULL;
}

void sg_lines_seek(struct sg_splitter *s, uint64_t line, uint64_t offset) {
    s->begun = true;
    s->line = line;
    s->scanned = 0;
    s->in.offset = offset;
    s->in.at = s->in.end = 0;
    s->in.seeks = true;
    s->in.ended = false;
}

static void move_to(struct sg_input *in, char *p, size_t cap) {
    size_t left = in->end - in->at;
    if (left) memmove(p, in->p + in->at, left);
    if (p != in->p) free(in->p);
    in->p = p;
    in->cap = cap;
    in->at = 0;
    in->end = left;
}

/* Makes room behind `end`: by moving to the front, into a smaller window, or by growing. */
static void make_room(struct sg_input *in) {
    size_t left = in->end - in->at;
    bool large = in->cap > 4 * in->block && left < in->block;
    if (in->cap == 0 || large) {
        move_to(in, sg_xmalloc(in->block), in->block);
    } else if (in->end == in->cap && in->at > 0) {
        move_to(in, in->p, in->cap);
    } else if (in->end == in->cap) {
        in->cap *= 2;
        in->p = sg_xrealloc(in->p, in->cap);
    }
}

/* True when there is something to read, the end included. */
static bool wait_for_bytes(const struct sg_input *in, bool patient) {
    struct pollfd fds[2] = {{.fd = in->fd, .events = POLLIN}, {.fd = in->wake, .events = POLLIN}};
    int n;
    do n = poll(fds, 2, patient ? -1 : 0);
    while (n < 0 && errno == EINTR);
    return n > 0 && fds[1].revents == 0;
}

/* *told: an error would be described in `err` already. */
static ssize_t read_more(struct sg_input *in, bool *told, struct sg_err *err) {
    char *to = in->p + in->end;
    size_t n = in->cap - in->end;
    *told = in->unpacker;
    if (in->unpacker) return sg_unpack(in->unpacker, to, n, err);
    return in->seeks ? sg_os->pread(in->fd, to, n, in->offset + (in->end - in->at)) : sg_os->read(in->fd, to, n);
}

enum sg_split sg_input_more(struct sg_splitter *s, enum sg_patience patience, struct sg_err *err) {
    struct sg_input *in = &s->in;
    if (in->ended) return SG_SPLIT_ENDED;
    make_room(in);
    for (;;) {
        if (in->waits && (patience == SG_NO_READ || !wait_for_bytes(in, patience == SG_WAIT))) return SG_SPLIT_LATER;
        bool told;
        ssize_t got = read_more(in, &told, err);
        if (got == -EAGAIN && in->waits) continue;
        if (got < 0) {
            in->ended = !told; /* a packed file that is damaged says so again */
            if (!told) {
                sg_fail_sys(err, SG_E_IO, (int)-got, "%.*s: byte %llu: read failed", SG_ARG(s->name),
                            (unsigned long long)(in->offset + (in->end - in->at)));
            }
            return SG_SPLIT_BROKEN;
        }
        in->end += (size_t)got;
        in->ended = got == 0;
        return got ? SG_SPLIT_GOT : SG_SPLIT_ENDED;
    }
}

static void add_crc(struct sg_splitter *s, size_t n) {
    struct sg_input *in = &s->in;
    uint64_t end = in->offset + n;
    if (end <= s->crc_bytes) return;
    size_t known = s->crc_bytes > in->offset ? (size_t)(s->crc_bytes - in->offset) : 0;
    s->crc = sg_crc32c(s->crc, in->p + in->at + known, n - known);
    s->crc_bytes = end;
}

void sg_splitter_advance(struct sg_splitter *s, size_t n) {
    if (s->with_crc) add_crc(s, n);
    s->in.at += n;
    s->in.offset += n;
    s->scanned = 0;
}

/* Skips what stands before the first row; false when that cannot be read. */
static bool skip_mark(struct sg_splitter *s) {
    struct sg_str start = sg_splitter_left(s);
    if (sg_str_starts(start, SG_STR("\xEF\xBB\xBF"))) sg_splitter_advance(s, 3);
    return !sg_str_starts(start, SG_STR("\xFF\xFE")) && !sg_str_starts(start, SG_STR("\xFE\xFF"));
}

enum sg_split sg_splitter_begin(struct sg_splitter *s, enum sg_patience patience, struct sg_err *err) {
    if (s->begun) return SG_SPLIT_GOT;
    while (sg_splitter_left(s).n < 3) {
        enum sg_split got = sg_input_more(s, patience, err);
        if (got == SG_SPLIT_ENDED) break;
        if (got != SG_SPLIT_GOT) return got;
    }
    s->begun = true;
    if (skip_mark(s)) return SG_SPLIT_GOT;
    s->in.ended = true;
    sg_fail(err, SG_E_UNSUPPORTED, "%.*s: byte 0: the file is in UTF-16; only UTF-8 is read yet", SG_ARG(s->name));
    return SG_SPLIT_BROKEN;
}
