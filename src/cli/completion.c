/* SPDX-License-Identifier: Apache-2.0 */
/* Completion scripts for three shells. What can follow is known from the tables: a verb's words, its options, and an option's
 * value, by its choices or by how help names it (FILE, DIR, TASK, BOOL, VERB).
 *
 * Nothing is asked of sygra while the user types: the script holds it all. Texts of help go into single quotes. */
#include "cli/cli.h"

/* Folders of tasks and runs; files; words; nothing that could be known. */
enum follow { FOLLOW_NOTHING, FOLLOW_FOLDERS, FOLLOW_FILES, FOLLOW_WORDS };

static const char *option_words(const struct sg_option *o) {
    return o->value && strcmp(o->value, "BOOL") == 0 ? "True False" : o->choices;
}

static enum follow after_option(const struct sg_option *o) {
    if (option_words(o)) return FOLLOW_WORDS;
    if (!o->value) return FOLLOW_NOTHING;
    if (strcmp(o->value, "FILE") == 0) return FOLLOW_FILES;
    return strcmp(o->value, "DIR") == 0 || strcmp(o->value, "TASK") == 0 ? FOLLOW_FOLDERS : FOLLOW_NOTHING;
}

static void add_verb_names(struct sg_buf *b) {
    for (size_t i = 0; i < sg_n_verbs; i++) sg_buf_printf(b, "%s%s", i ? " " : "", sg_verbs[i]->name);
}

/* "bash|zsh|fish [options]": the words before the first blank. */
static void add_words(struct sg_buf *b, const struct sg_verb *v) {
    if (strncmp(v->words, "[VERB]", 6) == 0) {
        add_verb_names(b);
        return;
    }
    for (const char *c = v->words; *c && *c != ' '; c++) {
        if (*c == '|') sg_buf_ch(b, ' ');
        else sg_buf_ch(b, *c);
    }
}

static enum follow after_verb(const struct sg_verb *v) {
    if (strncmp(v->words, "TASK", 4) == 0 || strncmp(v->words, "[RUN]", 5) == 0) return FOLLOW_FOLDERS;
    if (strncmp(v->words, "FILE", 4) == 0) return FOLLOW_FILES;
    if (strncmp(v->words, "[VERB]", 6) == 0 || strchr(v->words, '|')) return FOLLOW_WORDS;
    return FOLLOW_NOTHING;
}

static bool is_shown(const struct sg_option *o) {
    return o->kind != SG_OPTION_NOT_YET;
}

/* Inside single quotes, where only a quote means anything to a shell; `also` are put behind a backslash. */
static void quoted(struct sg_buf *b, const char *text, const char *also) {
    for (const char *c = text; *c; c++) {
        if (*c == '\'') SG_BUF_LIT(b, "'\\''");
        else {
            if (strchr(also, *c)) sg_buf_ch(b, '\\');
            sg_buf_ch(b, *c);
        }
    }
}

/* --- bash ------------------------------------------------------------------------------------------------------------------- */

static const char bash_head[] =
    "# bash completion for sygra, made by `sygra completion bash`. Put it where bash looks:\n"
    "#   sygra completion bash >~/.local/share/bash-completion/completions/sygra\n"
    "_sygra_words() { mapfile -t COMPREPLY < <(compgen -W \"$1\" -- \"$2\"); }\n"
    "_sygra_files() { compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -f -- \"$1\"); }\n"
    "_sygra_folders() { compopt -o filenames 2>/dev/null; mapfile -t COMPREPLY < <(compgen -d -- \"$1\"); }\n"
    "_sygra() {\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
    "    COMPREPLY=()\n"
    "    # --format=svg comes as three words\n"
    "    if [[ $cur == '=' ]]; then cur=\n"
    "    elif [[ $prev == '=' ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n"
    "    # a hyphen is the same as the underscore\n"
    "    if [[ $prev == --?* ]]; then prev=${prev#--} prev=--${prev//-/_}; fi\n";

