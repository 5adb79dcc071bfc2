# SPDX-License-Identifier: Apache-2.0
"""Of what is of a class, how much was found."""
from sygra.core.eval.metrics import _config
from sygra.core.eval.metrics.aggregator_metrics.aggregator_metric_registry import aggregator_metric
from sygra.core.eval.metrics.aggregator_metrics.base_aggregator_metric import CheckedAggregator


@aggregator_metric("recall")
class RecallMetric(CheckedAggregator):
    """Config: `golden_key`, the class in what was wanted."""

    about = ("recall", "Recall", "Of what is of a class, how much was called so: TP / (TP + FN)")
    empty = {"average_recall": 0.0, "recall_per_class": {}}

    def validate_config(self):
        self.golden_key = _config.text(self, self.config, "golden_key")

    def figures(self, results):
        average, shares = self._shares(results, lambda r: self._label(r.golden, self.golden_key, "golden_key"))
        return {"average_recall": average, "recall_per_class": shares}
