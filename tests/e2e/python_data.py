# SPDX-License-Identifier: Apache-2.0
"""Python around a record's graph: data transforms, output generators, schema classes, post-processors of models and of whole outputs."""
import json
import os
import signal
import subprocess
import time

from lib import BIN, ENV, Mock, Task, Run

MODULE = '''
import os
import random

from sygra.core.graph.graph_postprocessor import GraphPostProcessor
from sygra.core.models.model_postprocessor import ModelPostProcessor
from sygra.processors.data_transform import DataTransform
from sygra.processors.output_record_generator import BaseOutputGenerator


class Double(DataTransform):
    """Every row twice, from the last one on."""

    @property
    def name(self):
        return "double"

    def transform(self, data, params):
        with open("transformed.txt", "a") as f:
            f.write(f"{len(data)}\\n")
        return [{**row, "copy": i, "suffix": params["suffix"]} for row in reversed(data) for i in range(2)]


class Slow(Double):
    def transform(self, data, params):
        import time
        open("slow", "w").close()
        time.sleep(params["s"])
        return super().transform(data, params)


class Broken(Double):
    def transform(self, data, params):
        raise ValueError("no such season")


class NoList(Double):
    def transform(self, data, params):
        return [1, 2]


class Mark(DataTransform):
    """Of a stream: rows with `bad` are refused."""

    @property
    def name(self):
        return "mark"

    def transform(self, data, params):
        for row in data:
            if row.get("bad"):
                raise KeyError("bad row")
            row["seen"] = params["mark"] + row["q"]
            row["draw"] = random.random()
        return data


class Shout(BaseOutputGenerator):
    """As the map says, with methods; rows with n == 3 are not wanted."""

    @staticmethod
    def loud(data, state):
        return data.upper() + "!" * state["n"]

    def generate(self, state):
        if state["n"] == 3:
            return None
        if state["n"] == 4:
            raise RuntimeError("four is no number")
        return super().generate(state)


def twice(value, state):
    return [value, value, state["n"]]


class Upper(ModelPostProcessor):
    def apply(self, text):
        return text.replace("<think>", "[").upper() + "<|end|>  "


class NoText(ModelPostProcessor):
    def apply(self, text):
        return 5


class Count(GraphPostProcessor):
    def __init__(self, by="kind"):
        self.by = by

    def process(self, data, metadata):
        with open("post.txt", "a") as f:
            f.write("count\\n")
        counts = {}
        for row in data:
            counts[row[self.by]] = counts.get(row[self.by], 0) + 1
        return [{"by": self.by, "counts": counts, "file": os.path.basename(metadata["output_file"])}]


class Waits(GraphPostProcessor):
    def process(self, data, metadata):
        import time
        open("waits", "w").close()
        time.sleep(0 if os.path.exists("go") else 60)
        return data[:1]


class Fails(GraphPostProcessor):
    def process(self, data, metadata):
        if os.path.exists("repaired"):
            return []
        raise RuntimeError("no plot today")
'''

SCHEMA = '''
from pydantic import BaseModel, field_validator


class Answer(BaseModel):
    id: int
    answer: str
    n: int

    @field_validator("n")
    @classmethod
    def small(cls, v):
        if v > 2:
            raise ValueError("n is too large")
        return v
'''


def with_pydantic():
    """An interpreter that has it: that of the tests' packages, or the first one on PATH."""
    for python in (os.path.abspath("build/venv/bin/python"), "python3"):
        if os.path.exists(python) or "/" not in python:
            if subprocess.run([python, "-c", "import pydantic"], capture_output=True).returncode == 0:
                return python
    raise AssertionError("no Python here has pydantic")


def graph(source="", rest="", nodes='look: {node_type: lambda, lambda: {jq: "{answer: .q}"}, output_keys: answer}', start="look"):
    return f"""
data_config:
  source:
    type: disk
    file_path: data.jsonl
{source}
graph_config:
  nodes:
    {nodes}
  edges: [{{from: START, to: {start}}}]
{rest}
"""


def transforms(*entries, streaming=False):
    lines = [f"    streaming: {str(streaming).lower()}", "    transformations:"]
    for name, params in entries:
        lines.append(f"      - {{transform: {name}, params: {json.dumps(params)}}}")
    return "\n".join(lines)


def task(folder, text, rows, **more):
    (folder / "work.py").write_text(MODULE)
    made = Task(folder / "t", text, rows=rows, **more)
    made.run_here = lambda *args, **kw: made.run(*args, cwd=folder, **kw)
    return made


