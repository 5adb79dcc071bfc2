#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How much CPU a call costs a Python host: a trivial post-processor over states of 2 kB, windows of 64; and one
that waits 5 ms.

    tests/hooks/bench.py [--calls N] [--hook NAME] [--profile]
"""
import argparse
import json
import os
import pathlib
import struct
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from client import PACKAGE, Client

HOOKS = '''
import time

class Post:
    def apply(self, response, state):
        return {"answer": response.message.content}

def post(response, state):
    return {"answer": response.content}

def whole(response, state):
    state["answer"] = response.content
    return state

def short(response):
    return {"answer": response.content}

async def later(response, state):
    return {"answer": response.content}

def waits(response, state):
    time.sleep(0.005)
    return {"answer": response.content}
'''
STATE = {"id": "a" * 64, "messages": [], "__chat_history__": [], "tags": ["x", "y"], "n": 7, "score": 0.25}
STATE.update({f"field_{i}": "Some words of a text, " * 10 for i in range(8)})
PROFILED = """
import cProfile, runpy, sys
sys.path[:0] = [{!r}]
cProfile.run('runpy.run_module("sygra.host", run_name="__main__")', {!r})
"""


def cpu_of(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(name, calls, args=None):
    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "bench_hooks.py").write_text(HOOKS)
        with Client(folder, args=args) as client:
            hook = client.hook(f"bench_hooks.{name}", "post")
            answer, state = (json.dumps(v).encode() for v in ({"role": "assistant", "content": "An answer. " * 20}, STATE))
            batch = b"".join(
                struct.pack("<I", 1 + len(p)) + b"C" + p
                for p in (client.call_payload(i, hook, answer, state, i) for i in range(1, 33))
            )
            cpu, start = cpu_of(client.process.pid), time.monotonic()
            client.sock.sendall(batch)
            for _ in range(calls // 32 - 1):
                client.sock.sendall(batch)
                skip(client, 32)
            skip(client, 32)
            wall, cpu = time.monotonic() - start, cpu_of(client.process.pid) - cpu
            client.end()
            cost = f"{calls / wall:8.0f} calls/s, {1e6 * cpu / calls:5.1f} us of CPU a call"
            print(f"{name:8} {len(state)} bytes of state: {cost}")


def skip(client, frames):
    """Answers are counted, not looked into."""
    data = client._data
    while True:
        at = 0
        while frames and len(data) - at >= 4:
            length = struct.unpack_from("<I", data, at)[0] + 4
            if len(data) - at < length:
                break
            frames -= data[at + 4 : at + 5] in (b"r", b"e")
            assert data[at + 4 : at + 5] != b"e", data[at : at + 300]
            at += length
        data = data[at:]
        if not frames:
            client._data = data
            return
        data += client.sock.recv(1 << 18)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=64000)
    parser.add_argument("--hook", default=None)
    parser.add_argument("--profile", help="a file for cProfile's figures")
    options = parser.parse_args()
    args = ["-c", PROFILED.format(PACKAGE, options.profile)] if options.profile else None
    for name in [options.hook] if options.hook else ["post", "Post", "whole", "short", "later", "waits"]:
        measure(name, options.calls // 10 if name == "waits" else options.calls, args)


if __name__ == "__main__":
    main()
