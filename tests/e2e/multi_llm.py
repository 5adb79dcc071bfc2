# SPDX-License-Identifier: Apache-2.0
"""Nodes that ask several models: all at once, one a record, or the next one when one has failed."""
import collections
import json
import threading
import time

from addresses import asked, refusal
from lib import Mock, Server, Task, completion
from resume import die, living, resume, wait_for

GRAPH = """
    data_config:
      source: {type: disk, file_path: data.jsonl}
    graph_config:
      nodes:
        ask:
          node_type: multi_llm
          models: {small: {name: a}, large: {name: b}, other: {name: c}}
          prompt:
            - user: "{q}"
          output_keys: answer
    MORE
      edges:
        - {from: START, to: ask}
        - {from: ask, to: END}
    output_config:
      output_map:
        id: {from: id}
        answer: {from: answer}
    """


def rows(n):
    return [{"id": i, "q": f"question {i}"} for i in range(n)]


def graph(*more):
    return GRAPH.replace("    MORE\n", "".join(f"          {line}\n" for line in more))


def task(folder, urls, n, *more, text=None, **model):
    """A task with the models a, b and c at the three addresses."""
    t = Task(folder, text or graph(*more), rows=rows(n))
    entry = {"model_type": "vllm", "retry_attempts": 1, **model}
    t.write("models.yaml", json.dumps({name: {**entry, "model": name, "url": url} for name, url in zip("abc", urls)}))
    return t


def says(text):
    """An endpoint that answers with `text`, or what it makes of the request."""
    def answer(peer, data):
        _, body = asked(peer, data)
        out = text(body) if callable(text) else text
        peer.sendall(out if isinstance(out, bytes) else completion(out))
    return Server(answer)


def test_an_ensemble_gives_a_list_with_one_map_of_labels(folder):
    servers = [says("A"), says("B"), says(lambda body: "C to " + body["messages"][0]["content"])]
    run = task(folder, [s.url for s in servers], 4).run("--json").expect(0)
    assert run.records() == [
        {"id": i, "answer": [{"small": "A", "large": "B", "other": f"C to question {i}"}]} for i in range(4)], run.records()
    assert run.summary()["calls"] == 12 and {a["answered"] for a in run.summary()["addresses"]} == {4}, run.summary()


def test_an_ensemble_asks_all_at_once(folder):
    with Mock("--latency_ms", 1500) as mock:
        run = task(folder, [mock.url] * 3, 1).run("--json").expect(0)
        assert run.summary()["peak_calls_in_flight"] == 3 and mock.stats()["max_in_flight"] == 3, run.summary()


def test_an_ensemble_without_output_keys_writes_messages(folder):
    text = graph().replace("          output_keys: answer\n", "").replace("from: answer", "from: messages")
    servers = [says(x) for x in "ABC"]
    [r] = task(folder, [s.url for s in servers], 1, text=text).run().expect(0).records()
    message = {"role": "assistant", "content": "A", "name": "ask"}
    assert list(r["answer"][0]) == ["small", "large", "other"] and r["answer"][0]["small"] == [message], r


def test_a_program_puts_an_ensemble_together_and_processors_run_for_each_model(folder):
    servers = [says(lambda body, x=x: x + body["messages"][0]["content"]) for x in "abc"]
    run = task(folder, [s.url for s in servers], 3,
               'pre_process: {jq: ".q |= ascii_upcase"}',
               'post_process: {jq: "{text: .response.content, kind: .state.q}"}',
               'multi_llm_post_process: {jq: "{answer: [.small.text, .large.text, .other.kind], q: null}"}').run().expect(0)
    assert [r["answer"] for r in run.records()] == [
        [f"aQUESTION {i}", f"bQUESTION {i}", f"QUESTION {i}"] for i in range(3)], run.records()


def test_a_model_of_an_ensemble_that_fails_fails_the_record_and_is_named(folder):
    servers = [says("A"), says(lambda _: refusal(400, {"message": "no"})), says("C")]
    [f] = task(folder, [s.url for s in servers], 1).run().expect(3).failed()
    assert f["node"] == "ask" and f["status"] == 400 and f["attempts"] == 1, f
    assert f["message"].startswith("`large`: model b answered 400: no"), f


def test_a_processor_that_fails_names_its_model(folder):
    servers = [says(x) for x in "ABC"]
    more = 'post_process: {jq: "if .response.content == \\"C\\" then error(\\"bad\\") else {answer: 1} end"}'
    [f] = task(folder, [s.url for s in servers], 1, more).run().expect(3).failed()
    assert f["error"] == "hook" and f["message"].startswith("`other`: ") and "bad" in f["message"], f


def test_a_result_without_the_key_cannot_be_put_together(folder):
    servers = [says(x) for x in "ABC"]
    [f] = task(folder, [s.url for s in servers], 1, 'post_process: {jq: "{text: .response.content}"}').run().expect(3).failed()
    assert "`small`: post_process gave no `answer`" in f["message"], f


def test_balance_asks_each_model_once_in_every_three_records(folder):
    servers = [says(x) for x in "ABC"]
    answers = []
    for i, b in enumerate((1, 16)):
        run = task(folder / str(i), [s.url for s in servers], 30, "strategy: balance").run("-n", 0, "-b", b, "--json").expect(0)
        assert run.summary()["calls"] == 30
        answers.append("".join(r["answer"] for r in run.records()))
    assert answers[0] == answers[1], answers  # whatever else is under way
    assert all(sorted(answers[0][i:i + 3]) == ["A", "B", "C"] for i in range(0, 30, 3)), answers
    assert len({answers[0][i:i + 3] for i in range(0, 30, 3)}) > 1, answers  # a graph's own rhythm does not fall in with it


