/* SPDX-License-Identifier: Apache-2.0 */
/* The policy of a call, one for all providers:
 *
 *   start -> attempt -> exchange or embedded model -> judge -> done
 *               ^                                      |
 *               +---- back-off (full jitter) <---------+  while attempts are left and the outcome may be asked again
 *
 * Back-off after attempt k is drawn from [0, min(60 s, 1 s * 2^(k-1))] (Brooker 2015, "full jitter"); a Retry-After of the
 * endpoint is a lower bound, believed up to 120 s. site.h says which address an attempt goes to. */
#include "calls/provider.h"
#include "calls/site.h"

#include <stdlib.h>

#define BACKOFF_BASE_MS 1000u
#define BACKOFF_CAP_MS 60000u
#define RETRY_AFTER_CAP_MS 120000

enum { IDLE, STARTING, EXCHANGE, LOCAL, BACKOFF };

/* One configured URL of a model. */
struct target {
    struct sg_url url;
    struct sg_endpoint *endpoint;
    struct sg_str headers;
};

struct sg_calls_model {
    struct sg_calls *calls;
    const struct sg_model_spec *spec;
    const struct sg_provider *provider; /* NULL: embedded */
    struct target *targets; /* parallel to sites */
    struct sg_sites sites;
    int warned; /* the last code that was told to the user: each kind of trouble once in a row */
    struct sg_local *local;
    uint32_t local_in_flight;
    struct sg_calls_spent spent;
    struct sg_calls_model *next;
};

struct sg_calls {
    struct sg_loop *loop;
    struct sg_http_client *http;
    struct sg_arena arena;   /* of models */
    struct sg_arena scratch; /* of the request or reply in hand */
    struct sg_calls_options options;
    struct sg_calls_model *models;
    struct sg_site *sites, *last_site;
    struct sg_call *first; /* calls that have not ended */
    struct sg_calls_figures figures;
};

static void attempt(struct sg_call *c);

int sg_calls_open(struct sg_loop *l, const struct sg_calls_options *o, struct sg_calls **out) {
    struct sg_calls *c = sg_xcalloc(1, sizeof *c);
    *c = (struct sg_calls){.loop = l, .options = *o};
    sg_arena_init(&c->arena, 0);
    sg_arena_init(&c->scratch, 64 * 1024);
    *out = c;
    return sg_http_open(l, &(struct sg_http_limits){0}, &c->http);
}

void sg_calls_close(struct sg_calls *c) {
    while (c->first) sg_call_cancel(c->first);
    for (struct sg_calls_model *m = c->models; m; m = m->next) {
        bool shared = false; /* by a model before it in the list */
        for (struct sg_calls_model *o = c->models; o != m; o = o->next) shared |= o->local == m->local;
        if (m->local && !shared) sg_local_close(m->local);
    }
    sg_http_close(c->http);
    sg_arena_fini(&c->scratch);
    sg_arena_fini(&c->arena);
    free(c);
}

/* --- models ------------------------------------------------------------------------------------------------------------- */

static int add_header(struct sg_buf *b, struct sg_str key, const struct sg_json *value, struct sg_err *err) {
    if (value->type != SG_JSON_STRING || !sg_http_header_safe(sg_json_text(value)) || !sg_http_header_safe(key))
        return sg_fail(err, SG_E_SYNTAX, "extra_headers: `%.*s` is no header", SG_ARG(key));
    sg_buf_printf(b, "%.*s: %.*s\r\n", SG_ARG(key), SG_ARG(sg_json_text(value)));
    return 0;
}

static void tell_proxy(const struct sg_model_spec *s, size_t i) {
    const struct sg_proxy *p = s->route.via ? s->route.via[i] : NULL;
    if (p)
        SG_LOG(proxy_used, SG_F_STR("model", s->alias), SG_F_STR("url", s->urls[i]), SG_F_STR("proxy", p->shown),
               SG_F_STR("from", p->from));
}

