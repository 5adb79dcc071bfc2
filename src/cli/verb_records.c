/* SPDX-License-Identifier: Apache-2.0 */
/* sygra records: the records of a run that failed, with node, error and attempts. They stand in the side file beside the
 * output, in order; what ended after the last gap is there once the records before it have ended. */
#include "cli/cli.h"

#include <fcntl.h>

enum { FAILED, INVALID, DROPPED, JSON };

static const struct sg_option options[] = {
    [FAILED] = {"failed", NULL, SG_OPTION_FLAG, NULL, "records that failed (the default)"},
    [INVALID] = {"invalid", NULL, SG_OPTION_FLAG, NULL, "records that broke a rule"},
    [DROPPED] = {"dropped", NULL, SG_OPTION_FLAG, NULL, "records that were dropped on purpose"},
    [JSON] = {"json", NULL, SG_OPTION_FLAG, NULL, "the JSON lines as they are"},
    {0},
};

static struct sg_str text_of(struct sg_arena *a, const struct sg_json *line, const char *key) {
    const struct sg_json *v = sg_json_get(line, sg_str(key));
    if (!v) return SG_STR("-");
    return v->type == SG_JSON_STRING ? sg_json_text(v) : sg_json_dump(a, v);
}

static void print_line(struct sg_arena *a, struct sg_str text) {
    struct sg_json line;
    if (sg_json_parse(a, text, &line, NULL, NULL) != 0) return; /* the tail of a file that is being written */
    struct sg_str position = text_of(a, &line, "position"), id = text_of(a, &line, "id"),
                  node = text_of(a, &line, "node"), error = text_of(a, &line, "error"),
                  attempts = text_of(a, &line, "attempts"), message = text_of(a, &line, "message");
    printf("%8.*s  %-16.*s  %-16.*s  %-9.*s  %4.*s  %.*s\n", SG_ARG(position), SG_ARG(id), SG_ARG(node),
           SG_ARG(error), SG_ARG(attempts), SG_ARG(message));
}

static void print_file(struct sg_str text, bool json) {
    struct sg_arena a;
    sg_arena_init(&a, 0);
    if (!json) printf("%8s  %-16s  %-16s  %-9s  %4s  %s\n", "position", "id", "node", "error", "try", "message");
    for (size_t at = 0; at < text.n;) {
        size_t end = sg_str_find(text, '\n', at);
        struct sg_str line = {text.p + at, end - at};
        if (json) printf("%.*s\n", SG_ARG(line));
        else print_line(&a, line);
        sg_arena_reset(&a);
        at = end + 1;
    }
    sg_arena_fini(&a);
}

static int run(const struct sg_args *a) {
    const char *kind = a->values[INVALID] ? "invalid" : a->values[DROPPED] ? "dropped" : "failed";
    struct sg_arena arena;
    struct sg_err err = {0};
    struct sg_str folder, text;
    sg_arena_init(&arena, 0);
    int rc = sg_run_find(&arena, sg_str(a->n_words ? a->words[0] : ""), false, &folder, &err);
    if (rc == 0) {
        struct sg_str path = sg_str_printf(&arena, "%.*s_%s.jsonl", (int)folder.n - 4, folder.p, kind);
        bool json = a->values[JSON] != NULL;
        if (!sg_os_exists(path.p)) {
            if (!json) printf("no record of this run %s%s\n", kind[0] == 'f' ? "" : "was ", kind);
        } else if ((rc = sg_os_read_file(&arena, path.p, (size_t)1 << 32, &text, &err)) == 0) {
            print_file(text, json);
        }
    }
    if (rc != 0) fprintf(stderr, "sygra records: %s\n", err.text);
    sg_arena_fini(&arena);
    return rc == 0 ? SG_EXIT_OK : SG_EXIT_ERROR;
}

const struct sg_verb sg_verb_records = {
    .name = "records",
    .words = "[RUN] [options]",
    .summary = "the records of a run that failed, and why",
    .options = options,
    .run = run,
};
