/* SPDX-License-Identifier: Apache-2.0 */
/* task: a task's folder, from YAML to the frozen plan. The input is the folder's files: what stands before the first line
 * `#-- NAME` is task/graph_config.yaml; behind such a line another file begins (models.yaml, .env, a subgraph's
 * sub/graph_config.yaml).
 *
 * Always: either there is an error with a place inside its file, or the spec can be built into a plan or says why not; reports
 * can be printed, as UTF-8 and as JSON, and show no secret; reading the same files again gives the same reports. */
#include "fuzz.h"

#include "config/blot.h"
#include "config/config.h"
#include "plan/plan.h"

#define SECRET "sk-abcdefghijklmnop"

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    fuzz_disk_use();
    sg_redact_add(SG_STR("SYGRA_M_TOKEN"), SG_STR(SECRET));
    return 0;
}

/* --- the folder -------------------------------------------------------------------------------------------------- */

#define MARK "\n#-- "

static struct sg_str take_file(struct sg_str *rest) {
    const char *at = rest->n ? memmem(rest->p, rest->n, MARK, sizeof MARK - 1) : NULL;
    size_t n = at ? (size_t)(at - rest->p) : rest->n, used = at ? n + sizeof MARK - 1 : n;
    struct sg_str text = {rest->p, n};
    *rest = (struct sg_str){rest->p + used, rest->n - used};
    return text;
}

static void put_folder(struct sg_str all) {
    static const char *const allowed[] = {"models.yaml", ".env", "sub/graph_config.yaml", "task/models.yaml"};
    fuzz_put("data.jsonl", SG_STR("{}\n"));
    fuzz_put("task/graph_config.yaml", take_file(&all));
    while (all.n) {
        struct sg_str file = take_file(&all);
        size_t end = sg_str_find(file, '\n', 0);
        struct sg_str name = {file.p, end}, text = {file.p + end, file.n - end};
        for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
            if (sg_str_eq(name, sg_str(allowed[i]))) fuzz_put(allowed[i], text);
    }
}

/* --- reading ----------------------------------------------------------------------------------------------------- */

/* A line ends in LF, CR or both. */
static size_t lines_of(struct sg_str text) {
    size_t lines = 1;
    for (size_t i = 0; i < text.n; i++) {
        bool pair = text.p[i] == '\r' && i + 1 < text.n && text.p[i + 1] == '\n';
        lines += (text.p[i] == '\n' || text.p[i] == '\r') && !pair;
    }
    return lines;
}

/* The place may be the end of the file. */
static void check_mark(const struct sg_diags *d, const struct sg_diag *i) {
    SG_ASSERT(i->text.n && i->mark.file <= d->n_files);
    if (i->mark.file == 0 || i->mark.line == 0) return;
    SG_ASSERT(i->mark.line <= lines_of(d->files[i->mark.file - 1].text) + 1 && i->mark.column >= 1);
}

static void check_reports(const struct sg_diags *d, struct sg_buf *out) {
    struct sg_buf json = SG_BUF_INIT(SIZE_MAX);
    struct sg_arena a;
    struct sg_json v;
    size_t bad;
    for (size_t i = 0; i < d->n; i++) check_mark(d, &d->items[i]);
    sg_diags_print(d, out, false);
    sg_diags_json(d, &json);
    sg_arena_init(&a, 0);
    SG_ASSERT(sg_utf8_valid(sg_buf_view(out), &bad));
    SG_ASSERT(sg_json_parse(&a, sg_buf_view(&json), &v, NULL, NULL) == 0);
    SG_ASSERT(!out->n || !memmem(out->p, out->n, SECRET, sizeof SECRET - 1));
    SG_ASSERT(!memmem(json.p, json.n, SECRET, sizeof SECRET - 1));
    sg_arena_fini(&a);
    sg_buf_fini(&json);
}

static void check_plan(struct sg_arena *a, const struct sg_task_spec *t, struct sg_diags *d) {
    struct sg_buf text = SG_BUF_INIT(SIZE_MAX), json = SG_BUF_INIT(SIZE_MAX);
    struct sg_plan *p;
    struct sg_json v;
    int rc = sg_plan_build(a, t, d, &p);
    SG_ASSERT((rc == 0) == (d->errors == 0));
    if (rc == 0) {
        sg_plan_print(p, &text);
        sg_plan_json(p, &json);
        SG_ASSERT(text.n && sg_json_parse(a, sg_buf_view(&json), &v, NULL, NULL) == 0);
    }
    sg_buf_fini(&text);
    sg_buf_fini(&json);
}

static void read_task(struct sg_buf *reports) {
    struct sg_config_options o = {.task = SG_STR("task"), .exe_dir = "/exe"};
    struct sg_task_spec t = {0};
    struct sg_diags d;
    struct sg_arena a;
    sg_arena_init(&a, 0);
    sg_diags_init(&d);
    int rc = sg_config_load(&a, &o, &d, &t);
    SG_ASSERT((rc == 0) == (d.errors == 0));
    if (rc == 0) check_plan(&a, &t, &d);
    check_reports(&d, reports);
    sg_diags_fini(&d);
    sg_arena_fini(&a);
}

/* The copy that is shown: same bytes but for stars, so that columns and lines stay. */
static void check_blot(struct sg_str text) {
    struct sg_arena a;
    sg_arena_init(&a, 0);
    struct sg_str shown = sg_config_blot(&a, text);
    size_t lines = 0, shown_lines = 0;
    for (size_t i = 0; i < text.n; i++) lines += text.p[i] == '\n';
    for (size_t i = 0; i < shown.n; i++) shown_lines += shown.p[i] == '\n';
    SG_ASSERT(lines == shown_lines && shown.n <= text.n);
    sg_arena_fini(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sg_buf first = SG_BUF_INIT(SIZE_MAX), again = SG_BUF_INIT(SIZE_MAX);
    put_folder(fuzz_text(data, size));
    read_task(&first);
    read_task(&again);
    SG_ASSERT(sg_str_eq(sg_buf_view(&first), sg_buf_view(&again)));
    check_blot(fuzz_text(data, size));
    sg_buf_fini(&first);
    sg_buf_fini(&again);
    fuzz_disk_clear();
    return 0;
}
