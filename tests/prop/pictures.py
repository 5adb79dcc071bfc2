#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pictures of random graphs with subgraphs in subgraphs, loops, joins and names of every kind.

The SVG is parsed and measured: boxes, labels and groups lie where they may, every edge of the plan is drawn, from one border to
the other, and through no box on its way. Graphviz reads the dot, and what it read is compared with the plan. Mermaid's text is
held against the few forms of its grammar that we write; no program here can draw it.

    BIN=build/asan/sygra tests/prop/pictures.py [--graphs 60] [--seed 1]
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

BIN = os.path.abspath(os.environ.get("BIN", "build/asan/sygra"))
SVG = "{http://www.w3.org/2000/svg}"
NAMES = ["ask", "why not", 'say "hi"', "<b>&amp;", "größe", "名前", "back\\slash", "a_b-c", "end", "subgraph", "`x`", "#1;", "--> x", "n1"]
KEYS = ["true", "false", "yes & no", '"', "<", "|", "更多", "again", "END"]


# --- graphs -------------------------------------------------------------------------------------------------------------


def make_node(rng, folder, depth):
    kind = rng.random()
    if kind < 0.2 and depth < 2:
        inner = make_graph(rng, folder, depth + 1)
        path = folder / f"g{rng.getrandbits(40)}"
        path.mkdir()
        (path / "graph_config.yaml").write_text(json.dumps({"graph_config": inner}))
        return {"node_type": "subgraph", "subgraph": str(path)}
    if kind < 0.6:
        return {"node_type": "llm", "model": {"name": "m"}, "prompt": [{"user": "x"}], "output_keys": "y"}
    if kind < 0.8:
        return {"node_type": "weighted_sampler", "attributes": {"tone": {"values": ["a", "b"]}}}
    return {"node_type": "lambda", "lambda": {"jq": '{x: "<&>\\n"}'}}


def make_graph(rng, folder, depth=0):
    names = rng.sample(NAMES, rng.randint(1, 6 - depth))
    edges = [{"from": "START", "to": rng.sample(names, rng.randint(1, min(2, len(names))))}]
    for i, name in enumerate(names):
        for _ in range(rng.choice([1, 1, 2])):
            kind = rng.random()
            if kind < 0.5:
                edges.append({"from": name, "to": rng.choice(names[i + 1:] + ["END"])})
            elif kind < 0.85:
                paths = {k: rng.choice(names + ["END"]) for k in rng.sample(KEYS, rng.randint(1, 4))}
                edges.append({"from": name, "condition": {"jq": f'"{i}"'}, "path_map": paths})
            elif i > 0:
                edges.append({"from": rng.sample(names[:i + 1], 2), "to": rng.choice(names + ["END"])})
    edges.append({"from": names[-1], "to": "END"})
    return {"nodes": {n: make_node(rng, folder, depth) for n in names}, "edges": edges}


def ask(task, form):
    done = subprocess.run([BIN, "graph", str(task), "--format", form], capture_output=True, timeout=120)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def arrows_of(plan):
    """{(from, to)} of the plan, joins as ("join", targets)."""
    found, joins = set(), {}

    def out(name, o):
        for target in o["to"]:
            found.add((name, target))
        for branch in o.get("branches", []):
            for targets in branch["path_map"].values():
                found.update((name, t) for t in targets)
        for join in o.get("joins", []):
            key = json.dumps(join, sort_keys=True)
            joins[key] = join
            found.add((name, "all of %d" % len(join["all_of"])))

    out("START", plan["start"])
    for node in plan["nodes"]:
        out(node["name"], node)
    for join in joins.values():
        found.update(("all of %d" % len(join["all_of"]), t) for t in join["to"])
    return found


# --- SVG ----------------------------------------------------------------------------------------------------------------


