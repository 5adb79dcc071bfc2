/* SPDX-License-Identifier: Apache-2.0 */
/* diag: mistakes of a user's files, collected, located and printed with the line and a caret.
 *
 * Checks report all mistakes and go on; the caller asks at the end whether there was an error. A mark is a place in a file
 * that was registered here (its text is kept, for printing the line).
 * Memory: everything lives in the collector's own arena. Thread: one. */
#ifndef SG_BASE_DIAG_H
#define SG_BASE_DIAG_H

#include "base/arena.h"

/* line and column count from 1 (column in code points); line 0: no place known; file 0: no file. */
struct sg_mark {
    uint32_t file, line, column, length;
};

enum sg_severity { SG_WARNING, SG_ERROR };

struct sg_diag {
    enum sg_severity severity;
    struct sg_mark mark;
    struct sg_str path; /* the key: graph_config.nodes.q.prompt[0].user; may be empty */
    struct sg_str text; /* what is wrong */
    struct sg_str help; /* what to do; may be empty */
};

struct sg_diag_file {
    struct sg_str path, text;
};

struct sg_diags {
    struct sg_arena arena;
    struct sg_diag_file *files;
    size_t n_files, cap_files;
    struct sg_diag *items;
    size_t n, cap;
    size_t errors;
};

void sg_diags_init(struct sg_diags *d);
void sg_diags_fini(struct sg_diags *d);
/* Returns the file's number for marks (from 1). Path and text are copied. */
uint32_t sg_diags_file(struct sg_diags *d, struct sg_str path, struct sg_str text);
/* An equal report (mark and text) is kept once. `help` is plain text and may be NULL. */
void sg_error_at(struct sg_diags *d, struct sg_mark mark, struct sg_str path, const char *help, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
void sg_warning_at(struct sg_diags *d, struct sg_mark mark, struct sg_str path, const char *help, const char *fmt, ...)
    __attribute__((format(printf, 5, 6)));
/* "file.yaml:3:5: error: ..." , the line, the caret, the help; in the order of file and line. */
void sg_diags_print(const struct sg_diags *d, struct sg_buf *out, bool color);
void sg_diags_json(const struct sg_diags *d, struct sg_buf *out);
/* The nearest of `n` names within a distance that makes sense for a typing error, or an empty text. */
struct sg_str sg_nearest(struct sg_str name, const struct sg_str *names, size_t n);

#endif
