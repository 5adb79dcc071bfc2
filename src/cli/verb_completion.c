/* SPDX-License-Identifier: Apache-2.0 */
/* sygra completion: scripts that teach a shell our verbs and options. */
#include "cli/cli.h"

static const struct sg_option options[] = {{0}};

static int run(const struct sg_args *a) {
    struct sg_buf b = SG_BUF_INIT(0);
    bool known = a->n_words == 1 && sg_completion(&b, a->words[0]);
    if (known) fwrite(b.p, 1, b.n, stdout);
    else fprintf(stderr, "sygra completion: which shell? `sygra completion bash`, zsh or fish\n");
    sg_buf_fini(&b);
    return known ? SG_EXIT_OK : SG_EXIT_USAGE;
}

const struct sg_verb sg_verb_completion = {
    .name = "completion",
    .words = "bash|zsh|fish",
    .summary = "print a script that completes verbs, options and values",
    .details = "For bash in this terminal: source <(sygra completion bash). The script's first lines say where it is kept.\n",
    .options = options,
    .run = run,
};
