/* SPDX-License-Identifier: Apache-2.0 */
/* http1_parse: replies of HTTP/1.1 (RFC 9112), read strictly.
 *
 * What is refused, although readers may tolerate it: lines that end in LF alone (2.2), folded field lines (5.2), white space
 * around a field's name (5.1), Transfer-Encoding beside Content-Length (6.3), lists of lengths, any transfer coding but
 * chunked. Two readers that disagree about where a reply ends are how replies get swapped; no server that is worth talking
 * to sends these. Tolerated: a missing space after the status code, and white space after a chunk's size.
 *
 * The head is searched line by line for its end and then read in one piece; the body is taken as it comes. */
#include "net/http1_parse.h"

#include <stdio.h>
#include <time.h>

#define OVERHEAD_MAX (256u * 1024)
#define RESERVE_MAX (1u << 20) /* a length is believed that far before the bytes come */
#define WAIT_MAX_MS 1000000000000
#define PROTOCOL "HTTP/1."
#define PROTOCOL_N (sizeof PROTOCOL - 1)

/* RFC 9110 5.6.2 */
static const bool TOKEN[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,
    ['^'] = 1, ['_'] = 1, ['`'] = 1, ['|'] = 1, ['~'] = 1, ['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1,
};

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

/* Of field values and reasons: visible, blank or beyond ASCII (RFC 9110 5.5). */
static bool is_text(struct sg_str s) {
    bool bad = false;
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        bad |= (c < 0x20 && c != '\t') || c == 0x7F;
    }
    return !bad;
}

static struct sg_str trim_blanks(struct sg_str s) {
    while (s.n && is_blank(*s.p)) s.p++, s.n--;
    while (s.n && is_blank(s.p[s.n - 1])) s.n--;
    return s;
}

/* --- shared parts ---------------------------------------------------------------------------------------------------- */

ssize_t sg_http1_head_length(struct sg_str s, size_t *seen) {
    for (;;) {
        const char *line = s.p + *seen, *lf = memchr(line, '\n', s.n - *seen);
        if (!lf) return 0;
        if (lf == line || lf[-1] != '\r') return SG_E_PROTOCOL;
        *seen = (size_t)(lf - s.p) + 1;
        if (lf == line + 1) return (ssize_t)*seen;
    }
}

static struct sg_str take_line(struct sg_str *rest) {
    size_t n = sg_str_find(*rest, '\n', 0);
    SG_ASSERT(n > 0 && n < rest->n);
    struct sg_str line = {rest->p, n - 1};
    rest->p += n + 1;
    rest->n -= n + 1;
    return line;
}

static int bad(const char **why, const char *text) {
    *why = text;
    return SG_E_PROTOCOL;
}

int sg_http1_field(struct sg_str *rest, struct sg_str *name, struct sg_str *value, const char **why) {
    struct sg_str line = take_line(rest);
    if (line.n == 0) return 0;
    if (is_blank(*line.p)) return bad(why, "a folded header line");
    size_t n = 0;
    while (n < line.n && TOKEN[(unsigned char)line.p[n]]) n++;
    if (n == 0 || n == line.n || line.p[n] != ':') return bad(why, "a header line without a proper name");
    *name = (struct sg_str){line.p, n};
    *value = trim_blanks((struct sg_str){line.p + n + 1, line.n - n - 1});
    return is_text(*value) ? 1 : bad(why, "a control character in a header");
}

bool sg_http1_name_is(struct sg_str name, struct sg_str lower_case) {
    if (name.n != lower_case.n) return false;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (c >= 'A' && c <= 'Z') c = (char)(c | 0x20);
        if (c != lower_case.p[i]) return false;
    }
    return true;
}

bool sg_http1_has_token(struct sg_str list, struct sg_str token) {
    for (size_t at = 0; at <= list.n;) {
        size_t end = sg_str_find(list, ',', at);
        if (sg_http1_name_is(trim_blanks((struct sg_str){list.p + at, end - at}), token)) return true;
        at = end + 1;
    }
    return false;
}

