/* SPDX-License-Identifier: Apache-2.0 */
#include "test_data.h"

#include "data/data.h"
#include "test_source.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

/* --- a consumer that pulls `max` rows at a time and writes down what comes -------------------------------------- */

static struct consumer {
    struct sg_loop *loop;
    struct sg_source *source;
    size_t max, calls, bad;
    uint64_t rows, stop_after; /* stop_after: closes the source then */
    uint64_t next;             /* position expected */
    bool ended, more, total_known, inside;
    uint64_t total;
    int status;
    struct sg_err err;
    struct sg_buf text; /* rows as JSON, or their errors, a line each */
} c;

static void on_rows(void *ud, struct sg_row *rows, size_t n, bool ended, int status, const struct sg_err *err);

static void pull(void) {
    c.inside = true;
    sg_source_pull(c.source, c.max, on_rows, &c);
    c.inside = false;
}

static void on_rows(void *ud, struct sg_row *rows, size_t n, bool ended, int status, const struct sg_err *err) {
    assert_ptr_equal(ud, &c);
    assert_false(c.inside); /* never from inside the call that asks */
    assert_true(n <= c.max && (n > 0 || ended));
    c.calls++;
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(rows[i].position, c.next++);
        if (rows[i].status) sg_buf_str(&c.text, rows[i].error);
        else sg_json_write(&c.text, &rows[i].value);
        sg_buf_ch(&c.text, '\n');
        c.bad += rows[i].status != 0;
        sg_arena_fini(&rows[i].arena);
    }
    c.rows += n;
    c.ended = ended;
    c.status = status;
    if (err) c.err = *err;
    if (!ended && c.rows < c.stop_after) {
        pull();
        return;
    }
    c.more = sg_source_has_more(c.source, &c.total_known, &c.total);
    sg_source_close(c.source);
    c.source = NULL;
}

static void begin(size_t max) {
    c = (struct consumer){.max = max, .stop_after = UINT64_MAX, .text = SG_BUF_INIT(SIZE_MAX)};
    assert_int_equal(sg_loop_open_uv(&c.loop, 1, NULL), 0);
}

static void end(void) {
    sg_source_close(c.source);
    sg_loop_close(c.loop);
    sg_buf_fini(&c.text);
}

static void read_all(struct sg_source_options o) {
    struct sg_err err = {0};
    int rc = sg_source_open(c.loop, &o, &c.source, &err);
    if (rc) fail_msg("%s", err.text);
    c.next = o.start;
    pull();
    sg_loop_run(c.loop);
}

static struct sg_source_spec spec_of(const char *name) {
    return source_of(in_folder(name));
}

static void put_numbers(const char *name, size_t n) {
    FILE *f = fopen(in_folder(name), "w");
    bool array = sg_str_ends(sg_str(name), SG_STR(".json"));
    if (array) fputs("[", f);
    for (size_t i = 0; i < n; i++) fprintf(f, "%s{\"i\":%zu}%s", array && i ? ",\n" : "", i, array ? "" : "\n");
    if (array) fputs("]", f);
    fclose(f);
}

/* --- tests ------------------------------------------------------------------------------------------------------ */

static void test_every_row_comes_once_in_order_for_any_size_of_pull(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 3, 64, 1000, 100000};
    static const char *const names[] = {"n.jsonl", "n.json"};
    struct sg_buf expected = SG_BUF_INIT(SIZE_MAX);
    for (size_t i = 0; i < 5000; i++) sg_buf_printf(&expected, "{\"i\":%zu}\n", i);
    for (size_t k = 0; k < 2; k++) {
        put_numbers(names[k], 5000);
        struct sg_source_spec spec = spec_of(names[k]);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            begin(sizes[i]);
            read_all((struct sg_source_options){.spec = &spec, .count = UINT64_MAX});
            assert_true(c.ended && c.status == 0);
            assert_text(sg_buf_view(&c.text), sg_buf_view(&expected));
            assert_true(!c.more && c.total_known && c.total == 5000);
            end();
        }
    }
    sg_buf_fini(&expected);
}

