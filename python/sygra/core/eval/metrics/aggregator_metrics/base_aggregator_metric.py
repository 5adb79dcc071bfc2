# SPDX-License-Identifier: Apache-2.0
"""Base class of what makes a figure of many results."""
from abc import abstractmethod

from sygra.core.eval.metrics._base import BaseMetric, BuiltIn
from sygra.logger.logger_config import logger


class BaseAggregatorMetric(BaseMetric):
    @abstractmethod
    def calculate(self, results):
        """A list of UnitMetricResult to a map of figures."""

    def _count_correct(self, results):
        return sum(1 for result in results if result.correct)

    def _safe_divide(self, numerator, denominator):
        return numerator / denominator if denominator else 0.0


class CheckedAggregator(BuiltIn, BaseAggregatorMetric):
    """A built-in metric; of no results it makes `empty`."""

    empty = {}

    def validate_config(self):
        """There is none."""

    def calculate(self, results):
        if not results:
            logger.warning("%s: there are no results", type(self).__name__)
            return dict(self.empty)
        return self.figures(results)

    @abstractmethod
    def figures(self, results):
        """Of at least one result."""

    def _shares(self, results, label_of):
        """(mean of the shares, label -> share of its results that are correct); those without a label do not count."""
        counts, correct = {}, {}
        for result in results:
            label = label_of(result)
            if label is None:
                continue
            counts[label] = counts.get(label, 0) + 1
            correct[label] = correct.get(label, 0) + bool(result.correct)
        shares = {label: correct[label] / count for label, count in counts.items()}
        return self._safe_divide(sum(shares.values()), len(shares)), shares

    def _label(self, value_map, key, what):
        if key not in value_map:
            logger.warning("%s: a result has no %s '%s'", type(self).__name__, what, key)
            return None
        return value_map[key] if isinstance(value_map[key], str) else str(value_map[key])
