/* SPDX-License-Identifier: Apache-2.0 */
/* Options from tables: parsing, checking, help. */
#include "cli/cli.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

static bool same_name(const char *option, const char *given, size_t n) {
    if (strlen(option) != n) return false;
    for (size_t i = 0; i < n; i++)
        if (option[i] != (given[i] == '-' ? '_' : given[i])) return false;
    return true;
}

static const struct sg_option *find(const struct sg_option *options, const char *arg, const char **inline_value) {
    const char *name = arg + (arg[1] == '-' ? 2 : 1), *equals = strchr(name, '=');
    size_t n = equals ? (size_t)(equals - name) : strlen(name);
    bool is_long = arg[1] == '-';
    *inline_value = equals ? equals + 1 : NULL;
    for (const struct sg_option *o = options; o->name; o++)
        if (is_long ? same_name(o->name, name, n)
                    : o->brief && strlen(o->brief) == n && strncmp(o->brief, name, n) == 0)
            return o;
    return NULL;
}

static bool refuse_unknown(const struct sg_verb *verb, const char *arg) {
    struct sg_str names[SG_MAX_OPTIONS];
    size_t n = 0, skip = arg[1] == '-' ? 2 : 1;
    for (const struct sg_option *o = verb->options; o->name; o++) names[n++] = sg_str(o->name);
    struct sg_str near = sg_nearest(sg_str(arg + skip), names, n);
    fprintf(stderr, "sygra %s: unknown option %s", verb->name, arg);
    if (near.n) fprintf(stderr, "; did you mean --%.*s?", SG_ARG(near));
    fprintf(stderr, "\n  `sygra %s --help` lists them\n", verb->name);
    return false;
}

static bool is_off(const char *v) {
    static const char *const off[] = {"False", "false", "0", "None", "no", ""};
    for (size_t i = 0; i < sizeof off / sizeof *off; i++)
        if (strcmp(v, off[i]) == 0) return true;
    return false;
}

static bool is_on(const char *v) {
    return strcmp(v, "True") == 0 || strcmp(v, "true") == 0 || strcmp(v, "1") == 0 || strcmp(v, "yes") == 0;
}

static bool is_number(const char *v) {
    char *end;
    errno = 0;
    strtoull(v, &end, 10);
    return *v >= '0' && *v <= '9' && *end == 0 && errno == 0;
}

static bool is_real(const char *v) {
    char *end;
    strtod(v, &end);
    return *v && *end == 0;
}

static bool among(const char *choices, struct sg_str value) {
    struct sg_str all = sg_str(choices);
    for (size_t at = 0, end; at < all.n; at = end + 1) {
        end = sg_str_find(all, ' ', at);
        if (sg_str_eq((struct sg_str){all.p + at, end - at}, value)) return true;
    }
    return false;
}

/* "text, json or svg" */
static void print_choices(FILE *to, const char *choices) {
    const char *last = strrchr(choices, ' ');
    for (const char *c = choices; *c; c++) {
        if (*c != ' ') fputc(*c, to);
        else fputs(c == last ? " or " : ", ", to);
    }
}

static bool check_choice(const struct sg_verb *verb, const struct sg_option *o, const char *v) {
    if (!o->choices || among(o->choices, sg_str(v))) return true;
    fprintf(stderr, "sygra %s: --%s is ", verb->name, o->name);
    print_choices(stderr, o->choices);
    fprintf(stderr, ", not \"%s\"\n", v);
    return false;
}

static bool check_value(const struct sg_verb *verb, const struct sg_option *o, const char *v) {
    const char *wanted = NULL;
    if (o->kind == SG_OPTION_NUMBER && !is_number(v)) wanted = "a whole number that is not negative";
    if (o->kind == SG_OPTION_REAL && !is_real(v)) wanted = "a number";
    if (o->kind == SG_OPTION_BOOL && !is_on(v) && !is_off(v)) wanted = "True or False";
    if (o->kind == SG_OPTION_NOT_YET && !is_off(v)) {
        fprintf(stderr, "sygra %s: --%s is not yet supported in this version\n", verb->name, o->name);
        return false;
    }
    if (wanted) fprintf(stderr, "sygra %s: --%s must be %s, not \"%s\"\n", verb->name, o->name, wanted, v);
    return !wanted && check_choice(verb, o, v);
}

