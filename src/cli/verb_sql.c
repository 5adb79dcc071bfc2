/* SPDX-License-Identifier: Apache-2.0 */
/* sygra sql: one SELECT over a run's rows and bodies. */
#include "cli/cli.h"
#include "cli/grid.h"
#include "look/look.h"

#include <signal.h>

enum { JSON, CSV };

static const struct sg_option options[] = {
    [JSON] = {"json", NULL, SG_OPTION_FLAG, NULL, "one JSON object a row"},
    [CSV] = {"csv", NULL, SG_OPTION_FLAG, NULL, "CSV with a line of names; null is nothing, an empty text \"\""},
    {0},
};

static volatile int interrupted;

static void on_interrupt(int signal) {
    (void)signal;
    interrupted = 1;
}

/* --- rows ------------------------------------------------------------------------------------------------------- */

static void put_json_cell(struct sg_buf *b, const struct sg_cell *c) {
    bool number = c->kind == SG_CELL_INTEGER || c->kind == SG_CELL_REAL;
    bool finite = number && c->text.n && (c->text.p[c->text.n - 1] >= '0' && c->text.p[c->text.n - 1] <= '9');
    if (finite) sg_buf_str(b, c->text);
    else if (c->kind == SG_CELL_NULL || number) SG_BUF_LIT(b, "null");
    else sg_json_write_text(b, c->text);
}

static void put_json(struct sg_buf *b, const struct sg_query *q) {
    struct sg_cell cell;
    for (size_t i = 0; i < sg_query_columns(q); i++) {
        sg_buf_ch(b, i ? ',' : '{');
        sg_json_write_text(b, sg_query_column(q, i));
        sg_buf_ch(b, ':');
        sg_query_cell(q, i, &cell);
        put_json_cell(b, &cell);
    }
    SG_BUF_LIT(b, "}\n");
}

static void put_csv(struct sg_buf *b, const struct sg_query *q) {
    struct sg_cell cell;
    for (size_t i = 0; i < sg_query_columns(q); i++) {
        if (i) sg_buf_ch(b, ',');
        sg_query_cell(q, i, &cell);
        if (cell.kind != SG_CELL_NULL) sg_csv_cell(b, cell.text);
    }
    sg_buf_ch(b, '\n');
}

static void put_names(struct sg_buf *b, const struct sg_query *q) {
    for (size_t i = 0; i < sg_query_columns(q); i++) {
        if (i) sg_buf_ch(b, ',');
        sg_csv_cell(b, sg_query_column(q, i));
    }
    sg_buf_ch(b, '\n');
}

static int print_lines(struct sg_query *q, bool json, struct sg_err *err) {
    struct sg_buf b = SG_BUF_INIT(SIZE_MAX);
    int rc = 1;
    if (!json) put_names(&b, q);
    while (rc == 1 && !ferror(stdout)) {
        rc = sg_query_next(q, err);
        if (rc == 1 && json) put_json(&b, q);
        else if (rc == 1) put_csv(&b, q);
        if (b.n) fwrite(b.p, 1, b.n, stdout);
        sg_buf_reset(&b, 1 << 20);
    }
    fflush(stdout);
    sg_buf_fini(&b);
    return rc;
}

/* A column of numbers is one whose value in the first row is a number. */
static void begin_grid(struct sg_grid *g, const struct sg_query *q, struct sg_arena *a, bool row) {
    size_t n = sg_query_columns(q);
    struct sg_str *names = SG_NEW_N(a, struct sg_str, n);
    struct sg_cell cell;
    for (size_t i = 0; i < n; i++) names[i] = sg_query_column(q, i);
    sg_grid_init(g, names, n, NULL);
    for (size_t i = 0; row && i < n; i++) {
        sg_query_cell(q, i, &cell);
        g->columns[i].right = cell.kind == SG_CELL_INTEGER || cell.kind == SG_CELL_REAL;
    }
}

static int print_grid(struct sg_query *q, struct sg_err *err) {
    struct sg_arena a;
    struct sg_grid g;
    struct sg_cell cell;
    sg_arena_init(&a, 0);
    size_t n = sg_query_columns(q);
    struct sg_str *cells = SG_NEW_N(&a, struct sg_str, n);
    int rc = sg_query_next(q, err);
    begin_grid(&g, q, &a, rc == 1);
    for (bool more = true; rc == 1 && more;) {
        for (size_t i = 0; i < n; i++) {
            sg_query_cell(q, i, &cell);
            cells[i] = cell.text; /* null is empty */
        }
        more = sg_grid_row(&g, cells);
        rc = sg_query_next(q, err);
    }
    sg_grid_fini(&g);
    sg_arena_fini(&a);
    return rc;
}

