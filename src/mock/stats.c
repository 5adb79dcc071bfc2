/* SPDX-License-Identifier: Apache-2.0 */
/* stats: counters of the mock server.
 *
 * Every request costs one look into a table of request hashes (16 bytes each): it gives the attempt's number, on which
 * faults depend, and tells wasted repeats. Beyond SEEN_MAX different requests new ones are not tracked: each counts as a
 * first attempt, and "untracked" says how many there were. */
#include "mock/mock_parts.h"

#include <stdlib.h>

#define SEEN_MAX ((size_t)4 << 20)
#define FIRST_PLACES 4096

const char *const sg_mock_outcome_names[SG_MOCK_OUTCOMES] = {
    "answered", "status", "reset", "truncated", "garbage", "hang", "error_body", "client_gone",
};

/* Its place, or the free one where it would go. The hash is mixed already. */
static struct sg_mock_seen *find(const struct sg_mock_counters *c, uint64_t hash) {
    size_t i = hash & (c->places - 1);
    while (c->seen[i].hash && c->seen[i].hash != hash) i = (i + 1) & (c->places - 1);
    return &c->seen[i];
}

static void grow(struct sg_mock_counters *c) {
    struct sg_mock_counters old = *c;
    c->places = old.places ? old.places * 2 : FIRST_PLACES;
    c->seen = sg_xcalloc(c->places, sizeof *c->seen);
    for (size_t i = 0; i < old.places; i++)
        if (old.seen[i].hash) *find(c, old.seen[i].hash) = old.seen[i];
    free(old.seen);
}

static uint64_t key_of(uint64_t hash) {
    return hash ? hash : 1;
}

uint32_t sg_mock_count_arrival(struct sg_mock_counters *c, uint64_t hash, bool with_auth) {
    if (c->requests++ == 0) c->first_request_ns = sg_os->wall_ns();
    c->with_auth += with_auth;
    if (++c->in_flight > c->max_in_flight) c->max_in_flight = c->in_flight;
    if (c->n_seen * 3 >= c->places * 2 && c->n_seen < SEEN_MAX) grow(c);
    struct sg_mock_seen *s = find(c, key_of(hash));
    if (!s->hash && c->n_seen >= SEEN_MAX) {
        c->untracked++;
        return 1;
    }
    if (!s->hash) c->n_seen++;
    s->hash = key_of(hash);
    c->duplicates_after_ok += s->answered > 0;
    return ++s->requests;
}

void sg_mock_count_end(struct sg_mock_counters *c, uint64_t hash, enum sg_mock_outcome outcome, int status) {
    c->in_flight--;
    c->by_outcome[outcome]++;
    if (status > 0 && status < 600) c->by_status[status]++;
    if (outcome != SG_MOCK_ANSWERED || !c->places) return;
    struct sg_mock_seen *s = find(c, key_of(hash));
    if (s->hash) s->answered++;
}

void sg_mock_count_serving(struct sg_mock_counters *c, int change) {
    c->serving += (uint32_t)change;
    if (c->serving > c->max_serving) c->max_serving = c->serving;
}

void sg_mock_count_connection(struct sg_mock_counters *c, int change) {
    c->open += (uint32_t)change;
    if (change > 0) c->connections++;
    if (c->open > c->max_open) c->max_open = c->open;
}

void sg_mock_reset_counters(struct sg_mock_counters *c) {
    struct sg_mock_counters now = {.in_flight = c->in_flight, .max_in_flight = c->in_flight, .serving = c->serving,
                                   .max_serving = c->serving, .open = c->open, .max_open = c->open};
    free(c->seen);
    *c = now;
}

void sg_mock_free_counters(struct sg_mock_counters *c) {
    free(c->seen);
}

static void member(struct sg_buf *out, const char *name, uint64_t value) {
    sg_buf_printf(out, ",\"%s\":%llu", name, (unsigned long long)value);
}

static void write_by_status(const struct sg_mock_counters *c, struct sg_buf *out) {
    const char *comma = "";
    SG_BUF_LIT(out, ",\"by_status\":{");
    for (int i = 0; i < 600; i++) {
        if (!c->by_status[i]) continue;
        sg_buf_printf(out, "%s\"%d\":%llu", comma, i, (unsigned long long)c->by_status[i]);
        comma = ",";
    }
    sg_buf_ch(out, '}');
}

void sg_mock_write_counters(const struct sg_mock_counters *c, struct sg_buf *out) {
    uint64_t never_ok = 0;
    for (size_t i = 0; i < c->places; i++) never_ok += c->seen[i].hash && !c->seen[i].answered;
    sg_buf_printf(out, "{\"requests\":%llu", (unsigned long long)c->requests);
    for (int i = 0; i < SG_MOCK_OUTCOMES; i++)
        if (i != SG_MOCK_STATUS) member(out, sg_mock_outcome_names[i], c->by_outcome[i]);
    write_by_status(c, out);
    member(out, "in_flight", c->in_flight);
    member(out, "max_in_flight", c->max_in_flight);
    member(out, "serving", c->serving);
    member(out, "max_serving", c->max_serving);
    member(out, "connections", c->connections);
    member(out, "open_connections", c->open);
    member(out, "max_connections", c->max_open);
    member(out, "distinct", c->n_seen);
    member(out, "duplicates", c->requests - c->untracked - c->n_seen);
    member(out, "duplicates_after_ok", c->duplicates_after_ok);
    member(out, "never_ok", never_ok);
    member(out, "untracked", c->untracked);
    member(out, "with_auth", c->with_auth);
    sg_buf_printf(out, ",\"first_request_ns\":%lld}", (long long)c->first_request_ns);
}
