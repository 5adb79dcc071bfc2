/* SPDX-License-Identifier: Apache-2.0 */
/* log: a line is put together in a buffer and handed to the system in one write, under a lock, since a pipe may take
 * only a part of a long line and another thread's line must not fall between the parts.
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
} setup = {SG_INFO, 2, false};

static pthread_mutex_t write_lock = PTHREAD_MUTEX_INITIALIZER;

void sg_log_setup(enum sg_level level, int fd, bool json) {
    setup.level = level;
    setup.fd = fd;
    setup.json = json;
}

bool sg_log_wants(enum sg_event ev) {
    return setup.fd >= 0 && EVENTS[ev].level >= setup.level;
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

static void write_quoted(struct sg_buf *b, struct sg_str s) {
    uint32_t code;
    sg_buf_ch(b, '"');
    for (size_t i = 0, n; i < s.n; i += n) {
        n = sg_utf8_decode(s, i, &code);
        if (code == '\n') SG_BUF_LIT(b, "\\n");
        else if (is_unsafe(code))
            for (size_t k = 0; k < n; k++) sg_buf_printf(b, "\\x%02x", (unsigned char)s.p[i + k]);
        else {
            if (code == '"' || code == '\\') sg_buf_ch(b, '\\');
            sg_buf_add(b, s.p + i, n);
        }
    }
    sg_buf_ch(b, '"');
}

static void write_text(struct sg_buf *b, struct sg_str s) {
    if (is_plain(s)) sg_buf_str(b, s);
    else write_quoted(b, s);
}

/* JSON is UTF-8: other bytes become U+FFFD. */
static void write_json_text(struct sg_buf *b, struct sg_str s) {
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

static void write_real(struct sg_buf *b, double v) {
    if (setup.json && !isfinite(v)) SG_BUF_LIT(b, "null");
    else sg_buf_printf(b, setup.json ? "%.15g" : "%.6g", v);
}

static void write_value(struct sg_buf *b, const struct sg_field *f) {
    if (f->kind == SG_FIELD_INT) sg_buf_printf(b, "%lld", (long long)f->i);
    else if (f->kind == SG_FIELD_REAL) write_real(b, f->real);
    else {
        struct sg_buf safe = SG_BUF_INIT(0);
        sg_redact(&safe, f->str);
        if (setup.json) write_json_text(b, sg_buf_view(&safe));
        else write_text(b, sg_buf_view(&safe));
        sg_buf_fini(&safe);
    }
}

static void write_line(struct sg_buf *b, enum sg_event ev, const struct sg_field *fields, size_t n) {
    time_t now = (time_t)(sg_os->wall_ns() / 1000000000);
    struct tm t;
    localtime_r(&now, &t);
    sg_buf_printf(b, "%02d:%02d:%02d ", t.tm_hour, t.tm_min, t.tm_sec);
    if (EVENTS[ev].level != SG_INFO) sg_buf_printf(b, "%s: ", LEVELS[EVENTS[ev].level]);
    sg_buf_str(b, sg_str(EVENTS[ev].text));
    for (size_t i = 0; i < n; i++) {
        sg_buf_printf(b, "%s%s=", i == 0 ? "  " : " ", fields[i].key);
        write_value(b, &fields[i]);
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
    for (size_t i = 0; i < n; i++) {
        sg_buf_printf(b, ",\"%s\":", fields[i].key);
        write_value(b, &fields[i]);
    }
    sg_buf_ch(b, '}');
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

void sg_log_fields(enum sg_event ev, const struct sg_field *fields, size_t n) {
    if (!sg_log_wants(ev)) return;
    struct sg_buf line = SG_BUF_INIT(0);
    (setup.json ? write_json_line : write_line)(&line, ev, fields, n);
    sg_buf_ch(&line, '\n');
    send_line(sg_buf_view(&line));
    sg_buf_fini(&line);
}
