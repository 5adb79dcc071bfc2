# SPDX-License-Identifier: Apache-2.0
"""Runs that are made once more from their recorded calls: `sygra replay`, and recordings beside a task."""
import json
import pathlib
import shutil
import subprocess

from changes import BRANCH, THREE, output, query
from lib import BIN, ENV, Mock, Server, Task, completion, line
from resume import ARGS, fsck, killed, rows, says, sygra

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"

# Everything that a record can meet: a sampler, programs, a loop, a fallback, several models at once.
RICH = """
    data_config:
      source: {type: disk, file_path: data.jsonl}
    graph_config:
      nodes:
        tone: {node_type: weighted_sampler, attributes: {tone: {values: [dry, warm, loud], weights: [1, 1, 1]}}}
        draft: {node_type: llm, model: {name: m}, prompt: [{user: "draft {tone} {round}: {q}"}], output_keys: draft,
          post_process: {jq: "{draft: (.response.content + \\"!\\")}"}}
        count: {node_type: lambda, lambda: {jq: "{round: ((.round // 0) + 1)}"}, output_keys: round}
        several: {node_type: multi_llm, models: {a: {name: m}, b: {name: echo}}, prompt: [{user: "several {draft}"}], output_keys: many}
        spare: {node_type: multi_llm, strategy: fallback, models: {a: {name: broken}, b: {name: echo}}, prompt: [{user: "spare {q}"}],
          output_keys: spare}
      edges:
        - {from: START, to: tone}
        - {from: tone, to: draft}
        - {from: draft, to: count}
        - {from: count, condition: {jq: "if .round < 2 then \\"more\\" else \\"done\\" end"}, path_map: {more: draft, done: several}}
        - {from: several, to: spare}
        - {from: spare, to: END}
    output_config:
      output_map:
        id: {from: id}
        tone: {from: tone}
        draft: {from: draft, transform: {jq: "ascii_upcase"}}
        many: {from: many}
        spare: {from: spare}
    """


def replay(folder, *args, env=None):
    return sygra("replay", folder / "output.run", *args, folder=folder, env=env)


def files(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and not p.name.startswith("run.db-")}


def rich(folder, mock, n):
    task = Task(folder, RICH, mock.url, [{"id": i, "q": f"question {i}", "round": 0} for i in range(n)])
    models = json.loads((folder / "models.yaml").read_text())
    models["broken"] = {**models["m"], "url": "http://127.0.0.1:9/v1", "retry_attempts": 1}
    task.write("models.yaml", json.dumps(models))
    return task


def test_a_replay_of_a_run_gives_the_same_output_without_any_endpoint(folder):
    with Mock("--fail_rate", 0.02, "--fail_status", "400:1") as mock:
        run = rich(folder, mock, 60).run("-n", 0)
        assert run.status == 3 and len(run.records()) > 20 and run.failed(), run.out
    before = files(folder)
    says(replay(folder).expect(0), "replayed 60 records", "the output is the same")
    assert files(folder) == before, "it writes nothing"
    assert json.loads(replay(folder, "--json").expect(0).out) == {"records": 60, "differ": 0, "not_recorded": 0}


def test_nobody_is_contacted_and_no_token_is_needed(folder):
    asked = []

    def answer(peer, data):
        asked.append(data)
        peer.sendall(completion("hello"))

    server = Server(answer)
    task = Task(folder, line(), rows=rows(5))
    task.write("models.yaml", json.dumps({"m": {"model_type": "vllm", "parameters": {}}}))
    env = {"SYGRA_M_URL": server.url, "SYGRA_M_TOKEN": "a-token-of-sixteen"}
    task.run(env=env).expect(0)
    n = len(asked)
    replay(folder, env=env).expect(0)
    replay(folder).expect(0)  # neither address nor token
    server.close()
    assert len(asked) == n > 0


def test_attempts_and_waiting_are_not_repeated(folder):
    with Mock("--fail_rate", 1, "--fail_status", "503:1", "--retry_after", 1) as mock:
        Task(folder, line("echo"), mock.url, rows(2), {"retry_attempts": 2}).run().expect(3)
    done = subprocess.run([BIN, "replay", str(folder / "output.run")], capture_output=True, text=True, timeout=60, env=ENV)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_changed_output_map_shows_the_first_field_that_differs(folder):
    with Mock() as mock:
        task = Task(folder, THREE, mock.url, rows(12))
        task.run("-n", 0).expect(0)
    task.write("graph_config.yaml", THREE.replace("three: {from: three}", "three: {from: two}"))
    run = replay(folder).expect(3)
    says(run, "12 differ", 'the first is record 0: three: "three question 0" became "two one question 0"', "changed `output_config`")
    assert len(output(folder)) == 12
    found = json.loads(replay(folder, "--json").expect(3).out)
    assert (found["records"], found["differ"], found["first"]["position"]) == (12, 12, 0), found


