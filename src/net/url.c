/* SPDX-License-Identifier: Apache-2.0 */
/* url: the part of RFC 3986 that endpoints need: scheme://host[:port][/path][?query].
 *
 * Bytes that could end a request line are refused, so that a URL can never add a header. A user and password in a URL are
 * refused too: they would end up in logs. A fragment is not for servers and is refused as a mistake. */
#include "net/net.h"

/* Visible ASCII without what RFC 3986 leaves out and servers read differently. */
static bool is_url_byte(unsigned char c) {
    return c > 0x20 && c < 0x7F && !strchr("\"<>\\^`{|}", c);
}

static bool is_host_byte(unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '-' || c == '.' || c == '_';
}

static bool is_ipv6_byte(unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == ':' || c == '.';
}

static struct sg_str lower(struct sg_arena *a, struct sg_str s) {
    char *p = sg_alloc(a, s.n);
    for (size_t i = 0; i < s.n; i++) p[i] = (char)(s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] | 0x20 : s.p[i]);
    return (struct sg_str){p, s.n};
}

static bool all_bytes(struct sg_str s, bool (*fits)(unsigned char c)) {
    for (size_t i = 0; i < s.n; i++)
        if (!fits((unsigned char)s.p[i])) return false;
    return true;
}

static struct sg_str from(struct sg_str s, size_t at) {
    return (struct sg_str){s.p + at, s.n - at};
}

static int read_scheme(struct sg_arena *a, struct sg_str *rest, struct sg_url *out, struct sg_err *err) {
    size_t n = sg_str_find(*rest, ':', 0);
    if (n == 0 || !sg_str_starts(from(*rest, n), SG_STR("://")))
        return sg_fail(err, SG_E_SYNTAX, "a URL begins with http:// or https://");
    out->scheme = lower(a, (struct sg_str){rest->p, n});
    *rest = from(*rest, n + 3);
    if (sg_str_eq(out->scheme, SG_STR("http")) || sg_url_is_https(out)) return 0;
    return sg_fail(err, SG_E_UNSUPPORTED, "the scheme %.*s is not supported; http and https are", SG_ARG(out->scheme));
}

static int read_port(struct sg_str digits, struct sg_url *out, struct sg_err *err) {
    unsigned port = 0;
    for (size_t i = 0; i < digits.n && port < 65536; i++) {
        bool digit = digits.p[i] >= '0' && digits.p[i] <= '9';
        port = digit ? port * 10 + (unsigned)(digits.p[i] - '0') : 65536;
    }
    if (port == 0 || port > 65535) return sg_fail(err, SG_E_SYNTAX, "the URL's port is not in 1 to 65535");
    out->port = (uint16_t)port;
    return 0;
}

/* host, host:port, [ipv6], [ipv6]:port; in lower case already */
static int read_authority(struct sg_str s, struct sg_url *out, struct sg_err *err) {
    bool literal = s.n && *s.p == '[';
    size_t end = sg_str_find(s, literal ? ']' : ':', 0);
    out->host = literal ? (struct sg_str){s.p + 1, end - 1} : (struct sg_str){s.p, end};
    out->port = sg_url_is_https(out) ? 443 : 80;
    if (literal && end == s.n) return sg_fail(err, SG_E_SYNTAX, "the URL's host has no closing bracket");
    if (sg_str_find(s, '@', 0) < s.n)
        return sg_fail(err, SG_E_SYNTAX, "a URL with user or password is refused: use the token setting");
    if (out->host.n == 0 || out->host.n > 253 || !all_bytes(out->host, literal ? is_ipv6_byte : is_host_byte))
        return sg_fail(err, SG_E_SYNTAX, "the URL has no proper host name");
    struct sg_str rest = from(s, literal ? end + 1 : end);
    if (rest.n == 0) return 0;
    if (*rest.p != ':') return sg_fail(err, SG_E_SYNTAX, "the URL's host is followed by something strange");
    return rest.n == 1 ? 0 : read_port(from(rest, 1), out, err);
}

bool sg_url_is_https(const struct sg_url *url) {
    return sg_str_eq(url->scheme, SG_STR("https"));
}

int sg_url_parse(struct sg_arena *a, struct sg_str text, struct sg_url *out, struct sg_err *err) {
    *out = (struct sg_url){0};
    if (text.n == 0) return sg_fail(err, SG_E_SYNTAX, "the URL is empty");
    if (!all_bytes(text, is_url_byte))
        return sg_fail(err, SG_E_SYNTAX, "the URL holds a byte that must be written as %%XX");
    if (sg_str_find(text, '#', 0) < text.n) return sg_fail(err, SG_E_SYNTAX, "a fragment (#...) has no place in this URL");
    struct sg_str rest = text;
    int rc = read_scheme(a, &rest, out, err);
    if (rc) return rc;
    size_t end = 0;
    while (end < rest.n && rest.p[end] != '/' && rest.p[end] != '?') end++;
    rc = read_authority(lower(a, (struct sg_str){rest.p, end}), out, err);
    if (rc) return rc;
    struct sg_str path = from(rest, end);
    bool rooted = path.n && *path.p == '/';
    out->path = rooted ? sg_str_dup(a, path) : sg_str_join(a, SG_STR("/"), path);
    return 0;
}
