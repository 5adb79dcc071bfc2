/* SPDX-License-Identifier: Apache-2.0 */
/* pytext: str(), repr(), ascii() and format() of Python 3.11 for values that came from JSON.
 *
 * Floats: Python prints the shortest decimal that reads back as the same double, and of those the nearest. Most
 * numbers come as text with at most 15 significant digits; such a text *is* that decimal (C11 5.2.4.2.2, DBL_DIG), so
 * it is laid out anew without any arithmetic. The others go through printf with 15, 16 and 17 digits until strtod
 * agrees.
 * printf and strtod of glibc round correctly; they need the locale "C", which the program never leaves.
 * format(): the specification is parsed as CPython's Python/formatter_unicode.c orders its checks, then a number is
 * put together from sign, prefix, digits and rest. Widths count code points.
 * Differences: ints of over 4,300 digits print (Python refuses them), digits of other scripts in a width are refused.
 */
#include "base/pytext.h"

#include "base/unicode_nonprintable.h"
#include "base/utf8.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

/* ---- decimals and their layout ---- */

/* 0.d1d2d3... x 10^point, without zeros at either end; zero is the digit 0 at point 1. */
struct decimal {
    const char *digits;
    int n, point;
    bool negative;
};

static void add_digits(struct sg_buf *b, const struct decimal *d, int from, int to) {
    if (to <= from) return;
    char *out = sg_buf_reserve(b, (size_t)(to - from));
    if (!out) return;
    for (int i = from; i < to; i++) *out++ = i < d->n ? d->digits[i] : '0';
    b->n += (size_t)(to - from);
}

static void add_zeros(struct sg_buf *b, int n) {
    static const struct decimal none = {.digits = ""};
    add_digits(b, &none, 0, n);
}

struct layout {
    int limit;       /* an exponent when the point is off (-4, limit] */
    int shown;       /* at least so many digits */
    bool point_zero; /* at least one digit behind the point, if there is no exponent */
    bool keep_point; /* also with nothing behind it */
};

static const struct layout of_repr = {.limit = 16, .point_zero = true};

/* The formats 'r' and 'g' of CPython's format_float_short. */
static void add_decimal(struct sg_buf *b, const struct decimal *d, const struct layout *l) {
    bool exponent = d->point <= -4 || d->point > l->limit;
    int point = exponent ? 1 : d->point, end = d->n > l->shown ? d->n : l->shown;
    int least = point + (l->point_zero && !exponent);
    if (end < least) end = least;
    if (d->negative) sg_buf_ch(b, '-');
    if (point <= 0) sg_buf_ch(b, '0');
    add_digits(b, d, 0, point);
    if (end > point || l->keep_point) sg_buf_ch(b, '.');
    if (point < 0) add_zeros(b, -point);
    add_digits(b, d, point > 0 ? point : 0, end);
    if (exponent) sg_buf_printf(b, "e%+03d", d->point - 1);
}

static struct decimal without_end_zeros(struct decimal d) {
    while (d.n > 0 && d.digits[d.n - 1] == '0') d.n--;
    if (d.n == 0) d = (struct decimal){"0", 1, 1, d.negative};
    return d;
}

/* From what printf("%.*e") wrote; the digits are moved together in place. */
static struct decimal decimal_from_e(char *text) {
    struct decimal d = {.negative = *text == '-'};
    char *first = text + d.negative, *e = strchr(first, 'e');
    if (first[1] == '.') {
        first[1] = first[0];
        first++;
    }
    d.digits = first;
    d.n = (int)(e - first);
    d.point = atoi(e + 1) + 1;
    return without_end_zeros(d);
}

/* ---- the shortest decimal of a double ---- */

#define MOST_DIGITS 17 /* always enough for a double */
#define E_TEXT 40

/* printf gives the nearest decimal of its length. At a power of two the doubles below lie closer than those above, so
 * the nearest may belong to the neighbour below while the next decimal upwards reads back (2**-44 is such a one). */
static bool next_up_reads_back(char *text, double v) {
    char *last = strchr(text, 'e') - 1;
    if (*last == '9') return false; /* would be a shorter decimal, which was tried before */
    ++*last;
    if (strtod(text, NULL) == v) return true;
    --*last;
    return false;
}