def test_a_request_that_was_not_recorded_fails_and_its_difference_is_shown_where_it_was_kept(folder):
    with Mock() as mock:
        for keep in ("all", "calls"):
            task = Task(folder / keep, THREE, mock.url, rows(8))
            task.run("-n", 0, "--keep", keep).expect(0)
            task.write("graph_config.yaml", THREE.replace("two {one}", "zwei {one}"))
            run = replay(folder / keep).expect(3)
            says(run, "8 differ", "was ok, is failed; second: ", "calls that were not recorded: 8", "changed `second`: its requests")
            if keep == "all":
                says(run, 'messages[0].content: "two one question 0" became "zwei one question 0"')
            else:
                says(run, "the request is not what was recorded", "--keep all")
        models = json.loads((folder / "all/models.yaml").read_text())
        models["m"]["parameters"] = {"temperature": 0.5, "top_p": 0.9}
        Task(folder / "all", THREE, mock.url, rows(8)).write("models.yaml", json.dumps(models))
        says(replay(folder / "all").expect(3), "temperature: 0 became 0.5; top_p: nothing became 0.9")


def test_what_cannot_be_replayed_says_why(folder):
    with Mock("--latency_ms", 30) as mock:
        Task(folder / "a", line("echo"), mock.url, rows(5)).run("--keep", "outputs").expect(0)
        says(replay(folder / "a").expect(1), "--keep outputs")
        task = Task(folder / "b", line("echo"), mock.url, rows(5))
        task.run().expect(0)
        (folder / "b/data.jsonl").write_text((folder / "b/data.jsonl").read_text().replace("question 2", "question two"))
        says(replay(folder / "b").expect(1), "data.jsonl", "changed")
        task.write("graph_config.yaml", "graph_config: {}")
        says(replay(folder / "b").expect(1), "the task has mistakes")
        says(sygra("replay", folder / "nowhere").expect(1), "there is no run")


def test_what_is_finished_of_a_killed_run_can_be_replayed(folder):
    with Mock("--latency_ms", 30) as mock:
        killed(folder, mock.url, 200, 30)
    in_order = json.loads(sygra("status", folder / "output.run", "--json").out)["in_order"]
    says(replay(folder).expect(0), f"replayed {in_order} records")
    fsck(folder).expect(0)


def test_every_example_is_replayed_to_the_same_output(folder):
    """On the mock, with as many records as there are; the embedded model is recorded as any other (below)."""
    tasks = [p.parent for p in sorted(EXAMPLES.glob("*/graph_config.yaml"))]
    assert tasks
    for example in tasks:
        place = folder / example.name
        shutil.copytree(example, place)
        with Mock("--reply_words", 12) as mock:
            env = {f"SYGRA_{name}_{key}": value for name in ("SMOLLM2", "QWEN") for key, value in (("MODEL_TYPE", "vllm"), ("URL", mock.url))}
            run = subprocess.run([BIN, "run", str(place), *ARGS, "-n", "0"], capture_output=True, text=True, timeout=120, env={**ENV, **env})
            assert run.returncode == 0, run.stdout + run.stderr
            assert mock.stats()["requests"] > 0
        done = subprocess.run([BIN, "replay", str(place / "output.run")], capture_output=True, text=True, timeout=120, env={**ENV, **env})
        assert done.returncode == 0, (example.name, done.stdout, done.stderr)


def test_an_embedded_model_is_replayed_without_being_loaded(folder):
    """Its output depends on the processor, its replay does not."""
    place = folder / "task"
    shutil.copytree(EXAMPLES / "evol_instruct", place)
    graph = (place / "graph_config.yaml").read_text()
    (place / "graph_config.yaml").write_text(graph.replace("max_tokens: 96", "max_tokens: 12").replace("max_tokens: 128", "max_tokens: 12"))
    run = subprocess.run([BIN, "run", str(place), *ARGS, "-n", "2"], capture_output=True, text=True, timeout=120, env=ENV)
    assert run.returncode == 0, run.stdout + run.stderr
    models = place / "models.yaml"
    models.write_text(json.dumps({"smollm2": {"model_type": "llama", "model_path": "gone.gguf", "parameters": {}}}))
    done = subprocess.run([BIN, "replay", str(place / "output.run")], capture_output=True, text=True, timeout=60, env=ENV)
    assert done.returncode == 0, done.stdout + done.stderr


# --- recordings --------------------------------------------------------------------------------------------------------------


def recorded(folder, graph, n=6, fails=()):
    """A task with a recording beside it; its endpoint is gone."""
    with Mock(*fails) as mock:
        task = Task(folder, graph, mock.url, rows(n))
        task.run("-n", 0, "--record", folder / "calls.jsonl")
    shutil.rmtree(folder / "output.run")
    expected = (folder / "output.json").read_bytes()
    (folder / "output.json").unlink()
    return task, expected


def lines_of(folder):
    return [json.loads(part) for part in (folder / "calls.jsonl").read_text().splitlines()]


