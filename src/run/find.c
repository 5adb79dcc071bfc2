/* SPDX-License-Identifier: Apache-2.0 */
/* Finding a run by what a user says: its folder, its output, its task, or nothing.
 *
 * Folders are listed with the system's own calls, not through sg_os: no run is under way when somebody looks for one. */
#include "run/post.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#define DEPTH 3 /* folders below the one that is searched */

struct search {
    struct sg_arena *a;
    bool unfinished;
    bool or_pending; /* or with post-processing that is to be done */
    struct sg_str task; /* folder of the task whose runs are looked for; empty: any */
    struct sg_str best;
    int64_t best_started;
    size_t seen; /* run folders of any state */
};

static bool is_folder(struct sg_str path) {
    struct sg_file_info info;
    return sg_os->stat(path.p, &info) == 0 && info.is_dir;
}

/* A folder that holds a run.db is a run, whatever it is called. */
static bool is_run(struct sg_arena *a, struct sg_str path) {
    return is_folder(path) && sg_os_exists(sg_str_printf(a, "%.*s/run.db", SG_ARG(path)).p);
}

bool sg_run_is_finished(struct sg_arena *a, struct sg_rundb *db, struct sg_str folder) {
    while (folder.n > 1 && folder.p[folder.n - 1] == '/') folder.n--;
    struct sg_str part = sg_str_printf(a, "%.*s.part", (int)(folder.n - 4), folder.p);
    return sg_str_eq(sg_rundb_get(db, a, SG_STR("state")), SG_STR("finished")) && !sg_os_exists(part.p);
}

static void consider(struct search *s, struct sg_str folder) {
    struct sg_run_identity id;
    struct sg_rundb *db;
    s->seen++;
    if (sg_rundb_view(folder.p, s->a, &id, &db, NULL) != 0) return;
    bool finished = sg_run_is_finished(s->a, db, folder) && !(s->or_pending && sg_post_is_pending(s->a, db, folder));
    sg_rundb_close(db);
    if (s->task.n && !sg_str_eq(s->task, id.folder)) return;
    if ((s->unfinished && finished) || (s->best.n && id.started_ms <= s->best_started)) return;
    s->best = folder;
    s->best_started = id.started_ms;
}

static void search_in(struct search *s, struct sg_str folder, int depth) {
    DIR *d = opendir(folder.p);
    if (!d) return;
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.') continue;
        struct sg_str path = sg_str_printf(s->a, "%.*s/%s", SG_ARG(folder), e->d_name);
        if (!is_folder(path)) continue;
        if (is_run(s->a, path)) consider(s, path);
        else if (depth > 0) search_in(s, path, depth - 1);
    }
    closedir(d);
}

/* out/output.jsonl, out/output.part and out/output name out/output.run. */
static struct sg_str folder_of_output(struct sg_arena *a, struct sg_str word) {
    static const char *const suffixes[] = {".jsonl", ".json", ".part", "/"};
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        if (sg_str_ends(word, sg_str(suffixes[i]))) word.n -= strlen(suffixes[i]);
    return sg_str_printf(a, "%.*s.run", SG_ARG(word));
}

/* examples.evol_instruct is tasks/examples/evol_instruct, or examples/evol_instruct (design section 7, "paths in a task"). */
static struct sg_str folder_of_task(struct sg_arena *a, struct sg_str word) {
    char *dotted = memcpy(sg_alloc(a, word.n + 1), word.p, word.n);
    dotted[word.n] = 0;
    for (size_t i = 0; i < word.n; i++)
        if (dotted[i] == '.') dotted[i] = '/';
    struct sg_str below = sg_str_printf(a, "tasks/%s", dotted);
    return is_folder(below) ? below : sg_str(dotted);
}

int sg_run_find(struct sg_arena *a, struct sg_str word, bool unfinished, struct sg_str *out, struct sg_err *err) {
    struct search s = {.a = a, .unfinished = unfinished, .or_pending = true};
    struct sg_str plain = sg_str_dup(a, word), output = folder_of_output(a, word);
    if (word.n && is_run(a, plain)) {
        *out = plain;
        return 0;
    }
    if (word.n && is_run(a, output)) {
        *out = output;
        return 0;
    }
    if (word.n && !is_folder(plain)) plain = folder_of_task(a, word);
    search_in(&s, word.n ? plain : SG_STR("."), word.n ? 1 : DEPTH);
    *out = s.best;
    if (s.best.n) return 0;
    if (s.seen)
        return sg_fail(err, SG_E_MISSING, "every run %s%.*s is finished", word.n ? "of " : "here", SG_ARG(word));
    return sg_fail(err, SG_E_MISSING, "there is no run %s%.*s (a run is a folder NAME.run beside its output)",
                   word.n ? "of " : "below this folder", SG_ARG(word));
}

void sg_run_split(struct sg_arena *a, struct sg_str path, struct sg_str *folder, struct sg_str *stem) {
    while (path.n > 1 && path.p[path.n - 1] == '/') path.n--;
    size_t slash = path.n;
    while (slash > 0 && path.p[slash - 1] != '/') slash--;
    struct sg_str name = {path.p + slash, path.n - slash};
    if (sg_str_ends(name, SG_STR(".run"))) name.n -= 4;
    *folder = slash ? sg_str_dup(a, (struct sg_str){path.p, slash > 1 ? slash - 1 : 1}) : SG_STR(".");
    *stem = sg_str_dup(a, name);
}

struct sg_str sg_run_absolute(struct sg_arena *a, struct sg_str path) {
    char full[PATH_MAX];
    return realpath(path.p, full) ? sg_str_dup(a, sg_str(full)) : path;
}

int sg_run_go_to(struct sg_str cwd, struct sg_err *err) {
    if (!cwd.n || chdir(cwd.p) == 0) return 0;
    return sg_fail(err, SG_E_MISSING, "the run was started in %.*s, which is not there any more", SG_ARG(cwd));
}

bool sg_run_find_unfinished(struct sg_arena *a, struct sg_str folder, struct sg_str task, struct sg_str *out) {
    struct search s = {.a = a, .unfinished = true, .task = task};
    search_in(&s, sg_str_dup(a, folder), 0);
    *out = s.best;
    return s.best.n > 0;
}
