# SPDX-License-Identifier: Apache-2.0
"""Looking at a task: pictures, a preview, its models; shell completion and man pages."""
import json
import os
import pty
import select
import signal
import subprocess
import time
import xml.etree.ElementTree as ET

from lib import BIN, ENV, Mock, Server, Task, completion, line

SECRET = "sk-very-secret-0123456789"


def sygra(*args, status=0, env=None, cwd=None):
    done = subprocess.run([BIN, *map(str, args)], capture_output=True, text=True, timeout=120, cwd=cwd, env={**ENV, **(env or {})})
    assert done.returncode == status, f"exit status {done.returncode}, not {status}\n{done.stdout}\n{done.stderr}"
    assert "Sanitizer" not in done.stderr, done.stderr
    return done


def events_of(done):
    return [json.loads(text) for text in done.stdout.splitlines()]


BRANCHES = """
    data_config: {source: {type: disk, file_path: data.jsonl}}
    graph_config:
      nodes:
        count: {node_type: lambda, lambda: {jq: "{n: ((.n // 0) + 1)}"}, output_keys: n}
        ask: {node_type: llm, model: {name: echo}, prompt: [{system: "be brief"}, {user: "say {q} {n}"}], output_keys: answer}
      edges:
        - {from: START, to: count}
        - {from: count, condition: {jq: "if .n < 2 then \\"more\\" else \\"ask\\" end"}, path_map: {more: count, ask: ask}}
        - {from: ask, to: END}
    output_config: {output_map: {answer: {from: answer}, n: {from: n}}}
    """


ROWS = [{"q": "hello"}]


# --- graph --------------------------------------------------------------------------------------------------------------


def test_every_format_of_a_graph_is_printed_and_others_are_refused(folder):
    Task(folder, BRANCHES, rows=ROWS)
    for form, start in {"text": "  START", "json": "{", "dot": "digraph", "mermaid": "---", "svg": "<svg"}.items():
        assert sygra("graph", folder, "--format", form).stdout.startswith(start), form
    refused = sygra("graph", folder, "--format", "png", status=2)
    assert "text, json, dot, mermaid or svg" in refused.stderr, refused.stderr


def test_a_picture_shows_models_conditions_and_labels_without_colour(folder):
    Task(folder, BRANCHES, rows=ROWS)
    root = ET.fromstring(sygra("graph", folder, "--format", "svg").stdout)
    texts = ["".join(t.itertext()) for t in root.iter("{http://www.w3.org/2000/svg}text")]
    assert {"START", "END", "ask", "llm: echo", "count", "more"} <= set(texts), texts
    titles = ["".join(t.itertext()) for t in root.iter("{http://www.w3.org/2000/svg}title")]
    assert any(t.startswith("if if .n < 2") for t in titles), titles