static bool reads_back(char *text, int digits, double v) {
    int unused;
    snprintf(text, E_TEXT, "%.*e", digits - 1, v);
    if (strtod(text, NULL) == v) return true;
    return fabs(frexp(v, &unused)) == 0.5 && next_up_reads_back(text, v);
}

static struct decimal shortest(double v, char text[E_TEXT]) {
    bool subnormal = fabs(v) < 0x1p-1022;
    int digits = subnormal ? 1 : 15; /* 15 digits hold every shorter decimal, with zeros at the end */
    while (!reads_back(text, digits, v) && digits < MOST_DIGITS) digits++;
    return decimal_from_e(text);
}

void sg_py_double(struct sg_buf *b, double v) {
    if (isnan(v)) return sg_buf_str(b, SG_STR("nan"));
    if (isinf(v)) return sg_buf_str(b, v < 0 ? SG_STR("-inf") : SG_STR("inf"));
    char text[E_TEXT];
    struct decimal d = shortest(v, text);
    add_decimal(b, &d, &of_repr);
}

/* ---- numbers as they came ---- */

#define SAFE_DIGITS 15
#define SAFE_POINT 300 /* far from subnormal and infinite doubles */

static int read_exponent(struct sg_str s, size_t i) {
    int sign = 1, value = 0;
    if (i < s.n && (s.p[i] == '-' || s.p[i] == '+')) sign = s.p[i++] == '-' ? -1 : 1;
    for (; i < s.n; i++)
        if (value < 100000) value = value * 10 + (s.p[i] - '0');
    return sign * value;
}

/* The decimal that a float's text names, when it is short enough to be the one that Python would print. */
static bool read_decimal(struct sg_str s, char digits[SAFE_DIGITS], struct decimal *out) {
    struct decimal d = {.digits = digits, .negative = s.n && s.p[0] == '-'};
    bool fraction = false;
    size_t i = d.negative;
    for (; i < s.n && (s.p[i] | 0x20) != 'e'; i++) {
        if (s.p[i] == '.') {
            fraction = true;
        } else if (d.n == 0 && s.p[i] == '0') {
            d.point -= fraction;
        } else {
            if (d.n == SAFE_DIGITS) return false;
            digits[d.n++] = s.p[i];
            d.point += !fraction;
        }
    }
    if (i < s.n) d.point += read_exponent(s, i + 1);
    *out = without_end_zeros(d);
    return out->point > -SAFE_POINT && out->point < SAFE_POINT;
}

void sg_py_number(struct sg_buf *b, struct sg_str number) {
    char digits[SAFE_DIGITS];
    struct decimal d;
    if (sg_json_number_is_int(number)) {
        sg_buf_str(b, sg_str_eq(number, SG_STR("-0")) ? SG_STR("0") : number);
    } else if (read_decimal(number, digits, &d)) {
        add_decimal(b, &d, &of_repr);
    } else {
        struct sg_json v = {.type = SG_JSON_NUMBER, .n = (uint32_t)number.n, .text = number.p};
        double value = 0;
        sg_json_to_double(&v, &value);
        sg_py_double(b, value);
    }
}

/* ---- repr of texts ---- */

/* str.isprintable for one character from U+0080 on: between which two changes does it lie? */
static bool is_printable(uint32_t c) {
    size_t low = 0, high = COUNT(nonprintable_changes);
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (nonprintable_changes[mid] <= c) low = mid + 1;
        else high = mid;
    }
    return low % 2 == 0;
}

static void add_escape(struct sg_buf *b, uint32_t c) {
    if (c == '\t' || c == '\n' || c == '\r') sg_buf_printf(b, "\\%c", c == '\t' ? 't' : c == '\n' ? 'n' : 'r');
    else if (c < 0x100) sg_buf_printf(b, "\\x%02x", c);
    else if (c < 0x10000) sg_buf_printf(b, "\\u%04x", c);
    else sg_buf_printf(b, "\\U%08x", c);
}

static void add_repr_char(struct sg_buf *b, const char **p, const char *end, char quote, bool ascii) {
    const char *from = *p;
    uint32_t c = sg_utf8_next(p, end);
    if (c == (unsigned char)quote || c == '\\') sg_buf_printf(b, "\\%c", (char)c);
    else if (c < 0x80 ? c >= ' ' && c < 0x7F : !ascii && is_printable(c)) sg_buf_add(b, from, (size_t)(*p - from));
    else add_escape(b, c);
}