bool sg_http1_number(struct sg_str digits, uint64_t *out) {
    uint64_t v = 0;
    if (digits.n == 0 || digits.n > 18) return false;
    for (size_t i = 0; i < digits.n; i++) {
        if (digits.p[i] < '0' || digits.p[i] > '9') return false;
        v = v * 10 + (uint64_t)(digits.p[i] - '0');
    }
    *out = v;
    return true;
}

/* --- chunked ----------------------------------------------------------------------------------------------------------- */

enum { CHUNK_SIZE, CHUNK_BLANK, CHUNK_EXTENSION, CHUNK_SIZE_LF, CHUNK_DATA, CHUNK_CR, CHUNK_LF, CHUNK_TRAILER,
       CHUNK_TRAILER_LF };

static int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int size_byte(struct sg_http1_chunks *c, char ch, const char **why) {
    int v = hex_value(ch);
    if (v >= 0 && c->step == CHUNK_SIZE) {
        if (++c->digits > 15) return bad(why, "a chunk without sensible size");
        c->left = c->left * 16 + (uint64_t)v;
        return 0;
    }
    if (c->digits == 0) return bad(why, "a chunk without size");
    if (ch == '\r')
        c->step = CHUNK_SIZE_LF;
    else if (ch == ';')
        c->step = CHUNK_EXTENSION;
    else if (is_blank(ch))
        c->step = CHUNK_BLANK;
    else
        return bad(why, "a chunk without proper size");
    return 0;
}

static int line_byte(struct sg_http1_chunks *c, char ch, uint8_t after_cr, const char **why) {
    if (ch == '\r') {
        c->step = after_cr;
        return 0;
    }
    if (++c->overhead > OVERHEAD_MAX) return bad(why, "too many chunk extensions or trailers");
    c->in_line = true;
    return is_text((struct sg_str){&ch, 1}) ? 0 : bad(why, "a control character in a chunk's line");
}

static int framing_byte(struct sg_http1_chunks *c, char ch, const char **why) {
    switch (c->step) {
    case CHUNK_SIZE:
    case CHUNK_BLANK:
        return size_byte(c, ch, why);
    case CHUNK_EXTENSION:
        return line_byte(c, ch, CHUNK_SIZE_LF, why);
    case CHUNK_SIZE_LF:
        if (ch != '\n') return bad(why, "a chunk's size that does not end in CR LF");
        c->step = c->left ? CHUNK_DATA : CHUNK_TRAILER;
        c->digits = 0;
        c->in_line = false;
        return 0;
    case CHUNK_CR:
        if (ch != '\r') return bad(why, "a chunk longer than its size");
        c->step = CHUNK_LF;
        return 0;
    case CHUNK_LF:
        if (ch != '\n') return bad(why, "a chunk longer than its size");
        c->step = CHUNK_SIZE;
        return 0;
    case CHUNK_TRAILER:
        return line_byte(c, ch, CHUNK_TRAILER_LF, why);
    default: /* CHUNK_TRAILER_LF */
        if (ch != '\n') return bad(why, "a trailer that does not end in CR LF");
        c->step = CHUNK_TRAILER;
        if (!c->in_line) return 1;
        c->in_line = false;
        return 0;
    }
}

static size_t take_data(struct sg_http1_chunks *c, struct sg_str in, struct sg_buf *out) {
    size_t n = in.n < c->left ? in.n : (size_t)c->left;
    sg_buf_add(out, in.p, n);
    c->left -= n;
    if (c->left == 0) c->step = CHUNK_CR;
    return n;
}

