/* SPDX-License-Identifier: Apache-2.0 */
/* type: compiling by recursive descent; looking by recursion over the type, which is at most DEPTH deep. */
#include "plan/type.h"

#include "base/diag.h"

#define DEPTH 32

static const struct {
    const char *name;
    enum sg_type_kind kind;
    size_t least, most; /* types in its brackets, 0: it takes none; a container without brackets is of any */
} names[] = {
    {"str", SG_TYPE_STR, 0, 0},    {"int", SG_TYPE_INT, 0, 0},      {"float", SG_TYPE_FLOAT, 0, 0},
    {"bool", SG_TYPE_BOOL, 0, 0},  {"none", SG_TYPE_NONE, 0, 0},    {"any", SG_TYPE_ANY, 0, 0},
    {"list", SG_TYPE_LIST, 1, 1},  {"tuple", SG_TYPE_TUPLE, 1, 1},  {"set", SG_TYPE_SET, 1, 1},
    {"dict", SG_TYPE_DICT, 2, 2},  {"nonetype", SG_TYPE_NONE, 0, 0}, {"optional", SG_TYPE_UNION, 1, 1},
    {"union", SG_TYPE_UNION, 1, 16},
};
#define N_NAMES (sizeof names / sizeof *names)
#define OPTIONAL 11

static const struct sg_type any_twice[] = {{.kind = SG_TYPE_ANY}, {.kind = SG_TYPE_ANY}}; /* bare list, dict */
static const struct sg_type none = {.kind = SG_TYPE_NONE};

/* --- compiling -------------------------------------------------------------------------------------------------- */

struct parser {
    struct sg_arena *a;
    struct sg_str text;
    size_t at;
    unsigned depth;
    struct sg_type_mistake *m;
};

struct types {
    struct sg_type *items;
    size_t n, cap;
};

static int mistake(struct parser *p, size_t at, size_t length, const char *help, struct sg_str text) {
    *p->m = (struct sg_type_mistake){.at = at, .length = length, .text = text, .help = help};
    return SG_E_SYNTAX;
}

static int missing(struct parser *p, const char *what) {
    const char *where = p->at < p->text.n ? "here" : "at the end";
    return mistake(p, p->at, 1, NULL, sg_str_printf(p->a, "%s is missing %s", what, where));
}

/* The next character that is no blank; 0 at the end. */
static char look(struct parser *p) {
    while (p->at < p->text.n && strchr(" \t\n", p->text.p[p->at])) p->at++;
    return p->at < p->text.n ? p->text.p[p->at] : '\0';
}

static bool is_letter(char c) {
    return ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || (c >= '0' && c <= '9') || c == '_';
}

static int unknown_name(struct parser *p, size_t at, struct sg_str word) {
    struct sg_str known[N_NAMES];
    for (size_t i = 0; i < N_NAMES; i++) known[i] = sg_str(names[i].name);
    struct sg_str near = sg_nearest(word, known, N_NAMES);
    const char *help =
        near.n ? sg_str_printf(p->a, "did you mean `%.*s`?", SG_ARG(near)).p
               : "types are str, int, float, bool, none, any, list[T], tuple[T], set[T], dict[K, V], optional[T] and "
                 "T | U";
    return mistake(p, at, word.n, help, sg_str_printf(p->a, "unknown type `%.*s`", SG_ARG(word)));
}

static int parse_type(struct parser *p, struct sg_type *out);

/* Behind the name: "[T, U]". */
static int parse_brackets(struct parser *p, struct types *of) {
    do {
        p->at++; /* [ or , */
        struct sg_type one;
        int rc = parse_type(p, &one);
        if (rc != 0) return rc;
        *SG_PUSH(p->a, of->items, of->n, of->cap) = one;
    } while (look(p) == ',');
    if (look(p) != ']') return missing(p, "`]`");
    p->at++;
    return 0;
}

