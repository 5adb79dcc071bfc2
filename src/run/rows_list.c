/* SPDX-License-Identifier: Apache-2.0 */
/* Transforms of a whole list: every row of the source is fed to one Python process, which then runs the transforms and gives back what
 * they made, some rows at a time, for the spool. One call at a time; the process has a pool of its own, which ends with it.
 *
 *   feed, feed, ... -> finish -> take, take, ... -> the spool is whole
 *
 * A row that cannot be read ends it: what a transform makes of a list with holes, nobody has asked for. */
#include "run/rows.h"

#define ROWS 256
#define TAKE_BYTES ((size_t)4 << 20) /* of the rows of one answer, about */
#define TAKE_FIRST 16
#define TAKE_MOST 1000
#define TELL_S 5

struct list {
    struct run *run;
    struct sg_spool *spool;
    struct sg_hooks *hooks;
    struct sg_source *source;
    struct sg_hook_call call;
    bool waits; /* for the call */
    struct sg_arena arena;
    struct sg_row rows[ROWS]; /* being fed */
    size_t n;
    bool ended;
    size_t take;
    uint64_t read, made, total, began_ns; /* total: that they have made, as they say */
    struct sg_timer tell;
};

static void end(struct list *l, int status, const struct sg_err *err) {
    struct run *r = l->run;
    r->step_status = status;
    if (status != 0) r->step_err = *err;
    sg_loop_stop(r->loop);
}

/* --- telling ---------------------------------------------------------------------------------------------------- */

static struct sg_str names_of(struct run *r) {
    const struct sg_source_spec *s = r->task.spec.data.source;
    struct sg_str names = SG_STR("");
    for (size_t i = 0; i < s->n_transforms; i++)
        names = sg_str_printf(&r->task.arena, "%.*s%s%.*s", SG_ARG(names), i ? ", " : "",
                              SG_ARG(s->transforms[i].hook.text));
    return names;
}

static void on_tell(struct sg_timer *t) {
    struct list *l = t->ud;
    SG_LOG(transforms_running, SG_F_INT("read", l->read), SG_F_INT("made", l->made));
    sg_timer_start(l->run->loop, t, SG_MS(TELL_S * 1000));
}

/* --- calls ------------------------------------------------------------------------------------------------------ */

typedef void write_fn(struct sg_hook_call *c, struct sg_buf *input, struct sg_buf *state);
typedef void done_fn(struct sg_hook_call *c, int status, const struct sg_json *results, const struct sg_json *effects,
                     const struct sg_err *err);

static void start(struct list *l, write_fn *write, done_fn *on_done) {
    const struct sg_draw_key key = {.seed = l->run->seed, .node = sg_hash64(SG_STR("transformations"), 0)};
    l->call.write = write;
    l->call.on_done = on_done;
    l->call.arena = &l->arena;
    l->call.ud = l;
    l->call.seed = sg_draw(&key, 0);
    l->call.once = l->call.no_deadline = true; /* another process does not have the rows */
    l->waits = true;
    l->run->own_call = &l->call;
    sg_hook_start(l->hooks, &l->call);
}

/* True when the call has failed. */
static bool failed(struct list *l, int status, const struct sg_err *err) {
    l->waits = false;
    if (status == 0) return false;
    struct sg_err why = *err;
    sg_err_wrap(&why, status, "the transformations of %.*s failed", SG_ARG(l->run->task.spec.data.source->path));
    end(l, status, &why);
    return true;
}

static uint64_t count_of(const struct sg_json *results) {
    int64_t n = -1;
    return results->n == 1 && sg_json_to_i64(&results->items[0], &n) && n >= 0 ? (uint64_t)n : UINT64_MAX;
}

/* Between two calls a process may have died, and the next one knows nothing of the rows. */
static bool has_all(struct list *l, uint64_t has, uint64_t wanted) {
    struct sg_err err;
    if (has == wanted) return true;
    sg_fail(&err, SG_E_HOST, "the process that ran the transformations ended before it had given back all rows");
    end(l, SG_E_HOST, &err);
    return false;
}

