/* SPDX-License-Identifier: Apache-2.0 */
/* segment: the files of journal.h's format.
 *
 * Frames gather in `pending`, the tail of the newest segment that is not in its file yet, so that a frame of 2 kB
 * costs a copy and 1/64 of a write. A frame is read from there or from its file. Offsets count as if `pending` were
 * written: `size` of a segment includes it.
 *
 * Few descriptors stay open, however many segments there are: the newest segment's, and READERS for reading back,
 * the one that was used longest ago giving way.
 *
 * A segment is deleted when it is full (no frame will follow) and its last live frame has been freed. A file of the
 * same name that an earlier process left is emptied when its number comes up. */
#include "journal/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#define SEGMENT_BYTES ((uint64_t)16 << 20)
#define PENDING_BYTES ((size_t)128 << 10)
#define READERS 8
#define VERSION 1

static const char magic[6] = {'S', 'G', 'S', 'E', 'G', '\0'};
enum { HEADER = 8, FRAME = 12, NAME = 24 };

struct segment {
    uint64_t size; /* 0: deleted, or not begun */
    uint64_t live; /* frames that were not freed */
};

struct reader {
    uint32_t segment; /* 0: free */
    int fd;
    uint64_t used;
};

struct sg_segments {
    char *folder, *path; /* path: room for folder/NNNNNN.seg */
    uint64_t segment_bytes;
    struct segment *list; /* number n at n - 1 */
    uint32_t n, cap;
    int fd; /* of the newest; -1: none */
    bool made, poisoned;
    struct sg_buf pending;
    uint64_t pending_at; /* offset of pending.p[0] in the newest segment */
    struct reader readers[READERS];
    uint64_t uses;
};

static void put_u32(char *p, uint32_t v) {
    for (int i = 0; i < 4; i++) p[i] = (char)(v >> (8 * i));
}

static uint32_t get_u32(const char *p) {
    uint32_t v = 0;
    for (int i = 0; i < 4; i++) v |= (uint32_t)(uint8_t)p[i] << (8 * i);
    return v;
}

static uint32_t frame_crc(const char *frame, size_t payload_bytes) {
    return sg_crc32c(0, frame + 8, 4 + payload_bytes);
}

/* The path of a segment, valid until the next call. */
static const char *path_of(struct sg_segments *s, uint32_t segment) {
    sprintf(s->path, "%s/%06u.seg", s->folder, segment);
    return s->path;
}

int sg_segments_open(const char *folder, uint64_t segment_bytes, struct sg_segments **out, struct sg_err *err) {
    if (!*folder) return sg_fail(err, SG_E_USAGE, "segments need a folder");
    struct sg_segments *s = sg_xcalloc(1, sizeof *s);
    size_t n = strlen(folder);
    s->folder = memcpy(sg_xmalloc(n + 1), folder, n + 1);
    s->path = sg_xmalloc(n + NAME);
    s->segment_bytes = segment_bytes ? segment_bytes : SEGMENT_BYTES;
    s->pending = SG_BUF_INIT((size_t)UINT32_MAX + PENDING_BYTES + FRAME);
    s->fd = -1;
    *out = s;
    return 0;
}

/* --- appending -------------------------------------------------------------------------------------------------- */

static int poison(struct sg_segments *s, int sys, uint32_t segment, const char *what, struct sg_err *err) {
    s->poisoned = true;
    return sg_fail_sys(err, SG_E_IO, -sys, "%s: %s", path_of(s, segment), what);
}

int sg_segments_flush(struct sg_segments *s, struct sg_err *err) {
    if (s->poisoned) return sg_fail(err, SG_E_IO, "%s: an earlier write failed", s->folder);
    if (s->pending.n == 0) return 0;
    int rc = sg_os_pwrite_all(s->fd, s->pending.p, s->pending.n, s->pending_at);
    if (rc < 0) return poison(s, rc, s->n, "write failed", err);
    s->pending_at += s->pending.n;
    sg_buf_reset(&s->pending, 2 * PENDING_BYTES);
    return 0;
}

static void drop_reader(struct sg_segments *s, uint32_t segment) {
    for (struct reader *r = s->readers; r < s->readers + READERS; r++) {
        if (r->segment != segment) continue;
        sg_os->close(r->fd);
        *r = (struct reader){0};
    }
}

static void delete_segment(struct sg_segments *s, uint32_t segment) {
    drop_reader(s, segment);
    sg_os->unlink(path_of(s, segment)); /* what cannot be deleted is left over, and harmless */
    s->list[segment - 1].size = 0;
}

static int end_newest(struct sg_segments *s, struct sg_err *err) {
    if (s->fd < 0) return 0;
    int rc = sg_segments_flush(s, err);
    if (rc < 0) return rc;
    sg_os->close(s->fd);
    s->fd = -1;
    if (s->list[s->n - 1].live == 0) delete_segment(s, s->n);
    return 0;
}

static int begin_segment(struct sg_segments *s, struct sg_err *err) {
    int rc = end_newest(s, err);
    if (rc < 0) return rc;
    if (!s->made) {
        rc = sg_os_mkdirs(s->folder);
        if (rc < 0) return sg_fail_sys(err, SG_E_IO, -rc, "%s: cannot be made", s->folder);
        s->made = true;
    }
    int fd = sg_os->open(path_of(s, s->n + 1), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) return poison(s, fd, s->n + 1, "cannot be made", err);
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 8;
        s->list = sg_xrealloc(s->list, s->cap * sizeof *s->list);
    }
    s->list[s->n++] = (struct segment){.size = HEADER};
    s->fd = fd;
    s->pending_at = 0;
    sg_buf_add(&s->pending, magic, sizeof magic);
    sg_buf_ch(&s->pending, VERSION & 0xff);
    sg_buf_ch(&s->pending, VERSION >> 8);
    return 0;
}

