/* SPDX-License-Identifier: Apache-2.0 */
/* feed: which splitter, and which maker of rows, a file has; the way from one file to the next; what tells two inputs apart.
 *
 * What is read is noted over all files as if they were one: bytes are counted on, the checksum goes on. */
#include "data/duckdb_lib.h"
#include "data/feed.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* --- opening and closing ---------------------------------------------------------------------------------------- */

static const struct sg_data_file *file_of(const struct sg_feed *f) {
    return &f->files[f->at];
}

static void close_file(struct sg_feed *f) {
    sg_splitter_fini(&f->splitter);
    sg_unpacker_close(f->unpacker);
    sg_table_close(f->table);
    if (f->fd >= 0) sg_os->close(f->fd);
    f->unpacker = NULL;
    f->table = NULL;
    f->fd = -1;
}

/* O_NONBLOCK: opening a FIFO must not wait for its writer. Of plain files it changes nothing. */
static int open_descriptor(struct sg_feed *f, const char *path, struct sg_err *err) {
    f->fd = sg_os->open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0);
    if (f->fd == -ENOENT) return sg_fail_sys(err, SG_E_MISSING, ENOENT, "%s: cannot be read", path);
    if (f->fd < 0) return sg_fail_sys(err, SG_E_IO, -f->fd, "%s: cannot be read", path);
    int rc = sg_os->fstat(f->fd, &f->info);
    if (rc < 0) return sg_fail_sys(err, SG_E_IO, -rc, "%s: cannot be read", path);
    return f->info.is_dir ? sg_fail(err, SG_E_TYPE, "%s: is a folder, not a file", path) : 0;
}

static int prepare_to_wait(struct sg_feed *f, struct sg_err *err) {
    const struct sg_data_file *file = file_of(f);
    if (file->packing || file->format == SG_FORMAT_PARQUET) {
        return sg_fail(err, SG_E_UNSUPPORTED, "%s: is a pipe, and %s files are read from disk", file->path.p,
                       file->packing ? "packed" : "Parquet");
    }
    if (f->n_files > 1) return sg_fail(err, SG_E_UNSUPPORTED, "%s: is a pipe, which cannot be one of several files", file->path.p);
    if (f->wake < 0) f->wake = eventfd(0, EFD_CLOEXEC);
    return f->wake < 0 ? sg_fail_sys(err, SG_E_IO, errno, "no descriptor to stop a reader with") : 0;
}

static int open_file(struct sg_feed *f, struct sg_err *err) {
    const struct sg_data_file *file = file_of(f);
    int rc = open_descriptor(f, file->path.p, err);
    if (rc == 0 && !f->info.is_regular) rc = prepare_to_wait(f, err);
    if (rc < 0) return rc;
    uint32_t crc = f->splitter.crc;
    sg_splitter_init(&f->splitter, f->fd, !f->info.is_regular, f->wake, file->path, 0, 0);
    f->splitter.separator = file->format == SG_FORMAT_TSV ? '\t' : ',';
    f->splitter.with_crc = f->with_crc;
    f->splitter.crc = crc;
    if (file->packing) f->splitter.in.unpacker = f->unpacker = sg_unpacker_open(file->packing, f->fd, file->path);
    f->maker.name = file->path;
    f->begun = false;
    return 0;
}

static void copy_files(struct sg_feed *f, const struct sg_source_spec *spec) {
    f->files = SG_NEW_N(&f->arena, struct sg_data_file, spec->n_files);
    f->n_files = spec->n_files;
    for (size_t i = 0; i < spec->n_files; i++) {
        f->files[i] = spec->files[i];
        f->files[i].path = sg_str_dup(&f->arena, spec->files[i].path);
    }
}

static void copy_fields(struct sg_feed *f, const struct sg_source_spec *spec) {
    struct sg_name *fields = SG_NEW_N(&f->arena, struct sg_name, spec->n_fields);
    for (size_t i = 0; i < spec->n_fields; i++) fields[i].text = sg_str_dup(&f->arena, spec->fields[i].text);
    f->maker.fields = fields;
    f->maker.n_fields = spec->n_fields;
}

int sg_feed_open(struct sg_feed *f, const struct sg_source_spec *spec, const char *exe_dir, struct sg_err *err) {
    *f = (struct sg_feed){.fd = -1, .wake = -1};
    sg_arena_init(&f->arena, 0);
    copy_files(f, spec);
    copy_fields(f, spec);
    sg_duckdb_places(&f->arena, exe_dir, &f->places);
    int rc = f->n_files ? open_file(f, err)
                        : sg_fail(err, SG_E_MISSING, "%.*s: no file has that name", SG_ARG(spec->path));
    if (rc < 0) sg_feed_close(f);
    return rc;
}

