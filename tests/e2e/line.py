# SPDX-License-Identifier: Apache-2.0
"""The straight line: rows in, one call each, records out in input order."""
import hashlib
import json
import os
import threading

from lib import Mock, Task, line


def rows(n):
    return [{"id": i, "q": f"question {i}"} for i in range(n)]


def test_every_row_comes_out_once_and_in_order(folder):
    with Mock("--latency_ms", 20, "--sigma", 1) as mock:
        run = Task(folder, line("echo"), mock.url, rows(500)).run("-n", 0, "-b", 100, "--json").expect(0)
        assert run.records() == [{"id": i, "answer": f"say question {i}"} for i in range(500)]
        assert run.summary()["ok"] == 500 and run.summary()["failed"] == 0
        stats = mock.stats()
        assert stats["requests"] == 500
        assert stats["max_in_flight"] <= 100
        assert not list(folder.glob("*.part"))


def test_ten_records_by_default_and_it_says_that_there_are_more(folder):
    with Mock() as mock:
        run = Task(folder, line("echo"), mock.url, rows(12)).run().expect(0)
        assert len(run.records()) == 10
        assert "the source has more" in run.out and "-n 0 runs all" in run.out


def test_start_index_and_num_records_take_a_slice(folder):
    with Mock() as mock:
        run = Task(folder, line("echo"), mock.url, rows(20)).run("-si", 5, "-n", 3).expect(0)
        assert [r["id"] for r in run.records()] == [5, 6, 7]


def test_few_records_are_an_indented_array_with_non_ascii_kept(folder):
    with Mock() as mock:
        run = Task(folder, line("echo"), mock.url, [{"id": "ü", "q": "日本 \"x\""}]).run().expect(0)
        text = (folder / "output.json").read_text()
        assert text.rstrip("\n") == json.dumps(run.records(), indent=4, ensure_ascii=False)
        assert run.records() == [{"id": "ü", "answer": 'say 日本 "x"'}]


def test_more_than_25000_records_become_json_lines(folder):
    graph = """
        graph_config:
          nodes:
            draw: {node_type: weighted_sampler, attributes: {color: {values: [red, green], weights: [3, 1]}}}
          edges: [{from: START, to: draw}, {from: draw, to: END}]
        output_config: {output_map: {color: {from: color}}}
        """
    run = Task(folder, graph).run("-n", 25001, "-b", 500).expect(0)
    assert (folder / "output.jsonl").exists() and not (folder / "output.json").exists()
    colors = [r["color"] for r in run.records()]
    assert len(colors) == 25001
    assert 0.73 < colors.count("red") / len(colors) < 0.77


def test_the_same_seed_draws_the_same_whatever_runs_beside_it(folder):
    graph = """
        graph_config:
          nodes:
            draw: {node_type: weighted_sampler, attributes: {a: {values: [1, 2, 3, 4, 5]}, b: {values: [x, y]}}}
          edges: [{from: START, to: draw}, {from: draw, to: END}]
        """
    one = Task(folder / "one", graph).run("-n", 200, "-b", 1).expect(0).records()
    two = Task(folder / "two", graph).run("-n", 200, "-b", 64).expect(0).records()
    assert one == two
    assert len({r["id"] for r in one}) == 200, "ids of data-less records are distinct"
    assert len({(r["a"], r["b"]) for r in one}) == 10


def test_ids_are_hashes_of_the_content_where_there_are_none(folder):
    row = {"q": "é", "n": 1.10, "big": 12345678901234567890}
    with Mock() as mock:
        run = Task(folder, line("echo"), mock.url, [row]).run().expect(0)
        wanted = hashlib.sha256(json.dumps(row, sort_keys=True).encode()).hexdigest()
        assert run.records()[0]["id"] == wanted


