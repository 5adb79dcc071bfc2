/* SPDX-License-Identifier: Apache-2.0 */
/* past: reading the rows of one record and their bodies. A load that was cancelled, or whose worker was closed, is freed when it
 * comes back, or with the source. */
#include "data/past.h"

#include <stdlib.h>

/* --- reading ---------------------------------------------------------------------------------------------------- */

struct reading {
    struct sg_past *past;
    struct sg_segments *segments;
    struct sg_buf body;
    int status;
    struct sg_err *err;
};

void sg_past_free(struct sg_past *p) {
    if (!p) return;
    sg_arena_fini(&p->arena);
    free(p);
}

/* The frame's payload, which lives as long as the past. */
static int read_body(struct reading *r, struct sg_place place, uint32_t *kind, struct sg_str *out) {
    sg_buf_reset(&r->body, (size_t)1 << 20);
    int rc = sg_segments_read(r->segments, place, kind, &r->body, r->err);
    if (rc == 0) *out = sg_str_dup(&r->past->arena, sg_buf_view(&r->body));
    return rc;
}

static int read_hook_body(struct reading *r, struct sg_str body, struct sg_past_call *c) {
    bool fine = sg_json_parse(&r->past->arena, body, &c->hook, NULL, NULL) == 0 && c->hook.type == SG_JSON_OBJECT;
    const struct sg_json *results = fine ? sg_json_get(&c->hook, SG_STR("results")) : NULL;
    fine = results && results->type == SG_JSON_ARRAY;
    return fine ? 0 : sg_fail(r->err, SG_E_SYNTAX, "the body is no result of a hook");
}

static int read_call_body(struct reading *r, struct sg_past_call *c) {
    uint32_t kind = 0;
    struct sg_str body = SG_STR_NONE;
    struct sg_arena *a = &r->past->arena;
    int rc = read_body(r, c->row.body, &kind, &body);
    if (rc < 0) return rc;
    if (c->row.state == SG_CALL_ANSWERED) {
        rc = sg_reply_read(a, kind, body, &c->reply, r->err);
        c->request = c->reply.request;
        return rc;
    }
    if (kind == SG_BODY_HOOK) return read_hook_body(r, body, c);
    struct sg_err *failure = SG_NEW(a, struct sg_err);
    c->failure = failure;
    return sg_failure_read(a, kind, body, failure, &c->request, r->err);
}

static bool on_call(void *ud, const struct sg_call_row *row) {
    struct reading *r = ud;
    struct sg_past *p = r->past;
    struct sg_past_call *c = SG_PUSH(&p->arena, p->calls, p->n_calls, p->cap_calls);
    *c = (struct sg_past_call){.row = *row};
    if (row->has_body) r->status = read_call_body(r, c);
    return r->status == 0;
}

static bool on_step(void *ud, const struct sg_step_row *row) {
    struct reading *r = ud;
    struct sg_past *p = r->past;
    uint32_t kind = 0;
    struct sg_str body = SG_STR_NONE;
    if (!row->has_body) return false;
    r->status = read_body(r, row->body, &kind, &body);
    if (r->status < 0) return false;
    struct sg_past_step *s = SG_PUSH(&p->arena, p->steps, p->n_steps, p->cap_steps);
    s->step = row->step;
    if (kind != SG_BODY_STEP || sg_json_parse(&p->arena, body, &s->changes, NULL, NULL) < 0)
        r->status = sg_fail(r->err, SG_E_SYNTAX, "the body is no step");
    return r->status == 0;
}

static int read_rows(struct reading *r, struct sg_rundb *db, uint64_t position) {
    int rc = sg_rundb_calls(db, position, position + 1, on_call, r);
    if (rc == 0 && r->status == 0) rc = sg_rundb_steps(db, position, position + 1, on_step, r);
    if (rc < 0) *r->err = *sg_rundb_error(db);
    return rc < 0 ? rc : r->status;
}

