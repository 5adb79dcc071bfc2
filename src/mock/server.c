/* SPDX-License-Identifier: Apache-2.0 */
/* server: the mock's connections, time, capacity and faults.
 *
 * A request under way is one small block (`work`): what its reply depends on, not the reply, which is drawn when its time has
 * come. So 10,000 waiting requests hold about 200 bytes each. An idle connection holds no buffers.
 *
 * What happens to a request depends on (seed, hash, attempt) alone: two systems under test meet the same faults. A 429 is
 * answered at once and a hanging request never; neither takes a serving slot. */
#include "mock/mock_parts.h"
#include "net/tls.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <math.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#define IN_MAX ((size_t)80 << 20)
#define KEEP_BYTES (256 * 1024)
#define STATUSES_MAX 32
#define LOG_FLUSH_BYTES (32 * 1024)
#define LOG_FLUSH_MS 100

struct conn {
    struct sg_mock *m;
    struct sg_stream *stream;
    struct conn *prev, *next;
    struct work *work; /* the request under way */
    struct sg_buf in;  /* a request in pieces, or one that came early */
    char *unsent;      /* what the socket did not take yet */
    size_t unsent_n, unsent_at;
    bool continued;    /* 100 was sent for the request that is coming */
    bool keep_alive;   /* of the latest request */
};

enum fault { NO_FAULT, FAIL_STATUS, RESET, TRUNCATE, GARBAGE, HANG, ERROR_BODY };

struct work {
    struct conn *conn;
    struct sg_timer timer;
    struct work *prev, *next; /* in the queue for a slot */
    struct sg_mock_answer answer;
    uint32_t attempt;
    int status; /* of FAIL_STATUS */
    uint8_t fault;
    bool queued, serving;
    uint64_t began_ns;
    char texts[]; /* answer.model, answer.text */
};

struct weighted {
    int status;
    double upto; /* share of this one and those before it */
};

struct sg_mock {
    struct sg_loop *loop;
    struct sg_mock_options o;
    struct sg_listener *listener;
    struct sg_tls *tls;      /* NULL: plain HTTP */
    struct sg_arena arena;   /* options and script */
    struct sg_arena scratch; /* the request being read */
    struct sg_mock_script script;
    struct weighted statuses[STATUSES_MAX];
    size_t n_statuses;
    struct sg_mock_counters counters;
    struct conn *conns;
    struct work *first_queued, *last_queued;
    struct sg_buf chunked, body, out;
    int log_fd; /* -1: none */
    struct sg_buf log;
    uint64_t log_at;
    struct sg_timer log_timer;
};

/* --- the log ------------------------------------------------------------------------------------------------------------ */

static void flush_log(struct sg_mock *m) {
    if (sg_os_pwrite_all(m->log_fd, m->log.p, m->log.n, m->log_at) == 0) m->log_at += m->log.n;
    sg_buf_reset(&m->log, KEEP_BYTES);
}

static void on_log_flush(struct sg_timer *t) {
    flush_log(t->ud);
}

static void log_end(struct sg_mock *m, const struct work *w, enum sg_mock_outcome outcome, int status) {
    uint64_t took = sg_loop_now_ns(m->loop) - w->began_ns;
    sg_buf_printf(&m->log, "{\"t\":%.6f,\"hash\":\"%016llx\",\"attempt\":%u,\"model\":", (double)sg_os->wall_ns() / 1e9,
                  (unsigned long long)w->answer.hash, w->attempt);
    sg_json_write_string(&m->log, w->answer.model);
    sg_buf_printf(&m->log, ",\"outcome\":\"%s\",\"status\":%d,\"ms\":%.3f}\n", sg_mock_outcome_names[outcome], status,
                  (double)took / 1e6);
    if (m->log.n >= LOG_FLUSH_BYTES)
        flush_log(m);
    else if (!sg_timer_armed(&m->log_timer))
        sg_timer_start(m->loop, &m->log_timer, SG_MS(LOG_FLUSH_MS));
}

/* --- slots -------------------------------------------------------------------------------------------------------------- */

static void on_served(struct sg_timer *t);

