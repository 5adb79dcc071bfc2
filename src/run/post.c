/* SPDX-License-Identifier: Apache-2.0 */
/* graph_post_process: classes that look at the whole output, when it has its name (spec-core 8.5). Each is called by itself, in a process
 * of its own that ends with it, on the output as the run has written it; what it makes stands beside the output. One that fails takes
 * nothing away: the output stays, the others run, and the run's exit status is 1.
 *
 * post.json in the run folder notes, for the output that it names by size and checksum, which classes have done their work. So what a
 * kill, a failure or Ctrl-C has left undone is done by `sygra resume`, and nothing is done twice. */
#include "run/post.h"

#include <fcntl.h>
#include <stdlib.h>

#define NOTE_BYTES ((size_t)16 << 20)
#define BLOCK_BYTES ((size_t)1 << 20)

static struct sg_str last_part(struct sg_str path, char separator) {
    size_t from = path.n;
    while (from > 0 && path.p[from - 1] != separator) from--;
    return (struct sg_str){path.p + from, path.n - from};
}

/* --- the note --------------------------------------------------------------------------------------------------- */

static struct sg_str note_path(struct run *r, const char *end) {
    return sg_str_printf(&r->task.arena, "%.*s/%.*s.run/" SG_RUN_POST "%s", SG_ARG(r->folder), SG_ARG(r->stem), end);
}

static int measure(struct sg_str path, uint64_t *bytes, uint32_t *crc, struct sg_err *err) {
    char *block = sg_xmalloc(BLOCK_BYTES);
    int fd = sg_os->open(path.p, O_RDONLY | O_CLOEXEC, 0);
    ssize_t got = fd < 0 ? fd : 1;
    for (*bytes = *crc = 0; got > 0; *bytes += (uint64_t)got) {
        got = sg_os->pread(fd, block, BLOCK_BYTES, *bytes);
        if (got <= 0) break;
        *crc = sg_crc32c(*crc, block, (size_t)got);
    }
    if (fd >= 0) sg_os->close(fd);
    free(block);
    return got < 0 ? sg_fail_sys(err, SG_E_IO, (int)-got, "%s: cannot be read", path.p) : 0;
}

static bool is_number(const struct sg_json *v, const char *key, uint64_t wanted) {
    const struct sg_json *m = sg_json_get(v, sg_str(key));
    int64_t n;
    return m && sg_json_to_i64(m, &n) && n == (int64_t)wanted;
}

/* What is noted of this output, as an array; of another one it does not count. */
static struct sg_json noted(struct run *r, uint64_t bytes, uint32_t crc) {
    struct sg_str text;
    struct sg_json v;
    bool there = !r->o->no_journal &&
                 sg_os_read_file(&r->task.arena, note_path(r, "").p, NOTE_BYTES, &text, NULL) == 0 &&
                 sg_json_parse(&r->task.arena, text, &v, NULL, NULL) == 0;
    const struct sg_json *done = there ? sg_json_get(&v, SG_STR("done")) : NULL;
    bool same = done && done->type == SG_JSON_ARRAY && is_number(&v, "bytes", bytes) && is_number(&v, "crc", crc);
    return same ? *done : sg_json_array(NULL, 0);
}

static int write_whole(struct sg_str path, struct sg_str part, struct sg_str text) {
    int fd = sg_os->open(part.p, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666), rc = fd < 0 ? fd : 0;
    if (rc == 0) rc = sg_os_pwrite_all(fd, text.p, text.n, 0);
    if (rc == 0) rc = sg_os->sync(fd);
    if (fd >= 0) sg_os->close(fd);
    return rc == 0 ? sg_os->rename(part.p, path.p) : rc;
}

struct posts {
    struct run *run;
    uint64_t bytes;
    uint32_t crc;
    struct sg_json before;
    struct sg_buf done; /* of the note: entries, with commas */
};

static void note(struct posts *p, const struct sg_post *post) {
    struct run *r = p->run;
    struct sg_buf b = SG_BUF_INIT(SIZE_MAX);
    if (p->done.n) sg_buf_ch(&p->done, ',');
    SG_BUF_LIT(&p->done, "{\"processor\":");
    sg_json_write_text(&p->done, post->name);
    sg_buf_printf(&p->done, ",\"hash\":\"%s\",\"records\":%lld,\"file\":", post->hash, (long long)post->records);
    sg_json_write_text(&p->done, last_part(post->file, '/'));
    sg_buf_ch(&p->done, '}');
    sg_buf_printf(&b, "{\"bytes\":%llu,\"crc\":%u,\"done\":[%.*s]}\n", (unsigned long long)p->bytes, p->crc, (int)p->done.n,
                  p->done.p);
    int rc = r->o->no_journal ? 0 : write_whole(note_path(r, ""), note_path(r, ".part"), sg_buf_view(&b));
    if (rc < 0) SG_LOG(post_unnoted, SG_F_STR("processor", post->name), SG_F_STR("error", sg_str(strerror(-rc))));
    sg_buf_fini(&b);
}

