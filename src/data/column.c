/* SPDX-License-Identifier: Apache-2.0 */
/* column: one column of a source, read whole before the first record. Rows are made one at a time, and only the value stays. */
#include "data/feed.h"

#include <stdlib.h>

struct sg_columns {
    struct sg_worker *worker;
    struct sg_job job;
    struct sg_arena arena; /* the values; the worker's until it is done */
    const struct sg_column_spec *specs;
    struct sg_column *columns;
    size_t n;
    const char *exe_dir;
    sg_columns_fn *fn;
    void *ud;
    int status;
    struct sg_err err;
    atomic_bool stop;
};

/* --- worker ----------------------------------------------------------------------------------------------------- */

struct load {
    struct sg_columns *c;
    const struct sg_column_spec *spec;
    struct sg_feed feed;
    struct sg_json *values;
    size_t n, cap;
    size_t held_before; /* of the arena */
    bool seen;          /* a row has the column */
    uint32_t crc;
};

static void add_crc(struct load *l, const struct sg_json *value) {
    struct sg_buf text = SG_BUF_INIT(SIZE_MAX);
    sg_json_write(&text, value);
    sg_buf_ch(&text, '\n');
    l->crc = sg_crc32c(l->crc, text.p, text.n);
    sg_buf_fini(&text);
}

static int take_value(struct load *l, const struct sg_row *row, struct sg_err *err) {
    static const struct sg_json null = {.type = SG_JSON_NULL};
    if (row->status != 0) return sg_fail(err, row->status, "%.*s", SG_ARG(row->error));
    const struct sg_json *value = sg_json_get(&row->value, l->spec->name);
    if (value) l->seen = true;
    else value = &null;
    *SG_PUSH(&l->c->arena, l->values, l->n, l->cap) = sg_json_copy(&l->c->arena, value);
    add_crc(l, value);
    if (l->c->arena.held - l->held_before <= SG_COLUMN_BYTES) return 0;
    return sg_fail(err, SG_E_LIMIT, "%.*s: column `%.*s` is drawn from, and takes more than %zu MB", SG_ARG(l->spec->source->path),
                   SG_ARG(l->spec->name), SG_COLUMN_BYTES >> 20);
}

static int read_rows(struct load *l, struct sg_err *err) {
    struct sg_piece piece;
    struct sg_row row;
    enum sg_split got;
    int rc = 0;
    while (rc == 0 && (got = sg_feed_next(&l->feed, SG_WAIT, &piece, err)) == SG_SPLIT_GOT) {
        sg_feed_row(&l->feed, &piece, l->n, &row);
        rc = take_value(l, &row, err);
        sg_arena_fini(&row.arena);
        if (atomic_load_explicit(&l->c->stop, memory_order_relaxed)) rc = sg_fail(err, SG_E_CANCELED, "stopped");
    }
    return rc == 0 && got == SG_SPLIT_BROKEN ? err->code : rc;
}

static int check_found(const struct load *l, struct sg_err *err) {
    struct sg_str path = l->spec->source->path, name = l->spec->name;
    if (l->n == 0) return sg_fail(err, SG_E_MISSING, "%.*s: has no rows to draw from", SG_ARG(path));
    if (!l->seen) return sg_fail(err, SG_E_MISSING, "%.*s: no row has a column `%.*s`", SG_ARG(path), SG_ARG(name));
    return 0;
}

static int load_column(struct sg_columns *c, size_t i, struct sg_err *err) {
    struct load l = {.c = c, .spec = &c->specs[i], .held_before = c->arena.held};
    struct sg_source_spec only = *l.spec->source;
    struct sg_name name = {.text = l.spec->name};
    only.fields = &name;
    only.n_fields = 1;
    int rc = sg_feed_open(&l.feed, &only, c->exe_dir, err);
    if (rc < 0) return rc;
    rc = read_rows(&l, err);
    sg_feed_close(&l.feed);
    if (rc == 0) rc = check_found(&l, err);
    c->columns[i] = (struct sg_column){.values = l.values, .n = l.n, .crc = l.crc};
    return rc;
}

static void run_job(struct sg_job *j) {
    struct sg_columns *c = j->ud;
    for (size_t i = 0; i < c->n && c->status == 0; i++) c->status = load_column(c, i, &c->err);
}

/* --- loop ------------------------------------------------------------------------------------------------------- */

static void on_loaded(struct sg_job *j) {
    struct sg_columns *c = j->ud;
    c->fn(c->ud, c->status, c->status ? &c->err : NULL);
}

int sg_columns_load(struct sg_loop *l, const struct sg_column_spec *specs, size_t n, const char *exe_dir,
                    sg_columns_fn *fn, void *ud, struct sg_columns **out, struct sg_err *err) {
    struct sg_columns *c = sg_xcalloc(1, sizeof *c);
    *c = (struct sg_columns){.specs = specs, .n = n, .exe_dir = exe_dir, .fn = fn, .ud = ud};
    c->columns = sg_xcalloc(n, sizeof *c->columns);
    c->job = (struct sg_job){.run = run_job, .done = on_loaded, .ud = c};
    sg_arena_init(&c->arena, 0);
    if (sg_worker_open(l, "sygra-columns", &c->worker) < 0) {
        sg_columns_close(c);
        return sg_fail(err, SG_E_IO, "no thread for reading");
    }
    sg_worker_submit(c->worker, &c->job);
    *out = c;
    return 0;
}

const struct sg_column *sg_columns_get(const struct sg_columns *c, size_t i) {
    SG_ASSERT(i < c->n);
    return &c->columns[i];
}

void sg_columns_close(struct sg_columns *c) {
    if (!c) return;
    atomic_store(&c->stop, true);
    if (c->worker) sg_worker_close(c->worker);
    sg_arena_fini(&c->arena);
    free(c->columns);
    free(c);
}
