/* SPDX-License-Identifier: Apache-2.0 */
/* endpoint_sim: mock endpoints on the simulated loop, and the memory of what they were asked, which outlives the processes:
 * a request that is repeated by a later life is its second attempt, and meets the faults of that.
 *
 * Which record a request belongs to is read from its last message: the text up to the first blank. A request is under way
 * while the engine's end of its connection is open; one that the engine has given up does not count. */
#include "sim/parts.h"

#include <stdlib.h>

#define REQUESTS ((size_t)1 << 14) /* that differ, in one world */
#define PLACES (2 * REQUESTS)
#define UNDER_WAY 4096

struct under_way {
    uint64_t hash, record;
    struct sg_stream *stream;
};

struct sg_sim_endpoints {
    struct sg_sim_asked asked[REQUESTS]; /* in the order of their first arrival */
    uint32_t places[PLACES];             /* number in `asked` + 1, by hash; 0: free */
    size_t n;
    struct under_way under_way[UNDER_WAY];
    size_t n_under_way;
    uint32_t peak_records;
};

struct sg_sim_endpoint {
    struct sg_sim_endpoint *next;
    struct sg_mock *mock;
    struct sg_mock_watch watch;
};

void sg_sim_endpoints_make(struct sg_sim *s) {
    s->endpoints = sg_sim_alloc(s, sizeof *s->endpoints);
}

void sg_sim_endpoints_release(struct sg_sim *s) {
    s->endpoints->n_under_way = 0;
}

/* --- what was asked ----------------------------------------------------------------------------------------------- */

static void name_record(struct sg_sim_asked *a, struct sg_str record) {
    size_t n = record.n < sizeof a->record ? record.n : sizeof a->record - 1;
    if (n) memcpy(a->record, record.p, n);
    a->record[n] = '\0';
}

static struct sg_sim_asked *find(struct sg_sim_endpoints *e, uint64_t hash) {
    size_t i = hash & (PLACES - 1);
    while (e->places[i] && e->asked[e->places[i] - 1].hash != hash) i = (i + 1) & (PLACES - 1);
    if (!e->places[i]) {
        SG_ASSERT(e->n < REQUESTS);
        e->asked[e->n++].hash = hash;
        e->places[i] = (uint32_t)e->n;
    }
    return &e->asked[e->places[i] - 1];
}

static bool is_new_record(const struct sg_sim_endpoints *e, size_t i) {
    for (size_t k = 0; k < i; k++)
        if (e->under_way[k].record == e->under_way[i].record && sg_sim_peer_is_there(e->under_way[k].stream))
            return false;
    return sg_sim_peer_is_there(e->under_way[i].stream);
}

static void count_records(struct sg_sim_endpoints *e) {
    uint32_t n = 0;
    for (size_t i = 0; i < e->n_under_way; i++) n += is_new_record(e, i);
    if (n > e->peak_records) e->peak_records = n;
}

static uint32_t on_request(void *ud, struct sg_stream *from, uint64_t hash, struct sg_str last_user, struct sg_str body) {
    struct sg_sim *s = ud;
    struct sg_sim_endpoints *e = s->endpoints;
    struct sg_sim_asked *a = find(e, hash);
    struct sg_str record = {last_user.p, sg_str_find(last_user, ' ', 0)};
    SG_ASSERT(e->n_under_way < UNDER_WAY);
    e->under_way[e->n_under_way++] = (struct under_way){hash, sg_hash64(record, 0), from};
    count_records(e);
    name_record(a, record);
    a->body = sg_hash64(body, 0);
    a->again += a->answered > 0;
    sg_sim_note(s, "asked", "", hash, a->requests + 1);
    return ++a->requests;
}

static void on_end(void *ud, struct sg_stream *from, uint64_t hash, bool answered) {
    struct sg_sim *s = ud;
    struct sg_sim_endpoints *e = s->endpoints;
    size_t i = 0;
    while (e->under_way[i].stream != from) i++;
    e->under_way[i] = e->under_way[--e->n_under_way];
    find(e, hash)->answered += answered;
    sg_sim_note(s, answered ? "answered" : "not answered", "", hash, 0);
}

size_t sg_sim_asked(const struct sg_sim *s, const struct sg_sim_asked **out) {
    *out = s->endpoints->asked;
    return s->endpoints->n;
}

uint32_t sg_sim_peak_records(const struct sg_sim *s) {
    return s->endpoints->peak_records;
}

/* --- endpoints ---------------------------------------------------------------------------------------------------- */

int sg_sim_add_mock(struct sg_sim *s, struct sg_loop *base, const struct sg_mock_options *options,
                    struct sg_err *err) {
    struct sg_sim_loop *l = sg_sim_loop_of(base);
    struct sg_sim_endpoint *e = sg_xcalloc(1, sizeof *e);
    e->watch = (struct sg_mock_watch){.on_request = on_request, .on_end = on_end, .ud = s};
    struct sg_mock_options o = *options;
    o.watch = &e->watch;
    int rc = sg_mock_open(base, &o, &e->mock, err);
    if (rc) {
        free(e);
        return rc;
    }
    e->next = l->mocks;
    l->mocks = e;
    return 0;
}

void sg_sim_close_mocks(struct sg_sim_loop *l) {
    while (l->mocks) {
        struct sg_sim_endpoint *e = l->mocks;
        l->mocks = e->next;
        sg_mock_close(e->mock);
        free(e);
    }
}
