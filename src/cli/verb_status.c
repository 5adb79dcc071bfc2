/* SPDX-License-Identifier: Apache-2.0 */
/* sygra status: how far a run is, live or dead, from its folder alone. */
#include "cli/cli.h"

enum { JSON };

static const struct sg_option options[] = {
    [JSON] = {"json", NULL, SG_OPTION_FLAG, NULL, "one JSON object on stdout"},
    {0},
};

struct view {
    struct sg_arena arena;
    struct sg_str folder, state, holder_text;
    struct sg_run_identity id;
    struct sg_progress progress;
    int holder; /* process that holds the run; 0: none */
};

static int look(struct view *v, struct sg_str word, struct sg_err *err) {
    struct sg_rundb *db;
    int rc = sg_run_find(&v->arena, word, false, &v->folder, err);
    if (rc == 0) rc = sg_rundb_view(v->folder.p, &v->arena, &v->id, &db, err);
    if (rc != 0) return rc;
    v->state = sg_rundb_get(db, &v->arena, SG_STR("state"));
    rc = sg_rundb_progress(db, false, &v->progress);
    if (rc != 0 && err) *err = *sg_rundb_error(db);
    sg_rundb_close(db);
    v->holder = sg_run_lock_holder(v->folder.p, &v->arena, &v->holder_text);
    return rc;
}

/* What a person calls it: a run that says that it runs and that nobody holds, is dead. */
static const char *state_of(const struct view *v) {
    if (sg_str_eq(v->state, SG_STR("finished"))) return "finished";
    return v->holder ? "live" : "dead";
}

static void print_text(const struct view *v) {
    const struct sg_run_totals *t = &v->progress.totals;
    printf("run      %.*s\n", SG_ARG(v->folder));
    printf("task     %.*s\n", SG_ARG(v->id.task));
    if (v->holder) printf("state    live, process %d\n", v->holder);
    else
        printf("state    %s%s\n", state_of(v),
               strcmp(state_of(v), "dead") == 0 ? "; `sygra resume` goes on with it" : "");
    printf("records  %llu ok, %llu failed, %llu invalid, %llu dropped", (unsigned long long)t->outcomes[0],
           (unsigned long long)t->outcomes[1], (unsigned long long)t->outcomes[2],
           (unsigned long long)t->outcomes[3]);
    if (v->id.count) printf(", of at most %llu", (unsigned long long)v->id.count);
    printf("\noutput   %llu records in order, %llu bytes\n", (unsigned long long)(v->progress.position - v->id.first),
           (unsigned long long)v->progress.files[0].bytes);
    printf("calls    %llu answered, %llu failed, %llu tried again\ntokens   %llu in, %llu out\nseed     %llu\n",
           (unsigned long long)t->answered, (unsigned long long)t->failed, (unsigned long long)t->retried,
           (unsigned long long)t->prompt_tokens, (unsigned long long)t->completion_tokens,
           (unsigned long long)v->id.seed);
}

static void print_json(const struct view *v) {
    const struct sg_run_totals *t = &v->progress.totals;
    struct sg_buf b = SG_BUF_INIT(0);
    SG_BUF_LIT(&b, "{\"run\":");
    sg_json_write_string(&b, v->folder);
    SG_BUF_LIT(&b, ",\"task\":");
    sg_json_write_string(&b, v->id.task);
    sg_buf_printf(&b, ",\"state\":\"%s\",\"pid\":%d,\"ok\":%llu,\"failed\":%llu,\"invalid\":%llu,\"dropped\":%llu,",
                  state_of(v), v->holder, (unsigned long long)t->outcomes[0], (unsigned long long)t->outcomes[1],
                  (unsigned long long)t->outcomes[2], (unsigned long long)t->outcomes[3]);
    sg_buf_printf(&b, "\"count\":%llu,\"in_order\":%llu,\"calls\":%llu,\"calls_failed\":%llu,\"retries\":%llu,",
                  (unsigned long long)v->id.count, (unsigned long long)(v->progress.position - v->id.first),
                  (unsigned long long)t->answered, (unsigned long long)t->failed, (unsigned long long)t->retried);
    sg_buf_printf(&b, "\"prompt_tokens\":%llu,\"completion_tokens\":%llu,\"seed\":%llu}\n",
                  (unsigned long long)t->prompt_tokens, (unsigned long long)t->completion_tokens,
                  (unsigned long long)v->id.seed);
    fwrite(b.p, 1, b.n, stdout);
    sg_buf_fini(&b);
}

static int run(const struct sg_args *a) {
    struct view v = {0};
    struct sg_err err = {0};
    sg_arena_init(&v.arena, 0);
    int rc = look(&v, sg_str(a->n_words ? a->words[0] : ""), &err);
    if (rc != 0) fprintf(stderr, "sygra status: %s\n", err.text);
    else if (a->values[JSON]) print_json(&v);
    else print_text(&v);
    sg_arena_fini(&v.arena);
    return rc == 0 ? SG_EXIT_OK : SG_EXIT_ERROR;
}

const struct sg_verb sg_verb_status = {
    .name = "status",
    .words = "[RUN] [options]",
    .summary = "how far a run is, live or dead",
    .options = options,
    .run = run,
};