static bool is_plain(char c, char quote) {
    return c >= ' ' && c <= '~' && c != quote && c != '\\';
}

static void add_repr_text(struct sg_buf *b, struct sg_str s, bool ascii) {
    bool single = sg_str_find(s, '\'', 0) < s.n, twofold = sg_str_find(s, '"', 0) < s.n;
    char quote = single && !twofold ? '"' : '\'';
    sg_buf_ch(b, quote);
    for (const char *p = s.p, *end = s.p + s.n; p < end;) {
        const char *run = p;
        while (p < end && is_plain(*p, quote)) p++;
        sg_buf_add(b, run, (size_t)(p - run));
        if (p < end) add_repr_char(b, &p, end, quote, ascii);
    }
    sg_buf_ch(b, quote);
}

/* ---- str and repr of values ---- */

static void add_value(struct sg_buf *b, const struct sg_json *v, bool ascii);

static void add_list(struct sg_buf *b, const struct sg_json *v, bool ascii) {
    sg_buf_ch(b, '[');
    for (size_t i = 0; i < v->n; i++) {
        if (i > 0) SG_BUF_LIT(b, ", ");
        add_value(b, &v->items[i], ascii);
    }
    sg_buf_ch(b, ']');
}

static void add_dict(struct sg_buf *b, const struct sg_json *v, bool ascii) {
    sg_buf_ch(b, '{');
    for (size_t i = 0; i < v->n; i++) {
        if (i > 0) SG_BUF_LIT(b, ", ");
        add_repr_text(b, v->members[i].key, ascii);
        SG_BUF_LIT(b, ": ");
        add_value(b, &v->members[i].value, ascii);
    }
    sg_buf_ch(b, '}');
}

static void add_value(struct sg_buf *b, const struct sg_json *v, bool ascii) {
    switch (v->type) {
    case SG_JSON_NULL: SG_BUF_LIT(b, "None"); break;
    case SG_JSON_FALSE: SG_BUF_LIT(b, "False"); break;
    case SG_JSON_TRUE: SG_BUF_LIT(b, "True"); break;
    case SG_JSON_NUMBER: sg_py_number(b, sg_json_text(v)); break;
    case SG_JSON_STRING: add_repr_text(b, sg_json_text(v), ascii); break;
    case SG_JSON_ARRAY: add_list(b, v, ascii); break;
    case SG_JSON_OBJECT: add_dict(b, v, ascii); break;
    }
}

void sg_py_repr(struct sg_buf *b, const struct sg_json *v) {
    add_value(b, v, false);
}

void sg_py_ascii(struct sg_buf *b, const struct sg_json *v) {
    add_value(b, v, true);
}

void sg_py_str(struct sg_buf *b, const struct sg_json *v) {
    if (v->type == SG_JSON_STRING) sg_buf_str(b, sg_json_text(v));
    else add_value(b, v, false);
}

/* ---- format specification ---- */

#define MOST_WIDTH 1000000

struct spec {
    struct sg_str fill;   /* one character */
    char align;           /* < > ^ =, or 0: as the type has it */
    char sign;            /* + - space, or 0 */
    bool no_negative_zero, alternate, zero;
    int width, precision; /* -1: not given */
    char separator;       /* , or _, or 0 */
    char type;            /* 0: none */
};

static bool is_align(struct sg_str s, size_t i) {
    return i < s.n && s.p[i] && strchr("<>^=", s.p[i]);
}

static bool accept(struct sg_str s, size_t *i, const char *any, char *out) {
    if (*i >= s.n || !s.p[*i] || !strchr(any, s.p[*i])) return false;
    *out = s.p[(*i)++];
    return true;
}

/* Leaves *out alone when there is no number. */
static int read_count(struct sg_str s, size_t *i, int *out, struct sg_err *err) {
    int value = 0;
    size_t from = *i;
    for (; *i < s.n && s.p[*i] >= '0' && s.p[*i] <= '9'; ++*i) {
        value = value * 10 + (s.p[*i] - '0');
        if (value > MOST_WIDTH) return sg_fail(err, SG_E_LIMIT, "width or precision over %d", MOST_WIDTH);
    }
    if (*i > from) *out = value;
    return 0;
}

