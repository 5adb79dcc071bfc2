# SPDX-License-Identifier: Apache-2.0
"""Functions and classes of this process in tasks, and callbacks."""
import asyncio
import functools
import json
import os
import pathlib
import subprocess
import threading
import time

import lib
import sygra
from sygra import Workflow
from sygra.library.callables import Closures, code_hash, dotted_path


def module_function(config, state):
    return {"pid": os.getpid()}


class ModuleClass:
    @staticmethod
    def apply(config, state):
        return {"pid": os.getpid()}


def start(rows=None, name="closures"):
    return Workflow(name).source([{"q": "one"}, {"q": "two"}] if rows is None else rows)


class Travelling(lib.unittest.TestCase):
    """Which callables go to hosts, and what others are called."""

    def test_what_a_host_can_import_goes_by_its_path(self):
        self.assertEqual(dotted_path(module_function), f"{__name__}.module_function")
        self.assertEqual(dotted_path(ModuleClass), f"{__name__}.ModuleClass")

    def test_everything_else_stays(self):
        def nested():
            pass

        for value in (nested, lambda: 0, ModuleClass.apply, functools.partial(module_function), ModuleClass(), print):
            self.assertIsNone(dotted_path(value), value)

    def test_a_name_tells_when_the_code_has_changed(self):
        made = [lambda state: state["a"], lambda state: state["b"], lambda state: state["a"]]
        self.assertEqual(code_hash(made[0]), code_hash(made[2]))
        self.assertNotEqual(code_hash(made[0]), code_hash(made[1]))
        closures = Closures()
        names = [closures.name_of(value) for value in (*made, made[0])]
        self.assertEqual(len(set(names)), 3)
        self.assertEqual(names[0], names[3])

    def test_all_places_of_a_map_are_looked_at(self):
        closures = Closures()
        written = closures.replace({"a": [{"b": len}, (lambda: 0,)], "c": module_function, "d": 1.5, "e": None})
        self.assertEqual(written["c"], f"{__name__}.module_function")
        self.assertEqual([set(written["a"][0]["b"]), set(written["a"][1][0])], [{"closure"}, {"closure"}])
        self.assertEqual(len(closures), 2)


