#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The same kill on the Python framework and on `sygra`: how many of 2,000 records are in the output afterwards?

    bench/reference_kill.py                             # both engines, runs killed 1, 3 and 5 times: about 10 minutes
    bench/reference_kill.py --only sygra --kills 5      # or --only reference; --records N, --seed N
    bench/reference_kill.py --only reference --flags="-b 100 -ci 500"       # other settings than its defaults

A task with a sampler, two parallel branches and a loop runs against `sygra mock`. Each kill is a SIGKILL when a drawn share of all
calls is answered; then the run is resumed, and killed again or left to its end. It prints a table for bench/README.md. The same
draws hold for both engines.

The framework is installed as for bench/run's part `peers`. It runs with its own defaults, `data_config.resumable: true`.
This is recorded once, and in no test suite.
"""
import argparse
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests/e2e"))
from lib import BIN, ENV, Mock, Task  # noqa: E402
from peers import SYGRA, install  # noqa: E402

VERSION = SYGRA.partition("==")[2]
VENV = ROOT / "build/peer-sygra"
PATIENCE_S = 900
MOCK = ("--latency_ms", 40, "--sigma", 0.7, "--reply_words", 20)

REFERENCE_GRAPH = """
data_config:
  resumable: true
  id_column: id
  source: {type: disk, file_path: tasks/kill/data.json, file_format: json}
graph_config:
  nodes:
    draw:
      node_type: weighted_sampler
      attributes:
        tone: {values: [dry, warm, loud, plain], weights: [4, 3, 2, 1]}
    left: {node_type: llm, model: {name: m}, prompt: [{user: "left {q}"}], output_keys: left}
    right: {node_type: llm, model: {name: m}, prompt: [{user: "right {q}"}], output_keys: right}
    again: {node_type: llm, model: {name: m}, prompt: [{user: "round {n} of {left}, {tone}"}], output_keys: text}
    count: {node_type: lambda, lambda: COUNT, output_keys: n}
  edges:
    - {from: START, to: draw}
    - {from: draw, to: left}
    - {from: draw, to: right}
    - {from: left, to: again}
    - {from: right, to: again}
    - {from: again, to: count}
    - {from: count, condition: MORE, path_map: {END: END, more: again}}
output_config:
  output_map:
    id: {from: id}
    tone: {from: tone}
    left: {from: left}
    right: {from: right}
    rounds: {from: n}
    text: {from: text}
"""
HOOKS = """
def count(node_config, state):
    return {"n": state["n"] + 1}


def more(state):
    return "__end__" if state["n"] >= state["rounds"] else "more"
