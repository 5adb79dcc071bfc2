/* SPDX-License-Identifier: Apache-2.0 */
/* pyorder: an int is its digits, a float is a double (as Python's json.loads makes them). Two ints are compared as texts; an
 * int and a float exactly, too: the whole part of a double has at most 309 digits, which printf gives without rounding. */
#include "base/pyorder.h"

#include <math.h>
#include <stdio.h>

/* --- numbers ---------------------------------------------------------------------------------------------------- */

static bool is_number(const struct sg_json *v) {
    return v->type == SG_JSON_NUMBER || v->type == SG_JSON_TRUE || v->type == SG_JSON_FALSE;
}

static struct sg_str digits_of(const struct sg_json *v) {
    if (v->type != SG_JSON_NUMBER) return v->type == SG_JSON_TRUE ? SG_STR("1") : SG_STR("0");
    return sg_json_text(v);
}

/* Without sign and leading zeros; empty: zero. */
static struct sg_str magnitude(struct sg_str s, bool *negative) {
    *negative = s.n && s.p[0] == '-';
    size_t from = *negative;
    while (from < s.n && s.p[from] == '0') from++;
    return (struct sg_str){s.p + from, s.n - from};
}

static enum sg_order order_of(int sign) {
    return sign < 0 ? SG_LESS : sign > 0 ? SG_GREATER : SG_SAME;
}

static enum sg_order compare_ints(struct sg_str a, struct sg_str b) {
    bool a_negative, b_negative;
    a = magnitude(a, &a_negative);
    b = magnitude(b, &b_negative);
    if (a.n == 0 && b.n == 0) return SG_SAME;
    if (a.n == 0) a_negative = !b_negative; /* zero lies on the other side */
    if (b.n == 0) b_negative = !a_negative;
    if (a_negative != b_negative) return a_negative ? SG_LESS : SG_GREATER;
    int sign = a.n != b.n ? (a.n < b.n ? -1 : 1) : memcmp(a.p, b.p, a.n);
    return order_of(a_negative ? -sign : sign);
}

static enum sg_order compare_int_float(struct sg_str a, double b) {
    if (isinf(b)) return b > 0 ? SG_LESS : SG_GREATER;
    char whole[320];
    int n = snprintf(whole, sizeof whole, "%.0f", trunc(b));
    enum sg_order order = compare_ints(a, (struct sg_str){whole, (size_t)n});
    if (order != SG_SAME) return order;
    return order_of((b < trunc(b)) - (b > trunc(b)));
}

static enum sg_order compare_numbers(const struct sg_json *a, const struct sg_json *b) {
    struct sg_str left = digits_of(a), right = digits_of(b);
    bool left_int = sg_json_number_is_int(left), right_int = sg_json_number_is_int(right);
    double x, y;
    if (left_int && right_int) return compare_ints(left, right);
    if (left_int) return sg_json_to_double(b, &y) ? compare_int_float(left, y) : SG_NO_ORDER;
    if (right_int) return sg_json_to_double(a, &x) ? order_of(-(int)compare_int_float(right, x)) : SG_NO_ORDER;
    sg_json_to_double(a, &x);
    sg_json_to_double(b, &y);
    return order_of((x > y) - (x < y));
}

/* --- values ----------------------------------------------------------------------------------------------------- */

static bool equal_objects(const struct sg_json *a, const struct sg_json *b) {
    if (a->n != b->n) return false;
    for (uint32_t i = 0; i < a->n; i++) {
        const struct sg_json *other = sg_json_get(b, a->members[i].key);
        if (!other || !sg_py_equal(&a->members[i].value, other)) return false;
    }
    return true;
}

bool sg_py_equal(const struct sg_json *a, const struct sg_json *b) {
    if (is_number(a) && is_number(b)) return compare_numbers(a, b) == SG_SAME;
    if (a->type != b->type) return false;
    if (a->type == SG_JSON_OBJECT) return equal_objects(a, b);
    if (a->type == SG_JSON_STRING) return sg_str_eq(sg_json_text(a), sg_json_text(b));
    if (a->type == SG_JSON_NULL) return true;
    for (uint32_t i = 0; i < a->n && i < b->n; i++)
        if (!sg_py_equal(&a->items[i], &b->items[i])) return false;
    return a->n == b->n;
}

/* The first items that differ decide, else the lengths. */
static enum sg_order compare_lists(const struct sg_json *a, const struct sg_json *b) {
    for (uint32_t i = 0; i < a->n && i < b->n; i++)
        if (!sg_py_equal(&a->items[i], &b->items[i])) return sg_py_order(&a->items[i], &b->items[i]);
    return order_of((a->n > b->n) - (a->n < b->n));
}

enum sg_order sg_py_order(const struct sg_json *a, const struct sg_json *b) {
    if (is_number(a) && is_number(b)) return compare_numbers(a, b);
    if (a->type != b->type) return SG_NO_ORDER;
    if (a->type == SG_JSON_STRING) return order_of(sg_str_cmp(sg_json_text(a), sg_json_text(b)));
    return a->type == SG_JSON_ARRAY ? compare_lists(a, b) : SG_NO_ORDER;
}
