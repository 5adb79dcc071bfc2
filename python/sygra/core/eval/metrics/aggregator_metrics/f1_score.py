# SPDX-License-Identifier: Apache-2.0
"""The harmonic mean of precision and recall: of their averages, and for each class."""
from sygra.core.eval.metrics.aggregator_metrics.aggregator_metric_registry import aggregator_metric
from sygra.core.eval.metrics.aggregator_metrics.base_aggregator_metric import CheckedAggregator
from sygra.core.eval.metrics.aggregator_metrics.precision import PrecisionMetric
from sygra.core.eval.metrics.aggregator_metrics.recall import RecallMetric


@aggregator_metric("f1_score")
class F1ScoreMetric(CheckedAggregator):
    """Config: `predicted_key` and `golden_key`, as of precision and recall."""

    about = ("f1_score", "F1 Score", "Precision P and recall R as one figure, 2PR / (P + R)")
    empty = {"average_f1_score": 0.0, "f1_score_per_class": {}}

    def validate_config(self):
        self.precision_metric = PrecisionMetric(predicted_key=self.config.get("predicted_key"))
        self.recall_metric = RecallMetric(golden_key=self.config.get("golden_key"))
        self.predicted_key = self.precision_metric.predicted_key
        self.golden_key = self.recall_metric.golden_key

    def figures(self, results):
        precision, recall = self.precision_metric.calculate(results), self.recall_metric.calculate(results)
        precisions, recalls = precision["precision_per_class"], recall["recall_per_class"]
        classes = list(precisions) + [label for label in recalls if label not in precisions]
        return {
            "average_f1_score": self._mean(precision["average_precision"], recall["average_recall"]),
            "f1_score_per_class": {c: self._mean(precisions.get(c, 0.0), recalls.get(c, 0.0)) for c in classes},
        }

    def _mean(self, precision, recall):
        return self._safe_divide(2 * precision * recall, precision + recall)
