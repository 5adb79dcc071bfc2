/* SPDX-License-Identifier: Apache-2.0 */
/* curl_transport: from an exchange to a transfer of libcurl, and back.
 *
 * Proxies are chosen here (base/proxy.h) and not by libcurl, which knows neither .env nor HTTP_PROXY. Redirects are followed
 * here, too: libcurl would hold back Authorization from another origin, but neither api-key nor the model's own headers.
 *
 * Callbacks of libcurl only take notes; what ends is handed on by a deferred call, when none of its functions is on the stack. */
#include "net/curl_transport.h"

#include "net/curl_error.h"
#include "net/curl_lanes.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTING 32u /* transfers that have no connection yet, of an endpoint: handshakes are computed on the loop */
#define KEPT 256u      /* finished transfers */
#define HOPS 10        /* redirects of an exchange */
#define FIELD_KEPT 128

struct sg_curl_loader {
    struct sg_http_client *client;
    const struct sg_curl *lib;
    struct sg_err err;
    bool loading;
    struct sg_job job;
};

struct transfer {
    struct sg_curl_endpoint *e;
    struct transfer *prev, *next; /* in `active`; spare ones have `next` only */
    CURL *easy;
    struct sg_exchange *x;
    struct sg_curl_lane *lane; /* NULL: not running */
    struct sg_later over;
    CURLcode result;

    struct sg_arena arena; /* what follows */
    struct sg_url url;     /* of this hop */
    const struct sg_proxy *proxy;
    struct sg_str body;
    struct curl_slist *fields;
    uint64_t began_ns; /* this hop */
    uint8_t hops;
    bool get;  /* no body */
    bool away; /* at another origin than the endpoint's */
    bool connected;

    struct sg_buf in;
    char why[CURL_ERROR_SIZE];
};

struct sg_curl_endpoint {
    struct sg_endpoint *ep;
    struct sg_url url; /* the path is of no meaning */
    struct sg_http_route route;
    const struct sg_curl *lib;    /* NULL: not opened yet */
    CURLSH *share;
    struct sg_curl_lanes lanes;
    struct transfer *active, *spare;
    uint32_t n_spare, connecting;
    struct sg_later more; /* there is room again */
};

static struct sg_loop *loop_of(const struct sg_curl_endpoint *e) {
    return e->ep->client->loop;
}

/* --- sockets that are counted ------------------------------------------------------------------------------------------ */

static curl_socket_t on_socket(void *ud, curlsocktype purpose, struct curl_sockaddr *to) {
    (void)purpose;
    struct sg_curl_endpoint *e = ud;
    int fd = socket(to->family, to->socktype | SOCK_CLOEXEC, to->protocol);
    if (fd < 0) return CURL_SOCKET_BAD;
    e->ep->client->figures.open++;
    e->ep->client->figures.connections_opened++;
    return fd;
}

static int on_close(void *ud, curl_socket_t fd) {
    struct sg_curl_endpoint *e = ud;
    e->ep->client->figures.open--;
    return close(fd);
}

/* --- events of a transfer --------------------------------------------------------------------------------------------------- */

static size_t on_body(char *p, size_t size, size_t n, void *ud) {
    struct transfer *t = ud;
    sg_buf_add(&t->in, p, size * n);
    return t->in.failed ? 0 : size * n;
}

static void is_connected(struct transfer *t) {
    if (t->connected) return;
    t->connected = true;
    t->e->connecting--;
    if (t->e->ep->waiting.n) sg_later(loop_of(t->e), &t->e->more);
}

/* The connection stands, with all that is between: the request goes out. */
/* NOLINTNEXTLINE(readability-non-const-parameter): the type is libcurl's */
static int on_connected(void *ud, char *ip, char *local_ip, int port, int local_port) {
    (void)ip, (void)local_ip, (void)port, (void)local_port;
    struct transfer *t = ud;
    is_connected(t);
    t->x->sent_ns = sg_loop_now_ns(loop_of(t->e));
    return CURL_PREREQFUNC_OK;
}