static void read_fill(struct sg_str s, size_t *i, struct spec *f) {
    const char *p = s.p;
    if (s.n) sg_utf8_next(&p, s.p + s.n);
    size_t first = (size_t)(p - s.p);
    f->fill = SG_STR(" ");
    if (is_align(s, first)) {
        f->fill = (struct sg_str){s.p, first};
        *i = first;
    }
    accept(s, i, "<>^=", &f->align);
}

static int read_spec(struct sg_str s, struct spec *f, struct sg_err *err) {
    char ignored;
    size_t i = 0;
    *f = (struct spec){.width = -1, .precision = -1};
    read_fill(s, &i, f);
    bool filled = i > 1; /* fill and alignment */
    accept(s, &i, " +-", &f->sign);
    f->no_negative_zero = accept(s, &i, "z", &ignored);
    f->alternate = accept(s, &i, "#", &ignored);
    f->zero = !filled && accept(s, &i, "0", &ignored);
    if (f->zero) f->fill = SG_STR("0");
    int rc = read_count(s, &i, &f->width, err);
    if (rc < 0) return rc;
    if (accept(s, &i, ",_", &f->separator) && accept(s, &i, ",_", &ignored))
        return sg_fail(err, SG_E_SYNTAX, "only one of ',' and '_' may be given");
    if (accept(s, &i, ".", &ignored)) {
        if ((rc = read_count(s, &i, &f->precision, err)) < 0) return rc;
        if (f->precision < 0) return sg_fail(err, SG_E_SYNTAX, "no precision after '.'");
    }
    if (i < s.n) f->type = s.p[i++];
    if (i < s.n) return sg_fail(err, SG_E_SYNTAX, "invalid format specification '%.*s'", SG_ARG(s));
    return 0;
}

static int refuse_type(const struct spec *f, const char *what, struct sg_err *err) {
    return sg_fail(err, SG_E_TYPE, "format code '%c' is not for %s", f->type, what);
}

/* ---- padding ---- */

static void add_fill(struct sg_buf *b, struct sg_str fill, size_t n) {
    char *out = sg_buf_reserve(b, n * fill.n);
    if (!out) return;
    for (size_t i = 0; i < n; i++, out += fill.n) memcpy(out, fill.p, fill.n);
    b->n += n * fill.n;
}

static size_t padding(const struct spec *f, size_t length) {
    return f->width > 0 && (size_t)f->width > length ? (size_t)f->width - length : 0;
}

/* What stands left of the text; the rest of the padding stands right of it. */
static size_t left_padding(char align, size_t padding) {
    return align == '>' ? padding : align == '^' ? padding / 2 : 0;
}

/* ---- texts ---- */

static struct sg_str first_chars(struct sg_str s, int n) {
    const char *p = s.p, *end = s.p + s.n;
    while (n-- > 0 && p < end) sg_utf8_next(&p, end);
    return (struct sg_str){s.p, (size_t)(p - s.p)};
}

static int check_text_spec(const struct spec *f, struct sg_err *err) {
    if (f->type && f->type != 's') return refuse_type(f, "a text", err);
    if (f->sign) return sg_fail(err, SG_E_TYPE, "a sign is not for a text");
    if (f->no_negative_zero) return sg_fail(err, SG_E_TYPE, "'z' is not for a text");
    if (f->alternate) return sg_fail(err, SG_E_TYPE, "'#' is not for a text");
    if (f->separator) return sg_fail(err, SG_E_TYPE, "'%c' is not for a text", f->separator);
    if (f->align == '=') return sg_fail(err, SG_E_TYPE, "alignment '=' is not for a text");
    return 0;
}

static int format_text(struct sg_buf *b, struct sg_str s, const struct spec *f, struct sg_err *err) {
    int rc = check_text_spec(f, err);
    if (rc < 0) return rc;
    if (f->precision >= 0) s = first_chars(s, f->precision);
    size_t pad = padding(f, sg_utf8_length(s)), left = left_padding(f->align, pad);
    add_fill(b, f->fill, left);
    sg_buf_str(b, s);
    add_fill(b, f->fill, pad - left);
    return 0;
}

/* ---- numbers: putting the parts together ---- */

