#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The reference's own example tasks, as its sdist has them, give the records that the reference gives.

    BIN=build/asan/sygra tests/compat/examples.py [WORD...]    ours against the hashes of examples.json; only tasks whose name holds a word
    ... --reference [WORD...]                                  runs the reference too: its records are those of examples.json still, and
                                                               where ours differ both are printed
    ... --record [WORD...]                                     runs the reference and writes examples.json anew

A task is what scripts/fetch has brought (build/deps/reference/tasks.tar), unmodified but for two things: models.yaml names `sygra mock`
for each model, and a source on the Hub becomes a file of this test's rows with the same columns (local_source). Each reply is
scripted by what the last user message holds, so that it depends on no order and on no draw: the recipes' own wording, which the
engine has anew, and the personas that custom_subgraphs draws, do not come into a record. So all records are compared as values,
those of evol_instruct and self_refinement too.

How a hash is made (RECORDER counts changes of that): a record is JSON with sorted keys, no blanks and ASCII escapes, numbers as
Python reads and prints them (of self_refinement whole ones without a fraction, since our recipe reads the judge's JSON with jq, for
which 1.0 is 1); an id of a tool call is `call_N` in the order of the record; sha256 of that. The records of a task
are a sorted list, since the reference writes them as they end. What a graph post-processor wrote is a list of records, too.

The reference goes into build/peer-sygra, as for bench/peers.py.
"""
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from lib import BIN, ENV, Mock  # noqa: E402

GOLDEN = pathlib.Path(__file__).with_name("examples.json")
TASKS = pathlib.Path(os.environ.get("REFERENCE_TASKS", ROOT / "build/deps/reference/tasks.tar"))
PYTHON = ROOT / "build/reference/bin/python"  # the hooks import langchain_core, pandas and regex
RECORDER = 1
MODELS = ("gpt-4o", "gpt-4o-mini", "gpt4", "eval_model")


class Example:
    """`rules` is the script of the mock, `rows` stands for the Hub, `files` are what graph post-processors write; `by_jq`: 1.0 is 1."""

    def __init__(self, rules, rows=None, files=(), by_jq=False):
        self.rules, self.rows, self.files, self.by_jq = rules, rows, files, by_jq


def reply(match, text, **more):
    return {"match": match, "reply": text, **more}


def judged(*ratings):
    return "I have read all of them.\n" + json.dumps([{"assistant": a, "rating": r, "explanation": f"{a} is worth {r}"} for a, r in ratings])


# --- the rows that stand for the Hub ----------------------------------------------------------------------------------------

MBPP = [{"source_file": "ours.jsonl", "task_id": 600 + i, "prompt": f"Write a function that {what}.", "code": "pass", "test_imports": [],
         "test_list": [f"assert f{i}({i}) == {i}"]}
        for i, what in enumerate(("doubles a number", "reverses a text", "counts the vowels of a word", "sorts pairs by their sum"))]
GLAIVE = [{"question": f"How do I {what}?", "answer": f"You {what} with care."}
          for what in ("read a file line by line in Python", "join two tables in SQL", "center a box in CSS", "stop a loop early in Rust")]
TOPICS = (("Geography", "Geography"), ("Music", "Music"), ("Sports", "History"), ("Science and technology", " science and  Technology "),
          ("Art", "Art"), ("History", ""), ("Music", "Art"))
FACTS = [{"original_index": 10 + i, "problem": f"Question {i}: what is told of thing {i}?", "answer": f"The fact {i}", "topic": golden,
          "answer_type": "Other", "multi_step": i % 2 == 0, "requires_reasoning": False, "urls": f"https://example.invalid/{i}"}
         for i, (golden, _) in enumerate(TOPICS)]

# --- the scripts --------------------------------------------------------------------------------------------------------------

EVOLVED = {"jungle and river": "A jungle tells the river, in four scenes, why it rains.",
           "first world war in India": "Which letters of soldiers from Punjab survive?"}
REFINED = {"benefits of unit testing": "unit", "reschedule a meeting": "mail"}


def refinement():
    """The first draft is bad, the second one good or bad by the record; a prompt that holds the critique is one that refines."""
    for match, name in REFINED.items():
        good = name == "unit"
        yield reply(f"<critique {name}>", f"<draft {name} two>")
        yield {"match": f"<draft {name} two>", "json": {"score": 4.5 if good else 2.0, "is_good": good, "critique": f"of the second {name}"}}
        yield {"match": f"<draft {name}>", "json": {"score": 1.0, "is_good": False, "critique": f"<critique {name}>"}}
        yield reply(match, f"<draft {name}>")


def critique_loop(topics, prefix=""):
    """Draft, note, draft, praise; the last topic never pleases, and runs into the task's own limit."""
    for i, topic in enumerate(topics):
        stubborn = i == len(topics) - 1
        yield reply(f"(draft {i}.2)", f"Still wrong (note {i}.2)" if stubborn else "Well done. NO MORE FEEDBACK")
        yield reply(f"(draft {i}.1)", f"Mind the empty case \u2013 (note {i}.1)")
        yield reply(f"(note {i}.", f"def f{i}(x):\n    return x  # (draft {i}.2)")
        if prefix:
            yield reply(f"{prefix} {topic}", f"def f{i}(x): ...  # (draft {i}.1)")
            yield reply(topic, f"PARAPHRASED QUESTION: {prefix} {topic}")
        else:
            yield reply(topic, f"def f{i}(x): ...  # (draft {i}.1)")


