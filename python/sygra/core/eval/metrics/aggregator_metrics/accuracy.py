# SPDX-License-Identifier: Apache-2.0
"""The share of results that are correct."""
from sygra.core.eval.metrics.aggregator_metrics.aggregator_metric_registry import aggregator_metric
from sygra.core.eval.metrics.aggregator_metrics.base_aggregator_metric import CheckedAggregator
from sygra.core.eval.metrics.base_metric_metadata import BaseMetricMetadata


@aggregator_metric("accuracy")
class AccuracyMetric(CheckedAggregator):
    empty = {"accuracy": 0.0}

    def get_metadata(self):
        return BaseMetricMetadata(
            name="accuracy",
            display_name="Accuracy",
            description="How much of all is right",
            metric_type="industry",
        )

    def figures(self, results):
        return {"accuracy": self._count_correct(results) / len(results)}
