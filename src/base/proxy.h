/* SPDX-License-Identifier: Apache-2.0 */
/* proxy: addresses of proxies as environments name them (HTTPS_PROXY, NO_PROXY), and which of them a request goes through.
 *
 * Pure text: nothing is looked up or connected. A proxy's password is a secret: `shown` is the only text of it that may be
 * put into a message, and sg_proxy_hide registers the rest with the redactor.
 * Memory: results live in the arena, or are views of the arguments.   Thread: any.   Errors: SYNTAX, UNSUPPORTED. */
#ifndef SG_BASE_PROXY_H
#define SG_BASE_PROXY_H

#include "base/arena.h"
#include "base/err.h"

struct sg_proxy {
    struct sg_str shown;          /* scheme://host:port, which is also what libcurl is given */
    struct sg_str user, password; /* decoded; user.p NULL: none given */
    struct sg_str from;           /* for people: "HTTPS_PROXY" */
};

/* [scheme://][user[:password]@]host[:port][/]; http when no scheme is given. Errors do not repeat the text. */
int sg_proxy_parse(struct sg_arena *a, struct sg_str text, struct sg_str from, struct sg_proxy *out, struct sg_err *err);
/* The password in all forms in which it may come back: decoded, as it stood in the URL, and in a header of HTTP. Before other
 * threads start. */
void sg_proxy_hide(struct sg_str text, const struct sg_proxy *p);

/* What an environment says. */
struct sg_proxies {
    const struct sg_proxy *http, *https; /* for addresses of that scheme; NULL: none */
    struct sg_str none;                  /* NO_PROXY */
};

/* The proxy for an address; NULL: go there directly. `host` in lower case, without brackets. Addresses of this machine
 * (localhost, 127.*, ::1) never have one. NO_PROXY is a list, by commas or blanks, of: `*`; a name, which stands for those
 * below it, too, with or without a leading dot; a number, or numbers as 10.0.0.0/8; each may end in :port. */
const struct sg_proxy *sg_proxy_for(const struct sg_proxies *p, bool https, struct sg_str host, uint16_t port);

#endif
