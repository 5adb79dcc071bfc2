# SPDX-License-Identifier: Apache-2.0
"""The part `tls` of bench/run: what https costs, in CPU against wrk and in memory, and over HTTP/2.

CPU is that of whole runs, handshakes included, as with plain HTTP. wrk does not look at certificates; the engine does. The
certificates are made for each run by tests/certificates.sh."""
import contextlib
import os
import statistics
import string
import subprocess
import time

import measure
from measure import BIN, REPLY_BYTES, ROOT, Endpoint, Failed, Wrk, completion, engine, free_port, get, raise_files, server

CONNECTIONS, LATENCY_S = 1000, 2.0
FULL = {"records": 200000, "memory": 20000, "rounds": 5, "trials": 3}
QUICK = {"records": 60000, "memory": 10000, "rounds": 2, "trials": 1}

PLAIN = "listen 127.0.0.1:${port} backlog=65535;"
TLS = """
        listen 127.0.0.1:${tls_port} ssl ${http2} backlog=65535;
        ssl_certificate ${dir}/certificates/good.pem;
        ssl_certificate_key ${dir}/certificates/good.key;
        ssl_protocols TLSv1.2 TLSv1.3;"""


@contextlib.contextmanager
def authority(work):
    """The engine, and this program, trust what is made in the folder."""
    folder = os.path.join(work, "certificates")
    subprocess.run([ROOT / "tests/certificates.sh", folder], check=True)
    before = os.environ.get("SSL_CERT_FILE"), measure.ENV.get("SSL_CERT_FILE")
    os.environ["SSL_CERT_FILE"] = measure.ENV["SSL_CERT_FILE"] = os.path.join(folder, "ca.pem")
    try:
        yield folder
    finally:
        for env, value in zip((os.environ, measure.ENV), before):
            if value is None:
                del env["SSL_CERT_FILE"]
            else:
                env["SSL_CERT_FILE"] = value


@contextlib.contextmanager
def nginx_tls(work, http2=False):
    """bench/nginx.conf with a second port that speaks TLS; its counters stay at the first one."""
    port, tls_port = free_port(), free_port()
    text = (ROOT / "bench/nginx.conf").read_text()
    if PLAIN not in text:
        raise Failed("bench/nginx.conf has no line to put TLS behind")
    config = os.path.join(work, "nginx-tls.conf")
    with open(config, "w") as f:
        f.write(string.Template(text.replace(PLAIN, PLAIN + TLS)).substitute(
            port=port, tls_port=tls_port, http2="http2" if http2 else "", dir=work, connections=raise_files() - 100, reply=completion()))
    with server(["nginx", "-e", os.path.join(work, "nginx.log"), "-p", work, "-c", config], work) as process:
        endpoint = Endpoint(f"https://127.0.0.1:{tls_port}/v1", process)
        endpoint.base = f"http://127.0.0.1:{port}"
        wait_until_up(endpoint)
        yield endpoint


def wait_until_up(endpoint):
    for _ in range(100):
        with contextlib.suppress(OSError):
            return get(endpoint.base + "/status")
        time.sleep(0.05)
    raise Failed("nginx does not start: see nginx.log")


@contextlib.contextmanager
def mock_tls(work, folder, *options):
    command = [BIN, "mock", "--port", 0, "--reply_bytes", REPLY_BYTES, "--tls_cert", os.path.join(folder, "good.pem"),
               "--tls_key", os.path.join(folder, "good.key"), *options]
    with server(command, work) as process:
        url = process.stdout.readline().strip()
        if not url.startswith("https://"):
            raise Failed("sygra mock does not start")
        yield Endpoint(url, process)


def spread(values, digits=1):
    text = f"{statistics.median(values):,.{digits}f}"
    return text if len(values) == 1 else f"{text} ({min(values):,.{digits}f}-{max(values):,.{digits}f})"


