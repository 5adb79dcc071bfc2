/* SPDX-License-Identifier: Apache-2.0 */
/* sygra why: what made a value of an output. */
#include "cli/cli.h"

enum { JSON };

static const struct sg_option options[] = {
    [JSON] = {"json", NULL, SG_OPTION_FLAG, NULL, "one JSON object"},
    {0},
};

static int run(const struct sg_args *a) {
    if (a->n_words != 1) {
        fprintf(stderr,
                "sygra why: which value? FILE:ROW or FILE:ROW.field, e.g. `sygra why out/output.json:1.answer`\n");
        return SG_EXIT_USAGE;
    }
    return sg_run_why(&(struct sg_why_options){
        .word = sg_str(a->words[0]), .exe = sg_exe_path(), .exe_dir = sg_exe_dir(), .json = a->values[JSON] != NULL});
}

const struct sg_verb sg_verb_why = {
    .name = "why",
    .words = "FILE:ROW[.FIELD] [options]",
    .summary = "which nodes, calls and prompts made a value of an output",
    .details =
        "FILE is an output or a side file of a run (its .part, too), ROW counts records from 1, in arrays and JSON "
        "Lines\n"
        "alike. The record is made again from its row and the replies that the run has kept; nothing is sent. A "
        "prompt is\n"
        "\"as sent\" when the hash of its request is the one that the run has stored. Without FIELD all fields are\n"
        "explained. A run with --keep outputs has no replies: the chain ends at the first call.\n",
    .options = options,
    .run = run,
};
