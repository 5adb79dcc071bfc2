/* SPDX-License-Identifier: Apache-2.0 */
/* Codes follow those of our own client: what may be otherwise in a moment is asked again, what somebody has to change first
 * is not. libcurl tells some cases apart in its words only. */
#include "net/curl_error.h"

/* "the proxy http://p:3128 (HTTPS_PROXY)" */
#define PROXY "the proxy %.*s (%.*s)"
#define PROXY_ARGS(f) SG_ARG((f)->proxy->shown), SG_ARG((f)->proxy->from)
#define ADDRESS "%.*s:%u"
#define ADDRESS_ARGS(f) SG_ARG((f)->url->host), (f)->url->port

/* What a user can do who did not want the proxy, or cannot change it. */
#define OR_WITHOUT "%.*s in NO_PROXY goes there without it"

static int wants_user(const struct sg_curl_failure *f, struct sg_err *err) {
    if (f->proxy->user.p)
        return sg_fail(err, SG_E_STATUS, PROXY " refuses the user and password in %.*s: correct them; what stands for @, : or / in "
                       "a password is written as %%40, %%3A or %%2F", PROXY_ARGS(f), SG_ARG(f->proxy->from));
    return sg_fail(err, SG_E_STATUS, PROXY " wants a user and a password: write them into %.*s as scheme://USER:PASSWORD@host:port",
                   PROXY_ARGS(f), SG_ARG(f->proxy->from));
}

int sg_curl_explain_refusal(const struct sg_curl_failure *f, long status, struct sg_err *err) {
    int rc;
    if (status == 407)
        rc = wants_user(f, err);
    else if (status >= 500)
        rc = sg_fail(err, SG_E_CONNECT, PROXY " could not connect to " ADDRESS ": it answered %ld; " OR_WITHOUT, PROXY_ARGS(f),
                     ADDRESS_ARGS(f), status, SG_ARG(f->url->host));
    else
        rc = sg_fail(err, SG_E_STATUS, PROXY " does not let us through to " ADDRESS ": it answered %ld; ask who runs it to allow "
                     "that address; " OR_WITHOUT, PROXY_ARGS(f), ADDRESS_ARGS(f), status, SG_ARG(f->url->host));
    err->status = (int)status;
    return rc;
}

static int not_found(const struct sg_curl_failure *f, struct sg_err *err) {
    if (f->proxy && f->code == CURLE_COULDNT_RESOLVE_PROXY)
        return sg_fail(err, SG_E_RESOLVE, "the name of " PROXY " was not found: correct %.*s; " OR_WITHOUT, PROXY_ARGS(f),
                       SG_ARG(f->proxy->from), SG_ARG(f->url->host));
    return sg_fail(err, SG_E_RESOLVE, "the name %.*s was not found", SG_ARG(f->url->host));
}

static int not_connected(const struct sg_curl_failure *f, struct sg_err *err) {
    if (f->proxy)
        return sg_fail_sys(err, SG_E_CONNECT, (int)f->sys, "cannot connect to " PROXY ", is it running? " OR_WITHOUT, PROXY_ARGS(f),
                           SG_ARG(f->url->host));
    return sg_fail_sys(err, SG_E_CONNECT, (int)f->sys, "cannot connect to " ADDRESS, ADDRESS_ARGS(f));
}

static int socks(const struct sg_curl_failure *f, struct sg_err *err) {
    static const long OF_USER[] = {CURLPX_USER_REJECTED, CURLPX_NO_AUTH, CURLPX_IDENTD, CURLPX_IDENTD_DIFFER};
    for (size_t i = 0; i < sizeof OF_USER / sizeof *OF_USER; i++)
        if (f->socks_error == OF_USER[i]) return wants_user(f, err);
    return sg_fail(err, SG_E_CONNECT, PROXY " could not connect to " ADDRESS ": %s", PROXY_ARGS(f), ADDRESS_ARGS(f), f->why);
}

static int not_in_time(const struct sg_curl_failure *f, struct sg_err *err) {
    if (f->proxy)
        return sg_fail(err, SG_E_TIMEOUT, PROXY " did not let us through to " ADDRESS " within %u ms; " OR_WITHOUT, PROXY_ARGS(f),
                       ADDRESS_ARGS(f), f->connect_ms, SG_ARG(f->url->host));
    return sg_fail(err, SG_E_TIMEOUT, "cannot connect to " ADDRESS " within %u ms", ADDRESS_ARGS(f), f->connect_ms);
}

static int lost(const struct sg_curl_failure *f, struct sg_err *err) {
    if (f->proxy && !f->sent)
        return sg_fail(err, SG_E_RESET, PROXY " closed the connection before it let us through to " ADDRESS, PROXY_ARGS(f),
                       ADDRESS_ARGS(f));
    const char *when = f->code == CURLE_PARTIAL_FILE ? "in the middle of the reply" : "before the reply was there";
    if (f->proxy)
        return sg_fail(err, SG_E_RESET, "the connection to " ADDRESS " through " PROXY " ended %s", ADDRESS_ARGS(f), PROXY_ARGS(f),
                       when);
    return sg_fail(err, SG_E_RESET, "the connection ended %s", when);
}

static int not_trusted(const struct sg_curl_failure *f, struct sg_err *err) {
    static const char ADVICE[] = "name the authority's certificate in `ssl_ca` or SSL_CERT_FILE";
    if (f->proxy && f->proxy_untrusted)
        return sg_fail(err, SG_E_TLS, "the certificate of " PROXY " is not believed: %s: %s", PROXY_ARGS(f), f->why, ADVICE);
    return sg_fail(err, SG_E_TLS, "the certificate of " ADDRESS " is not believed: %s: %s", ADDRESS_ARGS(f), f->why, ADVICE);
}

static int no_handshake(const struct sg_curl_failure *f, struct sg_err *err) {
    if (strstr(f->why, "SSL_ERROR_SYSCALL") || strstr(f->why, "unexpected eof"))
        return sg_fail(err, SG_E_RESET, ADDRESS ": the connection ended in the middle of the TLS handshake", ADDRESS_ARGS(f));
    return sg_fail(err, SG_E_TLS, ADDRESS ": no TLS handshake: %s", ADDRESS_ARGS(f), f->why);
}

int sg_curl_explain(const struct sg_curl_failure *f, struct sg_err *err) {
    if (f->proxy && f->connect_status >= 300) return sg_curl_explain_refusal(f, f->connect_status, err);
    switch (f->code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
        return not_found(f, err);
    case CURLE_COULDNT_CONNECT:
        return not_connected(f, err);
    case CURLE_PROXY:
        if (f->proxy) return socks(f, err);
        break;
    case CURLE_OPERATION_TIMEDOUT:
        return not_in_time(f, err);
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_HTTP2_STREAM:
        return lost(f, err);
    case CURLE_PEER_FAILED_VERIFICATION:
        return not_trusted(f, err);
    case CURLE_SSL_CONNECT_ERROR:
        return no_handshake(f, err);
    case CURLE_WRITE_ERROR:
        return sg_fail(err, SG_E_LIMIT, "the reply is larger than %llu bytes", (unsigned long long)f->reply_bytes);
    default:
        break;
    }
    return sg_fail(err, SG_E_PROTOCOL, "the exchange with " ADDRESS " failed: %s", ADDRESS_ARGS(f), f->why);
}
