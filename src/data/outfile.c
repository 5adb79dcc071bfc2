/* SPDX-License-Identifier: Apache-2.0 */
/* outfile: appending to a file that stays valid.
 *
 * Array form: `pending` holds ",\n" and the laid out record for each append ("[\n" for the first); a write adds
 * "\n]" and begins where the old closing bracket stood. If it fails, the bracket is put back where it was and the
 * file is cut to its old size: that needs no new room on a full disk. */
#include "data/outfile.h"

#include "data/split.h"

#include <fcntl.h>
#include <stdlib.h>

#define WRITE_BYTES ((size_t)256 << 10)
#define KEEP_BYTES (2 * WRITE_BYTES)

static const struct sg_str closing = {"\n]", 2};

void sg_outfile_init(struct sg_outfile *f, struct sg_str path, bool array) {
    *f = (struct sg_outfile){.path = path, .fd = -1, .array = array, .pending = SG_BUF_INIT(SIZE_MAX)};
}

void sg_outfile_fini(struct sg_outfile *f) {
    if (f->fd >= 0) sg_os->close(f->fd);
    f->fd = -1;
    sg_buf_fini(&f->pending);
}

static int io_error(const struct sg_outfile *f, int sys, const char *what, struct sg_err *err) {
    return sg_fail_sys(err, SG_E_IO, -sys, "%s: %s", f->path.p, what);
}

static int make_file(struct sg_outfile *f, struct sg_err *err) {
    if (f->fd >= 0) return 0;
    f->fd = sg_os->open(f->path.p, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return f->fd < 0 ? io_error(f, f->fd, "cannot be made", err) : 0;
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

static int take_place(struct sg_outfile *f, struct sg_outfile *lines, struct sg_err *err) {
    int rc = sg_os->rename(lines->path.p, f->path.p);
    if (rc < 0) return io_error(f, rc, "cannot be replaced", err);
    sg_os->close(f->fd);
    f->fd = lines->fd;
    f->size = lines->size;
    f->array = false;
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
    rc = sg_os->sync(f->fd);
    return rc < 0 ? io_error(f, rc, "sync failed", err) : 0;
}
