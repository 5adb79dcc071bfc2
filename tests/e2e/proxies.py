# SPDX-License-Identifier: Apache-2.0
"""Proxies, redirects and HTTP/2 without TLS. Endpoints behind a proxy have names that only the proxy knows: one.example is in
the certificate `elsewhere` of tests/certificates.sh."""
import json
import signal
import subprocess
import threading
import time

from lib import BIN, ENV, Mock, Server, Task, completion, line
from panel import check_event
from proxy_server import Proxy
from tls import CA, FOLDER, NO_SYSTEM, Http2, Peer, tls_mock

TOKEN = "canary-0123456789abcdef"
ONCE = {"retry_attempts": 1}


def rows(n):
    return [{"id": i, "q": f"question {i}"} for i in range(n)]


def behind(url, host="one.example"):
    return url.replace("127.0.0.1", host)


def env(**variables):
    return {**NO_SYSTEM, **variables}


def all_answered(run, n):
    run.expect(0)
    assert len(run.records()) == n, run.records()
    return run


def failed(run, error, *words):
    for f in run.expect(3).failed():
        assert f["error"] == error, f
        for word in words:
            assert word in f["message"], (word, f["message"])
    return run


# --- which way ----------------------------------------------------------------------------------------------------------

def test_https_goes_through_a_tunnel_and_its_certificate_is_checked(folder):
    with tls_mock("elsewhere") as mock, Proxy() as proxy:
        task = Task(folder / "own", line(), behind(mock.url), rows(40), {**CA, **ONCE, "auth_token": TOKEN})
        all_answered(task.run("-n", 0, "-b", 8, env=env(HTTPS_PROXY=proxy.url)), 40)
        assert {m for m, _, _ in proxy.asked} == {"CONNECT"} and TOKEN not in str(proxy.asked), proxy.asked[:2]
        assert proxy.connections <= 8, proxy.connections
        task = Task(folder / "stranger", line(), behind(mock.url), rows(1), ONCE)
        failed(task.run(env=env(HTTPS_PROXY=proxy.url)), "tls", "one.example", "ssl_ca", "SSL_CERT_FILE")
        task = Task(folder / "other", line(), behind(mock.url, "three.example"), rows(1), {**CA, **ONCE})
        failed(task.run(env=env(HTTPS_PROXY=proxy.url)), "tls", "three.example")
        task = Task(folder / "unchecked", line(), behind(mock.url, "three.example"), rows(1), {"ssl_verify": False})
        all_answered(task.run(env=env(HTTPS_PROXY=proxy.url)), 1)


def test_http_is_passed_on_by_the_proxy(folder):
    for i, variable in enumerate(("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy")):
        with Mock() as mock, Proxy() as proxy:
            task = Task(folder / str(i), line(), behind(mock.url), rows(5), {"auth_token": TOKEN})
            run = all_answered(task.run("-n", 0, env=env(**{variable: proxy.url})), 5)
            assert "through a proxy" in run.err and proxy.url in run.err and variable in run.err, run.err
            method, target, head = proxy.asked[0]
            assert method == "POST" and target.endswith("/v1/chat/completions") and "one.example" in target, target
            assert f"Authorization: Bearer {TOKEN}" in head


def test_a_proxy_of_one_scheme_is_not_for_the_other(folder):
    with Mock() as mock, Proxy() as proxy:
        task = Task(folder, line(), behind(mock.url), rows(1), ONCE)
        failed(task.run(env=env(HTTPS_PROXY=proxy.url)), "resolve", "one.example")
        assert proxy.connections == 0


def test_the_dotenv_names_a_proxy_and_beats_the_environment(folder):
    with Mock() as mock, Proxy() as proxy, Proxy(refuse=403) as other:
        task = Task(folder, line(), behind(mock.url), rows(1), ONCE)
        task.write(".env", f"HTTP_PROXY={proxy.url}\n")
        all_answered(task.run(env=env(http_proxy=other.url), cwd=folder), 1)
        task.write(".env", "HTTP_PROXY=\n")
        failed(task.run(env=env(HTTP_PROXY=proxy.url), cwd=folder), "resolve")


