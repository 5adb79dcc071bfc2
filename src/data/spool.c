/* SPDX-License-Identifier: Apache-2.0 */
/* spool: rows that were made before a run's first record, as JSON Lines in a file that the run then reads. What is added gathers
 * in memory and is written by a worker; the file has its name only once it is whole and on disk. */
#include "data/data.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>

struct sg_spool {
    struct sg_loop *loop;
    struct sg_worker *worker;
    struct sg_job job;
    struct sg_arena arena;
    struct sg_str path;
    int fd;
    struct sg_buf text; /* the worker's while a job is under way */
    uint64_t at;
    bool last, kept;
    int status;
    struct sg_err err;
    sg_spool_fn *fn;
    void *ud;
};

/* --- worker ----------------------------------------------------------------------------------------------------- */

static void run_job(struct sg_job *j) {
    struct sg_spool *s = j->ud;
    int rc = sg_os_pwrite_all(s->fd, s->text.p, s->text.n, s->at);
    if (rc == 0 && s->last) rc = sg_os->sync(s->fd);
    s->at += s->text.n;
    s->status = rc < 0 ? sg_fail_sys(&s->err, SG_E_IO, -rc, "%s: cannot be written", s->path.p) : 0;
}

/* --- loop ------------------------------------------------------------------------------------------------------- */

static void on_written(struct sg_job *j) {
    struct sg_spool *s = j->ud;
    sg_buf_reset(&s->text, SIZE_MAX);
    s->fn(s->ud, s->status, s->status ? &s->err : NULL);
}

/* Two processes that make the same file would mix their rows. The system lets go of the lock however one of them ends; one that
 * ended well has given the file another name. 0, or an errno. */
static int lock(const struct sg_spool *s) {
    struct sg_file_info taken, named;
    if (flock(s->fd, LOCK_EX | LOCK_NB) < 0) return errno;
    bool same = sg_os->fstat(s->fd, &taken) == 0 && sg_os->stat(s->path.p, &named) == 0 && taken.inode == named.inode;
    return same ? 0 : EWOULDBLOCK;
}

static int take(struct sg_spool *s, bool own, struct sg_err *err) {
    s->fd = sg_os->open(s->path.p, O_RDWR | O_CREAT | O_CLOEXEC | (own ? O_EXCL : 0), own ? 0600 : 0666);
    if (s->fd < 0) return sg_fail_sys(err, SG_E_IO, -s->fd, "%s: cannot be written", s->path.p);
    int taken = sg_os->real ? lock(s) : 0;
    if (taken) {
        s->kept = true; /* it is the other one's */
        return sg_fail_sys(err, SG_E_CONFLICT, taken, "%s: is being written by another process", s->path.p);
    }
    int rc = sg_os->truncate(s->fd, 0);
    return rc < 0 ? sg_fail_sys(err, SG_E_IO, -rc, "%s: cannot be emptied", s->path.p) : 0;
}

int sg_spool_open(struct sg_loop *l, struct sg_str path, bool own, struct sg_spool **out, struct sg_err *err) {
    struct sg_spool *s = sg_xcalloc(1, sizeof *s);
    s->loop = l;
    s->fd = -1;
    s->text = SG_BUF_INIT(SIZE_MAX);
    s->job = (struct sg_job){.run = run_job, .done = on_written, .ud = s};
    sg_arena_init(&s->arena, 0);
    s->path = sg_str_dup(&s->arena, path);
    int rc = take(s, own, err);
    if (rc == 0 && sg_worker_open(l, "sygra-spool", &s->worker) < 0)
        rc = sg_fail(err, SG_E_IO, "no thread for writing");
    if (rc == 0) *out = s;
    else sg_spool_close(s);
    return rc;
}

void sg_spool_add(struct sg_spool *s, const struct sg_json *row) {
    sg_json_write(&s->text, row);
    sg_buf_ch(&s->text, '\n');
}

void sg_spool_write(struct sg_spool *s, bool last, sg_spool_fn *fn, void *ud) {
    s->last = last;
    s->fn = fn;
    s->ud = ud;
    sg_worker_submit(s->worker, &s->job);
}

static struct sg_str folder_of(struct sg_arena *a, struct sg_str path) {
    size_t n = path.n;
    while (n > 0 && path.p[n - 1] != '/') n--;
    return n ? sg_str_dup(a, (struct sg_str){path.p, n}) : SG_STR(".");
}

int sg_spool_keep(struct sg_spool *s, struct sg_str path, struct sg_err *err) {
    struct sg_str to = sg_str_dup(&s->arena, path);
    int rc = sg_os->rename(s->path.p, to.p);
    s->kept = rc == 0;
    if (rc == 0) rc = sg_os_sync_folder(folder_of(&s->arena, to).p);
    return rc < 0 ? sg_fail_sys(err, SG_E_IO, -rc, "%s: cannot be made", to.p) : 0;
}

void sg_spool_close(struct sg_spool *s) {
    if (!s) return;
    sg_worker_close(s->worker);
    if (s->fd >= 0 && !s->kept) sg_os->unlink(s->path.p);
    if (s->fd >= 0) sg_os->close(s->fd);
    sg_buf_fini(&s->text);
    sg_arena_fini(&s->arena);
    free(s);
}