struct number {
    bool negative;
    struct sg_str prefix; /* 0x */
    struct sg_str digits; /* before the point; these are grouped */
    struct sg_str rest;   /* from the point on, or a text without digits (inf, a character) */
    size_t rest_length;   /* in code points */
};

/* How many digits, zeros in front included, fill `least` places with separators; never a separator first. */
static size_t grouped_digits(size_t n, long least, long group) {
    long left = (long)n, total = 0;
    for (;;) {
        long want = left > least ? left : least, step = want < 1 ? 1 : want < group ? want : group;
        total += step;
        left -= step;
        least -= step;
        if (left <= 0 && least <= 0) return (size_t)total;
        least--; /* the separator */
    }
}

static void add_grouped(struct sg_buf *b, struct sg_str digits, size_t total, const struct spec *f, size_t group) {
    for (size_t left = total; left > 0; left--) {
        if (f->separator && left < total && left % group == 0) sg_buf_ch(b, f->separator);
        sg_buf_ch(b, left > digits.n ? '0' : digits.p[digits.n - left]);
    }
}

static void add_number(struct sg_buf *b, const struct number *v, const struct spec *f) {
    char align = f->align ? f->align : f->zero ? '=' : '>';
    char sign = v->negative ? '-' : f->sign == '-' ? '\0' : f->sign;
    size_t group = f->type && strchr("xXob", f->type) ? 4 : 3;
    size_t around = (sign != 0) + v->prefix.n + v->rest_length;
    bool zeros = align == '=' && sg_str_eq(f->fill, SG_STR("0"));
    long least = zeros && f->width > 0 ? f->width - (long)around : 0;
    size_t total = v->digits.n;
    if (total && f->separator) total = grouped_digits(total, least, (long)group);
    size_t separators = total && f->separator ? (total - 1) / group : 0;
    size_t pad = padding(f, around + total + separators), left = left_padding(align, pad);
    add_fill(b, f->fill, left);
    if (sign) sg_buf_ch(b, sign);
    sg_buf_str(b, v->prefix);
    if (align == '=') add_fill(b, f->fill, pad);
    add_grouped(b, v->digits, total, f, group);
    sg_buf_str(b, v->rest);
    if (align != '=') add_fill(b, f->fill, pad - left);
}

/* ---- floats ---- */

/* Format 'g', and no type with a precision, which keeps a digit behind the point. Laid out here, as glibc 2.36 loses
 * zeros: printf("%#g", 999999.5) gives 1.e+06. */
static void add_general(struct sg_buf *b, double v, const struct spec *f) {
    int precision = f->precision < 0 ? 6 : f->precision ? f->precision : 1;
    struct layout l = {.limit = precision - !f->type,
                       .shown = f->alternate ? precision : 0,
                       .point_zero = !f->type,
                       .keep_point = f->alternate};
    struct sg_buf e = SG_BUF_INIT(0);
    sg_buf_printf(&e, "%.*e", precision - 1, v);
    sg_buf_ch(&e, '\0');
    struct decimal d = decimal_from_e(e.p);
    add_decimal(b, &d, &l);
    sg_buf_fini(&e);
}

static void add_shortest(struct sg_buf *b, double v, const struct spec *f) {
    char text[E_TEXT];
    struct decimal d = shortest(v, text);
    struct layout l = of_repr;
    l.keep_point = f->alternate;
    add_decimal(b, &d, &l);
}

static void add_by_printf(struct sg_buf *b, double v, const struct spec *f) {
    char form[8];
    snprintf(form, sizeof form, "%%%s.*%c", f->alternate ? "#" : "", f->type == 'e' || f->type == 'E' ? 'e' : 'f');
    sg_buf_printf(b, form, f->precision < 0 ? 6 : f->precision, v);
}

static void add_float(struct sg_buf *b, double v, const struct spec *f) {
    size_t from = b->n;
    if (f->type == '%') v *= 100;
    if (!isfinite(v)) sg_py_double(b, v);
    else if (!f->type && f->precision < 0) add_shortest(b, v, f);
    else if (!f->type || strchr("gGn", f->type)) add_general(b, v, f);
    else add_by_printf(b, v, f);
    if (f->type == '%') sg_buf_ch(b, '%');
    if (f->type && strchr("EFG", f->type))
        for (size_t i = from; i < b->n; i++) b->p[i] = (char)toupper((unsigned char)b->p[i]);
}

