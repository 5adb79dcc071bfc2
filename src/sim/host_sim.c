/* SPDX-License-Identifier: Apache-2.0 */
/* host_sim: processes. Whatever the engine starts is a hook host that speaks hooks/frame.h and knows the world's programs by
 * their text; a text that it does not know is refused as a program that does not compile.
 *
 * A host takes a while to start, computes one call after the other, and writes answers at once or when it has nothing else
 * to do. Its death is seen twice, as the end of the socket and as the exit of the process, in whichever order; bytes that it
 * had not written yet are lost, the last ones in the middle of a frame.
 * A host that has a work page mostly keeps it, as hosts with threads do.
 * Kills from outside are few (options.host_kills a life), because the engine blames a call that was at work in two of them.
 *
 * Memory: a process and its host are one, freed by sg_process_close. */
#include "hooks/frame.h"
#include "sim/parts.h"

#include <signal.h>
#include <stdlib.h>

#define FIRST_PID 5000
#define START_LOW_NS SG_MS(1)
#define START_HIGH_NS SG_MS(200)
#define CALL_LOW_NS 10000
#define CALL_HIGH_NS SG_MS(5)
/* Behind the engine's patience with a window of calls (100 ms), before its deadline for one (10 s). Only serial hosts are slow:
 * others promise to begin each call at once, and here they do so one after the other. */
#define SLOW_LOW_NS SG_MS(50)
#define SLOW_HIGH_NS SG_MS(3000)
#define MAX_WINDOW 64

struct call {
    struct call *next;
    uint64_t id;
    uint32_t hook;
    bool canceled;
    size_t input_n, state_n;
    char bytes[]; /* input, state */
};

struct sim_process {
    struct sg_process base;
    uint64_t number;
    void (*on_exit)(void *ud, int exit_status, int signal);
    void *exit_ud;
    int exit_status, signal;
    struct sg_sim_plan start, work, exit;
    struct sg_stream *stream; /* its end of the socket; NULL: dead */
    struct sg_frames in;
    struct sg_buf out;
    struct sg_arena arena;
    const struct sg_sim_program **programs; /* by number of the hook */
    size_t n_programs;
    struct call *calls, **calls_end;
    bool serial, gathers, hangs, shows_work;
    uint32_t window;
};

static struct sg_sim_loop *loop_of(const struct sim_process *p) {
    return sg_sim_loop_of(p->base.loop);
}

/* --- the end ------------------------------------------------------------------------------------------------------ */

static void drop_calls(struct sim_process *p) {
    while (p->calls) {
        struct call *c = p->calls;
        p->calls = c->next;
        free(c);
    }
    p->calls_end = &p->calls;
}

static void end(struct sim_process *p, int exit_status, int sig) {
    struct sg_sim_loop *l = loop_of(p);
    if (!p->stream) return;
    if (p->out.n) sg_stream_write(p->stream, p->out.p, sg_sim_below(l->sim, p->out.n));
    sg_stream_close(p->stream);
    p->stream = NULL;
    sg_sim_unplan(l, &p->start);
    sg_sim_unplan(l, &p->work);
    drop_calls(p);
    p->exit_status = exit_status;
    p->signal = sig;
    sg_sim_after(l, &p->exit, sg_sim_spread(l->sim, 1000, SG_MS(5)));
}

static void on_exit_time(struct sg_sim_plan *plan) {
    struct sim_process *p = plan->ud;
    p->on_exit(p->exit_ud, p->exit_status, p->signal);
}

/* --- answers ------------------------------------------------------------------------------------------------------ */

static void flush(struct sim_process *p) {
    ssize_t n = p->out.n ? sg_stream_write(p->stream, p->out.p, p->out.n) : 0;
    if (n < 0) end(p, 0, 0); /* the engine is gone */
    else if (n > 0) sg_buf_drop(&p->out, (size_t)n);
}

static void put_error(struct sim_process *p, uint64_t id, enum sg_frame_fault fault, struct sg_str text) {
    size_t at = sg_frame_begin_answer(&p->out, SG_FRAME_ERROR, id, (uint8_t)fault);
    sg_buf_str(&p->out, text);
    sg_frame_end_body(&p->out, at);
    sg_frame_end(&p->out, at);
}

static void put_hello(struct sim_process *p) {
    size_t at = sg_frame_begin(&p->out, SG_FRAME_READY);
    sg_buf_printf(&p->out, "{\"sygra_hooks\":%d,\"host\":\"sim\",\"pid\":%d,\"serial\":%s,\"window\":%u,\"work\":%s}",
                  SG_HOOK_PROTOCOL, sg_sim_process_id(&p->base), p->serial ? "true" : "false", p->window,
                  p->shows_work ? "true" : "false");
    sg_frame_end(&p->out, at);
}

static void put_load_answer(struct sim_process *p, int64_t hook, bool known) {
    size_t at = sg_frame_begin(&p->out, known ? SG_FRAME_LOADED : SG_FRAME_REFUSED);
    sg_buf_printf(&p->out, "{\"hook\":%lld,%s}", (long long)hook,
                  known ? "\"description\":{}" : "\"message\":\"the simulator knows no such program\"");
    sg_frame_end(&p->out, at);
}