def box_of(shape):
    if shape.tag == SVG + "rect":
        x, y, w, h = (float(shape.get(k)) for k in ("x", "y", "width", "height"))
        return x, y, x + w, y + h
    numbers = [float(n) for n in re.findall(r"-?[\d.]+", shape.get("d"))]
    return min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2])


def apart(a, b, slack=0.2):
    return a[2] <= b[0] + slack or b[2] <= a[0] + slack or a[3] <= b[1] + slack or b[3] <= a[1] + slack


def inside(a, b):
    return a[0] >= b[0] and a[1] >= b[1] and a[2] <= b[2] and a[3] <= b[3]


def points_of(path):
    """Twenty points of each piece."""
    at, points = None, []
    for command, text in re.findall(r"([MLC])([^MLC]*)", path):
        n = [float(v) for v in text.split()]
        ends = [tuple(n[i:i + 2]) for i in range(0, len(n), 2)]
        if command == "C":
            (x1, y1), (x2, y2), (x3, y3) = ends
            for i in range(1, 21):
                t = i / 20
                u = 1 - t
                points.append((u**3 * at[0] + 3 * u * u * t * x1 + 3 * u * t * t * x2 + t**3 * x3,
                               u**3 * at[1] + 3 * u * u * t * y1 + 3 * u * t * t * y2 + t**3 * y3))
        elif command == "L":
            points += [(at[0] + (ends[0][0] - at[0]) * i / 20, at[1] + (ends[0][1] - at[1]) * i / 20) for i in range(1, 21)]
        else:
            points.append(ends[0])
        at = ends[-1]
    return points


def near_border(point, box, slack=3.5):
    x, y = point
    within = box[0] - slack <= x <= box[2] + slack and box[1] - slack <= y <= box[3] + slack
    deep = box[0] + slack < x < box[2] - slack and box[1] + slack < y < box[3] - slack
    return within and not deep


def check_svg(text, plan):
    root = ET.fromstring(text)
    paper = (0, 0, float(root.get("width")), float(root.get("height")))
    nodes = [(g.get("data-name"), box_of(g.find(SVG + "path") if g.find(SVG + "path") is not None else g.find(SVG + "rect")))
             for g in root.iter(SVG + "g") if g.get("class").startswith("node")]
    groups = [box_of(g.find(SVG + "rect")) for g in root.iter(SVG + "g") if g.get("class") == "group"]
    # A label stands on a piece of paper; the first one is the whole picture's.
    labels = [box_of(r) for r in root.findall(SVG + "rect")][1:]
    names = [n for n, _ in nodes]
    expected = [n["name"] for n in plan["nodes"]]
    assert sorted(n for n in names if not n.startswith("all of ")) == sorted(expected + ["START", "END"]), names

    boxes = [b for _, b in nodes] + labels
    for i, a in enumerate(boxes):
        assert inside(a, paper), f"{a} lies outside of {paper}"
        for b in boxes[:i]:
            assert apart(a, b), f"{a} and {b} overlap"
        for g in groups:
            assert inside(a, g) or apart(a, g), f"{a} lies on the border of {g}"
    for i, a in enumerate(groups):
        for b in groups[:i]:
            assert apart(a, b) or inside(a, b) or inside(b, a), f"groups {a} and {b} cross"

    by_name = {}
    for name, box in nodes:
        by_name.setdefault(name, []).append(box)
    drawn = set()
    for edge in root.findall(SVG + "path"):
        source, target = edge.get("data-from"), edge.get("data-to")
        drawn.add((source, target))
        points = points_of(edge.get("d"))
        assert any(near_border(points[0], b) for b in by_name[source]), f"{source} -> {target} begins elsewhere"
        assert any(near_border(points[-1], b) for b in by_name[target]), f"{source} -> {target} ends elsewhere"
        for name, box in nodes:
            shrunk = (box[0] + 3, box[1] + 3, box[2] - 3, box[3] - 3)
            hit = [p for p in points if shrunk[0] < p[0] < shrunk[2] and shrunk[1] < p[1] < shrunk[3]]
            assert not hit, f"{source} -> {target} runs through {name} at {hit[0]}"
    assert drawn == arrows_of(plan), drawn ^ arrows_of(plan)


