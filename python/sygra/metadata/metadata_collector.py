# SPDX-License-Identifier: Apache-2.0
"""Figures of the run under way, for hooks and callers: what the engine counts (told once a second), and, beside it,
what hooks record about calls that they make themselves.
"""
import json
import os
import statistics
import sys
import threading
from collections import deque
from datetime import datetime
from pathlib import Path

from sygra import _figures

_SAMPLES = 10000  # latencies of a model or node that percentiles are made of: the last ones
_STATISTICS = ("min", "max", "mean", "median", "std_dev", "p50", "p95", "p99")


def calculate_latency_statistics(latency_samples):
    """Percentiles of a list of seconds; none lies above the largest."""
    samples = list(latency_samples)
    if len(samples) < 2:
        return dict.fromkeys(_STATISTICS, samples[0] if samples else 0.0)
    points = statistics.quantiles(samples, n=100, method="inclusive")
    values = (
        min(samples),
        max(samples),
        statistics.mean(samples),
        statistics.median(samples),
        statistics.stdev(samples),
        points[49],
        points[94],
        points[98],
    )
    return dict(zip(_STATISTICS, values))


def _share(part, whole):
    return part / whole if whole else 0.0


class _Times:
    """Latencies of many executions."""

    def __init__(self):
        self.count = self.failures = 0
        self.total = 0.0
        self.samples = deque(maxlen=_SAMPLES)

    def add(self, seconds, is_failure):
        self.count += 1
        self.failures += is_failure
        self.total += seconds
        self.samples.append(seconds)

    def as_map(self):
        return {
            "failure_rate": _share(self.failures, self.count),
            "total_latency_seconds": round(self.total, 3),
            "average_latency_seconds": round(_share(self.total, self.count), 3),
            "latency_statistics": {
                name: round(value, 3) for name, value in calculate_latency_statistics(self.samples).items()
            },
        }


class _Tokens:
    def __init__(self):
        self.prompt = self.completion = self.total = self.requests = 0

    def add(self, prompt, completion, total):
        if prompt or completion or total:
            self.prompt += int(prompt or 0)
            self.completion += int(completion or 0)
            self.total += int(total or 0)
            self.requests += 1

    def as_map(self):
        return {
            "total_prompt_tokens": self.prompt,
            "total_completion_tokens": self.completion,
            "total_tokens": self.total,
            "avg_prompt_tokens": _share(self.prompt, self.requests),
            "avg_completion_tokens": _share(self.completion, self.requests),
            "avg_total_tokens": _share(self.total, self.requests),
        }


class ModelMetrics:
    """Of a model that hooks call."""

    def __init__(self, model_name, config):
        self.model_name = model_name
        self.model_type = config.get("type", "unknown")
        self.model_url = config.get("url")
        self.parameters = config.get("parameters", {})
        self.times, self.tokens = _Times(), _Tokens()
        self.retries, self.cost, self.good_seconds = 0, 0.0, 0.0
        self.response_codes = {}

    def add_request(self, latency, response_code, tokens, is_retry, cost_usd):
        self.times.add(latency, response_code != 200)
        self.tokens.add(*tokens)
        self.retries += bool(is_retry)
        self.cost += cost_usd
        self.good_seconds += latency if response_code == 200 else 0.0
        self.response_codes[response_code] = self.response_codes.get(response_code, 0) + 1

    def to_dict(self):
        return {
            "model_name": self.model_name,
            "model_type": self.model_type,
            "model_url": self.model_url,
            "token_statistics": self.tokens.as_map(),
            "performance": {
                "total_requests": self.times.count,
                "total_retries": self.retries,
                "total_failures": self.times.failures,
                **self.times.as_map(),
                "tokens_per_second": round(_share(self.tokens.completion, self.good_seconds), 2),
            },
            "cost": {
                "total_cost_usd": round(self.cost, 6),
                "average_cost_per_request": round(_share(self.cost, self.times.count), 6),
            },
            "response_code_distribution": dict(self.response_codes),
            "parameters": self.parameters,
        }


