/* SPDX-License-Identifier: Apache-2.0 */
/* json: reading, looking, writing.
 *
 * Reading: yyjson parses a copy of the text in place, in scratch memory of this thread, numbers as raw text; then
 * the values are built in the caller's arena, strings copied once. Both passes together take 1 to 2 us for 2 kB, and
 * what stays is small: 16 bytes a value, 32 a member, and the text of strings, numbers and keys.
 * yyjson has no limit of depth: brackets are counted before it sees the text, so that "[[[[..." costs no memory.
 * Lone surrogates (\ud800 without its other half) are refused: they have no UTF-8.
 * Writing: one walker for all forms, told by a `struct form`; strings are escaped eight bytes at a time. */
#include "base/json.h"

#include "base/hash.h"
#include "base/pytext.h"
#include "base/utf8.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <yyjson.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* ---- scratch memory of a thread ---- */

#define SCRATCH_KEEP ((size_t)1 << 20)
#define PADDING 4 /* zero bytes that yyjson wants behind a text which it parses in place */

static _Thread_local struct {
    char *p;
    size_t n;
} scratch;
static pthread_key_t scratch_key;
static pthread_once_t scratch_once = PTHREAD_ONCE_INIT;

static void make_scratch_key(void) {
    pthread_key_create(&scratch_key, free);
}

/* Not cleared; NULL when more is wanted than a thread may keep. The key frees it when the thread ends. */
static char *borrow_scratch(size_t n) {
    if (n <= scratch.n) return scratch.p;
    if (n > SCRATCH_KEEP) return NULL;
    pthread_once(&scratch_once, make_scratch_key);
    size_t size = scratch.n ? scratch.n : SCRATCH_KEEP / 16;
    while (size < n) size *= 2;
    free(scratch.p);
    scratch.p = sg_xmalloc(size);
    scratch.n = size;
    pthread_setspecific(scratch_key, scratch.p);
    return scratch.p;
}

/* ---- depth, before parsing ---- */

#define ONES 0x0101010101010101U
#define HIGHS 0x8080808080808080U

static uint64_t load8(const char *p) {
    uint64_t w;
    memcpy(&w, p, sizeof w);
    return w;
}

/* The high bit of every byte of w that is not c. No carry passes between bytes, so every mark is true. */
static uint64_t other_bytes(uint64_t w, unsigned char c) {
    uint64_t x = w ^ (ONES * c);
    return ((x & ~HIGHS) + ~HIGHS) | x;
}

/* How many bytes are marked by their high bit. (popcount is a function call on the x86-64 base line.) */
static size_t count_marks(uint64_t marks) {
    return (marks >> 7) * ONES >> 56;
}

/* Opening brackets, also those in strings: an upper bound of the depth. '[' and '{' differ in bit 0x20 only. */
static size_t count_openings(struct sg_str s) {
    size_t count = 0, i = 0;
#ifdef __SSE2__
    while (i + 16 <= s.n) {
        __m128i marks = _mm_setzero_si128(); /* a counter a byte, that overflows after 255 rounds */
        for (size_t end = i + (size_t)255 * 16; i + 16 <= s.n && i < end; i += 16) {
            __m128i v = _mm_or_si128(_mm_loadu_si128((const __m128i *)(s.p + i)), _mm_set1_epi8(0x20));
            marks = _mm_sub_epi8(marks, _mm_cmpeq_epi8(v, _mm_set1_epi8('{')));
        }
        __m128i sums = _mm_sad_epu8(marks, _mm_setzero_si128());
        count += (size_t)_mm_cvtsi128_si64(sums) + (size_t)_mm_cvtsi128_si64(_mm_unpackhi_epi64(sums, sums));
    }
#endif
    for (; i + 8 <= s.n; i += 8) count += count_marks(~other_bytes(load8(s.p + i) | ONES * 0x20, '{') & HIGHS);
    for (; i < s.n; i++) count += (s.p[i] | 0x20) == '{';
    return count;
}

