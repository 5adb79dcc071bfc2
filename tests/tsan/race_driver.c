/* SPDX-License-Identifier: Apache-2.0 */
/* race_driver: a race that tests/tsan/run expects to be reported: the loop thread reads what a job writes, without waiting for
 * the job's end. It goes through libuv, which is not instrumented, as all of the engine's threads do. */
#include "net/loop.h"

#include <stdio.h>

static struct sg_loop *loop;
static unsigned written;

static void run(struct sg_job *j) {
    (void)j;
    for (unsigned i = 0; i < 1000000; i++) {
        written += i;
        __asm__ volatile("" ::: "memory"); /* a write each time */
    }
}

static void done(struct sg_job *j) {
    (void)j;
    sg_loop_stop(loop);
}

static void on_fire(struct sg_timer *t) {
    printf("%u\n", written);
    sg_timer_start(loop, t, 100000);
}

int main(void) {
    struct sg_job job = {.run = run, .done = done};
    struct sg_timer timer = {.on_fire = on_fire};
    struct sg_worker *worker;
    SG_ASSERT(sg_loop_open_uv(&loop, 1, NULL) == 0 && sg_worker_open(loop, "racer", &worker) == 0);
    sg_worker_submit(worker, &job);
    sg_timer_start(loop, &timer, 0);
    sg_loop_run(loop);
    sg_timer_stop(loop, &timer);
    sg_worker_close(worker);
    sg_loop_close(loop);
    return 0;
}
