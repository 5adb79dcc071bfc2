# SPDX-License-Identifier: Apache-2.0
"""`pip install` of this checkout: as a wheel, editable, and what the archives hold. The program is the one of `make`."""
import hashlib
import base64
import csv
import io
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import unittest
import zipfile

import lib

sys.path.insert(0, str(lib.ROOT / "python"))
import build_backend  # noqa: E402

SCRIPT = """
import sygra, sys
from sygra import Workflow
workflow = Workflow("installed").source([{"n": 1}, {"n": 2}])
workflow.lambda_func(lambda config, state: {"m": state["n"] * 2}, output="m").output_field("m", "m")
print(workflow.run())
print(sygra.library.binary.find())
"""


def call(*words, **how):
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "SYGRA_BIN")}
    done = subprocess.run([str(word) for word in words], env=env, capture_output=True, text=True, timeout=240, **how)
    if done.returncode != 0:
        raise AssertionError(f"{words}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return done.stdout


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="sygra-wheel-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name).resolve()
        call(sys.executable, "-m", "venv", cls.folder / "venv")

    def install(self, *words):
        call(self.folder / "venv/bin/pip", "--disable-pip-version-check", "install", "--no-index", *words)

    def run_script(self):
        return call(self.folder / "venv/bin/python", "-c", SCRIPT, cwd=self.folder).splitlines()

    def test_a_wheel_brings_the_program_with_it(self):
        self.install("--force-reinstall", lib.ROOT)
        found, program = self.run_script()
        self.assertEqual(found, "[{'m': 2}, {'m': 4}]")
        self.assertTrue(program.startswith(str(self.folder)), program)
        version = call(self.folder / "venv/bin/sygra", "--version").strip()
        self.assertEqual(version, f"sygra {build_backend.version()}")
        self.assertEqual(call(self.folder / "venv/bin/python", "-m", "sygra", "--version").strip(), version)
        self.assertIn("Apache-2.0", call(self.folder / "venv/bin/pip", "show", "sygra-native"))

    def test_editable_uses_the_checkout(self):
        self.install("--force-reinstall", "-e", lib.ROOT)
        found, program = self.run_script()
        self.assertEqual((found, program), ("[{'m': 2}, {'m': 4}]", str(lib.ROOT / "build/release/sygra")))


class Archives(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sygra-wheel-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def test_the_record_of_a_wheel_is_true(self):
        name = build_backend.build_wheel(self.folder)
        self.assertRegex(name, r"^sygra_native-[\d.]+-py3-none-linux_\w+\.whl$")
        with zipfile.ZipFile(os.path.join(self.folder, name)) as wheel:
            info = f"sygra_native-{build_backend.version()}.dist-info"
            record = {row[0]: row[1:] for row in csv.reader(io.StringIO(wheel.read(f"{info}/RECORD").decode()))}
            self.assertEqual(set(record), set(wheel.namelist()))
            for path in wheel.namelist():
                if path.endswith("/RECORD"):
                    continue
                digest = base64.urlsafe_b64encode(hashlib.sha256(wheel.read(path)).digest()).rstrip(b"=").decode()
                self.assertEqual(record[path], [f"sha256={digest}", str(len(wheel.read(path)))])
            self.assertEqual(wheel.getinfo("sygra/_bin/sygra").external_attr >> 16 & 0o111, 0o111)
            self.assertIn(f"{info}/licenses/LICENSE", record)
            self.assertIn("sygra/host/__main__.py", record)
            self.assertFalse([path for path in record if "__pycache__" in path])

    def test_two_wheels_of_the_same_sources_are_the_same_bytes(self):
        os.makedirs(os.path.join(self.folder, "again"))
        paths = [os.path.join(place, build_backend.build_wheel(place)) for place in (self.folder, os.path.join(self.folder, "again"))]
        self.assertEqual(*(pathlib.Path(path).read_bytes() for path in paths))

    def test_a_source_distribution_holds_what_a_build_needs(self):
        name = build_backend.build_sdist(self.folder)
        with tarfile.open(os.path.join(self.folder, name)) as tar:
            inside = {path.split("/", 1)[1] for path in tar.getnames()}
        for path in ("PKG-INFO", "pyproject.toml", "Makefile", "CMakeLists.txt", "python/build_backend.py", "src/cli/main.c",
                     "scripts/fetch", "python/sygra/__init__.py", "LICENSE"):
            self.assertIn(path, inside)
        self.assertFalse([path for path in inside if path.startswith("build/")])


if __name__ == "__main__":
    unittest.main()
