/* SPDX-License-Identifier: Apache-2.0 */
/* disk_sim: files in memory, and what of them would survive.
 *
 * A file has two contents: `now`, which every process sees, and `disk`, which is sure to be there after a loss of power. A
 * write marks the sectors it touches; a sync copies the marked ones over. A folder has two lists of entries in the same way;
 * creates, renames and removals are changes that wait, in order, until the folder itself is synced. (ext4 writes a new
 * file's entry with the file; POSIX does not promise it, so neither do we.)
 *
 * A loss of power: of the changes that wait, a drawn number of the first ones happened (in a quarter of the cases, any of
 * them); of the marked sectors of each file, a drawn part was written, one of them torn in the middle; the size is the old
 * one, the new one, or where the written sectors end. What a file has beyond that is gone.
 *
 * A failed sync writes a part of the sectors and unmarks them all, as Linux does: the next sync succeeds and says nothing,
 * and the bytes are seen by everybody until the power goes.
 *
 * Descriptors are numbers from FIRST_FD on, so that no real one is taken for one of them. */
#include "sim/parts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#define FIRST_FD 1000
#define MAX_OPEN 256
#define SECTOR ((size_t)512)
#define FIRST_CAP ((size_t)4096)
#define NAME_BYTES 64
#define PATH_BYTES 256
#define READ_COST_HIGH 50000
#define WRITE_COST_HIGH 200000
#define SYNC_COST_HIGH SG_MS(30)

struct entry {
    struct entry *next;
    struct node *node;
    char name[NAME_BYTES];
};

struct node {
    uint64_t inode;
    bool is_dir;
    uint32_t links, opens; /* names in `now`, descriptors */
    int64_t mtime_ns;
    struct entry *now_entries, *disk_entries;
    char *now, *disk;
    uint8_t *marked; /* a byte a sector */
    size_t cap;
    uint64_t size, disk_size;
};

/* rename: both; create: `to` only; removal: `from` only. */
struct change {
    struct change *next;
    struct node *from_dir, *to_dir, *node;
    char from[NAME_BYTES], to[NAME_BYTES];
};

struct sg_sim_disk {
    struct node *root;
    struct node *nodes[4096]; /* all that ever were */
    size_t n_nodes;
    struct change *waiting, **waiting_end;
    uint64_t used, operations;
};

/* Of this process. */
static struct open_file {
    struct node *node;
    uint64_t at;
    int flags;
    char path[PATH_BYTES];
} files[MAX_OPEN];

/* --- names -------------------------------------------------------------------------------------------------------- */

static void copy_name(char to[NAME_BYTES], const char *from) {
    size_t n = strlen(from);
    SG_ASSERT(n < NAME_BYTES);
    memcpy(to, from, n + 1);
}

static struct entry **find_entry(struct entry **list, const char *name) {
    while (*list && strcmp((*list)->name, name) != 0) list = &(*list)->next;
    return list;
}

static struct node *look_up(const struct node *dir, const char *name) {
    const struct entry *e = dir->now_entries;
    while (e && strcmp(e->name, name) != 0) e = e->next;
    return e ? e->node : NULL;
}

static void set_entry(struct sg_sim *s, struct entry **list, const char *name, struct node *node) {
    struct entry **at = find_entry(list, name);
    if (!*at) {
        *at = sg_sim_alloc(s, sizeof **at);
        copy_name((*at)->name, name);
    }
    (*at)->node = node;
}

static void remove_entry(struct sg_sim *s, struct entry **list, const char *name) {
    struct entry **at = find_entry(list, name), *e = *at;
    if (!e) return;
    *at = e->next;
    sg_sim_free(s, e, sizeof *e);
}

static struct node *new_node(struct sg_sim *s, bool is_dir) {
    struct sg_sim_disk *d = s->disk;
    struct node *n = sg_sim_alloc(s, sizeof *n);
    SG_ASSERT(d->n_nodes < sizeof d->nodes / sizeof *d->nodes);
    d->nodes[d->n_nodes++] = n;
    n->inode = d->n_nodes;
    n->is_dir = is_dir;
    return n;
}