static int check_brackets(struct parser *p, size_t name, size_t at, size_t length, const struct types *of) {
    const char *word = names[name].name;
    if (names[name].most == 0 && of->n)
        return mistake(p, at, length, NULL, sg_str_printf(p->a, "`%s` takes no brackets", word));
    if (names[name].kind == SG_TYPE_UNION && of->n == 0)
        return mistake(p, at, length, sg_str_printf(p->a, "write %s[int%s]", word, name == OPTIONAL ? "" : ", str").p,
                       sg_str_printf(p->a, "`%s` needs types in brackets", word));
    if (of->n == 0 || (of->n >= names[name].least && of->n <= names[name].most)) return 0;
    const char *help = NULL;
    if (names[name].kind == SG_TYPE_DICT) help = "write dict[str, int]: of the keys, and of the values";
    if (names[name].kind == SG_TYPE_TUPLE) help = "write tuple[int]: all items have that type, however many";
    return mistake(p, at, length, help,
                   sg_str_printf(p->a, "`%s` takes %zu type%s in its brackets, not %zu", word, names[name].most,
                                 names[name].most == 1 ? "" : "s", of->n));
}

static int parse_one(struct parser *p, struct sg_type *out) {
    look(p);
    size_t at = p->at, name = 0;
    while (p->at < p->text.n && is_letter(p->text.p[p->at])) p->at++;
    struct sg_str word = {p->text.p + at, p->at - at};
    if (word.n == 0) return missing(p, "a type");
    while (name < N_NAMES && !sg_str_is_word(word, names[name].name)) name++;
    if (name == N_NAMES) return unknown_name(p, at, word);
    struct types of = {0};
    int rc = look(p) == '[' ? parse_brackets(p, &of) : 0;
    if (rc == 0) rc = check_brackets(p, name, at, word.n, &of);
    if (rc != 0) return rc;
    if (name == OPTIONAL) *SG_PUSH(p->a, of.items, of.n, of.cap) = none;
    *out = (struct sg_type){names[name].kind, of.items, of.n};
    if (of.n == 0 && out->kind >= SG_TYPE_LIST) *out = (struct sg_type){out->kind, any_twice, names[name].least};
    return 0;
}

static int parse_union(struct parser *p, struct sg_type *out) {
    struct types of = {0};
    int rc = parse_one(p, out);
    while (rc == 0 && look(p) == '|') {
        if (of.n == 0) *SG_PUSH(p->a, of.items, of.n, of.cap) = *out;
        p->at++;
        rc = parse_one(p, out);
        if (rc == 0) *SG_PUSH(p->a, of.items, of.n, of.cap) = *out;
    }
    if (rc == 0 && of.n) *out = (struct sg_type){SG_TYPE_UNION, of.items, of.n};
    return rc;
}

static int parse_type(struct parser *p, struct sg_type *out) {
    if (p->depth == DEPTH) return mistake(p, p->at, 1, NULL, SG_STR("types are nested too deeply"));
    p->depth++;
    int rc = parse_union(p, out);
    p->depth--;
    return rc;
}

int sg_type_compile(struct sg_arena *a, struct sg_str text, struct sg_type *out, struct sg_type_mistake *m) {
    struct parser p = {.a = a, .text = text, .m = m};
    int rc = parse_type(&p, out);
    if (rc == 0 && look(&p)) rc = mistake(&p, p.at, text.n - p.at, NULL, SG_STR("nothing may follow the type"));
    return rc;
}

void sg_type_print(const struct sg_type *t, struct sg_buf *out) {
    if (t->kind == SG_TYPE_UNION) {
        for (size_t i = 0; i < t->n; i++) {
            if (i) SG_BUF_LIT(out, " | ");
            sg_type_print(&t->of[i], out);
        }
        return;
    }
    size_t name = 0;
    while (names[name].kind != t->kind) name++;
    sg_buf_str(out, sg_str(names[name].name));
    if (t->n == 0 || t->of == any_twice) return;
    for (size_t i = 0; i < t->n; i++) {
        sg_buf_str(out, i ? SG_STR(", ") : SG_STR("["));
        sg_type_print(&t->of[i], out);
    }
    sg_buf_ch(out, ']');
}

