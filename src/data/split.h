/* SPDX-License-Identifier: Apache-2.0 */
/* split: from the bytes of a file to the text of each row, in order, in bounded memory. Private to data.
 *
 * An input is a window that moves over a file, or over what a packed file holds; it only reads forward, so pipes and
 * /dev/stdin are files like any other. On it stand three splitters: for lines, for the elements of a JSON array, for the rows
 * of a CSV file. None looks whether a row is valid: that is rows.h's work, or csv.h's.
 *
 * Memory: a piece is a view into the window, valid until the next call; the window grows for a long row, up to its
 * limit.
 * Thread: one at a time.   Errors: SG_SPLIT_BROKEN with `err`: nothing follows. */
#ifndef SG_DATA_SPLIT_H
#define SG_DATA_SPLIT_H

#include "data/unpack.h"

#define SG_SPLIT_BLOCK ((size_t)256 << 10)
#define SG_SPLIT_ROW_LIMIT ((size_t)64 << 20)

enum sg_split {
    SG_SPLIT_GOT,    /* a piece (or, of an input, bytes) */
    SG_SPLIT_LATER,  /* a pipe has nothing now, and the caller does not want to wait */
    SG_SPLIT_ENDED,  /* the file's end, in order */
    SG_SPLIT_BROKEN, /* read error, torn file, no array */
};

enum sg_patience {
    SG_WAIT,    /* for whoever writes into a pipe */
    SG_NO_WAIT, /* take what is there */
    SG_NO_READ, /* only what is in the window; files that never wait are read */
};

struct sg_input {
    int fd;
    struct sg_unpacker *unpacker; /* NULL: the bytes are read as they stand */
    int wake;   /* a descriptor that becomes readable to end a wait; -1: none */
    bool waits; /* a pipe, a terminal: reading may have to wait, and answers -EAGAIN then */
    bool seeks; /* reading goes by `offset`, not by where the descriptor stands */
    bool ended;
    size_t block; /* least size of the window */
    char *p;      /* the window: p[at] to p[end] is not consumed */
    size_t at, end, cap;
    uint64_t offset; /* of p[at] in the file */
};

struct sg_piece {
    struct sg_str text;
    uint64_t line;   /* where it begins, from 1 */
    uint64_t offset; /* from 0 */
    bool too_long;   /* over the limit: skipped, no text */
    const char *bad; /* CSV: what is wrong with its quotes, at text.p[bad_at]; the text is its first line */
    size_t bad_at;
};

struct sg_splitter {
    struct sg_input in;
    struct sg_str name;   /* of the file, for messages */
    size_t limit;         /* bytes of a row */
    uint64_t line;        /* of p[at], from 1 */
    size_t scanned;       /* bytes from p[at] on that were looked at */
    bool begun, skipping; /* skipping: the row is too long, its bytes are dropped as they come */
    struct sg_piece row;  /* place of the row in hand */
    bool with_crc;
    uint64_t crc_bytes; /* with_crc: of the file's first bytes up to here ... */
    uint32_t crc;       /* ... the CRC-32C */
    /* array and CSV */
    int state;
    /* CSV only */
    char separator;
    size_t quote_at; /* of the last opening quote, from p[at] on */
    /* array only */
    size_t depth;
    bool in_string, escaped;
};

/* Takes over nothing: fd and wake stay the caller's. block, limit 0: the defaults. */
void sg_splitter_init(struct sg_splitter *s, int fd, bool waits, int wake, struct sg_str name, size_t block,
                      size_t limit);
void sg_splitter_fini(struct sg_splitter *s);
enum sg_split sg_lines_next(struct sg_splitter *s, enum sg_patience patience, struct sg_piece *out,
                            struct sg_err *err);
enum sg_split sg_array_next(struct sg_splitter *s, enum sg_patience patience, struct sg_piece *out,
                            struct sg_err *err);
enum sg_split sg_csv_next(struct sg_splitter *s, enum sg_patience patience, struct sg_piece *out,
                          struct sg_err *err);

/* Before the first row of a plain file (of CSV: behind its header): the next one is the row that begins there. */
void sg_lines_seek(struct sg_splitter *s, uint64_t line, uint64_t offset);
void sg_array_seek(struct sg_splitter *s, uint64_t line, uint64_t offset);

/* For the splitters. */
enum sg_split sg_input_more(struct sg_splitter *s, enum sg_patience patience, struct sg_err *err);
/* Before the first row: a byte order mark is skipped, one of UTF-16 refused. */
enum sg_split sg_splitter_begin(struct sg_splitter *s, enum sg_patience patience, struct sg_err *err);
/* Moves over n bytes; the lines in them are counted by the caller. */
void sg_splitter_advance(struct sg_splitter *s, size_t n);

static inline struct sg_str sg_splitter_left(const struct sg_splitter *s) {
    return (struct sg_str){s->in.p + s->in.at, s->in.end - s->in.at};
}

#endif
