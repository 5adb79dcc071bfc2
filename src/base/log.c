/* SPDX-License-Identifier: Apache-2.0 */
/* log: a line is put together in a buffer and handed to the system in one write, under a lock, since a pipe may take
 * only a part of a long line and another thread's line must not fall between the parts. A panel or a file that takes the
 * lines instead, or as well, gets them whole.
 *
 *   text   12:03:04 warning: bad row  row=17 why="no closing quote"       (local time; info has no level word)
 *   JSON   {"ts":"2026-01-02T12:03:04.678Z","level":"warning","event":"source_row_bad","row":17,...}
 *
 * Values are redacted before they are escaped: an escaped secret would no longer be recognized. A line that cannot be
 * written is lost, because there is nobody to tell. */
#include "base/log.h"

#include "base/json.h"
#include "base/os.h"
#include "base/redact.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static const struct {
    const char *name, *text;
    enum sg_level level;
} EVENTS[] = {
#define SG_X(name, level, text) {#name, text, level},
    SG_EVENT_TABLE(SG_X)
#undef SG_X
};

static const char *const LEVELS[] = {"debug", "info", "warning", "error"};

static struct {
    enum sg_level level;
    int fd;
    bool json;
    uint32_t life;
    struct sg_log_taker show, keep;
} setup = {.level = SG_INFO, .fd = 2};

static pthread_mutex_t write_lock = PTHREAD_MUTEX_INITIALIZER;

void sg_log_setup(enum sg_level level, int fd, bool json) {
    setup.level = level;
    setup.fd = fd;
    setup.json = json;
    setup.life = 0;
    setup.show = setup.keep = (struct sg_log_taker){0};
}

void sg_log_show(struct sg_log_taker to) {
    setup.show = to;
}

void sg_log_keep(struct sg_log_taker to) {
    setup.keep = to;
}

void sg_log_life(uint32_t life) {
    setup.life = life;
}

bool sg_log_wants(enum sg_event ev) {
    return (setup.fd >= 0 || setup.keep.line) && EVENTS[ev].level >= setup.level;
}

/* Control characters, and bytes that are no UTF-8: what a terminal must not see. */
static bool is_unsafe(uint32_t code) {
    return code < 0x20 || (code >= 0x7F && code < 0xA0) || code == SG_UTF8_BAD;
}

static bool is_plain(struct sg_str s) {
    uint32_t code;
    for (size_t i = 0; i < s.n;) {
        i += sg_utf8_decode(s, i, &code);
        if (code == ' ' || code == '"' || code == '=' || is_unsafe(code)) return false;
    }
    return s.n > 0;
}

/* Without what a terminal must not see. */
static void write_escaped(struct sg_buf *b, struct sg_str s) {
    uint32_t code;
    for (size_t i = 0, n; i < s.n; i += n) {
        n = sg_utf8_decode(s, i, &code);
        if (code == '\n') SG_BUF_LIT(b, "\\n");
        else if (is_unsafe(code))
            for (size_t k = 0; k < n; k++) sg_buf_printf(b, "\\x%02x", (unsigned char)s.p[i + k]);
        else sg_buf_add(b, s.p + i, n);
    }
}

static void write_quoted(struct sg_buf *b, struct sg_str s) {
    sg_buf_ch(b, '"');
    for (size_t at = 0, end; at < s.n; at = end) {
        for (end = at; end < s.n && s.p[end] != '"' && s.p[end] != '\\';) end++;
        write_escaped(b, (struct sg_str){s.p + at, end - at});
        if (end < s.n) sg_buf_ch(b, '\\'), sg_buf_ch(b, s.p[end++]);
    }
    sg_buf_ch(b, '"');
}

static void write_text(struct sg_buf *b, struct sg_str s) {
    if (is_plain(s)) sg_buf_str(b, s);
    else write_quoted(b, s);
}

static void write_real(struct sg_buf *b, double v, bool json) {
    if (json && !isfinite(v)) SG_BUF_LIT(b, "null");
    else sg_buf_printf(b, json ? "%.15g" : "%.6g", v);
}

static void write_value(struct sg_buf *b, const struct sg_field *f, bool json) {
    if (f->kind == SG_FIELD_INT) sg_buf_printf(b, "%lld", (long long)f->i);
    else if (f->kind == SG_FIELD_REAL) write_real(b, f->real, json);
    else {
        struct sg_buf safe = SG_BUF_INIT(0);
        sg_redact(&safe, f->str);
        if (json) sg_json_write_text(b, sg_buf_view(&safe));
        else write_text(b, sg_buf_view(&safe));
        sg_buf_fini(&safe);
    }
}

