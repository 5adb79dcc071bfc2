#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds our metadata file to the reference's, field by field.

    BIN=build/asan/sygra tests/compat/metadata.py                the names of metadata_fields.txt are in ours, with values of their kind
    BIN=build/release/sygra tests/compat/metadata.py --reference runs the reference too, on the same task and mock: its names are those
                                                                 of metadata_fields.txt still; prints what each says, `=` where they agree
    ... --record                                                 writes metadata_fields.txt anew

The reference goes into build/peer-sygra, as for bench/peers.py. In names * stands for a model, a node or a response.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from lib import BIN, ENV, Mock  # noqa: E402

FIELDS = pathlib.Path(__file__).with_name("metadata_fields.txt")
GRAPH = """
data_config:
  id_column: id
  source: {type: disk, file_path: %s, file_format: json}
graph_config:
  nodes:
    tone:
      node_type: weighted_sampler
      attributes:
        tone: {values: [dry, warm], weights: [1, 1]}
    write: {node_type: llm, model: {name: priced, parameters: {temperature: 0.5}}, prompt: [{user: "write {q} {tone}"}], output_keys: text}
    judge: {node_type: llm, model: {name: own}, prompt: [{user: "judge {text}"}], output_keys: mark}
  edges:
    - {from: START, to: tone}
    - {from: tone, to: write}
    - {from: write, to: judge}
    - {from: judge, to: END}
output_config:
  output_map:
    id: {from: id}
    mark: {from: mark}
"""
ROWS = [{"id": i, "q": f"question {i}"} for i in range(1, 21)]
# Three of the reference's attempts to talk to its model are not the task's: it pings each model before the run.
MOCK = ("--latency_ms", 40, "--reply_words", 20)


def models(url):
    return {"priced": {"model_type": "openai", "model": "gpt-4o-mini", "url": url, "auth_token": "EMPTY-but-long-enough-for-a-key",
                       "parameters": {"max_tokens": 100}},
            "own": {"model_type": "vllm", "model": "qwen", "url": url, "auth_token": "EMPTY",
                    "parameters": {"temperature": 0}}}


def layout(folder, url):
    task = folder / "tasks/story"
    task.mkdir(parents=True)
    (task / "graph_config.yaml").write_text(GRAPH % "tasks/story/data.json")
    (task / "data.json").write_text(json.dumps(ROWS))
    (folder / "models.yaml").write_text(json.dumps(models(url)))
    return task


def metadata_of(task):
    found = list((task / "metadata").glob("metadata_*.json"))
    assert len(found) == 1, f"metadata files: {found}"
    return found[0].name, json.loads(found[0].read_text())


def run(command, folder, env, seconds):
    done = subprocess.run([str(c) for c in command], cwd=folder, env=env, capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"


def ours(folder, url):
    task = layout(folder, url)
    env = {**ENV, "SYGRA_CUSTOM_MODELS_PATH": str(folder / "models.yaml")}
    run([BIN, "run", "story", "-n", len(ROWS), "-b", 5, "-rn", "compare"], folder, env, 120)
    return metadata_of(task)


def reference(folder, url):
    sys.path.insert(0, str(ROOT / "bench"))
    from peers import SYGRA, install
    venv = pathlib.Path(os.environ.get("PEER_SYGRA") or install("peer-sygra", SYGRA))
    task = layout(folder, url)
    shutil.copy(venv / "main.py", folder)
    env = {**ENV, "SYGRA_CUSTOM_MODELS_PATH": str(folder / "models.yaml"), "LITELLM_LOCAL_MODEL_COST_MAP": "True", "HF_HUB_OFFLINE": "1"}
    run([venv / "bin/python", "main.py", "--task", "story", "-n", len(ROWS), "-b", 5, "-ci", 5, "-rn", "compare"], folder, env, 500)
    return metadata_of(task)


def names(value, path=""):
    """Each leaf's name and value."""
    if not isinstance(value, dict) or path.endswith(".parameters"):
        yield path, value
        return
    for key, inner in value.items():
        shown = "*" if path in ("models", "nodes") or path.endswith("response_code_distribution") else key
        yield from names(inner, f"{path}.{shown}" if path else shown)


def kind(value):
    if isinstance(value, bool):
        return "bool"
    return {int: "number", float: "number", str: "text", type(None): "null", dict: "map", list: "list"}[type(value)]


def fields_of(metadata):
    kinds = {}
    for name, value in names(metadata):
        kinds.setdefault(name, set()).add(kind(value))
    return {name: "|".join(sorted(found)) for name, found in sorted(kinds.items())}


def read_fields():
    lines = [line for line in FIELDS.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split(" ") for line in lines)


def missing(golden, metadata):
    """Fields of the reference that ours lacks, or that are of another kind. Null is a value that is not known."""
    found = fields_of(metadata)
    for name, wanted in golden.items():
        has, wants = set(found.get(name, "").split("|")), set(wanted.split("|"))
        if name not in found:
            yield f"{name} is lost"
        elif not (has <= wants | {"null"} or wants == {"null"}):
            yield f"{name} is a {found[name]}, there a {wanted}"


def compare(theirs, our):
    pairs = {}
    for side, metadata in enumerate((theirs, our)):
        for top, value in metadata.items():
            for name, leaf in names({top: value}):
                pairs.setdefault(name, ([], []))[side].append(leaf)
    for name, (a, b) in pairs.items():
        print(f"{'=' if a == b else ' '} {name}\n      there {a}\n      ours  {b}" if a and b else f"+ {name}: {'there' if a else 'ours'} {a or b}")


def main():
    with tempfile.TemporaryDirectory() as home, Mock(*MOCK) as mock:
        home = pathlib.Path(home)
        name, our = ours(home / "ours", mock.url)
        assert name.startswith("metadata_tasks_story_2"), name
        if "--reference" in sys.argv or "--record" in sys.argv:
            their_name, theirs = reference(home / "theirs", mock.url)
            if "--record" in sys.argv:
                FIELDS.write_text("# Made by tests/compat/metadata.py --record: fields of the reference's metadata file, and their kinds.\n"
                                  + "".join(f"{n} {k}\n" for n, k in fields_of(theirs).items()))
            compare(theirs, our)
            changed = fields_of(theirs) != read_fields()
            print("1 passed, 0 failed" if not changed else "the reference has other fields now: --record")
            if changed:
                print("0 passed, 1 failed")
                return 1
        lost = list(missing(read_fields(), our))
        print("\n".join(lost))
        good = len(read_fields()) - len(lost)
        print(f"{good} passed, {len(lost)} failed")
        return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
