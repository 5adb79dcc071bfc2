# SPDX-License-Identifier: Apache-2.0
"""Random tasks for differential.py: nodes of every kind but `agent`, edges, loops, and Python hooks of every shape.

A graph is of one of two temperaments, since one thing differs on purpose. In `messages` graphs nodes talk through the message list and no hook
returns the whole state; in `state` graphs hooks may return it, and the list stays empty.

What is left out differs by design; the words in brackets begin a row of docs/compatibility.md, which table.py makes sure of:

- whole states that hold messages or history [`messages` when a hook returns, a node that takes part in chat history]; samplers run first
  and alone, and a subgraph has one edge to END, so that the reference adds no node of its own [samplers and subgraph ends]
- END in a path_map of a subgraph, several edges from START in one [`END` in a `path_map`, several edges from START]
- hooks of a multi_llm node that change its state [state in a `multi_llm` node]
- a list that one node changes in place while another one of the step reads it: each node has a list of its own, own_NODE [changes in place]
- one list or map under two keys, of which one is changed in place [one list or map]
- a post-processor that raises TypeError itself [a post-processor of two arguments]
- tuples, sets and other values that JSON has not [tuples, sets]; rows with columns that the first one lacks [columns that]
- a key that no node declares and the output map reads [state keys]
- the words around a conversation of one message, which differential.py takes out of both sides [one message for `singleturn`]
- joins by a list under `from` [`from` and `to`], and draws [draws]: a sampler has one value

The answers of a multi_llm node do not go into the message list, since in both engines every llm node behind them fails.
"""
import json
import random
import textwrap

HEAD = '''\
"""Hooks of a generated graph."""
from langchain_core.messages import AIMessage, HumanMessage

from sygra.core.graph.functions.edge_condition import EdgeCondition
from sygra.core.graph.functions.lambda_function import AsyncLambdaFunction, LambdaFunction
from sygra.core.graph.functions.node_processor import NodePostProcessor, NodePostProcessorWithState, NodePreProcessor
from sygra.core.graph.sygra_message import SygraMessage
from sygra.core.graph.sygra_state import SygraState
from sygra.processors.data_transform import DataTransform
from sygra.processors.output_record_generator import BaseOutputGenerator
from sygra.utils import constants, utils


def seen(state):
    """What a hook can see of its state, as one value."""
    return sorted(k for k in state if not k.startswith("__"))


def told(state):
    return "/".join(f"{m.type}:{m.name or '-'}:{m.content[-12:]}" for m in state.get("messages", []))
'''

VALUES = ("7", "2.5", "True", "None", "'text with {braces}'", "[1, [2.0, 'x']]", "{'a': {'b': [None, False]}, 'n': 10 ** 20}",
          "state['n'] * 2", "state['n'] / 4", "str(state['deep'])", "f\"{state['q']!r:>12}\"", "seen(state)", "dict(state['deep'], more=state['n'])",
          "[k for k in state['deep']]", "state.get('extra', 'no extra')", "len(str(state['deep']))", "'\\u00fc\\u2028\\U0001f600'")