def test_balance_is_another_one_with_another_seed_and_each_visit(folder):
    text = graph("strategy: balance").replace("{from: ask, to: END}", "{from: ask, to: note}").replace(
        "      edges:", """        note:
          node_type: lambda
          lambda: {jq: "{all: ((.all // []) + [.answer])}"}
          output_keys: all
      edges:
        - {from: note, condition: {jq: "if (.all | length) < 6 then 1 else 2 end"}, path_map: {1: ask, 2: END}}""").replace(
        "answer: {from: answer}", "answer: {from: all}")
    servers = [says(x) for x in "ABC"]
    t = task(folder, [s.url for s in servers], 3, text=text)
    first = [r["answer"] for r in t.run().expect(0).records()]
    assert all(sorted(visit) == ["A", "B", "C"] for visit in zip(*first)), first  # of three records, in each visit
    assert any(len(set(a)) > 1 for a in first), first
    again = [r["answer"] for r in t.run("--seed", 8).expect(0).records()]
    assert again != first


def test_fallback_asks_the_next_model_when_one_has_used_up_its_attempts(folder):
    counts = collections.Counter()

    def count(name, answer):
        def one(body):
            counts[name] += 1
            return answer(body) if callable(answer) else answer
        return says(one)

    servers = [count("a", refusal(500, {"message": "down"})), count("b", lambda body: refusal(
        400, {"message": "too long"}) if "1" in body["messages"][0]["content"] else "B"), count("c", "C")]
    run = task(folder, [s.url for s in servers], 3, "strategy: fallback", retry_attempts=2).run("-b", 1, "--json").expect(0)
    assert [r["answer"] for r in run.records()] == ["B", "C", "B"], run.records()
    assert counts == {"a": 6, "b": 3, "c": 1}, counts
    assert run.summary()["calls_failed"] == 4, run.summary()


def test_fallback_fails_with_the_last_reason_when_no_model_answers(folder):
    servers = [says(lambda _: refusal(400, {"message": "no"})) for _ in "abc"]
    [f] = task(folder, [s.url for s in servers], 1, "strategy: fallback").run().expect(3).failed()
    assert f["message"].startswith("no model answered; the last one, `other`: model c answered 400"), f


def test_a_node_after_it_and_a_branch_see_what_it_wrote(folder):
    text = graph("strategy: fallback").replace("{from: ask, to: END}", "{from: ask, to: note}").replace(
        "      edges:", """        note: {node_type: lambda, lambda: {jq: "{answer: (.answer + \\"!\\")}"}}
      edges:
        - {from: note, to: END}""")
    servers = [says(x) for x in "ABC"]
    assert task(folder, [s.url for s in servers], 1, text=text).run().expect(0).records()[0]["answer"] == "A!"


# --- runs that are killed -------------------------------------------------------------------------------------------


def test_a_resumed_fallback_does_not_ask_again_a_model_that_has_failed(folder):
    counts, dead = collections.Counter(), threading.Event()

    def last(_):
        counts["b"] += 1
        if not dead.is_set():
            time.sleep(30)
        return "B"

    def first(_):
        counts["a"] += 1
        return refusal(500, {"message": "down"})

    servers = [says(first), says(last), says("C")]
    task(folder, [s.url for s in servers], 1, "strategy: fallback", retry_attempts=2)
    with living(folder) as p:
        wait_for(lambda: counts["b"] == 1, "the second model's call")
        time.sleep(0.5)  # for the commit
        die(p)
    dead.set()
    assert resume(folder).expect(0).records() == [{"id": 0, "answer": "B"}]
    assert counts == {"a": 2, "b": 2}, counts


def test_attempts_of_each_model_of_an_ensemble_go_on_after_a_kill(folder):
    """Three attempts each, the last two far apart: the one that had answered is not asked again."""
    with Mock("--fail_rate", 1, "--fail_status", "503:1", "--retry_after", 3) as bad, Mock() as good:
        task(folder, [bad.url, good.url, bad.url], 1, retry_attempts=3)
        with living(folder) as p:
            wait_for(lambda: bad.stats()["requests"] == 4, "two attempts of two models")
            time.sleep(0.5)  # for the commit
            die(p)
        [f] = resume(folder).expect(3).failed()
        assert f["attempts"] == 3, f
        assert bad.stats()["requests"] in (5, 6), bad.stats()  # the first to fail cancels the other
        assert good.stats()["requests"] == 1, good.stats()


def test_a_balancing_node_asks_the_same_model_again_after_a_kill(folder):
    with Mock("--latency_ms", 60) as mock:
        urls = [mock.url] * 3
        task(folder / "a", urls, 60, "strategy: balance").run("-n", 0, "-b", 4).expect(0)
        task(folder / "b", urls, 60, "strategy: balance")
        with living(folder / "b", "-n", 0, "-b", 4) as p:
            wait_for(lambda: mock.stats()["requests"] > 90, "half of the calls")
            die(p)
        resume(folder / "b").expect(0)
    assert (folder / "a/output.json").read_bytes() == (folder / "b/output.json").read_bytes()