static void test_start_and_count_cut_a_piece_out(void **state) {
    (void)state;
    put_numbers("n.jsonl", 5000);
    struct sg_source_spec spec = spec_of("n.jsonl");
    begin(100);
    read_all((struct sg_source_options){.spec = &spec, .start = 4990, .count = 3});
    assert_text(sg_buf_view(&c.text), SG_STR("{\"i\":4990}\n{\"i\":4991}\n{\"i\":4992}\n"));
    assert_true(c.ended && c.more && !c.total_known);
    end();
    begin(100);
    read_all((struct sg_source_options){.spec = &spec, .start = 6000, .count = UINT64_MAX});
    assert_true(c.ended && c.rows == 0 && c.total_known && c.total == 5000);
    end();
    begin(100);
    read_all((struct sg_source_options){.spec = &spec, .start = 1, .count = UINT64_MAX});
    assert_true(c.ended && c.rows == 4999);
    end();
}

static void expect_rest(const char *name, uint64_t count, bool more, bool total_known) {
    struct sg_source_spec spec = spec_of(name);
    begin(100);
    read_all((struct sg_source_options){.spec = &spec, .count = count});
    assert_int_equal(c.rows, count);
    assert_int_equal(c.more, more);
    assert_int_equal(c.total_known, total_known);
    if (total_known) assert_int_equal(c.total, count);
    end();
}

static void test_one_row_more_than_count_is_noticed(void **state) {
    (void)state;
    put_file("l.jsonl", SG_STR("{}\n{}\n{}\n"));
    put_file("a.json", SG_STR("[{},{},{}]"));
    put_file("blank.jsonl", SG_STR("{}\n{}\n\n \n"));
    expect_rest("l.jsonl", 2, true, false);
    expect_rest("l.jsonl", 3, false, true);
    expect_rest("a.json", 2, true, false);
    expect_rest("a.json", 3, false, true);
    expect_rest("blank.jsonl", 2, false, true);
    expect_rest("l.jsonl", 0, true, false);
}

static void test_a_bad_row_fails_and_the_others_go_on(void **state) {
    (void)state;
    struct sg_source_spec spec = spec_of("bad.jsonl");
    put_file("bad.jsonl", SG_STR("{\"a\":1}\n{\"a\":}\n[]\n\n{\"a\":\"\xFF\"}\n{\"a\":2}\n"));
    begin(100);
    read_all((struct sg_source_options){.spec = &spec, .count = UINT64_MAX});
    assert_int_equal(c.rows, 5);
    assert_int_equal(c.bad, 3);
    assert_true(c.ended && c.status == 0);
    assert_non_null(memmem(c.text.p, c.text.n, "bad.jsonl:2: byte 13: ", 22));
    assert_non_null(memmem(c.text.p, c.text.n, "bad.jsonl:3: byte 15: the row is an array", 41));
    assert_non_null(memmem(c.text.p, c.text.n, "bad.jsonl:5: byte 25: ", 22));
    end();
}

static void test_a_torn_array_is_told_behind_its_whole_rows(void **state) {
    (void)state;
    struct sg_source_spec spec = spec_of("torn.json");
    put_file("torn.json", SG_STR("[{\"a\":1},{\"a\":2},\n{\"a\":"));
    begin(1);
    read_all((struct sg_source_options){.spec = &spec, .count = UINT64_MAX});
    assert_int_equal(c.rows, 2);
    assert_true(c.ended);
    assert_int_equal(c.status, SG_E_SYNTAX);
    assert_int_equal(c.err.code, SG_E_SYNTAX);
    assert_non_null(strstr(c.err.text, "torn.json:2: byte 18: the file ends inside the array"));
    assert_true(!c.more && !c.total_known);
    end();
}

