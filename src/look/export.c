/* SPDX-License-Identifier: Apache-2.0 */
/* export: the records of a run as a file of another form.
 *
 * Tables need their columns first, so the records are read twice; Parquet goes by a file of plain lines that DuckDB reads. All is
 * written under another name, synced, and renamed. */
#include "data/outfile.h"
#include "look/columns.h"
#include "look/parts.h"

#include <errno.h>
#include <fcntl.h>

enum form { LINES, ARRAY, CSV, PARQUET };

struct export {
    struct sg_look *k;
    struct sg_export *x;
    enum form form;
    struct sg_arena arena, scratch; /* scratch: of one record */
    struct sg_export_columns columns;
    struct sg_outfile file;
    const char *fresh;       /* the other name */
    uint64_t end;            /* records before it are taken */
    uint64_t longest, bytes; /* lines for DuckDB */
    struct sg_buf row;
};

static bool form_of(struct sg_str name, enum form *out) {
    static const char *const suffixes[] = {".jsonl", ".json", ".csv", ".parquet"};
    for (int i = 0; i < 4; i++)
        if (sg_str_ends(name, sg_str(suffixes[i])) && name.n > strlen(suffixes[i])) return *out = (enum form)i, true;
    return false;
}

/* --- the run's own files ---------------------------------------------------------------------------------------- */

static struct sg_str folder_and_name(struct sg_arena *a, struct sg_str path, struct sg_str *name) {
    size_t slash = path.n;
    while (slash > 0 && path.p[slash - 1] != '/') slash--;
    *name = (struct sg_str){path.p + slash, path.n - slash};
    return slash ? sg_str_dup(a, (struct sg_str){path.p, slash}) : SG_STR("./");
}

/* Whatever way leads there: a name in the same folder. */
static bool is_own_file(const struct export *e, struct sg_arena *a) {
    static const char *const ends[] = {".json",         ".jsonl",         ".part",
                                       "_failed.jsonl", "_invalid.jsonl", "_dropped.jsonl"};
    struct sg_str name, stem;
    struct sg_str folder = folder_and_name(a, sg_str(e->x->to), &name);
    struct sg_str own = folder_and_name(a, e->k->facts.base, &stem);
    struct sg_file_info one, two;
    bool same = sg_os->stat(folder.p, &one) == 0 && sg_os->stat(own.p, &two) == 0 && one.inode == two.inode &&
                one.device == two.device && sg_str_starts(name, stem);
    struct sg_str end = {name.p + stem.n, same ? name.n - stem.n : 0};
    for (size_t i = 0; same && i < sizeof ends / sizeof *ends; i++)
        if (sg_str_eq(end, sg_str(ends[i]))) return true;
    return false;
}

/* --- passes over the records ------------------------------------------------------------------------------------ */

typedef int take_fn(struct export *e, struct sg_str json, struct sg_err *err);

static int each_record(struct export *e, take_fn *take, struct sg_err *err) {
    struct sg_look_scan *s;
    struct sg_look_record r;
    int rc = sg_look_scan_open(e->k, 0, SG_LOOK_ONLY(e->x->outcome), true, &s, err);
    if (rc < 0) return rc;
    e->x->records = 0;
    while ((rc = sg_look_scan_next(s, &r, err)) == 1 && r.row.position < e->end) {
        if (e->x->stop && *e->x->stop) rc = sg_fail(err, SG_E_CANCELED, "interrupted");
        if (rc == 1) rc = take(e, r.json, err);
        if (rc < 0) break;
        e->x->records++;
    }
    sg_look_scan_close(s);
    return rc < 0 ? rc : 0;
}

static int parse(struct export *e, struct sg_str json, struct sg_json *out, struct sg_err *err) {
    sg_arena_reset(&e->scratch);
    int rc = sg_json_parse(&e->scratch, json, out, NULL, err);
    return rc < 0 ? sg_err_wrap(err, SG_E_SYNTAX, "record %llu of the file is no JSON",
                                (unsigned long long)e->x->records + 1)
                  : 0;
}

static int note_columns(struct export *e, struct sg_str json, struct sg_err *err) {
    struct sg_json v;
    int rc = parse(e, json, &v, err);
    return rc == 0 ? sg_columns_note(&e->columns, &v, err) : rc;
}

static int put_as_is(struct export *e, struct sg_str json, struct sg_err *err) {
    return sg_outfile_add(&e->file, json, err);
}

