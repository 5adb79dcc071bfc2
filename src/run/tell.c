/* SPDX-License-Identifier: Apache-2.0 */
/* What hosts that asked for it are told of the run while it goes (docs/formats/hook-protocol.md, F and E): its figures once
 * a second, and what happens to nodes and records, for the callbacks of the process that started it.
 *
 * A clock goes along with the events, so that whoever reads them late knows how long things took. */
#include "run/parts.h"

#define FIGURES_MS 1000

/* --- figures ---------------------------------------------------------------------------------------------------- */

static void tell_figures(struct run *r) {
    struct sg_figures f;
    struct sg_buf json = SG_BUF_INIT(0);
    if (!sg_hooks_wants(r->hooks, SG_NEWS_FIGURES)) return;
    sg_run_figures(r, &f);
    sg_buf_ch(&json, '{');
    sg_figures_json(&f, &json);
    sg_buf_ch(&json, '}');
    sg_hooks_tell(r->hooks, SG_NEWS_FIGURES, sg_buf_view(&json));
    sg_buf_fini(&json);
}

static void on_tell(struct sg_timer *t) {
    struct run *r = t->ud;
    tell_figures(r);
    sg_timer_start(r->loop, t, SG_MS(FIGURES_MS));
}

/* --- events ----------------------------------------------------------------------------------------------------- */

/* NULL: nobody is told of it. */
static const char *name_of(const struct sg_exec_event *e) {
    switch (e->kind) {
    case SG_EXEC_RECORD: return "graph_start";
    case SG_EXEC_NODE: return "node_start";
    case SG_EXEC_NODE_END: return e->err ? "node_error" : "node_end";
    case SG_EXEC_RECORD_END: return e->err ? "graph_error" : "graph_end";
    default: return NULL;
    }
}

static void write_value(const struct sg_exec_event *e, struct sg_buf *b) {
    SG_BUF_LIT(b, ",\"value\":");
    if (e->kind == SG_EXEC_RECORD_END && e->output.n) sg_buf_str(b, e->output);
    else if (e->kind != SG_EXEC_RECORD_END && e->value) sg_json_write(b, e->value);
    else SG_BUF_LIT(b, "null");
}

static void on_event(void *ud, const struct sg_exec_event *e) {
    struct run *r = ud;
    const char *name = name_of(e);
    struct sg_buf json = SG_BUF_INIT(0);
    if (!name) return;
    sg_buf_printf(&json, "{\"event\":\"%s\",\"position\":%llu,\"at_ms\":%.3f", name, (unsigned long long)e->position,
                  (double)(sg_loop_now_ns(r->loop) - r->started_ns) / 1e6);
    if (e->node.n && e->kind != SG_EXEC_RECORD_END) {
        SG_BUF_LIT(&json, ",\"node\":");
        sg_json_write_string(&json, e->node);
    }
    if (e->err) {
        SG_BUF_LIT(&json, ",\"error\":");
        sg_json_write_text(&json, sg_str(e->err->text));
    } else write_value(e, &json);
    sg_buf_ch(&json, '}');
    sg_hooks_tell(r->hooks, SG_NEWS_EVENTS, sg_buf_view(&json));
    sg_buf_fini(&json);
}

/* --- from start to end ------------------------------------------------------------------------------------------ */

const struct sg_exec_observer *sg_run_teller(struct run *r) {
    if (!sg_hooks_wants(r->hooks, SG_NEWS_EVENTS)) return NULL;
    r->teller = (struct sg_exec_observer){on_event, r};
    return &r->teller;
}

void sg_run_tell_hosts(struct run *r) {
    r->tell = (struct sg_timer){.on_fire = on_tell, .ud = r};
    sg_timer_start(r->loop, &r->tell, SG_MS(FIGURES_MS));
}

void sg_run_tell_hosts_end(struct run *r) {
    sg_timer_stop(r->loop, &r->tell);
    tell_figures(r);
}
