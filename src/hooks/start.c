/* SPDX-License-Identifier: Apache-2.0 */
/* start: the user's interpreter, the package beside this program, and what a host may know.
 *
 * Interpreter: --python, else bin/python of the active virtual environment, else python3 on PATH, else /usr/bin/python3.
 * Package: the folder that holds sygra/host. It goes in front of PYTHONPATH; what the task itself imports comes with the
 * hello (`paths`), which the host puts before that.
 * Environment: the user's, without names that look like secrets and without SYGRA_*, which hold the models' tokens;
 * --host_env lets single names through. */
#include "hooks/start.h"

#include "base/place.h"

#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

static const char *variable(const char *name) {
    const char *v = getenv(name);
    return v && *v ? v : NULL;
}

/* ---- interpreter ---- */

static bool is_program(const char *path) {
    struct sg_file_info info;
    return sg_os->stat(path, &info) == 0 && !info.is_dir && (!sg_os->real || access(path, X_OK) == 0);
}

/* As a shell finds it; NULL: nowhere. */
static const char *on_path(struct sg_arena *a, const char *name) {
    struct sg_str path = sg_str(variable("PATH"));
    if (strchr(name, '/')) return is_program(name) ? name : NULL;
    for (size_t at = 0, end; at < path.n; at = end + 1) {
        end = sg_str_find(path, ':', at);
        const char *file = sg_str_printf(a, "%.*s/%s", (int)(end - at), path.p + at, name).p;
        if (end > at && is_program(file)) return file;
    }
    return NULL;
}

static int find_interpreter(struct sg_arena *a, const char *wished, const char **out, struct sg_err *err) {
    const char *venv = variable("VIRTUAL_ENV"), *own = venv ? sg_str_printf(a, "%s/bin/python", venv).p : NULL;
    *out = wished && *wished ? on_path(a, wished) : own && is_program(own) ? own : on_path(a, "python3");
    if (*out) return 0;
    if (wished && *wished) return sg_fail(err, SG_E_HOST, "no host: --python %s: there is no such program", wished);
    *out = "/usr/bin/python3";
    if (is_program(*out)) return 0;
    return sg_fail(err, SG_E_HOST, "no host: there is no python3 on PATH; install Python, or name one with --python");
}

/* ---- package ---- */

static int find_package(struct sg_arena *a, const char *exe, const char **out, struct sg_err *err) {
    const char *slash = strrchr(exe, '/');
    const char *dir = slash ? sg_str_dup(a, (struct sg_str){exe, (size_t)(slash - exe)}).p : NULL;
    struct sg_str folder = sg_package_folder(a, dir);
    *out = folder.p;
    if (folder.n) return 0;
    return sg_fail(err, SG_E_HOST,
                   "no host: the Python package `sygra` is not beside this program (%s); set SYGRA_HOME to a folder with "
                   "python/sygra in it",
                   exe);
}

/* ---- environment ---- */

static bool among(const char *names, struct sg_str name) {
    struct sg_str all = sg_str(names ? names : "");
    for (size_t at = 0, end; at < all.n; at = end + 1) {
        end = sg_str_find(all, ',', at);
        if (sg_str_eq(sg_str_trim((struct sg_str){all.p + at, end - at}), name)) return true;
    }
    return false;
}

static bool looks_secret(const char *name) {
    static const char *const PARTS[] = {"TOKEN",  "SECRET",     "PASSWORD",   "PASSWD",      "PASSPHRASE", "API_KEY",
                                        "APIKEY", "ACCESS_KEY", "CREDENTIAL", "PRIVATE_KEY"};
    static const char *const ENDS[] = {"_KEY", "_PASS", "_PWD", "_PAT", "_CREDS"};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS; i++)
        if (strcasestr(name, PARTS[i])) return true;
    for (size_t i = 0; i < sizeof ENDS / sizeof *ENDS; i++)
        if (n >= strlen(ENDS[i]) && strcasecmp(name + n - strlen(ENDS[i]), ENDS[i]) == 0) return true;
    return strncasecmp(name, "SYGRA_", 6) == 0;
}