/* Log-normal with the mean wished for: exp(mu + sigma^2 / 2) is the mean of the distribution. Box and Muller's normal. */
static uint64_t latency_ns(const struct sg_mock *m, uint64_t hash) {
    double mean = m->o.latency_ms * 1e6, sigma = m->o.latency_sigma;
    if (!(mean > 0)) return 0;
    if (!(sigma > 0)) return (uint64_t)mean;
    struct sg_draw_key key = {.seed = m->o.seed, .position = hash, .node = 1};
    double u = 1 - sg_draw_unit(&key, 0), v = sg_draw_unit(&key, 1);
    double normal = sqrt(-2 * log(u)) * cos(2 * M_PI * v);
    return (uint64_t)(mean * exp(sigma * normal - sigma * sigma / 2));
}

static void enqueue(struct sg_mock *m, struct work *w) {
    w->queued = true;
    w->prev = m->last_queued;
    *(m->last_queued ? &m->last_queued->next : &m->first_queued) = w;
    m->last_queued = w;
}

static void dequeue(struct sg_mock *m, struct work *w) {
    w->queued = false;
    *(w->prev ? &w->prev->next : &m->first_queued) = w->next;
    *(w->next ? &w->next->prev : &m->last_queued) = w->prev;
    w->prev = w->next = NULL;
}

static void start_serving(struct sg_mock *m, struct work *w) {
    w->serving = true;
    sg_mock_count_serving(&m->counters, +1);
    w->timer = (struct sg_timer){.on_fire = on_served, .ud = w};
    sg_timer_start(m->loop, &w->timer, latency_ns(m, w->answer.hash));
}

static void serve_queue(struct sg_mock *m) {
    while (m->first_queued && m->counters.serving < m->o.capacity) {
        struct work *w = m->first_queued;
        dequeue(m, w);
        start_serving(m, w);
    }
}

/* The request is over: counted, logged, its slot free. */
static void end_work(struct work *w, enum sg_mock_outcome outcome, int status) {
    struct sg_mock *m = w->conn->m;
    sg_mock_count_end(&m->counters, w->answer.hash, outcome, status);
    if (m->o.watch) m->o.watch->on_end(m->o.watch->ud, w->conn->stream, w->answer.hash, outcome == SG_MOCK_ANSWERED);
    if (m->log_fd >= 0) log_end(m, w, outcome, status);
    sg_timer_stop(m->loop, &w->timer);
    if (w->queued) dequeue(m, w);
    if (w->serving) sg_mock_count_serving(&m->counters, -1);
    w->conn->work = NULL;
    free(w);
    serve_queue(m);
}

/* --- connections -------------------------------------------------------------------------------------------------------- */

static void drop(struct conn *c, bool reset) {
    struct sg_mock *m = c->m;
    if (c->work) end_work(c->work, c->work->fault == HANG ? SG_MOCK_HANG : SG_MOCK_GONE, 0);
    *(c->prev ? &c->prev->next : &m->conns) = c->next;
    if (c->next) c->next->prev = c->prev;
    sg_mock_count_connection(&m->counters, -1);
    if (reset)
        sg_stream_reset(c->stream);
    else
        sg_stream_close(c->stream);
    sg_buf_fini(&c->in);
    free(c->unsent);
    free(c);
}

/* False: the connection is gone. */
static bool give(struct conn *c, struct sg_str bytes, bool then_close) {
    ssize_t n = sg_stream_write(c->stream, bytes.p, bytes.n);
    if (n < 0 || ((size_t)n == bytes.n && then_close)) {
        drop(c, false);
        return false;
    }
    if ((size_t)n == bytes.n) return true;
    c->keep_alive &= !then_close;
    c->unsent_n = bytes.n - (size_t)n;
    c->unsent_at = 0;
    c->unsent = sg_xmalloc(c->unsent_n);
    memcpy(c->unsent, bytes.p + n, c->unsent_n);
    return true;
}

/* Head and m->body. `missing` bytes of the body are not sent. */
static bool give_reply(struct conn *c, int status, const char *type, size_t missing) {
    struct sg_mock *m = c->m;
    int32_t wait = status == 429 || status == 503 ? m->o.retry_after_s : -1;
    sg_buf_reset(&m->out, KEEP_BYTES);
    sg_mock_write_head(&m->out, status, type, m->body.n, wait, c->keep_alive);
    sg_buf_add(&m->out, m->body.p, m->body.n - missing);
    return give(c, sg_buf_view(&m->out), !c->keep_alive || missing);
}

static bool give_error(struct conn *c, int status, struct sg_str message) {
    sg_buf_reset(&c->m->body, KEEP_BYTES);
    sg_mock_write_error(&c->m->body, status, message);
    return give_reply(c, status, "application/json", 0);
}

