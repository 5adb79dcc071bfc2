/* SPDX-License-Identifier: Apache-2.0 */
/* generator: a model, its context, and the sequences that it works on together. A round is one call of llama_decode.
 *
 * Memory: sequences are made and freed by local.c; the generator fills them.
 * Thread: sg_generator_round on the model's thread. While no round is under way, everything belongs to the loop
 * thread, which puts sequences into the slots and takes finished ones out. sg_generator_stop: loop thread, any time.
 * Errors: every failure is a sequence's status: MODEL, LIMIT, TYPE, UNSUPPORTED, CANCELED. */
#ifndef SG_LOCAL_GENERATOR_H
#define SG_LOCAL_GENERATOR_H

#include "local/local.h"
#include "local/llama_lib.h"
#include "local/prompt.h"
#include "local/reply.h"

#include <stdatomic.h>

/* A sequence number of libllama, and the prompt whose first `n` tokens are in its part of the model's memory. */
struct sg_stream {
    llama_token *tokens; /* room for `context` */
    uint32_t n;
    bool busy;
};

struct sg_sequence {
    /* Set by local.c before the first round. */
    struct sg_arena arena;
    struct sg_json messages, stop; /* in the arena */
    double temperature, top_p, min_p, repeat_penalty;
    int32_t top_k;
    uint32_t max_tokens;
    uint64_t seed;
    struct sg_local_request *request; /* the generator does not look at it; NULL: canceled */
    bool dropped;                     /* the next round ends it */

    /* The generator's own. */
    bool started;
    struct sg_prompt prompt;
    struct sg_stream *stream; /* NULL: none */
    uint32_t reused;  /* tokens of the prompt that were in the model's memory already */
    uint32_t n_past;  /* tokens in the model's memory */
    llama_token next; /* the newest token of the reply, not yet decoded */
    int32_t output;   /* its place in the batch of this round, or -1 */
    struct llama_sampler *sampler;

    /* The outcome. */
    bool finished;
    int status;
    struct sg_err err;
    struct sg_reply reply;
    struct sg_str text;
    uint32_t completion_tokens;
    const char *finish_reason;
};

struct sg_generator {
    /* Set by local.c. */
    struct sg_llama_places places;
    const char *model_path; /* NULL: the demo model */
    uint32_t threads, context, n_slots;
    struct sg_sequence **slots; /* n_slots places */
    atomic_bool stop;

    /* The outcome of loading: the first round does it. */
    bool loaded;
    struct sg_err failure; /* code 0: none */

    /* The generator's own. */
    const struct sg_llama *lib;
    struct llama_model *model;
    const struct llama_vocab *vocab;
    struct llama_context *llama;
    struct llama_batch batch;
    uint32_t room; /* tokens in the batch */
    struct sg_stream *streams; /* n_slots, by number */
    bool reuse;                /* of what is in the model's memory */
    struct sg_arena arena;
};

void sg_generator_init(struct sg_generator *g, uint32_t n_slots);
/* After the thread has ended, and after sg_sequence_free of all sequences. */
void sg_generator_fini(struct sg_generator *g);
void sg_generator_round(struct sg_generator *g);
/* Ends a round, or the loading of a model, within milliseconds. What it leaves can only be freed. */
void sg_generator_stop(struct sg_generator *g);

struct sg_sequence *sg_sequence_new(void);
void sg_sequence_free(struct sg_generator *g, struct sg_sequence *s);

#endif
