#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Draws docs/panel.svg: the screen of a real run, on a real pseudo-terminal, against a mock that fails now and then.

    BIN=build/release/sygra tools/panel_svg.py [FILE]

Each stretch of one colour is a text of its own whose width is given, so that the columns stand whatever font the reader has.
"""
import pathlib
import re
import sys
import tempfile
import xml.sax.saxutils

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from lib import BIN, Mock, Task, line  # noqa: E402
from screen import Terminal  # noqa: E402

COLUMNS, ROWS = 100, 12
CELL, LINE, MARGIN = 8.4, 18, 14
COLORS = {"": "#d4d4d4", "1": "#ffffff", "2": "#6b6b6b", "31": "#f14c4c", "32": "#4ec96b", "33": "#e5c07b"}


def stretches(row):
    """(first column, text, columns, style) for each run of cells of one style."""
    x = 0
    while x < len(row):
        end = x
        while end < len(row) and row[end][1] == row[x][1]:
            end += 1
        text = "".join(c for c, _ in row[x:end])
        if text.strip():
            yield x + len(text) - len(text.lstrip()), text.strip(), len(text.strip()), row[x][1]
        x = end


def draw(rows):
    width, height = COLUMNS * CELL + 2 * MARGIN, len(rows) * LINE + 2 * MARGIN
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
             'font-family="ui-monospace, DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="14" xml:space="preserve" style="white-space: pre">',
             "<title>The panel of a run on a terminal</title>",
             f'<rect width="{width:.0f}" height="{height:.0f}" rx="8" fill="#1e1e1e"/>']
    for y, row in enumerate(rows):
        for x, text, columns, style in stretches(row):
            bold = ' font-weight="bold"' if style == "1" else ""
            parts.append(f'<text x="{MARGIN + x * CELL:.1f}" y="{MARGIN + y * LINE + 14}" textLength="{columns * CELL:.1f}" '
                         f'lengthAdjust="spacingAndGlyphs" fill="{COLORS[style]}"{bold}>{xml.sax.saxutils.escape(text)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def far_enough(text):
    return re.search(r"\d+ of 2,000 records", text) and re.search(r"[4-9]\d %", text) and re.search(r"[1-9] backing off", text)


def main():
    with tempfile.TemporaryDirectory() as home, Mock("--latency_ms", 300, "--sigma", 0.3, "--fail_rate", 0.02, "--fail_status",
                                                     "429:2,400:1") as mock:
        Task(pathlib.Path(home) / "capitals", line("echo"), mock.url, [{"id": i, "q": f"place {i}"} for i in range(2000)])
        command = [BIN, "run", "capitals", "-n", 2000, "-b", 50, "--output_with_ts", "False"]
        with Terminal(command, COLUMNS, ROWS, cwd=home) as t:
            t.until(far_enough)
            rows = t.screen.rows[:t.screen.y]
    pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "docs/panel.svg").write_text(draw(rows))


main()
