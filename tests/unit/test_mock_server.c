/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about the mock server, asked by our own client in the same loop. */
#include "mock/mock.h"
#include "net/loop_ops.h"
#include "net/net.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
/* cmocka wants the one with jumps before it */
#include <cmocka.h>

static struct sg_loop *loop;
static struct sg_http_client *client;
static struct sg_mock *mock;
static struct sg_arena arena;
static struct sg_mock_options options;
static size_t expected;

static int set_up(void **state) {
    (void)state;
    options = (struct sg_mock_options){.retry_after_s = -1, .seed = 1};
    expected = 0;
    sg_loop_open_uv(&loop, 1, NULL);
    return sg_http_open(loop, NULL, &client);
}

static int tear_down(void **state) {
    (void)state;
    sg_http_close(client);
    sg_mock_close(mock);
    mock = NULL;
    sg_loop_close(loop);
    sg_arena_fini(&arena);
    return 0;
}

static void start_mock(void) {
    struct sg_err err;
    if (sg_mock_open(loop, &options, &mock, &err) != 0) fail_msg("%s", err.text);
}

struct asked {
    struct sg_exchange x;
    struct sg_url url;
    struct sg_str question;
    bool get;
    int done, status, http;
    int64_t retry_after_ms;
    uint64_t took_ns, began_ns;
    size_t order;
    struct sg_str text;    /* the reply's body */
    struct sg_json answer; /* the same as JSON, null when it is none */
};

static int write_request(struct sg_exchange *x, struct sg_buf *out) {
    struct asked *a = x->ud;
    if (a->get) {
        sg_buf_printf(out, "GET %.*s HTTP/1.1\r\nHost: x\r\n\r\n", SG_ARG(a->url.path));
        return 0;
    }
    size_t mark = sg_http_request_head(out, &a->url, SG_STR("Authorization: Bearer x\r\n"));
    sg_buf_str(out, a->question);
    sg_http_request_end(out, mark);
    return 0;
}

static size_t finished;

static void on_done(struct sg_exchange *x, int status, const struct sg_http_reply *reply, const struct sg_err *err) {
    struct asked *a = x->ud;
    (void)err;
    a->done++;
    a->order = finished++;
    a->status = status;
    a->took_ns = sg_loop_now_ns(loop) - a->began_ns;
    if (reply) {
        a->http = reply->status;
        a->retry_after_ms = reply->retry_after_ms;
        a->text = sg_str_dup(&arena, reply->body);
        if (sg_json_parse(&arena, a->text, &a->answer, NULL, NULL) != 0) a->answer = sg_json_null();
    }
    if (--expected == 0) sg_loop_stop(loop);
}

static void start(struct asked *a, const char *path, const char *question) {
    struct sg_str text = sg_str_printf(&arena, "http://127.0.0.1:%u%s", sg_mock_port(mock), path);
    assert_int_equal(sg_url_parse(&arena, text, &a->url, NULL), 0);
    a->get = question == NULL;
    a->question = sg_str(question);
    a->x.endpoint = sg_http_endpoint(client, &a->url, NULL);
    a->x.write = write_request;
    a->x.on_done = on_done;
    a->x.ud = a;
    a->began_ns = sg_loop_now_ns(loop);
    expected++;
    sg_exchange_start(&a->x);
}

static struct asked ask_at(const char *path, const char *question) {
    struct asked a = {0};
    start(&a, path, question);
    sg_loop_run(loop);
    assert_int_equal(a.done, 1);
    return a;
}

#define CHAT "/v1/chat/completions"
#define USER(text) "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":\"" text "\"}]}"

static struct asked chat(const char *question) {
    return ask_at(CHAT, question);
}

/* "choices.0.message.content" */
static const struct sg_json *at(const struct sg_json *v, const char *path) {
    while (v && *path) {
        size_t n = strcspn(path, ".");
        if (v->type == SG_JSON_ARRAY)
            v = (uint32_t)atoi(path) < v->n ? &v->items[atoi(path)] : NULL;
        else
            v = sg_json_get(v, (struct sg_str){path, n});
        path += n + (path[n] == '.');
    }
    return v;
}

static struct sg_str text_at(const struct asked *a, const char *path) {
    const struct sg_json *v = at(&a->answer, path);
    if (!v || v->type != SG_JSON_STRING) fail_msg("no text at %s of %.*s", path, SG_ARG(a->text));
    return sg_json_text(v);
}

