/* SPDX-License-Identifier: Apache-2.0 */
/* loop_uv_process: child processes with a socket.
 *
 * Not uv_spawn: it knows no memory limit, no death signal, and lets descriptors of other libraries through. vfork and exec by
 * hand: vfork costs nothing however large the engine has grown. Its price: the child shares our memory, so it may only make
 * system calls before exec, all signals are blocked around it, and handlers are taken away in the child before they are let
 * through again. What goes wrong before exec comes back through a pipe that exec closes, and not through the shared memory:
 * sanitizers and valgrind make a plain fork of it.
 *
 * A child leads a session of its own, so Ctrl-C at the terminal reaches the engine alone, and killing the session's group
 * takes grandchildren along. PR_SET_PDEATHSIG kills it when the thread that started it, the loop's, ends. */
#include "net/loop_uv.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHILD_SOCKET 3
#define CHILD_PAGE 4
#define FIRST_FREE 5

struct sg_uv_process {
    struct sg_process base;
    struct sg_uv_process *next;
    pid_t pid; /* 0: reaped */
    void (*on_exit)(void *ud, int exit_status, int signal);
    void *ud;
    bool closed;
    struct sg_later ended;
    int exit_status, signal;
    size_t page_bytes;
};

/* What a child inherits beside its standard descriptors; -1: none. */
struct inherited {
    int socket, page;
};

/* --- the child: system calls only --------------------------------------------------------------------------------- */