int sg_past_read(struct sg_rundb *db, struct sg_segments *segments, uint64_t position, struct sg_past **out,
                 struct sg_err *err) {
    struct sg_err own;
    struct reading r = {.segments = segments, .body = SG_BUF_INIT(SIZE_MAX), .err = err ? err : &own};
    r.past = sg_xcalloc(1, sizeof *r.past);
    sg_arena_init(&r.past->arena, 0);
    int rc = read_rows(&r, db, position);
    sg_buf_fini(&r.body);
    *out = rc == 0 ? r.past : NULL;
    if (rc == 0) return 0;
    sg_past_free(r.past);
    return sg_err_wrap(r.err, rc, "record %llu cannot be gone on with", (unsigned long long)position);
}

/* --- a source --------------------------------------------------------------------------------------------------- */

/* A question on its way. */
struct load {
    struct sg_job job;
    struct load *prev, *next;
    struct sg_past_folder *folder;
    struct sg_past_request *request; /* NULL: cancelled */
    uint64_t position;
    int status;
    struct sg_past *past;
    struct sg_err err;
};

struct sg_past_folder {
    struct sg_past_source source;
    struct sg_worker *worker;
    struct sg_rundb *db;
    struct sg_segments *segments;
    const uint64_t *positions;
    size_t n;
    struct load *loads;
};

static void run_load(struct sg_job *j) {
    struct load *l = j->ud;
    l->status = sg_past_read(l->folder->db, l->folder->segments, l->position, &l->past, &l->err);
}

static void unlink_load(struct load *l) {
    *(l->prev ? &l->prev->next : &l->folder->loads) = l->next;
    if (l->next) l->next->prev = l->prev;
}

static void free_load(struct load *l) {
    sg_past_free(l->past);
    free(l);
}

static void on_read(struct sg_job *j) {
    struct load *l = j->ud;
    struct sg_past_request *q = l->request;
    struct sg_past *past = l->past;
    struct sg_err err = l->err;
    int status = l->status;
    if (past && l->folder->source.is_all) past->n_steps = 0;
    if (q) l->past = NULL;
    unlink_load(l);
    free_load(l);
    if (!q) return;
    q->impl_ = NULL;
    q->on_past(q, status, past, status ? &err : NULL);
}

static bool has(void *ud, uint64_t position) {
    const struct sg_past_folder *f = ud;
    size_t low = 0, high = f->n;
    if (!f->positions) return true;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (f->positions[mid] < position) low = mid + 1;
        else high = mid;
    }
    return low < f->n && f->positions[low] == position;
}

static void load(void *ud, struct sg_past_request *q) {
    struct sg_past_folder *f = ud;
    struct load *l = sg_xcalloc(1, sizeof *l);
    l->job = (struct sg_job){.run = run_load, .done = on_read, .ud = l};
    l->folder = f;
    l->request = q;
    l->position = q->position;
    l->next = f->loads;
    if (f->loads) f->loads->prev = l;
    f->loads = l;
    q->impl_ = l;
    sg_worker_submit(f->worker, &l->job);
}

static void cancel(void *ud, struct sg_past_request *q) {
    struct load *l = q->impl_;
    (void)ud;
    if (l) l->request = NULL;
    q->impl_ = NULL;
}

struct sg_past_folder *sg_past_folder_open(struct sg_worker *w, struct sg_rundb *db, struct sg_segments *segments,
                                           const uint64_t *positions, size_t n) {
    struct sg_past_folder *f = sg_xmalloc(sizeof *f);
    *f = (struct sg_past_folder){.worker = w, .db = db, .segments = segments, .positions = positions, .n = n};
    f->source = (struct sg_past_source){.has = has, .load = load, .cancel = cancel, .ud = f};
    return f;
}

void sg_past_folder_replay(struct sg_past_folder *f) {
    f->source.is_all = true;
}

const struct sg_past_source *sg_past_folder_source(const struct sg_past_folder *f) {
    return &f->source;
}

void sg_past_folder_close(struct sg_past_folder *f) {
    if (!f) return;
    for (struct load *l = f->loads, *next; l; l = next) {
        next = l->next;
        free_load(l);
    }
    free(f);
}