/* --- taking ----------------------------------------------------------------------------------------------------- */

static void take(struct list *l);

static void on_last(void *ud, int status, const struct sg_err *err) {
    end(ud, status, err);
}

static void on_written(void *ud, int status, const struct sg_err *err) {
    if (status != 0) end(ud, status, err);
    else take(ud);
}

static void write_take(struct sg_hook_call *c, struct sg_buf *input, struct sg_buf *state) {
    const struct list *l = c->ud;
    (void)state;
    sg_buf_printf(input, "{\"do\":\"take\",\"n\":%zu}", l->take);
}

/* False, and the end, when one of them is no record. */
static bool add_rows(struct list *l, const struct sg_json *rows) {
    struct sg_err err;
    for (uint32_t i = 0; i < rows->n; i++) {
        const struct sg_json *row = &rows->items[i];
        if (row->type == SG_JSON_OBJECT) {
            sg_spool_add(l->spool, row);
            l->made++;
            continue;
        }
        sg_fail(&err, SG_E_TYPE, "the transformations must give a list of maps; row %llu of what they gave is of type %s",
                (unsigned long long)l->made, sg_json_type_name(row));
        end(l, SG_E_TYPE, &err);
        return false;
    }
    return true;
}

/* So many that an answer has about TAKE_BYTES. */
static void learn_size(struct list *l, size_t rows) {
    size_t each = rows ? l->arena.held / rows + 1 : 1, fit = TAKE_BYTES / each;
    l->take = fit < 1 ? 1 : fit > TAKE_MOST ? TAKE_MOST : fit;
}

static void on_taken(struct sg_hook_call *c, int status, const struct sg_json *results, const struct sg_json *effects,
                     const struct sg_err *err) {
    struct list *l = c->ud;
    struct sg_err no_list;
    (void)effects;
    if (status == 0 && (results->n != 1 || results->items[0].type != SG_JSON_ARRAY))
        status = sg_fail(&no_list, SG_E_HOOK, "its host gave no list of rows"), err = &no_list;
    if (failed(l, status, err)) return;
    const struct sg_json *rows = &results->items[0];
    bool fine = rows->n ? add_rows(l, rows) : has_all(l, l->made, l->total);
    learn_size(l, rows->n);
    if (fine) sg_spool_write(l->spool, rows->n == 0, rows->n ? on_written : on_last, l);
}

static void take(struct list *l) {
    sg_arena_reset(&l->arena);
    start(l, write_take, on_taken);
}

/* --- feeding ---------------------------------------------------------------------------------------------------- */

static void free_rows(struct list *l) {
    for (size_t i = 0; i < l->n; i++) sg_arena_fini(&l->rows[i].arena);
    l->n = 0;
}

static void on_rows(void *ud, struct sg_row *rows, size_t n, bool ended, int status, const struct sg_err *err);

static void on_made(struct sg_hook_call *c, int status, const struct sg_json *results, const struct sg_json *effects,
                    const struct sg_err *err) {
    struct list *l = c->ud;
    (void)effects;
    if (failed(l, status, err)) return;
    l->total = count_of(results);
    take(l);
}

static void write_finish(struct sg_hook_call *c, struct sg_buf *input, struct sg_buf *state) {
    (void)c, (void)state;
    SG_BUF_LIT(input, "{\"do\":\"finish\"}");
}

static void on_fed(struct sg_hook_call *c, int status, const struct sg_json *results, const struct sg_json *effects,
                   const struct sg_err *err) {
    struct list *l = c->ud;
    (void)effects;
    free_rows(l);
    if (failed(l, status, err) || !has_all(l, count_of(results), l->read)) return;
    sg_arena_reset(&l->arena);
    if (l->ended) start(l, write_finish, on_made);
    else sg_source_pull(l->source, ROWS, on_rows, l);
}