static bool shows_zero(struct sg_str s) {
    for (size_t i = 0; i < s.n && (s.p[i] | 0x20) != 'e'; i++)
        if (s.p[i] != '0' && s.p[i] != '.' && s.p[i] != '%') return false;
    return true;
}

static int format_float(struct sg_buf *b, double value, const struct spec *f, struct sg_err *err) {
    if (f->type && !strchr("eEfFgGn%", f->type)) return refuse_type(f, "a float", err);
    if (f->type == 'n' && f->separator) return refuse_type(f, "numbers with a separator", err);
    struct sg_buf text = SG_BUF_INIT(0);
    add_float(&text, value, f);
    struct sg_str s = sg_buf_view(&text);
    struct number v = {.negative = s.p[0] == '-'};
    s.p += v.negative;
    s.n -= v.negative;
    if (f->no_negative_zero && shows_zero(s)) v.negative = false;
    v.digits = s;
    for (v.digits.n = 0; v.digits.n < s.n && s.p[v.digits.n] >= '0' && s.p[v.digits.n] <= '9';) v.digits.n++;
    v.rest = (struct sg_str){s.p + v.digits.n, s.n - v.digits.n};
    v.rest_length = v.rest.n;
    add_number(b, &v, f);
    sg_buf_fini(&text);
    return 0;
}

/* ---- ints ---- */

#define MOST_BASE_DIGITS 10000 /* the change of base is quadratic */

/* The magnitude of a decimal text in 32-bit limbs, lowest first; the caller frees it. */
static uint32_t *limbs_of(struct sg_str decimal, size_t *n) {
    uint32_t *limbs = sg_xcalloc(decimal.n / 9 + 1, sizeof *limbs); /* 9 digits fit in one */
    *n = 0;
    for (size_t i = 0; i < decimal.n; i++) {
        uint64_t carry = (uint64_t)(decimal.p[i] - '0');
        for (size_t k = 0; k < *n; k++) {
            carry += (uint64_t)limbs[k] * 10;
            limbs[k] = (uint32_t)carry;
            carry >>= 32;
        }
        if (carry) limbs[(*n)++] = (uint32_t)carry;
    }
    return limbs;
}

static unsigned bits_at(const uint32_t *limbs, size_t n, size_t bit, unsigned width) {
    size_t k = bit / 32;
    uint64_t two = limbs[k] | (k + 1 < n ? (uint64_t)limbs[k + 1] << 32 : 0);
    return (unsigned)(two >> bit % 32) & ((1U << width) - 1);
}

static void add_in_base(struct sg_buf *b, struct sg_str decimal, char type) {
    const char *letters = type == 'X' ? "0123456789ABCDEF" : "0123456789abcdef";
    unsigned width = type == 'b' ? 1 : type == 'o' ? 3 : 4;
    size_t n, from = b->n;
    uint32_t *limbs = limbs_of(decimal, &n);
    for (size_t i = (n * 32 + width - 1) / width; i-- > 0;) {
        unsigned digit = bits_at(limbs, n, i * width, width);
        if (digit || b->n > from) sg_buf_ch(b, letters[digit]);
    }
    if (b->n == from) sg_buf_ch(b, '0');
    free(limbs);
}

static int format_based(struct sg_buf *b, const struct number *v, const struct spec *f, struct sg_err *err) {
    if (v->digits.n > MOST_BASE_DIGITS) return sg_fail(err, SG_E_LIMIT, "an int of over %d digits", MOST_BASE_DIGITS);
    const char prefix[2] = {'0', f->type};
    struct sg_buf digits = SG_BUF_INIT(0);
    struct number based = *v;
    if (f->alternate) based.prefix = (struct sg_str){prefix, 2};
    add_in_base(&digits, v->digits, f->type);
    based.digits = sg_buf_view(&digits);
    add_number(b, &based, f);
    sg_buf_fini(&digits);
    return 0;
}

