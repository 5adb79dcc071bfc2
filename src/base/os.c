/* SPDX-License-Identifier: Apache-2.0 */
/* os: the POSIX table behind the seam, and whole transfers on top of whatever table is in place.
 *
 * Every function here turns -1 and errno into a negative errno value. EINTR is retried, except for close: on Linux
 * the descriptor is gone even then, and a second close could hit another thread's new file. */
#include "base/os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define READ_STEP ((size_t)64 << 10)

#define RETRY(result, call)                                                                                          \
    do (result) = (call);                                                                                            \
    while ((result) < 0 && errno == EINTR)

static int posix_open(const char *path, int flags, int mode) {
    int fd;
    RETRY(fd, open(path, flags | O_CLOEXEC, mode));
    return fd < 0 ? -errno : fd;
}

static int posix_close(int fd) {
    return close(fd) < 0 && errno != EINTR ? -errno : 0;
}

static ssize_t posix_read(int fd, void *p, size_t n) {
    ssize_t got;
    RETRY(got, read(fd, p, n));
    return got < 0 ? -errno : got;
}

static ssize_t posix_pread(int fd, void *p, size_t n, uint64_t at) {
    ssize_t got;
    RETRY(got, pread(fd, p, n, (off_t)at));
    return got < 0 ? -errno : got;
}

static ssize_t posix_pwrite(int fd, const void *p, size_t n, uint64_t at) {
    ssize_t put;
    RETRY(put, pwrite(fd, p, n, (off_t)at));
    return put < 0 ? -errno : put;
}

static int posix_sync(int fd) {
    int rc;
    RETRY(rc, fdatasync(fd));
    return rc < 0 ? -errno : 0;
}

static int posix_truncate(int fd, uint64_t size) {
    int rc;
    RETRY(rc, ftruncate(fd, (off_t)size));
    return rc < 0 ? -errno : 0;
}

static int posix_rename(const char *from, const char *to) {
    return rename(from, to) < 0 ? -errno : 0;
}

static int posix_unlink(const char *path) {
    return unlink(path) < 0 ? -errno : 0;
}

static int posix_rmdir(const char *path) {
    return rmdir(path) < 0 ? -errno : 0;
}

static int posix_mkdir(const char *path, int mode) {
    return mkdir(path, (mode_t)mode) < 0 ? -errno : 0;
}

static int64_t in_ns(const struct timespec *t) {
    return (int64_t)t->tv_sec * 1000000000 + t->tv_nsec;
}

static void fill_info(struct sg_file_info *out, const struct stat *st) {
    *out = (struct sg_file_info){.size = (uint64_t)st->st_size,
                                 .inode = st->st_ino,
                                 .device = st->st_dev,
                                 .mtime_ns = in_ns(&st->st_mtim),
                                 .is_dir = S_ISDIR(st->st_mode),
                                 .is_regular = S_ISREG(st->st_mode)};
}

static int posix_stat(const char *path, struct sg_file_info *out) {
    struct stat st;
    if (stat(path, &st) < 0) return -errno;
    fill_info(out, &st);
    return 0;
}

static int posix_fstat(int fd, struct sg_file_info *out) {
    struct stat st;
    if (fstat(fd, &st) < 0) return -errno;
    fill_info(out, &st);
    return 0;
}

static uint64_t posix_now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)in_ns(&t);
}

static int64_t posix_wall_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return in_ns(&t);
}

/* Up to 256 bytes come whole or not at all. A system without randomness is one that no run should be seeded on. */
static uint64_t posix_entropy(void) {
    uint64_t v;
    ssize_t got;
    RETRY(got, getrandom(&v, sizeof v, 0));
    SG_ASSERT(got == sizeof v);
    return v;
}