/* Done before, and what it made is still there. */
static bool is_done(const struct posts *p, struct sg_post *post) {
    for (uint32_t i = 0; i < p->before.n; i++) {
        const struct sg_json *e = &p->before.items[i], *records = sg_json_get(e, SG_STR("records"));
        const struct sg_json *hash = sg_json_get(e, SG_STR("hash")), *file = sg_json_get(e, SG_STR("file"));
        if (!hash || !sg_json_is_text(hash, sg_str(post->hash)) || !file || !sg_json_is_text(file, last_part(post->file, '/')))
            continue;
        if (records) sg_json_to_i64(records, &post->records);
        return sg_os_exists(post->file.p);
    }
    return false;
}

bool sg_post_is_pending(struct sg_arena *a, struct sg_rundb *db, struct sg_str run_folder) {
    struct sg_str wanted = sg_rundb_get(db, a, SG_STR("post")), text;
    struct sg_json v;
    if (!wanted.n) return false;
    if (sg_os_read_file(a, sg_str_printf(a, "%.*s/" SG_RUN_POST, SG_ARG(run_folder)).p, NOTE_BYTES, &text, NULL) != 0 ||
        sg_json_parse(a, text, &v, NULL, NULL) != 0)
        return true;
    const struct sg_json *done = sg_json_get(&v, SG_STR("done"));
    return !done || sg_str_cmp(sg_str_printf(a, "%u", done->n), wanted) != 0;
}

/* --- names ------------------------------------------------------------------------------------------------------ */

/* The library's names of closures end in @ and a hash of their code. */
static struct sg_str class_name_of(const struct sg_hook_spec *hook) {
    struct sg_str name = last_part(hook->text, '.');
    if (hook->kind == SG_HOOK_CLOSURE) name.n = sg_str_find(name, '@', 0);
    return name;
}

/* The first "output" of the stem becomes the name of the class; a second entry of that name gets a number. */
static struct sg_str name_file(struct run *r, size_t i) {
    struct sg_arena *a = &r->task.arena;
    struct sg_str class_name = class_name_of(&r->task.spec.post[i].hook), stem = r->stem, word = SG_STR("output");
    const char *at = memmem(stem.p, stem.n, word.p, word.n);
    size_t before = at ? (size_t)(at - stem.p) : stem.n, same = 1;
    for (size_t k = 0; k < i; k++) same += sg_str_eq(class_name_of(&r->task.spec.post[k].hook), class_name);
    struct sg_str rest = at ? (struct sg_str){at + word.n, stem.n - before - word.n} : SG_STR("");
    struct sg_str number = same > 1 ? sg_str_printf(a, "_%zu", same) : SG_STR("");
    return sg_str_printf(a, "%.*s/%.*s%.*s%.*s%.*s.json", SG_ARG(r->folder), (int)before, stem.p, SG_ARG(class_name),
                         SG_ARG(rest), SG_ARG(number));
}

static void set_hash(const struct sg_step_spec *step, char *hex) {
    struct sg_buf b = SG_BUF_INIT(SIZE_MAX);
    sg_buf_printf(&b, "%.*s %s ", SG_ARG(step->hook.text), step->hook.file_hash);
    sg_json_write(&b, &step->params);
    sg_sha256_hex(sg_buf_view(&b), hex);
    sg_buf_fini(&b);
}

/* --- a call ----------------------------------------------------------------------------------------------------- */

struct one {
    struct run *run;
    struct sg_post *post;
    struct sg_arena arena;
    struct sg_hook_call call;
    bool waits;
};

static void write_paths(struct sg_hook_call *c, struct sg_buf *input, struct sg_buf *state) {
    const struct one *o = c->ud;
    (void)state;
    SG_BUF_LIT(input, "{\"output_file\":");
    sg_json_write_text(input, o->run->result.path);
    SG_BUF_LIT(input, ",\"result_file\":");
    sg_json_write_text(input, o->post->file);
    sg_buf_ch(input, '}');
}

static void on_done(struct sg_hook_call *c, int status, const struct sg_json *results, const struct sg_json *effects,
                    const struct sg_err *err) {
    struct one *o = c->ud;
    struct run *r = o->run;
    (void)effects;
    o->waits = false;
    r->step_status = status;
    if (status != 0) r->step_err = *err;
    else if (results->n == 1) sg_json_to_i64(&results->items[0], &o->post->records);
    sg_loop_stop(r->loop);
}

/* What was reported before has been read. */
static int load(struct run *r, struct sg_hooks *hooks, struct sg_err *err) {
    struct sg_diags *d = &r->task.diags;
    d->n = d->errors = 0;
    int rc = sg_run_load_hooks(r, hooks, "it", err);
    return rc != 0 && d->n ? sg_fail(err, rc, "%.*s", SG_ARG(d->items[0].text)) : rc;
}

