#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random graphs with Python hooks through the reference and through ours: equal final states and records, or both fail.

    BIN=build/asan/sygra tests/compat/differential.py                  30 graphs, a slice of the seeds that changes with the commit
    BIN=build/release/sygra tests/compat/differential.py --graphs 300
    ... --seed 12345 --graphs 1 --keep DIR                             one graph again; its files stay in DIR

graphs.py makes the graphs and says what they leave out. One process of the reference (reference_worker.py, in build/reference)
runs all of them, and `sygra run` each, against one `sygra mock`, whose replies show what a node has sent. Ours has its hooks run by
two interpreters in turn: that of build/reference, which has langchain_core, and the one that runs this, which mostly has not.
"""
import argparse
import collections
import contextlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))
sys.path.insert(0, str(ROOT / "tests/compat"))
from lib import BIN, ENV, Mock  # noqa: E402

import graphs  # noqa: E402

REFERENCE = pathlib.Path(os.environ.get("REFERENCE_PYTHON", ROOT / "build/reference/bin/python"))
INTERPRETERS = (REFERENCE, sys.executable)
SEEDS = 1_000_000


def first_seed():
    """A slice of its own for every commit: CI walks through the seeds, and a run can be repeated."""
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        return int(head[:12], 16) % SEEDS
    return 0


class Reference:
    def __init__(self, folder, log):
        env = {**ENV, "SYGRA_CUSTOM_MODELS_PATH": str(folder / "models.yaml"), "PYTHONPATH": str(ROOT / "tests/compat"), "HF_HUB_OFFLINE": "1"}
        self.process = subprocess.Popen([REFERENCE, ROOT / "tests/compat/reference_worker.py"], cwd=folder, env=env, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log)

    def run(self, name):
        self.process.stdin.write(name + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "the reference's process has ended: see reference.log"
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=60)


def run_ours(folder, name, python):
    """{"records": [...]} as the reference's worker says it, and what was printed."""
    env = {**ENV, "SYGRA_CUSTOM_MODELS_PATH": str(folder / "models.yaml")}
    command = [BIN, "run", name, "-owt", "False", "--seed", "1", "--python", python]
    done = subprocess.run([str(c) for c in command], cwd=folder, env=env, capture_output=True, text=True, timeout=300)
    task = folder / "tasks" / name
    said = done.stdout + done.stderr
    if done.returncode not in (0, 3):
        return {"refused" if done.returncode == 1 else "crashed": said}, said
    written = {r["id"]: r for r in json.loads((task / "output.json").read_text())} if (task / "output.json").exists() else {}
    failed_file = task / "output_failed.jsonl"
    failed = {r["id"]: r for r in map(json.loads, failed_file.read_text().splitlines())} if failed_file.exists() else {}
    return {"records": [{"failed": json.dumps(failed[f"r{i}"])} if f"r{i}" in failed else {"record": written.get(f"r{i}")} for i in (1, 2, 3)]}, said


def unframed(value):
    """A conversation that is told as one message, without the words around it: these are the reference's, or ours."""
    if isinstance(value, dict):
        return {k: unframed(v) for k, v in value.items()}
    if isinstance(value, list):
        return [unframed(v) for v in value]
    framed = isinstance(value, str) and "Organizer: " in value and "\n\nNow" in value
    return value[value.index("Organizer: "):value.rindex("\n\nNow")] if framed else value


def same(a, b):
    """Equal outcomes; why a record failed is told in other words."""
    if "records" not in a or "records" not in b:
        return "refused" in a and "refused" in b
    return all(("failed" in x and "failed" in y) or unframed(x) == unframed(y) for x, y in zip(a["records"], b["records"]))


def models(url):
    """Short replies, since a reply comes into the next prompt."""
    return {name: {"model_type": "vllm", "model": name, "url": url, "auth_token": "EMPTY", "delay": 0, "parameters": {"max_tokens": 12}}
            for name in ("echo", "drawn", "steady")}


def lay(folder, graph):
    for path, text in graph.files().items():
        file = folder / "tasks" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


def differing(a, b, path=""):
    """Where two results part, as lines."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in sorted(set(a) | set(b)):
            yield from differing(a.get(key, "(absent)"), b.get(key, "(absent)"), f"{path}.{key}")
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b)):
            yield from differing(x, y, f"{path}[{i}]")
    elif a != b:
        yield f"  {path}\n    reference {json.dumps(a)[:1500]}\n    ours      {json.dumps(b)[:1500]}"


def explain(seed, graph, theirs, ours, said):
    print(f"graph of seed {seed} ({graph.temper}, history {graph.history}) differs:", *differing(unframed(theirs), unframed(ours)), sep="\n")
    print(graph.files()[f"{graph.name}/graph_config.yaml"], graph.files()[f"{graph.name}/task_executor.py"].removeprefix(graphs.HEAD), said[-3000:], sep="\n")


def compare(folder, reference, seed, shown):
    """What became of the graph: equal, endless or different."""
    graph = graphs.make(seed)
    lay(folder, graph)
    ours, said = run_ours(folder, graph.name, INTERPRETERS[seed % 2])
    if "no path through the graph ends" in said:
        return "endless"  # such a graph is refused beforehand [a graph that never ends]
    theirs = reference.run(graph.name)
    if same(theirs, ours):
        return "refused alike" if "refused" in theirs else "failed alike" if any("failed" in r for r in theirs["records"]) else "equal"
    if shown < 3:
        explain(seed, graph, theirs, ours, said)
    return "different"


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--graphs", type=int, default=30)
    args.add_argument("--seed", type=int, default=None)
    args.add_argument("--keep", type=pathlib.Path)
    args = args.parse_args()
    first = first_seed() if args.seed is None else args.seed
    print(f"seeds {first} to {first + args.graphs - 1}; one again: tests/compat/differential.py --graphs 1 --seed N")
    found = collections.Counter()
    with tempfile.TemporaryDirectory() as temporary, contextlib.ExitStack() as stack:
        folder = args.keep.resolve() if args.keep else pathlib.Path(temporary)
        (folder / "tasks").mkdir(parents=True, exist_ok=True)
        (folder / "script.jsonl").write_text(json.dumps({"model": "steady", "reply": "As I have always said."}))
        mock = stack.enter_context(Mock("--reply_words", 4, "--script", folder / "script.jsonl"))
        (folder / "models.yaml").write_text(json.dumps(models(mock.url)))
        reference = Reference(folder, stack.enter_context(open(folder / "reference.log", "w")))
        for seed in range(first, first + args.graphs):
            outcome = compare(folder, reference, seed, found["different"])
            found[outcome] += 1
            if outcome == "different":
                print(f"DIFFERS  seed {seed}", flush=True)
        reference.close()
    print(", ".join(f"{n} {what}" for what, n in found.items()))
    print(f"{args.graphs - found['different']} passed, {found['different']} failed")
    told = found["equal"] + found["failed alike"]  # the others say nothing about how a graph runs
    sys.exit(found["different"] > 0 or told < args.graphs / 2)


if __name__ == "__main__":
    main()
