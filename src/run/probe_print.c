/* SPDX-License-Identifier: Apache-2.0 */
/* A model and its answers, for people and for machines. Of a token it is said whether there is one, never what it is. */
#include "plan/plan.h"
#include "run/probe.h"

/* --- text ------------------------------------------------------------------------------------------------------------------- */

static const struct sg_proxy *proxy_of(const struct sg_probe *p, const struct sg_probe_address *a) {
    return p->spec->route.via ? p->spec->route.via[a - p->addresses] : NULL;
}

/* What goes wrong with a proxy is said with its advice. */
static const char *advice(const struct sg_probe *p, const struct sg_probe_address *a, const struct sg_err *err) {
    if (proxy_of(p, a) && err->status != 401) return NULL;
    switch (err->code) {
    case SG_E_CONNECT:
        return "is a server running there?";
    case SG_E_RESOLVE:
        return "is the host's name right?";
    case SG_E_TIMEOUT:
        return "it is not reachable from here, or very busy";
    case SG_E_PROTOCOL:
        return "is it the right port?";
    case SG_E_STATUS:
        if (err->status == 401 || err->status == 403)
            return a->token.n ? "its token is refused" : "it wants a token: set SYGRA_<NAME>_TOKEN, <NAME> in capitals";
        return "is the address right? It should end where /chat/completions begins";
    default:
        return NULL;
    }
}

static void print_error(struct sg_buf *b, const struct sg_probe *p, const struct sg_probe_address *a, const struct sg_err *err) {
    const char *help = advice(p, a, err);
    sg_buf_printf(b, "FAILED: %s", err->text);
    if (help) sg_buf_printf(b, "\n            %s", help);
    sg_buf_ch(b, '\n');
}

static void print_answer(struct sg_buf *b, const struct sg_probe *p, const struct sg_ping_answer *r) {
    if (r->list == SG_PING_FILE) {
        sg_buf_printf(b, "ok: %s, %.0f MB, %llu tensors\n", r->file.path, (double)r->file.size / 1e6,
                      (unsigned long long)r->file.tensors);
        return;
    }
    sg_buf_printf(b, "ok in %.1f ms", (double)r->latency_ns / 1e6);
    if (r->list == SG_PING_NO_LIST) SG_BUF_LIT(b, "; it has no list of models");
    if (r->list == SG_PING_UNLISTED)
        sg_buf_printf(b, "; but `%.*s` is not in its list of models (%.*s)", SG_ARG(p->spec->wire_name),
                      SG_ARG(r->names));
    sg_buf_ch(b, '\n');
}

static void print_place(struct sg_buf *b, const char *what, struct sg_str value, struct sg_str from) {
    sg_buf_printf(b, "  %-9s %.*s", what, SG_ARG(value));
    if (from.n) sg_buf_printf(b, ", from %.*s", SG_ARG(from));
    sg_buf_ch(b, '\n');
}

static void print_address(struct sg_buf *b, const struct sg_probe *p, const struct sg_probe_address *a) {
    if (a->url.n) {
        print_place(b, "address", a->url, p->spec->url_from);
        const struct sg_proxy *via = proxy_of(p, a);
        if (via) print_place(b, "proxy", via->shown, via->from);
        bool set = a->token.n > 0;
        print_place(b, "token", set ? SG_STR("set") : SG_STR("not set"), set ? p->spec->token_from : SG_STR_NONE);
    }
    if (!a->asked) return;
    SG_BUF_LIT(b, "  ping      ");
    if (a->status == SG_E_UNSUPPORTED) sg_buf_printf(b, "none: %s\n", a->err.text);
    else if (a->status != 0) print_error(b, p, a, &a->err);
    else print_answer(b, p, &a->answer);
}

/* One line of a reply is enough to see that it is one. */
static void print_call(struct sg_buf *b, const struct sg_probe *p) {
    SG_BUF_LIT(b, "  generate  ");
    if (p->status != 0) {
        print_error(b, p, &p->addresses[0], &p->err);
        return;
    }
    sg_buf_printf(b, "ok in %.3f s", (double)p->latency_ns / 1e9);
    if (p->usage.known) sg_buf_printf(b, ", %llu tokens", (unsigned long long)p->usage.completion_tokens);
    SG_BUF_LIT(b, ": ");
    sg_json_write_string(b, p->text);
    sg_buf_ch(b, '\n');
}