int sg_http1_chunks_take(struct sg_http1_chunks *c, struct sg_str in, size_t *used, struct sg_buf *out,
                         const char **why) {
    int rc = 0;
    size_t i = 0;
    while (i < in.n && rc == 0) {
        if (c->step == CHUNK_DATA)
            i += take_data(c, (struct sg_str){in.p + i, in.n - i}, out);
        else
            rc = framing_byte(c, in.p[i++], why);
    }
    *used = i;
    return out->failed ? SG_E_LIMIT : rc;
}

/* --- the head ---------------------------------------------------------------------------------------------------------- */

enum { CONTENT_TYPE, RETRY_AFTER, RETRY_AFTER_MS, LOCATION };

/* What the field lines said, before they are weighed against each other. */
struct head {
    struct sg_http1 *h;
    const char *start;
    bool http10, close, keep_alive, has_length, chunked;
    const char *why;
};

static int read_status_line(struct head *d, struct sg_str line) {
    if (line.n < 12 || memcmp(line.p, PROTOCOL, PROTOCOL_N) != 0 || (line.p[7] != '0' && line.p[7] != '1') || line.p[8] != ' ')
        return bad(&d->why, "no HTTP/1.1 status line");
    uint64_t status;
    if (!sg_http1_number((struct sg_str){line.p + 9, 3}, &status) || status < 100 || status > 599)
        return bad(&d->why, "no proper status code");
    struct sg_str reason = {line.p + 12, line.n - 12};
    if ((reason.n && *reason.p != ' ') || !is_text(reason)) return bad(&d->why, "no proper status line");
    d->http10 = line.p[7] == '0';
    d->h->status = (int)status;
    return 0;
}

static int read_length(struct head *d, struct sg_str value) {
    uint64_t v;
    if (!sg_http1_number(value, &v)) return bad(&d->why, "a Content-Length that is no number");
    if (d->has_length && v != d->h->length) return bad(&d->why, "two different Content-Lengths");
    d->has_length = true;
    d->h->length = v;
    return 0;
}

static int read_coding(struct head *d, struct sg_str value) {
    if (d->chunked || !sg_http1_name_is(value, SG_STR("chunked")))
        return bad(&d->why, "a Transfer-Encoding other than chunked");
    d->chunked = true;
    return 0;
}

static void keep(struct head *d, int which, struct sg_str value) {
    d->h->fields[which] = (struct sg_http1_span){(uint32_t)(value.p - d->start), (uint32_t)value.n};
}

static int read_field(struct head *d, struct sg_str name, struct sg_str value) {
    switch (name.n) { /* most fields end here, without a comparison */
    case 8:
        if (sg_http1_name_is(name, SG_STR("location"))) keep(d, LOCATION, value);
        return 0;
    case 10:
        if (!sg_http1_name_is(name, SG_STR("connection"))) return 0;
        d->close |= sg_http1_has_token(value, SG_STR("close"));
        d->keep_alive |= sg_http1_has_token(value, SG_STR("keep-alive"));
        return 0;
    case 11:
        if (sg_http1_name_is(name, SG_STR("retry-after"))) keep(d, RETRY_AFTER, value);
        return 0;
    case 12:
        if (sg_http1_name_is(name, SG_STR("content-type"))) keep(d, CONTENT_TYPE, value);
        return 0;
    case 14:
        if (sg_http1_name_is(name, SG_STR("content-length"))) return read_length(d, value);
        if (sg_http1_name_is(name, SG_STR("retry-after-ms"))) keep(d, RETRY_AFTER_MS, value);
        return 0;
    case 16:
        if (sg_http1_name_is(name, SG_STR("content-encoding")) && !sg_http1_name_is(value, SG_STR("identity")))
            return bad(&d->why, "a compressed body, which was not asked for");
        return 0;
    case 17:
        return sg_http1_name_is(name, SG_STR("transfer-encoding")) ? read_coding(d, value) : 0;
    default:
        return 0;
    }
}

