/* SPDX-License-Identifier: Apache-2.0 */
/* host: the engine's end of one socket.
 *
 * Deadlines: one lazy timer: it is armed while something is awaited, and looks when it fires. Starting and each load
 * may take START_MS. A call's time begins when it is the first without answer (serial host) or when it is sent
 * (others, which promise to begin at once). A serial host that is at its first call for SLOW_MS gives the others
 * back, so that one hanging program holds up one record and not a window full of them; the host is told to skip them,
 * and their slots stay taken until it has said so.
 * The end of a host is seen twice, as the end of its socket (after its last answer) and as the exit of its process
 * (which says how): it has ended when both came. Who is to blame: of a serial host the first call; of another one
 * every call, but at a deadline those that are over it. SIGKILL from outside says nothing about any call. */
#include "hooks/host.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#define START_MS 60000
#define SLOW_MS 100
/* Between exit and the end of the socket, in whichever order. Only a grandchild that holds the socket, or a host that
 * closed it and goes on, can make that long. */
#define LINGER_MS 500
/* Bytes not written yet that stop the sending of more calls. */
#define BACKLOG ((size_t)256 << 10)
#define KEEP ((size_t)1 << 20)
#define MAX_INPUT ((size_t)256 << 20)
/* Answers that are no results (prints) may have this size whatever the limit of results, and frames have heads. */
#define SMALL_FRAME ((size_t)1 << 20)

static void check_time(struct sg_host *host);

static uint64_t now_ns(const struct sg_host *host) {
    return sg_loop_now_ns(host->how->loop);
}

/* ---- life ---- */

static void release(struct sg_host *host) {
    sg_frames_fini(&host->in);
    sg_buf_fini(&host->out);
    sg_buf_fini(&host->values);
    sg_arena_fini(&host->arena);
    free(host->loads);
    free(host);
}

static void enter(struct sg_host *host) {
    host->busy++;
}

static void leave(struct sg_host *host) {
    if (--host->busy == 0 && host->ended && !host->stream) release(host);
}

void sg_host_close(struct sg_host *host) {
    sg_timer_stop(host->how->loop, &host->timer);
    if (host->stream) sg_stream_close(host->stream);
    if (host->process) sg_process_close(host->process);
    host->stream = NULL;
    host->process = NULL;
    host->ended = true;
    if (host->busy == 0) release(host);
}

/* The last event. */
static void end(struct sg_host *host, const struct sg_err *why) {
    host->ended = true;
    host->how->ev->on_end(host, why);
}

/* ---- blame ---- */

static void blame(struct sg_host *host, enum sg_host_blame how) {
    uint32_t n = host->serial && host->n_slots ? 1 : host->n_slots;
    for (uint32_t i = 0; i < n; i++) host->slots[i].blame = how;
}

static void explain_exit(const struct sg_host *host, struct sg_err *err) {
    unsigned long long memory_mb = host->how->memory_bytes >> 20;
    if (host->signal == SIGKILL && host->killed) sg_fail(err, SG_E_HOST, "its host closed the connection");
    else if (host->signal == SIGKILL) sg_fail(err, SG_E_HOST, "its host was killed from outside (out of memory?)");
    else if (host->signal)
        sg_fail(err, SG_E_HOST, "its host was ended by signal %d (%s)", host->signal, strsignal(host->signal));
    else if (host->exit_status == SG_HOST_EXIT_MEMORY && memory_mb)
        sg_fail(err, SG_E_HOST, "the program used more than %llu MB", memory_mb);
    else if (host->words[0]) sg_fail(err, SG_E_HOST, "its host ended: %s", host->words);
    else sg_fail(err, SG_E_HOST, "its host ended with status %d", host->exit_status);
}

static void end_if_gone(struct sg_host *host) {
    struct sg_err why;
    if (!host->exited || !host->stream_ended) return;
    blame(host, host->signal == SIGKILL && !host->killed ? SG_BLAME_UNSURE : SG_BLAME_SURE);
    explain_exit(host, &why);
    end(host, &why);
}

