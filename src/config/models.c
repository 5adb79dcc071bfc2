/* SPDX-License-Identifier: Apache-2.0 */
/* Files are read when the first node names a model. Their order is their rank: --models, SYGRA_CUSTOM_MODELS_PATH,
 * the task's folder, the working directory, a checkout of the reference, the built-in entries. An entry is taken
 * whole from the first file that has it.
 *
 * A token is bound to the address configured beside it: when the token is the environment's and the address is the
 * task's own, `bind_tokens` warns, and keeps the token back where the environment names another address. */
#include "config/models.h"

#include "config/blot.h"
#include "config/hook.h"
#include "config/locate.h"
#include "config/prices.h"
#include "config/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#define MAX_FILES 6
#define TIMEOUT_S 120
#define MAX_TIMEOUT_S (7 * 24 * 3600)
#define ATTEMPTS 8

struct model_file {
    struct sg_str path;
    const struct sg_yaml *entries;
    bool own; /* in the task's folder */
};

struct sg_models {
    struct model_file files[MAX_FILES];
    size_t n;
    struct sg_str searched; /* for messages */
    bool broken;            /* a file could not be read: what is unknown may stand in it */
    uint64_t inodes[MAX_FILES][2];
};

/* --- files ------------------------------------------------------------------------------------------------------ */

static void add_entries(struct sg_cfg *c, struct sg_str path, struct sg_str text, bool own) {
    struct sg_models *m = c->models;
    const struct sg_yaml *root = NULL;
    bool bad = sg_yaml_parse(c->a, c->d, path, text, &root) || (root && root->kind != SG_YAML_MAP);
    m->broken |= bad;
    if (bad && root)
        sg_error_at(c->d, root->mark, SG_STR_NONE, "write `name: {model_type: vllm, ...}`",
                    "a models file is a map of names to entries, not %s", sg_cfg_show(c, root));
    if (!bad && root) m->files[m->n++] = (struct model_file){path, root, own};
}

/* The same file may be in two of the places: the task's folder may be the working directory. */
static bool is_new(struct sg_models *m, const struct sg_file_info *info) {
    for (size_t i = 0; i < m->n; i++)
        if (m->inodes[i][0] == info->device && m->inodes[i][1] == info->inode) return false;
    m->inodes[m->n][0] = info->device;
    m->inodes[m->n][1] = info->inode;
    return true;
}

static void add_file(struct sg_cfg *c, struct sg_str path, bool wanted, bool own) {
    struct sg_models *m = c->models;
    struct sg_file_info info;
    struct sg_err err = {0};
    struct sg_str text;
    path = sg_str_dup(c->a, path);
    m->searched = sg_str_printf(c->a, "%.*s%s%.*s", SG_ARG(m->searched), m->searched.n ? ", " : "", SG_ARG(path));
    int rc = sg_os->stat(path.p, &info);
    if (rc == -ENOENT && !wanted) return;
    if (rc == 0 && !is_new(m, &info)) return;
    m->broken |= sg_os_read_file(c->a, path.p, SG_YAML_MAX_BYTES, &text, &err) != 0;
    if (err.code)
        sg_error_at(c->d, (struct sg_mark){0}, SG_STR_NONE, "name a models file that can be read", "%s", err.text);
    else add_entries(c, path, text, own);
}

static void load(struct sg_cfg *c) {
    c->models = SG_NEW(c->a, struct sg_models);
    if (c->o->prices_file.n) sg_prices_load(c->a, c->d, c->o->prices_file, &c->prices);
    if (c->o->models_file.n) add_file(c, c->o->models_file, true, false);
    const struct sg_env_var *custom = sg_env_find(&c->env, SG_STR("SYGRA_CUSTOM_MODELS_PATH"));
    if (custom && custom->value.n) add_file(c, custom->value, true, false);
    add_file(c, sg_str_printf(c->a, "%.*s/models.yaml", SG_ARG(c->folder)), false, true);
    add_file(c, SG_STR("models.yaml"), false, false);
    add_file(c, SG_STR("sygra/config/models.yaml"), false, false);
    add_entries(c, SG_STR("(built-in models)"), sg_str(sg_models_builtin), false);
}

/* --- one model under way ---------------------------------------------------------------------------------------- */

/* Where a value of the merged model came from. */
enum from { FROM_NOWHERE, FROM_FILE, FROM_OWN_FILE, FROM_ENV, FROM_NODE };

