#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Plants a canary in every place that holds a secret, lets the endpoint blurt all of them out, and looks for them afterwards.

    BIN=build/asan/sygra tests/crash/canaries.py [WORD...] [--keep FOLDER]     only scenes whose name holds one of the words

A scene is a task whose model gets its token in one way (environment, .env, models.yaml, header...). Every command that reads it is
run: check, graph, run, a kill, status, resume, records, retry, fsck, with --json and --debug True, too. The endpoint answers each
row with another kind of complaint that repeats every header it got. Then no canary, nor a piece of 12 characters of one, as it
is or in base64, URL, hexadecimal or JSON form, may be in what was printed, nor in any file below the folder that this test has
not written itself. The last line is `N passed, N failed`.
"""
import argparse
import base64
import binascii
import http.server
import json
import os
import pathlib
import random
import signal
import string
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
from lib import BIN, ENV  # noqa: E402
from screen import Terminal  # noqa: E402

PIECE = 12  # characters of a secret that must not come out; what is shorter is no secret (design D14)
SLOW_S = 0.15
RANDOM = random.SystemRandom()


def canary(extra=""):
    """Every piece of it is found nowhere else."""
    return "".join(RANDOM.choices(string.ascii_letters + string.digits, k=40)) + extra


# --- the endpoint that cannot keep a secret -------------------------------------------------------------------------------


class Blurter(http.server.BaseHTTPRequestHandler):
    """Answers as the prompt says. `seen` gets all header values."""

    protocol_version = "HTTP/1.1"
    seen = []

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        words = body["messages"][-1]["content"].split()
        type(self).seen.append(str(self.headers) + json.dumps(body))
        getattr(self, words[0])("; ".join(f"{k}: {v}" for k, v in self.headers.items()) + " " + json.dumps(body))

    def reply(self, status, body, phrase=None):
        data = body.encode("utf-8", "replace")
        self.send_response(status, phrase)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def good(self, _):
        time.sleep(SLOW_S)
        self.reply(200, json.dumps({"choices": [{"message": {"role": "assistant", "content": "fine"}, "finish_reason": "stop"}]}))

    def refuse(self, all_of_it):
        self.reply(401, json.dumps({"error": {"message": "bad key " + all_of_it, "type": all_of_it, "code": all_of_it}}))

    def fail(self, all_of_it):
        self.reply(500, json.dumps({"error": "cannot serve " + all_of_it}))

    def limit(self, all_of_it):
        self.reply(429, json.dumps({"message": all_of_it, "detail": [{"msg": all_of_it}]}))

    def html(self, all_of_it):
        self.reply(200, f"<html><body>{all_of_it}</body></html>")

    def object(self, all_of_it):
        self.reply(200, json.dumps({"error": {"message": all_of_it}}))

    def wrong(self, all_of_it):
        self.reply(200, json.dumps({"choices": [{"message": {"content": {"oops": all_of_it}}}], all_of_it: all_of_it}))

    def phrase(self, all_of_it):
        self.reply(403, "", phrase=all_of_it.replace("\r", " ").replace("\n", " "))

    def text(self, all_of_it):
        self.reply(400, all_of_it)

    def cut(self, all_of_it):
        """A message of every length, so that what shortens it would cut a token in the middle."""
        fill = "x" * RANDOM.randrange(0, 2000)
        self.reply(400, json.dumps({"error": {"message": fill + " " + all_of_it * 20}}))

    def no_http(self, all_of_it):
        self.wfile.write((all_of_it + "\r\n\r\n").encode())
        self.close_connection = True

    def bad_header(self, all_of_it):
        self.wfile.write(f"HTTP/1.1 200 OK\r\nContent-Length: {all_of_it[:200]}\r\n\r\n".encode())
        self.close_connection = True

    def moved(self, all_of_it):
        self.send_response(302)
        self.send_header("Location", "http://127.0.0.1:9/" + urllib.parse.quote(all_of_it))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


COMPLAINTS = ["refuse", "fail", "limit", "html", "object", "wrong", "phrase", "text", "no_http", "bad_header", "moved"] + ["cut"] * 12


# --- scenes ---------------------------------------------------------------------------------------------------------------


GRAPH = """
data_config:
  source:
    type: disk
    file_path: task/data.jsonl
    token: SOURCE_TOKEN
    password: SOURCE_PASSWORD