static void break_off(struct sg_host *host, const char *what) {
    struct sg_err why;
    blame(host, SG_BLAME_SURE);
    sg_fail(&why, SG_E_HOST, "its host broke the protocol: %s", what);
    end(host, &why);
}

/* ---- time ---- */

static uint32_t slow_ms(const struct sg_host *host) {
    uint32_t deadline = host->how->deadline_ms;
    return deadline < 2 * SLOW_MS ? deadline / 2 : SLOW_MS;
}

/* When to look next; 0: nothing is awaited. */
static uint64_t due_ns(const struct sg_host *host) {
    if (host->killed) return 0;
    if (host->exited || host->stream_ended) return host->since_ns + SG_MS(LINGER_MS);
    if (host->state < SG_HOST_READY) return host->since_ns + SG_MS(START_MS);
    if (host->n_slots == 0) return 0;
    bool may_return = host->serial && !host->returned && host->n_slots > 1;
    return host->slots[0].since_ns + SG_MS(may_return ? slow_ms(host) : host->how->deadline_ms);
}

static void watch_time(struct sg_host *host) {
    uint64_t due = due_ns(host), now = now_ns(host);
    if (due == 0 || (sg_timer_armed(&host->timer) && host->timer.due_ns <= due)) return;
    sg_timer_start(host->how->loop, &host->timer, due > now ? due - now : 0);
}

static void on_timer(struct sg_timer *t) {
    struct sg_host *host = t->ud;
    enter(host);
    if (!host->ended) check_time(host);
    leave(host);
}

static void give_back(struct sg_host *host) {
    host->returned = true;
    for (uint32_t i = host->n_slots - 1; i > 0; i--) { /* the pool puts each before what waits */
        struct sg_hook_call *call = host->slots[i].call;
        if (!call) continue;
        sg_host_forget(host, call);
        host->how->ev->on_return(host, call);
    }
    sg_host_flush(host);
}

static void end_overdue(struct sg_host *host) {
    struct sg_err why;
    uint32_t limit = host->how->deadline_ms;
    uint64_t now = now_ns(host);
    for (uint32_t i = 0; i < host->n_slots; i++) {
        struct sg_host_slot *slot = &host->slots[i];
        if (slot->since_ns && now - slot->since_ns >= SG_MS(limit)) slot->blame = SG_BLAME_SURE;
    }
    if (host->state < SG_HOST_READY) sg_fail(&why, SG_E_HOST, "its host said nothing for %d s", START_MS / 1000);
    else if (limit % 1000) sg_fail(&why, SG_E_TIMEOUT, "the program ran longer than %u ms", limit);
    else sg_fail(&why, SG_E_TIMEOUT, "the program ran longer than %u s", limit / 1000);
    end(host, &why);
}

static void check_time(struct sg_host *host) {
    uint64_t due = due_ns(host);
    if (due == 0) return;
    if (due > now_ns(host)) {
        watch_time(host);
    } else if (host->exited) {
        host->stream_ended = true;
        end_if_gone(host);
    } else if (host->stream_ended) {
        host->killed = true;
        sg_process_kill(host->process);
    } else if (host->state == SG_HOST_READY && host->serial && !host->returned && host->n_slots > 1) {
        give_back(host);
        watch_time(host);
    } else {
        end_overdue(host);
    }
}

/* ---- what the host says ---- */

static const struct sg_json *parse_object(struct sg_host *host, const struct sg_frame *f) {
    struct sg_json *v = SG_NEW(&host->arena, struct sg_json);
    return sg_json_parse(&host->arena, f->payload, v, NULL, NULL) == 0 && v->type == SG_JSON_OBJECT ? v : NULL;
}

