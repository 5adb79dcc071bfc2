# SPDX-License-Identifier: Apache-2.0
"""Chat history and tools: what is asked, and what of it is kept. No Python is needed for either."""
import json

from addresses import asked
from lib import Server, Task, completion
from multi_llm import says
from resume import sygra

SEARCH = {"type": "function", "function": {"name": "search", "parameters": {"type": "object", "properties": {"q": {"type": "string"}}}}}


class Listener:
    """An endpoint that keeps what it was asked, and answers `reply <n>`, or what `answer` makes of it."""

    def __init__(self, answer=None):
        self.bodies = []
        self.answer = answer
        self.server = Server(self.one)
        self.url = self.server.url

    def one(self, peer, data):
        _, body = asked(peer, data)
        self.bodies.append(body)
        out = self.answer(body) if self.answer else f"reply {len(self.bodies)}"
        peer.sendall(out if isinstance(out, bytes) else completion(out))


def talk(kind, nodes, edges, window=None):
    properties = {"chat_conversation": kind} if kind else {}
    if window is not None:
        properties["chat_history_window_size"] = window
    return json.dumps({
        "data_config": {"source": {"type": "disk", "file_path": "data.jsonl"}},
        "graph_config": {"graph_properties": properties, "nodes": nodes, "edges": edges},
        "output_config": {"output_map": {"id": {"from": "id"}, "history": {"from": "__chat_history__"}, "out": {"from": "out"}}}})


def node(prompt, **more):
    return {"node_type": "llm", "model": {"name": "m"}, "prompt": prompt, "chat_history": True, **more}


def chain(*names):
    way = ["START", *names, "END"]
    return [{"from": a, "to": b} for a, b in zip(way, way[1:])]


def test_a_singleturn_node_is_told_the_conversation_as_one_message(folder):
    peer = Listener()
    nodes = {name: node([{"system": f"you are {name}"}, {"user": "talk about {topic}"}]) for name in ("ann", "bob", "eve")}
    t = Task(folder, talk("singleturn", nodes, chain("ann", "bob", "eve")), url=peer.url, rows=[{"id": 1, "topic": "tea"}])
    history = t.run().expect(0).records()[0]["history"]
    assert peer.bodies[0]["messages"] == [{"role": "system", "content": "you are ann"}, {"role": "user", "content": "talk about tea"}]
    (last,) = peer.bodies[2]["messages"]
    lines = last["content"].split("\n")
    assert last["role"] == "user"
    assert lines[2:] == ["Organizer: talk about tea", "ann: reply 1", "ann: reply 1", "bob: reply 2", "", lines[-1]], lines
    assert "turn of eve" in lines[-1]
    assert [(e["name"], e["response"]) for e in history] == [("ann", "reply 1"), ("bob", "reply 2"), ("eve", "reply 3")]
    assert [e["request"] for e in history] == [b["messages"] for b in peer.bodies]


def test_a_window_holds_the_last_entries_and_the_first_stays(folder):
    peer = Listener()
    names = ["n%d" % i for i in range(5)]
    nodes = {name: node([{"user": "go"}]) for name in names}
    t = Task(folder, talk("singleturn", nodes, chain(*names), window=2), url=peer.url, rows=[{"id": 1}])
    t.run().expect(0)
    lines = peer.bodies[4]["messages"][0]["content"].split("\n")
    assert lines[2:6] == ["Organizer: go", "n0: reply 1", "n2: reply 3", "n3: reply 4"], lines


def test_multiturn_puts_turns_between_the_system_message_and_the_rest(folder):
    peer = Listener()
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": {"x": "ü"}}}
    turns = [{"role": "user", "content": "first"}, {"name": "no role", "request": [], "response": "not told"},
             {"role": "assistant", "content": "second", "tool_calls": [call]},
             {"role": "tool", "content": "success", "tool_call_id": "c1"}, {"role": "other", "content": "no"},
             {"role": "assistant", "content": "third"}]
    nodes = {"q": node([{"system": "first system"}, {"user": "now {id}"}, {"system": "the system"}], output_keys="out")}
    t = Task(folder, talk("multiturn", nodes, chain("q"), window=10), url=peer.url, rows=[{"id": 1, "__chat_history__": turns}])
    t.run().expect(0)
    assert peer.bodies[0]["messages"] == [
        {"role": "system", "content": "the system"}, {"role": "user", "content": "first"},
        {"role": "assistant", "content": "second", "tool_calls": [
            {"type": "function", "id": "c1", "function": {"name": "f", "arguments": '{"x": "ü"}'}}]},
        {"role": "tool", "content": "success", "tool_call_id": "c1"}, {"role": "assistant", "content": "third"},
        {"role": "user", "content": "now 1"}]


