/* SPDX-License-Identifier: Apache-2.0 */
/* Continuous batching. Each round makes one batch: first one token for every sequence that is writing its reply, then
 * some tokens of unread prompts, so a long prompt slows the others down but does not stop them. After llama_decode
 * each sequence whose logits are there gets its next token from its own sampler. A sequence that ends gives its slot
 * free for the next request in the following round.
 *
 * Prompts of one node begin alike. So a prompt stays in the model's memory when its sequence has ended; the next one
 * goes where most of its own beginning is, or has it copied from where it is, and only the rest is read. That changes
 * the last bits of the logits, so a single slot, which promises the same reply for the same request, starts from
 * nothing each time.
 *
 * Memory of the model: each stream has `context` tokens of its own (kv_unified off), so an admitted sequence can
 * always be finished, and attention looks at its own tokens only.
 *
 * libllama reports failures by results and by its log; what it asserts would end the process, so what leads there is
 * refused before: positions over the context, batches over n_batch, logits that are no numbers (a damaged model). */
#include "local/generator.h"

#include <float.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>

/* Tokens in one batch (or as many as there are sequences), and how many of a prompt while others write. Measured with
 * the demo model and one thread: a prompt costs the same CPU in pieces of 64 as of 128, 9 % more in pieces of 32. */
#define BATCH 128
#define PROMPT_SHARE 32
/* Copying takes a stream's whole memory (47 MB with the demo model), reading so many tokens 0.2 s. */
#define COPY_AT_LEAST 32
/* The repeat penalty looks back over so many tokens of the reply (llama.cpp's own default). */
#define PENALTY_REACH 64

/* --- loading ---------------------------------------------------------------------------------------------------- */

static bool go_on_loading(float progress, void *ud) {
    (void)progress;
    struct sg_generator *g = ud;
    return !atomic_load_explicit(&g->stop, memory_order_relaxed);
}

static bool must_abort(void *ud) {
    struct sg_generator *g = ud;
    return atomic_load_explicit(&g->stop, memory_order_relaxed);
}

/* libllama has said why in its log, or has not. */
static int fail_by_library(struct sg_generator *g, const char *what) {
    const char *reason = sg_llama_reason();
    return sg_fail(&g->failure, SG_E_MODEL, "the model file %s %s%s%s", g->model_path, what, *reason ? ": " : "",
                   reason);
}

static int load_model(struct sg_generator *g) {
    if (!g->model_path) {
        int rc = sg_llama_demo_model(&g->arena, &g->places, &g->model_path, &g->failure);
        if (rc) return rc;
    } else if (!sg_os_exists(g->model_path)) {
        return sg_fail(&g->failure, SG_E_MODEL, "the model file %s is not there", g->model_path);
    }
    struct llama_model_params params = g->lib->llama_model_default_params();
    params.progress_callback = go_on_loading;
    params.progress_callback_user_data = g;
    g->model = g->lib->llama_model_load_from_file(g->model_path, params);
    if (!g->model) return fail_by_library(g, "cannot be loaded");
    if (g->lib->llama_model_has_encoder(g->model) || !g->lib->llama_model_has_decoder(g->model)) {
        return sg_fail(&g->failure, SG_E_UNSUPPORTED, "the model file %s holds no model that writes text",
                       g->model_path);
    }
    g->vocab = g->lib->llama_model_get_vocab(g->model);
    return 0;
}

static int make_context(struct sg_generator *g) {
    struct llama_context_params params = g->lib->llama_context_default_params();
    uint32_t own = (uint32_t)g->lib->llama_model_n_ctx_train(g->model);
    uint32_t each = g->context ? g->context : own && own < 2048 ? own : 2048;
    params.n_ctx = each * g->n_slots;
    params.n_seq_max = g->n_slots;
    g->room = g->n_slots > BATCH ? g->n_slots : BATCH;
    params.n_batch = params.n_ubatch = g->room;
    params.n_outputs_max = g->n_slots; /* else room for the logits of a whole batch: 100 MB with 49,152 tokens */
    params.n_threads = params.n_threads_batch = (int32_t)g->threads;
    params.kv_unified = false;
    params.abort_callback = must_abort;
    params.abort_callback_data = g;
    g->llama = g->lib->llama_init_from_model(g->model, params);
    if (!g->llama) return fail_by_library(g, "gets no memory for its context");
    uint32_t got = g->lib->llama_n_ctx_seq(g->llama); /* rounded up, or cut */
    g->context = each < got ? each : got;
    g->batch = g->lib->llama_batch_init((int32_t)g->room, 0, 1);
    bool keeps_tokens = !g->lib->llama_model_is_recurrent(g->model) && !g->lib->llama_model_is_hybrid(g->model);
    g->reuse = g->n_slots > 1 && keeps_tokens;
    g->streams = SG_NEW_N(&g->arena, struct sg_stream, g->n_slots);
    for (uint32_t i = 0; i < g->n_slots; i++) g->streams[i].tokens = SG_NEW_N(&g->arena, llama_token, g->context);
    return 0;
}