static int64_t int_of(const struct sg_json *object, struct sg_str key, int64_t otherwise) {
    const struct sg_json *v = sg_json_get(object, key);
    int64_t n;
    return v && sg_json_to_i64(v, &n) ? n : otherwise;
}

static void load_step(struct sg_host *host) {
    host->since_ns = now_ns(host);
    if (host->n_loaded < host->n_loads) return;
    host->state = SG_HOST_READY;
    host->how->ev->on_ready(host);
}

static void on_hello(struct sg_host *host, const struct sg_frame *f) {
    const struct sg_json *hello = parse_object(host, f);
    if (!hello || host->state != SG_HOST_STARTING || int_of(hello, SG_STR("sygra_hooks"), 0) != SG_HOOK_PROTOCOL) {
        break_off(host, "no hello of version 1");
        return;
    }
    const struct sg_json *serial = sg_json_get(hello, SG_STR("serial"));
    int64_t window = int_of(hello, SG_STR("window"), 1);
    host->serial = serial && serial->type == SG_JSON_TRUE;
    host->window = window < 1 ? 1 : window > SG_HOST_SLOTS ? SG_HOST_SLOTS : (uint32_t)window;
    host->state = SG_HOST_LOADING;
    load_step(host);
}

static void on_load_answer(struct sg_host *host, const struct sg_frame *f) {
    const struct sg_json *answer = parse_object(host, f);
    int64_t hook = answer ? int_of(answer, SG_STR("hook"), -1) : -1;
    if (host->state != SG_HOST_LOADING || host->n_loaded == host->n_loads || hook != host->loads[host->n_loaded]) {
        break_off(host, "an answer to no load");
        return;
    }
    host->n_loaded++;
    host->how->ev->on_loaded(host, (uint32_t)hook, f->kind == SG_FRAME_REFUSED ? answer : NULL);
    if (!host->ended) load_step(host);
}

static uint32_t find_slot(const struct sg_host *host, uint64_t id) {
    uint32_t last = host->serial && host->n_slots ? 1 : host->n_slots;
    for (uint32_t i = 0; i < last; i++)
        if (host->slots[i].id == id) return i;
    return UINT32_MAX;
}

static void free_slot(struct sg_host *host, uint32_t i) {
    host->n_slots--;
    memmove(&host->slots[i], &host->slots[i + 1], (host->n_slots - i) * sizeof *host->slots);
    if (i == 0 && host->serial) {
        host->returned = false;
        if (host->n_slots) host->slots[0].since_ns = now_ns(host);
    }
}

static void on_answer(struct sg_host *host, const struct sg_frame *f) {
    struct sg_answer_frame answer;
    uint32_t i = sg_frame_read_answer(f, &answer) ? find_slot(host, answer.id) : UINT32_MAX;
    if (i == UINT32_MAX) {
        break_off(host, "an answer to no call");
        return;
    }
    struct sg_hook_call *call = host->slots[i].call;
    free_slot(host, i);
    if (call) host->how->ev->on_answer(host, call, &answer, f->kind == SG_FRAME_RESULT);
    else if (sg_host_has_room(host)) host->how->ev->on_ready(host);
}

static void on_print(struct sg_host *host, const struct sg_frame *f) {
    struct sg_answer_frame print;
    if (!sg_frame_read_answer(f, &print)) {
        break_off(host, "a print without a call's number");
        return;
    }
    struct sg_hook_call *call = NULL;
    for (uint32_t i = 0; i < host->n_slots; i++)
        if (host->slots[i].id == print.id) call = host->slots[i].call;
    if (print.id == 0) snprintf(host->words, sizeof host->words, "%.*s", SG_ARG(print.body));
    host->how->ev->on_print(host, call, print.body);
}

