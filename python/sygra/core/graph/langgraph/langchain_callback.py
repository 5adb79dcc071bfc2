# SPDX-License-Identifier: Apache-2.0
"""A callback for LangChain models that a hook calls by itself: their calls and tokens go into the figures of
`get_metadata_collector()`.
"""
import time

from sygra.metadata.metadata_collector import get_metadata_collector

try:
    from langchain_core.callbacks import AsyncCallbackHandler
except ImportError:  # nothing can call it then, but modules that name it can be imported
    AsyncCallbackHandler = object

_NO_STATUS = 999  # of a call that raised: there is no HTTP status


class MetadataTrackingCallback(AsyncCallbackHandler):
    def __init__(self, model_name="unknown"):
        super().__init__()
        self.model_name = model_name
        self.call_start_times = {}

    async def on_llm_start(self, serialized, prompts, *, run_id, **kwargs):
        self.call_start_times[run_id] = time.monotonic()

    async def on_chat_model_start(self, serialized, messages, *, run_id, **kwargs):
        self.call_start_times[run_id] = time.monotonic()

    async def on_llm_end(self, response, *, run_id, **kwargs):
        output = response.llm_output or {}
        usage = output.get("token_usage") or {}
        name = output.get("model_name", "unknown") if self.model_name == "unknown" else self.model_name
        get_metadata_collector().record_model_request(
            model_name=name,
            latency=self._latency(run_id),
            prompt_tokens=usage.get("prompt_tokens", 0),
            completion_tokens=usage.get("completion_tokens", 0),
            total_tokens=usage.get("total_tokens", 0),
            model_config={"name": name},
        )

    async def on_llm_error(self, error, *, run_id, **kwargs):
        get_metadata_collector().record_model_request(
            model_name=self.model_name, latency=self._latency(run_id), response_code=_NO_STATUS
        )

    def _latency(self, run_id):
        started = self.call_start_times.pop(run_id, None)
        return 0.0 if started is None else time.monotonic() - started
