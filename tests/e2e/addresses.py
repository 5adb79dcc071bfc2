# SPDX-License-Identifier: Apache-2.0
"""Several addresses of one model, and Azure's: who is asked, with which token, and what happens when one of them fails."""
import json

from lib import Mock, Server, Task, completion, line

KEYS = ["key-of-the-first-1234", "key-of-the-second-123"]


def rows(n):
    return [{"id": i, "q": f"question {i}"} for i in range(n)]


def asked(peer, data):
    """Head and body of the request that begins with `data`."""
    head, body = data.split(b"\r\n\r\n", 1)
    lengths = [h for h in head.split(b"\r\n") if h.lower().startswith(b"content-length")]
    if not lengths:
        raise ConnectionError("the call was given up")
    length = int(lengths[0].split(b":")[1])
    while len(body) < length:
        body += peer.recv(65536)
    return head.decode(), json.loads(body)


def refusal(status, error, *headers):
    body = json.dumps({"error": error}).encode()
    lines = [f"HTTP/1.1 {status} No", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def by_url(run):
    return {a["url"]: a for a in run.summary()["addresses"]}


def test_least_requests_spares_the_slow_one(folder):
    with Mock("--latency_ms", 400) as slow, Mock("--latency_ms", 10) as fast:
        run = Task(folder, line("echo"), [slow.url, fast.url], rows(80)).run("-n", 0, "-b", 8, "--json").expect(0)
        a = by_url(run)
        assert a[fast.url]["answered"] > 3 * a[slow.url]["answered"] > 0, a
        assert a[slow.url]["peak_in_flight"] <= 5, a
        assert slow.stats()["requests"] == a[slow.url]["attempts"] == a[slow.url]["answered"]


def test_round_robin_does_not(folder):
    with Mock("--latency_ms", 100) as slow, Mock("--latency_ms", 5) as fast:
        model = {"load_balancing": "round_robin"}
        Task(folder, line("echo"), [slow.url, fast.url], rows(20), model).run("-n", 0, "-b", 4).expect(0)
        assert slow.stats()["requests"] == fast.stats()["requests"] == 10


def test_a_dead_address_is_left_out_by_all(folder):
    dead = "http://127.0.0.1:1/v1"
    with Mock("--latency_ms", 5) as good:
        run = Task(folder, line("echo"), [dead, good.url], rows(200)).run("-n", 0, "-b", 4, "--json").expect(0)
        a = by_url(run)
        assert a[good.url]["answered"] == 200 and a[dead]["answered"] == 0, a
        assert 1 <= a[dead]["failed"] < 20 and a[dead]["left_out"] >= 1, a  # in turn it would have been 100


def test_an_address_that_always_fails_costs_no_record(folder):
    with Mock("--fail_rate", 1, "--fail_status", "500:1") as bad, Mock("--latency_ms", 5) as good:
        model = {"retry_attempts": 2}
        run = Task(folder, line("echo"), [bad.url, good.url], rows(100), model).run("-n", 0, "-b", 4, "--json").expect(0)
        assert by_url(run)[good.url]["answered"] == 100, by_url(run)


def test_each_token_goes_to_its_own_address_only(folder):
    seen = [[], []]

    def answer(i):
        def one(peer, data):
            seen[i].append(asked(peer, data)[0])
            peer.sendall(completion("ok"))
        return one

    servers = [Server(answer(0)), Server(answer(1))]
    model = {"auth_token": KEYS, "load_balancing": "round_robin"}
    Task(folder, line(), [s.url for s in servers], rows(10), model).run("-n", 0).expect(0)
    for i, server in enumerate(servers):
        server.close()
        assert len(seen[i]) == 5
        for head in seen[i]:
            assert f"Authorization: Bearer {KEYS[i]}\r\n" in head and KEYS[1 - i] not in head, head


def test_nodes_that_name_one_model_share_its_figures(folder):
    head, tail = line("echo").split("  edges:")
    second = head[head.index("        ask:"):].replace("ask:", "more:").replace("output_keys: answer", "output_keys: other")
    tail = tail.replace("to: END}", "to: more}\n        - {from: more, to: END}", 1)
    graph = head.rstrip() + "\n" + second.rstrip() + "\n      edges:" + tail
    with Mock() as mock:
        run = Task(folder, graph, mock.url, rows(5)).run("-n", 0, "--json").expect(0)
        [a] = run.summary()["addresses"]
        assert a["model"] == "echo" and a["answered"] == 10, a


# --- Azure ----------------------------------------------------------------------------------------------------------

def azure(folder, answer, n=1, url="", graph=None, **model):
    server = Server(answer)
    base = server.url.removesuffix("/v1")
    entry = {"model_type": "azure_openai", "model": "my-gpt", "api_version": "2024-10-21", "retry_attempts": 2, **model}
    try:
        return Task(folder, graph or line(), base + url, rows(n), entry).run("--json")
    finally:
        server.close()


def test_azure_gets_the_deployment_the_version_and_the_key(folder):
    seen = []

    def answer(peer, data):
        seen.append(asked(peer, data))
        peer.sendall(completion("ok"))

    azure(folder, answer, auth_token=KEYS[0], parameters={"max_tokens": 5}).expect(0)
    [(head, body)] = seen
    assert head.startswith("POST /openai/deployments/my-gpt/chat/completions?api-version=2024-10-21 HTTP/1.1\r\n"), head
    assert f"\r\napi-key: {KEYS[0]}\r\n" in head and "Authorization" not in head, head
    assert body == {"model": "my-gpt", "max_tokens": 5, "messages": [{"role": "user", "content": "say question 0"}]}, body


def test_azure_takes_an_address_as_the_portal_shows_it(folder):
    seen = []

    def answer(peer, data):
        seen.append(asked(peer, data)[0].split("\r\n")[0])
        peer.sendall(completion("ok"))

    path = "/openai/deployments/other/chat/completions?api-version=2025-01-01-preview"
    azure(folder / "a", answer, url=path).expect(0)
    azure(folder / "b", answer, url="/openai/v1", model="gpt-5-mini", parameters={"max_tokens": 9}).expect(0)
    assert seen == [f"POST {path} HTTP/1.1", "POST /openai/v1/chat/completions HTTP/1.1"], seen


def test_azure_s_newer_models_get_the_name_of_max_tokens_that_they_know(folder):
    seen = []

    def answer(peer, data):
        seen.append(asked(peer, data)[1])
        peer.sendall(completion("ok"))

    azure(folder, answer, model="gpt-5-mini", parameters={"max_tokens": 9}).expect(0)
    assert seen[0]["max_completion_tokens"] == 9 and "max_tokens" not in seen[0], seen


def test_azure_s_filter_fails_the_record_at_once_with_what_it_found(folder):
    found = {"hate": {"filtered": True, "severity": "high"}, "violence": {"filtered": False, "severity": "safe"}}

    def prompt(peer, data):
        asked(peer, data)
        peer.sendall(refusal(400, {"message": "was filtered", "code": "content_filter",
                                   "innererror": {"content_filter_result": found}}))

    [f] = azure(folder / "a", prompt).expect(3).failed()
    assert f["error"] == "status" and f["status"] == 400 and f["attempts"] == 1, f
    assert "the content filter refused the prompt (hate high): was filtered" in f["message"], f

    def answer(peer, data):
        asked(peer, data)
        body = json.dumps({"choices": [{"finish_reason": "content_filter", "message": {"content": "half an ans"},
                                        "content_filter_results": found}]}).encode()
        peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    [f] = azure(folder / "b", answer).expect(3).failed()
    assert f["attempts"] == 1 and "the content filter cut the answer (hate high)" in f["message"], f


def test_azure_s_429_is_waited_for_in_milliseconds(folder):
    calls = []

    def answer(peer, data):
        asked(peer, data)
        calls.append(1)
        full = refusal(429, {"code": "429", "message": "slow down"}, "retry-after-ms: 30", "retry-after: 60")
        peer.sendall(completion("ok") if len(calls) > 1 else full)

    run = azure(folder, answer).expect(0)  # with the 60 s it would not end in time
    assert len(calls) == 2 and run.summary()["wall_s"] < 30, run.summary()


def test_azure_by_the_environment_alone(folder):
    with Mock() as mock:
        task = Task(folder, line("gpt-4o"), rows=rows(2))
        prefix = ["env", f"SYGRA_GPT-4O_URL={mock.url.removesuffix('/v1')}", f"SYGRA_GPT-4O_TOKEN={KEYS[0]}"]
        run = task.run("--json", prefix=prefix).expect(0)
        assert len(run.records()) == 2 and mock.stats()["with_auth"] == 2
        assert KEYS[0] not in run.out + run.err