/* Nodes with the same model and address share one, and are told of its proxy once. */
static struct sg_site *site_of(struct sg_calls *c, const struct sg_model_spec *s, size_t i) {
    struct sg_str alias = s->alias, url = s->urls[i];
    for (struct sg_site *a = c->sites; a; a = (struct sg_site *)a->figures.next)
        if (sg_str_eq(a->figures.model, alias) && sg_str_eq(a->figures.url, url)) return a;
    struct sg_site *a = SG_NEW(&c->arena, struct sg_site);
    tell_proxy(s, i);
    a->figures.model = alias;
    a->figures.url = url;
    if (c->last_site) c->last_site->figures.next = &a->figures;
    else c->sites = a;
    return c->last_site = a;
}

static int open_target(struct sg_calls *c, struct sg_calls_model *m, size_t i, struct sg_err *err) {
    const struct sg_model_spec *s = m->spec;
    struct target *t = &m->targets[i];
    m->sites.at[i] = site_of(c, s, i);
    int rc = sg_url_parse(&c->arena, m->provider->url(&c->arena, s, i), &t->url, err);
    if (rc != 0) return sg_err_wrap(err, rc, "model %.*s", SG_ARG(s->alias));
    if (!sg_http_header_safe(s->tokens[i]))
        return sg_fail(err, SG_E_SYNTAX, "model %.*s: its token holds control characters", SG_ARG(s->alias));
    struct sg_buf b = SG_BUF_INIT(1 << 20);
    m->provider->headers(&b, s, s->tokens[i]);
    for (uint32_t k = 0; rc == 0 && s->extra_headers.type == SG_JSON_OBJECT && k < s->extra_headers.n; k++)
        rc = add_header(&b, s->extra_headers.members[k].key, &s->extra_headers.members[k].value, err);
    t->headers = sg_str_dup(&c->arena, sg_buf_view(&b));
    sg_buf_fini(&b);
    struct sg_tls_trust trust = {.unchecked = s->tls.unchecked,
                                 .ca = s->tls.ca,
                                 .cert = s->tls.cert,
                                 .system_file = s->tls.system_file,
                                 .system_dir = s->tls.system_dir};
    struct sg_http_route route = {.proxies = s->route.proxies,
                                  .follow_redirects = s->route.follow_redirects,
                                  .prior_knowledge = s->route.prior_knowledge};
    t->endpoint = sg_http_endpoint_routed(c->http, &t->url, &trust, &route);
    if (!t->endpoint && rc == 0) rc = sg_fail(err, SG_E_LIMIT, "no thread can be started: see ulimit -u");
    return rc;
}

static const struct sg_provider *provider_of(const struct sg_model_spec *s) {
    if (s->type == SG_MODEL_LLAMA) return NULL;
    return s->type == SG_MODEL_AZURE_OPENAI ? &sg_provider_azure : &sg_provider_openai;
}

static int open_http(struct sg_calls *c, struct sg_calls_model *m, struct sg_err *err) {
    uint32_t n = (uint32_t)m->spec->n_urls;
    m->provider = provider_of(m->spec);
    if (c->options.offline) return 0;
    m->targets = SG_NEW_N(&c->arena, struct target, n);
    m->sites = (struct sg_sites){
        .at = SG_NEW_N(&c->arena, struct sg_site *, n), .n = n, .policy = m->spec->load_balancing};
    for (uint32_t i = 0; i < n; i++) {
        int rc = open_target(c, m, i, err);
        if (rc != 0) return rc;
    }
    return n ? 0 : sg_fail(err, SG_E_MISSING, "model %.*s has no url", SG_ARG(m->spec->alias));
}

/* Nodes with the same file and sizes share one loaded model. */
static int open_local(struct sg_calls *c, struct sg_calls_model *m, struct sg_err *err) {
    const struct sg_model_spec *s = m->spec;
    if (c->options.offline) return 0;
    for (struct sg_calls_model *o = c->models; o; o = o->next) {
        if (!o->local || !sg_str_eq(o->spec->model_path, s->model_path) || o->spec->threads != s->threads) continue;
        if (o->spec->sequences == s->sequences && o->spec->context == s->context) {
            m->local = o->local;
            return 0;
        }
    }
    struct sg_local_options lo = {.model_path = s->model_path,
                                  .exe_dir = c->options.exe_dir,
                                  .threads = s->threads,
                                  .sequences = s->sequences,
                                  .context = s->context,
                                  .deterministic = c->options.deterministic};
    return sg_local_open(c->loop, &lo, &m->local, err);
}

