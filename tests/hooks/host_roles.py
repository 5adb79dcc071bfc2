# SPDX-License-Identifier: Apache-2.0
"""What each kind of hook is called with, and what comes back of it."""
import json

from client import client_of

ANSWER = {"role": "assistant", "content": "an answer"}


def test_a_lambda_gets_the_node_and_the_state(folder):
    with client_of(folder, """
        def f(node, state): return {"got": [node["params"], state["x"], sorted(state)]}
        """) as c:
        hook = c.hook("hooks.f", "lambda", {"params": {"k": 1}})
        assert c.call(hook, state={"x": "é", "y": None}).outputs == [{"got": [{"k": 1}, "é", ["x", "y"]]}]


def test_a_class_of_a_lambda_may_be_written_in_three_ways(folder):
    with client_of(folder, """
        class Static:
            @staticmethod
            def apply(node, state): return {"n": 1}
        class Plain:
            def apply(node, state): return {"n": 2}
        class Self:
            def apply(self, node, state): return {"n": 3}
        """) as c:
        for n, name in enumerate(["Static", "Plain", "Self"], 1):
            assert c.call(c.hook(f"hooks.{name}", "lambda", {}), state={}).outputs == [{"n": n}], name


def test_async_hooks_of_every_form_are_awaited(folder):
    with client_of(folder, """
        import asyncio, functools
        from sygra.core.graph.functions.lambda_function import AsyncLambdaFunction
        async def f(node, state):
            await asyncio.sleep(0)
            return {"n": 1}
        class C(AsyncLambdaFunction):
            @staticmethod
            async def apply(node, state): return {"n": 2}
        def wrapped(node, state): return f(node, state)
        """) as c:
        for name, n, is_async in [("f", 1, True), ("C", 2, True), ("wrapped", 1, False)]:
            hook, said = c.load(f"hooks.{name}", "lambda", {})
            assert said["async"] == is_async, said
            assert c.call(hook, state={}).outputs == [{"n": n}], name


def test_values_that_come_back_as_they_were_are_kept_and_not_sent(folder):
    with client_of(folder, """
        def f(node, state):
            state["new"] = 1
            return state
        def same(node, state): return state
        def equal(node, state): return {"l": list(state["l"])}
        """) as c:
        state = b'{"exact":1.10,"l":[1,{"a":2}],"s":"text","big":123456789012345678901234567890.5}'
        answer = c.call(c.hook("hooks.f", "lambda", {}), state=state)
        assert answer.outputs == [{"new": 1}] and answer.effects == {"kept": ["exact", "l", "s", "big"]}, answer
        answer = c.call(c.hook("hooks.same", "lambda", {}), state=state)
        assert answer.outputs == [{}] and len(answer.effects["kept"]) == 4
        answer = c.call(c.hook("hooks.equal", "lambda", {}), state=state)
        assert answer.outputs == [{"l": [1, {"a": 2}]}] and answer.effects == {}, "another object is a write"


def test_changes_in_place_are_told(folder):
    with client_of(folder, """
        from langchain_core.messages import HumanMessage
        def deep(node, state):
            state["l"][1]["a"].append(3)
            return {"n": 1}
        def nothing(node, state): state["l"].clear()
        def returned(node, state):
            state["l"].append(2)
            return state
        def kinds(node, state): state["l"][0] = True
        def message(node, state):
            state["messages"].append(HumanMessage("more"))
            state["messages"][0].content = "other"
        def assigned(node, state): state["l"] = 5
        """) as c:
        def effects(name, state):
            answer = c.call(c.hook(f"hooks.{name}", "lambda", {}), state=state)
            assert answer.kind == "result", answer
            return answer.outputs, answer.effects

        assert effects("deep", {"l": [1, {"a": []}], "m": []}) == ([{"n": 1}], {"changed": {"l": [1, {"a": [3]}]}})
        assert effects("nothing", {"l": [1]}) == ([None], {"changed": {"l": []}})
        assert effects("returned", {"l": [1], "m": [1]}) == ([{"l": [1, 2]}], {"kept": ["m"]})
        assert effects("kinds", {"l": [1]}) == ([None], {"changed": {"l": [True]}}), "1 and true are not the same"
        chat = [{"role": "assistant", "content": "a", "name": "n"}]
        assert effects("message", {"messages": chat}) == ([None], {"changed": {"messages": [
            {"role": "assistant", "content": "other", "name": "n"}, {"role": "user", "content": "more"}]}})
        assert effects("assigned", {"l": [1]}) == ([None], {}), "the state is the call's own"


