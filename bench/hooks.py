# SPDX-License-Identifier: Apache-2.0
"""Part `hooks` of bench/run: what Python hooks cost."""
import json
import os
import shutil
import statistics
import subprocess
import sys

from measure import BIN, ENV, REPLY_BYTES, ROOT, SEED, TASKS, Call, Failed, get, mock, nginx, run

TASK = TASKS / "hooks"
DRIVER = ROOT / "build/release/drivers/hooks_driver"
HOSTS, AT_A_TIME, STATE_BYTES = 2, 128, 2000
CALLS, RECORDS, IN_FLIGHT = 100_000, 30_000, 200


def state_of(size):
    state = {"id": 1, "messages": [], "tags": ["x", "y"], **{f"field_{i}": "" for i in range(8)}}
    each = (size - len(json.dumps(state))) // 8
    return json.dumps({k: ("some words of a text, " * 100)[:each] if k.startswith("field") else v for k, v in state.items()})


def round_trips(b):
    """(calls a second, engine's CPU us a call, MB of a host)."""
    response = json.dumps({"role": "assistant", "content": "An answer. " * 20})
    command = [DRIVER, BIN, TASK, "bench_hooks.short", CALLS, AT_A_TIME, HOSTS, response, state_of(STATE_BYTES)]
    ran = run(command, b.work, {**ENV, "VIRTUAL_ENV": sys.prefix})
    if ran.status != 0:
        raise Failed(f"hooks_driver ended with {ran.status}: {ran.err[-600:]}")
    said = json.loads(ran.out)
    return said["per_s"], said["engine_us"], said["peak_bytes"] / 1e6 / said["hosts"]


def one_run(b, endpoint, records, in_flight, is_mock):
    out = os.path.join(b.work, "out")
    shutil.rmtree(out, ignore_errors=True)
    if is_mock:
        get(endpoint.base + "/__reset", "POST")
    ran = run([BIN, "run", TASK, "-n", records, "-b", in_flight, "-od", out, "-owt", "False", "--seed", SEED, "--json",
               "--python", sys.executable], b.work, {**ENV, "SYGRA_BENCH_URL": endpoint.url, "PYTHONPATH": str(TASK)})
    shutil.rmtree(out, ignore_errors=True)
    return Call(ran, records, endpoint.stats() if is_mock else None)


def part_hooks(b):
    """CPU is that of engine and hosts together, which end before it does."""
    subprocess.run([ROOT / "scripts/build", "release", "hooks_driver"], check=True)
    trips = [round_trips(b) for _ in range(b.sizes["trials"])]
    with nginx(b.work) as endpoint:
        calls = [one_run(b, endpoint, RECORDS, IN_FLIGHT, False) for _ in range(b.sizes["trials"])]
    with mock(b.work, reply_bytes=REPLY_BYTES) as endpoint:
        first = [one_run(b, endpoint, 100, 100, True).first_ms for _ in range(b.sizes["starts"])]
    hosts = [c.summary["hosts"][0] for c in calls]
    per_host = statistics.median(h["peak_bytes"] / 1e6 / h["most"] for h in hosts)
    per_s, engine_us, idle_mb = (statistics.median(column) for column in zip(*trips))
    cpu_us = statistics.median(c.cpu_us for c in calls)
    b.table(f"Python hooks: Python {sys.version.split()[0]}, {HOSTS} hosts", "what", "measured")
    b.row(f"round trips/s of a trivial post-processor, states of {STATE_BYTES:,} bytes, {AT_A_TIME} at a time", f"{per_s:,.0f}")
    b.row("of them: CPU of the engine, us a call", f"{engine_us:.1f}")
    b.row(f"CPU us a record of all processes, one call on nginx, pre- and post-processor, {IN_FLIGHT} in flight", f"{cpu_us:.1f}")
    b.row("records/s of that run", f"{statistics.median(c.per_s for c in calls):,.0f}")
    b.row("first request, ms", f"{statistics.median(first):.0f}")
    b.row("memory of a host, MB", f"{idle_mb:.0f} to {per_host:.0f}")
    b.keep("hooks", round_trips=trips, cpu_us=[c.cpu_us for c in calls], first_ms=first, hosts=hosts)
    b.figure(f"hook round trips/s over {HOSTS} hosts", 20_000, per_s, "", 0, at_least=True)
    b.figure("CPU a record with two Python hooks, all processes", 250, cpu_us, " us")
    b.figure("first request of a task with Python hooks", 500, statistics.median(first), " ms", 0)
    b.figure("memory of a Python host", 100, per_host, " MB", 0)