/* Offset behind the string whose opening quote is at `at`. */
static size_t string_end(struct sg_str s, size_t at) {
    for (size_t i = at + 1; i < s.n; i++) {
        i = sg_str_find(s, '"', i);
        size_t slashes = 0;
        while (i - slashes > at + 1 && s.p[i - slashes - 1] == '\\') slashes++;
        if (i < s.n && slashes % 2 == 0) return i + 1;
    }
    return s.n;
}

/* Offset of the first bracket that is too deep, or s.n. */
static size_t find_too_deep(struct sg_str s) {
    if (s.n <= SG_JSON_DEPTH || count_openings(s) <= SG_JSON_DEPTH) return s.n;
    size_t depth = 0;
    for (size_t i = 0; i < s.n;) {
        char c = s.p[i];
        if (c == '"') {
            i = string_end(s, i);
            continue;
        }
        if ((c | 0x20) == '{' && ++depth > SG_JSON_DEPTH) return i;
        if ((c | 0x20) == '}' && depth > 0) depth--;
        i++;
    }
    return s.n;
}

/* ---- equal keys ---- */

#define FEW_MEMBERS 16

/* Keeps `m` when its key is new among kept[0..n), else replaces the value there. Returns the number kept. */
static size_t keep_member_slowly(struct sg_member *kept, size_t n, const struct sg_member *m) {
    for (size_t i = 0; i < n; i++) {
        if (!sg_str_eq(kept[i].key, m->key)) continue;
        kept[i].value = m->value;
        return n;
    }
    kept[n] = *m;
    return n + 1;
}

/* Open addressing; a slot holds index + 1. The seed is an address, so that nobody can prepare keys that collide. */
static size_t unite_by_hash(struct sg_member *m, size_t n, uint32_t *slots, size_t mask) {
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        size_t at = sg_hash64(m[i].key, (uint64_t)(uintptr_t)slots) & mask;
        while (slots[at] && !sg_str_eq(m[slots[at] - 1].key, m[i].key)) at = (at + 1) & mask;
        if (slots[at]) {
            m[slots[at] - 1].value = m[i].value;
        } else {
            m[kept] = m[i];
            slots[at] = (uint32_t)++kept;
        }
    }
    return kept;
}

static size_t unite_equal_keys(struct sg_member *m, size_t n) {
    if (n <= FEW_MEMBERS) {
        size_t kept = 0;
        for (size_t i = 0; i < n; i++) kept = keep_member_slowly(m, kept, &m[i]);
        return kept;
    }
    uint32_t on_stack[512], *slots = on_stack;
    size_t size = 64;
    while (size < 2 * n) size *= 2;
    if (size > sizeof on_stack / sizeof *on_stack) slots = sg_xmalloc(size * sizeof *slots);
    memset(slots, 0, size * sizeof *slots);
    n = unite_by_hash(m, n, slots, size - 1);
    if (slots != on_stack) free(slots);
    return n;
}

/* ---- building ---- */

static void build(struct sg_arena *a, yyjson_val *v, struct sg_json *out);

static struct sg_str copy_text(struct sg_arena *a, yyjson_val *v) {
    size_t n = unsafe_yyjson_get_len(v);
    char *p = sg_alloc(a, n);
    memcpy(p, unsafe_yyjson_get_str(v), n);
    return (struct sg_str){p, n};
}

static struct sg_json number_of(struct sg_str text) {
    return (struct sg_json){.type = SG_JSON_NUMBER, .n = (uint32_t)text.n, .text = text.p};
}

static const struct sg_json *build_items(struct sg_arena *a, yyjson_val *v, size_t n) {
    struct sg_json *items = sg_alloc(a, n * sizeof *items);
    yyjson_val *item = unsafe_yyjson_get_first(v);
    for (size_t i = 0; i < n; i++, item = unsafe_yyjson_get_next(item)) build(a, item, &items[i]);
    return items;
}

static const struct sg_member *build_members(struct sg_arena *a, yyjson_val *v, size_t *n) {
    struct sg_member *members = sg_alloc(a, *n * sizeof *members);
    yyjson_val *key = unsafe_yyjson_get_first(v);
    for (size_t i = 0; i < *n; i++, key = unsafe_yyjson_get_next(key + 1)) {
        members[i].key = copy_text(a, key);
        build(a, key + 1, &members[i].value);
    }
    *n = unite_equal_keys(members, *n);
    return members;
}

