/* SPDX-License-Identifier: Apache-2.0 */
/* curl_transport: exchanges through proxies and along redirects, by libcurl on the same loop (private to src/net).
 *
 * Queues, time-outs and figures are those of http_client.c: this file takes the first in line when there is room, and hands
 * back a reply or an error. What it hides: libcurl, its sockets and timers, redirects, whose credentials go where.
 *
 * Memory: a transfer keeps request and reply until its exchange ends; finished ones are kept for the next, some 10 kB each.
 * Thread: loop; the library is opened on the client's worker, and exchanges wait for that. Names are looked up by threads of
 * libcurl. Async: exchanges end in deferred calls, never inside sg_curl_serve. */
#ifndef SG_NET_CURL_TRANSPORT_H
#define SG_NET_CURL_TRANSPORT_H

#include "net/http_pool.h"

/* Does an endpoint with this route need it? */
bool sg_curl_is_needed(const struct sg_url *url, const struct sg_http_route *route);
/* May TLS be spoken on it: to the endpoint, to where a redirect leads, or to the proxy? Else no certificates are read. */
bool sg_curl_needs_trust(const struct sg_url *url, const struct sg_http_route *route);
/* For an endpoint that is being made; url and the route's proxies are kept as they are told in net.h. */
struct sg_curl_endpoint *sg_curl_open(struct sg_endpoint *ep, const struct sg_url *url, const struct sg_http_route *route);
bool sg_curl_is_for(const struct sg_curl_endpoint *e, const struct sg_url *url, const struct sg_http_route *route);
/* No exchange of it is under way any more. */
void sg_curl_close(struct sg_curl_endpoint *e);

/* Begins what waits, as far as there is room. */
void sg_curl_serve(struct sg_curl_endpoint *e);
/* An exchange is given up: its transfer (x->conn_) ends, and nothing comes of it. */
void sg_curl_cancel(void *transfer);
/* Any exchange under way, or NULL. */
struct sg_exchange *sg_curl_any(const struct sg_curl_endpoint *e);
/* Puts "through the proxy ...: " before an error, when there is one. transfer: NULL while the exchange waits. */
void sg_curl_name_proxy(const struct sg_curl_endpoint *e, const void *transfer, struct sg_err *err);

#endif