/* The next part of a path: "." and empty ones are left out. False: there is none. */
static bool next_part(const char **path, char *name) {
    for (;;) {
        while (**path == '/') ++*path;
        size_t n = strcspn(*path, "/");
        if (n == 0) return false;
        SG_ASSERT(n < NAME_BYTES);
        memcpy(name, *path, n);
        name[n] = '\0';
        *path += n;
        if (strcmp(name, ".") != 0) return true;
    }
}

/* The folder that holds the last part of a path, and that part ("" for the root). Returns 0 or a negative errno. */
static int walk(struct sg_sim *s, const char *path, struct node **dir, char *last) {
    char part[NAME_BYTES];
    *dir = s->disk->root;
    *last = '\0';
    while (next_part(&path, part)) {
        struct node *inner = *last ? look_up(*dir, last) : *dir;
        if (!inner) return -ENOENT;
        if (!inner->is_dir) return -ENOTDIR;
        *dir = inner;
        memcpy(last, part, sizeof part);
    }
    return 0;
}

static int find_node(struct sg_sim *s, const char *path, struct node **out) {
    struct node *dir;
    char last[NAME_BYTES];
    int rc = walk(s, path, &dir, last);
    if (rc < 0) return rc;
    *out = *last ? look_up(dir, last) : dir;
    return *out ? 0 : -ENOENT;
}

/* --- room --------------------------------------------------------------------------------------------------------- */

static uint64_t sectors_of(uint64_t size) {
    return (size + SECTOR - 1) / SECTOR * SECTOR;
}

static void hold(struct sg_sim *s, struct node *n, size_t size) {
    if (size <= n->cap) return;
    struct node old = *n;
    n->cap = old.cap ? old.cap : FIRST_CAP;
    while (n->cap < size) n->cap *= 2;
    n->now = sg_sim_alloc(s, n->cap);
    n->disk = sg_sim_alloc(s, n->cap);
    n->marked = sg_sim_alloc(s, n->cap / SECTOR);
    if (!old.cap) return;
    memcpy(n->now, old.now, old.cap);
    memcpy(n->disk, old.disk, old.cap);
    memcpy(n->marked, old.marked, old.cap / SECTOR);
    sg_sim_free(s, old.now, old.cap);
    sg_sim_free(s, old.disk, old.cap);
    sg_sim_free(s, old.marked, old.cap / SECTOR);
}

static void mark(struct node *n, uint64_t from, uint64_t to) {
    if (to > from) memset(n->marked + from / SECTOR, 1, sectors_of(to) / SECTOR - from / SECTOR);
}

/* What is cut off reads as zero if the file grows again. */
static void set_size(struct sg_sim *s, struct node *n, uint64_t size) {
    hold(s, n, size);
    uint64_t low = size < n->size ? size : n->size, high = size < n->size ? n->size : size;
    if (size < n->size) memset(n->now + size, 0, n->size - size);
    mark(n, low, high);
    s->disk->used += sectors_of(size) - sectors_of(n->size);
    n->size = size;
}

static void let_go(struct sg_sim *s, struct node *n) {
    if (n->links == 0 && n->opens == 0 && !n->is_dir) s->disk->used -= sectors_of(n->size);
}

/* --- changes ------------------------------------------------------------------------------------------------------ */

static void apply(struct sg_sim *s, const struct change *c, bool on_disk) {
    if (c->from_dir) remove_entry(s, on_disk ? &c->from_dir->disk_entries : &c->from_dir->now_entries, c->from);
    if (c->to_dir) set_entry(s, on_disk ? &c->to_dir->disk_entries : &c->to_dir->now_entries, c->to, c->node);
}

static void add_change(struct sg_sim *s, const struct change *wanted) {
    struct change *c = sg_sim_alloc(s, sizeof *c);
    *c = *wanted;
    struct node *gone = c->from_dir ? look_up(c->from_dir, c->from) : NULL;
    struct node *replaced = c->to_dir ? look_up(c->to_dir, c->to) : NULL;
    if (gone) gone->links--;
    if (replaced) replaced->links--;
    if (c->node) c->node->links++;
    apply(s, c, false);
    if (gone) let_go(s, gone);
    if (replaced) let_go(s, replaced);
    *s->disk->waiting_end = c;
    s->disk->waiting_end = &c->next;
}