struct model {
    struct sg_cfg *c;
    struct sg_str alias;
    struct sg_str variable; /* SYGRA_<NAME>_ */
    struct sg_mark mark;    /* of the name in the node */
    struct sg_str path;     /* graph_config.nodes.q.model */
    const struct model_file *file;
    const struct sg_yaml *entry, *env, *node; /* NULL: none */
    const struct sg_yaml *merged;
    struct sg_model_spec *spec;
};

static struct sg_str key_path(const struct model *m, const char *key) {
    return sg_cfg_key(m->c, m->path, sg_str(key));
}

/* The place of a key, or of the model's name when it is written in no file. */
static struct sg_mark mark_of(const struct model *m, const char *key) {
    const struct sg_yaml *value = sg_yaml_get(m->merged, key);
    return value && value->mark.line ? value->mark : m->mark;
}

static enum from origin_of(const struct model *m, const char *key) {
    if (sg_yaml_get(m->node, key)) return FROM_NODE;
    if (sg_yaml_get(m->env, key)) return FROM_ENV;
    if (!sg_yaml_get(m->entry, key)) return FROM_NOWHERE;
    SG_ASSERT(m->file); /* an entry is of one */
    return m->file->own ? FROM_OWN_FILE : FROM_FILE;
}

static const char *variable(const struct model *m, const char *suffix) {
    return sg_str_printf(m->c->a, "%.*s%s", SG_ARG(m->variable), suffix).p;
}

/* "gpt 4o" asks for SYGRA_GPT_4O_; hyphens and dots stay. */
static struct sg_str variable_prefix(struct sg_arena *a, struct sg_str alias) {
    struct sg_buf b = SG_BUF_INIT(alias.n + 16);
    SG_BUF_LIT(&b, "SYGRA_");
    for (size_t i = 0; i < alias.n; i++) {
        char ch = alias.p[i];
        bool space = strchr(" \t\n\r\v\f", ch) && ch;
        if (space && i > 0 && strchr(" \t\n\r\v\f", alias.p[i - 1])) continue;
        sg_buf_ch(&b, (char)(space ? '_' : ch >= 'a' && ch <= 'z' ? ch - 32 : ch));
    }
    sg_buf_ch(&b, '_');
    struct sg_str out = sg_str_dup(a, sg_buf_view(&b));
    sg_buf_fini(&b);
    return out;
}

/* --- the environment's keys ------------------------------------------------------------------------------------- */

/* A value with bars is a list; empty items are dropped. */
static const struct sg_yaml *env_value(struct sg_arena *a, struct sg_str value, unsigned kinds) {
    struct sg_yaml *text = sg_tree_text(a, value);
    if (sg_str_find(value, '|', 0) == value.n) {
        if (!(kinds & SG_KEY_TEXT)) /* a number or a boolean */
            sg_yaml_resolve(a, value, text);
        return text;
    }
    struct sg_yaml *list = sg_tree_text(a, value);
    size_t cap = 0;
    list->kind = SG_YAML_LIST;
    list->items = NULL;
    for (size_t at = 0, end; at < value.n; at = end + 1) {
        end = sg_str_find(value, '|', at);
        if (end > at)
            *SG_PUSH(a, list->items, list->n, cap) = sg_tree_text(a, (struct sg_str){value.p + at, end - at});
    }
    return list;
}

/* SYGRA_<NAME>_<KEY>; for tokens also SYGRA_<NAME>_TOKEN, which is the usual one. */
static const struct sg_env_var *env_variable(const struct model *m, const char *key) {
    const struct sg_env_var *short_name = NULL;
    if (strcmp(key, "auth_token") == 0) short_name = sg_env_find(&m->c->env, sg_str(variable(m, "TOKEN")));
    struct sg_str name = sg_str(variable(m, key));
    for (size_t i = m->variable.n; i < name.n; i++)
        if (name.p[i] >= 'a' && name.p[i] <= 'z') ((char *)name.p)[i] -= 32;
    return short_name ? short_name : sg_env_find(&m->c->env, name);
}

