# SPDX-License-Identifier: Apache-2.0
"""What `import sygra` gives, and what it costs."""
import re
import unittest

import lib
import sygra


class Names(unittest.TestCase):
    def test_every_public_name_can_be_used(self):
        for name in sygra.__all__:
            with self.subTest(name):
                self.assertIsNotNone(getattr(sygra, name))

    def test_a_name_that_is_not_there_is_an_attribute_error(self):
        with self.assertRaisesRegex(AttributeError, "no attribute 'Wrokflow'"):
            sygra.Wrokflow

    def test_a_star_import_needs_no_other_package(self):
        done = lib.python("import sys; sys.modules['pydantic'] = None\nfrom sygra import *\nprint(Workflow.__name__)")
        self.assertEqual(done.stdout.strip(), "Workflow", done.stderr)

    def test_the_logger_is_found_in_any_order_of_imports(self):
        script = "{}\nfrom sygra import logger\nlogger.info('said %d', 1)"
        for before in ("import sygra", "import sygra.logger.logger_config", "from sygra.logger.logger_config import logger"):
            with self.subTest(before):
                self.assertIn("said 1", lib.python(script.format(before)).stderr)

    def test_utils_are_found_as_attributes(self):
        done = lib.python("import sygra\nprint(sygra.utils.utils.load_json('[1]'), sygra.utils.constants.SYGRA_END)")
        self.assertEqual(done.stdout.strip(), "[1] __end__", done.stderr)

    def test_import_reads_neither_library_nor_hooks(self):
        done = lib.python("import sygra, sys; print([m for m in sys.modules if m.startswith('sygra.') or m in ('asyncio', 'json')])")
        self.assertEqual(done.stdout.strip(), "[]", done.stderr)

    def test_import_takes_less_than_50_ms(self):
        script = "import time; t = time.perf_counter(); import sygra; print(time.perf_counter() - t)"
        times = [float(lib.python(script).stdout) for _ in range(5)]
        self.assertLess(min(times), 0.05)

    def test_the_package_has_the_version_of_the_program(self):
        text = (lib.ROOT / "CMakeLists.txt").read_text()
        self.assertEqual(sygra.get_version(), re.search(r"project\(sygra VERSION ([\d.]+)", text)[1])
        self.assertEqual(sygra.get_info()["version"], sygra.get_version())
        self.assertTrue(all(sygra.validate_environment().values()))


class BesideTheFramework(lib.Case):
    def run_beside(self, script, *words):
        """A process whose site-packages have the framework."""
        self.write("site-packages/sygra-2.0.0.dist-info/METADATA", "Name: sygra\n")
        return lib.python(script, *words, env={"PYTHONPATH": f"{lib.PACKAGE}:{self.folder}/site-packages"})

    def test_import_is_refused_and_says_where_the_other_one_is(self):
        done = self.run_beside("import sygra")
        self.assertEqual(done.returncode, 1)
        self.assertIn("cannot be used beside the framework `sygra`", done.stderr)
        self.assertIn(f"{self.folder}/site-packages/sygra-2.0.0.dist-info", done.stderr)

    def test_a_module_of_the_package_can_be_started_there(self):
        done = self.run_beside("import sys, runpy; sys.argv = ['-m']; import sygra; print(sygra.get_version())")
        self.assertEqual(done.stdout.strip(), sygra.get_version(), done.stderr)


class Maps(unittest.TestCase):
    """Helpers that only make config maps."""

    def test_sources(self):
        hub = sygra.from_huggingface("a/b", split="test", shard={"regex": "x*", "index": [0]},
                                     transformations=[{"transform": "t.T", "params": {"n": 1}}])
        self.assertEqual(hub, {"type": "hf", "repo_id": "a/b", "split": "test", "streaming": False,
                               "transformations": [{"transform": "t.T", "params": {"n": 1}}],
                               "shard": {"regex": "x*", "index": [0]}})
        self.assertEqual(sygra.data.from_servicenow("i", "incident", limit=5)["limit"], 5)
        file = sygra.DataSource.disk("x/rows.csv").add_transformation("t.T").to_config()
        self.assertEqual((file["file_format"], file["transformations"]), ("csv", [{"transform": "t.T"}]))

    def test_sinks(self):
        self.assertEqual(sygra.to_file("out.json")["type"], "json")
        self.assertEqual(sygra.to_file("out.csv")["type"], "jsonl")
        self.assertTrue(sygra.to_huggingface("a/b")["private"])
        self.assertEqual(sygra.data.to_servicenow("i", "t")["operation"], "insert")

    def test_models(self):
        self.assertEqual(sygra.ModelConfigBuilder.from_name("gpt", temperature=1), {"name": "gpt", "parameters": {"temperature": 1}})
        self.assertEqual(sygra.ModelConfigBuilder.validate_config({"model": "x"})["name"], "x")
        with self.assertRaises(ValueError):
            sygra.ModelConfigBuilder.validate_config({"temperature": 1})

    def test_structured_output(self):
        self.assertEqual(sygra.create_structured_schema({"n": "int"}, "S"),
                         {"enabled": True, "schema": {"name": "S", "fields": {"n": {"type": "int"}}}})
        self.assertEqual(sygra.pydantic_schema("a.B"), {"enabled": True, "schema": "a.B"})

    def test_processors_are_paths_where_a_host_can_import_them(self):
        self.assertEqual(sygra.create_processor_config(lib.python, n=1), {"processor": "lib.python", "params": {"n": 1}})
        self.assertEqual(sygra.create_transformation_config("a.B"), {"transform": "a.B"})

    def test_errors_have_one_base(self):
        for name in ("ValidationError", "ExecutionError", "ConfigurationError", "NodeError", "DataError", "ModelError",
                     "TimeoutError"):
            self.assertTrue(issubclass(getattr(sygra, name), sygra.GraSPError))
