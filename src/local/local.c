/* SPDX-License-Identifier: Apache-2.0 */
/* The loop's side of the model. Work goes to the model's thread as one job after the other, each one round of the
 * generator (a few to some hundred milliseconds; handing over costs microseconds). A job that is done hands
 * everything back to the loop thread, which then delivers what is finished, fills free slots from the queue, and
 * submits the next round. So neither side ever sees the other's half-made work, and there is no lock.
 *
 * The next round is submitted from a timer that is due at once: a callback leads to the next call of its record,
 * which starts by such a timer as well (calls.c), and with its low `order` that call should have the free slot.
 *
 * Cancel lets go of the request at once; its sequence is marked and ends with the next round. */
#include "local/generator.h"

#include <stdlib.h>

#define MAX_SEQUENCES 1024 /* libllama's own limit is lower and known only when it is loaded */
#define MAX_CONTEXT (1u << 20)
#define MAX_THREADS 512

struct sg_local {
    struct sg_loop *loop;
    struct sg_worker *worker;
    struct sg_job round;
    struct sg_timer next_round;
    struct sg_generator generator;
    struct sg_local_request *first, *last; /* waiting */
    uint32_t open_slots;
    uint64_t opened_ns;
    bool at_work;    /* a round is under way: the slots are not ours */
    bool delivering; /* inside callbacks */
    bool closed, announced;
};

/* --- the queue -------------------------------------------------------------------------------------------------- */

/* A record's second call must not wait for the first calls of all records behind it, or every record would end at the
 * end of the run: hence `order`. The walk is short beside a reply. */
static void enqueue(struct sg_local *m, struct sg_local_request *r) {
    struct sg_local_request *before = m->last;
    while (before && before->order > r->order) before = before->prev_;
    r->prev_ = before;
    r->next_ = before ? before->next_ : m->first;
    if (r->next_) r->next_->prev_ = r;
    else m->last = r;
    if (before) before->next_ = r;
    else m->first = r;
}

static void unqueue(struct sg_local *m, struct sg_local_request *r) {
    if (r->prev_) r->prev_->next_ = r->next_;
    else m->first = r->next_;
    if (r->next_) r->next_->prev_ = r->prev_;
    else m->last = r->prev_;
}

/* --- rounds ----------------------------------------------------------------------------------------------------- */

static double or_default(double value, double otherwise) {
    return value >= 0 ? value : otherwise;
}

static struct sg_sequence *make_sequence(struct sg_local_request *r) {
    struct sg_sequence *s = sg_sequence_new();
    s->request = r;
    s->messages = sg_json_copy(&s->arena, r->messages);
    s->stop = r->stop ? sg_json_copy(&s->arena, r->stop) : sg_json_null();
    s->temperature = or_default(r->temperature, 0.7);
    s->top_p = or_default(r->top_p, 0.95);
    s->min_p = or_default(r->min_p, 0.05);
    s->repeat_penalty = or_default(r->repeat_penalty, 1.1);
    s->top_k = r->top_k >= 0 ? r->top_k : 40;
    s->max_tokens = r->max_tokens ? r->max_tokens : 256;
    s->seed = r->seed;
    return s;
}

/* True when a slot is in use. */
static bool fill_slots(struct sg_local *m) {
    bool any = false;
    for (uint32_t i = 0; i < m->open_slots; i++) {
        struct sg_sequence **slot = &m->generator.slots[i];
        if (!*slot && m->first) {
            struct sg_local_request *r = m->first;
            unqueue(m, r);
            *slot = r->sequence_ = make_sequence(r);
        }
        if (!*slot) continue;
        (*slot)->dropped = !(*slot)->request;
        any = true;
    }
    return any;
}

static void submit_round(struct sg_local *m) {
    m->at_work = true;
    sg_worker_submit(m->worker, &m->round);
}

static void on_next_round(struct sg_timer *t) {
    struct sg_local *m = t->ud;
    if (fill_slots(m)) submit_round(m);
}

static void go_on(struct sg_local *m) {
    if (!m->at_work && !sg_timer_armed(&m->next_round)) sg_timer_start(m->loop, &m->next_round, 0);
}

static void run_round(struct sg_job *j) {
    sg_generator_round(&((struct sg_local *)j->ud)->generator);
}

/* --- results ---------------------------------------------------------------------------------------------------- */

