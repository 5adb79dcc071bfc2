/* SPDX-License-Identifier: Apache-2.0 */
/* One write takes a whole picture: up to the first line of the old frame, the new log lines, the new frame, what is left of
 * the old one erased. A line is erased just before it is written, all below it only when log lines come, so nothing flickers:
 *
 *   CR   ESC [ 4 A   ESC [ J log line CR LF ...   ESC [ ? 7 l   ESC [ K frame line CR LF ...   ESC [ ? 7 h   ESC [ J
 *
 * Lines of the frame do not wrap (mode 7), so its height is known even when the terminal became narrower a moment ago, or takes
 * a character for wider than we do.
 *
 * A picture that the terminal took in part is completed before the next one is made. After a stop by Ctrl-Z the shell has
 * written below the frame, so the next picture begins where the cursor is; in the background nothing is drawn at all. */
#include "run/terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Bytes of log lines that are kept: of a fifth of a second, or for a terminal that takes nothing. */
#define MOST_LINES ((size_t)256 << 10)

struct sg_terminal {
    int fd;
    bool gone; /* hung up */
    struct sg_buf lines, frame, picture;
    size_t sent;        /* of the picture */
    size_t drawn;       /* lines of the frame on the screen, above the cursor */
    size_t columns;     /* of the terminal when they were drawn */
    uint64_t left_out;  /* log lines that were not kept */
    struct sigaction before;
};

/* Set by the handler of SIGCONT: what is above the cursor is not the frame any more. */
static volatile sig_atomic_t continued;

static void on_continued(int signal) {
    (void)signal;
    continued = 1;
}

/* --- what kind of terminal -------------------------------------------------------------------------------------- */

static const char *setting(const char *name) {
    const char *v = getenv(name);
    return v && *v ? v : NULL;
}

bool sg_terminal_utf8(void) {
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *v = setting(names[i]);
        if (v) return strcasestr(v, "UTF-8") || strcasestr(v, "UTF8");
    }
    return false;
}

static bool is_dumb(void) {
    const char *term = setting("TERM");
    return !term || strcmp(term, "dumb") == 0;
}

bool sg_terminal_color(void) {
    return !setting("NO_COLOR") && !is_dumb();
}

bool sg_terminal_size(int fd, size_t *columns, size_t *rows) {
    struct winsize size = {0};
    bool is_terminal = ioctl(fd, TIOCGWINSZ, &size) == 0;
    *columns = is_terminal && size.ws_col ? size.ws_col : 80;
    *rows = is_terminal && size.ws_row ? size.ws_row : 24;
    return is_terminal;
}

/* --- life ------------------------------------------------------------------------------------------------------- */

/* O_NONBLOCK belongs to the open file description, which the shell shares: only one of our own may have it. */
static int open_again(int fd) {
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

struct sg_terminal *sg_terminal_open(int fd) {
    if (!isatty(fd) || is_dumb()) return NULL;
    int own = open_again(fd);
    if (own < 0) return NULL;
    struct sg_terminal *t = sg_xcalloc(1, sizeof *t);
    *t = (struct sg_terminal){
        .fd = own, .lines = SG_BUF_INIT(0), .frame = SG_BUF_INIT(0), .picture = SG_BUF_INIT(0)};
    struct sigaction on = {.sa_handler = on_continued, .sa_flags = SA_RESTART};
    sigaction(SIGCONT, &on, &t->before);
    return t;
}

/* --- pictures --------------------------------------------------------------------------------------------------- */

static bool in_foreground(const struct sg_terminal *t) {
    pid_t group = tcgetpgrp(t->fd);
    return group < 0 || group == getpgrp(); /* not our controlling terminal: nobody else's shell is there */
}

/* Whether all of the picture is out. */
static bool push(struct sg_terminal *t) {
    while (t->sent < t->picture.n && !t->gone) {
        ssize_t n = write(t->fd, t->picture.p + t->sent, t->picture.n - t->sent);
        if (n > 0) t->sent += (size_t)n;
        else if (n == 0 || errno == EAGAIN) return false;
        else if (errno != EINTR) t->gone = true;
    }
    sg_buf_reset(&t->picture, (size_t)1 << 20);
    t->sent = 0;
    return !t->gone;
}

static void add_lines(struct sg_buf *b, struct sg_str text) {
    for (size_t at = 0; at < text.n;) {
        size_t end = sg_str_find(text, '\n', at);
        SG_BUF_LIT(b, "\x1b[K");
        sg_buf_add(b, text.p + at, end - at);
        SG_BUF_LIT(b, "\r\n");
        at = end + 1;
    }
}

static size_t count_lines(struct sg_str text) {
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) n += text.p[i] == '\n';
    return n;
}

static void make_picture(struct sg_terminal *t, struct sg_str frame) {
    struct sg_buf *b = &t->picture;
    if (continued) t->drawn = 0;
    continued = 0;
    bool erases = t->drawn > 0;
    SG_BUF_LIT(b, "\r");
    if (erases) sg_buf_printf(b, "\x1b[%zuA", t->drawn);
    if (erases && t->lines.n) SG_BUF_LIT(b, "\x1b[J");
    add_lines(b, sg_buf_view(&t->lines));
    if (t->left_out) sg_buf_printf(b, "%llu log lines were not shown\r\n", (unsigned long long)t->left_out);
    if (frame.n) {
        SG_BUF_LIT(b, "\x1b[?7l");
        add_lines(b, frame);
        SG_BUF_LIT(b, "\x1b[?7h");
    }
    if (erases) SG_BUF_LIT(b, "\x1b[J");
    t->drawn = count_lines(frame);
    t->left_out = 0;
    sg_buf_reset(&t->lines, MOST_LINES);
    sg_buf_reset(&t->frame, MOST_LINES);
    sg_buf_str(&t->frame, frame);
}

void sg_terminal_line(struct sg_terminal *t, struct sg_str line) {
    if (t->gone) return;
    if (t->lines.n + line.n > MOST_LINES) t->left_out++;
    else sg_buf_str(&t->lines, line);
}

void sg_terminal_draw(struct sg_terminal *t, struct sg_str frame) {
    size_t columns, rows;
    if (!push(t)) return;
    if (!in_foreground(t)) {
        frame = SG_STR_NONE;
        t->drawn = 0;
        t->frame.n = 0;
    }
    sg_terminal_size(t->fd, &columns, &rows);
    bool same = sg_str_eq(frame, sg_buf_view(&t->frame)) && columns == t->columns && !continued;
    if (t->lines.n == 0 && (same || frame.n == 0)) return;
    t->columns = columns;
    make_picture(t, frame);
    push(t);
}

/* --- the end ---------------------------------------------------------------------------------------------------- */

/* The run is over, and its summary follows on the same screen: now there is time. */
static void push_all(struct sg_terminal *t) {
    struct pollfd p = {.fd = t->fd, .events = POLLOUT};
    while (!push(t) && !t->gone) poll(&p, 1, -1);
}

void sg_terminal_close(struct sg_terminal *t) {
    if (!t) return;
    push_all(t);
    make_picture(t, SG_STR_NONE);
    push_all(t);
    sigaction(SIGCONT, &t->before, NULL);
    close(t->fd);
    sg_buf_fini(&t->lines);
    sg_buf_fini(&t->frame);
    sg_buf_fini(&t->picture);
    free(t);
}