static void write_feed(struct sg_hook_call *c, struct sg_buf *input, struct sg_buf *state) {
    const struct list *l = c->ud;
    (void)state;
    SG_BUF_LIT(input, "{\"do\":\"feed\",\"rows\":[");
    for (size_t i = 0; i < l->n; i++) {
        if (i) sg_buf_ch(input, ',');
        sg_json_write(input, &l->rows[i].value);
    }
    SG_BUF_LIT(input, "]}");
}

static const struct sg_row *first_bad(const struct list *l) {
    for (size_t i = 0; i < l->n; i++)
        if (l->rows[i].status != 0) return &l->rows[i];
    return NULL;
}

static void on_rows(void *ud, struct sg_row *rows, size_t n, bool ended, int status, const struct sg_err *err) {
    struct list *l = ud;
    struct sg_err why;
    if (n) memcpy(l->rows, rows, n * sizeof *rows);
    l->n = n;
    l->ended = ended;
    l->read += n;
    const struct sg_row *bad = first_bad(l);
    if (status != 0) {
        end(l, status, err);
    } else if (bad) {
        sg_fail(&why, bad->status, "%.*s; transformations of the whole list need every row", SG_ARG(bad->error));
        end(l, bad->status, &why);
    } else {
        start(l, write_feed, on_fed);
    }
}

/* --- life ------------------------------------------------------------------------------------------------------- */

/* A pool of one process, that ends with the list. Closures have theirs already. */
static int open_hooks(struct list *l, struct sg_err *err) {
    struct run *r = l->run;
    if (r->task.spec.data.source->transforms[0].hook.kind == SG_HOOK_CLOSURE) {
        l->hooks = r->hooks;
        l->call.hook = r->rows_hook;
        return 0;
    }
    int rc = sg_run_open_pool(r, &l->hooks, err);
    if (rc != 0) return rc;
    l->call.hook = sg_rows_hook(r, l->hooks);
    return sg_run_load_hooks(r, l->hooks, "the task's transformations", err);
}

/* All rows and columns: `fields`, ids and -n are of what the transforms make. */
static int open_source(struct list *l, struct sg_err *err) {
    struct sg_source_spec all = *l->run->task.spec.data.source;
    all.n_fields = 0;
    struct sg_source_options so = {.spec = &all, .exe_dir = l->run->o->config.exe_dir, .count = UINT64_MAX};
    return sg_source_open(l->run->loop, &so, &l->source, err);
}

static int go(struct list *l, struct sg_err *err) {
    struct run *r = l->run;
    SG_LOG(transforms_started, SG_F_STR("transforms", names_of(r)));
    sg_timer_start(r->loop, &l->tell, SG_MS(TELL_S * 1000));
    sg_source_pull(l->source, ROWS, on_rows, l);
    int rc = sg_run_wait(r, err);
    sg_timer_stop(r->loop, &l->tell);
    if (rc == 0)
        SG_LOG(transforms_done, SG_F_INT("read", l->read), SG_F_INT("made", l->made),
               SG_F_REAL("s", (double)(sg_loop_now_ns(r->loop) - l->began_ns) / 1e9));
    return rc;
}

static void close_all(struct list *l) {
    if (l->hooks && l->waits) sg_hook_cancel(l->hooks, &l->call);
    l->run->own_call = NULL;
    free_rows(l);
    if (l->hooks && l->hooks != l->run->hooks) sg_hooks_close(l->hooks);
    if (l->source) sg_source_close(l->source);
    sg_arena_fini(&l->arena);
}

int sg_rows_run_list(struct run *r, struct sg_spool *to, struct sg_err *err) {
    struct list l = {.run = r, .spool = to, .take = TAKE_FIRST, .began_ns = sg_loop_now_ns(r->loop)};
    l.tell = (struct sg_timer){.on_fire = on_tell, .ud = &l};
    sg_arena_init(&l.arena, 0);
    int rc = open_source(&l, err); /* a missing input is told before any Python is started */
    if (rc == 0) rc = open_hooks(&l, err);
    if (rc == 0) rc = go(&l, err);
    close_all(&l);
    return rc;
}
