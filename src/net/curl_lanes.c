/* SPDX-License-Identifier: Apache-2.0 */
/* curl_lanes: libcurl's multi-socket interface on our loop.
 *
 * A multi handle looks through its connections for each transfer, and its HTTP/2 slows down with the number of streams: at
 * 1,000 transfers that is most of its time. So there are as many handles as are needed, each for LANE transfers at a time. */
#include "net/curl_lanes.h"

#include <stdlib.h>

#define LANE 64

struct sg_curl_lane {
    struct sg_curl_lanes *all;
    CURLM *multi;
    struct sg_timer timer;
    uint32_t running;
    struct sg_curl_lane *next;
};

/* --- sockets and timers for libcurl --------------------------------------------------------------------------------------- */

/* Takes away what has ended. */
static void collect(struct sg_curl_lane *lane) {
    const struct sg_curl_lanes *all = lane->all;
    CURLMsg *m;
    for (int left; (m = all->lib->multi_info_read(lane->multi, &left)) != NULL;) {
        if (m->msg != CURLMSG_DONE) continue;
        CURL *easy = m->easy_handle;
        CURLcode result = m->data.result;
        char *ud;
        all->lib->easy_getinfo(easy, CURLINFO_PRIVATE, &ud);
        sg_curl_lane_stop(lane, easy);
        all->on_ended(ud, result);
    }
}

static void act(struct sg_curl_lane *lane, curl_socket_t fd, int events) {
    int running;
    lane->all->lib->multi_socket_action(lane->multi, fd, events, &running);
    collect(lane);
}

static void on_ready(void *ud, int fd, int events) {
    int seen = (events & SG_WATCH_READ ? CURL_CSELECT_IN : 0) | (events & SG_WATCH_WRITE ? CURL_CSELECT_OUT : 0);
    act(ud, fd, seen | (events & SG_WATCH_BROKEN ? CURL_CSELECT_ERR : 0));
}

static int on_interest(CURL *easy, curl_socket_t fd, int what, void *ud, void *kept) {
    (void)easy;
    struct sg_curl_lane *lane = ud;
    struct sg_watch *w = kept;
    if (what == CURL_POLL_REMOVE) {
        sg_watch_close(w);
        return 0;
    }
    if (!w) {
        if (sg_watch_open(lane->all->loop, fd, on_ready, lane, &w) != 0) return -1;
        lane->all->lib->multi_assign(lane->multi, fd, w);
    }
    sg_watch_set(w, (what & CURL_POLL_IN ? SG_WATCH_READ : 0) | (what & CURL_POLL_OUT ? SG_WATCH_WRITE : 0));
    return 0;
}

static void on_timer(struct sg_timer *t) {
    act(t->ud, CURL_SOCKET_TIMEOUT, 0);
}

static int on_alarm(CURLM *multi, long ms, void *ud) {
    (void)multi;
    struct sg_curl_lane *lane = ud;
    if (ms < 0) sg_timer_stop(lane->all->loop, &lane->timer);
    else sg_timer_start(lane->all->loop, &lane->timer, SG_MS(ms));
    return 0;
}

/* --- lanes --------------------------------------------------------------------------------------------------------------------- */

static struct sg_curl_lane *new_lane(struct sg_curl_lanes *all) {
    const struct sg_curl *lib = all->lib;
    struct sg_curl_lane *lane = sg_xcalloc(1, sizeof *lane);
    *lane = (struct sg_curl_lane){
        .all = all, .multi = lib->multi_init(), .timer = {.on_fire = on_timer, .ud = lane}, .next = all->first};
    SG_ASSERT(lane->multi);
    lib->multi_setopt(lane->multi, CURLMOPT_SOCKETFUNCTION, on_interest);
    lib->multi_setopt(lane->multi, CURLMOPT_SOCKETDATA, lane);
    lib->multi_setopt(lane->multi, CURLMOPT_TIMERFUNCTION, on_alarm);
    lib->multi_setopt(lane->multi, CURLMOPT_TIMERDATA, lane);
    lib->multi_setopt(lane->multi, CURLMOPT_MAXCONNECTS, (long)LANE);
    return all->first = lane;
}

/* The fullest that has room, so that few calls keep to few connections. */
static struct sg_curl_lane *pick(struct sg_curl_lanes *all) {
    struct sg_curl_lane *best = NULL;
    for (struct sg_curl_lane *l = all->first; l; l = l->next)
        if (l->running < LANE && (!best || l->running > best->running)) best = l;
    return best ? best : new_lane(all);
}

struct sg_curl_lane *sg_curl_lanes_start(struct sg_curl_lanes *all, CURL *easy) {
    struct sg_curl_lane *lane = pick(all);
    lane->running++;
    SG_ASSERT(all->lib->multi_add_handle(lane->multi, easy) == CURLM_OK);
    return lane;
}

void sg_curl_lane_stop(struct sg_curl_lane *lane, CURL *easy) {
    lane->all->lib->multi_remove_handle(lane->multi, easy);
    lane->running--;
}

void sg_curl_lanes_close(struct sg_curl_lanes *all) {
    for (struct sg_curl_lane *l; (l = all->first) != NULL;) {
        all->first = l->next;
        all->lib->multi_cleanup(l->multi);
        sg_timer_stop(all->loop, &l->timer);
        free(l);
    }
}
