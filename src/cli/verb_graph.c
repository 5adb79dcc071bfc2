/* SPDX-License-Identifier: Apache-2.0 */
/* sygra graph: the plan of a task, subgraphs inlined, to read or to look at. */
#include "cli/cli.h"

enum { TASK, MODELS, FORMAT, JSON };

static const struct sg_option options[] = {
    [TASK] = {"task", "t", SG_OPTION_TEXT, "TASK", "the task, instead of the word after `graph`"},
    [MODELS] = {"models", NULL, SG_OPTION_TEXT, "FILE", "a models.yaml that comes before all others"},
    [FORMAT] = {"format", "f", SG_OPTION_TEXT, "FORMAT", "text, json, dot, mermaid or svg; config: the task's file, or any YAML file, as JSON (text)",
                "text json dot mermaid svg config"},
    [JSON] = {"json", NULL, SG_OPTION_FLAG, NULL, "the same as --format json"},
    {0},
};

static int write_as(const struct sg_task *t, struct sg_str format, struct sg_buf *b, struct sg_err *err) {
    if (sg_str_eq(format, SG_STR("dot"))) sg_plan_dot(t->plan, t->spec.name, b);
    else if (sg_str_eq(format, SG_STR("mermaid"))) sg_plan_mermaid(t->plan, t->spec.name, b);
    else if (sg_str_eq(format, SG_STR("json"))) sg_plan_json(t->plan, b), sg_buf_ch(b, '\n');
    else if (sg_str_eq(format, SG_STR("svg"))) return sg_plan_svg(t->plan, t->spec.name, b, err);
    else sg_plan_print(t->plan, b);
    return 0;
}

static int print_plan(const struct sg_task *t, struct sg_str format) {
    struct sg_buf b = SG_BUF_INIT(0);
    struct sg_err err = {0};
    int rc = write_as(t, format, &b, &err);
    if (rc != 0) fprintf(stderr, "sygra graph: %s\n", err.text);
    else sg_print_redacted(sg_buf_view(&b));
    sg_buf_fini(&b);
    return rc;
}

/* Of the file alone: what it says need not make sense. */
static int print_config(const char *path) {
    struct sg_task t = {0};
    struct sg_json v;
    struct sg_buf b = SG_BUF_INIT(0);
    sg_arena_init(&t.arena, 0);
    sg_diags_init(&t.diags);
    int rc = sg_config_file_json(&t.arena, &t.diags, sg_str(path), &v);
    if (t.diags.n) sg_task_report(&t, false);
    if (rc == 0) {
        sg_json_write(&b, &v);
        sg_buf_ch(&b, '\n');
        fwrite(b.p, 1, b.n, stdout);
    }
    sg_buf_fini(&b);
    sg_task_fini(&t);
    return rc == 0 ? SG_EXIT_OK : SG_EXIT_ERROR;
}

static int run(const struct sg_args *a) {
    const char *task = sg_task_word(a, sg_arg_text(a, TASK, NULL), "graph");
    const char *format = a->values[JSON] ? "json" : sg_arg_text(a, FORMAT, "text");
    if (!task) return SG_EXIT_USAGE;
    if (strcmp(format, "config") == 0) return print_config(task);
    struct sg_config_options o = {
        .task = sg_str(task), .models_file = sg_str(sg_arg_text(a, MODELS, "")), .exe_dir = sg_exe_dir(), .closures = true};
    struct sg_task t;
    int rc = sg_task_load(&t, &o, NULL, NULL);
    if (t.diags.n) sg_task_report(&t, false);
    if (rc == 0) rc = print_plan(&t, sg_str(format));
    sg_task_fini(&t);
    return rc == 0 ? SG_EXIT_OK : SG_EXIT_ERROR;
}

const struct sg_verb sg_verb_graph = {
    .name = "graph",
    .words = "TASK [options]",
    .summary = "the plan of a task, as text or as a picture",
    .details = "Subgraphs are inlined. dot is for Graphviz, mermaid for Markdown pages that draw it, svg is drawn by sygra\n"
               "itself: `sygra graph TASK --format svg >task.svg`.\n",
    .options = options,
    .run = run,
};
