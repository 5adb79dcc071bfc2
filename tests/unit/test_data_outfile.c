/* SPDX-License-Identifier: Apache-2.0 */
#include "test_data.h"

#include "data/outfile.h"

#include <errno.h>

static struct sg_arena a;
static struct sg_outfile f;

static void begin(const char *name, bool array) {
    sg_arena_init(&a, 0);
    sg_outfile_init(&f, sg_str_dup(&a, sg_str(in_folder(name))), array);
}

static void end(void) {
    sg_os = &sg_os_posix;
    sg_outfile_fini(&f);
    sg_arena_fini(&a);
}

static void add(struct sg_str json) {
    assert_int_equal(sg_outfile_add(&f, json, NULL), 0);
}

static void expect_array_of(const char *name, size_t n) {
    struct sg_json v;
    assert_int_equal(sg_json_parse(&a, get_file(&a, name), &v, NULL, NULL), 0);
    assert_int_equal(v.type, SG_JSON_ARRAY);
    assert_int_equal(v.n, n);
}

static void test_an_array_is_valid_after_every_write(void **state) {
    (void)state;
    begin("a.part", true);
    for (size_t i = 1; i <= 20; i++) {
        struct sg_str row = sg_str_printf(&a, "{\"i\":%zu,\"list\":[1,{\"x\":\"]\"}]}", i);
        add(row);
        assert_int_equal(sg_outfile_flush(&f, NULL), 0);
        expect_array_of("a.part", i);
        assert_int_equal(f.size, get_file(&a, "a.part").n);
    }
    end();
}

/* Expected: python3 -c 'import json; print(json.dumps([...], indent=4, ensure_ascii=False), end="")' */
static void test_an_array_looks_as_python_writes_it(void **state) {
    (void)state;
    begin("p.part", true);
    add(SG_STR("{\"a\":1.10,\"b\":[],\"c\":{},\"d\":[true,null,\"\xC3\xA9 ,:[\\\"\"]}"));
    assert_int_equal(sg_outfile_flush(&f, NULL), 0);
    add(SG_STR("{\"e\":{\"f\":[{\"g\":2}]}}"));
    assert_int_equal(sg_outfile_end(&f, NULL), 0);
    assert_text(get_file(&a, "p.part"), SG_STR("[\n"
                                               "    {\n"
                                               "        \"a\": 1.10,\n"
                                               "        \"b\": [],\n"
                                               "        \"c\": {},\n"
                                               "        \"d\": [\n"
                                               "            true,\n"
                                               "            null,\n"
                                               "            \"\xC3\xA9 ,:[\\\"\"\n"
                                               "        ]\n"
                                               "    },\n"
                                               "    {\n"
                                               "        \"e\": {\n"
                                               "            \"f\": [\n"
                                               "                {\n"
                                               "                    \"g\": 2\n"
                                               "                }\n"
                                               "            ]\n"
                                               "        }\n"
                                               "    }\n"
                                               "]"));
    end();
}

static void test_an_array_becomes_lines_and_goes_on(void **state) {
    (void)state;
    struct sg_buf expected = SG_BUF_INIT(SIZE_MAX);
    begin("l.part", true);
    for (int i = 0; i < 3000; i++) {
        struct sg_str row =
            sg_str_printf(&a, "{\"i\":%d,\"text\":\"a\\\"], [ b\\\\\",\"n\":[1,{},\"%0*d\"]}", i, i % 300, 0);
        add(row);
        sg_buf_str(&expected, row);
        sg_buf_ch(&expected, '\n');
        if (i == 2000) assert_int_equal(sg_outfile_to_lines(&f, NULL), 0);
        if (i == 2001) assert_int_equal(sg_outfile_to_lines(&f, NULL), 0);
    }
    assert_int_equal(sg_outfile_end(&f, NULL), 0);
    assert_text(get_file(&a, "l.part"), sg_buf_view(&expected));
    assert_int_equal(f.records, 3000);
    assert_false(file_exists("l.part.tmp"));
    sg_buf_fini(&expected);
    end();
}

