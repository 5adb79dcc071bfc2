# SPDX-License-Identifier: Apache-2.0
"""The recipes that ship: what they write, how they are changed, and that the Python beside them does the same."""
import importlib
import json
import pathlib
import re
import subprocess
import sys
import types

from lib import BIN, ENV, Mock, Task

PACKAGE = pathlib.Path(__file__).resolve().parents[2] / "python"
WAYS = {"constraints", "deepening", "concretizing", "reasoning", "mutation"}


def python(name):
    """A module of the recipes, without the rest of the package."""
    if str(PACKAGE) not in sys.path:
        sys.path.insert(0, str(PACKAGE))
    return importlib.import_module(f"sygra.recipes.{name}")


def subgraph(recipe, overrides, fields):
    return json.dumps({
        "data_config": {"source": {"type": "disk", "file_path": "data.jsonl"}},
        "graph_config": {"nodes": {"s": {"node_type": "subgraph", "uses": recipe, "node_config_map": overrides}},
                         "edges": [{"from": "START", "to": "s"}, {"from": "s", "to": "END"}]},
        "output_config": {"output_map": {f: {"from": f} for f in fields}}})


EVOLVED = ("text", "evol_instruct_strategy", "evol_instruct_method", "evol_instruct_final_prompt", "evolved_text")


def evolve(folder, rows, url, status=0):
    task = Task(folder, subgraph("evol_instruct@1", {"evol_text_node": {"model": {"name": "echo"}}}, EVOLVED), url, rows)
    return task.run("-n", 0).expect(status)


def test_an_instruction_is_evolved_in_one_of_five_ways_and_each_says_what_the_python_of_that_name_says(folder):
    depth, breadth = python("evol_instruct.depth"), python("evol_instruct.breadth")
    says = {"constraints": depth.createConstraintsPrompt, "deepening": depth.createDeepenPrompt,
            "concretizing": depth.createConcretizingPrompt, "reasoning": depth.createReasoningPrompt,
            "mutation": breadth.createBreadthPrompt}
    assert says.keys() == WAYS
    rows = [{"text": f"Count to {i}, {{method}} {{text}}."} for i in range(100)]
    with Mock() as mock:
        records = evolve(folder, rows, mock.url).records()
    assert {r["evol_instruct_method"] for r in records} == WAYS
    for r in records:
        assert r["evol_instruct_final_prompt"] == says[r["evol_instruct_method"]](r["text"])
        assert r["evolved_text"] == r["evol_instruct_final_prompt"].strip()
        assert (r["evol_instruct_strategy"] == "breadth") == (r["evol_instruct_method"] == "mutation")
    in_breadth = sum(r["evol_instruct_strategy"] == "breadth" for r in records)
    assert 8 <= in_breadth <= 35, in_breadth  # a fifth of them, by the seed


def test_the_algorithm_says_which_way_a_record_goes(folder):
    rows = [{"text": "a", "algorithm": a} for a in ["depth", "breadth", "random", None] * 10]
    with Mock() as mock:
        records = evolve(folder, rows, mock.url).records()
    assert {r["evol_instruct_strategy"] for r in records[0::4]} == {"depth"}
    assert {r["evol_instruct_method"] for r in records[1::4]} == {"mutation"}
    assert len({r["evol_instruct_method"] for r in records[0::4]}) > 1


def test_an_unknown_algorithm_and_a_missing_text_fail_their_records(folder):
    rows = [{"text": "a", "algorithm": None}, {"text": "b", "algorithm": "best"}, {"text": None, "algorithm": "depth"}]
    with Mock() as mock:
        run = evolve(folder, rows, mock.url, 3)
    assert [r["text"] for r in run.records()] == ["a"]
    said = [f["message"] for f in run.failed()]
    assert '`algorithm` is "best"; it can be "random", "depth" or "breadth"' in said[0], said
    assert "the record has no `text` to evolve" in said[1], said


def test_the_python_of_evol_instruct_knows_the_same_algorithms(folder):
    manager = python("evol_instruct.instruct_mgr")
    assert {manager.get_instruction("a") for _ in range(200)} == {f("a") for f in manager.IN_DEPTH + manager.IN_BREADTH}
    assert manager.get_instruction("a", "breadth") == manager.IN_BREADTH[0]("a")
    try:
        manager.get_instruction("a", "best")
    except ValueError as error:
        assert str(error) == "`algorithm` is 'best'; it can be \"random\", \"depth\" or \"breadth\""
    else:
        assert False, "an unknown algorithm is accepted"


# --- evol_instruct_judged --------------------------------------------------------------------------------------------------------


def judged(folder, rows, url, attempts):
    overrides = {"begin": {"params": {"max_attempts": attempts}},
                 "evolve": {"node_config_map": {"evol_text_node": {"model": {"name": "echo"}}}},
                 "judge_evolved": {"model": {"name": "m"}}}
    fields = ("text", "evolved_text", "evol_instruct_accepted", "evol_instruct_judge", "evol_instruct_method",
              "_evol_instruct_attempt")
    return Task(folder, subgraph("evol_instruct_judged@1", overrides, fields), url, rows).run("-n", 0).expect(0).records()


