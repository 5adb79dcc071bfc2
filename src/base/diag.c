/* SPDX-License-Identifier: Apache-2.0 */
/* diag: reports are collected in the order in which checks find them, and sorted when they are printed:
 *
 *   task.yaml:3:12: error: unknown model "gpt" [graph_config.nodes.q.model]
 *       model: gpt
 *              ^~~
 *     help: did you mean "gpt4"?
 *
 * Users' texts go to a terminal here: characters that a terminal would obey, or that reorder a line (Unicode's
 * bidirectional controls), are shown as '?'. The caret's line repeats the tabs of the line above it and takes two
 * columns for wide characters, so that the mark stands under its place. All output passes through the redactor. */
#include "base/diag.h"

#include "base/json.h"
#include "base/redact.h"

#include <stdlib.h>

#define WINDOW 120     /* characters shown of a long line */
#define WINDOW_LEFT 40 /* of them before the mark */

void sg_diags_init(struct sg_diags *d) {
    *d = (struct sg_diags){0};
    sg_arena_init(&d->arena, 0);
}

void sg_diags_fini(struct sg_diags *d) {
    sg_arena_fini(&d->arena);
    *d = (struct sg_diags){0};
}

uint32_t sg_diags_file(struct sg_diags *d, struct sg_str path, struct sg_str text) {
    struct sg_diag_file *f = SG_PUSH(&d->arena, d->files, d->n_files, d->cap_files);
    *f = (struct sg_diag_file){sg_str_dup(&d->arena, path), sg_str_dup(&d->arena, text)};
    return (uint32_t)d->n_files;
}

/* ---- collecting ---- */

static bool same_mark(const struct sg_mark *a, const struct sg_mark *b) {
    return a->file == b->file && a->line == b->line && a->column == b->column && a->length == b->length;
}

static bool is_known(const struct sg_diags *d, const struct sg_mark *mark, struct sg_str text) {
    for (size_t i = 0; i < d->n; i++)
        if (same_mark(&d->items[i].mark, mark) && sg_str_eq(d->items[i].text, text)) return true;
    return false;
}

static void add(struct sg_diags *d, struct sg_diag found, const char *fmt, va_list ap) {
    struct sg_buf text = SG_BUF_INIT(0);
    sg_buf_vprintf(&text, fmt, ap);
    if (!is_known(d, &found.mark, sg_buf_view(&text))) {
        found.text = sg_str_dup(&d->arena, sg_buf_view(&text));
        found.path = sg_str_dup(&d->arena, found.path);
        found.help = sg_str_dup(&d->arena, found.help);
        *SG_PUSH(&d->arena, d->items, d->n, d->cap) = found;
        d->errors += found.severity == SG_ERROR;
    }
    sg_buf_fini(&text);
}

void sg_error_at(struct sg_diags *d, struct sg_mark mark, struct sg_str path, const char *help, const char *fmt,
                 ...) {
    va_list ap;
    va_start(ap, fmt);
    add(d, (struct sg_diag){SG_ERROR, mark, path, SG_STR_NONE, sg_str(help)}, fmt, ap);
    va_end(ap);
}

void sg_warning_at(struct sg_diags *d, struct sg_mark mark, struct sg_str path, const char *help, const char *fmt,
                   ...) {
    va_list ap;
    va_start(ap, fmt);
    add(d, (struct sg_diag){SG_WARNING, mark, path, SG_STR_NONE, sg_str(help)}, fmt, ap);
    va_end(ap);
}

/* ---- characters ---- */

static bool is_hidden(uint32_t c) {
    bool control = c < 0x20 || (c >= 0x7F && c < 0xA0) || c == SG_UTF8_BAD;
    return control || (c >= 0x202A && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069) || c == 0x2028 || c == 0x2029;
}

/* Terminal columns of a character. The ranges are the large ones of Unicode's EastAsianWidth.txt (W and F), and the
 * marks that stand on the character before them; a rare character that is missing only moves the caret. */
