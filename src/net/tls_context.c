/* SPDX-License-Identifier: Apache-2.0 */
/* tls_context: what streams share: settings, trust, certificates, sessions.
 *
 * Trust comes from the first of these: `ca` (a file, or all certificates of a folder), SSL_CERT_FILE and SSL_CERT_DIR as the
 * environment has them, the bundle of the system, its folder of certificates. Whatever it is, it is read at once and on the
 * worker: OpenSSL's own way to a folder would open files while the loop waits. Reading and parsing the usual bundle takes
 * 10 to 30 ms, in which names are looked up and records are read.
 *
 * Sessions: the latest ticket of an endpoint is kept and offered by each further connection, so those need no certificates
 * and no signatures. A ticket is used more than once, which lets somebody on the way see that the connections belong
 * together (RFC 8446 C.4); here they go to the same endpoint at the same time anyway. */
#include "net/tls_parts.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>

#define FILE_MAX ((size_t)16 << 20)

/* What Linux distributions call the bundle. */
static const char *const BUNDLES[] = {"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt",
                                      "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem"};

/* --- certificates ---------------------------------------------------------------------------------------------------- */

/* A key that wants a pass phrase must not ask for it on the terminal: it gets this one. */
static char no_pass_phrase[] = "";

static int read_pem(struct sg_arena *a, const char *path, BIO **out, struct sg_err *err) {
    struct sg_str text;
    int rc = sg_os_read_file(a, path, FILE_MAX, &text, err);
    if (rc) return rc;
    *out = BIO_new_mem_buf(text.p, (int)text.n);
    SG_ASSERT(*out);
    ERR_clear_error();
    return 0;
}

static bool at_end_of_pem(void) {
    return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
}

/* Adds all certificates of a file. */
static int trust_file(struct sg_tls *t, const char *path, size_t *n, struct sg_err *err) {
    BIO *b;
    int rc = read_pem(&t->arena, path, &b, err);
    if (rc) return rc;
    for (X509 *x; (x = PEM_read_bio_X509_AUX(b, NULL, NULL, no_pass_phrase)) != NULL; X509_free(x)) {
        X509_STORE_add_cert(SSL_CTX_get_cert_store(t->ctx), x);
        ++*n;
    }
    if (!at_end_of_pem())
        rc = sg_fail(err, SG_E_TLS, "%s: certificate %zu cannot be read: %s", path, *n + 1, sg_tls_reason());
    BIO_free(b);
    ERR_clear_error();
    return rc;
}

struct folder {
    struct sg_tls *tls;
    const char *path;
    bool hashed; /* take the names that OpenSSL's rehash makes, else others */
    size_t n;
};

/* 5ad8a5d6.0 */
static bool is_hash(struct sg_str name) {
    size_t digits = strspn(name.p, "0123456789abcdef"), dot = sg_str_find(name, '.', 0);
    return digits == 8 && dot == 8 && name.n > 9 && strspn(name.p + 9, "0123456789") == name.n - 9;
}

static void trust_name(void *ud, const char *name) {
    struct folder *f = ud;
    struct sg_str s = sg_str(name);
    bool other = sg_str_ends(s, SG_STR(".pem")) || sg_str_ends(s, SG_STR(".crt"));
    if (!(f->hashed ? is_hash(s) : other)) return;
    trust_file(f->tls, sg_str_printf(&f->tls->arena, "%s/%s", f->path, name).p, &f->n, NULL);
}

/* What is no certificate is passed over. In a folder with hashes the other names are the same certificates again. */
static int trust_folder(struct sg_tls *t, const char *path, size_t *n, struct sg_err *err) {
    struct folder f = {t, path, true, 0};
    int rc = sg_os->list(path, trust_name, &f);
    f.hashed = false;
    if (rc == 0 && f.n == 0) rc = sg_os->list(path, trust_name, &f);
    *n += f.n;
    return rc ? sg_fail_sys(err, SG_E_TLS, -rc, "cannot look into %s", path) : 0;
}

static int trust_path(struct sg_tls *t, struct sg_str path, const char *origin, struct sg_err *err) {
    struct sg_file_info info;
    size_t n = 0;
    int rc = sg_os->stat(path.p, &info);
    if (rc) return sg_fail_sys(err, SG_E_TLS, -rc, "%s: cannot read %s", origin, path.p);
    rc = info.is_dir ? trust_folder(t, path.p, &n, err) : trust_file(t, path.p, &n, err);
    if (rc) return sg_err_wrap(err, SG_E_TLS, "%s", origin);
    return n ? 0 : sg_fail(err, SG_E_TLS, "%s: %s holds no certificate in PEM form", origin, path.p);
}