def test_no_proxy_makes_exceptions_and_this_machine_is_one(folder):
    with Mock() as mock, Proxy() as proxy:
        for i, url in enumerate((mock.url, mock.url.replace("127.0.0.1", "localhost"))):
            all_answered(Task(folder / str(i), line(), url, rows(3)).run(env=env(HTTP_PROXY=proxy.url)), 3)
        for i, exception in enumerate(("one.example", ".example", "*", "a.b, example", behind(mock.url).split("/")[2])):
            task = Task(folder / f"no-{i}", line(), behind(mock.url), rows(1), ONCE)
            failed(task.run(env=env(HTTP_PROXY=proxy.url, NO_PROXY=exception)), "resolve", "one.example")
        assert proxy.connections == 0
        task = Task(folder / "else", line(), behind(mock.url), rows(1))
        all_answered(task.run(env=env(HTTP_PROXY=proxy.url, no_proxy="ne.example,one.example:9,two.example")), 1)


def test_a_proxy_may_be_asked_over_tls_or_speak_socks(folder):
    tls = (FOLDER / "good.pem", FOLDER / "good.key")
    with tls_mock("elsewhere") as mock, Proxy(tls=tls) as secure, Proxy(socks=True, user="me:secret") as socks:
        task = Task(folder, line(), behind(mock.url), rows(3), {**CA, **ONCE})
        all_answered(task.run(env=env(HTTPS_PROXY=secure.url)), 3)
        all_answered(task.run(env=env(HTTPS_PROXY=socks.url.replace("//", "//me:secret@"))), 3)
        assert socks.asked[0][1].startswith("one.example:"), socks.asked
        failed(task.run(env=env(HTTPS_PROXY=socks.url.replace("//", "//me:wrong@"))), "status", "refuses the user and password")
    with tls_mock("elsewhere") as mock, Proxy(tls=(FOLDER / "expired.pem", FOLDER / "expired.key")) as secure:
        task = Task(folder / "expired", line(), behind(mock.url), rows(1), {**CA, **ONCE})
        failed(task.run(env=env(HTTPS_PROXY=secure.url)), "tls", "certificate of the proxy " + secure.url, "expired")


def test_the_way_through_a_proxy_is_an_event(folder):
    with Mock() as mock, Proxy(user="me:canary-secret") as proxy:
        given = proxy.url.replace("//", "//me:canary-secret@")
        run = Task(folder, line(), behind(mock.url), rows(1)).run("--json", env=env(HTTP_PROXY=given)).expect(0)
        [event] = [e for e in map(json.loads, run.out.splitlines()) if e["event"] == "proxy_used"]
        check_event(event)
        assert (event["model"], event["proxy"], event["from"]) == ("m", proxy.url, "HTTP_PROXY"), event
        assert "canary-secret" not in run.out + run.err + (folder / "output.run/log.jsonl").read_text()


def test_a_machine_without_libcurl_says_what_to_install(folder):
    Task(folder, line(), "http://one.example:1/v1", rows(2)).write("lib/libcurl.so.4", "no library")
    with Proxy() as proxy:
        run = Task(folder, line(), "http://one.example:1/v1").run(env=env(HTTP_PROXY=proxy.url, LD_LIBRARY_PATH=str(folder / "lib")))
        failed(run, "missing", "proxies and redirects need libcurl", "libcurl4")
        assert len(run.failed()) == 2 and all(f["attempts"] == 1 for f in run.failed())


# --- proxies that refuse --------------------------------------------------------------------------------------------------

PASSWORD = "correct-horse:battery/staple"
ENCODED = "correct-horse%3Abattery%2Fstaple"