static void test_an_array_of_none_becomes_lines(void **state) {
    (void)state;
    begin("n.part", true);
    assert_int_equal(sg_outfile_to_lines(&f, NULL), 0);
    add(SG_STR("{}"));
    assert_int_equal(sg_outfile_end(&f, NULL), 0);
    assert_text(get_file(&a, "n.part"), SG_STR("{}\n"));
    end();
}

static void test_a_file_without_records_is_made_at_the_end(void **state) {
    (void)state;
    begin("e.part", true);
    assert_false(file_exists("e.part"));
    assert_int_equal(sg_outfile_end(&f, NULL), 0);
    assert_text(get_file(&a, "e.part"), SG_STR("[]"));
    end();
    begin("e.jsonl", false);
    assert_int_equal(sg_outfile_end(&f, NULL), 0);
    assert_text(get_file(&a, "e.jsonl"), SG_STR(""));
    end();
}

/* --- torn writes: `room` bytes go through in all, then the disk is full ----------------------------------------- */

static uint64_t room;

static ssize_t small_disk(int fd, const void *p, size_t n, uint64_t at) {
    struct sg_file_info info;
    sg_os_posix.fstat(fd, &info);
    uint64_t old = at < info.size ? info.size - at : 0; /* what lies in blocks that are there needs no room */
    size_t fits = n < old + room ? n : (size_t)(old + room);
    if (fits == 0 && n > 0) return -ENOSPC;
    room -= fits > old ? fits - old : 0;
    return sg_os_posix.pwrite(fd, p, fits, at);
}

static void fill_until_full(bool array) {
    struct sg_err err;
    size_t whole = 0;
    for (;;) {
        assert_int_equal(sg_outfile_add(&f, SG_STR("{\"text\":\"0123456789\",\"list\":[1,2]}"), NULL), 0);
        if (sg_outfile_flush(&f, &err) < 0) break;
        whole++;
    }
    assert_int_equal(err.code, SG_E_IO);
    assert_int_equal(err.sys, ENOSPC);
    struct sg_str text = get_file(&a, "full.part");
    assert_int_equal(text.n, f.size);
    if (array && whole) expect_array_of("full.part", whole);
    else assert_int_equal(text.n, whole * 35);
}

static void test_a_full_disk_leaves_whole_records(void **state) {
    (void)state;
    struct sg_os os = sg_os_posix;
    os.pwrite = small_disk;
    for (int array = 0; array < 2; array++) {
        for (uint64_t size = 0; size < 600; size++) {
            begin("full.part", array);
            sg_os = &os;
            room = size;
            fill_until_full(array);
            unlink(in_folder("full.part"));
            end();
        }
    }
}

static void test_a_failed_change_to_lines_leaves_the_array(void **state) {
    (void)state;
    struct sg_os os = sg_os_posix;
    struct sg_err err;
    os.pwrite = small_disk;
    begin("c.part", true);
    for (int i = 0; i < 100; i++) add(SG_STR("{\"text\":\"0123456789\"}"));
    assert_int_equal(sg_outfile_flush(&f, NULL), 0);
    sg_os = &os;
    room = 500;
    assert_int_equal(sg_outfile_to_lines(&f, &err), SG_E_IO);
    expect_array_of("c.part", 100);
    assert_false(file_exists("c.part.tmp"));
    end();
}

/* --- with a run folder --------------------------------------------------------------------------------------------- */