static int trust_system(struct sg_tls *t, struct sg_err *err) {
    size_t n = 0;
    for (size_t i = 0; n == 0 && i < sizeof BUNDLES / sizeof *BUNDLES; i++)
        if (sg_os_exists(BUNDLES[i])) trust_file(t, BUNDLES[i], &n, NULL);
    if (n == 0) trust_folder(t, X509_get_default_cert_dir(), &n, NULL);
    return n ? 0
             : sg_fail(err, SG_E_TLS,
                       "this system has no certificates of authorities: install its package ca-certificates, or name a "
                       "file of them in SSL_CERT_FILE or in `ssl_ca`");
}

static int load_trust(struct sg_tls *t, struct sg_err *err) {
    const struct sg_tls_trust *trust = &t->trust;
    int rc = 0;
    if (trust->ca.n) return trust_path(t, trust->ca, "ssl_ca", err);
    if (trust->system_file.n) rc = trust_path(t, trust->system_file, "SSL_CERT_FILE", err);
    if (rc == 0 && trust->system_dir.n) rc = trust_path(t, trust->system_dir, "SSL_CERT_DIR", err);
    if (trust->system_file.n || trust->system_dir.n) return rc;
    return trust_system(t, err);
}

/* --- a certificate of our own: a server's, or a client's that proves who it is ------------------------------------------ */

static int use_chain(SSL_CTX *ctx, BIO *b, const char *path, struct sg_err *err) {
    X509 *own = PEM_read_bio_X509_AUX(b, NULL, NULL, no_pass_phrase);
    if (!own) return sg_fail(err, SG_E_TLS, "%s holds no certificate in PEM form", path);
    bool fine = SSL_CTX_use_certificate(ctx, own) == 1;
    X509_free(own);
    for (X509 *x; fine && (x = PEM_read_bio_X509(b, NULL, NULL, no_pass_phrase)) != NULL;)
        fine = SSL_CTX_add0_chain_cert(ctx, x) == 1;
    return fine ? 0 : sg_fail(err, SG_E_TLS, "%s: the certificate cannot be used: %s", path, sg_tls_reason());
}

static int use_key(SSL_CTX *ctx, BIO *b, const char *path, struct sg_err *err) {
    static const char BEGIN[] = "PRIVATE KEY-----"; /* of all kinds */
    char *p;
    long n = BIO_get_mem_data(b, &p);
    if (!memmem(p, (size_t)n, BEGIN, sizeof BEGIN - 1))
        return sg_fail(err, SG_E_TLS, "%s holds no private key in PEM form", path);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(b, NULL, NULL, no_pass_phrase);
    if (!key) return sg_fail(err, SG_E_TLS, "%s: the private key cannot be read; it must not have a pass phrase", path);
    bool fits = SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1;
    EVP_PKEY_free(key);
    return fits ? 0 : sg_fail(err, SG_E_TLS, "%s: the private key does not belong to the certificate", path);
}

static int use_certificate(struct sg_tls *t, const char *cert, const char *key, struct sg_err *err) {
    BIO *b;
    int rc = read_pem(&t->arena, cert, &b, err);
    if (rc) return rc;
    rc = use_chain(t->ctx, b, cert, err);
    BIO_free(b);
    if (rc == 0) rc = read_pem(&t->arena, key, &b, err);
    if (rc) return rc;
    rc = use_key(t->ctx, b, key, err);
    BIO_free(b);
    ERR_clear_error();
    return rc;
}

/* --- settings -------------------------------------------------------------------------------------------------------------- */

static SSL_CTX *new_ctx(const SSL_METHOD *method) {
    SSL_CTX *ctx = SSL_CTX_new(method);
    SG_ASSERT(ctx);
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    return ctx;
}

static int on_session(SSL *ssl, SSL_SESSION *session) {
    struct sg_tls_peer *p = ((struct sg_tls_stream *)SSL_get_app_data(ssl))->peer;
    SSL_SESSION_free(p->session);
    p->session = session;
    return 1; /* ours now */
}

/* What may be spoken over the connection: in order of preference, each with its length. Our server knows the last one. */
static const unsigned char PROTOCOLS[] = "\x02h2\x08http/1.1";
#define SERVED (PROTOCOLS + 3)
#define SERVED_N (sizeof PROTOCOLS - 1 - 3)

static void set_up_client(SSL_CTX *ctx, bool unchecked) {
    SSL_CTX_set_verify(ctx, unchecked ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, unchecked ? NULL : sg_tls_on_verify);
    /* An authority that was named by hand may be one between the root and the server, or the server itself. */
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ctx, on_session);
    SSL_CTX_set_alpn_protos(ctx, PROTOCOLS, sizeof PROTOCOLS - 1);
}

static int on_offer(SSL *ssl, const unsigned char **out, unsigned char *n, const unsigned char *offer, unsigned offer_n,
                    void *ud) {
    (void)ssl, (void)ud;
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, n, SERVED, SERVED_N, offer, offer_n) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* --- life ------------------------------------------------------------------------------------------------------------------- */

