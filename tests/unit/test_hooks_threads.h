/* SPDX-License-Identifier: Apache-2.0 */
/* A host of language python as tests script it: it has many calls at work at a time, as threads would, and does with each
 * what its input says. It begins when nothing has come for a moment, so that all that was sent together is at work together.
 *
 *     "crash", "exit", "kill", "garbage"   the end of it, by SIGSEGV (with last words), status 7, SIGKILL, a broken frame
 *     "hang"                               no answer; "slow": 40 ms of work; "raise": an error with a traceback
 *     "mem N"                              says that it is N MB large
 *     "env NAME", "load N", "seed"         a variable, what it was told of hook N, the call's seed
 *     "news"                               the last figures and event that it was told
 *     other values                         come back
 * By its name it differs: "blind" has no work page, "single" shows only the call that it is at, "idle" begins none,
 * "large" is large from the start, "curious" wants to hear news. Each call that it begins is noted in the file NAME.ran. */
#ifndef SG_TEST_HOOKS_THREADS_H
#define SG_TEST_HOOKS_THREADS_H

#include "test_hooks.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>

#define SETTLE_MS 10
#define SLOW_CALL_US 40000

struct held {
    struct sg_call_frame call;
    bool hangs;
};

static struct {
    const char *path; /* argv[0] */
    struct sg_work_page *page;
    struct held held[SG_HOST_SLOTS * 2];
    size_t n_held;
    char *loads[8];
    char figures[64], event[64];
    struct sg_buf out;
} threads;

static bool is_called(const char *name) {
    return strstr(host_name, name) != NULL;
}

static void note_run(struct sg_str input) {
    char path[600];
    snprintf(path, sizeof path, "%s.ran", threads.path);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dprintf(fd, "%.*s\n", SG_ARG(input));
    close(fd);
}

static bool asks(struct sg_str input, const char *word) {
    return input.n > strlen(word) && strncmp(input.p + 1, word, strlen(word)) == 0;
}

/* What follows the word, up to the quote. */
static const char *rest_of(struct sg_str input, const char *word) {
    static char text[64];
    snprintf(text, sizeof text, "%.*s", (int)(input.n - strlen(word) - 2), input.p + 1 + strlen(word));
    return text;
}

static void say_memory(uint64_t mb) {
    size_t at = sg_frame_begin_answer(&threads.out, SG_FRAME_MEMORY, mb << 20, 0);
    sg_frame_end(&threads.out, at);
}

static void say_raised(uint64_t id) {
    static const char DETAILS[] = "Traceback\n  File \"hooks.py\", line 7, in f";
    size_t at = sg_frame_begin_answer(&threads.out, SG_FRAME_ERROR, id, SG_FAULT_RAISED);
    SG_BUF_LIT(&threads.out, "ValueError: oops");
    sg_frame_end_body(&threads.out, at);
    sg_buf_add(&threads.out, DETAILS, sizeof DETAILS - 1);
    sg_frame_end(&threads.out, at);
}

static void say_text(uint64_t id, const char *text) {
    struct sg_buf quoted = SG_BUF_INIT(0);
    sg_json_write_string(&quoted, sg_str(text ? text : "nothing"));
    say_result(&threads.out, id, sg_buf_view(&quoted));
    sg_buf_fini(&quoted);
}

static void die_of(struct sg_str input) {
    if (asks(input, "crash")) {
        if (threads.page)
            snprintf(threads.page->words, sizeof threads.page->words,
                     "Fatal Python error: Segmentation fault\n\nThread 0x1:\n  File \"idle.py\", line 1 in wait\n\n"
                     "Current thread 0x2 (most recent call first):\n  File \"hooks.py\", line 3 in inner\n"
                     "  File \"hooks.py\", line 9 in outer\n");
        signal(SIGSEGV, SIG_DFL);
        raise(SIGSEGV);
    }
    if (asks(input, "exit")) _exit(7);
    if (asks(input, "kill")) raise(SIGKILL);
    if (asks(input, "garbage")) {
        sg_buf_add(&threads.out, "\5\0\0\0?noise", 10);
        send_all(&threads.out);
        pause();
    }
}

static void answer(const struct sg_call_frame *c) {
    char text[160];
    if (asks(c->input, "slow")) usleep(SLOW_CALL_US);
    if (asks(c->input, "mem ")) say_memory(strtoull(rest_of(c->input, "mem "), NULL, 10));
    if (asks(c->input, "raise")) say_raised(c->id);
    else if (asks(c->input, "env ")) say_text(c->id, getenv(rest_of(c->input, "env ")));
    else if (asks(c->input, "load ")) say_text(c->id, threads.loads[atoi(rest_of(c->input, "load ")) & 7]);
    else if (asks(c->input, "seed")) snprintf(text, sizeof text, "%llu", (unsigned long long)c->seed), say_text(c->id, text);
    else if (asks(c->input, "news")) snprintf(text, sizeof text, "%s %s", threads.figures, threads.event), say_text(c->id, text);
    else if (asks(c->input, "effect")) {
        size_t at = sg_frame_begin_answer(&threads.out, SG_FRAME_RESULT, c->id, 0);
        SG_BUF_LIT(&threads.out, "[{}]");
        sg_frame_end_body(&threads.out, at);
        SG_BUF_LIT(&threads.out, "{\"kept\":[\"a\"]}");
        sg_frame_end(&threads.out, at);
    } else say_result(&threads.out, c->id, c->input);
}

static void set_work(size_t slot, uint64_t id) {
    if (threads.page) threads.page->at_work[slot] = id;
}

