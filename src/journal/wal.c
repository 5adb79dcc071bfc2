/* SPDX-License-Identifier: Apache-2.0 */
/* wal: the log's format is SQLite's ("File Format", section 4). Numbers are big-endian.
 *
 *   header, 32 bytes   magic (its lowest bit: the checksums read words as big-endian), version, page size, number of the
 *                      checkpoint, salt (8), checksum (8) of the bytes before it
 *   frame              page number, size of the database at a commit, salt (8), checksum (8); then the page
 *
 * A checksum goes on from the one before, over the first 8 bytes of a frame's head and its page. When the log is begun anew
 * it gets another salt, so that older frames behind the new ones are told apart.
 *
 * Behind the last commit there may be frames of this log all the same: of a group whose process died, and of another one of
 * an earlier process, partly overwritten by later groups. None of them ends in a commit that is whole, or it would have been
 * taken up. So a whole commit, which checks from the frame in front of it, is a commit that cannot be reached any more. */
#include "journal/wal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

enum { HEADER = 32, HEAD = 24, SALT = 16, FRAME_SALT = 8, SALT_BYTES = 8 };
#define MAGIC 0x377f0682u
#define PAGE_MIN 512u
#define PAGE_MAX 65536u

struct wal {
    int fd;
    bool big_endian;
    uint32_t page;
    uint32_t sum[2];
    char salt[SALT_BYTES];
    char *frame;
};

static uint32_t be32(const char *p) {
    const unsigned char *b = (const unsigned char *)p;
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static uint32_t word(const struct wal *w, const char *p) {
    uint32_t v = be32(p);
    return w->big_endian ? v : __builtin_bswap32(v);
}

static void add_sum(struct wal *w, const char *p, size_t n) {
    for (size_t i = 0; i < n; i += 8) {
        w->sum[0] += word(w, p + i) + w->sum[1];
        w->sum[1] += word(w, p + i + 4) + w->sum[0];
    }
}

static bool sum_is(const struct wal *w, const char *p) {
    return be32(p) == w->sum[0] && be32(p + 4) == w->sum[1];
}

/* False: there is no log, or none that was ever finished. */
static bool read_header(struct wal *w) {
    char h[HEADER];
    if (sg_os_pread_all(w->fd, h, HEADER, 0) < 0 || (be32(h) & ~1u) != MAGIC) return false;
    w->big_endian = be32(h) & 1;
    w->page = be32(h + 8);
    memcpy(w->salt, h + SALT, SALT_BYTES);
    add_sum(w, h, HEADER - 8);
    return sum_is(w, h + HEADER - 8) && w->page >= PAGE_MIN && w->page <= PAGE_MAX;
}

/* Of this log, whether it checks or not. */
static bool is_ours(const struct wal *w, const char *frame) {
    return be32(frame) && memcmp(frame + FRAME_SALT, w->salt, SALT_BYTES) == 0;
}

static bool checks(struct wal *w, const char *frame) {
    add_sum(w, frame, 8);
    add_sum(w, frame + HEAD, w->page);
    return is_ours(w, frame) && sum_is(w, frame + HEAD - 8);
}

/* A commit, whole, if the frame in front of it (whose checksum is `sum`) is what it was. */
static bool is_commit(struct wal *w, const char *frame, const uint32_t sum[2]) {
    memcpy(w->sum, sum, sizeof w->sum);
    return be32(frame + 4) && checks(w, frame);
}

/* Offset of the first frame that does not check, if a commit follows; else 0. */
static uint64_t find_damage(struct wal *w) {
    size_t n = HEAD + w->page;
    uint64_t bad = 0;
    uint32_t before[2] = {0, 0};
    for (uint64_t at = HEADER; sg_os_pread_all(w->fd, w->frame, n, at) == 0; at += n) {
        if (bad && is_commit(w, w->frame, before)) return bad;
        if (!bad && !checks(w, w->frame)) bad = at;
        before[0] = be32(w->frame + HEAD - 8);
        before[1] = be32(w->frame + HEAD - 4);
    }
    return 0;
}

int sg_wal_check(const char *path, struct sg_err *err) {
    struct wal w = {.fd = sg_os->open(path, O_RDONLY, 0)};
    if (w.fd == -ENOENT) return 0;
    if (w.fd < 0) return sg_fail_sys(err, SG_E_IO, -w.fd, "%s: cannot be opened", path);
    uint64_t bad = 0;
    if (read_header(&w)) {
        w.frame = sg_xmalloc(HEAD + w.page);
        bad = find_damage(&w);
        free(w.frame);
    }
    sg_os->close(w.fd);
    if (bad == 0) return 0;
    return sg_fail(err, SG_E_SYNTAX, "%s: byte %llu: damaged, and commits follow", path, (unsigned long long)bad);
}