void sg_feed_close(struct sg_feed *f) {
    close_file(f);
    if (f->wake >= 0) close(f->wake);
    sg_arena_fini(&f->arena);
    f->wake = -1;
}

/* --- before the first row --------------------------------------------------------------------------------------- */

bool sg_feed_seeks(const struct sg_feed *f) {
    return f->n_files == 1 && f->info.is_regular && !f->files->packing && f->files->format != SG_FORMAT_PARQUET;
}

void sg_feed_seek(struct sg_feed *f, uint64_t line, uint64_t offset) {
    f->seek_line = line;
    f->seek_offset = offset;
}

static enum sg_split begin_csv(struct sg_feed *f, enum sg_patience patience, struct sg_err *err) {
    enum sg_split got = sg_csv_layout(&f->splitter, &f->arena, f->like, patience, &f->layout, err);
    if (got != SG_SPLIT_GOT || f->like) return got;
    struct sg_csv_layout *like = SG_NEW(&f->arena, struct sg_csv_layout);
    *like = f->layout;
    f->like = like;
    return got;
}

/* The footer's length stands before the last four bytes. */
static int footer_crc(int fd, uint64_t size, uint32_t *crc) {
    unsigned char end[8];
    int rc = size < sizeof end ? -ENODATA : sg_os_pread_all(fd, end, sizeof end, size - sizeof end);
    if (rc < 0) return rc;
    uint64_t left = (uint64_t)end[0] | (uint64_t)end[1] << 8 | (uint64_t)end[2] << 16 | (uint64_t)end[3] << 24;
    if (left > size - sizeof end) left = size - sizeof end;
    uint64_t at = size - sizeof end - left;
    *crc = sg_crc32c(*crc, end, sizeof end);
    char *block = sg_xmalloc(SG_SPLIT_BLOCK);
    while (left && rc == 0) {
        size_t n = left < SG_SPLIT_BLOCK ? (size_t)left : SG_SPLIT_BLOCK;
        rc = sg_os_pread_all(fd, block, n, at);
        if (rc == 0) *crc = sg_crc32c(*crc, block, n);
        at += n;
        left -= n;
    }
    free(block);
    return rc;
}

static enum sg_split begin_table(struct sg_feed *f, struct sg_err *err) {
    int rc = sg_table_open(file_of(f)->path.p, &f->places, &f->maker, &f->table, err);
    if (rc < 0) return SG_SPLIT_BROKEN;
    if (!f->with_crc) return SG_SPLIT_GOT;
    rc = footer_crc(f->fd, f->info.size, &f->splitter.crc);
    if (rc < 0) sg_fail_sys(err, SG_E_IO, -rc, "%s: read failed", file_of(f)->path.p);
    f->splitter.crc_bytes = f->info.size;
    return rc < 0 ? SG_SPLIT_BROKEN : SG_SPLIT_GOT;
}

static enum sg_split begin(struct sg_feed *f, enum sg_patience patience, struct sg_err *err) {
    enum sg_format format = file_of(f)->format;
    enum sg_split got = SG_SPLIT_GOT;
    if (format == SG_FORMAT_PARQUET) got = begin_table(f, err);
    else if (format == SG_FORMAT_CSV || format == SG_FORMAT_TSV) got = begin_csv(f, patience, err);
    if (got != SG_SPLIT_GOT) return got;
    f->begun = true;
    if (!f->seek_line) return got;
    if (format == SG_FORMAT_ARRAY) sg_array_seek(&f->splitter, f->seek_line, f->seek_offset);
    else sg_lines_seek(&f->splitter, f->seek_line, f->seek_offset);
    return got;
}

/* --- rows ------------------------------------------------------------------------------------------------------- */

static enum sg_split next_of_file(struct sg_feed *f, enum sg_patience patience, struct sg_piece *out,
                                  struct sg_err *err) {
    enum sg_split got = f->begun ? SG_SPLIT_GOT : begin(f, patience, err);
    if (got != SG_SPLIT_GOT) return got;
    switch (file_of(f)->format) {
    case SG_FORMAT_LINES: return sg_lines_next(&f->splitter, patience, out, err);
    case SG_FORMAT_ARRAY: return sg_array_next(&f->splitter, patience, out, err);
    case SG_FORMAT_PARQUET: *out = (struct sg_piece){0}; return sg_table_next(f->table, err);
    default: return sg_csv_next(&f->splitter, patience, out, err);
    }
}

static int open_next_file(struct sg_feed *f, struct sg_err *err) {
    f->bytes_before += f->splitter.crc_bytes;
    close_file(f);
    f->at++;
    return open_file(f, err);
}

enum sg_split sg_feed_next(struct sg_feed *f, enum sg_patience patience, struct sg_piece *out, struct sg_err *err) {
    enum sg_split got;
    while ((got = next_of_file(f, patience, out, err)) == SG_SPLIT_ENDED && f->at + 1 < f->n_files)
        if (open_next_file(f, err) < 0) return SG_SPLIT_BROKEN;
    return got;
}

