# SPDX-License-Identifier: Apache-2.0
"""Resuming inside a record: a run is killed while calls of one stage of its graph are out, in one life after the other, and no
answer that came before is asked for again."""
import collections
import contextlib
import http.server
import json
import shutil
import socketserver
import sqlite3
import threading
import time

from lib import Task
from resume import die, fsck, living, resume, wait_for

class Endpoint:
    """Answers as `answer(model, prompt)` says: a message, or a status. Holds what holds(prompt) says, until the peer is gone."""

    def __init__(self, answer=None):
        self.answer = answer or (lambda model, prompt: {"content": f"<{prompt}> by {model}"})
        self.holds = lambda prompt: False
        self.asked, self.answered, self.held = [], [], 0
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                endpoint.serve(self, body["model"], body["messages"][0]["content"])

        class Listener(socketserver.ThreadingMixIn, http.server.HTTPServer):
            daemon_threads = True
            request_queue_size = 64

        self.server = Listener(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def serve(self, handler, model, prompt):
        self.asked.append((model, prompt))
        if self.holds(prompt):
            self.held += 1
            with contextlib.suppress(OSError):
                handler.connection.recv(1)
            handler.close_connection = True
            return
        message = self.answer(model, prompt)
        status = message if isinstance(message, int) else 200
        body = {"error": {"message": "no"}} if status != 200 else {
            "choices": [{"message": {"role": "assistant", **message}, "finish_reason": message.get("finish", "stop")}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 2}}
        data = json.dumps(body).encode()
        self.answered.append((model, prompt))
        with contextlib.suppress(OSError):
            handler.wfile.write(b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (status, len(data), data))

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@contextlib.contextmanager
def endpoint(answer=None):
    e = Endpoint(answer)
    try:
        yield e
    finally:
        e.close()


def lay_out(folder, graph, url, rows):
    task = Task(folder, graph, url, rows)
    models = json.loads((folder / "models.yaml").read_text())
    task.write("models.yaml", json.dumps({name: {**models["m"], "model": name} for name in ("m", "a", "b", "c")}))
    return task


def ask(folder, sql):
    with contextlib.closing(sqlite3.connect(folder / "output.run/run.db")) as db:
        return db.execute(sql).fetchall()


def steps_of(folder):
    [[n]] = ask(folder, "SELECT count(*) FROM steps")
    return n


def writers_of(folder):
    return ask(folder, "SELECT position, k.name, n.name, step FROM writers w JOIN keys k ON k.id = key JOIN nodes n ON n.id = node "
                       "ORDER BY 1, 2")


def come_to_rest(e, folder):
    """Until all answers are in the journal, and the steps that they ended."""
    def journalled():
        with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(folder / "output.run/run.db")) as db:
            return db.execute("SELECT calls_answered + calls_failed FROM progress WHERE id = 1").fetchone() == (len(e.answered),)
        return False

    wait_for(journalled, "the commit")
    time.sleep(0.1)


def die_at(e, folder, holds, n, verb, *args):
    """A life that ends when n calls are held, and all else has come to rest."""
    e.holds, e.held = holds, 0
    with living(folder if verb == "run" else folder / "output.run", *args, verb=verb) as p:
        wait_for(lambda: e.held >= n or p.poll() is not None, "the calls that are held")
        come_to_rest(e, folder)
        die(p)


def storm(folder, graph, rows, stages, answer=None, *args):
    """Killed at each stage in turn: (text of its prompts, how many are out at a time). The last life ends by itself."""
    with endpoint(answer) as e:
        lay_out(folder / "still", graph, e.url, rows).run("-n", 0, "-b", 20).expect(0)
        wanted = collections.Counter(e.answered)
        assert set(wanted.values()) == {1}, f"the questions are not all different: {wanted}"
        e.asked.clear(), e.answered.clear()
        place = folder / "killed"
        lay_out(place, graph, e.url, rows)
        for i, (text, n) in enumerate(stages):
            die_at(e, place, lambda prompt, text=text: prompt.startswith(text), n, "resume" if i else "run", *(() if i else ("-n", 0, "-b", 20, *args)))
            fsck(place).expect(0)
        e.holds = lambda prompt: False
        run = resume(place, "--json").expect(0)
        assert (place / "output.json").read_bytes() == (folder / "still/output.json").read_bytes()
        again = {q: n for q, n in collections.Counter(e.answered).items() if n > 1}
        assert not again, f"answered, and asked for again: {again}"
        assert collections.Counter(e.answered) == wanted
        out = sum(n for _, n in stages)
        assert len(e.asked) == len(e.answered) + out, (len(e.asked), len(e.answered), out)
        if "outputs" not in args:
            assert writers_of(place) == writers_of(folder / "still")
        fsck(place).expect(0)
        return run.summary()


