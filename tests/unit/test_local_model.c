/* SPDX-License-Identifier: Apache-2.0 */
/* The embedded model, with the demo model of build/deps. The form of replies is asserted, never their text: it
 * differs between CPUs (design section 7). Replies are a few tokens long, since sanitizer builds run this on loaded
 * machines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "local/local.h"

#define CONTEXT 128
#define MODEL "build/deps/models/SmolLM2-135M-Instruct.Q4_1.gguf"

/* --- asking ----------------------------------------------------------------------------------------------------- */

static struct sg_arena arena;
static struct sg_loop *loop;
static struct sg_local *model;  /* three sequences; most tests share it, for it takes 0.2 s to load */
static struct sg_local *single; /* one sequence: the same request gets the same reply */
static int answered, wanted;   /* the loop stops when all wanted answers are there */

struct ask {
    struct sg_local_request request;
    struct sg_json messages, stop;
    int calls, status, place; /* place: 1 for the first answer */
    struct sg_err err;
    const char *text, *finish_reason;
    uint32_t prompt_tokens, completion_tokens, reused_tokens;
    void (*also)(struct ask *a); /* run inside the callback */
    void *also_ud;
    struct sg_local *also_model;
};

static void on_answer(struct sg_local_request *r, int status, const struct sg_local_result *res,
                      const struct sg_err *err) {
    struct ask *a = r->ud;
    a->calls++;
    a->status = status;
    a->place = ++answered;
    if (status) {
        a->err = *err;
    } else {
        assert_true(sg_utf8_valid(res->text, NULL));
        a->text = sg_str_dup(&arena, res->text).p;
        a->finish_reason = res->finish_reason;
        a->prompt_tokens = res->prompt_tokens;
        a->completion_tokens = res->completion_tokens;
        a->reused_tokens = res->reused_tokens;
    }
    if (a->also) a->also(a);
    if (answered >= wanted) sg_loop_stop(loop);
}

static struct sg_json json(const char *text) {
    struct sg_json v;
    assert_int_equal(sg_json_parse(&arena, sg_str(text), &v, NULL, NULL), 0);
    return v;
}

static struct ask *make(const char *messages, uint32_t max_tokens) {
    struct ask *a = SG_NEW(&arena, struct ask);
    a->messages = json(messages);
    a->request = (struct sg_local_request){.messages = &a->messages, .on_done = on_answer, .ud = a, .temperature = 0,
                                           .top_p = -1, .min_p = -1, .repeat_penalty = -1, .top_k = -1,
                                           .max_tokens = max_tokens};
    return a;
}

#define SEA "[{\"role\":\"user\",\"content\":\"Tell me about the sea.\"}]"

static void wait_for(int n) {
    wanted = answered + n;
    sg_loop_run(loop);
    assert_int_equal(answered, wanted);
}

static void ask_and_wait(struct sg_local *m, struct ask *a) {
    sg_local_start(m, &a->request);
    assert_int_equal(a->calls, 0);
    wait_for(1);
    assert_int_equal(a->calls, 1);
}

static struct ask *ask(const char *messages, uint32_t max_tokens) {
    struct ask *a = make(messages, max_tokens);
    ask_and_wait(model, a);
    return a;
}

static const struct sg_local_options one = {.context = CONTEXT, .deterministic = true};

static struct sg_local *open_model(const struct sg_local_options *o) {
    struct sg_local *m;
    assert_int_equal(sg_local_open(loop, o, &m, NULL), 0);
    return m;
}

static int set_up(void **state) {
    (void)state;
    setenv("SYGRA_HOME", "build/deps", 1);
    sg_log_setup(SG_WARN, 2, false);
    sg_arena_init(&arena, 0);
    if (sg_loop_open_uv(&loop, 1, NULL)) return -1;
    model = open_model(&(struct sg_local_options){.sequences = 3, .context = CONTEXT});
    single = open_model(&one);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    sg_local_close(single);
    sg_local_close(model);
    sg_loop_close(loop);
    sg_arena_fini(&arena);
    return 0;
}

/* --- one request ------------------------------------------------------------------------------------------------ */

static void test_a_reply_has_text_and_counts(void **state) {
    (void)state;
    struct ask *a = ask(SEA, 6);
    assert_int_equal(a->status, 0);
    assert_true(strlen(a->text) > 0);
    assert_in_range(a->prompt_tokens, 5, 40);
    assert_in_range(a->completion_tokens, 1, 6);
}

static void test_max_tokens_ends_a_reply(void **state) {
    (void)state;
    struct ask *a = ask("[{\"role\":\"user\",\"content\":\"Count from one to one hundred.\"}]", 3);
    assert_int_equal(a->status, 0);
    assert_in_range(a->completion_tokens, 1, 3);
    assert_string_equal(a->finish_reason, a->completion_tokens == 3 ? "length" : "stop");
}

