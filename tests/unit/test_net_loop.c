/* SPDX-License-Identifier: Apache-2.0 */
/* Claims about the loop: order of timers and deferred calls, streams, workers, processes. */
#include "net/loop_ops.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
/* cmocka wants the four before it */
#include <cmocka.h>

static struct sg_loop *loop;

static int open_loop(void **state) {
    (void)state;
    return sg_loop_open_uv(&loop, 1, NULL);
}

static int close_loop(void **state) {
    (void)state;
    sg_loop_close(loop);
    return 0;
}

/* --- timers ------------------------------------------------------------------------------------------------------- */

static unsigned fired[2000];
static size_t n_fired;

static void on_fire(struct sg_timer *t) {
    fired[n_fired++] = (unsigned)(uintptr_t)t->ud;
}

static void test_timers_fire_by_time_and_then_by_order_of_start(void **state) {
    (void)state;
    enum { N = 1000 };
    static struct sg_timer t[N];
    n_fired = 0;
    sg_loop_enter(loop); /* one time for all */
    for (size_t i = 0; i < N; i++) {
        t[i] = (struct sg_timer){.on_fire = on_fire, .ud = (void *)(uintptr_t)i};
        sg_timer_start(loop, &t[i], SG_MS(100 - i * 7 % 50));
    }
    for (size_t i = 0; i < N; i += 3) sg_timer_stop(loop, &t[i]);
    for (size_t i = 0; i < N; i += 6) sg_timer_start(loop, &t[i], SG_MS(i * 7 % 50));
    sg_loop_leave(loop);
    sg_loop_run(loop);
    assert_int_equal(n_fired, N - (N + 2) / 3 + (N + 5) / 6);
    for (size_t i = 1; i < n_fired; i++) {
        const struct sg_timer *a = &t[fired[i - 1]], *b = &t[fired[i]];
        assert_true(a->due_ns <= b->due_ns);
        if (a->due_ns == b->due_ns && fired[i - 1] % 6 && fired[i] % 6) assert_true(fired[i - 1] < fired[i]);
        assert_false(sg_timer_armed(b));
    }
}

static void test_a_timer_never_fires_early_and_a_stopped_one_does_not_hold_the_loop(void **state) {
    (void)state;
    struct sg_timer t = {.on_fire = on_fire}, never = {.on_fire = on_fire};
    n_fired = 0;
    uint64_t began = sg_loop_now_ns(loop);
    sg_timer_start(loop, &never, UINT64_MAX);
    sg_timer_start(loop, &t, SG_MS(20) + 300000);
    sg_timer_stop(loop, &never);
    sg_loop_run(loop);
    assert_int_equal(n_fired, 1);
    assert_true(sg_loop_now_ns(loop) - began >= SG_MS(20) + 300000);
    assert_true(sg_loop_now_ns(loop) - began < SG_MS(1000));
    sg_timer_start(loop, &t, SG_MS(60000));
    sg_timer_stop(loop, &t);
    sg_loop_run(loop);
}

static struct sg_timer again;
static unsigned rounds;

static void on_again(struct sg_timer *t) {
    if (++rounds < 5) sg_timer_start(loop, t, 0);
}

static void test_a_timer_restarted_with_zero_lets_others_run(void **state) {
    (void)state;
    rounds = 0;
    again = (struct sg_timer){.on_fire = on_again};
    sg_timer_start(loop, &again, 0);
    sg_loop_run(loop);
    assert_int_equal(rounds, 5);
}

/* --- deferred calls -------------------------------------------------------------------------------------------------- */

static struct sg_later laters[4];
static char order[16];

static void on_later(struct sg_later *d) {
    char name[2] = {(char)('a' + (d - laters)), '\0'};
    strcat(order, name);
    if (d == &laters[0] && strlen(order) < 8) sg_later(loop, d);
    if (d == &laters[1]) sg_later_cancel(loop, &laters[2]);
}