static void test_a_file_is_cut_to_its_mark_and_goes_on(void **state) {
    (void)state;
    for (int array = 0; array < 2; array++) {
        begin("go.part", array);
        f.journaled = true;
        struct sg_file_mark marks[6];
        struct sg_str texts[6];
        for (int i = 0; i < 6; i++) {
            add(sg_str_printf(&a, "{\"i\":%d}", i));
            assert_int_equal(sg_outfile_flush(&f, NULL), 0);
            marks[i] = sg_outfile_mark(&f);
            texts[i] = get_file(&a, "go.part");
            assert_int_equal(marks[i].records, i + 1);
            assert_int_equal(marks[i].bytes, texts[i].n);
            assert_int_equal(marks[i].crc, sg_crc32c(0, texts[i].p, texts[i].n - (array ? 2 : 0)));
            uint32_t crc = i ? marks[i - 1].crc : 0;
            uint64_t from = i ? marks[i - 1].bytes - (array ? 2 : 0) : 0;
            assert_int_equal(sg_outfile_crc(f.path.p, from, marks[i].bytes - (array ? 2 : 0), &crc, NULL), 0);
            assert_int_equal(crc, marks[i].crc);
        }
        for (int i = 5; i >= 0; i--) {
            struct sg_outfile g;
            sg_outfile_init(&g, f.path, true);
            g.journaled = true;
            assert_int_equal(sg_outfile_reopen(&g, &marks[i], array, NULL), 0);
            assert_text(get_file(&a, "go.part"), texts[i]);
            if (i < 5) assert_int_equal(sg_outfile_add(&g, sg_str_printf(&a, "{\"i\":%d}", i + 1), NULL), 0);
            assert_int_equal(sg_outfile_flush(&g, NULL), 0);
            if (i < 5) assert_text(get_file(&a, "go.part"), texts[i + 1]);
            struct sg_file_mark mark = sg_outfile_mark(&g), expected = marks[i < 5 ? i + 1 : 5];
            assert_true(mark.bytes == expected.bytes && mark.records == expected.records);
            assert_int_equal(mark.crc, expected.crc);
            sg_outfile_fini(&g);
        }
        end();
    }
}

static void test_lines_prove_themselves_as_the_array_did(void **state) {
    (void)state;
    struct sg_sync y = {0};
    begin("prove.part", true);
    f.journaled = true;
    for (int i = 0; i < 30; i++) add(sg_str_printf(&a, "{\"i\":%d}", i));
    assert_int_equal(sg_outfile_to_lines(&f, NULL), 0);
    add(SG_STR("{}"));
    assert_int_equal(sg_outfile_flush(&f, NULL), 0);
    struct sg_str text = get_file(&a, "prove.part");
    struct sg_file_mark mark = sg_outfile_mark(&f);
    assert_true(mark.records == 31 && mark.bytes == text.n && mark.crc == sg_crc32c(0, text.p, text.n));
    assert_true(f.new_name && f.replaced >= 0);
    sg_outfile_unsynced(&f, &y);
    assert_int_equal(y.n, 2); /* the array's descriptor is closed with them */
    assert_int_equal(sg_sync_run(&y, NULL), 0);
    sg_outfile_unsynced(&f, &y);
    assert_int_equal(y.n, 0);
    sg_sync_fini(&y);
    end();
}

static void test_the_checksum_of_a_file_that_is_too_short_is_an_error(void **state) {
    (void)state;
    struct sg_err err;
    uint32_t crc = 0;
    put_file("crc", SG_STR("123456789"));
    assert_int_equal(sg_outfile_crc(in_folder("crc"), 0, 9, &crc, &err), 0);
    assert_int_equal(crc, 0xe3069283); /* the check value of CRC-32C */
    assert_int_equal(sg_outfile_crc(in_folder("crc"), 0, 10, &crc, &err), SG_E_SYNTAX);
    assert_non_null(strstr(err.text, "crc: ends before byte 10"));
    assert_int_equal(sg_outfile_crc(in_folder("none"), 0, 1, &crc, &err), SG_E_SYNTAX);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_array_is_valid_after_every_write),
        cmocka_unit_test(test_an_array_looks_as_python_writes_it),
        cmocka_unit_test(test_an_array_becomes_lines_and_goes_on),
        cmocka_unit_test(test_an_array_of_none_becomes_lines),
        cmocka_unit_test(test_a_file_without_records_is_made_at_the_end),
        cmocka_unit_test(test_a_full_disk_leaves_whole_records),
        cmocka_unit_test(test_a_failed_change_to_lines_leaves_the_array),
        cmocka_unit_test(test_a_file_is_cut_to_its_mark_and_goes_on),
        cmocka_unit_test(test_lines_prove_themselves_as_the_array_did),
        cmocka_unit_test(test_the_checksum_of_a_file_that_is_too_short_is_an_error),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