/* --- mistakes --------------------------------------------------------------------------------------------------- */

/* The line of the statement that holds the mistake, with a caret below it. */
static void show_place(struct sg_str sql, int offset) {
    if (offset < 0 || (size_t)offset > sql.n) return;
    size_t from = (size_t)offset, to = sg_str_find(sql, '\n', from);
    while (from > 0 && sql.p[from - 1] != '\n') from--;
    struct sg_buf line = SG_BUF_INIT(SIZE_MAX);
    sg_screen_text(&line, (struct sg_str){sql.p + from, to - from}, SIZE_MAX, true);
    fprintf(stderr, "  %.*s\n  %*s^\n", (int)line.n, line.p,
            (int)sg_screen_columns((struct sg_str){sql.p + from, (size_t)offset - from}), "");
    sg_buf_fini(&line);
}

static int show_mistake(struct sg_str sql, const struct sg_err *err, const struct sg_query_advice *advice) {
    fprintf(stderr, "sygra sql: %s\n", err->text);
    show_place(sql, advice->offset);
    struct sg_str all = sg_buf_view(&advice->tables);
    for (size_t at = 0; at < all.n;) {
        size_t end = sg_str_find(all, '\n', at);
        fprintf(stderr, "  %.*s\n", (int)(end - at), all.p + at);
        at = end + 1;
    }
    return err->code == SG_E_CANCELED ? SG_EXIT_INTERRUPTED : err->code == SG_E_IO ? SG_EXIT_ERROR : SG_EXIT_USAGE;
}

/* --- the verb --------------------------------------------------------------------------------------------------- */

static int ask(struct sg_look *k, struct sg_str sql, const struct sg_args *a) {
    struct sg_query_advice advice;
    struct sg_query *q = NULL;
    struct sg_err err = {0};
    int rc = sg_query_open(k, sql, &interrupted, &q, &advice, &err);
    if (rc == 0) {
        signal(SIGINT, on_interrupt);
        rc = a->values[JSON] || a->values[CSV] ? print_lines(q, a->values[JSON] != NULL, &err) : print_grid(q, &err);
        signal(SIGINT, SIG_DFL);
    }
    int status = rc < 0 ? show_mistake(sql, &err, &advice) : SG_EXIT_OK;
    sg_query_close(q);
    sg_buf_fini(&advice.tables);
    return status;
}

static void print_tables(struct sg_look *k) {
    struct sg_buf b = SG_BUF_INIT(1 << 20);
    sg_query_tables(k, &b);
    fwrite(b.p, 1, b.n, stdout);
    sg_buf_fini(&b);
}

/* One word with a blank in it is a statement: the newest run is meant. */
static int run(const struct sg_args *a) {
    bool only_sql = a->n_words == 1 && strchr(a->words[0], ' ');
    const char *word = only_sql || !a->n_words ? "" : a->words[0];
    struct sg_str sql = sg_str(only_sql ? a->words[0] : a->n_words > 1 ? a->words[1] : "");
    if (a->n_words > 2) {
        fprintf(stderr, "sygra sql: the statement is one word: put it in quotes\n");
        return SG_EXIT_USAGE;
    }
    struct sg_arena arena;
    struct sg_err err = {0};
    struct sg_str folder;
    struct sg_look *k = NULL;
    sg_arena_init(&arena, 0);
    int status = SG_EXIT_OK, rc = sg_run_find(&arena, sg_str(word), false, &folder, &err);
    if (rc == 0) rc = sg_look_open(folder.p, &k, &err);
    if (rc != 0) fprintf(stderr, "sygra sql: %s\n", err.text), status = SG_EXIT_ERROR;
    else if (sql.n) status = ask(k, sql, a);
    else print_tables(k);
    sg_look_close(k);
    sg_arena_fini(&arena);
    return status;
}

const struct sg_verb sg_verb_sql = {
    .name = "sql",
    .words = "[RUN] [\"SELECT ...\"] [options]",
    .summary = "ask the rows and bodies of a run by SQL",
    .details = "Tables: outputs (every record that has ended, with its line as JSON), replies (calls with names and "
               "texts), and\n"
               "those of run.db; body(segment, offset, length) is the text of any row's body. SQLite's JSON "
               "functions work on\n"
               "all texts. Without a statement the tables and their columns are listed. Only reading is allowed; "
               "Ctrl-C ends\n"
               "a query. A run with --keep outputs has calls only of records that are not finished, and no replies.\n"
               "\n"
               "  sygra sql out/output.run \"select json ->> '$.answer' from outputs where outcome = 'ok' limit 5\"\n"
               "  sygra sql \"select node, count(*), avg(latency) / 1e6 as seconds from replies group by node\"\n",
    .options = options,
    .run = run,
};