/* --- work --------------------------------------------------------------------------------------------------------- */

static void plan_work(struct sim_process *p) {
    struct sg_sim_loop *l = loop_of(p);
    if (!p->calls || p->work.slot || p->hangs) return;
    bool slow = p->serial && sg_sim_hit(l->sim, SG_SIM_slow_job);
    uint64_t took =
        slow ? sg_sim_spread(l->sim, SLOW_LOW_NS, SLOW_HIGH_NS) : sg_sim_spread(l->sim, CALL_LOW_NS, CALL_HIGH_NS);
    sg_sim_after(l, &p->work, took);
}

static void compute(struct sim_process *p, const struct call *c) {
    struct sg_json input, state;
    struct sg_buf result = SG_BUF_INIT(SIZE_MAX / 2);
    const struct sg_sim_program *program = c->hook < p->n_programs ? p->programs[c->hook] : NULL;
    bool has_state = c->state_n > 0;
    SG_ASSERT(program);
    SG_ASSERT(sg_json_parse(&p->arena, (struct sg_str){c->bytes, c->input_n}, &input, NULL, NULL) == 0);
    if (has_state)
        SG_ASSERT(sg_json_parse(&p->arena, (struct sg_str){c->bytes + c->input_n, c->state_n}, &state, NULL, NULL) ==
                  0);
    if (program->run(&p->arena, &input, has_state ? &state : NULL, &result)) {
        size_t at = sg_frame_begin_answer(&p->out, SG_FRAME_RESULT, c->id, 0);
        sg_buf_str(&p->out, sg_buf_view(&result));
        sg_frame_end_body(&p->out, at);
        if (program->effects) program->effects(&input, &p->out);
        sg_frame_end(&p->out, at);
    } else {
        put_error(p, c->id, SG_FAULT_RAISED, sg_buf_view(&result));
    }
    sg_buf_fini(&result);
    sg_arena_reset(&p->arena);
}

/* What the engine will read when this host dies: the call at work, and sometimes one more, as if two threads were. */
static void show_work(struct sim_process *p) {
    struct sg_work_page *page = p->base.page;
    const struct call *second = p->calls->next;
    if (!p->shows_work) return;
    page->at_work[0] = p->calls->id;
    page->at_work[1] = second && sg_sim_below(loop_of(p)->sim, 2) ? second->id : 0;
}

/* Something goes wrong at this call: true when it has. */
static bool go_wrong(struct sim_process *p) {
    struct sg_sim *w = loop_of(p)->sim;
    show_work(p);
    if (w->kills_left && sg_sim_hit(w, SG_SIM_host_kill)) {
        w->kills_left--;
        end(p, 0, SIGKILL);
    } else if (sg_sim_hit(w, SG_SIM_host_crash)) {
        end(p, 0, SIGSEGV);
    } else if (sg_sim_hit(w, SG_SIM_host_hang)) {
        p->hangs = true;
    } else if (sg_sim_hit(w, SG_SIM_host_noise)) {
        SG_BUF_LIT(&p->out, "\5\0\0\0?noise");
        flush(p);
    } else {
        return false;
    }
    return true;
}

static void on_work(struct sg_sim_plan *plan) {
    struct sim_process *p = plan->ud;
    struct call *c = p->calls;
    if (go_wrong(p)) return;
    p->calls = c->next;
    if (!p->calls) p->calls_end = &p->calls;
    if (c->canceled) put_error(p, c->id, SG_FAULT_CANCELED, SG_STR("canceled"));
    else compute(p, c);
    free(c);
    if (!p->gathers || !p->calls) flush(p);
    if (p->stream) plan_work(p);
}

/* --- questions ---------------------------------------------------------------------------------------------------- */

static void on_load(struct sim_process *p, const struct sg_frame *f) {
    const struct sg_sim_options *o = &loop_of(p)->sim->o;
    struct sg_json load;
    int64_t hook = -1;
    SG_ASSERT(sg_json_parse(&p->arena, f->payload, &load, NULL, NULL) == 0);
    const struct sg_json *number = sg_json_get(&load, SG_STR("hook")), *text = sg_json_get(&load, SG_STR("text"));
    SG_ASSERT(number && text && sg_json_to_i64(number, &hook) && hook >= (int64_t)p->n_programs);
    const struct sg_sim_program *found = NULL;
    for (size_t i = 0; i < o->n_programs; i++)
        if (sg_json_is_text(text, sg_str(o->programs[i].text))) found = &o->programs[i];
    p->programs = sg_xrealloc(p->programs, ((size_t)hook + 1) * sizeof(const struct sg_sim_program *));
    while (p->n_programs <= (size_t)hook) p->programs[p->n_programs++] = NULL;
    p->programs[hook] = found;
    put_load_answer(p, hook, found != NULL);
}

