/* SPDX-License-Identifier: Apache-2.0 */
/* vfs: all data of SQLite's files go through sg_os: open, read, write, truncate, sync, size, delete, time, randomness.
 *
 * Locks between processes and the shared memory of the log's index are not data: they vanish with the process. In the real
 * world a database has a second file beside ours for them, SQLite's own "unix" one on the same path; in any other world
 * there is one process, so locks always succeed and the index lives in memory.
 *
 * The trap of POSIX locks: closing any descriptor of a file drops all locks that the process holds on it. "unix" knows its
 * own descriptors and closes them late. Ours are shared by all who have the database open in this process, and closed with
 * the last of them, after its "unix" file.
 *
 * SQLite checks what is in its log, but nothing of what is in the database: a flipped bit is another number. So pages of the
 * database end in 8 bytes of ours (SQLite leaves them alone: sg_vfs_reserve), put there when a page is written and checked
 * when it is read: CRC-32C of the page's number, and of number and page. In the log there are zeros instead, and so there are
 * in the database when another program has moved the log into it (the sqlite3 shell does, having looked at a dead run): such
 * pages are taken as they are.
 *
 * A file that has just been made is durable only when its folder has been synced: done with its first sync. */
#include "journal/vfs.h"

#include "base/base.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define SECTOR 4096
#define SEAL 8
#define JULIAN_1970_MS INT64_C(210866760000000)

/* A descriptor of a database, in the real world. */
struct shared {
    struct shared *next;
    uint64_t device, inode;
    int fd;
    unsigned users;
    bool read_only;
};

struct file {
    sqlite3_file base;
    const char *path; /* SQLite's, as long as the file is open */
    int fd;
    bool sealed;           /* a database */
    atomic_bool fresh;     /* made by us, its folder not synced yet */
    struct shared *shared; /* whose `fd` is; NULL: our own */
    sqlite3_file *locks;   /* in the memory behind this struct; NULL: none */
    void **regions;        /* the log's index where there are no `locks` */
    int n_regions;
};

static sqlite3_vfs *unix_vfs;
static struct shared *all_shared;
static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local int last_errno;
static _Thread_local uint32_t bad_page;

static struct file *file_of(sqlite3_file *base) {
    return (struct file *)base;
}

/* `rc` is a negative errno. */
static int failed(int rc, int code) {
    last_errno = -rc;
    return rc == -ENOSPC || rc == -EDQUOT ? SQLITE_FULL : code;
}

/* --- data ------------------------------------------------------------------------------------------------------- */

static void put_u32(char *p, uint32_t v) {
    for (int i = 0; i < 4; i++) p[i] = (char)(v >> (8 * i));
}

/* The checksum of a page covers its number, so that a page in another's place is noticed, too. */
static void make_seal(const char *page, sqlite3_int64 at, char seal[SEAL]) {
    char number[4];
    put_u32(number, (uint32_t)(at / SG_VFS_PAGE) + 1);
    put_u32(seal, sg_crc32c(0, number, sizeof number));
    put_u32(seal + 4, sg_crc32c(sg_crc32c(0, number, sizeof number), page, SG_VFS_PAGE - SEAL));
}

static bool is_page(const struct file *f, int n, sqlite3_int64 at) {
    return f->sealed && n == SG_VFS_PAGE && at % SG_VFS_PAGE == 0;
}

/* The seal does not stay in memory, so that none that is out of date gets into the log. */
static int take_seal_off(char *page, sqlite3_int64 at) {
    static const char none[SEAL];
    char seal[SEAL], *there = page + SG_VFS_PAGE - SEAL;
    make_seal(page, at, seal);
    if (memcmp(there, none, SEAL) != 0 && memcmp(there, seal, SEAL) != 0) {
        bad_page = (uint32_t)(at / SG_VFS_PAGE) + 1;
        return SQLITE_IOERR_DATA;
    }
    memset(there, 0, SEAL);
    return SQLITE_OK;
}

/* A read behind the end gives zeros and says so. */
static int vfs_read(sqlite3_file *base, void *p, int n, sqlite3_int64 at) {
    size_t done = 0, want = (size_t)n;
    while (done < want) {
        ssize_t got = sg_os->pread(file_of(base)->fd, (char *)p + done, want - done, (uint64_t)at + done);
        if (got < 0) return failed((int)got, SQLITE_IOERR_READ);
        if (got == 0) break;
        done += (size_t)got;
    }
    if (done == want) return is_page(file_of(base), n, at) ? take_seal_off(p, at) : SQLITE_OK;
    memset((char *)p + done, 0, want - done);
    return SQLITE_IOERR_SHORT_READ;
}

