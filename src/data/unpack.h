/* SPDX-License-Identifier: Apache-2.0 */
/* unpack: the bytes of a gzip or Zstandard file, in order, in bounded memory. Private to data.
 *
 * Several members (gzip) or frames (zstd) one behind the other are one text. A window that zstd would need over 128 MB for is
 * refused.   Thread: one at a time.   Errors: SG_E_SYNTAX (damaged, or it ends too early), SG_E_IO, with the byte of the
 * packed file. */
#ifndef SG_DATA_UNPACK_H
#define SG_DATA_UNPACK_H

#include "spec/spec.h"

struct sg_unpacker;

/* fd stays the caller's, and is read by position. */
struct sg_unpacker *sg_unpacker_open(enum sg_packing packing, int fd, struct sg_str name);
/* How many bytes were made, at least one; 0 at the end; else an error. */
ssize_t sg_unpack(struct sg_unpacker *u, void *to, size_t n, struct sg_err *err);
void sg_unpacker_close(struct sg_unpacker *u);

#endif