static void expect_refused(struct sg_source_spec spec, int code, const char *part) {
    struct sg_err err = {0};
    struct sg_source_options o = {.spec = &spec, .count = UINT64_MAX};
    begin(1);
    assert_int_equal(sg_source_open(c.loop, &o, &c.source, &err), code);
    if (!strstr(err.text, part)) fail_msg("got <%s>, expected <%s>", err.text, part);
    end();
}

static void test_what_cannot_be_read_is_refused_at_open(void **state) {
    (void)state;
    expect_refused(spec_of("absent.jsonl"), SG_E_MISSING, "absent.jsonl: cannot be read: No such file");
    mkdir(in_folder("folder.jsonl"), 0777);
    expect_refused(spec_of("folder.jsonl"), SG_E_TYPE, "folder.jsonl: is a folder");
    put_file("n.jsonl", SG_STR("{}\n"));
    struct sg_source_spec spec = spec_of("n.jsonl");
    spec.encoding = SG_STR("latin-1");
    expect_refused(spec, SG_E_UNSUPPORTED, "encoding latin-1: not yet");
    static const char *const good[] = {"utf-8", "utf8", "UTF-8", "utf-8-sig", "ascii"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        spec.encoding = sg_str(good[i]);
        begin(1);
        read_all((struct sg_source_options){.spec = &spec, .count = UINT64_MAX});
        assert_int_equal(c.rows, 1);
        end();
    }
}

static void test_data_less_records_are_empty_with_ids(void **state) {
    (void)state;
    begin(100);
    read_all((struct sg_source_options){.start = 3, .count = 600});
    assert_true(c.ended && c.rows == 600 && !c.more && c.status == 0);
    assert_true(sg_str_starts(sg_buf_view(&c.text), SG_STR("{}\n{}\n")));
    end();
    begin(1);
    read_all((struct sg_source_options){.start = 5, .count = 1, .want_ids = true, .seed = 7});
    assert_text(sg_buf_view(&c.text), SG_STR("{\"id\":\"5c0830f1a9f5186e80300073f555f963\"}\n"));
    end();
}

static void test_a_source_may_be_closed_in_its_callback(void **state) {
    (void)state;
    put_numbers("n.jsonl", 5000);
    struct sg_source_spec spec = spec_of("n.jsonl");
    for (uint64_t after = 1; after < 700; after += 37) {
        begin(10);
        c.stop_after = after;
        read_all((struct sg_source_options){.spec = &spec, .count = UINT64_MAX});
        assert_true(c.rows >= after && c.rows < after + 10 && !c.ended);
        end();
    }
}

static void test_a_source_may_be_closed_while_an_answer_is_under_way(void **state) {
    (void)state;
    put_numbers("n.jsonl", 5000);
    struct sg_source_spec spec = spec_of("n.jsonl");
    struct sg_source_options o = {.spec = &spec, .count = UINT64_MAX};
    for (int i = 0; i < 20; i++) {
        begin(10);
        assert_int_equal(sg_source_open(c.loop, &o, &c.source, NULL), 0);
        if (i % 4) pull();
        if (i % 2) usleep(200);
        end();
    }
}

/* --- pipes ------------------------------------------------------------------------------------------------------ */

/* A writer with its own pace: rows in torn pieces. */
static void *write_slowly(void *path) {
    static const char *const parts[] = {"{\"i\":0}\n{\"i\"", ":1}\n", "{\"i\":2}\n{\"i\":3}\n{", "\"i\":4}"};
    int fd = open(path, O_WRONLY);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        usleep(10000);
        if (write(fd, parts[i], strlen(parts[i])) < 0) break;
    }
    close(fd);
    return NULL;
}

