/* SPDX-License-Identifier: Apache-2.0 */
/* libyaml's events become a tree. Limits are counted while reading, so that a hostile file costs no more than they
 * allow:
 *
 *   depth     each open list or map; libyaml itself is never asked for more than SG_YAML_MAX_DEPTH levels
 *   nodes     each scalar, list and map of the text
 *   aliases   each `*name`; and the bytes it stands for. A node knows its expanded size, so an alias bomb is seen by
 *             addition, without expanding it
 *
 * Places: libyaml counts code points from the start; a cursor that only moves forward turns that into line and
 * column as editors count them (libyaml also breaks lines at U+2028, editors do not). */
#include "config/yaml.h"

#include "config/blot.h"

#include <stdlib.h>
#include <yaml.h>

#define MAX_DUPLICATES 20 /* reports of one map */

struct anchor {
    struct sg_str name;
    const struct sg_yaml *node; /* NULL while it is being read */
};

struct reader {
    struct sg_arena *a;
    struct sg_diags *diags;
    uint32_t file;
    struct sg_str text;
    yaml_parser_t parser;
    yaml_event_t event;
    bool has_event;
    int status;
    /* the cursor: `at` bytes, `index` code points */
    size_t at, index;
    uint32_t line, column;
    struct anchor *anchors;
    size_t n_anchors, cap_anchors;
    size_t n_nodes, n_aliases, expanded;
};

static const struct sg_yaml *read_node(struct reader *r, unsigned depth);

/* --- places ----------------------------------------------------------------------------------------------------- */

static bool is_first_byte(char c) {
    return ((unsigned char)c & 0xC0) != 0x80;
}

static void step(struct reader *r) {
    if (r->text.p[r->at] == '\n') {
        r->line++;
        r->column = 1;
    } else {
        r->column++;
    }
    do r->at++;
    while (r->at < r->text.n && !is_first_byte(r->text.p[r->at]));
    r->index++;
}

static void seek(struct reader *r, size_t index) {
    while (r->index < index && r->at < r->text.n) step(r);
}

/* Code points from the cursor to the end of its line, at most `most`; at least 1. */
static uint32_t rest_of_line(const struct reader *r, size_t most) {
    uint32_t n = 0;
    for (size_t i = r->at; i < r->text.n && n < most && r->text.p[i] != '\n' && r->text.p[i] != '\r'; i++)
        n += is_first_byte(r->text.p[i]);
    return n ? n : 1;
}

static struct sg_mark mark_here(const struct reader *r, size_t most) {
    return (struct sg_mark){r->file, r->line, r->column, rest_of_line(r, most)};
}

static struct sg_mark mark_of_scalar(struct reader *r, const yaml_event_t *e) {
    seek(r, e->start_mark.index);
    struct sg_mark mark = mark_here(r, e->end_mark.index - e->start_mark.index);
    yaml_scalar_style_t style = e->data.scalar.style;
    if (style == YAML_SINGLE_QUOTED_SCALAR_STYLE || style == YAML_DOUBLE_QUOTED_SCALAR_STYLE) {
        seek(r, r->index + 1);
        return mark_here(r, e->end_mark.index - e->start_mark.index - 2);
    }
    if (style != YAML_LITERAL_SCALAR_STYLE && style != YAML_FOLDED_SCALAR_STYLE) return mark;
    while (r->index < e->end_mark.index && r->text.p[r->at] != '\n') step(r);
    while (r->index < e->end_mark.index && strchr(" \r\n", r->text.p[r->at])) step(r);
    return r->index < e->end_mark.index ? mark_here(r, SIZE_MAX) : mark;
}

/* --- failing ---------------------------------------------------------------------------------------------------- */

static const struct sg_yaml *refuse(struct reader *r, int status, const yaml_event_t *e, const char *help,
                                    const char *text) {
    seek(r, e->start_mark.index);
    sg_error_at(r->diags, mark_here(r, e->end_mark.index - e->start_mark.index), SG_STR_NONE, help, "%s", text);
    r->status = status;
    return NULL;
}