static void on_call(struct sim_process *p, const struct sg_frame *f) {
    struct sg_call_frame call;
    SG_ASSERT(sg_frame_read_call(f, &call));
    struct call *c = sg_xmalloc(sizeof *c + call.input.n + call.state.n);
    *c = (struct call){.id = call.id, .hook = call.hook, .input_n = call.input.n, .state_n = call.state.n};
    memcpy(c->bytes, call.input.p, call.input.n);
    if (call.state.n) memcpy(c->bytes + call.input.n, call.state.p, call.state.n);
    *p->calls_end = c;
    p->calls_end = &c->next;
}

static void on_cancel(struct sim_process *p, const struct sg_frame *f) {
    struct sg_answer_frame cancel;
    SG_ASSERT(sg_frame_read_answer(f, &cancel));
    for (struct call *c = p->calls; c; c = c->next) c->canceled |= c->id == cancel.id;
}

static void on_frame(struct sim_process *p, const struct sg_frame *f) {
    switch (f->kind) {
    case SG_FRAME_HELLO:
        put_hello(p);
        break;
    case SG_FRAME_LOAD:
        on_load(p, f);
        break;
    case SG_FRAME_CALL:
        on_call(p, f);
        break;
    case SG_FRAME_CANCEL:
        on_cancel(p, f);
        break;
    default:
        SG_ASSERT(!"a frame that no host understands");
    }
    sg_arena_reset(&p->arena);
}

static void on_data(void *ud, const char *bytes, size_t n, int status) {
    struct sim_process *p = ud;
    struct sg_frame f;
    if (status || n == 0) {
        end(p, 0, 0);
        return;
    }
    sg_frames_feed(&p->in, bytes, n);
    while (sg_frames_next(&p->in, &f) > 0) on_frame(p, &f);
    flush(p);
    if (p->stream) plan_work(p);
}

static void on_room(void *ud) {
    flush(ud);
}

static const struct sg_stream_events HOST_EVENTS = {.on_data = on_data, .on_room = on_room};

/* --- processes ---------------------------------------------------------------------------------------------------- */

static void on_started(struct sg_sim_plan *plan) {
    struct sim_process *p = plan->ud;
    sg_stream_pause(p->stream, false);
}

static struct sim_process *new_process(struct sg_sim_loop *l, const struct sg_spawn *how) {
    struct sim_process *p = sg_xcalloc(1, sizeof *p);
    p->base.loop = &l->base;
    p->number = ++l->objects;
    p->on_exit = how->on_exit;
    p->exit_ud = how->ud;
    p->serial = sg_sim_below(l->sim, 4) > 0;
    p->gathers = sg_sim_below(l->sim, 2);
    p->window = 1 + (uint32_t)sg_sim_below(l->sim, MAX_WINDOW);
    p->calls_end = &p->calls;
    p->out = SG_BUF_INIT(SIZE_MAX / 2);
    sg_frames_init(&p->in, UINT32_MAX);
    sg_arena_init(&p->arena, 0);
    p->start = (struct sg_sim_plan){.kind = "started", .object = p->number, .run = on_started, .ud = p};
    p->work = (struct sg_sim_plan){.kind = "work", .object = p->number, .run = on_work, .ud = p};
    p->exit = (struct sg_sim_plan){.kind = "exit", .object = p->number, .run = on_exit_time, .ud = p};
    l->processes++;
    return p;
}

int sg_sim_process_start(struct sg_loop *base, const struct sg_spawn *how, const struct sg_stream_events *ev,
                         void *stream_ud, struct sg_process **out, struct sg_stream **stream, struct sg_err *err) {
    (void)err;
    struct sg_sim_loop *l = sg_sim_loop_of(base);
    struct sim_process *p = new_process(l, how);
    struct sg_stream *ends[2];
    sg_sim_pair(l, ends);
    p->stream = ends[1];
    if (how->page_bytes) p->base.page = sg_xcalloc(1, how->page_bytes);
    p->shows_work = how->page_bytes && !p->serial && sg_sim_below(l->sim, 4) > 0;
    sg_stream_adopt(ends[0], ev, stream_ud);
    sg_stream_adopt(ends[1], &HOST_EVENTS, p);
    sg_stream_pause(p->stream, true);
    sg_sim_after(l, &p->start, sg_sim_spread(l->sim, START_LOW_NS, START_HIGH_NS));
    *out = &p->base;
    *stream = ends[0];
    return 0;
}

void sg_sim_process_kill(struct sg_process *base) {
    end((struct sim_process *)base, 0, SIGKILL);
}

int sg_sim_process_id(const struct sg_process *base) {
    return FIRST_PID + (int)((const struct sim_process *)base)->number;
}

void sg_sim_process_close(struct sg_process *base) {
    struct sim_process *p = (struct sim_process *)base;
    end(p, 0, SIGKILL);
    sg_sim_unplan(loop_of(p), &p->exit);
    loop_of(p)->processes--;
    sg_frames_fini(&p->in);
    sg_buf_fini(&p->out);
    sg_arena_fini(&p->arena);
    free(p->programs);
    free(p->base.page);
    free(p);
}
