/* SPDX-License-Identifier: Apache-2.0 */
/* lock: one process runs a folder. The file `lock` is held with flock, which the system lets go however the process ends;
 * its text (process, boot, host) is for people, and for telling who is in the way.
 *
 * In a world that is not real there is one process, which holds everything. */
#include "journal/rundb.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#define TEXT_MAX 1024
/* Who only asks for the holder (status) has the lock for a moment. */
#define TRIES 5
#define PAUSE_US 10000

struct sg_str sg_boot_id(struct sg_arena *a) {
    struct sg_str text;
    int rc = sg_os_read_file(a, "/proc/sys/kernel/random/boot_id", TEXT_MAX, &text, NULL);
    return rc == 0 ? sg_str_trim(text) : SG_STR("");
}

/* 1: held by another. */
static int try_lock(int fd, int how) {
    if (!sg_os->real) return 0;
    int rc;
    do rc = flock(fd, how | LOCK_NB);
    while (rc < 0 && errno == EINTR);
    return rc == 0 ? 0 : errno == EWOULDBLOCK ? 1 : -errno;
}

static int try_patiently(int fd) {
    int rc = try_lock(fd, LOCK_EX);
    for (int i = 1; rc == 1 && i < TRIES; i++) {
        usleep(PAUSE_US);
        rc = try_lock(fd, LOCK_EX);
    }
    return rc;
}

static int write_text(int fd) {
    struct sg_arena scratch;
    char host[256] = "";
    sg_arena_init(&scratch, 0);
    if (sg_os->real) gethostname(host, sizeof host - 1);
    struct sg_str text = sg_str_printf(&scratch, "pid %d\nboot %.*s\nhost %s\n", sg_os->real ? (int)getpid() : 1,
                                       SG_ARG(sg_boot_id(&scratch)), host);
    int rc = sg_os->truncate(fd, 0);
    if (rc == 0) rc = sg_os_pwrite_all(fd, text.p, text.n, 0);
    sg_arena_fini(&scratch);
    return rc;
}

static struct sg_str path_in(struct sg_arena *a, const char *folder) {
    return sg_str_printf(a, "%s/lock", folder);
}

static int parse_pid(struct sg_str text) {
    return sg_str_starts(text, SG_STR("pid ")) ? atoi(text.p + 4) : 0;
}

static int say_held(const char *path, const char *folder, struct sg_arena *a, struct sg_err *err) {
    struct sg_str text = SG_STR_NONE;
    sg_os_read_file(a, path, TEXT_MAX, &text, NULL);
    return sg_fail(err, SG_E_CONFLICT, "%s: in use by another process (%d)", folder, parse_pid(text));
}

static int take(const char *path, const char *folder, struct sg_arena *a, int *out, struct sg_err *err) {
    int rc = sg_os_mkdirs(folder);
    if (rc < 0) return sg_fail_sys(err, SG_E_IO, -rc, "%s: the run folder cannot be made", folder);
    int fd = sg_os->open(path, O_RDWR | O_CREAT, 0666);
    if (fd < 0) return sg_fail_sys(err, SG_E_IO, -fd, "%s: cannot be written", path);
    rc = try_patiently(fd);
    if (rc == 0) rc = write_text(fd);
    *out = fd;
    if (rc == 0) return 0;
    sg_os->close(fd);
    if (rc == 1) return say_held(path, folder, a, err);
    return sg_fail_sys(err, SG_E_IO, -rc, "%s: cannot be locked", path);
}

int sg_run_lock_take(const char *folder, struct sg_run_lock *out, struct sg_err *err) {
    struct sg_arena scratch;
    sg_arena_init(&scratch, 0);
    *out = SG_RUN_LOCK_NONE;
    int fd = -1, rc = take(path_in(&scratch, folder).p, folder, &scratch, &fd, err);
    if (rc == 0) out->fd = fd;
    sg_arena_fini(&scratch);
    return rc;
}

void sg_run_lock_give(struct sg_run_lock *l) {
    if (l->fd < 0) return;
    sg_os->truncate(l->fd, 0);
    sg_os->close(l->fd);
    *l = SG_RUN_LOCK_NONE;
}

int sg_run_lock_holder(const char *folder, struct sg_arena *a, struct sg_str *text) {
    struct sg_str path = path_in(a, folder);
    *text = SG_STR("");
    int fd = sg_os->open(path.p, O_RDONLY, 0);
    if (fd < 0) return 0;
    int held = try_lock(fd, LOCK_SH);
    sg_os->close(fd);
    if (held != 1 || sg_os_read_file(a, path.p, TEXT_MAX, text, NULL) < 0) return 0;
    int pid = parse_pid(*text);
    return pid ? pid : -1;
}
