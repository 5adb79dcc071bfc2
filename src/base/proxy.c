/* SPDX-License-Identifier: Apache-2.0 */
/* curl, Python's libraries and others agree on the variables and not on the details. Where they differ: a name in NO_PROXY
 * stands for the names below it (curl; Python's with a leading dot only), ports and networks may be given (Go), and this
 * machine is never asked through a proxy (Go), which could not reach it. A proxy's port is 80, 443 or 1080 by its scheme. */
#include "base/proxy.h"

#include "base/redact.h"

#include <arpa/inet.h>
#include <strings.h>

static struct sg_str from(struct sg_str s, size_t at) {
    return (struct sg_str){s.p + at, s.n - at};
}

static struct sg_str until(struct sg_str s, size_t end) {
    return (struct sg_str){s.p, end};
}

static bool same_name(struct sg_str a, struct sg_str b) {
    return a.n == b.n && strncasecmp(a.p, b.p, a.n) == 0;
}

/* --- a proxy's address -------------------------------------------------------------------------------------------------- */

static const struct {
    const char *scheme;
    unsigned port;
} KINDS[] = {{"http", 80}, {"https", 443}, {"socks4", 1080}, {"socks4a", 1080}, {"socks5", 1080}, {"socks5h", 1080}};
#define N_KINDS (sizeof KINDS / sizeof *KINDS)

static size_t last(struct sg_str s, char c) {
    for (size_t i = s.n; i > 0; i--)
        if (s.p[i - 1] == c) return i - 1;
    return s.n;
}

static bool port_number(struct sg_str digits, unsigned *out) {
    unsigned port = 0;
    for (size_t i = 0; i < digits.n; i++) {
        if (digits.p[i] < '0' || digits.p[i] > '9' || port > 6553) return false;
        port = port * 10 + (unsigned)(digits.p[i] - '0');
    }
    *out = port;
    return port >= 1 && port <= 65535;
}

/* Splits host[:port] or [number]:port. */
static bool split_port(struct sg_str s, struct sg_str *host, struct sg_str *port) {
    size_t end = s.n && *s.p == '[' ? sg_str_find(s, ']', 0) + 1 : sg_str_find(s, ':', 0);
    if (end > s.n) return false;
    *host = until(s, end);
    *port = SG_STR_NONE;
    if (end == s.n) return true;
    *port = from(s, end + 1);
    return s.p[end] == ':';
}

static bool is_host(struct sg_str s) {
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bool alnum = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        if (!alnum && !strchr("-._[]:", c)) return false;
    }
    return s.n > 0 && s.n <= 255 && *s.p != ':';
}

static int read_kind(struct sg_str *rest, size_t *kind, struct sg_err *err) {
    size_t n = sg_str_find(*rest, ':', 0);
    *kind = 0;
    if (!sg_str_starts(from(*rest, n), SG_STR("://"))) return 0;
    struct sg_str scheme = until(*rest, n);
    *rest = from(*rest, n + 3);
    if (same_name(scheme, SG_STR("socks"))) scheme = SG_STR("socks5");
    while (*kind < N_KINDS && !same_name(scheme, sg_str(KINDS[*kind].scheme))) ++*kind;
    if (*kind < N_KINDS) return 0;
    return sg_fail(err, SG_E_UNSUPPORTED, "its scheme is none of http, https, socks4, socks4a, socks5 and socks5h");
}

static void read_user(struct sg_arena *a, struct sg_str *rest, struct sg_proxy *out) {
    size_t at = last(*rest, '@');
    if (at == rest->n) return;
    struct sg_str both = until(*rest, at);
    size_t colon = sg_str_find(both, ':', 0);
    out->user = sg_str_percent_decoded(a, until(both, colon));
    out->password = sg_str_percent_decoded(a, colon < both.n ? from(both, colon + 1) : SG_STR(""));
    *rest = from(*rest, at + 1);
}

int sg_proxy_parse(struct sg_arena *a, struct sg_str text, struct sg_str name, struct sg_proxy *out, struct sg_err *err) {
    struct sg_str rest = sg_str_trim(text), host, digits;
    size_t kind;
    *out = (struct sg_proxy){.from = sg_str_dup(a, name)};
    int rc = read_kind(&rest, &kind, err);
    if (rc) return rc;
    read_user(a, &rest, out);
    rest = until(rest, sg_str_find(rest, '/', 0));
    unsigned port = KINDS[kind].port;
    if (!split_port(rest, &host, &digits) || !is_host(host)) return sg_fail(err, SG_E_SYNTAX, "it has no proper host name");
    if (digits.p && !port_number(digits, &port)) return sg_fail(err, SG_E_SYNTAX, "its port is no number from 1 to 65535");
    if (out->user.p && (strlen(out->user.p) < out->user.n || strlen(out->password.p) < out->password.n))
        return sg_fail(err, SG_E_SYNTAX, "its user or password holds a zero byte");
    out->shown = sg_str_printf(a, "%s://%.*s:%u", KINDS[kind].scheme, SG_ARG(host), port);
    return 0;
}

/* --- its password ---------------------------------------------------------------------------------------------------------- */

