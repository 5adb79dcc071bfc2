/* SPDX-License-Identifier: Apache-2.0 */
/* Works on lines and before parsing, because the line with the token may be the one that cannot be parsed.
 *
 * A key is secret when its name ends in one of the words below. What follows its colon is blotted to the end of
 * the line, and so are the lines that are indented deeper (items of a list may stand at the key's own indent). In
 * addresses the part between :// and @ is blotted too. Too much blotted is a less helpful message; too little
 * would be a leak. */
#include "config/blot.h"

#include <strings.h>

static const char *const secret_words[] = {"token",      "secret",        "password",    "passwd",        "api_key",
                                           "access_key", "access_key_id", "credentials", "authorization", "api-key"};

static bool is_name_char(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.';
}

bool sg_config_is_secret_name(struct sg_str name) {
    for (size_t i = 0; i < sizeof secret_words / sizeof *secret_words; i++) {
        struct sg_str word = sg_str(secret_words[i]);
        if (name.n >= word.n && strncasecmp(name.p + name.n - word.n, word.p, word.n) == 0) return true;
    }
    return false;
}

/* The place behind the colon of the first secret key in the line, or line.n + 1. */
static size_t secret_value(struct sg_str line) {
    for (size_t colon = sg_str_find(line, ':', 0); colon < line.n; colon = sg_str_find(line, ':', colon + 1)) {
        size_t end = colon;
        while (end > 0 && (line.p[end - 1] == ' ' || line.p[end - 1] == '"' || line.p[end - 1] == '\'')) end--;
        size_t from = end;
        while (from > 0 && is_name_char(line.p[from - 1])) from--;
        if (sg_config_is_secret_name((struct sg_str){line.p + from, end - from})) return colon + 1;
    }
    return line.n + 1;
}

static size_t indent_of(struct sg_str line) {
    size_t n = 0;
    while (n < line.n && line.p[n] == ' ') n++;
    return n;
}

/* One `*` a character: the first byte of each becomes the star, the rest must go. Returns the end of what was
 * written. */
static char *blot(char *out, struct sg_str s) {
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == ' ' || c == '\r') *out++ = (char)c;
        else if ((c & 0xC0) != 0x80) *out++ = '*';
    }
    return out;
}

/* The end of the name and password in an address whose :// begins at `at`, or `at` when it has none. */
static size_t userinfo_end(struct sg_str s, size_t at) {
    if (s.n - at < 4 || memcmp(s.p + at, "://", 3) != 0) return at;
    for (size_t i = at + 3; i < s.n && !strchr(" /\"'\n", s.p[i]); i++)
        if (s.p[i] == '@') return i;
    return at;
}

static char *keep(char *out, struct sg_str s) {
    for (size_t i = 0; i < s.n; i++) {
        size_t end = userinfo_end(s, i);
        if (end > i) {
            memcpy(out, "://", 3);
            out = blot(out + 3, (struct sg_str){s.p + i + 3, end - i - 3});
            i = end;
        }
        *out++ = s.p[i];
    }
    return out;
}

/* Most files hold nothing to blot, and are not copied. */
static bool is_clean(struct sg_str text) {
    for (size_t at = 0, end; at < text.n; at = end + 1) {
        end = sg_str_find(text, '\n', at);
        if (secret_value((struct sg_str){text.p + at, end - at}) <= end - at) return false;
    }
    for (size_t i = 0; i < text.n; i++)
        if (userinfo_end(text, i) > i) return false;
    return true;
}

struct sg_str sg_config_blot(struct sg_arena *a, struct sg_str text) {
    if (is_clean(text)) return text;
    char *start = sg_alloc(a, text.n + 1), *out = start;
    bool inside = false; /* in the lines that belong to a secret key */
    size_t key_indent = 0;
    for (size_t at = 0, end; at < text.n; at = end + 1) {
        end = sg_str_find(text, '\n', at);
        struct sg_str line = {text.p + at, end - at};
        size_t indent = indent_of(line), value = secret_value(line);
        bool blank = indent == line.n, item = !blank && line.p[indent] == '-';
        inside = inside && (blank || indent > key_indent || (indent == key_indent && item));
        if (inside) {
            out = blot(out, line);
        } else if (value <= line.n) {
            out = keep(out, (struct sg_str){line.p, value});
            out = blot(out, (struct sg_str){line.p + value, line.n - value});
            inside = true;
            key_indent = indent;
        } else {
            out = keep(out, line);
        }
        if (end < text.n) *out++ = '\n';
    }
    return (struct sg_str){start, (size_t)(out - start)};
}
