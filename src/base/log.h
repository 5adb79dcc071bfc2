/* SPDX-License-Identifier: Apache-2.0 */
/* log: events, not sentences. A table names each event with its level; a call adds fields. One call gives a line of text on
 * a terminal and a JSON line elsewhere.
 *
 * Low layers return errors and do not log; an error is logged once, where it is handled. Texts pass through the redactor
 * (redact.h), and control characters are escaped, before they leave the process.
 * Thread: any; a line is written whole. */
#ifndef SG_BASE_LOG_H
#define SG_BASE_LOG_H

#include "base/str.h"

enum sg_level { SG_DEBUG, SG_INFO, SG_WARN, SG_FAILURE };

/* name, level, what a person reads before the fields */
#define SG_EVENT_TABLE(X)                                                                                             \
    X(run_started, SG_INFO, "run started")                                                                            \
    X(run_resumed, SG_INFO, "run goes on")                                                                            \
    X(resume_lost, SG_WARN, "the machine was restarted; ends of records that were not on disk yet are made again")         \
    X(run_progress, SG_INFO, "progress")                                                                              \
    X(run_stopping, SG_WARN, "stopping")                                                                              \
    X(run_aborted, SG_FAILURE, "run aborted")                                                                         \
    X(run_finished, SG_INFO, "run finished")                                                                          \
    X(source_opened, SG_DEBUG, "source opened")                                                                       \
    X(source_row_bad, SG_WARN, "bad row")                                                                             \
    X(record_failed, SG_WARN, "record failed")                                                                        \
    X(record_done, SG_DEBUG, "record done")                                                                           \
    X(node_step, SG_DEBUG, "step")                                                                                    \
    X(call_trouble, SG_WARN, "calls fail and are tried again")                                                        \
    X(call_retry, SG_DEBUG, "call is tried again")                                                                    \
    X(call_failed, SG_DEBUG, "call failed")                                                                           \
    X(host_started, SG_DEBUG, "hook host started")                                                                    \
    X(host_died, SG_WARN, "hook host died")                                                                           \
    X(model_loaded, SG_INFO, "local model loaded")                                                                    \
    X(limit_raised, SG_DEBUG, "limit of open files raised")                                                           \
    X(hook_print, SG_INFO, "hook says")                                                                               \
    X(column_unknown, SG_WARN, "a column that the first record lacks and no node names is not part of the state")

enum sg_event {
#define SG_X(name, level, text) SG_EV_##name,
    SG_EVENT_TABLE(SG_X)
#undef SG_X
};

struct sg_field {
    const char *key;
    enum { SG_FIELD_STR, SG_FIELD_INT, SG_FIELD_REAL } kind;
    struct sg_str str;
    int64_t i;
    double real;
};

#define SG_F_STR(k, v) ((struct sg_field){.key = (k), .kind = SG_FIELD_STR, .str = (v)})
#define SG_F_INT(k, v) ((struct sg_field){.key = (k), .kind = SG_FIELD_INT, .i = (int64_t)(v)})
#define SG_F_REAL(k, v) ((struct sg_field){.key = (k), .kind = SG_FIELD_REAL, .real = (v)})

/* Lowest level shown, the descriptor, and the form. Defaults: INFO, 2 (stderr), text. `fd` -1 drops everything. */
void sg_log_setup(enum sg_level level, int fd, bool json);
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