def test_a_recording_answers_for_the_endpoint(folder):
    task, expected = recorded(folder, BRANCH)
    found = lines_of(folder)
    assert found[0] == {"recording": 1}
    assert len(found) == 1 + 3 * 6
    assert found[1]["node"] == "even" and found[1]["position"] == 0, found[1]
    assert found[1]["request"]["messages"] == [{"role": "user", "content": "even one question 0"}]
    assert found[1]["reply"] == {"text": "even one question 0", "finish_reason": "stop"}
    assert set(found[1]["usage"]) == {"prompt_tokens", "completion_tokens"}
    task.run("-n", 0, "--replay", folder).expect(0)
    assert (folder / "output.json").read_bytes() == expected
    assert not (folder / "output.run").exists()


def test_a_recording_is_found_by_what_is_asked_wherever_the_record_stands(folder):
    task, _ = recorded(folder, THREE)
    text = (folder / "calls.jsonl").read_text().splitlines()
    (folder / "calls.jsonl").write_text("\n".join([text[0], *(json.dumps(json.loads(part)) for part in reversed(text[1:]))]) + "\n")
    moved = [*reversed(rows(6)), rows(3)[2]]
    task.write("data.jsonl", "".join(json.dumps(r) + "\n" for r in moved))
    run = task.run("-n", 0, "--replay", folder / "calls.jsonl").expect(0)
    assert [r["two"] for r in run.records()] == [f"two one {r['q']}" for r in moved]


def test_an_unknown_request_fails_its_record_with_the_difference_to_the_nearest(folder):
    task, _ = recorded(folder, THREE)
    task.write("data.jsonl", "".join(json.dumps(r) + "\n" for r in [*rows(3), {"id": 9, "q": "question nine"}]))
    run = task.run("-n", 0, "--replay", folder).expect(3)
    assert len(run.records()) == 3
    [failed] = run.failed()
    assert failed["node"] == "first" and failed["error"] == "missing", failed
    assert "this request was not recorded; the nearest that was: messages[0].content:" in failed["message"], failed
    assert 'question nine"' in failed["message"], failed


def test_failures_are_recorded_too(folder):
    task, expected = recorded(folder, THREE, 20, ("--fail_rate", 0.3, "--fail_status", "400:1"))
    failures = [c["failure"] for c in lines_of(folder)[1:] if "failure" in c]
    assert failures and all(f["error"] == "status" and f["status"] == 400 for f in failures), failures
    failed = (folder / "output_failed.jsonl").read_bytes()
    task.run("-n", 0, "--replay", folder).expect(3)
    assert (folder / "output.json").read_bytes() == expected and (folder / "output_failed.jsonl").read_bytes() == failed


def test_no_secret_is_in_a_recording(folder):
    secrets = ["token-canary-0123456789", "header-canary-0123456789", "parameter-canary-0123456789"]
    with Mock() as mock:
        entry = {"model_type": "vllm", "url": mock.url, "auth_token": secrets[0], "extra_headers": {"X-Api-Key": secrets[1]},
                 "parameters": {"temperature": 0, "extra_body": {"api_key": secrets[2]}}}
        task = Task(folder, line(), mock.url, rows(3))
        task.write("models.yaml", json.dumps({"m": entry}))
        task.run("-n", 0, "--record", folder / "calls.jsonl").expect(0)
    bytes_of = [(p, p.read_bytes()) for p in [folder / "calls.jsonl", *(folder / "output.run").rglob("*")] if p.is_file()]
    for p, text in bytes_of:
        for s in secrets:
            assert s.encode() not in text, (p, s)
    task.run("-n", 0, "--replay", folder / "calls.jsonl").expect(0)


def test_files_that_are_no_recordings_are_refused_before_anything_is_written(folder):
    task = Task(folder, line("echo"), rows=rows(2))
    good = '{"recording":1}\n'
    for text, part in {"": "is empty", '{"a":1}\n': "calls.jsonl:1: is no recording", '{"recording":2}\n': "another format",
                       good + "nonsense\n": "calls.jsonl:2: is no JSON object", good + '{"request":{}}\n': "calls.jsonl:2: a call needs its `node`",
                       good + '{"node":"ask"}\n': "a call needs its `request`",
                       good + '{"node":"ask","request":{}}\n': "either a `reply` or a `failure`"}.items():
        (folder / "calls.jsonl").write_text(text)
        says(task.run("--replay", folder / "calls.jsonl").expect(1), part)
    (folder / "calls.jsonl").unlink()
    says(task.run("--replay", folder).expect(1), "calls.jsonl")
    assert not list(folder.glob("output*"))
    for args in (("--record", "a", "--replay", "b"), ("--record", "a", "--no_journal"), ("--record", "a", "--keep", "outputs"),
                 ("--replay", "a", "--resume", "True")):
        task.run(*args).expect(2)


def test_a_run_that_was_killed_is_recorded_when_it_has_gone_on(folder):
    with Mock("--latency_ms", 30) as mock:
        killed(folder, mock.url, 60, 10, args=("-n", 0, "-b", 5, "--record", folder / "calls.jsonl"))
        assert not (folder / "calls.jsonl").exists()
        says(sygra("resume", folder / "output.run", folder=folder).expect(0), "recorded 60 calls in")
    assert len(lines_of(folder)) == 61
    assert query(folder, "SELECT value FROM meta WHERE key='keep'") == [("all",)]