def sygra(folder, *args, status=0, env=None):
    done = subprocess.run([BIN, *map(str, args)], capture_output=True, text=True, timeout=120, cwd=folder, env={**ENV, **(env or {})})
    assert done.returncode == status, f"exit status {done.returncode}, not {status}\n{done.stdout}\n{done.stderr}"
    assert "Sanitizer" not in done.stderr, done.stderr
    return done


ROWS = [{"id": i, "q": f"q{i}", "n": i, "kind": "ab"[i % 2]} for i in range(6)]
MAP = """output_config:
  output_map: {id: {from: id}, q: {from: q}, copy: {from: copy}, suffix: {from: suffix}}
"""
DOUBLED = [{"id": i, "q": f"q{i}", "copy": c, "suffix": "x"} for i in reversed(range(6)) for c in range(2)]


# --- transforms of a whole list -------------------------------------------------------------------------------------------


def test_a_list_is_transformed_once_and_the_run_reads_what_came_of_it(folder):
    t = task(folder, graph(transforms(("work.Double", {"suffix": "x"})), MAP), ROWS)
    run = t.run_here("-n", 0).expect(0)
    assert run.records() == DOUBLED, run.records()
    assert "transformed" in run.err and "made=12" in run.err, run.err
    spool = (t.folder / "output.run" / "input.jsonl").read_text().splitlines()
    assert len(spool) == 12 and json.loads(spool[0])["id"] == 5
    part = t.run_here("-n", 3, "-si", 2, "--run_name", "part").expect(0)
    assert part.records("part_output") == DOUBLED[2:5], "-n and start_index count transformed rows"
    assert (folder / "transformed.txt").read_text() == "6\n6\n"
    assert not [p.name for p in t.folder.iterdir() if ".part" in p.name]


def test_built_in_transforms_run_one_after_the_other(folder):
    chain = transforms(("sygra.processors.data_transform.SkipRecords", {"skip_type": "count", "count": {"from_start": 1, "from_end": 1}}),
                       ("sygra.processors.data_transform.RenameFieldsTransform", {"mapping": {"kind": "sort"}}),
                       ("sygra.processors.data_transform.AddNewFieldTransform", {"mapping": {"made": [1.50, None]}}),
                       ("sygra.processors.data_transform.CombineRecords", {"combine": 2, "shift": 2, "join_column": {"q": "$1-$2", "sort": "$2", "made": "$1"}}))
    t = task(folder, graph(chain, "output_config: {output_map: {q: {from: q}, sort: {from: sort}, made: {from: made}}}"), ROWS)
    run = t.run_here("-n", 0).expect(0)
    first = run.records()[0]
    assert first == {"q": "q1-q2", "sort": "a", "made": "[1.5, None]"}, first


def test_a_list_is_transformed_before_fields_and_ids(folder):
    chain = transforms(("work.Double", {"suffix": "x"})) + "\n    fields: [q, copy]"
    t = task(folder, graph(chain), [{"q": "a", "z": 1}])
    rows = t.run_here("-n", 0).expect(0).records()
    assert [set(r) - {"messages", "__chat_history__", "answer"} for r in rows] == [{"id", "q", "copy"}] * 2, rows
    assert len({r["id"] for r in rows}) == 2 and all(len(r["id"]) == 64 for r in rows)


def test_a_transform_of_a_list_that_fails_ends_the_start_and_leaves_nothing(folder):
    for name, word in (("work.Broken", "ValueError: no such season"), ("work.NoList", "row 0"), ("work.Absent", "Absent")):
        t = task(folder, graph(transforms((name, {"suffix": "x"})), MAP), ROWS)
        run = t.run_here("-n", 0).expect(1)
        assert word in run.err, run.err
        assert not [p.name for p in t.folder.iterdir() if p.name.startswith("output")], "nothing is left behind"
    t.write("data.jsonl", '{"id": 1}\n{oops\n')
    t.write("graph_config.yaml", graph(transforms(("work.Double", {"suffix": "x"})), MAP))
    run = t.run_here("-n", 0).expect(1)
    assert "data.jsonl:2" in run.err and "whole list" in run.err, run.err