/* --- answers ------------------------------------------------------------------------------------------------------------ */

static void write_body(struct sg_mock *m, const struct work *w) {
    sg_buf_reset(&m->body, KEEP_BYTES);
    switch (w->fault) {
    case FAIL_STATUS:
        sg_mock_write_error(&m->body, w->status, w->answer.has_text ? w->answer.text : SG_STR("a fault, as configured"));
        break;
    case ERROR_BODY:
        sg_mock_write_error(&m->body, 500, SG_STR("an error with status 200, as configured"));
        break;
    case GARBAGE:
        SG_BUF_LIT(&m->body, "<!DOCTYPE html>\n<html><body><h1>It works!</h1></body></html>\n");
        break;
    default:
        sg_mock_write_answer(&m->body, &w->answer, &m->o);
        break;
    }
}

/* Its time has come. False: the connection is gone. */
static bool answer(struct work *w) {
    static const uint8_t OUTCOME[] = {
        [NO_FAULT] = SG_MOCK_ANSWERED,   [FAIL_STATUS] = SG_MOCK_STATUS, [RESET] = SG_MOCK_WAS_RESET,
        [TRUNCATE] = SG_MOCK_TRUNCATED,  [GARBAGE] = SG_MOCK_GARBAGE,    [HANG] = SG_MOCK_HANG,
        [ERROR_BODY] = SG_MOCK_ERROR_BODY};
    struct conn *c = w->conn;
    struct sg_mock *m = c->m;
    uint8_t fault = w->fault;
    int status = fault == FAIL_STATUS ? w->status : fault == RESET ? 0 : 200;
    write_body(m, w);
    end_work(w, OUTCOME[fault], status);
    if (fault == RESET) {
        drop(c, true);
        return false;
    }
    return give_reply(c, status, fault == GARBAGE ? "text/html" : "application/json",
                      fault == TRUNCATE ? m->body.n / 2 : 0);
}

static ssize_t take_requests(struct conn *c, struct sg_str in);

/* Requests that came early are taken up when the one before is answered. */
static void take_kept(struct conn *c) {
    if (c->in.n == 0 || c->work || c->unsent) return;
    ssize_t used = take_requests(c, sg_buf_view(&c->in));
    if (used < 0) return;
    sg_buf_drop(&c->in, (size_t)used);
    if (c->in.n == 0) sg_buf_fini(&c->in);
}

static void on_served(struct sg_timer *t) {
    struct work *w = t->ud;
    struct conn *c = w->conn;
    if (answer(w)) take_kept(c);
}

/* --- questions ---------------------------------------------------------------------------------------------------------- */

static int drawn_status(const struct sg_mock *m, double v) {
    size_t i = 0;
    while (i + 1 < m->n_statuses && v >= m->statuses[i].upto) i++;
    return m->statuses[i].status;
}

static void draw_fault(const struct sg_mock *m, struct work *w) {
    const struct sg_mock_options *o = &m->o;
    const double rates[] = {[FAIL_STATUS] = o->fail_rate, [RESET] = o->reset_rate, [TRUNCATE] = o->truncate_rate,
                            [GARBAGE] = o->garbage_rate,  [HANG] = o->hang_rate,   [ERROR_BODY] = o->error_body_rate};
    if (o->fault_attempts && w->attempt > o->fault_attempts) return;
    struct sg_draw_key key = {.seed = o->seed, .position = w->answer.hash, .visit = w->attempt};
    double u = sg_draw_unit(&key, 0);
    for (int f = FAIL_STATUS; f <= ERROR_BODY; f++) {
        u -= rates[f];
        if (u >= 0) continue;
        w->fault = (uint8_t)f;
        if (f == FAIL_STATUS) w->status = drawn_status(m, sg_draw_unit(&key, 1));
        return;
    }
}

/* The reply's text, where it is not drawn. */
static bool given_text(struct sg_mock *m, const struct sg_mock_question *q, const struct sg_mock_rule *rule,
                       struct sg_str *text) {
    *text = SG_STR_NONE;
    if (rule) {
        *text = rule->status ? SG_STR("refused by the script") : rule->reply;
    } else if (q->model.n >= 4 && memmem(q->model.p, q->model.n, "echo", 4)) {
        *text = q->last_user;
    } else if (q->as_json) {
        sg_buf_reset(&m->body, KEEP_BYTES);
        sg_mock_write_json(&m->body, q->schema, q->hash);
        *text = sg_buf_view(&m->body);
    } else {
        return false;
    }
    return true;
}

