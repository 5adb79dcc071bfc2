/* SPDX-License-Identifier: Apache-2.0 */
/* A source whose run goes on: finished rows are not delivered, reading begins at a known place, a changed input is refused. */
#include "test_data.h"

#include "data/data.h"
#include "test_source.h"
#include "data/source.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>

enum { N = 3000 };

static struct consumer {
    struct sg_loop *loop;
    struct sg_source *source;
    bool wanted[N + 100]; /* positions that are to come */
    uint64_t next, rows, stop_after;
    bool ended, more, total_known;
    uint64_t total;
    int status;
    struct sg_err err;
    struct {
        uint64_t line, offset;
    } places[N + 100];
    uint64_t read_bytes; /* as of the last row */
    uint32_t read_crc;
    struct sg_run_source is;
} c;

static void on_rows(void *ud, struct sg_row *rows, size_t n, bool ended, int status, const struct sg_err *err) {
    (void)ud;
    for (size_t i = 0; i < n; i++) {
        int64_t number = -1;
        while (c.next < N && !c.wanted[c.next]) c.next++;
        assert_int_equal(rows[i].position, c.next++);
        assert_int_equal(rows[i].status, 0);
        const struct sg_json *v = sg_json_get(&rows[i].value, SG_STR("i"));
        if (v) sg_json_to_i64(v, &number);
        if (v) assert_int_equal(number, rows[i].position);
        c.places[rows[i].position].line = rows[i].line;
        c.places[rows[i].position].offset = rows[i].offset;
        sg_arena_fini(&rows[i].arena);
    }
    c.rows += n;
    sg_source_mark(c.source, &c.read_bytes, &c.read_crc);
    sg_source_identity(c.source, &c.is);
    c.is.path = SG_STR_NONE; /* goes with the source */
    if (!ended && c.rows < c.stop_after) {
        sg_source_pull(c.source, 50, on_rows, &c);
        return;
    }
    c.ended = ended;
    c.status = status;
    if (err) c.err = *err;
    c.more = sg_source_has_more(c.source, &c.total_known, &c.total);
    sg_source_close(c.source);
    c.source = NULL;
}

/* The return value is that of opening; c has what came. Places of an earlier reading stay. */
static int read_rows(struct sg_source_options o, uint64_t stop_after) {
    c.rows = c.next = 0;
    c.stop_after = stop_after;
    c.ended = false;
    c.status = 0;
    assert_int_equal(sg_loop_open_uv(&c.loop, 1, NULL), 0);
    int rc = sg_source_open(c.loop, &o, &c.source, &c.err);
    if (rc == 0) {
        sg_source_watch(c.source);
        sg_source_pull(c.source, 50, on_rows, &c);
        sg_loop_run(c.loop);
    }
    sg_loop_close(c.loop);
    return rc;
}

static void want(uint64_t from, uint64_t to) {
    memset(c.wanted, 0, sizeof c.wanted);
    for (uint64_t p = from; p < to; p++) c.wanted[p] = true;
}

static void put_numbers(const char *name, size_t n, size_t width) {
    FILE *f = fopen(in_folder(name), "w");
    bool array = sg_str_ends(sg_str(name), SG_STR(".json"));
    if (array) fputs("\n [", f);
    for (size_t i = 0; i < n; i++) {
        if (i % 100 == 50) fputs("\n", f); /* a blank line */
        fprintf(f, "%s{\"i\":%zu,\"text\":\"%0*d\"}%s", array && i ? ",\n" : "", i, (int)(i % width), 0,
                array ? "" : "\n");
    }
    if (array) fputs("]\n", f);
    fclose(f);
}

static struct sg_source_spec spec_of(const char *name) {
    return source_of(in_folder(name));
}

/* Seeks and reads are counted. */
static uint64_t bytes_read;

static ssize_t count_read(int fd, void *p, size_t n) {
    ssize_t got = sg_os_posix.read(fd, p, n);
    if (got > 0) bytes_read += (uint64_t)got;
    return got;
}

