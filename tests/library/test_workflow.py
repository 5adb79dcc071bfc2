# SPDX-License-Identifier: Apache-2.0
"""Building and running workflows that need no code of this process."""
import asyncio
import concurrent.futures
import json
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
import unittest
import unittest.mock

import lib
import sygra
from sygra import Workflow
from sygra.library import results

JQ_LENGTH = {"jq": "{words: (.said | length)}"}


def saying(rows, name="saying"):
    return Workflow(name).source(rows).llm("echo", "Say {q}", output="said").output_field("said", "said")


class Running(lib.Case):
    def test_rows_of_this_process_come_back_as_a_list(self):
        found = saying([{"q": "one"}, {"q": "zwölf"}]).run()
        self.assertEqual(found, [{"said": "Say one"}, {"said": "Say zwölf"}])
        self.assertEqual((found.figures["ok"], found.failed, found.output), (2, [], None))

    def test_all_records_run_unless_a_number_is_said(self):
        rows = [{"q": str(i)} for i in range(30)]
        self.assertEqual(len(saying(rows).run()), 30)
        self.assertEqual([r["said"] for r in saying(rows).run(2, start_index=3)], ["Say 3", "Say 4"])

    def test_nodes_stand_one_behind_the_other(self):
        found = saying([{"q": "one"}]).lambda_func(JQ_LENGTH, output="words").output_field("words", "words").run()
        self.assertEqual(found, [{"said": "Say one", "words": 7}])

    def test_a_graph_of_builders(self):
        graph = sygra.create_graph("builders").source([{"q": "one"}])
        graph.add_llm_node("ask", "echo").system_message("Be brief.").user_message("Say {q}").max_tokens(5).output_keys("said")
        graph.add_multi_llm_node("both").add_model("a", "echo").add_model("b", "m").user_message("{said}").output_keys("x")
        graph.add_weighted_sampler_node("pick").add_attribute("mood", ["glad"])
        graph.add_lambda_node("count", JQ_LENGTH).output_keys("words")
        graph.sequence("pick", "ask", "count").output_field("mood", "mood").output_field("words", "words")
        graph._node_builders.pop("both")
        self.assertEqual(graph.run(), [{"mood": "glad", "words": 7}])

    def test_conditional_edges(self):
        graph = Workflow("loop").source([{"n": 0}]).add_node(
            "more", {"node_type": "lambda", "lambda": {"jq": "{n: (.n + 1)}"}, "output_keys": ["n"]})
        graph.add_edge("START", "more").output_field("n", "n")
        graph.add_conditional_edge("more", {"jq": "if .n < 3 then \"more\" else \"END\" end"}, {"more": "more", "END": "END"})
        self.assertEqual(graph.run(), [{"n": 3}])

    def test_without_a_source_a_number_has_to_be_said(self):
        made = Workflow("made").weighted_sampler({"mood": {"values": ["glad"]}}).output_field("mood", "mood")
        self.assertEqual(made.run(num_records=3), [{"mood": "glad"}] * 3)
        with self.assertRaisesRegex(sygra.ConfigurationError, r"run\(num_records=100\)"):
            made.run()

    def test_output_stays_where_it_is_said(self):
        found = saying([{"q": "one"}]).run(output_dir="out", run_name="first")
        self.assertEqual(found.output, "out/first_output.json")
        self.assertEqual(json.loads(pathlib.Path(found.output).read_text()), [{"said": "Say one"}])
        self.assertTrue(pathlib.Path("out/saying.task/graph_config.yaml").exists())

    def test_a_temporary_folder_is_gone_afterwards(self):
        os.environ["TMPDIR"] = str(self.folder)
        self.addCleanup(os.environ.pop, "TMPDIR")
        done = lib.python("from sygra import Workflow\n"
                          "print(Workflow('w').source([{'q': 'one'}]).llm('echo', '{q}', output='a').output_field('a', 'a').run())")
        self.assertEqual(done.stdout.strip(), "[{'a': 'one'}]", done.stderr)
        self.assertEqual(sorted(os.listdir()), ["models.yaml"])

    def test_other_arguments_are_options_of_the_program(self):
        found = saying([{"q": "one"}]).run(seed=7, batch_size=1, hosts=1, checkpoint_interval=100, oasst=False, quality=False)
        self.assertEqual(found.figures["seed"], 7)
        with self.assertRaisesRegex(TypeError, "'batchsize'; did you mean 'batch_size'"):
            saying([{"q": "one"}]).run(batchsize=2)

    def test_static_fields_and_kept_ones(self):
        found = saying([{"q": "one"}]).preserve_fields("q").output_metadata({"v": "1.0", "n": {"x": [1]}}).run()
        self.assertEqual(found, [{"said": "Say one", "q": "one", "v": "1.0", "n": {"x": [1]}}])

    def test_quick_functions(self):
        self.write("in.jsonl", '{"q": "one"}\n')
        found = sygra.quick_llm("echo", "Say {q}", "in.jsonl", "out/said.json").output_field("m", "messages").run()
        self.assertEqual(found[0]["m"][-1]["content"], "Say one")
        self.assertEqual(json.loads(pathlib.Path("out/said.json").read_text()), found)
        both = sygra.quick_multi_llm({"a": "echo", "b": "echo"}, "Say {q}", "in.jsonl")
        self.assertEqual(both.run(), json.loads(pathlib.Path("output.json").read_text()))

    def test_list_of_models(self):
        self.assertEqual(sygra.list_available_models(), ["m", "echo"])
        self.assertEqual(sygra.get_model_info("echo")["model"], "echo")
        self.assertIn("no model file has nope", sygra.get_model_info("nope")["error"])


