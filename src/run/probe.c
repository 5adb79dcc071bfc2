/* SPDX-License-Identifier: Apache-2.0 */
/* Asking a model: pings of all its addresses, and one small call. */
#include "run/probe.h"

#define PING_MS 10000
#define CALL_MS 60000
#define CALL_TOKENS 16

static void one_less(struct sg_probe *p) {
    if (--*p->pending == 0) sg_loop_stop(p->loop);
}

/* --- pings ------------------------------------------------------------------------------------------------------------------ */

static void on_ping(struct sg_ping *ping, int status, const struct sg_ping_answer *answer, const struct sg_err *err) {
    struct sg_probe_address *a = ping->ud;
    a->status = status;
    if (status != 0) a->err = *err;
    else {
        a->answer = *answer;
        a->answer.names = sg_str_dup(a->probe->arena, answer->names);
        if (answer->list == SG_PING_FILE) a->answer.file.path = sg_str_dup(a->probe->arena, sg_str(answer->file.path)).p;
    }
    one_less(a->probe);
}

void sg_probe_ping(struct sg_probe *p, struct sg_calls *c, const char *exe_dir) {
    for (size_t i = 0; i < p->n_addresses; i++) {
        struct sg_probe_address *a = &p->addresses[i];
        a->asked = true;
        a->ping = (struct sg_ping){
            .spec = p->spec, .exe_dir = exe_dir, .address = i, .timeout_ms = PING_MS, .on_done = on_ping, .ud = a};
        a->status = sg_ping_start(c, &a->ping, &a->err);
        if (a->status == 0) ++*p->pending;
    }
}

/* --- one call --------------------------------------------------------------------------------------------------------------- */

static int make_request(struct sg_call *c, struct sg_arena *scratch, struct sg_request *out, struct sg_err *err) {
    (void)c, (void)err;
    struct sg_member *m = SG_NEW_N(scratch, struct sg_member, 2);
    struct sg_json *message = SG_NEW(scratch, struct sg_json);
    m[0] = (struct sg_member){SG_STR("role"), sg_json_string(SG_STR("user"))};
    m[1] = (struct sg_member){SG_STR("content"), sg_json_string(SG_STR("Say hello."))};
    *message = sg_json_object(m, 2);
    out->messages = sg_json_array(message, 1);
    return 0;
}

static void on_call(struct sg_call *c, int status, const struct sg_completion *done, const struct sg_err *err) {
    struct sg_probe *p = c->ud;
    p->status = status;
    if (status != 0) p->err = *err;
    else {
        p->text = sg_str_dup(p->arena, done->text);
        p->usage = done->usage;
        p->latency_ns = c->latency_ns;
    }
    one_less(p);
}

/* The parameters of the model, but for the number of tokens; some models know it by its newer name only. */
static struct sg_json few_tokens(struct sg_arena *a, const struct sg_json *parameters) {
    static const char newer[] = "max_completion_tokens", older[] = "max_tokens";
    uint32_t given = parameters->type == SG_JSON_OBJECT ? parameters->n : 0;
    struct sg_member *m = SG_NEW_N(a, struct sg_member, given + 1);
    bool is_newer = sg_json_get(parameters, SG_STR("max_completion_tokens")) != NULL;
    size_t n = 0;
    for (uint32_t i = 0; i < given; i++) {
        struct sg_str key = parameters->members[i].key;
        if (!sg_str_eq(key, sg_str(newer)) && !sg_str_eq(key, sg_str(older))) m[n++] = parameters->members[i];
    }
    m[n++] = (struct sg_member){sg_str(is_newer ? newer : older), sg_json_int(a, CALL_TOKENS)};
    return sg_json_object(m, n);
}

void sg_probe_call(struct sg_probe *p, struct sg_calls *c) {
    p->called = true;
    p->small = *p->spec;
    p->small.parameters = few_tokens(p->arena, &p->spec->parameters);
    p->small.retry_attempts = 1;
    if (p->small.timeout_ms > CALL_MS) p->small.timeout_ms = CALL_MS;
    p->call = (struct sg_call){.request = make_request, .on_done = on_call, .ud = p};
    p->status = sg_calls_model(c, &p->small, &p->call.model, &p->err);
    if (p->status != 0) return;
    ++*p->pending;
    sg_call_start(&p->call);
}

/* An address that cannot be pinged at no price has not failed. */
bool sg_probe_fine(const struct sg_probe *p) {
    bool fine = p->status == 0;
    for (size_t i = 0; i < p->n_addresses; i++)
        fine &= p->addresses[i].status == 0 || p->addresses[i].status == SG_E_UNSUPPORTED;
    return fine;
}