def tool_call(match, name, a, b):
    return {"match": match, "tool_calls": [{"name": name, "arguments": {"a": a, "b": b}}]}


def questions():
    """What the users of dpo_samples ask: the task's own data, and none of ours."""
    with tarfile.open(TASKS) as archive:
        rows = json.load(archive.extractfile("tasks/examples/structured_output_with_multi_llm/dpo_samples/dpo_conversation.json"))
    return [m["content"] for row in rows for m in row["conversation"] if m["role"] == "user"]


def preferences():
    """Three models answer, one judge rates: all buckets at once, never all, and answers that hold no JSON first."""
    asked = {"machine learning": "ml", "renewable energy": "sun", "photosynthesis": "leaf"}
    for match, name in asked.items():
        question = f"[Question]\n{next(q for q in questions() if match in q)}"
        if name == "ml":
            yield reply(question, judged(("gpt4", 9), ("gpt-4o", 6), ("gpt-4o-mini", 3.5), ("scale", 8)), model="gpt4")
        elif name == "sun":
            yield reply(question, judged(("gpt4", 9), ("gpt-4o", 10), ("gpt-4o-mini", 8), ("nobody", 1)), model="gpt4")
        else:
            yield reply(question, judged(("gpt4", "2"), ("gpt-4o", 3), ("gpt-4o-mini", 7)), model="gpt4")
        for model in ("gpt-4o-mini", "gpt-4o", "gpt4"):
            yield {"match": match, "model": model, "json": {"message": f"{model} on {name}: \u00bbso it is\u00ab", "success": model != "gpt4"}}


def labels(key, values):
    """JSON, JSON in prose, and what is none."""
    for i, value in enumerate(values):
        match, text = f"Question {i}:", json.dumps({key: value})
        yield reply(match, text if i % 3 == 0 else f"Here it is: {text} as asked." if value else "I do not know.")


