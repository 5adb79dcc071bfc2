#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A kill storm over a run with Python hooks: its hosts are killed all the time, and so is the engine, which is resumed each
time; the output is compared with that of a run that nobody disturbs.

    BIN=build/release/sygra tests/crash/hook_storm.py [--kills 40] [--seconds 40] [--records 300] [--seed N] [--keep FOLDER]

The task has a lambda that draws and changes the state in place, a pre- and a post-processor (an async one), and a loop whose
condition is Python. Hosts die by SIGKILL at random moments, while they start as well as at work, and so does the engine now and
then. However fast the machine is, the storm ends when its kills are made, or after so many seconds: a run that is
through before that goes on with --records more.

What must hold: the output has the bytes of the undisturbed run, no record fails, and no host outlives its engine. The last
line is `N passed, N failed`.
"""
import argparse
import os
import pathlib
import random
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from lib import BIN, ENV, Mock, Task  # noqa: E402

IN_FLIGHT = 25
PAUSE_S = (0.01, 0.12)  # between kills
ENGINE_SHARE = 0.03
FEWEST = 10  # hosts killed, if so many kills are wanted
ROWS_A_KILL = 1000  # of the input
GROWN_S, YOUNG_SHARE = 0.2, 0.02  # so long after its import a host is at work; how often a younger one is killed
MARK = "HOOK_STORM"  # in the environment of an engine, and of its hosts
LAST_LIFE_S = 120

GRAPH = """
    data_config:
      source: {type: disk, file_path: data.jsonl}
    graph_config:
      nodes:
        shape: {node_type: lambda, lambda: storm_hooks.shape, output_keys: [tone, n]}
        ask:
          node_type: llm
          model: {name: m}
          pre_process: storm_hooks.Before
          post_process: storm_hooks.after
          prompt: [{user: "round {n} of {q}, {tone}, {extra}"}]
          output_keys: [n, last]
      edges:
        - {from: START, to: shape}
        - {from: shape, to: ask}
        - {from: ask, condition: storm_hooks.more, path_map: {END: END, again: ask}}
    output_config:
      output_map:
        id: {from: id}
        tone: {from: tone}
        notes: {from: notes}
        last: {from: last}
        rounds: {from: n}
    """

HOOKS = '''
import asyncio
import os
import pathlib
import random
import time

from sygra.core.graph.functions.node_processor import NodePreProcessor

pathlib.Path(__file__).with_name(f"loaded-{os.getpid()}").touch()


def shape(config, state):
    time.sleep(0.002)
    state["notes"].append({"shaped": random.random()})
    return {"tone": random.choice(["dry", "warm", "loud"]), "n": 0}


class Before(NodePreProcessor):
    def apply(self, state):
        state["extra"] = f"{random.randrange(1 << 40)} and {len(state['notes'])}"
        return state


async def after(response, state):
    await asyncio.sleep(random.random() / 100)
    return {"n": state["n"] + 1, "last": response.content[:60]}


def more(state):
    return "again" if state["n"] < state["rounds"] else "END"
'''


def lay_out(folder, url, rows):
    rows = [{"id": i, "q": f"question {i}", "rounds": 1 + i % 3, "notes": []} for i in range(rows)]
    Task(folder, GRAPH, url, rows=rows).write("storm_hooks.py", HOOKS)


def command(folder, records):
    if (folder / "output.run" / "run.db").exists():
        return [BIN, "resume", str(folder / "output.run"), "-n", str(records), "--json"]
    return [BIN, "run", str(folder), "-n", str(records), "-b", str(IN_FLIGHT), "--output_with_ts", "False", "--seed", "7", "--json"]


def start(folder, mark, records):
    environment = {**ENV, MARK: mark}
    return subprocess.Popen(command(folder, records), cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            env=environment)


def hosts_of(pid):
    try:
        return [int(p) for p in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def alive_with(mark):
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            pass
    return found


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


class Storm:
    def __init__(self, folder, options, draw, mark):
        self.folder, self.draw, self.mark = folder, draw, mark
        self.kills, self.step = options.kills, options.records
        self.ends_at = time.monotonic() + options.seconds
        self.records = self.hosts = self.engines = 0
        self.was_young = False
        self.problems = []

    def run(self):
        while not self.problems and not self.is_over():
            self.records += self.step
            self.run_so_far()

    def is_over(self):
        enough = self.hosts + self.engines >= self.kills or self.records + self.step > self.kills * ROWS_A_KILL
        return enough or time.monotonic() > self.ends_at

    def run_so_far(self):
        engine = self.start()
        while engine.poll() is None and not self.is_over():
            time.sleep(self.draw.uniform(*PAUSE_S))
            if self.draw.random() < ENGINE_SHARE:
                engine = self.kill_engine(engine)
            else:
                self.kill_host(engine)
        self.see_end(engine, LAST_LIFE_S)

    def start(self):
        return start(self.folder, self.mark, self.records)

    def see_end(self, engine, timeout, *statuses):
        out, err = engine.communicate(timeout=timeout)
        if engine.returncode not in (0, *statuses):
            self.problems.append(f"a life gave status {engine.returncode}\n{out[-3000:]}\n{err[-3000:]}")

    def kill_host(self, engine):
        """One that is starting only now and then: a run gives up when three in a row do not come to life."""
        hosts = hosts_of(engine.pid)
        grown = [pid for pid in hosts if self.has_loaded(pid)]
        if not hosts or not grown and (self.was_young or self.draw.random() > YOUNG_SHARE):
            return
        self.was_young = not grown
        kill(self.draw.choice(grown or hosts))
        self.hosts += 1

    def has_loaded(self, pid):
        note = self.folder / f"loaded-{pid}"
        return note.exists() and time.time() - note.stat().st_mtime >= GROWN_S

    def kill_engine(self, engine):
        kill(engine.pid)
        self.see_end(engine, 60, -signal.SIGKILL)
        self.engines += engine.returncode == -signal.SIGKILL
        until = time.monotonic() + 10
        while alive_with(self.mark) and time.monotonic() < until:
            time.sleep(0.01)
        if left := alive_with(self.mark):
            self.problems.append(f"hosts outlive their engine: {left}")
        return self.start()


def output_of(folder):
    """Of many records it is JSON Lines."""
    return b"".join(path.read_bytes() for path in folder.glob("output.json*"))


def difference(a, b):
    at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    return f"{len(a)} and {len(b)} bytes, different from byte {at}: {a[at - 80:at + 80]!r}, {b[at - 80:at + 80]!r}"


def checks(folder, options):
    """Yields (what was looked at, problems)."""
    draw, mark = random.Random(options.seed), f"storm-{os.getpid()}"
    with Mock("--latency_ms", 10, "--reply_words", 12) as mock:
        for name in ("storm", "still"):
            lay_out(folder / name, mock.url, options.kills * ROWS_A_KILL)
        storm = Storm(folder / "storm", options, draw, mark)
        started = time.monotonic()
        storm.run()
        print(f"{storm.hosts} hosts and {storm.engines} engines were killed in {time.monotonic() - started:.1f} s, "
              f"over {storm.records} records", flush=True)
        yield "every life goes on where the last one was killed", storm.problems
        yield "hosts were killed", [] if storm.hosts >= min(options.kills / 2, FEWEST) else [f"only {storm.hosts}: give it more time"]
        still = start(folder / "still", mark, storm.records)
        out, err = still.communicate(timeout=max(LAST_LIFE_S, options.seconds))
        yield "the undisturbed run ends well", [] if still.returncode == 0 else [out[-3000:] + err[-3000:]]
    wanted, got = output_of(folder / "still"), output_of(folder / "storm")
    yield "the output has the bytes of the undisturbed run", [] if got == wanted != b"" else [difference(got, wanted)]
    failed = folder / "storm" / "output_failed.jsonl"
    yield "no record fails", [failed.read_text()[:2000]] if failed.exists() else []


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--records", type=int, default=300, help="that the run goes on with each time")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--keep", help="a folder that is left behind")
    options = parser.parse_args()
    print(f"seed {options.seed}")
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="sygra-hook-storm-") as temporary:
        folder = pathlib.Path(options.keep or temporary)
        for what, problems in checks(folder, options):
            passed, failed = passed + (not problems), failed + bool(problems)
            print(f"{'FAIL' if problems else 'ok  '} {what}")
            for problem in problems:
                print(f"     {problem}")
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
