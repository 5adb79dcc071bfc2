/* SPDX-License-Identifier: Apache-2.0 */
/* A look at a model file without loading it: a GGUF file begins with "GGUF", a version, the number of tensors and the number
 * of facts about the model, all little-endian (the format's own specification, version 3). */
#include "local/llama_lib.h"
#include "local/local.h"

#include <errno.h>
#include <fcntl.h>

#define HEAD 24
#define OLDEST 2 /* that llama.cpp still reads */
#define NEWEST 3

static uint64_t number(const unsigned char *p, int bytes) {
    uint64_t v = 0;
    for (int i = bytes; i-- > 0;) v = v << 8 | p[i];
    return v;
}

static int read_head(const char *path, unsigned char *head, uint64_t *size, struct sg_err *err) {
    struct sg_file_info info;
    int fd = sg_os->open(path, O_RDONLY | O_CLOEXEC, 0);
    int rc = fd < 0 ? fd : sg_os->fstat(fd, &info);
    if (rc >= 0 && !info.is_regular) rc = -EISDIR;
    if (rc >= 0) rc = sg_os_pread_all(fd, head, HEAD, 0);
    if (fd >= 0) sg_os->close(fd);
    if (rc == -ENODATA) return sg_fail(err, SG_E_MODEL, "%s is no GGUF file: it has less than %d bytes", path, HEAD);
    if (rc < 0) return sg_fail_sys(err, SG_E_MODEL, -rc, "%s cannot be read", path);
    *size = info.size;
    return 0;
}

int sg_local_look(struct sg_arena *a, struct sg_str model_path, const char *exe_dir, struct sg_local_file *out,
                  struct sg_err *err) {
    struct sg_llama_places at;
    const struct sg_llama *lib;
    unsigned char head[HEAD] = {0};
    sg_llama_places(a, exe_dir, &at);
    *out = (struct sg_local_file){.path = sg_str_dup(a, model_path).p};
    int rc = model_path.n ? 0 : sg_llama_demo_model(a, &at, &out->path, err);
    if (rc == 0) rc = read_head(out->path, head, &out->size, err);
    if (rc != 0) return rc;
    if (memcmp(head, "GGUF", 4) != 0) return sg_fail(err, SG_E_MODEL, "%s is no GGUF file", out->path);
    out->version = (uint32_t)number(head + 4, 4);
    out->tensors = number(head + 8, 8);
    if (out->version < OLDEST || out->version > NEWEST)
        return sg_fail(err, SG_E_MODEL, "%s is GGUF version %u; versions %d and %d can be read", out->path, out->version,
                       OLDEST, NEWEST);
    if (out->tensors == 0) return sg_fail(err, SG_E_MODEL, "%s holds no model: its header names no tensors", out->path);
    return sg_llama_open(&at, &lib, err);
}