EXAMPLES = {
    "examples.evol_instruct": Example([reply(e, f"Answer to: {e}") for e in EVOLVED.values()] + [reply(m, e) for m, e in EVOLVED.items()]),
    "examples.self_refinement": Example(list(refinement()), by_jq=True),
    "examples.llm_node_tool_simulation": Example([
        tool_call("(2+3)", "add", 2, 3), tool_call("multiplying", "multiply", 2, 3), tool_call("3/2", "divide", 3, 2.0),
        tool_call("subtracting", "subtract", 3, 2), reply("How are you", "Fine, thank you.")]),
    "examples.structured_output_with_multi_llm.dpo_samples": Example(list(preferences())),
    "examples.structured_output": Example([
        {"match": "line by line", "json": {"category": "Files", "sub_category": "Reading"}},
        reply("two tables", '{"category": "Databases", "sub_category": "Joins"}'),
        {"match": "a box", "json": {"category": "Layout \u2013 CSS", "sub_category": ""}},
        {"match": "stop a loop", "json": {"category": "Control flow", "sub_category": "Loops"}}], GLAIVE),
    "examples.custom_subgraphs": Example(list(critique_loop([r["prompt"] for r in MBPP], "Kindly:")), MBPP),
    "examples.glaive_code_assistant": Example(list(critique_loop([r["question"] for r in GLAIVE])), GLAIVE),
    "eval.classification.simpleqa": Example(list(labels("predicted_topic", [p for _, p in TOPICS])), FACTS, ("MetricCollatorPostProcessor",)),
    "eval.question_answering.simpleqa": Example(
        list(labels("predicted_answer", ["The fact 0", "the  FACT 1", "no", "The fact 3", "", "The fact 5", "7"])), FACTS, ("MetricCollatorPostProcessor",)),
}

# --- a folder as the reference's checkout -------------------------------------------------------------------------------------

HUB = re.compile(r'type: "hf"\n(\s+)repo_id: .*\n\s+config_name: .*\n\s+split: .*\n')


def local_source(graph, path):
    text, found = HUB.subn(rf'type: "disk"\n\1file_path: "{path}"\n\1file_format: "json"\n', graph.read_text())
    assert found == 1, f"{graph}: the source on the Hub was not found"
    graph.write_text(text)


def layout(folder, name, url):
    """The folder holds tasks/ as the sdist does; returns the task's folder."""
    with tarfile.open(TASKS) as archive:
        archive.extractall(folder, [m for m in archive if m.name.startswith("tasks/")])
    task = folder / "tasks" / name.replace(".", "/")
    rows = EXAMPLES[name].rows
    if rows is not None:
        (task / "rows.json").write_text(json.dumps(rows))
        local_source(task / "graph_config.yaml", (task / "rows.json").relative_to(folder))
    (folder / "models.yaml").write_text(json.dumps({m: {"model_type": "vllm", "model": m, "url": url, "auth_token": "EMPTY", "delay": 0,
                                                        "parameters": {"max_tokens": 500}} for m in MODELS}))
    return task


def run(command, folder, more_env, seconds):
    env = {**ENV, "SYGRA_CUSTOM_MODELS_PATH": str(folder / "models.yaml"), **more_env}
    done = subprocess.run([str(c) for c in command], cwd=folder, env=env, capture_output=True, text=True, timeout=seconds)
    assert done.returncode == 0, f"{command[0]} ended with {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-6000:]}"


def results(task, example):
    """{name of an output: its records}"""
    names = {"records": "output", **{f: f for f in example.files}}
    return {key: json.loads((task / f"{name}.json").read_text()) for key, name in names.items()}


def ours(folder, name, url):
    task = layout(folder, name, url)
    run([BIN, "run", name, "-n", 20, "-owt", "False", "--seed", 7, "--python", PYTHON], folder, {}, 120)
    return results(task, EXAMPLES[name])


def reference(folder, name, url):
    task = layout(folder, name, url)
    with tarfile.open(TASKS) as archive:  # its recipes are looked for in the working directory
        archive.extractall(folder, [m for m in archive if m.name.startswith("sygra/recipes/") or m.name == "main.py"])
    more = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "HF_HUB_OFFLINE": "1"}
    run([reference_venv() / "bin/python", "main.py", "-t", name, "-n", 20, "-b", 5, "-ci", 5, "-owt", "False", "-dm", "True"], folder, more, 600)
    return results(task, EXAMPLES[name])