static void build(struct sg_arena *a, yyjson_val *v, struct sg_json *out) {
    size_t n = unsafe_yyjson_get_len(v);
    switch (unsafe_yyjson_get_type(v)) {
    case YYJSON_TYPE_STR:
        *out = sg_json_string(copy_text(a, v));
        break;
    case YYJSON_TYPE_RAW:
        *out = number_of(copy_text(a, v));
        break;
    case YYJSON_TYPE_ARR:
        *out = sg_json_array(n ? build_items(a, v, n) : NULL, n);
        break;
    case YYJSON_TYPE_OBJ:
        *out = (struct sg_json){.type = SG_JSON_OBJECT};
        if (n) out->members = build_members(a, v, &n);
        out->n = (uint32_t)n;
        break;
    case YYJSON_TYPE_BOOL:
        *out = sg_json_bool(unsafe_yyjson_get_bool(v));
        break;
    default:
        *out = sg_json_null();
    }
}

/* In place in scratch for the usual sizes; what is larger goes to the heap and back. */
static yyjson_doc *read_document(struct sg_str text, yyjson_read_err *why) {
    size_t copied = (text.n + PADDING + 15) & ~(size_t)15;
    size_t pool_size = yyjson_read_max_memory_usage(text.n, YYJSON_READ_INSITU);
    char *p = text.n < SCRATCH_KEEP ? borrow_scratch(copied + pool_size) : NULL;
    if (!p) return yyjson_read_opts((char *)(uintptr_t)text.p, text.n, YYJSON_READ_NUMBER_AS_RAW, NULL, why);
    memcpy(p, text.p, text.n);
    memset(p + text.n, 0, PADDING);
    yyjson_alc pool;
    yyjson_alc_pool_init(&pool, p + copied, pool_size);
    return yyjson_read_opts(p, text.n, YYJSON_READ_NUMBER_AS_RAW | YYJSON_READ_INSITU, &pool, why);
}

static int refuse(size_t where, size_t *at, struct sg_err *err, int code, const char *why) {
    if (at) *at = where;
    return sg_fail(err, code, "not JSON that can be read: %s, at byte %zu", why, where);
}

int sg_json_parse(struct sg_arena *a, struct sg_str text, struct sg_json *out, size_t *at, struct sg_err *err) {
    *out = sg_json_null();
    if (text.n == 0) return refuse(0, at, err, SG_E_SYNTAX, "the text is empty");
    if (text.n > UINT32_MAX) return refuse(0, at, err, SG_E_LIMIT, "over 4 GB");
    size_t deep = find_too_deep(text);
    if (deep < text.n) return refuse(deep, at, err, SG_E_LIMIT, "nested too deeply");
    yyjson_read_err why = {0};
    yyjson_doc *doc = read_document(text, &why);
    if (!doc && why.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION) return refuse(0, at, err, SG_E_LIMIT, why.msg);
    if (!doc) return refuse(why.pos, at, err, SG_E_SYNTAX, why.msg);
    build(a, yyjson_doc_get_root(doc), out);
    yyjson_doc_free(doc);
    return 0;
}

/* ---- making ---- */

struct sg_json sg_json_int(struct sg_arena *a, int64_t v) {
    return number_of(sg_str_printf(a, "%" PRId64, v));
}

struct sg_json sg_json_double(struct sg_arena *a, double v) {
    if (!isfinite(v)) return sg_json_null();
    struct sg_buf b = SG_BUF_INIT(0);
    sg_py_double(&b, v);
    struct sg_json number = number_of(sg_str_dup(a, sg_buf_view(&b)));
    sg_buf_fini(&b);
    return number;
}

static struct sg_json copy_string(struct sg_arena *a, const struct sg_json *v) {
    struct sg_json copy = *v;
    copy.text = sg_str_dup(a, sg_json_text(v)).p;
    return copy;
}