static void bash_follow(struct sg_buf *b, enum follow f, const char *words) {
    if (f == FOLLOW_NOTHING) SG_BUF_LIT(b, "return ;;\n");
    if (f == FOLLOW_FOLDERS) SG_BUF_LIT(b, "_sygra_folders \"$cur\"; return ;;\n");
    if (f == FOLLOW_FILES) SG_BUF_LIT(b, "_sygra_files \"$cur\"; return ;;\n");
    if (f == FOLLOW_WORDS) sg_buf_printf(b, "_sygra_words '%s' \"$cur\"; return ;;\n", words);
}

static void bash_values(struct sg_buf *b, const struct sg_verb *v) {
    for (const struct sg_option *o = v->options; o->name; o++) {
        if (o->kind == SG_OPTION_FLAG || !is_shown(o)) continue;
        sg_buf_printf(b, "    %s:--%s", v->name, o->name);
        if (o->brief) sg_buf_printf(b, "|%s:-%s", v->name, o->brief);
        SG_BUF_LIT(b, ") ");
        bash_follow(b, after_option(o), option_words(o));
    }
}

static void bash_verb(struct sg_buf *b, const struct sg_verb *v) {
    struct sg_buf words = SG_BUF_INIT(0);
    sg_buf_printf(b, "    %s:-*) _sygra_words '", v->name);
    for (const struct sg_option *o = v->options; o->name; o++)
        if (is_shown(o)) sg_buf_printf(b, "--%s ", o->name);
    SG_BUF_LIT(b, "--help' \"$cur\"; return ;;\n");
    add_words(&words, v);
    sg_buf_ch(&words, 0);
    sg_buf_printf(b, "    %s:*) ", v->name);
    bash_follow(b, after_verb(v), words.p);
    sg_buf_fini(&words);
}

static void bash(struct sg_buf *b) {
    SG_BUF_LIT(b, bash_head);
    SG_BUF_LIT(b, "    if ((COMP_CWORD == 1)); then _sygra_words '");
    add_verb_names(b);
    SG_BUF_LIT(b, " --help --version' \"$cur\"; return; fi\n    case ${COMP_WORDS[1]}:$prev in\n");
    for (size_t i = 0; i < sg_n_verbs; i++) bash_values(b, sg_verbs[i]);
    SG_BUF_LIT(b, "    esac\n    case ${COMP_WORDS[1]}:$cur in\n");
    for (size_t i = 0; i < sg_n_verbs; i++) bash_verb(b, sg_verbs[i]);
    SG_BUF_LIT(b, "    esac\n}\ncomplete -F _sygra sygra\n");
}

/* --- zsh -------------------------------------------------------------------------------------------------------------------- */

static void zsh_follow(struct sg_buf *b, const char *what, enum follow f, const char *words) {
    sg_buf_printf(b, ":%s:", what);
    if (f == FOLLOW_FOLDERS) SG_BUF_LIT(b, "_files -/");
    if (f == FOLLOW_FILES) SG_BUF_LIT(b, "_files");
    if (f == FOLLOW_WORDS) sg_buf_printf(b, "(%s)", words);
}

/* '(-n --num_records)'{-n,--num_records}'[records to take (10)]:N:' */
static void zsh_option(struct sg_buf *b, const struct sg_option *o) {
    if (o->brief) sg_buf_printf(b, "      '(-%s --%s)'{-%s,--%s}'[", o->brief, o->name, o->brief, o->name);
    else sg_buf_printf(b, "      '--%s[", o->name);
    quoted(b, o->help, "[]:\\");
    sg_buf_ch(b, ']');
    if (o->kind != SG_OPTION_FLAG) zsh_follow(b, o->value, after_option(o), option_words(o));
    SG_BUF_LIT(b, "' \\\n");
}

static void zsh_verb(struct sg_buf *b, const struct sg_verb *v) {
    struct sg_buf words = SG_BUF_INIT(0);
    sg_buf_printf(b, "  %s) _arguments \\\n", v->name);
    for (const struct sg_option *o = v->options; o->name; o++)
        if (is_shown(o)) zsh_option(b, o);
    SG_BUF_LIT(b, "      '--help[say what it does]'");
    if (after_verb(v) != FOLLOW_NOTHING) {
        add_words(&words, v);
        sg_buf_ch(&words, 0);
        SG_BUF_LIT(b, " \\\n      '1");
        zsh_follow(b, v->name, after_verb(v), words.p);
        sg_buf_ch(b, '\'');
    }
    SG_BUF_LIT(b, " ;;\n");
    sg_buf_fini(&words);
}

