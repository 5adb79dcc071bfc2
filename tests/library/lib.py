# SPDX-License-Identifier: Apache-2.0
"""What the library's tests share: the package on the path, the program under test, a mock endpoint, a folder each."""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = os.path.abspath(os.environ.get("BIN", ROOT / "build/asan/sygra"))
PACKAGE = str(ROOT / "python")
sys.path.insert(0, PACKAGE)

for name in [n for n in os.environ if n.startswith("SYGRA_") or n.lower().endswith("_proxy")]:
    del os.environ[name]
os.environ["SYGRA_BIN"] = BIN


class Mock:
    """`sygra mock` on a free port."""

    def __init__(self, *words):
        self.process = subprocess.Popen([BIN, "mock", "--port", "0", *map(str, words)], stdout=subprocess.PIPE, text=True,
                                        stderr=subprocess.DEVNULL)
        self.url = self.process.stdout.readline().strip()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=20)


class Case(unittest.TestCase):
    """An empty working directory with the models `m` and `echo`, both of a mock endpoint that all tests of a class share."""

    mock_options = ()

    @classmethod
    def setUpClass(cls):
        cls.mock = Mock(*cls.mock_options)
        cls.addClassCleanup(cls.mock.stop)

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sygra-library-")
        self.addCleanup(folder.cleanup)
        self.addCleanup(os.chdir, os.getcwd())
        self.folder = pathlib.Path(folder.name).resolve()
        os.chdir(self.folder)
        tempfile.tempdir = folder.name  # a failed run leaves its folder behind, to be looked at
        self.addCleanup(setattr, tempfile, "tempdir", None)
        entry = {"model_type": "vllm", "url": self.mock.url, "parameters": {"temperature": 0}}
        self.write("models.yaml", {"m": entry, "echo": {**entry, "model": "echo"}})

    def write(self, name, content):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
        return path

    def write_task(self, name="tasks/said", rows=({"q": "one"}, {"q": "two"}), **more):
        """A task on disk: `echo` says the question again."""
        ask = {"node_type": "llm", "model": {"name": "echo"}, "prompt": [{"user": "Say {q}"}], "output_keys": "said"}
        task = {"data_config": {"source": {"type": "disk", "file_path": "data.jsonl"}},
                "graph_config": {"nodes": {"ask": ask}, "edges": [{"from": "START", "to": "ask"}, {"from": "ask", "to": "END"}]},
                "output_config": {"output_map": {"q": {"from": "q"}, "said": {"from": "said"}}}, **more}
        self.write(f"{name}/graph_config.yaml", task)
        self.write(f"{name}/data.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
        return name


def python(script, *words, cwd=None, env=None, **how):
    """A Python process of its own, with the package on its path."""
    env = {**os.environ, "PYTHONPATH": PACKAGE, **(env or {})}
    return subprocess.run([sys.executable, "-c", script, *words], cwd=cwd, env=env, capture_output=True, text=True,
                          timeout=120, **how)
