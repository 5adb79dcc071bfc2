/* SPDX-License-Identifier: Apache-2.0 */
/* Transforms of a stream: a batch of rows is one call. When that fails, its rows are called one by one, so that only those fail
 * that are to blame. Each row has a seed of its own, by its position: what a transform draws does not depend on the batch. */
#include "run/rows.h"

#include <stdio.h>
#include <stdlib.h>

struct sg_rows_stream {
    struct run *run;
    struct sg_row_changer changer;
    struct sg_hook_call call;
    struct sg_later nothing; /* a batch without a good row */
    struct sg_arena arena;   /* of the result in hand */
    struct sg_row *rows;
    size_t n;
    size_t from, to; /* in the call under way */
    bool waits;
    void (*done)(void *arg);
    void *arg;
};

static uint64_t seed_of(const struct sg_rows_stream *s, const struct sg_row *row) {
    const struct sg_draw_key key = {
        .seed = s->run->seed, .position = row->position, .node = sg_hash64(SG_STR("transformations"), 0)};
    return sg_draw(&key, 0);
}

static size_t count_good(const struct sg_rows_stream *s) {
    size_t n = 0;
    for (size_t i = s->from; i < s->to; i++) n += s->rows[i].status == 0;
    return n;
}

static void write_rows(struct sg_hook_call *c, struct sg_buf *input, struct sg_buf *state) {
    const struct sg_rows_stream *s = c->ud;
    bool first = true;
    (void)state;
    SG_BUF_LIT(input, "{\"do\":\"each\",\"seeds\":[");
    for (size_t i = s->from; i < s->to; i++) {
        if (s->rows[i].status != 0) continue;
        if (!first) sg_buf_ch(input, ',');
        sg_buf_u64(input, seed_of(s, &s->rows[i]));
        first = false;
    }
    SG_BUF_LIT(input, "],\"rows\":[");
    first = true;
    for (size_t i = s->from; i < s->to; i++) {
        if (s->rows[i].status != 0) continue;
        if (!first) sg_buf_ch(input, ',');
        sg_json_write(input, &s->rows[i].value);
        first = false;
    }
    SG_BUF_LIT(input, "]}");
}

static void go_on(struct sg_rows_stream *s);

static void fail_row(struct sg_rows_stream *s, struct sg_row *row, int code, const char *why) {
    struct sg_str path = s->run->task.spec.data.source->path;
    row->status = code;
    row->value = sg_json_null();
    if (row->line)
        row->error = sg_str_printf(&row->arena, "%.*s:%llu: %s", SG_ARG(path), (unsigned long long)row->line, why);
    else
        row->error = sg_str_printf(&row->arena, "%.*s: row %llu: %s", SG_ARG(path), (unsigned long long)row->position, why);
}

static void take_row(struct sg_rows_stream *s, struct sg_row *row, const struct sg_json *made) {
    char why[80];
    if (made->type == SG_JSON_OBJECT) {
        row->value = sg_json_copy(&row->arena, made);
        return;
    }
    snprintf(why, sizeof why, "the transformations must make a map of it, not a value of type %s", sg_json_type_name(made));
    fail_row(s, row, SG_E_TYPE, why);
}

/* False when it is not a list of as many rows. */
static bool take_rows(struct sg_rows_stream *s, const struct sg_json *results) {
    const struct sg_json *made = results->n == 1 ? &results->items[0] : NULL;
    if (!made || made->type != SG_JSON_ARRAY || made->n != count_good(s)) return false;
    size_t at = 0;
    for (size_t i = s->from; i < s->to; i++)
        if (s->rows[i].status == 0) take_row(s, &s->rows[i], &made->items[at++]);
    return true;
}

static void on_done(struct sg_hook_call *c, int status, const struct sg_json *results, const struct sg_json *effects,
                    const struct sg_err *err) {
    struct sg_rows_stream *s = c->ud;
    (void)effects;
    s->waits = false;
    bool taken = status == 0 && take_rows(s, results);
    sg_arena_reset(&s->arena);
    if (!taken && count_good(s) > 1) { /* whose fault is it? */
        s->to = s->from + 1;
        go_on(s);
        return;
    }
    for (size_t i = s->from; i < s->to && !taken; i++)
        if (s->rows[i].status == 0)
            fail_row(s, &s->rows[i], status ? status : SG_E_HOOK, status ? err->text : "the transformations made no row of it");
    s->from = s->to;
    if (s->to < s->n) s->to++;
    go_on(s);
}

/* The rows from `from` to `to`; behind the last one the batch is done. */
static void go_on(struct sg_rows_stream *s) {
    while (s->from < s->n && count_good(s) == 0) {
        s->from = s->to;
        if (s->to < s->n) s->to++;
    }
    if (s->from == s->n) {
        s->done(s->arg);
        return;
    }
    s->call.write = write_rows;
    s->call.on_done = on_done;
    s->call.arena = &s->arena;
    s->call.ud = s;
    s->call.seed = seed_of(s, &s->rows[s->from]);
    s->waits = true;
    sg_hook_start(s->run->hooks, &s->call);
}

static void on_nothing(struct sg_later *d) {
    struct sg_rows_stream *s = d->ud;
    s->done(s->arg);
}

static void start(void *ud, struct sg_row *rows, size_t n, void (*done)(void *arg), void *arg) {
    struct sg_rows_stream *s = ud;
    s->rows = rows;
    s->n = s->to = n;
    s->from = 0;
    s->done = done;
    s->arg = arg;
    if (count_good(s)) go_on(s);
    else sg_later(s->run->loop, &s->nothing);
}

static void cancel(void *ud) {
    struct sg_rows_stream *s = ud;
    if (s->waits) sg_hook_cancel(s->run->hooks, &s->call);
    sg_later_cancel(s->run->loop, &s->nothing);
    s->waits = false;
}

struct sg_rows_stream *sg_rows_stream_open(struct run *r, int hook) {
    struct sg_rows_stream *s = sg_xcalloc(1, sizeof *s);
    s->run = r;
    s->call.hook = hook;
    s->changer = (struct sg_row_changer){start, cancel, s};
    s->nothing = (struct sg_later){.run = on_nothing, .ud = s};
    sg_arena_init(&s->arena, 0);
    return s;
}

const struct sg_row_changer *sg_rows_stream_changer(const struct sg_rows_stream *s) {
    return &s->changer;
}

bool sg_rows_stream_called(const struct sg_rows_stream *s, const struct sg_hook_call *c) {
    return s && c == &s->call;
}

void sg_rows_stream_close(struct sg_rows_stream *s) {
    if (!s) return;
    sg_arena_fini(&s->arena);
    free(s);
}