static void zsh(struct sg_buf *b) {
    SG_BUF_LIT(b, "#compdef sygra\n# zsh completion for sygra, made by `sygra completion zsh`. Put it as _sygra into a "
                  "folder of $fpath.\n_sygra() {\n  local -a verbs\n  verbs=(\n");
    for (size_t i = 0; i < sg_n_verbs; i++) {
        sg_buf_printf(b, "    '%s:", sg_verbs[i]->name);
        quoted(b, sg_verbs[i]->summary, "");
        SG_BUF_LIT(b, "'\n");
    }
    SG_BUF_LIT(b, "  )\n  if (( CURRENT == 2 )); then _describe verb verbs; return; fi\n"
                  "  local verb=$words[2]\n  shift words\n  (( CURRENT-- ))\n  case $verb in\n");
    for (size_t i = 0; i < sg_n_verbs; i++) zsh_verb(b, sg_verbs[i]);
    SG_BUF_LIT(b, "  esac\n}\nif [[ $funcstack[1] == _sygra ]]; then _sygra \"$@\"; else compdef _sygra sygra; fi\n");
}

/* --- fish ------------------------------------------------------------------------------------------------------------------- */

static void fish_follow(struct sg_buf *b, enum follow f, const char *words) {
    if (f == FOLLOW_NOTHING) SG_BUF_LIT(b, " -x");
    if (f == FOLLOW_FOLDERS) SG_BUF_LIT(b, " -xa '(__fish_complete_directories)'");
    if (f == FOLLOW_FILES) SG_BUF_LIT(b, " -rF");
    if (f == FOLLOW_WORDS) sg_buf_printf(b, " -xa '%s'", words);
}

static void fish_text(struct sg_buf *b, const char *text) {
    SG_BUF_LIT(b, " -d '");
    for (const char *c = text; *c; c++) {
        if (*c == '\'' || *c == '\\') sg_buf_ch(b, '\\');
        sg_buf_ch(b, *c);
    }
    SG_BUF_LIT(b, "'\n");
}

static void fish_option(struct sg_buf *b, const char *when, const struct sg_option *o) {
    sg_buf_printf(b, "%s -l %s", when, o->name);
    if (o->brief) sg_buf_printf(b, " -%c %s", o->brief[1] ? 'o' : 's', o->brief);
    if (o->kind != SG_OPTION_FLAG) fish_follow(b, after_option(o), option_words(o));
    fish_text(b, o->help);
}

static void fish_verb(struct sg_buf *b, const struct sg_verb *v) {
    char when[96];
    struct sg_buf words = SG_BUF_INIT(0);
    snprintf(when, sizeof when, "complete -c sygra -n '__fish_seen_subcommand_from %s'", v->name);
    sg_buf_printf(b, "complete -c sygra -n __fish_use_subcommand -a %s", v->name);
    fish_text(b, v->summary);
    for (const struct sg_option *o = v->options; o->name; o++)
        if (is_shown(o)) fish_option(b, when, o);
    sg_buf_printf(b, "%s -l help", when);
    fish_text(b, "say what it does");
    if (after_verb(v) != FOLLOW_NOTHING) {
        add_words(&words, v);
        sg_buf_ch(&words, 0);
        sg_buf_str(b, sg_str(when));
        fish_follow(b, after_verb(v), words.p);
        sg_buf_ch(b, '\n');
    }
    sg_buf_fini(&words);
}

static void fish(struct sg_buf *b) {
    SG_BUF_LIT(b, "# fish completion for sygra, made by `sygra completion fish`. Put it where fish looks:\n"
                  "#   sygra completion fish >~/.config/fish/completions/sygra.fish\ncomplete -c sygra -f\n");
    for (size_t i = 0; i < sg_n_verbs; i++) fish_verb(b, sg_verbs[i]);
}

bool sg_completion(struct sg_buf *b, const char *shell) {
    if (strcmp(shell, "bash") == 0) bash(b);
    else if (strcmp(shell, "zsh") == 0) zsh(b);
    else if (strcmp(shell, "fish") == 0) fish(b);
    else return false;
    return true;
}
