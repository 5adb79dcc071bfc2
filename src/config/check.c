/* SPDX-License-Identifier: Apache-2.0 */
/* Messages keep one form: what is wrong with which value, then in the help line what is allowed or what to do. */
#include "config/check.h"

#include <stdlib.h>

#define SHOWN 40        /* bytes of a text in a message */
#define MAX_REPORTS 500 /* each is compared with all before it, and nobody reads on */
#define UNKNOWN_KEYS 20 /* reports of one map; a file that is something else altogether needs no more */

struct sg_str sg_cfg_key(struct sg_cfg *c, struct sg_str path, struct sg_str key) {
    return path.n ? sg_str_printf(c->a, "%.*s.%.*s", SG_ARG(path), SG_ARG(key)) : key;
}

struct sg_str sg_cfg_item(struct sg_cfg *c, struct sg_str path, size_t i) {
    return sg_str_printf(c->a, "%.*s[%zu]", SG_ARG(path), i);
}

/* --- words for messages ----------------------------------------------------------------------------------------- */

const char *sg_cfg_show(struct sg_cfg *c, const struct sg_yaml *value) {
    if (value->kind == SG_YAML_LIST || value->kind == SG_YAML_MAP || value->kind == SG_YAML_NULL)
        return sg_yaml_kind_name(value);
    struct sg_str s = value->kind == SG_YAML_TEXT ? value->text : value->source;
    size_t n = s.n;
    if (n > SHOWN)
        for (n = SHOWN; n > 0 && ((unsigned char)s.p[n] & 0xC0) == 0x80;) n--;
    s.n = n < s.n ? n : s.n;
    const char *dots = value->text.n > SHOWN ? "..." : "";
    return sg_str_printf(c->a, value->kind == SG_YAML_TEXT ? "\"%.*s%s\"" : "%.*s%s", SG_ARG(s), dots).p;
}

const char *sg_cfg_nearest(struct sg_cfg *c, struct sg_str name, const struct sg_str *names, size_t n,
                           const char *otherwise) {
    struct sg_str near = sg_nearest(name, names, n);
    return near.n ? sg_str_printf(c->a, "did you mean `%.*s`?", SG_ARG(near)).p : otherwise;
}

const char *sg_cfg_issue_help(struct sg_cfg *c, int issue) {
    if (issue == SG_KEY_LATER) return "it comes after issue 8 of the roadmap";
    return sg_str_printf(c->a, "it comes with issue %d of the roadmap (%s)", issue, sg_key_issue_name(issue)).p;
}

void sg_cfg_not_yet(struct sg_cfg *c, struct sg_mark mark, struct sg_str path, int issue, const char *what) {
    if (!c->idle)
        sg_error_at(c->d, mark, path, sg_cfg_issue_help(c, issue), "%s is not yet supported in this version", what);
}

bool sg_cfg_enough(struct sg_cfg *c) {
    if (c->d->n < MAX_REPORTS) return false;
    sg_error_at(c->d, (struct sg_mark){0}, SG_STR_NONE, "mend these and check again",
                "more than %d mistakes: the rest is not looked at", MAX_REPORTS);
    return true;
}

/* --- keys of a map ---------------------------------------------------------------------------------------------- */

static const char *nearest_key(struct sg_cfg *c, struct sg_str key, const char *section, const char *also) {
    struct sg_str *names = SG_NEW_N(c->a, struct sg_str, sg_key_n_rows);
    size_t n = 0;
    for (size_t i = 0; i < sg_key_n_rows; i++) {
        const char *s = sg_key_rows[i].section;
        if ((strcmp(s, section) == 0 || (also && strcmp(s, also) == 0)) && sg_key_rows[i].status != SG_KEY_REFUSED)
            names[n++] = sg_str(sg_key_rows[i].key);
    }
    return sg_cfg_nearest(c, key, names, n, NULL);
}

static void unknown_key(struct sg_cfg *c, const struct sg_yaml_pair *p, struct sg_str path, const char *section,
                        const char *also) {
    struct sg_mark mark = p->key_node->mark;
    const char *help = nearest_key(c, p->key, section, also);
    if (help) {
        sg_error_at(c->d, mark, path, help, "unknown key `%.*s`", SG_ARG(p->key));
        return;
    }
    const struct sg_key_row *elsewhere = sg_key_find_anywhere(p->key);
    if (elsewhere) help = sg_str_printf(c->a, "it belongs into: %s", elsewhere->section).p;
    sg_warning_at(c->d, mark, path, help, "unknown key `%.*s` has no effect", SG_ARG(p->key));
}

/* In a list that should hold texts, the item that is none. */
static const struct sg_yaml *first_other(const struct sg_yaml *list) {
    size_t i = 0;
    while (i + 1 < list->n && list->items[i]->kind == SG_YAML_TEXT) i++;
    return list->items[i];
}

static void wrong_kind(struct sg_cfg *c, const struct sg_yaml *value, struct sg_str path,
                       const struct sg_key_row *row) {
    struct sg_str wanted = sg_key_kinds_text(c->a, row->kinds);
    bool item = row->kinds & SG_KEY_TEXTS && value->kind == SG_YAML_LIST;
    if (item) value = first_other(value);
    const char *help =
        row->kinds & (SG_KEY_TEXT | SG_KEY_TEXTS) && value->kind < SG_YAML_TEXT ? "put it in quotes" : NULL;
    sg_error_at(c->d, value->mark, path, help,
                item ? "`%s` must be %.*s; one item is %s" : "`%s` must be %.*s, not %s", row->key, SG_ARG(wanted),
                sg_cfg_show(c, value));
}