static size_t columns_of(uint32_t c) {
    static const struct {
        uint32_t from, to;
        size_t columns;
    } RANGES[] = {
        {0x0300, 0x036F, 0},   {0x1100, 0x115F, 2},   {0x200B, 0x200F, 0},   {0x2E80, 0x303E, 2},
        {0x3041, 0x33FF, 2},   {0x3400, 0x4DBF, 2},   {0x4E00, 0x9FFF, 2},   {0xA000, 0xA4CF, 2},
        {0xAC00, 0xD7A3, 2},   {0xF900, 0xFAFF, 2},   {0xFE00, 0xFE0F, 0},   {0xFE30, 0xFE4F, 2},
        {0xFF00, 0xFF60, 2},   {0xFFE0, 0xFFE6, 2},   {0x1F300, 0x1F64F, 2}, {0x1F680, 0x1F6FF, 2},
        {0x1F900, 0x1F9FF, 2}, {0x20000, 0x3FFFD, 2},
    };
    for (size_t i = 0; c >= 0x300 && i < sizeof RANGES / sizeof *RANGES; i++)
        if (c >= RANGES[i].from && c <= RANGES[i].to) return RANGES[i].columns;
    return 1;
}

/* For one-line texts of ours with pieces of the user's in them. */
static void put_text(struct sg_buf *out, struct sg_str s) {
    uint32_t c;
    for (size_t i = 0, n; i < s.n; i += n) {
        n = sg_utf8_decode(s, i, &c);
        if (c == '\n' || c == '\t') sg_buf_ch(out, ' ');
        else if (is_hidden(c)) sg_buf_ch(out, '?');
        else sg_buf_add(out, s.p + i, n);
    }
}

/* ---- the line and its caret ---- */

/* A mark's line without its end; p is NULL when the file has no such line. */
static struct sg_str line_of(struct sg_str text, uint32_t line) {
    if (sg_str_starts(text, SG_STR("\xEF\xBB\xBF"))) text = (struct sg_str){text.p + 3, text.n - 3};
    size_t from = 0;
    for (uint32_t i = 1; i < line && from <= text.n; i++) from = sg_str_find(text, '\n', from) + 1;
    if (line == 0 || from > text.n) return SG_STR_NONE;
    struct sg_str s = {text.p + from, sg_str_find(text, '\n', from) - from};
    if (sg_str_ends(s, SG_STR("\r"))) s.n--;
    return s;
}

/* The characters [first, end) of a line that are shown, and the mark within the line; all in characters, from 0. */
struct window {
    size_t first, end, mark, mark_end;
};

static size_t count_chars(struct sg_str line) {
    size_t count = 0;
    uint32_t c;
    for (size_t i = 0; i < line.n; count++) i += sg_utf8_decode(line, i, &c);
    return count;
}

static struct window window_for(struct sg_str line, const struct sg_mark *m) {
    size_t chars = count_chars(line);
    struct window w = {.end = chars, .mark = m->column ? m->column - 1 : 0};
    if (w.mark > chars) w.mark = chars;
    if (chars > WINDOW) {
        w.first = w.mark > WINDOW_LEFT ? w.mark - WINDOW_LEFT : 0;
        if (w.first > chars - WINDOW) w.first = chars - WINDOW;
        w.end = w.first + WINDOW;
    }
    w.mark_end = w.mark + (m->length > 1 ? m->length : 1);
    if (w.mark_end > w.end) w.mark_end = w.end > w.mark ? w.end : w.mark + 1;
    return w;
}

static void put_line(struct sg_buf *out, struct sg_str line, const struct window *w) {
    uint32_t c;
    size_t n;
    if (w->first > 0) SG_BUF_LIT(out, "...");
    for (size_t i = 0, k = 0; i < line.n && k < w->end; i += n, k++) {
        n = sg_utf8_decode(line, i, &c);
        if (k < w->first) continue;
        if (c != '\t' && is_hidden(c)) sg_buf_ch(out, '?');
        else sg_buf_add(out, line.p + i, n);
    }
    if (count_chars(line) > w->end) SG_BUF_LIT(out, "...");
    sg_buf_ch(out, '\n');
}

static void put_times(struct sg_buf *out, char c, size_t times) {
    while (times--) sg_buf_ch(out, c);
}

