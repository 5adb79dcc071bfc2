#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random graphs through the binary and through a tiny interpreter of supersteps: the same trace, state and outcome.

Every node is an llm node on `sygra mock`'s echo model, so the message list is the trace: who ran, in which order, and what it
saw. Conditions are jq programs over the length of that list. The interpreter is the semantics of design D3 in forty lines.

    BIN=build/sygra tests/prop/supersteps_vs_interpreter.py [--graphs 500] [--seed 1]
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile

LIMIT = 100
CONDITIONS = {  # jq, and the same in Python, over the number of messages
    'if (.messages|length) % 2 == 0 then "a" else "b" end': lambda n: ["a" if n % 2 == 0 else "b"],
    'if (.messages|length) > 6 then "END" else "a" end': lambda n: ["END" if n > 6 else "a"],
    '(.messages|length) > 4': lambda n: ["true" if n > 4 else "false"],
    'if (.messages|length) > 5 then ["b"] else ["a","b"] end': lambda n: ["b"] if n > 5 else ["a", "b"],
}


def names_of(program):
    return ["true", "false"] if program.startswith("(.messages") else ["a", "b", "END"]


def make_graph(rng):
    """A graph as {nodes: {name: output key}, edges: [...]}; nearly all of them can end."""
    nodes = [f"n{i}" for i in range(rng.randint(1, 7))]
    outputs = {n: rng.choice(["messages", "messages", "messages", "x", "y_" + n]) for n in nodes}
    edges = [{"from": "START", "to": rng.sample(nodes, rng.randint(1, min(2, len(nodes))))}]
    for i, n in enumerate(nodes):
        ahead = nodes[i + 1:] or ["END"]
        kind = rng.random()
        if kind < 0.55:
            edges.append({"from": n, "to": rng.choice(ahead + ["END"])})
            if rng.random() < 0.4:
                edges.append({"from": n, "to": rng.choice(ahead)})
        elif kind < 0.85:
            program = rng.choice(list(CONDITIONS))
            targets = nodes + ["END"] if rng.random() < 0.5 else ahead + ["END"]
            edges.append({"from": n, "condition": {"jq": program},
                          "path_map": {k: ("END" if k in ("END", "true") else rng.choice(targets)) for k in names_of(program)}})
        elif kind < 0.92 and i > 0:
            edges.append({"from": [nodes[i - 1], n], "to": rng.choice(ahead)})
        # else: the branch ends here
    return {"nodes": outputs, "edges": edges}


class Failed(Exception):
    pass


def interpret(graph):
    state = {"messages": []}
    plain, conditional, joins = {}, {}, []
    for e in graph["edges"]:
        sources = e["from"] if isinstance(e["from"], list) else [e["from"]]
        if "condition" in e:
            conditional.setdefault(sources[0], []).append(e)
        elif len(sources) > 1:
            joins.append([set(sources), set(), e["to"] if isinstance(e["to"], list) else [e["to"]]])
        else:
            plain.setdefault(sources[0], []).extend(e["to"] if isinstance(e["to"], list) else [e["to"]])

    def follow(node, seen):
        yield from plain.get(node, [])
        for e in conditional.get(node, []):
            for key in CONDITIONS[e["condition"]["jq"]](len(seen)):
                if key == "END" and "END" not in e["path_map"]:
                    raise Failed("hook")
                yield e["path_map"][key]
        for join in joins:
            if node in join[0]:
                join[1].add(node)
                if join[1] == join[0]:
                    join[1].clear()
                    yield from join[2]

    now = set(follow("START", [])) - {"END"}
    steps = 0
    while now:
        snapshot, after, written, writes = list(state["messages"]), set(), {}, []
        for n in sorted(now):
            text = f"{n} after {len(snapshot)}"
            key = graph["nodes"][n]
            own = snapshot
            if key == "messages":
                message = {"role": "assistant", "content": text, "name": n}
                own = snapshot + [message]
                writes.append((key, message))
            else:
                if key in written:
                    raise Failed("conflict")
                written[key] = text
            after |= set(follow(n, own))
        for key, message in writes:
            state["messages"].append(message)
        state.update(written)
        steps += 1
        if steps == LIMIT:
            raise Failed("limit")
        now = after - {"END"}
    return state


def task_of(graph):
    # `count` is what a node sees of its snapshot; the echo model returns the prompt.
    nodes = {}
    for name, key in graph["nodes"].items():
        node = {"node_type": "llm", "model": {"name": "echo", "parameters": {}},
                "pre_process": {"jq": ". + {count: (.messages|length)}"},
                "prompt": [{"user": name + " after {count}"}]}
        if key != "messages":
            node["output_keys"] = key
        nodes[name] = node
    return {"graph_config": {"nodes": nodes, "edges": graph["edges"]}}


def run_one(binary, url, folder, number, seed):
    graph = make_graph(random.Random(f"{seed}/{number}"))
    try:
        expected = interpret(graph)
    except Failed as e:
        expected = str(e)
    task = pathlib.Path(folder, f"g{number}")
    task.mkdir()
    (task / "graph_config.yaml").write_text(json.dumps(task_of(graph), indent=1))  # JSON is YAML
    (task / "models.yaml").write_text(json.dumps({"echo": {"model_type": "vllm", "url": url, "parameters": {}}}))
    done = subprocess.run([binary, "run", str(task), "-n", "1", "--output_with_ts", "False", "--seed", "1"],
                          capture_output=True, text=True, timeout=120)
    wrong = None
    if "no path through the graph ends" in done.stderr:
        return number, None, False  # the generator made a graph without an end; the check says so
    if isinstance(expected, str):
        failed = task / "output_failed.jsonl"
        got = json.loads(failed.read_text())["error"] if failed.exists() else None
        if got != expected:
            wrong = f"expected failure {expected}, got {got}"
    else:
        out = task / "output.json"
        got = json.loads(out.read_text()) if out.exists() else []
        got = got[0] if got else None
        if got is not None:
            got = {k: v for k, v in got.items() if k not in ("id", "__chat_history__")}
        if got != expected:
            wrong = f"expected {expected}\n     got {got}"
    if wrong:
        wrong = f"graph {number} (seed {seed}): {wrong}\n{json.dumps(graph)}\n{done.stdout}{done.stderr}"
    return number, wrong, True


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--graphs", type=int, default=500)
    args.add_argument("--seed", type=int, default=1)
    args = args.parse_args()
    binary = os.path.abspath(os.environ.get("BIN", "build/sygra"))
    mock = subprocess.Popen([binary, "mock", "--port", "0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        url = mock.stdout.readline().strip()
        passed = failed = 0
        with tempfile.TemporaryDirectory() as folder, concurrent.futures.ThreadPoolExecutor(2) as pool:
            for _, wrong, ran in pool.map(lambda i: run_one(binary, url, folder, i, args.seed), range(args.graphs)):
                if wrong:
                    failed += 1
                    if failed <= 3:
                        print(wrong)
                elif ran:
                    passed += 1
    finally:
        mock.terminate()
        mock.wait()
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0 or passed < args.graphs * 0.8)


if __name__ == "__main__":
    main()
