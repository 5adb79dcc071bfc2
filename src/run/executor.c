/* SPDX-License-Identifier: Apache-2.0 */
/* A task may bring a class TaskExecutor, which runs it in its own way (spec-core 1.3). Then this process becomes the Python that runs
 * that class; for the records it starts this program again, with SYGRA_EXECUTOR=1 in its environment, by which we know that we have
 * handed over already. A task whose class is none after all comes back in the same way. */
#include "run/parts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

bool sg_run_has_executor(const struct run *r) {
    const char *here = getenv("SYGRA_EXECUTOR");
    return r->task.spec.has_executor && r->o->words && !r->o->hosts.attached && !(here && *here);
}

/* What that Python imports is our package, in front of what else it is told; what it starts is this program. */
static void set_environment(struct sg_arena *a, const char *package, const char *exe) {
    const char *modules = getenv("PYTHONPATH");
    bool more = modules && *modules;
    setenv("PYTHONPATH", sg_str_printf(a, "%s%s%s", package, more ? ":" : "", more ? modules : "").p, 1);
    setenv("SYGRA_BIN", exe, 1);
}

int sg_run_hand_over(struct run *r, struct sg_err *err) {
    struct sg_arena *a = &r->task.arena;
    struct sg_hooks_options ho;
    const char *python, *package;
    sg_run_hooks_options(r, &ho);
    int rc = sg_hooks_python(a, &ho, &python, &package, err);
    if (rc != 0) return rc;
    size_t n = 0;
    while (r->o->words[n]) n++;
    const char **argv = SG_NEW_N(a, const char *, n + 3);
    argv[0] = python;
    argv[1] = sg_str_printf(a, "%s/sygra/executor.py", package).p; /* -m would find a folder `sygra` of the working directory */
    memcpy(argv + 2, r->o->words, n * sizeof *argv);
    set_environment(a, package, r->o->exe);
    SG_LOG(executor_started, SG_F_STR("task", r->task.spec.name), SG_F_STR("python", sg_str(python)));
    fflush(NULL);
    execv(python, (char *const *)argv);
    return sg_fail_sys(err, SG_E_HOST, errno, "the task's class TaskExecutor cannot be run: %s", python);
}
