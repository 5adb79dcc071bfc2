# SPDX-License-Identifier: Apache-2.0
"""Of what was predicted as a class, how much was right."""
from sygra.core.eval.metrics import _config
from sygra.core.eval.metrics.aggregator_metrics.aggregator_metric_registry import aggregator_metric
from sygra.core.eval.metrics.aggregator_metrics.base_aggregator_metric import CheckedAggregator


@aggregator_metric("precision")
class PrecisionMetric(CheckedAggregator):
    """Config: `predicted_key`, the class in what was predicted."""

    about = ("precision", "Precision", "Of what was called a class, how much is of it: TP / (TP + FP)")
    empty = {"average_precision": 0.0, "precision_per_class": {}}

    def validate_config(self):
        self.predicted_key = _config.text(self, self.config, "predicted_key")

    def figures(self, results):
        average, shares = self._shares(results, lambda r: self._label(r.predicted, self.predicted_key, "predicted_key"))
        return {"average_precision": average, "precision_per_class": shares}