def rows(n):
    return [{"id": i, "q": f"q{i}.", "turn": 0, "log": []} for i in range(n)]


AGENT = """
    data_config:
      source: {type: disk, file_path: data.jsonl}
    graph_config:
      nodes:
        plan: {node_type: llm, model: {name: m}, prompt: [{user: "plan {q}"}], output_keys: plan}
        act:
          node_type: llm
          model: {name: m}
          prompt: [{user: "act {turn} on {plan}, after {log}"}]
          output_keys: [turn, log]
          post_process: {jq: '{turn: (.state.turn + 1), log: (.state.log + [.response.content])}'}
        note: {node_type: lambda, lambda: {jq: '{size: (.log | map(length) | add)}'}, output_keys: size}
      edges:
        - {from: START, to: plan}
        - {from: plan, to: act}
        - {from: act, condition: {jq: 'if .turn < 11 then "more" else "done" end'}, path_map: {more: act, done: note}}
        - {from: note, to: END}
    output_config: {output_map: {id: {from: id}, log: {from: log}, size: {from: size}}}
    """


def test_an_agent_of_twelve_calls_is_killed_at_each_of_them_and_asks_nothing_again(folder):
    stages = [("plan q", 3), *((f"act {i} ", 3) for i in range(11))]
    summary = storm(folder, AGENT, rows(3), stages)
    assert summary["steps_kept"] == 3 * 11 and summary["calls_kept"] == 3 * 11 and summary["calls_repeated"] == 0, summary
    assert summary["calls"] == 3 * 12, summary
    assert steps_of(folder / "killed") == 0, "with --keep calls they go when the record has ended"
    assert writers_of(folder / "killed")[:2] == [(0, "log", "act", 12), (0, "turn", "act", 12)], "who wrote what stays"


def test_what_keep_keeps_makes_no_difference_to_resuming(folder):
    stages = [("act 0", 2), ("act 4", 2)]
    for keep in ("outputs", "all"):
        storm(folder / keep, AGENT, rows(2), stages, None, "--keep", keep)
    assert steps_of(folder / "outputs/killed") == 0 and steps_of(folder / "all/killed") == 2 * 12
    assert not (folder / "outputs/killed/output.run/segments").exists()


BRANCHES = """
    data_config:
      source: {type: disk, file_path: data.jsonl}
    graph_config:
      nodes:
        draw: {node_type: weighted_sampler, attributes: {tone: {values: [dry, warm, loud, plain]}}}
        left: {node_type: llm, model: {name: a}, prompt: [{user: "left {q} {tone}"}], output_keys: left}
        deeper: {node_type: llm, model: {name: a}, prompt: [{user: "deeper {left}"}], output_keys: deep}
        right: {node_type: llm, model: {name: b}, prompt: [{user: "right {q} {tone}"}]}
        meet: {node_type: llm, model: {name: m}, prompt: [{user: "meet {deep} {n}"}], output_keys: met}
        count: {node_type: lambda, lambda: {jq: '{n: ((.n // 0) + 1)}'}, output_keys: n}
      edges:
        - {from: START, to: draw}
        - {from: draw, to: [left, right]}
        - {from: left, to: deeper}
        - {from: [deeper, right], to: count}
        - {from: count, to: meet}
        - {from: meet, condition: {jq: 'if .n < 2 then "again" else "END" end'}, path_map: {again: count, END: END}}
    output_config: {output_map: {id: {from: id}, tone: {from: tone}, met: {from: met}, said: {from: messages, transform: {jq: 'length'}}}}
    """