static void test_a_named_pipe_is_read_as_it_comes(void **state) {
    (void)state;
    char path[256];
    pthread_t writer;
    strcpy(path, in_folder("pipe.jsonl"));
    assert_int_equal(mkfifo(path, 0666), 0);
    struct sg_source_spec spec = source_of(path);
    pthread_create(&writer, NULL, write_slowly, path);
    begin(100);
    read_all((struct sg_source_options){.spec = &spec, .count = UINT64_MAX});
    pthread_join(writer, NULL);
    assert_text(sg_buf_view(&c.text), SG_STR("{\"i\":0}\n{\"i\":1}\n{\"i\":2}\n{\"i\":3}\n{\"i\":4}\n"));
    assert_true(c.ended && c.calls >= 3); /* nobody waited for the whole */
    end();
}

static struct sg_timer give_up;

static void on_give_up(struct sg_timer *t) {
    (void)t;
    sg_source_close(c.source);
    c.source = NULL;
}

static void test_a_pipe_without_a_writer_can_be_given_up(void **state) {
    (void)state;
    char path[256];
    strcpy(path, in_folder("nobody.jsonl"));
    assert_int_equal(mkfifo(path, 0666), 0);
    struct sg_source_spec spec = source_of(path);
    begin(100);
    give_up = (struct sg_timer){.on_fire = on_give_up};
    sg_timer_start(c.loop, &give_up, SG_MS(20));
    read_all((struct sg_source_options){.spec = &spec, .count = UINT64_MAX});
    assert_int_equal(c.calls, 0);
    end();
}

static void *write_many(void *path) {
    FILE *f = fopen(path, "w");
    for (int i = 0; i < 20000; i++) fprintf(f, "{\"i\":%d}\n", i);
    fclose(f);
    return NULL;
}

static void test_a_pipe_brings_any_number_of_rows(void **state) {
    (void)state;
    char path[256];
    pthread_t writer;
    strcpy(path, in_folder("many.jsonl"));
    assert_int_equal(mkfifo(path, 0666), 0);
    struct sg_source_spec spec = source_of(path);
    pthread_create(&writer, NULL, write_many, path);
    begin(100);
    read_all((struct sg_source_options){.spec = &spec, .count = UINT64_MAX});
    pthread_join(writer, NULL);
    assert_true(c.ended && c.rows == 20000 && c.bad == 0);
    end();
}

/* --- rows that are changed on their way --------------------------------------------------------------------------- */

/* Rows whose `i` is a multiple of 7 fail; others get "j" in place of all they had. Takes its time. */
static struct changing {
    struct sg_timer timer;
    struct sg_row *rows;
    size_t n, batches, largest;
    uint64_t next;
    void (*done)(void *arg);
    void *arg;
    bool under_way, canceled;
} g;

static void on_change_time(struct sg_timer *t) {
    (void)t;
    for (size_t i = 0; i < g.n; i++) {
        struct sg_row *row = &g.rows[i];
        int64_t number = 0;
        assert_int_equal(row->position, g.next++);
        if (row->status != 0) continue;
        assert_null(sg_json_get(&row->value, SG_STR("id")));
        assert_true(sg_json_to_i64(sg_json_get(&row->value, SG_STR("i")), &number));
        if (number % 7 == 0) {
            row->status = SG_E_HOOK;
            row->error = SG_STR("seven");
            continue;
        }
        struct sg_member *m = SG_NEW_N(&row->arena, struct sg_member, 2);
        m[0] = (struct sg_member){SG_STR("j"), sg_json_int(&row->arena, -number)};
        m[1] = (struct sg_member){SG_STR("i"), sg_json_int(&row->arena, number)};
        row->value = sg_json_object(m, 2);
    }
    g.under_way = false;
    g.done(g.arg);
}

static void start_change(void *ud, struct sg_row *rows, size_t n, void (*done)(void *arg), void *arg) {
    assert_ptr_equal(ud, &g);
    assert_false(g.under_way);
    assert_true(n > 0);
    g.rows = rows;
    g.n = n;
    g.done = done;
    g.arg = arg;
    g.under_way = true;
    g.batches++;
    if (n > g.largest) g.largest = n;
    sg_timer_start(c.loop, &g.timer, 100000);
}

