/* SPDX-License-Identifier: Apache-2.0 */
/* support: pieces of texts, and a disk that is a list of names. Folders are not kept: every folder is there. (The disk of
 * src/sim also knows what would survive a loss of power, and takes a hundred times as long to make.) */
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

struct sg_str fuzz_piece(struct sg_rng *r, struct sg_str *text) {
    static const size_t sizes[] = {1, 3, 20, 400, 1 << 20};
    size_t n = 1 + fuzz_below(r, sizes[fuzz_below(r, sizeof sizes / sizeof *sizes)]);
    if (n > text->n) n = text->n;
    char *p = sg_xmalloc(n);
    memcpy(p, text->p, n);
    *text = (struct sg_str){text->p + n, text->n - n};
    return (struct sg_str){p, n};
}

/* --- files ------------------------------------------------------------------------------------------------------- */

#define MAX_FILES 64
#define MAX_OPEN 64
#define FIRST_FD 1000

struct file {
    char *path; /* NULL: free, or unlinked */
    struct sg_buf text;
    uint64_t inode;
    unsigned opens;
};

static struct file files[MAX_FILES];
static struct {
    struct file *file; /* NULL: free, or a folder */
    uint64_t at;
    bool used, writes;
} descriptors[MAX_OPEN];
static uint64_t inodes;

static struct file *find(const char *path) {
    for (size_t i = 0; i < MAX_FILES; i++)
        if (files[i].path && strcmp(files[i].path, path) == 0) return &files[i];
    return NULL;
}

static struct file *make(const char *path) {
    for (size_t i = 0; i < MAX_FILES; i++) {
        if (files[i].path || files[i].opens) continue;
        sg_buf_fini(&files[i].text);
        files[i] = (struct file){.path = strdup(path), .text = SG_BUF_INIT(SIZE_MAX / 2), .inode = ++inodes};
        return &files[i];
    }
    return NULL;
}

static void forget(struct file *f) {
    free(f->path);
    f->path = NULL;
}

/* A folder is a prefix of some file's path. */
static bool is_folder(const char *path) {
    size_t n = strlen(path);
    while (n && path[n - 1] == '/') n--;
    for (size_t i = 0; i < MAX_FILES; i++)
        if (files[i].path && strncmp(files[i].path, path, n) == 0 && files[i].path[n] == '/') return true;
    return false;
}

static struct file *of(int fd) {
    SG_ASSERT(fd >= FIRST_FD && fd < FIRST_FD + MAX_OPEN && descriptors[fd - FIRST_FD].used);
    return descriptors[fd - FIRST_FD].file;
}

static int open_one(struct file *f, int flags) {
    for (int i = 0; i < MAX_OPEN; i++) {
        if (descriptors[i].used) continue;
        descriptors[i].used = true;
        descriptors[i].file = f;
        descriptors[i].at = 0;
        descriptors[i].writes = (flags & O_ACCMODE) != O_RDONLY;
        if (f) f->opens++;
        return FIRST_FD + i;
    }
    return -EMFILE;
}

static int disk_open(const char *path, int flags, int mode) {
    (void)mode;
    struct file *f = find(path);
    if (!f && is_folder(path)) return flags & O_DIRECTORY ? open_one(NULL, flags) : -EISDIR;
    if (!f && !(flags & O_CREAT)) return -ENOENT;
    if (f && (flags & O_EXCL)) return -EEXIST;
    if (f && (flags & O_DIRECTORY)) return -ENOTDIR;
    if (!f) f = make(path);
    if (f && (flags & O_TRUNC)) f->text.n = 0;
    return f ? open_one(f, flags) : -ENOSPC;
}

static int disk_close(int fd) {
    struct file *f = of(fd);
    descriptors[fd - FIRST_FD].used = false;
    if (f) f->opens--;
    return 0;
}

static ssize_t disk_pread(int fd, void *p, size_t n, uint64_t at) {
    const struct file *f = of(fd);
    if (at > INT64_MAX) return -EINVAL;
    if (!f) return -EISDIR;
    size_t left = at < f->text.n ? f->text.n - (size_t)at : 0;
    if (n > left) n = left;
    if (n) memcpy(p, f->text.p + at, n);
    return (ssize_t)n;
}