def test_branches_joins_draws_and_messages_go_on_where_they_were(folder):
    stages = [("left", 4), ("deeper", 4), ("meet <deeper", 4)]
    storm(folder, BRANCHES, rows(4), stages)
    [one, *_] = json.loads((folder / "killed/output.json").read_text())
    assert one["said"] == 1 and " 2> by m" in one["met"], one


INNER = """
    graph_config:
      nodes:
        first: {node_type: llm, model: {name: a}, prompt: [{user: "first {q}"}], output_keys: one, pre_process: {jq: '. + {q: (.q + "!")}'}}
        second: {node_type: llm, model: {name: b}, prompt: [{user: "second {one}"}], output_keys: two}
      edges: [{from: START, to: first}, {from: first, to: second}, {from: second, to: END}]
    """

OUTER = """
    data_config:
      source: {type: disk, file_path: data.jsonl}
    graph_config:
      nodes:
        inner: {node_type: subgraph, subgraph: inner}
        last: {node_type: llm, model: {name: c}, prompt: [{user: "last {two} {one}"}], output_keys: end}
      edges: [{from: START, to: inner}, {from: inner, to: last}, {from: last, to: END}]
    output_config: {output_map: {id: {from: id}, end: {from: end}}}
    """


def test_a_subgraph_goes_on_inside(folder):
    for place in ("still", "killed"):
        Task(folder / place / "inner", INNER)
    storm(folder, OUTER, rows(3), [("first", 3), ("second <", 3), ("last", 3)])


SEVERAL = """
    data_config:
      source: {type: disk, file_path: data.jsonl}
    graph_config:
      nodes:
        ask:
          node_type: multi_llm
          strategy: STRATEGY
          models: {one: {name: a}, two: {name: b}, three: {name: c}}
          prompt: [{user: "PREFIX {q}"}]
          output_keys: said
        last: {node_type: llm, model: {name: m}, prompt: [{user: "last {said}"}], output_keys: end}
      edges: [{from: START, to: ask}, {from: ask, to: last}, {from: last, to: END}]
    output_config: {output_map: {id: {from: id}, said: {from: said}, end: {from: end}}}
    """


def hold_model(e, model):
    """Prompts are the same for all models of a node, so the one that is held is known by its turn."""
    serve = e.serve

    def serve_but_hold(handler, asked, prompt):
        e.holds = lambda p: asked == model and "last" not in p
        serve(handler, asked, prompt)

    e.serve = serve_but_hold
    return serve


def test_of_an_ensemble_half_answered_only_the_rest_is_asked(folder):
    graph = SEVERAL.replace("STRATEGY", "ensemble").replace("PREFIX", "say")
    with endpoint() as e:
        lay_out(folder / "still", graph, e.url, rows(3)).run("-n", 0).expect(0)
        lay_out(folder / "killed", graph, e.url, rows(3))
        e.asked.clear(), e.answered.clear()
        serve = hold_model(e, "b")
        with living(folder / "killed", "-n", 0) as p:
            wait_for(lambda: e.held == 3 and len(e.answered) == 6, "the others' answers")
            come_to_rest(e, folder / "killed")
            die(p)
        e.serve, e.holds = serve, lambda prompt: False
        before = len(e.asked)
        s = resume(folder / "killed", "--json").expect(0).summary()
        assert sorted(model for model, _ in e.asked[before:]) == ["b"] * 3 + ["m"] * 3, e.asked[before:]
        assert s["calls_kept"] == 6 and s["calls_repeated"] == 0, s
    assert (folder / "killed/output.json").read_bytes() == (folder / "still/output.json").read_bytes()


def test_a_balancing_node_is_gone_on_with_behind_the_model_it_asked(folder):
    storm(folder, SEVERAL.replace("STRATEGY", "balance").replace("PREFIX", "say"), rows(6), [("say", 6), ("last", 6)])


def test_a_fallback_does_not_ask_the_model_again_that_had_failed(folder):
    graph = SEVERAL.replace("STRATEGY", "fallback").replace("PREFIX", "say")
    with endpoint(lambda model, prompt: 400 if model in "ab" else {"content": f"{prompt} by {model}"}) as e:
        lay_out(folder, graph, e.url, rows(3))
        serve = hold_model(e, "c")
        with living(folder, "-n", 0) as p:
            wait_for(lambda: e.held == 3, "the third model")
            come_to_rest(e, folder)
            die(p)
        e.serve, e.holds = serve, lambda prompt: False
        before = len(e.asked)
        resume(folder).expect(0)
        assert sorted(model for model, _ in e.asked[before:]) == ["c"] * 3 + ["m"] * 3, e.asked[before:]


