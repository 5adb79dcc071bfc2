/* SPDX-License-Identifier: Apache-2.0 */
/* cli: one file a verb, each with one const entry. An entry's option table makes the parser and --help; completions and man
 * pages come from the same tables.
 *
 * Long options are spelled as in the reference (--num_records); a hyphen is the same as the underscore. Values follow as the
 * next argument or after `=`. */
#ifndef SG_CLI_CLI_H
#define SG_CLI_CLI_H

#include "run/run.h"

#include <stdio.h>

enum sg_option_kind {
    SG_OPTION_FLAG, /* no value */
    SG_OPTION_TEXT,
    SG_OPTION_NUMBER, /* whole, not negative */
    SG_OPTION_REAL,
    SG_OPTION_BOOL,     /* True, False, 1, 0, true, false, None */
    SG_OPTION_ACCEPTED, /* takes a value, without effect */
    SG_OPTION_NOT_YET,  /* refused, unless the value switches it off */
};

struct sg_option {
    const char *name;  /* without dashes */
    const char *brief; /* "n", "si", or NULL */
    enum sg_option_kind kind;
    const char *value; /* how help names it, NULL for flags */
    const char *help;
    const char *choices; /* words that the value must be one of, separated by blanks; NULL: anything of its kind */
};

#define SG_MAX_OPTIONS 48
#define SG_MAX_WORDS 8

struct sg_args {
    const struct sg_option *options;    /* ends in a NULL name */
    const char *values[SG_MAX_OPTIONS]; /* by number of option; NULL: not given */
    const char *const *given;           /* as they came; NULL behind them */
    const char *words[SG_MAX_WORDS];    /* the rest */
    size_t n_words;
};

struct sg_verb {
    const char *name, *words, *summary; /* run, TASK, one line */
    const char *details;                /* paragraphs for --help, or NULL */
    const struct sg_option *options;
    int (*run)(const struct sg_args *args);
};

extern const struct sg_verb sg_verb_run, sg_verb_resume, sg_verb_retry, sg_verb_replay, sg_verb_status, sg_verb_report, sg_verb_records,
    sg_verb_sql, sg_verb_why, sg_verb_export, sg_verb_fsck, sg_verb_check, sg_verb_graph, sg_verb_preview, sg_verb_models,
    sg_verb_completion, sg_verb_man, sg_verb_mock;

/* All of them, in the order of `sygra --help`. */
extern const struct sg_verb *const sg_verbs[];
extern const size_t sg_n_verbs;

/* Reports what is wrong on stderr and returns false. */
bool sg_args_parse(struct sg_args *args, const struct sg_verb *verb, int argc, char **argv);
/* The values, checked while parsing; `fallback` when not given. */
const char *sg_arg_text(const struct sg_args *a, size_t option, const char *fallback);
uint64_t sg_arg_number(const struct sg_args *a, size_t option, uint64_t fallback);
double sg_arg_real(const struct sg_args *a, size_t option, double fallback);
bool sg_arg_bool(const struct sg_args *a, size_t option, bool fallback);

/* Rows of an option table from number `first` on, for verbs that start hook hosts: hosts.c reads them. */
#define SG_HOST_OPTIONS(first)                                                                                          \
    [(first)] = {"python", NULL, SG_OPTION_TEXT, "FILE",                                                                \
                 "interpreter of Python hooks (the active virtual environment's, else python3)"},                       \
    [(first) + 1] = {"hosts", NULL, SG_OPTION_NUMBER, "N",                                                              \
                     "processes that run hooks of one language, at most (as many as cores, at most 8)"},                \
    [(first) + 2] = {"hook_timeout", NULL, SG_OPTION_REAL, "S", "seconds that one call of a Python hook may take (300)"}, \
    [(first) + 3] = {"host_memory", NULL, SG_OPTION_NUMBER, "MB",                                                       \
                     "a host that has grown to so many MB is replaced; at twice that it is killed (2048)"},             \
    [(first) + 4] = {"host_env", NULL, SG_OPTION_TEXT, "NAMES",                                                         \
                     "variables, parted by commas, that hooks see although they look like secrets"},                    \
    [(first) + 5] = {"trust_run", NULL, SG_OPTION_FLAG, NULL,                                                           \
                     "open Python objects that a run folder holds although this machine has not signed them"},          \
    [(first) + 6] = {"attach", NULL, SG_OPTION_NUMBER, "FD", "descriptor of the process that serves closures (library)"}
#define SG_N_HOST_OPTIONS 7
/* What was given of them; reports what is wrong. `max_hosts` may be NULL: the verb has its own number. */
bool sg_host_options(const struct sg_args *a, size_t first, const char *verb, struct sg_run_hosts *out,
                     uint32_t *max_hosts);

/* On a terminal, unless NO_COLOR is set (no-color.org) or the terminal has none. */
bool sg_wants_colour(void);
/* What may hold secrets, to stdout. */
void sg_print_redacted(struct sg_str text);

void sg_print_help(const struct sg_verb *verb, FILE *to);

/* The same tables in other clothes (completion.c, man.c). False: there is no such shell. verb NULL: the program's page. */
bool sg_completion(struct sg_buf *out, const char *shell);
void sg_man_page(struct sg_buf *out, const struct sg_verb *verb);

/* Where this program lies, and its folder. */
const char *sg_exe_path(void);
const char *sg_exe_dir(void);
/* The task of a verb: --task or the first word; NULL after a report. */
const char *sg_task_word(const struct sg_args *a, const char *option_value, const char *verb);

#endif