static void test_deferred_calls_run_in_order_once_and_can_be_cancelled(void **state) {
    (void)state;
    order[0] = '\0';
    for (size_t i = 0; i < 4; i++) {
        laters[i] = (struct sg_later){.run = on_later};
        sg_later(loop, &laters[i]);
        sg_later(loop, &laters[i]);
    }
    assert_string_equal(order, "");
    sg_loop_run(loop);
    assert_string_equal(order, "abdaaaaa");
}

/* --- names ------------------------------------------------------------------------------------------------------------- */

static int resolved_status;
static size_t resolved_n;

static void on_resolved(struct sg_resolve *r, int status) {
    resolved_status = status;
    resolved_n = r->n;
}

static void resolve(const char *name) {
    struct sg_resolve r = {.on_done = on_resolved};
    resolved_status = 1;
    sg_resolve_start(loop, &r, sg_str(name), 80);
    assert_int_equal(resolved_status, 1);
    sg_loop_run(loop);
}

static void test_numbers_and_localhost_are_resolved_without_asking(void **state) {
    (void)state;
    resolve("127.0.0.1");
    assert_int_equal(resolved_status, 0);
    assert_int_equal(resolved_n, 1);
    resolve("::1");
    assert_int_equal(resolved_n, 1);
    resolve("LocalHost");
    assert_int_equal(resolved_status, 0);
    assert_int_equal(resolved_n, 2);
}

static void test_bad_names_are_not_found(void **state) {
    (void)state;
    resolve("");
    assert_int_equal(resolved_status, SG_E_RESOLVE);
    resolve("no such host");
    assert_int_equal(resolved_status, SG_E_RESOLVE);
}

static void test_a_cancelled_look_up_calls_nobody(void **state) {
    (void)state;
    struct sg_resolve number = {.on_done = on_resolved}, name = {.on_done = on_resolved};
    resolved_status = 1;
    sg_resolve_start(loop, &number, SG_STR("127.0.0.1"), 80);
    sg_resolve_start(loop, &name, SG_STR("bad name"), 80);
    sg_resolve_cancel(&number);
    sg_resolve_cancel(&name);
    sg_resolve_cancel(&name);
    sg_loop_run(loop);
    assert_int_equal(resolved_status, 1);
}

/* --- streams ----------------------------------------------------------------------------------------------------------- */

struct peer {
    struct sg_stream *s;
    struct sg_buf got;
    size_t to_send, sent;
    int opened, ended, status;
    bool close_at_end;
};

static void pump(struct peer *p) {
    static char zeros[65536];
    while (p->sent < p->to_send) {
        size_t want = p->to_send - p->sent < sizeof zeros ? p->to_send - p->sent : sizeof zeros;
        ssize_t n = sg_stream_write(p->s, zeros, want);
        assert_true(n >= 0);
        p->sent += (size_t)n;
        if ((size_t)n < want) return;
    }
    sg_stream_close(p->s);
    p->s = NULL;
}

static void on_open(void *ud, int status) {
    struct peer *p = ud;
    p->opened++;
    p->status = status;
    if (status == 0 && p->to_send) pump(p);
}

static void on_data(void *ud, const char *bytes, size_t n, int status) {
    struct peer *p = ud;
    if (n) {
        sg_buf_add(&p->got, bytes, n);
        return;
    }
    p->ended++;
    p->status = status;
    sg_stream_close(p->s);
    p->s = NULL;
}

static void on_room(void *ud) {
    pump(ud);
}

static const struct sg_stream_events EVENTS = {.on_open = on_open, .on_data = on_data, .on_room = on_room};
static struct sg_listener *listener;

static void on_accept(void *ud, struct sg_stream *s) {
    struct peer *p = ud;
    p->s = s;
    sg_stream_adopt(s, &EVENTS, p);
    sg_listener_close(listener);
}

static struct sg_address loopback(uint16_t port) {
    struct sg_resolve r;
    assert_true(sg_resolve_directly(&r, SG_STR("127.0.0.1"), port));
    return r.addresses[0];
}