static void put_caret(struct sg_buf *out, struct sg_str line, const struct window *w) {
    uint32_t c;
    size_t i = 0, k = 0;
    if (w->first > 0) SG_BUF_LIT(out, "   ");
    for (; k < w->mark && i < line.n; k++) {
        i += sg_utf8_decode(line, i, &c);
        if (k >= w->first) put_times(out, c == '\t' ? '\t' : ' ', c == '\t' || is_hidden(c) ? 1 : columns_of(c));
    }
    sg_buf_ch(out, '^');
    for (; k < w->mark_end && i < line.n; k++) {
        i += sg_utf8_decode(line, i, &c);
        size_t columns = is_hidden(c) ? 1 : columns_of(c);
        put_times(out, '~', k == w->mark && columns > 0 ? columns - 1 : columns);
    }
}

/* ---- printing ---- */

struct palette {
    const char *place, *error, *warning, *text, *caret, *off;
};

static const struct palette PLAIN = {"", "", "", "", "", ""};
static const struct palette ANSI = {"\x1B[1m", "\x1B[1;31m", "\x1B[1;35m", "\x1B[1m", "\x1B[1;32m", "\x1B[0m"};

static const struct sg_diag_file *file_of(const struct sg_diags *d, const struct sg_mark *m) {
    return m->file > 0 && m->file <= d->n_files ? &d->files[m->file - 1] : NULL;
}

static void put_place(const struct sg_diags *d, struct sg_buf *out, const struct sg_mark *m,
                      const struct palette *p) {
    const struct sg_diag_file *f = file_of(d, m);
    if (!f) return;
    sg_buf_str(out, sg_str(p->place));
    put_text(out, f->path);
    if (m->line) sg_buf_printf(out, ":%u", m->line);
    if (m->line && m->column) sg_buf_printf(out, ":%u", m->column);
    sg_buf_printf(out, ":%s ", p->off);
}

static bool contains(struct sg_str text, struct sg_str part) {
    for (size_t i = 0; i + part.n <= text.n; i++)
        if (memcmp(text.p + i, part.p, part.n) == 0) return true;
    return false;
}

static void put_message(struct sg_buf *out, const struct sg_diag *item, const struct palette *p) {
    bool error = item->severity == SG_ERROR;
    sg_buf_printf(out, "%s%s:%s %s", error ? p->error : p->warning, error ? "error" : "warning", p->off, p->text);
    put_text(out, item->text);
    sg_buf_str(out, sg_str(p->off));
    if (item->path.n > 0 && !contains(item->text, item->path)) {
        SG_BUF_LIT(out, " [");
        put_text(out, item->path);
        sg_buf_ch(out, ']');
    }
    sg_buf_ch(out, '\n');
}

static void put_source(const struct sg_diags *d, struct sg_buf *out, const struct sg_mark *m,
                       const struct palette *p) {
    const struct sg_diag_file *f = file_of(d, m);
    struct sg_str line = f ? line_of(f->text, m->line) : SG_STR_NONE;
    if (line.n == 0) return;
    struct window w = window_for(line, m);
    put_line(out, line, &w);
    if (m->column == 0) return;
    sg_buf_str(out, sg_str(p->caret));
    put_caret(out, line, &w);
    sg_buf_printf(out, "%s\n", p->off);
}

static void put_item(const struct sg_diags *d, struct sg_buf *out, const struct sg_diag *item,
                     const struct palette *p) {
    put_place(d, out, &item->mark, p);
    put_message(out, item, p);
    put_source(d, out, &item->mark, p);
    if (item->help.n == 0) return;
    sg_buf_printf(out, "  %shelp:%s ", p->place, p->off);
    put_text(out, item->help);
    sg_buf_ch(out, '\n');
}

/* qsort is not stable; the address, which is the order of reporting, decides last. */
static int by_place(const void *left, const void *right) {
    const struct sg_diag *a = *(const struct sg_diag *const *)left, *b = *(const struct sg_diag *const *)right;
    if (a->mark.file != b->mark.file) return a->mark.file < b->mark.file ? -1 : 1;
    if (a->mark.line != b->mark.line) return a->mark.line < b->mark.line ? -1 : 1;
    if (a->mark.column != b->mark.column) return a->mark.column < b->mark.column ? -1 : 1;
    return (a > b) - (a < b);
}

