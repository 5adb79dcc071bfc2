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
 * A segment is deleted when it is full (no frame will follow) and its last live frame has been freed. What has been released
 * waits in a queue with two marks, for the two syncs that have to come between. A file of the same name that an earlier
 * process left is emptied when its number comes up. */
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

/* Frames of one segment that were released one after the other. */
struct released {
    uint32_t segment;
    uint64_t frames;
};

struct sg_segments {
    char *folder, *path; /* path: room for folder/NNNNNN.seg */
    char *parent;        /* of the folder */
    uint64_t segment_bytes;
    struct segment *list; /* number n at n - 1 */
    uint32_t n, cap;
    int fd; /* of the newest; -1: none */
    bool made, poisoned;
    bool syncs;                        /* somebody syncs: full segments stay open until then */
    bool dirty, new_names, new_folder; /* since the last sync */
    struct sg_sync full;               /* not synced yet */
    struct released *queue; /* [0, old): may be freed by the next settle; [old, captured): by the one after */
    size_t old, captured, n_queue, cap_queue;
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

static char *parent_of(const char *folder, size_t n) {
    while (n > 1 && folder[n - 1] != '/') n--;
    if (n <= 1 && folder[0] != '/') return memcpy(sg_xmalloc(2), ".", 2);
    char *parent = memcpy(sg_xmalloc(n + 1), folder, n);
    parent[n] = '\0';
    return parent;
}

int sg_segments_open(const char *folder, uint64_t segment_bytes, struct sg_segments **out, struct sg_err *err) {
    if (!*folder) {
        sg_fail(err, SG_E_USAGE, "segments need a folder");
        return SG_E_USAGE; /* as a constant, for those who check that nobody reads *out then */
    }
    struct sg_segments *s = sg_xcalloc(1, sizeof *s);
    size_t n = strlen(folder);
    s->folder = memcpy(sg_xmalloc(n + 1), folder, n + 1);
    s->path = sg_xmalloc(n + NAME);
    s->parent = parent_of(folder, n);
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
    s->dirty = true;
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
    if (s->syncs) sg_sync_add(&s->full, s->fd, true, s->folder);
    else sg_os->close(s->fd);
    s->fd = -1;
    if (s->list[s->n - 1].live == 0) delete_segment(s, s->n);
    return 0;
}

static struct segment *add_segment(struct sg_segments *s) {
    if (s->n == s->cap) {
        s->cap = s->cap ? 2 * s->cap : 8;
        s->list = sg_xrealloc(s->list, s->cap * sizeof *s->list);
    }
    s->list[s->n] = (struct segment){0};
    return &s->list[s->n++];
}

static int begin_segment(struct sg_segments *s, struct sg_err *err) {
    int rc = end_newest(s, err);
    if (rc < 0) return rc;
    if (!s->made) {
        rc = sg_os_mkdirs(s->folder);
        if (rc < 0) return sg_fail_sys(err, SG_E_IO, -rc, "%s: cannot be made", s->folder);
        s->made = s->new_folder = true;
    }
    int fd = sg_os->open(path_of(s, s->n + 1), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) return poison(s, fd, s->n + 1, "cannot be made", err);
    add_segment(s)->size = HEADER;
    s->fd = fd;
    s->new_names = true;
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

static int fail_at(struct sg_segments *s, struct sg_place place, int code, const char *what, struct sg_err *err) {
    return sg_fail(err, code, "%s: byte %llu: %s", path_of(s, place.segment), (unsigned long long)place.offset, what);
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
    if (rc == -ENODATA) return fail_at(s, place, SG_E_SYNTAX, "the file ends inside a frame", err);
    if (rc < 0) return sg_fail_sys(err, SG_E_IO, -rc, "%s: read failed", path_of(s, place.segment));
    return 0;
}

static bool place_exists(const struct sg_segments *s, struct sg_place p) {
    if (p.segment < 1 || p.segment > s->n || p.offset < HEADER) return false;
    uint64_t size = s->list[p.segment - 1].size, bytes = FRAME + (uint64_t)p.length;
    return bytes <= size && p.offset <= size - bytes; /* a place from a damaged run.db may be any number */
}

int sg_segments_read(struct sg_segments *s, struct sg_place place, uint32_t *kind, struct sg_buf *out,
                     struct sg_err *err) {
    if (!place_exists(s, place)) return fail_at(s, place, SG_E_MISSING, "there is no such frame", err);
    char *frame = sg_buf_reserve(out, FRAME + (size_t)place.length);
    if (!frame) return sg_fail(err, SG_E_LIMIT, "a body of %u bytes is more than asked for", place.length);
    int rc = load_frame(s, place, frame, err);
    if (rc < 0) return rc;
    if (get_u32(frame) != place.length || get_u32(frame + 4) != frame_crc(frame, place.length))
        return fail_at(s, place, SG_E_SYNTAX, "the frame is damaged", err);
    *kind = get_u32(frame + 8);
    memmove(frame, frame + FRAME, place.length);
    out->n += place.length;
    return 0;
}

/* --- syncing ---------------------------------------------------------------------------------------------------- */

void sg_segments_newest(const struct sg_segments *s, uint32_t *segment, uint64_t *bytes) {
    *segment = s->n;
    *bytes = s->n ? s->list[s->n - 1].size : 0;
}

void sg_segments_unsynced(struct sg_segments *s, struct sg_sync *y) {
    s->syncs = true;
    for (size_t i = 0; i < s->full.n; i++) sg_sync_add(y, s->full.files[i].fd, true, s->folder);
    s->full.n = 0;
    if (s->dirty && s->fd >= 0) sg_sync_add(y, s->fd, false, s->folder);
    if (s->new_names) sg_sync_add_folder(y, s->folder);
    if (s->new_folder) sg_sync_add_folder(y, s->parent);
    s->dirty = s->new_names = s->new_folder = false;
}

int sg_segments_sync_all(struct sg_segments *s, struct sg_err *err) {
    int rc = 0;
    bool any = false;
    for (uint32_t i = 1; i <= s->n && rc == 0; i++) {
        if (s->list[i - 1].size == 0) continue;
        any = true;
        int fd = sg_os->open(path_of(s, i), O_RDWR, 0);
        rc = fd < 0 ? fd : sg_os->sync(fd);
        if (fd >= 0) sg_os->close(fd);
    }
    if (rc == 0 && any) rc = sg_os_sync_folder(s->folder);
    if (rc == 0 && any) rc = sg_os_sync_folder(s->parent);
    return rc < 0 ? sg_fail_sys(err, SG_E_IO, -rc, "%s: sync failed", s->folder) : 0;
}

/* --- what is needed --------------------------------------------------------------------------------------------- */

int sg_segments_need(struct sg_segments *s, struct sg_place place, struct sg_err *err) {
    if (!place_exists(s, place)) return fail_at(s, place, SG_E_SYNTAX, "there is no such frame", err);
    s->list[place.segment - 1].live++;
    return 0;
}

int sg_segments_need_frames(struct sg_segments *s, uint32_t segment, uint64_t frames, struct sg_err *err) {
    bool there = segment >= 1 && segment <= s->n && s->list[segment - 1].size;
    if (!there) return fail_at(s, (struct sg_place){.segment = segment}, SG_E_SYNTAX, "the file is gone", err);
    s->list[segment - 1].live += frames;
    return 0;
}

void sg_segments_begin(struct sg_segments *s, bool all) {
    for (uint32_t i = 1; i <= s->n; i++) {
        struct segment *g = &s->list[i - 1];
        if (all) g->live++;
        bool newest = s->fd >= 0 && i == s->n;
        if (g->size && g->live == 0 && !newest) delete_segment(s, i);
    }
}

static void free_frames(struct sg_segments *s, uint32_t segment, uint64_t frames) {
    struct segment *g = &s->list[segment - 1];
    SG_ASSERT(g->live >= frames);
    g->live -= frames;
    bool newest = s->fd >= 0 && segment == s->n;
    if (g->live == 0 && !newest) delete_segment(s, segment);
}

void sg_segments_free(struct sg_segments *s, struct sg_place place) {
    SG_ASSERT(place_exists(s, place));
    free_frames(s, place.segment, 1);
}

void sg_segments_release(struct sg_segments *s, struct sg_place place) {
    SG_ASSERT(place_exists(s, place));
    sg_segments_release_frames(s, place.segment, 1);
}

void sg_segments_release_frames(struct sg_segments *s, uint32_t segment, uint64_t frames) {
    SG_ASSERT(segment >= 1 && segment <= s->n);
    if (s->n_queue > s->captured && s->queue[s->n_queue - 1].segment == segment) {
        s->queue[s->n_queue - 1].frames += frames;
        return;
    }
    if (s->n_queue == s->cap_queue) {
        s->cap_queue = s->cap_queue ? 2 * s->cap_queue : 16;
        s->queue = sg_xrealloc(s->queue, s->cap_queue * sizeof *s->queue);
    }
    s->queue[s->n_queue++] = (struct released){segment, frames};
}

void sg_segments_capture(struct sg_segments *s) {
    s->old = s->captured;
    s->captured = s->n_queue;
}

void sg_segments_settle(struct sg_segments *s) {
    size_t n = s->old;
    for (size_t i = 0; i < n; i++) free_frames(s, s->queue[i].segment, s->queue[i].frames);
    if (n) memmove(s->queue, s->queue + n, (s->n_queue - n) * sizeof *s->queue);
    s->n_queue -= n;
    s->captured -= n;
    s->old = 0;
}

/* --- going on with what an earlier process left ----------------------------------------------------------------- */

/* The number in NNNNNN.seg; 0 for other names. */
static uint32_t number_of(const char *name) {
    uint32_t n = 0;
    size_t i = 0;
    for (; name[i] >= '0' && name[i] <= '9' && i < 9; i++) n = 10 * n + (uint32_t)(name[i] - '0');
    return i >= 6 && strcmp(name + i, ".seg") == 0 ? n : 0;
}

static void find_segment(void *ud, const char *name) {
    struct sg_segments *s = ud;
    uint32_t n = number_of(name);
    struct sg_file_info info;
    if (n == 0 || sg_os->stat(path_of(s, n), &info) < 0) return;
    while (s->n < n) add_segment(s);
    s->list[n - 1].size = info.size;
}

int sg_segments_view(const char *folder, struct sg_segments **out, struct sg_err *err) {
    struct sg_segments *s;
    int rc = sg_segments_open(folder, 0, &s, err);
    if (rc < 0) return rc;
    rc = sg_os->list(folder, find_segment, s);
    if (rc < 0 && rc != -ENOENT) {
        sg_segments_close(s, false);
        sg_fail_sys(err, SG_E_IO, -rc, "%s: cannot be read", folder);
        return SG_E_IO;
    }
    *out = s;
    return 0;
}

/* The newest goes on behind `bytes`. When it is gone, nothing was needed of it, or whoever needs it will say so. */
static int go_on(struct sg_segments *s, uint64_t bytes, struct sg_err *err) {
    struct segment *g = &s->list[s->n - 1];
    if (bytes == 0 || g->size == 0) return 0;
    const char *path = path_of(s, s->n);
    if (g->size < bytes)
        return sg_fail(err, SG_E_SYNTAX, "%s: byte %llu: the file ends here, but %llu bytes were written", path,
                       (unsigned long long)g->size, (unsigned long long)bytes);
    int fd = sg_os->open(path, O_RDWR, 0), rc = fd < 0 ? fd : sg_os->truncate(fd, bytes);
    s->fd = fd < 0 ? -1 : fd;
    s->pending_at = g->size = bytes;
    return rc < 0 ? sg_fail_sys(err, SG_E_IO, -rc, "%s: cannot be cut", path) : 0;
}

int sg_segments_reopen(const char *folder, uint64_t segment_bytes, uint32_t newest, uint64_t bytes,
                       struct sg_segments **out, struct sg_err *err) {
    struct sg_segments *s;
    int rc = sg_segments_view(folder, &s, err);
    if (rc < 0) return rc;
    if (segment_bytes) s->segment_bytes = segment_bytes;
    for (; s->n > newest; s->n--) sg_os->unlink(path_of(s, s->n)); /* an empty one, too: a loss of power leaves such */
    while (s->n < newest) add_segment(s);
    rc = newest ? go_on(s, bytes, err) : 0;
    if (rc == 0) *out = s;
    else sg_segments_close(s, false);
    return rc;
}

int sg_segments_doubt(struct sg_segments *s, uint32_t from, struct sg_err *err) {
    uint32_t end = s->fd >= 0 ? s->n : s->n + 1; /* the newest is lent to every sync */
    s->new_names = s->new_folder = s->made = sg_os_exists(s->folder);
    s->dirty = true;
    for (uint32_t i = from ? from : 1; i < end; i++) {
        if (s->list[i - 1].size == 0) continue;
        int fd = sg_os->open(path_of(s, i), O_RDWR, 0);
        if (fd < 0) return sg_fail_sys(err, SG_E_IO, -fd, "%s: cannot be opened", path_of(s, i));
        sg_sync_add(&s->full, fd, true, s->folder);
    }
    return 0;
}

/* --- verifying -------------------------------------------------------------------------------------------------- */

struct scan {
    const char *path;
    int fd;
    uint64_t at;
    struct sg_buf frame;
};

static int bad_frame(const struct scan *c, const char *what, struct sg_err *why) {
    return sg_fail(why, SG_E_SYNTAX, "%s: byte %llu: %s", c->path, (unsigned long long)c->at, what);
}

/* Moves over one frame that ends at or before `end`; SG_E_SYNTAX when there is none. */
static int check_frame(struct scan *c, uint64_t end, struct sg_err *why) {
    char head[FRAME];
    if (end - c->at < FRAME) return bad_frame(c, "the file ends inside a frame", why);
    int rc = sg_os_pread_all(c->fd, head, FRAME, c->at);
    if (rc < 0 && rc != -ENODATA) return sg_fail_sys(why, SG_E_IO, -rc, "%s: read failed", c->path);
    size_t n = rc < 0 ? 0 : get_u32(head);
    if (rc < 0 || n > end - c->at - FRAME) return bad_frame(c, "the file ends inside a frame", why);
    sg_buf_reset(&c->frame, (size_t)1 << 20);
    char *frame = sg_buf_reserve(&c->frame, FRAME + n);
    memcpy(frame, head, FRAME);
    rc = sg_os_pread_all(c->fd, frame + FRAME, n, c->at + FRAME);
    if (rc == -ENODATA) return bad_frame(c, "the file ends inside a frame", why);
    if (rc < 0) return sg_fail_sys(why, SG_E_IO, -rc, "%s: read failed", c->path);
    if (get_u32(frame + 4) != frame_crc(frame, n)) return bad_frame(c, "the frame is damaged", why);
    c->at += FRAME + n;
    return 0;
}

static int check_header(struct scan *c, struct sg_err *why) {
    char head[HEADER];
    int rc = sg_os_pread_all(c->fd, head, HEADER, 0);
    if (rc < 0 && rc != -ENODATA) return sg_fail_sys(why, SG_E_IO, -rc, "%s: read failed", c->path);
    c->at = 0;
    bool good = rc == 0 && memcmp(head, magic, sizeof magic) == 0 && head[6] == VERSION && head[7] == 0;
    if (!good) return bad_frame(c, "is no segment", why);
    c->at = HEADER;
    return 0;
}

/* Frames from c->at (0: the header, too) to `end`. */
static int check_segment(struct scan *c, uint64_t end, struct sg_err *why) {
    int rc = c->at == 0 ? check_header(c, why) : 0;
    while (rc == 0 && c->at < end) rc = check_frame(c, end, why);
    return rc;
}

static int verify_one(struct sg_segments *s, uint32_t segment, uint64_t from, uint64_t to, uint64_t *end,
                      struct sg_err *why) {
    struct scan c = {.path = path_of(s, segment), .at = from, .frame = SG_BUF_INIT(SIZE_MAX)};
    struct sg_file_info info;
    *end = from;
    c.fd = sg_os->open(c.path, O_RDONLY, 0);
    if (c.fd == -ENOENT) return bad_frame(&c, "the file is gone", why);
    int rc = c.fd < 0 ? c.fd : sg_os->fstat(c.fd, &info);
    if (rc < 0) rc = sg_fail_sys(why, SG_E_IO, -rc, "%s: cannot be opened", c.path);
    else rc = check_segment(&c, to ? to : info.size, why);
    if (c.fd >= 0) sg_os->close(c.fd);
    sg_buf_fini(&c.frame);
    *end = c.at;
    return rc;
}

/* A segment is left when it has reached its size: a smaller one with others behind it has lost its end. */
static int verify_all(struct sg_segments *s, struct sg_place from, struct sg_place to, struct sg_place *end,
                      struct sg_err *why) {
    int rc = 0;
    for (uint32_t n = from.segment ? from.segment : 1; rc == 0 && n <= to.segment; n++) {
        bool last = n == to.segment;
        uint64_t begin = n == from.segment ? from.offset : 0, at;
        if (last && to.offset <= begin) break;
        rc = verify_one(s, n, begin, last ? to.offset : 0, &at, why);
        *end = (struct sg_place){.segment = n, .offset = at};
        if (rc == 0 && !last && at < s->segment_bytes)
            rc = sg_fail(why, SG_E_SYNTAX, "%s: byte %llu: the file ends too early", s->path, (unsigned long long)at);
    }
    return rc;
}

int sg_segments_verify(const char *folder, uint64_t segment_bytes, struct sg_place from, struct sg_place to,
                       struct sg_place *end, struct sg_err *why) {
    struct sg_segments *s;
    int rc = sg_segments_open(folder, segment_bytes, &s, why);
    if (rc < 0) return rc;
    *end = from;
    rc = verify_all(s, from, to, end, why);
    if (rc == 0) *end = to;
    sg_segments_close(s, false);
    return rc;
}

/* --- end -------------------------------------------------------------------------------------------------------- */

void sg_segments_close(struct sg_segments *s, bool remove) {
    if (!s) return;
    if (!remove && !s->poisoned) sg_segments_flush(s, NULL);
    if (s->fd >= 0) sg_os->close(s->fd);
    for (uint32_t i = 1; i <= s->n; i++) {
        drop_reader(s, i);
        if (remove && s->list[i - 1].size) sg_os->unlink(path_of(s, i));
    }
    if (remove && (s->made || s->n)) sg_os->rmdir(s->folder);
    sg_sync_fini(&s->full);
    sg_buf_fini(&s->pending);
    free(s->queue);
    free(s->list);
    free(s->folder);
    free(s->path);
    free(s->parent);
    free(s);
}
