#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds the table of the reference's example tasks in docs/compatibility.md true: `sygra check` says of each what its row says.

    BIN=build/asan/sygra tests/compat/table.py

Every task of the sdist has one row, and every row a task. Of a task that *runs* `check` finds no error, once its source on the Hub
is a local file where the row says so. Of one that *waits* `check` tells exactly what the row says it waits for, with the issue that
brings it; any other error names a key of which the row speaks. One that is *broken* ends with a message that holds the name which
the row gives. And what graphs.py leaves out has a row of that page each.
"""
import json
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))
sys.path.insert(0, str(ROOT / "tests/compat"))
from lib import BIN, ENV  # noqa: E402

import graphs  # noqa: E402
from examples import HUB, PYTHON, TASKS, local_source  # noqa: E402

PAGE = ROOT / "docs/compatibility.md"
# What `check` says is not there yet, and the words of the table for it.
TOLD = ((r"source type hf ", "on the Hub"), (r"a list of sources ", "lists of sources"), (r"`sink` ", "sinks"), (r"source type servicenow ", "ServiceNow"),
        (r"node type agent ", "`agent` nodes"), (r'a part of type "audio_url" ', "audio in prompts"), (r'a part of type "image_url" ', "images in prompts"),
        (r"`output_type` [^\n]*\n *output_type: audio", "audio in replies"), (r"`output_type` [^\n]*\n *output_type: image", "images in replies"))
WORDS = {"its source is on the Hub": ["on the Hub"], "source on the Hub": ["on the Hub"], "audio in prompts and replies": ["audio in prompts", "audio in replies"],
         "images in prompts and replies": ["images in prompts", "images in replies"]}
ERROR = re.compile(r"^\S+?: error: (.*\n.*)\n.*\n  help: (.*)$", re.M)


def rows():
    """{task: (state, waits for, differences)}"""
    lines = PAGE.read_text().partition("| task | state | waits for | differences |")[2].split("\n\n")[0].splitlines()[2:]
    cells = [re.split(r" *\| *", line.strip())[1:-1] for line in lines]
    return {task.strip("`"): rest for task, *rest in cells}


def waits(cell):
    """{("7", "sinks"), ("later", "`agent` nodes"), ...} of `7 data: sinks; later: ...`"""
    found = set()
    for part in filter(None, cell.split("; ")):
        when, _, what = part.partition(": ")
        for one in what.split(", "):
            found |= {(when.split()[0], word) for word in WORDS.get(one, [one])}
    return found


def told(output):
    """What `check` waits for, in the table's words, and its other errors."""
    found, others = set(), []
    for text, help_text in ERROR.findall(output):
        if "not yet supported" not in text:
            others.append(text)
            continue
        issue = re.search(r"with issue (\d+)", help_text)
        words = [word for pattern, word in TOLD if re.match(pattern, text)]
        found.add((issue[1] if issue else "later", words[0] if words else text.splitlines()[0]))
    return found, others


def models(graph):
    """An entry for every name in the graph: where a model is served is the user's."""
    names = set(re.findall(r'^\s+name: "?([\w.-]+)"?\s*$', graph.read_text(), re.M)) | {"gpt-4o", "gpt-4o-mini"}
    return {name: {"model_type": "vllm", "model": name, "url": "http://127.0.0.1:9/v1", "auth_token": "EMPTY", "parameters": {}} for name in names}


def sygra(verb, folder, task, *more):
    env = {**ENV, "SYGRA_CUSTOM_MODELS_PATH": str(folder / "models.yaml")}
    done = subprocess.run([BIN, verb, task.replace("/", "."), *map(str, more)], cwd=folder, env=env, capture_output=True, text=True, timeout=120)
    return done.returncode, done.stdout + done.stderr


def fault(folder, task, state, waiting, differences):
    """What is not as the row says, or None."""
    graph = folder / "tasks" / task / "graph_config.yaml"
    (folder / "models.yaml").write_text(json.dumps(models(graph)))
    if state == "runs" and HUB.search(graph.read_text()):
        if waits(waiting) != {("7", "on the Hub")}:
            return "its source is on the Hub, and the row does not say so"
        (graph.parent / "rows.json").write_text("[]")
        local_source(graph, (graph.parent / "rows.json").relative_to(folder))
        waiting = ""
    status, output = sygra("check", folder, task, "--hooks", "--python", PYTHON)
    if state == "broken":
        status, output = sygra("run", folder, task, "--python", PYTHON) if status == 0 else (status, output)
        names = re.findall(r"`(\w+)`", differences)
        return None if status != 0 and any(name in output for name in names) else f"it should be broken, and say why: status {status}\n{output}"
    found, others = told(output)
    if (status != 0) != (state == "waits") or found != waits(waiting):
        return f"{state} {sorted(waits(waiting))}; `check` says {sorted(found)} with status {status}\n{output}"
    silent = [o for o in others if not any(f"`{key}`" in differences for key in re.findall(r"`(\w+)`", o))]
    return f"the row does not speak of: {silent}" if silent else None


def left_out():
    """The differences that graphs.py names in brackets."""
    return [one.strip() for names in re.findall(r"\[([^][]+)\]", graphs.__doc__) for one in re.split(r",\s+", names)]


def main():
    table, passed, failed = rows(), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        with tarfile.open(TASKS) as archive:
            archive.extractall(folder, [m for m in archive if m.name.startswith("tasks/")])
        there = {str(g.parent.relative_to(folder / "tasks")) for g in folder.glob("tasks/**/graph_config.yaml") if "data_config" in g.read_text() or
                 "output_config" in g.read_text()}
        for task in sorted(there | set(table)):
            why = fault(folder, task, *table[task]) if task in there & set(table) else "it has no row" if task in there else "there is no such task"
            print(f"FAIL  {task}: {why}" if why else f"ok    {task}")
            passed, failed = passed + (not why), failed + bool(why)
    for name in left_out():
        there = f"\n| {name}" in PAGE.read_text()
        print(f"{'ok   ' if there else 'FAIL '} the difference that the drawn graphs leave out: {name}")
        passed, failed = passed + there, failed + (not there)
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
