/* SPDX-License-Identifier: Apache-2.0 */
/* world: clock, draws, events, lives, and the memory that outlives them.
 *
 * The shared mapping is made once and never grows: pages that nobody touches cost nothing. Memory in it is handed out in
 * powers of two; what is freed is found again by its size.
 *
 * Time stands still unless the loop moves on to its next event; only within a job of a worker it goes on by what the disk
 * takes, and that is how much later the job is done.
 *
 * An event is counted before its effect, so a life that is killed at event n has seen the effects of n - 1. That is how a
 * driver kills at every write: one life for each number. */
#include "sim/parts.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define STORE_BYTES ((size_t)512 << 20)
#define MIN_CLASS 5 /* 32 bytes */
#define KILLED_STATUS 137
#define MAX_EVENTS 10000000 /* of one life: turns that go round without time */
/* Between two lives. */
#define PAUSE_LOW_NS SG_MS(10)
#define PAUSE_HIGH_NS SG_MS(60000)

struct sg_sim *sg_sim_world;

const char *const sg_sim_fault_names[SG_SIM_FAULTS] = {
#define SG_X(name, text) #name,
    SG_SIM_FAULT_TABLE(SG_X)
#undef SG_X
};

/* --- memory ------------------------------------------------------------------------------------------------------- */

static unsigned class_of(size_t n) {
    unsigned c = MIN_CLASS;
    while (((size_t)1 << c) < n) c++;
    SG_ASSERT(c < SG_SIM_STORE_CLASSES);
    return c;
}

void *sg_sim_alloc(struct sg_sim *s, size_t n) {
    unsigned c = class_of(n);
    size_t size = (size_t)1 << c;
    void *p = s->store.freed[c];
    if (p) {
        s->store.freed[c] = *(void **)p;
        return memset(p, 0, size);
    }
    SG_ASSERT((size_t)(s->store.end - s->store.at) >= size);
    p = s->store.at; /* fresh pages are zero */
    s->store.at += size;
    return p;
}

void sg_sim_free(struct sg_sim *s, void *p, size_t n) {
    if (!p) return;
    unsigned c = class_of(n);
    *(void **)p = s->store.freed[c];
    s->store.freed[c] = p;
}

/* --- draws -------------------------------------------------------------------------------------------------------- */

uint64_t sg_sim_below(struct sg_sim *s, uint64_t n) {
    return sg_rng_next(&s->rng) % n;
}

bool sg_sim_chance(struct sg_sim *s, double share) {
    return share > 0 && sg_rng_unit(&s->rng) < share;
}

static bool is_calmed(const struct sg_sim *s, enum sg_sim_fault f) {
    bool passes = f == SG_SIM_resolve || f == SG_SIM_refuse || f == SG_SIM_reset || f == SG_SIM_host_crash ||
                  f == SG_SIM_host_hang || f == SG_SIM_host_noise || f == SG_SIM_host_kill;
    return passes && s->o.calm_after_ns && s->now_ns >= s->o.calm_after_ns;
}

bool sg_sim_hit(struct sg_sim *s, enum sg_sim_fault f) {
    if (!s->alive || is_calmed(s, f) || !sg_sim_chance(s, s->o.rates[f])) return false;
    s->hits[f]++;
    return true;
}

uint64_t sg_sim_spread(struct sg_sim *s, uint64_t low, uint64_t high) {
    double v = (double)low * exp(sg_rng_unit(&s->rng) * log((double)high / (double)low));
    return v < (double)high ? (uint64_t)v : high;
}

uint64_t sg_sim_latency(struct sg_sim *s) {
    double mean = (s->o.latency_ms > 0 ? s->o.latency_ms : 1) * 1e6;
    return (uint64_t)(-log(1 - sg_rng_unit(&s->rng)) * mean) + 1000;
}

/* --- time and events ---------------------------------------------------------------------------------------------- */

uint64_t sg_sim_time(const struct sg_sim *s) {
    return s->now_ns + s->ahead_ns;
}

uint64_t sg_sim_clock_ns(const struct sg_sim *s) {
    return sg_sim_time(s) - s->booted_ns;
}

void sg_sim_die(struct sg_sim *s) {
    s->killed = true;
    fflush(NULL); /* the trace */
    _exit(KILLED_STATUS);
}

void sg_sim_note(struct sg_sim *s, const char *kind, const char *what, uint64_t object, int64_t value) {
    if (!s->alive) return;
    struct sg_sim_event e = {.number = ++s->events - s->born_at,
                             .at_ns = sg_sim_time(s),
                             .kind = kind,
                             .what = what,
                             .object = object,
                             .value = value};
    uint64_t figures[] = {s->fingerprint, e.at_ns, object, (uint64_t)value};
    s->fingerprint = sg_hash64((struct sg_str){(const char *)figures, sizeof figures}, sg_hash64(sg_str(kind), 0));
    if (s->o.on_event) s->o.on_event(s->o.ud, &e);
    if ((s->o.end_at_ns && e.at_ns > s->o.end_at_ns) || e.number == MAX_EVENTS) {
        sg_sim_violate(s, "it goes on after %llu s and %llu events", (unsigned long long)(e.at_ns / 1000000000),
                       (unsigned long long)e.number);
        sg_sim_die(s);
    }
    if (s->life.kill_at && e.number >= s->life.kill_at) sg_sim_die(s);
}

