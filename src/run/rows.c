/* SPDX-License-Identifier: Apache-2.0 */
/* See rows.h. The file of a list is made beside the output, so that a transform that fails leaves no run folder, and an older run of
 * this name is not touched by it; it moves into the folder when there is one. A run that was killed between the two, or whose move a
 * loss of power has undone, makes it again: no record had begun. */
#include "run/rows.h"

#include <stdlib.h>

static const struct sg_source_spec *source_of(const struct run *r) {
    return r->task.spec.data.source;
}

bool sg_rows_are_listed(const struct run *r) {
    const struct sg_source_spec *s = source_of(r);
    return s && s->n_transforms && !s->streaming;
}

bool sg_rows_are_streamed(const struct run *r) {
    const struct sg_source_spec *s = source_of(r);
    return s && s->n_transforms && s->streaming;
}

const struct sg_json *sg_rows_config(struct sg_arena *a, const struct sg_source_spec *s, size_t first, size_t n) {
    struct sg_json *chain = SG_NEW_N(a, struct sg_json, n), *config = SG_NEW(a, struct sg_json);
    for (size_t i = 0; i < n; i++) {
        const struct sg_step_spec *step = &s->transforms[first + i];
        struct sg_member *m = SG_NEW_N(a, struct sg_member, 2);
        m[0] = (struct sg_member){SG_STR("transform"), sg_json_string(step->hook.text)};
        m[1] = (struct sg_member){SG_STR("params"), step->params};
        chain[i] = sg_json_object(m, 2);
    }
    struct sg_member *m = SG_NEW_N(a, struct sg_member, 3);
    m[0] = (struct sg_member){SG_STR("params"), s->transforms[first].params};
    m[1] = (struct sg_member){SG_STR("streamed"), sg_json_bool(s->streaming)};
    m[2] = (struct sg_member){SG_STR("chain"), sg_json_array(chain, n)};
    *config = sg_json_object(m, 3);
    return config;
}

struct sg_str sg_rows_hash(struct run *r) {
    struct sg_arena *a = &r->task.arena;
    const struct sg_source_spec *s = source_of(r);
    if (!s || s->n_transforms == 0) return SG_STR_NONE;
    struct sg_buf b = SG_BUF_INIT(SIZE_MAX);
    char *hex = sg_alloc(a, 65);
    sg_json_write(&b, sg_rows_config(a, s, 0, s->n_transforms));
    for (size_t i = 0; i < s->n_transforms; i++) sg_buf_str(&b, sg_str(s->transforms[i].hook.file_hash));
    sg_sha256_hex(sg_buf_view(&b), hex);
    sg_buf_fini(&b);
    return (struct sg_str){hex, 64};
}

/* --- the file of a list ----------------------------------------------------------------------------------------- */

static struct sg_str path_in_run(struct run *r) {
    struct sg_arena *a = &r->task.arena;
    if (r->run_folder.n) return sg_str_printf(a, "%.*s/" SG_RUN_INPUT, SG_ARG(r->run_folder));
    return sg_str_printf(a, "%.*s/%.*s.run/" SG_RUN_INPUT, SG_ARG(r->folder), SG_ARG(r->stem));
}

/* Of a run that goes on, or that is looked at once more. */
static bool is_there(struct run *r) {
    bool has_run = r->run_folder.n || r->resuming;
    if (!has_run || !sg_os_exists(path_in_run(r).p)) return false;
    r->rows_file = path_in_run(r);
    return true;
}

static const char *temporary_folder(void) {
    const char *named = getenv("TMPDIR");
    return named && *named ? named : "/tmp";
}

/* Who only looks leaves nothing beside an output. */
static struct sg_str path_to_make(struct run *r) {
    struct sg_arena *a = &r->task.arena;
    if (r->observer)
        return sg_str_printf(a, "%s/sygra-%016llx.jsonl", temporary_folder(), (unsigned long long)sg_os->entropy());
    return sg_str_printf(a, "%.*s/%.*s.input.new", SG_ARG(r->folder), SG_ARG(r->stem));
}

int sg_rows_make(struct run *r, struct sg_err *err) {
    if (is_there(r)) return 0;
    int rc = r->observer ? 0 : sg_os_mkdirs(r->folder.n ? r->folder.p : ".");
    if (rc < 0) return sg_fail_sys(err, SG_E_IO, -rc, "%s: the output folder cannot be made", r->folder.p);
    r->rows_file = path_to_make(r);
    rc = sg_spool_open(r->loop, r->rows_file, r->observer != NULL, &r->spool, err);
    return rc == 0 ? sg_rows_run_list(r, r->spool, err) : rc;
}

int sg_rows_keep(struct run *r, struct sg_err *err) {
    int rc = r->spool ? 0 : sg_rows_make(r, err);
    if (rc != 0 || !r->spool || r->o->no_journal) return rc;
    r->rows_file = path_in_run(r);
    return sg_spool_keep(r->spool, r->rows_file, err);
}

/* --- what the source is read from ------------------------------------------------------------------------------- */

int sg_rows_hook(struct run *r, struct sg_hooks *h) {
    const struct sg_source_spec *s = source_of(r);
    struct sg_arena *a = &r->task.arena;
    for (size_t i = 0; i < s->n_transforms; i++) /* for itself, too: a mistake is told where it stands */
        sg_hooks_add(h, &s->transforms[i].hook, SG_ROLE_DATA, SG_STR_NONE, sg_rows_config(a, s, i, 1));
    return sg_hooks_add(h, &s->transforms[0].hook, SG_ROLE_DATA, SG_STR_NONE, sg_rows_config(a, s, 0, s->n_transforms));
}

bool sg_rows_add_hooks(struct run *r) {
    const struct sg_source_spec *s = source_of(r);
    if (!s || s->n_transforms == 0 || (!s->streaming && s->transforms[0].hook.kind != SG_HOOK_CLOSURE)) return false;
    r->rows_hook = sg_rows_hook(r, r->hooks);
    if (s->streaming) r->stream = sg_rows_stream_open(r, r->rows_hook);
    return true;
}

void sg_rows_source(struct run *r, struct sg_source_options *o) {
    if (r->stream) o->changer = sg_rows_stream_changer(r->stream);
    if (!r->rows_file.n) return;
    struct sg_source_spec *made = SG_NEW(&r->task.arena, struct sg_source_spec);
    struct sg_data_file *file = SG_NEW(&r->task.arena, struct sg_data_file);
    *made = *source_of(r);
    *file = (struct sg_data_file){.path = r->rows_file, .format = SG_FORMAT_LINES};
    made->files = file;
    made->n_files = 1;
    o->spec = made;
}

bool sg_rows_called(const struct run *r, const struct sg_hook_call *c) {
    return sg_rows_stream_called(r->stream, c);
}

void sg_rows_opened(struct run *r) {
    sg_spool_close(r->spool);
    r->spool = NULL;
}

void sg_rows_close(struct run *r) {
    sg_spool_close(r->spool);
    sg_rows_stream_close(r->stream);
    r->spool = NULL;
    r->stream = NULL;
}
