/* SPDX-License-Identifier: Apache-2.0 */
/* The options of hook hosts, which all verbs that start some have in common. */
#include "cli/cli.h"

#include <limits.h>

#define MAX_HOSTS 256u
#define MAX_TIMEOUT_S 1000000.0
#define MAX_MEMORY_MB ((uint64_t)1 << 30)

enum { PYTHON, HOSTS, HOOK_TIMEOUT, HOST_MEMORY, HOST_ENV, TRUST_RUN, ATTACH };

static const char *mistake(uint64_t hosts, double timeout, uint64_t memory_mb, uint64_t fd) {
    if (hosts == 0 || hosts > MAX_HOSTS) return "--hosts must be between 1 and 256";
    if (!(timeout >= 0.001 && timeout <= MAX_TIMEOUT_S)) return "--hook_timeout must be between 0.001 and 1000000 s";
    if (memory_mb == 0 || memory_mb > MAX_MEMORY_MB) return "--host_memory is a number of MB, at least 1";
    return fd > INT_MAX ? "--attach is the number of an open descriptor" : NULL;
}

bool sg_host_options(const struct sg_args *a, size_t first, const char *verb, struct sg_run_hosts *out,
                     uint32_t *max_hosts) {
    const char *const *values = a->values + first;
    uint64_t hosts = sg_arg_number(a, first + HOSTS, 1), memory = sg_arg_number(a, first + HOST_MEMORY, 1);
    uint64_t fd = sg_arg_number(a, first + ATTACH, 0);
    double timeout = sg_arg_real(a, first + HOOK_TIMEOUT, 1);
    const char *wrong = mistake(hosts, timeout, memory, fd);
    if (wrong) {
        fprintf(stderr, "sygra %s: %s\n", verb, wrong);
        return false;
    }
    *out = (struct sg_run_hosts){.python = sg_str(sg_arg_text(a, first + PYTHON, "")),
                                 .env_names = sg_str(sg_arg_text(a, first + HOST_ENV, "")),
                                 .timeout_ms = values[HOOK_TIMEOUT] ? (uint32_t)(timeout * 1000) : 0,
                                 .memory_bytes = values[HOST_MEMORY] ? memory << 20 : 0,
                                 .trust = values[TRUST_RUN] != NULL,
                                 .attached = values[ATTACH] != NULL,
                                 .attached_fd = (int)fd};
    if (max_hosts) *max_hosts = values[HOSTS] ? (uint32_t)hosts : 0;
    return true;
}
