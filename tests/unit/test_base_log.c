/* SPDX-License-Identifier: Apache-2.0 */
/* One call, two forms; nothing dangerous in either. */
#include "base/log.h"

#include "base/arena.h"
#include "base/json.h"
#include "base/os.h"
#include "base/redact.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static int log_fd;
static char lines[1 << 20];

static int64_t stopped_clock(void) {
    return INT64_C(1767323045678901234); /* 2026-01-02T03:04:05.678Z */
}

static struct sg_os world;

static int stop_the_clock(void **state) {
    (void)state;
    setenv("TZ", "UTC", 1);
    tzset();
    world = sg_os_posix;
    world.wall_ns = stopped_clock;
    sg_os = &world;
    FILE *f = tmpfile(); /* open until the process ends */
    log_fd = f ? fileno(f) : -1;
    return log_fd < 0;
}

static void begin(enum sg_level level, bool json) {
    assert_int_equal(ftruncate(log_fd, 0), 0);
    assert_int_equal(lseek(log_fd, 0, SEEK_SET), 0);
    sg_log_setup(level, log_fd, json);
}

static const char *logged(void) {
    ssize_t n = pread(log_fd, lines, sizeof lines - 1, 0);
    assert_true(n >= 0);
    lines[n] = '\0';
    return lines;
}

static void test_text_has_the_time_the_level_and_the_fields(void **state) {
    (void)state;
    begin(SG_DEBUG, false);
    SG_LOG(run_started, SG_F_STR("task", SG_STR("qa")), SG_F_INT("records", 10), SG_F_REAL("rate", 2.5));
    SG_LOG(source_row_bad, SG_F_INT("row", INT64_MIN));
    SG_LOG(run_aborted, SG_F_STR("why", SG_STR("disk full")));
    SG_LOG(node_step, SG_F_STR("node", SG_STR("q")));
    sg_log_fields(SG_EV_run_resumed, NULL, 0);
    assert_string_equal(logged(), "03:04:05 run started  task=qa records=10 rate=2.5\n"
                                  "03:04:05 warning: bad row  row=-9223372036854775808\n"
                                  "03:04:05 error: run aborted  why=\"disk full\"\n"
                                  "03:04:05 debug: step  node=q\n"
                                  "03:04:05 run goes on\n");
}

static void test_json_has_the_same_under_fixed_names(void **state) {
    (void)state;
    begin(SG_DEBUG, true);
    SG_LOG(run_started, SG_F_STR("task", SG_STR("a \"b\"\n")), SG_F_INT("records", 10), SG_F_REAL("rate", 0.1));
    SG_LOG(run_aborted, SG_F_REAL("loss", NAN), SG_F_REAL("n", -INFINITY), SG_F_STR("none", SG_STR_NONE));
    assert_string_equal(logged(),
                        "{\"ts\":\"2026-01-02T03:04:05.678Z\",\"level\":\"info\",\"event\":\"run_started\","
                        "\"task\":\"a \\\"b\\\"\\n\",\"records\":10,\"rate\":0.1}\n"
                        "{\"ts\":\"2026-01-02T03:04:05.678Z\",\"level\":\"error\",\"event\":\"run_aborted\","
                        "\"loss\":null,\"n\":null,\"none\":\"\"}\n");
}

static void test_every_json_line_can_be_read_back(void **state) {
    (void)state;
    begin(SG_DEBUG, true);
    char all[256];
    for (int i = 0; i < 256; i++) all[i] = (char)i;
    SG_LOG(hook_print, SG_F_STR("all", ((struct sg_str){all, sizeof all})));
    struct sg_arena a;
    struct sg_json v;
    sg_arena_init(&a, 0);
    assert_int_equal(sg_json_parse(&a, sg_str(logged()), &v, NULL, NULL), 0);
    const struct sg_json *text = sg_json_get(&v, SG_STR("all"));
    assert_non_null(text);
    assert_int_equal(sg_utf8_length(sg_json_text(text)), 256);
    sg_arena_fini(&a);
}

static void test_levels_below_the_lowest_are_dropped(void **state) {
    (void)state;
    begin(SG_WARN, false);
    assert_false(sg_log_wants(SG_EV_run_started));
    assert_true(sg_log_wants(SG_EV_run_stopping));
    SG_LOG(run_started, SG_F_INT("n", 1));
    sg_log_fields(SG_EV_run_started, NULL, 0);
    assert_string_equal(logged(), "");
    sg_log_setup(SG_DEBUG, -1, false);
    assert_false(sg_log_wants(SG_EV_run_aborted));
    SG_LOG(run_aborted, SG_F_INT("n", 1));
}

static void test_values_are_quoted_when_they_could_be_misread(void **state) {
    (void)state;
    begin(SG_INFO, false);
    SG_LOG(progress, SG_F_STR("a", SG_STR("")), SG_F_STR("b", SG_STR("x y")), SG_F_STR("c", SG_STR("say \"hi\"")),
           SG_F_STR("d", SG_STR("k=v")), SG_F_STR("e", SG_STR("a\\b")), SG_F_STR("f", SG_STR("a\\ b")),
           SG_F_STR("g", SG_STR("gr\xC3\xBC\xC3\x9F")));
    assert_string_equal(logged(), "03:04:05 progress  a=\"\" b=\"x y\" c=\"say \\\"hi\\\"\" d=\"k=v\" e=a\\b "
                                  "f=\"a\\\\ b\" g=gr\xC3\xBC\xC3\x9F\n");
}