static void connect_pair(struct peer *client, struct peer *server) {
    struct sg_address at = loopback(0);
    assert_int_equal(sg_listen(loop, &at, on_accept, server, &listener, NULL), 0);
    at = loopback(sg_listener_port(listener));
    assert_int_equal(sg_stream_connect(loop, &at, &EVENTS, client, &client->s), 0);
    assert_int_equal(client->opened, 0);
}

static void test_a_stream_carries_more_than_the_socket_takes_at_once(void **state) {
    (void)state;
    struct peer client = {.to_send = 20000000}, server = {0};
    connect_pair(&client, &server);
    sg_loop_run(loop);
    assert_int_equal(client.opened, 1);
    assert_int_equal(server.got.n, client.to_send);
    assert_int_equal(server.ended, 1);
    assert_int_equal(server.status, 0);
    sg_buf_fini(&server.got);
}

static struct peer *resetter;

static void on_reset_time(struct sg_timer *t) {
    (void)t;
    sg_stream_reset(resetter->s);
}

static void test_a_reset_is_seen_as_one(void **state) {
    (void)state;
    struct peer client = {0}, server = {0};
    struct sg_timer t = {.on_fire = on_reset_time};
    connect_pair(&client, &server);
    resetter = &server;
    sg_timer_start(loop, &t, SG_MS(20));
    sg_loop_run(loop);
    assert_int_equal(client.ended, 1);
    assert_int_equal(client.status, SG_E_RESET);
}

static void on_unpause(struct sg_timer *t) {
    struct peer *p = t->ud;
    assert_int_equal(p->got.n, 0);
    sg_stream_pause(p->s, false);
}

static void test_a_paused_stream_reads_nothing(void **state) {
    (void)state;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    struct peer p = {0};
    struct sg_timer t = {.on_fire = on_unpause, .ud = &p};
    assert_int_equal(sg_stream_wrap(loop, ends[0], &EVENTS, &p, &p.s), 0);
    sg_stream_pause(p.s, true);
    assert_int_equal(write(ends[1], "hello", 5), 5);
    close(ends[1]);
    sg_timer_start(loop, &t, SG_MS(20));
    sg_loop_run(loop);
    assert_int_equal(p.got.n, 5);
    assert_int_equal(p.ended, 1);
    sg_buf_fini(&p.got);
}

static void test_a_refused_connect_says_so(void **state) {
    (void)state;
    struct sg_address at = loopback(1);
    struct peer p = {0};
    int rc = sg_stream_connect(loop, &at, &EVENTS, &p, &p.s);
    if (rc == 0) {
        sg_loop_run(loop);
        rc = p.status;
        sg_stream_close(p.s);
    }
    assert_int_equal(rc, SG_E_CONNECT);
    assert_int_equal(sg_loop_errno(loop), 111);
}

static void test_a_stream_closed_before_it_opened_calls_nobody(void **state) {
    (void)state;
    struct peer client = {0}, server = {0};
    connect_pair(&client, &server);
    sg_stream_close(client.s);
    sg_loop_run(loop);
    assert_int_equal(client.opened, 0);
}

/* --- workers ------------------------------------------------------------------------------------------------------------ */

static char ran[8], done[8];
static struct sg_job jobs[4];

static void run_job(struct sg_job *j) {
    usleep(2000);
    ran[strlen(ran)] = (char)('a' + (j - jobs));
}

static void on_job_done(struct sg_job *j) {
    done[strlen(done)] = (char)('a' + (j - jobs));
}

/* --- descriptors of others ------------------------------------------------------------------------------------------ */

static struct watched {
    struct sg_watch *w;
    int seen[4];
    size_t n;
} watched;

static void on_watched(void *ud, int fd, int events) {
    struct watched *k = ud;
    char c;
    k->seen[k->n++] = events;
    if (events & SG_WATCH_READ) assert_int_equal(read(fd, &c, 1), 1);
    if (k->n == 1) {
        sg_watch_set(k->w, SG_WATCH_READ);
        return;
    }
    sg_watch_close(k->w);
    close(fd);
}

