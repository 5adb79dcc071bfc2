/* SPDX-License-Identifier: Apache-2.0 */
/* host: the engine's end of one socket.
 *
 * Deadlines: one lazy timer: it is armed while something is awaited, and looks when it fires. Starting and each load
 * may take start_ms. A call's time begins when it is the first without answer (serial host), when it is first seen in the
 * work page, or, where there is none, when it is sent.
 * A host that is held up gives back what it has not begun, so that one hanging program holds up one record and not a
 * window full of them: a serial one that is at its first call for SLOW_MS, one with a page that has answered nothing and
 * not begun a call for STUCK_MS. The host is told to skip those calls, and their slots stay taken until it has said so.
 * One that neither answers nor is at work for the time of a call is ended.
 * The end of a host is seen twice, as the end of its socket (after its last answer) and as the exit of its process
 * (which says how): it has ended when both came. blame.c says whose fault that is.
 * Size: a host that tells its size is asked for nothing more when it has passed most_resident, and is ended at twice
 * that; what it held before its first call (a model that a module loads) counts half. */
#include "hooks/host.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define SLOW_MS 100
#define STUCK_MS 1000
/* Between two looks into the page, or an eighth of the deadline. */
#define LOOK_MS 500
/* Between exit and the end of the socket, in whichever order. Only a grandchild that holds the socket, or a host that
 * closed it and goes on, can make that long. */
#define LINGER_MS 500
/* Bytes not written yet that stop the sending of more calls. */
#define BACKLOG ((size_t)256 << 10)
/* The same of figures and events, which nobody waits for. */
#define NEWS_BACKLOG ((size_t)16 << 20)
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

static void end_if_gone(struct sg_host *host) {
    struct sg_err why;
    bool gone = host->stream_ended && (host->exited || !host->process);
    if (!gone) return;
    if (host->signal == SIGKILL && !host->killed) sg_blame_for_kill(host);
    else sg_blame_for_death(host);
    sg_blame_explain(host, &why);
    end(host, &why);
}

static void break_off(struct sg_host *host, const char *what) {
    struct sg_err why;
    sg_blame_for_death(host);
    sg_fail(&why, SG_E_HOST, "its host broke the protocol: %s", what);
    end(host, &why);
}

/* ---- slots: in use as bits, in the order of sending as a list ---- */

static struct sg_host_slot *first_slot(struct sg_host *host) {
    return host->n_slots ? &host->slots[host->first] : NULL;
}

static struct sg_host_slot *take_slot(struct sg_host *host) {
    uint8_t i = (uint8_t)__builtin_ctzll(~host->used);
    struct sg_host_slot *slot = &host->slots[i];
    *slot = (struct sg_host_slot){.id = ++host->sends * SG_HOST_SLOTS + i, .prev = host->last, .next = SG_HOST_NO_SLOT};
    slot->sent_ns = now_ns(host);
    if (host->n_slots++ == 0) {
        host->first = i;
        host->answered_ns = host->looked_ns = slot->sent_ns;
    } else {
        host->slots[host->last].next = i;
    }
    host->last = i;
    host->used |= (uint64_t)1 << i;
    return slot;
}

static void free_slot(struct sg_host *host, struct sg_host_slot *slot) {
    bool was_first = slot == first_slot(host);
    if (slot->prev == SG_HOST_NO_SLOT) host->first = slot->next;
    else host->slots[slot->prev].next = slot->next;
    if (slot->next == SG_HOST_NO_SLOT) host->last = slot->prev;
    else host->slots[slot->next].prev = slot->prev;
    host->used &= ~((uint64_t)1 << (slot - host->slots));
    host->n_slots--;
    if (host->serial && !was_first) return;
    host->returned = false;
    host->answered_ns = now_ns(host);
    if (host->serial && host->n_slots) first_slot(host)->since_ns = host->answered_ns;
}

static struct sg_host_slot *find_slot(struct sg_host *host, uint64_t id) {
    uint32_t i = (uint32_t)(id % SG_HOST_SLOTS);
    return host->used >> i & 1 && host->slots[i].id == id ? &host->slots[i] : NULL;
}