bool sg_args_parse(struct sg_args *args, const struct sg_verb *verb, int argc, char **argv) {
    *args = (struct sg_args){.options = verb->options, .given = (const char *const *)argv};
    bool only_words = false;
    for (int i = 0; i < argc; i++) {
        const char *arg = argv[i], *value;
        if (only_words || arg[0] != '-' || !arg[1]) {
            if (args->n_words == SG_MAX_WORDS)
                return fprintf(stderr, "sygra %s: too many arguments\n", verb->name), false;
            args->words[args->n_words++] = arg;
            continue;
        }
        if (strcmp(arg, "--") == 0) {
            only_words = true;
            continue;
        }
        const struct sg_option *o = find(verb->options, arg, &value);
        if (!o) return refuse_unknown(verb, arg);
        if (o->kind == SG_OPTION_FLAG) value = "1";
        else if (!value && ++i < argc) value = argv[i];
        if (!value)
            return fprintf(stderr, "sygra %s: --%s needs a value: %s\n", verb->name, o->name, o->value), false;
        if (!check_value(verb, o, value)) return false;
        args->values[o - verb->options] = value;
    }
    return true;
}

const char *sg_arg_text(const struct sg_args *a, size_t option, const char *fallback) {
    return a->values[option] ? a->values[option] : fallback;
}

uint64_t sg_arg_number(const struct sg_args *a, size_t option, uint64_t fallback) {
    return a->values[option] ? strtoull(a->values[option], NULL, 10) : fallback;
}

double sg_arg_real(const struct sg_args *a, size_t option, double fallback) {
    return a->values[option] ? strtod(a->values[option], NULL) : fallback;
}

bool sg_arg_bool(const struct sg_args *a, size_t option, bool fallback) {
    return a->values[option] ? is_on(a->values[option]) : fallback;
}

bool sg_wants_colour(void) {
    const char *no = getenv("NO_COLOR"), *term = getenv("TERM");
    return isatty(1) && (!no || !*no) && term && strcmp(term, "dumb") != 0;
}

void sg_print_redacted(struct sg_str text) {
    struct sg_buf clean = SG_BUF_INIT(0);
    sg_redact(&clean, text);
    fwrite(clean.p, 1, clean.n, stdout);
    fflush(stdout);
    sg_buf_fini(&clean);
}

void sg_print_help(const struct sg_verb *verb, FILE *to) {
    fprintf(to, "sygra %s %s\n  %s\n", verb->name, verb->words, verb->summary);
    if (verb->details) fprintf(to, "\n%s", verb->details);
    fprintf(to, "\noptions:\n");
    for (const struct sg_option *o = verb->options; o->name; o++) {
        char left[64];
        snprintf(left, sizeof left, "%s%s%s--%s%s%s", o->brief ? "-" : "", o->brief ? o->brief : "",
                 o->brief ? ", " : "", o->name, o->value ? " " : "", o->value ? o->value : "");
        const char *note = o->kind == SG_OPTION_NOT_YET ? " (not yet supported)" : "";
        fprintf(to, "  %-34s %s%s\n", left, o->help, note);
    }
}

const char *sg_exe_path(void) {
    static char path[PATH_MAX];
    if (path[0]) return path;
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0) n = 0;
    path[n] = 0;
    return path;
}

const char *sg_exe_dir(void) {
    static char dir[PATH_MAX];
    if (dir[0]) return dir;
    snprintf(dir, sizeof dir, "%s", sg_exe_path());
    char *slash = strrchr(dir, '/');
    if (slash) *slash = 0;
    return dir;
}

const char *sg_task_word(const struct sg_args *a, const char *option_value, const char *verb) {
    const char *word = option_value ? option_value : a->n_words ? a->words[0] : NULL;
    size_t used = !option_value && a->n_words ? 1 : 0;
    if (!word)
        fprintf(stderr,
                "sygra %s: which task? Give its folder or its dotted name, e.g. `sygra %s examples/evol_instruct`\n",
                verb, verb);
    else if (a->n_words > used)
        fprintf(stderr, "sygra %s: one task at a time; \"%s\" is too much\n", verb, a->words[used]);
    else return word;
    return NULL;
}
