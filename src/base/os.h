/* SPDX-License-Identifier: Apache-2.0 */
/* os: the only seam to the operating system's files, clocks and randomness (sockets and processes are behind net/loop.h).
 *
 * All modules call these wrappers; they go through the table `sg_os`, so that tests and the simulator can put another world
 * in its place: fail the n-th call, tear a write, fill the disk, stop the clock.
 * Errors: a negative errno value (-ENOENT), never -1. EINTR is retried inside. */
#ifndef SG_BASE_OS_H
#define SG_BASE_OS_H

#include "base/arena.h"
#include "base/err.h"

#include <sys/types.h>

struct sg_file_info {
    uint64_t size, inode, device;
    int64_t mtime_ns;
    bool is_dir, is_regular;
};

struct sg_os {
    int (*open)(const char *path, int flags, int mode);
    int (*close)(int fd);
    ssize_t (*read)(int fd, void *p, size_t n);
    ssize_t (*pread)(int fd, void *p, size_t n, uint64_t at);
    ssize_t (*pwrite)(int fd, const void *p, size_t n, uint64_t at);
    int (*sync)(int fd); /* fdatasync */
    int (*truncate)(int fd, uint64_t size);
    int (*rename)(const char *from, const char *to);
    int (*unlink)(const char *path);
    int (*rmdir)(const char *path);
    int (*mkdir)(const char *path, int mode);
    int (*stat)(const char *path, struct sg_file_info *out);
    int (*fstat)(int fd, struct sg_file_info *out);
    uint64_t (*now_ns)(void); /* monotonic */
    int64_t (*wall_ns)(void); /* since 1970, UTC */
    uint64_t (*entropy)(void);
    /* Calls `each` for every name in a folder but "." and "..", in no order. */
    int (*list)(const char *folder, void (*each)(void *ud, const char *name), void *ud);
    bool
        real; /* paths and descriptors are the system's own: what has no entry here (locks, shared memory) works on them */
};

extern const struct sg_os *sg_os; /* the real world, unless a test put another there before any thread started */
extern const struct sg_os sg_os_posix;

/* Whole transfers: loop over short counts. Return 0 or a negative errno; a short read at the end of file is -ENODATA. */
int sg_os_pread_all(int fd, void *p, size_t n, uint64_t at);
int sg_os_pwrite_all(int fd, const void *p, size_t n, uint64_t at);
/* A whole file, at most `max` bytes. Errors: SG_E_IO, SG_E_LIMIT; err names the path. */
int sg_os_read_file(struct sg_arena *a, const char *path, size_t max, struct sg_str *out, struct sg_err *err);
/* Makes a folder and its parents. */
int sg_os_mkdirs(const char *path);
/* Syncs a folder, so that files made, renamed or deleted in it stay so. Where a file system cannot, it is no error. */
int sg_os_sync_folder(const char *path);
bool sg_os_exists(const char *path);

#endif