static void test_the_context_cuts_max_tokens(void **state) {
    (void)state;
    struct sg_buf b = SG_BUF_INIT(4096);
    SG_BUF_LIT(&b, "[{\"role\":\"user\",\"content\":\"Go on:");
    for (int i = 0; i < CONTEXT - 24; i++) SG_BUF_LIT(&b, " one");
    SG_BUF_LIT(&b, "\"}]");
    struct ask *a = ask(sg_str_dup(&arena, sg_buf_view(&b)).p, 100000);
    assert_int_equal(a->status, 0);
    assert_true(a->prompt_tokens < CONTEXT);
    assert_true(a->prompt_tokens + a->completion_tokens <= CONTEXT);
    if (!strcmp(a->finish_reason, "length")) assert_int_equal(a->prompt_tokens + a->completion_tokens, CONTEXT);
    sg_buf_fini(&b);
}

static void test_a_prompt_over_the_context_is_refused(void **state) {
    (void)state;
    struct sg_buf b = SG_BUF_INIT(8192);
    SG_BUF_LIT(&b, "[{\"role\":\"user\",\"content\":\"");
    for (int i = 0; i < 2 * CONTEXT; i++) SG_BUF_LIT(&b, " one");
    SG_BUF_LIT(&b, "\"}]");
    struct ask *a = ask(sg_str_dup(&arena, sg_buf_view(&b)).p, 4);
    assert_int_equal(a->status, SG_E_LIMIT);
    assert_non_null(strstr(a->err.text, "context is 128"));
    sg_buf_fini(&b);
}

static void test_a_stop_text_ends_a_reply(void **state) {
    (void)state;
    struct ask *whole = make(SEA, 6);
    ask_and_wait(single, whole);
    assert_true(strlen(whole->text) > 6);
    struct ask *cut = make(SEA, 6);
    cut->stop = sg_json_string(sg_str(whole->text + strlen(whole->text) / 2));
    cut->request.stop = &cut->stop;
    ask_and_wait(single, cut);
    assert_string_equal(cut->finish_reason, "stop");
    assert_int_equal(strlen(cut->text), strlen(whole->text) / 2);
    assert_memory_equal(cut->text, whole->text, strlen(cut->text));
}

static void test_parts_of_a_content_are_joined(void **state) {
    (void)state;
    struct ask *parts = ask("[{\"role\":\"system\",\"content\":null},{\"role\":\"user\",\"content\":"
                            "[{\"type\":\"text\",\"text\":\"Tell me \"},\"about the sea.\"]}]",
                            1);
    struct ask *text = ask("[{\"role\":\"system\",\"content\":\"\"},"
                           "{\"role\":\"user\",\"content\":\"Tell me about the sea.\"}]",
                           1);
    assert_int_equal(parts->status, 0);
    assert_int_equal(parts->prompt_tokens, text->prompt_tokens);
}

static void test_what_the_model_cannot_read_is_an_error(void **state) {
    (void)state;
    assert_int_equal(ask("[]", 1)->status, SG_E_TYPE);
    assert_int_equal(ask("\"hello\"", 1)->status, SG_E_TYPE);
    assert_int_equal(ask("[{\"content\":\"hello\"}]", 1)->status, SG_E_TYPE);
    assert_int_equal(ask("[5]", 1)->status, SG_E_TYPE);
    assert_int_equal(ask("[{\"role\":\"user\",\"content\":\"a\\u0000b\"}]", 1)->status, SG_E_UNSUPPORTED);
    struct ask *image = ask("[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{}}]}]", 1);
    assert_int_equal(image->status, SG_E_UNSUPPORTED);
    assert_non_null(strstr(image->err.text, "text only"));
    struct ask *stop = make(SEA, 1);
    stop->stop = json("3");
    stop->request.stop = &stop->stop;
    ask_and_wait(model, stop);
    assert_int_equal(stop->status, SG_E_TYPE);
}

/* --- many requests ---------------------------------------------------------------------------------------------- */

static void test_more_requests_than_sequences_are_all_answered(void **state) {
    (void)state;
    struct ask *a[8];
    for (int i = 0; i < 8; i++) {
        a[i] = make(i == 4 ? "[]" : SEA, (uint32_t)(1 + i % 4)); /* one of them is wrong */
        sg_local_start(model, &a[i]->request);
    }
    wait_for(8);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(a[i]->calls, 1);
        assert_int_equal(a[i]->status, i == 4 ? SG_E_TYPE : 0);
        assert_in_range(a[i]->completion_tokens, i == 4 ? 0 : 1, 1 + i % 4);
    }
}