const struct sg_json *sg_post_config(struct sg_arena *a, const struct sg_step_spec *step) {
    struct sg_member *m = SG_NEW(a, struct sg_member);
    struct sg_json *config = SG_NEW(a, struct sg_json);
    *m = (struct sg_member){SG_STR("params"), step->params};
    *config = sg_json_object(m, 1);
    return config;
}

static int add(struct run *r, struct sg_hooks *hooks, const struct sg_step_spec *step) {
    return sg_hooks_add(hooks, &step->hook, SG_ROLE_GRAPH_POST, SG_STR_NONE, sg_post_config(&r->task.arena, step));
}

static int call(struct one *o, struct sg_hooks *hooks, int hook, struct sg_err *err) {
    struct run *r = o->run;
    o->call = (struct sg_hook_call){.hook = hook, .write = write_paths, .on_done = on_done, .arena = &o->arena, .ud = o,
                                    .seed = r->seed, .no_deadline = true};
    o->waits = true;
    r->own_call = &o->call;
    sg_hook_start(hooks, &o->call);
    int rc = sg_run_wait(r, err);
    if (o->waits) sg_hook_cancel(hooks, &o->call);
    r->own_call = NULL;
    return rc;
}

/* In a pool of its own, that ends with it. */
static int call_python(struct one *o, const struct sg_step_spec *step, struct sg_err *err) {
    struct run *r = o->run;
    struct sg_hooks *hooks;
    int rc = sg_run_open_pool(r, &hooks, err);
    if (rc != 0) return rc;
    int hook = add(r, hooks, step);
    rc = load(r, hooks, err);
    if (rc == 0) rc = call(o, hooks, hook, err);
    sg_hooks_close(hooks);
    return rc;
}

/* Closures are loaded with the run's hooks: there is one socket to their process. */
bool sg_run_post_add_closures(struct run *r) {
    const struct sg_task_spec *t = &r->task.spec;
    bool any = false;
    r->post_hooks = SG_NEW_N(&r->task.arena, int, t->n_post);
    for (size_t i = 0; i < t->n_post; i++) {
        if (t->post[i].hook.kind != SG_HOOK_CLOSURE) continue;
        r->post_hooks[i] = add(r, r->hooks, &t->post[i]);
        any = true;
    }
    return any;
}

static int run_one(struct run *r, size_t i, struct sg_err *err) {
    const struct sg_step_spec *step = &r->task.spec.post[i];
    struct one o = {.run = r, .post = &r->posts[i]};
    sg_arena_init(&o.arena, 0);
    bool is_closure = step->hook.kind == SG_HOOK_CLOSURE;
    int rc = is_closure ? call(&o, r->hooks, r->post_hooks[i], err) : call_python(&o, step, err);
    sg_arena_fini(&o.arena);
    return rc;
}

/* --- all of them ------------------------------------------------------------------------------------------------ */

static void take_one(struct posts *p, size_t i) {
    struct run *r = p->run;
    struct sg_post *post = &r->posts[i];
    const struct sg_step_spec *step = &r->task.spec.post[i];
    struct sg_err err;
    *post = (struct sg_post){.name = step->hook.text, .file = name_file(r, i), .records = -1};
    set_hash(step, post->hash);
    post->done = is_done(p, post);
    if (!post->done && !r->interrupted) {
        SG_LOG(post_started, SG_F_STR("processor", post->name), SG_F_STR("file", post->file));
        post->status = run_one(r, i, &err);
        post->done = post->status == 0;
        if (post->status != 0 && !r->interrupted) {
            post->error = sg_str_dup(&r->task.arena, sg_str(err.text));
            SG_LOG(post_failed, SG_F_STR("processor", post->name), SG_F_STR("error", post->error));
        }
    }
    if (post->done) note(p, post);
}

void sg_run_post(struct run *r) {
    struct posts p = {.run = r, .done = SG_BUF_INIT(SIZE_MAX)};
    size_t n = r->task.spec.n_post;
    struct sg_err err;
    if (n == 0 || r->aborted || r->interrupted || !r->output) return;
    r->posts = SG_NEW_N(&r->task.arena, struct sg_post, n);
    r->post_processing = true;
    if (measure(r->result.path, &p.bytes, &p.crc, &err) != 0) {
        SG_LOG(post_failed, SG_F_STR("error", sg_str(err.text)));
        r->post_failed = true;
    } else {
        p.before = noted(r, p.bytes, p.crc);
        for (r->n_posts = 0; r->n_posts < n; r->n_posts++) take_one(&p, r->n_posts);
    }
    for (size_t i = 0; i < r->n_posts; i++) r->post_failed |= r->posts[i].status != 0;
    r->post_processing = false;
    sg_buf_fini(&p.done);
}
