# SPDX-License-Identifier: Apache-2.0
"""`structured_output` of a model or node, looked at."""


class StructuredOutputConfig:
    def __init__(self, config=None, key_present=True):
        config = config or {}
        self.key_present = key_present
        self.enabled = bool(config.get("enabled", key_present))
        self.schema = config.get("schema")
        if self.enabled and key_present and not isinstance(self.schema, (str, dict)):
            raise ValueError("structured_output needs a schema: the dotted path of a class, or a map with `fields`")
        self.fallback_strategy = config.get("fallback_strategy", "instruction")
        self.retry_on_parse_error = config.get("retry_on_parse_error", True)
        self.max_parse_retries = config.get("max_parse_retries", 2)
