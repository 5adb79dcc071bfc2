/* SPDX-License-Identifier: Apache-2.0 */
#include "data/duckdb_lib.h"

#include <dlfcn.h>
#include <pthread.h>

#define VERSION "1.5.6"
#define LIBRARY "libduckdb.so"

static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
static struct sg_duckdb table;
static bool opened;

void sg_duckdb_places(struct sg_arena *a, const char *exe_dir, struct sg_places *out) {
    static const struct sg_fetched what = {"duckdb", "lib/sygra", "duckdb-" VERSION, true};
    sg_places(a, exe_dir, &what, out);
}

/* NULL, or the name of a function that the library lacks. */
static const char *fill_table(void *handle) {
    void *symbol;
#define SG_X(result, name, parameters)                                                                               \
    if (!(symbol = dlsym(handle, "duckdb_" #name))) return "duckdb_" #name;                                          \
    memcpy(&table.name, &symbol, sizeof symbol);
    SG_DUCKDB_TABLE(SG_X)
#undef SG_X
    return NULL;
}

/* Appends to `why` when the library is there and cannot be used. RTLD_LOCAL keeps its C++ symbols to itself. */
static bool open_in(struct sg_arena *a, const char *folder, struct sg_buf *why) {
    const char *path = sg_str_printf(a, "%s/" LIBRARY, folder).p, *lacks;
    if (!sg_os_exists(path)) return false;
    const char *gap = why->n ? "; " : "";
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        sg_buf_printf(why, "%s%s", gap, dlerror());
        return false;
    }
    if ((lacks = fill_table(handle))) sg_buf_printf(why, "%s%s has no function %s", gap, path, lacks);
    else if (strcmp(table.library_version(), "v" VERSION) == 0) return true;
    else sg_buf_printf(why, "%s%s is version %s, not v" VERSION, gap, path, table.library_version());
    dlclose(handle);
    return false;
}

static int nothing_found(const struct sg_places *at, struct sg_str why, struct sg_err *err) {
    static const char advice[] = "run `make` in a checkout of sygra, or put " LIBRARY " of DuckDB " VERSION
                                 " into the folder duckdb of SYGRA_HOME";
    if (why.n) return sg_fail(err, SG_E_UNSUPPORTED, "DuckDB cannot be used: %.*s; %s", SG_ARG(why), advice);
    struct sg_buf tried = SG_BUF_INIT(SG_ERR_TEXT);
    for (size_t i = 0; i < at->n; i++) sg_buf_printf(&tried, "%s%s", i ? ", " : "", at->at[i]);
    int rc = sg_fail(err, SG_E_MISSING, "Parquet files are read by DuckDB, which is not there: %s; tried %.*s",
                     advice, SG_ARG(sg_buf_view(&tried)));
    sg_buf_fini(&tried);
    return rc;
}

static int open_first(const struct sg_places *at, struct sg_err *err) {
    struct sg_arena scratch;
    struct sg_buf why = SG_BUF_INIT(4096);
    sg_arena_init(&scratch, 0);
    for (size_t i = 0; i < at->n && !opened; i++) opened = open_in(&scratch, at->at[i], &why);
    int rc = opened ? 0 : nothing_found(at, sg_buf_view(&why), err);
    sg_buf_fini(&why);
    sg_arena_fini(&scratch);
    return rc;
}

int sg_duckdb_open(const struct sg_places *at, const struct sg_duckdb **out, struct sg_err *err) {
    pthread_mutex_lock(&opening);
    int rc = opened ? 0 : open_first(at, err);
    pthread_mutex_unlock(&opening);
    if (rc == 0) *out = &table;
    return rc;
}

static int configure(const struct sg_duckdb *lib, duckdb_ref *out) {
    static const char *const settings[][2] = {
        {"threads", "1"},
        {"memory_limit", "256MB"},
        {"temp_directory", ""}, /* nothing is spilled into the working directory */
        {"autoinstall_known_extensions", "false"},
        {"autoload_known_extensions", "false"},
        {"preserve_insertion_order", "true"},
    };
    int rc = lib->create_config(out);
    for (size_t i = 0; rc == 0 && i < sizeof settings / sizeof *settings; i++)
        rc = lib->set_config(*out, settings[i][0], settings[i][1]);
    return rc;
}

int sg_duckdb_start(const struct sg_duckdb *lib, duckdb_ref *database, duckdb_ref *connection, char **why) {
    duckdb_ref config = NULL;
    int rc = configure(lib, &config);
    if (rc == 0) rc = lib->open_ext(NULL, database, config, why);
    if (rc == 0) rc = lib->connect(*database, connection);
    lib->destroy_config(&config);
    return rc;
}

/* A quote is doubled, and what would be a pattern is put in brackets; s3:, https: and the like are folders here. */
void sg_duckdb_put_path(struct sg_buf *b, const char *path, bool pattern) {
    sg_buf_ch(b, '\'');
    if (*path != '/') SG_BUF_LIT(b, "./");
    for (; *path; path++) {
        if (pattern && strchr("*?[", *path)) sg_buf_printf(b, "[%c]", *path);
        else sg_buf_add(b, "''", *path == '\'' ? 2 : 0), sg_buf_add(b, path, *path != '\'');
    }
    sg_buf_ch(b, '\'');
}