struct sg_json sg_json_copy(struct sg_arena *a, const struct sg_json *v) {
    if (v->type == SG_JSON_NUMBER || v->type == SG_JSON_STRING) return copy_string(a, v);
    if (v->type < SG_JSON_NUMBER || v->n == 0) return *v;
    if (v->type == SG_JSON_ARRAY) {
        struct sg_json *items = sg_alloc(a, v->n * sizeof *items);
        for (size_t i = 0; i < v->n; i++) items[i] = sg_json_copy(a, &v->items[i]);
        return sg_json_array(items, v->n);
    }
    struct sg_member *members = sg_alloc(a, v->n * sizeof *members);
    for (size_t i = 0; i < v->n; i++) {
        members[i].key = sg_str_dup(a, v->members[i].key);
        members[i].value = sg_json_copy(a, &v->members[i].value);
    }
    return sg_json_object(members, v->n);
}

/* ---- looking ---- */

const char *sg_json_type_name(const struct sg_json *v) {
    static const char *const names[] = {"null", "boolean", "boolean", "number", "string", "array", "object"};
    return names[v->type];
}

const struct sg_json *sg_json_get(const struct sg_json *object, struct sg_str key) {
    if (object->type != SG_JSON_OBJECT) return NULL;
    for (size_t i = 0; i < object->n; i++)
        if (sg_str_eq(object->members[i].key, key)) return &object->members[i].value;
    return NULL;
}

bool sg_json_is_text(const struct sg_json *v, struct sg_str text) {
    return v->type == SG_JSON_STRING && sg_str_eq(sg_json_text(v), text);
}

bool sg_json_number_is_int(struct sg_str text) {
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '.' || (text.p[i] | 0x20) == 'e') return false;
    return true;
}

/* strtod wants a NUL. A text over LONGEST is all digits that no double can hold, but its exponent counts. */
bool sg_json_to_double(const struct sg_json *v, double *out) {
    if (v->type != SG_JSON_NUMBER) return false;
    char small[64], *copy = v->n < sizeof small ? small : sg_xmalloc((size_t)v->n + 1);
    memcpy(copy, v->text, v->n);
    copy[v->n] = '\0';
    *out = strtod(copy, NULL);
    if (copy != small) free(copy);
    return true;
}

static bool int_text_to_i64(struct sg_str s, int64_t *out) {
    bool negative = s.n && s.p[0] == '-';
    uint64_t value = 0, limit = (uint64_t)INT64_MAX + negative;
    for (size_t i = negative; i < s.n; i++) {
        unsigned digit = (unsigned)(s.p[i] - '0');
        if (value > (limit - digit) / 10) return false;
        value = value * 10 + digit;
    }
    *out = negative ? (int64_t)-value : (int64_t)value;
    return true;
}

/* 5.0 and 1e3 are whole numbers too, as far as a double has them exactly. */
bool sg_json_to_i64(const struct sg_json *v, int64_t *out) {
    if (v->type != SG_JSON_NUMBER) return false;
    if (sg_json_number_is_int(sg_json_text(v))) return int_text_to_i64(sg_json_text(v), out);
    double d;
    if (!sg_json_to_double(v, &d) || !(fabs(d) <= 0x1p53) || d != floor(d)) return false;
    *out = (int64_t)d;
    return true;
}

static int compare_keys(const void *a, const void *b) {
    const struct sg_member *const *left = a, *const *right = b;
    return sg_str_cmp((*left)->key, (*right)->key);
}

/* The members in order of their keys; the caller frees the list. */
static const struct sg_member **sort_members(const struct sg_json *v) {
    const struct sg_member **order = sg_xmalloc(v->n * sizeof *order);
    for (size_t i = 0; i < v->n; i++) order[i] = &v->members[i];
    qsort(order, v->n, sizeof *order, compare_keys);
    return order;
}