/* RFC 9112 6.3 and 9.3 */
static int decide_framing(struct head *d) {
    struct sg_http1 *h = d->h;
    if (d->chunked && d->has_length) return bad(&d->why, "both Content-Length and Transfer-Encoding");
    if (d->chunked && d->http10) return bad(&d->why, "Transfer-Encoding in HTTP/1.0");
    h->persistent = !d->close && (!d->http10 || d->keep_alive);
    if (h->status < 200 || h->status == 204 || h->status == 304)
        h->framing = SG_HTTP1_NO_BODY;
    else if (d->chunked)
        h->framing = SG_HTTP1_CHUNKED;
    else
        h->framing = d->has_length ? SG_HTTP1_LENGTH : SG_HTTP1_UNTIL_CLOSE;
    return h->status == 101 ? bad(&d->why, "a switch of protocols") : 0;
}

static int read_head(struct sg_http1 *h, struct sg_str text, struct sg_err *err) {
    struct head d = {.h = h, .start = text.p};
    struct sg_str name, value;
    memset(h->fields, 0, sizeof h->fields);
    h->length = 0;
    int rc = read_status_line(&d, take_line(&text)), more = 1;
    while (rc == 0 && (more = sg_http1_field(&text, &name, &value, &d.why)) > 0) rc = read_field(&d, name, value);
    if (rc == 0) rc = more < 0 ? more : decide_framing(&d);
    if (rc) return sg_fail(err, rc, "the reply has %s", d.why);
    if (h->framing == SG_HTTP1_LENGTH && h->length > h->body_max)
        return sg_fail(err, SG_E_LIMIT, "a reply of %llu bytes; the limit is %llu", (unsigned long long)h->length,
                       (unsigned long long)h->body_max);
    return 0;
}

/* --- the reply --------------------------------------------------------------------------------------------------------- */

void sg_http1_begin(struct sg_http1 *h) {
    sg_buf_reset(&h->store, SG_HTTP1_KEEP);
    h->store.max = h->head_max * 2 + h->body_max;
    h->seen = h->head_n = h->interim = 0;
}

void sg_http1_fini(struct sg_http1 *h) {
    sg_buf_fini(&h->store);
}

static struct sg_str field(const struct sg_http1 *h, const char *head, int which) {
    return (struct sg_str){head + h->fields[which].at, h->fields[which].n};
}

static int complete(struct sg_http1 *h, const char *head, struct sg_str body) {
    h->content_type = field(h, head, CONTENT_TYPE);
    h->retry_after = field(h, head, RETRY_AFTER);
    h->retry_after_ms = field(h, head, RETRY_AFTER_MS);
    h->location = field(h, head, LOCATION);
    h->body = body;
    h->keep_alive = h->persistent && h->framing != SG_HTTP1_UNTIL_CLOSE;
    return 1;
}

static int complete_in_store(struct sg_http1 *h) {
    struct sg_str all = sg_buf_view(&h->store);
    return complete(h, all.p, (struct sg_str){all.p + h->head_n, all.n - h->head_n});
}

static int too_large(const struct sg_http1 *h, struct sg_err *err) {
    if (!h->head_n) return sg_fail(err, SG_E_LIMIT, "a reply's head of more than %zu bytes", h->head_max);
    return sg_fail(err, SG_E_LIMIT, "a reply of more than %llu bytes", (unsigned long long)h->body_max);
}

/* Looks for a whole head in `text`. 1: it was read; 0: more is needed; or an error. Steps over interim replies: then *skip
 * bytes of `text` are done with. */
