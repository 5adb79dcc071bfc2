/* SPDX-License-Identifier: Apache-2.0 */
/* Loading a task: config, plan, and its hooks, which are loaded in hosts (hosts.c); the limits of this machine. */
#include "run/parts.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static bool has_code(const struct sg_task_spec *t, const struct sg_plan *p) {
    return p->n_hooks || t->n_post || (t->data.source && t->data.source->n_transforms);
}

int sg_task_load(struct sg_task *t, const struct sg_config_options *o, const char *exe,
                 const struct sg_run_hosts *hosts) {
    *t = (struct sg_task){0};
    sg_arena_init(&t->arena, 64 * 1024);
    sg_diags_init(&t->diags);
    int rc = sg_config_load(&t->arena, o, &t->diags, &t->spec);
    /* Mistakes of keys and of the graph are shown together, as long as there is a graph to look at. */
    if (rc != SG_E_IO && t->spec.graph.n_nodes) {
        struct sg_plan *plan = NULL;
        int built = sg_plan_build(&t->arena, &t->spec, &t->diags, &plan);
        if (rc == 0) rc = built;
        if (exe && has_code(&t->spec, plan)) sg_run_check_hooks(t, plan, exe, hosts);
        if (t->diags.errors) rc = SG_E_SYNTAX;
        if (rc == 0) t->plan = plan;
    }
    return rc;
}

void sg_task_fini(struct sg_task *t) {
    sg_diags_fini(&t->diags);
    sg_arena_fini(&t->arena);
}

void sg_task_report(const struct sg_task *t, bool json) {
    struct sg_buf b = SG_BUF_INIT(0), clean = SG_BUF_INIT(0);
    if (json) sg_diags_json(&t->diags, &b);
    else sg_diags_print(&t->diags, &b, isatty(2));
    sg_redact(&clean, sg_buf_view(&b));
    fwrite(clean.p, 1, clean.n, json ? stdout : stderr);
    fflush(json ? stdout : stderr);
    sg_buf_fini(&b);
    sg_buf_fini(&clean);
}

/* --- limits ------------------------------------------------------------------------------------------------------------------ */

#define FILES_BESIDE 64 /* logs, input, output, hosts, libraries */

uint64_t sg_raise_files(void) {
    struct rlimit r;
    if (getrlimit(RLIMIT_NOFILE, &r) != 0) return UINT64_MAX;
    if (r.rlim_cur < r.rlim_max) {
        rlim_t before = r.rlim_cur;
        r.rlim_cur = r.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &r) == 0)
            SG_LOG(limit_raised, SG_F_INT("from", before), SG_F_INT("to", r.rlim_max));
        else r.rlim_cur = before;
    }
    return r.rlim_cur;
}

/* Outgoing ports to one address. */
static uint32_t local_ports(void) {
    unsigned low = 32768, high = 60999;
    FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "r");
    if (!f) return high - low + 1;
    int n = fscanf(f, "%u %u", &low, &high);
    fclose(f);
    return n == 2 && high >= low ? high - low + 1 : 28232;
}

static bool uses_network(const struct sg_plan *p, size_t *urls) {
    *urls = 0;
    for (size_t i = 0; i < p->n_models; i++)
        if (p->models[i]->n_urls > *urls) *urls = p->models[i]->n_urls;
    return *urls > 0;
}

/* The calls that one node makes at a time; nodes side by side are not counted, they rarely call at one moment. */
static uint64_t widest(const struct sg_plan *p) {
    uint64_t most = 1;
    for (size_t i = 0; i < p->n_nodes; i++) {
        const struct sg_plan_node *n = &p->nodes[i];
        bool at_once = n->kind == SG_NODE_MULTI_LLM && n->spec->strategy == SG_ENSEMBLE;
        if (at_once && n->n_children > most) most = n->n_children;
    }
    return most;
}

void sg_check_limits(struct sg_diags *d, uint32_t in_flight, const struct sg_plan *plan) {
    size_t urls;
    uint64_t files = sg_raise_files();
    if (!plan || !uses_network(plan, &urls)) return;
    uint64_t calls = in_flight * widest(plan), ports = (uint64_t)local_ports() * urls;
    if (calls + FILES_BESIDE > files)
        sg_error_at(d, (struct sg_mark){0}, SG_STR_NONE,
                    "lower -b, or raise the hard limit (ulimit -Hn, limits.conf)",
                    "-b %u needs %llu open files, and the hard limit here is %llu", in_flight,
                    (unsigned long long)calls + FILES_BESIDE, (unsigned long long)files);
    if (in_flight > ports)
        sg_error_at(d, (struct sg_mark){0}, SG_STR_NONE,
                    "lower -b, give the model several URLs, or widen net.ipv4.ip_local_port_range",
                    "-b %u needs as many outgoing ports, and there are %llu", in_flight, (unsigned long long)ports);
}