static void on_frame(struct sg_host *host, const struct sg_frame *f) {
    switch (f->kind) {
    case SG_FRAME_READY: on_hello(host, f); break;
    case SG_FRAME_LOADED:
    case SG_FRAME_REFUSED: on_load_answer(host, f); break;
    case SG_FRAME_RESULT:
    case SG_FRAME_ERROR: on_answer(host, f); break;
    case SG_FRAME_PRINT: on_print(host, f); break;
    default: break_off(host, "a frame of unknown kind");
    }
}

/* ---- events of the socket and the process ---- */

static void take_frames(struct sg_host *host) {
    struct sg_frame f;
    int rc = 0;
    while (!host->ended && (rc = sg_frames_next(&host->in, &f)) > 0) on_frame(host, &f);
    if (host->ended) return;
    sg_arena_reset(&host->arena);
    if (rc < 0) break_off(host, rc == SG_E_LIMIT ? "a frame is too long" : "a frame has no kind");
    else watch_time(host);
}

static void on_half_end(struct sg_host *host) {
    host->since_ns = now_ns(host);
    watch_time(host);
    end_if_gone(host);
}

static void on_data(void *ud, const char *p, size_t n, int status) {
    struct sg_host *host = ud;
    (void)status;
    if (host->ended) return;
    enter(host);
    if (p && n) {
        sg_frames_feed(&host->in, p, n);
        take_frames(host);
    } else {
        host->stream_ended = true;
        on_half_end(host);
    }
    leave(host);
}

static void on_room(void *ud) {
    struct sg_host *host = ud;
    if (host->ended) return;
    enter(host);
    sg_host_flush(host);
    if (sg_host_has_room(host)) host->how->ev->on_ready(host);
    leave(host);
}

static void on_exit_of(void *ud, int exit_status, int sig) {
    struct sg_host *host = ud;
    if (host->ended) return;
    enter(host);
    host->exited = true;
    host->exit_status = exit_status;
    host->signal = sig;
    on_half_end(host);
    leave(host);
}

static const struct sg_stream_events STREAM_EVENTS = {.on_data = on_data, .on_room = on_room};

/* ---- asking ---- */

static void put_hello(struct sg_host *host) {
    size_t at = sg_frame_begin(&host->out, SG_FRAME_HELLO);
    sg_buf_printf(&host->out, "{\"sygra_hooks\":%d,\"result_bytes\":%llu", SG_HOOK_PROTOCOL,
                  (unsigned long long)host->how->result_bytes);
    if (host->how->now > 0) sg_buf_printf(&host->out, ",\"now\":%.6f", host->how->now);
    sg_buf_ch(&host->out, '}');
    sg_frame_end(&host->out, at);
}

static int start_process(struct sg_host *host, struct sg_err *err) {
    const char *const argv[] = {host->how->exe, "--host", host->how->kind, NULL};
    const char *const env[] = {NULL};
    struct sg_spawn spawn = {.file = host->how->exe, .argv = argv, .env = env, .on_exit = on_exit_of, .ud = host};
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* they map terabytes: the deadline must do */
    spawn.memory_limit = host->how->memory_bytes;
#endif
    return sg_process_start(host->how->loop, &spawn, &STREAM_EVENTS, host, &host->process, &host->stream, err);
}

int sg_host_start(const struct sg_host_setup *how, struct sg_host **out, struct sg_err *err) {
    struct sg_host *host = sg_xcalloc(1, sizeof *host);
    host->how = how;
    host->ud = how->ud;
    host->out = SG_BUF_INIT(SIZE_MAX / 2);
    host->values = SG_BUF_INIT(MAX_INPUT);
    host->timer = (struct sg_timer){.on_fire = on_timer, .ud = host};
    host->window = 1;
    sg_arena_init(&host->arena, 0);
    sg_frames_init(&host->in, (uint32_t)(how->result_bytes + SMALL_FRAME));
    if (start_process(host, err) != 0) {
        release(host);
        return sg_err_wrap(err, SG_E_HOST, "no host");
    }
    host->pid = sg_process_id(host->process);
    host->since_ns = now_ns(host);
    put_hello(host);
    watch_time(host);
    *out = host;
    return 0;
}

