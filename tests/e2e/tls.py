# SPDX-License-Identifier: Apache-2.0
"""https: whom the engine believes, what it says when it does not, and peers that are not of this program: Python's ssl and
the openssl program. The certificates are made by tests/certificates.sh."""
import atexit
import json
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import time

from lib import Mock, Server, Task, completion, line

FOLDER = pathlib.Path(tempfile.mkdtemp(prefix="sygra-certificates-"))
atexit.register(shutil.rmtree, FOLDER)
subprocess.run([pathlib.Path(__file__).parent.parent / "certificates.sh", FOLDER], check=True)
CA = {"ssl_ca": str(FOLDER / "ca.pem")}
ONCE = {"retry_attempts": 1}
NO_SYSTEM = {"SSL_CERT_FILE": "", "SSL_CERT_DIR": ""}


def rows(n):
    return [{"id": i, "q": f"question {i}"} for i in range(n)]


def tls_mock(name, *args):
    return Mock("--tls_cert", FOLDER / f"{name}.pem", "--tls_key", FOLDER / f"{name}.key", *args)


def by_name(url):
    return url.replace("127.0.0.1", "localhost")


class Peer:
    """A https server on Python's ssl, which counts what happens to it. `serve(connection)` is called after a handshake."""

    def __init__(self, name="good", version=None, serve=None, client_ca=None, protocol="http/1.1"):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(FOLDER / f"{name}.pem", FOLDER / f"{name}.key")
        self.context.set_alpn_protocols([protocol])
        if version:
            self.context.minimum_version = self.context.maximum_version = version
        if client_ca:
            self.context.verify_mode = ssl.CERT_REQUIRED
            self.context.load_verify_locations(client_ca)
        self.serve = serve or self.keep_alive
        self.connections = self.resumed = self.requests = 0
        self.refused, self.seen, self.lock = [], [], threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"https://localhost:{self.listener.getsockname()[1]}/v1"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                raw, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.one, args=(raw,), daemon=True).start()

    def one(self, raw):
        try:
            with self.context.wrap_socket(raw, server_side=True) as peer:
                with self.lock:
                    self.connections += 1
                    self.resumed += peer.session_reused
                    self.seen.append((peer.version(), peer.selected_alpn_protocol(), peer.getpeercert()))
                self.serve(peer)
        except (OSError, ValueError) as e:
            self.refused.append(str(e))

    def request(self, peer):
        """Reads one; False: the client has gone."""
        data = b""
        while b"\r\n\r\n" not in data:
            more = peer.recv(65536)
            if not more:
                return False
            data += more
        head, body = data.split(b"\r\n\r\n", 1)
        length = int(re.search(rb"(?i)content-length:\s*(\d+)", head).group(1))
        while len(body) < length:
            body += peer.recv(65536)
        with self.lock:
            self.requests += 1
        return True

    def keep_alive(self, peer):
        while self.request(peer):
            peer.sendall(completion("fine"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.listener.close()


def refused(folder, url, words, env=None, **model):
    run = Task(folder, line(), url, rows(2), {"retry_attempts": 3, **model}).run(env={**NO_SYSTEM, **(env or {})}).expect(3)
    for f in run.failed():
        message = f["message"]
        assert f["error"] == "tls" and f["attempts"] == 1, f
        assert "model m: " in message and url.split("/")[2] in message and words in message, message


# --- certificates -----------------------------------------------------------------------------------------------------

def test_an_authority_of_our_own_is_trusted(folder):
    with tls_mock("good") as mock:
        for i, url in enumerate((mock.url, by_name(mock.url))):
            run = Task(folder / str(i), line(), url, rows(20), CA).run("-n", 0).expect(0)
            assert len(run.records()) == 20 and "warning" not in run.err, run.err
    with tls_mock("chain") as mock:
        Task(folder / "chain", line(), mock.url, rows(1), CA).run().expect(0)


def test_an_authority_may_be_named_in_the_environment(folder):
    with tls_mock("good") as mock:
        task = Task(folder, line(), mock.url, rows(1), ONCE)
        task.run(env={**NO_SYSTEM, "SSL_CERT_FILE": CA["ssl_ca"]}).expect(0)
        task.run(env={**NO_SYSTEM, "SYGRA_M_SSL_CA": CA["ssl_ca"]}).expect(0)
        task.write(".env", f"SSL_CERT_FILE={CA['ssl_ca']}\n")
        task.run(env={**NO_SYSTEM, "SSL_CERT_FILE": str(FOLDER / "other.pem")}, cwd=folder).expect(0)


def test_an_authority_of_nobody_is_named(folder):
    with tls_mock("good") as mock:
        refused(folder / "system", mock.url, "an authority that is not known here (ca of the tests)")
        refused(folder / "other", mock.url, "`ssl_ca` or SSL_CERT_FILE", ssl_ca=str(FOLDER / "other.pem"))


def test_an_expired_certificate_is_named_with_its_day(folder):
    with tls_mock("expired") as mock:
        refused(folder, mock.url, "expired on 2020-01-01", **CA)


def test_a_certificate_of_the_future_points_at_the_clock(folder):
    with tls_mock("early") as mock:
        refused(folder, mock.url, "valid from 2090-01-01 on only: look at this machine's clock", **CA)


def test_a_certificate_of_another_host_is_named_with_its_hosts(folder):
    with tls_mock("elsewhere") as mock:
        refused(folder / "number", mock.url, "is for one.example, two.example, 192.0.2.1 and not for 127.0.0.1", **CA)
        refused(folder / "name", by_name(mock.url), "and not for localhost", **CA)


def test_a_certificate_that_is_signed_by_itself_is_believed_when_it_is_named(folder):
    with tls_mock("self") as mock:
        refused(folder / "refused", mock.url, "signed by itself and not known here", **CA)
        Task(folder / "named", line(), mock.url, rows(1), {"ssl_ca": str(FOLDER / "self.pem")}).run().expect(0)


def test_ssl_verify_false_believes_all_of_them_and_warns(folder):
    for name in ("good", "expired", "early", "elsewhere", "self"):
        with tls_mock(name) as mock:
            task = Task(folder / name, line(), mock.url, rows(2), {"ssl_verify": False})
            assert "believes whoever answers" in task.check().err + task.check().out
            task.run(env=NO_SYSTEM).expect(0)


def test_no_token_reaches_a_server_whose_certificate_is_refused(folder):
    with Peer("elsewhere") as peer:
        refused(folder, peer.url, "and not for localhost", auth_token="canary-0123456789abcdef", **CA)
        assert peer.requests == 0


def test_a_client_shows_its_certificate_when_it_is_asked(folder):
    for i, version in enumerate((ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)):
        with Peer(version=version, client_ca=FOLDER / "ca.pem") as peer:
            run = Task(folder / f"without-{i}", line(), peer.url, rows(1), {**CA, **ONCE}).run().expect(3)
            assert peer.requests == 0 and run.failed()[0]["error"] in ("tls", "reset"), run.failed()
            Task(folder / f"with-{i}", line(), peer.url, rows(1), {**CA, "ssl_cert": str(FOLDER / "client.pem")}).run().expect(0)
            assert "client of the tests" in str(peer.seen[-1][2]), peer.seen


# --- peers of other makers ----------------------------------------------------------------------------------------------

def test_a_server_is_told_which_name_is_meant_but_no_number(folder):
    names = []
    with Peer() as server:
        server.context.sni_callback = lambda _, name, __: names.append(name)
        Task(folder / "name", line(), server.url, rows(1), CA).run().expect(0)
        Task(folder / "number", line(), server.url.replace("localhost", "127.0.0.1"), rows(1), CA).run().expect(0)
    assert names == ["localhost", None], names


def test_pythons_server_sees_sessions_resumed_in_both_versions(folder):
    for name, version in (("TLSv1.2", ssl.TLSVersion.TLSv1_2), ("TLSv1.3", ssl.TLSVersion.TLSv1_3)):
        def one_each(peer, server=None):
            if server.request(peer):
                peer.sendall(completion("fine").replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))

        with Peer(version=version) as server:
            server.serve = lambda peer, server=server: one_each(peer, server)
            Task(folder / name, line(), server.url, rows(12), CA).run("-n", 0, "-b", 1).expect(0)
            assert server.connections == 12 and server.resumed == 11, (server.connections, server.resumed)
            assert {s[:2] for s in server.seen} == {(name, "http/1.1")}, server.seen


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def test_the_openssl_program_is_understood_in_both_versions(folder):
    for version in ("-tls1_2", "-tls1_3"):
        port = free_port()
        server = subprocess.Popen(["openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", FOLDER / "good.pem", "-key",
                                   FOLDER / "good.key", "-quiet", version], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE)

        def answer():
            data, done = b"", 0
            while True:
                more = server.stdout.read1(65536)
                if not more:
                    return
                data += more
                while data.count(b"POST /v1/chat/completions HTTP/1.1") > done and data.endswith(b"}"):
                    done += 1
                    server.stdin.write(completion(f"answer {done}"))
                    server.stdin.flush()

        threading.Thread(target=answer, daemon=True).start()
        try:
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                with socket.socket() as s:
                    if s.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.02)
            run = Task(folder / version, line(), f"https://localhost:{port}/v1", rows(3), CA).run("-b", 1).expect(0)
            assert [r["answer"] for r in run.records()] == ["answer 1", "answer 2", "answer 3"], run.records()
        finally:
            server.kill()
            server.communicate()


