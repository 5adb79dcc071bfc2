# SPDX-License-Identifier: Apache-2.0
"""Base class of what holds an answer against the one that was wanted."""
from abc import abstractmethod

from sygra.core.eval.metrics._base import BaseMetric, BuiltIn
from sygra.logger.logger_config import logger
from sygra.core.eval.metrics.unit_metrics.unit_metric_result import UnitMetricResult


class BaseUnitMetric(BaseMetric):
    @abstractmethod
    def evaluate(self, golden, predicted):
        """Two lists of the same length to a list of UnitMetricResult."""


class PairMetric(BuiltIn, BaseUnitMetric):
    """A metric that judges each pair by itself: `judge` returns (correct, what the result's metadata gets). An error
    makes the pair wrong, and is its metadata.
    """

    wraps_values = True  # a value that is no map is judged as {"value": it}

    @abstractmethod
    def judge(self, golden, predicted):
        """Returns (bool, map)."""

    def evaluate(self, golden, predicted):
        if len(golden) != len(predicted):
            lengths = f"{len(golden)} and {len(predicted)}"
            raise ValueError(f"{type(self).__name__}: {lengths} values to compare")
        return [self._result(self._as_map(g), self._as_map(p)) for g, p in zip(golden, predicted)]

    def _as_map(self, value):
        return value if isinstance(value, dict) or not self.wraps_values else {"value": value}

    def _result(self, golden, predicted):
        try:
            correct, detail = self.judge(golden, predicted)
        except Exception as error:
            logger.error("%s: a pair cannot be judged: %s", type(self).__name__, error)
            correct, detail = False, {"error": str(error)}
        return UnitMetricResult(correct, golden, predicted, {"validator": self.metadata.name, **detail})
