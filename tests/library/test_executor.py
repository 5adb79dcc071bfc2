# SPDX-License-Identifier: Apache-2.0
"""TaskExecutor classes: made by hand, and found by `python -m sygra.executor`."""
import argparse
import json
import pathlib
import subprocess
import sys

import lib
import sygra
from sygra.core.base_task_executor import BaseTaskExecutor
from sygra.library import binary


def arguments(task="tasks/said", **more):
    return argparse.Namespace(**{"task": task, "num_records": 10, "start_index": 0, "batch_size": 25, "output_with_ts": False,
                                 "run_name": "", "output_dir": None, "debug": False, "oasst": False, "quality": False,
                                 "resume": None, "checkpoint_interval": 100, **more})


class ByHand(lib.Case):
    def setUp(self):
        super().setUp()
        self.write_task()

    def said(self, executor_class, **more):
        executor = executor_class(arguments(**more))
        found = executor.execute()
        self.assertEqual(executor.figures, found.figures)
        return [record["said"] for record in found]

    def test_without_anything_of_its_own_it_is_the_task(self):
        self.assertEqual(self.said(sygra.DefaultTaskExecutor), ["Say one", "Say two"])
        self.assertTrue(pathlib.Path("tasks/said/output.json").exists())

    def test_rows_can_be_given_and_changed(self):
        class Rows(BaseTaskExecutor):
            def init_dataset(self):
                return [*super().init_dataset(), {"q": "three"}]

            def input_record_generator(self, record):
                return {**record, "q": record["q"].upper()}

        self.assertEqual(self.said(Rows), ["Say ONE", "Say TWO", "Say THREE"])

    def test_rows_may_be_any_iterable(self):
        class Rows(BaseTaskExecutor):
            def init_dataset(self):
                return ({"q": str(n)} for n in range(5))

        self.assertEqual(self.said(Rows, num_records=3), ["Say 0", "Say 1", "Say 2"])

    def test_the_data_set_can_be_read_and_set(self):
        executor = sygra.DefaultTaskExecutor(arguments())
        self.assertEqual([row["q"] for row in executor.dataset], ["one", "two"])
        self.assertTrue(all(len(row["id"]) == 64 for row in executor.dataset))
        executor.dataset = executor.dataset[1:]
        self.assertEqual([record["said"] for record in executor.execute()], ["Say two"])

    def test_the_output_can_be_made_here(self):
        class Output(BaseTaskExecutor):
            def output_record_generator(self, state):
                made = super().output_record_generator(state)
                return None if state["q"] == "one" else {**made, "by": type(self).__name__}

        found = Output(arguments()).execute()
        self.assertEqual((found, found.figures["dropped"]), ([{"q": "two", "said": "Say two", "by": "Output"}], 1))

    def test_the_graph_cannot_be_replaced(self):
        class Graph(BaseTaskExecutor):
            def init_graph(self):
                return None

        with self.assertRaisesRegex(sygra.ConfigurationError, r"Graph defines init_graph\(\)"):
            Graph(arguments())

    def test_a_map_in_place_of_the_file(self):
        config = json.loads(pathlib.Path("tasks/said/graph_config.yaml").read_text())
        config["graph_config"]["nodes"]["ask"]["prompt"] = [{"user": "Sing {q}"}]
        found = sygra.JudgeQualityTaskExecutor(arguments(output_dir="out"), config).execute()
        self.assertEqual([record["said"] for record in found], ["Sing one", "Sing two"])

    def test_callbacks(self):
        told = []
        callbacks = sygra.ExecutionCallbacks(on_node_start=lambda name, state: told.append((name, state["q"])))
        sygra.DefaultTaskExecutor(arguments()).execute(execution_callbacks=callbacks)
        self.assertEqual(sorted(told), [("ask", "one"), ("ask", "two")])


