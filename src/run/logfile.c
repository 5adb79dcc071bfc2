/* SPDX-License-Identifier: Apache-2.0 */
/* Two buffers take turns: lines go into `waiting`; when the worker is free it gets them as `writing`. A short delay gathers
 * what belongs together. A torn line that a dead process left is ended before the first new one, so that a reader loses
 * that line only. */
#include "run/logfile.h"

#include "journal/rundb.h"

#include <fcntl.h>
#include <stdlib.h>

#define GATHER_MS 200

struct sg_logfile {
    struct sg_loop *loop;
    struct sg_worker *worker;
    struct sg_job job;
    struct sg_timer gather;
    struct sg_arena arena;
    struct sg_str path, old_path;
    bool more;
    struct sg_buf waiting;
    uint64_t left_out; /* lines since the last that was kept */
    bool at_work;      /* from here on the worker's, while it is */
    struct sg_buf writing;
    int fd;
    uint64_t size;
    int status; /* 0, or a negative errno: nothing more is written */
    bool told;
};

/* --- on the worker ---------------------------------------------------------------------------------------------- */

static int find_end(struct sg_logfile *g) {
    struct sg_file_info info;
    char last = '\n';
    int rc = sg_os->fstat(g->fd, &info);
    if (rc < 0) return rc;
    g->size = info.size;
    if (info.size > 0) rc = sg_os_pread_all(g->fd, &last, 1, info.size - 1);
    if (rc == 0 && last != '\n') {
        rc = sg_os_pwrite_all(g->fd, "\n", 1, g->size);
        g->size++;
    }
    return rc;
}

static int open_file(struct sg_logfile *g) {
    g->fd = sg_os->open(g->path.p, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (g->fd < 0) return g->fd;
    if (g->more) return find_end(g);
    g->more = true;
    g->size = 0;
    sg_os->unlink(g->old_path.p);
    return sg_os->truncate(g->fd, 0);
}

static int turn_over(struct sg_logfile *g) {
    sg_os->close(g->fd);
    g->fd = -1;
    int rc = sg_os->rename(g->path.p, g->old_path.p);
    return rc < 0 ? rc : open_file(g);
}

static int append(struct sg_logfile *g, struct sg_str lines) {
    int rc = g->fd < 0 ? open_file(g) : 0;
    if (rc == 0 && g->size && g->size + lines.n > SG_LOGFILE_BYTES) rc = turn_over(g);
    if (rc == 0) rc = sg_os_pwrite_all(g->fd, lines.p, lines.n, g->size);
    if (rc == 0) g->size += lines.n;
    return rc;
}

static void write_lines(struct sg_logfile *g) {
    if (g->status == 0 && g->writing.n) g->status = append(g, sg_buf_view(&g->writing));
    sg_buf_reset(&g->writing, SG_LOGFILE_WAITING);
}

static void run_job(struct sg_job *j) {
    write_lines(j->ud);
}

/* --- on the loop ------------------------------------------------------------------------------------------------ */

static void swap(struct sg_logfile *g) {
    struct sg_buf full = g->waiting;
    g->waiting = g->writing;
    g->writing = full;
}

static void on_gathered(struct sg_timer *t) {
    struct sg_logfile *g = t->ud;
    swap(g);
    g->at_work = true;
    sg_worker_submit(g->worker, &g->job);
}

static void wake(struct sg_logfile *g) {
    if (!g->at_work && g->waiting.n && !sg_timer_armed(&g->gather))
        sg_timer_start(g->loop, &g->gather, SG_MS(GATHER_MS));
}

static void tell_failure(struct sg_logfile *g) {
    struct sg_err err;
    if (g->status == 0 || g->told) return;
    g->told = true;
    sg_fail_sys(&err, SG_E_IO, -g->status, "%s: cannot be written", g->path.p);
    SG_LOG(log_lost, SG_F_STR("error", sg_str(err.text)));
}

static void on_written(struct sg_job *j) {
    struct sg_logfile *g = j->ud;
    g->at_work = false;
    tell_failure(g);
    if (!g->told) wake(g);
}

static void on_line(void *ud, enum sg_event ev, struct sg_str line) {
    struct sg_logfile *g = ud;
    (void)ev;
    if (g->told) return;
    if (g->waiting.n + line.n > SG_LOGFILE_WAITING) {
        g->left_out++;
        return;
    }
    if (g->left_out) {
        uint64_t lines = g->left_out;
        g->left_out = 0;
        SG_LOG(log_lost, SG_F_INT("lines", lines));
    }
    sg_buf_str(&g->waiting, line);
    wake(g);
}

/* --- life ------------------------------------------------------------------------------------------------------- */

void sg_logfile_open(struct sg_loop *l, struct sg_str folder, bool more, struct sg_logfile **out) {
    struct sg_logfile *g = sg_xcalloc(1, sizeof *g);
    *g = (struct sg_logfile){.loop = l, .fd = -1, .more = more};
    g->waiting = g->writing = SG_BUF_INIT(0);
    g->job = (struct sg_job){.run = run_job, .done = on_written, .ud = g};
    g->gather = (struct sg_timer){.on_fire = on_gathered, .ud = g};
    if (sg_worker_open(l, "sygra-log", &g->worker) < 0) {
        free(g);
        return;
    }
    sg_arena_init(&g->arena, 0);
    g->path = sg_str_printf(&g->arena, "%.*s/%s", SG_ARG(folder), SG_RUN_LOG);
    g->old_path = sg_str_printf(&g->arena, "%.*s/%s", SG_ARG(folder), SG_RUN_LOG_BEFORE);
    sg_log_keep((struct sg_log_taker){on_line, g});
    *out = g;
}

void sg_logfile_close(struct sg_logfile *g) {
    sg_log_keep((struct sg_log_taker){0});
    sg_timer_stop(g->loop, &g->gather);
    sg_worker_close(g->worker);
    write_lines(g); /* of a job that did not run any more */
    swap(g);
    write_lines(g);
    if (g->fd >= 0) sg_os->close(g->fd);
    sg_buf_fini(&g->waiting);
    sg_buf_fini(&g->writing);
    sg_arena_fini(&g->arena);
    free(g);
}