def test_what_the_judge_refuses_is_drawn_again_and_given_up_for_the_text_itself(folder):
    script = folder / "script.jsonl"
    script.write_text("".join(json.dumps(line) + "\n" for line in (
        {"model": "m", "match": "State one more condition", "reply": 'Yes: {"useful": true, "reason": "it asks for {more}"}'},
        {"model": "m", "match": "Second instruction", "reply": "I cannot say."})))
    rows = [{"text": f"Count to {i}."} for i in range(40)]
    with Mock("--script", script) as mock:
        records = judged(folder / "t", rows, mock.url, 4)
    tried = {r["_evol_instruct_attempt"] for r in records}
    assert tried == {1, 2, 3, 4}, tried
    for r in records:
        accepted = r["evol_instruct_method"] == "constraints"
        assert r["evol_instruct_accepted"] == accepted
        assert (r["evolved_text"] == r["text"]) == (not accepted)
        assert accepted or r["_evol_instruct_attempt"] == 4
        assert r["evol_instruct_judge"]["reason"] == ("it asks for {more}" if accepted else None)


# --- self_refinement -------------------------------------------------------------------------------------------------------------

REPLIES = [
    '{"score": 4, "is_good": true, "critique": "x"}', "no json", "{}", '[{"score":5}]', 'x [ {"score": 5} y', '{"score": 5}',
    '```json\n{"score": "3", "pass": "Yes ", "QUALITY_EXPLANATION": "y"}\n```', '{"QUALITY_SCORE": 3.9}',
    '{"QUALITY_SCORE": "4.0"}', '{"score": true}', '{"is_good": 1, "score": 5}', '{"is_good": "no","score":5}', "} {",
    '{"score":" +5 "}', '{"a":{"b":1}} {"c":2}', '{"critique": 0}', '{"critique": ["a"]}', "a {bad} b", '{"score": [1]}',
    '{"critique":{}, "is_good":null,"pass":true}', 'pre {"score": 4, "critique": "\u00e4 {x} \\" }"} post', '{"is_good": "GOOD"}',
    '{"score": -1, "critique": null}']


def judge_in_python():
    """The post-processor of the package, whose base modules may be elsewhere: only `extract_and_load_json` is used of them."""
    return python("self_refinement.task_executor").SelfRefinementJudgePostProcessor()


REFINED = ("candidate", "self_refine_judge", "self_refine_is_good", "self_refine_critique", "reflection_trajectory")


def refine(folder, rows, url, overrides, status=0):
    models = {n: {"model": {"name": "echo"}} for n in ("generate_candidate", "judge_candidate", "refine_candidate")}
    for node, keys in overrides.items():
        models[node] = {**models.get(node, {}), **keys}
    return Task(folder, subgraph("self_refinement", models, REFINED), url, rows).run("-n", 0).expect(status).records()


def test_the_judge_is_read_as_the_python_post_processor_reads_it(folder):
    rows = [{"prompt": "p", "says": says} for says in REPLIES]
    one_look = {"init_self_refine": {"params": {"max_iterations": 1, "score_threshold": 3}}, "judge_candidate": {
        "model": {"name": "echo"}, "prompt": [{"user": "{says}"}]}}
    with Mock() as mock:
        records = refine(folder, rows, mock.url, one_look)
    for says, r in zip(REPLIES, records):
        message = types.SimpleNamespace(message=types.SimpleNamespace(content=says))
        state = judge_in_python().apply(message, {"_self_refine_score_threshold": 3})
        expected = json.loads(json.dumps(state), parse_float=str)
        got = {k: r[k] for k in ("self_refine_judge", "self_refine_is_good", "self_refine_critique")}
        assert got == {k: expected[k] for k in got}, (says, got, expected)


def in_python(folder, rows, url, params):
    """The recipe's graph with the Python of the package in the place of its programs."""
    code = "sygra.recipes.self_refinement.task_executor."
    ask = {"node_type": "llm", "model": {"name": "echo"}, "output_keys": "candidate"}
    nodes = {
        "init_self_refine": {"node_type": "lambda", "lambda": code + "InitSelfRefinementState", "params": params, "output_keys": [
            "_self_refine_iteration", "_self_refine_max_iterations", "_self_refine_score_threshold", "reflection_trajectory"]},
        "generate_candidate": {**ask, "prompt": [{"user": "{prompt}"}]},
        "judge_candidate": {**ask, "prompt": [{"user": "{says}"}], "post_process": code + "SelfRefinementJudgePostProcessor",
                            "output_keys": ["self_refine_judge", "self_refine_is_good", "self_refine_critique"]},
        "update_trajectory": {"node_type": "lambda", "lambda": code + "UpdateSelfRefinementTrajectory"},
        "refine_candidate": {**ask, "prompt": [{"user": "{candidate} {self_refine_critique}"}]}}
    edges = [{"from": a, "to": b} for a, b in (
        ("START", "init_self_refine"), ("init_self_refine", "generate_candidate"), ("generate_candidate", "judge_candidate"),
        ("judge_candidate", "update_trajectory"), ("refine_candidate", "judge_candidate"))]
    edges.append({"from": "update_trajectory", "condition": code + "SelfRefinementLoopCondition",
                  "path_map": {"accept": "END", "refine": "refine_candidate"}})
    graph = {"data_config": {"source": {"type": "disk", "file_path": "data.jsonl"}},
             "graph_config": {"nodes": nodes, "edges": edges}, "output_config": {"output_map": {f: {"from": f} for f in REFINED}}}
    return Task(folder, json.dumps(graph), url, rows).run("-n", 0, "--python", sys.executable).expect(0).records()


