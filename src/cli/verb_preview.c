/* SPDX-License-Identifier: Apache-2.0 */
/* sygra preview: a few records, step by step. */
#include "cli/cli.h"

#include <stdlib.h>
#include <unistd.h>

enum { TASK, NUM_RECORDS, START_INDEX, MODELS, SEED, FULL, JSON, HOSTS };

static const struct sg_option options[] = {
    [TASK] = {"task", "t", SG_OPTION_TEXT, "TASK", "the task, instead of the word after `preview`"},
    [NUM_RECORDS] = {"num_records", "n", SG_OPTION_NUMBER, "N", "records to show (3)"},
    [START_INDEX] = {"start_index", "si", SG_OPTION_NUMBER, "N", "records to skip in front (0)"},
    [MODELS] = {"models", NULL, SG_OPTION_TEXT, "FILE", "a models.yaml that comes before all others"},
    [SEED] = {"seed", NULL, SG_OPTION_NUMBER, "N", "seed of all draws"},
    [FULL] = {"full", NULL, SG_OPTION_FLAG, NULL, "do not cut long values"},
    [JSON] = {"json", NULL, SG_OPTION_FLAG, NULL, "one JSON line for each thing that happens, values whole"},
    SG_HOST_OPTIONS(HOSTS),
    {0},
};

static int run(const struct sg_args *a) {
    const char *task = sg_task_word(a, sg_arg_text(a, TASK, NULL), "preview");
    if (!task) return SG_EXIT_USAGE;
    uint64_t records = sg_arg_number(a, NUM_RECORDS, 3);
    if (records == 0) {
        fprintf(stderr, "sygra preview: --num_records must be 1 or more; `sygra run` runs all\n");
        return SG_EXIT_USAGE;
    }
    struct sg_run_hosts hosts;
    if (!sg_host_options(a, HOSTS, "preview", &hosts, NULL)) return SG_EXIT_USAGE;
    struct sg_preview_options o = {
        .hosts = hosts,
        .config = {.task = sg_str(task), .models_file = sg_str(sg_arg_text(a, MODELS, "")), .exe_dir = sg_exe_dir()},
        .exe = sg_exe_path(),
        .num_records = records,
        .start_index = sg_arg_number(a, START_INDEX, 0),
        .has_seed = a->values[SEED] != NULL,
        .seed = sg_arg_number(a, SEED, 0),
        .json = a->values[JSON] != NULL,
        .full = a->values[FULL] != NULL,
        .colour = sg_wants_colour(),
    };
    return sg_run_preview(&o);
}

const struct sg_verb sg_verb_preview = {
    .name = "preview",
    .words = "TASK [options]",
    .summary = "run a few records and show every step; nothing is written",
    .details = "For each record: what every node changes in the state, its requests and replies, where conditions lead,\n"
               "and the output. Calls are real. Exit status: as for `sygra run`.\n",
    .options = options,
    .run = run,
};