static void test_a_watch_tells_what_it_was_set_to_until_it_is_closed(void **state) {
    (void)state;
    int fds[2];
    watched = (struct watched){0};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(write(fds[1], "ab", 2), 2);
    assert_int_equal(sg_watch_open(loop, fds[0], on_watched, &watched, &watched.w), 0);
    sg_loop_run(loop); /* a watch for nothing does not hold the loop */
    assert_int_equal(watched.n, 0);
    sg_watch_set(watched.w, SG_WATCH_WRITE);
    sg_loop_run(loop);
    assert_int_equal(watched.n, 2);
    assert_int_equal(watched.seen[0], SG_WATCH_WRITE);
    assert_int_equal(watched.seen[1], SG_WATCH_READ);
    close(fds[1]);
}

static void test_a_worker_runs_jobs_in_order_and_tells_on_the_loop(void **state) {
    (void)state;
    struct sg_worker *w;
    memset(ran, 0, sizeof ran);
    memset(done, 0, sizeof done);
    assert_int_equal(sg_worker_open(loop, "test", &w), 0);
    for (size_t i = 0; i < 4; i++) {
        jobs[i] = (struct sg_job){.run = run_job, .done = on_job_done};
        sg_worker_submit(w, &jobs[i]);
    }
    assert_string_equal(done, "");
    sg_loop_run(loop);
    assert_string_equal(ran, "abcd");
    assert_string_equal(done, "abcd");
    sg_worker_close(w);
}

static void test_after_a_worker_is_closed_no_job_is_reported(void **state) {
    (void)state;
    struct sg_worker *w;
    memset(done, 0, sizeof done);
    assert_int_equal(sg_worker_open(loop, "test", &w), 0);
    for (size_t i = 0; i < 4; i++) sg_worker_submit(w, &jobs[i]);
    usleep(3000);
    sg_worker_close(w);
    sg_loop_run(loop);
    assert_string_equal(done, "");
}

/* --- processes and signals ------------------------------------------------------------------------------------------------ */

struct child {
    struct sg_process *p;
    struct peer peer;
    int exits, exit_status, signal;
};

static void on_exit_of_child(void *ud, int exit_status, int sig) {
    struct child *c = ud;
    c->exits++;
    c->exit_status = exit_status;
    c->signal = sig;
}

static int start_shell(struct child *c, const char *script, uint64_t memory_limit, struct sg_err *err) {
    const char *argv[] = {"sh", "-c", script, NULL}, *env[] = {"GREETING=hello", NULL};
    struct sg_spawn how = {.file = "/bin/sh", .argv = argv, .env = env, .memory_limit = memory_limit,
                           .on_exit = on_exit_of_child, .ud = c};
    return sg_process_start(loop, &how, &EVENTS, &c->peer, &c->p, &c->peer.s, err);
}

static void test_a_child_talks_over_descriptor_3_and_its_exit_is_told(void **state) {
    (void)state;
    struct child c = {0};
    int leaked = dup(2); /* not close-on-exec: must not reach the child */
    assert_int_equal(start_shell(&c, "echo $GREETING >&3; ls /proc/self/fd >&3; exit 7", 0, NULL), 0);
    sg_loop_run(loop);
    close(leaked);
    sg_buf_ch(&c.peer.got, '\0');
    assert_string_equal(c.peer.got.p, "hello\n0\n1\n2\n3\n4\n"); /* 4: the folder that ls reads */
    assert_int_equal(c.exits, 1);
    assert_int_equal(c.exit_status, 7);
    assert_int_equal(c.signal, 0);
    sg_process_close(c.p);
    sg_buf_fini(&c.peer.got);
}

static void test_a_killed_child_is_told_with_its_signal(void **state) {
    (void)state;
    struct child c = {0};
    assert_int_equal(start_shell(&c, "sleep 100 & wait", 0, NULL), 0);
    assert_true(sg_process_id(c.p) > 0);
    sg_process_kill(c.p);
    sg_loop_run(loop);
    assert_int_equal(c.exits, 1);
    assert_int_equal(c.signal, SIGKILL);
    assert_int_equal(c.peer.ended, 1); /* the grandchild held the socket, too */
    sg_process_close(c.p);
}

