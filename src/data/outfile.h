/* SPDX-License-Identifier: Apache-2.0 */
/* outfile: a file of records that can be read at any moment: JSON Lines, or an array that is closed after every
 * write. For data, and for look's exports.
 *
 * Appends gather in memory up to 256 kB. An array of n records looks as Python's json.dump(..., indent=4) leaves it:
 * "[", then each record on lines of its own, then "\n]" as its last two bytes, which the next write replaces.
 * Errors: SG_E_IO; what a failed write has torn is cut off again, so the file ends with its last whole write.
 * Thread: one (the writer's worker). */
#ifndef SG_DATA_OUTFILE_H
#define SG_DATA_OUTFILE_H

#include "journal/rundb.h"

struct sg_outfile {
    struct sg_str path; /* ends in NUL */
    int fd;             /* -1: not made yet; made by the first write */
    bool array;
    bool journaled;   /* a run folder says how far the file is, so it must be able to prove that */
    bool dirty;       /* written since the last sync */
    bool new_name;    /* made or renamed since */
    uint64_t size;    /* of the file, closing bracket included */
    uint64_t records; /* appended, written or not */
    uint32_t crc;     /* journaled: of what is written, without the closing bracket */
    int replaced; /* journaled: the array that the lines took the place of, for the next sync to close; -1: none */
    struct sg_buf pending;
};

/* `path` must stay. */
void sg_outfile_init(struct sg_outfile *f, struct sg_str path, bool array);
void sg_outfile_fini(struct sg_outfile *f);
/* What an earlier process left: cut to its first bytes, as `mark` has them. */
int sg_outfile_reopen(struct sg_outfile *f, const struct sg_file_mark *mark, bool array, struct sg_err *err);
int sg_outfile_add(struct sg_outfile *f, struct sg_str json, struct sg_err *err);
int sg_outfile_flush(struct sg_outfile *f, struct sg_err *err);
/* What is written of it; to be asked behind a flush. */
struct sg_file_mark sg_outfile_mark(const struct sg_outfile *f);
/* Adds what has been written since the last time. */
void sg_outfile_unsynced(struct sg_outfile *f, struct sg_sync *y);
/* From an array to lines, in bounded memory: into a file beside it, which then takes its place. */
int sg_outfile_to_lines(struct sg_outfile *f, struct sg_err *err);
/* Flushes and syncs; a file without records is made, too: "[]" or nothing. */
int sg_outfile_end(struct sg_outfile *f, struct sg_err *err);

/* CRC-32C of the bytes from..to of a file, going on from `crc`. SG_E_SYNTAX when the file is shorter. */
int sg_outfile_crc(const char *path, uint64_t from, uint64_t to, uint32_t *crc, struct sg_err *err);

#endif