static int find_head(struct sg_http1 *h, struct sg_str text, size_t *skip, struct sg_err *err) {
    *skip = 0;
    for (;;) {
        struct sg_str rest = {text.p + *skip, text.n - *skip};
        size_t room = h->head_max + 1 - h->interim;
        if (rest.n > room) rest.n = room; /* what is behind the limit changes no verdict, however the bytes come */
        if (memcmp(rest.p, PROTOCOL, rest.n < PROTOCOL_N ? rest.n : PROTOCOL_N) != 0)
            return sg_fail(err, SG_E_PROTOCOL, "the reply has no HTTP/1.1 status line"); /* and may never have one */
        ssize_t n = sg_http1_head_length(rest, &h->seen);
        if (n < 0) return sg_fail(err, (int)n, "the reply has a header line that does not end in CR LF");
        size_t got = n ? (size_t)n : rest.n;
        if (got + h->interim > h->head_max) return too_large(h, err);
        if (n == 0) return 0;
        int rc = read_head(h, (struct sg_str){rest.p, got}, err);
        if (rc) return rc;
        if (h->status >= 200) {
            h->head_n = got;
            return 1;
        }
        h->interim += got;
        h->seen = 0;
        *skip += got;
    }
}

/* The body's bytes `in` follow what is in the store, whose own maximum leaves room to overshoot by a little. */
static int take_body(struct sg_http1 *h, struct sg_str in, size_t *used, struct sg_err *err) {
    uint64_t have = h->store.n - h->head_n;
    *used = in.n;
    if (h->framing == SG_HTTP1_CHUNKED) {
        const char *why = NULL;
        int rc = sg_http1_chunks_take(&h->chunks, in, used, &h->store, &why);
        if (rc == SG_E_LIMIT || h->store.n - h->head_n > h->body_max) return too_large(h, err);
        if (rc < 0) return sg_fail(err, rc, "the reply has %s", why);
        return rc ? complete_in_store(h) : 0;
    }
    if (h->framing == SG_HTTP1_LENGTH && *used > h->length - have) *used = (size_t)(h->length - have);
    if (have + *used > h->body_max) return too_large(h, err);
    sg_buf_add(&h->store, in.p, *used);
    return h->framing == SG_HTTP1_LENGTH && have + *used == h->length ? complete_in_store(h) : 0;
}

/* The head is whole and lies at the beginning of `in`; the store is empty. */
static int take_from_head(struct sg_http1 *h, struct sg_str in, size_t *used, struct sg_err *err) {
    struct sg_str rest = {in.p + h->head_n, in.n - h->head_n};
    h->chunks = (struct sg_http1_chunks){0};
    if (h->framing == SG_HTTP1_NO_BODY) h->length = 0;
    if (h->framing == SG_HTTP1_NO_BODY || (h->framing == SG_HTTP1_LENGTH && rest.n >= h->length)) {
        *used = h->head_n + (size_t)h->length;
        return complete(h, in.p, (struct sg_str){rest.p, (size_t)h->length});
    }
    sg_buf_add(&h->store, in.p, h->head_n);
    if (h->framing == SG_HTTP1_LENGTH)
        sg_buf_reserve(&h->store, h->length < RESERVE_MAX ? (size_t)h->length : RESERVE_MAX);
    int rc = take_body(h, rest, used, err);
    *used += h->head_n;
    return rc;
}

/* A head that comes in pieces is gathered in the store; what was copied too much is cut off again. */
static int take_split_head(struct sg_http1 *h, struct sg_str in, size_t *used, struct sg_err *err) {
    size_t had = h->store.n, room = h->head_max + 1 - had, add = in.n < room ? in.n : room, skip;
    sg_buf_add(&h->store, in.p, add);
    int rc = find_head(h, sg_buf_view(&h->store), &skip, err);
    if (rc < 0) return rc;
    sg_buf_drop(&h->store, skip);
    if (rc == 0) {
        *used = add;
        return 0;
    }
    struct sg_str over = {in.p + (h->head_n + skip - had), in.n - (h->head_n + skip - had)};
    h->store.n = h->head_n;
    h->chunks = (struct sg_http1_chunks){0};
    if (h->framing == SG_HTTP1_NO_BODY) h->framing = SG_HTTP1_LENGTH, h->length = 0;
    rc = take_body(h, over, used, err);
    *used += in.n - over.n;
    return rc;
}