static int64_t number_in(const struct sg_json *v, const char *path) {
    int64_t n = -1;
    const struct sg_json *found = at(v, path);
    if (!found || !sg_json_to_i64(found, &n)) fail_msg("no number at %s", path);
    return n;
}

static int64_t stat_of(const char *path) {
    struct sg_buf b = SG_BUF_INIT(100000);
    struct sg_json v;
    sg_mock_stats(mock, &b);
    assert_int_equal(sg_json_parse(&arena, sg_buf_view(&b), &v, NULL, NULL), 0);
    int64_t n = number_in(&v, path);
    sg_buf_fini(&b);
    return n;
}

static void assert_text(struct sg_str got, const char *want) {
    if (!sg_str_eq(got, sg_str(want))) fail_msg("'%.*s' instead of '%s'", SG_ARG(got), want);
}

#define CONTENT "choices.0.message.content"

static void test_a_reply_is_a_chat_completion(void **state) {
    (void)state;
    start_mock();
    struct asked a = chat(USER("hello"));
    assert_int_equal(a.http, 200);
    assert_text(text_at(&a, "object"), "chat.completion");
    assert_text(text_at(&a, "model"), "m");
    assert_text(text_at(&a, "choices.0.finish_reason"), "stop");
    assert_text(text_at(&a, "choices.0.message.role"), "assistant");
    assert_true(text_at(&a, CONTENT).n > 100);
    int64_t in = number_in(&a.answer, "usage.prompt_tokens"), out = number_in(&a.answer, "usage.completion_tokens");
    assert_true(out >= 30 && out <= 90);
    assert_int_equal(number_in(&a.answer, "usage.total_tokens"), in + out);
}

static void test_equal_questions_get_equal_bytes_whatever_else_they_say(void **state) {
    (void)state;
    start_mock();
    struct asked a = chat(USER("hello"));
    struct asked same = chat("{\"temperature\":0.5,\"messages\":[{\"content\":[{\"type\":\"text\",\"text\":\"hello\"}],"
                             "\"role\":\"user\"}],\"seed\":4,\"model\":\"m\"}");
    struct asked without_v1 = ask_at("/chat/completions", USER("hello"));
    struct asked azure = ask_at("/openai/deployments/m/chat/completions?api-version=1",
                                "{\"messages\":[{\"role\":\"user\",\"content\":\"hello\"}]}");
    struct asked azure_v1 = ask_at("/openai/v1/chat/completions", USER("hello"));
    struct asked other = chat(USER("hallo"));
    assert_true(sg_str_eq(a.text, same.text));
    assert_true(sg_str_eq(a.text, azure_v1.text));
    assert_true(sg_str_eq(a.text, without_v1.text));
    assert_true(sg_str_eq(a.text, azure.text));
    assert_false(sg_str_eq(a.text, other.text));
    assert_int_equal(stat_of("distinct"), 2);
    assert_int_equal(stat_of("duplicates"), 4);
    assert_int_equal(stat_of("duplicates_after_ok"), 4);
}

static void test_max_tokens_cuts_and_n_multiplies(void **state) {
    (void)state;
    start_mock();
    struct asked a = chat("{\"model\":\"m\",\"n\":3,\"max_completion_tokens\":7,\"messages\":[{\"role\":\"user\","
                          "\"content\":\"x\"}]}");
    assert_int_equal(at(&a.answer, "choices")->n, 3);
    assert_text(text_at(&a, "choices.2.finish_reason"), "length");
    assert_int_equal(number_in(&a.answer, "usage.completion_tokens"), 21);
    assert_false(sg_str_eq(text_at(&a, CONTENT), text_at(&a, "choices.1.message.content")));
}

static void test_an_echo_model_says_the_last_user_message(void **state) {
    (void)state;
    start_mock();
    struct asked a = chat("{\"model\":\"my-echo\",\"messages\":[{\"role\":\"user\",\"content\":\"one\"},"
                          "{\"role\":\"assistant\",\"content\":\"two\"},{\"role\":\"user\",\"content\":\"a \\\"b\\\" \\n c\"},"
                          "{\"role\":\"assistant\",\"content\":null}]}");
    assert_text(text_at(&a, CONTENT), "a \"b\" \n c");
}