static bool equal_sorted(const struct sg_json *a, const struct sg_json *b) {
    const struct sg_member **left = sort_members(a), **right = sort_members(b);
    bool equal = true;
    for (size_t i = 0; equal && i < a->n; i++)
        equal = sg_str_eq(left[i]->key, right[i]->key) && sg_json_equal(&left[i]->value, &right[i]->value);
    free(left);
    free(right);
    return equal;
}

/* The usual case is the same order. */
static bool equal_members(const struct sg_json *a, const struct sg_json *b) {
    for (size_t i = 0; i < a->n; i++)
        if (!sg_str_eq(a->members[i].key, b->members[i].key)) return equal_sorted(a, b);
    for (size_t i = 0; i < a->n; i++)
        if (!sg_json_equal(&a->members[i].value, &b->members[i].value)) return false;
    return true;
}

bool sg_json_equal(const struct sg_json *a, const struct sg_json *b) {
    if (a->type != b->type || a->n != b->n) return false;
    if (a->type == SG_JSON_OBJECT) return equal_members(a, b);
    if (a->type != SG_JSON_ARRAY) return a->type < SG_JSON_NUMBER || sg_str_eq(sg_json_text(a), sg_json_text(b));
    for (size_t i = 0; i < a->n; i++)
        if (!sg_json_equal(&a->items[i], &b->items[i])) return false;
    return true;
}

/* ---- writing strings ---- */

#define LONGEST_ESCAPE 6 /* \u001f */
#define WORD 8

static const char hex[] = "0123456789abcdef";

static size_t put_u16(char *out, uint32_t c) {
    const char text[LONGEST_ESCAPE] = {'\\', 'u', hex[c >> 12 & 15], hex[c >> 8 & 15], hex[c >> 4 & 15], hex[c & 15]};
    memcpy(out, text, sizeof text);
    return sizeof text;
}

/* The escape of a control character, a quote or a backslash, as Python writes it. */
static size_t put_escape(char *out, unsigned char c) {
    static const char letters['\\' + 1] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n',  ['\f'] = 'f',
                                           ['\r'] = 'r', ['"'] = '"',  ['\\'] = '\\'};
    if (!letters[c]) return put_u16(out, c);
    out[0] = '\\';
    out[1] = letters[c];
    return 2;
}

/* The high bit of every byte that needs an escape: below 0x20, a quote, a backslash. Exact, as other_bytes. */
static uint64_t special_bytes(uint64_t w) {
    uint64_t from_space = ((w & ~HIGHS) + ONES * 0x60) | w;
    return ~(from_space & other_bytes(w, '"') & other_bytes(w, '\\')) & HIGHS;
}

/* The last word of a text, filled with spaces. Shifted together: bytes stored one by one and loaded at once stall. */
static uint64_t load_rest(const char *p, size_t n) {
    uint64_t w = ONES * ' ';
    while (n-- > 0) w = w << 8 | (unsigned char)p[n];
    return w;
}

/* Offset of the first byte from `i` on that needs an escape, or s.n. */
static size_t find_special(struct sg_str s, size_t i) {
#ifdef __SSE2__
    for (; i + 16 <= s.n; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(s.p + i));
        __m128i quote = _mm_cmpeq_epi8(v, _mm_set1_epi8('"')), slash = _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'));
        __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(v, _mm_set1_epi8(0x1F)), v);
        int special = _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(quote, slash), control));
        if (special) return i + (size_t)__builtin_ctz((unsigned)special);
    }
#endif
    for (; i + WORD <= s.n; i += WORD) {
        uint64_t special = special_bytes(load8(s.p + i));
        if (special) return i + (size_t)__builtin_ctzll(special) / 8;
    }
    uint64_t special = i < s.n ? special_bytes(load_rest(s.p + i, s.n - i)) : 0;
    return special ? i + (size_t)__builtin_ctzll(special) / 8 : s.n;
}

void sg_json_write_string(struct sg_buf *b, struct sg_str s) {
    size_t start = b->n;
    sg_buf_ch(b, '"');
    for (size_t i = 0; i < s.n;) {
        size_t end = find_special(s, i), plain = end - i;
        char *out = sg_buf_reserve(b, plain + (end < s.n ? LONGEST_ESCAPE : 0));
        if (!out) break;
        memcpy(out, s.p + i, plain);
        if (end < s.n) plain += put_escape(out + plain, (unsigned char)s.p[end]);
        b->n += plain;
        i = end + 1;
    }
    sg_buf_ch(b, '"');
    if (b->failed) b->n = start; /* no part of a string */
}