/* Three are at work and two wait when the first is done. */
static void cancel_others(struct ask *a) {
    struct ask **others = a->also_ud;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(others[i]->calls, 0);
        sg_local_cancel(model, &others[i]->request);
        memset(&others[i]->request, 0xAA, sizeof others[i]->request); /* the struct is free */
    }
}

static void test_canceled_requests_get_no_answer(void **state) {
    (void)state;
    struct ask *first = make(SEA, 1), *last = make(SEA, 2);
    struct ask *others[3] = {make(SEA, 50), make(SEA, 50), make(SEA, 50)};
    first->also = cancel_others;
    first->also_ud = others;
    sg_local_start(model, &first->request);
    for (int i = 0; i < 3; i++) sg_local_start(model, &others[i]->request);
    sg_local_start(model, &last->request);
    wait_for(2);
    assert_int_equal(first->status, 0);
    assert_int_equal(last->status, 0);
    for (int i = 0; i < 3; i++) assert_int_equal(others[i]->calls, 0);
    assert_int_equal(ask(SEA, 2)->status, 0);
}

static void start_another(struct ask *a) {
    struct ask *b = a->also_ud;
    sg_local_start(a->also_model, &b->request);
    assert_int_equal(b->calls, 0);
}

static void test_a_callback_may_start_a_request(void **state) {
    (void)state;
    struct ask *a = make(SEA, 1), *b = make(SEA, 1);
    a->also = start_another;
    a->also_ud = b;
    a->also_model = model;
    sg_local_start(model, &a->request);
    wait_for(2);
    assert_int_equal(b->status, 0);
}

/* What a record's callback starts goes before what waits for longer, even though a slot is free at once. */
static void test_a_callbacks_request_of_low_order_goes_first(void **state) {
    (void)state;
    struct ask *first = make(SEA, 1), *next = make(SEA, 1), *waits = make(SEA, 1);
    first->also = start_another;
    first->also_ud = next;
    first->also_model = single;
    waits->request.order = 1;
    sg_local_start(single, &first->request);
    sg_local_start(single, &waits->request);
    wait_for(3);
    assert_true(next->place < waits->place);
}

#define SAILOR                                                                                                       \
    "[{\"role\":\"system\",\"content\":\"You are a sailor who has seen all the seas of this world and knows the " \
    "weather, the wind and the stars better than anybody else.\"},{\"role\":\"user\",\"content\":\"Tell me about "

static void test_a_common_start_of_prompts_is_read_once(void **state) {
    (void)state;
    struct ask *fog = ask(SAILOR "fog.\"}]", 2), *ice = ask(SAILOR "ice.\"}]", 2);
    assert_true(fog->reused_tokens < 10);
    assert_in_range(ice->reused_tokens, 30, ice->prompt_tokens - 1);
    assert_true(strlen(ice->text) > 0);
    /* At the same time: one goes on where the start is, the others have it copied. */
    struct ask *a[3] = {make(SAILOR "rain.\"}]", 2), make(SAILOR "ice.\"}]", 2), make(SAILOR "sun and rain.\"}]", 2)};
    for (int i = 0; i < 3; i++) sg_local_start(model, &a[i]->request);
    wait_for(3);
    for (int i = 0; i < 3; i++) {
        assert_in_range(a[i]->reused_tokens, 30, a[i]->prompt_tokens - 1);
        assert_int_equal(a[i]->status, 0);
    }
}

static void test_a_single_sequence_reads_all_of_each_prompt(void **state) {
    (void)state;
    struct ask *first = make(SEA, 1), *again = make(SEA, 1);
    ask_and_wait(single, first);
    ask_and_wait(single, again);
    assert_int_equal(again->reused_tokens, 0);
    assert_string_equal(first->text, again->text);
}

/* --- opening and closing ---------------------------------------------------------------------------------------- */

static void test_the_lowest_order_goes_first(void **state) {
    (void)state;
    static const struct {
        uint64_t order;
        int place;
    } rows[] = {{5, 3}, {2, 2}, {5, 4}, {1, 1}, {9, 5}};
    struct ask *a[5];
    for (int i = 0; i < 5; i++) {
        a[i] = make(SEA, 1);
        a[i]->request.order = rows[i].order;
        sg_local_start(single, &a[i]->request);
    }
    int before = answered;
    wait_for(5);
    for (int i = 0; i < 5; i++) assert_int_equal(a[i]->place - before, rows[i].place);
}