/* Our certificate goes to the endpoint's own origin (and to a proxy that is asked over TLS: nothing here tells them apart). */
static CURLcode on_tls(CURL *easy, void *ctx, void *ud) {
    (void)easy;
    struct transfer *t = ud;
    const struct sg_tls *tls = t->e->ep->secure->tls;
    if (sg_tls_status(tls, NULL) != 0) return CURLE_ABORTED_BY_CALLBACK;
    return sg_tls_lend(tls, ctx, !t->away) == 0 ? CURLE_OK : CURLE_ABORTED_BY_CALLBACK;
}

static void on_over(struct sg_later *d);

static void set_up_tls(struct transfer *t, const struct sg_tls_trust *trust) {
    const struct sg_curl *lib = t->e->lib;
    long checked = trust->unchecked ? 0 : 1;
    lib->easy_setopt(t->easy, CURLOPT_SSL_CTX_FUNCTION, on_tls);
    lib->easy_setopt(t->easy, CURLOPT_SSL_CTX_DATA, t);
    /* No files of libcurl's own choice, which it would read here and now. */
    lib->easy_setopt(t->easy, CURLOPT_CAINFO, (char *)NULL);
    lib->easy_setopt(t->easy, CURLOPT_CAPATH, (char *)NULL);
    lib->easy_setopt(t->easy, CURLOPT_PROXY_CAINFO, (char *)NULL);
    lib->easy_setopt(t->easy, CURLOPT_PROXY_CAPATH, (char *)NULL);
    lib->easy_setopt(t->easy, CURLOPT_SSL_VERIFYPEER, checked);
    lib->easy_setopt(t->easy, CURLOPT_SSL_VERIFYHOST, checked * 2);
    lib->easy_setopt(t->easy, CURLOPT_PROXY_SSL_VERIFYPEER, checked);
    lib->easy_setopt(t->easy, CURLOPT_PROXY_SSL_VERIFYHOST, checked * 2);
    lib->easy_setopt(t->easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    lib->easy_setopt(t->easy, CURLOPT_PROXY_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
}

/* Without TLS, libcurl 7.88 loses a connection of HTTP/2 with the second request on it: each gets its own. Straight to an
 * endpoint our own client speaks it. */
static void set_up_http2(struct transfer *t) {
    const struct sg_curl *lib = t->e->lib;
    lib->easy_setopt(t->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
    lib->easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, 1L);
    lib->easy_setopt(t->easy, CURLOPT_FORBID_REUSE, 1L);
}

static void set_up(struct transfer *t) {
    struct sg_curl_endpoint *e = t->e;
    const struct sg_curl *lib = e->lib;
    const struct sg_http_limits *limits = &e->ep->client->limits;
    lib->easy_setopt(t->easy, CURLOPT_PRIVATE, t);
    lib->easy_setopt(t->easy, CURLOPT_SHARE, e->share);
    lib->easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->why);
    lib->easy_setopt(t->easy, CURLOPT_NOSIGNAL, 1L);
    lib->easy_setopt(t->easy, CURLOPT_QUICK_EXIT, 1L); /* a look-up under way is not waited for */
    lib->easy_setopt(t->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    lib->easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)limits->connect_ms);
    lib->easy_setopt(t->easy, CURLOPT_MAXAGE_CONN, (long)limits->idle_ms / 1000);
    lib->easy_setopt(t->easy, CURLOPT_NOPROXY, "");
    lib->easy_setopt(t->easy, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE); /* a proxy sees none of our fields */
    lib->easy_setopt(t->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    lib->easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, on_body);
    lib->easy_setopt(t->easy, CURLOPT_WRITEDATA, t);
    lib->easy_setopt(t->easy, CURLOPT_PREREQFUNCTION, on_connected);
    lib->easy_setopt(t->easy, CURLOPT_PREREQDATA, t);
    lib->easy_setopt(t->easy, CURLOPT_OPENSOCKETFUNCTION, on_socket);
    lib->easy_setopt(t->easy, CURLOPT_OPENSOCKETDATA, e);
    lib->easy_setopt(t->easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
    lib->easy_setopt(t->easy, CURLOPT_CLOSESOCKETDATA, e);
    if (e->route.prior_knowledge) set_up_http2(t);
    if (e->ep->secure) set_up_tls(t, &e->ep->secure->trust);
}

/* --- transfers ---------------------------------------------------------------------------------------------------------------- */

static struct transfer *new_transfer(struct sg_curl_endpoint *e) {
    struct transfer *t = sg_xcalloc(1, sizeof *t);
    t->e = e;
    t->easy = e->lib->easy_init();
    SG_ASSERT(t->easy);
    sg_arena_init(&t->arena, 0);
    t->over = (struct sg_later){.run = on_over, .ud = t};
    t->in.max = e->ep->client->limits.reply_bytes;
    set_up(t);
    return t;
}

static void free_transfer(struct transfer *t) {
    t->e->lib->easy_cleanup(t->easy);
    t->e->lib->slist_free_all(t->fields);
    sg_buf_fini(&t->in);
    sg_arena_fini(&t->arena);
    free(t);
}

static struct transfer *take_transfer(struct sg_curl_endpoint *e) {
    struct transfer *t = e->spare;
    if (!t) t = new_transfer(e);
    else e->spare = t->next, e->n_spare--;
    t->prev = NULL;
    t->next = e->active;
    if (e->active) e->active->prev = t;
    e->active = t;
    t->hops = 0;
    t->get = t->away = t->connected = false;
    e->connecting++;
    return t;
}

static void give_back(struct transfer *t) {
    struct sg_curl_endpoint *e = t->e;
    if (!t->connected) e->connecting--;
    *(t->prev ? &t->prev->next : &e->active) = t->next;
    if (t->next) t->next->prev = t->prev;
    t->x = NULL;
    e->lib->slist_free_all(t->fields);
    t->fields = NULL;
    sg_buf_fini(&t->in);
    t->in = SG_BUF_INIT(e->ep->client->limits.reply_bytes);
    sg_arena_reset(&t->arena);
    if (e->n_spare >= KEPT) {
        free_transfer(t);
        return;
    }
    t->next = e->spare;
    e->spare = t;
    e->n_spare++;
}

/* --- requests ------------------------------------------------------------------------------------------------------------------ */

/* libcurl writes these itself. */
static bool is_own_field(struct sg_str name) {
    return sg_http1_name_is(name, SG_STR("host")) || sg_http1_name_is(name, SG_STR("content-length"));
}

static bool is_no_secret(struct sg_str name) {
    return sg_http1_name_is(name, SG_STR("user-agent")) || sg_http1_name_is(name, SG_STR("accept")) ||
           sg_http1_name_is(name, SG_STR("content-type"));
}

static void add_field(struct transfer *t, const char *line) {
    struct curl_slist *more = t->e->lib->slist_append(t->fields, line);
    SG_ASSERT(more);
    t->fields = more;
}

/* "POST path HTTP/1.1" and fields, as sg_http_request_head writes them. The path is the first hop's. */
static void take_request(struct transfer *t, struct sg_str request) {
    size_t seen = 0;
    ssize_t head_n = sg_http1_head_length(request, &seen);
    SG_ASSERT(head_n > 0);
    request = sg_str_dup(&t->arena, request);
    struct sg_str head = {request.p, (size_t)head_n}, name, value;
    size_t method = sg_str_find(head, ' ', 0), path = sg_str_find(head, ' ', method + 1), line = sg_str_find(head, '\n', path);
    struct sg_str rest = {head.p + line + 1, head.n - line - 1};
    const char *why;
    t->body = (struct sg_str){request.p + head.n, request.n - head.n};
    t->get = sg_str_starts(head, SG_STR("GET "));
    t->url = t->e->url;
    t->url.path = (struct sg_str){head.p + method + 1, path - method - 1};
    while (sg_http1_field(&rest, &name, &value, &why) == 1)
        if (!is_own_field(name)) add_field(t, sg_str_printf(&t->arena, "%.*s: %.*s", SG_ARG(name), SG_ARG(value)).p);
    add_field(t, "Expect:"); /* no waiting for a 100 */
}

/* At another origin only what says nothing of whose request it is. */
static void drop_secrets(struct transfer *t) {
    struct curl_slist *all = t->fields;
    t->fields = NULL;
    for (struct curl_slist *f = all; f; f = f->next) {
        struct sg_str line = sg_str(f->data);
        if (is_no_secret((struct sg_str){line.p, sg_str_find(line, ':', 0)})) add_field(t, f->data);
    }
    add_field(t, "Expect:");
    t->e->lib->slist_free_all(all);
}

static void set_proxy(struct transfer *t) {
    const struct sg_curl *lib = t->e->lib;
    const struct sg_proxy *p = t->proxy;
    bool user = p && p->user.p;
    lib->easy_setopt(t->easy, CURLOPT_PROXY, p ? p->shown.p : "");
    lib->easy_setopt(t->easy, CURLOPT_PROXYUSERNAME, user ? p->user.p : (char *)NULL);
    lib->easy_setopt(t->easy, CURLOPT_PROXYPASSWORD, user ? p->password.p : (char *)NULL);
    /* A proxy that passes requests on speaks HTTP/1.1 only. */
    lib->easy_setopt(t->easy, CURLOPT_HTTPPROXYTUNNEL, t->e->route.prior_knowledge ? 1L : 0L);
}

/* Begins a hop. */
static void go(struct transfer *t) {
    struct sg_curl_endpoint *e = t->e;
    const struct sg_curl *lib = e->lib;
    bool https = sg_url_is_https(&t->url), six = sg_str_find(t->url.host, ':', 0) < t->url.host.n;
    struct sg_str url = sg_str_printf(&t->arena, six ? "%.*s://[%.*s]:%u%.*s" : "%.*s://%.*s:%u%.*s", SG_ARG(t->url.scheme),
                                      SG_ARG(t->url.host), t->url.port, SG_ARG(t->url.path));
    t->proxy = sg_proxy_for(&e->route.proxies, https, t->url.host, t->url.port);
    t->why[0] = '\0';
    sg_buf_reset(&t->in, 0);
    lib->easy_setopt(t->easy, CURLOPT_URL, url.p);
    /* Over TLS the first connection tells whether it takes many requests; without it, only a whole reply would. */
    lib->easy_setopt(t->easy, CURLOPT_PIPEWAIT, https ? 1L : 0L);
    lib->easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->fields);
    if (t->get) {
        lib->easy_setopt(t->easy, CURLOPT_HTTPGET, 1L);
    } else {
        lib->easy_setopt(t->easy, CURLOPT_POST, 1L);
        lib->easy_setopt(t->easy, CURLOPT_POSTFIELDS, t->body.p);
        lib->easy_setopt(t->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)t->body.n);
    }
    set_proxy(t);
    t->began_ns = sg_loop_now_ns(loop_of(e));
    t->lane = sg_curl_lanes_start(&e->lanes, t->easy);
}

