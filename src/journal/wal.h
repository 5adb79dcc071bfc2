/* SPDX-License-Identifier: Apache-2.0 */
/* wal: is SQLite's log damaged in its middle? Private to journal.
 *
 * SQLite takes the first frame that does not check for the end of the log, and goes on without what is behind it. That is
 * right for a torn tail; but where whole frames of the same log follow, commits would be lost in silence. */
#ifndef SG_JOURNAL_WAL_H
#define SG_JOURNAL_WAL_H

#include "base/base.h"

/* SG_E_SYNTAX: there are frames behind the first that does not check; err says where that is. No log is a good one. Only
 * means something when the machine has not been restarted since: a loss of power may leave frames out. */
int sg_wal_check(const char *path, struct sg_err *err);

#endif