static void test_the_same_seed_gives_the_same_reply(void **state) {
    (void)state;
    static const uint64_t seeds[] = {7, 8, 7, UINT32_MAX, 9, UINT32_MAX};
    struct ask *a[6];
    for (int i = 0; i < 6; i++) {
        a[i] = make(SEA, 8);
        a[i]->request.temperature = 1.5;
        a[i]->request.seed = seeds[i];
        sg_local_start(single, &a[i]->request);
    }
    wait_for(6);
    assert_string_equal(a[0]->text, a[2]->text);
    assert_string_equal(a[3]->text, a[5]->text);
    assert_true(strcmp(a[0]->text, a[1]->text) || strcmp(a[0]->text, a[3]->text) || strcmp(a[0]->text, a[4]->text));
}

static void expect_no_model(const char *path, const char *reason) {
    struct sg_local *m = open_model(&(struct sg_local_options){.model_path = sg_str(path)});
    struct ask *a = make(SEA, 1), *b = make(SEA, 1);
    sg_local_start(m, &a->request);
    sg_local_start(m, &b->request);
    wait_for(2);
    assert_int_equal(a->status, SG_E_MODEL);
    assert_non_null(strstr(a->err.text, path));
    assert_non_null(strstr(a->err.text, reason));
    assert_string_equal(a->err.text, b->err.text);
    struct ask *later = make(SEA, 1);
    ask_and_wait(m, later);
    assert_int_equal(later->status, SG_E_MODEL);
    sg_local_close(m);
}

static void test_a_missing_model_file_is_every_requests_error(void **state) {
    (void)state;
    expect_no_model("/nowhere/x.gguf", "is not there");
}

static void copy_start(const char *to, size_t bytes) {
    char *p = sg_alloc(&arena, bytes);
    FILE *in = fopen(MODEL, "rb"), *out = fopen(to, "wb");
    assert_true(in && out);
    assert_int_equal(fread(p, 1, bytes, in), bytes);
    assert_int_equal(fwrite(p, 1, bytes, out), bytes);
    fclose(in);
    fclose(out);
}

static void test_a_torn_model_file_is_every_requests_error(void **state) {
    (void)state;
    static const size_t sizes[] = {3, 20, 5000, 3 << 20}; /* in the magic, the header, the metadata, the weights */
    char path[] = "/tmp/sygra-torn-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    for (int i = 0; i < 4; i++) {
        copy_start(path, sizes[i]);
        expect_no_model(path, "cannot be loaded: ");
    }
    unlink(path);
}

static void test_options_over_a_limit_are_refused(void **state) {
    (void)state;
    static const struct sg_local_options rows[] = {
        {.sequences = 100000}, {.context = 1u << 30}, {.threads = 1000000}};
    for (int i = 0; i < 3; i++) {
        struct sg_local *m;
        struct sg_err err = {0};
        assert_int_equal(sg_local_open(loop, &rows[i], &m, &err), SG_E_LIMIT);
        assert_non_null(strstr(err.text, "at most"));
    }
}

static void close_model(struct ask *a) {
    sg_local_close(a->also_ud);
}

static void test_closing_drops_what_is_under_way(void **state) {
    (void)state;
    struct sg_local *m = open_model(&one);
    sg_local_close(m); /* while it loads */

    m = open_model(&one);
    struct ask *a = make(SEA, 2), *b = make(SEA, 50);
    a->also = close_model;
    a->also_ud = m;
    sg_local_start(m, &a->request);
    sg_local_start(m, &b->request);
    wait_for(1);
    assert_int_equal(a->status, 0);
    assert_int_equal(ask(SEA, 1)->status, 0); /* of the other model: the loop goes on */
    assert_int_equal(b->calls, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_reply_has_text_and_counts),
        cmocka_unit_test(test_max_tokens_ends_a_reply),
        cmocka_unit_test(test_the_context_cuts_max_tokens),
        cmocka_unit_test(test_a_prompt_over_the_context_is_refused),
        cmocka_unit_test(test_a_stop_text_ends_a_reply),
        cmocka_unit_test(test_parts_of_a_content_are_joined),
        cmocka_unit_test(test_what_the_model_cannot_read_is_an_error),
        cmocka_unit_test(test_more_requests_than_sequences_are_all_answered),
        cmocka_unit_test(test_canceled_requests_get_no_answer),
        cmocka_unit_test(test_a_callback_may_start_a_request),
        cmocka_unit_test(test_a_callbacks_request_of_low_order_goes_first),
        cmocka_unit_test(test_a_common_start_of_prompts_is_read_once),
        cmocka_unit_test(test_a_single_sequence_reads_all_of_each_prompt),
        cmocka_unit_test(test_the_lowest_order_goes_first),
        cmocka_unit_test(test_the_same_seed_gives_the_same_reply),
        cmocka_unit_test(test_a_missing_model_file_is_every_requests_error),
        cmocka_unit_test(test_a_torn_model_file_is_every_requests_error),
        cmocka_unit_test(test_options_over_a_limit_are_refused),
        cmocka_unit_test(test_closing_drops_what_is_under_way),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