/* --- redirects ----------------------------------------------------------------------------------------------------------------- */

static bool is_redirect(long status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static bool same_origin(const struct sg_url *a, const struct sg_url *b) {
    return a->port == b->port && sg_str_eq(a->scheme, b->scheme) && sg_str_eq(a->host, b->host);
}

/* 303 says that the answer is to be fetched elsewhere; the others mean the same request (as httpx and browsers take them, 301
 * and 302 would lose the body, which no endpoint of a model can have meant). */
static int follow(struct transfer *t, long status, struct sg_str to, struct sg_err *err) {
    struct sg_url next;
    struct sg_str address = sg_str_dup(&t->arena, (struct sg_str){to.p, sg_str_find(to, '#', 0)});
    err->status = (int)status;
    struct sg_str shown = sg_redact_url(&t->arena, address);
    if (sg_url_parse(&t->arena, address, &next, NULL) != 0)
        return sg_fail(err, SG_E_STATUS, "it answered %ld, a redirect to %.*s, which cannot be followed: that is no http or https URL",
                       status, SG_ARG(shown));
    if (sg_url_is_https(&t->url) && !sg_url_is_https(&next))
        return sg_fail(err, SG_E_STATUS, "a redirect from https to %.*s is not followed: anybody could read what is sent there",
                       SG_ARG(shown));
    if (t->hops++ == HOPS)
        return sg_fail(err, SG_E_STATUS, "more than %d redirects, the last one to %.*s: they may lead round in circles", HOPS,
                       SG_ARG(shown));
    if (!t->away && !same_origin(&next, &t->e->url)) {
        t->away = true;
        drop_secrets(t);
    }
    if (status == 303) t->get = true;
    t->url = next;
    go(t);
    return 0;
}

/* --- the end of a transfer ----------------------------------------------------------------------------------------------------- */

static void count_bytes(const struct transfer *t) {
    const struct sg_curl *lib = t->e->lib;
    struct sg_http_figures *f = &t->e->ep->client->figures;
    long head_out = 0, head_in = 0, connects = 0;
    curl_off_t in = 0;
    lib->easy_getinfo(t->easy, CURLINFO_REQUEST_SIZE, &head_out);
    lib->easy_getinfo(t->easy, CURLINFO_HEADER_SIZE, &head_in);
    lib->easy_getinfo(t->easy, CURLINFO_SIZE_DOWNLOAD_T, &in);
    lib->easy_getinfo(t->easy, CURLINFO_NUM_CONNECTS, &connects);
    f->bytes_out += (uint64_t)head_out;
    f->bytes_in += (uint64_t)head_in + (uint64_t)in;
    f->connections_reused += connects == 0 && t->result == CURLE_OK;
}

static void describe(const struct transfer *t, struct sg_curl_failure *f) {
    const struct sg_curl *lib = t->e->lib;
    long untrusted = 0;
    *f = (struct sg_curl_failure){.code = t->result,
                                  .why = t->why[0] ? t->why : lib->easy_strerror(t->result),
                                  .proxy = t->proxy,
                                  .url = &t->url,
                                  .sent = t->x->sent_ns != 0,
                                  .connect_ms = t->e->ep->client->limits.connect_ms,
                                  .reply_bytes = t->e->ep->client->limits.reply_bytes};
    lib->easy_getinfo(t->easy, CURLINFO_HTTP_CONNECTCODE, &f->connect_status);
    lib->easy_getinfo(t->easy, CURLINFO_PROXY_ERROR, &f->socks_error);
    lib->easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &f->sys);
    lib->easy_getinfo(t->easy, CURLINFO_PROXY_SSL_VERIFYRESULT, &untrusted);
    f->proxy_untrusted = untrusted != 0;
}