/* ---- time ---- */

static uint32_t slow_ms(const struct sg_host *host) {
    uint32_t deadline = host->how->deadline_ms;
    return deadline < 2 * SLOW_MS ? deadline / 2 : SLOW_MS;
}

static uint64_t look_every_ns(const struct sg_host *host) {
    uint64_t every = SG_MS(host->how->deadline_ms) / 8;
    return every < SG_MS(LOOK_MS) ? every : SG_MS(LOOK_MS);
}

bool sg_host_is_overdue(const struct sg_host *host, const struct sg_host_slot *slot, uint64_t now) {
    return !slot->endless && slot->since_ns && now - slot->since_ns >= SG_MS(host->how->deadline_ms);
}

/* Of a serial host, which is at its first call. */
static bool may_return(const struct sg_host *host) {
    return !host->returned && host->n_slots > 1;
}

static uint64_t serial_due_ns(struct sg_host *host) {
    const struct sg_host_slot *slot = first_slot(host);
    if (may_return(host)) return slot->since_ns + SG_MS(slow_ms(host));
    return slot->endless ? 0 : slot->since_ns + SG_MS(host->how->deadline_ms);
}

/* When to look next; 0: nothing is awaited. */
static uint64_t due_ns(struct sg_host *host) {
    if (host->killed) return 0;
    if (host->exited || host->stream_ended) return host->since_ns + SG_MS(LINGER_MS);
    if (host->state < SG_HOST_READY) return host->since_ns + SG_MS(host->how->start_ms);
    if (host->n_slots == 0) return 0;
    return host->serial ? serial_due_ns(host) : host->looked_ns + look_every_ns(host);
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

static bool may_move(struct sg_host *host, const struct sg_host_slot *slot) {
    if (!slot->call || slot->call->once) return false;
    if (host->serial) return slot != first_slot(host);
    return !slot->since_ns && now_ns(host) - slot->sent_ns >= SG_MS(STUCK_MS);
}

/* The pool puts each before what waits. */
static void give_back(struct sg_host *host) {
    for (uint8_t i = host->last; i != SG_HOST_NO_SLOT; i = host->slots[i].prev) {
        struct sg_hook_call *call = host->slots[i].call;
        if (!may_move(host, &host->slots[i])) continue;
        host->returned = true;
        sg_host_forget(host, call);
        host->how->ev->on_return(host, call);
    }
    host->returned |= host->serial;
    sg_host_flush(host);
}

static void say_late(const struct sg_host *host, struct sg_err *why) {
    uint32_t limit = host->how->deadline_ms;
    if (limit % 1000) sg_fail(why, SG_E_TIMEOUT, "the %s ran longer than %u ms", host->how->noun, limit);
    else sg_fail(why, SG_E_TIMEOUT, "the %s ran longer than %u s", host->how->noun, limit / 1000);
}

/* A host that is not ours to kill is left alone: only its calls fail. */
static void fail_overdue(struct sg_host *host, const struct sg_err *why) {
    uint64_t now = now_ns(host);
    for (uint8_t i = host->first, next; i != SG_HOST_NO_SLOT && !host->ended; i = next) {
        struct sg_host_slot *slot = &host->slots[i];
        struct sg_hook_call *call = slot->call;
        next = slot->next;
        if (!call || !sg_host_is_overdue(host, slot, now)) continue;
        sg_host_forget(host, call);
        host->how->ev->on_overdue(host, call, why);
    }
    if (!host->ended) sg_host_flush(host);
}

static void end_overdue(struct sg_host *host) {
    struct sg_err why;
    say_late(host, &why);
    if (!host->process) {
        fail_overdue(host, &why);
        return;
    }
    sg_blame_for_time(host, now_ns(host));
    end(host, &why);
}

static void end_mute(struct sg_host *host) {
    struct sg_err why;
    sg_fail(&why, SG_E_HOST, "its host said nothing for %u s", host->how->start_ms / 1000);
    end(host, &why);
}

static void end_stuck(struct sg_host *host) {
    struct sg_err why;
    sg_blame_for_death(host);
    sg_fail(&why, SG_E_TIMEOUT, "its host has begun no call for %.1f s", host->how->deadline_ms / 1000.0);
    end(host, &why);
}

/* What has begun since the last look. True: a call is over its deadline. */
static bool note_begun(struct sg_host *host, uint64_t bits) {
    uint64_t now = host->looked_ns;
    bool overdue = false;
    for (uint8_t i = host->first; i != SG_HOST_NO_SLOT; i = host->slots[i].next) {
        struct sg_host_slot *slot = &host->slots[i];
        if (!slot->since_ns && bits >> i & 1) slot->since_ns = now;
        overdue |= sg_host_is_overdue(host, slot, now);
    }
    return overdue;
}

static void look(struct sg_host *host) {
    uint64_t bits = sg_blame_at_work(host);
    host->looked_ns = now_ns(host);
    uint64_t silent = host->looked_ns - host->answered_ns;
    if (note_begun(host, bits)) end_overdue(host);
    else if (bits == 0 && silent >= SG_MS(host->how->deadline_ms)) end_stuck(host);
    else if (silent >= SG_MS(STUCK_MS) && !host->returned) give_back(host);
    if (!host->ended) watch_time(host);
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
    } else if (host->state < SG_HOST_READY) {
        end_mute(host);
    } else if (!host->serial) {
        look(host);
    } else if (may_return(host)) {
        give_back(host);
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

static bool is_true(const struct sg_json *object, struct sg_str key) {
    const struct sg_json *v = sg_json_get(object, key);
    return v && v->type == SG_JSON_TRUE;
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
        break_off(host, "no hello of version 2");
        return;
    }
    int64_t window = int_of(hello, SG_STR("window"), 1);
    host->serial = is_true(hello, SG_STR("serial"));
    host->shows_work = is_true(hello, SG_STR("work"));
    host->wants[SG_NEWS_FIGURES] = is_true(hello, SG_STR("figures"));
    host->wants[SG_NEWS_EVENTS] = is_true(hello, SG_STR("events"));
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
    host->how->ev->on_loaded(host, (uint32_t)hook, answer, f->kind == SG_FRAME_REFUSED);
    if (!host->ended) load_step(host);
}

/* A serial host answers its calls in their order. */
static void on_answer(struct sg_host *host, const struct sg_frame *f) {
    struct sg_answer_frame answer;
    struct sg_host_slot *slot = sg_frame_read_answer(f, &answer) ? find_slot(host, answer.id) : NULL;
    if (!slot || (host->serial && slot != first_slot(host))) {
        break_off(host, "an answer to no call");
        return;
    }
    struct sg_hook_call *call = slot->call;
    free_slot(host, slot);
    if (call) host->how->ev->on_answer(host, call, &answer, f->kind == SG_FRAME_RESULT);
    else host->how->ev->on_ready(host);
}

/* The last line that is not blank, for the day when the host ends. */
static void keep_words(struct sg_host *host, struct sg_str text) {
    struct sg_str s = sg_str_trim(text);
    const char *end = s.n ? memrchr(s.p, '\n', s.n) : NULL;
    if (end) s = (struct sg_str){end + 1, s.n - (size_t)(end + 1 - s.p)};
    if (s.n) snprintf(host->words, sizeof host->words, "%.*s", SG_ARG(s));
}

static void on_print(struct sg_host *host, const struct sg_frame *f) {
    struct sg_answer_frame print;
    if (!sg_frame_read_answer(f, &print)) {
        break_off(host, "a print without a call's number");
        return;
    }
    const struct sg_host_slot *slot = find_slot(host, print.id);
    if (print.id == 0) keep_words(host, print.body);
    host->how->ev->on_print(host, slot ? slot->call : NULL, print.body);
}

static uint64_t most_resident(const struct sg_host *host) {
    uint64_t wished = host->how->most_resident, begun = 2 * host->resident_at_first;
    return wished > begun ? wished : begun;
}

static void on_memory(struct sg_host *host, const struct sg_frame *f) {
    struct sg_answer_frame memory;
    struct sg_err why;
    if (!sg_frame_read_answer(f, &memory)) {
        break_off(host, "a size without a number");
        return;
    }
    host->resident = memory.id;
    if (host->sends == 0) host->resident_at_first = memory.id;
    uint64_t most = host->how->most_resident ? most_resident(host) : UINT64_MAX / 2;
    host->retiring |= host->resident > most;
    host->how->ev->on_memory(host);
    if (host->ended || host->resident <= 2 * most) return;
    sg_blame_for_death(host);
    sg_fail(&why, SG_E_HOST, "its host held more than %llu MB (twice --host_memory)", (unsigned long long)most >> 19);
    end(host, &why);
}

static void on_frame(struct sg_host *host, const struct sg_frame *f) {
    switch (f->kind) {
    case SG_FRAME_READY: on_hello(host, f); break;
    case SG_FRAME_LOADED:
    case SG_FRAME_REFUSED: on_load_answer(host, f); break;
    case SG_FRAME_RESULT:
    case SG_FRAME_ERROR: on_answer(host, f); break;
    case SG_FRAME_PRINT: on_print(host, f); break;
    case SG_FRAME_MEMORY: on_memory(host, f); break;
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

/* ---- life ---- */

static int start_process(struct sg_host *host, struct sg_err *err) {
    const struct sg_host_setup *how = host->how;
    struct sg_spawn spawn = {.file = how->file, .argv = how->argv, .env = how->env, .on_exit = on_exit_of, .ud = host};
    if (how->page) spawn.page_bytes = sizeof(struct sg_work_page);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* they map terabytes: the deadline must do */
    spawn.memory_limit = how->memory_limit;
#endif
    return sg_process_start(how->loop, &spawn, &STREAM_EVENTS, host, &host->process, &host->stream, err);
}

static struct sg_host *make_host(const struct sg_host_setup *how) {
    struct sg_host *host = sg_xcalloc(1, sizeof *host);
    host->how = how;
    host->ud = how->ud;
    host->out = SG_BUF_INIT(SIZE_MAX / 2);
    host->values = SG_BUF_INIT(MAX_INPUT);
    host->timer = (struct sg_timer){.on_fire = on_timer, .ud = host};
    host->window = 1;
    host->first = host->last = SG_HOST_NO_SLOT;
    sg_arena_init(&host->arena, 0);
    sg_frames_init(&host->in, (uint32_t)(how->result_bytes + SMALL_FRAME));
    return host;
}

static void greet(struct sg_host *host) {
    size_t at = sg_frame_begin(&host->out, SG_FRAME_HELLO);
    sg_buf_str(&host->out, host->how->hello);
    sg_frame_end(&host->out, at);
    host->since_ns = now_ns(host);
    watch_time(host);
}

int sg_host_start(const struct sg_host_setup *how, struct sg_host **out, struct sg_err *err) {
    struct sg_host *host = make_host(how);
    if (start_process(host, err) != 0) {
        release(host);
        return sg_err_wrap(err, SG_E_HOST, "no host");
    }
    host->pid = sg_process_id(host->process);
    greet(host);
    *out = host;
    return 0;
}

/* No other process shall hold the socket open. */
static bool is_socket(int fd) {
    struct stat info;
    return fstat(fd, &info) == 0 && S_ISSOCK(info.st_mode) && fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

int sg_host_attach(const struct sg_host_setup *how, int fd, struct sg_host **out, struct sg_err *err) {
    struct sg_host *host = make_host(how);
    if (!is_socket(fd) || sg_stream_wrap(how->loop, fd, &STREAM_EVENTS, host, &host->stream) != 0) {
        release(host);
        return sg_fail(err, SG_E_HOST, "no host: descriptor %d is no socket to a process that serves hooks", fd);
    }
    greet(host);
    *out = host;
    return 0;
}

/* ---- asking ---- */

void sg_host_load(struct sg_host *host, const struct sg_host_hook *hook, bool again) {
    SG_ASSERT(host->state == SG_HOST_STARTING);
    if (host->n_loads == host->cap_loads) {
        host->cap_loads = host->cap_loads ? host->cap_loads * 2 : 8;
        host->loads = sg_xrealloc(host->loads, host->cap_loads * sizeof *host->loads);
    }
    host->loads[host->n_loads++] = hook->number;
    size_t at = sg_frame_begin(&host->out, SG_FRAME_LOAD);
    sg_buf_printf(&host->out, "{\"hook\":%u,\"again\":%s,", hook->number, again ? "true" : "false");
    sg_buf_str(&host->out, hook->load);
    sg_frame_end(&host->out, at);
}

bool sg_host_has_room(const struct sg_host *host) {
    bool lives = host->state == SG_HOST_READY && !host->ended && !host->exited && !host->stream_ended;
    bool takes = !host->returned && !host->retiring && !host->alone;
    return lives && takes && host->n_slots < host->window && host->out.n - host->written < BACKLOG;
}

/* The input goes where it is sent from; the state follows it by way of a buffer, as its author writes both at once. */
static void put_values(struct sg_host *host, struct sg_hook_call *call) {
    struct sg_buf *out = &host->out, *values = &host->values;
    sg_put_u32(out, 0);
    size_t input = out->n;
    call->write(call, out, values);
    sg_set_u32(out, input - 4, (uint32_t)(out->n - input));
    sg_buf_str(out, sg_buf_view(values));
    if (values->failed) out->failed = true;
    sg_buf_reset(values, KEEP);
}

int sg_host_send(struct sg_host *host, struct sg_hook_call *call, struct sg_err *err) {
    SG_ASSERT(host->n_slots < SG_HOST_SLOTS);
    bool begins = host->serial ? host->n_slots == 0 : !sg_blame_has_page(host);
    struct sg_host_slot *slot = take_slot(host);
    size_t at = sg_frame_begin(&host->out, SG_FRAME_CALL);
    host->out.max = at + MAX_INPUT;
    sg_put_u64(&host->out, slot->id);
    sg_put_u32(&host->out, (uint32_t)call->hook);
    sg_put_u64(&host->out, call->seed);
    put_values(host, call);
    host->out.max = SIZE_MAX / 2;
    if (host->out.failed) {
        sg_frame_drop(&host->out, at);
        free_slot(host, slot);
        return sg_fail(err, SG_E_LIMIT, "the input of a hook is larger than %zu MB", MAX_INPUT >> 20);
    }
    sg_frame_end(&host->out, at);
    slot->call = call;
    slot->endless = call->no_deadline;
    slot->since_ns = begins ? slot->sent_ns : 0;
    call->id_ = slot->id;
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
    struct sg_host_slot *slot = find_slot(host, call->id_);
    if (!slot || slot->call != call) return;
    slot->call = NULL;
    size_t at = sg_frame_begin_answer(&host->out, SG_FRAME_CANCEL, slot->id, 0);
    sg_frame_end(&host->out, at);
}

static void put_news(struct sg_host *host, enum sg_frame_kind kind, struct sg_str json) {
    size_t at = sg_frame_begin(&host->out, kind);
    sg_buf_str(&host->out, json);
    sg_frame_end(&host->out, at);
}

void sg_host_tell(struct sg_host *host, enum sg_hook_news news, struct sg_str json) {
    char lost[64];
    if (host->state < SG_HOST_READY || !host->wants[news]) return;
    if (host->out.n - host->written > NEWS_BACKLOG) {
        host->lost_news += news == SG_NEWS_EVENTS;
        return;
    }
    if (host->lost_news && news == SG_NEWS_EVENTS) {
        int n = snprintf(lost, sizeof lost, "{\"event\":\"lost\",\"n\":%llu}", (unsigned long long)host->lost_news);
        put_news(host, SG_FRAME_EVENT, (struct sg_str){lost, (size_t)n});
        host->lost_news = 0;
    }
    put_news(host, news == SG_NEWS_EVENTS ? SG_FRAME_EVENT : SG_FRAME_FIGURES, json);
    sg_host_flush(host);
}