def test_a_pre_processor_gives_the_state_and_tells_all_that_it_changed_in_place(folder):
    with client_of(folder, """
        from sygra.core.graph.functions.node_processor import NodePreProcessor
        class P(NodePreProcessor):
            def apply(self, state):
                state["l"].append(1)
                state["x"] = 2
                return state
        """) as c:
        answer = c.call(c.hook("hooks.P", "pre"), state={"l": [], "s": "t"})
        assert answer.outputs == [{"l": [1], "x": 2}]
        assert answer.effects == {"kept": ["s"], "changed": {"l": [1]}}


def test_a_post_processor_is_called_once_by_its_signature(folder):
    with client_of(folder, """
        from sygra.core.graph.functions.node_processor import NodePostProcessor
        calls = []
        def one(resp): return {"x": [type(resp).__name__, resp.content, resp.type]}
        def two(resp, state): return {"x": resp.content + state["s"]}
        def default(resp, state=None): return {"x": state is not None}
        class C(NodePostProcessor):
            def apply(self, resp): return {"x": [type(resp).__name__, resp.message.content]}
        class D(NodePostProcessor):
            def apply(self, resp, state): return {"x": resp.message.content + state["s"]}
        def breaks(resp, state):
            calls.append(1)
            raise TypeError(f"call {len(calls)}")
        """) as c:
        wanted = {"one": ["AIMessage", "an answer", "ai"], "two": "an answer!", "default": True,
                  "C": ["SygraMessage", "an answer"], "D": "an answer!"}
        for name, x in wanted.items():
            answer = c.call(c.hook(f"hooks.{name}", "post"), ANSWER, {"s": "!"})
            assert answer.outputs == [{"x": x}], answer
        assert "TypeError: call 1 " in c.call(c.hook("hooks.breaks", "post"), ANSWER, {"s": "!"}).message