# --- dot and Mermaid ------------------------------------------------------------------------------------------------------


def check_dot(text, plan):
    done = subprocess.run(["dot", "-Tjson0"], input=text.encode(), capture_output=True, timeout=60)
    assert done.returncode == 0 and not done.stderr, done.stderr.decode()
    graph = json.loads(done.stdout.decode(), strict=False)
    nodes = [o for o in graph["objects"] if "tooltip" in o]
    tips = {o["_gvid"]: o["tooltip"] for o in nodes}
    drawn = {(tips[e["tail"]], tips[e["head"]]) for e in graph.get("edges", [])}
    # dot shows a backslash as two, since its labels have escapes of their own
    expected = {tuple(n.replace("\\", "\\\\") for n in pair) for pair in arrows_of(plan)}
    assert drawn == expected, drawn ^ expected


TEXT = r'"(?:[^"#<>`|{}\[\]&;\\]|#\d+;|<br/>)*"'
MERMAID = [rf"n\d+(?:\(\[{TEXT}\]\)|\({TEXT}\)|\[\[{TEXT}\]\]|\{{\{{{TEXT}\}}\}}|\(\({TEXT}\)\)|\[{TEXT}\])", rf"subgraph g\d+\[{TEXT}\]", "end",
           r"n\d+ --> n\d+", rf"n\d+ -\.->\|{TEXT}\| n\d+"]


def check_mermaid(text, plan):
    lines = text.splitlines()
    assert lines[0] == "---" and lines[2] == "---" and lines[3] == "flowchart TD", lines[:4]
    for line in lines[4:]:
        assert any(re.fullmatch(form, line) for form in MERMAID), line
    assert sum(line.startswith("subgraph") for line in lines) == lines.count("end")
    assert sum("--> " in line or "-.->" in line for line in lines) >= len(arrows_of(plan))


def run_one(folder, number, seed):
    rng = random.Random(f"{seed}/{number}")
    task = pathlib.Path(folder, f"t{number}")
    task.mkdir()
    graph = make_graph(rng, task)
    (task / "graph_config.yaml").write_text(json.dumps({"graph_config": graph}))
    (task / "models.yaml").write_text(json.dumps({"m": {"model_type": "vllm", "url": "http://127.0.0.1:9/v1"}}))
    status, text, errors = ask(task, "json")
    if status != 0 and "Sanitizer" not in errors:
        return number, None, False  # a graph without an end, which `check` refuses
    try:
        plan = json.loads(text)
        for form, check in (("svg", check_svg), ("dot", check_dot), ("mermaid", check_mermaid)):
            status, text, errors = ask(task, form)
            assert status == 0, errors
            check(text, plan)
        return number, None, True
    except (AssertionError, ValueError, ET.ParseError) as error:
        return number, f"{error}\n{json.dumps(graph, ensure_ascii=False)}", True


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--graphs", type=int, default=60)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    drawn = failed = 0
    with tempfile.TemporaryDirectory(prefix="sygra-pictures-") as folder, \
            concurrent.futures.ThreadPoolExecutor(int(os.environ.get("JOBS", os.cpu_count()))) as pool:
        for number, wrong, was_drawn in pool.map(lambda n: run_one(folder, n, args.seed), range(args.graphs)):
            drawn += was_drawn
            if wrong:
                failed += 1
                print(f"FAIL graph {number} of seed {args.seed}: {wrong}")
    if drawn < args.graphs * 0.8:
        print(f"only {drawn} of {args.graphs} graphs could be drawn: the generator is wrong")
        failed += 1
    print(f"{drawn - min(failed, drawn)} passed, {failed} failed")
    sys.exit(1 if failed or not drawn else 0)


if __name__ == "__main__":
    main()