class Sources(lib.Case):
    def test_generators_are_read_as_far_as_needed_and_once(self):
        def rows():
            number = 0
            while True:
                number += 1
                yield {"q": str(number)}

        workflow = saying(rows())
        self.assertEqual(len(workflow.run(num_records=3)), 3)
        with self.assertRaisesRegex(sygra.DataError, "a generator, which an earlier run has read"):
            workflow.run(num_records=3)

    def test_rows_that_are_no_json_are_named(self):
        for row, said in (({"q": {1, 2}}, "row 1: key 'q': a set"), ({"q": float("nan")}, "row 1: key 'q'"),
                          ({1: "x"}, "row 1: the key 1 is no text"), (["q"], "row 1 is a list")):
            with self.subTest(row), self.assertRaisesRegex(sygra.DataError, said):
                saying([row]).run()

    def test_tables_by_what_they_can_do(self):
        class Frame:  # as pandas has it
            columns = ["q"]

            def __init__(self, rows):
                self.rows = rows

            def __len__(self):
                return len(self.rows)

            @property
            def iloc(self):
                return self

            def __getitem__(self, part):
                return Frame(self.rows[part])

            def itertuples(self):
                raise NotImplementedError

            def to_dict(self, orient):
                return list(self.rows) if orient == "records" else None

        rows = [{"q": str(i), "gap": float("nan")} for i in range(5000)]
        found = saying(Frame(rows)).output_field("gap", "gap").run()
        self.assertEqual((len(found), found[4999]), (5000, {"said": "Say 4999", "gap": None}))

    def test_data_map_and_file(self):
        self.write("in.csv", "q\none\n")
        self.assertEqual(saying({"data": [{"q": "x"}]}).run(), [{"said": "Say x"}])
        self.assertEqual(saying("in.csv").run(), saying(sygra.DataSource.disk("in.csv")).run())
        self.assertEqual(saying(sygra.from_file("in.csv")).run(), [{"said": "Say one"}])
        with self.assertRaises(ValueError):
            saying(5)


class Sinks(lib.Case):
    def test_the_suffix_says_what_is_written(self):
        for name, text in (("a.jsonl", '{"said": "Say one"}\n'), ("b.csv", "said\nSay one\n")):
            saying([{"q": "one"}]).sink(f"deep/{name}").run()
            self.assertEqual((self.folder / "deep" / name).read_text(), text)

    def test_a_sink_is_replaced_not_grown(self):
        for _ in range(2):
            saying([{"q": "one"}]).sink(sygra.DataSink.disk("a.jsonl")).run()
        self.assertEqual(len(pathlib.Path("a.jsonl").read_text().splitlines()), 1)

    def test_what_the_program_lacks_it_says(self):
        with self.assertRaisesRegex(sygra.ConfigurationError, "not yet"):
            saying([{"q": "one"}]).sink(sygra.to_huggingface("a/b")).run()


