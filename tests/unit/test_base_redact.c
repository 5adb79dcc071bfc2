/* SPDX-License-Identifier: Apache-2.0 */
/* Secrets do not leave the process. The registry only grows, so the order of the tests matters. */
#include "base/redact.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_redacted(struct sg_str text, const char *want) {
    struct sg_buf out = SG_BUF_INIT(0);
    sg_redact(&out, text);
    sg_buf_ch(&out, '\0');
    assert_string_equal(out.p, want);
    sg_buf_fini(&out);
}

static void test_without_secrets_texts_pass(void **state) {
    (void)state;
    assert_false(sg_redact_any());
    assert_redacted(SG_STR("anything"), "anything");
    assert_redacted(SG_STR_NONE, "");
}

static void test_short_values_are_no_secrets(void **state) {
    (void)state;
    sg_redact_add(SG_STR("TOKEN"), SG_STR("EMPTY"));
    sg_redact_add(SG_STR("TOKEN"), SG_STR("01234567890"));
    sg_redact_add(SG_STR("TOKEN"), SG_STR_NONE);
    assert_false(sg_redact_any());
    assert_redacted(SG_STR("EMPTY 01234567890"), "EMPTY 01234567890");
}

static void test_a_secret_is_replaced_by_its_name_wherever_it_stands(void **state) {
    (void)state;
    char value[] = "sk-0123456789";
    sg_redact_add(SG_STR("KEY"), sg_str(value));
    memset(value, 'x', sizeof value - 1); /* it was copied */
    assert_true(sg_redact_any());
    assert_redacted(SG_STR("sk-0123456789"), "[KEY]");
    assert_redacted(SG_STR("a=sk-0123456789;sk-0123456789sk-0123456789 b"), "a=[KEY];[KEY][KEY] b");
    assert_redacted(SG_STR("sk-012345678"), "sk-012345678");
    assert_redacted(SG_STR("ssk-0123456789"), "s[KEY]");
    assert_redacted(SG_STR("sk-sk-0123456789"), "sk-[KEY]");
}

static void test_the_longest_secret_wins(void **state) {
    (void)state;
    sg_redact_add(SG_STR("LONG"), SG_STR("sk-0123456789abcdef"));
    sg_redact_add(SG_STR("MIDDLE"), SG_STR("sk-0123456789abc"));
    assert_redacted(SG_STR("sk-0123456789abcdef sk-0123456789abc sk-0123456789abcd sk-0123456789a"),
                    "[LONG] [MIDDLE] [MIDDLE]d [KEY]a");
}

static void test_the_first_name_of_a_value_stays(void **state) {
    (void)state;
    sg_redact_add(SG_STR("OTHER"), SG_STR("sk-0123456789"));
    assert_redacted(SG_STR("sk-0123456789"), "[KEY]");
}

static void test_bytes_of_any_kind(void **state) {
    (void)state;
    sg_redact_add(SG_STR("RAW"), SG_STR("\xFF\0\xFE binary secret"));
    assert_redacted(SG_STR("a\xFF\0\xFE binary secretb"), "a[RAW]b");
}

static void test_hundreds_of_secrets_with_one_beginning(void **state) {
    (void)state;
    char name[20], value[40], want[30], text[80];
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "K%d", i);
        snprintf(value, sizeof value, "token-%03d-%0*d", i, 5 + i % 7, i);
        sg_redact_add(sg_str(name), sg_str(value));
    }
    for (int i = 0; i < 300; i++) {
        snprintf(text, sizeof text, "<token-%03d-%0*d>", i, 5 + i % 7, i);
        snprintf(want, sizeof want, "<[K%d]>", i);
        assert_redacted(sg_str(text), want);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_secrets_texts_pass),
        cmocka_unit_test(test_short_values_are_no_secrets),
        cmocka_unit_test(test_a_secret_is_replaced_by_its_name_wherever_it_stands),
        cmocka_unit_test(test_the_longest_secret_wins),
        cmocka_unit_test(test_the_first_name_of_a_value_stays),
        cmocka_unit_test(test_bytes_of_any_kind),
        cmocka_unit_test(test_hundreds_of_secrets_with_one_beginning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