/* What a beginner's slip looks like to libyaml, and what to do about it. */
static const char *help_for(const struct reader *r, const char *problem) {
    if (strstr(problem, "cannot start any token") && r->at < r->text.n) {
        char c = r->text.p[r->at];
        return c == '\t' ? "a tab cannot indent in YAML: use spaces" : "put the text in quotes";
    }
    if (strstr(problem, "mapping values are not allowed"))
        return "a text that holds \": \" needs quotes, and keys of one map start in the same column";
    if (strstr(problem, "did not find expected"))
        return "look for a wrong indent, an unclosed quote or an unclosed bracket here or in the lines above";
    return NULL;
}

/* A text or bracket that is never closed is reported where it began, for its end is the file's. */
static void report_unclosed(struct reader *r) {
    const yaml_parser_t *p = &r->parser;
    r->at = r->index = 0;
    r->line = r->column = 1;
    seek(r, p->context_mark.index);
    sg_error_at(r->diags, mark_here(r, 1), SG_STR_NONE, "look for the quote or bracket that should close it",
                "not valid YAML: %s (%s that begins here)", p->problem, p->context);
}

static void report_syntax(struct reader *r) {
    const yaml_parser_t *p = &r->parser;
    const char *problem = p->problem ? p->problem : "out of memory";
    r->status = SG_E_SYNTAX;
    if (p->context && strstr(problem, "end of stream")) {
        report_unclosed(r);
    } else if (p->error == YAML_READER_ERROR) { /* knows only a byte offset: a character that YAML forbids */
        while (r->at < r->text.n && r->at < p->problem_offset) step(r);
        sg_error_at(r->diags, mark_here(r, 1), SG_STR_NONE, "remove it, or write it as \\xNN in double quotes",
                    "not valid YAML: %s", problem);
    } else {
        bool has_context = p->context && p->context_mark.line != p->problem_mark.line;
        seek(r, p->problem_mark.index);
        struct sg_mark mark = mark_here(r, 1);
        if (has_context)
            sg_error_at(r->diags, mark, SG_STR_NONE, help_for(r, problem),
                        "not valid YAML: %s (%s that began in line %zu)", problem, p->context,
                        p->context_mark.line + 1);
        else sg_error_at(r->diags, mark, SG_STR_NONE, help_for(r, problem), "not valid YAML: %s", problem);
    }
}

static bool next_event(struct reader *r) {
    if (r->has_event) yaml_event_delete(&r->event);
    r->has_event = yaml_parser_parse(&r->parser, &r->event);
    if (!r->has_event) report_syntax(r);
    return r->has_event;
}

/* --- anchors ---------------------------------------------------------------------------------------------------- */

/* Returns the place to fill, counted from 1, or 0 without an anchor. */
static size_t open_anchor(struct reader *r, const yaml_char_t *name) {
    if (!name) return 0;
    if (r->n_anchors == SG_YAML_MAX_ANCHORS) {
        refuse(r, SG_E_LIMIT, &r->event, NULL, "more than 10,000 anchors");
        return 0;
    }
    SG_PUSH(r->a, r->anchors, r->n_anchors, r->cap_anchors)->name = sg_str_dup(r->a, sg_str((const char *)name));
    r->anchors[r->n_anchors - 1].node = NULL;
    return r->n_anchors;
}

static const struct sg_yaml *follow_alias(struct reader *r) {
    struct sg_str name = sg_str((const char *)r->event.data.alias.anchor);
    const struct anchor *found = NULL;
    for (size_t i = r->n_anchors; i-- > 0 && !found;)
        if (sg_str_eq(r->anchors[i].name, name)) found = &r->anchors[i];
    if (!found)
        return refuse(r, SG_E_SYNTAX, &r->event, "an anchor (&name) stands before its aliases (*name)",
                      "alias of an anchor that is not there");
    if (!found->node) return refuse(r, SG_E_SYNTAX, &r->event, NULL, "alias of the very value that it stands in");
    if (++r->n_aliases > SG_YAML_MAX_ALIASES)
        return refuse(r, SG_E_LIMIT, &r->event, NULL, "more than 1,000 aliases");
    r->expanded += found->node->expanded;
    if (r->expanded > SG_YAML_MAX_EXPANDED)
        return refuse(r, SG_E_LIMIT, &r->event, NULL, "aliases expand to more than 10 MB");
    return found->node;
}

