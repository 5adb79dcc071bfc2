# SPDX-License-Identifier: Apache-2.0
"""What a run shows on a terminal, and that no terminal can hold it up."""
import json
import os
import pathlib
import re
import sqlite3
import subprocess
import sys
import time

from lib import BIN, ENV, Mock, Server, Task, line
from screen import Terminal

ASCII = {"LANG": "C", "NO_COLOR": "1"}


def rows(n):
    return [{"id": i, "q": f"q{i}"} for i in range(n)]


def command(folder, *more, verb="run"):
    names = ["--output_with_ts", "False", "--seed", "7"] if verb == "run" else []
    return [BIN, verb, folder, *names, *more]


def drawn(text):
    return re.search(r"elapsed \d", text)


def check_end(screen, status_word="finished"):
    """The panel has gone, and was never wider than the screen; the summary stands below the log, the cursor is behind it."""
    text = screen.text()
    assert not drawn(text) and "under way" not in text, text
    assert f"{status_word}:" in text, text
    assert screen.cut == 0, f"{screen.cut} characters of the panel had no room"
    assert screen.cursor and screen.wraps and screen.x == 0, (screen.x, screen.y)
    assert all(line == "" for line in screen.lines()[screen.y:]), text


def state_of(folder):
    done = subprocess.run([BIN, "status", folder / "output.run", "--json"], capture_output=True, text=True, env=ENV, timeout=60)
    return json.loads(done.stdout)["state"] if done.returncode == 0 else None


def wait_for(what, seconds=60):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.1)


# --- what is shown ----------------------------------------------------------------------------------------------------


def test_the_panel_shows_all_figures_and_gives_way_to_the_summary(folder):
    with Mock("--latency_ms", 100) as mock:
        Task(folder, line("echo"), mock.url, rows(150))
        with Terminal(command(folder, "-n", 150, "-b", 5), 100, 24) as t:
            t.until(lambda text: re.search(r"[1-9]\d+ of 150 records", text) and re.search(r"left \d", text))
            text = t.screen.text()
            for wanted in (r"█+░+  \d+ %  \d+ of 150 records", r"\d+ ok  0 failed  0 invalid  0 dropped  5 of 5 under way",
                           r"[\d.]+ calls/s  [\d.]+ tokens/s  \d+ calls  0 retries", r"elapsed 0:\d\d  left 0:\d\d",
                           r"echo: \d in flight"):
                assert re.search(wanted, text), f"{wanted} is not in:\n{text}"
            colors = {style for row in t.screen.rows for c, style in row if c == "█"}
            assert colors == {"32"}, colors
            assert t.screen.cursor and t.screen.x == 0
            assert t.finish() == 0
            check_end(t.screen)
            assert "finished: 150 records" in t.screen.text() and "150 ok, 0 failed" in t.screen.text()


def test_forty_columns_without_colour_and_utf8_are_enough(folder):
    with Mock("--latency_ms", 50, "--fail_rate", 0.2, "--fail_status", "400:1") as mock:
        Task(folder, line("echo"), mock.url, rows(100))
        with Terminal(command(folder, "-n", 100, "-b", 5), 40, 24, env=ASCII) as t:
            t.until(lambda text: re.search(r"^[#x]+\.+$", text, re.M) and " x ask status: " in text and drawn(text))
            assert t.finish() == 3
            check_end(t.screen)
            summary = t.screen.text()[t.screen.text().index("finished:"):]
            for wanted in ("finished: 100 records in", "0 invalid, 0 dropped", "tokens   ", "sygra retry", " x ask status: "):
                assert wanted in summary, summary
            assert "\x1b[3" not in t.bytes.decode() and max(t.bytes) < 0x80


def test_log_lines_stay_whole_above_the_panel(folder):
    graph = line("echo").replace("output_keys: answer", "output_keys: answer\n          pre_process: PRE")
    prints = '{jq: "(.id | \\"this is record \\\\(.), and it says so in a line of its own\\" | debug) as $x | ."}'
    with Mock("--latency_ms", 30) as mock:
        Task(folder, graph.replace("PRE", prints), mock.url, rows(60))
        with Terminal(command(folder, "-n", 60, "-b", 4), 60, 12) as t:
            assert t.finish() == 0
            check_end(t.screen)
            said = t.screen.text().replace("\n", "")
            for i in range(60):
                assert f"this is record {i}, and it says so in a line of its own" in said, t.screen.text()