class Http2(Peer):
    """The frames of RFC 9113 by hand. `act(stream, number)` is called for each request and says what becomes of it: ANSWER, NOTHING,
    GOAWAY after the answer, CUT, MISTAKE (a frame for a stream that nobody has opened), or the code of a reset. Request heads are not
    read, so header compression is not needed."""
    ANSWER, NOTHING, GOAWAY, CUT, MISTAKE = range(-5, 0)
    REFUSED_STREAM, INTERNAL_ERROR = 7, 2

    def __init__(self, act):
        super().__init__(serve=self.frames, protocol="h2")
        self.act, self.streams = act, []

    @staticmethod
    def frame(kind, flags, stream, payload=b""):
        return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload

    def answer(self, stream):
        body = completion("fine").split(b"\r\n\r\n", 1)[1]
        length = str(len(body)).encode()
        head = b"\x88\x0f\x0d" + bytes([len(length)]) + length  # :status 200, content-length
        return self.frame(1, 4, stream, head) + self.frame(0, 1, stream, body)

    def frames(self, peer):
        data, of_connection = b"", 0
        peer.sendall(self.frame(4, 0, 0))
        while True:
            more = peer.recv(65536)
            if not more:
                return
            data += more
            if data.startswith(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"):
                data = data[24:]
            out = b""
            while len(data) >= 9 and not data.startswith(b"PRI"):
                size, kind, flags, stream = int.from_bytes(data[:3], "big"), data[3], data[4], int.from_bytes(data[5:9], "big")
                if len(data) < 9 + size:
                    break
                data = data[9 + size:]
                if kind == 4 and not flags & 1:
                    out += self.frame(4, 1, 0)
                if kind == 0:
                    out += self.frame(8, 0, 0, size.to_bytes(4, "big")) if size else b""
                if kind != 0 or not flags & 1:
                    continue
                with self.lock:
                    self.requests += 1
                    number = self.requests
                of_connection += 1
                what = self.act(of_connection, number)
                if what == self.CUT:
                    return
                if what in (self.ANSWER, self.GOAWAY):
                    out += self.answer(stream)
                if what == self.GOAWAY:
                    out += self.frame(7, 0, 0, stream.to_bytes(4, "big") + bytes(4))
                if what == self.MISTAKE:
                    out += self.frame(0, 0, 9999, b"x")
                if what >= 0:
                    out += self.frame(3, 0, stream, what.to_bytes(4, "big"))
            peer.sendall(out)


def over_http2(folder, act, n=60, **model):
    with Http2(act) as server:
        run = Task(folder, line(), server.url, rows(n), {**CA, **model}).run("-n", 0, "-b", 30, "--json").expect(0)
        assert [r["answer"] for r in run.records()] == ["fine"] * n
        assert {s[1] for s in server.seen} == {"h2"}, server.seen
        return server, run.summary()


def test_http_2_is_spoken_where_it_is_offered(folder):
    server, summary = over_http2(folder, lambda *_: Http2.ANSWER)
    assert server.requests == 60 and summary["retries"] == 0 and server.connections <= 4, (server.requests, server.connections)


def test_what_a_goaway_leaves_behind_goes_over_another_connection(folder):
    def act(of_connection, _):
        return Http2.ANSWER if of_connection < 10 else Http2.GOAWAY if of_connection == 10 else Http2.NOTHING

    server, summary = over_http2(folder, act)
    assert server.connections >= 6 and summary["retries"] == 0, (server.connections, summary)


def test_streams_that_are_refused_are_asked_again_without_a_word(folder):
    server, summary = over_http2(folder, lambda _, number: Http2.REFUSED_STREAM if number <= 10 else Http2.ANSWER)
    assert server.requests == 70 and summary["retries"] == 0, (server.requests, summary)


def test_a_stream_that_is_reset_is_tried_again(folder):
    server, summary = over_http2(folder, lambda _, number: Http2.INTERNAL_ERROR if number == 5 else Http2.ANSWER)
    assert server.requests == 61 and summary["retries"] == 1, (server.requests, summary)


def test_a_connection_that_is_cut_is_made_again(folder):
    server, _ = over_http2(folder, lambda _, number: Http2.CUT if number == 20 else Http2.ANSWER)
    assert server.requests > 60 and server.connections >= 2, (server.requests, server.connections)


def test_http_2_connections_that_are_closed_as_we_send_go_unnoticed(folder):
    with Http2(lambda of_connection, _: Http2.ANSWER if of_connection <= 2 else Http2.CUT) as server:
        run = Task(folder, line(), server.url, rows(12), CA).run("-n", 0, "-b", 1, "--json").expect(0)
        assert len(run.records()) == 12 and run.summary()["retries"] == 0, run.summary()
        assert server.connections == 6, server.connections


def test_a_server_that_breaks_the_protocol_is_named_and_not_waited_for(folder):
    with Http2(lambda *_: Http2.MISTAKE) as server:
        run = Task(folder / "always", line(), server.url, rows(3), {**CA, **ONCE}).run().expect(3)
        assert all("breaks HTTP/2: DATA: stream" in f["message"] for f in run.failed()), run.failed()
    over_http2(folder / "once", lambda _, number: Http2.MISTAKE if number == 20 else Http2.ANSWER)


# --- ends and mistakes ----------------------------------------------------------------------------------------------------

def test_a_handshake_that_is_cut_is_tried_again(folder):
    cut = Server(lambda peer, _: None)
    try:
        url = cut.url.replace("http:", "https:")
        cut.one = lambda peer: (peer.recv(100), peer.close())
        run = Task(folder / "always", line(), url, rows(1), {**CA, "retry_attempts": 2}).run().expect(3)
        [failed] = run.failed()
        assert failed["error"] == "reset" and failed["attempts"] == 2, failed
        assert "in the middle of the TLS handshake" in failed["message"], failed
        with tls_mock("good") as mock:
            run = Task(folder / "once", line(), [url, mock.url], rows(10), CA).run("-n", 0, "--json").expect(0)
            assert run.summary()["retries"] >= 5
    finally:
        cut.close()


def test_a_reply_that_is_cut_is_tried_again(folder):
    calls = []

    def half(peer):
        while server.request(peer):
            calls.append(1)
            whole = completion("fine")
            if len(calls) % 2:
                peer.sendall(whole[:-10])
                return
            peer.sendall(whole)

    with Peer(serve=half) as server:
        run = Task(folder, line(), server.url, rows(6), CA).run("-b", 1, "--json").expect(0)
        assert len(run.records()) == 6 and run.summary()["retries"] >= 1, run.summary()


def test_a_reply_to_the_end_needs_tls_good_bye(folder):
    def to_the_end(peer):
        server.request(peer)
        body = completion("fine").split(b"\r\n\r\n", 1)[1]
        peer.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body)
        if server.polite:
            peer.unwrap()

    with Peer(serve=to_the_end) as server:
        server.polite = True
        Task(folder / "polite", line(), server.url, rows(1), {**CA, **ONCE}).run().expect(0)
        server.polite = False
        run = Task(folder / "cut", line(), server.url, rows(1), {**CA, **ONCE}).run().expect(3)
        assert "without TLS's good-bye" in run.failed()[0]["message"], run.failed()


