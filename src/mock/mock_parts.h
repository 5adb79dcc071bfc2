/* SPDX-License-Identifier: Apache-2.0 */
/* mock_parts: what the files of the mock server know of each other (private to src/mock).
 *
 * request.c reads bytes into a question, script.c finds a scripted answer, reply.c writes answers, stats.c counts, server.c
 * has connections, time and faults. */
#ifndef SG_MOCK_PARTS_H
#define SG_MOCK_PARTS_H

#include "base/base.h"
#include "mock/mock.h"

/* --- request.c ---------------------------------------------------------------------------------------------------------- */

enum sg_mock_path { SG_MOCK_CHAT, SG_MOCK_COMPLETION, SG_MOCK_MODELS, SG_MOCK_HEALTH, SG_MOCK_STATS, SG_MOCK_RESET,
                    SG_MOCK_WRONG_METHOD, SG_MOCK_NOWHERE };

/* One HTTP request, a view into the bytes it was read from (a chunked body: into the caller's buffer). */
struct sg_mock_http {
    struct sg_str method, path, body;
    bool keep_alive, with_auth, wants_continue;
};
/* 1: whole, *used bytes belong to it; 0: more is needed (wants_continue is right already); or SG_E_PROTOCOL, SG_E_LIMIT. */
int sg_mock_read_http(struct sg_str in, struct sg_buf *chunked, struct sg_mock_http *out, size_t *used);
/* *deployment: the model of an Azure path, else empty. */
enum sg_mock_path sg_mock_path_of(const struct sg_mock_http *r, struct sg_str *deployment);

/* What is asked of the model; texts are views into the parsed body. */
struct sg_mock_question {
    enum sg_mock_path path;
    uint64_t hash; /* of path, model, roles and texts, whatever else the request says */
    struct sg_str model, last_user;
    uint32_t choices, max_tokens; /* max_tokens 0: no limit */
    uint32_t prompt_tokens;
    bool as_json;
    const struct sg_json *schema; /* NULL: any object */
};
/* Errors: SG_E_SYNTAX, SG_E_TYPE, SG_E_UNSUPPORTED with a text for the client. */
int sg_mock_read_question(struct sg_arena *a, struct sg_str body, struct sg_mock_question *q, struct sg_err *err);
uint32_t sg_mock_count_tokens(struct sg_str text);

/* --- script.c ----------------------------------------------------------------------------------------------------------- */

struct sg_mock_rule {
    struct sg_str match, model, reply;
    const struct sg_json *tool_calls; /* NULL: a text. Of {"name": text, "arguments": any value} */
    int status;     /* > 0: an error instead of a reply */
    int64_t left;   /* uses; < 0: no limit */
    int64_t times;
};
struct sg_mock_script {
    struct sg_mock_rule *rules;
    size_t n, cap;
};
int sg_mock_read_script(struct sg_arena *a, const char *path, struct sg_mock_script *out, struct sg_err *err);
/* Counts the use. NULL: no rule. */
const struct sg_mock_rule *sg_mock_find_rule(struct sg_mock_script *s, const struct sg_mock_question *q);
void sg_mock_rewind_script(struct sg_mock_script *s);

/* --- reply.c ------------------------------------------------------------------------------------------------------------ */

/* All that a reply depends on; lives until it is sent. */
struct sg_mock_answer {
    uint64_t hash;
    uint32_t choices, max_tokens, prompt_tokens;
    bool is_chat;
    bool has_text; /* `text` is the reply, otherwise words are drawn */
    struct sg_str model, text;
    const struct sg_json *tool_calls; /* instead of a text; NULL: none */
};
void sg_mock_write_answer(struct sg_buf *body, const struct sg_mock_answer *a, const struct sg_mock_options *o);
void sg_mock_write_error(struct sg_buf *body, int status, struct sg_str message);
/* A value that fits the schema, as text; without schema a small object. */
void sg_mock_write_json(struct sg_buf *out, const struct sg_json *schema, uint64_t hash);
void sg_mock_write_head(struct sg_buf *out, int status, const char *type, size_t length, int32_t retry_after_s,
                        bool keep_alive);

/* --- stats.c ------------------------------------------------------------------------------------------------------------ */

enum sg_mock_outcome { SG_MOCK_ANSWERED, SG_MOCK_STATUS, SG_MOCK_WAS_RESET, SG_MOCK_TRUNCATED, SG_MOCK_GARBAGE,
                       SG_MOCK_HANG, SG_MOCK_ERROR_BODY, SG_MOCK_GONE, SG_MOCK_OUTCOMES };
extern const char *const sg_mock_outcome_names[SG_MOCK_OUTCOMES];

struct sg_mock_counters {
    uint64_t requests, with_auth, connections, untracked, duplicates_after_ok;
    uint64_t by_outcome[SG_MOCK_OUTCOMES], by_status[600];
    uint32_t in_flight, max_in_flight, serving, max_serving, open, max_open;
    int64_t first_request_ns; /* since 1970 */
    struct sg_mock_seen {
        uint64_t hash; /* 0: free place */
        uint32_t requests, answered;
    } *seen;           /* open addressing, a power of two of places */
    size_t n_seen, places;
};
/* Returns the number of this attempt of the request, from 1. */
uint32_t sg_mock_count_arrival(struct sg_mock_counters *c, uint64_t hash, bool with_auth);
void sg_mock_count_end(struct sg_mock_counters *c, uint64_t hash, enum sg_mock_outcome outcome, int status);
void sg_mock_count_serving(struct sg_mock_counters *c, int change);
void sg_mock_count_connection(struct sg_mock_counters *c, int change);
/* What is going on now stays counted. */
void sg_mock_reset_counters(struct sg_mock_counters *c);
void sg_mock_write_counters(const struct sg_mock_counters *c, struct sg_buf *out);
void sg_mock_free_counters(struct sg_mock_counters *c);

#endif
