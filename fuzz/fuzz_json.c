/* SPDX-License-Identifier: Apache-2.0 */
/* json: what is read is the same value when it is written in any form and read again; a copy is equal. */
#include "fuzz.h"

static struct sg_arena arena;

static struct sg_json reads(struct sg_str text) {
    struct sg_json v;
    SG_ASSERT(sg_json_parse(&arena, text, &v, NULL, NULL) == 0);
    return v;
}

static void same_again(const struct sg_json *v, const struct sg_buf *text) {
    struct sg_json again = reads(sg_buf_view(text));
    SG_ASSERT(sg_json_equal(v, &again));
}

static void indented_and_back(const struct sg_json *v, struct sg_str compact) {
    struct sg_buf pretty = SG_BUF_INIT(SIZE_MAX), by_text = SG_BUF_INIT(SIZE_MAX), back = SG_BUF_INIT(SIZE_MAX);
    sg_json_write_indented(&pretty, v, 4, 0);
    same_again(v, &pretty);
    sg_json_indent_text(&by_text, compact, 4, 0);
    SG_ASSERT(sg_str_eq(sg_buf_view(&by_text), sg_buf_view(&pretty)));
    sg_json_compact_text(&back, sg_buf_view(&pretty));
    SG_ASSERT(sg_str_eq(sg_buf_view(&back), compact));
    sg_buf_fini(&pretty);
    sg_buf_fini(&by_text);
    sg_buf_fini(&back);
}

/* Python's text is UTF-8 (where the value is ASCII only: ASCII), whatever the value. */
static void python_can_print(const struct sg_json *v) {
    struct sg_buf b = SG_BUF_INIT(SIZE_MAX);
    size_t bad;
    sg_json_write_python(&b, v, true, true);
    for (size_t i = 0; i < b.n; i++) SG_ASSERT((unsigned char)b.p[i] < 0x80);
    sg_buf_reset(&b, SIZE_MAX);
    sg_py_str(&b, v);
    sg_py_repr(&b, v);
    SG_ASSERT(sg_utf8_valid(sg_buf_view(&b), &bad));
    sg_buf_reset(&b, SIZE_MAX);
    sg_py_ascii(&b, v);
    for (size_t i = 0; i < b.n; i++) SG_ASSERT((unsigned char)b.p[i] < 0x80);
    sg_buf_fini(&b);
}

static void numbers_agree(const struct sg_json *v) {
    int64_t whole;
    double d;
    if (sg_json_to_i64(v, &whole)) {
        struct sg_json again = sg_json_int(&arena, whole);
        int64_t same;
        SG_ASSERT(sg_json_to_i64(&again, &same) && same == whole);
    }
    if (sg_json_to_double(v, &d)) {
        struct sg_json again = sg_json_double(&arena, d);
        double same;
        SG_ASSERT(again.type == SG_JSON_NULL || (sg_json_to_double(&again, &same) && same == d));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct sg_str text = fuzz_text(data, size);
    struct sg_json v;
    struct sg_err err = {0};
    size_t at = 0, bad;
    sg_arena_init(&arena, 0);
    if (sg_json_parse(&arena, text, &v, &at, &err) == 0) {
        struct sg_buf compact = SG_BUF_INIT(SIZE_MAX);
        SG_ASSERT(sg_utf8_valid(text, &bad));
        struct sg_json copy = sg_json_copy(&arena, &v);
        SG_ASSERT(sg_json_equal(&v, &copy));
        sg_json_write(&compact, &v);
        same_again(&v, &compact);
        indented_and_back(&v, sg_buf_view(&compact));
        python_can_print(&v);
        numbers_agree(&v);
        sg_buf_fini(&compact);
    } else {
        SG_ASSERT(err.code < 0 && err.text[0] && at <= size);
    }
    sg_arena_fini(&arena);
    return 0;
}