/* All calls are begun, then the one that ends the host does so, before any other has answered. */
static void work(void) {
    bool single = is_called("single");
    for (size_t i = 0; i < threads.n_held; i++) {
        if (threads.held[i].hangs) continue;
        note_run(threads.held[i].call.input);
        if (!single) set_work(i, threads.held[i].call.id);
    }
    for (size_t i = 0; !single && i < threads.n_held; i++) die_of(threads.held[i].call.input);
    size_t left = 0;
    for (size_t i = 0; i < threads.n_held; i++) {
        struct held h = threads.held[i];
        set_work(i, single || h.hangs ? h.call.id : threads.page ? threads.page->at_work[i] : 0);
        if (single) die_of(h.call.input);
        h.hangs |= asks(h.call.input, "hang");
        if (h.hangs) {
            threads.held[left++] = h;
            if (single) break;
            continue;
        }
        answer(&h.call);
        set_work(i, 0);
        free((char *)h.call.input.p);
        send_all(&threads.out);
    }
    if (!single) threads.n_held = left;
    for (size_t i = 0; !single && i < SG_HOST_SLOTS; i++) set_work(i, i < left ? threads.held[i].call.id : 0);
    if (single && left == 0) threads.n_held = 0;
    if (single && left) pause(); /* the calls behind it are never begun */
}

static void say_hello(void) {
    char text[200];
    snprintf(text, sizeof text, "{\"sygra_hooks\":2,\"host\":\"threads\",\"window\":64,\"work\":%s,\"figures\":%s,\"events\":%s}",
             threads.page ? "true" : "false", is_called("curious") ? "true" : "false",
             is_called("curious") ? "true" : "false");
    say_json(&threads.out, SG_FRAME_READY, text);
    if (is_called("large")) say_memory(300);
}

static void say_loaded(struct sg_str load) {
    char text[80];
    long hook = strtol(load.p + sizeof "{\"hook\":" - 1, NULL, 10);
    threads.loads[hook & 7] = strndup(load.p, load.n);
    snprintf(text, sizeof text, "{\"hook\":%ld,\"description\":{\"kind\":\"function\",\"name\":\"f%ld\"}}", hook, hook);
    say_json(&threads.out, SG_FRAME_LOADED, text);
}

static void take(const struct sg_frame *f) {
    struct sg_call_frame c;
    if (f->kind == SG_FRAME_HELLO) say_hello();
    else if (f->kind == SG_FRAME_LOAD) say_loaded(f->payload);
    else if (f->kind == SG_FRAME_FIGURES) snprintf(threads.figures, sizeof threads.figures, "%.*s", SG_ARG(f->payload));
    else if (f->kind == SG_FRAME_EVENT) snprintf(threads.event, sizeof threads.event, "%.*s", SG_ARG(f->payload));
    else if (f->kind == SG_FRAME_CALL && sg_frame_read_call(f, &c)) {
        c.input.p = strndup(c.input.p, c.input.n);
        threads.held[threads.n_held++] = (struct held){.call = c};
    }
    send_all(&threads.out);
}

/* What main returns in a process that was started as such a host. */
SHARED int threads_host(const char *path) {
    static char chunk[65536];
    struct sg_frames in;
    struct sg_frame f;
    threads.path = path;
    threads.out = SG_BUF_INIT(0);
    host_name = strrchr(path, '/') + 1;
    if (!is_called("blind")) {
        void *page = mmap(NULL, sizeof *threads.page, PROT_READ | PROT_WRITE, MAP_SHARED, 4, 0);
        threads.page = page == MAP_FAILED ? NULL : page;
    }
    sg_frames_init(&in, 1 << 20);
    for (;;) {
        struct pollfd p = {.fd = 3, .events = POLLIN};
        bool idle = true, begins = !is_called("idle");
        for (size_t i = 0; begins && i < threads.n_held; i++) idle &= threads.held[i].hangs;
        if (poll(&p, 1, idle ? -1 : SETTLE_MS) == 0) {
            work();
            continue;
        }
        ssize_t n = read(3, chunk, sizeof chunk);
        if (n <= 0) return 0;
        sg_frames_feed(&in, chunk, (size_t)n);
        while (sg_frames_next(&in, &f) > 0) take(&f);
    }
}

/* ---- the engine's side ---- */

/* A place for the package, so that hosts are started at all. */
SHARED int make_threads_folder(void **state) {
    char command[256];
    if (make_folder(state) != 0) return -1;
    snprintf(command, sizeof command, "mkdir -p '%s/python/sygra/host' && touch '%s/python/sygra/host/__main__.py'", folder,
             folder);
    setenv("SYGRA_HOME", folder, 1);
    return system(command);
}

SHARED bool is_threads_host(int argc, char **argv) {
    return argc == 2 && sg_str_ends(sg_str(argv[1]), SG_STR("/sygra/host"));
}

SHARED int add_python(struct world *w, const char *path) {
    struct sg_hook_spec spec = {.kind = SG_HOOK_PYTHON, .text = sg_str(path), .path = SG_STR("here")};
    return sg_hooks_add(w->hooks, &spec, SG_ROLE_POST, SG_STR("node"), NULL);
}

/* A world with hosts of that name and one hook in it, which is loaded: number 0. */
SHARED void open_threads(struct world *w, const char *name, struct sg_hooks_options o) {
    o.python = host_named(name);
    open_world(w, o);
    assert_int_equal(add_python(w, "hooks.f"), 0);
    if (load(w) != 0) fail_msg("the host does not load");
}

/* How often a host of that name has begun a call with this input. */
SHARED int count_runs(const char *name, const char *input) {
    char path[256], line[128];
    int n = 0;
    snprintf(path, sizeof path, "%s/%s.ran", folder, name);
    FILE *f = fopen(path, "r");
    while (f && fgets(line, sizeof line, f)) n += strncmp(line, input, strlen(input)) == 0 && line[strlen(input)] == '\n';
    if (f) fclose(f);
    return n;
}

#endif
