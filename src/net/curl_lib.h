/* SPDX-License-Identifier: Apache-2.0 */
/* curl_lib: libcurl, opened at run time on the first use of a proxy or a redirect (private to src/net).
 *
 * Linking it would cost every start 20 ms and 8 MB for the thirty libraries that it needs in turn. The flavour with OpenSSL is
 * wanted, as certificates are read by us and handed over; names must not be looked up on the thread that asks.
 * Memory: the table lives as long as the process.   Thread: any; opening blocks.   Errors: MISSING, UNSUPPORTED. */
#ifndef SG_NET_CURL_LIB_H
#define SG_NET_CURL_LIB_H

#include "base/base.h"

#include <curl/curl.h>

/* result, name, parameters */
#define SG_CURL_TABLE(X)                                                                                             \
    X(CURLcode, global_init, (long flags))                                                                           \
    X(curl_version_info_data *, version_info, (CURLversion v))                                                       \
    X(CURL *, easy_init, (void))                                                                                     \
    X(CURLcode, easy_setopt, (CURL * easy, CURLoption option, ...))                                                  \
    X(CURLcode, easy_getinfo, (CURL * easy, CURLINFO info, ...))                                                     \
    X(CURLHcode, easy_header,                                                                                        \
      (CURL * easy, const char *name, size_t index, unsigned origin, int request, struct curl_header **out))         \
    X(void, easy_cleanup, (CURL * easy))                                                                             \
    X(const char *, easy_strerror, (CURLcode code))                                                                  \
    X(struct curl_slist *, slist_append, (struct curl_slist * list, const char *text))                               \
    X(void, slist_free_all, (struct curl_slist * list))                                                              \
    X(CURLM *, multi_init, (void))                                                                                   \
    X(CURLMcode, multi_setopt, (CURLM * multi, CURLMoption option, ...))                                             \
    X(CURLMcode, multi_add_handle, (CURLM * multi, CURL *easy))                                                      \
    X(CURLMcode, multi_remove_handle, (CURLM * multi, CURL *easy))                                                   \
    X(CURLMcode, multi_socket_action, (CURLM * multi, curl_socket_t fd, int events, int *running))                   \
    X(CURLMcode, multi_assign, (CURLM * multi, curl_socket_t fd, void *ud))                                          \
    X(CURLMsg *, multi_info_read, (CURLM * multi, int *left))                                                        \
    X(CURLMcode, multi_cleanup, (CURLM * multi))                                                                     \
    X(CURLSH *, share_init, (void))                                                                                  \
    X(CURLSHcode, share_setopt, (CURLSH * share, CURLSHoption option, ...))                                          \
    X(CURLSHcode, share_cleanup, (CURLSH * share))

/* The library's functions, without their prefix: lib->easy_init(). */
struct sg_curl {
#define SG_X(result, name, parameters) result(*name) parameters; /* NOLINT(bugprone-macro-parentheses) */
    SG_CURL_TABLE(SG_X)
#undef SG_X
};

/* Opens and initializes the library on the first call. */
int sg_curl_lib_open(const struct sg_curl **out, struct sg_err *err);

#endif
