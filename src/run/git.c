/* SPDX-License-Identifier: Apache-2.0 */
/* git: `git status --porcelain=v2 --branch` says commit, branch and what differs in one call; a second one asks for the
 * remote. The child's output is read through a pipe until it ends, a limit is reached, or its time is over; then it is
 * killed. */
#include "run/git.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT_MS 2000
#define LIMIT_BYTES ((size_t)64 << 10)

/* Until its end: true. */
static bool read_all(int fd, struct sg_buf *out) {
    uint64_t until = sg_os->now_ns() + (uint64_t)LIMIT_MS * 1000000;
    while (out->n < LIMIT_BYTES) {
        uint64_t now = sg_os->now_ns();
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (now >= until || poll(&p, 1, (int)((until - now) / 1000000) + 1) <= 0) return false;
        char block[4096];
        ssize_t n = read(fd, block, sizeof block);
        if (n <= 0) return n == 0;
        sg_buf_add(out, block, (size_t)n);
    }
    return true;
}

static int start(const char *const *argv, int out, pid_t *pid) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out, 1);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    int rc = posix_spawnp(pid, argv[0], &actions, NULL, (char *const *)argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

/* What the command printed; false when there is no such program, it failed, or took too long. */
static bool ask(const char *const *argv, struct sg_buf *out) {
    int pipe_fds[2], status = 0;
    pid_t pid;
    if (pipe2(pipe_fds, O_CLOEXEC) < 0) return false;
    int rc = start(argv, pipe_fds[1], &pid);
    close(pipe_fds[1]);
    bool whole = rc == 0 && read_all(pipe_fds[0], out);
    close(pipe_fds[0]);
    if (rc != 0) return false;
    if (!whole) kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    return whole && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static struct sg_str value_of(struct sg_arena *a, struct sg_str line, const char *key) {
    struct sg_str k = sg_str(key);
    if (!sg_str_starts(line, k)) return SG_STR_NONE;
    return sg_str_dup(a, (struct sg_str){line.p + k.n, line.n - k.n});
}

/* "# branch.oid 1a2b...", "# branch.head main", then a line for each file that differs. */
static void read_status(struct sg_arena *a, struct sg_str text, struct sg_git *out) {
    for (size_t at = 0; at < text.n;) {
        size_t end = sg_str_find(text, '\n', at);
        struct sg_str line = {text.p + at, end - at}, v;
        if ((v = value_of(a, line, "# branch.oid ")).n) out->commit = v;
        else if ((v = value_of(a, line, "# branch.head ")).n) out->branch = v;
        else if (line.n && line.p[0] != '#') out->is_dirty = true;
        at = end + 1;
    }
    if (out->commit.n && out->commit.p[0] == '(') out->commit = SG_STR_NONE; /* (initial) */
    if (out->branch.n && out->branch.p[0] == '(') out->branch = SG_STR_NONE; /* (detached) */
}

/* https://user:password@host/path without what stands before the @; git@host:path stays. */
static struct sg_str without_password(struct sg_arena *a, struct sg_str url) {
    struct sg_str scheme = SG_STR("://");
    for (size_t i = 0; i + scheme.n < url.n; i++) {
        if (memcmp(url.p + i, scheme.p, scheme.n) != 0) continue;
        size_t host = i + scheme.n, slash = sg_str_find(url, '/', host), at = slash;
        while (at > host && url.p[at - 1] != '@') at--;
        return sg_str_printf(a, "%.*s%.*s", (int)host, url.p, (int)(url.n - at), url.p + at);
    }
    return sg_str_dup(a, url);
}

void sg_git_look(struct sg_arena *a, struct sg_str folder, struct sg_git *out) {
    const char *f = sg_str_dup(a, folder.n ? folder : SG_STR(".")).p;
    const char *const status[] = {"git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-C", f, "status",
                                  "--porcelain=v2", "--branch", "--untracked-files=no", NULL};
    const char *const remote[] = {"git", "-C", f, "config", "--get", "remote.origin.url", NULL};
    struct sg_buf b = SG_BUF_INIT(2 * LIMIT_BYTES);
    *out = (struct sg_git){0};
    out->found = out->knows_dirty = ask(status, &b);
    if (out->found) read_status(a, sg_buf_view(&b), out);
    sg_buf_reset(&b, 2 * LIMIT_BYTES);
    if (out->found && ask(remote, &b)) out->remote = without_password(a, sg_str_trim(sg_buf_view(&b)));
    sg_buf_fini(&b);
}
