/* SPDX-License-Identifier: Apache-2.0 */
/* sygra report: what a run did and what it cost, from its folder alone. */
#include "cli/cli.h"
#include "report/report.h"

enum { PRICES, HTML, JSON };

static const struct sg_option options[] = {
    [PRICES] = {"prices", NULL, SG_OPTION_TEXT, "FILE", "what models cost, in place of the prices that the run began with"},
    [HTML] = {"html", NULL, SG_OPTION_FLAG, NULL, "one self-contained page on stdout, with charts"},
    [JSON] = {"json", NULL, SG_OPTION_FLAG, NULL, "one JSON object on stdout"},
    {0},
};

/* Mistakes are printed. */
static bool take_prices(struct sg_report *r, const char *file) {
    struct sg_diags diags;
    struct sg_prices *prices;
    struct sg_buf b = SG_BUF_INIT(0);
    sg_diags_init(&diags);
    int rc = sg_prices_load(&r->arena, &diags, sg_str(file), &prices);
    sg_diags_print(&diags, &b, false);
    if (b.n) fwrite(b.p, 1, b.n, stderr);
    sg_buf_fini(&b);
    sg_diags_fini(&diags);
    for (size_t i = 0; rc == 0 && i < r->n_models; i++) {
        struct sg_report_model *m = &r->models[i];
        m->price = sg_prices_find(prices, m->alias, m->name, false, NULL);
    }
    return rc == 0;
}

static void print_report(const struct sg_report *r, const struct sg_args *a) {
    struct sg_buf b = SG_BUF_INIT(SIZE_MAX);
    if (a->values[HTML]) sg_report_page(r, &b);
    else if (a->values[JSON]) sg_report_json(r, &b);
    else sg_report_text(r, &b);
    fwrite(b.p, 1, b.n, stdout);
    fflush(stdout);
    sg_buf_fini(&b);
}

static int report(struct sg_str folder, const struct sg_args *a) {
    struct sg_report r;
    struct sg_err err = {0};
    const char *prices = sg_arg_text(a, PRICES, NULL);
    int status = SG_EXIT_ERROR;
    if (sg_report_open(&r, folder.p, &err) != 0) fprintf(stderr, "sygra report: %s\n", err.text);
    else if (!prices || take_prices(&r, prices)) {
        print_report(&r, a);
        status = SG_EXIT_OK;
    }
    sg_report_close(&r);
    return status;
}

static int run(const struct sg_args *a) {
    struct sg_arena arena;
    struct sg_err err = {0};
    struct sg_str folder;
    int status = SG_EXIT_ERROR;
    if (a->values[HTML] && a->values[JSON]) return fprintf(stderr, "sygra report: --html or --json, not both\n"), SG_EXIT_USAGE;
    sg_arena_init(&arena, 0);
    if (sg_run_find(&arena, sg_str(a->n_words ? a->words[0] : ""), false, &folder, &err) == 0) status = report(folder, a);
    else fprintf(stderr, "sygra report: %s\n", err.text);
    sg_arena_fini(&arena);
    return status;
}

const struct sg_verb sg_verb_report = {
    .name = "report",
    .words = "[RUN] [options]",
    .summary = "what a run did and what it cost: calls, latencies, tokens, outcomes, over time and by node",
    .details = "RUN is named as for `sygra resume`; it may be live, dead or finished. `--html > report.html` makes a page that\n"
               "needs no network.\n",
    .options = options,
    .run = run,
};
