# SPDX-License-Identifier: Apache-2.0
"""How likely all of k attempts are right: the share of right results to the power of k."""
from sygra.core.eval.metrics.aggregator_metrics.aggregator_metric_registry import aggregator_metric
from sygra.core.eval.metrics.aggregator_metrics.base_aggregator_metric import CheckedAggregator
from sygra.core.eval.metrics.aggregator_metrics.pass_at_k import attempts


@aggregator_metric("pass^k")
class PassPowerKMetric(CheckedAggregator):
    """Config: `k`."""

    about = ("pass^k", "Pass^k", "How likely k right answers in a row are")
    empty = {"success_rate": 0.0, "pass^k": 0.0}

    def validate_config(self):
        self.k = attempts(self)

    def figures(self, results):
        rate = self._count_correct(results) / len(results)
        return {"success_rate": rate, "pass^k": self.pass_power_k(rate, self.k)}

    @staticmethod
    def pass_power_k(success_rate, k):
        if not 0 <= success_rate <= 1:
            raise ValueError("pass^k: a rate lies between 0 and 1")
        if k <= 0:
            raise ValueError("pass^k: k is 1 or more")
        return success_rate**k