class ByWorkflow(lib.Case):
    """A workflow of a task on disk goes through the task's class."""

    CODE = """
from sygra.core.base_task_executor import BaseTaskExecutor
class TaskExecutor(BaseTaskExecutor):
    def input_record_generator(self, record):
        return {**record, "q": record["q"].upper()}
    def execute(self, execution_callbacks=None):
        super().execute(execution_callbacks)
"""

    def test_run_and_stream(self):
        self.write_task("tasks/by_workflow")
        self.write("tasks/by_workflow/task_executor.py", self.CODE)
        workflow = sygra.Workflow("tasks/by_workflow")
        self.assertEqual([record["said"] for record in workflow.run(1, seed=3)], ["Say ONE"])
        self.assertEqual([record["said"] for record in workflow.stream(output_dir="out")], ["Say ONE", "Say TWO"])
        workflow.override_prompt("ask", "user", "Sing {q}")
        self.assertEqual([record["said"] for record in workflow.run(output_dir="out")], ["Sing ONE", "Sing TWO"])


class Started(lib.Case):
    """`sygra run` hands over to this."""

    def run_task(self, code, *words, by_path=True):
        self.write_task()
        self.write("tasks/said/task_executor.py", code)
        start = [f"{lib.PACKAGE}/sygra/executor.py"] if by_path else ["-m", "sygra.executor"]
        env = {**lib.os.environ, **({} if by_path else {"PYTHONPATH": lib.PACKAGE})}
        return subprocess.run([sys.executable, *start, "said", "-owt", "False", *words], env=env, capture_output=True, text=True,
                              timeout=60)

    EXECUTOR = """
from sygra.core.base_task_executor import BaseTaskExecutor
class TaskExecutor(BaseTaskExecutor):
    def execute(self, execution_callbacks=None):
        print("before", self.args.task, self.args.num_records, self.args.run_args, __name__)
        return super().execute(execution_callbacks)
"""

    def test_the_class_runs_the_task(self):
        for by_path in (True, False):
            done = self.run_task(self.EXECUTOR, "-n", "1", "--run_args", '{"a": 1}', by_path=by_path)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stdout.splitlines(), [
                "before said 1 {'a': 1} tasks.said.task_executor", "finished: 1 ok, 0 failed, 0 invalid, 0 dropped",
                "output   tasks/said/output.json"])

    def test_the_program_hands_over_also_beside_a_folder_of_that_name(self):
        self.write_task()
        self.write("tasks/said/task_executor.py", self.EXECUTOR)
        self.write("sygra/__init__.py", "raise SystemExit('the wrong one')")  # a checkout of the framework has one
        done = subprocess.run([lib.BIN, "run", "said", "-owt", "False", "--python", sys.executable], capture_output=True,
                              text=True, timeout=60)
        self.assertEqual((done.returncode, done.stdout.splitlines()[0]), (0, "before said 10 {} tasks.said.task_executor"), done.stderr)

    def test_the_module_may_import_what_hooks_may(self):
        done = self.run_task("from langchain_core.messages import AIMessage\n" + self.EXECUTOR)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_without_a_class_the_program_runs_it(self):
        done = self.run_task("def hook(config, state): return {}", "--seed", "5")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("2 ok, 0 failed", done.stdout)
        self.assertIn("seed     5", done.stdout)

    def test_errors_inside_of_the_module_are_shown(self):
        done = self.run_task("import a_package_that_is_not_there")
        self.assertEqual(done.returncode, 1)
        self.assertIn("No module named 'a_package_that_is_not_there'", done.stderr)
        self.assertIn("task_executor.py", done.stderr)

    def test_failed_records_end_with_status_3(self):
        done = self.run_task(self.EXECUTOR + """
    def output_record_generator(self, state):
        raise ValueError("no output")
""")
        self.assertEqual(done.returncode, 3, done.stderr)
        self.assertIn("no output", done.stderr)

    def test_the_program_is_found_and_named(self):
        self.assertEqual(binary.find(), lib.BIN)


if __name__ == "__main__":
    lib.unittest.main()