static const struct sg_diag **sorted(const struct sg_diags *d) {
    const struct sg_diag **list = sg_xcalloc(d->n, sizeof(const struct sg_diag *));
    for (size_t i = 0; i < d->n; i++) list[i] = &d->items[i];
    if (d->n > 1) qsort(list, d->n, sizeof *list, by_place);
    return list;
}

void sg_diags_print(const struct sg_diags *d, struct sg_buf *out, bool color) {
    const struct sg_diag **list = sorted(d);
    struct sg_buf text = SG_BUF_INIT(0);
    for (size_t i = 0; i < d->n; i++) put_item(d, &text, list[i], color ? &ANSI : &PLAIN);
    sg_redact(out, sg_buf_view(&text));
    sg_buf_fini(&text);
    free(list);
}

/* ---- JSON: an array of objects; "file" is null when the mistake is in no file ---- */

static void put_json_text(struct sg_buf *out, const char *key, struct sg_str s) {
    struct sg_buf safe = SG_BUF_INIT(0), shown = SG_BUF_INIT(0);
    sg_redact(&safe, s);
    put_text(&shown, sg_buf_view(&safe));
    sg_buf_printf(out, ",\"%s\":", key);
    sg_json_write_string(out, sg_buf_view(&shown));
    sg_buf_fini(&safe);
    sg_buf_fini(&shown);
}

static void put_json_item(const struct sg_diags *d, struct sg_buf *out, const struct sg_diag *item) {
    const struct sg_diag_file *f = file_of(d, &item->mark);
    const struct sg_mark *m = &item->mark;
    sg_buf_printf(out, "{\"severity\":\"%s\"", item->severity == SG_ERROR ? "error" : "warning");
    if (f) put_json_text(out, "file", f->path);
    else SG_BUF_LIT(out, ",\"file\":null");
    sg_buf_printf(out, ",\"line\":%u,\"column\":%u,\"length\":%u", m->line, m->column, m->length);
    put_json_text(out, "path", item->path);
    put_json_text(out, "text", item->text);
    put_json_text(out, "help", item->help);
    sg_buf_ch(out, '}');
}

void sg_diags_json(const struct sg_diags *d, struct sg_buf *out) {
    const struct sg_diag **list = sorted(d);
    sg_buf_ch(out, '[');
    for (size_t i = 0; i < d->n; i++) {
        if (i > 0) sg_buf_ch(out, ',');
        put_json_item(d, out, list[i]);
    }
    sg_buf_ch(out, ']');
    free(list);
}

/* ---- "did you mean" ---- */

/* Case, and '-' for '_', are slips of their own that cost nothing. */
static struct sg_str folded(struct sg_buf *b, struct sg_str s) {
    sg_buf_reset(b, s.n);
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        sg_buf_ch(b, (char)(c == '-' ? '_' : c >= 'A' && c <= 'Z' ? c | 0x20 : c));
    }
    return sg_buf_view(b);
}

/* More slips are likely in a longer word; a distance of the whole length would make any word near. */
static size_t allowed_distance(size_t chars) {
    size_t d = chars <= 4 ? 1 : chars <= 8 ? 2 : 3;
    return d < chars ? d : 0;
}

struct sg_str sg_nearest(struct sg_str name, const struct sg_str *names, size_t n) {
    struct sg_buf wanted = SG_BUF_INIT(0), given = SG_BUF_INIT(0);
    struct sg_str best = SG_STR_NONE, word = folded(&wanted, name);
    size_t limit = allowed_distance(sg_utf8_length(name)) + 1;
    for (size_t i = 0; i < n && word.n > 0; i++) {
        size_t d = sg_str_distance(word, folded(&given, names[i]), limit);
        if (d >= limit) continue;
        best = names[i];
        limit = d; /* only a nearer one takes its place */
    }
    sg_buf_fini(&wanted);
    sg_buf_fini(&given);
    return best;
}