void sg_host_load(struct sg_host *host, uint32_t hook, const char *language, struct sg_str text, bool state,
                  bool again) {
    SG_ASSERT(host->state == SG_HOST_STARTING);
    if (host->n_loads == host->cap_loads) {
        host->cap_loads = host->cap_loads ? host->cap_loads * 2 : 8;
        host->loads = sg_xrealloc(host->loads, host->cap_loads * sizeof *host->loads);
    }
    host->loads[host->n_loads++] = hook;
    size_t at = sg_frame_begin(&host->out, SG_FRAME_LOAD);
    sg_buf_printf(&host->out, "{\"hook\":%u,\"language\":\"%s\",\"variables\":[%s],\"again\":%s,\"text\":", hook,
                  language, state ? "\"state\"" : "", again ? "true" : "false");
    sg_json_write_string(&host->out, text);
    sg_buf_ch(&host->out, '}');
    sg_frame_end(&host->out, at);
}

bool sg_host_has_room(const struct sg_host *host) {
    bool lives = host->state == SG_HOST_READY && !host->ended && !host->exited && !host->stream_ended;
    return lives && !host->returned && host->n_slots < host->window && host->out.n - host->written < BACKLOG;
}

/* The input goes where it is sent from; the state follows it by way of a buffer, as its author writes both at once. */
static void put_values(struct sg_host *host, struct sg_hook_call *call, enum sg_hook_args args) {
    struct sg_buf *out = &host->out, *values = &host->values;
    sg_put_u32(out, 0);
    size_t input = out->n;
    call->write(call, out, values);
    sg_set_u32(out, input - 4, (uint32_t)(out->n - input));
    if (args == SG_HOOK_INPUT_AND_STATE) sg_buf_str(out, sg_buf_view(values));
    if (values->failed) out->failed = true;
    sg_buf_reset(values, KEEP);
}

int sg_host_send(struct sg_host *host, struct sg_hook_call *call, enum sg_hook_args args, struct sg_err *err) {
    SG_ASSERT(host->n_slots < SG_HOST_SLOTS);
    size_t at = sg_frame_begin(&host->out, SG_FRAME_CALL);
    host->out.max = at + MAX_INPUT;
    sg_put_u64(&host->out, call->id_);
    sg_put_u32(&host->out, (uint32_t)call->hook);
    put_values(host, call, args);
    host->out.max = SIZE_MAX / 2;
    if (host->out.failed) {
        sg_frame_drop(&host->out, at);
        return sg_fail(err, SG_E_LIMIT, "the input of a hook is larger than %zu MB", MAX_INPUT >> 20);
    }
    sg_frame_end(&host->out, at);
    bool first = host->n_slots == 0 || !host->serial;
    host->slots[host->n_slots++] =
        (struct sg_host_slot){.call = call, .id = call->id_, .since_ns = first ? now_ns(host) : 0};
    return 0;
}

/* A broken socket is told by its end, so a failure of writing needs no answer here. */
void sg_host_flush(struct sg_host *host) {
    size_t left = host->out.n - host->written;
    if (left && !host->stream_ended) {
        ssize_t n = sg_stream_write(host->stream, host->out.p + host->written, left);
        host->written += n < 0 ? left : (size_t)n;
    }
    if (host->written == host->out.n) {
        sg_buf_reset(&host->out, KEEP);
        host->written = 0;
    }
    watch_time(host);
}

void sg_host_forget(struct sg_host *host, struct sg_hook_call *call) {
    for (uint32_t i = 0; i < host->n_slots; i++) {
        if (host->slots[i].call != call) continue;
        host->slots[i].call = NULL;
        size_t at = sg_frame_begin(&host->out, SG_FRAME_CANCEL);
        sg_put_u64(&host->out, host->slots[i].id);
        sg_frame_end(&host->out, at);
    }
}
