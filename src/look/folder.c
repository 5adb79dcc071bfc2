/* SPDX-License-Identifier: Apache-2.0 */
/* folder: a run opened for reading, its bodies, and its names for people. */
#include "look/parts.h"

#include <stdlib.h>

/* --- opening ---------------------------------------------------------------------------------------------------- */

static struct sg_str base_of(struct sg_str folder) {
    while (folder.n > 1 && folder.p[folder.n - 1] == '/') folder.n--;
    if (sg_str_ends(folder, SG_STR(".run"))) folder.n -= 4;
    return folder;
}

/* The output is .part until it is whole; a run that goes on has both. */
static void name_files(struct sg_look *k) {
    static const char *const others[] = {"_failed", "_invalid", "_dropped"};
    struct sg_arena *a = &k->arena;
    struct sg_str base = k->facts.base;
    const char *form = k->facts.progress.lines ? "jsonl" : "json";
    sg_lines_init(&k->files[0], sg_str_printf(a, "%.*s.part", SG_ARG(base)).p,
                  sg_str_printf(a, "%.*s.%s", SG_ARG(base), form).p);
    for (int i = 0; i < 3; i++)
        sg_lines_init(&k->files[i + 1], sg_str_printf(a, "%.*s%s.jsonl", SG_ARG(base), others[i]).p, NULL);
}

static void close_files(struct sg_look *k) {
    for (int i = 0; i < 4; i++) sg_lines_fini(&k->files[i]);
}

static int read_facts(struct sg_look *k, struct sg_err *err) {
    struct sg_str text;
    int rc = sg_rundb_progress(k->db, false, &k->facts.progress);
    if (rc != 0 && err) *err = *sg_rundb_error(k->db);
    k->facts.state = sg_rundb_get(k->db, &k->arena, SG_STR("state"));
    k->facts.holder = sg_run_lock_holder(k->facts.folder.p, &k->arena, &text);
    return rc;
}

int sg_look_open(const char *folder, struct sg_look **out, struct sg_err *err) {
    struct sg_look *k = sg_xcalloc(1, sizeof *k);
    sg_arena_init(&k->arena, 0);
    k->line = SG_BUF_INIT(SIZE_MAX);
    k->facts.folder = sg_str_dup(&k->arena, sg_str(folder));
    k->facts.base = sg_str_dup(&k->arena, base_of(k->facts.folder));
    k->segments_folder = sg_str_printf(&k->arena, "%s/segments", folder);
    int rc = sg_rundb_view(folder, &k->arena, &k->facts.id, &k->db, err);
    if (rc == 0) rc = read_facts(k, err);
    k->last.position = k->facts.id.first;
    name_files(k);
    if (rc == 0) *out = k;
    else sg_look_close(k);
    return rc;
}

void sg_look_close(struct sg_look *k) {
    if (!k) return;
    close_files(k);
    if (k->segments) sg_segments_close(k->segments, false);
    sg_rundb_close(k->db);
    free(k->marks);
    sg_buf_fini(&k->line);
    sg_arena_fini(&k->arena);
    free(k);
}

/* An array that has become lines meanwhile has another name at its end. */
int sg_look_refresh(struct sg_look *k, struct sg_err *err) {
    bool lines = k->facts.progress.lines;
    int rc = sg_rundb_progress(k->db, false, &k->facts.progress);
    if (rc != 0 && err) *err = *sg_rundb_error(k->db);
    if (rc != 0 || lines == k->facts.progress.lines) return rc;
    close_files(k);
    name_files(k);
    return 0;
}

const struct sg_look_facts *sg_look_facts(const struct sg_look *k) {
    return &k->facts;
}

/* --- names ------------------------------------------------------------------------------------------------------ */

/* A run that says that it runs and that nobody holds, is dead. */
const char *sg_look_state(const struct sg_look *k) {
    if (k->facts.holder) return "live";
    return sg_str_eq(k->facts.state, SG_STR("finished")) ? "finished" : "dead";
}

struct sg_str sg_look_node(const struct sg_look *k, uint32_t node) {
    const struct sg_run_identity *id = &k->facts.id;
    return node < id->n_nodes ? id->nodes[node].name : SG_STR("?");
}

static struct sg_str name_in(const char *const *names, int i) {
    return i >= 0 && i < 4 ? sg_str(names[i]) : SG_STR("?");
}

struct sg_str sg_look_outcome_name(int outcome) {
    static const char *const names[] = {"ok", "failed", "invalid", "dropped"};
    return name_in(names, outcome);
}

struct sg_str sg_look_call_state_name(int state) {
    static const char *const names[] = {"intent", "answered", "failed", "again", "done"};
    return name_in(names, state);
}

/* --- bodies ----------------------------------------------------------------------------------------------------- */

/* What a segment holds is known as of its opening: a place behind that calls for another look. */
int sg_look_body(struct sg_look *k, struct sg_place place, uint32_t *kind, struct sg_buf *out, struct sg_err *err) {
    struct sg_err why = {0};
    int rc = SG_E_MISSING;
    for (int attempt = 0; attempt < 2 && rc == SG_E_MISSING; attempt++) {
        if (attempt && k->segments) {
            sg_segments_close(k->segments, false);
            k->segments = NULL;
        }
        rc = k->segments ? 0 : sg_segments_view(k->segments_folder.p, &k->segments, &why);
        if (rc == 0) rc = sg_segments_read(k->segments, place, kind, out, &why);
        if (!k->facts.holder) break;
    }
    if (rc != 0 && err) *err = why;
    return rc;
}

int sg_look_answer(struct sg_look *k, struct sg_arena *a, const struct sg_call_row *row, struct sg_look_answer *out,
                   struct sg_err *err) {
    struct sg_buf body = SG_BUF_INIT(SIZE_MAX);
    struct sg_err why = {0};
    uint32_t kind = 0;
    *out = (struct sg_look_answer){0};
    int rc = row->has_body ? sg_look_body(k, row->body, &kind, &body, &why) : SG_E_MISSING;
    struct sg_str text = rc == 0 ? sg_str_dup(a, sg_buf_view(&body)) : SG_STR_NONE;
    sg_buf_fini(&body);
    if (rc == SG_E_MISSING) return 0;
    if (rc == 0 && kind == SG_BODY_FAILURE) rc = sg_failure_read(a, kind, text, &out->failure, &out->reply.request, &why);
    else if (rc == 0) rc = sg_reply_read(a, kind, text, &out->reply, &why);
    out->has_reply = rc == 0 && kind != SG_BODY_FAILURE;
    if (rc != 0 && err) *err = why;
    return rc;
}