class Existing(lib.Case):
    def test_a_task_on_disk_runs_as_it_is_and_gives_its_records(self):
        self.write_task()
        said = [{"q": "one", "said": "Say one"}, {"q": "two", "said": "Say two"}]
        self.assertEqual(Workflow("tasks/said").run(), said)
        for name in ("tasks.said", "tasks/said", "said"):
            self.assertEqual(sygra.execute_task(name, num_records=1), said[:1])
        with self.assertRaisesRegex(sygra.ConfigurationError, "there is no task `sad`"):
            sygra.execute_task("sad")
        self.assertTrue(pathlib.Path("tasks/said/output.json").exists())
        self.assertEqual(sygra.execute_task("said", num_records=1), said[:1])

    def test_a_task_that_is_not_there_is_told_with_the_places_that_were_tried(self):
        with self.assertRaisesRegex(sygra.ConfigurationError, "no task `sad`: neither sad nor tasks/sad is a folder"):
            sygra.execute_task("sad")

    def test_overrides_leave_the_task_as_it_is(self):
        task = pathlib.Path(self.write_task()) / "graph_config.yaml"
        before = task.read_text()
        workflow = Workflow("tasks/said").override_prompt("ask", "user", "Sing {q}").override_model("ask", temperature=1)
        workflow.override("data_config.source.fields.0", "q").output_field("v", value=1)
        self.assertEqual(workflow.run(1, output_dir="out"), [{"q": "one", "said": "Sing one", "v": 1}])
        self.assertEqual(task.read_text(), before)
        self.assertFalse(pathlib.Path("tasks/said/output.json").exists())

    def test_tasks_in_yaml_are_read_without_a_package_for_it(self):
        self.write("tasks/yaml/graph_config.yaml", """
            model: &echo {name: echo}
            graph_config:
              nodes:
                ask: {node_type: llm, model: *echo, prompt: [{user: "no: {n}"}], output_keys: said}
              edges: [{from: START, to: ask}, {from: ask, to: END}]
            output_config: {output_map: {said: {from: said}}}
        """)
        workflow = Workflow("tasks/yaml").source([{"n": 1}]).override_prompt("ask", "user", "yes: {n}")
        self.assertEqual(workflow.run(output_dir="out"), [{"said": "yes: 1"}])
        self.write("tasks/yaml/graph_config.yaml", "graph_config: [1")
        with self.assertRaisesRegex(sygra.ConfigurationError, r"graph_config.yaml:\d+:\d+: error"):
            Workflow("tasks/yaml").override("a.b", 1)

    def test_a_mistake_in_an_override_is_located(self):
        self.write_task()
        with self.assertRaisesRegex(sygra.ConfigurationError, r"graph_config.yaml:\d+:\d+: error: unknown model `ecco`"):
            Workflow("tasks/said").override_model("ask", "ecco").run(output_dir="out")

    def test_bad_paths_of_overrides(self):
        self.write_task()
        with self.assertRaisesRegex(ValueError, "graph_config.0 is no list, but a"):
            Workflow("tasks/said").override("graph_config.0.x", 1)
        with self.assertRaisesRegex(ValueError, "its end must be a number"):
            Workflow("tasks/said").override("graph_config.edges.x", 1)

    def test_loaded_configs_find_files_of_the_task_and_write_elsewhere(self):
        self.write_task()
        loaded = sygra.load_config("tasks/said/graph_config.yaml")
        self.assertEqual(loaded.name, "said")
        self.assertEqual(len(loaded.run()), 2)
        self.assertEqual(sorted(os.listdir("tasks/said")), ["data.jsonl", "graph_config.yaml"])
        with self.assertRaises(FileNotFoundError):
            sygra.load_config("nowhere/graph_config.yaml")

    def test_saved_configs_are_tasks(self):
        self.write("in.jsonl", '{"q": "one"}\n')
        os.makedirs("saved")
        saying("in.jsonl").save_config("saved/graph_config.yaml")
        self.assertEqual(Workflow("./saved").run(), [{"said": "Say one"}])
        with self.assertRaisesRegex(sygra.ConfigurationError, "rows are of this process only"):
            saying([{"q": 1}]).save_config("saved/graph_config.yaml")
        with self.assertRaisesRegex(sygra.ConfigurationError, "of this process only, and cannot be written down"):
            saying("in.jsonl").lambda_func(lambda config, state: {}).save_config("saved/graph_config.yaml")


