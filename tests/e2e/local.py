# SPDX-License-Identifier: Apache-2.0
"""The embedded model: form is asserted, never its text."""
import json

from lib import Task, line

ROWS = [{"id": i, "q": q} for i, q in enumerate(["hello", "yes", "a colour", "a number", "a name"])]


def local_task(folder, parameters, rows=ROWS):
    graph = line("smollm2").replace("{name: smollm2}", "{name: smollm2, parameters: " + json.dumps(parameters) + "}")
    return Task(folder, graph, rows=rows)


def test_the_model_that_ships_answers_every_record(folder):
    run = local_task(folder, {"max_tokens": 12, "temperature": 0.7}).run("--json").expect(0)
    assert [r["id"] for r in run.records()] == [0, 1, 2, 3, 4]
    assert all(isinstance(r["answer"], str) for r in run.records()) and any(r["answer"] for r in run.records())
    assert 5 <= run.summary()["completion_tokens"] <= 60 and run.summary()["prompt_tokens"] > 10


def test_a_deterministic_run_repeats_itself(folder):
    first, second = (local_task(folder / str(i), {"max_tokens": 8, "temperature": 0.9}).run("--deterministic").expect(0).records()
                     for i in range(2))
    assert first == second


def test_a_model_file_that_is_not_there_is_a_mistake_of_the_task(folder):
    task = local_task(folder, {})
    task.write("models.yaml", json.dumps({"smollm2": {"model_type": "llama", "model_path": "none.gguf", "parameters": {}}}))
    run = task.run().expect(1)
    assert "models.yaml:1" in run.err and "none.gguf" in run.err, run.err


def test_a_torn_model_file_fails_records(folder):
    task = local_task(folder, {})
    (folder / "torn.gguf").write_bytes(b"GGUF" + b"\x03\0\0\0" + b"\xff" * 64)
    task.write("models.yaml", json.dumps({"smollm2": {"model_type": "llama", "model_path": str(folder / "torn.gguf"), "parameters": {}}}))
    assert len(task.run().expect(3).failed()) == 5


def test_a_prompt_longer_than_the_context_fails_alone(folder):
    rows = [{"id": 0, "q": "hi"}, {"id": 1, "q": "word " * 9000}]
    run = local_task(folder, {"max_tokens": 4}, rows).run().expect(3)
    assert [r["id"] for r in run.records()] == [0]
    assert run.failed()[0]["error"] == "limit", run.failed()