/* Variables that are no key of a model are left alone: another model's name may begin with this one's. */
static const struct sg_yaml *env_keys(const struct model *m) {
    struct sg_yaml *map = sg_tree_map(m->c->a, sg_key_n_rows);
    for (size_t i = 0; i < sg_key_n_rows; i++) {
        const struct sg_key_row *row = &sg_key_rows[i];
        const struct sg_env_var *v = strcmp(row->section, SG_SECTION_MODEL) == 0 ? env_variable(m, row->key) : NULL;
        if (!v || v->value.n == 0) continue;
        sg_tree_add(m->c->a, map, sg_str(row->key), env_value(m->c->a, v->value, row->kinds));
        bool secret = sg_config_is_secret_name(sg_str(row->key));
        sg_cfg_origin(m->c, "model %.*s: %s from %s (%.*s)%s%.*s", SG_ARG(m->alias), row->key, sg_env_place(v),
                      SG_ARG(v->name), secret ? "" : " = ", SG_ARG(secret ? SG_STR_NONE : v->value));
    }
    return map->n ? map : NULL;
}

/* --- looking up ------------------------------------------------------------------------------------------------- */

static const char *nearest_alias(const struct model *m) {
    struct sg_cfg *c = m->c;
    struct sg_str *names = NULL;
    size_t n = 0, cap = 0;
    for (size_t i = 0; i < c->models->n; i++)
        for (size_t k = 0; k < c->models->files[i].entries->n; k++)
            *SG_PUSH(c->a, names, n, cap) = c->models->files[i].entries->pairs[k].key;
    struct sg_str all =
        sg_str_printf(c->a, "give it an entry in a models.yaml; looked in %.*s and the built-in models",
                      SG_ARG(c->models->searched));
    return sg_cfg_nearest(c, m->alias, names, n, all.p);
}

static bool find_entry(struct model *m) {
    for (size_t i = 0; i < m->c->models->n && !m->file; i++) {
        const struct sg_yaml_pair *p = sg_yaml_find(m->c->models->files[i].entries, m->alias);
        if (!p) continue;
        m->file = &m->c->models->files[i];
        m->entry = p->value;
        if (p->value->kind != SG_YAML_MAP) {
            sg_error_at(m->c->d, p->value->mark, m->alias, NULL, "an entry of a models file is a map, not %s",
                        sg_cfg_show(m->c, p->value));
            return false;
        }
        sg_cfg_origin(m->c, "model %.*s: entry from %.*s", SG_ARG(m->alias), SG_ARG(m->file->path));
    }
    if (m->file || sg_cfg_get(m->node, "model_type", SG_YAML_TEXT)) return true;
    if (!m->c->models->broken)
        sg_error_at(m->c->d, m->mark, key_path(m, "name"), nearest_alias(m), "unknown model `%.*s`",
                    SG_ARG(m->alias));
    return false;
}

static void merge(struct model *m) {
    m->merged = sg_tree_map(m->c->a, 0);
    const struct sg_yaml *const layers[] = {m->entry, m->env, m->node};
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++)
        if (layers[i]) /* keys, and one level below them */
            m->merged = sg_tree_merge(m->c->a, m->merged, layers[i], 2);
}

/* --- types ------------------------------------------------------------------------------------------------------ */

static const struct {
    const char *name;
    int type; /* sg_model_type, or -1 */
    int issue;
} types[] = {
    {"vllm", SG_MODEL_VLLM, 0},
    {"openai", SG_MODEL_OPENAI, 0},
    {"llama", SG_MODEL_LLAMA, 0},
    {"azure_openai", SG_MODEL_AZURE_OPENAI, 0},
    {"azure", -1, 6},
    {"tgi", -1, 6},
    {"ollama", -1, 6},
    {"mistralai", -1, 6},
    {"triton", -1, SG_KEY_LATER},
    {"bedrock", -1, SG_KEY_LATER},
    {"vertex_ai", -1, SG_KEY_LATER},
    {"claude_proxy", -1, SG_KEY_LATER},
    {"gemini_proxy", -1, SG_KEY_LATER},
};
#define N_TYPES (sizeof types / sizeof *types)