def test_the_python_of_self_refinement_gives_the_same_records_as_its_programs(folder):
    rows = [{"prompt": f"p{i}", "says": says} for i, says in enumerate(REPLIES)]
    params = {"max_iterations": 3, "score_threshold": "5"}
    with Mock() as mock:
        programs = refine(folder / "jq", rows, mock.url, {
            "init_self_refine": {"params": params}, "judge_candidate": {"model": {"name": "echo"}, "prompt": [{"user": "{says}"}]},
            "refine_candidate": {"model": {"name": "echo"}, "prompt": [{"user": "{candidate} {self_refine_critique}"}]}})
        python_hooks = in_python(folder / "python", rows, mock.url, params)
    for a, b in zip(programs, python_hooks):
        assert a == b
    assert {len(r["reflection_trajectory"]) for r in programs} == {1, 3}


def test_a_draft_is_refined_until_it_is_good_or_the_judge_has_spoken_often_enough(folder):
    script = folder / "script.jsonl"
    script.write_text("".join(json.dumps(line) + "\n" for line in (
        {"match": "more trees", "reply": "second draft"},
        {"match": "The draft:\nsecond draft", "json": {"score": 5, "critique": "fine"}},
        {"match": "The draft:", "json": {"score": 2, "critique": "more trees"}},
        {"match": "a forest", "reply": "first draft"})))
    rows = [{"prompt": "Draw a forest."}]
    models = {n: {"model": {"name": "m"}} for n in ("generate_candidate", "judge_candidate", "refine_candidate")}
    with Mock("--script", script) as mock:
        good = refine(folder / "a", rows, mock.url, models)[0]
        once = refine(folder / "b", rows, mock.url, {**models, "init_self_refine": {"params": {"max_iterations": 1}},
                                                     "update_trajectory": {"params": {"candidate_key": "prompt"}}})[0]
    assert good["candidate"] == "second draft" and good["self_refine_is_good"] is True
    assert [(e["iteration"], e["candidate_key"], e["candidate"], e["judge"]["score"]) for e in good["reflection_trajectory"]] == [
        (0, "candidate", "first draft", 2), (1, "candidate", "second draft", 5)]
    assert once["candidate"] == "first draft" and once["self_refine_critique"] == "more trees"
    assert [(e["candidate_key"], e["candidate"]) for e in once["reflection_trajectory"]] == [("prompt", "Draw a forest.")]


# --- in runs ---------------------------------------------------------------------------------------------------------------------


def test_a_changed_parameter_of_a_recipe_is_seen_when_a_run_goes_on(folder):
    rows = [{"prompt": "p"}]
    with Mock("--fail_rate", 1, "--fail_status", "401:1") as mock:
        refine(folder, rows, mock.url, {}, status=3)
        graph = folder / "graph_config.yaml"
        text = graph.read_text()
        more = '"init_self_refine": {"params": {"max_iterations": 5}}, "generate_candidate"'
        graph.write_text(text.replace('"generate_candidate"', more, 1))
        done = subprocess.run([BIN, "retry", str(folder / "output")], capture_output=True, text=True, env=ENV, timeout=60)
    assert done.returncode == 1 and re.search(r"changed `s\.init_self_refine`: what it writes", done.stdout + done.stderr), done


def test_a_run_folder_and_the_plan_say_which_recipes_were_used(folder):
    with Mock() as mock:
        evolve(folder, [{"text": "a"}], mock.url)
    plan = json.loads(subprocess.run([BIN, "graph", str(folder), "--json"], capture_output=True, text=True, env=ENV).stdout)
    assert plan["recipes"] == [{"node": "s", "name": "evol_instruct", "version": 1}]
    kept = b"".join(p.read_bytes() for p in (folder / "output.run").glob("run.db*"))
    assert b'"recipes":{"s":"evol_instruct@1"}' in kept


def test_recipes_need_no_python(folder):
    with Mock() as mock:
        first = evolve(folder, [{"text": "a"}], mock.url)
        task = Task(folder, (folder / "graph_config.yaml").read_text(), mock.url)
        again = task.run("-n", 0, "--python", "no_such_python", env={"PATH": str(folder)}).expect(0)
    assert again.records() == first.records()


def test_the_examples_that_ship_are_fine(folder):
    examples = sorted(p.parent for p in (PACKAGE.parent / "examples").glob("*/graph_config.yaml"))
    assert len(examples) >= 2
    for example in examples:
        done = subprocess.run([BIN, "check", str(example)], capture_output=True, text=True, env=ENV, timeout=60)
        assert done.returncode == 0 and not done.stderr, done.stderr
