# SPDX-License-Identifier: Apache-2.0
"""How likely one of k attempts is right, when n were made and c were right. All results are attempts at one task."""
import math

from sygra.core.eval.metrics.aggregator_metrics.aggregator_metric_registry import aggregator_metric
from sygra.core.eval.metrics.aggregator_metrics.base_aggregator_metric import CheckedAggregator


def attempts(metric):
    """The `k` of a metric's configuration."""
    k = metric.config.get("k")
    if not isinstance(k, int) or isinstance(k, bool) or k <= 0:
        raise ValueError(f"{type(metric).__name__}: k is required, a whole number above 0 (got {k!r})")
    return k


@aggregator_metric("pass@k")
class PassAtKMetric(CheckedAggregator):
    """Config: `k`."""

    about = ("pass@k", "Pass@k", "How likely one right answer is, or more, among k")
    empty = {"pass@k": 0.0}

    def validate_config(self):
        self.k = attempts(self)

    def figures(self, results):
        return {"pass@k": self.pass_at_k(len(results), self._count_correct(results), self.k)}

    @staticmethod
    def pass_at_k(n, c, k):
        """1 - C(n - c, k) / C(n, k)."""
        if n <= 0 or c < 0 or k <= 0:
            raise ValueError("pass@k: n and k are 1 or more, and c is 0 or more")
        if c > n:
            raise ValueError("pass@k: more right answers (c) than answers (n)")
        if k > n:
            raise ValueError("pass@k: k is more than there are answers (n)")
        if c == 0:
            return 0.0
        return 1.0 - math.comb(n - c, k) / math.comb(n, k)