static int64_t wait_wished(const struct transfer *t) {
    struct curl_header *h;
    char texts[2][FIELD_KEPT] = {"", ""};
    static const char *const NAMES[] = {"Retry-After", "retry-after-ms"};
    for (size_t i = 0; i < 2; i++)
        if (t->e->lib->easy_header(t->easy, NAMES[i], 0, CURLH_HEADER, -1, &h) == CURLHE_OK)
            snprintf(texts[i], sizeof texts[i], "%s", h->value);
    if (!texts[0][0] && !texts[1][0]) return -1;
    return sg_http1_retry_after(sg_str(texts[0]), sg_str(texts[1]), sg_os->wall_ns() / 1000000000);
}

/* What is handed to the caller; it outlives the transfer, which may carry another exchange by then. */
struct outcome {
    struct sg_http_reply reply;
    struct sg_err err; /* code 0: the reply counts */
    struct sg_buf body;
    char type[FIELD_KEPT], location[2048];
};

static void read_reply(struct transfer *t, long status, const char *location, struct outcome *out) {
    const struct sg_curl *lib = t->e->lib;
    char *type = NULL;
    curl_off_t us = 0;
    lib->easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &type);
    lib->easy_getinfo(t->easy, CURLINFO_STARTTRANSFER_TIME_T, &us);
    snprintf(out->type, sizeof out->type, "%s", type ? type : "");
    snprintf(out->location, sizeof out->location, "%s", location ? location : "");
    out->body = t->in;
    t->in = (struct sg_buf){0};
    out->reply = (struct sg_http_reply){.status = (int)status,
                                        .body = sg_buf_view(&out->body),
                                        .content_type = sg_str(out->type),
                                        .location = sg_str(out->location),
                                        .via = t->proxy ? t->proxy->shown : SG_STR_NONE,
                                        .retry_after_ms = wait_wished(t),
                                        .first_byte_ns = t->began_ns + (uint64_t)us * 1000};
}