static ssize_t count_pread(int fd, void *p, size_t n, uint64_t at) {
    ssize_t got = sg_os_posix.pread(fd, p, n, at);
    if (got > 0) bytes_read += (uint64_t)got;
    return got;
}

static void count_bytes(void) {
    static struct sg_os os;
    os = sg_os_posix;
    os.read = count_read;
    os.pread = count_pread;
    bytes_read = 0;
    sg_os = &os;
}

static const char *const forms[] = {"n.jsonl", "n.json"};

static void test_reading_begins_at_a_known_row(void **state) {
    (void)state;
    static const struct sg_range finished[] = {{10, 2000}, {2005, 2006}, {2010, 2500}, {2999, 3000}};
    for (int form = 0; form < 2; form++) {
        put_numbers(forms[form], N, 800);
        struct sg_source_spec spec = spec_of(forms[form]);
        struct sg_source_options o = {.spec = &spec, .count = UINT64_MAX, .start = 10};
        want(10, N);
        assert_int_equal(read_rows(o, UINT64_MAX), 0);
        assert_int_equal(c.rows, N - 10);
        struct sg_run_source was = c.is;
        o.from = (struct sg_source_from){.finished = finished, .n_finished = 4, .was = &was};
        o.from.row = 1999;
        o.from.line = c.places[1999].line;
        o.from.offset = c.places[1999].offset;
        o.from.read_bytes = c.read_bytes;
        o.from.read_crc = c.read_crc;
        for (int i = 0; i < 4; i++)
            for (uint64_t p = finished[i].from; p < finished[i].to; p++) c.wanted[p] = false;
        uint64_t line = c.places[2600].line, offset = c.places[2600].offset, bytes = c.read_bytes;
        uint32_t crc = c.read_crc;
        c.places[2600].line = 0;
        count_bytes();
        assert_int_equal(read_rows(o, UINT64_MAX), 0);
        sg_os = &sg_os_posix;
        assert_true(c.ended && c.status == 0 && !c.more);
        assert_int_equal(c.rows, 5 + 4 + 499);
        assert_true(c.places[2600].line == line && c.places[2600].offset == offset);
        assert_true(c.read_bytes == bytes && c.read_crc == crc);
        assert_true(bytes_read < was.size / 2);
        assert_true(c.total_known && c.total == N);
    }
}

static void test_what_was_read_is_noted_the_same_in_any_pieces(void **state) {
    (void)state;
    for (int form = 0; form < 2; form++) {
        put_numbers(forms[form], N, 300);
        struct sg_source_spec spec = spec_of(forms[form]);
        struct sg_source_options o = {.spec = &spec, .count = UINT64_MAX};
        struct sg_arena a;
        sg_arena_init(&a, 0);
        struct sg_str text = get_file(&a, forms[form]);
        want(0, N);
        struct sg_run_source was = {0};
        for (int i = 0; i < 6; i++) {
            assert_int_equal(read_rows(o, 400), 0);
            assert_int_equal(c.read_crc, sg_crc32c(0, text.p, c.read_bytes));
            assert_true(c.read_bytes > o.from.read_bytes && c.read_bytes <= text.n);
            uint64_t last = c.next - 1;
            was = c.is;
            struct sg_range finished = {0, last};
            o.from = (struct sg_source_from){
                last, c.places[last].line, c.places[last].offset, &finished, 1, &was, c.read_bytes, c.read_crc};
            for (uint64_t p = 0; p < last; p++) c.wanted[p] = false;
            o.from.finished = sg_alloc(&a, sizeof finished);
            memcpy((void *)(uintptr_t)o.from.finished, &finished, sizeof finished);
        }
        sg_arena_fini(&a);
    }
}