def test_an_error_text_of_an_endpoint_cannot_steer_the_terminal(folder):
    evil = "\x1b[2J\x1b]0;owned\x07\x9b31m\r\n\u202eevil"
    body = json.dumps({"error": {"message": evil}}).encode()
    head = b"HTTP/1.1 400 Bad\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"

    def answer(peer, _):
        time.sleep(0.2)
        peer.sendall(head % len(body) + body)

    server = Server(answer)
    Task(folder, line("m"), server.url, rows(12))
    with Terminal(command(folder, "-n", 12, "-b", 2), 80, 24) as t:
        t.until(lambda text: re.search(r"[2-9] x ask status: model m answered 400", text))
        assert t.finish() == 3  # the screen knows no sequence of the text, and would have failed
        check_end(t.screen)
    assert b"\x1b[2J" not in t.bytes and b"\x1b]0" not in t.bytes and "\x9b".encode() not in t.bytes
    assert "\u202e".encode() not in t.bytes  # which would turn the rest of the line around
    server.close()


def test_wide_and_combining_characters_are_measured_as_the_terminal_does(folder):
    body = json.dumps({"error": {"message": "e\u0301" * 30 + "漢字" * 30 + "😀" * 10}}, ensure_ascii=False).encode()

    def answer(peer, _):
        time.sleep(0.2)
        peer.sendall(b"HTTP/1.1 400 Bad\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    server = Server(answer)
    name = "한국어と漢字のe\u0301te\u0301という長い名前"
    Task(folder / name, line("m"), server.url, rows(16))
    for columns in (40, 41):
        with Terminal(command(folder / name, "-n", 16, "-b", 2), columns, 30) as t:
            t.until(lambda text: re.search(r"^  [3-9] x ask status: model m answered 400", text, re.M))
            assert t.finish() == 3
            check_end(t.screen)
    server.close()


def test_a_resize_in_the_middle_is_followed(folder):
    with Mock("--latency_ms", 100) as mock:
        Task(folder, line("echo"), mock.url, rows(200))
        with Terminal(command(folder, "-n", 200, "-b", 5), 100, 24) as t:
            t.until(lambda text: re.search(r"█+░+  \d+ %  \d+ of 200 records", text))
            t.resize(40, 15)
            t.until(lambda text: re.search(r"^█+░+$", text, re.M) and re.search(r"^  \d+ ok  0 failed  0 invalid$", text, re.M))
            assert len(drawn_lines := [x for x in t.screen.lines() if "elapsed" in x]) == 1, drawn_lines
            t.resize(90, 30)
            t.until(lambda text: re.search(r"█+░+  \d+ %  \d+ of 200 records", text))
            assert len([x for x in t.screen.lines() if "elapsed" in x]) == 1
            assert t.finish() == 0
            check_end(t.screen)


def test_a_run_that_goes_on_shows_the_whole(folder):
    with Mock("--latency_ms", 100) as mock:
        Task(folder, line("echo"), mock.url, rows(100))
        with Terminal(command(folder, "-n", 100, "-b", 5)) as t:
            t.until(lambda text: re.search(r"[2-9]\d of 100 records", text))
            t.process.kill()
            t.process.wait()
            assert t.read(0.1) in (True, False)
            assert t.screen.cursor and t.screen.x == 0  # a killed run leaves the terminal in order
        with Terminal(command(folder / "output.run", verb="resume")) as t:
            t.until(lambda text: re.search(r"[2-9]\d of 100 records", text) and "life 2" in text)
            assert t.finish() == 0
            check_end(t.screen)
            assert re.search(r"resumed  \d+ of these records in this life of the run \(2\)", t.screen.text())
        with Terminal(command(folder / "output.run", verb="resume")) as t:
            assert t.finish() == 0
            assert "nothing is left to do" in t.screen.text().replace("\n", " ")


# --- how it ends ------------------------------------------------------------------------------------------------------


def test_ctrl_c_twice_leaves_the_terminal_in_order(folder):
    with Mock("--latency_ms", 3000) as mock:
        Task(folder, line("echo"), mock.url, rows(100))
        with Terminal(command(folder, "-n", 100, "-b", 5)) as t:
            t.until(lambda text: "5 of 5 under way" in text)
            os.write(t.master, b"\x03")
            t.until(lambda text: "stopping" in text and "records, stopping" in text)
            os.write(t.master, b"\x03")
            assert t.finish(20) == 130
            check_end(t.screen, "interrupted")
            assert "sygra resume" in t.screen.text()


def test_a_run_that_is_aborted_leaves_the_terminal_in_order(folder):
    with Mock("--latency_ms", 100) as mock:
        task = Task(folder, line("echo").replace("data.jsonl", "data.json"), mock.url)
        task.write("data.json", "[" + ", ".join(json.dumps(r) for r in rows(50)) + ", {")
        with Terminal(command(folder, "-n", 0, "-b", 5)) as t:
            assert t.finish() == 1
            check_end(t.screen, "aborted")


def test_a_closed_terminal_stops_the_run_and_resume_loses_nothing(folder):
    with Mock("--latency_ms", 100) as mock:
        Task(folder, line("echo"), mock.url, rows(100))
        with Terminal(command(folder, "-n", 100, "-b", 5)) as t:
            t.until(lambda text: re.search(r"[2-9]\d of 100 records", text))
            t.hang_up()
            assert t.process.wait(timeout=30) == 130
        assert state_of(folder) == "dead"
        done = subprocess.run([BIN, "resume", folder / "output.run"], capture_output=True, text=True, env=ENV, timeout=60)
        assert done.returncode == 0, done.stderr
        assert [r["id"] for r in json.loads((folder / "output.json").read_text())] == list(range(100))


def test_in_the_background_nothing_is_drawn_over_the_shell(folder):
    """A shell stops the run (Ctrl-Z), lets it go on behind its prompt, and takes it to the front again."""
    with Mock("--latency_ms", 200) as mock:
        Task(folder, line("echo"), mock.url, rows(80))
        run = " ".join(map(str, command(folder, "-n", 80, "-b", 4)))
        with Terminal(["sh", "-i"], env={"PS1": "prompt> ", "ENV": ""}) as t:
            t.until(lambda text: "prompt>" in text)
            os.write(t.master, f"{run}\n".encode())
            t.until(drawn)
            os.write(t.master, b"\x1a")
            t.until(lambda text: "Stopped" in text)
            os.write(t.master, b"bg; echo typed\n")
            t.until(lambda text: "\ntyped" in text)
            before = len(t.bytes)
            end = time.monotonic() + 1.5
            while time.monotonic() < end:
                t.read(0.1)
            assert b"\x1b[K" not in t.bytes[before:], t.bytes[before:]
            os.write(t.master, b"fg\n")
            t.until(lambda text: "finished: 80 records" in text)
            os.write(t.master, b"exit\n")
            t.finish()
            assert "\ntyped" in t.screen.text()  # what the shell showed is not drawn over


def test_under_nohup_a_closed_terminal_is_no_matter(folder):
    with Mock("--latency_ms", 100) as mock:
        Task(folder, line("echo"), mock.url, rows(60))
        ignoring = [sys.executable, "-c", "import os, signal, sys; signal.signal(signal.SIGHUP, signal.SIG_IGN); "
                    "os.execv(sys.argv[1], sys.argv[1:])"]
        with Terminal([*ignoring, *command(folder, "-n", 60, "-b", 5)]) as t:
            t.until(drawn)
            t.hang_up()
            assert t.process.wait(timeout=30) == 0
        assert [r["id"] for r in json.loads((folder / "output.json").read_text())] == list(range(60))


def test_a_terminal_that_takes_nothing_does_not_hold_up_the_run(folder):
    """Nobody reads it from the first picture on, as after Ctrl-S, while hooks print more than it takes."""
    graph = line("echo").replace("output_keys: answer", "output_keys: answer\n          pre_process: PRE")
    prints = '{jq: "(\\"x\\" * 2000 | debug) as $x | ."}'
    with Mock("--latency_ms", 10) as mock:
        Task(folder, graph.replace("PRE", prints), mock.url, rows(300))
        with Terminal(command(folder, "-n", 300, "-b", 5)) as t:
            t.until(drawn)
            wait_for(lambda: state_of(folder) == "finished", 60)
            assert t.finish() == 0
            assert "log lines were not shown" in t.screen.text().replace("\n", "")
            check_end(t.screen)
    assert len(json.loads((folder / "output.json").read_text())) == 300


def test_ctrl_s_holds_up_nothing_and_ctrl_q_shows_the_end(folder):
    with Mock("--latency_ms", 50) as mock:
        Task(folder, line("echo"), mock.url, rows(60))
        with Terminal(command(folder, "-n", 60, "-b", 4)) as t:
            t.until(drawn)
            os.write(t.master, b"\x13")
            wait_for(lambda: state_of(folder) == "finished")
            assert "finished:" not in t.screen.text()
            os.write(t.master, b"\x11")
            assert t.finish() == 0
            check_end(t.screen)


def test_a_plain_terminal_gets_lines(folder):
    with Mock("--latency_ms", 100) as mock:
        Task(folder, line("echo"), mock.url, rows(20))
        with Terminal(command(folder, "-n", 20, "-b", 5), env={"TERM": "dumb"}) as t:
            assert t.finish() == 0
            assert b"\x1b" not in t.bytes and "finished: 20 records" in t.screen.text()


# --- events and the log -----------------------------------------------------------------------------------------------

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/formats/events.md"


def described():
    """{event: {field: type}} as the page has it. A field in brackets may be missing."""
    events, name, common = {}, None, {}
    for text in PAGE.read_text().splitlines():
        if found := re.match(r"### `(\w+)`", text):
            name = found[1]
            events[name] = {}
        elif text.startswith("## "):
            name = None
        elif found := re.match(r"\| (\[?)`(\w+)`\]? \| (\w+) \|", text):
            (events[name] if name else common)[found[2]] = (found[3], bool(found[1]))
    return common, events


TYPES = {"text": str, "whole": int, "number": (int, float), "list": list}


def check_fields(fields, wanted, where):
    for key, value in fields.items():
        assert key in wanted, f"{where}: {key} is not described"
        kind = wanted[key][0]
        assert isinstance(value, TYPES[kind]) and not isinstance(value, bool), f"{where}: {key} is {value!r}, not {kind}"
    for key, (_, may_miss) in wanted.items():
        assert may_miss or key in fields, f"{where}: {key} is missing"


def check_event(event):
    common, events = described()
    name = event["event"]
    assert name in events, f"{name} is not described"
    check_fields(event, {**common, **events[name]}, name)
    for key, of in (("models", "models"), ("errors", "errors"), ("addresses", "addresses"), ("hosts", "hosts")):
        for item in event.get(key, []):
            check_fields(item, events[of], f"{name}.{key}")


def test_events_are_as_their_page_says(folder):
    with Mock("--latency_ms", 60, "--fail_rate", 0.4, "--fail_status", "400:1,500:1") as mock, Mock("--latency_ms", 900) as other:
        task = Task(folder, line("echo"), [mock.url, other.url], rows(60))
        run = task.run("-n", 60, "-b", 4, "--json", "--debug", "True").expect(3)
        events = [json.loads(x) for x in run.out.splitlines()]
        assert run.err == "", run.err
        for event in events:
            check_event(event)
        names = [e["event"] for e in events]
        wanted = {"run_started", "call_trouble", "call_retry", "call_failed", "record_failed", "progress", "summary"}
        assert wanted <= set(names), wanted - set(names)
        assert names[-2:] == ["progress", "summary"] and names.count("progress") >= 2
        last = events[-2]
        assert last["ok"] + last["failed"] == last["total"] == 60 and last["left_s"] == 0
        assert {(m["model"], m["url"]) for m in last["models"]} == {("echo", mock.url), ("echo", other.url)}
        assert sum(e["count"] for e in last["errors"]) == last["failed"]
        trouble = next(e for e in events if e["event"] == "call_trouble")
        assert trouble["node"] == "ask" and trouble["attempt"] >= 1 and 0 <= trouble["record"] < 60
        logged = [json.loads(x) for x in (folder / "output.run/log.jsonl").read_text().splitlines()]
        assert [e["event"] for e in logged] == names[names.index("run_started"):]


def test_every_event_of_the_program_is_described(folder):
    sources = [p.read_text() for p in (PAGE.parents[2] / "src").rglob("*.c")]
    told = {name for text in sources for name in re.findall(r"SG_LOG\((\w+)", text)}
    assert len(told) > 10 and told == set(described()[1]) - {"models", "errors", "addresses", "hosts"}, told ^ set(described()[1])


def test_the_log_tells_of_all_lives(folder):
    with Mock("--latency_ms", 100) as mock:
        task = Task(folder, line("echo"), mock.url, rows(60))
        run = subprocess.Popen(list(map(str, command(folder, "-n", 60, "-b", 5))), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               env=ENV)
        log = folder / "output.run/log.jsonl"
        wait_for(lambda: log.exists() and log.stat().st_size > 0)
        time.sleep(0.5)
        run.kill()
        run.communicate()
        for _ in range(2):
            with log.open("a") as f:
                f.write('{"torn": ')
            done = subprocess.run([BIN, "resume", folder / "output.run", "-n", "0"], capture_output=True, env=ENV, timeout=60)
            assert done.returncode == 0
        done = subprocess.run([BIN, "resume", folder / "output.run", "--json"], capture_output=True, env=ENV, timeout=60)
        event = json.loads(done.stdout)
        assert event["run"].endswith("output.run") and event["state"] == "finished"
        lives = []
        for text in log.read_text().splitlines():
            if text.startswith('{"ts"'):
                check_event(json.loads(text))
                lives.append(json.loads(text)["life"])
        assert lives == sorted(lives) and lives[0] == 1 and 2 in lives, lives
        assert sqlite3.connect(folder / "output.run/run.db").execute("SELECT value FROM meta WHERE key = 'lives'").fetchone()[0] == "2"
        assert task.run("-n", 5).status == 0
        first = json.loads(log.read_text().splitlines()[0])
        assert first["life"] == 1 and first["event"] == "run_started"
        assert task.run("-n", 5, "--no_journal").status == 0
        assert not log.exists()