/* The mark of a not-yet answer is the node's: the entry may be in a file that the user has never seen. */
static bool set_type(struct model *m) {
    const char *words[N_TYPES];
    size_t found = N_TYPES;
    for (size_t i = 0; i < N_TYPES; i++) words[i] = types[i].name;
    if (!sg_cfg_require(m->c, m->merged, m->mark, m->path, "model_type", "it can be vllm, openai, azure_openai or llama") ||
        !sg_cfg_word(m->c, m->merged, m->path, "model_type", words, N_TYPES, &found) || found == N_TYPES)
        return false;
    if (types[found].type >= 0) {
        m->spec->type = (enum sg_model_type)types[found].type;
        return true;
    }
    struct sg_str what =
        sg_str_printf(m->c->a, "model type %s (of model `%.*s`)", types[found].name, SG_ARG(m->alias));
    sg_cfg_not_yet(m->c, m->mark, key_path(m, "name"), types[found].issue, what.p);
    return false;
}

/* --- numbers ---------------------------------------------------------------------------------------------------- */

static bool number(const struct model *m, const char *key, double *out) {
    const struct sg_yaml *v = sg_yaml_get(m->merged, key);
    if (!v || (v->kind != SG_YAML_INT && v->kind != SG_YAML_FLOAT)) return false;
    *out = strtod(sg_str_dup(m->c->a, v->text).p, NULL);
    return true;
}

static uint32_t whole(const struct model *m, const char *key, uint32_t least, uint32_t most, uint32_t fallback) {
    double v;
    if (!sg_cfg_get(m->merged, key, SG_YAML_INT) || !number(m, key, &v)) return fallback;
    if (v >= least && v <= most) return (uint32_t)v;
    sg_error_at(m->c->d, mark_of(m, key), key_path(m, key), NULL, "`%s` must be a whole number from %u to %u, not %s",
                key, least, most, sg_cfg_show(m->c, sg_yaml_get(m->merged, key)));
    return fallback;
}

static void set_numbers(struct model *m) {
    double timeout = TIMEOUT_S;
    if (number(m, "timeout", &timeout) && !(timeout >= 0.001 && timeout <= MAX_TIMEOUT_S)) {
        sg_error_at(m->c->d, mark_of(m, "timeout"), key_path(m, "timeout"), NULL,
                    "`timeout` must be a number of seconds, more than 0 and at most a week, not %s",
                    sg_cfg_show(m->c, sg_yaml_get(m->merged, "timeout")));
        timeout = TIMEOUT_S;
    }
    m->spec->timeout_ms = (uint32_t)(timeout * 1000 + 0.5);
    m->spec->retry_attempts = whole(m, "retry_attempts", 1, 1000, ATTEMPTS);
}

/* --- addresses -------------------------------------------------------------------------------------------------- */

/* Azure's portal shows addresses with their version behind them. */
#define VERSION_QUERY "?api-version="

static struct sg_str without_version(struct sg_str url) {
    size_t at = sg_str_find(url, '?', 0);
    bool version = sg_str_starts((struct sg_str){url.p + at, url.n - at}, SG_STR(VERSION_QUERY));
    return version ? (struct sg_str){url.p, at} : url;
}

static bool has_control(struct sg_str s) {
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7F) return true;
    return false;
}

/* host, host:port or [address]:port, and nothing in front of an @. */
static const char *bad_authority(struct sg_str s) {
    size_t end = s.n > 0 && s.p[0] == '[' ? sg_str_find(s, ']', 0) + 1 : sg_str_find(s, ':', 0);
    if (sg_str_find(s, '@', 0) < s.n) return "it must not hold a name or password; put a token into auth_token";
    if (end == 0 || end > s.n || (s.p[0] == '[' && end < 4)) return "it has no host";
    if (end == s.n) return NULL;
    uint32_t port = 0;
    for (size_t i = end + 1; i < s.n; i++)
        port = s.p[i] >= '0' && s.p[i] <= '9' && port <= 65535 ? port * 10 + (uint32_t)(s.p[i] - '0') : 65536;
    return s.p[end] == ':' && port >= 1 && port <= 65535 ? NULL : "its port is no number from 1 to 65535";
}

static bool is_https(struct sg_str url) {
    return sg_str_starts(url, SG_STR("https://"));
}

static struct sg_str authority_of(struct sg_str url) {
    size_t scheme = is_https(url) ? sizeof "https://" - 1 : sizeof "http://" - 1;
    struct sg_str rest = {url.p + scheme, url.n - scheme};
    rest.n = sg_str_find(rest, '/', 0);
    return rest;
}

