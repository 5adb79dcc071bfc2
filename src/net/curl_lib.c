/* SPDX-License-Identifier: Apache-2.0 */
#include "net/curl_lib.h"

#include <dlfcn.h>
#include <pthread.h>

#define LIBRARY "libcurl.so.4" /* of the flavour with OpenSSL; the others have names of their own */
#define LEAST 0x075700         /* 7.87: a look-up that is given up is not waited for */

static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
static struct sg_curl table;
static bool opened;

/* NULL, or the name of a function that the library lacks. */
static const char *fill_table(void *handle) {
    void *symbol;
#define SG_X(result, name, parameters)                                                                               \
    if (!(symbol = dlsym(handle, "curl_" #name))) return "curl_" #name;                                              \
    memcpy(&table.name, &symbol, sizeof symbol);
    SG_CURL_TABLE(SG_X)
#undef SG_X
    return NULL;
}

static int use(void *handle, struct sg_err *err) {
    const char *lacks = fill_table(handle);
    if (lacks) return sg_fail(err, SG_E_UNSUPPORTED, LIBRARY " is too old: it has no function %s", lacks);
    const curl_version_info_data *v = table.version_info(CURLVERSION_NOW);
    const char *tls = v->ssl_version ? v->ssl_version : "none";
    if (v->version_num < LEAST)
        return sg_fail(err, SG_E_UNSUPPORTED, LIBRARY " is version %s; 7.87 or later is needed", v->version);
    if (strncmp(tls, "OpenSSL/", 8) != 0)
        return sg_fail(err, SG_E_UNSUPPORTED, LIBRARY " was built with %s for TLS; the one with OpenSSL is needed", tls);
    if (!(v->features & CURL_VERSION_ASYNCHDNS))
        return sg_fail(err, SG_E_UNSUPPORTED, LIBRARY " was built without a resolver that does not block");
    if (table.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return sg_fail(err, SG_E_UNSUPPORTED, LIBRARY " does not start");
    return 0;
}

static int open_first(struct sg_err *err) {
    void *handle = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return sg_fail(err, SG_E_MISSING, "proxies and redirects need libcurl: install the package libcurl4 (%s)", dlerror());
    int rc = use(handle, err);
    opened = rc == 0;
    if (rc) dlclose(handle);
    return rc;
}

int sg_curl_lib_open(const struct sg_curl **out, struct sg_err *err) {
    pthread_mutex_lock(&opening);
    int rc = opened ? 0 : open_first(err);
    pthread_mutex_unlock(&opening);
    if (rc == 0) *out = &table;
    return rc;
}