int sg_calls_model(struct sg_calls *c, const struct sg_model_spec *spec, struct sg_calls_model **out,
                   struct sg_err *err) {
    struct sg_calls_model *m = SG_NEW(&c->arena, struct sg_calls_model);
    m->calls = c;
    m->spec = spec;
    int rc = 0;
    if (c->options.answer) m->provider = provider_of(spec);
    else rc = spec->type == SG_MODEL_LLAMA ? open_local(c, m, err) : open_http(c, m, err);
    if (rc != 0) return rc;
    m->next = c->models;
    c->models = m;
    *out = m;
    return 0;
}

void sg_calls_target(const struct sg_calls_model *m, size_t address, struct sg_calls_target *out) {
    const struct target *t = &m->targets[address];
    *out = (struct sg_calls_target){.endpoint = t->endpoint, .url = &t->url, .headers = t->headers};
}

struct sg_loop *sg_calls_loop(const struct sg_calls *c) {
    return c->loop;
}

/* --- life of a call -------------------------------------------------------------------------------------------------------- */

static void link_call(struct sg_calls *cs, struct sg_call *c) {
    c->prev_ = NULL;
    c->next_ = cs->first;
    if (cs->first) cs->first->prev_ = c;
    cs->first = c;
}

static void unlink_call(struct sg_calls *cs, struct sg_call *c) {
    *(c->prev_ ? &c->prev_->next_ : &cs->first) = c->next_;
    if (c->next_) c->next_->prev_ = c->prev_;
}

static void drop_scratch(struct sg_call *c) {
    if (!c->scratch_) return;
    sg_arena_fini(c->scratch_);
    free(c->scratch_);
    c->scratch_ = NULL;
}

/* How the attempt ended: 0, or an error. */
static void leave_flight(struct sg_call *c, int status) {
    struct sg_calls *cs = c->model->calls;
    if (c->state_ == EXCHANGE || c->state_ == LOCAL) cs->figures.in_flight--;
    if (c->state_ == LOCAL) c->model->local_in_flight--;
    if (c->state_ == EXCHANGE) /* a request that could not be made says nothing of the address */
        sg_site_end(c->model->sites.at[c->url_], c->unwritten_ ? SG_E_CANCELED : status,
                       sg_loop_now_ns(cs->loop));
    drop_scratch(c);
}

static void finish(struct sg_call *c, int status, const struct sg_completion *done, const struct sg_err *err) {
    struct sg_calls *cs = c->model->calls;
    c->state_ = IDLE;
    unlink_call(cs, c);
    *(status == 0 ? &cs->figures.ok : &cs->figures.failed) += 1;
    if (status != 0)
        SG_LOG(call_failed, SG_F_STR("model", c->model->spec->alias), SG_F_INT("record", c->record),
               SG_F_STR("node", c->node), SG_F_INT("attempt", c->attempts), SG_F_STR("error", sg_str(err->text)));
    c->on_done(c, status, done, err);
}

static void on_backoff_over(struct sg_timer *t) {
    struct sg_call *c = t->ud;
    c->model->calls->figures.backing_off--;
    attempt(c);
}

static void wait_for_attempt(struct sg_call *c, uint64_t wait_ns) {
    c->model->calls->figures.backing_off++;
    c->state_ = BACKOFF;
    c->backoff_ = (struct sg_timer){.on_fire = on_backoff_over, .ud = c};
    sg_timer_start(c->model->calls->loop, &c->backoff_, wait_ns);
}

