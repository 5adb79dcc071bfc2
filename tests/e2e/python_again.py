# SPDX-License-Identifier: Apache-2.0
"""Runs with Python hooks give the same records again, and start in any working directory."""
from lib import Task

GRAPH = """
data_config: {source: {type: disk, file_path: data.jsonl}}
graph_config:
  nodes:
    a: {node_type: lambda, lambda: hooks.draws, output_keys: drawn}
    b: {node_type: lambda, lambda: hooks.Waits, output_keys: [set, later]}
  edges: [{from: START, to: a}, {from: a, to: b}]
output_config: {output_map: {drawn: {from: drawn}, set: {from: set}, later: {from: later}}}
"""
HOOKS = """
import asyncio, random, time
from random import choice

def draws(node, state):
    time.sleep(state["id"] % 3 / 1000)
    return {"drawn": [random.random(), choice("abcdef"), random.gauss(0, 1)]}

class Waits:
    @staticmethod
    async def apply(node, state):
        await asyncio.sleep(random.random() / 200)
        return {"set": list({"a", "b", "c", "d", "e"}), "later": random.randrange(10**9)}
"""


def records(task, *args):
    return task.run("-n", 0, *args, cwd=task.folder).expect(0).records()


def test_what_hooks_draw_depends_on_the_seed_only(folder):
    task = Task(folder, GRAPH, rows=[{"id": i} for i in range(60)])
    task.write("hooks.py", HOOKS)
    once = records(task, "--seed", 5, "--hosts", 1, "-b", 1)
    assert len({str(r["drawn"]) for r in once}) == 60, "each record draws its own"
    assert records(task, "--seed", 5, "--hosts", 3, "-b", 60) == once
    assert records(task, "--seed", 6) != once


def test_files_of_the_working_directory_do_not_stand_in_for_what_hosts_need(folder):
    task = Task(folder, GRAPH, rows=[{"id": 1}])
    task.write("hooks.py", HOOKS)
    for name in ["sygra/__init__.py", "json.py", "socket.py", "struct.py", "types.py"]:
        task.write(name, "raise SystemExit('shadow')\n")
    assert len(records(task)) == 1