def test_a_record_whose_call_had_failed_for_good_fails_with_the_same_words(folder):
    """The other branch is held, so that the failed call's record was not ended."""
    graph = SEVERAL.replace("STRATEGY", "fallback").replace("PREFIX", "say").replace("two: {name: b}, three: {name: c}", "two: {name: b}")
    with endpoint(lambda model, prompt: 418 if model == "a" else 400) as e:
        lay_out(folder / "still", graph, e.url, rows(2)).run("-n", 0).expect(3)
        lay_out(folder / "killed", graph, e.url, rows(2))
        e.answered.clear()
        serve = hold_model(e, "b")
        with living(folder / "killed", "-n", 0) as p:
            wait_for(lambda: e.held == 2, "the second model")
            come_to_rest(e, folder / "killed")
            die(p)
        e.serve, e.holds = serve, lambda prompt: False
        resume(folder / "killed").expect(3)
    assert (folder / "killed/output_failed.jsonl").read_bytes() == (folder / "still/output_failed.jsonl").read_bytes()


TOOLS = """
    data_config:
      source: {type: disk, file_path: data.jsonl}
    graph_config:
      nodes:
        ask: {node_type: llm, model: {name: a}, prompt: [{user: "ask {q}"}], output_keys: calls, post_process: {jq: '{calls: .response}'}}
        last: {node_type: llm, model: {name: m}, prompt: [{user: "last {q}"}], output_keys: end}
        beside: {node_type: llm, model: {name: b}, prompt: [{user: "beside {q}"}], output_keys: beside}
      edges: [{from: START, to: [ask, beside]}, {from: [ask, beside], to: last}, {from: last, to: END}]
    output_config: {output_map: {id: {from: id}, calls: {from: calls}, beside: {from: beside}}}
    """


def test_tool_calls_and_other_ends_come_back_as_they_were(folder):
    tool = [{"id": "x", "type": "function", "function": {"name": "f", "arguments": '{"n": 1.10}'}}]

    def answer(model, prompt):
        if model == "a":
            return {"content": None, "tool_calls": tool, "finish": "tool_calls"}
        return {"content": "", "finish": "length"} if model == "b" else {"content": f"to {prompt}"}

    storm(folder, TOOLS, rows(3), [("beside", 3), ("last", 3)], answer)
    [one, *_] = json.loads((folder / "killed/output.json").read_text())
    assert one["calls"]["tool_calls"] == tool and one["calls"]["content"] == "" and one["beside"] == "", one


def test_the_counts_of_tokens_and_calls_are_those_of_the_undisturbed_run(folder):
    summary = storm(folder, OUTER.replace("subgraph, subgraph: inner", "llm, model: {name: a}, prompt: [{user: 'two {q}'}], output_keys: two")
                    .replace(" {one}", ""), rows(5), [("two", 5), ("last", 5)])
    assert (summary["calls"], summary["prompt_tokens"], summary["completion_tokens"]) == (10, 30, 20), summary


def test_a_folder_whose_steps_are_damaged_is_refused_with_the_place(folder):
    with endpoint() as e:
        lay_out(folder, AGENT, e.url, rows(2))
        die_at(e, folder, lambda prompt: prompt.startswith("act 3 "), 2, "run", "-n", 0)
        shutil.copytree(folder / "output.run", folder / "copy.run")
        segment = folder / "output.run/segments/000001.seg"
        data = bytearray(segment.read_bytes())
        at = data.rindex(b'"next"')
        data[at] ^= 1
        segment.write_bytes(data)
        assert "000001.seg: byte " in fsck(folder).out
        run = resume(folder).expect(1)
        assert "000001.seg: byte " in run.err and "damaged" in run.err, run.err
        e.holds = lambda prompt: False
        data[at] ^= 1
        segment.write_bytes(data)
        resume(folder).expect(0)