def test_an_answer_brings_its_tool_calls(folder):
    calls = [{"id": "c1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}]
    with client_of(folder, """
        def f(resp, state): return {"x": resp.tool_calls, "messages": [resp]}
        """) as c:
        [x] = c.call(c.hook("hooks.f", "post"), dict(ANSWER, tool_calls=calls), {}).outputs
        assert [(t["name"], t["args"], t["id"]) for t in x["x"]] == [("add", {"a": 1}, "c1")]
        assert x["messages"] == [dict(ANSWER, tool_calls=calls)]


def test_messages_are_objects_in_the_state_and_maps_outside(folder):
    chat = [{"role": "system", "content": "s"}, {"role": "user", "content": "q", "name": "bob"}, ANSWER,
            {"role": "tool", "content": "4", "tool_call_id": "c1"}]
    with client_of(folder, """
        from langchain_core.messages import AIMessage
        def types(node, state):
            return {"types": [m.type for m in state["messages"]], "messages": [AIMessage(content="x", name="me")]}
        def elsewhere(node, state): return {"y": {"list": state["messages"][1:2]}}
        def back(node, state): return {"type": state["y"]["list"][0].type}
        """) as c:
        [x] = c.call(c.hook("hooks.types", "lambda", {}), state={"messages": chat}).outputs
        mine = [{"role": "assistant", "content": "x", "name": "me"}]
        assert x == {"types": ["system", "human", "ai", "tool"], "messages": mine}
        [x] = c.call(c.hook("hooks.elsewhere", "lambda", {}), state={"messages": chat}).outputs
        assert x["y"]["list"] == [{"__sygra__": "message", "role": "user", "content": "q", "name": "bob"}]
        assert c.call(c.hook("hooks.back", "lambda", {}), state=x).outputs == [{"type": "human"}]


def test_a_condition_gives_keys(folder):
    with client_of(folder, """
        from langgraph.graph import END
        from sygra.core.graph.functions.edge_condition import EdgeCondition
        def f(state): return state["go"]
        class Plain(EdgeCondition):
            def apply(state): return END
        class Self(EdgeCondition):
            def apply(self, state): return True
        def touches(state):
            state["l"].append(1)
            return "a"
        """) as c:
        f = c.hook("hooks.f", "condition")
        for value in ["a", ["a", "b"], True, None, 3]:
            assert c.call(f, state={"go": value}).outputs == [value]
        assert c.call(c.hook("hooks.Plain", "condition"), state={}).outputs == ["__end__"]
        assert c.call(c.hook("hooks.Self", "condition"), state={}).outputs == [True]
        assert c.call(c.hook("hooks.touches", "condition"), state={"l": []}).effects == {"changed": {"l": [1]}}
        assert c.call(f, state={"go": {}}).fault == "useless"


def test_a_combiner_gets_the_updates_by_label(folder):
    with client_of(folder, """
        def f(outputs): return {"all": {k: v["messages"][0].content for k, v in outputs.items()}}
        """) as c:
        update = {"messages": [ANSWER]}
        wanted = {"all": {"a": "an answer", "b": "an answer"}}
        assert c.call(c.hook("hooks.f", "combine"), {"a": update, "b": update}).outputs == [wanted]


def test_a_generator_is_made_once_and_may_drop_a_record(folder):
    with client_of(folder, """
        from sygra.processors.output_record_generator import BaseOutputGenerator
        class Gen(BaseOutputGenerator):
            made = 0
            def __init__(self, config):
                super().__init__(config)
                Gen.made += 1
            def generate(self, state):
                if state.get("drop"): return None
                return dict(super().generate(state), made=Gen.made)
            @staticmethod
            def upper(data, state): return data.upper()
            def longer(self, data, state): return data + state["y"]
        """) as c:
        fields = {"a": {"from": "x", "transform": "upper"}, "b": {"value": {"k": [1]}}, "m": {"from": "messages"}}
        config = {"output_map": fields}
        hook = c.hook("hooks.Gen", "generate", config)
        for _ in range(2):
            [record] = c.call(hook, state={"x": "text", "messages": [ANSWER]}).outputs
            assert list(record) == ["a", "b", "m", "made"] and record["a"] == "TEXT" and record["made"] == 1, record
            assert record["m"] == [dict(ANSWER, __sygra__="message")]
        assert c.call(hook, state={"drop": 1}).outputs == [None]
        assert c.call(c.hook("hooks.Gen", "field", {"method": "upper"}), "x", {}).outputs == ["X"]
        assert c.call(c.hook("hooks.Gen", "field", {"method": "longer"}), "x", {"y": "y"}).outputs == ["xy"]


def test_a_transform_gets_messages_as_objects_where_it_gets_the_states(folder):
    with client_of(folder, """
        def f(value, state): return [getattr(v, "type", "map") for v in value]
        class Of:
            def method(self, value, state): return value * 2
        """) as c:
        f = c.hook("hooks.f", "transform")
        chat = b'[{"role":"user","content":"q"}]'
        assert c.call(f, chat, b'{"messages":' + chat + b"}").outputs == [["human"]]
        assert c.call(f, chat, {"messages": []}).outputs == [["map"]]
        assert c.call(c.hook("hooks.Of.method", "transform"), 4, {}).outputs == [8]


def test_a_model_post_processor_gives_text(folder):
    with client_of(folder, """
        class Strip:
            def apply(self, text): return text.strip()
        def bad(text): return None
        """) as c:
        assert c.call(c.hook("hooks.Strip", "model_post"), " a ").outputs == ["a"]
        answer = c.call(c.hook("hooks.bad", "model_post"), " a ")
        assert answer.fault == "useless" and "returned nothing (None); it must return the text" in answer.message, answer


def test_schemas_say_what_pydantic_says_in_its_order(folder):
    with client_of(folder, """
        import warnings
        warnings.simplefilter("ignore")
        from pydantic import BaseModel, field_validator, model_validator, root_validator, validator
        class New(BaseModel):
            id: int
            name: str
            tags: list[str]
            @field_validator("name")
            @classmethod
            def named(cls, v):
                if not v: raise ValueError("a name is needed")
                return v
            @model_validator(mode="after")
            def whole(self):
                if self.id < 0: raise ValueError("negative")
                return self
        class Old(BaseModel):
            id: int
            @validator("id")
            def positive(cls, v):
                assert v > 0, "not positive"
                return v
            @root_validator(pre=True)
            def first(cls, values):
                if "no" in values: raise ValueError("no")
                return values
        class Breaks(BaseModel):
            id: int
            @field_validator("id")
            @classmethod
            def bad(cls, v): raise KeyError("oops")
        """) as c:
        hook, said = c.load("hooks.New", "schema")
        assert "message" not in said, said
        assert list(said["schema"]["properties"]) == ["id", "name", "tags"], said
        assert c.call(hook, {"id": "5", "name": "n", "tags": [], "more": 1}).outputs == [None]
        [text] = c.call(hook, {"id": "x", "name": "", "tags": [1]}).outputs
        assert [line.split(":")[0] for line in text.split("\n")] == ["id", "name", "tags.0"], text
        assert "name: Value error, a name is needed" in text
        assert c.call(hook, {"id": -1, "name": "n", "tags": []}).outputs == ["Value error, negative"]
        old = c.hook("hooks.Old", "schema")
        assert c.call(old, {"id": 1}).outputs == [None]
        assert c.call(old, {"id": 0}).outputs == ["id: Assertion failed, not positive"]
        assert c.call(old, {"no": 0}).outputs == ["Value error, no"]
        answer = c.call(c.hook("hooks.Breaks", "schema"), {"id": 1})
        assert answer.fault == "raised" and answer.message.startswith("KeyError: 'oops' (hooks.py:"), answer


def test_tools_and_executors_are_described(folder):
    with client_of(folder, '''
        from langchain_core.tools import tool
        @tool
        def add(a: int, b: int = 1) -> int:
            """Adds."""
            return a + b
        class TaskExecutor: pass
        ''') as c:
        _, said = c.load("hooks.add", "tools")
        [tool] = said["tools"]
        assert tool["function"]["name"] == "add" and tool["function"]["strict"] and "langchain_core" in said["stand_ins"], said
        assert len(c.load("hooks", "tools")[1]["tools"]) == 1
        assert "no tool" in c.refused("hooks.TaskExecutor", "tools")["message"]
        assert c.load("hooks", "executor")[1]["executor"] is True
        assert c.load("json", "executor")[1]["executor"] is False


def test_a_data_transform_sees_the_whole_list(folder):
    with client_of(folder, """
        class Number:
            name = "number"
            def transform(self, data, params): return [dict(row, i=i + params["from"]) for i, row in enumerate(data)]
        class Halve:
            def transform(self, data, params): return data[::2]
        """) as c:
        chain = [{"transform": "hooks.Number", "params": {"from": 5}}, {"transform": "hooks.Halve"}]
        hook = c.hook("hooks.Number", "data", {"params": {"from": 5}, "streamed": False, "chain": chain})
        begun = [c.begin(hook, {"do": "feed", "rows": [{"r": n + 100 * k} for n in range(100)]}) for k in range(60)]
        assert [c.answer_of(n).outputs for n in begun] == [[100 * k] for k in range(1, 61)]
        assert c.call(hook, {"do": "finish"}).outputs == [3000]
        rows = []
        while True:
            [piece] = c.call(hook, {"do": "take", "n": 1000}).outputs
            if not piece:
                break
            rows += piece
        assert rows == [{"r": n, "i": n + 5} for n in range(0, 6000, 2)]


def test_a_data_transform_of_a_stream_sees_row_by_row(folder):
    with client_of(folder, """
        class Long:
            def transform(self, data, params): return [dict(row, n=len(data)) for row in data]
        class Drops:
            def transform(self, data, params): return []
        class Draws:
            def transform(self, data, params): return [{"draw": random.random()} for _ in data]
        import random
        """) as c:
        hook = c.hook("hooks.Long", "data", {"params": None, "streamed": True})
        assert c.call(hook, {"do": "each", "rows": [{"a": 1}, {"a": 2}]}).outputs == [[{"a": 1, "n": 1}, {"a": 2, "n": 1}]]
        answer = c.call(c.hook("hooks.Drops", "data"), {"do": "each", "rows": [{"a": 1}]})
        assert answer.fault == "useless" and "returned no row" in answer.message, answer
        draws = c.hook("hooks.Draws", "data")
        [[one, two, same]] = c.call(draws, {"do": "each", "seeds": [5, 6, 5], "rows": [{}, {}, {}]}).outputs
        assert one == same != two, "each row draws by its own seed"
        assert c.call(draws, {"do": "each", "seeds": [6], "rows": [{}]}).outputs == [[two]]


def test_a_graph_post_processor_reads_arrays_and_lines_of_any_size(folder):
    records = [{"i": i, "text": "é" * 500} for i in range(3000)]  # more than one chunk
    (folder / "array.json").write_text(json.dumps(records, indent=4, ensure_ascii=False))
    (folder / "lines.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    (folder / "empty.json").write_text("[]")
    with client_of(folder, """
        class Half:
            def __init__(self, step=2): self.step = step
            def process(self, data, metadata):
                assert metadata["params"] == {"step": self.step}
                return data[:: self.step]
        class Sum:
            def process(self, data, metadata): return {"sum": sum(r["i"] for r in data), "file": metadata["output_file"]}
        """) as c:
        half = c.hook("hooks.Half", "graph_post", {"params": {"step": 3}})
        for name, n in [("array.json", 1000), ("lines.jsonl", 1000), ("empty.json", 0)]:
            result = folder / ("of_" + name)
            assert c.call(half, {"output_file": str(folder / name), "result_file": str(result)}).outputs == [n]
            assert result.read_text() == json.dumps(records[::3] if n else [], indent=4)
        paths = {"output_file": str(folder / "array.json"), "result_file": str(folder / "sum.json")}
        assert c.call(c.hook("hooks.Sum", "graph_post"), paths).outputs == [None]
        assert json.loads((folder / "sum.json").read_text())["sum"] == 3000 * 2999 // 2
        assert "params do not fit" in c.refused("hooks.Half", "graph_post", {"params": {"stop": 3}})["message"]
