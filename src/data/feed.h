/* SPDX-License-Identifier: Apache-2.0 */
/* feed: the rows of a source's files, one file after the other, whatever their formats. Private to data.
 *
 * Memory: a piece is valid until the next call; names of columns in a row live until sg_feed_close.
 * Thread: sg_feed_open on the loop's or any; then one at a time.
 * Errors: SG_SPLIT_BROKEN with `err`, which names the file: nothing follows. A bad row is a row with a status. */
#ifndef SG_DATA_FEED_H
#define SG_DATA_FEED_H

#include "data/csv.h"
#include "data/table.h"

#include <stdatomic.h>

struct sg_feed {
    struct sg_arena arena;
    struct sg_row_maker maker; /* name: of the file in hand; the rest is the owner's */
    struct sg_data_file *files;
    size_t n_files, at; /* at: the file in hand */
    struct sg_places places; /* of DuckDB */
    int fd, wake;       /* wake: a descriptor that ends a wait for a pipe; -1: no file waits */
    struct sg_file_info info;
    struct sg_splitter splitter;
    struct sg_unpacker *unpacker;
    struct sg_csv_layout layout;
    const struct sg_csv_layout *like; /* the first file's */
    struct sg_table *table;
    bool begun;                        /* what stands before the first row has been read */
    uint64_t seek_line, seek_offset;   /* seek_line != 0: the first row begins there */
    bool with_crc;                     /* how much has been read is to be noted ... */
    uint64_t bytes_before;             /* ... in the files before the one in hand */
};

/* The first file is opened, and may fail for being absent, a folder, unreadable; nothing is read yet. */
int sg_feed_open(struct sg_feed *f, const struct sg_source_spec *spec, const char *exe_dir, struct sg_err *err);
void sg_feed_close(struct sg_feed *f);
/* Rows of only one plain file can be sought. */
bool sg_feed_seeks(const struct sg_feed *f);
/* Before the first row. `bytes`, `crc`: what sg_feed_read has said of what stands before. */
void sg_feed_seek(struct sg_feed *f, uint64_t line, uint64_t offset);
enum sg_split sg_feed_next(struct sg_feed *f, enum sg_patience patience, struct sg_piece *out, struct sg_err *err);
/* The row of the piece that came last. */
void sg_feed_row(const struct sg_feed *f, const struct sg_piece *piece, uint64_t position, struct sg_row *out);
/* with_crc: how many bytes have been read up to the last row, and their CRC-32C. Of packed files, bytes as unpacked; of Parquet,
 * the file's size, and the checksum is of its footer, which tells sizes and statistics of all that is in it. */
void sg_feed_read(const struct sg_feed *f, uint64_t *bytes, uint32_t *crc);

/* Reads again: are the first `bytes` what they were? 0, SG_E_CONFLICT, SG_E_IO, or SG_E_CANCELED when `stop` is set. */
int sg_feed_compare(const struct sg_feed *f, uint64_t bytes, uint32_t crc, const atomic_bool *stop, struct sg_err *err);
/* Of all files: sizes summed; latest time; names and inodes as one number (of one file, its inode). Missing ones count as empty. */
void sg_feed_looks(const struct sg_feed *f, struct sg_run_source *out);

#endif
