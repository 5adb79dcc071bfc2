/* SPDX-License-Identifier: Apache-2.0 */
/* sygra resume: a killed, stopped or aborted run goes on. sygra retry: its failed records are run again, too. */
#include "cli/cli.h"

enum { NUM_RECORDS, BATCH_SIZE, PRICES, JSON, DEBUG };

static const struct sg_option options[] = {
    [NUM_RECORDS] = {"num_records", "n", SG_OPTION_NUMBER, "N",
                     "records in all; more than before, 0 takes all (as before)"},
    [BATCH_SIZE] = {"batch_size", "b", SG_OPTION_NUMBER, "N", "records in flight at a time (as before)"},
    [PRICES] = {"prices", NULL, SG_OPTION_TEXT, "FILE", "what models cost (as before)"},
    [JSON] = {"json", NULL, SG_OPTION_FLAG, NULL, "events and summary as JSON lines on stdout, no panel"},
    [DEBUG] = {"debug", "d", SG_OPTION_BOOL, "BOOL", "log more (False)"},
    {0},
};

static int go_on(const struct sg_args *a, bool retry) {
    if (a->n_words > 1) {
        fprintf(stderr, "sygra: one run at a time; \"%s\" is too much\n", a->words[1]);
        return SG_EXIT_USAGE;
    }
    struct sg_resume_options o = {
        .word = sg_str(a->n_words ? a->words[0] : ""),
        .exe = sg_exe_path(),
        .exe_dir = sg_exe_dir(),
        .has_count = a->values[NUM_RECORDS] != NULL,
        .count = sg_arg_number(a, NUM_RECORDS, 0),
        .in_flight = (uint32_t)sg_arg_number(a, BATCH_SIZE, 0),
        .retry = retry,
        .json = sg_arg_bool(a, JSON, false),
        .debug = sg_arg_bool(a, DEBUG, false),
        .prices_file = sg_str(sg_arg_text(a, PRICES, "")),
    };
    return sg_run_resume(&o);
}

static int resume(const struct sg_args *a) {
    return go_on(a, false);
}

static int retry(const struct sg_args *a) {
    return go_on(a, true);
}

const struct sg_verb sg_verb_resume = {
    .name = "resume",
    .words = "[RUN] [options]",
    .summary = "go on with a run that was killed or stopped",
    .details =
        "RUN is a run's folder (out/output.run), its output (out/output), or a task, which means its newest run.\n"
        "Without it the newest unfinished run below the working directory is meant. Finished records are not run\n"
        "again; records that were half done start again. A task that has changed since is refused.\n",
    .options = options,
    .run = resume,
};

const struct sg_verb sg_verb_retry = {
    .name = "retry",
    .words = "[RUN] [options]",
    .summary = "run the failed records of a run again",
    .details = "RUN is named as for `sygra resume`. The records that failed are run again, and those that are ok now "
               "stand in\n"
               "the output where they belong; an unfinished run goes on as well. The old output stays until the new "
               "one is whole.\n",
    .options = options,
    .run = retry,
};