class NodeMetrics:
    """Of a node that a hook records by itself."""

    def __init__(self, node_name, node_type, model_name):
        self.node_name, self.node_type, self.model_name = node_name, node_type, model_name
        self.times, self.tokens, self.cost = _Times(), _Tokens(), 0.0

    def to_dict(self):
        made = {
            "node_name": self.node_name,
            "node_type": self.node_type,
            "model_name": self.model_name,
            "total_executions": self.times.count,
            "total_failures": self.times.failures,
            **self.times.as_map(),
        }
        if self.cost:
            each = round(_share(self.cost, self.times.count), 6)
            made["cost"] = {"total_cost_usd": round(self.cost, 6), "average_cost_per_execution": each}
        if self.tokens.requests:
            made["token_statistics"] = self.tokens.as_map()
        return made


class MetadataCollector:
    """One for a process: `get_metadata_collector()`. All methods may be called from any thread."""

    def __init__(self):
        self._lock = threading.Lock()
        self._enabled = os.environ.get("SYGRA_DISABLE_METADATA", "0").lower() not in ("1", "true", "yes")
        self.reset()

    def is_enabled(self):
        return self._enabled

    def set_enabled(self, enabled):
        """Whether what hooks record counts; the engine's figures are shown in any case."""
        self._enabled = bool(enabled)

    def reset(self):
        """Forgets what hooks have recorded."""
        with self._lock:
            self.model_metrics, self.node_metrics = {}, {}
            self._records = [0, 0]  # processed, failed: as recorded by hooks
            self._context, self._dataset, self._sources = {}, {}, {}
            self._start = self._end = None

    # --- what the engine counts ---------------------------------------------------------------------------------------

    @property
    def figures(self):
        """The engine's last `progress` object; {} before the first."""
        return _figures.last()

    @property
    def total_records_processed(self):
        ended = sum(self.figures.get(name, 0) for name in ("ok", "failed", "invalid", "dropped"))
        return ended + self._records[0]

    @property
    def total_records_failed(self):
        return self.figures.get("failed", 0) + self._records[1]

    # --- what hooks record --------------------------------------------------------------------------------------------

    def record_model_request(
        self,
        model_name,
        node_name=None,
        latency=0.0,
        response_code=200,
        prompt_tokens=0,
        completion_tokens=0,
        total_tokens=0,
        is_retry=False,
        model_config=None,
        cost_usd=0.0,
    ):
        if self._enabled:
            with self._lock:
                if model_name not in self.model_metrics:
                    self.model_metrics[model_name] = ModelMetrics(model_name, model_config or {})
                self.model_metrics[model_name].add_request(
                    latency, response_code, (prompt_tokens, completion_tokens, total_tokens), is_retry, cost_usd
                )

    def record_node_execution(
        self,
        node_name,
        node_type,
        latency,
        success,
        model_name=None,
        prompt_tokens=0,
        completion_tokens=0,
        total_tokens=0,
        cost_usd=0.0,
    ):
        if self._enabled:
            with self._lock:
                if node_name not in self.node_metrics:
                    self.node_metrics[node_name] = NodeMetrics(node_name, node_type, model_name)
                node = self.node_metrics[node_name]
                node.times.add(latency, not success)
                node.tokens.add(prompt_tokens, completion_tokens, total_tokens)
                node.cost += cost_usd

    def record_processed_record(self, success=True):
        if self._enabled:
            with self._lock:
                self._records[0] += 1
                self._records[1] += not success

    def set_execution_context(self, task_name, **context):
        """run_name, output_dir, batch_size, checkpoint_interval, resumable, debug, run_timestamp."""
        if self._enabled:
            with self._lock:
                self._context = {"task_name": task_name, **context}
                self._start, self._end = datetime.now(), None

    def set_dataset_metadata(self, source_type, source_path=None, num_records=None, start_index=0, **more):
        if self._enabled:
            with self._lock:
                self._dataset = {"source_type": source_type, "source_path": source_path, "start_index": start_index}
                self._dataset.update(more)
                if num_records is not None:
                    self._dataset["num_records_processed"] = num_records

    def add_dataset_source(self, alias, source_type, source_path=None, **more):
        if self._enabled:
            with self._lock:
                self._sources[alias] = {"alias": alias, "source_type": source_type, "source_path": source_path, **more}

    def finalize_execution(self):
        if self._enabled:
            self._end = datetime.now()

    # --- both together ------------------------------------------------------------------------------------------------

    def get_metadata_summary(self):
        """As of the metadata file, for now. Of the engine's models only name and address are told while it runs; all
        else is in the file that the run writes, and in `sygra report`.
        """
        with self._lock:
            models = {name: model.to_dict() for name, model in self.model_metrics.items()}
            nodes = {name: node.to_dict() for name, node in self.node_metrics.items()}
            statistics_of_all = self._aggregate(list(self.model_metrics.values()))
        for model in self.figures.get("models", []):
            models.setdefault(model["model"], {"model_name": model["model"], "model_url": model.get("url")})
        return {
            "metadata_version": "1.0.0",
            "generated_at": datetime.now().isoformat(),
            "execution": self._execution(),
            "dataset": self._dataset_map(),
            "aggregate_statistics": statistics_of_all,
            "models": models,
            "nodes": nodes,
        }

    def save_metadata(self, output_path=None):
        """Writes the summary; returns its path, or None where recording is off."""
        if not self._enabled:
            return None
        if output_path is None:
            task = self._context.get("task_name", "unknown").replace("/", "_").replace(".", "_")
            stamp = self._context.get("run_timestamp") or datetime.now().strftime("%Y-%m-%d_%H-%M-%S")
            folder = Path(self._context.get("output_dir") or ".") / "metadata"
            output_path = folder / f"metadata_{task}_{stamp}.json"
        output_path = Path(output_path)
        output_path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.get_metadata_summary(), indent=2, ensure_ascii=False)
        output_path.write_text(text, encoding="utf-8")
        return output_path

    def _aggregate(self, models):
        figures, processed, failed = self.figures, self.total_records_processed, self.total_records_failed
        prompt = figures.get("prompt_tokens", 0) + sum(m.tokens.prompt for m in models)
        completion = figures.get("completion_tokens", 0) + sum(m.tokens.completion for m in models)
        failures = figures.get("calls_failed", 0) + sum(m.times.failures for m in models)
        requests = figures.get("calls", 0) + figures.get("calls_failed", 0) + sum(m.times.count for m in models)
        retries = figures.get("retries", 0) + sum(m.retries for m in models)
        cost = figures.get("cost_usd", figures.get("known_cost_usd", 0.0)) + sum(m.cost for m in models)
        return {
            "records": {
                "total_processed": processed,
                "total_failed": failed,
                "success_rate": _share(processed - failed, processed),
            },
            "tokens": {
                "total_prompt_tokens": prompt,
                "total_completion_tokens": completion,
                "total_tokens": prompt + completion,
            },
            "requests": {
                "total_requests": requests,
                "total_retries": retries,
                "total_failures": failures,
                "retry_rate": _share(retries, requests),
                "failure_rate": _share(failures, requests),
            },
            "cost": {
                "total_cost_usd": round(cost, 6),
                "average_cost_per_record": round(_share(cost, processed), 6),
            },
        }

    def _execution(self):
        defaults = {"task_name": "unknown", "run_name": None, "output_dir": None, "batch_size": 50}
        defaults.update(checkpoint_interval=100, resumable=False, debug=False)
        duration = (self._end or datetime.now()) - self._start if self._start else None
        return {
            **{name: self._context.get(name, default) for name, default in defaults.items()},
            "environment": {"python_version": sys.version},
            "timing": {
                "start_time": self._start.isoformat() if self._start else None,
                "end_time": self._end.isoformat() if self._end else None,
                "duration_seconds": round(duration.total_seconds(), 3) if duration else self.figures.get("elapsed_s"),
            },
        }

    def _dataset_map(self):
        made = {"source_type": "unknown", "source_path": None, "num_records_processed": self.total_records_processed}
        made.update(start_index=0, dataset_version=None, dataset_hash=None)
        made.update(self._dataset)
        return {**made, "sources": dict(self._sources)} if self._sources else made


_collector = None
_collector_lock = threading.Lock()


def get_metadata_collector():
    """The collector of this process."""
    global _collector
    with _collector_lock:
        if _collector is None:
            _collector = MetadataCollector()
        return _collector


def record_model_usage(
    model_name, response_obj, latency, response_code=200, node_name=None, is_retry=False, model_config=None
):
    """Records a call by its answer in OpenAI's form: an object or a map with `usage`."""
    usage = response_obj.get("usage") if isinstance(response_obj, dict) else getattr(response_obj, "usage", None)
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    if isinstance(usage, dict):
        tokens = {name: usage.get(name) or 0 for name in names}
    else:
        tokens = {name: getattr(usage, name, 0) or 0 for name in names}
    get_metadata_collector().record_model_request(
        model_name=model_name,
        node_name=node_name,
        latency=latency,
        response_code=response_code,
        is_retry=is_retry,
        model_config=model_config,
        **tokens,
    )