/* --- nodes ------------------------------------------------------------------------------------------------------ */

static struct sg_yaml *new_node(struct reader *r, enum sg_yaml_kind kind) {
    struct sg_yaml *node = SG_NEW(r->a, struct sg_yaml);
    node->kind = (uint8_t)kind;
    node->expanded = 8; /* about what the shortest value takes in a file */
    return node;
}

static bool count_node(struct reader *r) {
    if (++r->n_nodes <= SG_YAML_MAX_NODES) return true;
    refuse(r, SG_E_LIMIT, &r->event, NULL, "more than 1,000,000 values in one file");
    return false;
}

/* Tags of YAML's core that this node kind may carry, without "tag:yaml.org,2002:". */
static bool tag_is(const yaml_char_t *tag, const char *name) {
    static const char prefix[] = "tag:yaml.org,2002:";
    const char *t = (const char *)tag;
    return strncmp(t, prefix, sizeof prefix - 1) == 0 && strcmp(t + sizeof prefix - 1, name) == 0;
}

static bool check_tag(struct reader *r, const yaml_char_t *tag, const char *name) {
    if (!tag || tag_is(tag, name) || strcmp((const char *)tag, "!") == 0) return true;
    refuse(r, SG_E_SYNTAX, &r->event,
           "only YAML's own types can be named: !!str, !!int, !!float, !!bool, !!null, !!seq, !!map",
           "a tag that is not allowed here");
    return false;
}

/* A scalar with an explicit tag must be readable as what the tag says. */
static bool resolve_tagged(struct reader *r, const yaml_char_t *tag, struct sg_yaml *node) {
    static const struct {
        const char *tag;
        enum sg_yaml_kind kind;
    } kinds[] = {{"null", SG_YAML_NULL},
                 {"bool", SG_YAML_BOOL},
                 {"int", SG_YAML_INT},
                 {"float", SG_YAML_FLOAT},
                 {"timestamp", SG_YAML_TEXT}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!tag_is(tag, kinds[i].tag)) continue;
        sg_yaml_resolve(r->a, node->text, node);
        if (node->kind == SG_YAML_INT && kinds[i].kind == SG_YAML_FLOAT) {
            node->kind = SG_YAML_FLOAT;
            node->text = sg_str_join(r->a, node->text, SG_STR(".0"));
        }
        if (node->kind == kinds[i].kind) return true;
        refuse(r, SG_E_SYNTAX, &r->event, NULL, "the value is not what its tag says");
        return false;
    }
    return check_tag(r, tag, "str");
}

static const struct sg_yaml *read_scalar(struct reader *r) {
    const yaml_event_t *e = &r->event;
    struct sg_yaml *node = new_node(r, SG_YAML_TEXT);
    const yaml_char_t *tag = e->data.scalar.tag;
    struct sg_str value =
        sg_str_dup(r->a, (struct sg_str){(const char *)e->data.scalar.value, e->data.scalar.length});
    node->mark = mark_of_scalar(r, e);
    node->text = value;
    node->expanded += value.n;
    if (e->data.scalar.plain_implicit) sg_yaml_resolve(r->a, value, node);
    else if (!e->data.scalar.quoted_implicit && tag && !resolve_tagged(r, tag, node)) return NULL;
    return node;
}

static void adopt(struct sg_yaml *parent, const struct sg_yaml *child) {
    parent->expanded += child->expanded;
    if (parent->depth <= child->depth) parent->depth = (uint8_t)(child->depth + 1);
}

static bool too_deep(struct reader *r, const struct sg_yaml *node, unsigned level) {
    if (level + node->depth < SG_YAML_MAX_DEPTH) /* an alias brings its own levels */
        return false;
    refuse(r, SG_E_LIMIT, &r->event, NULL, "nested deeper than 128 levels");
    return true;
}

static const struct sg_yaml *read_list(struct reader *r, unsigned depth) {
    struct sg_yaml *list = new_node(r, SG_YAML_LIST);
    seek(r, r->event.start_mark.index);
    list->mark = mark_here(r, 1);
    if (!check_tag(r, r->event.data.sequence_start.tag, "seq")) return NULL;
    size_t cap = 0;
    while (next_event(r) && r->event.type != YAML_SEQUENCE_END_EVENT) {
        const struct sg_yaml *item = read_node(r, depth + 1);
        if (!item) return NULL;
        *SG_PUSH(r->a, list->items, list->n, cap) = item;
        adopt(list, item);
    }
    return r->has_event ? list : NULL;
}

