/* SPDX-License-Identifier: Apache-2.0 */
/* What tests of crashes and faults share: a table over the real world that counts its calls and lets one of them go wrong. */
#ifndef SG_TEST_FAULTS_H
#define SG_TEST_FAULTS_H

#include "test_data.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>

enum fault {
    NO_FAULT,
    FAIL_CALL, /* the call `at` fails, those behind it do not */
    FAIL_FROM, /* and all behind it */
    DIE,       /* the process ends before the call `at`, which must change something */
    DIE_TORN,  /* the same, but half of a write is done */
    FULL,      /* there is room for `room` bytes */
    NO_SYNC,   /* all syncs from the call `at` on (counting syncs) fail */
};

static struct {
    enum fault fault;
    int at, code; /* code: errno of what fails */
    atomic_int calls;
    atomic_llong room;
} faults;

static inline int fault_now(void) {
    int n = ++faults.calls;
    if (faults.fault == FAIL_CALL && n == faults.at) return -faults.code;
    if (faults.fault == FAIL_FROM && n >= faults.at) return -faults.code;
    return 0;
}

/* Of calls that change something. */
static inline int change_now(void) {
    if ((faults.fault == DIE || faults.fault == DIE_TORN) && ++faults.calls == faults.at) _exit(42);
    return faults.fault == DIE || faults.fault == DIE_TORN ? 0 : fault_now();
}

static inline int faults_open(const char *path, int flags, int mode) {
    int rc = flags & O_CREAT ? change_now() : faults.fault == DIE || faults.fault == DIE_TORN ? 0 : fault_now();
    return rc ? rc : sg_os_posix.open(path, flags, mode);
}

static inline ssize_t faults_pread(int fd, void *p, size_t n, uint64_t at) {
    int rc = faults.fault == FAIL_CALL || faults.fault == FAIL_FROM ? fault_now() : 0;
    return rc ? rc : sg_os_posix.pread(fd, p, n, at);
}

static inline ssize_t faults_pwrite(int fd, const void *p, size_t n, uint64_t at) {
    if (faults.fault == DIE_TORN && faults.calls + 1 == faults.at) {
        if (n > 1) sg_os_posix.pwrite(fd, p, n / 2, at);
        _exit(42);
    }
    int rc = change_now();
    if (rc) return rc;
    if (faults.fault == FULL) {
        long long left = atomic_fetch_sub(&faults.room, (long long)n);
        if (left <= 0) return -ENOSPC;
        if (left < (long long)n) n = (size_t)left;
    }
    return sg_os_posix.pwrite(fd, p, n, at);
}

/* No power fails here: a sync that works only makes a test wait for a disk. */
static inline int faults_sync(int fd) {
    (void)fd;
    if (faults.fault == NO_SYNC) return ++faults.calls >= faults.at ? -EIO : 0;
    return change_now();
}

static inline int faults_truncate(int fd, uint64_t size) {
    int rc = change_now();
    return rc ? rc : sg_os_posix.truncate(fd, size);
}

static inline int faults_rename(const char *from, const char *to) {
    int rc = change_now();
    return rc ? rc : sg_os_posix.rename(from, to);
}

static inline int faults_unlink(const char *path) {
    int rc = change_now();
    return rc ? rc : sg_os_posix.unlink(path);
}

static inline int faults_mkdir(const char *path, int mode) {
    int rc = change_now();
    return rc ? rc : sg_os_posix.mkdir(path, mode);
}

/* Puts the table in place; `fault` applies from now on. */
static inline void use_faults(enum fault fault, int at, int code) {
    static struct sg_os os;
    os = sg_os_posix;
    os.open = faults_open, os.pread = faults_pread, os.pwrite = faults_pwrite, os.sync = faults_sync;
    os.truncate = faults_truncate, os.rename = faults_rename, os.unlink = faults_unlink, os.mkdir = faults_mkdir;
    faults.fault = fault;
    faults.at = at;
    faults.code = code;
    faults.calls = 0;
    sg_os = &os;
}

/* Has the fault happened? */
static inline bool fault_is_over(void) {
    return faults.calls >= faults.at;
}

#endif
