/* SPDX-License-Identifier: Apache-2.0 */
/* host_jq: the built-in hook host: `sygra` started again, alone with a socket, running jq programs.
 *
 * One thread, blocking: read frames, run the calls in their order, write the answers. The host says `serial`: the
 * engine takes the first call without an answer for the one at work, and blames it when the host hangs or dies. So
 * that answers may still be gathered and written together, whatever ends or holds up the work writes what is finished
 * first:
 *   - a timer FLUSH_MS after the first unwritten answer (SIGALRM);
 *   - the handlers of the fatal signals (libjq's assertions, its out of memory, a stack too deep), on a stack of
 *     their own.
 * They see finished frames only, in a buffer that does not move while a program runs (`done`; the call at work has its
 * own, `work`), and do nothing but write(2).
 * Cancelling: after a call that took SLOW_NS the host looks what has come in the meantime, and skips the calls that
 * the engine has taken back. Short calls are not worth a look.
 * Fences: no environment, no modules (jq_program.c), no output but the socket, no core files; the engine sets the
 * limit of memory and of time. When the socket ends, so does the host. */
#include "hooks/hooks.h"

#include "hooks/frame.h"
#include "hooks/jq_program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define CHUNK ((size_t)64 << 10)
#define FLUSH_MS 2
/* Answers beyond this are written at once. */
#define FLUSH_BYTES ((size_t)64 << 10)
/* The thread sanitizer keeps back signals while a program runs. */
#ifdef __SANITIZE_THREAD__
#define FLUSH_ALWAYS 1
#else
#define FLUSH_ALWAYS 0
#endif
#define SLOW_NS 20000000
#define WINDOW 64
#define MAX_FRAME ((uint32_t)1 << 30)
#define RESULT_BYTES ((size_t)64 << 20)
#define MAX_PROGRAMS (1 << 16)
#define EXIT_PROTOCOL 2
#define SIGNAL_STACK ((size_t)64 << 10)

struct program {
    struct sg_str text; /* malloc'd */
    struct sg_str node; /* malloc'd: JSON that $node is, empty: it is not bound */
    bool state, known;
    struct sg_jq *jq; /* NULL: not compiled yet */
};

struct host {
    struct sg_frames in;
    struct sg_buf work;  /* frames of the call that runs */
    struct sg_arena arena; /* of one frame */
    char *chunk; /* CHUNK bytes for reading */
    struct program *programs;
    size_t n_programs;
    size_t result_bytes;
    double now;
    uint64_t call; /* that runs, for what it prints */
    uint64_t skip[WINDOW]; /* calls to come that nobody wants any more */
    size_t n_skip;
};

/* ---- finished frames, shared with signal handlers ---- */

static struct {
    struct sg_buf done;
    size_t written;
    int fd;
    volatile sig_atomic_t armed; /* the timer runs */
    volatile sig_atomic_t busy;  /* the buffer is being changed or written by the main line */
} outlet;

/* The engine is gone when a write fails: nothing is left to be done. */
static void write_all(const char *p, size_t n) {
    while (n > 0) {
        ssize_t taken = write(outlet.fd, p, n);
        if (taken < 0 && errno == EINTR) continue;
        if (taken <= 0) _exit(0);
        p += taken;
        n -= (size_t)taken;
    }
}

static void write_done(void) {
    write_all(outlet.done.p + outlet.written, outlet.done.n - outlet.written);
    outlet.written = outlet.done.n;
}

static void lock_outlet(void) {
    outlet.busy = 1;
    atomic_signal_fence(memory_order_seq_cst);
}

static void unlock_outlet(void) {
    atomic_signal_fence(memory_order_seq_cst);
    outlet.busy = 0;
}

static void on_signal(int sig) {
    int saved = errno;
    if (!outlet.busy) write_done();
    if (sig == SIGALRM) outlet.armed = 0;
    errno = saved;
}

static void on_no_memory(void *ud) {
    (void)ud;
    lock_outlet();
    write_done();
    _exit(SG_HOST_EXIT_MEMORY);
}

static void flush(void) {
    lock_outlet();
    write_done();
    sg_buf_reset(&outlet.done, FLUSH_BYTES * 4);
    outlet.written = 0;
    unlock_outlet();
}

static void arm_timer(void) {
    const struct itimerval once = {.it_value = {.tv_usec = FLUSH_MS * 1000}};
    outlet.armed = 1;
    setitimer(ITIMER_REAL, &once, NULL);
}