static uint64_t backoff_ns(struct sg_call *c, int64_t retry_after_ms) {
    uint64_t window = BACKOFF_CAP_MS;
    if (c->attempts - 1 < 6) window = (uint64_t)BACKOFF_BASE_MS << (c->attempts - 1);
    if (window > BACKOFF_CAP_MS) window = BACKOFF_CAP_MS;
    uint64_t drawn = (uint64_t)(sg_rng_unit(sg_loop_rng(c->model->calls->loop)) * (double)SG_MS(window));
    if (retry_after_ms < 0) return drawn;
    if (retry_after_ms > RETRY_AFTER_CAP_MS) retry_after_ms = RETRY_AFTER_CAP_MS;
    /* Spread over a tenth more, so that those who were sent away together do not come back together. */
    return SG_MS(retry_after_ms) + drawn / 10;
}

static void fail_or_retry(struct sg_call *c, int status, int64_t retry_after_ms, struct sg_err *err) {
    struct sg_calls *cs = c->model->calls;
    leave_flight(c, status);
    uint32_t allowed = c->model->spec->retry_attempts;
    if (!sg_error_retryable(status) || c->attempts >= allowed) {
        if (c->attempts > 1) sg_err_wrap(err, status, "after %u attempts", c->attempts);
        finish(c, status, NULL, err);
        return;
    }
    if (c->model->warned != status) {
        c->model->warned = status;
        SG_LOG(call_trouble, SG_F_STR("error", sg_str(err->text)), SG_F_INT("record", c->record),
               SG_F_STR("node", c->node), SG_F_INT("attempt", c->attempts));
    }
    SG_LOG(call_retry, SG_F_STR("model", c->model->spec->alias), SG_F_INT("record", c->record),
           SG_F_STR("node", c->node), SG_F_INT("attempt", c->attempts), SG_F_STR("error", sg_str(err->text)));
    cs->figures.retries++;
    uint64_t wait = backoff_ns(c, retry_after_ms);
    wait_for_attempt(c, wait);
    if (c->on_again) c->on_again(c, wait, err);
}

static void spend(struct sg_calls_model *m, const struct sg_usage *u) {
    m->spent.prompt_tokens += u->prompt_tokens;
    m->spent.completion_tokens += u->completion_tokens;
    m->spent.unmetered += !u->known;
}

static void succeed(struct sg_call *c, const struct sg_completion *done, uint64_t latency_ns) {
    struct sg_calls_figures *f = &c->model->calls->figures;
    f->prompt_tokens += done->usage.prompt_tokens;
    f->completion_tokens += done->usage.completion_tokens;
    f->usage_unknown += !done->usage.known;
    spend(c->model, &done->usage);
    f->latency_ns += c->latency_ns = latency_ns;
    leave_flight(c, 0);
    finish(c, 0, done, NULL);
}

/* --- bodies of requests -------------------------------------------------------------------------------------------------- */

static void encode(const struct sg_calls_model *m, struct sg_buf *out, const struct sg_request *r) {
    const struct sg_provider *p = m->provider ? m->provider : &sg_provider_openai;
    p->encode(out, m->spec, r);
}

uint64_t sg_call_hash_of(struct sg_str body) {
    return sg_hash64(body, 0);
}

/* Its own arena: in on_done the completion lives in the shared one. */
int sg_call_body(struct sg_call *c, struct sg_buf *out, struct sg_err *err) {
    struct sg_request r = {0};
    struct sg_arena scratch;
    sg_arena_init(&scratch, 16 * 1024);
    int rc = c->request(c, &scratch, &r, err);
    if (rc == 0) encode(c->model, out, &r);
    sg_arena_fini(&scratch);
    return rc;
}

static uint64_t hash_of(const struct sg_calls_model *m, const struct sg_request *r) {
    struct sg_buf body = SG_BUF_INIT(SIZE_MAX);
    encode(m, &body, r);
    uint64_t hash = sg_call_hash_of(sg_buf_view(&body));
    sg_buf_fini(&body);
    return hash;
}

/* --- over HTTP ---------------------------------------------------------------------------------------------------------------- */

