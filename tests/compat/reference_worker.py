# SPDX-License-Identifier: Apache-2.0
"""One process of the reference that runs many tasks; its Python is that of build/reference, its working directory holds tasks/.

Standard input: in each line a name below tasks/. For each, one line of JSON comes back:
{"records": [...]}, one for each row in the order of rows, or {"refused": text} where the reference builds no graph. A record is
{"record": what would be written, or null} or {"failed": text}.

The engine is the reference's own: its reader, graph builder, LangGraph, hooks and output generator. Two things are not: what
reference_stubs.py leaves out, and the client of the model, which is a plain request here. Its loop over records is not used, as it
writes failed records as rows of nulls and loses others (docs/compatibility.md, Output).
"""
import argparse
import asyncio
import copy
import json
import logging
import sys
import urllib.request

import reference_stubs

reference_stubs.install()

from langchain_core.messages import BaseMessage  # noqa: E402
from langchain_openai.chat_models.base import _convert_message_to_dict  # noqa: E402
from sygra.core.base_task_executor import DefaultTaskExecutor  # noqa: E402
from sygra.core.models.custom_models import BaseCustomModel  # noqa: E402
from sygra.core.models.model_factory import ModelFactory  # noqa: E402
from sygra.core.models.model_response import ModelResponse  # noqa: E402
from sygra.utils import utils  # noqa: E402

LIMIT = 100  # of supersteps, as its execute_graph has it


class PlainClient(BaseCustomModel):
    async def _generate_response(self, input, model_params, **kwargs):
        body = json.dumps({"model": self.model_name, "messages": self._get_messages(input), **self.generation_params}).encode()
        request = urllib.request.Request(f"{model_params.url}/chat/completions", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = json.load(answer)["choices"][0]["message"]["content"]
        return ModelResponse(llm_response=text, response_code=200)


def plain(value):
    if isinstance(value, BaseMessage):
        return _convert_message_to_dict(value)
    raise TypeError(f"a {type(value).__name__} has no form in JSON")


async def run_record(executor, graph, row):
    try:
        state = await graph.ainvoke(copy.deepcopy(row), config={"recursion_limit": LIMIT})
    except Exception as e:  # whatever a node or a hook raises fails the record
        return {"failed": f"{type(e).__name__}: {e}"}
    try:
        record = executor.output_record_generator(state)
    except Exception as e:  # its convert_graph_output_to_records drops such a record
        return {"failed": f"output: {type(e).__name__}: {e}"}
    return {"record": record}


async def run_all(executor, graph):
    return [await run_record(executor, graph, row) for row in executor.dataset]


def run_task(name):
    utils.current_task = f"tasks.{name}"
    args = argparse.Namespace(task=utils.current_task, output_dir=None, oasst=False, quality=False, resume=None, start_index=0, num_records=0,
                              batch_size=1, checkpoint_interval=1, debug=False, run_name="", output_with_ts=False, disable_metadata=True)
    try:
        executor = DefaultTaskExecutor(args)
        graph = executor.init_graph().compile()
    except Exception as e:
        return {"refused": f"{type(e).__name__}: {e}"}
    return {"records": asyncio.run(run_all(executor, graph))}


def main():
    logging.disable(logging.CRITICAL)
    sys.path.insert(0, "")  # hooks are modules below the working directory
    results, sys.stdout = sys.stdout, sys.stderr  # hooks may print
    ModelFactory.MODEL_TYPE_MAP["litellm"]["vllm"] = PlainClient
    for line in sys.stdin:
        print(json.dumps(run_task(line.strip()), default=plain), file=results, flush=True)


if __name__ == "__main__":
    main()