static void test_count_goes_from_the_first_start(void **state) {
    (void)state;
    static const struct sg_range finished[] = {{0, 40}, {45, 100}};
    put_numbers("n.jsonl", 200, 20);
    struct sg_source_spec spec = spec_of("n.jsonl");
    struct sg_source_options o = {.spec = &spec, .count = 50, .from = {.finished = finished, .n_finished = 2}};
    want(40, 45);
    assert_int_equal(read_rows(o, UINT64_MAX), 0);
    assert_true(c.rows == 5 && c.ended && c.more);
    o.count = 200;
    for (uint64_t p = 100; p < 200; p++) c.wanted[p] = true;
    assert_int_equal(read_rows(o, UINT64_MAX), 0);
    assert_true(c.rows == 105 && c.ended && !c.more && c.total_known && c.total == 200);
}

static void test_positions_without_a_source_are_passed_over(void **state) {
    (void)state;
    static const struct sg_range finished[] = {{5, 1000}, {1001, 1500}, {2000, 3000}};
    struct sg_source_options o = {.count = 2000, .start = 5, .from = {.finished = finished, .n_finished = 3}};
    want(1500, 2000);
    c.wanted[1000] = true;
    assert_int_equal(read_rows(o, UINT64_MAX), 0);
    assert_int_equal(c.rows, 501);
    o.count = 100; /* all of them are finished */
    assert_int_equal(read_rows(o, UINT64_MAX), 0);
    assert_true(c.rows == 0 && c.ended);
}

static void *write_numbers(void *name) {
    FILE *f = fopen(name, "w");
    for (int i = 0; i < N; i++) fprintf(f, "{\"i\":%d}\n", i);
    fclose(f);
    return NULL;
}

/* A generator gives its rows again; what is finished is read and counted. */
static void test_a_pipe_is_read_from_its_beginning(void **state) {
    (void)state;
    static const struct sg_range finished[] = {{0, 2000}, {2001, 2990}};
    static char name[256];
    pthread_t writer;
    snprintf(name, sizeof name, "%s", in_folder("pipe.jsonl"));
    assert_int_equal(mkfifo(name, 0600), 0);
    struct sg_source_spec spec = source_of(name);
    struct sg_run_source was = {.regular = false};
    struct sg_source_options o = {.spec = &spec, .count = UINT64_MAX};
    o.from = (struct sg_source_from){1999, 2000, 12345, finished, 2, &was, 0, 0};
    pthread_create(&writer, NULL, write_numbers, name);
    want(2990, N);
    c.wanted[2000] = true;
    assert_int_equal(read_rows(o, UINT64_MAX), 0);
    pthread_join(writer, NULL);
    assert_int_equal(c.rows, 11);
    assert_int_equal(c.read_bytes, 0);
}

/* --- is it the same file? ----------------------------------------------------------------------------------------- */

static struct sg_run_source was;
static struct sg_source_options half; /* the rest of a file of which half has been read */
static struct sg_range half_done;
static struct sg_source_spec half_spec;

static void read_half(const char *name) {
    static char path[256];
    put_numbers(name, N, 300);
    snprintf(path, sizeof path, "%s", in_folder(name));
    half_spec = spec_of(name);
    half_spec.path = sg_str(path);
    half = (struct sg_source_options){.spec = &half_spec, .count = UINT64_MAX};
    want(0, N);
    assert_int_equal(read_rows(half, 1500), 0);
    was = c.is;
    uint64_t last = c.next - 1;
    half_done = (struct sg_range){0, last};
    half.from = (struct sg_source_from){last,         c.places[last].line, c.places[last].offset, &half_done, 1, &was,
                                        c.read_bytes, c.read_crc};
    want(last, N + 100);
}

static void change(const char *name, long at, const char *text) {
    FILE *f = fopen(in_folder(name), "r+");
    fseek(f, at, at < 0 ? SEEK_END : SEEK_SET);
    fputs(text, f);
    fclose(f);
}