class Failing(lib.Case):
    def test_a_program_that_is_none_of_ours_is_an_error(self):
        with unittest.mock.patch.dict(os.environ, SYGRA_BIN="/bin/true"):
            with self.assertRaisesRegex(sygra.ExecutionError, "the program ended with status 0"):
                saying([{"q": "1"}]).run()

    mock_options = ("--fail_rate", "1", "--fail_status", "401:1")

    def test_a_workflow_without_nodes(self):
        with self.assertRaisesRegex(sygra.ConfigurationError, "the workflow has no nodes: add one"):
            Workflow("empty").source([{"q": 1}]).run()

    def test_when_no_record_is_ok_the_error_has_figures_and_the_file(self):
        with self.assertRaises(sygra.ExecutionError) as caught:
            saying([{"q": "one"}, {"q": "two"}]).run(output_dir="out")
        error = caught.exception
        self.assertEqual((error.figures["failed"], error.results, error.output_dir), (2, [], "out"))
        self.assertEqual(len(pathlib.Path(error.failed_file).read_text().splitlines()), 2)
        self.assertIn("0 records ok, 2 failed", str(error))
        self.assertIn("401", str(error))

    def test_some_failed_records_are_told_beside_the_others(self):
        graph = Workflow("some").source([{"q": "one"}, {"q": "two"}]).lambda_func(
            {"jq": "if .q == \"one\" then {said: .q} else error(\"no\") end"}, output="said").output_field("said", "said")
        found = graph.run()
        self.assertEqual((found, found.figures["failed"], len(found.failed)), ([{"said": "one"}], 1, 1))

    def test_a_source_that_is_not_there(self):
        with self.assertRaisesRegex(sygra.ConfigurationError, "there is no file nowhere.jsonl"):
            saying("nowhere.jsonl").run()


class Streaming(lib.Case):
    def test_records_come_in_input_order_also_above_25000(self):
        rows = ({"q": str(i), "odd": "\n    }\n    {}" if i % 7 else {}} for i in range(26000))
        workflow = saying(rows).output_field("odd", "odd")
        for number, record in enumerate(workflow.stream(batch_size=500)):
            self.assertEqual(record["said"], f"Say {number}")
        self.assertEqual(number, 25999)
        self.assertEqual(workflow.figures["ok"], 26000)

    def test_a_bracket_that_the_next_record_is_written_over_is_no_record(self):
        """What a read sees of a page that is written meanwhile: old bytes first, new ones behind them."""
        path = self.write("output.part", '[\n    {\n        "n": 1\n    }\n]')
        follower = results.Follower(str(path))
        follower._stale = None
        self.assertEqual(list(follower.poll()), [{"n": 1}])
        self.write("output.part", '[\n    {\n        "n": 1\n    }\n]    {\n        "n": 2\n    }\n]')
        self.assertEqual(list(follower.poll()), [{"n": 2}])
        follower.close()

    def test_empty_records_are_records(self):
        graph = Workflow("empty").source([{"q": 1}] * 3).lambda_func({"jq": "{}"}, output="x")
        graph.output_generator  # the raw state has keys; a map of none has not
        graph._section("output_config")["output_map"] = {}
        self.assertEqual(list(graph.stream()), graph.run())

    def test_an_earlier_part_is_not_taken_for_this_run(self):
        self.write("out/output.part", '[\n    {"said": "old"}\n]')
        self.assertEqual(list(saying([{"q": "new"}]).stream(output_dir="out")), [{"said": "Say new"}])


class Slow(lib.Case):
    mock_options = ("--latency_ms", "150")

    def test_records_are_given_while_the_run_goes(self):
        stream = saying([{"q": str(i)} for i in range(20)]).stream(batch_size=1)
        started = time.monotonic()
        self.assertEqual(next(stream), {"said": "Say 0"})
        self.assertLess(time.monotonic() - started, 2.5)  # all of them take three seconds
        stream.close()

    def test_to_break_off_ends_the_program(self):
        before = threading.active_count()
        for record in saying([{"q": str(i)} for i in range(500)], "broken_off").stream(batch_size=1, output_dir="out"):
            break
        self.assertEqual(children(), [])
        self.assertLessEqual(threading.active_count(), before + 1)

    def test_async_runs_side_by_side(self):
        workflows = [saying([{"q": str(n)}]) for n in range(3)]

        async def both():
            runs = [workflow.arun() for workflow in workflows[:2]]
            streamed = [record async for record in workflows[2].astream()]
            return await asyncio.gather(*runs), streamed

        found, streamed = asyncio.run(both())
        self.assertEqual((found, streamed), ([[{"said": "Say 0"}], [{"said": "Say 1"}]], [{"said": "Say 2"}]))
        self.assertEqual([workflow.figures["ok"] for workflow in workflows], [1, 1, 1])

    def test_threads_run_side_by_side(self):
        def run(name):
            rows = [{"q": f"{name}{i}"} for i in range(5)]
            return saying(rows, name).lambda_func(lambda config, state: {"n": state["q"]}, output="n").output_field("n", "n").run()

        with concurrent.futures.ThreadPoolExecutor(2) as threads:
            for name, found in zip("ab", threads.map(run, "ab")):
                self.assertEqual(found, [{"said": f"Say {name}{i}", "n": f"{name}{i}"} for i in range(5)])

    def test_an_async_stream_that_is_closed_has_ended_the_program(self):
        async def first():
            stream = saying([{"q": str(i)} for i in range(500)]).astream(batch_size=1)
            record = await stream.__anext__()
            await stream.aclose()
            return record, children()

        self.assertEqual(asyncio.run(first()), ({"said": "Say 0"}, []))

    def test_a_cancelled_task_ends_the_program(self):
        async def cancel():
            await asyncio.wait_for(saying([{"q": str(i)} for i in range(500)]).arun(batch_size=1, output_dir="out"), 1)

        with self.assertRaises(asyncio.TimeoutError):
            asyncio.run(cancel())
        self.assertEqual(children(), [])


