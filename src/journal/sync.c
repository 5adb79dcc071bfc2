/* SPDX-License-Identifier: Apache-2.0 */
/* sync: the files of one round of syncing.
 *
 * Descriptors that stay in use are lent: their owner does not close them while a round may hold them, but hands them over to
 * the next round as its last user. So nobody waits for anybody, and no error of a sync is lost to a descriptor that was
 * opened too late to see it. */
#include "journal/journal.h"

#include <stdlib.h>

#define FOLDERS (sizeof((struct sg_sync *)0)->folders / sizeof(char *))

void sg_sync_add(struct sg_sync *y, int fd, bool last, const char *path) {
    if (y->n == y->cap) {
        y->cap = y->cap ? 2 * y->cap : 8;
        y->files = sg_xrealloc(y->files, y->cap * sizeof *y->files);
    }
    y->files[y->n++] = (struct sg_sync_file){fd, last, path};
}

void sg_sync_add_folder(struct sg_sync *y, const char *path) {
    size_t i = 0;
    while (i < FOLDERS && y->folders[i]) i++;
    SG_ASSERT(i < FOLDERS);
    y->folders[i] = path;
}

static void clear(struct sg_sync *y) {
    for (size_t i = 0; i < y->n; i++)
        if (y->files[i].last) sg_os->close(y->files[i].fd);
    y->n = 0;
    for (size_t i = 0; i < FOLDERS; i++) y->folders[i] = NULL;
}

int sg_sync_run(struct sg_sync *y, struct sg_err *err) {
    int rc = 0;
    const char *path = NULL;
    for (size_t i = 0; i < y->n && rc == 0; i++) {
        path = y->files[i].path;
        rc = sg_os->sync(y->files[i].fd);
    }
    for (size_t i = 0; i < FOLDERS && rc == 0 && y->folders[i]; i++) {
        path = y->folders[i];
        rc = sg_os_sync_folder(path);
    }
    if (rc < 0) rc = sg_fail_sys(err, SG_E_IO, -rc, "%s: sync failed", path);
    clear(y);
    return rc;
}

void sg_sync_fini(struct sg_sync *y) {
    clear(y);
    free(y->files);
    *y = (struct sg_sync){0};
}
