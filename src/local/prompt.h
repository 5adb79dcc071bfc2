/* SPDX-License-Identifier: Apache-2.0 */
/* prompt: from a list of messages to the tokens that a model reads.
 *
 * Memory: results are in the arena.   Thread: the model's.
 * Errors: SG_E_TYPE, SG_E_UNSUPPORTED (images, a template that libllama does not know), SG_E_LIMIT (over the
 * context). */
#ifndef SG_LOCAL_PROMPT_H
#define SG_LOCAL_PROMPT_H

#include "local/llama_lib.h"

struct sg_prompt {
    llama_token *tokens;
    uint32_t n;
};

/* At least one token of `context` stays free for the reply. */
int sg_prompt_make(struct sg_arena *a, const struct sg_llama *lib, const struct llama_model *model,
                   const struct sg_json *messages, uint32_t context, struct sg_prompt *out, struct sg_err *err);

#endif