static struct work *new_work(struct conn *c, const struct sg_mock_question *q) {
    struct sg_mock *m = c->m;
    const struct sg_mock_rule *rule = m->script.n ? sg_mock_find_rule(&m->script, q) : NULL;
    struct sg_str text;
    bool has_text = given_text(m, q, rule, &text);
    struct work *w = sg_xcalloc(1, sizeof *w + q->model.n + text.n);
    memcpy(w->texts, q->model.p, q->model.n);
    if (text.n) memcpy(w->texts + q->model.n, text.p, text.n);
    w->conn = c;
    w->answer = (struct sg_mock_answer){.hash = q->hash,
                                        .choices = q->choices,
                                        .max_tokens = q->max_tokens,
                                        .prompt_tokens = q->prompt_tokens,
                                        .is_chat = q->path == SG_MOCK_CHAT,
                                        .has_text = has_text,
                                        .model = {w->texts, q->model.n},
                                        .text = {w->texts + q->model.n, text.n},
                                        .tool_calls = rule ? rule->tool_calls : NULL};
    w->began_ns = sg_loop_now_ns(m->loop);
    if (rule && rule->status) {
        w->fault = FAIL_STATUS;
        w->status = rule->status;
    }
    c->work = w;
    return w;
}

/* False: the connection is gone. */
static bool begin(struct work *w) {
    struct sg_mock *m = w->conn->m;
    if (w->fault == HANG) return true;
    if (w->fault == FAIL_STATUS && w->status == 429) return answer(w);
    if (m->o.capacity && m->counters.serving >= m->o.capacity) {
        enqueue(m, w);
        return true;
    }
    if (m->o.latency_ms > 0) {
        start_serving(m, w);
        return true;
    }
    w->serving = true;
    sg_mock_count_serving(&m->counters, +1);
    return answer(w);
}

static bool ask(struct conn *c, const struct sg_mock_http *r, enum sg_mock_path path, struct sg_str deployment) {
    struct sg_mock *m = c->m;
    struct sg_mock_question q = {.path = path, .model = deployment};
    struct sg_err err;
    sg_arena_reset(&m->scratch);
    if (sg_mock_read_question(&m->scratch, r->body, &q, &err) != 0) {
        m->counters.by_status[400]++;
        return give_error(c, 400, sg_str(err.text));
    }
    struct work *w = new_work(c, &q);
    w->attempt = sg_mock_count_arrival(&m->counters, q.hash, r->with_auth);
    if (m->o.watch) w->attempt = m->o.watch->on_request(m->o.watch->ud, c->stream, q.hash, q.last_user, r->body);
    if (w->fault == NO_FAULT) draw_fault(m, w);
    return begin(w);
}

static bool give_plain(struct conn *c, enum sg_mock_path path) {
    struct sg_mock *m = c->m;
    sg_buf_reset(&m->body, KEEP_BYTES);
    if (path == SG_MOCK_MODELS) {
        SG_BUF_LIT(&m->body, "{\"object\":\"list\",\"data\":[{\"id\":\"mock\",\"object\":\"model\",\"created\":1700000000,"
                             "\"owned_by\":\"sygra\"}]}");
    } else if (path == SG_MOCK_STATS) {
        sg_mock_write_counters(&m->counters, &m->body);
    } else {
        SG_BUF_LIT(&m->body, "{\"status\":\"ok\"}");
    }
    return give_reply(c, 200, "application/json", 0);
}

static bool handle(struct conn *c, const struct sg_mock_http *r) {
    struct sg_mock *m = c->m;
    struct sg_str deployment;
    enum sg_mock_path path = sg_mock_path_of(r, &deployment);
    switch (path) {
    case SG_MOCK_CHAT:
    case SG_MOCK_COMPLETION:
        return ask(c, r, path, deployment);
    case SG_MOCK_WRONG_METHOD:
        return give_error(c, 405, SG_STR("this path wants another method"));
    case SG_MOCK_NOWHERE:
        return give_error(c, 404, SG_STR("there is nothing at this path"));
    case SG_MOCK_RESET:
        sg_mock_reset_counters(&m->counters);
        sg_mock_rewind_script(&m->script);
        return give_plain(c, path);
    default:
        return give_plain(c, path);
    }
}