static struct change make_change(struct node *from_dir, const char *from, struct node *to_dir, const char *to,
                                 struct node *node) {
    struct change c = {.from_dir = from_dir, .to_dir = to_dir, .node = node};
    if (from) copy_name(c.from, from);
    if (to) copy_name(c.to, to);
    return c;
}

/* Makes durable what waits in `dir`; NULL: everywhere. */
static void settle_changes(struct sg_sim *s, const struct node *dir) {
    struct sg_sim_disk *d = s->disk;
    struct change **at = &d->waiting;
    while (*at) {
        struct change *c = *at;
        if (dir && c->from_dir != dir && c->to_dir != dir) {
            at = &c->next;
            continue;
        }
        apply(s, c, true);
        *at = c->next;
        sg_sim_free(s, c, sizeof *c);
    }
    d->waiting_end = at;
}

static void settle_bytes(struct node *n) {
    for (size_t i = 0; i < n->cap / SECTOR; i++) {
        if (n->marked[i]) memcpy(n->disk + i * SECTOR, n->now + i * SECTOR, SECTOR);
        n->marked[i] = 0;
    }
    n->disk_size = n->size;
}

/* --- faults ------------------------------------------------------------------------------------------------------- */

static void take_time(struct sg_sim *s, uint64_t high_ns) {
    uint64_t took = sg_sim_spread(s, 2000, high_ns);
    if (s->in_job) s->ahead_ns += took;
    else s->now_ns += took;
}

/* Before each operation that changes or reads files. Returns 0, or the error that it fails with. */
static int begin(struct sg_sim *s, const char *what, const char *path, int64_t value, enum sg_sim_fault fault,
                 uint64_t cost_high_ns) {
    sg_sim_note(s, what, path, 0, value);
    if (!s->alive) return 0;
    take_time(s, cost_high_ns);
    if (s->in_turn && !s->in_job) sg_sim_violate(s, "the loop thread was held up by %s of %s", what, path);
    if (++s->operations == s->life.kill_at_operation) sg_sim_die(s);
    if (++s->disk->operations == s->o.disk_fail_at) return s->o.disk_errno ? -s->o.disk_errno : -EIO;
    return fault < SG_SIM_FAULTS && sg_sim_hit(s, fault) ? -EIO : 0;
}

/* How many of n bytes at `at` there is room for. */
static size_t fitting(const struct sg_sim *s, const struct node *n, size_t bytes, uint64_t at) {
    uint64_t limit = s->o.disk_bytes, have = sectors_of(n->size);
    if (!limit || at + bytes <= have) return bytes;
    uint64_t room = limit > s->disk->used ? (limit - s->disk->used) / SECTOR * SECTOR : 0;
    if (at + bytes <= have + room) return bytes;
    return at < have + room ? (size_t)(have + room - at) : 0;
}

/* --- the table: descriptors --------------------------------------------------------------------------------------- */

static struct open_file *file_of(int fd) {
    struct open_file *f = fd >= FIRST_FD && fd < FIRST_FD + MAX_OPEN ? &files[fd - FIRST_FD] : NULL;
    return f && f->node ? f : NULL;
}

static int take_descriptor(struct node *n, const char *path, int flags) {
    for (int i = 0; i < MAX_OPEN; i++) {
        if (files[i].node) continue;
        files[i] = (struct open_file){.node = n, .flags = flags};
        strncpy(files[i].path, path, PATH_BYTES - 1);
        n->opens++;
        return FIRST_FD + i;
    }
    return -EMFILE;
}

static int create(struct sg_sim *s, struct node *dir, const char *name, const char *path, bool is_dir,
                  struct node **out) {
    int rc = begin(s, is_dir ? "mkdir" : "create", path, 0, SG_SIM_FAULTS, WRITE_COST_HIGH);
    if (rc < 0) return rc;
    *out = new_node(s, is_dir);
    (*out)->mtime_ns = (int64_t)sg_sim_time(s);
    struct change c = make_change(NULL, NULL, dir, name, *out);
    add_change(s, &c);
    return 0;
}