INTERRUPTED = """
import sys
from sygra import Workflow
w = Workflow('stopped').source([{'q': str(i)} for i in range(40)]).llm('echo', 'Say {q}', output='said').output_field('said', 'said')
try:
    print(len(w.run(output_dir='out', batch_size=2, resume='on' in sys.argv)))
except KeyboardInterrupt:
    print('interrupted')
"""


INTERRUPTED_SOON = """
import os, signal, sys, threading
from sygra import Workflow
w = Workflow('soon').source([{'q': str(i)} for i in range(40)]).lambda_func(lambda c, s: {'n': 1}, output='n').llm('echo', '{q}', output='a')
try:
    threading.Timer(float(sys.argv[1]), os.kill, (os.getpid(), signal.SIGINT)).start()
    list(w.stream(batch_size=1)) if sys.argv[2] == 'stream' else w.run(batch_size=1)
except KeyboardInterrupt:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        print('interrupted, and no child is left')
"""


class Interrupting(lib.Case):
    mock_options = ("--latency_ms", "150")

    def start(self):
        """With Ctrl-C as on a terminal: a shell has its background jobs ignore it, and all that they start."""
        env = {**os.environ, "PYTHONPATH": lib.PACKAGE}
        process = subprocess.Popen([sys.executable, "-c", INTERRUPTED], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                   preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        deadline = time.monotonic() + 30
        while not (pathlib.Path("out/output.part").exists() and pathlib.Path("out/output.part").stat().st_size):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.02)
        return process

    def test_ctrl_c_stops_the_run_and_it_can_go_on(self):
        process = self.start()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        self.assertEqual(out.strip(), "interrupted", err)
        self.assertIn("run(resume=True, output_dir='out')", err)
        again = lib.python(INTERRUPTED, "on")
        self.assertEqual(again.stdout.strip(), "40", again.stderr)
        said = [record["said"] for record in json.loads(pathlib.Path("out/output.json").read_text())]
        self.assertEqual(said, [f"Say {i}" for i in range(40)])

    def test_ctrl_c_leaves_no_process_whenever_it_comes(self):
        moments = [(str(delay / 100), how) for how in ("run", "stream") for delay in (0, 4, 16, 32)]
        with concurrent.futures.ThreadPoolExecutor(2) as threads:
            for moment, done in zip(moments, threads.map(lambda words: lib.python(INTERRUPTED_SOON, *words), moments)):
                self.assertEqual(done.stdout.strip(), "interrupted, and no child is left", (moment, done.stderr))

    def test_when_this_process_is_killed_the_program_ends_too(self):
        process = self.start()
        [child] = children(process.pid)
        process.kill()
        process.communicate()
        deadline = time.monotonic() + 30
        while os.path.exists(f"/proc/{child}") and state(child) != "Z":
            self.assertLess(time.monotonic(), deadline, "the program goes on without the process that started it")
            time.sleep(0.05)


def children(parent=None):
    parent = parent or os.getpid()
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)
        except OSError:
            continue
        if int(fields[1].split()[1]) == parent and "(sygra" in fields[0] and "mock" not in command(pid):
            found.append(int(pid))
    return found


def command(pid):
    return pathlib.Path(f"/proc/{pid}/cmdline").read_text()


def state(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "Z"


if __name__ == "__main__":
    unittest.main()
