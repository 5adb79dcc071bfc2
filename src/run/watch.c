/* SPDX-License-Identifier: Apache-2.0 */
/* Watching a run: on a terminal the panel, drawn at most five times a second; elsewhere a line every few seconds. The event
 * `progress` comes in both cases, for the log. */
#include "run/panel.h"
#include "run/parts.h"

#define TICK_MS 200
#define PROGRESS_MS 5000

/* --- the panel -------------------------------------------------------------------------------------------------- */

/* One column stays free: the cursor behind a full line is in the next one on some terminals. */
static void draw(struct run *r) {
    struct sg_figures f;
    struct sg_buf frame = SG_BUF_INIT(0), clean = SG_BUF_INIT(0);
    struct sg_panel_style style = {.utf8 = sg_terminal_utf8(), .color = sg_terminal_color()};
    sg_terminal_size(2, &style.columns, &style.rows);
    if (style.columns > 1) style.columns--;
    if (style.rows > 1) style.rows--;
    sg_run_sample(r);
    sg_run_figures(r, &f);
    sg_panel_frame(&f, &style, &frame);
    sg_redact(&clean, sg_buf_view(&frame));
    sg_terminal_draw(r->terminal, sg_buf_view(&clean));
    sg_buf_fini(&frame);
    sg_buf_fini(&clean);
}

static void on_tick(struct sg_timer *t) {
    struct run *r = t->ud;
    draw(r);
    sg_timer_start(r->loop, t, SG_MS(TICK_MS));
}

static void on_line(void *ud, enum sg_event ev, struct sg_str line) {
    struct run *r = ud;
    if (ev == SG_EV_progress) return;
    struct sg_buf fit = SG_BUF_INIT(0);
    sg_screen_text(&fit, (struct sg_str){line.p, line.n - 1}, SIZE_MAX, sg_terminal_utf8());
    sg_buf_ch(&fit, '\n');
    sg_terminal_line(r->terminal, sg_buf_view(&fit));
    sg_buf_fini(&fit);
}

/* --- lines ------------------------------------------------------------------------------------------------------ */

static void tell_progress(struct run *r) {
    struct sg_figures f;
    struct sg_buf members = SG_BUF_INIT(0);
    if (!r->terminal) sg_run_sample(r);
    sg_run_figures(r, &f);
    sg_figures_json(&f, &members);
    SG_LOG(progress, SG_F_INT("ok", f.outcomes[SG_RECORD_OK]), SG_F_INT("failed", f.outcomes[SG_RECORD_FAILED]),
           SG_F_INT("in_flight", f.under_way), SG_F_INT("calls", f.calls), SG_F_REAL("calls_per_s", f.calls_per_s),
           SG_F_REAL("tokens_per_s", f.tokens_per_s), SG_F_INT("retries", f.retries),
           SG_F_INT("elapsed_s", f.elapsed_s), SG_F_JSON(sg_buf_view(&members)));
    sg_buf_fini(&members);
}

static void on_progress(struct sg_timer *t) {
    struct run *r = t->ud;
    tell_progress(r);
    sg_timer_start(r->loop, t, SG_MS(PROGRESS_MS));
}

/* --- from start to end ------------------------------------------------------------------------------------------ */

void sg_run_watch(struct run *r) {
    r->tick = (struct sg_timer){.on_fire = on_tick, .ud = r};
    r->progress = (struct sg_timer){.on_fire = on_progress, .ud = r};
    sg_run_sample(r);
    sg_timer_start(r->loop, &r->progress, SG_MS(PROGRESS_MS));
    if (r->o->json || !(r->terminal = sg_terminal_open(2))) return;
    sg_log_show((struct sg_log_taker){on_line, r});
    sg_timer_start(r->loop, &r->tick, 0);
}

/* Machines see the figures once more as they are at the end; people have the summary. */
void sg_run_watch_end(struct run *r) {
    if (r->o->json) tell_progress(r);
    sg_timer_stop(r->loop, &r->tick);
    sg_timer_stop(r->loop, &r->progress);
    if (!r->terminal) return;
    sg_log_show((struct sg_log_taker){0});
    sg_terminal_close(r->terminal);
    r->terminal = NULL;
}
