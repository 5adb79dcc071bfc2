/* SPDX-License-Identifier: Apache-2.0 */
/* logfile: log.jsonl of the run folder (docs/formats/run-folder.md): every event as a JSON line, for later. Private to run.
 *
 * Lines are gathered on the loop and appended by a worker of its own, so that a slow disk holds up nothing. It is never
 * synced, and promises nothing after a loss of power; a write that fails ends the log, not the run.
 * Bounds: SG_LOGFILE_BYTES a file, then it becomes log.1.jsonl in the place of an older one; SG_LOGFILE_WAITING bytes that
 * are not written yet, above them lines are counted instead of kept.
 * Memory: the folder's name is copied.   Thread: loop. */
#ifndef SG_RUN_LOGFILE_H
#define SG_RUN_LOGFILE_H

#include "net/loop.h"

#define SG_LOGFILE_BYTES ((uint64_t)4 << 20)
#define SG_LOGFILE_WAITING ((size_t)1 << 20)

struct sg_logfile;
/* From now on it takes the log's lines (sg_log_keep). `more`: those of earlier lives stay. NULL where no thread can be had. */
void sg_logfile_open(struct sg_loop *l, struct sg_str folder, bool more, struct sg_logfile **out);
/* Writes what is left; after the loop has ended. */
void sg_logfile_close(struct sg_logfile *g);

#endif
