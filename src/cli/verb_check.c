/* SPDX-License-Identifier: Apache-2.0 */
/* sygra check: every mistake of a task in one go; no call is made. */
#include "cli/cli.h"

enum { TASK, MODELS, BATCH_SIZE, HOOKS, ORIGINS, REFERENCE, JSON, HOSTS };

static const struct sg_option options[] = {
    [TASK] = {"task", "t", SG_OPTION_TEXT, "TASK", "the task, instead of the word after `check`"},
    [MODELS] = {"models", NULL, SG_OPTION_TEXT, "FILE", "a models.yaml that comes before all others"},
    [BATCH_SIZE] = {"batch_size", "b", SG_OPTION_NUMBER, "N",
                    "records in flight, for the check of this machine's limits (25)"},
    [HOOKS] = {"hooks", NULL, SG_OPTION_FLAG, NULL, "load the Python hooks, too, in their interpreter: their code runs"},
    [ORIGINS] = {"origins", NULL, SG_OPTION_FLAG, NULL, "say where each setting comes from"},
    [REFERENCE] = {"reference", NULL, SG_OPTION_FLAG, NULL, "print the reference of all keys (Markdown) instead"},
    [JSON] = {"json", NULL, SG_OPTION_FLAG, NULL, "mistakes as one JSON array on stdout"},
    SG_HOST_OPTIONS(HOSTS),
    {0},
};

static int print_reference(void) {
    struct sg_buf b = SG_BUF_INIT(0);
    sg_config_reference(&b);
    fwrite(b.p, 1, b.n, stdout);
    sg_buf_fini(&b);
    return SG_EXIT_OK;
}

static void say_fine(const struct sg_task *t, bool origins) {
    const struct sg_plan *p = t->plan;
    const struct sg_source_spec *source = t->spec.data.source;
    size_t programs = 0, python = t->spec.n_post + (source ? source->n_transforms : 0);
    for (size_t i = 0; i < p->n_hooks; i++)
        if (sg_plan_is_python(&p->hooks[i])) python++;
        else programs++;
    printf("%.*s: fine; nodes: %zu, models: %zu, jq programs: %zu", SG_ARG(t->spec.name), p->n_nodes, p->n_models, programs);
    if (python) printf(", Python hooks: %zu", python);
    putchar('\n');
    struct sg_buf b = SG_BUF_INIT(0);
    sg_task_hooks(t, &b);
    if (origins) sg_config_origins(&t->spec, &b);
    if (b.n) sg_print_redacted(sg_buf_view(&b));
    sg_buf_fini(&b);
}

static int run(const struct sg_args *a) {
    if (a->values[REFERENCE]) return print_reference();
    const char *task = sg_task_word(a, sg_arg_text(a, TASK, NULL), "check");
    if (!task) return SG_EXIT_USAGE;
    struct sg_config_options o = {
        .task = sg_str(task), .models_file = sg_str(sg_arg_text(a, MODELS, "")), .exe_dir = sg_exe_dir()};
    struct sg_run_hosts hosts;
    if (!sg_host_options(a, HOSTS, "check", &hosts, NULL)) return SG_EXIT_USAGE;
    struct sg_task t;
    bool json = a->values[JSON] != NULL;
    int rc = sg_task_load(&t, &o, sg_exe_path(), a->values[HOOKS] ? &hosts : NULL);
    sg_check_limits(&t.diags, (uint32_t)sg_arg_number(a, BATCH_SIZE, 25), t.plan);
    if (rc == 0 && t.diags.errors) rc = SG_E_LIMIT;
    if (json || t.diags.n) sg_task_report(&t, json);
    if (rc == 0 && !json) say_fine(&t, a->values[ORIGINS] != NULL);
    sg_task_fini(&t);
    return rc == 0 ? SG_EXIT_OK : SG_EXIT_ERROR;
}

const struct sg_verb sg_verb_check = {
    .name = "check",
    .words = "TASK [options]",
    .summary = "report every mistake of a task, with its place; nothing is called",
    .details = "Nobody's code is started: of Python hooks the file is named, no more. --hooks loads them as a run does, and tells\n"
               "all that cannot be loaded.\n",
    .options = options,
    .run = run,
};