void sg_probe_print(const struct sg_probe *p, struct sg_buf *b) {
    const struct sg_model_spec *m = p->spec;
    sg_buf_printf(b, "%.*s (%.*s)\n", SG_ARG(m->alias), SG_ARG(sg_plan_model_type(m)));
    print_place(b, "entry", m->entry_from, SG_STR_NONE);
    if (p->addresses[0].url.n) print_place(b, "model", m->wire_name, SG_STR_NONE);
    SG_BUF_LIT(b, "  nodes     ");
    for (size_t i = 0; i < p->n_nodes; i++) sg_buf_printf(b, "%s%.*s", i ? ", " : "", SG_ARG(p->nodes[i]));
    sg_buf_ch(b, '\n');
    for (size_t i = 0; i < p->n_addresses; i++) print_address(b, p, &p->addresses[i]);
    if (p->called) print_call(b, p);
}

/* --- JSON ------------------------------------------------------------------------------------------------------------------- */

static void key(struct sg_buf *b, const char *name) {
    if (b->n && b->p[b->n - 1] != '{') sg_buf_ch(b, ',');
    sg_buf_printf(b, "\"%s\":", name);
}

static void text(struct sg_buf *b, const char *name, struct sg_str s) {
    key(b, name);
    sg_json_write_string(b, s);
}

static void outcome(struct sg_buf *b, int status, const struct sg_err *err, uint64_t latency_ns) {
    key(b, "ok");
    sg_buf_printf(b, "%s", status == 0 ? "true" : "false");
    if (status == 0) {
        key(b, "latency_s");
        sg_buf_printf(b, "%.6f", (double)latency_ns / 1e9);
        return;
    }
    text(b, "error", sg_str(sg_error_name(status)));
    text(b, "message", sg_str(err->text));
}

static void json_address(struct sg_buf *b, const struct sg_probe *p, const struct sg_probe_address *a) {
    static const char *const lists[] = {
        [SG_PING_NO_LIST] = "none", [SG_PING_LISTED] = "listed", [SG_PING_UNLISTED] = "unlisted", [SG_PING_FILE] = "file"};
    sg_buf_ch(b, '{');
    const struct sg_proxy *via = a->url.n ? proxy_of(p, a) : NULL;
    if (a->url.n) text(b, "url", a->url);
    if (via) text(b, "proxy", via->shown), text(b, "proxy_from", via->from);
    key(b, "token");
    sg_buf_printf(b, "%s", a->token.n ? "true" : "false");
    if (a->asked) outcome(b, a->status, &a->err, a->answer.latency_ns);
    if (a->asked && a->status == 0) text(b, "list", sg_str(lists[a->answer.list]));
    if (a->asked && a->answer.file.path) text(b, "file", sg_str(a->answer.file.path));
    sg_buf_ch(b, '}');
}

void sg_probe_json(const struct sg_probe *p, struct sg_buf *b) {
    const struct sg_model_spec *m = p->spec;
    sg_buf_ch(b, '{');
    text(b, "name", m->alias);
    text(b, "model_type", sg_plan_model_type(m));
    text(b, "model", m->wire_name);
    text(b, "entry_from", m->entry_from);
    text(b, "url_from", m->url_from);
    text(b, "token_from", m->token_from);
    key(b, "nodes");
    for (size_t i = 0; i < p->n_nodes; i++) sg_buf_ch(b, i ? ',' : '['), sg_json_write_string(b, p->nodes[i]);
    SG_BUF_LIT(b, "],\"addresses\":");
    for (size_t i = 0; i < p->n_addresses; i++) sg_buf_ch(b, i ? ',' : '['), json_address(b, p, &p->addresses[i]);
    sg_buf_ch(b, ']');
    if (p->called) {
        SG_BUF_LIT(b, ",\"generate\":{");
        outcome(b, p->status, &p->err, p->latency_ns);
        if (p->status == 0) text(b, "text", p->text);
        sg_buf_ch(b, '}');
    }
    SG_BUF_LIT(b, "}\n");
}