/* --- maps ------------------------------------------------------------------------------------------------------- */

struct sortable {
    const struct sg_yaml_pair *pair;
    size_t place;
};

static int by_key(const void *x, const void *y) {
    const struct sortable *a = x, *b = y;
    int order = sg_str_cmp(a->pair->key, b->pair->key);
    return order ? order : a->place < b->place ? -1 : a->place > b->place;
}

static struct sortable *sorted(const struct sg_yaml_pair *pairs, size_t n) {
    struct sortable *s = sg_xcalloc(n + 1, sizeof *s);
    for (size_t i = 0; i < n; i++) s[i] = (struct sortable){&pairs[i], i};
    qsort(s, n, sizeof *s, by_key);
    return s;
}

static void report_duplicates(struct reader *r, const struct sg_yaml *map) {
    struct sortable *s = sorted(map->pairs, map->n);
    for (size_t i = 1, reports = 0; i < map->n && reports < MAX_DUPLICATES; i++) {
        if (!sg_str_eq(s[i - 1].pair->key, s[i].pair->key)) continue;
        const struct sg_yaml *first = s[i - 1].pair->key_node, *second = s[i].pair->key_node;
        struct sg_str help = sg_str_printf(r->a, "it was first given in line %u; keep one", first->mark.line);
        sg_error_at(r->diags, second->mark, SG_STR_NONE, help.p, "key \"%.*s\" given twice in the same map",
                    SG_ARG(s[i].pair->key));
        reports++;
    }
    free(s);
}

static bool is_merge_key(const struct sg_yaml *key) {
    return key->kind == SG_YAML_TEXT && key->source.n && sg_str_eq(key->text, SG_STR("<<"));
}

struct pairs {
    struct sg_yaml_pair *p;
    size_t n, cap;
};

static void add_pairs(struct sg_arena *a, struct pairs *to, const struct sg_yaml *map) {
    for (size_t i = 0; i < map->n; i++) *SG_PUSH(a, to->p, to->n, to->cap) = map->pairs[i];
}

/* What `<<` brings, weakest first; of several maps the first named is the strongest. */
static bool add_merged(struct reader *r, struct pairs *to, const struct sg_yaml *value) {
    bool ok = value->kind == SG_YAML_MAP || value->kind == SG_YAML_LIST;
    if (value->kind == SG_YAML_MAP) add_pairs(r->a, to, value);
    for (size_t i = value->kind == SG_YAML_LIST ? value->n : 0; ok && i-- > 0;) {
        ok = value->items[i]->kind == SG_YAML_MAP;
        if (ok) add_pairs(r->a, to, value->items[i]);
    }
    if (!ok) {
        sg_error_at(r->diags, value->mark, SG_STR_NONE, "write <<: *name",
                    "a merge key takes a map or a list of maps");
        r->status = SG_E_SYNTAX;
    }
    return ok;
}

/* Of equal keys the last value stands at the first one's place, as in a Python dict. */
static void keep_last(struct pairs *l) {
    struct sortable *s = sorted(l->p, l->n);
    bool *gone = sg_xcalloc(l->n + 1, sizeof *gone);
    struct sg_yaml_pair *last = sg_xcalloc(l->n + 1, sizeof *last);
    for (size_t from = 0, to; from < l->n; from = to) {
        for (to = from + 1; to < l->n && sg_str_eq(s[to].pair->key, s[from].pair->key); to++)
            gone[s[to].place] = true;
        last[s[from].place] = *s[to - 1].pair;
    }
    size_t n = 0;
    for (size_t i = 0; i < l->n; i++)
        if (!gone[i]) l->p[n++] = last[i];
    l->n = n;
    free(last);
    free(gone);
    free(s);
}

