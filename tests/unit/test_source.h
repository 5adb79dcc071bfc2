/* SPDX-License-Identifier: Apache-2.0 */
/* A source of one file whose suffix says what it is, as config makes it. */
#ifndef SG_TEST_SOURCE_H
#define SG_TEST_SOURCE_H

#include "spec/spec.h"

/* Eight can be in use at a time; the path is the caller's. */
static inline struct sg_source_spec source_of(const char *path) {
    static struct sg_data_file files[8];
    static const char *const suffixes[] = {".jsonl", ".json", ".csv", ".tsv", ".parquet"}; /* by enum sg_format */
    static unsigned next;
    struct sg_data_file *file = &files[next++ % 8];
    *file = (struct sg_data_file){.path = sg_str(path), .format = SG_FORMAT_ARRAY};
    struct sg_str name = file->path;
    if (sg_str_ends(name, SG_STR(".gz"))) file->packing = SG_PACKED_GZIP, name.n -= 3;
    else if (sg_str_ends(name, SG_STR(".zst"))) file->packing = SG_PACKED_ZSTD, name.n -= 4;
    for (unsigned i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        if (sg_str_ends(name, sg_str(suffixes[i]))) file->format = (enum sg_format)i;
    return (struct sg_source_spec){.path = sg_str(path), .files = file, .n_files = 1};
}

#endif