static const char *bad_url(struct sg_str url) {
    if (url.n == 0) return "it is empty";
    if (has_control(url) || sg_str_find(url, ' ', 0) < url.n) return "it holds blanks or control characters";
    if (!is_https(url) && !sg_str_starts(url, SG_STR("http://"))) return "it must begin with http:// or https://";
    if (sg_str_find(url, '?', 0) < url.n || sg_str_find(url, '#', 0) < url.n)
        return "it must be a base address, without ? or #";
    return bad_authority(authority_of(url));
}

/* Addresses with a password in them are not repeated. */
static struct sg_str shown_url(struct sg_str url) {
    return sg_str_find(url, '@', 0) < url.n ? SG_STR("...") : url;
}

static void check_url(struct model *m, struct sg_str url, struct sg_mark mark) {
    struct sg_cfg *c = m->c;
    struct sg_str path = key_path(m, "url");
    if (mark.line == 0) mark = m->mark;
    const char *why = bad_url(url);
    if (why)
        sg_error_at(c->d, mark, path, "an address looks like http://localhost:8000/v1",
                    "the url \"%.*s\" of model `%.*s` cannot be used: %s", SG_ARG(shown_url(url)), SG_ARG(m->alias),
                    why);
}

static bool is_version(struct sg_str s) {
    bool plain = s.n > 0;
    for (size_t i = 0; i < s.n; i++)
        plain &= (s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'z') || s.p[i] == '-';
    return plain;
}

static void refuse_version(struct model *m, struct sg_str version) {
    struct sg_str what = sg_str_printf(m->c->a, "model `%.*s` has no api_version", SG_ARG(m->alias));
    if (version.n)
        what = sg_str_printf(m->c->a, "the api_version \"%.*s\" of model `%.*s` is not like 2024-10-21",
                             SG_ARG(version), SG_ARG(m->alias));
    struct sg_str help = sg_str_printf(m->c->a,
                                       "write api_version: 2024-10-21 into the model's entry, or %s=2024-10-21 into "
                                       ".env; an address that ends in /openai/v1 needs none",
                                       variable(m, "API_VERSION"));
    sg_error_at(m->c->d, mark_of(m, "api_version"), key_path(m, "api_version"), help.p, "%s", what.p);
}

/* One version for all addresses; an address may bring its own, and those of the API without versions need none. */
static void set_version(struct model *m, size_t i) {
    struct sg_model_spec *s = m->spec;
    struct sg_str url = s->urls[i], version = SG_STR_NONE;
    s->urls[i] = without_version(url);
    sg_cfg_text(m->merged, "api_version", &version);
    if (s->urls[i].n < url.n) {
        size_t at = s->urls[i].n + sizeof VERSION_QUERY - 1;
        version = (struct sg_str){url.p + at, url.n - at};
    }
    bool unversioned = memmem(url.p, url.n, "/openai/v1", 10) != NULL;
    s->api_versions[i] = unversioned ? SG_STR_NONE : version;
    if (!unversioned && !is_version(version) && (i == 0 || version.n)) /* what is missing is said once */
        refuse_version(m, version);
}

static void set_load_balancing(struct model *m) {
    static const char *const words[] = {[SG_LEAST_REQUESTS] = "least_requests", [SG_ROUND_ROBIN] = "round_robin"};
    size_t found = SG_LEAST_REQUESTS;
    sg_cfg_word(m->c, m->merged, m->path, "load_balancing", words, 2, &found);
    m->spec->load_balancing = (enum sg_load_balancing)found;
}

static void set_urls(struct model *m) {
    struct sg_model_spec *s = m->spec;
    const struct sg_yaml *value = sg_yaml_get(m->merged, "url");
    struct sg_name *names = sg_cfg_names(m->c, value, &s->n_urls);
    s->urls = SG_NEW_N(m->c->a, struct sg_str, s->n_urls);
    s->api_versions = SG_NEW_N(m->c->a, struct sg_str, s->n_urls);
    if (s->n_urls == 0 && (!value || sg_key_kind_fits(SG_KEY_TEXT | SG_KEY_TEXTS, value))) {
        const char *help =
            sg_str_printf(m->c->a, "write %s=http://host:port/v1 into .env, or url: in the model's entry",
                          variable(m, "URL"))
                .p;
        sg_error_at(m->c->d, m->mark, key_path(m, "url"), help, "model `%.*s` has no url", SG_ARG(m->alias));
    }
    for (size_t i = 0; i < s->n_urls; i++) {
        s->urls[i] = sg_str_trim(names[i].text);
        if (s->type == SG_MODEL_AZURE_OPENAI) set_version(m, i);
        check_url(m, s->urls[i], names[i].mark);
    }
    set_load_balancing(m);
}