/* --- looking ---------------------------------------------------------------------------------------------------- */

/* Whether what pydantic makes of a value that fits could be an item of a set: lists, maps and sets cannot. Of a union any
 * alternative will do. */
static bool hashable(const struct sg_type *t, const struct sg_json *v) {
    if (t->kind == SG_TYPE_ANY) return v->type < SG_JSON_ARRAY;
    if (t->kind == SG_TYPE_UNION) {
        for (size_t i = 0; i < t->n; i++)
            if (sg_type_takes(&t->of[i], v) && hashable(&t->of[i], v)) return true;
        return false;
    }
    if (t->kind != SG_TYPE_TUPLE) return t->kind < SG_TYPE_LIST;
    for (uint32_t i = 0; i < v->n; i++)
        if (!hashable(t->of, &v->items[i])) return false;
    return true;
}

static bool takes_items(const struct sg_type *t, const struct sg_json *v) {
    if (v->type != SG_JSON_ARRAY) return false;
    for (uint32_t i = 0; i < v->n; i++)
        if (!sg_type_takes(t->of, &v->items[i])) return false;
    for (uint32_t i = 0; t->kind == SG_TYPE_SET && i < v->n; i++)
        if (!hashable(t->of, &v->items[i])) return false;
    return true;
}

static bool takes_key(const struct sg_type *t, struct sg_str key) {
    struct sg_json text = sg_json_string(key);
    return sg_type_takes(&t->of[0], &text);
}

static bool takes_members(const struct sg_type *t, const struct sg_json *v) {
    if (v->type != SG_JSON_OBJECT) return false;
    for (uint32_t i = 0; i < v->n; i++)
        if (!takes_key(t, v->members[i].key) || !sg_type_takes(&t->of[1], &v->members[i].value)) return false;
    return true;
}

bool sg_type_takes(const struct sg_type *t, const struct sg_json *v) {
    switch (t->kind) {
    case SG_TYPE_STR:
        return v->type == SG_JSON_STRING;
    case SG_TYPE_INT:
        return sg_lax_int(v);
    case SG_TYPE_FLOAT:
        return sg_lax_float(v);
    case SG_TYPE_BOOL:
        return sg_lax_bool(v);
    case SG_TYPE_NONE:
        return v->type == SG_JSON_NULL;
    case SG_TYPE_ANY:
        return true;
    case SG_TYPE_LIST:
    case SG_TYPE_TUPLE:
    case SG_TYPE_SET:
        return takes_items(t, v);
    case SG_TYPE_DICT:
        return takes_members(t, v);
    case SG_TYPE_UNION:
        break;
    }
    for (size_t i = 0; i < t->n; i++)
        if (sg_type_takes(&t->of[i], v)) return true;
    return false;
}

struct sg_misfit sg_type_misfit(const struct sg_type *t, const struct sg_json *v, struct sg_buf *path) {
    bool list = t->kind >= SG_TYPE_LIST && t->kind <= SG_TYPE_SET && v->type == SG_JSON_ARRAY;
    for (uint32_t i = 0; list && i < v->n; i++) {
        if (sg_type_takes(t->of, &v->items[i])) continue;
        sg_buf_printf(path, "[%u]", i);
        return sg_type_misfit(t->of, &v->items[i], path);
    }
    for (uint32_t i = 0; t->kind == SG_TYPE_DICT && v->type == SG_JSON_OBJECT && i < v->n; i++) {
        const struct sg_member *m = &v->members[i];
        if (!takes_key(t, m->key)) return (struct sg_misfit){&t->of[0], sg_json_string(m->key), true};
        if (sg_type_takes(&t->of[1], &m->value)) continue;
        sg_buf_printf(path, ".%.*s", SG_ARG(m->key));
        return sg_type_misfit(&t->of[1], &m->value, path);
    }
    return (struct sg_misfit){t, *v, false};
}
