/* SPDX-License-Identifier: Apache-2.0 */
/* sygra man: man pages, made from the tables that --help is made from. */
#include "cli/cli.h"

#include <errno.h>

enum { OUTPUT_DIR };

static const struct sg_option options[] = {
    [OUTPUT_DIR] = {"output_dir", "od", SG_OPTION_TEXT, "DIR", "write all pages into this folder, made if missing"},
    {0},
};

static bool write_page(const char *dir, const struct sg_verb *v) {
    struct sg_buf page = SG_BUF_INIT(0), path = SG_BUF_INIT(0);
    sg_buf_printf(&path, "%s/sygra%s%s.1", dir, v ? "-" : "", v ? v->name : "");
    sg_buf_ch(&path, 0);
    sg_man_page(&page, v);
    FILE *f = fopen(path.p, "w");
    bool fine = f && fwrite(page.p, 1, page.n, f) == page.n;
    if (f) fine &= fclose(f) == 0;
    if (!fine) fprintf(stderr, "sygra man: %s: %s\n", path.p, strerror(errno));
    sg_buf_fini(&page);
    sg_buf_fini(&path);
    return fine;
}

static int write_all(const char *dir) {
    int rc = sg_os_mkdirs(dir);
    if (rc < 0) return fprintf(stderr, "sygra man: %s: %s\n", dir, strerror(-rc)), SG_EXIT_ERROR;
    bool fine = write_page(dir, NULL);
    for (size_t i = 0; fine && i < sg_n_verbs; i++) fine = write_page(dir, sg_verbs[i]);
    return fine ? SG_EXIT_OK : SG_EXIT_ERROR;
}

static int run(const struct sg_args *a) {
    const char *dir = sg_arg_text(a, OUTPUT_DIR, NULL), *word = a->n_words ? a->words[0] : NULL;
    const struct sg_verb *verb = NULL;
    if (dir) return write_all(dir);
    for (size_t i = 0; word && i < sg_n_verbs; i++)
        if (strcmp(sg_verbs[i]->name, word) == 0) verb = sg_verbs[i];
    if (word && !verb) {
        fprintf(stderr, "sygra man: there is no verb `%s`; `sygra --help` lists them\n", word);
        return SG_EXIT_USAGE;
    }
    struct sg_buf b = SG_BUF_INIT(0);
    sg_man_page(&b, verb);
    fwrite(b.p, 1, b.n, stdout);
    sg_buf_fini(&b);
    return SG_EXIT_OK;
}

const struct sg_verb sg_verb_man = {
    .name = "man",
    .words = "[VERB] [options]",
    .summary = "print a man page",
    .details = "To read one: sygra man run | man -l -. `make man` writes all of them into build/man.\n",
    .options = options,
    .run = run,
};