/* --- tokens ----------------------------------------------------------------------------------------------------- */

/* A file's trailing line end is not part of the token, nor is the word that the header puts in front. */
static struct sg_str plain_token(struct sg_str t) {
    if (sg_str_starts(t, SG_STR("Bearer "))) t = (struct sg_str){t.p + 7, t.n - 7};
    if (t.n && t.p[t.n - 1] == '\n') t.n--;
    return t;
}

/* A parameter called like a secret (extra_body: {api_key: ...}) is one. */
static void hide_parameters(const struct sg_json *v) {
    for (uint32_t i = 0; v->type == SG_JSON_OBJECT && i < v->n; i++) {
        const struct sg_member *p = &v->members[i];
        if (p->value.type == SG_JSON_STRING && sg_config_is_secret_name(p->key)) sg_redact_add(p->key, sg_json_text(&p->value));
        hide_parameters(&p->value);
    }
}

static struct sg_str read_token(const struct model *m, struct sg_str token) {
    token = plain_token(token);
    sg_redact_add(sg_str(variable(m, "TOKEN")), token);
    if (has_control(token))
        sg_error_at(m->c->d, m->mark, key_path(m, "auth_token"), "set it again, on one line",
                    "the token of model `%.*s` holds control characters", SG_ARG(m->alias));
    return token;
}

static void set_tokens(struct model *m) {
    struct sg_model_spec *s = m->spec;
    size_t n;
    struct sg_name *given = sg_cfg_names(m->c, sg_yaml_get(m->merged, "auth_token"), &n);
    s->tokens = SG_NEW_N(m->c->a, struct sg_str, s->n_urls);
    for (size_t i = 0; i < n; i++) given[i].text = read_token(m, given[i].text);
    if (n > 1 && n != s->n_urls && s->n_urls > 0)
        sg_error_at(m->c->d, m->mark, key_path(m, "auth_token"), "give one token for all, or one for each url",
                    "model `%.*s` has %zu tokens for %zu urls", SG_ARG(m->alias), n, s->n_urls);
    for (size_t i = 0; i < s->n_urls; i++)
        s->tokens[i] = n == 1 ? given[0].text : i < n ? given[i].text : SG_STR_NONE;
}

/* A token for https does not go over plain http to the same host. */
static bool same_origin(struct sg_str a, struct sg_str b) {
    b = without_version(b);
    if (bad_url(a) || bad_url(b) || is_https(a) != is_https(b)) return false;
    struct sg_str x = authority_of(a), y = authority_of(b);
    return x.n == y.n && strncasecmp(x.p, y.p, x.n) == 0;
}

static bool among(struct sg_str url, const struct sg_name *urls, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (same_origin(url, urls[i].text)) return true;
    return false;
}

static void bind_tokens(struct model *m) {
    struct sg_model_spec *s = m->spec;
    struct sg_cfg *c = m->c;
    enum from url_from = origin_of(m, "url");
    bool own = url_from == FROM_NODE || url_from == FROM_OWN_FILE;
    if (!own || origin_of(m, "auth_token") != FROM_ENV) return;
    size_t n;
    const struct sg_name *trusted = sg_cfg_names(c, sg_yaml_get(m->env, "url"), &n);
    const char *token = variable(m, "TOKEN"), *url = variable(m, "URL");
    for (size_t i = 0; i < s->n_urls; i++) {
        if (among(s->urls[i], trusted, n) || s->tokens[i].n == 0) continue;
        if (n > 0) {
            s->tokens[i] = SG_STR_NONE;
            sg_warning_at(
                c->d, mark_of(m, "url"), key_path(m, "url"),
                sg_str_printf(c->a, "it belongs to the address in %s; take this url away to use that one", url).p,
                "the task sends model `%.*s` elsewhere, so %s is not sent along", SG_ARG(m->alias), token);
        } else {
            sg_warning_at(c->d, mark_of(m, "url"), key_path(m, "url"),
                          sg_str_printf(c->a, "set %s beside it to bind the token to one address", url).p,
                          "%s will be sent to an address that the task itself gives", token);
        }
    }
}

