/* SPDX-License-Identifier: Apache-2.0 */
/* The form of .env is the reference's: KEY=VALUE lines, `#` in front makes a comment, one pair of equal quotes
 * around the value is taken off; no export, no escapes, nothing is expanded. The file is not registered for
 * messages: its lines are secrets, so reports name the line's number only.
 *
 * Of equal names the last one counts; .env comes after the environment and so beats it. */
#include "config/env.h"

#include "config/blot.h"

#include <unistd.h>

#define MAX_ENV_FILE (1u << 20)

/* Values of secret names are registered at once, each item of a list by itself: a message may speak of any of
 * them. */
static void hide(struct sg_str name, struct sg_str value) {
    if (sg_config_is_secret_name(name))
        for (size_t at = 0, end; at < value.n; at = end + 1) {
            end = sg_str_find(value, '|', at);
            sg_redact_add(name, (struct sg_str){value.p + at, end - at});
        }
}

static void set(struct sg_env *e, struct sg_arena *a, struct sg_str name, struct sg_str value, bool from_file) {
    hide(name, value);
    for (size_t i = 0; i < e->n; i++)
        if (sg_str_eq(e->vars[i].name, name)) {
            e->vars[i].value = value;
            e->vars[i].from_file = from_file;
            return;
        }
    *SG_PUSH(a, e->vars, e->n, e->cap) = (struct sg_env_var){name, value, from_file};
}

static struct sg_str unquoted(struct sg_str s) {
    bool quoted = s.n >= 2 && (s.p[0] == '"' || s.p[0] == '\'') && s.p[s.n - 1] == s.p[0];
    return quoted ? (struct sg_str){s.p + 1, s.n - 2} : s;
}

static void read_line(struct sg_env *e, struct sg_arena *a, struct sg_diags *d, struct sg_str line, size_t number) {
    line = sg_str_trim(line);
    if (line.n == 0 || line.p[0] == '#') return;
    size_t equals = sg_str_find(line, '=', 0);
    struct sg_str name = sg_str_trim((struct sg_str){line.p, equals});
    if (equals == line.n || name.n == 0) {
        sg_warning_at(d, (struct sg_mark){0}, SG_STR_NONE,
                      "lines of .env are NAME=value, or comments that begin with #",
                      ".env, line %zu, is not NAME=value and has no effect", number);
        return;
    }
    struct sg_str value = unquoted(sg_str_trim((struct sg_str){line.p + equals + 1, line.n - equals - 1}));
    set(e, a, name, value, true);
}

static void read_file(struct sg_env *e, struct sg_arena *a, struct sg_diags *d) {
    struct sg_str text;
    struct sg_err err = {0};
    if (!sg_os_exists(".env")) return;
    if (sg_os_read_file(a, ".env", MAX_ENV_FILE, &text, &err)) {
        sg_error_at(d, (struct sg_mark){0}, SG_STR_NONE, NULL, "%s", err.text);
        return;
    }
    size_t bad;
    if (!sg_utf8_valid(text, &bad)) {
        sg_error_at(d, (struct sg_mark){0}, SG_STR_NONE, "save the file as UTF-8", ".env is not UTF-8: at byte %zu",
                    bad);
        return;
    }
    if (sg_str_starts(text, SG_STR("\xEF\xBB\xBF"))) text = (struct sg_str){text.p + 3, text.n - 3};
    size_t number = 1;
    for (size_t at = 0, end; at < text.n; at = end + 1, number++) {
        end = sg_str_find(text, '\n', at);
        read_line(e, a, d, (struct sg_str){text.p + at, end - at}, number);
    }
}

void sg_env_load(struct sg_env *e, struct sg_arena *a, struct sg_diags *d) {
    *e = (struct sg_env){0};
    for (char **p = environ; p && *p; p++) {
        struct sg_str s = sg_str(*p);
        size_t equals = sg_str_find(s, '=', 0);
        struct sg_str name = {s.p, equals};
        bool asked_for = sg_str_starts(name, SG_STR("SYGRA_")) || sg_str_starts(name, SG_STR("SSL_CERT_")) ||
                         sg_str_ends(name, SG_STR("_PROXY")) || sg_str_ends(name, SG_STR("_proxy"));
        if (equals < s.n && asked_for)
            set(e, a, name, (struct sg_str){s.p + equals + 1, s.n - equals - 1}, false);
    }
    read_file(e, a, d);
}

const struct sg_env_var *sg_env_find(const struct sg_env *e, struct sg_str name) {
    for (size_t i = 0; i < e->n; i++)
        if (sg_str_eq(e->vars[i].name, name)) return &e->vars[i];
    return NULL;
}

const char *sg_env_place(const struct sg_env_var *v) {
    return v->from_file ? ".env" : "the environment";
}
