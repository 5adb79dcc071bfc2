# SPDX-License-Identifier: Apache-2.0
"""Builders of nodes: `Workflow.add_llm_node` and its like give one; the workflow asks it for the node's map when it runs.

Where a function or class is wanted, a dotted path will do, and so will any callable of this process.
"""
from sygra.models import ModelConfigBuilder

__all__ = ["LLMNodeBuilder", "AgentNodeBuilder", "MultiLLMNodeBuilder", "LambdaNodeBuilder",
           "WeightedSamplerNodeBuilder", "SubgraphNodeBuilder"]


class BaseNodeBuilder:
    """Each method gives the builder back, so that calls can be chained."""

    def __init__(self, name, node_type):
        self.name, self.node_type = name, node_type
        self._config = {"node_type": node_type}
        self._messages = []

    def build(self):
        """The node's map."""
        if self._messages:
            self._config["prompt"] = self._messages
        return dict(self._config)

    def _set(self, key, value):
        self._config[key] = value
        return self


class _PromptBuilder(BaseNodeBuilder):
    def prompt(self, prompt):
        """The whole prompt: one user message, or a list of {role: content}."""
        return self._set("prompt", [{"user": prompt}] if isinstance(prompt, str) else prompt)

    def system_message(self, message):
        """In front of all; an earlier one is replaced."""
        self._messages = [{"system": message}, *(m for m in self._messages if "system" not in m)]
        return self

    def user_message(self, message):
        return self.add_message("user", message)

    def assistant_message(self, message):
        return self.add_message("assistant", message)

    def add_message(self, role, content):
        self._messages.append({role: content})
        return self


class _HookedBuilder(_PromptBuilder):
    def chat_history(self, enabled=True):
        return self._set("chat_history", enabled)

    def pre_process(self, processor):
        return self._set("pre_process", processor)

    def post_process(self, processor):
        return self._set("post_process", processor)

    def tools(self, tools):
        return self._set("tools", tools)


class LLMNodeBuilder(_HookedBuilder):
    def __init__(self, name, model):
        super().__init__(name, "llm")
        self._config["model"] = ModelConfigBuilder.of(model)

    def model_parameter(self, param_name, value):
        model = self._config["model"]
        model["parameters"] = {**model.get("parameters", {}), param_name: value}
        return self

    def temperature(self, temp):
        return self.model_parameter("temperature", temp)

    def max_tokens(self, tokens):
        return self.model_parameter("max_tokens", tokens)

    def multimodal_message(self, role, content):
        return self.add_message(role, content)

    def output_keys(self, output):
        return self._set("output_keys", output)

    def input_key(self, key):
        return self._set("input_key", key)

    def output_role(self, role):
        return self._set("output_role", role)

    def structured_output(self, schema, fallback_strategy="instruction", retry_on_parse_error=True, max_parse_retries=2):
        return self._set("structured_output", {"enabled": True, "schema": schema, "fallback_strategy": fallback_strategy,
                                               "retry_on_parse_error": retry_on_parse_error,
                                               "max_parse_retries": max_parse_retries})


class AgentNodeBuilder(_HookedBuilder):
    def __init__(self, name, model):
        super().__init__(name, "agent")
        self._config["model"] = ModelConfigBuilder.of(model)

    def inject_system_messages(self, messages):
        return self._set("inject_system_messages", messages)


class MultiLLMNodeBuilder(_PromptBuilder):
    def __init__(self, name):
        super().__init__(name, "multi_llm")
        self._config["models"] = {}

    def add_model(self, label, model):
        self._config["models"][label] = ModelConfigBuilder.of(model)
        return self

    def output_keys(self, output):
        return self._set("output_keys", output)

    def multi_llm_post_process(self, processor):
        return self._set("multi_llm_post_process", processor)


class LambdaNodeBuilder(BaseNodeBuilder):
    def __init__(self, name, func):
        super().__init__(name, "lambda")
        self._config["lambda"] = func

    def output_keys(self, output):
        return self._set("output_keys", output)


class WeightedSamplerNodeBuilder(BaseNodeBuilder):
    def __init__(self, name):
        super().__init__(name, "weighted_sampler")
        self._config["attributes"] = {}

    def add_attribute(self, name, values, weights=None):
        """values: a list, or a map that says where they come from."""
        has_weights = weights and isinstance(values, list)
        self._config["attributes"][name] = {"values": values, **({"weights": weights} if has_weights else {})}
        return self


class SubgraphNodeBuilder(BaseNodeBuilder):
    def __init__(self, name, subgraph):
        super().__init__(name, "subgraph")
        self._config["subgraph"] = subgraph

    def node_config_map(self, config_map):
        return self._set("node_config_map", config_map)