/* True: the exchange is over; false: it goes on elsewhere. */
static bool settle(struct transfer *t, struct outcome *out) {
    const struct sg_curl *lib = t->e->lib;
    struct sg_curl_failure f;
    long status = 0;
    char *location = NULL;
    count_bytes(t);
    describe(t, &f);
    bool untrusting = t->result == CURLE_ABORTED_BY_CALLBACK && t->e->ep->secure;
    if (untrusting && sg_tls_status(t->e->ep->secure->tls, &out->err) != 0) return true;
    if (t->result != CURLE_OK) {
        sg_curl_explain(&f, &out->err);
        return true;
    }
    lib->easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    lib->easy_getinfo(t->easy, CURLINFO_REDIRECT_URL, &location);
    if (status == 407 && t->proxy)
        sg_curl_explain_refusal(&f, status, &out->err);
    else if (t->e->route.follow_redirects && location && is_redirect(status))
        return follow(t, status, sg_str(location), &out->err) != 0;
    else
        read_reply(t, status, location, out);
    return true;
}

/* Its handle may be asked for its figures still. */
static void on_ended(void *transfer, CURLcode result) {
    struct transfer *t = transfer;
    t->lane = NULL;
    t->result = result;
    sg_later(loop_of(t->e), &t->over);
}