void sg_sim_violate(struct sg_sim *s, const char *fmt, ...) {
    if (s->violation[0]) return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(s->violation, sizeof s->violation, fmt, ap);
    va_end(ap);
}

/* --- lives -------------------------------------------------------------------------------------------------------- */

static void be_born(struct sg_sim *s, const struct sg_sim_life *how) {
    s->born_at = s->events;
    s->life = *how;
    s->operations = 0;
    s->kills_left = s->o.host_kills;
    s->killed = false;
    s->alive = true;
    s->in_turn = s->in_job = false;
    s->ahead_ns = 0;
}

static void see_the_world(struct sg_sim *s) {
    sg_sim_world = s;
    sg_os = &sg_sim_os;
}

static void be_dead(struct sg_sim *s) {
    s->alive = false;
    s->now_ns = sg_sim_time(s);
    s->ahead_ns = 0;
    s->in_turn = s->in_job = false;
    sg_os = &sg_os_posix;
    sg_sim_disk_release(s);
    sg_sim_endpoints_release(s);
}

static void take_place_of(int fd, int other) {
    if (other > 0) SG_ASSERT(dup2(other, fd) == fd);
}

static int in_child(struct sg_sim *s, const struct sg_sim_life *how, int (*live)(void *ud), void *ud) {
    fflush(NULL);
    pid_t pid = fork();
    SG_ASSERT(pid >= 0);
    if (pid == 0) {
        take_place_of(STDOUT_FILENO, how->out);
        take_place_of(STDERR_FILENO, how->err);
        see_the_world(s);
        exit(live(ud));
    }
    int status;
    while (waitpid(pid, &status, 0) != pid) {
    }
    return status;
}

void sg_sim_live(struct sg_sim *s, const struct sg_sim_life *how, int (*live)(void *ud), void *ud,
                 struct sg_sim_death *out) {
    int status;
    be_born(s, how);
    if (how->here) {
        see_the_world(s);
        status = live(ud) << 8;
    } else {
        status = in_child(s, how, live, ud);
    }
    *out = (struct sg_sim_death){.killed = s->killed, .events = s->events - s->born_at};
    if (WIFSIGNALED(status)) out->signal = WTERMSIG(status);
    else if (!s->killed) out->status = WEXITSTATUS(status);
    be_dead(s);
    s->now_ns += sg_sim_spread(s, PAUSE_LOW_NS, PAUSE_HIGH_NS);
}

/* --- the machine -------------------------------------------------------------------------------------------------- */

/* A new id at every boot, where Linux has it. */
static void boot(struct sg_sim *s) {
    char id[40];
    s->boots++;
    s->booted_ns =
        s->now_ns - (s->boots == 1 ? 0 : sg_sim_below(s, SG_MS(60000) < s->now_ns ? SG_MS(60000) : s->now_ns + 1));
    uint64_t a = sg_rng_next(&s->rng), b = sg_rng_next(&s->rng);
    int n =
        snprintf(id, sizeof id, "%08x-%04x-%04x-%04x-%012llx\n", (unsigned)(a >> 32), (unsigned)(a >> 16) & 0xFFFF,
                 (unsigned)a & 0xFFFF, (unsigned)(b >> 48), (unsigned long long)b & 0xFFFFFFFFFFFF);
    sg_sim_put_file(s, "/proc/sys/kernel/random/boot_id", (struct sg_str){id, (size_t)n});
}

void sg_sim_cut_power(struct sg_sim *s) {
    sg_sim_disk_cut(s);
    boot(s);
}

void sg_sim_calm(struct sg_sim *s) {
    memset(s->o.rates, 0, sizeof s->o.rates);
    s->o.disk_bytes = s->o.disk_fail_at = 0;
}

int sg_sim_open(const struct sg_sim_options *o, struct sg_sim **out) {
    void *p = mmap(NULL, STORE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) return SG_E_IO;
    struct sg_sim *s = p;
    s->o = *o;
    s->rng = (struct sg_rng){sg_hash64(SG_STR("sim"), o->seed)};
    s->store.at = (char *)p + ((sizeof *s + 63) & ~(size_t)63);
    s->store.end = (char *)p + STORE_BYTES;
    s->disk = sg_sim_disk_make(s);
    sg_sim_endpoints_make(s);
    boot(s);
    *out = s;
    return 0;
}

void sg_sim_close(struct sg_sim *s) {
    if (sg_sim_world == s) sg_sim_world = NULL;
    munmap(s, STORE_BYTES);
}

uint64_t sg_sim_now_ns(const struct sg_sim *s) {
    return sg_sim_time(s);
}

uint64_t sg_sim_events(const struct sg_sim *s) {
    return s->events;
}

uint64_t sg_sim_fingerprint(const struct sg_sim *s) {
    return s->fingerprint;
}

uint64_t sg_sim_fault_count(const struct sg_sim *s, enum sg_sim_fault f) {
    return s->hits[f];
}

const char *sg_sim_violation(const struct sg_sim *s) {
    return s->violation;
}
