/* SPDX-License-Identifier: Apache-2.0 */
/* vfs: SQLite's files over the seam base/os, so that what fails, tears or is simulated there does so for SQLite, too.
 * Private to journal.
 *
 * Thread: any.   Errors: SQLite's codes; SQLITE_FULL for a full disk. */
#ifndef SG_JOURNAL_VFS_H
#define SG_JOURNAL_VFS_H

#include <sqlite3.h>
#include <stdint.h>

#define SG_VFS_PAGE 16384

/* The name to open databases with. Sets SQLite up on the first call, which must come before any other use of it. */
const char *sg_vfs(void);
/* Before the first table of a new database is made, with pages of SG_VFS_PAGE: leaves room for the checksum of each. */
int sg_vfs_reserve(sqlite3 *db);
/* The page, from 1, that did not check when this thread got SQLITE_IOERR_DATA last. */
uint32_t sg_vfs_bad_page(void);
/* Why this thread's last failed operation failed. */
int sg_vfs_errno(void);

#endif