static int sim_open(const char *path, int flags, int mode) {
    (void)mode;
    struct sg_sim *s = sg_sim_world;
    struct node *dir, *n;
    char last[NAME_BYTES];
    int rc = walk(s, path, &dir, last);
    if (rc < 0) return rc;
    n = *last ? look_up(dir, last) : dir;
    bool writes = (flags & O_ACCMODE) != O_RDONLY;
    if (!n && !(flags & O_CREAT)) return -ENOENT;
    if (n && (flags & O_CREAT) && (flags & O_EXCL)) return -EEXIST;
    if (n && n->is_dir && writes) return -EISDIR;
    if (n && !n->is_dir && (flags & O_DIRECTORY)) return -ENOTDIR;
    if (!n) rc = create(s, dir, last, path, false, &n);
    if (rc < 0) return rc;
    if (writes && (flags & O_TRUNC) && n->size) {
        rc = begin(s, "truncate", path, 0, SG_SIM_FAULTS, WRITE_COST_HIGH);
        if (rc < 0) return rc;
        set_size(s, n, 0);
    }
    return take_descriptor(n, path, flags);
}

static int sim_close(int fd) {
    struct open_file *f = file_of(fd);
    if (!f) return -EBADF;
    f->node->opens--;
    let_go(sg_sim_world, f->node);
    f->node = NULL;
    return 0;
}

static ssize_t sim_pread(int fd, void *p, size_t n, uint64_t at) {
    struct sg_sim *s = sg_sim_world;
    const struct open_file *f = file_of(fd);
    if (!f) return -EBADF;
    if (f->node->is_dir) return -EISDIR;
    int rc = begin(s, "read", f->path, (int64_t)n, SG_SIM_read_error, READ_COST_HIGH);
    if (rc < 0) return rc;
    if (at >= f->node->size) return 0;
    size_t got = f->node->size - at < n ? (size_t)(f->node->size - at) : n;
    memcpy(p, f->node->now + at, got);
    return (ssize_t)got;
}

static ssize_t sim_read(int fd, void *p, size_t n) {
    struct open_file *f = file_of(fd);
    ssize_t got = sim_pread(fd, p, n, f ? f->at : 0);
    if (got > 0) f->at += (uint64_t)got;
    return got;
}

static ssize_t sim_pwrite(int fd, const void *p, size_t n, uint64_t at) {
    struct sg_sim *s = sg_sim_world;
    const struct open_file *f = file_of(fd);
    if (!f || (f->flags & O_ACCMODE) == O_RDONLY) return -EBADF;
    struct node *node = f->node;
    int rc = begin(s, "pwrite", f->path, (int64_t)n, SG_SIM_write_error, WRITE_COST_HIGH);
    size_t put = fitting(s, node, n, at);
    if (rc == 0 && n > 0 && put == 0) rc = -ENOSPC;
    if (rc < 0) return rc;
    if (put > 1 && sg_sim_hit(s, SG_SIM_short_write)) put = 1 + sg_sim_below(s, put - 1);
    if (at + put > node->size) set_size(s, node, at + put);
    memcpy(node->now + at, p, put);
    mark(node, at, at + put);
    node->mtime_ns = (int64_t)sg_sim_time(s);
    if (s->o.on_write) s->o.on_write(s->o.ud, f->path, at, p, put);
    return (ssize_t)put;
}

static void lose_marks(struct sg_sim *s, struct node *n) {
    for (size_t i = 0; i < n->cap / SECTOR; i++) {
        if (n->marked[i] && sg_sim_below(s, 2)) memcpy(n->disk + i * SECTOR, n->now + i * SECTOR, SECTOR);
        n->marked[i] = 0;
    }
}

static int sim_sync(int fd) {
    struct sg_sim *s = sg_sim_world;
    const struct open_file *f = file_of(fd);
    if (!f) return -EBADF;
    int rc = begin(s, "sync", f->path, 0, SG_SIM_sync_error, SYNC_COST_HIGH);
    if (rc < 0 && !f->node->is_dir) lose_marks(s, f->node);
    if (rc < 0) return rc;
    if (f->node->is_dir) settle_changes(s, f->node);
    else settle_bytes(f->node);
    return 0;
}

