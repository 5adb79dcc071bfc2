/* SPDX-License-Identifier: Apache-2.0 */
/* Places: base/place.h; CACHED_LIB and CACHED_MODEL must agree with scripts/fetch.
 *
 * Opening. ggml's CPU variants (libggml-cpu-*.so) are libraries of their own, and ggml loads the best one for this
 * machine from the folder that it is told. The library passes structs by value, so one of another version would read
 * our parameters wrongly: its version is compared first. RTLD_LOCAL keeps its C++ symbols to itself; functions of
 * libggml are found through libllama's handle because dlsym also looks into what a library depends on. */
#include "local/llama_lib.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

#define LLAMA_VERSION "0.5.0"
#define CACHED_LIB "llama.cpp-v" LLAMA_VERSION
#define CACHED_MODEL "smollm2-135m-instruct-q4_1"
#define LIBRARY "libllama.so"
#define DEMO_MODEL "SmolLM2-135M-Instruct.Q4_1.gguf"

static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
static struct sg_llama table;
static bool opened;
static _Thread_local char reason[256];

/* --- places ----------------------------------------------------------------------------------------------------- */

void sg_llama_places(struct sg_arena *a, const char *exe_dir, struct sg_llama_places *out) {
    static const struct sg_fetched library = {"lib", "lib/sygra", CACHED_LIB, true};
    static const struct sg_fetched model = {"models", "share/sygra/models", CACHED_MODEL, false};
    sg_places(a, exe_dir, &library, &out->lib);
    sg_places(a, exe_dir, &model, &out->models);
}

/* `why` holds a reason for each library that is there and could not be used. */
static int nothing_found(const char *file, const char *advice, const struct sg_places *at, struct sg_buf *why,
                         struct sg_err *err) {
    struct sg_buf tried = SG_BUF_INIT(SG_ERR_TEXT);
    for (size_t i = 0; i < at->n; i++) sg_buf_printf(&tried, "%s%s", i ? ", " : "", at->at[i]);
    int rc;
    if (why && why->n) rc = sg_fail(err, SG_E_MODEL, "%s cannot be used: %.*s", file, SG_ARG(sg_buf_view(why)));
    else if (!at->n) rc = sg_fail(err, SG_E_MODEL, "%s is not there: %s (SYGRA_HOME is not set)", file, advice);
    else rc = sg_fail(err, SG_E_MODEL, "%s is not there: %s; tried %.*s", file, advice, SG_ARG(sg_buf_view(&tried)));
    sg_buf_fini(&tried);
    return rc;
}

int sg_llama_demo_model(struct sg_arena *a, const struct sg_llama_places *at, const char **out, struct sg_err *err) {
    for (size_t i = 0; i < at->models.n; i++) {
        const char *path = sg_str_printf(a, "%s/" DEMO_MODEL, at->models.at[i]).p;
        if (sg_os_exists(path)) {
            *out = path;
            return 0;
        }
    }
    return nothing_found("the demo model " DEMO_MODEL, "run `make` in a checkout of sygra, or set model_path",
                         &at->models, NULL, err);
}

/* --- libllama's log --------------------------------------------------------------------------------------------- */

/* The first error line is the one that names the cause; those behind it say that this or that failed in turn. */
static void on_log(enum ggml_log_level level, const char *text, void *ud) {
    (void)ud;
    if (level != GGML_LOG_LEVEL_ERROR || *reason) return;
    struct sg_str line = sg_str_trim(sg_str(text));
    size_t n = line.n < sizeof reason ? line.n : sizeof reason - 1;
    memcpy(reason, line.p, n);
    reason[n] = '\0';
}

const char *sg_llama_reason(void) {
    return reason;
}

void sg_llama_forget(void) {
    reason[0] = '\0';
}

/* --- opening ---------------------------------------------------------------------------------------------------- */

/* NULL, or the name of a symbol that the library lacks. */
static const char *fill_table(void *handle) {
    void *symbol;
#define SG_X(name)                                                                                                   \
    if (!(symbol = dlsym(handle, #name))) return #name;                                                              \
    memcpy(&table.name, &symbol, sizeof symbol);
    SG_LLAMA_TABLE(SG_X)
#undef SG_X
    return NULL;
}

/* Appends to `why` when the library is there and cannot be used. */
static bool open_in(struct sg_arena *a, const char *folder, struct sg_buf *why) {
    const char *path = sg_str_printf(a, "%s/" LIBRARY, folder).p, *lacks;
    if (!sg_os_exists(path)) return false;
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        sg_buf_printf(why, "%s%s", why->n ? "; " : "", dlerror());
        return false;
    }
    if ((lacks = fill_table(handle))) {
        sg_buf_printf(why, "%s%s has no function %s", why->n ? "; " : "", path, lacks);
    } else if (strncmp(table.llama_version(), LLAMA_VERSION, strlen(LLAMA_VERSION)) != 0) {
        sg_buf_printf(why, "%s%s is version %s, not " LLAMA_VERSION, why->n ? "; " : "", path, table.llama_version());
    } else {
        table.llama_log_set(on_log, NULL);
        table.ggml_backend_load_all_from_path(folder);
        if (table.ggml_backend_dev_count() > 0) {
            table.llama_backend_init();
            return true;
        }
        sg_buf_printf(why, "%s%s has no libggml-cpu beside it for this machine", why->n ? "; " : "", path);
    }
    dlclose(handle);
    return false;
}

static int open_first(const struct sg_llama_places *at, struct sg_err *err) {
    struct sg_arena scratch;
    struct sg_buf why = SG_BUF_INIT(4096);
    sg_arena_init(&scratch, 0);
    for (size_t i = 0; i < at->lib.n && !opened; i++) opened = open_in(&scratch, at->lib.at[i], &why);
    int rc = 0;
    if (!opened) {
        rc = nothing_found("llama.cpp (" LIBRARY ")", "run `make` in a checkout of sygra, or set SYGRA_HOME",
                           &at->lib, &why, err);
    }
    sg_buf_fini(&why);
    sg_arena_fini(&scratch);
    return rc;
}

int sg_llama_open(const struct sg_llama_places *at, const struct sg_llama **out, struct sg_err *err) {
    pthread_mutex_lock(&opening);
    int rc = opened ? 0 : open_first(at, err);
    pthread_mutex_unlock(&opening);
    if (!rc) *out = &table;
    return rc;
}