graph_config:
  nodes:
    nosy:
      node_type: lambda
      lambda: {jq: "{environment: ($ENV | tojson), again: (env | tojson)}"}
      output_keys: [environment, again]
    ask:
      node_type: llm
      model: MODEL
      prompt: [{user: "{do} {id}"}]
      output_keys: answer
  edges:
    - {from: START, to: nosy}
    - {from: nosy, to: ask}
    - {from: ask, to: END}
"""

BYSTANDERS = ["HF_TOKEN", "SYGRA_HF_TOKEN", "SNOW_PASSWORD", "SNOW_OAUTH_CLIENT_SECRET", "OPENAI_API_KEY", "SYGRA_OTHER_TOKEN",
              "SYGRA_OTHER_AWS_SECRET_ACCESS_KEY", "SYGRA_M_AWS_SECRET_ACCESS_KEY", "SYGRA_OTHER_VERTEX_CREDENTIALS"]


class Scene:
    """A working directory with a task, run in all ways. `sent`: canaries that the endpoint must get."""

    def __init__(self, folder, url):
        self.folder, self.url, self.canaries, self.sent, self.own, self.printed = folder, url, {}, [], set(), []
        self.env = {**ENV, "SYGRA_M_URL": url, **{name: self.plant(name) for name in BYSTANDERS}}
        self.model = {"name": "m"}
        self.entry = {"model_type": "vllm", "parameters": {"temperature": 0}, "retry_attempts": 2}
        self.dotenv = "SYGRA_THIRD_TOKEN=%s\nSYGRA_THIRD_URL=%s\n" % (self.plant("dotenv"), url)

    def plant(self, name, extra="", sent=False):
        self.canaries[name] = canary(extra)
        if sent:
            self.sent.append(name)
        return self.canaries[name]

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        self.own.add(path)

    def lay_out(self):
        graph = GRAPH.replace("MODEL", json.dumps(self.model))
        for name in ("SOURCE_TOKEN", "SOURCE_PASSWORD"):
            graph = graph.replace(name, self.plant(name))
        rows = [{"id": i, "do": do} for i, do in enumerate(COMPLAINTS + ["good"] * 20)]
        self.write("task/graph_config.yaml", graph)
        self.write("mistaken/graph_config.yaml", graph.replace('"name": "m"', '"name": "m", "retry_attempt": many').replace(
            "    token:", "    tokem: 1\n    token:"))
        self.write("task/data.jsonl", "".join(json.dumps(r) + "\n" for r in rows))
        self.write("models.yaml", json.dumps({"m": self.entry}, indent=1))
        self.write(".env", self.dotenv)

    def sygra(self, *args, statuses, kill_after=None):
        """Runs a command, and kills it when the file has come that is named."""
        command = [BIN, *map(str, args)]
        p = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=self.folder, env=self.env)
        if kill_after:
            deadline = time.monotonic() + 20
            while p.poll() is None and not kill_after() and time.monotonic() < deadline:
                time.sleep(0.005)
            p.kill()
        out, err = p.communicate(timeout=100)
        self.printed.append((" ".join(command[1:]), out + err))
        assert p.returncode in statuses, f"{' '.join(command)}: status {p.returncode}\n{out.decode()}\n{err.decode()}"

    def watch(self, *args, statuses):
        """Runs a command on a terminal, which is wide enough for whole messages in the panel."""
        with Terminal([BIN, *args], 1000, 50, cwd=self.folder, env={**self.env, "TERM": "xterm", "LANG": "C.UTF-8"}) as t:
            status = t.finish(100)
        self.printed.append((" ".join(map(str, args)) + " (on a terminal)", t.bytes))
        assert status in statuses and b"elapsed" in t.bytes, f"{args}: status {status}\n{t.screen.text()}"

    def play(self):
        self.lay_out()
        run = ("run", "task", "-n", 0, "--output_with_ts", "False", "-b", 8, "--seed", 1)
        for more in ([], ["--json"], ["--origins"], ["--reference"]):
            self.sygra("check", "task", *more, statuses=(0,))
            self.sygra("check", "mistaken", *more, statuses=(0, 1))
        for more in ([], ["--json"]):
            self.sygra("graph", "task", *more, statuses=(0,))
            self.sygra("graph", "mistaken", *more, statuses=(1,))
        self.sygra("run", "mistaken", statuses=(1,))
        self.sygra(*run, "--debug", "True", "-od", "first", statuses=(3,))
        self.sygra(*run, "--json", "--debug", "True", "-od", "second", "--keep", "all", statuses=(3,))
        part = self.folder / "third/output.part"
        self.sygra(*run, "-od", "third", "--keep", "all", kill_after=lambda: part.exists() and part.stat().st_size > 10, statuses=(-signal.SIGKILL,))
        third = self.folder / "third/output.run"
        for more in ([], ["--json"]):
            self.sygra("status", third, *more, statuses=(0,))
        self.sygra("fsck", third, statuses=(0,))
        self.sygra("resume", third, "--json", statuses=(3,))
        for more in ([], ["--json"]):
            self.sygra("records", third, "--failed", *more, statuses=(0,))
            self.sygra("records", third, "--slow", *more, statuses=(0,))
            self.sygra("sql", third, "select * from replies", *more, statuses=(0,))
            self.sygra("why", "third/output_failed.jsonl:1", *more, statuses=(0,))
            self.sygra("export", third, "--failed", "--to", "exported.csv", *more, statuses=(0,))
            self.sygra("status", third, *more, statuses=(0,))
        for more in ([], ["--json"], ["--html"]):
            self.sygra("report", third, *more, statuses=(0,))
        self.sygra("retry", third, statuses=(3,))
        self.watch(*run, "-od", "fourth", statuses=(3,))

    # --- looking ---

    def traces(self, data):
        """Names of canaries of which a piece is in the bytes, in some form."""
        return [f"{name} ({form})" for name, value in self.canaries.items() for form, text in forms(value) if text in data]

    def found(self):
        places = [(f"what `sygra {command}` prints", data) for command, data in self.printed]
        places += [(f"the file {p.relative_to(self.folder)}", p.read_bytes()) for p in sorted(self.folder.rglob("*"))
                   if p.is_file() and p not in self.own]
        return [f"{place} holds {', '.join(traces)}" for place, data in places if (traces := self.traces(data))], len(places)


def forms(value):
    """Pieces of a secret in the forms in which it could come out."""
    pieces = {"its start": value[:PIECE], "its middle": value[len(value) // 2 - PIECE // 2:][:PIECE], "its end": value[-PIECE:]}
    for which, piece in pieces.items():
        yield which, piece.encode()
    raw = value.encode()
    for shift in range(3):  # where it stands in a longer text decides its base64
        inner = base64.b64encode(b"x" * shift + raw)[4:-4]
        yield f"base64 {shift}", inner[:24]
    yield "base64, URL form", base64.urlsafe_b64encode(raw)[:24]
    yield "hexadecimal", binascii.hexlify(raw)[:24]
    yield "JSON", json.dumps(value)[1:-1].encode()
    yield "URL form", urllib.parse.quote(value, safe="").encode()


def scene_a_token_in_the_environment(s):
    s.env["SYGRA_M_TOKEN"] = s.plant("SYGRA_M_TOKEN", sent=True)


def scene_a_token_under_its_long_name(s):
    s.env["SYGRA_M_AUTH_TOKEN"] = s.plant("SYGRA_M_AUTH_TOKEN", sent=True)


def scene_a_list_of_tokens_in_dotenv(s):
    s.dotenv += f"SYGRA_M_URL={s.url}|{s.url}\nSYGRA_M_TOKEN=\"{s.plant('one', sent=True)}|{s.plant('two', sent=True)}\"\n"
    s.env["SYGRA_M_TOKEN"] = s.plant("beaten")


def scene_a_token_with_its_bearer_in_models_yaml(s):
    s.entry["auth_token"] = "Bearer " + s.plant("auth_token", sent=True)


def scene_a_list_of_tokens_in_models_yaml(s):
    s.entry.update(url=[s.url, s.url], auth_token=[s.plant("one", sent=True), s.plant("two", sent=True)])
    del s.env["SYGRA_M_URL"]


def scene_a_token_in_the_graph_itself(s):
    s.model["auth_token"] = s.plant("auth_token", sent=True)


def scene_secret_headers(s):
    s.entry["extra_headers"] = {"Authorization": "Basic " + s.plant("Authorization", sent=True), "X-Api-Key": s.plant("X-Api-Key", sent=True),
                                "api-key": s.plant("api-key", sent=True), "X-Access-Token": s.plant("X-Access-Token", sent=True)}


def scene_redirects_that_are_followed(s):
    s.entry["follow_redirects"] = True
    s.env["SYGRA_M_TOKEN"] = s.plant("SYGRA_M_TOKEN", extra='"\\/<&>+=%' + canary(), sent=True)


def scene_a_token_with_marks_that_texts_escape(s):
    s.env["SYGRA_M_TOKEN"] = s.plant("SYGRA_M_TOKEN", extra='"\\/<&>+=%' + canary(), sent=True)


def scene_a_token_for_another_address(s):
    s.env["SYGRA_M_TOKEN"] = s.plant("SYGRA_M_TOKEN")
    s.env["SYGRA_M_URL"] = "http://127.0.0.1:9/v1"
    s.model.update(url=s.url)


def scene_a_secret_parameter(s):
    s.entry["parameters"]["extra_body"] = {"api_key": s.plant("api_key", sent=True)}


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, *_):
        """Whoever is killed hangs up."""


def play(scene, folder):
    """Yields (what, problems)."""
    server = Server(("127.0.0.1", 0), type("Own", (Blurter,), {"seen": []}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    folder.mkdir(parents=True)
    s = Scene(folder, f"http://127.0.0.1:{server.server_address[1]}/v1")
    scene(s)
    try:
        s.play()
        broken = []
    except Exception:
        broken = [traceback.format_exc()]
    server.shutdown()
    server.server_close()
    name = scene.__name__.removeprefix("scene_").replace("_", " ")
    yield f"{name}: every command runs", broken
    seen = "".join(server.RequestHandlerClass.seen)
    yield f"{name}: the endpoint got it", [f"not {n}" for n in s.sent if s.canaries[n] not in seen and json.dumps(s.canaries[n])[1:-1] not in seen]
    if unsent := [n for n in s.canaries if n not in s.sent and s.canaries[n] in seen]:
        yield f"{name}: the endpoint got nothing else", unsent
    problems, looked_at = s.found()
    yield f"{name}: it is in none of {looked_at} outputs and files", problems


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*")
    parser.add_argument("--keep", metavar="FOLDER", help="work there, and leave it behind")
    args = parser.parse_args()
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="sygra-canaries-") as place:
        for name, scene in list(globals().items()):
            if not name.startswith("scene_") or not any(w in name for w in args.words or [""]):
                continue
            for what, problems in play(scene, pathlib.Path(args.keep or place) / name):
                print(f"{'FAIL' if problems else 'ok  '} {what}", flush=True)
                for p in problems:
                    print("     " + p.replace("\n", "\n     "))
                passed, failed = passed + (not problems), failed + bool(problems)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