static int format_character(struct sg_buf *b, const struct number *v, const struct spec *f, struct sg_err *err) {
    if (f->sign || f->alternate) return sg_fail(err, SG_E_TYPE, "a sign and '#' are not for format code 'c'");
    int64_t c;
    struct sg_json value = {.type = SG_JSON_NUMBER, .n = (uint32_t)v->digits.n, .text = v->digits.p};
    bool in_range = sg_json_to_i64(&value, &c) && (c == 0 || !v->negative) && c <= 0x10FFFF;
    if (!in_range || (c >= 0xD800 && c <= 0xDFFF)) return sg_fail(err, SG_E_LIMIT, "no character has this number");
    char utf8[4];
    struct number text = {.rest = {utf8, sg_utf8_put(utf8, (uint32_t)c)}, .rest_length = 1};
    add_number(b, &text, f);
    return 0;
}

static int check_int_spec(const struct spec *f, struct sg_err *err) {
    if (f->type && !strchr("bcdnoxX", f->type)) return refuse_type(f, "an int", err);
    if (f->precision >= 0) return sg_fail(err, SG_E_TYPE, "a precision is not for an int");
    if (f->no_negative_zero) return sg_fail(err, SG_E_TYPE, "'z' is not for an int");
    if (f->separator && f->type && (strchr("cn", f->type) || (f->separator == ',' && f->type != 'd')))
        return sg_fail(err, SG_E_TYPE, "'%c' is not for format code '%c'", f->separator, f->type);
    return 0;
}

static int format_int(struct sg_buf *b, struct sg_str text, const struct spec *f, struct sg_err *err) {
    if (f->type && strchr("eEfFgG%", f->type)) {
        struct sg_json v = {.type = SG_JSON_NUMBER, .n = (uint32_t)text.n, .text = text.p};
        double value = 0;
        sg_json_to_double(&v, &value);
        if (isinf(value)) return sg_fail(err, SG_E_LIMIT, "the int is too large for a float");
        return format_float(b, value + 0.0, f, err); /* -0 is the int 0 */
    }
    int rc = check_int_spec(f, err);
    if (rc < 0) return rc;
    struct number v = {.negative = text.p[0] == '-', .digits = text};
    v.digits.p += v.negative;
    v.digits.n -= v.negative;
    if (f->type == 'c') return format_character(b, &v, f, err);
    if (sg_str_eq(v.digits, SG_STR("0"))) v.negative = false;
    if (f->type && strchr("boxX", f->type)) return format_based(b, &v, f, err);
    add_number(b, &v, f);
    return 0;
}

/* ---- format ---- */

static int format_number(struct sg_buf *b, const struct sg_json *v, const struct spec *f, struct sg_err *err) {
    if (sg_json_number_is_int(sg_json_text(v))) return format_int(b, sg_json_text(v), f, err);
    double value = 0;
    sg_json_to_double(v, &value);
    return format_float(b, value, f, err);
}

static int format_converted(struct sg_buf *b, const struct sg_json *v, char conv, const struct spec *f,
                            struct sg_err *err) {
    struct sg_buf text = SG_BUF_INIT(b->max);
    if (conv == 's') sg_py_str(&text, v);
    else add_value(&text, v, conv == 'a');
    int rc = 0;
    if (text.failed) rc = sg_fail(err, SG_E_LIMIT, "the text is too long");
    else rc = format_text(b, sg_buf_view(&text), f, err);
    sg_buf_fini(&text);
    return rc;
}

static int format_value(struct sg_buf *b, const struct sg_json *v, const struct spec *f, struct sg_err *err) {
    switch (v->type) {
    case SG_JSON_STRING: return format_text(b, sg_json_text(v), f, err);
    case SG_JSON_NUMBER: return format_number(b, v, f, err);
    case SG_JSON_TRUE: return format_int(b, SG_STR("1"), f, err);
    case SG_JSON_FALSE: return format_int(b, SG_STR("0"), f, err);
    default:
        return sg_fail(err, SG_E_TYPE, "a format specification is not for %s",
                       v->type == SG_JSON_NULL ? "None" : v->type == SG_JSON_ARRAY ? "a list" : "a map");
    }
}

int sg_py_format(struct sg_buf *b, const struct sg_json *v, char conv, struct sg_str spec, struct sg_err *err) {
    if (spec.n == 0) {
        if (conv == 0 || conv == 's') sg_py_str(b, v);
        else add_value(b, v, conv == 'a');
        return 0;
    }
    struct spec f;
    int rc = read_spec(spec, &f, err);
    if (rc < 0) return rc;
    return conv ? format_converted(b, v, conv, &f, err) : format_value(b, v, &f, err);
}