static int vfs_write(sqlite3_file *base, const void *p, int n, sqlite3_int64 at) {
    char sealed[SG_VFS_PAGE];
    if (is_page(file_of(base), n, at)) {
        memcpy(sealed, p, SG_VFS_PAGE - SEAL);
        make_seal(sealed, at, sealed + SG_VFS_PAGE - SEAL);
        p = sealed;
    }
    int rc = sg_os_pwrite_all(file_of(base)->fd, p, (size_t)n, (uint64_t)at);
    return rc < 0 ? failed(rc, SQLITE_IOERR_WRITE) : SQLITE_OK;
}

static int vfs_truncate(sqlite3_file *base, sqlite3_int64 size) {
    int rc = sg_os->truncate(file_of(base)->fd, (uint64_t)size);
    return rc < 0 ? failed(rc, SQLITE_IOERR_TRUNCATE) : SQLITE_OK;
}

static int sync_folder_of(const char *path) {
    struct sg_arena scratch;
    sg_arena_init(&scratch, 512);
    struct sg_str folder = sg_str(path);
    while (folder.n && folder.p[folder.n - 1] != '/') folder.n--;
    int rc = sg_os_sync_folder(folder.n ? sg_str_dup(&scratch, folder).p : ".");
    sg_arena_fini(&scratch);
    return rc;
}

static int vfs_sync(sqlite3_file *base, int flags) {
    struct file *f = file_of(base);
    (void)flags; /* fdatasync is enough for all of them */
    int rc = sg_os->sync(f->fd);
    if (rc < 0) return failed(rc, SQLITE_IOERR_FSYNC);
    if (!atomic_load(&f->fresh)) return SQLITE_OK;
    rc = sync_folder_of(f->path);
    if (rc < 0) return failed(rc, SQLITE_IOERR_DIR_FSYNC);
    atomic_store(&f->fresh, false);
    return SQLITE_OK;
}

static int vfs_size(sqlite3_file *base, sqlite3_int64 *out) {
    struct sg_file_info info;
    int rc = sg_os->fstat(file_of(base)->fd, &info);
    if (rc < 0) return failed(rc, SQLITE_IOERR_FSTAT);
    *out = (sqlite3_int64)info.size;
    return SQLITE_OK;
}

/* --- locks and the log's index ---------------------------------------------------------------------------------- */

static int vfs_lock(sqlite3_file *base, int level) {
    sqlite3_file *l = file_of(base)->locks;
    return l ? l->pMethods->xLock(l, level) : SQLITE_OK;
}

static int vfs_unlock(sqlite3_file *base, int level) {
    sqlite3_file *l = file_of(base)->locks;
    return l ? l->pMethods->xUnlock(l, level) : SQLITE_OK;
}

static int vfs_is_reserved(sqlite3_file *base, int *out) {
    sqlite3_file *l = file_of(base)->locks;
    *out = 0;
    return l ? l->pMethods->xCheckReservedLock(l, out) : SQLITE_OK;
}

static void map_in_memory(struct file *f, int region, int bytes, volatile void **out) {
    if (region >= f->n_regions) {
        f->regions = sg_xrealloc(f->regions, (size_t)(region + 1) * sizeof *f->regions);
        while (f->n_regions <= region) f->regions[f->n_regions++] = sg_xcalloc(1, (size_t)bytes);
    }
    *out = f->regions[region];
}

static int vfs_shm_map(sqlite3_file *base, int region, int bytes, int extend, volatile void **out) {
    struct file *f = file_of(base);
    *out = NULL;
    if (f->locks) return f->locks->pMethods->xShmMap(f->locks, region, bytes, extend, out);
    if (extend || region < f->n_regions) map_in_memory(f, region, bytes, out);
    return SQLITE_OK;
}

static int vfs_shm_lock(sqlite3_file *base, int offset, int n, int flags) {
    sqlite3_file *l = file_of(base)->locks;
    return l ? l->pMethods->xShmLock(l, offset, n, flags) : SQLITE_OK;
}

static void vfs_shm_barrier(sqlite3_file *base) {
    sqlite3_file *l = file_of(base)->locks;
    if (l) l->pMethods->xShmBarrier(l);
}

static int vfs_shm_unmap(sqlite3_file *base, int delete) {
    struct file *f = file_of(base);
    if (f->locks) return f->locks->pMethods->xShmUnmap(f->locks, delete);
    for (int i = 0; i < f->n_regions; i++) free(f->regions[i]);
    free(f->regions);
    f->regions = NULL;
    f->n_regions = 0;
    return SQLITE_OK;
}

