# SPDX-License-Identifier: Apache-2.0
"""Of what is of a class, how much was found."""
from sygra.core.eval.metrics import _config
from sygra.core.eval.metrics.aggregator_metrics.aggregator_metric_registry import aggregator_metric
from sygra.core.eval.metrics.aggregator_metrics.base_aggregator_metric import CheckedAggregator
from sygra.core.eval.metrics.base_metric_metadata import BaseMetricMetadata


@aggregator_metric("recall")
class RecallMetric(CheckedAggregator):
    """Config: `golden_key`, the class in what was wanted."""

    empty = {"average_recall": 0.0, "recall_per_class": {}}

    def validate_config(self):
        self.golden_key = _config.text(self, self.config, "golden_key")

    def get_metadata(self):
        return BaseMetricMetadata(
            name="recall",
            display_name="Recall",
            description="Of what is of a class, how much was called so: TP / (TP + FN)",
            metric_type="industry",
        )

    def figures(self, results):
        average, shares = self._shares(results, lambda r: self._label(r.golden, self.golden_key, "golden_key"))
        return {"average_recall": average, "recall_per_class": shares}
