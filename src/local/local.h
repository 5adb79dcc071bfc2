/* SPDX-License-Identifier: Apache-2.0 */
/* local: a model inside the process, by llama.cpp (design D10). The rest of the code sees one more endpoint.
 *
 * libllama is opened at run time (dlopen) from beside the executable, the cache, or SYGRA_HOME, so the program starts
 * without it. One thread owns the model and its context; it decodes several sequences in one batch, admits waiting
 * requests as sequences end (continuous batching), and renders the chat template of the model file.
 *
 * Memory: a request's struct is the caller's until its one callback; its messages must live until then.
 * Thread: loop for all functions; the model's thread is hidden.   Async: on_done never inside start.
 * Errors: MODEL (cannot be loaded or decoded: text says what was tried), LIMIT (prompt longer than the context). */
#ifndef SG_LOCAL_LOCAL_H
#define SG_LOCAL_LOCAL_H

#include "net/loop.h"

struct sg_sequence;

/* Measured with the demo model and one thread: 81, 82, 90, 98, 102 tokens a CPU second with 1, 2, 4, 8, 16 sequences,
 * while memory and the time to the first reply grow with their number. */
#define SG_LOCAL_SEQUENCES 4

struct sg_local_options {
    struct sg_str model_path; /* empty: the demo model's places */
    const char *exe_dir;
    uint32_t threads;   /* 0: 1 */
    uint32_t sequences; /* in one batch; 0: SG_LOCAL_SEQUENCES; `deterministic` makes it 1 */
    uint32_t context;   /* tokens a sequence; 0: 2,048 or the model's own if smaller */
    bool deterministic; /* one sequence a batch: the same reply on the same machine */
};

struct sg_local_file {
    const char *path;
    uint64_t size, tensors;
    uint32_t version; /* of GGUF */
};
/* Whether the file of a model and the library that reads it are there, without loading the model. Any thread; blocks. */
int sg_local_look(struct sg_arena *a, struct sg_str model_path, const char *exe_dir, struct sg_local_file *out,
                  struct sg_err *err);

struct sg_local;
/* Returns at once; the model loads on its thread. A failure to load is every request's error. */
int sg_local_open(struct sg_loop *l, const struct sg_local_options *o, struct sg_local **out, struct sg_err *err);
/* Work under way is broken off, within milliseconds; open requests are dropped without callback. */
void sg_local_close(struct sg_local *m);

struct sg_local_result {
    struct sg_str text; /* valid inside the callback */
    uint32_t prompt_tokens, completion_tokens;
    uint32_t reused_tokens; /* of the prompt: its beginning was still in the model's memory */
    const char *finish_reason; /* "stop" or "length" */
};

struct sg_local_request {
    const struct sg_json *messages; /* array of {role, content} */
    double temperature, top_p, min_p, repeat_penalty; /* < 0: default (0.7, 0.95, 0.05, 1.1); temperature 0: greedy */
    int32_t top_k;              /* < 0: 40 */
    uint32_t max_tokens;        /* 0: 256 */
    uint64_t seed;
    uint64_t order;             /* among waiting requests the lowest goes first, then the oldest */
    const struct sg_json *stop; /* text or array of texts, or NULL */
    void (*on_done)(struct sg_local_request *r, int status, const struct sg_local_result *res,
                    const struct sg_err *err);
    void *ud;
    /* set by local: */
    struct sg_local_request *next_, *prev_;
    struct sg_sequence *sequence_; /* NULL while it waits for a place */
};
void sg_local_start(struct sg_local *m, struct sg_local_request *r);
/* No callback comes; the struct is free when this returns. */
void sg_local_cancel(struct sg_local *m, struct sg_local_request *r);

#endif