static ssize_t disk_read(int fd, void *p, size_t n) {
    ssize_t got = disk_pread(fd, p, n, descriptors[fd - FIRST_FD].at);
    if (got > 0) descriptors[fd - FIRST_FD].at += (uint64_t)got;
    return got;
}

#define MOST_BYTES ((uint64_t)1 << 26)

static int disk_truncate(int fd, uint64_t size) {
    struct sg_buf *b = &of(fd)->text;
    if (!descriptors[fd - FIRST_FD].writes) return -EBADF;
    if (size > MOST_BYTES) return -ENOSPC;
    if (size > b->n) memset(sg_buf_reserve(b, (size_t)size - b->n), 0, (size_t)size - b->n);
    b->n = (size_t)size;
    return 0;
}

static ssize_t disk_pwrite(int fd, const void *p, size_t n, uint64_t at) {
    struct sg_buf *b = &of(fd)->text;
    if (!descriptors[fd - FIRST_FD].writes) return -EBADF;
    if (at > MOST_BYTES || n > MOST_BYTES) return -ENOSPC;
    if (at + n > b->n) disk_truncate(fd, at + n);
    memcpy(b->p + at, p, n);
    return (ssize_t)n;
}

static int disk_sync(int fd) {
    (void)fd;
    return 0;
}

static int disk_unlink(const char *path) {
    struct file *f = find(path);
    if (!f) return -ENOENT;
    forget(f);
    return 0;
}

static int disk_rename(const char *from, const char *to) {
    struct file *f = find(from), *old = find(to);
    if (!f) return -ENOENT;
    if (old && old != f) forget(old);
    free(f->path);
    f->path = strdup(to);
    return 0;
}

static int disk_folder(const char *path) {
    (void)path;
    return 0;
}

static int disk_mkdir(const char *path, int mode) {
    (void)path, (void)mode;
    return 0;
}

static void fill_info(const struct file *f, struct sg_file_info *out) {
    *out = (struct sg_file_info){.size = f ? f->text.n : 0, .inode = f ? f->inode : 0, .device = 1,
                                 .mtime_ns = 1700000000000000000, .is_dir = !f, .is_regular = f};
}

static int disk_stat(const char *path, struct sg_file_info *out) {
    const struct file *f = find(path);
    if (!f && !is_folder(path)) return -ENOENT;
    fill_info(f, out);
    return 0;
}

static int disk_fstat(int fd, struct sg_file_info *out) {
    fill_info(of(fd), out);
    return 0;
}

static int disk_list(const char *folder, void (*each)(void *ud, const char *name), void *ud) {
    size_t n = strlen(folder);
    for (size_t i = 0; i < MAX_FILES; i++) {
        const char *path = files[i].path;
        if (path && strncmp(path, folder, n) == 0 && path[n] == '/' && !strchr(path + n + 1, '/'))
            each(ud, path + n + 1);
    }
    return 0;
}

static uint64_t fixed_entropy(void) {
    return 4;
}

static int64_t fixed_wall(void) {
    return 1700000000000000000;
}

void fuzz_disk_use(void) {
    static struct sg_os os;
    os = sg_os_posix;
    os.open = disk_open;
    os.close = disk_close;
    os.read = disk_read;
    os.pread = disk_pread;
    os.pwrite = disk_pwrite;
    os.sync = disk_sync;
    os.truncate = disk_truncate;
    os.rename = disk_rename;
    os.unlink = disk_unlink;
    os.rmdir = disk_folder;
    os.mkdir = disk_mkdir;
    os.stat = disk_stat;
    os.fstat = disk_fstat;
    os.list = disk_list;
    os.entropy = fixed_entropy;
    os.wall_ns = fixed_wall;
    os.real = false;
    sg_os = &os;
}

void fuzz_disk_clear(void) {
    for (size_t i = 0; i < MAX_OPEN; i++) SG_ASSERT(!descriptors[i].used);
    for (size_t i = 0; i < MAX_FILES; i++) {
        forget(&files[i]);
        sg_buf_fini(&files[i].text);
    }
    inodes = 0;
}

void fuzz_put(const char *path, struct sg_str text) {
    struct file *f = find(path);
    if (!f) f = make(path);
    SG_ASSERT(f);
    f->text.n = 0;
    sg_buf_str(&f->text, text);
}

bool fuzz_get(const char *path, struct sg_str *out) {
    const struct file *f = find(path);
    if (f) *out = sg_buf_view(&f->text);
    return f;
}
