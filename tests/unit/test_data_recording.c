/* SPDX-License-Identifier: Apache-2.0 */
/* Recordings written by hand: which call answers which question. How they are made is in tests/e2e/replay.py. */
#include "test_data.h"

#include "data/recording.h"

static struct sg_recording *recording;
static struct sg_str nearest;

static void load(const char *text) {
    struct sg_err err;
    put_file("calls.jsonl", sg_str(text));
    if (sg_recording_load(in_folder("calls.jsonl"), &recording, &err) < 0) fail_msg("%s", err.text);
}

static const struct sg_past_call *ask(const char *node, uint64_t position, const char *request) {
    const struct sg_past_source *s = sg_recording_source(recording);
    const struct sg_past_question q = {.node = sg_str(node), .position = position, .request = sg_str(request)};
    nearest = SG_STR_NONE;
    assert_true(s->is_all && !s->has(s->ud, position));
    return s->find(s->ud, &q, &nearest);
}

static void expect_reply(const struct sg_past_call *c, const char *text) {
    assert_non_null(c);
    assert_true(c->row.state == SG_CALL_ANSWERED && c->row.has_body);
    assert_text(c->reply.text, sg_str(text));
}

#define BEGIN "{\"recording\":1}\n"
#define CALL(node, position, request, text)                                                                          \
    "{\"node\":\"" node "\",\"position\":" position ",\"request\":" request ",\"reply\":{\"text\":\"" text            \
    "\",\"finish_reason\":\"stop\"},\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}\n"

static void test_a_call_is_found_by_its_node_and_what_it_asks(void **state) {
    (void)state;
    load(BEGIN CALL("a", "0", "{\"x\":1}", "one") "\n" CALL("b", "0", "{\"x\":1}", "two") CALL("a", "1", "{ \"x\": 2 }", "three"));
    expect_reply(ask("a", 7, "{\"x\":1}"), "one");
    expect_reply(ask("b", 7, "{\"x\":1}"), "two");
    expect_reply(ask("a", 7, "{\"x\":2}"), "three");
    const struct sg_past_call *c = ask("a", 7, "{\"x\":2}");
    assert_true(c->reply.usage_known && c->row.prompt_tokens == 3 && c->row.completion_tokens == 4 && c->row.attempts == 1);
    assert_null(ask("c", 0, "{\"x\":1}"));
    assert_int_equal(nearest.n, 0);
    sg_recording_free(recording);
}

static void test_of_equal_requests_the_own_one_answers_or_the_first(void **state) {
    (void)state;
    load(BEGIN CALL("a", "3", "{\"x\":1}", "three") CALL("a", "1", "{\"x\":1}", "one") CALL("a", "2", "{\"x\":1}", "two"));
    expect_reply(ask("a", 1, "{\"x\":1}"), "one");
    expect_reply(ask("a", 2, "{\"x\":1}"), "two");
    expect_reply(ask("a", 9, "{\"x\":1}"), "three");
    sg_recording_free(recording);
}

static void test_the_nearest_request_of_the_node_is_named(void **state) {
    (void)state;
    load(BEGIN CALL("a", "0", "{\"m\":\"say one\"}", "1") CALL("a", "1", "{\"m\":\"sing a song of two\"}", "2")
             CALL("b", "0", "{\"m\":\"say two\"}", "3"));
    assert_null(ask("a", 0, "{\"m\":\"say two\"}"));
    assert_text(nearest, SG_STR("{\"m\":\"say one\"}"));
    assert_null(ask("a", 0, "{\"m\":\"sing a song of three\"}"));
    assert_text(nearest, SG_STR("{\"m\":\"sing a song of two\"}"));
    sg_recording_free(recording);
}

static void test_failures_come_back_as_they_were(void **state) {
    (void)state;
    load(BEGIN "{\"node\":\"a\",\"attempts\":3,\"request\":{},\"failure\":{\"error\":\"busy\",\"message\":\"no room\",\"status\":503}}\n");
    const struct sg_past_call *c = ask("a", 0, "{}");
    assert_true(c && c->row.state == SG_CALL_FAILED && c->failure);
    assert_true(c->failure->code == SG_E_BUSY && c->failure->status == 503 && c->row.attempts == 3);
    assert_string_equal(c->failure->text, "no room");
    sg_recording_free(recording);
}

static void test_what_is_no_recording_is_refused_with_its_line(void **state) {
    (void)state;
    static const char *const texts[][2] = {
        {"", "calls.jsonl:0: is empty"},
        {"{}\n", "calls.jsonl:1: is no recording"},
        {"{\"recording\":9}\n", "another format"},
        {BEGIN "\n{", "calls.jsonl:3: is no JSON object"},
        {BEGIN "[]\n", "calls.jsonl:2: is no JSON object"},
        {BEGIN BEGIN, "calls.jsonl:2: a second beginning"},
        {BEGIN "{\"request\":{},\"reply\":{}}", "calls.jsonl:2: a call needs its `node`"},
        {BEGIN "{\"node\":\"a\",\"request\":[],\"reply\":{}}", "needs its `request`"},
        {BEGIN "{\"node\":\"a\",\"request\":{},\"reply\":{},\"failure\":{}}", "either a `reply` or a `failure`"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct sg_err err;
        put_file("calls.jsonl", sg_str(texts[i][0]));
        assert_true(sg_recording_load(in_folder("calls.jsonl"), &recording, &err) < 0);
        if (!strstr(err.text, texts[i][1])) fail_msg("<%s> lacks <%s>", err.text, texts[i][1]);
    }
    struct sg_err err;
    assert_int_equal(sg_recording_load(in_folder("none.jsonl"), &recording, &err), SG_E_IO);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_call_is_found_by_its_node_and_what_it_asks),
        cmocka_unit_test(test_of_equal_requests_the_own_one_answers_or_the_first),
        cmocka_unit_test(test_the_nearest_request_of_the_node_is_named),
        cmocka_unit_test(test_failures_come_back_as_they_were),
        cmocka_unit_test(test_what_is_no_recording_is_refused_with_its_line),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
