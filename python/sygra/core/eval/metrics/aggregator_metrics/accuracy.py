# SPDX-License-Identifier: Apache-2.0
"""The share of results that are correct."""
from sygra.core.eval.metrics.aggregator_metrics.aggregator_metric_registry import aggregator_metric
from sygra.core.eval.metrics.aggregator_metrics.base_aggregator_metric import CheckedAggregator


@aggregator_metric("accuracy")
class AccuracyMetric(CheckedAggregator):
    about = ("accuracy", "Accuracy", "How much of all is right")
    empty = {"accuracy": 0.0}

    def figures(self, results):
        return {"accuracy": self._count_correct(results) / len(results)}
