/* SPDX-License-Identifier: Apache-2.0 */
/* readback: what a run has written, as it was put: the lines of its files in the order of their positions, which the rows of
 * records tell; an ok record that has no row (--keep outputs) is one all the same. */
#include "data/split.h"
#include "data/writer.h"

#include <fcntl.h>

struct readback {
    struct sg_arena arena;
    struct sg_splitter in[SG_OUTCOMES];
    struct sg_str paths[SG_OUTCOMES];
    int fds[SG_OUTCOMES];
    bool array, stopped;
    uint64_t next, end;
    struct sg_buf text;
    sg_output_line_fn *fn;
    void *ud;
    int status;
    struct sg_err *err;
};

static bool open_file(struct readback *b, int outcome) {
    b->fds[outcome] = sg_os->open(b->paths[outcome].p, O_RDONLY | O_CLOEXEC, 0);
    if (b->fds[outcome] < 0) return false;
    sg_splitter_init(&b->in[outcome], b->fds[outcome], false, -1, b->paths[outcome], 0, SIZE_MAX);
    return true;
}

static int next_line(struct readback *b, int outcome, struct sg_str *out) {
    struct sg_piece piece;
    struct sg_splitter *in = &b->in[outcome];
    const char *path = b->paths[outcome].p;
    if (b->fds[outcome] < 0 && !open_file(b, outcome))
        return sg_fail_sys(b->err, SG_E_IO, -b->fds[outcome], "%s: cannot be opened", path);
    bool array = outcome == SG_RECORD_OK && b->array;
    enum sg_split got = array ? sg_array_next(in, SG_WAIT, &piece, b->err) : sg_lines_next(in, SG_WAIT, &piece, b->err);
    if (got == SG_SPLIT_BROKEN) return b->err->code;
    if (got != SG_SPLIT_GOT) return sg_fail(b->err, SG_E_SYNTAX, "%s: holds fewer records than the run wrote", path);
    *out = piece.text;
    if (!array) return 0;
    sg_buf_reset(&b->text, (size_t)1 << 20);
    sg_json_compact_text(&b->text, piece.text);
    *out = sg_buf_view(&b->text);
    return 0;
}

static bool tell(struct readback *b, int outcome) {
    struct sg_str line = SG_STR_NONE;
    b->status = next_line(b, outcome, &line);
    b->stopped = b->status != 0 || !b->fn(b->ud, b->next++, (enum sg_outcome)outcome, line);
    return !b->stopped;
}

static bool on_row(void *ud, const struct sg_record_row *row) {
    struct readback *b = ud;
    while (b->next < row->position && b->next < b->end)
        if (!tell(b, SG_RECORD_OK)) return false;
    return b->next < b->end && tell(b, row->outcome & 3);
}

static void name_files(struct readback *b, struct sg_str run_folder, const struct sg_progress *p) {
    static const char *const suffixes[SG_OUTCOMES] = {".part", "_failed.jsonl", "_invalid.jsonl", "_dropped.jsonl"};
    while (run_folder.n > 1 && run_folder.p[run_folder.n - 1] == '/') run_folder.n--;
    struct sg_str stem = {run_folder.p, run_folder.n - 4};
    for (int i = 0; i < SG_OUTCOMES; i++)
        b->paths[i] = sg_str_printf(&b->arena, "%.*s%s", SG_ARG(stem), suffixes[i]);
    b->array = !p->lines;
    if (!sg_os_exists(b->paths[0].p))
        b->paths[0] = sg_str_printf(&b->arena, "%.*s%s", SG_ARG(stem), b->array ? ".json" : ".jsonl");
}

static int read_all(struct readback *b, struct sg_rundb *db, const struct sg_run_identity *id) {
    struct sg_progress p;
    int rc = sg_rundb_progress(db, false, &p);
    b->next = id->first;
    b->end = p.position;
    if (rc == 0) rc = sg_rundb_records(db, id->first, -1, on_row, b);
    if (rc < 0) return *b->err = *sg_rundb_error(db), rc;
    while (!b->stopped && b->next < b->end) tell(b, SG_RECORD_OK);
    return b->status;
}

int sg_output_read(struct sg_str run_folder, sg_output_line_fn *fn, void *ud, struct sg_err *err) {
    struct sg_err own;
    struct readback b = {.text = SG_BUF_INIT(SIZE_MAX), .fn = fn, .ud = ud, .err = err ? err : &own};
    struct sg_run_identity id;
    struct sg_progress p = {0};
    struct sg_rundb *db = NULL;
    sg_arena_init(&b.arena, 0);
    for (int i = 0; i < SG_OUTCOMES; i++) b.fds[i] = -1;
    int rc = sg_rundb_view(sg_str_dup(&b.arena, run_folder).p, &b.arena, &id, &db, b.err);
    if (rc == 0 && (rc = sg_rundb_progress(db, false, &p)) < 0) *b.err = *sg_rundb_error(db);
    if (rc == 0) {
        name_files(&b, run_folder, &p);
        rc = read_all(&b, db, &id);
    }
    for (int i = 0; i < SG_OUTCOMES; i++) {
        if (b.fds[i] < 0) continue;
        sg_os->close(b.fds[i]);
        sg_splitter_fini(&b.in[i]);
    }
    sg_rundb_close(db);
    sg_buf_fini(&b.text);
    sg_arena_fini(&b.arena);
    return rc;
}
