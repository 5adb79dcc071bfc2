# SPDX-License-Identifier: Apache-2.0
"""What bench/run measures with: processes and their cost, the endpoints, wrk, the rows.

All servers listen on 127.0.0.1. A process started here ends with its context, or with the bench at the latest.
"""
import collections
import contextlib
import json
import os
import pathlib
import random
import re
import resource
import shutil
import socket
import string
import subprocess
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
BIN = os.path.realpath(os.environ.get("BIN", ROOT / "build/sygra"))  # what is beside it counts, not beside a link
TASKS = ROOT / "bench/tasks"
TASK = TASKS / "rephrase"
ENV = {k: v for k, v in os.environ.items() if not k.startswith("SYGRA_") and not k.lower().endswith("_proxy")}
ENV["PATH"] += ":/usr/sbin:/sbin"

ROW_BYTES = 2000
REPLY_BYTES = 2000
SEED = "1"  # of the sampler's draws: every trial sends the same requests


class Failed(Exception):
    """A measurement that means nothing: a program did not do its work."""


def raise_files():
    """Soft limit of open files to the hard one, for all that is started here. Returns it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


# --- processes ------------------------------------------------------------------------------------------------------

class Ran:
    """What a process cost: wall and CPU (user and system, all threads) in seconds, peak RSS in MB (10^6 bytes)."""

    def __init__(self, status, started_ns, wall, usage, rss, out, err):
        self.status, self.started_ns, self.wall, self.rss, self.out, self.err = status, started_ns, wall, rss, out, err
        self.user, self.system = usage.ru_utime, usage.ru_stime
        self.cpu = self.user + self.system


def peak_kb(pid):
    try:
        with open(f"/proc/{pid}/status") as f:
            return int(re.search(r"VmHWM:\s+(\d+)", f.read()).group(1))
    except (OSError, AttributeError):
        return 0


def run(command, work, env=ENV):
    """Runs a command in the folder `work` to its end.

    Peak RSS: the kernel's ru_maxrss begins with what the parent had at the fork, so it tells the truth only where it
    is above our own; below, the latest VmHWM counts, which is read ten times a second.
    """
    files = [open(os.path.join(work, name), "w+") for name in ("stdout", "stderr")]
    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    over, seen = threading.Event(), [0]

    started_ns, started = time.time_ns(), time.monotonic()
    process = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=files[0], stderr=files[1],
                               env=env, cwd=work)

    def watch():
        while not over.wait(0.1):
            seen[0] = max(seen[0], peak_kb(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - started
        process.returncode = os.waitstatus_to_exitcode(status)
    except BaseException:
        process.kill()
        process.wait()
        raise
    finally:
        over.set()
        watcher.join()
    out, err = ((f.seek(0), f.read(), f.close())[1] for f in files)
    kb = usage.ru_maxrss if usage.ru_maxrss > ours else seen[0]
    return Ran(process.returncode, started_ns, wall, usage, kb * 1024 / 1e6, out, err)


@contextlib.contextmanager
def server(command, work, env=ENV):
    with open(os.path.join(work, "server.log"), "a") as log:
        process = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log,
                                   text=True, env=env, cwd=work)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def get(url, method="GET"):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url, method=method), timeout=30) as reply:
        return reply.read().decode()


# --- endpoints ------------------------------------------------------------------------------------------------------

class Endpoint:
    def __init__(self, url, process):
        self.url, self.base, self.process = url, url.removesuffix("/v1"), process

    def stats(self):
        """Of `sygra mock`."""
        return json.loads(get(self.base + "/__stats"))

    def accepted(self):
        """Of nginx: connections since its start, without those that ask."""
        return int(get(self.base + "/status").split("\n")[2].split()[0])


class Log:
    """What `sygra mock --log` wrote since the last look: requests in the order of their arrival, as (hash, seconds)."""

    def __init__(self, path):
        self.path, self.at = path, 0

    def look(self):
        time.sleep(0.3)  # the mock writes ten times a second
        with open(self.path) as f:
            f.seek(self.at)
            ends = [json.loads(line) for line in f.readlines()]
            self.at = f.tell()
        ends.sort(key=lambda e: e["t"] - e["ms"] / 1000)
        return [(e["hash"], e["ms"] / 1000) for e in ends]


@contextlib.contextmanager
def mock(work, *options, reply_bytes=REPLY_BYTES):
    command = [BIN, "mock", "--port", 0, "--reply_bytes", reply_bytes, *options]
    with server(command, work) as process:
        url = process.stdout.readline().strip()
        if not url.startswith("http://"):
            raise Failed("sygra mock does not start")
        yield Endpoint(url, process)


def completion():
    """The reply of nginx, of the same form and size as the mock's."""
    words = random.Random(2).choices(vocabulary(), k=REPLY_BYTES)
    frame = {"id": "chatcmpl-0123456789abcdef", "object": "chat.completion", "created": 1700000000, "model": "bench",
             "choices": [{"index": 0, "message": {"role": "assistant", "content": ""}, "logprobs": None,
                          "finish_reason": "stop"}],
             "usage": {"prompt_tokens": 500, "completion_tokens": 250, "total_tokens": 750}}
    frame["choices"][0]["message"]["content"] = " ".join(words)[:REPLY_BYTES - len(json.dumps(frame))].strip()
    return json.dumps(frame)