def test_a_run_is_interrupted_while_a_stream_waits_for_its_transform(folder):
    t = task(folder, graph(transforms(("work.Slow", {"suffix": "x", "s": 60}), streaming=True), MAP), ROWS)
    command = [BIN, "run", "t", "-n", "0", "--output_with_ts", "False", "--seed", "7"]
    p = subprocess.Popen(command, cwd=folder, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (folder / "slow").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    p.send_signal(signal.SIGINT)
    _, err = p.communicate(timeout=40)
    assert p.returncode == 130 and "Sanitizer" not in err, err
    t.write("graph_config.yaml", graph(transforms(("work.Slow", {"suffix": "x", "s": 0}), streaming=True), MAP))
    assert len(t.run_here("-n", 0).expect(0).records()) == len(ROWS)


def test_a_run_that_is_killed_while_it_transforms_begins_anew(folder):
    t = task(folder, graph(transforms(("work.Slow", {"suffix": "x", "s": 60})), MAP), ROWS)
    command = [BIN, "run", "t", "-n", "0", "--output_with_ts", "False", "--seed", "7"]
    p = subprocess.Popen(command, cwd=folder, env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (folder / "slow").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    p.send_signal(signal.SIGKILL)
    p.wait(20)
    t.write("graph_config.yaml", graph(transforms(("work.Slow", {"suffix": "x", "s": 0})), MAP))
    assert t.run_here("-n", 0).expect(0).records() == DOUBLED
    assert not [p.name for p in t.folder.iterdir() if ".part" in p.name]


def test_a_stopped_run_goes_on_without_input_or_transform(folder):
    nodes = 'ask: {node_type: llm, model: {name: m}, prompt: [{user: "say {q} {copy}"}], output_keys: answer}'
    text = graph(transforms(("work.Double", {"suffix": "x"})),
                 "output_config: {output_map: {id: {from: id}, copy: {from: copy}, answer: {from: answer}}}", nodes, "ask")
    with Mock("--latency_ms", "400") as mock:
        t = task(folder, text, ROWS, url=mock.url)
        command = [BIN, "run", "t", "-n", "0", "-b", "3", "--output_with_ts", "False", "--seed", "7"]
        p = subprocess.Popen(command, cwd=folder, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 60
        while mock.stats()["requests"] < 5 and time.monotonic() < deadline:
            time.sleep(0.05)
        p.send_signal(signal.SIGKILL)
        p.communicate(timeout=20)
        (t.folder / "data.jsonl").unlink()
        t.write("data.jsonl", "")
        sygra(folder, "resume", "t/output")
        whole = Run(subprocess.CompletedProcess([], 0, "", ""), t.folder).records()
        assert [(r["id"], r["copy"]) for r in whole] == [(r["id"], r["copy"]) for r in DOUBLED]
        assert (folder / "transformed.txt").read_text() == "6\n"
        assert "the output is the same" in sygra(folder, "replay", "t/output").stdout
        why = sygra(folder, "why", "t/output.json:3.answer").stdout
        assert "as sent" in why and "say q4 0" in why, why
        assert '"q4"' in sygra(folder, "why", "t/output.json:3", "--json").stdout
    assert (folder / "transformed.txt").read_text() == "6\n", "the transform ran again"
    t.write("graph_config.yaml", text.replace('"x"', '"y"'))
    refused = sygra(folder, "resume", "t/output", "-n", "0", "--accept-changes", status=1)
    assert "transformations" in refused.stderr, refused.stderr


def test_a_preview_transforms_and_leaves_nothing(folder):
    t = task(folder, graph(transforms(("work.Double", {"suffix": "x"})), MAP), ROWS)
    before = {p.name for p in t.folder.iterdir()}
    (folder / "tmp").mkdir()
    done = sygra(folder, "preview", "t", "-n", "1", "--json", env={"TMPDIR": str(folder / "tmp")})
    assert '"copy":0' in done.stdout and '"suffix":"x"' in done.stdout, done.stdout
    assert {p.name for p in t.folder.iterdir()} == before
    assert not list((folder / "tmp").iterdir())


def test_without_a_run_folder_no_list_stays(folder):
    t = task(folder, graph(transforms(("work.Double", {"suffix": "x"})), MAP), ROWS)
    assert t.run_here("-n", 0, "--no_journal").expect(0).records() == DOUBLED
    assert not [p.name for p in t.folder.iterdir() if "input" in p.name]


# --- transforms of a stream -----------------------------------------------------------------------------------------------


def test_a_stream_is_transformed_row_by_row_and_bad_rows_fail_alone(folder):
    rows = [{"id": i, "q": f"q{i}", "bad": i in (2, 40)} for i in range(60)]
    chain = transforms(("work.Mark", {"mark": ">"}), ("sygra.processors.data_transform.AddNewFieldTransform", {"mapping": {"made": 1}}), streaming=True)
    t = task(folder, graph(chain, "output_config: {output_map: {id: {from: id}, seen: {from: seen}, made: {from: made}, draw: {from: draw}}}"), rows)
    run = t.run_here("-n", 0).expect(3)
    assert [r["id"] for r in run.records()] == [i for i in range(60) if i not in (2, 40)]
    assert all(r["seen"] == f">q{r['id']}" and r["made"] == 1 for r in run.records())
    assert [(f["position"], f["line"]) for f in run.failed()] == [(2, 3), (40, 41)]
    assert all("data.jsonl:" in f["message"] and "KeyError" in f["message"] for f in run.failed()), run.failed()
    assert not (t.folder / "output.run" / "input.jsonl").exists()
    part = t.run_here("-n", 10, "-si", 30, "--run_name", "part").expect(0)
    there = {r["id"]: r for r in run.records()}
    assert part.records("part_output") == [there[i] for i in range(30, 40)], "draws follow the row, not the batch"
    t.write("graph_config.yaml", graph(transforms(("work.Double", {"suffix": "x"})), MAP))
    t.run_here("-n", 1, "--run_name", "next").expect(0)
    assert (t.folder / "next_output.run" / "input.jsonl").exists()
    t.write("graph_config.yaml", graph(chain))
    t.run_here("-n", 1, "--run_name", "next").expect(0)
    assert not (t.folder / "next_output.run" / "input.jsonl").exists(), "another run of that name leaves no old input behind"


def test_a_run_ends_while_its_stream_is_being_transformed(folder):
    t = task(folder, graph(transforms(("work.Slow", {"suffix": "x", "s": 60}), streaming=True), MAP), ROWS)
    p = subprocess.Popen([BIN, "run", "t", "-n", "0"], cwd=folder, env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (folder / "slow").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    for _ in range(2):
        p.send_signal(signal.SIGINT)
        time.sleep(0.3)
    _, err = p.communicate(timeout=30)
    assert p.returncode == 130 and "Sanitizer" not in err, err


def test_a_stream_goes_on_and_is_asked_why(folder):
    chain = transforms(("work.Mark", {"mark": ">"}), streaming=True)
    t = task(folder, graph(chain, "output_config: {output_map: {id: {from: id}, seen: {from: seen}, draw: {from: draw}}}"), ROWS)
    short = t.run_here("-n", 2).expect(0).records()
    sygra(folder, "resume", "t/output", "-n", "0")
    whole = Run(subprocess.CompletedProcess([], 0, "", ""), t.folder).records()
    assert len(whole) == 6 and whole[:2] == short
    assert ">q4" in sygra(folder, "why", "t/output.json:5", "--json").stdout
    assert "the output is the same" in sygra(folder, "replay", "t/output").stdout


# --- the output ---------------------------------------------------------------------------------------------------------------


GENERATED = """output_config:
  generator: work.Shout
  output_map:
    id: {from: id}
    answer: {from: answer, transform: loud}
    from: {value: $data_config.source.file_path}
"""


def test_a_generator_makes_drops_and_fails_records(folder):
    t = task(folder, graph(rest=GENERATED), ROWS)
    run = t.run_here("-n", 0).expect(3)
    assert run.records() == [{"id": i, "answer": f"Q{i}" + "!" * i, "from": "data.jsonl"} for i in (0, 1, 2, 5)], run.records()
    dropped = run.records("output_dropped")
    assert dropped == [{"id": 3, "position": 3, "line": 4, "node": "output_config", "message": "work.Shout returned None", "record": ROWS[3]}]
    (failed,) = run.failed()
    assert failed["node"] == "output_config" and "four is no number" in failed["message"], failed
    assert "4 ok, 1 failed, 0 invalid, 1 dropped" in run.out, run.out
    (metadata,) = (t.folder / "metadata").iterdir()
    assert json.loads(metadata.read_text())["execution"]["environment"]["python_version"].startswith("3.")
    assert '"position":3' in sygra(folder, "records", "t/output", "--dropped", "--json").stdout.replace(" ", "")


def test_a_function_transforms_a_field_without_a_generator(folder):
    text = graph(rest="output_config: {output_map: {id: {from: id}, a: {from: answer, transform: work.twice}, none: {value: 1, transform: work.twice}}}")
    run = task(folder, text, ROWS).run_here("-n", 2).expect(0)
    assert run.records() == [{"id": i, "a": [f"q{i}", f"q{i}", i], "none": [1, 1, i]} for i in (0, 1)], run.records()


def test_a_jq_program_beside_a_generator_is_a_mistake(folder):
    text = graph(rest=GENERATED.replace("transform: loud", 'transform: {jq: "."}'))
    done = task(folder, text, ROWS).check(cwd=folder)
    assert done.status == 1 and "knows nothing of jq programs" in done.err, done.err


def test_a_schema_class_keeps_invalid_records_apart_in_its_own_words(folder):
    (folder / "shape.py").write_text(SCHEMA)
    rest = "output_config: {output_map: {id: {from: id}, answer: {from: answer}}}\nschema_config: {schema: shape.Answer}"
    run = task(folder, graph(rest=rest), ROWS).run_here("-n", 0, "--python", with_pydantic()).expect(3)
    assert [r["id"] for r in run.records()] == [0, 1, 2], "n is no field of the output: it is found in the state"
    bad = run.records("output_invalid")
    assert [b["id"] for b in bad] == [3, 4, 5] and all(b["rule"] == "shape.Answer" and b["node"] == "schema_config" for b in bad), bad
    assert "n: Value error, n is too large" in bad[0]["message"], bad[0]
    assert bad[0]["output"] == {"id": 3, "answer": "q3"} and bad[0]["record"] == ROWS[3]
    assert "3 x invalid" in run.out, run.out


# --- replies ------------------------------------------------------------------------------------------------------------------


ASK = 'ask: {node_type: llm, model: {name: echo}, prompt: [{user: "{q}"}], output_keys: answer}'
ANSWERS = "output_config: {output_map: {id: {from: id}, answer: {from: answer}}}"
THOUGHTS = ["<think>a\\nb</think>  yes ", "no <think>half", "a<think>1</think>b<think>2</think>", "</think>x<think>y</think>z"]


def test_thoughts_are_removed_without_any_python(folder):
    rows = [{"id": i, "q": q} for i, q in enumerate(THOUGHTS)]
    with Mock() as mock:
        t = task(folder, graph(rest=ANSWERS, nodes=ASK, start="ask"), rows, url=mock.url,
                 model={"post_process": "sygra.core.models.model_postprocessor.RemoveThinkData"})
        run = t.run_here("-n", 0, env={"PATH": "/nowhere", "VIRTUAL_ENV": "/nowhere"}).expect(0)
        assert [r["answer"] for r in run.records()] == ["yes", "no <think>half", "ab<think>2</think>", "</think>xz"], run.records()
        assert "the output is the same" in sygra(folder, "replay", "t/output").stdout


def test_a_models_own_post_process_comes_before_special_tokens_and_strip(folder):
    rows = [{"id": 0, "q": " <think>Hm "}]
    with Mock() as mock:
        t = task(folder, graph(rest=ANSWERS, nodes=ASK, start="ask"), rows, url=mock.url,
                 model={"post_process": "work.Upper", "special_tokens": ["<|END|>", "<|end|>", "HM"]})
        run = t.run_here("-n", 0).expect(0)
        assert [r["answer"] for r in run.records()] == ["["], run.records()
        assert "<think>Hm" in sygra(folder, "records", "t/output", "--position", "0", "--json").stdout, "the journal has the reply as it came"
        t.write("models.yaml", json.dumps({"echo": {"model_type": "vllm", "url": mock.url, "model": "echo", "post_process": "work.NoText"}}))
        (failed,) = t.run_here("-n", 0).expect(3).failed()
        assert failed["node"] == "ask" and "text" in failed["message"], failed


# --- the whole output -----------------------------------------------------------------------------------------------------------


POSTS = """
output_config: {output_map: {id: {from: id}, kind: {from: kind}}}
graph_post_process:
  - work.Count
  - {processor: work.Fails}
  - {processor: work.Count, params: {by: id}}
"""


def test_check_counts_what_it_lists_transforms_and_processors_of_the_output_too(folder):
    t = task(folder, graph(transforms(("work.Double", {"suffix": "x"})), POSTS), ROWS)
    said = t.check("--hooks", cwd=folder).expect(0).out
    assert "jq programs: 1, Python hooks: 4\n" in said and said.count("  work.") == 3, said  # work.Count stands there twice


def test_outputs_are_post_processed_once_each_and_one_that_fails_stops_no_other(folder):
    t = task(folder, graph(rest=POSTS), ROWS)
    run = t.run_here("-n", 0).expect(1)
    assert len(run.records()) == 6 and not run.failed()
    assert run.records("Count") == [{"by": "kind", "counts": {"a": 3, "b": 3}, "file": "output.json"}]
    assert run.records("Count_2")[0]["counts"] == {str(i): 1 for i in range(6)}
    assert not (t.folder / "Fails.json").exists()
    assert "no plot today" in run.err and "post     " in run.out and "sygra resume" in run.out, run.out + run.err
    output = (t.folder / "output.json").read_bytes()
    (folder / "repaired").write_text("")
    done = sygra(folder, "resume", "t/output")
    assert (t.folder / "Fails.json").read_text() == "[]", done.stdout
    assert (folder / "post.txt").read_text() == "count\n" * 2, "what was done is not done again"
    assert (t.folder / "output.json").read_bytes() == output
    assert "nothing is left to do" in sygra(folder, "resume", "t/output").stdout


def test_an_interrupt_or_a_kill_leaves_the_rest_for_a_resume(folder):
    posts = POSTS.replace("work.Fails", "work.Waits")
    for how, status in (("SIGINT", 130), ("SIGKILL", -signal.SIGKILL)):
        (folder / how).mkdir()
        t = task(folder / how, graph(rest=posts), ROWS)
        p = subprocess.Popen([BIN, "run", "t", "-n", "0", "--output_with_ts", "False"], cwd=folder / how, env=ENV,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while not (folder / how / "waits").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        p.send_signal(getattr(signal, how))
        assert p.wait(30) == status
        output = (t.folder / "output.json").read_bytes()
        (folder / how / "go").touch()
        sygra(folder / how, "resume")
        assert (t.folder / "output.json").read_bytes() == output
        assert json.loads((t.folder / "Waits.json").read_text()) == [{"id": 0, "kind": "a"}]
        assert (folder / how / "post.txt").read_text() == "count\n" * 2, "Count once for each of its entries"


def test_more_records_are_post_processed_anew(folder):
    t = task(folder, graph(rest=POSTS.replace("  - {processor: work.Fails}\n", "")), ROWS)
    t.run_here("-n", 2, "--json").expect(0)
    summary = json.loads(sygra(folder, "resume", "t/output", "-n", "0", "--json").stdout.splitlines()[-1])
    assert [p["records"] for p in summary["post"]] == [1, 1] and summary["post"][0]["file"].endswith("Count.json"), summary
    assert json.loads((t.folder / "Count.json").read_text())[0]["counts"] == {"a": 3, "b": 3}


# --- a task's own executor ----------------------------------------------------------------------------------------------------


EXECUTOR = '''
from sygra.core.base_task_executor import DefaultTaskExecutor


class TaskExecutor(DefaultTaskExecutor):
    def execute(self):
        print("before", self.args.run_args, flush=True)
        return super().execute()
'''


def test_a_task_with_an_executor_is_run_by_it_however_it_is_named(folder):
    text = graph(rest="output_config: {output_map: {id: {from: id}}}")
    t = Task(folder / "tasks" / "mine", text, rows=ROWS)
    t.write("task_executor.py", EXECUTOR)
    for name in ("mine", "tasks.mine", "tasks/mine", str(t.folder)):
        done = sygra(folder, "run", name, "-n", "3", "--output_with_ts", "False", "-ra", '{"a": 1}')
        assert "before {'a': 1}" in done.stdout and "its own TaskExecutor" in done.stderr, done.stdout + done.stderr
        assert [r["id"] for r in json.loads((t.folder / "output.json").read_text())] == [0, 1, 2]
        (t.folder / "output.json").unlink()
    done = sygra(folder, "run", "mine", "-n", "3", "--output_with_ts", "False", env={"SYGRA_EXECUTOR": "1"})
    assert "before" not in done.stdout and (t.folder / "output.json").exists()
    t.write("task_executor.py", "class TaskExecutor(: pass")
    broken = sygra(folder, "run", "mine", status=1)
    assert "SyntaxError" in broken.stderr, broken.stderr
    t.write("task_executor.py", 'class TaskExecutor: pass\ndel TaskExecutor\n')
    done = sygra(folder, "run", "mine", "-n", "3", "--output_with_ts", "False")
    assert "3 ok" in done.stdout, "there is none after all"
