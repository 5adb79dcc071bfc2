#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Puts bugs into the engine, one after the other, and looks whether the simulator finds each.

    tests/sim/bugs.py [WORD...] [--seeds 600]       only bugs whose name holds one of the words

A bug is a small change of one file in a copy of this checkout, build/bugs/; what is between its two texts is all that differs.
It counts as found when the driver fails for one of the seeds, or when a worker of the driver crashes. Without a bug the same
seeds pass: that is the suite `sim`. The last line is `N passed, N failed`.
"""
import argparse
import collections
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
COPY = ROOT / "build/bugs"
STEP = 40  # seeds between two looks

Bug = collections.namedtuple("Bug", "name file good bad")
BUGS = [
    Bug("one record more than -b is admitted", "src/run/open.c",
        ".in_flight = r->o->in_flight,", ".in_flight = r->o->in_flight + 1,"),
    Bug("a draw depends on the order in which things happen", "src/exec/node_sampler.c",
        ".visit = t->visit};", ".visit = (uint32_t)sg_rng_next(sg_loop_rng(t->record->exec->o.loop))};"),
    Bug("which model a balancing node asks depends on the order in which things happen", "src/exec/node_multi_llm.c",
        ".visit = t->visit};", ".visit = (uint32_t)sg_rng_next(sg_loop_rng(t->record->exec->o.loop))};"),
    Bug("the models beside one that failed are asked on", "src/exec/node_multi_llm.c",
        "        for (size_t i = 0; i < t->n_children; i++) sg_task_cancel(&t->children[i]);\n", ""),
    Bug("the calls that a dead host held are forgotten", "src/hooks/hosts.c",
        "        else put_first(p, c);\n", "        else c->state_ = CALL_DONE;\n"),
    Bug("room in a host that had been slow is not noticed", "src/hooks/host.c",
        "    if (sg_host_has_room(host)) host->how->ev->on_ready(host);\n", ""),
    Bug("what runs beside a failed node is not cancelled", "src/exec/record.c",
        "    if (t->call_waits) sg_call_cancel(&t->call);\n", ""),
    Bug("a reply of 429 fails the record", "src/calls/calls.c",
        "bool again = (s == 408 || s == 429 || s >= 500) && !quota;", "bool again = (s == 408 || s >= 500) && !quota;"),
    Bug("a short write is taken for a whole one", "src/base/os.c",
        "        done += (size_t)put;\n    }\n    return 0;\n}\n\n/* Reads to the end",
        "        done = n;\n    }\n    return 0;\n}\n\n/* Reads to the end"),
    Bug("what a commit calls written has not been written", "src/data/keeper.c",
        "    for (int i = 0; i < SG_OUTCOMES && rc == 0; i++) rc = sg_outfile_flush(&files[i], err);\n    if (rc < 0) return rc;\n    take_progress",
        "    if (rc < 0) return rc;\n    take_progress"),
    Bug("the output is not synced", "src/data/outfile.c",
        "    if (f->dirty) sg_sync_add(y, f->fd, false, f->path.p);\n", ""),
    Bug("the log of run.db is not synced", "src/journal/rundb.c",
        "    int rc = d->log->pMethods->xSync(d->log, SQLITE_SYNC_NORMAL);\n", "    int rc = SQLITE_OK;\n"),
    Bug("records that wait for an earlier one are run again after a death", "src/data/resume.c",
        "        add_finished(r, row->position);\n", ""),
    Bug("a record that ends behind a gap is committed without its body", "src/data/keeper.c",
        "        row->has_body = true;\n", ""),
    Bug("a record begins anew although its steps are in the journal", "src/data/past.c",
        "    if (!row->has_body) return false;\n", "    if (row->step) return false;\n"),
    Bug("a list that a hook has replaced is journalled as if it had grown", "src/exec/step_body.c",
        "p->keys[slot].append && !r->replaced[slot]", "p->keys[slot].append"),
    Bug("a hook of once is called before its intent is committed", "src/exec/once.c",
        "    sg_output_when_committed(x->o.output, &t->commit);\n    return WAIT;\n",
        "    t->commit_waits = false;\n    return NEXT;\n"),
    Bug("a hook of once runs again when nobody knows whether it has run", "src/exec/once.c",
        "    if (c) return in_doubt(t);\n", ""),
    Bug("an answer that is in the journal is asked for again", "src/exec/past_answer.c",
        "    if (same && has_outcome(c)) return c;\n", "    if (same && has_outcome(c) && c->failure) return c;\n"),
    Bug("a commit that takes records back names what was not synced", "src/data/retry.c",
        "    int rc = sync_all(r);\n", "    int rc = sg_segments_flush(r->k->segments, r->err);\n"),
    Bug("half done records go on behind steps of a task that has changed", "src/data/retry.c",
        "    int rc = r->again->is ? forget_steps(r, &resumed) : 0;\n", "    int rc = 0;\n"),
    Bug("which sources of a join had finished is forgotten", "src/exec/step_body.c",
        "    write_joins(r, out);\n", ""),
    Bug("bodies are freed before their record has ended", "src/data/keeper.c",
        "    uint64_t safe = k->id.durability == SG_DURABILITY_EXIT ? k->now.position : k->synced.position;\n    if (k->id.keep == SG_KEEP_ALL",
        "    uint64_t safe = k->now.position + 2;\n    if (k->id.keep == SG_KEEP_ALL"),
    Bug("the loop thread reads a file", "src/exec/engine.c",
        "    x->pulling = false;\n    x->row_at = 0;\n",
        "    x->pulling = false;\n    x->row_at = 0;\n    struct sg_str file;\n    struct sg_arena a;\n    sg_arena_init(&a, 0);\n"
        "    sg_os_read_file(&a, \"/task/models.yaml\", 4096, &file, NULL);\n    sg_arena_fini(&a);\n"),
    Bug("an attempt that is to come again is never made", "src/calls/calls.c",
        "    sg_timer_start(c->model->calls->loop, &c->backoff_, wait_ns);\n",
        "    if (c->attempts != 2) sg_timer_start(c->model->calls->loop, &c->backoff_, wait_ns);\n"),
]


def make_copy():
    """What git has or would take; what is unchanged keeps its time, so that little is built again."""
    files = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT,
                           capture_output=True, check=True, text=True).stdout.split("\0")
    for name in filter(None, files):
        source, target = ROOT / name, COPY / name
        if not source.is_file() or (target.exists() and target.read_bytes() == source.read_bytes()):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
        shutil.copymode(source, target)
    (COPY / "build").mkdir(exist_ok=True)
    for name in ("deps", "venv"):
        if not (COPY / "build" / name).exists() and (ROOT / "build" / name).exists():
            (COPY / "build" / name).symlink_to(ROOT / "build" / name)


def build():
    return subprocess.run(["scripts/build", "asan", "sim_driver"], cwd=COPY, capture_output=True, text=True,
                          env={**os.environ, "WERROR": "OFF"}, check=False)


def hunt(seeds):
    """The first failing seed and its text, or None."""
    env = {**os.environ, "SIM_DRIVER": "build/asan/drivers/sim_driver"}
    for first in range(1, seeds + 1, STEP):
        done = subprocess.run([sys.executable, "tests/sim/run.py", "--seeds", str(STEP), "--first", str(first), "--once"], cwd=COPY,
                              capture_output=True, text=True, env=env, check=False)
        found = re.search(r"^seeds? (\d+).*", done.stdout, re.MULTILINE)
        if done.returncode != 0 and found:
            return found[0]
    return None


def try_bug(bug, seeds):
    path = COPY / bug.file
    text = path.read_text()
    if text.count(bug.good) != 1:
        return False, f"{bug.file} holds the text to change {text.count(bug.good)} times"
    path.write_text(text.replace(bug.good, bug.bad))
    try:
        built = build()
        if built.returncode != 0:
            return False, f"it does not compile:\n{built.stdout[-1500:]}{built.stderr[-1500:]}"
        finding = hunt(seeds)
        return finding is not None, finding or f"{seeds} seeds pass"
    finally:
        path.write_text(text)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--seeds", type=int, default=600)
    args = parser.parse_args()
    make_copy()
    passed = failed = 0
    for bug in BUGS:
        if args.words and not any(w in bug.name for w in args.words):
            continue
        started = time.monotonic()
        found, text = try_bug(bug, args.seeds)
        passed += found
        failed += not found
        print(f"{'ok  ' if found else 'FAIL'} {bug.name} ({time.monotonic() - started:.0f} s): {text}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