/* Whole frames, which may be written from now on. Large ones are not copied: memory may be short. */
static void hand_out(struct sg_str frames) {
    if (frames.n >= FLUSH_BYTES || FLUSH_ALWAYS) {
        flush();
        write_all(frames.p, frames.n);
        return;
    }
    lock_outlet();
    sg_buf_str(&outlet.done, frames);
    unlock_outlet();
    if (outlet.done.n >= FLUSH_BYTES) flush();
    else if (!outlet.armed) arm_timer();
}

static void commit(struct host *h) {
    hand_out(sg_buf_view(&h->work));
    sg_buf_reset(&h->work, (size_t)1 << 20);
}

/* ---- small frames ---- */

static void send_print(uint64_t id, struct sg_str text) {
    struct sg_buf b = SG_BUF_INIT(SIZE_MAX / 2);
    size_t at = sg_frame_begin_answer(&b, SG_FRAME_PRINT, id, 0);
    sg_buf_str(&b, text);
    sg_frame_end(&b, at);
    hand_out(sg_buf_view(&b));
    sg_buf_fini(&b);
}

static void on_print(void *ud, struct sg_str json) {
    struct host *h = ud;
    send_print(h->call, json);
}

static void put_error(struct host *h, uint64_t id, enum sg_frame_fault fault, const char *text) {
    size_t at = sg_frame_begin_answer(&h->work, SG_FRAME_ERROR, id, (uint8_t)fault);
    sg_buf_str(&h->work, sg_str(text));
    sg_frame_end_body(&h->work, at);
    sg_frame_end(&h->work, at);
}

/* Ends the host: the engine speaks another language. */
static int give_up(const char *why) {
    send_print(0, sg_str(why));
    flush();
    return EXIT_PROTOCOL;
}

/* ---- hello and load ---- */

static bool parse_object(struct host *h, const struct sg_frame *f, struct sg_json *out) {
    return sg_json_parse(&h->arena, f->payload, out, NULL, NULL) == 0 && out->type == SG_JSON_OBJECT;
}

static int64_t int_of(const struct sg_json *object, struct sg_str key, int64_t otherwise) {
    const struct sg_json *v = sg_json_get(object, key);
    int64_t n;
    return v && sg_json_to_i64(v, &n) ? n : otherwise;
}

static int on_hello(struct host *h, const struct sg_frame *f) {
    struct sg_json hello;
    if (!parse_object(h, f, &hello) || int_of(&hello, SG_STR("sygra_hooks"), 0) != SG_HOOK_PROTOCOL)
        return give_up("this host speaks version 2 of the hook protocol");
    h->result_bytes = (size_t)int_of(&hello, SG_STR("result_bytes"), RESULT_BYTES);
    const struct sg_json *now = sg_json_get(&hello, SG_STR("now"));
    if (now) sg_json_to_double(now, &h->now);
    size_t at = sg_frame_begin(&h->work, SG_FRAME_READY);
    sg_buf_printf(&h->work, "{\"sygra_hooks\":%d,\"host\":\"jq\",\"pid\":%d,\"serial\":true,\"window\":%d}",
                  SG_HOOK_PROTOCOL, (int)getpid(), WINDOW);
    sg_frame_end(&h->work, at);
    commit(h);
    return 0;
}

static int compile(struct host *h, struct program *p, struct sg_jq_fault *fault) {
    const struct sg_jq_setup how = {.state = p->state,
                                    .node = p->node,
                                    .now = h->now,
                                    .on_print = on_print,
                                    .on_no_memory = on_no_memory,
                                    .ud = h};
    return sg_jq_open(p->text, &how, &p->jq, fault);
}

static void put_load_answer(struct host *h, int64_t hook, const struct sg_jq_fault *fault) {
    size_t at = sg_frame_begin(&h->work, fault ? SG_FRAME_REFUSED : SG_FRAME_LOADED);
    sg_buf_printf(&h->work, "{\"hook\":%lld", (long long)hook);
    if (fault) {
        SG_BUF_LIT(&h->work, ",\"message\":");
        sg_json_write_string(&h->work, sg_str(fault->text));
        if (fault->line) sg_buf_printf(&h->work, ",\"line\":%u", fault->line);
        if (fault->column) sg_buf_printf(&h->work, ",\"column\":%u", fault->column);
    } else {
        SG_BUF_LIT(&h->work, ",\"description\":{}");
    }
    sg_buf_ch(&h->work, '}');
    sg_frame_end(&h->work, at);
    commit(h);
}

