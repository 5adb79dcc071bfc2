/* SPDX-License-Identifier: Apache-2.0 */
/* sygra resume: a killed, stopped or aborted run goes on. sygra retry: its failed and invalid records are run again, too. */
#include "cli/cli.h"

enum { NUM_RECORDS, BATCH_SIZE, PRICES, ACCEPT_CHANGES, JSON, DEBUG, HOSTS, FAILED = HOSTS + SG_N_HOST_OPTIONS, INVALID };

#define OPTIONS_OF_BOTH                                                                                              \
    [NUM_RECORDS] = {"num_records", "n", SG_OPTION_NUMBER, "N",                                                      \
                     "records in all; more than before, 0 takes all (as before)"},                                   \
    [BATCH_SIZE] = {"batch_size", "b", SG_OPTION_NUMBER, "N", "records in flight at a time (as before)"},            \
    [PRICES] = {"prices", NULL, SG_OPTION_TEXT, "FILE", "what models cost (as before)"},                                  \
    [ACCEPT_CHANGES] = {"accept_changes", NULL, SG_OPTION_FLAG, NULL,                                                \
                        "the task has changed: run again what that concerns"},                                       \
    [JSON] = {"json", NULL, SG_OPTION_FLAG, NULL, "events and summary as JSON lines on stdout, no panel"},           \
    [DEBUG] = {"debug", "d", SG_OPTION_BOOL, "BOOL", "log more (False)"},                                                      \
    SG_HOST_OPTIONS(HOSTS)

static const struct sg_option options[] = {OPTIONS_OF_BOTH, {0}};

static const struct sg_option retry_options[] = {
    OPTIONS_OF_BOTH,
    [FAILED] = {"failed", NULL, SG_OPTION_FLAG, NULL, "records that failed, only (those, and invalid ones)"},
    [INVALID] = {"invalid", NULL, SG_OPTION_FLAG, NULL, "records that broke a rule, only (those, and failed ones)"},
    {0},
};

static void choose(const struct sg_args *a, bool again[4]) {
    bool failed = a->values[FAILED] != NULL, invalid = a->values[INVALID] != NULL;
    again[SG_RECORD_FAILED] = failed || !invalid;
    again[SG_RECORD_INVALID] = invalid || !failed;
}

static int go_on(const struct sg_args *a, bool retry) {
    struct sg_run_hosts hosts;
    uint32_t max_hosts;
    if (a->n_words > 1) {
        fprintf(stderr, "sygra: one run at a time; \"%s\" is too much\n", a->words[1]);
        return SG_EXIT_USAGE;
    }
    if (!sg_host_options(a, HOSTS, retry ? "retry" : "resume", &hosts, &max_hosts)) return SG_EXIT_USAGE;
    struct sg_resume_options o = {
        .hosts = hosts,
        .max_hosts = max_hosts,
        .word = sg_str(a->n_words ? a->words[0] : ""),
        .exe = sg_exe_path(),
        .exe_dir = sg_exe_dir(),
        .has_count = a->values[NUM_RECORDS] != NULL,
        .count = sg_arg_number(a, NUM_RECORDS, 0),
        .in_flight = (uint32_t)sg_arg_number(a, BATCH_SIZE, 0),
        .accept_changes = a->values[ACCEPT_CHANGES] != NULL,
        .json = sg_arg_bool(a, JSON, false),
        .debug = sg_arg_bool(a, DEBUG, false),
        .prices_file = sg_str(sg_arg_text(a, PRICES, "")),
    };
    if (retry) choose(a, o.again);
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
        "again; records that were half done go on behind their last step. A task that has changed since is refused,\n"
        "with what that concerns, unless --accept-changes says that this is to be run again. Options of hook hosts that\n"
        "are not given are those of the run.\n",
    .options = options,
    .run = resume,
};

const struct sg_verb sg_verb_retry = {
    .name = "retry",
    .words = "[RUN] [options]",
    .summary = "run the failed and invalid records of a run again",
    .details = "RUN is named as for `sygra resume`. Its failed and invalid records are run again, all their calls asked anew;\n"
               "those that are ok now stand in the output where they belong. An unfinished run goes on as well. The old\n"
               "output stays until the new one is whole.\n",
    .options = retry_options,
    .run = retry,
};