static int write_exchange(struct sg_exchange *x, struct sg_buf *out) {
    struct sg_call *c = x->ud;
    struct sg_calls *cs = c->model->calls;
    const struct target *t = &c->model->targets[c->url_];
    struct sg_request r = {0};
    sg_arena_reset(&cs->scratch);
    int rc = c->request(c, &cs->scratch, &r, NULL);
    c->unwritten_ = rc != 0;
    if (rc != 0) return rc;
    size_t mark = sg_http_request_head(out, &t->url, t->headers);
    size_t body = out->n;
    c->model->provider->encode(out, c->model->spec, &r);
    if (cs->options.hash_requests && !out->failed) c->request_hash = sg_call_hash_of((struct sg_str){out->p + body, out->n - body});
    sg_http_request_end(out, mark);
    if (!cs->figures.first_sent_ns) cs->figures.first_sent_ns = sg_loop_now_ns(cs->loop);
    return 0;
}

/* Not followed: the caller has not asked for it, or nothing says where to. */
static void on_redirect(struct sg_call *c, const struct sg_http_reply *reply) {
    struct sg_err err;
    const char *where = reply->location.n ? ", elsewhere: " : " and does not say where to go";
    struct sg_str location = sg_redact_url(&c->model->calls->scratch, reply->location);
    sg_fail(&err, SG_E_STATUS,
            "model %.*s answered %d%s%.*s; if that is the right address, write it as `url`, or let redirects be followed with "
            "`follow_redirects: true`", SG_ARG(c->model->spec->alias), reply->status, where, SG_ARG(location));
    err.status = reply->status;
    fail_or_retry(c, SG_E_STATUS, -1, &err);
}

static void on_refused(struct sg_call *c, const struct sg_http_reply *reply) {
    struct sg_err err;
    bool quota;
    if (reply->status >= 300 && reply->status < 400) {
        on_redirect(c, reply);
        return;
    }
    struct sg_str text = sg_refusal_text(&c->model->calls->scratch, reply->body, &quota);
    int s = reply->status;
    bool again = (s == 408 || s == 429 || s >= 500) && !quota;
    int code = sg_fail(&err, again ? SG_E_BUSY : SG_E_STATUS, "model %.*s answered %d: %.*s",
                       SG_ARG(c->model->spec->alias), s, SG_ARG(text));
    if (reply->via.n) sg_err_wrap(&err, code, "through the proxy %.*s", SG_ARG(reply->via));
    err.status = s;
    fail_or_retry(c, code, reply->retry_after_ms, &err);
}

static void on_exchange(struct sg_exchange *x, int status, const struct sg_http_reply *reply,
                        const struct sg_err *e) {
    struct sg_call *c = x->ud;
    struct sg_calls *cs = c->model->calls;
    struct sg_err err = {0};
    sg_arena_reset(&cs->scratch);
    if (status != 0) {
        if (e) err = *e;
        if (c->unwritten_) {
            status = c->request(c, &cs->scratch, &(struct sg_request){0}, &err); /* again, for its own words */
            c->attempts--;
            cs->figures.attempts--;
        } else sg_err_wrap(&err, status, "model %.*s", SG_ARG(c->model->spec->alias));
        fail_or_retry(c, status, -1, &err);
        return;
    }
    if (reply->status != 200) {
        on_refused(c, reply);
        return;
    }
    struct sg_completion done;
    status = c->model->provider->decode(&cs->scratch, c->model->spec, reply->body, &done, &err);
    if (status != 0) {
        sg_err_wrap(&err, status, "model %.*s", SG_ARG(c->model->spec->alias));
        fail_or_retry(c, status, -1, &err);
        return;
    }
    succeed(c, &done, sg_loop_now_ns(cs->loop) - x->sent_ns);
}

static void start_exchange(struct sg_call *c) {
    struct sg_calls_model *m = c->model;
    c->url_ = sg_site_choose(&m->sites, c->url_, c->started_ns);
    sg_site_begin(m->sites.at[c->url_]);
    c->http_ = (struct sg_exchange){.endpoint = m->targets[c->url_].endpoint,
                                    .write = write_exchange,
                                    .on_done = on_exchange,
                                    .ud = c,
                                    .timeout_ms = m->spec->timeout_ms};
    c->state_ = EXCHANGE;
    sg_exchange_start(&c->http_);
}