static bool is_self(const char *name) {
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static int posix_list(const char *folder, void (*each)(void *ud, const char *name), void *ud) {
    DIR *dir = opendir(folder);
    if (!dir) return -errno;
    struct dirent *entry;
    for (errno = 0; (entry = readdir(dir)); errno = 0)
        if (!is_self(entry->d_name)) each(ud, entry->d_name);
    int rc = -errno;
    closedir(dir);
    return rc;
}

const struct sg_os sg_os_posix = {
    .open = posix_open,
    .close = posix_close,
    .read = posix_read,
    .pread = posix_pread,
    .pwrite = posix_pwrite,
    .sync = posix_sync,
    .truncate = posix_truncate,
    .rename = posix_rename,
    .unlink = posix_unlink,
    .rmdir = posix_rmdir,
    .mkdir = posix_mkdir,
    .stat = posix_stat,
    .fstat = posix_fstat,
    .now_ns = posix_now_ns,
    .wall_ns = posix_wall_ns,
    .entropy = posix_entropy,
    .list = posix_list,
    .real = true,
};

const struct sg_os *sg_os = &sg_os_posix;

int sg_os_pread_all(int fd, void *p, size_t n, uint64_t at) {
    for (size_t done = 0; done < n;) {
        ssize_t got = sg_os->pread(fd, (char *)p + done, n - done, at + done);
        if (got < 0) return (int)got;
        if (got == 0) return -ENODATA;
        done += (size_t)got;
    }
    return 0;
}

int sg_os_pwrite_all(int fd, const void *p, size_t n, uint64_t at) {
    for (size_t done = 0; done < n;) {
        ssize_t put = sg_os->pwrite(fd, (const char *)p + done, n - done, at + done);
        if (put < 0) return (int)put;
        if (put == 0) return -EIO; /* POSIX does not say why; going on could loop for ever */
        done += (size_t)put;
    }
    return 0;
}

/* Reads to the end: a file's size is a hint only, since pipes and /proc have none and files grow. The buffer may hold
 * one byte more than `max`, which tells a file that is too long from one that just fits. */
static int read_to_end(int fd, size_t max, struct sg_buf *b) {
    struct sg_file_info info;
    int rc = sg_os->fstat(fd, &info);
    if (rc < 0) return rc;
    if (info.size < max) sg_buf_reserve(b, (size_t)info.size + 1);
    while (b->n <= max) {
        size_t step = b->cap > b->n ? b->cap - b->n : READ_STEP;
        if (step > max + 1 - b->n) step = max + 1 - b->n;
        char *room = sg_buf_reserve(b, step);
        ssize_t got = sg_os->read(fd, room, step);
        if (got <= 0) return (int)got;
        b->n += (size_t)got;
    }
    return 0;
}

int sg_os_read_file(struct sg_arena *a, const char *path, size_t max, struct sg_str *out, struct sg_err *err) {
    int fd = sg_os->open(path, O_RDONLY, 0);
    if (fd < 0) return sg_fail_sys(err, SG_E_IO, -fd, "cannot open %s", path);
    if (max == SIZE_MAX) max--;
    struct sg_buf b = SG_BUF_INIT(max + 1);
    int rc = read_to_end(fd, max, &b);
    sg_os->close(fd);
    if (rc < 0) rc = sg_fail_sys(err, SG_E_IO, -rc, "cannot read %s", path);
    else if (b.n > max) rc = sg_fail(err, SG_E_LIMIT, "%s is larger than %zu bytes", path, max);
    else *out = sg_str_dup(a, sg_buf_view(&b));
    sg_buf_fini(&b);
    return rc;
}

static bool is_dir(const char *path) {
    struct sg_file_info info;
    return sg_os->stat(path, &info) == 0 && info.is_dir;
}

/* Looks first: on some file systems mkdir of an existing folder fails with EPERM or EROFS instead of EEXIST. */
static int make_dir(const char *path) {
    if (is_dir(path)) return 0;
    int rc = sg_os->mkdir(path, 0777);
    if (rc != -EEXIST) return rc;
    return is_dir(path) ? 0 : -ENOTDIR;
}

int sg_os_mkdirs(const char *path) {
    size_t n = strlen(path);
    char *copy = sg_xmalloc(n + 1);
    memcpy(copy, path, n + 1);
    int rc = 0;
    for (size_t i = 1; i < n && rc == 0; i++) {
        if (copy[i] != '/') continue;
        copy[i] = '\0';
        rc = make_dir(copy);
        copy[i] = '/';
    }
    if (rc == 0) rc = make_dir(copy);
    free(copy);
    return rc;
}

int sg_os_sync_folder(const char *path) {
    int fd = sg_os->open(path, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0) return fd;
    int rc = sg_os->sync(fd);
    sg_os->close(fd);
    return rc == -EINVAL ? 0 : rc;
}

bool sg_os_exists(const char *path) {
    struct sg_file_info info;
    return sg_os->stat(path, &info) == 0;
}
