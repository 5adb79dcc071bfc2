#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws docs/report.svg: the charts of `sygra report --html`, as they are, of a real run against a mock.

    BIN=build/release/sygra tools/report_svg.py [FILE]
"""
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from lib import BIN, ENV, Mock, Task  # noqa: E402

GRAPH = """
    data_config:
      source: {type: disk, file_path: data.jsonl}
    graph_config:
      nodes:
        write: {node_type: llm, model: {name: m}, prompt: [{user: "write about {q}"}], output_keys: text}
        judge: {node_type: llm, model: {name: echo, model: judge}, prompt: [{user: "judge {text}"}], output_keys: mark}
      edges:
        - {from: START, to: write}
        - {from: write, to: judge}
        - {from: judge, to: END}
    output_config:
      output_map: {id: {from: id}, mark: {from: mark}}
    """
FIGURE = re.compile(r"<figure><figcaption><b>(.*?)</b> (.*?)</figcaption>\n<svg[^>]*>(.*?)</svg>\n<p class=\"legend\">(.*?)</p>", re.DOTALL)
LEGEND = re.compile(r'<span><i class="(\w+)"></i>(.*?)</span>')
WIDTH, HEIGHT, GAP = 640, 300, 24


def page():
    with tempfile.TemporaryDirectory() as home, Mock("--latency_ms", 250, "--sigma", 0.4, "--fail_rate", 0.03, "--fail_status",
                                                     "429:3,400:1") as mock:
        task = Task(pathlib.Path(home) / "notes", GRAPH, mock.url, [{"id": i, "q": f"place {i}"} for i in range(3000)],
                    model={"price": {"input": 0.15, "output": 0.6}})
        assert task.run("-n", 0, "-b", 100).status in (0, 3)
        return subprocess.run([BIN, "report", str(task.folder / "output.run"), "--html"], env=ENV, capture_output=True, text=True,
                              check=True).stdout


def draw(html):
    style = re.search(r"<style>\n(.*?)</style>", html, re.DOTALL)[1]
    figures = FIGURE.findall(html)
    rows = (len(figures) + 1) // 2
    width, height = 2 * WIDTH + 3 * GAP, rows * (HEIGHT + GAP) + GAP
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
             'font-family="system-ui, Helvetica, Arial, DejaVu Sans, sans-serif">', "<title>The charts of a report</title>",
             f"<style>{style}.title{{fill:var(--ink);font-weight:600}}.paper{{fill:var(--paper)}}.card{{fill:var(--card);stroke:var(--line)}}"
             "rect.swatch.c0{fill:var(--c0)}rect.swatch.c1{fill:var(--c1)}rect.swatch.c2{fill:var(--c2)}rect.swatch.ok{fill:var(--ok)}"
             "rect.swatch.failed{fill:var(--failed)}svg text{font-size:15px}svg{width:auto}</style>",
             f'<rect class="paper" width="{width}" height="{height}"/>']
    for i, (title, about, chart, legend) in enumerate(figures):
        chart = re.sub(r'<rect class="hit".*?</rect>', "", chart, flags=re.DOTALL)
        x, y = GAP + i % 2 * (WIDTH + GAP), GAP + i // 2 * (HEIGHT + GAP)
        parts.append(f'<g transform="translate({x} {y})"><rect class="card" width="{WIDTH}" height="{HEIGHT}" rx="8"/>'
                     f'<text x="14" y="26"><tspan class="title">{title}</tspan> {about}</text><g transform="translate(0 34)">{chart}</g>')
        at = 84
        for color, name in LEGEND.findall(legend):
            parts.append(f'<rect class="swatch {color}" x="{at}" y="274" width="11" height="11" rx="3"/><text x="{at + 16}" y="285">{name}</text>')
            at += 30 + 9 * len(name)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>", ""])


def main():
    to = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs/report.svg"
    to.write_text(draw(page()))


if __name__ == "__main__":
    main()
