/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz: what the targets of the splitters share: a file that comes in drawn pieces, and the list of its rows.
 *
 * Memory: rows are in the caller's arena, their texts are views into the file's.   Thread: one. */
#ifndef SG_FUZZ_SPLITS_H
#define SG_FUZZ_SPLITS_H

#include "fuzz.h"

#include "data/split.h"

#define FUZZ_ROW_LIMIT 2000 /* bytes of a row */

typedef enum sg_split fuzz_next(struct sg_splitter *s, enum sg_patience patience, struct sg_piece *out, struct sg_err *err);

struct fuzz_rows {
    struct sg_piece *items;
    size_t n, cap;
    enum sg_split end;
    struct sg_err err;
};

/* From here on `sg_os` reads only what fuzz_file_put gave. */
void fuzz_file_use(void);
/* whole: each read gives all that it asks for; else the drawn part. */
void fuzz_file_put(struct sg_str text, bool whole);
size_t fuzz_file_below(size_t n); /* of the file's draws */

void fuzz_splitter(struct sg_splitter *s, size_t block);
/* To the end. Asserts that each row stands in the file where its place says, and that its line is counted right. */
void fuzz_rows_read(struct sg_arena *a, struct sg_splitter *s, fuzz_next *next, struct fuzz_rows *out);
/* Asserts that b is what a has behind its first `from` rows. */
void fuzz_rows_same(const struct fuzz_rows *a, const struct fuzz_rows *b, size_t from);

#endif
