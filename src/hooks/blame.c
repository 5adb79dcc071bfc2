/* SPDX-License-Identifier: Apache-2.0 */
/* blame: which of its calls has ended a host, and in which words that is told.
 *
 * What is known depends on the host. A serial one is at its first call. One with a work page has noted there which calls
 * it had begun: one call is the culprit, several are suspects, and calls that are not there are innocent. Of a host that
 * notes nothing each call that it holds may be the one. A call that nobody waits for any more (canceled) may still be
 * the culprit; then no other is.
 * A host that was killed from outside says nothing about its calls, and neither does one that dies between two calls:
 * what was at work then is only counted, so that a call which makes the system kill its hosts ends, too. */
#include "hooks/host.h"

#include <signal.h>
#include <string.h>

static const struct sg_work_page *page_of(const struct sg_host *host) {
    return host->shows_work && host->process ? sg_process_page(host->process) : NULL;
}

static struct sg_host_slot *next_of(struct sg_host *host, uint8_t i) {
    return i == SG_HOST_NO_SLOT ? NULL : &host->slots[i];
}

/* The slot of a call's number, if the host holds that call. */
static uint32_t slot_of(const struct sg_host *host, uint64_t id) {
    uint32_t i = (uint32_t)(id % SG_HOST_SLOTS);
    return host->used >> i & 1 && host->slots[i].id == id ? i : SG_HOST_NO_SLOT;
}

bool sg_blame_has_page(const struct sg_host *host) {
    return page_of(host) != NULL;
}

/* The host may be alive and writing. */
uint64_t sg_blame_at_work(const struct sg_host *host) {
    const struct sg_work_page *page = page_of(host);
    uint64_t bits = 0;
    if (host->serial) return host->n_slots ? (uint64_t)1 << host->first : 0;
    if (!page) return host->used;
    for (size_t k = 0; k < sizeof page->at_work / sizeof *page->at_work; k++) {
        uint64_t id = __atomic_load_n(&page->at_work[k], __ATOMIC_RELAXED);
        uint32_t i = id ? slot_of(host, id) : SG_HOST_NO_SLOT;
        if (i != SG_HOST_NO_SLOT) bits |= (uint64_t)1 << i;
    }
    return bits;
}

static void blame(struct sg_host *host, uint64_t bits, enum sg_host_blame how) {
    for (struct sg_host_slot *s = next_of(host, host->first); s; s = next_of(host, s->next))
        if (bits >> (s - host->slots) & 1) s->blame = how;
}

void sg_blame_for_death(struct sg_host *host) {
    uint64_t bits = sg_blame_at_work(host);
    if (!host->process) blame(host, host->used, SG_BLAME_SURE); /* attached: there will be no other */
    else if (bits == 0) blame(host, host->used, SG_BLAME_UNSURE);
    else blame(host, bits, bits & (bits - 1) ? SG_BLAME_SUSPECT : SG_BLAME_SURE);
}

void sg_blame_for_kill(struct sg_host *host) {
    blame(host, sg_blame_at_work(host), SG_BLAME_UNSURE);
}

void sg_blame_for_time(struct sg_host *host, uint64_t now_ns) {
    for (struct sg_host_slot *s = next_of(host, host->first); s; s = next_of(host, s->next))
        if (sg_host_is_overdue(host, s, now_ns)) s->blame = SG_BLAME_SURE;
}

/* ---- words ---- */

struct sg_str sg_blame_words(const struct sg_host *host) {
    const struct sg_work_page *page = page_of(host);
    if (!page) return SG_STR_NONE;
    return (struct sg_str){page->words, strnlen(page->words, sizeof page->words)};
}

/* From the first place of a text on; nothing when it is not there. */
static struct sg_str from_text(struct sg_str s, struct sg_str text) {
    const char *hit = s.n ? memmem(s.p, s.n, text.p, text.n) : NULL;
    return hit ? (struct sg_str){hit, s.n - (size_t)(hit - s.p)} : SG_STR_NONE;
}

/* Of what Python's faulthandler has written: `File "hooks.py", line 3 in f`, the innermost of the thread that crashed; it
 * names that thread when it writes of several. */
static struct sg_str place_of_crash(struct sg_str words) {
    struct sg_str thread = from_text(words, SG_STR("Current thread"));
    struct sg_str frame = from_text(thread.n ? thread : words, SG_STR("  File "));
    return sg_str_trim((struct sg_str){frame.p, frame.n ? sg_str_find(frame, '\n', 0) : 0});
}

void sg_blame_explain(const struct sg_host *host, struct sg_err *err) {
    unsigned long long memory_mb = host->how->memory_limit >> 20;
    struct sg_str place = place_of_crash(sg_blame_words(host));
    if (!host->process) sg_fail(err, SG_E_HOST, "the process that started this run, and serves its hooks, has gone");
    else if (host->signal == SIGKILL && host->killed) sg_fail(err, SG_E_HOST, "its host closed the connection");
    else if (host->signal == SIGKILL) sg_fail(err, SG_E_HOST, "its host was killed from outside (out of memory?)");
    else if (host->signal)
        sg_fail(err, SG_E_HOST, "its host was ended by signal %d (%s)%s%.*s", host->signal, strsignal(host->signal),
                place.n ? ": " : "", SG_ARG(place));
    else if (host->exit_status == SG_HOST_EXIT_MEMORY && memory_mb)
        sg_fail(err, SG_E_HOST, "the program used more than %llu MB", memory_mb);
    else
        sg_fail(err, SG_E_HOST, "its host ended with status %d%s%s", host->exit_status, host->words[0] ? ": " : "",
                host->words);
}