static int sim_truncate(int fd, uint64_t size) {
    struct sg_sim *s = sg_sim_world;
    const struct open_file *f = file_of(fd);
    if (!f || (f->flags & O_ACCMODE) == O_RDONLY) return -EBADF;
    int rc = begin(s, "truncate", f->path, (int64_t)size, SG_SIM_write_error, WRITE_COST_HIGH);
    if (rc == 0 && size > f->node->size &&
        fitting(s, f->node, size - f->node->size, f->node->size) < size - f->node->size)
        rc = -ENOSPC;
    if (rc == 0) set_size(s, f->node, size);
    return rc;
}

/* --- the table: names --------------------------------------------------------------------------------------------- */

static int sim_rename(const char *from, const char *to) {
    struct sg_sim *s = sg_sim_world;
    struct node *from_dir = NULL, *to_dir = NULL, *n;
    char old[NAME_BYTES], new[NAME_BYTES];
    int rc = walk(s, from, &from_dir, old);
    if (rc == 0) rc = walk(s, to, &to_dir, new);
    if (rc < 0) return rc;
    n = look_up(from_dir, old);
    if (!n) return -ENOENT;
    struct node *there = look_up(to_dir, new);
    if (there && there->is_dir) return n->is_dir ? -ENOTEMPTY : -EISDIR;
    rc = begin(s, "rename", to, 0, SG_SIM_write_error, WRITE_COST_HIGH);
    if (rc < 0 || there == n) return rc;
    struct change c = make_change(from_dir, old, to_dir, new, n);
    add_change(s, &c);
    return 0;
}

static int remove_name(const char *path, bool is_dir) {
    struct sg_sim *s = sg_sim_world;
    struct node *dir, *n;
    char last[NAME_BYTES];
    int rc = walk(s, path, &dir, last);
    if (rc < 0) return rc;
    n = look_up(dir, last);
    if (!n) return -ENOENT;
    if (n->is_dir != is_dir) return is_dir ? -ENOTDIR : -EISDIR;
    if (n->now_entries) return -ENOTEMPTY;
    rc = begin(s, is_dir ? "rmdir" : "unlink", path, 0, SG_SIM_write_error, WRITE_COST_HIGH);
    if (rc < 0) return rc;
    struct change c = make_change(dir, last, NULL, NULL, NULL);
    add_change(s, &c);
    return 0;
}

static int sim_unlink(const char *path) {
    return remove_name(path, false);
}

static int sim_rmdir(const char *path) {
    return remove_name(path, true);
}

static int sim_mkdir(const char *path, int mode) {
    (void)mode;
    struct sg_sim *s = sg_sim_world;
    struct node *dir, *n;
    char last[NAME_BYTES];
    int rc = walk(s, path, &dir, last);
    if (rc < 0) return rc;
    if (!*last || look_up(dir, last)) return -EEXIST;
    return create(s, dir, last, path, true, &n);
}

static void fill_info(const struct sg_sim *s, const struct node *n, struct sg_file_info *out) {
    *out = (struct sg_file_info){.size = n->size,
                                 .inode = n->inode,
                                 .device = 1,
                                 .mtime_ns = s->o.seed % 1000 + n->mtime_ns,
                                 .is_dir = n->is_dir,
                                 .is_regular = !n->is_dir};
}

static int sim_stat(const char *path, struct sg_file_info *out) {
    struct node *n;
    int rc = find_node(sg_sim_world, path, &n);
    if (rc == 0) fill_info(sg_sim_world, n, out);
    return rc;
}

/* In an order that nobody may count on. */
static int sim_list(const char *folder, void (*each)(void *ud, const char *name), void *ud) {
    struct sg_sim *s = sg_sim_world;
    struct node *dir;
    char names[64][NAME_BYTES];
    size_t n = 0;
    int rc = find_node(s, folder, &dir);
    if (rc < 0) return rc;
    if (!dir->is_dir) return -ENOTDIR;
    for (const struct entry *e = dir->now_entries; e; e = e->next) {
        SG_ASSERT(n < sizeof names / sizeof *names);
        copy_name(names[n++], e->name);
    }
    for (; n > 0; n--) {
        size_t i = sg_sim_below(s, n);
        each(ud, names[i]);
        memcpy(names[i], names[n - 1], NAME_BYTES);
    }
    return 0;
}

