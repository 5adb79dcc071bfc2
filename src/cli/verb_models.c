/* SPDX-License-Identifier: Apache-2.0 */
/* sygra models: what a task calls, and whether it answers. */
#include "cli/cli.h"

enum { TASK, MODELS, NO_PING, GENERATE, JSON };

static const struct sg_option options[] = {
    [TASK] = {"task", "t", SG_OPTION_TEXT, "TASK", "the task, instead of the word after `models`"},
    [MODELS] = {"models", NULL, SG_OPTION_TEXT, "FILE", "a models.yaml that comes before all others"},
    [NO_PING] = {"no_ping", NULL, SG_OPTION_FLAG, NULL, "list them only"},
    [GENERATE] = {"generate", NULL, SG_OPTION_FLAG, NULL, "make one real call each, of a few tokens"},
    [JSON] = {"json", NULL, SG_OPTION_FLAG, NULL, "one JSON line for each model"},
    {0},
};

static int run(const struct sg_args *a) {
    const char *task = sg_task_word(a, sg_arg_text(a, TASK, NULL), "models");
    if (!task) return SG_EXIT_USAGE;
    struct sg_models_options o = {
        .config = {.task = sg_str(task), .models_file = sg_str(sg_arg_text(a, MODELS, "")), .exe_dir = sg_exe_dir()},
        .ping = !a->values[NO_PING],
        .generate = a->values[GENERATE] != NULL,
        .json = a->values[JSON] != NULL,
    };
    return sg_run_models(&o);
}

const struct sg_verb sg_verb_models = {
    .name = "models",
    .words = "TASK [options]",
    .summary = "the models a task uses, where they are, and whether they answer",
    .details = "A ping asks an endpoint for its list of models, which costs nothing; of an embedded model it reads the\n"
               "header of its file. Exit status: 0 all answer; 1 one does not, or the task has mistakes.\n",
    .options = options,
    .run = run,
};