def test_user_and_password_of_a_proxy_are_used_and_never_told(folder):
    with tls_mock("elsewhere") as mock, Mock() as plain, Proxy(user=f"me:{PASSWORD}") as proxy:
        given = proxy.url.replace("//", f"//me:{ENCODED}@")
        task = Task(folder / "https", line(), behind(mock.url), rows(3), CA)
        good = all_answered(task.run("--debug", "True", env=env(HTTPS_PROXY=given)), 3)
        all_answered(Task(folder / "http", line(), behind(plain.url), rows(3)).run(env=env(HTTP_PROXY=given)), 3)
        wrong = task.run(env=env(HTTPS_PROXY=given.replace("horse", "h0rse")))
        failed(wrong, "status", f"the proxy {proxy.url} (HTTPS_PROXY) refuses the user and password")
        assert all(f["attempts"] == 1 for f in wrong.failed())
        check = task.check("--debug", "True", env=env(HTTPS_PROXY=given))
        models = subprocess.run([BIN, "models", str(task.folder)], capture_output=True, text=True, env={**ENV, **env(HTTPS_PROXY=given)})
        assert f"proxy     {proxy.url}, from HTTPS_PROXY" in models.stdout and models.returncode == 0, models.stdout
        told = "".join((good.out, good.err, wrong.out, wrong.err, check.out, check.err, models.stdout, models.stderr))
        files = "".join(p.read_text(errors="replace") for p in folder.rglob("*") if p.is_file())
        for secret in (PASSWORD, ENCODED, "battery", "h0rse"):
            assert secret not in told and secret not in files, secret


def test_a_proxy_that_wants_a_user_says_where_to_write_it(folder):
    for name, url, variable in (("https", "https://one.example:1/v1", "HTTPS_PROXY"), ("http", "http://one.example:1/v1", "HTTP_PROXY")):
        with Proxy(user="me:secret") as proxy:
            run = Task(folder / name, line(), url, rows(2)).run(env=env(**{variable: proxy.url}))
            failed(run, "status", f"the proxy {proxy.url} ({variable}) wants a user and a password", "USER:PASSWORD@host:port")
            assert all(f["attempts"] == 1 for f in run.failed()), run.failed()


def test_a_connect_that_is_refused_names_the_proxy_and_a_way_out(folder):
    for status, error, words in ((403, "status", "does not let us through"), (502, "connect", "could not connect to one.example:1")):
        with Proxy(refuse=status) as proxy:
            run = Task(folder / str(status), line(), "https://one.example:1/v1", rows(1), ONCE).run(env=env(HTTPS_PROXY=proxy.url))
            failed(run, error, f"the proxy {proxy.url} (HTTPS_PROXY) {words}", str(status), "one.example in NO_PROXY")
    with Proxy(refuse=502) as proxy:
        run = Task(folder / "again", line(), "https://one.example:1/v1", rows(1), {"retry_attempts": 2}).run(env=env(HTTPS_PROXY=proxy.url))
        assert run.failed()[0]["attempts"] == 2, "what may pass is tried again"
    with Proxy(refuse=503) as proxy:
        run = Task(folder / "http", line(), "http://one.example:1/v1", rows(1), ONCE).run(env=env(HTTP_PROXY=proxy.url))
        failed(run, "busy", f"through the proxy {proxy.url}", "503")


def test_a_proxy_that_is_not_there_or_closes_is_named(folder):
    def fails(name, proxy, error, *words, **model):
        run = Task(folder / name, line(), "https://one.example:1/v1", rows(1), {**ONCE, **model}).run(env=env(HTTPS_PROXY=proxy))
        failed(run, error, *words)

    fails("gone", "http://127.0.0.1:1", "connect", "cannot connect to the proxy http://127.0.0.1:1 (HTTPS_PROXY)",
          "Connection refused", "NO_PROXY")
    fails("name", "http://proxy.invalid:3128", "resolve", "the name of the proxy http://proxy.invalid:3128 (HTTPS_PROXY)")
    with Proxy(close=True) as proxy:
        fails("closes", proxy.url, "reset", f"the proxy {proxy.url} (HTTPS_PROXY) closed the connection")
    with Proxy(hang=True) as proxy:
        fails("hangs", proxy.url, "timeout", f"through the proxy {proxy.url} (HTTPS_PROXY)", "no connection within 300 ms", timeout=0.3)
    with tls_mock("elsewhere") as mock, Proxy(cut=3000) as proxy:
        big = [{"id": 1, "q": "x" * 20000}]
        run = Task(folder / "cut", line("echo"), behind(mock.url), big, {**CA, **ONCE}).run(env=env(HTTPS_PROXY=proxy.url))
        failed(run, "reset", f"through the proxy {proxy.url} (HTTPS_PROXY) ended")