static void test_completions_answer_a_prompt(void **state) {
    (void)state;
    start_mock();
    struct asked a = ask_at("/v1/completions", "{\"model\":\"echo\",\"prompt\":\"say this\"}");
    assert_text(text_at(&a, "choices.0.text"), "say this");
    assert_text(text_at(&a, "object"), "text_completion");
}

static void test_json_is_given_when_asked_for(void **state) {
    (void)state;
    start_mock();
    struct sg_json v;
    struct asked a = chat("{\"model\":\"m\",\"response_format\":{\"type\":\"json_object\"},"
                          "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
    assert_int_equal(sg_json_parse(&arena, text_at(&a, CONTENT), &v, NULL, NULL), 0);
    assert_int_equal(v.type, SG_JSON_OBJECT);
    a = chat("{\"model\":\"m\",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{\"type\":"
             "\"object\",\"properties\":{\"n\":{\"type\":\"integer\",\"minimum\":3,\"maximum\":4},\"who\":{\"enum\":"
             "[\"you\"]},\"list\":{\"type\":\"array\",\"minItems\":2,\"maxItems\":2,\"items\":{\"$ref\":\"#/$defs/B\"}}},"
             "\"$defs\":{\"B\":{\"type\":\"boolean\"}}}}},\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
    assert_int_equal(sg_json_parse(&arena, text_at(&a, CONTENT), &v, NULL, NULL), 0);
    assert_in_range(number_in(&v, "n"), 3, 4);
    assert_true(sg_json_is_text(at(&v, "who"), SG_STR("you")));
    assert_in_range(at(&v, "list.1")->type, SG_JSON_FALSE, SG_JSON_TRUE);
}

static void test_a_schema_that_contains_itself_ends(void **state) {
    (void)state;
    start_mock();
    struct asked a = chat("{\"model\":\"m\",\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{"
                          "\"$ref\":\"#/$defs/A\",\"$defs\":{\"A\":{\"properties\":{\"a\":{\"$ref\":\"#/$defs/A\"},\"b\":"
                          "{\"$ref\":\"#/$defs/A\"},\"c\":{\"$ref\":\"#/$defs/A\"},\"d\":{\"$ref\":\"#/$defs/A\"}}}}}}},"
                          "\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}");
    struct sg_json v;
    assert_int_equal(sg_json_parse(&arena, text_at(&a, CONTENT), &v, NULL, NULL), 0);
}

static void test_bad_requests_are_refused_in_openais_words(void **state) {
    (void)state;
    start_mock();
    static const char *const BAD[] = {"", "{", "[]", "{}", "{\"model\":\"m\"}", "{\"model\":\"m\",\"messages\":[]}",
                                      "{\"model\":\"m\",\"messages\":[1]}", "{\"model\":\"m\",\"messages\":[{}]}",
                                      "{\"model\":\"m\",\"n\":0,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
                                      "{\"model\":\"m\",\"stream\":true,\"messages\":[{\"role\":\"user\"}]}"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct asked a = chat(BAD[i]);
        assert_int_equal(a.http, 400);
        assert_text(text_at(&a, "error.type"), "invalid_request_error");
    }
    assert_int_equal(ask_at("/nowhere", "{}").http, 404);
    assert_int_equal(ask_at(CHAT, NULL).http, 405);
    assert_int_equal(stat_of("by_status.400"), 10);
    assert_int_equal(stat_of("requests"), 0);
}

static void test_plain_paths_answer(void **state) {
    (void)state;
    start_mock();
    struct asked a = ask_at("/v1/models", NULL);
    assert_text(text_at(&a, "data.0.object"), "model");
    assert_int_equal(ask_at("/health", NULL).http, 200);
    chat(USER("x"));
    a = ask_at("/__stats", NULL);
    assert_int_equal(number_in(&a.answer, "requests"), 1);
    assert_int_equal(number_in(&a.answer, "by_status.200"), 1);
    assert_int_equal(number_in(&a.answer, "with_auth"), 1);
    assert_int_equal(number_in(&a.answer, "max_connections"), 1);
    assert_true(number_in(&a.answer, "first_request_ns") > 0);
    assert_int_equal(ask_at("/__reset", "").http, 200);
    assert_int_equal(stat_of("requests"), 0);
    assert_int_equal(stat_of("open_connections"), 1);
}

static void test_capacity_queues_first_come_first_served(void **state) {
    (void)state;
    options.capacity = 2;
    options.latency_ms = 20;
    start_mock();
    enum { N = 8 };
    struct asked a[N];
    memset(a, 0, sizeof a);
    finished = 0;
    for (size_t i = 0; i < N; i++) {
        char text[128];
        snprintf(text, sizeof text, USER("q%zu"), i);
        start(&a[i], CHAT, sg_str_dup(&arena, sg_str(text)).p);
    }
    sg_loop_run(loop);
    for (size_t i = 0; i < N; i++) assert_int_equal(a[i].order, i);
    assert_true(a[N - 1].took_ns >= SG_MS(80));
    assert_int_equal(stat_of("max_serving"), 2);
    assert_int_equal(stat_of("max_in_flight"), N);
    assert_int_equal(stat_of("in_flight"), 0);
    assert_int_equal(stat_of("serving"), 0);
}

struct tally {
    int ok, reset, error_status, html, error_body, timeout;
};

static struct tally ask_many(size_t n, uint32_t timeout_ms) {
    struct tally t = {0};
    struct asked *a = calloc(n, sizeof *a);
    for (size_t i = 0; i < n; i++) {
        char text[128];
        snprintf(text, sizeof text, USER("q%zu"), i);
        a[i].x.timeout_ms = timeout_ms;
        start(&a[i], CHAT, sg_str_dup(&arena, sg_str(text)).p);
    }
    sg_loop_run(loop);
    for (size_t i = 0; i < n; i++) {
        t.timeout += a[i].status == SG_E_TIMEOUT;
        t.reset += a[i].status == SG_E_RESET;
        t.error_status += a[i].http >= 400;
        t.html += a[i].http == 200 && a[i].answer.type != SG_JSON_OBJECT;
        t.error_body += a[i].http == 200 && at(&a[i].answer, "error");
        t.ok += a[i].http == 200 && at(&a[i].answer, "choices");
    }
    free(a);
    return t;
}

static void test_faults_come_in_their_shares(void **state) {
    (void)state;
    options.fail_rate = options.reset_rate = options.truncate_rate = 0.1;
    options.garbage_rate = options.hang_rate = options.error_body_rate = 0.1;
    options.fail_status = "500:1,429:1,503:2";
    options.fault_attempts = 1;
    start_mock();
    struct tally t = ask_many(400, 1500);
    assert_in_range(t.ok, 100, 220);
    assert_in_range(t.error_status, 20, 70);
    assert_in_range(t.html, 20, 70);
    assert_in_range(t.error_body, 20, 70);
    assert_in_range(t.timeout, 20, 70);
    assert_int_equal(t.ok + t.error_status + t.html + t.error_body + t.timeout + t.reset, 400);
    assert_int_equal(stat_of("truncated") > 20, 1);
    assert_int_equal(stat_of("by_status.503") > stat_of("by_status.429"), 1);
    assert_int_equal(stat_of("never_ok"), 400 - t.ok);
    struct tally second = ask_many(400, 1500); /* only the first attempt may fail */
    assert_int_equal(second.ok, 400);
    assert_int_equal(stat_of("never_ok"), 0);
    assert_int_equal(stat_of("duplicates_after_ok"), t.ok);
}

static void test_one_fault_alone(void **state) {
    (void)state;
    options.reset_rate = 1;
    start_mock();
    assert_int_equal(ask_many(5, 0).reset, 5);
    assert_int_equal(stat_of("reset"), 5);
}

static void test_a_truncated_reply_is_seen_as_lost(void **state) {
    (void)state;
    options.truncate_rate = 1;
    start_mock();
    assert_int_equal(ask_many(5, 0).reset, 5);
    assert_int_equal(stat_of("truncated"), 5);
}

static void test_429_says_when_to_come_back_and_takes_no_slot(void **state) {
    (void)state;
    options.fail_rate = 1;
    options.fail_status = "429";
    options.retry_after_s = 3;
    options.latency_ms = 60000;
    start_mock();
    struct asked a = chat(USER("x"));
    assert_int_equal(a.http, 429);
    assert_int_equal(a.retry_after_ms, 3000);
    assert_text(text_at(&a, "error.code"), "rate_limit_exceeded");
    assert_int_equal(stat_of("max_serving"), 0);
}

static char *script_file(const char *text) {
    static char path[] = "/tmp/sygra-mock-XXXXXX";
    memcpy(path + sizeof path - 7, "XXXXXX", 6);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    return path;
}

static void test_the_first_rule_that_fits_wins(void **state) {
    (void)state;
    char *path = script_file("{\"match\":\"flaky\",\"status\":503,\"times\":2}\n\n"
                             "{\"match\":\"flaky\",\"model\":\"other\",\"reply\":\"wrong\"}\n"
                             "{\"match\":\"flaky\",\"reply\":\"fine \\\"now\\\"\"}\r\n"
                             "{\"match\":\"\",\"json\":{\"score\": 4}}");
    options.script = path;
    start_mock();
    unlink(path);
    assert_int_equal(chat(USER("a flaky one")).http, 503);
    assert_int_equal(chat(USER("a flaky one")).http, 503);
    struct asked a = chat(USER("a flaky one"));
    assert_text(text_at(&a, CONTENT), "fine \"now\"");
    a = chat(USER("else"));
    assert_text(text_at(&a, CONTENT), "{\"score\":4}");
    ask_at("/__reset", "");
    assert_int_equal(chat(USER("a flaky one")).http, 503);
}

static void test_a_script_gives_calls_of_tools(void **state) {
    (void)state;
    char *path = script_file("{\"match\":\"add\",\"tool_calls\":[{\"name\":\"add\",\"arguments\":{\"a\": 2}},"
                             "{\"name\":\"odd\",\"arguments\":\"no JSON\"}]}");
    options.script = path;
    start_mock();
    unlink(path);
    struct asked a = chat(USER("add it"));
    assert_int_equal(at(&a.answer, CONTENT)->type, SG_JSON_NULL);
    assert_text(text_at(&a, "choices.0.finish_reason"), "tool_calls");
    assert_text(text_at(&a, "choices.0.message.tool_calls.0.type"), "function");
    assert_text(text_at(&a, "choices.0.message.tool_calls.0.function.name"), "add");
    assert_text(text_at(&a, "choices.0.message.tool_calls.0.function.arguments"), "{\"a\":2}");
    assert_text(text_at(&a, "choices.0.message.tool_calls.1.function.arguments"), "no JSON");
    struct sg_str one = text_at(&a, "choices.0.message.tool_calls.0.id"), two = text_at(&a, "choices.0.message.tool_calls.1.id");
    assert_false(sg_str_eq(one, two));
}

static void test_a_bad_script_names_its_line(void **state) {
    (void)state;
    static const char *const BAD[] = {"{\"match\":\"x\"}", "{\"reply\":1}", "[1]", "{\"match\":", "{\"status\":200}",
                                      "{\"reply\":\"a\",\"status\":500}", "{\"reply\":\"a\",\"times\":-1}",
                                      "{\"tool_calls\":[]}", "{\"tool_calls\":[{\"name\":\"f\"}]}", "{\"tool_calls\":[7]}"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        char text[128];
        struct sg_err err;
        snprintf(text, sizeof text, "{\"reply\":\"fine\"}\n%s\n", BAD[i]);
        options.script = script_file(text);
        assert_true(sg_mock_open(loop, &options, &mock, &err) < 0);
        unlink(options.script);
        assert_non_null(strstr(err.text, "line 2"));
    }
}

static void test_bad_options_are_refused(void **state) {
    (void)state;
    struct sg_err err;
    options.host = "0.0.0.0";
    assert_int_equal(sg_mock_open(loop, &options, &mock, &err), SG_E_USAGE);
    options.host = NULL;
    options.fail_status = "200:1";
    assert_int_equal(sg_mock_open(loop, &options, &mock, &err), SG_E_USAGE);
    options.fail_status = "500:x";
    assert_int_equal(sg_mock_open(loop, &options, &mock, &err), SG_E_USAGE);
    options.fail_status = NULL;
    options.fail_rate = 0.7;
    options.hang_rate = 0.7;
    assert_int_equal(sg_mock_open(loop, &options, &mock, &err), SG_E_USAGE);
}

static void test_the_log_has_a_line_for_each_request(void **state) {
    (void)state;
    char *path = script_file("");
    options.log = path;
    start_mock();
    for (int i = 0; i < 3; i++) chat(USER("x"));
    sg_mock_close(mock);
    mock = NULL;
    struct sg_str text;
    assert_int_equal(sg_os_read_file(&arena, path, 10000, &text, NULL), 0);
    unlink(path);
    struct sg_json v;
    for (int64_t i = 1; i <= 3; i++) {
        size_t end = sg_str_find(text, '\n', 0);
        assert_int_equal(sg_json_parse(&arena, (struct sg_str){text.p, end}, &v, NULL, NULL), 0);
        assert_int_equal(number_in(&v, "attempt"), i);
        assert_int_equal(number_in(&v, "status"), 200);
        text.p += end + 1;
        text.n -= end + 1;
    }
    assert_int_equal(text.n, 0);
}

static void test_lognormal_latency_has_the_mean_that_is_said(void **state) {
    (void)state;
    options.latency_ms = 200;
    options.latency_sigma = 0.5;
    options.log = script_file("");
    start_mock();
    enum { N = 200 };
    assert_int_equal(ask_many(N, 0).ok, N);
    sg_mock_close(mock);
    mock = NULL;
    struct sg_str text;
    assert_int_equal(sg_os_read_file(&arena, options.log, 1 << 20, &text, NULL), 0);
    unlink(options.log);
    double sum = 0, least = 1e9, most = 0, ms;
    struct sg_json v;
    for (size_t i = 0; i < N; i++) {
        size_t end = sg_str_find(text, '\n', 0);
        assert_int_equal(sg_json_parse(&arena, (struct sg_str){text.p, end}, &v, NULL, NULL), 0);
        assert_true(sg_json_to_double(at(&v, "ms"), &ms));
        text.p += end + 1;
        text.n -= end + 1;
        sum += ms;
        if (ms < least) least = ms;
        if (ms > most) most = ms;
    }
    assert_true(sum / N > 172);
    assert_true(sum / N < 300); /* a busy machine adds */
    assert_true(least < 160);
    assert_true(most > 320);
}

static void test_reply_bytes_sets_the_size(void **state) {
    (void)state;
    options.reply_bytes = 5000;
    start_mock();
    assert_in_range(chat(USER("x")).text.n, 4900, 5100);
    assert_in_range(ask_at(CHAT, "{\"model\":\"m\",\"n\":4,\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}").text.n,
                    4500, 5500);
}

/* --- by hand, without our client ------------------------------------------------------------------------------------- */

struct raw {
    struct sg_stream *s;
    struct sg_buf got;
    struct sg_str send;
    size_t piece, stop_after; /* replies to wait for */
    struct sg_timer timer;
    int ended;
};

static void on_raw_send(struct sg_timer *t) {
    struct raw *r = t->ud;
    size_t n = r->piece && r->piece < r->send.n ? r->piece : r->send.n;
    if (n) sg_stream_write(r->s, r->send.p, n);
    r->send.p += n;
    r->send.n -= n;
    if (r->send.n) sg_timer_start(loop, t, 0);
}

static void on_raw_open(void *ud, int status) {
    struct raw *r = ud;
    assert_int_equal(status, 0);
    on_raw_send(&r->timer);
}

static void on_raw_data(void *ud, const char *p, size_t n, int status) {
    struct raw *r = ud;
    (void)status;
    r->ended += n == 0;
    sg_buf_add(&r->got, p, n);
    size_t replies = 0;
    for (size_t i = 0; i + 8 <= r->got.n; i++) replies += memcmp(r->got.p + i, "HTTP/1.1", 8) == 0;
    if (n == 0 || (r->stop_after && replies >= r->stop_after)) sg_loop_stop(loop);
}

static struct raw talk(const char *send, size_t piece, size_t stop_after) {
    static const struct sg_stream_events EVENTS = {.on_open = on_raw_open, .on_data = on_raw_data};
    struct raw r = {.send = sg_str(send), .piece = piece, .stop_after = stop_after, .got = SG_BUF_INIT(1 << 20)};
    r.timer = (struct sg_timer){.on_fire = on_raw_send, .ud = &r};
    struct sg_resolve found = {0};

    assert_true(sg_resolve_directly(&found, SG_STR("127.0.0.1"), sg_mock_port(mock)));
    assert_int_equal(sg_stream_connect(loop, &found.addresses[0], &EVENTS, &r, &r.s), 0);
    sg_loop_run(loop);
    sg_timer_stop(loop, &r.timer);
    sg_stream_close(r.s);
    sg_buf_ch(&r.got, '\0');
    return r;
}

#define CHUNKED_REQUEST                                                                                               \
    "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{\"model\":\"echo\",\r\n"  \
    "33\r\n\"messages\":[{\"role\":\"user\",\"content\":\"in chunks\"}]}\r\n0\r\n\r\n"

static void test_requests_in_pieces_and_in_chunks_are_read(void **state) {
    (void)state;
    start_mock();
    for (size_t piece = 0; piece <= 64; piece = piece * 2 + 1) {
        struct raw r = talk(CHUNKED_REQUEST CHUNKED_REQUEST, piece, 2);
        assert_non_null(strstr(r.got.p, "\"in chunks\""));
        sg_buf_fini(&r.got);
    }
    assert_int_equal(stat_of("in_flight"), 0);
}

static void test_expect_continue_is_answered(void **state) {
    (void)state;
    start_mock();
    struct raw r = talk("POST /v1/chat/completions HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n", 0, 1);
    assert_string_equal(r.got.p, "HTTP/1.1 100 Continue\r\n\r\n");
    sg_buf_fini(&r.got);
    r = talk("POST /__reset HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\nhello", 0, 1);
    assert_non_null(strstr(r.got.p, "200 OK"));
    sg_buf_fini(&r.got);
}

static void test_what_is_no_request_is_refused_and_the_connection_ends(void **state) {
    (void)state;
    start_mock();
    static const char *const BAD[] = {"hello\r\n\r\n", "GET /\r\n\r\n", "GET / HTTP/1.1\nHost: x\n\n",
                                      "GET / HTTP/1.1\r\r\n\r\n",
                                      "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n",
                                      "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
                                      "POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                                      "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct raw r = talk(BAD[i], 0, 0);
        assert_non_null(strstr(r.got.p, "HTTP/1.1 400"));
        assert_int_equal(r.ended, 1);
        sg_buf_fini(&r.got);
    }
}

static void test_connection_close_is_followed(void **state) {
    (void)state;
    start_mock();
    struct raw r = talk("GET /health HTTP/1.1\r\nConnection: close\r\n\r\n", 0, 0);
    assert_non_null(strstr(r.got.p, "Connection: close"));
    assert_int_equal(r.ended, 1);
    sg_buf_fini(&r.got);
    r = talk("GET /health HTTP/1.0\r\n\r\n", 0, 0);
    assert_int_equal(r.ended, 1);
    sg_buf_fini(&r.got);
}

static void test_a_client_that_leaves_frees_its_slot(void **state) {
    (void)state;
    options.capacity = 1;
    options.latency_ms = 400;
    start_mock();
    struct asked gone[3] = {{.status = 0}}, last = {0};
    for (size_t i = 0; i < 3; i++) {
        gone[i].x.timeout_ms = i == 2 ? 0 : 100;
        start(&gone[i], CHAT, USER("x"));
    }
    start(&last, CHAT, USER("y"));
    sg_loop_run(loop);
    assert_int_equal(gone[0].status, SG_E_TIMEOUT);
    assert_int_equal(last.http, 200);
    assert_int_equal(stat_of("client_gone"), 2);
    assert_int_equal(stat_of("answered"), 2);
    assert_int_equal(stat_of("serving"), 0);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_a_reply_is_a_chat_completion),
        T(test_equal_questions_get_equal_bytes_whatever_else_they_say),
        T(test_max_tokens_cuts_and_n_multiplies),
        T(test_an_echo_model_says_the_last_user_message),
        T(test_completions_answer_a_prompt),
        T(test_json_is_given_when_asked_for),
        T(test_a_schema_that_contains_itself_ends),
        T(test_bad_requests_are_refused_in_openais_words),
        T(test_plain_paths_answer),
        T(test_capacity_queues_first_come_first_served),
        T(test_lognormal_latency_has_the_mean_that_is_said),
        T(test_faults_come_in_their_shares),
        T(test_one_fault_alone),
        T(test_a_truncated_reply_is_seen_as_lost),
        T(test_429_says_when_to_come_back_and_takes_no_slot),
        T(test_the_first_rule_that_fits_wins),
        T(test_a_script_gives_calls_of_tools),
        T(test_a_bad_script_names_its_line),
        T(test_bad_options_are_refused),
        T(test_the_log_has_a_line_for_each_request),
        T(test_reply_bytes_sets_the_size),
        T(test_requests_in_pieces_and_in_chunks_are_read),
        T(test_expect_continue_is_answered),
        T(test_what_is_no_request_is_refused_and_the_connection_ends),
        T(test_connection_close_is_followed),
        T(test_a_client_that_leaves_frees_its_slot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
