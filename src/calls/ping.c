/* SPDX-License-Identifier: Apache-2.0 */
/* An endpoint's list of models stands where its chat completions stand: .../chat/completions and .../models. The same
 * connection settings and headers are used, so that what a ping says holds for a call. */
#include "calls/ping.h"

#include "calls/provider.h"

#define CHAT "/chat/completions"
#define NAMES_SHOWN 5

/* --- over HTTP -------------------------------------------------------------------------------------------------------------- */

static int write_request(struct sg_exchange *x, struct sg_buf *out) {
    struct sg_ping *p = x->ud;
    sg_http_request_get(out, &p->url_, p->headers_);
    return 0;
}

static void done(struct sg_ping *p, int status, const struct sg_ping_answer *answer, const struct sg_err *err) {
    struct sg_arena held = p->arena_; /* the callback may take the ping away */
    p->on_done(p, status, answer, err);
    sg_arena_fini(&held);
}

/* {"data": [{"id": "..."}, ...]} */
static void read_list(struct sg_ping *p, struct sg_str body, struct sg_ping_answer *out) {
    struct sg_json v;
    if (sg_json_parse(&p->arena_, body, &v, NULL, NULL) != 0) return;
    const struct sg_json *data = sg_json_get(&v, SG_STR("data"));
    if (!data || data->type != SG_JSON_ARRAY) return;
    out->list = SG_PING_UNLISTED;
    out->names = SG_STR("");
    for (uint32_t i = 0; i < data->n; i++) {
        const struct sg_json *id = sg_json_get(&data->items[i], SG_STR("id"));
        if (!id || id->type != SG_JSON_STRING) continue;
        if (sg_str_eq(sg_json_text(id), p->spec->wire_name)) out->list = SG_PING_LISTED;
        if (i < NAMES_SHOWN)
            out->names = sg_str_printf(&p->arena_, "%.*s%s%.*s", SG_ARG(out->names), out->names.n ? ", " : "",
                                       SG_ARG(sg_json_text(id)));
    }
    if (data->n > NAMES_SHOWN) out->names = sg_str_join(&p->arena_, out->names, SG_STR(", ..."));
}

static void on_exchange(struct sg_exchange *x, int status, const struct sg_http_reply *reply, const struct sg_err *e) {
    struct sg_ping *p = x->ud;
    struct sg_err err = {0};
    struct sg_ping_answer answer = {.list = SG_PING_NO_LIST};
    if (status != 0) {
        done(p, status, NULL, e);
        return;
    }
    answer.latency_ns = sg_loop_now_ns(p->loop_) - p->started_ns_; /* with the connection */
    bool none = reply->status == 404 || reply->status == 405 || reply->status == 501;
    if (reply->status == 200) read_list(p, reply->body, &answer);
    else if (!none) {
        sg_fail(&err, SG_E_STATUS, "it answered %d to a request for its list of models", reply->status);
        err.status = reply->status;
        done(p, SG_E_STATUS, NULL, &err);
        return;
    }
    done(p, 0, &answer, NULL);
}

static bool list_url(struct sg_ping *p, const struct sg_url *chat) {
    p->url_ = *chat;
    if (!sg_str_ends(chat->path, SG_STR(CHAT))) return false;
    struct sg_str base = {chat->path.p, chat->path.n - (sizeof CHAT - 1)};
    p->url_.path = sg_str_join(&p->arena_, base, SG_STR("/models"));
    return true;
}

static int start_http(struct sg_calls *c, struct sg_ping *p, struct sg_err *err) {
    struct sg_calls_model *m;
    struct sg_calls_target t;
    int rc = sg_calls_model(c, p->spec, &m, err);
    if (rc != 0) return rc;
    sg_calls_target(m, p->address, &t);
    if (!list_url(p, t.url))
        return sg_fail(err, SG_E_UNSUPPORTED, "an endpoint of this type has no list of models; --generate makes a call");
    p->headers_ = t.headers;
    p->http_ = (struct sg_exchange){.endpoint = t.endpoint,
                                    .write = write_request,
                                    .on_done = on_exchange,
                                    .ud = p,
                                    .timeout_ms = p->timeout_ms};
    sg_exchange_start(&p->http_);
    return 0;
}

/* --- the embedded model ----------------------------------------------------------------------------------------------------- */

static void run_look(struct sg_job *j) {
    struct sg_ping *p = j->ud;
    sg_local_look(&p->arena_, p->spec->model_path, p->exe_dir, &p->file_, &p->err_);
}

static void on_looked(struct sg_job *j) {
    struct sg_ping *p = j->ud;
    struct sg_err err = p->err_;
    struct sg_ping_answer answer = {.list = SG_PING_FILE, .file = p->file_};
    answer.latency_ns = sg_loop_now_ns(p->loop_) - p->started_ns_;
    sg_worker_close(p->worker_);
    done(p, err.code, err.code ? NULL : &answer, &err);
}

static int start_look(struct sg_loop *l, struct sg_ping *p, struct sg_err *err) {
    int rc = sg_worker_open(l, "sygra-ping", &p->worker_);
    if (rc != 0) return sg_fail(err, rc, "no thread to look at the model's file");
    p->job_ = (struct sg_job){.run = run_look, .done = on_looked, .ud = p};
    sg_worker_submit(p->worker_, &p->job_);
    return 0;
}

int sg_ping_start(struct sg_calls *c, struct sg_ping *p, struct sg_err *err) {
    sg_arena_init(&p->arena_, 0);
    p->err_ = (struct sg_err){0};
    p->loop_ = sg_calls_loop(c);
    p->started_ns_ = sg_loop_now_ns(p->loop_);
    int rc = p->spec->type == SG_MODEL_LLAMA ? start_look(p->loop_, p, err) : start_http(c, p, err);
    if (rc != 0) sg_arena_fini(&p->arena_);
    return rc;
}