static void test_a_terminal_sees_no_control_characters(void **state) {
    (void)state;
    begin(SG_INFO, false);
    SG_LOG(progress, SG_F_STR("a", SG_STR("l1\nl2\t\x1B[2J\x7F")), SG_F_STR("b", SG_STR("\xC2\x9B" "1m")),
           SG_F_STR("c", SG_STR("\xFF\xC3")), SG_F_STR("d", SG_STR("nul\0")));
    assert_string_equal(logged(), "03:04:05 progress  a=\"l1\\nl2\\x09\\x1b[2J\\x7f\" b=\"\\xc2\\x9b1m\" "
                                  "c=\"\\xff\\xc3\" d=\"nul\\x00\"\n");
}

static void test_secrets_are_named_even_where_they_would_be_escaped(void **state) {
    (void)state;
    sg_redact_add(SG_STR("API_KEY"), SG_STR("sk-\"quoted\"-secret"));
    begin(SG_INFO, false);
    SG_LOG(progress, SG_F_STR("url", SG_STR("https://x/?k=sk-\"quoted\"-secret")));
    assert_string_equal(logged(), "03:04:05 progress  url=\"https://x/?k=[API_KEY]\"\n");
    begin(SG_INFO, true);
    SG_LOG(progress, SG_F_STR("url", SG_STR("k=sk-\"quoted\"-secret")));
    assert_non_null(strstr(logged(), "\"url\":\"k=[API_KEY]\"}"));
}

#define THREADS 4
#define LINES_EACH 200

static void *log_many_lines(void *arg) {
    char text[600];
    memset(text, *(const char *)arg, sizeof text);
    for (int i = 0; i < LINES_EACH; i++) SG_LOG(progress, SG_F_STR("x", ((struct sg_str){text, sizeof text})));
    return NULL;
}

static void test_lines_of_several_threads_stay_whole(void **state) {
    (void)state;
    begin(SG_INFO, false);
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_many_lines, (void *)(uintptr_t)&"abcd"[i]), 0);
    for (size_t i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    size_t count = 0, prefix = strlen("03:04:05 progress  x=");
    for (const char *p = logged(), *end; *p; p = end + 1, count++) {
        end = strchr(p, '\n');
        assert_non_null(end);
        assert_int_equal(end - p, prefix + 600);
        for (const char *q = p + prefix; q < end; q++) assert_int_equal(*q, p[prefix]);
    }
    assert_int_equal(count, THREADS * LINES_EACH);
}

static struct sg_buf taken;

static void take_line(void *ud, enum sg_event ev, struct sg_str line) {
    assert_ptr_equal(ud, &taken);
    sg_buf_printf(&taken, "%d ", ev == SG_EV_progress);
    sg_buf_str(&taken, line);
}

static void test_a_panel_gets_the_text_and_a_file_the_json(void **state) {
    (void)state;
    const struct sg_log_taker to = {take_line, &taken};
    taken = SG_BUF_INIT(0);
    begin(SG_INFO, false);
    sg_log_show(to);
    SG_LOG(progress, SG_F_INT("ok", 1), SG_F_JSON(SG_STR("\"ok\":1,\"all\":[2]")));
    SG_LOG(summary, SG_F_JSON(SG_STR("\"state\":\"finished\"")));
    sg_buf_ch(&taken, 0);
    assert_string_equal(taken.p, "1 03:04:05 progress  ok=1\n");
    sg_buf_reset(&taken, 1 << 16);
    begin(SG_INFO, false);
    sg_log_keep(to);
    sg_log_life(3);
    SG_LOG(node_step, SG_F_INT("n", 1)); /* below the level */
    SG_LOG(progress, SG_F_INT("ok", 1), SG_F_JSON(SG_STR("\"ok\":1,\"all\":[2]")));
    SG_LOG(run_stopping, SG_F_STR("reason", SG_STR("a")));
    sg_buf_ch(&taken, 0);
    assert_string_equal(taken.p, "1 {\"ts\":\"2026-01-02T03:04:05.678Z\",\"level\":\"info\",\"event\":\"progress\","
                                 "\"life\":3,\"ok\":1,\"all\":[2]}\n"
                                 "0 {\"ts\":\"2026-01-02T03:04:05.678Z\",\"level\":\"warning\",\"event\":\"run_stopping\","
                                 "\"life\":3,\"reason\":\"a\"}\n");
    assert_string_equal(logged(), "03:04:05 progress  ok=1\n03:04:05 warning: stopping  reason=a\n");
    sg_log_setup(SG_INFO, -1, false);
    sg_buf_fini(&taken);
}

static void test_a_closed_descriptor_does_no_harm(void **state) {
    (void)state;
    sg_log_setup(SG_INFO, 987, false);
    SG_LOG(progress, SG_F_INT("n", 1));
    sg_log_setup(SG_INFO, -1, false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_has_the_time_the_level_and_the_fields),
        cmocka_unit_test(test_json_has_the_same_under_fixed_names),
        cmocka_unit_test(test_every_json_line_can_be_read_back),
        cmocka_unit_test(test_levels_below_the_lowest_are_dropped),
        cmocka_unit_test(test_values_are_quoted_when_they_could_be_misread),
        cmocka_unit_test(test_a_terminal_sees_no_control_characters),
        cmocka_unit_test(test_secrets_are_named_even_where_they_would_be_escaped),
        cmocka_unit_test(test_lines_of_several_threads_stay_whole),
        cmocka_unit_test(test_a_panel_gets_the_text_and_a_file_the_json),
        cmocka_unit_test(test_a_closed_descriptor_does_no_harm),
    };
    return cmocka_run_group_tests(tests, stop_the_clock, NULL);
}