/* --- the embedded model -------------------------------------------------------------------------------------------------------- */

static void on_local(struct sg_local_request *r, int status, const struct sg_local_result *res,
                     const struct sg_err *e) {
    struct sg_call *c = r->ud;
    struct sg_calls *cs = c->model->calls;
    if (status != 0) {
        struct sg_err err = *e;
        sg_err_wrap(&err, status, "model %.*s", SG_ARG(c->model->spec->alias));
        fail_or_retry(c, status, -1, &err);
        return;
    }
    sg_arena_reset(&cs->scratch);
    struct sg_completion done = {.text = sg_completion_clean(&cs->scratch, c->model->spec, res->text),
                                 .finish_reason = sg_str(res->finish_reason),
                                 .usage = {res->prompt_tokens, res->completion_tokens, true}};
    succeed(c, &done, sg_loop_now_ns(cs->loop) - c->started_ns);
}

static double real_parameter(const struct sg_model_spec *m, const char *name) {
    const struct sg_json *v = sg_json_get(&m->parameters, sg_str(name));
    double d;
    return v && sg_json_to_double(v, &d) ? d : -1;
}

static int64_t whole_parameter(const struct sg_model_spec *m, const char *name, int64_t fallback) {
    const struct sg_json *v = sg_json_get(&m->parameters, sg_str(name));
    int64_t i;
    return v && sg_json_to_i64(v, &i) ? i : fallback;
}

static void local_parameters(struct sg_local_request *r, const struct sg_model_spec *m, uint64_t seed) {
    r->temperature = real_parameter(m, "temperature");
    r->top_p = real_parameter(m, "top_p");
    r->min_p = real_parameter(m, "min_p");
    r->repeat_penalty = real_parameter(m, "repeat_penalty");
    r->top_k = (int32_t)whole_parameter(m, "top_k", -1);
    int64_t max = whole_parameter(m, "max_tokens", whole_parameter(m, "max_completion_tokens", 0));
    r->max_tokens = max > 0 && max < UINT32_MAX ? (uint32_t)max : 0;
    r->seed = (uint64_t)whole_parameter(m, "seed", (int64_t)seed);
    r->stop = sg_json_get(&m->parameters, SG_STR("stop"));
}

static void start_local(struct sg_call *c) {
    struct sg_request r = {0};
    struct sg_err err = {0};
    c->scratch_ = sg_xmalloc(sizeof *c->scratch_);
    sg_arena_init(c->scratch_, 0);
    int rc = c->request(c, c->scratch_, &r, &err);
    struct sg_json *messages = sg_alloc(c->scratch_, sizeof *messages);
    *messages = r.messages;
    c->local_ = (struct sg_local_request){.messages = messages, .on_done = on_local, .ud = c};
    c->state_ = LOCAL;
    c->model->local_in_flight++;
    if (rc != 0) {
        fail_or_retry(c, rc, -1, &err);
        return;
    }
    if (c->model->calls->options.hash_requests) c->request_hash = hash_of(c->model, &r);
    local_parameters(&c->local_, c->model->spec, r.seed);
    c->local_.order = r.order;
    struct sg_calls *cs = c->model->calls;
    if (!cs->figures.first_sent_ns) cs->figures.first_sent_ns = sg_loop_now_ns(cs->loop);
    sg_local_start(c->model->local, &c->local_);
}

/* --- public ---------------------------------------------------------------------------------------------------------------------- */

static void attempt(struct sg_call *c) {
    struct sg_calls *cs = c->model->calls;
    struct sg_calls_figures *f = &cs->figures;
    c->attempts++;
    c->started_ns = sg_loop_now_ns(cs->loop);
    f->attempts++;
    if (++f->in_flight > f->peak_in_flight) f->peak_in_flight = f->in_flight;
    if (c->model->provider) start_exchange(c);
    else start_local(c);
}

