/* SPDX-License-Identifier: Apache-2.0 */
/* Before a run goes on: is its task what it was? If not, the user is told what that concerns, and with --accept-changes, or for
 * `sygra retry`, the records that are to run again are made unfinished. */
#include "run/changes.h"

#include <stdio.h>

static void show(struct run *r, const struct sg_changes *c) {
    struct sg_buf text = SG_BUF_INIT(0), clean = SG_BUF_INIT(0), fit = SG_BUF_INIT(0);
    if (r->o->json) {
        sg_changes_json(c, &text);
        SG_LOG(task_changed, SG_F_JSON(sg_buf_view(&text)));
    } else {
        sg_changes_text(c, &text);
        sg_redact(&clean, sg_buf_view(&text));
        for (size_t at = 0; at < clean.n;) {
            size_t end = sg_str_find(sg_buf_view(&clean), '\n', at);
            sg_screen_text(&fit, (struct sg_str){clean.p + at, end - at}, SIZE_MAX, true);
            sg_buf_ch(&fit, '\n');
            at = end + 1;
        }
        fprintf(stderr, "the task has changed since this run began:\n%.*s", (int)fit.n, fit.p);
    }
    sg_buf_fini(&text);
    sg_buf_fini(&clean);
    sg_buf_fini(&fit);
}

static int refuse(const struct sg_changes *c, struct sg_err *err) {
    struct sg_buf names = SG_BUF_INIT(300);
    for (size_t i = 0; i < c->n; i++)
        sg_buf_printf(&names, "%s%s `%.*s`", i ? ", " : "", c->list[i].what, SG_ARG(c->list[i].name));
    const char *how = c->source ? "undo it, or start a new run"
                                : "undo it, go on with --accept-changes, or start a new run";
    sg_fail(err, SG_E_CONFLICT, "the task has changed since this run began (%.*s%s); %s", (int)names.n,
            names.p ? names.p : "", names.failed ? ", ..." : "", how);
    sg_buf_fini(&names);
    return SG_E_CONFLICT;
}

static int weigh(struct run *r, struct sg_changes *c, struct sg_err *err) {
    struct sg_run_identity id;
    struct sg_rundb *db;
    int rc = sg_rundb_view(r->run_folder.p, &r->task.arena, &id, &db, err);
    if (rc < 0) return rc;
    rc = sg_changes_weigh(c, db);
    if (rc < 0) *err = *sg_rundb_error(db);
    sg_rundb_close(db);
    return rc;
}

static int take_back(struct run *r, const struct sg_changes *c, struct sg_err *err) {
    struct sg_output_options oo = {.folder = r->folder, .stem = r->stem, .first = r->first};
    struct sg_output_again again = {
        .mapped = c->outputs, .positions = c->positions, .n_positions = c->n_positions};
    uint64_t n;
    memcpy(again.outcomes, r->o->again, sizeof again.outcomes);
    if (c->n) {
        again.was = &r->was;
        again.is = &r->identity;
    }
    return sg_output_take_back(&oo, &again, &n, err);
}

int sg_run_settle(struct run *r, struct sg_err *err) {
    struct sg_changes c;
    bool retry = false;
    int rc = 0;
    for (int i = 0; i < 4; i++) retry |= r->o->again[i];
    sg_changes_find(&c, &r->task.arena, r->task.plan, &r->was, &r->identity, sg_run_columns_differ(r));
    if (c.n && !c.source) rc = weigh(r, &c, err);
    if (rc < 0) return rc;
    if (c.n) show(r, &c);
    if (c.source || (c.n && !r->o->accept_changes)) return refuse(&c, err);
    return c.n || retry ? take_back(r, &c, err) : 0;
}