static void announce(struct sg_local *m) {
    if (m->announced || !m->generator.loaded) return;
    m->announced = true;
    SG_LOG(model_loaded, SG_F_STR("path", sg_str(m->generator.model_path)),
           SG_F_INT("ms", (sg_loop_now_ns(m->loop) - m->opened_ns) / 1000000));
}

static void deliver(struct sg_sequence *s) {
    struct sg_local_request *r = s->request;
    if (!r) return;
    struct sg_local_result result = {.text = s->text,
                                     .prompt_tokens = s->prompt.n,
                                     .reused_tokens = s->reused,
                                     .completion_tokens = s->completion_tokens,
                                     .finish_reason = s->finish_reason};
    if (s->status) r->on_done(r, s->status, NULL, &s->err);
    else r->on_done(r, 0, &result, NULL);
}

/* On one core, four sequences side by side take almost four times as long as one: whoever waits for the first record
 * of a run is served by few sequences, whoever waits for all of them by many. So each reply opens one more slot. */
static void open_slot(struct sg_local *m) {
    if (m->open_slots < m->generator.n_slots) m->open_slots++;
}

/* A callback may start and cancel requests, and close the model: then the rest is not delivered. */
static void deliver_finished(struct sg_local *m) {
    m->delivering = true;
    for (uint32_t i = 0; i < m->generator.n_slots && !m->closed; i++) {
        struct sg_sequence *s = m->generator.slots[i];
        if (!s || !s->finished) continue;
        m->generator.slots[i] = NULL;
        open_slot(m);
        deliver(s);
        sg_sequence_free(&m->generator, s);
    }
    m->delivering = false;
}

static void destroy(struct sg_local *m) {
    sg_timer_stop(m->loop, &m->next_round);
    sg_generator_stop(&m->generator);
    sg_worker_close(m->worker);
    for (uint32_t i = 0; i < m->generator.n_slots; i++) {
        if (m->generator.slots[i]) sg_sequence_free(&m->generator, m->generator.slots[i]);
    }
    sg_generator_fini(&m->generator);
    free(m);
}

static void on_round_done(struct sg_job *j) {
    struct sg_local *m = j->ud;
    m->at_work = false;
    announce(m);
    deliver_finished(m);
    if (m->closed) destroy(m);
    else go_on(m);
}

/* --- the interface ---------------------------------------------------------------------------------------------- */

static int check(const char *option, uint32_t value, uint32_t max, struct sg_err *err) {
    return value > max ? sg_fail(err, SG_E_LIMIT, "%s is %u: at most %u", option, value, max) : 0;
}

int sg_local_open(struct sg_loop *l, const struct sg_local_options *o, struct sg_local **out, struct sg_err *err) {
    struct sg_worker *worker;
    int rc = check("sequences", o->sequences, MAX_SEQUENCES, err);
    if (!rc) rc = check("context", o->context, MAX_CONTEXT, err);
    if (!rc) rc = check("threads", o->threads, MAX_THREADS, err);
    if (rc) return rc;
    rc = sg_worker_open(l, "sygra-model", &worker);
    if (rc) return sg_fail(err, rc, "no thread for the local model");
    struct sg_local *m = sg_xcalloc(1, sizeof *m);
    m->loop = l;
    m->worker = worker;
    m->round = (struct sg_job){.run = run_round, .done = on_round_done, .ud = m};
    m->next_round = (struct sg_timer){.on_fire = on_next_round, .ud = m};
    m->opened_ns = sg_loop_now_ns(l);
    m->open_slots = 1;
    struct sg_generator *g = &m->generator;
    sg_generator_init(g, o->deterministic ? 1 : o->sequences ? o->sequences : SG_LOCAL_SEQUENCES);
    g->threads = o->threads ? o->threads : 1; /* several wait for each other by spinning: slow beside other work */
    g->context = o->context;
    g->model_path = o->model_path.n ? sg_str_dup(&g->arena, o->model_path).p : NULL;
    sg_llama_places(&g->arena, o->exe_dir, &g->places);
    submit_round(m); /* loads the model */
    *out = m;
    return 0;
}

void sg_local_start(struct sg_local *m, struct sg_local_request *r) {
    r->sequence_ = NULL;
    enqueue(m, r);
    go_on(m);
}

void sg_local_cancel(struct sg_local *m, struct sg_local_request *r) {
    if (r->sequence_) r->sequence_->request = NULL;
    else unqueue(m, r);
}

void sg_local_close(struct sg_local *m) {
    if (m->delivering) m->closed = true;
    else destroy(m);
}