static void answer_in_place(struct sg_call *c) {
    const struct sg_calls_options *o = &c->model->calls->options;
    struct sg_completion done = {0};
    struct sg_err err = {0};
    struct sg_buf body = SG_BUF_INIT(SIZE_MAX);
    int rc = sg_call_body(c, &body, &err);
    if (rc == 0) {
        c->request_hash = sg_call_hash_of(sg_buf_view(&body));
        rc = o->answer(o->answer_ud, c, &done, &err);
    }
    sg_buf_fini(&body);
    finish(c, rc, rc == 0 ? &done : NULL, rc == 0 ? NULL : &err);
}

/* A timer that is due at once: the callback must not come from inside start, whatever the first attempt meets. */
static void on_start(struct sg_timer *t) {
    struct sg_call *c = t->ud;
    if (c->model->calls->options.answer) answer_in_place(c);
    else attempt(c);
}

void sg_call_start(struct sg_call *c) {
    struct sg_calls *cs = c->model->calls;
    SG_ASSERT(!cs->options.offline);
    cs->figures.calls++;
    c->attempts = c->attempts_before;
    c->request_hash = c->latency_ns = 0;
    c->unwritten_ = false;
    c->url_ = SG_NO_SITE;
    c->scratch_ = NULL;
    link_call(cs, c);
    bool in_place = cs->options.answer != NULL;
    if (c->wait_before_ns && !in_place) {
        wait_for_attempt(c, c->wait_before_ns);
        return;
    }
    if (c->model->provider && !in_place) {
        attempt(c); /* an exchange never calls back from inside its start */
        return;
    }
    c->state_ = STARTING;
    c->backoff_ = (struct sg_timer){.on_fire = on_start, .ud = c};
    sg_timer_start(cs->loop, &c->backoff_, 0);
}

void sg_call_cancel(struct sg_call *c) {
    struct sg_calls *cs = c->model->calls;
    if (c->state_ == EXCHANGE) sg_exchange_cancel(&c->http_);
    if (c->state_ == LOCAL) sg_local_cancel(c->model->local, &c->local_);
    if (c->state_ == BACKOFF || c->state_ == STARTING) sg_timer_stop(cs->loop, &c->backoff_);
    if (c->state_ == BACKOFF) cs->figures.backing_off--;
    leave_flight(c, SG_E_CANCELED);
    cs->figures.canceled++;
    c->state_ = IDLE;
    unlink_call(cs, c);
}

void sg_calls_figures(const struct sg_calls *c, struct sg_calls_figures *out) {
    *out = c->figures;
}

void sg_calls_spent(const struct sg_calls_model *m, struct sg_calls_spent *out) {
    *out = m->spent;
}

const struct sg_calls_address *sg_calls_addresses(const struct sg_calls *c) {
    return c->sites ? &c->sites->figures : NULL;
}

static struct sg_calls_place local_place(const struct sg_calls_model *m) {
    uint32_t limit = m->calls->options.deterministic ? 1 : m->spec->sequences ? m->spec->sequences : SG_LOCAL_SEQUENCES;
    uint32_t busy = m->local_in_flight < limit ? m->local_in_flight : limit;
    return (struct sg_calls_place){
        .model = m->spec->alias, .in_flight = busy, .waiting = m->local_in_flight - busy, .limit = limit};
}

/* The addresses of a model follow each other. */
static bool is_of(const struct sg_calls_address *a, struct sg_str model) {
    return a && sg_str_eq(a->model, model);
}

size_t sg_calls_places(const struct sg_calls *c, struct sg_calls_place *out, size_t max) {
    size_t n = 0;
    const struct sg_calls_address *before = NULL;
    for (const struct sg_calls_address *a = sg_calls_addresses(c); a; before = a, a = a->next) {
        bool several = is_of(before, a->model) || is_of(a->next, a->model);
        struct sg_str url = several ? a->url : SG_STR_NONE;
        if (n++ < max)
            out[n - 1] = (struct sg_calls_place){.model = a->model, .url = url, .in_flight = a->in_flight};
    }
    for (const struct sg_calls_model *m = c->models; m; m = m->next)
        if (m->local && n++ < max) out[n - 1] = local_place(m);
    return n;
}
