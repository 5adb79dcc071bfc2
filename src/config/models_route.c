/* SPDX-License-Identifier: Apache-2.0 */
/* How a model's requests leave: the environment's proxies (HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY, in capitals or not;
 * base/proxy.h), redirects, HTTP/2 without TLS.
 *
 * .env beats the environment, and there the name in small letters the one in capitals, as with curl and Python's libraries. An
 * empty value is none, and hides what it beats. Only proxies that an address of the model goes through are judged. */
#include "config/models.h"

#include <strings.h>

struct route {
    struct sg_cfg *c;
    struct sg_model_spec *spec;
};

static const struct sg_env_var *variable(struct sg_cfg *c, const char *capitals) {
    char small[16];
    size_t n = strlen(capitals);
    SG_ASSERT(n < sizeof small);
    for (size_t i = 0; i <= n; i++) small[i] = (char)(capitals[i] >= 'A' && capitals[i] <= 'Z' ? capitals[i] | 0x20 : capitals[i]);
    const struct sg_env_var *a = sg_env_find(&c->env, sg_str(small)), *b = sg_env_find(&c->env, sg_str(capitals));
    const struct sg_env_var *first = !a || (b && b->from_file && !a->from_file) ? b : a;
    return first && first->value.n ? first : NULL;
}

/* NULL: not set. One that cannot be used is reported, if an address would go through it. */
static const struct sg_proxy *read_proxy(const struct route *r, const char *scheme_variable, bool used) {
    struct sg_cfg *c = r->c;
    const struct sg_env_var *v = variable(c, scheme_variable);
    if (!v) v = variable(c, "ALL_PROXY");
    if (!v) return NULL;
    struct sg_proxy *p = SG_NEW(c->a, struct sg_proxy);
    struct sg_err err = {0};
    int rc = sg_proxy_parse(c->a, v->value, v->name, p, &err);
    sg_proxy_hide(v->value, p);
    if (rc == 0) return p;
    if (used)
        sg_error_at(c->d, r->spec->mark, SG_STR_NONE,
                    "a proxy is written as http://host:port or http://USER:PASSWORD@host:port; https and socks5h will do, too",
                    "%.*s, from %s, cannot be used as the proxy of model `%.*s`: %s", SG_ARG(v->name), sg_env_place(v),
                    SG_ARG(r->spec->alias), err.text);
    return NULL;
}

struct address {
    struct sg_str host;
    uint16_t port;
    bool https;
};

/* Of an address that was checked; what is wrong with it was said. */
static struct address take_apart(struct sg_cfg *c, struct sg_str url) {
    struct address out = {.https = sg_str_starts(url, SG_STR("https://"))};
    size_t from = out.https ? sizeof "https://" - 1 : sizeof "http://" - 1;
    if (from > url.n) return out;
    struct sg_str rest = {url.p + from, sg_str_find(url, '/', from) - from};
    bool six = rest.n && *rest.p == '[';
    size_t end = sg_str_find(rest, six ? ']' : ':', 0), colon = sg_str_find(rest, ':', end);
    out.port = out.https ? 443 : 80;
    for (size_t i = colon + 1, port = 0; i < rest.n && port < 65536; i++)
        out.port = (uint16_t)(port = port * 10 + (size_t)(rest.p[i] - '0'));
    out.host = sg_str_dup(c->a, (struct sg_str){rest.p + six, end - six});
    for (char *p = (char *)out.host.p; p < out.host.p + out.host.n; p++)
        if (*p >= 'A' && *p <= 'Z') *p |= 0x20;
    return out;
}

static const struct sg_proxy *proxy_of(const struct route *r, const struct sg_proxies *all, struct sg_str url) {
    struct address a = take_apart(r->c, url);
    return sg_proxy_for(all, a.https, a.host, a.port);
}

/* Would one be used, if it can be? */
static bool is_wanted(const struct route *r, bool https) {
    static const struct sg_proxy any;
    struct sg_proxies only = {.http = https ? NULL : &any, .https = https ? &any : NULL, .none = r->spec->route.proxies.none};
    for (size_t i = 0; i < r->spec->n_urls; i++)
        if (proxy_of(r, &only, r->spec->urls[i])) return true;
    return false;
}

static void set_proxies(const struct route *r) {
    struct sg_model_spec *s = r->spec;
    struct sg_route_spec *to = &s->route;
    const struct sg_env_var *none = variable(r->c, "NO_PROXY");
    if (none) to->proxies.none = none->value;
    to->proxies.http = read_proxy(r, "HTTP_PROXY", is_wanted(r, false));
    to->proxies.https = read_proxy(r, "HTTPS_PROXY", is_wanted(r, true));
    to->via = SG_NEW_N(r->c->a, const struct sg_proxy *, s->n_urls);
    for (size_t i = 0; i < s->n_urls; i++) {
        const struct sg_proxy *p = to->via[i] = proxy_of(r, &to->proxies, s->urls[i]);
        if (p)
            sg_cfg_origin(r->c, "model %.*s: %.*s is asked through the proxy %.*s, from %.*s", SG_ARG(s->alias), SG_ARG(s->urls[i]),
                          SG_ARG(p->shown), SG_ARG(p->from));
    }
}

static bool all_https(const struct sg_model_spec *s) {
    for (size_t i = 0; i < s->n_urls; i++)
        if (!sg_str_starts(s->urls[i], SG_STR("https://"))) return false;
    return true;
}

static void set_http2(const struct route *r, const struct sg_yaml *merged, struct sg_str path) {
    static const char *const words[] = {"auto", "prior_knowledge"};
    const struct sg_yaml *v = sg_yaml_get(merged, "http2");
    size_t found = 0;
    sg_cfg_word(r->c, merged, path, "http2", words, 2, &found);
    r->spec->route.prior_knowledge = found == 1;
    if (found == 1 && all_https(r->spec))
        sg_warning_at(r->c->d, v->mark.line ? v->mark : r->spec->mark, sg_cfg_key(r->c, path, SG_STR("http2")), NULL,
                      "`http2: prior_knowledge` is for http:// addresses; over https both sides agree on HTTP/2 by themselves");
}

void sg_models_set_route(struct sg_cfg *c, const struct sg_yaml *merged, struct sg_model_spec *s, struct sg_str path) {
    struct route r = {c, s};
    const struct sg_yaml *follow = sg_cfg_get(merged, "follow_redirects", SG_YAML_BOOL);
    s->route.follow_redirects = follow && sg_str_eq(follow->text, SG_STR("true"));
    set_proxies(&r);
    set_http2(&r, merged, path);
}