int sg_http1_take(struct sg_http1 *h, const char *p, size_t n, size_t *used, struct sg_err *err) {
    struct sg_str in = {p, n};
    *used = 0;
    if (h->head_n) return take_body(h, in, used, err);
    if (h->store.n) return take_split_head(h, in, used, err);
    size_t skip;
    int rc = find_head(h, in, &skip, err);
    struct sg_str rest = {p + skip, n - skip};
    if (rc > 0) {
        rc = take_from_head(h, rest, used, err);
        *used += skip;
    } else if (rc == 0) {
        sg_buf_add(&h->store, rest.p, rest.n);
        *used = n;
    }
    return rc;
}

int sg_http1_end(struct sg_http1 *h, struct sg_err *err) {
    if (h->head_n && h->framing == SG_HTTP1_UNTIL_CLOSE) return complete_in_store(h);
    if (!h->head_n) return sg_fail(err, SG_E_RESET, "the connection ended before the reply's head");
    return sg_fail(err, SG_E_RESET, "the connection ended after %zu bytes of the reply's body", h->store.n - h->head_n);
}

/* --- Retry-After ------------------------------------------------------------------------------------------------------- */

/* A decimal number times `unit`, or -1. */
static int64_t scaled(struct sg_str s, int64_t unit) {
    size_t dot = sg_str_find(s, '.', 0);
    uint64_t whole, part = 0;
    if (!sg_http1_number((struct sg_str){s.p, dot}, &whole)) return -1;
    if (dot < s.n) {
        struct sg_str digits = {s.p + dot + 1, s.n - dot - 1 > 3 ? 3 : s.n - dot - 1};
        if (!sg_http1_number(digits, &part)) return -1;
        for (size_t i = digits.n; i < 3; i++) part *= 10;
    }
    if (whole >= WAIT_MAX_MS / 1000) return WAIT_MAX_MS;
    return (int64_t)whole * unit + (int64_t)part * unit / 1000;
}

/* The month's number from its first three letters, or -1. */
static int month_of(const char *name) {
    static const char NAMES[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (int i = 0; i < 12; i++)
        if (memcmp(name, NAMES + 3 * i, 3) == 0) return i;
    return -1;
}

/* The three forms of RFC 9110 5.6.7: Sun, 06 Nov 1994 08:49:37 GMT | Sunday, 06-Nov-94 08:49:37 GMT |
 * Sun Nov  6 08:49:37 1994. A year of two digits is taken to lie in 1970 to 2069. */
static bool read_date(struct sg_str s, int64_t *out) {
    char text[64], month[4] = "";
    struct tm t = {0};
    if (s.n >= sizeof text) return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    int *d = &t.tm_mday, *y = &t.tm_year, *hh = &t.tm_hour, *mm = &t.tm_min, *ss = &t.tm_sec;
    if (sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT", d, month, y, hh, mm, ss) != 6 &&
        sscanf(text, "%*9[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d GMT", d, month, y, hh, mm, ss) != 6 &&
        sscanf(text, "%*3[A-Za-z] %3[A-Za-z] %2d %2d:%2d:%2d %4d", month, d, hh, mm, ss, y) != 6)
        return false;
    t.tm_mon = strlen(month) == 3 ? month_of(month) : -1;
    if (*y < 100) *y += *y < 70 ? 2000 : 1900;
    if (t.tm_mon < 0 || *d < 1 || *d > 31 || *y < 1970 || *hh < 0 || *hh > 23 || *mm < 0 || *ss < 0) return false;
    t.tm_year -= 1900;
    *out = timegm(&t);
    return true;
}

int64_t sg_http1_retry_after(struct sg_str retry_after, struct sg_str retry_after_ms, int64_t now_s) {
    int64_t ms = scaled(retry_after_ms, 1), at;
    if (ms < 0) ms = scaled(retry_after, 1000);
    if (ms >= 0 || !read_date(retry_after, &at)) return ms;
    return at > now_s ? (at - now_s) * 1000 : 0;
}