int sg_segments_append(struct sg_segments *s, uint32_t kind, struct sg_str payload, struct sg_place *out,
                       struct sg_err *err) {
    if (s->poisoned) return sg_fail(err, SG_E_IO, "%s: an earlier write failed", s->folder);
    if (payload.n > UINT32_MAX) return sg_fail(err, SG_E_LIMIT, "a body of over 4 GB");
    if (s->fd < 0 || s->list[s->n - 1].size >= s->segment_bytes) {
        int rc = begin_segment(s, err);
        if (rc < 0) return rc;
    }
    struct segment *newest = &s->list[s->n - 1];
    *out = (struct sg_place){.segment = s->n, .length = (uint32_t)payload.n, .offset = newest->size};
    char *frame = sg_buf_reserve(&s->pending, FRAME + payload.n);
    put_u32(frame, out->length);
    put_u32(frame + 8, kind);
    if (payload.n) memcpy(frame + FRAME, payload.p, payload.n);
    put_u32(frame + 4, frame_crc(frame, payload.n));
    s->pending.n += FRAME + payload.n;
    newest->size += FRAME + payload.n;
    newest->live++;
    return s->pending.n >= PENDING_BYTES ? sg_segments_flush(s, err) : 0;
}

/* --- reading back ----------------------------------------------------------------------------------------------- */

static int open_reader(struct sg_segments *s, uint32_t segment, struct reader *r, struct sg_err *err) {
    int fd = sg_os->open(path_of(s, segment), O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) return sg_fail_sys(err, SG_E_IO, -fd, "%s: cannot be opened", s->path);
    if (r->segment) sg_os->close(r->fd);
    *r = (struct reader){.segment = segment, .fd = fd};
    return 0;
}

/* The descriptor to read a segment by. */
static int find_fd(struct sg_segments *s, uint32_t segment, int *fd, struct sg_err *err) {
    *fd = s->fd;
    if (s->fd >= 0 && segment == s->n) return 0;
    struct reader *oldest = s->readers;
    for (struct reader *r = s->readers; r < s->readers + READERS; r++) {
        if (r->used < oldest->used) oldest = r;
        if (r->segment == segment) {
            oldest = r;
            break;
        }
    }
    if (oldest->segment != segment) {
        int rc = open_reader(s, segment, oldest, err);
        if (rc < 0) return rc;
    }
    oldest->used = ++s->uses;
    *fd = oldest->fd;
    return 0;
}

static int load_frame(struct sg_segments *s, struct sg_place place, char *frame, struct sg_err *err) {
    size_t n = FRAME + (size_t)place.length;
    if (s->fd >= 0 && place.segment == s->n && place.offset >= s->pending_at) {
        memcpy(frame, s->pending.p + (place.offset - s->pending_at), n);
        return 0;
    }
    int fd, rc = find_fd(s, place.segment, &fd, err);
    if (rc < 0) return rc;
    rc = sg_os_pread_all(fd, frame, n, place.offset);
    if (rc == -ENODATA) {
        return sg_fail(err, SG_E_SYNTAX, "%s: byte %llu: the file ends inside a frame", path_of(s, place.segment),
                       (unsigned long long)place.offset);
    }
    if (rc < 0) return sg_fail_sys(err, SG_E_IO, -rc, "%s: read failed", path_of(s, place.segment));
    return 0;
}

static bool place_exists(const struct sg_segments *s, struct sg_place p) {
    return p.segment >= 1 && p.segment <= s->n && p.offset >= HEADER &&
           p.offset + FRAME + p.length <= s->list[p.segment - 1].size;
}

int sg_segments_read(struct sg_segments *s, struct sg_place place, uint32_t *kind, struct sg_buf *out,
                     struct sg_err *err) {
    if (!place_exists(s, place)) return sg_fail(err, SG_E_MISSING, "%s: no such frame", s->folder);
    char *frame = sg_buf_reserve(out, FRAME + (size_t)place.length);
    if (!frame) return sg_fail(err, SG_E_LIMIT, "a body of %u bytes is more than asked for", place.length);
    int rc = load_frame(s, place, frame, err);
    if (rc < 0) return rc;
    if (get_u32(frame) != place.length || get_u32(frame + 4) != frame_crc(frame, place.length)) {
        return sg_fail(err, SG_E_SYNTAX, "%s: byte %llu: the frame is damaged", path_of(s, place.segment),
                       (unsigned long long)place.offset);
    }
    *kind = get_u32(frame + 8);
    memmove(frame, frame + FRAME, place.length);
    out->n += place.length;
    return 0;
}

/* --- end -------------------------------------------------------------------------------------------------------- */

void sg_segments_free(struct sg_segments *s, struct sg_place place) {
    SG_ASSERT(place_exists(s, place));
    struct segment *g = &s->list[place.segment - 1];
    SG_ASSERT(g->live > 0);
    g->live--;
    bool newest = s->fd >= 0 && place.segment == s->n;
    if (g->live == 0 && !newest) delete_segment(s, place.segment);
}

void sg_segments_close(struct sg_segments *s, bool remove) {
    if (!s) return;
    if (!remove && !s->poisoned) sg_segments_flush(s, NULL);
    if (s->fd >= 0) sg_os->close(s->fd);
    for (uint32_t i = 1; i <= s->n; i++) {
        drop_reader(s, i);
        if (remove && s->list[i - 1].size) sg_os->unlink(path_of(s, i));
    }
    if (remove && s->made) sg_os->rmdir(s->folder);
    sg_buf_fini(&s->pending);
    free(s->list);
    free(s->folder);
    free(s->path);
    free(s);
}