void sg_json_write_text(struct sg_buf *b, struct sg_str s) {
    struct sg_buf clean = SG_BUF_INIT(0);
    uint32_t code;
    for (size_t i = 0, n; i < s.n; i += n) {
        n = sg_utf8_decode(s, i, &code);
        if (code == SG_UTF8_BAD) SG_BUF_LIT(&clean, "\xEF\xBF\xBD");
        else sg_buf_add(&clean, s.p + i, n);
    }
    sg_json_write_string(b, sg_buf_view(&clean));
    sg_buf_fini(&clean);
}

/* As Python's ensure_ascii: DEL is escaped too, characters beyond 16 bits as a pair of surrogates. */
static void write_ascii_string(struct sg_buf *b, struct sg_str s) {
    sg_buf_ch(b, '"');
    for (const char *p = s.p, *end = s.p + s.n; p < end;) {
        char *out = sg_buf_reserve(b, 2 * LONGEST_ESCAPE);
        if (!out) return;
        uint32_t c = sg_utf8_next(&p, end);
        if (c >= ' ' && c <= '~' && c != '"' && c != '\\') {
            *out = (char)c;
            b->n++;
        } else if (c < 0x10000) {
            b->n += c < 0x7F ? put_escape(out, (unsigned char)c) : put_u16(out, c);
        } else {
            b->n += put_u16(out, 0xD800 + ((c - 0x10000) >> 10)); /* the pair of RFC 8259, section 7 */
            b->n += put_u16(out + LONGEST_ESCAPE, 0xDC00 + (c & 0x3FF));
        }
    }
    sg_buf_ch(b, '"');
}

/* ---- writing values ---- */

struct form {
    struct sg_str comma, colon;
    int indent; /* spaces a level; 0: all on one line */
    bool sorted, ascii, python_numbers;
};

static void write_value(struct sg_buf *b, const struct sg_json *v, const struct form *f, int level);

static void new_line(struct sg_buf *b, int indent, int level) {
    size_t spaces = (size_t)indent * (size_t)level;
    char *out = sg_buf_reserve(b, 1 + spaces);
    if (!out) return;
    out[0] = '\n';
    memset(out + 1, ' ', spaces);
    b->n += 1 + spaces;
}

static void write_form_string(struct sg_buf *b, struct sg_str s, const struct form *f) {
    if (f->ascii) write_ascii_string(b, s);
    else sg_json_write_string(b, s);
}

/* json.dumps writes Infinity for what is too large for a float, str() inf. */
static void write_number(struct sg_buf *b, const struct sg_json *v, const struct form *f) {
    double d;
    if (!f->python_numbers) sg_buf_str(b, sg_json_text(v));
    else if (sg_json_number_is_int(sg_json_text(v)) || !sg_json_to_double(v, &d) || isfinite(d))
        sg_py_number(b, sg_json_text(v));
    else sg_buf_str(b, d < 0 ? SG_STR("-Infinity") : SG_STR("Infinity"));
}

static void write_array(struct sg_buf *b, const struct sg_json *v, const struct form *f, int level) {
    sg_buf_ch(b, '[');
    for (size_t i = 0; i < v->n; i++) {
        if (i > 0) sg_buf_str(b, f->comma);
        if (f->indent) new_line(b, f->indent, level + 1);
        write_value(b, &v->items[i], f, level + 1);
    }
    if (f->indent && v->n) new_line(b, f->indent, level);
    sg_buf_ch(b, ']');
}

