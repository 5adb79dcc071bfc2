/* SPDX-License-Identifier: Apache-2.0 */
/* lax: what pydantic 2 takes for an int, a float, a bool when it is not strict (its conversion table, and where that says
 * too little what pydantic-core does, corners included: "0__7" is the int 7, "in_f" a float). The property test
 * tests/prop/schema_vs_pydantic.py draws values for all of it. */
#include "plan/type.h"

#include <math.h>

#define INT_DIGITS 4300   /* Python makes no int of more digits out of a text */
#define FLOAT_DIGITS 308u /* every int of so many digits is a float */

/* --- texts ------------------------------------------------------------------------------------------------------ */

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_space(uint32_t c) {
    return (c >= 9 && c <= 13) || c == ' ' || c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) ||
           c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

/* Without white space of Unicode (that of Python's strip() has a few control characters more). */
static struct sg_str trim(struct sg_str s) {
    uint32_t c;
    for (size_t n; s.n && (n = sg_utf8_decode(s, 0, &c), is_space(c));) s.p += n, s.n -= n;
    for (size_t at; s.n; s.n = at) {
        for (at = s.n - 1; at > 0 && ((unsigned char)s.p[at] & 0xC0) == 0x80;) at--;
        sg_utf8_decode(s, at, &c);
        if (!is_space(c)) break;
    }
    return s;
}

/* Leading zeros with the underscores among them, but for the last before the end or a point. False: no digit, no '-'. */
static bool drop_zeros(struct sg_str *s) {
    size_t at = 0;
    if (!s->n || (s->p[0] != '-' && !is_digit(s->p[0]))) return false;
    if (s->p[0] != '0') return true;
    while (at < s->n && (s->p[at] == '0' || s->p[at] == '_')) at++;
    if (at == s->n || s->p[at] == '.') at--;
    s->p += at;
    s->n -= at;
    return true;
}

/* "5.00" is "5". */
static void drop_fraction(struct sg_str *s) {
    size_t dot = sg_str_find(*s, '.', 0), at = dot + 1;
    while (at < s->n && s->p[at] == '0') at++;
    if (at == s->n && at > dot + 1) s->n = dot;
}

/* Digits, an underscore between two of them allowed. */
static bool is_grouped(struct sg_str s) {
    size_t digits = 0;
    for (size_t i = 0; i < s.n; i++) {
        bool between = i > 0 && i + 1 < s.n && is_digit(s.p[i - 1]) && is_digit(s.p[i + 1]);
        if (!is_digit(s.p[i]) && !(s.p[i] == '_' && between)) return false;
        if (is_digit(s.p[i]) && (digits || s.p[i] != '0')) digits++;
    }
    return s.n > 0 && digits <= INT_DIGITS;
}

static bool int_text(struct sg_str s) {
    s = trim(s);
    if (s.n > 1 && s.p[0] == '+' && s.p[1] != '-') s.p++, s.n--;
    if (!drop_zeros(&s)) return false;
    drop_fraction(&s);
    if (s.n && s.p[0] == '-') s.p++, s.n--;
    return is_grouped(s);
}

/* One character at a time: underscores count for nothing, once it is known that they stand well. */
struct cursor {
    struct sg_str s;
    size_t at;
};

static char peek(struct cursor *c) {
    while (c->at < c->s.n && c->s.p[c->at] == '_') c->at++;
    return c->at < c->s.n ? c->s.p[c->at] : '\0';
}

static void skip_sign(struct cursor *c) {
    c->at += peek(c) == '+' || peek(c) == '-';
}

static size_t skip_digits(struct cursor *c) {
    size_t n = 0;
    for (; is_digit(peek(c)); n++) c->at++;
    return n;
}

/* The rest is this word of letters, in any case. */
static bool is_rest(struct cursor c, const char *word) {
    for (; *word; word++, c.at++)
        if ((peek(&c) | 0x20) != *word) return false;
    return c.at >= c.s.n;
}

static bool underscores_stand_well(struct sg_str s) {
    if (s.n && (s.p[0] == '_' || s.p[s.n - 1] == '_')) return false;
    for (size_t i = 1; i < s.n; i++)
        if (s.p[i] == '_' && s.p[i - 1] == '_') return false;
    return true;
}

static bool float_text(struct sg_str s) {
    bool grouped = sg_str_find(s, '_', 0) < s.n; /* then white space is not expected any more */
    struct cursor c = {grouped ? s : trim(s), 0};
    if (!underscores_stand_well(s)) return false;
    skip_sign(&c);
    if (is_rest(c, "inf") || is_rest(c, "infinity") || is_rest(c, "nan")) return true;
    size_t digits = skip_digits(&c);
    if (peek(&c) == '.') c.at++, digits += skip_digits(&c);
    if (digits == 0) return false;
    if ((peek(&c) | 0x20) == 'e') {
        c.at++;
        skip_sign(&c);
        if (skip_digits(&c) == 0) return false;
    }
    return peek(&c) == '\0' && c.at == c.s.n;
}

static bool bool_text(struct sg_str s) {
    static const char *const words[] = {"0", "off", "f", "false", "n", "no", "1", "on", "t", "true", "y", "yes"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (sg_str_is_word(s, words[i])) return true;
    return false;
}

/* --- values ----------------------------------------------------------------------------------------------------- */

static bool is_bool(const struct sg_json *v) {
    return v->type == SG_JSON_TRUE || v->type == SG_JSON_FALSE;
}

/* A whole number that fits 64 bits, both ends left out. */
static bool whole_float(const struct sg_json *v) {
    double d;
    return sg_json_to_double(v, &d) && d == floor(d) && fabs(d) < 0x1p63;
}

bool sg_lax_int(const struct sg_json *v) {
    if (v->type == SG_JSON_STRING) return int_text(sg_json_text(v));
    if (v->type == SG_JSON_NUMBER) return sg_json_number_is_int(sg_json_text(v)) || whole_float(v);
    return is_bool(v);
}

bool sg_lax_float(const struct sg_json *v) {
    double d;
    if (v->type == SG_JSON_STRING) return float_text(sg_json_text(v));
    if (v->type != SG_JSON_NUMBER) return is_bool(v);
    if (v->n <= FLOAT_DIGITS || !sg_json_number_is_int(sg_json_text(v))) return true;
    return sg_json_to_double(v, &d) && isfinite(d);
}

bool sg_lax_bool(const struct sg_json *v) {
    double d;
    if (v->type == SG_JSON_STRING) return bool_text(sg_json_text(v));
    if (v->type != SG_JSON_NUMBER) return is_bool(v);
    return sg_json_to_double(v, &d) && (d == 0 || d == 1);
}