/* As with other connections, the queue is served before the caller hears of it. */
static void on_over(struct sg_later *d) {
    struct transfer *t = d->ud;
    struct outcome out = {0};
    if (!settle(t, &out)) return;
    struct sg_curl_endpoint *e = t->e;
    struct sg_exchange *x = t->x;
    give_back(t);
    sg_curl_serve(e);
    if (out.err.code) sg_exchange_lose(x, &out.err);
    else sg_exchange_finish(x, &out.reply);
    sg_buf_fini(&out.body);
}

/* --- opening the library --------------------------------------------------------------------------------------------------------- */

static void load(struct sg_job *j) {
    struct sg_curl_loader *l = j->ud;
    sg_curl_lib_open(&l->lib, &l->err);
}

static void on_loaded(struct sg_job *j) {
    struct sg_curl_loader *l = j->ud;
    l->loading = false;
    for (struct sg_endpoint *ep = l->client->endpoints; ep; ep = ep->next)
        if (ep->curl) sg_curl_serve(ep->curl);
}

static struct sg_curl_loader *start_loading(struct sg_http_client *c) {
    struct sg_curl_loader *l = SG_NEW(&c->arena, struct sg_curl_loader);
    l->client = c;
    l->loading = true;
    l->job = (struct sg_job){.run = load, .done = on_loaded, .ud = l};
    sg_worker_submit(sg_pool_worker(c), &l->job);
    return l;
}

static void fail_all(struct sg_curl_endpoint *e, const struct sg_err *err) {
    while (e->ep->waiting.n) sg_exchange_fail_first(e->ep, err);
}

/* False: something is being read, or could not be; then nothing can be asked. */
static bool is_usable(struct sg_curl_endpoint *e) {
    const struct sg_curl_loader *l = e->ep->client->curl;
    struct sg_err err;
    int trust = e->ep->secure ? sg_tls_status(e->ep->secure->tls, &err) : 0;
    if (l->loading || trust == SG_E_BUSY) return false;
    if (l->err.code) fail_all(e, &l->err);
    else if (trust != 0 && sg_url_is_https(&e->url)) fail_all(e, &err);
    return l->err.code == 0 && (trust == 0 || !sg_url_is_https(&e->url));
}

/* What is known of names and TLS sessions, by all lanes. Locks are not needed: all that shares is on the loop's thread. */
static void open_share(struct sg_curl_endpoint *e) {
    e->lib = e->ep->client->curl->lib;
    e->share = e->lib->share_init();
    SG_ASSERT(e->share);
    e->lib->share_setopt(e->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_DNS);
    e->lib->share_setopt(e->share, CURLSHOPT_SHARE, CURL_LOCK_DATA_SSL_SESSION);
    e->lanes = (struct sg_curl_lanes){.loop = loop_of(e), .lib = e->lib, .on_ended = on_ended};
}

