/* SPDX-License-Identifier: Apache-2.0 */
/* sygra replay: a run once more from its recorded calls. */
#include "cli/cli.h"

enum { JSON, HOSTS };

static const struct sg_option options[] = {
    [JSON] = {"json", NULL, SG_OPTION_FLAG, NULL, "one JSON object on stdout"},
    SG_HOST_OPTIONS(HOSTS),
    {0},
};

static int run(const struct sg_args *a) {
    struct sg_run_hosts hosts;
    if (!sg_host_options(a, HOSTS, "replay", &hosts, NULL)) return SG_EXIT_USAGE;
    struct sg_replay_options o = {.hosts = hosts,
                                  .word = sg_str(a->n_words ? a->words[0] : ""),
                                  .exe = sg_exe_path(),
                                  .exe_dir = sg_exe_dir(),
                                  .json = a->values[JSON] != NULL};
    return sg_run_replay(&o);
}

const struct sg_verb sg_verb_replay = {
    .name = "replay",
    .words = "[RUN] [options]",
    .summary = "make a run once more from its recorded calls, and compare",
    .details = "RUN is named as for `sygra resume`. Its task is run over the same records, offline: every call is answered by what\n"
               "the run folder has kept, so no endpoint is contacted, no token is needed, and nothing is written. A request that\n"
               "was not recorded fails its record; with --keep all the difference is shown.\n"
               "Exit status: 0 the output is the same; 1 it cannot be replayed; 3 it differs.\n",
    .options = options,
    .run = run,
};