@contextlib.contextmanager
def nginx(work):
    port = free_port()
    text = string.Template((ROOT / "bench/nginx.conf").read_text())
    config = os.path.join(work, "nginx.conf")
    with open(config, "w") as f:
        f.write(text.substitute(port=port, dir=work, connections=raise_files() - 100, reply=completion()))
    with server(["nginx", "-e", os.path.join(work, "nginx.log"), "-p", work, "-c", config], work) as process:
        url = f"http://127.0.0.1:{port}/v1"
        for _ in range(100):
            with contextlib.suppress(OSError):
                get(f"http://127.0.0.1:{port}/status")
                break
            time.sleep(0.05)
        else:
            raise Failed("nginx does not start: see nginx.log")
        yield Endpoint(url, process)


# --- the engine -----------------------------------------------------------------------------------------------------

def vocabulary():
    r = random.Random(1)
    return ["".join(r.choices("abcdefghijklmnopqrstuvwxyz", k=r.randint(2, 9))) for _ in range(2000)]


def write_rows(path, count):
    """JSON Lines of ROW_BYTES each, all different."""
    r, words = random.Random(3), vocabulary()
    with open(path, "w") as f:
        for i in range(count):
            head = '{"id": %d, "text": "' % i
            text = " ".join(r.choices(words, k=ROW_BYTES // 5))[:ROW_BYTES - len(head) - 3]
            f.write(f'{head}{text}"}}\n')


class Call:
    """One run of the engine, checked: every record ended ok and stands in the output."""

    def __init__(self, ran, records, endpoint_stats=None):
        self.ran, self.records = ran, records
        try:
            self.summary = json.loads(ran.out.splitlines()[-1])
        except (IndexError, ValueError):
            self.summary = {}
        if ran.status != 0 or self.summary.get("ok") != records:
            raise Failed(f"sygra run ended with {ran.status}, {self.summary.get('ok')} of {records} ok: {ran.err[-600:]}")
        s = endpoint_stats or {}
        self.wall, self.rss = ran.wall, ran.rss
        self.cpu_us = ran.cpu / records * 1e6
        self.per_s = records / ran.wall
        self.in_flight = s.get("max_in_flight", self.summary["peak_calls_in_flight"])
        self.lag_p50, self.lag_p99 = self.summary["commit_lag_p50_ms"], self.summary["commit_lag_p99_ms"]
        self.held_back, self.sync_max = self.summary["held_back_ms"], self.summary["sync_max_ms"]
        self.first_ms = (s["first_request_ns"] - ran.started_ns) / 1e6 if s.get("first_request_ns") else None


def output_lines(path):
    with open(path, "rb") as f:
        return sum(block.count(b"\n") for block in iter(lambda: f.read(1 << 20), b""))


def engine(work, endpoint, records, in_flight, is_mock=True, journal=False, task=TASK):
    """`sygra run` over the first `records` rows of work/rows.jsonl; with `journal`, into a run folder as by default."""
    out = os.path.join(work, "out")
    shutil.rmtree(out, ignore_errors=True)
    before = 0 if is_mock else endpoint.accepted()
    if is_mock:
        get(endpoint.base + "/__reset", "POST")
    env = {**ENV, "SYGRA_BENCH_URL": endpoint.url}
    ran = run([BIN, "run", task, "-n", records, "-b", in_flight, "-od", out, "-owt", "False", "--seed", SEED, "--json",
               *([] if journal else ["--no-journal"])], work, env)
    call = Call(ran, records, endpoint.stats() if is_mock else None)
    call.connections = endpoint.stats()["max_connections"] if is_mock else endpoint.accepted() - before - 1
    path = os.path.join(work, call.summary["output"])
    lines = output_lines(path)
    if path.endswith(".jsonl") and lines != records:
        raise Failed(f"{lines} of {records} records are in the output")
    shutil.rmtree(out, ignore_errors=True)
    return call


# --- runs that are killed, and runs without end ---------------------------------------------------------------------


def folder_mb(path):
    """What its files take; some may go meanwhile."""
    total = 0
    for name in pathlib.Path(path).rglob("*"):
        with contextlib.suppress(OSError):
            total += name.stat().st_size
    return total / 1e6


def killed_run(work, endpoint, finished):
    """A run over work/short.jsonl that is killed once so many records are in its output. Returns (folder, seconds)."""
    out = os.path.join(work, "killed")
    started = time.monotonic()
    process = subprocess.Popen([BIN, "run", str(TASKS / "short"), "-n", "0", "-b", "1000", "-od", out, "-owt", "False", "--json"],
                               cwd=work, env={**ENV, "SYGRA_BENCH_URL": endpoint.url}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    lines, at = 0, 0
    while lines < finished:
        if process.poll() is not None:
            raise Failed(f"sygra run ended by itself, with {process.returncode}, after {lines} records")
        time.sleep(0.02)
        with contextlib.suppress(OSError), open(os.path.join(out, "output.part"), "rb") as f:
            if f.read(1) != b"{":  # an array still
                continue
            f.seek(at)
            for block in iter(lambda: f.read(1 << 22), b""):
                lines += block.count(b"\n")
                at += len(block)
    process.kill()
    process.wait()
    return out, time.monotonic() - started


def report_s(work, folder):
    """How long `sygra report` takes to make its page of a run's folder."""
    started = time.monotonic()
    with open(os.path.join(work, "report.html"), "wb") as out:
        subprocess.run([BIN, "report", os.path.join(folder, "output.run"), "--html"], env=ENV, stdout=out, check=True)
    return time.monotonic() - started


class Resumed:
    """A copy of a killed run, resumed to its end and checked."""

    def __init__(self, work, endpoint, folder, total):
        copy = os.path.join(work, "resumed")
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder, copy)
        run_folder = os.path.join(copy, "output.run")
        self.db_mb = os.path.getsize(os.path.join(run_folder, "run.db")) / 1e6
        self.before = json.loads(subprocess.run([BIN, "status", run_folder, "--json"], env=ENV, capture_output=True, check=True).stdout)["ok"]
        get(endpoint.base + "/__reset", "POST")
        ran = run([BIN, "resume", run_folder, "-b", 100, "--json"], work, {**ENV, "SYGRA_BENCH_URL": endpoint.url})
        call, stats = Call(ran, total, endpoint.stats()), endpoint.stats()
        if stats["requests"] > total - self.before:
            raise Failed(f"{stats['requests']} requests for {total - self.before} records")
        if output_lines(os.path.join(copy, "output.jsonl")) != total:
            raise Failed("the resumed output is not whole")
        self.first_ms, self.rss = call.first_ms, call.rss
        shutil.rmtree(copy)


Sample = collections.namedtuple("Sample", "records rss files folder_mb output_mb")


def piped_run(work, records):
    """A run over a named pipe; what it takes is looked at four times a second. Returns the samples."""
    pipe, out = os.path.join(work, "piped.jsonl"), os.path.join(work, "piped")
    os.mkfifo(pipe)
    command = [BIN, "run", str(TASKS / "pipe"), "-n", "0", "-b", "1000", "-od", out, "-owt", "False", "--json", "--keep", "outputs"]
    process = subprocess.Popen(command, cwd=work, env=ENV, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    def generate():
        with contextlib.suppress(BrokenPipeError), open(pipe, "w") as f:
            for first in range(0, records, 1000):
                f.write("".join(f'{{"id": {i}, "text": "a row that nobody keeps, number {i}"}}\n' for i in range(first, first + 1000)))

    writer = threading.Thread(target=generate, daemon=True)
    writer.start()
    samples, part, run_folder = [], os.path.join(out, "output.part"), os.path.join(out, "output.run")
    line_bytes = None
    while process.poll() is None:
        time.sleep(0.25)
        with contextlib.suppress(OSError, AttributeError):
            status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
            rss = int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) * 1024 / 1e6
            size = os.path.getsize(part)
            with open(part, "rb") as f:
                head = f.read(65536)
            if head[:1] == b"{" and line_bytes is None:
                line_bytes = len(head) / max(1, head.count(b"\n"))
            if line_bytes:
                samples.append(Sample(int(size / line_bytes), rss, len(os.listdir(f"/proc/{process.pid}/fd")), folder_mb(run_folder), size / 1e6))
    writer.join(5)
    summary = json.loads(process.stdout.read().splitlines()[-1])
    os.unlink(pipe)
    if process.returncode != 0 or summary["ok"] != records:
        raise Failed(f"the piped run ended with {process.returncode}, {summary.get('ok')} of {records} ok")
    if output_lines(os.path.join(out, "output.jsonl")) != records:
        raise Failed("the piped output is not whole")
    shutil.rmtree(out)
    return samples


def capture(work):
    """The engine's request as it is on the wire: (headers, body)."""
    got = {}

    def serve(listener):
        peer, _ = listener.accept()
        data = b""
        with peer:
            while b"\r\n\r\n" not in data:
                data += peer.recv(65536)
            head, body = data.split(b"\r\n\r\n", 1)
            length = int(re.search(rb"(?i)content-length: *(\d+)", head).group(1))
            while len(body) < length:
                body += peer.recv(65536)
            reply = completion().encode()
            peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(reply) + reply)
            got["head"], got["body"] = head.decode(), body.decode()
            peer.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        env = {**ENV, "SYGRA_BENCH_URL": f"http://127.0.0.1:{listener.getsockname()[1]}/v1"}
        out = os.path.join(work, "out")
        ran = run([BIN, "run", TASK, "-n", 1, "-od", out, "-owt", "False", "--seed", SEED, "--json", "--no-journal"],
                  work, env)
        Call(ran, 1)
        thread.join(10)
    headers = dict(line.split(": ", 1) for line in got["head"].split("\r\n")[1:])
    return {k: v for k, v in headers.items() if k.lower() not in ("host", "content-length")}, got["body"]


# --- wrk ------------------------------------------------------------------------------------------------------------

class Wrk:
    """`wrk -t1` with a request of its own making that has the same bytes as the engine's."""

    def __init__(self, work):
        self.work, self.script = work, os.path.join(work, "request.lua")
        headers, body = capture(work)
        self.body_bytes = len(body)
        with open(self.script, "w") as f:
            f.write('wrk.method = "POST"\n')
            f.writelines(f"wrk.headers[{json.dumps(k)}] = {json.dumps(v)}\n" for k, v in headers.items())
            f.write("wrk.body = [=[" + body + "]=]\n")

    def load(self, endpoint, connections, seconds):
        """CPU per request in microseconds, and requests."""
        ran = run(["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "60s", "-s", self.script,
                   endpoint.url + "/chat/completions"], self.work)
        count = re.search(r"(\d+) requests in", ran.out)
        errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+)", ran.out)
        if ran.status != 0 or not count or "Non-2xx" in ran.out or (errors and any(map(int, errors.groups()))):
            raise Failed(f"wrk: {ran.out}{ran.err}")
        return ran.cpu / int(count.group(1)) * 1e6, int(count.group(1))
