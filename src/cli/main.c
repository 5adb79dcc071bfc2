/* SPDX-License-Identifier: Apache-2.0 */
/* sygra VERB ... : finds the verb and hands over. */
#include "cli/cli.h"
#include "hooks/hooks.h"

#include <signal.h>

const struct sg_verb *const sg_verbs[] = {
    &sg_verb_run,   &sg_verb_resume,  &sg_verb_retry,  &sg_verb_replay,     &sg_verb_status,  &sg_verb_report,
    &sg_verb_records, &sg_verb_sql,   &sg_verb_why,     &sg_verb_export, &sg_verb_fsck,       &sg_verb_check,
    &sg_verb_graph, &sg_verb_preview, &sg_verb_models, &sg_verb_completion, &sg_verb_man,     &sg_verb_mock,
};
#define N_VERBS (sizeof sg_verbs / sizeof *sg_verbs)
const size_t sg_n_verbs = N_VERBS;

/* Verbs that the roadmap brings, so that a user who knows them is told. */
static const char *const later[] = {"merge", "tag", "dedup", "push", "submit", "studio", "convert", "select", "stats"};

static int print_usage(FILE *to, int status) {
    fprintf(to,
            "sygra " SYGRA_VERSION ": synthetic data from graphs of model calls\n\nusage: sygra VERB [options]\n\n");
    for (size_t i = 0; i < N_VERBS; i++) fprintf(to, "  %-10s %s\n", sg_verbs[i]->name, sg_verbs[i]->summary);
    fprintf(to, "\n`sygra VERB --help` tells more; `sygra run examples/evol_instruct` runs a first task.\n");
    return status;
}

static int refuse_verb(const char *word) {
    for (size_t i = 0; i < sizeof later / sizeof *later; i++)
        if (strcmp(later[i], word) == 0) {
            fprintf(stderr, "sygra: `%s` is not yet part of this version\n", word);
            return SG_EXIT_USAGE;
        }
    struct sg_str names[N_VERBS];
    for (size_t i = 0; i < N_VERBS; i++) names[i] = sg_str(sg_verbs[i]->name);
    struct sg_str near = sg_nearest(sg_str(word), names, N_VERBS);
    fprintf(stderr, "sygra: there is no verb `%s`", word);
    if (near.n) fprintf(stderr, "; did you mean `%.*s`?", SG_ARG(near));
    fprintf(stderr, "\n  `sygra --help` lists them\n");
    return SG_EXIT_USAGE;
}

static bool wants_help(int argc, char **argv) {
    for (int i = 0; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return true;
    return false;
}

int main(int argc, char **argv) {
    signal(SIGPIPE, SIG_IGN);
    if (argc < 2) return print_usage(stderr, SG_EXIT_USAGE);
    if (strcmp(argv[1], "--host") == 0 && argc == 3 && strcmp(argv[2], "jq") == 0) return sg_host_jq_main(3);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "help") == 0)
        return print_usage(stdout, SG_EXIT_OK);
    if (strcmp(argv[1], "--version") == 0) return printf("sygra " SYGRA_VERSION "\n"), SG_EXIT_OK;
    for (size_t i = 0; i < N_VERBS; i++) {
        if (strcmp(sg_verbs[i]->name, argv[1]) != 0) continue;
        if (wants_help(argc - 2, argv + 2)) return sg_print_help(sg_verbs[i], stdout), SG_EXIT_OK;
        struct sg_args args;
        return sg_args_parse(&args, sg_verbs[i], argc - 2, argv + 2) ? sg_verbs[i]->run(&args) : SG_EXIT_USAGE;
    }
    return refuse_verb(argv[1]);
}
