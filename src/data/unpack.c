/* SPDX-License-Identifier: Apache-2.0 */
/* unpack: zlib and libzstd behind one function. What a library calls the end of a member is none of the file: the next one
 * begins there, unless nothing follows. */
#include "data/unpack.h"

#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#define BLOCK ((size_t)64 << 10)
#define GZIP_ONLY (15 + 16) /* the largest window, and a gzip header is wanted */

struct sg_unpacker {
    enum sg_packing packing;
    int fd;
    struct sg_str name;
    uint64_t offset; /* of the packed bytes read so far */
    size_t at, end;  /* block[at] to block[end] is not unpacked yet */
    bool ended;      /* of the packed file */
    bool inside;     /* of a member */
    struct sg_err failed; /* what is damaged stays so: told again each time */
    z_stream z;
    ZSTD_DStream *zstd;
    char block[BLOCK];
};

struct sg_unpacker *sg_unpacker_open(enum sg_packing packing, int fd, struct sg_str name) {
    struct sg_unpacker *u = sg_xcalloc(1, sizeof *u);
    *u = (struct sg_unpacker){.packing = packing, .fd = fd, .name = name};
    bool fine = packing == SG_PACKED_ZSTD ? (u->zstd = ZSTD_createDStream()) != NULL
                                          : inflateInit2(&u->z, GZIP_ONLY) == Z_OK;
    SG_ASSERT(fine); /* both fail for want of memory only */
    return u;
}

void sg_unpacker_close(struct sg_unpacker *u) {
    if (!u) return;
    if (u->packing == SG_PACKED_GZIP) inflateEnd(&u->z);
    ZSTD_freeDStream(u->zstd);
    free(u);
}

static int fail(struct sg_unpacker *u, const char *why, struct sg_err *err) {
    int rc = sg_fail(&u->failed, SG_E_SYNTAX, "%.*s: byte %llu of the packed file: %s", SG_ARG(u->name),
                     (unsigned long long)(u->offset - (u->end - u->at)), why);
    if (err) *err = u->failed;
    return rc;
}

static int refill(struct sg_unpacker *u, struct sg_err *err) {
    if (u->at < u->end || u->ended) return 0;
    ssize_t got = sg_os->pread(u->fd, u->block, BLOCK, u->offset);
    if (got < 0) {
        return sg_fail_sys(err, SG_E_IO, (int)-got, "%.*s: byte %llu of the packed file: read failed", SG_ARG(u->name),
                           (unsigned long long)u->offset);
    }
    u->at = 0;
    u->end = (size_t)got;
    u->offset += (size_t)got;
    u->ended = got == 0;
    return 0;
}

static ssize_t inflate_some(struct sg_unpacker *u, void *to, size_t n, struct sg_err *err) {
    u->z.next_in = (unsigned char *)u->block + u->at;
    u->z.avail_in = (unsigned)(u->end - u->at);
    u->z.next_out = to;
    u->z.avail_out = (unsigned)n;
    int rc = inflate(&u->z, Z_NO_FLUSH);
    size_t made = n - u->z.avail_out;
    u->at = u->end - u->z.avail_in;
    if (rc == Z_STREAM_END) {
        u->inside = false;
        inflateReset(&u->z);
    } else if (rc != Z_OK && rc != Z_BUF_ERROR && made == 0) { /* else it says so again, behind what it made */
        return fail(u, u->z.msg ? u->z.msg : "damaged", err);
    }
    return (ssize_t)made;
}

static ssize_t zstd_some(struct sg_unpacker *u, void *to, size_t n, struct sg_err *err) {
    ZSTD_inBuffer in = {u->block, u->end, u->at};
    ZSTD_outBuffer out = {to, n, 0};
    size_t rc = ZSTD_decompressStream(u->zstd, &out, &in);
    u->at = in.pos;
    if (ZSTD_isError(rc)) return fail(u, ZSTD_getErrorName(rc), err);
    u->inside = rc != 0;
    return (ssize_t)out.pos;
}

ssize_t sg_unpack(struct sg_unpacker *u, void *to, size_t n, struct sg_err *err) {
    if (n > UINT32_MAX) n = UINT32_MAX; /* zlib counts so */
    if (u->failed.code) {
        if (err) *err = u->failed;
        return u->failed.code;
    }
    for (;;) {
        int rc = refill(u, err);
        if (rc < 0) return rc;
        bool drained = u->at == u->end;
        if (drained && u->ended && !u->inside) return 0;
        u->inside = true;
        ssize_t made = u->packing == SG_PACKED_ZSTD ? zstd_some(u, to, n, err) : inflate_some(u, to, n, err);
        if (made != 0) return made;
        if (drained && u->ended && u->inside) return fail(u, "the file ends too early: was it cut off?", err);
    }
}
