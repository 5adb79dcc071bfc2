# SPDX-License-Identifier: Apache-2.0
"""The notebook of docs/ runs, and what its cells show is what they should. Needs nbclient (scripts/python.lock)."""
import json
import os
import subprocess
import tempfile
import unittest

import lib

VENV = lib.ROOT / "build/venv/bin/python"
RUN = """
import json, sys, nbformat, nbclient
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager

class Kernel(AsyncKernelManager):  # of this interpreter; nothing is installed for it, and no debugger is asked for
    kernel_spec = KernelSpec(argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"], language="python")

book = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(book, timeout=60, kernel_manager_class=Kernel, resources={"metadata": {"path": "."}}).execute()
print(json.dumps([cell.get("outputs", []) for cell in book.cells if cell.cell_type == "code"]))
"""


def run_notebook(path):
    """The outputs of its code cells."""
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "PYTHONPATH": lib.PACKAGE, "HOME": folder, "IPYTHONDIR": folder, "JUPYTER_RUNTIME_DIR": folder}
        done = subprocess.run([VENV, "-c", RUN, str(path)], cwd=folder, env=env, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        raise AssertionError(done.stderr[-4000:])
    return json.loads(done.stdout.splitlines()[-1])


def text_of(outputs):
    return "".join(out.get("text", "") for out in outputs if out["output_type"] == "stream")


@unittest.skipUnless(VENV.exists(), "build/venv is missing: make deps")
class Notebook(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cells = run_notebook(lib.ROOT / "docs/library.ipynb")

    def test_records_come_back_with_functions_of_the_notebook(self):
        shown = [out["data"]["text/plain"] for out in self.cells[1] if out["output_type"] == "execute_result"]
        self.assertIn("{'topic': 'rain', 'answer': 'A line about rain', 'words': 4}", shown[0])
        self.assertEqual(text_of(self.cells[2]), "3 records, 3 calls\nthe sea\n")

    def test_progress_is_one_line_that_is_updated(self):
        lines = [out["data"]["text/plain"] for out in self.cells[1] if out["output_type"] == "display_data"]
        self.assertEqual(len(lines), 1)
        self.assertRegex(lines[0], r"^3 of 3 records; finished after|^3 records; finished after")

    def test_records_stream(self):
        self.assertEqual(text_of(self.cells[3]), "A line about rain\nA line about the sea\nA line about stars\n")

    def test_await_works_at_the_top_of_a_cell(self):
        self.assertEqual(self.cells[4][0]["data"]["text/plain"], "3")


if __name__ == "__main__":
    unittest.main()
