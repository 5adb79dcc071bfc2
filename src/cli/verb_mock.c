/* SPDX-License-Identifier: Apache-2.0 */
/* sygra mock: a deterministic model endpoint for tests, dry runs and the bench. */
#include "cli/cli.h"
#include "mock/mock.h"

enum {
    PORT,
    HOST,
    LATENCY,
    SIGMA,
    CAPACITY,
    WORDS,
    BYTES,
    SEED,
    FAIL_RATE,
    FAIL_STATUS,
    RETRY_AFTER,
    RESET_RATE,
    TRUNCATE_RATE,
    GARBAGE_RATE,
    HANG_RATE,
    ERROR_RATE,
    FAULT_ATTEMPTS,
    SCRIPT,
    LOG,
    TLS_CERT,
    TLS_KEY,
};

static const struct sg_option options[] = {
    [PORT] = {"port", "p", SG_OPTION_NUMBER, "N", "port to listen on; 0 takes any free one (8000)"},
    [HOST] = {"host", NULL, SG_OPTION_TEXT, "ADDR", "loopback address to listen on (127.0.0.1)"},
    [LATENCY] = {"latency_ms", "l", SG_OPTION_REAL, "MS", "mean latency of a reply (0)"},
    [SIGMA] = {"sigma", NULL, SG_OPTION_REAL, "S", "log-normal latency with this sigma; 0 is constant (0)"},
    [CAPACITY] = {"capacity", NULL, SG_OPTION_NUMBER, "N",
                  "requests served at a time, the rest queue; 0 is no limit (0)"},
    [WORDS] = {"reply_words", NULL, SG_OPTION_NUMBER, "N", "words of a reply (60)"},
    [BYTES] = {"reply_bytes", NULL, SG_OPTION_NUMBER, "N", "about this many bytes a reply instead"},
    [SEED] = {"seed", NULL, SG_OPTION_NUMBER, "N", "of faults and latencies (0)"},
    [FAIL_RATE] = {"fail_rate", NULL, SG_OPTION_REAL, "SHARE", "share of requests that are refused (0)"},
    [FAIL_STATUS] = {"fail_status", NULL, SG_OPTION_TEXT, "LIST", "status codes with weights (500:1,429:1,503:1)"},
    [RETRY_AFTER] = {"retry_after", NULL, SG_OPTION_NUMBER, "S", "seconds in Retry-After of 429 and 503 (none)"},
    [RESET_RATE] = {"reset_rate", NULL, SG_OPTION_REAL, "SHARE", "share that is reset (0)"},
    [TRUNCATE_RATE] = {"truncate_rate", NULL, SG_OPTION_REAL, "SHARE",
                       "share that ends in the middle of the body (0)"},
    [GARBAGE_RATE] = {"garbage_rate", NULL, SG_OPTION_REAL, "SHARE", "share that answers 200 with HTML (0)"},
    [HANG_RATE] = {"hang_rate", NULL, SG_OPTION_REAL, "SHARE", "share that never answers (0)"},
    [ERROR_RATE] = {"error_rate", NULL, SG_OPTION_REAL, "SHARE", "share that answers 200 with an error object (0)"},
    [FAULT_ATTEMPTS] = {"fault_attempts", NULL, SG_OPTION_NUMBER, "N",
                        "only the first N attempts of a request may fail (all)"},
    [SCRIPT] = {"script", NULL, SG_OPTION_TEXT, "FILE",
                "JSON lines {match, reply|json|status, ...}; the first match answers"},
    [LOG] = {"log", NULL, SG_OPTION_TEXT, "FILE", "write one JSON line for each request"},
    [TLS_CERT] = {"tls_cert", NULL, SG_OPTION_TEXT, "FILE", "serve https, with the certificate chain of this PEM file"},
    [TLS_KEY] = {"tls_key", NULL, SG_OPTION_TEXT, "FILE", "and its private key, without a pass phrase"},
    {0},
};

static void on_signal(void *ud, int signal) {
    (void)signal;
    sg_loop_stop(ud);
}

static int run(const struct sg_args *a) {
    struct sg_mock_options o = {
        .port = (uint16_t)sg_arg_number(a, PORT, 8000),
        .host = sg_arg_text(a, HOST, "127.0.0.1"),
        .latency_ms = sg_arg_real(a, LATENCY, 0),
        .latency_sigma = sg_arg_real(a, SIGMA, 0),
        .capacity = (uint32_t)sg_arg_number(a, CAPACITY, 0),
        .reply_words = (uint32_t)sg_arg_number(a, WORDS, 60),
        .reply_bytes = (uint32_t)sg_arg_number(a, BYTES, 0),
        .seed = sg_arg_number(a, SEED, 0),
        .fail_rate = sg_arg_real(a, FAIL_RATE, 0),
        .fail_status = sg_arg_text(a, FAIL_STATUS, "500:1,429:1,503:1"),
        .retry_after_s = a->values[RETRY_AFTER] ? (int32_t)sg_arg_number(a, RETRY_AFTER, 0) : -1,
        .reset_rate = sg_arg_real(a, RESET_RATE, 0),
        .truncate_rate = sg_arg_real(a, TRUNCATE_RATE, 0),
        .garbage_rate = sg_arg_real(a, GARBAGE_RATE, 0),
        .hang_rate = sg_arg_real(a, HANG_RATE, 0),
        .error_body_rate = sg_arg_real(a, ERROR_RATE, 0),
        .fault_attempts = (uint32_t)sg_arg_number(a, FAULT_ATTEMPTS, 0),
        .script = sg_arg_text(a, SCRIPT, NULL),
        .log = sg_arg_text(a, LOG, NULL),
        .tls_cert = sg_arg_text(a, TLS_CERT, NULL),
        .tls_key = sg_arg_text(a, TLS_KEY, NULL),
    };
    struct sg_loop *loop;
    struct sg_mock *mock = NULL;
    struct sg_err err = {0};
    sg_raise_files();
    int rc = sg_loop_open_uv(&loop, 0, &err);
    if (rc == 0) rc = sg_mock_open(loop, &o, &mock, &err);
    if (rc != 0) {
        fprintf(stderr, "sygra mock: %s:%u: %s\n", o.host, o.port, err.text);
        return SG_EXIT_ERROR;
    }
    printf("%s://%s:%u/v1\n", o.tls_cert ? "https" : "http", o.host, sg_mock_port(mock));
    fflush(stdout);
    sg_loop_on_signal(loop, on_signal, loop);
    sg_loop_run(loop);
    struct sg_buf b = SG_BUF_INIT(0);
    sg_mock_stats(mock, &b);
    fprintf(stderr, "%.*s\n", (int)b.n, b.p);
    sg_buf_fini(&b);
    sg_mock_close(mock);
    sg_loop_close(loop);
    return SG_EXIT_OK;
}

const struct sg_verb sg_verb_mock = {
    .name = "mock",
    .words = "[options]",
    .summary = "serve a deterministic model endpoint on this machine",
    .details = "The first line on stdout is the URL for models.yaml. Counters are at /__stats; a model named *echo*\n"
               "returns the last user message. Ends on SIGINT or SIGTERM.\n",
    .options = options,
    .run = run,
};