/* Marked, not closed: the pipe must live until exec. */
static void mark_others(void) {
    if (syscall(SYS_close_range, FIRST_FREE, ~0U, CLOSE_RANGE_CLOEXEC) == 0) return;
    struct rlimit most = {.rlim_cur = 1024}; /* a kernel before 5.11 */
    getrlimit(RLIMIT_NOFILE, &most);
    for (int fd = FIRST_FREE; fd < (int)most.rlim_cur; fd++) fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* Both are moved out of the way first: dup2 onto itself would keep their close-on-exec, and /dev/null may get their number. */
static int set_descriptors(struct inherited in) {
    int socket = fcntl(in.socket, F_DUPFD, FIRST_FREE);
    int page = in.page < 0 ? -1 : fcntl(in.page, F_DUPFD, FIRST_FREE);
    int null = open("/dev/null", O_RDONLY);
    if (socket < 0 || null < 0 || (page < 0) != (in.page < 0)) return -1;
    if (dup2(null, STDIN_FILENO) < 0 || dup2(socket, CHILD_SOCKET) < 0) return -1;
    if (page < 0) close(CHILD_PAGE);
    else if (dup2(page, CHILD_PAGE) < 0) return -1;
    mark_others();
    return 0;
}

static int set_memory_limit(uint64_t bytes) {
    struct rlimit limit = {.rlim_cur = bytes, .rlim_max = bytes};
    return bytes ? setrlimit(RLIMIT_AS, &limit) : 0;
}

static void default_signals(void) {
    struct sigaction plain = {.sa_handler = SIG_DFL};
    sigset_t none;
    for (int i = 1; i < NSIG; i++) sigaction(i, &plain, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static int become(const struct sg_spawn *how, struct inherited in, pid_t parent) {
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) return ESRCH; /* it ended before the line above */
    if (set_descriptors(in) != 0 || set_memory_limit(how->memory_limit) != 0) return errno;
    default_signals();
    execve(how->file, (char *const *)how->argv, (char *const *)how->env);
    return errno;
}

/* Alone in its function, because vfork returns twice into this frame. */
static __attribute__((noinline)) pid_t vfork_and_exec(const struct sg_spawn *how, struct inherited in, int report) {
    pid_t parent = getpid();
    pid_t pid = vfork(); /* NOLINT(clang-analyzer-security.insecureAPI.vfork): the head of this file says why */
    if (pid != 0) return pid;
    int sys = become(how, in, parent); /* NOLINT(clang-analyzer-unix.Vfork): system calls only */
    if (write(report, &sys, sizeof sys) < 0) _exit(126);
    _exit(127);
}

/* The pid, or a negative errno. `report` is a pipe. */
static pid_t start_reporting(const struct sg_spawn *how, struct inherited in, const int report[2]) {
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pid_t pid = vfork_and_exec(how, in, report[1]);
    int sys = pid < 0 ? errno : 0;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    close(report[1]);
    if (pid < 0) return -sys;
    if (read(report[0], &sys, sizeof sys) != sizeof sys) return pid; /* exec closed it */
    waitpid(pid, NULL, 0);
    return -sys;
}

/* The pipe's ends are moved above the numbers that the child fills anew. */
static pid_t start(const struct sg_spawn *how, struct inherited in) {
    int low[2], report[2];
    if (pipe2(low, O_CLOEXEC) != 0) return -errno;
    report[0] = fcntl(low[0], F_DUPFD_CLOEXEC, FIRST_FREE);
    report[1] = fcntl(low[1], F_DUPFD_CLOEXEC, FIRST_FREE);
    int sys = errno;
    close(low[0]);
    close(low[1]);
    if (report[0] >= 0 && report[1] >= 0) {
        pid_t pid = start_reporting(how, in, report);
        close(report[0]);
        return pid;
    }
    if (report[0] >= 0) close(report[0]);
    return -sys;
}

/* --- the end of one ------------------------------------------------------------------------------------------------ */

static void forget(struct sg_uv_process *p) {
    if (p->base.page) munmap(p->base.page, p->page_bytes);
    struct sg_uv_process **link = &sg_uv_world(p->base.loop)->processes;
    while (*link != p) link = &(*link)->next;
    *link = p->next;
    free(p);
}

/* The SIGCHLD handle keeps the loop running while an on_exit is owed. */
static void count_watched(struct sg_uv_world *w, int change) {
    bool was = w->watched > 0;
    w->watched += (size_t)change;
    if (was == (w->watched > 0)) return;
    if (was)
        uv_unref((uv_handle_t *)&w->sigchld);
    else
        uv_ref((uv_handle_t *)&w->sigchld);
}

static void on_ended(struct sg_later *d) {
    struct sg_uv_process *p = d->ud;
    count_watched(sg_uv_world(p->base.loop), -1);
    p->on_exit(p->ud, p->exit_status, p->signal);
}

/* Callbacks are deferred, because they may close processes of the list that is walked. */
static void reap(struct sg_uv_process *p, int how) {
    int status;
    if (p->pid == 0 || waitpid(p->pid, &status, how) != p->pid) return;
    p->pid = 0;
    p->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    p->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    if (p->closed)
        forget(p);
    else
        sg_later(p->base.loop, &p->ended);
}

static void on_sigchld(uv_signal_t *handle, int number) {
    (void)number;
    struct sg_uv_world *w = handle->data;
    sg_loop_enter(&w->base);
    for (struct sg_uv_process *p = w->processes, *next; p; p = next) {
        next = p->next;
        reap(p, WNOHANG);
    }
    sg_loop_leave(&w->base);
}

/* --- the interface ------------------------------------------------------------------------------------------------- */

static struct sg_uv_process *new_process(struct sg_uv_world *w, const struct sg_spawn *how, pid_t pid, void *page) {
    struct sg_uv_process *p = sg_xcalloc(1, sizeof *p);
    *p = (struct sg_uv_process){.base = {&w->base, page},
                                .pid = pid,
                                .on_exit = how->on_exit,
                                .ud = how->ud,
                                .page_bytes = how->page_bytes};
    p->ended = (struct sg_later){.run = on_ended, .ud = p};
    p->next = w->processes;
    w->processes = p;
    count_watched(w, +1);
    return p;
}

/* SIGCHLD is watched from the first process on; it may be pending before the process is in the list, not handled. */
static void watch_children(struct sg_uv_world *w) {
    if (uv_is_active((uv_handle_t *)&w->sigchld)) return;
    uv_signal_start(&w->sigchld, on_sigchld, SIGCHLD);
    uv_unref((uv_handle_t *)&w->sigchld);
}

/* Shared memory, which the child cannot make smaller: reading it would end us. Its descriptor, or -1: there is none. */
static int make_page(size_t bytes, void **page) {
    int fd = bytes ? memfd_create("sygra work page", MFD_CLOEXEC | MFD_ALLOW_SEALING) : -1;
    bool fine = fd >= 0 && ftruncate(fd, (off_t)bytes) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0;
    void *p = fine ? mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    *page = p == MAP_FAILED ? NULL : p;
    if (*page || fd < 0) return fd;
    close(fd);
    return -1;
}

/* Where no page can be had, the child does without. */
static pid_t start_with_page(const struct sg_spawn *how, int socket, void **page) {
    struct inherited in = {.socket = socket, .page = make_page(how->page_bytes, page)};
    pid_t pid = start(how, in);
    if (in.page >= 0) close(in.page);
    if (pid < 0 && *page) munmap(*page, how->page_bytes);
    return pid;
}

int sg_uv_process_start(struct sg_loop *l, const struct sg_spawn *how, const struct sg_stream_events *ev, void *stream_ud,
                        struct sg_process **out, struct sg_stream **stream, struct sg_err *err) {
    struct sg_uv_world *w = sg_uv_world(l);
    int ends[2];
    void *page;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return sg_fail_sys(err, SG_E_IO, errno, "cannot make a socket pair");
    watch_children(w);
    pid_t pid = start_with_page(how, ends[1], &page);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return sg_fail_sys(err, SG_E_IO, -pid, "cannot start %s", how->file);
    }
    struct sg_uv_process *p = new_process(w, how, pid, page);
    int rc = sg_stream_wrap(l, ends[0], ev, stream_ud, stream);
    if (rc) {
        sg_uv_process_close(&p->base);
        return sg_fail_sys(err, rc, l->sys_error, "cannot watch the socket of %s", how->file);
    }
    *out = &p->base;
    return 0;
}

/* The whole group: its number is the leader's pid, which is ours until it is reaped. */
void sg_uv_process_stop(struct sg_process *base) {
    pid_t pid = ((struct sg_uv_process *)base)->pid;
    if (pid) kill(-pid, SIGKILL);
}

int sg_uv_process_id(const struct sg_process *base) {
    return ((const struct sg_uv_process *)base)->pid;
}

void sg_uv_process_close(struct sg_process *base) {
    struct sg_uv_process *p = (struct sg_uv_process *)base;
    if (p->pid || p->ended.queued) count_watched(sg_uv_world(base->loop), -1);
    sg_later_cancel(base->loop, &p->ended);
    sg_uv_process_stop(base);
    p->closed = true;
    if (p->pid == 0) forget(p);
}

void sg_uv_processes_end(struct sg_uv_world *w) {
    while (w->processes) {
        SG_ASSERT(w->processes->closed); /* NOLINT(clang-analyzer-unix.Malloc): reap takes it off the list */
        reap(w->processes, 0);
    }
}