static struct sg_tls *new_tls(struct sg_loop *l) {
    struct sg_tls *t = sg_xcalloc(1, sizeof *t);
    t->loop = l;
    t->refill = (struct sg_timer){.on_fire = sg_tls_on_refill, .ud = t};
    sg_tls_on_refill(&t->refill);
    sg_arena_init(&t->arena, 0);
    return t;
}

/* On the worker. */
static void load(struct sg_job *j) {
    struct sg_tls *t = j->ud;
    t->ctx = new_ctx(TLS_client_method());
    t->bio = sg_tls_bio_method();
    set_up_client(t->ctx, t->trust.unchecked);
    int rc = t->trust.unchecked ? 0 : load_trust(t, &t->err);
    if (rc == 0 && t->trust.cert.n) {
        rc = use_certificate(t, t->trust.cert.p, t->trust.cert.p, &t->err);
        if (rc) sg_err_wrap(&t->err, SG_E_TLS, "ssl_cert, the certificate and key of this client");
    }
}

static void on_loaded(struct sg_job *j) {
    struct sg_tls *t = j->ud;
    t->loading = false;
    t->on_ready(t->ud);
}

struct sg_tls *sg_tls_open(struct sg_loop *l, struct sg_worker *w, const struct sg_tls_trust *trust,
                           void (*on_ready)(void *ud), void *ud) {
    struct sg_tls *t = new_tls(l);
    struct sg_tls_trust *own = &t->trust;
    *own = *trust;
    own->ca = sg_str_dup(&t->arena, trust->ca);
    own->cert = sg_str_dup(&t->arena, trust->cert);
    own->system_file = sg_str_dup(&t->arena, trust->system_file);
    own->system_dir = sg_str_dup(&t->arena, trust->system_dir);
    t->on_ready = on_ready;
    t->ud = ud;
    t->loading = true;
    t->job = (struct sg_job){.run = load, .done = on_loaded, .ud = t};
    sg_worker_submit(w, &t->job);
    return t;
}

int sg_tls_open_server(struct sg_loop *l, const char *cert, const char *key, struct sg_tls **out, struct sg_err *err) {
    struct sg_tls *t = new_tls(l);
    t->ctx = new_ctx(TLS_server_method());
    t->bio = sg_tls_bio_method();
    SSL_CTX_set_alpn_select_cb(t->ctx, on_offer, NULL);
    int rc = use_certificate(t, cert, key, err);
    if (rc)
        sg_tls_close(t);
    else
        *out = t;
    return rc;
}

void sg_tls_close(struct sg_tls *t) {
    if (!t) return;
    SG_ASSERT(!t->first);
    sg_timer_stop(t->loop, &t->refill);
    SSL_CTX_free(t->ctx);
    BIO_meth_free(t->bio);
    sg_arena_fini(&t->arena);
    free(t);
}

int sg_tls_status(const struct sg_tls *t, struct sg_err *err) {
    if (t->loading) return SG_E_BUSY;
    if (t->err.code && err) *err = t->err;
    return t->err.code;
}

int sg_tls_lend(const struct sg_tls *t, void *to, bool shown) {
    SSL_CTX *ctx = to;
    X509 *own = SSL_CTX_get0_certificate(t->ctx);
    STACK_OF(X509) *chain = NULL;
    SSL_CTX_set1_cert_store(ctx, SSL_CTX_get_cert_store(t->ctx));
    X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN);
    if (!shown || !own) return 0;
    SSL_CTX_get0_chain_certs(t->ctx, &chain);
    bool fine = SSL_CTX_use_cert_and_key(ctx, own, SSL_CTX_get0_privatekey(t->ctx), chain, 1) == 1;
    return fine ? 0 : SG_E_TLS;
}

struct sg_tls_peer *sg_tls_peer_open(struct sg_tls *t, struct sg_str host, uint16_t port) {
    struct sg_tls_peer *p = sg_xcalloc(1, sizeof *p + host.n + 1);
    unsigned char number[sizeof(struct in6_addr)];
    p->tls = t;
    p->port = port;
    memcpy(p->host, host.p, host.n);
    if (host.n > 1 && host.p[host.n - 1] == '.') p->host[host.n - 1] = '\0';
    p->is_number = inet_pton(AF_INET, p->host, number) == 1 || inet_pton(AF_INET6, p->host, number) == 1;
    return p;
}

void sg_tls_peer_close(struct sg_tls_peer *p) {
    if (!p) return;
    SSL_SESSION_free(p->session);
    free(p);
}

struct sg_tls_figures sg_tls_figures(const struct sg_tls *t) {
    return t->figures;
}