/* Numbers may have gaps: a program that some other host refused is not loaded again. */
static struct program *place_program(struct host *h, int64_t hook) {
    if (hook < (int64_t)h->n_programs || hook >= MAX_PROGRAMS) return NULL;
    h->programs = sg_xrealloc(h->programs, ((size_t)hook + 1) * sizeof *h->programs);
    while (h->n_programs <= (size_t)hook) h->programs[h->n_programs++] = (struct program){0};
    return &h->programs[hook];
}

static bool has_variable(const struct sg_json *load, struct sg_str name) {
    const struct sg_json *names = sg_json_get(load, SG_STR("variables"));
    for (uint32_t i = 0; names && names->type == SG_JSON_ARRAY && i < names->n; i++)
        if (sg_json_is_text(&names->items[i], name)) return true;
    return false;
}

static struct sg_str keep(struct sg_str s) {
    char *copy = sg_xmalloc(s.n + 1);
    memcpy(copy, s.p, s.n);
    return (struct sg_str){copy, s.n};
}

static int on_load(struct host *h, const struct sg_frame *f) {
    struct sg_json load;
    if (!parse_object(h, f, &load)) return give_up("a load is no JSON object");
    int64_t hook = int_of(&load, SG_STR("hook"), -1);
    const struct sg_json *text = sg_json_get(&load, SG_STR("text")), *again = sg_json_get(&load, SG_STR("again"));
    const struct sg_json *language = sg_json_get(&load, SG_STR("language"));
    struct program *p = place_program(h, hook);
    if (!p || !text || text->type != SG_JSON_STRING || !language || !sg_json_is_text(language, SG_STR("jq")))
        return give_up("a load has no number, text or language for this host");
    *p = (struct program){.text = keep(sg_json_text(text)), .state = has_variable(&load, SG_STR("state"))};
    const struct sg_json *node = sg_json_get(&load, SG_STR("config"));
    if (node && has_variable(&load, SG_STR("node"))) p->node = keep(sg_json_dump(&h->arena, node));
    /* It compiled before: not needed before its first call, and with luck never in this host. */
    bool later = again && again->type == SG_JSON_TRUE;
    struct sg_jq_fault fault;
    p->known = later || compile(h, p, &fault) == 0;
    put_load_answer(h, hook, p->known ? NULL : &fault);
    return 0;
}

/* ---- calls ---- */

static int read_values(struct host *h, const struct sg_call_frame *c, const struct program *p, struct sg_json *input,
                       struct sg_json *state, struct sg_err *err) {
    int rc = sg_json_parse(&h->arena, c->input, input, NULL, err);
    return rc == 0 && p->state ? sg_json_parse(&h->arena, c->state, state, NULL, err) : rc;
}

static void run_program(struct host *h, const struct sg_call_frame *c, struct program *p) {
    struct sg_json input, state;
    struct sg_err err;
    if (read_values(h, c, p, &input, &state, &err) != 0) {
        put_error(h, c->id, SG_FAULT_REQUEST, err.text);
        return;
    }
    size_t at = sg_frame_begin_answer(&h->work, SG_FRAME_RESULT, c->id, 0);
    h->work.max = h->work.n + h->result_bytes;
    int rc = sg_jq_run(p->jq, &input, p->state ? &state : NULL, &h->work, &err);
    h->work.max = SIZE_MAX / 2;
    if (rc == 0) {
        sg_frame_end_body(&h->work, at);
        sg_frame_end(&h->work, at);
        return;
    }
    sg_frame_drop(&h->work, at);
    put_error(h, c->id, rc == SG_E_LIMIT ? SG_FAULT_LIMIT : SG_FAULT_RAISED, err.text);
}

/* Reads what has come without waiting, and notes the cancelled calls among all frames that are there. */
static void look_ahead(struct host *h) {
    ssize_t n;
    while ((n = recv(outlet.fd, h->chunk, CHUNK, MSG_DONTWAIT)) > 0) sg_frames_feed(&h->in, h->chunk, (size_t)n);
    struct sg_frames ahead = h->in;
    struct sg_frame f;
    struct sg_answer_frame cancel;
    h->n_skip = 0;
    while (h->n_skip < WINDOW && sg_frames_next(&ahead, &f) > 0)
        if (f.kind == SG_FRAME_CANCEL && sg_frame_read_answer(&f, &cancel)) h->skip[h->n_skip++] = cancel.id;
}

