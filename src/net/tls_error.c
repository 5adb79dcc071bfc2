/* SPDX-License-Identifier: Apache-2.0 */
/* tls_error: what went wrong, and what to do about it, in words for the user.
 *
 * Certificate trouble and wrong protocols have the code TLS and are final. A connection that was cut, and a server that says
 * that it has trouble of its own, may be tried again. */
#include "net/tls_parts.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

#define NAMES_SHOWN 4

/* --- certificates ---------------------------------------------------------------------------------------------------- */

static const char *day(const ASN1_TIME *at, char out[16]) {
    struct tm tm;
    if (ASN1_TIME_to_tm(at, &tm) != 1 || strftime(out, 16, "%Y-%m-%d", &tm) == 0) return "an unreadable day";
    return out;
}

static void add_name(struct sg_buf *b, const GENERAL_NAME *name) {
    int type;
    ASN1_STRING *s = GENERAL_NAME_get0_value(name, &type);
    const unsigned char *p = type == GEN_DNS || type == GEN_IPADD ? ASN1_STRING_get0_data(s) : NULL;
    if (!p) return;
    if (b->n) SG_BUF_LIT(b, ", ");
    if (type == GEN_DNS)
        sg_buf_add(b, p, (size_t)ASN1_STRING_length(s));
    else if (ASN1_STRING_length(s) == 4)
        sg_buf_printf(b, "%d.%d.%d.%d", p[0], p[1], p[2], p[3]);
    else
        SG_BUF_LIT(b, "an IPv6 address");
}

/* What hosts the certificate is for. */
static void names_of(X509 *x, struct sg_buf *b) {
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    int n = names ? sk_GENERAL_NAME_num(names) : 0;
    for (int i = 0; i < n && i < NAMES_SHOWN; i++) add_name(b, sk_GENERAL_NAME_value(names, i));
    if (n > NAMES_SHOWN) sg_buf_printf(b, " and %d more", n - NAMES_SHOWN);
    GENERAL_NAMES_free(names);
    if (b->n == 0) SG_BUF_LIT(b, "no host");
}

static const char *issuer_of(X509 *x, char out[128]) {
    X509_NAME *name = X509_get_issuer_name(x);
    if (X509_NAME_get_text_by_NID(name, NID_commonName, out, 128) < 0 &&
        X509_NAME_get_text_by_NID(name, NID_organizationName, out, 128) < 0)
        return "an authority without a name";
    return out;
}

static void explain_names(X509 *x, const struct sg_tls_peer *p, struct sg_err *err) {
    struct sg_buf names = SG_BUF_INIT(8192);
    names_of(x, &names);
    sg_fail(err, SG_E_TLS, "the certificate of %s:%u is for %.*s and not for %s: use a name it is for in the url", p->host,
            p->port, (int)names.n, names.p, p->host);
    sg_buf_fini(&names);
}

static void explain_certificate(X509 *x, int depth, int error, const struct sg_tls_peer *p, struct sg_err *err) {
    char when[16], issuer[128];
    const char *whose = depth == 0 ? "the certificate" : "an authority above the certificate";
    switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        sg_fail(err, SG_E_TLS, "%s of %s:%u expired on %s: it has to be renewed there (or this machine's clock is wrong)",
                whose, p->host, p->port, day(X509_get0_notAfter(x), when));
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        sg_fail(err, SG_E_TLS, "%s of %s:%u is valid from %s on only: look at this machine's clock", whose, p->host, p->port,
                day(X509_get0_notBefore(x), when));
        break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        explain_names(x, p, err);
        break;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        sg_fail(err, SG_E_TLS,
                "the certificate of %s:%u is signed by itself and not known here: if it is the right one, name its file in "
                "`ssl_ca`", p->host, p->port);
        break;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        sg_fail(err, SG_E_TLS,
                "the certificate of %s:%u is signed by an authority that is not known here (%s): name the authority's "
                "certificate in `ssl_ca` or SSL_CERT_FILE", p->host, p->port, issuer_of(x, issuer));
        break;
    default:
        sg_fail(err, SG_E_TLS, "%s of %s:%u is refused: %s", whose, p->host, p->port, X509_verify_cert_error_string(error));
        break;
    }
}

int sg_tls_on_verify(int ok, X509_STORE_CTX *c) {
    SSL *ssl = X509_STORE_CTX_get_ex_data(c, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct sg_tls_stream *t = SSL_get_app_data(ssl);
    if (ok || t->why) return ok;
    t->why = sg_xcalloc(1, sizeof *t->why);
    explain_certificate(X509_STORE_CTX_get_current_cert(c), X509_STORE_CTX_get_error_depth(c), X509_STORE_CTX_get_error(c),
                        t->peer, t->why);
    return 0;
}

/* --- the rest ------------------------------------------------------------------------------------------------------------- */

const char *sg_tls_reason(void) {
    unsigned long e = ERR_peek_error();
    const char *reason = e ? ERR_reason_error_string(e) : NULL;
    return reason ? reason : "no reason is known";
}

/* The other side of a client: "HOST:PORT". Of a server's connection nothing is known. */
static void place_of(const struct sg_tls_stream *t, char out[300]) {
    if (t->peer)
        snprintf(out, 300, "%s:%u", t->peer->host, t->peer->port);
    else
        snprintf(out, 300, "the client");
}

/* An alert that the other side sent (RFC 8446 6.2): of this client's certificate, which TLS 1.3 looks at after we began. */
static bool is_about_certificates(int reason) {
    int alert = reason - SSL_AD_REASON_OFFSET;
    return (alert >= SSL_AD_BAD_CERTIFICATE && alert <= SSL_AD_CERTIFICATE_UNKNOWN) || alert == SSL_AD_UNKNOWN_CA ||
           alert == SSL_AD_ACCESS_DENIED;
}

int sg_tls_explain(const struct sg_tls_stream *t, struct sg_err *err) {
    char place[300];
    int reason = ERR_GET_REASON(ERR_peek_error());
    if (err->code) return err->code;
    place_of(t, place);
    switch (reason) {
    case 0: /* the socket broke */
        return sg_fail(err, SG_E_RESET, "the connection was reset in the middle of the TLS handshake");
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
        return sg_fail(err, SG_E_TLS, "%s knows TLS older than 1.2 only, which is not safe: it has to be updated there", place);
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE:
    case SSL_R_NO_SHARED_CIPHER:
        return sg_fail(err, SG_E_TLS, "%s and this program have no cipher in common (or it wants a client's certificate: "
                       "`ssl_cert`)", place);
    case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
        return sg_fail(err, SG_E_TLS, "%s wants a certificate of this client: name a file with it and its key in `ssl_cert`",
                       place);
    case SSL_R_TLSV1_ALERT_INTERNAL_ERROR:
    case SSL_R_TLSV1_ALERT_USER_CANCELLED:
        return sg_fail(err, SG_E_RESET, "TLS was broken off by the other side: %s", sg_tls_reason());
    default:
        return sg_fail(err, t->state != SG_TLS_OPEN || is_about_certificates(reason) ? SG_E_TLS : SG_E_PROTOCOL,
                       "TLS with %s failed: %s", place, sg_tls_reason());
    }
}

int sg_tls_explain_plain(const struct sg_tls_stream *t, struct sg_str first, struct sg_err *err) {
    char place[300];
    place_of(t, place);
    if (first.n > 20) first.n = 20;
    return sg_fail(err, SG_E_TLS, "%s does not speak TLS, its first words are \"%.*s\": write http:// in the url if it is meant",
                   place, SG_ARG(first));
}