/* --- bytes --------------------------------------------------------------------------------------------------------------- */

static bool refuse(struct conn *c, int code) {
    c->keep_alive = false;
    return give_error(c, code == SG_E_LIMIT ? 413 : 400, SG_STR("this is no proper HTTP/1.1 request"));
}

static bool let_continue(struct conn *c, const struct sg_mock_http *r) {
    if (!r->wants_continue || c->continued) return true;
    c->continued = true;
    return give(c, SG_STR("HTTP/1.1 100 Continue\r\n\r\n"), false);
}

/* Takes whole requests until one is under way. Returns how many bytes are done with, or -1: the connection is gone. */
static ssize_t take_requests(struct conn *c, struct sg_str in) {
    size_t at = 0;
    while (at < in.n && !c->work && !c->unsent) {
        struct sg_mock_http r;
        size_t used;
        int rc = sg_mock_read_http((struct sg_str){in.p + at, in.n - at}, &c->m->chunked, &r, &used);
        if (rc == 0) return let_continue(c, &r) ? (ssize_t)at : -1;
        if (rc < 0) return refuse(c, rc) ? (ssize_t)in.n : -1;
        c->continued = false;
        c->keep_alive = r.keep_alive;
        at += used;
        if (!handle(c, &r)) return -1;
    }
    return (ssize_t)at;
}

static void on_data(void *ud, const char *p, size_t n, int status) {
    struct conn *c = ud;
    if (status || n == 0 || c->in.n + n > IN_MAX) {
        drop(c, false);
        return;
    }
    if (c->in.n) {
        sg_buf_add(&c->in, p, n);
        take_kept(c);
        return;
    }
    ssize_t used = take_requests(c, (struct sg_str){p, n});
    if (used < 0 || (size_t)used == n) return;
    c->in.max = IN_MAX;
    sg_buf_add(&c->in, p + used, n - (size_t)used);
}

static void on_room(void *ud) {
    struct conn *c = ud;
    if (!c->unsent) return;
    ssize_t n = sg_stream_write(c->stream, c->unsent + c->unsent_at, c->unsent_n - c->unsent_at);
    if (n < 0) {
        drop(c, false);
        return;
    }
    c->unsent_at += (size_t)n;
    if (c->unsent_at < c->unsent_n) return;
    free(c->unsent);
    c->unsent = NULL;
    if (c->keep_alive)
        take_kept(c);
    else
        drop(c, false);
}

static const struct sg_stream_events EVENTS = {.on_data = on_data, .on_room = on_room};

static void on_accept(void *ud, struct sg_stream *s) {
    struct sg_mock *m = ud;
    struct conn *c = sg_xcalloc(1, sizeof *c);
    if (m->tls) s = sg_tls_accept(m->tls, s);
    c->m = m;
    c->stream = s;
    c->next = m->conns;
    if (m->conns) m->conns->prev = c;
    m->conns = c;
    sg_mock_count_connection(&m->counters, +1);
    sg_stream_adopt(s, &EVENTS, c);
}

/* --- life ---------------------------------------------------------------------------------------------------------------- */

/* "500:1,429:1,503:2": status and weight */
static int read_statuses(struct sg_mock *m, struct sg_str text, struct sg_err *err) {
    double sum = 0;
    while (text.n) {
        size_t end = sg_str_find(text, ',', 0);
        char part[32] = "";
        if (end < sizeof part) memcpy(part, text.p, end);
        int status, n = 0;
        double weight = 1;
        if (m->n_statuses == STATUSES_MAX || sscanf(part, "%d%n:%lf%n", &status, &n, &weight, &n) < 1 ||
            (size_t)n != end || status < 400 || status > 599 || !(weight > 0))
            return sg_fail(err, SG_E_USAGE, "fail_status wants STATUS:WEIGHT,... with statuses from 400 to 599");
        sum += weight;
        m->statuses[m->n_statuses++] = (struct weighted){status, sum};
        text.p += end < text.n ? end + 1 : end;
        text.n -= end < text.n ? end + 1 : end;
    }
    for (size_t i = 0; i < m->n_statuses; i++) m->statuses[i].upto /= sum;
    return 0;
}