static void check_value(struct sg_cfg *c, const struct sg_yaml_pair *p, struct sg_str path,
                        const struct sg_key_row *row) {
    struct sg_mark mark = p->key_node->mark;
    if (p->value->kind == SG_YAML_NULL) return;
    if (row->status == SG_KEY_REFUSED) {
        sg_error_at(c->d, mark, path, row->doc, "key `%s` is not allowed here", row->key);
    } else if (row->status == SG_KEY_NOT_YET) {
        if (!sg_key_is_harmless(row, p->value))
            sg_cfg_not_yet(c, mark, path, row->issue, sg_str_printf(c->a, "`%s`", row->key).p);
    } else if (!sg_key_kind_fits(row->kinds, p->value)) {
        wrong_kind(c, p->value, path, row);
    }
}

static struct sg_str last_part(struct sg_str path) {
    for (size_t i = path.n; i-- > 0;)
        if (path.p[i] == '.') return (struct sg_str){path.p + i + 1, path.n - i - 1};
    return path;
}

bool sg_cfg_keys(struct sg_cfg *c, const struct sg_yaml *map, struct sg_str path, const char *section,
                 const char *also, bool open) {
    if (!map || map->kind != SG_YAML_MAP) {
        if (map)
            sg_error_at(c->d, map->mark, path, NULL, "`%.*s` must be a map, not %s", SG_ARG(last_part(path)),
                        sg_cfg_show(c, map));
        return false;
    }
    size_t unknown = 0;
    for (size_t i = 0; i < map->n; i++) {
        const struct sg_yaml_pair *p = &map->pairs[i];
        const struct sg_key_row *row = sg_key_find(section, p->key);
        struct sg_str key_path = sg_cfg_key(c, path, p->key);
        if (!row && also) row = sg_key_find(also, p->key);
        if (row) check_value(c, p, key_path, row);
        else if (!open && unknown++ < UNKNOWN_KEYS) unknown_key(c, p, key_path, section, also);
    }
    return true;
}

bool sg_cfg_require(struct sg_cfg *c, const struct sg_yaml *map, struct sg_mark mark, struct sg_str path,
                    const char *key, const char *help) {
    const struct sg_yaml *value = sg_yaml_get(map, key);
    if (value && value->kind != SG_YAML_NULL) return true;
    sg_error_at(c->d, value ? value->mark : mark, sg_cfg_key(c, path, sg_str(key)), help, "key `%s` %s", key,
                value ? "has no value" : "is missing");
    return false;
}

/* --- getting ---------------------------------------------------------------------------------------------------- */

const struct sg_yaml *sg_cfg_get(const struct sg_yaml *map, const char *key, enum sg_yaml_kind kind) {
    const struct sg_yaml *value = sg_yaml_get(map, key);
    return value && value->kind == kind ? value : NULL;
}

bool sg_cfg_text(const struct sg_yaml *map, const char *key, struct sg_str *out) {
    const struct sg_yaml *value = sg_cfg_get(map, key, SG_YAML_TEXT);
    if (value) *out = value->text;
    return value;
}

struct sg_name *sg_cfg_names(struct sg_cfg *c, const struct sg_yaml *value, size_t *n) {
    *n = 0;
    if (!value || !sg_key_kind_fits(SG_KEY_TEXT | SG_KEY_TEXTS, value) || value->kind == SG_YAML_NULL) return NULL;
    bool list = value->kind == SG_YAML_LIST;
    struct sg_name *names = SG_NEW_N(c->a, struct sg_name, list ? value->n : 1);
    for (*n = 0; *n < (list ? value->n : 1); ++*n) {
        const struct sg_yaml *item = list ? value->items[*n] : value;
        names[*n] = (struct sg_name){item->text, item->mark};
    }
    return names;
}

bool sg_cfg_word(struct sg_cfg *c, const struct sg_yaml *map, struct sg_str path, const char *key,
                 const char *const *words, size_t n_words, size_t *out) {
    const struct sg_yaml *value = sg_cfg_get(map, key, SG_YAML_TEXT);
    if (!value) return true;
    struct sg_str *names = SG_NEW_N(c->a, struct sg_str, n_words), all = SG_STR_NONE;
    for (size_t i = 0; i < n_words; i++) {
        names[i] = sg_str(words[i]);
        if (sg_str_eq(value->text, names[i])) {
            *out = i;
            return true;
        }
        all = sg_str_printf(c->a, "%.*s%s%s", SG_ARG(all), i ? ", " : "it can be ", words[i]);
    }
    sg_error_at(c->d, value->mark, sg_cfg_key(c, path, sg_str(key)),
                sg_cfg_nearest(c, value->text, names, n_words, all.p), "unknown `%s`: %s", key,
                sg_cfg_show(c, value));
    return false;
}

/* Each line once: many nodes may share a model. */
void sg_cfg_origin(struct sg_cfg *c, const char *fmt, ...) {
    size_t from = c->origins.n;
    va_list ap;
    va_start(ap, fmt);
    sg_buf_vprintf(&c->origins, fmt, ap);
    va_end(ap);
    sg_buf_ch(&c->origins, '\n');
    struct sg_str line = {c->origins.p + from, c->origins.n - from};
    if (from && memmem(c->origins.p, from, line.p, line.n)) c->origins.n = from;
}
