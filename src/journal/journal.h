/* SPDX-License-Identifier: Apache-2.0 */
/* journal: what survives a crash. Segments, here, are append-only files of checksummed frames for bodies (replies, outputs
 * that wait); rundb.h is the catalogue beside them.
 *
 * A segment is `NNNNNN.seg`: a header (magic "SGSEG\0", version u16), then frames {length u32, crc32c u32 of kind
 * and payload, kind u32, payload}. All numbers are little-endian. A new segment begins when one has reached its
 * size; a segment in which no live frame is left is deleted.
 *
 * Thread: one (a worker's).   Errors: SG_E_IO poisons the set: later appends fail too; SG_E_SYNTAX for a frame that
 * does not check.   Memory: payloads are copied before append returns; read appends to the caller's buffer. */
#ifndef SG_JOURNAL_JOURNAL_H
#define SG_JOURNAL_JOURNAL_H

#include "base/base.h"

/* --- syncing: which files, gathered by the one who writes them, synced by whoever has the time ------------------- */

struct sg_sync_file {
    int fd;
    bool last;        /* nobody else needs it any more: closed behind the sync */
    const char *path; /* for messages */
};

struct sg_sync {
    struct sg_sync_file *files;
    size_t n, cap;
    const char *folders[3]; /* with new names in them; NULL: none */
};

void sg_sync_add(struct sg_sync *y, int fd, bool last, const char *path);
void sg_sync_add_folder(struct sg_sync *y, const char *path);
/* Syncs all, closes what is to be closed, and empties it. */
int sg_sync_run(struct sg_sync *y, struct sg_err *err);
/* Without syncing. */
void sg_sync_fini(struct sg_sync *y);

/* --- segments ---------------------------------------------------------------------------------------------------- */

struct sg_segments;

struct sg_place {
    uint32_t segment; /* from 1 */
    uint32_t length;  /* of the payload */
    uint64_t offset;  /* of the frame */
};

/* The folder is made when the first frame is appended. segment_bytes 0: 16 MB. */
int sg_segments_open(const char *folder, uint64_t segment_bytes, struct sg_segments **out, struct sg_err *err);
/* What an earlier process left: later segments than `newest` go, that one is cut to `bytes` and goes on; 0: it is full.
 * SG_E_SYNTAX when it is shorter. */
int sg_segments_reopen(const char *folder, uint64_t segment_bytes, uint32_t newest, uint64_t bytes,
                       struct sg_segments **out, struct sg_err *err);
/* For reading only: nothing is cut, appended or deleted. */
int sg_segments_view(const char *folder, struct sg_segments **out, struct sg_err *err);
/* The frame can be read from now on, but is in its file only after a flush, or once 128 kB have gathered. */
int sg_segments_append(struct sg_segments *s, uint32_t kind, struct sg_str payload, struct sg_place *out,
                       struct sg_err *err);
/* Writes what append has gathered. */
int sg_segments_flush(struct sg_segments *s, struct sg_err *err);
/* Number and size of the newest; 0, 0 when there is none. */
void sg_segments_newest(const struct sg_segments *s, uint32_t *segment, uint64_t *bytes);
/* Adds what has been written since the last time. From the first call on, full segments stay open for the next one. */
void sg_segments_unsynced(struct sg_segments *s, struct sg_sync *y);
/* After reopening: what was written from this segment on may not be on disk, nor any of the names. */
int sg_segments_doubt(struct sg_segments *s, uint32_t from, struct sg_err *err);
/* At the end of a run that was never synced: all of them, one by one. */
int sg_segments_sync_all(struct sg_segments *s, struct sg_err *err);
/* Appends the payload of a frame to `out`, checked. `out` needs room for 12 bytes more. */
int sg_segments_read(struct sg_segments *s, struct sg_place place, uint32_t *kind, struct sg_buf *out,
                     struct sg_err *err);

/* A segment goes when none of its frames is needed. After reopening: this frame is. */
int sg_segments_need(struct sg_segments *s, struct sg_place place, struct sg_err *err);
/* So many of its frames are, wherever they are. */
int sg_segments_need_frames(struct sg_segments *s, uint32_t segment, uint64_t frames, struct sg_err *err);
/* After that: without `all`, segments of which nothing is needed go; with it, they all stay for good. */
void sg_segments_begin(struct sg_segments *s, bool all);
/* The frame is not needed any more. */
void sg_segments_free(struct sg_segments *s, struct sg_place place);
/* The same, but a loss of power could make it needed again until what replaces it is on disk. `capture` says that a sync
 * begins, `settle` that it is over: the second settle behind the next capture frees it. */
void sg_segments_release(struct sg_segments *s, struct sg_place place);
void sg_segments_release_frames(struct sg_segments *s, uint32_t segment, uint64_t frames);
void sg_segments_capture(struct sg_segments *s);
void sg_segments_settle(struct sg_segments *s);
/* Closes; with `remove`, deletes the segments and the folder if it is empty then, else flushes. */
void sg_segments_close(struct sg_segments *s, bool remove);

/* Checks the frames from one place to another (only segment and offset count). SG_E_SYNTAX: `*end` is the first that does
 * not check, `why` says what is wrong there. Needs nothing but the files. */
int sg_segments_verify(const char *folder, uint64_t segment_bytes, struct sg_place from, struct sg_place to,
                       struct sg_place *end, struct sg_err *why);

#endif
