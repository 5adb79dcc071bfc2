/* SPDX-License-Identifier: Apache-2.0 */
/* log: events, not sentences. A table names each event with its level; a call adds fields. One call gives a line of text for
 * people and a JSON line for machines (docs/formats/events.md), each to where it is wanted.
 *
 * Low layers return errors and do not log; an error is logged once, where it is handled. Texts pass through the redactor
 * (redact.h), and control characters are escaped, before they leave the process.
 * Thread: any, a line is written whole; while something takes the lines (sg_log_show, sg_log_keep) the one that set it. */
#ifndef SG_BASE_LOG_H
#define SG_BASE_LOG_H

#include "base/str.h"

enum sg_level { SG_DEBUG, SG_INFO, SG_WARN, SG_FAILURE };

/* name, level, what a person reads before the fields; "": people are told in another way */
#define SG_EVENT_TABLE(X)                                                                                             \
    X(run_started, SG_INFO, "run started")                                                                            \
    X(run_resumed, SG_INFO, "run goes on")                                                                            \
    X(task_changed, SG_INFO, "")                                                                                      \
    X(resume_lost, SG_WARN, "the machine was restarted; ends of records that were not on disk yet are made again")         \
    X(progress, SG_INFO, "progress")                                                                              \
    X(run_stopping, SG_WARN, "stopping")                                                                              \
    X(run_aborted, SG_FAILURE, "run aborted")                                                                         \
    X(summary, SG_INFO, "")                                                                                           \
    X(metadata_lost, SG_WARN, "the metadata file could not be written")                                              \
    X(log_lost, SG_WARN, "log lines are lost")                                                                          \
    X(source_opened, SG_DEBUG, "source opened")                                                                       \
    X(executor_started, SG_INFO, "the task is run by its own TaskExecutor")                                            \
    X(transforms_started, SG_INFO, "the input goes through its transformations as a whole")                            \
    X(transforms_running, SG_INFO, "transforming the input")                                                           \
    X(transforms_done, SG_INFO, "the input is transformed")                                                            \
    X(post_started, SG_INFO, "post-processing the output")                                                             \
    X(post_failed, SG_FAILURE, "post-processing failed; the output is as it was")                                      \
    X(post_unnoted, SG_WARN, "that it is done could not be noted")                                                     \
    X(source_row_bad, SG_WARN, "bad row")                                                                             \
    X(record_failed, SG_WARN, "record failed")                                                                        \
    X(record_invalid, SG_WARN, "record invalid")                                                                      \
    X(record_done, SG_DEBUG, "record done")                                                                           \
    X(node_step, SG_DEBUG, "step")                                                                                    \
    X(call_trouble, SG_WARN, "calls fail and are tried again")                                                        \
    X(call_retry, SG_DEBUG, "call is tried again")                                                                    \
    X(call_failed, SG_DEBUG, "call failed")                                                                           \
    X(host_started, SG_DEBUG, "hook host started")                                                                    \
    X(host_died, SG_WARN, "hook host died")                                                                           \
    X(host_replaced, SG_INFO, "hook host replaced, it had grown large")                                               \
    X(model_loaded, SG_INFO, "local model loaded")                                                                    \
    X(proxy_used, SG_INFO, "a model is asked through a proxy")                                                         \
    X(limit_raised, SG_DEBUG, "limit of open files raised")                                                           \
    X(hook_print, SG_INFO, "hook says")                                                                               \
    X(hook_trace, SG_WARN, "where a hook failed (each place once)")                                                   \
    X(column_unknown, SG_WARN, "a column that the first record lacks and no node names is not part of the state")

enum sg_event {
#define SG_X(name, level, text) SG_EV_##name,
    SG_EVENT_TABLE(SG_X)
#undef SG_X
};

struct sg_field {
    const char *key;
    enum { SG_FIELD_STR, SG_FIELD_LINES, SG_FIELD_INT, SG_FIELD_REAL, SG_FIELD_JSON } kind;
    struct sg_str str;
    int64_t i;
    double real;
};

#define SG_F_STR(k, v) ((struct sg_field){.key = (k), .kind = SG_FIELD_STR, .str = (v)})
/* The last field: in text its lines stand below, indented. */
#define SG_F_LINES(k, v) ((struct sg_field){.key = (k), .kind = SG_FIELD_LINES, .str = (v)})
#define SG_F_INT(k, v) ((struct sg_field){.key = (k), .kind = SG_FIELD_INT, .i = (int64_t)(v)})
#define SG_F_REAL(k, v) ((struct sg_field){.key = (k), .kind = SG_FIELD_REAL, .real = (v)})
/* Members of a JSON object, without its braces: in JSON they stand for all fields, in text they are left out. */
#define SG_F_JSON(v) ((struct sg_field){.key = "", .kind = SG_FIELD_JSON, .str = (v)})

/* Lowest level shown, the descriptor, and the form. Defaults: INFO, 2 (stderr), text. `fd` -1 drops everything. */
void sg_log_setup(enum sg_level level, int fd, bool json);
/* Who takes lines, with their newline. `line` NULL: nobody. */
struct sg_log_taker {
    void (*line)(void *ud, enum sg_event ev, struct sg_str line);
    void *ud;
};
/* Takes the lines instead of the descriptor. */
void sg_log_show(struct sg_log_taker to);
/* Takes each line as JSON, too. */
void sg_log_keep(struct sg_log_taker to);
/* From now on JSON lines tell which life of the run they are of. 0: none. */
void sg_log_life(uint32_t life);
bool sg_log_wants(enum sg_event ev);
void sg_log_fields(enum sg_event ev, const struct sg_field *fields, size_t n);
#define SG_LOG(ev, ...)                                                                                               \
    do {                                                                                                              \
        if (sg_log_wants(SG_EV_##ev)) {                                                                               \
            const struct sg_field sg_fields_[] = {__VA_ARGS__};                                                       \
            sg_log_fields(SG_EV_##ev, sg_fields_, sizeof sg_fields_ / sizeof *sg_fields_);                            \
        }                                                                                                             \
    } while (0)

#endif