static int put_row(struct export *e, struct sg_str json, struct sg_err *err) {
    struct sg_json v;
    int rc = parse(e, json, &v, err);
    if (rc < 0) return rc;
    sg_buf_reset(&e->row, 1 << 20);
    if (e->form == CSV) sg_columns_csv(&e->columns, &v, &e->row);
    else sg_columns_flat(&e->columns, &v, &e->row);
    if (e->row.n > e->longest) e->longest = e->row.n;
    e->bytes += e->row.n;
    return sg_outfile_add(&e->file, sg_buf_view(&e->row), err);
}

/* --- writing ---------------------------------------------------------------------------------------------------- */

static int put_head(struct export *e, struct sg_err *err) {
    sg_buf_reset(&e->row, 1 << 20);
    sg_columns_csv_head(&e->columns, &e->row);
    return e->columns.n ? sg_outfile_add(&e->file, sg_buf_view(&e->row), err) : 0;
}

static int write_plain(struct export *e, struct sg_err *err) {
    sg_outfile_init(&e->file, sg_str(e->fresh), e->form == ARRAY);
    int rc = e->form == CSV ? each_record(e, note_columns, err) : 0;
    if (rc == 0 && e->form == CSV) rc = put_head(e, err);
    if (rc == 0) rc = each_record(e, e->form == CSV ? put_row : put_as_is, err);
    return rc == 0 ? sg_outfile_end(&e->file, err) : rc;
}

static int to_parquet(struct export *e, const char *lines, struct sg_err *err) {
    struct sg_table_field *fields = SG_NEW_N(&e->arena, struct sg_table_field, e->columns.n);
    for (size_t i = 0; i < e->columns.n; i++) {
        const struct sg_export_column *c = &e->columns.items[i];
        fields[i] = (struct sg_table_field){c->name, sg_columns_kind(c)};
        if (sg_columns_is_json(c)) sg_buf_printf(&e->x->texts, "%s%.*s", e->x->texts.n ? ", " : "", SG_ARG(c->name));
    }
    struct sg_table_lines from = {.path = lines,
                                  .fields = fields,
                                  .n_fields = e->columns.n,
                                  .records = e->x->records,
                                  .bytes = e->bytes,
                                  .longest = e->longest};
    return sg_table_write(&from, e->fresh, e->x->exe_dir, err);
}

static int write_parquet(struct export *e, struct sg_err *err) {
    const char *lines = sg_str_printf(&e->arena, "%s.lines", e->fresh).p;
    sg_outfile_init(&e->file, sg_str(lines), false);
    int rc = each_record(e, note_columns, err);
    if (rc == 0 && e->columns.n == 0)
        rc = sg_fail(err, SG_E_UNSUPPORTED, "there is no record to export yet, and a Parquet file has columns");
    if (rc == 0) rc = each_record(e, put_row, err);
    if (rc == 0) rc = sg_outfile_flush(&e->file, err);
    if (rc == 0) rc = to_parquet(e, lines, err);
    sg_os->unlink(lines);
    return rc;
}

static int put_in_place(const struct export *e, struct sg_err *err) {
    int rc = sg_os->rename(e->fresh, e->x->to);
    return rc < 0 ? sg_fail_sys(err, SG_E_IO, -rc, "%s: cannot be made", e->x->to) : 0;
}

static int check(struct export *e, struct sg_err *err) {
    if (!form_of(sg_str(e->x->to), &e->form))
        return sg_fail(err, SG_E_USAGE, "%s: its name must end in .jsonl, .json, .csv or .parquet", e->x->to);
    if (is_own_file(e, &e->arena))
        return sg_fail(err, SG_E_USAGE, "%s: is the run's own file; give another name", e->x->to);
    return 0;
}

int sg_look_export(struct sg_look *k, struct sg_export *x, struct sg_err *err) {
    struct export e = {.k = k, .x = x, .row = SG_BUF_INIT(SIZE_MAX), .file = {.fd = -1, .replaced = -1}};
    sg_arena_init(&e.arena, 0);
    sg_arena_init(&e.scratch, 64 * 1024);
    e.columns.arena = &e.arena;
    x->texts = SG_BUF_INIT(1 << 20);
    int rc = check(&e, err);
    if (rc == 0) rc = sg_look_refresh(k, err);
    if (rc == 0) {
        x->position = e.end = k->facts.progress.position;
        e.fresh = sg_str_printf(&e.arena, "%s.new", x->to).p;
        rc = e.form == PARQUET ? write_parquet(&e, err) : write_plain(&e, err);
        if (rc == 0) rc = put_in_place(&e, err);
        if (rc != 0) sg_os->unlink(e.fresh);
    }
    sg_outfile_fini(&e.file);
    sg_buf_fini(&e.row);
    sg_arena_fini(&e.scratch);
    sg_arena_fini(&e.arena);
    return rc;
}
