/* SPDX-License-Identifier: Apache-2.0 */
/* probe: what is asked of a model by `sygra models`, and what came of it. Private to run. */
#ifndef SG_RUN_PROBE_H
#define SG_RUN_PROBE_H

#include "calls/ping.h"
#include "run/run.h"

/* One address of a model: its ping. An embedded model has one, too. */
struct sg_probe_address {
    struct sg_str url, token; /* empty for an embedded model */
    struct sg_ping ping;
    struct sg_probe *probe;
    bool asked;
    int status;
    struct sg_err err;
    struct sg_ping_answer answer;
};

struct sg_probe {
    struct sg_arena *arena;
    const struct sg_model_spec *spec;
    struct sg_str *nodes;
    size_t n_nodes, cap_nodes;
    struct sg_probe_address *addresses;
    size_t n_addresses;
    size_t *pending; /* of all probes */
    struct sg_loop *loop;
    /* the real call */
    struct sg_model_spec small; /* the model, with few tokens and one attempt */
    struct sg_call call;
    bool called;
    int status;
    struct sg_err err;
    struct sg_str text;
    struct sg_usage usage;
    uint64_t latency_ns;
};

void sg_probe_ping(struct sg_probe *p, struct sg_calls *c, const char *exe_dir);
void sg_probe_call(struct sg_probe *p, struct sg_calls *c);
bool sg_probe_fine(const struct sg_probe *p);

void sg_probe_print(const struct sg_probe *p, struct sg_buf *out);
void sg_probe_json(const struct sg_probe *p, struct sg_buf *out); /* one line */

#endif