def cost(b, size):
    b.table(f"https: CPU a call on nginx, against `wrk -t1`, {CONNECTIONS:,} connections", "records", "wrk us", "engine us",
            "of it user", "ratios, round by round", "median ratio", "engine calls/s", "peak RSS MB", "engine's connections")
    wrk, rounds, seconds = Wrk(b.work), [], 10  # the handshakes of both count, so wrk needs time, too
    with nginx_tls(b.work) as endpoint:
        for _ in range(size["rounds"]):
            wrk_us, _ = wrk.load(endpoint, CONNECTIONS, seconds)
            call = engine(b.work, endpoint, size["records"], CONNECTIONS, is_mock=False)
            seconds = call.wall
            rounds.append((wrk_us, call, call.cpu_us / wrk_us))
    calls, ratios = [c for _, c, _ in rounds], [r for _, _, r in rounds]
    b.row(f"{size['records']:,}", spread([w for w, _, _ in rounds]), spread([c.cpu_us for c in calls]),
          spread([c.ran.user / c.records * 1e6 for c in calls]), ", ".join(f"{r:.2f}" for r in ratios),
          f"**{statistics.median(ratios):.2f}**", spread([c.per_s for c in calls], 0), spread([c.rss for c in calls]),
          spread([c.connections for c in calls], 0))
    b.keep("tls", rounds=[{"wrk_us": w, "engine_us": c.cpu_us, "ratio": r, "per_s": c.per_s, "rss": c.rss}
                          for w, c, r in rounds])
    b.figure(f"https: CPU a call / wrk, {CONNECTIONS:,} connections", 1.5, statistics.median(ratios), " x", 2)


def http2(b, size):
    """Rounds of both, as values of different minutes cannot be compared."""
    b.table("https: HTTP/2 against HTTP/1.1 on nginx", "in flight", "records", "HTTP/1.1 us", "HTTP/2 us", "median ratio",
            "HTTP/2 connections", "peak RSS MB")
    for level in (CONNECTIONS, 5000):
        pairs = []
        for _ in range(size["trials"]):
            with nginx_tls(b.work) as endpoint:
                one = engine(b.work, endpoint, size["records"], level, is_mock=False)
            with nginx_tls(b.work, http2=True) as endpoint:
                pairs.append((one, engine(b.work, endpoint, size["records"], level, is_mock=False)))
        two, ratio = [t for _, t in pairs], statistics.median(t.cpu_us / o.cpu_us for o, t in pairs)
        b.row(f"{level:,}", f"{size['records']:,}", spread([o.cpu_us for o, _ in pairs]), spread([t.cpu_us for t in two]),
              f"**{ratio:.2f}**", spread([t.connections for t in two], 0), spread([t.rss for t in two]))
        b.keep("http2", in_flight=level, rounds=[{"http1_us": o.cpu_us, "http2_us": t.cpu_us, "connections": t.connections,
                                                  "rss": t.rss} for o, t in pairs])
        b.figure(f"HTTP/2: CPU a call / HTTP/1.1, {level:,} in flight", 1.0, ratio, " x", 2)
    b.figure("HTTP/2: connections, 5,000 in flight", 64, max(t.connections for t in two), "", 0)


def memory(b, size, folder):
    b.table("https: memory, 5,000 in flight", "records", "peak RSS MB", "most in flight")
    with mock_tls(b.work, folder, "--latency_ms", LATENCY_S * 1000) as endpoint:
        calls = [engine(b.work, endpoint, size["memory"], 5000) for _ in range(size["trials"])]
    b.row(f"{size['memory']:,}", spread([c.rss for c in calls]), f"{max(c.in_flight for c in calls):,}")
    b.keep("tls", at_5000=[c.rss for c in calls])
    b.figure("https: peak RSS, 5,000 in flight", 200, statistics.median([c.rss for c in calls]), " MB")


def part_tls(b):
    size = QUICK if b.sizes["trials"] == 1 else FULL
    with authority(b.work) as folder:
        cost(b, size)
        http2(b, size)
        memory(b, size, folder)
