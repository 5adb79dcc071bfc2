/* SPDX-License-Identifier: Apache-2.0 */
/* tls_parts: what the files of the TLS layer know of each other (private to src/net).
 *
 * tls.c has streams, tls_context.c what they share: certificates, trust, sessions; tls_error.c finds words. */
#ifndef SG_NET_TLS_PARTS_H
#define SG_NET_TLS_PARTS_H

#include "net/loop_ops.h"
#include "net/tls.h"

#include <openssl/ssl.h>

/* Four full records. */
#define SG_TLS_PLAIN_BYTES ((size_t)64 * 1024)

struct sg_tls_stream;

struct sg_tls {
    struct sg_loop *loop;
    SSL_CTX *ctx;
    BIO_METHOD *bio;
    struct sg_tls_figures figures;

    /* handshakes */
    unsigned turns; /* steps that this turn of the loop may still compute */
    struct sg_timer refill;
    struct sg_tls_stream *first, *last; /* those that wait for a step */

    /* trust, of a client */
    struct sg_tls_trust trust; /* texts in the arena */
    struct sg_arena arena;
    struct sg_job job;
    struct sg_err err; /* of loading */
    bool loading;
    void (*on_ready)(void *ud);
    void *ud;

    char plain[SG_TLS_PLAIN_BYTES];
};

struct sg_tls_peer {
    struct sg_tls *tls;
    SSL_SESSION *session; /* the latest; several connections may resume it */
    uint16_t port;
    bool is_number;
    char host[]; /* without the dot of a full name */
};

enum sg_tls_state { SG_TLS_CONNECTING, SG_TLS_HANDSHAKE, SG_TLS_OPEN, SG_TLS_ENDED };

struct sg_tls_stream {
    struct sg_stream base;
    struct sg_tls *tls;
    struct sg_tls_peer *peer; /* NULL: the server's side */
    struct sg_stream *under;
    SSL *ssl;
    const char *in; /* what arrived and OpenSSL has not taken yet; a view in the frame that brought it */
    size_t in_n;
    char *held; /* what arrived while the handshake waits for its turn */
    size_t held_n;
    struct sg_tls_stream *prev, *next; /* in the queue for a turn */
    struct sg_err *why;                /* the latest error's words; NULL: none */
    uint8_t state;
    bool queued;
    bool heard;       /* the peer's first bytes have come */
    bool dead;        /* OpenSSL must not be asked any more */
    bool in_callback; /* its owner is on the stack: it is freed when that has returned */
    bool closed;
};

/* --- tls.c -------------------------------------------------------------------------------------------------------- */

void sg_tls_on_refill(struct sg_timer *timer);
BIO_METHOD *sg_tls_bio_method(void);

/* --- tls_error.c ---------------------------------------------------------------------------------------------------- */

/* X509 verification's callback: keeps the words for the first certificate that is refused. */
int sg_tls_on_verify(int ok, X509_STORE_CTX *c);
/* Why OpenSSL gave a stream up, from its queue of errors. Keeps the words of a refused certificate. Returns the code. */
int sg_tls_explain(const struct sg_tls_stream *t, struct sg_err *err);
/* The other side began with something that is not TLS. */
int sg_tls_explain_plain(const struct sg_tls_stream *t, struct sg_str first, struct sg_err *err);
/* The first of OpenSSL's queue of errors, such as "bad signature". */
const char *sg_tls_reason(void);

#endif
