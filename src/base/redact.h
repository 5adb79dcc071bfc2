/* SPDX-License-Identifier: Apache-2.0 */
/* redact: secrets are named, not copied (design D14). A value registered here is replaced by "[name]" wherever text leaves
 * the process: log, error, page. Values under 12 bytes ("EMPTY") are not secrets. Record data are never altered. */
#ifndef SG_BASE_REDACT_H
#define SG_BASE_REDACT_H

#include "base/arena.h"

/* Both are copied; the secret's form inside a JSON text is registered with it. Thread: before other threads start. */
void sg_redact_add(struct sg_str name, struct sg_str secret);
/* Appends `text` to `out`, each secret in it replaced. */
void sg_redact(struct sg_buf *out, struct sg_str text);
/* The same, until `out` holds `most` bytes or more: a long text is cut behind its secrets, never through one. The caller
 * cuts at `most`. */
void sg_redact_start(struct sg_buf *out, struct sg_str text, size_t most);
/* What somebody else said, for an error: its first 200 bytes, without secrets. */
struct sg_str sg_redact_short(struct sg_arena *a, struct sg_str text);
/* The same of a URL, decoded: in its escapes a secret would not be known. */
struct sg_str sg_redact_url(struct sg_arena *a, struct sg_str url);
bool sg_redact_any(void);

#endif
