/* SPDX-License-Identifier: Apache-2.0 */
/* mock: a deterministic model endpoint. The reply is a function of the request; latency, capacity and faults are set at the
 * start. It runs on any loop, so `sygra mock`, the tests, the bench and the simulator share it.
 *
 * Thread: loop. Memory: owned by the server; sg_mock_close ends all connections. */
#ifndef SG_MOCK_MOCK_H
#define SG_MOCK_MOCK_H

#include "net/loop.h"

/* Sees every request that asks a model. For the simulator, whose endpoints outlive the process that they run in. */
struct sg_mock_watch {
    /* Returns the number of this attempt of the request, from 1, on which faults depend. */
    uint32_t (*on_request)(void *ud, struct sg_stream *from, uint64_t hash, struct sg_str last_user, struct sg_str body);
    /* Once for each. answered: its reply is given to the stream next. */
    void (*on_end)(void *ud, struct sg_stream *from, uint64_t hash, bool answered);
    void *ud;
};

struct sg_mock_options {
    uint16_t port;              /* 0: any free one */
    const char *host;           /* 127.0.0.1 by default; other addresses only loopback */
    double latency_ms;          /* mean */
    double latency_sigma;       /* > 0: log-normal with this sigma and that mean; 0: constant */
    uint32_t capacity;          /* served at a time, the rest queue first come, first served; 0: no limit */
    uint32_t reply_words;       /* of a text reply; 0: 60 */
    uint32_t reply_bytes;       /* > 0: the body is padded or cut to about this many bytes instead */
    uint64_t seed;
    double fail_rate;           /* share of requests that answer with one of fail_status */
    const char *fail_status;    /* "500:1,429:1,503:2", with weights */
    int32_t retry_after_s;      /* sent with 429 and 503; -1: none */
    double reset_rate, truncate_rate, garbage_rate, hang_rate, error_body_rate;
    uint32_t fault_attempts;    /* only the first n attempts of a request may fail; 0: all */
    const char *script;         /* JSON Lines of {"match": text, "model"?, "reply"|"json"|"status", "times"?}, or NULL */
    const char *tls_cert, *tls_key; /* PEM files: https instead of http; NULL: none */
    const char *log;            /* one JSON line per request, or NULL */
    const struct sg_mock_watch *watch; /* lives as long as the server; NULL: none */
};

struct sg_mock;
int sg_mock_open(struct sg_loop *l, const struct sg_mock_options *o, struct sg_mock **out, struct sg_err *err);
uint16_t sg_mock_port(const struct sg_mock *m);
void sg_mock_close(struct sg_mock *m);
/* The counters as one JSON object (also at GET /__stats; POST /__reset sets them to zero): requests (to a model, well formed);
 * how they ended: answered, reset, truncated, garbage, hang, error_body, client_gone, by_status {"200": n}; in_flight,
 * max_in_flight (waiting ones included), serving, max_serving; connections, open_connections, max_connections; distinct,
 * duplicates, duplicates_after_ok (asked again although answered in full: wasted money), never_ok, untracked; with_auth;
 * first_request_ns (wall clock). */
void sg_mock_stats(const struct sg_mock *m, struct sg_buf *out);

#endif