static void test_an_input_may_be_copied_touched_and_grow(void **state) {
    (void)state;
    for (int form = 0; form < 2; form++) {
        read_half(forms[form]);
        uint64_t rest = N - half_done.to;
        put_numbers(forms[form], N, 300); /* another time */
        assert_int_equal(read_rows(half, UINT64_MAX), 0);
        assert_true(c.rows == rest && c.status == 0);
        read_half(forms[form]);
        char text[100];
        snprintf(text, sizeof text, form ? ",\n{\"i\":%d}]" : "{\"i\":%d}\n", N);
        FILE *f = fopen(in_folder(forms[form]), "r+");
        fseek(f, form ? -2 : 0, SEEK_END);
        fputs(text, f);
        fclose(f);
        assert_int_equal(read_rows(half, UINT64_MAX), 0);
        assert_true(c.rows == rest + 1 && c.status == 0);
    }
}

/* Also an array of which all has been read, up to its closing bracket. */
static void test_an_input_may_grow_behind_its_end(void **state) {
    (void)state;
    for (int form = 0; form < 2; form++) {
        put_numbers(forms[form], N, 300);
        struct sg_source_spec spec = spec_of(forms[form]);
        struct sg_range all = {0, N};
        struct sg_source_options o = {.spec = &spec, .count = UINT64_MAX};
        want(0, N);
        assert_int_equal(read_rows(o, UINT64_MAX), 0);
        was = c.is;
        o.from = (struct sg_source_from){
            N - 1, c.places[N - 1].line, c.places[N - 1].offset, &all, 1, &was, c.read_bytes, c.read_crc};
        put_numbers(forms[form], N + 2, 300);
        want(N, N + 2);
        c.next = N;
        assert_int_equal(read_rows(o, UINT64_MAX), 0);
        assert_true(c.rows == 2 && c.status == 0);
    }
}

static void expect_changed(void) {
    int rc = read_rows(half, UINT64_MAX);
    assert_int_equal(rc ? rc : c.status, SG_E_CONFLICT);
    assert_int_equal(c.rows, 0);
    assert_non_null(strstr(c.err.text, "n.json"));
    assert_non_null(strstr(c.err.text, "the input has changed"));
}

static void test_an_input_that_changed_is_refused(void **state) {
    (void)state;
    for (int form = 0; form < 2; form++) {
        read_half(forms[form]);
        change(forms[form], 90000, "X");
        expect_changed();
        read_half(forms[form]);
        assert_int_equal(truncate(in_folder(forms[form]), 90000), 0);
        expect_changed();
        read_half(forms[form]);
        unlink(in_folder(forms[form]));
        assert_int_equal(read_rows(half, UINT64_MAX), SG_E_MISSING);
        assert_int_equal(mkfifo(in_folder(forms[form]), 0600), 0);
        expect_changed();
        unlink(in_folder(forms[form]));
    }
}

static void test_behind_what_was_read_an_input_may_change(void **state) {
    (void)state;
    read_half("n.jsonl");
    change("n.jsonl", -2, " "); /* the last row is no row any more */
    change("n.jsonl", -1, "}");
    assert_int_equal(read_rows(half, UINT64_MAX), 0);
    assert_int_equal(c.status, 0);
    assert_int_equal(c.rows, N - half_done.to);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reading_begins_at_a_known_row),
        cmocka_unit_test(test_what_was_read_is_noted_the_same_in_any_pieces),
        cmocka_unit_test(test_count_goes_from_the_first_start),
        cmocka_unit_test(test_positions_without_a_source_are_passed_over),
        cmocka_unit_test(test_a_pipe_is_read_from_its_beginning),
        cmocka_unit_test(test_an_input_may_be_copied_touched_and_grow),
        cmocka_unit_test(test_an_input_may_grow_behind_its_end),
        cmocka_unit_test(test_an_input_that_changed_is_refused),
        cmocka_unit_test(test_behind_what_was_read_an_input_may_change),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