static int sim_fstat(int fd, struct sg_file_info *out) {
    const struct open_file *f = file_of(fd);
    if (!f) return -EBADF;
    fill_info(sg_sim_world, f->node, out);
    return 0;
}

/* --- the table: clocks and chance --------------------------------------------------------------------------------- */

/* When the world began: some day in 2026. */
#define BEGAN_NS ((int64_t)1780000000 * 1000000000)

static uint64_t sim_now_ns(void) {
    return sg_sim_clock_ns(sg_sim_world);
}

static int64_t sim_wall_ns(void) {
    return BEGAN_NS + (int64_t)sg_sim_time(sg_sim_world);
}

static uint64_t sim_entropy(void) {
    return sg_rng_next(&sg_sim_world->rng);
}

const struct sg_os sg_sim_os = {
    .open = sim_open,
    .close = sim_close,
    .read = sim_read,
    .pread = sim_pread,
    .pwrite = sim_pwrite,
    .sync = sim_sync,
    .truncate = sim_truncate,
    .rename = sim_rename,
    .unlink = sim_unlink,
    .rmdir = sim_rmdir,
    .mkdir = sim_mkdir,
    .stat = sim_stat,
    .fstat = sim_fstat,
    .list = sim_list,
    .now_ns = sim_now_ns,
    .wall_ns = sim_wall_ns,
    .entropy = sim_entropy,
};

/* --- loss of power ------------------------------------------------------------------------------------------------ */

static size_t count_changes(const struct sg_sim_disk *d) {
    size_t n = 0;
    for (const struct change *c = d->waiting; c; c = c->next) n++;
    return n;
}

static void lose_changes(struct sg_sim *s) {
    struct sg_sim_disk *d = s->disk;
    bool in_order = sg_sim_below(s, 4) > 0;
    size_t kept = sg_sim_below(s, count_changes(d) + 1), i = 0;
    for (struct change *c = d->waiting, *next; c; c = next, i++) {
        next = c->next;
        if (in_order ? i < kept : sg_sim_below(s, 2)) apply(s, c, true);
        sg_sim_free(s, c, sizeof *c);
    }
    d->waiting = NULL;
    d->waiting_end = &d->waiting;
}

static void tear(struct sg_sim *s, struct node *n, size_t sector) {
    memcpy(n->disk + sector * SECTOR, n->now + sector * SECTOR, sg_sim_below(s, SECTOR + 1));
}

/* The old size, the new one, or between them where the written sectors end. */
static void lose_size(struct sg_sim *s, struct node *n, uint64_t written) {
    uint64_t low = n->disk_size < n->size ? n->disk_size : n->size;
    uint64_t high = n->disk_size < n->size ? n->size : n->disk_size;
    uint64_t between = written < low ? low : written > high ? high : written;
    uint64_t sizes[] = {n->disk_size, n->size, n->disk_size < n->size ? between : n->size};
    n->disk_size = sizes[sg_sim_below(s, 3)];
}

/* Sectors reach the disk in blocks of 512 to 4,096 bytes. */
static void lose_sectors(struct sg_sim *s, struct node *n) {
    static const double shares[] = {0, 0.1, 0.5, 0.9, 1};
    size_t block = (size_t)1 << sg_sim_below(s, 4), last = 0;
    double share = shares[sg_sim_below(s, 5)];
    bool keep = false, any = false;
    for (size_t i = 0; i < n->cap / SECTOR; i++) {
        if (i % block == 0) keep = sg_sim_chance(s, share);
        if (!n->marked[i] || !keep) continue;
        memcpy(n->disk + i * SECTOR, n->now + i * SECTOR, SECTOR);
        last = i;
        any = true;
    }
    for (size_t i = last; any && i < n->cap / SECTOR; i++)
        if (n->marked[i] && i > last) {
            tear(s, n, i);
            break;
        }
    lose_size(s, n, any ? (last + 1) * SECTOR : 0);
}