def reference_venv():
    sys.path.insert(0, str(ROOT / "bench"))
    from peers import SYGRA, install
    return pathlib.Path(os.environ.get("PEER_SYGRA") or install("peer-sygra", SYGRA))


# --- hashes -------------------------------------------------------------------------------------------------------------------

def whole(text):
    number = float(text)
    return int(number) if number.is_integer() else number


def canonical(record, by_jq):
    if by_jq:
        record = json.loads(json.dumps(record), parse_float=whole)
    text = json.dumps(record, sort_keys=True, separators=(",", ":"))
    ids = {}
    return re.sub(r'call_[0-9a-f]{16}', lambda m: ids.setdefault(m[0], f"call_{len(ids)}"), text)


def hashes(name, outputs):
    by_jq = EXAMPLES[name].by_jq
    return {key: sorted(hashlib.sha256(canonical(r, by_jq).encode()).hexdigest() for r in records) for key, records in outputs.items()}


def versions():
    """What the reference ran with."""
    code = ("import importlib.metadata as m, json, platform; print(json.dumps({'python': platform.python_version(), "
            "**{p: m.version(p) for p in ('sygra', 'langgraph', 'langchain-core', 'litellm', 'pydantic')}}))")
    return json.loads(subprocess.run([reference_venv() / "bin/python", "-c", code], capture_output=True, text=True, check=True).stdout)


def scripted(function, name):
    """Runs one side against a mock of its own."""
    with tempfile.TemporaryDirectory() as folder:
        script = pathlib.Path(folder, "script.jsonl")
        script.write_text("".join(json.dumps(r) + "\n" for r in EXAMPLES[name].rules))
        work = pathlib.Path(folder, "work")
        work.mkdir()
        with Mock("--script", script) as mock:
            return function(work, name, mock.url)


def record(names):
    before = json.loads(GOLDEN.read_text())["tasks"] if GOLDEN.exists() else {}
    golden = {"reference": versions(), "recorder": RECORDER, "tasks": {name: before.get(name) for name in EXAMPLES}}
    for name in names:
        outputs = scripted(reference, name)
        golden["tasks"][name] = hashes(name, outputs)
        print(f"{name}: {', '.join(f'{len(v)} {k}' for k, v in outputs.items())}", flush=True)
    GOLDEN.write_text(json.dumps(golden, indent=1) + "\n")


def show(who, outputs):
    print(f"  {who}:")
    for key, records in outputs.items():
        print("".join(f"    {key} {line}\n" for line in sorted(canonical(r, False) for r in records)), end="")


def check(name, wanted, with_reference):
    our = scripted(ours, name)
    theirs = scripted(reference, name) if with_reference else None
    if theirs is not None and hashes(name, theirs) != wanted:
        show("the reference, which no longer gives what was recorded", theirs)
        return False
    if hashes(name, our) == wanted:
        return True
    show("ours, which are not those of the reference", our)
    if theirs is not None:
        show("the reference", theirs)
    return False


def main():
    words = [a for a in sys.argv[1:] if not a.startswith("-")]
    names = [name for name in EXAMPLES if not words or any(w in name for w in words)]
    if "--record" in sys.argv:
        return record(names)
    golden = json.loads(GOLDEN.read_text())
    assert golden["recorder"] == RECORDER, "examples.json is of another recorder: run --record"
    passed = failed = 0
    for name in names:
        try:
            good = check(name, golden["tasks"][name], "--reference" in sys.argv)
        except (AssertionError, OSError, subprocess.TimeoutExpired) as e:
            good = False
            print(f"  {e}")
        print(f"{'ok  ' if good else 'FAIL'}  {name}", flush=True)
        passed, failed = passed + good, failed + (not good)
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