def test_a_proxy_that_cannot_be_one_is_a_mistake_of_its_variable(folder):
    task = Task(folder, line(), "https://one.example:1/v1", rows(1))
    for value, words in (("ftp://p:1", "its scheme"), ("http://p:99999", "its port"), ("http://me:canary-secret@", "host name"),
                         ("http://p q", "host name")):
        for done in (task.check(env=env(HTTPS_PROXY=value)), task.run(env=env(HTTPS_PROXY=value))):
            assert done.status == 2 or done.status == 1, done.status
            told = done.out + done.err
            assert "HTTPS_PROXY, from the environment, cannot be used" in told and words in told, told
            assert "canary-secret" not in told
    assert task.check(env=env(HTTP_PROXY="ftp://p:1")).status == 0, "no address goes through that one"
    assert task.check(env=env(HTTPS_PROXY="ftp://p:1", NO_PROXY="example")).status == 0


# --- many calls, and ends ---------------------------------------------------------------------------------------------------

def test_a_thousand_calls_go_through_a_proxy_at_a_time(folder):
    with Mock("--latency_ms", 1000) as mock, Proxy() as proxy:
        task = Task(folder, line(), behind(mock.url), rows(1500))
        run = all_answered(task.run("-n", 0, "-b", 1000, "--json", env=env(HTTP_PROXY=proxy.url)), 1500)
        stats = mock.stats()
        assert run.summary()["retries"] == 0 and stats["max_in_flight"] >= 500, (run.summary(), stats)


def test_a_deadline_ends_a_call_in_flight_and_another_goes_on(folder):
    with Mock("--hang_rate", 0.3) as mock, Proxy() as proxy:
        task = Task(folder, line(), behind(mock.url), rows(20), {"timeout": 1})
        run = all_answered(task.run("-n", 0, "-b", 20, "--json", env=env(HTTP_PROXY=proxy.url)), 20)
        assert run.summary()["retries"] > 0


