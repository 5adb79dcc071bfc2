#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A kill storm over a real run: killed at random moments, resumed each time, compared with the run that nobody disturbed.

    BIN=build/release/sygra tests/crash/kill_storm.py [--kills 30] [--records 2000] [--seed N] [--keep FOLDER]

The task has a sampler, two parallel branches, one of them a subgraph, a join and a loop whose condition is a jq program; some rows fail for good, some
lines of the input are no JSON, some requests fail once. Each life of the run ends 20 to 400 ms after its start, in start-up as well as in the middle, some later, the
last ones when the output is nearly whole, by SIGKILL; now and then by SIGINT or SIGTERM. After each death `sygra fsck` and `sygra status`
look at the folder. More than 30 kills are several storms, each on a run of its own.

What must hold: the output has the bytes of the undisturbed run; nothing was asked that it had not asked; neither a record that the
folder of the dead calls finished nor a call of which it has the answer is asked about again; and what was asked again although
it had been answered (the mock's log tells) had been answered less than LAG_S before the death: it waited for its commit.

What was in flight had no answer; it is counted apart. The last line is `N passed, N failed`.
"""
import argparse
import bisect
import collections
import contextlib
import itertools
import json
import pathlib
import random
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from lib import BIN, ENV, Mock, Task  # noqa: E402

IN_FLIGHT = 50
BRANCHES = 2  # calls that a record has in flight at most
LAG_S = 5  # an answer older than this when the process dies must not be lost, however busy machine and disk are
STORM = 30  # kills on one run
SHORT_S, LONG_S = (0.020, 0.400), (0.5, 1.4)  # lives; what a long one has done must not be lost
LONG_SHARE = 0.3
NEARLY_WHOLE = (0.97, 0.99, 1.0)  # shares of the output at which the last kills come
BAD_EVERY = 97  # the endpoint refuses such a row for good
TORN_EVERY = 131  # behind such a row is a line that is no JSON
OUTCOMES = ("ok", "failed", "invalid", "dropped")

GRAPH = """
    data_config:
      source: {type: disk, file_path: data.jsonl}
    graph_config:
      nodes:
        draw:
          node_type: weighted_sampler
          attributes:
            tone: {values: [dry, warm, loud, plain], weights: [4, 3, 2, 1]}
        left:
          node_type: llm
          model: {name: echo}
          prompt: [{user: "left {q}"}]
          output_keys: left
        side: {node_type: subgraph, subgraph: side}
        again:
          node_type: llm
          model: {name: m}
          prompt: [{user: "round {n} of {left}, {tone}"}]
          post_process: {jq: "{n: (.state.n + 1), text: (.state.text + [.response.content])}"}
          output_keys: [n, text]
      edges:
        - {from: START, to: draw}
        - {from: draw, to: [left, side]}
        - {from: [left, side], to: again}
        - {from: again, condition: {jq: "if .n >= .rounds then \\"END\\" else \\"more\\" end"}, path_map: {END: END, more: again}}
    output_config:
      output_map:
        id: {from: id}
        tone: {from: tone}
        left: {from: left}
        right: {from: right}
        rounds: {from: n}
        text: {from: text}
    """

SIDE = """
    graph_config:
      nodes:
        right:
          node_type: llm
          model: {name: m}
          prompt: [{user: "right {q}"}]
          output_keys: right
      edges:
        - {from: START, to: right}
        - {from: right, to: END}
    """


def is_bad(i):
    return i % BAD_EVERY == BAD_EVERY - 1


def position_of(i):
    """In the source, which has torn lines between the rows."""
    return i + i // TORN_EVERY


def rows(n):
    return [{"id": i, "q": f"question {i}" + " forbidden" * is_bad(i), "n": 0, "rounds": 1 + i % 3, "text": []} for i in range(n)]


def lay_out(folder, url, task_rows):
    Task(folder / "side", SIDE)
    task = Task(folder, GRAPH, url)
    task.write("data.jsonl", "".join(json.dumps(r) + "\n" + '{"id": \n' * (r["id"] % TORN_EVERY == TORN_EVERY - 1) for r in task_rows))
    return task


def endpoint(folder):
    """A mock that fails some requests at their first attempt, and some rows for good."""
    folder.mkdir(parents=True)
    (folder / "script.jsonl").write_text('{"match": "forbidden", "status": 400}\n')
    return Mock("--latency_ms", 60, "--sigma", 0.7, "--reply_words", 20, "--script", folder / "script.jsonl", "--log", folder / "log",
                "--fail_rate", 0.006, "--reset_rate", 0.002, "--truncate_rate", 0.002, "--fault_attempts", 1)


def read_log(folder):
    return [json.loads(line) for line in (folder / "log").read_text().splitlines()]


def failed_lines(folder):
    """Failed records. How often a call was tried depends on the kills."""
    found = [json.loads(line) for line in (folder / "output_failed.jsonl").read_text().splitlines()]
    return [{k: v for k, v in f.items() if k not in ("attempts", "message")} for f in found]


# --- who asked: the mock's log has hashes only, so all questions are put to a mock once more, in a known order -------------


def questions_of(row, tone):
    """The calls of a record: (model, prompt). The last one ends it; a bad one ends with the first answer."""
    branches = [("echo", f"left {row['q']}"), ("m", f"right {row['q']}")]
    return branches + [("m", f"round {n} of left {row['q']}, {tone}") for n in range(0 if is_bad(row["id"]) else row["rounds"])]


def hashes_of(questions, folder):
    folder.mkdir()
    with Mock("--log", folder / "log", "--reply_words", 1) as mock:
        address = urllib.parse.urlparse(mock.url)
        with socket.create_connection((address.hostname, address.port)) as peer:
            for model, prompt in questions:
                body = json.dumps({"model": model, "messages": [{"role": "user", "content": prompt}]}).encode()
                peer.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
                reply = b""
                while b'"total_tokens"' not in reply:
                    more = peer.recv(65536)
                    assert more, "the mock hung up"
                    reply += more
    found = [e["hash"] for e in read_log(folder)]
    assert len(found) == len(questions) == len(set(found)), "the questions are not all different"
    return found


class Undisturbed:
    """The run to compare with, and who asks what in it."""

    def __init__(self, folder, n):
        self.rows = rows(n)
        with endpoint(folder) as mock:
            started = time.monotonic()
            self.summary = lay_out(folder, mock.url, self.rows).run("-n", 0, "-b", IN_FLIGHT, "--json").expect(3).summary()
            self.seconds = time.monotonic() - started
        self.output = (folder / "output.json").read_bytes()
        self.failed = failed_lines(folder)
        tones = {r["id"]: r["tone"] for r in json.loads(self.output)}
        each = [questions_of(r, tones.get(r["id"])) for r in self.rows]
        found = iter(hashes_of(list(itertools.chain(*each)), folder / "questions"))
        self.hashes = [[next(found) for _ in q] for q in each]
        names = [("left", 0), ("side.right", 0), *(("again", n) for n in range(3))]
        self.calls = [dict(zip(of_record, names)) for of_record in self.hashes]
        self.record_of = {h: r for r, of_record in enumerate(self.hashes) for h in of_record}
        self.must_ask = {h for r, of_record in enumerate(self.hashes) if not is_bad(r) for h in of_record}


# --- lives and deaths -----------------------------------------------------------------------------------------------------


class Death:
    """A life's beginning, and when and how it ended: the wall clock's, as in the mock's log. `finished`: the positions of which
    the folder said so afterwards; `answered`: (position, node, visit) of the calls whose answers it has."""

    def __init__(self, born, at, how):
        self.born, self.at, self.how = born, at, how
        self.finished, self.answered = set(), set()
        self.graceful = how in ("SIGINT", "SIGTERM")


def what_it_has(run_folder):
    """What a copy of run.db says, so that nothing is changed by looking (docs/formats/run-folder.md)."""
    with tempfile.TemporaryDirectory() as copy:
        for name in ("run.db", "run.db-wal"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copy(run_folder / name, copy)
        with contextlib.closing(sqlite3.connect(pathlib.Path(copy) / "run.db")) as db:
            front = db.execute("SELECT position FROM progress WHERE id = 1").fetchone() or (0,)
            finished = set(range(front[0])) | {position for position, in db.execute("SELECT position FROM records")}
            return finished, set(db.execute("SELECT position, name, visit FROM calls JOIN nodes ON id = node "
                                            "WHERE state = 1 AND segment NOT NULL"))


class Storm:
    def __init__(self, folder, still, draw):
        self.folder, self.still, self.draw = folder, still, draw
        self.options = ["--durability", draw.choice(("commit", "1s", "exit")), "--keep", draw.choice(("all", "calls", "outputs"))]
        self.deaths = []
        self.problems = []
        self.finished = False
        self.last_ok = 0
        self.nothing_yet = 0

    def say(self, problem):
        self.problems.append(f"after {len(self.deaths)} deaths: {problem}")

    def command(self):
        """Resumes by one of the two ways; while there is no folder, begins."""
        begin = [BIN, "run", str(self.folder), "-n", "0", "-b", str(IN_FLIGHT), "--output_with_ts", "False", "--seed", "7", "--json",
                 *self.options]
        if not (self.folder / "output.run" / "run.db").exists():
            return [*begin, "--resume", "True"]
        return self.draw.choice([[BIN, "resume", str(self.folder / "output.run"), "--json"],
                                 [BIN, "resume", str(self.folder / "output"), "--json"],
                                 [*begin, "--resume", "True"]])

    def written(self):
        with contextlib.suppress(OSError):
            return (self.folder / "output.part").stat().st_size
        return 0

    def live(self, wait, how):
        """One life; True when it came to its end by itself."""
        command = self.command()
        self.born = born = time.time()
        p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENV)
        wait(p)
        at = time.time()
        if p.poll() is None:
            p.send_signal(getattr(signal, how))
        out, err = p.communicate(timeout=60)
        if p.returncode in (0, 3):
            self.finished = True
            return True
        self.deaths.append(Death(born, at, how))
        wanted = -signal.SIGKILL if how == "SIGKILL" else 130
        if p.returncode != wanted:
            self.say(f"{how} gave status {p.returncode}, not {wanted}: {' '.join(command)}\n{out}\n{err}")
        self.look()
        return False

    def look(self):
        """What the tools say about the folder of the dead."""
        if not (self.folder / "output.run" / "run.db").exists():
            self.nothing_yet += 1
            return
        self.deaths[-1].finished, self.deaths[-1].answered = what_it_has(self.folder / "output.run")
        fsck = subprocess.run([BIN, "fsck", str(self.folder / "output.run")], capture_output=True, text=True, env=ENV, timeout=60)
        if fsck.returncode != 0:
            self.say(f"fsck: status {fsck.returncode}: {fsck.stdout}{fsck.stderr}")
        status = subprocess.run([BIN, "status", str(self.folder / "output.run"), "--json"], capture_output=True, text=True, env=ENV,
                                timeout=60)
        if status.returncode != 0:
            self.say(f"status: {status.returncode}: {status.stdout}{status.stderr}")
            return
        ok = json.loads(status.stdout)["ok"]
        if ok < self.last_ok:
            self.say(f"{self.last_ok} records were ok, now {ok}")
        self.last_ok = max(ok, self.last_ok)

    def run(self, kills):
        stops = {kills // 3: "SIGINT", 2 * kills // 3: "SIGTERM"}
        middle = max(kills - len(NEARLY_WHOLE), 1)
        for i in range(middle):
            if i in stops and self.live(lambda p: self.sleep(p, 0.4), stops[i]):
                return
            life = self.draw.uniform(*(LONG_S if self.draw.random() < LONG_SHARE else SHORT_S))
            if self.live(lambda p, life=life: self.sleep(p, life), "SIGKILL"):
                return
        for share in NEARLY_WHOLE[:kills - middle]:
            if self.live(lambda p, share=share: self.until(p, share), "SIGKILL"):
                return
        self.live(lambda p: p.wait(120), "SIGKILL")

    @staticmethod
    def sleep(p, seconds):
        with contextlib.suppress(subprocess.TimeoutExpired):
            p.wait(seconds)

    def until(self, p, share):
        """Until that much of the output is written."""
        deadline = time.monotonic() + 60
        while p.poll() is None and time.monotonic() < deadline:
            if self.written() >= share * len(self.still.output) - 2 or (self.folder / "output.json").exists():
                return
            time.sleep(0.001)


# --- what was asked again -------------------------------------------------------------------------------------------------


class Accounts:
    """What the mock's log tells about the deaths."""

    def __init__(self, still, deaths, last_birth, log):
        self.still, self.deaths, self.problems = still, deaths, []
        self.half_done = collections.Counter()  # records, by death
        self.in_flight = collections.Counter()
        self.lags = []
        births = [d.born for d in deaths[1:]] + [last_birth]
        asked = {e["hash"] for e in log}
        if stray := asked - set(still.record_of):
            self.problems.append(f"{len(stray)} questions that the undisturbed run does not ask")
        if missing := still.must_ask - asked:
            self.problems.append(f"{len(missing)} questions were never asked")
        # record -> its requests, in the order of their beginning: (life, hash, end, answered)
        requests = collections.defaultdict(list)
        for e in log:
            begin = e["t"] - e["ms"] / 1000
            life = bisect.bisect_right(births, begin)
            answered = e["outcome"] == "answered" or e["status"] == 400
            if e["hash"] in still.record_of:
                requests[still.record_of[e["hash"]]].append((life, e["hash"], e["t"], answered))
                if e["outcome"] == "client_gone" and life < len(deaths) and e["t"] > deaths[life].at - 0.001:
                    self.in_flight[life] += 1
        for record, of_record in requests.items():
            self.record(record, sorted(of_record))
        for life, n in self.half_done.items():
            if n > IN_FLIGHT:
                self.problems.append(f"death {life} caught {n} records half done, more than {IN_FLIGHT}")
        for life, n in self.in_flight.items():
            if n > IN_FLIGHT * BRANCHES:
                self.problems.append(f"death {life} caught {n} calls in flight, more than {IN_FLIGHT * BRANCHES}")

    def ended(self, record, of_life):
        """When the record ended in a life, or None."""
        bad = is_bad(self.still.rows[record]["id"])
        ends = [end for _, h, end, answered in of_life if answered and (bad or h == self.still.hashes[record][-1])]
        return min(ends) if ends else None

    def record(self, record, requests):
        lives = [(life, list(group)) for life, group in itertools.groupby(requests, lambda r: r[0])]
        position = position_of(self.still.rows[record]["id"])
        for life, group in lives:
            if life and position in self.deaths[life - 1].finished:
                self.problems.append(f"record {record} was finished at death {life - 1}, and is asked about again")
            for h in {h for _, h, _, _ in group} if life else ():
                if (position, *self.still.calls[record][h]) in self.deaths[life - 1].answered:
                    self.problems.append(f"record {record}: {self.still.calls[record][h]} was answered at death {life - 1}, and is asked again")
        for _, group in lives:
            answered = collections.Counter(h for _, h, _, ok in group if ok)
            if twice := [h for h, n in answered.items() if n > 1]:
                self.problems.append(f"record {record} asked {len(twice)} answered questions again within one life")
        for i, (life, group) in enumerate(lives[:-1]):
            self.lost(record, life, group, {h for _, later in lives[i + 1:] for _, h, _, _ in later})

    def lost(self, record, life, group, asked_later):
        """A record was asked about in this life, and in later ones."""
        death = self.deaths[life]
        if death.graceful:
            self.problems.append(f"record {record} was not ended by the {death.how} that stopped the run gracefully")
        self.half_done[life] += self.ended(record, group) is None
        for _, h, end, answered in group:
            if not answered or h not in asked_later:
                continue
            lag = death.at - end
            self.lags.append(lag)
            if lag > LAG_S:
                self.problems.append(f"record {record} had an answer {lag:.3f} s before death {life}, and asked for it again")

    def __str__(self):
        lags = sorted(self.lags) or [0]
        return (f"{sum(self.half_done.values())} records half done; asked again although answered: {len(self.lags)} calls that waited for "
                f"their commit (answered at most {max(lags) * 1000:.0f} ms before, median {lags[len(lags) // 2] * 1000:.0f}); "
                f"in flight: {sum(self.in_flight.values())}")


# --- one storm ------------------------------------------------------------------------------------------------------------


def storm(folder, still, kills, draw):
    """Yields (what was looked at, problems)."""
    with endpoint(folder) as mock:
        lay_out(folder, mock.url, still.rows)
        s = Storm(folder, still, draw)
        started = time.monotonic()
        s.run(kills)
        seconds = time.monotonic() - started
    accounts = Accounts(still, s.deaths, s.born, read_log(folder))
    by_kind = collections.Counter(d.how for d in s.deaths)
    print(f"{' '.join(s.options)}: {seconds:.1f} s, undisturbed {still.seconds:.1f} s; " + ", ".join(f"{n} {how}" for how, n in by_kind.items()) +
          f", {s.nothing_yet} before there was a folder\n{accounts}", flush=True)

    yield "every death and every look at the folder is as it should be", s.problems
    whole = s.finished and (folder / "output.json").exists()
    yield "the run comes to its end", [] if whole else [f"it did not: {sorted(p.name for p in folder.iterdir())}"]
    if not whole:
        return
    done = subprocess.run([BIN, "status", str(folder / "output.run"), "--json"], capture_output=True, text=True, env=ENV, timeout=60)
    got = {k: json.loads(done.stdout)[k] for k in OUTCOMES}
    wanted = {k: still.summary[k] for k in OUTCOMES}
    yield "the outcomes add up", [] if got == wanted else [f"{got}, not {wanted}"]
    output = (folder / "output.json").read_bytes()
    yield "the output has the bytes of the undisturbed run", [] if output == still.output else [difference(output, still.output)]
    yield "the same records fail, for the same reason", [] if failed_lines(folder) == still.failed else [str(failed_lines(folder))[:500]]
    left = [p.name for p in folder.glob("*.part*")]
    yield "nothing half-made is left", [f"{left}"] if left else []
    yield "what was asked again is within the promise", accounts.problems


def difference(a, b):
    at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    return f"{len(a)} bytes, not {len(b)}; from byte {at} on: {a[at - 40:at + 40]!r}, not {b[at - 40:at + 40]!r}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--keep", metavar="FOLDER", help="work there, and leave it behind")
    args = parser.parse_args()
    print(f"seed {args.seed}", flush=True)
    passed = failed = 0
    with contextlib.ExitStack() as stack:
        place = args.keep or stack.enter_context(tempfile.TemporaryDirectory(prefix="sygra-storm-"))
        folder = pathlib.Path(place)
        still = Undisturbed(folder / "still", args.records)
        for number in range(0, args.kills, STORM):
            draw = random.Random(f"{args.seed}/{number}")
            for what, problems in storm(folder / f"storm{number // STORM}", still, min(STORM, args.kills - number), draw):
                print(f"{'FAIL' if problems else 'ok  '} {what}", flush=True)
                for p in problems[:20]:
                    print(f"     {p}")
                passed, failed = passed + (not problems), failed + bool(problems)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