/* One model at a time: libllama fills tables of its own while it loads, and promises nothing about threads there. */
static pthread_mutex_t loading = PTHREAD_MUTEX_INITIALIZER;

static void load(struct sg_generator *g) {
    pthread_mutex_lock(&loading);
    sg_llama_forget();
    int rc = sg_llama_open(&g->places, &g->lib, &g->failure);
    if (!rc && g->n_slots > g->lib->llama_max_parallel_sequences()) {
        rc = sg_fail(&g->failure, SG_E_LIMIT, "llama.cpp works on at most %zu sequences, not %u",
                     g->lib->llama_max_parallel_sequences(), g->n_slots);
    }
    if (!rc) rc = load_model(g);
    if (!rc) rc = make_context(g);
    g->loaded = !rc;
    pthread_mutex_unlock(&loading);
}

/* --- a sequence's beginning and end ----------------------------------------------------------------------------- */

struct sg_sequence *sg_sequence_new(void) {
    struct sg_sequence *s = sg_xcalloc(1, sizeof *s);
    sg_arena_init(&s->arena, 0);
    return s;
}

void sg_sequence_free(struct sg_generator *g, struct sg_sequence *s) {
    if (s->sampler) g->lib->llama_sampler_free(s->sampler);
    sg_reply_fini(&s->reply);
    sg_arena_fini(&s->arena);
    free(s);
}

static uint32_t common_start(const struct sg_stream *st, const struct sg_prompt *p) {
    uint32_t n = 0;
    while (n < st->n && n < p->n && st->tokens[n] == p->tokens[n]) n++;
    return n;
}

static llama_seq_id number_of(const struct sg_generator *g, const struct sg_stream *st) {
    return (llama_seq_id)(st - g->streams);
}

/* The free stream (there are as many as slots) where the prompt finds most of itself and overwrites least. */
static struct sg_stream *free_stream(const struct sg_generator *g, const struct sg_prompt *p, uint32_t *common) {
    struct sg_stream *best = NULL;
    int64_t best_gain = 0;
    for (uint32_t i = 0; i < g->n_slots; i++) {
        struct sg_stream *st = &g->streams[i];
        uint32_t n = common_start(st, p);
        int64_t gain = 2 * (int64_t)n - st->n;
        if (st->busy || (best && gain <= best_gain)) continue;
        best = st;
        best_gain = gain;
        *common = n;
    }
    return best;
}

/* Where most of the prompt is, busy or not. */
static const struct sg_stream *longest_stream(const struct sg_generator *g, const struct sg_prompt *p,
                                              uint32_t *common) {
    const struct sg_stream *best = g->streams;
    *common = common_start(best, p);
    for (uint32_t i = 1; i < g->n_slots; i++) {
        uint32_t n = common_start(&g->streams[i], p);
        if (n <= *common) continue;
        best = &g->streams[i];
        *common = n;
    }
    return best;
}

/* False where a sliding window has dropped the beginning. */
static bool is_whole(struct sg_generator *g, const struct sg_stream *st) {
    return g->lib->llama_memory_seq_pos_min(g->lib->llama_get_memory(g->llama), number_of(g, st)) == 0;
}

/* Between streams libllama copies everything or nothing: what is too much is cut off afterwards. */
static void copy_memory(struct sg_generator *g, const struct sg_stream *from, const struct sg_stream *to) {
    llama_memory_t memory = g->lib->llama_get_memory(g->llama);
    g->lib->llama_memory_seq_rm(memory, number_of(g, to), -1, -1);
    g->lib->llama_memory_seq_cp(memory, number_of(g, from), number_of(g, to), -1, -1);
}

/* The number of tokens that are left in it. */
static uint32_t cut_memory(struct sg_generator *g, const struct sg_stream *st, uint32_t keep) {
    llama_memory_t memory = g->lib->llama_get_memory(g->llama);
    llama_seq_id number = number_of(g, st);
    if (keep && is_whole(g, st) && g->lib->llama_memory_seq_rm(memory, number, (llama_pos)keep, -1)) return keep;
    g->lib->llama_memory_seq_rm(memory, number, -1, -1);
    return 0;
}

