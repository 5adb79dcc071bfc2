/* SPDX-License-Identifier: Apache-2.0 */
/* sygra export: a run's records as a file of another form, whatever state the run is in. */
#include "cli/cli.h"
#include "look/look.h"

#include <signal.h>

enum { TO, FAILED, INVALID, DROPPED, JSON };

static const struct sg_option options[] = {
    [TO] = {"to", NULL, SG_OPTION_TEXT, "FILE", "what to write; its suffix is .jsonl, .json, .csv or .parquet"},
    [FAILED] = {"failed", NULL, SG_OPTION_FLAG, NULL, "the records that failed, instead of those that are ok"},
    [INVALID] = {"invalid", NULL, SG_OPTION_FLAG, NULL, "those that broke a rule"},
    [DROPPED] = {"dropped", NULL, SG_OPTION_FLAG, NULL, "those that were dropped on purpose"},
    [JSON] = {"json", NULL, SG_OPTION_FLAG, NULL, "say what was done as one JSON object"},
    {0},
};

static volatile int interrupted;

static void on_interrupt(int signal) {
    (void)signal;
    interrupted = 1;
}

static void print_json(const struct sg_look *k, const struct sg_export *x) {
    struct sg_buf b = SG_BUF_INIT(SIZE_MAX);
    SG_BUF_LIT(&b, "{\"file\":");
    sg_json_write_text(&b, sg_str(x->to));
    sg_buf_printf(&b, ",\"records\":%llu,\"state\":\"%s\",\"position\":%llu,\"json_columns\":",
                  (unsigned long long)x->records, sg_look_state(k), (unsigned long long)x->position);
    sg_json_write_text(&b, sg_buf_view(&x->texts));
    SG_BUF_LIT(&b, "}\n");
    fwrite(b.p, 1, b.n, stdout);
    sg_buf_fini(&b);
}

static void print_text(const struct sg_look *k, const struct sg_export *x) {
    const struct sg_look_facts *f = sg_look_facts(k);
    const char *state = sg_look_state(k);
    printf("%s: %llu %s record%s\n", x->to, (unsigned long long)x->records, sg_look_outcome_name((int)x->outcome).p,
           x->records == 1 ? "" : "s");
    if (strcmp(state, "finished") != 0)
        printf("the run is %s: these are of its first %llu records, those behind have not all ended\n", state,
               (unsigned long long)(x->position - f->id.first));
    if (x->texts.n) printf("as JSON texts, since a column has one type: %.*s\n", (int)x->texts.n, x->texts.p);
}

static int export_to(struct sg_look *k, const struct sg_args *a) {
    struct sg_export x = {.to = a->values[TO],
                          .outcome = a->values[FAILED]    ? SG_RECORD_FAILED
                                     : a->values[INVALID] ? SG_RECORD_INVALID
                                     : a->values[DROPPED] ? SG_RECORD_DROPPED
                                                          : SG_RECORD_OK,
                          .exe_dir = sg_exe_dir(),
                          .stop = &interrupted};
    struct sg_err err = {0};
    signal(SIGINT, on_interrupt);
    int rc = sg_look_export(k, &x, &err);
    signal(SIGINT, SIG_DFL);
    if (rc != 0) fprintf(stderr, "sygra export: %s\n", err.text);
    else if (a->values[JSON]) print_json(k, &x);
    else print_text(k, &x);
    sg_buf_fini(&x.texts);
    return rc == 0               ? SG_EXIT_OK
           : rc == SG_E_USAGE    ? SG_EXIT_USAGE
           : rc == SG_E_CANCELED ? SG_EXIT_INTERRUPTED
                                 : SG_EXIT_ERROR;
}

static int run(const struct sg_args *a) {
    struct sg_arena arena;
    struct sg_err err = {0};
    struct sg_str folder;
    struct sg_look *k = NULL;
    if (!a->values[TO]) {
        fprintf(stderr, "sygra export: where to? Give --to FILE.jsonl, .json, .csv or .parquet\n");
        return SG_EXIT_USAGE;
    }
    sg_arena_init(&arena, 0);
    int status = SG_EXIT_ERROR, rc = sg_run_find(&arena, sg_str(a->n_words ? a->words[0] : ""), false, &folder, &err);
    if (rc == 0) rc = sg_look_open(folder.p, &k, &err);
    if (rc == 0) status = export_to(k, a);
    else fprintf(stderr, "sygra export: %s\n", err.text);
    sg_look_close(k);
    sg_arena_fini(&arena);
    return status;
}

const struct sg_verb sg_verb_export = {
    .name = "export",
    .words = "[RUN] --to FILE [options]",
    .summary = "write a run's records as JSON, CSV or Parquet, at any time",
    .details = "Of a run that lives, or died, those records are written that have ended before the first that has "
               "not. The file\n"
               "is there whole or not at all. In tables, numbers, booleans and texts are columns of their types; "
               "lists, objects,\n"
               "long numbers and mixtures are JSON texts.\n",
    .options = options,
    .run = run,
};