static void write_object(struct sg_buf *b, const struct sg_json *v, const struct form *f, int level) {
    const struct sg_member **order = f->sorted ? sort_members(v) : NULL;
    sg_buf_ch(b, '{');
    for (size_t i = 0; i < v->n; i++) {
        const struct sg_member *m = order ? order[i] : &v->members[i];
        if (i > 0) sg_buf_str(b, f->comma);
        if (f->indent) new_line(b, f->indent, level + 1);
        write_form_string(b, m->key, f);
        sg_buf_str(b, f->colon);
        write_value(b, &m->value, f, level + 1);
    }
    if (f->indent && v->n) new_line(b, f->indent, level);
    sg_buf_ch(b, '}');
    free(order);
}

static void write_value(struct sg_buf *b, const struct sg_json *v, const struct form *f, int level) {
    switch (v->type) {
    case SG_JSON_NULL: SG_BUF_LIT(b, "null"); break;
    case SG_JSON_FALSE: SG_BUF_LIT(b, "false"); break;
    case SG_JSON_TRUE: SG_BUF_LIT(b, "true"); break;
    case SG_JSON_NUMBER: write_number(b, v, f); break;
    case SG_JSON_STRING: write_form_string(b, sg_json_text(v), f); break;
    case SG_JSON_ARRAY: write_array(b, v, f, level); break;
    case SG_JSON_OBJECT: write_object(b, v, f, level); break;
    }
}

void sg_json_write(struct sg_buf *b, const struct sg_json *v) {
    write_value(b, v, &(struct form){.comma = SG_STR(","), .colon = SG_STR(":")}, 0);
}

void sg_json_write_indented(struct sg_buf *b, const struct sg_json *v, int indent, int level) {
    write_value(b, v, &(struct form){.comma = SG_STR(","), .colon = SG_STR(": "), .indent = indent}, level);
}

void sg_json_write_python(struct sg_buf *b, const struct sg_json *v, bool sort_keys, bool ascii) {
    struct form f = {
        .comma = SG_STR(", "), .colon = SG_STR(": "), .sorted = sort_keys, .ascii = ascii, .python_numbers = true};
    write_value(b, v, &f, 0);
}

struct sg_str sg_json_dump(struct sg_arena *a, const struct sg_json *v) {
    struct sg_buf b = SG_BUF_INIT(SIZE_MAX);
    sg_json_write(&b, v);
    struct sg_str text = sg_str_dup(a, sg_buf_view(&b));
    sg_buf_fini(&b);
    return text;
}

/* ---- text to text ---- */

static bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static size_t skip_spaces(struct sg_str s, size_t i) {
    while (i < s.n && is_space(s.p[i])) i++;
    return i;
}

/* End of the string, number or word at i; at least one byte on. */
static size_t scalar_end(struct sg_str s, size_t i) {
    if (s.p[i] == '"') return string_end(s, i);
    do i++;
    while (i < s.n && !is_space(s.p[i]) && !strchr(",:]}", s.p[i]));
    return i;
}

void sg_json_indent_text(struct sg_buf *b, struct sg_str s, int indent, int level) {
    for (size_t i = skip_spaces(s, 0); i < s.n; i = skip_spaces(s, i)) {
        char c = s.p[i];
        size_t from = i++;
        if ((c | 0x20) == '{') {
            i = skip_spaces(s, i);
            bool empty = i < s.n && (s.p[i] | 0x20) == '}';
            sg_buf_ch(b, c);
            if (empty) sg_buf_ch(b, s.p[i++]);
            else new_line(b, indent, ++level);
        } else if ((c | 0x20) == '}') {
            new_line(b, indent, --level);
            sg_buf_ch(b, c);
        } else if (c == ',') {
            sg_buf_ch(b, c);
            new_line(b, indent, level);
        } else if (c == ':') {
            SG_BUF_LIT(b, ": ");
        } else {
            i = scalar_end(s, from);
            sg_buf_add(b, s.p + from, i - from);
        }
    }
}

void sg_json_compact_text(struct sg_buf *b, struct sg_str s) {
    for (size_t i = skip_spaces(s, 0); i < s.n; i = skip_spaces(s, i)) {
        size_t from = i;
        i = strchr("[{]},:", s.p[i]) ? i + 1 : scalar_end(s, i);
        sg_buf_add(b, s.p + from, i - from);
    }
}