static void take_stream(struct sg_generator *g, struct sg_sequence *s) {
    uint32_t keep = 0, elsewhere = 0;
    struct sg_stream *st = free_stream(g, &s->prompt, &keep);
    const struct sg_stream *other = longest_stream(g, &s->prompt, &elsewhere);
    if (!g->reuse) {
        keep = 0;
    } else if (elsewhere >= keep + COPY_AT_LEAST && is_whole(g, other)) {
        copy_memory(g, other, st);
        keep = elsewhere;
    }
    if (keep == s->prompt.n) keep--; /* the last token must be read for its logits */
    s->reused = s->n_past = st->n = cut_memory(g, st, keep);
    memcpy(st->tokens, s->prompt.tokens, s->prompt.n * sizeof *st->tokens);
    st->busy = true;
    s->stream = st;
}

static void end(struct sg_sequence *s, int status) {
    if (s->stream) s->stream->busy = false;
    s->text = sg_reply_finish(&s->reply);
    s->status = status;
    s->finished = true;
}

/* libllama takes LLAMA_DEFAULT_SEED as a wish for a random one. */
static uint32_t seed_for(uint64_t seed) {
    uint32_t folded = (uint32_t)(seed ^ seed >> 32);
    return folded == LLAMA_DEFAULT_SEED ? 0 : folded;
}

static struct llama_sampler *make_sampler(struct sg_generator *g, const struct sg_sequence *s) {
    const struct sg_llama *lib = g->lib;
    struct llama_sampler *chain = lib->llama_sampler_chain_init(lib->llama_sampler_chain_default_params());
    if (s->repeat_penalty > 0 && s->repeat_penalty != 1) {
        lib->llama_sampler_chain_add(chain, lib->llama_sampler_init_penalties(lib->llama_vocab_n_tokens(g->vocab),
                                                                              PENALTY_REACH, (float)s->repeat_penalty,
                                                                              0, 0));
    }
    if (!(s->temperature > 0)) {
        lib->llama_sampler_chain_add(chain, lib->llama_sampler_init_greedy());
        return chain;
    }
    lib->llama_sampler_chain_add(chain, lib->llama_sampler_init_top_k(s->top_k));
    lib->llama_sampler_chain_add(chain, lib->llama_sampler_init_top_p((float)s->top_p, 1));
    lib->llama_sampler_chain_add(chain, lib->llama_sampler_init_min_p((float)s->min_p, 1));
    lib->llama_sampler_chain_add(chain, lib->llama_sampler_init_temp((float)s->temperature));
    lib->llama_sampler_chain_add(chain, lib->llama_sampler_init_dist(seed_for(s->seed)));
    return chain;
}

static int begin(struct sg_generator *g, struct sg_sequence *s) {
    s->started = true;
    int rc = sg_reply_init(&s->reply, &s->stop, &s->err);
    if (!rc) rc = sg_prompt_make(&s->arena, g->lib, g->model, &s->messages, g->context, &s->prompt, &s->err);
    if (rc) return rc;
    uint32_t room = g->context - s->prompt.n;
    if (s->max_tokens > room) s->max_tokens = room;
    s->sampler = make_sampler(g, s);
    take_stream(g, s);
    return 0;
}

/* Afterwards every slot is empty, finished, or to be worked on. */
static void begin_and_end(struct sg_generator *g) {
    for (uint32_t i = 0; i < g->n_slots; i++) {
        struct sg_sequence *s = g->slots[i];
        if (!s || s->finished) continue;
        int rc = 0;
        if (s->dropped) rc = SG_E_CANCELED;
        else if (g->failure.code) rc = (s->err = g->failure).code;
        else if (!s->started) rc = begin(g, s);
        if (rc) end(s, rc);
    }
}

/* --- a round ---------------------------------------------------------------------------------------------------- */

static bool is_at_work(const struct sg_sequence *s) {
    return s && !s->finished;
}

static void add_token(struct sg_generator *g, llama_token token, struct sg_sequence *s, bool want_logits) {
    struct llama_batch *b = &g->batch;
    int32_t at = b->n_tokens++;
    b->token[at] = token;
    b->pos[at] = (llama_pos)s->n_past++;
    b->n_seq_id[at] = 1;
    b->seq_id[at][0] = number_of(g, s->stream);
    b->logits[at] = want_logits;
    if (want_logits) s->output = at;
}

static void add_replies(struct sg_generator *g) {
    for (uint32_t i = 0; i < g->n_slots; i++) {
        struct sg_sequence *s = g->slots[i];
        if (!is_at_work(s)) continue;
        s->output = -1;
        if (s->completion_tokens) add_token(g, s->next, s, true);
    }
}

