/* SPDX-License-Identifier: Apache-2.0 */
/* sygra graph: the plan of a task, subgraphs inlined. */
#include "cli/cli.h"

enum { TASK, MODELS, FORMAT, JSON };

static const struct sg_option options[] = {
    [TASK] = {"task", "t", SG_OPTION_TEXT, "TASK", "the task, instead of the word after `graph`"},
    [MODELS] = {"models", NULL, SG_OPTION_TEXT, "FILE", "a models.yaml that comes before all others"},
    [FORMAT] = {"format", "f", SG_OPTION_TEXT, "FORMAT", "text or json (text)"},
    [JSON] = {"json", NULL, SG_OPTION_FLAG, NULL, "the same as --format json"},
    {0},
};

static int run(const struct sg_args *a) {
    const char *task = sg_task_word(a, sg_arg_text(a, TASK, NULL), "graph");
    const char *format = a->values[JSON] ? "json" : sg_arg_text(a, FORMAT, "text");
    bool json = strcmp(format, "json") == 0;
    if (!task) return SG_EXIT_USAGE;
    if (!json && strcmp(format, "text") != 0) {
        fprintf(stderr, "sygra graph: --format is text or json, not \"%s\"\n", format);
        return SG_EXIT_USAGE;
    }
    struct sg_config_options o = {
        .task = sg_str(task), .models_file = sg_str(sg_arg_text(a, MODELS, "")), .exe_dir = sg_exe_dir()};
    struct sg_task t;
    int rc = sg_task_load(&t, &o, NULL);
    if (t.diags.n) sg_task_report(&t, false);
    if (rc == 0) {
        struct sg_buf b = SG_BUF_INIT(0);
        if (json) sg_plan_json(t.plan, &b), sg_buf_ch(&b, '\n');
        else sg_plan_print(t.plan, &b);
        struct sg_buf clean = SG_BUF_INIT(0);
        sg_redact(&clean, sg_buf_view(&b));
        fwrite(clean.p, 1, clean.n, stdout);
        sg_buf_fini(&clean);
        sg_buf_fini(&b);
    }
    sg_task_fini(&t);
    return rc == 0 ? SG_EXIT_OK : SG_EXIT_ERROR;
}

const struct sg_verb sg_verb_graph = {
    .name = "graph",
    .words = "TASK [options]",
    .summary = "print the plan of a task: nodes, edges, state",
    .options = options,
    .run = run,
};
