/* SPDX-License-Identifier: Apache-2.0 */
/* What a plain YAML scalar means, by the patterns of PyYAML's resolver (YAML 1.1, with PyYAML's departures: an
 * exponent needs its sign, so 1e5 is text and 1.0e+5 a number; 0o17 is text).
 *
 * Each kind has a matcher; the first that fits the whole text wins. Numbers become JSON text by their value:
 * integers of any size in decimal, floats as Python's repr writes them. */
#include "config/yaml.h"

#include <stdio.h>
#include <stdlib.h>

/* Integers in other bases than ten have at most so many digits; longer ones stay text. Nobody writes them. */
#define MAX_BASED_DIGITS 1000

struct cursor {
    const char *p, *end;
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool at_end(const struct cursor *c) {
    return c->p == c->end;
}

static bool take(struct cursor *c, char ch) {
    if (at_end(c) || *c->p != ch) return false;
    c->p++;
    return true;
}

static bool take_sign(struct cursor *c) {
    bool negative = take(c, '-');
    if (!negative) take(c, '+');
    return negative;
}

/* Digits below `base`, and underscores, as many as there are. */
static size_t take_digits(struct cursor *c, int base) {
    const char *from = c->p;
    for (; !at_end(c); c->p++) {
        char ch = *c->p;
        int digit = is_digit(ch)             ? ch - '0'
                    : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10
                    : ch >= 'A' && ch <= 'F' ? ch - 'A' + 10
                                             : 99;
        if (ch != '_' && digit >= base) break;
    }
    return (size_t)(c->p - from);
}

static bool one_of(struct sg_str s, const char *const *words) {
    for (; *words; words++)
        if (sg_str_eq(s, sg_str(*words))) return true;
    return false;
}

/* --- big integers ----------------------------------------------------------------------------------------------- */

struct big {
    uint32_t limb[MAX_BASED_DIGITS]; /* base 10^9, lowest first */
    size_t n;
};

static void big_add(struct big *b, uint32_t factor, uint32_t digit) {
    uint64_t carry = digit;
    for (size_t i = 0; i < b->n; i++) {
        carry += (uint64_t)b->limb[i] * factor;
        b->limb[i] = (uint32_t)(carry % 1000000000u);
        carry /= 1000000000u;
    }
    if (carry) b->limb[b->n++] = (uint32_t)carry;
}

static void big_add_digits(struct big *b, const char *p, const char *end, uint32_t base) {
    for (; p < end; p++)
        if (*p != '_') big_add(b, base, (uint32_t)(is_digit(*p) ? *p - '0' : (*p | 32) - 'a' + 10));
}

static struct sg_str big_text(struct sg_arena *a, const struct big *b, bool negative) {
    if (b->n == 0) return SG_STR("0");
    size_t room = 12 + 9 * b->n, at = 0;
    char *out = sg_alloc(a, room);
    at += (size_t)snprintf(out, room, "%s%u", negative ? "-" : "", b->limb[b->n - 1]);
    for (size_t i = b->n - 1; i-- > 0;) at += (size_t)snprintf(out + at, room - at, "%09u", b->limb[i]);
    return (struct sg_str){out, at};
}

/* --- integers --------------------------------------------------------------------------------------------------- */

/* Decimal digits of any number, without underscores. */
static struct sg_str decimal_text(struct sg_arena *a, const char *p, const char *end, bool negative) {
    char *out = sg_alloc(a, (size_t)(end - p) + 1);
    size_t n = 0;
    if (negative && *p != '0') out[n++] = '-';
    for (; p < end; p++)
        if (*p != '_') out[n++] = *p;
    return (struct sg_str){out, n};
}

static bool match_based(struct sg_arena *a, struct cursor c, bool negative, struct sg_str *out) {
    int base = 8;
    if (!take(&c, '0')) return false;
    if (take(&c, 'b')) base = 2;
    else if (take(&c, 'x')) base = 16;
    const char *from = c.p;
    size_t n = take_digits(&c, base);
    bool only_underscores = true;
    for (size_t i = 0; i < n; i++) only_underscores &= from[i] == '_';
    if (!at_end(&c) || n == 0 || n > MAX_BASED_DIGITS || (only_underscores && base != 8)) return false;
    struct big b = {.n = 0};
    big_add_digits(&b, from, c.p, (uint32_t)base);
    *out = big_text(a, &b, negative);
    return true;
}

/* ":59" groups: [0-5]?[0-9]. */
static bool take_sixty(struct cursor *c, uint32_t *value) {
    struct cursor t = *c;
    if (!take(&t, ':') || at_end(&t) || !is_digit(*t.p)) return false;
    uint32_t v = (uint32_t)(*t.p++ - '0');
    if (v <= 5 && !at_end(&t) && is_digit(*t.p)) v = v * 10 + (uint32_t)(*t.p++ - '0');
    *value = v;
    *c = t;
    return true;
}

static bool match_sexagesimal(struct sg_arena *a, struct cursor c, bool negative, struct sg_str *out) {
    const char *from = c.p;
    uint32_t part;
    if (take_digits(&c, 10) == 0 || c.end - from > MAX_BASED_DIGITS) return false;
    struct big b = {.n = 0};
    big_add_digits(&b, from, c.p, 10);
    size_t groups = 0;
    for (; take_sixty(&c, &part); groups++) big_add(&b, 60, part);
    if (groups == 0 || !at_end(&c)) return false;
    *out = big_text(a, &b, negative);
    return true;
}

static bool match_int(struct sg_arena *a, struct sg_str s, struct sg_str *out) {
    struct cursor c = {s.p, s.p + s.n};
    bool negative = take_sign(&c);
    if (at_end(&c) || !is_digit(*c.p)) return false;
    if (*c.p == '0' && c.end - c.p > 1) return match_based(a, c, negative, out);
    struct cursor d = c;
    take_digits(&d, 10);
    if (!at_end(&d)) return match_sexagesimal(a, c, negative, out);
    *out = decimal_text(a, c.p, d.p, negative);
    return true;
}

/* --- floats ----------------------------------------------------------------------------------------------------- */

static bool take_exponent(struct cursor *c) {
    if (at_end(c)) return true;
    if (!take(c, 'e') && !take(c, 'E')) return false;
    if (!take(c, '+') && !take(c, '-')) return false;
    const char *from = c->p;
    while (!at_end(c) && is_digit(*c->p)) c->p++;
    return c->p > from && at_end(c);
}

static bool float_special(struct sg_str s, struct sg_str *out) {
    static const char *const nan[] = {".nan", ".NaN", ".NAN", NULL}, *const inf[] = {".inf", ".Inf", ".INF", NULL};
    struct cursor c = {s.p, s.p + s.n};
    bool negative = take_sign(&c);
    if (one_of(s, nan)) *out = SG_STR("nan");
    else if (one_of((struct sg_str){c.p, (size_t)(c.end - c.p)}, inf))
        *out = negative ? SG_STR("-inf") : SG_STR("inf");
    else return false;
    return true;
}

static bool is_float(struct sg_str s) {
    struct cursor c = {s.p, s.p + s.n};
    if (take(&c, '.')) /* no sign is allowed in front of the point */
        return !at_end(&c) && is_digit(*c.p) && take_digits(&c, 10) > 0 && take_exponent(&c);
    take_sign(&c);
    if (at_end(&c) || !is_digit(*c.p)) return false;
    take_digits(&c, 10);
    uint32_t part;
    bool sixty = false;
    while (take_sixty(&c, &part)) sixty = true;
    if (!take(&c, '.')) return false;
    take_digits(&c, 10);
    return sixty ? at_end(&c) : take_exponent(&c);
}

/* 1:30.5 is 90.5: each group counts sixty of the next. */
static double float_value(char *text) {
    bool negative = *text == '-';
    double value = 0;
    for (char *p = text + (*text == '-' || *text == '+'); p; p = *p == ':' ? p + 1 : NULL)
        value = value * 60 + strtod(p, &p);
    return negative ? -value : value;
}

static bool match_float(struct sg_arena *a, struct sg_str s, struct sg_str *out) {
    if (float_special(s, out)) return true;
    if (!is_float(s)) return false;
    char *plain = sg_alloc(a, s.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '_') plain[n++] = s.p[i];
    plain[n] = 0;
    struct sg_buf b = SG_BUF_INIT(400);
    sg_py_double(&b, float_value(plain));
    *out = sg_str_dup(a, sg_buf_view(&b));
    sg_buf_fini(&b);
    return true;
}

/* --- dates ------------------------------------------------------------------------------------------------------ */

static bool take_number(struct cursor *c, size_t least, size_t most, int *out) {
    size_t n = 0;
    for (*out = 0; n < most && !at_end(c) && is_digit(*c->p); n++) *out = *out * 10 + (*c->p++ - '0');
    return n >= least;
}

static void skip_blanks(struct cursor *c) {
    while (take(c, ' ') || take(c, '\t'))
        ;
}

struct when {
    int year, month, day, hour, minute, second, micro;
    int offset; /* minutes east */
    bool has_zone;
};

static bool take_zone(struct cursor *c, struct when *w) {
    skip_blanks(c);
    if (at_end(c)) return true;
    w->has_zone = true;
    if (take(c, 'Z')) return at_end(c);
    int hours = 0, minutes = 0, sign = *c->p == '-' ? -1 : 1;
    if (!take(c, '+') && !take(c, '-')) return false;
    if (!take_number(c, 1, 2, &hours) || (take(c, ':') && !take_number(c, 2, 2, &minutes))) return false;
    w->offset = sign * (hours * 60 + minutes);
    return at_end(c) && hours < 24;
}

static bool take_time(struct cursor *c, struct when *w) {
    if (!take(c, 'T') && !take(c, 't')) {
        const char *from = c->p;
        skip_blanks(c);
        if (c->p == from) return false;
    }
    if (!take_number(c, 1, 2, &w->hour) || !take(c, ':') || !take_number(c, 2, 2, &w->minute) || !take(c, ':') ||
        !take_number(c, 2, 2, &w->second))
        return false;
    if (take(c, '.')) {
        int scale = 100000;
        for (; !at_end(c) && is_digit(*c->p); c->p++, scale /= 10) w->micro += (*c->p - '0') * scale;
    }
    return take_zone(c, w);
}

static bool is_calendar_day(const struct when *w) {
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (w->year % 4 == 0 && w->year % 100 != 0) || w->year % 400 == 0;
    if (w->year < 1 || w->month < 1 || w->month > 12 || w->day < 1) return false;
    return w->day <= days[w->month - 1] + (leap && w->month == 2);
}

/* As Python's isoformat() writes it. What is no day of the calendar stays the text it was. */
static bool match_date(struct sg_arena *a, struct sg_str s, struct sg_str *out) {
    struct cursor c = {s.p, s.p + s.n};
    struct when w = {.year = 0};
    if (!take_number(&c, 4, 4, &w.year) || !take(&c, '-')) return false;
    const char *month = c.p;
    if (!take_number(&c, 1, 2, &w.month) || !take(&c, '-') || !take_number(&c, 1, 2, &w.day)) return false;
    if (at_end(&c)) {
        *out = s;
        return c.p - month == 5 && is_calendar_day(&w);
    }
    if (!take_time(&c, &w) || !is_calendar_day(&w) || w.hour > 23 || w.minute > 59 || w.second > 59) return false;
    struct sg_str text =
        sg_str_printf(a, "%04d-%02d-%02dT%02d:%02d:%02d", w.year, w.month, w.day, w.hour, w.minute, w.second);
    if (w.micro) text = sg_str_join(a, text, sg_str_printf(a, ".%06d", w.micro));
    if (w.has_zone)
        text = sg_str_join(
            a, text,
            sg_str_printf(a, "%c%02d:%02d", w.offset < 0 ? '-' : '+', abs(w.offset) / 60, abs(w.offset) % 60));
    *out = text;
    return true;
}

/* ---------------------------------------------------------------------------------------------------------------- */

static const char *const null_words[] = {"", "~", "null", "Null", "NULL", NULL};
static const char *const true_words[] = {"yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON", NULL};
static const char *const false_words[] = {"no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF", NULL};

void sg_yaml_resolve(struct sg_arena *a, struct sg_str source, struct sg_yaml *out) {
    out->source = source;
    out->text = source;
    out->kind = SG_YAML_TEXT;
    if (one_of(source, null_words)) {
        out->kind = SG_YAML_NULL;
        out->text = SG_STR("null");
    } else if (one_of(source, true_words)) {
        out->kind = SG_YAML_BOOL;
        out->text = SG_STR("true");
    } else if (one_of(source, false_words)) {
        out->kind = SG_YAML_BOOL;
        out->text = SG_STR("false");
    } else if (match_int(a, source, &out->text)) {
        out->kind = SG_YAML_INT;
    } else if (match_float(a, source, &out->text)) {
        out->kind = SG_YAML_FLOAT;
    } else if (!match_date(a, source, &out->text)) {
        out->text = source;
    }
}