/* --- the rest --------------------------------------------------------------------------------------------------- */

static bool is_header_name(struct sg_str s) { /* RFC 9110 5.6.2: token */
    for (size_t i = 0; i < s.n; i++) {
        char ch = s.p[i];
        bool alnum = (ch >= '0' && ch <= '9') || (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z');
        if (!alnum && (ch == 0 || !strchr("!#$%&'*+-.^_`|~", ch))) return false;
    }
    return s.n > 0;
}

static void set_headers(struct model *m) {
    const struct sg_yaml *map = sg_cfg_get(m->merged, "extra_headers", SG_YAML_MAP);
    struct sg_member *members = SG_NEW_N(m->c->a, struct sg_member, map ? map->n : 0);
    struct sg_str path = key_path(m, "extra_headers");
    for (size_t i = 0; map && i < map->n; i++) {
        const struct sg_yaml_pair *p = &map->pairs[i];
        bool scalar = p->value->kind != SG_YAML_LIST && p->value->kind != SG_YAML_MAP;
        struct sg_str value = p->value->kind == SG_YAML_TEXT ? p->value->text : p->value->source;
        if (!is_header_name(p->key) || !scalar || has_control(value))
            sg_error_at(
                m->c->d, p->key_node->mark, sg_cfg_key(m->c, path, p->key), NULL,
                "the header `%.*s` needs a name of letters, digits and hyphens, and one line of text as its value",
                SG_ARG(p->key));
        if (sg_config_is_secret_name(p->key))
            sg_redact_add(sg_str_printf(m->c->a, "header %.*s", SG_ARG(p->key)), value);
        members[i] = (struct sg_member){p->key, sg_json_string(value)};
    }
    m->spec->extra_headers = sg_json_object(members, map ? map->n : 0);
}

static void check_parameters(struct model *m, const struct sg_yaml *map) {
    struct sg_str *names = SG_NEW_N(m->c->a, struct sg_str, sg_key_n_rows), path = key_path(m, "parameters");
    size_t n = 0;
    for (size_t i = 0; i < sg_key_n_rows; i++)
        if (strcmp(sg_key_rows[i].section, SG_SECTION_PARAMETERS) == 0) names[n++] = sg_str(sg_key_rows[i].key);
    for (size_t i = 0; i < map->n; i++) {
        struct sg_str key = map->pairs[i].key;
        const char *help = sg_cfg_nearest(m->c, key, names, n, NULL);
        if (help && !sg_key_find(SG_SECTION_PARAMETERS, key))
            sg_warning_at(m->c->d, map->pairs[i].key_node->mark, sg_cfg_key(m->c, path, key), help,
                          "unusual parameter `%.*s`; it is sent as it stands", SG_ARG(key));
    }
}

static void set_parameters(struct model *m) {
    const struct sg_yaml *map = sg_cfg_get(m->merged, "parameters", SG_YAML_MAP);
    m->spec->parameters = map ? sg_yaml_to_json(m->c->a, map) : sg_json_object(NULL, 0);
    hide_parameters(&m->spec->parameters);
    if (map) check_parameters(m, map);
    const struct sg_yaml *tokens = sg_cfg_get(m->merged, "special_tokens", SG_YAML_LIST);
    m->spec->special_tokens = tokens ? sg_yaml_to_json(m->c->a, tokens) : sg_json_array(NULL, 0);
}

/* The newer models refuse `max_tokens`; tasks that were written for older ones go on with them (spec-models 1.8). */
static void rename_max_tokens(struct sg_arena *a, struct sg_model_spec *s) {
    const struct sg_json *p = &s->parameters;
    if (!sg_str_starts(s->wire_name, SG_STR("gpt-5")) || sg_json_get(p, SG_STR("max_completion_tokens"))) return;
    struct sg_member *members = SG_NEW_N(a, struct sg_member, p->n);
    for (uint32_t i = 0; i < p->n; i++) {
        members[i] = p->members[i];
        if (sg_str_eq(members[i].key, SG_STR("max_tokens"))) members[i].key = SG_STR("max_completion_tokens");
    }
    s->parameters = sg_json_object(members, p->n);
}

static void set_wire_name(struct model *m) {
    m->spec->wire_name = m->alias;
    sg_cfg_text(m->merged, "model", &m->spec->wire_name);
    if (m->spec->type == SG_MODEL_VLLM) sg_cfg_text(m->merged, "model_serving_name", &m->spec->wire_name);
}

static void set_llama(struct model *m) {
    struct sg_model_spec *s = m->spec;
    s->threads = whole(m, "threads", 1, 1024, 0);
    s->sequences = whole(m, "sequences", 1, 1024, 0);
    s->context = whole(m, "context", 16, 1u << 24, 0);
    if (sg_cfg_text(m->merged, "model_path", &s->model_path) && s->model_path.n)
        s->model_path = sg_cfg_file(m->c, s->model_path, mark_of(m, "model_path"), key_path(m, "model_path"));
}

/* Where a key was taken from, in words. */
static struct sg_str place_of(const struct model *m, const char *key) {
    enum from from = origin_of(m, key);
    if (from == FROM_NODE) return SG_STR("the node's model");
    if (from == FROM_FILE || from == FROM_OWN_FILE) return m->file->path;
    const struct sg_env_var *v = from == FROM_ENV ? env_variable(m, key) : NULL;
    return v ? sg_str_printf(m->c->a, "%s (%.*s)", sg_env_place(v), SG_ARG(v->name)) : SG_STR_NONE;
}

static void set_places(struct model *m) {
    m->spec->entry_from = m->file ? m->file->path : SG_STR("the node's model");
    m->spec->url_from = place_of(m, "url");
    m->spec->token_from = place_of(m, "auth_token");
}

static void set_price(struct model *m) {
    struct sg_model_spec *s = m->spec;
    bool hosted = s->type == SG_MODEL_OPENAI || s->type == SG_MODEL_AZURE_OPENAI;
    struct sg_price entry = {0};
    sg_prices_of_entry(m->c, m->merged, m->path, place_of(m, "price"), &entry);
    s->price = sg_prices_find(m->c->prices, m->alias, s->wire_name, hosted, &entry);
}

/* The mistakes of an entry are those of its file; only what this type uses counts. */
static void fill(struct model *m) {
    sg_cfg_keys(m->c, m->merged, m->path, SG_SECTION_MODEL, NULL, false);
    sg_models_check_schema(m->c, m->merged, m->path);
    set_numbers(m);
    set_parameters(m);
    set_headers(m);
    set_wire_name(m);
    set_places(m);
    if (m->spec->type == SG_MODEL_AZURE_OPENAI) rename_max_tokens(m->c->a, m->spec);
    set_price(m);
    m->spec->post_process = sg_cfg_hook_at(m->c, m->merged, "post_process", m->path);
    if (m->c->o->offline) return;
    if (m->spec->type == SG_MODEL_LLAMA) {
        set_llama(m);
        return;
    }
    set_urls(m);
    set_tokens(m);
    bind_tokens(m);
    sg_models_set_route(m->c, m->merged, m->spec, m->path);
    sg_models_set_tls(m->c, m->merged, m->spec, m->path);
}

struct sg_model_spec *sg_models_resolve(struct sg_cfg *c, const struct sg_yaml *node_model, struct sg_mark mark,
                                        struct sg_str path) {
    struct model m = {.c = c, .path = path, .node = node_model};
    if (node_model->kind != SG_YAML_MAP ||
        !sg_cfg_require(c, node_model, mark, path, "name", "name an entry of models.yaml"))
        return NULL;
    const struct sg_yaml *name = sg_yaml_get(node_model, "name");
    if (name->kind != SG_YAML_TEXT) {
        sg_error_at(c->d, name->mark, sg_cfg_key(c, path, SG_STR("name")), "put it in quotes",
                    "`name` must be text, not %s", sg_cfg_show(c, name));
        return NULL;
    }
    if (!c->models) load(c);
    m.alias = name->text;
    m.mark = name->mark;
    m.variable = variable_prefix(c->a, m.alias);
    if (!find_entry(&m)) return NULL;
    m.env = env_keys(&m);
    merge(&m);
    m.spec = SG_NEW(c->a, struct sg_model_spec);
    m.spec->alias = m.alias;
    m.spec->mark = m.mark;
    if (!set_type(&m)) {
        if (!sg_cfg_get(m.merged, "model_type", SG_YAML_TEXT))
            sg_cfg_keys(c, m.merged, path, SG_SECTION_MODEL, NULL, false);
        return NULL;
    }
    fill(&m);
    return m.spec;
}