static void cancel_change(void *ud) {
    (void)ud;
    g.canceled = true;
    g.under_way = false;
    sg_timer_stop(c.loop, &g.timer);
}

static const struct sg_row_changer changer = {start_change, cancel_change, &g};

static struct sg_source_spec changed_spec(const char *path, int rows) {
    FILE *f = fopen(path, "w");
    for (int i = 0; i < rows; i++) fprintf(f, i == 3 ? "{oops\n" : "{\"i\":%d,\"x\":1}\n", i);
    fclose(f);
    g = (struct changing){.timer = {.on_fire = on_change_time}};
    return source_of(path);
}

static void test_rows_are_changed_before_their_columns_and_ids_are_looked_at(void **state) {
    (void)state;
    char path[256];
    strcpy(path, in_folder("changed.jsonl"));
    struct sg_source_spec spec = changed_spec(path, 9);
    struct sg_name fields[] = {{.text = SG_STR("j")}};
    spec.fields = fields;
    spec.n_fields = 1;
    begin(4);
    read_all((struct sg_source_options){
        .spec = &spec, .changer = &changer, .id_column = SG_STR("i"), .count = UINT64_MAX});
    struct sg_str text = sg_buf_view(&c.text);
    assert_true(sg_str_starts(text, SG_STR("seven\n{\"j\":-1,\"id\":1}\n{\"j\":-2,\"id\":2}\n")));
    assert_true(sg_str_ends(text, SG_STR("{\"j\":-6,\"id\":6}\nseven\n{\"j\":-8,\"id\":8}\n")));
    assert_true(c.rows == 9 && c.bad == 3 && c.ended && c.total_known && c.total == 9);
    end();
}

static void test_many_rows_are_changed_in_order_and_few_at_a_time(void **state) {
    (void)state;
    char path[256];
    strcpy(path, in_folder("changed.jsonl"));
    struct sg_source_spec spec = changed_spec(path, 3000);
    g.next = 10;
    begin(37);
    read_all((struct sg_source_options){.spec = &spec, .changer = &changer, .start = 10, .count = 2000});
    assert_true(c.rows == 2000 && c.ended && c.more);
    assert_true(g.batches > 5 && g.largest <= 256);
    end();
}

static void test_a_source_is_closed_while_its_rows_are_changed(void **state) {
    (void)state;
    char path[256];
    strcpy(path, in_folder("changed.jsonl"));
    struct sg_source_spec spec = changed_spec(path, 3000);
    begin(10);
    c.stop_after = 10;
    read_all((struct sg_source_options){.spec = &spec, .changer = &changer, .count = UINT64_MAX});
    assert_true(c.rows == 10);
    assert_false(g.under_way);
    end();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_changed_before_their_columns_and_ids_are_looked_at),
        cmocka_unit_test(test_many_rows_are_changed_in_order_and_few_at_a_time),
        cmocka_unit_test(test_a_source_is_closed_while_its_rows_are_changed),
        cmocka_unit_test(test_every_row_comes_once_in_order_for_any_size_of_pull),
        cmocka_unit_test(test_start_and_count_cut_a_piece_out),
        cmocka_unit_test(test_one_row_more_than_count_is_noticed),
        cmocka_unit_test(test_a_bad_row_fails_and_the_others_go_on),
        cmocka_unit_test(test_a_torn_array_is_told_behind_its_whole_rows),
        cmocka_unit_test(test_what_cannot_be_read_is_refused_at_open),
        cmocka_unit_test(test_data_less_records_are_empty_with_ids),
        cmocka_unit_test(test_a_source_may_be_closed_in_its_callback),
        cmocka_unit_test(test_a_source_may_be_closed_while_an_answer_is_under_way),
        cmocka_unit_test(test_a_named_pipe_is_read_as_it_comes),
        cmocka_unit_test(test_a_pipe_without_a_writer_can_be_given_up),
        cmocka_unit_test(test_a_pipe_brings_any_number_of_rows),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
