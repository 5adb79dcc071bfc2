# SPDX-License-Identifier: Apache-2.0
"""Calls that go wrong: each fault of an endpoint ends in a retry or in a failed record with its reason."""
import json
import time

from lib import Mock, Server, Task, completion, line


def rows(n):
    return [{"id": i, "q": f"question {i}"} for i in range(n)]


def one_fault(folder, model=None, **fault):
    args = [x for k, v in fault.items() for x in (f"--{k}", v)]
    with Mock(*args, "--fault_attempts", 1) as mock:
        run = Task(folder, line("echo"), mock.url, rows(40), model).run("-n", 0, "-b", 40, "--json").expect(0)
        assert [r["id"] for r in run.records()] == list(range(40))
        assert run.summary()["retries"] > 5, run.summary()


def test_refused_requests_are_tried_again(folder):
    one_fault(folder, fail_rate=0.5, fail_status="500:1,503:1,408:1,429:1,502:1")


def test_reset_connections_are_tried_again(folder):
    one_fault(folder, reset_rate=0.5)


def test_cut_replies_are_tried_again(folder):
    one_fault(folder, truncate_rate=0.5)


def test_html_replies_are_tried_again(folder):
    one_fault(folder, garbage_rate=0.5)


def test_error_objects_with_status_200_are_tried_again(folder):
    one_fault(folder, error_rate=0.5)


def test_hanging_requests_time_out_and_are_tried_again(folder):
    one_fault(folder, model={"timeout": 1}, hang_rate=0.5)


def test_retry_after_is_waited_for(folder):
    with Mock("--fail_rate", 1, "--fail_status", "429:1", "--retry_after", 2, "--fault_attempts", 1) as mock:
        started = time.monotonic()
        Task(folder, line("echo"), mock.url, rows(3)).run().expect(0)
        assert time.monotonic() - started >= 2


def test_attempts_run_out_and_the_record_fails_with_the_reason(folder):
    with Mock("--fail_rate", 1, "--fail_status", "503:1") as mock:
        run = Task(folder, line("echo"), mock.url, rows(3), {"retry_attempts": 2}).run("--json").expect(3)
        assert run.records() == [] and run.summary()["failed"] == 3
        for f in run.failed():
            assert f["node"] == "ask" and f["error"] == "busy" and f["status"] == 503 and f["attempts"] == 2, f
            assert f["record"]["q"].startswith("question")


def test_a_client_error_is_not_tried_again(folder):
    with Mock("--fail_rate", 1, "--fail_status", "400:1") as mock:
        run = Task(folder, line("echo"), mock.url, rows(3)).run().expect(3)
        assert mock.stats()["requests"] == 3
        assert all(f["error"] == "status" and f["status"] == 400 for f in run.failed()), run.failed()


def test_an_endpoint_that_refuses_is_named(folder):
    run = Task(folder, line(), "http://127.0.0.1:1/v1", rows(2), {"retry_attempts": 1}).run().expect(3)
    assert all(f["error"] == "connect" and "127.0.0.1" in f["message"] for f in run.failed()), run.failed()


def test_a_host_that_does_not_exist_is_named(folder):
    run = Task(folder, line(), "http://no-such-host.invalid/v1", rows(1), {"retry_attempts": 1}).run().expect(3)
    assert run.failed()[0]["error"] == "resolve" and "no-such-host.invalid" in run.failed()[0]["message"], run.failed()


def hand_made(folder, answer, **model):
    server = Server(answer)
    try:
        return Task(folder, line(), server.url, rows(1), {"retry_attempts": 1, **model}).run()
    finally:
        server.close()


def test_replies_that_are_no_http_fail_the_record(folder):
    for i, bad in enumerate([b"hello\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
                             b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
                             b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
                             b"\x00" * 4096, b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 100000]):
        run = hand_made(folder / str(i), lambda s, _, bad=bad: s.sendall(bad)).expect(3)
        assert run.failed()[0]["error"] in ("protocol", "limit", "reset"), run.failed()


def test_json_of_the_wrong_form_fails_the_record(folder):
    for i, body in enumerate(["", "null", "[]", '{"choices": []}', '{"choices": [{}]}', '{"choices": [{"message": {"content": 5}}]}',
                              '{"a": ' * 100000, '{"choices": [{"message": {"content": "\ud800"}}]}', "[" * 1000000]):
        data = body.encode("utf-8", "surrogatepass")
        reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(data), data)
        run = hand_made(folder / str(i), lambda s, _, reply=reply: s.sendall(reply)).expect(3)
        assert run.failed()[0]["error"] == "reply", (body[:40], run.failed())


def test_chunked_slow_and_closing_replies_are_read(folder):
    def slow(peer, _):
        body = completion("drip").split(b"\r\n\r\n", 1)[1]
        peer.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
        for i in range(0, len(body), 7):
            piece = body[i:i + 7]
            peer.sendall(b"%x;ext=1\r\n%b\r\n" % (len(piece), piece))
            time.sleep(0.005)
        peer.sendall(b"0\r\nTrailer: x\r\n\r\n")

    assert hand_made(folder, slow).expect(0).records()[0]["answer"] == "drip"


def test_null_content_is_an_empty_text_and_white_space_goes(folder):
    def null(peer, _):
        body = b'{"choices":[{"message":{"content":null}}]}'
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    assert hand_made(folder / "a", null).expect(0).records()[0]["answer"] == ""
    padded = hand_made(folder / "b", lambda s, _: s.sendall(completion("\u2003 a b \n\u00a0"))).expect(0)
    assert padded.records()[0]["answer"] == "a b"


def test_the_request_is_what_the_api_wants(folder):
    seen = []

    def answer(peer, data):
        head, body = data.split(b"\r\n\r\n", 1)
        length = int([h for h in head.split(b"\r\n") if h.lower().startswith(b"content-length")][0].split(b":")[1])
        while len(body) < length:
            body += peer.recv(65536)
        seen.append((head, body))
        peer.sendall(completion("ok"))

    server = Server(answer)
    model = {"model": "serving/name", "auth_token": "secret-token-123456", "parameters": {
        "temperature": 0.10, "stop": ["a"], "extra_body": {"top_k": 5}}}
    graph = line().replace('- user: "say {q}"', '- system: "you are {{kind}}"\n            - user: ["say {q}", {type: text, text: "now"}]')
    Task(folder, graph, server.url, rows(1), model).run().expect(0)
    server.close()
    [(head, body)] = seen
    assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\n"), head
    assert b"Authorization: Bearer secret-token-123456" in head
    assert json.loads(body) == {
        "model": "serving/name", "temperature": 0.1, "stop": ["a"], "top_k": 5,
        "messages": [{"role": "system", "content": "you are {kind}"},
                     {"role": "user", "content": [{"type": "text", "text": "say question 0"}, {"type": "text", "text": "now"}]}]}


def test_no_secret_is_shown_or_written(folder):
    def leak(peer, data):
        token = data.split(b"Bearer ")[1].split(b"\r\n")[0]
        body = json.dumps({"error": {"message": "bad key " + token.decode()}}).encode()
        peer.sendall(b"HTTP/1.1 401 No\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    run = hand_made(folder, leak, auth_token="canary-0123456789abcdef").expect(3)
    everything = run.out + run.err + "".join(p.read_bytes().decode("latin-1") for p in folder.rglob("output*/**/*") if p.is_file())
    everything += (folder / "output_failed.jsonl").read_text()
    assert "bad key" in everything and "canary-0123456789abcdef" not in everything