static bool resolve_merges(struct reader *r, struct sg_yaml *map) {
    struct pairs all = {0};
    bool any = false;
    for (size_t i = 0; i < map->n; i++)
        if (is_merge_key(map->pairs[i].key_node)) {
            any = true;
            if (!add_merged(r, &all, map->pairs[i].value)) return false;
        }
    if (!any) return true;
    for (size_t i = 0; i < map->n; i++)
        if (!is_merge_key(map->pairs[i].key_node)) *SG_PUSH(r->a, all.p, all.n, all.cap) = map->pairs[i];
    keep_last(&all);
    map->pairs = all.p;
    map->n = all.n;
    return true;
}

static bool read_key(struct reader *r, unsigned depth, struct sg_yaml_pair *out) {
    yaml_event_type_t type = r->event.type;
    if (type == YAML_SEQUENCE_START_EVENT || type == YAML_MAPPING_START_EVENT)
        return refuse(r, SG_E_SYNTAX, &r->event, "put a text that begins with { or [ in quotes",
                      "a key must be a single value");
    out->key_node = read_node(r, depth);
    if (!out->key_node) return false;
    if (out->key_node->kind == SG_YAML_LIST || out->key_node->kind == SG_YAML_MAP)
        return refuse(r, SG_E_SYNTAX, &r->event, NULL, "a key must be a single value");
    out->key = out->key_node->text;
    return true;
}

static const struct sg_yaml *read_map(struct reader *r, unsigned depth) {
    struct sg_yaml *map = new_node(r, SG_YAML_MAP);
    struct sg_yaml_pair *pairs = NULL;
    seek(r, r->event.start_mark.index);
    map->mark = mark_here(r, 1);
    if (!check_tag(r, r->event.data.mapping_start.tag, "map")) return NULL;
    size_t cap = 0;
    while (next_event(r) && r->event.type != YAML_MAPPING_END_EVENT) {
        struct sg_yaml_pair pair = {.key = SG_STR_NONE};
        if (!read_key(r, depth + 1, &pair) || !next_event(r)) return NULL;
        pair.value = read_node(r, depth + 1);
        if (!pair.value) return NULL;
        *SG_PUSH(r->a, pairs, map->n, cap) = pair;
        map->pairs = pairs;
        adopt(map, pair.key_node);
        adopt(map, pair.value);
    }
    if (!r->has_event) return NULL;
    report_duplicates(r, map);
    return resolve_merges(r, map) ? map : NULL;
}

/* `depth` is the number of open lists and maps around it. */
static const struct sg_yaml *read_node(struct reader *r, unsigned depth) {
    const struct sg_yaml *node = NULL;
    size_t anchor = 0;
    if (!count_node(r)) return NULL;
    switch (r->event.type) {
    case YAML_ALIAS_EVENT:
        node = follow_alias(r);
        return node && !too_deep(r, node, depth) ? node : NULL;
    case YAML_SCALAR_EVENT:
        anchor = open_anchor(r, r->event.data.scalar.anchor);
        node = read_scalar(r);
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = open_anchor(r, r->event.data.sequence_start.anchor);
        if (depth < SG_YAML_MAX_DEPTH) node = read_list(r, depth);
        else refuse(r, SG_E_LIMIT, &r->event, NULL, "nested deeper than 128 levels");
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = open_anchor(r, r->event.data.mapping_start.anchor);
        if (depth < SG_YAML_MAX_DEPTH) node = read_map(r, depth);
        else refuse(r, SG_E_LIMIT, &r->event, NULL, "nested deeper than 128 levels");
        break;
    default:
        refuse(r, SG_E_SYNTAX, &r->event, NULL, "a value was expected here");
    }
    if (anchor) r->anchors[anchor - 1].node = node;
    return r->status ? NULL : node;
}

/* --- a whole text ----------------------------------------------------------------------------------------------- */

static void read_stream(struct reader *r, const struct sg_yaml **out) {
    if (!next_event(r)) return; /* STREAM-START */
    if (!next_event(r)) return; /* DOCUMENT-START or STREAM-END */
    if (r->event.type == YAML_STREAM_END_EVENT || !next_event(r)) return;
    *out = read_node(r, 0);
    if (!*out || !next_event(r) || !next_event(r)) /* DOCUMENT-END, then what follows */
        return;
    if (r->event.type != YAML_STREAM_END_EVENT)
        refuse(r, SG_E_SYNTAX, &r->event, "remove the line --- and what follows",
               "a second document in the same file");
}