static void add_prompts(struct sg_generator *g) {
    uint32_t writing = (uint32_t)g->batch.n_tokens;
    uint32_t room = writing && writing + PROMPT_SHARE < g->room ? writing + PROMPT_SHARE : g->room;
    for (uint32_t i = 0; i < g->n_slots; i++) {
        struct sg_sequence *s = g->slots[i];
        if (!is_at_work(s)) continue;
        while (s->n_past < s->prompt.n && (uint32_t)g->batch.n_tokens < room) {
            add_token(g, s->prompt.tokens[s->n_past], s, s->n_past + 1 == s->prompt.n);
            s->stream->n = s->n_past;
        }
    }
}

/* What was in the model's memory cannot be trusted any more: all sequences end, and the next ones find it empty. */
static void fail_all(struct sg_generator *g, int code) {
    const char *reason = sg_llama_reason();
    for (uint32_t i = 0; i < g->n_slots; i++) {
        struct sg_sequence *s = g->slots[i];
        if (!is_at_work(s)) continue;
        sg_fail(&s->err, SG_E_MODEL, "the model could not compute (llama_decode gave %d%s%s)", code,
                *reason ? ": " : "", reason);
        end(s, SG_E_MODEL);
    }
    for (uint32_t i = 0; i < g->n_slots; i++) g->streams[i].n = 0;
    g->lib->llama_memory_clear(g->lib->llama_get_memory(g->llama), true);
}

static bool are_numbers(const float *logits, int32_t n) {
    int bad = 0;
    for (int32_t i = 0; i < n; i++) bad |= !(fabsf(logits[i]) <= FLT_MAX);
    return !bad;
}

static bool add_text(struct sg_generator *g, struct sg_sequence *s, llama_token token) {
    char piece[256], *p = piece;
    int32_t n = g->lib->llama_token_to_piece(g->vocab, token, p, sizeof piece, 0, false);
    if (n < 0) {
        p = sg_alloc(&s->arena, (size_t)-n);
        n = g->lib->llama_token_to_piece(g->vocab, token, p, -n, 0, false);
    }
    return sg_reply_add(&s->reply, (struct sg_str){p, n > 0 ? (size_t)n : 0});
}

static void take_token(struct sg_generator *g, struct sg_sequence *s) {
    const float *logits = g->lib->llama_get_logits_ith(g->llama, s->output);
    if (!logits || !are_numbers(logits, g->lib->llama_vocab_n_tokens(g->vocab))) {
        sg_fail(&s->err, SG_E_MODEL, "the model computed no numbers: its file may be damaged");
        end(s, SG_E_MODEL);
        return;
    }
    s->next = g->lib->llama_sampler_sample(s->sampler, g->llama, s->output);
    s->finish_reason = "stop";
    if (g->lib->llama_vocab_is_eog(g->vocab, s->next)) {
        end(s, 0);
        return;
    }
    s->completion_tokens++;
    bool stopped = add_text(g, s, s->next);
    if (!stopped) s->finish_reason = "length";
    if (stopped || s->completion_tokens >= s->max_tokens) end(s, 0);
}

void sg_generator_round(struct sg_generator *g) {
    if (!g->loaded && !g->failure.code) load(g);
    begin_and_end(g);
    if (!g->loaded) return;
    g->batch.n_tokens = 0;
    add_replies(g);
    add_prompts(g);
    if (g->batch.n_tokens == 0) return;
    sg_llama_forget();
    int32_t rc = g->lib->llama_decode(g->llama, g->batch);
    if (rc != 0) {
        fail_all(g, rc);
        return;
    }
    for (uint32_t i = 0; i < g->n_slots; i++) {
        if (is_at_work(g->slots[i]) && g->slots[i]->output >= 0) take_token(g, g->slots[i]);
    }
}

/* --- life ------------------------------------------------------------------------------------------------------- */

void sg_generator_init(struct sg_generator *g, uint32_t n_slots) {
    *g = (struct sg_generator){.n_slots = n_slots};
    atomic_init(&g->stop, false);
    sg_arena_init(&g->arena, 0);
    g->slots = SG_NEW_N(&g->arena, struct sg_sequence *, n_slots);
}

void sg_generator_stop(struct sg_generator *g) {
    atomic_store_explicit(&g->stop, true, memory_order_relaxed);
}

void sg_generator_fini(struct sg_generator *g) {
    if (g->llama) {
        g->lib->llama_batch_free(g->batch);
        g->lib->llama_free(g->llama);
    }
    if (g->model) g->lib->llama_model_free(g->model);
    sg_arena_fini(&g->arena);
}