def test_falsy_ids_are_kept_and_exact_numbers_too(folder):
    task = Task(folder, line("echo"), None)
    task.write("data.jsonl", '{"id": 0, "q": 1.10}\n{"id": "", "q": 12345678901234567890123}\n')
    with Mock() as mock:
        task = Task(folder, line("echo"), mock.url)
        run = task.run().expect(0)
    assert [r["id"] for r in run.records()] == [0, ""]
    assert [r["answer"] for r in run.records()] == ["say 1.1", "say 12345678901234567890123"]


def test_a_raw_state_keeps_number_texts_and_the_order_of_keys(folder):
    graph = """
        data_config: {source: {type: disk, file_path: data.jsonl}}
        graph_config:
          nodes: {draw: {node_type: weighted_sampler, attributes: {c: {values: [1]}}}}
          edges: [{from: START, to: draw}, {from: draw, to: END}]
        """
    task = Task(folder, graph)
    task.write("data.jsonl", '{"z": 1.10, "id": 7, "a": [1e5, {"y": null, "b": true}]}\n')
    task.run().expect(0)
    text = (folder / "output.json").read_text()
    assert list(json.loads(text)[0]) == ["z", "id", "a", "messages", "__chat_history__", "c"]
    assert "1.10" in text and "1e5" in text


def test_a_bad_row_fails_alone_with_its_place(folder):
    task = Task(folder, line("echo"))
    task.write("data.jsonl", b'{"id": 1, "q": "a"}\n{"id": 2, "q": \n[1, 2]\n{"id": 4, "q": "\xff"}\n{"id": 5, "q": "e"}\n')
    with Mock() as mock:
        run = Task(folder, line("echo"), mock.url).run("--json").expect(3)
    assert [r["id"] for r in run.records()] == [1, 5]
    failed = run.failed()
    assert [f["line"] for f in failed] == [2, 3, 4]
    assert all("data.jsonl:" in f["message"] for f in failed), failed
    s = run.summary()
    assert (s["ok"], s["failed"]) == (2, 3)


def test_a_pipe_is_a_source(folder):
    task = Task(folder, line("echo"))
    os.mkfifo(folder / "data.jsonl")

    def feed():
        with open(folder / "data.jsonl", "w") as pipe:
            for r in rows(3000):
                pipe.write(json.dumps(r) + "\n")

    threading.Thread(target=feed, daemon=True).start()
    with Mock() as mock:
        Task(folder, line("echo"), mock.url)
        run = task.run("-n", 0, "-b", 50).expect(0)
    assert [r["id"] for r in run.records()] == list(range(3000))


def test_a_json_array_is_a_source_and_a_torn_one_stops_the_run(folder):
    graph = line("echo").replace("data.jsonl", "data.json")
    with Mock() as mock:
        task = Task(folder, graph, mock.url)
        task.write("data.json", json.dumps(rows(30), indent=2))
        assert [r["id"] for r in task.run("-n", 0).expect(0).records()] == list(range(30))
        task.write("data.json", json.dumps(rows(30), indent=2)[:-40])
        run = task.run("-n", 0).expect(1)
        assert "data.json" in run.out + run.err


def test_output_names_follow_the_flags(folder):
    with Mock() as mock:
        task = Task(folder / "task", line("echo"), mock.url, rows(2))
        task.run("-rn", "first", "-od", folder / "out" / "deep").expect(0)
        assert (folder / "out" / "deep" / "first_output.json").exists()
        run = task.run("-owt", "True", "-od", folder / "stamped").expect(0)
        [path] = (folder / "stamped").glob("output_20*.json")
        assert str(path) in run.out


def test_an_older_output_stays_until_the_new_one_is_whole(folder):
    with Mock("--latency_ms", 300) as mock:
        task = Task(folder, line("echo"), mock.url, rows(1))
        task.write("output.json", "[]")
        seen = []
        thread = threading.Timer(0.15, lambda: seen.append((folder / "output.json").read_text()))
        thread.start()
        run = task.run().expect(0)
        thread.join()
        assert seen == ["[]"]
        assert len(run.records()) == 1