class Graph:
    def __init__(self, name, rng):
        self.name, self.rng = name, rng
        self.temper = rng.choice(["messages", "messages", "state"])
        self.history = rng.choice([None, None, "recorded", "singleturn", "multiturn"]) if self.temper == "messages" else None
        self.names = [f"n{i}" for i in range(rng.randint(1, 6))]
        self.nodes, self.edges, self.subgraphs = {}, [], {}
        self.hooks = [HEAD]
        self.own = []
        self.keys = ["x", "y", "z"]
        self.first = self.make_first()
        for name in self.names:
            self.nodes[name] = self.make_node(name)
        self.make_edges()
        self.output = self.make_output()
        self.transforms = self.make_transforms() if self.maybe(0.25) else None

    def maybe(self, share):
        return self.rng.random() < share

    def path(self, hook):
        return f"tasks.{self.name}.task_executor.{hook}"

    def add_hook(self, code):
        self.hooks.append(textwrap.dedent(code).strip() + "\n")

    def value(self):
        return self.rng.choice(VALUES)

    def key(self):
        return self.rng.choice(self.keys)

    def model(self):
        """`echo` answers with the beginning of the last user message, `drawn` with words that depend on every byte of the request. The
        text that frames a conversation is ours, so who is told one is answered by `steady`, which says always the same."""
        return {"name": "steady" if self.history == "singleturn" else self.rng.choice(["echo", "drawn"]), "parameters": {}}

    # --- nodes ----------------------------------------------------------------------------------------------------------------

    def make_first(self):
        """What runs before all others: a sampler, the history of a conversation, or nothing."""
        if self.history == "multiturn":
            self.add_hook(f"""
                def begin(config, state):
                    return {{"__chat_history__": {self.past()!r}}}
                """)
            self.nodes["begin"] = {"node_type": "lambda", "lambda": self.path("begin")}
            return "begin"
        if self.maybe(0.25):
            self.nodes["pick"] = {"node_type": "weighted_sampler", "attributes": {"tone": {"values": [self.rng.choice(["dry", 3, 1.5, "no"])]},
                                                                                  "mood": {"values": ["calm"], "weights": [2]}}}
            return "pick"
        return None

    def past(self):
        turns = []
        for i in range(self.rng.randint(0, 7)):
            role = self.rng.choice(["user", "assistant", "tool"])
            turns.append({"role": role, "content": f"{role} said {i}", **({"tool_call_id": f"c{i}"} if role == "tool" else {})})
        return turns

    def make_node(self, name):
        kinds = [self.make_llm] * 4 + [self.make_lambda] * 3 + [self.make_multi] + [self.make_subgraph] * (self.temper == "messages")
        return self.rng.choice(kinds)(name)

    def prompt(self, name, more=""):
        texts = [f"{name} of {{q}}{more}", f"{name}: {{deep}} and {{n}}{more}", f"{{{{{name}}}}} {{q}}{more}"]
        if self.maybe(0.05):
            texts = [f"{name} after {{x}}{more}"]  # which may not be there yet
        prompt = [{"user": self.rng.choice(texts)}]
        if self.maybe(0.4):
            prompt.insert(0, {"system": f"You are {name}. {{n}}"})
        if self.maybe(0.15):
            prompt.insert(len(prompt) - 1, {"assistant": "As {id} has it"})
        return prompt

    def make_llm(self, name):
        node = {"node_type": "llm", "model": self.model()}
        if self.maybe(0.5):
            node["pre_process"] = self.path(self.make_pre(name))
        node["prompt"] = self.prompt(name, " {count}" if "pre_process" in node else "")
        talks = self.temper == "messages" and self.maybe(0.6)
        if talks and self.maybe(0.3):
            node["output_role"] = self.rng.choice(["user", "assistant", "system"])
        if not talks:
            node["output_keys"] = self.key()
        if self.history and self.maybe(0.8):
            node["chat_history"] = True
        if self.maybe(0.5):
            node["post_process"] = self.path(self.make_post(name, node, talks))
        return node

    def fresh_keys(self):
        """A list under `output_keys` must hold new names only, which other nodes may then write too."""
        keys = [f"k{len(self.keys)}", f"k{len(self.keys) + 1}"]
        self.keys += keys
        return keys

    def in_place(self, name, share=0.4):
        """A line that changes the node's own list; the column is added to the rows."""
        if not self.maybe(share):
            return "pass"
        if name not in self.own:
            self.own.append(name)
        key = f"own_{name}"
        return self.rng.choice([f"state[{key!r}].append(len(state[{key!r}]))", f"state[{key!r}].insert(0, {{'by': [{name!r}]}})",
                                f"state[{key!r}] += [state['n'], None]",
                                f"(state[{key!r}][-1].update(again=1) if state[{key!r}] and isinstance(state[{key!r}][-1], dict) else state[{key!r}].append({{}}))"])

    def make_pre(self, name):
        lines = [self.in_place(name), "state['count'] = len(state['messages'])"]
        if self.maybe(0.25):
            lines.append("state['messages'] = [{'ai': HumanMessage, 'human': AIMessage}.get(m.type, HumanMessage)(content=m.content) for m in state['messages']]")
        if self.maybe(0.1):
            lines.append("if state['n'] == 2: raise ValueError('the pre-processor does not like 2')")
        lines.append(self.rng.choice(["return state", "return state", "return {**state, 'hidden': 1}", "return dict(state)"]))
        return self.function_or_class(f"pre_{name}", "NodePreProcessor", "state", lines)

    def function_or_class(self, name, base, parameters, lines):
        body = textwrap.indent("\n".join(lines), " " * 4)
        if self.maybe(0.5):
            self.add_hook(f"def {name}({parameters}):\n{body}")
        else:
            self.add_hook(f"class {name}({base}):\n    def apply(self, {parameters}):\n{textwrap.indent(body, ' ' * 4)}")
        return name

    def make_post(self, name, node, talks):
        """A class is given a SygraMessage, a function the message itself."""
        with_state, is_class = self.maybe(0.7), self.maybe(0.5)
        text = "response.message.content" if is_class else "response.content"
        lines = [self.in_place(name) if with_state else "pass"]
        if self.maybe(0.1) and with_state:
            lines.append("if state['n'] == 3: raise KeyError('three')")
        result = self.post_result(node, talks, text, with_state)
        lines.append(f"return {result}")
        parameters = "response, state" if with_state else "response"
        body = textwrap.indent("\n".join(lines), " " * 4)
        if is_class:
            base = "NodePostProcessorWithState" if with_state else "NodePostProcessor"
            self.add_hook(f"class post_{name}({base}):\n    def apply(self, {parameters}):\n{textwrap.indent(body, ' ' * 4)}")
        else:
            self.add_hook(f"def post_{name}({parameters}):\n{body}")
        return f"post_{name}"

    def post_result(self, node, talks, text, with_state):
        kinds = ["plain", "plain", "two", "undeclared"]
        if talks:
            kinds = ["message", "message", "both"]
        elif with_state and self.temper == "state":
            kinds += ["whole", "whole"]
        kind = self.rng.choice(kinds)
        key = node.get("output_keys")
        if kind == "two":
            one, two = node["output_keys"] = self.fresh_keys()
            return f"{{{one!r}: {text}[::-1], {two!r}: len({text})}}"
        if kind == "undeclared":
            return f"{{{key!r}: {text}.upper(), 'nobody_declares_this': 1}}"
        if kind == "message":
            return f"{{'messages': [HumanMessage({text} + '!')]}}"
        if kind == "both":
            return f"{{'messages': [AIMessage(content={text}, name='somebody'), HumanMessage(content='2')], 'extra': {text}}}"
        if kind == "whole":
            return f"(state.update({{{key!r}: {text} + str(seen(state))}}), state)[1]"
        return f"{{{key!r}: {text} + (told(state) if {with_state} else '')}}" if with_state else f"{{{key!r}: {text}}}"

    def make_lambda(self, name):
        keys = self.fresh_keys() if self.maybe(0.3) else [self.key()]
        lines = [self.in_place(name)]
        if self.maybe(0.08):
            lines.append("assert state['n'] != 1, 'one is too few'")
        lines.append(self.lambda_result(keys))
        body = textwrap.indent("\n".join(lines), " " * 4)
        shape = self.rng.choice(["def", "def", "async", "static", "plain", "async class"])
        inside = textwrap.indent(body, " " * 4)
        self.add_hook({
            "def": f"def work_{name}(config, state):\n{body}",
            "async": f"async def work_{name}(config, state):\n{body}",
            "static": f"class work_{name}(LambdaFunction):\n    @staticmethod\n    def apply(config, state):\n{inside}",
            "plain": f"class work_{name}(LambdaFunction):\n    def apply(config, state):\n{inside}",
            "async class": f"class work_{name}(AsyncLambdaFunction):\n    @staticmethod\n    async def apply(config, state):\n{inside}",
        }[shape])
        return {"node_type": "lambda", "lambda": self.path(f"work_{name}"), "output_keys": keys if len(keys) > 1 else keys[0],
                "params": {"suffix": f"-{name}", "deep": [1, {"two": None}]}}

    def lambda_result(self, keys):
        pairs = ", ".join(f"{k!r}: {self.value()}" for k in keys)
        kinds = [f"return {{{pairs}}}", f"return {{{pairs}, {keys[0]!r}: config['params']['suffix'] + str(state['n'])}}",
                 f"return {{{keys[0]!r}: state['deep']}}", "return {'deep': state['deep'], 'extra': 1}", "return None", "return {}",
                 f"return {{{keys[0]!r}: config['params']['deep'], 'unknown': 2}}", f"state[{keys[0]!r}] = 'lost'\nreturn {{'extra': seen(state)}}"]
        if self.temper == "messages":
            kinds += ["return {'messages': [HumanMessage(content=told(state)[-40:] or 'nothing yet')]}"] * 2
        else:
            kinds += [f"state.update({{{pairs}}})\nreturn state"] * 3
        return self.rng.choice(kinds)

    def make_multi(self, name):
        node = {"node_type": "multi_llm", "models": {label: self.model() for label in self.rng.sample(["b", "a", "c"], 2)},
                "prompt": self.prompt(name), "output_keys": self.key()}
        if self.maybe(0.4):
            self.add_hook(f"""
                def post_{name}(response, state):
                    return {{{node["output_keys"]!r}: response.content + str(state["n"])}}
                """)
            node["post_process"] = self.path(f"post_{name}")
        if self.maybe(0.5):
            result = f"{{{node['output_keys']!r}: sorted((k, v) and [k, v] for k, v in outputs.items())}}"
            node["multi_llm_post_process"] = self.path(self.function_or_class(f"join_{name}", "object", "outputs", [f"return {result}"]))
        return node

    def make_subgraph(self, name):
        """A chain of one or two nodes; the second may send the record back to the first."""
        inner = f"{self.name}_{name}"
        nodes = {"a": {"node_type": "llm", "model": self.model(), "prompt": [{"user": "inner {p} of {q}"}], "output_keys": "x"}}
        edges = [{"from": "START", "to": "a"}]
        if self.maybe(0.6):
            nodes["b"] = {"node_type": "llm", "model": self.model(), "prompt": [{"user": "then {x}"}]}
            edges += [{"from": "a", "to": "b"}, {"from": "b", "to": "END"}]
        else:
            edges.append({"from": "a", "to": "END"})
        changes = {"a": {"prompt_placeholder_map": {"p": self.rng.choice(["n", "id"])}}}
        if self.maybe(0.5):
            changes["a"]["output_keys"] = self.key()
            if "b" in nodes:
                changes["b"] = {"prompt": [{"system": "changed"}, {"user": "{" + changes["a"]["output_keys"] + "}"}]}
        self.subgraphs[inner] = {"graph_config": {"nodes": nodes, "edges": edges}}
        return {"node_type": "subgraph", "subgraph": f"tasks.{inner}", "node_config_map": changes}

    # --- edges ----------------------------------------------------------------------------------------------------------------

    def make_edges(self):
        names = self.names
        if self.first:
            self.edges.append({"from": "START", "to": self.first})
        start = self.first or "START"
        if not self.first and self.maybe(0.15):
            self.add_hook("""
                def begin_at(state):
                    return "odd" if state["n"] % 2 else ["even", "odd"]
                """)
            targets = {key: self.rng.choice(names) for key in ("odd", "even")}
            self.edges.append({"from": "START", "condition": self.path("begin_at"), "path_map": targets})
            start = None
        for target in self.rng.sample(names, self.rng.randint(1, min(2, len(names)))):
            self.edges += [{"from": start, "to": target}] if start else []
        for i, name in enumerate(names):
            ahead = names[i + 1:] or ["END"]
            kind = self.rng.random()
            if kind < 0.5:
                first = self.rng.choice(ahead + ["END"])
                targets = {first} | ({self.rng.choice(ahead)} if self.maybe(0.4) else set())
                self.edges += [{"from": name, "to": t} for t in sorted(targets)]
            elif kind < 0.9 and self.nodes[name]["node_type"] != "subgraph":
                self.make_condition(name, ahead)
            else:
                self.edges.append({"from": name, "to": "END"})

    def make_condition(self, name, ahead):
        """Loops end after some visits, by the node's own list or by the number of messages; now and then not before the limit."""
        if name not in self.own:
            self.own.append(name)
        own, rounds = f"state['own_{name}']", self.rng.choice([1, 2, 3, 3, 60])
        back = self.rng.choice([n for n in self.names if self.nodes[n]["node_type"] != "subgraph"] or ["END"])
        end = self.rng.choice(["constants.SYGRA_END", "'on'", "['on', constants.SYGRA_END]", "['on', 'over']", "'nowhere'" if self.maybe(0.2) else "'on'"])
        test = self.rng.choice([f"len({own}) > {rounds}", f"len(state['messages']) + len({own}) > {rounds + 2}", "state['n'] > 1"])
        lines = [f"{own}.append('visit')", f"return {end} if {test} or len({own}) > 70 else 'back'"]
        body = textwrap.indent("\n".join(lines), " " * 4)
        if self.maybe(0.5):
            self.add_hook(f"def after_{name}(state):\n{body}")
        else:
            static = "    @staticmethod\n" if self.maybe(0.5) else ""
            self.add_hook(f"class after_{name}(EdgeCondition):\n{static}    def apply(state):\n{textwrap.indent(body, ' ' * 4)}")
        self.edges.append({"from": name, "condition": self.path(f"after_{name}"),
                           "path_map": {"END": "END", "on": self.rng.choice(ahead), "over": self.rng.choice(ahead + ["END"]), "back": back}})

    # --- the data -------------------------------------------------------------------------------------------------------------

    def make_transforms(self):
        self.add_hook("""
            class Change(DataTransform):
                @property
                def name(self):
                    return "change"

                def transform(self, data, params):
                    return [dict(row, q=row["q"] + params["mark"], rank=i) for i, row in enumerate(data)]
            """)
        module = "sygra.processors.data_transform"
        return self.rng.sample([
            {"transform": self.path("Change"), "params": {"mark": " (changed)"}},
            {"transform": f"{module}.AddNewFieldTransform", "params": {"mapping": {"added": {"k": [1.5, None]}}}},
            {"transform": f"{module}.RenameFieldsTransform", "params": {"mapping": {"spare": "renamed", "absent": "x"}}},
        ], self.rng.randint(1, 3))

    # --- the output -----------------------------------------------------------------------------------------------------------

    def make_output(self):
        if self.maybe(0.45):
            return None
        fields = {k: {"from": k} for k in self.rng.sample(["q", "x", "y", self.keys[-1], "messages", "deep", "__chat_history__", "absent"], 5)}
        fields["id"] = {"from": "id"}
        fields["fixed"] = {"value": self.rng.choice([1, "text", [1, {"a": "$data_config.source.type"}], "$output_config.output_map.id.from", {"k": 0.5}])}
        if self.maybe(0.4):
            return {"output_map": fields}
        fields["made"] = {"from": self.key(), "transform": "make"}
        fields["told"] = {"from": "messages", "transform": "tell"}
        drop = self.maybe(0.2)
        self.add_hook(f"""
            class Output(BaseOutputGenerator):
                def make(self, data, state):
                    return [type(data).__name__, len(self.output_map), {self.value()}]

                @staticmethod
                def tell(data, state):
                    return utils.convert_messages_from_langchain_to_chat_format(data)

                def generate(self, state):
                    if {drop} and state["n"] == 2:
                        return None
                    return super().generate(state)
            """)
        return {"generator": self.path("Output"), "output_map": fields}

    # --- the files ------------------------------------------------------------------------------------------------------------

    def rows(self):
        rows = [{"id": f"r{i}", "q": f"question {i}, \u201cquoted\u201d", "n": i, "deep": {"k": [i, "{x}"], "f": i / 8, "none": None, "yes": True},
                 "extra": f"extra {i}", "spare": [i], **{f"own_{n}": [] for n in self.own}} for i in (1, 2, 3)]
        del rows[2]["extra"]
        return rows

    def config(self):
        graph = {"nodes": self.nodes, "edges": self.edges}
        if self.history in ("singleturn", "multiturn"):
            graph["graph_properties"] = {"chat_conversation": self.history}
            if self.maybe(0.7):
                graph["graph_properties"]["chat_history_window_size"] = self.rng.randint(1, 4)
        source = {"type": "disk", "file_path": f"tasks/{self.name}/rows.json", "file_format": "json"}
        if self.transforms:
            source["transformations"] = self.transforms
        config = {"data_config": {"source": source}, "graph_config": graph}
        if self.output:
            config["output_config"] = self.output
        return config

    def files(self):
        """{path below tasks/: text}"""
        found = {f"{self.name}/graph_config.yaml": json.dumps(self.config(), indent=1),  # JSON is YAML
                 f"{self.name}/rows.json": json.dumps(self.rows()), f"{self.name}/task_executor.py": "\n\n".join(self.hooks)}
        found.update({f"{name}/graph_config.yaml": json.dumps(config, indent=1) for name, config in self.subgraphs.items()})
        return found


def make(seed):
    return Graph(f"g{seed}", random.Random(f"graph {seed}"))