def test_a_killed_run_goes_on_through_the_proxy(folder):
    with tls_mock("elsewhere", "--latency_ms", 100) as mock, Proxy() as proxy:
        task = Task(folder, line(), behind(mock.url), rows(200), CA)
        command = [BIN, "run", str(folder), "--output_with_ts", "False", "--seed", "7", "-n", "0", "-b", "10"]
        process = subprocess.Popen(command, env={**ENV, **env(HTTPS_PROXY=proxy.url)}, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while len(proxy.asked) < 1 or not list(folder.rglob("run.db*")) or mock.stats()["requests"] < 40:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
        done = subprocess.run([BIN, "resume", str(folder)], capture_output=True, text=True, timeout=120,
                              env={**ENV, **env(HTTPS_PROXY=proxy.url)})
        assert done.returncode == 0, done.stderr
        assert len(json.loads((folder / "output.json").read_text())) == 200
        assert task.folder == folder


def test_an_interrupt_ends_calls_in_flight(folder):
    with Mock("--hang_rate", 1) as mock, Proxy() as proxy:
        Task(folder, line(), behind(mock.url), rows(20))
        command = [BIN, "run", str(folder), "--output_with_ts", "False", "-n", "0"]
        process = subprocess.Popen(command, env={**ENV, **env(HTTP_PROXY=proxy.url)}, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 60
        while len(proxy.asked) < 10:
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130 and "Sanitizer" not in err, (process.returncode, err)


# --- redirects -------------------------------------------------------------------------------------------------------------

class Moved:
    """An endpoint that answers below /v2, and below /v1 with `status` and `location`, which may hold PORT. `seen` has the
    requests."""

    def __init__(self, status=307, location="/v2/chat/completions"):
        self.status, self.location, self.seen, self.lock = status, location, [], threading.Lock()
        self.server = Server(self.answer)
        self.port = self.server.url.split(":")[2].split("/")[0]
        self.url = self.server.url

    def answer(self, peer, data):
        while data:
            head, body = data.split(b"\r\n\r\n", 1)
            length = int(next((h.split(b":")[1] for h in head.split(b"\r\n") if h.lower().startswith(b"content-length:")), b"0"))
            while len(body) < length:
                body += peer.recv(65536)
            with self.lock:
                self.seen.append((head.decode(), body.decode()))
            location = self.location.replace("PORT", self.port).encode()
            if b" /v2/" in head.split(b"\r\n")[0]:
                peer.sendall(completion("fine"))
            else:
                peer.sendall(b"HTTP/1.1 %d Moved\r\nLocation: %b\r\nContent-Length: 4\r\n\r\ngone" % (self.status, location))
            data = peer.recv(65536)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.close()


FOLLOW = {"follow_redirects": True, "auth_token": TOKEN, "extra_headers": {"X-Team": "blue", "api-key": TOKEN}, **ONCE}


def test_a_redirect_is_not_followed_unless_the_model_says_so(folder):
    for status in (301, 302, 307, 308):
        with Moved(status, "https://new.example/v2/chat/completions") as moved:
            run = Task(folder / str(status), line(), moved.url, rows(1)).run(env=env())
            failed(run, "status", f"answered {status}", "https://new.example/v2/chat/completions", "follow_redirects: true")
            assert run.failed()[0]["attempts"] == 1 and len(moved.seen) == 1


def test_a_redirect_within_the_origin_is_followed_with_all_that_was_sent(folder):
    for status in (301, 302, 307, 308):
        with Moved(status) as moved:
            all_answered(Task(folder / str(status), line(), moved.url, rows(3), FOLLOW).run("-b", 1, env=env()), 3)
            (_, body), (head, again) = moved.seen[:2]
            assert head.startswith("POST /v2/") and again == body and "question 0" in body, head
            assert f"Bearer {TOKEN}" in head and "X-Team: blue" in head, head
    with Moved(303) as moved:
        all_answered(Task(folder / "303", line(), moved.url, rows(1), FOLLOW).run(env=env()), 1)
        assert moved.seen[1][0].startswith("GET /v2/") and moved.seen[1][1] == "", moved.seen[1]


def test_another_origin_gets_no_token_and_no_header_of_the_model(folder):
    with Moved() as other, Moved(308, f"http://localhost:{other.port}/v2/chat/completions") as moved:
        all_answered(Task(folder / "host", line(), moved.url, rows(1), FOLLOW).run(env=env()), 1)
        head, body = other.seen[0]
        assert "question 0" in body and "Content-Type: application/json" in head, head
        assert TOKEN not in head and "X-Team" not in head and "uthorization" not in head and "api-key" not in head, head
    with Moved(307, "http://localhost:PORT/v2/chat/completions") as moved:  # another name is another origin
        all_answered(Task(folder / "name", line(), moved.url, rows(1), FOLLOW).run(env=env()), 1)
        assert TOKEN in moved.seen[0][0] and TOKEN not in moved.seen[1][0]


def test_a_redirect_from_http_to_https_is_followed_and_never_back(folder):
    with tls_mock("good") as mock:
        port = mock.url.split(":")[2].split("/")[0]
        with Moved(301, f"https://localhost:{port}/v1/chat/completions") as moved:
            all_answered(Task(folder / "up", line(), moved.url, rows(1), {**FOLLOW, **CA}).run(env=env()), 1)
            failed(Task(folder / "strange", line(), moved.url, rows(1), FOLLOW).run(env=env()), "tls", "ssl_ca")
    with Moved() as plain:
        reply = f"HTTP/1.1 307 Moved\r\nLocation: {plain.url}\r\nContent-Length: 0\r\n\r\n".encode()
        with Peer(serve=lambda peer: (peer.recv(65536), peer.sendall(reply))) as secure:
            run = Task(folder / "down", line(), secure.url, rows(1), {**FOLLOW, **CA}).run(env=env())
            failed(run, "status", "a redirect from https to http://127.0.0.1")
            assert plain.seen == []


def test_a_loop_of_redirects_and_a_wrong_one_end(folder):
    with Moved(307, "/v1/again") as moved:
        run = Task(folder / "loop", line(), moved.url, rows(1), FOLLOW).run(env=env())
        failed(run, "status", "more than 10 redirects", "/v1/again")
        assert len(moved.seen) == 11, len(moved.seen)
    with Moved(307, "ftp://elsewhere.example/") as moved:
        run = Task(folder / "ftp", line(), moved.url, rows(1), FOLLOW).run(env=env())
        failed(run, "status", "cannot be followed")


# --- HTTP/2 without TLS --------------------------------------------------------------------------------------------------------

class PlainHttp2(Http2):
    """The same frames on a bare socket."""

    def __init__(self, act):
        super().__init__(act)
        self.url = self.url.replace("https://localhost", "http://127.0.0.1")

    def one(self, raw):
        with raw:
            with self.lock:
                self.connections += 1
            try:
                self.serve(raw)
            except OSError:
                pass


def test_http_2_is_spoken_without_tls_where_it_is_known(folder):
    with PlainHttp2(lambda *_: Http2.ANSWER) as server:
        task = Task(folder / "yes", line(), server.url, rows(200), {"http2": "prior_knowledge"})
        run = all_answered(task.run("-n", 0, "-b", 100, "--json", env=env()), 200)
        assert server.requests == 200 and server.connections <= 4 and run.summary()["retries"] == 0, server.connections
        with Proxy() as proxy:
            task = Task(folder / "proxy", line(), behind(server.url), rows(20), {"http2": "prior_knowledge"})
            all_answered(task.run("-n", 0, env=env(HTTP_PROXY=proxy.url)), 20)
            assert {m for m, _, _ in proxy.asked} == {"CONNECT"}, proxy.asked[0]


def test_http_2_is_agreed_on_through_a_tunnel(folder):
    with Http2(lambda *_: Http2.ANSWER) as server, Proxy() as proxy:
        server.context.load_cert_chain(FOLDER / "elsewhere.pem", FOLDER / "elsewhere.key")
        task = Task(folder, line(), server.url.replace("localhost", "one.example"), rows(400), CA)
        run = all_answered(task.run("-n", 0, "-b", 200, "--json", env=env(HTTPS_PROXY=proxy.url)), 400)
        assert server.requests == 400 and run.summary()["retries"] == 0, (server.requests, run.summary())
        assert {s[1] for s in server.seen} == {"h2"} and proxy.connections <= 40, proxy.connections


def test_a_server_that_does_not_know_http_2_is_told_apart(folder):
    with Mock() as mock:
        run = Task(folder, line(), mock.url, rows(1), {"http2": "prior_knowledge", **ONCE}).run(env=env())
        failed(run, "protocol", "`http2: prior_knowledge` away")
    check = Task(folder / "https", line(), "https://one.example/v1", rows(1), {"http2": "prior_knowledge"}).check(env=env())
    assert check.status == 0 and "agree on HTTP/2 by themselves" in check.out + check.err
    check = Task(folder / "word", line(), "http://one.example/v1", rows(1), {"http2": "yes please"}).check(env=env())
    assert check.status != 0 and "prior_knowledge" in check.out + check.err
