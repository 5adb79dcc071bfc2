/* SPDX-License-Identifier: Apache-2.0 */
/* sygra fsck: whether a run folder is sound, and where not. */
#include "cli/cli.h"

static const struct sg_option options[] = {{0}};

static void on_finding(void *ud, struct sg_str finding) {
    (void)ud;
    printf("%.*s\n", SG_ARG(finding));
}

static int run(const struct sg_args *a) {
    struct sg_arena arena;
    struct sg_err err = {0};
    struct sg_str folder;
    sg_arena_init(&arena, 0);
    int rc = sg_run_find(&arena, sg_str(a->n_words ? a->words[0] : ""), false, &folder, &err);
    if (rc == 0) rc = sg_run_check(folder.p, on_finding, NULL, &err);
    if (rc < 0) fprintf(stderr, "sygra fsck: %s\n", err.text);
    else if (rc == 0) printf("%.*s: sound\n", SG_ARG(folder));
    sg_arena_fini(&arena);
    return rc == 0 ? SG_EXIT_OK : SG_EXIT_ERROR;
}

const struct sg_verb sg_verb_fsck = {
    .name = "fsck",
    .words = "[RUN]",
    .summary = "say whether a run folder is sound, and where not",
    .options = options,
    .run = run,
};
