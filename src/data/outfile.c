/* SPDX-License-Identifier: Apache-2.0 */
/* outfile: appending to a file that stays valid.
 *
 * Array form: `pending` holds ",\n" and the laid out record for each append ("[\n" for the first); a write adds
 * "\n]" and begins where the old closing bracket stood. If it fails, the bracket is put back where it was and the
 * file is cut to its old size: that needs no new room on a full disk. */
#include "data/outfile.h"

#include "data/split.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#define WRITE_BYTES ((size_t)256 << 10)
#define KEEP_BYTES (2 * WRITE_BYTES)

static const struct sg_str closing = {"\n]", 2};

void sg_outfile_init(struct sg_outfile *f, struct sg_str path, bool array) {
    *f =
        (struct sg_outfile){.path = path, .fd = -1, .array = array, .replaced = -1, .pending = SG_BUF_INIT(SIZE_MAX)};
}

void sg_outfile_fini(struct sg_outfile *f) {
    if (f->fd >= 0) sg_os->close(f->fd);
    if (f->replaced >= 0) sg_os->close(f->replaced);
    f->fd = f->replaced = -1;
    sg_buf_fini(&f->pending);
}

static int io_error(const struct sg_outfile *f, int sys, const char *what, struct sg_err *err) {
    return sg_fail_sys(err, SG_E_IO, -sys, "%s: %s", f->path.p, what);
}