static bool may_see(struct sg_arena *a, const char *entry, const char *let_through) {
    struct sg_str name = {entry, sg_str_find(sg_str(entry), '=', 0)};
    if (sg_str_eq(name, SG_STR("PYTHONPATH"))) return false; /* comes anew */
    return among(let_through, name) || !looks_secret(sg_str_dup(a, name).p);
}

static const char *const *make_environment(struct sg_arena *a, const char *package, const char *let_through) {
    const char *modules = variable("PYTHONPATH");
    static char *nothing[] = {NULL};
    char **all = environ ? environ : nothing; /* it is NULL once it has been cleared */
    size_t n = 0;
    while (all[n]) n++;
    const char **env = SG_NEW_N(a, const char *, n + 3);
    n = 0;
    env[n++] = sg_str_printf(a, "PYTHONPATH=%s%s%s", package, modules ? ":" : "", modules ? modules : "").p;
    if (!variable("PYTHONHASHSEED")) env[n++] = "PYTHONHASHSEED=0"; /* sets have one order in all hosts and runs */
    for (char **e = all; *e; e++)
        if (may_see(a, *e, let_through)) env[n++] = sg_str_dup(a, sg_str(*e)).p;
    return env;
}

/* ---- all of it ---- */

int sg_hooks_python(struct sg_arena *a, const struct sg_hooks_options *o, const char **python, const char **package,
                    struct sg_err *err) {
    int rc = find_interpreter(a, o->python, python, err);
    return rc == 0 ? find_package(a, o->exe, package, err) : rc;
}

int sg_start_python(struct sg_arena *a, const struct sg_hooks_options *o, struct sg_host_setup *out, struct sg_err *err) {
    const char *package = "python", *interpreter = "/usr/bin/python3";
    int rc = sg_os->real ? sg_hooks_python(a, o, &interpreter, &package, err) : 0;
    if (rc != 0) return rc;
    const char **argv = SG_NEW_N(a, const char *, 4);
    argv[0] = out->file = sg_str_dup(a, sg_str(interpreter)).p;
    argv[1] = sg_str_printf(a, "%s/sygra/host", package).p; /* not -m: it puts the working directory before all modules */
    out->argv = argv;
    out->env = make_environment(a, package, o->env_names);
    return 0;
}

void sg_start_jq(struct sg_arena *a, const struct sg_hooks_options *o, struct sg_host_setup *out) {
    static const char *const NOTHING[] = {NULL};
    const char **argv = SG_NEW_N(a, const char *, 4);
    argv[0] = out->file = sg_str_dup(a, sg_str(o->exe)).p;
    argv[1] = "--host";
    argv[2] = "jq";
    out->argv = argv;
    out->env = NOTHING;
}

static void put_key(struct sg_buf *b) {
    const char *data = variable("XDG_DATA_HOME"), *home = variable("HOME");
    struct sg_buf path = SG_BUF_INIT(0);
    if (!data && !home) return;
    sg_buf_printf(&path, "%s%s/sygra/host.key", data ? data : home, data ? "" : "/.local/share");
    SG_BUF_LIT(b, ",\"key\":");
    sg_json_write_text(b, sg_buf_view(&path));
    sg_buf_fini(&path);
}

struct sg_str sg_start_hello(struct sg_arena *a, const struct sg_hooks_options *o, uint64_t result_bytes) {
    struct sg_buf b = SG_BUF_INIT(0);
    sg_buf_printf(&b, "{\"sygra_hooks\":%d,\"result_bytes\":%llu,\"seed\":%llu", SG_HOOK_PROTOCOL,
                  (unsigned long long)result_bytes, (unsigned long long)o->seed);
    if (o->now > 0) sg_buf_printf(&b, ",\"now\":%.6f", o->now);
    SG_BUF_LIT(&b, ",\"paths\":[");
    for (size_t i = 0; i < o->n_paths; i++) {
        if (i) sg_buf_ch(&b, ',');
        sg_json_write_text(&b, o->paths[i]);
    }
    sg_buf_ch(&b, ']');
    put_key(&b);
    if (o->trust) SG_BUF_LIT(&b, ",\"trust\":true");
    sg_buf_ch(&b, '}');
    struct sg_str hello = sg_str_dup(a, sg_buf_view(&b));
    sg_buf_fini(&b);
    return hello;
}
