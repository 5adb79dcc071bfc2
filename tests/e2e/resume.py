# SPDX-License-Identifier: Apache-2.0
"""Runs that are killed, stopped, refused and resumed: the run folder as its user meets it (docs/formats/run-folder.md)."""
import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time

from lib import BIN, ENV, Mock, Run, Server, Task, completion, line

SLOW = 5 if "asan" in os.path.realpath(BIN) else 1
ARGS = ("--output_with_ts", "False", "--seed", "7")


def rows(n, start=0):
    return [{"id": i, "q": f"question {i}"} for i in range(start, start + n)]


def answers(n):
    return [{"id": i, "answer": f"say question {i}"} for i in range(n)]


def sygra(verb, *args, cwd=None, folder=None, prefix=(), user=None, env=None):
    done = subprocess.run([*prefix, BIN, verb, *map(str, args)], capture_output=True, text=True, timeout=120, env={**ENV, **(env or {})},
                          cwd=cwd, user=user)
    return Run(done, pathlib.Path(folder or cwd or "."))


def resume(folder, *args, name="output", **more):
    return sygra("resume", folder / f"{name}.run", *args, folder=folder, **more)


def status(folder, name="output"):
    return json.loads(sygra("status", folder / f"{name}.run", "--json").expect(0).out)


def fsck(folder, name="output"):
    return sygra("fsck", folder / f"{name}.run", folder=folder)


def says(run, *texts):
    for t in texts:
        assert t in run.out + run.err, f"`{t}` is not in:\n{run.out}\n{run.err}"


def wait_for(condition, what, seconds=20):
    deadline = time.monotonic() + seconds * SLOW
    while not condition():
        assert time.monotonic() < deadline, f"{what}: it did not come"
        time.sleep(0.005)


def part_size(folder, name="output"):
    with contextlib.suppress(OSError):
        return (folder / f"{name}.part").stat().st_size
    return 0


@contextlib.contextmanager
def living(folder, *args, verb="run"):
    """A run beside the test; killed at the end if it still lives."""
    p = subprocess.Popen([BIN, verb, str(folder), *(ARGS if verb == "run" else ()), *map(str, args)], stdout=subprocess.PIPE,
                         stderr=subprocess.PIPE, text=True, env=ENV)
    try:
        yield p
    finally:
        p.kill()
        p.communicate()


def committed(folder, name="output"):
    """So many records are in the output for good."""
    found = sygra("status", folder / f"{name}.run", "--json")
    return json.loads(found.out)["in_order"] if found.status == 0 else 0


def die(p):
    assert p.poll() is None, "it has ended already"
    p.kill()
    p.wait()


def kill_after(folder, records, *args, name="output"):
    """A run that is killed when so many records are in its output."""
    with living(folder, *args) as p:
        wait_for(lambda: committed(folder, name) >= records or p.poll() is not None, "output")
        die(p)


def killed(folder, url, n=200, records=20, graph=None, task_rows=None, args=("-n", 0, "-b", 10), model=None):
    """A task whose run was killed in the middle."""
    task = Task(folder, graph or line("echo"), url, task_rows or rows(n), model)
    kill_after(folder, records, *args)
    return task


# --- going on ----------------------------------------------------------------------------------------------------------------


def test_a_killed_run_goes_on_and_writes_the_bytes_of_one_that_was_not(folder):
    with Mock("--latency_ms", 50, "--sigma", 1) as mock:
        Task(folder / "a", line("echo"), mock.url, rows(300)).run("-n", 0, "-b", 20).expect(0)
    with Mock("--latency_ms", 50, "--sigma", 1) as mock:
        killed(folder / "b", mock.url, 300, args=("-n", 0, "-b", 20))
        fsck(folder / "b").expect(0)
        run = resume(folder / "b").expect(0)
        assert mock.stats()["requests"] < 300 + 20 + 40 * SLOW, mock.stats()
    assert (folder / "a/output.json").read_bytes() == (folder / "b/output.json").read_bytes()
    assert not list((folder / "b").glob("*.part"))
    assert run.records() == answers(300)


def test_the_summary_and_the_status_after_several_lives_count_all_of_them(folder):
    with Mock("--latency_ms", 50) as mock:
        killed(folder, mock.url, 200, 20)
        with living(folder / "output.run", verb="resume") as p:
            wait_for(lambda: committed(folder) >= 80, "output")
            die(p)
        s = resume(folder, "--json").expect(0).summary()
    assert (s["ok"], s["failed"], s["invalid"], s["dropped"]) == (200, 0, 0, 0), s
    s = status(folder)
    assert (s["ok"], s["failed"], s["invalid"], s["dropped"], s["in_order"]) == (200, 0, 0, 0, 200), s
    assert s["state"] == "finished"


def test_a_run_is_named_by_its_folder_its_output_its_task_or_by_being_the_newest(folder):
    with Mock("--latency_ms", 50) as mock:
        for i, word in enumerate(["task/output.run", "task/output.run/", "task/output", "task/output.part", "task", ""]):
            place = folder / str(i)
            killed(place / "task", mock.url, 60, 10)
            run = sygra("resume", *filter(None, [word]), cwd=place).expect(0)
            assert Run(subprocess.CompletedProcess([], 0, "", ""), place / "task").records() == answers(60), (word, run.out)


def test_the_newest_unfinished_run_of_several_is_meant(folder):
    with Mock("--latency_ms", 50) as mock:
        Task(folder, line("echo"), mock.url, rows(100))
        for name in ("one", "two"):
            kill_after(folder, 10, "-n", 0, "-b", 5, "-rn", name, name=f"{name}_output")
            time.sleep(0.05)
        Task(folder, line("echo"), mock.url, rows(100)).run("-n", 3, "-rn", "three").expect(0)
        sygra("resume", cwd=folder).expect(0)
        assert (folder / "two_output.json").exists() and not (folder / "one_output.json").exists()
        sygra("resume", cwd=folder).expect(0)
        assert (folder / "one_output.json").read_bytes() == (folder / "two_output.json").read_bytes()