static int make_file(struct sg_outfile *f, struct sg_err *err) {
    if (f->fd >= 0) return 0;
    f->fd = sg_os->open(f->path.p, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    f->new_name = true;
    return f->fd < 0 ? io_error(f, f->fd, "cannot be made", err) : 0;
}

/* --- going on --------------------------------------------------------------------------------------------------- */

static int cut(const struct sg_outfile *f, uint64_t bytes) {
    int rc = f->array && bytes ? sg_os_pwrite_all(f->fd, closing.p, closing.n, bytes - closing.n) : 0;
    return rc < 0 ? rc : sg_os->truncate(f->fd, bytes);
}

int sg_outfile_reopen(struct sg_outfile *f, const struct sg_file_mark *mark, bool array, struct sg_err *err) {
    f->array = array;
    f->fd = sg_os->open(f->path.p, O_RDWR | O_CREAT, 0666);
    if (f->fd < 0) return io_error(f, f->fd, "cannot be opened", err);
    int rc = cut(f, mark->bytes);
    if (rc < 0) return io_error(f, rc, "cannot be cut", err);
    f->size = mark->bytes;
    f->records = mark->records;
    f->crc = mark->crc;
    f->dirty = f->new_name = true; /* whatever the earlier process had not synced */
    return 0;
}

struct sg_file_mark sg_outfile_mark(const struct sg_outfile *f) {
    return (struct sg_file_mark){.bytes = f->size, .records = f->records, .crc = f->crc};
}

void sg_outfile_unsynced(struct sg_outfile *f, struct sg_sync *y) {
    if (f->replaced >= 0) sg_sync_add(y, f->replaced, true, f->path.p);
    if (f->dirty) sg_sync_add(y, f->fd, false, f->path.p);
    f->replaced = -1;
    f->dirty = f->new_name = false;
}

static int add_crc(int fd, uint64_t from, uint64_t to, uint32_t *crc) {
    char *block = sg_xmalloc(WRITE_BYTES);
    int rc = 0;
    while (rc == 0 && from < to) {
        size_t n = to - from < WRITE_BYTES ? (size_t)(to - from) : WRITE_BYTES;
        rc = sg_os_pread_all(fd, block, n, from);
        if (rc == 0) *crc = sg_crc32c(*crc, block, n);
        from += n;
    }
    free(block);
    return rc;
}

int sg_outfile_crc(const char *path, uint64_t from, uint64_t to, uint32_t *crc, struct sg_err *err) {
    if (from >= to) return 0;
    int fd = sg_os->open(path, O_RDONLY, 0), rc = fd < 0 ? fd : add_crc(fd, from, to, crc);
    if (fd >= 0) sg_os->close(fd);
    if (rc == -ENODATA || rc == -ENOENT)
        return sg_fail(err, SG_E_SYNTAX, "%s: ends before byte %llu", path, (unsigned long long)to);
    return rc < 0 ? sg_fail_sys(err, SG_E_IO, -rc, "%s: cannot be read", path) : 0;
}

/* --- appending -------------------------------------------------------------------------------------------------- */

static void cut_torn_end(const struct sg_outfile *f, uint64_t at) {
    if (at < f->size) sg_os_pwrite_all(f->fd, closing.p, closing.n, at);
    sg_os->truncate(f->fd, f->size);
}

static int write_out(struct sg_outfile *f, struct sg_str text, struct sg_err *err) {
    uint64_t at = f->array && f->size ? f->size - closing.n : f->size;
    int rc = make_file(f, err);
    if (rc < 0) return rc;
    f->dirty = true;
    rc = sg_os_pwrite_all(f->fd, text.p, text.n, at);
    if (rc < 0) {
        cut_torn_end(f, at);
        return io_error(f, rc, "write failed", err);
    }
    f->size = at + text.n;
    return 0;
}

int sg_outfile_flush(struct sg_outfile *f, struct sg_err *err) {
    if (f->pending.n == 0) return 0;
    if (f->journaled) f->crc = sg_crc32c(f->crc, f->pending.p, f->pending.n);
    if (f->array) sg_buf_str(&f->pending, closing);
    int rc = write_out(f, sg_buf_view(&f->pending), err);
    sg_buf_reset(&f->pending, KEEP_BYTES);
    return rc;
}

int sg_outfile_add(struct sg_outfile *f, struct sg_str json, struct sg_err *err) {
    if (f->array) {
        sg_buf_str(&f->pending, f->records ? SG_STR(",\n    ") : SG_STR("[\n    "));
        sg_json_indent_text(&f->pending, json, 4, 1);
    } else {
        sg_buf_str(&f->pending, json);
        sg_buf_ch(&f->pending, '\n');
    }
    f->records++;
    return f->pending.n >= WRITE_BYTES ? sg_outfile_flush(f, err) : 0;
}

/* --- from array to lines ---------------------------------------------------------------------------------------- */

/* Every element of the array that is read from `from` becomes a line of `to`. */
static int copy_elements(struct sg_splitter *from, struct sg_outfile *to, struct sg_err *err) {
    struct sg_buf line = SG_BUF_INIT(SIZE_MAX);
    struct sg_piece piece;
    enum sg_split got;
    int rc = 0;
    while (rc == 0 && (got = sg_array_next(from, SG_WAIT, &piece, err)) == SG_SPLIT_GOT) {
        sg_buf_reset(&line, KEEP_BYTES);
        sg_json_compact_text(&line, piece.text);
        rc = sg_outfile_add(to, sg_buf_view(&line), err);
    }
    if (rc == 0 && got == SG_SPLIT_BROKEN) rc = err ? err->code : SG_E_IO;
    sg_buf_fini(&line);
    return rc < 0 ? rc : sg_outfile_flush(to, err);
}

static int copy_as_lines(const struct sg_outfile *f, struct sg_outfile *to, struct sg_err *err) {
    int fd = sg_os->open(f->path.p, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) return io_error(f, fd, "cannot be read back", err);
    struct sg_splitter from;
    sg_splitter_init(&from, fd, false, -1, f->path, 0, SIZE_MAX);
    int rc = copy_elements(&from, to, err);
    sg_splitter_fini(&from);
    sg_os->close(fd);
    return rc;
}

/* A journaled one is synced first: after a loss of power there are the array or the lines, whole. */
static int take_place(struct sg_outfile *f, struct sg_outfile *lines, struct sg_err *err) {
    int rc = f->journaled ? sg_os->sync(lines->fd) : 0;
    if (rc == 0) rc = sg_os->rename(lines->path.p, f->path.p);
    if (rc < 0) return io_error(f, rc, "cannot be replaced", err);
    if (f->journaled) f->replaced = f->fd;
    else sg_os->close(f->fd);
    f->fd = lines->fd;
    f->size = lines->size;
    f->crc = lines->crc;
    f->array = false;
    f->new_name = true;
    lines->fd = -1;
    return 0;
}

int sg_outfile_to_lines(struct sg_outfile *f, struct sg_err *err) {
    if (!f->array) return 0;
    int rc = sg_outfile_flush(f, err);
    if (rc < 0) return rc;
    if (f->size == 0) {
        f->array = false;
        return 0;
    }
    struct sg_arena scratch;
    struct sg_outfile lines;
    sg_arena_init(&scratch, 0);
    sg_outfile_init(&lines, sg_str_join(&scratch, f->path, SG_STR(".tmp")), false);
    lines.journaled = f->journaled;
    rc = copy_as_lines(f, &lines, err);
    if (rc == 0) rc = take_place(f, &lines, err);
    if (rc < 0 && lines.fd >= 0) sg_os->unlink(lines.path.p);
    sg_outfile_fini(&lines);
    sg_arena_fini(&scratch);
    return rc;
}

int sg_outfile_end(struct sg_outfile *f, struct sg_err *err) {
    int rc = sg_outfile_flush(f, err);
    if (rc == 0 && f->records == 0) rc = write_out(f, f->array ? SG_STR("[]") : SG_STR(""), err);
    if (rc < 0) return rc;
    f->dirty = false;
    rc = sg_os->sync(f->fd);
    return rc < 0 ? io_error(f, rc, "sync failed", err) : 0;
}