static bool is_skipped(const struct host *h, uint64_t id) {
    for (size_t i = 0; i < h->n_skip; i++)
        if (h->skip[i] == id) return true;
    return false;
}

static int on_call(struct host *h, const struct sg_frame *f) {
    struct sg_call_frame c;
    struct sg_jq_fault fault;
    if (!sg_frame_read_call(f, &c)) return give_up("a call is too short");
    struct program *p = c.hook < h->n_programs && h->programs[c.hook].known ? &h->programs[c.hook] : NULL;
    uint64_t start = sg_os->now_ns();
    h->call = c.id;
    if (!p) put_error(h, c.id, SG_FAULT_REQUEST, "no such hook is loaded");
    else if (is_skipped(h, c.id)) put_error(h, c.id, SG_FAULT_CANCELED, "canceled");
    else if (!p->jq && compile(h, p, &fault) != 0) put_error(h, c.id, SG_FAULT_RAISED, fault.text);
    else run_program(h, &c, p);
    h->call = 0;
    commit(h);
    if (sg_os->now_ns() - start >= SLOW_NS) look_ahead(h);
    return 0;
}

static int on_frame(struct host *h, const struct sg_frame *f) {
    int rc = 0;
    switch (f->kind) {
    case SG_FRAME_HELLO: rc = on_hello(h, f); break;
    case SG_FRAME_LOAD: rc = on_load(h, f); break;
    case SG_FRAME_CALL: rc = on_call(h, f); break;
    case SG_FRAME_CANCEL: break; /* its call has run, or was skipped */
    default: rc = give_up("a frame of unknown kind");
    }
    sg_arena_reset(&h->arena);
    return rc;
}

/* ---- process ---- */

static void catch_signals(void) {
    static char stack[SIGNAL_STACK];
    static const int FATAL[] = {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL};
    const stack_t own = {.ss_sp = stack, .ss_size = sizeof stack};
    sigaltstack(&own, NULL);
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigfillset(&sa.sa_mask); /* one writer at a time */
    sigaction(SIGALRM, &sa, NULL);
    /* Once: the signal comes again behind the handler and ends the process as it would have. */
    sa.sa_flags = SA_RESETHAND | SA_ONSTACK;
    for (size_t i = 0; i < sizeof FATAL / sizeof *FATAL; i++) sigaction(FATAL[i], &sa, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void shut_off(void) {
    static char *nothing[] = {NULL};
    environ = nothing; /* not clearenv(): libjq 1.6 reads environ[0] */
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
#ifndef __SANITIZE_ADDRESS__ /* the leak checker traces its own process, and its report goes to stderr */
    prctl(PR_SET_DUMPABLE, 0); /* a core_pattern that is a pipe ignores RLIMIT_CORE */
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null >= 0) dup2(null, 1), dup2(null, 2), close(null);
#endif
}

static int serve(struct host *h) {
    struct sg_frame f;
    int rc = 0, failed = 0;
    for (;;) {
        while (!failed && (rc = sg_frames_next(&h->in, &f)) > 0) failed = on_frame(h, &f);
        if (failed) return failed;
        if (rc < 0) return give_up("a frame's length is wrong");
        flush();
        ssize_t n = read(outlet.fd, h->chunk, CHUNK);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return 0;
        sg_frames_feed(&h->in, h->chunk, (size_t)n);
    }
}

static void fini(struct host *h) {
    for (size_t i = 0; i < h->n_programs; i++) {
        sg_jq_close(h->programs[i].jq);
        free((char *)h->programs[i].text.p);
        free((char *)h->programs[i].node.p);
    }
    free(h->programs);
    free(h->chunk);
    sg_arena_fini(&h->arena);
    sg_frames_fini(&h->in);
    sg_buf_fini(&h->work);
    sg_buf_fini(&outlet.done);
}

int sg_host_jq_main(int fd) {
    struct host h = {.work = SG_BUF_INIT(SIZE_MAX / 2), .result_bytes = RESULT_BYTES};
    h.chunk = sg_xmalloc(CHUNK);
    outlet.fd = fd;
    outlet.done = SG_BUF_INIT(SIZE_MAX / 2);
    sg_frames_init(&h.in, MAX_FRAME);
    sg_arena_init(&h.arena, 0);
    shut_off();
    catch_signals();
    int status = serve(&h);
    fini(&h);
    return status;
}