/* --- what files are like ---------------------------------------------------------------------------------------- */

static int vfs_control(sqlite3_file *base, int op, void *arg) {
    (void)base, (void)op, (void)arg;
    return SQLITE_NOTFOUND;
}

static int vfs_sector(sqlite3_file *base) {
    (void)base;
    return SECTOR;
}

/* A write does not touch bytes outside of it, whenever the power fails: what "unix" assumes, too. */
static int vfs_traits(sqlite3_file *base) {
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* --- opening and closing ---------------------------------------------------------------------------------------- */

static int open_data(const char *path, int flags, bool *read_only) {
    int more = (flags & SQLITE_OPEN_CREATE ? O_CREAT : 0) | (flags & SQLITE_OPEN_EXCLUSIVE ? O_EXCL : 0);
    int fd = sg_os->open(path, O_RDWR | more, 0666);
    bool refused = fd == -EACCES || fd == -EROFS || fd == -EPERM;
    *read_only = refused;
    return refused ? sg_os->open(path, O_RDONLY, 0) : fd;
}

static struct shared *find_shared(const struct sg_file_info *info) {
    struct shared *s = all_shared;
    while (s && (s->inode != info->inode || s->device != info->device)) s = s->next;
    return s;
}

static int open_new_shared(const char *path, int flags, struct shared **out) {
    struct sg_file_info info;
    bool read_only;
    int fd = open_data(path, flags, &read_only), rc = fd < 0 ? fd : sg_os->fstat(fd, &info);
    if (rc < 0) {
        if (fd >= 0) sg_os->close(fd);
        return rc;
    }
    struct shared *s = *out = sg_xmalloc(sizeof *s);
    *s = (struct shared){all_shared, info.device, info.inode, fd, 1, read_only};
    all_shared = s;
    return 0;
}

static int open_shared(const char *path, int flags, struct shared **out) {
    struct sg_file_info info;
    int rc = 0;
    pthread_mutex_lock(&shared_lock);
    *out = sg_os->stat(path, &info) == 0 ? find_shared(&info) : NULL;
    if (*out) (*out)->users++;
    else rc = open_new_shared(path, flags, out);
    pthread_mutex_unlock(&shared_lock);
    return rc;
}

static void close_shared(struct shared *s) {
    pthread_mutex_lock(&shared_lock);
    if (--s->users == 0) {
        struct shared **link = &all_shared;
        while (*link != s) link = &(*link)->next;
        *link = s->next;
        sg_os->close(s->fd);
        free(s);
    }
    pthread_mutex_unlock(&shared_lock);
}

static void close_data(struct file *f) {
    if (f->shared) close_shared(f->shared);
    else sg_os->close(f->fd);
}

static int vfs_close(sqlite3_file *base) {
    struct file *f = file_of(base);
    if (f->locks) f->locks->pMethods->xClose(f->locks);
    else vfs_shm_unmap(base, 0);
    close_data(f);
    return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = vfs_close,
    .xRead = vfs_read,
    .xWrite = vfs_write,
    .xTruncate = vfs_truncate,
    .xSync = vfs_sync,
    .xFileSize = vfs_size,
    .xLock = vfs_lock,
    .xUnlock = vfs_unlock,
    .xCheckReservedLock = vfs_is_reserved,
    .xFileControl = vfs_control,
    .xSectorSize = vfs_sector,
    .xDeviceCharacteristics = vfs_traits,
    .xShmMap = vfs_shm_map,
    .xShmLock = vfs_shm_lock,
    .xShmBarrier = vfs_shm_barrier,
    .xShmUnmap = vfs_shm_unmap,
};

/* Ours exists already, so "unix" need not make it. */
static int open_locks(struct file *f, int flags) {
    sqlite3_file *l = (sqlite3_file *)(void *)(f + 1);
    int rc = unix_vfs->xOpen(unix_vfs, f->path, l, flags & ~(SQLITE_OPEN_CREATE | SQLITE_OPEN_EXCLUSIVE), NULL);
    if (rc == SQLITE_OK) f->locks = l;
    return rc;
}

static int begin_file(struct file *f, int flags, bool *read_only) {
    bool shares = sg_os->real && (flags & SQLITE_OPEN_MAIN_DB);
    atomic_init(&f->fresh, (flags & SQLITE_OPEN_CREATE) && !sg_os_exists(f->path));
    int rc = shares ? open_shared(f->path, flags, &f->shared) : open_data(f->path, flags, read_only);
    if (rc < 0) return failed(rc, SQLITE_CANTOPEN);
    f->fd = shares ? f->shared->fd : rc;
    if (shares) *read_only = f->shared->read_only;
    return SQLITE_OK;
}

/* Files without a name hold what does not fit into memory for a moment: they are nobody else's business. */
static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags, int *out_flags) {
    (void)vfs;
    if (!path) return unix_vfs->xOpen(unix_vfs, path, base, flags, out_flags);
    struct file *f = file_of(base);
    *f = (struct file){.path = path, .sealed = flags & SQLITE_OPEN_MAIN_DB};
    bool read_only = false;
    int rc = begin_file(f, flags, &read_only);
    if (rc != SQLITE_OK) return rc;
    if (read_only) flags = (flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
    if (f->shared) rc = open_locks(f, flags);
    if (rc != SQLITE_OK) {
        close_data(f);
        return rc;
    }
    if (out_flags) *out_flags = flags;
    base->pMethods = &methods;
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *path, int sync_folder) {
    (void)vfs;
    int rc = sg_os->unlink(path);
    if (rc == -ENOENT) return SQLITE_IOERR_DELETE_NOENT;
    if (rc < 0) return failed(rc, SQLITE_IOERR_DELETE);
    rc = sync_folder ? sync_folder_of(path) : 0;
    return rc < 0 ? failed(rc, SQLITE_IOERR_DIR_FSYNC) : SQLITE_OK;
}

/* An empty file counts as none, as in "unix": a journal that is empty has nothing to say. */
static int vfs_access(sqlite3_vfs *vfs, const char *path, int flags, int *out) {
    struct sg_file_info info;
    (void)vfs;
    int rc = sg_os->stat(path, &info);
    *out = rc == 0 && (flags != SQLITE_ACCESS_EXISTS || !info.is_regular || info.size > 0);
    return SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *path, int room, char *out) {
    (void)vfs;
    return snprintf(out, (size_t)room, "%s", path) < room ? SQLITE_OK : SQLITE_CANTOPEN;
}

/* --- the rest of the world -------------------------------------------------------------------------------------- */

static int vfs_random(sqlite3_vfs *vfs, int n, char *out) {
    (void)vfs;
    for (int at = 0; at < n; at += 8) {
        uint64_t v = sg_os->entropy();
        memcpy(out + at, &v, (size_t)(n - at < 8 ? n - at : 8));
    }
    return n;
}

/* SQLite sleeps when another process holds a lock. */
static int vfs_sleep(sqlite3_vfs *vfs, int us) {
    (void)vfs;
    return sg_os->real ? unix_vfs->xSleep(unix_vfs, us) : us;
}

static int vfs_time_ms(sqlite3_vfs *vfs, sqlite3_int64 *out) {
    (void)vfs;
    *out = JULIAN_1970_MS + sg_os->wall_ns() / 1000000;
    return SQLITE_OK;
}

static int vfs_time(sqlite3_vfs *vfs, double *out) {
    sqlite3_int64 ms;
    vfs_time_ms(vfs, &ms);
    *out = (double)ms / 86400000.0;
    return SQLITE_OK;
}

/* NOLINTNEXTLINE(readability-non-const-parameter): the type is SQLite's */
static int vfs_last_error(sqlite3_vfs *vfs, int n, char *out) {
    (void)vfs, (void)n, (void)out;
    return last_errno;
}

static sqlite3_vfs our_vfs = {
    .iVersion = 2,
    .mxPathname = 4096,
    .zName = "sygra",
    .xOpen = vfs_open,
    .xDelete = vfs_delete,
    .xAccess = vfs_access,
    .xFullPathname = vfs_full_path,
    .xRandomness = vfs_random,
    .xSleep = vfs_sleep,
    .xCurrentTime = vfs_time,
    .xGetLastError = vfs_last_error,
    .xCurrentTimeInt64 = vfs_time_ms,
};

/* Without statistics malloc takes no lock of SQLite's. */
static void set_up(void) {
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    SG_ASSERT(sqlite3_initialize() == SQLITE_OK);
    unix_vfs = sqlite3_vfs_find("unix");
    SG_ASSERT(unix_vfs);
    our_vfs.szOsFile = (int)sizeof(struct file) + unix_vfs->szOsFile;
    SG_ASSERT(sqlite3_vfs_register(&our_vfs, 0) == SQLITE_OK);
}

const char *sg_vfs(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, set_up);
    return our_vfs.zName;
}

int sg_vfs_reserve(sqlite3 *db) {
    int n = SEAL;
    return sqlite3_file_control(db, "main", SQLITE_FCNTL_RESERVE_BYTES, &n);
}

uint32_t sg_vfs_bad_page(void) {
    return bad_page;
}

int sg_vfs_errno(void) {
    return last_errno;
}
