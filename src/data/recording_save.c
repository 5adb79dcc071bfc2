/* SPDX-License-Identifier: Apache-2.0 */
/* recording: making one from a run folder. */
#include "data/recording.h"

#include <fcntl.h>

#define CHUNK_BYTES ((size_t)1 << 20)

struct saving {
    struct sg_segments *segments;
    struct sg_run_identity id;
    struct sg_arena arena; /* of one call */
    struct sg_buf body, out;
    const char *path;
    int fd;
    uint64_t at, n;
    int status;
    struct sg_err *err;
};

static int flush(struct saving *s) {
    int rc = sg_os_pwrite_all(s->fd, s->out.p, s->out.n, s->at);
    s->at += s->out.n;
    sg_buf_reset(&s->out, 2 * CHUNK_BYTES);
    return rc < 0 ? sg_fail_sys(s->err, SG_E_IO, -rc, "%s: cannot be written", s->path) : 0;
}

static void write_number(struct saving *s, const char *key, uint64_t value, uint64_t usual) {
    if (value != usual) sg_buf_printf(&s->out, ",\"%s\":%llu", key, (unsigned long long)value);
}

static void write_key(struct saving *s, const struct sg_call_row *row) {
    SG_BUF_LIT(&s->out, "{\"node\":");
    sg_json_write_text(&s->out, s->id.nodes[row->node].name);
    sg_buf_printf(&s->out, ",\"position\":%llu", (unsigned long long)row->position);
    write_number(s, "visit", row->visit, 0);
    write_number(s, "ordinal", row->ordinal, 0);
    write_number(s, "attempts", row->attempts, 1);
}

static void write_reply(struct saving *s, const struct sg_call_row *row, const struct sg_reply *r) {
    SG_BUF_LIT(&s->out, ",\"reply\":{\"text\":");
    sg_json_write_text(&s->out, r->text);
    SG_BUF_LIT(&s->out, ",\"finish_reason\":");
    sg_json_write_text(&s->out, r->finish_reason);
    if (r->tool_calls.type == SG_JSON_ARRAY) {
        SG_BUF_LIT(&s->out, ",\"tool_calls\":");
        sg_json_write(&s->out, &r->tool_calls);
    }
    if (r->usage_known)
        sg_buf_printf(&s->out, "},\"usage\":{\"prompt_tokens\":%llu,\"completion_tokens\":%llu}",
                      (unsigned long long)row->prompt_tokens, (unsigned long long)row->completion_tokens);
    else SG_BUF_LIT(&s->out, "},\"usage\":null");
}

static void write_failure(struct saving *s, const struct sg_err *failure) {
    SG_BUF_LIT(&s->out, ",\"failure\":{\"error\":");
    sg_json_write_text(&s->out, sg_str(sg_error_name(failure->code)));
    SG_BUF_LIT(&s->out, ",\"message\":");
    sg_json_write_text(&s->out, sg_str(failure->text));
    if (failure->status) sg_buf_printf(&s->out, ",\"status\":%d", failure->status);
    sg_buf_ch(&s->out, '}');
}

static int save_call(struct saving *s, const struct sg_call_row *row) {
    struct sg_reply reply = {0};
    struct sg_err failure = {0};
    struct sg_str request = SG_STR_NONE;
    uint32_t kind;
    bool answered = row->state == SG_CALL_ANSWERED;
    sg_buf_reset(&s->body, CHUNK_BYTES);
    int rc = sg_segments_read(s->segments, row->body, &kind, &s->body, s->err);
    if (rc == 0 && answered) rc = sg_reply_read(&s->arena, kind, sg_buf_view(&s->body), &reply, s->err);
    else if (rc == 0) rc = sg_failure_read(&s->arena, kind, sg_buf_view(&s->body), &failure, &request, s->err);
    if (rc < 0) return rc;
    if (answered) request = reply.request;
    if (!request.n)
        return sg_fail(s->err, SG_E_MISSING,
                       "what node `%.*s` asked for record %llu was not kept: only calls of runs with --keep all can be recorded",
                       SG_ARG(s->id.nodes[row->node].name), (unsigned long long)row->position);
    write_key(s, row);
    SG_BUF_LIT(&s->out, ",\"request\":");
    sg_buf_str(&s->out, request);
    if (answered) write_reply(s, row, &reply);
    else write_failure(s, &failure);
    SG_BUF_LIT(&s->out, "}\n");
    s->n++;
    return s->out.n < CHUNK_BYTES ? 0 : flush(s);
}

static bool on_call(void *ud, const struct sg_call_row *row) {
    struct saving *s = ud;
    bool ended = row->state == SG_CALL_ANSWERED || row->state == SG_CALL_FAILED;
    if (!ended || !row->has_body || row->node >= s->id.n_nodes) return true;
    s->status = save_call(s, row);
    sg_arena_reset(&s->arena);
    return s->status == 0;
}

static int save_all(struct saving *s, struct sg_rundb *db) {
    SG_BUF_LIT(&s->out, "{\"recording\":1}\n");
    int rc = sg_rundb_calls(db, 0, INT64_MAX, on_call, s);
    if (rc < 0) return *s->err = *sg_rundb_error(db), rc;
    if (s->status == 0) s->status = flush(s);
    int synced = s->status == 0 ? sg_os->sync(s->fd) : 0;
    return synced < 0 ? sg_fail_sys(s->err, SG_E_IO, -synced, "%s: sync failed", s->path) : s->status;
}

static int save_to(struct saving *s, struct sg_rundb *db, const char *path, const char *final) {
    s->path = path;
    s->fd = sg_os->open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (s->fd < 0) return sg_fail_sys(s->err, SG_E_IO, -s->fd, "%s: cannot be written", path);
    int rc = save_all(s, db);
    sg_os->close(s->fd);
    int renamed = rc == 0 ? sg_os->rename(path, final) : 0;
    if (renamed < 0) rc = sg_fail_sys(s->err, SG_E_IO, -renamed, "%s: cannot be renamed to %s", path, final);
    if (rc < 0) sg_os->unlink(path);
    return rc;
}

int sg_recording_save(const char *run_folder, const char *path, uint64_t *n, struct sg_err *err) {
    struct sg_err own;
    struct saving s = {.out = SG_BUF_INIT(SIZE_MAX), .body = SG_BUF_INIT(SIZE_MAX), .err = err ? err : &own};
    struct sg_arena names;
    struct sg_rundb *db = NULL;
    sg_arena_init(&names, 0);
    sg_arena_init(&s.arena, 0);
    int rc = sg_rundb_view(run_folder, &names, &s.id, &db, s.err);
    if (rc == 0) rc = sg_segments_view(sg_str_printf(&names, "%s/segments", run_folder).p, &s.segments, s.err);
    if (rc == 0) rc = save_to(&s, db, sg_str_printf(&names, "%s.new", path).p, path);
    *n = s.n;
    sg_segments_close(s.segments, false);
    sg_rundb_close(db);
    sg_buf_fini(&s.out);
    sg_buf_fini(&s.body);
    sg_arena_fini(&s.arena);
    sg_arena_fini(&names);
    return rc;
}
