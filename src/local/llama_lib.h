/* SPDX-License-Identifier: Apache-2.0 */
/* llama_lib: libllama, found and opened at run time.
 *
 * Hides: dlopen, the names of the symbols, the places of libraries and models, libllama's log.
 * Memory: the table and what it stands on live as long as the process; libllama is never unloaded.
 * Thread: sg_llama_places on the loop thread (it reads the environment), the rest on any.
 * Errors: SG_E_MODEL; the text says what to do, then what was tried. */
#ifndef SG_LOCAL_LLAMA_LIB_H
#define SG_LOCAL_LLAMA_LIB_H

#include "base/base.h"

#include <llama.h>

/* Every function that we call. One that a library lacks is named in the error. */
#define SG_LLAMA_TABLE(X)                                                                                            \
    X(ggml_backend_load_all_from_path)                                                                               \
    X(ggml_backend_dev_count)                                                                                        \
    X(llama_version)                                                                                                 \
    X(llama_log_set)                                                                                                 \
    X(llama_backend_init)                                                                                            \
    X(llama_max_parallel_sequences)                                                                                  \
    X(llama_model_default_params)                                                                                    \
    X(llama_model_load_from_file)                                                                                    \
    X(llama_model_free)                                                                                              \
    X(llama_model_get_vocab)                                                                                         \
    X(llama_model_n_ctx_train)                                                                                       \
    X(llama_model_has_encoder)                                                                                       \
    X(llama_model_has_decoder)                                                                                       \
    X(llama_model_is_recurrent)                                                                                      \
    X(llama_model_is_hybrid)                                                                                         \
    X(llama_model_chat_template)                                                                                     \
    X(llama_chat_apply_template)                                                                                     \
    X(llama_vocab_n_tokens)                                                                                          \
    X(llama_vocab_is_eog)                                                                                            \
    X(llama_tokenize)                                                                                                \
    X(llama_token_to_piece)                                                                                          \
    X(llama_context_default_params)                                                                                  \
    X(llama_init_from_model)                                                                                         \
    X(llama_free)                                                                                                    \
    X(llama_n_ctx_seq)                                                                                               \
    X(llama_get_memory)                                                                                              \
    X(llama_memory_clear)                                                                                            \
    X(llama_memory_seq_rm)                                                                                           \
    X(llama_memory_seq_cp)                                                                                           \
    X(llama_memory_seq_pos_min)                                                                                      \
    X(llama_batch_init)                                                                                              \
    X(llama_batch_free)                                                                                              \
    X(llama_decode)                                                                                                  \
    X(llama_get_logits_ith)                                                                                          \
    X(llama_sampler_chain_default_params)                                                                            \
    X(llama_sampler_chain_init)                                                                                      \
    X(llama_sampler_chain_add)                                                                                       \
    X(llama_sampler_init_penalties)                                                                                  \
    X(llama_sampler_init_top_k)                                                                                      \
    X(llama_sampler_init_top_p)                                                                                      \
    X(llama_sampler_init_min_p)                                                                                      \
    X(llama_sampler_init_temp)                                                                                       \
    X(llama_sampler_init_dist)                                                                                       \
    X(llama_sampler_init_greedy)                                                                                     \
    X(llama_sampler_sample)                                                                                          \
    X(llama_sampler_free)

/* The library's functions, by their own names: lib->llama_decode(...). */
struct sg_llama {
#define SG_X(name) __typeof__(&(name)) name;
    SG_LLAMA_TABLE(SG_X)
#undef SG_X
};

/* Folders to search, best first. */
struct sg_llama_places {
    struct sg_places lib, models;
};

/* Beside the executable (exe_dir may be NULL), installed, in the cache, in SYGRA_HOME. */
void sg_llama_places(struct sg_arena *a, const char *exe_dir, struct sg_llama_places *out);

/* Opens the library on the first call; later calls, from any thread, give the same table. */
int sg_llama_open(const struct sg_llama_places *at, const struct sg_llama **out, struct sg_err *err);

/* The path of the demo model, in `a`. */
int sg_llama_demo_model(struct sg_arena *a, const struct sg_llama_places *at, const char **out, struct sg_err *err);

/* libllama says why something failed in its log only. This is the first error line of this thread since the last
 * sg_llama_forget, or "" . */
const char *sg_llama_reason(void);
void sg_llama_forget(void);

#endif
