/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz: what the targets share. A target is one file, fuzz/fuzz_NAME.c, with one function, LLVMFuzzerTestOneInput, that
 * reads bytes as one parser of the engine does and holds the result to what is always true (SG_ASSERT). CMake builds every
 * such file; fuzz/run knows a target by its name alone, with fuzz/corpus/NAME/ and, where there is one, fuzz/dict/NAME.dict.
 *
 * The files of a corpus are what the parser reads, as a person would write it. What else a target has to choose (how a text
 * is cut into pieces) is drawn from the text's own hash: the same file always does the same.
 *
 * Memory: what a target allocates it frees; leaks are findings.   Thread: one. */
#ifndef SG_FUZZ_H
#define SG_FUZZ_H

#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Once, before the first input; a target may have one. */
int LLVMFuzzerInitialize(int *argc, char ***argv);

static inline struct sg_str fuzz_text(const uint8_t *data, size_t size) {
    return (struct sg_str){(const char *)data, size};
}

/* --- draws ------------------------------------------------------------------------------------------------------- */

static inline struct sg_rng fuzz_draws(struct sg_str text) {
    return (struct sg_rng){sg_hash64(text, 0)};
}
/* 0 .. n - 1 */
static inline size_t fuzz_below(struct sg_rng *r, size_t n) {
    return (size_t)(sg_rng_next(r) % n);
}

/* Takes the next piece off `text`: of one byte, a few, or many. A block of its own, so that a sanitizer sees a step over
 * its end, and a view of it that is kept for too long. The caller frees it. */
struct sg_str fuzz_piece(struct sg_rng *r, struct sg_str *text);

/* --- files in memory --------------------------------------------------------------------------------------------- */

/* From here on `sg_os` has only the files that are put here; nothing of the machine is seen or changed. */
void fuzz_disk_use(void);
/* All files go. Descriptors that are still open are a bug of the engine. */
void fuzz_disk_clear(void);
void fuzz_put(const char *path, struct sg_str text);
/* False when there is no such file. A view, until the file is changed. */
bool fuzz_get(const char *path, struct sg_str *out);

#endif