/* --- the transport ---------------------------------------------------------------------------------------------------------------- */

static void on_more(struct sg_later *d) {
    sg_curl_serve(d->ud);
}

static const struct sg_proxy *proxy_of(const struct sg_url *url, const struct sg_http_route *route) {
    return sg_proxy_for(&route->proxies, sg_url_is_https(url), url->host, url->port);
}

bool sg_curl_is_needed(const struct sg_url *url, const struct sg_http_route *route) {
    return route->follow_redirects || proxy_of(url, route);
}

bool sg_curl_needs_trust(const struct sg_url *url, const struct sg_http_route *route) {
    const struct sg_proxy *p = proxy_of(url, route);
    return sg_url_is_https(url) || route->follow_redirects || (p && sg_str_starts(p->shown, SG_STR("https:")));
}

struct sg_curl_endpoint *sg_curl_open(struct sg_endpoint *ep, const struct sg_url *url, const struct sg_http_route *route) {
    struct sg_http_client *c = ep->client;
    struct sg_curl_endpoint *e = SG_NEW(&c->arena, struct sg_curl_endpoint);
    *e = (struct sg_curl_endpoint){.ep = ep, .route = *route, .more = {.run = on_more, .ud = e}};
    e->url = (struct sg_url){.scheme = sg_str_dup(&c->arena, url->scheme), .host = ep->host, .path = SG_STR("/"), .port = ep->port};
    if (!c->curl) c->curl = start_loading(c);
    return e;
}

static bool same_proxy(const struct sg_proxy *a, const struct sg_proxy *b) {
    if (!a || !b) return a == b;
    return sg_str_eq(a->shown, b->shown) && sg_str_eq(a->user, b->user) && sg_str_eq(a->password, b->password);
}

bool sg_curl_is_for(const struct sg_curl_endpoint *e, const struct sg_url *url, const struct sg_http_route *route) {
    const struct sg_proxies *a = &e->route.proxies, *b = &route->proxies;
    return sg_str_eq(e->url.scheme, url->scheme) && e->route.follow_redirects == route->follow_redirects &&
           same_proxy(a->http, b->http) && same_proxy(a->https, b->https) && sg_str_eq(a->none, b->none);
}

void sg_curl_close(struct sg_curl_endpoint *e) {
    SG_ASSERT(!e->active);
    sg_later_cancel(loop_of(e), &e->more);
    if (!e->lib) return;
    for (struct transfer *t; (t = e->spare) != NULL;) {
        e->spare = t->next;
        free_transfer(t);
    }
    sg_curl_lanes_close(&e->lanes);
    e->lib->share_cleanup(e->share);
}

void sg_curl_serve(struct sg_curl_endpoint *e) {
    if (!is_usable(e)) return;
    if (!e->lib) open_share(e);
    while (e->ep->waiting.n && e->connecting < CONNECTING) {
        struct transfer *t = take_transfer(e);
        t->x = sg_exchange_next(e->ep, t);
        if (!t->x) {
            give_back(t);
            return;
        }
        take_request(t, sg_buf_view(&e->ep->client->send));
        go(t);
    }
}

void sg_curl_cancel(void *transfer) {
    struct transfer *t = transfer;
    struct sg_curl_endpoint *e = t->e;
    if (t->lane) {
        sg_curl_lane_stop(t->lane, t->easy);
        t->lane = NULL;
    } else {
        sg_later_cancel(loop_of(e), &t->over);
    }
    give_back(t);
    if (e->ep->waiting.n) sg_later(loop_of(e), &e->more);
}

struct sg_exchange *sg_curl_any(const struct sg_curl_endpoint *e) {
    return e->active ? e->active->x : NULL;
}

void sg_curl_name_proxy(const struct sg_curl_endpoint *e, const void *transfer, struct sg_err *err) {
    const struct transfer *t = transfer;
    const struct sg_proxy *p = t ? t->proxy : proxy_of(&e->url, &e->route);
    if (p) sg_err_wrap(err, err->code, "through the proxy %.*s (%.*s)", SG_ARG(p->shown), SG_ARG(p->from));
}
