/* SPDX-License-Identifier: Apache-2.0 */
/* curl_error: words for what libcurl failed at (private to src/net). Pure. */
#ifndef SG_NET_CURL_ERROR_H
#define SG_NET_CURL_ERROR_H

#include "net/net.h"

#include <curl/curl.h>

struct sg_curl_failure {
    CURLcode code;
    const char *why;              /* libcurl's own words */
    const struct sg_proxy *proxy; /* NULL: none */
    const struct sg_url *url;
    long connect_status;          /* the proxy's answer to CONNECT; 0: none */
    long socks_error;             /* CURLPX_* */
    long sys;                     /* errno of the last thing that the system refused; 0: none */
    bool proxy_untrusted;         /* it is the proxy's certificate that is not believed */
    bool sent;                    /* the request was on its way */
    uint32_t connect_ms;          /* limits */
    uint64_t reply_bytes;
};

/* Fills err and returns its code. */
int sg_curl_explain(const struct sg_curl_failure *f, struct sg_err *err);
/* A proxy's own answer in place of the endpoint's: 407, or to CONNECT. */
int sg_curl_explain_refusal(const struct sg_curl_failure *f, long status, struct sg_err *err);

#endif