def test_a_server_that_closes_idle_connections_as_we_send_goes_unnoticed(folder):
    def two_each(peer):
        for _ in range(2):
            if not server.request(peer):
                return
            peer.sendall(completion("fine"))
        server.request(peer)

    with Peer(serve=two_each) as server:
        run = Task(folder, line(), server.url, rows(12), CA).run("-n", 0, "-b", 1, "--json").expect(0)
        assert len(run.records()) == 12 and run.summary()["retries"] == 0, run.summary()
        assert server.connections == 6, server.connections


def test_the_faults_of_an_endpoint_are_tried_again_as_over_http(folder):
    with tls_mock("good", "--reset_rate", 0.3, "--truncate_rate", 0.3, "--hang_rate", 0.1, "--fault_attempts", 1) as mock:
        run = Task(folder, line(), mock.url, rows(60), {**CA, "timeout": 6}).run("-n", 0, "-b", 60, "--json").expect(0)
        assert len(run.records()) == 60 and run.summary()["retries"] > 5, run.summary()
        assert mock.stats()["duplicates_after_ok"] == 0, mock.stats()


def test_a_server_without_tls_is_named(folder):
    with Mock() as mock:
        refused(folder, mock.url.replace("http:", "https:"), "does not speak TLS", **CA)


def test_http_to_a_tls_server_is_named(folder):
    with tls_mock("good") as mock:
        run = Task(folder, line(), mock.url.replace("https:", "http:"), rows(1)).run().expect(3)
        assert run.failed()[0]["status"] == 400 and "use https://" in run.failed()[0]["message"], run.failed()


def test_a_certificate_that_cannot_be_read_is_named(folder):
    with tls_mock("good") as mock:
        for name, words in (("good.key", "holds no certificate in PEM form"), ("openssl.cnf", "holds no certificate")):
            run = Task(folder / name, line(), mock.url, rows(2), {"ssl_ca": str(FOLDER / name)}).run().expect(3)
            assert words in run.failed()[0]["message"] and "ssl_ca" in run.failed()[0]["message"], run.failed()


def test_five_hundred_connections_at_once_are_made(folder):
    with tls_mock("good", "--latency_ms", 2000) as mock:
        run = Task(folder, line(), mock.url, rows(500), CA).run("-n", 0, "-b", 500, "--json").expect(0)
        stats = mock.stats()
        assert len(run.records()) == 500 and run.summary()["retries"] == 0
        assert 100 < stats["max_connections"] <= 501 and stats["requests"] == 500, json.dumps(stats)