class Calling(lib.Case):
    def test_a_lambda_sees_state_and_config(self):
        found = start().lambda_func(lambda config, state: {"said": state["q"] + config["more"]}, output="said", more="!")
        self.assertEqual(found.output_field("said", "said").run(), [{"said": "one!"}, {"said": "two!"}])

    def test_closures_run_here_and_change_what_they_see(self):
        seen = []

        def keep(config, state):
            seen.append((state["q"], os.getpid()))
            return {"n": len(seen)}

        start().lambda_func(keep, output="n").run()
        self.assertEqual(sorted(seen), [("one", os.getpid()), ("two", os.getpid())])

    def test_this_process_imports_afterwards_what_it_could_before(self):
        done = lib.python("""
import importlib.util
from sygra import Workflow
there = lambda: importlib.util.find_spec("langchain_core") is not None
before = there()
Workflow("w").source([{"q": 1}]).lambda_func(lambda config, state: {"n": 1}, output="n").run()
print(before == there())
""")
        self.assertEqual(done.stdout.strip(), "True", done.stderr)

    def test_what_a_host_can_import_runs_in_a_host(self):
        for function in (module_function, ModuleClass):
            found = start().lambda_func(function, output="pid").output_field("pid", "pid")
            self.assertNotIn(os.getpid(), [record["pid"] for record in found.run()])
            self.assertEqual({record["pid"] for record in found.run(in_process=True)}, {os.getpid()})

    def test_processors_conditions_and_transforms(self):
        class Loop:
            def apply(state):
                return "END" if state["n"] >= 2 else "ask"

        graph = start([{"q": "one", "n": 0}])
        ask = graph.add_llm_node("ask", "echo").user_message("Say {q}").output_keys("said")
        ask.pre_process(lambda state: {**state, "q": state["q"].upper()})
        ask.post_process(lambda response, state: {"said": f"{response.content} for {state['n']}"})
        graph.add_lambda_node("count", lambda config, state: {"n": state["n"] + 1}).output_keys("n")
        graph.sequence("START", "ask", "count")
        graph._section("graph_config")["edges"] = [e for e in graph._edges() if e["from"] != "count"]
        graph.add_conditional_edge("count", Loop, {"ask": "ask", "END": "END"})
        graph.output_field("said", "said").output_field("length", "said", transform=lambda value, state: len(value))
        self.assertEqual(graph.run(), [{"said": "Say ONE for 1", "length": 13}])

    def test_several_models_are_combined(self):
        graph = start([{"q": "one"}]).multi_llm({"a": "echo", "b": "echo"}, "Say {q}", output_keys="both",
                                                multi_llm_post_process=lambda outputs: {"both": sorted(outputs)})
        self.assertEqual(graph.output_field("both", "both").run(), [{"both": ["a", "b"]}])

    def test_a_generator_of_the_output(self):
        class Generator:
            def __init__(self, config):
                self.config = config

            def generate(self, state):
                return None if state["q"] == "two" else {"kept": state["q"]}

        found = start().lambda_func(lambda config, state: {}, output="x").output_generator(Generator).run()
        self.assertEqual((found, found.figures["dropped"]), ([{"kept": "one"}], 1))

    def test_steps_over_the_rows(self):
        class Double:
            def transform(self, data, params):
                return [{**row, "q": row["q"] * params["times"]} for row in data]

        rename = {"transform": "sygra.processors.data_transform.RenameFieldsTransform", "params": {"mapping": {"q": "word"}}}
        graph = start().transformations([{"transform": Double, "params": {"times": 2}}, rename])
        found = graph.llm("echo", "{word}", output="said").output_field("said", "said").run()
        self.assertEqual(found, [{"said": "oneone"}, {"said": "twotwo"}])

    def test_classes_over_the_whole_output(self):
        class Count:
            def __init__(self, key):
                self.key = key

            def process(self, data, metadata):
                return [{"n": len(data), "key": self.key}]

        graph = start().lambda_func(lambda config, state: {"said": state["q"]}, output="said").output_field("said", "said")
        graph._config["graph_post_process"] = [{"processor": Count, "params": {"key": "k"}}]
        graph.run(output_dir="out")
        self.assertEqual(json.loads(pathlib.Path(f"out/Count.json").read_text()), [{"n": 2, "key": "k"}])

    def test_what_was_run_can_be_drawn_but_not_run_without_this_process(self):
        start().lambda_func(lambda config, state: {}, output="x").run(output_dir="out")
        drawn, again = (subprocess.run([lib.BIN, verb, "out/closures.task"], capture_output=True, text=True, timeout=60)
                        for verb in ("graph", "run"))
        self.assertIn("lambda_1", drawn.stdout)
        self.assertEqual((again.returncode, "belongs to the process that wrote this task" in again.stderr), (1, True))

    def test_async_closures_wait_side_by_side(self):
        async def slow(config, state):
            await asyncio.sleep(0.3)
            return {"said": state["q"]}

        started = time.monotonic()
        rows = [{"q": str(i)} for i in range(40)]
        found = start(rows).lambda_func(slow, output="said").output_field("said", "said").run()
        self.assertEqual(found, [{"said": str(i)} for i in range(40)])
        self.assertLess(time.monotonic() - started, 8)  # one after the other they take 12 s

    def test_waiting_closures_do_not_hold_each_other_up(self):
        both = threading.Barrier(2)
        found = start().lambda_func(lambda config, state: {"n": both.wait(20) >= 0}, output="n").output_field("n", "n")
        self.assertEqual(found.run(), [{"n": True}] * 2)

    def test_an_error_names_the_line_and_costs_one_record(self):
        def fails(config, state):
            if state["q"] == "one":
                raise KeyError("no such thing")
            return {"said": state["q"]}

        found = start().lambda_func(fails, output="said").output_field("said", "said").run()
        self.assertEqual(found, [{"said": "two"}])
        self.assertRegex(found.failed[0]["message"], r"KeyError: 'no such thing' \(test_closures.py:\d+\)")

    def test_a_wrong_signature_is_refused_before_the_run(self):
        with self.assertRaisesRegex(sygra.GraSPError, r"takes \(one\)"):
            start().lambda_func(lambda one: {}, output="x").run()

    def test_conversations_work_in_memory(self):
        graph = start([{"q": "one"}]).chat_conversation("singleturn", 3)
        for name in ("first", "second"):
            graph.add_llm_node(name, "echo").user_message("Say {q}").chat_history().output_keys(name)
        graph.sequence("first", "second").output_field("second", "second")
        [record] = graph.run()
        self.assertIn("Organizer: Say one", record["second"])
        self.assertIn("first: Say one", record["second"])


class Callbacks(lib.Case):
    def test_nodes_and_records_are_told(self):
        told = []
        callbacks = sygra.ExecutionCallbacks(
            on_node_start=lambda name, state: told.append(("start", name, state["q"])),
            on_node_complete=lambda name, update, ms: told.append(("complete", name, update["said"], ms >= 0)),
            on_graph_start=lambda record: told.append(("graph", record["q"])),
            on_graph_complete=lambda output, ms: told.append(("output", output)),
            on_log=lambda text: told.append(text.split()[1]))
        graph = start([{"q": "one"}]).llm("echo", "Say {q}", output="said").output_field("said", "said")
        graph.run(callbacks=callbacks, seed=1)
        self.assertIn("run_started", told)
        self.assertEqual([item for item in told if isinstance(item, tuple)],
                         [("graph", "one"), ("start", "llm_1", "one"), ("complete", "llm_1", "Say one", True), ("output", {"said": "Say one"})])

    def test_errors_are_told_and_a_callback_that_raises_ends_nothing(self):
        told = []

        def fails(config, state):
            raise ValueError("no")

        def raises(*_):
            raise RuntimeError("mine")

        callbacks = sygra.ExecutionCallbacks(on_node_start=raises, on_node_error=lambda *said: told.append(said),
                                             on_graph_error=lambda *said: told.append(said))
        with self.assertRaises(sygra.ExecutionError):
            start([{"q": "one"}]).lambda_func(fails, output="x").run(callbacks=callbacks)
        self.assertEqual([told[0][0], told[0][2]["record_index"]], ["lambda_1", 0])
        self.assertIn("ValueError: no", told[0][1])
        self.assertIn("ValueError: no", told[1][0])

    def test_live_figures_are_here(self):
        from sygra.metadata.metadata_collector import get_metadata_collector

        start().llm("echo", "Say {q}", output="said").run()
        summary = get_metadata_collector().get_metadata_summary()
        self.assertEqual(summary["aggregate_statistics"]["records"]["total_processed"], 2)


if __name__ == "__main__":
    lib.unittest.main()
