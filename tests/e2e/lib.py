# SPDX-License-Identifier: Apache-2.0
"""What end-to-end tests share: the binary, mock endpoints, task folders. Nothing here knows the engine's insides."""
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import textwrap
import threading
import urllib.request

BIN = os.path.abspath(os.environ.get("BIN", "build/sygra"))
ENV = {k: v for k, v in os.environ.items() if not k.startswith("SYGRA_") and not k.lower().endswith("_proxy")}


class Mock:
    """`sygra mock` on a free port; use as a context."""

    def __init__(self, *args):
        self.args = [str(a) for a in args]

    def __enter__(self):
        self.process = subprocess.Popen([BIN, "mock", "--port", "0", *self.args], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, env=ENV)
        self.url = self.process.stdout.readline().strip()
        assert self.url.startswith("http"), self.process.stderr.read()
        return self

    def stats(self):
        believe_all = ssl._create_unverified_context() if self.url.startswith("https") else None
        with urllib.request.urlopen(self.url.removesuffix("/v1") + "/__stats", timeout=10, context=believe_all) as reply:
            return json.load(reply)

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=20)
        assert self.process.returncode == 0, f"mock ended with {self.process.returncode}"


class Server:
    """A hand-made endpoint: `answer(socket, request bytes)` is called for each connection's first request."""

    def __init__(self, answer):
        self.answer = answer
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}/v1"
        self.connections = 0
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.one, args=(peer,), daemon=True).start()

    def one(self, peer):
        try:
            data = b""
            while b"\r\n\r\n" not in data:
                data += peer.recv(65536) or b"\r\n\r\n"
            self.answer(peer, data)
        except OSError:
            pass
        finally:
            peer.close()

    def close(self):
        self.listener.close()


def completion(text):
    """The bytes of a good reply."""
    body = json.dumps({"choices": [{"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
                       "usage": {"prompt_tokens": 1, "completion_tokens": 1}}).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


class Run:
    def __init__(self, done, folder):
        self.status, self.out, self.err, self.folder = done.returncode, done.stdout, done.stderr, folder

    def records(self, name="output"):
        array, lines = self.folder / f"{name}.json", self.folder / f"{name}.jsonl"
        if array.exists():
            return json.loads(array.read_text(), parse_float=str)
        return [json.loads(line, parse_float=str) for line in lines.read_text().splitlines()] if lines.exists() else []

    def failed(self):
        return self.records("output_failed")

    def summary(self):
        return json.loads(self.out.splitlines()[-1])

    def expect(self, status):
        assert self.status == status, f"exit status {self.status}, not {status}\n{self.out}\n{self.err}"
        assert "Sanitizer" not in self.err, self.err
        return self


class Task:
    """A task folder: graph_config.yaml, models.yaml with the model `m` at `url`, data rows."""

    def __init__(self, folder, graph, url="http://127.0.0.1:9/v1", rows=None, model=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.write("graph_config.yaml", graph)
        entry = {"model_type": "vllm", "url": url, "parameters": {"temperature": 0}, **(model or {})}
        self.write("models.yaml", json.dumps({"m": entry, "echo": {**entry, "model": "echo"}}))
        if rows is not None:
            self.write("data.jsonl", "".join(json.dumps(r) + "\n" for r in rows))

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, bytes):
            path.write_bytes(text)
        else:
            path.write_text(textwrap.dedent(text))
        return path

    def run(self, *args, env=None, cwd=None, timeout=120, prefix=()):
        command = [*prefix, BIN, "run", str(self.folder), "--output_with_ts", "False", "--seed", "7", *map(str, args)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, cwd=cwd, env={**ENV, **(env or {})})
        return Run(done, self.folder)

    def check(self, *args, env=None, cwd=None):
        done = subprocess.run([BIN, "check", str(self.folder), *map(str, args)], capture_output=True, text=True, timeout=60,
                              cwd=cwd, env={**ENV, **(env or {})})
        return Run(done, self.folder)


# One llm node over a JSON Lines file, the output map {id, answer}.
LINE = """
    data_config:
      source: {type: disk, file_path: data.jsonl}
    graph_config:
      nodes:
        ask:
          node_type: llm
          model: {name: MODEL}
          prompt:
            - user: "say {q}"
          output_keys: answer
      edges:
        - {from: START, to: ask}
        - {from: ask, to: END}
    output_config:
      output_map:
        id: {from: id}
        answer: {from: answer}
    """


def line(model="m"):
    return LINE.replace("MODEL", model)