static void write_below(struct sg_buf *b, struct sg_str text) {
    struct sg_buf safe = SG_BUF_INIT(0);
    sg_redact(&safe, sg_str_trim(text));
    for (size_t at = 0, end; at < safe.n; at = end + 1) {
        end = sg_str_find(sg_buf_view(&safe), '\n', at);
        SG_BUF_LIT(b, "\n    ");
        write_escaped(b, (struct sg_str){safe.p + at, end - at});
    }
    sg_buf_fini(&safe);
}

static void write_line(struct sg_buf *b, enum sg_event ev, const struct sg_field *fields, size_t n) {
    time_t now = (time_t)(sg_os->wall_ns() / 1000000000);
    struct tm t;
    localtime_r(&now, &t);
    sg_buf_printf(b, "%02d:%02d:%02d ", t.tm_hour, t.tm_min, t.tm_sec);
    if (EVENTS[ev].level != SG_INFO) sg_buf_printf(b, "%s: ", LEVELS[EVENTS[ev].level]);
    sg_buf_str(b, sg_str(EVENTS[ev].text));
    for (size_t i = 0; i < n; i++) {
        if (fields[i].kind == SG_FIELD_JSON) continue;
        if (fields[i].kind == SG_FIELD_LINES) {
            write_below(b, fields[i].str);
            continue;
        }
        sg_buf_printf(b, "%s%s=", i == 0 ? "  " : " ", fields[i].key);
        write_value(b, &fields[i], false);
    }
    sg_buf_ch(b, '\n');
}

/* A field of ready JSON stands for all others. */
static void write_members(struct sg_buf *b, const struct sg_field *fields, size_t n) {
    for (size_t i = 0; i < n; i++) {
        if (fields[i].kind != SG_FIELD_JSON) continue;
        sg_buf_ch(b, ',');
        sg_redact(b, fields[i].str);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        sg_buf_printf(b, ",\"%s\":", fields[i].key);
        write_value(b, &fields[i], true);
    }
}

static void write_json_line(struct sg_buf *b, enum sg_event ev, const struct sg_field *fields, size_t n) {
    int64_t wall_ms = sg_os->wall_ns() / 1000000;
    time_t now = (time_t)(wall_ms / 1000);
    struct tm t;
    gmtime_r(&now, &t);
    sg_buf_printf(b, "{\"ts\":\"%04d-%02d-%02dT%02d:%02d:%02d.%03dZ\"", t.tm_year + 1900, t.tm_mon + 1, t.tm_mday,
                  t.tm_hour, t.tm_min, t.tm_sec, (int)(wall_ms % 1000));
    sg_buf_printf(b, ",\"level\":\"%s\",\"event\":\"%s\"", LEVELS[EVENTS[ev].level], EVENTS[ev].name);
    if (setup.life) sg_buf_printf(b, ",\"life\":%u", setup.life);
    write_members(b, fields, n);
    SG_BUF_LIT(b, "}\n");
}

static void send_line(struct sg_str line) {
    pthread_mutex_lock(&write_lock);
    while (line.n > 0) {
        ssize_t put = write(setup.fd, line.p, line.n);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) break;
        line = (struct sg_str){line.p + put, line.n - (size_t)put};
    }
    pthread_mutex_unlock(&write_lock);
}

static void show(enum sg_event ev, struct sg_str line) {
    if (line.n == 0) return;
    if (setup.show.line) setup.show.line(setup.show.ud, ev, line);
    else if (setup.fd >= 0) send_line(line);
}

void sg_log_fields(enum sg_event ev, const struct sg_field *fields, size_t n) {
    if (!sg_log_wants(ev)) return;
    struct sg_buf text = SG_BUF_INIT(0), json = SG_BUF_INIT(0);
    if (!setup.json && *EVENTS[ev].text) write_line(&text, ev, fields, n);
    if (setup.json || setup.keep.line) write_json_line(&json, ev, fields, n);
    show(ev, sg_buf_view(setup.json ? &json : &text));
    if (setup.keep.line) setup.keep.line(setup.keep.ud, ev, sg_buf_view(&json));
    sg_buf_fini(&text);
    sg_buf_fini(&json);
}
