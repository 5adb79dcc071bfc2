/* SPDX-License-Identifier: Apache-2.0 */
/* recording: calls with what came back, in a file that is kept beside a task for its tests (docs/formats/recording.md).
 *
 * It is made from a run folder that has kept what was asked, and read whole. A call finds its answer by its node and what it
 * asks; of several that asked the same, that of its own key counts, else the first one.
 * Memory: owned.   Thread: any for making and loading, which block; the loop for the source.
 * Errors: SG_E_IO; SG_E_SYNTAX with the line of a file that is none; SG_E_MISSING for calls whose request was not kept. */
#ifndef SG_DATA_RECORDING_H
#define SG_DATA_RECORDING_H

#include "data/past.h"

/* Of the run in `run_folder`, in order of record, node, execution and call. The old file stays until the new one is whole. */
int sg_recording_save(const char *run_folder, const char *path, uint64_t *n, struct sg_err *err);

struct sg_recording;
int sg_recording_load(const char *path, struct sg_recording **out, struct sg_err *err);
const struct sg_past_source *sg_recording_source(const struct sg_recording *r);
void sg_recording_free(struct sg_recording *r);

#endif