static int check_encoding(struct reader *r) {
    size_t bad = 0;
    if (sg_utf8_valid(r->text, &bad)) return 0;
    unsigned byte = (unsigned char)r->text.p[bad];
    while (r->at < bad) step(r);
    bool utf16 = r->text.n >= 2 && bad == 0 && (byte == 0xFF || byte == 0xFE);
    struct sg_mark mark = {r->file, r->line, r->column, 1};
    sg_error_at(r->diags, mark, SG_STR_NONE,
                utf16 ? "it looks like UTF-16: save it as UTF-8" : "save the file as UTF-8",
                "the file is not UTF-8: byte 0x%02X at offset %zu", byte, bad);
    return SG_E_SYNTAX;
}

int sg_yaml_parse(struct sg_arena *a, struct sg_diags *diags, struct sg_str path, struct sg_str text,
                  const struct sg_yaml **out) {
    if (sg_str_starts(text, SG_STR("\xEF\xBB\xBF"))) { /* byte order mark: no character of the text */
        text.p += 3;
        text.n -= 3;
    }
    struct reader r = {.a = a, .diags = diags, .text = text, .line = 1, .column = 1};
    size_t errors = diags->errors;
    *out = NULL;
    r.file = sg_diags_file(diags, path, sg_config_blot(a, text));
    r.status = check_encoding(&r);
    if (r.status) return r.status;
    SG_ASSERT(yaml_parser_initialize(&r.parser));
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text.p, text.n);
    read_stream(&r, out);
    if (r.has_event) yaml_event_delete(&r.event);
    yaml_parser_delete(&r.parser);
    return r.status ? r.status : diags->errors > errors ? SG_E_SYNTAX : 0;
}

/* --- looking ---------------------------------------------------------------------------------------------------- */

const struct sg_yaml_pair *sg_yaml_find(const struct sg_yaml *map, struct sg_str key) {
    if (!map || map->kind != SG_YAML_MAP) return NULL;
    for (size_t i = 0; i < map->n; i++)
        if (sg_str_eq(map->pairs[i].key, key)) return &map->pairs[i];
    return NULL;
}

const struct sg_yaml *sg_yaml_get(const struct sg_yaml *map, const char *key) {
    const struct sg_yaml_pair *pair = sg_yaml_find(map, sg_str(key));
    return pair ? pair->value : NULL;
}

struct sg_json sg_yaml_to_json(struct sg_arena *a, const struct sg_yaml *node) {
    switch ((enum sg_yaml_kind)node->kind) {
    case SG_YAML_NULL:
        return sg_json_null();
    case SG_YAML_BOOL:
        return sg_json_bool(sg_str_eq(node->text, SG_STR("true")));
    case SG_YAML_FLOAT:
        if (node->text.p[node->text.n - 1] == 'n' || node->text.p[node->text.n - 1] == 'f') /* nan, inf */
            return sg_json_string(node->text);
        return (struct sg_json){.type = SG_JSON_NUMBER, .n = (uint32_t)node->text.n, .text = node->text.p};
    case SG_YAML_INT:
        return (struct sg_json){.type = SG_JSON_NUMBER, .n = (uint32_t)node->text.n, .text = node->text.p};
    case SG_YAML_TEXT:
        return sg_json_string(node->text);
    case SG_YAML_LIST:
        break;
    case SG_YAML_MAP: {
        struct sg_member *members = SG_NEW_N(a, struct sg_member, node->n);
        for (size_t i = 0; i < node->n; i++)
            members[i] = (struct sg_member){node->pairs[i].key, sg_yaml_to_json(a, node->pairs[i].value)};
        return sg_json_object(members, node->n);
    }
    }
    struct sg_json *items = SG_NEW_N(a, struct sg_json, node->n);
    for (size_t i = 0; i < node->n; i++) items[i] = sg_yaml_to_json(a, node->items[i]);
    return sg_json_array(items, node->n);
}

const char *sg_yaml_kind_name(const struct sg_yaml *node) {
    static const char *const names[] = {"empty", "a boolean", "a whole number", "a number",
                                        "text",  "a list",    "a map"};
    return names[node->kind];
}