def test_a_run_started_elsewhere_goes_on_from_anywhere(folder):
    """Relative paths of the command mean the folder in which it was given."""
    with Mock("--latency_ms", 50) as mock:
        Task(folder / "work/task", line("echo"), mock.url, rows(60))
        p = subprocess.Popen([BIN, "run", "task", *ARGS, "-n", "0", "-b", "5", "-od", "out"], cwd=folder / "work", env=ENV,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_for(lambda: committed(folder / "work/out") >= 10, "output")
        die(p)
        sygra("resume", "work/out/output", cwd=folder).expect(0)
        assert json.loads((folder / "work/out/output.json").read_text()) == answers(60)


def test_a_finished_run_says_that_nothing_is_left_to_do(folder):
    with Mock() as mock:
        Task(folder, line("echo"), mock.url, rows(5)).run().expect(0)
        before = (folder / "output.json").read_bytes()
        run = resume(folder).expect(0)
        says(run, "finished", "nothing")
        assert mock.stats()["requests"] == 5
        for part in resume(folder, "--json").expect(0).out.splitlines():
            json.loads(part)
    assert (folder / "output.json").read_bytes() == before


def test_the_number_of_records_may_grow_after_the_end_and_after_a_kill(folder):
    with Mock("--latency_ms", 50) as mock:
        Task(folder / "whole", line("echo"), mock.url, rows(60)).run("-n", 50).expect(0)
        wanted = (folder / "whole/output.json").read_bytes()
        Task(folder / "a", line("echo"), mock.url, rows(60)).run("-n", 20).expect(0)
        resume(folder / "a", "-n", 50).expect(0)
        assert (folder / "a/output.json").read_bytes() == wanted
        resume(folder / "a", "-n", 0).expect(0)
        assert json.loads((folder / "a/output.json").read_text()) == answers(60)
        killed(folder / "b", mock.url, 60, 10, args=("-n", 30, "-b", 5))
        resume(folder / "b", "-n", 50).expect(0)
        assert (folder / "b/output.json").read_bytes() == wanted


def test_the_number_of_records_may_not_shrink(folder):
    with Mock("--latency_ms", 50) as mock:
        killed(folder, mock.url, 100, 10, args=("-n", 80, "-b", 5))
        run = resume(folder, "-n", 40)
        assert run.status in (1, 2)
        says(run, "80")
        assert not (folder / "output.json").exists()
        resume(folder).expect(0)
        assert json.loads((folder / "output.json").read_text()) == answers(80)


SAMPLER = """
    graph_config:
      nodes:
        draw: {node_type: weighted_sampler, attributes: {a: {values: [1, 2, 3, 4, 5]}, b: {values: [x, y, z]}}}
        ask: {node_type: llm, model: {name: echo}, prompt: [{user: "{a} {b} {id}"}], output_keys: said}
      edges: [{from: START, to: draw}, {from: draw, to: ask}, {from: ask, to: END}]
    output_config: {output_map: {id: {from: id}, a: {from: a}, b: {from: b}, said: {from: said}}}
    """


def test_draws_and_ids_of_records_without_data_repeat(folder):
    with Mock("--latency_ms", 50) as mock:
        Task(folder / "a", SAMPLER, mock.url).run("-n", 100).expect(0)
        Task(folder / "b", SAMPLER, mock.url)
        kill_after(folder / "b", 40, "-n", 100, "-b", 5)
        resume(folder / "b").expect(0)
    assert (folder / "a/output.json").read_bytes() == (folder / "b/output.json").read_bytes()


def test_a_seed_that_was_drawn_is_kept(folder):
    with Mock("--latency_ms", 50) as mock:
        Task(folder, SAMPLER, mock.url)
        p = subprocess.Popen([BIN, "run", str(folder), "-n", "60", "-b", "5", "--output_with_ts", "False"], env=ENV, stdout=subprocess.DEVNULL,
                             stderr=subprocess.DEVNULL)
        wait_for(lambda: committed(folder) >= 10, "output")
        die(p)
        seed = status(folder)["seed"]
        assert resume(folder, "--json").expect(0).summary()["seed"] == seed
        whole = (folder / "output.json").read_bytes()
        Task(folder / "again", SAMPLER, mock.url).run("-n", 60, "--seed", seed).expect(0)
    assert (folder / "again/output.json").read_bytes() == whole


def test_growing_over_25000_records_makes_lines_of_the_array(folder):
    graph = SAMPLER.replace(", {from: draw, to: ask}, {from: ask, to: END}", "").replace(", said: {from: said}", "")
    graph = "\n".join(part for part in graph.splitlines() if "ask:" not in part)
    Task(folder / "whole", graph).run("-n", 25010, "-b", 200).expect(0)
    Task(folder / "grown", graph).run("-n", 24990, "-b", 200).expect(0)
    resume(folder / "grown", "-n", 25010).expect(0)
    assert (folder / "grown/output.jsonl").read_bytes() == (folder / "whole/output.jsonl").read_bytes()
    assert not (folder / "grown/output.json").exists()


def test_kills_while_the_array_becomes_lines_do_no_harm(folder):
    graph = SAMPLER.replace(", {from: draw, to: ask}, {from: ask, to: END}", "").replace(", said: {from: said}", "")
    graph = "\n".join(part for part in graph.splitlines() if "ask:" not in part)
    draw = random.Random()
    args = ("-n", 26000, "-b", 200, "--resume", "True")
    Task(folder / "whole", graph).run(*args[:-2]).expect(0)
    for i in range(4):
        place = folder / str(i)
        task = Task(place, graph)
        copied = place / "output.part.tmp"
        for _ in range(8):
            with living(place, *args) as p:
                if draw.random() < 0.7:
                    wait_for(lambda p=p: copied.exists() or p.poll() is not None, "the copy")
                time.sleep(draw.choice((0, 0.002, 0.005, 0.02, 0.1)) * SLOW)
                p.kill()
                out, err = p.communicate()
                assert p.returncode in (0, -signal.SIGKILL), f"{p.returncode}\n{out}\n{err}"
            if (place / "output.jsonl").exists():
                break
            if (place / "output.run/run.db").exists():
                fsck(place).expect(0)
        else:
            task.run(*args).expect(0)
        assert (place / "output.jsonl").read_bytes() == (folder / "whole/output.jsonl").read_bytes()
        left = sorted(p.name for p in place.iterdir())
        assert left == ["graph_config.yaml", "metadata", "models.yaml", "output.jsonl", "output.run"], left


def test_an_output_that_lacks_its_name_only_gets_it(folder):
    """As after a death between the last commit and the renaming; an older output is there, too."""
    with Mock() as mock:
        for older in (False, True):
            for command in ("resume", "run"):
                place = folder / f"{command}{older}"
                task = Task(place, line("echo"), mock.url, rows(20))
                task.run("-n", 0).expect(0)
                (place / "output.json").rename(place / "output.part")
                if older:
                    (place / "output.json").write_text("[]")
                asked = mock.stats()["requests"]
                if command == "resume":
                    resume(place).expect(0)
                else:
                    task.run("-n", 0, "--resume", "True").expect(0)
                assert json.loads((place / "output.json").read_text()) == answers(20), (command, older)
                assert not (place / "output.part").exists()
                assert mock.stats()["requests"] == asked, "nothing is asked again"


def test_an_array_as_input_and_a_start_index_are_gone_on_with(folder):
    graph = line("echo").replace("data.jsonl", "data.json")
    with Mock("--latency_ms", 50) as mock:
        task = Task(folder, graph, mock.url)
        task.write("data.json", json.dumps(rows(120), indent=2))
        kill_after(folder, 20, "-n", 100, "-si", 15, "-b", 10)
        asked = mock.stats()["requests"]
        resume(folder).expect(0)
        assert mock.stats()["requests"] - asked <= 80
        assert json.loads((folder / "output.json").read_text()) == answers(115)[15:]
        says(sygra("status", folder / "output.run").expect(0), "100")


def test_torn_rows_fail_once_with_their_line_whenever_the_run_is_killed(folder):
    text = "".join(json.dumps(r) + "\n" + "{torn\n" * (r["id"] % 7 == 3) for r in rows(100))
    with Mock("--latency_ms", 50) as mock:
        task = Task(folder, line("echo"), mock.url)
        task.write("data.jsonl", text)
        kill_after(folder, 30, "-n", 0, "-b", 10)
        resume(folder).expect(3)
    assert json.loads((folder / "output.json").read_text()) == answers(100)
    failed = [json.loads(part) for part in (folder / "output_failed.jsonl").read_text().splitlines()]
    assert [f["line"] for f in failed] == [i + 1 for i, part in enumerate(text.splitlines()) if part == "{torn"], failed


def test_a_pipe_as_input_can_be_run_and_its_resume_is_refused_or_right(folder):
    with Mock("--latency_ms", 200) as mock:
        Task(folder, line("echo"), mock.url)
        os.mkfifo(folder / "data.jsonl")
        text = "".join(json.dumps(r) + "\n" for r in rows(100))

        def feed():
            with contextlib.suppress(OSError):
                (folder / "data.jsonl").write_text(text)

        threading.Thread(target=feed, daemon=True).start()
        kill_after(folder, 20, "-n", 0, "-b", 10)
        threading.Thread(target=feed, daemon=True).start()
        run = resume(folder)
        if run.status == 0:
            assert json.loads((folder / "output.json").read_text()) == answers(100)
        else:
            says(run.expect(1), "data.jsonl")
            (folder / "data.jsonl").read_text()


def test_an_interrupted_run_goes_on_and_asks_nothing_twice(folder):
    for name in ("SIGINT", "SIGTERM"):
        with Mock("--latency_ms", 30) as mock:
            place = folder / name
            Task(place, line("echo"), mock.url, rows(150))
            with living(place, "-n", 0, "-b", 10) as p:
                wait_for(lambda: part_size(place) > 1500, "output")
                p.send_signal(getattr(signal, name))
                assert p.wait(30) == 130
            state = status(place)
            assert state["state"] in ("dead", "stopped") and 10 < state["ok"] < 150, state
            fsck(place).expect(0)
            resume(place).expect(0)
            assert json.loads((place / "output.json").read_text()) == answers(150)
            stats = mock.stats()
            assert stats["requests"] == 150 and stats["duplicates"] == 0, stats


def test_a_second_interrupt_ends_at_once_and_the_run_goes_on(folder):
    with Mock("--latency_ms", 1500) as mock:
        Task(folder, line("echo"), mock.url, rows(20))
        with living(folder, "-n", 0, "-b", 10) as p:
            wait_for(lambda: mock.stats()["requests"] == 10, "requests")
            p.send_signal(signal.SIGINT)
            time.sleep(0.1)
            p.send_signal(signal.SIGINT)
            started = time.monotonic()
            assert p.wait(30) == 130
            assert time.monotonic() - started < 1 * SLOW
        resume(folder).expect(0)
        assert json.loads((folder / "output.json").read_text()) == answers(20)


def test_attempts_go_on_and_do_not_start_again(folder):
    """Three attempts, the last two far apart: a kill between them does not give new ones."""
    with Mock("--fail_rate", 1, "--fail_status", "503:1", "--retry_after", 2, "--log", folder / "log") as mock:
        Task(folder, line("echo"), mock.url, rows(1), {"retry_attempts": 3})
        with living(folder) as p:
            wait_for(lambda: mock.stats()["requests"] == 2, "requests")
            time.sleep(0.5)  # for the commit
            die(p)
        resume(folder).expect(3)
        assert mock.stats()["requests"] == 3, mock.stats()
        [failed] = [json.loads(f) for f in (folder / "output_failed.jsonl").read_text().splitlines()]
        assert failed["attempts"] == 3, failed
    times = [json.loads(part)["t"] for part in (folder / "log").read_text().splitlines()]
    assert times[2] - times[1] > 1.9, "the time to wait goes on, too"


# --- a task or an input that is not what it was ----------------------------------------------------------------------------


TWO = """
    data_config:
      source: {type: disk, file_path: data.jsonl}
    graph_config:
      nodes:
        first: {node_type: llm, model: {name: echo}, prompt: [{user: "one {q}"}], output_keys: one}
        second: {node_type: llm, model: {name: echo, parameters: {temperature: 0.5}}, prompt: [{user: "two {one}"}], output_keys: two,
          post_process: {jq: "{two: .response.content}"}}
      edges:
        - {from: START, to: first}
        - {from: first, condition: {jq: '"go"'}, path_map: {go: second}}
        - {from: second, to: END}
    output_config: {output_map: {id: {from: id}, two: {from: two}}}
    """


def test_a_changed_task_is_refused_and_what_changed_is_named(folder):
    changes = [("two {one}", "two! {one}", "second"), ("temperature: 0.5", "temperature: 0.6", "second"),
               ("two: .response.content", "two: (.response.content + .state.q)", "second"), ('jq: \'"go"\'', 'jq: \'"g" + "o"\'', "first"),
               ("one {q}", "eins {q}", "first"), ("to: END}", "to: third}", "third"), ("two: {from: two}", "zwei: {from: two}", "output"),
               ("data.jsonl", "other.jsonl", "other.jsonl"), ("from: START, to: first", "from: START, to: [first, third]", "START")]
    third = "\n        third: {node_type: lambda, lambda: {jq: \"{t: 1}\"}, output_keys: t}"
    with Mock("--latency_ms", 50) as mock:
        task = killed(folder, mock.url, 100, 10, TWO)
        task.write("other.jsonl", (folder / "data.jsonl").read_text())
        asked = mock.stats()["requests"]
        for old, new, named in changes:
            assert old in TWO
            graph = TWO.replace(old, new)
            if "third" in graph:
                graph = graph.replace("\n      edges:", third + "\n      edges:")
            task.write("graph_config.yaml", graph)
            run = resume(folder).expect(1)
            says(run, named)
            assert "first" in named or "`first`" not in run.err, run.err
            again = task.run("-n", 0, "--resume", "True").expect(1)
            says(again, named)
        assert mock.stats()["requests"] == asked
        task.write("graph_config.yaml", TWO)
        fsck(folder).expect(0)
        resume(folder).expect(0)
    assert [r["two"] for r in json.loads((folder / "output.json").read_text())] == [f"two one question {i}" for i in range(100)]


def test_a_changed_model_is_refused_and_a_changed_address_or_token_is_not(folder):
    with Mock("--latency_ms", 50) as mock:
        task = killed(folder, mock.url, 100, 10)
        Task(folder, line("echo"), mock.url, model={"model": "another-echo", "model_type": "openai"})
        task.write("models.yaml", json.dumps({"echo": {"model_type": "vllm", "model": "another-echo", "url": mock.url,
                                                       "parameters": {"temperature": 0}}}))
        says(resume(folder).expect(1), "ask")
    with Mock() as mock:
        Task(folder, line("echo"), mock.url, model={"auth_token": "another-token-0123456789", "timeout": 7, "retry_attempts": 2})
        resume(folder).expect(0)
    assert json.loads((folder / "output.json").read_text()) == answers(100)


def test_comments_and_the_order_of_keys_are_no_change(folder):
    with Mock("--latency_ms", 50) as mock:
        task = killed(folder, mock.url, 100, 10)
        moved = line("echo").replace("          output_keys: answer\n", "").replace("node_type: llm\n", "output_keys: answer\n          node_type: llm\n")
        assert moved.count("output_keys") == 1
        task.write("graph_config.yaml", "# a remark\n" + moved)
        resume(folder).expect(0)


def test_an_input_whose_rows_were_rewritten_is_refused(folder):
    with Mock("--latency_ms", 50) as mock:
        task = killed(folder, mock.url, 100, 10)
        before = (folder / "data.jsonl").read_text()
        for text in (before.replace("question 3", "Question 3"), before[:200], before.replace('"id": 0', '"id": 00'), "",
                     "".join(reversed(before.splitlines(keepends=True)))):
            task.write("data.jsonl", text)
            run = resume(folder).expect(1)
            says(run, "data.jsonl")
        (folder / "data.jsonl").unlink()
        says(resume(folder).expect(1), "data.jsonl")
        task.write("data.jsonl", before)
        resume(folder).expect(0)
    assert json.loads((folder / "output.json").read_text()) == answers(100)


def test_an_input_that_was_touched_copied_or_appended_to_is_accepted(folder):
    with Mock("--latency_ms", 50) as mock:
        for what in ("touched", "copied", "appended"):
            place = folder / what
            killed(place, mock.url, 100, 10)
            data = place / "data.jsonl"
            if what == "touched":
                os.utime(data, (1, 1))
            if what == "copied":
                shutil.copy(data, place / "copy")
                os.replace(place / "copy", data)
            if what == "appended":
                with open(data, "a") as f:
                    f.writelines(json.dumps(r) + "\n" for r in rows(20, 100))
            resume(place).expect(0)
            assert json.loads((place / "output.json").read_text()) == answers(120 if what == "appended" else 100), what


def test_rows_behind_what_was_read_may_change(folder):
    with Mock("--latency_ms", 50) as mock:
        task = killed(folder, mock.url, 3000, 10)
        changed = (folder / "data.jsonl").read_text().replace("question 2999", "question last")
        task.write("data.jsonl", changed)
        run = sygra("resume", folder / "output.run", "-b", 500, folder=folder)
        if run.status == 0:
            assert json.loads((folder / "output.json").read_text())[-1]["answer"] == "say question last"
        else:
            says(run.expect(1), "data.jsonl")


# --- who else is there ------------------------------------------------------------------------------------------------------


def test_a_run_that_a_living_process_holds_is_refused_with_its_number(folder):
    with Mock("--latency_ms", 300) as mock:
        task = Task(folder, line("echo"), mock.url, rows(100))
        with living(folder, "-n", 0, "-b", 5) as p:
            wait_for(lambda: part_size(folder) > 0, "output")
            says(resume(folder).expect(1), str(p.pid))
            says(task.run("-n", 0, "--resume", "True").expect(1), str(p.pid))
            says(task.run("-n", 0).expect(1), str(p.pid))
            s = status(folder)
            assert s["state"] == "live" and s["pid"] == p.pid, s
            text = sygra("status", folder / "output.run").expect(0).out
            assert "live" in text and str(p.pid) in text, text
            die(p)
        s = status(folder)
        assert s["state"] == "dead" and not s["pid"], s
        text = sygra("status", folder / "output.run").expect(0).out
        assert "dead" in text and "resume" in text, text


def test_of_two_that_resume_at_once_one_goes_on(folder):
    with Mock("--latency_ms", 50) as mock:
        killed(folder, mock.url, 100, 10)
        both = [subprocess.Popen([BIN, "resume", str(folder / "output.run")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                 env=ENV) for _ in range(2)]
        ended = sorted((p.wait(60), *p.communicate()) for p in both)
        assert [e[0] for e in ended] == [0, 1], ended
        assert "in use" in ended[1][2], ended[1]
    assert json.loads((folder / "output.json").read_text()) == answers(100)


def test_asking_for_the_status_does_not_disturb_a_run(folder):
    with Mock("--latency_ms", 50) as mock:
        Task(folder, line("echo"), mock.url, rows(200))
        with living(folder, "-n", 0, "-b", 5) as p:
            wait_for(lambda: part_size(folder) > 0, "output")
            last = 0
            while p.poll() is None:
                for verb in ("status", "records", "fsck"):
                    done = sygra(verb, folder / "output.run", *(["--json"] if verb == "status" else []))
                    if verb == "status":
                        s = json.loads(done.expect(0).out)
                        assert s["ok"] >= last and s["failed"] == 0, s
                        last = s["ok"]
            assert p.returncode == 0, p.communicate()
    assert json.loads((folder / "output.json").read_text()) == answers(200)


def outsider(path):
    """A user who may read below `path` and not write, or None where there is none."""
    if os.getuid() != 0:
        return os.getuid()
    for user in ("nobody",):
        if subprocess.run([BIN, "--version"], user=user, capture_output=True).returncode == 0 and subprocess.run(
                ["ls", str(path)], user=user, capture_output=True).returncode == 0:
            return user
    return None


@contextlib.contextmanager
def read_only(folder):
    """Nobody but root can write below the folder."""
    paths = [folder, *folder.rglob("*")]
    before = [(p, p.stat().st_mode) for p in paths]
    for parent in folder.parents:
        if os.access(parent, os.W_OK) and str(parent).startswith("/tmp/"):
            parent.chmod(0o755)
    for p in paths:
        p.chmod(0o555 if p.is_dir() else 0o444)
    try:
        yield outsider(folder)
    finally:
        for p, mode in before:
            with contextlib.suppress(OSError):
                p.chmod(mode)


def test_a_folder_that_cannot_be_written_stops_the_run_at_once_and_can_be_looked_at(folder):
    with Mock("--latency_ms", 50) as mock:
        Task(folder / "new", line("echo"), mock.url, rows(5))
        killed(folder / "old", mock.url, 100, 10)
        asked = mock.stats()["requests"]
        with read_only(folder / "new") as user:
            if user is None:
                return
            run = sygra("run", folder / "new", *ARGS, user=user).expect(1)
            says(run, "ermission")
        with read_only(folder / "old") as user:
            run = sygra("resume", folder / "old/output.run", user=user).expect(1)
            says(run, "ermission")
            for verb in ("status", "fsck"):
                sygra(verb, folder / "old/output.run", user=user).expect(0)
        assert mock.stats()["requests"] == asked
        resume(folder / "old").expect(0)
    assert json.loads((folder / "old/output.json").read_text()) == answers(100)


# --- damage ------------------------------------------------------------------------------------------------------------------


def everything(folder):
    return {p.relative_to(folder): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file() and not p.name.endswith("-shm")}


def refused_and_untouched(folder, *texts):
    """Resume says so, and leaves outputs and segments as they are."""
    before = everything(folder)
    says(resume(folder).expect(1), *texts)
    after = everything(folder)
    changed = [str(p) for p in before if after.get(p) != before[p] and p.name != "lock" and not p.name.startswith("run.db")]
    assert not changed, changed


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def seal(path, page=16384):
    """The checksums that pages end in, as another program of ours would have written them (src/journal/vfs.c)."""
    data = bytearray(path.read_bytes())
    for at in range(0, len(data), page):
        number = (at // page + 1).to_bytes(4, "little")
        data[at + page - 8:at + page - 4] = crc32c(number).to_bytes(4, "little")
        data[at + page - 4:at + page] = crc32c(data[at:at + page - 8], crc32c(number)).to_bytes(4, "little")
    path.write_bytes(data)


def test_looking_into_run_db_with_any_sqlite_does_no_harm(folder):
    """Closing a connection moves the log of a dead run into the database."""
    with Mock("--latency_ms", 50) as mock:
        killed(folder, mock.url, 100, 20)
        with contextlib.closing(sqlite3.connect(folder / "output.run/run.db")) as db:
            assert db.execute("SELECT value FROM meta WHERE key = 'state'").fetchall() == [("running",)]
            assert db.execute("SELECT position FROM progress").fetchall()[0][0] >= 20
        fsck(folder).expect(0)
        assert status(folder)["in_order"] >= 20
        resume(folder).expect(0)
    assert json.loads((folder / "output.json").read_text()) == answers(100)


def test_a_folder_of_another_version_is_refused_with_the_program_that_wrote_it(folder):
    with Mock("--latency_ms", 50) as mock:
        killed(folder, mock.url, 100, 10)
        with contextlib.closing(sqlite3.connect(folder / "output.run/run.db")) as db:
            db.execute("PRAGMA user_version = 99")
            db.execute("UPDATE meta SET value = 'sygra 9.9.9' WHERE key = 'program'")
            db.commit()
        seal(folder / "output.run/run.db")
        refused_and_untouched(folder, "99", "sygra 9.9.9")
        for verb in ("status", "fsck"):
            says(sygra(verb, folder / "output.run").expect(1), "99")


def test_a_file_that_is_no_run_db_is_refused(folder):
    with Mock("--latency_ms", 50) as mock:
        killed(folder, mock.url, 100, 10)
        for i, junk in enumerate([b"", b"not a database at all\n" * 1000, b"SQLite format 3\0" + b"\0" * 50000]):
            place = folder / str(i)
            shutil.copytree(folder / "output.run", place / "output.run")
            shutil.copy(folder / "output.part", place)
            for old in ("run.db-wal", "run.db-shm"):
                (place / "output.run" / old).unlink(missing_ok=True)
            (place / "output.run/run.db").write_bytes(junk)
            run = sygra("resume", place / "output.run").expect(1)
            says(run, "run.db")
            assert sygra("fsck", place / "output.run").expect(1)


@contextlib.contextmanager
def straggler():
    """An endpoint that answers all but question 0, which it lets wait: all others are finished and wait in segments."""
    release = threading.Event()
    seen = []

    def answer(peer, data):
        head, body = data.split(b"\r\n\r\n", 1)
        length = int([h for h in head.split(b"\r\n") if h.lower().startswith(b"content-length")][0].split(b":")[1])
        while len(body) < length:
            body += peer.recv(65536)
        text = json.loads(body)["messages"][-1]["content"]
        seen.append(text)
        if text == "say question 0" and not release.is_set():
            release.wait(60)
            return
        peer.sendall(completion(text).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))

    server = Server(answer)
    server.release, server.seen = release, seen
    try:
        yield server
    finally:
        release.set()
        server.close()


def killed_behind_a_straggler(folder, server, n=60):
    task = Task(folder, line("echo"), server.url, [{"id": i, "q": f"question {i}", "fill": "x" * 200} for i in range(n)])
    with living(folder, "-n", 0, "-b", 10) as p:
        wait_for(lambda: len(server.seen) == n, "questions")
        wait_for((folder / "output.run/run.db").exists, "a run folder")
        wait_for(lambda: status(folder)["ok"] == n - 1, "commits")
        die(p)
    [segment] = (folder / "output.run/segments").glob("*.seg")
    return task, segment


def waiting(folder):
    """Offsets of the frames of records that wait, in order: table records. Looks at a copy."""
    with tempfile.TemporaryDirectory() as place:
        for path in (folder / "output.run").glob("run.db*"):
            shutil.copy(path, place)
        with contextlib.closing(sqlite3.connect(f"{place}/run.db")) as db:
            return [at for at, in db.execute("SELECT offset FROM records WHERE segment IS NOT NULL ORDER BY position")]


def test_what_is_finished_behind_a_straggler_is_not_asked_again(folder):
    with straggler() as server:
        killed_behind_a_straggler(folder, server)
        assert part_size(folder) < 20
        server.release.set()
        before = len(server.seen)
        fsck(folder).expect(0)
        resume(folder).expect(0)
        assert server.seen[before:] == ["say question 0"], server.seen[before:]
    assert json.loads((folder / "output.json").read_text()) == answers(60)


def test_garbage_behind_the_newest_segment_and_the_output_is_cut(folder):
    for i, junk in enumerate([b"\0", b"\0" * 5000, b"\xff" * 100, os.urandom(3000), b"\x10\0\0\0"]):
        with straggler() as server:
            place = folder / str(i)
            _, segment = killed_behind_a_straggler(place, server)
            for path in (segment, place / "output.part"):
                with open(path, "ab") as f:
                    f.write(junk)
            server.release.set()
            resume(place).expect(0)
            assert json.loads((place / "output.json").read_text()) == answers(60)
            fsck(place).expect(0)


def test_a_half_written_frame_at_the_end_is_cut(folder):
    with straggler() as server:
        _, segment = killed_behind_a_straggler(folder, server)
        data = segment.read_bytes()
        segment.write_bytes(data + data[8:40])  # the beginning of a frame that would be good
        server.release.set()
        resume(folder).expect(0)
    assert json.loads((folder / "output.json").read_text()) == answers(60)


def test_a_damaged_middle_of_a_segment_is_refused_with_the_place(folder):
    with straggler() as server:
        _, segment = killed_behind_a_straggler(folder, server)
        server.release.set()
        asked = len(server.seen)
        good = segment.read_bytes()

        def damaged(bad, *texts):
            segment.write_bytes(bad)
            says(fsck(folder).expect(1), segment.name, *texts)
            says(resume(folder).expect(1), segment.name, *texts)
            assert len(server.seen) == asked, "it is refused before anything is asked"

        outputs = waiting(folder)
        assert len(outputs) == 59
        for i, shift in ((0, 0), (0, 5), (0, 8), (20, 12), (20, 30), (58, 12)):
            at = outputs[i] + shift
            damaged(good[:at] + bytes([good[at] ^ 0x40]) + good[at + 1:], "byte ")
        damaged(good[:len(good) // 2])
        damaged(good[:outputs[3]] + good[outputs[4]:])
        damaged(b"")
        segment.unlink()
        says(resume(folder).expect(1), segment.name)
        says(fsck(folder).expect(1), segment.name)
        assert len(server.seen) == asked
        segment.write_bytes(good)
        resume(folder).expect(0)
    assert json.loads((folder / "output.json").read_text()) == answers(60)


def test_an_output_that_was_cut_changed_or_taken_away_is_refused_or_found(folder):
    with Mock("--latency_ms", 50) as mock:
        killed(folder, mock.url, 200, 60)
        good = (folder / "output.part").read_bytes()
        (folder / "output.part").write_bytes(good[:1000])
        refused_and_untouched(folder, "output.part")
        says(fsck(folder).expect(1), "output.part")
        changed = bytearray(good)
        changed[500] ^= 0x40
        (folder / "output.part").write_bytes(changed)
        says(fsck(folder).expect(1), "output.part")
        (folder / "output.part").unlink()
        refused_and_untouched(folder, "output.part")
        says(fsck(folder).expect(1), "output.part")
        (folder / "output.part").write_bytes(good)
        resume(folder).expect(0)
    assert json.loads((folder / "output.json").read_text()) == answers(200)


def test_flipped_bits_in_run_db_are_found_or_harmless(folder):
    """Never a wrong output: refused, or the right one."""
    with Mock("--latency_ms", 200) as mock:
        killed(folder, mock.url, 300, 160, args=("-n", 0, "-b", 40))
        sizes = {name: (folder / "output.run" / name).stat().st_size for name in ("run.db", "run.db-wal")
                 if (folder / "output.run" / name).exists()}
        refused = 0
        for i in range(16):
            place = folder / f"flip{i}"
            place.mkdir()
            shutil.copytree(folder / "output.run", place / "output.run")
            for name in ("output.part", "data.jsonl", "graph_config.yaml", "models.yaml"):
                shutil.copy(folder / name, place)
            name = list(sizes)[i % len(sizes)]
            at = (i * 2654435761 + 100) % sizes[name]
            path = place / "output.run" / name
            data = bytearray(path.read_bytes())
            data[at] ^= 1 << (i % 8)
            path.write_bytes(data)
            # The task is the one in `folder`; its output goes beside the damaged copy.
            run = sygra("resume", place / "output.run", "--json", folder=place)
            assert run.status in (0, 1), (name, at, run.status, run.out, run.err)
            if run.status == 0:
                assert json.loads((place / "output.json").read_text()) == answers(300), (name, at)
            refused += run.status
        print(f"{refused} of 16 refused")


# --- without a journal, starting anew ----------------------------------------------------------------------------------------


def test_no_journal_leaves_no_folder_and_nothing_to_resume(folder):
    with Mock("--latency_ms", 50) as mock:
        task = Task(folder, line("echo"), mock.url, rows(100))
        task.run("-n", 5, "--no-journal").expect(0)
        assert not list(folder.glob("*.run"))
        with living(folder, "-n", 0, "-b", 5, "--no-journal") as p:
            wait_for(lambda: part_size(folder) > 500, "output")
            die(p)
        assert not list(folder.glob("*.run"))
        run = sygra("resume", folder / "output").expect(1)
        says(run, "no run")
        for verb in ("status", "records", "fsck"):
            says(sygra(verb, folder / "output").expect(1), "no run")
        task.run("-n", 0).expect(0)
    assert json.loads((folder / "output.json").read_text()) == answers(100)


def test_resume_true_begins_where_there_is_nothing_and_goes_on_where_there_is(folder):
    with Mock("--latency_ms", 50) as mock:
        for name in ("--resume", "-r"):
            place = folder / name
            task = Task(place, line("echo"), mock.url, rows(100))
            kill_after(place, 10, "-n", 0, "-b", 5, name, "True")
            asked = mock.stats()["requests"]
            task.run("-n", 0, name, "True").expect(0)
            assert mock.stats()["requests"] - asked < 100
            assert json.loads((place / "output.json").read_text()) == answers(100)


def test_resumable_in_the_task_means_the_same_and_false_beats_it(folder):
    graph = line("echo").replace("data_config:", "data_config:\n      resumable: true")
    with Mock("--latency_ms", 50) as mock:
        task = killed(folder, mock.url, 100, 10, graph)
        asked = mock.stats()["requests"]
        task.run("-n", 0).expect(0)
        first = mock.stats()["requests"] - asked
        assert first < 100, "it went on"
        assert json.loads((folder / "output.json").read_text()) == answers(100)
        kill_after(folder, 10, "-n", 0, "-b", 10)
        asked = mock.stats()["requests"]
        task.run("-n", 0, "--resume", "False").expect(0)
        assert mock.stats()["requests"] - asked == 100, "it began anew"
        assert json.loads((folder / "output.json").read_text()) == answers(100)


def test_a_new_run_of_the_same_name_begins_anew_and_the_old_output_stays_until_its_end(folder):
    with Mock("--latency_ms", 50) as mock:
        task = Task(folder, line("echo"), mock.url, rows(100))
        task.run("-n", 7).expect(0)
        kill_after(folder, 10, "-n", 0, "-b", 5)
        assert json.loads((folder / "output.json").read_text()) == answers(7)
        resume(folder).expect(0)
        assert json.loads((folder / "output.json").read_text()) == answers(100)
        task.run("-n", 3).expect(0)
        assert json.loads((folder / "output.json").read_text()) == answers(3)
        fsck(folder).expect(0)
        assert status(folder)["ok"] == 3


def test_every_durability_and_every_keep_can_be_resumed(folder):
    with Mock("--latency_ms", 50) as mock:
        for option, values in (("--durability", ("commit", "1s", "exit")), ("--keep", ("all", "calls", "outputs"))):
            for value in values:
                place = folder / value
                killed(place, mock.url, 100, 10, args=("-n", 0, "-b", 5, option, value))
                fsck(place).expect(0)
                resume(place).expect(0)
                fsck(place).expect(0)
                assert json.loads((place / "output.json").read_text()) == answers(100), value
            bad = sygra("run", folder / values[0], option, "sometimes")
            assert bad.status == 2
            says(bad, *values)


def test_keep_outputs_bounds_the_folder(folder):
    sizes = {}
    with Mock("--reply_words", 200) as mock:
        for value in ("outputs", "all"):
            Task(folder / value, line("m"), mock.url, rows(1500)).run("-n", 0, "-b", 50, "--keep", value).expect(0)
            sizes[value] = sum(p.stat().st_size for p in (folder / value / "output.run").rglob("*") if p.is_file())
    assert sizes["outputs"] < 600_000 < sizes["all"], sizes


# --- failed records -----------------------------------------------------------------------------------------------------------


def test_failed_records_are_listed_with_node_error_and_attempts_and_stay_failed(folder):
    with Mock("--fail_rate", 1, "--fail_status", "503:1") as mock:
        Task(folder, line("echo"), mock.url, rows(3), {"retry_attempts": 2}).run().expect(3)
        asked = mock.stats()["requests"]
        found = [json.loads(part) for part in sygra("records", folder / "output.run", "--failed", "--json").expect(0).out.splitlines()]
        assert [(f["id"], f["node"], f["error"], f["attempts"]) for f in found] == [(i, "ask", "busy", 2) for i in range(3)], found
        text = sygra("records", folder / "output.run", "--failed").expect(0).out
        assert text.count("ask") >= 3 and "busy" in text and "503" in text, text
        says(resume(folder).expect(0), "finished")
        assert mock.stats()["requests"] == asked, "resume leaves failed records failed"


def test_a_run_without_failed_records_lists_none(folder):
    with Mock() as mock:
        Task(folder, line("echo"), mock.url, rows(3)).run().expect(0)
        assert sygra("records", folder / "output.run", "--failed", "--json").expect(0).out == ""
        sygra("records", folder / "output.run", "--failed").expect(0)


def test_failed_records_survive_a_kill_in_order_and_stay_failed(folder):
    (folder / "script").write_text('{"match": "5", "status": 400}\n')
    with Mock("--latency_ms", 50, "--sigma", 1, "--script", folder / "script") as mock:
        killed(folder, mock.url, 150, 30)
        run = resume(folder, "--json").expect(3)
        bad = [i for i in range(150) if "5" in str(i)]
        assert [f["id"] for f in map(json.loads, (folder / "output_failed.jsonl").read_text().splitlines())] == bad
        assert [r["id"] for r in json.loads((folder / "output.json").read_text())] == [i for i in range(150) if i not in bad]
        s = run.summary()
        assert (s["ok"], s["failed"]) == (150 - len(bad), len(bad)), s
        s = status(folder)
        assert (s["ok"], s["failed"]) == (150 - len(bad), len(bad)), s


def test_a_run_of_which_a_record_failed_in_an_earlier_life_ends_with_status_3(folder):
    (folder / "script").write_text('{"match": "question 3", "status": 400, "times": 1}\n')
    with Mock("--latency_ms", 50, "--script", folder / "script") as mock:
        killed(folder, mock.url, 100, 20)
        assert status(folder)["failed"] == 1
        run = resume(folder, "--json").expect(3)
        assert run.summary()["failed"] == 1 and run.summary()["ok"] == 99, run.summary()


# --- a full disk ------------------------------------------------------------------------------------------------------------------


FULL = ("bash", "-c", 'trap "" XFSZ; ulimit -f {}; exec "$@"', "-")


def full_disk(blocks):
    """A limit on file sizes (of 1 kB) fails a write as a full disk does."""
    return (*FULL[:2], FULL[2].format(blocks), FULL[3])


def test_a_full_disk_stops_the_run_and_with_room_it_goes_on(folder):
    task_rows = [{"id": i, "q": f"question {i} " + "x" * 2000} for i in range(1500)]
    with Mock() as mock:
        task = Task(folder, line("echo"), mock.url, task_rows)
        for blocks in (300, 700, 1300):  # first without room for run.db, too
            task.run("-n", 0, "-b", 50, "--resume", "True", prefix=full_disk(blocks)).expect(1)
            assert not (folder / "output.json").exists()
            if (folder / "output.run/run.db").exists():
                fsck(folder).expect(0)
        before = mock.stats()["requests"]
        task.run("-n", 0, "--resume", "True").expect(0)
        assert mock.stats()["requests"] - before < 1500, "what was written before stays"
    got = json.loads((folder / "output.json").read_text())
    assert [(r["id"], r["answer"]) for r in got] == [(r["id"], "say " + r["q"]) for r in task_rows]


def test_a_disk_that_is_full_from_the_start_is_said_before_anything_is_asked(folder):
    with Mock() as mock:
        run = Task(folder, line("echo"), mock.url, rows(20)).run(prefix=full_disk(1)).expect(1)
        assert "output.run" in run.out + run.err or "output" in run.out + run.err, run.err
        Task(folder, line("echo"), mock.url, rows(20)).run("--resume", "True").expect(0)
    assert json.loads((folder / "output.json").read_text()) == answers(10)


# --- retry -------------------------------------------------------------------------------------------------------------------


def with_failures(folder, n=60):
    """A finished run in which some records failed; the endpoint is whole again afterwards. Returns their numbers."""
    with Mock("--fail_rate", 0.3, "--fail_status", "400:1") as mock:
        Task(folder, line("echo"), mock.url, rows(n)).run("-n", 0).expect(3)
    return [int(f["position"]) for f in Run(subprocess.CompletedProcess([], 0, "", ""), folder).failed()]


def test_retry_runs_failed_records_again_and_keeps_the_order(folder):
    bad = with_failures(folder)
    assert 5 < len(bad) < 55
    with Mock("--log", folder / "log") as mock:
        Task(folder, line("echo"), mock.url, rows(60))
        run = sygra("retry", folder / "output.run", "--json").expect(0)
        assert run.summary()["ok"] == 60 and run.summary()["failed"] == 0, run.out
        assert mock.stats()["requests"] == len(bad), "only what had failed is asked"
        assert json.loads((folder / "output.json").read_text()) == answers(60)
        assert not (folder / "output_failed.jsonl").exists()
        says_out = sygra("retry", folder / "output.run").expect(0).out
        assert "finished" in says_out and mock.stats()["requests"] == len(bad)


def test_what_fails_in_a_retry_stays_failed_and_can_be_tried_once_more(folder):
    bad = with_failures(folder)
    with Mock("--fail_rate", 1, "--fail_status", "400:1") as mock:
        Task(folder, line("echo"), mock.url, rows(60))
        sygra("retry", folder / "output.run").expect(3)
        left = Run(subprocess.CompletedProcess([], 0, "", ""), folder).failed()
        assert [int(f["position"]) for f in left] == bad
    with Mock() as mock:
        Task(folder, line("echo"), mock.url, rows(60))
        sygra("retry", folder / "output.run").expect(0)
    assert json.loads((folder / "output.json").read_text()) == answers(60)


def test_a_retry_that_is_killed_goes_on(folder):
    bad = with_failures(folder)
    whole = (folder / "output.json").read_bytes()
    with Mock("--latency_ms", 200) as mock:
        Task(folder, line("echo"), mock.url, rows(60))
        with living(folder / "output.run", "-b", 2, verb="retry") as p:
            wait_for(lambda: mock.stats()["requests"] >= 4, "requests of the retry")
            die(p)
        assert (folder / "output.json").read_bytes() == whole, "the old output stays until the new one is whole"
        resume(folder).expect(0)
        assert mock.stats()["requests"] <= len(bad) + 4
    assert json.loads((folder / "output.json").read_text()) == answers(60)
