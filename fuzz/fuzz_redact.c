/* SPDX-License-Identifier: Apache-2.0 */
/* redact: a text in which secrets stand. `@1` to `@7` in the input are replaced by one of them, so that the fuzzer can plant
 * them anywhere; some are parts of others, or overlap.
 *
 * Always: no secret survives, neither as it is nor in the form it has inside JSON, in none of the ways in which text leaves
 * the process; what is no secret stays; a text that is cut has a beginning of the whole one. */
#include "fuzz.h"

static const char *const secrets[] = {
    "sk-0123456789abcdef", "sk-0123456789abcdefXYZ", "89abcdefghijklmnop",
    "aaaaaaaaaaaaaaaa",    "with\"quotes\"and\\", "path/like/secret//",
    "line\nbreak\tand\037control",
};
#define N (sizeof secrets / sizeof *secrets)

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc, (void)argv;
    for (size_t i = 0; i < N; i++) {
        char name[] = "TOKEN_1";
        name[6] = (char)('1' + i);
        sg_redact_add(sg_str(name), sg_str(secrets[i]));
    }
    return 0;
}

static void plant(struct sg_str text, struct sg_buf *out) {
    for (size_t i = 0; i < text.n; i++) {
        bool is_place = text.p[i] == '@' && i + 1 < text.n && text.p[i + 1] >= '1' && text.p[i + 1] <= '7';
        if (is_place) sg_buf_str(out, sg_str(secrets[text.p[++i] - '1']));
        else sg_buf_ch(out, text.p[i]);
    }
}

static bool contains(struct sg_str text, struct sg_str what) {
    return text.n >= what.n && memmem(text.p, text.n, what.p, what.n);
}

static void no_secret_in(struct sg_str text) {
    for (size_t i = 0; i < N; i++) {
        struct sg_buf quoted = SG_BUF_INIT(SIZE_MAX);
        sg_json_write_string(&quoted, sg_str(secrets[i]));
        SG_ASSERT(!contains(text, sg_str(secrets[i])));
        if (!strpbrk(secrets[i], "\n\t")) /* written \n there, but \u000a is as good */
            SG_ASSERT(!contains(text, (struct sg_str){quoted.p + 1, quoted.n - 2}));
        sg_buf_fini(&quoted);
    }
}

/* The longest secret that begins at `at`: what the lists by first byte must find as well. */
static size_t secret_at(struct sg_str text, size_t at, size_t *which) {
    size_t n = 0;
    for (size_t i = 0; i < N; i++) {
        struct sg_str s = sg_str(secrets[i]);
        if (s.n <= n || !sg_str_starts((struct sg_str){text.p + at, text.n - at}, s)) continue;
        n = s.n;
        *which = i;
    }
    return n;
}

/* Where no backslash is, secrets have one form only. */
static void check_against_plain_search(struct sg_str text, struct sg_str clean) {
    struct sg_buf wanted = SG_BUF_INIT(SIZE_MAX);
    for (size_t i = 0, n, which = 0; i < text.n; i += n) {
        n = secret_at(text, i, &which);
        if (n) sg_buf_printf(&wanted, "[TOKEN_%zu]", which + 1);
        else sg_buf_ch(&wanted, text.p[i]);
        if (n == 0) n = 1;
    }
    SG_ASSERT(sg_str_eq(sg_buf_view(&wanted), clean));
    sg_buf_fini(&wanted);
}

static void check_cut(struct sg_str text, struct sg_str clean) {
    struct sg_rng draws = fuzz_draws(text);
    struct sg_buf start = SG_BUF_INIT(SIZE_MAX);
    size_t most = fuzz_below(&draws, text.n + 2);
    sg_redact_start(&start, text, most);
    SG_ASSERT(start.n >= (most < clean.n ? most : clean.n) && sg_str_starts(clean, sg_buf_view(&start)));
    sg_buf_fini(&start);
}

static void check_errors(struct sg_str text) {
    struct sg_err err;
    char ends[SG_ERR_TEXT];
    size_t n = text.n < sizeof ends - 1 ? text.n : sizeof ends - 1, bad;
    memcpy(ends, text.p ? text.p : "", n);
    ends[n] = '\0';
    sg_fail(&err, SG_E_IO, "%.*s", SG_ARG(text));
    sg_err_wrap(&err, SG_E_IO, "%s", ends);
    SG_ASSERT(sg_utf8_valid(sg_str(err.text), &bad));
    no_secret_in(sg_str(err.text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sg_buf text = SG_BUF_INIT(SIZE_MAX), clean = SG_BUF_INIT(SIZE_MAX), json = SG_BUF_INIT(SIZE_MAX);
    plant(fuzz_text(data, size), &text);
    sg_redact(&clean, sg_buf_view(&text));
    no_secret_in(sg_buf_view(&clean));
    if (!contains(sg_buf_view(&text), SG_STR("\\"))) check_against_plain_search(sg_buf_view(&text), sg_buf_view(&clean));
    check_cut(sg_buf_view(&text), sg_buf_view(&clean));
    check_errors(sg_buf_view(&text));
    sg_json_write_string(&json, sg_buf_view(&text));
    sg_buf_reset(&clean, SIZE_MAX);
    sg_redact(&clean, sg_buf_view(&json));
    no_secret_in(sg_buf_view(&clean));
    sg_buf_fini(&text);
    sg_buf_fini(&clean);
    sg_buf_fini(&json);
    return 0;
}
