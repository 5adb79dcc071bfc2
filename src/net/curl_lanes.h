/* SPDX-License-Identifier: Apache-2.0 */
/* curl_lanes: runs transfers of libcurl on the loop (private to src/net).
 *
 * Hides: multi handles, and the sockets and timers that libcurl wishes for.
 * Memory: connections are kept with their lane for further transfers; easy handles are the caller's.   Thread: loop.
 * Async: on_ended comes while lanes are looked through: it takes notes, and acts later. Never inside sg_curl_lanes_start. */
#ifndef SG_NET_CURL_LANES_H
#define SG_NET_CURL_LANES_H

#include "net/curl_lib.h"
#include "net/loop.h"

struct sg_curl_lane;

struct sg_curl_lanes {
    struct sg_loop *loop;
    const struct sg_curl *lib;
    /* A transfer is over, and off its lane. ud: the handle's CURLOPT_PRIVATE. */
    void (*on_ended)(void *ud, CURLcode result);
    struct sg_curl_lane *first;
};

struct sg_curl_lane *sg_curl_lanes_start(struct sg_curl_lanes *all, CURL *easy);
/* Gives a transfer up; nothing is told of it. */
void sg_curl_lane_stop(struct sg_curl_lane *lane, CURL *easy);
/* No transfer is under way. Closes the connections. */
void sg_curl_lanes_close(struct sg_curl_lanes *all);

#endif
