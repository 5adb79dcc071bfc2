# SPDX-License-Identifier: Apache-2.0
"""Bad input of every kind: a clear message in its place, the right exit status, bounded memory and time."""
import os
import resource
import signal
import subprocess
import time

from lib import BIN, ENV, Mock, Task, line


def says(run, *texts):
    for t in texts:
        assert t in run.err, f"`{t}` is not in:\n{run.err}"


def test_a_task_that_is_not_there(folder):
    done = subprocess.run([BIN, "run", str(folder / "none")], capture_output=True, text=True, env=ENV)
    assert done.returncode == 1 and "none" in done.stderr, done.stderr


def test_all_mistakes_are_shown_at_once_with_places_and_right_keys(folder):
    graph = line().replace("output_keys: answer", "output_kyes: answer").replace("to: ask}", "to: aks}").replace(
        "{name: MODEL}", "{name: nobody}").replace("name: m}", "name: nobody}")
    run = Task(folder, graph).check().expect(1)
    says(run, "graph_config.yaml:", "output_kyes", "output_keys", "`aks`", "`ask`", "nobody", "^")


def test_run_checks_first_and_calls_nothing(folder):
    with Mock() as mock:
        run = Task(folder, line("echo").replace("to: END", "to: ENDE"), mock.url, [{"q": 1}]).run().expect(1)
        says(run, "ENDE")
        assert mock.stats()["requests"] == 0


def test_yaml_rubbish_is_located(folder):
    for i, text in enumerate([b"a: [1, 2\nb: 3\n", b"\xff\xfe\x00rubbish", b"", b"- just\n- a list\n", b"graph_config: {nodes: {a: *nope}}\n",
                              b"a: 1\na: 2\ngraph_config: {}\n", b"\ta: 1\n", b"graph_config: !!python/object:os.system {}\n"]):
        task = Task(folder / str(i), "x: y")
        task.write("graph_config.yaml", text)
        says(task.check().expect(1), "graph_config.yaml")


def limited(command, megabytes=600):
    def limit():
        resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))

    asan = "asan" in os.path.realpath(BIN)
    started = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=ENV, preexec_fn=None if asan else limit)
    assert time.monotonic() - started < 30
    return done


def test_bombs_are_refused_in_bounded_memory(folder):
    lol = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [*a{i-1}, *a{i-1}, *a{i-1}, *a{i-1}]\n" for i in range(1, 40))
    for i, text in enumerate([lol, "a: " + "[" * 1000000, "{" * 1000000, "a: " + "- " * 1000000]):
        task = Task(folder / str(i), "x: y")
        task.write("graph_config.yaml", text)
        done = limited([BIN, "check", str(task.folder)])
        assert done.returncode == 1 and "graph_config.yaml" in done.stderr, (i, done.returncode, done.stderr[:500])


def test_a_row_nested_a_million_deep_fails_alone(folder):
    with Mock() as mock:
        task = Task(folder, line("echo"), mock.url)
        task.write("data.jsonl", '{"id": 1, "q": "a"}\n{"id": 2, "q": ' + "[" * 1000000 + "]" * 1000000 + '}\n{"id": 3, "q": "c"}\n')
        done = limited([BIN, "run", str(folder), "--output_with_ts", "False"])
        assert done.returncode == 3, done.stderr
        text = (folder / "output_failed.jsonl").read_text()
        assert "data.jsonl:2" in text and len(text) < 2000, text[:500]


def test_a_missing_source_and_a_folder_as_source_are_named(folder):
    says(Task(folder / "a", line()).run().expect(1), "data.jsonl")
    task = Task(folder / "b", line())
    (task.folder / "data.jsonl").mkdir()
    says(task.run().expect(1), "data.jsonl")


def test_an_output_folder_that_cannot_be_made_stops_at_once(folder):
    (folder / "file").write_text("")
    with Mock() as mock:
        run = Task(folder / "t", line("echo"), mock.url, [{"q": 1}]).run("-od", folder / "file" / "x").expect(1)
        says(run, "file")
        assert mock.stats()["requests"] == 0


def test_a_full_disk_stops_the_run_and_keeps_whole_records(folder):
    if not os.path.exists("/dev/full"):
        return
    with Mock() as mock:
        task = Task(folder, line("echo"), mock.url, [{"id": i, "q": "x" * 2000} for i in range(3000)])
        # A limit on file sizes fails the write as a full disk does.
        run = task.run("-n", 0, "-b", 100, prefix=("bash", "-c", 'trap "" XFSZ; ulimit -f 1000; exec "$@"', "-")).expect(1)
        assert "output" in run.out + run.err
        part = folder / "output.part"
        assert part.exists() and part.read_text().rstrip().endswith("]"), part.read_text()[-200:]


def test_later_features_say_so(folder):
    for i, (old, new) in enumerate([("node_type: llm", "node_type: agent"), ("type: disk", "type: hf"),
                                    ("output_config:\n", "output_config:\n      data_quality: {tasks: [a]}\n")]):
        says(Task(folder / str(i), line("echo").replace(old, new)).check().expect(1), "not yet")


def test_harmless_keys_of_later_features_are_accepted(folder):
    graph = line("echo").replace("output_keys: answer", "output_keys: answer\n          chat_history: false\n          tools: []")
    with Mock() as mock:
        task = Task(folder, graph, mock.url, [{"q": 1}], {"hf_chat_template_model_id": "x/y", "delay": 100, "max_retries": 3})
        task.run("--oasst", "False", "--quality", "False", "-ci", 100, "-dm", "True").expect(0)


def test_wrong_usage_is_status_2_and_suggests(folder):
    for args, text in ((["run"], "which task"), (["run", "x", "--num_record", "3"], "--num_records"), (["rnu"], "run"),
                       (["run", "x", "-n", "-3"], "whole number"), (["run", "x", "--quality", "True"], "not yet"),
                       (["run", "x", "--debug", "maybe"], "True or False"), (["run", "x", "-rn", "a/b"], "run_name")):
        done = subprocess.run([BIN, *args], capture_output=True, text=True, env=ENV)
        assert done.returncode == 2 and text in done.stderr, (args, done.returncode, done.stderr)


def test_more_in_flight_than_the_limits_allow_is_said_before(folder):
    run = Task(folder, line("echo"), rows=[{"q": 1}]).run("-b", 900000).expect(1)
    says(run, "open files", "-b")


def test_an_interrupt_ends_records_under_way_and_a_second_one_ends_at_once(folder):
    with Mock("--latency_ms", 1500) as mock:
        Task(folder, line("echo"), mock.url, [{"id": i, "q": i} for i in range(1000)])
        command = [BIN, "run", str(folder), "-n", "0", "-b", "10", "--output_with_ts", "False"]
        for twice in (False, True):
            p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENV)
            time.sleep(0.7)
            started = time.monotonic()
            p.send_signal(signal.SIGINT)
            if twice:
                time.sleep(0.1)
                p.send_signal(signal.SIGINT)
            out, err = p.communicate(timeout=30)
            assert p.returncode == 130, (p.returncode, out, err)
            assert "interrupted" in out
            if twice:
                assert time.monotonic() - started < 1 + ("asan" in os.path.realpath(BIN))
            else:
                assert "10 ok" in out, out
                assert (folder / "output.part").exists()