static int read_address(const char *host, uint16_t port, struct sg_address *out, struct sg_err *err) {
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    if (!host || strcmp(host, "localhost") == 0) host = "127.0.0.1";
    if (inet_pton(AF_INET, host, &v4.sin_addr) == 1 && ntohl(v4.sin_addr.s_addr) >> 24 == 127) {
        memcpy(out->bytes, &v4, sizeof v4);
        out->n = sizeof v4;
        return 0;
    }
    if (inet_pton(AF_INET6, host, &v6.sin6_addr) == 1 && IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr)) {
        memcpy(out->bytes, &v6, sizeof v6);
        out->n = sizeof v6;
        return 0;
    }
    return sg_fail(err, SG_E_USAGE, "the mock server listens on loopback addresses only, not on %s", host);
}

static int open_log(struct sg_mock *m, const char *path, struct sg_err *err) {
    m->log_timer = (struct sg_timer){.on_fire = on_log_flush, .ud = m};
    if (!path) return 0;
    m->log_fd = sg_os->open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return m->log_fd >= 0 ? 0 : sg_fail_sys(err, SG_E_IO, -m->log_fd, "cannot open %s", path);
}

static int check_rates(const struct sg_mock_options *o, struct sg_err *err) {
    double sum = o->fail_rate + o->reset_rate + o->truncate_rate + o->garbage_rate + o->hang_rate + o->error_body_rate;
    if (sum >= 0 && sum <= 1 + 1e-9) return 0;
    return sg_fail(err, SG_E_USAGE, "the shares of faults add up to more than 1");
}

static int open_tls(struct sg_mock *m, struct sg_err *err) {
    if (!m->o.tls_cert && !m->o.tls_key) return 0;
    if (!m->o.tls_cert || !m->o.tls_key)
        return sg_fail(err, SG_E_USAGE, "https needs both: --tls_cert FILE and --tls_key FILE");
    return sg_tls_open_server(m->loop, m->o.tls_cert, m->o.tls_key, &m->tls, err);
}

static int set_up(struct sg_mock *m, struct sg_err *err) {
    struct sg_address at;
    const char *statuses = m->o.fail_status ? m->o.fail_status : "500:1";
    int rc = check_rates(&m->o, err);
    if (rc == 0) rc = read_statuses(m, sg_str(statuses), err);
    if (rc == 0 && m->o.script) rc = sg_mock_read_script(&m->arena, m->o.script, &m->script, err);
    if (rc == 0) rc = read_address(m->o.host, m->o.port, &at, err);
    if (rc == 0) rc = open_tls(m, err);
    if (rc == 0) rc = open_log(m, m->o.log, err);
    if (rc == 0) rc = sg_listen(m->loop, &at, on_accept, m, &m->listener, err);
    return rc;
}

int sg_mock_open(struct sg_loop *l, const struct sg_mock_options *o, struct sg_mock **out, struct sg_err *err) {
    struct sg_mock *m = sg_xcalloc(1, sizeof *m);
    m->loop = l;
    m->o = *o;
    m->log_fd = -1;
    sg_arena_init(&m->arena, 0);
    sg_arena_init(&m->scratch, 64 * 1024);
    int rc = set_up(m, err);
    m->o.host = m->o.fail_status = m->o.script = m->o.log = m->o.tls_cert = m->o.tls_key = NULL; /* the caller's */
    if (rc)
        sg_mock_close(m);
    else
        *out = m;
    return rc;
}

uint16_t sg_mock_port(const struct sg_mock *m) {
    return sg_listener_port(m->listener);
}

void sg_mock_stats(const struct sg_mock *m, struct sg_buf *out) {
    sg_mock_write_counters(&m->counters, out);
}

void sg_mock_close(struct sg_mock *m) {
    if (!m) return;
    sg_listener_close(m->listener);
    while (m->conns) drop(m->conns, false); /* NOLINT(clang-analyzer-unix.Malloc): drop takes it off the list */
    sg_tls_close(m->tls);
    if (m->log_fd >= 0) {
        flush_log(m);
        sg_os->close(m->log_fd);
    }
    sg_timer_stop(m->loop, &m->log_timer);
    sg_mock_free_counters(&m->counters);
    sg_arena_fini(&m->arena);
    sg_arena_fini(&m->scratch);
    struct sg_buf *bufs[] = {&m->chunked, &m->body, &m->out, &m->log};
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) sg_buf_fini(bufs[i]);
    free(m);
}