"""
OUR_GRAPH = REFERENCE_GRAPH.replace("tasks/kill/data.json, file_format: json", "data.jsonl").replace(
    "COUNT", '{jq: "{n: (.n + 1)}"}').replace("MORE", '{jq: \'if .n >= .rounds then "END" else "more" end\'}')


def rows(n):
    """Ids from 1: the framework gives a row with the id 0 another one in each life."""
    return [{"id": i, "q": f"question {i}", "n": 0, "rounds": 1 + i % 3} for i in range(1, n + 1)]


def calls_of(n):
    return sum(2 + r["rounds"] for r in rows(n))


# --- the two engines: each a command that starts or resumes the run, and where its output is ------------------------------


class Sygra:
    def __init__(self, folder, url, n):
        Task(folder, OUR_GRAPH, url, rows(n))
        self.folder, self.cwd, self.env = folder, folder, ENV
        self.command = [BIN, "run", str(folder), "-n", "0", "-b", "25", "--output_with_ts", "False", "--resume", "True"]
        self.last = [BIN, "resume", str(folder)]  # a finished run stays finished
        self.name = subprocess.run([BIN, "--version"], capture_output=True, text=True, check=True).stdout.strip() + " (this engine)"

    def output(self):
        return json.loads((self.folder / "output.json").read_text())


class Reference:
    flags = ()

    def __init__(self, folder, url, n):
        task = folder / "tasks/kill"
        task.mkdir(parents=True)
        (task / "graph_config.yaml").write_text(REFERENCE_GRAPH.replace("COUNT", "tasks.kill.hooks.count").replace("MORE", "tasks.kill.hooks.more"))
        (task / "hooks.py").write_text(HOOKS)
        (task / "data.json").write_text(json.dumps(rows(n)))
        (folder / "models.yaml").write_text(json.dumps({"m": {"model_type": "vllm", "model": "m", "url": url, "auth_token": "EMPTY",
                                                              "parameters": {"temperature": 0}}}))
        shutil.copy(VENV / "main.py", folder)
        self.folder, self.cwd = task, folder
        self.env = {**ENV, "SYGRA_CUSTOM_MODELS_PATH": str(folder / "models.yaml"), "LITELLM_LOCAL_MODEL_COST_MAP": "True",
                    "HF_HUB_OFFLINE": "1", "NO_PROXY": "127.0.0.1"}
        self.command = [str(VENV / "bin/python"), "main.py", "--task", "kill", "-n", str(n), "--output_with_ts", "False", "-dm", "True",
                        *self.flags]
        self.last = self.command
        self.name = f"the framework, sygra {VERSION} ({self.versions()})" + (f" with `{' '.join(self.flags)}`" if self.flags else "")

    @staticmethod
    def versions():
        code = ("import importlib.metadata as m, platform; "
                "print('Python', platform.python_version() + ''.join(f', {p} {m.version(p)}' for p in ('litellm', 'langgraph')))")
        return subprocess.run([VENV / "bin/python", "-c", code], capture_output=True, text=True, check=True).stdout.strip()

    def output(self):
        return json.loads((self.folder / "output.json").read_text())


# --- one run --------------------------------------------------------------------------------------------------------------


def live(engine, command, until, log):
    """Starts or resumes; kills once `until()`. Returns the exit status."""
    with open(log, "ab") as out:
        p = subprocess.Popen(command, cwd=engine.cwd, env=engine.env, stdout=out, stderr=out)
        deadline = time.monotonic() + PATIENCE_S
        while p.poll() is None:
            if until() or time.monotonic() > deadline:
                p.kill()
            time.sleep(0.01)
    return p.returncode


def trial(make, n, shares, log):
    """A row of the table."""
    with tempfile.TemporaryDirectory(prefix="sygra-kill-") as place, Mock(*MOCK) as mock:
        engine = make(pathlib.Path(place) / "work", mock.url, n)
        started, kills = time.monotonic(), 0
        for share in [*shares, None]:
            status = live(engine, engine.command, lambda share=share: share is not None and mock.stats()["answered"] >= share * calls_of(n), log)
            kills += status == -9
            if status != -9:
                break
        wall = time.monotonic() - started
        live(engine, engine.last, lambda: False, log)  # a last resume: what it does not find is lost for good
        ids = [r["id"] for r in engine.output()]
        stats = mock.stats()
        lost, twice = n - len(set(ids)), len(ids) - len(set(ids))
        order = "yes" if ids == sorted(ids) else "no"
        return [engine.name, kills, lost, twice, order, stats["answered"] - calls_of(n), status, f"{wall:.0f} s"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("reference", "sygra"))
    parser.add_argument("--kills", type=int, nargs="*", default=[1, 3, 5])
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--flags", default="", help="more flags for the framework")
    parser.add_argument("--log", default="/dev/null", help="what the engines print")
    args = parser.parse_args()
    engines = {"reference": Reference, "sygra": Sygra}
    Reference.flags = args.flags.split()
    if args.only != "sygra":
        install("peer-sygra", SYGRA)
    print(f"| engine | kills | records lost of {args.records} | written twice | in order | calls answered too many | exit status | wall |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- |", flush=True)
    for name in [args.only] if args.only else engines:
        for kills in args.kills:
            draw = random.Random(args.seed * 1000 + kills)
            shares = sorted(draw.uniform(0.05, 0.95) for _ in range(kills))
            cells = trial(engines[name], args.records, shares, args.log)
            print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    main()
