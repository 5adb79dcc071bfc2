# SPDX-License-Identifier: Apache-2.0
"""How a final state becomes an output record."""
from typing import Any


class BaseOutputGenerator:
    """Builds the record that `output_map` describes. Derive from it to add methods that `transform` can name, or
    override `generate` to build the record by hand; None drops the record.
    """

    def __init__(self, config: "dict[str, Any]"):
        self.config = config
        self.output_map = config.get("output_map") or {}

    def generate(self, state: "dict[str, Any]") -> "dict[str, Any]":
        return self._build_record(state)

    def _build_record(self, state):
        return {field: self._resolve_field(mapping, state) for field, mapping in self.output_map.items()}

    def _resolve_field(self, mapping, state):
        if "value" in mapping:
            data = mapping["value"]
        elif "from" in mapping:
            data = state.get(mapping["from"])
        else:
            raise ValueError(f"an output field needs `value` or `from`: {mapping}")
        if "transform" in mapping:
            data = self._transform(mapping["transform"])(data, state)
        return data

    def _transform(self, name):
        method = getattr(self, name, None)
        if not callable(method):
            raise ValueError(f"{type(self).__name__} has no method {name}, which an output field names as its transform")
        return method