void sg_feed_row(const struct sg_feed *f, const struct sg_piece *piece, uint64_t position, struct sg_row *out) {
    switch (file_of(f)->format) {
    case SG_FORMAT_LINES:
    case SG_FORMAT_ARRAY: sg_row_make(&f->maker, piece, position, out); break;
    case SG_FORMAT_PARQUET: sg_table_row(f->table, &f->maker, position, out); break;
    default: sg_csv_row(&f->maker, &f->layout, piece, position, out);
    }
}

/* --- is it the same input? -------------------------------------------------------------------------------------- */

void sg_feed_read(const struct sg_feed *f, uint64_t *bytes, uint32_t *crc) {
    *bytes = f->bytes_before + f->splitter.crc_bytes;
    *crc = f->splitter.crc;
}

void sg_feed_looks(const struct sg_feed *f, struct sg_run_source *out) {
    struct sg_file_info info;
    for (size_t i = 0; i < f->n_files; i++) {
        struct sg_str path = f->files[i].path;
        info = f->info;
        if ((i || f->at) && sg_os->stat(path.p, &info) < 0) info = (struct sg_file_info){0};
        out->size += info.size;
        if (info.mtime_ns > out->mtime_ns) out->mtime_ns = info.mtime_ns;
        out->inode = f->n_files == 1 ? info.inode : sg_hash64(path, out->inode ^ info.inode);
    }
    out->inode &= INT64_MAX; /* run.db keeps it as such */
}

/* The next bytes of a file, packed or not; 0 at its end. */
static ssize_t next_bytes(const struct sg_data_file *file, int fd, struct sg_unpacker *u, void *to, size_t n, uint64_t at,
                          struct sg_err *err) {
    ssize_t got = u ? sg_unpack(u, to, n, err) : sg_os->pread(fd, to, n, at);
    if (got < 0 && !u) sg_fail_sys(err, SG_E_IO, (int)-got, "%s: read failed", file->path.p);
    return got < 0 ? SG_E_IO : got;
}

/* Up to *left bytes of one file. */
static int add_bytes(const struct sg_data_file *file, int fd, uint64_t *left, uint32_t *crc, const atomic_bool *stop,
                     struct sg_err *err) {
    struct sg_unpacker *u = file->packing ? sg_unpacker_open(file->packing, fd, file->path) : NULL;
    char *block = sg_xmalloc(SG_SPLIT_BLOCK);
    ssize_t got = 1;
    for (uint64_t at = 0; *left && got > 0; at += (uint64_t)got) {
        size_t n = *left < SG_SPLIT_BLOCK ? (size_t)*left : SG_SPLIT_BLOCK;
        got = next_bytes(file, fd, u, block, n, at, err);
        if (atomic_load_explicit(stop, memory_order_relaxed)) got = sg_fail(err, SG_E_CANCELED, "stopped");
        if (got <= 0) break;
        *crc = sg_crc32c(*crc, block, (size_t)got);
        *left -= (uint64_t)got;
    }
    free(block);
    sg_unpacker_close(u);
    return got < 0 ? (int)got : 0;
}

static int add_file(const struct sg_data_file *file, uint64_t *left, uint32_t *crc, const atomic_bool *stop,
                    struct sg_err *err) {
    struct sg_file_info info;
    int fd = sg_os->open(file->path.p, O_RDONLY | O_CLOEXEC, 0), rc = fd < 0 ? fd : sg_os->fstat(fd, &info);
    if (rc < 0) {
        sg_fail_sys(err, SG_E_IO, -rc, "%s: cannot be read", file->path.p);
        rc = SG_E_IO;
    } else if (file->format != SG_FORMAT_PARQUET) {
        rc = add_bytes(file, fd, left, crc, stop, err);
    } else if (footer_crc(fd, info.size, crc) < 0 || info.size > *left) {
        *left = UINT64_MAX; /* another file: nothing can fit any more */
    } else {
        *left -= info.size;
    }
    if (fd >= 0) sg_os->close(fd);
    return rc;
}

int sg_feed_compare(const struct sg_feed *f, uint64_t bytes, uint32_t crc, const atomic_bool *stop, struct sg_err *err) {
    uint64_t left = bytes;
    uint32_t is = 0;
    int rc = 0;
    for (size_t i = 0; i < f->n_files && rc == 0 && left && left != UINT64_MAX; i++)
        rc = add_file(&f->files[i], &left, &is, stop, err);
    if (rc < 0 || (left == 0 && is == crc)) return rc;
    return sg_fail(err, SG_E_CONFLICT,
                   "%s: the input has changed since: its first %llu bytes, which this run has read, were others",
                   f->files[0].path.p, (unsigned long long)bytes);
}