/* RFC 4648 4, with padding. */
static void add_base64(struct sg_buf *out, struct sg_str s) {
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < s.n; i += 3) {
        uint32_t v = 0;
        for (size_t k = 0; k < 3; k++) v = v << 8 | (i + k < s.n ? (unsigned char)s.p[i + k] : 0);
        for (size_t k = 0; k < 4; k++) sg_buf_ch(out, i + k > s.n ? '=' : DIGITS[v >> (18 - 6 * k) & 63]);
    }
}

void sg_proxy_hide(struct sg_str text, const struct sg_proxy *p) {
    if (!p->user.p) return;
    struct sg_buf both = SG_BUF_INIT(0), coded = SG_BUF_INIT(0);
    size_t start = sg_str_find(text, '/', 0) + 2, at = last(text, '@'); /* behind ://, when there is one */
    if (start > at) start = 0;
    sg_buf_printf(&both, "%.*s:%.*s", SG_ARG(p->user), SG_ARG(p->password));
    add_base64(&coded, sg_buf_view(&both));
    sg_redact_add(p->from, p->password);
    sg_redact_add(p->from, sg_buf_view(&both));
    sg_redact_add(p->from, sg_buf_view(&coded));
    sg_redact_add(p->from, until(from(text, start), at - start));
    sg_buf_fini(&both);
    sg_buf_fini(&coded);
}

/* --- which one -------------------------------------------------------------------------------------------------------------- */

/* An address as bytes: 4, or 16; 0: it is a name. */
static size_t number(struct sg_str s, unsigned char out[16]) {
    char text[INET6_ADDRSTRLEN];
    if (s.n >= 2 && *s.p == '[' && s.p[s.n - 1] == ']') s = (struct sg_str){s.p + 1, s.n - 2};
    if (s.n >= sizeof text) return 0;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    if (inet_pton(AF_INET, text, out) == 1) return 4;
    return inet_pton(AF_INET6, text, out) == 1 ? 16 : 0;
}

static bool is_this_machine(struct sg_str host) {
    static const unsigned char six[16] = {[15] = 1};
    unsigned char at[16];
    size_t n = number(host, at);
    if (n) return n == 4 ? at[0] == 127 : memcmp(at, six, 16) == 0;
    return sg_str_eq(host, SG_STR("localhost")) || sg_str_ends(host, SG_STR(".localhost"));
}

static bool in_network(struct sg_str host, struct sg_str network, struct sg_str digits) {
    unsigned char a[16], b[16];
    unsigned bits = 0;
    size_t n = number(host, a);
    if (n == 0 || number(network, b) != n) return false;
    if (digits.p && !(digits.n == 1 && *digits.p == '0') && !port_number(digits, &bits)) return false;
    if (!digits.p) bits = (unsigned)n * 8;
    if (bits > n * 8) return false;
    unsigned char mask = (unsigned char)(0xFF << (8 - bits % 8));
    return memcmp(a, b, bits / 8) == 0 && (bits % 8 == 0 || ((a[bits / 8] ^ b[bits / 8]) & mask) == 0);
}

static bool is_below(struct sg_str host, struct sg_str name) {
    if (name.n > 1 && sg_str_starts(name, SG_STR("*."))) name = from(name, 1);
    if (name.n && *name.p == '.') name = from(name, 1);
    if (name.n == 0 || host.n < name.n) return false;
    if (host.n > name.n && host.p[host.n - name.n - 1] != '.') return false;
    return same_name(from(host, host.n - name.n), name);
}

static bool is_meant(struct sg_str entry, struct sg_str host, uint16_t port) {
    unsigned char bytes[16];
    struct sg_str name = entry, digits = SG_STR_NONE;
    unsigned only = port;
    if (sg_str_eq(entry, SG_STR("*"))) return true;
    size_t slash = sg_str_find(entry, '/', 0);
    if (slash < entry.n) return in_network(host, until(entry, slash), from(entry, slash + 1));
    if (number(entry, bytes)) return in_network(host, entry, SG_STR_NONE); /* ::1 has colons and no port */
    if (!split_port(entry, &name, &digits) || (digits.p && !port_number(digits, &only)) || only != port) return false;
    return in_network(host, name, SG_STR_NONE) || (!number(host, bytes) && is_below(host, name));
}

static bool is_exempt(struct sg_str list, struct sg_str host, uint16_t port) {
    for (size_t at = 0, end; at < list.n; at = end + 1) {
        for (end = at; end < list.n && !strchr(", \t", list.p[end]);) end++;
        if (end > at && is_meant((struct sg_str){list.p + at, end - at}, host, port)) return true;
    }
    return false;
}

const struct sg_proxy *sg_proxy_for(const struct sg_proxies *p, bool https, struct sg_str host, uint16_t port) {
    const struct sg_proxy *proxy = https ? p->https : p->http;
    if (!proxy) return NULL;
    if (host.n > 1 && host.p[host.n - 1] == '.') host.n--; /* the dot of a full name */
    return is_this_machine(host) || is_exempt(p->none, host, port) ? NULL : proxy;
}