static void test_a_closed_process_is_killed_and_silent(void **state) {
    (void)state;
    struct child c = {0};
    assert_int_equal(start_shell(&c, "sleep 100", 0, NULL), 0);
    int pid = sg_process_id(c.p);
    sg_process_close(c.p);
    struct sg_timer t = {.on_fire = on_fire};
    for (int i = 0; i < 100 && kill(pid, 0) == 0; i++) {
        sg_timer_start(loop, &t, SG_MS(10));
        sg_stream_close(c.peer.s);
        c.peer.s = NULL;
        sg_loop_run(loop);
    }
    assert_int_equal(kill(pid, 0), -1); /* not even a zombie */
    assert_int_equal(c.exits, 0);
}

static void test_a_program_that_cannot_start_is_an_error(void **state) {
    (void)state;
    struct child c = {0};
    struct sg_err err;
    const char *argv[] = {"x", NULL}, *env[] = {NULL};
    struct sg_spawn how = {.file = "/no/such/program", .argv = argv, .env = env, .on_exit = on_exit_of_child, .ud = &c};
    assert_int_equal(sg_process_start(loop, &how, &EVENTS, &c.peer, &c.p, &c.peer.s, &err), SG_E_IO);
    assert_non_null(strstr(err.text, "No such file"));
    sg_loop_run(loop);
    assert_int_equal(c.exits, 0);
}

static void test_the_memory_limit_holds(void **state) {
    (void)state;
    struct child c = {0};
    assert_int_equal(start_shell(&c, "ulimit -v >&3", 512ULL << 20, NULL), 0);
    sg_loop_run(loop);
    sg_buf_ch(&c.peer.got, '\0');
    assert_string_equal(c.peer.got.p, "524288\n");
    sg_process_close(c.p);
    sg_buf_fini(&c.peer.got);
}

static int got_signal;

static void on_signal(void *ud, int number) {
    (void)ud;
    got_signal = number;
    sg_loop_stop(loop);
}

static void on_raise(struct sg_timer *t) {
    raise(SIGTERM);
    sg_timer_start(loop, t, SG_MS(1000));
}

static void test_signals_are_told_and_do_not_hold_the_loop(void **state) {
    (void)state;
    struct sg_timer t = {.on_fire = on_raise};
    sg_loop_on_signal(loop, on_signal, NULL);
    sg_loop_run(loop);
    sg_timer_start(loop, &t, 0);
    sg_loop_run(loop);
    sg_timer_stop(loop, &t);
    assert_int_equal(got_signal, SIGTERM);
}

#define T(f) cmocka_unit_test_setup_teardown(f, open_loop, close_loop)

int main(void) {
    const struct CMUnitTest tests[] = {
        T(test_timers_fire_by_time_and_then_by_order_of_start),
        T(test_a_timer_never_fires_early_and_a_stopped_one_does_not_hold_the_loop),
        T(test_a_timer_restarted_with_zero_lets_others_run),
        T(test_deferred_calls_run_in_order_once_and_can_be_cancelled),
        T(test_numbers_and_localhost_are_resolved_without_asking),
        T(test_bad_names_are_not_found),
        T(test_a_cancelled_look_up_calls_nobody),
        T(test_a_stream_carries_more_than_the_socket_takes_at_once),
        T(test_a_reset_is_seen_as_one),
        T(test_a_paused_stream_reads_nothing),
        T(test_a_refused_connect_says_so),
        T(test_a_stream_closed_before_it_opened_calls_nobody),
        T(test_a_watch_tells_what_it_was_set_to_until_it_is_closed),
        T(test_a_worker_runs_jobs_in_order_and_tells_on_the_loop),
        T(test_after_a_worker_is_closed_no_job_is_reported),
        T(test_a_child_talks_over_descriptor_3_and_its_exit_is_told),
        T(test_a_killed_child_is_told_with_its_signal),
        T(test_a_closed_process_is_killed_and_silent),
        T(test_a_program_that_cannot_start_is_an_error),
        T(test_the_memory_limit_holds),
        T(test_signals_are_told_and_do_not_hold_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