static void come_back(struct sg_sim *s, struct node *n) {
    lose_sectors(s, n);
    if (n->cap) {
        memset(n->disk + n->disk_size, 0, n->cap - n->disk_size);
        memcpy(n->now, n->disk, n->cap);
        memset(n->marked, 0, n->cap / SECTOR);
    }
    n->size = n->disk_size;
    n->links = 0;
}

static void reload_folder(struct sg_sim *s, struct node *dir) {
    while (dir->now_entries) remove_entry(s, &dir->now_entries, dir->now_entries->name);
    for (const struct entry *e = dir->disk_entries; e; e = e->next) set_entry(s, &dir->now_entries, e->name, e->node);
}

static void count_links(struct sg_sim *s, struct node *dir) {
    for (const struct entry *e = dir->now_entries; e; e = e->next) {
        if (e->node->links++ == 0) s->disk->used += sectors_of(e->node->size);
        if (e->node->is_dir) count_links(s, e->node);
    }
}

void sg_sim_disk_cut(struct sg_sim *s) {
    struct sg_sim_disk *d = s->disk;
    lose_changes(s);
    for (size_t i = 0; i < d->n_nodes; i++) {
        come_back(s, d->nodes[i]);
        if (d->nodes[i]->is_dir) reload_folder(s, d->nodes[i]);
    }
    d->used = 0;
    count_links(s, d->root);
}

/* --- from outside ------------------------------------------------------------------------------------------------- */

struct sg_sim_disk *sg_sim_disk_make(struct sg_sim *s) {
    struct sg_sim_disk *d = s->disk = sg_sim_alloc(s, sizeof *d);
    d->waiting_end = &d->waiting;
    d->root = new_node(s, true);
    return d;
}

/* Only the shared counts: the table of descriptors is the dead process's. */
void sg_sim_disk_release(struct sg_sim *s) {
    for (size_t i = 0; i < s->disk->n_nodes; i++) {
        struct node *n = s->disk->nodes[i];
        if (n->opens == 0) continue;
        n->opens = 0;
        let_go(s, n);
    }
    memset(files, 0, sizeof files);
}

static void make_folders(struct sg_sim *s, const char *path) {
    struct node *dir = s->disk->root, *inner;
    char name[NAME_BYTES], ahead[NAME_BYTES];
    while (next_part(&path, name)) {
        const char *rest = path;
        if (!next_part(&rest, ahead)) return;
        inner = look_up(dir, name);
        if (!inner) {
            inner = new_node(s, true);
            struct change c = make_change(NULL, NULL, dir, name, inner);
            add_change(s, &c);
        }
        dir = inner;
    }
}

void sg_sim_put_file(struct sg_sim *s, const char *path, struct sg_str text) {
    struct node *dir, *n;
    char last[NAME_BYTES];
    make_folders(s, path);
    SG_ASSERT(walk(s, path, &dir, last) == 0 && *last);
    n = look_up(dir, last);
    if (!n) {
        n = new_node(s, false);
        struct change c = make_change(NULL, NULL, dir, last, n);
        add_change(s, &c);
    }
    set_size(s, n, 0);
    set_size(s, n, text.n);
    if (text.n) memcpy(n->now, text.p, text.n);
    settle_changes(s, NULL);
    settle_bytes(n);
}

bool sg_sim_get_file(struct sg_sim *s, const char *path, struct sg_str *out) {
    struct node *n;
    *out = SG_STR_NONE;
    if (find_node(s, path, &n) < 0 || n->is_dir) return false;
    *out = (struct sg_str){n->now ? n->now : "", n->size};
    return true;
}

uint64_t sg_sim_synced_bytes(struct sg_sim *s, const char *path) {
    struct node *n;
    if (find_node(s, path, &n) < 0 || n->is_dir) return 0;
    for (size_t i = 0; i < n->cap / SECTOR && i * SECTOR < n->size; i++)
        if (n->marked[i]) return i * SECTOR < n->disk_size ? i * SECTOR : n->disk_size;
    return n->size < n->disk_size ? n->size : n->disk_size;
}

uint64_t sg_sim_disk_operations(const struct sg_sim *s) {
    return s->disk->operations;
}
