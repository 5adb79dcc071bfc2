/* SPDX-License-Identifier: Apache-2.0 */
/* journal: what survives a crash. This is its first piece: segments, append-only files of checksummed frames for
 * bodies (outputs now; replies and state changes with the run folder). The second issue adds run.db beside them.
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

struct sg_segments;

struct sg_place {
    uint32_t segment; /* from 1 */
    uint32_t length;  /* of the payload */
    uint64_t offset;  /* of the frame */
};

/* The folder is made when the first frame is appended. segment_bytes 0: 16 MB. */
int sg_segments_open(const char *folder, uint64_t segment_bytes, struct sg_segments **out, struct sg_err *err);
/* The frame can be read from now on, but is in its file only after a flush, or once 128 kB have gathered. */
int sg_segments_append(struct sg_segments *s, uint32_t kind, struct sg_str payload, struct sg_place *out,
                       struct sg_err *err);
/* Writes what append has gathered. */
int sg_segments_flush(struct sg_segments *s, struct sg_err *err);
/* Appends the payload of a frame to `out`, checked. `out` needs room for 12 bytes more. */
int sg_segments_read(struct sg_segments *s, struct sg_place place, uint32_t *kind, struct sg_buf *out,
                     struct sg_err *err);
/* The frame is not needed any more. */
void sg_segments_free(struct sg_segments *s, struct sg_place place);
/* Closes; with `remove`, deletes the segments and the folder if it is empty then, else flushes. */
void sg_segments_close(struct sg_segments *s, bool remove);

#endif