def test_a_multiturn_window_begins_with_a_user(folder):
    peer = Listener()
    turns = [{"role": role, "content": f"{role} {i}"} for i in range(4) for role in ("user", "assistant")]
    nodes = {"q": node([{"user": "now"}], output_keys="out")}
    t = Task(folder, talk("multiturn", nodes, chain("q"), window=3), url=peer.url,
             rows=[{"id": 1, "__chat_history__": turns}, {"id": 2, "__chat_history__": turns[:3]}])
    t.run("-b", 1).expect(0)
    assert [m["content"] for m in peer.bodies[0]["messages"]] == ["user 3", "assistant 3", "now"]
    assert [m["content"] for m in peer.bodies[1]["messages"]] == ["user 0", "assistant 0", "user 1", "now"]


def test_history_is_kept_without_being_told_and_not_doubled_by_hooks_that_return_the_state(folder):
    peer = Listener()
    whole = {"jq": ".state + {out: .response.content}"}
    nodes = {"a": node([{"user": "one"}], post_process=whole, output_keys=["out"]),
             "b": node([{"user": "two {out}"}], post_process={"jq": "null"}, output_keys=["out"]),
             "c": {**node([{"user": "three"}]), "chat_history": False, "output_keys": "out"}}
    t = Task(folder, talk(None, nodes, chain("a", "b", "c")), url=peer.url, rows=[{"id": 1}])
    (record,) = t.run().expect(0).records()
    assert record["out"] == "reply 3"
    assert [(e["name"], e["response"]) for e in record["history"]] == [("a", "reply 1"), ("b", "reply 2")]
    assert [m["content"] for b in peer.bodies for m in b["messages"]] == ["one", "two reply 1", "three"]


def test_each_model_of_an_ensemble_gives_its_entry_to_the_program_that_combines(folder):
    peer = says("same")
    nodes = {"q": {"node_type": "multi_llm", "models": {"x": {"name": "m"}, "y": {"name": "m"}}, "prompt": [{"user": "hi"}],
                   "chat_history": True, "output_keys": "out",
                   "multi_llm_post_process": {"jq": "{out: .x.out, __chat_history__: (.x.__chat_history__ + .y.__chat_history__)}"}}}
    t = Task(folder, talk("singleturn", nodes, chain("q")), url=peer.url, rows=[{"id": 1}])
    (record,) = t.run().expect(0).records()
    assert record["history"] == 2 * [{"name": "q", "request": [{"role": "user", "content": "hi"}], "response": "same"}]


def test_a_broken_entry_fails_the_record_at_its_node(folder):
    nodes = {"q": node([{"user": "hi"}], output_keys="out")}
    t = Task(folder, talk("singleturn", nodes, chain("q")), url=Listener().url, rows=[{"id": 1, "__chat_history__": [{"role": "user"}]}])
    (failed,) = t.run().expect(3).failed()
    assert failed["node"] == "q" and "`request`" in failed["message"], failed


def calls_a_tool(body):
    call = [{"id": "1", "type": "function", "function": {"name": "search", "arguments": "{\"q\": \"tea\"}"}}]
    reply = json.dumps({"choices": [{"message": {"role": "assistant", "content": None, "tool_calls": call}, "finish_reason": "tool_calls"}],
                        "usage": {"prompt_tokens": 1, "completion_tokens": 1}}).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(reply), reply)


def tool_task(folder, url, **more):
    nodes = {"q": {"node_type": "llm", "model": {"name": "m"}, "prompt": [{"user": "hi"}], "tools": [SEARCH], **more}}
    graph = json.loads(talk(None, nodes, chain("q")))
    graph["output_config"]["output_map"] = {k: {"from": k} for k in ("out", "tool_calls")}
    return Task(folder, json.dumps(graph), url=url, rows=[{"id": 1, "tool_calls": None}])


def test_tools_go_into_the_request_and_their_calls_to_the_post_process(folder):
    peer = Listener(calls_a_tool)
    post = {"jq": "{out: [.state.tool_calls[].function.name]}"}
    t = tool_task(folder, peer.url, post_process=post, tool_choice="required", output_keys=["out"])
    assert t.run().expect(0).records() == [{"out": ["search"], "tool_calls": None}]
    assert peer.bodies[0]["tools"] == [SEARCH] and peer.bodies[0]["tool_choice"] == "required"


def test_without_a_post_process_the_calls_of_tools_are_written_if_the_state_has_such_a_key(folder):
    peer = Listener(calls_a_tool)
    (record,) = tool_task(folder, peer.url, output_keys="out").run().expect(0).records()
    assert record["out"] == "" and record["tool_calls"][0]["function"]["arguments"] == '{"q": "tea"}'
    assert peer.bodies[0]["tool_choice"] == "auto"


def test_another_tool_changes_the_hash_of_its_node(folder):
    t, hashes = tool_task(folder, "http://127.0.0.1:9/v1", output_keys="out"), []
    for _ in range(2):
        graph = json.loads(sygra("graph", folder, "--json").expect(0).out)
        hashes.append(graph["nodes"][0]["hash"])
        t.write("graph_config.yaml", (folder / "graph_config.yaml").read_text().replace("search", "find"))
    assert hashes[0] != hashes[1]
